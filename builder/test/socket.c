/*
 * [[test.tcp]] and [[test.udp]].
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uni/base/system.h>

#include "run.h"

#define RECEIVED_MAX (64u << 20)
#define DATAGRAM_MAX 65536
#define PAUSE_NS 5000000u

int test_connect(const struct test_port *port, int *fd, struct uni_err *err)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_port = htons(port->forward.host),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int type = (port->forward.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;

	uni_close_fd(fd);
	*fd = socket(AF_INET, type, 0);
	if (*fd < 0)
		return uni_err_errno(err, "socket");
	if (connect(*fd, (struct sockaddr *)&name, sizeof(name)) != 0 && errno != EINPROGRESS)
		return uni_err_errno(err, "port %u", port->forward.host);
	return 0;
}

/* A connection, and what came over it. */
struct stream {
	int fd;
	struct uni_buf came;
	bool ended;  /* by the other side */
	bool broken; /* not in order */
};

/* TEST_READY when all was sent. */
static int send_all(const struct test_run *run, struct stream *stream, const char *data,
		    size_t size, uint64_t limit_ns, struct uni_err *err)
{
	int waited = test_wait(run, stream->fd, POLLOUT, limit_ns, err);

	for (size_t sent = 0; waited == TEST_READY && sent < size;) {
		ssize_t got = send(stream->fd, data + sent, size - sent, MSG_NOSIGNAL);

		if (got >= 0) {
			sent += (size_t)got;
		} else if (errno == EAGAIN || errno == EINTR) {
			waited = test_wait(run, stream->fd, POLLOUT, limit_ns, err);
		} else {
			stream->broken = true;
			break;
		}
	}
	return waited;
}

static int receive(struct stream *stream, struct uni_err *err)
{
	char part[16384];
	ssize_t got = recv(stream->fd, part, sizeof(part), 0);

	if (got > 0)
		uni_buf_add(&stream->came, part, (size_t)got);
	else if (got == 0)
		stream->ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		stream->ended = stream->broken = true;
	if (stream->came.size > RECEIVED_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more came than this test can hold");
	return 0;
}

/* TEST_READY when what must come has come, or nothing more will. */
static int converse(const struct test_run *run, const struct uni_recipe_step *step,
		    struct stream *stream, uint64_t limit_ns, struct uni_err *err)
{
	int waited = send_all(run, stream, step->send, step->send_size, limit_ns, err);

	if (waited == TEST_READY && step->close)
		shutdown(stream->fd, SHUT_WR);
	while (waited == TEST_READY && !stream->ended && !stream->broken) {
		if (stream->came.size != 0 &&
		    test_match_early(&step->expect, stream->came.data, stream->came.size))
			return TEST_READY;
		waited = test_wait(run, stream->fd, POLLIN, limit_ns, err);
		if (waited == TEST_READY && receive(stream, err) != 0)
			return err->code;
	}
	return waited;
}

/* A connection that was broken before a word is none: the port is not listened on yet. */
static bool holds(const struct uni_recipe_step *step, const struct stream *stream, int waited)
{
	return waited == TEST_READY && !(stream->broken && stream->came.size == 0) &&
	       test_match(&step->expect, stream->came.data, stream->came.size);
}

static int judge(struct test_run *run, const struct uni_recipe_step *step,
		 const struct stream *stream, int waited, struct uni_err *err)
{
	UNI_AUTO_FREE char *what = uni_asprintf("TCP on port %u", step->port);
	UNI_AUTO_BUF struct uni_buf expected = UNI_BUF_INIT, came = UNI_BUF_INIT;

	if (waited < 0)
		return waited;
	test_match_describe(&step->expect, &expected);
	test_show(stream->came.data, stream->came.size, &came);
	if (waited == TEST_ENDED)
		return test_fail_ended(run, what, expected.data, err);
	if (waited == TEST_LATE)
		return test_fail_late(run, what, expected.data, came.data, err);
	uni_buf_printf(&came, "%s(then the connection was %s)", came.size != 0 ? "\n" : "",
		       stream->broken ? "broken" : "closed");
	return test_fail(run, what, expected.data, came.data, err);
}

int test_tcp(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err)
{
	struct test_port *port = test_run_port(run, step->port, false);
	struct test_patience patience = TEST_PATIENCE_INIT;
	struct stream stream = { .fd = -1 };
	int waited;
	bool held;

	for (;;) {
		uint64_t until = port->answered ? run->limit_ns
						: test_patience_next(&patience, run->limit_ns);
		bool silent;

		uni_buf_clear(&stream.came);
		stream.ended = stream.broken = false;
		waited = test_connect(port, &stream.fd, err);
		if (waited == 0)
			waited = converse(run, step, &stream, until, err);
		held = holds(step, &stream, waited);
		silent = stream.came.size == 0;
		if (held || waited < 0 || waited == TEST_ENDED || port->answered || !silent ||
		    uni_clock_mono_ns() >= run->limit_ns)
			break;
		if (waited == TEST_READY) {
			/* Refused: there is a machine, and nobody listens yet. */
			uint64_t pause = uni_clock_mono_ns() + PAUSE_NS;

			waited = test_wait(run, -1, 0, pause, err);
			if (waited < 0 || waited == TEST_ENDED)
				break;
		}
	}
	if (waited == TEST_READY && stream.broken && stream.came.size == 0 && !port->answered)
		waited = TEST_LATE;
	/* He spoke already, so he may be given all the time that there is. */
	if (!held && waited == TEST_LATE && stream.came.size != 0) {
		struct uni_recipe_step more = *step;

		more.send_size = 0;
		waited = converse(run, &more, &stream, run->limit_ns, err);
		held = holds(step, &stream, waited);
	}
	port->answered |= stream.came.size != 0;
	waited = held ? 0 : judge(run, step, &stream, waited, err);
	uni_close_fd(&stream.fd);
	uni_buf_free(&stream.came);
	return waited;
}

int test_exchange(struct test_run *run, struct test_port *port, const struct test_query *query,
		  struct uni_err *err)
{
	struct test_patience patience = TEST_PATIENCE_INIT;
	UNI_AUTO_FREE char *answer = uni_alloc(DATAGRAM_MAX);
	UNI_AUTO_CLOSE int fd = -1;
	int waited;

	if (test_connect(port, &fd, err) != 0)
		return err->code;
	for (;;) {
		uint64_t until = test_patience_next(&patience, run->limit_ns);

		/* A refusal of the datagram before is told here; the next may fare better. */
		(void)!send(fd, query->data, query->size, MSG_NOSIGNAL);
		do {
			ssize_t got;

			waited = test_wait(run, fd, POLLIN, until, err);
			if (waited != TEST_READY)
				break;
			got = recv(fd, answer, DATAGRAM_MAX, 0);
			if (got >= 0 && query->accept(query->user, answer, (size_t)got))
				return TEST_READY;
		} while (uni_clock_mono_ns() < until);
		if (waited < 0 || waited == TEST_ENDED)
			return waited;
		if (uni_clock_mono_ns() >= run->limit_ns)
			return TEST_LATE;
	}
}

struct datagram {
	const struct uni_recipe_step *step;
	struct uni_buf came; /* the last that was not what it should be */
};

static bool accept_datagram(void *user, const char *data, size_t size)
{
	struct datagram *datagram = user;

	if (test_match(&datagram->step->expect, data, size))
		return true;
	uni_buf_clear(&datagram->came);
	uni_buf_add(&datagram->came, data, size);
	return false;
}

int test_udp(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf expected = UNI_BUF_INIT, came = UNI_BUF_INIT;
	UNI_AUTO_FREE char *what = uni_asprintf("UDP on port %u", step->port);
	struct test_port *port = test_run_port(run, step->port, true);
	struct datagram datagram = { .step = step };
	const struct test_query query = { step->send, step->send_size, accept_datagram, &datagram };
	int waited = test_exchange(run, port, &query, err);

	test_show(datagram.came.data, datagram.came.size, &came);
	uni_buf_free(&datagram.came);
	if (waited == TEST_READY)
		port->answered = true;
	if (waited == TEST_READY || waited < 0)
		return waited;
	test_match_describe(&step->expect, &expected);
	return waited == TEST_ENDED
		       ? test_fail_ended(run, what, expected.data, err)
		       : test_fail_late(run, what, expected.data, uni_buf_text(&came), err);
}
