/*
 * System calls about threads, and those that would make or become another process, which a
 * unikernel has no room for.
 */
#include "../proc/proc.h"
#include "sys.h"
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/smp.h>
#include <uk/syscall.h>
#include <uk/user.h>
#include <uk/vfs.h>
#include <uni/abi/exit.h>

enum {
	CLONE_VM = 0x100,
	CLONE_FS = 0x200,
	CLONE_FILES = 0x400,
	CLONE_SIGHAND = 0x800,
	CLONE_PIDFD = 0x1000,
	CLONE_THREAD = 0x10000,
	CLONE_SYSVSEM = 0x40000,
	CLONE_SETTLS = 0x80000,
	CLONE_PARENT_SETTID = 0x100000,
	CLONE_CHILD_CLEARTID = 0x200000,
	CLONE_DETACHED = 0x400000,
	CLONE_CHILD_SETTID = 0x1000000,
	CLONE_NEEDED = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
	CLONE_KNOWN = CLONE_NEEDED | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SETTLS |
		      CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED |
		      CLONE_CHILD_SETTID,

	ARCH_SET_GS = 0x1001,
	ARCH_SET_FS = 0x1002,
	ARCH_GET_FS = 0x1003,
	ARCH_GET_GS = 0x1004,

};

/* <linux/wait.h> */
#define WNOHANG 1u
#define WUNTRACED 2u
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x1000000u
#define WAIT_HOW 0xe0000000u /* __WNOTHREAD, __WALL, __WCLONE */
#define P_PIDFD 3u

/* <linux/reboot.h> */
#define REBOOT_MAGIC1 0xfee1deadu
#define REBOOT_MAGIC2 672274793u
#define REBOOT_MAGIC2A 85072278u
#define REBOOT_MAGIC2B 369367448u
#define REBOOT_MAGIC2C 537993216u
#define REBOOT_RESTART 0x01234567u
#define REBOOT_HALT 0xcdef0123u
#define REBOOT_CAD_ON 0x89abcdefu
#define REBOOT_CAD_OFF 0u
#define REBOOT_POWER_OFF 0x4321fedcu

/* As clone3 passes it (struct clone_args). */
struct clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};
enum { CLONE_ARGS_MIN = 64 };

static int64_t new_process(const char *call)
{
	static bool told;

	if (!told)
		uk_log(UK_LOG_WARN,
		       "%s: refused: a unikernel has one program; let it use threads, and give "
		       "another program a machine of its own",
		       call);
	told = true;
	return -UK_ENOSYS;
}

static int64_t clone(const struct clone_args *a, const char *call)
{
	struct uk_task *self = uk_task_self(), *task;
	struct uk_frame frame = *self->frame;
	int tid;

	if ((a->flags & CLONE_NEEDED) != CLONE_NEEDED)
		return new_process(call);
	if ((a->flags & ~(uint64_t)CLONE_KNOWN) != 0 || a->exit_signal != 0)
		return -UK_EINVAL;
	if ((a->flags & CLONE_SETTLS) && a->tls >= UK_USER_END)
		return -UK_EPERM;
	if (!uk_task_fits())
		return -UK_EAGAIN;
	uk_smp_start();
	frame.rax = 0;
	if (a->stack != 0)
		frame.rsp = a->stack + a->stack_size;
	task = uk_task_new(&frame, self->name);
	if (task == NULL)
		return -UK_EAGAIN;
	task->blocked = self->blocked;
	task->thread->fs_base = a->flags & CLONE_SETTLS ? a->tls : uk_user_fs();
	task->thread->gs_base = uk_user_gs();
	task->thread->allowed = self->thread->allowed;
	if (a->flags & CLONE_CHILD_CLEARTID)
		task->clear_tid = a->child_tid;
	uk_task_enlist(task);
	tid = task->tid;
	/* The new thread may run, end and be gone as soon as it is started. */
	if (((a->flags & CLONE_PARENT_SETTID) &&
	     uk_copy_to_user(a->parent_tid, &tid, sizeof(tid)) != 0) ||
	    ((a->flags & CLONE_CHILD_SETTID) &&
	     uk_copy_to_user(a->child_tid, &tid, sizeof(tid)) != 0)) {
		uk_task_drop(task);
		return -UK_EFAULT;
	}
	uk_task_start(task);
	return tid;
}

int64_t uk_sys_clone(const struct uk_sysargs *s)
{
	struct clone_args a = {
		.flags = s->a[0] & ~0xffull,
		.stack = s->a[1],
		.parent_tid = s->a[2],
		.child_tid = s->a[3],
		.tls = s->a[4],
	};

	/* The signal at a thread's end means nothing. */
	return clone(&a, "clone");
}

int64_t uk_sys_clone3(const struct uk_sysargs *s)
{
	struct clone_args a = { .flags = 0 };

	if (s->a[1] < CLONE_ARGS_MIN)
		return -UK_EINVAL;
	if (s->a[1] > UK_PAGE_SIZE)
		return -UK_E2BIG;
	if (uk_copy_from_user(&a, s->a[0], UK_MIN(s->a[1], sizeof(a))) != 0)
		return -UK_EFAULT;
	if (a.set_tid_size != 0 || (a.stack == 0) != (a.stack_size == 0) ||
	    (a.flags & (0xff | CLONE_DETACHED)) != 0)
		return -UK_EINVAL;
	return clone(&a, "clone3");
}

int64_t uk_sys_fork(const struct uk_sysargs *s)
{
	(void)s;
	return new_process("fork");
}

int64_t uk_sys_vfork(const struct uk_sysargs *s)
{
	(void)s;
	return new_process("vfork");
}

int64_t uk_sys_execve(const struct uk_sysargs *s)
{
	(void)s;
	return new_process("execve");
}

int64_t uk_sys_execveat(const struct uk_sysargs *s)
{
	(void)s;
	return new_process("execveat");
}

/* There are no children, but who asks wrongly is told that first. */
int64_t uk_sys_wait4(const struct uk_sysargs *s)
{
	return ((uint32_t)s->a[2] & ~(WAIT_HOW | WNOHANG | WUNTRACED | WCONTINUED)) != 0
		       ? -UK_EINVAL
		       : -UK_ECHILD;
}

int64_t uk_sys_waitid(const struct uk_sysargs *s)
{
	const uint32_t events = WUNTRACED | WEXITED | WCONTINUED;
	uint32_t options = (uint32_t)s->a[3];

	if ((options & ~(WAIT_HOW | WNOHANG | WNOWAIT | events)) != 0 || (options & events) == 0 ||
	    (uint32_t)s->a[0] > P_PIDFD)
		return -UK_EINVAL;
	return -UK_ECHILD;
}

int64_t uk_sys_exit(const struct uk_sysargs *s)
{
	uk_task_exit((int)s->a[0] & 0xff);
}

int64_t uk_sys_exit_group(const struct uk_sysargs *s)
{
	if (uk_process.stopping)
		uk_process_end(UNI_EXIT_POWER, (int)s->a[0] & 0xff, 0, 0, "told to stop");
	uk_process_end(UNI_EXIT_STATUS, (int)s->a[0] & 0xff, 0, 0, "");
}

/* The machine is the program's: to switch it off is to end. */
int64_t uk_sys_reboot(const struct uk_sysargs *s)
{
	if ((uint32_t)s->a[0] != REBOOT_MAGIC1 ||
	    ((uint32_t)s->a[1] != REBOOT_MAGIC2 && (uint32_t)s->a[1] != REBOOT_MAGIC2A &&
	     (uint32_t)s->a[1] != REBOOT_MAGIC2B && (uint32_t)s->a[1] != REBOOT_MAGIC2C))
		return -UK_EINVAL;
	if (uk_process.uid.effective != 0)
		return -UK_EPERM;
	switch ((uint32_t)s->a[2]) {
	case REBOOT_HALT:
	case REBOOT_POWER_OFF:
		uk_process_end(UNI_EXIT_STATUS, 0, 0, 0, "switched off by the program");
	case REBOOT_RESTART:
		uk_vfs_sync();
		uk_machine_restart(UNI_EXIT_STATUS, 0, 0, 0, "restarted by the program");
	case REBOOT_CAD_OFF:
	case REBOOT_CAD_ON:
		return 0;
	default:
		return -UK_EINVAL;
	}
}

int64_t uk_sys_getpid(const struct uk_sysargs *s)
{
	(void)s;
	return UK_PID;
}

int64_t uk_sys_getppid(const struct uk_sysargs *s)
{
	(void)s;
	return 0;
}

int64_t uk_sys_gettid(const struct uk_sysargs *s)
{
	(void)s;
	return uk_task_self()->tid;
}

int64_t uk_sys_set_tid_address(const struct uk_sysargs *s)
{
	struct uk_task *self = uk_thread_self()->user;

	self->clear_tid = s->a[0];
	return self->tid;
}

int64_t uk_sys_set_robust_list(const struct uk_sysargs *s)
{
	if (s->a[1] != 24)
		return -UK_EINVAL;
	uk_task_self()->robust_list = s->a[0];
	return 0;
}

int64_t uk_sys_get_robust_list(const struct uk_sysargs *s)
{
	static const uint64_t size = 24;
	uint64_t state = uk_spin_lock(&uk_process.lock), list = 0;
	struct uk_task *task = (int)s->a[0] == 0 ? uk_task_self() : uk_task_find((int)s->a[0]);

	if (task != NULL)
		list = task->robust_list;
	uk_spin_unlock(&uk_process.lock, state);
	if (task == NULL)
		return -UK_ESRCH;
	if (uk_copy_to_user(s->a[2], &size, sizeof(size)) != 0)
		return -UK_EFAULT;
	return uk_copy_to_user(s->a[1], &list, sizeof(list));
}

UK_ASIDE int64_t tell_base(uint64_t user, uint64_t base)
{
	return uk_copy_to_user(user, &base, sizeof(base));
}

/* What every program asks for comes first. */
int64_t uk_sys_arch_prctl(const struct uk_sysargs *s)
{
	int what = (int)s->a[0];

	if (what == ARCH_SET_FS && s->a[1] < UK_USER_END) {
		uk_user_set_fs(s->a[1]);
		return 0;
	}
	if (what == ARCH_GET_FS)
		return tell_base(s->a[1], uk_user_fs());
	if (what == ARCH_GET_GS)
		return tell_base(s->a[1], uk_user_gs());
	if (what != ARCH_SET_FS && what != ARCH_SET_GS)
		return -UK_EINVAL;
	if (s->a[1] >= UK_USER_END)
		return -UK_EPERM;
	uk_user_set_gs(s->a[1]);
	return 0;
}

int64_t uk_sys_rseq(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_ENOSYS;
}

int64_t uk_sys_membarrier(const struct uk_sysargs *s)
{
	enum { QUERY = 0, KNOWN = 0x1f };
	int command = (int)s->a[0];

	if (s->a[1] != 0)
		return -UK_EINVAL;
	if (command == QUERY)
		return KNOWN;
	if ((command & (command - 1)) != 0 || (command & KNOWN) == 0)
		return -UK_EINVAL;
	uk_shoot_barrier();
	return 0;
}
