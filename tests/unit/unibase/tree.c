#include "tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[512];

static const char *in_tree(const char *name)
{
	static char full[512];

	snprintf(full, sizeof(full), "%s/tree/%s", folder, name);
	return full;
}

const char *tree_beside(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static uint64_t seed = 1;

static uint8_t random_byte(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint8_t)(seed >> 56);
}

enum kind { TEXT, RANDOM, ZERO };

static void fill(uint8_t *data, size_t size, enum kind kind)
{
	for (size_t i = 0; i < size; i++)
		data[i] = kind == TEXT	   ? (uint8_t)("abcdefgh\n"[i % 9] + (int)(i / 5000 % 3))
			  : kind == RANDOM ? random_byte()
					   : 0;
}

static void make_file(const char *name, size_t size, enum kind kind)
{
	FILE *file = fopen(in_tree(name), "wb");
	uint8_t *data = malloc(size + 1);

	assert_non_null(file);
	assert_non_null(data);
	fill(data, size, kind);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	free(data);
}

/* Data at both ends of a hole, which mksquashfs keeps as one. */
static void make_sparse(const char *name)
{
	FILE *file = fopen(in_tree(name), "wb");

	assert_non_null(file);
	fputs("start", file);
	assert_int_equal(fseek(file, 3 << 20, SEEK_SET), 0);
	fputs("end", file);
	assert_int_equal(ftruncate(fileno(file), 5000000), 0);
	assert_int_equal(fclose(file), 0);
}

static void make_sizes(void)
{
	static const size_t sizes[] = { 0,	1,	100,	 4095,	  4096,
					4097,	65536,	131071,	 131072,  131073,
					266240, 300001, 1048576, 1048577, 2500000 };
	char name[64];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(name, sizeof(name), "text-%zu", sizes[i]);
		make_file(name, sizes[i], TEXT);
		snprintf(name, sizeof(name), "random-%zu", sizes[i]);
		make_file(name, sizes[i], RANDOM);
	}
	make_file("zeros", 700000, ZERO);
	make_sparse("sparse");
}

static void make_folders(void)
{
	char name[300];

	assert_int_equal(mkdir(in_tree("empty"), 0700), 0);
	assert_int_equal(mkdir(in_tree("deep"), 0755), 0);
	assert_int_equal(mkdir(in_tree("deep/deeper"), 01777), 0);
	make_file("deep/deeper/file", 10, TEXT);
	/* Many names make an index; a common start of names makes its search work. */
	assert_int_equal(mkdir(in_tree("many"), 0755), 0);
	for (int i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "many/a-rather-long-name-for-a-small-file-%d", i);
		make_file(name, (size_t)i % 50, TEXT);
	}
	memset(name, 'n', sizeof(name));
	memcpy(name, "deep/", 5);
	name[5 + 255] = '\0';
	make_file(name, 3, TEXT);
}

static void make_specials(void)
{
	char target[900], other[512];

	assert_int_equal(symlink("text-100", in_tree("link")), 0);
	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(symlink(target, in_tree("long-link")), 0);
	snprintf(other, sizeof(other), "%s", in_tree("text-4097"));
	assert_int_equal(link(other, in_tree("hard-link")), 0);
	assert_int_equal(mkfifo(in_tree("fifo"), 0640), 0);
	assert_int_equal(chmod(in_tree("text-1"), 06751), 0);
	/* Not every file system of the host has them; then there are none in the image either. */
	(void)setxattr(in_tree("text-100"), "user.short", "value", 5, 0);
	(void)setxattr(in_tree("text-100"), "user.empty", "", 0, 0);
	memset(target, 'v', sizeof(target));
	(void)setxattr(in_tree("text-4095"), "user.long", target, sizeof(target), 0);
	(void)setxattr(in_tree("text-4096"), "user.long", target, sizeof(target), 0);
	(void)setxattr(in_tree("deep"), "user.folder", "yes", 3, 0);
}

const char *tree_make(void)
{
	strcpy(folder, "/tmp/uni-tree-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mkdir(tree_beside("tree"), 0755), 0);
	make_sizes();
	make_folders();
	make_specials();
	return tree_beside("tree");
}

void tree_remove(void)
{
	tree_run(NULL, 0, (const char *const[]){ "rm", "-rf", folder, NULL });
}

void tree_run(char *out, size_t room, const char *const argv[])
{
	int pipes[2], status;
	size_t size = 0;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char *args[32];
		size_t i = 0;

		for (; argv[i] != NULL && i < 31; i++)
			args[i] = strdup(argv[i]);
		args[i] = NULL;
		dup2(pipes[1], 1);
		close(pipes[0]);
		execvp(args[0], args);
		_exit(127);
	}
	close(pipes[1]);
	for (;;) {
		char spare[4096];
		ssize_t got = size + 1 < room ? read(pipes[0], out + size, room - 1 - size)
					      : read(pipes[0], spare, sizeof(spare));

		if (got <= 0)
			break;
		size += size + 1 < room ? (size_t)got : 0;
	}
	close(pipes[0]);
	if (room != 0)
		out[size] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status != 0)
		fail_msg("%s failed: %d", argv[0], status);
}

const char *tree_squash(const char *name, const char *const options[])
{
	char tree[512], image[512];
	const char *argv[32] = { "mksquashfs",	tree, image, "-noappend",	    "-no-progress",
				 "-processors", "1",  "-p",  "device c 600 0 0 1 3" };
	size_t count = 9;

	snprintf(tree, sizeof(tree), "%s", tree_beside("tree"));
	snprintf(image, sizeof(image), "%s", tree_beside(name));
	while (*options != NULL && count < 31)
		argv[count++] = *options++;
	tree_run(NULL, 0, argv);
	return tree_beside(name);
}

uint8_t *tree_load(const char *from, size_t *size)
{
	FILE *file = fopen(from, "rb");
	struct stat st;
	uint8_t *data;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*size = (size_t)st.st_size;
	data = malloc(*size + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *size, file), *size);
	fclose(file);
	return data;
}
