/* What the files that look at container images share. */
#ifndef UNI_INSPECT_CONTAINER_INTERNAL_H
#define UNI_INSPECT_CONTAINER_INTERNAL_H

#include <uni/base/json.h>
#include <uni/inspect/container.h>

#include "internal.h"

struct looking {
	const struct uni_fetch *fetch;
	const struct uni_container *container;
	struct uni_store_record files;
	struct uni_files_view *view;
	struct uni_json *config;
	struct uni_strv argv, env;
	struct uni_strv data; /* absolute paths at which the image wants to keep what is written */
	const char *cwd;
	char *program; /* its path in the image */
	char *named;   /* the same as the image says it, where that is a link of another name */
	uint32_t user, group;
	struct uni_program_look *look;
	struct uni_buf tables; /* the recipe's, behind what every program has */
	struct uni_buf tests;
};

/* As the image calls it. */
const char *looking_program(const struct looking *l);
/* Of the image's configuration, or NULL. */
const struct uni_json *looking_setting(const struct looking *l, const char *key);

/* container_config.c: user, stop signal, folders for data, ports and health check. */
int container_settings(struct looking *l, struct uni_err *err);
/* container_program.c: what is started, and with what; NULL: nothing can be, a finding says why. */
struct uni_store_entry *container_choose_program(struct looking *l);
/* container_files.c: the tables of volumes and files. */
int container_put_files(struct looking *l, struct uni_err *err);
/* Whether the image's top folder of that path becomes a volume. */
bool container_takes(const struct looking *l, const char *path);

#endif
