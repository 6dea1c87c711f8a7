/*
 * What was chosen before. As long as the indexes that were asked are what they were (one request
 * each tells), the same needs have the same answer, and neither metadata nor packages' versions are
 * read again. Answers stand in the state folder, beside the roots that are trusted, and hold no
 * longer than what they were made of.
 */
#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <unistd.h>

#define ANSWER_MAX (4u << 20)
#define ANSWERS_MAX 256

void answer_free(struct answer *answer)
{
	free(answer->file);
	answer->file = NULL;
}

static char *answers_dir(void)
{
	char *dir UNI_AUTO_FREE = index_state_dir("");
	return uni_path_join(dir, ".answers");
}

static void add_index(struct uni_hash *hash, const struct uni_index_entry *entry)
{
	uni_hash_add_text(hash, entry->name);
	uni_hash_add_text(hash, entry->url);
	uni_hash_add(hash, entry->root.bytes, sizeof(entry->root.bytes));
}

void answer_begin(struct answer *answer, struct uni_indexes *indexes, const struct uni_need *needs,
		  size_t count, const char *arch)
{
	struct index *index;
	struct uni_hash hash;
	char hex[65];
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni answer 1");
	uni_hash_add_text(&hash, arch);
	for (size_t i = 0; (index = indexes_item(indexes, i)) != NULL; i++)
		add_index(&hash, index->entry);
	uni_hash_add_u64(&hash, count);
	for (size_t i = 0; i < count; i++) {
		uni_hash_add_text(&hash, needs[i].name);
		uni_hash_add_text(&hash, needs[i].range != NULL ? needs[i].range : "");
	}
	struct uni_digest key = uni_hash_end(&hash);
	uni_hex(key.bytes, sizeof(key.bytes), hex);
	char *dir UNI_AUTO_FREE = answers_dir();
	answer->file = uni_path_join(dir, hex);
	answer->indexes = indexes;
}

static bool take_pin(const struct uni_json *one, struct uni_pins *pins)
{
	const char *digest = uni_json_text(uni_json_get(one, "sha256"));
	struct uni_pin pin = { .size = 0 };
	struct {
		const char *key;
		char **to;
	} texts[] = { { "name", &pin.name },
		      { "version", &pin.version },
		      { "index", &pin.index },
		      { "path", &pin.path } };
	bool sound = digest != NULL && uni_digest_parse(digest, &pin.digest) &&
		     uni_json_u64(uni_json_get(one, "size"), &pin.size);
	for (size_t i = 0; i < UNI_COUNT(texts); i++) {
		const char *text = uni_json_text(uni_json_get(one, texts[i].key));
		sound &= text != NULL;
		*texts[i].to = text != NULL ? uni_strdup(text) : NULL;
	}
	if (sound)
		uni_pins_put(pins, &pin);
	for (size_t i = 0; i < UNI_COUNT(texts); i++)
		free(*texts[i].to);
	return sound;
}

/* 1: every index that was asked then is what it was. */
static int holds(const struct answer *answer, const struct uni_json *json, struct uni_err *err)
{
	const struct uni_json *asked = uni_json_get(json, "indexes");
	uint64_t expires;
	if (!uni_json_u64(uni_json_get(json, "expires"), &expires) ||
	    expires <= (uint64_t)indexes_options(answer->indexes)->now ||
	    uni_json_count(asked) == 0)
		return 0;
	for (size_t i = 0; i < uni_json_count(asked); i++) {
		const char *text = uni_json_text(uni_json_item(asked, i));
		struct index *index = indexes_item(answer->indexes, i);
		struct uni_digest then;
		if (index == NULL || text == NULL || !uni_digest_parse(text, &then))
			return 0;
		int rc = indexes_probe(answer->indexes, index, err);
		if (rc != 1)
			return rc;
		struct uni_digest now = index->kind->identity(index->open);
		if (!uni_digest_eq(&now, &then))
			return 0;
	}
	return 1;
}

int answer_find(const struct answer *answer, struct uni_pins *pins, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	if (indexes_options(answer->indexes)->offline ||
	    uni_file_read(answer->file, ANSWER_MAX, &text, &ignored) != 0 ||
	    uni_json_parse(&json, answer->file, uni_buf_text(&text), text.size, &ignored) != 0)
		return 0;
	int rc = holds(answer, json, err);
	if (rc != 1)
		return rc;
	const struct uni_json *chosen = uni_json_get(json, "packages");
	for (size_t i = 0; i < uni_json_count(chosen); i++)
		if (!take_pin(uni_json_item(chosen, i), pins)) {
			uni_pins_free(pins);
			return 0;
		}
	return 1;
}

/* Old ones go all together: what they cost is one resolution each. */
static void make_room(const char *dir)
{
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_err ignored = UNI_ERR_INIT;
	if (uni_dir_list(dir, &names, &ignored) != 0 || names.count < ANSWERS_MAX)
		return;
	for (size_t i = 0; i < names.count; i++) {
		char *file UNI_AUTO_FREE = uni_path_join(dir, names.items[i]);
		unlink(file);
	}
}

static void put(struct uni_buf *out, const char *key, const char *value)
{
	uni_buf_printf(out, "\"%s\": ", key);
	uni_json_string(out, value);
	uni_buf_puts(out, ", ");
}

static void put_pin(struct uni_buf *out, const struct uni_pin *pin)
{
	char digest[UNI_DIGEST_TEXT];
	uni_digest_text(&pin->digest, digest);
	uni_buf_puts(out, "{");
	put(out, "name", pin->name);
	put(out, "version", pin->version);
	put(out, "index", pin->index);
	put(out, "path", pin->path);
	put(out, "sha256", digest);
	uni_buf_printf(out, "\"size\": %" PRIu64 "}", pin->size);
}

/* A state folder that cannot be written costs time, and nothing else. */
void answer_keep(const struct answer *answer, const struct uni_pins *pins)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char *dir UNI_AUTO_FREE = uni_path_dir(answer->file);
	int64_t expires = INT64_MAX;
	if (indexes_options(answer->indexes)->offline)
		return;
	uni_buf_puts(&out, "{\"indexes\": [");
	for (size_t i = 0; i < indexes_fresh(answer->indexes); i++) {
		struct index *index = indexes_item(answer->indexes, i);
		struct uni_digest identity = index->kind->identity(index->open);
		int64_t end = index->kind->expires(index->open);
		char text[UNI_DIGEST_TEXT];
		uni_digest_text(&identity, text);
		uni_buf_printf(&out, "%s\"%s\"", i != 0 ? ", " : "", text);
		expires = end < expires ? end : expires;
	}
	uni_buf_printf(&out, "], \"expires\": %" PRId64 ", \"packages\": [\n", expires);
	for (size_t i = 0; i < pins->count; i++) {
		uni_buf_puts(&out, i != 0 ? ",\n" : "");
		put_pin(&out, &pins->items[i]);
	}
	uni_buf_puts(&out, "\n]}\n");
	if (uni_dir_make(dir, 0755, &ignored) != 0)
		return;
	make_room(dir);
	(void)uni_file_write(answer->file, out.data, out.size, 0644, &ignored);
}
