/* Packing in halves: one block comes of it, whatever the halves are. */
#include <string.h>
#include <uni/base/mem.h>

#include "codec.h"
#include "tests.h"

enum { LARGEST = 700000 };

static void round_trip_with(const uint8_t *data, size_t size, struct codec_range as_it_is)
{
	struct uni_err err = UNI_ERR_INIT;
	UNI_AUTO_FREE void *packed = NULL, *again = NULL;
	UNI_AUTO_FREE uint8_t *out = uni_alloc(size + 1);
	size_t packed_size, again_size;

	assert_int_equal(codec_lz4_pack(data, size, as_it_is, &packed, &packed_size, &err), 0);
	if (packed_size == 0)
		return;
	assert_true(packed_size < size);
	assert_int_equal(codec_lz4_unpack(packed, packed_size, out, size, &err), 0);
	assert_memory_equal(out, data, size);
	assert_int_equal(codec_lz4_pack(data, size, as_it_is, &again, &again_size, &err), 0);
	assert_int_equal(again_size, packed_size);
	assert_memory_equal(again, packed, packed_size);
}

static void round_trip(const uint8_t *data, size_t size)
{
	round_trip_with(data, size, (struct codec_range){ 0, 0 });
}

/* Runs of the same and of noise, so long that the halves meet in either, and in their ends. */
void test_pack_halves(void **state)
{
	UNI_AUTO_FREE uint8_t *data = uni_alloc(LARGEST);
	uint32_t x = 1;

	(void)state;
	for (unsigned run = 1; run <= 1 << 18; run = run * 3 + 1) {
		for (size_t i = 0; i < LARGEST; i++) {
			x = x * 1103515245 + 12345;
			data[i] = (uint8_t)(i / run % 2 == 0 ? x >> 16 : i / run);
		}
		for (size_t size = (128 << 10) - 2; size < LARGEST; size += 90001)
			round_trip(data, size);
	}
	for (size_t size = 0; size < 600; size += 7)
		round_trip(data, size);
	memset(data, 0, LARGEST);
	round_trip(data, LARGEST);
}

/* What is said to be packed stands in the block byte for byte, wherever it begins and ends. */
void test_pack_as_it_is(void **state)
{
	enum { SIZE = 200000, PLACES = 5 };
	static const size_t places[PLACES] = { 0, 14, 1200, 150000, SIZE };
	struct uni_err err = UNI_ERR_INIT;
	UNI_AUTO_FREE uint8_t *data = uni_alloc(SIZE);
	UNI_AUTO_FREE void *packed = NULL;
	size_t size;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i / 7);
	for (size_t from = 0; from < PLACES; from++)
		for (size_t to = from; to < PLACES; to++)
			round_trip_with(data, SIZE,
					(struct codec_range){ places[from], places[to] });
	assert_int_equal(codec_lz4_pack(data, SIZE, (struct codec_range){ 1200, 150000 }, &packed,
					&size, &err),
			 0);
	assert_in_range(size, 150000 - 1200, 160000);
	assert_non_null(memmem(packed, size, data + 1200, 150000 - 1200));
}
