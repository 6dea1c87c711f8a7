/*
 * What a program finds when it starts: arguments, environment, auxiliary vector, an empty stack on
 * a multiple of 16, zeroed .bss.
 * @args one "two words" ""
 * @env NAME=value
 * @env EMPTY=
 */
#include "t.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;
static char bss[100000];
static int initialised = 42;
static _Thread_local int tls_data = 7, tls_bss;

int main(int argc, char **argv)
{
	const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long loads = 0;
	int sum = 0;

	printf("argc %d\n", argc);
	for (int i = 1; i < argc; i++)
		printf("argv[%d] '%s'\n", i, argv[i]);
	check(argv[argc] == NULL);
	for (int i = 0; environ[i] != NULL; i++)
		printf("env '%s'\n", environ[i]);
	for (size_t i = 0; i < sizeof(bss); i++)
		sum += bss[i];
	printf("bss %d data %d tls %d %d\n", sum, initialised, tls_data, tls_bss);
	printf("pagesz %lu clktck %lu secure %lu uid %lu\n", getauxval(AT_PAGESZ),
	       getauxval(AT_CLKTCK), getauxval(AT_SECURE), getauxval(AT_UID));
	check(random != NULL && phdr != NULL);
	for (int i = 0; i < 16; i++)
		sum |= random[i];
	check(sum != 0);
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		loads += phdr[i].p_type == PT_LOAD;
	check(loads > 0 && getauxval(AT_PHENT) == sizeof(Elf64_Phdr));
	check(getauxval(AT_ENTRY) != 0 && getauxval(AT_EXECFN) != 0);
	check(strcmp((const char *)getauxval(AT_PLATFORM), "x86_64") == 0);
	check(strrchr((const char *)getauxval(AT_EXECFN), '/') != NULL);
	/* environ stands right above argv, which stands above argc. */
	check(environ == argv + argc + 1 && ((long *)argv)[-1] == argc);
	check(((uintptr_t)argv - 8) % 16 == 0);
	done("start");
	return 7;
}
