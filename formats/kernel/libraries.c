/*
 * Finding libraries: breadth first from the program, each once by its name, as a loader does it.
 */
#include <uni/kernel/libraries.h>

#include <elf.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/ldcache.h>
#include <uni/base/path.h>

enum { LIBRARIES_MAX = 1024, PATH_FILE_MAX = 1 << 16 };
#define NO_PARENT SIZE_MAX /* the program */

/* Where loaders look when nothing else is said: glibc as Debian and as Fedora builds it, and musl.
 * A folder that one glibc passes over makes no difference unless two hold the same name. */
static const char *const glibc_folders[] = {
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/lib64",
	"/usr/lib64",
	"/lib",
	"/usr/lib",
	NULL,
};
static const char *const musl_folders[] = { "/lib", "/usr/local/lib", "/usr/lib", NULL };

#define MUSL_PATH "/etc/ld-musl-x86_64.path" /* instead of these, where it is */

/* To end a thread by pthread_cancel() or pthread_exit(), glibc opens this library, and aborts the
 * program where it is not. */
#define OPENER "libc.so.6"
#define OPENED "libgcc_s.so.1"

/* Who needs a library: the program, or a library that was found. */
struct needer {
	char *runpath;
	bool old;      /* DT_RPATH, which holds for what they need as well */
	char *origin;  /* the folder where it is; NULL: not known */
	size_t parent; /* who needed it first */
};

struct search {
	const struct uni_library_view *view;
	struct uni_libraries *found;
	struct needer program;
	struct needer needers[LIBRARIES_MAX]; /* of the found ones, as they are looked at */
	struct uni_buf cache;		      /* of glibc; empty: none */
	struct uni_buf folders;		      /* musl's own setting; empty: none */
	bool musl;
	uint16_t machine;
};

void uni_libraries_free(struct uni_libraries *libraries)
{
	for (size_t i = 0; i < libraries->count; i++) {
		free(libraries->items[i].path);
		free(libraries->items[i].source);
	}
	free(libraries->items);
	uni_strv_free(&libraries->missing);
	*libraries = (struct uni_libraries)UNI_LIBRARIES_INIT;
}

/* musl's loader is the C library itself, under all of the names that others give its parts. */
static bool is_loader_itself(const struct search *s, const char *name)
{
	static const char *const parts[] = { "libc.",  "libpthread.", "librt.",	 "libm.",
					     "libdl.", "libutil.",    "libxnet." };

	for (size_t i = 0; s->musl && i < UNI_COUNT(parts); i++)
		if (uni_str_starts(name, parts[i]))
			return true;
	return false;
}

static bool is_there(const struct search *s, const char *name)
{
	for (size_t i = 0; i < s->found->count; i++)
		if (uni_str_eq(uni_path_base(s->found->items[i].path), uni_path_base(name)))
			return true;
	return is_loader_itself(s, name) || uni_strv_has(&s->found->missing, name);
}

static struct uni_elf *open_library(const struct search *s, const char *source)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_elf *elf = NULL;

	if (uni_elf_open_file(&elf, source, source, &ignored) != 0)
		return NULL;
	if (elf->machine == s->machine)
		return elf;
	uni_elf_free(elf);
	return NULL;
}

static bool is_library(const struct search *s, const char *source)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = open_library(s, source);

	return elf != NULL;
}

/* Takes what stands at `path`, if it will do. */
static bool take(struct search *s, size_t needer, const char *path)
{
	UNI_AUTO_FREE char *source = NULL;
	struct uni_libraries *found = s->found;

	if (found->count == LIBRARIES_MAX || !s->view->find(s->view->user, path, &source) ||
	    (source != NULL && !is_library(s, source)))
		return false;
	UNI_PUSH_ROOM(found->items, found->count, found->room);
	s->needers[found->count].parent = needer;
	found->items[found->count++] =
		(struct uni_library){ .path = uni_strdup(path), .source = source };
	source = NULL;
	return true;
}

static bool take_from(struct search *s, size_t needer, const char *folder, const char *name)
{
	UNI_AUTO_FREE char *joined = uni_path_join(folder, name);
	UNI_AUTO_FREE char *path = uni_path_normal(joined);

	return path[0] == '/' && take(s, needer, path);
}

/* --- what loaders put for words in paths (ld.so(8), "Dynamic string tokens") --- */

static char *replace(char *text, const char *word, const char *by)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO_FREE char *owned = text;
	const char *at = text, *next;

	while ((next = strstr(at, word)) != NULL) {
		uni_buf_printf(&out, "%.*s%s", (int)(next - at), at, by);
		at = next + strlen(word);
	}
	uni_buf_puts(&out, at);
	return uni_buf_take(&out);
}

/* `lib` is what this loader calls its folder for libraries. "" where the origin is not known. */
static char *expand(const char *folder, size_t size, const char *origin, const char *lib)
{
	char *text = uni_strndup(folder, size);

	if (strchr(text, '$') == NULL)
		return text;
	if (origin == NULL && strstr(text, "ORIGIN") != NULL) {
		free(text);
		return uni_strdup("");
	}
	text = replace(text, "${ORIGIN}", origin != NULL ? origin : "");
	text = replace(text, "$ORIGIN", origin != NULL ? origin : "");
	text = replace(text, "${LIB}", lib);
	text = replace(text, "$LIB", lib);
	text = replace(text, "${PLATFORM}", "x86_64");
	return replace(text, "$PLATFORM", "x86_64");
}

/* As Debian's glibc has it, and Fedora's. */
static const char *const lib_words[] = { "lib/x86_64-linux-gnu", "lib64" };

static bool take_along(struct search *s, size_t needer, const char *folders, const char *origin,
		       const char *name)
{
	while (folders != NULL && *folders != '\0') {
		size_t size = strcspn(folders, ":;\n");

		for (size_t i = 0; i < UNI_COUNT(lib_words); i++) {
			UNI_AUTO_FREE char *folder = expand(folders, size, origin, lib_words[i]);

			if (folder[0] == '/' && take_from(s, needer, folder, name))
				return true;
		}
		folders += size;
		folders += *folders != '\0';
	}
	return false;
}

/* A name with a slash is a path: from the root, or from where the program starts. */
static bool take_path(struct search *s, size_t needer, const char *origin, const char *name)
{
	for (size_t i = 0; i < UNI_COUNT(lib_words); i++) {
		UNI_AUTO_FREE char *path = expand(name, strlen(name), origin, lib_words[i]);
		const char *cwd = s->view->cwd != NULL ? s->view->cwd : "/";

		if (*path != '\0' && take_from(s, needer, path[0] == '/' ? "/" : cwd, path))
			return true;
	}
	return false;
}

/* --- what a machine's administrator set --- */

static void read_setting(struct search *s, const char *path, size_t most, struct uni_buf *text)
{
	UNI_AUTO_FREE char *source = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (s->view->find(s->view->user, path, &source) && source != NULL &&
	    uni_file_read(source, most, text, &ignored) != 0)
		uni_buf_free(text);
}

static bool take_cached(struct search *s, size_t needer, const char *name)
{
	struct uni_ldcache_entry entry;
	size_t at = 0;

	while (uni_ldcache_next(&s->cache, name, &at, &entry))
		if (!entry.for_some && entry.path != NULL && entry.path[0] == '/' &&
		    take(s, needer, entry.path))
			return true;
	return false;
}

/* --- looking --- */

static const struct needer *needer_of(const struct search *s, size_t index)
{
	return index == NO_PARENT ? &s->program : &s->needers[index];
}

/* DT_RPATH of the one who needs it, then of those by whom that came; none where it has DT_RUNPATH
 * (ld.so(8)). */
static bool take_by_rpaths(struct search *s, size_t index, const char *name)
{
	const struct needer *n = needer_of(s, index);

	if (n->runpath != NULL && !n->old)
		return false;
	for (;; n = needer_of(s, n->parent)) {
		if (n->old && take_along(s, index, n->runpath, n->origin, name))
			return true;
		if (n == &s->program)
			return false;
	}
}

static bool take_by_setting(struct search *s, size_t index, const char *name)
{
	const char *const *folder = s->musl ? musl_folders : glibc_folders;

	if (s->musl && s->folders.size != 0)
		return take_along(s, index, uni_buf_text(&s->folders), NULL, name);
	for (; *folder != NULL; folder++)
		if (take_from(s, index, *folder, name))
			return true;
	if (!take_cached(s, index, name))
		return false;
	s->found->items[s->found->count - 1].cached = true;
	return true;
}

static bool look_for(struct search *s, size_t index, const char *name)
{
	const struct needer *n = needer_of(s, index);

	if (is_there(s, name))
		return true;
	if (strchr(name, '/') != NULL)
		return take_path(s, index, n->origin, name);
	return take_by_rpaths(s, index, name) ||
	       take_along(s, index, s->view->search, s->program.origin, name) ||
	       (!n->old && take_along(s, index, n->runpath, n->origin, name)) ||
	       take_by_setting(s, index, name);
}

static void look_for_all(struct search *s, size_t index, const struct uni_elf *elf)
{
	for (size_t i = 0; i < elf->needed.count; i++) {
		const char *name = elf->needed.items[i];

		if (!look_for(s, index, name))
			uni_strv_add(&s->found->missing, name);
		else if (uni_str_eq(name, OPENER))
			(void)look_for(s, NO_PARENT, OPENED);
	}
}

static void set_needer(struct needer *n, const struct uni_elf *elf, char *origin)
{
	n->runpath = elf->runpath != NULL ? uni_strdup(elf->runpath) : NULL;
	n->old = elf->runpath_is_old;
	n->origin = origin;
}

static void needer_clear(struct needer *n)
{
	free(n->runpath);
	free(n->origin);
}

static void search_free(struct search *s)
{
	needer_clear(&s->program);
	for (size_t i = 0; i < s->found->count; i++)
		needer_clear(&s->needers[i]);
	uni_buf_free(&s->cache);
	uni_buf_free(&s->folders);
	free(s);
}

static int find_all(struct search *s, const struct uni_elf *program, struct uni_err *err)
{
	struct uni_libraries *libraries = s->found;

	set_needer(&s->program, program,
		   s->view->origin != NULL ? uni_strdup(s->view->origin) : NULL);
	if (!take(s, NO_PARENT, program->interpreter))
		return uni_err_set(err, UNI_E_NOENT, "%s: needs the interpreter %s", program->name,
				   program->interpreter);
	look_for_all(s, NO_PARENT, program);
	/* The list grows while it is walked. */
	for (size_t i = 0; i < libraries->count; i++) {
		const struct uni_library *library = &libraries->items[i];
		UNI_AUTO(uni_elf)
		struct uni_elf *elf =
			library->source != NULL ? open_library(s, library->source) : NULL;

		if (elf == NULL)
			continue;
		set_needer(&s->needers[i], elf, uni_path_dir(library->path));
		look_for_all(s, i, elf);
	}
	return 0;
}

int uni_libraries_find(const struct uni_elf *program, const struct uni_library_view *view,
		       struct uni_libraries *libraries, struct uni_err *err)
{
	struct search *s = uni_alloc(sizeof(*s));
	int rc;

	s->view = view;
	s->found = libraries;
	s->musl = uni_str_starts(uni_path_base(program->interpreter), "ld-musl-");
	s->machine = program->machine;
	read_setting(s, s->musl ? MUSL_PATH : UNI_LDCACHE_PATH,
		     s->musl ? PATH_FILE_MAX : UNI_LDCACHE_MAX, s->musl ? &s->folders : &s->cache);
	rc = find_all(s, program, err);
	search_free(s);
	return rc;
}
