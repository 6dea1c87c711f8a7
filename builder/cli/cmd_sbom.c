/*
 * uni sbom: what an image is made of, in the forms that other programs read.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/bundle/sbom.h>
#include <uni/source/package.h>
#include <uni/trust/dsse.h>

#include "commands.h"
#include "keys.h"

#define MANIFEST_MAX (64u << 20)
#define STATEMENT_TYPE "application/vnd.in-toto+json"

static const struct cli_option options[] = {
	{ "format", 'f', "FORM", "spdx (default), cyclonedx or provenance" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

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

static int sign(const struct cli *cli, struct uni_buf *out, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf envelope = UNI_BUF_INIT;
	struct cli_signers signers CLI_AUTO_SIGNERS = { 0 };
	int rc = cli_signers_load(cli, &signers, err);

	if (rc == 0)
		rc = uni_dsse_sign(STATEMENT_TYPE, out->data, out->size,
				   (const struct uni_signer *const *)signers.items, signers.count,
				   &envelope, err);
	if (rc != 0)
		return rc;
	uni_buf_clear(out);
	uni_buf_add(out, envelope.data, envelope.size);
	uni_buf_putc(out, '\n');
	return 0;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO_BUF struct uni_buf manifest = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	UNI_AUTO_FREE char *name = NULL;
	const char *format = cli_value(cli, "format");
	enum uni_sbom_form form = UNI_SBOM_SPDX;
	struct uni_err err = UNI_ERR_INIT;
	int rc = 0;

	if (format != NULL && !uni_sbom_form_parse(format, &form))
		rc = uni_err_set(&err, UNI_E_USAGE, "--format wants spdx, cyclonedx or provenance");
	if (rc == 0 && cli_value(cli, "key") != NULL && form != UNI_SBOM_PROVENANCE)
		rc = uni_err_set(&err, UNI_E_USAGE, "--key goes with --format provenance");
	if (rc == 0)
		rc = uni_store_open(&store, NULL, &cli->events, &err);
	struct uni_sbom_lookup lookup = { .fn = look_up, .user = store };
	if (rc == 0)
		rc = read_manifest(cli->args[0], &manifest, &name, &err);
	if (rc == 0)
		rc = uni_sbom_write(form, name, uni_buf_text(&manifest), manifest.size, &lookup,
				    &out, &err);
	if (rc == 0 && cli_value(cli, "key") != NULL)
		rc = sign(cli, &out, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_out_buf(&out);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni sbom out/site.raw", "SPDX 2.3, from out/site.manifest.json" },
	{ "uni sbom out/site.raw --format provenance --key me",
	  "SLSA provenance in a signed envelope (DSSE)" },
	{ 0 },
};

const struct cli_command cli_cmd_sbom = {
	.name = "sbom",
	.arguments = "IMAGE|MANIFEST",
	.summary = "Tell what an image is made of: SPDX, CycloneDX, SLSA provenance",
	.text = "From the manifest beside the image: base, every input and every tool with its "
		"digest, and\n"
		"versions and licences of packages while the store has them. No times, no places, "
		"no ids:\n"
		"the same image gives the same bytes.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
