/*
 * Formatted text: %d %i %u %x %X %o %c %s %p %% with flags '-', '0', '#', width, precision and the
 * lengths hh h l ll z j t. No floating point: the kernel has none.
 */
#include <uk/errno.h>
#include <uk/types.h>

struct out {
	char *to;
	size_t room;
	size_t size; /* wanted so far */
};

struct spec {
	bool left, zero, alt, upper;
	int width;
	int precision; /* -1: none */
	int length;    /* 0 int, 1 long or larger, -1 short, -2 char */
};

static void put(struct out *o, char c)
{
	if (o->size + 1 < o->room)
		o->to[o->size] = c;
	o->size++;
}

static void pad(struct out *o, char c, int count)
{
	while (count-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int size)
{
	if (!s->left)
		pad(o, ' ', s->width - size);
	for (int i = 0; i < size; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', s->width - size);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base,
		       const char *prefix)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	char digits[24];
	int n = 0, zeros, body;

	for (uint64_t rest = v; rest != 0; rest /= base)
		digits[n++] = (s->upper ? upper : lower)[rest % base];
	if (n == 0 && s->precision != 0)
		digits[n++] = '0';
	zeros = UK_MAX(0, s->precision - n);
	body = (int)strlen(prefix) + zeros + n;
	if (s->zero && !s->left && s->precision < 0 && s->width > body) {
		zeros += s->width - body;
		body = s->width;
	}
	if (!s->left)
		pad(o, ' ', s->width - body);
	while (*prefix != 0)
		put(o, *prefix++);
	pad(o, '0', zeros);
	while (n > 0)
		put(o, digits[--n]);
	if (s->left)
		pad(o, ' ', s->width - body);
}

static int64_t signed_arg(const struct spec *s, __builtin_va_list *args)
{
	if (s->length > 0)
		return __builtin_va_arg(*args, long);
	int v = __builtin_va_arg(*args, int);
	return s->length == -1 ? (short)v : s->length == -2 ? (signed char)v : v;
}

static uint64_t unsigned_arg(const struct spec *s, __builtin_va_list *args)
{
	if (s->length > 0)
		return __builtin_va_arg(*args, unsigned long);
	unsigned v = __builtin_va_arg(*args, unsigned);
	return s->length == -1 ? (unsigned short)v : s->length == -2 ? (unsigned char)v : v;
}

static int number(const char **fmt, __builtin_va_list *args)
{
	int v = 0;

	if (**fmt == '*') {
		(*fmt)++;
		return __builtin_va_arg(*args, int);
	}
	while (**fmt >= '0' && **fmt <= '9' && v < 10000)
		v = v * 10 + *(*fmt)++ - '0';
	return v;
}

static const char *read_spec(const char *fmt, struct spec *s, __builtin_va_list *args)
{
	*s = (struct spec){ .precision = -1 };
	for (;; fmt++) {
		if (*fmt == '-')
			s->left = true;
		else if (*fmt == '0')
			s->zero = true;
		else if (*fmt == '#')
			s->alt = true;
		else
			break;
	}
	s->width = number(&fmt, args);
	if (*fmt == '.') {
		fmt++;
		s->precision = number(&fmt, args);
	}
	for (;; fmt++) {
		if (*fmt == 'l' || *fmt == 'z' || *fmt == 'j' || *fmt == 't')
			s->length = 1;
		else if (*fmt == 'h')
			s->length--;
		else
			return fmt;
	}
}

static void convert(struct out *o, struct spec *s, char kind, __builtin_va_list *args)
{
	if (kind == 'd' || kind == 'i') {
		int64_t v = signed_arg(s, args);

		put_number(o, s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0 ? "-" : "");
	} else if (kind == 'u') {
		put_number(o, s, unsigned_arg(s, args), 10, "");
	} else if (kind == 'o') {
		put_number(o, s, unsigned_arg(s, args), 8, s->alt ? "0" : "");
	} else if (kind == 'x' || kind == 'X') {
		s->upper = kind == 'X';
		put_number(o, s, unsigned_arg(s, args), 16, s->alt ? "0x" : "");
	} else if (kind == 'p') {
		put_number(o, s, (uintptr_t) __builtin_va_arg(*args, void *), 16, "0x");
	} else if (kind == 'c') {
		char c = (char)__builtin_va_arg(*args, int);

		put_text(o, s, &c, 1);
	} else if (kind == 's') {
		const char *text = __builtin_va_arg(*args, const char *);
		size_t max = s->precision < 0 ? INT32_MAX : (size_t)s->precision;

		if (text == NULL)
			text = "(null)";
		put_text(o, s, text, (int)strnlen(text, max));
	} else {
		put(o, '%');
		if (kind != '%' && kind != 0)
			put(o, kind);
	}
}

int uk_vsnprintf(char *to, size_t room, const char *fmt, __builtin_va_list list)
{
	struct out o = { to, room, 0 };
	__builtin_va_list args;

	__builtin_va_copy(args, list);
	while (*fmt != 0) {
		struct spec s;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = read_spec(fmt + 1, &s, &args);
		convert(&o, &s, *fmt, &args);
		if (*fmt != 0)
			fmt++;
	}
	__builtin_va_end(args);
	if (room != 0)
		to[UK_MIN(o.size, room - 1)] = 0;
	return (int)o.size;
}

int uk_snprintf(char *to, size_t room, const char *fmt, ...)
{
	__builtin_va_list args;
	int size;

	__builtin_va_start(args, fmt);
	size = uk_vsnprintf(to, room, fmt, args);
	__builtin_va_end(args);
	return size;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int64_t uk_unhex(const char *text, size_t size, void *to, size_t room)
{
	uint8_t *out = to;

	if (size % 2 != 0)
		return -UK_EIO;
	if (size / 2 > room)
		return -UK_EOVERFLOW;
	for (size_t i = 0; i < size; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);

		if (high < 0 || low < 0)
			return -UK_EIO;
		*out++ = (uint8_t)(high << 4 | low);
	}
	return (int64_t)(size / 2);
}
