/* Shared by the tests of plans. */
#ifndef UNI_TESTS_PLAN_H
#define UNI_TESTS_PLAN_H

#include <uni/kernel/base.h>
#include <uni/recipes/recipe.h>

struct uni_recipe *parse(const char *text, const char *variant);
struct uni_base *parse_base(void); /* with several kernels */

void kernel_is_the_smallest_that_will_do(void **state);
void forms_of_other_places_have_kernels_of_their_own(void **state);
void what_is_asked_for_by_name_is_there(void **state);
void a_base_with_one_kernel_gives_that(void **state);
void what_no_kernel_has_together_has_its_place(void **state);

#endif
