/*
 * Putting packages into an index.
 */
#include "internal.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/index/publish.h>
#include <uni/source/repository.h>

struct uni_publisher {
	struct uni_repository *remote; /* where it belongs, when not in a folder */
	char *dir, *targets;
	struct uni_tuf_repository *repository;
	struct index_names fresh; /* packages that changed since the last commit */
	int lock;
};

/* Its files but the packages themselves, which are never read again. */
static int start_remote(struct uni_publisher **out, const char *url, struct uni_err *err)
{
	struct uni_publisher *p UNI_AUTO(uni_publisher) = uni_alloc(sizeof(*p));
	p->lock = -1;
	int rc = uni_repository_open(&p->remote, url, NULL, err);
	if (rc == 0)
		rc = uni_repository_update(p->remote, err);
	if (rc == 0)
		rc = uni_dir_tmp(NULL, &p->dir, err);
	if (rc == 0)
		rc = uni_repository_export(p->remote, p->dir, "targets/files", err);
	if (rc != 0)
		return rc;
	p->targets = uni_path_join(p->dir, "targets");
	*out = p;
	p = NULL;
	return 0;
}

static int start(struct uni_publisher **out, const char *dir, struct uni_err *err)
{
	if (uni_repository_url(dir))
		return start_remote(out, dir, err);
	struct uni_publisher *p UNI_AUTO(uni_publisher) = uni_alloc(sizeof(*p));
	p->lock = -1;
	p->dir = uni_strdup(dir);
	p->targets = uni_path_join(dir, "targets");
	char *lock UNI_AUTO_FREE = uni_path_join(dir, ".lock");
	int rc = uni_dir_make(dir, 0755, err);
	if (rc == 0)
		rc = uni_lock(lock, true, true, &p->lock, err);
	if (rc != 0)
		return rc;
	*out = p;
	p = NULL;
	return 0;
}

static int check_index(const char *dir, const char *name, struct uni_err *err)
{
	char *metadata UNI_AUTO_FREE = uni_path_join(dir, "metadata");
	if (uni_file_exists(metadata))
		return 0;
	uni_err_set(err, UNI_E_NOENT, "%s is no index", name);
	return uni_err_hint(err, "\"uni index create %s\" makes one", name);
}

int uni_publisher_open(struct uni_publisher **out, const char *dir,
		       const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err)
{
	struct uni_publisher *p UNI_AUTO(uni_publisher) = NULL;
	/* Looked for in a folder before anything is put there. */
	int rc = uni_repository_url(dir) ? 0 : check_index(dir, dir, err);
	if (rc == 0)
		rc = start(&p, dir, err);
	if (rc == 0)
		rc = check_index(p->dir, dir, err);
	if (rc != 0)
		return rc;
	char *metadata UNI_AUTO_FREE = uni_path_join(p->dir, "metadata");
	rc = uni_tuf_repository_open(&p->repository, metadata, lifetimes, err);
	if (rc != 0)
		return rc;
	*out = p;
	p = NULL;
	return 0;
}

int uni_publisher_create(struct uni_publisher **out, const char *dir,
			 const struct uni_tuf_keys keys[UNI_TUF_ROLES], unsigned bits,
			 const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err)
{
	struct uni_publisher *p UNI_AUTO(uni_publisher) = NULL;
	int rc = start(&p, dir, err);
	if (rc != 0)
		return rc;
	char *metadata UNI_AUTO_FREE = uni_path_join(p->dir, "metadata");
	rc = uni_tuf_repository_create(&p->repository, metadata, keys, bits, lifetimes, err);
	if (rc != 0)
		return rc;
	*out = p;
	p = NULL;
	return 0;
}

void uni_publisher_free(struct uni_publisher *p)
{
	struct uni_err ignored = UNI_ERR_INIT;
	if (p == NULL)
		return;
	if (p->remote != NULL && p->dir != NULL) {
		(void)uni_dir_remove(p->dir, &ignored);
		uni_tmp_forget(p->dir);
	}
	uni_repository_free(p->remote);
	uni_tuf_repository_free(p->repository);
	index_names_free(&p->fresh);
	uni_close_fd(&p->lock);
	free(p->dir);
	free(p->targets);
	free(p);
}

struct uni_tuf_repository *uni_publisher_repository(struct uni_publisher *p)
{
	return p->repository;
}

/* "DIR/HEX.NAME" */
static char *stored_path(const struct uni_publisher *p, const char *path,
			 const struct uni_digest *digest)
{
	char hex[65];
	const char *base = uni_path_base(path);
	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	char *file UNI_AUTO_FREE = uni_asprintf("%.*s%s.%s", (int)(base - path), path, hex, base);
	return uni_path_join(p->targets, file);
}

static int write_target(struct uni_publisher *p, const char *path, const struct uni_buf *text,
			struct uni_err *err)
{
	struct uni_digest digest = uni_digest_of(text->data, text->size);
	char *file UNI_AUTO_FREE = stored_path(p, path, &digest);
	char *dir UNI_AUTO_FREE = uni_path_dir(file);
	struct uni_outfile *out UNI_AUTO(uni_outfile) = NULL;
	int rc = uni_dir_make(dir, 0755, err);
	if (rc == 0)
		rc = uni_outfile_open(&out, file, 0644, err);
	if (rc == 0)
		rc = uni_write_full(uni_outfile_fd(out), text->data, text->size, file, err);
	if (rc == 0)
		rc = uni_outfile_commit(out, true, err);
	return rc == 0 ? uni_tuf_repository_put(p->repository, path, text->size, &digest, err) : rc;
}

/* UNI_E_NOENT when the index does not have it. */
static int read_target(const struct uni_publisher *p, const char *path, uint64_t limit,
		       struct uni_buf *text, struct uni_err *err)
{
	const struct uni_digest *digest = uni_tuf_repository_find(p->repository, path);
	if (digest == NULL)
		return uni_err_set(err, UNI_E_NOENT, "the index has no %s", path);
	char *file UNI_AUTO_FREE = stored_path(p, path, digest);
	int rc = uni_file_read(file, limit, text, err);
	if (rc != 0)
		return uni_err_set(err, UNI_E_CORRUPT, "the index is damaged: %s is not there",
				   file);
	struct uni_digest found = uni_digest_of(uni_buf_text(text), text->size);
	return uni_digest_eq(&found, digest)
		       ? 0
		       : uni_err_set(err, UNI_E_CORRUPT, "the index is damaged: %s was changed",
				     file);
}

static int load_package(const struct uni_publisher *p, const char *name,
			struct uni_index_package **package, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = uni_asprintf("packages/%s.json", name);
	int rc = read_target(p, path, PACKAGE_JSON_MAX, &text, err);
	return rc == 0 ? uni_index_package_parse(package, name, uni_buf_text(&text), text.size, err)
		       : rc;
}

static int write_names(struct uni_publisher *p, struct uni_err *err)
{
	struct uni_buf old UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	if (p->fresh.count == 0)
		return 0;
	int rc = read_target(p, "names.json", NAMES_JSON_MAX, &old, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		rc = 0;
	}
	if (rc == 0)
		rc = index_names_text(&p->fresh, &old, &text, err);
	return rc == 0 ? write_target(p, "names.json", &text, err) : rc;
}

static int store_package(struct uni_publisher *p, const struct uni_index_package *package,
			 struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = uni_asprintf("packages/%s.json", package->name);
	uni_index_package_text(package, &text);
	int rc = write_target(p, path, &text, err);
	if (rc == 0)
		index_names_note(&p->fresh, package);
	return rc;
}

/* --- packages --- */

/* 1: it is there already, the same. */
static int look_for(const struct uni_index_package *all, const struct uni_index_version *offered,
		    struct uni_err *err)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct uni_index_version *v = &all->versions[i];
		if (!uni_str_eq(v->version, offered->version) ||
		    !uni_str_eq(v->arch, offered->arch))
			continue;
		if (uni_digest_eq(&v->digest, &offered->digest))
			return 1;
		uni_err_set(err, UNI_E_EXIST, "%s %s is published with other content", all->name,
			    offered->version);
		return uni_err_hint(err, "a version never changes: publish a higher one");
	}
	return 0;
}

static int add_offer(struct uni_publisher *p, const char *name, const char *file,
		     struct uni_index_version *offered, struct uni_err *err)
{
	struct uni_index_package *all UNI_AUTO(uni_index_package) = NULL;
	int rc = load_package(p, name, &all, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		all = uni_alloc(sizeof(*all));
		all->name = uni_strdup(name);
		rc = 0;
	}
	if (rc == 0)
		rc = look_for(all, offered, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	char *stored UNI_AUTO_FREE = stored_path(p, offered->path, &offered->digest);
	char *dir UNI_AUTO_FREE = uni_path_dir(stored);
	index_package_take(all, offered);
	rc = uni_dir_make(dir, 0755, err);
	if (rc == 0)
		rc = uni_file_copy(file, stored, 0644, err);
	return rc == 0 ? store_package(p, all, err) : rc;
}

int uni_publisher_add(struct uni_publisher *p, const char *file, struct uni_err *err)
{
	struct uni_index_version offered = { .version = NULL };
	char *name UNI_AUTO_FREE = NULL;
	int rc = index_offer_read(file, &name, &offered, err);
	if (rc == 0)
		rc = add_offer(p, name, file, &offered, err);
	index_version_clear(&offered);
	return rc;
}

int uni_publisher_yank(struct uni_publisher *p, const char *name, const char *version,
		       const char *why, struct uni_err *err)
{
	struct uni_index_package *all UNI_AUTO(uni_index_package) = NULL;
	bool found = false;
	int rc = load_package(p, name, &all, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < all->count; i++) {
		if (!uni_str_eq(all->versions[i].version, version))
			continue;
		found = true;
		free(all->versions[i].yanked);
		all->versions[i].yanked = why != NULL ? uni_strdup(why) : NULL;
	}
	if (!found)
		return uni_err_set(err, UNI_E_NOENT, "the index has no %s %s", name, version);
	return store_package(p, all, err);
}

int uni_publisher_commit(struct uni_publisher *p, const struct uni_signer *const *signers,
			 size_t count, struct uni_err *err)
{
	int rc = write_names(p, err);
	if (rc == 0)
		rc = uni_tuf_repository_commit(p->repository, signers, count, err);
	if (rc == 0 && p->remote != NULL)
		rc = uni_repository_push(p->remote, p->dir, "Publish", err);
	if (rc == UNI_E_CHANGED)
		uni_err_hint(err, "somebody else published meanwhile: do it again");
	return rc;
}

int uni_publisher_root(const struct uni_publisher *p, struct uni_digest *digest,
		       struct uni_err *err)
{
	char *root UNI_AUTO_FREE = uni_path_join(p->dir, "metadata/1.root.json");
	return uni_digest_file(root, NULL, digest, err);
}
