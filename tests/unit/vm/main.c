/*
 * Runs the units of the machine runner, a file of them after the other.
 */
#include "unit.h"

int main(void)
{
	return unit_forward() + unit_qmp() + unit_machine() + unit_detached() + unit_bells();
}
