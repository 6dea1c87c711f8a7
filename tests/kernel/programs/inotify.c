/*
 * Watching files and folders: what is told, in which order, and what is refused.
 */
#include "t.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static int in;

static const char *word(uint32_t bit)
{
	static const char *const words[] = { "access", "modify",  "attrib",   "close-write",
					     "close",  "open",	  "from",     "to",
					     "create", "delete",  "del-self", "move-self",
					     "?",      "unmount", "overflow", "ignored" };

	return bit == 30 ? "dir" : bit < 16 ? words[bit] : "?";
}

/* What there is to be read, a line an event; cookies as the difference to the first. */
static void show(const char *after)
{
	char room[8192] __attribute__((aligned(8)));
	uint32_t first = 0;
	int ready = 0;
	ssize_t size;

	printf("%s:\n", after);
	check(ioctl(in, FIONREAD, &ready) == 0);
	size = read(in, room, sizeof(room));
	if (size < 0) {
		check(errno == EAGAIN && ready == 0);
		return;
	}
	check(size == ready);
	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *e = (void *)(room + at);

		printf("  %d", e->wd);
		for (uint32_t bit = 0; bit < 32; bit++)
			if (e->mask & 1u << bit)
				printf(" %s", word(bit));
		if (e->len != 0)
			printf(" '%s' (%u)", e->name, e->len);
		if (e->cookie != 0) {
			first = first != 0 ? first : e->cookie;
			printf(" cookie +%u", e->cookie - first);
		}
		printf("\n");
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

static void make(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

	check(fd >= 0);
	check(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	check(close(fd) == 0);
}

static void test_folder(void)
{
	int wd = inotify_add_watch(in, "d", IN_ALL_EVENTS), fd;
	char c;

	check(wd == 1);
	check(inotify_add_watch(in, "d/.", IN_ALL_EVENTS) == wd);
	make("d/file", "text");
	show("made");
	fd = open("d/file", O_RDWR);
	check(fd >= 0 && read(fd, &c, 1) == 1 && read(fd, &c, 1) == 1);
	check(write(fd, "x", 1) == 1 && ftruncate(fd, 2) == 0 && close(fd) == 0);
	show("read, written, cut");
	check(mkdir("d/sub", 0755) == 0 && symlink("file", "d/link") == 0);
	check(link("d/file", "d/second") == 0);
	show("more names");
	check(rename("d/file", "d/a-name-that-is-longer-than-fifteen") == 0);
	check(rename("d/second", "e/second") == 0 && rename("e/second", "d/second") == 0);
	show("renamed");
	check(unlink("d/second") == 0 && rmdir("d/sub") == 0 && unlink("d/link") == 0);
	show("removed");
	check(inotify_rm_watch(in, wd) == 0);
	fails(inotify_rm_watch(in, wd), EINVAL);
	make("d/unseen", "");
	show("not watched");
}

static void test_file(void)
{
	int wd;

	make("e/f", "1");
	wd = inotify_add_watch(in, "e/f", IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF);
	check(wd == 2);
	make("e/f", "2");
	check(chmod("e/f", 0600) == 0);
	check(rename("e/f", "e/g") == 0);
	show("the file");
	make("e/h", "");
	check(rename("e/h", "e/g") == 0);
	show("replaced");
	wd = inotify_add_watch(in, "e/g", IN_OPEN | IN_ONESHOT);
	make("e/g", "");
	make("e/g", "");
	show("once");
	wd = inotify_add_watch(in, "e/g", IN_CLOSE_WRITE);
	check(inotify_add_watch(in, "e/g", IN_OPEN | IN_MASK_ADD) == wd);
	fails(inotify_add_watch(in, "e/g", IN_OPEN | IN_MASK_CREATE), EEXIST);
	make("e/g", "");
	show("added to");
}

static void test_refused(void)
{
	fails(inotify_init1(1), EINVAL);
	fails(inotify_add_watch(in, "nothing", IN_OPEN), ENOENT);
	fails(inotify_add_watch(in, "e/g", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	fails(inotify_add_watch(in, "e/g", 0), EINVAL);
	fails(inotify_add_watch(99, "e/g", IN_OPEN), EBADF);
	fails(inotify_add_watch(1, "e/g", IN_OPEN), EINVAL);
	fails(inotify_add_watch(in, (char *)8, IN_OPEN), EFAULT);
	make("e/g", "");
	fails(read(in, &(char){ 0 }, 1), EINVAL);
	show("too little room");
}

static void *later(void *arg)
{
	(void)arg;
	usleep(20000);
	make("d/woken", "");
	return NULL;
}

static void test_waiting(void)
{
	struct pollfd p = { .fd = in, .events = POLLIN };
	pthread_t thread;

	check(inotify_add_watch(in, "d", IN_CREATE) > 0);
	check(poll(&p, 1, 0) == 0);
	check(pthread_create(&thread, NULL, later, NULL) == 0);
	check(poll(&p, 1, 20000) == 1 && p.revents == POLLIN);
	check(pthread_join(thread, NULL) == 0);
	show("waited");
}

static void test_overflow(void)
{
	const struct inotify_event *e;
	char room[4096] __attribute__((aligned(8))), name[64];
	int lost = 0, count = 0;
	ssize_t size;

	for (int i = 0; i < 9000; i++) {
		snprintf(name, sizeof(name), "d/%d", i % 2);
		make(name, "");
		check(unlink(name) == 0);
	}
	check(inotify_add_watch(in, "d", IN_CREATE | IN_DELETE) > 0);
	for (int i = 0; i < 9000; i++) {
		make("d/x", "");
		check(unlink("d/x") == 0);
	}
	while ((size = read(in, room, sizeof(room))) > 0)
		for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof(*e) + e->len)) {
			e = (void *)(room + at);
			count++;
			lost += (e->mask & IN_Q_OVERFLOW) != 0 && e->wd == -1;
		}
	check(lost == 1 && count == 16385);
	done("overflow");
}

int main(void)
{
	char folder[] = "/tmp/inotify-XXXXXX", command[PATH_MAX];

	mkdir("/tmp", 01777);
	check(mkdtemp(folder) != NULL && chdir(folder) == 0);
	check(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0);
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	check(in >= 0);
	test_folder();
	test_file();
	test_refused();
	test_waiting();
	test_overflow();
	check(rename("d", "moved") == 0);
	check(close(in) == 0);
	done("closed");
	snprintf(command, sizeof(command), "%s/moved/woken", folder);
	check(access(command, F_OK) == 0);
	return 0;
}
