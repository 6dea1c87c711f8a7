/*
 * Threads that remove files while these are open, and close them all at once: each has its place in
 * the volume's list of files to be freed, and leaves it while the others do.
 *
 *   orphans FOLDER
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 30, FILES = 4, SIZE = 40000 };

static char bytes[SIZE];

static void need(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void *run(void *arg)
{
	char name[32];
	int fd[FILES];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "t%ld-%d", (long)arg, i);
			fd[i] = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
			need(fd[i] >= 0, name);
			need(write(fd[i], bytes, SIZE) == SIZE, "write");
			need(unlink(name) == 0, "unlink");
		}
		/* Others find the volume busy then, each with its file half gone. */
		if ((round + (long)arg) % 3 == 0)
			need(fsync(fd[0]) == 0, "fsync");
		for (int i = 0; i < FILES; i++)
			need(close(fd[i]) == 0, "close");
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	need(argc == 2 && chdir(argv[1]) == 0, "chdir");
	memset(bytes, 7, sizeof(bytes));
	for (long i = 0; i < THREADS; i++)
		need(pthread_create(&thread[i], NULL, run, (void *)i) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		need(pthread_join(thread[i], NULL) == 0, "pthread_join");
	puts("all gone");
	return 0;
}
