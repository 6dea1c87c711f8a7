/*
 * A recipe, read, checked and turned into plain fields. What stands here is sound: names, paths,
 * sizes and combinations were checked, defaults are filled in, the variant is merged. Nothing was
 * opened but the recipe itself; files that it names were only looked at. Whether the base can do
 * what is asked is for the builder to say.
 *
 * Everything is owned by the recipe and stays as it is until uni_recipe_free. Lists have `count`
 * items; strings are NULL where a key may be absent and is. `pos` is the place of the value in the
 * recipe, for messages: uni_recipe_error.
 */
#ifndef UNI_RECIPES_RECIPE_H
#define UNI_RECIPES_RECIPE_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/abi/config.h>
#include <uni/base/digest.h>
#include <uni/base/mem.h>
#include <uni/recipes/diag.h>

#define UNI_RECIPE_MAX (16u << 20) /* bytes of a recipe */
#define UNI_RECIPE_NAME_MAX 64	   /* bytes of an image's or a volume's name */
#define UNI_RECIPE_EMBED_MAX (4u << 20)
#define UNI_RECIPE_WRITABLE_MIN (8u << 20) /* least size of a volume that is written to */
#define UNI_RECIPE_PROGRAM_FOLDER "/bin"   /* the program is there, named like the image */
/* Where the CA bundle is; the other paths at which programs look are links to it. */
#define UNI_RECIPE_CA_PLACE "/etc/ssl/certs/ca-certificates.crt"

struct uni_recipe_text {
	char *text;
	struct uni_pos pos;
};

struct uni_recipe_texts {
	struct uni_recipe_text *items;
	size_t count;
};

/*
 * Where bytes come from. FILE: `path`. PACKAGE: written "pkg:NAME", "pkg:NAME@RANGE" or
 * "pkg:NAME/MEMBER" (both: "pkg:NAME@RANGE/MEMBER"). HTTPS: written "https://HOST/PATH#sha256:HEX".
 * GIT: written "git+https://HOST/PATH#COMMIT" or "git+file:///PATH#COMMIT", with ":MEMBER" behind
 * it for a part, and "?submodules" before the '#' where these are followed. IMAGE (of a container):
 * written "oci://HOST/NAME[:TAG][@sha256:HEX]" or "oci:PLACE[:TAG]" for a layout or archive of this
 * machine, with "//MEMBER" behind it for a part.
 */
enum uni_recipe_input_kind {
	UNI_INPUT_NONE,
	UNI_INPUT_FILE,
	UNI_INPUT_PACKAGE,
	UNI_INPUT_HTTPS,
	UNI_INPUT_GIT,
	UNI_INPUT_IMAGE,
};

struct uni_recipe_input {
	enum uni_recipe_input_kind kind;
	char *text;  /* as it stands in the recipe, for messages and manifests */
	char *path;  /* FILE: to open from the working folder: the recipe's folder and `text`. IMAGE
			of this machine: the same of its place; else NULL */
	bool folder; /* GIT: `member` is a folder. FILE: is a folder (only volume sources and
			include folders may be) */
	char *package;	 /* PACKAGE: its name */
	char *range;	 /* PACKAGE: its version range (uni/recipes/version.h), or NULL for any */
	char *member;	 /* PACKAGE: path of a file inside, or NULL: what the package is for. GIT,
			    IMAGE: of a file or folder, NULL: all */
	char *url;	 /* HTTPS, GIT, IMAGE of a registry: to fetch from */
	char *tag;	 /* IMAGE of this machine: in a layout, or NULL */
	bool has_digest; /* IMAGE; HTTPS always has one */
	struct uni_digest digest; /* HTTPS, IMAGE */
	char *commit;		  /* GIT: 40 hex digits */
	bool submodules;	  /* GIT: follow them; else they are an error */
	bool bad;		  /* it has errors: never in a recipe that is given away */
	struct uni_pos pos;
};

struct uni_recipe_inputs {
	struct uni_recipe_input *items;
	size_t count;
};

struct uni_recipe_image {
	char *name; /* [a-z0-9][a-z0-9._-]* */
	struct uni_pos name_pos;
	char *version; /* semantic version; "0.0.0" when absent */
	bool has_epoch;
	int64_t epoch; /* seconds since 1970, 0 when absent */
	struct uni_pos pos;
};

/* Exactly one of `name` and `path` is set. */
struct uni_recipe_base {
	char *name;		      /* of a package; "unibase" when the recipe has no [base] */
	char *range;		      /* of its versions; NULL: any */
	struct uni_recipe_input path; /* a base's folder or package file; kind NONE without */
	struct uni_pos pos;
	/* What its kernel must have besides what the recipe and its forms ask for: words of
	 * base.toml. */
	struct uni_recipe_texts devices;
	struct uni_recipe_texts filesystems;
	struct uni_recipe_texts protocols;
};

struct uni_recipe_env {
	char *name;
	char *value;
	struct uni_pos pos;
};

/* One of `program`, `path`, or at least one of `sources` and `objects`. */
struct uni_recipe_app {
	struct uni_recipe_inputs sources;  /* C files, in the recipe's order */
	struct uni_recipe_inputs includes; /* folders for -I, all of kind FILE */
	struct uni_recipe_texts cflags;	   /* each one complete and allowed: -DNAME[=VALUE],
					      -UNAME, -O0..-O3 -Os -Og, -std=... */
	struct uni_recipe_inputs objects;
	struct uni_recipe_inputs libraries; /* in link order */
	struct uni_recipe_input program;    /* kind NONE when linked from objects, or: */
	char *path;			    /* in a volume; NULL otherwise */
	struct uni_pos path_pos;
	struct uni_recipe_texts args; /* behind argv[0]: `path`, or the image's name */
	struct uni_recipe_env *env;   /* sorted by name */
	size_t env_count;
	char *cwd; /* absolute, normalised; "/" when absent */
	struct uni_pos cwd_pos;
	bool jit;	      /* may have memory that is writable and executable at once */
	uint32_t user, group; /* whom it runs as */
	struct uni_pos pos;
};

struct uni_recipe_config {
	char *hostname;			   /* the image's name when absent */
	struct uni_recipe_texts hosts;	   /* lines "ADDRESS NAME [NAME...]", one space between */
	struct uni_recipe_texts resolvers; /* addresses */
	struct uni_recipe_texts networks;  /* as enum uni_config_type NETWORK has them; none when
					      absent */
	uint64_t limit_open_files;	   /* 0: the kernel's own; the same for the next two */
	uint64_t limit_stack;		   /* bytes */
	uint64_t limit_memory;		   /* bytes */
	enum uni_config_action on_exit;	   /* UNI_ACTION_OFF when absent */
	enum uni_config_action on_fault;
	struct uni_recipe_texts time_servers; /* addresses */
	char *syslog;			      /* address; NULL when absent */
	uint32_t log_level; /* 0 errors, 1 warnings, 2 notices, 3 debug; 1 when absent */
	uint32_t grace_ms;  /* between SIGTERM and power off; 10000 when absent */
	/* What may be given again at start: enum uni_config_type, ascending, each once. */
	uint16_t *runtime;
	size_t runtime_count;
	struct uni_pos pos;
};

struct uni_recipe_machine {
	uint64_t memory; /* bytes; 128 MiB when absent */
	uint32_t processors;
	struct uni_pos pos;
};

/* A file of the root file system. One of `source`, `text` and `link`. */
struct uni_recipe_file {
	char *path; /* absolute, normalised, below no volume's mount */
	struct uni_recipe_input source;
	char *text; /* or NULL */
	size_t text_size;
	char *link;	   /* it is a symbolic link to this path; or NULL */
	uint32_t mode;	   /* permission bits; 0644 when absent */
	bool runtime;	   /* may be given again at start */
	bool allow_secret; /* it may be a private key */
	bool bad;	   /* as an input's */
	struct uni_pos pos;
};

/* A file whose content comes at start alone. */
struct uni_recipe_secret {
	char *name; /* as the image's */
	struct uni_pos name_pos;
	char *path;    /* absolute, normalised; /run/secrets/NAME when absent */
	uint32_t mode; /* 0400 when absent */
	bool required; /* true when absent */
	struct uni_pos pos;
};

enum uni_recipe_compression {
	UNI_COMPRESSION_NONE,
	UNI_COMPRESSION_GZIP,
	UNI_COMPRESSION_LZ4,
	UNI_COMPRESSION_ZSTD,
};

/* What becomes of the permission bits of a volume's files. */
enum uni_recipe_modes {
	UNI_MODES_NORMAL, /* folders and what its owner may execute 0755, all else 0644 */
	UNI_MODES_KEEP,	  /* as the source has them */
	UNI_MODES_FIXED,  /* `mode`; folders get x wherever it has r */
};

struct uni_recipe_volume {
	char *name; /* as the image's */
	struct uni_pos name_pos;
	char *mount; /* absolute, normalised, not "/" */
	struct uni_pos mount_pos;
	enum uni_config_fs format; /* SQUASHFS, TMPFS, LIVE or EXT4 */
	bool writable;		   /* EXT4: the machine writes to it */
	struct uni_recipe_input
		source; /* NONE: EXT4 starts empty. SQUASHFS: a folder, a tar file (any compression
			   that libarchive reads), or a package; NONE for TMPFS */
	enum uni_recipe_compression compression; /* ZSTD when absent */
	uint32_t level;				 /* 0: the builder's own for that compression */
	uint32_t block_size;			 /* squashfs data block; 131072 when absent */
	enum uni_recipe_modes modes;
	uint32_t mode;
	uint64_t size; /* TMPFS: what it may hold, 0: half of memory. SQUASHFS: room of its
			  partition, 0: what its content needs */
	struct uni_pos size_pos;
	bool embed;  /* inside the bootable ELF (content up to UNI_RECIPE_EMBED_MAX) instead of a
			partition */
	bool verity; /* with hash tree; true when absent, false for TMPFS and EXT4 */
	bool has_epoch;
	int64_t epoch;			      /* time of its files; the image's when absent */
	struct uni_recipe_texts allow_secret; /* paths, absolute in the volume */
	/* LIVE */
	bool has_key;
	uint8_t key[32];	   /* Ed25519 public */
	uint64_t least_generation; /* 1 when absent */
	bool bad;		   /* as an input's */
	struct uni_pos pos;
};
/* Whether it is a disk of its own beside the image instead of a partition: NAME.VOLUME.vol when it
 * is live, NAME.VOLUME.raw when the machine writes to it. */
bool uni_recipe_volume_beside(const struct uni_recipe_volume *volume);

/* Or in the bootable ELF, or on the image's disk. */
static inline bool uni_recipe_in_elf(const struct uni_recipe_volume *volume)
{
	return volume->embed && !volume->writable;
}
static inline bool uni_recipe_partition(const struct uni_recipe_volume *volume)
{
	return volume->format != UNI_FS_TMPFS && !uni_recipe_volume_beside(volume) &&
	       !uni_recipe_in_elf(volume);
}

/* A form to write, and its options ([output.FORMAT]). */
struct uni_recipe_output {
	char *format;  /* "raw", "elf" */
	bool asked;    /* false: only its options stand there */
	uint64_t size; /* the disk's least size in bytes, 0: what it needs */
	struct uni_pos size_pos;
	char *variant;	   /* of the form; NULL: its first */
	char *compression; /* the same */
	unsigned level;	   /* of the compression; 0: chosen */
	char *folder;	   /* of a machine's files on its host; NULL: the form's own */
	struct uni_pos pos;
};

/* By which firmware disks start. */
struct uni_recipe_boot {
	bool bios; /* alone when nothing is said */
	bool uefi;
	struct uni_recipe_input key; /* of Secure Boot; both or none */
	struct uni_recipe_input certificate;
	struct uni_pos pos;
};

/* What is said about something that comes. */
enum uni_recipe_match_kind {
	UNI_MATCH_NONE, /* nothing: anything will do */
	UNI_MATCH_CONTAINS,
	UNI_MATCH_EQUALS,
	UNI_MATCH_REGEX, /* POSIX extended; compiles, and is bounded */
	UNI_MATCH_SHA256,
};

struct uni_recipe_match {
	enum uni_recipe_match_kind kind;
	char *text;
	struct uni_pos pos;
};

struct uni_recipe_header {
	char *name;
	struct uni_recipe_match match;
};

enum uni_recipe_step_kind { UNI_STEP_HTTP, UNI_STEP_TCP, UNI_STEP_UDP, UNI_STEP_DNS };

/* Something that is asked of the machine over its network. */
struct uni_recipe_step {
	enum uni_recipe_step_kind kind;
	uint16_t port;
	struct uni_recipe_match expect;
	struct uni_pos pos;

	/* HTTP */
	char *method;
	char *target; /* "/path?query" */
	struct uni_recipe_env *headers;
	size_t header_count;
	struct uni_recipe_header *expect_headers; /* sorted by name */
	size_t expect_header_count;
	unsigned status;
	unsigned repeat;
	char *host;
	bool tls;
	struct uni_recipe_input ca; /* kind NONE: certificates are not checked */
	char *send;		    /* body; of TCP and UDP what is sent; NULL: nothing */
	size_t send_size;	    /* of TCP and UDP, for it may hold NULs */
	bool close;		    /* TCP */

	/* DNS */
	char *name;
	char *type; /* "A" */
	unsigned code;
	struct uni_recipe_texts answers;
};

struct uni_recipe_load {
	char *target; /* NULL: there is no load */
	uint16_t port;
	unsigned rate; /* requests a second */
	unsigned seconds;
	unsigned status;
	uint64_t failures_at_most;
	struct uni_pos pos;
};

/* A file of a writable volume when the machine has ended. */
struct uni_recipe_expected_file {
	char *volume;
	char *path;
	bool absent;
	struct uni_recipe_match expect; /* kind NONE: it is there */
	struct uni_pos pos;
};

struct uni_recipe_test {
	char *name;
	char *after; /* the test whose volumes it starts on, or NULL */
	struct uni_recipe_texts args;
	bool has_args; /* else the recipe's */
	struct uni_recipe_env *env;
	size_t env_count;
	uint64_t memory; /* bytes */
	uint32_t processors;
	uint32_t timeout_ms;
	struct uni_recipe_match ready;	  /* on the console before the first step; kind NONE */
	struct uni_recipe_match *console; /* in this order */
	size_t console_count;
	bool has_exit_status;
	int exit_status;
	bool stop;
	uint64_t memory_at_most;       /* 0: not asked for */
	double boot_at_most;	       /* 0: not asked for */
	struct uni_recipe_step *steps; /* in the recipe's order */
	size_t step_count;
	struct uni_recipe_load load;
	struct uni_recipe_expected_file *files;
	size_t file_count;
	struct uni_pos pos;
};

struct uni_recipe {
	char *path;    /* of the recipe, as given */
	char *dir;     /* its folder, to which its paths are relative */
	char *variant; /* chosen, or NULL */
	char *text;    /* the recipe's bytes as read */
	size_t text_size;
	struct uni_recipe_image image;
	struct uni_recipe_base base;
	struct uni_recipe_app app;
	struct uni_recipe_input ca; /* PEM bundle; kind NONE without */
	struct uni_recipe_config config;
	struct uni_recipe_machine machine;
	struct uni_recipe_secret *secrets; /* sorted by name */
	size_t secret_count;
	struct uni_recipe_file *files; /* sorted by path */
	size_t file_count;
	struct uni_recipe_volume *volumes; /* in the recipe's order */
	size_t volume_count;
	struct uni_recipe_output *outputs; /* in the recipe's order; raw and elf when absent */
	size_t output_count;
	struct uni_recipe_boot boot;
	struct uni_recipe_test *tests; /* in the recipe's order */
	size_t test_count;
	/* Of a partial one: at and below these paths are files and volumes that it leaves out. */
	struct uni_recipe_texts left_out;
};

/* Whether it asks for a network by itself. */
bool uni_recipe_has_network(const struct uni_recipe *recipe);

/* By what the program is called where nothing else is said: its first argument. */
const char *uni_recipe_argv0(const struct uni_recipe *recipe);
/* Where the recipe says which program. */
struct uni_pos uni_recipe_program_pos(const struct uni_recipe *recipe);

struct uni_recipe_options {
	const char *variant; /* NULL: none */
	bool allow_outside;  /* paths may leave the recipe's folder */
	bool no_files;	     /* do not look whether files exist, nor where links lead */
	/* A recipe with errors is given all the same, without the inputs, files and volumes that
	 * have them: to look for more errors, and for nothing else. */
	bool partial;
};

/*
 * Reads and checks the recipe at `path`. All findings go to `diags`, sorted; warnings too, on
 * success. On failure `*out` is NULL, the return value UNI_E_PARSE (not TOML), UNI_E_INVAL (a
 * recipe with errors), UNI_E_LIMIT or what reading the file gave (nothing is in `diags` then), and
 * `err` tells the first. Where a partial one is asked for, `*out` may be set on UNI_E_INVAL.
 */
int uni_recipe_load(struct uni_recipe **out, const char *path,
		    const struct uni_recipe_options *options, struct uni_diags *diags,
		    struct uni_err *err);
/* The same from memory; `path` is for messages, and its folder for relative paths. */
int uni_recipe_parse(struct uni_recipe **out, const char *path, const char *text, size_t size,
		     const struct uni_recipe_options *options, struct uni_diags *diags,
		     struct uni_err *err);
void uni_recipe_free(struct uni_recipe *recipe);
/* What the recipe says of a form; NULL: nothing. */
const struct uni_recipe_output *uni_recipe_output_find(const struct uni_recipe *recipe,
						       const char *format);
UNI_AUTO_DEFINE(uni_recipe)

/* Sets `err` to "FILE:LINE:COLUMN: words" with a place from this recipe; returns `code`. */
int uni_recipe_error(const struct uni_recipe *recipe, struct uni_pos pos, int code,
		     struct uni_err *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Gives an error that says nothing of the recipe its place there; its hint stays. Returns its code,
 * which may be 0: then nothing happens. */
int uni_recipe_place(const struct uni_recipe *recipe, struct uni_pos pos, struct uni_err *err);

/* The words of the recipe language for values of the model. */
const char *uni_recipe_compression_name(enum uni_recipe_compression compression);
const char *uni_recipe_format_name(enum uni_config_fs format);

/* JSON Schema (draft 2020-12) of recipes, for editors; ends in a newline. */
void uni_recipe_json_schema(struct uni_buf *out);
/* The reference page (Markdown), made from the same table as the checks. */
void uni_recipe_reference(struct uni_buf *out);

#endif
