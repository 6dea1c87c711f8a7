/*
 * Package indexes: static files, in a folder or behind any web server, that say which packages
 * there are, by whom, and with which digests.
 *
 *   metadata/...                      The Update Framework (uni/trust/tuf.h)
 *   targets/packages/HEX.NAME.json    the versions of a package; HEX is the file's SHA-256
 *   targets/HEX.names.json            all names with their descriptions, for searching
 *   targets/files/NAME/HEX.FILE       package files, vouched for by packages/NAME.json
 *
 * What is asked of an index is first refreshed (one request when nothing is new), and then only the
 * package's own file is fetched. All that came is kept, so that offline the same is known.
 *
 * The index that came with uni is of another kind: a folder beside the program, trusted by digests
 * that were installed with it, without keys and with nothing that expires. It is the first of every
 * user's indexes until it is removed.
 *
 * Which indexes a user has stands in indexes.json in the configuration folder, their trusted state
 * in the state folder. A name belongs to the first index that has it, in the order they were added:
 * an index of strangers cannot bring a higher version of one's own package.
 */
#ifndef UNI_INDEX_INDEX_H
#define UNI_INDEX_INDEX_H

#include <uni/source/fetch.h>
#include <uni/source/package.h>

/* --- which indexes there are --- */

struct uni_index_entry {
	char *name;		/* [a-z0-9-]+ */
	char *url;		/* https://..., http://..., file:///... or "embedded:" */
	struct uni_digest root; /* of the root that was trusted first; the embedded one's digests */
};
struct uni_index_list {
	struct uni_index_entry *items;
	size_t count, room;
};
void uni_index_list_free(struct uni_index_list *list);
#define UNI_AUTO_INDEX_LIST __attribute__((cleanup(uni_index_list_free)))
int uni_index_list_load(struct uni_index_list *list, struct uni_err *err); /* empty when absent */
/* `root`: a file, or "sha256:HEX" of the index's first root, which is fetched then; NULL only for
 * an index in a folder of this machine. A folder may be given as a path. The embedded one,
 * after it was removed: "embedded" and "embedded:". */
int uni_index_add(const char *name, const char *url, const char *root,
		  const struct uni_net_options *net, struct uni_err *err);
int uni_index_remove(const char *name, struct uni_err *err);

/* --- what they have --- */

struct uni_index_version {
	char *version, *arch, *kind;
	char *description, *licence; /* or NULL */
	char *yanked;		     /* why, or NULL */
	char *path;		     /* below "targets", without the digest in its name */
	struct uni_digest digest;    /* of the package file */
	struct uni_digest package;   /* of its description */
	uint64_t size;
	struct uni_strv requires;
};
struct uni_index_package {
	char *name;
	char *index;			    /* that has it; not in its file */
	struct uni_index_version *versions; /* newest first */
	size_t count, room;
};
void uni_index_package_free(struct uni_index_package *package);
UNI_AUTO_DEFINE(uni_index_package)
int uni_index_package_parse(struct uni_index_package **package, const char *name, const char *text,
			    size_t size, struct uni_err *err);
void uni_index_package_text(const struct uni_index_package *package, struct uni_buf *out);

struct uni_indexes_options {
	struct uni_store *store;
	const struct uni_events *events;
	const struct uni_net_options *net; /* NULL: by environment */
	bool offline;			   /* by what was fetched before; may be expired */
	int64_t now;			   /* 0: the clock's, once */
};
struct uni_indexes;
int uni_indexes_open(struct uni_indexes **indexes, const struct uni_indexes_options *options,
		     struct uni_err *err);
void uni_indexes_free(struct uni_indexes *indexes);
UNI_AUTO_DEFINE(uni_indexes)
size_t uni_indexes_count(const struct uni_indexes *indexes); /* that are on this machine */
/* All, or the one of that name. */
int uni_indexes_refresh(struct uni_indexes *indexes, const char *name, struct uni_err *err);
/* UNI_E_NOENT when no index has it. Borrowed, kept while `indexes` lives. */
int uni_indexes_find(struct uni_indexes *indexes, const char *name,
		     const struct uni_index_package **package, struct uni_err *err);
/* Names and descriptions that have all of `words` in them: fn for each, sorted by name. */
int uni_indexes_search(struct uni_indexes *indexes, const char *const *words,
		       int (*fn)(void *user, const char *index, const char *name,
				 const char *version, const char *description),
		       void *user, struct uni_err *err);

/* --- choosing --- */

struct uni_need {
	const char *name, *range; /* range NULL: any */
	const char *by;		  /* who needs it, for messages: "the recipe" */
};
/* A package that was chosen, or that a lock names. */
struct uni_pin {
	char *name, *version;
	char *index, *path;	  /* NULL: one that was installed from a file; the digest is its
				     description's then */
	struct uni_digest digest; /* of the package file */
	uint64_t size;
};
struct uni_pins {
	struct uni_pin *items; /* sorted by name */
	size_t count, room;
};
void uni_pins_free(struct uni_pins *pins); /* may be used again afterwards */
#define UNI_AUTO_PINS __attribute__((cleanup(uni_pins_free)))
const struct uni_pin *uni_pins_find(const struct uni_pins *pins, const char *name);
void uni_pins_put(struct uni_pins *pins, const struct uni_pin *pin); /* copies; replaces */

/* The version that came with this uni, where it is newer than a pin of the embedded index, or the
 * same with other bytes, and `range` (or NULL) has it; else NULL. Owned. Asks no other index: what
 * a lock names needs none. */
char *uni_index_embedded_newer(const struct uni_pin *pin, const char *range, const char *arch);

/*
 * One version of each package that is needed, and of what these require, the newest that fit
 * together, for `arch`. What `locked` (or NULL) has is kept wherever it fits, yanked or not.
 * UNI_E_NOENT for names that no index has and whose need is in no `locked`; UNI_E_INVAL with an
 * explanation when nothing fits.
 */
int uni_resolve(struct uni_indexes *indexes, const struct uni_need *needs, size_t count,
		const char *arch, const struct uni_pins *locked, struct uni_pins *chosen,
		struct uni_err *err);
/* The package, from the store or fetched; its digest is the pin's, or it is UNI_E_CORRUPT. */
int uni_indexes_load(struct uni_indexes *indexes, const struct uni_pin *pin,
		     struct uni_installed **installed, struct uni_err *err);
/* The package files of those that are not in the store, many at a time where they come from a
 * server. One by one they are found there then. */
int uni_indexes_fetch(struct uni_indexes *indexes, const struct uni_pins *pins,
		      struct uni_err *err);
/* For commands that want one package and have no recipe's lock: what is installed, else what the
 * indexes have, used without being installed. */
int uni_index_obtain(struct uni_store *store, const struct uni_events *events,
		     const struct uni_need *need, const char *arch,
		     struct uni_installed **installed, struct uni_err *err);
/* The same as uni_indexes_load, and installed. */
int uni_indexes_install(struct uni_indexes *indexes, const struct uni_pin *pin,
			struct uni_installed **installed, struct uni_err *err);
/* All of them; fn for each that is installed now, or was before. `digest`: its description's. */
typedef void uni_index_told(void *user, const struct uni_digest *digest, const char *name,
			    const char *version, const char *arch);
int uni_indexes_install_all(struct uni_indexes *indexes, const struct uni_pins *pins,
			    uni_index_told *fn, void *user, struct uni_err *err);

#endif
