/*
 * The reader of name servers' answers on anything: it stays inside its input, and what it says is
 * text.
 */
#include <stdlib.h>
#include <string.h>

#include "run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "A",  "NS",  "CNAME", "SOA", "PTR",
					     "MX", "TXT", "AAAA",  "SRV" };
	UNI_AUTO_FREE uint8_t *packet = malloc(size != 0 ? size : 1);
	uint16_t id = (uint16_t)(size >= 2 ? data[0] << 8 | data[1] : 0);

	if (packet == NULL || size > 65536)
		return 0;
	memcpy(packet, data, size);
	for (size_t i = 0; i < UNI_COUNT(types); i++) {
		struct test_dns_answer answer = { .code = 0 };

		(void)test_dns_read(packet, size, id, types[i], &answer);
		for (size_t k = 0; k < answer.records.count; k++)
			for (const char *c = answer.records.items[k]; *c != '\0'; c++)
				if (*c < 0x20 || *c > 0x7e)
					abort();
		uni_strv_free(&answer.records);
	}
	return 0;
}
