/*
 * Growing byte buffers and lists of strings.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/text.h>

/* Makes room for `more` bytes and the NUL behind them. */
static void reserve(struct uni_buf *buf, size_t more)
{
	size_t need = buf->size + more + 1;
	if (need <= buf->size)
		need = SIZE_MAX; /* overflow: let the allocation fail */
	if (need <= buf->room)
		return;
	size_t room = buf->room < 64 ? 64 : buf->room;
	while (room < need)
		room = room > SIZE_MAX / 2 ? need : room * 2;
	buf->data = uni_realloc_array(buf->data, room, 1);
	buf->room = room;
}

void uni_buf_free(struct uni_buf *buf)
{
	free(buf->data);
	*buf = (struct uni_buf)UNI_BUF_INIT;
}

void uni_buf_clear(struct uni_buf *buf)
{
	buf->size = 0;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

void uni_buf_add(struct uni_buf *buf, const void *data, size_t size)
{
	reserve(buf, size);
	if (size != 0)
		memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

void uni_buf_puts(struct uni_buf *buf, const char *text)
{
	uni_buf_add(buf, text, strlen(text));
}

void uni_buf_putc(struct uni_buf *buf, char c)
{
	uni_buf_add(buf, &c, 1);
}

void uni_buf_printf(struct uni_buf *buf, const char *fmt, ...)
{
	va_list args;
	va_list again;
	va_start(args, fmt);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (length > 0) {
		reserve(buf, (size_t)length);
		vsnprintf(buf->data + buf->size, (size_t)length + 1, fmt, again);
		buf->size += (size_t)length;
	}
	va_end(again);
}

void uni_buf_quote(struct uni_buf *buf, const char *text)
{
	uni_buf_putc(buf, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			uni_buf_putc(buf, '\\');
		uni_buf_putc(buf, *text);
	}
	uni_buf_putc(buf, '"');
}

void uni_buf_pad(struct uni_buf *buf, size_t size)
{
	if (size <= buf->size)
		return;
	reserve(buf, size - buf->size);
	memset(buf->data + buf->size, 0, size - buf->size + 1);
	buf->size = size;
}

char *uni_buf_take(struct uni_buf *buf)
{
	char *data = buf->data != NULL ? buf->data : uni_strdup("");
	*buf = (struct uni_buf)UNI_BUF_INIT;
	return data;
}

const char *uni_buf_text(const struct uni_buf *buf)
{
	return buf->data != NULL ? buf->data : "";
}

void uni_strv_free(struct uni_strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct uni_strv){ .items = NULL };
}

void uni_strv_take(struct uni_strv *v, char *text)
{
	if (v->count + 1 >= v->room) {
		v->room = v->room != 0 ? v->room * 2 : 8;
		v->items = uni_realloc_array(v->items, v->room, sizeof(*v->items));
	}
	v->items[v->count++] = text;
	v->items[v->count] = NULL;
}

void uni_strv_add(struct uni_strv *v, const char *text)
{
	uni_strv_take(v, uni_strdup(text));
}

void uni_strv_addf(struct uni_strv *v, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, fmt);
	int length = vasprintf(&text, fmt, args);
	va_end(args);
	uni_strv_take(v, length >= 0 ? text : uni_alloc(SIZE_MAX));
}

bool uni_strv_has(const struct uni_strv *v, const char *text)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->items[i], text) == 0)
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void uni_strv_sort(struct uni_strv *v)
{
	if (v->count > 1)
		qsort(v->items, v->count, sizeof(*v->items), by_bytes);
}
