/*
 * Running a compiler or linker. Its streams are files in memory, so that no order of reading and
 * writing can stand still.
 */
#include "run.h"

#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/process.h>
#include <unistd.h>

enum { OUTPUT_MAX = 256 << 20, TEXT_MAX = 1100 };

static int memory_file(int *fd, struct uni_err *err)
{
	*fd = memfd_create("uni", MFD_CLOEXEC);
	return *fd < 0 ? uni_err_errno(err, "file in memory") : 0;
}

static int read_back(int fd, struct uni_buf *out, const char *name, struct uni_err *err)
{
	UNI_AUTO_FREE char *data = NULL;
	off_t size = lseek(fd, 0, SEEK_END);
	int rc;

	if (size < 0)
		return uni_err_errno(err, "output of %s", name);
	data = uni_try_alloc((uint64_t)size + 1, OUTPUT_MAX, "output of a program", err);
	if (data == NULL)
		return uni_err_context(err, "%s", name);
	rc = uni_pread_full(fd, data, (size_t)size, 0, name, err);
	if (rc == 0)
		uni_buf_add(out, data, (size_t)size);
	return rc;
}

static int open_streams(const struct uni_buf *input, int fds[3], struct uni_err *err)
{
	int rc = memory_file(&fds[1], err);

	if (rc == 0)
		rc = memory_file(&fds[2], err);
	if (rc != 0 || input == NULL)
		return rc;
	rc = memory_file(&fds[0], err);
	if (rc == 0)
		rc = uni_write_full(fds[0], uni_buf_text(input), input->size, "input", err);
	if (rc == 0 && lseek(fds[0], 0, SEEK_SET) != 0)
		rc = uni_err_errno(err, "input");
	return rc;
}

int run_tool(const struct tool_run *run, int *status, struct uni_err *err)
{
	UNI_AUTO(uni_process) struct uni_process *process = NULL;
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	const char *program = run->argv->items[0];
	int fds[3] = { -1, -1, -1 };
	int rc = open_streams(run->input, fds, err);

	spec.argv = (const char *const *)run->argv->items;
	spec.env = run->env;
	spec.cwd = run->cwd;
	spec.stdin_fd = fds[0];
	spec.stdout_fd = fds[1];
	spec.stderr_fd = fds[2];
	if (rc == 0)
		rc = uni_process_start(&process, &spec, err);
	if (rc == 0)
		rc = uni_process_wait(process, -1, status, err);
	if (rc == 0 && run->out != NULL)
		rc = read_back(fds[1], run->out, program, err);
	if (rc == 0)
		rc = read_back(fds[2], run->messages, program, err);
	for (size_t i = 0; i < UNI_COUNT(fds); i++)
		uni_close_fd(&fds[i]);
	if (rc == 0 && *status > 128)
		rc = uni_err_set(err, UNI_E_PROCESS, "%s was killed by signal %d", program,
				 *status - 128);
	return rc;
}

const char *run_first_lines(struct uni_buf *text)
{
	size_t size = text->size;

	if (size > TEXT_MAX) {
		size = TEXT_MAX;
		while (size > 0 && text->data[size - 1] != '\n')
			size--;
	}
	while (size > 0 && text->data[size - 1] == '\n')
		size--;
	if (text->data != NULL)
		text->data[size] = '\0';
	return uni_buf_text(text);
}

/* A compiler and its assembler meet a full disk like anything else that they cannot do. */
int run_compile_error(const char *name, struct uni_buf *said, struct uni_err *err)
{
	const char *text = run_first_lines(said);

	if (strstr(text, "No space left on device") == NULL)
		return uni_err_set(err, UNI_E_INVAL, "%s does not compile:\n%s", name, text);
	uni_err_set(err, UNI_E_NOSPACE,
		    "%s: the disk of the store, or of temporary files, is full:\n%s", name, text);
	return uni_err_hint(err, "\"uni cache gc\" makes room in the store");
}
