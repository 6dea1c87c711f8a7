/*
 * The files behind a program: itself and shared libraries it loads. Libraries are found as the
 * loader would find them for a child of ours (which gets no LD_LIBRARY_PATH): in /etc/ld.so.cache,
 * or, where that cannot be understood, by asking the program's own loader.
 */
#include <uni/base/tool.h>

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/ldcache.h>
#include <uni/base/process.h>
#include <unistd.h>

#include "internal.h"

enum { LIST_MAX = 1 << 20, PROGRAM_MAX = 256 << 20 };

/* What was read of a program's ELF file. */
struct program {
	char *path;
	char *interpreter;
	bool own_path; /* DT_RPATH or DT_RUNPATH: only its loader can tell */
	struct uni_strv needed;
};

static void program_clear(struct program *p)
{
	free(p->path);
	free(p->interpreter);
	uni_strv_free(&p->needed);
}

/* A string of the file, or NULL when it does not end inside. */
static const char *text_at(const struct uni_buf *file, uint64_t offset)
{
	if (offset >= file->size || memchr(file->data + offset, '\0', file->size - offset) == NULL)
		return NULL;
	return file->data + offset;
}

static bool header_at(const struct uni_buf *file, const Elf64_Ehdr *h, unsigned i, Elf64_Phdr *p)
{
	uint64_t at = h->e_phoff + (uint64_t)i * sizeof(*p);

	if (at < h->e_phoff || at > file->size || file->size - at < sizeof(*p))
		return false;
	memcpy(p, file->data + at, sizeof(*p));
	return p->p_offset <= file->size && p->p_filesz <= file->size - p->p_offset;
}

/* Offset in the file of a virtual address; UINT64_MAX when it lies in no segment. */
static uint64_t offset_of(const struct uni_buf *file, const Elf64_Ehdr *h, uint64_t vaddr)
{
	Elf64_Phdr p;

	for (unsigned i = 0; i < h->e_phnum; i++)
		if (header_at(file, h, i, &p) && p.p_type == PT_LOAD && vaddr >= p.p_vaddr &&
		    vaddr - p.p_vaddr < p.p_filesz)
			return p.p_offset + (vaddr - p.p_vaddr);
	return UINT64_MAX;
}

static void read_dynamic(const struct uni_buf *file, const Elf64_Ehdr *h, const Elf64_Phdr *segment,
			 struct program *program)
{
	uint64_t strings = UINT64_MAX;

	for (int pass = 0; pass < 2; pass++) {
		for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment->p_filesz;
		     at += sizeof(Elf64_Dyn)) {
			Elf64_Dyn d;
			const char *name;

			memcpy(&d, file->data + segment->p_offset + at, sizeof(d));
			if (d.d_tag == DT_NULL)
				break;
			if (d.d_tag == DT_RPATH || d.d_tag == DT_RUNPATH)
				program->own_path = true;
			if (pass == 0 && d.d_tag == DT_STRTAB)
				strings = offset_of(file, h, d.d_un.d_ptr);
			if (pass == 0 || d.d_tag != DT_NEEDED || strings > file->size ||
			    d.d_un.d_val > file->size)
				continue;
			name = text_at(file, strings + d.d_un.d_val);
			if (name != NULL)
				uni_strv_add(&program->needed, name);
		}
	}
}

static int read_program(struct program *program, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf file = UNI_BUF_INIT;
	Elf64_Ehdr h;
	int rc = uni_file_read(program->path, PROGRAM_MAX, &file, err);

	if (rc != 0 || file.size < sizeof(h))
		return rc;
	memcpy(&h, file.data, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64)
		return 0;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;

		if (!header_at(&file, &h, i, &p))
			continue;
		if (p.p_type == PT_DYNAMIC)
			read_dynamic(&file, &h, &p, program);
		if (p.p_type == PT_INTERP && program->interpreter == NULL &&
		    text_at(&file, p.p_offset) != NULL)
			program->interpreter = uni_strdup(text_at(&file, p.p_offset));
	}
	return 0;
}

/* NULL when the cache cannot answer: the first that it has of a name counts, and of a variant for
 * some processors the loader knows whether it takes it. */
static char *find_in_cache(const struct uni_buf *cache, const char *name)
{
	struct uni_ldcache_entry entry;
	size_t at = 0;

	if (!uni_ldcache_next(cache, name, &at, &entry) || entry.for_some || entry.path == NULL)
		return NULL;
	return uni_strdup(entry.path);
}

/* Asks the loader: lines of "NAME => PATH (ADDRESS)". */
static int ask_loader(const struct program *program, const char *name, char **path,
		      struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	const char *argv[] = { program->interpreter, "--list", program->path, NULL };
	size_t name_size = strlen(name);
	char *save = NULL;
	int rc = uni_process_run(argv, NULL, &out, NULL, LIST_MAX, err);

	if (rc != 0 || out.data == NULL)
		return rc;
	for (char *line = strtok_r(out.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *end;

		line += strspn(line, " \t");
		if (strncmp(line, name, name_size) != 0 ||
		    strncmp(line + name_size, " => /", 5) != 0)
			continue;
		line += name_size + 4;
		end = strstr(line, " (");
		*path = end != NULL ? uni_strndup(line, (size_t)(end - line)) : uni_strdup(line);
		return 0;
	}
	return 0;
}

static int add_library(const struct program *program, const struct uni_buf *cache, const char *name,
		       struct uni_strv *files, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = program->own_path ? NULL : find_in_cache(cache, name);
	char real[PATH_MAX];

	if (path == NULL) {
		int rc = ask_loader(program, name, &path, err);

		if (rc != 0)
			return rc;
	}
	if (path == NULL || realpath(path, real) == NULL) {
		return uni_err_set(err, UNI_E_MISSING_TOOL, "%s: its library %s was not found",
				   program->path, name);
	}
	uni_strv_add(files, real);
	return 0;
}

static bool wanted(const char *name, const char *const *libraries)
{
	for (; *libraries != NULL; libraries++)
		if (uni_str_starts(name, *libraries))
			return true;
	return false;
}

static int add_libraries(struct program *program, const char *const *libraries,
			 struct uni_strv *files, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf cache = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = read_program(program, err);

	if (rc != 0 || program->interpreter == NULL)
		return rc;
	if (uni_file_read(UNI_LDCACHE_PATH, UNI_LDCACHE_MAX, &cache, &ignored) != 0)
		uni_buf_clear(&cache);
	for (size_t i = 0; rc == 0 && i < program->needed.count; i++)
		if (wanted(program->needed.items[i], libraries))
			rc = add_library(program, &cache, program->needed.items[i], files, err);
	return rc;
}

int uni_tool_files(const char *program, const char *const *libraries, struct uni_strv *files,
		   struct uni_err *err)
{
	UNI_AUTO_FREE char *found =
		strchr(program, '/') != NULL ? uni_strdup(program) : uni_process_find(program);
	struct program p = { .path = NULL };
	char real[PATH_MAX];
	int rc = 0;

	if (found == NULL)
		return uni_err_set(err, UNI_E_MISSING_TOOL, "%s: is not installed", program);
	if (realpath(found, real) == NULL)
		return uni_err_errno(err, "%s", found);
	p.path = uni_strdup(real);
	uni_strv_add(files, real);
	if (libraries != NULL)
		rc = add_libraries(&p, libraries, files, err);
	program_clear(&p);
	return rc;
}
