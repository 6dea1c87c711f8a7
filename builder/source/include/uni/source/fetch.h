/*
 * What a recipe takes from elsewhere: files over https, known by their digest, and commits of git
 * repositories, by libgit2. Either is fetched once and found in the store afterwards; nothing asks
 * the network for what is there.
 *
 * A git commit is kept as a tar archive of its tree (or of a folder in it), normalised, which is
 * the same for everyone who fetches the commit. A submodule is an error unless it is asked for;
 * then its commit is fetched from the address that .gitmodules gives, and put in its place.
 */
#ifndef UNI_SOURCE_FETCH_H
#define UNI_SOURCE_FETCH_H

#include <uni/cache/store.h>
#include <uni/net/net.h>
#include <uni/source/repository.h>

/* All borrowed. */
struct uni_fetch {
	struct uni_store *store;
	const struct uni_events *events;   /* or NULL */
	bool offline;			   /* UNI_E_NOENT for what is not in the store */
	const struct uni_net_options *net; /* NULL: by environment */
	uint64_t limit;			   /* most bytes of a file; 0: 64 GiB */
	struct uni_net *client;		   /* to go on with its connections; NULL: one a file */
};

/* `url`: https, http, or file:///... UNI_E_CORRUPT when what comes has another digest; nothing
 * stays then. `blob` has no name. */
int uni_fetch_https(const struct uni_fetch *fetch, const char *url, const struct uni_digest *digest,
		    struct uni_store_entry *blob, struct uni_err *err);

/* What of `items` is not in the store, many at a time by `fetch->client`, which must be there and
 * idle; checked as by uni_fetch_https. The first that fails ends it. */
struct uni_fetch_item {
	const char *url; /* https or http */
	struct uni_digest digest;
	uint64_t size;
};
int uni_fetch_all(const struct uni_fetch *fetch, const struct uni_fetch_item *items, size_t count,
		  struct uni_err *err);

/* Whether it was fetched before, and is there. */
bool uni_fetch_known(const struct uni_fetch *fetch, const struct uni_digest *digest,
		     struct uni_store_entry *blob);
/* The same for a file in the newest commit of a repository that is here. */
int uni_fetch_repository(const struct uni_fetch *fetch, const struct uni_repository *repository,
			 const char *path, const struct uni_digest *digest,
			 struct uni_store_entry *blob, struct uni_err *err);

struct uni_git_source {
	const char *url;    /* https://... or file:///... */
	const char *commit; /* 40 hex digits */
	const char *member; /* path in its tree, or NULL: all */
	bool submodules;
	bool file; /* `member` is a file, whose content is wanted; else an archive */
};

/* `time` (or NULL): the commit's. */
int uni_fetch_git(const struct uni_fetch *fetch, const struct uni_git_source *git,
		  struct uni_store_entry *blob, int64_t *time, struct uni_err *err);

#endif
