/*
 * The strict double's fast front: takes a thousand blocks of 512 KiB a second on half a processor,
 * which the double itself cannot. Blocks are checked here, while they come; everything else goes
 * through to the double, which also hears of every block before a snapshot is sealed.
 *
 * usage: ebs-double-front PORT LATENCY_MS RATE ACCESS_KEY SECRET_KEY RECORDS
 *
 * PORT is the double's; its own is the line that it prints. Into the file RECORDS go a line for
 * each block, "put SNAPSHOT INDEX SHA256 TIME", and one for each that was refused because there
 * were too many, "many".
 */
#include "fast.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (128u << 10)
#define BODY_MAX (1u << 20)
#define MAPS_MAX 64u
#define NS 1000000000.0

struct answer {
	char *data;
	size_t size, sent;
	uint64_t due_ns;
};

struct connection {
	STAILQ_ENTRY(connection) link; /* among those whose answer is due */
	int fd;
	char text[HEAD_MAX + 1], raw[HEAD_MAX];
	size_t have, raw_size;
	bool in_body, is_put, gone;
	struct head head;
	struct put put;
	EVP_MD_CTX *hash; /* of a block */
	char *body;	  /* of another call */
	uint64_t got;
	struct answer answer;
};
STAILQ_HEAD(connections, connection);

struct front {
	struct keys keys;
	uint16_t upstream_port;
	int poll, listener, upstream;
	FILE *records;
	uint64_t latency_ns;
	double rate, most, tokens;
	uint64_t filled_ns;
	struct connections due;	 /* all wait equally long: in the order in which they came */
	char maps[MAPS_MAX][64]; /* snapshots whose blocks the double keeps */
	size_t map_count;
	char *chunk;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- connections --- */

static void watch(const struct front *f, struct connection *c, int how, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (epoll_ctl(f->poll, how, c->fd, &event) != 0)
		die("epoll_ctl");
}

static void accept_one(const struct front *f)
{
	int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c;

	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		die("calloc");
	c->fd = fd;
	c->hash = EVP_MD_CTX_new();
	watch(f, c, EPOLL_CTL_ADD, EPOLLIN);
} /* NOLINT(clang-analyzer-unix.Malloc): the kernel holds it for us */

static void hang_up(struct connection *c)
{
	close(c->fd);
	EVP_MD_CTX_free(c->hash);
	free(c->body);
	free(c->answer.data);
	free(c);
}

/* The next request may come. */
static void renew(struct connection *c)
{
	free(c->body);
	free(c->answer.data);
	c->body = NULL;
	c->answer = (struct answer){ .data = NULL };
	c->have = 0;
	c->got = 0;
	c->in_body = false;
}

/* --- answers --- */

/* Sent when the latency is over; nothing is read meanwhile. */
static void answer_later(struct front *f, struct connection *c, char *data, size_t size)
{
	c->answer = (struct answer){ .data = data,
				     .size = size,
				     .due_ns = clock_ns(CLOCK_MONOTONIC) + f->latency_ns };
	watch(f, c, EPOLL_CTL_MOD, 0);
	STAILQ_INSERT_TAIL(&f->due, c, link);
}

static void answer_put(struct front *f, struct connection *c, struct refusal refusal)
{
	char body[256], *text = NULL;
	int size = snprintf(body, sizeof(body),
			    refusal.code != NULL ? "{\"Message\":\"%s\"}" : "{}", refusal.why);

	size = asprintf(&text,
			"HTTP/1.1 %d x\r\nContent-Type: application/json\r\n"
			"Content-Length: %d\r\n%s%s%s\r\n%s",
			refusal.code != NULL ? refusal.status : 201, size,
			refusal.code != NULL ? "x-amzn-ErrorType: " : "",
			refusal.code != NULL ? refusal.code : "",
			refusal.code != NULL ? "\r\n" : "", body);
	if (size < 0)
		die("asprintf");
	answer_later(f, c, text, (size_t)size);
}

/* false: the other side is gone. */
static bool send_some(struct front *f, struct connection *c)
{
	struct answer *a = &c->answer;
	ssize_t done = send(c->fd, a->data + a->sent, a->size - a->sent, MSG_NOSIGNAL);

	if (done < 0)
		return errno == EAGAIN;
	a->sent += (size_t)done;
	if (a->sent < a->size) {
		watch(f, c, EPOLL_CTL_MOD, EPOLLOUT);
		return true;
	}
	renew(c);
	watch(f, c, EPOLL_CTL_MOD, EPOLLIN);
	return true;
}

static void send_due(struct front *f)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct connection *c;

	while ((c = STAILQ_FIRST(&f->due)) != NULL && c->answer.due_ns <= now) {
		STAILQ_REMOVE_HEAD(&f->due, link);
		if (c->gone || !send_some(f, c))
			hang_up(c);
	}
}

static int until_due_ms(const struct front *f)
{
	const struct connection *c = STAILQ_FIRST(&f->due);
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (c == NULL)
		return -1;
	return c->answer.due_ns > now ? (int)((c->answer.due_ns - now) / 1000000u) + 1 : 0;
}

/* --- what goes through to the double --- */

static int connect_upstream(const struct front *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(f->upstream_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		die("the double");
	return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
	for (ssize_t done; size != 0; data += done, size -= (size_t)done) {
		done = send(fd, data, size, MSG_NOSIGNAL);
		if (done <= 0)
			die("the double");
	}
}

/* A whole answer: its head, and as much as that says. */
static char *receive_answer(int fd, size_t *size)
{
	char *data = malloc(HEAD_MAX + BODY_MAX + 1);
	size_t have = 0, wanted = SIZE_MAX;

	if (data == NULL)
		die("malloc");
	while (have < wanted) {
		ssize_t got = recv(fd, data + have, HEAD_MAX + BODY_MAX - have, 0);
		const char *end, *length;

		if (got <= 0)
			die("the double's answer");
		have += (size_t)got;
		data[have] = '\0';
		end = strstr(data, "\r\n\r\n");
		length = end != NULL ? strstr(data, "Content-Length: ") : NULL;
		if (length != NULL && length < end)
			wanted = (size_t)(end + 4 - data) +
				 strtoull(length + strlen("Content-Length: "), NULL, 10);
	}
	*size = have;
	return data;
}

/* The snapshot of a block map: the double gets its blocks, for they are read again. */
static void note_map(struct front *f, const struct connection *c, const char *answer)
{
	const char *id = strstr(answer, "snap-");

	if (strcmp(c->head.target, "/snapshots") == 0 && strstr(c->body, "uni:map-of") != NULL &&
	    id != NULL && f->map_count < MAPS_MAX)
		snprintf(f->maps[f->map_count++], sizeof(f->maps[0]), "%.*s",
			 (int)strcspn(id, "\""), id);
}

static void relay(struct front *f, struct connection *c)
{
	size_t size;
	char *answer;

	fflush(f->records); /* the double reads of all blocks before it seals */
	send_all(f->upstream, c->raw, c->raw_size);
	send_all(f->upstream, c->body, c->head.length);
	answer = receive_answer(f->upstream, &size);
	note_map(f, c, answer);
	answer_later(f, c, answer, size);
}

/* --- requests --- */

/* So many a second, and as many at once as come while an answer takes. */
static bool within_rate(struct front *f)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	f->tokens += (double)(now - f->filled_ns) / NS * f->rate;
	f->tokens = f->tokens < f->most ? f->tokens : f->most;
	f->filled_ns = now;
	if (f->tokens < 1)
		return false;
	f->tokens -= 1;
	return true;
}

static struct refusal take_block(struct front *f, struct connection *c)
{
	uint8_t digest[DIGEST];
	double at = (double)clock_ns(CLOCK_REALTIME) / NS;
	struct refusal refusal;

	if (!within_rate(f)) {
		fputs("many\n", f->records);
		return (struct refusal){ 400, "RequestThrottledException", "too many" };
	}
	EVP_DigestFinal_ex(c->hash, digest, NULL);
	refusal = signature_check(&c->head, &f->keys);
	if (refusal.code == NULL)
		refusal = put_check(&c->head, digest);
	if (refusal.code != NULL)
		return refusal;
	fprintf(f->records, "put %s %u ", c->put.snapshot, c->put.index);
	for (size_t i = 0; i < DIGEST; i++)
		fprintf(f->records, "%02x", digest[i]);
	fprintf(f->records, " %.6f\n", at);
	return ACCEPTED;
}

static void finish_request(struct front *f, struct connection *c)
{
	if (c->is_put)
		answer_put(f, c, take_block(f, c));
	else
		relay(f, c);
}

static void add_body(struct connection *c, const char *data, size_t size)
{
	if (c->is_put)
		EVP_DigestUpdate(c->hash, data, size);
	else
		memcpy(c->body + c->got, data, size);
	c->got += size;
}

static bool is_map(const struct front *f, const char *snapshot)
{
	for (size_t i = 0; i < f->map_count; i++)
		if (strcmp(f->maps[i], snapshot) == 0)
			return true;
	return false;
}

/* false: it is nothing that is served here. */
static bool begin_request(const struct front *f, struct connection *c, const char *end)
{
	static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t size = (size_t)(end + 4 - c->text), more = c->have - size;

	memcpy(c->raw, c->text, size);
	c->raw_size = size;
	if (!head_parse(&c->head, c->text) || c->head.length > BODY_MAX || more > c->head.length)
		return false;
	c->in_body = true;
	c->is_put = put_parse(&c->put, &c->head) && !is_map(f, c->put.snapshot);
	EVP_DigestInit_ex(c->hash, EVP_sha256(), NULL);
	if (!c->is_put) {
		c->body = calloc(1, c->head.length + 1);
		if (c->body == NULL)
			die("calloc");
	}
	if (strcmp(head_field(&c->head, "expect"), "100-continue") == 0)
		(void)send(c->fd, proceed, sizeof(proceed) - 1, MSG_NOSIGNAL);
	add_body(c, end + 4, more);
	return true;
}

/* false: the connection has ended. */
static bool receive_head(const struct front *f, struct connection *c)
{
	ssize_t got = recv(c->fd, c->text + c->have, HEAD_MAX - c->have, 0);
	char *end;

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	c->have += (size_t)got;
	c->text[c->have] = '\0';
	end = strstr(c->text, "\r\n\r\n");
	return end != NULL ? begin_request(f, c, end) : c->have < HEAD_MAX;
}

static bool receive_body(struct front *f, struct connection *c)
{
	uint64_t left = c->head.length - c->got;
	ssize_t got = recv(c->fd, f->chunk, left < CHUNK ? (size_t)left : CHUNK, 0);

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	add_body(c, f->chunk, (size_t)got);
	return true;
}

/* The other side does not wait for its answer. */
static void go(const struct front *f, struct connection *c)
{
	watch(f, c, EPOLL_CTL_DEL, 0);
	c->gone = true;
}

static void serve(struct front *f, struct connection *c, uint32_t events)
{
	bool well = true;

	if (c->answer.data != NULL) {
		if ((events & EPOLLOUT) != 0)
			well = send_some(f, c);
		else
			go(f, c);
	} else {
		well = c->in_body ? receive_body(f, c) : receive_head(f, c);
		if (well && c->in_body && c->got == c->head.length)
			finish_request(f, c);
	}
	if (!well)
		hang_up(c);
}

static void listen_on_loopback(struct front *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN };
	socklen_t size = sizeof(at);

	f->poll = epoll_create1(EPOLL_CLOEXEC);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(f->listener, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(f->listener, SOMAXCONN) != 0 ||
	    getsockname(f->listener, (struct sockaddr *)&at, &size) != 0 ||
	    epoll_ctl(f->poll, EPOLL_CTL_ADD, f->listener, &event) != 0)
		die("listen");
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct front f = { .due = STAILQ_HEAD_INITIALIZER(f.due) };
	struct epoll_event events[64];

	if (argc != 7)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed takes it along */
	f.upstream_port = (uint16_t)atoi(argv[1]);
	f.latency_ns = strtoull(argv[2], NULL, 10) * 1000000u;
	f.rate = strtod(argv[3], NULL);
	f.keys = (struct keys){ argv[4], argv[5] };
	f.most = f.tokens = f.rate * (double)f.latency_ns / NS;
	f.filled_ns = clock_ns(CLOCK_MONOTONIC);
	f.chunk = malloc(CHUNK);
	f.records = fopen(argv[6], "we");
	if (f.chunk == NULL || f.records == NULL)
		die(argv[6]);
	f.upstream = connect_upstream(&f);
	listen_on_loopback(&f);
	for (;;) {
		int count = epoll_wait(f.poll, events, 64, until_due_ms(&f));

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				accept_one(&f);
			else
				serve(&f, events[i].data.ptr, events[i].events);
		}
		send_due(&f);
	}
}
