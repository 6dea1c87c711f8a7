/*
 * Paths as text. All results are owned by the caller.
 */
#ifndef UNI_BASE_PATH_H
#define UNI_BASE_PATH_H

#include <stdbool.h>
#include <uni/base/text.h>

char *uni_path_join(const char *dir, const char *name); /* `name` alone when it is absolute */
/* Without ".", "..", double or closing slashes, by text only; ".." above the start stays. Never
 * empty. */
char *uni_path_normal(const char *path);
char *uni_path_absolute(const char *path);   /* joined with the working folder, normalised */
char *uni_path_dir(const char *path);	     /* "." when there is none */
const char *uni_path_base(const char *path); /* borrowed: behind the last slash */
/* Whether normalised `path` is `dir` or below it; both absolute or both relative. */
bool uni_path_inside(const char *path, const char *dir);

#endif
