/*
 * A first recipe for a program that was looked at.
 */
#include <ctype.h>
#include <string.h>
#include <uni/recipes/toml.h>

#include "internal.h"

/* A comment of any length, in lines that can be read. */
static void put_comment(struct uni_buf *out, const char *text)
{
	size_t width = 0;

	uni_buf_puts(out, "#");
	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (width != 0 && width + word > 110) {
			uni_buf_puts(out, "\n#  ");
			width = 2;
		}
		uni_buf_putc(out, ' ');
		for (size_t i = 0; i < word; i++)
			uni_buf_putc(out, iscntrl((unsigned char)text[i]) != 0 ? '?' : text[i]);
		width += word + 1;
		text += word;
		text += strspn(text, " ");
	}
	uni_buf_putc(out, '\n');
}

static void put_list(struct uni_buf *out, const struct uni_strv *list)
{
	uni_buf_puts(out, "[");
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		uni_buf_puts(out, i != 0 ? ", " : "");
		uni_toml_write_string(out, list->items[i]);
	}
	uni_buf_puts(out, "]\n");
}

static void put_env(struct uni_buf *out, const struct uni_strv *env)
{
	uni_buf_puts(out, "\n[app.env]\n");
	for (size_t i = 0; i < env->count; i++) {
		const char *value = strchr(env->items[i], '=');
		UNI_AUTO_FREE char *name =
			uni_strndup(env->items[i], (size_t)(value - env->items[i]));

		uni_toml_write_string(out, name);
		uni_buf_puts(out, " = ");
		uni_toml_write_string(out, value + 1);
		uni_buf_puts(out, "\n");
	}
}

static void put_app(const struct uni_program_words *words, bool jit, struct uni_buf *out)
{
	uni_buf_printf(out, "\n[app]\n%s = ", words->path != NULL ? "path" : "program");
	uni_toml_write_string(out, words->path != NULL ? words->path : words->program);
	uni_buf_puts(out, "\nargs = ");
	put_list(out, words->args);
	if (words->cwd != NULL) {
		uni_buf_puts(out, "cwd = ");
		uni_toml_write_string(out, words->cwd);
		uni_buf_puts(out, "\n");
	}
	if (jit)
		uni_buf_puts(out, "jit = true\n");
	if (words->user != 0 || words->group != 0)
		uni_buf_printf(out, "user = %u\ngroup = %u\n", words->user, words->group);
	if (words->env != NULL && words->env->count != 0)
		put_env(out, words->env);
}

void uni_program_recipe(const struct uni_program_look *look, const struct uni_program_words *words,
			struct uni_buf *out)
{
	uni_buf_puts(out,
		     "# A beginning, made by uni import. What it cannot know: arguments, files, "
		     "what is to be tested.\n");
	for (size_t i = 0; i < look->count; i++) {
		if (look->findings[i].severity == UNI_PROGRAM_NOTE)
			continue;
		put_comment(out, look->findings[i].text);
		if (look->findings[i].hint != NULL)
			put_comment(out, look->findings[i].hint);
	}
	uni_buf_printf(out, "\n[image]\nname = \"%s\"\n\n[base]\nname = \"%s\"\n", look->name,
		       words->base);
	put_app(words, look->jit, out);
	uni_buf_puts(out, "\n[config]\n");
	if (look->network)
		uni_buf_puts(out,
			     "network = \"dhcp\"\nruntime = [\"args\", \"env\", \"network\"]\n");
	else
		uni_buf_puts(out, "runtime = [\"args\", \"env\"]\n");
	uni_buf_printf(out, "\n[machine]\nmemory = \"%lluM\"\n",
		       (unsigned long long)(look->memory >> 20));
	if (look->libraries.count != 0 && words->folder != NULL)
		program_put_libraries(look, words->folder, out);
	uni_buf_puts(out, words->more != NULL
				  ? words->more
				  : "\n[[test]]\nname = \"starts\"\nargs = [\"--help\"]\n"
				    "exit-status = 0\n");
}
