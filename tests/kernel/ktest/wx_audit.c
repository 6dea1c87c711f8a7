/* No mapping is writable and executable; the kernel's own rights are what they should be. */
#include "ktest.h"
#include <uk/paging.h>

static int in_data = 1;

static uint64_t rights(const void *at)
{
	volatile uint64_t *pte = uk_pte_find(uk_paging_root(), (uintptr_t)at, false);

	CHECK(pte != NULL);
	return *pte & (UK_PTE_PRESENT | UK_PTE_WRITE | UK_PTE_NX_BIT | UK_PTE_USER);
}

static const void *alias(const void *at)
{
	return uk_phys_to_virt(uk_virt_to_phys(at));
}

void ktest(void)
{
	static const int in_rodata = 1;
	volatile uint64_t *pte;
	uint64_t virt;

	CHECK(uk_io_map(0xfee00000, 4096) != NULL);
	CHECK(uk_paging_audit(&virt));
	CHECK(rights(uk_text_start) == UK_PTE_PRESENT);
	CHECK(rights(&in_rodata) == (UK_PTE_PRESENT | UK_PTE_NX_BIT));
	CHECK(rights(&in_data) == (UK_PTE_PRESENT | UK_PTE_WRITE | UK_PTE_NX_BIT));
	CHECK(rights(uk_sealed_start) == (UK_PTE_PRESENT | UK_PTE_NX_BIT));
	CHECK(rights(alias(uk_text_start)) == (UK_PTE_PRESENT | UK_PTE_NX_BIT));
	CHECK(rights(alias(&in_rodata)) == (UK_PTE_PRESENT | UK_PTE_NX_BIT));
	CHECK(rights(alias(uk_sealed_start)) == (UK_PTE_PRESENT | UK_PTE_NX_BIT));
	CHECK(rights(uk_boot_guard) == 0);
	/* The audit must see what it looks for. */
	pte = uk_pte_find(uk_paging_root(), (uintptr_t)&in_data, false);
	*pte &= ~UK_PTE_NX_BIT;
	CHECK(!uk_paging_audit(&virt) && virt == ((uintptr_t)&in_data & ~UK_PAGE_MASK));
	*pte |= UK_PTE_NX_BIT;
	CHECK(uk_paging_audit(&virt));
}
