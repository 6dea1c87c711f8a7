/*
 * Changing a repository's metadata in memory.
 */
#include "repository.h"
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/search.h>

#define YEAR (INT64_C(365) * 86400)
#define WEEK (INT64_C(7) * 86400)
#define PATH_BYTES_MAX 1024

const char *uni_tuf_role_name(enum uni_tuf_role role)
{
	static const char *const names[UNI_TUF_ROLES] = { "root", "snapshot", "targets",
							  "timestamp" };
	return names[role];
}

/* --- keys --- */

void keys_copy(struct keys *to, const struct uni_tuf_keys *from)
{
	struct uni_public_key *list = uni_alloc_array(from->count + 1, sizeof(*list));
	if (from->count != 0)
		memcpy(list, from->keys, from->count * sizeof(*list));
	free(to->keys);
	*to = (struct keys){ .keys = list, .count = from->count, .threshold = from->threshold };
}

void keys_free(struct keys *keys)
{
	free(keys->keys);
	*keys = (struct keys){ .keys = NULL };
}

bool keys_have(const struct keys *keys, const struct uni_public_key *key)
{
	for (size_t i = 0; i < keys->count; i++)
		if (uni_public_key_eq(&keys->keys[i], key))
			return true;
	return false;
}

static int check_keys(const struct uni_tuf_keys *keys, const char *role, struct uni_err *err)
{
	if (keys->threshold == 0 || keys->count < keys->threshold || keys->count > META_KEYS_MAX)
		return uni_err_set(err, UNI_E_INVAL, "%s: %zu keys for a threshold of %u", role,
				   keys->count, keys->threshold);
	for (size_t i = 0; i < keys->count; i++)
		for (size_t j = 0; j < i; j++)
			if (uni_public_key_eq(&keys->keys[i], &keys->keys[j]))
				return uni_err_set(err, UNI_E_INVAL, "%s: a key is there twice",
						   role);
	return 0;
}

/* --- roles and targets --- */

struct trole *repository_role(const struct uni_tuf_repository *r, const char *name)
{
	for (size_t i = 0; i < r->role_count; i++)
		if (uni_str_eq(r->roles[i].name, name))
			return &r->roles[i];
	return NULL;
}

struct trole *repository_add_role(struct uni_tuf_repository *r, const char *name)
{
	UNI_PUSH_ROOM(r->roles, r->role_count, r->role_room);
	struct trole *role = &r->roles[r->role_count++];
	*role = (struct trole){ .name = uni_strdup(name), .dirty = true };
	return role;
}

static void touch(const struct uni_tuf_repository *r, const char *name)
{
	struct trole *role = repository_role(r, name);
	if (role != NULL)
		role->dirty = true;
}

static void forget_targets(struct trole *role)
{
	for (size_t i = 0; i < role->target_count; i++)
		free(role->targets[i].path);
	role->target_count = 0;
}

static void role_clear(struct trole *role)
{
	forget_targets(role);
	free(role->targets);
	free(role->name);
}

/* Where `path` is, or would be. */
static size_t place_of(const struct trole *role, const char *path)
{
	size_t at;

	UNI_LOWER_BOUND(at, 0, role->target_count, strcmp(role->targets[at].path, path) < 0);
	return at;
}

struct target *role_find(const struct trole *role, const char *path)
{
	size_t at = place_of(role, path);
	bool found = at < role->target_count && strcmp(role->targets[at].path, path) == 0;
	return found ? &role->targets[at] : NULL;
}

void role_put(struct trole *role, const char *path, uint64_t size, const struct uni_digest *digest)
{
	size_t at = place_of(role, path);
	if (at == role->target_count || strcmp(role->targets[at].path, path) != 0) {
		UNI_PUSH_ROOM(role->targets, role->target_count, role->target_room);
		memmove(&role->targets[at + 1], &role->targets[at],
			(role->target_count - at) * sizeof(*role->targets));
		role->target_count++;
		role->targets[at] = (struct target){ .path = uni_strdup(path) };
	}
	role->targets[at].size = size;
	role->targets[at].digest = *digest;
}

char *repository_bin(const struct uni_tuf_repository *r, const char *path)
{
	struct uni_digest digest = uni_digest_of(path, strlen(path));
	unsigned number = (unsigned)digest.bytes[0] << 8 | digest.bytes[1];
	return uni_asprintf("%s-%0*x", BINS_ROLE, (int)((r->bits + 3) / 4),
			    number >> (16 - r->bits));
}

static struct publisher *find_publisher(const struct uni_tuf_repository *r, const char *name)
{
	for (size_t i = 0; i < r->publisher_count; i++)
		if (uni_str_eq(r->publishers[i].name, name))
			return &r->publishers[i];
	return NULL;
}

const struct keys *repository_role_keys(const struct uni_tuf_repository *r, const char *name)
{
	const struct publisher *publisher = find_publisher(r, name);
	return publisher != NULL ? &publisher->keys : &r->keys[UNI_TUF_TARGETS];
}

static struct trole *responsible(const struct uni_tuf_repository *r, const char *path)
{
	for (size_t i = 0; i < r->publisher_count; i++) {
		const struct publisher *publisher = &r->publishers[i];
		for (size_t j = 0; j < publisher->patterns.count; j++)
			if (fnmatch(publisher->patterns.items[j], path,
				    FNM_PATHNAME | FNM_NOESCAPE) == 0)
				return repository_role(r, publisher->name);
	}
	if (r->bits == 0)
		return repository_role(r, "targets");
	char *bin UNI_AUTO_FREE = repository_bin(r, path);
	return repository_role(r, bin);
}

int uni_tuf_repository_put(struct uni_tuf_repository *r, const char *path, uint64_t size,
			   const struct uni_digest *digest, struct uni_err *err)
{
	char *normal UNI_AUTO_FREE = uni_path_normal(path);
	if (!uni_str_eq(normal, path) || path[0] == '/' || uni_str_starts(path, "../") ||
	    strlen(path) > PATH_BYTES_MAX || !uni_utf8_valid(path, strlen(path)))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is no path for a target", path);
	struct trole *role = responsible(r, path);
	if (role == NULL)
		return uni_err_set(err, UNI_E_CORRUPT, "no role is there for %s", path);
	const struct target *there = role_find(role, path);
	if (there != NULL && there->size == size && uni_digest_eq(&there->digest, digest))
		return 0;
	role_put(role, path, size, digest);
	role->dirty = true;
	return 0;
}

const struct uni_digest *uni_tuf_repository_find(const struct uni_tuf_repository *r,
						 const char *path)
{
	const struct trole *role = responsible(r, path);
	const struct target *target = role != NULL ? role_find(role, path) : NULL;
	return target != NULL ? &target->digest : NULL;
}

/* --- who may sign --- */

void repository_touch_targets(struct uni_tuf_repository *r)
{
	for (size_t i = 0; i < r->role_count; i++)
		if (find_publisher(r, r->roles[i].name) == NULL)
			r->roles[i].dirty = true;
}

int uni_tuf_repository_set_keys(struct uni_tuf_repository *r, enum uni_tuf_role role,
				const struct uni_tuf_keys *keys, struct uni_err *err)
{
	int rc = check_keys(keys, uni_tuf_role_name(role), err);
	if (rc != 0)
		return rc;
	if (r->old[role].count == 0 && r->versions[UNI_TUF_ROOT] != 0) {
		r->old[role] = r->keys[role];
		r->keys[role] = (struct keys){ .keys = NULL };
	}
	keys_copy(&r->keys[role], keys);
	r->root_dirty = true;
	/* Or nobody could follow. */
	if (role == UNI_TUF_TARGETS)
		repository_touch_targets(r);
	return 0;
}

void uni_tuf_repository_keys(const struct uni_tuf_repository *r, enum uni_tuf_role role,
			     struct uni_tuf_keys *keys)
{
	*keys = (struct uni_tuf_keys){ .keys = r->keys[role].keys,
				       .count = r->keys[role].count,
				       .threshold = r->keys[role].threshold };
}

static bool name_is_free(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++)
		if (uni_str_eq(name, uni_tuf_role_name(role)))
			return false;
	return name[0] != '\0' && strlen(name) <= 64 && name[strspn(name, letters)] == '\0' &&
	       !uni_str_eq(name, BINS_ROLE) && !uni_str_starts(name, BINS_ROLE "-");
}

int uni_tuf_repository_delegate(struct uni_tuf_repository *r, const char *name,
				const struct uni_tuf_keys *keys, const char *const *patterns,
				struct uni_err *err)
{
	int rc = check_keys(keys, name, err);
	if (rc != 0)
		return rc;
	if (!name_is_free(name))
		return uni_err_set(err, UNI_E_INVAL, "\"%s\" is no name for a publisher", name);
	struct publisher *publisher = find_publisher(r, name);
	if (publisher == NULL) {
		UNI_PUSH_ROOM(r->publishers, r->publisher_count, r->publisher_room);
		publisher = &r->publishers[r->publisher_count++];
		*publisher = (struct publisher){ .name = uni_strdup(name) };
		struct trole *role = repository_role(r, name);
		if (role == NULL)
			repository_add_role(r, name);
		else
			forget_targets(role); /* of one who was here before */
	}
	keys_copy(&publisher->keys, keys);
	uni_strv_free(&publisher->patterns);
	for (; *patterns != NULL; patterns++)
		uni_strv_add(&publisher->patterns, *patterns);
	touch(r, name);
	touch(r, "targets");
	return 0;
}

static void publisher_clear(struct publisher *publisher)
{
	free(publisher->name);
	keys_free(&publisher->keys);
	uni_strv_free(&publisher->patterns);
}

int uni_tuf_repository_undelegate(struct uni_tuf_repository *r, const char *name,
				  struct uni_err *err)
{
	struct publisher *publisher = find_publisher(r, name);
	if (publisher == NULL)
		return uni_err_set(err, UNI_E_NOENT, "there is no publisher %s", name);
	size_t at = (size_t)(publisher - r->publishers);
	publisher_clear(publisher);
	r->publisher_count--;
	memmove(publisher, publisher + 1, (r->publisher_count - at) * sizeof(*publisher));
	/* Its role stays in the snapshot, empty of meaning: a role that vanished would look like a
	 * rollback. */
	touch(r, "targets");
	return 0;
}

static int take_out(struct keys *keys, const char *role, const struct uni_public_key *key,
		    struct uni_err *err)
{
	size_t kept = 0;
	if (keys->count <= keys->threshold) {
		uni_err_set(err, UNI_E_INVAL, "%s would have too few keys left", role);
		return uni_err_hint(err, "\"uni key rotate\" puts another in its place");
	}
	for (size_t i = 0; i < keys->count; i++)
		if (!uni_public_key_eq(&keys->keys[i], key))
			keys->keys[kept++] = keys->keys[i];
	keys->count = kept;
	return 0;
}

int uni_tuf_repository_revoke(struct uni_tuf_repository *r, const struct uni_public_key *key,
			      size_t *count, struct uni_err *err)
{
	size_t found = 0;
	int rc = 0;
	for (enum uni_tuf_role role = 0; rc == 0 && role < UNI_TUF_ROLES; role++) {
		if (!keys_have(&r->keys[role], key))
			continue;
		struct keys left = { .keys = NULL };
		struct uni_tuf_keys now;
		found++;
		uni_tuf_repository_keys(r, role, &now);
		keys_copy(&left, &now);
		rc = take_out(&left, uni_tuf_role_name(role), key, err);
		now = (struct uni_tuf_keys){ left.keys, left.count, left.threshold };
		if (rc == 0)
			rc = uni_tuf_repository_set_keys(r, role, &now, err);
		keys_free(&left);
	}
	for (size_t i = 0; rc == 0 && i < r->publisher_count;) {
		struct publisher *publisher = &r->publishers[i];
		if (!keys_have(&publisher->keys, key)) {
			i++;
			continue;
		}
		found++;
		/* A publisher whose only key is gone vouches for nothing any more. */
		if (publisher->keys.count == 1) {
			rc = uni_tuf_repository_undelegate(r, publisher->name, err);
			continue;
		}
		rc = take_out(&publisher->keys, publisher->name, key, err);
		touch(r, publisher->name);
		touch(r, "targets");
		i++;
	}
	if (count != NULL)
		*count = found;
	return rc;
}

/* --- a repository's life --- */

static struct uni_tuf_repository *new_repository(const char *dir,
						 const struct uni_tuf_lifetimes *lifetimes)
{
	struct uni_tuf_repository *r = uni_alloc(sizeof(*r));
	r->dir = uni_strdup(dir);
	r->lifetimes = *lifetimes;
	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++)
		if (r->lifetimes.seconds[role] == 0)
			r->lifetimes.seconds[role] =
				role == UNI_TUF_TIMESTAMP || role == UNI_TUF_SNAPSHOT ? WEEK : YEAR;
	return r;
}

static bool is_there(const char *dir)
{
	char *first UNI_AUTO_FREE = uni_path_join(dir, "1.root.json");
	return uni_file_exists(first);
}

int uni_tuf_repository_create(struct uni_tuf_repository **out, const char *dir,
			      const struct uni_tuf_keys keys[UNI_TUF_ROLES], unsigned bits,
			      const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err)
{
	struct uni_tuf_repository *r UNI_AUTO(uni_tuf_repository) = new_repository(dir, lifetimes);
	int rc = 0;
	if (bits > BITS_MAX)
		return uni_err_set(err, UNI_E_INVAL, "more than %d bits of bins", BITS_MAX);
	if (is_there(dir))
		return uni_err_set(err, UNI_E_EXIST, "%s holds a repository already", dir);
	for (enum uni_tuf_role role = 0; rc == 0 && role < UNI_TUF_ROLES; role++)
		rc = uni_tuf_repository_set_keys(r, role, &keys[role], err);
	if (rc != 0)
		return rc;
	r->bits = bits;
	repository_add_role(r, "targets");
	if (bits != 0)
		repository_add_role(r, BINS_ROLE);
	for (unsigned i = 0; bits != 0 && i < 1u << bits; i++) {
		char *name UNI_AUTO_FREE =
			uni_asprintf("%s-%0*x", BINS_ROLE, (int)((bits + 3) / 4), i);
		repository_add_role(r, name);
	}
	*out = r;
	r = NULL;
	return 0;
}

int uni_tuf_repository_open(struct uni_tuf_repository **out, const char *dir,
			    const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err)
{
	struct uni_tuf_repository *r UNI_AUTO(uni_tuf_repository) = new_repository(dir, lifetimes);
	if (!is_there(dir))
		return uni_err_set(err, UNI_E_NOENT, "%s holds no repository", dir);
	int rc = repository_read(r, err);
	if (rc != 0)
		return uni_err_context(err, "%s", dir);
	*out = r;
	r = NULL;
	return 0;
}

void uni_tuf_repository_free(struct uni_tuf_repository *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->role_count; i++)
		role_clear(&r->roles[i]);
	for (size_t i = 0; i < r->publisher_count; i++)
		publisher_clear(&r->publishers[i]);
	for (enum uni_tuf_role role = 0; role < UNI_TUF_ROLES; role++) {
		keys_free(&r->keys[role]);
		keys_free(&r->old[role]);
	}
	free(r->roles);
	free(r->publishers);
	free(r->dir);
	free(r);
}
