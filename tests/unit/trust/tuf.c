/*
 * A repository and a client of it, and everything that someone between the two may try. The
 * attacker serves what it likes, and has at most the keys that a test gives it.
 */
#include "unit.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

enum { ROOT_A, ROOT_B, ROOT_C, ONLINE, PUBLISH, WEB, THIEF, SIGNERS };

struct world {
	char *dir, *repo, *served, *state;
	struct uni_signer *signers[SIGNERS];
	struct uni_tuf_repository *repository;
	int64_t now;
	struct uni_buf *changed; /* what is served instead of `changed_name` */
	const char *changed_name;
	unsigned requests;
	bool endless;
};

static const struct uni_public_key *public_of(const struct world *w, unsigned i)
{
	return uni_signer_public(w->signers[i]);
}

static int commit(struct world *w)
{
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_signer *signers[SIGNERS - 1];
	for (unsigned i = 0; i < SIGNERS - 1; i++)
		signers[i] = w->signers[i];
	int rc = uni_tuf_repository_commit(w->repository, signers, SIGNERS - 1, &err);
	if (rc != 0)
		print_message("commit: %s\n", err.text);
	return rc;
}

static void put(struct world *w, const char *path, const char *content)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest = uni_digest_of(content, strlen(content));
	assert_int_equal(
		uni_tuf_repository_put(w->repository, path, strlen(content), &digest, &err), 0);
}

static int create(struct world *w, unsigned bits)
{
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_public_key roots[] = { *public_of(w, ROOT_A), *public_of(w, ROOT_B),
						*public_of(w, ROOT_C) };
	struct uni_tuf_keys keys[UNI_TUF_ROLES] = {
		[UNI_TUF_ROOT] = { roots, 3, 2 },
		[UNI_TUF_SNAPSHOT] = { public_of(w, ONLINE), 1, 1 },
		[UNI_TUF_TARGETS] = { public_of(w, PUBLISH), 1, 1 },
		[UNI_TUF_TIMESTAMP] = { public_of(w, ONLINE), 1, 1 },
	};
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	uni_tuf_repository_free(w->repository);
	w->repository = NULL;
	return uni_tuf_repository_create(&w->repository, w->repo, keys, bits, &lifetimes, &err);
}

static int setup(void **state)
{
	struct world *w = uni_alloc(sizeof(*w));
	struct uni_err err = UNI_ERR_INIT;
	if (uni_dir_tmp(NULL, &w->dir, &err) != 0)
		return -1;
	w->repo = uni_path_join(w->dir, "repo");
	w->served = uni_strdup(w->repo);
	w->state = uni_path_join(w->dir, "state");
	w->now = NOW + DAY;
	for (unsigned i = 0; i < SIGNERS; i++)
		if (uni_signer_new(&w->signers[i], &err) != 0)
			return -1;
	*state = w;
	if (create(w, 0) != 0)
		return -1;
	put(w, "packages/a.json", "first");
	return commit(w);
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	for (unsigned i = 0; i < SIGNERS; i++)
		uni_signer_free(w->signers[i]);
	uni_tuf_repository_free(w->repository);
	uni_dir_remove(w->dir, &err);
	uni_tmp_forget(w->dir);
	free(w->dir);
	free(w->repo);
	free(w->served);
	free(w->state);
	free(w);
	return 0;
}

static int serve(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
		 struct uni_buf *out, struct uni_err *err)
{
	struct world *w = user;
	char *file UNI_AUTO_FREE = uni_path_join(w->served, path);
	w->requests++;
	uni_buf_clear(out);
	if (w->endless) {
		while (out->size <= limit)
			uni_buf_puts(out, "{\"signatures\":[]}        ");
		return uni_err_set(err, UNI_E_LIMIT, "%s has no end", path);
	}
	if (w->changed != NULL && uni_str_eq(path, w->changed_name))
		uni_buf_add(out, w->changed->data, w->changed->size);
	else if (uni_file_read(file, limit, out, err) != 0)
		return err->code;
	struct uni_digest digest = uni_digest_of(uni_buf_text(out), out->size);
	return known != NULL && uni_digest_eq(known, &digest);
}

static struct uni_tuf *client(struct world *w)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf root UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_tuf_transport transport = { .get = serve, .user = w };
	char *first UNI_AUTO_FREE = uni_path_join(w->repo, "1.root.json");
	struct uni_tuf *tuf = NULL;
	assert_int_equal(uni_file_read(first, 1 << 20, &root, &err), 0);
	struct uni_tuf_options options = {
		.state = w->state, .root = root.data, .root_size = root.size, .now = w->now
	};
	if (uni_tuf_open(&tuf, &options, &transport, &err) != 0)
		fail_msg("%s", err.text);
	return tuf;
}

/* What a fresh run of the client says of a refresh. */
static int refresh(struct world *w, struct uni_err *err)
{
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = client(w);
	uni_err_clear(err);
	w->requests = 0;
	return uni_tuf_refresh(tuf, err);
}

static int find(struct world *w, const char *path, struct uni_tuf_target *target,
		struct uni_err *err)
{
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = client(w);
	uni_err_clear(err);
	int rc = uni_tuf_refresh(tuf, err);
	return rc == 0 ? uni_tuf_find(tuf, path, target, err) : rc;
}

static void keep(struct world *w, const char *name) /* a copy of what is served now */
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_strv files UNI_AUTO_STRV = { .items = NULL };
	char *to UNI_AUTO_FREE = uni_path_join(w->dir, name);
	assert_int_equal(uni_dir_make(to, 0755, &err), 0);
	assert_int_equal(uni_dir_list(w->repo, &files, &err), 0);
	for (size_t i = 0; i < files.count; i++) {
		char *from UNI_AUTO_FREE = uni_path_join(w->repo, files.items[i]);
		char *copy UNI_AUTO_FREE = uni_path_join(to, files.items[i]);
		assert_int_equal(uni_file_copy(from, copy, 0644, &err), 0);
	}
}

static void serve_from(struct world *w, const char *name)
{
	free(w->served);
	w->served = uni_path_join(w->dir, name);
}

static void test_plain(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tuf_target target;
	if (find(w, "packages/a.json", &target, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(target.size, 5);
	assert_string_equal(target.role, "targets");
	assert_true(uni_str_starts(target.file, "packages/") &&
		    uni_str_ends(target.file, ".a.json"));
	uni_tuf_target_free(&target);
	assert_int_equal(find(w, "packages/b.json", &target, &err), UNI_E_NOENT);
	/* One request where nothing is new. */
	assert_int_equal(refresh(w, &err), 0);
	assert_int_equal(w->requests, 1);
	put(w, "packages/b.json", "second");
	assert_int_equal(commit(w), 0);
	assert_int_equal(find(w, "packages/b.json", &target, &err), 0);
	uni_tuf_target_free(&target);
	/* The repository as another run of its owner finds it. */
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	uni_tuf_repository_free(w->repository);
	assert_int_equal(uni_tuf_repository_open(&w->repository, w->repo, &lifetimes, &err), 0);
	put(w, "packages/c.json", "third");
	assert_int_equal(commit(w), 0);
	assert_int_equal(find(w, "packages/b.json", &target, &err), 0);
	uni_tuf_target_free(&target);
	assert_int_equal(find(w, "packages/c.json", &target, &err), 0);
	uni_tuf_target_free(&target);
}

static void test_rollback(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	keep(w, "old");
	put(w, "packages/a.json", "newer");
	assert_int_equal(commit(w), 0);
	assert_int_equal(refresh(w, &err), 0);
	serve_from(w, "old");
	assert_int_equal(refresh(w, &err), UNI_E_AUTH);
	assert_non_null(strstr(err.text, "goes back"));
	serve_from(w, "repo");
	assert_int_equal(refresh(w, &err), 0);
}

/* New timestamp and snapshot by a stolen online key that name an old targets file. */
static void test_stolen_online_key(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	keep(w, "old");
	put(w, "packages/a.json", "newer");
	assert_int_equal(commit(w), 0);
	assert_int_equal(refresh(w, &err), 0);
	/* The thief goes on from the old files, three commits on, and can sign these two roles. */
	struct uni_tuf_repository *thief UNI_AUTO(uni_tuf_repository) = NULL;
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	char *old UNI_AUTO_FREE = uni_path_join(w->dir, "old");
	const struct uni_signer *stolen[] = { w->signers[ONLINE] };
	assert_int_equal(uni_tuf_repository_open(&thief, old, &lifetimes, &err), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(uni_tuf_repository_commit(thief, stolen, 1, &err), 0);
	serve_from(w, "old");
	assert_int_equal(refresh(w, &err), UNI_E_AUTH);
	assert_non_null(strstr(err.text, "targets.json goes back"));
	/* And cannot put anything in. */
	struct uni_digest digest = uni_digest_of("evil", 4);
	assert_int_equal(uni_tuf_repository_put(thief, "packages/a.json", 4, &digest, &err), 0);
	assert_int_equal(uni_tuf_repository_commit(thief, stolen, 1, &err), UNI_E_AUTH);
}

static void test_freeze(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	assert_int_equal(refresh(w, &err), 0);
	w->now = NOW + 8 * DAY;
	assert_int_equal(refresh(w, &err), UNI_E_TIMEOUT);
	assert_non_null(strstr(err.text, "timestamp expired"));
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = client(w);
	assert_int_equal(uni_tuf_use_state(tuf, false, &err), UNI_E_TIMEOUT);
	struct uni_tuf_target target;
	assert_int_equal(uni_tuf_use_state(tuf, true, &err), 0);
	assert_int_equal(uni_tuf_find(tuf, "packages/a.json", &target, &err), 0);
	uni_tuf_target_free(&target);
	w->now = NOW + 400 * DAY;
	assert_int_equal(refresh(w, &err), UNI_E_TIMEOUT);
	assert_non_null(strstr(err.text, "root expired"));
}

/* High versions by a stolen online key; once its keys are replaced, clients come back. */
static void test_fast_forward(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	const struct uni_signer *stolen[] = { w->signers[ONLINE] };
	keep(w, "evil");
	struct uni_tuf_repository *thief UNI_AUTO(uni_tuf_repository) = NULL;
	char *evil UNI_AUTO_FREE = uni_path_join(w->dir, "evil");
	assert_int_equal(uni_tuf_repository_open(&thief, evil, &lifetimes, &err), 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(uni_tuf_repository_commit(thief, stolen, 1, &err), 0);
	serve_from(w, "evil");
	assert_int_equal(refresh(w, &err), 0); /* the key is good so far */
	serve_from(w, "repo");
	assert_int_equal(refresh(w, &err), UNI_E_AUTH);
	struct uni_tuf_keys fresh = { public_of(w, WEB), 1, 1 };
	assert_int_equal(
		uni_tuf_repository_set_keys(w->repository, UNI_TUF_TIMESTAMP, &fresh, &err), 0);
	assert_int_equal(uni_tuf_repository_set_keys(w->repository, UNI_TUF_SNAPSHOT, &fresh, &err),
			 0);
	assert_int_equal(commit(w), 0);
	if (refresh(w, &err) != 0)
		fail_msg("%s", err.text);
	serve_from(w, "evil");
	assert_int_equal(refresh(w, &err), UNI_E_AUTH);
}

static void test_mix_and_match(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf old UNI_AUTO_BUF = UNI_BUF_INIT;
	char *first UNI_AUTO_FREE = uni_path_join(w->repo, "1.targets.json");
	assert_int_equal(uni_file_read(first, 1 << 20, &old, &err), 0);
	put(w, "packages/a.json", "newer");
	assert_int_equal(commit(w), 0);
	w->changed = &old;
	w->changed_name = "2.targets.json";
	assert_int_equal(refresh(w, &err), UNI_E_AUTH);
	char *snapshot UNI_AUTO_FREE = uni_path_join(w->repo, "1.snapshot.json");
	uni_buf_clear(&old);
	assert_int_equal(uni_file_read(snapshot, 1 << 20, &old, &err), 0);
	put(w, "packages/a.json", "newest");
	assert_int_equal(commit(w), 0);
	w->changed_name = "3.snapshot.json";
	assert_int_equal(refresh(w, &err), UNI_E_AUTH);
	w->changed = NULL;
	assert_int_equal(refresh(w, &err), 0);
}

static void test_changed_bytes(void **state)
{
	struct world *w = *state;
	static const char *const names[] = { "timestamp.json", "1.snapshot.json",
					     "1.targets.json" };
	struct uni_err err = UNI_ERR_INIT;
	for (size_t i = 0; i < UNI_COUNT(names); i++) {
		struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
		char *path UNI_AUTO_FREE = uni_path_join(w->repo, names[i]);
		assert_int_equal(uni_file_read(path, 1 << 20, &text, &err), 0);
		char *version = strstr(text.data, "\"version\":1");
		version[10] = '7';
		w->changed = &text;
		w->changed_name = names[i];
		assert_int_equal(refresh(w, &err), UNI_E_AUTH);
		text.size /= 2; /* cut off */
		assert_true(refresh(w, &err) < 0);
		text.size = 0;
		assert_true(refresh(w, &err) < 0);
		w->changed = NULL;
	}
	w->endless = true;
	assert_int_equal(refresh(w, &err), UNI_E_LIMIT);
	w->endless = false;
	assert_int_equal(refresh(w, &err), 0);
}

static void test_root_rotation(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_signer *fresh UNI_AUTO(uni_signer) = NULL;
	assert_int_equal(uni_signer_new(&fresh, &err), 0);
	/* Out with C, in with a new one; then B too, each signed by old and new. */
	struct uni_public_key keys[] = { *public_of(w, ROOT_A), *public_of(w, ROOT_B),
					 *uni_signer_public(fresh) };
	struct uni_tuf_keys roots = { keys, 3, 2 };
	assert_int_equal(uni_tuf_repository_set_keys(w->repository, UNI_TUF_ROOT, &roots, &err), 0);
	assert_int_equal(commit(w), 0);
	keys[1] = *public_of(w, WEB);
	assert_int_equal(uni_tuf_repository_set_keys(w->repository, UNI_TUF_ROOT, &roots, &err), 0);
	assert_int_equal(commit(w), 0);
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = client(w);
	if (uni_tuf_refresh(tuf, &err) != 0)
		fail_msg("%s", err.text);
	/* A root by those who were dropped. */
	struct uni_tuf_repository *old UNI_AUTO(uni_tuf_repository) = NULL;
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	const struct uni_signer *dropped[] = { w->signers[ROOT_B], w->signers[ROOT_C],
					       w->signers[THIEF] };
	assert_int_equal(uni_tuf_repository_open(&old, w->repo, &lifetimes, &err), 0);
	struct uni_tuf_keys evil = { public_of(w, THIEF), 1, 1 };
	assert_int_equal(uni_tuf_repository_set_keys(old, UNI_TUF_ROOT, &evil, &err), 0);
	assert_int_equal(uni_tuf_repository_commit(old, dropped, 3, &err), UNI_E_AUTH);
	/* One of the two that are needed, its signature there twice under two names. */
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *third UNI_AUTO_FREE = uni_path_join(w->repo, "3.root.json");
	assert_int_equal(uni_file_read(third, 1 << 20, &text, &err), 0);
	w->changed = &text;
	w->changed_name = "4.root.json";
	assert_int_equal(refresh(w, &err), 0); /* not asked for: nothing is new */
	put(w, "packages/a.json", "more");
	assert_int_equal(commit(w), 0);
	assert_int_equal(refresh(w, &err), UNI_E_AUTH); /* version 3 for 4 */
	w->changed = NULL;
	assert_int_equal(refresh(w, &err), 0);
}

/* Writes a root by hand in which one key has two names, and a threshold of two. */
static void test_one_key_two_names(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_buf content UNI_AUTO_BUF = UNI_BUF_INIT, root UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf key UNI_AUTO_BUF = UNI_BUF_INIT;
	uint8_t signature[UNI_SIGNATURE_SIZE];
	char hex[2 * UNI_SIGNATURE_SIZE + 1];
	static const char *const roles[] = { "root", "snapshot", "targets", "timestamp" };
	uni_public_key_json(public_of(w, ROOT_A), &key);
	uni_buf_printf(&content,
		       "{\"_type\":\"root\",\"consistent_snapshot\":true,"
		       "\"expires\":\"2099-01-01T00:00:00Z\",\"keys\":{\"a\":%s,\"b\":%s},"
		       "\"roles\":{",
		       key.data, key.data);
	for (size_t i = 0; i < 4; i++)
		uni_buf_printf(&content, "%s\"%s\":{\"keyids\":[\"a\",\"b\"],\"threshold\":2}",
			       i != 0 ? "," : "", roles[i]);
	uni_buf_puts(&content, "},\"spec_version\":\"1.0.31\",\"version\":1}");
	assert_int_equal(
		uni_signer_sign(w->signers[ROOT_A], content.data, content.size, signature, &err),
		0);
	uni_hex(signature, sizeof(signature), hex);
	uni_buf_printf(&root,
		       "{\"signatures\":[{\"keyid\":\"a\",\"sig\":\"%s\"},{\"keyid\":\"b\","
		       "\"sig\":\"%s\"}],\"signed\":%s}",
		       hex, hex, content.data);
	struct uni_tuf_transport transport = { .get = serve, .user = w };
	struct uni_tuf_options options = {
		.state = w->state, .root = root.data, .root_size = root.size, .now = w->now
	};
	struct uni_tuf *tuf = NULL;
	assert_int_equal(uni_tuf_open(&tuf, &options, &transport, &err), UNI_E_AUTH);
}

static void test_publishers(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tuf_target target;
	const char *const patterns[] = { "packages/web.json", "packages/web-*.json", NULL };
	struct uni_tuf_keys keys = { public_of(w, WEB), 1, 1 };
	assert_int_equal(uni_tuf_repository_delegate(w->repository, "web", &keys, patterns, &err),
			 0);
	assert_int_equal(uni_tuf_repository_delegate(w->repository, "root", &keys, patterns, &err),
			 UNI_E_INVAL);
	put(w, "packages/web-tools.json", "by web");
	assert_int_equal(commit(w), 0);
	if (find(w, "packages/web-tools.json", &target, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(target.role, "web");
	uni_tuf_target_free(&target);
	/* The publisher signs alone, with the online key; not for other names. */
	const struct uni_signer *two[] = { w->signers[WEB], w->signers[ONLINE] };
	put(w, "packages/web.json", "more by web");
	assert_int_equal(uni_tuf_repository_commit(w->repository, two, 2, &err), 0);
	assert_int_equal(find(w, "packages/web.json", &target, &err), 0);
	uni_tuf_target_free(&target);
	put(w, "packages/other.json", "not theirs");
	assert_int_equal(uni_tuf_repository_commit(w->repository, two, 2, &err), UNI_E_AUTH);
	/* Wrong software for a name: the delegated file lists a path that is not theirs. */
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	uni_tuf_repository_free(w->repository);
	assert_int_equal(uni_tuf_repository_open(&w->repository, w->repo, &lifetimes, &err), 0);
	const char *const all[] = { "packages/*", NULL };
	keep(w, "evil");
	struct uni_tuf_repository *evil UNI_AUTO(uni_tuf_repository) = NULL;
	char *dir UNI_AUTO_FREE = uni_path_join(w->dir, "evil");
	assert_int_equal(uni_tuf_repository_open(&evil, dir, &lifetimes, &err), 0);
	assert_int_equal(uni_tuf_repository_delegate(evil, "web", &keys, all, &err), 0);
	assert_int_equal(uni_tuf_repository_commit(evil, two, 2, &err), UNI_E_AUTH);
	assert_int_equal(find(w, "packages/other.json", &target, &err), UNI_E_NOENT);
	/* Revoked: what they vouched for is gone, and their key helps nobody. */
	size_t count;
	assert_int_equal(uni_tuf_repository_revoke(w->repository, public_of(w, WEB), &count, &err),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(commit(w), 0);
	assert_int_equal(find(w, "packages/web.json", &target, &err), UNI_E_NOENT);
	serve_from(w, "evil");
	assert_int_equal(find(w, "packages/web.json", &target, &err), UNI_E_AUTH);
}

static void test_bins(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tuf_target target;
	assert_int_equal(uni_dir_remove(w->repo, &err), 0);
	assert_int_equal(create(w, 5), 0);
	for (unsigned i = 0; i < 200; i++) {
		char path[64];
		snprintf(path, sizeof(path), "packages/p%u.json", i);
		put(w, path, path);
	}
	assert_int_equal(commit(w), 0);
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = client(w);
	if (uni_tuf_refresh(tuf, &err) != 0)
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < 200; i += 7) {
		char path[64];
		snprintf(path, sizeof(path), "packages/p%u.json", i);
		if (uni_tuf_find(tuf, path, &target, &err) != 0)
			fail_msg("%s", err.text);
		assert_true(uni_str_starts(target.role, "bins-"));
		assert_int_equal(target.size, strlen(path));
		uni_tuf_target_free(&target);
	}
	assert_int_equal(uni_tuf_find(tuf, "packages/none.json", &target, &err), UNI_E_NOENT);
	/* Only the bin that changed is fetched again. */
	put(w, "packages/p3.json", "changed");
	assert_int_equal(commit(w), 0);
	w->requests = 0;
	assert_int_equal(uni_tuf_refresh(tuf, &err), 0);
	assert_int_equal(uni_tuf_find(tuf, "packages/p3.json", &target, &err), 0);
	uni_tuf_target_free(&target);
	assert_int_equal(w->requests, 5); /* timestamp twice, root, snapshot, the bin */
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	uni_tuf_repository_free(w->repository);
	assert_int_equal(uni_tuf_repository_open(&w->repository, w->repo, &lifetimes, &err), 0);
	assert_non_null(uni_tuf_repository_find(w->repository, "packages/p77.json"));
}

/* A client that is killed between any two files it keeps finds a state that it can go on from. */
static void test_killed_anywhere(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	static const char *const files[] = { "root", "timestamp", "snapshot", "targets" };
	for (unsigned missing = 0; missing < 16; missing++) {
		assert_int_equal(refresh(w, &err), 0);
		put(w, "packages/a.json", missing % 2 != 0 ? "odd" : "even");
		assert_int_equal(commit(w), 0);
		for (unsigned i = 0; i < 4; i++) {
			char *path UNI_AUTO_FREE = uni_asprintf("%s/%s.json", w->state, files[i]);
			if ((missing >> i & 1) != 0)
				unlink(path);
		}
		if (refresh(w, &err) != 0)
			fail_msg("%s", err.text);
		for (unsigned i = 0; i < 4; i++) {
			char *path UNI_AUTO_FREE = uni_asprintf("%s/%s.json", w->state, files[i]);
			if ((missing >> i & 1) != 0)
				assert_int_equal(uni_file_write(path, "{", 1, 0644, &err), 0);
		}
		if (refresh(w, &err) != 0)
			fail_msg("%s", err.text);
	}
}

/* Whoever changes all keys and is killed between any two files leaves what old and new clients
 * accept, and what his next publication goes on from. */
static void test_rotation_killed_anywhere(void **state)
{
	struct world *w = *state;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_tuf_target target;
	const struct uni_public_key roots[] = { *public_of(w, ROOT_A), *public_of(w, ROOT_B),
						*public_of(w, WEB) };
	const struct uni_tuf_keys root = { roots, 3, 2 }, other = { public_of(w, WEB), 1, 1 };
	static const char *const written[] = { "2.targets.json", "2.snapshot.json",
					       "timestamp.json", "2.root.json" };
	char *before UNI_AUTO_FREE = uni_path_join(w->dir, "before");
	assert_int_equal(refresh(w, &err), 0);
	keep(w, "before");
	keep(w, "mixed");
	assert_int_equal(uni_tuf_repository_set_keys(w->repository, UNI_TUF_ROOT, &root, &err), 0);
	for (enum uni_tuf_role role = UNI_TUF_SNAPSHOT; role < UNI_TUF_ROLES; role++)
		assert_int_equal(uni_tuf_repository_set_keys(w->repository, role, &other, &err), 0);
	put(w, "packages/b.json", "by others");
	assert_int_equal(commit(w), 0);
	serve_from(w, "before");
	for (size_t count = 0; count <= UNI_COUNT(written); count++) {
		char *old UNI_AUTO_FREE = w->state;
		char *fresh UNI_AUTO_FREE = uni_asprintf("%s-%zu", old, count);
		if (count != 0) {
			char *from UNI_AUTO_FREE = uni_path_join(w->repo, written[count - 1]);
			char *to UNI_AUTO_FREE = uni_path_join(before, written[count - 1]);
			assert_int_equal(uni_file_copy(from, to, 0644, &err), 0);
		}
		for (size_t i = 0; i < 2; i++) {
			w->state = i == 0 ? old : fresh;
			if (find(w, "packages/a.json", &target, &err) != 0)
				fail_msg("%zu files: %s", count, err.text);
			uni_tuf_target_free(&target);
		}
		w->state = uni_strdup(old);
	}
	assert_int_equal(find(w, "packages/b.json", &target, &err), 0);
	uni_tuf_target_free(&target);
	/* A new root in front of what its keys have not signed yet: the next publication signs it
	 * all. */
	struct uni_tuf_lifetimes lifetimes = { .now = NOW };
	char *root_file UNI_AUTO_FREE = uni_path_join(w->repo, "2.root.json");
	char *mixed UNI_AUTO_FREE = uni_path_join(w->dir, "mixed");
	char *mixed_root UNI_AUTO_FREE = uni_path_join(mixed, "2.root.json");
	assert_int_equal(uni_file_copy(root_file, mixed_root, 0644, &err), 0);
	uni_tuf_repository_free(w->repository);
	w->repository = NULL;
	assert_int_equal(uni_tuf_repository_open(&w->repository, mixed, &lifetimes, &err), 0);
	assert_int_equal(commit(w), 0);
	serve_from(w, "mixed");
	free(w->state);
	w->state = uni_path_join(w->dir, "state-mixed");
	if (find(w, "packages/a.json", &target, &err) != 0)
		fail_msg("%s", err.text);
	uni_tuf_target_free(&target);
}

int unit_tuf(void)
{
#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_plain),
		WORLD_TEST(test_rollback),
		WORLD_TEST(test_stolen_online_key),
		WORLD_TEST(test_freeze),
		WORLD_TEST(test_fast_forward),
		WORLD_TEST(test_mix_and_match),
		WORLD_TEST(test_changed_bytes),
		WORLD_TEST(test_root_rotation),
		WORLD_TEST(test_one_key_two_names),
		WORLD_TEST(test_publishers),
		WORLD_TEST(test_bins),
		WORLD_TEST(test_killed_anywhere),
		WORLD_TEST(test_rotation_killed_anywhere),
	};
	return cmocka_run_group_tests_name("tuf", tests, NULL, NULL);
}
