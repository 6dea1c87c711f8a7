/*
 * Runs the units of the io module, a file of them after the other.
 */
#include "unit.h"

int main(void)
{
	return unit_stream() + unit_tar() + unit_cpio() + unit_hashtree() + unit_secret();
}
