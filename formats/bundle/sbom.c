/*
 * A manifest as a bill of materials and as provenance.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/bundle/sbom.h>

#include "spdx.h"

#define PARTS_MAX 1000000
#define BUILD_TYPE "urn:uni:build:1"

struct part {
	const char *kind; /* "base", "tool", or as the manifest calls an input */
	char *name;
	struct uni_sbom_known known;
	struct uni_digest digest;
};

struct bill {
	const struct uni_json *manifest;
	const char *image, *version, *uni;
	struct uni_digest digest; /* of the manifest */
	struct part *parts;
	size_t count, room;
};

static void bill_free(struct bill *bill)
{
	for (size_t i = 0; i < bill->count; i++) {
		free(bill->parts[i].name);
		free(bill->parts[i].known.version);
		free(bill->parts[i].known.licence);
	}
	free(bill->parts);
}

bool uni_sbom_form_parse(const char *name, enum uni_sbom_form *form)
{
	static const char *const names[] = { "spdx", "cyclonedx", "provenance" };
	for (unsigned i = 0; i < UNI_COUNT(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*form = (enum uni_sbom_form)i;
			return true;
		}
	}
	return false;
}

/* --- reading --- */

static int add_part(struct bill *bill, const char *kind, const struct uni_json *one,
		    const struct uni_sbom_lookup *lookup, struct uni_err *err)
{
	const char *name = uni_json_text(uni_json_get(one, "name"));
	const char *version = uni_json_text(uni_json_get(one, "version"));
	const char *digest = uni_json_text(uni_json_get(one, "digest"));
	struct part part = { .kind = kind };
	if (name == NULL || digest == NULL || !uni_digest_parse(digest, &part.digest))
		return uni_err_set(err, UNI_E_PARSE, "a part without name or digest");
	if (bill->count == PARTS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "too many parts");
	part.name = uni_strdup(name);
	part.known.version = version != NULL ? uni_strdup(version) : NULL;
	bool package = uni_str_starts(name, "pkg:");
	if (lookup != NULL && lookup->fn != NULL && (package || strcmp(kind, "base") == 0)) {
		const char *start = package ? name + strlen("pkg:") : name;
		char *bare UNI_AUTO_FREE = uni_strndup(start, strcspn(start, "@/"));
		lookup->fn(lookup->user, bare, &part.digest, &part.known);
	}
	UNI_PUSH_ROOM(bill->parts, bill->count, bill->room);
	bill->parts[bill->count++] = part;
	return 0;
}

static int add_list(struct bill *bill, const char *key, const char *kind,
		    const struct uni_sbom_lookup *lookup, struct uni_err *err)
{
	const struct uni_json *list = uni_json_get(bill->manifest, key);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < uni_json_count(list); i++) {
		const struct uni_json *one = uni_json_item(list, i);
		const char *own = uni_json_text(uni_json_get(one, "kind"));
		rc = add_part(bill, own != NULL ? own : kind, one, lookup, err);
	}
	return rc;
}

static int read_bill(struct bill *bill, const struct uni_sbom_lookup *lookup, struct uni_err *err)
{
	const struct uni_json *image = uni_json_get(bill->manifest, "image");
	bill->image = uni_json_text(uni_json_get(image, "name"));
	bill->version = uni_json_text(uni_json_get(image, "version"));
	bill->uni = uni_json_text(uni_json_get(bill->manifest, "uni"));
	if (bill->image == NULL || bill->version == NULL || bill->uni == NULL)
		return uni_err_set(err, UNI_E_PARSE, "not the manifest of an image");
	int rc = add_part(bill, "base", uni_json_get(bill->manifest, "base"), lookup, err);
	if (rc == 0)
		rc = add_list(bill, "inputs", "input", lookup, err);
	return rc == 0 ? add_list(bill, "tools", "tool", lookup, err) : rc;
}

static bool is_tool(const struct part *part)
{
	return strcmp(part->kind, "tool") == 0;
}

/* --- writing --- */

/* The image's epoch stands for the time at which this was made: there is no other. */
static void put_created(const struct bill *bill, struct uni_buf *out)
{
	uint64_t epoch = 0;
	struct tm tm;
	char text[32];
	(void)uni_json_u64(uni_json_get(uni_json_get(bill->manifest, "image"), "epoch"), &epoch);
	time_t when = (time_t)epoch;
	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) != 20)
		memcpy(text, "1970-01-01T00:00:00Z", 21);
	spdx_text(out, "", text);
}

static void write_spdx(const struct bill *bill, struct uni_buf *out)
{
	const struct spdx_package image = { .id = "SPDXRef-image",
					    .name = bill->image,
					    .version = bill->version,
					    .purpose = "OPERATING-SYSTEM" };
	char id[64];

	uni_buf_puts(out, "{\n  \"spdxVersion\": \"SPDX-2.3\", \"dataLicense\": \"CC0-1.0\", "
			  "\"SPDXID\": \"SPDXRef-DOCUMENT\",\n");
	uni_buf_puts(out, "  \"name\": ");
	uni_json_string(out, bill->image);
	char digest[UNI_DIGEST_TEXT];
	uni_digest_text(&bill->digest, digest);
	uni_buf_printf(out, ",\n  \"documentNamespace\": \"urn:uni:manifest:%s\"", digest);
	uni_buf_puts(out, ",\n  \"creationInfo\": {\"created\": ");
	put_created(bill, out);
	uni_buf_printf(out, ", \"creators\": [\"Tool: uni-%s\"]},\n  \"packages\": [\n", bill->uni);
	spdx_package(out, &image);
	for (size_t i = 0; i < bill->count; i++) {
		const struct part *part = &bill->parts[i];
		const struct spdx_package package = {
			.id = id,
			.name = part->name,
			.version = part->known.version,
			.licence = part->known.licence,
			.digest = &part->digest,
			.purpose = is_tool(part) ? "APPLICATION" : "LIBRARY",
		};

		snprintf(id, sizeof(id), "SPDXRef-part-%zu", i + 1);
		uni_buf_puts(out, ",\n");
		spdx_package(out, &package);
	}
	uni_buf_puts(out, "\n  ],\n  \"relationships\": [\n");
	spdx_relation(out, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image",
		      bill->count != 0 ? "," : "");
	for (size_t i = 0; i < bill->count; i++) {
		const char *end = i + 1 < bill->count ? "," : "";
		snprintf(id, sizeof(id), "SPDXRef-part-%zu", i + 1);
		if (is_tool(&bill->parts[i]))
			spdx_relation(out, id, "BUILD_TOOL_OF", "SPDXRef-image", end);
		else
			spdx_relation(out, "SPDXRef-image", "CONTAINS", id, end);
	}
	uni_buf_puts(out, "  ]\n}\n");
}

static void cyclone_component(struct uni_buf *out, const char *type, const struct part *part)
{
	spdx_text(out, "    {\"type\": ", type);
	spdx_text(out, ", \"name\": ", part->name);
	if (part->known.version != NULL)
		spdx_text(out, ", \"version\": ", part->known.version);
	spdx_hex(out, ", \"hashes\": [{\"alg\": \"SHA-256\", \"content\": ", &part->digest);
	uni_buf_puts(out, "}]");
	if (part->known.licence != NULL) {
		spdx_text(out, ", \"licenses\": [{\"expression\": ", part->known.licence);
		uni_buf_puts(out, "}]");
	}
	uni_buf_putc(out, '}');
}

static void cyclone_list(const struct bill *bill, bool tools, struct uni_buf *out)
{
	const char *between = "\n";
	for (size_t i = 0; i < bill->count; i++) {
		const struct part *part = &bill->parts[i];
		if (is_tool(part) != tools)
			continue;
		uni_buf_puts(out, between);
		cyclone_component(out,
				  strcmp(part->kind, "base") == 0 ? "operating-system"
				  : tools			  ? "application"
								  : "library",
				  part);
		between = ",\n";
	}
}

static void write_cyclonedx(const struct bill *bill, struct uni_buf *out)
{
	uni_buf_puts(out, "{\n  \"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.5\", "
			  "\"version\": 1,\n  \"metadata\": {\"component\": "
			  "{\"type\": \"operating-system\", \"name\": ");
	uni_json_string(out, bill->image);
	spdx_text(out, ", \"version\": ", bill->version);
	uni_buf_puts(out, "}, \"tools\": {\"components\": [");
	cyclone_list(bill, true, out);
	uni_buf_puts(out, "]}},\n  \"components\": [");
	cyclone_list(bill, false, out);
	uni_buf_puts(out, "\n  ]\n}\n");
}

static int write_subjects(const struct bill *bill, struct uni_buf *out, struct uni_err *err)
{
	const struct uni_json *artifacts = uni_json_get(bill->manifest, "artifacts");
	for (size_t i = 0; i < uni_json_count(artifacts); i++) {
		const struct uni_json *one = uni_json_item(artifacts, i);
		const char *name = uni_json_text(uni_json_get(one, "name"));
		const char *text = uni_json_text(uni_json_get(one, "digest"));
		struct uni_digest digest;
		bool mapped;
		if (name == NULL || text == NULL ||
		    !uni_content_digest_parse(text, &digest, &mapped))
			return uni_err_set(err, UNI_E_PARSE, "an artifact without name or digest");
		spdx_text(out, i != 0 ? ",\n  {\"name\": " : "\n  {\"name\": ", name);
		/* A sparse one's is of another kind, which nobody may take for SHA-256 of its
		 * bytes. */
		spdx_hex(out,
			 mapped ? ", \"digest\": {\"uniMapSha256\": "
				: ", \"digest\": {\"sha256\": ",
			 &digest);
		uni_buf_puts(out, "}}");
	}
	return 0;
}

static int write_provenance(const struct bill *bill, struct uni_buf *out, struct uni_err *err)
{
	const struct uni_json *recipe = uni_json_get(bill->manifest, "recipe");
	const char *digest = uni_json_text(uni_json_get(recipe, "digest"));
	uni_buf_puts(out, "{\"_type\": \"https://in-toto.io/Statement/v1\", \"subject\": [");
	int rc = write_subjects(bill, out, err);
	if (rc != 0)
		return rc;
	uni_buf_puts(out, "],\n \"predicateType\": \"https://slsa.dev/provenance/v1\", "
			  "\"predicate\": {\n  \"buildDefinition\": {\"buildType\": \"" BUILD_TYPE
			  "\", \"externalParameters\": {\"recipe\": ");
	uni_json_string(out, digest);
	spdx_text(out, ", \"variant\": ", uni_json_text(uni_json_get(recipe, "variant")));
	uni_buf_puts(out, "},\n   \"resolvedDependencies\": [");
	for (size_t i = 0; i < bill->count; i++) {
		spdx_text(out,
			  i != 0 ? ",\n    {\"name\": " : "\n    {\"name\": ", bill->parts[i].name);
		spdx_hex(out, ", \"digest\": {\"sha256\": ", &bill->parts[i].digest);
		uni_buf_puts(out, "}}");
	}
	uni_buf_printf(out,
		       "]},\n  \"runDetails\": {\"builder\": {\"id\": \"urn:uni:builder:%s\"}}}}\n",
		       bill->uni);
	return 0;
}

int uni_sbom_write(enum uni_sbom_form form, const char *name, const struct uni_buf *manifest,
		   const struct uni_sbom_lookup *lookup, struct uni_buf *out, struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	const char *text = uni_buf_text(manifest);
	int rc = uni_json_parse(&json, name, text, manifest->size, err);
	if (rc != 0)
		return rc;
	struct bill bill = { .manifest = json, .digest = uni_digest_of(text, manifest->size) };
	rc = read_bill(&bill, lookup, err);
	if (rc == 0 && form == UNI_SBOM_SPDX)
		write_spdx(&bill, out);
	else if (rc == 0 && form == UNI_SBOM_CYCLONEDX)
		write_cyclonedx(&bill, out);
	else if (rc == 0)
		rc = write_provenance(&bill, out, err);
	bill_free(&bill);
	return rc != 0 ? uni_err_context(err, "%s", name) : 0;
}
