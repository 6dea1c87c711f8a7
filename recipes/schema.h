/*
 * The recipe language as data: every table and key, what it takes, and what it means. One array
 * (schema_table.c) says all of it; the checks, the JSON Schema and the reference page are read off
 * it, so that they cannot disagree. Not published.
 */
#ifndef UNI_RECIPES_SCHEMA_H
#define UNI_RECIPES_SCHEMA_H

#include <uni/recipes/toml.h>

/* The kinds of value that a key takes, as a set. */
enum {
	TAKES_STRING = 1,
	TAKES_INTEGER = 2,
	TAKES_BOOL = 4,
	TAKES_DATETIME = 8,
	TAKES_LIST = 16,    /* array of strings */
	TAKES_MAP = 32,	    /* table of strings under names of the user's */
	TAKES_TABLE = 64,   /* table with keys of its own */
	TAKES_TABLES = 128, /* array of such tables */
	TAKES_NAMED = 256,  /* table of such tables under names of the user's */
	TAKES_NUMBER = 512, /* integer or float */

	/* Beside one of the above: wherever a string may stand, a table of schema_match may too. */
	TAKES_MATCH = 1024,
};

/* What a string must look like. */
enum schema_form {
	FORM_LINE, /* no control characters */
	FORM_TEXT, /* no NUL */
	FORM_BYTES,
	FORM_WORD, /* one of the key's words */
	FORM_NAME,
	FORM_VERSION,
	FORM_RANGE,
	FORM_PACKAGE,
	FORM_ABSOLUTE, /* path inside the machine */
	FORM_INPUT,    /* file or pkg:NAME */
	FORM_FILE,     /* file only */
	FORM_SIZE,
	FORM_DURATION,
	FORM_HOSTNAME,
	FORM_HOST, /* ADDRESS NAME... */
	FORM_ADDRESS,
	FORM_NETWORK,
	FORM_CFLAG,
	FORM_REGEX,
	FORM_SHA256,
	FORM_TARGET, /* of HTTP */
	FORM_DNS_NAME,
	FORM_COUNT,
};

/* How integers are bounded and, for sizes and durations, what unit they have. */
struct schema_key {
	const char *name;
	const char *item; /* what one item of a list is called; NULL: as the key */
	unsigned takes;
	enum schema_form form;
	bool required;
	int64_t least; /* of an integer, and of a size in bytes */
	int64_t most;
	const char *const *words;    /* FORM_WORD; NULL-terminated */
	const char *const *reserved; /* words and keys of later versions; NULL-terminated */
	const char *fallback;	     /* as it would be written, or words in parentheses */
	const char *means;	     /* sentences for the reference page */
	uint16_t runtime;	 /* enum uni_config_type when it may be given at start, else 0 */
	const char *key_pattern; /* of names in TAKES_MAP and TAKES_NAMED: a JSON Schema pattern */
	const char *merge_key;	 /* TAKES_TABLES: which key tells one from the others, or NULL */
	const struct schema_table *table;
};

struct schema_table {
	const char *title; /* "[image]"; NULL for the recipe as a whole */
	const char *means;
	const struct schema_key *keys;
	size_t count;
};

struct schema_form_info {
	const char *name;    /* "a size": fits behind "is not" */
	const char *hint;    /* how to write it */
	const char *pattern; /* JSON Schema (ECMA 262); NULL: none */
};

extern const struct schema_table schema_recipe;
extern const struct schema_table schema_test;	/* schema_test.c */
extern const struct schema_table schema_match;	/* schema_test.c */
extern const struct schema_table schema_output; /* schema_output.c */
#define KEYS(array) .keys = (array), .count = UNI_COUNT(array)
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

#define SIZE_MOST ((int64_t)1 << 50) /* bytes of a file system or disk */

extern const struct schema_form_info schema_forms[FORM_COUNT];

const struct schema_key *schema_find(const struct schema_table *table, const char *name);

/* Flag of a value that has a finding: it counts as given, but nothing is read from it. The reader's
 * own flags end below. */
enum { SCHEMA_BAD = 256 };

/* Lists longer than that are a mistake, and some are compared item by item. */
enum { SCHEMA_ITEMS_MAX = 4096 };

/* schema_doc.c: the reference page's example. */
extern const char schema_example[];

/* What a check needs to say where something is wrong. */
struct schema_context {
	const char *file;
	struct uni_diags *diags;
};

/* schema_check.c: keys, types and forms of `table` and all below it; what is wrong is marked bad.
 */
void schema_check(const struct schema_context *context, struct uni_toml_value *table);
/* Keys that must be there and are not. For the recipe as it is after merging. */
void schema_check_required(const struct schema_context *context,
			   const struct uni_toml_value *table);

/* schema_form.c. FORM_WORD and the two texts without a pattern always hold here. */
bool schema_form_check(enum schema_form form, const char *text);
/* Whether it is meant to be fetched, well-formed or not. */
bool schema_is_remote(const char *text);
bool schema_read_size(const char *text, uint64_t *bytes);
bool schema_read_duration(const char *text, uint32_t *ms);

/* overlay.c: merges the variant's tables into the recipe's root, in place. False with a finding. */
bool schema_merge_variant(const struct schema_context *context, struct uni_toml_value *root,
			  const char *variant);

#endif
