/*
 * Calls that a program can make, found in its code; and the table that says what becomes of them.
 */
#include <string.h>
#include <uni/kernel/calls.h>
#include <unistd.h>

#include "tests.h"

#define CODE_AT 0x100

static void look(struct uni_elf_calls *calls, const char *code, size_t size)
{
	struct sample_program program;
	UNI_AUTO_CLOSE int fd = -1;
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	struct uni_err err = UNI_ERR_INIT;
	uint8_t file[4096] = { 0 };

	sample_program(&program);
	program.load.p_filesz = program.load.p_memsz = sizeof(file);
	memcpy(file, &program, sizeof(program.header) + 2 * sizeof(program.load));
	memcpy(file + CODE_AT * 2, code, size);
	fd = sample_file(file, sizeof(file));
	assert_int_equal(uni_elf_open(&elf, fd, 0, sizeof(file), "sample", &err), 0);
	assert_int_equal(uni_elf_calls(elf, calls, &err), 0);
}

#define LOOK(calls, code) look(calls, code, sizeof(code) - 1)

static size_t count(const struct uni_elf_calls *calls)
{
	size_t made = 0;

	for (size_t i = 0; i < UNI_CALLS_MAX; i++)
		made += calls->made[i];
	return made;
}

void test_calls_made(void **state)
{
	struct uni_elf_calls calls;

	(void)state;
	LOOK(&calls, "\xb8\x3b\0\0\0\x0f\x05"); /* mov $59,%eax; syscall */
	assert_true(calls.made[59] && count(&calls) == 1 && calls.computed == 0);
	LOOK(&calls, "\x48\xc7\xc0\x3a\0\0\0\x90\x90\x0f\x05"); /* mov $58,%rax; nop; nop */
	assert_true(calls.made[58] && count(&calls) == 1);
	LOOK(&calls, "\x6a\x39\x58\x0f\x05"); /* push $57; pop %rax */
	assert_true(calls.made[57] && count(&calls) == 1);
	LOOK(&calls, "\x31\xc0\x0f\x05"); /* xor %eax,%eax */
	assert_true(calls.made[0] && count(&calls) == 1);
	/* The nearest counts: mov $1,%eax; syscall; mov $2,%eax; syscall. */
	LOOK(&calls, "\xb8\x01\0\0\0\x0f\x05\xb8\x02\0\0\0\x0f\x05");
	assert_true(calls.made[1] && calls.made[2] && count(&calls) == 2);
	LOOK(&calls, "\x89\xf8\x0f\x05"); /* mov %edi,%eax */
	assert_true(count(&calls) == 0 && calls.computed == 1);
	LOOK(&calls, "\xb8\x3b\0\0\0\xc3"); /* a number without a call */
	assert_true(count(&calls) == 0 && calls.computed == 0);
}

void test_calls_forks(void **state)
{
	struct uni_elf_calls calls;

	(void)state;
	LOOK(&calls, "\xbf\x11\0\x20\x01\xb8\x38\0\0\0\x0f\x05");
	assert_true(calls.forks && calls.made[56]);
	LOOK(&calls, "\xbf\0\x0f\x3d\0\xb8\x38\0\0\0\x0f\x05"); /* a thread's flags */
	assert_true(!calls.forks && calls.made[56]);
}

void test_calls_table(void **state)
{
	static const char text[] = "# calls\n0 read full\n56 clone partial threads only\n"
				   "57 fork refused there is one process\n\n101 ptrace absent\n"
				   "334 rseq needless";
	UNI_AUTO(uni_calls) struct uni_calls *table = NULL;
	UNI_AUTO_BUF struct uni_buf names = UNI_BUF_INIT;
	struct uni_elf_calls made = { .computed = 0 };
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	assert_int_equal(uni_calls_parse(&table, "t", text, sizeof(text) - 1, &err), 0);
	assert_int_equal(uni_calls_find(table, "fork"), 57);
	assert_int_equal(uni_calls_find(table, "spoon"), -1);
	assert_string_equal(table->items[57].remark, "there is one process");
	assert_int_equal(table->items[101].state, UNI_CALL_ABSENT);
	assert_int_equal(table->items[1].state, UNI_CALL_UNLISTED);
	assert_false(uni_calls_name(table, &made, UNI_CALL_REFUSED, &names));
	made.made[0] = made.made[56] = made.made[57] = made.made[101] = made.made[334] =
		made.made[500] = true;
	assert_true(uni_calls_name(table, &made, UNI_CALL_REFUSED, &names));
	assert_string_equal(names.data, "fork");
	made.forks = true;
	uni_buf_clear(&names);
	assert_true(uni_calls_name(table, &made, UNI_CALL_REFUSED, &names));
	assert_string_equal(names.data, "clone to fork and fork");
	uni_buf_clear(&names);
	assert_true(uni_calls_name(table, &made, UNI_CALL_ABSENT, &names));
	assert_string_equal(names.data, "ptrace and call 500");
	uni_buf_clear(&names);
	assert_true(uni_calls_name(table, &made, UNI_CALL_NEEDLESS, &names));
	assert_string_equal(names.data, "rseq");
}

void test_calls_refused(void **state)
{
	static const char *const bad[] = {
		"0 read\n",
		"x read full\n",
		"512 far full\n",
		"0 read maybe\n",
		"0 read full\n0 read full\n",
		"0\n",
	};

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++) {
		struct uni_calls *table = NULL;
		struct uni_err err = UNI_ERR_INIT;

		assert_int_equal(uni_calls_parse(&table, "t", bad[i], strlen(bad[i]), &err),
				 UNI_E_INVAL);
		assert_null(table);
	}
}
