/*
 * The walk of a plan: what runs, in which order, what is taken from the store, and what is left of
 * a step that fails. The steps run are none of the real ones: each makes a blob of its name and of
 * what its inputs are, and may be told to fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>

#include "tests.h"

#define STEPS 8 /* with one form */

static const char recipe_text[] =
	"[image]\nname = \"thing\"\n[app]\nsources = [\"a.c\", \"b.c\"]\n"
	"[[volume]]\nname = \"v\"\nmount = \"/v\"\nsource = \"v\"\nembed = true\n";

static const char base_text[] =
	"base = 1\nname = \"b\"\nversion = \"1.0.0\"\narch = \"x86_64\"\nkind = \"linux-abi\"\n"
	"kernel = \"k.elf\"\nentries = [\"pvh\"]\nmemory = \"8M\"\ndevices = [\"uart\"]\n"
	"filesystems = [\"squashfs\"]\n[config]\nchannel = \"part\"\noldest = 1\nnewest = 1\n"
	"[sysroot]\nstart = []\nlibraries = []\nend = []\n";

/* What the steps that are run here obey and note. */
static struct {
	pthread_mutex_t mutex;
	const char *fails; /* id of a step, or NULL */
	const char *same;  /* of one whose output does not show its inputs */
	char source;	   /* what "a.c" holds */
	size_t forms;
	struct uni_buf ran;
	size_t count;
	size_t passes, in_passes; /* passes for several forms; forms in them */
} steps = { .mutex = PTHREAD_MUTEX_INITIALIZER };

int __wrap_base_check(struct build *b, struct uni_err *err);
int __wrap_base_check(struct build *b, struct uni_err *err)
{
	(void)b;
	(void)err;
	return 0;
}

/* What several forms share is of no matter here, only that they do. */
int __wrap_disk_pass_open(struct disk_pass **pass, struct build *b, const size_t *which,
			  size_t count, struct uni_err *err);
int __wrap_disk_pass_open(struct disk_pass **pass, struct build *b, const size_t *which,
			  size_t count, struct uni_err *err)
{
	(void)which;
	(void)err;
	*pass = (struct disk_pass *)b;
	steps.passes++;
	steps.in_passes += count;
	return 0;
}

void __wrap_disk_pass_join(struct disk_pass *pass, struct run *run);
void __wrap_disk_pass_join(struct disk_pass *pass, struct run *run)
{
	run->pass = pass;
}

void __wrap_disk_pass_leave(struct run *run);
void __wrap_disk_pass_leave(struct run *run)
{
	assert_non_null(run->pass);
	run->pass = NULL;
}

void __wrap_disk_pass_free(struct disk_pass *pass);
void __wrap_disk_pass_free(struct disk_pass *pass)
{
	(void)pass;
}

static void describe(struct build *b, const struct uni_step *step, struct uni_buf *text)
{
	char digest[UNI_DIGEST_TEXT];

	uni_buf_printf(text, "%s\n", step->id);
	if (uni_str_eq(step->id, steps.same))
		return;
	for (size_t i = 0; i < step->input_count; i++) {
		uni_digest_text(step->inputs[i].step >= 0 ? &input_blob(b, step, i)->digest
							  : &step->inputs[i].digest,
				digest);
		uni_buf_printf(text, "%s %s\n", step->inputs[i].name, digest);
	}
}

int __wrap_op_run(struct build *b, size_t index, struct uni_store_record *record,
		  struct uni_buf *messages, struct uni_err *err);
int __wrap_op_run(struct build *b, size_t index, struct uni_store_record *record,
		  struct uni_buf *messages, struct uni_err *err)
{
	const struct uni_step *step = uni_plan_step(b->plan, index);
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_store_entry blob;
	int rc;

	pthread_mutex_lock(&steps.mutex);
	uni_buf_printf(&steps.ran, "%s ", step->id);
	steps.count++;
	pthread_mutex_unlock(&steps.mutex);
	if (uni_str_eq(step->id, steps.fails)) {
		uni_buf_printf(messages, "what the tool said\n");
		return uni_err_set(err, UNI_E_INVAL, "it failed");
	}
	describe(b, step, &text);
	rc = uni_store_put(b->store, text.data, text.size, &blob, err);
	if (rc == 0)
		for (size_t i = 0; i < uni_plan_count(b->plan); i++) {
			const struct uni_step *user = uni_plan_step(b->plan, i);

			for (size_t j = 0; j < user->input_count; j++)
				if (user->inputs[j].step == (int)index &&
				    uni_store_record_find(record, user->inputs[j].output) == NULL)
					uni_store_record_add(record, user->inputs[j].output, &blob);
		}
	if (rc == 0 && record->count == 0)
		uni_store_record_add(record, "out", &blob);
	return rc;
}

static char *locate(void *user, const char *member, struct uni_err *err)
{
	(void)user;
	(void)err;
	return uni_strdup(member);
}

static struct uni_plan *make_plan(const struct uni_recipe *recipe)
{
	static const char *const formats[] = { "raw", "vdi", "qcow2", "ami" };
	struct uni_base *base UNI_AUTO(uni_base) = NULL;
	struct uni_plan_source sources[] = { { .name = "a.c",
					       .digest = uni_digest_of(&steps.source, 1) },
					     { .name = "b.c", .digest = uni_digest_of("b", 1) } };
	struct uni_plan_source volume = { .name = "v", .digest = uni_digest_of("v", 1) };
	struct uni_plan_inputs in = {
		.recipe = recipe,
		.formats = formats,
		.format_count = steps.forms,
		.base = { .name = "unibase", .digest = uni_digest_of("base", 4) },
		.sources = sources,
		.volumes = &volume,
	};
	struct uni_plan *plan = NULL;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_base_parse(&base, "base.toml", base_text, strlen(base_text), locate, NULL, &err) !=
	    0)
		fail_msg("%s", err.text);
	in.base_words = base;
	if (uni_plan_make(&plan, &in, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(uni_plan_count(plan), STEPS - 1 + steps.forms);
	return plan;
}

int steps_setup(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	char *path = NULL;
	int rc = uni_dir_tmp(NULL, &path, &err);

	steps.fails = NULL;
	steps.same = NULL;
	steps.source = '1';
	steps.forms = 1;
	*state = path;
	return rc;
}

int steps_teardown(void **state)
{
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_dir_remove(*state, &err);

	uni_tmp_forget(*state);
	free(*state);
	uni_buf_free(&steps.ran);
	return rc;
}

/* Walks to the last step, in the store of the test; the code that it ended with. */
static int walk(const char *store, const struct uni_build_options *options, struct uni_err *err)
{
	struct uni_recipe_options no_files = { .no_files = true };
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct build b = { .options = options, .diags = &diags };
	size_t count = STEPS - 1 + steps.forms;
	int last = (int)count - 1;
	int rc;

	uni_buf_clear(&steps.ran);
	steps.count = steps.passes = steps.in_passes = 0;
	assert_int_equal(uni_recipe_parse(&b.recipe, "recipe.toml", recipe_text,
					  strlen(recipe_text), &no_files, &diags, err),
			 0);
	assert_int_equal(uni_store_open(&b.store, store, NULL, err), 0);
	b.plan = make_plan(b.recipe);
	b.runs = uni_alloc_array(count, sizeof(*b.runs));
	rc = build_walk(&b, &last, 1, err);
	assert_int_equal(b.log != NULL, rc != 0 && rc != UNI_E_CANCELLED);
	for (size_t i = 0; i < count; i++)
		uni_store_record_free(&b.runs[i].record);
	free(b.runs);
	free(b.log);
	uni_plan_free(b.plan);
	uni_store_free(b.store);
	uni_recipe_free(b.recipe);
	return rc;
}

static const struct uni_build_options usual = { .allow_secret = true };

static void expect_walk(const char *store, size_t count)
{
	struct uni_err err = UNI_ERR_INIT;

	if (walk(store, &usual, &err) != 0)
		fail_msg("%s", err.text);
	if (steps.count != count)
		fail_msg("ran: %s", uni_buf_text(&steps.ran));
}

static size_t place_of(const char *id)
{
	const char *found = strstr(uni_buf_text(&steps.ran), id);

	assert_non_null(found);
	return (size_t)(found - uni_buf_text(&steps.ran));
}

void inputs_run_before_what_uses_them(void **state)
{
	expect_walk(*state, STEPS);
	assert_true(place_of("compile:a.c ") < place_of("link "));
	assert_true(place_of("compile:b.c ") < place_of("link "));
	assert_true(place_of("link ") < place_of("kernel "));
	assert_true(place_of("volume:v ") < place_of("kernel "));
	assert_true(place_of("kernel ") < place_of("box "));
	assert_true(place_of("box ") < place_of("disk:raw "));
	assert_true(place_of("disk:raw ") < place_of("manifest "));
}

void nothing_runs_twice(void **state)
{
	expect_walk(*state, STEPS);
	expect_walk(*state, 0);
}

void a_change_runs_what_comes_behind_it(void **state)
{
	expect_walk(*state, STEPS);
	steps.source = '2';
	expect_walk(*state, STEPS - 2); /* neither the other source nor the volume */
	assert_null(strstr(uni_buf_text(&steps.ran), "compile:b.c "));
	assert_null(strstr(uni_buf_text(&steps.ran), "volume:v "));
}

void work_stops_where_a_change_changed_nothing(void **state)
{
	steps.same = "compile:a.c";
	expect_walk(*state, STEPS);
	steps.source = '2';
	expect_walk(*state, 1);
	assert_string_equal(uni_buf_text(&steps.ran), "compile:a.c ");
	/* Found by what its inputs are, everything has its new key too. */
	expect_walk(*state, 0);
}

void fresh_takes_nothing_from_the_store(void **state)
{
	const struct uni_build_options fresh = { .allow_secret = true, .fresh = true };
	struct uni_err err = UNI_ERR_INIT;

	expect_walk(*state, STEPS);
	assert_int_equal(walk(*state, &fresh, &err), 0);
	assert_int_equal(steps.count, STEPS);
}

void a_step_that_fails_is_told_and_not_kept(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	steps.fails = "link";
	assert_int_equal(walk(*state, &usual, &err), UNI_E_INVAL);
	assert_string_equal(err.text, "link: it failed");
	assert_null(strstr(uni_buf_text(&steps.ran), "kernel "));
	/* What ran before it is kept; it and what comes behind it run now. */
	steps.fails = NULL;
	assert_int_equal(walk(*state, &usual, &err), 0);
	assert_null(strstr(uni_buf_text(&steps.ran), "compile:"));
	assert_true(place_of("link ") < place_of("kernel "));
}

void a_cancelled_walk_runs_nothing(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	uni_cancelled = 1;
	assert_int_equal(walk(*state, &usual, &err), UNI_E_CANCELLED);
	uni_cancelled = 0;
	assert_int_equal(steps.count, 0);
	expect_walk(*state, STEPS);
}

void forms_are_made_in_one_pass(void **state)
{
	steps.forms = 3;
	expect_walk(*state, STEPS + 2);
	assert_int_equal(steps.passes, 1);
	assert_int_equal(steps.in_passes, 3);
	/* One more, later, is made by itself: it and the manifest. */
	steps.forms = 4;
	expect_walk(*state, 2);
	assert_int_equal(steps.passes, 0);
	assert_true(place_of("disk:ami ") < place_of("manifest "));
}

void a_form_that_fails_leaves_the_others(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	steps.forms = 4;
	steps.fails = "disk:vdi";
	assert_int_equal(walk(*state, &usual, &err), UNI_E_INVAL);
	assert_string_equal(err.text, "disk:vdi: it failed");
	assert_int_equal(steps.in_passes, 4);
	assert_null(strstr(uni_buf_text(&steps.ran), "manifest "));
	steps.fails = NULL;
	assert_int_equal(walk(*state, &usual, &err), 0);
	assert_string_equal(uni_buf_text(&steps.ran), "disk:vdi manifest ");
	assert_int_equal(steps.passes, 0);
}
