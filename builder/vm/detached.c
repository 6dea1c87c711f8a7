/*
 * Starting, finding, stopping and listening to machines that stay. Starts exclude each other by a
 * lock; everything else looks at records that are written whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "detached_internal.h"
#include "qmp.h"
#include "vm_internal.h"

#define ENDED_MAX 16
#define CONTROL_MS 5000
#define TERM_MS 3000
#define CANCEL_POLL_MS 100

void vm_detached_disk_clear(struct uni_detached_disk *disk)
{
	free(disk->name);
	free(disk->path);
	free(disk->device);
}

void vm_detached_plug_clear(struct uni_detached_plug *plug)
{
	free(plug->name);
	free(plug->path);
	free(plug->mount);
}

void uni_detached_free(struct uni_detached *machine)
{
	if (machine == NULL)
		return;
	free(machine->name);
	free(machine->dir);
	free(machine->image);
	free(machine->forwards);
	for (size_t i = 0; i < machine->volume_count; i++) {
		free(machine->volumes[i].name);
		free(machine->volumes[i].path);
	}
	free(machine->volumes);
	for (size_t i = 0; i < machine->disk_count; i++)
		vm_detached_disk_clear(&machine->disks[i]);
	free(machine->disks);
	for (size_t i = 0; i < machine->plug_count; i++)
		vm_detached_plug_clear(&machine->plugs[i]);
	free(machine->plugs);
	free(machine->boot);
	free(machine);
}

void uni_detached_list_free(struct uni_detached_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		uni_detached_free(list->items[i]);
	free(list->items);
	free(list);
}

bool uni_detached_name_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t size = strlen(name);

	return size != 0 && size <= UNI_DETACHED_NAME_MAX && size == strspn(name, letters) &&
	       strchr("._-", name[0]) == NULL;
}

static char *machines_dir(void)
{
	UNI_AUTO_FREE char *state = uni_dir_state();

	return uni_path_join(state, "machines");
}

char *vm_detached_dir(const char *name)
{
	UNI_AUTO_FREE char *all = machines_dir();

	return uni_path_join(all, name);
}

static int order(const void *a, const void *b)
{
	const struct uni_detached *const *left = a, *const *right = b;

	if ((*left)->running != (*right)->running)
		return (*left)->running ? -1 : 1;
	return strcmp((*left)->name, (*right)->name);
}

int uni_detached_list(struct uni_detached_list **list, struct uni_err *err)
{
	UNI_AUTO_FREE char *all = machines_dir();
	UNI_AUTO_STRV struct uni_strv names = { 0 };
	UNI_AUTO(uni_detached_list)
	struct uni_detached_list *made = uni_alloc(sizeof(*made));

	if (uni_dir_list(all, &names, err) != 0 && err->code != UNI_E_NOENT)
		return err->code;
	uni_err_clear(err);
	made->items = uni_alloc_array(names.count + 1, sizeof(struct uni_detached *));
	for (size_t i = 0; i < names.count; i++) {
		UNI_AUTO_FREE char *dir = uni_path_join(all, names.items[i]);
		struct uni_err ignored = UNI_ERR_INIT;

		/* Images lie beside the machines' folders; a folder may be on its way in or out. */
		if (uni_detached_name_valid(names.items[i]) &&
		    vm_detached_read(&made->items[made->count], dir, names.items[i], &ignored) == 0)
			made->count++;
	}
	qsort(made->items, made->count, sizeof(struct uni_detached *), order);
	*list = made;
	made = NULL;
	return 0;
}

static void hint_names(struct uni_err *err, const char *name)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	UNI_AUTO_STRV struct uni_strv known = { 0 };
	struct uni_err ignored = UNI_ERR_INIT;
	const char *near;

	if (uni_detached_list(&list, &ignored) != 0)
		return;
	for (size_t i = 0; i < list->count; i++)
		uni_strv_add(&known, list->items[i]->name);
	near = uni_str_nearest(name, (const char *const *)known.items, known.count);
	if (near != NULL)
		uni_err_hint(err, "did you mean \"%s\"?", near);
	else
		uni_err_hint(err, "\"uni ps --all\" lists what there is");
}

int uni_detached_open(struct uni_detached **machine, const char *name, struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = vm_detached_dir(name);

	if (uni_detached_name_valid(name) && vm_detached_read(machine, dir, name, err) == 0)
		return 0;
	if (err->code != 0 && err->code != UNI_E_NOENT)
		return err->code;
	uni_err_set(err, UNI_E_NOENT, "there is no machine \"%s\"", name);
	hint_names(err, name);
	return err->code;
}

/* Under the lock: room for `name`, and not more of the past than ENDED_MAX with it. */
static int make_room(const char *name, struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;

	if (uni_detached_list(&list, err) != 0)
		return err->code;
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i]->running && uni_str_eq(list->items[i]->name, name)) {
			uni_err_set(err, UNI_E_EXIST, "a machine \"%s\" runs already", name);
			return uni_err_hint(err,
					    "stop it (uni stop %s), or give another name: "
					    "--name NAME",
					    name);
		}
	for (;;) {
		struct uni_detached *oldest = NULL;
		size_t ended = 0;

		for (size_t i = 0; i < list->count; i++) {
			struct uni_detached *one = list->items[i];

			if (one->running || one->dir == NULL)
				continue;
			ended++;
			if (oldest == NULL || one->started < oldest->started)
				oldest = one;
		}
		if (ended < ENDED_MAX)
			return 0;
		if (uni_dir_remove(oldest->dir, err) != 0)
			return err->code;
		free(oldest->dir);
		oldest->dir = NULL;
	}
}

static int make_folder(const char *dir, struct uni_err *err)
{
	struct stat st;

	if (lstat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) {
		uni_err_set(err, UNI_E_EXIST, "%s is in the way of the machine's folder", dir);
		return uni_err_hint(err, "give another name: --name NAME");
	}
	return uni_dir_remove(dir, err) != 0 ? err->code : uni_dir_make(dir, 0700, err);
}

static struct uni_detached *describe(const char *name, const char *dir, const char *image,
				     const struct uni_vm_spec *spec)
{
	struct uni_detached *made = uni_alloc(sizeof(*made));

	made->name = uni_strdup(name);
	made->dir = uni_strdup(dir);
	made->image = uni_strdup(image);
	made->started = uni_clock_now();
	made->memory = spec->memory;
	made->processors = spec->processors;
	made->ports = uni_str_eq(spec->machine, "q35") ? VM_PORTS : 0;
	made->forwards = uni_alloc_array(spec->forward_count + 1, sizeof(*made->forwards));
	made->forward_count = spec->forward_count;
	for (size_t i = 0; i < spec->forward_count; i++)
		made->forwards[i] = spec->forwards[i];
	vm_detached_disks(made, spec);
	made->volumes = uni_alloc_array(spec->volume_count + 1, sizeof(*made->volumes));
	for (; made->volume_count < spec->volume_count; made->volume_count++)
		made->volumes[made->volume_count] = (struct uni_vm_volume){
			.name = uni_strdup(spec->volumes[made->volume_count].name),
			.path = uni_path_absolute(spec->volumes[made->volume_count].path),
			.index = (unsigned)made->volume_count,
		};
	return made;
}

/* Launched and written down before anything is waited for, so that a machine is never unknown. */
static int launch(struct uni_detached *described, const struct uni_vm_spec *spec,
		  struct uni_err *err)
{
	UNI_AUTO(uni_machine) struct uni_machine *machine = NULL;
	struct uni_vm_result result;
	struct uni_err ignored = UNI_ERR_INIT;

	if (vm_machine_launch(&machine, spec, described->dir, true, err) != 0)
		return err->code;
	described->pid = uni_machine_pid(machine);
	if (vm_detached_identify(described, err) != 0 || vm_detached_write(described, err) != 0) {
		kill(described->pid, SIGKILL);
		return err->code;
	}
	if (vm_machine_greet(machine, err) != 0)
		return err->code;
	described->running = uni_machine_wait(machine, 0, &result, &ignored) != 0;
	if (!described->running)
		described->result = result;
	return 0;
}

int uni_detached_start(struct uni_detached **machine, const char *name, const char *image,
		       const struct uni_vm_spec *spec, struct uni_err *err)
{
	UNI_AUTO_FREE char *all = machines_dir();
	UNI_AUTO_FREE char *lock = uni_path_join(all, ".lock");
	UNI_AUTO_FREE char *dir = uni_path_join(all, name);
	UNI_AUTO(uni_detached) struct uni_detached *made = NULL;
	UNI_AUTO_CLOSE int held = -1;
	struct uni_err ignored = UNI_ERR_INIT;

	if (!uni_detached_name_valid(name)) {
		uni_err_set(err, UNI_E_USAGE, "\"%s\" is not a name for a machine", name);
		return uni_err_hint(err, "letters, digits, \".\", \"_\" and \"-\", at most %d",
				    UNI_DETACHED_NAME_MAX);
	}
	if (spec->forward_count > UNI_DETACHED_FORWARDS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d ports",
				   UNI_DETACHED_FORWARDS_MAX);
	if (uni_dir_make(all, 0700, err) != 0 || uni_lock(lock, true, true, &held, err) != 0 ||
	    make_room(name, err) != 0 || make_folder(dir, err) != 0)
		return err->code;
	made = describe(name, dir, image, spec);
	if (launch(made, spec, err) != 0) {
		(void)uni_dir_remove(dir, &ignored);
		return err->code;
	}
	*machine = made;
	made = NULL;
	return 0;
}

/* 1: ended, 0: time is over. */
static int await_end(int process, int timeout_ms, struct uni_err *err)
{
	uint64_t limit = uni_clock_mono_ns() + (uint64_t)timeout_ms * 1000000u;
	struct pollfd end = { .fd = process, .events = POLLIN };

	for (;;) {
		uint64_t now = uni_clock_mono_ns();
		int left = limit > now ? (int)((limit - now) / 1000000u) + 1 : 0;
		int got = poll(&end, 1, left < CANCEL_POLL_MS ? left : CANCEL_POLL_MS);

		if (got > 0)
			return 1;
		if (got < 0 && errno != EINTR)
			return uni_err_errno(err, "cannot wait for the machine");
		if (uni_check_cancel(err) != 0)
			return err->code;
		if (uni_clock_mono_ns() >= limit)
			return 0;
	}
}

/* A machine whose control socket does not answer is not pressed; force is what remains. */
static int press(const struct uni_detached *machine)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, VM_CONTROL);
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_qmp_open(&qmp, path, CONTROL_MS, &ignored) == 0)
		(void)uni_qmp_command(qmp, "system_powerdown", CONTROL_MS, NULL, &ignored);
	/* Closed: the machine ends, perhaps before the emulator could answer. */
	return ignored.code == UNI_E_NETWORK ? 0 : ignored.code;
}

int uni_detached_knock(const struct uni_detached *machine, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, VM_CONTROL);
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;

	if (uni_qmp_open(&qmp, path, CONTROL_MS, err) != 0)
		return err->code;
	return uni_qmp_command_with(qmp, VM_BELL_RING, VM_BELL_RING_WITH, CONTROL_MS, NULL, err);
}

int uni_detached_answer(const char *name, unsigned index, struct uni_bell_answer *answer,
			struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = vm_detached_dir(name);
	UNI_AUTO_FREE char *path = uni_path_join(dir, VM_BELL);

	return vm_bell_read(path, index, answer, err);
}

/* The emulator ends in order on SIGTERM. */
static int end_by_force(int process, struct uni_err *err)
{
	static const int signals[] = { SIGTERM, SIGKILL };

	for (size_t i = 0; i < UNI_COUNT(signals); i++) {
		int ended;

		if (pidfd_send_signal(process, signals[i], NULL, 0) != 0 && errno != ESRCH)
			return uni_err_errno(err, "cannot end the machine");
		ended = await_end(process, TERM_MS, err);
		if (ended != 0)
			return ended < 0 ? ended : 0;
	}
	return uni_err_set(err, UNI_E_TIMEOUT, "the machine cannot be ended");
}

int uni_detached_stop(struct uni_detached *machine, int grace_ms, bool *forced, struct uni_err *err)
{
	UNI_AUTO_FREE char *record = uni_path_join(machine->dir, VM_EXIT);
	UNI_AUTO_CLOSE int process = vm_detached_process(machine);
	int ended = process < 0;

	*forced = false;
	if (!ended && grace_ms > 0 && press(machine) == 0)
		ended = await_end(process, grace_ms, err);
	if (ended < 0)
		return ended;
	if (!ended) {
		*forced = true;
		if (end_by_force(process, err) != 0)
			return err->code;
	}
	machine->running = false;
	vm_record_read(record, &machine->result);
	return 0;
}

struct console {
	int file;
	int changes; /* inotify */
	int process;
	int (*write)(void *user, const void *data, size_t size, struct uni_err *err);
	void *user;
};

static int pass_on(struct console *console, struct uni_err *err)
{
	char part[16384];

	for (;;) {
		ssize_t got = read(console->file, part, sizeof(part));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "the machine's console");
		if (got == 0)
			return 0;
		if (console->write(console->user, part, (size_t)got, err) != 0)
			return err->code;
	}
}

static int follow_console(struct console *console, struct uni_err *err)
{
	struct pollfd either[] = { { .fd = console->changes, .events = POLLIN },
				   { .fd = console->process, .events = POLLIN } };
	char notes[4096];

	for (;;) {
		/* A machine that has ended before this read adds nothing behind it. */
		bool ended = console->process < 0 || (either[1].revents & POLLIN) != 0;

		if (pass_on(console, err) != 0)
			return err->code;
		if (ended)
			return 0;
		if (poll(either, UNI_COUNT(either), CANCEL_POLL_MS) < 0 && errno != EINTR)
			return uni_err_errno(err, "the machine's console");
		if (uni_check_cancel(err) != 0)
			return err->code;
		while (read(console->changes, notes, sizeof(notes)) > 0)
			;
	}
}

int uni_detached_console(const struct uni_detached *machine, bool follow,
			 int (*write)(void *user, const void *data, size_t size,
				      struct uni_err *err),
			 void *user, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, VM_CONSOLE);
	UNI_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	UNI_AUTO_CLOSE int changes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	UNI_AUTO_CLOSE int process = follow ? vm_detached_process(machine) : -1;
	struct console console = {
		.file = file, .changes = changes, .process = process, .write = write, .user = user
	};

	if (file < 0)
		return uni_err_errno(err, "%s", path);
	if (!follow)
		return pass_on(&console, err);
	if (changes < 0 || inotify_add_watch(changes, path, IN_MODIFY) < 0)
		return uni_err_errno(err, "cannot watch %s", path);
	return follow_console(&console, err);
}
