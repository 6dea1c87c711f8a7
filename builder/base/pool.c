/*
 * Numbered work on several threads. Indices are handed out in order, so when item n fails, all
 * below n were handed out as well and are finished before the result is looked at: the lowest
 * failure is the same one on any number of threads.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <uni/base/mem.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>

struct pool {
	pthread_mutex_t lock;
	size_t next;
	size_t count;
	size_t failed; /* lowest index that failed, or count */
	int (*fn)(void *user, size_t index, struct uni_err *err);
	void *user;
	struct uni_err *err;
};

/* Takes the next index, with what the last one came to. */
static bool advance(struct pool *pool, size_t *index, int rc, const struct uni_err *err)
{
	pthread_mutex_lock(&pool->lock);
	if (rc != 0 && *index < pool->failed) {
		pool->failed = *index;
		*pool->err = *err;
	}
	bool more = pool->next < pool->count && pool->failed == pool->count;
	if (more)
		*index = pool->next++;
	pthread_mutex_unlock(&pool->lock);
	return more;
}

static void *work(void *arg)
{
	struct pool *pool = arg;
	struct uni_err err = UNI_ERR_INIT;
	size_t index = 0;
	int rc = 0;
	while (advance(pool, &index, rc, &err)) {
		rc = uni_check_cancel(&err);
		if (rc == 0)
			rc = pool->fn(pool->user, index, &err);
	}
	return NULL;
}

/* The nth processor behind the caller's, of those in `set`; false: there are no others. */
static bool processor_behind(const cpu_set_t *set, unsigned nth, cpu_set_t *one)
{
	unsigned count = (unsigned)CPU_COUNT(set);
	int here = sched_getcpu();
	if (count < 2 || here < 0 || here >= CPU_SETSIZE)
		return false;
	size_t at = (size_t)here;
	for (nth %= count; nth != 0;) {
		at = (at + 1) % CPU_SETSIZE;
		nth -= CPU_ISSET(at, set) ? 1 : 0;
	}
	CPU_ZERO(one);
	CPU_SET(at, one);
	return CPU_ISSET(at, set);
}

/*
 * Left to itself Linux puts a thread beside the one that starts it while other processors are busy,
 * and leaves it there for half the life of a small build when they are so no more. So it is said
 * where a thread begins, and taken back at once: from there it may go anywhere.
 */
static bool start_behind(pthread_t *thread, unsigned nth, void *(*run)(void *user), void *user)
{
	cpu_set_t all;
	cpu_set_t one;
	pthread_attr_t how;
	bool started = false;
	if (sched_getaffinity(0, sizeof(all), &all) != 0 || !processor_behind(&all, nth, &one) ||
	    pthread_attr_init(&how) != 0)
		return false;
	if (pthread_attr_setaffinity_np(&how, sizeof(one), &one) == 0)
		started = pthread_create(thread, &how, run, user) == 0;
	pthread_attr_destroy(&how);
	if (started)
		(void)pthread_setaffinity_np(*thread, sizeof(all), &all);
	return started;
}

bool uni_thread_start(pthread_t *thread, unsigned nth, void *(*run)(void *user), void *user)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = start_behind(thread, nth, run, user) ||
		       pthread_create(thread, NULL, run, user) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

int uni_pool_run(size_t count, unsigned threads,
		 int (*fn)(void *user, size_t index, struct uni_err *err), void *user,
		 struct uni_err *err)
{
	struct pool pool = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.count = count,
		.failed = count,
		.fn = fn,
		.user = user,
		.err = err,
	};
	if (threads == 0)
		threads = uni_processors();
	if (threads > count)
		threads = (unsigned)count;
	pthread_t *others UNI_AUTO_FREE = uni_alloc_array(threads, sizeof(*others));
	unsigned started = 0;
	/* The caller is one of them; with fewer than wanted it only takes longer. */
	while (started + 1 < threads &&
	       uni_thread_start(&others[started], started + 1, work, &pool))
		started++;
	work(&pool);
	for (unsigned i = 0; i < started; i++)
		pthread_join(others[i], NULL);
	pthread_mutex_destroy(&pool.lock);
	return pool.failed == count ? 0 : err->code;
}
