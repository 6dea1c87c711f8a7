/*
 * Content from place to place. Files that several machines share are written once; the rest is
 * written side by side.
 */
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/pool.h>
#include <uni/fs/edit.h>
#include <uni/io/sink.h>
#include <unistd.h>

#include "internal.h"

/* A volume's file and those who have it. */
struct target {
	const char *path;
	struct uni_volume_users users;
	struct uni_live_made made;
	uint64_t current, inactive; /* generations; 0: none */
	int wait_ms;
};

struct copying {
	struct target *targets;
	size_t count;
	struct uni_tree *tree; /* NULL: back to the generation before */
	const struct uni_volume_copy *how;
};

void uni_volume_copy_clear(struct uni_volume_copy *copy)
{
	uni_volume_users_clear(&copy->users);
}

/* Of what is written side by side, each its part. */
static uint64_t share(const struct copying *c)
{
	uint64_t whole = c->how->bandwidth;

	return whole == 0 ? 0 : whole / c->count != 0 ? whole / c->count : 1;
}

static int clear_slot(void *user, struct uni_err *err)
{
	struct target *t = user;

	return volume_users_clear_slot(&t->users, t->current, t->inactive, t->wait_ms, err);
}

static int write_one(void *user, size_t index, struct uni_err *err)
{
	struct copying *c = user;
	struct target *t = &c->targets[index];
	const struct uni_live_gate gate = { clear_slot, t };
	const struct uni_live_options options = { .time = c->how->time,
						  .key = c->how->key,
						  .bandwidth = share(c),
						  .verify_all = c->how->verify_all,
						  .gate = &gate };
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	const struct uni_live_super *before;
	int rc = uni_live_open(&live, t->path, true, err);

	if (rc != 0)
		return rc;
	before = uni_live_before(live);
	if (c->tree == NULL)
		return uni_live_rollback(live, &options, &t->made, err);
	t->current = uni_live_current(live)->generation;
	t->inactive = before != NULL ? before->generation : 0;
	t->wait_ms = c->how->wait_ms;
	return uni_live_commit(live, c->tree, &options, &t->made, err);
}

static int tell_one(void *user, size_t index, struct uni_err *err)
{
	struct copying *c = user;
	struct target *t = &c->targets[index];

	(void)err;
	volume_users_tell(&t->users, t->made.generation, c->how->wait_ms);
	return 0;
}

static void targets_free(struct copying *c)
{
	for (size_t i = 0; i < c->count; i++)
		uni_volume_users_clear(&c->targets[i].users);
	free(c->targets);
}

/* Moves what was found out about users to the caller. */
static void give_results(struct copying *c, struct uni_volume_copy *copy)
{
	for (size_t i = 0; i < c->count; i++) {
		struct target *t = &c->targets[i];

		if (i == 0 || !t->made.unchanged)
			copy->made = t->made;
		copy->volumes += !t->made.unchanged;
		copy->unchanged += t->made.unchanged;
		copy->users.items =
			uni_realloc_array(copy->users.items, copy->users.count + t->users.count,
					  sizeof(*copy->users.items));
		for (size_t k = 0; k < t->users.count; k++)
			copy->users.items[copy->users.count++] = t->users.items[k];
		t->users.count = 0;
	}
}

static int run(struct copying *c, struct uni_volume_copy *copy, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = uni_pool_run(c->count, 0, write_one, c, err);

	if (rc == 0) {
		(void)uni_pool_run(c->count, (unsigned)c->count, tell_one, c, &ignored);
		give_results(c, copy);
	}
	targets_free(c);
	return rc;
}

static void add_target(struct copying *c, const struct uni_detached_list *machines,
		       const char *path)
{
	struct target *t;

	c->targets = uni_realloc_array(c->targets, c->count + 1, sizeof(*c->targets));
	t = &c->targets[c->count++];
	*t = (struct target){ .path = path };
	/* All who have the file are told, whoever was named. */
	volume_users_with(machines, path, &t->users);
}

/* Whoever has the file of a target is among its users. */
static bool has_target(const struct copying *c, const struct uni_volume_user *user)
{
	for (size_t i = 0; i < c->count; i++)
		for (size_t k = 0; k < c->targets[i].users.count; k++)
			if (uni_str_eq(c->targets[i].users.items[k].path, user->path))
				return true;
	return false;
}

static int run_machines(struct copying *c, const char *pattern, struct uni_volume_copy *copy,
			struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *machines = NULL;
	struct uni_volume_users named = { .items = NULL };
	int rc = uni_detached_list(&machines, err);

	if (rc == 0)
		rc = volume_users_named(machines, pattern, &named, err);
	for (size_t i = 0; rc == 0 && i < named.count; i++)
		if (!has_target(c, &named.items[i]))
			add_target(c, machines, named.items[i].path);
	if (rc == 0)
		rc = run(c, copy, err);
	uni_volume_users_clear(&named);
	return rc;
}

static int run_file(struct copying *c, const char *path, struct uni_volume_copy *copy,
		    struct uni_err *err)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *machines = NULL;
	int rc = uni_detached_list(&machines, err);

	if (rc != 0)
		return rc;
	add_target(c, machines, path);
	return run(c, copy, err);
}

/* --- other targets --- */

static int write_tar(const char *source, const char *path, bool replace, struct uni_err *err)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *from = NULL;
	UNI_AUTO(uni_sink) struct uni_sink *sink = NULL;
	int rc = uni_output_check(path, replace, err);

	if (rc == 0)
		rc = uni_volume_source_open(&from, source, err);
	if (rc == 0)
		rc = uni_sink_to_file(&sink, path, 0666, true, err);
	if (rc == 0)
		rc = uni_tree_write_tar(uni_volume_source_tree(from), sink, NULL, err);
	return rc == 0 ? uni_sink_finish(sink, err) : rc;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? S_ISDIR(st.st_mode) : uni_str_ends(path, "/");
}

static int write_folder(const char *source, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	UNI_AUTO(uni_volume_source) struct uni_volume_source *from = NULL;
	int rc;

	if (volume_is_remote(source) || is_folder(source) || volume_is_tar(source)) {
		rc = uni_volume_source_open(&from, source, err);
		return rc == 0 ? volume_spread(uni_volume_source_tree(from), path, err) : rc;
	}
	rc = uni_volume_open(&volume, source, false, err);
	return rc == 0 ? uni_volume_extract(uni_volume_reader(volume), uni_volume_inside(volume),
					    path, err)
		       : rc;
}

static int copy_disk(const struct uni_detached *machine, const char *name, const char *path,
		     struct uni_volume_copy *copy, struct uni_err *err)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_config_mount wire;

	copy->disk.bandwidth = copy->bandwidth;
	for (size_t i = 0; i < machine->disk_count && !copy->no_freeze; i++)
		if (uni_str_eq(machine->disks[i].name, name) &&
		    uni_volume_identify(machine->disks[i].path, &wire, &ignored) == 0)
			copy->disk.freeze = wire.uuid;
	if (uni_detached_backup(machine, name, path, &copy->disk, err) == 0)
		copy->is_disk = true;
	copy->disk.freeze = NULL;
	return err->code;
}

/* "vm:NAME/VOLUME", of a volume that this machine writes to. */
static bool is_written(const char *place, struct uni_detached **machine, const char **volume)
{
	const char *slash = strrchr(place, '/');
	struct uni_err ignored = UNI_ERR_INIT;
	UNI_AUTO_FREE char *name = NULL;

	if (!uni_str_starts(place, "vm:") || slash == NULL)
		return false;
	name = uni_strndup(place + strlen("vm:"), (size_t)(slash - place) - strlen("vm:"));
	if (uni_detached_open(machine, name, &ignored) != 0 || !(*machine)->running)
		return false;
	*volume = slash + 1;
	for (size_t i = 0; i < (*machine)->disk_count; i++)
		if (uni_str_eq((*machine)->disks[i].name, *volume))
			return true;
	return false;
}

/* The whole file, at a moment when nobody writes it. */
static int copy_file(const char *source, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	UNI_AUTO_FREE char *file = NULL;
	UNI_AUTO_FREE char *inside = NULL;
	int rc = uni_volume_locate(source, &file, &inside, err);

	if (rc == 0 && !uni_str_eq(inside, "/"))
		return uni_err_set(err, UNI_E_USAGE,
				   "%s: a path in a volume goes to a folder or "
				   "archive",
				   source);
	if (rc == 0)
		rc = uni_live_open(&live, file, true, err);
	/* Of another format, which has no writers. */
	if (rc == UNI_E_UNSUPPORTED) {
		uni_err_clear(err);
		rc = 0;
	}
	return rc == 0 ? uni_file_copy(file, path, 0666, err) : rc;
}

/* Under the name that it has there. */
static char *name_to_send(const char *source, const char *dir)
{
	UNI_AUTO_FREE char *name = uni_strdup(uni_path_base(source));
	UNI_AUTO_FREE char *whole =
		uni_asprintf("%s%s", name, strchr(name, '.') == NULL ? ".vol" : "");

	return uni_path_join(dir, whole);
}

/* A machine's or a live volume goes as it is at this moment. */
static int send(const char *source, const char *address, struct uni_volume_copy *copy,
		struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = NULL;
	UNI_AUTO_FREE char *file = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = uni_dir_tmp(NULL, &dir, err);

	if (rc != 0)
		return rc;
	file = name_to_send(source, dir);
	rc = uni_volume_copy(source, file, copy, err);
	if (rc == 0)
		rc = volume_send(file, address, err);
	copy->is_disk = false;
	(void)uni_dir_remove(dir, &ignored);
	uni_tmp_forget(dir);
	return rc;
}

/* The tree that goes to a path: a file under its name there, or all of a place. */
static int part_tree(const char *source, const char *inside, struct uni_volume_source **from,
		     char **at, struct uni_err *err)
{
	struct stat st;

	if (volume_is_remote(source) || stat(source, &st) != 0 || !S_ISREG(st.st_mode)) {
		*at = uni_strdup(inside);
		return uni_volume_source_open(from, source, err);
	}
	*at = uni_path_dir(inside);
	return volume_source_file(from, uni_path_base(inside), source, err);
}

/* Into an ext4 that no machine has. */
static int write_ext4(const char *source, const char *file, const char *inside,
		      const struct uni_volume_copy *copy, struct uni_err *err)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *from = NULL;
	UNI_AUTO_FREE char *at = NULL;
	int rc = part_tree(source, inside, &from, &at, err);

	return rc == 0 ? uni_ext4_put(file, at, uni_volume_source_tree(from), copy->time, err) : rc;
}

static bool is_ext4(const char *file)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_config_mount wire;

	return uni_volume_identify(file, &wire, &ignored) == 0 && wire.fs == UNI_FS_EXT4;
}

static int write_part(struct copying *c, const char *source, const char *target,
		      struct uni_volume_copy *copy, struct uni_err *err)
{
	UNI_AUTO(uni_volume) struct uni_volume *volume = NULL;
	UNI_AUTO(uni_volume_source) struct uni_volume_source *whole = NULL;
	UNI_AUTO_FREE char *file = NULL;
	UNI_AUTO_FREE char *inside = NULL;
	int rc = uni_volume_locate(target, &file, &inside, err);

	if (rc == 0 && is_ext4(file))
		return write_ext4(source, file, inside, copy, err);
	if (rc == 0)
		rc = uni_volume_open(&volume, file, false, err);
	if (rc == 0)
		rc = volume_source_replace(&whole, volume, inside, source, err);
	if (rc == 0)
		rc = uni_volume_source_hash(whole, err);
	if (rc != 0)
		return rc;
	c->tree = uni_volume_source_tree(whole);
	return run_file(c, file, copy, err);
}

static int write_content(struct copying *c, const char *source, const char *target,
			 struct uni_volume_copy *copy, struct uni_err *err)
{
	UNI_AUTO(uni_volume_source) struct uni_volume_source *from = NULL;
	int rc = uni_volume_source_open(&from, source, err);

	/* A generation keeps what it knows of the one before by digest. */
	if (rc == 0)
		rc = uni_volume_source_hash(from, err);
	if (rc != 0)
		return rc;
	c->tree = uni_volume_source_tree(from);
	if (uni_str_starts(target, "vm:"))
		return run_machines(c, target + strlen("vm:"), copy, err);
	return run_file(c, target, copy, err);
}

int uni_volume_copy(const char *source, const char *target, struct uni_volume_copy *copy,
		    struct uni_err *err)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
	struct copying c = { .how = copy };
	const char *volume;

	if (volume_is_remote(target))
		return send(source, target, copy, err);
	if (is_written(source, &machine, &volume))
		return copy_disk(machine, volume, target, copy, err);
	if (strstr(target, ":/") != NULL)
		return write_part(&c, source, target, copy, err);
	if (is_folder(target))
		return write_folder(source, target, err);
	if (uni_str_ends(target, ".tar"))
		return write_tar(source, target, copy->replace, err);
	if (!uni_str_starts(target, "vm:") && !uni_file_exists(target)) {
		if (is_folder(source) || volume_is_remote(source)) {
			uni_err_set(err, UNI_E_NOENT, "%s: does not exist", target);
			return uni_err_hint(err, "uni volume create %s --from %s makes it", target,
					    source);
		}
		return copy_file(source, target, err);
	}
	return write_content(&c, source, target, copy, err);
}

int uni_volume_rollback(const char *target, struct uni_volume_copy *copy, struct uni_err *err)
{
	struct copying c = { .how = copy };

	if (uni_str_starts(target, "vm:"))
		return run_machines(&c, target + strlen("vm:"), copy, err);
	return run_file(&c, target, copy, err);
}
