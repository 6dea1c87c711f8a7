/*
 * Machines beside us, on the real emulator.
 */
#include "unit.h"

#include <string.h>
#include <sys/stat.h>

#include <uni/base/path.h>

static void read_console(void **state, struct uni_buf *out)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_file_read(unit_path(state, "console.log"), 4096, out, &err), 0);
}

static void one_that_ends_at_once(void **state)
{
	UNI_AUTO(uni_machine) struct uni_machine *machine = NULL;
	UNI_AUTO_BUF struct uni_buf console = UNI_BUF_INIT, text = UNI_BUF_INIT;
	struct uni_vm_result result;
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;

	guest_make(state, GUEST_ENDS, &spec);
	assert_int_equal(uni_machine_start(&machine, &spec, *state, &err), 0);
	assert_int_equal(uni_machine_wait(machine, 60000, &result, &err), 0);
	assert_true(result.has_record);
	assert_int_equal(uni_vm_status(&result, &text), 5);
	assert_int_equal(text.size, 0);
	read_console(state, &console);
	assert_string_equal(console.data, "up\n");
}

static void the_button_is_heard(void **state)
{
	UNI_AUTO(uni_machine) struct uni_machine *machine = NULL;
	struct uni_vm_result result;
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;

	guest_make(state, GUEST_BUTTON, &spec);
	spec.machine = "q35";
	assert_int_equal(uni_machine_start(&machine, &spec, *state, &err), 0);
	/* Pressed before the guest listens it is lost, so until it is heard. */
	do {
		uni_err_clear(&err);
		assert_int_equal(uni_machine_press(machine, &err), 0);
	} while (uni_machine_wait(machine, 100, &result, &err) == UNI_E_TIMEOUT);
	assert_int_equal(err.code, 0);
	assert_true(result.has_record);
	assert_int_equal(result.record.kind, UNI_EXIT_POWER);
}

static void memory_that_was_touched_is_known(void **state)
{
	UNI_AUTO(uni_machine) struct uni_machine *machine = NULL;
	struct uni_vm_result result;
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;
	struct stat st;
	UNI_AUTO_FREE char *dir = NULL, *memory = NULL;

	if (uni_dir_tmp("/dev/shm", &dir, &err) != 0)
		skip();
	memory = uni_path_join(dir, "memory");
	guest_make(state, GUEST_ENDS, &spec);
	spec.memory_file = memory;
	assert_int_equal(uni_machine_start(&machine, &spec, *state, &err), 0);
	assert_int_equal(uni_machine_wait(machine, 60000, &result, &err), 0);
	assert_int_equal(stat(spec.memory_file, &st), 0);
	assert_int_equal(st.st_size, spec.memory);
	assert_in_range(st.st_blocks * 512, 4096, 2u << 20);
	assert_int_equal(uni_dir_remove(dir, &err), 0);
}

static void the_emulators_words_are_told(void **state)
{
	UNI_AUTO(uni_machine) struct uni_machine *machine = NULL;
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;

	guest_make(state, GUEST_ENDS, &spec);
	spec.kernel = unit_path(state, "absent.elf");
	assert_int_equal(uni_machine_start(&machine, &spec, *state, &err), UNI_E_PROCESS);
	assert_non_null(strstr(err.text, "absent.elf"));
	spec.emulator = "no-such-emulator";
	assert_int_equal(uni_machine_start(&machine, &spec, unit_path(state, "other"), &err),
			 UNI_E_NOENT);
	assert_int_equal(uni_dir_make(unit_path(state, "other"), 0700, &err), 0);
	assert_int_equal(uni_machine_start(&machine, &spec, unit_path(state, "other"), &err),
			 UNI_E_MISSING_TOOL);
	assert_true(err.hint[0] != '\0');
}

static void the_floor_is_measured(void **state)
{
	struct uni_vm_spec spec;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t ns = 0;

	guest_make(state, GUEST_ENDS, &spec);
	assert_int_equal(uni_vm_floor(&spec, &ns, &err), 0);
	assert_true(ns > 1000000);
	/* From a disk, with the firmware's time in it. */
	spec.disk = spec.kernel;
	spec.kernel = NULL;
	assert_int_equal(uni_vm_floor(&spec, &ns, &err), 0);
	assert_true(ns > 1000000);
	spec.emulator = "true";
	assert_int_equal(uni_vm_floor(&spec, &ns, &err), UNI_E_PROCESS);
}

int unit_machine(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(one_that_ends_at_once),
		DIR_TEST(the_button_is_heard),
		DIR_TEST(memory_that_was_touched_is_known),
		DIR_TEST(the_emulators_words_are_told),
		DIR_TEST(the_floor_is_measured),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
