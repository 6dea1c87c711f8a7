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

static void add_inputs(const struct uni_link_input *inputs, size_t count, struct uni_strv *argv)
{
	for (size_t i = 0; i < count; i++)
		uni_strv_add(argv, inputs[i].path);
}

static size_t copy_base_inputs(const struct uni_base_files *files, struct uni_link_input *out)
{
	for (size_t i = 0; i < files->count; i++)
		out[i] = (struct uni_link_input){ .path = files->items[i].path,
						  .name = files->items[i].member };
	return files->count;
}

static int check_inputs(const struct uni_link_input *inputs, size_t count, struct uni_err *err)
{
	for (size_t i = 0; i < count; i++) {
		/* ld would take a path that starts with a dash, or a linker script, for its own. */
		int rc = inputs[i].path[0] == '-'
				 ? uni_err_set(err, UNI_E_INVAL, "path starts with a dash")
				 : uni_elf_check_object(inputs[i].path, inputs[i].name, err);

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

int uni_link_program(const struct uni_base *base, const struct uni_link_input *objects,
		     size_t object_count, const struct uni_link_input *libraries,
		     size_t library_count, const char *path, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { .items = NULL };
	UNI_AUTO_BUF struct uni_buf messages = UNI_BUF_INIT;
	UNI_AUTO_FREE struct uni_link_input *all = NULL;
	struct complaint c = { .count = 0 };
	int status = 0;
	int rc = check_inputs(objects, object_count, err);

	if (rc == 0)
		rc = check_inputs(libraries, library_count, err);
	if (rc != 0)
		return uni_err_context(err, "link");
	uni_strv_add(&argv, "ld");
	for (size_t i = 0; i < UNI_COUNT(fixed_flags); i++)
		uni_strv_add(&argv, fixed_flags[i]);
	for (size_t i = 0; i < base->link_flags.count; i++)
		uni_strv_add(&argv, base->link_flags.items[i]);
	uni_strv_add(&argv, "-o");
	uni_strv_add(&argv, path);
	add_base_files(&base->link_start, &argv);
	add_inputs(objects, object_count, &argv);
	uni_strv_add(&argv, "--start-group");
	add_inputs(libraries, library_count, &argv);
	add_base_files(&base->link_libraries, &argv);
	uni_strv_add(&argv, "--end-group");
	add_base_files(&base->link_end, &argv);
	rc = run_tool(&(struct tool_run){ .argv = &argv, .messages = &messages }, &status, err);
	if (rc == 0 && status == 0)
		rc = check_program(path, err);
	if (rc != 0)
		return uni_err_context(err, "link");
	if (status == 0)
		return 0;
	all = uni_alloc_array(object_count + library_count + base->link_start.count +
				      base->link_libraries.count + base->link_end.count + 1,
			      sizeof(*all));
	c.inputs = all;
	for (size_t i = 0; i < object_count; i++)
		all[c.count++] = objects[i];
	for (size_t i = 0; i < library_count; i++)
		all[c.count++] = libraries[i];
	c.count += copy_base_inputs(&base->link_start, all + c.count);
	c.count += copy_base_inputs(&base->link_libraries, all + c.count);
	c.count += copy_base_inputs(&base->link_end, all + c.count);
	complain(&c, &messages, status, err);
	return uni_err_context(err, "link");
}
