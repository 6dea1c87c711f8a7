/*
 * For the judges of other makers: "make DIR" writes a repository of ours, with publishers, bins and
 * a rotated root, signed by keys made for it; "find ROOT DIR STATE NOW PATH" lets our client look
 * for a path in a repository of anyone's, and prints size, digest and role.
 */
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/trust/repository.h>
#include <uni/trust/tuf.h>

static int get(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
	       struct uni_buf *out, struct uni_err *err)
{
	char *file UNI_AUTO_FREE = uni_path_join(user, path);
	(void)known;
	uni_buf_clear(out);
	return uni_file_read(file, limit, out, err);
}

static int find(char **argv, struct uni_err *err)
{
	struct uni_buf root UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = NULL;
	struct uni_tuf_transport transport = { .get = get, .user = argv[1] };
	struct uni_tuf_target target;
	char text[UNI_DIGEST_TEXT];
	uint64_t now;
	int rc = uni_file_read(argv[0], UNI_TUF_ROOT_MAX, &root, err);
	if (rc != 0 || !uni_str_u64(argv[3], &now))
		return UNI_E_USAGE;
	struct uni_tuf_options options = {
		.state = argv[2], .root = root.data, .root_size = root.size, .now = (int64_t)now
	};
	rc = uni_tuf_open(&tuf, &options, &transport, err);
	if (rc == 0)
		rc = uni_tuf_refresh(tuf, err);
	if (rc == 0)
		rc = uni_tuf_find(tuf, argv[4], &target, err);
	if (rc != 0)
		return rc;
	uni_digest_text(&target.digest, text);
	printf("%llu %s %s\n", (unsigned long long)target.size, text, target.role);
	uni_tuf_target_free(&target);
	return 0;
}

static int make(const char *dir, int64_t now, struct uni_err *err)
{
	enum { KEYS = 4 };
	struct uni_signer *signers[KEYS] = { NULL };
	struct uni_public_key publics[KEYS];
	struct uni_tuf_repository *r UNI_AUTO(uni_tuf_repository) = NULL;
	struct uni_tuf_lifetimes lifetimes = { .now = now };
	const char *const patterns[] = { "packages/web*", NULL };
	int rc = 0;
	for (int i = 0; rc == 0 && i < KEYS; i++) {
		rc = uni_signer_new(&signers[i], err);
		if (rc == 0)
			publics[i] = *uni_signer_public(signers[i]);
	}
	struct uni_tuf_keys keys[UNI_TUF_ROLES] = {
		[UNI_TUF_ROOT] = { publics, 3, 2 },
		[UNI_TUF_SNAPSHOT] = { publics + 1, 1, 1 },
		[UNI_TUF_TARGETS] = { publics + 2, 1, 1 },
		[UNI_TUF_TIMESTAMP] = { publics + 1, 1, 1 },
	};
	struct uni_tuf_keys web = { publics + 3, 1, 1 }, other = { publics, 2, 1 };
	const struct uni_signer *const *all = (const struct uni_signer *const *)signers;
	if (rc == 0)
		rc = uni_tuf_repository_create(&r, dir, keys, 4, &lifetimes, err);
	for (unsigned i = 0; rc == 0 && i < 40; i++) {
		char path[64];
		snprintf(path, sizeof(path), "packages/%s%u \"\\\xc3\xbc.json",
			 i % 4 == 0 ? "web" : "p", i);
		struct uni_digest digest = uni_digest_of(path, strlen(path));
		if (i == 20)
			rc = uni_tuf_repository_commit(r, all, KEYS, err);
		if (i == 20 && rc == 0)
			rc = uni_tuf_repository_set_keys(r, UNI_TUF_ROOT, &other, err);
		if (i == 0 && rc == 0)
			rc = uni_tuf_repository_delegate(r, "web", &web, patterns, err);
		if (rc == 0)
			rc = uni_tuf_repository_put(r, path, strlen(path), &digest, err);
	}
	if (rc == 0)
		rc = uni_tuf_repository_commit(r, all, KEYS, err);
	for (int i = 0; i < KEYS; i++)
		uni_signer_free(signers[i]);
	return rc;
}

int main(int argc, char **argv)
{
	struct uni_err err = UNI_ERR_INIT;
	uint64_t now;
	int rc = UNI_E_USAGE;
	if (argc == 4 && uni_str_eq(argv[1], "make") && uni_str_u64(argv[3], &now))
		rc = make(argv[2], (int64_t)now, &err);
	else if (argc == 7 && uni_str_eq(argv[1], "find"))
		rc = find(argv + 2, &err);
	if (rc != 0)
		fprintf(stderr, "%s\n", err.text);
	return rc != 0;
}
