/*
 * A call that is not there is named once and answered ENOSYS; a second process is refused.
 * @native no
 * @match system call 425 \(io_uring_setup\) is not there
 * @once io_uring_setup
 * @match fork: refused: a unikernel has one program; let it use threads, and give another program
 * @once a unikernel has one program
 */
#include "t.h"
#include <sys/wait.h>

int main(void)
{
	fails(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
	fails(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
	fails(syscall(9999), ENOSYS);
	fails(syscall(-1), ENOSYS);
	fails(syscall(SYS_rseq, 0, 0, 0, 0), ENOSYS);
	fails(fork(), ENOSYS);
	fails(execl("/bin/sh", "sh", NULL), ENOSYS);
	fails(wait(NULL), ECHILD);
	return 0;
}
