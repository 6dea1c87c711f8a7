/*
 * The console, read while it grows. A text is looked for in one line; a line that has no end yet is
 * looked at as well, for a prompt never gets one.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <uni/base/file.h>

#define LINE_MAX_BYTES (64u << 10) /* longer ones are looked at in parts */
#define TAIL_BYTES 8192
#define TAIL_LINES 30

int test_console_open(struct test_console *console, const char *path, struct uni_err *err)
{
	console->file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	console->changes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (console->file < 0 || console->changes < 0 ||
	    inotify_add_watch(console->changes, path, IN_MODIFY) < 0)
		return uni_err_errno(err, "%s", path);
	return 0;
}

void test_console_close(struct test_console *console)
{
	uni_close_fd(&console->file);
	uni_close_fd(&console->changes);
	uni_buf_free(&console->unread);
}

/* 1: more came, 0: nothing did. */
static int read_more(struct test_console *console, struct uni_err *err)
{
	char part[16384];
	ssize_t got;

	do
		got = read(console->file, part, sizeof(part));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return uni_err_errno(err, "the machine's console");
	if (got > 0)
		uni_buf_add(&console->unread, part, (size_t)got);
	return got > 0;
}

static void drop(struct test_console *console, size_t size)
{
	struct uni_buf *unread = &console->unread;

	memmove(unread->data, unread->data + size, unread->size - size);
	unread->size -= size;
	unread->data[unread->size] = '\0';
}

/* Looks through what is there; what was looked at in vain is dropped. */
static bool find(struct test_console *console, const struct uni_recipe_match *match, bool ended)
{
	while (console->unread.size != 0) {
		const char *line = console->unread.data;
		const char *end = memchr(line, '\n', console->unread.size);
		size_t size = end != NULL ? (size_t)(end - line) : console->unread.size;
		bool whole = end != NULL || ended || size >= LINE_MAX_BYTES;
		size_t text = size != 0 && line[size - 1] == '\r' ? size - 1 : size;
		bool found = !console->cut && (whole ? test_match(match, line, text)
						     : test_match_early(match, line, text));

		if (!whole && !found)
			return false;
		/* The rest of a line that was found unfinished counts as found with it. */
		console->cut = end == NULL && (found || console->cut);
		drop(console, end != NULL ? size + 1 : size);
		if (found)
			return true;
	}
	return false;
}

static int expect_one(struct test_run *run, const struct uni_recipe_match *match, size_t number,
		      struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf expected = UNI_BUF_INIT;
	UNI_AUTO_FREE char *what = uni_asprintf("console, text %zu", number + 1);
	struct test_console *console = &run->console;
	char notes[4096];

	uni_buf_puts(&expected, "a line: ");
	test_match_describe(match, &expected);
	for (;;) {
		bool ended = test_ended(run);
		int more, waited;

		while (read(console->changes, notes, sizeof(notes)) > 0)
			;
		while ((more = read_more(console, err)) > 0)
			if (find(console, match, false))
				return 0;
		if (more < 0)
			return more;
		if (find(console, match, ended))
			return 0;
		if (ended)
			return test_fail_ended(run, what, expected.data, err);
		waited = test_wait(run, console->changes, POLLIN, run->limit_ns, err);
		if (waited < 0)
			return waited;
		if (waited == TEST_LATE)
			return test_fail_late(run, what, expected.data, NULL, err);
	}
}

int test_console_expect(struct test_run *run, const struct uni_recipe_match *matches, size_t count,
			struct uni_err *err)
{
	for (size_t i = 0; i < count; i++)
		if (expect_one(run, &matches[i], i, err) != 0)
			return err->code;
	return 0;
}

char *test_console_tail(const char *path)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	UNI_AUTO_BUF struct uni_buf shown = UNI_BUF_INIT;
	char part[TAIL_BYTES];
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	off_t start = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
	ssize_t got = fd >= 0 ? pread(fd, part, sizeof(part), start) : 0;
	size_t lines = 0, from = got > 0 ? (size_t)got : 0;

	while (from > 0 && lines <= TAIL_LINES) {
		lines += part[from - 1] == '\n' && from != (size_t)got;
		from -= lines <= TAIL_LINES;
	}
	/* Line by line, for what is shown of one text is bounded. */
	for (size_t at = from; got > 0 && at < (size_t)got;) {
		const char *end = memchr(part + at, '\n', (size_t)got - at);
		size_t length = end != NULL ? (size_t)(end - part) - at : (size_t)got - at;

		if (length != 0 && part[at + length - 1] == '\r')
			test_show(part + at, length - 1, &shown);
		else
			test_show(part + at, length, &shown);
		if (end != NULL)
			uni_buf_putc(&shown, '\n');
		at += length + (end != NULL);
	}
	return uni_buf_take(&shown);
}
