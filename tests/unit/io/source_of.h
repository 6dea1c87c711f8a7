/* Bytes of a test as a source. */
#ifndef UNI_TEST_SOURCE_OF_H
#define UNI_TEST_SOURCE_OF_H

#include <string.h>
#include <uni/io/source.h>

struct memory_source {
	struct uni_source base;
	const char *data;
	size_t left;
};

static int memory_read(struct uni_source *base, void *data, size_t size, size_t *got,
		       struct uni_err *err)
{
	struct memory_source *source = (struct memory_source *)base;

	(void)err;
	*got = size < source->left ? size : source->left;
	if (*got == 0)
		return 0;
	memcpy(data, source->data, *got);
	source->data += *got;
	source->left -= *got;
	return 0;
}

/* `data` is borrowed. */
static inline struct uni_source *source_of(const void *data, size_t size)
{
	static const struct uni_source_ops ops = { .read = memory_read };
	struct memory_source *source = uni_alloc(sizeof(*source));

	source->base.ops = &ops;
	source->data = data;
	source->left = size;
	return &source->base;
}

#endif
