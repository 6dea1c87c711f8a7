/*
 * What a program asks for, told from reading it.
 */
#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <unistd.h>

#include "internal.h"

#define NAME_MAX_BYTES 64
#define LAUNCHER_MAX (64u << 10)
#define SCRIPT_LINE_MAX 256
#define GO_BUILD_ID 4 /* note type */
#define MEMORY_LEAST (64u << 20)
#define MEMORY_COMPILER (256u << 20) /* besides, for one that compiles while it runs */
#define MEMORY_STEP (32u << 20)

void uni_program_look_free(struct uni_program_look *look)
{
	for (size_t i = 0; i < look->count; i++) {
		free(look->findings[i].text);
		free(look->findings[i].hint);
	}
	free(look->findings);
	free(look->name);
	free(look->place);
	uni_libraries_free(&look->libraries);
	*look = (struct uni_program_look)UNI_PROGRAM_LOOK_INIT;
}

bool uni_program_stops(const struct uni_program_look *look)
{
	return look->count != 0 && look->findings[0].severity == UNI_PROGRAM_STOPS;
}

/* The worst stand in front. */
void program_finding(struct uni_program_look *look, enum uni_program_severity severity, char *text,
		     const char *hint)
{
	size_t place = look->count;

	UNI_PUSH_ROOM(look->findings, look->count, look->room);
	while (place != 0 && look->findings[place - 1].severity > severity)
		place--;
	memmove(look->findings + place + 1, look->findings + place,
		(look->count - place) * sizeof(*look->findings));
	look->findings[place] = (struct uni_program_finding){
		.severity = severity,
		.text = text,
		.hint = hint != NULL && hint[0] != '\0' ? uni_strdup(hint) : NULL,
	};
	look->count++;
}

/* "/usr/bin/My_Server" as "my_server". */
char *program_image_name(const char *path)
{
	const char *file = strrchr(path, '/');
	UNI_AUTO_BUF struct uni_buf name = UNI_BUF_INIT;

	for (file = file != NULL ? file + 1 : path; *file != '\0'; file++) {
		unsigned char c = (unsigned char)tolower((unsigned char)*file);
		bool first = name.size == 0;

		if (name.size < NAME_MAX_BYTES &&
		    (isalnum(c) != 0 || (!first && strchr("._-", c) != NULL)))
			uni_buf_putc(&name, (char)c);
	}
	if (name.size == 0)
		uni_buf_puts(&name, "program");
	return uni_buf_take(&name);
}

static bool makes(const struct uni_calls *table, const struct uni_elf_calls *made, const char *name)
{
	int number = uni_calls_find(table, name);

	return number >= 0 && made->made[number];
}

/* The remarks of the table on calls in a state: "mount: mounts are the recipe's". */
static char *remarks(const struct uni_calls *table, const struct uni_elf_calls *made,
		     enum uni_call_state state)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	for (size_t i = 0; i < UNI_CALLS_MAX; i++) {
		const struct uni_call *call = &table->items[i];

		if (made->made[i] && call->state == state && call->remark[0] != '\0')
			uni_buf_printf(&text, "%s%s: %s", text.size != 0 ? "; " : "", call->name,
				       call->remark);
	}
	return uni_buf_take(&text);
}

static void find_starting(struct uni_program_look *look, const char *who, const char *base,
			  const char *names)
{
	program_finding(look, UNI_PROGRAM_MAY,
			uni_asprintf("%s can start other processes (%s), which %s refuses: there "
				     "is one program in a machine",
				     who, names, base),
			"look for a setting that keeps it in one process: foreground, no workers, "
			"no helper programs");
}

static bool is_runtime(const char *library)
{
	static const char *const names[] = { "libc.",  "libm.", "libpthread.", "libdl.",
					     "librt.", "ld-",	"libstdc++.",  "libgcc_s." };

	for (size_t i = 0; i < UNI_COUNT(names); i++)
		if (uni_str_starts(library, names[i]))
			return true;
	return false;
}

/* Of a program that is next to nothing itself, the libraries are the program: Ruby's, Node's. */
static void look_at_launched(struct uni_program_look *look, const char *base,
			     const struct uni_calls *table, const struct uni_elf *elf)
{
	for (size_t i = 0; elf->size <= LAUNCHER_MAX && i < look->libraries.count; i++) {
		const struct uni_library *item = &look->libraries.items[i];
		const char *name = uni_path_base(item->path);
		UNI_AUTO_FREE char *who = uni_asprintf("its library %s", name);
		UNI_AUTO(uni_elf) struct uni_elf *library = NULL;
		UNI_AUTO_BUF struct uni_buf names = UNI_BUF_INIT;
		struct uni_elf_calls none = { .forks = false };
		struct uni_err ignored = UNI_ERR_INIT;

		if (!uni_strv_has(&elf->needed, name) || is_runtime(name) || item->source == NULL)
			continue;
		if (uni_elf_open_file(&library, item->source, item->source, &ignored) == 0 &&
		    uni_calls_starting(table, library, &none, &names))
			find_starting(look, who, base, names.data);
	}
}

static void look_at_starting(struct uni_program_look *look, const char *base,
			     const struct uni_calls *table, const struct uni_elf *elf,
			     struct uni_elf_calls *made)
{
	UNI_AUTO_BUF struct uni_buf names = UNI_BUF_INIT;

	if (uni_calls_starting(table, elf, made, &names))
		find_starting(look, "it", base, names.data);
	else
		look_at_launched(look, base, table, elf);
}

static void look_at_calls(struct uni_program_look *look, const char *base,
			  const struct uni_calls *table, const struct uni_elf *elf,
			  struct uni_elf_calls *made)
{
	UNI_AUTO_BUF struct uni_buf refused = UNI_BUF_INIT, absent = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf partial = UNI_BUF_INIT, needless = UNI_BUF_INIT;
	UNI_AUTO_FREE char *why = NULL;

	look->network = makes(table, made, "socket");
	look_at_starting(look, base, table, elf, made);
	why = remarks(table, made, UNI_CALL_REFUSED);
	if (uni_calls_name(table, made, UNI_CALL_REFUSED, &refused))
		program_finding(look, UNI_PROGRAM_MAY,
				uni_asprintf("calls that %s refuses: %s", base, refused.data), why);
	if (uni_calls_name(table, made, UNI_CALL_ABSENT, &absent))
		program_finding(look, UNI_PROGRAM_MAY,
				uni_asprintf("calls that %s does not have: %s", base, absent.data),
				"they are answered ENOSYS, which many programs take for an old "
				"kernel and do "
				"without");
	if (uni_calls_name(table, made, UNI_CALL_PARTIAL, &partial))
		program_finding(look, UNI_PROGRAM_NOTE,
				uni_asprintf("calls that %s has in part: %s", base, partial.data),
				"docs/linux-abi.md says what of each is missing");
	if (uni_calls_name(table, made, UNI_CALL_NEEDLESS, &needless))
		program_finding(look, UNI_PROGRAM_NOTE,
				uni_asprintf("calls that %s refuses, which is expected: %s", base,
					     needless.data),
				"programs do without, as on older kernels of Linux");
	if (made->computed > 1)
		program_finding(
			look, UNI_PROGRAM_NOTE,
			uni_asprintf(
				"at %zu places the number of a call is not plain from the code",
				made->computed),
			"uni run --trace shows every call that is really made");
}

/* Go hands most numbers to one function, so that they are not found. */
static void look_at_go(const struct uni_elf *elf, struct uni_program_look *look)
{
	struct uni_err ignored = UNI_ERR_INIT;
	uint64_t offset, size;

	if (uni_elf_note(elf, "Go", GO_BUILD_ID, &offset, &size, &ignored) != 0)
		return;
	program_finding(
		look, UNI_PROGRAM_NOTE,
		uni_strdup("it is a program in Go: besides its runtime's, calls cannot be found by "
			   "reading it"),
		"uni run --trace shows every call that is really made");
	look->network = true;
}

/* By what engines are told: what a program compiles is not seen in its code. */
struct engine {
	const char *name;
	const char *library; /* how its library's name begins, or NULL */
	const char *symbol;  /* how names in a program that has it built in begin, or NULL */
};
static const struct engine engines[] = {
	{ "V8", "libnode.so", "_ZN2v8" },     { "OpenJDK", "libjli.so", NULL },
	{ "OpenJDK", "libjvm.so", NULL },     { "LuaJIT", "libluajit", "luaJIT_" },
	{ "SpiderMonkey", "libmozjs", NULL }, { "JavaScriptCore", NULL, "_ZN3JSC" },
	{ "PyPy", "libpypy", NULL },	      { ".NET", "libhostfxr.so", "DotNetRuntimeInfo" },
	{ ".NET", "libcoreclr.so", NULL },
};

static int see_engine(void *user, const struct uni_elf_symbol *symbol, struct uni_err *err)
{
	const struct engine **found = user;

	(void)err;
	for (size_t i = 0; i < UNI_COUNT(engines); i++)
		if (engines[i].symbol != NULL && uni_str_starts(symbol->name, engines[i].symbol))
			*found = &engines[i];
	return 0;
}

static const struct engine *find_engine(const struct uni_elf *elf)
{
	const struct engine *found = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	for (size_t i = 0; i < elf->needed.count; i++)
		for (size_t k = 0; k < UNI_COUNT(engines); k++)
			if (engines[k].library != NULL &&
			    uni_str_starts(elf->needed.items[i], engines[k].library))
				return &engines[k];
	(void)uni_elf_dynamic_symbols(elf, see_engine, &found, &ignored);
	return found;
}

static void look_at_compilers(const struct uni_elf *elf, struct uni_program_look *look)
{
	const struct engine *engine = find_engine(elf);

	if (engine == NULL)
		return;
	look->jit = true;
	program_finding(look, UNI_PROGRAM_NOTE,
			uni_asprintf("it compiles code while it runs (%s): the recipe permits that",
				     engine->name),
			"without jit = true no memory is writable and executable at once");
}

static int look_at(const struct uni_elf *elf, const char *base, const struct uni_calls *table,
		   struct uni_program_look *look, struct uni_err *err)
{
	struct uni_elf_calls made;
	struct uni_err why = UNI_ERR_INIT;

	if (uni_elf_check_program(elf, &why) != 0)
		program_finding(look, UNI_PROGRAM_STOPS, uni_strdup(why.text), why.hint);
	else if (elf->interpreter != NULL)
		program_look_at_libraries(elf, look);
	look_at_compilers(elf, look);
	if (table == NULL || elf->machine != EM_X86_64)
		return 0;
	if (uni_elf_calls(elf, &made, err) != 0)
		return err->code;
	look_at_calls(look, base, table, elf, &made);
	/* A dynamic program's calls are its libraries'. */
	look->network |= elf->needed.count != 0;
	look_at_go(elf, look);
	return 0;
}

/* What is no ELF file may be a script, which says what it is for. */
static int refuse_script(const char *path, struct uni_err *err)
{
	char line[SCRIPT_LINE_MAX] = "";
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (got < 2 || line[0] != '#' || line[1] != '!')
		return err->code;
	line[strcspn(line, "\r\n")] = '\0';
	uni_err_set(err, UNI_E_UNSUPPORTED, "%s: is a script for %s, not a program", path,
		    line + 2 + strspn(line + 2, " \t"));
	return uni_err_hint(err,
			    "import what it is for, and give that the script as a [[file]] and "
			    "an argument; a shell's script starts programs, which nothing can "
			    "in a machine");
}

int uni_program_look(const char *path, const char *base, const struct uni_calls *table,
		     struct uni_program_look *look, struct uni_err *err)
{
	UNI_AUTO(uni_elf) struct uni_elf *elf = NULL;

	if (uni_elf_open_file(&elf, path, path, err) != 0)
		return refuse_script(path, err);
	look->name = program_image_name(path);
	look->size = elf->size;
	if (look->view == NULL && elf->runpath != NULL && strstr(elf->runpath, "ORIGIN") != NULL)
		look->place = realpath(path, NULL);
	if (look_at(elf, base, table, look, err) != 0)
		return err->code;
	look->memory = MEMORY_LEAST + 2 * (look->size + look->library_bytes) +
		       (look->jit ? MEMORY_COMPILER : 0);
	look->memory = (look->memory + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
	return 0;
}
