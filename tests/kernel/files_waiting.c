/*
 * The story of what is waited for: pipes, events, files in memory. As files_story.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "files_calls.h"

/* Some C libraries make macros of these. */
#undef pread64
#undef pwrite64

static const struct world *w;
static char buffer[65536];

static void pipes(void)
{
	struct pollfd poll[2];
	int fds[2], left = 0;

	w->say("-- pipes\n");
	TELL(pipe2, P(fds), O_NONBLOCK);
	w->say("%d %d\n", fds[0], fds[1]);
	TELL(read, 3, P(buffer), 10);
	TELL(write, 4, P("hello"), 5);
	TELL(ioctl, 3, 0x541b, P(&left));
	w->say("%d\n", left);
	TELL(read, 3, P(buffer), 3);
	TELL(read, 3, P(buffer), 10);
	TELL(read, 4, P(buffer), 10);
	TELL(write, 3, P(buffer), 10);
	TELL(lseek, 3, 0, SEEK_SET);
	TELL(pread64, 3, P(buffer), 1, 0);
	memset(buffer, 'p', sizeof(buffer));
	TELL(fcntl, 3, F_GETPIPE_SZ, 0);
	TELL(write, 4, P(buffer), 65536);
	TELL(write, 4, P(buffer), 1);
	TELL(read, 3, P(buffer), 4095);
	TELL(write, 4, P(buffer), 4096);
	TELL(read, 3, P(buffer), 1);
	TELL(write, 4, P(buffer), 4096);
	TELL(write, 4, P(buffer), 1);
	TELL(fcntl, 3, F_SETPIPE_SZ, 131072);
	TELL(write, 4, P(buffer), 10000);
	TELL(fcntl, 3, F_SETPIPE_SZ, 4096);
	TELL(fcntl, 3, F_SETPIPE_SZ, 1 << 30);
	poll[0] = (struct pollfd){ .fd = 3, .events = POLLIN | POLLOUT };
	poll[1] = (struct pollfd){ .fd = 4, .events = POLLIN | POLLOUT };
	TELL(poll, P(poll), 2, 0);
	w->say("%x %x\n", poll[0].revents, poll[1].revents);
	while (CALL(read, 3, P(buffer), 65536) > 0)
		continue;
	TELL(poll, P(poll), 2, 0);
	w->say("%x %x\n", poll[0].revents, poll[1].revents);
	TELL(close, 4);
	TELL(read, 3, P(buffer), 10);
	TELL(poll, P(poll), 2, 0);
	w->say("%x %x\n", poll[0].revents, poll[1].revents);
	TELL(close, 3);
	TELL(pipe, P(fds));
	TELL(pipe2, P(fds), 1);
	TELL(pipe, 0);
	TELL(close, 3);
	TELL(poll, P(poll), 2, 0);
	w->say("%x %x\n", poll[0].revents, poll[1].revents);
	TELL(close, 4);
	TELL(open, P("fifo"), O_RDWR, 0);
	TELL(write, 3, P("fifo"), 4);
	TELL(open, P("fifo"), O_RDONLY | O_NONBLOCK, 0);
	TELL(read, 4, P(buffer), 10);
	TELL(read, 4, P(buffer), 10);
	TELL(close, 3);
	TELL(read, 4, P(buffer), 10);
	TELL(close, 4);
}

static void events(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.u64 = 7 }, got[4];
	struct pollfd poll[3];
	struct timeval zero = { 0, 0 };
	fd_set in, out;
	uint64_t value = 0;

	w->say("-- events\n");
	TELL(eventfd2, 3, 04000);
	TELL(read, 3, P(&value), 8);
	w->say("%llu\n", (unsigned long long)value);
	TELL(read, 3, P(&value), 8);
	TELL(read, 3, P(&value), 7);
	value = ~0ull;
	TELL(write, 3, P(&value), 8);
	value = ~0ull - 1;
	TELL(write, 3, P(&value), 8);
	TELL(write, 3, P(&value), 8);
	poll[0] = (struct pollfd){ .fd = 3, .events = POLLIN | POLLOUT };
	poll[1] = (struct pollfd){ .fd = -1, .events = POLLIN };
	poll[2] = (struct pollfd){ .fd = 99, .events = POLLIN };
	TELL(poll, P(poll), 3, 0);
	w->say("%x %x %x\n", poll[0].revents, poll[1].revents, poll[2].revents);
	TELL(poll, P(poll), -1, 0);
	TELL(eventfd2, 2, 1);
	TELL(read, 4, P(&value), 8);
	w->say("%llu\n", (unsigned long long)value);
	TELL(eventfd2, 0, 2);
	TELL(epoll_create1, 1);
	TELL(epoll_create, 0);
	TELL(epoll_create1, O_CLOEXEC);
	TELL(epoll_ctl, 5, EPOLL_CTL_ADD, 4, P(&event));
	TELL(epoll_ctl, 5, EPOLL_CTL_ADD, 4, P(&event));
	TELL(epoll_ctl, 5, EPOLL_CTL_ADD, 5, P(&event));
	TELL(epoll_ctl, 5, EPOLL_CTL_ADD, 99, P(&event));
	TELL(epoll_ctl, 5, EPOLL_CTL_MOD, 3, P(&event));
	TELL(epoll_ctl, 5, 77, 4, P(&event));
	TELL(epoll_ctl, 4, EPOLL_CTL_ADD, 3, P(&event));
	make_file(w, "ep", "x");
	TELL(open, P("ep"), O_RDONLY, 0);
	TELL(epoll_ctl, 5, EPOLL_CTL_ADD, 6, P(&event));
	TELL(close, 6);
	TELL(epoll_wait, 5, P(got), 4, 0);
	w->say("%x %llu\n", got[0].events, (unsigned long long)got[0].data.u64);
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_wait, 5, P(got), 0, 0);
	TELL(epoll_wait, 4, P(got), 4, 0);
	event.events = EPOLLIN | EPOLLET;
	TELL(epoll_ctl, 5, EPOLL_CTL_MOD, 4, P(&event));
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_wait, 5, P(got), 4, 0);
	value = 5;
	TELL(write, 4, P(&value), 8);
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_wait, 5, P(got), 4, 0);
	event.events = EPOLLIN | EPOLLONESHOT;
	TELL(epoll_ctl, 5, EPOLL_CTL_MOD, 4, P(&event));
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(write, 4, P(&value), 8);
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_ctl, 5, EPOLL_CTL_MOD, 4, P(&event));
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_ctl, 5, EPOLL_CTL_ADD, 3, P(&event));
	TELL(close, 3);
	TELL(epoll_wait, 5, P(got), 4, 0);
	TELL(epoll_ctl, 5, EPOLL_CTL_DEL, 4, 0);
	TELL(epoll_ctl, 5, EPOLL_CTL_DEL, 4, 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(4, &in);
	FD_SET(4, &out);
	TELL(select, 5, P(&in), P(&out), 0, P(&zero));
	w->say("%d %d\n", FD_ISSET(4, &in) != 0, FD_ISSET(4, &out) != 0);
	FD_SET(3, &in);
	TELL(select, 5, P(&in), 0, 0, P(&zero));
	TELL(select, -1, P(&in), 0, 0, P(&zero));
	zero.tv_usec = -1;
	TELL(select, 5, 0, 0, 0, P(&zero));
	TELL(close, 4);
	TELL(close, 5);
}

static void memory_files(void)
{
	struct stat st;

	w->say("-- files in memory\n");
	TELL(memfd_create, P("name"), 1 | 2);
	TELL(write, 3, P("memory"), 6);
	TELL(fstat, 3, P(&st));
	w->say("%o %lld %lu\n", st.st_mode & 0170000, (long long)st.st_size,
	       (unsigned long)st.st_nlink);
	TELL(fcntl, 3, F_GET_SEALS, 0);
	TELL(fcntl, 3, F_ADD_SEALS, F_SEAL_GROW);
	TELL(write, 3, P("memory"), 6);
	TELL(pwrite64, 3, P("MEMORY"), 6, 0);
	TELL(ftruncate, 3, 100);
	TELL(ftruncate, 3, 3);
	TELL(fcntl, 3, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL | F_SEAL_SHRINK);
	TELL(pwrite64, 3, P("MEMORY"), 1, 0);
	TELL(ftruncate, 3, 0);
	TELL(fcntl, 3, F_ADD_SEALS, 0);
	TELL(fcntl, 3, F_GET_SEALS, 0);
	TELL(close, 3);
	TELL(memfd_create, P("name"), 0x8000);
	TELL(getrandom, P(buffer), 16, 0);
	TELL(getrandom, P(buffer), 16, 99);
}

void files_waiting_story(const struct world *world)
{
	w = world;
	pipes();
	events();
	memory_files();
}
