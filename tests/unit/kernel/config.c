/* The boot configuration: round trips, refusals, damage, and its JSON form. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uni/kernel/config.h>

#include "tests.h"

static struct uni_err err;

static struct uni_boot_config *sample(void)
{
	struct uni_boot_config *c = uni_boot_config_new();
	struct uni_config_mount mount = { .fs = UNI_FS_SQUASHFS,
					  .flags = UNI_MOUNT_READ_ONLY | UNI_MOUNT_VERITY,
					  .data_blocks = 7,
					  .hash_offset = 28672,
					  .size = 36864,
					  .salt_size = 32 };

	for (uint8_t i = 0; i < 16; i++)
		mount.uuid[i] = i;
	memset(mount.root_hash, 0xab, sizeof(mount.root_hash));
	uni_strv_add(&c->args, "sqlite");
	uni_strv_add(&c->args, "");
	uni_strv_add(&c->args, "sel\"ect\n1");
	uni_strv_add(&c->env, "A=b=c");
	c->program = uni_strdup("/app/sqlite");
	c->cwd = uni_strdup("/");
	c->hostname = uni_strdup("h");
	uni_strv_add(&c->networks, "dhcp");
	uni_boot_config_mount(c, "/data", &mount);
	uni_boot_config_limit(c, UNI_LIMIT_OPEN_FILES, 100);
	uni_boot_config_runtime(c, UNI_CONFIG_ARG);
	uni_boot_config_runtime(c, UNI_CONFIG_ENV);
	c->epoch = -5;
	c->on_fault = UNI_ACTION_REBOOT;
	c->grace_ms = 0;
	c->jit = 1;
	c->user = 999;
	c->group = 33;
	return c;
}

void test_config_round(void **state)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *c = sample();
	UNI_AUTO(uni_boot_config) struct uni_boot_config *d = NULL;
	UNI_AUTO_BUF struct uni_buf one = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf two = UNI_BUF_INIT;

	(void)state;
	assert_int_equal(uni_boot_config_encode(c, &one, &err), 0);
	assert_true(uni_config_check(one.data, one.size));
	assert_int_equal(uni_boot_config_decode(&d, one.data, one.size, &err), 0);
	assert_int_equal(d->args.count, 3);
	assert_string_equal(d->args.items[2], "sel\"ect\n1");
	assert_string_equal(d->program, "/app/sqlite");
	assert_int_equal(d->epoch, -5);
	assert_int_equal(d->grace_ms, 0);
	assert_int_equal(d->log_level, 1);
	assert_int_equal(d->jit, 1);
	assert_int_equal(d->user, 999);
	assert_int_equal(d->group, 33);
	assert_int_equal(d->on_fault, UNI_ACTION_REBOOT);
	assert_int_equal(d->mount_count, 1);
	assert_string_equal(d->mounts[0].path, "/data");
	assert_memory_equal(&d->mounts[0].wire, &c->mounts[0].wire, sizeof(d->mounts[0].wire));
	assert_int_equal(d->runtime_count, 2);
	assert_int_equal(d->limits[0].value, 100);
	assert_int_equal(uni_boot_config_encode(d, &two, &err), 0);
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, one.size);
}

void test_config_refused(void **state)
{
	UNI_AUTO_BUF struct uni_buf record = UNI_BUF_INIT;
	UNI_AUTO(uni_boot_config) struct uni_boot_config *c = sample();

	(void)state;
	uni_strv_add(&c->env, "NOVALUE");
	assert_int_equal(uni_boot_config_encode(c, &record, &err), UNI_E_INVAL);
	assert_non_null(strstr(err.text, "NOVALUE"));
	uni_boot_config_free(c);
	c = sample();
	uni_strv_add(&c->args, "\xff");
	assert_int_equal(uni_boot_config_encode(c, &record, &err), UNI_E_INVAL);
	uni_boot_config_free(c);
	c = sample();
	free(c->program);
	c->program = uni_strdup("app");
	assert_int_equal(uni_boot_config_encode(c, &record, &err), UNI_E_INVAL);
	uni_boot_config_free(c);
	c = sample();
	for (int i = 0; i < 40; i++) {
		char *text = uni_alloc(30001);

		memset(text, 'x', 30000);
		uni_strv_take(&c->args, text);
	}
	assert_int_equal(uni_boot_config_encode(c, &record, &err), UNI_E_LIMIT);
}

/* With the checksum made right again, so that the entries themselves are looked at. */
static void reseal(struct uni_buf *record)
{
	struct uni_config_header h;

	memcpy(&h, record->data, sizeof(h));
	h.crc32c = 0;
	memcpy(record->data, &h, sizeof(h));
	h.crc32c = uni_crc32c(0, record->data, h.size);
	memcpy(record->data, &h, sizeof(h));
}

void test_config_damaged(void **state)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *c = sample();
	UNI_AUTO_BUF struct uni_buf record = UNI_BUF_INIT;
	struct uni_boot_config *d = NULL;

	(void)state;
	assert_int_equal(uni_boot_config_encode(c, &record, &err), 0);
	for (size_t size = 0; size < record.size; size++)
		assert_true(uni_boot_config_decode(&d, record.data, size, &err) < 0);
	for (size_t at = 0; at < record.size; at++) {
		record.data[at] ^= 0x40;
		assert_true(uni_boot_config_decode(&d, record.data, record.size, &err) < 0);
		assert_null(d);
		record.data[at] ^= 0x40;
	}
	record.data[24] = 99; /* the first entry's type */
	reseal(&record);
	assert_int_equal(uni_boot_config_decode(&d, record.data, record.size, &err),
			 UNI_E_UNSUPPORTED);
	record.data[26] = UNI_CONFIG_OPTIONAL;
	reseal(&record);
	assert_int_equal(uni_boot_config_decode(&d, record.data, record.size, &err), 0);
	assert_null(d->program);
	uni_boot_config_free(d);
	record.data[8] = 2; /* version */
	reseal(&record);
	assert_int_equal(uni_boot_config_decode(&d, record.data, record.size, &err),
			 UNI_E_UNSUPPORTED);
}

void test_config_json(void **state)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *c = sample();
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	json_error_t error;
	json_t *root;
	json_t *mount;

	(void)state;
	uni_boot_config_json(c, 4, &text);
	root = json_loads(text.data, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_array_get(json_object_get(root, "args"), 2)),
			    "sel\"ect\n1");
	mount = json_array_get(json_object_get(root, "mounts"), 0);
	assert_string_equal(json_string_value(json_object_get(mount, "uuid")),
			    "03020100-0504-0706-0809-0a0b0c0d0e0f");
	assert_int_equal(json_integer_value(json_object_get(root, "epoch")), -5);
	json_decref(root);
}
