/*
 * Programs that we call are inputs: this names the files whose bytes decide what such a program
 * writes. Digests are the caller's, who may remember them by what stat says.
 */
#ifndef UNI_BASE_TOOL_H
#define UNI_BASE_TOOL_H

#include <uni/base/text.h>

/*
 * Adds to `files` the path of `program` (looked up in PATH unless it has a slash, links resolved)
 * and of those shared libraries it loads whose name starts with one of `libraries`
 * (NULL-terminated, or NULL for none), in that order. UNI_E_MISSING_TOOL when the program is not
 * there.
 */
int uni_tool_files(const char *program, const char *const *libraries, struct uni_strv *files,
		   struct uni_err *err);

#endif
