/*
 * Runs the units of the trust module, a file of them after the other.
 */
#include "unit.h"

int main(void)
{
	return unit_keys() + unit_pem() + unit_tuf();
}
