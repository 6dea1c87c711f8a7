/*
 * A repository's metadata to files: canonical JSON, signed. All files are made before the first is
 * written, so that a key that is missing leaves everything as it was; the timestamp, which makes
 * the rest count, is written when that is there.
 *
 * A root that names other keys comes last of all. What these sign is signed by the old ones too, if
 * they are at hand: so whoever looks in between, or after we were killed, finds what either root
 * accepts.
 */
#include "repository.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#define SPEC "1.0.31"

struct output {
	char *name;
	struct uni_buf text;
};

struct outputs {
	struct output *items;
	size_t count, room;
};

static void outputs_free(struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->count; i++) {
		free(outputs->items[i].name);
		uni_buf_free(&outputs->items[i].text);
	}
	free(outputs->items);
}

/* --- pieces of metadata, keys in canonical order --- */

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, UNI_KEY_ID_TEXT);
}

/* {"ID":KEY,...} of several roles together. */
static void put_keys(struct uni_buf *out, const struct keys *const *lists, size_t count)
{
	size_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += lists[i]->count;
	struct entry {
		char id[UNI_KEY_ID_TEXT];
		const struct uni_public_key *key;
	} *all = uni_alloc_array(total + 1, sizeof(*all));
	total = 0;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < lists[i]->count; j++) {
			uni_public_key_id(&lists[i]->keys[j], all[total].id);
			all[total++].key = &lists[i]->keys[j];
		}
	qsort(all, total, sizeof(*all), by_id);
	uni_buf_putc(out, '{');
	for (size_t i = 0; i < total; i++) {
		if (i != 0 && strcmp(all[i].id, all[i - 1].id) == 0)
			continue;
		uni_buf_printf(out, "%s\"%s\":", i != 0 ? "," : "", all[i].id);
		uni_public_key_json(all[i].key, out);
	}
	uni_buf_putc(out, '}');
	free(all);
}

static void put_ids(struct uni_buf *out, const struct keys *keys)
{
	uni_buf_puts(out, "\"keyids\":[");
	for (size_t i = 0; i < keys->count; i++) {
		char id[UNI_KEY_ID_TEXT];
		uni_public_key_id(&keys->keys[i], id);
		uni_buf_printf(out, "%s\"%s\"", i != 0 ? "," : "", id);
	}
	uni_buf_putc(out, ']');
}

static void put_expires(const struct uni_tuf_repository *r, enum uni_tuf_role role,
			struct uni_buf *out)
{
	char text[32];
	meta_time_text(r->lifetimes.now + r->lifetimes.seconds[role], text);
	uni_buf_printf(out, "\"expires\":\"%s\"", text);
}

static void put_file(struct uni_buf *out, const struct uni_digest *digest, uint64_t size,
		     uint64_t version)
{
	char hex[65];
	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	uni_buf_printf(out, "{\"hashes\":{\"sha256\":\"%s\"},\"length\":%llu", hex,
		       (unsigned long long)size);
	if (version != 0)
		uni_buf_printf(out, ",\"version\":%llu", (unsigned long long)version);
	uni_buf_putc(out, '}');
}

/* --- signing --- */

/* Who signs a role: the keys that it has, and those that it had before. */
struct signing {
	const char *role;
	const struct keys *keys;
	struct keys also;
};

/* By those of the signers that either list has; each threshold is to be met. */
static int sign(const struct uni_tuf_repository *r, const struct signing *by,
		const struct uni_buf *content, struct uni_buf *out, struct uni_err *err)
{
	const struct keys *keys = by->keys, *also = &by->also;
	size_t by_keys = 0, by_also = 0, written = 0;
	uni_buf_puts(out, "{\"signatures\":[");
	for (size_t i = 0; i < r->signer_count; i++) {
		const struct uni_public_key *key = uni_signer_public(r->signers[i]);
		uint8_t signature[UNI_SIGNATURE_SIZE];
		char id[UNI_KEY_ID_TEXT], hex[2 * UNI_SIGNATURE_SIZE + 1];
		bool doubled = false, in = keys_have(keys, key);
		bool in_also = also->count != 0 && keys_have(also, key);
		for (size_t j = 0; j < i; j++)
			doubled |= uni_public_key_eq(key, uni_signer_public(r->signers[j]));
		if (doubled || (!in && !in_also))
			continue;
		int rc = uni_signer_sign(r->signers[i], content->data, content->size, signature,
					 err);
		if (rc != 0)
			return rc;
		by_keys += in;
		by_also += in_also;
		uni_public_key_id(key, id);
		uni_hex(signature, sizeof(signature), hex);
		uni_buf_printf(out, "%s{\"keyid\":\"%s\",\"sig\":\"%s\"}",
			       written++ != 0 ? "," : "", id, hex);
	}
	if (by_keys < keys->threshold || by_also < also->threshold)
		return uni_err_set(err, UNI_E_AUTH,
				   "%s needs %u signatures, and has the keys for %zu", by->role,
				   by_keys < keys->threshold ? keys->threshold : also->threshold,
				   by_keys < keys->threshold ? by_keys : by_also);
	uni_buf_puts(out, "],\"signed\":");
	uni_buf_add(out, content->data, content->size);
	uni_buf_puts(out, "}");
	return 0;
}

static int add_output(const struct uni_tuf_repository *r, struct outputs *outputs, char *name,
		      const struct signing *by, const struct uni_buf *content, struct uni_err *err)
{
	UNI_PUSH_ROOM(outputs->items, outputs->count, outputs->room);
	struct output *output = &outputs->items[outputs->count++];
	*output = (struct output){ .name = name };
	return sign(r, by, content, &output->text, err);
}

/* Those of before, of whom none need sign. */
static struct keys if_at_hand(const struct keys *old)
{
	return (struct keys){ .keys = old->keys, .count = old->count };
}

/* --- each role --- */

static int write_root(struct uni_tuf_repository *r, struct outputs *outputs, struct uni_err *err)
{
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;
	const struct keys *lists[UNI_TUF_ROLES];
	const struct signing by = { "root", &r->keys[UNI_TUF_ROOT], r->old[UNI_TUF_ROOT] };
	uint64_t version = ++r->versions[UNI_TUF_ROOT];
	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++)
		lists[role] = &r->keys[role];
	uni_buf_puts(&content, "{\"_type\":\"root\",\"consistent_snapshot\":true,");
	put_expires(r, UNI_TUF_ROOT, &content);
	uni_buf_puts(&content, ",\"keys\":");
	put_keys(&content, lists, UNI_TUF_ROLES);
	uni_buf_puts(&content, ",\"roles\":{");
	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++) {
		uni_buf_printf(&content, "%s\"%s\":{", role != 0 ? "," : "",
			       uni_tuf_role_name(role));
		put_ids(&content, lists[role]);
		uni_buf_printf(&content, ",\"threshold\":%u}", lists[role]->threshold);
	}
	uni_buf_printf(&content, "},\"spec_version\":\"%s\",\"version\":%llu}", SPEC,
		       (unsigned long long)version);
	return add_output(r, outputs, uni_asprintf("%llu.root.json", (unsigned long long)version),
			  &by, &content, err);
}

static void put_role(struct uni_buf *out, const char *name, const struct keys *keys,
		     const struct uni_strv *patterns)
{
	uni_buf_puts(out, "{");
	put_ids(out, keys);
	uni_buf_puts(out, ",\"name\":");
	uni_buf_quote(out, name);
	uni_buf_puts(out, ",\"paths\":[");
	for (size_t i = 0; i < patterns->count; i++) {
		uni_buf_puts(out, i != 0 ? "," : "");
		uni_buf_quote(out, patterns->items[i]);
	}
	uni_buf_printf(out, "],\"terminating\":true,\"threshold\":%u}", keys->threshold);
}

static void put_delegations(const struct uni_tuf_repository *r, struct uni_buf *out)
{
	const struct keys **lists UNI_AUTO_FREE =
		uni_alloc_array(r->publisher_count + 1, sizeof(*lists));
	char everything[] = "*", two[] = "*/*", three[] = "*/*/*";
	char *all[] = { everything, two, three, NULL };
	const struct uni_strv patterns = { .items = all, .count = 3 };
	size_t count = 0;
	for (size_t i = 0; i < r->publisher_count; i++)
		lists[count++] = &r->publishers[i].keys;
	if (r->bits != 0)
		lists[count++] = &r->keys[UNI_TUF_TARGETS];
	uni_buf_puts(out, "\"delegations\":{\"keys\":");
	put_keys(out, lists, count);
	uni_buf_puts(out, ",\"roles\":[");
	for (size_t i = 0; i < r->publisher_count; i++) {
		uni_buf_puts(out, i != 0 ? "," : "");
		put_role(out, r->publishers[i].name, &r->publishers[i].keys,
			 &r->publishers[i].patterns);
	}
	if (r->bits != 0) {
		uni_buf_puts(out, r->publisher_count != 0 ? "," : "");
		put_role(out, BINS_ROLE, &r->keys[UNI_TUF_TARGETS], &patterns);
	}
	uni_buf_puts(out, "]},");
}

static void put_bins(const struct uni_tuf_repository *r, struct uni_buf *out)
{
	const struct keys *keys = &r->keys[UNI_TUF_TARGETS];
	uni_buf_puts(out, "\"delegations\":{\"keys\":");
	put_keys(out, &keys, 1);
	uni_buf_printf(out, ",\"succinct_roles\":{\"bit_length\":%u,", r->bits);
	put_ids(out, keys);
	uni_buf_printf(out, ",\"name_prefix\":\"%s\",\"threshold\":%u}},", BINS_ROLE,
		       keys->threshold);
}

static int write_role(struct uni_tuf_repository *r, struct trole *role, struct outputs *outputs,
		      struct uni_err *err)
{
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;
	bool top = uni_str_eq(role->name, "targets");
	role->version++;
	uni_buf_puts(&content, "{\"_type\":\"targets\",");
	if (top && (r->publisher_count != 0 || r->bits != 0))
		put_delegations(r, &content);
	if (uni_str_eq(role->name, BINS_ROLE))
		put_bins(r, &content);
	put_expires(r, UNI_TUF_TARGETS, &content);
	uni_buf_printf(&content, ",\"spec_version\":\"%s\",\"targets\":{", SPEC);
	for (size_t i = 0; i < role->target_count; i++) {
		uni_buf_puts(&content, i != 0 ? "," : "");
		uni_buf_quote(&content, role->targets[i].path);
		uni_buf_putc(&content, ':');
		put_file(&content, &role->targets[i].digest, role->targets[i].size, 0);
	}
	uni_buf_printf(&content, "},\"version\":%llu}", (unsigned long long)role->version);
	char *name = uni_asprintf("%llu.%s.json", (unsigned long long)role->version, role->name);
	const struct keys *keys = repository_role_keys(r, role->name);
	struct signing by = { .role = role->name, .keys = keys };

	if (keys == &r->keys[UNI_TUF_TARGETS])
		by.also = if_at_hand(&r->old[UNI_TUF_TARGETS]);
	int rc = add_output(r, outputs, name, &by, &content, err);
	if (rc != 0)
		return rc;
	const struct uni_buf *text = &outputs->items[outputs->count - 1].text;
	role->digest = uni_digest_of(text->data, text->size);
	role->size = text->size;
	return 0;
}

/* As the names of their files stand: "bins-0.json" before "bins.json". */
static int by_file(const void *a, const void *b)
{
	const struct trole *const *x = a, *const *y = b;
	char *one UNI_AUTO_FREE = uni_asprintf("%s.json", (*x)->name);
	char *two UNI_AUTO_FREE = uni_asprintf("%s.json", (*y)->name);
	return strcmp(one, two);
}

static int write_snapshot(struct uni_tuf_repository *r, struct outputs *outputs,
			  struct uni_err *err)
{
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;
	const struct trole **sorted UNI_AUTO_FREE =
		uni_alloc_array(r->role_count + 1, sizeof(*sorted));
	const struct signing by = { "snapshot", &r->keys[UNI_TUF_SNAPSHOT],
				    if_at_hand(&r->old[UNI_TUF_SNAPSHOT]) };
	uint64_t version = ++r->versions[UNI_TUF_SNAPSHOT];
	for (size_t i = 0; i < r->role_count; i++)
		sorted[i] = &r->roles[i];
	qsort(sorted, r->role_count, sizeof(*sorted), by_file);
	uni_buf_puts(&content, "{\"_type\":\"snapshot\",");
	put_expires(r, UNI_TUF_SNAPSHOT, &content);
	uni_buf_puts(&content, ",\"meta\":{");
	for (size_t i = 0; i < r->role_count; i++) {
		uni_buf_printf(&content, "%s\"%s.json\":", i != 0 ? "," : "", sorted[i]->name);
		put_file(&content, &sorted[i]->digest, sorted[i]->size, sorted[i]->version);
	}
	uni_buf_printf(&content, "},\"spec_version\":\"%s\",\"version\":%llu}", SPEC,
		       (unsigned long long)version);
	return add_output(r, outputs,
			  uni_asprintf("%llu.snapshot.json", (unsigned long long)version), &by,
			  &content, err);
}

static int write_timestamp(struct uni_tuf_repository *r, struct outputs *outputs,
			   struct uni_err *err)
{
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT;
	const struct uni_buf *snapshot = &outputs->items[outputs->count - 1].text;
	struct uni_digest digest = uni_digest_of(snapshot->data, snapshot->size);
	const struct signing by = { "timestamp", &r->keys[UNI_TUF_TIMESTAMP],
				    if_at_hand(&r->old[UNI_TUF_TIMESTAMP]) };
	uni_buf_puts(&content, "{\"_type\":\"timestamp\",");
	put_expires(r, UNI_TUF_TIMESTAMP, &content);
	uni_buf_puts(&content, ",\"meta\":{\"snapshot.json\":");
	put_file(&content, &digest, snapshot->size, r->versions[UNI_TUF_SNAPSHOT]);
	uni_buf_printf(&content, "},\"spec_version\":\"%s\",\"version\":%llu}", SPEC,
		       (unsigned long long)++r->versions[UNI_TUF_TIMESTAMP]);
	return add_output(r, outputs, uni_strdup("timestamp.json"), &by, &content, err);
}

static int make_outputs(struct uni_tuf_repository *r, struct outputs *outputs, struct uni_err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->role_count; i++)
		if (r->roles[i].dirty)
			rc = write_role(r, &r->roles[i], outputs, err);
	if (rc == 0)
		rc = write_snapshot(r, outputs, err);
	if (rc == 0)
		rc = write_timestamp(r, outputs, err);
	return rc == 0 && r->root_dirty ? write_root(r, outputs, err) : rc;
}

static int write_outputs(const struct uni_tuf_repository *r, const struct outputs *outputs,
			 struct uni_err *err)
{
	int rc = uni_dir_make(r->dir, 0755, err);
	for (size_t i = 0; rc == 0 && i < outputs->count; i++) {
		struct uni_outfile *file UNI_AUTO(uni_outfile) = NULL;
		const struct output *output = &outputs->items[i];
		char *path UNI_AUTO_FREE = uni_path_join(r->dir, output->name);
		rc = uni_outfile_open(&file, path, 0644, err);
		if (rc == 0)
			rc = uni_write_full(uni_outfile_fd(file), output->text.data,
					    output->text.size, path, err);
		if (rc == 0)
			rc = uni_outfile_commit(file, true, err);
	}
	return rc;
}

int uni_tuf_repository_commit(struct uni_tuf_repository *r, const struct uni_signer *const *signers,
			      size_t count, struct uni_err *err)
{
	struct outputs outputs = { .items = NULL };
	r->signers = signers;
	r->signer_count = count;
	int rc = make_outputs(r, &outputs, err);
	if (rc == 0)
		rc = write_outputs(r, &outputs, err);
	outputs_free(&outputs);
	if (rc != 0)
		return rc;
	r->root_dirty = false;
	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++)
		keys_free(&r->old[role]);
	for (size_t i = 0; i < r->role_count; i++)
		r->roles[i].dirty = false;
	return 0;
}
