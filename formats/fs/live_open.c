/*
 * Looking into a live volume: its superblocks, the content of a generation, and whether all of it
 * is sound.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/fs/read.h>
#include <uni/io/hashtree.h>
#include <unistd.h>

#include "live.h"

static int find_size(struct uni_live *live, struct uni_err *err)
{
	struct stat st;
	off_t end;

	if (fstat(live->fd, &st) != 0)
		return uni_err_errno(err, "%s", live->path);
	if (S_ISREG(st.st_mode)) {
		live->size = (uint64_t)st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is neither a file nor a disk",
				   live->path);
	end = lseek(live->fd, 0, SEEK_END);
	if (end < 0)
		return uni_err_errno(err, "%s", live->path);
	live->size = (uint64_t)end;
	return 0;
}

int live_read_supers(struct uni_live *live, struct uni_err *err)
{
	bool newer = false;
	bool magic = false;

	if (live->size < UNI_LIVE_ALIGN)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no live volume", live->path);
	for (unsigned i = 0; i < 2; i++) {
		struct uni_live_super *s = &live->super[i];
		int rc = uni_pread_full(live->fd, s, sizeof(*s), (uint64_t)i * UNI_LIVE_BLOCK,
					live->path, err);
		enum uni_live_state state;

		if (rc != 0)
			return rc;
		state = uni_live_check(s, i, live->size);
		newer = newer || state == UNI_LIVE_NEWER;
		magic = magic || memcmp(s->magic, UNI_LIVE_MAGIC, sizeof(s->magic)) == 0;
		live->sound[i] = state == UNI_LIVE_SOUND;
	}
	if (newer)
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "%s: is a live volume of a newer format than %u", live->path,
				   UNI_LIVE_VERSION);
	if (live->sound[0] || live->sound[1])
		return 0;
	return magic ? uni_err_set(err, UNI_E_CORRUPT, "%s: neither superblock is sound",
				   live->path)
		     : uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is no live volume", live->path);
}

int uni_live_open(struct uni_live **out, const char *path, bool write, struct uni_err *err)
{
	UNI_AUTO(uni_live) struct uni_live *live = uni_alloc(sizeof(*live));
	int rc;

	live->path = uni_strdup(path);
	live->writable = write;
	/* A pipe is refused, not waited for. */
	live->fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (live->fd < 0)
		return uni_err_errno(err, "%s", path);
	/* The lock ends with the descriptor, also when this process is killed. */
	if (write && flock(live->fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? uni_err_set(err, UNI_E_BUSY,
							  "%s: another writer has it open", path)
					    : uni_err_errno(err, "cannot lock %s", path);
	rc = find_size(live, err);
	if (rc == 0)
		rc = live_read_supers(live, err);
	if (rc != 0)
		return rc;
	*out = live;
	live = NULL;
	return 0;
}

void uni_live_free(struct uni_live *live)
{
	if (live == NULL)
		return;
	uni_close_fd(&live->fd);
	free(live->path);
	free(live);
}

static unsigned newest(const struct uni_live *live)
{
	if (live->sound[0] && live->sound[1])
		return live->super[1].generation > live->super[0].generation;
	return live->sound[1];
}

const struct uni_live_super *uni_live_current(const struct uni_live *live)
{
	return &live->super[newest(live)];
}

const struct uni_live_super *uni_live_before(const struct uni_live *live)
{
	unsigned other = !newest(live);

	return live->sound[other] ? &live->super[other] : NULL;
}

uint64_t uni_live_size(const struct uni_live *live)
{
	return live->size;
}

int uni_live_reader(const struct uni_live *live, const struct uni_live_super *super,
		    struct uni_fs_reader **reader, struct uni_err *err)
{
	if (super->fs != UNI_FS_SQUASHFS)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: holds file system %u", live->path,
				   super->fs);
	return uni_fs_open(reader, live->fd, super->slot_offset,
			   super->data_blocks * UNI_LIVE_BLOCK, live->path, err);
}

int uni_live_verify(const struct uni_live *live, const struct uni_live_super *super,
		    const uint8_t *key, struct uni_err *err)
{
	struct uni_hashtree tree = { .data_fd = live->fd,
				     .data_offset = super->slot_offset,
				     .data_blocks = super->data_blocks,
				     .hash_fd = live->fd,
				     .hash_offset = super->slot_offset + super->hash_offset,
				     .salt_size = super->salt_size,
				     .name = live->path };
	int rc = key != NULL ? uni_live_super_verify(super, key, err) : 0;

	if (rc != 0)
		return uni_err_context(err, "%s", live->path);
	memcpy(tree.salt, super->salt, super->salt_size);
	memcpy(tree.uuid.bytes, super->uuid, sizeof(tree.uuid.bytes));
	return uni_hashtree_verify(&tree, super->root_hash, err);
}
