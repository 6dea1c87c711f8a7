/*
 * JSON: escaping for writers, and jansson behind a few questions for readers.
 */
#include <jansson.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/base/system.h>

#define CANONICAL_DEPTH 64
#define UTF8_LONGEST 4

#define FNS(X)                                                                                     \
	X(json_loadb)                                                                              \
	X(json_delete)                                                                             \
	X(json_object_get)                                                                         \
	X(json_object_size)                                                                        \
	X(json_array_size)                                                                         \
	X(json_array_get)                                                                          \
	X(json_string_value)                                                                       \
	X(json_integer_value)                                                                      \
	X(json_object_iter)                                                                        \
	X(json_object_iter_next)                                                                   \
	X(json_object_iter_key)                                                                    \
	X(json_object_iter_value)

static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const names[] = { FNS(UNI_LAZY_NAME) };

void uni_json_string(struct uni_buf *out, const char *text)
{
	if (text == NULL) {
		uni_buf_puts(out, "null");
		return;
	}
	uni_buf_putc(out, '"');
	while (*text != '\0') {
		unsigned char c = (unsigned char)*text;
		size_t size = uni_utf8_length(text, strnlen(text, UTF8_LONGEST));

		if (c == '"' || c == '\\')
			uni_buf_printf(out, "\\%c", c);
		else if (c == '\n')
			uni_buf_puts(out, "\\n");
		else if (c < 0x20 || c == 0x7f)
			uni_buf_printf(out, "\\u%04x", c);
		else if (size == 0)
			uni_buf_puts(out, "\xef\xbf\xbd");
		else
			uni_buf_add(out, text, size);
		text += size != 0 ? size : 1;
	}
	uni_buf_putc(out, '"');
}

static const json_t *value_of(const struct uni_json *value)
{
	return (const json_t *)value;
}

static bool is(const struct uni_json *value, json_type type)
{
	return value != NULL && json_typeof(value_of(value)) == type;
}

int uni_json_parse(struct uni_json **document, const char *name, const char *text, size_t size,
		   struct uni_err *err)
{
	json_error_t trouble;
	json_t *root;
	int rc = uni_lazy_load("libjansson.so.4", names, UNI_COUNT(names), &lib, err);

	*document = NULL;
	if (rc != 0)
		return rc;
	root = lib.json_loadb(text, size, JSON_REJECT_DUPLICATES, &trouble);
	if (root == NULL)
		return uni_err_set(err, UNI_E_PARSE, "%s:%d:%d: %s", name, trouble.line,
				   trouble.column, trouble.text);
	*document = (struct uni_json *)root;
	return 0;
}

void uni_json_free(struct uni_json *document)
{
	/* Nobody else holds a reference: the document came from us alone. */
	if (document != NULL)
		lib.json_delete((json_t *)document);
}

const struct uni_json *uni_json_get(const struct uni_json *object, const char *key)
{
	if (!is(object, JSON_OBJECT))
		return NULL;
	return (const struct uni_json *)lib.json_object_get(value_of(object), key);
}

bool uni_json_is_object(const struct uni_json *value)
{
	return is(value, JSON_OBJECT);
}

bool uni_json_is_array(const struct uni_json *value)
{
	return is(value, JSON_ARRAY);
}

size_t uni_json_count(const struct uni_json *value)
{
	if (is(value, JSON_OBJECT))
		return lib.json_object_size(value_of(value));
	return is(value, JSON_ARRAY) ? lib.json_array_size(value_of(value)) : 0;
}

const struct uni_json *uni_json_item(const struct uni_json *array, size_t index)
{
	if (!is(array, JSON_ARRAY))
		return NULL;
	return (const struct uni_json *)lib.json_array_get(value_of(array), index);
}

const char *uni_json_text(const struct uni_json *value)
{
	return is(value, JSON_STRING) ? lib.json_string_value(value_of(value)) : NULL;
}

bool uni_json_u64(const struct uni_json *value, uint64_t *number)
{
	json_int_t found = is(value, JSON_INTEGER) ? lib.json_integer_value(value_of(value)) : -1;

	if (found < 0)
		return false;
	*number = (uint64_t)found;
	return true;
}

bool uni_json_bool(const struct uni_json *value, bool *truth)
{
	if (!is(value, JSON_TRUE) && !is(value, JSON_FALSE))
		return false;
	*truth = is(value, JSON_TRUE);
	return true;
}

bool uni_json_only(const struct uni_json *object, const char *const *keys, size_t count)
{
	size_t known = 0;

	for (size_t i = 0; i < count; i++)
		known += uni_json_get(object, keys[i]) != NULL;
	return is(object, JSON_OBJECT) && known == uni_json_count(object);
}

struct member {
	const char *key;
	const struct uni_json *value;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* Sorted, owned by the caller; uni_json_count of them. */
static struct member *members(const struct uni_json *object)
{
	size_t count = uni_json_count(object), used = 0;
	struct member *list = uni_alloc_array(count + 1, sizeof(*list));
	/* jansson's iterator wants an object that it may change; it does not. */
	json_t *changeable;

	memcpy(&changeable, &object, sizeof(object));
	for (void *at = lib.json_object_iter(changeable); at != NULL && used < count;
	     at = lib.json_object_iter_next(changeable, at))
		list[used++] = (struct member){
			.key = lib.json_object_iter_key(at),
			.value = (const struct uni_json *)lib.json_object_iter_value(at)
		};
	qsort(list, used, sizeof(*list), by_key);
	return list;
}

int uni_json_each(const struct uni_json *object,
		  int (*fn)(void *user, const char *key, const struct uni_json *value,
			    struct uni_err *err),
		  void *user, struct uni_err *err)
{
	if (!is(object, JSON_OBJECT))
		return 0;
	struct member *list UNI_AUTO_FREE = members(object);
	size_t count = uni_json_count(object);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = fn(user, list[i].key, list[i].value, err);
	return rc;
}

static int canonical(const struct uni_json *value, unsigned depth, struct uni_buf *out,
		     struct uni_err *err);

static int canonical_object(const struct uni_json *value, unsigned depth, struct uni_buf *out,
			    struct uni_err *err)
{
	struct member *list UNI_AUTO_FREE = members(value);
	size_t count = uni_json_count(value);
	int rc = 0;

	uni_buf_putc(out, '{');
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (i != 0)
			uni_buf_putc(out, ',');
		uni_buf_quote(out, list[i].key);
		uni_buf_putc(out, ':');
		rc = canonical(list[i].value, depth + 1, out, err);
	}
	uni_buf_putc(out, '}');
	return rc;
}

static int canonical(const struct uni_json *value, unsigned depth, struct uni_buf *out,
		     struct uni_err *err)
{
	int rc = 0;

	if (depth > CANONICAL_DEPTH)
		return uni_err_set(err, UNI_E_LIMIT, "nested too deeply");
	switch (json_typeof(value_of(value))) {
	case JSON_OBJECT:
		return canonical_object(value, depth, out, err);
	case JSON_ARRAY:
		uni_buf_putc(out, '[');
		for (size_t i = 0; rc == 0 && i < uni_json_count(value); i++) {
			if (i != 0)
				uni_buf_putc(out, ',');
			rc = canonical(uni_json_item(value, i), depth + 1, out, err);
		}
		uni_buf_putc(out, ']');
		return rc;
	case JSON_STRING:
		uni_buf_quote(out, uni_json_text(value));
		return 0;
	case JSON_INTEGER:
		uni_buf_printf(out, "%" JSON_INTEGER_FORMAT,
			       lib.json_integer_value(value_of(value)));
		return 0;
	case JSON_TRUE:
		uni_buf_puts(out, "true");
		return 0;
	case JSON_FALSE:
		uni_buf_puts(out, "false");
		return 0;
	case JSON_NULL:
		uni_buf_puts(out, "null");
		return 0;
	case JSON_REAL:
	default:
		return uni_err_set(err, UNI_E_PARSE, "a number that is not whole");
	}
}

int uni_json_canonical(const struct uni_json *value, struct uni_buf *out, struct uni_err *err)
{
	return value == NULL ? uni_err_set(err, UNI_E_PARSE, "nothing is there")
			     : canonical(value, 0, out, err);
}
