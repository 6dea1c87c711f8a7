/*
 * Versions (Semantic Versioning 2.0.0, semver.org) and ranges of them.
 *
 * A range is a list of conditions, all of which hold, with commas between:
 *   1.2.3 or =1.2.3     that version          1.2 or 1      any that begins so
 *   ^1.2.3              >=1.2.3, <2.0.0       ^0.2.3        >=0.2.3, <0.3.0
 *   ~1.2.3              >=1.2.3, <1.3.0       ~1            >=1.0.0, <2.0.0
 *   >=1.2  >1.2  <=1.2  <1.2                  *             any
 * What a version in a condition leaves out counts as 0 for >= and <, and as whatever there is for >
 * and <=. A pre-release is in a range only when a condition names a pre-release of the same
 * MAJOR.MINOR.PATCH.
 */
#ifndef UNI_RECIPES_VERSION_H
#define UNI_RECIPES_VERSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/text.h>

#define UNI_VERSION_TEXT_MAX 128 /* bytes of a version as text, with NUL */
#define UNI_RANGE_MAX 16	 /* conditions of a range */

struct uni_version {
	uint32_t major;
	uint32_t minor;
	uint32_t patch;
	char pre[UNI_VERSION_TEXT_MAX];	  /* behind '-', "" for a release */
	char build[UNI_VERSION_TEXT_MAX]; /* behind '+'; says nothing about order */
};

enum uni_range_op { UNI_RANGE_AT_LEAST, UNI_RANGE_BELOW };

struct uni_range {
	struct {
		enum uni_range_op op;
		bool pre_named; /* the condition names a pre-release */
		struct uni_version version;
	} bounds[2 * UNI_RANGE_MAX];
	unsigned count;
};

bool uni_version_parse(const char *text, struct uni_version *version);
/* Negative, 0 or positive, by precedence. */
int uni_version_cmp(const struct uni_version *a, const struct uni_version *b);
/* Whether both are versions, and the first is above the second. */
bool uni_version_newer(const char *one, const char *two);

bool uni_range_parse(const char *text, struct uni_range *range);
bool uni_range_has(const struct uni_range *range, const struct uni_version *version);
/* Of texts: both must be sound. `range` NULL has every version. */
bool uni_range_has_text(const char *range, const char *version);

#endif
