/*
 * What Linux cannot judge: the page cache with readers that come at once, errors and writing back,
 * frames of the boot image, bounds of memory and names, the terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uk/sha256.h>
#include <uk/syscall.h>

#include "calls.h"
#include "shim.h"

static int64_t call(int64_t (*fn)(const struct uk_sysargs *s), uint64_t a, uint64_t b, uint64_t c,
		    uint64_t d)
{
	const struct uk_sysargs s = { { a, b, c, d, 0, 0 } };

	return fn(&s);
}

#define P(p) ((uint64_t)(uintptr_t)(p))

/* -- the page cache over a file system made for the test -- */

static unsigned fills, writes;
static int fill_error;
static bool slow;
static char written[8];

static int test_fill(struct uk_inode *inode, uint64_t index, uint64_t first, unsigned count)
{
	(void)index;
	fills++;
	if (slow)
		uk_yield();
	if (fill_error != 0)
		return fill_error;
	for (unsigned i = 0; i < count; i++) {
		struct uk_page *page = uk_page_alloc(0, true);

		if (page == NULL)
			return -UK_ENOMEM;
		memset(uk_page_virt(page), (int)('a' + (first + i) % 26), 10);
		(void)uk_cache_add(inode, first + i, page);
		uk_page_put(page);
	}
	return 0;
}

static int test_write_pages(struct uk_inode *inode, struct uk_page **pages, unsigned count)
{
	(void)inode;
	writes += count;
	if (fill_error != 0)
		return fill_error;
	for (unsigned i = 0; i < count; i++)
		written[pages[i]->index % sizeof(written)] = *(char *)uk_page_virt(pages[i]);
	return 0;
}

static const struct uk_inode_ops test_ops = { .fill = test_fill, .write_pages = test_write_pages };

static struct uk_inode *file_new(unsigned order)
{
	struct uk_inode *inode = uk_inode_new(NULL, &test_ops, UK_S_IFREG);

	assert_non_null(inode);
	inode->fill_order = (uint8_t)order;
	inode->size = 1 << 30;
	fills = writes = 0;
	fill_error = 0;
	slow = false;
	return inode;
}

static char first_byte(struct uk_inode *inode, uint64_t index)
{
	struct uk_page *page;
	char c;

	assert_int_equal(uk_cache_get(inode, index, &page), 0);
	c = *(char *)uk_page_virt(page);
	uk_page_put(page);
	return c;
}

static void test_fill_once(void **unused)
{
	struct uk_inode *inode = file_new(3);

	(void)unused;
	assert_int_equal(first_byte(inode, 5), 'f');
	assert_int_equal(first_byte(inode, 0), 'a');
	assert_int_equal(first_byte(inode, 7), 'h');
	assert_int_equal(fills, 1);
	assert_int_equal(first_byte(inode, 8), 'i');
	assert_int_equal(fills, 2);
	/* Far apart: the tree grows at its root. */
	assert_int_equal(first_byte(inode, 1ull << 40), 'a' + (1ull << 40) % 26);
	assert_int_equal(first_byte(inode, (1ull << 51) - 1), 'a' + ((1ull << 51) - 1) % 26);
	assert_int_equal(first_byte(inode, 5), 'f');
	assert_int_equal(fills, 4);
	fill_error = -UK_EIO;
	struct uk_page *page;
	assert_int_equal(uk_cache_get(inode, 100, &page), -UK_EIO);
	fill_error = 0;
	assert_int_equal(first_byte(inode, 100), 'a' + 100 % 26);
	uk_inode_put(inode);
	assert_int_equal(shim_pages_used(), 0);
}

static struct uk_inode *shared;
static unsigned done;

static void reader(void *arg)
{
	uint64_t index = (uintptr_t)arg;

	assert_int_equal(first_byte(shared, index), (char)('a' + index % 26));
	done++;
}

static void test_readers_at_once(void **unused)
{
	(void)unused;
	shared = file_new(2);
	slow = true;
	done = 0;
	for (uintptr_t i = 0; i < 8; i++)
		uk_thread_spawn("reader", reader, (void *)i);
	shim_run();
	assert_int_equal(done, 8);
	assert_int_equal(fills, 2);
	uk_inode_put(shared);
}

static void test_writing_back(void **unused)
{
	struct uk_inode *inode = file_new(0);
	struct uk_page *page;

	(void)unused;
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(uk_cache_get_dirty(inode, i, &page), 0);
		*(char *)uk_page_virt(page) = (char)('A' + i);
		uk_page_put(page);
	}
	assert_int_equal(fs_cache_shrink(100), 0); /* dirty pages stay */
	fill_error = -UK_EIO;
	assert_int_equal(uk_cache_sync(inode), -UK_EIO);
	fill_error = 0;
	writes = 0;
	assert_int_equal(uk_cache_sync(inode), 0);
	assert_int_equal(writes, 4);
	assert_memory_equal(written, "ABCD", 4);
	assert_int_equal(uk_cache_sync(inode), 0);
	assert_int_equal(writes, 4);
	assert_int_equal(inode->pages.dirty, 0);
	assert_int_equal(fs_cache_shrink(100), 4);
	assert_int_equal(first_byte(inode, 0), 'a'); /* read again */
	uk_inode_put(inode);
}

static void test_reclaim(void **unused)
{
	struct uk_inode *inode = file_new(0);
	size_t before = shim_pages_used();

	(void)unused;
	shim_page_limit(before + 50);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(first_byte(inode, i), (char)('a' + i % 26));
	assert_true(inode->pages.count <= 50);
	/* What is used again and again survives one pass over much else. */
	for (uint64_t i = 0; i < 200; i++) {
		(void)first_byte(inode, 2000);
		(void)first_byte(inode, 3000 + i);
	}
	fills = 0;
	(void)first_byte(inode, 2000);
	assert_int_equal(fills, 0);
	shim_page_limit(SIZE_MAX);
	uk_inode_put(inode);
	assert_int_equal(shim_pages_used(), before);
}

static void test_ahead(void **unused)
{
	struct uk_inode *inode = file_new(0);

	(void)unused;
	inode->size = 10 * UK_PAGE_SIZE;
	uk_cache_ahead(inode, 2, 4);
	uk_cache_ahead(inode, 8, 100);
	shim_run();
	assert_int_equal(fills, 6);
	for (uint64_t i = 2; i < 6; i++)
		(void)first_byte(inode, i);
	assert_int_equal(fills, 6);
	assert_int_equal(inode->refs, 1);
	uk_inode_put(inode);
}

/* -- files on the boot image -- */

/* A member of a newc archive; its bytes start on a multiple of 4. */
static size_t member(char *to, const char *name, unsigned mode, unsigned nlink, const char *data,
		     size_t size)
{
	size_t at = UK_ALIGN_UP(110 + strlen(name) + 1, 4ul);

	char header[140];

	snprintf(header, sizeof(header),
		 "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 7, mode, 5, 6,
		 nlink, 1000, size, 0, 1, 0x0c, 0x22, strlen(name) + 1, 0);
	memcpy(to, header, 110);
	memset(to + 110, 0, at - 110);
	memcpy(to + 110, name, strlen(name));
	memcpy(to + at, data, size);
	memset(to + at + size, 0, 4);
	return UK_ALIGN_UP(at + size, 4ul);
}

/* The same at `at` of an archive, its bytes on a page: slashes in a name mean nothing. */
static size_t member_on_page(char *archive, size_t at, const char *folder, const char *base,
			     const char *data, size_t size)
{
	size_t start = UK_ALIGN_UP(at + 110 + strlen(folder) + strlen(base) + 4, 4096ul);
	static char name[5000];
	size_t slashes = start - at - 110 - strlen(folder) - strlen(base) - 1;

	snprintf(name, sizeof(name), "%s%*s%s", folder, (int)slashes, "", base);
	memset(name + strlen(folder), '/', slashes);
	return member(archive + at, name, 0100755, 1, data, size);
}

static void test_archive(void **unused)
{
	static char archive[65536], data[20000];
	struct uk_dentry *dentry;
	struct uk_linux_stat st;
	struct uk_page *page, *frame;
	size_t size = 0;
	const char *why;
	char *image;

	(void)unused;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 4096);
	size += member(archive + size, ".", 040755, 2, "", 0);
	size += member(archive + size, "ar", 040750, 2, "", 0);
	size += member(archive + size, "ar/not/there/yet", 0100600, 1, "text", 4);
	size += member(archive + size, "ar/link", 0120777, 1, "not/there/yet", 13);
	size += member(archive + size, "ar/null", 020644, 1, "", 0);
	size += member(archive + size, "ar/one", 0100644, 2, "", 0);
	size += member(archive + size, "ar/two", 0100644, 2, data, 300);
	/* Its pages are the image's own frames. */
	size += member_on_page(archive, size, "ar", "page", data, 10000);
	size += member(archive + size, "TRAILER!!!", 0, 1, "", 0);
	image = shim_image(archive, size);
	assert_int_equal(fs_cpio_unpack(image, size, &why), 0);
	assert_int_equal(call(uk_sys_stat, P("/ar/link"), P(&st), 0, 0), 0);
	assert_int_equal(st.size, 4);
	assert_int_equal(st.mode, 0100600);
	assert_int_equal(st.uid, 5);
	assert_int_equal(st.mtime.sec, 1000);
	assert_int_equal(call(uk_sys_stat, P("/ar/one"), P(&st), 0, 0), 0);
	assert_int_equal(st.size, 300);
	assert_int_equal(st.nlink, 2);
	assert_int_equal(call(uk_sys_stat, P("/ar/null"), P(&st), 0, 0), 0);
	assert_int_equal(st.rdev, 0xc22);
	assert_int_equal(fs_walk_path(UK_AT_FDCWD, "/ar/page", 0, &dentry), 0);
	assert_int_equal(uk_cache_get(dentry->inode, 1, &page), 0);
	assert_memory_equal(uk_page_virt(page), data + 4096, 4096);
	assert_true((page->flags & UK_PAGE_RESERVED) != 0);
	frame = page;
	uk_page_put(page);
	/* The last, part of a page, is a copy with zeros behind it; a store makes a copy too. */
	assert_int_equal(uk_cache_get(dentry->inode, 2, &page), 0);
	assert_true((page->flags & UK_PAGE_RESERVED) == 0);
	assert_memory_equal(uk_page_virt(page), data + 8192, 10000 - 8192);
	assert_int_equal(((char *)uk_page_virt(page))[10000 - 8192], 0);
	uk_page_put(page);
	assert_int_equal(uk_cache_get_dirty(dentry->inode, 1, &page), 0);
	assert_ptr_not_equal(page, frame);
	assert_memory_equal(uk_page_virt(page), data + 4096, 4096);
	uk_page_put(page);
	/* Cut and grown again, the image's bytes do not come back. */
	assert_int_equal(fs_truncate(dentry->inode, 5000), 0);
	assert_int_equal(fs_truncate(dentry->inode, 10000), 0);
	assert_int_equal(uk_cache_get(dentry->inode, 2, &page), 0);
	for (size_t i = 0; i < UK_PAGE_SIZE; i++)
		assert_int_equal(((char *)uk_page_virt(page))[i], 0);
	uk_page_put(page);
	fs_dentry_put(dentry);
}

static void test_damaged_archives(void **unused)
{
	static char archive[2000];
	const char *why;
	size_t size;

	(void)unused;
	size = member(archive, "../up", 0100644, 1, "x", 1);
	assert_int_equal(fs_cpio_unpack(archive, size, &why), -UK_EINVAL);
	assert_string_equal(why, "a name holds \"..\"");
	size = member(archive, "cut", 0100644, 1, "xxxxxxxxxxxx", 12);
	assert_int_equal(fs_cpio_unpack(archive, size - 8, &why), -UK_EINVAL);
	assert_string_equal(why, "a file's bytes are cut off");
	assert_int_equal(fs_cpio_unpack(archive, size, &why), -UK_EINVAL);
	assert_string_equal(why, "no newc header where one should be");
	archive[30] = 'g';
	assert_int_equal(fs_cpio_unpack(archive, size, &why), -UK_EINVAL);
	assert_string_equal(why, "a header field is no hexadecimal number");
}

/* -- bounds -- */

static void test_limit(void **unused)
{
	struct uk_super *super = fs_tmpfs_new(16 * UK_PAGE_SIZE);
	struct uk_dentry *point;
	static char data[UK_PAGE_SIZE];
	int64_t fd;

	(void)unused;
	assert_int_equal(call(uk_sys_mkdir, P("/small"), 0755, 0, 0), 0);
	assert_int_equal(fs_walk_path(UK_AT_FDCWD, "/small", 0, &point), 0);
	assert_int_equal(fs_mount_add(point, super, "tmpfs"), 0);
	fs_dentry_put(point);
	fd = call(uk_sys_open, P("/small/f"), UK_O_CREAT | UK_O_RDWR, 0644, 0);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(call(uk_sys_write, (uint64_t)fd, P(data), sizeof(data), 0),
				 sizeof(data));
	assert_int_equal(call(uk_sys_write, (uint64_t)fd, P(data), 1, 0), -UK_ENOSPC);
	/* Holes cost nothing, and what is cut off is free again. */
	assert_int_equal(call(uk_sys_ftruncate, (uint64_t)fd, 1 << 30, 0, 0), 0);
	assert_int_equal(call(uk_sys_ftruncate, (uint64_t)fd, 100, 0, 0), 0);
	assert_int_equal(call(uk_sys_pwrite64, (uint64_t)fd, P(data), 1, 1 << 20), 1);
	assert_int_equal(call(uk_sys_unlink, P("/small/f"), 0, 0, 0), 0);
	assert_int_equal(call(uk_sys_close, (uint64_t)fd, 0, 0, 0), 0);
	fd = call(uk_sys_open, P("/small/g"), UK_O_CREAT | UK_O_RDWR, 0644, 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(call(uk_sys_write, (uint64_t)fd, P(data), sizeof(data), 0),
				 sizeof(data));
	assert_int_equal(call(uk_sys_close, (uint64_t)fd, 0, 0, 0), 0);
	assert_int_equal(call(uk_sys_rename, P("/small/g"), P("/g"), 0, 0), -UK_EXDEV);
	assert_int_equal(call(uk_sys_rmdir, P("/small"), 0, 0, 0), -UK_EBUSY);
	assert_int_equal(call(uk_sys_open, P("/small/../small/g"), 0, 0, 0), fd);
	assert_int_equal(call(uk_sys_close, (uint64_t)fd, 0, 0, 0), 0);
}

static void test_many_names(void **unused)
{
	size_t before = shim_allocated();
	char path[64];

	(void)unused;
	assert_int_equal(call(uk_sys_mkdir, P("/names"), 0755, 0, 0), 0);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/names/absent-%u", i);
		assert_int_equal(call(uk_sys_access, P(path), 0, 0, 0), -UK_ENOENT);
	}
	/* The cache of names is bounded: most of these are forgotten. */
	assert_in_range(shim_allocated(), 0, before + 70000);
	assert_int_equal(call(uk_sys_rmdir, P("/names"), 0, 0, 0), 0);
	(void)fs_dentry_shrink(100000);
	assert_in_range(shim_allocated(), 0, before + 100);
}

static void test_descriptor_limit(void **unused)
{
	unsigned count = 0;
	int64_t fd;

	(void)unused;
	uk_fd_set_limit(20);
	while ((fd = call(uk_sys_open, P("/"), 0, 0, 0)) >= 0) {
		assert_int_equal(fd, count);
		count++;
	}
	assert_int_equal(fd, -UK_EMFILE);
	assert_int_equal(count, 20);
	/* A file is not made when there is no descriptor for it. */
	assert_int_equal(call(uk_sys_open, P("/made"), UK_O_CREAT | UK_O_RDWR, 0644, 0),
			 -UK_EMFILE);
	assert_int_equal(call(uk_sys_access, P("/made"), 0, 0, 0), -UK_ENOENT);
	assert_int_equal(call(uk_sys_close, 7, 0, 0, 0), 0);
	assert_int_equal(call(uk_sys_dup, 3, 0, 0, 0), 7);
	uk_fd_set_limit(1024);
	assert_int_equal(call(uk_sys_close_range, 0, UINT32_MAX, 0, 0), 0);
}

/* -- the terminal -- */

static int64_t tty_read(struct uk_file *file, char *to, size_t size)
{
	memset(to, 0, size);
	return uk_file_read_kernel(file, to, size, 0);
}

/* Reads until there is nothing; the bytes must be those of `text`, over and over, then `end`. */
static size_t read_all(struct uk_file *file, const char *text, const char *end)
{
	char part[100];
	size_t size = 0;

	for (;; shim_run()) {
		int64_t got = tty_read(file, part, sizeof(part));

		if (got == -UK_EAGAIN)
			return size;
		for (int64_t i = 0; i < got; i++, size++)
			if (part[i] != text[size % strlen(text)])
				assert_string_equal(part + i, end);
	}
}

static void type_many(const char *text, unsigned times)
{
	while (times-- > 0) {
		shim_type(text);
		if (times % 10 == 0)
			shim_run();
	}
}

/* 4096 bytes are taken, 256 more wait for the line discipline, the rest is left with the port. */
static void terminal_when_full(struct uk_file *file)
{
	char got[64];
	int left;

	/* Whole lines, none of which is cut; and one line that is longer than the buffer. */
	type_many("0123456\n", 1000);
	assert_int_equal(read_all(file, "0123456\n", ""), 8000);
	type_many("0123456789abcdef", 600);
	shim_type("\n");
	shim_run();
	assert_int_equal(file->ops->ioctl(file, UK_FIONREAD, P(&left)), 0);
	assert_int_equal(left, 4096);
	assert_int_equal(read_all(file, "0123456789abcdef", "\n"), 9601);
	/* The end of file behind that. */
	type_many("0123456\n", 512);
	shim_type("\x04");
	shim_run();
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(tty_read(file, got, 60), 8);
	shim_run();
	assert_int_equal(tty_read(file, got, 60), 0);
	/* Keys that signal drop all that stands before them, unless their meaning was taken. */
	type_many("0123456\n", 520);
	shim_type("\x16\x03");
	shim_run();
	assert_int_equal(shim_signal(), 0);
	shim_type("ab\x03kept\n");
	shim_run();
	assert_int_equal(shim_signal(), 2);
	assert_int_equal(read_all(file, "kept\n", ""), 5);
	/* A flush drops both buffers, and what the port has comes after it. */
	type_many("0123456\n", (4096 + 256) / 8);
	shim_type("port\n");
	shim_run();
	assert_int_equal(file->ops->ioctl(file, UK_TCFLSH, 0), 0);
	shim_run();
	assert_int_equal(read_all(file, "port\n", ""), 5);
}

static void test_terminal(void **unused)
{
	struct uk_file *file = uk_file_new(&fs_tty_ops, NULL, UK_O_RDWR | UK_O_NONBLOCK);
	struct uk_linux_termios t;
	char got[64];
	int left;

	(void)unused;
	fs_tty_start();
	shim_run();
	(void)shim_console();
	assert_int_equal(tty_read(file, got, 10), -UK_EAGAIN);
	shim_type("hello\rworld");
	shim_run();
	assert_string_equal(shim_console(), "hello\nworld");
	assert_int_equal(file->ops->ioctl(file, UK_FIONREAD, P(&left)), 0);
	assert_int_equal(left, 6);
	assert_int_equal(tty_read(file, got, 3), 3);
	assert_string_equal(got, "hel");
	assert_int_equal(tty_read(file, got, 60), 3);
	assert_string_equal(got, "lo\n");
	assert_int_equal(tty_read(file, got, 60), -UK_EAGAIN);
	/* Editing: rubbing out a character, a word, the line. */
	shim_type("\x15"
		  "ab\x7f"
		  "c one two\x17three\n");
	shim_run();
	assert_int_equal(tty_read(file, got, 60), 13);
	assert_string_equal(got, "ac one three\n");
	(void)shim_console();
	shim_type("\xc3\xa4\x7f"
		  "x\n");
	shim_run();
	assert_string_equal(shim_console(), "\xc3\xa4\b \bx\n");
	assert_int_equal(tty_read(file, got, 60), 2);
	/* End of file, alone and behind text. */
	shim_type("\x04");
	shim_run();
	assert_int_equal(tty_read(file, got, 60), 0);
	shim_type("end\x04");
	shim_run();
	assert_int_equal(tty_read(file, got, 60), 3);
	/* Signals drop what was typed. */
	shim_type("dropped\x03");
	shim_run();
	assert_int_equal(shim_signal(), 2);
	shim_type("\x1c\n");
	shim_run();
	assert_int_equal(shim_signal(), 3);
	assert_int_equal(tty_read(file, got, 60), 1);
	terminal_when_full(file);
	(void)shim_console();
	/* Raw: every byte at once, no echo, no meaning. */
	assert_int_equal(file->ops->ioctl(file, UK_TCGETS, P(&t)), 0);
	t.lflag = 0;
	t.iflag = 0;
	t.oflag |= UK_ONLCR;
	assert_int_equal(file->ops->ioctl(file, UK_TCSETSF, P(&t)), 0);
	shim_type("\x03\r\x04");
	shim_run();
	assert_int_equal(shim_signal(), 0);
	assert_string_equal(shim_console(), "");
	assert_int_equal(tty_read(file, got, 60), 3);
	assert_string_equal(got, "\x03\r\x04");
	{
		struct uk_iter from;
		uint64_t offset = 0;

		memcpy(got, "a\nb\n", 4);
		uk_iter_kernel(&from, got, 4);
		assert_int_equal(file->ops->write(file, &from, &offset), 4);
		assert_string_equal(shim_console(), "a\r\nb\r\n");
	}
	uk_file_put(file);
}

/* -- SHA-256 -- */

static void test_sha256(void **unused)
{
	/* FIPS 180-4's examples, and one million of "a". */
	static const struct {
		const char *text;
		unsigned times;
		uint8_t start[4];
	} known[] = { { "", 1, { 0xe3, 0xb0, 0xc4, 0x42 } },
		      { "abc", 1, { 0xba, 0x78, 0x16, 0xbf } },
		      { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			1,
			{ 0x24, 0x8d, 0x6a, 0x61 } },
		      { "aaaaaaaaaa", 100000, { 0xcd, 0xc7, 0x6e, 0x5c } } };

	(void)unused;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct uk_sha256 hash;
		uint8_t digest[32];

		uk_sha256_start(&hash);
		for (unsigned j = 0; j < known[i].times; j++)
			uk_sha256_add(&hash, known[i].text, strlen(known[i].text));
		uk_sha256_end(&hash, digest);
		assert_memory_equal(digest, known[i].start, 4);
	}
}

static int start(void **unused)
{
	(void)unused;
	shim_vfs();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill_once),
		cmocka_unit_test(test_readers_at_once),
		cmocka_unit_test(test_writing_back),
		cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_archive),
		cmocka_unit_test(test_damaged_archives),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_descriptor_limit),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_sha256),
	};

	return cmocka_run_group_tests_name("unibase-vfs", tests, start, NULL);
}
