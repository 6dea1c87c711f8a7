/*
 * The plan as its makers see it.
 */
#ifndef UNI_PLAN_INTERNAL_H
#define UNI_PLAN_INTERNAL_H

#include <uni/bundle/form.h>
#include <uni/bundle/machine.h>
#include <uni/plan/make.h>

/* Versions of operations that have no registry of their own: change with the bytes they write. */
#define PLAN_ROOT_VERSION 2
#define PLAN_VOLUME_VERSION 1 /* of what its result says, beside the file system's own */
#define PLAN_DISK_VERSION 1   /* the same of disks */
#define PLAN_MANIFEST_VERSION 3

struct plan_step {
	struct uni_step step;
	struct uni_step_input *inputs;
	size_t input_room;
	struct uni_step_tool *tools;
};

struct uni_plan {
	struct plan_step *steps;
	size_t count, room;
	struct uni_strv texts; /* every string of the steps */
};

/* plan.c */
const char *plan_text(struct uni_plan *plan, const char *text); /* a copy that the plan owns */
/* The last step is under construction: give it options, inputs and tools, then close it. */
void plan_add(struct uni_plan *plan, enum uni_step_op op, const char *id, unsigned version);
void plan_options(struct uni_plan *plan, struct uni_buf *text); /* takes the text */
void plan_source(struct uni_plan *plan, const char *name, const struct uni_plan_source *source);
void plan_use(struct uni_plan *plan, const char *name, int producer, const char *output);
void plan_tools(struct uni_plan *plan, const struct uni_plan_tools *tools);
int plan_close(struct uni_plan *plan); /* computes its key; gives its number */

/* options.c: canonical text, a line an option. */
void options_compile(const struct uni_recipe *recipe, size_t source, struct uni_buf *out);
void options_root(const struct uni_recipe *recipe, struct uni_buf *out);
int options_volume(const struct uni_recipe *recipe, const struct uni_recipe_volume *volume,
		   struct uni_buf *out, struct uni_err *err);
/* `kernel`: the one of the base's that was chosen. */
void options_kernel(const struct uni_recipe *recipe, const char *kernel, struct uni_buf *out);
void options_esp(const struct uni_recipe *recipe, struct uni_buf *out);
int options_disk(const struct uni_recipe *recipe, const struct uni_disk_format *format,
		 struct uni_buf *out, struct uni_err *err);
void options_machine(const struct uni_recipe *recipe, const struct uni_machine_format *format,
		     struct uni_buf *out);
void options_form(const struct uni_recipe *recipe, const struct uni_form *form,
		  struct uni_buf *out);
void options_manifest(const struct uni_plan_inputs *inputs, struct uni_buf *out);

#endif
