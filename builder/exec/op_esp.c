/*
 * The EFI system partition: the base's UEFI loader, sealed to the kernel in its partition and
 * signed where the recipe has a key, in a FAT volume of just that size.
 *
 * The key is read here and goes nowhere else: not into the store, where everything else that a
 * build reads has its place.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/kernel/efi.h>

#define PEM_MAX (64u << 10)

static int read_pem(struct build *b, const struct item *item, struct uni_pos pos,
		    struct uni_buf *out, struct uni_err *err)
{
	struct uni_digest digest;

	if (uni_file_read(item->path, PEM_MAX, out, err) != 0)
		return uni_recipe_place(b->recipe, pos, err);
	digest = uni_digest_of(out->data, out->size);
	return uni_digest_eq(&digest, &item->digest)
		       ? 0
		       : uni_err_set(err, UNI_E_CHANGED, "%s: changed during the build",
				     item->path);
}

/* Forgets the key. */
static int sign_with(struct build *b, struct uni_buf *loader, struct uni_buf *key,
		     const struct uni_buf *certificate, struct uni_err *err)
{
	struct uni_err why = UNI_ERR_INIT;
	int rc = uni_efi_sign(loader, "the base's UEFI loader", key, certificate, &why);

	if (key->data != NULL)
		explicit_bzero(key->data, key->size);
	return rc != 0 ? uni_recipe_error(b->recipe, b->recipe->boot.key.pos, rc, err,
					  "secure-boot: %s", why.text)
		       : 0;
}

static int sign(struct build *b, struct uni_buf *loader, struct uni_err *err)
{
	const struct uni_recipe_boot *boot = &b->recipe->boot;
	UNI_AUTO_BUF struct uni_buf key = UNI_BUF_INIT, certificate = UNI_BUF_INIT;
	int rc = read_pem(b, &b->boot_certificate, boot->certificate.pos, &certificate, err);

	if (rc == 0)
		rc = read_pem(b, &b->boot_key, boot->key.pos, &key, err);
	return rc != 0 ? rc : sign_with(b, loader, &key, &certificate, err);
}

int secure_boot_check(struct build *b, struct uni_err *err)
{
	const struct uni_recipe_boot *boot = &b->recipe->boot;
	const struct uni_base *base = b->base.base;
	UNI_AUTO_BUF struct uni_buf loader = UNI_BUF_INIT, key = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf certificate = UNI_BUF_INIT;

	if (boot->key.kind != UNI_INPUT_FILE || boot->certificate.kind != UNI_INPUT_FILE ||
	    base == NULL || base->efi_loader.path == NULL)
		return 0;
	if (uni_file_read(base->efi_loader.path, UNI_EFI_MAX, &loader, err) != 0)
		return err->code;
	if (uni_file_read(boot->certificate.path, PEM_MAX, &certificate, err) != 0)
		return uni_recipe_place(b->recipe, boot->certificate.pos, err);
	if (uni_file_read(boot->key.path, PEM_MAX, &key, err) != 0)
		return uni_recipe_place(b->recipe, boot->key.pos, err);
	return sign_with(b, &loader, &key, &certificate, err);
}

static int make_loader(struct build *b, const struct uni_store_entry *box, struct uni_buf *loader,
		       struct uni_err *err)
{
	const struct uni_uuid partition = kernel_partition(box);
	const struct uni_base *base;
	int rc = base_open(b, &base, err);

	if (rc == 0 && base->efi_loader.path == NULL)
		rc = uni_err_set(err, UNI_E_UNSUPPORTED, "base %s has no UEFI loader", base->name);
	if (rc == 0)
		rc = uni_file_read(base->efi_loader.path, UNI_EFI_MAX, loader, err);
	if (rc == 0)
		rc = uni_efi_seal(loader, base->efi_loader.member, &partition, &box->digest,
				  box->size, err);
	if (rc == 0 && b->boot_key.name != NULL)
		rc = sign(b, loader, err);
	return rc;
}

int op_esp(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	   struct uni_err *err)
{
	const struct uni_store_entry *box = input_blob(b, step, (size_t)find_input(step, "box"));
	const struct uni_tree_rules rules = { .mtime = b->recipe->image.epoch };
	const struct uni_fs_format *format = uni_fs_find("fat");
	struct uni_tree *tree UNI_AUTO(uni_tree) = uni_tree_new(&rules);
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	UNI_AUTO_BUF struct uni_buf loader = UNI_BUF_INIT;
	struct uni_fs_options options = { .volume = "esp", .epoch = b->recipe->image.epoch };
	struct uni_store_entry blob;
	struct uni_fs_result result;
	int rc = make_loader(b, box, &loader, err);

	if (rc == 0)
		rc = uni_tree_add_data(tree, UNI_EFI_PATH, loader.data, loader.size, &rules, err);
	if (rc == 0)
		rc = format->resolve(&options, err);
	if (rc == 0)
		rc = uni_store_writer_open(&writer, b->store, err);
	if (rc == 0)
		rc = format->write(tree, &options, uni_store_writer_path(writer), &result, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, &result.digest, &blob, err);
	if (rc == 0)
		uni_store_record_add(record, "esp", &blob);
	return rc;
}
