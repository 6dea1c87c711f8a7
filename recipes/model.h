/*
 * From checked TOML to the model, a section of the recipe a file. What the schema found wrong
 * counts as absent here and is not complained about twice; what only the combination of values
 * tells is found here. Not published.
 */
#ifndef UNI_RECIPES_MODEL_H
#define UNI_RECIPES_MODEL_H

#include "schema.h"

#include <uni/recipes/recipe.h>

struct model {
	struct schema_context context;
	const struct uni_recipe_options *options;
	struct uni_recipe *recipe;
	const struct uni_toml_value *root;
	char *real_dir; /* of the recipe, without links; NULL: not looked at */
};

/* model.c */
void model_build(struct model *m);
void model_error(struct model *m, struct uni_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void model_hint(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NULL when absent or bad; `table` may be NULL. */
const struct uni_toml_value *model_get(const struct uni_toml_value *table, const char *key);
/* Whether the key stands there, good or bad. */
bool model_has(const struct uni_toml_value *table, const char *key);
struct uni_pos model_pos(const struct uni_toml_value *table, const char *key);
char *model_string(const struct uni_toml_value *table, const char *key); /* owned; NULL: absent */
bool model_bool(const struct uni_toml_value *table, const char *key, bool fallback);
uint64_t model_size(const struct uni_toml_value *table, const char *key, uint64_t fallback);
/* Index of the key's value among the schema's words for it. */
unsigned model_word(const struct uni_toml_value *table, const struct schema_table *schema,
		    const char *key, const char *fallback);
/* Milliseconds; an integer counts seconds. */
uint32_t model_duration(const struct uni_toml_value *table, const char *key, uint32_t fallback);
bool model_epoch(const struct uni_toml_value *table, int64_t *epoch);
void model_texts(const struct uni_toml_value *table, const char *key, struct uni_recipe_texts *out);
void model_add_text(struct uni_recipe_texts *texts, char *take, struct uni_pos pos);
const struct schema_table *model_schema(const char *table);

/* model_config.c */
void model_config(struct model *m);
/* model_app.c */
void model_app(struct model *m);
/* The members of a table of strings, sorted by name. */
void model_env(const struct uni_toml_value *table, struct uni_recipe_env **env, size_t *count);
/* model_mount.c: [[file]], [[secret]] and [[volume]] */
void model_secrets(struct model *m);
void model_files(struct model *m);
void model_volumes(struct model *m);
void model_check_mounts(struct model *m);
/* model_place.c; behind all of these */
void model_check_places(struct model *m);
/* model_output.c */
void model_outputs(struct model *m);
/* model_test.c; behind all others */
void model_tests(struct model *m);

/* model_prune.c: leaves out what has errors, so that the rest can be looked at. */
void model_prune(struct model *m);

/* recipe.c: what they own. */
void recipe_free_input(struct uni_recipe_input *input);
void recipe_free_file(struct uni_recipe_file *file);
void recipe_free_volume(struct uni_recipe_volume *volume);

/* model_input.c. `label` names the key in findings: "volume \"content\": source". */
enum { INPUT_REGULAR = 1, INPUT_FOLDER = 2 };
void model_input(struct model *m, const char *label, const struct uni_toml_value *value,
		 unsigned kinds, struct uni_recipe_input *out);
void model_input_text(struct model *m, const char *label, const char *text, struct uni_pos pos,
		      unsigned kinds, struct uni_recipe_input *out);
void model_inputs(struct model *m, const char *label, const struct uni_toml_value *list,
		  unsigned kinds, struct uni_recipe_inputs *out);

#endif
