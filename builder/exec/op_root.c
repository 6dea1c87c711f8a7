/*
 * The archive that fills the root file system at start: the recipe's files, the CA bundle at every
 * place where programs look for one, and folders for what is mounted.
 */
#include "internal.h"

#include <string.h>
#include <uni/io/cpio.h>

static int add_source(struct build *b, struct uni_tree *tree, const char *at, struct item *item,
		      const struct uni_tree_rules *rules, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = NULL;
	int rc = item_path(b, item, &path, err);

	return rc != 0 ? rc : uni_tree_add_file(tree, at, path, &item->digest, rules, err);
}

static int check_ca(struct build *b, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = NULL;
	int rc = item_path(b, &b->ca, &path, err);

	if (rc != 0 || ca_check(path, b->ca.name, err) == 0)
		return rc;
	return uni_recipe_place(b->recipe, b->recipe->ca.pos, err);
}

static int add_ca(struct build *b, struct uni_tree *tree, struct uni_err *err)
{
	struct uni_tree_rules rules = { .mtime = b->recipe->image.epoch, .file_mode = 0644 };
	int rc = check_ca(b, err);

	if (rc == 0)
		rc = add_source(b, tree, uni_plan_ca_paths[0], &b->ca, &rules, err);
	for (size_t i = 1; rc == 0 && uni_plan_ca_paths[i] != NULL; i++)
		rc = uni_tree_add_symlink(tree, uni_plan_ca_paths[i], uni_plan_ca_paths[0], &rules,
					  err);
	return rc;
}

static int fill(struct build *b, struct uni_tree *tree, struct uni_err *err)
{
	struct uni_tree_rules rules = { .mtime = b->recipe->image.epoch };
	int rc = b->ca.name != NULL ? add_ca(b, tree, err) : 0;

	/* Files come later and win: one of the recipe's replaces a link to the bundle. */
	for (size_t i = 0; rc == 0 && i < b->recipe->file_count; i++) {
		const struct uni_recipe_file *file = &b->recipe->files[i];

		rules.file_mode = file->mode;
		if (file->link != NULL)
			rc = uni_tree_add_symlink(tree, file->path, file->link, &rules, err);
		else if (file->text != NULL)
			rc = uni_tree_add_data(tree, file->path, file->text, file->text_size,
					       &rules, err);
		else
			rc = add_source(b, tree, file->path, &b->files_in[i], &rules, err);
	}
	rules.file_mode = 0;
	for (size_t i = 0; rc == 0 && i < b->recipe->volume_count; i++)
		rc = uni_tree_add_dir(tree, b->recipe->volumes[i].mount, &rules, err);
	return rc;
}

struct packing {
	const struct uni_tree *tree;
	struct uni_cpio_writer *cpio;
};

static int pack_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	return uni_cpio_writer_data(user, data, size, err);
}

static int pack_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	const struct packing *p = user;
	int rc;

	/* The root is there before it is filled. */
	if (strcmp(entry->meta.path, ".") == 0)
		return 0;
	rc = uni_cpio_writer_entry(p->cpio, &entry->meta, err);
	if (rc == 0 && entry->meta.type == UNI_ENTRY_FILE)
		rc = uni_tree_content(p->tree, entry, pack_data, p->cpio, err);
	return rc;
}

static int pack(const struct uni_tree *tree, struct uni_sink *sink, struct uni_err *err)
{
	struct uni_cpio_writer *cpio UNI_AUTO(uni_cpio_writer) = uni_cpio_writer_new(sink);
	struct packing p = { .tree = tree, .cpio = cpio };
	int rc = uni_tree_each(tree, pack_entry, &p, err);

	if (rc == 0)
		rc = uni_cpio_writer_end(cpio, err);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

int op_root(struct build *b, struct uni_store_record *record, struct uni_err *err)
{
	struct uni_tree_rules rules = { .mtime = b->recipe->image.epoch };
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	struct uni_store_entry blob;
	struct uni_digest digest;
	int rc = fill(b, tree, err);

	uni_tree_find_secrets(tree);
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc != 0)
		return rc;
	sink = uni_sink_to_fd(uni_store_writer_fd(writer), "root");
	uni_sink_push_digest(&sink, &digest);
	rc = pack(tree, sink, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, &digest, &blob, err);
	if (rc != 0)
		return rc;
	uni_store_record_add(record, "root", &blob);
	secrets_note(tree, record);
	return 0;
}
