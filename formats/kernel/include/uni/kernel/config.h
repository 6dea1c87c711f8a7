/*
 * The boot configuration (uni/abi/config.h) as plain fields: built into a record, and read back.
 */
#ifndef UNI_KERNEL_CONFIG_H
#define UNI_KERNEL_CONFIG_H

#include <uni/abi/config.h>
#include <uni/base/text.h>

struct uni_boot_mount {
	char *path; /* absolute */
	struct uni_config_mount wire;
};

/* A file that may be given at start. */
struct uni_boot_file {
	char *name; /* of a secret; "" else */
	char *path; /* absolute */
	uint32_t mode;
	uint32_t flags; /* UNI_FILE_* */
	struct uni_buf content;
};

struct uni_boot_config {
	struct uni_strv args; /* the first is argv[0] */
	struct uni_strv env;  /* "NAME=VALUE" */
	char *program;	      /* absolute path; NULL: none, as for the next two */
	char *cwd;
	char *hostname;
	struct uni_strv hosts;
	struct uni_strv resolvers;
	struct uni_strv networks;
	struct uni_boot_mount *mounts;
	size_t mount_count;
	struct uni_config_limit *limits;
	size_t limit_count;
	struct uni_boot_file *files;
	size_t file_count;
	struct uni_strv time_servers;
	char *syslog;
	uint32_t on_exit; /* enum uni_config_action */
	uint32_t on_fault;
	int64_t epoch;
	uint32_t log_level;
	uint32_t jit;  /* 1: the program writes code into executable memory */
	uint32_t user; /* whom the program is, and its group */
	uint32_t group;
	uint32_t trace;
	uint32_t grace_ms;
	uint32_t *runtime; /* enum uni_config_type */
	size_t runtime_count;
};

struct uni_boot_config *uni_boot_config_new(void); /* all empty; grace 10000, log level 1 */
void uni_boot_config_free(struct uni_boot_config *config);
UNI_AUTO_DEFINE(uni_boot_config)
/* `wire.path_size` is set here. */
void uni_boot_config_mount(struct uni_boot_config *config, const char *path,
			   const struct uni_config_mount *wire);
void uni_boot_config_limit(struct uni_boot_config *config, enum uni_config_limit_kind kind,
			   uint64_t value);
/* Without content, which the caller may add. */
struct uni_boot_file *uni_boot_config_file(struct uni_boot_config *config, const char *name,
					   const char *path, uint32_t mode, uint32_t flags);
void uni_boot_config_runtime(struct uni_boot_config *config, enum uni_config_type type);

/* UNI_E_INVAL for a string or path that the record may not hold, UNI_E_LIMIT above UNI_CONFIG_MAX.
 */
int uni_boot_config_encode(const struct uni_boot_config *config, struct uni_buf *record,
			   struct uni_err *err);
/* The record that is given at start: texts, lists and files that are set, tracing if it is on, and
 * nothing else, for what stands in it takes the place of the image's. */
int uni_boot_config_encode_runtime(const struct uni_boot_config *config, struct uni_buf *record,
				   struct uni_err *err);
/* The inverse. Unknown entries that are flagged optional are dropped. `record` on 8 bytes. */
int uni_boot_config_decode(struct uni_boot_config **out, const void *record, size_t size,
			   struct uni_err *err);
/* One JSON object, indented by `indent` spaces at its lines but the first, no newline behind. */
void uni_boot_config_json(const struct uni_boot_config *config, unsigned indent,
			  struct uni_buf *out);

#endif
