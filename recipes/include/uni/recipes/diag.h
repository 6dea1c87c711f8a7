/*
 * What is wrong with a recipe, all of it at once: a list of findings, each with its place in a
 * file, a plain sentence, and what to do about it where that is known. Readers add to the list and
 * go on; the caller prints it.
 */
#ifndef UNI_RECIPES_DIAG_H
#define UNI_RECIPES_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <uni/base/text.h>

/* A place in a text file, both from 1; `column` counts characters, not bytes. Line 0: the file as a
 * whole. */
struct uni_pos {
	unsigned line;
	unsigned column;
};

enum uni_severity { UNI_SEVERITY_ERROR, UNI_SEVERITY_WARNING };

struct uni_diag {
	enum uni_severity severity;
	char *file;
	struct uni_pos pos;
	char *message; /* one line without a full stop at its end */
	char *hint;    /* NULL when there is none */
};

#define UNI_DIAGS_MAX 100 /* what comes behind is counted, not kept */

struct uni_diags {
	struct uni_diag *items;
	size_t count;
	size_t room;
	size_t errors;	/* all errors found, kept or not */
	size_t dropped; /* findings that were not kept */
};
#define UNI_DIAGS_INIT                                                                             \
	{                                                                                          \
		.items = NULL                                                                      \
	}
#define UNI_AUTO_DIAGS __attribute__((cleanup(uni_diags_free)))

void uni_diags_free(struct uni_diags *diags); /* may be used again afterwards */
void uni_diags_error(struct uni_diags *diags, const char *file, struct uni_pos pos, const char *fmt,
		     ...) __attribute__((format(printf, 4, 5)));
void uni_diags_warning(struct uni_diags *diags, const char *file, struct uni_pos pos,
		       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What to do about the finding added last. */
void uni_diags_hint(struct uni_diags *diags, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* By file, then place; findings at one place keep their order. */
void uni_diags_sort(struct uni_diags *diags);
/* "FILE:LINE:COLUMN: MESSAGE", without the hint and without a newline. */
void uni_diag_text(const struct uni_diag *diag, struct uni_buf *out);
/* Makes `err` of the first error: its text, its hint, and how many more there are. Returns `code`.
 */
int uni_diags_err(const struct uni_diags *diags, int code, struct uni_err *err);

#endif
