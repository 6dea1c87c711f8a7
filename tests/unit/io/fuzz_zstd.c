/*
 * The zstd source on any bytes: it must end and stay within its limit.
 */
#include "source_of.h"
#include <stdlib.h>
#include <uni/io/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	const uint64_t limit = 1 << 20;
	struct uni_source *source UNI_AUTO(uni_source) = source_of(data, size);
	if (uni_source_push_zstd(&source, limit, "fuzz", &err) != 0)
		abort();
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_nothing();
	(void)uni_io_pump(source, sink, &err);
	if (uni_sink_written(sink) > limit)
		abort();
	return 0;
}
