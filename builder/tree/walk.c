/*
 * Walking a folder into a tree. Level by level, the folders of each in parallel: one system call
 * for a folder's names, one for each entry. Nothing is followed: a folder is opened by its path
 * without links at its end, and must be the very one that was seen from above.
 */
#include "node.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <uni/base/path.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <unistd.h>

#define LISTING (32u << 10)
#define THREADS_FROM 32 /* folders on a level; below, threads cost more than they bring */

/* As getdents64(2) fills it. */
struct listed {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct folder {
	struct uni_tree_node *node;
	char *path; /* in the source; "." at its root */
	unsigned depth;
};

struct level {
	struct folder *items;
	size_t count, room;
};

struct walk {
	const struct source *source;
	const struct uni_tree_rules *rules;
	struct level level;
	atomic_size_t entries;
};

/* For messages: a name as text, what is not printable in it as \xNN. */
static char *shown(const char *path)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	for (const unsigned char *at = (const unsigned char *)path; *at != '\0'; at++) {
		if (*at >= 0x20 && *at < 0x7f)
			uni_buf_putc(&out, (char)*at);
		else
			uni_buf_printf(&out, "\\x%02x", *at);
	}
	return uni_buf_take(&out);
}

/* For messages: where on this machine an entry is; "" for the folder itself. */
static char *place_of(const struct walk *walk, const struct folder *folder, const char *name)
{
	char *text UNI_AUTO_FREE = shown(name);
	char *inner UNI_AUTO_FREE = uni_path_join(folder->path, text);
	char *normal UNI_AUTO_FREE = uni_path_normal(inner);
	return uni_str_eq(normal, ".") ? uni_strdup(walk->source->path)
				       : uni_path_join(walk->source->path, normal);
}

static int refuse(const struct walk *walk, const struct folder *folder, const char *name, int code,
		  const char *why, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = place_of(walk, folder, name);
	return uni_err_set(err, code, "%s %s", path, why);
}

/* By errno. */
static int fail(const struct walk *walk, const struct folder *folder, const char *name,
		const char *what, struct uni_err *err)
{
	int number = errno;
	char *path UNI_AUTO_FREE = place_of(walk, folder, name);
	errno = number;
	return uni_err_errno(err, "cannot %s %s", what, path);
}

static int read_link(const struct walk *walk, const struct folder *folder, int dir,
		     struct uni_tree_node *node, struct uni_err *err)
{
	char target[UNI_TREE_PATH_MAX + 1];
	ssize_t size = readlinkat(dir, node->name, target, sizeof(target));
	if (size < 0)
		return fail(walk, folder, node->name, "read the link", err);
	if (size == 0 || (size_t)size == sizeof(target))
		return refuse(walk, folder, node->name, UNI_E_LIMIT,
			      "is a link whose target is empty or too long", err);
	if (!uni_utf8_valid(target, (size_t)size))
		return refuse(walk, folder, node->name, UNI_E_INVAL,
			      "is a link whose target is not UTF-8", err);
	node->target = uni_strndup(target, (size_t)size);
	return 0;
}

/* Fills a node whose name is set; on failure it stays one that can be cleared. */
static int fill(const struct walk *walk, const struct folder *folder, int dir,
		struct uni_tree_node *node, struct uni_err *err)
{
	struct stat st;
	node->type = UNI_ENTRY_FILE;
	if (fstatat(dir, node->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return refuse(walk, folder, node->name, UNI_E_CHANGED,
				      "went while its folder was read", err);
		return fail(walk, folder, node->name, "look at", err);
	}
	node->mtime = walk->rules->mtime;
	node->source = walk->source;
	node->st = uni_filestat_of(&st);
	if (S_ISREG(st.st_mode)) {
		node->mode = (uint16_t)rule_file_mode(walk->rules, st.st_mode);
		node->size = node->st.size;
	} else if (S_ISDIR(st.st_mode)) {
		node->type = UNI_ENTRY_DIR;
		node->mode = (uint16_t)rule_source_dir_mode(walk->rules, st.st_mode);
	} else if (S_ISLNK(st.st_mode)) {
		node->type = UNI_ENTRY_SYMLINK;
		node->mode = 0777;
		return read_link(walk, folder, dir, node, err);
	} else {
		return refuse(walk, folder, node->name, UNI_E_UNSUPPORTED,
			      "is a device, socket or FIFO", err);
	}
	return 0;
}

static int take_name(const struct walk *walk, const struct folder *folder, const char *name,
		     struct uni_err *err)
{
	struct children *children = &folder->node->children;
	size_t size = strlen(name);
	if (!uni_utf8_valid(name, size))
		return refuse(walk, folder, name, UNI_E_INVAL, "has a name that is not UTF-8", err);
	if (folder->depth + 1 > UNI_TREE_DEPTH_MAX ||
	    walk->source->at + strlen(folder->path) + 1 + size > UNI_TREE_PATH_MAX)
		return refuse(walk, folder, "", UNI_E_LIMIT, "is too deep or its path too long",
			      err);
	if (children->count == UNI_TREE_ENTRIES_MAX)
		return refuse(walk, folder, "", UNI_E_LIMIT, "holds too many entries", err);
	UNI_PUSH_ROOM(children->items, children->count, children->room);
	children->items[children->count++] =
		(struct uni_tree_node){ .name = uni_memdup(name, size + 1) };
	return 0;
}

static int list(const struct walk *walk, const struct folder *folder, int dir, struct uni_err *err)
{
	_Alignas(8) char buffer[LISTING];
	for (;;) {
		long got = syscall(SYS_getdents64, dir, buffer, sizeof(buffer));
		if (got < 0)
			return fail(walk, folder, "", "read folder", err);
		if (got == 0)
			return 0;
		for (long at = 0; at < got;) {
			const struct listed *listed = (const void *)(buffer + at);
			at += listed->reclen;
			if (strcmp(listed->name, ".") == 0 || strcmp(listed->name, "..") == 0)
				continue;
			int rc = take_name(walk, folder, listed->name, err);
			if (rc != 0)
				return rc;
		}
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct uni_tree_node *)a)->name,
		      ((const struct uni_tree_node *)b)->name);
}

/* Listing a folder twice over while it changes can give a name twice. */
static int check_order(const struct walk *walk, const struct folder *folder, struct uni_err *err)
{
	const struct children *children = &folder->node->children;
	for (uint32_t i = 1; i < children->count; i++)
		if (strcmp(children->items[i - 1].name, children->items[i].name) == 0)
			return refuse(walk, folder, children->items[i].name, UNI_E_CHANGED,
				      "changed while its folder was read", err);
	return 0;
}

static int open_folder(const struct walk *walk, const struct folder *folder, int *dir,
		       struct uni_err *err)
{
	struct stat st;
	*dir = openat(walk->source->fd, folder->path,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dir < 0 && errno != ENOTDIR && errno != ELOOP && errno != ENOENT)
		return fail(walk, folder, "", "open folder", err);
	if (*dir < 0 || fstat(*dir, &st) != 0 || (uint64_t)st.st_ino != folder->node->st.ino ||
	    (uint64_t)st.st_dev != folder->node->st.dev)
		return refuse(walk, folder, "", UNI_E_CHANGED, "changed while it was read", err);
	return 0;
}

static int walk_folder(void *user, size_t index, struct uni_err *err)
{
	struct walk *walk = user;
	const struct folder *folder = &walk->level.items[index];
	struct children *children = &folder->node->children;
	int dir UNI_AUTO_CLOSE = -1;
	int rc = open_folder(walk, folder, &dir, err);
	if (rc == 0)
		rc = list(walk, folder, dir, err);
	if (rc != 0)
		return rc;
	if (atomic_fetch_add(&walk->entries, children->count) + children->count >
	    UNI_TREE_ENTRIES_MAX)
		return refuse(walk, folder, "", UNI_E_LIMIT, "and others hold too many entries",
			      err);
	if (children->count > 1)
		qsort(children->items, children->count, sizeof(*children->items), by_name);
	rc = check_order(walk, folder, err);
	for (uint32_t i = 0; rc == 0 && i < children->count; i++)
		rc = fill(walk, folder, dir, &children->items[i], err);
	return rc;
}

static void level_free(struct level *level)
{
	for (size_t i = 0; i < level->count; i++)
		free(level->items[i].path);
	free(level->items);
	*level = (struct level){ .items = NULL };
}

/* The folders in those of the present level take its place. */
static void descend(struct walk *walk)
{
	struct level next = { .items = NULL };
	for (size_t i = 0; i < walk->level.count; i++) {
		const struct folder *folder = &walk->level.items[i];
		struct children *children = &folder->node->children;
		for (uint32_t j = 0; j < children->count; j++) {
			struct uni_tree_node *node = &children->items[j];
			if (node->type != UNI_ENTRY_DIR)
				continue;
			UNI_PUSH_ROOM(next.items, next.count, next.room);
			next.items[next.count++] = (struct folder){
				.node = node,
				.path = folder->depth == 0
						? uni_strdup(node->name)
						: uni_path_join(folder->path, node->name),
				.depth = folder->depth + 1,
			};
		}
	}
	level_free(&walk->level);
	walk->level = next;
}

int walk(struct uni_tree_node *root, const struct source *source,
	 const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct walk state = { .source = source, .rules = rules };
	UNI_PUSH_ROOM(state.level.items, state.level.count, state.level.room);
	state.level.items[state.level.count++] =
		(struct folder){ .node = root, .path = uni_strdup(".") };
	int rc = 0;
	while (rc == 0 && state.level.count != 0) {
		rc = uni_pool_run(state.level.count, state.level.count < THREADS_FROM ? 1 : 0,
				  walk_folder, &state, err);
		if (rc == 0)
			descend(&state);
	}
	level_free(&state.level);
	return rc;
}
