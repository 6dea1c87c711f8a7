/*
 * A body as a source: whoever reads drives the client's loop, and what comes faster than it is read
 * is held back in the connection.
 */
#include "internal.h"
#include <string.h>

#define AHEAD (1u << 20)

struct net_source {
	struct uni_source base;
	struct uni_net *net;
	struct stream stream;
};

void net_stream_begin(struct stream *stream)
{
	stream->begun = true;
}

bool net_stream_take(struct stream *stream, const void *data, size_t size)
{
	if (stream->size != 0 && stream->size + size > AHEAD) {
		stream->paused = true;
		return false;
	}
	if (stream->start != 0) {
		memmove(stream->data, stream->data + stream->start, stream->size);
		stream->start = 0;
	}
	if (stream->size + size > stream->room) {
		stream->room = stream->size + size > AHEAD ? stream->size + size : AHEAD;
		stream->data = uni_realloc_array(stream->data, stream->room, 1);
	}
	memcpy(stream->data + stream->size, data, size);
	stream->size += size;
	return true;
}

static int stream_read(struct uni_source *base, void *data, size_t size, size_t *got,
		       struct uni_err *err)
{
	struct net_source *source = (struct net_source *)base;
	struct stream *s = &source->stream;
	while (s->size == 0 && s->transfer != NULL) {
		if (s->paused) {
			s->paused = false;
			net_curl.curl_easy_pause(s->transfer->easy, CURLPAUSE_CONT);
			continue;
		}
		int rc = net_step(source->net, err);
		if (rc != 0)
			return rc;
	}
	if (s->size == 0) {
		if (s->rc != 0)
			*err = s->err;
		return s->rc;
	}
	*got = size < s->size ? size : s->size;
	memcpy(data, s->data + s->start, *got);
	s->start += *got;
	s->size -= *got;
	return 0;
}

static void stream_free(struct uni_source *base)
{
	struct net_source *source = (struct net_source *)base;
	struct stream *s = &source->stream;
	if (s->transfer != NULL)
		net_drop(s->transfer);
	uni_net_answer_free(&s->answer);
	free(s->data);
	free(source);
}

static const struct uni_source_ops stream_ops = { .read = stream_read, .free = stream_free };

int uni_net_source(struct uni_source **out, struct uni_net *net,
		   const struct uni_net_request *request, struct uni_err *err)
{
	struct net_source *source = uni_alloc(sizeof(*source));
	struct uni_source *base UNI_AUTO(uni_source) = &source->base;
	source->base.ops = &stream_ops;
	source->net = net;
	struct stream *s = &source->stream;
	int rc = net_start(net, request, &s->transfer, err);
	if (rc != 0)
		return rc;
	s->transfer->stream = s;
	while (rc == 0 && s->transfer != NULL && !s->begun)
		rc = net_step(net, err);
	if (rc != 0)
		return rc;
	if (s->transfer == NULL && s->rc != 0) {
		*err = s->err;
		return s->rc;
	}
	if (s->transfer == NULL)
		rc = uni_net_check(&s->answer, err);
	if (rc == 0) {
		*out = base;
		base = NULL;
	}
	return rc;
}
