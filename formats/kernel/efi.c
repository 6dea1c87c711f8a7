/*
 * Sealing the UEFI loader to a kernel.
 */
#include <uni/kernel/efi.h>

#include <endian.h>
#include <string.h>
#include <uni/abi/boot.h>

#include "pe.h"

int uni_efi_seal(struct uni_buf *loader, const char *name, const struct uni_uuid *partition,
		 const struct uni_digest *box, uint64_t box_size, struct uni_err *err)
{
	struct uni_uuid guid = uni_uuid_swap(partition);
	struct uni_seal seal;
	size_t offset, size;
	struct pe pe;
	int rc = pe_read(loader, name, &pe, err);

	if (rc != 0)
		return rc;
	if (!pe_section(loader, &pe, UNI_SEAL_SECTION, &offset, &size) || size < sizeof(seal))
		return uni_err_set(err, UNI_E_INVAL, "%s: has no place for a seal", name);
	memcpy(&seal, loader->data + offset, sizeof(seal));
	if (memcmp(seal.magic, UNI_SEAL_MAGIC, sizeof(seal.magic)) != 0 || seal.size != 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: its seal is not an empty one", name);
	if (le32toh(seal.version) != UNI_SEAL_VERSION)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: has a seal of version %u", name,
				   le32toh(seal.version));
	memcpy(seal.partition, guid.bytes, sizeof(seal.partition));
	memcpy(seal.sha256, box->bytes, sizeof(seal.sha256));
	seal.size = htole64(box_size);
	memcpy(loader->data + offset, &seal, sizeof(seal));
	pe_update_checksum(loader, &pe);
	return 0;
}
