/*
 * A sink that passes bytes on unchanged, for their digest.
 */
#include "frame.h"
#include <uni/base/system.h>
#include <uni/io/sink.h>

struct digest_sink {
	struct uni_sink base;
	struct uni_hash hash;
	struct uni_digest *digest;
};

static int digest_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	struct digest_sink *sink = (struct digest_sink *)base;
	uni_hash_add(&sink->hash, data, size);
	return uni_sink_write(base->next, data, size, err);
}

static int digest_finish(struct uni_sink *base, struct uni_err *err)
{
	(void)err;
	struct digest_sink *sink = (struct digest_sink *)base;
	*sink->digest = uni_hash_end(&sink->hash);
	return 0;
}

static const struct uni_sink_ops digest_ops = { .write = digest_write, .finish = digest_finish };

void uni_sink_push_digest(struct uni_sink **top, struct uni_digest *digest)
{
	struct digest_sink *sink = uni_sink_new(sizeof(*sink), &digest_ops, *top);
	uni_hash_start(&sink->hash);
	sink->digest = digest;
	*top = &sink->base;
}
