/*
 * Sealing the UEFI loader to a kernel.
 */
#include <uni/kernel/efi.h>

#include <endian.h>
#include <string.h>
#include <uni/abi/boot.h>

#include "pe.h"

/* Where the seal is, and what it says. */
static int find_seal(const struct uni_buf *loader, const char *name, struct pe *pe, size_t *offset,
		     struct uni_seal *seal, struct uni_err *err)
{
	size_t size;
	int rc = pe_read(loader, name, pe, err);

	if (rc != 0)
		return rc;
	if (!pe_section(loader, pe, UNI_SEAL_SECTION, offset, &size) || size < sizeof(*seal))
		return uni_err_set(err, UNI_E_INVAL, "%s: has no place for a seal", name);
	memcpy(seal, loader->data + *offset, sizeof(*seal));
	if (memcmp(seal->magic, UNI_SEAL_MAGIC, sizeof(seal->magic)) != 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: has no seal", name);
	if (le32toh(seal->version) != UNI_SEAL_VERSION)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: has a seal of version %u", name,
				   le32toh(seal->version));
	return 0;
}

int uni_efi_read(const struct uni_buf *loader, const char *name, struct uni_efi_about *about,
		 struct uni_err *err)
{
	struct uni_uuid guid;
	struct uni_seal seal;
	size_t offset;
	struct pe pe;
	int rc = find_seal(loader, name, &pe, &offset, &seal, err);

	memset(about, 0, sizeof(*about));
	if (rc != 0)
		return rc;
	memcpy(guid.bytes, seal.partition, sizeof(guid.bytes));
	about->partition = uni_uuid_swap(&guid);
	memcpy(about->box.bytes, seal.sha256, sizeof(about->box.bytes));
	about->box_size = le64toh(seal.size);
	about->sealed = about->box_size != 0;
	about->has_signature = loader->size > pe.end;
	return 0;
}

int uni_efi_seal(struct uni_buf *loader, const char *name, const struct uni_uuid *partition,
		 const struct uni_digest *box, uint64_t box_size, struct uni_err *err)
{
	struct uni_uuid guid = uni_uuid_swap(partition);
	struct uni_seal seal;
	size_t offset;
	struct pe pe;
	int rc = find_seal(loader, name, &pe, &offset, &seal, err);

	if (rc != 0)
		return rc;
	if (seal.size != 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: its seal is not an empty one", name);
	memcpy(seal.partition, guid.bytes, sizeof(seal.partition));
	memcpy(seal.sha256, box->bytes, sizeof(seal.sha256));
	seal.size = htole64(box_size);
	memcpy(loader->data + offset, &seal, sizeof(seal));
	pe_update_checksum(loader, &pe);
	return 0;
}
