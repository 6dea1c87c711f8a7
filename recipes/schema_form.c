/*
 * What strings of a recipe must look like: one predicate a form. Nothing here looks at files.
 */
#include "schema.h"

#include <arpa/inet.h>
#include <regex.h>
#include <string.h>
#include <uni/base/path.h>
#include <uni/recipes/recipe.h>
#include <uni/recipes/version.h>

/* Linux's limits, which unibase shares. */
enum { PATH_BYTES_MAX = 1023, COMPONENT_MAX = 255, HOSTNAME_MAX = 64 };
enum { REGEX_MAX = 256, REPEATS_MAX = 1000, TARGET_MAX = 2048 };

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_name_of(const char *text, size_t size)
{
	if (size == 0 || size > UNI_RECIPE_NAME_MAX || !is_lower_or_digit(text[0]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!is_lower_or_digit(text[i]) && strchr("._-", text[i]) == NULL)
			return false;
	return true;
}

static bool is_name(const char *text)
{
	return is_name_of(text, strlen(text));
}

static bool is_version(const char *text)
{
	struct uni_version version;

	return uni_version_parse(text, &version);
}

static bool is_range(const char *text)
{
	struct uni_range range;

	return uni_range_parse(text, &range);
}

static bool has_short_components(const char *path)
{
	while (*path != '\0') {
		size_t size = strcspn(path, "/");

		if (size > COMPONENT_MAX)
			return false;
		path += size;
		path += strspn(path, "/");
	}
	return true;
}

static bool is_absolute(const char *text)
{
	char *normal UNI_AUTO_FREE = NULL;

	if (text[0] != '/' || strlen(text) > PATH_BYTES_MAX || !has_short_components(text))
		return false;
	normal = uni_path_normal(text);
	return strcmp(normal, text) == 0;
}

static bool is_file(const char *text)
{
	return text[0] != '\0' && !uni_str_starts(text, "pkg:") && !schema_is_remote(text) &&
	       !uni_str_starts(text, "oci:") && strlen(text) <= PATH_BYTES_MAX &&
	       has_short_components(text);
}

/* "pkg:NAME", "pkg:NAME@RANGE", "pkg:NAME/MEMBER", "pkg:NAME@RANGE/MEMBER". */
static bool is_package_input(const char *text)
{
	size_t name = strcspn(text, "@/");
	char *range UNI_AUTO_FREE = NULL;
	char *member UNI_AUTO_FREE = NULL;

	if (!is_name_of(text, name))
		return false;
	text += name;
	if (*text == '@') {
		size_t size = strcspn(++text, "/");

		range = uni_strndup(text, size);
		if (!is_range(range))
			return false;
		text += size;
	}
	if (*text == '\0')
		return true;
	member = uni_path_normal(text + 1);
	return strcmp(member, text + 1) == 0 && strcmp(member, ".") != 0 && member[0] != '/' &&
	       !uni_str_eq(member, "..") && !uni_str_starts(member, "../");
}

bool schema_is_remote(const char *text)
{
	return uni_str_starts(text, "https://") || uni_str_starts(text, "git+");
}

static bool is_commit(const char *text, size_t size)
{
	return size == 40 && strspn(text, "0123456789abcdef") >= size;
}

/* What stands before '#' is an address: printable, with a host, without a user in it. */
static bool is_url(const char *text, size_t size)
{
	const char *start = strstr(text, "://");
	size_t at;

	if (start == NULL || size > PATH_BYTES_MAX || (size_t)(start - text) + 3 >= size)
		return false;
	for (at = 0; at < size; at++)
		if (text[at] <= ' ' || text[at] > '~' || text[at] == '\\')
			return false;
	start += 3;
	at = strcspn(start, "/?#");
	return memchr(start, '@', at) == NULL && (at != 0 || uni_str_starts(text, "git+file:///"));
}

static bool is_remote(const char *text)
{
	const char *mark = strchr(text, '#'), *rest = mark != NULL ? mark + 1 : "";
	struct uni_digest digest;
	char *member UNI_AUTO_FREE = NULL;
	size_t size = strcspn(rest, ":");

	if (mark == NULL || !is_url(text, (size_t)(mark - text)))
		return false;
	if (!uni_str_starts(text, "git+"))
		return uni_str_starts(rest, "sha256:") && uni_digest_parse(rest, &digest);
	if (!uni_str_starts(text, "git+https://") && !uni_str_starts(text, "git+file:///"))
		return false;
	if (!is_commit(rest, size))
		return false;
	if (rest[size] == '\0')
		return true;
	member = uni_path_normal(rest + size + 1);
	return strcmp(member, rest + size + 1) == 0 && is_file(member) && member[0] != '/' &&
	       !uni_str_eq(member, ".") && !uni_str_eq(member, "..") &&
	       !uni_str_starts(member, "../");
}

/* A path in an image, behind the "//": a file's or folder's, normalised. */
static bool is_image_member(const char *text)
{
	char *normal UNI_AUTO_FREE = uni_path_normal(text);

	return strcmp(normal, text) == 0 && text[0] != '\0' && text[0] != '/' &&
	       strlen(text) <= PATH_BYTES_MAX && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0 && !uni_str_starts(text, "../");
}

/* "oci://HOST/NAME[:TAG][@sha256:DIGEST][//PATH]"; "oci:PLACE[:TAG][//PATH]" for one that lies
 * beside the recipe. What a registry will take is the registry's client's to say. */
static bool is_image(const char *text)
{
	const char *start = text + (uni_str_starts(text, "oci://") ? 6 : 4);
	const char *member = strstr(start, "//");
	size_t size = member != NULL ? (size_t)(member - start) : strlen(start);
	const char *at = memchr(start, '@', size);
	char *digest UNI_AUTO_FREE = NULL;
	struct uni_digest parsed;

	if (size == 0 || size > PATH_BYTES_MAX || (member != NULL && !is_image_member(member + 2)))
		return false;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)start[i] <= ' ' || start[i] == '#')
			return false;
	if (start == text + 4)
		return true;
	if (at != NULL) {
		digest = uni_strndup(at + 1, size - (size_t)(at + 1 - start));
		if (!uni_str_starts(digest, "sha256:") || !uni_digest_parse(digest, &parsed))
			return false;
		size = (size_t)(at - start);
	}
	return memchr(start, '/', size) != NULL && start[0] != '/' && start[size - 1] != '/';
}

static bool is_input(const char *text)
{
	if (uni_str_starts(text, "oci:"))
		return is_image(text);
	if (schema_is_remote(text))
		return is_remote(text);
	if (uni_str_starts(text, "pkg:"))
		return is_package_input(text + 4);
	return is_file(text);
}

bool schema_read_size(const char *text, uint64_t *bytes)
{
	return text[0] >= '0' && text[0] <= '9' && uni_str_size(text, bytes);
}

static bool is_size(const char *text)
{
	uint64_t bytes;

	return schema_read_size(text, &bytes);
}

bool schema_read_duration(const char *text, uint32_t *ms)
{
	size_t digits = strspn(text, "0123456789");
	char *number UNI_AUTO_FREE = uni_strndup(text, digits);
	const char *unit = text + digits;
	uint64_t value;
	uint64_t scale = strcmp(unit, "ms") == 0  ? 1
			 : strcmp(unit, "s") == 0 ? 1000
			 : strcmp(unit, "m") == 0 ? 60000
						  : 0;

	if (digits == 0 || digits > 9 || scale == 0 || !uni_str_u64(number, &value) ||
	    value * scale > UINT32_MAX)
		return false;
	*ms = (uint32_t)(value * scale);
	return true;
}

static bool is_duration(const char *text)
{
	uint32_t ms;

	return schema_read_duration(text, &ms);
}

/* RFC 1123 labels; '_' is let through where names of others stand, which may have it. */
static bool is_host_of(const char *text, size_t size, const char *also)
{
	size_t label = 0;

	if (size == 0 || size > 253)
		return false;
	for (size_t i = 0; i < size; i++) {
		bool plain = is_letter_or_digit(text[i]);
		bool edge = label == 0 || i + 1 == size || text[i + 1] == '.';

		if (text[i] == '.') {
			if (label == 0 || i + 1 == size)
				return false;
			label = 0;
			continue;
		}
		if (!plain && (edge || strchr(also, text[i]) == NULL))
			return false;
		if (++label > 63)
			return false;
	}
	return true;
}

static bool is_hostname(const char *text)
{
	return strlen(text) <= HOSTNAME_MAX && is_host_of(text, strlen(text), "-");
}

/* 4, 6, or 0 for what is no address. */
static int address_family(const char *text)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
}

static bool is_address(const char *text)
{
	return address_family(text) != 0;
}

static bool is_host(const char *text)
{
	size_t size = strcspn(text, " ");
	char *address UNI_AUTO_FREE = uni_strndup(text, size);
	unsigned names = 0;

	if (!is_address(address))
		return false;
	for (;;) {
		text += size;
		text += strspn(text, " ");
		if (*text == '\0')
			return names > 0;
		size = strcspn(text, " ");
		if (!is_host_of(text, size, "-_"))
			return false;
		names++;
	}
}

static bool is_network(const char *text)
{
	const char *slash = strchr(text, '/');
	const char *comma = strchr(text, ',');
	char *address UNI_AUTO_FREE = NULL;
	char *digits UNI_AUTO_FREE = NULL;
	uint64_t prefix;
	int family;

	if (strcmp(text, "dhcp") == 0 || strcmp(text, "none") == 0)
		return true;
	if (slash == NULL || (comma != NULL && comma < slash))
		return false;
	address = uni_strndup(text, (size_t)(slash - text));
	family = address_family(address);
	digits = uni_strndup(slash + 1,
			     comma != NULL ? (size_t)(comma - slash - 1) : strlen(slash + 1));
	if (family == 0 || digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits) ||
	    !uni_str_u64(digits, &prefix) || prefix > (family == 4 ? 32U : 128U))
		return false;
	return comma == NULL || address_family(comma + 1) == family;
}

static bool is_macro(const char *text, bool value_allowed)
{
	size_t size = 0;

	if (text[0] >= '0' && text[0] <= '9')
		return false;
	while (is_letter_or_digit(text[size]) || text[size] == '_')
		size++;
	return size > 0 && (text[size] == '\0' || (value_allowed && text[size] == '='));
}

static bool is_plain_tail(const char *text, const char *also)
{
	for (const char *c = text; *c != '\0'; c++)
		if (!is_letter_or_digit(*c) && strchr(also, *c) == NULL)
			return false;
	return true;
}

/* What changes neither where the compiler reads nor what it runs, and gives the same bytes for the
 * same sources wherever it runs. */
static bool is_cflag(const char *text)
{
	static const char *const whole[] = { "-O0",
					     "-O1",
					     "-O2",
					     "-O3",
					     "-Os",
					     "-Og",
					     "-w",
					     "-fno-strict-aliasing",
					     "-fwrapv",
					     "-fsigned-char",
					     "-funsigned-char" };

	for (size_t i = 0; i < UNI_COUNT(whole); i++)
		if (strcmp(text, whole[i]) == 0)
			return true;
	if (uni_str_starts(text, "-D"))
		return is_macro(text + 2, true);
	if (uni_str_starts(text, "-U"))
		return is_macro(text + 2, false);
	if (uni_str_starts(text, "-I"))
		return is_file(text + 2);
	if (uni_str_starts(text, "-std="))
		return text[5] != '\0' && is_plain_tail(text + 5, ":");
	/* -Wl, -Wa and -Wp hand options to other programs; a comma is how. */
	return uni_str_starts(text, "-W") && text[2] != '\0' && is_plain_tail(text + 2, "-=+");
}

/*
 * How often braces repeat, multiplied, since they may stand inside of each other: the C library
 * writes a repeated part out as often.
 */
static bool repeats_little(const char *text)
{
	unsigned long product = 1;

	for (const char *brace = strchr(text, '{'); brace != NULL; brace = strchr(brace + 1, '{')) {
		const char *end = brace + 1;
		unsigned long most = 1;

		while ((*end >= '0' && *end <= '9') || *end == ',') {
			unsigned long bound = strtoul(*end == ',' ? end + 1 : end, NULL, 10);

			most = bound > most ? bound : most;
			end += *end == ',' ? 1 : strspn(end, "0123456789");
		}
		if (most > REPEATS_MAX || (product *= most) > REPEATS_MAX)
			return false;
	}
	return true;
}

static bool is_regex(const char *text)
{
	regex_t regex;

	if (text[0] == '\0' || strlen(text) > REGEX_MAX || !repeats_little(text))
		return false;
	/* Back references are the C library's own addition, and have no bound. */
	for (const char *c = strchr(text, '\\'); c != NULL && c[1] != '\0'; c = strchr(c + 2, '\\'))
		if (c[1] >= '1' && c[1] <= '9')
			return false;
	if (regcomp(&regex, text, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	regfree(&regex);
	return true;
}

static bool is_sha256(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool is_target(const char *text)
{
	if (text[0] != '/' || strlen(text) > TARGET_MAX)
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || *c == '#')
			return false;
	return true;
}

static bool is_dns_name(const char *text)
{
	size_t size = strlen(text), label = 0;

	if (size == 0 || size > 254 || (size == 254 && text[253] != '.'))
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if ((!is_letter_or_digit(text[i]) && strchr("-_", text[i]) == NULL) ||
			   ++label > 63) {
			return false;
		}
	}
	return true;
}

bool schema_form_check(enum schema_form form, const char *text)
{
	static bool (*const checks[FORM_COUNT])(const char *) = {
		[FORM_NAME] = is_name,	       [FORM_VERSION] = is_version,
		[FORM_RANGE] = is_range,       [FORM_PACKAGE] = is_name,
		[FORM_ABSOLUTE] = is_absolute, [FORM_INPUT] = is_input,
		[FORM_FILE] = is_file,	       [FORM_SIZE] = is_size,
		[FORM_DURATION] = is_duration, [FORM_HOSTNAME] = is_hostname,
		[FORM_HOST] = is_host,	       [FORM_ADDRESS] = is_address,
		[FORM_NETWORK] = is_network,   [FORM_CFLAG] = is_cflag,
		[FORM_REGEX] = is_regex,       [FORM_SHA256] = is_sha256,
		[FORM_TARGET] = is_target,     [FORM_DNS_NAME] = is_dns_name,
	};

	return checks[form] == NULL || checks[form](text);
}
