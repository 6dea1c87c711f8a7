/*
 * Numbers and checksums of tar headers.
 */
#include "tar.h"

#include "internal.h"

bool disk_tar_sound(const struct disk_tar_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	size_t from = offsetof(struct disk_tar_header, checksum);
	uint64_t sum = 0, stored;

	for (size_t i = 0; i < sizeof(*header); i++)
		sum += i >= from && i < from + sizeof(header->checksum) ? ' ' : bytes[i];
	return disk_tar_number(header->checksum, sizeof(header->checksum), &stored) &&
	       stored == sum;
}

bool disk_tar_number(const char *field, size_t size, uint64_t *value)
{
	const unsigned char *bytes = (const unsigned char *)field;
	size_t i = 0;

	*value = 0;
	if (bytes[0] == 0x80) {
		for (i = 1; i < size; i++) {
			if (*value > UNI_DISK_SIZE_MAX)
				return false;
			*value = *value << 8 | bytes[i];
		}
		return *value <= UNI_DISK_SIZE_MAX;
	}
	while (i < size && bytes[i] == ' ')
		i++;
	for (; i < size && bytes[i] >= '0' && bytes[i] <= '7'; i++)
		*value = *value << 3 | (uint64_t)(bytes[i] - '0');
	return i == size || bytes[i] == '\0' || bytes[i] == ' ';
}
