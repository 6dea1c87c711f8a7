/*
 * Running out of a thread's stack is named as well.
 * @native no
 * @end fault 11
 * @match stack overflow in deeper
 */
#include "t.h"
#include <pthread.h>

__attribute__((noinline)) static int deeper(int n)
{
	volatile char room[1024];

	room[n % 1000] = 1;
	return deeper(n + 1) + room[n % 1000];
}

static void *run(void *arg)
{
	(void)arg;
	deeper(0);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	check(pthread_create(&thread, NULL, run, NULL) == 0);
	pthread_join(thread, NULL);
	return 0;
}
