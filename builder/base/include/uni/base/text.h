/*
 * Text and byte buffers, number parsing without surprises, UTF-8, hex, sorting by bytes. Nothing
 * here looks at the locale.
 */
#ifndef UNI_BASE_TEXT_H
#define UNI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/mem.h>

/* A growing buffer; `data` is always NUL-terminated behind `size` once something was added, else
 * NULL. */
struct uni_buf {
	char *data;
	size_t size;
	size_t room;
};
#define UNI_BUF_INIT                                                                               \
	{                                                                                          \
		.data = NULL                                                                       \
	}
#define UNI_AUTO_BUF __attribute__((cleanup(uni_buf_free)))

void uni_buf_free(struct uni_buf *buf); /* may be used again afterwards */
void uni_buf_clear(struct uni_buf *buf);
void uni_buf_add(struct uni_buf *buf, const void *data, size_t size);
void uni_buf_puts(struct uni_buf *buf, const char *text);
void uni_buf_putc(struct uni_buf *buf, char c);
void uni_buf_printf(struct uni_buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* In double quotes, with a backslash before each of these and of backslashes: a word of xl.cfg's,
 * of gdb's, a string of canonical JSON. Control characters stay as they are. */
void uni_buf_quote(struct uni_buf *buf, const char *text);
void uni_buf_pad(struct uni_buf *buf, size_t size); /* adds zero bytes until `size` is reached */
char *uni_buf_take(struct uni_buf *buf); /* the text (never NULL), owned by the caller; the buffer
					    is empty after */
const char *uni_buf_text(const struct uni_buf *buf); /* never NULL */

/* A list of owned strings. */
struct uni_strv {
	char **items; /* NULL-terminated once something was added, so it can be an argv */
	size_t count;
	size_t room;
};
#define UNI_AUTO_STRV __attribute__((cleanup(uni_strv_free)))
void uni_strv_free(struct uni_strv *v);
void uni_strv_add(struct uni_strv *v, const char *text);
void uni_strv_take(struct uni_strv *v, char *text);
void uni_strv_addf(struct uni_strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool uni_strv_has(const struct uni_strv *v, const char *text);
void uni_strv_sort(struct uni_strv *v); /* by bytes */

bool uni_str_eq(const char *a, const char *b); /* NULL equals nothing */
bool uni_str_starts(const char *text, const char *prefix);
bool uni_str_ends(const char *text, const char *suffix);
/* Whole text as decimal (or 0x...) number; false on anything else or overflow. */
bool uni_str_u64(const char *text, uint64_t *value);
/* "64", "512K", "16M", "1G", "2T" (powers of 1024, an "iB" or "B" behind is allowed); false when
 * not that. */
bool uni_str_size(const char *text, uint64_t *value);
/* "3.4 MB" style for people (decimal units). Static per-thread ring of 4. */
const char *uni_size_text(uint64_t bytes);
/* Bytes of the well-formed character that starts the `left` bytes of `text` (at least one), 0
 * when there is none (Unicode 15, table 3-7: no overlong forms, no surrogates, none above
 * U+10FFFF). */
size_t uni_utf8_length(const char *text, size_t left);
bool uni_utf8_valid(const char *text, size_t size);
void uni_hex(const void *data, size_t size, char *out /* 2 * size + 1 */);
/* RFC 4648, section 4, with padding; `out` of UNI_BASE64_ROOM(size) bytes. */
#define UNI_BASE64_ROOM(size) (((size) + 2) / 3 * 4 + 1)
void uni_base64(const void *data, size_t size, char *out);
/* The reverse, padding wanted; false for anything else, or when `room` is too small. */
bool uni_unbase64(const char *text, void *out, size_t room, size_t *size);
int uni_hex_digit(char c);				 /* 0 to 15; 16: it is none */
bool uni_unhex(const char *hex, void *out, size_t size); /* exactly 2 * size digits */
/* Edit distance, cut at 64 bytes; to name the nearest known word. NULL when none is near. */
const char *uni_str_nearest(const char *word, const char *const *known, size_t count);

#endif
