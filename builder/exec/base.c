/*
 * The base of a build: a package in the store, a package file, or a folder while a base is being
 * made. Its description is read only when a step runs or the recipe is to be checked.
 */
#include "internal.h"

#include <string.h>
#include <sys/stat.h>
#include <uni/base/path.h>

void base_clear(struct base_input *base)
{
	free(base->name);
	free(base->version);
	free(base->dir);
	uni_installed_free(base->installed);
	uni_base_free(base->base);
}

static int take_installed(struct build *b, struct uni_err *err)
{
	const struct uni_package *package = b->base.installed->package;

	if (package->kind != UNI_PACKAGE_BASE)
		return uni_recipe_error(b->recipe, b->recipe->base.pos, UNI_E_INVAL, err,
					"package %s is of kind %s, not a base", package->name,
					uni_package_kind_name(package->kind));
	b->base.digest = b->base.installed->digest;
	b->base.version = uni_strdup(package->version);
	return 0;
}

static int resolve_named(struct build *b, struct uni_err *err)
{
	struct uni_recipe_input input = {
		.package = b->recipe->base.name,
		.range = b->recipe->base.range,
		.pos = b->recipe->base.pos,
	};
	int rc = package_find(b, &input, &b->base.installed, err);

	b->base.name = uni_strdup(b->recipe->base.name);
	return rc != 0 ? rc : take_installed(b, err);
}

/* Over names and contents of all its files, as a package's digest is. */
static int resolve_folder(struct build *b, struct uni_err *err)
{
	struct uni_strv members UNI_AUTO_STRV = { .items = NULL };
	struct uni_hash hash;
	int rc;

	b->base.dir = uni_strdup(b->recipe->base.path.path);
	rc = uni_base_load(&b->base.base, b->base.dir, err);
	if (rc != 0)
		return rc;
	b->base.version = uni_strdup(b->base.base->version);
	uni_base_members(b->base.base, &members);
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni base folder 1");
	for (size_t i = 0; rc == 0 && i < members.count; i++) {
		char *path UNI_AUTO_FREE = uni_path_join(b->base.dir, members.items[i]);
		struct uni_digest digest;

		rc = digest_of_file(b, path, &digest, err);
		uni_hash_add_text(&hash, members.items[i]);
		uni_hash_add(&hash, digest.bytes, sizeof(digest.bytes));
	}
	b->base.digest = uni_hash_end(&hash);
	return rc;
}

/* A package file is unpacked into the store once, under a name of its content. */
static int resolve_package_file(struct build *b, struct uni_err *err)
{
	const char *path = b->recipe->base.path.path;
	struct uni_digest digest;
	int rc = digest_of_file(b, path, &digest, err);

	if (rc == 0)
		rc = uni_package_load(b->store, path, &digest, &b->base.installed, err);
	return rc != 0 ? rc : take_installed(b, err);
}

int base_resolve(struct build *b, struct uni_err *err)
{
	const struct uni_recipe_base *from = &b->recipe->base;
	int rc;

	if (from->name != NULL)
		return resolve_named(b, err);
	b->base.name = uni_strdup(from->path.text);
	rc = from->path.folder ? resolve_folder(b, err) : resolve_package_file(b, err);
	return rc != 0 ? uni_recipe_place(b->recipe, from->path.pos, err) : 0;
}

static char *locate(void *user, const char *member, struct uni_err *err)
{
	struct build *b = user;
	struct uni_store_entry *entry = uni_store_record_find(&b->base.installed->record, member);
	char *path = NULL;

	if (entry == NULL)
		uni_err_set(err, UNI_E_NOENT, "package %s has no file %s", b->base.name, member);
	else
		(void)uni_store_blob_path(b->store, entry, &path, err);
	return path;
}

static int open_package(struct build *b, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_store_entry *entry =
		uni_store_record_find(&b->base.installed->record, UNI_BASE_FILE);
	char *name UNI_AUTO_FREE = uni_asprintf("%s/%s", b->base.name, UNI_BASE_FILE);
	int rc;

	if (entry == NULL)
		return uni_err_set(err, UNI_E_INVAL, "package %s has no %s", b->base.name,
				   UNI_BASE_FILE);
	rc = uni_store_blob_read(b->store, entry, UNI_BASE_MAX, &text, err);
	if (rc == 0)
		rc = uni_base_parse(&b->base.base, name, uni_buf_text(&text), text.size, locate, b,
				    err);
	return rc;
}

int base_open(struct build *b, const struct uni_base **base, struct uni_err *err)
{
	int rc = 0;

	pthread_mutex_lock(&b->base.mutex);
	if (b->base.base == NULL)
		rc = open_package(b, err);
	*base = b->base.base;
	pthread_mutex_unlock(&b->base.mutex);
	return rc != 0 ? uni_err_context(err, "base") : 0;
}

int base_kernel(struct build *b, const struct uni_step *step, const struct uni_base_kernel **kernel,
		struct uni_err *err)
{
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	return rc != 0 ? rc
		       : uni_plan_kernel(b->recipe, base, uni_plan_step_place(step->id), kernel,
					 err);
}

/* --- what the recipe wants of it --- */

/* The first speaks for all where there is none. */
static bool need_any_device(const struct uni_base *base, const char *const *devices, size_t count,
			    struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;

	for (size_t i = 1; i < count; i++)
		if (uni_base_need_device(base, devices[i], &ignored) == 0)
			return true;
	return uni_base_need_device(base, devices[0], err) == 0;
}

static void check_volumes(struct build *b, const struct uni_base *base)
{
	static const char *const disks[] = { "virtio-blk-pci", "virtio-blk-mmio",
					     "nvme",	       "virtio-scsi-pci",
					     "ahci",	       "xen-blkfront" };

	for (size_t i = 0; i < b->recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &b->recipe->volumes[i];
		struct uni_err why = UNI_ERR_INIT;
		bool tmpfs = volume->format == UNI_FS_TMPFS;
		const char *compression =
			volume->compression == UNI_COMPRESSION_NONE || tmpfs
				? NULL
				: uni_recipe_compression_name(volume->compression);

		if (uni_base_need_filesystem(base, uni_recipe_format_name(volume->format),
					     compression, &why) != 0)
			complain_at(b, volume->pos, &why);
		else if (!tmpfs && !uni_recipe_in_elf(volume) &&
			 !need_any_device(base, disks, UNI_COUNT(disks), &why))
			complain_at(b, volume->pos, &why);
	}
}

/* What the recipe asks for by name must be there; what its forms ask for, where it can be. */
static void check_asked(struct build *b, const struct uni_base *base)
{
	const struct uni_recipe_base *asked = &b->recipe->base;

	for (size_t i = 0; i < asked->devices.count; i++) {
		struct uni_err why = UNI_ERR_INIT;

		if (uni_base_need_device(base, asked->devices.items[i].text, &why) != 0)
			complain_at(b, asked->devices.items[i].pos, &why);
	}
	for (size_t i = 0; i < asked->filesystems.count; i++) {
		struct uni_err why = UNI_ERR_INIT;

		if (uni_base_need_filesystem(base, asked->filesystems.items[i].text, NULL, &why) !=
		    0)
			complain_at(b, asked->filesystems.items[i].pos, &why);
	}
	for (size_t i = 0; i < asked->protocols.count; i++) {
		struct uni_err why = UNI_ERR_INIT;

		if (uni_base_need_protocol(base, asked->protocols.items[i].text, &why) != 0)
			complain_at(b, asked->protocols.items[i].pos, &why);
	}
}

/* A machine without its network, or without what is to be given at start, is of no use. */
static void check_config(struct build *b, const struct uni_base *base)
{
	static const char *const networks[] = { "virtio-net-pci", "virtio-net-mmio", "ena",
						"xen-netfront" };
	const struct uni_recipe *recipe = b->recipe;
	struct uni_err why = UNI_ERR_INIT;

	if (uni_recipe_has_network(recipe) &&
	    (uni_base_need_protocol(base, "ip", &why) != 0 ||
	     !need_any_device(base, networks, UNI_COUNT(networks), &why)))
		complain_at(b, recipe->config.networks.items[0].pos, &why);
	if (recipe->secret_count != 0 && base->config_runtime.count == 0) {
		(void)uni_err_set(&why, UNI_E_UNSUPPORTED,
				  "secret \"%s\": base %s %s takes nothing at start",
				  recipe->secrets[0].name, base->name, base->version);
		complain_at(b, recipe->secrets[0].pos, &why);
	}
	if (recipe->machine.processors > 1 && !uni_strv_has(&base->can.devices, "smp"))
		uni_diags_warning(b->diags, recipe->path, recipe->machine.pos,
				  "base %s %s uses one processor, whatever the machine has",
				  base->name, base->version);
}

int base_check(struct build *b, struct uni_err *err)
{
	struct uni_err why = UNI_ERR_INIT;
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	if (rc != 0)
		return rc;
	check_asked(b, base);
	check_volumes(b, base);
	check_config(b, base);
	forms_check(b, base);
	if (uni_base_need_config(base, UNI_CONFIG_VERSION, &why) != 0)
		complain_at(b, b->recipe->base.pos, &why);
	uni_diags_sort(b->diags);
	return b->diags->errors != 0 ? uni_diags_err(b->diags, UNI_E_UNSUPPORTED, err) : 0;
}
