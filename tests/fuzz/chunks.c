/*
 * Indexes of volumes in chunks: one that is accepted says the same when it is written again, and
 * what is searched in it is found.
 */
#include <stdlib.h>
#include <string.h>
#include <uni/bundle/chunks.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UNI_AUTO_CHUNKS struct uni_chunks chunks = { 0 };
	UNI_AUTO_BUF struct uni_buf again = UNI_BUF_INIT;
	UNI_AUTO_FREE size_t *order = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_chunks_read(&chunks, data, size, &err) != 0)
		return 0;
	uni_chunks_write(&chunks, &again);
	if (again.size != size || memcmp(again.data, data, size) != 0)
		abort();
	order = uni_chunks_by_digest(&chunks);
	for (size_t i = 0; i < chunks.count; i++)
		if (uni_chunks_find(&chunks, order, &chunks.items[i].digest) == NULL ||
		    uni_chunk_length(&chunks, chunks.items[i].number) > UNI_CHUNK_SIZE)
			abort();
	return 0;
}
