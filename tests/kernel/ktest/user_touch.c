/* The kernel itself can neither read a program's memory outside of uk_copy_* nor run it. */
#include "ktest.h"
#include <uk/paging.h>

#define AT 0x400000

void ktest(void)
{
	volatile uint64_t *pte = uk_pte_find(uk_paging_root(), AT, true);
	struct uk_page *page = uk_page_alloc(0, true);

	CHECK(pte != NULL && page != NULL);
	memset(uk_page_virt(page), 0xc3, 16); /* ret */
	*pte = uk_page_paddr(page) | UK_PTE_PRESENT | UK_PTE_USER;
#ifdef EXECUTE
	((void (*)(void))AT)();
#else
	CHECK(*(volatile uint8_t *)AT != 0xc3);
#endif
}
