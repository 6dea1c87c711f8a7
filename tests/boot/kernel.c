/*
 * A kernel that looks at the state in which the loader entered it, says "ok" on COM1 with what it
 * saw, and ends QEMU with a status of its own. It runs wherever it is put: the code is position
 * independent and holds no addresses.
 */
#include <stddef.h>
#include <uni/abi/boot.h>
#include <uni/abi/exit.h>

#define STATUS_GOOD 0x21
#define STATUS_BAD 0x22
#define BSS_WORDS 4096

void kernel_main(const struct uni_hvm_start_info *info, uint32_t place);

/* boot_test.py fills it: bytes that it appended to the file, and what their words come to. */
static volatile const struct {
	char magic[8];
	uint32_t offset, words, hash;
} payload = { "PAYLOAD", 0, 0, 0 };

static uint32_t zeroed[BSS_WORDS];

__asm__(".section .start, \"ax\"\n"
	".globl start\n"
	"start:\n"
	"	mov %cr0, %eax\n"
	"	mov %eax, %ecx\n"
	"	call 1f\n"
	"1:	pop %edx\n"
	"	lea stack_top - 1b(%edx), %esp\n"
	"	sub $(1b - start), %edx\n"
	"	push %edx\n"
	"	push %ebx\n"
	"	call kernel_main\n"
	".bss\n"
	"	.skip 8192\n"
	"stack_top:\n"
	".text\n");

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static void print(const char *text)
{
	for (; *text != '\0'; text++)
		out8(0x3f8, (uint8_t)*text);
}

static void print_number(uint32_t v)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		out8(0x3f8, (uint8_t) "0123456789abcdef"[v >> shift & 15]);
}

static void end(uint32_t status)
{
	__asm__ volatile("outl %0, %1" : : "a"(status), "Nd"((uint16_t)UNI_EXIT_DEBUG_PORT));
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void need(int good, const char *what)
{
	if (good)
		return;
	print("bad: ");
	print(what);
	print("\n");
	end(STATUS_BAD);
}

static uint32_t hash(const uint8_t *at, uint32_t words)
{
	uint32_t h = 0;

	for (; words != 0; words--, at += 4)
		h = (h * 16777619u) ^ *(const uint32_t *)(const void *)at;
	return h;
}

static uint32_t eflags(void)
{
	uint32_t v;

	__asm__ volatile("pushf; pop %0" : "=r"(v));
	return v;
}

static uint32_t cr0(void)
{
	uint32_t v;

	__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

static int in_ram(const struct uni_hvm_start_info *info, uint32_t start, uint32_t end_at)
{
	const struct uni_hvm_memmap_entry *map =
		(const void *)(uintptr_t)(uint32_t)info->memmap_paddr;

	for (uint32_t i = 0; i < info->memmap_entries; i++)
		if (map[i].type == 1 && map[i].addr <= start && map[i].addr + map[i].size >= end_at)
			return 1;
	return 0;
}

static void check_rsdp(const struct uni_hvm_start_info *info)
{
	const uint8_t *p = (const void *)(uintptr_t)(uint32_t)info->rsdp_paddr;
	uint8_t sum = 0;

	need(p != NULL, "no RSDP");
	for (unsigned i = 0; i < 8; i++)
		need(p[i] == (uint8_t) "RSD PTR "[i], "RSDP's signature");
	for (unsigned i = 0; i < 20; i++)
		sum = (uint8_t)(sum + p[i]);
	need(sum == 0, "RSDP's checksum");
}

void kernel_main(const struct uni_hvm_start_info *info, uint32_t place)
{
	const uint8_t *file = (const uint8_t *)(uintptr_t)(place & ~0xfffu);

	out8(0x3f8 + 3, 3);
	need(info->magic == UNI_HVM_START_MAGIC && info->version == 1, "start info");
	need((cr0() & 0x80000001u) == 1 && (eflags() & 0x20200u) == 0, "processor state");
	need(info->memmap_entries >= 3, "memory map");
	need(info->memmap_paddr < 0xa0000 && (uintptr_t)info < 0xa0000, "places below 640 KiB");
	for (uint32_t i = 0; i < BSS_WORDS; i++)
		need(((volatile uint32_t *)zeroed)[i] == 0, ".bss is not zero");
	need(file[0] == 0x7f && file[1] == 'E', "the file's first byte is elsewhere");
	need(payload.words != 0, "no payload");
	need(hash(file + payload.offset, payload.words) == payload.hash, "payload");
	need(in_ram(info, place, (uint32_t)(uintptr_t)file + payload.offset + payload.words * 4),
	     "not in RAM");
	check_rsdp(info);
	print("ok at ");
	print_number((uint32_t)(uintptr_t)file);
	print("\n");
	end(STATUS_GOOD);
}
