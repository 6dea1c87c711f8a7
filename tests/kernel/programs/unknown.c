/*
 * A call that is not there is named once and answered ENOSYS; a second process is refused.
 * @native no
 * @match system call 323 \(userfaultfd\) is not there
 * @once userfaultfd
 * @match fork: refused: a unikernel has one program; let it use threads, and give another program
 * @once a unikernel has one program
 */
#include "t.h"
#include <sys/wait.h>

int main(void)
{
	fails(syscall(SYS_userfaultfd, 1), ENOSYS);
	fails(syscall(SYS_userfaultfd, 1), ENOSYS);
	fails(syscall(9999), ENOSYS);
	fails(syscall(-1), ENOSYS);
	fails(syscall(SYS_rseq, 0, 0, 0, 0), ENOSYS);
	fails(fork(), ENOSYS);
	fails(execl("/bin/sh", "sh", NULL), ENOSYS);
	fails(wait(NULL), ECHILD);
	return 0;
}
