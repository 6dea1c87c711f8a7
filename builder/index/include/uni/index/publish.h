/*
 * The publisher's side of an index: a folder, ready for any static web server, or a git repository
 * (uni/source/repository.h), to which each commit is pushed. Files come before the metadata that
 * names them. What was published under a name and version never changes; it may
 * only be yanked, which keeps it for those who have it locked.
 */
#ifndef UNI_INDEX_PUBLISH_H
#define UNI_INDEX_PUBLISH_H

#include <uni/index/index.h>
#include <uni/trust/repository.h>

/* Metadata of the index in `dir`: a folder, under a lock until it is freed, or the address of a
 * repository, which UNI_E_CHANGED tells about when somebody else was quicker. */
struct uni_publisher;
int uni_publisher_open(struct uni_publisher **publisher, const char *dir,
		       const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err);
/* A new index. */
int uni_publisher_create(struct uni_publisher **publisher, const char *dir,
			 const struct uni_tuf_keys keys[UNI_TUF_ROLES], unsigned bits,
			 const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err);
void uni_publisher_free(struct uni_publisher *publisher);
UNI_AUTO_DEFINE(uni_publisher)
struct uni_tuf_repository *uni_publisher_repository(struct uni_publisher *publisher);

/* A package file. UNI_E_EXIST when that version is there with other bytes. */
int uni_publisher_add(struct uni_publisher *publisher, const char *file, struct uni_err *err);
/* `why` NULL takes it back. `arch` NULL: of all. */
int uni_publisher_yank(struct uni_publisher *publisher, const char *name, const char *version,
		       const char *why, struct uni_err *err);
/* Signs. Without a change it renews snapshot and timestamp. */
int uni_publisher_commit(struct uni_publisher *publisher, const struct uni_signer *const *signers,
			 size_t count, struct uni_err *err);
/* Of its first root, by which others come to trust it. After a commit. */
int uni_publisher_root(const struct uni_publisher *publisher, struct uni_digest *digest,
		       struct uni_err *err);

/*
 * The other kind: the index that goes with uni, in `dir` (replaced when it is one already), made of
 * package files and of folders with some. Whoever installs it vouches for it; there are no keys.
 */
int uni_index_embed(const char *dir, const char *const *files, size_t count, struct uni_err *err);

#endif
