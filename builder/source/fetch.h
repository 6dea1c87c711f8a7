/*
 * What the files that fetch share: results in the store by what was asked for.
 */
#ifndef SOURCE_FETCH_H
#define SOURCE_FETCH_H

#include <uni/source/fetch.h>

/* As uni_store_result_get, for the one blob of a result; its text in `meta` (owned) unless NULL. */
int fetch_known(const struct uni_fetch *fetch, const struct uni_digest *key,
		struct uni_store_entry *blob, char **meta, struct uni_err *err);
int fetch_remember(const struct uni_fetch *fetch, const struct uni_digest *key,
		   const struct uni_store_entry *blob, const char *meta, struct uni_err *err);

/* fetch.c: files by their digests. */
struct uni_digest fetch_key(const struct uni_digest *digest);
/* What was written is what was wanted: into the store, and remembered. */
int fetch_keep(const struct uni_fetch *fetch, struct uni_store_writer *writer, const char *name,
	       const struct uni_digest *found, const struct uni_digest *wanted,
	       struct uni_store_entry *blob, struct uni_err *err);

#endif
