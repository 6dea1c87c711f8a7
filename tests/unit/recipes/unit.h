/*
 * What the files of this suite share.
 */
#ifndef UNI_TESTS_UNIT_RECIPES_H
#define UNI_TESTS_UNIT_RECIPES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uni/recipes/recipe.h>

#define HERE UNI_SOURCE_DIR "/tests/unit/recipes"

int unit_toml(void);
int unit_version(void);
int unit_golden(void);
int unit_model(void);
int unit_schema(void);
int unit_lock(void);

/* A folder with what recipes here name, as working folder: main.c, www/, a.o, lib.a, ca.pem,
 * and links that lead astray. */
void unit_enter_tree(void);
void unit_leave_tree(void);

/* Compares with the file below HERE or, with UNI_GOLDEN=update in the environment, writes it. */
void unit_golden_compare(const char *path, const char *text);
/* All findings, each line as the command line shows it, hints behind "  hint: ". */
void unit_findings(const struct uni_diags *diags, struct uni_buf *out);

#endif
