/*
 * System V shared memory: segments by key and without, attached twice, removed while attached.
 */
#include "t.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

enum { KEY = 0x7e571e55, SIZE = 3 * 4096 + 17 };

static unsigned long attached(int id)
{
	struct shmid_ds ds;

	check(shmctl(id, IPC_STAT, &ds) == 0);
	return ds.shm_nattch;
}

static void test_key(void)
{
	struct shmid_ds ds;
	int id;

	fails(shmget(KEY, SIZE, 0600), ENOENT);
	fails(shmget(KEY, 0, IPC_CREAT | 0600), EINVAL);
	id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	check(id >= 0);
	fails(shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	check(shmget(KEY, SIZE, 0600) == id && shmget(KEY, 1, IPC_CREAT | 0600) == id);
	fails(shmget(KEY, SIZE + 1, 0600), EINVAL);
	check(shmctl(id, IPC_STAT, &ds) == 0);
	check(ds.shm_segsz == SIZE && ds.shm_nattch == 0 && ds.shm_cpid == getpid());
	check((ds.shm_perm.mode & 0777) == 0600 && ds.shm_perm.__key == KEY && ds.shm_ctime != 0);
	ds.shm_perm.mode = 0640;
	check(shmctl(id, IPC_SET, &ds) == 0 && shmctl(id, IPC_STAT, &ds) == 0);
	check((ds.shm_perm.mode & 0777) == 0640);
	check(shmctl(id, IPC_RMID, NULL) == 0);
	fails(shmctl(id, IPC_STAT, &ds), EINVAL);
	fails(shmget(KEY, SIZE, 0600), ENOENT);
	done("keys");
}

static void test_attached(void)
{
	int id = shmget(IPC_PRIVATE, SIZE, 0600);
	char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY), *c;

	check(a != (void *)-1 && b != (void *)-1 && a != b && attached(id) == 2);
	check(a[0] == 0 && a[SIZE - 1] == 0);
	strcpy(a + 4090, "over the edge");
	check(strcmp(b + 4090, "over the edge") == 0);
	check(shmdt(a) == 0 && attached(id) == 1);
	fails(shmdt(a), EINVAL);
	c = shmat(id, a + 5, SHM_RND);
	check(c == a && strcmp(c + 4090, "over the edge") == 0);
	fails(shmat(id, a + 5, 0), EINVAL);
	fails(shmat(id, a, 0), EINVAL);
	check(shmat(id, a, SHM_REMAP) == a);
	/* Unmapped by other means, it is not attached any more. */
	check(munmap(b, 4 * 4096) == 0 && attached(id) == 1);
	check(shmctl(id, IPC_RMID, NULL) == 0);
	check(strcmp(a + 4090, "over the edge") == 0 && attached(id) == 1);
	check(shmdt(a) == 0);
	fails(shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }), EINVAL);
	fails(shmat(id, NULL, 0), EINVAL);
	done("attached");
}

int main(void)
{
	test_key();
	test_attached();
	return 0;
}
