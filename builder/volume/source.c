/*
 * Content as a tree, wherever it lies. A folder is read in place; what lies in an archive or a
 * volume is unpacked into a temporary folder first.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/io/tar.h>
#include <unistd.h>

#include "internal.h"

enum { CHUNK = 64 << 10 };

const struct uni_tree_rules volume_rules = { .mtime = 0 };

void uni_volume_source_free(struct uni_volume_source *s)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (s == NULL)
		return;
	uni_tree_free(s->tree);
	uni_statcache_free(s->known);
	uni_store_free(s->store);
	uni_volume_source_free(s->part);
	if (s->dir != NULL) {
		(void)uni_dir_remove(s->dir, &ignored);
		uni_tmp_forget(s->dir);
	}
	free(s->dir);
	free(s);
}

int volume_source_dir(struct uni_volume_source *s, struct uni_err *err)
{
	return s->dir != NULL ? 0 : uni_dir_tmp(NULL, &s->dir, err);
}

struct uni_tree *uni_volume_source_tree(const struct uni_volume_source *s)
{
	return s->tree;
}

int uni_volume_source_hash(struct uni_volume_source *s, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_digest digest;
	int rc = uni_tree_digest(s->tree, s->scope, 0, &digest, err);

	/* Without it the next copy only takes longer. */
	if (rc == 0 && s->known != NULL)
		(void)uni_statcache_save(s->known, &ignored);
	return rc;
}

void uni_volume_source_note(struct uni_volume_source *s)
{
	struct uni_err ignored = UNI_ERR_INIT;

	if (s->known == NULL)
		return;
	uni_tree_note(s->tree, s->scope);
	(void)uni_statcache_save(s->known, &ignored);
}

/* Folders that stay are remembered from copy to copy. */
static int add_folder(struct uni_volume_source *s, const char *path, struct uni_err *err)
{
	UNI_AUTO_FREE char *cache = uni_dir_cache();
	UNI_AUTO_FREE char *known = uni_path_join(cache, "volume-files");
	UNI_AUTO_FREE char *absolute = uni_path_absolute(path);
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = uni_tree_add_folder(s->tree, ".", path, &volume_rules, err);

	if (rc != 0)
		return rc;
	(void)uni_dir_make(cache, 0755, &ignored);
	s->known = uni_statcache_new(known);
	s->scope = uni_statcache_scope(s->known, absolute);
	return 0;
}

/* --- archives --- */

/* Zeros stay holes, which take no room here either. */
static int unpack_file(struct uni_tar_reader *tar, const char *path, const struct uni_entry *entry,
		       struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_place(fd, 0, path);
	UNI_AUTO_FREE char *chunk = uni_alloc(CHUNK);
	size_t got = 0;
	int rc = fd < 0 ? uni_err_errno(err, "%s", path) : 0;

	do {
		if (rc == 0)
			rc = uni_tar_reader_data(tar, chunk, CHUNK, &got, err);
		if (rc == 0)
			rc = uni_sink_write(sink, chunk, got, err);
	} while (rc == 0 && got != 0);
	if (rc == 0 && (ftruncate(fd, (off_t)entry->size) != 0 ||
			fchmod(fd, (entry->mode & 0100) != 0 ? 0700 : 0600) != 0))
		rc = uni_err_errno(err, "%s", path);
	return rc;
}

struct unpacking {
	struct uni_volume_source *source;
	struct uni_tar_reader *tar;
	unsigned files;
};

/*
 * Contents go into numbered files, names into the tree: so no name from the archive is ever one of
 * this machine.
 */
static int unpack_entry(struct unpacking *u, const struct uni_entry *entry, struct uni_err *err)
{
	struct uni_tree *tree = u->source->tree;
	UNI_AUTO_FREE char *path = uni_asprintf("%s/%u", u->source->dir, u->files++);
	struct uni_tree_entry first;
	int rc;

	switch (entry->type) {
	case UNI_ENTRY_DIR:
		return uni_tree_add_dir(tree, entry->path, &volume_rules, err);
	case UNI_ENTRY_SYMLINK:
		return uni_tree_add_symlink(tree, entry->path, entry->target, &volume_rules, err);
	case UNI_ENTRY_FILE:
		rc = unpack_file(u->tar, path, entry, err);
		return rc == 0 ? uni_tree_add_file(tree, entry->path, path, NULL, &volume_rules,
						   err)
			       : rc;
	case UNI_ENTRY_HARDLINK:
		if (uni_tree_find(tree, entry->target, &first) != 1 || first.source == NULL)
			return uni_err_set(err, UNI_E_INVAL,
					   "%s is a link to %s, which is no file before it",
					   entry->path, entry->target);
		return uni_tree_add_file(tree, entry->path, first.source, NULL, &volume_rules, err);
	case UNI_ENTRY_CHAR:
	case UNI_ENTRY_BLOCK:
	case UNI_ENTRY_FIFO:
		break;
	}
	return uni_err_set(err, UNI_E_UNSUPPORTED, "%s is a device or FIFO", entry->path);
}

int volume_source_tar(struct uni_volume_source *s, int fd, const char *name, struct uni_err *err)
{
	static const struct uni_tar_limits limits = UNI_TAR_LIMITS_INIT;
	static const uint8_t zstd[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	UNI_AUTO(uni_source) struct uni_source *source = uni_source_from_fd(fd, name);
	UNI_AUTO(uni_tar_reader) struct uni_tar_reader *tar = NULL;
	struct unpacking u = { .source = s };
	const struct uni_entry *entry;
	uint8_t head[4] = { 0 };
	int rc = volume_source_dir(s, err);

	if (rc == 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    memcmp(head, zstd, sizeof(zstd)) == 0)
		rc = uni_source_push_zstd(&source, limits.size, name, err);
	if (rc != 0)
		return rc;
	tar = uni_tar_reader_new(source, &limits, name);
	u.tar = tar;
	while ((rc = uni_tar_reader_next(tar, &entry, err)) == 1) {
		rc = unpack_entry(&u, entry, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* --- volumes --- */

static int unpack_volume(struct uni_volume_source *s, const struct uni_volume *volume,
			 const char *inside, struct uni_err *err)
{
	UNI_AUTO_FREE char *to = NULL;
	int rc = volume_source_dir(s, err);

	if (rc != 0)
		return rc;
	to = uni_path_join(s->dir, "tree");
	rc = uni_volume_extract(uni_volume_reader(volume), inside, to, err);
	return rc == 0 ? uni_tree_add_folder(s->tree, ".", to, &volume_rules, err) : rc;
}

static struct uni_volume_source *source_new(void)
{
	struct uni_volume_source *s = uni_alloc(sizeof(*s));

	s->tree = uni_tree_new(&volume_rules);
	return s;
}

static bool looks_like_tar(int fd)
{
	char head[512] = { 0 };

	if (pread(fd, head, sizeof(head), 0) < 4)
		return false;
	return memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 || memcmp(head + 257, "ustar", 5) == 0;
}

bool volume_is_tar(const char *path)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd >= 0 && looks_like_tar(fd);
}

int volume_source_local(struct uni_volume_source *s, const char *place, struct uni_err *err)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	UNI_AUTO_CLOSE int fd = -1;
	struct stat st;

	if (stat(place, &st) == 0 && S_ISDIR(st.st_mode))
		return add_folder(s, place, err);
	fd = open(place, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && looks_like_tar(fd))
		return volume_source_tar(s, fd, place, err);
	if (uni_volume_open(&volume, place, false, err) != 0)
		return err->code;
	return unpack_volume(s, volume, uni_volume_inside(volume), err);
}

int uni_volume_source_open(struct uni_volume_source **out, const char *place, struct uni_err *err)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *s = source_new();
	int rc = volume_is_remote(place) ? volume_source_remote(s, place, err)
					 : volume_source_local(s, place, err);

	if (rc != 0)
		return rc;
	*out = s;
	s = NULL;
	return 0;
}

int volume_source_file(struct uni_volume_source **out, const char *name, const char *path,
		       struct uni_err *err)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *s = source_new();
	int rc = uni_tree_add_file(s->tree, name, path, NULL, &volume_rules, err);

	if (rc != 0)
		return rc;
	*out = s;
	s = NULL;
	return 0;
}

struct graft {
	struct uni_tree *to;
	const char *at;
};

/* Where its content lies: of a file from a walked folder that folder is known, which was added at
 * the root. */
static char *content_path(const struct uni_tree_entry *entry)
{
	struct stat st;

	return stat(entry->source, &st) == 0 && S_ISDIR(st.st_mode)
		       ? uni_path_join(entry->source, entry->meta.path)
		       : uni_strdup(entry->source);
}

static int graft_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	const struct graft *g = user;
	UNI_AUTO_FREE char *at = uni_path_join(g->at, entry->meta.path);
	UNI_AUTO_FREE char *path = NULL;
	const struct uni_tree_rules rules = { .mtime = volume_rules.mtime,
					      .file_mode = entry->meta.mode,
					      .dir_mode = entry->meta.mode };

	if (entry->meta.type == UNI_ENTRY_DIR)
		return uni_tree_add_dir(g->to, at, &rules, err);
	if (entry->meta.type == UNI_ENTRY_SYMLINK)
		return uni_tree_add_symlink(g->to, at, entry->meta.target, &rules, err);
	path = content_path(entry);
	return uni_tree_add_file(g->to, at, path, entry->digest, &rules, err);
}

/* A file under the name `at`, or all that a place holds below it. */
static int add_part(struct uni_volume_source *s, const char *at, const char *place,
		    struct uni_err *err)
{
	struct graft graft = { s->tree, at };
	struct stat st;
	int rc;

	if (!volume_is_remote(place) && stat(place, &st) == 0)
		return S_ISDIR(st.st_mode)
			       ? uni_tree_add_folder(s->tree, at, place, &volume_rules, err)
			       : uni_tree_add_file(s->tree, at, place, NULL, &volume_rules, err);
	rc = uni_volume_source_open(&s->part, place, err);
	return rc == 0 ? uni_tree_each(s->part->tree, graft_entry, &graft, err) : rc;
}

int volume_source_replace(struct uni_volume_source **out, const struct uni_volume *volume,
			  const char *inside, const char *with, struct uni_err *err)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *s = source_new();
	UNI_AUTO_FREE char *to = NULL;
	UNI_AUTO_FREE char *part = NULL;
	UNI_AUTO_FREE char *above = NULL;
	int rc = uni_dir_tmp(NULL, &s->dir, err);

	if (rc != 0)
		return rc;
	to = uni_path_join(s->dir, "tree");
	rc = uni_volume_extract(uni_volume_reader(volume), "/", to, err);
	if (rc != 0)
		return rc;
	part = uni_path_normal(inside + strspn(inside, "/"));
	if (strcmp(part, "..") == 0 || uni_str_starts(part, "../"))
		return uni_err_set(err, UNI_E_INVAL, "%s: leads out of the volume", inside);
	above = uni_path_join(to, part);
	rc = uni_dir_remove(above, err);
	if (rc == 0)
		rc = uni_tree_add_folder(s->tree, ".", to, &volume_rules, err);
	if (rc == 0)
		rc = add_part(s, part, with, err);
	if (rc != 0)
		return rc;
	*out = s;
	s = NULL;
	return 0;
}
