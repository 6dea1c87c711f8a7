/*
 * The parts of an SPDX document, JSON, in our one layout.
 */
#include "spdx.h"

#include <uni/base/json.h>

void spdx_text(struct uni_buf *out, const char *before, const char *text)
{
	uni_buf_puts(out, before);
	uni_json_string(out, text);
}

void spdx_hex(struct uni_buf *out, const char *before, const struct uni_digest *digest)
{
	char hex[65];
	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	spdx_text(out, before, hex);
}

void spdx_package(struct uni_buf *out, const struct spdx_package *package)
{
	spdx_text(out, "    {\"SPDXID\": ", package->id);
	spdx_text(out, ", \"name\": ", package->name);
	if (package->version != NULL)
		spdx_text(out, ", \"versionInfo\": ", package->version);
	spdx_text(out, ", \"primaryPackagePurpose\": ", package->purpose);
	uni_buf_puts(out,
		     ",\n     \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false");
	if (package->digest != NULL) {
		spdx_hex(out, ", \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": ",
			 package->digest);
		uni_buf_puts(out, "}]");
	}
	spdx_text(out, ",\n     \"licenseConcluded\": \"NOASSERTION\", \"licenseDeclared\": ",
		  package->licence != NULL ? package->licence : "NOASSERTION");
	uni_buf_puts(out, ", \"copyrightText\": \"NOASSERTION\"}");
}

void spdx_relation(struct uni_buf *out, const char *from, const char *type, const char *to,
		   const char *end)
{
	uni_buf_printf(out,
		       "    {\"spdxElementId\": \"%s\", \"relationshipType\": \"%s\", "
		       "\"relatedSpdxElement\": \"%s\"}%s\n",
		       from, type, to, end);
}
