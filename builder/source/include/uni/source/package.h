/*
 * Packages: made from a folder with a package.toml, installed into the store, found there.
 *
 * Installed, a package is the reference packages/NAME/VERSION/ARCH: a record whose entry
 * "package.json" is the package's description and whose other entries are its files, by path.
 *
 * package.toml:
 *   [package] name, version, kind; arch ("x86_64" when absent), description, licence, member,
 *             requires = ["NAME", "NAME@RANGE"]
 *   [[files]] source = path or pattern (*, ?, [..] within a name; ** for any folders), relative to
 *             the folder; to = where it goes: a path, or with a closing slash (or for a pattern) a
 *             folder below which it keeps its path behind the pattern's fixed part; mode = "0644"
 *             or "0755" (when absent: by the file's own x bit of its owner)
 */
#ifndef UNI_SOURCE_PACKAGE_H
#define UNI_SOURCE_PACKAGE_H

#include <uni/bundle/package.h>
#include <uni/cache/store.h>
#include <uni/recipes/diag.h>

struct uni_pack {
	const char *toml;    /* "DIR/package.toml" */
	const char *dir;     /* its paths are relative to this; NULL: the toml's folder */
	const char *out_dir; /* for NAME-VERSION-ARCH.unipkg */
	bool replace;	     /* another file of that name */
};
/*
 * Makes the package and writes it, unless it stands there already. `path` (owned by the caller) and
 * `digest` (of the package) may be NULL. Findings in the toml go to `diags`.
 */
int uni_package_pack(const struct uni_pack *how, char **path, struct uni_digest *digest,
		     struct uni_diags *diags, struct uni_err *err);

/* A package in the store. */
struct uni_installed {
	struct uni_package *package;
	struct uni_digest digest;	/* of package.json */
	struct uni_store_record record; /* entries named by path, and "package.json" */
};
void uni_installed_free(struct uni_installed *installed);
UNI_AUTO_DEFINE(uni_installed)

/* Streams the archive in, each file a blob. One of the same name, version and arch is replaced.
 * `installed` may be NULL. */
int uni_package_install(struct uni_store *store, const char *file, struct uni_installed **installed,
			struct uni_err *err);
/* A package file used without being installed: unpacked into the store on first use, found there by
 * the digest of the archive afterwards, and collected like any result. */
int uni_package_load(struct uni_store *store, const char *file, const struct uni_digest *archive,
		     struct uni_installed **installed, struct uni_err *err);
/* Whether that archive was loaded before, without a look at its files. */
bool uni_package_here(struct uni_store *store, const struct uni_digest *archive);
/* 1: the package that was loaded from the archive of that digest before; 0: it is not there. */
int uni_package_known(struct uni_store *store, const struct uni_digest *archive,
		      struct uni_installed **installed, struct uni_err *err);
/* The newest of `name` whose version is in `range` (uni/recipes/version.h; NULL: any) for `arch`
 * or "any". UNI_E_NOENT with a hint when there is none. */
int uni_package_find(struct uni_store *store, const char *name, const char *range, const char *arch,
		     struct uni_installed **installed, struct uni_err *err);
/* Its version alone, by looking at names; NULL when there is none. Owned. */
char *uni_package_newest(struct uni_store *store, const char *name, const char *range,
			 const char *arch);
/* All, sorted by name, then newest version first. */
int uni_package_list(struct uni_store *store,
		     int (*fn)(void *user, const struct uni_installed *installed,
			       struct uni_err *err),
		     void *user, struct uni_err *err);
int uni_package_remove(struct uni_store *store, const struct uni_package *package,
		       struct uni_err *err);
/* What tells cheaply that what is installed under that name is as it was; false: nothing is. */
bool uni_package_stamp(struct uni_store *store, const char *name, const char *version,
		       const char *arch, struct uni_store_stamp *stamp);

#endif
