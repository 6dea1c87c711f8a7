/*
 * LZ4 for the box of the kernel partition. Its fast form: the search for better matches saves a
 * sixth and takes nine times as long, milliseconds in which a build does nothing else.
 */
#include "codec.h"

#include <limits.h>
#include <lz4.h>
#include <uni/base/system.h>

#define LZ4_FNS(X)                                                                                 \
	X(LZ4_compressBound)                                                                       \
	X(LZ4_compress_default)                                                                    \
	X(LZ4_decompress_safe)

static struct {
	LZ4_FNS(UNI_LAZY_FIELD)
} lz4;

static int load(struct uni_err *err)
{
	static const char *const names[] = { LZ4_FNS(UNI_LAZY_NAME) };

	return uni_lazy_load("liblz4.so.1", names, UNI_COUNT(names), &lz4, err);
}

int codec_lz4_pack(const void *data, size_t size, void **out, size_t *packed, struct uni_err *err)
{
	UNI_AUTO_FREE void *buffer = NULL;
	int bound;
	int got;
	int rc = load(err);

	*out = NULL;
	*packed = 0;
	if (rc != 0)
		return rc;
	if (size > LZ4_MAX_INPUT_SIZE)
		return 0;
	bound = lz4.LZ4_compressBound((int)size);
	buffer = uni_try_alloc((uint64_t)bound, INT_MAX, "LZ4 block", err);
	if (buffer == NULL)
		return err->code;
	got = lz4.LZ4_compress_default(data, buffer, (int)size, bound);
	if (got <= 0 || (size_t)got >= size)
		return 0;
	*packed = (size_t)got;
	*out = buffer;
	buffer = NULL;
	return 0;
}

int codec_lz4_unpack(const void *data, size_t size, void *out, size_t room, struct uni_err *err)
{
	int rc = load(err);

	if (rc != 0)
		return rc;
	if (size > INT_MAX || room > INT_MAX ||
	    lz4.LZ4_decompress_safe(data, out, (int)size, (int)room) != (int)room)
		return uni_err_set(err, UNI_E_CORRUPT, "LZ4 block is damaged");
	return 0;
}

int codec_lz4_file(struct uni_strv *files, struct uni_err *err)
{
	char *path;
	int rc = uni_lazy_file("liblz4.so.1", &path, err);

	if (rc == 0)
		uni_strv_take(files, path);
	return rc;
}
