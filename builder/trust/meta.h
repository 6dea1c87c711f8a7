/*
 * One file of metadata: read, its fields checked, its signatures counted. Client and repository
 * share this.
 */
#ifndef TRUST_META_H
#define TRUST_META_H

#include <uni/base/digest.h>
#include <uni/base/json.h>
#include <uni/base/mem.h>
#include <uni/trust/key.h>

#define META_KEYS_MAX 256
#define META_SIGNATURES_MAX 256
#define META_ROLE_NAME_MAX 200

struct meta {
	struct uni_json *document;
	const struct uni_json *content; /* "signed" */
	struct uni_buf canonical;	/* what signatures are over */
	struct uni_digest digest;	/* of the file's bytes */
	uint64_t size;
	uint64_t version;
	int64_t expires;
};
void meta_free(struct meta *meta);
UNI_AUTO_DEFINE(meta)

/* `type` is "root", "timestamp", "snapshot" or "targets"; `name` is for messages. UNI_E_PARSE for
 * what is none. */
int meta_read(struct meta **out, const char *type, const char *name, const void *data, size_t size,
	      struct uni_err *err);
/* Whether enough of those keys signed it. `keys` maps key names to keys, `role` has "keyids" and
 * "threshold". UNI_E_AUTH. */
int meta_verify(const struct meta *meta, const struct uni_json *keys, const struct uni_json *role,
		const char *name, struct uni_err *err);
/* The same by the root's word for a top-level role. */
int meta_verify_by_root(const struct meta *meta, const struct meta *root, const char *role,
			struct uni_err *err);
bool meta_key(const struct uni_json *key, struct uni_public_key *out); /* false: not Ed25519 */
/* "2030-01-31T12:00:00Z" */
bool meta_time(const char *text, int64_t *seconds);
void meta_time_text(int64_t seconds, char out[32]);
/* {"version": N} and perhaps length and hashes, of "meta"; what the file must be. */
struct meta_expected {
	uint64_t version, size; /* size UINT64_MAX: not said */
	struct uni_digest digest;
	bool has_digest;
};
int meta_expected(const struct uni_json *entry, const char *name, struct meta_expected *out,
		  struct uni_err *err);
int meta_match(const struct meta *meta, const struct meta_expected *expected, const char *name,
	       struct uni_err *err);
/* Name of a delegated role as a file's: everything but letters, digits, '-', '_' and '.' is
 * percent-encoded, as TUF's clients do. */
char *meta_file_name(const char *role);

/* Whether `path` belongs to a delegation ("paths" or "path_hash_prefixes"). */
bool meta_delegates(const struct uni_json *delegation, const char *path);
/* The bin of succinct roles for `path`: owned, or NULL when they are not sound. */
char *meta_bin(const struct uni_json *succinct, const char *path);

#endif
