/*
 * Bases that speak the Linux system-call ABI: kernel, boot configuration, program, root archive and
 * embedded volumes become one bootable ELF, by the rule in uni/abi/note.h.
 *
 * The kernel's segments are kept as they are. What they do not use of the file (section headers,
 * symbols) is cut off; the parts follow on a page boundary in one read-only segment, whose header
 * takes the place of a PT_NULL that the kernel keeps free for it.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/kernel/base.h>
#include <uni/kernel/config.h>

#include "image.h"

enum {
	PAGE = 4096,
	PART_ALIGN = 64,
	CHUNK = 1 << 20,
	KERNEL_MAX = 64 << 20,
};

/* Order in the file: small and first needed first, then what starts on a page. */
static const enum uni_part_kind file_order[] = { UNI_PART_CONFIG, UNI_PART_ROOT, UNI_PART_PROGRAM,
						 UNI_PART_VOLUME };

struct composing {
	int fd;
	uint64_t at; /* all before it is written and hashed */
	struct uni_hash hash;
	uint8_t *kernel; /* its bytes up to `shape.end`, patched before they are written */
	struct image_shape shape;
	struct uni_parts parts;
	const struct uni_kernel_part *from[UNI_PARTS_MAX]; /* as parts.part */
	uint64_t end;
};

static const char *part_name(enum uni_part_kind kind)
{
	static const char *const names[] = { "nothing", "boot configuration", "program",
					     "root archive", "volume" };

	return (size_t)kind < UNI_COUNT(names) ? names[kind] : names[0];
}

/* --- checks --- */

static int read_part(const struct uni_kernel_part *part, void *data, struct uni_err *err)
{
	if (part->data != NULL) {
		memcpy(data, part->data, (size_t)part->size);
		return 0;
	}
	return uni_pread_full(part->fd, data, (size_t)part->size, part->offset,
			      part_name(part->kind), err);
}

static int check_mounts(const struct uni_base *base, const struct uni_boot_config *config,
			struct uni_err *err)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		static const char *const names[] = { "nothing", "squashfs", "ext4", "live",
						     "tmpfs" };
		uint32_t fs = config->mounts[i].wire.fs;
		int rc = uni_base_need_filesystem(
			base, fs < UNI_COUNT(names) ? names[fs] : names[0], NULL, err);

		if (rc != 0)
			return uni_err_context(err, "mount %s", config->mounts[i].path);
	}
	return 0;
}

static int check_config(const struct uni_base *base, const struct image_shape *shape,
			const struct uni_kernel_part *part, struct uni_err *err)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *config = NULL;
	UNI_AUTO_FREE void *record = NULL;
	int rc = uni_base_need_config(base, UNI_CONFIG_VERSION, err);

	if (rc == 0 && (shape->note.config_oldest > UNI_CONFIG_VERSION ||
			shape->note.config_version < UNI_CONFIG_VERSION))
		rc = uni_err_set(err, UNI_E_UNSUPPORTED,
				 "the kernel of base %s understands boot configurations of version "
				 "%u to %u, not %u",
				 base->name, shape->note.config_oldest, shape->note.config_version,
				 UNI_CONFIG_VERSION);
	if (rc != 0)
		return rc;
	record = uni_try_alloc(part->size, UNI_CONFIG_MAX, "boot configuration", err);
	if (record == NULL)
		return err->code;
	rc = read_part(part, record, err);
	if (rc == 0)
		rc = uni_boot_config_decode(&config, record, (size_t)part->size, err);
	return rc == 0 ? check_mounts(base, config, err) : rc;
}

static int check_program(const struct uni_kernel_part *part, struct uni_err *err)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	int rc;

	if (part->data != NULL)
		return uni_err_set(err, UNI_E_INVAL, "the program must be a file");
	rc = uni_elf_open(&elf, part->fd, part->offset, part->size, "program", err);
	return rc == 0 ? uni_elf_check_program(elf, err) : rc;
}

static int check_parts(const struct uni_base *base, const struct image_shape *shape,
		       const struct uni_kernel_part *parts, size_t count, struct uni_err *err)
{
	size_t seen[UNI_PART_VOLUME + 1] = { 0 };

	if (count > UNI_PARTS_MAX)
		return uni_err_set(err, UNI_E_LIMIT,
				   "%zu parts in one kernel, at most %d are possible", count,
				   UNI_PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		enum uni_part_kind kind = parts[i].kind;
		int rc = 0;

		if (kind < UNI_PART_CONFIG || kind > UNI_PART_VOLUME)
			return uni_err_set(err, UNI_E_INVAL, "part of unknown kind %d", (int)kind);
		if (++seen[kind] > 1 && kind != UNI_PART_VOLUME)
			return uni_err_set(err, UNI_E_INVAL, "more than one %s", part_name(kind));
		if (parts[i].size == 0)
			return uni_err_set(err, UNI_E_INVAL, "the %s is empty", part_name(kind));
		if (kind == UNI_PART_CONFIG)
			rc = check_config(base, shape, &parts[i], err);
		else if (kind == UNI_PART_PROGRAM)
			rc = check_program(&parts[i], err);
		if (rc != 0)
			return rc;
	}
	if (seen[UNI_PART_CONFIG] == 0)
		return uni_err_set(err, UNI_E_INVAL, "the boot configuration is missing");
	return 0;
}

/* --- placing --- */

static bool on_page(enum uni_part_kind kind)
{
	return kind == UNI_PART_PROGRAM || kind == UNI_PART_VOLUME;
}

static int place_parts(struct composing *c, const struct uni_kernel_part *parts, size_t count,
		       struct uni_err *err)
{
	uint64_t at = (c->shape.end + PAGE - 1) / PAGE * PAGE;

	for (size_t o = 0; o < UNI_COUNT(file_order); o++) {
		for (size_t i = 0; i < count; i++) {
			uint64_t unit = on_page(parts[i].kind) ? PAGE : PART_ALIGN;
			uint32_t n = c->parts.count;
			struct uni_uuid uuid = uni_uuid_swap(&parts[i].uuid);

			if (parts[i].kind != file_order[o])
				continue;
			at = (at + unit - 1) / unit * unit;
			if (parts[i].size > INT64_MAX - at - PAGE)
				return uni_err_set(err, UNI_E_LIMIT, "the %s is too large",
						   part_name(parts[i].kind));
			c->parts.part[n].kind = parts[i].kind;
			c->parts.part[n].paddr = c->shape.load_paddr + at;
			c->parts.part[n].size = parts[i].size;
			memcpy(c->parts.part[n].uuid, uuid.bytes, sizeof(uuid.bytes));
			c->from[n] = &parts[i];
			c->parts.count++;
			at += parts[i].size;
		}
	}
	c->parts.version = UNI_PARTS_VERSION;
	c->end = (at + PAGE - 1) / PAGE * PAGE;
	/* The kernel's half of the address space ends somewhere, and so does 32-bit PVH. */
	if (c->shape.load_vaddr + c->end < c->shape.load_vaddr ||
	    c->shape.load_paddr + c->end > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT,
				   "kernel, program and embedded volumes have %s together: too "
				   "much to start from",
				   uni_size_text(c->end));
	return 0;
}

/* Fills the free program header and the note; drops the section headers. */
static int patch_kernel(struct composing *c, const struct uni_elf *elf, struct uni_err *err)
{
	uint64_t start = (c->shape.end + PAGE - 1) / PAGE * PAGE;
	Elf64_Phdr load = {
		.p_type = PT_LOAD,
		.p_flags = PF_R,
		.p_offset = start,
		.p_vaddr = c->shape.load_vaddr + start,
		.p_paddr = c->shape.load_paddr + start,
		.p_filesz = c->end - start,
		.p_memsz = c->end - start,
		.p_align = PAGE,
	};
	Elf64_Ehdr h;

	if (elf->phoff + elf->segment_count * sizeof(load) > c->shape.end ||
	    c->shape.parts_offset + sizeof(c->parts) > c->shape.end)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: its headers are in no segment",
				   elf->name);
	memcpy(c->kernel + c->shape.parts_offset, &c->parts, sizeof(c->parts));
	memcpy(&h, c->kernel, sizeof(h));
	h.e_shoff = 0;
	h.e_shnum = 0;
	h.e_shstrndx = SHN_UNDEF;
	memcpy(c->kernel, &h, sizeof(h));
	for (size_t i = 0; i < elf->segment_count; i++) {
		if (elf->segments[i].type != PT_NULL)
			continue;
		memcpy(c->kernel + elf->phoff + i * sizeof(load), &load, sizeof(load));
		return 0;
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED,
			   "%s: has no free program header for what it is to carry", elf->name);
}

/* --- writing --- */

static int put(struct composing *c, const void *data, size_t size, struct uni_err *err)
{
	int rc = uni_pwrite_full(c->fd, data, size, c->at, "bootable ELF", err);

	if (rc != 0)
		return rc;
	uni_hash_add(&c->hash, data, size);
	c->at += size;
	return 0;
}

static int put_zeros(struct composing *c, uint64_t until, struct uni_err *err)
{
	static const uint8_t zeros[PAGE];
	int rc = 0;

	while (rc == 0 && c->at < until)
		rc = put(c, zeros, until - c->at < PAGE ? (size_t)(until - c->at) : PAGE, err);
	return rc;
}

static int put_part(struct composing *c, const struct uni_kernel_part *part, struct uni_err *err)
{
	UNI_AUTO_FREE uint8_t *chunk = NULL;
	uint64_t done = 0;
	int rc = 0;

	if (part->data != NULL)
		return put(c, part->data, (size_t)part->size, err);
	chunk = uni_alloc(part->size < CHUNK ? (size_t)part->size : CHUNK);
	while (rc == 0 && done < part->size) {
		size_t size = part->size - done < CHUNK ? (size_t)(part->size - done) : CHUNK;

		rc = uni_pread_full(part->fd, chunk, size, part->offset + done,
				    part_name(part->kind), err);
		if (rc == 0)
			rc = put(c, chunk, size, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
		done += size;
	}
	return rc;
}

static int put_all(struct composing *c, struct uni_err *err)
{
	int rc = put(c, c->kernel, (size_t)c->shape.end, err);

	for (uint32_t i = 0; rc == 0 && i < c->parts.count; i++) {
		rc = put_zeros(c, c->parts.part[i].paddr - c->shape.load_paddr, err);
		if (rc == 0)
			rc = put_part(c, c->from[i], err);
	}
	return rc == 0 ? put_zeros(c, c->end, err) : rc;
}

static int open_kernel(const struct uni_base_kernel *kernel, int *fd, struct uni_elf **elf,
		       struct uni_err *err)
{
	struct stat st;

	*fd = open(kernel->file.path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) != 0)
		return uni_err_errno(err, "%s", kernel->file.path);
	return uni_elf_open(elf, *fd, 0, (uint64_t)st.st_size, kernel->file.member, err);
}

static int compose(const struct uni_base_kernel *kernel, const struct uni_kernel_part *parts,
		   size_t count, int fd, struct uni_kernel_result *result, struct uni_err *err)
{
	UNI_AUTO_CLOSE int kernel_fd = -1;
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	UNI_AUTO_FREE uint8_t *bytes = NULL;
	struct composing c = { .fd = fd };
	int rc = open_kernel(kernel, &kernel_fd, &elf, err);

	if (rc == 0)
		rc = image_read_shape(elf, &c.shape, err);
	if (rc == 0)
		rc = check_parts(kernel->base, &c.shape, parts, count, err);
	if (rc == 0)
		rc = place_parts(&c, parts, count, err);
	if (rc != 0)
		return rc;
	bytes = uni_try_alloc(c.shape.end, KERNEL_MAX, "kernel", err);
	if (bytes == NULL)
		return err->code;
	c.kernel = bytes;
	rc = uni_pread_full(kernel_fd, bytes, (size_t)c.shape.end, 0, kernel->file.member, err);
	if (rc == 0)
		rc = patch_kernel(&c, elf, err);
	uni_hash_start(&c.hash);
	if (rc == 0)
		rc = put_all(&c, err);
	if (rc != 0)
		return rc;
	result->size = c.at;
	result->digest = uni_hash_end(&c.hash);
	memcpy(result->parts, c.parts.part, sizeof(result->parts));
	return 0;
}

const struct uni_kernel_kind kind_linux_abi = {
	.name = "linux-abi",
	.version = 1,
	.compose = compose,
};
