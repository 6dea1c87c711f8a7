/*
 * Says where its code, heap, mappings, stack and the kernel's vDSO are, and a word of AT_RANDOM:
 * for test_places.py, which compares starts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	void *mapping = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long word;

	memcpy(&word, (const void *)getauxval(AT_RANDOM), sizeof(word));
	printf("code %lx\nheap %lx\nmapping %lx\nstack %lx\nvdso %lx\nrandom %lx\n",
	       (unsigned long)main, (unsigned long)sbrk(0), (unsigned long)mapping,
	       (unsigned long)&word, getauxval(AT_SYSINFO_EHDR), word);
	return mapping == MAP_FAILED;
}
