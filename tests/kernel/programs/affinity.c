/*
 * Processors as programs ask for them and choose among them, and threads that compute on each.
 *
 * @processors 3
 * @args PROCESSORS
 * @native no
 */
#include "t.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { MOST = 8 };

static int count;

static cpu_set_t only(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

/* Lines of a file that begin with this word and a number. */
static int lines(const char *path, const char *format)
{
	FILE *f = fopen(path, "r");
	char line[512];
	int found = 0, number;

	check(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		found += sscanf(line, format, &number) == 1;
	fclose(f);
	return found;
}

static void test_answers(void)
{
	cpu_set_t set;
	unsigned cpu = 99, node = 99;

	check(sysconf(_SC_NPROCESSORS_ONLN) == count && sysconf(_SC_NPROCESSORS_CONF) == count);
	check(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == count);
	check(lines("/proc/cpuinfo", "processor : %d") == count);
	check(lines("/proc/stat", "cpu%d") == count + 1); /* and their sum */
	check(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && (int)cpu < count && node == 0);
	done("answers");
}

static void test_choice(void)
{
	cpu_set_t set, all;

	for (int round = 0; round < 3; round++)
		for (int cpu = 0; cpu < count; cpu++) {
			set = only(cpu);
			check(sched_setaffinity(0, sizeof(set), &set) == 0);
			check(sched_getcpu() == cpu);
			sched_yield();
			usleep(100);
			check(sched_getcpu() == cpu);
			check(sched_getaffinity(0, sizeof(all), &all) == 0 &&
			      CPU_EQUAL(&set, &all));
		}
	set = only(count);
	fails(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CPU_ZERO(&set);
	fails(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	fails(sched_setaffinity(12345, sizeof(set), &all), ESRCH);
	/* What is not there does not count beside what is. */
	memset(&set, 0xff, sizeof(set));
	check(sched_setaffinity(0, sizeof(set), &set) == 0);
	check(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == count);
	done("choice");
}

static void *inherits(void *arg)
{
	int cpu = (int)(long)arg;
	cpu_set_t set;

	check(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1);
	for (int i = 0; i < 20; i++) {
		check(sched_getcpu() == cpu);
		sched_yield();
	}
	return NULL;
}

static void test_heirs(void)
{
	pthread_t thread[MOST];
	cpu_set_t set;

	for (int cpu = 0; cpu < count; cpu++) {
		set = only(cpu);
		check(sched_setaffinity(0, sizeof(set), &set) == 0);
		check(pthread_create(&thread[cpu], NULL, inherits, (void *)(long)cpu) == 0);
	}
	for (int cpu = 0; cpu < count; cpu++)
		pthread_join(thread[cpu], NULL);
	memset(&set, 0xff, sizeof(set));
	check(sched_setaffinity(0, sizeof(set), &set) == 0);
	done("heirs");
}

/* They never sleep and never call: each gets a processor, or its turn on one. */
static _Atomic unsigned long steps[MOST];
static _Atomic bool enough;
static _Atomic int where[MOST];

static void *compute(void *arg)
{
	long who = (long)arg;

	while (!enough) {
		steps[who]++;
		if (steps[who] % 4096 == 0)
			where[who] = sched_getcpu();
	}
	return NULL;
}

/* Until each of them went on, and all processors were seen. */
static void wait_for_all(int threads)
{
	unsigned long before[MOST];
	unsigned seen = 0;
	bool moved = false;

	for (int i = 0; i < threads; i++)
		before[i] = steps[i];
	while (!moved || seen != (1u << count) - 1) {
		moved = true;
		for (int i = 0; i < threads; i++) {
			moved = moved && steps[i] > before[i] + 8192;
			seen |= 1u << where[i];
		}
		usleep(1000);
	}
}

static void test_all_at_once(void)
{
	pthread_t thread[MOST];

	for (long i = 0; i <= count; i++)
		check(pthread_create(&thread[i], NULL, compute, (void *)i) == 0);
	wait_for_all(count + 1);
	done("all compute");
	/* They are sent elsewhere while they run. */
	for (int round = 0; round < 10; round++)
		for (int i = 0; i <= count; i++) {
			int cpu = (i + round) % count;
			cpu_set_t set = only(cpu);

			check(pthread_setaffinity_np(thread[i], sizeof(set), &set) == 0);
		}
	/* What they say from now on, but for what they may just have been about to say. */
	for (int i = 0; i <= count; i++) {
		unsigned long before = steps[i];

		while (steps[i] < before + 2 * 4096)
			usleep(1000);
		check(where[i] == (i + 9) % count);
	}
	wait_for_all(count + 1);
	enough = true;
	for (int i = 0; i <= count; i++)
		pthread_join(thread[i], NULL);
	done("where they were sent");
}

int main(int argc, char **argv)
{
	check(argc == 2);
	count = atoi(argv[1]);
	check(count >= 1 && count < MOST);
	test_answers();
	test_choice();
	test_heirs();
	test_all_at_once();
	return 0;
}
