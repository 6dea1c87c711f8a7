/*
 * A client of The Update Framework, specification 1.0 (theupdateframework.github.io): which files
 * a repository's owners vouch for now. Whoever merely serves them can withhold, but can neither put
 * in nor mix nor take back anything:
 *
 *   root       keys and thresholds of all roles; a new one is signed by the old and by its own
 *   timestamp  which snapshot is the newest; short-lived
 *   snapshot   versions of all that follows
 *   targets    paths with length and SHA-256; delegates by path patterns, by hashes of paths, or
 *              to bins by succinct roles (TAP 15)
 *
 * Only Ed25519 signatures count, and a threshold counts different public keys, whatever names they
 * go by. Versions only grow. What was accepted is kept in a folder, each file flushed and renamed;
 * a state that was cut off anywhere is one that was accepted before.
 *
 * One request suffices where nothing is new: the timestamp is asked for first, and when it is the
 * one that is known, neither it nor the root has expired, and everything below is in the state,
 * that is all. Else the specification's order is kept from the root on.
 */
#ifndef UNI_TRUST_TUF_H
#define UNI_TRUST_TUF_H

#include <uni/base/digest.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>

#define UNI_TUF_ROOT_MAX (512u << 10)
#define UNI_TUF_TIMESTAMP_MAX (16u << 10)
#define UNI_TUF_SNAPSHOT_MAX (8u << 20)
#define UNI_TUF_TARGETS_MAX (32u << 20)

struct uni_tuf_transport {
	/* The file at `path` below the repository's metadata: 0 and its bytes; UNI_E_NOENT when
	 * there is none; UNI_E_LIMIT when it has more than `limit` bytes. 1: it is still the one
	 * whose SHA-256 is *known (which may be NULL, and may be ignored). */
	int (*get)(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
		   struct uni_buf *out, struct uni_err *err);
	/* Whether it would give that file without asking anybody; or NULL: never. */
	bool (*here)(void *user, const char *path);
	void *user;
};

struct uni_tuf_options {
	const char *state; /* folder; created when absent */
	const void *root;  /* whom to trust where the state has no root; else NULL */
	size_t root_size;
	int64_t now;	/* seconds since 1970, for the whole run */
	bool read_only; /* the state cannot be written: what is new is kept in memory alone */
};

struct uni_tuf;
/* UNI_E_AUTH when there is neither a state nor a root that is signed by itself. */
int uni_tuf_open(struct uni_tuf **tuf, const struct uni_tuf_options *options,
		 const struct uni_tuf_transport *transport, struct uni_err *err);
void uni_tuf_free(struct uni_tuf *tuf);
UNI_AUTO_DEFINE(uni_tuf)

/*
 * Brings root, timestamp, snapshot and targets up to date. UNI_E_AUTH for signatures that are
 * missing or wrong, versions that go back, files that do not belong together; UNI_E_TIMEOUT for
 * what has expired. What was accepted before stays.
 */
int uni_tuf_refresh(struct uni_tuf *tuf, struct uni_err *err);
/* Asks for the timestamp alone. 1: it is the known one and holds, so that what was made of all that
 * stands below it holds too, as long as that does; a refresh does not ask for it again. 0: a
 * refresh is needed. */
int uni_tuf_probe(struct uni_tuf *tuf, struct uni_err *err);
/* What the root and the timestamp are that are believed now. */
struct uni_digest uni_tuf_identity(const struct uni_tuf *tuf);
/* When the first of all that was believed since the refresh expires; seconds since 1970. */
int64_t uni_tuf_expires(const struct uni_tuf *tuf);
/* Without the network: by the state alone. Expired metadata is UNI_E_TIMEOUT unless `expired`. */
int uni_tuf_use_state(struct uni_tuf *tuf, bool expired, struct uni_err *err);

struct uni_tuf_target {
	uint64_t size;
	struct uni_digest digest;
	char *role; /* that vouches for it */
	char *file; /* its path below the repository's targets, with its digest in front of the name
		       where snapshots are consistent */
};
void uni_tuf_target_free(struct uni_tuf_target *target);
/* After a refresh (delegations are fetched as they are needed) or uni_tuf_use_state. UNI_E_NOENT
 * when no role vouches for that path. */
int uni_tuf_find(struct uni_tuf *tuf, const char *path, struct uni_tuf_target *target,
		 struct uni_err *err);
/* Adds the file of metadata that uni_tuf_find would fetch next for that path, if any: for those who
 * fetch several paths' at once. */
void uni_tuf_ahead(struct uni_tuf *tuf, const char *path, struct uni_strv *files);

#endif
