/*
 * Symbols for a debugger. The kernel in an image is stripped; the package that it came from has its
 * symbols, and is found by comparing code, so that gdb is never shown another kernel's.
 */
#include <uni/inspect/debug.h>

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/kernel/base.h>
#include <uni/kernel/elf.h>
#include <uni/source/package.h>

/* The kernel's: where it leaves to the program for the first time, and by how much that was moved.
 */
#define ENTERS "uk_enter_user"
#define MOVED "uk_elf_moved"

struct search {
	const struct uni_image *image;
	struct uni_store *store;
	const struct uni_installed *installed; /* the package that is looked at */
	char *symbols;			       /* found */
};

static char *locate(void *user, const char *member, struct uni_err *err)
{
	const struct search *s = user;
	struct uni_store_entry *entry = uni_store_record_find(&s->installed->record, member);
	char *path = NULL;

	if (entry == NULL)
		uni_err_set(err, UNI_E_NOENT, "the package has no file %s", member);
	else
		(void)uni_store_blob_path(s->store, entry, &path, err);
	return path;
}

static struct uni_elf *open_elf(const char *path, int *fd)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_elf *elf = NULL;
	off_t size;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size = *fd < 0 ? -1 : lseek(*fd, 0, SEEK_END);
	if (size >= 0)
		(void)uni_elf_open(&elf, *fd, 0, (uint64_t)size, path, &ignored);
	return elf;
}

static bool same_bytes(int a, uint64_t a_offset, int b, uint64_t b_offset, uint64_t size)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint8_t one[16384], other[sizeof(one)];

	while (size != 0) {
		size_t part = size < sizeof(one) ? (size_t)size : sizeof(one);

		if (uni_pread_full(a, one, part, a_offset, "kernel", &ignored) != 0 ||
		    uni_pread_full(b, other, part, b_offset, "kernel", &ignored) != 0 ||
		    memcmp(one, other, part) != 0)
			return false;
		a_offset += part;
		b_offset += part;
		size -= part;
	}
	return true;
}

/* What is appended to a kernel leaves its code where it was. */
static bool is_kernel_of(const struct uni_image *image, const char *path)
{
	UNI_AUTO_CLOSE int fd = -1;
	UNI_AUTO(uni_elf) struct uni_elf *elf = open_elf(path, &fd);

	for (size_t i = 0; elf != NULL && i < elf->segment_count; i++) {
		const struct uni_elf_segment *s = &elf->segments[i];

		if (s->type == PT_LOAD && (s->flags & PF_X) != 0 &&
		    !same_bytes(fd, s->offset, image->elf_fd, s->offset, s->filesz))
			return false;
	}
	return elf != NULL;
}

/* Of uni_package_list(). A base that cannot be read is not the one. */
static int look_at_package(void *user, const struct uni_installed *installed, struct uni_err *err)
{
	struct search *s = user;
	UNI_AUTO(uni_base) struct uni_base *base = NULL;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	(void)err;
	s->installed = installed;
	if (s->symbols != NULL || installed->package->kind != UNI_PACKAGE_BASE)
		return 0;
	path = locate(s, UNI_BASE_FILE, &ignored);
	if (path == NULL || uni_file_read(path, UNI_BASE_MAX, &text, &ignored) != 0 ||
	    uni_base_parse(&base, path, uni_buf_text(&text), text.size, locate, s, &ignored) != 0)
		return 0;
	for (size_t i = 0; i < base->kernel_count && s->symbols == NULL; i++) {
		const struct uni_base_kernel *kernel = &base->kernels[i];

		if (kernel->symbols.path != NULL && is_kernel_of(s->image, kernel->file.path))
			s->symbols = uni_strdup(kernel->symbols.path);
	}
	return 0;
}

static int copy_program(const struct uni_image *image, const char *path, bool *is_there,
			struct uni_err *err)
{
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	const struct uni_kernel_image *kernel = &image->kernel;

	*is_there = false;
	for (uint32_t i = 0; i < kernel->part_count; i++) {
		if (kernel->parts[i].kind != UNI_PART_PROGRAM)
			continue;
		*is_there = true;
		if (uni_outfile_open(&out, path, 0600, err) != 0 ||
		    uni_copy_range(image->elf_fd, kernel->parts[i].offset, uni_outfile_fd(out), 0,
				   kernel->parts[i].size, err) != 0)
			return err->code;
		return uni_outfile_commit(out, false, err);
	}
	return 0;
}

/* Whether the kernel chooses where the program goes. */
static bool is_moved(const char *path)
{
	UNI_AUTO_CLOSE int fd = -1;
	UNI_AUTO(uni_elf) struct uni_elf *elf = open_elf(path, &fd);

	return elf != NULL && elf->type == ET_DYN;
}

static void put_script(struct uni_buf *out, const struct uni_debug *debug, const char *symbols,
		       const char *program)
{
	const bool moved = debug->has_program && is_moved(program);

	uni_buf_puts(out, "# For gdb, by uni run --gdb.\nset confirm off\n");
	if (symbols != NULL) {
		uni_buf_puts(out, "symbol-file ");
		uni_buf_quote(out, symbols);
		uni_buf_putc(out, '\n');
	}
	if (debug->has_program && !moved) {
		uni_buf_puts(out, "add-symbol-file ");
		uni_buf_quote(out, program);
		uni_buf_putc(out, '\n');
	}
	uni_buf_printf(out, "target remote 127.0.0.1:%u\n", debug->port);
	/* Where it will be is not known before it is loaded. */
	if (symbols != NULL && moved) {
		uni_buf_puts(out, "thbreak *" ENTERS "\ncommands\nsilent\nadd-symbol-file ");
		uni_buf_quote(out, program);
		uni_buf_puts(out,
			     " -o *(long*)&" MOVED "\n"
			     "echo the program is about to begin: its symbols are known now\\n\n"
			     "end\n");
	}
	uni_buf_puts(out, "set confirm on\n");
}

int uni_debug_prepare(const struct uni_image *image, struct uni_store *store,
		      struct uni_debug *debug, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_FREE char *program = uni_path_join(debug->dir, "program");
	struct search s = { .image = image, .store = store };
	int rc;

	if (image->elf_fd < 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: has no kernel that uni knows",
				   image->path);
	rc = uni_package_list(store, look_at_package, &s, err);
	if (rc == 0)
		rc = copy_program(image, program, &debug->has_program, err);
	if (rc == 0) {
		debug->has_kernel = s.symbols != NULL;
		debug->script = uni_path_join(debug->dir, "gdb");
		put_script(&text, debug, s.symbols, program);
		rc = uni_file_write(debug->script, text.data, text.size, 0600, err);
	}
	free(s.symbols);
	return rc;
}
