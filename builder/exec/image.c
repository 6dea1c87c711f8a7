/*
 * Container images as inputs: a file of one as a program or file, a folder or all of it as a
 * volume's content. Which image a tag means is the lock's to say.
 */
#include "internal.h"

#include <string.h>
#include <uni/source/image.h>

static struct uni_image_source source_of(const struct build *b,
					 const struct uni_recipe_input *input)
{
	struct uni_image_source source = { .address = input->url,
					   .path = input->path,
					   .tag = input->tag,
					   .has_digest = input->has_digest,
					   .digest = input->digest };
	const struct uni_lock_named *known =
		input->url != NULL && !input->has_digest && b->images != NULL
			? uni_lock_image(uni_lock_arch(b->images, BASE_ARCH), input->url)
			: NULL;

	if (known != NULL) {
		source.has_digest = true;
		source.digest = known->digest;
	}
	return source;
}

static int resolve_tag(struct build *b, const struct uni_recipe_input *input,
		       const struct uni_lock_arch *locked, struct uni_err *err)
{
	const struct uni_lock_named *before = uni_lock_image(locked, input->url);
	struct uni_lock_named named = { .name = input->url };
	const struct uni_fetch fetch = fetch_of(b);
	const struct uni_image_source source = { .address = input->url };
	int rc = 0;

	if (before != NULL)
		named.digest = before->digest;
	else
		rc = uni_fetch_image_digest(&fetch, &source, &named.digest, err);
	if (rc != 0)
		return uni_recipe_place(b->recipe, input->pos, err);
	uni_lock_put_image(b->images, BASE_ARCH, &named);
	return 0;
}

int images_resolve(struct build *b, const struct uni_recipe_input *const *inputs, size_t count,
		   const struct uni_lock_arch *locked, struct uni_err *err)
{
	int rc = 0;

	b->images = uni_lock_new();
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = resolve_tag(b, inputs[i], locked, err);
	return rc;
}

/* The image, and what the member means in it; `*entry` is NULL for a folder. */
static int open_image(struct build *b, const struct uni_recipe_input *input,
		      struct uni_store_record *files, char **real, struct uni_store_entry **entry,
		      struct uni_err *err)
{
	const struct uni_fetch fetch = fetch_of(b);
	const struct uni_image_source source = source_of(b, input);
	struct uni_files_view *view UNI_AUTO(uni_files_view) = NULL;
	int rc = uni_fetch_image(&fetch, &source, files, err);

	if (rc == 0)
		rc = uni_files_view_new(&view, files, err);
	if (rc == 0)
		rc = uni_files_view_find(view, input->member != NULL ? input->member : "", real,
					 entry, err);
	return rc != 0 ? uni_recipe_place(b->recipe, input->pos, err) : 0;
}

int image_item(struct build *b, const struct uni_recipe_input *input, struct item *item,
	       struct uni_err *err)
{
	struct uni_store_record files UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store_entry *entry;
	char *real UNI_AUTO_FREE = NULL;
	int rc = open_image(b, input, &files, &real, &entry, err);

	if (rc != 0)
		return rc;
	if (entry == NULL)
		return uni_recipe_error(b->recipe, input->pos, UNI_E_INVAL, err,
					"%s is a folder of the image", input->member);
	item->name = uni_strdup(input->text);
	item->digest = entry->digest;
	item->blob = *entry;
	item->blob.name = NULL;
	item->is_blob = true;
	return 0;
}

int image_add(struct build *b, const struct uni_recipe_input *input, struct uni_tree *tree,
	      const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct uni_store_record files UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_store_entry *entry;
	char *real UNI_AUTO_FREE = NULL;
	int rc = open_image(b, input, &files, &real, &entry, err);

	if (rc != 0)
		return rc;
	if (entry != NULL)
		return uni_recipe_error(b->recipe, input->pos, UNI_E_INVAL, err,
					"%s is a file of the image, no folder", input->member);
	return uni_files_fill(b->store, &files, uni_str_eq(real, ".") ? NULL : real, tree, rules,
			      err);
}
