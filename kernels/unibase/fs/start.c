/*
 * The tree of files that the program finds: root, what the image brings for it, devices, /proc, the
 * program itself, the configured volumes. What cannot be made ends the machine with its reason:
 * a program without its files must not run.
 *
 * The program's file and the console are there first, as files without a place. Where the image
 * configures nothing in the tree, it is made when somebody first looks for a place in it: many
 * small programs never do.
 */
#include <uk/log.h>
#include <uk/sched.h>
#include <uk/start.h>

#include "fs.h"

static bool has_program;  /* it is a part of the image */
static bool root_is_ours; /* nothing was unpacked into it */
static bool tree_made;
static struct uk_mutex making = UK_MUTEX_INIT(making);

static void must(int error, const char *what, const char *path)
{
	if (error != 0)
		uk_panic("%s %s: error %d", what, path, -error);
}

/* A name in a folder, made when it is not there. Consumes the folder, gives the name. Nothing else
 * runs yet that could make it meanwhile. */
static struct uk_dentry *make_name(struct uk_dentry *dir, const char *name, size_t size,
				   uint32_t mode)
{
	struct uk_inode *parent = dir->inode, *inode = NULL;
	struct uk_dentry *made;

	must(fs_lookup(dir, name, size, &made), "make", name);
	if (made->inode == NULL) {
		must(parent->super->read_only ? -UK_EROFS
		     : parent->ops->create == NULL
			     ? -UK_EPERM
			     : parent->ops->create(parent, name, size, mode, 0, &inode),
		     "make", name);
		fs_dentry_fill(made, inode);
	}
	fs_dentry_put(dir);
	return fs_mount_cross(made);
}

/* A folder by its absolute path, with those above it; a reference. */
static struct uk_dentry *make_folder(char *path, uint32_t mode)
{
	struct uk_dentry *dir = fs_mount_root();
	char *end = path;

	fs_dentry_get(dir);
	for (;;) {
		char *name = end, rest;

		while (*name == '/')
			name++;
		if (*name == '\0')
			return dir;
		end = name;
		while (*end != '\0' && *end != '/')
			end++;
		rest = *end;
		*end = '\0';
		if ((size_t)(end - name) > UK_NAME_MAX)
			uk_panic("make %s: a name is too long", path);
		dir = make_name(dir, name, (size_t)(end - name),
				UK_S_IFDIR | (rest == '\0' ? mode : 0755));
		if (UK_S_IS(dir->inode->mode, LNK)) {
			fs_dentry_put(dir);
			must(fs_walk_path(UK_AT_FDCWD, path, FS_FOLLOW, &dir), "make", path);
		}
		if (!fs_is_dir(dir))
			uk_panic("make %s: something else is there", path);
		*end = rest;
	}
}

/* A name that is not there yet, in a folder of ours: it need not be looked for. */
static struct uk_dentry *make_fresh(struct uk_dentry *dir, const char *name, uint32_t mode)
{
	size_t size = strlen(name);
	struct uk_inode *inode;
	struct uk_dentry *made;

	must(dir->inode->ops->create(dir->inode, name, size, mode, 0, &inode), "make", name);
	made = fs_dentry_new(dir, name, size, inode);
	if (made == NULL)
		uk_panic("make %s: no memory", name);
	return made;
}

/* What an archive brought may be there already. */
static struct uk_dentry *make_top_folder(const char *path, uint32_t mode)
{
	char copy[16];

	if (root_is_ours)
		return make_fresh(fs_mount_root(), path + 1, UK_S_IFDIR | mode);
	uk_strlcpy(copy, path, sizeof(copy));
	return make_folder(copy, mode);
}

/* Consumes the folder. */
static void mount(struct uk_dentry *point, struct uk_super *super, const char *type,
		  const char *source)
{
	if (super == NULL)
		uk_panic("mount %s: no memory", type);
	super->type = type;
	must(fs_mount_add(point, super, source), "mount", type);
	fs_dentry_put(point);
}

static void unpack_root(void)
{
	const struct uni_part *part = uk_part_find(UNI_PART_ROOT);
	const char *why;

	root_is_ours = part == NULL;
	if (part != NULL && fs_cpio_unpack(uk_part_data(part), part->size, &why) != 0)
		uk_panic("the image's root archive: %s", why);
}

/* Gives an open file its name in a folder, which is consumed. */
static void place(struct uk_file *file, const char *name, struct uk_dentry *folder)
{
	struct uk_inode *dir = folder->inode;
	size_t size = strlen(name);
	struct uk_dentry *there;

	must(fs_lookup(folder, name, size, &there), "make", name);
	if (there->inode != NULL)
		uk_panic("make %s: something else is there", name);
	file->inode->nlink = 0;
	must(dir->ops->link(dir, name, size, file->inode), "make", name);
	uk_inode_get(file->inode);
	fs_dentry_fill(there, file->inode);
	file->dentry = there;
	fs_dentry_put(folder);
}

/* Into `path`, as far as it goes before the name of the file, which is given. */
static char *program_path(char *path, size_t room)
{
	const struct uni_config_entry *entry = uk_config_first(UNI_CONFIG_PROGRAM);
	char *slash;

	if (entry == NULL)
		return NULL;
	if (uk_config_string(entry, path, room) <= 0 || path[0] != '/')
		uk_panic("the program's path is not absolute");
	slash = strrchr(path, '/');
	*slash = '\0';
	return slash + 1;
}

/* The program's file stands on the image's own frames: nothing of it is copied. */
static void find_program(void)
{
	const struct uni_part *part = uk_part_find(UNI_PART_PROGRAM);

	has_program = part != NULL;
	fs_first_start(has_program ? uk_part_data(part) : NULL, has_program ? part->size : 0);
}

static void place_program(void)
{
	char path[UK_NAME_MAX + 1];
	const char *name = program_path(path, sizeof(path));

	if (has_program && name != NULL)
		place(&fs_root.file, name, make_folder(path, 0755));
}

struct uk_file *uk_vfs_program(const char *path)
{
	return has_program ? &fs_root.file : uk_file_open(path, UK_O_RDONLY, 0);
}

/* What most programs never look at is made when something looks. */
static void fill_later(struct uk_dentry *dir, int (*fill)(struct uk_inode *folder))
{
	fs_tmpfs_later(dir->inode, fill);
	fs_dentry_put(dir);
}

static void mount_dev(void)
{
	struct uk_dentry *folder = make_top_folder("/dev", 0755);

	fs_dentry_get(folder);
	must(fs_tmpfs_begin(&fs_dev.super, 0), "make", "/dev");
	mount(folder, &fs_dev.super, "devtmpfs", "devtmpfs");
	place(&fs_dev.file, "console", fs_mount_cross(folder));
	fs_tmpfs_later(fs_dev.super.root, fs_dev_fill);
}

/* Takes a mount's entry apart; NULL: a bad one, which is the tool's mistake and fatal. */
static const struct uni_config_mount *mount_entry(const struct uni_config_entry *entry, char *path,
						  size_t room)
{
	const struct uni_config_mount *mount = uni_config_data(entry);

	if (entry->size < sizeof(*mount) || mount->path_size != entry->size - sizeof(*mount) ||
	    mount->path_size >= room || mount->salt_size > sizeof(mount->salt))
		return NULL;
	memcpy(path, mount + 1, mount->path_size);
	path[mount->path_size] = '\0';
	return path[0] == '/' && strlen(path) == mount->path_size ? mount : NULL;
}

static void mount_volumes(void)
{
	const struct uni_config_entry *entry = NULL;
	char path[UK_NAME_MAX + 1];
	unsigned live = 0;

	while ((entry = uk_config_next(UNI_CONFIG_MOUNT, entry)) != NULL) {
		struct fs_mounting m = { .what = mount_entry(entry, path, sizeof(path)),
					 .path = path };

		if (m.what == NULL)
			uk_panic("a mount in the boot configuration is not sound");
		if (m.what->fs == UNI_FS_LIVE)
			m.index = live++;
		if (fs_volume_mount(&m) != 0)
			uk_panic("volume %s: %s", path, m.why);
		must(fs_volume_place(&m, make_folder(path, 0755)), "mount", path);
	}
}

static void write_given(char *path, const struct uni_config_file *file, const char *content,
			uint32_t size)
{
	char *slash = strrchr(path, '/');
	struct uk_iter it;
	struct uk_file *out;
	uint64_t offset = 0;

	*slash = '\0';
	fs_dentry_put(make_folder(path, 0755));
	*slash = '/';
	out = uk_file_open(path, UK_O_WRONLY | UK_O_CREAT | UK_O_TRUNC, file->mode & 0777);
	if (uk_is_err(out))
		uk_panic("file %s, given at start: error %ld", path, -uk_ptr_err(out));
	uk_iter_kernel(&it, (void *)(uintptr_t)content, size);
	if (size != 0 && out->ops->write(out, &it, &offset) != (int64_t)size)
		uk_panic("file %s, given at start: no room", path);
	uk_file_put(out);
}

/* The image's entry for a file that was given; NULL: it names none. */
static const struct uni_config_file *find_named(const char *path)
{
	const struct uni_config_entry *entry = NULL;
	char named[UK_NAME_MAX + 1];
	const char *content;
	uint32_t size;

	while ((entry = uk_config_image_next(UNI_CONFIG_FILE, entry)) != NULL) {
		const struct uni_config_file *file =
			uk_config_file(entry, named, sizeof(named), &content, &size);

		if (strcmp(named, path) == 0)
			return file;
	}
	return NULL;
}

static bool is_given(const char *path)
{
	const struct uni_config_entry *entry = NULL;
	char given[UK_NAME_MAX + 1];
	const char *content;
	uint32_t size;

	while ((entry = uk_config_given_next(UNI_CONFIG_FILE, entry)) != NULL) {
		uk_config_file(entry, given, sizeof(given), &content, &size);
		if (strcmp(given, path) == 0)
			return true;
	}
	return false;
}

/* Secrets and other files that the host gives at start, where the image names them. */
static void place_given(void)
{
	const struct uni_config_entry *entry = NULL;
	const struct uni_config_file *file;
	char path[UK_NAME_MAX + 1];
	const char *content;
	uint32_t size;

	while ((entry = uk_config_given_next(UNI_CONFIG_FILE, entry)) != NULL) {
		uk_config_file(entry, path, sizeof(path), &content, &size);
		file = find_named(path);
		if (file == NULL)
			uk_panic("file %s, given at start: the image does not permit it", path);
		write_given(path, file, content, size);
	}
	while ((entry = uk_config_image_next(UNI_CONFIG_FILE, entry)) != NULL) {
		file = uk_config_file(entry, path, sizeof(path), &content, &size);
		if ((file->flags & UNI_FILE_REQUIRED) != 0 && !is_given(path))
			uk_panic("%s %s was not given at start",
				 (file->flags & UNI_FILE_SECRET) != 0 ? "secret" : "file", path);
	}
}

static bool is_root(const struct uni_config_entry *entry)
{
	return entry->size == 1 && *(const char *)uni_config_data(entry) == '/';
}

static void enter_folder(const struct uni_config_entry *entry)
{
	char path[UK_NAME_MAX + 1];
	struct uk_dentry *folder;

	if (uk_config_string(entry, path, sizeof(path)) < 0)
		uk_panic("the working folder's path is not sound");
	must(fs_walk_path(UK_AT_FDCWD, path, FS_FOLLOW | FS_DIRECTORY, &folder), "enter", path);
	fs_cwd_set(folder);
}

/* Whether the image, or the host, brings something that has its place in the tree. */
static bool is_configured(void)
{
	const bool root = uk_part_find(UNI_PART_ROOT) != NULL;

	return root | (uk_config_first(UNI_CONFIG_MOUNT) != NULL) |
	       (uk_config_first(UNI_CONFIG_FILE) != NULL);
}

static void make_tree(void)
{
	/* Before it, what these could give back is next to nothing. */
	fs_dentry_start();
	uk_shrinker_register(fs_cache_shrink);
	uk_shrinker_register(fs_dentry_shrink);
	must(fs_tmpfs_begin(&fs_root.super, 0), "make", "/");
	must(fs_mount_add(NULL, &fs_root.super, "tmpfs"), "mount", "/");
	unpack_root();
	fs_dentry_put(make_top_folder("/tmp", UK_S_ISVTX | 0777));
	fs_dentry_put(make_top_folder("/run", UK_S_ISVTX | 0777));
	fill_later(make_top_folder("/etc", 0755), fs_etc_fill);
	mount_dev();
	mount(make_top_folder("/proc", 0555), fs_proc_new(), "proc", "proc");
	place_program();
	mount_volumes();
	place_given();
}

void fs_tree_need(void)
{
	struct uk_thread *self = uk_thread_self();
	bool trusted = self->trusted;

	if (__atomic_load_n(&tree_made, __ATOMIC_ACQUIRE) || uk_mutex_held(&making))
		return;
	uk_mutex_lock(&making);
	self->trusted = true;
	if (!tree_made)
		make_tree();
	self->trusted = trusted;
	__atomic_store_n(&tree_made, true, __ATOMIC_RELEASE);
	uk_mutex_unlock(&making);
}

void uk_vfs_start(void)
{
	const struct uni_config_entry *folder = uk_config_first(UNI_CONFIG_CWD);

	find_program();
	fs_tty_start();
	fs_fd_start(&fs_dev.file);
	if (is_configured())
		fs_tree_need();
	if (folder != NULL && (tree_made || !is_root(folder))) /* else it is as it is */
		enter_folder(folder);
	fs_orders_start();
}
