/*
 * Copies of disks that a running machine writes to. The emulator makes them: what is overwritten
 * meanwhile is copied before, so that the copy is of one moment. For that moment the machine's
 * kernel is asked to hold still. What changed since the last copy to the same place is known to
 * the emulator (backup_base.c), and the rest taken from there.
 */
#include <string.h>

#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "detached_internal.h"
#include "qmp.h"
#include "vm_internal.h"

#define ANSWER_MS 5000
#define JOB "backup"
enum { PAUSE_MS = 2, PAUSE_MAX_MS = 100, FREEZE_MS = 5000, FREEZE_WAIT_MS = 10000 };

/* ".../ledger.data.raw" is "data". */
static char *name_of_disk(const char *path)
{
	UNI_AUTO_FREE char *name = uni_strdup(uni_path_base(path));
	char *dot = strrchr(name, '.');

	if (dot != NULL)
		*dot = '\0';
	dot = strrchr(name, '.');
	return uni_strdup(dot != NULL ? dot + 1 : name);
}

void vm_detached_disks(struct uni_detached *machine, const struct uni_vm_spec *spec)
{
	unsigned number = vm_writable_number(spec);
	size_t count = 0;

	while (spec->writable != NULL && spec->writable[count] != NULL)
		count++;
	machine->disks = uni_alloc_array(count + 1, sizeof(*machine->disks));
	for (; machine->disk_count < count; machine->disk_count++) {
		const char *path = spec->writable[machine->disk_count];

		machine->disks[machine->disk_count] = (struct uni_detached_disk){
			.name = name_of_disk(path),
			.path = uni_path_absolute(path),
			.device = uni_asprintf("disk%u", number++),
		};
	}
}

static const struct uni_detached_disk *find_disk(const struct uni_detached *machine,
						 const char *name)
{
	for (size_t i = 0; i < machine->disk_count; i++)
		if (uni_str_eq(machine->disks[i].name, name))
			return &machine->disks[i];
	return NULL;
}

struct backup {
	const struct uni_detached *machine;
	const struct uni_detached_disk *disk;
	const char *target;
	struct uni_detached_copy *copy;
	struct vm_base base;
};

/* The socket has room for one of us: whoever else wants to tell the machine something gets his turn
 * while the copy is made. */
static int command(const struct backup *b, const char *name, const char *arguments,
		   struct uni_json **answer, struct uni_err *err)
{
	UNI_AUTO_FREE char *control = uni_path_join(b->machine->dir, VM_CONTROL);
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;

	if (uni_qmp_open(&qmp, control, ANSWER_MS, err) != 0)
		return err->code;
	return uni_qmp_command_with(qmp, name, arguments, ANSWER_MS, answer, err);
}

/* The arguments of drive-backup. */
static void describe_job(const struct backup *b, struct uni_buf *text)
{
	uni_buf_puts(text, "{\"job-id\": \"" JOB "\", \"format\": \"raw\", "
			   "\"auto-dismiss\": false, \"device\": ");
	uni_json_string(text, b->disk->device);
	uni_buf_puts(text, ", \"target\": ");
	uni_json_string(text, b->target);
	if (b->copy->bandwidth != 0)
		uni_buf_printf(text, ", \"speed\": %llu", (unsigned long long)b->copy->bandwidth);
	if (b->copy->changes_only)
		uni_buf_printf(text,
			       ", \"sync\": \"incremental\", \"mode\": \"existing\", "
			       "\"bitmap\": \"%s\"}",
			       b->base.bitmap);
	else
		uni_buf_puts(text, ", \"sync\": \"full\"}");
}

static char *describe_bitmap(const struct uni_detached_disk *disk, const char *name)
{
	struct uni_buf text = UNI_BUF_INIT;

	uni_buf_puts(&text, "{\"node\": ");
	uni_json_string(&text, disk->device);
	uni_buf_printf(&text, ", \"name\": \"%s\"}", name);
	return uni_buf_take(&text);
}

static void remove_bitmap(const struct backup *b, const struct uni_detached_disk *disk,
			  const char *name)
{
	UNI_AUTO_FREE char *bitmap = describe_bitmap(disk, name);
	struct uni_err ignored = UNI_ERR_INIT;

	(void)command(b, "block-dirty-bitmap-remove", bitmap, NULL, &ignored);
}

/* A whole copy and, from the same moment on, the record of what changes. */
static int begin_whole(const struct backup *b, const char *job, struct uni_err *err)
{
	UNI_AUTO_FREE char *bitmap = describe_bitmap(b->disk, b->base.bitmap);
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	remove_bitmap(b, b->disk, b->base.bitmap);
	uni_buf_printf(&text,
		       "{\"actions\": [{\"type\": \"block-dirty-bitmap-add\", \"data\": %s}, "
		       "{\"type\": \"drive-backup\", \"data\": %s}]}",
		       bitmap, job);
	return command(b, "transaction", text.data, NULL, err);
}

static int begin(const struct backup *b, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf job = UNI_BUF_INIT;

	describe_job(b, &job);
	return b->copy->changes_only ? command(b, "drive-backup", job.data, NULL, err)
				     : begin_whole(b, job.data, err);
}

/* --- the instant --- */

static int order(const struct backup *b, enum uni_bell_order_kind kind, struct uni_err *err)
{
	struct uni_bell_order order = { .kind = kind, .limit_ms = FREEZE_MS };
	struct uni_bell_reply reply;

	memcpy(order.mount.uuid, b->copy->freeze, sizeof(order.mount.uuid));
	if (vm_detached_order(b->machine, &order, FREEZE_WAIT_MS, &reply, err) != 0)
		return err->code;
	if (reply.error != 0)
		return uni_err_set(err, UNI_E_INVAL, "machine \"%s\": %s", b->machine->name,
				   reply.text);
	return 0;
}

/* A machine that cannot hold still is copied as it is. */
static int begin_frozen(const struct backup *b, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	UNI_AUTO_CLOSE int lock = -1;
	int rc;

	if (b->copy->freeze == NULL)
		return begin(b, err);
	if (vm_detached_lock(b->machine, &lock, err) != 0)
		return err->code;
	b->copy->frozen = order(b, UNI_BELL_FREEZE, &ignored) == 0;
	rc = begin(b, err);
	if (b->copy->frozen && order(b, UNI_BELL_THAW, &ignored) != 0)
		b->copy->frozen = false;
	return rc;
}

/* --- waiting --- */

/* 1: it has ended, as `why` says; 0: it goes on. */
static int look(const struct backup *b, struct uni_buf *why, struct uni_err *err)
{
	UNI_AUTO(uni_json) struct uni_json *answer = NULL;
	const struct uni_json *jobs;

	if (command(b, "query-jobs", NULL, &answer, err) != 0)
		return err->code;
	jobs = uni_json_get(answer, "return");
	for (size_t i = 0; i < uni_json_count(jobs); i++) {
		const struct uni_json *job = uni_json_item(jobs, i);
		const char *id = uni_json_text(uni_json_get(job, "id"));
		const char *status = uni_json_text(uni_json_get(job, "status"));
		const char *error = uni_json_text(uni_json_get(job, "error"));

		if (id == NULL || status == NULL || !uni_str_eq(id, JOB))
			continue;
		if (!uni_str_eq(status, "concluded"))
			return 0;
		(void)uni_json_u64(uni_json_get(job, "current-progress"), &b->copy->moved);
		uni_buf_puts(why, error != NULL ? error : "");
		return 1;
	}
	return uni_err_set(err, UNI_E_IO, "the emulator has lost the copy");
}

static int await_job(const struct backup *b, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	unsigned pause = PAUSE_MS;
	int rc;

	while ((rc = look(b, &why, err)) == 0) {
		if (uni_wait_ms(pause, err) != 0) {
			(void)command(b, "job-cancel", "{\"id\": \"" JOB "\"}", NULL, &ignored);
			return err->code;
		}
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	if (rc < 0)
		return rc;
	(void)command(b, "job-dismiss", "{\"id\": \"" JOB "\"}", NULL, &ignored);
	return why.size != 0 ? uni_err_set(err, UNI_E_IO, "the emulator: %s", why.data) : 0;
}

/* --- all of it --- */

static int run(struct backup *b, struct uni_outfile *out, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	int rc;

	/* Until this copy has its name nothing says what the next may leave out. */
	vm_base_forget(&b->base);
	rc = begin_frozen(b, err);
	if (rc != 0 && b->copy->changes_only) {
		/* The emulator was started again since, or forgot. */
		uni_err_clear(err);
		b->copy->changes_only = false;
		rc = begin_frozen(b, err);
	}
	if (rc == 0)
		rc = await_job(b, err);
	if (rc == 0)
		rc = uni_outfile_commit(out, true, err);
	if (rc == 0)
		(void)vm_base_keep(&b->base, &ignored);
	for (size_t i = 0; b->base.gone[0] != '\0' && i < b->machine->disk_count; i++)
		remove_bitmap(b, &b->machine->disks[i], b->base.gone);
	return rc;
}

int uni_detached_backup(const struct uni_detached *machine, const char *name, const char *path,
			struct uni_detached_copy *copy, struct uni_err *err)
{
	struct backup b = { .machine = machine, .disk = find_disk(machine, name), .copy = copy };
	UNI_AUTO_FREE char *full = uni_path_absolute(path);
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	UNI_AUTO_FREE char *target = NULL;
	int rc;

	if (b.disk == NULL)
		return uni_err_set(err, UNI_E_NOENT, "machine \"%s\" writes to no volume \"%s\"",
				   machine->name, name);
	if (uni_outfile_open(&out, full, 0600, err) != 0)
		return err->code;
	target = uni_path_absolute(uni_outfile_tmp(out));
	b.target = target;
	vm_base_open(&b.base, machine, b.disk, full);
	/* Without the copy before, this is a whole one. */
	copy->changes_only = vm_base_copy(&b.base, uni_outfile_fd(out));
	rc = run(&b, out, err);
	if (rc == 0)
		copy->size = b.base.size;
	vm_base_close(&b.base);
	return rc;
}
