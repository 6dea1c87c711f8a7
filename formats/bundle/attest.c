/*
 * What a package says of itself to others' programs: a bill of materials and its provenance, both
 * made of package.json alone. So they are the same for whoever packs the same, a reader can make
 * them again to compare, and their subject is the digest that package.json has.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "spdx.h"

#define BUILD_TYPE "urn:uni:pack:1"

static void spdx_files(const struct uni_package *package, struct uni_buf *out)
{
	char id[64];

	for (size_t i = 0; i < package->file_count; i++) {
		const struct spdx_package file = { .id = id,
						   .name = package->files[i].path,
						   .digest = &package->files[i].digest,
						   .purpose = "FILE" };

		snprintf(id, sizeof(id), "SPDXRef-file-%zu", i + 1);
		uni_buf_puts(out, ",\n");
		spdx_package(out, &file);
	}
	for (size_t i = 0; i < package->requires.count; i++) {
		const char *text = package->requires.items[i];
		size_t size = strcspn(text, "@");
		char *name UNI_AUTO_FREE = uni_strndup(text, size);
		const struct spdx_package needed = {
			.id = id,
			.name = name,
			.version = text[size] == '@' ? text + size + 1 : NULL,
			.purpose = "LIBRARY",
		};

		snprintf(id, sizeof(id), "SPDXRef-needed-%zu", i + 1);
		uni_buf_puts(out, ",\n");
		spdx_package(out, &needed);
	}
}

static void spdx_relations(const struct uni_package *package, struct uni_buf *out)
{
	char id[64];
	size_t left = package->file_count + package->requires.count;

	spdx_relation(out, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-package",
		      left != 0 ? "," : "");
	for (size_t i = 0; i < package->file_count; i++) {
		snprintf(id, sizeof(id), "SPDXRef-file-%zu", i + 1);
		spdx_relation(out, "SPDXRef-package", "CONTAINS", id, --left != 0 ? "," : "");
	}
	for (size_t i = 0; i < package->requires.count; i++) {
		snprintf(id, sizeof(id), "SPDXRef-needed-%zu", i + 1);
		spdx_relation(out, "SPDXRef-package", "DEPENDS_ON", id, --left != 0 ? "," : "");
	}
}

void uni_package_spdx(const struct uni_package *package, struct uni_buf *out)
{
	struct uni_digest digest = uni_package_digest(package);
	const struct spdx_package whole = {
		.id = "SPDXRef-package",
		.name = package->name,
		.version = package->version,
		.licence = package->licence,
		.digest = &digest,
		.purpose = package->kind == UNI_PACKAGE_BASE ? "OPERATING-SYSTEM" : "ARCHIVE",
	};
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(&digest, text);
	uni_buf_puts(out, "{\n  \"spdxVersion\": \"SPDX-2.3\", \"dataLicense\": \"CC0-1.0\", "
			  "\"SPDXID\": \"SPDXRef-DOCUMENT\",\n");
	spdx_text(out, "  \"name\": ", package->name);
	uni_buf_printf(out, ",\n  \"documentNamespace\": \"urn:uni:package:%s\",\n", text);
	/* No time: the same package is the same whenever it is made. */
	uni_buf_puts(out, "  \"creationInfo\": {\"created\": \"1970-01-01T00:00:00Z\", "
			  "\"creators\": [\"Tool: uni-pack\"]},\n  \"packages\": [\n");
	spdx_package(out, &whole);
	spdx_files(package, out);
	uni_buf_puts(out, "\n  ],\n  \"relationships\": [\n");
	spdx_relations(package, out);
	uni_buf_puts(out, "  ]\n}\n");
}

void uni_package_provenance(const struct uni_package *package, struct uni_buf *out)
{
	struct uni_digest digest = uni_package_digest(package);

	uni_buf_puts(out, "{\"_type\": \"https://in-toto.io/Statement/v1\", \"subject\": [");
	spdx_text(out, "\n  {\"name\": ", PACKAGE_JSON);
	spdx_hex(out, ", \"digest\": {\"sha256\": ", &digest);
	uni_buf_puts(out, "}}],\n \"predicateType\": \"https://slsa.dev/provenance/v1\", "
			  "\"predicate\": {\n  \"buildDefinition\": {\"buildType\": \"" BUILD_TYPE
			  "\", \"externalParameters\": {");
	spdx_text(out, "\"name\": ", package->name);
	spdx_text(out, ", \"version\": ", package->version);
	spdx_text(out, ", \"arch\": ", package->arch);
	uni_buf_puts(out, "},\n   \"resolvedDependencies\": [");
	for (size_t i = 0; i < package->file_count; i++) {
		spdx_text(out, i != 0 ? ",\n    {\"name\": " : "\n    {\"name\": ",
			  package->files[i].path);
		spdx_hex(out, ", \"digest\": {\"sha256\": ", &package->files[i].digest);
		uni_buf_puts(out, "}}");
	}
	uni_buf_puts(out, "]},\n  \"runDetails\": {\"builder\": {\"id\": "
			  "\"urn:uni:builder:pack\"}}}}\n");
}
