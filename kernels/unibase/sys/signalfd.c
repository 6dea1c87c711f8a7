/*
 * signalfd(2): signals that the program blocks, read from a descriptor by whoever reads it.
 */
#include "../proc/proc.h"
#include <uk/mem.h>
#include <uk/syscall.h>
#include <uk/user.h>
#include <uk/vfs.h>

/* As read gives it (struct signalfd_siginfo). */
struct record {
	uint32_t signo;
	int32_t error, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t tid, band, overrun, trap;
	int32_t status, value;
	uint64_t pointer, utime, stime, address;
	uint8_t pad[48];
};
_Static_assert(sizeof(struct record) == 128, "Linux ABI");

struct signals {
	uk_sigset_t wanted;
};

static bool take(const struct signals *signals, struct uk_siginfo *info)
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	int signo = uk_signal_take(signals->wanted, info);

	uk_signal_recheck(uk_task_self());
	uk_spin_unlock(&uk_process.lock, state);
	return signo != 0;
}

static int64_t put(struct uk_iter *to, const struct uk_siginfo *info)
{
	struct record r = {
		.signo = (uint32_t)info->signo,
		.error = info->error,
		.code = info->code,
		.pointer = info->u.from.value,
		.value = (int32_t)info->u.from.value,
	};
	int64_t moved;

	if (info->code == UK_SI_TIMER) {
		r.tid = (uint32_t)info->u.from.pid;
		r.overrun = info->u.from.uid;
	} else {
		r.pid = (uint32_t)info->u.from.pid;
		r.uid = info->u.from.uid;
	}
	moved = uk_iter_put(to, &r, sizeof(r));
	return moved == (int64_t)sizeof(r) ? moved : -UK_EFAULT;
}

static int64_t signals_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	struct signals *signals = file->data;
	struct uk_siginfo info;
	int64_t done = 0, result;

	(void)offset;
	if (to->left < sizeof(struct record))
		return -UK_EINVAL;
	while (to->left >= sizeof(struct record)) {
		if (!take(signals, &info)) {
			if (done != 0)
				break;
			if (file->flags & UK_O_NONBLOCK)
				return -UK_EAGAIN;
			result = uk_wait_event(&uk_process.arrived, take(signals, &info),
					       UK_FOREVER, true);
			if (result != 0)
				return result;
		}
		result = put(to, &info);
		if (result < 0)
			return done != 0 ? done : result;
		done += result;
	}
	return done;
}

static unsigned signals_poll(struct uk_file *file, struct uk_poll *poll)
{
	const struct signals *signals = file->data;
	uk_sigset_t set;

	uk_poll_add(poll, &uk_process.arrived);
	set = uk_task_self()->pending.set | uk_process.pending.set;
	return set & signals->wanted ? UK_POLLIN | UK_POLLRDNORM : 0;
}

static void signals_release(struct uk_file *file)
{
	uk_free(file->data);
}

static int signals_describe(struct uk_file *file, char *to, size_t room)
{
	size_t size = uk_strlcpy(to, "anon_inode:[signalfd]", room);

	(void)file;
	return size < room ? (int)size : -UK_ERANGE;
}

static const struct uk_file_ops signals_ops = {
	.read = signals_read,
	.poll = signals_poll,
	.release = signals_release,
	.describe = signals_describe,
	.stream = true,
};

static int64_t change(int fd, uk_sigset_t wanted)
{
	struct uk_file *file = uk_fd_get(fd);
	int64_t result = -UK_EINVAL;

	if (file == NULL)
		return -UK_EBADF;
	if (file->ops == &signals_ops) {
		((struct signals *)file->data)->wanted = wanted;
		uk_wake_all(&uk_process.arrived);
		result = fd;
	}
	uk_file_put(file);
	return result;
}

static int64_t make(int fd, uint64_t user, uint64_t size, uint32_t flags)
{
	struct signals *signals;
	struct uk_file *file;
	uk_sigset_t wanted;

	if (size != sizeof(wanted) || (flags & ~(uint32_t)(UK_O_CLOEXEC | UK_O_NONBLOCK)) != 0)
		return -UK_EINVAL;
	if (uk_copy_from_user(&wanted, user, sizeof(wanted)) != 0)
		return -UK_EFAULT;
	wanted &= ~(UK_SIGBIT(UK_SIGKILL) | UK_SIGBIT(UK_SIGSTOP));
	if (fd != -1)
		return change(fd, wanted);
	signals = uk_alloc(sizeof(*signals));
	if (signals == NULL)
		return -UK_ENOMEM;
	signals->wanted = wanted;
	file = uk_file_new(&signals_ops, signals, UK_O_RDWR | (flags & UK_O_NONBLOCK));
	if (file == NULL) {
		uk_free(signals);
		return -UK_ENOMEM;
	}
	return uk_fd_install(file, (flags & UK_O_CLOEXEC) != 0);
}

int64_t uk_sys_signalfd(const struct uk_sysargs *s)
{
	return make((int)s->a[0], s->a[1], s->a[2], 0);
}

int64_t uk_sys_signalfd4(const struct uk_sysargs *s)
{
	return make((int)s->a[0], s->a[1], s->a[2], (uint32_t)s->a[3]);
}
