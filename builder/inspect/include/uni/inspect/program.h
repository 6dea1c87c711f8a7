/*
 * A program that exists, looked at before it has a recipe: what a machine for it would be like, and
 * what of it will not work on a base. Nothing is started; the program's bytes are not trusted.
 */
#ifndef UNI_INSPECT_PROGRAM_H
#define UNI_INSPECT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/text.h>
#include <uni/kernel/calls.h>
#include <uni/kernel/libraries.h>

struct uni_program_finding {
	enum uni_program_severity {
		UNI_PROGRAM_STOPS, /* it will not run */
		UNI_PROGRAM_MAY,   /* a part of it will not work, if it is used */
		UNI_PROGRAM_NOTE,
	} severity;
	char *text;
	char *hint; /* or NULL */
};

struct uni_program_look {
	char *name;	 /* for an image: of the file, as images may be called */
	uint64_t size;	 /* of the file */
	uint64_t memory; /* a beginning for [machine] */
	bool network;	 /* it can make sockets */
	bool jit;	 /* it compiles code while it runs */
	char *place; /* of a program that finds libraries by its own place ($ORIGIN): where it is
			on this machine, links followed; else NULL */
	struct uni_libraries libraries; /* of a dynamic program, as this machine has them */
	uint64_t library_bytes;
	struct uni_program_finding *findings; /* the worst first */
	size_t count, room;
	const struct uni_library_view *view; /* set before: where libraries are looked for; NULL:
						on this machine */
};
#define UNI_PROGRAM_LOOK_INIT                                                                      \
	{                                                                                          \
		.name = NULL                                                                       \
	}
void uni_program_look_free(struct uni_program_look *look);
bool uni_program_stops(const struct uni_program_look *look);

/* `base` is for messages; `table` NULL: its calls are not known, and nothing is said of them. */
int uni_program_look(const char *path, const char *base, const struct uni_calls *table,
		     struct uni_program_look *look, struct uni_err *err);
/* What a recipe says besides. All borrowed. */
struct uni_program_words {
	const char *base;
	const char *program; /* its path, as the recipe is to say it; or NULL: */
	const char *path;    /* among the files of a volume */
	const char *folder;  /* where the libraries are, for a volume at /usr; NULL: elsewhere */
	const struct uni_strv *args;
	const struct uni_strv *env; /* NAME=VALUE */
	const char *cwd;	    /* NULL: the root */
	uint32_t user, group;
	const char *more; /* tables behind it, or NULL: a first test */
};

/* A first recipe, with the findings as comments. */
void uni_program_recipe(const struct uni_program_look *look, const struct uni_program_words *words,
			struct uni_buf *out);
/* Where such a program is in the machine; owned, NULL for others. */
char *uni_program_path(const struct uni_program_look *look);
/* Copies loader, libraries, and a program that needs its place, into `folder`, which is made: each
 * where it stands below /usr. What is elsewhere goes below it too, for the recipe's links lead
 * there: /lib64/X to lib64/X. */
int uni_program_collect(const struct uni_program_look *look, const char *folder,
			struct uni_err *err);

#endif
