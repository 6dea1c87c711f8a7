/*
 * Branches of git repositories elsewhere, by libgit2. One reference here, refs/heads/uni, is the
 * commit that was kept last.
 */
#include <uni/source/repository.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

#include "remote.h"

#define HERE "refs/heads/uni"
#define BRANCH_WHEN_EMPTY "refs/heads/main"
#define DEPTH_MAX 16
#define PREFIX "git+"

struct uni_repository {
	char *url; /* as libgit2 takes it */
	char *dir;
	bool temporary;
	git_repository *git;
	char *branch; /* there; known after an update */
	git_oid head; /* all zero: none */
	git_tree *tree;
};

bool uni_repository_url(const char *url)
{
	static const char *const schemes[] = { PREFIX "https://", PREFIX "ssh://",
					       PREFIX "file:///" };
	for (size_t i = 0; i < UNI_COUNT(schemes); i++)
		if (uni_str_starts(url, schemes[i]))
			return true;
	return false;
}

void uni_repository_free(struct uni_repository *r)
{
	struct uni_err ignored = UNI_ERR_INIT;
	if (r == NULL)
		return;
	if (r->git != NULL) {
		libgit.git_tree_free(r->tree);
		libgit.git_repository_free(r->git);
	}
	if (r->temporary && r->dir != NULL) {
		(void)uni_dir_remove(r->dir, &ignored);
		uni_tmp_forget(r->dir);
	}
	free(r->branch);
	free(r->url);
	free(r->dir);
	free(r);
}

/* --- what is here --- */

static int take_head(struct uni_repository *r, const git_oid *head, struct uni_err *err)
{
	git_commit *commit = NULL;
	libgit.git_tree_free(r->tree);
	r->tree = NULL;
	int rc = 0;
	if (libgit.git_commit_lookup(&commit, r->git, head) != 0 ||
	    libgit.git_commit_tree(&r->tree, commit) != 0)
		rc = libgit_complain(UNI_E_CORRUPT, err);
	libgit.git_commit_free(commit);
	r->head = *head;
	return rc;
}

int uni_repository_keep(struct uni_repository *r, struct uni_err *err)
{
	git_reference *reference = NULL;
	if (r->tree == NULL)
		return 0;
	if (libgit.git_reference_create(&reference, r->git, HERE, &r->head, 1, NULL) != 0)
		return libgit_complain(UNI_E_IO, err);
	libgit.git_reference_free(reference);
	return 0;
}

int uni_repository_open(struct uni_repository **out, const char *url, const char *dir,
			struct uni_err *err)
{
	struct uni_repository *r UNI_AUTO(uni_repository) = uni_alloc(sizeof(*r));
	git_oid head;
	int rc = libgit_load(err);
	if (rc == 0 && !uni_repository_url(url))
		rc = uni_err_set(err, UNI_E_USAGE, "%s is no git+https, git+ssh or git+file", url);
	if (rc != 0)
		return rc;
	r->url = uni_strdup(url + strlen(PREFIX));
	r->temporary = dir == NULL;
	if (dir != NULL)
		r->dir = uni_strdup(dir);
	else
		rc = uni_dir_tmp(NULL, &r->dir, err);
	if (rc != 0)
		return rc;
	if (libgit.git_repository_open_bare(&r->git, r->dir) != 0) {
		rc = uni_dir_make(r->dir, 0755, err);
		if (rc == 0 && libgit.git_repository_init(&r->git, r->dir, 1) != 0)
			rc = libgit_complain(UNI_E_IO, err);
	}
	if (rc == 0 && libgit.git_reference_name_to_id(&head, r->git, HERE) == 0)
		rc = take_head(r, &head, err);
	if (rc != 0)
		return rc;
	*out = r;
	r = NULL;
	return 0;
}

/* UNI_E_NOENT when there is no such file. */
static int find_blob(const struct uni_repository *r, const char *path, git_blob **blob,
		     struct uni_err *err)
{
	git_tree_entry *entry = NULL;
	*blob = NULL;
	if (r->tree == NULL || libgit.git_tree_entry_bypath(&entry, r->tree, path) != 0)
		return uni_err_set(err, UNI_E_NOENT, "%s has no %s", r->url, path);
	int rc = 0;
	if (libgit.git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
	    libgit.git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
		rc = uni_err_set(err, UNI_E_NOENT, "%s: %s is no file", r->url, path);
	else if (libgit.git_blob_lookup(blob, r->git, libgit.git_tree_entry_id(entry)) != 0)
		rc = libgit_complain(UNI_E_CORRUPT, err);
	libgit.git_tree_entry_free(entry);
	return rc;
}

int uni_repository_read(const struct uni_repository *r, const char *path, uint64_t limit,
			struct uni_buf *out, struct uni_err *err)
{
	git_blob *blob = NULL;
	int rc = find_blob(r, path, &blob, err);
	if (rc != 0)
		return rc;
	uint64_t size = (uint64_t)libgit.git_blob_rawsize(blob);
	uni_buf_clear(out);
	if (size > limit)
		rc = uni_err_set(err, UNI_E_LIMIT, "%s has more than %llu bytes", path,
				 (unsigned long long)limit);
	else
		uni_buf_add(out, libgit.git_blob_rawcontent(blob), size);
	libgit.git_blob_free(blob);
	return rc;
}

/* --- what is there --- */

struct there {
	char *branch;
	git_oid head;
	bool any;
};

static const git_remote_head *find_head(const git_remote_head *const *heads, size_t count,
					const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(heads[i]->name, name) == 0)
			return heads[i];
	return NULL;
}

/* The branch that HEAD means; a server that does not say which has one with the same commit. */
static void choose_branch(const git_remote_head *const *heads, size_t count, struct there *there)
{
	const git_remote_head *head = find_head(heads, count, "HEAD");
	const git_remote_head *branch = NULL;
	if (head != NULL && head->symref_target != NULL)
		branch = find_head(heads, count, head->symref_target);
	if (branch == NULL)
		branch = find_head(heads, count, BRANCH_WHEN_EMPTY);
	for (size_t i = 0; branch == NULL && i < count; i++)
		if (uni_str_starts(heads[i]->name, "refs/heads/") &&
		    (head == NULL || libgit.git_oid_cmp(&heads[i]->oid, &head->oid) == 0))
			branch = heads[i];
	there->any = branch != NULL;
	there->branch = uni_strdup(branch != NULL ? branch->name : BRANCH_WHEN_EMPTY);
	if (branch != NULL)
		there->head = branch->oid;
}

static int look(git_remote *remote, struct remote_talk *talk, struct there *there,
		struct uni_err *err)
{
	const git_remote_head **heads = NULL;
	git_remote_callbacks callbacks;
	git_proxy_options proxy = { .version = GIT_PROXY_OPTIONS_VERSION, .type = GIT_PROXY_AUTO };
	size_t count = 0;
	remote_callbacks(&callbacks, talk);
	int code = libgit.git_remote_connect(remote, GIT_DIRECTION_FETCH, &callbacks, &proxy, NULL);
	if (code == 0)
		code = libgit.git_remote_ls(&heads, &count, remote);
	if (code != 0)
		return remote_complain(code, talk, err);
	choose_branch((const git_remote_head *const *)heads, count, there);
	return 0;
}

static int fetch(struct uni_repository *r, git_remote *remote, struct remote_talk *talk,
		 const struct there *there, struct uni_err *err)
{
	char *spec UNI_AUTO_FREE = uni_asprintf("+%s:refs/remotes/there", there->branch);
	char *specs[] = { spec };
	const git_strarray refs = { .strings = specs, .count = 1 };
	git_fetch_options options;
	libgit.git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	options.proxy_opts.type = GIT_PROXY_AUTO;
	remote_callbacks(&options.callbacks, talk);
	int code = libgit.git_remote_fetch(remote, &refs, &options, NULL);
	return code == 0 ? take_head(r, &there->head, err) : remote_complain(code, talk, err);
}

int uni_repository_update(struct uni_repository *r, struct uni_err *err)
{
	struct remote_talk talk = { .url = r->url };
	struct there there = { .branch = NULL };
	git_remote *remote = NULL;
	int rc = 0;
	if (libgit.git_remote_create_anonymous(&remote, r->git, r->url) != 0)
		rc = libgit_complain(UNI_E_INVAL, err);
	if (rc == 0)
		rc = look(remote, &talk, &there, err);
	if (rc == 0 && there.any &&
	    (r->tree == NULL || libgit.git_oid_cmp(&there.head, &r->head) != 0))
		rc = fetch(r, remote, &talk, &there, err);
	libgit.git_remote_free(remote);
	free(r->branch);
	r->branch = there.branch;
	return rc != 0 ? uni_err_context(err, "%s", r->url) : 0;
}

/* --- files out of it --- */

struct export
{
	const struct uni_repository *repository;
	const char *dir, *without;
};

static int export_tree(const struct export *e, const git_tree *tree, const char *prefix,
		       unsigned depth, struct uni_err *err);

static bool name_is_sound(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static int export_blob(const struct export *e, const char *path, struct uni_err *err)
{
	git_blob *blob = NULL;
	char *file UNI_AUTO_FREE = uni_path_join(e->dir, path);
	char *folder UNI_AUTO_FREE = uni_path_dir(file);
	int rc = find_blob(e->repository, path, &blob, err);
	if (rc == 0)
		rc = uni_dir_make(folder, 0755, err);
	if (rc == 0)
		rc = uni_file_write(file, libgit.git_blob_rawcontent(blob),
				    (size_t)libgit.git_blob_rawsize(blob), 0644, err);
	libgit.git_blob_free(blob);
	return rc;
}

static int export_entry(const struct export *e, const git_tree_entry *entry, const char *prefix,
			unsigned depth, struct uni_err *err)
{
	const char *name = libgit.git_tree_entry_name(entry);
	git_tree *sub = NULL;
	if (!name_is_sound(name))
		return 0; /* nothing of ours */
	char *path UNI_AUTO_FREE =
		prefix[0] != '\0' ? uni_path_join(prefix, name) : uni_strdup(name);
	if (e->without != NULL && uni_path_inside(path, e->without))
		return 0;
	if (libgit.git_tree_entry_type(entry) == GIT_OBJECT_BLOB)
		return export_blob(e, path, err);
	if (libgit.git_tree_entry_type(entry) != GIT_OBJECT_TREE)
		return 0;
	if (libgit.git_tree_lookup(&sub, e->repository->git, libgit.git_tree_entry_id(entry)) != 0)
		return libgit_complain(UNI_E_CORRUPT, err);
	int rc = export_tree(e, sub, path, depth + 1, err);
	libgit.git_tree_free(sub);
	return rc;
}

static int export_tree(const struct export *e, const git_tree *tree, const char *prefix,
		       unsigned depth, struct uni_err *err)
{
	int rc = depth > DEPTH_MAX
			 ? uni_err_set(err, UNI_E_LIMIT, "folders more than %d deep", DEPTH_MAX)
			 : 0;
	size_t count = libgit.git_tree_entrycount(tree);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = export_entry(e, libgit.git_tree_entry_byindex(tree, i), prefix, depth, err);
	return rc;
}

int uni_repository_export(const struct uni_repository *r, const char *dir, const char *without,
			  struct uni_err *err)
{
	struct export e = { r, dir, without };
	return r->tree != NULL ? export_tree(&e, r->tree, "", 0, err) : 0;
}

/* --- files into it --- */

struct updates {
	struct uni_repository *repository;
	const char *dir;
	struct uni_strv paths;
	git_tree_update *items; /* their paths are those */
	size_t count, room;
};

static bool is_same(const struct uni_repository *r, const char *path, const git_oid *id)
{
	git_tree_entry *entry = NULL;
	if (r->tree == NULL || libgit.git_tree_entry_bypath(&entry, r->tree, path) != 0)
		return false;
	bool same = libgit.git_oid_cmp(libgit.git_tree_entry_id(entry), id) == 0;
	libgit.git_tree_entry_free(entry);
	return same;
}

static int gather_file(struct updates *u, const char *full, const char *path, struct uni_err *err)
{
	git_oid id;
	if (libgit.git_blob_create_from_disk(&id, u->repository->git, full) != 0)
		return libgit_complain(UNI_E_IO, err);
	if (is_same(u->repository, path, &id))
		return 0;
	uni_strv_add(&u->paths, path);
	UNI_PUSH_ROOM(u->items, u->count, u->room);
	u->items[u->count] = (git_tree_update){ .action = GIT_TREE_UPDATE_UPSERT,
						.id = id,
						.filemode = GIT_FILEMODE_BLOB,
						.path = u->paths.items[u->count] };
	u->count++;
	return 0;
}

static int gather(struct updates *u, const char *prefix, unsigned depth, struct uni_err *err)
{
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	char *folder UNI_AUTO_FREE = uni_path_join(u->dir, prefix);
	int rc = depth > DEPTH_MAX
			 ? uni_err_set(err, UNI_E_LIMIT, "folders more than %d deep", DEPTH_MAX)
			 : uni_dir_list(folder, &names, err);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		char *path UNI_AUTO_FREE = prefix[0] != '\0' ? uni_path_join(prefix, names.items[i])
							     : uni_strdup(names.items[i]);
		char *full UNI_AUTO_FREE = uni_path_join(u->dir, path);
		struct stat st;
		if (names.items[i][0] == '.')
			continue;
		if (lstat(full, &st) != 0)
			rc = uni_err_errno(err, "%s", full);
		else if (S_ISDIR(st.st_mode))
			rc = gather(u, path, depth + 1, err);
		else
			rc = gather_file(u, full, path, err);
	}
	return rc;
}

static int commit(struct uni_repository *r, const struct updates *u, const char *message,
		  git_oid *id, struct uni_err *err)
{
	git_signature *who = NULL;
	git_commit *parent = NULL;
	git_tree *tree = NULL;
	git_oid tree_id;
	const git_commit *parents[1];
	int code = libgit.git_tree_create_updated(&tree_id, r->git, r->tree, u->count, u->items);
	if (code == 0)
		code = libgit.git_tree_lookup(&tree, r->git, &tree_id);
	if (code == 0)
		code = libgit.git_signature_now(&who, "uni", "uni@localhost");
	if (code == 0 && r->tree != NULL)
		code = libgit.git_commit_lookup(&parent, r->git, &r->head);
	parents[0] = parent;
	if (code == 0)
		code = libgit.git_commit_create(id, r->git, NULL, who, who, NULL, message, tree,
						parent != NULL, parents);
	libgit.git_commit_free(parent);
	libgit.git_tree_free(tree);
	libgit.git_signature_free(who);
	return code == 0 ? 0 : libgit_complain(UNI_E_IO, err);
}

static int send(struct uni_repository *r, struct remote_talk *talk, struct uni_err *err)
{
	char *spec UNI_AUTO_FREE = uni_asprintf("refs/heads/next:%s", r->branch);
	char *specs[] = { spec };
	const git_strarray refs = { .strings = specs, .count = 1 };
	git_push_options options;
	git_remote *remote = NULL;
	libgit.git_push_options_init(&options, GIT_PUSH_OPTIONS_VERSION);
	options.proxy_opts.type = GIT_PROXY_AUTO;
	remote_callbacks(&options.callbacks, talk);
	int code = libgit.git_remote_create_anonymous(&remote, r->git, r->url);
	if (code == 0)
		code = libgit.git_remote_push(remote, &refs, &options);
	libgit.git_remote_free(remote);
	if (code == GIT_ENONFASTFORWARD || (code == 0 && talk->refused))
		return uni_err_set(err, UNI_E_CHANGED, "%s has changed, or does not permit it",
				   r->url);
	return code == 0 ? 0 : remote_complain(code, talk, err);
}

static int push_commit(struct uni_repository *r, const git_oid *id, struct uni_err *err)
{
	struct remote_talk talk = { .url = r->url };
	git_reference *next = NULL;
	if (libgit.git_reference_create(&next, r->git, "refs/heads/next", id, 1, NULL) != 0)
		return libgit_complain(UNI_E_IO, err);
	libgit.git_reference_free(next);
	int rc = send(r, &talk, err);
	return rc == 0 ? take_head(r, id, err) : rc;
}

int uni_repository_push(struct uni_repository *r, const char *dir, const char *message,
			struct uni_err *err)
{
	struct updates u = { .repository = r, .dir = dir };
	git_oid id;
	int rc = r->branch == NULL ? uni_repository_update(r, err) : 0;
	if (rc == 0)
		rc = gather(&u, "", 0, err);
	if (rc == 0 && u.count != 0) {
		rc = commit(r, &u, message, &id, err);
		if (rc == 0)
			rc = push_commit(r, &id, err);
	}
	uni_strv_free(&u.paths);
	free(u.items);
	return rc;
}
