/*
 * Bills of materials of an image that has its manifest beside it, with what the store knows of
 * packages.
 */
#include "sbom.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/source/package.h>

#define MANIFEST_MAX (64u << 20)

struct looking {
	struct uni_store *store;
	const char *name;
	const struct uni_digest *digest;
	struct uni_sbom_known *known;
	size_t versions;
	bool exact;
};

static char *copy(const char *text)
{
	return text != NULL ? uni_strdup(text) : NULL;
}

static bool has_digest(const struct uni_installed *installed, const struct uni_digest *digest)
{
	bool has = uni_digest_eq(&installed->digest, digest);

	for (size_t i = 0; i < installed->package->file_count; i++)
		has |= uni_digest_eq(&installed->package->files[i].digest, digest);
	return has;
}

static int look_at(void *user, const struct uni_installed *installed, struct uni_err *err)
{
	struct looking *l = user;
	bool exact = has_digest(installed, l->digest);

	(void)err;
	if (strcmp(installed->package->name, l->name) != 0)
		return 0;
	l->versions++;
	if (l->exact || (!exact && l->versions > 1))
		return 0;
	l->exact = exact;
	free(l->known->version);
	free(l->known->licence);
	l->known->version = uni_strdup(installed->package->version);
	l->known->licence = copy(installed->package->licence);
	return 0;
}

/* The store knows what the manifest does not say, while it still has that package. */
static void look_up(void *user, const char *name, const struct uni_digest *digest,
		    struct uni_sbom_known *known)
{
	struct uni_sbom_known found = { .version = NULL };
	struct looking l = { .store = user, .name = name, .digest = digest, .known = &found };
	struct uni_err ignored = UNI_ERR_INIT;

	(void)uni_package_list(l.store, look_at, &l, &ignored);
	if (l.exact || l.versions == 1) {
		if (known->version == NULL)
			known->version = copy(found.version);
		if (known->licence == NULL)
			known->licence = copy(found.licence);
	}
	free(found.version);
	free(found.licence);
}

/* The manifest itself, or the one beside an image: NAME.raw, NAME.manifest.json. */
static int read_manifest(const char *path, struct uni_buf *text, char **name, struct uni_err *err)
{
	if (uni_str_ends(path, ".json")) {
		*name = uni_strdup(path);
	} else {
		const char *dot = strrchr(path, '.');
		size_t size = dot != NULL && strchr(dot, '/') == NULL ? (size_t)(dot - path)
								      : strlen(path);

		*name = uni_asprintf("%.*s.manifest.json", (int)size, path);
	}
	return uni_file_read(*name, MANIFEST_MAX, text, err);
}

const char *cli_sbom_type(enum uni_sbom_form form)
{
	static const char *const types[] = {
		[UNI_SBOM_SPDX] = "application/spdx+json",
		[UNI_SBOM_CYCLONEDX] = "application/vnd.cyclonedx+json",
		[UNI_SBOM_PROVENANCE] = "application/vnd.in-toto+json",
	};

	return types[form];
}

int cli_sbom_write(struct uni_store *store, const char *image, enum uni_sbom_form form,
		   struct uni_buf *out, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf manifest = UNI_BUF_INIT;
	UNI_AUTO_FREE char *name = NULL;
	const struct uni_sbom_lookup lookup = { .fn = look_up, .user = store };
	int rc = read_manifest(image, &manifest, &name, err);

	return rc == 0 ? uni_sbom_write(form, name, &manifest, &lookup, out, err) : rc;
}
