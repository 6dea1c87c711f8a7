/*
 * What the files of the index share.
 */
#ifndef INDEX_INTERNAL_H
#define INDEX_INTERNAL_H

#include <uni/index/index.h>
#include <uni/trust/tuf.h>

#define PACKAGE_JSON_MAX (16u << 20)
#define NAMES_JSON_MAX (64u << 20)
#define VERSIONS_MAX 65536

/* list.c */
char *index_state_dir(const char *name); /* owned */
bool index_name_ok(const char *name);

/*
 * The kinds of index: how one is trusted, and so how it is read. `open` asks nobody yet. What
 * `read` gives (a path as in uni/index/index.h, below "targets") and what `fetch` gives (a package
 * file, by its digest) was checked; UNI_E_NOENT from `read` when the index does not have it.
 */
struct index_kind {
	int (*open)(void **index, const struct uni_index_entry *entry,
		    const struct uni_indexes_options *options, struct uni_err *err);
	int (*refresh)(void *index, struct uni_err *err); /* once a run; the rest follows it */
	int (*read)(void *index, const char *path, uint64_t limit, struct uni_buf *out,
		    struct uni_err *err);
	int (*fetch)(void *index, const struct uni_pin *pin, struct uni_store_entry *blob,
		     struct uni_err *err);
	/* 1: what it said before holds still, which one request (at most) has told; then, and after
	 * a refresh, `identity` tells whether it is what it was. */
	int (*probe)(void *index, struct uni_err *err);
	struct uni_digest (*identity)(void *index);
	/* When the first of what was believed expires; INT64_MAX: never. */
	int64_t (*expires)(void *index);
	/* Refreshed only. What it says of packages, and package files, that are wanted next; names
	 * that it has are taken out. NULL: reading them one by one costs no more. */
	int (*ahead)(void *index, struct uni_strv *names, struct uni_err *err);
	int (*fetch_all)(void *index, const struct uni_pin *const *pins, size_t count,
			 struct uni_err *err);
	void (*close)(void *index);
};
extern const struct index_kind index_vouched;  /* by signatures */
extern const struct index_kind index_embedded; /* by digests that came with uni */
const struct index_kind *index_kind_of(const char *url);

/* embedded.c */
#define INDEX_EMBEDDED_NAME "embedded"
#define INDEX_EMBEDDED_URL "embedded:"
#define INDEX_DIGESTS "digests"
char *index_embedded_dir(void); /* owned; NULL when there is none */

/* transport.c: files below an address, unchecked. */
struct transport;
int transport_open(struct transport **transport, const char *url, const char *state,
		   const struct uni_indexes_options *options, struct uni_err *err);
void transport_free(struct transport *transport);
UNI_AUTO_DEFINE(transport)
bool transport_knows(const char *url);
/* As uni_tuf_transport has it, below "metadata"; `user` is the transport. */
int transport_get(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
		  struct uni_buf *out, struct uni_err *err);
bool transport_here(void *user, const char *path);
/* What came was found to be sound, and may be kept for when there is no network. */
int transport_accept(struct transport *transport, struct uni_err *err);
struct transport_file {
	char *path; /* below "targets" */
	struct uni_digest digest;
	uint64_t size;
};
/* Into the store, unless it is there; checked against its digest. */
int transport_fetch(struct transport *transport, const struct transport_file *file,
		    struct uni_store_entry *blob, struct uni_err *err);
/* For those that will be asked for next, where asking at once is quicker than one by one: metadata
 * is kept until it is, files go into the store. */
int transport_ahead(struct transport *transport, const struct uni_strv *paths, struct uni_err *err);
int transport_fetch_all(struct transport *transport, const struct transport_file *files,
			size_t count, struct uni_err *err);

/* indexes.c */
size_t indexes_fresh(const struct uni_indexes *indexes); /* how many, from the first, were asked */
/* Names that will be asked for: what is said of them is fetched at once. */
int indexes_ahead(struct uni_indexes *indexes, const struct uni_strv *names, struct uni_err *err);
/* The index of that name, opened. UNI_E_NOENT. */
struct index {
	const struct uni_index_entry *entry;
	const struct index_kind *kind;
	void *open; /* what the kind made of it; NULL before */
	bool fresh;
};
int indexes_get(struct uni_indexes *indexes, const char *name, struct index **index,
		struct uni_err *err);
const struct uni_indexes_options *indexes_options(const struct uni_indexes *indexes);
/* The one of that number, opened and asked whether it is as it was. 1: it is. NULL: no such. */
struct index *indexes_item(struct uni_indexes *indexes, size_t number);
int indexes_probe(struct uni_indexes *indexes, struct index *index, struct uni_err *err);

/* answers.c: what was chosen before, for as long as all that was asked for it stays as it was. */
struct answer {
	char *file;
	struct uni_indexes *indexes;
};
#define AUTO_ANSWER __attribute__((cleanup(answer_free)))
void answer_free(struct answer *answer);
void answer_begin(struct answer *answer, struct uni_indexes *indexes, const struct uni_need *needs,
		  size_t count, const char *arch);
/* 1: known. */
int answer_find(const struct answer *answer, struct uni_pins *pins, struct uni_err *err);
void answer_keep(const struct answer *answer, const struct uni_pins *pins);

/* versions.c */
void index_version_clear(struct uni_index_version *version);
/* Adds it; `version` is empty afterwards. */
void index_package_take(struct uni_index_package *package, struct uni_index_version *version);

/* offer.c: what an index says of a package file, which is read to its end. */
int index_offer_read(const char *file, char **name, struct uni_index_version *version,
		     struct uni_err *err);

/* names.c: names.json, in which the packages that changed are put anew. */
struct index_name {
	char *name;
	char *version, *description; /* of the newest that is offered; NULL: none is */
};
struct index_names {
	struct index_name *items;
	size_t count, room;
};
void index_names_free(struct index_names *names);
void index_names_note(struct index_names *names, const struct uni_index_package *package);
/* `old` (or NULL) is the text of what is there. */
int index_names_text(struct index_names *names, const struct uni_buf *old, struct uni_buf *out,
		     struct uni_err *err);

#endif
