/* Prints what the kernel found in its image and in what the host gave; test_config.py compares. */
#include "ktest.h"

void ktest(void)
{
	const struct uni_part *part;

	for (unsigned i = 0; (part = uk_part(i)) != NULL; i++) {
		const uint8_t *data = uk_part_data(part);
		struct uk_page *page = uk_page_of(uk_part_paddr(part));

		CHECK(page != NULL && (page->flags & UK_PAGE_RESERVED));
		uk_log(UK_LOG_ERROR, "part %u size %lu first %u last %u", part->kind, part->size,
		       data[0], data[part->size - 1]);
	}
	for (unsigned type = 0; type <= UNI_CONFIG_LAST; type++) {
		const struct uni_config_entry *e = NULL;

		while ((e = uk_config_next((enum uni_config_type)type, e)) != NULL) {
			char text[32];
			int size = uk_config_string(e, text, sizeof(text));

			if (size < 0)
				uk_log(UK_LOG_ERROR, "entry %u error %d", type, -size);
			else
				uk_log(UK_LOG_ERROR, "entry %u <%s>", type, text);
		}
	}
	uk_log(UK_LOG_ERROR, "grace %u trace %u", uk_config_u32(UNI_CONFIG_GRACE, 7),
	       uk_config_u32(UNI_CONFIG_TRACE, 7));
}
