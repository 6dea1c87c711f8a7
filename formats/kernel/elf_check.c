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

static const char damage_hint[] =
	"it was cut short or overwritten: make it again, or fetch it again";

static int damaged(const char *name, const char *what, struct uni_err *err)
{
	uni_err_set(err, UNI_E_CORRUPT, "%s: is %s", name, what);
	return uni_err_hint(err, "%s", damage_hint);
}

/* Entry 0 stands for no section; where there are too many for the header, it counts them (System V
 * ABI, "Sections"). */
static int count_sections(const struct uni_elf *elf, uint64_t *count, struct uni_err *err)
{
	Elf64_Shdr first;
	int rc;

	*count = elf->shnum;
	if (elf->shoff == 0 || elf->shnum != 0)
		return 0;
	if (elf->shoff > elf->size || elf->size - elf->shoff < sizeof(first))
		return damaged(elf->name, "a damaged ELF file: its section headers are cut", err);
	rc = uni_pread_full(elf->fd, &first, sizeof(first), elf->base + elf->shoff, elf->name, err);
	*count = first.sh_size;
	return rc;
}

/* Objects that end too early have lost these headers, which mostly come last, or what they tell
 * of. */
static int check_sections(const struct uni_elf *elf, struct uni_err *err)
{
	Elf64_Shdr headers[64];
	uint64_t count, at = elf->shoff;
	int rc = count_sections(elf, &count, err);

	if (rc != 0 || count == 0)
		return rc;
	if (at > elf->size || count > (elf->size - at) / sizeof(headers[0]))
		return damaged(elf->name, "a damaged ELF file: its section headers are cut", err);
	while (count != 0) {
		size_t some = count < UNI_COUNT(headers) ? (size_t)count : UNI_COUNT(headers);

		rc = uni_pread_full(elf->fd, headers, some * sizeof(headers[0]), elf->base + at,
				    elf->name, err);
		if (rc != 0)
			return rc;
		for (size_t i = 0; i < some; i++)
			if (headers[i].sh_type != SHT_NULL && headers[i].sh_type != SHT_NOBITS &&
			    (headers[i].sh_offset > elf->size ||
			     headers[i].sh_size > elf->size - headers[i].sh_offset))
				return damaged(elf->name,
					       "a damaged ELF file: a section reaches behind its "
					       "end",
					       err);
		at += some * sizeof(headers[0]);
		count -= some;
	}
	return 0;
}

static int hint_object(const char *name, struct uni_err *err)
{
	if (err->hint[0] != '\0' || err->code == UNI_E_IO)
		return err->code;
	if (err->code == UNI_E_CORRUPT)
		return uni_err_hint(err, "%s", damage_hint);
	return uni_err_hint(err, "%s",
			    uni_str_ends(name, ".c")
				    ? "C sources go into app.sources"
				    : "objects are made for x86-64, as by musl-gcc -c");
}

static int check_object_at(int fd, uint64_t offset, uint64_t size, const char *name,
			   struct uni_err *err)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	int rc = uni_elf_open(&elf, fd, offset, size, name, err);

	if (rc == 0)
		rc = check_machine(elf, err);
	if (rc != 0)
		return hint_object(name, err);
	if (elf->type == ET_REL)
		return check_sections(elf, err);
	uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is %s, not an object", name,
		    elf->type == ET_DYN	   ? "a shared library or a position-independent program"
		    : elf->type == ET_EXEC ? "a program"
					   : "another kind of ELF file");
	return uni_err_hint(err, "objects are made with -c; a finished static program goes into "
				 "app.program");
}

/* --- archives: System V's and BSD's, which differ in how they name members --- */

#define AR_HEADER 60

struct archive {
	int fd;
	uint64_t size;
	const char *name;
	bool every;		    /* look into all members, not only the first */
	bool seen;		    /* an object */
	uint64_t names, names_size; /* the member "//": long names */
};

struct member {
	char header[AR_HEADER];
	uint64_t at, size; /* of its content */
};

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

/* "libx.a(member.o)", as linkers write it. */
static char *member_name(const struct archive *a, const struct member *m)
{
	char text[128] = { 0 };
	struct uni_err ignored = UNI_ERR_INIT;
	uint64_t at;

	memcpy(text, m->header, 16);
	if (text[0] == '/' && ar_number(text + 1, 15, &at) && at < a->names_size) {
		uint64_t room = a->names_size - at;

		(void)uni_pread_full(a->fd, text,
				     room < sizeof(text) - 1 ? (size_t)room : sizeof(text) - 1,
				     a->names + at, a->name, &ignored);
	}
	text[strcspn(text, "/\n")] = '\0';
	for (size_t end = strlen(text); end > 0 && text[end - 1] == ' '; end--)
		text[end - 1] = '\0';
	if (text[0] == '\0' || !uni_utf8_valid(text, strlen(text)))
		return uni_strdup(a->name);
	return uni_asprintf("%s(%s)", a->name, text);
}

/* The first object speaks for all: archives of mixed architectures are ld's to refuse. Of the
 * others only damage is told. */
static int check_member(struct archive *a, const struct member *m, struct uni_err *err)
{
	char *name UNI_AUTO_FREE = member_name(a, m);
	struct uni_err why = UNI_ERR_INIT;
	int rc = check_object_at(a->fd, m->at, m->size, name, &why);

	if (rc != 0 && (!a->seen || rc != UNI_E_UNSUPPORTED))
		*err = why;
	else
		rc = 0;
	a->seen = true;
	return rc;
}

static int read_member(const struct archive *a, uint64_t at, struct member *m, char magic[SELFMAG],
		       struct uni_err *err)
{
	char start[AR_HEADER + SELFMAG] = { 0 };
	size_t size = a->size - at < sizeof(start) ? (size_t)(a->size - at) : sizeof(start);
	int rc = uni_pread_full(a->fd, start, size, at, a->name, err);

	if (rc != 0)
		return rc;
	memcpy(m->header, start, sizeof(m->header));
	memcpy(magic, start + AR_HEADER, SELFMAG);
	m->at = at + AR_HEADER;
	if (size < AR_HEADER || m->header[58] != '`' || m->header[59] != '\n' ||
	    !ar_number(m->header + 48, 10, &m->size))
		return damaged(a->name, "a damaged archive", err);
	if (m->size > a->size - m->at)
		return damaged(a->name, "a damaged archive: its end is missing", err);
	return 0;
}

static int check_archive(struct archive *a, struct uni_err *err)
{
	uint64_t at = 8;
	int rc = 0;

	while (rc == 0 && at < a->size && (a->every || !a->seen)) {
		struct member m;
		char magic[SELFMAG];

		rc = read_member(a, at, &m, magic, err);
		if (rc != 0)
			return rc;
		if (m.header[0] == '/' && m.header[1] == '/') {
			a->names = m.at;
			a->names_size = m.size;
		}
		if (m.size >= SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0)
			rc = check_member(a, &m, err);
		at = m.at + m.size + (m.size & 1);
	}
	return rc;
}

static int check_file(const char *path, const char *name, bool every, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct archive archive = { .fd = fd, .name = name, .every = every };
	struct stat st;
	char magic[8] = { 0 };
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "%s", name);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: is not a regular file", name);
	if (st.st_size == 0)
		return damaged(name, "empty", err);
	if (st.st_size >= (off_t)sizeof(magic))
		rc = uni_pread_full(fd, magic, sizeof(magic), 0, name, err);
	if (rc != 0)
		return rc;
	archive.size = (uint64_t)st.st_size;
	if (memcmp(magic, "!<arch>\n", 8) == 0)
		return check_archive(&archive, err);
	if (memcmp(magic, "!<thin>\n", 8) != 0)
		return check_object_at(fd, 0, archive.size, name, err);
	uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a thin archive: its members are elsewhere",
		    name);
	return uni_err_hint(err, "make it without the letter T of ar");
}

int uni_elf_check_object(const char *path, const char *name, struct uni_err *err)
{
	return check_file(path, name, false, err);
}

int uni_elf_check_members(const char *path, const char *name, struct uni_err *err)
{
	return check_file(path, name, true, err);
}
