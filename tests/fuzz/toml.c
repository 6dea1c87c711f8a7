/*
 * The TOML reader on anything: it must answer, stay inside its input, and have a finding exactly
 * when it refuses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <uni/recipes/toml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct uni_toml_value *value)
{
	size_t found = 1;

	if (value->type != UNI_TOML_TABLE && value->type != UNI_TOML_ARRAY)
		return found;
	for (const struct uni_toml_value *v = value->list.first; v != NULL; v = v->next) {
		if (value->type == UNI_TOML_TABLE && uni_toml_find(value, v->key, v->key_size) != v)
			abort();
		found += count(v);
	}
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_toml *toml UNI_AUTO(uni_toml) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int code = uni_toml_parse(&toml, "fuzz", (const char *)data, size, &diags, &err);

	if ((code == 0) != (toml != NULL) || (code == 0) != (diags.errors == 0))
		abort();
	if (toml != NULL && count(uni_toml_root(toml)) > UNI_TOML_VALUES_MAX + 1)
		abort();
	return 0;
}
