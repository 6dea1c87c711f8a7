/*
 * A container image's files as a recipe's volumes and files. Its folders become volumes but for
 * those that a machine has of its own; those in which programs keep things are writable. Of /etc,
 * where a machine has files of its own too, what concerns the program and not the distribution.
 */
#include <string.h>
#include <uni/base/path.h>
#include <uni/recipes/toml.h>

#include "container_internal.h"

#define ROOT_FILES_MAX 16
#define WRITABLE_LEAST (256u << 20)
#define WRITABLE_STEP (64u << 20)

struct placing {
	struct looking *l;
	struct uni_strv secrets; /* paths of files that look like keys */
	size_t root_files;
};

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* What a machine fills itself (its program may be in /bin), or what no machine needs. */
static bool is_machines_own(const char *name)
{
	static const char *const own[] = { "bin",  "boot", "dev",  "etc", "media", "mnt",
					   "proc", "run",  "sbin", "sys", "tmp" };

	return is_one_of(name, own, UNI_COUNT(own)) || name[0] == '.';
}

bool container_takes(const struct looking *l, const char *path)
{
	UNI_AUTO_FREE char *top = uni_strndup(path, strcspn(path, "/"));
	UNI_AUTO_FREE char *real = NULL;
	struct uni_store_entry *entry = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	return strchr(path, '/') != NULL && !is_machines_own(top) &&
	       uni_files_view_find(l->view, top, &real, &entry, &ignored) == 0 &&
	       uni_str_eq(real, top);
}

/* --- what looks like a secret --- */

static bool holds_secret(const struct looking *l, struct uni_store_entry *entry)
{
	UNI_AUTO_FREE char *path = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	return uni_store_blob_path(l->fetch->store, entry, &path, &ignored) == 0 &&
	       program_holds_secret(path);
}

static int add_secret(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	struct placing *p = user;

	(void)err;
	if (item->type == UNI_ENTRY_FILE && container_takes(p->l, item->path) &&
	    holds_secret(p->l, item->entry))
		uni_strv_add(&p->secrets, item->path);
	return 0;
}

/* Keys in what a distribution gives to everybody are no secrets: libraries test themselves with
 * them. Others are the user's to judge. */
static void put_allowed(struct placing *p, const char *folder)
{
	const char *between = "allow-secret = [";

	for (size_t i = 0; i < p->secrets.count; i++) {
		const char *path = p->secrets.items[i];

		if (!uni_path_inside(path, folder))
			continue;
		if (strcmp(folder, "usr") != 0 && !uni_str_starts(folder, "lib")) {
			program_finding(p->l->look, UNI_PROGRAM_MAY,
					uni_asprintf("the image holds what looks like a key, /%s: "
						     "it will not be built so",
						     path),
					"give it as a [[secret]], or name it in allow-secret of "
					"its volume");
			continue;
		}
		uni_buf_puts(&p->l->tables, between);
		uni_toml_write_string(&p->l->tables, path + strlen(folder));
		between = ", ";
	}
	if (between[0] == ',')
		uni_buf_puts(&p->l->tables, "]\n");
}

/* --- tables --- */

static void put_member(struct looking *l, const char *path)
{
	UNI_AUTO_FREE char *text = uni_asprintf("%s//%s", l->container->address, path);

	uni_buf_puts(&l->tables, "source = ");
	uni_toml_write_string(&l->tables, text);
	uni_buf_puts(&l->tables, "\n");
}

static void put_mount(struct looking *l, const char *path)
{
	UNI_AUTO_FREE char *flat = uni_strdup(path), *mount = uni_asprintf("/%s", path);
	UNI_AUTO_FREE char *name = NULL;

	for (char *slash = strchr(flat, '/'); slash != NULL; slash = strchr(slash, '/'))
		*slash = '-';
	name = program_image_name(flat);
	uni_buf_printf(&l->tables, "\n[[volume]]\nname = \"%s\"\nmount = ", name);
	uni_toml_write_string(&l->tables, mount);
	uni_buf_puts(&l->tables, "\n");
}

static void put_volume(struct placing *p, const char *path)
{
	put_mount(p->l, path);
	put_member(p->l, path);
	put_allowed(p, path);
}

struct sum {
	const char *folder;
	uint64_t bytes;
};

static int add_size(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	struct sum *sum = user;

	(void)err;
	if (item->type == UNI_ENTRY_FILE && uni_path_inside(item->path, sum->folder))
		sum->bytes += item->entry->size;
	return 0;
}

/* Room for what is there, as much again, and some. */
static int put_writable(struct placing *p, const char *path, bool is_there, struct uni_err *err)
{
	struct sum sum = { .folder = path };
	int rc = uni_files_each(&p->l->files, add_size, &sum, err);
	uint64_t size = (WRITABLE_LEAST + 2 * sum.bytes + WRITABLE_STEP - 1) / WRITABLE_STEP *
			WRITABLE_STEP;

	put_mount(p->l, path);
	if (is_there)
		put_member(p->l, path);
	uni_buf_printf(&p->l->tables, "format = \"ext4\"\nmode = \"rw\"\nsize = \"%lluM\"\n",
		       (unsigned long long)(size >> 20));
	put_allowed(p, path);
	return rc;
}

static void put_file(struct looking *l, const struct uni_files_item *item, const char *path)
{
	UNI_AUTO_FREE char *absolute = uni_asprintf("/%s", path);

	uni_buf_puts(&l->tables, "\n[[file]]\npath = ");
	uni_toml_write_string(&l->tables, absolute);
	uni_buf_puts(&l->tables, "\n");
	if (item->type == UNI_ENTRY_FILE) {
		put_member(l, path);
		return;
	}
	uni_buf_puts(&l->tables, "link = ");
	uni_toml_write_string(&l->tables, item->target);
	uni_buf_puts(&l->tables, "\n");
}

/* --- the root --- */

static bool keeps_data(const struct looking *l, const char *folder)
{
	for (size_t i = 0; i < l->data.count; i++)
		if (uni_path_inside(l->data.items[i] + 1, folder))
			return true;
	return false;
}

/* Programs are not written to while they run, so what is kept among them stays read-only. */
static bool is_fixed(const char *folder)
{
	return strcmp(folder, "usr") == 0 || uni_str_starts(folder, "lib");
}

static int put_root_item(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	struct placing *p = user;

	if (is_machines_own(item->path) || strcmp(item->path, p->l->program) == 0 ||
	    (item->type == UNI_ENTRY_DIR && item->count == 0 && !keeps_data(p->l, item->path)))
		return 0;
	if (item->type != UNI_ENTRY_DIR) {
		if (++p->root_files <= ROOT_FILES_MAX)
			put_file(p->l, item, item->path);
		return 0;
	}
	if (strcmp(item->path, "var") == 0 ||
	    (keeps_data(p->l, item->path) && !is_fixed(item->path)))
		return put_writable(p, item->path, true, err);
	put_volume(p, item->path);
	return 0;
}

/* --- folders for data that are in none of the root's --- */

/* Whether it lies in one that came before: they are sorted. */
static bool is_covered(const struct looking *l, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (uni_path_inside(l->data.items[index], l->data.items[i]))
			return true;
	return false;
}

static int put_data(struct placing *p, const char *path, struct uni_err *err)
{
	UNI_AUTO_FREE char *top = uni_strndup(path, strcspn(path, "/")), *real = NULL;
	struct uni_store_entry *entry = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	bool is_there = uni_files_view_find(p->l->view, path, &real, &entry, &ignored) == 0 &&
			entry == NULL && uni_str_eq(real, path);

	if (is_fixed(top)) {
		program_finding(p->l->look, UNI_PROGRAM_MAY,
				uni_asprintf("the image keeps data in /%s, which is read-only in "
					     "the recipe",
					     path),
				"point the program to a folder of its own, on a writable volume");
		return 0;
	}
	if (strcmp(top, "tmp") == 0 || strcmp(top, "run") == 0) {
		program_finding(
			p->l->look, UNI_PROGRAM_NOTE,
			uni_asprintf("the image keeps data in /%s, which is in memory here", path),
			NULL);
		return 0;
	}
	return put_writable(p, path, is_there, err);
}

static int put_other_data(struct placing *p, struct uni_err *err)
{
	const struct looking *l = p->l;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->data.count; i++) {
		const char *path = l->data.items[i] + 1;
		UNI_AUTO_FREE char *inside = uni_asprintf("%s/.", path);
		UNI_AUTO_FREE char *top = uni_strndup(path, strcspn(path, "/"));

		if (!is_covered(l, i) && (!container_takes(l, inside) || is_fixed(top)))
			rc = put_data(p, path, err);
	}
	return rc;
}

/* --- /etc --- */

/* Folders there that say how a distribution runs, which nothing does here. */
static bool is_distributions(const char *name)
{
	static const char *const folders[] = {
		"X11",
		"apk",
		"apparmor.d",
		"apt",
		"bash_completion.d",
		"ca-certificates",
		"insserv.conf.d",
		"rsyslog.d",
		"binfmt.d",
		"conf.d",
		"debconf",
		"default",
		"dpkg",
		"gss",
		"init",
		"init.d",
		"iproute2",
		"kernel",
		"ld.so.conf.d",
		"logcheck",
		"modprobe.d",
		"logrotate.d",
		"modules-load.d",
		"network",
		"opt",
		"pam.d",
		"periodic",
		"profile.d",
		"resolvconf",
		"rpm",
		"security",
		"secfixes.d",
		"selinux",
		"sgml",
		"skel",
		"sudoers.d",
		"sysctl.d",
		"systemd",
		"terminfo",
		"tmpfiles.d",
		"udev",
		"update-motd.d",
		"ufw",
		"vim",
		"xattr",
		"xdg",
		"yum.repos.d",
		"dbus-1",
	};

	return is_one_of(name, folders, UNI_COUNT(folders)) || uni_str_starts(name, "cron") ||
	       (uni_str_starts(name, "rc") && uni_str_ends(name, ".d"));
}

/* Files there that libraries read, and those that are called as the program is. */
static bool is_settings_file(const struct looking *l, const char *name)
{
	static const char *const files[] = {
		"group",     "ld.so.cache", "localtime", "ld-musl-x86_64.path",
		"magic",     "mime.types",  "my.cnf",	 "nsswitch.conf",
		"passwd",    "protocols",   "services",	 "timezone",
		"os-release"
	};

	return is_one_of(name, files, UNI_COUNT(files)) ||
	       uni_str_starts(name, uni_path_base(looking_program(l)));
}

static int put_etc_item(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	struct placing *p = user;
	UNI_AUTO_FREE char *path = uni_asprintf("etc/%s", uni_path_base(item->path));
	const char *name = uni_path_base(path);

	(void)err;
	if (item->type != UNI_ENTRY_DIR) {
		if (is_settings_file(p->l, name))
			put_file(p->l, item, path);
		return 0;
	}
	if (item->count != 0 && !is_distributions(name) && !keeps_data(p->l, path))
		put_volume(p, path);
	return 0;
}

static int put_etc(struct placing *p, struct uni_err *err)
{
	UNI_AUTO_FREE char *real = NULL;
	struct uni_store_entry *entry = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_files_view_find(p->l->view, "etc", &real, &entry, &ignored) != 0 || entry != NULL)
		return 0;
	program_finding(p->l->look, UNI_PROGRAM_NOTE,
			uni_strdup("of the image's /etc is taken what programs read, not how the "
				   "distribution runs"),
			"more of it: a [[file]] or [[volume]] with //etc/NAME of the image as its "
			"source");
	return uni_files_view_list(p->l->view, "etc", put_etc_item, p, err);
}

int container_put_files(struct looking *l, struct uni_err *err)
{
	struct placing p = { .l = l };
	int rc = uni_files_each(&l->files, add_secret, &p, err);

	if (rc == 0)
		rc = uni_files_view_list(l->view, "", put_root_item, &p, err);
	if (rc == 0)
		rc = put_other_data(&p, err);
	if (rc == 0)
		rc = put_etc(&p, err);
	uni_strv_free(&p.secrets);
	return rc;
}
