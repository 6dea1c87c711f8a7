/*
 * Images under test: each [[test]] of a recipe becomes a machine that is started, asked, watched
 * and ended, several at a time. Nothing is printed; what was expected and what came is in the
 * results.
 */
#ifndef UNI_TEST_TEST_H
#define UNI_TEST_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/cache/store.h>
#include <uni/recipes/recipe.h>

struct uni_test_disk {
	const char *format; /* "raw", or another that uni_vm_disk_driver knows */
	const char *path;
};

struct uni_test_image {
	const struct uni_recipe *recipe;
	const struct uni_test_disk *disks; /* the raw one first */
	size_t disk_count;
	const char *kernel; /* bootable ELF; NULL: there is none. At least one disk or this. */
	const char *const *volumes; /* NULL, or NULL-terminated: disks of writable volumes, of which
				       every start gets copies */
};

struct uni_test_result {
	char *name;
	const char *format;   /* "raw", "elf", ... */
	const char *machine;  /* "q35", ... */
	const char *firmware; /* by which the disk starts, "bios" or "uefi"; NULL: it is no disk */
	enum uni_test_outcome {
		UNI_TEST_PASSED,
		UNI_TEST_FAILED,
		UNI_TEST_UNKNOWN, /* it could not be told: trouble on this side */
	} outcome;
	uint64_t ns;
	uint64_t boot_ns; /* 0: not measured, as for the next ones */
	uint64_t floor_ns;
	uint64_t memory;   /* bytes that the machine touched */
	uint64_t requests; /* under load */
	uint64_t failures; /* of these */

	/* Unless passed: which expectation, what it was, what came instead. Each may have several
	 * lines; `expected` is NULL for trouble on this side. */
	char *what;
	char *expected;
	char *came;
	char *console; /* the last lines, always */
	char *folder;  /* of the machine, when it was kept */
};

struct uni_test_report {
	struct uni_test_result *results; /* in the recipe's order; formats and machines within */
	size_t count;
	uint64_t ns;
};
#define UNI_TEST_REPORT_INIT                                                                       \
	{                                                                                          \
		.results = NULL                                                                    \
	}
void uni_test_report_free(struct uni_test_report *report);
/* The worst outcome; unknown is worse than passed, failed worse than unknown. */
enum uni_test_outcome uni_test_report_outcome(const struct uni_test_report *report);

struct uni_test_options {
	const char *emulator; /* as in struct uni_vm_spec */
	const char *accel;
	const char *machine; /* NULL: q35 for the disk, microvm for the ELF */
	const char *filter;  /* pattern (fnmatch) of names; NULL: all */
	bool direct;	     /* start the ELF, also where there is a disk */
	bool matrix;	     /* every form on every machine and by all firmware that starts it */
	bool keep;	     /* machines' folders stay */
	unsigned jobs;	     /* machines at a time; 0: as many as there are processors */
	/* Called for each result when it is there; from any thread, one at a time. */
	void (*done)(void *user, const struct uni_test_result *result);
	void *user;
};

/* Writes the authorities that the tests name in packages of the store below `dir`, and sets the
 * inputs' paths to them. */
int uni_test_authorities(struct uni_recipe *recipe, struct uni_store *store, const char *dir,
			 struct uni_err *err);

/* UNI_E_NOENT when no test is left by the filter, or the recipe has none; UNI_E_CANCELLED. */
int uni_test_run(const struct uni_test_image *image, const struct uni_test_options *options,
		 struct uni_test_report *report, struct uni_err *err);

/* "raw, q35" or "raw, q35, uefi": which form of a test's machine it was. */
void uni_test_way(const struct uni_test_result *result, struct uni_buf *out);
/* The report as JUnit XML; `suite` names it. */
void uni_test_junit(const struct uni_test_report *report, const char *suite, struct uni_buf *out);

#endif
