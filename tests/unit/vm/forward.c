/*
 * Ports: how they are written.
 */
#include "unit.h"

#include <unistd.h>

static void good(const char *text, const char *address, uint16_t host, uint16_t guest, bool udp)
{
	struct uni_vm_forward forward;
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(uni_vm_forward_parse(text, &forward, &err), 0);
	assert_string_equal(forward.address, address);
	assert_int_equal(forward.host, host);
	assert_int_equal(forward.guest, guest);
	assert_int_equal(forward.udp, udp);
}

static void forms_are_read(void **state)
{
	(void)state;
	good("80", "127.0.0.1", 80, 80, false);
	good("8080:80", "127.0.0.1", 8080, 80, false);
	good("5353:53/udp", "127.0.0.1", 5353, 53, true);
	good("0.0.0.0:8080:80/tcp", "0.0.0.0", 8080, 80, false);
}

static void others_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"0:80",
		"80:0",
		"80:",
		"65536:1",
		"1:65536",
		"a:80",
		" 80:80",
		"+80:80",
		"-1:80",
		"80:80/",
		"80:80/sctp",
		"::1:80:80",
		":80:80",
		"1.2:80:80",
		"256.0.0.1:80:80",
		"80:80:80:80",
		"host:80:80",
	};

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(bad); i++) {
		struct uni_vm_forward forward;
		struct uni_err err = UNI_ERR_INIT;

		assert_int_equal(uni_vm_forward_parse(bad[i], &forward, &err), UNI_E_USAGE);
		assert_true(err.hint[0] != '\0');
	}
}

static void reserved_ports_differ(void **state)
{
	struct uni_vm_forward forwards[20] = { 0 };
	int holds[20];
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(forwards); i++) {
		forwards[i].udp = i % 4 == 3;
		assert_int_equal(uni_vm_forward_reserve(&forwards[i], &holds[i], &err), 0);
		for (size_t k = 0; k < i; k++)
			assert_true(forwards[i].udp != forwards[k].udp ||
				    forwards[i].host != forwards[k].host);
	}
	for (size_t i = 0; i < UNI_COUNT(forwards); i++)
		close(holds[i]);
}

int unit_forward(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_read),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(reserved_ports_differ),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
