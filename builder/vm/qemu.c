/*
 * QEMU: a machine with nothing but what the image needs (no default devices), its disks read-only,
 * the console on the caller's descriptors, and the two channels by which the guest says how it
 * ended.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <uni/vm/vm.h>

#include "vm_internal.h"

#define MIB (1024u * 1024u)
#define SMBIOS_ROOM 60000 /* bytes of strings, beside the other tables */

/* In QEMU's option lists a comma separates; doubled it stands for itself. */
static void add_escaped(struct uni_buf *buf, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == ',')
			uni_buf_putc(buf, ',');
		uni_buf_putc(buf, *text);
	}
}

static void add_option(struct uni_strv *argv, const char *flag, const char *prefix,
		       const char *path, const char *suffix)
{
	UNI_AUTO_BUF struct uni_buf value = UNI_BUF_INIT;

	uni_buf_puts(&value, prefix);
	add_escaped(&value, path);
	uni_buf_puts(&value, suffix);
	uni_strv_add(argv, flag);
	uni_strv_take(argv, uni_buf_take(&value));
}

/* What a disk is attached to, its device, and what of it tells one disk from the others. */
static const struct bus {
	const char *name;
	const char *controller; /* once, before the first disk; NULL: none */
	const char *device;
	bool serial; /* each needs a serial number */
	bool ata;    /* each has a port of the controller, and cannot be read-only */
} buses[] = {
	{ "virtio", NULL, "virtio-blk-pci", false, false },
	{ "nvme", NULL, "nvme", true, false },
	{ "scsi", "virtio-scsi-pci,id=bus0", "scsi-hd,bus=bus0.0", false, false },
	{ "ahci", "ich9-ahci,id=bus0", "ide-hd,bus=bus0.", false, true },
};
const char *const uni_vm_disk_buses[] = { "virtio", "nvme", "scsi", "ahci", NULL };

const char *uni_vm_disk_driver(const char *form)
{
	static const struct driver {
		const char *form, *name;
	} drivers[] = {
		{ "raw", "raw" }, { "qcow2", "qcow2" }, { "vmdk", "vmdk" },
		{ "vhd", "vpc" }, { "vhdx", "vhdx" },	{ "vdi", "vdi" },
	};

	for (size_t i = 0; i < UNI_COUNT(drivers); i++)
		if (uni_str_eq(drivers[i].form, form))
			return drivers[i].name;
	return NULL;
}

/* The first when it is not known, which check_firmware refuses. */
static const struct bus *bus_of(const struct uni_vm_spec *spec)
{
	for (size_t i = 0; spec->disk_bus != NULL && i < UNI_COUNT(buses); i++)
		if (uni_str_eq(buses[i].name, spec->disk_bus))
			return &buses[i];
	return &buses[0];
}

static void add_disk(struct uni_strv *argv, const struct uni_vm_spec *spec, const char *path,
		     unsigned number, bool writable)
{
	const struct bus *bus = bus_of(spec);
	/* What is written to an ATA disk that should stay goes into a temporary file of QEMU's. */
	bool boots = spec->kernel == NULL && number == 0;
	UNI_AUTO_FREE char *suffix =
		uni_asprintf(",format=%s,if=none,id=disk%u,%s",
			     boots && spec->disk_driver != NULL ? spec->disk_driver : "raw", number,
			     writable	? "discard=unmap"
			     : bus->ata ? "snapshot=on,file.locking=off"
					: "readonly=on,file.locking=off");
	UNI_AUTO_BUF struct uni_buf device = UNI_BUF_INIT;

	if (number == 0 && bus->controller != NULL) {
		uni_strv_add(argv, "-device");
		uni_strv_add(argv, bus->controller);
	}
	add_option(argv, "-drive", "file=", path, suffix);
	uni_buf_puts(&device,
		     uni_str_eq(spec->machine, "microvm") ? "virtio-blk-device" : bus->device);
	if (bus->ata)
		uni_buf_printf(&device, "%u", number);
	uni_buf_printf(&device, ",drive=disk%u", number);
	if (bus->serial)
		uni_buf_printf(&device, ",serial=disk%u", number);
	if (boots)
		uni_buf_puts(&device, ",bootindex=0");
	uni_strv_add(argv, "-device");
	uni_strv_take(argv, uni_buf_take(&device));
}

/*
 * Ports of PCI Express, one device each. By the port's own registers instead of ACPI, which a guest
 * would have to interpret.
 */
static void add_ports(struct uni_strv *argv, const struct uni_vm_spec *spec)
{
	if (spec->ports == 0)
		return;
	uni_strv_add(argv, "-global");
	uni_strv_add(argv, "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off");
	for (unsigned i = 0; i < spec->ports; i++) {
		uni_strv_add(argv, "-device");
		uni_strv_addf(argv, "pcie-root-port,id=" VM_PORT "%u,chassis=%u,slot=%u", i, i + 1,
			      i + 1);
	}
}

/* Its node's name is what a knock names. */
static void add_bell(struct uni_strv *argv, const struct uni_vm_spec *spec)
{
	if (spec->bell == NULL)
		return;
	add_option(argv, "-blockdev",
		   "driver=raw,node-name=" VM_BELL_NODE
		   ",file.driver=file,file.locking=off,file.filename=",
		   spec->bell, "");
	uni_strv_add(argv, "-device");
	uni_strv_addf(argv, "%s,drive=" VM_BELL_NODE,
		      uni_str_eq(spec->machine, "microvm") ? "virtio-blk-device"
							   : "virtio-blk-pci");
}

static void add_network(struct uni_strv *argv, const struct uni_vm_spec *spec)
{
	UNI_AUTO_BUF struct uni_buf net = UNI_BUF_INIT;

	if (spec->network == UNI_VM_NETWORK_NONE)
		return;
	if (spec->network == UNI_VM_NETWORK_TAP) {
		uni_buf_puts(&net, "tap,id=net0,script=no,downscript=no,ifname=");
		add_escaped(&net, spec->tap);
	} else {
		uni_buf_puts(&net, "user,id=net0");
		for (size_t i = 0; i < spec->forward_count; i++)
			uni_buf_printf(&net, ",hostfwd=%s:%s:%u-:%u",
				       spec->forwards[i].udp ? "udp" : "tcp",
				       spec->forwards[i].address, spec->forwards[i].host,
				       spec->forwards[i].guest);
	}
	uni_strv_add(argv, "-netdev");
	uni_strv_take(argv, uni_buf_take(&net));
	if (spec->capture != NULL)
		add_option(argv, "-object",
			   "filter-dump,id=capture,netdev=net0,file=", spec->capture, "");
	uni_strv_add(argv, "-device");
	uni_strv_addf(argv, "%s,netdev=net0%s",
		      uni_str_eq(spec->machine, "microvm") ? "virtio-net-device" : "virtio-net-pci",
		      /* No option ROM: nothing here starts from the network. */
		      uni_str_eq(spec->machine, "microvm") ? "" : ",romfile=");
}

static void add_memory_file(struct uni_strv *argv, const struct uni_vm_spec *spec)
{
	UNI_AUTO_FREE char *prefix =
		uni_asprintf("memory-backend-file,id=memory,share=on,size=%llu,mem-path=",
			     (unsigned long long)spec->memory);

	add_option(argv, "-object", prefix, spec->memory_file, "");
	uni_strv_add(argv, "-machine");
	uni_strv_add(argv, "memory-backend=memory");
}

static void add_console(struct uni_strv *argv, const struct uni_vm_spec *spec)
{
	if (spec->console != NULL) {
		add_option(argv, "-chardev", "file,id=console,path=", spec->console, "");
	} else {
		uni_strv_add(argv, "-chardev");
		uni_strv_add(argv, "stdio,id=console");
	}
	uni_strv_add(argv, "-serial");
	uni_strv_add(argv, "chardev:console");
	if (!spec->control)
		return;
	uni_strv_add(argv, "-chardev");
	uni_strv_add(argv, "socket,id=control,fd=0,server=on,wait=off");
	uni_strv_add(argv, "-mon");
	uni_strv_add(argv, "chardev=control,mode=control");
}

/* Where distributions put EDK2's firmware as one file: Debian and Ubuntu, Fedora, Arch. */
static const char *const uefi_images[] = {
	"/usr/share/ovmf/OVMF.fd",	"/usr/share/OVMF/OVMF.fd",
	"/usr/share/edk2/ovmf/OVMF.fd", "/usr/share/edk2/x64/OVMF.4m.fd",
	"/usr/share/edk2/x64/OVMF.fd",	NULL,
};

static const char *find_uefi(struct uni_err *err)
{
	for (const char *const *path = uefi_images; *path != NULL; path++)
		if (uni_file_exists(*path))
			return *path;
	uni_err_set(err, UNI_E_MISSING_TOOL, "no UEFI firmware for machines is installed");
	uni_err_hint(err, "install OVMF (Debian: apt-get install ovmf)");
	return NULL;
}

static int add_firmware(struct uni_strv *argv, const struct uni_vm_spec *spec, struct uni_err *err)
{
	const char *image = spec->firmware;

	if (image == NULL || uni_str_eq(image, "bios"))
		return 0;
	if (uni_str_eq(image, "uefi") && (image = find_uefi(err)) == NULL)
		return err->code;
	uni_strv_add(argv, "-bios");
	uni_strv_add(argv, image);
	return 0;
}

static int check_firmware(const struct uni_vm_spec *spec, struct uni_err *err)
{
	if (spec->disk_bus != NULL && !uni_str_eq(bus_of(spec)->name, spec->disk_bus)) {
		uni_err_set(err, UNI_E_INVAL, "disk bus \"%s\" is not known", spec->disk_bus);
		return uni_err_hint(err, "use virtio, nvme, scsi or ahci");
	}
	if (uni_str_eq(spec->machine, "microvm") && bus_of(spec) != &buses[0])
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "machine \"microvm\" has virtio disks only");
	if (spec->firmware == NULL || uni_str_eq(spec->firmware, "bios"))
		return 0;
	if (spec->kernel != NULL)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "a kernel that is started directly has no firmware");
	if (spec->memory < UNI_VM_UEFI_LEAST)
		return uni_err_set(err, UNI_E_INVAL,
				   "UEFI firmware needs at least 64 MiB of memory");
	if (!uni_str_eq(spec->firmware, "uefi") && !uni_file_exists(spec->firmware)) {
		uni_err_set(err, UNI_E_NOENT, "firmware \"%s\" does not exist", spec->firmware);
		return uni_err_hint(err, "use bios, uefi or the path of an image");
	}
	return 0;
}

/* Firmware counts the bytes of the tables in 16 bits. */
static int check_oem_strings(const struct uni_vm_spec *spec, struct uni_err *err)
{
	size_t size = 0;

	if (spec->oem_strings == NULL)
		return 0;
	if (uni_str_eq(spec->machine, "microvm")) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "machine \"microvm\" has no SMBIOS");
		return uni_err_hint(err, "add --machine q35");
	}
	for (const char *const *text = spec->oem_strings; *text != NULL; text++)
		size += strlen(*text) + 1;
	return size <= SMBIOS_ROOM ? 0
				   : uni_err_set(err, UNI_E_LIMIT,
						 "%zu bytes of configuration at start, and "
						 "SMBIOS holds no more than %d",
						 size, SMBIOS_ROOM);
}

static int check_spec(const struct uni_vm_spec *spec, struct uni_err *err)
{
	static const char *const machines[] = { "pc", "q35", "microvm" };
	bool known = false;

	for (size_t i = 0; i < UNI_COUNT(machines); i++)
		known |= uni_str_eq(machines[i], spec->machine);
	if (!known) {
		uni_err_set(err, UNI_E_INVAL, "machine \"%s\" is not known", spec->machine);
		return uni_err_hint(err, "use pc, q35 or microvm");
	}
	if (spec->kernel == NULL && spec->disk == NULL)
		return uni_err_set(err, UNI_E_INVAL, "there is neither a disk nor a kernel");
	if (spec->kernel == NULL && uni_str_eq(spec->machine, "microvm")) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "machine \"microvm\" starts no disk");
		return uni_err_hint(err, "add --kernel to start the ELF directly");
	}
	if (check_firmware(spec, err) != 0 || check_oem_strings(spec, err) != 0)
		return err->code;
	if (spec->memory < MIB || spec->memory % MIB != 0)
		return uni_err_set(err, UNI_E_INVAL, "memory of %llu bytes is not whole MiB",
				   (unsigned long long)spec->memory);
	return 0;
}

static void add_oem_strings(struct uni_strv *argv, const struct uni_vm_spec *spec)
{
	for (const char *const *text = spec->oem_strings; text != NULL && *text != NULL; text++)
		add_option(argv, "-smbios", "type=11,value=", *text, "");
}

unsigned vm_writable_number(const struct uni_vm_spec *spec)
{
	unsigned number = spec->disk != NULL;

	for (const char *const *disk = spec->data; disk != NULL && *disk != NULL; disk++)
		number++;
	return number;
}

int uni_vm_command(const struct uni_vm_spec *spec, struct uni_strv *argv, struct uni_err *err)
{
	const char *emulator = spec->emulator != NULL ? spec->emulator : VM_EMULATOR;
	const char *accel = spec->accel;
	unsigned number = 0;

	if (check_spec(spec, err) != 0)
		return err->code;
	if (accel == NULL && (accel = uni_vm_accel(emulator, err)) == NULL)
		return err->code;
	uni_strv_add(argv, emulator);
	uni_strv_add(argv, "-accel");
	uni_strv_add(argv, accel);
	uni_strv_add(argv, "-cpu");
	uni_strv_add(argv, uni_str_eq(accel, "kvm") ? "host" : "max");
	uni_strv_add(argv, "-machine");
	uni_strv_add(argv, spec->machine);
	uni_strv_add(argv, "-m");
	uni_strv_addf(argv, "%llu", (unsigned long long)(spec->memory / MIB));
	if (spec->memory_file != NULL)
		add_memory_file(argv, spec);
	uni_strv_add(argv, "-smp");
	uni_strv_addf(argv, "%u", spec->processors);
	for (const char *const *flag = (const char *const[]){ "-nodefaults", "-no-user-config",
							      "-display", "none", NULL };
	     *flag != NULL; flag++)
		uni_strv_add(argv, *flag);
	if (!spec->restarts)
		uni_strv_add(argv, "-no-reboot");
	add_console(argv, spec);
	uni_strv_add(argv, "-device");
	uni_strv_addf(argv, "isa-debug-exit,iobase=0x%x,iosize=4", UNI_EXIT_DEBUG_PORT);
	if (spec->exit_record != NULL) {
		add_option(argv, "-chardev", "file,id=exit,path=", spec->exit_record, "");
		uni_strv_add(argv, "-device");
		uni_strv_addf(argv, "isa-debugcon,iobase=0x%x,chardev=exit", UNI_EXIT_RECORD_PORT);
	}
	if (spec->kernel != NULL) {
		uni_strv_add(argv, "-kernel");
		uni_strv_add(argv, spec->kernel);
	}
	if (add_firmware(argv, spec, err) != 0)
		return err->code;
	if (spec->disk != NULL)
		add_disk(argv, spec, spec->disk, number++, spec->disk_writable);
	for (const char *const *disk = spec->data; disk != NULL && *disk != NULL; disk++)
		add_disk(argv, spec, *disk, number++, false);
	for (const char *const *disk = spec->writable; disk != NULL && *disk != NULL; disk++)
		add_disk(argv, spec, *disk, number++, true);
	for (size_t i = 0; i < spec->volume_count; i++)
		add_disk(argv, spec, spec->volumes[i].path, number++, false);
	add_bell(argv, spec);
	add_ports(argv, spec);
	add_network(argv, spec);
	if (spec->config != NULL)
		add_option(argv, "-fw_cfg", "name=opt/org.uni/config,file=", spec->config, "");
	add_oem_strings(argv, spec);
	if (spec->wait_for_debugger) {
		/* QEMU's own short form listens to the whole network. */
		uni_strv_add(argv, "-gdb");
		uni_strv_addf(argv, "tcp:127.0.0.1:%d", UNI_VM_DEBUG_PORT);
		uni_strv_add(argv, "-S");
	}
	return 0;
}

void vm_record_read(const char *path, struct uni_vm_result *result)
{
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	size_t last;

	/* A guest that restarted wrote several; the last one counts. */
	if (uni_file_read(path, MIB, &data, &ignored) != 0 || data.size < sizeof(result->record))
		return;
	last = data.size - data.size % sizeof(result->record) - sizeof(result->record);
	result->has_record = vm_record_check(data.data + last, data.size - last, &result->record);
}

int vm_emulator_hint(struct uni_err *err)
{
	if (err->code == UNI_E_MISSING_TOOL)
		uni_err_hint(err, "install QEMU (Debian: apt-get install qemu-system-x86)");
	return err->code;
}

/* Of an assertion on what the processor or the host's kernel has not: "Aborted" helps nobody. */
static int check_abort(const struct uni_vm_spec *spec, const struct uni_vm_result *result,
		       struct uni_err *err)
{
	if (result->has_record || result->emulator_status != 128 + SIGABRT ||
	    !uni_str_eq(spec->accel, "kvm"))
		return 0;
	uni_err_set(err, UNI_E_PROCESS, "the emulator gave up: KVM does not work for it here");
	return uni_err_hint(err, VM_WITHOUT_KVM);
}

static int run_machine(const struct uni_vm_spec *spec, const struct uni_vm_io *io,
		       struct vm_console *console, int timeout_ms, struct uni_vm_result *result,
		       struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { 0 };
	UNI_AUTO(uni_process) struct uni_process *process = NULL;
	struct uni_process_spec child = UNI_PROCESS_SPEC_INIT;

	if (uni_vm_command(spec, &argv, err) != 0 || vm_forwards_check(spec, err) != 0 ||
	    vm_accel_check(spec, err) != 0 || vm_console_open(console, io, err) != 0)
		return err->code;
	child.argv = (const char *const *)argv.items;
	child.stdin_fd = console->emulator_in >= 0 ? console->emulator_in : io->in;
	child.stdout_fd = io->out;
	child.stderr_fd = io->log;
	if (uni_process_start(&process, &child, err) != 0)
		return vm_emulator_hint(err);
	if (vm_console_serve(console, process, timeout_ms, &result->reader_left, err) != 0)
		return err->code == UNI_E_TIMEOUT ? err->code : uni_err_context(err, "the machine");
	if (result->reader_left)
		return 0;
	if (uni_process_wait(process, -1, &result->emulator_status, err) != 0)
		return uni_err_context(err, "the machine");
	vm_record_read(spec->exit_record, result);
	return check_abort(spec, result, err);
}

int uni_vm_run(const struct uni_vm_spec *spec, const struct uni_vm_io *io, int timeout_ms,
	       struct uni_vm_result *result, struct uni_err *err)
{
	struct uni_vm_spec with_record = *spec;
	struct vm_console console = VM_CONSOLE_INIT;
	UNI_AUTO_FREE char *dir = NULL, *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	int status;

	memset(result, 0, sizeof(*result));
	if (spec->exit_record == NULL) {
		if (uni_dir_tmp(NULL, &dir, err) != 0)
			return uni_err_context(err, "folder for the machine's exit record");
		path = uni_path_join(dir, "exit");
		with_record.exit_record = path;
	}
	status = run_machine(&with_record, io, &console, timeout_ms, result, err);
	vm_console_free(&console);
	if (dir != NULL) {
		(void)uni_dir_remove(dir, &ignored);
		uni_tmp_forget(dir);
	}
	return status;
}
