/*
 * Makes the call in which a test's kernel fails: with an argument by a fault, without by a panic.
 */
#include <stdio.h>
#include <sys/sysinfo.h>

int main(int argc, char **argv)
{
	static struct sysinfo info;

	(void)argv;
	return sysinfo(argc > 1 ? &info : NULL);
}
