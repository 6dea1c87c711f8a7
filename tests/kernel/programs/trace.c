/*
 * Tracing shows each call with its arguments and result, errors by name, and the end without
 * result.
 * @native no
 * @option --trace
 * @end status 6
 * @match \[1\] open\("/no/such/file", 0x8000, 0x\w+\) = -1 ENOENT
 * @match \[1\] munmap\(0x\w+, 4096\) = 0
 * @match \[1\] mmap\(NULL, 4096, 0x1, 0x22, -1, 0\) = 0x
 * @match \[2\] nanosleep\(0x\w+, (0x\w+|NULL)\) = 0
 * @match \[1\] userfaultfd\(\) = -1 ENOSYS
 * @match \[1\] exit_group\(6\) = \?
 */
#include "t.h"
#include <fcntl.h>
#include <pthread.h>

static void *sleeper(void *arg)
{
	struct timespec t = { .tv_nsec = 1000 };

	syscall(SYS_nanosleep, &t, NULL);
	return arg;
}

int main(void)
{
	pthread_t thread;

	check(open("/no/such/file", O_RDONLY) == -1);
	check(munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096) == 0);
	check(pthread_create(&thread, NULL, sleeper, NULL) == 0);
	pthread_join(thread, NULL);
	syscall(SYS_userfaultfd, 0);
	return 6;
}
