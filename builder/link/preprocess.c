/*
 * The first half of compiling: the source and its headers become one text, in which nothing tells
 * where on this machine they were. Line markers ("# 12 "file" 1") keep the names for messages; from
 * them also comes the list of files that were read.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uni/base/path.h>

#include "run.h"

/* What gcc takes for SOURCE_DATE_EPOCH: the year 9999 is the last. */
#define EPOCH_MAX 253402300799

/* "Thu Jan  1 00:00:00 1970", as __TIMESTAMP__ has it: a file's own time would tell of this
 * machine. */
static int add_timestamp(int64_t epoch, struct uni_strv *argv, struct uni_err *err)
{
	time_t when = (time_t)epoch;
	struct tm tm;
	char text[32];

	if (epoch < 0 || epoch > EPOCH_MAX || gmtime_r(&when, &tm) == NULL ||
	    asctime_r(&tm, text) == NULL)
		return uni_err_set(err, UNI_E_INVAL, "epoch %lld is no time for a compiler",
				   (long long)epoch);
	text[strcspn(text, "\n")] = '\0';
	uni_strv_add(argv, "-Wno-builtin-macro-redefined");
	uni_strv_addf(argv, "-D__TIMESTAMP__=\"%s\"", text);
	return 0;
}

static int make_argv(const struct uni_compile *unit, struct uni_strv *argv, struct uni_err *err)
{
	UNI_AUTO_FREE char *source = path_for_compiler(unit, unit->source);

	uni_strv_add(argv, "musl-gcc");
	uni_strv_add(argv, "-E");
	compile_flags(unit, argv);
	for (size_t i = 0; i < unit->name_count; i++) {
		UNI_AUTO_FREE char *from = uni_path_absolute(unit->names[i].path);

		uni_strv_addf(argv, "-fmacro-prefix-map=%s=%s", from, unit->names[i].name);
	}
	for (size_t i = 0; unit->includes != NULL && unit->includes[i] != NULL; i++) {
		UNI_AUTO_FREE char *dir = path_for_compiler(unit, unit->includes[i]);

		uni_strv_addf(argv, "-I%s", dir);
	}
	uni_strv_add(argv, "-x");
	uni_strv_add(argv, "c");
	int rc = add_timestamp(unit->epoch, argv, err);

	/* A name that starts with a dash would be an option. */
	if (source[0] == '-')
		uni_strv_addf(argv, "./%s", source);
	else
		uni_strv_add(argv, source);
	return rc;
}

/* The name in a line marker, unescaped; NULL when the line is none. Owned by the caller. */
static char *marker_name(const char *line, size_t size, size_t *start, size_t *end)
{
	UNI_AUTO_BUF struct uni_buf name = UNI_BUF_INIT;
	size_t at = 2;

	if (size < 5 || line[0] != '#' || line[1] != ' ' || line[2] < '0' || line[2] > '9')
		return NULL;
	while (at < size && line[at] >= '0' && line[at] <= '9')
		at++;
	if (at + 2 >= size || line[at] != ' ' || line[at + 1] != '"')
		return NULL;
	at += 2;
	*start = at;
	while (at < size && line[at] != '"') {
		char c = line[at++];

		if (c == '\\' && size - at >= 3 && line[at] >= '0' && line[at] <= '3') {
			c = (char)((line[at] - '0') << 6 | (line[at + 1] - '0') << 3 |
				   (line[at + 2] - '0'));
			at += 3;
		} else if (c == '\\' && at < size) {
			c = line[at++];
		}
		uni_buf_putc(&name, c);
	}
	*end = at;
	return uni_buf_take(&name);
}

struct rewriting {
	const struct uni_compile *unit;
	struct uni_buf *out;
	struct uni_strv *files;
	char *last; /* name of the marker before, and what it is called */
	char *last_called;
};

/* "<built-in>" and the like are no files; "dir//" tells the working folder. */
static bool is_file(const char *name)
{
	return name[0] != '<' && name[0] != '\0' && !uni_str_ends(name, "//");
}

static void take_file(struct rewriting *r, const char *name)
{
	UNI_AUTO_FREE char *joined = uni_path_join(r->unit->dir, name);
	char *path = uni_path_absolute(joined);

	if (uni_strv_has(r->files, path))
		free(path);
	else
		uni_strv_take(r->files, path);
}

static void rewrite_marker(struct rewriting *r, const char *line, size_t size, const char *name,
			   size_t start, size_t end)
{
	if (r->last == NULL || strcmp(r->last, name) != 0) {
		UNI_AUTO_FREE char *joined = uni_path_join(r->unit->dir, name);

		free(r->last);
		free(r->last_called);
		r->last = uni_strdup(name);
		r->last_called = is_file(name) ? name_of_path(r->unit, joined) : uni_strdup(name);
		if (is_file(name))
			take_file(r, name);
	}
	uni_buf_add(r->out, line, start);
	for (const char *p = r->last_called; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			uni_buf_putc(r->out, '\\');
		uni_buf_putc(r->out, *p);
	}
	uni_buf_add(r->out, line + end, size - end);
}

static void rewrite(struct rewriting *r, const struct uni_buf *raw)
{
	const char *text = uni_buf_text(raw);
	size_t at = 0;
	size_t kept = 0; /* up to here it is in `out` */

	while (at < raw->size) {
		const char *newline = memchr(text + at, '\n', raw->size - at);
		size_t size = newline != NULL ? (size_t)(newline - text) + 1 - at : raw->size - at;

		if (text[at] == '#') {
			size_t start = 0;
			size_t end = 0;
			UNI_AUTO_FREE char *name = marker_name(text + at, size, &start, &end);

			if (name != NULL) {
				uni_buf_add(r->out, text + kept, at - kept);
				rewrite_marker(r, text + at, size, name, start, end);
				kept = at + size;
			}
		}
		at += size;
	}
	uni_buf_add(r->out, text + kept, raw->size - kept);
	free(r->last);
	free(r->last_called);
}

/* The assembler would read a file that no key knows of. */
static int check_text(const struct uni_buf *text, const char *name, struct uni_err *err)
{
	if (memmem(uni_buf_text(text), text->size, ".incbin", 7) == NULL)
		return 0;
	uni_err_set(err, UNI_E_UNSUPPORTED,
		    "%s: includes a file by .incbin, which a build cannot see", name);
	return uni_err_hint(err, "put the file's bytes into an array, or into a volume");
}

int uni_compile_preprocess(const struct uni_compile *unit, struct uni_buf *text,
			   struct uni_strv *files, struct uni_buf *messages, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { .items = NULL };
	UNI_AUTO_BUF struct uni_buf raw = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf said = UNI_BUF_INIT;
	UNI_AUTO_FREE char *name = name_of_path(unit, unit->source);
	struct rewriting r = { .unit = unit, .out = text, .files = files };
	char epoch[64];
	const char *env[] = { epoch, NULL };
	int status = 0;
	int rc = make_argv(unit, &argv, err);

	if (rc != 0)
		return uni_err_context(err, "%s", name);
	snprintf(epoch, sizeof(epoch), "SOURCE_DATE_EPOCH=%lld", (long long)unit->epoch);
	rc = run_tool(&(struct tool_run){ .argv = &argv,
					  .env = env,
					  .cwd = unit->dir,
					  .out = &raw,
					  .messages = &said },
		      &status, err);
	if (messages != NULL)
		uni_buf_add(messages, uni_buf_text(&said), said.size);
	if (rc == 0 && status != 0)
		rc = run_compile_error(name, &said, err);
	if (rc == 0)
		rc = check_text(&raw, name, err);
	if (rc == 0)
		rewrite(&r, &raw);
	return rc;
}
