/*
 * TOML documents: the arena that holds one, tables and how keys are found in them. A table keeps
 * its members twice: as a list in the file's order, and in an AA tree (Andersson 1993) ordered by
 * key, because a hash table of a hostile file's keys can be made slow and a list is always slow.
 */
#include "toml.h"

#include <string.h>

enum { CHUNK_SIZE = 32768 };

void *toml_alloc(struct uni_toml *doc, size_t size)
{
	struct toml_chunk *chunk = doc->chunks;
	void *result;

	size = (size + 15) & ~(size_t)15;
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		chunk = uni_alloc(sizeof(*chunk) + room);
		chunk->size = room;
		chunk->next = doc->chunks;
		doc->chunks = chunk;
	}
	result = chunk->data + chunk->used;
	chunk->used += size;
	return result;
}

const char *toml_copy(struct uni_toml *doc, const char *text, size_t size)
{
	char *copy = toml_alloc(doc, size + 1);

	if (size != 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

struct uni_toml_value *toml_new_value(struct toml_reader *r, enum uni_toml_type type,
				      struct uni_pos pos)
{
	struct uni_toml_value *value;

	if (r->doc->values == UNI_TOML_VALUES_MAX) {
		if (!r->over_limit)
			toml_fail(r, pos, NULL, "the file has more than %u values",
				  UNI_TOML_VALUES_MAX);
		r->over_limit = true;
		return NULL;
	}
	r->doc->values++;
	value = toml_alloc(r->doc, sizeof(*value));
	value->type = type;
	value->pos = pos;
	return value;
}

void toml_append(struct uni_toml_value *array, struct uni_toml_value *item)
{
	item->next = NULL;
	if (array->list.last != NULL)
		array->list.last->next = item;
	else
		array->list.first = item;
	array->list.last = item;
	array->list.count++;
}

static int key_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	if (order != 0 || a_size == b_size)
		return order;
	return a_size < b_size ? -1 : 1;
}

static struct uni_toml_value *tree_skew(struct uni_toml_value *node)
{
	struct uni_toml_value *left = node->left;

	if (left == NULL || left->level != node->level)
		return node;
	node->left = left->right;
	left->right = node;
	return left;
}

static struct uni_toml_value *tree_split(struct uni_toml_value *node)
{
	struct uni_toml_value *right = node->right;

	if (right == NULL || right->right == NULL || right->right->level != node->level)
		return node;
	node->right = right->left;
	right->left = node;
	right->level++;
	return right;
}

/* As deep as the tree is, at most twice the logarithm of UNI_TOML_VALUES_MAX. */
static struct uni_toml_value *tree_insert(struct uni_toml_value *node, struct uni_toml_value *item)
{
	if (node == NULL) {
		item->left = item->right = NULL;
		item->level = 1;
		return item;
	}
	if (key_compare(item->key, item->key_size, node->key, node->key_size) < 0)
		node->left = tree_insert(node->left, item);
	else
		node->right = tree_insert(node->right, item);
	return tree_split(tree_skew(node));
}

void toml_insert(struct uni_toml_value *table, struct uni_toml_value *item)
{
	toml_append(table, item);
	table->list.root = tree_insert(table->list.root, item);
}

struct uni_toml_value *uni_toml_find(const struct uni_toml_value *table, const char *key,
				     size_t size)
{
	struct uni_toml_value *node = table->list.root;

	while (node != NULL) {
		int order = key_compare(key, size, node->key, node->key_size);

		if (order == 0)
			return node;
		node = order < 0 ? node->left : node->right;
	}
	return NULL;
}

struct uni_toml_value *uni_toml_get(const struct uni_toml_value *table, const char *key)
{
	return uni_toml_find(table, key, strlen(key));
}

struct uni_toml_value *uni_toml_root(struct uni_toml *toml)
{
	return &toml->root;
}

const char *uni_toml_type_name(enum uni_toml_type type)
{
	switch (type) {
	case UNI_TOML_STRING:
		return "a string";
	case UNI_TOML_INTEGER:
		return "an integer";
	case UNI_TOML_FLOAT:
		return "a floating-point number";
	case UNI_TOML_BOOL:
		return "a boolean";
	case UNI_TOML_DATETIME:
		return "a date and time";
	case UNI_TOML_LOCAL_DATETIME:
		return "a local date and time";
	case UNI_TOML_LOCAL_DATE:
		return "a local date";
	case UNI_TOML_LOCAL_TIME:
		return "a local time";
	case UNI_TOML_ARRAY:
		return "an array";
	case UNI_TOML_TABLE:
		return "a table";
	}
	return "a value";
}

int uni_toml_parse_partial(struct uni_toml **out, const char *name, const char *text, size_t size,
			   struct uni_diags *diags, struct uni_err *err)
{
	size_t errors = diags->errors;
	struct toml_reader r = { .name = name, .diags = diags };

	r.doc = uni_alloc(sizeof(*r.doc));
	r.doc->root.type = UNI_TOML_TABLE;
	r.doc->root.flags = TOML_HEADER;
	r.doc->root.pos = (struct uni_pos){ 1, 1 };
	*out = r.doc;
	if (size > UNI_TOML_MAX) {
		r.over_limit = true;
		uni_diags_error(diags, name, (struct uni_pos){ 0, 0 },
				"the file has more than %u bytes", UNI_TOML_MAX);
	} else if (toml_check_utf8(&r, text, size)) {
		toml_read(&r);
	}
	uni_buf_free(&r.scratch);
	if (diags->errors == errors)
		return 0;
	return uni_diags_err(diags, r.over_limit ? UNI_E_LIMIT : UNI_E_PARSE, err);
}

int uni_toml_parse(struct uni_toml **out, const char *name, const char *text, size_t size,
		   struct uni_diags *diags, struct uni_err *err)
{
	int code = uni_toml_parse_partial(out, name, text, size, diags, err);

	if (code != 0) {
		uni_toml_free(*out);
		*out = NULL;
	}
	return code;
}

void uni_toml_free(struct uni_toml *toml)
{
	if (toml == NULL)
		return;
	while (toml->chunks != NULL) {
		struct toml_chunk *next = toml->chunks->next;

		free(toml->chunks);
		toml->chunks = next;
	}
	free(toml);
}
