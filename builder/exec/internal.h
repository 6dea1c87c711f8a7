/*
 * A build in progress, as this module's files share it.
 */
#ifndef UNI_EXEC_INTERNAL_H
#define UNI_EXEC_INTERNAL_H

#include <pthread.h>
#include <uni/bundle/form.h>
#include <uni/cache/store.h>
#include <uni/disk/disk.h>
#include <uni/exec/build.h>
#include <uni/fs/fs.h>
#include <uni/index/index.h>
#include <uni/kernel/base.h>
#include <uni/kernel/elf.h>
#include <uni/kernel/kernel.h>
#include <uni/plan/make.h>
#include <uni/recipes/lock.h>
#include <uni/recipes/recipe.h>
#include <uni/source/fetch.h>
#include <uni/source/package.h>
#include <uni/tree/tree.h>

#define BASE_ARCH "x86_64"

/* A file that goes into a step. One from a package is a blob; one of this machine becomes a blob
 * when a step wants it, and must then still have the digest that it was resolved to. */
struct item {
	char *name;	    /* as the recipe has it; a package's file "pkg:NAME/PATH" */
	char *path;	    /* of a file of this machine, else NULL */
	struct uni_pos pos; /* of an object or library: where the recipe names it */
	struct uni_digest digest;
	struct uni_store_entry blob; /* when it is one; its name is not set */
	bool is_blob;
	const struct uni_recipe_input *remote; /* a file by its digest, fetched when wanted */
};

struct items {
	struct item *items;
	size_t count, room;
};

struct base_input {
	char *name; /* for manifests: "unibase" and its version, or the path as in the recipe */
	char *version;
	struct uni_digest digest;
	struct uni_installed *installed; /* of the package, or NULL */
	char *dir;			 /* of a base that is a folder, or NULL */
	pthread_mutex_t mutex;		 /* of opening it, which is put off */
	struct uni_base *base;
};

struct tool_set {
	struct uni_step_tool *items;
	size_t count;
	struct uni_strv names; /* of the items */
};

struct source_unit {
	char *name;
	char *path;
	struct uni_digest source; /* of the C file */
	struct uni_digest text;	  /* preprocessed */
	struct uni_buf kept;	  /* the text, when there was room to keep it */
	struct uni_strv headers; /* files of the recipe's folder that it read, as the manifest names
				    them, and their digests */
	struct uni_digest *header_digests;
};

struct volume_input {
	char *name;	       /* of its source, as the recipe has it */
	struct uni_tree *tree; /* NULL: neither resolved nor looked at */
	struct uni_statscope *scope;
	struct uni_digest digest;
	bool cold;
	struct early *early; /* being written already, see op_volume.c */
	uint64_t began_ns;   /* when that was begun; 0: in its turn */
	bool broken;	     /* looking at it gave an error, once */
};

/* What is known of a step while the plan is walked. */
struct run {
	struct uni_store_record record;
	bool done, needed, started, ran;
	bool received;		     /* from the shared cache */
	uint64_t began_ns;	     /* when it ran; a volume begins before its turn */
	struct uni_digest by_output; /* its other key, when it ran */
	struct disk_pass *pass;	     /* that it is made in with others, or NULL */
	struct uni_disk_source *view;
};

struct build {
	const struct uni_build_options *options;
	const struct uni_events *events;
	struct uni_diags *diags;
	struct uni_store *store;
	struct uni_recipe *recipe;
	struct uni_buf normal; /* the recipe's meaning */
	bool outer_epoch;      /* SOURCE_DATE_EPOCH decided the times */
	struct uni_statcache *stats;
	struct uni_statscope *files; /* of single files: sources, headers, tools */
	const char **formats;
	size_t format_count;

	bool writes_lock;	    /* a build; others only obey it */
	struct uni_lock *next_lock; /* to be written when the build has succeeded, or NULL */
	struct uni_indexes *indexes;
	struct uni_pins locked, pins; /* by the lock; of this build */
	struct uni_lock *images;      /* what tags of container images mean: as a lock has it */
	struct base_input base;
	struct source_unit *sources; /* one for each of the recipe's */
	size_t source_count;
	size_t kept_bytes;
	struct items objects, libraries;
	struct item program, ca; /* name NULL: none, as for the next two */
	struct item boot_key, boot_certificate;
	struct item *files_in; /* one for each [[file]]; those with text have only a digest */
	struct volume_input *volumes;
	struct tool_set compile_tools, link_tools, box_tools;
	struct tool_set deflate_tools, zstd_tools; /* codecs of forms */

	struct uni_plan *plan;
	struct run *runs;
	struct shared *shared; /* or NULL */
	char *log;	       /* of the step that failed */
	/* Of a check: */
	struct uni_pos *told; /* places of errors in the recipe itself; not said twice */
	size_t told_count;
	bool no_packages; /* which ones are meant is not known, and why not was said */
	size_t ran, received, sent;
};

/* resolve.c: every input to a digest. `hash_all`: no tree stays cold. */
int build_resolve(struct build *b, bool hash_all, struct uni_err *err);
int build_make_plan(struct build *b, struct uni_err *err);
int digest_of_file(struct build *b, const char *path, struct uni_digest *digest,
		   struct uni_err *err);
void item_clear(struct item *item);
void items_clear(struct items *items);
/* image.c: container images. A file of one; all of it or a folder into a tree. */
int image_item(struct build *b, const struct uni_recipe_input *input, struct item *item,
	       struct uni_err *err);
int image_add(struct build *b, const struct uni_recipe_input *input, struct uni_tree *tree,
	      const struct uni_tree_rules *rules, struct uni_err *err);
struct uni_fetch fetch_of(struct build *b);
/* What the tags of these inputs mean, into b->images: as `locked` (may be NULL) has it, else what
 * they mean now. */
int images_resolve(struct build *b, const struct uni_recipe_input *const *inputs, size_t count,
		   const struct uni_lock_arch *locked, struct uni_err *err);

/* Whether all of it is on this machine, so that a look costs no transfer; false for none. */
static inline bool input_at_hand(const struct uni_recipe_input *input)
{
	return input->kind == UNI_INPUT_FILE || input->kind == UNI_INPUT_PACKAGE ||
	       (input->kind == UNI_INPUT_IMAGE && input->url == NULL);
}
/* The recipe's input, unless it is a folder. */
int item_resolve(struct build *b, const struct uni_recipe_input *input, struct item *item,
		 struct uni_err *err);
#define UNI_AUTO_ITEM __attribute__((cleanup(item_clear)))
/* Makes it a blob if it is none. */
int item_blob(struct build *b, struct item *item, struct uni_err *err);
int item_path(struct build *b, struct item *item, char **path, struct uni_err *err);

/* lock.c: which packages names mean. First of all that is resolved. */
int lock_resolve(struct build *b, struct uni_err *err);
/* Behind the resolution of tools: compares them with the lock's, and adds what is new. */
int lock_tools(struct build *b, struct uni_err *err);
char *lock_path(const struct uni_recipe *recipe);	/* owned */
int lock_write(struct build *b, struct uni_err *err);	/* where it changed; last of all */
int lock_indexes(struct build *b, struct uni_err *err); /* opens them */
void lock_forget(struct build *b, const char *name);
/* The package that an input means. */
int lock_find(struct build *b, const struct uni_recipe_input *input,
	      struct uni_installed **installed, struct uni_err *err);

/* package.c: files out of packages. */
int package_item(struct build *b, const struct uni_recipe_input *input, struct item *item,
		 struct uni_err *err);
/* Every file whose name ends in `suffix`. */
int package_items(struct build *b, const struct uni_recipe_input *input, const char *suffix,
		  struct items *items, struct uni_err *err);
int package_find(struct build *b, const struct uni_recipe_input *input,
		 struct uni_installed **installed, struct uni_err *err);

/* tools.c: identities of tools. */
struct tool_search {
	const char *name;	     /* of what they do; what was found is kept under it, */
	const char *const *programs; /* as long as PATH finds these where it did; NULL: none */
	/* Adds the files that they are made of; asked when that is not known since last time. */
	int (*list)(void *user, struct uni_strv *files, struct uni_err *err);
	void *user;
};
int tool_set_resolve(struct build *b, const struct tool_search *search, struct tool_set *set,
		     struct uni_err *err);
void tool_set_clear(struct tool_set *set);
int tools_resolve(struct build *b, struct uni_err *err); /* all that this build would run */

/* direct.c: preprocessed text of each source, by what was read for it last time where that is
 * still so. */
int sources_resolve(struct build *b, struct uni_err *err);
void source_unit_clear(struct source_unit *unit);
/* The text itself, made again if it was not kept. */
int source_text(struct build *b, size_t index, struct uni_buf *text, struct uni_buf *messages,
		struct uni_err *err);
int source_compile(struct build *b, size_t index, const struct uni_buf *text, const char *path,
		   struct uni_buf *messages, struct uni_err *err);

/* base.c */
int base_resolve(struct build *b, struct uni_err *err);
void base_clear(struct base_input *base);
/* Opens it on first use; owned by the build. */
int base_open(struct build *b, const struct uni_base **base, struct uni_err *err);
/* What the recipe wants of the base, which is resolved: all that it cannot do goes to the diags,
 * the first to err. */
int base_check(struct build *b, struct uni_err *err);
/* The kernel that a step "kernel" or "box" takes. */
int base_kernel(struct build *b, const struct uni_step *step, const struct uni_base_kernel **kernel,
		struct uni_err *err);

/* volume.c */
struct volume_input *volume_inputs(struct build *b); /* one for each; made when first asked for */
/* Trees and their digests. Unless `hash_all`, what stays cold may be written already. */
int volumes_resolve(struct build *b, bool hash_all, struct uni_err *err);
/* Its tree for those who only look: the resolved one; in a check, which resolves none, its source
 * is read, once. It stays NULL where that is not at hand, or gave an error before. */
int volume_look(struct build *b, size_t index, struct uni_err *err);
/* UNI_E_LIMIT where the volume's size is none for its format, or the sizes of its files alone say
 * that it is too small; `tree` may be NULL. */
int volume_fits(const struct build *b, const struct uni_recipe_volume *volume,
		const struct uni_tree *tree, struct uni_err *err);
void volume_clear(struct volume_input *volume);
void volume_seen(struct build *b, size_t index); /* it was made, here */
/* What a volume's step says about its output. */
struct volume_words {
	uint64_t data_blocks, hash_offset, size;
	struct uni_uuid uuid;
	uint8_t salt[32], root_hash[32];
	uint32_t salt_size;
};
char *volume_words_write(const struct uni_fs_result *result);
bool volume_words_read(const char *meta, struct volume_words *words);

/* tarball.c: a tar archive's entries into a tree; files become blobs, once for each archive. */
int tarball_add(struct build *b, struct item *archive, struct uni_tree *tree,
		const struct uni_tree_rules *rules, struct uni_err *err);
/* Whether a file begins as an archive does. */
int tarball_look(const char *path, const char *name, struct uni_err *err);

/* secrets.c: what was found in the tree's content goes into the step's result; and whether the
 * recipe or the options permit what the result says. */
void secrets_note(const struct uni_tree *tree, struct uni_store_record *record);
int secrets_check(struct build *b, size_t step, struct uni_err *err);

/* walk.c: makes every step of `wanted` (numbers) known, running what has to be run. */
int build_walk(struct build *b, const int *wanted, size_t count, struct uni_err *err);
/* Finds out states, running nothing. */
int build_look(struct build *b, struct uni_err *err);

/* op.c: runs a step; its result goes into `record`, what tools say into `messages`. */
int op_run(struct build *b, size_t step, struct uni_store_record *record, struct uni_buf *messages,
	   struct uni_err *err);
/* The output that an input takes from its producer. */
struct uni_store_entry *input_blob(struct build *b, const struct uni_step *step, size_t input);
const struct uni_store_record *input_record(struct build *b, const struct uni_step *step,
					    size_t input);
int find_input(const struct uni_step *step, const char *name); /* -1: none */
/* Index of the recipe's volume that input "volume/NAME" or step "volume:NAME" stands for. */
const struct uni_recipe_volume *volume_named(const struct build *b, const char *id, size_t *index);
/* op_volume.c */
int op_volume(struct build *b, size_t step, struct uni_store_record *record, struct uni_err *err);
void volume_start_early(struct build *b, size_t index);
void volume_end_early(struct volume_input *in); /* waits, and takes nothing of it */
/* Gives a cold volume, which has run, its digest: keys follow. */
int settle_cold(struct build *b, size_t step, struct uni_err *err);
/* ca.c: whether a CA bundle is one; `name`: the recipe's word for it. */
int ca_check(const char *path, const char *name, struct uni_err *err);
/* Whether a file is small enough, before it is read. */
int ca_size_check(const char *path, const char *name, struct uni_err *err);
int root_file_check(const char *path, const char *name, struct uni_err *err);
/* op_root.c */
int op_root(struct build *b, struct uni_store_record *record, struct uni_err *err);
int op_kernel(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	      struct uni_err *err);
int op_box(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	   struct uni_err *err);
/* Descriptors that are open as long as parts or partitions refer to them. */
struct fds {
	int items[UNI_DISK_PARTITIONS_MAX + UNI_PARTS_MAX];
	size_t count;
};
void fds_close(struct fds *fds);
int open_blob(struct build *b, const struct uni_store_entry *blob, struct fds *fds, int *fd,
	      struct uni_err *err);
/* A volume's input: what it is, what its maker says of it, and its bytes. */
struct volume_use {
	const struct uni_recipe_volume *volume;
	size_t index;
	struct volume_words words;
	struct uni_store_entry *blob;
};
/* False when the input is no volume. */
bool volume_use(struct build *b, const struct uni_step *step, size_t input, struct volume_use *use);
/* op_disk.c */
int op_disk(struct build *b, size_t index, struct uni_store_record *record, struct uni_err *err);
/* A pass for these steps, two or more forms of disks; their inputs are there. */
int disk_pass_open(struct disk_pass **pass, struct build *b, const size_t *steps, size_t count,
		   struct uni_err *err);
/* All join before the first of them runs, and then either run, each in a thread of its own, or
 * leave. One that has left can run by itself. */
void disk_pass_join(struct disk_pass *pass, struct run *run);
void disk_pass_leave(struct run *run);
void disk_pass_free(struct disk_pass *pass); /* all have left */
UNI_AUTO_DEFINE(disk_pass)
/* GUID of the partition that holds a box. */
struct uni_uuid kernel_partition(const struct uni_store_entry *box);
/* op_esp.c */
/* Whether the keys of Secure Boot will do, tried on the base's loader where there is one. */
int secure_boot_check(struct build *b, struct uni_err *err);
int op_esp(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	   struct uni_err *err);
/* op_form.c */
/* One form of a disk on its way out: where to, and on how many threads (0: all processors). */
struct disk_write {
	const struct uni_step *step;
	struct uni_disk_layout *layout;
	unsigned threads;
	struct uni_disk_result *result;
	struct uni_store_record *record;
};
int form_write(struct build *b, const struct disk_write *to, const struct uni_form *form,
	       struct uni_err *err);
/* op_machine.c */
int op_machine(struct build *b, const struct uni_step *step, struct uni_store_record *record,
	       struct uni_err *err);

/* check_form.c: what the forms that are asked for want of the base, to the diags. */
void forms_check(struct build *b, const struct uni_base *base);
/* Where the recipe says most of how large a form's disk is. */
struct uni_pos disk_size_pos(const struct build *b, const char *format);

/* manifest.c: what only the manifest says of the inputs, for its key; owned by the caller. */
struct uni_plan_source *manifest_sources(const struct build *b, size_t *count);
/* The member "inputs" and a comma behind it. */
void manifest_inputs(const struct build *b, struct uni_buf *out);
int op_manifest(struct build *b, struct uni_store_record *record, struct uni_err *err);

/* handout.c */
int build_hand_out(struct build *b, const char *out_dir, struct uni_build_result *result,
		   struct uni_err *err);
/* Where a manifest was built: remembered in the store. */
int manifest_remember(struct build *b, const struct uni_digest *manifest, struct uni_err *err);
int manifest_recall(struct uni_store *store, const struct uni_digest *manifest, char **recipe,
		    struct uni_err *err);

/* log.c: keeps what a failed step said; `path` is owned by the caller, NULL when it cannot be. */
char *log_keep(struct build *b, const struct uni_step *step, const struct uni_buf *messages,
	       const struct uni_err *why);

/* libraries.c: whether the loader and the libraries of a dynamic program are among the recipe's
 * files and volumes. What is not goes to the diags: an error for the loader, warnings for
 * libraries, which may come from elsewhere. A static program needs none. */
int libraries_check(struct build *b, const struct uni_elf *program, struct uni_err *err);
/* The recipe's program in a volume; `*elf` stays NULL where that is not at hand. */
int volume_program_open(struct build *b, struct uni_elf **elf, struct uni_err *err);
/* Whether the folder where it starts is one, where a volume should bring it. */
int working_folder_check(struct build *b, struct uni_err *err);
/* Whether the program of a build, which is resolved, is there with all that it needs. */
int program_libraries_check(struct build *b, struct uni_err *err);

/* check.c: all that is wrong with the inputs and the base, to the diags; the first to err. */
int recipe_check(struct build *b, struct uni_err *err);
/* An error to the diags, at the place that it names itself, else at `pos`. */
void complain_at(struct build *b, struct uni_pos pos, const struct uni_err *why);

/* build.c */
int build_open(struct build *b, const struct uni_build_options *options,
	       const struct uni_events *events, struct uni_diags *diags, struct uni_err *err);
void build_close(struct build *b);
/* Times from SOURCE_DATE_EPOCH, where that is set; from a manifest that was made so. */
int build_epoch_env(struct build *b, struct uni_err *err);
void build_epoch_set(struct build *b, int64_t epoch);
int build_prepare(struct build *b, bool hash_all, struct uni_err *err);
int build_artifacts(struct build *b, struct uni_err *err); /* into the store */
/* Number of the step that makes a format; owned by the plan. */
int artifact_step(const struct build *b, const char *format);
int volume_step(const struct build *b, const struct uni_recipe_volume *volume);
/* Whether a form before this one has the same file: a kernel, a volume. */
bool artifact_repeats(const struct build *b, size_t format, const char *name);

/* shared.c: results through a registry. Trouble there is a warning and no more. */
int shared_open(struct build *b, struct uni_err *err); /* by the options */
void shared_free(struct shared *shared);
/* Whether the key's result is there; it is in the store then, and in `record`. From any thread. */
bool shared_receive(struct build *b, const struct uni_digest *key, struct uni_store_record *record);
/* What the registry does not have of what this build used. */
void shared_send(struct build *b);

/* compare.c: the first byte in which two files differ, or -1. */
int first_difference(const char *a, const char *b, int64_t *offset, struct uni_err *err);

#endif
