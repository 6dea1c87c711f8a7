/*
 * The TOML reader's grammar: lines, headers, dotted keys, arrays and inline tables, with the rules
 * about what may be defined twice. A line that cannot be read ends neither the reading nor the list
 * of findings: the reader goes on where the next header or key seems to begin.
 */
#include "toml.h"

#include <string.h>

enum { SYNTAX_ERRORS_MAX = 20 };

static bool read_value(struct toml_reader *r, struct uni_toml_value **out, unsigned depth);

struct key {
	const char *data;
	size_t size;
	struct uni_pos pos;
};

static bool scan_key(struct toml_reader *r, struct key *key)
{
	key->pos = toml_here(r);
	return toml_scan_key(r, &key->data, &key->size);
}

static bool check_depth(struct toml_reader *r, unsigned depth)
{
	if (depth <= UNI_TOML_DEPTH_MAX)
		return true;
	r->over_limit = true;
	return toml_fail(r, toml_here(r), NULL, "values are nested more than %u levels deep",
			 UNI_TOML_DEPTH_MAX);
}

/* A value that replaces nothing is put under its key. */
static void put(struct uni_toml_value *table, const struct key *key, struct uni_toml_value *value)
{
	value->key = key->data;
	value->key_size = key->size;
	value->key_pos = key->pos;
	toml_insert(table, value);
}

static struct uni_toml_value *new_table(struct toml_reader *r, const struct key *key,
					unsigned flags)
{
	struct uni_toml_value *table = toml_new_value(r, UNI_TOML_TABLE, key->pos);

	if (table != NULL)
		table->flags = flags;
	return table;
}

/* Under its key in `parent`; NULL with a finding. */
static struct uni_toml_value *add_table(struct toml_reader *r, struct uni_toml_value *parent,
					const struct key *key, unsigned flags)
{
	struct uni_toml_value *table = new_table(r, key, flags);

	if (table != NULL)
		put(parent, key, table);
	return table;
}

static bool fail_twice(struct toml_reader *r, const struct key *key,
		       const struct uni_toml_value *first, const char *what)
{
	toml_fail(r, key->pos, NULL, "%s \"%s\" is defined twice", what, key->data);
	uni_diags_hint(r->diags, "it was first defined in line %u", first->key_pos.line);
	return false;
}

/* What stands under the key takes no more: it is no table, or one that is `closed`. */
static struct uni_toml_value *fail_closed(struct toml_reader *r, const struct key *key,
					  const struct uni_toml_value *found, const char *closed)
{
	if (found->type == UNI_TOML_TABLE || found->type == UNI_TOML_ARRAY)
		toml_fail(r, key->pos, NULL, "\"%s\" %s, nothing can be added", key->data, closed);
	else
		toml_fail(r, key->pos, NULL, "\"%s\" is %s, not a table", key->data,
			  uni_toml_type_name(found->type));
	uni_diags_hint(r->diags, "it was defined in line %u", found->key_pos.line);
	return NULL;
}

/*
 * One step down on behalf of a header: into the table of that name, made when absent, or into the
 * last table of an array of tables.
 */
static struct uni_toml_value *step_header(struct toml_reader *r, struct uni_toml_value *table,
					  const struct key *key)
{
	struct uni_toml_value *found = uni_toml_find(table, key->data, key->size);

	if (found == NULL)
		return add_table(r, table, key, TOML_IMPLICIT);
	if (found->type == UNI_TOML_ARRAY && (found->flags & TOML_TABLES) != 0)
		return found->list.last;
	if (found->type == UNI_TOML_TABLE && (found->flags & TOML_INLINE) == 0)
		return found;
	return fail_closed(r, key, found, "is complete already");
}

/* One step down on behalf of a dotted key: only through tables that dotted keys made. */
static struct uni_toml_value *step_dotted(struct toml_reader *r, struct uni_toml_value *table,
					  const struct key *key)
{
	struct uni_toml_value *found = uni_toml_find(table, key->data, key->size);

	if (found == NULL)
		return add_table(r, table, key, TOML_DOTTED);
	if (found->type == UNI_TOML_TABLE && (found->flags & TOML_DOTTED) != 0)
		return found;
	return fail_closed(r, key, found, "is defined elsewhere");
}

/* The table of a [header]'s last part; NULL with a finding. */
static struct uni_toml_value *open_table(struct toml_reader *r, struct uni_toml_value *parent,
					 const struct key *key)
{
	struct uni_toml_value *found = uni_toml_find(parent, key->data, key->size);

	if (found == NULL)
		return add_table(r, parent, key, TOML_HEADER);
	if (found->type == UNI_TOML_TABLE && (found->flags & TOML_IMPLICIT) != 0) {
		found->flags = TOML_HEADER;
		found->pos = found->key_pos = key->pos;
		return found;
	}
	fail_twice(r, key, found, found->type == UNI_TOML_TABLE ? "table" : "key");
	return NULL;
}

/* A new table in the array of a [[header]]'s last part; NULL with a finding. */
static struct uni_toml_value *open_item(struct toml_reader *r, struct uni_toml_value *parent,
					const struct key *key)
{
	struct uni_toml_value *array = uni_toml_find(parent, key->data, key->size);
	struct uni_toml_value *item;

	if (array == NULL) {
		array = toml_new_value(r, UNI_TOML_ARRAY, key->pos);
		if (array == NULL)
			return NULL;
		array->flags = TOML_TABLES;
		put(parent, key, array);
	}
	if (array->type != UNI_TOML_ARRAY || (array->flags & TOML_TABLES) == 0) {
		toml_fail(r, key->pos, NULL, "\"%s\" is %s, not an array of tables", key->data,
			  array->type == UNI_TOML_ARRAY ? "a plain array"
							: uni_toml_type_name(array->type));
		uni_diags_hint(r->diags, "it was defined in line %u", array->key_pos.line);
		return NULL;
	}
	item = new_table(r, key, TOML_HEADER);
	if (item != NULL)
		toml_append(array, item);
	return item;
}

/* Where keys go whose header was refused: into a table that nobody sees. */
static bool use_nowhere(struct toml_reader *r)
{
	struct key key = { .pos = { r->line, 1 } };

	r->table = new_table(r, &key, TOML_HEADER);
	r->table_depth = 1;
	return r->table != NULL;
}

static bool close_header(struct toml_reader *r, bool item)
{
	char found[32];

	if (r->at < r->end && *r->at == ']') {
		r->at++;
		if (!item)
			return true;
		if (r->at < r->end && *r->at == ']') {
			r->at++;
			return true;
		}
	}
	return toml_fail(r, toml_here(r), NULL, "%s is expected behind the table's name, not %s",
			 item ? "]]" : "]", toml_found(r, found));
}

/* [a.b] or [[a.b]]. False only for what is no header at all; a table that may not be defined here
 * has its finding and takes its keys out of sight. */
static bool read_header(struct toml_reader *r)
{
	struct uni_toml_value *table = &r->doc->root;
	struct key key;
	bool item;

	r->at++;
	item = r->at < r->end && *r->at == '[';
	if (item)
		r->at++;
	for (unsigned depth = 1;; depth++) {
		toml_skip_blank(r);
		if (!check_depth(r, depth) || !scan_key(r, &key))
			return false;
		toml_skip_blank(r);
		r->table_depth = depth;
		if (r->at == r->end || *r->at != '.')
			break;
		r->at++;
		if (table != NULL)
			table = step_header(r, table, &key);
	}
	if (!close_header(r, item))
		return false;
	if (table != NULL)
		table = item ? open_item(r, table, &key) : open_table(r, table, &key);
	if (table == NULL)
		return use_nowhere(r);
	r->table = table;
	return true;
}

/* key.key = value, into `table`. A key that is there already has its finding and is dropped. */
static bool read_pair(struct toml_reader *r, struct uni_toml_value *table, unsigned depth)
{
	struct uni_toml_value *value;
	struct key key;
	char found[32];

	for (;; depth++) {
		if (!check_depth(r, depth) || !scan_key(r, &key))
			return false;
		toml_skip_blank(r);
		if (r->at == r->end || *r->at != '.')
			break;
		r->at++;
		toml_skip_blank(r);
		if (table != NULL)
			table = step_dotted(r, table, &key);
	}
	if (r->at == r->end || *r->at != '=')
		return toml_fail(r, toml_here(r), NULL, "= is expected behind the key, not %s",
				 toml_found(r, found));
	r->at++;
	toml_skip_blank(r);
	if (!read_value(r, &value, depth))
		return false;
	if (table == NULL)
		return !r->over_limit;
	if (uni_toml_find(table, key.data, key.size) != NULL)
		fail_twice(r, &key, uni_toml_find(table, key.data, key.size), "key");
	else
		put(table, &key, value);
	return true;
}

/* White space, comments and line ends, as they may stand between the items of an array. */
static bool skip_lines(struct toml_reader *r)
{
	for (;;) {
		toml_skip_blank(r);
		if (!toml_skip_comment(r))
			return false;
		if (!toml_at_newline(r))
			return true;
		toml_take_newline(r);
	}
}

static bool read_array(struct toml_reader *r, struct uni_toml_value *array, unsigned depth)
{
	struct uni_toml_value *item;
	char found[32];

	array->flags = TOML_INLINE;
	r->at++;
	for (;;) {
		if (!skip_lines(r))
			return false;
		if (r->at < r->end && *r->at == ']')
			break;
		if (r->at == r->end)
			return toml_fail(r, array->pos, NULL, "the array has no closing ]");
		if (!read_value(r, &item, depth + 1))
			return false;
		toml_append(array, item);
		if (!skip_lines(r))
			return false;
		if (r->at == r->end)
			return toml_fail(r, array->pos, NULL, "the array has no closing ]");
		if (*r->at == ']')
			break;
		if (*r->at != ',')
			return toml_fail(r, toml_here(r), NULL,
					 ", or ] is expected in the array, not %s",
					 toml_found(r, found));
		r->at++;
	}
	r->at++;
	return true;
}

static bool read_inline_table(struct toml_reader *r, struct uni_toml_value *table, unsigned depth)
{
	char found[32];

	r->at++;
	toml_skip_blank(r);
	if (r->at < r->end && *r->at == '}') {
		r->at++;
		table->flags = TOML_INLINE;
		return true;
	}
	for (;;) {
		if (toml_at_newline(r))
			return toml_fail(r, toml_here(r),
					 "write it in one line, or use a [table] of its own",
					 "a table in { } cannot go over several lines");
		if (!read_pair(r, table, depth + 1))
			return false;
		toml_skip_blank(r);
		if (r->at < r->end && *r->at == '}')
			break;
		if (r->at == r->end || *r->at != ',')
			return toml_fail(r, toml_here(r),
					 "a table in { } stands in one line; a longer one gets a "
					 "[header]",
					 ", or } is expected in the table, not %s",
					 toml_found(r, found));
		r->at++;
		toml_skip_blank(r);
	}
	r->at++;
	table->flags = TOML_INLINE;
	return true;
}

static bool read_value(struct toml_reader *r, struct uni_toml_value **out, unsigned depth)
{
	struct uni_toml_value *value;

	if (!check_depth(r, depth))
		return false;
	value = *out = toml_new_value(r, UNI_TOML_STRING, toml_here(r));
	if (value == NULL)
		return false;
	switch (r->at < r->end ? *r->at : '\0') {
	case '"':
	case '\'':
		return toml_scan_string(r, true, &value->string.data, &value->string.size);
	case '[':
		value->type = UNI_TOML_ARRAY;
		return read_array(r, value, depth);
	case '{':
		value->type = UNI_TOML_TABLE;
		return read_inline_table(r, value, depth);
	default:
		return toml_scan_plain(r, value);
	}
}

/* One header or pair with what may stand around it, up to but without the line's end. */
static bool read_line(struct toml_reader *r)
{
	char found[32];

	toml_skip_blank(r);
	if (r->at < r->end && *r->at == '[') {
		if (!read_header(r)) {
			(void)use_nowhere(r);
			return false;
		}
	} else if (r->at < r->end && *r->at != '#' && !toml_at_newline(r)) {
		if (!read_pair(r, r->table, r->table_depth + 1))
			return false;
	}
	toml_skip_blank(r);
	if (!toml_skip_comment(r))
		return false;
	if (r->at == r->end || toml_at_newline(r))
		return true;
	return toml_fail(r, toml_here(r), NULL, "the end of the line is expected here, not %s",
			 toml_found(r, found));
}

/* Whether a line seems to begin something new: a header, or a bare key and its equals sign. */
static bool looks_fresh(const char *at, const char *end)
{
	const char *start;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at < end && *at == '[')
		return true;
	start = at;
	while (at < end && ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
			    (*at >= '0' && *at <= '9') || *at == '_' || *at == '-' || *at == '.'))
		at++;
	if (at == start)
		return false;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at < end && *at == '=';
}

static void skip_to_fresh_line(struct toml_reader *r)
{
	do {
		while (r->at < r->end && *r->at != '\n')
			r->at++;
		if (r->at == r->end)
			return;
		toml_take_newline(r);
	} while (!looks_fresh(r->at, r->end));
}

void toml_read(struct toml_reader *r)
{
	unsigned syntax_errors = 0;

	r->table = &r->doc->root;
	while (r->at < r->end) {
		if (read_line(r)) {
			if (r->at < r->end)
				toml_take_newline(r);
			continue;
		}
		if (r->over_limit || ++syntax_errors == SYNTAX_ERRORS_MAX)
			return;
		skip_to_fresh_line(r);
	}
}
