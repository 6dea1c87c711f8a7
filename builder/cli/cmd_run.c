/*
 * uni run: a recipe, a disk or a bootable ELF as a machine here, its console on this terminal, its
 * program's exit status as ours.
 */
#include <string.h>
#include <unistd.h>

#include <uni/base/path.h>
#include <uni/vm/vm.h>
#include <uni/volume/volume.h>

#include "build_options.h"
#include "commands.h"
#include "ec2_machines.h"
#include "machines.h"
#include "run.h"

#define DEFAULT_MEMORY (UINT64_C(128) << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)
#define PROCESSORS_MAX 255

static const struct cli_option options[] = {
	{ "kernel", 'k', NULL, "start the bootable ELF directly instead of the disk" },
	{ "machine", 0, "NAME", "pc, q35 or microvm (default: q35; microvm with --kernel)" },
	{ "firmware", 0, "NAME",
	  "by which the disk starts: bios, uefi, or an image (default: bios where it can)" },
	{ "disk-bus", 0, "NAME",
	  "how disks are attached: virtio, nvme, scsi or ahci (default: virtio)" },
	{ "memory", 'm', "SIZE", "memory of the machine (default: the recipe's, else 128M)" },
	{ "processors", 0, "N", "processors of the machine (default: the recipe's, else 1)" },
	{ "accel", 0, "NAME", "kvm or tcg (default: the faster one here, measured once)" },
	{ "qemu", 0, "PROGRAM", "the emulator (default: qemu-system-x86_64)" },
	{ "env", 'e', "NAME=VALUE", "environment at start, where the image permits it; repeats" },
	{ "secret", 0, "NAME=FILE", "content of a secret that the recipe names; repeats" },
	{ "file", 0, "PATH=FILE", "content of a file that the recipe marks as runtime; repeats" },
	{ "config-by", 0, "NAME",
	  "how that reaches the machine: fw_cfg, or smbios as on machines without it" },
	{ "trace", 0, NULL, "print every system call on the console" },
	{ "port", 'p', "HOST:GUEST",
	  "a port of this machine leads to the guest's; repeats "
	  "([ADDRESS:]HOST:GUEST[/udp])" },
	{ "volume", 0, "FILE",
	  "a live volume that the image mounts (default: the .vol file beside the image); "
	  "repeats" },
	{ "tap", 0, "NAME", "connect the guest to this tap device" },
	{ "capture", 0, "FILE",
	  "write what goes over the guest's network there, for tshark (pcap)" },
	{ "type", 0, "NAME", "in EC2: the kind of machine (default: t3.nano)" },
	{ "subnet", 0, "ID", "in EC2: where it is connected (default: the account's)" },
	{ "security-group", 0, "ID", "in EC2: what may reach it; repeats" },
	CLI_EC2_PROFILE,
	{ "detach", 'd', NULL, "leave the machine running: see uni ps, logs and stop" },
	{ "name", 0, "NAME", "of the machine with --detach (default: the image's)" },
	{ "timeout", 't', "SECONDS", "end the machine after this time, with status 124" },
	{ "gdb", 0, NULL, "wait for gdb before the first instruction, and say how to call it" },
	{ "print", 0, NULL, "print the command line of the emulator instead of running it" },
	CLI_RECIPE_OPTIONS,
	CLI_CACHE_OPTIONS,
	CLI_PASSPHRASE_OPTION,
	{ 0 },
};

static const char *const only_in_ec2[] = { "type", "subnet", "security-group", "profile", NULL };

static bool is_recipe(const char *path)
{
	return uni_str_ends(path, ".toml");
}

static int number_option(const struct cli *cli, const char *name, uint64_t most, uint64_t *value,
			 struct uni_err *err)
{
	const char *text = cli_value(cli, name);

	if (text == NULL)
		return 0;
	if (!uni_str_size(text, value) || *value == 0 || *value > most)
		return uni_err_set(err, UNI_E_USAGE, "--%s \"%s\" is not a number from 1 to %llu",
				   name, text, (unsigned long long)most);
	return 0;
}

static int memory_option(const struct cli *cli, uint64_t *value, struct uni_err *err)
{
	const char *text = cli_value(cli, "memory");

	if (text == NULL)
		return 0;
	if (!uni_str_size(text, value) || *value == 0 || *value > MEMORY_MAX ||
	    *value % (1u << 20) != 0)
		return uni_err_set(err, UNI_E_USAGE,
				   "--memory \"%s\" is not a size in whole MiB, such as 64M or 2G",
				   text);
	return 0;
}

static int accel_option(const struct cli *cli, const char **accel, struct uni_err *err)
{
	*accel = cli_value(cli, "accel");
	if (*accel == NULL || uni_str_eq(*accel, "kvm") || uni_str_eq(*accel, "tcg"))
		return 0;
	return uni_err_set(err, UNI_E_USAGE, "--accel \"%s\" is neither kvm nor tcg", *accel);
}

static int make_network(struct cli *cli, struct run_target *target, struct uni_vm_spec *spec,
			struct uni_err *err)
{
	for (char **item = cli->repeats; item != NULL && *item != NULL; item++) {
		if (!uni_str_starts(*item, "port="))
			continue;
		target->forwards = uni_realloc_array(target->forwards, target->forward_count + 1,
						     sizeof(*target->forwards));
		if (uni_vm_forward_parse(*item + 5, &target->forwards[target->forward_count],
					 err) != 0)
			return err->code;
		target->forward_count++;
	}
	spec->tap = cli_value(cli, "tap");
	if (spec->tap != NULL && target->forward_count != 0)
		return uni_err_set(err, UNI_E_USAGE, "--port and --tap exclude each other");
	spec->volumes = target->volumes.items;
	spec->volume_count = target->volumes.count;
	spec->forwards = target->forwards;
	spec->forward_count = target->forward_count;
	if (spec->tap != NULL)
		spec->network = UNI_VM_NETWORK_TAP;
	else if (target->forward_count != 0 || target->wants_network)
		spec->network = UNI_VM_NETWORK_USER;
	if (cli_value(cli, "capture") == NULL)
		return 0;
	if (spec->network == UNI_VM_NETWORK_NONE)
		return uni_err_set(err, UNI_E_USAGE, "--capture: the image asks for no network");
	/* A detached machine has a folder of its own. */
	target->capture = uni_path_absolute(cli_value(cli, "capture"));
	spec->capture = target->capture;
	return 0;
}

static int make_spec(struct cli *cli, struct run_target *target, struct uni_vm_spec *spec,
		     struct uni_err *err)
{
	uint64_t memory = target->memory != 0 ? target->memory : DEFAULT_MEMORY;
	uint64_t processors = target->processors != 0 ? target->processors : 1;
	bool direct = cli_flag(cli, "kernel") || target->disk == NULL ||
		      (!is_recipe(cli->args[0]) && target->kernel != NULL);

	if (memory_option(cli, &memory, err) != 0 || accel_option(cli, &spec->accel, err) != 0 ||
	    number_option(cli, "processors", PROCESSORS_MAX, &processors, err) != 0)
		return err->code;
	spec->memory = memory;
	spec->processors = (unsigned)processors;
	spec->disk = target->disk;
	spec->disk_writable = target->disk_writable;
	spec->writable = (const char *const *)target->writable.items;
	spec->kernel = direct ? target->kernel : NULL;
	spec->firmware = cli_value(cli, "firmware");
	if (spec->firmware == NULL && !direct && run_starts_by_uefi_alone(spec->disk)) {
		spec->firmware = "uefi";
		if (cli_value(cli, "memory") == NULL && memory < UNI_VM_UEFI_LEAST)
			spec->memory = UNI_VM_UEFI_LEAST;
	}
	spec->disk_bus = cli_value(cli, "disk-bus");
	spec->machine = cli_value(cli, "machine");
	if (spec->machine == NULL)
		spec->machine = direct && spec->disk_bus == NULL ? "microvm" : "q35";
	spec->emulator = cli_value(cli, "qemu");
	spec->restarts = target->restarts;
	spec->wait_for_debugger = cli_flag(cli, "gdb");
	return make_network(cli, target, spec, err);
}

/* As a shell would take it again. */
static void print_command(const struct uni_strv *argv)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%";

	for (size_t i = 0; i < argv->count; i++) {
		const char *word = argv->items[i];

		if (i != 0)
			cli_out(" ");
		if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
			cli_out("%s", word);
			continue;
		}
		cli_out("'");
		for (; *word != '\0'; word++)
			*word == '\'' ? cli_out("'\\''") : cli_out("%c", *word);
		cli_out("'");
	}
	cli_out("\n");
}

static int detach(struct cli *cli, const struct run_target *target, const struct uni_vm_spec *spec,
		  struct uni_err *err)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO_FREE char *name = NULL, *image = uni_path_absolute(cli->args[0]);

	if (cli_value(cli, "timeout") != NULL) {
		uni_err_set(err, UNI_E_USAGE, "--detach and --timeout exclude each other");
		return cli_fail(cli, err);
	}
	if (cli_value(cli, "name") != NULL)
		name = uni_strdup(cli_value(cli, "name"));
	else
		name = is_recipe(cli->args[0]) ? uni_strdup(target->argv0)
					       : run_name_of_file(cli->args[0]);
	if (uni_detached_start(&machine, name, image, spec, err) != 0)
		return cli_fail(cli, err);
	cli_progress_end(cli);
	if (cli->json) {
		cli_machine_json(&out, machine);
		uni_buf_putc(&out, '\n');
		cli_out_buf(&out);
	} else {
		cli_machine_introduce(machine);
	}
	return UNI_EXIT_OK;
}

/* Behind a shell's & the terminal is not ours to read: who tries is stopped until it is. */
static int console_input(void)
{
	const pid_t front = tcgetpgrp(STDIN_FILENO);

	return front < 0 || front == getpgrp() ? STDIN_FILENO : -1;
}

static int start(struct cli *cli, struct run_target *target, const struct uni_vm_spec *spec,
		 struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { 0 };
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	const struct uni_vm_io io = { console_input(), STDOUT_FILENO, STDERR_FILENO };
	struct uni_vm_result result;
	uint64_t seconds = 0;
	int status;

	if (cli_flag(cli, "print")) {
		if (uni_vm_command(spec, &argv, err) != 0)
			return cli_fail(cli, err);
		print_command(&argv);
		return UNI_EXIT_OK;
	}
	if (cli_flag(cli, "detach"))
		return detach(cli, target, spec, err);
	if (number_option(cli, "timeout", 1000000, &seconds, err) != 0)
		return cli_fail(cli, err);
	cli_progress_end(cli);
	if (spec->wait_for_debugger && run_debugger(cli, target, spec, err) != 0)
		return cli_fail(cli, err);
	if (cli_finish_output() != 0)
		return UNI_EXIT_TROUBLE;
	if (uni_vm_run(spec, &io, seconds != 0 ? (int)seconds * 1000 : -1, &result, err) != 0)
		return cli_fail(cli, err);
	status = uni_vm_status(&result, &text);
	if (text.size != 0)
		cli_say(cli, "uni: %s: %s", cli->args[0], text.data);
	return status;
}

static int run(struct cli *cli)
{
	UNI_AUTO_DIAGS struct uni_diags diags = UNI_DIAGS_INIT;
	struct uni_vm_spec spec = { 0 };
	struct run_target target = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int status;

	if (cli_is_ec2(cli->args[0]))
		return cli_ec2_run(cli);
	if (cli_ec2_options(cli, false, only_in_ec2, &err) != 0)
		return cli_fail(cli, &err);
	if ((is_recipe(cli->args[0]) ? run_build_recipe(cli, &target, &diags, &err)
				     : run_open_image(cli, &target, &err)) != 0 ||
	    make_spec(cli, &target, &spec, &err) != 0 ||
	    run_runtime_config(cli, &target, &spec, &err) != 0)
		status = cli_fail_diags(cli, &diags, &err);
	else
		status = start(cli, &target, &spec, &err);
	run_target_free(&target);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni run recipe.toml", "builds, then boots the disk" },
	{ "uni run out/site.elf",
	  "boots the ELF directly; out/site.raw beside it holds its volumes" },
	{ "uni run recipe.toml --port 8080:80",
	  "this machine's port 8080 leads to the guest's 80" },
	{ "uni run recipe.toml --detach --port 8080:80", "the same, and it stays" },
	{ "uni run recipe.toml --port 8080:80 --capture site.pcap",
	  "for tshark -r site.pcap afterwards" },
	{ "uni run recipe.toml --print", "the command line, to run by hand" },
	{ 0 },
};

const struct cli_command cli_cmd_run = {
	.name = "run",
	.arguments = "RECIPE|IMAGE|ec2://REGION/IMAGE [ARGUMENT...]",
	.summary = "Boot an image here, with its console on this terminal",
	.text = "The exit status is the program's own; 124 after a time-out, 134 when program or "
		"kernel\n"
		"faulted, 141 when nobody reads the output any more, 125 for trouble of uni's. "
		"Arguments\n"
		"replace the program's where the image permits that at start (config.runtime in "
		"its recipe).\n\n"
		"Standard input that is no terminal is typed on the console, and its end as the "
		"end of file\n"
		"(^D); control characters in it act as typed ones do. The guest's terminal shows "
		"what is typed\n"
		"or piped among the output until its program turns that off (ECHO, termios(3)). "
		"UEFI firmware\n"
		"reads the console too, and keeps what comes before the kernel starts.\n\n"
		"ec2://REGION/IMAGE starts a machine in EC2 and prints its address, for uni ps, "
		"logs and "
		"stop.",
	.options = options,
	.least = 1,
	.most = 256,
	.examples = examples,
	.program_status = true,
	.run = run,
};
