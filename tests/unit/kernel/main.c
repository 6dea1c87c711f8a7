/* Kernels: ELF files, bases, boot configurations, bootable ELFs and their boxes. */
#include "tests.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack_halves),
		cmocka_unit_test(test_pack_as_it_is),
		cmocka_unit_test(test_efi_seal),
		cmocka_unit_test(test_efi_hostile),
		cmocka_unit_test(test_elf_program),
		cmocka_unit_test(test_elf_refused),
		cmocka_unit_test(test_elf_dynamic),
		cmocka_unit_test(test_elf_damaged),
		cmocka_unit_test(test_elf_objects),
		cmocka_unit_test(test_base_read),
		cmocka_unit_test(test_base_refused),
		cmocka_unit_test(test_base_needs),
		cmocka_unit_test(test_config_round),
		cmocka_unit_test(test_config_refused),
		cmocka_unit_test(test_config_damaged),
		cmocka_unit_test(test_config_json),
		cmocka_unit_test(test_compose_split),
		cmocka_unit_test(test_compose_refused),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_box),
		cmocka_unit_test(test_box_damaged),
		cmocka_unit_test(test_calls_made),
		cmocka_unit_test(test_calls_forks),
		cmocka_unit_test(test_calls_table),
		cmocka_unit_test(test_calls_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
