/*
 * Puts a packed kernel into its place. What was filled in for the image, the table of its parts,
 * stands in front of the packed bytes, where it is overwritten: it goes by way of the stack.
 */
#include "unpack.h"
#include "boot.h"
#include <uni/abi/note.h>

_Static_assert(sizeof(struct unpack_facts) == 11 * 4, "unpack_enter.S leaves room for it");
_Static_assert(offsetof(struct unpack_facts, stack) == 4, "unpack_enter.S");

uint32_t unpack(const struct unpack_facts *f, uint32_t moved);

/* ... and gives the kernel's entry. */
uint32_t unpack(const struct unpack_facts *f, uint32_t moved)
{
	struct uni_parts parts = *(const struct uni_parts *)boot_at(f->parts + moved);
	const char *reason =
		lz4_unpack(boot_at(f->image + moved), f->size, f->room, f->stored_size);

	if (reason != NULL)
		boot_tell_host(reason);
	while (reason != NULL)
		__asm__ volatile("cli; hlt");
	unpack_convert(boot_at(f->text + moved), f->text_size, unpack_call_distance);
	*(struct uni_parts *)boot_at(f->parts_to + moved) = parts;
	return f->entry + moved;
}
