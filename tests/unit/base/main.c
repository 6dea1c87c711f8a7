/*
 * Runs the units of the base module, a file of them after the other.
 */
#include "unit.h"
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return unit_hold(atoi(argv[2]));
	return unit_text() + unit_file() + unit_process() + unit_digest() + unit_system() +
	       unit_json() + unit_xml() + unit_search() + unit_ldcache();
}
