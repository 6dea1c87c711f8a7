/* base.toml: what is read, and what each mistake in it is called. */
#include <stdlib.h>
#include <string.h>
#include <uni/base/mem.h>
#include <uni/kernel/base.h>
#include <uni/kernel/kernel.h>

#include "tests.h"

static struct uni_err err;

void test_base_read(void **state)
{
	UNI_AUTO(uni_base) struct uni_base *base = NULL;
	UNI_AUTO_STRV struct uni_strv members = { .items = NULL };
	char *dir = sample_base(sample_base_toml);

	(void)state;
	assert_int_equal(uni_base_load(&base, dir, &err), 0);
	assert_string_equal(base->name, "unibase");
	assert_ptr_equal(base->kind, uni_kernel_kind_find("linux-abi"));
	assert_int_equal(base->memory, 8 << 20);
	assert_int_equal(base->config_newest, 1);
	assert_int_equal(base->live_oldest, 0);
	assert_string_equal(base->link_flags.items[1], "separate-code");
	assert_string_equal(base->stage2.member, "boot/stage2.bin");
	assert_true(uni_str_starts(base->stage2.path, dir));
	uni_base_members(base, &members);
	assert_int_equal(members.count, 6);
	assert_string_equal(members.items[0], "base.toml");
	assert_string_equal(members.items[5], "lib/libc.a");
	sample_base_remove(dir);
}

/* The sample with `from` replaced by `to`. */
static int load_changed(const char *from, const char *to)
{
	const char *at = strstr(sample_base_toml, from);
	UNI_AUTO_BUF struct uni_buf toml = UNI_BUF_INIT;
	struct uni_base *base = NULL;
	char *dir;
	int rc;

	assert_non_null(at);
	uni_buf_add(&toml, sample_base_toml, (size_t)(at - sample_base_toml));
	uni_buf_puts(&toml, to);
	uni_buf_puts(&toml, at + strlen(from));
	dir = sample_base(toml.data);
	memset(&err, 0, sizeof(err));
	rc = uni_base_load(&base, dir, &err);
	assert_true((rc == 0) == (base != NULL));
	uni_base_free(base);
	sample_base_remove(dir);
	return rc;
}

static void refused(const char *from, const char *to, const char *why)
{
	assert_true(load_changed(from, to) < 0);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

void test_base_refused(void **state)
{
	(void)state;
	refused("memory", "memry", "memry");
	refused("name = \"unibase\"\n", "", "\"name\" is missing");
	refused("entries = [", "entries = 1 #", "\"entries\" is an integer, not an array");
	refused("linux-abi", "solo6", "solo6");
	refused("x86_64", "riscv", "riscv");
	refused("kernel.elf", "no.elf", "no.elf");
	refused("kernel.elf", "../kernel.elf", "plain path");
	refused("kernel.elf", "/etc/passwd", "plain path");
	refused("\"8M\"", "\"lots\"", "lots");
	refused("oldest = 1", "oldest = 2", "above config.newest");
	refused("oldest = 1", "oldest = -1", "not a version");
	refused("[bios]", "[bioz]", "bioz");
	refused("base = 1", "base = 2", "form 2");
	refused("base = 1\n", "", "\"base = 1\" is missing");
	refused("\"part\"", "\"smoke\"", "smoke");
	refused("[config]", "[config", "base.toml:12");
}

void test_base_needs(void **state)
{
	UNI_AUTO(uni_base) struct uni_base *base = NULL;
	char *dir = sample_base(sample_base_toml);

	(void)state;
	assert_int_equal(uni_base_load(&base, dir, &err), 0);
	assert_int_equal(uni_base_need_filesystem(base, "squashfs", "zstd", &err), 0);
	assert_int_equal(uni_base_need_filesystem(base, "tmpfs", NULL, &err), 0);
	assert_int_equal(uni_base_need_filesystem(base, "ext4", NULL, &err), UNI_E_UNSUPPORTED);
	assert_string_equal(err.text,
			    "base unibase 0.1.0 cannot mount ext4 (it can: squashfs, tmpfs)");
	assert_int_equal(uni_base_need_filesystem(base, "squashfs", "xz", &err), UNI_E_UNSUPPORTED);
	assert_int_equal(uni_base_need_device(base, "nvme", &err), UNI_E_UNSUPPORTED);
	assert_int_equal(uni_base_need_entry(base, "pvh", &err), 0);
	assert_int_equal(uni_base_need_entry(base, "uefi", &err), UNI_E_UNSUPPORTED);
	assert_int_equal(uni_base_need_config(base, 1, &err), 0);
	assert_int_equal(uni_base_need_config(base, 2, &err), UNI_E_UNSUPPORTED);
	sample_base_remove(dir);
}
