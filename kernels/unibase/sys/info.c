/*
 * System calls that ask about the machine and the process, and limits.
 */
#include <uk/linux_time.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/process.h>
#include <uk/start.h>
#include <uk/syscall.h>
#include <uk/user.h>
#include <uk/vfs.h>

enum {
	PR_SET_DUMPABLE = 4,
	PR_GET_DUMPABLE = 3,
	PR_SET_KEEPCAPS = 8,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_CAPBSET_READ = 23,
	PR_SET_TIMERSLACK = 29,
	PR_GET_TIMERSLACK = 30,
	PR_SET_CHILD_SUBREAPER = 36,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	PR_SET_THP_DISABLE = 41,
	PR_GET_THP_DISABLE = 42,
	CAPABILITY_LAST = 40,
	TIMER_SLACK_NS = 50000,
};

struct utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65];
};
_Static_assert(sizeof(struct utsname) == 390, "Linux ABI");

int64_t uk_sys_uname(const struct uk_sysargs *s)
{
	const struct uni_config_entry *name = uk_config_next(UNI_CONFIG_HOSTNAME, NULL);
	struct utsname u = {
		.sysname = "Linux",
		.nodename = "unibase",
		.release = "5.15.0-unibase",
		.version = "#1 unibase",
		.machine = "x86_64",
		.domain = "(none)",
	};

	if (name != NULL && uk_config_string(name, u.nodename, sizeof(u.nodename)) < 0)
		uk_strlcpy(u.nodename, "unibase", sizeof(u.nodename));
	return uk_copy_to_user(s->a[0], &u, sizeof(u));
}

int64_t uk_sys_sethostname(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_setdomainname(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

struct sysinfo {
	int64_t uptime;
	uint64_t loads[3];
	uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t pad2;
	uint64_t totalhigh, freehigh;
	uint32_t unit, pad3;
};
_Static_assert(sizeof(struct sysinfo) == 112, "Linux ABI");

int64_t uk_sys_sysinfo(const struct uk_sysargs *s)
{
	struct sysinfo info = {
		.uptime = (int64_t)(uk_time_mono() / (uint64_t)UK_NS_PER_SEC),
		.totalram = uk_mem_total(),
		.freeram = uk_mem_free(),
		.procs = (uint16_t)UK_MIN(uk_process.count, 65535u),
		.unit = 1,
	};

	return uk_copy_to_user(s->a[0], &info, sizeof(info));
}

struct rusage {
	struct uk_linux_timeval user, system;
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd,
		msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct rusage) == 144, "Linux ABI");

int64_t uk_sys_getrusage(const struct uk_sysargs *s)
{
	enum { SELF = 0, CHILDREN = -1, THREAD = 1 };
	struct rusage u = { .maxrss = 0 };
	int64_t ns = 0;

	switch ((int)s->a[0]) {
	case SELF:
		ns = (int64_t)uk_process_run_time();
		break;
	case THREAD:
		ns = (int64_t)uk_thread_run_time(uk_thread_self());
		break;
	case CHILDREN:
		return uk_copy_to_user(s->a[1], &u, sizeof(u));
	default:
		return -UK_EINVAL;
	}
	u.user.sec = ns / UK_NS_PER_SEC;
	u.user.usec = ns % UK_NS_PER_SEC / 1000;
	u.maxrss = (int64_t)(uk_map.peak * UK_PAGE_SIZE / 1024);
	u.minflt = (int64_t)uk_map.faults_minor;
	u.majflt = (int64_t)uk_map.faults_major;
	return uk_copy_to_user(s->a[1], &u, sizeof(u));
}

static int64_t limit_set(unsigned kind, const struct uk_rlimit64 *fresh)
{
	struct uk_rlimit64 *limit = &uk_process.limit[kind];

	if (fresh->soft > fresh->hard)
		return -UK_EINVAL;
	if (fresh->hard > limit->hard && uk_process.uid.effective != 0)
		return -UK_EPERM;
	if (kind == UK_RLIMIT_NOFILE) {
		if (fresh->hard > 1048576)
			return -UK_EPERM;
		uk_fd_set_limit(fresh->soft);
	}
	*limit = *fresh;
	return 0;
}

static int64_t limits(int pid, unsigned kind, uint64_t fresh_user, uint64_t old_user)
{
	struct uk_rlimit64 fresh, old;
	int64_t result;

	if (kind >= UK_RLIMIT_COUNT)
		return -UK_EINVAL;
	if (pid != 0 && pid != UK_PID)
		return -UK_ESRCH;
	old = uk_process.limit[kind];
	if (fresh_user != 0) {
		if (uk_copy_from_user(&fresh, fresh_user, sizeof(fresh)) != 0)
			return -UK_EFAULT;
		result = limit_set(kind, &fresh);
		if (result != 0)
			return result;
	}
	return old_user != 0 ? uk_copy_to_user(old_user, &old, sizeof(old)) : 0;
}

int64_t uk_sys_prlimit64(const struct uk_sysargs *s)
{
	return limits((int)s->a[0], (unsigned)s->a[1], s->a[2], s->a[3]);
}

int64_t uk_sys_getrlimit(const struct uk_sysargs *s)
{
	return s->a[1] == 0 ? -UK_EFAULT : limits(0, (unsigned)s->a[0], 0, s->a[1]);
}

int64_t uk_sys_setrlimit(const struct uk_sysargs *s)
{
	return s->a[1] == 0 ? -UK_EFAULT : limits(0, (unsigned)s->a[0], s->a[1], 0);
}

static int64_t set_name(struct uk_task *task, uint64_t user)
{
	char name[16] = "";
	int64_t length = uk_string_from_user(name, user, sizeof(name));

	if (length < 0 && length != -UK_ENAMETOOLONG)
		return length;
	name[sizeof(name) - 1] = '\0';
	memcpy(task->name, name, sizeof(name));
	memcpy(task->thread->name, name, sizeof(name));
	return 0;
}

int64_t uk_sys_prctl(const struct uk_sysargs *s)
{
	static bool no_new_privileges;
	struct uk_task *task = uk_task_self();

	switch ((int)s->a[0]) {
	case PR_SET_NAME:
		return set_name(task, s->a[1]);
	case PR_GET_NAME:
		return uk_copy_to_user(s->a[1], task->name, sizeof(task->name));
	case PR_SET_NO_NEW_PRIVS:
		if (s->a[1] != 1 || s->a[2] != 0 || s->a[3] != 0 || s->a[4] != 0)
			return -UK_EINVAL;
		no_new_privileges = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return no_new_privileges;
	case PR_GET_DUMPABLE:
		return 0;
	case PR_SET_DUMPABLE:
	case PR_SET_KEEPCAPS:
		return s->a[1] <= 1 ? 0 : -UK_EINVAL;
	case PR_CAPBSET_READ:
		return s->a[1] <= CAPABILITY_LAST ? 1 : -UK_EINVAL;
	case PR_GET_TIMERSLACK:
		return TIMER_SLACK_NS;
	case PR_SET_TIMERSLACK:
	case PR_SET_CHILD_SUBREAPER:
		return 0;
	case PR_SET_THP_DISABLE:
		uk_map.small = s->a[1] != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return uk_map.small;
	default:
		return -UK_EINVAL;
	}
}

/* Asking is what programs do (0xffffffff); the one personality there is may be set again. */
int64_t uk_sys_personality(const struct uk_sysargs *s)
{
	enum { ADDR_NO_RANDOMIZE = 0x40000 };
	static uint32_t flags;
	uint32_t old = flags, fresh = (uint32_t)s->a[0];

	if (fresh == UINT32_MAX)
		return old;
	if ((fresh & ~(uint32_t)ADDR_NO_RANDOMIZE) != 0)
		return -UK_EINVAL;
	flags = fresh;
	return old;
}
