/*
 * The machines that have a volume: found by the records of those that run, told by their doorbells,
 * waited for by what they write into these.
 */
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <uni/base/mem.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

#include "internal.h"

#define MS UINT64_C(1000000)
enum { AGAIN_MS = 500, PAUSE_MS = 1, SILENT_MS = 1000, THREADS = 16 };

void uni_volume_users_clear(struct uni_volume_users *users)
{
	for (size_t i = 0; i < users->count; i++) {
		free(users->items[i].machine);
		free(users->items[i].volume);
		free(users->items[i].path);
		free(users->items[i].trouble);
	}
	free(users->items);
	*users = (struct uni_volume_users){ .items = NULL };
}

static void add_user(struct uni_volume_users *users, const struct uni_detached *machine,
		     size_t index)
{
	users->items = uni_realloc_array(users->items, users->count + 1, sizeof(*users->items));
	users->items[users->count++] = (struct uni_volume_user){
		.machine = uni_strdup(machine->name),
		.volume = uni_strdup(machine->volumes[index].name),
		.path = uni_strdup(machine->volumes[index].path),
		.index = machine->volumes[index].index,
		.has_bell = true,
	};
}

static bool same_file(const char *a, const char *b)
{
	struct stat x;
	struct stat y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* By name and volume, or by file. */
static int find(const char *machine, const char *volume, const char *path,
		struct uni_volume_users *users, struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	int rc = uni_detached_list(&list, err);

	for (size_t i = 0; rc == 0 && i < list->count; i++) {
		const struct uni_detached *m = list->items[i];

		for (size_t k = 0; m->running && k < m->volume_count; k++)
			if (path != NULL ? same_file(path, m->volumes[k].path)
					 : fnmatch(machine, m->name, 0) == 0 &&
						   uni_str_eq(volume, m->volumes[k].name))
				add_user(users, m, k);
	}
	return rc;
}

int uni_volume_users_find(const char *pattern, struct uni_volume_users *users, struct uni_err *err)
{
	const char *slash = strrchr(pattern, '/');
	UNI_AUTO_FREE char *machine = NULL;
	int rc;

	if (slash == NULL || slash == pattern || slash[1] == '\0')
		return uni_err_set(err, UNI_E_USAGE, "vm:%s is not vm:NAME/VOLUME", pattern);
	machine = uni_strndup(pattern, (size_t)(slash - pattern));
	rc = find(machine, slash + 1, NULL, users, err);
	if (rc == 0 && users->count == 0) {
		uni_err_set(err, UNI_E_NOENT, "no machine \"%s\" runs with a live volume \"%s\"",
			    machine, slash + 1);
		rc = uni_err_hint(err, "\"uni ps\" lists what runs");
	}
	return rc;
}

int uni_volume_users_of(const char *path, struct uni_volume_users *users, struct uni_err *err)
{
	return find(NULL, NULL, path, users, err);
}

/* --- knocking and answers --- */

static void set_trouble(struct uni_volume_user *user, const char *text)
{
	free(user->trouble);
	user->trouble = uni_strdup(text);
}

static int knock_one(void *arg, size_t index, struct uni_err *err)
{
	struct uni_volume_users *users = arg;
	struct uni_volume_user *user = &users->items[index];
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
	struct uni_err why = UNI_ERR_INIT;

	(void)err;
	if (user->serves)
		return 0;
	if (uni_detached_open(&machine, user->machine, &why) != 0 ||
	    uni_detached_knock(machine, &why) != 0)
		set_trouble(user, why.text);
	return 0;
}

/* Many at once: each takes the emulator a moment to look at its socket. */
static void knock_all(struct uni_volume_users *users)
{
	struct uni_err ignored = UNI_ERR_INIT;

	(void)uni_pool_run(users->count, THREADS, knock_one, users, &ignored);
}

static bool read_answer(const struct uni_volume_user *user, struct uni_bell_answer *answer)
{
	struct uni_err ignored = UNI_ERR_INIT;

	return uni_detached_answer(user->machine, user->index, answer, &ignored) == 0;
}

static void pause_ms(unsigned ms)
{
	const struct timespec t = { .tv_nsec = (long)ms * (long)MS };

	nanosleep(&t, NULL);
}

static const char *reason_text(uint32_t reason)
{
	switch ((enum uni_bell_reason)reason) {
	case UNI_BELL_SIGNATURE:
		return "it is not signed by the key that this machine was built with";
	case UNI_BELL_VERSION_NEW:
		return "its format is not known there";
	case UNI_BELL_OLD:
		return "it is older than the least generation that this machine takes";
	case UNI_BELL_CONTENT:
		return "it is damaged";
	case UNI_BELL_MEMORY:
		return "memory is out there";
	case UNI_BELL_NONE:
		break;
	}
	return "refused";
}

/* Whether there is nothing more to wait for from this one. */
static bool settled(struct uni_volume_user *user, uint64_t generation)
{
	struct uni_bell_answer a;

	if (user->serves)
		return true;
	if (!read_answer(user, &a))
		return false;
	if (a.generation >= generation) {
		user->serves = true;
		free(user->trouble);
		user->trouble = NULL;
		return true;
	}
	if (a.status == UNI_BELL_REFUSED && a.refused == generation) {
		UNI_AUTO_FREE char *text =
			uni_asprintf("refuses generation %llu: %s", (unsigned long long)generation,
				     reason_text(a.reason));

		set_trouble(user, text);
		return true;
	}
	return false;
}

static bool all_settled(struct uni_volume_users *users, uint64_t generation)
{
	bool all = true;

	for (size_t i = 0; i < users->count; i++)
		all = settled(&users->items[i], generation) && all;
	return all;
}

void volume_users_tell(struct uni_volume_users *users, uint64_t generation, int wait_ms)
{
	uint64_t start = uni_clock_mono_ns();
	uint64_t again = start + AGAIN_MS * MS;
	struct uni_err ignored = UNI_ERR_INIT;

	if (users->count == 0)
		return;
	knock_all(users);
	while (wait_ms > 0 && !all_settled(users, generation)) {
		uint64_t now = uni_clock_mono_ns();

		if (now - start >= (uint64_t)wait_ms * MS || uni_check_cancel(&ignored) != 0)
			break;
		if (now >= again) {
			knock_all(users);
			again = now + AGAIN_MS * MS;
		}
		pause_ms(PAUSE_MS);
	}
	for (size_t i = 0; wait_ms > 0 && i < users->count; i++) {
		struct uni_volume_user *user = &users->items[i];

		if (!user->serves && user->trouble == NULL) {
			UNI_AUTO_FREE char *text =
				uni_asprintf("has not answered within %d ms", wait_ms);

			set_trouble(user, text);
		}
	}
}

/* -- before a slot is written -- */

/* Whether this machine is known to hold the slot. `fresh`: its answer is of now. */
static bool holds(const struct uni_volume_user *user, uint64_t current, uint64_t inactive,
		  bool *fresh)
{
	struct uni_bell_answer a;

	*fresh = false;
	if (!read_answer(user, &a))
		return false;
	/* From the current generation on it can only move up. */
	*fresh = a.generation >= current && a.pinned >= current;
	return a.pinned <= inactive;
}

static int name_holders(const struct uni_volume_users *users, uint64_t current, uint64_t inactive,
			struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf names = UNI_BUF_INIT;
	struct uni_bell_answer a;
	bool refused = false;
	bool fresh;

	for (size_t i = 0; i < users->count; i++) {
		if (!holds(&users->items[i], current, inactive, &fresh))
			continue;
		uni_buf_printf(&names, "%s%s", names.size != 0 ? ", " : "",
			       users->items[i].machine);
		refused = refused || (read_answer(&users->items[i], &a) && a.refused == current);
	}
	if (refused) {
		uni_err_set(err, UNI_E_BUSY,
			    "generation %llu is refused by %s, which serves the one before",
			    (unsigned long long)current, uni_buf_text(&names));
		return uni_err_hint(err, "uni volume rollback goes back to that; sign it if they "
					 "want it signed");
	}
	uni_err_set(err, UNI_E_BUSY, "files of generation %llu are still open in %s",
		    (unsigned long long)inactive, uni_buf_text(&names));
	return uni_err_hint(err, "wait longer for them to be closed (--timeout SECONDS)");
}

int volume_users_clear_slot(struct uni_volume_users *users, uint64_t current, uint64_t inactive,
			    int wait_ms, struct uni_err *err)
{
	uint64_t start = uni_clock_mono_ns();
	uint64_t again = 0;
	bool fresh;

	for (;;) {
		uint64_t now = uni_clock_mono_ns();
		bool held = false;
		bool unknown = false;
		int rc = uni_check_cancel(err);

		for (size_t i = 0; i < users->count && inactive != 0; i++) {
			held = holds(&users->items[i], current, inactive, &fresh) || held;
			unknown = unknown || !fresh;
		}
		if (rc != 0 || (!held && !unknown))
			return rc;
		if (!held && now - start >= SILENT_MS * MS)
			return 0;
		if (held && now - start >= (uint64_t)(wait_ms > 0 ? wait_ms : SILENT_MS) * MS)
			return name_holders(users, current, inactive, err);
		if (now >= again) {
			knock_all(users);
			again = now + AGAIN_MS / 5 * MS;
		}
		pause_ms(PAUSE_MS);
	}
}
