/*
 * Running a program to its end with its output in buffers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <unistd.h>

#define TAIL 1024u /* of standard error in our error text */
#define TAIL_LINES 8
#define CANCEL_POLL_MS 100

/* One of the two streams: what is kept of it, and its last bytes. */
struct stream {
	int fd;
	struct uni_buf *keep;
	size_t limit;
	struct uni_buf tail;
};

static void stream_close(struct stream *stream)
{
	uni_close_fd(&stream->fd);
	uni_buf_free(&stream->tail);
}

static void stream_add(struct stream *stream, const char *data, size_t size)
{
	if (stream->keep != NULL && stream->keep->size < stream->limit) {
		size_t room = stream->limit - stream->keep->size;
		uni_buf_add(stream->keep, data, size < room ? size : room);
	}
	uni_buf_add(&stream->tail, data, size);
	if (stream->tail.size > TAIL) {
		size_t extra = stream->tail.size - TAIL;
		memmove(stream->tail.data, stream->tail.data + extra, TAIL + 1);
		stream->tail.size = TAIL;
	}
}

/* Reads what is there. The end of the stream closes the descriptor. */
static int stream_read(struct stream *stream, struct uni_err *err)
{
	char buffer[16384];
	for (;;) {
		ssize_t got = read(stream->fd, buffer, sizeof(buffer));
		if (got > 0) {
			stream_add(stream, buffer, (size_t)got);
		} else if (got == 0) {
			uni_close_fd(&stream->fd);
			return 0;
		} else if (errno == EAGAIN) {
			return 0;
		} else if (errno != EINTR) {
			return uni_err_errno(err, "cannot read a program's output");
		}
	}
}

/* Until both streams end, or the process has ended: a grandchild that keeps them open is not ours
 * to wait for. */
static int collect(const struct uni_process *process, struct stream streams[2], struct uni_err *err)
{
	while (streams[0].fd >= 0 || streams[1].fd >= 0) {
		struct pollfd fds[3] = {
			{ .fd = streams[0].fd, .events = POLLIN },
			{ .fd = streams[1].fd, .events = POLLIN },
			{ .fd = uni_process_end_fd(process), .events = POLLIN },
		};
		if (poll(fds, 3, CANCEL_POLL_MS) < 0 && errno != EINTR)
			return uni_err_errno(err, "cannot wait for a program's output");
		int rc = uni_check_cancel(err);
		for (int i = 0; i < 2 && rc == 0; i++)
			if (streams[i].fd >= 0)
				rc = stream_read(&streams[i], err);
		if (rc != 0)
			return rc;
		if (fds[2].revents != 0)
			break;
	}
	return 0;
}

/* The last lines of at most TAIL bytes, starting at the start of one. */
static const char *last_lines(struct uni_buf *tail)
{
	while (tail->size > 0 && strchr("\r\n", tail->data[tail->size - 1]) != NULL)
		tail->data[--tail->size] = '\0';
	const char *text = uni_buf_text(tail);
	size_t at = tail->size;
	for (int lines = 0; at > 0; at--)
		if (text[at - 1] == '\n' && ++lines == TAIL_LINES)
			break;
	if (at == 0 && tail->size > TAIL / 2 && strchr(text, '\n') != NULL)
		return strchr(text, '\n') + 1; /* the first line may have lost its start */
	return text + at;
}

static int status_error(const char *program, int status, struct uni_buf *tail, struct uni_err *err)
{
	const char *lines = last_lines(tail);
	const char *space = *lines != '\0' ? ":\n" : "";
	const char *signal = sigabbrev_np(status - 128);

	/* 255 and the like are statuses of programs, which no signal stands behind. */
	if (signal != NULL)
		return uni_err_set(err, UNI_E_PROCESS, "%s was ended by signal %d (%s)%s%s",
				   program, status - 128, signal, space, lines);
	return uni_err_set(err, UNI_E_PROCESS, "%s ended with status %d%s%s", program, status,
			   space, lines);
}

static int stream_pipe(struct stream *stream, int *child_end, struct uni_err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0)
		return uni_err_errno(err, "cannot make a pipe");
	stream->fd = fds[0];
	*child_end = fds[1];
	/* Only our end: the child's would meet EAGAIN. */
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0)
		return uni_err_errno(err, "cannot set up a pipe");
	return 0;
}

/* Starts it with both streams on pipes whose far ends only the child keeps. */
static int start(struct uni_process **process, struct uni_process_spec *spec,
		 struct stream streams[2], struct uni_err *err)
{
	int out UNI_AUTO_CLOSE = -1;
	int errors UNI_AUTO_CLOSE = -1;
	int rc = stream_pipe(&streams[0], &out, err);
	if (rc == 0)
		rc = stream_pipe(&streams[1], &errors, err);
	if (rc != 0)
		return rc;
	spec->stdout_fd = out;
	spec->stderr_fd = errors;
	return uni_process_start(process, spec, err);
}

static int run_to_end(struct uni_process_spec *spec, struct stream streams[2], struct uni_err *err)
{
	struct uni_process *process = NULL;
	int status = 0;
	int rc = start(&process, spec, streams, err);
	if (rc == 0)
		rc = collect(process, streams, err);
	if (rc == 0)
		rc = uni_process_wait(process, -1, &status, err);
	if (rc == 0 && status != 0)
		rc = status_error(uni_path_base(spec->argv[0]), status, &streams[1].tail, err);
	uni_process_free(process);
	stream_close(&streams[0]);
	stream_close(&streams[1]);
	return rc;
}

int uni_process_run(const char *const *argv, const char *cwd, struct uni_buf *out,
		    struct uni_buf *errors, size_t limit, struct uni_err *err)
{
	struct stream streams[2] = {
		{ .fd = -1, .keep = out, .limit = limit },
		{ .fd = -1, .keep = errors, .limit = limit },
	};
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	spec.argv = argv;
	spec.cwd = cwd;
	return run_to_end(&spec, streams, err);
}

int uni_process_ask(const char *const *argv, const void *input, size_t size, struct uni_buf *out,
		    size_t limit, struct uni_err *err)
{
	struct stream streams[2] = {
		{ .fd = -1, .keep = out, .limit = limit },
		{ .fd = -1 },
	};
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	/* A file without a name, so that nobody has to feed a pipe while it reads. */
	int fd UNI_AUTO_CLOSE = memfd_create("input", MFD_CLOEXEC);
	int rc;
	if (fd < 0)
		return uni_err_errno(err, "cannot make a program's input");
	rc = uni_write_full(fd, input, size, "a program's input", err);
	if (rc != 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) != 0)
		return uni_err_errno(err, "cannot rewind a program's input");
	spec.argv = argv;
	spec.stdin_fd = fd;
	spec.inherit_env = true;
	return run_to_end(&spec, streams, err);
}
