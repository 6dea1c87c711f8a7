/*
 * The pieces of a TOML writer: keys and strings, always spelled the same way.
 */
#include "toml.h"

#include <string.h>

void uni_toml_write_string(struct uni_buf *out, const char *text)
{
	uni_buf_putc(out, '"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			uni_buf_printf(out, "\\%c", c);
		else if (c == '\n')
			uni_buf_puts(out, "\\n");
		else if (c == '\t')
			uni_buf_puts(out, "\\t");
		else if (c < 0x20 || c == 0x7f)
			uni_buf_printf(out, "\\u%04X", (unsigned)c);
		else
			uni_buf_putc(out, (char)c);
	}
	uni_buf_putc(out, '"');
}

void uni_toml_write_key(struct uni_buf *out, const char *key)
{
	static const char bare[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	if (*key != '\0' && key[strspn(key, bare)] == '\0')
		uni_buf_puts(out, key);
	else
		uni_toml_write_string(out, key);
}
