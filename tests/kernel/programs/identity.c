/*
 * Who and where: numbers of users, limits, scheduling, names. Run as root on Linux for comparison.
 * @root
 */
#include "t.h"
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

struct head {
	uint32_t version;
	int pid;
};

struct sets {
	uint32_t effective, permitted, inheritable;
};

enum { VERSION_1 = 0x19980330, VERSION_2 = 0x20071026, VERSION_3 = 0x20080522 };

/* Each version of the call writes as many words as it has, and no more. */
static void capabilities(void)
{
	struct head head = { .version = VERSION_1 };
	struct sets sets[2];

	memset(sets, 77, sizeof(sets));
	check(syscall(SYS_capget, &head, sets) == 0);
	check(memcmp(&sets[1], "MMMM", 4) == 0);
	head.version = VERSION_2;
	check(syscall(SYS_capget, &head, sets) == 0 && sets[1].inheritable == 0);
	check(syscall(SYS_capset, &head, sets) == 0);
	head.pid = -1;
	fails(syscall(SYS_capget, &head, sets), EINVAL);
	head.pid = 999999;
	fails(syscall(SYS_capget, &head, sets), ESRCH);
	head.version = 7;
	fails(syscall(SYS_capget, &head, sets), EINVAL);
	check(head.version == VERSION_3);
}

int main(void)
{
	uid_t r, e, s;
	gid_t groups[3] = { 5, 6, 7 }, got[8];
	struct utsname u;
	struct rlimit limit;
	struct sysinfo info;
	cpu_set_t cpus;
	int priority;
	char name[32];

	check(getpid() == getpgrp() || getpgrp() > 0);
	check(getppid() == syscall(SYS_getppid) && getppid() != getpid());
	check(syscall(SYS_gettid) == getpid());
	check(uname(&u) == 0 && strcmp(u.sysname, "Linux") == 0);
	check(strcmp(u.machine, "x86_64") == 0);
	check(sysinfo(&info) == 0 && info.totalram > 0 && info.procs > 0 && info.mem_unit > 0);
	check(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur > 0);
	check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 100;
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	      limit.rlim_cur == 100);
	limit.rlim_max = 50;
	fails(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	fails(syscall(SYS_getrlimit, 99, &limit), EINVAL);
	fails(syscall(SYS_prlimit64, 999999, 1, NULL, NULL), ESRCH);
	check(prctl(PR_SET_NAME, "a long name that is cut") == 0 && prctl(PR_GET_NAME, name) == 0);
	printf("name '%s'\n", name);
	fails(prctl(7777, 0, 0, 0, 0), EINVAL);
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	fails(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	capabilities();
	CPU_ZERO(&cpus);
	check(sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) >= 1);
	fails(syscall(SYS_sched_getaffinity, 0, 3, &cpus), EINVAL);
	printf("priority %d..%d %d..%d\n", sched_get_priority_min(SCHED_OTHER),
	       sched_get_priority_max(SCHED_OTHER), sched_get_priority_min(SCHED_FIFO),
	       sched_get_priority_max(SCHED_RR));
	fails(sched_get_priority_max(77), EINVAL);
	check(syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER);
	errno = 0;
	priority = getpriority(PRIO_PROCESS, 0); /* where Linux runs this under nice, another one */
	check(priority >= -20 && priority < 20 && errno == 0);
	fails(getpriority(9, 0), EINVAL);
	check(syscall(SYS_personality, 0xffffffff) == 0);
	fails(syscall(SYS_membarrier, 1 << 20, 0), EINVAL);
	check(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
	check(setgroups(3, groups) == 0 && getgroups(8, got) == 3 && got[2] == 7);
	check(getgroups(0, NULL) == 3);
	fails(getgroups(1, got), EINVAL);
	check(setresgid(33, 33, 33) == 0 && getgid() == 33 && getegid() == 33);
	check(setresuid(33, 33, 0) == 0 && getresuid(&r, &e, &s) == 0);
	printf("ids %d %d %d\n", r, e, s);
	check(seteuid(0) == 0 && geteuid() == 0);
	check(setuid(33) == 0);
	fails(setuid(0), EPERM);
	fails(setgid(0), EPERM);
	fails(setresuid(1, -1, -1), EPERM);
	fails(setgroups(0, NULL), EPERM);
	check(getresuid(&r, &e, &s) == 0 && r == 33 && e == 33 && s == 33);
	done("identity");
	return 0;
}
