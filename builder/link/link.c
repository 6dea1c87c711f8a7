/*
 * Objects, archives and a base's sysroot become a static program. What comes out is looked at again
 * before it is handed on: a linker's default that changes must not let a writable and executable
 * segment through.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/kernel/base.h>
#include <uni/kernel/elf.h>
#include <unistd.h>

#include "run.h"

/*
 * Nothing of this machine gets in: no search path, no build id, no time. RELRO is left out, because
 * nobody in a static program would apply it. Symbols stay, for backtraces; debug information goes.
 */
static const char *const fixed_flags[] = {
	"-m",
	"elf_x86_64",
	"-static",
	"-nostdlib",
	"--no-dynamic-linker",
	"--build-id=none",
	"--gc-sections",
	"--eh-frame-hdr",
	"--strip-debug",
	"-z",
	"noexecstack",
	"-z",
	"separate-code",
	"-z",
	"norelro",
	"-z",
	"max-page-size=4096",
	"-z",
	"common-page-size=4096",
};

static void add_base_files(const struct uni_base_files *files, struct uni_strv *argv)
{
	for (size_t i = 0; i < files->count; i++)
		uni_strv_add(argv, files->items[i].path);
}

static void add_inputs(const struct uni_link_inputs *inputs, struct uni_strv *argv)
{
	for (size_t i = 0; i < inputs->count; i++)
		uni_strv_add(argv, inputs->items[i].path);
}

static size_t copy_base_inputs(const struct uni_base_files *files, struct uni_link_input *out)
{
	for (size_t i = 0; i < files->count; i++)
		out[i] = (struct uni_link_input){ .path = files->items[i].path,
						  .name = files->items[i].member };
	return files->count;
}

static int check_inputs(const struct uni_link_inputs *inputs, struct uni_err *err)
{
	for (size_t i = 0; i < inputs->count; i++) {
		const struct uni_link_input *input = &inputs->items[i];
		/* ld would take a path that starts with a dash, or a linker script, for its own. */
		int rc = input->path[0] == '-'
				 ? uni_err_set(err, UNI_E_INVAL, "path starts with a dash")
				 : uni_elf_check_object(input->path, input->name, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int check_program(const char *path, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "linked program");
	rc = uni_elf_open(&elf, fd, 0, (uint64_t)st.st_size, "the linked program", err);
	return rc == 0 ? uni_elf_check_program(elf, err) : rc;
}

static void make_argv(const struct uni_link_from *from, const char *path, struct uni_strv *argv)
{
	const struct uni_base *base = from->base;

	uni_strv_add(argv, "ld");
	for (size_t i = 0; i < UNI_COUNT(fixed_flags); i++)
		uni_strv_add(argv, fixed_flags[i]);
	for (size_t i = 0; i < base->link_flags.count; i++)
		uni_strv_add(argv, base->link_flags.items[i]);
	uni_strv_add(argv, "-o");
	uni_strv_add(argv, path);
	add_base_files(&base->link_start, argv);
	add_inputs(&from->objects, argv);
	uni_strv_add(argv, "--start-group");
	add_inputs(&from->libraries, argv);
	add_base_files(&base->link_libraries, argv);
	uni_strv_add(argv, "--end-group");
	add_base_files(&base->link_end, argv);
}

/* What ld said, by the names of all that it was given. */
static void explain(const struct uni_link_from *from, const struct uni_buf *messages, int status,
		    struct uni_err *err)
{
	const struct uni_base *base = from->base;
	UNI_AUTO_FREE struct uni_link_input *all = uni_alloc_array(
		from->objects.count + from->libraries.count + base->link_start.count +
			base->link_libraries.count + base->link_end.count + 1,
		sizeof(*all));
	struct complaint c = { .inputs = all };

	for (size_t i = 0; i < from->objects.count; i++)
		all[c.count++] = from->objects.items[i];
	for (size_t i = 0; i < from->libraries.count; i++)
		all[c.count++] = from->libraries.items[i];
	c.count += copy_base_inputs(&base->link_start, all + c.count);
	c.count += copy_base_inputs(&base->link_libraries, all + c.count);
	c.count += copy_base_inputs(&base->link_end, all + c.count);
	complain(&c, messages, status, err);
}

int uni_link_program(const struct uni_link_from *from, const char *path, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { .items = NULL };
	UNI_AUTO_BUF struct uni_buf messages = UNI_BUF_INIT;
	int status = 0;
	int rc = check_inputs(&from->objects, err);

	if (rc == 0)
		rc = check_inputs(&from->libraries, err);
	if (rc == 0) {
		make_argv(from, path, &argv);
		rc = run_tool(&(struct tool_run){ .argv = &argv, .messages = &messages }, &status,
			      err);
	}
	if (rc == 0 && status != 0)
		explain(from, &messages, status, err);
	else if (rc == 0)
		rc = check_program(path, err);
	return rc == 0 && status == 0 ? 0 : uni_err_context(err, "link");
}
