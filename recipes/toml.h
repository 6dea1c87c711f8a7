/*
 * What the TOML reader's files share: the document with its arena, the reader's place in the text,
 * and the flags of tables that the rules about defining a table twice need. Not published.
 */
#ifndef UNI_RECIPES_TOML_PRIVATE_H
#define UNI_RECIPES_TOML_PRIVATE_H

#include <uni/recipes/toml.h>

/* How a table or array came to be; what may still be added to it follows from that. */
enum {
	TOML_IMPLICIT = 1, /* made by a longer header; its own header may still come */
	TOML_HEADER = 2,   /* by its own header; closed for a second one */
	TOML_DOTTED = 4,   /* by dotted keys; closed for headers */
	TOML_INLINE = 8,   /* { } or [ ]: complete where it stands */
	TOML_TABLES = 16,  /* array made of [[headers]] */
};

struct toml_chunk {
	struct toml_chunk *next;
	size_t used;
	size_t size;
	_Alignas(16) unsigned char data[];
};

struct uni_toml {
	struct toml_chunk *chunks;
	struct uni_toml_value root;
	size_t values;
};

struct toml_reader {
	struct uni_toml *doc;
	const char *name;
	struct uni_diags *diags;
	const char *at;
	const char *end;
	unsigned line;
	const char *line_start;
	/* The column of `mark`, which is in the present line, so that columns are counted once. */
	const char *mark;
	unsigned mark_column;
	struct uni_toml_value *table; /* of the header above */
	unsigned table_depth;
	struct uni_buf scratch;
	bool over_limit;
};

/* toml.c */
void *toml_alloc(struct uni_toml *doc, size_t size);
const char *toml_copy(struct uni_toml *doc, const char *text, size_t size);
/* NULL, with a finding, when the document has too many values. */
struct uni_toml_value *toml_new_value(struct toml_reader *r, enum uni_toml_type type,
				      struct uni_pos pos);
void toml_append(struct uni_toml_value *array, struct uni_toml_value *item);
/* `item` has its key, which the table does not have yet. */
void toml_insert(struct uni_toml_value *table, struct uni_toml_value *item);

/* toml_scan.c: the reader's place, white space, keys and strings. All bool functions: false with a
 * finding added. */
struct uni_pos toml_here(struct toml_reader *r);
bool toml_fail(struct toml_reader *r, struct uni_pos pos, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What stands at the reader's place, for messages: 'x', "the end of the line", ... */
const char *toml_found(const struct toml_reader *r, char buf[32]);
bool toml_at_newline(const struct toml_reader *r);
void toml_take_newline(struct toml_reader *r);
void toml_skip_blank(struct toml_reader *r);
bool toml_skip_comment(struct toml_reader *r);
bool toml_check_utf8(struct toml_reader *r, const char *text, size_t size);
bool toml_scan_string(struct toml_reader *r, bool multiline_allowed, const char **data,
		      size_t *size);
bool toml_scan_key(struct toml_reader *r, const char **data, size_t *size);

/* toml_number.c: all that is neither string, array nor table. */
bool toml_scan_plain(struct toml_reader *r, struct uni_toml_value *value);

/* toml_parse.c */
void toml_read(struct toml_reader *r);

#endif
