/* Internal: one run of a tool. */
#ifndef UNI_LINK_RUN_INTERNAL_H
#define UNI_LINK_RUN_INTERNAL_H

#include <uni/base/text.h>
#include <uni/link/link.h>

struct tool_run {
	const struct uni_strv *argv;
	const char *const *env;
	const char *cwd;
	const struct uni_buf *input; /* on its standard input, or NULL */
	struct uni_buf *out;	     /* of its standard output, or NULL */
	struct uni_buf *messages;    /* of its standard error */
};
/* run.c: runs a tool to its end; `status` is its exit status. */
int run_tool(const struct tool_run *run, int *status, struct uni_err *err);
/* The first lines of what a tool said, for an error's text; `text` is cut in place. */
const char *run_first_lines(struct uni_buf *text);

/* An error for a compiler that failed; `said` is cut in place. */
int run_compile_error(const char *name, struct uni_buf *said, struct uni_err *err);

/* compile.c: flags that every source is compiled with, and the recipe's. */
void compile_flags(const struct uni_compile *unit, struct uni_strv *argv);

/* names.c: what a path of this machine is called in keys and messages. Owned by the caller. */
char *name_of_path(const struct uni_compile *unit, const char *path);
/* The path as the compiler gets it: relative to the recipe's folder when it is inside. */
char *path_for_compiler(const struct uni_compile *unit, const char *path);

/* complain.c: makes an error of what ld said. */
struct complaint {
	const struct uni_link_input *inputs; /* to call paths by their names */
	size_t count;
};
int complain(const struct complaint *c, const struct uni_buf *messages, int status,
	     struct uni_err *err);

#endif
