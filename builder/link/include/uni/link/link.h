/*
 * From C sources to a static program: one source compiled by musl-gcc under fixed flags, objects
 * and archives linked with a base's sysroot by ld.
 *
 * A source is preprocessed first, and what is compiled is that text and nothing else, so that it
 * can be the cache's key. File names in it are those of the recipe, not those of this machine.
 */
#ifndef UNI_LINK_LINK_H
#define UNI_LINK_LINK_H

#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

struct uni_base;

#define UNI_COMPILE_VERSION 1 /* changes with the fixed flags */
#define UNI_LINK_VERSION 1

/* Paths of the files whose bytes decide what the compiler, or the linker, writes.
 * UNI_E_MISSING_TOOL names the Debian package. */
int uni_compile_tools(struct uni_strv *files, struct uni_err *err);
int uni_link_tools(struct uni_strv *files, struct uni_err *err);

/* A folder or file of this machine and the name that it has in messages, __FILE__ and keys. */
struct uni_compile_name {
	const char *path; /* as it starts the paths given to the compiler */
	const char *name;
};

struct uni_compile {
	const char *source; /* path to open */
	const char *dir;    /* the recipe's folder: the compiler's working folder; names below it
			       become relative to it */
	const char *const *includes;	      /* folders for -I, NULL-terminated or NULL */
	const char *const *flags;	      /* the recipe's, NULL-terminated or NULL */
	const struct uni_compile_name *names; /* for what lies outside `dir` */
	size_t name_count;
	int64_t epoch; /* what __DATE__, __TIME__ and __TIMESTAMP__ say */
};

/*
 * The preprocessed text, and the files that were read for it (absolute paths, the source first,
 * each once). UNI_E_INVAL when it cannot be done, with what the compiler says about it. All that it
 * says is added to `messages` (NULL: dropped), here and below.
 */
int uni_compile_preprocess(const struct uni_compile *unit, struct uni_buf *text,
			   struct uni_strv *files, struct uni_buf *messages, struct uni_err *err);
/* Compiles preprocessed text to an object at `path` (the caller's temporary file). */
int uni_compile_object(const struct uni_compile *unit, const struct uni_buf *text, const char *path,
		       struct uni_buf *messages, struct uni_err *err);

struct uni_link_input {
	const char *path; /* an object or an archive */
	const char *name; /* as messages call it */
};
/* What a program is made of; all borrowed. */
struct uni_link_from {
	const struct uni_base *base;
	struct uni_link_inputs {
		const struct uni_link_input *items;
		size_t count;
	} objects, libraries;
};

/*
 * Links to a static program at `path` (the caller's temporary file, made executable). Objects
 * first, as given; archives are searched in their order, and again until nothing is missing. An
 * undefined or doubly defined symbol is UNI_E_INVAL and named, with the objects that want or
 * define it.
 */
int uni_link_program(const struct uni_link_from *from, const char *path, struct uni_err *err);

#endif
