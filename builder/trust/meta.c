/*
 * Metadata of The Update Framework 1.0, sections 4 and 5: form, signatures, delegations.
 */
#include "meta.h"
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_SIZE 19 /* "2026-01-01T00:00:00" */

void meta_free(struct meta *meta)
{
	if (meta == NULL)
		return;
	uni_json_free(meta->document);
	uni_buf_free(&meta->canonical);
	free(meta);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years are shifted so that the leap day
 * ends one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400, in_era = year % 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

bool meta_time(const char *text, int64_t *seconds)
{
	unsigned year, month, day, hour, minute, second;
	int end = 0;
	if (strlen(text) < SECONDS_SIZE ||
	    sscanf(text, "%4u-%2u-%2uT%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second,
		   &end) != 6 ||
	    end != SECONDS_SIZE || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	/* The specification has whole seconds; JavaScript's writers put parts behind them. */
	text += SECONDS_SIZE;
	if (*text == '.' && text[1] >= '0' && text[1] <= '9')
		text += 1 + strspn(text + 1, "0123456789");
	if (!uni_str_eq(text, "Z"))
		return false;
	*seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}

void meta_time_text(int64_t seconds, char out[32])
{
	struct tm tm;
	time_t when = (time_t)seconds;
	gmtime_r(&when, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int check_fields(struct meta *meta, const char *type, const char *name, struct uni_err *err)
{
	const struct uni_json *content = meta->content;
	const char *spec = uni_json_text(uni_json_get(content, "spec_version"));
	const char *expires = uni_json_text(uni_json_get(content, "expires"));
	if (!uni_json_is_object(content) ||
	    !uni_json_is_array(uni_json_get(meta->document, "signatures")))
		return uni_err_set(err, UNI_E_PARSE, "%s is no signed metadata", name);
	if (!uni_str_eq(uni_json_text(uni_json_get(content, "_type")), type))
		return uni_err_set(err, UNI_E_AUTH, "%s is not of type %s", name, type);
	if (spec == NULL || !uni_str_starts(spec, "1."))
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s is of version %s of TUF, not 1",
				   name, spec != NULL ? spec : "unknown");
	if (!uni_json_u64(uni_json_get(content, "version"), &meta->version) || meta->version == 0 ||
	    expires == NULL || !meta_time(expires, &meta->expires))
		return uni_err_set(err, UNI_E_PARSE, "%s has no version or no expiry", name);
	return 0;
}

int meta_read(struct meta **out, const char *type, const char *name, const void *data, size_t size,
	      struct uni_err *err)
{
	struct meta *meta UNI_AUTO(meta) = uni_alloc(sizeof(*meta));
	int rc = uni_json_parse(&meta->document, name, data, size, err);
	if (rc != 0)
		return rc;
	meta->content = uni_json_get(meta->document, "signed");
	meta->digest = uni_digest_of(data, size);
	meta->size = size;
	rc = check_fields(meta, type, name, err);
	if (rc == 0)
		rc = uni_json_canonical(meta->content, &meta->canonical, err);
	if (rc != 0)
		return rc;
	*out = meta;
	meta = NULL;
	return 0;
}

bool meta_key(const struct uni_json *key, struct uni_public_key *out)
{
	const char *hex = uni_json_text(uni_json_get(uni_json_get(key, "keyval"), "public"));
	return hex != NULL && uni_str_eq(uni_json_text(uni_json_get(key, "keytype")), "ed25519") &&
	       uni_str_eq(uni_json_text(uni_json_get(key, "scheme")), "ed25519") &&
	       uni_unhex(hex, out->bytes, sizeof(out->bytes));
}

static bool has_text(const struct uni_json *list, const char *text)
{
	for (size_t i = 0; i < uni_json_count(list); i++)
		if (uni_str_eq(uni_json_text(uni_json_item(list, i)), text))
			return true;
	return false;
}

int meta_verify(const struct meta *meta, const struct uni_json *keys, const struct uni_json *role,
		const char *name, struct uni_err *err)
{
	const struct uni_json *signatures = uni_json_get(meta->document, "signatures");
	const struct uni_json *ids = uni_json_get(role, "keyids");
	struct uni_public_key counted[META_KEYS_MAX];
	size_t count = 0;
	uint64_t threshold;
	if (!uni_json_u64(uni_json_get(role, "threshold"), &threshold) || threshold == 0)
		return uni_err_set(err, UNI_E_AUTH, "%s: nobody is named to sign it", name);
	if (uni_json_count(signatures) > META_SIGNATURES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "%s has too many signatures", name);
	for (size_t i = 0; i < uni_json_count(signatures) && count < META_KEYS_MAX; i++) {
		const struct uni_json *one = uni_json_item(signatures, i);
		const char *id = uni_json_text(uni_json_get(one, "keyid"));
		const char *hex = uni_json_text(uni_json_get(one, "sig"));
		uint8_t signature[UNI_SIGNATURE_SIZE];
		struct uni_public_key key;
		bool known = false;
		if (id == NULL || hex == NULL || !has_text(ids, id) ||
		    !meta_key(uni_json_get(keys, id), &key) ||
		    !uni_unhex(hex, signature, sizeof(signature)))
			continue;
		/* By the key itself: it may stand there under two names. */
		for (size_t j = 0; j < count; j++)
			known |= uni_public_key_eq(&counted[j], &key);
		if (!known && uni_signature_valid(&key, meta->canonical.data, meta->canonical.size,
						  signature))
			counted[count++] = key;
	}
	if (count < threshold)
		return uni_err_set(err, UNI_E_AUTH,
				   "%s is signed by %zu of the keys that must, %llu are needed",
				   name, count, (unsigned long long)threshold);
	return 0;
}

int meta_verify_by_root(const struct meta *meta, const struct meta *root, const char *role,
			struct uni_err *err)
{
	return meta_verify(meta, uni_json_get(root->content, "keys"),
			   uni_json_get(uni_json_get(root->content, "roles"), role), role, err);
}

int meta_expected(const struct uni_json *entry, const char *name, struct meta_expected *out,
		  struct uni_err *err)
{
	const struct uni_json *length = uni_json_get(entry, "length");
	const struct uni_json *hashes = uni_json_get(entry, "hashes");
	const char *sha256 = uni_json_text(uni_json_get(hashes, "sha256"));
	out->size = UINT64_MAX;
	out->has_digest = sha256 != NULL;
	if (entry == NULL)
		return uni_err_set(err, UNI_E_AUTH, "%s is not vouched for", name);
	if (!uni_json_u64(uni_json_get(entry, "version"), &out->version) ||
	    (length != NULL && !uni_json_u64(length, &out->size)) ||
	    (hashes != NULL && (sha256 == NULL || !uni_digest_parse(sha256, &out->digest))))
		return uni_err_set(err, UNI_E_PARSE, "what is said of %s cannot be understood",
				   name);
	return 0;
}

int meta_match(const struct meta *meta, const struct meta_expected *expected, const char *name,
	       struct uni_err *err)
{
	if ((expected->size != UINT64_MAX && meta->size != expected->size) ||
	    (expected->has_digest && !uni_digest_eq(&meta->digest, &expected->digest)))
		return uni_err_set(err, UNI_E_AUTH, "%s is not the file that is vouched for", name);
	if (meta->version != expected->version)
		return uni_err_set(err, UNI_E_AUTH, "%s has version %llu, not %llu", name,
				   (unsigned long long)meta->version,
				   (unsigned long long)expected->version);
	return 0;
}

char *meta_file_name(const char *role)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	for (; *role != '\0'; role++) {
		bool plain = (*role >= 'a' && *role <= 'z') || (*role >= 'A' && *role <= 'Z') ||
			     (*role >= '0' && *role <= '9') || strchr("-_.~", *role) != NULL;
		if (plain)
			uni_buf_putc(&out, *role);
		else
			uni_buf_printf(&out, "%%%02X", (unsigned char)*role);
	}
	return uni_buf_take(&out);
}

bool meta_delegates(const struct uni_json *delegation, const char *path)
{
	const struct uni_json *paths = uni_json_get(delegation, "paths");
	const struct uni_json *prefixes = uni_json_get(delegation, "path_hash_prefixes");
	char hex[65];
	for (size_t i = 0; i < uni_json_count(paths); i++) {
		const char *pattern = uni_json_text(uni_json_item(paths, i));
		if (pattern != NULL && fnmatch(pattern, path, FNM_PATHNAME | FNM_NOESCAPE) == 0)
			return true;
	}
	if (prefixes == NULL)
		return false;
	struct uni_digest digest = uni_digest_of(path, strlen(path));
	uni_hex(digest.bytes, sizeof(digest.bytes), hex);
	for (size_t i = 0; i < uni_json_count(prefixes); i++) {
		const char *prefix = uni_json_text(uni_json_item(prefixes, i));
		if (prefix != NULL && prefix[0] != '\0' && uni_str_starts(hex, prefix))
			return true;
	}
	return false;
}

char *meta_bin(const struct uni_json *succinct, const char *path)
{
	const char *prefix = uni_json_text(uni_json_get(succinct, "name_prefix"));
	uint64_t bits;
	if (prefix == NULL || prefix[0] == '\0' ||
	    !uni_json_u64(uni_json_get(succinct, "bit_length"), &bits) || bits < 1 || bits > 32)
		return NULL;
	struct uni_digest digest = uni_digest_of(path, strlen(path));
	uint32_t number = (uint32_t)digest.bytes[0] << 24 | (uint32_t)digest.bytes[1] << 16 |
			  (uint32_t)digest.bytes[2] << 8 | digest.bytes[3];
	return uni_asprintf("%s-%0*x", prefix, (int)((bits + 3) / 4), number >> (32 - bits));
}
