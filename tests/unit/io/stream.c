/*
 * Sinks and sources: stacking, limits, sticky failures, publishing at finish, codecs.
 */
#include "source_of.h"
#include "unit.h"
#include <fcntl.h>
#include <string.h>
#include <uni/base/process.h>
#include <uni/io/source.h>
#include <unistd.h>

#define LIMIT (64u << 20)

/* Bytes that compress somewhat. */
static void fill(struct uni_buf *buf, size_t size)
{
	uint32_t state = 1;
	while (buf->size < size) {
		state = state * 1664525 + 1013904223;
		uni_buf_printf(buf, "%u line %u\n", state >> 20, state >> 28);
	}
	buf->size = size;
}

static void stack_of_filters(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf data UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf back UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest inner, outer, wanted;
	const char *path = unit_path(state, "f.zst");
	fill(&data, 3000000);

	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	assert_int_equal(uni_sink_to_file(&sink, path, 0644, true, &err), 0);
	uni_sink_push_digest(&sink, &inner);
	assert_int_equal(uni_sink_push_zstd(&sink, 3, data.size, &err), 0);
	uni_sink_push_digest(&sink, &outer);
	for (size_t at = 0, step = 1; at < data.size; at += step, step = step * 3 % 300007) {
		if (step > data.size - at)
			step = data.size - at;
		assert_int_equal(uni_sink_write(sink, data.data + at, step, &err), 0);
	}
	assert_false(uni_file_exists(path));
	assert_int_equal(uni_sink_finish(sink, &err), 0);
	assert_int_equal(uni_sink_written(sink), data.size);
	wanted = uni_digest_of(data.data, data.size);
	assert_true(uni_digest_eq(&outer, &wanted));
	uint64_t size;
	assert_int_equal(uni_digest_file(path, &size, &wanted, &err), 0);
	assert_true(uni_digest_eq(&inner, &wanted));
	assert_true(size < data.size / 2);

	int fd UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	struct uni_source *source UNI_AUTO(uni_source) = uni_source_from_fd(fd, path);
	assert_int_equal(uni_source_push_zstd(&source, data.size, "f", &err), 0);
	uni_source_push_digest(&source, &wanted);
	struct uni_sink *memory UNI_AUTO(uni_sink) = uni_sink_to_buf(&back, LIMIT);
	assert_int_equal(uni_io_pump(source, memory, &err), 0);
	assert_int_equal(back.size, data.size);
	assert_memory_equal(back.data, data.data, data.size);
	assert_true(uni_digest_eq(&outer, &wanted));

	static const char *const argv[] = { "zstd", "-t", "f.zst", NULL };
	assert_int_equal(uni_process_run(argv, *state, NULL, NULL, 0, &err), 0);
}

static void unfinished_leaves_nothing(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_sink *sink = NULL;
	assert_int_equal(uni_sink_to_file(&sink, unit_path(state, "f"), 0644, true, &err), 0);
	assert_int_equal(uni_sink_zeros(sink, 1000000, &err), 0);
	uni_sink_free(sink);
	assert_int_equal(uni_dir_list(*state, &names, &err), 0);
	assert_int_equal(names.count, 0);
}

static void failure_sticks(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest digest;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&out, 10);
	uni_sink_push_digest(&sink, &digest);
	assert_int_equal(uni_sink_write(sink, "0123456789", 10, &err), 0);
	assert_int_equal(uni_sink_write(sink, "x", 1, &err), UNI_E_LIMIT);
	assert_string_equal(err.text, "more than the 10 bytes allowed in memory");
	uni_err_clear(&err);
	assert_int_equal(uni_sink_write(sink, "y", 1, &err), UNI_E_LIMIT);
	assert_string_equal(err.text, "more than the 10 bytes allowed in memory");
	uni_err_clear(&err);
	assert_int_equal(uni_sink_finish(sink, &err), UNI_E_LIMIT);
	assert_string_equal(out.data, "0123456789");
}

static void full_device_is_reported(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	int fd UNI_AUTO_CLOSE = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, "disk");
	assert_int_equal(uni_sink_write(sink, "x", 1, &err), 0); /* gathered */
	assert_int_equal(uni_sink_finish(sink, &err), UNI_E_NOSPACE);
}

static void sources_are_bounded(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	char data[100];
	size_t got;
	struct uni_source *source UNI_AUTO(uni_source) = source_of("0123456789", 10);
	uni_source_push_limit(&source, 9, "thing");
	assert_int_equal(uni_source_read_full(source, data, 9, &err), 0);
	assert_int_equal(uni_source_read(source, data, 9, &got, &err), UNI_E_LIMIT);
	assert_int_equal(got, 0);

	struct uni_source *shorter UNI_AUTO(uni_source) = source_of("0123456789", 10);
	uni_source_push_limit(&shorter, 10, "thing");
	assert_int_equal(uni_source_skip(shorter, 4, &err), 0);
	assert_int_equal(uni_source_given(shorter), 4);
	assert_int_equal(uni_source_read_full(shorter, data, 7, &err), UNI_E_CORRUPT);
}

/* The source for `size` bytes of zstd's frames, read to the end. */
static int unpack(const void *data, size_t size, uint64_t limit, size_t *total)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_source *source UNI_AUTO(uni_source) = source_of(data, size);
	assert_int_equal(uni_source_push_zstd(&source, limit, "z", &err), 0);
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_nothing();
	int rc = uni_io_pump(source, sink, &err);
	*total = uni_sink_written(sink);
	return rc;
}

static void pack(struct uni_buf *out, const void *data, size_t size, uint64_t told)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(out, LIMIT);
	assert_int_equal(uni_sink_push_zstd(&sink, 3, told, &err), 0);
	assert_int_equal(uni_sink_write(sink, data, size, &err), 0);
	assert_int_equal(uni_sink_finish(sink, &err), 0);
}

static void zstd_input_is_checked(void **state)
{
	(void)state;
	struct uni_buf data UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf packed UNI_AUTO_BUF = UNI_BUF_INIT;
	size_t total;
	fill(&data, 400000);
	pack(&packed, data.data, data.size, UNI_SIZE_UNKNOWN);
	size_t one = packed.size;
	assert_int_equal(unpack(packed.data, one, data.size, &total), 0);
	assert_int_equal(total, data.size);
	assert_int_equal(unpack(packed.data, one, data.size - 1, &total), UNI_E_LIMIT);
	for (size_t cut = 1; cut < one; cut += 997)
		assert_int_equal(unpack(packed.data, one - cut, data.size, &total), UNI_E_CORRUPT);
	assert_int_equal(unpack("", 0, 10, &total), UNI_E_CORRUPT);
	assert_int_equal(unpack("no zstd at all", 14, 10, &total), UNI_E_CORRUPT);
	pack(&packed, "tail", 4, 4); /* a second frame behind the first */
	assert_int_equal(unpack(packed.data, packed.size, LIMIT, &total), 0);
	assert_int_equal(total, data.size + 4);
	uni_buf_putc(&packed, 'x');
	assert_int_equal(unpack(packed.data, packed.size, LIMIT, &total), UNI_E_CORRUPT);
}

static void zstd_is_the_same_in_any_pieces(void **state)
{
	(void)state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf data UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf whole UNI_AUTO_BUF = UNI_BUF_INIT;
	fill(&data, 1000000);
	pack(&whole, data.data, data.size, data.size);
	for (size_t step = 1000; step < 900000; step = step * 7 + 1) {
		struct uni_buf pieces UNI_AUTO_BUF = UNI_BUF_INIT;
		struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&pieces, LIMIT);
		assert_int_equal(uni_sink_push_zstd(&sink, 3, data.size, &err), 0);
		for (size_t at = 0; at < data.size; at += step)
			assert_int_equal(
				uni_sink_write(sink, data.data + at,
					       step < data.size - at ? step : data.size - at, &err),
				0);
		assert_int_equal(uni_sink_finish(sink, &err), 0);
		assert_int_equal(pieces.size, whole.size);
		assert_memory_equal(pieces.data, whole.data, whole.size);
	}
	/* Less data than was promised. */
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_buf(&out, LIMIT);
	assert_int_equal(uni_sink_push_zstd(&sink, 3, 10, &err), 0);
	assert_int_equal(uni_sink_write(sink, "x", 1, &err), 0);
	assert_int_equal(uni_sink_finish(sink, &err), UNI_E_INVAL);
}

int unit_stream(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(stack_of_filters),
		DIR_TEST(unfinished_leaves_nothing),
		cmocka_unit_test(failure_sticks),
		cmocka_unit_test(full_device_is_reported),
		cmocka_unit_test(sources_are_bounded),
		cmocka_unit_test(zstd_input_is_checked),
		cmocka_unit_test(zstd_is_the_same_in_any_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
