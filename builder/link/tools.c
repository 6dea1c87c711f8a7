/*
 * The files behind compiler and linker. musl-gcc is a script around gcc and a specs file; gcc runs
 * cc1 and as.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/process.h>
#include <uni/base/tool.h>

#include "run.h"

enum { SCRIPT_MAX = 64 << 10, ANSWER_MAX = 64 << 10 };

static const char *const binutils_libraries[] = { "libbfd", "libopcodes", "libctf", NULL };

/* Words of the script: `-specs "FILE"`, and the driver behind `REALGCC:-`. */
static void add_script_files(const char *script, struct uni_strv *files)
{
	struct uni_err ignored = UNI_ERR_INIT;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	const char *at;

	if (uni_file_read(script, SCRIPT_MAX, &text, &ignored) != 0)
		return;
	at = strstr(uni_buf_text(&text), "-specs \"");
	if (at != NULL) {
		UNI_AUTO_FREE char *specs = uni_strndup(at + 8, strcspn(at + 8, "\""));

		if (specs[0] == '/' && uni_file_exists(specs))
			uni_strv_add(files, specs);
	}
	at = strstr(uni_buf_text(&text), "REALGCC:-");
	if (at != NULL) {
		UNI_AUTO_FREE char *driver = uni_strndup(at + 9, strcspn(at + 9, "}\" \n"));

		(void)uni_tool_files(driver, NULL, files, &ignored);
	}
}

static int missing(const char *package, struct uni_err *err)
{
	if (err->code == UNI_E_MISSING_TOOL)
		return uni_err_hint(err, "install the Debian package %s", package);
	return err->code;
}

int uni_compile_tools(struct uni_strv *files, struct uni_err *err)
{
	static const char *const ask[] = { "musl-gcc", "-print-prog-name=cc1", NULL };
	UNI_AUTO_BUF struct uni_buf answer = UNI_BUF_INIT;
	UNI_AUTO_FREE char *script = uni_process_find("musl-gcc");
	int rc = uni_tool_files("musl-gcc", NULL, files, err);

	if (rc != 0 || script == NULL)
		return missing("musl-tools", err);
	add_script_files(script, files);
	rc = uni_process_run(ask, NULL, &answer, NULL, ANSWER_MAX, err);
	if (rc == 0) {
		char *path = answer.data;

		if (path == NULL || path[0] != '/')
			return uni_err_set(err, UNI_E_MISSING_TOOL, "musl-gcc finds no C compiler");
		path[strcspn(path, "\n")] = '\0';
		rc = uni_tool_files(path, NULL, files, err);
	}
	if (rc == 0)
		rc = uni_tool_files("as", binutils_libraries, files, err);
	return rc != 0 ? missing("gcc", err) : 0;
}

int uni_link_tools(struct uni_strv *files, struct uni_err *err)
{
	return uni_tool_files("ld", binutils_libraries, files, err) != 0 ? missing("binutils", err)
									 : 0;
}
