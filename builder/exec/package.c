/*
 * Files out of packages that the store holds.
 */
#include "internal.h"

#include <string.h>

int package_find(struct build *b, const struct uni_recipe_input *input,
		 struct uni_installed **installed, struct uni_err *err)
{
	int rc = lock_find(b, input, installed, err);

	return rc != 0 ? uni_recipe_place(b->recipe, input->pos, err) : 0;
}

static void take_file(struct item *item, const struct uni_installed *installed, size_t index)
{
	*item = (struct item){
		.name = uni_asprintf("pkg:%s/%s", installed->package->name,
				     installed->package->files[index].path),
		.digest = installed->package->files[index].digest,
		.blob = installed->record.entries[index],
		.is_blob = true,
	};
	item->blob.name = NULL;
}

int package_item(struct build *b, const struct uni_recipe_input *input, struct item *item,
		 struct uni_err *err)
{
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	const char *member = input->member;
	const struct uni_package_file *file;
	int rc = package_find(b, input, &installed, err);

	if (rc != 0)
		return rc;
	if (member == NULL)
		member = uni_package_chief(installed->package);
	if (member == NULL)
		return uni_recipe_error(b->recipe, input->pos, UNI_E_INVAL, err,
					"package %s has several files: say which, as \"%s/FILE\"",
					input->package, input->text);
	file = uni_package_find_file(installed->package, member);
	if (file == NULL)
		return uni_recipe_error(b->recipe, input->pos, UNI_E_NOENT, err,
					"package %s has no file %s", input->package, member);
	take_file(item, installed, (size_t)(file - installed->package->files));
	return 0;
}

int package_items(struct build *b, const struct uni_recipe_input *input, const char *suffix,
		  struct items *items, struct uni_err *err)
{
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	size_t before = items->count;
	int rc = package_find(b, input, &installed, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < installed->package->file_count; i++) {
		if (!uni_str_ends(installed->package->files[i].path, suffix))
			continue;
		UNI_PUSH_ROOM(items->items, items->count, items->room);
		take_file(&items->items[items->count], installed, i);
		items->items[items->count++].pos = input->pos;
	}
	if (items->count == before)
		return uni_recipe_error(b->recipe, input->pos, UNI_E_INVAL, err,
					"package %s holds no *%s file", input->package, suffix);
	return 0;
}
