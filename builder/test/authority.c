/*
 * Authorities that a package holds, as files: what speaks TLS wants a path.
 */
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/index/index.h>
#include <uni/test/test.h>

#define AUTHORITY_MAX (4u << 20)

static int write_out(struct uni_store *store, const struct uni_recipe_input *input,
		     const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_installed) struct uni_installed *installed = NULL;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	const struct uni_package_file *file;
	const char *member = input->member;
	const struct uni_need need = { .name = input->package,
				       .range = input->range,
				       .by = "the test" };

	if (uni_index_obtain(store, NULL, &need, "x86_64", &installed, err) != 0)
		return err->code;
	if (member == NULL)
		member = uni_package_chief(installed->package);
	file = member != NULL ? uni_package_find_file(installed->package, member) : NULL;
	if (file == NULL)
		return uni_err_set(err, UNI_E_NOENT, "package %s has no such file", input->package);
	if (uni_store_blob_read(store, &installed->record.entries[file - installed->package->files],
				AUTHORITY_MAX, &text, err) != 0)
		return err->code;
	return uni_file_write(path, text.data, text.size, 0600, err);
}

int uni_test_authorities(struct uni_recipe *recipe, struct uni_store *store, const char *dir,
			 struct uni_err *err)
{
	for (size_t t = 0; t < recipe->test_count; t++) {
		for (size_t s = 0; s < recipe->tests[t].step_count; s++) {
			struct uni_recipe_input *ca = &recipe->tests[t].steps[s].ca;

			if (ca->kind != UNI_INPUT_PACKAGE)
				continue;
			ca->path = uni_asprintf("%s/authority-%zu-%zu.pem", dir, t, s);
			if (write_out(store, ca, ca->path, err) != 0)
				return uni_err_context(err, "%s:%u: ca \"%s\"", recipe->path,
						       ca->pos.line, ca->text);
		}
	}
	return 0;
}
