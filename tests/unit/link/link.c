/*
 * Compiling and linking with the real musl-gcc and ld: the same bytes in other folders, programs
 * that run, errors that name what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/kernel/base.h>
#include <uni/link/link.h>

#define MUSL "/usr/lib/x86_64-linux-musl/"

static struct uni_err err;

static const char base_toml[] = "base = 1\nname = \"unibase\"\nversion = \"0.1.0\"\n"
				"arch = \"x86_64\"\nkind = \"linux-abi\"\nkernel = \"kernel.elf\"\n"
				"entries = []\ndevices = []\nfilesystems = []\nmemory = \"8M\"\n"
				"[config]\nchannel = \"part\"\noldest = 1\nnewest = 1\n"
				"[sysroot]\nstart = [\"crt1.o\", \"crti.o\"]\n"
				"libraries = [\"libc.a\", \"libgcc.a\"]\nend = [\"crtn.o\"]\n";

struct place {
	char *dir;
	struct uni_base *base;
};

static void put(const struct place *p, const char *name, const char *text)
{
	UNI_AUTO_FREE char *path = uni_path_join(p->dir, name);
	UNI_AUTO_FREE char *parent = uni_path_dir(path);

	assert_int_equal(uni_dir_make(parent, 0755, &err), 0);
	assert_int_equal(uni_file_write(path, text, strlen(text), 0644, &err), 0);
}

static char *at(const struct place *p, const char *name)
{
	return uni_path_join(p->dir, name);
}

static void copy_in(const struct place *p, const char *from, const char *name)
{
	UNI_AUTO_FREE char *path = uni_asprintf("%s/base/%s", p->dir, name);

	if (uni_file_copy(from, path, 0644, &err) != 0)
		fail_msg("%s", err.text);
}

static void set_up(struct place *p)
{
	const char *argv[] = { "gcc", "-print-libgcc-file-name", NULL };
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO_FREE char *base = NULL;

	assert_int_equal(uni_dir_tmp(NULL, &p->dir, &err), 0);
	put(p, "base/base.toml", base_toml);
	put(p, "base/kernel.elf", "");
	copy_in(p, MUSL "crt1.o", "crt1.o");
	copy_in(p, MUSL "crti.o", "crti.o");
	copy_in(p, MUSL "crtn.o", "crtn.o");
	copy_in(p, MUSL "libc.a", "libc.a");
	assert_int_equal(uni_process_run(argv, NULL, &out, NULL, 4096, &err), 0);
	out.data[strcspn(out.data, "\n")] = '\0';
	copy_in(p, out.data, "libgcc.a");
	base = at(p, "base");
	if (uni_base_load(&p->base, base, &err) != 0)
		fail_msg("%s", err.text);
}

static void tear_down(struct place *p)
{
	uni_base_free(p->base);
	assert_int_equal(uni_dir_remove(p->dir, &err), 0);
	uni_tmp_forget(p->dir);
	free(p->dir);
}

/* Compiles DIR/`name`.c to DIR/`name`.o. */
static int compile(const struct place *p, const char *name, struct uni_buf *text,
		   struct uni_strv *files, struct uni_buf *messages)
{
	UNI_AUTO_FREE char *source = uni_asprintf("%s/app/%s.c", p->dir, name);
	UNI_AUTO_FREE char *object = uni_asprintf("%s/%s.o", p->dir, name);
	UNI_AUTO_FREE char *dir = at(p, "app");
	UNI_AUTO_FREE char *include = at(p, "app/include");
	UNI_AUTO_FREE char *outside = at(p, "outside");
	const char *includes[] = { include, outside, NULL };
	const char *flags[] = { "-DANSWER=42", "-Wall", NULL };
	const struct uni_compile_name names[] = { { outside, "pkg:out" } };
	struct uni_compile unit = { .source = source,
				    .dir = dir,
				    .includes = includes,
				    .flags = flags,
				    .names = names,
				    .name_count = 1,
				    .epoch = 86400 };
	int rc;

	memset(&err, 0, sizeof(err));
	rc = uni_compile_preprocess(&unit, text, files, messages, &err);
	return rc == 0 ? uni_compile_object(&unit, text, object, messages, &err) : rc;
}

static int compile_plain(const struct place *p, const char *name)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_STRV struct uni_strv files = { .items = NULL };

	return compile(p, name, &text, &files, NULL);
}

static void put_hello(const struct place *p)
{
	put(p, "outside/where.h", "static const char *where(void) { return __FILE__; }\n");
	put(p, "app/include/h.h", "#include <where.h>\nint helper(void);\n");
	put(p, "app/sub/hello.c",
	    "#include <stdio.h>\n#include \"h.h\"\n"
	    "int main(void) { printf(\"%d %s %s %s %s %s\\n\", ANSWER, __FILE__, where(),"
	    " __DATE__, __TIME__, __TIMESTAMP__); return helper(); }\n");
	put(p, "app/helper.c", "int helper(void) { return 7; }\n");
	put(p, "sub/keep", "");
}

static int link_two(const struct place *p, const char *a, const char *b, const char *library)
{
	UNI_AUTO_FREE char *a_path = at(p, a);
	UNI_AUTO_FREE char *b_path = at(p, b);
	UNI_AUTO_FREE char *library_path = library != NULL ? at(p, library) : NULL;
	UNI_AUTO_FREE char *out = at(p, "prog");
	const struct uni_link_input objects[] = { { a_path, "A" }, { b_path, "B" } };
	const struct uni_link_input libraries[] = { { library_path, "LIB" } };

	const struct uni_link_from from = { .base = p->base,
					    .objects = { objects, 2 },
					    .libraries = { libraries, library != NULL } };

	memset(&err, 0, sizeof(err));
	return uni_link_program(&from, out, &err);
}

static void test_program(void **state)
{
	struct place p;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO_FREE char *prog = NULL;
	const char *argv[] = { NULL, NULL };

	(void)state;
	set_up(&p);
	put_hello(&p);
	if (compile_plain(&p, "sub/hello") != 0 || compile_plain(&p, "helper") != 0 ||
	    link_two(&p, "sub/hello.o", "helper.o", NULL) != 0)
		fail_msg("%s", err.text);
	prog = at(&p, "prog");
	argv[0] = prog;
	assert_int_equal(uni_process_run(argv, NULL, &out, NULL, 4096, &err), UNI_E_PROCESS);
	assert_non_null(strstr(err.text, "status 7"));
	assert_string_equal(out.data, "42 sub/hello.c pkg:out/where.h Jan  2 1970 00:00:00 "
				      "Fri Jan  2 00:00:00 1970\n");
	tear_down(&p);
}

static struct uni_digest digest_of(const struct place *p, const char *name)
{
	UNI_AUTO_FREE char *path = at(p, name);
	struct uni_digest digest;
	uint64_t size;

	assert_int_equal(uni_digest_file(path, &size, &digest, &err), 0);
	return digest;
}

/* Text, object and program are the same in two folders; nothing names the folder. */
static void test_same_bytes(void **state)
{
	struct place p[2];
	struct uni_buf text[2] = { UNI_BUF_INIT, UNI_BUF_INIT };
	struct uni_digest object[2];
	struct uni_digest program[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		UNI_AUTO_STRV struct uni_strv files = { .items = NULL };
		UNI_AUTO_FREE char *header = NULL;

		set_up(&p[i]);
		put_hello(&p[i]);
		assert_int_equal(compile(&p[i], "sub/hello", &text[i], &files, NULL), 0);
		assert_int_equal(compile_plain(&p[i], "helper"), 0);
		assert_int_equal(link_two(&p[i], "sub/hello.o", "helper.o", NULL), 0);
		object[i] = digest_of(&p[i], "sub/hello.o");
		program[i] = digest_of(&p[i], "prog");
		header = at(&p[i], "app/include/h.h");
		assert_true(uni_strv_has(&files, header));
		assert_true(uni_str_ends(files.items[0], "/app/sub/hello.c"));
		assert_null(strstr(text[i].data, p[i].dir));
	}
	assert_string_not_equal(p[0].dir, p[1].dir);
	assert_string_equal(text[0].data, text[1].data);
	assert_true(uni_digest_eq(&object[0], &object[1]));
	assert_true(uni_digest_eq(&program[0], &program[1]));
	for (size_t i = 0; i < 2; i++) {
		uni_buf_free(&text[i]);
		tear_down(&p[i]);
	}
}

static void expect(int rc, int code, const char *words)
{
	if (rc != code)
		fail_msg("%d: %s", rc, err.text);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void test_bad_sources(void **state)
{
	struct place p;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf messages = UNI_BUF_INIT;
	UNI_AUTO_STRV struct uni_strv files = { .items = NULL };

	(void)state;
	set_up(&p);
	put(&p, "app/bad.c", "int main(void) {\n  return nope;\n}\n");
	expect(compile_plain(&p, "bad"), UNI_E_INVAL, "bad.c does not compile:\nbad.c: In");
	assert_non_null(strstr(err.text, "bad.c:2:10: error: "));
	assert_non_null(strstr(err.text, "nope"));
	put(&p, "app/header.c", "#include \"nowhere.h\"\n");
	expect(compile_plain(&p, "header"), UNI_E_INVAL, "header.c:1:10: fatal error: nowhere.h");
	expect(compile_plain(&p, "absent"), UNI_E_INVAL, "absent.c");
	put(&p, "app/incbin.c", "__asm__(\".incbin \\\"/etc/passwd\\\"\");\n");
	expect(compile_plain(&p, "incbin"), UNI_E_UNSUPPORTED, ".incbin");
	put(&p, "app/warn.c", "static int unused;\n");
	assert_int_equal(compile(&p, "warn", &text, &files, &messages), 0);
	assert_non_null(strstr(messages.data, "warn.c:1:12: warning"));
	put(&p, "app/-dash.c", "int dash;\n");
	assert_int_equal(compile_plain(&p, "-dash"), 0);
	tear_down(&p);
}

static void run(const char *const *argv, const char *cwd)
{
	if (uni_process_run(argv, cwd, NULL, NULL, 4096, &err) != 0)
		fail_msg("%s", err.text);
}

static void test_bad_links(void **state)
{
	const char *ar[] = { "ar", "rcD", "libx.a", "member.o", NULL };
	const char *lto[] = { "gcc", "-flto", "-fno-fat-lto-objects", "-c",
			      "-o",  "lto.o", "app/other.c",	      NULL };
	struct place p;

	(void)state;
	set_up(&p);
	put(&p, "app/main.c",
	    "int one(void), two(void), other(void);\n"
	    "int main(void) { return one() + two() + one() + other(); }\n");
	put(&p, "app/other.c", "int two(void); int other(void) { return 1 + two(); }\n");
	put(&p, "app/again.c", "int main(void) { return 1; }\n");
	put(&p, "app/member.c",
	    "int missing(void); int one(void) { return missing(); }\n"
	    "int two(void) { return 2; }\n");
	assert_int_equal(compile_plain(&p, "main"), 0);
	assert_int_equal(compile_plain(&p, "other"), 0);
	assert_int_equal(compile_plain(&p, "again"), 0);
	assert_int_equal(compile_plain(&p, "member"), 0);
	run(ar, p.dir);
	expect(link_two(&p, "main.o", "other.o", NULL), UNI_E_INVAL,
	       "link: undefined symbol \"one\", wanted by A (in main); "
	       "undefined symbol \"two\", wanted by A (in main), B (in other)");
	expect(link_two(&p, "main.o", "other.o", "libx.a"), UNI_E_INVAL,
	       "undefined symbol \"missing\", wanted by LIB(member.o) (in one)");
	expect(link_two(&p, "main.o", "again.o", NULL), UNI_E_INVAL,
	       "symbol \"main\" is defined more than once: in A, B");
	run(lto, p.dir);
	expect(link_two(&p, "main.o", "lto.o", NULL), UNI_E_UNSUPPORTED,
	       "link: B: holds no machine code");
	put(&p, "text.o", "not an object at all, but long enough to be looked at as one........");
	expect(link_two(&p, "main.o", "text.o", NULL), UNI_E_UNSUPPORTED,
	       "link: B: is not an ELF file");
	expect(link_two(&p, "main.o", "nowhere.o", NULL), UNI_E_NOENT, "B");
	tear_down(&p);
}

static void test_executable_stack(void **state)
{
	const char *as[] = { "as", "-o", "stack.o", "stack.s", NULL };
	struct place p;

	(void)state;
	set_up(&p);
	put(&p, "app/main.c", "int main(void) { return 0; }\n");
	assert_int_equal(compile_plain(&p, "main"), 0);
	put(&p, "stack.s",
	    ".section .rwx,\"awx\",@progbits\n.globl code\ncode: ret\n"
	    ".section .init_array,\"aw\"\n.quad code\n");
	run(as, p.dir);
	expect(link_two(&p, "main.o", "stack.o", NULL), UNI_E_UNSUPPORTED,
	       "writable and executable");
	tear_down(&p);
}

static void test_tools(void **state)
{
	UNI_AUTO_STRV struct uni_strv compile_files = { .items = NULL };
	UNI_AUTO_STRV struct uni_strv link_files = { .items = NULL };
	bool cc1 = false;

	(void)state;
	assert_int_equal(uni_compile_tools(&compile_files, &err), 0);
	for (size_t i = 0; i < compile_files.count; i++) {
		assert_true(uni_file_exists(compile_files.items[i]));
		cc1 = cc1 || uni_str_ends(compile_files.items[i], "/cc1");
	}
	assert_true(cc1);
	assert_int_equal(uni_link_tools(&link_files, &err), 0);
	assert_true(link_files.count >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program),		 cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_bad_sources),	 cmocka_unit_test(test_bad_links),
		cmocka_unit_test(test_executable_stack), cmocka_unit_test(test_tools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
