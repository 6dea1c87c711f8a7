/*
 * Putting packages into an index.
 */
#include "internal.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/index/publish.h>
#include <uni/recipes/version.h>
#include <unistd.h>

struct fresh_name {
	char *name;
	char *version, *description; /* of the newest that is offered; NULL: none is */
};

struct uni_publisher {
	char *dir, *targets;
	struct uni_tuf_repository *repository;
	struct fresh_name *fresh; /* packages that changed since the last commit */
	size_t fresh_count, fresh_room;
	int lock;
};

static int start(struct uni_publisher **out, const char *dir, struct uni_err *err)
{
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

int uni_publisher_open(struct uni_publisher **out, const char *dir,
		       const struct uni_tuf_lifetimes *lifetimes, struct uni_err *err)
{
	struct uni_publisher *p UNI_AUTO(uni_publisher) = NULL;
	char *metadata UNI_AUTO_FREE = uni_path_join(dir, "metadata");
	if (!uni_file_exists(metadata)) {
		uni_err_set(err, UNI_E_NOENT, "%s is no index", dir);
		return uni_err_hint(err, "\"uni index create %s\" makes one", dir);
	}
	int rc = start(&p, dir, err);
	if (rc == 0)
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
	char *metadata UNI_AUTO_FREE = uni_path_join(dir, "metadata");
	int rc = start(&p, dir, err);
	if (rc == 0)
		rc = uni_tuf_repository_create(&p->repository, metadata, keys, bits, lifetimes,
					       err);
	if (rc != 0)
		return rc;
	*out = p;
	p = NULL;
	return 0;
}

static void fresh_clear(struct fresh_name *f)
{
	free(f->name);
	free(f->version);
	free(f->description);
}

void uni_publisher_free(struct uni_publisher *p)
{
	if (p == NULL)
		return;
	uni_tuf_repository_free(p->repository);
	for (size_t i = 0; i < p->fresh_count; i++)
		fresh_clear(&p->fresh[i]);
	free(p->fresh);
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

/* --- the list of names, written once a commit --- */

struct names {
	struct uni_buf out;
	const struct fresh_name *fresh; /* sorted */
	size_t count, next;
	bool any;
};

static void put_name(struct names *n, const char *name, const char *version,
		     const char *description)
{
	uni_buf_puts(&n->out, n->any ? ",\n " : "{\n ");
	uni_json_string(&n->out, name);
	uni_buf_puts(&n->out, ": {\"version\": ");
	uni_json_string(&n->out, version);
	if (description != NULL) {
		uni_buf_puts(&n->out, ", \"description\": ");
		uni_json_string(&n->out, description);
	}
	uni_buf_putc(&n->out, '}');
	n->any = true;
}

/* Those before `name` (NULL: all that are left); true when `name` itself was among them. */
static bool put_fresh(struct names *n, const char *name)
{
	int order = -1;
	while (n->next < n->count) {
		const struct fresh_name *f = &n->fresh[n->next];
		order = name != NULL ? strcmp(f->name, name) : -1;
		if (order > 0)
			return false;
		if (f->version != NULL) /* else all of it is yanked */
			put_name(n, f->name, f->version, f->description);
		n->next++;
		if (order == 0)
			return true;
	}
	return false;
}

static int copy_name(void *user, const char *name, const struct uni_json *entry,
		     struct uni_err *err)
{
	struct names *n = user;
	const char *version = uni_json_text(uni_json_get(entry, "version"));
	(void)err;
	if (!put_fresh(n, name) && version != NULL)
		put_name(n, name, version, uni_json_text(uni_json_get(entry, "description")));
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct fresh_name *)a)->name, ((const struct fresh_name *)b)->name);
}

static int write_names(struct uni_publisher *p, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	struct names n = { .fresh = p->fresh, .count = p->fresh_count };
	if (p->fresh_count == 0)
		return 0;
	qsort(p->fresh, p->fresh_count, sizeof(*p->fresh), by_name);
	int rc = read_target(p, "names.json", NAMES_JSON_MAX, &text, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		rc = 0;
	} else if (rc == 0) {
		rc = uni_json_parse(&json, "names.json", uni_buf_text(&text), text.size, err);
		if (rc == 0)
			rc = uni_json_each(json, copy_name, &n, err);
	}
	put_fresh(&n, NULL);
	uni_buf_puts(&n.out, n.any ? "\n}\n" : "{}\n");
	if (rc == 0)
		rc = write_target(p, "names.json", &n.out, err);
	uni_buf_free(&n.out);
	return rc;
}

static char *copy(const char *text)
{
	return text != NULL ? uni_strdup(text) : NULL;
}

static void note_name(struct uni_publisher *p, const struct uni_index_package *package)
{
	struct fresh_name fresh = { .name = uni_strdup(package->name) };
	size_t at = 0;
	/* The list may not be sorted yet: its newest stands at its end. */
	const struct uni_index_version *best = NULL;
	for (size_t i = 0; i < package->count; i++) {
		const struct uni_index_version *v = &package->versions[i];
		struct uni_version one, two;
		if (v->yanked == NULL && (best == NULL || (uni_version_parse(v->version, &one) &&
							   uni_version_parse(best->version, &two) &&
							   uni_version_cmp(&one, &two) > 0)))
			best = v;
	}
	if (best != NULL) {
		fresh.version = uni_strdup(best->version);
		fresh.description = copy(best->description);
	}
	while (at < p->fresh_count && !uni_str_eq(p->fresh[at].name, package->name))
		at++;
	if (at < p->fresh_count) {
		fresh_clear(&p->fresh[at]);
	} else {
		UNI_PUSH_ROOM(p->fresh, p->fresh_count, p->fresh_room);
		p->fresh_count++;
	}
	p->fresh[at] = fresh;
}

static int store_package(struct uni_publisher *p, const struct uni_index_package *package,
			 struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = uni_asprintf("packages/%s.json", package->name);
	uni_index_package_text(package, &text);
	int rc = write_target(p, path, &text, err);
	if (rc == 0)
		note_name(p, package);
	return rc;
}

/* --- packages --- */

static int nothing_start(void *user, const struct uni_package *package, struct uni_err *err)
{
	(void)user;
	(void)package;
	(void)err;
	return 0;
}

static int nothing_data(void *user, size_t index, const void *data, size_t size,
			struct uni_err *err)
{
	(void)user;
	(void)index;
	(void)data;
	(void)size;
	(void)err;
	return 0;
}

static int nothing_end(void *user, size_t index, struct uni_err *err)
{
	(void)user;
	(void)index;
	(void)err;
	return 0;
}

/* All of it is read, so that nothing damaged is published. */
static int read_package(const char *file, struct uni_package **package, struct uni_index_version *v,
			struct uni_err *err)
{
	static const struct uni_package_visitor visitor = { .start = nothing_start,
							    .data = nothing_data,
							    .end = nothing_end };
	int fd UNI_AUTO_CLOSE = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return uni_err_errno(err, "%s", file);
	int rc = uni_package_read(package, fd, file, &visitor, err);
	if (rc == 0)
		rc = uni_digest_fd(fd, &v->size, &v->digest, file, err);
	return rc;
}

static void describe(const struct uni_package *package, struct uni_index_version *v)
{
	char *name UNI_AUTO_FREE = uni_package_filename(package);
	v->version = uni_strdup(package->version);
	v->arch = uni_strdup(package->arch);
	v->kind = uni_strdup(uni_package_kind_name(package->kind));
	v->description = copy(package->description);
	v->licence = copy(package->licence);
	v->path = uni_asprintf("files/%s/%s", package->name, name);
	v->package = uni_package_digest(package);
	for (size_t i = 0; i < package->requires.count; i++)
		uni_strv_add(&v->requires, package->requires.items[i]);
}

/* 1: it is there already, the same. */
static int look_for(const struct uni_index_package *all, const struct uni_package *package,
		    const struct uni_digest *digest, struct uni_err *err)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct uni_index_version *v = &all->versions[i];
		if (!uni_str_eq(v->version, package->version) ||
		    !uni_str_eq(v->arch, package->arch))
			continue;
		if (uni_digest_eq(&v->digest, digest))
			return 1;
		uni_err_set(err, UNI_E_EXIST, "%s %s is published with other content",
			    package->name, package->version);
		return uni_err_hint(err, "a version never changes: publish a higher one");
	}
	return 0;
}

int uni_publisher_add(struct uni_publisher *p, const char *file, struct uni_err *err)
{
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	struct uni_index_package *all UNI_AUTO(uni_index_package) = NULL;
	struct uni_index_version read = { .version = NULL };
	int rc = read_package(file, &package, &read, err);
	if (rc != 0)
		return rc;
	rc = load_package(p, package->name, &all, err);
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		all = uni_alloc(sizeof(*all));
		all->name = uni_strdup(package->name);
		rc = 0;
	}
	if (rc == 0)
		rc = look_for(all, package, &read.digest, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	UNI_PUSH_ROOM(all->versions, all->count, all->room);
	struct uni_index_version *v = &all->versions[all->count++];
	*v = read;
	describe(package, v);
	char *stored UNI_AUTO_FREE = stored_path(p, v->path, &v->digest);
	char *dir UNI_AUTO_FREE = uni_path_dir(stored);
	rc = uni_dir_make(dir, 0755, err);
	if (rc == 0)
		rc = uni_file_copy(file, stored, 0644, err);
	return rc == 0 ? store_package(p, all, err) : rc;
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
		all->versions[i].yanked = copy(why);
	}
	if (!found)
		return uni_err_set(err, UNI_E_NOENT, "the index has no %s %s", name, version);
	return store_package(p, all, err);
}

int uni_publisher_commit(struct uni_publisher *p, const struct uni_signer *const *signers,
			 size_t count, struct uni_err *err)
{
	int rc = write_names(p, err);
	return rc == 0 ? uni_tuf_repository_commit(p->repository, signers, count, err) : rc;
}
