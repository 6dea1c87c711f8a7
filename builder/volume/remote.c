/*
 * Content from elsewhere, and volumes sent there: commits of git repositories, container images and
 * what uni itself put into registries, snapshots in EC2.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/dest/pull.h>
#include <uni/dest/snapshot.h>
#include <uni/dest/volume.h>
#include <uni/oci/registry.h>
#include <uni/source/image.h>
#include <unistd.h>

#include "internal.h"

#define GIT "git+"
#define OCI "oci://"
#define EC2 "ec2://"

bool volume_is_remote(const char *place)
{
	return uni_str_starts(place, GIT) || uni_str_starts(place, OCI) ||
	       uni_str_starts(place, EC2);
}

static int open_store(struct uni_volume_source *s, struct uni_fetch *fetch, struct uni_err *err)
{
	*fetch = (struct uni_fetch){ .store = NULL };
	if (s->store == NULL && uni_store_open(&s->store, NULL, NULL, err) != 0)
		return err->code;
	fetch->store = s->store;
	return 0;
}

/* git+URL#COMMIT[:FOLDER] */
static int add_git(struct uni_volume_source *s, const char *place, struct uni_err *err)
{
	const char *url = place + strlen(GIT), *mark = strchr(url, '#');
	UNI_AUTO_FREE char *address = NULL;
	UNI_AUTO_FREE char *commit = NULL;
	struct uni_git_source git = { .url = NULL };
	struct uni_store_entry blob;
	struct uni_fetch fetch;
	UNI_AUTO_CLOSE int fd = -1;

	if (mark == NULL || strcspn(mark + 1, ":") != 40)
		return uni_err_set(err, UNI_E_USAGE, "%s: is not git+URL#COMMIT[:FOLDER]", place);
	git.url = address = uni_strndup(url, (size_t)(mark - url));
	git.commit = commit = uni_strndup(mark + 1, 40);
	git.member = mark[41] == ':' ? mark + 42 : NULL;
	if (open_store(s, &fetch, err) != 0 || uni_fetch_git(&fetch, &git, &blob, NULL, err) != 0 ||
	    uni_store_blob_open(s->store, &blob, &fd, err) != 0)
		return err->code;
	return volume_source_tar(s, fd, place, err);
}

/* --- registries --- */

static int add_files(struct uni_volume_source *s, struct uni_store_record *files,
		     const char *member, struct uni_err *err)
{
	UNI_AUTO(uni_files_view) struct uni_files_view *view = NULL;
	UNI_AUTO_FREE char *real = NULL;
	struct uni_store_entry *entry = NULL;
	int rc = uni_files_view_new(&view, files, err);

	if (rc == 0)
		rc = uni_files_view_find(view, member, &real, &entry, err);
	if (rc == 0 && entry != NULL)
		rc = uni_err_set(err, UNI_E_INVAL, "%s is a file of the image, no folder", member);
	if (rc == 0)
		rc = uni_files_fill(s->store, files, uni_str_eq(real, ".") ? NULL : real, s->tree,
				    &volume_rules, err);
	return rc;
}

/* What uni pushed: one file, which is a volume or an archive. It stays in the user's cache, which
 * keeps what the next version of it can use. */
static int add_artifact(struct uni_volume_source *s, const char *address, struct uni_err *err)
{
	UNI_AUTO_OCI_REFERENCE struct uni_oci_reference reference = { .host = NULL };
	UNI_AUTO_STRV struct uni_strv paths = { .items = NULL };
	UNI_AUTO_FREE char *cache = uni_dir_cache();
	UNI_AUTO_FREE char *folder = NULL;
	struct uni_pull pull = { .address = address, .force = true };

	if (uni_oci_reference_parse(address, &reference, err) != 0)
		return err->code;
	folder = uni_asprintf("%s/volumes/%s/%s", cache, reference.host, reference.name);
	pull.folder = folder;
	if (uni_oci_pull(&pull, &paths, err) != 0)
		return err->code;
	if (paths.count != 1)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: holds %zu files instead of one",
				   address, paths.count);
	return volume_source_local(s, paths.items[0], err);
}

/* oci://HOST/NAME[:TAG][//FOLDER]: a container image, else an artifact */
static int add_oci(struct uni_volume_source *s, const char *place, struct uni_err *err)
{
	struct uni_store_record files UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	const char *member = strstr(place + strlen(OCI), "//");
	UNI_AUTO_FREE char *address =
		member != NULL ? uni_strndup(place, (size_t)(member - place)) : uni_strdup(place);
	const struct uni_image_source image = { .address = address };
	struct uni_fetch fetch;
	int rc = open_store(s, &fetch, err);

	if (rc == 0)
		rc = uni_fetch_image(&fetch, &image, &files, err);
	if (rc == 0)
		return add_files(s, &files, member != NULL ? member + 2 : "", err);
	if (rc != UNI_E_UNSUPPORTED || member != NULL)
		return rc;
	uni_err_clear(err);
	return add_artifact(s, address, err);
}

/* ec2://REGION/NAME or ec2://REGION/snap-...: what a volume of it holds */
static int add_snapshot(struct uni_volume_source *s, const char *place, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = NULL;
	int rc = volume_source_dir(s, err);

	if (rc != 0)
		return rc;
	path = uni_path_join(s->dir, "snapshot");
	rc = uni_snapshot_pull(place, path, NULL, err);
	if (rc == 0 && volume_source_local(s, path, err) != 0)
		rc = uni_err_context(err, "%s", place);
	/* Its content lies beside it by now. */
	(void)unlink(path);
	return rc;
}

int volume_source_remote(struct uni_volume_source *s, const char *place, struct uni_err *err)
{
	if (uni_str_starts(place, GIT))
		return add_git(s, place, err);
	if (uni_str_starts(place, OCI))
		return add_oci(s, place, err);
	return add_snapshot(s, place, err);
}

/* --- the other way --- */

int volume_send(const char *file, const char *address, struct uni_err *err)
{
	const struct uni_dest_job job = { .source = file, .address = address };

	if (uni_str_starts(address, GIT))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: repositories are not written to",
				   address);
	if (uni_str_starts(address, EC2))
		return uni_snapshot_push(&job, err);
	return uni_volume_artifact_push(&job, err);
}
