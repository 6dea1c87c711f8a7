/* Sealing: any bytes in place of the base's UEFI loader. */
#include <uni/kernel/efi.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct uni_digest box = { .bytes = { 1 } };
	const struct uni_uuid partition = { .bytes = { 2 } };
	struct uni_err err = UNI_ERR_INIT;
	UNI_AUTO_BUF struct uni_buf file = UNI_BUF_INIT;

	uni_buf_add(&file, data, size);
	(void)uni_efi_seal(&file, "fuzz", &partition, &box, 1000, &err);
	return 0;
}
