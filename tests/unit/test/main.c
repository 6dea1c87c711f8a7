/*
 * Runs the units of images under test: what needs no machine. What does is in tests/cli.
 */
#include "unit.h"

int main(void)
{
	return unit_match() + unit_console() + unit_dns() + unit_junit();
}
