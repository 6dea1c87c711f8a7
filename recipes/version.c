/*
 * Versions and ranges. Every condition is turned into lower bounds (>=) and upper bounds (<) when
 * it is read, so that looking whether a version is in a range knows only these two.
 */
#include <stdio.h>
#include <string.h>
#include <uni/recipes/version.h>

/* A version whose end may be left out; `parts` says how many of the three numbers were there. */
struct partial {
	struct uni_version version;
	unsigned parts;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_identifier(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static bool read_number(const char **s, uint32_t *number)
{
	uint64_t value = 0;
	const char *start = *s;

	for (; is_digit(**s); ++*s) {
		value = value * 10 + (uint64_t)(**s - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*number = (uint32_t)value;
	return *s != start && (*start != '0' || *s == start + 1);
}

/* Identifiers with dots between; `numbers` forbids a 0 in front of those that are numbers. */
static bool read_identifiers(const char **s, char *out, bool numbers)
{
	size_t size = 0;

	for (;;) {
		const char *start = *s;
		bool number = true;

		for (; is_identifier(**s); ++*s) {
			number = number && is_digit(**s);
			if (size + 2 >= UNI_VERSION_TEXT_MAX)
				return false;
			out[size++] = **s;
		}
		if (*s == start || (numbers && number && *start == '0' && *s - start > 1))
			return false;
		if (**s != '.')
			break;
		out[size++] = *(*s)++;
	}
	out[size] = '\0';
	return true;
}

static bool read_partial(const char **s, struct partial *partial)
{
	struct uni_version *v = &partial->version;
	uint32_t *const numbers[] = { &v->major, &v->minor, &v->patch };

	*partial = (struct partial){ .parts = 0 };
	for (;;) {
		if (!read_number(s, numbers[partial->parts++]))
			return false;
		if (partial->parts == 3 || **s != '.')
			break;
		++*s;
	}
	if (partial->parts < 3)
		return true;
	if (**s == '-') {
		++*s;
		if (!read_identifiers(s, v->pre, true))
			return false;
	}
	if (**s == '+') {
		++*s;
		if (!read_identifiers(s, v->build, false))
			return false;
	}
	return true;
}

bool uni_version_parse(const char *text, struct uni_version *version)
{
	struct partial partial;

	if (!read_partial(&text, &partial) || partial.parts != 3 || *text != '\0')
		return false;
	*version = partial.version;
	return true;
}

static int compare_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* One identifier of a pre-release (semver 11.4): numbers by value and before words, words by bytes.
 */
static int compare_identifier(const char *a, size_t a_size, const char *b, size_t b_size)
{
	bool a_number = strspn(a, "0123456789") >= a_size;
	bool b_number = strspn(b, "0123456789") >= b_size;
	int order;

	if (a_number != b_number)
		return a_number ? -1 : 1;
	if (a_number && a_size != b_size)
		return a_size < b_size ? -1 : 1;
	order = memcmp(a, b, a_size < b_size ? a_size : b_size);
	return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_pre(const char *a, const char *b)
{
	if (*a == '\0' || *b == '\0')
		return (*a == '\0') - (*b == '\0');
	for (;;) {
		size_t a_size = strcspn(a, "."), b_size = strcspn(b, ".");
		int order = compare_identifier(a, a_size, b, b_size);

		if (order != 0)
			return order;
		a += a_size;
		b += b_size;
		if (*a == '\0' || *b == '\0')
			return (*b == '\0') - (*a == '\0');
		a++;
		b++;
	}
}

static int compare_numbers(const struct uni_version *a, const struct uni_version *b)
{
	int order = compare_u32(a->major, b->major);

	if (order == 0)
		order = compare_u32(a->minor, b->minor);
	return order != 0 ? order : compare_u32(a->patch, b->patch);
}

int uni_version_cmp(const struct uni_version *a, const struct uni_version *b)
{
	int order = compare_numbers(a, b);

	return order != 0 ? order : compare_pre(a->pre, b->pre);
}

bool uni_version_newer(const char *one, const char *two)
{
	struct uni_version a, b;

	return uni_version_parse(one, &a) && uni_version_parse(two, &b) &&
	       uni_version_cmp(&a, &b) > 0;
}

/* `partial` is what the recipe says, `version` the bound that follows from it. */
static void add_bound(struct uni_range *range, enum uni_range_op op, const struct partial *partial,
		      const struct uni_version *version)
{
	range->bounds[range->count].pre_named = partial->version.pre[0] != '\0';
	range->bounds[range->count].op = op;
	range->bounds[range->count].version = *version;
	range->count++;
}

/* The least version behind all that share the first `parts` numbers of `v`; false when there is no
 * number for it. "-0" is the least pre-release, so that none of the next version gets in. */
static bool next_version(const struct uni_version *v, unsigned parts, struct uni_version *next)
{
	*next = (struct uni_version){ .pre = "0" };
	if (parts == 1) {
		next->major = v->major + 1;
		return next->major != 0;
	}
	next->major = v->major;
	if (parts == 2) {
		next->minor = v->minor + 1;
		return next->minor != 0;
	}
	next->minor = v->minor;
	next->patch = v->patch + 1;
	return next->patch != 0;
}

/* Everything up to and with `partial`: for a version in full that one, else all that begin so. */
static bool add_through(struct uni_range *range, const struct partial *partial)
{
	struct uni_version bound = partial->version;
	size_t size = strlen(bound.pre);

	if (partial->parts < 3) {
		if (!next_version(&partial->version, partial->parts, &bound))
			return false;
	} else if (size == 0) {
		if (!next_version(&partial->version, 3, &bound))
			return false;
	} else {
		/* The least pre-release behind X is X with one more identifier, the least. */
		if (size + 3 > sizeof(bound.pre))
			return false;
		memcpy(bound.pre + size, ".0", 3);
	}
	add_bound(range, UNI_RANGE_BELOW, partial, &bound);
	return true;
}

/* Everything behind `partial`. */
static bool add_behind(struct uni_range *range, const struct partial *partial)
{
	struct uni_range through = { .count = 0 };

	if (!add_through(&through, partial))
		return false;
	add_bound(range, UNI_RANGE_AT_LEAST, partial, &through.bounds[0].version);
	return true;
}

/* ^: up to the next change of the first number that is not 0. */
static bool add_caret(struct uni_range *range, const struct partial *partial)
{
	const struct uni_version *v = &partial->version;
	struct uni_version next;
	unsigned kept = v->major != 0 ? 1 : v->minor != 0 ? 2 : 3;

	if (kept > partial->parts)
		kept = partial->parts;
	if (!next_version(v, kept, &next))
		return false;
	add_bound(range, UNI_RANGE_AT_LEAST, partial, v);
	add_bound(range, UNI_RANGE_BELOW, partial, &next);
	return true;
}

static bool add_tilde(struct uni_range *range, const struct partial *partial)
{
	struct uni_version next;

	if (!next_version(&partial->version, partial->parts == 1 ? 1 : 2, &next))
		return false;
	add_bound(range, UNI_RANGE_AT_LEAST, partial, &partial->version);
	add_bound(range, UNI_RANGE_BELOW, partial, &next);
	return true;
}

static void skip_blank(const char **s)
{
	while (**s == ' ')
		++*s;
}

static bool read_condition(const char **s, struct uni_range *range)
{
	static const char *const ops[] = { ">=", "<=", ">", "<", "^", "~", "=", "" };
	struct partial partial;
	unsigned op = 0;

	while (strncmp(*s, ops[op], strlen(ops[op])) != 0)
		op++;
	*s += strlen(ops[op]);
	skip_blank(s);
	if (ops[op][0] == '\0' && **s == '*') {
		++*s;
		return true;
	}
	if (!read_partial(s, &partial))
		return false;
	switch (op) {
	case 0:
		add_bound(range, UNI_RANGE_AT_LEAST, &partial, &partial.version);
		return true;
	case 1:
		return add_through(range, &partial);
	case 2:
		return add_behind(range, &partial);
	case 3:
		add_bound(range, UNI_RANGE_BELOW, &partial, &partial.version);
		return true;
	case 4:
		return add_caret(range, &partial);
	case 5:
		return add_tilde(range, &partial);
	default:
		add_bound(range, UNI_RANGE_AT_LEAST, &partial, &partial.version);
		return add_through(range, &partial);
	}
}

bool uni_range_parse(const char *text, struct uni_range *range)
{
	range->count = 0;
	for (unsigned conditions = 0; conditions < UNI_RANGE_MAX; conditions++) {
		skip_blank(&text);
		if (!read_condition(&text, range))
			return false;
		skip_blank(&text);
		if (*text == '\0')
			return true;
		if (*text++ != ',')
			return false;
	}
	return false;
}

bool uni_range_has(const struct uni_range *range, const struct uni_version *version)
{
	bool named = version->pre[0] == '\0';

	for (unsigned i = 0; i < range->count; i++) {
		const struct uni_version *bound = &range->bounds[i].version;
		int order = uni_version_cmp(version, bound);

		if (range->bounds[i].op == UNI_RANGE_AT_LEAST ? order < 0 : order >= 0)
			return false;
		if (range->bounds[i].pre_named && compare_numbers(version, bound) == 0)
			named = true;
	}
	return named;
}

bool uni_range_has_text(const char *range, const char *version)
{
	struct uni_range parsed;
	struct uni_version v;

	return range == NULL || (uni_range_parse(range, &parsed) &&
				 uni_version_parse(version, &v) && uni_range_has(&parsed, &v));
}
