/*
 * Variants: the tables under [variant.NAME] laid over the recipe's own. Tables are merged key by
 * key, [[volume]], [[test]] and [[file]] by name and path, and everything else is replaced. Values
 * keep the places where they were written, so that later findings point into the variant.
 */
#include "schema.h"
#include "toml.h"

#include <string.h>

static void merge_table(const struct schema_table *schema, struct uni_toml_value *base,
			struct uni_toml_value *over);

/* `from`'s value at `value`'s place; the place in list and search tree stays. */
static void replace_value(struct uni_toml_value *value, const struct uni_toml_value *from)
{
	struct uni_toml_value old = *value;

	*value = *from;
	value->next = old.next;
	value->left = old.left;
	value->right = old.right;
	value->level = old.level;
}

static struct uni_toml_value *find_item(struct uni_toml_value *array,
					const struct uni_toml_value *wanted, const char *merge_key)
{
	const struct uni_toml_value *name = uni_toml_get(wanted, merge_key);

	if (name == NULL || name->type != UNI_TOML_STRING)
		return NULL;
	for (struct uni_toml_value *item = array->list.first; item != NULL; item = item->next) {
		const struct uni_toml_value *other =
			item->type == UNI_TOML_TABLE ? uni_toml_get(item, merge_key) : NULL;

		if (other != NULL && other->type == UNI_TOML_STRING &&
		    other->string.size == name->string.size &&
		    memcmp(other->string.data, name->string.data, name->string.size) == 0)
			return item;
	}
	return NULL;
}

static void merge_items(const struct schema_key *key, struct uni_toml_value *base,
			struct uni_toml_value *over)
{
	struct uni_toml_value *next;

	for (struct uni_toml_value *item = over->list.first; item != NULL; item = next) {
		struct uni_toml_value *same =
			item->type == UNI_TOML_TABLE ? find_item(base, item, key->merge_key) : NULL;

		next = item->next;
		if (same != NULL)
			merge_table(key->table, same, item);
		else
			toml_append(base, item);
	}
}

static void merge_value(const struct schema_key *key, struct uni_toml_value *base,
			struct uni_toml_value *over)
{
	static const struct schema_table names = { .count = 0 };
	bool tables = base->type == UNI_TOML_TABLE && over->type == UNI_TOML_TABLE;
	bool bad = ((base->flags | over->flags) & SCHEMA_BAD) != 0;

	if (key != NULL && !bad && tables &&
	    (key->takes & (TAKES_TABLE | TAKES_MAP | TAKES_NAMED)) != 0)
		merge_table(key->table != NULL ? key->table : &names, base, over);
	else if (key != NULL && !bad && key->merge_key != NULL)
		merge_items(key, base, over);
	else
		replace_value(base, over);
}

static void merge_table(const struct schema_table *schema, struct uni_toml_value *base,
			struct uni_toml_value *over)
{
	struct uni_toml_value *next;

	for (struct uni_toml_value *v = over->list.first; v != NULL; v = next) {
		struct uni_toml_value *same = uni_toml_find(base, v->key, v->key_size);

		next = v->next;
		if (same == NULL)
			toml_insert(base, v);
		else
			merge_value(schema_find(schema, v->key), same, v);
	}
}

static void complain_absent(const struct schema_context *context,
			    const struct uni_toml_value *variants, const char *variant)
{
	const char **names UNI_AUTO_FREE = NULL;
	const char *near;
	size_t count = 0;

	uni_diags_error(context->diags, context->file, (struct uni_pos){ 0, 0 },
			"there is no variant \"%s\"", variant);
	if (variants == NULL || variants->type != UNI_TOML_TABLE)
		return;
	names = uni_alloc_array(variants->list.count + 1, sizeof(*names));
	for (const struct uni_toml_value *v = variants->list.first; v != NULL; v = v->next)
		names[count++] = v->key;
	near = uni_str_nearest(variant, names, count);
	if (near != NULL)
		uni_diags_hint(context->diags, "did you mean \"%s\"?", near);
}

bool schema_merge_variant(const struct schema_context *context, struct uni_toml_value *root,
			  const char *variant)
{
	const struct uni_toml_value *variants = uni_toml_get(root, "variant");
	struct uni_toml_value *over = NULL;

	if (variants != NULL && variants->type == UNI_TOML_TABLE)
		over = uni_toml_get(variants, variant);
	if (over == NULL) {
		complain_absent(context, variants, variant);
		return false;
	}
	if (over->type == UNI_TOML_TABLE)
		merge_table(&schema_recipe, root, over);
	return true;
}
