/*
 * UUIDs: in GPT's order of bytes, and as text.
 */
#include "fs.h"

void fs_gpt_order(const uint8_t uuid[16], uint8_t guid[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (unsigned i = 0; i < 16; i++)
		guid[i] = uuid[order[i]];
}

void fs_uuid_text(const uint8_t uuid[16], char text[UK_UUID_TEXT])
{
	size_t at = 0;

	for (unsigned i = 0; i < 16; i++)
		at += (size_t)uk_snprintf(text + at, UK_UUID_TEXT - at, "%s%02x",
					  i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
					  uuid[i]);
}
