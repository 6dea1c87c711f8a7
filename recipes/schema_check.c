/*
 * A recipe against the schema: unknown keys, wrong types, numbers out of bounds, strings of the
 * wrong form, keys that are missing. Every finding is added and the check goes on; values that are
 * wrong are marked, so that what reads them later leaves them alone.
 */
#include "schema.h"

#include <stdio.h>
#include <string.h>
#include <uni/recipes/recipe.h>

/* RFC 9110, section 5.6.2. */
#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Where in the recipe: "[machine]", "volume \"content\"", "" for the root. */
struct place {
	const struct schema_context *context;
	const struct schema_table *table;
	bool overlay; /* inside a variant */
	char name[160];
};

static void check_table(const struct place *place, struct uni_toml_value *table);

static void complain(const struct place *place, struct uni_toml_value *value, struct uni_pos pos,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void complain(const struct place *place, struct uni_toml_value *value, struct uni_pos pos,
		     const char *fmt, ...)
{
	char text[700];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (value != NULL)
		value->flags |= SCHEMA_BAD;
	uni_diags_error(place->context->diags, place->context->file, pos, "%s%s%s", place->name,
			place->name[0] != '\0' ? ": " : "", text);
}

static void hint(const struct place *place, const char *text)
{
	if (text != NULL)
		uni_diags_hint(place->context->diags, "%s", text);
}

static void hint_words(const struct place *place, const char *intro, const char *const *words,
		       size_t count)
{
	struct uni_buf list UNI_AUTO_BUF = UNI_BUF_INIT;

	for (size_t i = 0; i < count; i++)
		uni_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
	uni_diags_hint(place->context->diags, "%s%s", intro, uni_buf_text(&list));
}

static size_t count_words(const char *const *words)
{
	size_t count = 0;

	while (words != NULL && words[count] != NULL)
		count++;
	return count;
}

static bool has_word(const char *const *words, const char *text)
{
	for (size_t i = 0; i < count_words(words); i++)
		if (strcmp(words[i], text) == 0)
			return true;
	return false;
}

/* What a key takes, in words: "a size", "a list of strings", "true or false". */
static void describe_taken(const struct schema_key *key, struct uni_buf *out)
{
	static const struct {
		unsigned bit;
		const char *text;
	} kinds[] = {
		{ TAKES_BOOL, "true or false" },
		{ TAKES_INTEGER, "an integer" },
		{ TAKES_NUMBER, "a number" },
		{ TAKES_STRING, "a string" },
		{ TAKES_DATETIME, "a date and time with offset" },
		{ TAKES_LIST, "a list of strings" },
		{ TAKES_MAP, "a table of strings" },
		{ TAKES_TABLE, "a table" },
		{ TAKES_TABLES, "an array of tables" },
		{ TAKES_NAMED, "a table of tables" },
	};

	for (size_t i = 0; i < UNI_COUNT(kinds); i++)
		if ((key->takes & kinds[i].bit) != 0)
			uni_buf_printf(out, "%s%s", out->size != 0 ? " or " : "", kinds[i].text);
}

static void complain_type(const struct place *place, const struct schema_key *key,
			  struct uni_toml_value *value)
{
	struct uni_buf taken UNI_AUTO_BUF = UNI_BUF_INIT;

	describe_taken(key, &taken);
	complain(place, value, value->pos, "%s must be %s, not %s", key->name, uni_buf_text(&taken),
		 uni_toml_type_name(value->type));
	if (key->form == FORM_SIZE || key->form == FORM_DURATION)
		hint(place, schema_forms[key->form].hint);
	else if ((key->takes & TAKES_LIST) != 0 && value->type == UNI_TOML_STRING)
		uni_diags_hint(place->context->diags, "a list stands in brackets: %s = [\"...\"]",
			       key->name);
	else if ((key->takes & TAKES_TABLES) != 0)
		uni_diags_hint(place->context->diags, "each one begins with a line [[%s]]",
			       key->name);
	else if ((key->takes & TAKES_TABLE) != 0 && place->table->title == NULL)
		uni_diags_hint(place->context->diags, "it begins with a line [%s]", key->name);
}

static void check_word(const struct place *place, const struct schema_key *key, const char *what,
		       struct uni_toml_value *value)
{
	const char *text = value->string.data;
	size_t count = count_words(key->words);
	const char *near;

	if (has_word(key->words, text))
		return;
	if (has_word(key->reserved, text)) {
		complain(place, value, value->pos,
			 "%s \"%s\" needs a later version of uni than this one, " UNI_VERSION, what,
			 text);
		hint_words(place, "known here: ", key->words, count);
		return;
	}
	near = uni_str_nearest(text, key->words, count);
	complain(place, value, value->pos, "%s cannot be \"%s\"", what, text);
	if (near != NULL)
		uni_diags_hint(place->context->diags, "did you mean \"%s\"?", near);
	else
		hint_words(place, "known here: ", key->words, count);
}

static void check_bounds(const struct place *place, const struct schema_key *key,
			 struct uni_toml_value *value, int64_t number)
{
	bool octal = key->most == 0777;

	if (number >= key->least && number <= key->most)
		return;
	if (octal) {
		complain(place, value, value->pos, "%s is not between 0 and 0o777", key->name);
		hint(place, "octal numbers are written 0o644");
		return;
	}
	complain(place, value, value->pos, "%s is not between %lld and %lld", key->name,
		 (long long)key->least, (long long)key->most);
}

static void check_number(const struct place *place, const struct schema_key *key,
			 struct uni_toml_value *value)
{
	double number = value->type == UNI_TOML_FLOAT ? value->number : (double)value->integer;

	/* Written so that what is no number is out of bounds. */
	if (!(number >= (double)key->least && number <= (double)key->most))
		complain(place, value, value->pos, "%s is not between %lld and %lld", key->name,
			 (long long)key->least, (long long)key->most);
}

/* The least character that may not stand in a text of the form, or -1. */
static int find_control(const struct uni_toml_value *value, enum schema_form form)
{
	for (size_t i = 0; form != FORM_BYTES && i < value->string.size; i++) {
		unsigned char c = (unsigned char)value->string.data[i];

		if (c == 0 || (form != FORM_TEXT && (c < 0x20 || c == 0x7f)))
			return c;
	}
	return -1;
}

static void check_string(const struct place *place, const struct schema_key *key, const char *what,
			 struct uni_toml_value *value)
{
	const struct schema_form_info *form = &schema_forms[key->form];
	int control = find_control(value, key->form);
	uint64_t bytes;
	uint32_t ms;

	if (control >= 0) {
		complain(place, value, value->pos, "%s holds the control character U+%04X", what,
			 (unsigned)control);
		hint(place, schema_forms[key->form == FORM_TEXT ? FORM_TEXT : FORM_LINE].hint);
	} else if (key->form == FORM_WORD) {
		check_word(place, key, what, value);
	} else if (!schema_form_check(key->form, value->string.data)) {
		complain(place, value, value->pos, "%s \"%s\" is not %s", what, value->string.data,
			 form->name);
		hint(place, form->hint);
	} else if (key->form == FORM_SIZE && schema_read_size(value->string.data, &bytes)) {
		check_bounds(place, key, value, bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes);
	} else if (key->form == FORM_DURATION && schema_read_duration(value->string.data, &ms)) {
		check_bounds(place, key, value, (int64_t)(ms + 999) / 1000);
	}
}

/* { regex = "..." } and the like, where text to match stands. */
static void check_match(const struct place *place, const char *what, struct uni_toml_value *table)
{
	struct place inner = { .context = place->context, .table = &schema_match, .overlay = true };

	snprintf(inner.name, sizeof(inner.name), "%.100s%s%.50s", place->name,
		 place->name[0] != '\0' ? ": " : "", what);
	check_table(&inner, table);
	if (table->list.count == 1)
		return;
	complain(&inner, table, table->pos, "one thing must be said about what comes, not %zu",
		 table->list.count);
	hint(&inner, "one of contains, equals, regex, sha256");
}

static void check_list(const struct place *place, const struct schema_key *key,
		       struct uni_toml_value *list)
{
	const char *what = key->item != NULL ? key->item : key->name;

	for (struct uni_toml_value *item = list->list.first; item != NULL; item = item->next) {
		if (item->type == UNI_TOML_STRING)
			check_string(place, key, what, item);
		else if (item->type == UNI_TOML_TABLE && (key->takes & TAKES_MATCH) != 0)
			check_match(place, what, item);
		else
			complain(place, item, item->pos, "%s: each item must be a string, not %s",
				 key->name, uni_toml_type_name(item->type));
	}
}

/* Names under which the user puts values: variables, hosts, variants. */
static bool check_map_key(const struct place *place, const struct schema_key *key,
			  struct uni_toml_value *member)
{
	const char *text = member->key;
	bool sound = strlen(text) == member->key_size;

	if (strcmp(key->name, "env") == 0) {
		sound = sound && text[0] != '\0' && !(text[0] >= '0' && text[0] <= '9');
		for (const char *c = text; *c != '\0'; c++)
			sound = sound && (*c == '_' || (*c >= '0' && *c <= '9') ||
					  (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z'));
		if (!sound) {
			complain(place, member, member->key_pos,
				 "\"%s\" cannot be the name of a variable", text);
			hint(place, "letters, digits and _, the first no digit");
		}
		return sound;
	}
	if (uni_str_ends(key->name, "headers")) {
		sound = sound && text[0] != '\0' && text[strspn(text, TOKEN)] == '\0';
		if (!sound)
			complain(place, member, member->key_pos,
				 "\"%s\" cannot be the name of a header field", text);
		return sound;
	}
	sound = sound &&
		schema_form_check(key->form == FORM_HOST ? FORM_HOSTNAME : FORM_NAME, text);
	if (!sound) {
		const struct schema_form_info *form =
			&schema_forms[key->form == FORM_HOST ? FORM_HOSTNAME : FORM_NAME];

		complain(place, member, member->key_pos, "\"%s\" is not %s", text, form->name);
		hint(place, form->hint);
	}
	return sound;
}

static void check_map(const struct place *place, const struct schema_key *key,
		      struct uni_toml_value *map)
{
	struct schema_key member_key = *key;

	/* A table of hosts has the names as keys and addresses as values. */
	if (key->form == FORM_HOST)
		member_key.form = FORM_ADDRESS;
	for (struct uni_toml_value *v = map->list.first; v != NULL; v = v->next) {
		if (!check_map_key(place, key, v))
			continue;
		if (v->type == UNI_TOML_STRING)
			check_string(place, &member_key, v->key, v);
		else if (v->type == UNI_TOML_TABLE && (key->takes & TAKES_MATCH) != 0)
			check_match(place, v->key, v);
		else
			complain(place, v, v->pos, "%s: %s must be a string, not %s", key->name,
				 v->key, uni_toml_type_name(v->type));
	}
}

/* An item of [[volume]] is called by its name as soon as it has one; in a variant behind that. */
static void name_item(struct place *place, const struct schema_key *key,
		      const struct uni_toml_value *item, const char *outer)
{
	const struct uni_toml_value *name =
		key->merge_key != NULL ? uni_toml_get(item, key->merge_key) : NULL;
	const char *colon = outer[0] != '\0' ? ": " : "";

	if (name != NULL && name->type == UNI_TOML_STRING)
		snprintf(place->name, sizeof(place->name), "%.80s%s%s \"%.64s\"", outer, colon,
			 key->name, name->string.data);
	else
		snprintf(place->name, sizeof(place->name), "%.80s%s[[%s]]", outer, colon,
			 key->name);
}

static void check_tables(const struct place *place, const struct schema_key *key,
			 struct uni_toml_value *array)
{
	struct place inner = { .context = place->context,
			       .table = key->table,
			       .overlay = place->overlay };

	for (struct uni_toml_value *item = array->list.first; item != NULL; item = item->next) {
		if (item->type != UNI_TOML_TABLE) {
			complain_type(place, key, item);
			continue;
		}
		name_item(&inner, key, item, place->name);
		check_table(&inner, item);
	}
}

static void check_variants(const struct place *place, const struct schema_key *key,
			   struct uni_toml_value *variants)
{
	struct place inner = { .context = place->context, .table = key->table, .overlay = true };

	for (struct uni_toml_value *v = variants->list.first; v != NULL; v = v->next) {
		snprintf(inner.name, sizeof(inner.name), "[variant.%.64s]", v->key);
		if (!check_map_key(place, key, v))
			continue;
		if (v->type == UNI_TOML_TABLE)
			check_table(&inner, v);
		else
			complain(place, v, v->pos, "variant %s must be a table, not %s", v->key,
				 uni_toml_type_name(v->type));
	}
}

static void check_inner_table(const struct place *place, const struct schema_key *key,
			      struct uni_toml_value *value)
{
	struct place inner = { .context = place->context,
			       .table = key->table,
			       .overlay = place->overlay };

	if (place->overlay && uni_str_ends(place->name, "]"))
		snprintf(inner.name, sizeof(inner.name), "%.*s.%s]", (int)strlen(place->name) - 1,
			 place->name, key->name);
	else if (place->name[0] != '\0' && !uni_str_ends(place->name, "]"))
		snprintf(inner.name, sizeof(inner.name), "%.100s: %.50s", place->name, key->name);
	else
		snprintf(inner.name, sizeof(inner.name), "%s", key->table->title);
	check_table(&inner, value);
}

static void check_items(const struct place *place, const struct schema_key *key,
			struct uni_toml_value *value, unsigned kind)
{
	if (value->list.count > SCHEMA_ITEMS_MAX)
		complain(place, value, value->pos, "%s has more than %d items", key->name,
			 SCHEMA_ITEMS_MAX);
	else if (kind == TAKES_LIST)
		check_list(place, key, value);
	else if (kind == TAKES_MAP)
		check_map(place, key, value);
	else if (kind == TAKES_TABLES)
		check_tables(place, key, value);
	else
		check_variants(place, key, value);
}

static void check_value(const struct place *place, const struct schema_key *key,
			struct uni_toml_value *value)
{
	static const unsigned bits[] = {
		[UNI_TOML_STRING] = TAKES_STRING,
		[UNI_TOML_INTEGER] = TAKES_INTEGER | TAKES_NUMBER,
		[UNI_TOML_FLOAT] = TAKES_NUMBER,
		[UNI_TOML_BOOL] = TAKES_BOOL,
		[UNI_TOML_DATETIME] = TAKES_DATETIME,
		[UNI_TOML_ARRAY] = TAKES_LIST | TAKES_TABLES,
		[UNI_TOML_TABLE] = TAKES_MAP | TAKES_TABLE | TAKES_NAMED,
	};
	unsigned bit = value->type < UNI_COUNT(bits) ? bits[value->type] & key->takes : 0;

	if (bit == 0 && value->type == UNI_TOML_TABLE && (key->takes & TAKES_MATCH) != 0)
		check_match(place, key->name, value);
	else if (bit == 0)
		complain_type(place, key, value);
	else if (bit == TAKES_STRING)
		check_string(place, key, key->name, value);
	else if (bit == TAKES_INTEGER)
		check_bounds(place, key, value, value->integer);
	else if (bit == TAKES_NUMBER)
		check_number(place, key, value);
	else if (bit == TAKES_DATETIME)
		check_bounds(place, key, value, uni_toml_time_seconds(&value->time));
	else if (bit == TAKES_TABLE)
		check_inner_table(place, key, value);
	else if (bit != TAKES_BOOL)
		check_items(place, key, value, bit);
}

/* The table of the recipe where a key would have been in its place, or NULL. */
static const char *home_of(const char *name)
{
	for (size_t i = 0; i < schema_recipe.count; i++) {
		const struct schema_key *key = &schema_recipe.keys[i];

		if ((key->takes & TAKES_TABLE) != 0 && schema_find(key->table, name) != NULL)
			return key->name;
	}
	return NULL;
}

static bool is_tables(const struct uni_toml_value *value)
{
	if (value->type == UNI_TOML_ARRAY)
		value = value->list.first;
	return value != NULL && value->type == UNI_TOML_TABLE;
}

static void complain_unknown(const struct place *place, struct uni_toml_value *value)
{
	const struct schema_table *table = place->table;
	const char **known UNI_AUTO_FREE = uni_alloc_array(table->count, sizeof(*known));
	bool alone = table->title == NULL && !is_tables(value);
	const char *home = alone ? home_of(value->key) : NULL;
	const char *near;

	for (size_t i = 0; i < table->count; i++)
		known[i] = table->keys[i].name;
	complain(place, value, value->key_pos, "unknown %s \"%s\"",
		 table->title == NULL && !alone ? "table" : "key", value->key);
	near = uni_str_nearest(value->key, known, table->count);
	if (home != NULL)
		uni_diags_hint(place->context->diags, "it belongs below [%s]", home);
	else if (near != NULL)
		uni_diags_hint(place->context->diags, "did you mean \"%s\"?", near);
	else
		hint_words(place, "known here: ", known, table->count);
}

static void check_table(const struct place *place, struct uni_toml_value *table)
{
	for (struct uni_toml_value *v = table->list.first; v != NULL; v = v->next) {
		const struct schema_key *key =
			strlen(v->key) == v->key_size ? schema_find(place->table, v->key) : NULL;

		if (key == NULL)
			complain_unknown(place, v);
		else if (place->overlay && (key->takes & TAKES_NAMED) != 0)
			complain(place, v, v->key_pos, "a variant cannot hold variants");
		else
			check_value(place, key, v);
	}
}

void schema_check(const struct schema_context *context, struct uni_toml_value *table)
{
	struct place place = { .context = context, .table = &schema_recipe };

	check_table(&place, table);
}

static void require_keys(const struct place *place, const struct uni_toml_value *table,
			 struct uni_pos pos)
{
	for (size_t i = 0; i < place->table->count; i++) {
		const struct schema_key *key = &place->table->keys[i];
		const struct uni_toml_value *v = uni_toml_get(table, key->name);
		struct place inner = { .context = place->context, .table = key->table };

		if (v == NULL && key->required) {
			complain(place, NULL, pos, "%s%s%s is missing",
				 key->table != NULL ? "[" : "", key->name,
				 key->table != NULL ? "]" : "");
			if (key->table == NULL)
				hint(place, key->means);
		}
		if (v == NULL || (v->flags & SCHEMA_BAD) != 0)
			continue;
		if ((key->takes & TAKES_TABLE) != 0 && v->type == UNI_TOML_TABLE) {
			if (place->name[0] != '\0' && !uni_str_ends(place->name, "]"))
				snprintf(inner.name, sizeof(inner.name), "%.100s: %.50s",
					 place->name, key->name);
			else
				snprintf(inner.name, sizeof(inner.name), "%s", key->table->title);
			require_keys(&inner, v, v->key_pos);
		} else if ((key->takes & TAKES_TABLES) != 0) {
			for (struct uni_toml_value *t = v->list.first; t != NULL; t = t->next) {
				name_item(&inner, key, t, place->name);
				if (t->type == UNI_TOML_TABLE)
					require_keys(&inner, t, t->pos);
			}
		}
	}
}

void schema_check_required(const struct schema_context *context, const struct uni_toml_value *table)
{
	struct place place = { .context = context, .table = &schema_recipe };

	require_keys(&place, table, (struct uni_pos){ 1, 1 });
}
