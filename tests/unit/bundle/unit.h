/*
 * What the units of packages share: a fresh folder with a store in it, and files made in a line.
 */
#ifndef UNIT_BUNDLE_H
#define UNIT_BUNDLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/source/package.h>

int unit_chunks(void);
int unit_form(void);
int unit_hostile(void);
int unit_sbom(void);
int unit_store(void);

int unit_setup(void **state); /* *state: path of a fresh folder */
int unit_teardown(void **state);
/* A path in it, from a static ring. */
const char *unit_path(void **state, const char *name);
/* Writes a file, making its folders. */
void unit_write(void **state, const char *name, const char *text, unsigned mode);
struct uni_store *unit_open(void **state); /* in "store" */
/* Packs "src/package.toml" into `out`; the file's path, owned by the caller. */
char *unit_pack(void **state, const char *out, struct uni_digest *digest);

#endif
