/*
 * Volumes in chunks: the index of a file, what it finds, and what of an index from outside is
 * refused.
 */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <uni/bundle/chunks.h>
#include <unistd.h>

enum { SIZE = 5 * UNI_CHUNK_SIZE + 100 };

/* Chunks 0 and 3 are the same, 1 is zeros, 2 a hole, 5 short. */
static int sample(void **state)
{
	static uint8_t data[SIZE];
	int fd = open(unit_path(state, "volume"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	memset(data, 'a', UNI_CHUNK_SIZE);
	memset(data + 3 * UNI_CHUNK_SIZE, 'a', UNI_CHUNK_SIZE);
	memset(data + 4 * UNI_CHUNK_SIZE, 'b', UNI_CHUNK_SIZE);
	memset(data + 5 * UNI_CHUNK_SIZE, 'c', 100);
	assert_int_equal(pwrite(fd, data, 2 * UNI_CHUNK_SIZE, 0), 2 * UNI_CHUNK_SIZE);
	assert_int_equal(pwrite(fd, data + 3 * UNI_CHUNK_SIZE, SIZE - 3 * UNI_CHUNK_SIZE,
				3 * UNI_CHUNK_SIZE),
			 SIZE - 3 * UNI_CHUNK_SIZE);
	return fd;
}

static void a_file_becomes_chunks(void **state)
{
	static const uint64_t numbers[] = { 0, 3, 4, 5 };
	UNI_AUTO_CHUNKS struct uni_chunks chunks = { 0 };
	UNI_AUTO_FREE size_t *order = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;
	int fd = sample(state);

	assert_int_equal(uni_chunks_of_file(&chunks, fd, SIZE, "volume", &err), 0);
	close(fd);
	assert_int_equal(chunks.count, UNI_COUNT(numbers));
	for (size_t i = 0; i < chunks.count; i++)
		assert_int_equal(chunks.items[i].number, numbers[i]);
	assert_int_equal(uni_chunk_length(&chunks, 5), 100);
	order = uni_chunks_by_digest(&chunks);
	assert_non_null(uni_chunks_find(&chunks, order, &chunks.items[2].digest));
	assert_true(uni_digest_eq(&chunks.items[0].digest, &chunks.items[1].digest));
	digest = uni_digest_of("", 0);
	assert_null(uni_chunks_find(&chunks, order, &digest));
}

static const struct uni_chunk valid_items[2] = {
	{ .number = 1, .stored = 10, .part = 0 },
	{ .number = 3, .offset = 10, .stored = 7, .part = 1 }
};

static int read_back(struct uni_chunk a, struct uni_chunk b, uint32_t parts,
		     struct uni_chunks *back, struct uni_err *err)
{
	struct uni_chunk items[] = { a, b };
	const struct uni_chunks chunks = {
		.size = SIZE, .parts = parts, .items = items, .count = 2
	};
	UNI_AUTO_BUF struct uni_buf bytes = UNI_BUF_INIT;

	uni_chunks_write(&chunks, &bytes);
	uni_err_clear(err);
	return uni_chunks_read(back, bytes.data, bytes.size, err);
}

static void refused(struct uni_chunk a, struct uni_chunk b, uint32_t parts, const char *why)
{
	UNI_AUTO_CHUNKS struct uni_chunks back = { 0 };
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(read_back(a, b, parts, &back, &err), UNI_E_CORRUPT);
	assert_non_null(strstr(err.text, why));
}

static void an_index_is_checked(void **state)
{
	const struct uni_chunk a = valid_items[0], b = valid_items[1];
	struct uni_chunk wrong = b;
	UNI_AUTO_CHUNKS struct uni_chunks back = { 0 };
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	assert_int_equal(read_back(a, b, 2, &back, &err), 0);
	assert_int_equal(back.size, SIZE);
	assert_int_equal(back.items[1].offset, 10);
	assert_int_equal(back.items[1].stored, 7);
	refused(b, a, 2, "no place");
	refused(a, a, 2, "no place");
	refused(a, b, 1, "not there");
	refused(a, b, UNI_CHUNK_PARTS_MAX + 1, "bounds");
	wrong.number = 6;
	refused(a, wrong, 2, "no place");
	wrong = b;
	wrong.stored = 0;
	refused(a, wrong, 2, "size");
	wrong.stored = 1 << 20;
	refused(a, wrong, 2, "size");
}

static void an_index_may_be_anything_else(void **state)
{
	UNI_AUTO_CHUNKS struct uni_chunks back = { 0 };
	const struct uni_chunks none = { .size = SIZE };
	UNI_AUTO_BUF struct uni_buf bytes = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	uni_chunks_write(&none, &bytes);
	assert_int_equal(uni_chunks_read(&back, bytes.data, bytes.size, &err), 0);
	assert_int_equal(back.count, 0);
	uni_chunks_free(&back);
	assert_int_equal(uni_chunks_read(&back, bytes.data, bytes.size - 1, &err), UNI_E_CORRUPT);
	uni_buf_puts(&bytes, "more");
	assert_int_equal(uni_chunks_read(&back, bytes.data, bytes.size, &err), UNI_E_CORRUPT);
	bytes.data[0] = 'U';
	assert_int_equal(uni_chunks_read(&back, bytes.data, bytes.size, &err), UNI_E_CORRUPT);
}

int unit_chunks(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_becomes_chunks, unit_setup, unit_teardown),
		cmocka_unit_test(an_index_is_checked),
		cmocka_unit_test(an_index_may_be_anything_else),
	};

	return cmocka_run_group_tests_name("volumes in chunks", tests, NULL, NULL);
}
