/* Shared by the tests of a build's execution. */
#ifndef UNI_TESTS_EXEC_H
#define UNI_TESTS_EXEC_H

#include "internal.h"

/* An empty folder for the store, and steps that do as they should. */
int steps_setup(void **state);
int steps_teardown(void **state);
void inputs_run_before_what_uses_them(void **state);
void nothing_runs_twice(void **state);
void a_change_runs_what_comes_behind_it(void **state);
void work_stops_where_a_change_changed_nothing(void **state);
void fresh_takes_nothing_from_the_store(void **state);
void a_step_that_fails_is_told_and_not_kept(void **state);
void a_cancelled_walk_runs_nothing(void **state);
void forms_are_made_in_one_pass(void **state);
void a_form_that_fails_leaves_the_others(void **state);

#endif
