/*
 * Finding libraries: breadth first from the program, each once by its name, as a loader does it.
 */
#include <uni/kernel/libraries.h>

#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

enum { LIBRARIES_MAX = 1024 };

/* Where loaders look when nothing else is said: glibc as Debian and as Fedora builds it, then musl.
 * A folder that one of them passes over makes no difference unless two hold the same name. */
static const char *const system_folders[] = {
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/lib64",
	"/usr/lib64",
	"/lib",
	"/usr/local/lib",
	"/usr/lib",
};

/* To end a thread by pthread_cancel() or pthread_exit(), glibc opens this library, and aborts the
 * program where it is not. */
#define OPENER "libc.so.6"
#define OPENED "libgcc_s.so.1"

struct search {
	const struct uni_library_view *view;
	struct uni_libraries *found;
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
		if (uni_str_eq(uni_path_base(s->found->items[i].path), name))
			return true;
	return is_loader_itself(s, name) || uni_strv_has(&s->found->missing, name);
}

static struct uni_elf *open_library(const struct search *s, const char *source, int *fd)
{
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_elf *elf = NULL;
	off_t size;

	*fd = open(source, O_RDONLY | O_CLOEXEC);
	size = *fd < 0 ? -1 : lseek(*fd, 0, SEEK_END);
	if (size < 0 || uni_elf_open(&elf, *fd, 0, (uint64_t)size, source, &ignored) != 0)
		return NULL;
	if (elf->machine == s->machine)
		return elf;
	uni_elf_free(elf);
	return NULL;
}

static bool is_library(const struct search *s, const char *source)
{
	UNI_AUTO_CLOSE int fd = -1;
	UNI_AUTO(uni_elf) struct uni_elf *elf = open_library(s, source, &fd);

	return elf != NULL;
}

/* Takes what stands at `path`, if it will do. */
static bool take(struct search *s, const char *path)
{
	UNI_AUTO_FREE char *source = NULL;
	struct uni_libraries *found = s->found;

	if (found->count == LIBRARIES_MAX || !s->view->find(s->view->user, path, &source) ||
	    (source != NULL && !is_library(s, source)))
		return false;
	UNI_PUSH_ROOM(found->items, found->count, found->room);
	found->items[found->count++] =
		(struct uni_library){ .path = uni_strdup(path), .source = source };
	source = NULL;
	return true;
}

static bool take_from(struct search *s, const char *folder, const char *name)
{
	UNI_AUTO_FREE char *joined = uni_path_join(folder, name);
	UNI_AUTO_FREE char *path = uni_path_normal(joined);

	return path[0] == '/' && take(s, path);
}

/* $ORIGIN is the folder of the one who says it; NULL: not known, as the program's own. */
static char *with_origin(const char *folder, size_t size, const char *origin)
{
	static const char *const spellings[] = { "$ORIGIN", "${ORIGIN}" };

	for (size_t i = 0; i < UNI_COUNT(spellings); i++) {
		size_t length = strlen(spellings[i]);

		if (size >= length && strncmp(folder, spellings[i], length) == 0)
			return origin == NULL ? uni_strdup("")
					      : uni_asprintf("%s%.*s", origin, (int)(size - length),
							     folder + length);
	}
	return uni_strndup(folder, size);
}

static bool take_along(struct search *s, const char *folders, const char *origin, const char *name)
{
	while (folders != NULL && *folders != '\0') {
		size_t size = strcspn(folders, ":");
		UNI_AUTO_FREE char *folder = with_origin(folders, size, origin);

		if (folder[0] == '/' && take_from(s, folder, name))
			return true;
		folders += size;
		folders += *folders == ':';
	}
	return false;
}

static bool look_for(struct search *s, const char *runpath, const char *origin, const char *name)
{
	if (is_there(s, name))
		return true;
	if (name[0] == '/')
		return take(s, name);
	if (take_along(s, s->view->search, NULL, name) || take_along(s, runpath, origin, name))
		return true;
	for (size_t i = 0; i < UNI_COUNT(system_folders); i++)
		if (take_from(s, system_folders[i], name))
			return true;
	return false;
}

static void look_for_all(struct search *s, const struct uni_elf *elf, const char *origin)
{
	for (size_t i = 0; i < elf->needed.count; i++) {
		const char *name = elf->needed.items[i];

		if (!look_for(s, elf->runpath, origin, name))
			uni_strv_add(&s->found->missing, name);
		else if (uni_str_eq(name, OPENER))
			(void)look_for(s, NULL, NULL, OPENED);
	}
}

int uni_libraries_find(const struct uni_elf *program, const struct uni_library_view *view,
		       struct uni_libraries *libraries, struct uni_err *err)
{
	struct search s = {
		.view = view,
		.found = libraries,
		.musl = uni_str_starts(uni_path_base(program->interpreter), "ld-musl-"),
		.machine = program->machine,
	};

	if (!take(&s, program->interpreter))
		return uni_err_set(err, UNI_E_NOENT, "%s: needs the interpreter %s", program->name,
				   program->interpreter);
	look_for_all(&s, program, NULL);
	/* The list grows while it is walked. */
	for (size_t i = 0; i < libraries->count; i++) {
		const struct uni_library *library = &libraries->items[i];
		UNI_AUTO_CLOSE int fd = -1;
		UNI_AUTO(uni_elf)
		struct uni_elf *elf =
			library->source != NULL ? open_library(&s, library->source, &fd) : NULL;
		UNI_AUTO_FREE char *origin = uni_path_dir(library->path);

		if (elf != NULL)
			look_for_all(&s, elf, origin);
	}
	return 0;
}
