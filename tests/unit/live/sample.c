/* Volumes to try things on. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/fs/read.h>

#include "unit.h"

struct uni_err live_err;

static char *scratch;

char *scratch_path(const char *name)
{
	if (scratch == NULL)
		assert_int_equal(uni_dir_tmp(NULL, &scratch, &live_err), 0);
	return uni_path_join(scratch, name);
}

void scratch_end(void)
{
	if (scratch == NULL)
		return;
	assert_int_equal(uni_dir_remove(scratch, &live_err), 0);
	uni_tmp_forget(scratch);
	free(scratch);
	scratch = NULL;
}

/* Not flushed: there are thousands of them. */
void put_file(const char *path, const struct uni_buf *file)
{
	UNI_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(uni_write_full(fd, file->data, file->size, path, &live_err), 0);
}

static void add_words(struct uni_tree *tree, const char *at, uint32_t seed, size_t size)
{
	const struct uni_tree_rules rules = { .mtime = 1 };
	UNI_AUTO_FREE char *data = uni_alloc(size);

	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (char)('a' + (seed >> 16) % 23);
	}
	assert_int_equal(uni_tree_add_data(tree, at, data, size, &rules, &live_err), 0);
}

struct uni_tree *sample_tree(unsigned seed)
{
	const struct uni_tree_rules rules = { .mtime = 1 };
	struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_digest digest;
	char name[32];

	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "still/file-%u", i);
		add_words(tree, name, 77 + i, 300 * i);
	}
	add_words(tree, "page", seed, 900);
	add_words(tree, "large", seed / 2, 150000);
	assert_int_equal(uni_tree_digest(tree, NULL, 1, &digest, &live_err), 0);
	return tree;
}

static int add_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	(void)err;
	uni_buf_add(user, data, size);
	return 0;
}

struct listing {
	struct uni_fs_reader *reader;
	struct uni_buf *out;
	const char *dir;
};

static int list_one(void *user, const char *name, const struct uni_fs_stat *stat,
		    struct uni_err *err)
{
	struct listing *l = user;
	UNI_AUTO_FREE char *path = uni_path_join(l->dir, name);
	struct listing below = { l->reader, l->out, path };

	uni_buf_printf(l->out, "%s\n", path);
	if (stat->type == UNI_FS_TYPE_FOLDER)
		return uni_fs_list(l->reader, path, list_one, &below, err);
	return uni_fs_read(l->reader, path, add_data, l->out, err);
}

void read_volume(const char *path, bool before, struct uni_buf *out)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	struct listing l = { .out = out, .dir = "/" };
	const struct uni_live_super *super;

	if (uni_live_open(&live, path, false, &live_err) != 0)
		fail_msg("%s", live_err.text);
	super = before ? uni_live_before(live) : uni_live_current(live);
	assert_non_null(super);
	if (uni_live_verify(live, super, NULL, &live_err) != 0 ||
	    uni_live_reader(live, super, &reader, &live_err) != 0)
		fail_msg("%s", live_err.text);
	l.reader = reader;
	uni_buf_clear(out);
	if (uni_fs_list(reader, "/", list_one, &l, &live_err) != 0)
		fail_msg("%s", live_err.text);
}

void make_volume(const char *path, unsigned seed, const struct uni_live_options *options)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(seed);
	struct uni_live_made made;

	if (uni_live_create(path, &(struct uni_live_shape){ "sample", NULL, 5 << 20 }, tree,
			    options, &made, &live_err) != 0)
		fail_msg("%s", live_err.text);
	assert_int_equal(made.generation, 1);
}

void commit_volume(const char *path, unsigned seed, const struct uni_live_options *options,
		   struct uni_live_made *made)
{
	UNI_AUTO(uni_tree) struct uni_tree *tree = sample_tree(seed);
	UNI_AUTO(uni_live) struct uni_live *live = NULL;

	if (uni_live_open(&live, path, true, &live_err) != 0 ||
	    uni_live_commit(live, tree, options, made, &live_err) != 0)
		fail_msg("%s", live_err.text);
}

uint64_t volume_generation(const char *path)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;

	if (uni_live_open(&live, path, false, &live_err) != 0)
		fail_msg("%s", live_err.text);
	return uni_live_current(live)->generation;
}
