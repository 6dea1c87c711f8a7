/*
 * Threads that keep processors busy for ever: one computes, one calls, one has memory come and go.
 */
#ifndef BUSY_H
#define BUSY_H

#include "t.h"
#include <pthread.h>
#include <stdatomic.h>

static _Atomic int busy;

static void *compute_on(void *arg)
{
	(void)arg;
	busy++;
	for (;;)
		;
	return NULL;
}

static void *call_on(void *arg)
{
	(void)arg;
	busy++;
	for (;;)
		syscall(SYS_getppid);
	return NULL;
}

static void *map_on(void *arg)
{
	(void)arg;
	busy++;
	for (;;) {
		char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		check(p != MAP_FAILED);
		p[4096] = 1;
		munmap(p, 65536);
	}
	return NULL;
}

static void keep_busy(void)
{
	void *(*const fn[])(void *) = { compute_on, call_on, map_on };
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		check(pthread_create(&thread, NULL, fn[i], NULL) == 0);
	while (busy < 3)
		usleep(1000);
}

#endif
