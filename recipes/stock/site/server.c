/*
 * A server of static files: one thread, epoll, keep-alive, fixed tables and no allocation. Small
 * files go out with their header in one call, large ones from the page cache by sendfile.
 *
 *	server [-p PORT] [FOLDER]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "answer.h"
#include "files.h"
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 1024
#define BUFFERS 64
#define REQUEST_MAX 8192
#define PATIENCE_MS 30000
#define IDLE_MS 1000 /* who keeps his connection for longer makes room when there is none */
#define PAUSE_MS 1000
#define TURN_MAX (UINT64_C(1) << 20) /* bytes of one connection before the others' turn */
#define DRAIN_MAX 65536
#define EVENTS 64
#define BACKLOG 1024

enum state {
	UNUSED,
	READING, /* a request, or waiting for one */
	SENDING,
	DRAINING, /* nothing more to say; what still comes must be read, or closing takes our
		     answer back */
};

/*
 * Requests come whole and answers go whole, nearly always: one buffer for each does for all. What
 * is left over when a connection has to wait moves to a buffer of its own, of which there are few.
 */
struct buffer {
	struct buffer *next;
	char bytes[REQUEST_MAX];
};
_Static_assert(REQUEST_MAX >= ANSWER_HEAD_MAX, "a buffer holds either");

struct connection {
	int fd;
	enum state state;
	bool blocked;	    /* waits to be writable */
	struct buffer *in;  /* an unfinished request, or NULL */
	struct buffer *out; /* an unfinished head, or NULL */
	size_t have;	    /* bytes of requests */
	size_t head_sent;
	struct answer answer;
	uint64_t since; /* milliseconds: the last request's end, or progress in sending */
	struct connection *older, *newer;
};

static struct connection table[CONNECTIONS];
static struct buffer buffers[BUFFERS];
static struct buffer *spare;
static char in[REQUEST_MAX]; /* of the connection whose turn it is */
static struct connection *unused;
static struct connection *oldest, *newest; /* in use, by `since` */
static int poller, listener = -1;
static int content = -1; /* /proc/live */
static bool listening;
static uint64_t paused; /* when it was told not to */
static uint64_t now;	/* milliseconds, at the last wake */
static volatile sig_atomic_t stopping;

static void say(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

static _Noreturn void die(const char *what)
{
	const char *why = strerror(errno);
	struct iovec words[] = {
		{ (void *)(uintptr_t) "site: ", 6 }, { (void *)(uintptr_t)what, strlen(what) },
		{ (void *)(uintptr_t) ": ", 2 },     { (void *)(uintptr_t)why, strlen(why) },
		{ (void *)(uintptr_t) "\n", 1 },
	};

	(void)!writev(STDERR_FILENO, words, sizeof(words) / sizeof(words[0]));
	_exit(1);
}

/* -- connections -- */

static void unlink_connection(struct connection *c)
{
	*(c->older != NULL ? &c->older->newer : &oldest) = c->newer;
	*(c->newer != NULL ? &c->newer->older : &newest) = c->older;
}

static void link_connection(struct connection *c)
{
	c->since = now;
	c->newer = NULL;
	c->older = newest;
	*(newest != NULL ? &newest->newer : &oldest) = c;
	newest = c;
}

static void touch(struct connection *c)
{
	unlink_connection(c);
	link_connection(c);
}

static void watch(struct connection *c, bool writable)
{
	struct epoll_event event = { .events = writable ? EPOLLOUT : EPOLLIN, .data.ptr = c };

	if (c->blocked == writable)
		return;
	c->blocked = writable;
	(void)epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void set_listening(bool on)
{
	struct epoll_event event = { .events = on ? EPOLLIN : 0, .data.ptr = NULL };

	if (listener >= 0 && listening != on &&
	    epoll_ctl(poller, EPOLL_CTL_MOD, listener, &event) == 0)
		listening = on;
}

static void pause_listening(void)
{
	paused = now;
	set_listening(false);
}

static void give_back(struct buffer **buffer)
{
	if (*buffer == NULL)
		return;
	(*buffer)->next = spare;
	spare = *buffer;
	*buffer = NULL;
}

static void drop(struct connection *c)
{
	answer_end(&c->answer);
	give_back(&c->in);
	give_back(&c->out);
	close(c->fd);
	unlink_connection(c);
	c->state = UNUSED;
	c->newer = unused;
	unused = c;
	set_listening(true);
}

enum progress { DONE, BLOCKED, BROKEN };

static enum progress trouble(void)
{
	return errno == EAGAIN || errno == EINTR ? BLOCKED : BROKEN;
}

/* Head and body from memory, or the head alone. */
static enum progress send_memory(struct connection *c)
{
	struct answer *a = &c->answer;
	struct iovec parts[2] = {
		{ (c->out != NULL ? c->out->bytes : answer_head) + c->head_sent,
		  a->head_size - c->head_sent },
		{ (void *)(uintptr_t)(a->body != NULL ? a->body + a->at : NULL),
		  a->body != NULL ? (size_t)a->left : 0 },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	bool more = a->body == NULL && a->left != 0;
	ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	size_t of_head;

	if (sent < 0)
		return trouble();
	of_head = (size_t)sent < parts[0].iov_len ? (size_t)sent : parts[0].iov_len;
	c->head_sent += of_head;
	if (a->body != NULL) {
		a->at += (size_t)sent - of_head;
		a->left -= (size_t)sent - of_head;
	}
	return DONE;
}

static enum progress send_from_file(struct connection *c)
{
	struct answer *a = &c->answer;
	off_t at = (off_t)a->at;
	ssize_t sent = sendfile(c->fd, a->file->fd, &at,
				(size_t)(a->left < TURN_MAX ? a->left : TURN_MAX));

	if (sent < 0)
		return trouble();
	if (sent == 0)
		return BROKEN; /* the file became shorter: the length was promised */
	a->at += (uint64_t)sent;
	a->left -= (uint64_t)sent;
	return DONE;
}

static enum progress send_answer(struct connection *c)
{
	struct answer *a = &c->answer;
	uint64_t turn = a->left;

	while (c->head_sent < a->head_size || a->left != 0) {
		enum progress progress = c->head_sent < a->head_size || a->body != NULL
						 ? send_memory(c)
						 : send_from_file(c);

		if (progress != DONE)
			return progress;
		touch(c);
		if (turn - a->left >= TURN_MAX && a->left != 0)
			return BLOCKED; /* the others' turn */
	}
	return DONE;
}

/* Answers the next request among what was read; false when there is none yet. */
static bool take_request(struct connection *c)
{
	char *bytes = c->in != NULL ? c->in->bytes : in;
	struct http_request request;
	int used = c->have != 0 ? http_parse(bytes, c->have, &request) : 0;

	if (used == 0 && c->have < REQUEST_MAX)
		return false;
	if (used > 0) {
		answer_request(&c->answer, &request, request.keep_alive && !stopping, now);
		c->have -= (size_t)used;
		memmove(bytes, bytes + used, c->have);
	} else {
		answer_refusal(&c->answer, used != 0 ? -used : 431, now);
		c->have = 0;
	}
	c->head_sent = 0;
	c->state = SENDING;
	return true;
}

/* A buffer for `c`: where there is none, that of whoever has dawdled longest over a request. */
static struct buffer *take_buffer(const struct connection *c)
{
	struct buffer *buffer;

	for (struct connection *other = oldest; spare == NULL && other != NULL;
	     other = other->newer)
		if (other != c && other->in != NULL && other->state == READING) {
			drop(other);
			break;
		}
	buffer = spare;
	if (buffer != NULL)
		spare = buffer->next;
	return buffer;
}

static bool keep_bytes(const struct connection *c, struct buffer **buffer, const char *bytes,
		       size_t size)
{
	if (size == 0) {
		give_back(buffer);
		return true;
	}
	if (*buffer != NULL)
		return true; /* they are there already */
	*buffer = take_buffer(c);
	if (*buffer == NULL)
		return false;
	memcpy((*buffer)->bytes, bytes, size);
	return true;
}

/* The common buffers are the next one's: what is left over moves out of them. */
static void leave(struct connection *c)
{
	bool unsent = c->head_sent < c->answer.head_size;

	if (!keep_bytes(c, &c->in, in, c->have) ||
	    !keep_bytes(c, &c->out, answer_head, unsent ? c->answer.head_size : 0))
		drop(c);
}

/* Sends, and goes on with requests that came together, until something has to be waited for. */
static void advance(struct connection *c)
{
	while (c->state == SENDING || (c->state == READING && take_request(c))) {
		enum progress progress = send_answer(c);
		bool keep = c->answer.keep;

		if (progress == BROKEN) {
			drop(c);
			return;
		}
		if (progress == BLOCKED)
			break;
		answer_end(&c->answer);
		give_back(&c->out);
		c->head_sent = 0;
		c->state = keep ? READING : DRAINING;
		touch(c);
		if (!keep) {
			shutdown(c->fd, SHUT_WR);
			c->have = 0;
		}
	}
	watch(c, c->state == SENDING);
	leave(c);
}

static void on_readable(struct connection *c)
{
	char waste[4096];
	bool draining = c->state == DRAINING;
	char *bytes = c->in != NULL ? c->in->bytes : in;
	ssize_t got = draining ? recv(c->fd, waste, sizeof(waste), 0)
			       : recv(c->fd, bytes + c->have, REQUEST_MAX - c->have, 0);

	if (got < 0 && trouble() == BLOCKED)
		return;
	if (got <= 0) {
		drop(c);
		return;
	}
	c->have += (size_t)got;
	if (!draining)
		advance(c);
	else if (c->have > DRAIN_MAX)
		drop(c);
}

/*
 * A place for one more: an unused one, or that of somebody who only keeps his connection. Not of
 * one who was busy just now: many busy ones would throw each other out all the time.
 */
static struct connection *make_place(void)
{
	for (struct connection *c = oldest;
	     unused == NULL && c != NULL && now - c->since >= IDLE_MS; c = c->newer)
		if (c->state == DRAINING || (c->state == READING && c->have == 0)) {
			drop(c);
			break;
		}
	return unused;
}

static void greet(struct connection *c, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) {
		close(fd);
		return;
	}
	unused = c->newer;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	c->state = READING;
	c->blocked = false;
	c->have = 0;
	link_connection(c);
}

static void on_listener(void)
{
	/* Bounded, so that those who are here get their turn. */
	for (int i = 0; i < EVENTS; i++) {
		struct connection *place = make_place();
		int fd;

		if (place == NULL) {
			pause_listening();
			return;
		}
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			greet(place, fd);
			continue;
		}
		/* No descriptor or memory for it: it waits until somebody leaves. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			pause_listening();
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* -- the machine around it -- */

static void read_clocks(void)
{
	static time_t second;
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
	clock_gettime(CLOCK_REALTIME, &time);
	if (time.tv_sec == second)
		return;
	second = time.tv_sec;
	answer_clock(second);
}

static void expire(void)
{
	while (oldest != NULL && now - oldest->since >= PATIENCE_MS)
		drop(oldest);
}

/* Milliseconds until somebody's patience ends; an idle machine sleeps for ever. */
static int next_expiry(void)
{
	uint64_t end;

	if (!listening)
		return PAUSE_MS;
	if (oldest == NULL)
		return -1;
	end = oldest->since + PATIENCE_MS;
	return end > now ? (int)(end - now) : 0;
}

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

/* No new connections; those that wait for nothing go, the others get their answer. */
static void start_stopping(void)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
	for (struct connection *c = oldest, *next; c != NULL; c = next) {
		next = c->newer;
		if (c->state != SENDING)
			drop(c);
	}
}

static int open_listener(uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, zero = 0;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		if (bind(fd, (struct sockaddr *)&six, sizeof(six)) == 0 && listen(fd, BACKLOG) == 0)
			return fd;
		close(fd);
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&four, sizeof(four)) != 0 || listen(fd, BACKLOG) != 0)
		die("cannot listen");
	return fd;
}

/* Where folders can be replaced as a whole under a machine that runs, it says so in this file. */
static void watch_content(void)
{
	struct epoll_event event = { .events = EPOLLPRI, .data.ptr = &content };

	content = open("/proc/live", O_RDONLY | O_CLOEXEC);
	if (content >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, content, &event) != 0) {
		close(content);
		content = -1;
	}
	/* What came before it was watched. */
	if (content >= 0)
		files_changed();
}

static void on_content(void)
{
	char text[64];

	/* To read it from its start is to have seen it. */
	(void)!pread(content, text, sizeof(text), 0);
	files_changed();
}

static void start(const char *folder, uint16_t port, sigset_t *waiting)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	struct sigaction stop = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t blocked;
	int status = files_start(folder);

	if (status != 0) {
		errno = -status;
		die(folder);
	}
	/* Signals come only while it waits, so that none is missed in between. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, waiting);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	for (size_t i = CONNECTIONS; i-- > 0;) {
		table[i].newer = unused;
		unused = &table[i];
	}
	for (size_t i = 0; i < BUFFERS; i++) {
		buffers[i].next = spare;
		spare = &buffers[i];
	}
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		die("epoll");
	listener = open_listener(port);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0)
		die("epoll");
	listening = true;
	watch_content();
}

/* NULL is the listener. One that was dropped for another's sake meanwhile is unused. */
static void on_event(struct connection *c)
{
	if (c == NULL || c->state == UNUSED)
		return;
	if (c->state == SENDING)
		advance(c);
	else
		on_readable(c);
}

static void serve(const sigset_t *waiting)
{
	struct epoll_event events[EVENTS];

	while (!stopping || oldest != NULL) {
		int count = epoll_pwait(poller, events, EVENTS, next_expiry(), waiting);

		if (count < 0 && errno != EINTR)
			die("epoll");
		read_clocks();
		/* First: what is asked for now is asked of what is there now. */
		for (int i = 0; i < count; i++)
			if (events[i].data.ptr == &content)
				on_content();
		for (int i = 0; i < count; i++)
			if (events[i].data.ptr != &content)
				on_event(events[i].data.ptr);
		/* The listener is last: who comes may take the place of one seen above. */
		for (int i = 0; i < count && !stopping; i++)
			if (events[i].data.ptr == NULL)
				on_listener();
		expire();
		if (!listening && now - paused >= PAUSE_MS)
			set_listening(true);
		if (stopping)
			start_stopping();
	}
}

static uint16_t parse_port(const char *text)
{
	unsigned long port = 0;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || port > UINT16_MAX)
			port = UINT16_MAX + 1ul;
		else
			port = port * 10 + (unsigned long)(*at - '0');
	}
	if (port == 0 || port > UINT16_MAX) {
		errno = EINVAL;
		die(text);
	}
	return (uint16_t)port;
}

int main(int argc, char **argv)
{
	const char *folder = "/srv/www";
	uint16_t port = 80;
	sigset_t waiting;
	int next = 1;

	if (argc > next + 1 && strcmp(argv[next], "-p") == 0) {
		port = parse_port(argv[next + 1]);
		next += 2;
	}
	if (argc > next)
		folder = argv[next++];
	if (argc > next) {
		say("usage: server [-p PORT] [FOLDER]\n");
		return 2;
	}
	read_clocks();
	start(folder, port, &waiting);
	say("site: serving\n");
	serve(&waiting);
	say("site: stopped\n");
	return 0;
}
