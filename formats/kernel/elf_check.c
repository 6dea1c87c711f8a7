/*
 * Whether an ELF file may be used for what a recipe wants of it, in plain words where it may not.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/kernel/elf.h>
#include <unistd.h>

static int check_machine(const struct uni_elf *elf, struct uni_err *err)
{
	if (elf->machine == EM_X86_64)
		return 0;
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is for %s, the base is for x86-64",
			   elf->name, uni_elf_machine_name(elf->machine));
}

static int check_segments(const struct uni_elf *elf, struct uni_err *err)
{
	bool entry_seen = false;

	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct uni_elf_segment *s = &elf->segments[i];

		if (s->type == PT_GNU_STACK && (s->flags & PF_X) != 0) {
			uni_err_set(err, UNI_E_UNSUPPORTED, "%s: asks for an executable stack",
				    elf->name);
			return uni_err_hint(err, "link it with -z noexecstack; assembler sources "
						 "need a .note.GNU-stack section");
		}
		if (s->type != PT_LOAD)
			continue;
		if ((s->flags & (PF_W | PF_X)) == (PF_W | PF_X)) {
			uni_err_set(err, UNI_E_UNSUPPORTED,
				    "%s: has memory that is writable and executable at once",
				    elf->name);
			return uni_err_hint(err, "link it without -N or -z rwx");
		}
		if ((s->flags & PF_X) != 0 && elf->entry >= s->vaddr &&
		    elf->entry - s->vaddr < s->memsz)
			entry_seen = true;
	}
	if (!entry_seen)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: its entry point lies in no executable segment", elf->name);
	return 0;
}

int uni_elf_check_program(const struct uni_elf *elf, struct uni_err *err)
{
	int rc = check_machine(elf, err);

	if (rc != 0)
		return rc;
	if (elf->type == ET_REL) {
		uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is an object, not a program", elf->name);
		return uni_err_hint(err, "name it in app.objects instead of app.program");
	}
	if (elf->shared_library)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a shared library, not a program",
				   elf->name);
	if (elf->interpreter == NULL && elf->needed.count != 0) {
		uni_err_set(err, UNI_E_UNSUPPORTED,
			    "%s: needs the library %s, and names no interpreter to load it",
			    elf->name, elf->needed.items[0]);
		return uni_err_hint(err,
				    "link it as a program, with its loader (--dynamic-linker)");
	}
	if (elf->type != ET_EXEC && elf->type != ET_DYN)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is not an executable program",
				   elf->name);
	if (elf->os_abi != ELFOSABI_SYSV && elf->os_abi != ELFOSABI_GNU)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: is for another operating system (OS/ABI %u)", elf->name,
				   elf->os_abi);
	return check_segments(elf, err);
}

static int check_object_at(int fd, uint64_t offset, uint64_t size, const char *name,
			   struct uni_err *err)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	int rc = uni_elf_open(&elf, fd, offset, size, name, err);

	if (rc != 0)
		return rc;
	rc = check_machine(elf, err);
	if (rc != 0 || elf->type == ET_REL)
		return rc;
	uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is %s, not an object", name,
		    elf->type == ET_DYN	   ? "a shared library or a position-independent program"
		    : elf->type == ET_EXEC ? "a program"
					   : "another kind of ELF file");
	return uni_err_hint(err, "objects are made with -c; a finished static program goes into "
				 "app.program");
}

/* A number of an archive's member header: decimal digits, then spaces. */
static bool ar_number(const char *field, size_t width, uint64_t *value)
{
	size_t i = 0;

	*value = 0;
	for (; i < width && field[i] >= '0' && field[i] <= '9'; i++)
		*value = *value * 10 + (uint64_t)(field[i] - '0');
	if (i == 0)
		return false;
	while (i < width && field[i] == ' ')
		i++;
	return i == width;
}

/* The first member that is an object; archives of mixed architectures are ld's to refuse. */
static int check_archive(int fd, uint64_t size, const char *name, struct uni_err *err)
{
	uint64_t at = 8;

	while (at < size) {
		char header[60];
		char magic[4] = { 0 };
		uint64_t length;
		int rc = size - at < sizeof(header)
				 ? uni_err_set(err, UNI_E_CORRUPT, "%s: is a damaged archive", name)
				 : uni_pread_full(fd, header, sizeof(header), at, name, err);

		if (rc != 0)
			return rc;
		at += sizeof(header);
		if (header[58] != '`' || header[59] != '\n' ||
		    !ar_number(header + 48, 10, &length) || length > size - at)
			return uni_err_set(err, UNI_E_CORRUPT, "%s: is a damaged archive", name);
		if (length >= sizeof(magic)) {
			rc = uni_pread_full(fd, magic, sizeof(magic), at, name, err);
			if (rc != 0)
				return rc;
		}
		if (memcmp(magic, ELFMAG, SELFMAG) == 0)
			return check_object_at(fd, at, length, name, err);
		at += length + (length & 1);
	}
	return 0;
}

int uni_elf_check_object(const char *path, const char *name, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char magic[8] = { 0 };
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "%s", name);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: is not a regular file", name);
	if (st.st_size >= (off_t)sizeof(magic))
		rc = uni_pread_full(fd, magic, sizeof(magic), 0, name, err);
	if (rc != 0)
		return rc;
	if (memcmp(magic, "!<arch>\n", 8) == 0)
		return check_archive(fd, (uint64_t)st.st_size, name, err);
	if (memcmp(magic, "!<thin>\n", 8) == 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: is a thin archive: its members are elsewhere", name);
	return check_object_at(fd, 0, (uint64_t)st.st_size, name, err);
}
