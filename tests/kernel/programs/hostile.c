/*
 * Calls with senseless arguments, by the ten thousand: the kernel must neither panic nor hang,
 * whatever becomes of the program. Calls that sleep or end are left out.
 * @native no
 * @memory 128
 * @match survived
 */
#include "t.h"
#include <setjmp.h>
#include <sys/time.h>

static uint64_t seed = 88172645463325252ull;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static sigjmp_buf back;
static void on_signal(int signo)
{
	(void)signo;
	siglongjmp(back, 1);
}

static char page[3 * 4096] __attribute__((aligned(4096)));

/* Addresses that are likely to hurt, numbers at the edges, and what Linux takes for flags. */
static uint64_t argument(void)
{
	static const uint64_t pool[] = {
		0,
		1,
		2,
		8,
		16,
		24,
		64,
		128,
		4095,
		4096,
		4097,
		0x10000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		0x00007fffffffefff,
		0x00007ffffffff000,
		0x0000800000000000,
		0xffff800000000000,
		0xffff888000000000,
		0xffffffff80000000,
		0xffffffff80200000,
		0xfffffffffffff000,
		0xffffffffffffffff,
		0xfffffffffffffffe,
	};
	uint64_t r = next_random();

	switch (r % 8) {
	case 0:
	case 1:
	case 2:
		return pool[(r >> 8) % (sizeof(pool) / sizeof(pool[0]))];
	case 3:
		return (uint64_t)page + 4096 + ((r >> 8) & 4095);
	case 4:
		return (uint64_t)page + 2 * 4096 - ((r >> 8) & 15);
	case 5:
		return (r >> 8) & 0xffff;
	case 6:
		return 1ull << ((r >> 8) & 63);
	default:
		return r;
	}
}

/* Ending, sleeping, and what would take the ground from under this program. */
static int left_out(long number)
{
	static const int calls[] = {
		SYS_exit,
		SYS_exit_group,
		SYS_pause,
		SYS_nanosleep,
		SYS_clock_nanosleep,
		SYS_rt_sigsuspend,
		SYS_rt_sigtimedwait,
		SYS_futex,
		SYS_rt_sigreturn,
		SYS_clone,
		SYS_clone3,
		SYS_munmap,
		SYS_mmap,
		SYS_mremap,
		SYS_mprotect,
		SYS_brk,
		SYS_rt_sigaction,
		SYS_madvise,
		SYS_kill,
		SYS_tkill,
		SYS_tgkill,
		SYS_rt_sigqueueinfo,
		SYS_rt_tgsigqueueinfo,
		SYS_arch_prctl,
		SYS_poll,
		SYS_ppoll,
		SYS_select,
		SYS_pselect6,
		SYS_epoll_wait,
		SYS_epoll_pwait,
		SYS_epoll_pwait2,
		SYS_read,
		SYS_readv,
		SYS_pread64,
		SYS_preadv,
		SYS_preadv2,
		SYS_write,
		SYS_writev,
		SYS_pwritev,
		SYS_pwritev2,
		SYS_close,
		SYS_dup2,
		SYS_dup3,
		SYS_close_range,
		SYS_setrlimit,
		SYS_prlimit64,
		SYS_sendfile,
		SYS_splice,
		SYS_reboot,
		SYS_flock,
		SYS_accept,
		SYS_accept4,
		SYS_recvfrom,
		SYS_recvmsg,
		SYS_recvmmsg,
		SYS_connect,
		SYS_rt_sigprocmask,
		SYS_sigaltstack,
		SYS_alarm,
		SYS_setitimer,
		SYS_timer_settime,
		SYS_fcntl,
		SYS_ioctl,
		SYS_wait4,
		SYS_waitid,
		SYS_pivot_root,
		SYS_mount,
		SYS_chroot,
		SYS_fallocate,
		SYS_ftruncate,
		SYS_truncate,
		SYS_mlockall,
		SYS_copy_file_range,
		SYS_getrandom,
		SYS_memfd_create,
		SYS_clock_settime,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == number)
			return 1;
	return 0;
}

/* Changes of the address space, kept to a place of their own. */
static void change_memory(char *arena, size_t size)
{
	uint64_t r = next_random();
	char *at = arena + ((r >> 8) % (size / 4096)) * 4096;
	size_t length = ((r >> 32) % 64 + 1) * 4096;
	int prot = (int)(r >> 48 & 7);

	if (at + length > arena + size)
		length = 4096;
	switch (r & 7) {
	case 0:
		munmap(at, length);
		break;
	case 1:
	case 2:
		mmap(at, length, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		mprotect(at, length, prot);
		break;
	case 4:
		madvise(at, length, (int)(r >> 52 & 31));
		break;
	case 5:
		mremap(at, length, 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
		       arena + ((r >> 20) % (size / 4096)) * 4096);
		break;
	default:
		if (sigsetjmp(back, 1) == 0)
			*(volatile char *)at = (char)r;
		break;
	}
}

int main(int argc, char **argv)
{
	const size_t size = 256 * 4096;
	char *arena = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigset_t all;

	check(arena != MAP_FAILED);
	if (argc > 1)
		seed ^= strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ull;
	for (int i = 1; i < 32; i++)
		if (i != SIGSEGV && i != SIGBUS)
			signal(i, SIG_IGN);
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	for (int i = 0; i < 100000; i++)
		change_memory(arena, size);
	for (int i = 0; i < 60000; i++) {
		long number = (long)(next_random() % 460);

		if (left_out(number))
			continue;
		syscall(number, argument(), argument(), argument(), argument(), argument(),
			argument());
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	printf("survived\n");
	fflush(stdout);
	_exit(0);
}
