/*
 * Many files at once, by one client: over HTTP/2 they share a connection. As many are on their way
 * as there are slots; one that has come makes room for the next.
 */
#include "fetch.h"

#define SLOTS 16

struct slot {
	struct batch *batch;
	const struct uni_fetch_item *item; /* NULL: nothing is on its way here */
	char *name;			   /* for messages */
	struct uni_store_writer *writer;
	struct uni_sink *sink;
	struct uni_digest found;
};

struct batch {
	const struct uni_fetch *fetch;
	const struct uni_fetch_item *items;
	size_t count, next;
	struct slot slots[SLOTS];
};

static void slot_clear(struct slot *slot)
{
	uni_sink_free(slot->sink);
	uni_store_writer_free(slot->writer);
	free(slot->name);
	*slot = (struct slot){ .batch = slot->batch };
}

static void batch_clear(struct batch *batch)
{
	for (size_t i = 0; i < SLOTS; i++)
		slot_clear(&batch->slots[i]);
}

static int start_next(struct slot *slot, struct uni_err *err);

static int on_done(void *user, int rc, struct uni_net_answer *answer, struct uni_err *err)
{
	struct slot *slot = user;
	struct uni_store_entry blob;
	if (rc == 0)
		rc = uni_net_check(answer, err);
	if (rc == 0)
		rc = uni_sink_finish(slot->sink, err);
	if (rc == 0)
		rc = fetch_keep(slot->batch->fetch, slot->writer, slot->name, &slot->found,
				&slot->item->digest, &blob, err);
	slot_clear(slot);
	return rc == 0 ? start_next(slot, err) : rc;
}

static int start(struct slot *slot, const struct uni_fetch_item *item, struct uni_err *err)
{
	const struct uni_fetch *fetch = slot->batch->fetch;
	slot->item = item;
	slot->name = uni_net_url_plain(item->url);
	uni_event_note(fetch->events, "fetching %s", slot->name);
	int rc = uni_store_writer_open(&slot->writer, fetch->store, err);
	if (rc != 0)
		return rc;
	slot->sink =
		uni_sink_to_fd(uni_store_writer_fd(slot->writer), uni_store_path(fetch->store));
	uni_sink_push_digest(&slot->sink, &slot->found);
	struct uni_net_request request = { .url = item->url,
					   .sink = slot->sink,
					   .limit = item->size + 1,
					   .done = on_done,
					   .user_data = slot };
	return uni_net_start(fetch->client, &request, err);
}

/* The next that is not there yet, if any. */
static int start_next(struct slot *slot, struct uni_err *err)
{
	struct batch *batch = slot->batch;
	struct uni_store_entry blob;
	while (batch->next < batch->count) {
		const struct uni_fetch_item *item = &batch->items[batch->next++];
		if (!uni_fetch_known(batch->fetch, &item->digest, &blob))
			return start(slot, item, err);
	}
	return 0;
}

int uni_fetch_all(const struct uni_fetch *fetch, const struct uni_fetch_item *items, size_t count,
		  struct uni_err *err)
{
	struct batch batch __attribute__((
		cleanup(batch_clear))) = { .fetch = fetch, .items = items, .count = count };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < SLOTS; i++) {
		batch.slots[i].batch = &batch;
		rc = start_next(&batch.slots[i], err);
	}
	if (rc == 0)
		rc = uni_net_run(fetch->client, err);
	else
		uni_net_drop(fetch->client);
	return rc;
}
