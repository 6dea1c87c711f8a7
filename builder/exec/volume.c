/*
 * Volumes: their trees, and digests of these. A tree of which next to nothing is known stays cold:
 * its content is hashed in the same read that makes the file system, and the step's key follows
 * from that. But where this store has seen the volume before (in another folder, or a fresh
 * checkout), its result is likely to be there, and hashing alone is the cheaper way to it.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/path.h>

#define COLD_LEAST                                                                                 \
	(UINT64_C(16) << 20) /* bytes; less is hashed at once: the result may be there             \
			      */

void volume_clear(struct volume_input *volume)
{
	volume_end_early(volume);
	free(volume->name);
	uni_tree_free(volume->tree);
}

static struct uni_tree_rules rules_of(const struct uni_recipe_volume *volume)
{
	struct uni_tree_rules rules = { .mtime = volume->epoch };

	if (volume->modes == UNI_MODES_FIXED) {
		rules.file_mode = volume->mode;
		rules.dir_mode = volume->mode | (volume->mode & 0444) >> 2;
	}
	rules.keep_modes = volume->modes == UNI_MODES_KEEP;
	return rules;
}

static int add_package(struct build *b, const struct uni_recipe_input *input, struct uni_tree *tree,
		       const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
	int rc = package_find(b, input, &installed, err);

	for (size_t i = 0; rc == 0 && i < installed->package->file_count; i++) {
		const struct uni_package_file *file = &installed->package->files[i];
		struct uni_tree_rules own = *rules;
		char *path UNI_AUTO_FREE = NULL;

		/* Blobs have modes of their own; the package says what the file's are. */
		if (own.file_mode == 0)
			own.file_mode = file->mode;
		rc = uni_store_blob_path(b->store, &installed->record.entries[i], &path, err);
		if (rc == 0)
			rc = uni_tree_add_file(tree, file->path, path, &file->digest, &own, err);
	}
	return rc;
}

static int add_archive(struct build *b, const struct uni_recipe_input *input, struct uni_tree *tree,
		       const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct item item UNI_AUTO_ITEM = { .name = NULL };
	int rc;

	if (input->kind != UNI_INPUT_FILE) {
		rc = item_resolve(b, input, &item, err);
	} else {
		item.path = uni_strdup(input->path);
		item.name = uni_strdup(input->text);
		rc = digest_of_file(b, input->path, &item.digest, err);
	}
	return rc != 0 ? rc : tarball_add(b, &item, tree, rules, err);
}

static int fill(struct build *b, const struct uni_recipe_volume *volume, struct uni_tree *tree,
		struct uni_err *err)
{
	const struct uni_recipe_input *source = &volume->source;
	struct uni_tree_rules rules = rules_of(volume);

	if (source->kind == UNI_INPUT_NONE)
		return 0;
	if (source->kind == UNI_INPUT_FILE && source->folder)
		return uni_tree_add_folder(tree, ".", source->path, &rules, err);
	if (source->kind == UNI_INPUT_PACKAGE && source->member == NULL)
		return add_package(b, source, tree, &rules, err);
	if (source->kind == UNI_INPUT_IMAGE)
		return image_add(b, source, tree, &rules, err);
	return add_archive(b, source, tree, &rules, err);
}

struct volume_input *volume_inputs(struct build *b)
{
	if (b->volumes == NULL)
		b->volumes = uni_alloc_array(b->recipe->volume_count + 1, sizeof(*b->volumes));
	return b->volumes;
}

int volume_look(struct build *b, size_t index, struct uni_err *err)
{
	const struct uni_recipe_volume *volume = &b->recipe->volumes[index];
	const struct uni_tree_rules rules = rules_of(volume);
	struct volume_input *in = &volume_inputs(b)[index];
	struct uni_tree *tree UNI_AUTO(uni_tree) = NULL;
	int rc;

	if (in->tree != NULL || in->broken || !input_at_hand(&volume->source) ||
	    (b->no_packages && volume->source.kind == UNI_INPUT_PACKAGE))
		return 0;
	tree = uni_tree_new(&rules);
	rc = fill(b, volume, tree, err);
	in->broken = rc != 0;
	if (rc != 0)
		return rc;
	in->tree = tree;
	tree = NULL;
	return 0;
}

/* A squashfs learns nothing of its partition's size, which therefore moves none of its bytes. */
int volume_fits(const struct build *b, const struct uni_recipe_volume *volume,
		const struct uni_tree *tree, struct uni_err *err)
{
	const struct uni_fs_format *format = uni_fs_find(uni_recipe_format_name(volume->format));
	struct uni_fs_options options;
	int rc;

	uni_plan_fs_options(b->recipe, volume, &options);
	options.size = volume->size;
	rc = format->resolve(&options, err);
	if (rc == 0 && tree != NULL)
		rc = uni_fs_fits(format, tree, &options, err);
	return rc == 0 ? 0 : uni_err_context(err, "volume \"%s\"", volume->name);
}

struct unknown {
	uint64_t bytes;
};

static int count_unknown(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct unknown *unknown = user;

	(void)err;
	if (entry->meta.type == UNI_ENTRY_FILE && entry->digest == NULL)
		unknown->bytes += entry->meta.size;
	return 0;
}

static struct uni_digest seen_key(const struct build *b, const struct uni_recipe_volume *volume)
{
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni volume seen 1");
	uni_hash_add_text(&hash, b->recipe->image.name);
	uni_hash_add_text(&hash, volume->name);
	return uni_hash_end(&hash);
}

void volume_seen(struct build *b, size_t index)
{
	struct uni_digest key = seen_key(b, &b->recipe->volumes[index]);
	struct uni_store_record record = UNI_STORE_RECORD_INIT;
	struct uni_err ignored = UNI_ERR_INIT;

	if (!uni_store_result_known(b->store, &key))
		(void)uni_store_result_put(b->store, &key, &record, &ignored);
}

static int digest_tree(struct build *b, const struct uni_recipe_volume *volume,
		       struct volume_input *in, bool hash_all, struct uni_err *err)
{
	struct uni_digest seen = seen_key(b, volume);
	struct unknown unknown = { .bytes = 0 };
	int rc = uni_tree_digest_known(in->tree, in->scope, &in->digest, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = uni_tree_each(in->tree, count_unknown, &unknown, err);
	if (rc != 0)
		return rc;
	in->cold = !hash_all && unknown.bytes > uni_tree_bytes(in->tree) / 2 &&
		   !uni_store_result_known(b->store, &seen);
	return in->cold ? 0 : uni_tree_digest(in->tree, in->scope, 0, &in->digest, err);
}

static int resolve_volume(struct build *b, const struct uni_recipe_volume *volume,
			  struct volume_input *in, bool hash_all, struct uni_err *err)
{
	const char *format = uni_recipe_format_name(volume->format);
	char *scope UNI_AUTO_FREE = uni_asprintf("volume %s", volume->name);
	struct uni_tree_rules rules = rules_of(volume);
	int rc;

	in->name = uni_strdup(volume->source.text != NULL ? volume->source.text : "(empty)");
	if (uni_fs_find(format) == NULL)
		return uni_recipe_error(b->recipe, volume->pos, UNI_E_UNSUPPORTED, err,
					"volumes of format %s cannot be written", format);
	in->scope = uni_statcache_scope(b->stats, scope);
	in->tree = uni_tree_new(&rules);
	uni_tree_find_secrets(in->tree);
	rc = fill(b, volume, in->tree, err);
	if (rc == 0 && volume_fits(b, volume, in->tree, err) != 0)
		return uni_recipe_place(b->recipe, volume->size_pos, err);
	if (rc == 0)
		rc = digest_tree(b, volume, in, hash_all, err);
	if (rc == 0)
		return 0;
	/* What came from a package names the place already. */
	if (volume->source.kind == UNI_INPUT_PACKAGE || volume->source.kind == UNI_INPUT_GIT ||
	    volume->source.kind == UNI_INPUT_IMAGE)
		return rc;
	uni_err_context(err, "volume \"%s\"", volume->name);
	return uni_recipe_place(b->recipe, volume->source.pos, err);
}

int volumes_resolve(struct build *b, bool hash_all, struct uni_err *err)
{
	struct volume_input *in = volume_inputs(b);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->recipe->volume_count; i++) {
		if (b->recipe->volumes[i].format == UNI_FS_TMPFS)
			continue;
		rc = resolve_volume(b, &b->recipe->volumes[i], &in[i], hash_all, err);
		if (rc == 0 && in[i].cold)
			volume_start_early(b, i);
	}
	return rc;
}

/* --- what a volume's step says about it, as the text of its result --- */

char *volume_words_write(const struct uni_fs_result *result)
{
	char uuid[UNI_UUID_TEXT], salt[65], root[65];

	uni_uuid_text(&result->uuid, uuid);
	uni_hex(result->salt, result->salt_size, salt);
	uni_hex(result->root_hash, sizeof(result->root_hash), root);
	return uni_asprintf("uuid %s\nsize %" PRIu64 "\ndata-blocks %" PRIu64
			    "\nhash-offset %" PRIu64 "\nsalt %s\nroot-hash %s\n",
			    uuid, result->size, result->data_blocks, result->hash_offset, salt,
			    root);
}

bool volume_words_read(const char *meta, struct volume_words *words)
{
	char uuid[64], salt[80] = "", root[80];

	*words = (struct volume_words){ .size = 0 };
	if (meta == NULL ||
	    sscanf(meta,
		   "uuid %63s\nsize %" SCNu64 "\ndata-blocks %" SCNu64 "\nhash-offset %" SCNu64
		   "\nsalt %79[0-9a-f]",
		   uuid, &words->size, &words->data_blocks, &words->hash_offset, salt) < 4)
		return false;
	meta = strstr(meta, "root-hash ");
	if (meta == NULL || sscanf(meta, "root-hash %79[0-9a-f]", root) != 1)
		return false;
	words->salt_size = (uint32_t)(strlen(salt) / 2);
	return uni_uuid_parse(uuid, &words->uuid) && words->salt_size <= sizeof(words->salt) &&
	       uni_unhex(salt, words->salt, words->salt_size) &&
	       uni_unhex(root, words->root_hash, sizeof(words->root_hash));
}
