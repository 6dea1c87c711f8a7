/*
 * A repository's metadata from its files.
 */
#include "repository.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/trust/tuf.h>

static int read_file(const struct uni_tuf_repository *r, uint64_t version, const char *role,
		     const char *type, struct meta **meta, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *name UNI_AUTO_FREE =
		version != 0 ? uni_asprintf("%llu.%s.json", (unsigned long long)version, role)
			     : uni_asprintf("%s.json", role);
	char *path UNI_AUTO_FREE = uni_path_join(r->dir, name);
	int rc = uni_file_read(path, UNI_TUF_TARGETS_MAX, &text, err);
	return rc != 0 ? rc : meta_read(meta, type, name, uni_buf_text(&text), text.size, err);
}

static int read_keys(const struct uni_json *keys, const struct uni_json *role, struct keys *out,
		     struct uni_err *err)
{
	const struct uni_json *ids = uni_json_get(role, "keyids");
	size_t count = uni_json_count(ids);
	uint64_t threshold;
	if (!uni_json_u64(uni_json_get(role, "threshold"), &threshold) || count > META_KEYS_MAX ||
	    threshold == 0 || threshold > count)
		return uni_err_set(err, UNI_E_CORRUPT, "a role without keys");
	out->keys = uni_alloc_array(count, sizeof(*out->keys));
	out->threshold = (unsigned)threshold;
	for (size_t i = 0; i < count; i++) {
		const char *id = uni_json_text(uni_json_item(ids, i));
		if (id == NULL || !meta_key(uni_json_get(keys, id), &out->keys[out->count]))
			return uni_err_set(err, UNI_E_CORRUPT, "a key that is no Ed25519 key");
		out->count++;
	}
	return 0;
}

static int read_root(struct uni_tuf_repository *r, struct meta **meta, struct uni_err *err)
{
	char name[48];
	uint64_t version = 1;
	for (;; version++) {
		snprintf(name, sizeof(name), "%llu.root.json", (unsigned long long)version + 1);
		char *path UNI_AUTO_FREE = uni_path_join(r->dir, name);
		if (!uni_file_exists(path))
			break;
	}
	int rc = read_file(r, version, "root", "root", meta, err);
	r->versions[UNI_TUF_ROOT] = version;
	const struct uni_json *keys = rc == 0 ? uni_json_get((*meta)->content, "keys") : NULL;
	const struct uni_json *roles = rc == 0 ? uni_json_get((*meta)->content, "roles") : NULL;
	for (enum uni_tuf_role role = 0; rc == 0 && role < UNI_TUF_ROLES; role++)
		rc = read_keys(keys, uni_json_get(roles, uni_tuf_role_name(role)), &r->keys[role],
			       err);
	return rc;
}

static int read_target(void *user, const char *path, const struct uni_json *entry,
		       struct uni_err *err)
{
	struct trole *role = user;
	const char *sha256 = uni_json_text(uni_json_get(uni_json_get(entry, "hashes"), "sha256"));
	struct uni_digest digest;
	uint64_t size;
	if (sha256 == NULL || !uni_digest_parse(sha256, &digest) ||
	    !uni_json_u64(uni_json_get(entry, "length"), &size))
		return uni_err_set(err, UNI_E_CORRUPT, "%s: target %s", role->name, path);
	role_put(role, path, size, &digest);
	return 0;
}

static int read_publishers(struct uni_tuf_repository *r, const struct uni_json *delegations,
			   struct uni_err *err)
{
	const struct uni_json *keys = uni_json_get(delegations, "keys");
	const struct uni_json *roles = uni_json_get(delegations, "roles");
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < uni_json_count(roles); i++) {
		const struct uni_json *one = uni_json_item(roles, i);
		const struct uni_json *patterns = uni_json_get(one, "paths");
		const char *name = uni_json_text(uni_json_get(one, "name"));
		if (name == NULL)
			return uni_err_set(err, UNI_E_CORRUPT, "a delegation without a name");
		if (uni_str_eq(name, BINS_ROLE))
			continue;
		UNI_PUSH_ROOM(r->publishers, r->publisher_count, r->publisher_room);
		struct publisher *publisher = &r->publishers[r->publisher_count++];
		*publisher = (struct publisher){ .name = uni_strdup(name) };
		for (size_t j = 0; j < uni_json_count(patterns); j++) {
			const char *pattern = uni_json_text(uni_json_item(patterns, j));
			if (pattern != NULL)
				uni_strv_add(&publisher->patterns, pattern);
		}
		rc = read_keys(keys, one, &publisher->keys, err);
	}
	return rc;
}

static int read_role(void *user, const char *file, const struct uni_json *entry,
		     struct uni_err *err)
{
	struct uni_tuf_repository *r = user;
	struct meta_expected expected;
	struct meta *meta UNI_AUTO(meta) = NULL;
	size_t size = strlen(file);
	int rc = meta_expected(entry, file, &expected, err);
	if (rc != 0 || size < 6)
		return rc;
	char *name UNI_AUTO_FREE = uni_strndup(file, size - 5);
	rc = read_file(r, expected.version, name, "targets", &meta, err);
	if (rc != 0)
		return rc;
	struct trole *role = repository_role(r, name);
	if (role == NULL)
		role = repository_add_role(r, name);
	role->version = expected.version;
	role->size = meta->size;
	role->digest = meta->digest;
	role->dirty = false;
	const struct uni_json *delegations = uni_json_get(meta->content, "delegations");
	uint64_t bits;
	if (uni_str_eq(name, BINS_ROLE) &&
	    uni_json_u64(uni_json_get(uni_json_get(delegations, "succinct_roles"), "bit_length"),
			 &bits) &&
	    bits <= BITS_MAX)
		r->bits = (unsigned)bits;
	rc = uni_json_each(uni_json_get(meta->content, "targets"), read_target, role, err);
	if (rc == 0 && uni_str_eq(name, "targets"))
		rc = read_publishers(r, delegations, err);
	return rc;
}

/* One who was killed while he changed keys may have left roles that the root does not know by the
 * keys that signed them. */
static int mend(struct uni_tuf_repository *r, const struct meta *root, struct uni_err *err)
{
	const struct trole *targets = repository_role(r, "targets");
	struct meta *meta UNI_AUTO(meta) = NULL;
	struct uni_err differs = UNI_ERR_INIT;
	int rc = read_file(r, targets->version, "targets", "targets", &meta, err);
	if (rc == 0 && meta_verify_by_root(meta, root, "targets", &differs) != 0)
		repository_touch_targets(r);
	return rc;
}

int repository_read(struct uni_tuf_repository *r, struct uni_err *err)
{
	struct meta *root UNI_AUTO(meta) = NULL;
	struct meta *timestamp UNI_AUTO(meta) = NULL;
	struct meta *snapshot UNI_AUTO(meta) = NULL;
	struct meta_expected expected;
	int rc = read_root(r, &root, err);
	repository_add_role(r, "targets");
	if (rc == 0)
		rc = read_file(r, 0, "timestamp", "timestamp", &timestamp, err);
	if (rc == 0)
		rc = meta_expected(
			uni_json_get(uni_json_get(timestamp->content, "meta"), "snapshot.json"),
			"snapshot", &expected, err);
	if (rc == 0)
		rc = read_file(r, expected.version, "snapshot", "snapshot", &snapshot, err);
	if (rc != 0)
		return rc;
	r->versions[UNI_TUF_TIMESTAMP] = timestamp->version;
	r->versions[UNI_TUF_SNAPSHOT] = snapshot->version;
	rc = uni_json_each(uni_json_get(snapshot->content, "meta"), read_role, r, err);
	return rc == 0 ? mend(r, root, err) : rc;
}
