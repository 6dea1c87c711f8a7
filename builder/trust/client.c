/*
 * The client's workflow, section 5 of the specification; each step names its part. The order is the
 * protection: nothing is looked into before what stands above it is accepted.
 */
#include "meta.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/trust/tuf.h>
#include <unistd.h>

#define ROOTS_MAX 1024 /* rotations that are followed at once */
#define ROLES_MAX 64   /* that are visited for one path */

struct role {
	char *name;
	struct meta *meta;
};

struct uni_tuf {
	struct uni_tuf_options options;
	char *state;
	struct uni_tuf_transport transport;
	struct meta *root, *timestamp, *snapshot;
	struct role *roles; /* targets and those below */
	size_t role_count, role_room;
	bool ready, offline, expired_fine;
	bool probed;		  /* the timestamp was asked for and is the known one */
	struct uni_strv *missing; /* collects what would be fetched, instead of fetching it */
	int64_t expires;	  /* the first to, of all that was believed */
};

/* --- the state --- */

static char *state_path(const struct uni_tuf *tuf, const char *role)
{
	char *name UNI_AUTO_FREE = meta_file_name(role);
	char *file UNI_AUTO_FREE = uni_asprintf("%s.json", name);
	return uni_path_join(tuf->state, file);
}

static int state_read(const struct uni_tuf *tuf, const char *role, const char *type,
		      struct meta **meta, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = state_path(tuf, role);
	int rc = uni_file_read(path, UNI_TUF_TARGETS_MAX, &text, err);
	return rc != 0 ? rc : meta_read(meta, type, path, uni_buf_text(&text), text.size, err);
}

static int state_write(const struct uni_tuf *tuf, const char *role, const struct uni_buf *text,
		       struct uni_err *err)
{
	char *path UNI_AUTO_FREE = state_path(tuf, role);
	struct uni_outfile *out UNI_AUTO(uni_outfile) = NULL;
	if (tuf->options.read_only)
		return 0;
	int rc = uni_outfile_open(&out, path, 0644, err);
	if (rc == 0)
		rc = uni_write_full(uni_outfile_fd(out), uni_buf_text(text), text->size, path, err);
	if (rc == 0)
		rc = uni_outfile_commit(out, true, err);
	return rc;
}

static int state_forget(const struct uni_tuf *tuf, const char *role, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = state_path(tuf, role);
	if (tuf->options.read_only || !uni_file_exists(path) || unlink(path) == 0)
		return 0;
	return uni_err_errno(err, "%s", path);
}

/* --- opening --- */

static void set(struct meta **slot, struct meta *take)
{
	meta_free(*slot);
	*slot = take;
}

static int take_first_root(struct uni_tuf *tuf, struct uni_err *err)
{
	struct uni_err why = UNI_ERR_INIT;
	int rc = state_read(tuf, "root", "root", &tuf->root, &why);
	if (rc == 0 && meta_verify_by_root(tuf->root, tuf->root, "root", &why) == 0)
		return 0;
	set(&tuf->root, NULL);
	if (tuf->options.root == NULL)
		return uni_err_set(err, UNI_E_AUTH, "no root of trust: %s", why.text);
	rc = meta_read(&tuf->root, "root", "root", tuf->options.root, tuf->options.root_size, err);
	if (rc == 0)
		rc = meta_verify_by_root(tuf->root, tuf->root, "root", err);
	if (rc != 0)
		return rc;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_buf_add(&text, tuf->options.root, tuf->options.root_size);
	return state_write(tuf, "root", &text, err);
}

int uni_tuf_open(struct uni_tuf **out, const struct uni_tuf_options *options,
		 const struct uni_tuf_transport *transport, struct uni_err *err)
{
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = uni_alloc(sizeof(*tuf));
	tuf->options = *options;
	tuf->state = uni_strdup(options->state);
	if (transport != NULL)
		tuf->transport = *transport;
	int rc = options->read_only ? 0 : uni_dir_make(tuf->state, 0755, err);
	if (rc == 0)
		rc = take_first_root(tuf, err);
	if (rc != 0)
		return rc;
	tuf->options.root = NULL;
	*out = tuf;
	tuf = NULL;
	return 0;
}

static void forget_roles(struct uni_tuf *tuf)
{
	for (size_t i = 0; i < tuf->role_count; i++) {
		free(tuf->roles[i].name);
		meta_free(tuf->roles[i].meta);
	}
	tuf->role_count = 0;
}

void uni_tuf_free(struct uni_tuf *tuf)
{
	if (tuf == NULL)
		return;
	forget_roles(tuf);
	free(tuf->roles);
	meta_free(tuf->root);
	meta_free(tuf->timestamp);
	meta_free(tuf->snapshot);
	free(tuf->state);
	free(tuf);
}

static int check_expiry(struct uni_tuf *tuf, const struct meta *meta, const char *name,
			struct uni_err *err)
{
	char text[32];
	if (tuf->expires == 0 || meta->expires < tuf->expires)
		tuf->expires = meta->expires;
	if (meta->expires > tuf->options.now || tuf->expired_fine)
		return 0;
	meta_time_text(meta->expires, text);
	uni_err_set(err, UNI_E_TIMEOUT, "%s expired at %s", name, text);
	return uni_err_hint(err, "whoever serves the index may hold back what is new, or the clock "
				 "of this machine is wrong");
}

/* --- 5.3 root --- */

static const struct uni_json *role_of(const struct meta *root, const char *role)
{
	return uni_json_get(uni_json_get(root->content, "roles"), role);
}

/* Whether two roots name the same keys for a role. */
static bool same_keys(const struct meta *a, const struct meta *b, const char *role)
{
	struct uni_buf one UNI_AUTO_BUF = UNI_BUF_INIT, two UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	return uni_json_canonical(uni_json_get(role_of(a, role), "keyids"), &one, &ignored) == 0 &&
	       uni_json_canonical(uni_json_get(role_of(b, role), "keyids"), &two, &ignored) == 0 &&
	       uni_str_eq(one.data, two.data);
}

/* 1: a newer one was accepted; 0: there is none. */
static int next_root(struct uni_tuf *tuf, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct meta *next UNI_AUTO(meta) = NULL;
	char name[48];
	uint64_t version = tuf->root->version + 1;
	snprintf(name, sizeof(name), "%llu.root.json", (unsigned long long)version);
	int rc = tuf->transport.get(tuf->transport.user, name, UNI_TUF_ROOT_MAX, NULL, &text, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = meta_read(&next, "root", name, uni_buf_text(&text), text.size, err);
	if (rc == 0)
		rc = meta_verify_by_root(next, tuf->root, "root", err);
	if (rc == 0)
		rc = meta_verify_by_root(next, next, "root", err);
	if (rc != 0)
		return rc;
	if (next->version != version)
		return uni_err_set(err, UNI_E_AUTH, "%s has version %llu", name,
				   (unsigned long long)next->version);
	/* 5.3.11: keys that were changed may have been stolen, and what they signed with high
	 * versions must not keep the new ones out. Before the root: a crash in between only costs
	 * a fetch. */
	if (!same_keys(tuf->root, next, "timestamp") || !same_keys(tuf->root, next, "snapshot")) {
		set(&tuf->timestamp, NULL);
		set(&tuf->snapshot, NULL);
		rc = state_forget(tuf, "timestamp", err);
		if (rc == 0)
			rc = state_forget(tuf, "snapshot", err);
	}
	if (rc == 0)
		rc = state_write(tuf, "root", &text, err);
	if (rc != 0)
		return rc;
	set(&tuf->root, next);
	next = NULL;
	return 1;
}

static int refresh_root(struct uni_tuf *tuf, struct uni_err *err)
{
	int rc = 1;
	for (unsigned i = 0; rc == 1; i++) {
		if (i == ROOTS_MAX)
			return uni_err_set(err, UNI_E_LIMIT, "more than %d new roots", ROOTS_MAX);
		rc = next_root(tuf, err);
	}
	return rc != 0 ? rc : check_expiry(tuf, tuf->root, "root", err);
}

/* --- 5.4 timestamp --- */

static const struct uni_json *vouched(const struct meta *meta, const char *file)
{
	return uni_json_get(uni_json_get(meta->content, "meta"), file);
}

static int expected_of(const struct meta *meta, const char *role, struct meta_expected *out,
		       struct uni_err *err)
{
	char *file UNI_AUTO_FREE = uni_asprintf("%s.json", role);
	return meta_expected(vouched(meta, file), file, out, err);
}

/* What the state has, if the root's keys still stand for it; its expiry does not matter here. */
static void load_known(struct uni_tuf *tuf, const char *role, struct meta **slot)
{
	struct uni_err ignored = UNI_ERR_INIT;
	if (*slot != NULL && meta_verify_by_root(*slot, tuf->root, role, &ignored) == 0)
		return;
	set(slot, NULL);
	if (state_read(tuf, role, role, slot, &ignored) == 0 &&
	    meta_verify_by_root(*slot, tuf->root, role, &ignored) != 0)
		set(slot, NULL);
}

static int goes_back(const char *name, uint64_t version, uint64_t known, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_AUTH, "%s goes back from version %llu to %llu", name,
			   (unsigned long long)known, (unsigned long long)version);
}

static int accept_timestamp(struct uni_tuf *tuf, const struct uni_buf *text, struct uni_err *err)
{
	struct meta *next UNI_AUTO(meta) = NULL;
	struct meta_expected now, then;
	int rc = meta_read(&next, "timestamp", "timestamp", uni_buf_text(text), text->size, err);
	if (rc == 0)
		rc = meta_verify_by_root(next, tuf->root, "timestamp", err);
	if (rc == 0)
		rc = expected_of(next, "snapshot", &now, err);
	if (rc != 0)
		return rc;
	if (tuf->timestamp != NULL) {
		if (next->version < tuf->timestamp->version)
			return goes_back("timestamp", next->version, tuf->timestamp->version, err);
		if (next->version == tuf->timestamp->version)
			return check_expiry(tuf, tuf->timestamp, "timestamp", err);
		rc = expected_of(tuf->timestamp, "snapshot", &then, err);
		if (rc != 0)
			return rc;
		if (now.version < then.version)
			return goes_back("snapshot", now.version, then.version, err);
	}
	rc = check_expiry(tuf, next, "timestamp", err);
	if (rc == 0)
		rc = state_write(tuf, "timestamp", text, err);
	if (rc != 0)
		return rc;
	set(&tuf->timestamp, next);
	next = NULL;
	return 0;
}

/* 1: it is the one that is known, and holds; 0: a look at everything is needed. What comes is not
 * looked into here: the root that judges it may be out of date. */
static int probe_timestamp(struct uni_tuf *tuf, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	load_known(tuf, "timestamp", &tuf->timestamp);
	if (tuf->timestamp == NULL || tuf->root->expires <= tuf->options.now ||
	    tuf->timestamp->expires <= tuf->options.now)
		return 0;
	int rc = tuf->transport.get(tuf->transport.user, "timestamp.json", UNI_TUF_TIMESTAMP_MAX,
				    &tuf->timestamp->digest, &text, err);
	if (rc != 0)
		return rc;
	struct uni_digest digest = uni_digest_of(uni_buf_text(&text), text.size);
	return uni_digest_eq(&digest, &tuf->timestamp->digest);
}

static int refresh_timestamp(struct uni_tuf *tuf, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	load_known(tuf, "timestamp", &tuf->timestamp);
	int rc = tuf->transport.get(tuf->transport.user, "timestamp.json", UNI_TUF_TIMESTAMP_MAX,
				    NULL, &text, err);
	return rc != 0 ? rc : accept_timestamp(tuf, &text, err);
}

/* --- 5.5 snapshot --- */

struct comparison {
	const struct meta *next;
};

static int no_rollback(void *user, const char *file, const struct uni_json *entry,
		       struct uni_err *err)
{
	const struct comparison *c = user;
	struct meta_expected then, now;
	int rc = meta_expected(entry, file, &then, err);
	if (rc == 0)
		rc = meta_expected(vouched(c->next, file), file, &now, err);
	if (rc == 0 && now.version < then.version)
		rc = goes_back(file, now.version, then.version, err);
	return rc;
}

static char *remote_name(const struct uni_tuf *tuf, const char *role, uint64_t version)
{
	bool consistent = false;
	char *name UNI_AUTO_FREE = meta_file_name(role);
	if (uni_json_bool(uni_json_get(tuf->root->content, "consistent_snapshot"), &consistent) &&
	    consistent)
		return uni_asprintf("%llu.%s.json", (unsigned long long)version, name);
	return uni_asprintf("%s.json", name);
}

struct meta_kind {
	const char *type;
	uint64_t limit; /* bytes */
};
static const struct meta_kind kind_snapshot = { "snapshot", UNI_TUF_SNAPSHOT_MAX };
static const struct meta_kind kind_targets = { "targets", UNI_TUF_TARGETS_MAX };

/* Fetches what is vouched for, within its length; checked but for its signatures. */
static int fetch_expected(struct uni_tuf *tuf, const char *role, const struct meta_kind *kind,
			  const struct meta_expected *expected, struct uni_buf *text,
			  struct meta **meta, struct uni_err *err)
{
	char *name UNI_AUTO_FREE = remote_name(tuf, role, expected->version);
	uint64_t limit = expected->size < kind->limit ? expected->size : kind->limit;
	int rc = tuf->transport.get(tuf->transport.user, name, limit, NULL, text, err);
	if (rc != 0)
		return rc;
	struct uni_digest digest = uni_digest_of(uni_buf_text(text), text->size);
	if ((expected->size != UINT64_MAX && text->size != expected->size) ||
	    (expected->has_digest && !uni_digest_eq(&digest, &expected->digest)))
		return uni_err_set(err, UNI_E_AUTH, "%s is not the file that is vouched for", name);
	return meta_read(meta, kind->type, role, uni_buf_text(text), text->size, err);
}

static int refresh_snapshot(struct uni_tuf *tuf, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct meta *next UNI_AUTO(meta) = NULL;
	struct meta_expected expected;
	load_known(tuf, "snapshot", &tuf->snapshot);
	int rc = expected_of(tuf->timestamp, "snapshot", &expected, err);
	if (rc != 0)
		return rc;
	struct uni_err differs = UNI_ERR_INIT;
	if (tuf->snapshot != NULL &&
	    meta_match(tuf->snapshot, &expected, "snapshot", &differs) == 0)
		return check_expiry(tuf, tuf->snapshot, "snapshot", err);
	if (tuf->offline)
		return uni_err_set(err, UNI_E_NOENT, "the state has no snapshot that fits");
	rc = fetch_expected(tuf, "snapshot", &kind_snapshot, &expected, &text, &next, err);
	if (rc == 0)
		rc = meta_verify_by_root(next, tuf->root, "snapshot", err);
	if (rc == 0)
		rc = meta_match(next, &expected, "snapshot", err);
	struct comparison comparison = { .next = next };
	if (rc == 0 && tuf->snapshot != NULL)
		rc = uni_json_each(uni_json_get(tuf->snapshot->content, "meta"), no_rollback,
				   &comparison, err);
	if (rc == 0)
		rc = check_expiry(tuf, next, "snapshot", err);
	if (rc == 0)
		rc = state_write(tuf, "snapshot", &text, err);
	if (rc != 0)
		return rc;
	set(&tuf->snapshot, next);
	next = NULL;
	return 0;
}

/* --- 5.6 targets --- */

static const struct meta *known_role(const struct uni_tuf *tuf, const char *name)
{
	for (size_t i = 0; i < tuf->role_count; i++)
		if (uni_str_eq(tuf->roles[i].name, name))
			return tuf->roles[i].meta;
	return NULL;
}

struct delegator {
	const struct uni_json *keys, *role;
};

/* Where files are collected instead of fetched: adds this one, unless it has come already. */
static bool is_missing(struct uni_tuf *tuf, const char *role, const struct meta_expected *expected)
{
	if (tuf->missing == NULL)
		return false;
	char *name UNI_AUTO_FREE = remote_name(tuf, role, expected->version);
	if (tuf->transport.here != NULL && tuf->transport.here(tuf->transport.user, name))
		return false;
	uni_strv_add(tuf->missing, name);
	return true;
}

/* From the state when that is the file the snapshot vouches for, else fetched. */
static int get_role(struct uni_tuf *tuf, const char *name, const struct delegator *by,
		    const struct meta **out, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct meta *meta UNI_AUTO(meta) = NULL;
	struct meta_expected expected;
	struct uni_err ignored = UNI_ERR_INIT;
	*out = known_role(tuf, name);
	if (*out != NULL)
		return meta_verify(*out, by->keys, by->role, name, err);
	int rc = expected_of(tuf->snapshot, name, &expected, err);
	if (rc != 0)
		return rc;
	bool fresh = false;
	if (state_read(tuf, name, "targets", &meta, &ignored) != 0 ||
	    meta_match(meta, &expected, name, &ignored) != 0 ||
	    meta_verify(meta, by->keys, by->role, name, &ignored) != 0) {
		set(&meta, NULL);
		fresh = true;
		rc = tuf->offline || is_missing(tuf, name, &expected)
			     ? uni_err_set(err, UNI_E_NOENT, "the state has no %s that fits", name)
			     : fetch_expected(tuf, name, &kind_targets, &expected, &text, &meta,
					      err);
	}
	if (rc == 0)
		rc = meta_verify(meta, by->keys, by->role, name, err);
	if (rc == 0)
		rc = meta_match(meta, &expected, name, err);
	if (rc == 0)
		rc = check_expiry(tuf, meta, name, err);
	if (rc == 0 && fresh)
		rc = state_write(tuf, name, &text, err);
	if (rc != 0)
		return rc;
	UNI_PUSH_ROOM(tuf->roles, tuf->role_count, tuf->role_room);
	tuf->roles[tuf->role_count++] = (struct role){ .name = uni_strdup(name), .meta = meta };
	*out = meta;
	meta = NULL;
	return 0;
}

static int get_targets(struct uni_tuf *tuf, const struct meta **out, struct uni_err *err)
{
	struct delegator by = { .keys = uni_json_get(tuf->root->content, "keys"),
				.role = role_of(tuf->root, "targets") };
	return get_role(tuf, "targets", &by, out, err);
}

int uni_tuf_probe(struct uni_tuf *tuf, struct uni_err *err)
{
	tuf->ready = tuf->offline = tuf->expired_fine = false;
	int rc = probe_timestamp(tuf, err);
	tuf->probed = rc == 1;
	return rc;
}

struct uni_digest uni_tuf_identity(const struct uni_tuf *tuf)
{
	struct uni_hash hash;
	uni_hash_start(&hash);
	uni_hash_add_u64(&hash, tuf->root->version);
	uni_hash_add(&hash, tuf->root->digest.bytes, sizeof(tuf->root->digest.bytes));
	if (tuf->timestamp != NULL)
		uni_hash_add(&hash, tuf->timestamp->digest.bytes,
			     sizeof(tuf->timestamp->digest.bytes));
	return uni_hash_end(&hash);
}

int64_t uni_tuf_expires(const struct uni_tuf *tuf)
{
	return tuf->expires;
}

int uni_tuf_refresh(struct uni_tuf *tuf, struct uni_err *err)
{
	const struct meta *targets;
	int rc = tuf->probed ? 1 : uni_tuf_probe(tuf, err);
	tuf->probed = false;
	tuf->expires = 0;
	forget_roles(tuf);
	if (rc == 1) {
		/* As accept_timestamp and refresh_root would have looked at them. */
		int known = check_expiry(tuf, tuf->root, "root", err);
		if (known == 0)
			known = check_expiry(tuf, tuf->timestamp, "timestamp", err);
		if (known != 0)
			return known;
	}
	if (rc == 0)
		rc = refresh_root(tuf, err);
	if (rc == 0)
		rc = refresh_timestamp(tuf, err);
	if (rc >= 0)
		rc = refresh_snapshot(tuf, err);
	if (rc == 0)
		rc = get_targets(tuf, &targets, err);
	tuf->ready = rc == 0;
	return rc;
}

int uni_tuf_use_state(struct uni_tuf *tuf, bool expired, struct uni_err *err)
{
	const struct meta *targets;
	tuf->ready = false;
	tuf->offline = true;
	tuf->expired_fine = expired;
	tuf->probed = false;
	tuf->expires = 0;
	forget_roles(tuf);
	load_known(tuf, "timestamp", &tuf->timestamp);
	if (tuf->timestamp == NULL)
		return uni_err_set(err, UNI_E_NOENT, "the state was never refreshed");
	int rc = check_expiry(tuf, tuf->root, "root", err);
	if (rc == 0)
		rc = check_expiry(tuf, tuf->timestamp, "timestamp", err);
	if (rc == 0)
		rc = refresh_snapshot(tuf, err);
	if (rc == 0)
		rc = get_targets(tuf, &targets, err);
	tuf->ready = rc == 0;
	return rc;
}

/* --- 5.6.7: who vouches for a path --- */

struct search {
	struct uni_tuf *tuf;
	const char *path;
	struct uni_tuf_target *target;
	struct uni_strv seen;
	bool found, ended;
};

void uni_tuf_target_free(struct uni_tuf_target *target)
{
	free(target->role);
	free(target->file);
	*target = (struct uni_tuf_target){ .size = 0 };
}

static int take_target(struct search *s, const char *role, const struct uni_json *entry,
		       struct uni_err *err)
{
	struct uni_tuf_target *target = s->target;
	const char *sha256 = uni_json_text(uni_json_get(uni_json_get(entry, "hashes"), "sha256"));
	bool consistent = false;
	if (sha256 == NULL || !uni_digest_parse(sha256, &target->digest) ||
	    !uni_json_u64(uni_json_get(entry, "length"), &target->size))
		return uni_err_set(err, UNI_E_PARSE, "%s says nothing sound of %s", role, s->path);
	target->role = uni_strdup(role);
	uni_json_bool(uni_json_get(s->tuf->root->content, "consistent_snapshot"), &consistent);
	const char *base = uni_path_base(s->path);
	target->file =
		consistent ? uni_asprintf("%.*s%s.%s", (int)(base - s->path), s->path, sha256, base)
			   : uni_strdup(s->path);
	s->found = true;
	return 0;
}

static int visit(struct search *s, const char *name, const struct delegator *by,
		 struct uni_err *err);

static int visit_delegation(struct search *s, const struct uni_json *keys,
			    const struct uni_json *delegation, struct uni_err *err)
{
	struct delegator by = { .keys = keys, .role = delegation };
	const char *name = uni_json_text(uni_json_get(delegation, "name"));
	bool terminating = false;
	if (name == NULL || name[0] == '\0' || strlen(name) > META_ROLE_NAME_MAX)
		return uni_err_set(err, UNI_E_PARSE, "a delegation without a name");
	if (!meta_delegates(delegation, s->path))
		return 0;
	int rc = visit(s, name, &by, err);
	uni_json_bool(uni_json_get(delegation, "terminating"), &terminating);
	s->ended |= terminating;
	return rc;
}

static int visit_below(struct search *s, const struct meta *meta, struct uni_err *err)
{
	const struct uni_json *delegations = uni_json_get(meta->content, "delegations");
	const struct uni_json *keys = uni_json_get(delegations, "keys");
	const struct uni_json *roles = uni_json_get(delegations, "roles");
	const struct uni_json *succinct = uni_json_get(delegations, "succinct_roles");
	int rc = 0;
	if (succinct != NULL) {
		struct delegator by = { .keys = keys, .role = succinct };
		char *bin UNI_AUTO_FREE = meta_bin(succinct, s->path);
		return bin != NULL ? visit(s, bin, &by, err)
				   : uni_err_set(err, UNI_E_PARSE, "bins that are none");
	}
	for (size_t i = 0; rc == 0 && !s->found && !s->ended && i < uni_json_count(roles); i++)
		rc = visit_delegation(s, keys, uni_json_item(roles, i), err);
	return rc;
}

static int visit(struct search *s, const char *name, const struct delegator *by,
		 struct uni_err *err)
{
	const struct meta *meta;
	if (uni_strv_has(&s->seen, name))
		return 0;
	if (s->seen.count == ROLES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d roles for one path", ROLES_MAX);
	uni_strv_add(&s->seen, name);
	int rc = get_role(s->tuf, name, by, &meta, err);
	if (rc != 0)
		return rc;
	const struct uni_json *entry =
		uni_json_get(uni_json_get(meta->content, "targets"), s->path);
	return entry != NULL ? take_target(s, name, entry, err) : visit_below(s, meta, err);
}

int uni_tuf_find(struct uni_tuf *tuf, const char *path, struct uni_tuf_target *target,
		 struct uni_err *err)
{
	struct search s = { .tuf = tuf, .path = path, .target = target };
	*target = (struct uni_tuf_target){ .size = 0 };
	if (!tuf->ready)
		return uni_err_set(err, UNI_E_AUTH, "nothing is trusted before a refresh");
	struct delegator by = { .keys = uni_json_get(tuf->root->content, "keys"),
				.role = role_of(tuf->root, "targets") };
	int rc = visit(&s, "targets", &by, err);
	uni_strv_free(&s.seen);
	if (rc == 0 && !s.found)
		rc = uni_err_set(err, UNI_E_NOENT, "nobody vouches for %s", path);
	return rc;
}

void uni_tuf_ahead(struct uni_tuf *tuf, const char *path, struct uni_strv *files)
{
	struct uni_tuf_target target;
	struct uni_err ignored = UNI_ERR_INIT;
	if (tuf->offline)
		return;
	tuf->missing = files;
	(void)uni_tuf_find(tuf, path, &target, &ignored);
	tuf->missing = NULL;
	uni_tuf_target_free(&target);
}
