/*
 * Making a plan: pure, from a recipe and what was found out about its inputs. Nothing is opened.
 */
#ifndef UNI_PLAN_MAKE_H
#define UNI_PLAN_MAKE_H

#include <uni/disk/disk.h>
#include <uni/fs/fs.h>
#include <uni/kernel/base.h>
#include <uni/kernel/config.h>
#include <uni/plan/plan.h>
#include <uni/recipes/recipe.h>

/* An input as it was found. All borrowed until the plan is made; strings are copied. */
struct uni_plan_source {
	const char *name; /* as the recipe has it, and manifests */
	const char *path; /* to open, or NULL */
	struct uni_digest digest;
	bool cold; /* a tree that was not hashed: `digest` is not known */
};

struct uni_plan_tools {
	const struct uni_step_tool *items;
	size_t count;
};

struct uni_plan_inputs {
	const struct uni_recipe *recipe;
	struct uni_digest recipe_digest; /* of its meaning: uni_recipe_normal */
	bool outer_epoch;		 /* the recipe's times were overridden */
	const char *const *formats;	 /* "raw", "elf" */
	size_t format_count;
	const struct uni_plan_tools *format_tools; /* one for each format */
	struct uni_plan_source base;	   /* everything in it that goes into an image or a link */
	const struct uni_base *base_words; /* what it can do */
	/* One for each C source of the recipe; digests of the preprocessed text. */
	const struct uni_plan_source *sources;
	const struct uni_plan_source *objects; /* packages unfolded into files, in link order */
	size_t object_count;
	const struct uni_plan_source *libraries;
	size_t library_count;
	const struct uni_plan_source *program;	/* NULL when linked, or in a volume */
	const struct uni_plan_source *ca;	/* NULL without */
	const struct uni_plan_source *boot_key; /* of Secure Boot; NULL without */
	const struct uni_plan_source *boot_certificate;
	const struct uni_plan_source *files;   /* one for each [[file]] */
	const struct uni_plan_source *volumes; /* one for each [[volume]]; that of a tmpfs is not
						  looked at */
	/* What is written down in the manifest alone: C sources before they were preprocessed,
	 * their headers. */
	const struct uni_plan_source *mentioned;
	size_t mentioned_count;
	struct uni_plan_tools compile_tools, link_tools, box_tools;
};

int uni_plan_make(struct uni_plan **plan, const struct uni_plan_inputs *inputs,
		  struct uni_err *err);

/* What the executor finds out later: the digest of a cold source (keys follow), and a step's
 * state. */
void uni_plan_settle(struct uni_plan *plan, size_t step, size_t input,
		     const struct uni_digest *digest);
void uni_plan_set_state(struct uni_plan *plan, size_t step, enum uni_step_state state);
/* -1 when there is none. */
int uni_plan_find(const struct uni_plan *plan, const char *id);

/*
 * The key by what inputs are instead of how they come about: `outputs[i]` is a digest over the
 * output that input i takes and its maker's words about it; sources stand for themselves.
 */
struct uni_digest uni_step_output_key(const struct uni_step *step,
				      const struct uni_digest *outputs);

/* The boot configuration but for what only the volumes' makers know (their UUIDs and hashes):
 * mounts are in the recipe's order. */
struct uni_boot_config *uni_plan_boot_config(const struct uni_recipe *recipe);
/* A volume's options as the file systems' writers take them, before their defaults are filled in.
 */
void uni_plan_fs_options(const struct uni_recipe *recipe, const struct uni_recipe_volume *volume,
			 struct uni_fs_options *options);
/* What the recipe says of a form of the disk; strings are borrowed from it. */
struct uni_disk_options uni_plan_disk_options(const struct uni_recipe *recipe, const char *format);
/* The library whose version is in a form's bytes (uni_disk_codec_file), or NULL. */
const char *uni_plan_codec(const struct uni_recipe *recipe, const char *format);
/* Where the program is as a file: "/bin/NAME", or in a volume; owned by the caller. */
char *uni_plan_program_path(const struct uni_recipe *recipe);
/* Every path at which programs look for a CA bundle; the first is the file, the others are links
 * to it. NULL-terminated. */
extern const char *const uni_plan_ca_paths[];

/*
 * Where a form is started, as far as that asks for a kernel of its own: "" for the kernel that most
 * share, else what stands behind the colon in the names of its steps, "kernel:xen".
 */
const char *uni_plan_place(const struct uni_recipe *recipe, const struct uni_base *base,
			   const char *form);
/* The kernel that an image takes for a place. */
int uni_plan_kernel(const struct uni_recipe *recipe, const struct uni_base *base, const char *place,
		    const struct uni_base_kernel **kernel, struct uni_err *err);
/* The same; when there is none, `pos` is where the recipe first asks for something of that which no
 * kernel has together. */
int uni_plan_kernel_at(const struct uni_recipe *recipe, const struct uni_base *base,
		       const char *place, const struct uni_base_kernel **kernel,
		       struct uni_pos *pos, struct uni_err *err);
/* The place of a step "kernel", "box" or "esp" by its name. */
const char *uni_plan_step_place(const char *id);

/* The recipe's meaning as JSON: sorted, without comments or layout. It ends in a newline. */
int uni_recipe_normal(const struct uni_recipe *recipe, struct uni_buf *out, struct uni_err *err);

#endif
