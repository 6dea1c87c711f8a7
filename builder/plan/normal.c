/*
 * A recipe's meaning in one spelling: its tables as JSON, keys sorted. Comments, layout and the
 * variants that were not chosen are left out, so that they change nothing that is built.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/recipes/toml.h>

static void write_value(struct uni_buf *out, const struct uni_toml_value *value);

static int key_cmp(const void *a, const void *b)
{
	const struct uni_toml_value *va = *(const struct uni_toml_value *const *)a;
	const struct uni_toml_value *vb = *(const struct uni_toml_value *const *)b;

	return strcmp(va->key, vb->key);
}

/* Of the root only `variant` (NULL: none) stays of the table of that name. */
static void write_table(struct uni_buf *out, const struct uni_toml_value *table, bool root,
			const char *variant)
{
	const struct uni_toml_value **members UNI_AUTO_FREE =
		uni_alloc_array(table->list.count + 1, sizeof(*members));
	size_t count = 0;

	for (const struct uni_toml_value *v = table->list.first; v != NULL; v = v->next)
		if (!root || strcmp(v->key, "variant") != 0 || variant != NULL)
			members[count++] = v;
	qsort(members, count, sizeof(*members), key_cmp);
	uni_buf_putc(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i != 0)
			uni_buf_puts(out, ", ");
		uni_json_string(out, members[i]->key);
		uni_buf_puts(out, ": ");
		if (root && strcmp(members[i]->key, "variant") == 0) {
			uni_buf_putc(out, '{');
			uni_json_string(out, variant);
			uni_buf_puts(out, ": ");
			write_value(out, uni_toml_get(members[i], variant));
			uni_buf_putc(out, '}');
		} else {
			write_value(out, members[i]);
		}
	}
	uni_buf_putc(out, '}');
}

static void write_time(struct uni_buf *out, const struct uni_toml_value *value)
{
	const struct uni_toml_time *t = &value->time;

	uni_buf_printf(out, "\"%04u-%02u-%02uT%02u:%02u:%02u.%09" PRIu32 "%+d\"", t->year, t->month,
		       t->day, t->hour, t->minute, t->second, t->nanosecond, t->offset);
}

static void write_value(struct uni_buf *out, const struct uni_toml_value *value)
{
	switch (value->type) {
	case UNI_TOML_STRING:
		uni_json_string(out, value->string.data);
		break;
	case UNI_TOML_INTEGER:
		uni_buf_printf(out, "%" PRId64, value->integer);
		break;
	case UNI_TOML_FLOAT:
		uni_buf_printf(out, "%.17g", value->number);
		break;
	case UNI_TOML_BOOL:
		uni_buf_puts(out, value->boolean ? "true" : "false");
		break;
	case UNI_TOML_DATETIME:
	case UNI_TOML_LOCAL_DATETIME:
	case UNI_TOML_LOCAL_DATE:
	case UNI_TOML_LOCAL_TIME:
		write_time(out, value);
		break;
	case UNI_TOML_ARRAY:
		uni_buf_putc(out, '[');
		for (const struct uni_toml_value *v = value->list.first; v != NULL; v = v->next) {
			write_value(out, v);
			if (v->next != NULL)
				uni_buf_puts(out, ", ");
		}
		uni_buf_putc(out, ']');
		break;
	case UNI_TOML_TABLE:
		write_table(out, value, false, NULL);
		break;
	}
}

int uni_recipe_normal(const struct uni_recipe *recipe, struct uni_buf *out, struct uni_err *err)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	int rc = uni_toml_parse(&toml, recipe->path, recipe->text, recipe->text_size, &diags, err);

	if (rc != 0)
		return rc;
	write_table(out, uni_toml_root(toml), true, recipe->variant);
	uni_buf_putc(out, '\n');
	return 0;
}
