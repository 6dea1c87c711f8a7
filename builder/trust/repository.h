/*
 * A repository's metadata in memory, as the files that read, change and write it share it.
 */
#ifndef TRUST_REPOSITORY_H
#define TRUST_REPOSITORY_H

#include "meta.h"
#include <uni/trust/repository.h>

#define BITS_MAX 14
#define BINS_ROLE "bins" /* whose bins are bins-00, bins-01, ... */

struct keys {
	struct uni_public_key *keys;
	size_t count;
	unsigned threshold;
};

struct target {
	char *path;
	uint64_t size;
	struct uni_digest digest;
};

/* A targets role: "targets", a publisher, "bins", or a bin. */
struct trole {
	char *name;
	uint64_t version; /* as written; 0: not yet */
	bool dirty;
	struct target *targets; /* sorted by path */
	size_t target_count, target_room;
	struct uni_digest digest; /* of the file as written */
	uint64_t size;
};

struct publisher {
	char *name;
	struct keys keys;
	struct uni_strv patterns;
};

struct uni_tuf_repository {
	char *dir;
	struct uni_tuf_lifetimes lifetimes;
	struct keys keys[UNI_TUF_ROLES];
	struct keys old[UNI_TUF_ROLES]; /* what the last root said, where that changed */
	bool root_dirty;
	uint64_t versions[UNI_TUF_ROLES]; /* of what is written */
	unsigned bits;
	struct publisher *publishers; /* in order of precedence */
	size_t publisher_count, publisher_room;
	struct trole *roles; /* "targets" first */
	size_t role_count, role_room;
	const struct uni_signer *const *signers; /* of a commit */
	size_t signer_count;
};

struct trole *repository_role(const struct uni_tuf_repository *r, const char *name);
struct trole *repository_add_role(struct uni_tuf_repository *r, const char *name);
struct target *role_find(const struct trole *role, const char *path);
void role_put(struct trole *role, const char *path, uint64_t size, const struct uni_digest *digest);
void keys_copy(struct keys *to, const struct uni_tuf_keys *from);
void keys_free(struct keys *keys);
bool keys_have(const struct keys *keys, const struct uni_public_key *key);
/* What the keys of targets sign, is to be signed again. */
void repository_touch_targets(struct uni_tuf_repository *r);
char *repository_bin(const struct uni_tuf_repository *r, const char *path);
/* The keys that sign a targets role. */
const struct keys *repository_role_keys(const struct uni_tuf_repository *r, const char *name);
/* repository_read.c */
int repository_read(struct uni_tuf_repository *r, struct uni_err *err);

#endif
