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
/* What came was found to be sound, and may be kept for when there is no network. */
int transport_accept(struct transport *transport, struct uni_err *err);
/* A file below "targets" into the store, unless it is there; checked against its digest. */
int transport_fetch(struct transport *transport, const char *file, const struct uni_digest *digest,
		    struct uni_store_entry *blob, struct uni_err *err);

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
