/*
 * Which machines are made of a recipe's tests, and several of them at a time.
 */
#include <fnmatch.h>
#include <pthread.h>

#include <uni/base/pool.h>
#include <uni/base/system.h>

#include "run.h"

/* One way to start an image. */
struct way {
	const struct uni_test_disk *disk; /* NULL: the bootable ELF */
	const char *machine;
	const char *firmware; /* of a disk */
};

#define WAYS_OF_DISK 3
#define WAYS_OF_KERNEL 3

struct plan {
	struct test_case *cases;
	struct uni_test_report *report;
	const struct uni_test_options *options;
	struct way *ways; /* the usual one first */
	size_t way_count;
	pthread_rwlock_t quiet;
	pthread_mutex_t telling;
};

void uni_test_report_free(struct uni_test_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->results[i].name);
		free(report->results[i].what);
		free(report->results[i].expected);
		free(report->results[i].came);
		free(report->results[i].console);
		free(report->results[i].folder);
	}
	free(report->results);
	report->results = NULL;
	report->count = 0;
}

enum uni_test_outcome uni_test_report_outcome(const struct uni_test_report *report)
{
	enum uni_test_outcome worst = UNI_TEST_PASSED;

	for (size_t i = 0; i < report->count; i++) {
		if (report->results[i].outcome == UNI_TEST_FAILED)
			return UNI_TEST_FAILED;
		if (report->results[i].outcome == UNI_TEST_UNKNOWN)
			worst = UNI_TEST_UNKNOWN;
	}
	return worst;
}

void uni_test_way(const struct uni_test_result *result, struct uni_buf *out)
{
	uni_buf_printf(out, "%s, %s", result->format, result->machine);
	if (uni_str_eq(result->firmware, "uefi"))
		uni_buf_puts(out, ", uefi");
}

static void add_way(struct plan *plan, const struct uni_test_disk *disk, const char *machine,
		    const char *firmware)
{
	const char *only = plan->options->machine;

	if (only == NULL || uni_str_eq(only, machine))
		plan->ways[plan->way_count++] = (struct way){ disk, machine, firmware };
}

/* Machines and firmware are the raw disk's affair; another form of it has to be read. */
static void add_disk(struct plan *plan, const struct uni_test_image *image,
		     const struct uni_test_disk *disk)
{
	const struct uni_recipe_boot *boot = &image->recipe->boot;
	bool raw = disk == image->disks;

	if (boot->bios)
		add_way(plan, disk, "q35", "bios");
	if (boot->bios && raw)
		add_way(plan, disk, "pc", "bios");
	if (boot->uefi && (raw || !boot->bios))
		add_way(plan, disk, "q35", "uefi");
}

static void find_ways(struct plan *plan, const struct uni_test_image *image)
{
	plan->ways = uni_alloc_array(image->disk_count * WAYS_OF_DISK + WAYS_OF_KERNEL,
				     sizeof(*plan->ways));
	for (size_t i = 0; i < image->disk_count && !plan->options->direct; i++)
		add_disk(plan, image, &image->disks[i]);
	if (image->kernel == NULL)
		return;
	add_way(plan, NULL, "microvm", NULL);
	add_way(plan, NULL, "q35", NULL);
	add_way(plan, NULL, "pc", NULL);
}

static void add_case(struct plan *plan, const struct uni_test_image *image,
		     const struct uni_recipe_test *test, const struct way *way)
{
	struct uni_test_report *report = plan->report;
	struct uni_test_result *result = &report->results[report->count];

	result->name = uni_strdup(test->name);
	result->format = way->disk != NULL ? way->disk->format : "elf";
	result->machine = way->machine;
	result->firmware = way->firmware;
	plan->cases[report->count++] =
		(struct test_case){ image, way->disk, plan->options, test, result };
}

static int make_plan(struct plan *plan, const struct uni_test_image *image, struct uni_err *err)
{
	const struct uni_recipe *recipe = image->recipe;
	const struct uni_test_options *options = plan->options;
	size_t most, ways;

	find_ways(plan, image);
	if (plan->way_count == 0)
		return uni_err_set(err, UNI_E_INVAL,
				   "the image has no form that machine \"%s\" starts",
				   options->machine != NULL ? options->machine : "q35");
	ways = options->matrix ? plan->way_count : 1;
	most = recipe->test_count * ways;
	plan->report->results = uni_alloc_array(most + 1, sizeof(*plan->report->results));
	plan->cases = uni_alloc_array(most + 1, sizeof(*plan->cases));
	for (size_t i = 0; i < recipe->test_count; i++) {
		if (options->filter != NULL &&
		    fnmatch(options->filter, recipe->tests[i].name, 0) != 0)
			continue;
		for (size_t k = 0; k < ways; k++)
			add_case(plan, image, &recipe->tests[i], &plan->ways[k]);
	}
	if (plan->report->count != 0)
		return 0;
	if (recipe->test_count == 0) {
		uni_err_set(err, UNI_E_NOENT, "%s: has no tests", recipe->path);
		return uni_err_hint(err, "[[test]] tables say what is expected of the image");
	}
	return uni_err_set(err, UNI_E_NOENT, "%s: no test is called \"%s\"", recipe->path,
			   options->filter);
}

static int run_one(void *user, size_t index, struct uni_err *err)
{
	struct plan *plan = user;

	if (uni_check_cancel(err) != 0)
		return err->code;
	test_case_run(&plan->cases[index], &plan->quiet);
	if (uni_check_cancel(err) != 0)
		return err->code;
	if (plan->options->done == NULL)
		return 0;
	pthread_mutex_lock(&plan->telling);
	plan->options->done(plan->options->user, plan->cases[index].result);
	pthread_mutex_unlock(&plan->telling);
	return 0;
}

int uni_test_run(const struct uni_test_image *image, const struct uni_test_options *options,
		 struct uni_test_report *report, struct uni_err *err)
{
	struct plan plan = {
		.report = report,
		.options = options,
		.quiet = PTHREAD_RWLOCK_INITIALIZER,
		.telling = PTHREAD_MUTEX_INITIALIZER,
	};
	uint64_t start = uni_clock_mono_ns();
	int status = make_plan(&plan, image, err);

	/* Measured before machines run that would be measured with it. */
	if (status == 0 && options->accel == NULL && uni_vm_accel(options->emulator, err) == NULL)
		status = err->code;
	if (status == 0)
		status = uni_pool_run(report->count, options->jobs, run_one, &plan, err);
	report->ns = uni_clock_mono_ns() - start;
	free(plan.cases);
	free(plan.ways);
	return status;
}
