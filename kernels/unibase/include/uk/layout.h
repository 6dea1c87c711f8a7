/*
 * Where things are in the upper half of the address space. Plain numbers: C, assembly and the
 * linker script read this.
 *
 *   UK_DIRECT_BASE   all of RAM, 512 GiB of room, never executable
 *   UK_STACK_BASE    kernel stacks, each with unmapped pages below it
 *   UK_DEVICE_BASE   device registers at their physical address, uncached, never executable
 *   UK_IMAGE_BASE    the kernel image at its linked physical address, wherever it was loaded
 */
#ifndef UK_LAYOUT_H
#define UK_LAYOUT_H

#ifdef __ASSEMBLER__
#define UK_ULL(x) x
#else
#define UK_ULL(x) x##ull
#endif

#define UK_LINK_PADDR 0x200000
#define UK_IMAGE_VIRT (UK_IMAGE_BASE + UK_LINK_PADDR)

/* The image's page table has entries for what is no part of it: the local APIC's registers, and
 * windows of two pages through which memory is read before there is a direct map. The tables of
 * that one are made through the last large pages behind the image. */
#define UK_WINDOWS 4
#define UK_IMAGE_WINDOWS (UK_IMAGE_VIRT + (512 - 2 * UK_WINDOWS) * 4096)
#define UK_IMAGE_APIC (UK_IMAGE_WINDOWS - 4096)
#define UK_IMAGE_MAX (UK_IMAGE_APIC - UK_IMAGE_VIRT)
#define UK_POOL_PAGES 4
#define UK_POOL_VIRT (UK_IMAGE_BASE + (512 - UK_POOL_PAGES) * 0x200000)

#define UK_DIRECT_BASE UK_ULL(0xffff888000000000)
#define UK_DIRECT_SIZE UK_ULL(0x8000000000)
#define UK_STACK_BASE UK_ULL(0xffffc90000000000)
#define UK_DEVICE_BASE UK_ULL(0xffffd00000000000)
#define UK_DEVICE_SIZE UK_ULL(0x200000000000)
#define UK_IMAGE_BASE UK_ULL(0xffffffff80000000)

/* Kernel stacks: 16 KiB at the top of a slot of 32; what is below is never mapped. */
#define UK_STACK_SIZE 0x4000
#define UK_STACK_SLOT 0x8000

/* Segment selectors, as Linux numbers them: programs see theirs in signal frames. */
#define UK_CS_KERNEL 0x10
#define UK_DS_KERNEL 0x18
#define UK_CS_USER32 0x23
#define UK_DS_USER 0x2b
#define UK_CS_USER 0x33
#define UK_TSS_SELECTOR 0x40

#endif
