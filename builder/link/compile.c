/*
 * The second half of compiling: preprocessed text becomes an object, under flags that are the same
 * everywhere.
 */
#include <string.h>

#include "run.h"

/*
 * Static, not position independent, no unwind tables (programs here carry no debugger), but with
 * frame pointers, so that a fault can be traced. The file names that the compiler could write down
 * are those in the text's own line markers. No temporary file is left by a compiler that is killed.
 */
static const char *const fixed_flags[] = {
	"-O2",
	"-g0",
	"-pipe",
	"-fno-pie",
	"-fno-pic",
	"-ffunction-sections",
	"-fdata-sections",
	"-fno-asynchronous-unwind-tables",
	"-fno-omit-frame-pointer",
	"-fstack-protector-strong",
	"-fno-ident",
	"-fdiagnostics-color=never",
};

void compile_flags(const struct uni_compile *unit, struct uni_strv *argv)
{
	for (size_t i = 0; i < UNI_COUNT(fixed_flags); i++)
		uni_strv_add(argv, fixed_flags[i]);
	for (size_t i = 0; unit->flags != NULL && unit->flags[i] != NULL; i++)
		uni_strv_add(argv, unit->flags[i]);
}

int uni_compile_object(const struct uni_compile *unit, const struct uni_buf *text, const char *path,
		       struct uni_buf *messages, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv argv = { .items = NULL };
	UNI_AUTO_BUF struct uni_buf said = UNI_BUF_INIT;
	UNI_AUTO_FREE char *name = name_of_path(unit, unit->source);
	int status = 0;
	int rc;

	uni_strv_add(&argv, "musl-gcc");
	compile_flags(unit, &argv);
	uni_strv_addf(&argv, "-frandom-seed=%s", name);
	uni_strv_add(&argv, "-fpreprocessed");
	uni_strv_add(&argv, "-x");
	uni_strv_add(&argv, "cpp-output");
	uni_strv_add(&argv, "-c");
	uni_strv_add(&argv, "-o");
	uni_strv_add(&argv, path);
	uni_strv_add(&argv, "-");
	rc = run_tool(
		&(struct tool_run){
			.argv = &argv, .cwd = unit->dir, .input = text, .messages = &said },
		&status, err);
	if (messages != NULL)
		uni_buf_add(messages, uni_buf_text(&said), said.size);
	if (rc == 0 && status != 0)
		rc = run_compile_error(name, &said, err);
	return rc;
}
