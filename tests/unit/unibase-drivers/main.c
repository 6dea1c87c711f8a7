/*
 * Runs the drivers' units, a file of them after the other.
 */
#include "tests.h"

int main(void)
{
	return aml_tests() + gpt_tests() + ring_tests() + nvme_tests() + ena_tests() +
	       smbios_tests();
}
