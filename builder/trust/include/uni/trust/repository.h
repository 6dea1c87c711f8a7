/*
 * The other side of uni/trust/tuf.h: the metadata of a repository in a folder, read, changed and
 * signed anew. Snapshots are consistent, so that a client that is under way while something is
 * published sees the old or the new and no mixture: files that are new come first, the timestamp
 * last. The private keys are the caller's; a commit signs with those it is given and fails when
 * they do not reach a threshold.
 *
 * Paths belong to the first publisher whose patterns they match; the rest to "targets", or, in a
 * repository with bins, to the bin of the path's hash, which the keys of "targets" sign too.
 */
#ifndef UNI_TRUST_REPOSITORY_H
#define UNI_TRUST_REPOSITORY_H

#include <uni/base/digest.h>
#include <uni/trust/key.h>

struct uni_tuf_repository;

enum uni_tuf_role {
	UNI_TUF_ROOT,
	UNI_TUF_SNAPSHOT,
	UNI_TUF_TARGETS,
	UNI_TUF_TIMESTAMP,
	UNI_TUF_ROLES,
};
const char *uni_tuf_role_name(enum uni_tuf_role role);

struct uni_tuf_keys {
	const struct uni_public_key *keys;
	size_t count;
	unsigned threshold;
};

/* Metadata lives for so many seconds from `now`, by role. */
struct uni_tuf_lifetimes {
	int64_t now;
	int64_t seconds[UNI_TUF_ROLES]; /* 0: a year; of timestamp and snapshot a week */
};

/* `bits`: 2^bits bins, 0 for none, at most 14. UNI_E_EXIST when there is a repository already. */
int uni_tuf_repository_create(struct uni_tuf_repository **repository, const char *dir,
			      const struct uni_tuf_keys keys[UNI_TUF_ROLES], unsigned bits,
			      const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err);
/* What is in the folder is the owner's own: its signatures are not checked. */
int uni_tuf_repository_open(struct uni_tuf_repository **repository, const char *dir,
			    const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err);
void uni_tuf_repository_free(struct uni_tuf_repository *repository);
UNI_AUTO_DEFINE(uni_tuf_repository)

/* New keys for a top-level role: a new root. */
int uni_tuf_repository_set_keys(struct uni_tuf_repository *repository, enum uni_tuf_role role,
				const struct uni_tuf_keys *keys, struct uni_err *err);
/* The keys of a role; owned by the repository. */
void uni_tuf_repository_keys(const struct uni_tuf_repository *repository, enum uni_tuf_role role,
			     struct uni_tuf_keys *keys);
/* A publisher and the paths that are theirs, patterns as of fnmatch where '*' stops at '/'. One of
 * that name is replaced; what it vouches for stays and must be signed by its new keys. Behind all
 * others that are there. */
int uni_tuf_repository_delegate(struct uni_tuf_repository *repository, const char *name,
				const struct uni_tuf_keys *keys, const char *const *patterns,
				struct uni_err *err);
/* What they vouched for goes with them. */
int uni_tuf_repository_undelegate(struct uni_tuf_repository *repository, const char *name,
				  struct uni_err *err);
/* Takes the key out of every role and delegation that has it; UNI_E_INVAL when a role would have
 * fewer keys than its threshold. `count` (or NULL): of roles it was in. */
int uni_tuf_repository_revoke(struct uni_tuf_repository *repository,
			      const struct uni_public_key *key, size_t *count, struct uni_err *err);

/* Adds, or replaces. The file itself is the caller's to put where clients look for it. */
int uni_tuf_repository_put(struct uni_tuf_repository *repository, const char *path, uint64_t size,
			   const struct uni_digest *digest, struct uni_err *err);
/* NULL when nobody vouches for it. */
const struct uni_digest *uni_tuf_repository_find(const struct uni_tuf_repository *repository,
						 const char *path);

/* Signs and writes what changed, then snapshot and timestamp. Without a change it renews these two.
 * UNI_E_AUTH names the role for which keys are missing; nothing is written then. */
int uni_tuf_repository_commit(struct uni_tuf_repository *repository,
			      const struct uni_signer *const *signers, size_t count,
			      struct uni_err *err);

#endif
