/*
 * The program loader on hostile files: whatever the bytes say, what it asks to be mapped is whole
 * pages inside the program's half, never writable and executable at once, and inside the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kernels/unibase/proc/proc.h"
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/user.h>
#include <uk/vfs.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

struct uk_map uk_map = { .low = 0x10000, .high = 0x7f0000000000ull };
struct uk_process uk_process;

static const uint8_t *bytes;
static struct uk_inode node;
static struct uk_file whole = { .inode = &node };

void *uk_alloc(size_t size)
{
	return calloc(1, size);
}
void uk_free(void *p)
{
	free(p);
}
size_t uk_strlcpy(char *to, const char *from, size_t room)
{
	snprintf(to, room, "%s", from);
	return strlen(from);
}
int uk_snprintf(char *to, size_t room, const char *fmt, ...)
{
	__builtin_va_list args;
	int length;

	__builtin_va_start(args, fmt);
	length = vsnprintf(to, room, fmt, args);
	__builtin_va_end(args);
	return length;
}
uint64_t uk_layout_random(uint64_t pages)
{
	return (pages - 1) * UK_PAGE_SIZE;
}
int uk_clear_user(uint64_t to, size_t size)
{
	must(size < UK_PAGE_SIZE && to < UK_USER_END);
	return 0;
}
/* The interpreter, should one be named, is the same file. */
struct uk_file *uk_file_open(const char *path, int flags, uint32_t mode)
{
	(void)flags;
	(void)mode;
	must(strlen(path) < 256);
	return &whole;
}
void uk_file_put(struct uk_file *file)
{
	(void)file;
}
int uk_file_may_execute(struct uk_file *file)
{
	(void)file;
	return 0;
}
int64_t uk_file_read_kernel(struct uk_file *file, void *to, size_t size, uint64_t offset)
{
	(void)file;
	if (offset >= node.size)
		return 0;
	if (size > node.size - offset)
		size = node.size - offset;
	memcpy(to, bytes + offset, size);
	return (int64_t)size;
}
/* One page is looked at at a time; behind the file's end it is zeros. */
static char page_memory[UK_PAGE_SIZE];

uk_paddr_t uk_page_paddr(const struct uk_page *page)
{
	(void)page;
	return (uintptr_t)page_memory - UK_DIRECT_BASE;
}
int uk_file_page(struct uk_file *file, uint64_t index, struct uk_page **page)
{
	memset(page_memory, 0, sizeof(page_memory));
	*page = NULL;
	must(index < UK_ALIGN_UP(node.size, UK_PAGE_SIZE) / UK_PAGE_SIZE);
	return uk_file_read_kernel(file, page_memory, UK_PAGE_SIZE, index * UK_PAGE_SIZE) > 0
		       ? 0
		       : -UK_EIO;
}
void uk_page_put(struct uk_page *page)
{
	must(page == NULL);
}
int uk_map_populate(uint64_t addr, uint64_t size)
{
	must((addr & UK_PAGE_MASK) == 0 && size != 0 && (size & UK_PAGE_MASK) == 0);
	return 0;
}
int64_t uk_map_add(const struct uk_map_request *r)
{
	must(r->fixed && (r->addr & UK_PAGE_MASK) == 0 && (r->size & UK_PAGE_MASK) == 0);
	must(r->size != 0 && r->addr < UK_USER_END && r->size <= UK_USER_END - r->addr);
	must((r->prot & 6) != 6);
	if (r->file != NULL)
		must((r->offset & UK_PAGE_MASK) == 0 && r->offset < node.size);
	return r->addr < UK_PAGE_SIZE ? -UK_EPERM : (int64_t)r->addr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[96] = "", name[64];
	struct uk_loaded loaded;
	uint64_t offset;

	bytes = data;
	node.size = size;
	uk_process.program = &whole;
	if (uk_elf_load(&whole, &loaded, why, sizeof(why)) != 0)
		must(why[0] != '\0');
	else
		must(loaded.entry < UK_USER_END && loaded.end <= UK_USER_END);
	uk_elf_symbol(0x401000, name, sizeof(name), &offset);
	return 0;
}
