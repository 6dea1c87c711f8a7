/*
 * JSON (RFC 8259): strings for those who write it, and a reader for documents from outside.
 */
#ifndef UNI_BASE_JSON_H
#define UNI_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/text.h>

/* In quotes, escaped; what is not UTF-8 becomes U+FFFD. NULL is null. */
void uni_json_string(struct uni_buf *out, const char *text);

/* A value, part of its document. Whoever asks a value for what it is not gets NULL, 0 or false,
 * also of the value NULL, so that a path of questions needs one check at its end. */
struct uni_json;

/* jansson, loaded on first use. Doubled keys are errors; `name` is the file in messages. */
int uni_json_parse(struct uni_json **document, const char *name, const char *text, size_t size,
		   struct uni_err *err);
void uni_json_free(struct uni_json *document);
UNI_AUTO_DEFINE(uni_json)

const struct uni_json *uni_json_get(const struct uni_json *object, const char *key);
bool uni_json_is_object(const struct uni_json *value);
bool uni_json_is_array(const struct uni_json *value);
size_t uni_json_count(const struct uni_json *value); /* of an object's members, an array's items */
const struct uni_json *uni_json_item(const struct uni_json *array, size_t index);
const char *uni_json_text(const struct uni_json *value);	   /* of a string */
bool uni_json_u64(const struct uni_json *value, uint64_t *number); /* a whole one from 0 */
bool uni_json_bool(const struct uni_json *value, bool *truth);
/* fn for each member of an object, sorted by bytes of the keys, until it returns other than 0. */
int uni_json_each(const struct uni_json *object,
		  int (*fn)(void *user, const char *key, const struct uni_json *value,
			    struct uni_err *err),
		  void *user, struct uni_err *err);
/* OLPC's canonical JSON, over which TUF signs: sorted keys, no spaces, only quote and backslash
 * escaped (uni_buf_quote). UNI_E_PARSE for a number that is not whole, UNI_E_LIMIT beyond 64
 * levels. */
int uni_json_canonical(const struct uni_json *value, struct uni_buf *out, struct uni_err *err);
/* Whether the object has no other keys than these. */
bool uni_json_only(const struct uni_json *object, const char *const *keys, size_t count);

#endif
