/*
 * Threads by thousands, all at once; then as many as there is room for, until the system says no:
 * the program is told so, goes on, and has its memory back when they have ended.
 * @memory 112
 */
#include "t.h"
#include <pthread.h>

enum { MANY = 2000, MOST = 2600, STACK = 16384 };

static pthread_t threads[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER, arrived = PTHREAD_COND_INITIALIZER;
static int here, over;

static void *wait_for_end(void *arg)
{
	pthread_mutex_lock(&lock);
	here++;
	pthread_cond_signal(&arrived);
	while (!over)
		pthread_cond_wait(&changed, &lock);
	here--;
	pthread_mutex_unlock(&lock);
	return arg;
}

/* How many of `most` could be made. */
static int make(int most)
{
	pthread_attr_t small;
	int error, made = 0;

	check(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, STACK) == 0);
	over = 0;
	for (; made < most; made++) {
		error = pthread_create(&threads[made], &small, wait_for_end, (void *)(long)made);
		if (error != 0) {
			check(error == EAGAIN);
			break;
		}
	}
	return made;
}

static void end(int made)
{
	void *result;

	pthread_mutex_lock(&lock);
	while (here != made)
		pthread_cond_wait(&arrived, &lock);
	over = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < made; i++)
		check(pthread_join(threads[i], &result) == 0 && result == (void *)(long)i);
	check(here == 0);
}

int main(void)
{
	int made;

	check(make(MANY) == MANY);
	end(MANY);
	done("thousands at once");
	made = make(MOST);
	check(made >= MANY);
	end(made);
	done("as many as there is room for");
	check(make(10) == 10);
	end(10);
	done("and it goes on");
	return 0;
}
