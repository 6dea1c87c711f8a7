/*
 * UUIDs that follow from content (RFC 9562, section 5.8: version 8), so that the same inputs give
 * the same identifiers.
 */
#include <string.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

struct uni_uuid uni_uuid_derive(const char *domain, const struct uni_digest *digest)
{
	struct uni_hash hash;
	struct uni_uuid uuid;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, domain);
	uni_hash_add(&hash, digest->bytes, sizeof(digest->bytes));
	struct uni_digest mixed = uni_hash_end(&hash);
	memcpy(uuid.bytes, mixed.bytes, sizeof(uuid.bytes));
	uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x80);
	uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
	return uuid;
}

/* Bytes in each of the five groups between dashes. */
static const uint8_t groups[] = { 4, 2, 2, 2, 6 };

void uni_uuid_text(const struct uni_uuid *uuid, char out[UNI_UUID_TEXT])
{
	const uint8_t *at = uuid->bytes;
	for (size_t i = 0; i < UNI_COUNT(groups); i++) {
		uni_hex(at, groups[i], out);
		at += groups[i];
		out += (size_t)2 * groups[i];
		*out++ = '-';
	}
	out[-1] = '\0';
}

bool uni_uuid_parse(const char *text, struct uni_uuid *uuid)
{
	uint8_t *to = uuid->bytes;
	if (strnlen(text, UNI_UUID_TEXT) != UNI_UUID_TEXT - 1)
		return false;
	for (size_t i = 0; i < UNI_COUNT(groups); i++) {
		char group[13] = "";
		memcpy(group, text, (size_t)2 * groups[i]);
		if (!uni_unhex(group, to, groups[i]))
			return false;
		to += groups[i];
		text += (size_t)2 * groups[i];
		if (*text != (i + 1 < UNI_COUNT(groups) ? '-' : '\0'))
			return false;
		text++;
	}
	return true;
}

struct uni_uuid uni_uuid_swap(const struct uni_uuid *uuid)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct uni_uuid out;
	for (size_t i = 0; i < sizeof(order); i++)
		out.bytes[i] = uuid->bytes[order[i]];
	return out;
}
