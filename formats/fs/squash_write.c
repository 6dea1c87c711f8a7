/*
 * Squashfs by mksquashfs, which reads the tree as a tar archive from a pipe: no temporary tree, no
 * root, and memory that does not grow with the content.
 *
 * Its bytes depend on its version and its codec's, so their files are part of a step's identity;
 * they do not depend on the number of processors, nor on -mem as long as that is the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <uni/base/file.h>
#include <uni/base/process.h>
#include <uni/base/tool.h>
#include <uni/tree/tree.h>
#include <unistd.h>

#include "formats.h"
#include "squash.h"

enum {
	BLOCK_DEFAULT = 128 << 10,
	BLOCK_MAX = 1 << 20,
	PIPE_SIZE = 1 << 20,
	WORDS_MAX = 1000,
	LZ4_STRONG = 12,
};

struct compression {
	const char *name;
	uint32_t level_default;
	uint32_t level_max;
	const char *library; /* that decides its bytes */
};

/*
 * zstd at level 1 packs as fast as the rest of a build can feed it; higher levels cost more time
 * than they save in size.
 */
static const struct compression compressions[] = {
	{ "zstd", 1, 22, "libzstd" },
	{ "lz4", 1, LZ4_STRONG, "liblz4" },
	{ "gzip", 6, 9, "libz." },
	{ "none", 0, 0, NULL },
};

static const char *const compression_names[] = { "zstd", "lz4", "gzip", "none", NULL };

static const struct compression *find_compression(const char *name)
{
	for (size_t i = 0; i < UNI_COUNT(compressions); i++)
		if (strcmp(compressions[i].name, name) == 0)
			return &compressions[i];
	return NULL;
}

static int squash_resolve(struct uni_fs_options *options, struct uni_err *err)
{
	const struct compression *c;

	if (options->compression == NULL)
		options->compression = compressions[0].name;
	c = find_compression(options->compression);
	if (c == NULL)
		return uni_err_set(err, UNI_E_INVAL, "squashfs has no compression \"%s\"",
				   options->compression);
	if (options->level > c->level_max)
		return uni_err_set(err, UNI_E_INVAL, "%s has no level %u, the highest is %u",
				   c->name, options->level, c->level_max);
	if (options->level == 0)
		options->level = c->level_default;
	/* mksquashfs knows two ways to pack LZ4; the second starts at the library's level 3. */
	if (strcmp(c->name, "lz4") == 0)
		options->level = options->level < 3 ? 1 : LZ4_STRONG;
	if (options->block_size == 0)
		options->block_size = BLOCK_DEFAULT;
	if (options->block_size < FS_BLOCK || options->block_size > BLOCK_MAX ||
	    (options->block_size & (options->block_size - 1)) != 0)
		return uni_err_set(err, UNI_E_INVAL,
				   "squashfs blocks of %u bytes: must be a power of two from 4096 "
				   "to 1048576",
				   options->block_size);
	if (options->epoch < 0 || options->epoch > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "squashfs cannot hold the time %lld",
				   (long long)options->epoch);
	return 0;
}

static int squash_tools(const struct uni_fs_options *options, struct uni_strv *files,
			struct uni_err *err)
{
	const struct compression *c = find_compression(options->compression);
	const char *libraries[] = { c != NULL ? c->library : NULL, NULL };

	if (uni_tool_files("mksquashfs", libraries, files, err) == 0)
		return 0;
	return uni_err_hint(err, "install the Debian package squashfs-tools");
}

/* --- times and the root --- */

/*
 * mksquashfs takes no notice of the archive's entry for the root: it invents one, whose time is
 * now, and in this mode does not obey -root-time. Where all times in the tree are one, -all-time
 * covers the root too. Else SOURCE_DATE_EPOCH, set to the newest, pulls the root's back to that;
 * beside it -mkfs-time is refused, so the superblock gets its time afterwards.
 */
struct times {
	int64_t oldest;
	int64_t newest;
};

static int see_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct times *times = user;
	int64_t mtime = entry->meta.mtime;

	if (entry->meta.uid != 0 || entry->meta.gid != 0)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: belongs to %u:%u instead of 0:0",
				   entry->meta.path, entry->meta.uid, entry->meta.gid);
	if (mtime < 0 || mtime > UINT32_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s: squashfs cannot hold the time %lld",
				   entry->meta.path, (long long)mtime);
	times->oldest = mtime < times->oldest ? mtime : times->oldest;
	times->newest = mtime > times->newest ? mtime : times->newest;
	return 0;
}

static void add_times(const struct uni_fs_options *options, const struct times *times,
		      struct uni_strv *argv, struct uni_strv *env)
{
	if (times->oldest != times->newest) {
		uni_strv_addf(env, "SOURCE_DATE_EPOCH=%lld", (long long)times->newest);
		return;
	}
	uni_strv_add(argv, "-mkfs-time");
	uni_strv_addf(argv, "%lld", (long long)options->epoch);
	uni_strv_add(argv, "-all-time");
	uni_strv_addf(argv, "%lld", (long long)times->newest);
}

/* The root is invented with this user's ids, whatever -root-uid says; all of a tree belongs to 0.
 */
static void add_root(const struct uni_tree *tree, struct uni_strv *argv)
{
	struct uni_tree_entry root;

	uni_strv_add(argv, "-all-root");
	if (uni_tree_find(tree, ".", &root) != 1)
		return;
	uni_strv_add(argv, "-root-mode");
	uni_strv_addf(argv, "%o", root.meta.mode);
}

/* The superblock's time, and a look at the root's: the one thing that a clock could have got into.
 */
static int settle_root(const struct uni_fs_options *options, const struct times *times, int fd,
		       uint64_t size, struct uni_err *err)
{
	UNI_AUTO(uni_fs_reader) struct uni_fs_reader *reader = NULL;
	uint32_t epoch = (uint32_t)options->epoch;
	struct uni_fs_stat root;
	int rc = uni_pwrite_full(fd, &epoch, sizeof(epoch),
				 offsetof(struct squash_super, mkfs_time), "volume", err);

	if (rc == 0)
		rc = uni_fs_open(&reader, fd, 0, size, "volume", err);
	if (rc == 0)
		rc = uni_fs_stat(reader, "/", &root, err);
	if (rc == 0 && (root.mtime != times->newest || root.uid != 0 || root.gid != 0))
		rc = uni_err_set(err, UNI_E_PROCESS,
				 "mksquashfs gave the root folder the time %lld and the owner "
				 "%u:%u instead of %lld and 0:0",
				 (long long)root.mtime, root.uid, root.gid,
				 (long long)times->newest);
	return rc;
}

static void make_argv(const struct uni_fs_options *options, const char *path, struct uni_strv *argv)
{
	static const char *const fixed[] = { "-tar",	   "-noappend",	  "-no-progress", "-quiet",
					     "-no-xattrs", "-no-exports", "-mem",	  "32M" };
	static const char *const stored[] = { "-noI", "-noId", "-noD", "-noF", "-noX" };

	uni_strv_add(argv, "mksquashfs");
	uni_strv_add(argv, "-");
	uni_strv_add(argv, path);
	for (size_t i = 0; i < UNI_COUNT(fixed); i++)
		uni_strv_add(argv, fixed[i]);
	uni_strv_add(argv, "-b");
	uni_strv_addf(argv, "%u", options->block_size);
	if (options->threads != 0) {
		uni_strv_add(argv, "-processors");
		uni_strv_addf(argv, "%u", options->threads);
	}
	if (strcmp(options->compression, "none") == 0) {
		for (size_t i = 0; i < UNI_COUNT(stored); i++)
			uni_strv_add(argv, stored[i]);
		return;
	}
	uni_strv_add(argv, "-comp");
	uni_strv_add(argv, options->compression);
	if (strcmp(options->compression, "lz4") == 0) {
		if (options->level == LZ4_STRONG)
			uni_strv_add(argv, "-Xhc");
		return;
	}
	uni_strv_add(argv, "-Xcompression-level");
	uni_strv_addf(argv, "%u", options->level);
}

/* --- the pipe --- */

struct making {
	struct uni_process *process;
	int pipe;  /* end that is written */
	int words; /* what mksquashfs says */
};

static void making_clear(struct making *m)
{
	uni_process_free(m->process);
	uni_close_fd(&m->pipe);
	uni_close_fd(&m->words);
}

static int start(struct making *m, const struct uni_strv *argv, const struct uni_strv *env,
		 struct uni_err *err)
{
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	int ends[2];
	int rc;

	m->words = memfd_create("mksquashfs", MFD_CLOEXEC);
	if (m->words < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return uni_err_errno(err, "pipe to mksquashfs");
	m->pipe = ends[1];
	/* A refusal (many pipes of one user) only costs speed. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	spec.argv = (const char *const *)argv->items;
	spec.env = (const char *const *)env->items;
	spec.stdin_fd = ends[0];
	spec.stdout_fd = m->words;
	spec.stderr_fd = m->words;
	rc = uni_process_start(&m->process, &spec, err);
	uni_close_fd(&ends[0]);
	if (rc == UNI_E_MISSING_TOOL)
		return uni_err_hint(err, "install the Debian package squashfs-tools");
	return rc;
}

/* Feeds the tree. A reader that is gone must be an error here, not a signal to the process. */
static int feed(struct making *m, const struct uni_tree *tree, struct uni_digest *digest,
		struct uni_err *err)
{
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_fd(m->pipe, "pipe to mksquashfs");
	const struct timespec none = { 0 };
	sigset_t pipe_signal;
	sigset_t before;
	int rc;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	rc = uni_tree_write_tar(tree, sink, digest, err);
	if (rc == 0)
		rc = uni_sink_finish(sink, err);
	if (sigismember(&before, SIGPIPE) == 0)
		while (sigtimedwait(&pipe_signal, NULL, &none) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static bool reader_gone(int pipe)
{
	struct pollfd p = { .fd = pipe };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

/* Its last words, which hold the reason, without its remark on the root's entry. */
static int failed(const struct making *m, int status, struct uni_err *err)
{
	static const char remark[] = "Empty tar filename";
	char words[WORDS_MAX + 1] = { 0 };
	const char *text = words;
	off_t size = lseek(m->words, 0, SEEK_END);
	off_t from = size > WORDS_MAX ? size - WORDS_MAX : 0;
	ssize_t got = pread(m->words, words, WORDS_MAX, from);

	while (got > 0 && (words[got - 1] == '\n' || words[got - 1] == ' '))
		words[--got] = '\0';
	if (strncmp(text, remark, strlen(remark)) == 0)
		text += strcspn(text, "\n") + (strchr(text, '\n') != NULL);
	return uni_err_set(
		err, strstr(text, "No space left") != NULL ? UNI_E_NOSPACE : UNI_E_PROCESS,
		"mksquashfs ended with status %d%s%s", status, *text != '\0' ? ": " : "", text);
}

static int run(const struct uni_tree *tree, const struct uni_strv *argv, const struct uni_strv *env,
	       struct uni_digest *digest, struct uni_err *err)
{
	struct making m = { .pipe = -1, .words = -1 };
	int status = 0;
	int rc = start(&m, argv, env, err);
	bool gone = false;

	if (rc == 0) {
		rc = feed(&m, tree, digest, err);
		gone = rc != 0 && reader_gone(m.pipe);
		uni_close_fd(&m.pipe);
	}
	/* An error of our own stands; one of a reader that has gone is explained by the reader. */
	if (rc == 0 || gone) {
		struct uni_err ignored = UNI_ERR_INIT;
		int waited = uni_process_wait(m.process, -1, &status, rc == 0 ? err : &ignored);

		if (rc == 0)
			rc = waited;
		if (waited == 0 && status != 0)
			rc = failed(&m, status, err);
	}
	making_clear(&m);
	return rc;
}

static int squash_write(const struct uni_tree *tree, const struct uni_fs_options *options,
			const char *path, struct uni_fs_result *result, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { .items = NULL };
	UNI_AUTO_STRV struct uni_strv env = { .items = NULL };
	UNI_AUTO_CLOSE int fd = -1;
	struct times times = { .oldest = INT64_MAX, .newest = INT64_MIN };
	struct stat st;
	int rc = uni_tree_each(tree, see_entry, &times, err);

	memset(result, 0, sizeof(*result));
	if (rc != 0)
		return rc;
	make_argv(options, path, &argv);
	add_root(tree, &argv);
	add_times(options, &times, &argv, &env);
	rc = run(tree, &argv, &env, &result->tree, err);
	if (rc != 0)
		return rc;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "volume");
	rc = settle_root(options, &times, fd, (uint64_t)st.st_size, err);
	if (rc != 0)
		return rc;
	return fs_finish(&fs_squashfs, options, fd, (uint64_t)st.st_size, result, err);
}

const struct uni_fs_format fs_squashfs = {
	.name = "squashfs",
	.version = 1,
	.compressions = compression_names,
	.resolve = squash_resolve,
	.tools = squash_tools,
	.write = squash_write,
};
