/*
 * QMP over a local socket. The emulator is trusted no more than the guest that may have taken it
 * over: lines are bounded, and no wait is without an end.
 */
#include "qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <uni/base/path.h>
#include <uni/base/system.h>

#define LINE_MAX_BYTES (1u << 20)
#define BEFORE_GREETING_MAX 1000u /* messages */

struct uni_qmp {
	int fd;
	struct uni_buf in; /* read, not yet taken */
	unsigned serial;
};

/*
 * A socket's name has room for 107 bytes, a path in somebody's home may be longer: it is named
 * through a descriptor of its folder.
 */
static int socket_name(const char *path, struct sockaddr_un *name, int *dir, struct uni_err *err)
{
	UNI_AUTO_FREE char *folder = uni_path_dir(path);
	int size;

	*dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return uni_err_errno(err, "%s", folder);
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	size = snprintf(name->sun_path, sizeof(name->sun_path), "/proc/self/fd/%d/%s", *dir,
			uni_path_base(path));
	if (size < 0 || (size_t)size >= sizeof(name->sun_path))
		return uni_err_set(err, UNI_E_LIMIT, "%s: name is too long", path);
	return 0;
}

int uni_qmp_listen(const char *path, int *fd, struct uni_err *err)
{
	UNI_AUTO_CLOSE int dir = -1, made = -1;
	struct sockaddr_un name;

	if (socket_name(path, &name, &dir, err) != 0)
		return err->code;
	made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (made < 0 || bind(made, (struct sockaddr *)&name, sizeof(name)) != 0 ||
	    listen(made, 4) != 0)
		return uni_err_errno(err, "control socket %s", path);
	*fd = made;
	made = -1;
	return 0;
}

int uni_qmp_connect(struct uni_qmp **qmp, const char *path, struct uni_err *err)
{
	UNI_AUTO_CLOSE int dir = -1, fd = -1;
	struct sockaddr_un name;

	if (socket_name(path, &name, &dir, err) != 0)
		return err->code;
	/* Non-blocking: a queue that is full says so instead of holding us. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		return uni_err_errno(err, "control socket %s", path);
	*qmp = uni_alloc(sizeof(**qmp));
	(*qmp)->fd = fd;
	fd = -1;
	return 0;
}

void uni_qmp_free(struct uni_qmp *qmp)
{
	if (qmp == NULL)
		return;
	uni_close_fd(&qmp->fd);
	uni_buf_free(&qmp->in);
	free(qmp);
}

static int closed(struct uni_err *err)
{
	return uni_err_set(err, UNI_E_NETWORK, "the emulator closed its control socket");
}

static int await(const struct uni_qmp *qmp, short events, uint64_t limit_ns, struct uni_err *err)
{
	struct pollfd ready = { .fd = qmp->fd, .events = events };

	for (;;) {
		uint64_t now = uni_clock_mono_ns();
		int got;

		if (now >= limit_ns)
			return uni_err_set(err, UNI_E_TIMEOUT,
					   "the emulator's control socket does not answer");
		got = poll(&ready, 1, (int)((limit_ns - now) / 1000000u) + 1);
		if (got > 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return uni_err_errno(err, "control socket");
		if (uni_check_cancel(err) != 0)
			return err->code;
	}
}

/* What has come, into qmp->in. */
static int receive(struct uni_qmp *qmp, struct uni_err *err)
{
	char part[4096];
	ssize_t got;

	got = recv(qmp->fd, part, sizeof(part), 0);
	if (got > 0)
		uni_buf_add(&qmp->in, part, (size_t)got);
	else if (got == 0 || errno == ECONNRESET)
		return closed(err);
	else if (errno != EAGAIN && errno != EINTR)
		return uni_err_errno(err, "control socket");
	if (qmp->in.size > LINE_MAX_BYTES)
		return uni_err_set(err, UNI_E_LIMIT, "the emulator's answer is too long");
	return 0;
}

/* The next line as a document; NULL: it is not whole yet. */
static int take_message(struct uni_qmp *qmp, struct uni_json **message, struct uni_err *err)
{
	const char *end = qmp->in.size != 0 ? memchr(qmp->in.data, '\n', qmp->in.size) : NULL;
	size_t line;
	int status;

	*message = NULL;
	if (end == NULL)
		return 0;
	line = (size_t)(end - qmp->in.data) + 1;
	status = uni_json_parse(message, "control socket", qmp->in.data, line - 1, err);
	memmove(qmp->in.data, qmp->in.data + line, qmp->in.size - line);
	qmp->in.size -= line;
	qmp->in.data[qmp->in.size] = '\0';
	return status;
}

static int next_message(struct uni_qmp *qmp, uint64_t limit_ns, struct uni_json **message,
			struct uni_err *err)
{
	int rc = take_message(qmp, message, err);

	while (rc == 0 && *message == NULL) {
		rc = await(qmp, POLLIN, limit_ns, err);
		if (rc == 0)
			rc = receive(qmp, err);
		if (rc == 0)
			rc = take_message(qmp, message, err);
	}
	return rc;
}

static int send_all(struct uni_qmp *qmp, const struct uni_buf *text, uint64_t limit_ns,
		    struct uni_err *err)
{
	for (size_t sent = 0; sent < text->size;) {
		ssize_t got = send(qmp->fd, text->data + sent, text->size - sent, MSG_NOSIGNAL);

		if (got >= 0)
			sent += (size_t)got;
		else if (errno == EPIPE || errno == ECONNRESET)
			return closed(err);
		else if (errno != EAGAIN && errno != EINTR)
			return uni_err_errno(err, "control socket");
		else if (await(qmp, POLLOUT, limit_ns, err) != 0)
			return err->code;
	}
	return 0;
}

static uint64_t limit_of(int timeout_ms)
{
	return uni_clock_mono_ns() + (uint64_t)timeout_ms * 1000000u;
}

static int send_command(struct uni_qmp *qmp, const char *command, const char *arguments,
			uint64_t limit_ns, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	qmp->serial++;
	/* Without spaces: the emulator reads a byte at a time. */
	uni_buf_printf(&text, "{\"execute\":\"%s\",\"id\":%u", command, qmp->serial);
	if (arguments != NULL)
		uni_buf_printf(&text, ",\"arguments\":%s", arguments);
	uni_buf_puts(&text, "}\n");
	return send_all(qmp, &text, limit_ns, err);
}

/* 1: it answers the last command; a refusal is an error. */
static int is_answer(const struct uni_qmp *qmp, const struct uni_json *message, const char *command,
		     struct uni_err *err)
{
	const struct uni_json *failed = uni_json_get(message, "error");
	const char *why = uni_json_text(uni_json_get(failed, "desc"));
	uint64_t id;

	if (!uni_json_u64(uni_json_get(message, "id"), &id) || id != qmp->serial)
		return 0;
	if (failed == NULL)
		return 1;
	return uni_err_set(err, UNI_E_INVAL, "the emulator refuses %s: %s", command,
			   why != NULL ? why : "no reason");
}

int uni_qmp_command(struct uni_qmp *qmp, const char *command, int timeout_ms,
		    struct uni_json **answer, struct uni_err *err)
{
	return uni_qmp_command_with(qmp, command, NULL, timeout_ms, answer, err);
}

int uni_qmp_command_with(struct uni_qmp *qmp, const char *command, const char *arguments,
			 int timeout_ms, struct uni_json **answer, struct uni_err *err)
{
	uint64_t limit_ns = limit_of(timeout_ms);

	if (send_command(qmp, command, arguments, limit_ns, err) != 0)
		return err->code;
	for (;;) {
		UNI_AUTO(uni_json) struct uni_json *message = NULL;
		int rc = next_message(qmp, limit_ns, &message, err);

		if (rc == 0)
			rc = is_answer(qmp, message, command, err);
		if (rc == 1 && answer != NULL) {
			*answer = message;
			message = NULL;
		}
		if (rc != 0)
			return rc == 1 ? 0 : rc;
	}
}

int uni_qmp_post(struct uni_qmp *qmp, const char *command, const char *arguments,
		 struct uni_err *err)
{
	/* What does not fit into the socket's buffer has no right to be there. */
	if (send_command(qmp, "qmp_capabilities", NULL, 0, err) != 0)
		return err->code;
	return send_command(qmp, command, arguments, 0, err);
}

int uni_qmp_posted(struct uni_qmp *qmp, const char *command, struct uni_err *err)
{
	int rc = receive(qmp, err);

	while (rc == 0) {
		UNI_AUTO(uni_json) struct uni_json *message = NULL;

		rc = take_message(qmp, &message, err);
		if (rc != 0 || message == NULL)
			return rc;
		rc = is_answer(qmp, message, command, err);
	}
	return rc;
}

int uni_qmp_fd(const struct uni_qmp *qmp)
{
	return qmp->fd;
}

/* In front of the greeting may come what the emulator had to say to whoever was connected before,
 * and of its first line maybe only the end. */
static int find_greeting(struct uni_qmp *qmp, uint64_t limit_ns, struct uni_err *err)
{
	for (unsigned before = 0; before <= BEFORE_GREETING_MAX; before++) {
		UNI_AUTO(uni_json) struct uni_json *message = NULL;
		int rc = next_message(qmp, limit_ns, &message, err);

		if (rc == 0 && uni_json_get(message, "QMP") != NULL)
			return 0;
		if (rc != 0 && rc != UNI_E_PARSE) {
			if (before == 0 || rc == UNI_E_CANCELLED)
				return rc;
			break;
		}
		uni_err_clear(err);
	}
	return uni_err_set(err, UNI_E_PARSE, "the control socket is not an emulator's");
}

int uni_qmp_greet(struct uni_qmp *qmp, int timeout_ms, struct uni_err *err)
{
	if (find_greeting(qmp, limit_of(timeout_ms), err) != 0)
		return err->code;
	return uni_qmp_command(qmp, "qmp_capabilities", timeout_ms, NULL, err);
}

int uni_qmp_open(struct uni_qmp **qmp, const char *path, int timeout_ms, struct uni_err *err)
{
	struct uni_qmp *made = NULL;

	if (uni_qmp_connect(&made, path, err) != 0)
		return err->code;
	if (uni_qmp_greet(made, timeout_ms, err) != 0) {
		uni_qmp_free(made);
		return err->code;
	}
	*qmp = made;
	return 0;
}
