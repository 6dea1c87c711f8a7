/* Bootable ELFs and boxes: made, taken apart, refused, damaged. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/kernel/base.h>
#include <uni/kernel/config.h>
#include <uni/kernel/elf.h>
#include <uni/kernel/kernel.h>
#include <unistd.h>

#include "tests.h"

static struct uni_err err;

struct setting {
	char *dir;
	struct uni_base *base;
	struct uni_buf config;
	struct sample_program program;
	int program_fd;
	uint8_t volume[8192];
	struct uni_kernel_part parts[4];
	int fd;
	struct uni_kernel_result result;
};

static void set_up(struct setting *s)
{
	struct uni_boot_config *config = uni_boot_config_new();

	memset(s, 0, sizeof(*s));
	s->dir = sample_base(sample_base_toml);
	assert_int_equal(uni_base_load(&s->base, s->dir, &err), 0);
	uni_strv_add(&config->args, "prog");
	assert_int_equal(uni_boot_config_encode(config, &s->config, &err), 0);
	uni_boot_config_free(config);
	sample_program(&s->program);
	s->program_fd = sample_file(&s->program, sizeof(s->program));
	memset(s->volume, 0x77, sizeof(s->volume));
	s->parts[0] = (struct uni_kernel_part){ .kind = UNI_PART_VOLUME,
						.data = s->volume,
						.size = sizeof(s->volume),
						.uuid = { .bytes = { 1, 2, 3, 4, 5, 6, 7 } } };
	s->parts[1] = (struct uni_kernel_part){ .kind = UNI_PART_PROGRAM,
						.fd = s->program_fd,
						.size = sizeof(s->program) };
	s->parts[2] =
		(struct uni_kernel_part){ .kind = UNI_PART_ROOT, .data = "070701", .size = 6 };
	s->parts[3] = (struct uni_kernel_part){ .kind = UNI_PART_CONFIG,
						.data = s->config.data,
						.size = s->config.size };
	s->fd = sample_file("", 0);
}

static void tear_down(struct setting *s)
{
	uni_base_free(s->base);
	sample_base_remove(s->dir);
	uni_buf_free(&s->config);
	close(s->program_fd);
	close(s->fd);
}

static int compose(struct setting *s, size_t count)
{
	memset(&err, 0, sizeof(err));
	assert_int_equal(ftruncate(s->fd, 0), 0);
	return s->base->kind->compose(s->base->kernels, s->parts, count, s->fd, &s->result, &err);
}

static void assert_part(const struct setting *s, const struct uni_kernel_image *image, size_t i,
			enum uni_part_kind kind, const void *data, size_t size, uint64_t unit)
{
	UNI_AUTO_FREE uint8_t *bytes = uni_alloc(size);

	assert_int_equal(image->parts[i].kind, kind);
	assert_int_equal(image->parts[i].size, size);
	assert_int_equal(image->parts[i].offset % unit, 0);
	assert_int_equal(uni_pread_full(s->fd, bytes, size, image->parts[i].offset, "elf", &err),
			 0);
	assert_memory_equal(bytes, data, size);
}

void test_compose_split(void **state)
{
	struct setting s;
	struct uni_kernel_image image;
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	struct uni_digest digest;
	uint64_t size;

	(void)state;
	set_up(&s);
	assert_int_equal(compose(&s, 4), 0);
	assert_int_equal(uni_digest_fd(s.fd, &size, &digest, "elf", &err), 0);
	assert_int_equal(size, s.result.size);
	assert_true(uni_digest_eq(&digest, &s.result.digest));
	assert_int_equal(uni_kernel_split(s.fd, 0, size, "elf", &image, &err), 0);
	assert_int_equal(image.part_count, 4);
	assert_int_equal(image.entry, SAMPLE_ENTRY);
	assert_int_equal(image.load_paddr, SAMPLE_LOAD_PADDR);
	assert_int_equal(image.bss_paddr, SAMPLE_BSS_PADDR);
	assert_int_equal(image.bss_size, 0x10000);
	assert_part(&s, &image, 0, UNI_PART_CONFIG, s.config.data, s.config.size, 8);
	assert_part(&s, &image, 1, UNI_PART_ROOT, "070701", 6, 8);
	assert_part(&s, &image, 2, UNI_PART_PROGRAM, &s.program, sizeof(s.program), 4096);
	assert_part(&s, &image, 3, UNI_PART_VOLUME, s.volume, sizeof(s.volume), 4096);
	assert_memory_equal(&image.parts[3].uuid, &s.parts[0].uuid, sizeof(struct uni_uuid));
	assert_int_equal(s.result.parts[2].paddr, SAMPLE_LOAD_PADDR + image.parts[2].offset);

	/* What is loaded by segments is the file: nothing behind them, no section headers. */
	assert_int_equal(uni_elf_open(&elf, s.fd, 0, size, "elf", &err), 0);
	assert_int_equal(elf->shnum, 0);
	assert_int_equal(elf->segments[5].type, PT_LOAD);
	assert_int_equal(elf->segments[5].flags, PF_R);
	assert_int_equal(elf->segments[5].offset, SAMPLE_KERNEL_LOADED);
	assert_int_equal(elf->segments[5].offset + elf->segments[5].filesz, size);
	assert_int_equal(elf->segments[5].vaddr - elf->segments[5].paddr, 0xffffffff80000000u);
	tear_down(&s);
}

/* These bytes may change only together with the versions that keys of caches hold. */
void test_golden(void **state)
{
	struct setting s;
	struct uni_digest config;
	char text[UNI_DIGEST_TEXT];

	(void)state;
	set_up(&s);
	assert_int_equal(compose(&s, 4), 0);
	config = uni_digest_of(s.config.data, s.config.size);
	uni_digest_text(&config, text);
	assert_string_equal(
		text, "sha256:a3ad30d0a815e3d0a5797e3c3d1b3d00b84916dc03d228fece56c47cdda18e25");
	assert_int_equal(s.base->kind->version, 1);
	uni_digest_text(&s.result.digest, text);
	assert_string_equal(
		text, "sha256:2ea087eac6e3ea99ffaaebbb08cd529cf6d8a9d8bfac36e4b239c33841aa39a3");
	tear_down(&s);
}

static void refused(struct setting *s, size_t count, const char *why)
{
	assert_true(compose(s, count) < 0);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void change_kernel(struct setting *s, size_t at, uint8_t value)
{
	uint8_t kernel[SAMPLE_KERNEL_SIZE];

	sample_kernel(kernel);
	kernel[at] = value;
	assert_int_equal(
		uni_file_write(s->base->kernels[0].file.path, kernel, sizeof(kernel), 0644, &err),
		0);
}

void test_compose_refused(void **state)
{
	struct setting s;
	const size_t segments = sizeof(Elf64_Ehdr);
	const size_t notes = segments + 6 * sizeof(Elf64_Phdr);

	(void)state;
	set_up(&s);
	refused(&s, 3, "boot configuration is missing");
	s.parts[0] = s.parts[1];
	refused(&s, 4, "more than one program");
	s.parts[0] = s.parts[2];
	s.parts[0].kind = UNI_PART_VOLUME;
	s.parts[0].size = 0;
	refused(&s, 4, "empty");
	s.parts[0].kind = 9;
	refused(&s, 4, "unknown kind");
	s.parts[0] = s.parts[3];
	s.parts[0].size -= 8;
	refused(&s, 1, "boot configuration");
	s.parts[0] = s.parts[3];
	change_kernel(&s, notes + 12, 'Y');
	refused(&s, 1, "no PVH entry");
	change_kernel(&s, notes + 20 + 12, 'n');
	refused(&s, 1, "which boot configuration");
	change_kernel(&s, notes + 20 + 16 + 4, 0); /* config_version */
	refused(&s, 1, "of version 1 to 0, not 1");
	change_kernel(&s, segments + 5 * sizeof(Elf64_Phdr), PT_SHLIB);
	refused(&s, 1, "no free program header");
	change_kernel(&s, segments + 2 * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_paddr) + 2, 9);
	refused(&s, 1, "do not lie in memory");
	change_kernel(&s, segments + offsetof(Elf64_Phdr, p_memsz) + 2, 9);
	refused(&s, 1, "zeroed");
	change_kernel(&s, 18, EM_386);
	refused(&s, 1, "not x86-64");
	change_kernel(&s, 4096, 0xcc);
	assert_int_equal(compose(&s, 1), 0);
	tear_down(&s);
}

static int split_packed(struct setting *s, uint64_t note_at, uint32_t from, uint32_t to,
			struct uni_kernel_image *image)
{
	const struct uni_packed_note note = { from, to };

	assert_int_equal(uni_pwrite_full(s->fd, &note, sizeof(note), note_at, "elf", &err), 0);
	return uni_kernel_split(s->fd, 0, s->result.size, "elf", image, &err);
}

/* A kernel that unpacks itself says what of its file is packed, and is believed where it can be. */
void test_packed(void **state)
{
	const Elf64_Nhdr head = { .n_namesz = 4,
				  .n_descsz = sizeof(struct uni_packed_note),
				  .n_type = UNI_NOTE_PACKED };
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;
	struct uni_kernel_image image;
	struct setting s;
	uint64_t at, size;

	(void)state;
	set_up(&s);
	assert_int_equal(compose(&s, 4), 0);
	assert_int_equal(uni_kernel_split(s.fd, 0, s.result.size, "elf", &image, &err), 0);
	assert_int_equal(image.packed_to, 0);
	assert_int_equal(uni_elf_open(&elf, s.fd, 0, s.result.size, "elf", &err), 0);
	assert_int_equal(elf->segments[4].type, PT_NOTE);
	at = elf->segments[4].offset + elf->segments[4].filesz;
	size = elf->segments[4].filesz + sizeof(head) + 4 + sizeof(struct uni_packed_note);
	assert_int_equal(uni_pwrite_full(s.fd, &head, sizeof(head), at, "elf", &err), 0);
	assert_int_equal(uni_pwrite_full(s.fd, UNI_NOTE_OWNER, 4, at + sizeof(head), "elf", &err),
			 0);
	at += sizeof(head) + 4;
	assert_int_equal(uni_pwrite_full(s.fd, &size, sizeof(size),
					 elf->phoff + 4 * sizeof(Elf64_Phdr) +
						 offsetof(Elf64_Phdr, p_filesz),
					 "elf", &err),
			 0);
	assert_int_equal(split_packed(&s, at, 1000, 8000, &image), 0);
	assert_int_equal(image.packed_from, 1000);
	assert_int_equal(image.packed_to, 8000);
	assert_int_equal(split_packed(&s, at, 8000, 1000, &image), UNI_E_CORRUPT);
	assert_int_equal(split_packed(&s, at, 0, UINT32_MAX, &image), UNI_E_CORRUPT);
	tear_down(&s);
}

static int make_box(struct setting *s, uint64_t *size)
{
	struct uni_digest digest;
	struct uni_digest again;
	struct uni_box_content elf = { .fd = s->fd };
	int fd = sample_file("", 0);

	assert_int_equal(compose(s, 4), 0);
	elf.size = s->result.size;
	assert_int_equal(uni_box_pack(&elf, fd, size, &digest, &err), 0);
	assert_int_equal(uni_digest_fd(fd, NULL, &again, "box", &err), 0);
	assert_true(uni_digest_eq(&digest, &again));
	return fd;
}

void test_box(void **state)
{
	struct setting s;
	struct uni_box_header header;
	struct uni_digest digest;
	uint64_t size;
	UNI_AUTO_CLOSE int box = -1;
	UNI_AUTO_CLOSE int out = sample_file("", 0);

	(void)state;
	set_up(&s);
	box = make_box(&s, &size);
	assert_int_equal(uni_box_read(box, 0, size + 4096, "box", &header, &err), 0);
	assert_int_equal(header.codec, UNI_BOX_LZ4);
	assert_int_equal(header.size, s.result.size);
	assert_true(header.stored_size < header.size / 4);
	assert_int_equal(header.load_paddr, SAMPLE_LOAD_PADDR);
	assert_int_equal(header.entry_paddr, SAMPLE_ENTRY);
	assert_int_equal(uni_box_unpack(box, 0, size, "box", out, &err), 0);
	assert_int_equal(uni_digest_fd(out, &size, &digest, "out", &err), 0);
	assert_true(uni_digest_eq(&digest, &s.result.digest));
	tear_down(&s);
}

void test_box_damaged(void **state)
{
	struct setting s;
	struct uni_box_header header;
	uint64_t size;
	UNI_AUTO_CLOSE int box = -1;
	UNI_AUTO_CLOSE int out = sample_file("", 0);

	(void)state;
	set_up(&s);
	box = make_box(&s, &size);
	assert_int_equal(uni_box_unpack(box, 0, size - 1, "box", out, &err), UNI_E_CORRUPT);
	for (uint64_t at = 0; at < size; at += at < sizeof(header) ? 1 : 37) {
		uint8_t byte;

		if (at >= sizeof(header) && at < UNI_BOX_HEADER_SIZE)
			continue;
		assert_int_equal(uni_pread_full(box, &byte, 1, at, "box", &err), 0);
		byte ^= 0x10;
		assert_int_equal(uni_pwrite_full(box, &byte, 1, at, "box", &err), 0);
		assert_true(uni_box_unpack(box, 0, size, "box", out, &err) < 0);
		byte ^= 0x10;
		assert_int_equal(uni_pwrite_full(box, &byte, 1, at, "box", &err), 0);
	}
	assert_int_equal(uni_box_unpack(box, 0, size, "box", out, &err), 0);
	tear_down(&s);
}
