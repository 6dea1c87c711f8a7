/*
 * Inside: package.toml as it was read, the files it asks for, and how a package is kept in a
 * record.
 */
#ifndef UNI_SOURCE_INTERNAL_H
#define UNI_SOURCE_INTERNAL_H

#include <uni/source/package.h>

#define PACKAGE_JSON "package.json"
#define PACKAGE_REFS "packages"

/* A [[files]] table. */
struct pack_rule {
	char *source;
	char *to;      /* NULL: as the source */
	uint32_t mode; /* 0: by the file's own x bit */
	struct uni_pos pos;
};

struct pack_spec {
	struct uni_package *package; /* without files */
	struct pack_rule *rules;
	size_t rule_count, rule_room;
};
void pack_spec_free(struct pack_spec *spec);
UNI_AUTO_DEFINE(pack_spec)

/* describe.c: reads package.toml; all findings in `diags`. */
int pack_spec_read(struct pack_spec **spec, const char *path, struct uni_diags *diags,
		   struct uni_err *err);

/* pattern.c */
bool pattern_is(const char *text);
/* The folders in front of the first name with a pattern, "" for none; owned by the caller. */
char *pattern_fixed(const char *pattern);
/* Files below `dir` that match, as paths relative to it, sorted. Links to files count as files;
 * links to folders are not followed. */
int pattern_files(const char *dir, const char *pattern, struct uni_strv *files,
		  struct uni_err *err);

/* installed.c */
char *installed_ref(const struct uni_package *package);
char *installed_meta(const struct uni_package *package);
/* Makes a package of its record (taken); `name` is what messages call it. */
int installed_decode(struct uni_store_record *record, const char *name,
		     struct uni_installed **installed, struct uni_err *err);

#endif
