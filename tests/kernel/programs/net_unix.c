/*
 * Unix sockets: pairs, names in the file system and abstract ones, the three types, descriptors
 * that are passed on.
 */
#include "sockets.h"
#include <sys/stat.h>

static struct name unix_name(const char *path)
{
	struct name n;

	memset(&n, 0, sizeof(n));
	n.un.sun_family = AF_UNIX;
	memcpy(n.un.sun_path, path, strlen(path));
	n.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	return n;
}

/* Abstract: the first byte is 0, no byte ends it. */
static struct name abstract_name(const char *text)
{
	struct name n;

	memset(&n, 0, sizeof(n));
	n.un.sun_family = AF_UNIX;
	memcpy(n.un.sun_path + 1, text, strlen(text));
	n.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(text));
	return n;
}

static void print_unix(const char *what, struct name n)
{
	printf("%s: size %u, \"%s%s\"\n", what, n.size,
	       n.size > 2 && n.un.sun_path[0] == '\0' ? "@" : "",
	       n.size > 2 ? n.un.sun_path + (n.un.sun_path[0] == '\0') : "");
}

static void test_pair(int type, const char *kind)
{
	char text[16] = "";
	int end[2];

	printf("-- pair of %s\n", kind);
	check(socketpair(AF_UNIX, type, 0, end) == 0);
	print_unix("own", own_name(end[0]));
	print_unix("peer", peer_name(end[0]));
	printf("new: events %x\n", events(end[0], 0));
	fails(recv(end[1], text, sizeof(text), MSG_DONTWAIT), EAGAIN);
	try(send(end[0], "abcdef", 6, 0));
	try(send(end[0], "gh", 2, 0));
	printf("data: events %x\n", events(end[1], 0));
	try(recv(end[1], text, 4, MSG_PEEK));
	try(recv(end[1], text, 3, 0));
	try(recv(end[1], text, 8, 0));
	printf("last %.5s\n", text);
	printf("waiting: events %x\n", events(end[1], 0));
	if (type == SOCK_STREAM)
		check(shutdown(end[0], SHUT_WR) == 0);
	else
		check(send(end[0], "", 0, 0) == 0);
	printf("then: events %x and %x\n", events(end[1], 0), events(end[0], 0));
	try(recv(end[1], text, 8, 0));
	close(end[0]);
	printf("closed: events %x\n", events(end[1], 0));
	try(recv(end[1], text, 8, MSG_DONTWAIT));
	try(send(end[1], text, 1, MSG_NOSIGNAL));
	close(end[1]);
	/* Closed with data unread. */
	check(socketpair(AF_UNIX, type, 0, end) == 0);
	check(send(end[0], "unread", 6, 0) == 6);
	close(end[1]);
	printf("unread: events %x\n", events(end[0], 0));
	try(recv(end[0], text, 8, MSG_DONTWAIT));
	try(recv(end[0], text, 8, MSG_DONTWAIT));
	close(end[0]);
	check(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, end) == 0);
	printf("flags %x %x\n", fcntl(end[1], F_GETFL), fcntl(end[1], F_GETFD));
	fails(read(end[0], text, 1), EAGAIN);
	printf("type %d, family %d, protocol %d\n", option(end[0], SOL_SOCKET, SO_TYPE),
	       option(end[0], SOL_SOCKET, SO_DOMAIN), option(end[0], SOL_SOCKET, SO_PROTOCOL));
	close(end[0]);
	close(end[1]);
}

static void test_listener(int type, struct name name)
{
	int listener = socket(AF_UNIX, type, 0), fd = socket(AF_UNIX, type, 0), end;
	struct name from = { .size = sizeof(from.room) };
	char text[16] = "";

	fails(connect(fd, &name.any, name.size),
	      name.un.sun_path[0] == '\0' ? ECONNREFUSED : ENOENT);
	check(bind(listener, &name.any, name.size) == 0);
	fails(bind(fd, &name.any, name.size), EADDRINUSE);
	try(bind(listener, &name.any, name.size));
	fails(connect(fd, &name.any, name.size), ECONNREFUSED);
	fails(accept(listener, NULL, NULL), EINVAL);
	check(listen(listener, 3) == 0);
	print_unix("listener", own_name(listener));
	check(connect(fd, &name.any, name.size) == 0);
	fails(connect(fd, &name.any, name.size), EISCONN);
	print_unix("client", own_name(fd));
	print_unix("its peer", peer_name(fd));
	check(send(fd, "early", 5, 0) == 5);
	printf("listener: events %x\n", events(listener, 0));
	end = accept4(listener, &from.any, &from.size, SOCK_CLOEXEC);
	check(end >= 0);
	print_unix("accepted from", from);
	print_unix("accepted", own_name(end));
	try(recv(end, text, sizeof(text), 0));
	try(send(end, "answer", 6, 0));
	close(end);
	try(recv(fd, text, sizeof(text), 0));
	try(recv(fd, text, sizeof(text), 0));
	close(fd);
	struct ucred peer;
	socklen_t size = sizeof(peer);
	fd = socket(AF_UNIX, type, 0);
	check(connect(fd, &name.any, name.size) == 0);
	check(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	printf("peer is this process: %d, size %u\n", peer.pid == getpid() && peer.uid == getuid(),
	       size);
	/* Waiting connections fill the queue. */
	int more[6], count = 0;
	for (; count < 6; count++) {
		more[count] = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
		if (connect(more[count], &name.any, name.size) != 0)
			break;
	}
	printf("%d more, then errno %d\n", count, errno);
	close(listener);
	try(recv(fd, text, sizeof(text), 0));
	close(fd);
	for (int i = 0; i <= count && i < 6; i++)
		close(more[i]);
}

static void test_datagrams(void)
{
	struct name a_name = abstract_name("datagrams-a"), b_name = abstract_name("datagrams-b");
	struct name from = { .size = sizeof(from.room) };
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
	int c = socket(AF_UNIX, SOCK_STREAM, 0);
	char text[16] = "";

	check(bind(a, &a_name.any, a_name.size) == 0);
	fails(send(b, "x", 1, 0), ENOTCONN);
	try(sendto(b, "nameless", 8, 0, &a_name.any, a_name.size));
	try(recvfrom(a, text, sizeof(text), 0, &from.any, &from.size));
	print_unix("from", from);
	check(bind(b, &b_name.any, b_name.size) == 0);
	check(connect(b, &a_name.any, a_name.size) == 0);
	try(send(b, "named", 5, 0));
	from.size = sizeof(from.room);
	try(recvfrom(a, text, sizeof(text), 0, &from.any, &from.size));
	print_unix("from", from);
	try(sendto(a, "back", 4, 0, &from.any, from.size));
	try(recv(b, text, 2, MSG_TRUNC));
	from = abstract_name("nobody");
	fails(sendto(a, "x", 1, 0, &from.any, from.size), ECONNREFUSED);
	try(connect(c, &a_name.any, a_name.size));
	fails(listen(a, 1), EOPNOTSUPP);
	close(a);
	fails(send(b, "x", 1, 0), ECONNREFUSED);
	close(b);
	close(c);
}

static ssize_t send_files(int to, const char *text, const int *files, int count)
{
	char control[CMSG_SPACE(8 * sizeof(int))];
	struct iovec vec = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };
	struct cmsghdr *head;

	memset(control, 0, sizeof(control));
	if (count != 0) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		memcpy(CMSG_DATA(head), files, (size_t)count * sizeof(int));
	}
	return sendmsg(to, &message, 0);
}

static int receive_files(int from, int *files, int room, int flags)
{
	char control[CMSG_SPACE(8 * sizeof(int))], text[16] = "";
	struct iovec vec = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };
	struct cmsghdr *head;
	int count = 0;

	message.msg_control = room != 0 ? control : NULL;
	message.msg_controllen = room != 0 ? CMSG_SPACE((size_t)room * sizeof(int)) : 0;
	ssize_t got = recvmsg(from, &message, flags);
	check(got >= 0);
	head = CMSG_FIRSTHDR(&message);
	if (head != NULL) {
		check(head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS);
		count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(files, CMSG_DATA(head), (size_t)count * sizeof(int));
	}
	printf("received \"%s\" with %d files, flags %x\n", text, count,
	       (unsigned)message.msg_flags & ~(unsigned)MSG_CMSG_CLOEXEC);
	return count;
}

static void test_passing(int type)
{
	int end[2], pipes[2], got[8], count;
	char c = 0;

	check(socketpair(AF_UNIX, type, 0, end) == 0);
	check(pipe(pipes) == 0);
	try(send_files(end[0], "one", pipes, 1));
	close(pipes[0]);
	check(receive_files(end[1], got, 4, MSG_CMSG_CLOEXEC) == 1);
	check(write(pipes[1], "p", 1) == 1 && read(got[0], &c, 1) == 1);
	printf("through the pipe: %c, close-on-exec %d\n", c, fcntl(got[0], F_GETFD));
	close(got[0]);
	/* Data before and after is not joined with that which files came with. */
	check(send(end[0], "before", 6, 0) == 6);
	check(send_files(end[0], "with", pipes + 1, 1) == 4);
	check(send(end[0], "after", 5, 0) == 5);
	while ((count = receive_files(end[1], got, 4, MSG_DONTWAIT)) == 0)
		;
	close(got[0]);
	receive_files(end[1], got, 4, MSG_DONTWAIT);
	/* No room for them all. */
	int three[3] = { pipes[1], end[0], end[1] };
	check(send_files(end[0], "three", three, 3) == 5);
	count = receive_files(end[1], got, 1, 0);
	for (int i = 0; i < count; i++)
		close(got[i]);
	check(send_files(end[0], "unwanted", three, 2) == 8);
	receive_files(end[1], got, 0, 0);
	int bad = 99;
	fails(send_files(end[0], "bad", &bad, 1), EBADF);
	/* Sockets in a socket that is closed before anybody took them out. */
	int inner[2];
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0);
	check(send_files(end[0], "socket", inner, 1) == 6);
	check(write(inner[1], "hold", 4) == 4);
	close(inner[0]);
	close(pipes[1]);
	close(end[0]);
	close(end[1]);
	events_with(inner[1], POLLHUP);
	printf("dropped with it: events %x\n", events(inner[1], 0));
	close(inner[1]);
}

static void *feed(void *arg)
{
	static char block[30000];

	for (int i = 0; i < 100; i++) {
		memset(block, i, sizeof(block));
		for (size_t done = 0; done < sizeof(block);) {
			ssize_t sent = write(*(int *)arg, block + done, sizeof(block) - done);

			check(sent > 0);
			done += (size_t)sent;
		}
	}
	check(shutdown(*(int *)arg, SHUT_WR) == 0);
	return NULL;
}

/* Who sent a message is told to those who ask. */
static void test_credentials(int type)
{
	struct {
		int pid;
		unsigned uid, gid;
	} from = { 0 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(from))];
	} control;
	char c;
	struct iovec vec = { &c, 1 };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control };
	int end[2];

	check(socketpair(AF_UNIX, type, 0, end) == 0);
	printf("asks: %d\n", option(end[1], SOL_SOCKET, SO_PASSCRED));
	try(set_option(end[1], SOL_SOCKET, SO_PASSCRED, 1));
	check(write(end[0], "x", 1) == 1);
	message.msg_controllen = sizeof(control);
	try(recvmsg(end[1], &message, 0));
	check(CMSG_FIRSTHDR(&message) != NULL && control.head.cmsg_level == SOL_SOCKET);
	printf("type %d\n", control.head.cmsg_type);
	memcpy(&from, CMSG_DATA(&control.head), sizeof(from));
	check(from.pid == getpid() && from.uid == getuid() && from.gid == getgid());
	close(end[0]);
	close(end[1]);
}

static void test_much(void)
{
	static unsigned char block[65536];
	pthread_t thread;
	long total = 0, sum = 0;
	ssize_t got;
	int end[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, end) == 0);
	check(pthread_create(&thread, NULL, feed, &end[0]) == 0);
	while ((got = read(end[1], block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			sum += block[i];
		total += got;
	}
	pthread_join(thread, NULL);
	printf("much: %ld sum %ld\n", total, sum);
	no_wait(end[1]);
	while (write(end[1], block, sizeof(block)) > 0)
		;
	printf("full: errno %d events %x\n", errno, events(end[1], 0) & POLLOUT);
	close(end[0]);
	close(end[1]);
	check(socketpair(AF_UNIX, SOCK_DGRAM, 0, end) == 0);
	no_wait(end[0]);
	while (write(end[0], block, 1000) > 0)
		;
	printf("full: errno %d events %x\n", errno, events(end[0], 0) & POLLOUT);
	fails(send(end[0], block, 4000000, 0), EMSGSIZE);
	close(end[0]);
	close(end[1]);
}

int main(void)
{
	char path[64];
	struct name name;
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), end[2];

	print_unix("unbound", own_name(fd));
	fails(listen(fd, 1), EINVAL);
	fails(send(fd, "x", 1, 0), ENOTCONN);
	fails(recv(fd, path, 1, MSG_DONTWAIT), EINVAL);
	printf("events %x\n", events(fd, 0));
	close(fd);
	fails(socketpair(AF_INET, SOCK_STREAM, 0, end), EOPNOTSUPP);
	test_pair(SOCK_STREAM, "streams");
	test_pair(SOCK_DGRAM, "datagrams");
	test_pair(SOCK_SEQPACKET, "packets");
	check(mkdir("/tmp", 0777) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "/tmp/uni-socket-test");
	unlink(path);
	printf("-- named\n");
	test_listener(SOCK_STREAM, unix_name(path));
	check(stat(path, &st) == 0);
	printf("a socket: %d\n", S_ISSOCK(st.st_mode));
	fails(open(path, O_RDWR), ENXIO);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	name = unix_name(path);
	fails(connect(fd, &name.any, name.size), ECONNREFUSED);
	close(fd);
	check(unlink(path) == 0);
	printf("-- abstract\n");
	test_listener(SOCK_STREAM, abstract_name("uni socket test"));
	test_listener(SOCK_SEQPACKET, abstract_name("uni socket test"));
	printf("-- datagrams\n");
	test_datagrams();
	printf("-- passed on\n");
	test_passing(SOCK_STREAM);
	test_passing(SOCK_DGRAM);
	test_passing(SOCK_SEQPACKET);
	test_credentials(SOCK_STREAM);
	test_credentials(SOCK_DGRAM);
	test_much();
	return 0;
}
