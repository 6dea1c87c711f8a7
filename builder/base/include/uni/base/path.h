/*
 * Paths as text: any bytes between slashes, no encoding. The file system is not asked and no link
 * followed, so that ".." goes up by name alone; whoever needs what a path really means resolves it
 * (realpath(3)) or walks it. Arguments are never NULL, nothing fails, and what is returned is the
 * caller's to free, but where it says borrowed.
 */
#ifndef UNI_BASE_PATH_H
#define UNI_BASE_PATH_H

#include <stdbool.h>
#include <uni/base/text.h>

/* "dir/name" with one slash between; `name` alone when it is absolute or `dir` is "". Nothing else
 * is changed: ".." in `name` stays. */
char *uni_path_join(const char *dir, const char *name);
/* Without ".", "..", double or closing slashes. ".." at the start of a relative path stays, in
 * front of which there is nothing to take back; above the root is the root. Never empty: "" and
 * "a/.." are ".". */
char *uni_path_normal(const char *path);
/* Normalised, a relative one below the working folder. */
char *uni_path_absolute(const char *path);
/* All in front of the last slash ("/a" has "/", "a" has "."), as it is: "a/b/" has "a/b". */
char *uni_path_dir(const char *path);
/* Borrowed: all behind the last slash, "" when it ends in one. */
const char *uni_path_base(const char *path);
/* Whether `path` is `dir` or below it. Both are normalised, and both absolute or both relative; by
 * names, so that "/ab" is not inside of "/a". */
bool uni_path_inside(const char *path, const char *dir);

#endif
