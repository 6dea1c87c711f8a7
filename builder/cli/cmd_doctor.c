/*
 * uni doctor: what this machine has of what uni calls, and what is missing.
 */
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <uni/vm/vm.h>

#include "commands.h"

struct need {
	const char *program;
	const char *package; /* Debian's */
	const char *purpose;
};

static const struct need needs[] = {
	{ "ld", "binutils", "linking applications" },
	{ "musl-gcc", "musl-tools", "compiling [app] sources" },
	{ "qemu-system-x86_64", "qemu-system-x86", "uni run" },
};

static bool check_program(const struct need *need)
{
	UNI_AUTO_FREE char *path = uni_process_find(need->program);

	if (path != NULL)
		cli_out("ok       %-20s %s\n", need->program, path);
	else
		cli_out("missing  %-20s for %s: apt-get install %s\n", need->program, need->purpose,
			need->package);
	return path != NULL;
}

static void check_kvm(void)
{
	struct uni_err err = UNI_ERR_INIT;
	const char *accel = uni_vm_accel(NULL, &err);

	if (access("/dev/kvm", R_OK | W_OK) != 0)
		cli_out("note     %-20s not usable: machines are emulated (slower)\n", "/dev/kvm");
	else
		cli_out("ok       %-20s the faster way here: %s\n", "acceleration",
			accel != NULL ? accel : "unknown");
}

static bool check_folder(const char *what, char *path)
{
	UNI_AUTO_FREE char *dir = path;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_dir_make(dir, 0755, &err) == 0 && access(dir, W_OK) == 0) {
		cli_out("ok       %-20s %s\n", what, dir);
		return true;
	}
	cli_out("missing  %-20s %s cannot be written\n", what, dir);
	return false;
}

static int run(struct cli *cli)
{
	bool sound = true;

	(void)cli;
	for (size_t i = 0; i < UNI_COUNT(needs); i++)
		sound &= check_program(&needs[i]);
	sound &= check_folder("store", uni_dir_cache());
	sound &= check_folder("state", uni_dir_state());
	check_kvm();
	return sound ? UNI_EXIT_OK : UNI_EXIT_FAILED;
}

const struct cli_command cli_cmd_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "Say what is missing on this machine",
	.run = run,
};
