/*
 * Runs the units of Xen's drivers, a file of them after the other.
 */
#include "tests.h"

int main(void)
{
	return blk_tests() + net_tests();
}
