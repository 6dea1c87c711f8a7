/*
 * What the next copy of a running machine's disk may leave out. The emulator keeps a bitmap of what
 * was written since the last copy, one for each place that copies go to; here is kept which file
 * that was. A file that is not as that copy left it is no base for the next.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uni/base/digest.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#include "detached_internal.h"

#define PREFIX "copy-"
#define NAME_BYTES 8 /* of the digest that names a bitmap */
#define KEPT_MAX 8   /* places: each costs the emulator memory */

void vm_base_open(struct vm_base *base, const struct uni_detached *machine,
		  const struct uni_detached_disk *disk, const char *target)
{
	struct uni_hash hash;
	struct uni_digest digest;
	struct stat st;

	uni_hash_start(&hash);
	uni_hash_add(&hash, disk->name, strlen(disk->name) + 1);
	uni_hash_add(&hash, target, strlen(target) + 1);
	digest = uni_hash_end(&hash);
	memcpy(base->bitmap, PREFIX, strlen(PREFIX));
	uni_hex(digest.bytes, NAME_BYTES, base->bitmap + strlen(PREFIX));
	base->dir = machine->dir;
	base->record = uni_path_join(machine->dir, base->bitmap);
	base->target = uni_strdup(target);
	base->size = stat(disk->path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void vm_base_close(struct vm_base *base)
{
	free(base->record);
	free(base->target);
}

/* What tells a file, as it is, from any other. */
static bool describe(const char *path, struct uni_buf *text)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	uni_buf_printf(text, "%llu %llu %lld %lld.%09ld %lld.%09ld\n",
		       (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		       (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		       (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return true;
}

bool vm_base_copy(const struct vm_base *base, int to)
{
	UNI_AUTO_BUF struct uni_buf kept = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf now = UNI_BUF_INIT;
	UNI_AUTO_CLOSE int from = open(base->target, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct uni_err ignored = UNI_ERR_INIT;
	struct stat st;

	if (from < 0 || fstat(from, &st) != 0 || (uint64_t)st.st_size != base->size ||
	    uni_file_read(base->record, 4096, &kept, &ignored) != 0 ||
	    !describe(base->target, &now) || !uni_str_eq(kept.data, now.data))
		return false;
	return ftruncate(to, st.st_size) == 0 &&
	       uni_copy_range(from, 0, to, 0, base->size, &ignored) == 0;
}

void vm_base_forget(const struct vm_base *base)
{
	(void)unlink(base->record);
}

/* The one that was not used for the longest time goes, and its bitmap is to. */
static void make_room(struct vm_base *base)
{
	UNI_AUTO_STRV struct uni_strv names = { 0 };
	struct uni_err ignored = UNI_ERR_INIT;
	UNI_AUTO_FREE char *oldest = NULL;
	struct stat st, least = { .st_size = 0 };
	size_t count = 0;

	if (uni_dir_list(base->dir, &names, &ignored) != 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		char *path = uni_path_join(base->dir, names.items[i]);

		if (!uni_str_starts(names.items[i], PREFIX) || stat(path, &st) != 0) {
			free(path);
			continue;
		}
		count++;
		if (oldest == NULL || st.st_mtime < least.st_mtime) {
			free(oldest);
			oldest = path;
			least = st;
		} else {
			free(path);
		}
	}
	if (count >= KEPT_MAX && unlink(oldest) == 0)
		(void)snprintf(base->gone, sizeof(base->gone), "%s", uni_path_base(oldest));
}

int vm_base_keep(struct vm_base *base, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	if (!describe(base->target, &text))
		return uni_err_set(err, UNI_E_NOENT, "%s: is gone", base->target);
	make_room(base);
	return uni_file_write(base->record, text.data, text.size, 0600, err);
}
