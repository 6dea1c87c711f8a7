/*
 * TOML 1.0.0 (toml.io/en/v1.0.0): a reader that knows where everything stands, and the few pieces a
 * writer needs. A document owns all of its values; they live until uni_toml_free.
 *
 * Bounds: UNI_TOML_MAX bytes, UNI_TOML_VALUES_MAX values, UNI_TOML_DEPTH_MAX levels. Finding a key
 * takes a logarithm of the table's size whatever the keys are.
 */
#ifndef UNI_RECIPES_TOML_H
#define UNI_RECIPES_TOML_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/recipes/diag.h>

#define UNI_TOML_MAX (16u << 20)
#define UNI_TOML_VALUES_MAX 262144u
#define UNI_TOML_DEPTH_MAX 128u

enum uni_toml_type {
	UNI_TOML_STRING,
	UNI_TOML_INTEGER,
	UNI_TOML_FLOAT,
	UNI_TOML_BOOL,
	UNI_TOML_DATETIME, /* with offset */
	UNI_TOML_LOCAL_DATETIME,
	UNI_TOML_LOCAL_DATE,
	UNI_TOML_LOCAL_TIME,
	UNI_TOML_ARRAY,
	UNI_TOML_TABLE,
};

struct uni_toml_time {
	uint16_t year;
	uint8_t month;
	uint8_t day;
	uint8_t hour;
	uint8_t minute;
	uint8_t second;	     /* up to 60, as RFC 3339 has it */
	int16_t offset;	     /* minutes east of UTC */
	uint32_t nanosecond; /* digits beyond are cut */
};

struct uni_toml_value {
	enum uni_toml_type type;
	unsigned flags; /* the reader's own */
	struct uni_pos pos;
	/* Members of a table have a key; it is NUL-terminated and may hold NULs before that. */
	const char *key;
	size_t key_size;
	struct uni_pos key_pos;
	struct uni_toml_value *next; /* in the table or array that holds it, in the file's order */
	union {
		struct {
			const char *data; /* NUL-terminated, may hold NULs before that */
			size_t size;
		} string;
		int64_t integer;
		double number;
		bool boolean;
		struct uni_toml_time time;
		struct {
			struct uni_toml_value *first;
			struct uni_toml_value *last;
			struct uni_toml_value *root; /* of the search tree of a table */
			size_t count;
		} list; /* arrays and tables */
	};
	struct uni_toml_value *left, *right; /* search tree, the reader's own */
	unsigned level;
};

struct uni_toml;

/*
 * Reads a document; `name` is the file's name in findings. On failure `*out` is NULL, UNI_E_PARSE
 * (or UNI_E_LIMIT) is returned, all findings are in `diags`, the first one in `err`.
 */
int uni_toml_parse(struct uni_toml **out, const char *name, const char *text, size_t size,
		   struct uni_diags *diags, struct uni_err *err);
/* The same, but `*out` is set whatever happens, holding what could be understood, so that a caller
 * can look for more to complain about. */
int uni_toml_parse_partial(struct uni_toml **out, const char *name, const char *text, size_t size,
			   struct uni_diags *diags, struct uni_err *err);
void uni_toml_free(struct uni_toml *toml);
UNI_AUTO_DEFINE(uni_toml)

struct uni_toml_value *uni_toml_root(struct uni_toml *toml);
/* NULL when the table has no such key. */
struct uni_toml_value *uni_toml_get(const struct uni_toml_value *table, const char *key);
struct uni_toml_value *uni_toml_find(const struct uni_toml_value *table, const char *key,
				     size_t size);
/* Seconds since 1970 of a date and time with offset; a fraction is dropped. */
int64_t uni_toml_time_seconds(const struct uni_toml_time *time);
/* "a string", "an integer", ... */
const char *uni_toml_type_name(enum uni_toml_type type);

/* A key, bare where it can be; a string in double quotes with what must be escaped escaped. */
void uni_toml_write_key(struct uni_buf *out, const char *key);
void uni_toml_write_string(struct uni_buf *out, const char *text);

#endif
