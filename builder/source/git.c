/*
 * Commits of git repositories, by libgit2, which is loaded with the first one. A repository is
 * fetched into a temporary folder, its commit's tree written as an archive into the store, and the
 * folder goes: what is kept is found by the commit's name. Nothing of the user's git configuration
 * is read, and no credentials are sent.
 */
#include "fetch.h"
#include "libgit.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/io/tar.h>

#define DEPTH_MAX 64  /* of folders */
#define NESTING_MAX 8 /* of submodules */
#define ENTRIES_MAX 1000000
#define MODULES_MAX (1u << 20)

/* --- walking a tree into an archive --- */

struct walk {
	const struct uni_fetch *fetch;
	struct uni_tar_writer *tar;
	int64_t mtime;
	uint64_t entries;
	unsigned nesting;
};

/* A repository while its commit is read. */
struct repo {
	const struct uni_git_source *source;
	char *dir;
	git_repository *git;
	git_tree *root;
	int64_t time;
};

static int walk_commit(struct walk *w, const struct uni_git_source *source, const char *prefix,
		       struct uni_err *err);

static void repo_close(struct repo *repo)
{
	struct uni_err ignored = UNI_ERR_INIT;
	libgit.git_tree_free(repo->root);
	libgit.git_repository_free(repo->git);
	if (repo->dir != NULL) {
		uni_dir_remove(repo->dir, &ignored);
		uni_tmp_forget(repo->dir);
	}
	free(repo->dir);
}

static int fetch_into(struct repo *repo, struct uni_err *err)
{
	git_remote *remote = NULL;
	git_fetch_options options;
	char all[] = "+refs/*:refs/remotes/all/*";
	char *specs[] = { all };
	const git_strarray refs = { .strings = specs, .count = 1 };
	libgit.git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	options.proxy_opts.type = GIT_PROXY_AUTO;
	options.callbacks.transfer_progress = libgit_progress;
	int code = libgit.git_remote_create_anonymous(&remote, repo->git, repo->source->url);
	if (code == 0)
		code = libgit.git_remote_fetch(remote, &refs, &options, NULL);
	int rc = 0;
	if (code != 0)
		rc = uni_cancelled	 ? uni_check_cancel(err)
		     : code == GIT_EAUTH ? libgit_complain(UNI_E_AUTH, err)
					 : libgit_complain(UNI_E_NETWORK, err);
	libgit.git_remote_free(remote);
	return rc;
}

static int repo_open(struct repo *repo, const struct uni_git_source *source, struct uni_err *err)
{
	git_commit *commit = NULL;
	git_oid id;
	repo->source = source;
	int rc = uni_dir_tmp(NULL, &repo->dir, err);
	if (rc != 0)
		return rc;
	if (libgit.git_repository_init(&repo->git, repo->dir, 1) != 0)
		return libgit_complain(UNI_E_IO, err);
	rc = fetch_into(repo, err);
	if (rc != 0)
		return rc;
	if (libgit.git_oid_fromstr(&id, source->commit) != 0 ||
	    libgit.git_commit_lookup(&commit, repo->git, &id) != 0)
		return uni_err_set(err, UNI_E_NOENT, "no branch or tag has commit %s",
				   source->commit);
	repo->time = libgit.git_commit_time(commit);
	if (libgit.git_commit_tree(&repo->root, commit) != 0)
		rc = libgit_complain(UNI_E_CORRUPT, err);
	libgit.git_commit_free(commit);
	return rc;
}

static int write_blob(struct walk *w, struct repo *repo, const git_tree_entry *entry,
		      const char *path, struct uni_err *err)
{
	git_blob *blob = NULL;
	git_filemode_t mode = libgit.git_tree_entry_filemode(entry);
	if (libgit.git_blob_lookup(&blob, repo->git, libgit.git_tree_entry_id(entry)) != 0)
		return libgit_complain(UNI_E_CORRUPT, err);
	const void *data = libgit.git_blob_rawcontent(blob);
	uint64_t size = (uint64_t)libgit.git_blob_rawsize(blob);
	struct uni_entry out = { .type = UNI_ENTRY_FILE,
				 .path = path,
				 .mode = mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644,
				 .mtime = w->mtime,
				 .size = size };
	char *target UNI_AUTO_FREE = NULL;
	if (mode == GIT_FILEMODE_LINK) {
		target = uni_strndup(data, size);
		out.type = UNI_ENTRY_SYMLINK;
		out.mode = 0777;
		out.target = target;
		out.size = 0;
	}
	int rc = uni_tar_writer_entry(w->tar, &out, err);
	if (rc == 0 && out.size != 0)
		rc = uni_tar_writer_data(w->tar, data, size, err);
	libgit.git_blob_free(blob);
	return rc;
}

struct module {
	const char *path;
	char *name; /* of its section: "submodule.NAME." */
	char *url;
};

static int find_path(const git_config_entry *entry, void *payload)
{
	struct module *module = payload;
	size_t size = strlen(entry->name);
	if (uni_str_ends(entry->name, ".path") && uni_str_eq(entry->value, module->path)) {
		free(module->name);
		module->name = uni_strndup(entry->name, size - 4);
	}
	return 0;
}

static int find_url(const git_config_entry *entry, void *payload)
{
	struct module *module = payload;
	size_t size = strlen(module->name);
	if (strncmp(entry->name, module->name, size) == 0 &&
	    uni_str_eq(entry->name + size, "url")) {
		free(module->url);
		module->url = uni_strdup(entry->value);
	}
	return 0;
}

/* "../NAME" is beside the repository that says so. */
static char *module_url(const char *parent, const char *url)
{
	if (!uni_str_starts(url, "./") && !uni_str_starts(url, "../"))
		return uni_strdup(url);
	const char *scheme = strstr(parent, "://");
	size_t root = (size_t)(scheme - parent) + 3;
	root += strcspn(parent + root, "/");
	char *joined UNI_AUTO_FREE = uni_path_join(parent + root, url);
	char *path UNI_AUTO_FREE = uni_path_normal(joined);
	return uni_asprintf("%.*s%s", (int)root, parent, path);
}

static int read_modules(struct repo *repo, struct module *module, struct uni_err *err)
{
	git_tree_entry *entry = NULL;
	git_blob *blob = NULL;
	git_config *config = NULL;
	char *file UNI_AUTO_FREE = uni_path_join(repo->dir, "uni-modules");
	if (libgit.git_tree_entry_bypath(&entry, repo->root, ".gitmodules") != 0 ||
	    libgit.git_blob_lookup(&blob, repo->git, libgit.git_tree_entry_id(entry)) != 0) {
		libgit.git_tree_entry_free(entry);
		return uni_err_set(err, UNI_E_INVAL, "there is no .gitmodules");
	}
	libgit.git_tree_entry_free(entry);
	uint64_t size = (uint64_t)libgit.git_blob_rawsize(blob);
	int rc = size > MODULES_MAX
			 ? uni_err_set(err, UNI_E_LIMIT, ".gitmodules is too large")
			 : uni_file_write(file, libgit.git_blob_rawcontent(blob), size, 0600, err);
	libgit.git_blob_free(blob);
	if (rc != 0)
		return rc;
	if (libgit.git_config_open_ondisk(&config, file) != 0)
		return libgit_complain(UNI_E_CORRUPT, err);
	libgit.git_config_foreach_match(config, "^submodule\\..*\\.path$", find_path, module);
	if (module->name != NULL)
		libgit.git_config_foreach_match(config, "^submodule\\..*\\.url$", find_url, module);
	libgit.git_config_free(config);
	return module->url != NULL ? 0
				   : uni_err_set(err, UNI_E_INVAL,
						 ".gitmodules does not say where "
						 "it is");
}

static int walk_module(struct walk *w, struct repo *repo, const git_oid *id, const char *in_repo,
		       const char *path, struct uni_err *err)
{
	struct module module = { .path = in_repo };
	char commit[41];
	if (!repo->source->submodules) {
		uni_err_set(err, UNI_E_INVAL, "submodule %s", path);
		return uni_err_hint(err, "\"?submodules\" before the '#' follows submodules");
	}
	if (w->nesting == NESTING_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "submodules more than %d deep", NESTING_MAX);
	int rc = read_modules(repo, &module, err);
	char *url UNI_AUTO_FREE = rc == 0 ? module_url(repo->source->url, module.url) : NULL;
	if (rc == 0 && !uni_str_starts(url, "https://") &&
	    !(uni_str_starts(url, "file:///") && uni_str_starts(repo->source->url, "file:///")))
		rc = uni_err_set(err, UNI_E_DENIED, "its address is \"%s\", not https", url);
	uni_hex(id->id, 20, commit);
	struct uni_git_source source = { .url = url, .commit = commit, .submodules = true };
	if (rc == 0) {
		w->nesting++;
		rc = walk_commit(w, &source, path, err);
		w->nesting--;
	}
	free(module.name);
	free(module.url);
	return rc != 0 ? uni_err_context(err, "submodule %s", path) : 0;
}

/* Where a tree lies: by the repository's own names, for its modules, and in the archive. "" is the
 * top of either. */
struct folder {
	struct repo *repo;
	const char *in_repo, *path;
	unsigned depth;
};

static int walk_tree(struct walk *w, const struct folder *folder, const git_tree *tree,
		     struct uni_err *err);

static int walk_entry(struct walk *w, const struct folder *folder, const git_tree_entry *entry,
		      struct uni_err *err)
{
	struct repo *repo = folder->repo;
	const char *name = libgit.git_tree_entry_name(entry);
	char *path UNI_AUTO_FREE = uni_path_join(folder->path, name);
	char *inside UNI_AUTO_FREE = uni_path_join(folder->in_repo, name);
	const struct folder below = { repo, inside, path, folder->depth + 1 };
	git_object_t type = libgit.git_tree_entry_type(entry);
	git_tree *sub = NULL;
	if (name[0] == '\0' || strchr(name, '/') != NULL || uni_str_eq(name, ".") ||
	    uni_str_eq(name, ".."))
		return uni_err_set(err, UNI_E_CORRUPT, "an entry with the name \"%s\"", name);
	if (++w->entries > ENTRIES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d entries", ENTRIES_MAX);
	int rc = uni_check_cancel(err);
	if (rc != 0)
		return rc;
	if (type == GIT_OBJECT_BLOB)
		return write_blob(w, repo, entry, path, err);
	struct uni_entry out = {
		.type = UNI_ENTRY_DIR, .path = path, .mode = 0755, .mtime = w->mtime
	};
	rc = uni_tar_writer_entry(w->tar, &out, err);
	if (rc != 0)
		return rc;
	if (type == GIT_OBJECT_COMMIT)
		return walk_module(w, repo, libgit.git_tree_entry_id(entry), inside, path, err);
	if (libgit.git_tree_lookup(&sub, repo->git, libgit.git_tree_entry_id(entry)) != 0)
		return libgit_complain(UNI_E_CORRUPT, err);
	rc = walk_tree(w, &below, sub, err);
	libgit.git_tree_free(sub);
	return rc;
}

/* In git's own order, which is the same for everyone. */
static int walk_tree(struct walk *w, const struct folder *folder, const git_tree *tree,
		     struct uni_err *err)
{
	if (folder->depth > DEPTH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "folders more than %d deep", DEPTH_MAX);
	size_t count = libgit.git_tree_entrycount(tree);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = walk_entry(w, folder, libgit.git_tree_entry_byindex(tree, i), err);
	return rc;
}

static int walk_root(struct walk *w, struct repo *repo, const char *prefix, struct uni_err *err)
{
	const char *member = repo->source->member;
	const struct folder folder = { repo, member != NULL ? member : "", prefix, 0 };
	git_tree_entry *entry = NULL;
	git_tree *tree = NULL;
	if (w->nesting == 0)
		w->mtime = repo->time;
	if (member == NULL)
		return walk_tree(w, &folder, repo->root, err);
	if (libgit.git_tree_entry_bypath(&entry, repo->root, member) != 0)
		return uni_err_set(err, UNI_E_NOENT, "the commit has no %s", member);
	int rc;
	if (libgit.git_tree_entry_type(entry) != GIT_OBJECT_TREE)
		rc = uni_err_set(err, UNI_E_INVAL, "%s is no folder", member);
	else if (libgit.git_tree_lookup(&tree, repo->git, libgit.git_tree_entry_id(entry)) != 0)
		rc = libgit_complain(UNI_E_CORRUPT, err);
	else
		rc = walk_tree(w, &folder, tree, err);
	libgit.git_tree_free(tree);
	libgit.git_tree_entry_free(entry);
	return rc;
}

static int walk_commit(struct walk *w, const struct uni_git_source *source, const char *prefix,
		       struct uni_err *err)
{
	struct repo repo = { .dir = NULL };
	uni_event_note(w->fetch->events, "fetching commit %s of %s", source->commit, source->url);
	int rc = repo_open(&repo, source, err);
	if (rc == 0)
		rc = walk_root(w, &repo, prefix, err);
	repo_close(&repo);
	return rc;
}

/* --- what is asked for --- */

static int write_archive(const struct uni_fetch *fetch, const struct uni_git_source *git, int fd,
			 int64_t *time, struct uni_err *err)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) = uni_sink_to_fd(fd, uni_store_path(fetch->store));
	struct uni_tar_writer *tar UNI_AUTO(uni_tar_writer) = uni_tar_writer_new(sink);
	struct walk w = { .fetch = fetch, .tar = tar };
	int rc = walk_commit(&w, git, "", err);
	if (rc == 0)
		rc = uni_tar_writer_end(tar, err);
	*time = w.mtime;
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

static int write_file(const struct uni_git_source *git, int fd, int64_t *time, struct uni_err *err)
{
	struct repo repo = { .dir = NULL };
	git_tree_entry *entry = NULL;
	git_blob *blob = NULL;
	int rc = repo_open(&repo, git, err);
	*time = repo.time;
	if (rc == 0 && libgit.git_tree_entry_bypath(&entry, repo.root, git->member) != 0)
		rc = uni_err_set(err, UNI_E_NOENT, "the commit has no %s", git->member);
	if (rc == 0 && (libgit.git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
			libgit.git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK))
		rc = uni_err_set(err, UNI_E_INVAL, "%s is no file", git->member);
	if (rc == 0 &&
	    libgit.git_blob_lookup(&blob, repo.git, libgit.git_tree_entry_id(entry)) != 0)
		rc = libgit_complain(UNI_E_CORRUPT, err);
	if (rc == 0)
		rc = uni_write_full(fd, libgit.git_blob_rawcontent(blob),
				    (size_t)libgit.git_blob_rawsize(blob), git->member, err);
	libgit.git_blob_free(blob);
	libgit.git_tree_entry_free(entry);
	repo_close(&repo);
	return rc;
}

/* Not the address: whoever has the commit has the same. */
static struct uni_digest key_of(const struct uni_git_source *git)
{
	struct uni_hash hash;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni git 1");
	uni_hash_add_text(&hash, git->commit);
	uni_hash_add_text(&hash, git->member);
	uni_hash_add_u64(&hash, (git->submodules ? 1u : 0u) | (git->file ? 2u : 0u));
	return uni_hash_end(&hash);
}

static int fetch_git(const struct uni_fetch *fetch, const struct uni_git_source *git,
		     const struct uni_digest *key, struct uni_store_entry *blob, int64_t *time,
		     struct uni_err *err)
{
	struct uni_store_writer *writer UNI_AUTO(uni_store_writer) = NULL;
	int rc = libgit_load(err);
	if (rc == 0)
		rc = uni_store_writer_open(&writer, fetch->store, err);
	if (rc != 0)
		return rc;
	int fd = uni_store_writer_fd(writer);
	rc = git->file ? write_file(git, fd, time, err) : write_archive(fetch, git, fd, time, err);
	if (rc == 0)
		rc = uni_store_writer_commit(writer, NULL, blob, err);
	if (rc != 0)
		return rc;
	char *meta UNI_AUTO_FREE = uni_asprintf("time %" PRId64 "\n", *time);
	return fetch_remember(fetch, key, blob, meta, err);
}

int uni_fetch_git(const struct uni_fetch *fetch, const struct uni_git_source *git,
		  struct uni_store_entry *blob, int64_t *time, struct uni_err *err)
{
	struct uni_digest key = key_of(git);
	char *meta UNI_AUTO_FREE = NULL;
	int64_t when = 0;
	int rc = fetch_known(fetch, &key, blob, &meta, err);
	if (rc < 0)
		return rc;
	if (rc == 1 && sscanf(meta, "time %" SCNd64, &when) == 1) {
		rc = 0;
	} else if (fetch->offline) {
		return uni_err_set(err, UNI_E_NOENT,
				   "commit %s of %s is not in the store, and --offline is on",
				   git->commit, git->url);
	} else {
		rc = fetch_git(fetch, git, &key, blob, &when, err);
	}
	if (time != NULL)
		*time = when;
	return rc != 0 ? uni_err_context(err, "%s", git->url) : 0;
}
