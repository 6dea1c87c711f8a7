/* Sealing the UEFI loader: what is written where, and files that are none. */
#include <string.h>
#include <uni/abi/boot.h>
#include <uni/kernel/efi.h>

#include "tests.h"

enum { HEADERS = 512, PE_AT = 64, OPTIONAL = PE_AT + 24, SECTIONS = OPTIONAL + 240, SIZE = 1024 };

static void put(uint8_t *file, size_t at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		file[at + i] = (uint8_t)(value >> (8 * i));
}

/* A file of one section, which is the seal. */
static struct uni_buf sample(void)
{
	static const struct uni_seal seal = { .magic = UNI_SEAL_MAGIC, .version = 1 };
	struct uni_buf buf = UNI_BUF_INIT;
	uint8_t file[SIZE] = "MZ";

	put(file, 60, PE_AT);
	memcpy(file + PE_AT, "PE\0\0\x64\x86\x01", 7);
	file[PE_AT + 20] = 240;
	put(file, OPTIONAL, 0x20b);
	put(file, OPTIONAL + 60, HEADERS);
	memcpy(file + SECTIONS, UNI_SEAL_SECTION, 8);
	put(file, SECTIONS + 16, SIZE - HEADERS);
	put(file, SECTIONS + 20, HEADERS);
	memcpy(file + HEADERS, &seal, sizeof(seal));
	uni_buf_add(&buf, file, sizeof(file));
	return buf;
}

static int seal(struct uni_buf *file, struct uni_err *err)
{
	const struct uni_digest box = uni_digest_of("box", 3);
	struct uni_uuid partition;

	assert_true(uni_uuid_parse("00112233-4455-6677-8899-aabbccddeeff", &partition));
	return uni_efi_seal(file, "loader", &partition, &box, 12345, err);
}

void test_efi_seal(void **state)
{
	static const uint8_t guid[] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
					0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	UNI_AUTO_BUF struct uni_buf file = sample();
	struct uni_digest box = uni_digest_of("box", 3);
	struct uni_err err = UNI_ERR_INIT;
	struct uni_seal now;
	uint32_t sum = 0, stored;

	(void)state;
	assert_int_equal(seal(&file, &err), 0);
	memcpy(&now, file.data + HEADERS, sizeof(now));
	assert_memory_equal(now.partition, guid, sizeof(guid));
	assert_memory_equal(now.sha256, box.bytes, sizeof(box.bytes));
	assert_int_equal(now.size, 12345);
	/* The checksum as ImageHlp computes it: 16-bit words with carry, and the length. */
	memcpy(&stored, file.data + OPTIONAL + 64, sizeof(stored));
	put((uint8_t *)file.data, OPTIONAL + 64, 0);
	for (size_t i = 0; i < file.size; i += 2) {
		sum += (uint8_t)file.data[i] | (uint32_t)(uint8_t)file.data[i + 1] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	assert_int_equal(stored, sum + SIZE);
	assert_int_equal(seal(&file, &err), UNI_E_INVAL);
	assert_non_null(strstr(err.text, "not an empty one"));
}

/* Each header byte changed in each bit, and the file cut everywhere. */
void test_efi_hostile(void **state)
{
	(void)state;
	for (size_t at = 0; at < SECTIONS + 40; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			UNI_AUTO_BUF struct uni_buf file = sample();
			struct uni_err err = UNI_ERR_INIT;

			file.data[at] = (char)(file.data[at] ^ 1 << bit);
			(void)seal(&file, &err);
			assert_int_equal(file.size, SIZE);
		}
	for (size_t size = 0; size < SIZE; size++) {
		UNI_AUTO_BUF struct uni_buf whole = sample(), file = UNI_BUF_INIT;
		struct uni_err err = UNI_ERR_INIT;

		uni_buf_add(&file, whole.data, size);
		assert_int_equal(seal(&file, &err), UNI_E_INVAL);
	}
}
