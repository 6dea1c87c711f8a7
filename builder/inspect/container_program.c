/*
 * What a container image starts: its command, and through scripts and shells, of which there are
 * none in a machine, the program behind it.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#include "container_internal.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FIRST_LINE_MAX 255

static void add_texts(struct uni_strv *out, const struct uni_json *list)
{
	for (size_t i = 0; i < uni_json_count(list); i++) {
		const char *text = uni_json_text(uni_json_item(list, i));

		if (text != NULL)
			uni_strv_add(out, text);
	}
}

static const char *search_path(const struct looking *l)
{
	for (size_t i = 0; i < l->env.count; i++)
		if (uni_str_starts(l->env.items[i], "PATH="))
			return l->env.items[i] + strlen("PATH=");
	return DEFAULT_PATH;
}

/* A file of the image; `*named` is the path that was asked for, `*real` where links lead. */
static bool find_file(const struct looking *l, const char *folder, const char *name, char **named,
		      char **real, struct uni_store_entry **entry)
{
	UNI_AUTO_FREE char *joined = uni_path_join(folder, name);
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_files_view_find(l->view, joined, real, entry, &ignored) != 0)
		return false;
	if (*entry == NULL) {
		free(*real);
		*real = NULL;
		return false;
	}
	*named = uni_path_normal(joined);
	return true;
}

static bool find_program(const struct looking *l, const char *name, char **named, char **real,
			 struct uni_store_entry **entry)
{
	UNI_AUTO_FREE char *path = uni_strdup(search_path(l));
	char *save = NULL;

	if (strchr(name, '/') != NULL)
		return find_file(l, l->cwd, name, named, real, entry);
	for (char *folder = strtok_r(path, ":", &save); folder != NULL;
	     folder = strtok_r(NULL, ":", &save))
		if (find_file(l, folder, name, named, real, entry))
			return true;
	return false;
}

/* Goes on to what `name` means; false: it is no file of the image. Programs of several names look
 * by which they were started, so the name is kept where it is quite another. */
static bool go_to(struct looking *l, const char *name, struct uni_store_entry **entry)
{
	char *named = NULL, *real = NULL;

	if (!find_program(l, name, &named, &real, entry))
		return false;
	free(l->program);
	free(l->named);
	l->program = real;
	l->named = NULL;
	if (uni_str_starts(uni_path_base(real), uni_path_base(named)))
		free(named);
	else
		l->named = named;
	return true;
}

/* `words` (NULL: none) in place of the first `count`. */
static void replace_first(struct uni_strv *v, size_t count, const struct uni_strv *words)
{
	struct uni_strv whole = { .items = NULL };

	for (size_t i = 0; words != NULL && i < words->count; i++)
		uni_strv_add(&whole, words->items[i]);
	for (size_t i = count; i < v->count; i++)
		uni_strv_add(&whole, v->items[i]);
	uni_strv_free(v);
	*v = whole;
}

static void split_words(const char *text, struct uni_strv *words)
{
	while (*(text += strspn(text, " \t")) != '\0') {
		size_t size = strcspn(text, " \t");
		UNI_AUTO_FREE char *word = uni_strndup(text, size);

		uni_strv_add(words, word);
		text += size;
	}
}

static bool is_shell(const char *path)
{
	static const char *const shells[] = { "sh", "bash", "dash", "ash", "busybox" };

	for (size_t i = 0; i < UNI_COUNT(shells); i++)
		if (strcmp(uni_path_base(path), shells[i]) == 0)
			return true;
	return false;
}

/* The words behind "#!" (execve(2)), of which "/usr/bin/env" and its options are dropped; false: it
 * is no script. */
static bool read_interpreter(const struct looking *l, struct uni_store_entry *entry,
			     struct uni_strv *words)
{
	UNI_AUTO_FREE char *line = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	char text[FIRST_LINE_MAX + 1] = "";
	size_t size = entry->size < FIRST_LINE_MAX ? (size_t)entry->size : FIRST_LINE_MAX;
	UNI_AUTO_CLOSE int fd = -1;

	if (uni_store_blob_open(l->fetch->store, entry, &fd, &ignored) != 0 ||
	    uni_pread_full(fd, text, size, 0, "program", &ignored) != 0 ||
	    !uni_str_starts(text, "#!"))
		return false;
	line = uni_strndup(text + 2, strcspn(text + 2, "\r\n"));
	split_words(line, words);
	if (words->count > 1 && uni_str_eq(uni_path_base(words->items[0]), "env"))
		replace_first(words, uni_str_eq(words->items[1], "-S") ? 2 : 1, NULL);
	return words->count != 0;
}

/* A script that is given a command ends, as a rule, by starting that. */
static struct uni_store_entry *behind_script(struct looking *l, size_t entrypoint)
{
	UNI_AUTO_FREE char *script = uni_strdup(l->program);
	UNI_AUTO_STRV struct uni_strv words = { .items = NULL };
	struct uni_store_entry *entry = NULL;

	if (entrypoint == 0 || entrypoint >= l->argv.count ||
	    !go_to(l, l->argv.items[entrypoint], &entry) || read_interpreter(l, entry, &words)) {
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_asprintf("the image starts a script, /%s, and there is no "
					     "shell in a machine that could start the program",
					     script),
				"see what it starts, and say that by --program PATH");
		return NULL;
	}
	program_finding(l->look, UNI_PROGRAM_MAY,
			uni_asprintf("the image starts a script, /%s; the recipe starts what that "
				     "is given, /%s",
				     script, looking_program(l) + (l->named != NULL)),
			"what the script prepares has to be in the recipe: files, environment, "
			"arguments");
	replace_first(&l->argv, entrypoint + 1, NULL);
	return entry;
}

/* A script in a language: its interpreter, with the script as an argument. */
static struct uni_store_entry *through_interpreter(struct looking *l, struct uni_strv *words)
{
	UNI_AUTO_FREE char *script = uni_asprintf("/%s", l->program);
	struct uni_store_entry *entry = NULL;

	if (!go_to(l, words->items[0], &entry)) {
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_asprintf("the image starts a script, %s, for %s, which is no "
					     "file in it",
					     script, words->items[0]),
				NULL);
		return NULL;
	}
	replace_first(words, 1, NULL);
	uni_strv_add(words, script);
	replace_first(&l->argv, 1, words);
	return entry;
}

/* A command for a shell that is no more than a program and its arguments. */
static bool plain_command(const char *text, struct uni_strv *words)
{
	if (strpbrk(text, "\n\"'\\`$|&;<>(){}[]*?~#=!") != NULL)
		return false;
	split_words(text, words);
	if (words->count > 1 && uni_str_eq(words->items[0], "exec"))
		replace_first(words, 1, NULL);
	return words->count != 0;
}

/* `sh -c "program argument"`, as a Dockerfile's CMD in text form becomes. */
static struct uni_store_entry *behind_shell(struct looking *l)
{
	UNI_AUTO_STRV struct uni_strv words = { .items = NULL }, shebang = { .items = NULL };
	UNI_AUTO_FREE char *text = uni_strdup(l->argv.items[l->argv.count - 1]);
	struct uni_store_entry *entry = NULL;

	if (l->argv.count == 3 && uni_str_eq(l->argv.items[1], "-c") &&
	    plain_command(text, &words) && go_to(l, words.items[0], &entry) &&
	    !read_interpreter(l, entry, &shebang) && !is_shell(l->program)) {
		program_finding(l->look, UNI_PROGRAM_NOTE,
				uni_asprintf("the image starts it by a shell: %s; the recipe "
					     "without one",
					     text),
				NULL);
		replace_first(&words, 1, NULL);
		replace_first(&l->argv, l->argv.count, &words);
		return entry;
	}
	program_finding(l->look, UNI_PROGRAM_STOPS,
			uni_asprintf("the image starts commands of a shell: %s", text),
			"there is one program in a machine: say which, by --program PATH");
	return NULL;
}

struct uni_store_entry *container_choose_program(struct looking *l)
{
	UNI_AUTO_STRV struct uni_strv words = { .items = NULL };
	struct uni_store_entry *entry = NULL;
	size_t entrypoint;

	add_texts(&l->argv, looking_setting(l, "Entrypoint"));
	entrypoint = l->argv.count;
	add_texts(&l->argv, looking_setting(l, "Cmd"));
	if (l->container->program != NULL) {
		uni_strv_free(&l->argv);
		uni_strv_add(&l->argv, l->container->program);
		entrypoint = 0;
	}
	if (l->argv.count == 0) {
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_strdup("the image does not say what it starts"),
				"say it by --program PATH");
		return NULL;
	}
	if (!go_to(l, l->argv.items[0], &entry)) {
		program_finding(l->look, UNI_PROGRAM_STOPS,
				uni_asprintf("the image starts %s, which is no file in it",
					     l->argv.items[0]),
				NULL);
		return NULL;
	}
	if (read_interpreter(l, entry, &words))
		return is_shell(words.items[0]) ? behind_script(l, entrypoint)
						: through_interpreter(l, &words);
	if (is_shell(looking_program(l)) && l->argv.count > 1)
		return behind_shell(l);
	replace_first(&l->argv, 1, NULL);
	return entry;
}
