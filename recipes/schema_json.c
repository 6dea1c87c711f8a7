/*
 * The schema as JSON Schema (draft 2020-12), for editors that complete and check recipes while they
 * are written. It says what the table says; what only the combination of values tells is left to
 * `uni check`.
 */
#include "schema.h"

#include <string.h>
#include <uni/base/json.h>
#include <uni/recipes/recipe.h>

struct writer {
	struct uni_buf *out;
	unsigned depth;
	bool first; /* nothing stands in the innermost object or array yet */
	bool overlay;
};

static void new_line(struct writer *w)
{
	uni_buf_putc(w->out, '\n');
	for (unsigned i = 0; i < w->depth; i++)
		uni_buf_putc(w->out, '\t');
}

static void next_item(struct writer *w)
{
	if (!w->first)
		uni_buf_putc(w->out, ',');
	w->first = false;
	new_line(w);
}

static void put_key(struct writer *w, const char *key)
{
	next_item(w);
	uni_json_string(w->out, key);
	uni_buf_puts(w->out, ": ");
}

static void open_as(struct writer *w, char bracket)
{
	uni_buf_putc(w->out, bracket);
	w->depth++;
	w->first = true;
}

static void close_as(struct writer *w, char bracket)
{
	w->depth--;
	if (!w->first)
		new_line(w);
	uni_buf_putc(w->out, bracket);
	w->first = false;
}

static void put_text(struct writer *w, const char *key, const char *text)
{
	put_key(w, key);
	uni_json_string(w->out, text);
}

static void put_number(struct writer *w, const char *key, int64_t number)
{
	put_key(w, key);
	uni_buf_printf(w->out, "%lld", (long long)number);
}

static void put_string_type(struct writer *w, const struct schema_key *key, enum schema_form form)
{
	put_text(w, "type", "string");
	if (form == FORM_WORD) {
		put_key(w, "enum");
		open_as(w, '[');
		for (size_t i = 0; key->words[i] != NULL; i++) {
			next_item(w);
			uni_json_string(w->out, key->words[i]);
		}
		close_as(w, ']');
	} else if (schema_forms[form].pattern != NULL) {
		put_text(w, "pattern", schema_forms[form].pattern);
	}
}

static void put_table_type(struct writer *w, const struct schema_table *table);

/* One of the table's keys with its value. */
static void put_match_type(struct writer *w)
{
	bool overlay = w->overlay;

	w->overlay = true;
	put_table_type(w, &schema_match);
	w->overlay = overlay;
	put_number(w, "minProperties", 1);
	put_number(w, "maxProperties", 1);
}

static void put_text_type(struct writer *w, const struct schema_key *key, enum schema_form form)
{
	if ((key->takes & TAKES_MATCH) == 0) {
		put_string_type(w, key, form);
		return;
	}
	put_key(w, "anyOf");
	open_as(w, '[');
	next_item(w);
	open_as(w, '{');
	put_string_type(w, key, form);
	close_as(w, '}');
	next_item(w);
	open_as(w, '{');
	put_match_type(w);
	close_as(w, '}');
	close_as(w, ']');
}

/* Objects whose members have names of the user's. */
static void put_named_type(struct writer *w, const struct schema_key *key, unsigned kind)
{
	put_text(w, "type", "object");
	put_key(w, "propertyNames");
	open_as(w, '{');
	put_text(w, "pattern", key->key_pattern);
	close_as(w, '}');
	put_key(w, "additionalProperties");
	open_as(w, '{');
	if (kind == TAKES_NAMED)
		put_text(w, "$ref", "#/$defs/variant");
	else
		put_text_type(w, key, key->form == FORM_HOST ? FORM_ADDRESS : key->form);
	close_as(w, '}');
}

static void put_items(struct writer *w, const struct schema_key *key, unsigned kind)
{
	put_text(w, "type", "array");
	put_number(w, "maxItems", SCHEMA_ITEMS_MAX);
	put_key(w, "items");
	open_as(w, '{');
	if (kind == TAKES_TABLES)
		put_table_type(w, key->table);
	else
		put_text_type(w, key, key->form);
	close_as(w, '}');
}

static void put_type(struct writer *w, const struct schema_key *key, unsigned kind)
{
	switch (kind) {
	case TAKES_STRING:
		put_text_type(w, key, key->form);
		break;
	case TAKES_NUMBER:
		put_text(w, "type", "number");
		put_number(w, "minimum", key->least);
		put_number(w, "maximum", key->most);
		break;
	case TAKES_INTEGER:
		put_text(w, "type", "integer");
		put_number(w, "minimum", key->least);
		put_number(w, "maximum", key->most);
		break;
	case TAKES_BOOL:
		put_text(w, "type", "boolean");
		break;
	case TAKES_DATETIME:
		put_text(w, "type", "string");
		put_text(w, "format", "date-time");
		break;
	case TAKES_TABLE:
		put_table_type(w, key->table);
		break;
	case TAKES_MAP:
	case TAKES_NAMED:
		put_named_type(w, key, kind);
		break;
	default:
		put_items(w, key, kind);
		break;
	}
}

/* Defaults stand in the table as TOML; most of that is JSON too. */
static void put_default(struct writer *w, const struct schema_key *key)
{
	if (key->fallback == NULL || key->fallback[0] == '(')
		return;
	put_key(w, "default");
	if (uni_str_starts(key->fallback, "0o"))
		uni_buf_printf(w->out, "%lu", strtoul(key->fallback + 2, NULL, 8));
	else
		uni_buf_puts(w->out, key->fallback);
}

static void put_property(struct writer *w, const struct schema_key *key)
{
	unsigned takes = key->takes & ~(unsigned)TAKES_MATCH;
	bool several = (takes & (takes - 1)) != 0;

	put_key(w, key->name);
	open_as(w, '{');
	put_text(w, "description", key->means);
	put_default(w, key);
	if (several) {
		put_key(w, "anyOf");
		open_as(w, '[');
	}
	for (unsigned kind = 1; kind <= TAKES_NUMBER; kind <<= 1) {
		if ((key->takes & kind) == 0)
			continue;
		if (several) {
			next_item(w);
			open_as(w, '{');
		}
		put_type(w, key, kind);
		if (several)
			close_as(w, '}');
	}
	if (several)
		close_as(w, ']');
	close_as(w, '}');
}

static bool needs_something(const struct schema_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->keys[i].required)
			return true;
	return false;
}

static void put_table_type(struct writer *w, const struct schema_table *table)
{
	put_text(w, "type", "object");
	put_key(w, "properties");
	open_as(w, '{');
	for (size_t i = 0; i < table->count; i++)
		if (!w->overlay || (table->keys[i].takes & TAKES_NAMED) == 0)
			put_property(w, &table->keys[i]);
	close_as(w, '}');
	if (!w->overlay && needs_something(table)) {
		put_key(w, "required");
		open_as(w, '[');
		for (size_t i = 0; i < table->count; i++)
			if (table->keys[i].required) {
				next_item(w);
				uni_json_string(w->out, table->keys[i].name);
			}
		close_as(w, ']');
	}
	put_key(w, "additionalProperties");
	uni_buf_puts(w->out, "false");
}

void uni_recipe_json_schema(struct uni_buf *out)
{
	struct writer w = { .out = out };

	open_as(&w, '{');
	put_text(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	put_text(&w, "title", "uni recipe");
	put_text(&w, "description", schema_recipe.means);
	put_table_type(&w, &schema_recipe);
	put_key(&w, "$defs");
	open_as(&w, '{');
	put_key(&w, "variant");
	open_as(&w, '{');
	/* What a variant leaves out, the recipe has. */
	w.overlay = true;
	put_table_type(&w, &schema_recipe);
	close_as(&w, '}');
	close_as(&w, '}');
	close_as(&w, '}');
	uni_buf_putc(out, '\n');
}
