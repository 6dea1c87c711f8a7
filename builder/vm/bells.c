/*
 * Doorbells of several machines, rung at once, none waiting for another: a machine whose emulator
 * does not answer holds nobody up. Answers are noticed when they are written (inotify), since
 * looking for them again and again would take processors from those who are to write them.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "detached_internal.h"
#include "qmp.h"
#include "vm_internal.h"

#define MS UINT64_C(1000000)
enum {
	RINGING_MAX = 64, /* control sockets at a time */
	GIVE_UP_MS = 5000,
	BLIND_MS = 5, /* between looks where no notice of changes is to be had */
};

struct bell {
	char *dir; /* of the machine */
	int watch;
	bool changed;	     /* its answers, perhaps */
	bool wanted;	     /* to be rung */
	struct uni_qmp *qmp; /* while it rings */
	uint64_t give_up;
	char *trouble;
};

struct uni_bells {
	struct bell *items;
	size_t count;
	size_t ringing;
	int notices; /* inotify, or -1 */
};

struct uni_bells *uni_bells_new(void)
{
	struct uni_bells *bells = uni_alloc(sizeof(*bells));

	bells->notices = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return bells;
}

static void hang_up(struct uni_bells *bells, struct bell *bell)
{
	if (bell->qmp == NULL)
		return;
	uni_qmp_free(bell->qmp);
	bell->qmp = NULL;
	bells->ringing--;
}

void uni_bells_free(struct uni_bells *bells)
{
	if (bells == NULL)
		return;
	for (size_t i = 0; i < bells->count; i++) {
		hang_up(bells, &bells->items[i]);
		free(bells->items[i].dir);
		free(bells->items[i].trouble);
	}
	free(bells->items);
	uni_close_fd(&bells->notices);
	free(bells);
}

void uni_bells_add(struct uni_bells *bells, const char *machine)
{
	struct bell *bell;
	UNI_AUTO_FREE char *path = NULL;

	bells->items = uni_realloc_array(bells->items, bells->count + 1, sizeof(*bells->items));
	bell = &bells->items[bells->count++];
	*bell = (struct bell){ .dir = vm_detached_dir(machine), .watch = -1, .changed = true };
	path = uni_path_join(bell->dir, VM_BELL);
	if (bells->notices >= 0)
		bell->watch = inotify_add_watch(bells->notices, path, IN_MODIFY);
}

const char *uni_bells_trouble(const struct uni_bells *bells, size_t index)
{
	return bells->items[index].trouble;
}

bool uni_bells_ringing(const struct uni_bells *bells)
{
	bool wanted = false;

	for (size_t i = 0; i < bells->count; i++)
		wanted = wanted || bells->items[i].wanted;
	return wanted || bells->ringing != 0;
}

static void fail(struct uni_bells *bells, struct bell *bell, const struct uni_err *why)
{
	hang_up(bells, bell);
	free(bell->trouble);
	bell->trouble = uni_strdup(why->text);
}

static void start(struct uni_bells *bells, struct bell *bell)
{
	UNI_AUTO_FREE char *path = uni_path_join(bell->dir, VM_CONTROL);
	struct uni_err why = UNI_ERR_INIT;

	bell->wanted = false;
	free(bell->trouble);
	bell->trouble = NULL;
	if (uni_qmp_connect(&bell->qmp, path, &why) == 0) {
		bells->ringing++;
		bell->give_up = uni_clock_mono_ns() + GIVE_UP_MS * MS;
		(void)uni_qmp_post(bell->qmp, VM_BELL_RING, VM_BELL_RING_WITH, &why);
	}
	if (why.code != 0)
		fail(bells, bell, &why);
}

static void start_wanted(struct uni_bells *bells)
{
	for (size_t i = 0; i < bells->count && bells->ringing < RINGING_MAX; i++)
		if (bells->items[i].wanted && bells->items[i].qmp == NULL)
			start(bells, &bells->items[i]);
}

void uni_bells_ring(struct uni_bells *bells, size_t index)
{
	/* One that still rings may have been heard before what is to be heard now: again, then. */
	bells->items[index].wanted = true;
	start_wanted(bells);
}

static void go_on(struct uni_bells *bells, struct bell *bell)
{
	struct uni_err why = UNI_ERR_INIT;
	int rc = uni_qmp_posted(bell->qmp, VM_BELL_RING, &why);

	if (rc == 1)
		hang_up(bells, bell);
	else if (rc != 0)
		fail(bells, bell, &why);
}

static void mark(struct uni_bells *bells, int watch)
{
	for (size_t i = 0; i < bells->count; i++)
		if (bells->items[i].watch == watch || watch < 0)
			bells->items[i].changed = true;
}

static void take_notices(struct uni_bells *bells)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} notes;
	ssize_t got;

	while ((got = read(bells->notices, &notes, sizeof(notes))) > 0) {
		struct inotify_event event;

		for (size_t at = 0; at + sizeof(event) <= (size_t)got;
		     at += sizeof(event) + event.len) {
			memcpy(&event, notes.bytes + at, sizeof(event));
			/* Of a queue that ran over: anything may have changed. */
			mark(bells, event.wd);
		}
	}
}

static void give_up_late(struct uni_bells *bells)
{
	uint64_t now = uni_clock_mono_ns();

	for (size_t i = 0; i < bells->count; i++) {
		struct bell *bell = &bells->items[i];
		struct uni_err why = UNI_ERR_INIT;

		if (bell->qmp == NULL || now < bell->give_up)
			continue;
		uni_err_set(&why, UNI_E_TIMEOUT, "the emulator's control socket does not answer");
		fail(bells, bell, &why);
	}
}

/* Waits for the first of notices and control sockets, and takes what all of them have. */
static int look(struct uni_bells *bells, int wait_ms, struct uni_err *err)
{
	UNI_AUTO_FREE struct pollfd *fds = uni_alloc_array(bells->ringing + 1, sizeof(*fds));
	UNI_AUTO_FREE struct bell **of = uni_alloc_array(bells->ringing + 1, sizeof(*of));
	nfds_t count = 1;
	int got;

	fds[0] = (struct pollfd){ .fd = bells->notices, .events = POLLIN };
	for (size_t i = 0; i < bells->count; i++) {
		if (bells->items[i].qmp == NULL)
			continue;
		of[count] = &bells->items[i];
		fds[count++] =
			(struct pollfd){ .fd = uni_qmp_fd(bells->items[i].qmp), .events = POLLIN };
	}
	got = poll(fds, count, wait_ms);
	if (got < 0 && errno != EINTR)
		return uni_err_errno(err, "doorbells");
	for (nfds_t i = 1; got > 0 && i < count; i++)
		if (fds[i].revents != 0)
			go_on(bells, of[i]);
	if (got > 0 && fds[0].revents != 0)
		take_notices(bells);
	return 0;
}

int uni_bells_wait(struct uni_bells *bells, int wait_ms, struct uni_err *err)
{
	bool blind = bells->notices < 0;
	int rc = look(bells, blind && wait_ms > BLIND_MS ? BLIND_MS : wait_ms, err);

	if (blind)
		mark(bells, -1);
	give_up_late(bells);
	start_wanted(bells);
	return rc == 0 ? uni_check_cancel(err) : rc;
}

bool uni_bells_changed(struct uni_bells *bells, size_t index)
{
	bool changed = bells->items[index].changed;

	bells->items[index].changed = false;
	return changed;
}
