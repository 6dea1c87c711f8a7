/*
 * A branch of a git repository elsewhere, kept in a bare one here: read at its newest commit, and
 * written by a commit on top of that. The branch is the one that the other's HEAD means, or "main"
 * in an empty one.
 *
 * Credentials are sent only when they are asked for: for ssh the agent's or the keys in ~/.ssh (the
 * host must be in known_hosts), for https what "git credential fill" knows.
 */
#ifndef UNI_SOURCE_REPOSITORY_H
#define UNI_SOURCE_REPOSITORY_H

#include <stdbool.h>
#include <uni/base/text.h>

struct uni_repository;

/* "git+https://...", "git+ssh://..." or "git+file:///..." */
bool uni_repository_url(const char *url);
/* `dir` is created when absent; NULL: a temporary one. Nobody is asked yet. */
int uni_repository_open(struct uni_repository **repository, const char *url, const char *dir,
			struct uni_err *err);
void uni_repository_free(struct uni_repository *repository);
UNI_AUTO_DEFINE(uni_repository)
/* One question where nothing is new. Without being kept, what came is forgotten again at the end:
 * it may be something that its reader refuses. */
int uni_repository_update(struct uni_repository *repository, struct uni_err *err);
int uni_repository_keep(struct uni_repository *repository, struct uni_err *err);
/* A file of the newest commit that is here; UNI_E_NOENT, UNI_E_LIMIT. */
int uni_repository_read(const struct uni_repository *repository, const char *path, uint64_t limit,
			struct uni_buf *out, struct uni_err *err);
/* All files into `dir` but those below `without` (or NULL). */
int uni_repository_export(const struct uni_repository *repository, const char *dir,
			  const char *without, struct uni_err *err);
/* The files below `dir` put over those of the newest commit, as a commit on top of it, pushed; what
 * starts with a dot stays behind. UNI_E_CHANGED when somebody else pushed since the update; nothing
 * is changed then. */
int uni_repository_push(struct uni_repository *repository, const char *dir, const char *message,
			struct uni_err *err);

#endif
