/*
 * uni run: a recipe, a disk or a bootable ELF as a machine here, its console on this terminal, its
 * program's exit status as ours.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/exec/build.h>
#include <uni/inspect/image.h>
#include <uni/vm/vm.h>
#include <uni/volume/volume.h>

#include "build_options.h"
#include "commands.h"
#include "disks.h"
#include "ec2_machines.h"
#include "machines.h"

#define DEFAULT_MEMORY (UINT64_C(128) << 20)
#define MEMORY_MAX (UINT64_C(1) << 40)
#define PROCESSORS_MAX 255

static const struct cli_option options[] = {
	{ "kernel", 'k', NULL, "start the bootable ELF directly instead of the disk" },
	{ "machine", 0, "NAME", "pc, q35 or microvm (default: q35; microvm with --kernel)" },
	{ "firmware", 0, "NAME",
	  "by which the disk starts: bios, uefi, or an image (default: bios)" },
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
	{ "type", 0, "NAME", "in EC2: the kind of machine (default: t3.nano)" },
	{ "subnet", 0, "ID", "in EC2: where it is connected (default: the account's)" },
	{ "security-group", 0, "ID", "in EC2: what may reach it; repeats" },
	{ "detach", 'd', NULL, "leave the machine running: see uni ps, logs and stop" },
	{ "name", 0, "NAME", "of the machine with --detach (default: the image's)" },
	{ "timeout", 't', "SECONDS", "end the machine after this time, with status 124" },
	{ "gdb", 0, NULL, "wait for a debugger on port 1234 before the first instruction" },
	{ "print", 0, NULL, "print the command line of the emulator instead of running it" },
	CLI_RECIPE_OPTIONS,
	CLI_CACHE_OPTIONS,
	CLI_PASSPHRASE_OPTION,
	{ 0 },
};

/* What is to be run, and what must go afterwards. */
struct target {
	char *disk;
	char *kernel;
	char *dir; /* temporary folder, or NULL */
	char *config_file;
	struct uni_strv oem_strings;
	uint64_t memory;
	unsigned processors;
	char *argv0;
	struct uni_strv env;		/* of the image's configuration */
	struct uni_strv writable;	/* disks that it writes to */
	bool disk_writable;		/* `disk` too */
	bool wants_network;		/* the image's configuration names one */
	bool restarts;			/* it says that something follows the end */
	struct uni_boot_config *config; /* the image's, for the files it names; NULL: not known */
	struct uni_vm_forward *forwards;
	size_t forward_count;
	struct uni_volume_list volumes; /* live ones */
};

static void target_release(struct target *target)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (target->dir != NULL) {
		(void)uni_dir_remove(target->dir, &ignored);
		uni_tmp_forget(target->dir);
	}
	free(target->dir);
	free(target->config_file);
	uni_strv_free(&target->oem_strings);
	uni_boot_config_free(target->config);
	free(target->disk);
	free(target->kernel);
	free(target->argv0);
	free(target->forwards);
	uni_volume_list_clear(&target->volumes);
	uni_strv_free(&target->env);
	uni_strv_free(&target->writable);
}

static int target_dir(struct target *target, struct uni_err *err)
{
	return target->dir != NULL ? 0 : uni_dir_tmp(NULL, &target->dir, err);
}

/* In the order of the mounts, in which the guest answers for them. */
static int find_volumes(struct cli *cli, struct target *target,
			const struct uni_boot_config *config, const char *image,
			struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv named = { 0 };
	int status = 0;

	for (char **item = cli->repeats; item != NULL && *item != NULL; item++)
		if (uni_str_starts(*item, "volume="))
			uni_strv_add(&named, *item + strlen("volume="));
	for (size_t i = 0; status == 0 && i < config->mount_count; i++)
		if (config->mounts[i].wire.fs == UNI_FS_LIVE)
			status = uni_volume_attach(&target->volumes, &config->mounts[i].wire,
						   config->mounts[i].path,
						   (const char *const *)named.items, image, err);
	return status;
}

static int note_config(struct cli *cli, struct target *target, const struct uni_boot_config *config,
		       const char *image, struct uni_err *err)
{
	if (config == NULL)
		return 0;
	if (config->args.count != 0 && target->argv0 == NULL)
		target->argv0 = uni_strdup(config->args.items[0]);
	for (size_t i = 0; i < config->env.count; i++)
		uni_strv_add(&target->env, config->env.items[i]);
	if (target->config == NULL)
		target->config = uni_boot_config_new();
	for (size_t i = 0; i < config->runtime_count; i++)
		uni_boot_config_runtime(target->config, config->runtime[i]);
	for (size_t i = 0; i < config->file_count; i++) {
		const struct uni_boot_file *file = &config->files[i];

		(void)uni_boot_config_file(target->config, file->name, file->path, file->mode,
					   file->flags);
	}
	target->restarts = config->on_exit != UNI_ACTION_OFF || config->on_fault != UNI_ACTION_OFF;
	target->wants_network =
		config->networks.count != 0 && !uni_strv_has(&config->networks, "none");
	return find_volumes(cli, target, config, image, err);
}

/* "out/site.raw" is "site". */
static char *name_of_file(const char *path)
{
	char *name = uni_strdup(uni_path_base(path));
	char *dot = strrchr(name, '.');

	if (dot != NULL && dot != name)
		*dot = '\0';
	return name;
}

/* Where the disks that a machine writes to are kept; those with a name of their own do not share
 * the image's. A machine's folder is not the place: it goes with the machine. */
static char *disks_folder(const struct cli *cli)
{
	UNI_AUTO_FREE char *state = uni_dir_state(), *named = uni_path_join(state, "disks");
	const char *name = cli_value(cli, "name");

	return name != NULL ? uni_path_join(named, name) : uni_path_join(state, "machines");
}

/* A machine with a name of its own begins with disks as they were built, not as the image's own
 * machine left them. */
static int build_disks(struct cli *cli, struct uni_build_options how,
		       const struct uni_boot_config *config, const char *disks,
		       struct uni_diags *diags, struct uni_err *err)
{
	struct uni_build_result result = UNI_BUILD_RESULT_INIT;
	bool some = false;
	int status = 0;

	for (size_t i = 0; config != NULL && i < config->mount_count; i++)
		some = some || (config->mounts[i].wire.fs == UNI_FS_EXT4 &&
				(config->mounts[i].wire.flags & UNI_MOUNT_READ_ONLY) == 0);
	if (!some || uni_file_exists(disks))
		return 0;
	how.out_dir = disks;
	status = cli_recipe_build(cli, &how, &result, diags, err);
	uni_build_result_free(&result);
	return status;
}

/* Builds into the user's state folder, so that what is run stays there and an unchanged image is
 * not written again. */
static int build_recipe(struct cli *cli, struct target *target, struct uni_diags *diags,
			struct uni_err *err)
{
	static const char *const formats[] = { "raw", "elf" };
	UNI_AUTO_FREE char *state = uni_dir_state(), *machines = uni_path_join(state, "machines");
	UNI_AUTO_FREE char *disks = disks_folder(cli);
	struct uni_build_result result = UNI_BUILD_RESULT_INIT;
	struct uni_build_options how = { .formats = formats,
					 .format_count = UNI_COUNT(formats),
					 .out_dir = machines };
	int status;

	status = cli_recipe_build(cli, &how, &result, diags, err);
	for (size_t i = 0; status == 0 && i < result.count; i++) {
		const struct uni_build_artifact *artifact = &result.artifacts[i];

		if (uni_str_eq(artifact->format, "raw"))
			target->disk = uni_strdup(artifact->path);
		else if (uni_str_eq(artifact->format, "elf"))
			target->kernel = uni_strdup(artifact->path);
	}
	if (status == 0) {
		UNI_AUTO(uni_image) struct uni_image *image = NULL;

		target->memory = result.memory;
		target->processors = result.processors;
		target->argv0 = uni_strdup(result.name);
		status = uni_image_open(&image, target->kernel, err);
		if (status == 0)
			status = note_config(cli, target, image->config, target->kernel, err);
		if (status == 0 && cli_value(cli, "name") != NULL)
			status = build_disks(cli, how, image->config, disks, diags, err);
		if (status == 0)
			status = cli_disks_of_image(image->config, target->kernel, disks,
						    result.name, &target->writable,
						    &target->disk_writable, err);
	}
	uni_build_result_free(&result);
	return status;
}

static int copy_fd(int fd, uint64_t size, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;

	if (uni_outfile_open(&out, path, 0600, err) != 0 ||
	    uni_copy_range(fd, 0, uni_outfile_fd(out), 0, size, err) != 0)
		return err->code;
	return uni_outfile_commit(out, false, err);
}

static int open_image(struct cli *cli, struct target *target, struct uni_err *err)
{
	UNI_AUTO(uni_image) struct uni_image *image = NULL;
	UNI_AUTO_FREE char *disks = disks_folder(cli), *name = NULL;
	const char *path = cli->args[0];

	if (uni_image_open(&image, path, err) != 0)
		return err->code;
	if (note_config(cli, target, image->config, path, err) != 0)
		return err->code;
	if (image->kind == UNI_IMAGE_VOLUME)
		return uni_err_set(err, UNI_E_INVAL, "%s: is a volume, not an image", path);
	name = name_of_file(path);
	if (cli_disks_of_image(image->config, path, disks, name, &target->writable,
			       &target->disk_writable, err) != 0)
		return err->code;
	if (image->kind == UNI_IMAGE_KERNEL) {
		UNI_AUTO_FREE char *stem = uni_strdup(path);
		char *dot = strrchr(stem, '.');
		UNI_AUTO_FREE char *disk = NULL;

		target->kernel = uni_strdup(path);
		/* The volumes that it mounts lie on the disk that was built beside it. */
		if (dot != NULL && uni_str_eq(dot, ".elf")) {
			*dot = '\0';
			disk = uni_asprintf("%s.raw", stem);
			if (uni_file_exists(disk))
				target->disk = uni_strdup(disk);
		}
		return 0;
	}
	target->disk = uni_strdup(path);
	if (!cli_flag(cli, "kernel"))
		return 0;
	if (image->elf_fd < 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: has no kernel that uni knows",
				   path);
	if (target_dir(target, err) != 0)
		return err->code;
	target->kernel = uni_path_join(target->dir, "kernel.elf");
	return copy_fd(image->elf_fd, image->elf_size, target->kernel, err);
}

static bool is_recipe(const char *path)
{
	return uni_str_ends(path, ".toml");
}

/* --env over the image's own: a name given again takes its place. */
static int merge_env(struct cli *cli, const struct target *target, struct uni_strv *env, bool *any,
		     struct uni_err *err)
{
	for (char **item = cli->repeats; item != NULL && *item != NULL; item++) {
		if (!uni_str_starts(*item, "env="))
			continue;
		if (strchr(*item + 4, '=') == NULL || (*item)[4] == '=')
			return uni_err_set(err, UNI_E_USAGE, "--env \"%s\" is not NAME=VALUE",
					   *item + 4);
		uni_strv_add(env, *item + 4);
		*any = true;
	}
	for (size_t i = 0; *any && i < target->env.count; i++) {
		const char *own = target->env.items[i];
		size_t name = strcspn(own, "=") + 1;
		bool replaced = false;

		for (size_t j = 0; j < env->count; j++)
			replaced |= strncmp(env->items[j], own, name) == 0;
		if (!replaced)
			uni_strv_add(env, own);
	}
	return 0;
}

static const struct uni_boot_file *find_file(const struct target *target, const char *name,
					     size_t size, bool secret)
{
	for (size_t i = 0; target->config != NULL && i < target->config->file_count; i++) {
		const struct uni_boot_file *file = &target->config->files[i];
		const char *own = secret ? file->name : file->path;

		if (((file->flags & UNI_FILE_SECRET) != 0) == secret && strlen(own) == size &&
		    strncmp(own, name, size) == 0)
			return file;
	}
	return NULL;
}

/* --secret NAME=FILE, --file PATH=FILE */
static int add_file(const struct target *target, struct uni_boot_config *config, const char *text,
		    bool secret, struct uni_err *err)
{
	const char *option = secret ? "secret" : "file", *from = strchr(text, '=');
	const struct uni_boot_file *named;
	struct uni_boot_file *file;

	if (from == NULL || from == text)
		return uni_err_set(err, UNI_E_USAGE, "--%s \"%s\" is not %s=FILE", option, text,
				   secret ? "NAME" : "PATH");
	named = find_file(target, text, (size_t)(from - text), secret);
	if (named == NULL)
		return uni_err_set(err, UNI_E_USAGE,
				   secret ? "--secret: the image has no secret \"%.*s\""
					  : "--file: the image permits no file \"%.*s\" at start",
				   (int)(from - text), text);
	file = uni_boot_config_file(config, named->name, named->path, named->mode, named->flags);
	return uni_file_read(from + 1, UNI_CONFIG_MAX, &file->content, err);
}

static int add_files(struct cli *cli, const struct target *target, struct uni_boot_config *config,
		     struct uni_err *err)
{
	int rc = 0;

	for (char **item = cli->repeats; rc == 0 && item != NULL && *item != NULL; item++) {
		if (uni_str_starts(*item, "secret="))
			rc = add_file(target, config, *item + 7, true, err);
		else if (uni_str_starts(*item, "file="))
			rc = add_file(target, config, *item + 5, false, err);
	}
	for (size_t i = 0; rc == 0 && target->config != NULL && i < target->config->file_count;
	     i++) {
		const struct uni_boot_file *file = &target->config->files[i];
		bool given = (file->flags & UNI_FILE_REQUIRED) == 0;

		for (size_t k = 0; k < config->file_count; k++)
			given |= uni_str_eq(config->files[k].path, file->path);
		if (!given) {
			rc = uni_err_set(err, UNI_E_USAGE, "secret \"%s\" is not given",
					 file->name);
			uni_err_hint(err, "give it with --secret %s=FILE", file->name);
		}
	}
	return rc;
}

/* The kernel refuses, too; here the words are for the one who typed them. */
static int check_permitted(const struct target *target, enum uni_config_type type, const char *what,
			   struct uni_err *err)
{
	const struct uni_boot_config *own = target->config;

	for (size_t i = 0; own != NULL && i < own->runtime_count; i++)
		if (own->runtime[i] == type)
			return 0;
	if (own == NULL)
		return 0;
	uni_err_set(err, UNI_E_USAGE, "the image permits no %s at start", what);
	return uni_err_hint(err, "its recipe would say so: [config] runtime = [\"%s\"]",
			    type == UNI_CONFIG_ENV ? "env" : "args");
}

/* As many OEM strings of SMBIOS as it takes, each of a length that every tool bears. */
static void record_strings(const struct uni_buf *record, struct uni_strv *strings)
{
	const size_t step = 500;

	for (size_t at = 0; at < record->size; at += step) {
		size_t part = record->size - at < step ? record->size - at : step;
		char *hex UNI_AUTO_FREE = uni_alloc(2 * part + 1);

		uni_hex((const uint8_t *)record->data + at, part, hex);
		uni_strv_addf(strings, UNI_CONFIG_SMBIOS ":%s", hex);
	}
}

static int hand_over(struct cli *cli, struct target *target, const struct uni_buf *record,
		     struct uni_vm_spec *spec, struct uni_err *err)
{
	const char *how = cli_value(cli, "config-by");

	if (how != NULL && uni_str_eq(how, "smbios")) {
		record_strings(record, &target->oem_strings);
		spec->oem_strings = (const char *const *)target->oem_strings.items;
		return 0;
	}
	if (how != NULL && !uni_str_eq(how, "fw_cfg"))
		return uni_err_set(err, UNI_E_USAGE, "--config-by \"%s\" is not fw_cfg or smbios",
				   how);
	if (target_dir(target, err) != 0)
		return err->code;
	target->config_file = uni_path_join(target->dir, "config");
	spec->config = target->config_file;
	return uni_file_write(spec->config, record->data, record->size, 0600, err);
}

/* The runtime record: arguments behind the image, --env, files, --trace. */
static int runtime_config(struct cli *cli, struct target *target, struct uni_vm_spec *spec,
			  struct uni_err *err)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *config = uni_boot_config_new();
	UNI_AUTO_BUF struct uni_buf record = UNI_BUF_INIT;
	bool any = false;

	if (merge_env(cli, target, &config->env, &any, err) != 0 ||
	    add_files(cli, target, config, err) != 0 ||
	    (any && check_permitted(target, UNI_CONFIG_ENV, "environment", err) != 0) ||
	    (cli->arg_count > 1 && check_permitted(target, UNI_CONFIG_ARG, "arguments", err) != 0))
		return err->code;
	config->trace = cli_flag(cli, "trace") ? 1 : 0;
	any |= config->trace != 0 || config->file_count != 0;
	if (cli->arg_count > 1) {
		uni_strv_add(&config->args, target->argv0 != NULL ? target->argv0 : "program");
		any = true;
	}
	for (unsigned i = 1; i < cli->arg_count; i++)
		uni_strv_add(&config->args, cli->args[i]);
	if (!any)
		return 0;
	if (uni_boot_config_encode_runtime(config, &record, err) != 0)
		return err->code;
	return hand_over(cli, target, &record, spec, err);
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

static int make_network(struct cli *cli, struct target *target, struct uni_vm_spec *spec,
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
	return 0;
}

static int make_spec(struct cli *cli, struct target *target, struct uni_vm_spec *spec,
		     struct uni_err *err)
{
	uint64_t memory = target->memory != 0 ? target->memory : DEFAULT_MEMORY;
	uint64_t processors = target->processors != 0 ? target->processors : 1;
	bool direct = cli_flag(cli, "kernel") || target->disk == NULL ||
		      (!is_recipe(cli->args[0]) && target->kernel != NULL);

	if (number_option(cli, "memory", MEMORY_MAX, &memory, err) != 0 ||
	    number_option(cli, "processors", PROCESSORS_MAX, &processors, err) != 0)
		return err->code;
	spec->memory = memory;
	spec->processors = (unsigned)processors;
	spec->disk = target->disk;
	spec->disk_writable = target->disk_writable;
	spec->writable = (const char *const *)target->writable.items;
	spec->kernel = direct ? target->kernel : NULL;
	spec->firmware = cli_value(cli, "firmware");
	spec->disk_bus = cli_value(cli, "disk-bus");
	spec->machine = cli_value(cli, "machine");
	if (spec->machine == NULL)
		spec->machine = direct && spec->disk_bus == NULL ? "microvm" : "q35";
	spec->accel = cli_value(cli, "accel");
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

static int detach(struct cli *cli, const struct target *target, const struct uni_vm_spec *spec,
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
					       : name_of_file(cli->args[0]);
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

static int start(struct cli *cli, const struct target *target, const struct uni_vm_spec *spec,
		 struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { 0 };
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	const struct uni_vm_io io = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
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
	struct target target = { 0 };
	struct uni_err err = UNI_ERR_INIT;
	int status;

	if (cli_is_ec2(cli->args[0]))
		return cli_ec2_run(cli);
	if ((is_recipe(cli->args[0]) ? build_recipe(cli, &target, &diags, &err)
				     : open_image(cli, &target, &err)) != 0 ||
	    make_spec(cli, &target, &spec, &err) != 0 ||
	    runtime_config(cli, &target, &spec, &err) != 0)
		status = cli_fail_diags(cli, &diags, &err);
	else
		status = start(cli, &target, &spec, &err);
	target_release(&target);
	return status;
}

static const struct cli_example examples[] = {
	{ "uni run recipe.toml", "builds, then boots the disk" },
	{ "uni run out/site.elf",
	  "boots the ELF directly; out/site.raw beside it holds its volumes" },
	{ "uni run recipe.toml --port 8080:80",
	  "this machine's port 8080 leads to the guest's 80" },
	{ "uni run recipe.toml --detach --port 8080:80", "the same, and it stays" },
	{ "uni run recipe.toml --print", "the command line, to run by hand" },
	{ 0 },
};

const struct cli_command cli_cmd_run = {
	.name = "run",
	.arguments = "RECIPE|IMAGE|ec2://REGION/IMAGE [ARGUMENT...]",
	.summary = "Boot an image here, with its console on this terminal",
	.text = "The exit status is the program's own; 124 after a time-out, 134 when program or "
		"kernel\n"
		"faulted, 125 for trouble of uni's. Arguments replace the program's where the "
		"image\n"
		"permits that at start (config.runtime in its recipe).\n\n"
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
