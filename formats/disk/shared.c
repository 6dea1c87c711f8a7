/*
 * The window over a shared disk: a few slots, each for one piece. Views move forward only. A slot
 * may be taken for another piece once every view is past the one in it; until then a view that
 * wants a new piece waits - but never the hindmost one, for whom the others may be waiting: that
 * one reads past the window. So some view can always go on.
 */
#include <uni/disk/shared.h>

#include <pthread.h>
#include <string.h>

#include "internal.h"

enum { PIECE = 1 << 20, SLOTS = 6 };

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READY };

struct slot {
	enum slot_state state;
	uint64_t number; /* of the piece */
	uint8_t *data;
};

struct view {
	struct uni_disk_source base;
	struct uni_disk_shared *shared;
	struct view *next;
	uint64_t at; /* the piece that it is at; those before are behind it */
};

struct uni_disk_shared {
	struct uni_disk_source *from;
	pthread_mutex_t reading; /* of `from`; taken without the other one */
	pthread_mutex_t lock;	 /* of all below */
	pthread_cond_t changed;
	struct view *views;
	struct slot slots[SLOTS];
};

/* --- past the window --- */

static int from_next(struct uni_disk_shared *shared, uint64_t *offset, uint64_t *length,
		     struct uni_err *err)
{
	int rc;

	pthread_mutex_lock(&shared->reading);
	rc = uni_disk_source_next(shared->from, offset, length, err);
	pthread_mutex_unlock(&shared->reading);
	return rc;
}

static int from_read(struct uni_disk_shared *shared, void *data, size_t size, uint64_t offset,
		     struct uni_err *err)
{
	int rc;

	pthread_mutex_lock(&shared->reading);
	rc = uni_disk_source_read_data(shared->from, data, size, offset, err);
	pthread_mutex_unlock(&shared->reading);
	return rc;
}

/* --- the window; the lock is held --- */

/* The first piece that is not behind all views. */
static uint64_t hindmost(const struct uni_disk_shared *shared)
{
	uint64_t least = UINT64_MAX;

	for (const struct view *v = shared->views; v != NULL; v = v->next)
		least = v->at < least ? v->at : least;
	return least;
}

static void move(struct view *view, uint64_t piece)
{
	if (view->at == piece)
		return;
	view->at = piece;
	pthread_cond_broadcast(&view->shared->changed);
}

static struct slot *find_slot(struct uni_disk_shared *shared, uint64_t number)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (shared->slots[i].state != SLOT_FREE && shared->slots[i].number == number)
			return &shared->slots[i];
	return NULL;
}

static struct slot *spare_slot(struct uni_disk_shared *shared)
{
	uint64_t first = hindmost(shared);

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &shared->slots[i];

		if (slot->state == SLOT_FREE || (slot->state == SLOT_READY && slot->number < first))
			return slot;
	}
	return NULL;
}

/* The lock is left while it reads. */
static int fill_slot(struct uni_disk_shared *shared, struct slot *slot, uint64_t number,
		     struct uni_err *err)
{
	uint64_t left = shared->from->size - number * PIECE;
	int rc;

	slot->state = SLOT_READING;
	slot->number = number;
	pthread_mutex_unlock(&shared->lock);
	if (slot->data == NULL)
		slot->data = uni_alloc(PIECE);
	rc = from_read(shared, slot->data, left < PIECE ? (size_t)left : PIECE, number * PIECE,
		       err);
	pthread_mutex_lock(&shared->lock);
	/* Each view that wants a piece that cannot be read finds that out for itself. */
	slot->state = rc == 0 ? SLOT_READY : SLOT_FREE;
	pthread_cond_broadcast(&shared->changed);
	return rc;
}

/* The piece that the view is at. `slot` NULL: it must be read past the window. */
static int hold(struct view *view, struct slot **slot, struct uni_err *err)
{
	struct uni_disk_shared *shared = view->shared;
	uint64_t number = view->at;

	for (;;) {
		*slot = find_slot(shared, number);
		if (*slot != NULL && (*slot)->state == SLOT_READY)
			return 0;
		if (*slot == NULL) {
			*slot = spare_slot(shared);
			if (*slot != NULL)
				return fill_slot(shared, *slot, number, err);
			if (number == hindmost(shared))
				return 0;
		}
		pthread_cond_wait(&shared->changed, &shared->lock);
	}
}

/* --- a view --- */

static int view_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		     struct uni_err *err)
{
	return from_next(((struct view *)source)->shared, offset, length, err);
}

/* What lies in one piece. */
static int read_piece(struct view *view, uint8_t *data, size_t size, uint64_t offset,
		      struct uni_err *err)
{
	struct uni_disk_shared *shared = view->shared;
	struct slot *slot;
	int rc;

	pthread_mutex_lock(&shared->lock);
	move(view, offset / PIECE);
	rc = hold(view, &slot, err);
	pthread_mutex_unlock(&shared->lock);
	if (rc != 0)
		return rc;
	if (slot == NULL)
		rc = from_read(shared, data, size, offset, err);
	else /* the view's place keeps it there */
		memcpy(data, slot->data + offset % PIECE, size);
	pthread_mutex_lock(&shared->lock);
	move(view, (offset + size) / PIECE);
	pthread_mutex_unlock(&shared->lock);
	return rc;
}

static int view_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		     struct uni_err *err)
{
	struct view *view = (struct view *)source;
	uint8_t *out = data;

	/* Only the view itself moves its place. */
	if (offset / PIECE < view->at)
		return from_read(view->shared, data, size, offset, err);
	while (size != 0) {
		size_t room = PIECE - (size_t)(offset % PIECE);
		size_t step = size < room ? size : room;
		int rc = read_piece(view, out, step, offset, err);

		if (rc != 0)
			return rc;
		out += step;
		offset += step;
		size -= step;
	}
	return 0;
}

static void view_free(struct uni_disk_source *source)
{
	struct view *view = (struct view *)source;
	struct uni_disk_shared *shared = view->shared;
	struct view **link = &shared->views;

	pthread_mutex_lock(&shared->lock);
	while (*link != view)
		link = &(*link)->next;
	*link = view->next;
	pthread_cond_broadcast(&shared->changed);
	pthread_mutex_unlock(&shared->lock);
}

static const struct uni_disk_source_ops view_ops = {
	.next = view_next,
	.read = view_read,
	.free = view_free,
};

struct uni_disk_source *uni_disk_shared_view(struct uni_disk_shared *shared)
{
	struct view *view =
		disk_source_new(sizeof(*view), &view_ops, shared->from->form, shared->from->size);

	view->shared = shared;
	pthread_mutex_lock(&shared->lock);
	view->next = shared->views;
	shared->views = view;
	pthread_mutex_unlock(&shared->lock);
	return &view->base;
}

struct uni_disk_shared *uni_disk_shared_new(struct uni_disk_source *source)
{
	struct uni_disk_shared *shared = uni_alloc(sizeof(*shared));

	shared->from = source;
	pthread_mutex_init(&shared->reading, NULL);
	pthread_mutex_init(&shared->lock, NULL);
	pthread_cond_init(&shared->changed, NULL);
	return shared;
}

void uni_disk_shared_free(struct uni_disk_shared *shared)
{
	if (shared == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free(shared->slots[i].data);
	pthread_cond_destroy(&shared->changed);
	pthread_mutex_destroy(&shared->lock);
	pthread_mutex_destroy(&shared->reading);
	free(shared);
}
