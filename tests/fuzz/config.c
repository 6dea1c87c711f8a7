/*
 * The boot configuration. An odd first byte: size and checksum are made right, so that the entries
 * are reached. What decodes must encode again, and print.
 */
#include <string.h>
#include <uni/kernel/config.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *record, size_t size)
{
	struct uni_config_header h = { .version = UNI_CONFIG_VERSION, .size = (uint32_t)size };

	memcpy(h.magic, UNI_CONFIG_MAGIC, sizeof(h.magic));
	memcpy(record, &h, sizeof(h));
	h.crc32c = uni_crc32c(0, record, size);
	memcpy(record, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_boot_config *config = NULL;
	struct uni_buf text = UNI_BUF_INIT;
	uint8_t *record;

	if (size < 1 + sizeof(struct uni_config_header))
		return 0;
	record = uni_memdup(data + 1, size - 1);
	if ((data[0] & 1) != 0)
		seal(record, (size - 1) & ~(size_t)7);
	if (uni_boot_config_decode(&config, record, size - 1, &err) == 0) {
		uni_boot_config_json(config, 0, &text);
		(void)uni_boot_config_encode(config, &text, &err);
		uni_boot_config_free(config);
	}
	uni_buf_free(&text);
	free(record);
	return 0;
}
