/*
 * The plan: an immutable graph of steps, made from a recipe and the digests of its inputs, without
 * touching a file. A step names an operation, its format version, its options as canonical text,
 * the tools it runs, and its inputs, each a digest of a source or an output of an earlier step. Its
 * key is the SHA-256 of all that, in which a producing step stands by its own key.
 */
#ifndef UNI_PLAN_PLAN_H
#define UNI_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/mem.h>
#include <uni/base/text.h>

enum uni_step_op {
	UNI_OP_COMPILE,	 /* C source -> "object" */
	UNI_OP_LINK,	 /* objects, archives, sysroot -> "program" */
	UNI_OP_ROOT,	 /* files -> "root": cpio archive */
	UNI_OP_VOLUME,	 /* tree -> "volume": squashfs with hash tree */
	UNI_OP_KERNEL,	 /* base kernel, program, root, configuration -> "elf" */
	UNI_OP_BOX,	 /* bootable ELF -> "box": kernel partition */
	UNI_OP_ESP,	 /* box, key -> "esp": EFI system partition */
	UNI_OP_DISK,	 /* box, system partition, volumes -> "raw" */
	UNI_OP_MACHINE,	 /* elf, volumes -> these, and a machine's description */
	UNI_OP_MANIFEST, /* everything -> "manifest" */
};
const char *uni_step_op_name(enum uni_step_op op);
/* Whether all steps of this operation that run are made in one pass over what they share. */
bool uni_step_op_shares(enum uni_step_op op);

/* What was found out about a step before it ran. */
enum uni_step_state { UNI_STEP_WOULD_RUN, UNI_STEP_CACHED, UNI_STEP_UNKNOWN /* cold sources */ };

struct uni_step_tool {
	const char *name;
	struct uni_digest digest; /* executable and codec libraries */
};

struct uni_step_input {
	const char *name;	  /* its place in the step: "source", "kernel", "volume/data" */
	int step;		  /* producing step, or -1 for a source */
	const char *output;	  /* of that step */
	struct uni_digest digest; /* of a source */
	bool cold;		  /* source not hashed yet: read and hashed when the step runs */
	const char *path;	  /* of a source, as in the recipe; not part of the key */
};

struct uni_step {
	const char *id; /* "volume:content", unique in the plan */
	enum uni_step_op op;
	unsigned version; /* of the operation's output */
	const char *options;
	const struct uni_step_tool *tools;
	size_t tool_count;
	const struct uni_step_input *inputs;
	size_t input_count;
	bool has_key; /* false as long as an input is cold, here or in a producing step */
	struct uni_digest key;
	enum uni_step_state state;
};

/* Steps are in an order in which each comes behind what it uses. */
struct uni_plan;
void uni_plan_free(struct uni_plan *plan);
UNI_AUTO_DEFINE(uni_plan)
size_t uni_plan_count(const struct uni_plan *plan);
const struct uni_step *uni_plan_step(const struct uni_plan *plan, size_t index);

/* As text, as JSON, for Graphviz; with the steps that would run in one pass, of which some may
 * still turn out to be kept when their inputs are made. */
void uni_plan_text(const struct uni_plan *plan, struct uni_buf *out);
void uni_plan_json(const struct uni_plan *plan, struct uni_buf *out);
void uni_plan_dot(const struct uni_plan *plan, struct uni_buf *out);

#endif
