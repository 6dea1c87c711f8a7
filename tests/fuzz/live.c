/* A live volume from somewhere else: whatever it says, it is read or refused. */
#include <stdio.h>
#include <uni/fs/live.h>
#include <uni/fs/read.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VOLUME = 3 << 20 };

static int list_one(void *user, const char *name, const struct uni_fs_stat *stat,
		    struct uni_err *err)
{
	(void)user;
	(void)name;
	(void)stat;
	(void)err;
	return 0;
}

static void look(const struct uni_live *live, const struct uni_live_super *super)
{
	static const uint8_t key[UNI_LIVE_KEY] = { 0xd7, 0x5a, 0x98 };
	struct uni_fs_reader *reader = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (super == NULL)
		return;
	(void)uni_live_verify(live, super, NULL, &err);
	(void)uni_live_super_verify(super, key, &err);
	if (uni_live_reader(live, super, &reader, &err) == 0)
		(void)uni_fs_list(reader, "/", list_one, NULL, &err);
	uni_fs_reader_free(reader);
}

/* The input stands at the start of a volume of the least size, its checksums made good. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_live *live = NULL;
	int fd = fuzz_file(data, size < VOLUME ? size : VOLUME);
	char path[32];

	if (ftruncate(fd, VOLUME) != 0)
		abort();
	for (int i = 0; i < 2; i++) {
		struct uni_live_super super;

		if (pread(fd, &super, sizeof(super), i * 4096) != sizeof(super))
			abort();
		super.crc32c = uni_crc32c(0, &super, offsetof(struct uni_live_super, crc32c));
		if (pwrite(fd, &super, sizeof(super), i * 4096) != sizeof(super))
			abort();
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (uni_live_open(&live, path, false, &err) == 0) {
		look(live, uni_live_current(live));
		look(live, uni_live_before(live));
	}
	uni_live_free(live);
	return 0;
}
