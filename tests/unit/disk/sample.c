#include "sample.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <unistd.h>

const struct sample_form sample_forms[] = {
	{ "raw", { 0 }, true },
	{ "qcow2", { .compression = "none" }, true },
	{ "qcow2", { .compression = "zlib" }, true },
	{ "qcow2", { .compression = "zstd", .level = 1 }, true },
	{ "vmdk", { .variant = "monolithicSparse" }, true },
	{ "vmdk", { .variant = "streamOptimized" }, true },
	{ "vhd", { .variant = "fixed" }, false },
	{ "vhd", { .variant = "dynamic" }, true },
	{ "vhdx", { 0 }, true },
	{ "vdi", { 0 }, true },
	{ "iso", { 0 }, false },
	{ 0 },
};

static struct uni_err err;

int sample_file(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

uint64_t sample_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static void put(int fd, uint64_t at, const void *data, size_t size)
{
	uint64_t disk = sample_size(fd);

	if (at < disk)
		assert_int_equal(uni_pwrite_full(fd, data,
						 size < disk - at ? size : (size_t)(disk - at), at,
						 "disk", &err),
				 0);
}

int sample_disk(uint64_t size)
{
	enum { PIECE = 300000 };
	uint8_t *piece = uni_alloc(PIECE);
	uint32_t x = 1;
	int fd = sample_file();

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (size_t i = 0; i < PIECE; i++)
		piece[i] = (uint8_t)("the quick brown fox "[i % 20] + (int)(i / 977 & 3));
	put(fd, 0, piece, 700);
	put(fd, 1000000, piece, PIECE);
	for (size_t i = 0; i < PIECE; i++) {
		x = x * 1664525 + 1013904223;
		piece[i] = (uint8_t)(x >> 24);
	}
	put(fd, 2200000, piece, PIECE);
	put(fd, 3000000, piece, 5);
	memset(piece, 0, PIECE);
	put(fd, 3500000, piece, PIECE);
	put(fd, size - 512, "the end", 7);
	free(piece);
	return fd;
}

static struct uni_disk_source *opened(int fd)
{
	struct uni_disk_source *source = NULL;

	assert_int_equal(uni_disk_open_fd(&source, fd, sample_size(fd), "image", &err), 0);
	return source;
}

int sample_convert(const struct sample_form *form, int raw, unsigned threads)
{
	struct uni_disk_options options = form->options;
	struct uni_disk_source *source =
		uni_disk_source_from_fd(raw, 0, sample_size(raw), "sample");
	int fd = sample_file();

	options.threads = threads;
	if (uni_disk_convert(uni_disk_find(form->form), &options, &source, fd, &err) != 0)
		fail_msg("%s: %s", form->form, err.text);
	uni_disk_source_free(source);
	return fd;
}

void sample_same(int image, int raw)
{
	enum { STEP = 1 << 20 };
	struct uni_disk_source *source = opened(image);
	uint64_t size = sample_size(raw);
	uint8_t *a = uni_alloc(STEP);
	uint8_t *b = uni_alloc(STEP);

	assert_true(source->size >= size);
	for (uint64_t at = 0; at < source->size; at += STEP) {
		size_t step = source->size - at < STEP ? (size_t)(source->size - at) : STEP;
		size_t inside = at >= size ? 0 : size - at < step ? (size_t)(size - at) : step;

		memset(a, 0, STEP);
		assert_int_equal(uni_pread_full(raw, a, inside, at, "raw", &err), 0);
		assert_int_equal(uni_disk_source_read(source, b, step, at, &err), 0);
		assert_memory_equal(a, b, step);
	}
	free(a);
	free(b);
	uni_disk_source_free(source);
}
