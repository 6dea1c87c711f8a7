/*
 * The schema as a reference page in Markdown.
 */
#include "schema.h"

#include <string.h>
#include <uni/recipes/recipe.h>

/* Kept sound by the suite, which reads it as a recipe. */
const char schema_example[] = "[image]\n"
			      "name = \"site\"\n"
			      "version = \"1.0.0\"\n"
			      "\n"
			      "[app]\n"
			      "sources = [\"server.c\"]\n"
			      "args = [\"--port\", \"80\"]\n"
			      "env = { LOG = \"warnings\" }\n"
			      "\n"
			      "[ca]\n"
			      "bundle = \"pkg:ca-certificates\"\n"
			      "\n"
			      "[config]\n"
			      "network = \"dhcp\"\n"
			      "runtime = [\"args\", \"network\"]\n"
			      "\n"
			      "[[file]]\n"
			      "path = \"/etc/motd\"\n"
			      "text = \"made by uni\\n\"\n"
			      "\n"
			      "[[volume]]\n"
			      "name = \"content\"\n"
			      "mount = \"/www\"\n"
			      "source = \"www\"\n"
			      "\n"
			      "[variant.debug]\n"
			      "config.log-level = \"debug\"\n"
			      "machine.memory = \"256M\"\n";

static const char intro[] =
	"# Recipes\n"
	"\n"
	"This page is made from the table that `uni` checks recipes with. `uni check recipe.toml` "
	"tells\n"
	"everything that is wrong with one; `docs/recipe.schema.json` is for editors.\n"
	"\n";

static const char variants[] =
	"## Variants\n"
	"\n"
	"`--variant NAME` lays the tables under `[variant.NAME]` over the recipe's own before it "
	"is "
	"checked as a\n"
	"whole. Tables are merged key by key, `[[volume]]` and `[[test]]` by `name` and "
	"`[[file]]` by `path`;\n"
	"everything else, lists too, is replaced. A recipe has no other way to differ from itself: "
	"no templates, no "
	"environment.\n"
	"\n";

/* Without the article that fits into messages. */
static const char *bare_name(enum schema_form form)
{
	const char *name = schema_forms[form].name;

	if (uni_str_starts(name, "a "))
		return name + 2;
	return uni_str_starts(name, "an ") ? name + 3 : name;
}

static void add_string_kind(struct uni_buf *out, const struct schema_key *key)
{
	if ((key->takes & TAKES_MATCH) != 0) {
		uni_buf_puts(out, "text to match");
		return;
	}
	if (key->form != FORM_WORD) {
		uni_buf_puts(out, bare_name(key->form));
		return;
	}
	for (size_t i = 0; key->words[i] != NULL; i++)
		uni_buf_printf(out, "%s`\"%s\"`", i == 0 ? "" : " ", key->words[i]);
}

static void add_kind(struct uni_buf *out, const struct schema_key *key, unsigned kind)
{
	if (kind == TAKES_STRING) {
		add_string_kind(out, key);
	} else if (kind == TAKES_LIST) {
		uni_buf_puts(out, "list of ");
		add_string_kind(out, key);
	} else if (kind == TAKES_MAP) {
		uni_buf_printf(out, "table of %s",
			       (key->takes & TAKES_MATCH) != 0 ? "text to match"
			       : key->form == FORM_HOST	       ? bare_name(FORM_ADDRESS)
							       : bare_name(key->form));
	} else if (kind == TAKES_INTEGER) {
		uni_buf_puts(out, key->most == 0777 ? "octal number" : "integer");
		if (key->form == FORM_SIZE || key->form == FORM_DURATION)
			uni_buf_puts(out, key->form == FORM_SIZE ? " (bytes)" : " (seconds)");
	} else {
		uni_buf_puts(out, kind == TAKES_BOOL	   ? "true or false"
				  : kind == TAKES_DATETIME ? "date and time with offset"
				  : kind == TAKES_NUMBER   ? "number"
				  : kind == TAKES_TABLE	   ? "table"
				  : kind == TAKES_TABLES   ? "tables"
							   : "tables by name");
	}
}

static void add_key(struct uni_buf *out, const struct schema_key *key)
{
	bool first = true;

	uni_buf_printf(out, "| `%s` | ", key->name);
	for (unsigned kind = 1; kind <= TAKES_NUMBER; kind <<= 1) {
		if ((key->takes & kind) == 0)
			continue;
		uni_buf_puts(out, first ? "" : ", ");
		add_kind(out, key, kind);
		first = false;
	}
	uni_buf_puts(out, " | ");
	if (key->required)
		uni_buf_puts(out, "required");
	else if (key->fallback != NULL && key->fallback[0] == '(')
		uni_buf_add(out, key->fallback + 1, strlen(key->fallback) - 2);
	else if (key->fallback != NULL)
		uni_buf_printf(out, "`%s`", key->fallback);
	uni_buf_printf(out, " | %s | %s |\n", key->runtime != 0 ? "yes" : "", key->means);
}

static void add_table(struct uni_buf *out, const struct schema_table *table)
{
	uni_buf_printf(out, "## %s\n\n%s\n\n", table->title, table->means);
	uni_buf_puts(out, "| Key | Takes | Default | At start | Meaning |\n"
			  "|---|---|---|---|---|\n");
	for (size_t i = 0; i < table->count; i++)
		add_key(out, &table->keys[i]);
	uni_buf_putc(out, '\n');
	for (size_t i = 0; i < table->count; i++)
		if ((table->keys[i].takes & (TAKES_TABLE | TAKES_TABLES)) != 0)
			add_table(out, table->keys[i].table);
}

static void add_matches(struct uni_buf *out)
{
	uni_buf_printf(out, "## %s\n\n%s\n\n| Key | Takes | Meaning |\n|---|---|---|\n",
		       schema_match.title, schema_match.means);
	for (size_t i = 0; i < schema_match.count; i++) {
		uni_buf_printf(out, "| `%s` | ", schema_match.keys[i].name);
		add_string_kind(out, &schema_match.keys[i]);
		uni_buf_printf(out, " | %s |\n", schema_match.keys[i].means);
	}
	uni_buf_putc(out, '\n');
}

static void add_forms(struct uni_buf *out)
{
	uni_buf_puts(out, "## How values are written\n\n");
	for (unsigned form = 0; form < FORM_COUNT; form++)
		if (schema_forms[form].hint != NULL)
			uni_buf_printf(out, "- **%s**: %s.\n", bare_name((enum schema_form)form),
				       schema_forms[form].hint);
	uni_buf_puts(out,
		     "\nKeys with \"yes\" under \"At start\" may be listed in `runtime` of "
		     "`[config]`: their values can then be given again when\nthe image starts.\n");
}

void uni_recipe_reference(struct uni_buf *out)
{
	uni_buf_puts(out, intro);
	uni_buf_printf(out, "%s\n\n```toml\n%s```\n\n", schema_recipe.means, schema_example);
	for (size_t i = 0; i < schema_recipe.count; i++)
		if ((schema_recipe.keys[i].takes & TAKES_NAMED) == 0)
			add_table(out, schema_recipe.keys[i].table);
	add_matches(out);
	uni_buf_puts(out, variants);
	add_forms(out);
}
