/*
 * The package file, NAME-VERSION-ARCH.unipkg: a tar archive (POSIX ustar, normalised as everything
 * here), compressed by zstd. Its first entry is "package.json", which names every file that
 * follows, in the same order (sorted by bytes), with mode, size and SHA-256. Between them stand
 * "package.spdx.json" and "package.intoto.json", which say the same to others' programs. The same
 * files give the same bytes.
 *
 * Here are the form and its checks alone. Where packages are kept is builder/source's affair.
 *
 * A package's digest is the SHA-256 of its package.json: it covers every file, and stays the same
 * whatever compressed the archive. The archive has a digest of its own, as any file.
 */
#ifndef UNI_BUNDLE_PACKAGE_H
#define UNI_BUNDLE_PACKAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>

#define UNI_PACKAGE_SUFFIX ".unipkg"
#define UNI_PACKAGE_FORMAT 1		/* "format" in package.json */
#define UNI_PACKAGE_JSON_MAX (8u << 20) /* bytes of package.json */
#define UNI_PACKAGE_FILES_MAX 65536
#define UNI_PACKAGE_SIZE_MAX (UINT64_C(64) << 30) /* bytes of all files */

enum uni_package_kind {
	UNI_PACKAGE_BASE,    /* base.toml, a kernel, its sysroot */
	UNI_PACKAGE_OBJECTS, /* objects and archives to link */
	UNI_PACKAGE_PROGRAM, /* a static program */
	UNI_PACKAGE_CA,	     /* a PEM bundle */
	UNI_PACKAGE_VOLUME,  /* a tree of files, or a tar of one, for a volume */
	UNI_PACKAGE_FILES,
};
const char *uni_package_kind_name(enum uni_package_kind kind);
bool uni_package_kind_parse(const char *name, enum uni_package_kind *kind);

struct uni_package_file {
	char *path;    /* relative, normalised, UTF-8, at most 255 bytes */
	uint32_t mode; /* 0644 or 0755 */
	uint64_t size;
	struct uni_digest digest;
};

struct uni_package {
	char *name;    /* [a-z0-9][a-z0-9._+-]*, at most 64 bytes */
	char *version; /* semantic version */
	char *arch;    /* "x86_64", or "any" */
	enum uni_package_kind kind;
	char *description; /* one line, or NULL */
	char *licence;	   /* SPDX expression, or NULL */
	char *member;	   /* the file that the package is for (a program, a bundle), or NULL */
	struct uni_strv requires;	/* "NAME" or "NAME@RANGE", sorted */
	struct uni_package_file *files; /* sorted by path, each path once */
	size_t file_count;
};
void uni_package_free(struct uni_package *package);
UNI_AUTO_DEFINE(uni_package)

/* Everything that the comments above promise. */
int uni_package_check(const struct uni_package *package, struct uni_err *err);
/* The canonical package.json, ending in a newline. */
void uni_package_json(const struct uni_package *package, struct uni_buf *out);
/* Reads and checks one. */
int uni_package_parse(struct uni_package **package, const char *json, size_t size,
		      struct uni_err *err);
/* What others' programs read, made of the description alone: a bill of materials (SPDX 2.3, JSON),
 * and SLSA provenance 1 as an in-toto statement 1 whose subject is the description's digest. They
 * stand in the archive behind package.json, and a reader compares them. */
void uni_package_spdx(const struct uni_package *package, struct uni_buf *out);
void uni_package_provenance(const struct uni_package *package, struct uni_buf *out);
struct uni_digest uni_package_digest(const struct uni_package *package);
char *uni_package_filename(const struct uni_package *package);
/* The file meant when none is named: the one the package is for, or its only one; or NULL. */
const char *uni_package_chief(const struct uni_package *package);
/* NULL when there is none. */
const struct uni_package_file *uni_package_find_file(const struct uni_package *package,
						     const char *path);

/*
 * Writes the archive to `fd`. `open` gives a descriptor (which is closed here) of each file's
 * content, in the order of `files`; content whose size or digest is not what `package` says is
 * UNI_E_CHANGED.
 */
int uni_package_write(int fd, const char *name, const struct uni_package *package,
		      int (*open)(void *user, size_t index, int *fd, struct uni_err *err),
		      void *user, struct uni_err *err);

/*
 * Reads an archive from `fd` as a stream. `start` comes once, with the checked package.json. Then
 * for each file `data` any number of times and `end` once, after its size and digest were found to
 * be what package.json says. Anything that is not as we write it is UNI_E_CORRUPT. With `visitor`
 * NULL it is only checked.
 */
struct uni_package_visitor {
	int (*start)(void *user, const struct uni_package *package, struct uni_err *err);
	int (*data)(void *user, size_t index, const void *data, size_t size, struct uni_err *err);
	int (*end)(void *user, size_t index, struct uni_err *err);
	void *user;
};
int uni_package_read(struct uni_package **package, int fd, const char *name,
		     const struct uni_package_visitor *visitor, struct uni_err *err);

#endif
