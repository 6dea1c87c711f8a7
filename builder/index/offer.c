/*
 * From a package file to what an index says of it.
 */
#include "internal.h"
#include <fcntl.h>
#include <stdio.h>
#include <uni/base/file.h>

static char *copy(const char *text)
{
	return text != NULL ? uni_strdup(text) : NULL;
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

/* All of it is read, so that nothing damaged is offered. */
int index_offer_read(const char *file, char **name, struct uni_index_version *version,
		     struct uni_err *err)
{
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	int fd UNI_AUTO_CLOSE = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return uni_err_errno(err, "%s", file);
	int rc = uni_package_read(&package, fd, file, NULL, err);
	if (rc == 0)
		rc = uni_digest_fd(fd, &version->size, &version->digest, file, err);
	if (rc != 0)
		return rc;
	*name = uni_strdup(package->name);
	describe(package, version);
	return 0;
}
