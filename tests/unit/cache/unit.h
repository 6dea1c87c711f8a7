/*
 * What the units of the store share: a fresh store, a listener that counts warnings, small blobs.
 */
#ifndef UNIT_CACHE_H
#define UNIT_CACHE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/cache/store.h>

int unit_content(void);
int unit_process(void);
int unit_collect(void);

/* *state is the path of a fresh folder; the store is in it. */
int unit_setup(void **state);
int unit_teardown(void **state);

extern unsigned unit_warnings; /* since setup */
struct uni_store *unit_open(void **state);
void unit_put(struct uni_store *store, const char *text, struct uni_store_entry *blob);
struct uni_digest unit_key(const char *text);
/* A result of one blob, "out". */
void unit_result(struct uni_store *store, const char *key, const char *text);
/* What uni_store_result_get returns. */
int unit_known(struct uni_store *store, const char *key);
/* Where a blob's, or a result's, file is; owned by the caller. */
char *unit_blob_path(void **state, const struct uni_digest *digest);
char *unit_result_path(void **state, const char *key);
size_t unit_count(void **state, const char *folder); /* files two levels below */

#endif
