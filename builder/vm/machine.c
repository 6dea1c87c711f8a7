/*
 * Machines beside us. The control socket is made here and handed to the emulator listening, so that
 * our connection can wait in its queue before the emulator looks at it: its greeting then says that
 * everything is loaded, without asking again and again.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/vm/vm.h>

#include "qmp.h"
#include "vm_internal.h"

#define START_MS 60000 /* a machine of much memory on a busy host */
#define CONTROL_MS 5000
#define FAREWELL_MS 3000
#define WORDS_MAX 65536

struct uni_machine {
	struct uni_process *process;
	struct uni_qmp *qmp;
	char *dir;
	bool detached;
};

static int open_log(const char *dir, const char *name, int *fd, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(dir, name);

	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *fd < 0 ? uni_err_errno(err, "%s", path) : 0;
}

static int start_emulator(struct uni_machine *machine, const struct uni_vm_spec *spec,
			  struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { 0 };
	UNI_AUTO_FREE char *console = uni_path_join(machine->dir, VM_CONSOLE);
	UNI_AUTO_FREE char *record = uni_path_join(machine->dir, VM_EXIT);
	UNI_AUTO_FREE char *control = uni_path_join(machine->dir, VM_CONTROL);
	UNI_AUTO_FREE char *bell = uni_path_join(machine->dir, VM_BELL);
	UNI_AUTO_CLOSE int listener = -1, log = -1;
	struct uni_process_spec child = UNI_PROCESS_SPEC_INIT;
	struct uni_vm_spec whole = *spec;

	whole.console = console;
	whole.exit_record = record;
	whole.control = true;
	if (machine->detached && uni_str_eq(spec->machine, "q35"))
		whole.ports = VM_PORTS;
	if (machine->detached || spec->volume_count != 0) {
		if (vm_bell_make(bell, err) != 0)
			return err->code;
		whole.bell = bell;
	}
	if (uni_vm_command(&whole, &argv, err) != 0 || vm_forwards_check(spec, err) != 0 ||
	    vm_accel_check(spec, err) != 0 ||
	    open_log(machine->dir, VM_EMULATOR_LOG, &log, err) != 0 ||
	    uni_qmp_listen(control, &listener, err) != 0 ||
	    uni_qmp_connect(&machine->qmp, control, err) != 0)
		return err->code;
	child.argv = (const char *const *)argv.items;
	child.stdin_fd = listener;
	child.stdout_fd = child.stderr_fd = log;
	child.new_session = machine->detached;
	child.small_pages = spec->memory_file != NULL;
	if (uni_process_start(&machine->process, &child, err) != 0)
		return vm_emulator_hint(err);
	return 0;
}

int vm_machine_launch(struct uni_machine **machine, const struct uni_vm_spec *spec, const char *dir,
		      bool detached, struct uni_err *err)
{
	struct uni_machine *made = uni_alloc(sizeof(*made));

	made->dir = uni_strdup(dir);
	made->detached = detached;
	if (start_emulator(made, spec, err) != 0) {
		uni_machine_free(made);
		return err->code;
	}
	*machine = made;
	return 0;
}

/*
 * The control socket was closed before its greeting: the emulator gave up, and said why; or the
 * guest was quicker than the greeting, and the emulator has nothing to say.
 */
static int emulator_words(struct uni_machine *machine, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, VM_EMULATOR_LOG);
	UNI_AUTO_BUF struct uni_buf words = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	int status = 0;

	if (uni_process_wait(machine->process, FAREWELL_MS, &status, &ignored) != 0 ||
	    uni_file_read(path, WORDS_MAX, &words, &ignored) != 0)
		return err->code;
	while (words.size != 0 && words.data[words.size - 1] == '\n')
		words.data[--words.size] = '\0';
	if (words.size != 0)
		return uni_err_set(err, UNI_E_PROCESS, "the emulator ended at its start: %s",
				   words.data);
	uni_err_clear(err);
	return 0;
}

int vm_machine_greet(struct uni_machine *machine, struct uni_err *err)
{
	if (uni_qmp_greet(machine->qmp, START_MS, err) == 0 ||
	    (err->code == UNI_E_NETWORK && emulator_words(machine, err) == 0))
		return 0;
	uni_process_kill(machine->process, SIGKILL);
	return err->code;
}

int uni_machine_start(struct uni_machine **machine, const struct uni_vm_spec *spec, const char *dir,
		      struct uni_err *err)
{
	struct uni_machine *made = NULL;

	if (vm_machine_launch(&made, spec, dir, false, err) != 0)
		return err->code;
	if (vm_machine_greet(made, err) != 0) {
		uni_machine_free(made);
		return err->code;
	}
	*machine = made;
	return 0;
}

pid_t uni_machine_pid(const struct uni_machine *machine)
{
	return uni_process_pid(machine->process);
}

int uni_machine_end_fd(const struct uni_machine *machine)
{
	return uni_process_end_fd(machine->process);
}

int uni_machine_press(struct uni_machine *machine, struct uni_err *err)
{
	/* A guest may be off before the emulator's answer is. */
	if (uni_qmp_command(machine->qmp, "system_powerdown", CONTROL_MS, NULL, err) ==
	    UNI_E_NETWORK)
		uni_err_clear(err);
	return err->code;
}

int uni_machine_wait(struct uni_machine *machine, int timeout_ms, struct uni_vm_result *result,
		     struct uni_err *err)
{
	UNI_AUTO_FREE char *record = uni_path_join(machine->dir, VM_EXIT);

	memset(result, 0, sizeof(*result));
	if (uni_process_wait(machine->process, timeout_ms, &result->emulator_status, err) != 0)
		return uni_err_context(err, "the machine");
	vm_record_read(record, result);
	return 0;
}

void uni_machine_free(struct uni_machine *machine)
{
	if (machine == NULL)
		return;
	uni_qmp_free(machine->qmp);
	uni_process_free(machine->process);
	free(machine->dir);
	free(machine);
}
