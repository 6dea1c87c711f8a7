/*
 * LZ4 blocks by liblz4, loaded on first use. High compression at its last level parses optimally,
 * for what is packed once and unpacked at every start.
 */
#include <lz4hc.h>
#include <uni/base/system.h>
#include <uni/io/sink.h>

#define FNS(X) X(LZ4_compress_HC)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

size_t uni_lz4_bound(size_t size)
{
	return size + size / 255 + 16;
}

int uni_lz4_compress(const void *data, size_t size, void *out, size_t room, size_t *out_size,
		     struct uni_err *err)
{
	if (size > LZ4_MAX_INPUT_SIZE)
		return uni_err_set(err, UNI_E_LIMIT, "%zu bytes are too many for one LZ4 block",
				   size);
	int rc = uni_lazy_load("liblz4.so.1", lib_names, UNI_COUNT(lib_names), &lib, err);
	if (rc != 0)
		return rc;
	int got = lib.LZ4_compress_HC(data, out, (int)size,
				      room < INT32_MAX ? (int)room : INT32_MAX, LZ4HC_CLEVEL_MAX);
	if (got <= 0)
		return uni_err_set(err, UNI_E_LIMIT, "%zu bytes do not fit compressed into %zu",
				   size, room);
	*out_size = (size_t)got;
	return 0;
}
