/*
 * Secrets among files and volumes. They are found while a step reads what it writes, and its result
 * says so for as long as it is in the store; whether that is permitted is asked each time it is
 * used, since it changes no byte of what is built. In a result's text:
 *
 *   secret KIND PATH	with KIND a number of enum uni_secret; the path is to the end of the line
 *   secrets COUNT	how many there are, when these are not all
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define LISTED_MAX 64

struct noting {
	struct uni_buf *words;
	size_t count;
};

static int note(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	struct noting *noting = user;

	(void)err;
	if (entry->secret == UNI_SECRET_NONE || ++noting->count > LISTED_MAX)
		return 0;
	uni_buf_printf(noting->words, "secret %d ", (int)entry->secret);
	for (const char *c = entry->meta.path; *c != '\0'; c++)
		uni_buf_putc(noting->words, *c == '\n' ? '?' : *c);
	uni_buf_putc(noting->words, '\n');
	return 0;
}

void secrets_note(const struct uni_tree *tree, struct uni_store_record *record)
{
	struct uni_buf words UNI_AUTO_BUF = UNI_BUF_INIT;
	struct noting noting = { .words = &words };
	struct uni_err ignored = UNI_ERR_INIT;

	(void)uni_tree_each(tree, note, &noting, &ignored);
	if (noting.count == 0)
		return;
	if (noting.count > LISTED_MAX)
		uni_buf_printf(&words, "secrets %zu\n", noting.count);
	if (record->meta != NULL) {
		char *meta = uni_asprintf("%s%s", record->meta, uni_buf_text(&words));

		free(record->meta);
		record->meta = meta;
	} else {
		record->meta = uni_buf_take(&words);
	}
}

static const struct uni_recipe_file *file_at(const struct build *b, const char *path)
{
	for (size_t i = 0; i < b->recipe->file_count; i++)
		if (strcmp(b->recipe->files[i].path + 1, path) == 0)
			return &b->recipe->files[i];
	return NULL;
}

static bool permitted(const struct build *b, const struct uni_recipe_volume *volume,
		      const char *path)
{
	const struct uni_recipe_file *file;

	if (volume == NULL) {
		file = file_at(b, path);
		return file != NULL && file->allow_secret;
	}
	for (size_t i = 0; i < volume->allow_secret.count; i++)
		if (strcmp(volume->allow_secret.items[i].text + 1, path) == 0)
			return true;
	return false;
}

struct found {
	const char *path; /* of the first that is not permitted */
	int kind;
	size_t refused, listed, all;
};

/* `text` is cut into its lines. */
static struct found read_words(const struct build *b, const struct uni_recipe_volume *volume,
			       char *text)
{
	struct found found = { .path = NULL };
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		int kind, path = 0;

		if (sscanf(l, "secrets %zu", &found.all) == 1 ||
		    sscanf(l, "secret %d %n", &kind, &path) != 1 || path == 0)
			continue;
		found.listed++;
		if (permitted(b, volume, l + path) || found.refused++ != 0)
			continue;
		found.path = l + path;
		found.kind = kind;
	}
	/* Of those that are not listed nobody can say that they are permitted. */
	if (found.all > found.listed)
		found.refused += found.all - found.listed;
	return found;
}

static int refuse(const struct build *b, const struct uni_recipe_volume *volume,
		  const struct found *found, struct uni_err *err)
{
	const char *path = found->path != NULL ? found->path : "a file that is not listed";
	const char *what = uni_secret_text((enum uni_secret)found->kind);
	const struct uni_recipe_file *file;
	char more[64] = "";
	int rc;

	if (found->refused > 1)
		snprintf(more, sizeof(more), ", and %zu more", found->refused - 1);
	if (volume != NULL) {
		rc = uni_recipe_error(
			b->recipe, volume->source.pos, UNI_E_DENIED, err,
			"volume \"%s\": \"/%s\" is %s%s; whoever has the image has it",
			volume->name, path, what, more);
		uni_err_hint(err,
			     "give it when the image starts, by a [[secret]]; to have it in the "
			     "image, allow-secret = [\"/%s\"] in the volume, or --allow-secret",
			     path);
		return rc;
	}
	file = file_at(b, path);
	rc = uni_recipe_error(
		b->recipe, file != NULL ? file->pos : (struct uni_pos){ 0 }, UNI_E_DENIED, err,
		"file \"/%s\" is %s%s; whoever has the image has it", path, what, more);
	uni_err_hint(err,
		     "give it when the image starts, by a [[secret]]; to have it in the image, "
		     "allow-secret = true in the [[file]], or --allow-secret");
	return rc;
}

int secrets_check(struct build *b, size_t step, struct uni_err *err)
{
	const struct uni_step *s = uni_plan_step(b->plan, step);
	const struct uni_store_record *record = &b->runs[step].record;
	const struct uni_recipe_volume *volume = NULL;
	char *text UNI_AUTO_FREE = NULL;
	struct found found;
	size_t index;

	if (b->options->allow_secret || (s->op != UNI_OP_VOLUME && s->op != UNI_OP_ROOT) ||
	    record->meta == NULL)
		return 0;
	if (s->op == UNI_OP_VOLUME)
		volume = volume_named(b, s->id, &index);
	text = uni_strdup(record->meta);
	found = read_words(b, volume, text);
	return found.refused != 0 ? refuse(b, volume, &found, err) : 0;
}
