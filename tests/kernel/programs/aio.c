/*
 * Asynchronous I/O as libaio makes it: submitted, fetched, told by an eventfd.
 * @option --tmpfs /tmp:16777216
 */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

/* <linux/aio_abi.h>, which is not among musl's headers. */
typedef unsigned long aio_context_t;

struct iocb {
	uint64_t aio_data;
	uint32_t aio_key, aio_rw_flags;
	uint16_t aio_lio_opcode;
	int16_t aio_reqprio;
	uint32_t aio_fildes;
	uint64_t aio_buf, aio_nbytes;
	int64_t aio_offset;
	uint64_t aio_reserved2;
	uint32_t aio_flags, aio_resfd;
};

struct io_event {
	uint64_t data, obj;
	int64_t res, res2;
};

enum {
	IOCB_CMD_PREAD = 0,
	IOCB_CMD_PWRITE = 1,
	IOCB_CMD_FSYNC = 2,
	IOCB_CMD_FDSYNC = 3,
	IOCB_CMD_PREADV = 7,
	IOCB_CMD_PWRITEV = 8,
	IOCB_FLAG_RESFD = 1,
};

static aio_context_t context;
static char data[8192], got[8192];

static long submit(struct iocb *one)
{
	return syscall(SYS_io_submit, context, 1, &one);
}

static long events(long least, long most, struct io_event *to, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	return syscall(SYS_io_getevents, context, least, most, to, ms < 0 ? NULL : &t);
}

static struct iocb operation(int opcode, int fd, void *at, size_t size, off_t offset)
{
	return (struct iocb){
		.aio_lio_opcode = (uint16_t)opcode,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = (uintptr_t)at,
		.aio_nbytes = size,
		.aio_offset = offset,
		.aio_data = (uintptr_t)opcode + 100,
	};
}

static void result(struct iocb *cb)
{
	struct io_event e;

	check(submit(cb) == 1 && events(1, 1, &e, -1) == 1);
	check(e.obj == (uintptr_t)cb);
	printf("operation %d: %ld\n", (int)e.data - 100, (long)e.res);
}

static void contexts(void)
{
	aio_context_t none = 0, wrong = 77;

	fails(syscall(SYS_io_setup, 0, &none), EINVAL);
	fails(syscall(SYS_io_setup, 1, &wrong), EINVAL);
	fails(syscall(SYS_io_setup, 1, NULL), EFAULT);
	fails(syscall(SYS_io_setup, -1, &none), EINVAL);
	fails(syscall(SYS_io_destroy, 77), EINVAL);
	fails(syscall(SYS_io_submit, 77, 0, NULL), EINVAL);
	fails(syscall(SYS_io_getevents, 77, 0, 0, NULL, NULL), EINVAL);
	check(syscall(SYS_io_setup, 4, &context) == 0 && context != 0);
	check(syscall(SYS_io_submit, context, 0, NULL) == 0);
	fails(syscall(SYS_io_submit, context, -1L, NULL), EINVAL);
	fails(syscall(SYS_io_submit, context, 1, NULL), EFAULT);
	fails(syscall(SYS_io_cancel, context, NULL, NULL), EFAULT);
	done("contexts");
}

/* What a call that fails made is gone again; no more events are promised than there may be. */
static void no_leak(void)
{
	enum { ALL = 65536 };
	aio_context_t *constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	aio_context_t more = 0;

	check(constant != MAP_FAILED);
	for (int i = 0; i < 3 * ALL / 16384; i++)
		fails(syscall(SYS_io_setup, 16384, constant), EFAULT);
	check(syscall(SYS_io_setup, ALL - 4, &more) == 0 && more != 0);
	check(syscall(SYS_io_destroy, more) == 0);
	more = 0;
	fails(syscall(SYS_io_setup, ALL - 3, &more), EAGAIN);
	check(munmap(constant, 4096) == 0);
	done("no leak");
}

static void transfers(int fd)
{
	struct iovec v[2] = { { got, 3 }, { got + 100, 500 } };
	struct io_event e;
	struct iocb cb = operation(IOCB_CMD_PWRITE, fd, data, 8192, 0);

	result(&cb);
	cb = operation(IOCB_CMD_PREAD, fd, got, 4096, 4096);
	result(&cb);
	check(memcmp(got, data + 4096, 4096) == 0);
	cb = operation(IOCB_CMD_PREAD, fd, got, 4096, 8000);
	result(&cb);
	cb = operation(IOCB_CMD_PREAD, fd, got, 4096, 9000);
	result(&cb);
	cb = operation(IOCB_CMD_PREADV, fd, v, 2, 10);
	result(&cb);
	check(memcmp(got, data + 10, 3) == 0 && memcmp(got + 100, data + 13, 500) == 0);
	cb = operation(IOCB_CMD_PWRITEV, fd, v, 2, 8192);
	cb.aio_rw_flags = 2; /* RWF_DSYNC */
	result(&cb);
	cb = operation(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
	result(&cb);
	cb = operation(IOCB_CMD_FDSYNC, fd, NULL, 0, 0);
	result(&cb);
	cb = operation(IOCB_CMD_PREAD, fd, (void *)16, 100, 0);
	result(&cb);
	check(submit(&cb) == 1);
	fails(events(1, 1, (struct io_event *)16, -1), EFAULT);
	check(events(1, 1, &e, -1) == 1 && e.obj == (uintptr_t)&cb);
	check(lseek(fd, 0, SEEK_CUR) == 0);
}

static void refusals(int fd)
{
	int only_read = open("/tmp/aio-file", O_RDONLY);
	struct iocb good = operation(IOCB_CMD_PREAD, fd, got, 1, 0), bad = good;
	struct iocb *two[2] = { &good, &bad };
	struct io_event e[4];

	bad.aio_fildes = 999;
	fails(submit(&bad), EBADF);
	check(syscall(SYS_io_submit, context, 2, two) == 1 && events(1, 4, e, -1) == 1);
	bad = operation(IOCB_CMD_PWRITE, only_read, data, 1, 0);
	fails(submit(&bad), EBADF);
	bad = operation(99, fd, data, 1, 0);
	fails(submit(&bad), EINVAL);
	bad = good;
	bad.aio_rw_flags = 1U << 31;
	fails(submit(&bad), EOPNOTSUPP);
	bad = good;
	bad.aio_reserved2 = 1;
	fails(submit(&bad), EINVAL);
	bad = operation(IOCB_CMD_PREAD, fd, got, (size_t)-1, 0);
	fails(submit(&bad), EINVAL);
	bad = operation(IOCB_CMD_PREAD, fd, got, 1, -1);
	fails(submit(&bad), EINVAL);
	bad = operation(IOCB_CMD_FSYNC, fd, got, 1, 0);
	fails(submit(&bad), EINVAL);
	fails(submit((struct iocb *)16), EFAULT);
	check(close(only_read) == 0);
	done("refusals");
}

static void fetching(int fd)
{
	struct iocb cb[3], *list[3];
	struct io_event e[4];
	struct pollfd p = { .fd = eventfd(0, 0), .events = POLLIN };
	uint64_t count, full = UINT64_MAX - 1;

	for (int i = 0; i < 3; i++) {
		cb[i] = operation(IOCB_CMD_PREAD, fd, got, (size_t)i + 1, 0);
		cb[i].aio_flags = IOCB_FLAG_RESFD;
		cb[i].aio_resfd = (uint32_t)p.fd;
		list[i] = &cb[i];
	}
	check(events(0, 4, e, 0) == 0 && events(1, 4, e, 10) == 0);
	fails(events(2, 1, e, 0), EINVAL);
	check(syscall(SYS_io_submit, context, 3, list) == 3);
	check(poll(&p, 1, 10000) == 1 && read(p.fd, &count, 8) == 8 && count == 3);
	check(events(1, 2, e, -1) == 2 && events(2, 4, e + 2, 10) == 1);
	for (int i = 0; i < 3; i++)
		check(e[i].obj == (uintptr_t)&cb[i] && e[i].res == i + 1);
	/* A full counter is not waited for. */
	check(write(p.fd, &full, 8) == 8 && submit(&cb[0]) == 1 && events(1, 1, e, -1) == 1);
	cb[0].aio_resfd = (uint32_t)fd;
	fails(submit(&cb[0]), EINVAL);
	check(close(p.fd) == 0);
	done("fetching");
}

int main(void)
{
	int fd = open("/tmp/aio-file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 5 + i / 256);
	contexts();
	no_leak();
	transfers(fd);
	refusals(fd);
	fetching(fd);
	check(syscall(SYS_io_destroy, context) == 0);
	fails(syscall(SYS_io_destroy, context), EINVAL);
	check(close(fd) == 0 && unlink("/tmp/aio-file") == 0);
	return 0;
}
