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

#endif
