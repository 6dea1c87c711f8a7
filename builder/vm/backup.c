/*
 * Copies of disks that a running machine writes to. The emulator makes them: what is overwritten
 * meanwhile is copied before, so that the copy is of one moment.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "detached_internal.h"
#include "qmp.h"
#include "vm_internal.h"

#define ANSWER_MS 5000
#define JOB "backup"
enum { PAUSE_NS = 5000000 };

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

static int begin(struct uni_qmp *qmp, const char *device, const char *path, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf arguments = UNI_BUF_INIT;

	uni_buf_puts(&arguments, "{\"job-id\": \"" JOB "\", \"sync\": \"full\", "
				 "\"format\": \"raw\", \"auto-dismiss\": false, \"device\": ");
	uni_json_string(&arguments, device);
	uni_buf_puts(&arguments, ", \"target\": ");
	uni_json_string(&arguments, path);
	uni_buf_putc(&arguments, '}');
	return uni_qmp_command_with(qmp, "drive-backup", arguments.data, ANSWER_MS, NULL, err);
}

/* 1: it has ended, as `why` says; 0: it goes on. */
static int look(struct uni_qmp *qmp, struct uni_buf *why, struct uni_err *err)
{
	UNI_AUTO(uni_json) struct uni_json *answer = NULL;
	const struct uni_json *jobs;
	int rc = uni_qmp_command(qmp, "query-jobs", ANSWER_MS, &answer, err);

	if (rc != 0)
		return rc;
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
		uni_buf_puts(why, error != NULL ? error : "");
		return 1;
	}
	return uni_err_set(err, UNI_E_IO, "the emulator has lost the copy");
}

static int await_job(struct uni_qmp *qmp, struct uni_err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	int rc;

	while ((rc = look(qmp, &why, err)) == 0) {
		rc = uni_check_cancel(err);
		if (rc != 0) {
			(void)uni_qmp_command_with(qmp, "job-cancel", "{\"id\": \"" JOB "\"}",
						   ANSWER_MS, NULL, &ignored);
			return rc;
		}
		nanosleep(&pause, NULL);
	}
	if (rc < 0)
		return rc;
	(void)uni_qmp_command_with(qmp, "job-dismiss", "{\"id\": \"" JOB "\"}", ANSWER_MS, NULL,
				   &ignored);
	return why.size != 0 ? uni_err_set(err, UNI_E_IO, "the emulator: %s", why.data) : 0;
}

int uni_detached_backup(const struct uni_detached *machine, const char *name, const char *path,
			struct uni_err *err)
{
	const struct uni_detached_disk *disk = find_disk(machine, name);
	UNI_AUTO_FREE char *control = uni_path_join(machine->dir, VM_CONTROL);
	UNI_AUTO_FREE char *full = uni_path_absolute(path);
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;
	UNI_AUTO_FREE char *target = NULL;
	int rc;

	if (disk == NULL)
		return uni_err_set(err, UNI_E_NOENT, "machine \"%s\" writes to no volume \"%s\"",
				   machine->name, name);
	rc = uni_outfile_open(&out, full, 0600, err);
	if (rc == 0)
		rc = uni_qmp_open(&qmp, control, ANSWER_MS, err);
	if (rc != 0)
		return rc;
	target = uni_path_absolute(uni_outfile_tmp(out));
	rc = begin(qmp, disk->device, target, err);
	if (rc == 0)
		rc = await_job(qmp, err);
	return rc == 0 ? uni_outfile_commit(out, true, err) : rc;
}
