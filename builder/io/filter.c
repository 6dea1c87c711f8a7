/*
 * Sinks that pass bytes on unchanged: digest, limit, progress.
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

struct limit_sink {
	struct uni_sink base;
	uint64_t limit;
	char *what;
};

static int limit_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	const struct limit_sink *sink = (const struct limit_sink *)base;
	if (base->written > sink->limit)
		return uni_err_set(err, UNI_E_LIMIT, "%s: more than the %llu bytes allowed",
				   sink->what, (unsigned long long)sink->limit);
	return uni_sink_write(base->next, data, size, err);
}

static void limit_free(struct uni_sink *base)
{
	struct limit_sink *sink = (struct limit_sink *)base;
	free(sink->what);
	free(sink);
}

static const struct uni_sink_ops limit_ops = { .write = limit_write, .free = limit_free };

void uni_sink_push_limit(struct uni_sink **top, uint64_t limit, const char *what)
{
	struct limit_sink *sink = uni_sink_new(sizeof(*sink), &limit_ops, *top);
	sink->limit = limit;
	sink->what = uni_strdup(what);
	*top = &sink->base;
}

struct progress_sink {
	struct uni_sink base;
	const struct uni_events *events;
	const char *name;
	uint64_t total;
	uint64_t told; /* bytes at the last event */
};

static int progress_write(struct uni_sink *base, const void *data, size_t size, struct uni_err *err)
{
	struct progress_sink *sink = (struct progress_sink *)base;
	int rc = uni_check_cancel(err);
	if (rc == 0)
		rc = uni_sink_write(base->next, data, size, err);
	if (rc == 0 && (base->written - sink->told > sink->total / 100 || sink->told == 0)) {
		sink->told = base->written;
		uni_event_send(sink->events, &(struct uni_event){ .kind = UNI_EVENT_PROGRESS,
								  .name = sink->name,
								  .done = base->written,
								  .total = sink->total });
	}
	return rc;
}

static const struct uni_sink_ops progress_ops = { .write = progress_write };

void uni_sink_push_progress(struct uni_sink **top, const struct uni_events *events,
			    const char *name, uint64_t total)
{
	struct progress_sink *sink = uni_sink_new(sizeof(*sink), &progress_ops, *top);
	sink->events = events;
	sink->name = name;
	sink->total = total;
	*top = &sink->base;
}
