/*
 * uni sbom: what an image is made of, in the forms that other programs read.
 */
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/bundle/package.h>
#include <uni/dest/pull.h>
#include <uni/trust/dsse.h>

#include "commands.h"
#include "keys.h"
#include "sbom.h"

#define STATEMENT_TYPE "application/vnd.in-toto+json"

static const struct cli_option options[] = {
	{ "format", 'f', "FORM", "spdx (default), cyclonedx or provenance" },
	CLI_KEY_OPTIONS,
	{ 0 },
};

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

/* What `uni push` attached, if the registry has it. */
static int read_attached(const struct cli *cli, enum uni_sbom_form form, struct uni_buf *out,
			 struct uni_err *err)
{
	const struct uni_pull pull = { .address = cli->args[0], .events = &cli->events };
	int rc = uni_oci_pull_attached(&pull, cli_sbom_type(form), out, err);

	if (rc != UNI_E_NOENT || form != UNI_SBOM_PROVENANCE)
		return rc;
	uni_err_clear(err);
	return uni_oci_pull_attached(&pull, CLI_SBOM_ENVELOPE, out, err);
}

static int tell_package(const char *file, enum uni_sbom_form form, struct uni_buf *out,
			struct uni_err *err)
{
	UNI_AUTO(uni_package) struct uni_package *package = NULL;
	UNI_AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? uni_err_errno(err, "%s", file) : 0;

	if (rc == 0 && form == UNI_SBOM_CYCLONEDX)
		rc = uni_err_set(err, UNI_E_USAGE, "packages have SPDX and provenance");
	if (rc == 0)
		rc = uni_package_read(&package, fd, file, NULL, err);
	if (rc == 0 && form == UNI_SBOM_SPDX)
		uni_package_spdx(package, out);
	else if (rc == 0)
		uni_package_provenance(package, out);
	return rc;
}

static int make(const struct cli *cli, enum uni_sbom_form form, struct uni_buf *out,
		struct uni_err *err)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	int rc;

	if (uni_str_ends(cli->args[0], UNI_PACKAGE_SUFFIX)) {
		rc = tell_package(cli->args[0], form, out, err);
	} else {
		rc = uni_store_open(&store, NULL, &cli->events, err);
		if (rc == 0)
			rc = cli_sbom_write(store, cli->args[0], form, out, err);
	}
	return rc == 0 && cli_value(cli, "key") != NULL ? sign(cli, out, err) : rc;
}

static int run(struct cli *cli)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;
	const char *format = cli_value(cli, "format");
	bool remote = uni_str_starts(cli->args[0], "oci://");
	enum uni_sbom_form form = UNI_SBOM_SPDX;
	struct uni_err err = UNI_ERR_INIT;
	int rc = 0;

	if (format != NULL && !uni_sbom_form_parse(format, &form))
		rc = uni_err_set(&err, UNI_E_USAGE, "--format wants spdx, cyclonedx or provenance");
	if (rc == 0 && cli_value(cli, "key") != NULL && (form != UNI_SBOM_PROVENANCE || remote))
		rc = uni_err_set(&err, UNI_E_USAGE,
				 "--key goes with --format provenance of an image here");
	if (rc == 0)
		rc = remote ? read_attached(cli, form, &out, &err) : make(cli, form, &out, &err);
	if (rc != 0)
		return cli_fail(cli, &err);
	cli_out_buf(&out);
	return UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni sbom out/site.raw", "SPDX 2.3, from out/site.manifest.json" },
	{ "uni sbom out/site.raw --format provenance --key me",
	  "SLSA provenance in a signed envelope (DSSE)" },
	{ "uni sbom web-1.2.0-any.unipkg", "as it stands in the package" },
	{ "uni sbom oci://registry.example/team/site:1.0 --format cyclonedx",
	  "what was attached when it was pushed" },
	{ 0 },
};

const struct cli_command cli_cmd_sbom = {
	.name = "sbom",
	.arguments = "IMAGE|MANIFEST|PACKAGE|oci://HOST/NAME[:TAG]",
	.summary = "Tell what an image or a package is made of: SPDX, CycloneDX, SLSA provenance",
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
