/*
 * A TOML document as toml-test's tagged JSON: every value but tables and arrays becomes
 * {"type": ..., "value": "..."}.
 */
#ifndef UNI_TESTS_TOML_TAGGED_H
#define UNI_TESTS_TOML_TAGGED_H

#include <jansson.h>
#include <uni/recipes/toml.h>

json_t *toml_tagged(const struct uni_toml_value *value);

#endif
