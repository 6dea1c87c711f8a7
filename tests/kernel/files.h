/*
 * What files must do, told as calls and their results in text: the same story runs on Linux, in the
 * kernel's own sources on the host, and in the booted kernel, and the three texts must be equal.
 */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

struct world {
	/* A system call by Linux's number: result or negative errno. */
	long (*call)(long number, long a, long b, long c, long d, long e, long f);
	void (*say)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
};

/* Both start in an empty folder that is the working folder, with descriptors 0, 1, 2 open. */
void files_story(const struct world *world);
void files_waiting_story(const struct world *world); /* part of it */
void files_random(const struct world *world, unsigned seed, unsigned steps);

#endif
