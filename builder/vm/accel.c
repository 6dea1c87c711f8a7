/*
 * Which accelerator to use. /dev/kvm may be there and still be the worse choice (nested
 * virtualisation without hardware support runs kernel code in an instruction emulator), so both are
 * timed once with a tiny kernel that does what kernels do at start: it touches memory and ports in
 * a loop and ends the machine.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <uni/abi/boot.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <uni/vm/vm.h>

#include "vm_internal.h"

#define KVM "/dev/kvm"
#define PROBE_PADDR 0x200000u
#define PROBE_TIMEOUT_MS 3000
#define FLOOR_TIMEOUT_MS 30000
#define FLOOR_RUNS 3
#define DISK_LEAST 516096 /* bytes that SeaBIOS starts a disk from */

/*
 * mov $200000,%ecx; 1: incl 0x300000; loop 1b; mov $1000,%ecx; 2: in $0x61,%al; loop 2b; xor
 * %eax,%eax; out %al,$0xf4; hlt
 */
static const uint8_t probe_code[] = {
	0xb9, 0x40, 0x0d, 0x03, 0x00, 0xff, 0x05, 0x00, 0x00, 0x30, 0x00, 0xe2, 0xf8, 0xb9,
	0xe8, 0x03, 0x00, 0x00, 0xe4, 0x61, 0xe2, 0xfc, 0x31, 0xc0, 0xe6, 0xf4, 0xf4,
};

struct probe_image {
	Elf64_Ehdr header;
	Elf64_Phdr load, note;
	struct {
		Elf64_Nhdr header;
		char owner[4];
		uint32_t entry;
		uint32_t pad;
	} pvh;
	uint8_t code[sizeof(probe_code)];
};

/* xor %eax,%eax; out %al,$0xf4; hlt: the same in 32 and in 16 bits */
static const uint8_t empty_code[] = { 0x31, 0xc0, 0xe6, 0xf4, 0xf4 };

static void make_probe(struct probe_image *image, const void *code, size_t size)
{
	memset(image, 0, sizeof(*image));
	memcpy(image->header.e_ident, ELFMAG, SELFMAG);
	image->header.e_ident[EI_CLASS] = ELFCLASS64;
	image->header.e_ident[EI_DATA] = ELFDATA2LSB;
	image->header.e_ident[EI_VERSION] = EV_CURRENT;
	image->header.e_type = ET_EXEC;
	image->header.e_machine = EM_X86_64;
	image->header.e_version = EV_CURRENT;
	image->header.e_entry = PROBE_PADDR + offsetof(struct probe_image, code);
	image->header.e_phoff = offsetof(struct probe_image, load);
	image->header.e_ehsize = sizeof(image->header);
	image->header.e_phentsize = sizeof(image->load);
	image->header.e_phnum = 2;
	image->load.p_type = PT_LOAD;
	image->load.p_flags = PF_R | PF_X;
	image->load.p_vaddr = image->load.p_paddr = PROBE_PADDR;
	image->load.p_filesz = image->load.p_memsz = sizeof(*image);
	image->load.p_align = 0x1000;
	image->note.p_type = PT_NOTE;
	image->note.p_offset = offsetof(struct probe_image, pvh);
	image->note.p_vaddr = image->note.p_paddr = PROBE_PADDR + image->note.p_offset;
	image->note.p_filesz = image->note.p_memsz = sizeof(image->pvh);
	image->note.p_align = 4;
	image->pvh.header.n_namesz = 4;
	image->pvh.header.n_descsz = 4;
	image->pvh.header.n_type = UNI_XEN_NOTE_PHYS32_ENTRY;
	memcpy(image->pvh.owner, "Xen", 4);
	image->pvh.entry = (uint32_t)image->header.e_entry;
	memcpy(image->code, code, size);
}

/* Nanoseconds from start to exit, UINT64_MAX when it does not run. */
static uint64_t time_run(const char *const *argv, int timeout_ms)
{
	UNI_AUTO(uni_process) struct uni_process *process = NULL;
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	uint64_t start = uni_clock_mono_ns();
	int status = 0;

	spec.argv = argv;
	if (uni_process_start(&process, &spec, &ignored) != 0 ||
	    uni_process_wait(process, timeout_ms, &status, &ignored) != 0 || status != 1)
		return UINT64_MAX;
	return uni_clock_mono_ns() - start;
}

static uint64_t time_probe(const char *emulator, const char *accel, const char *kernel)
{
	const char *const argv[] = { emulator,
				     "-accel",
				     accel,
				     "-machine",
				     "microvm",
				     "-m",
				     "8",
				     "-kernel",
				     kernel,
				     "-nodefaults",
				     "-no-user-config",
				     "-display",
				     "none",
				     "-no-reboot",
				     "-device",
				     "isa-debug-exit,iobase=0xf4,iosize=4",
				     NULL };

	return time_run(argv, PROBE_TIMEOUT_MS);
}

static int measure(const char *emulator, const char **accel, struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = NULL, *kernel = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	struct probe_image image;
	uint64_t kvm = UINT64_MAX;

	make_probe(&image, probe_code, sizeof(probe_code));
	if (uni_dir_tmp(NULL, &dir, err) != 0)
		return err->code;
	kernel = uni_path_join(dir, "probe.elf");
	if (uni_file_write(kernel, &image, sizeof(image), 0600, err) == 0) {
		kvm = time_probe(emulator, "kvm", kernel);
		*accel = kvm != UINT64_MAX && kvm < time_probe(emulator, "tcg", kernel) ? "kvm"
											: "tcg";
	}
	(void)uni_dir_remove(dir, &ignored);
	uni_tmp_forget(dir);
	return err->code;
}

/* What the measurement depends on, as a line. */
static char *measured_for(const char *emulator)
{
	UNI_AUTO_FREE char *path = uni_process_find(emulator);
	struct utsname host;
	struct stat st;

	if (path == NULL || stat(path, &st) != 0 || uname(&host) != 0)
		return NULL;
	return uni_asprintf("%s %lld %lld %s %s\n", path, (long long)st.st_size,
			    (long long)st.st_mtim.tv_sec, host.release, host.nodename);
}

const char *uni_vm_accel(const char *emulator, struct uni_err *err)
{
	UNI_AUTO_FREE char *state = uni_dir_state(), *file = NULL, *key = NULL;
	UNI_AUTO_BUF struct uni_buf kept = UNI_BUF_INIT, line = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	const char *accel = "tcg";

	if (access(KVM, R_OK | W_OK) != 0)
		return accel;
	file = uni_path_join(state, "accelerator");
	key = measured_for(emulator != NULL ? emulator : VM_EMULATOR);
	if (key == NULL)
		return accel; /* starting the machine will say that there is no emulator */
	if (uni_file_read(file, 4096, &kept, &ignored) == 0 && uni_str_starts(kept.data, key))
		return uni_str_eq(kept.data + strlen(key), "kvm\n") ? "kvm" : "tcg";
	if (measure(emulator != NULL ? emulator : VM_EMULATOR, &accel, err) != 0)
		return NULL;
	uni_buf_printf(&line, "%s%s\n", key, accel);
	/* Not being able to remember costs time at the next start, nothing else. */
	if (uni_dir_make(state, 0700, &ignored) == 0)
		(void)uni_file_write(file, line.data, line.size, 0600, &ignored);
	return accel;
}

int vm_accel_check(const struct uni_vm_spec *spec, struct uni_err *err)
{
	UNI_AUTO_CLOSE int kvm = -1;

	if (spec->accel == NULL || !uni_str_eq(spec->accel, "kvm"))
		return 0;
	kvm = open(KVM, O_RDWR | O_CLOEXEC);
	if (kvm >= 0)
		return 0;
	(void)uni_err_errno(err, "KVM cannot be used: " KVM);
	return uni_err_hint(err, VM_WITHOUT_KVM);
}

/* The least of several: whatever else the host does only adds to it. */
static int time_floor(const struct uni_vm_spec *spec, uint64_t *ns, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { 0 };

	if (uni_vm_command(spec, &argv, err) != 0)
		return err->code;
	*ns = UINT64_MAX;
	for (int i = 0; i < FLOOR_RUNS; i++) {
		uint64_t took = time_run((const char *const *)argv.items, FLOOR_TIMEOUT_MS);

		*ns = took < *ns ? took : *ns;
	}
	return *ns != UINT64_MAX ? 0
				 : uni_err_set(err, UNI_E_PROCESS,
					       "a machine that only ends does not run here");
}

/* What does nothing, started as `spec` is: by itself, or by the firmware from a disk. */
static int write_empty(const struct uni_vm_spec *spec, const char *path, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf disk = UNI_BUF_INIT;
	struct probe_image image;

	if (spec->kernel != NULL) {
		make_probe(&image, empty_code, sizeof(empty_code));
		return uni_file_write(path, &image, sizeof(image), 0600, err);
	}
	uni_buf_add(&disk, empty_code, sizeof(empty_code));
	uni_buf_pad(&disk, 510);
	uni_buf_add(&disk, "\x55\xaa", 2);
	uni_buf_pad(&disk, DISK_LEAST);
	return uni_file_write(path, disk.data, disk.size, 0600, err);
}

int uni_vm_floor(const struct uni_vm_spec *spec, uint64_t *ns, struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = NULL, *empty = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_vm_spec floor = {
		.emulator = spec->emulator,
		.accel = spec->accel,
		.machine = spec->machine,
		.memory = spec->memory,
		.processors = spec->processors,
	};
	int status;

	if (uni_dir_tmp(NULL, &dir, err) != 0)
		return err->code;
	empty = uni_path_join(dir, "empty");
	if (spec->kernel != NULL)
		floor.kernel = empty;
	else
		floor.disk = empty;
	status = write_empty(spec, empty, err);
	if (status == 0)
		status = time_floor(&floor, ns, err);
	(void)uni_dir_remove(dir, &ignored);
	uni_tmp_forget(dir);
	return status;
}
