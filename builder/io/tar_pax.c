/*
 * The records of a pax extended header: "LENGTH KEY=VALUE\n", one behind the other.
 */
#include "tar.h"
#include <string.h>

#define XATTR_PREFIX "SCHILY.xattr."
#define XATTR_COUNT_MAX 1024

void tar_extended_clear(struct tar_extended *extended)
{
	for (size_t i = 0; i < extended->xattr_count; i++) {
		/* They are ours; the entry alone shows them as const. */
		free((void *)(uintptr_t)extended->xattrs[i].name);
		free((void *)(uintptr_t)extended->xattrs[i].value);
	}
	free(extended->xattrs);
	free(extended->path);
	free(extended->target);
	*extended = (struct tar_extended){ .path = NULL };
}

struct record {
	const char *key;
	size_t key_size;
	const char *value;
	size_t value_size;
};

/* Takes the record at *at; false when it is none. */
static bool record_take(const char **at, const char *end, struct record *record)
{
	size_t length = 0;
	const char *p = *at;
	for (; p < end && *p >= '0' && *p <= '9' && length < (1u << 30); p++)
		length = length * 10 + (size_t)(*p - '0');
	if (p == *at || p == end || *p != ' ' || length > (size_t)(end - *at) ||
	    length < (size_t)(p - *at) + 3)
		return false;
	const char *last = *at + length - 1;
	const char *key = p + 1;
	const char *equals = memchr(key, '=', (size_t)(last - key));
	if (*last != '\n' || equals == NULL || equals == key)
		return false;
	*record = (struct record){ key, (size_t)(equals - key), equals + 1,
				   (size_t)(last - equals - 1) };
	*at = last + 1;
	return true;
}

static bool key_is(const struct record *record, const char *key)
{
	return record->key_size == strlen(key) && memcmp(record->key, key, record->key_size) == 0;
}

/* A decimal number; of a fraction, as times have it, the whole part towards the past. */
static bool number(const struct record *record, bool fraction, int64_t *value)
{
	char text[32];
	uint64_t sum;
	if (record->value_size == 0 || record->value_size >= sizeof(text))
		return false;
	memcpy(text, record->value, record->value_size);
	text[record->value_size] = '\0';
	bool negative = text[0] == '-';
	char *digits = text + negative;
	char *dot = strchr(digits, '.');
	bool rest = false;
	if (dot != NULL) {
		if (!fraction || dot[1 + strspn(dot + 1, "0123456789")] != '\0')
			return false;
		rest = dot[1 + strspn(dot + 1, "0")] != '\0';
		*dot = '\0';
	}
	if (digits[0] == '0' && digits[1] == 'x')
		return false;
	if (!uni_str_u64(digits, &sum) || sum >= INT64_MAX)
		return false;
	*value = negative ? -(int64_t)sum - rest : (int64_t)sum;
	return true;
}

static int bad(const struct record *record, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "bad value of \"%.*s\" in an extended header",
			   (int)(record->key_size < 64 ? record->key_size : 64), record->key);
}

static int take_text(char **text, const struct record *record, const struct uni_tar_limits *limits,
		     struct uni_err *err)
{
	if (record->value_size > limits->path_size)
		return uni_err_set(err, UNI_E_LIMIT, "a path of %zu bytes is over the limit of %zu",
				   record->value_size, limits->path_size);
	if (memchr(record->value, '\0', record->value_size) != NULL)
		return bad(record, err);
	free(*text);
	*text = uni_strndup(record->value, record->value_size);
	return 0;
}

static int take_xattr(struct tar_extended *extended, const struct record *record,
		      struct uni_err *err)
{
	size_t prefix = strlen(XATTR_PREFIX);
	if (memchr(record->key, '\0', record->key_size) != NULL || record->key_size == prefix)
		return bad(record, err);
	if (extended->xattr_count == XATTR_COUNT_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d extended attributes",
				   XATTR_COUNT_MAX);
	UNI_PUSH_ROOM(extended->xattrs, extended->xattr_count, extended->xattr_room);
	extended->xattrs[extended->xattr_count++] = (struct uni_xattr){
		.name = uni_strndup(record->key + prefix, record->key_size - prefix),
		.value = uni_memdup(record->value, record->value_size),
		.size = record->value_size,
	};
	return 0;
}

static int take_id(uint32_t *id, bool *has, const struct record *record, struct uni_err *err)
{
	int64_t value;
	if (!number(record, false, &value) || value < 0 || value > UINT32_MAX)
		return bad(record, err);
	*id = (uint32_t)value;
	*has = true;
	return 0;
}

static int apply(struct tar_extended *extended, const struct record *record,
		 const struct uni_tar_limits *limits, struct uni_err *err)
{
	size_t prefix = strlen(XATTR_PREFIX);
	if (key_is(record, "path"))
		return take_text(&extended->path, record, limits, err);
	if (key_is(record, "linkpath"))
		return take_text(&extended->target, record, limits, err);
	if (key_is(record, "uid"))
		return take_id(&extended->uid, &extended->has_uid, record, err);
	if (key_is(record, "gid"))
		return take_id(&extended->gid, &extended->has_gid, record, err);
	if (key_is(record, "size")) {
		int64_t value;
		if (!number(record, false, &value) || value < 0)
			return bad(record, err);
		extended->size = (uint64_t)value;
		extended->has_size = true;
	} else if (key_is(record, "mtime")) {
		if (!number(record, true, &extended->mtime))
			return bad(record, err);
		extended->has_mtime = true;
	} else if (record->key_size > 10 && memcmp(record->key, "GNU.sparse", 10) == 0) {
		return uni_err_set(err, UNI_E_UNSUPPORTED, "sparse files are not supported");
	} else if (record->key_size >= prefix && memcmp(record->key, XATTR_PREFIX, prefix) == 0) {
		return take_xattr(extended, record, err);
	}
	return 0;
}

int tar_extended_parse(struct tar_extended *extended, const char *data, size_t size,
		       const struct uni_tar_limits *limits, struct uni_err *err)
{
	const char *end = data + size;
	while (data < end) {
		struct record record;
		if (!record_take(&data, end, &record))
			return uni_err_set(err, UNI_E_CORRUPT, "damaged extended header");
		int rc = apply(extended, &record, limits, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}
