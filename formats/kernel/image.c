/*
 * Reading a bootable ELF: whether it keeps the rule "the file is the memory image", where its entry
 * and its parts are.
 */
#include "image.h"

#include <elf.h>
#include <string.h>
#include <uni/base/file.h>

static int breaks_rule(const struct uni_elf *elf, const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no bootable ELF of ours: %s", elf->name,
			   what);
}

static int read_loads(const struct uni_elf *elf, struct image_shape *shape, struct uni_err *err)
{
	uint64_t lowest = UINT64_MAX;
	bool content = false;

	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct uni_elf_segment *s = &elf->segments[i];

		if (s->type != PT_LOAD)
			continue;
		if (s->filesz == 0) {
			if (shape->bss_size != 0)
				return breaks_rule(elf, "it has two segments without content", err);
			shape->bss_paddr = s->paddr;
			shape->bss_size = s->memsz;
			continue;
		}
		if (s->memsz != s->filesz)
			return breaks_rule(elf, "a segment is larger in memory than in the file",
					   err);
		if (s->paddr < s->offset || (content && s->paddr - s->offset != shape->load_paddr))
			return breaks_rule(elf, "its segments do not lie in memory as in the file",
					   err);
		content = true;
		shape->load_paddr = s->paddr - s->offset;
		shape->load_vaddr = s->vaddr - s->offset;
		lowest = s->paddr < lowest ? s->paddr : lowest;
		if (s->offset + s->filesz > shape->end)
			shape->end = s->offset + s->filesz;
	}
	if (!content)
		return breaks_rule(elf, "it has no segment with content", err);
	if (shape->bss_size != 0 && shape->bss_paddr + shape->bss_size > lowest)
		return breaks_rule(elf, "memory to be zeroed lies behind its content", err);
	return 0;
}

static int read_entry(const struct uni_elf *elf, struct image_shape *shape, struct uni_err *err)
{
	uint8_t bytes[8] = { 0 };
	uint64_t offset;
	uint64_t size;
	int rc = uni_elf_note(elf, "Xen", UNI_XEN_NOTE_PHYS32_ENTRY, &offset, &size, err);

	if (rc == UNI_E_NOENT)
		return breaks_rule(elf, "it has no PVH entry", err);
	if (rc != 0)
		return rc;
	if (size != 4 && size != 8)
		return breaks_rule(elf, "its PVH entry is no address", err);
	rc = uni_pread_full(elf->fd, bytes, (size_t)size, elf->base + offset, elf->name, err);
	if (rc != 0)
		return rc;
	for (size_t i = sizeof(bytes); i-- > 0;)
		shape->entry = shape->entry << 8 | bytes[i];
	return 0;
}

int image_read_shape(const struct uni_elf *elf, struct image_shape *shape, struct uni_err *err)
{
	uint64_t offset;
	uint64_t size;
	int rc;

	memset(shape, 0, sizeof(*shape));
	if (elf->machine != EM_X86_64)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is for %s, not x86-64", elf->name,
				   uni_elf_machine_name(elf->machine));
	rc = read_loads(elf, shape, err);
	if (rc == 0)
		rc = read_entry(elf, shape, err);
	if (rc != 0)
		return rc;
	rc = uni_elf_note(elf, UNI_NOTE_OWNER, UNI_NOTE_KERNEL, &offset, &size, err);
	if (rc == UNI_E_NOENT || (rc == 0 && size < sizeof(shape->note)))
		return breaks_rule(elf, "it does not say which boot configuration it understands",
				   err);
	if (rc == 0)
		rc = uni_pread_full(elf->fd, &shape->note, sizeof(shape->note), elf->base + offset,
				    elf->name, err);
	if (rc != 0)
		return rc;
	rc = uni_elf_note(elf, UNI_NOTE_OWNER, UNI_NOTE_PARTS, &offset, &size, err);
	if (rc == UNI_E_NOENT || (rc == 0 && size != sizeof(struct uni_parts)))
		return breaks_rule(elf, "it has no note for its parts", err);
	shape->parts_offset = offset;
	return rc;
}

/* Printable words with single spaces, or they are not taken. */
static int read_words(const struct uni_elf *elf, char words[UNI_WORDS_MAX], struct uni_err *err)
{
	uint64_t offset;
	uint64_t size;
	int rc = uni_elf_note(elf, UNI_NOTE_OWNER, UNI_NOTE_WORDS, &offset, &size, err);

	words[0] = '\0';
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0 && (size == 0 || size > UNI_WORDS_MAX))
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s: its words are too long", elf->name);
	if (rc == 0)
		rc = uni_pread_full(elf->fd, words, (size_t)size, elf->base + offset, elf->name,
				    err);
	if (rc != 0)
		return rc;
	words[size - 1] = '\0';
	for (char *at = words; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			return uni_err_set(err, UNI_E_CORRUPT, "%s: its words are no text",
					   elf->name);
	return 0;
}

static int read_packed(const struct uni_elf *elf, struct uni_kernel_image *image,
		       struct uni_err *err)
{
	struct uni_packed_note note;
	uint64_t offset;
	uint64_t size;
	int rc = uni_elf_note(elf, UNI_NOTE_OWNER, UNI_NOTE_PACKED, &offset, &size, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0 && size != sizeof(note))
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s: its note of what is packed is damaged",
				 elf->name);
	if (rc == 0)
		rc = uni_pread_full(elf->fd, &note, sizeof(note), elf->base + offset, elf->name,
				    err);
	if (rc != 0)
		return rc;
	if (note.from > note.to || note.to > elf->size)
		return uni_err_set(err, UNI_E_CORRUPT,
				   "%s: what is packed of it reaches behind its end", elf->name);
	image->packed_from = note.from;
	image->packed_to = note.to;
	return 0;
}

static int take_parts(const struct uni_elf *elf, const struct image_shape *shape,
		      const struct uni_parts *parts, struct uni_kernel_image *image,
		      struct uni_err *err)
{
	if (parts->count != 0 && parts->version != UNI_PARTS_VERSION)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: its parts are of version %u",
				   elf->name, parts->version);
	if (parts->count > UNI_PARTS_MAX)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: has %u parts, at most %d", elf->name,
				   parts->count, UNI_PARTS_MAX);
	for (uint32_t i = 0; i < parts->count; i++) {
		const struct uni_part *p = &parts->part[i];
		struct uni_uuid uuid;

		if (p->paddr < shape->load_paddr || p->paddr - shape->load_paddr > elf->size ||
		    p->size > elf->size - (p->paddr - shape->load_paddr))
			return uni_err_set(err, UNI_E_CORRUPT,
					   "%s: part %u reaches behind the file's end", elf->name,
					   i + 1);
		memcpy(uuid.bytes, p->uuid, sizeof(uuid.bytes));
		image->parts[i].kind = p->kind;
		image->parts[i].offset = p->paddr - shape->load_paddr;
		image->parts[i].size = p->size;
		image->parts[i].uuid = uni_uuid_swap(&uuid);
	}
	image->part_count = parts->count;
	return 0;
}

int uni_kernel_split(int fd, uint64_t offset, uint64_t size, const char *name,
		     struct uni_kernel_image *image, struct uni_err *err)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	struct image_shape shape;
	struct uni_parts parts;
	int rc = uni_elf_open(&elf, fd, offset, size, name, err);

	memset(image, 0, sizeof(*image));
	if (rc == 0)
		rc = image_read_shape(elf, &shape, err);
	if (rc == 0)
		rc = uni_pread_full(fd, &parts, sizeof(parts), offset + shape.parts_offset, name,
				    err);
	if (rc != 0)
		return rc;
	rc = read_words(elf, image->words, err);
	if (rc == 0)
		rc = read_packed(elf, image, err);
	if (rc != 0)
		return rc;
	image->entry = shape.entry;
	image->load_paddr = shape.load_paddr;
	image->bss_paddr = shape.bss_paddr;
	image->bss_size = shape.bss_size;
	return take_parts(elf, &shape, &parts, image, err);
}
