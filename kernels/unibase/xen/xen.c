/*
 * Finding Xen, calling it, and its parameters.
 *
 * Calls go by the processor's own instruction, which is what Xen would write into a hypercall page:
 * a page that somebody else fills with code is not needed then, and text stays what was linked.
 */
#include "xen.h"
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>

#define LEAF 0x40000000u
#define LEAF_BEHIND_VIRIDIAN 0x40000100u

enum { MEMORY_ADD_TO_PHYSMAP = 7 };
enum { SCHED_SHUTDOWN = 2 };
/* Ports of the platform device (docs/misc/hvm-emulated-unplug). */
#define PLATFORM 0x10
#define PLATFORM_MAGIC 0x49d2
#define PLATFORM_PRODUCT 0x12
enum { UNPLUG_DISKS = 1, UNPLUG_NETWORKS = 2 };
#define PRODUCT_EXPERIMENTAL 0xffff

enum { HVM_SET_PARAM = 0, HVM_GET_PARAM = 1 };

struct add_to_physmap {
	uint16_t domain;
	uint16_t size;
	uint32_t space;
	uint64_t index;
	uint64_t frame;
};

struct param {
	uint16_t domain;
	uint16_t pad;
	uint32_t index;
	uint64_t value;
};

static bool by_vmmcall;

int64_t uk_xen_hypercall(enum uk_xen_call call, uint64_t a, uint64_t b, uint64_t c)
{
	int64_t result = (int64_t)call;

	if (by_vmmcall)
		__asm__ volatile("vmmcall" : "+a"(result), "+D"(a), "+S"(b), "+d"(c) : : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(result), "+D"(a), "+S"(b), "+d"(c) : : "memory");
	return result;
}

static bool is_xen(uint32_t leaf)
{
	struct uk_cpuid r = uk_cpuid(leaf, 0);

	return r.b == 0x566e6558 && r.c == 0x65584d4d && r.d == 0x4d4d566e; /* XenVMMXenVMM */
}

static bool find(void)
{
	uint32_t maker = uk_cpuid(0, 0).b;

	/* Asking a processor that has no such leaves is harmless, but not free. */
	if (uk_cpu_has.hypervisor_leaf == 0)
		return false;
	by_vmmcall = maker == 0x68747541 || maker == 0x6f677948; /* AuthenticAMD, HygonGenuine */
	return is_xen(LEAF) ||
	       (strcmp(uk_cpu_has.hypervisor, "Microsoft Hv") == 0 && is_xen(LEAF_BEHIND_VIRIDIAN));
}

bool uk_xen_start(void)
{
	static enum { UNKNOWN, NO, YES } here;

	if (here == UNKNOWN) {
		here = find() && uk_xen_events_start() ? YES : NO;
		if (here == YES) {
			uk_xen_console_start();
			uk_end_register(uk_xen_end);
		}
	}
	return here == YES;
}

uint64_t uk_xen_param(enum uk_xen_param index)
{
	struct param p = { .domain = UK_XEN_SELF, .index = index };

	return uk_xen_hypercall(UK_XEN_HVM, HVM_GET_PARAM, (uintptr_t)&p, 0) == 0 ? p.value : 0;
}

bool uk_xen_param_set(enum uk_xen_param index, uint64_t value)
{
	struct param p = { .domain = UK_XEN_SELF, .index = index, .value = value };

	return uk_xen_hypercall(UK_XEN_HVM, HVM_SET_PARAM, (uintptr_t)&p, 0) == 0;
}

volatile void *uk_xen_param_page(enum uk_xen_param index)
{
	uint64_t frame = uk_xen_param(index);

	return frame == 0 || frame >= UK_DIRECT_SIZE >> UK_PAGE_SHIFT
		       ? NULL
		       : uk_shared_map(frame << UK_PAGE_SHIFT);
}

bool uk_xen_replace(enum uk_xen_space space, uint64_t index, const struct uk_page *page)
{
	struct add_to_physmap a = { .domain = UK_XEN_SELF,
				    .space = space,
				    .index = index,
				    .frame = uk_page_paddr(page) >> UK_PAGE_SHIFT };

	return uk_xen_hypercall(UK_XEN_MEMORY, MEMORY_ADD_TO_PHYSMAP, (uintptr_t)&a, 0) == 0;
}

void uk_xen_shutdown(enum uk_xen_end reason)
{
	uint32_t r = reason;

	uk_xen_hypercall(UK_XEN_SCHED, SCHED_SHUTDOWN, (uintptr_t)&r, 0);
}

void uk_xen_unplug(void)
{
	if (uk_in16(PLATFORM) != PLATFORM_MAGIC)
		return;			     /* PVH: nothing is emulated */
	if (uk_in8(PLATFORM_PRODUCT) != 0) { /* it wants to know who asks, and may refuse */
		uk_out16(PLATFORM_PRODUCT, PRODUCT_EXPERIMENTAL);
		uk_out32(PLATFORM, 0);
		if (uk_in16(PLATFORM) != PLATFORM_MAGIC)
			return;
	}
	uk_out16(PLATFORM, UNPLUG_DISKS | UNPLUG_NETWORKS);
}
