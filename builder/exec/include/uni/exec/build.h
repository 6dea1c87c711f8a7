/*
 * Building: a recipe is loaded, its inputs are resolved to digests, the plan is made and walked in
 * parallel, and what comes out is handed to the output folder. Nothing is printed; progress goes
 * out as events, the findings in a recipe to `diags`.
 */
#ifndef UNI_EXEC_BUILD_H
#define UNI_EXEC_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/event.h>
#include <uni/plan/plan.h>
#include <uni/recipes/diag.h>

struct uni_oci_signer;
struct uni_pem;

/* A registry through which builds share the results of steps. Whoever can write there decides what
 * others' builds take, unless a signature is wanted. */
struct uni_build_cache {
	const char *address;		     /* "oci://HOST/NAME" */
	const struct uni_pem *verify;	     /* take only what this key has signed; or NULL */
	const struct uni_oci_signer *signer; /* of what is sent; or NULL */
};

struct uni_build_options {
	const char *recipe;	    /* path of the recipe */
	const char *variant;	    /* NULL: none */
	const char *out_dir;	    /* NULL: the working folder; created when absent */
	const char *const *formats; /* NULL: the recipe's; else "raw", "elf", ... */
	size_t format_count;
	bool allow_outside;
	bool allow_secret;	   /* private keys among files and volumes */
	const char *store;	   /* NULL: uni_dir_cache() */
	bool fresh;		   /* take no result from the store: every step runs */
	bool no_output;		   /* build into the store only */
	bool locked;		   /* UNI_E_DIFFERS when the lock would change */
	const char *const *update; /* packages whose lock is forgotten first */
	size_t update_count;
	bool update_all; /* all are */
	bool offline;	 /* fetch nothing: what is not in the store is an error */
	bool sync;	 /* return when the disk has the artifacts */
	bool force;	 /* replace files that no build left there */
	const struct uni_build_cache *cache; /* or NULL; left alone with `offline` */
};

struct uni_build_artifact {
	char *path;   /* as written: OUT_DIR/NAME.FORMAT */
	char *format; /* "raw", "elf", "volume", "writable" (these two are kept when machines
			 changed them), "manifest" */
	uint64_t size;
	struct uni_digest digest;
	bool mapped;  /* the digest is of its map: uni/base/mapdigest.h */
	bool written; /* false: it was there already, the same */
};

struct uni_build_result {
	struct uni_build_artifact *artifacts; /* in the recipe's order, the manifest last */
	size_t count;
	char *name;	 /* of the image */
	uint64_t memory; /* of [machine], for `uni run` */
	uint32_t processors;
	size_t steps, cached, ran;
	size_t received, sent; /* results from and to the shared cache */
	char *log;	       /* path of the kept log of the step that failed, or NULL */
};
#define UNI_BUILD_RESULT_INIT                                                                      \
	{                                                                                          \
		.artifacts = NULL                                                                  \
	}
void uni_build_result_free(struct uni_build_result *result);

int uni_build(const struct uni_build_options *options, struct uni_build_result *result,
	      const struct uni_events *events, struct uni_diags *diags, struct uni_err *err);

/* The same up to the plan, with every source hashed and every step's state found out; nothing
 * runs. */
int uni_build_plan(const struct uni_build_options *options, struct uni_plan **plan,
		   const struct uni_events *events, struct uni_diags *diags, struct uni_err *err);

/* Checks recipe and inputs and what the base can do, without building: all findings in `diags`. */
int uni_build_check(const struct uni_build_options *options, const struct uni_events *events,
		    struct uni_diags *diags, struct uni_err *err);

/* Resolves the recipe's packages and writes its lock; with `update` or `update_all` anew. */
int uni_build_update(const struct uni_build_options *options, const struct uni_events *events,
		     struct uni_diags *diags, struct uni_err *err);

struct uni_verify_options {
	const char *manifest;
	const char *recipe; /* NULL: where the manifest was built, as the store remembers */
	bool allow_outside;
	const char *store;
	bool cached; /* results may come from the store; else every step runs */
};

struct uni_verify_report {
	bool same;
	size_t artifacts; /* compared */
	char *differs;	  /* what differs first: "tool ld", "input www",
			     "artifact NAME.raw"; NULL when nothing */
	char *detail;	  /* one sentence: expected and found */
	char *partition;  /* of the artifact, or NULL */
	uint64_t offset;  /* first differing byte, in the artifact */
	bool has_offset;
};
void uni_verify_report_free(struct uni_verify_report *report);

/* UNI_E_DIFFERS (with the report filled) when it is not the same; other codes when it could not be
 * told. */
int uni_build_verify(const struct uni_verify_options *options, struct uni_verify_report *report,
		     const struct uni_events *events, struct uni_diags *diags, struct uni_err *err);

#endif
