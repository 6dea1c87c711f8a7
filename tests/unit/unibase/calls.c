/*
 * The system calls on files, judged by Linux: the same story is run by a child on the host's kernel
 * and on the hosted one, and both texts must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worlds.h"

static void tell(const struct story *story)
{
	story_on_linux(story);
	story_on_kernel(story);
	story_compare(story);
}

static void test_story(void **unused)
{
	(void)unused;
	tell(&story_fixed);
}

static void test_random(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 60; seed++) {
		const struct story story = { files_random, seed, 700 };

		tell(&story);
	}
}

static int start(void **unused)
{
	(void)unused;
	worlds_start();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("unibase-calls", tests, start, NULL);
}
