/*
 * The list of findings: kept up to a bound, counted beyond it.
 */
#include <stdio.h>
#include <string.h>
#include <uni/recipes/diag.h>

/* A finding stays one line of whole characters, whatever it quotes. */
static void tidy(char *text, size_t size, int wanted)
{
	if (wanted >= (int)size) {
		size_t end = size - 1;

		while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
			end--;
		text[end > 0 && (unsigned char)text[end - 1] >= 0xc0 ? end - 1 : end] = '\0';
	}
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

__attribute__((format(printf, 5, 0))) static void add(struct uni_diags *diags,
						      enum uni_severity severity, const char *file,
						      struct uni_pos pos, const char *fmt,
						      va_list args)
{
	struct uni_diag *diag;
	char text[1024];

	if (severity == UNI_SEVERITY_ERROR)
		diags->errors++;
	if (diags->count == UNI_DIAGS_MAX) {
		diags->dropped++;
		return;
	}
	tidy(text, sizeof(text), vsnprintf(text, sizeof(text), fmt, args));
	UNI_PUSH_ROOM(diags->items, diags->count, diags->room);
	diag = &diags->items[diags->count++];
	*diag = (struct uni_diag){ .severity = severity, .pos = pos };
	diag->file = uni_strdup(file);
	diag->message = uni_strdup(text);
}

void uni_diags_error(struct uni_diags *diags, const char *file, struct uni_pos pos, const char *fmt,
		     ...)
{
	va_list args;

	va_start(args, fmt);
	add(diags, UNI_SEVERITY_ERROR, file, pos, fmt, args);
	va_end(args);
}

void uni_diags_warning(struct uni_diags *diags, const char *file, struct uni_pos pos,
		       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(diags, UNI_SEVERITY_WARNING, file, pos, fmt, args);
	va_end(args);
}

void uni_diags_hint(struct uni_diags *diags, const char *fmt, ...)
{
	struct uni_diag *diag;
	char text[512];
	va_list args;

	if (diags->count == 0 || diags->dropped != 0)
		return;
	va_start(args, fmt);
	tidy(text, sizeof(text), vsnprintf(text, sizeof(text), fmt, args));
	va_end(args);
	diag = &diags->items[diags->count - 1];
	free(diag->hint);
	diag->hint = uni_strdup(text);
}

static bool stands_before(const struct uni_diag *a, const struct uni_diag *b)
{
	int order = strcmp(a->file, b->file);

	if (order != 0)
		return order < 0;
	if (a->pos.line != b->pos.line)
		return a->pos.line < b->pos.line;
	return a->pos.column < b->pos.column;
}

/* By insertion: stable, and the list is short. */
void uni_diags_sort(struct uni_diags *diags)
{
	for (size_t i = 1; i < diags->count; i++) {
		struct uni_diag moving = diags->items[i];
		size_t place = i;

		for (; place > 0 && stands_before(&moving, &diags->items[place - 1]); place--)
			diags->items[place] = diags->items[place - 1];
		diags->items[place] = moving;
	}
}

void uni_diag_text(const struct uni_diag *diag, struct uni_buf *out)
{
	uni_buf_puts(out, diag->file);
	if (diag->pos.line != 0)
		uni_buf_printf(out, ":%u:%u", diag->pos.line, diag->pos.column);
	uni_buf_puts(out, ": ");
	if (diag->severity == UNI_SEVERITY_WARNING)
		uni_buf_puts(out, "warning: ");
	uni_buf_puts(out, diag->message);
}

int uni_diags_err(const struct uni_diags *diags, int code, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;

	for (size_t i = 0; i < diags->count; i++) {
		const struct uni_diag *diag = &diags->items[i];

		if (diag->severity != UNI_SEVERITY_ERROR)
			continue;
		uni_diag_text(diag, &text);
		if (diags->errors > 1)
			uni_buf_printf(&text, " (and %zu more)", diags->errors - 1);
		uni_err_set(err, code, "%s", uni_buf_text(&text));
		if (diag->hint != NULL)
			uni_err_hint(err, "%s", diag->hint);
		return code;
	}
	return uni_err_set(err, code, "%zu errors", diags->errors);
}

void uni_diags_free(struct uni_diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		free(diags->items[i].file);
		free(diags->items[i].message);
		free(diags->items[i].hint);
	}
	free(diags->items);
	*diags = (struct uni_diags)UNI_DIAGS_INIT;
}
