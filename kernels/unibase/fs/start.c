/*
 * The tree of files that the program finds: root, what the image brings for it, devices, /proc, the
 * program itself, the configured volumes. What cannot be made ends the machine with its reason:
 * a program without its files must not run.
 */
#include <uk/log.h>
#include <uk/start.h>

#include "fs.h"

static void must(int error, const char *what, const char *path)
{
	if (error != 0)
		uk_panic("%s %s: error %d", what, path, -error);
}

/* A folder, and those above it. */
static void make_folder(const char *path, uint32_t mode)
{
	char part[UK_NAME_MAX + 1];

	if (uk_strlcpy(part, path, sizeof(part)) >= sizeof(part))
		uk_panic("path of more than %d bytes: %s", UK_NAME_MAX, path);
	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		int error;

		if (slash != NULL)
			*slash = '\0';
		error = fs_make_node(UK_AT_FDCWD, part, UK_S_IFDIR | (slash != NULL ? 0755 : mode),
				     0);
		if (error != -UK_EEXIST)
			must(error, "make", part);
		if (slash == NULL)
			return;
		*slash = '/';
	}
}

static void mount(const char *path, struct uk_super *super, const char *type, const char *source)
{
	struct uk_dentry *point;

	if (super == NULL)
		uk_panic("mount %s: no memory", path);
	super->type = type;
	must(fs_walk_path(UK_AT_FDCWD, path, FS_FOLLOW | FS_DIRECTORY, &point), "mount", path);
	must(fs_mount_add(point, super, source), "mount", path);
	fs_dentry_put(point);
}

static void unpack_root(void)
{
	const struct uni_part *part = uk_part_find(UNI_PART_ROOT);
	const char *why;

	if (part != NULL && fs_cpio_unpack(uk_part_data(part), part->size, &why) != 0)
		uk_panic("the image's root archive: %s", why);
}

/* The program's file stands on the image's own frames: nothing of it is copied. */
static void place_program(void)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_PROGRAM, NULL);
	const struct uni_part *part = uk_part_find(UNI_PART_PROGRAM);
	char path[UK_NAME_MAX + 1];
	struct uk_dentry *file;
	char *slash;

	if (part == NULL || entry == NULL)
		return;
	if (uk_config_string(entry, path, sizeof(path)) <= 0 || path[0] != '/')
		uk_panic("the program's path is not absolute");
	slash = strrchr(path, '/');
	if (slash != path) {
		*slash = '\0';
		make_folder(path, 0755);
		*slash = '/';
	}
	must(fs_make_node(UK_AT_FDCWD, path, UK_S_IFREG | 0755, 0), "make", path);
	must(fs_walk_path(UK_AT_FDCWD, path, 0, &file), "make", path);
	must(fs_tmpfs_set_source(file->inode, uk_part_data(part), part->size), "make", path);
	fs_dentry_put(file);
}

static void mount_dev(void)
{
	struct uk_super *dev = fs_tmpfs_new(0);

	if (dev == NULL || fs_dev_fill(dev->root) != 0)
		uk_panic("no memory for /dev");
	mount("/dev", dev, "devtmpfs", "devtmpfs");
}

static void fill_etc(void)
{
	struct uk_dentry *etc;

	must(fs_walk_path(UK_AT_FDCWD, "/etc", FS_FOLLOW | FS_DIRECTORY, &etc), "make", "/etc");
	fs_etc_fill(etc->inode);
	fs_dentry_put(etc);
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

static void mount_configured(const struct uni_config_mount *what, const char *path)
{
	struct uk_super *super = NULL;
	char source[48] = "tmpfs";

	switch (what->fs) {
	case UNI_FS_TMPFS:
		super = fs_tmpfs_new(what->size);
		mount(path, super, "tmpfs", source);
		break;
	case UNI_FS_SQUASHFS:
		fs_volume_mount(what, path, source, sizeof(source), &super);
		mount(path, super, "squashfs", source);
		break;
	default:
		uk_panic("mount %s: this kernel has no file system of kind %u", path, what->fs);
	}
}

static void mount_volumes(void)
{
	const struct uni_config_entry *entry = NULL;
	char path[UK_NAME_MAX + 1];

	while ((entry = uk_config_next(UNI_CONFIG_MOUNT, entry)) != NULL) {
		const struct uni_config_mount *what = mount_entry(entry, path, sizeof(path));

		if (what == NULL)
			uk_panic("a mount in the boot configuration is not sound");
		make_folder(path, 0755);
		mount_configured(what, path);
	}
}

static void enter_folder(void)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_CWD, NULL);
	char path[UK_NAME_MAX + 1];
	struct uk_dentry *folder;

	if (entry == NULL)
		return;
	if (uk_config_string(entry, path, sizeof(path)) < 0)
		uk_panic("the working folder's path is not sound");
	must(fs_walk_path(UK_AT_FDCWD, path, FS_FOLLOW | FS_DIRECTORY, &folder), "enter", path);
	fs_cwd_set(folder);
}

static void open_console(void)
{
	for (int fd = 0; fd < 3; fd++) {
		struct uk_file *file = uk_file_open("/dev/console", UK_O_RDWR, 0);

		if (uk_is_err(file) || uk_fd_install(file, false) != fd)
			uk_panic("the console cannot be opened");
	}
}

void uk_vfs_start(void)
{
	struct uk_super *root;

	fs_dentry_start();
	uk_shrinker_register(fs_cache_shrink);
	uk_shrinker_register(fs_dentry_shrink);
	root = fs_tmpfs_new(0);
	if (root == NULL || fs_mount_add(NULL, root, "tmpfs") != 0)
		uk_panic("no memory for the root file system");
	fs_umask = 0;
	unpack_root();
	make_folder("/tmp", UK_S_ISVTX | 0777);
	make_folder("/dev", 0755);
	make_folder("/proc", 0555);
	make_folder("/etc", 0755);
	mount_dev();
	mount("/proc", fs_proc_new(), "proc", "proc");
	place_program();
	fill_etc();
	mount_volumes();
	fs_tty_start();
	open_console();
	enter_folder();
	fs_umask = 022;
}
