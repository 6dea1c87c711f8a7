/*
 * What a machine is told at its start: arguments, environment, secrets and files, as far as its
 * image permits them.
 */
#include <string.h>

#include <uni/base/file.h>
#include <uni/base/path.h>

#include "run.h"

/* --env over the image's own: a name given again takes its place. */
static int merge_env(struct cli *cli, const struct run_target *target, struct uni_strv *env,
		     bool *any, struct uni_err *err)
{
	for (char **item = cli->repeats; item != NULL && *item != NULL; item++) {
		if (!uni_str_starts(*item, "env="))
			continue;
		if (strchr(*item + 4, '=') == NULL || (*item)[4] == '=')
			return uni_err_set(err, UNI_E_USAGE, "--env \"%s\" is not NAME=VALUE",
					   *item + 4);
		uni_strv_add(env, *item + 4);
		*any = true;
	}
	for (size_t i = 0; *any && i < target->env.count; i++) {
		const char *own = target->env.items[i];
		size_t name = strcspn(own, "=") + 1;
		bool replaced = false;

		for (size_t j = 0; j < env->count; j++)
			replaced |= strncmp(env->items[j], own, name) == 0;
		if (!replaced)
			uni_strv_add(env, own);
	}
	return 0;
}

static const struct uni_boot_file *find_file(const struct run_target *target, const char *name,
					     size_t size, bool secret)
{
	for (size_t i = 0; target->config != NULL && i < target->config->file_count; i++) {
		const struct uni_boot_file *file = &target->config->files[i];
		const char *own = secret ? file->name : file->path;

		if (((file->flags & UNI_FILE_SECRET) != 0) == secret && strlen(own) == size &&
		    strncmp(own, name, size) == 0)
			return file;
	}
	return NULL;
}

/* --secret NAME=FILE, --file PATH=FILE */
static int add_file(const struct run_target *target, struct uni_boot_config *config,
		    const char *text, bool secret, struct uni_err *err)
{
	const char *option = secret ? "secret" : "file", *from = strchr(text, '=');
	const struct uni_boot_file *named;
	struct uni_boot_file *file;

	if (from == NULL || from == text)
		return uni_err_set(err, UNI_E_USAGE, "--%s \"%s\" is not %s=FILE", option, text,
				   secret ? "NAME" : "PATH");
	named = find_file(target, text, (size_t)(from - text), secret);
	if (named == NULL)
		return uni_err_set(err, UNI_E_USAGE,
				   secret ? "--secret: the image has no secret \"%.*s\""
					  : "--file: the image permits no file \"%.*s\" at start",
				   (int)(from - text), text);
	file = uni_boot_config_file(config, named->name, named->path, named->mode, named->flags);
	return uni_file_read(from + 1, UNI_CONFIG_MAX, &file->content, err);
}

static int add_files(struct cli *cli, const struct run_target *target,
		     struct uni_boot_config *config, struct uni_err *err)
{
	int rc = 0;

	for (char **item = cli->repeats; rc == 0 && item != NULL && *item != NULL; item++) {
		if (uni_str_starts(*item, "secret="))
			rc = add_file(target, config, *item + 7, true, err);
		else if (uni_str_starts(*item, "file="))
			rc = add_file(target, config, *item + 5, false, err);
	}
	for (size_t i = 0; rc == 0 && target->config != NULL && i < target->config->file_count;
	     i++) {
		const struct uni_boot_file *file = &target->config->files[i];
		bool given = (file->flags & UNI_FILE_REQUIRED) == 0;

		for (size_t k = 0; k < config->file_count; k++)
			given |= uni_str_eq(config->files[k].path, file->path);
		if (!given) {
			rc = uni_err_set(err, UNI_E_USAGE, "secret \"%s\" is not given",
					 file->name);
			uni_err_hint(err, "give it with --secret %s=FILE", file->name);
		}
	}
	return rc;
}

/* The kernel refuses, too; here the words are for the one who typed them. */
static int check_permitted(const struct run_target *target, enum uni_config_type type,
			   const char *what, struct uni_err *err)
{
	const struct uni_boot_config *own = target->config;

	for (size_t i = 0; own != NULL && i < own->runtime_count; i++)
		if (own->runtime[i] == type)
			return 0;
	if (own == NULL)
		return 0;
	uni_err_set(err, UNI_E_USAGE, "the image permits no %s at start", what);
	return uni_err_hint(err, "its recipe would say so: [config] runtime = [\"%s\"]",
			    type == UNI_CONFIG_ENV ? "env" : "args");
}

/* As many OEM strings of SMBIOS as it takes, each of a length that every tool bears. */
static void record_strings(const struct uni_buf *record, struct uni_strv *strings)
{
	const size_t step = 500;

	for (size_t at = 0; at < record->size; at += step) {
		size_t part = record->size - at < step ? record->size - at : step;
		char *hex UNI_AUTO_FREE = uni_alloc(2 * part + 1);

		uni_hex((const uint8_t *)record->data + at, part, hex);
		uni_strv_addf(strings, UNI_CONFIG_SMBIOS ":%s", hex);
	}
}

static int hand_over(struct cli *cli, struct run_target *target, const struct uni_buf *record,
		     struct uni_vm_spec *spec, struct uni_err *err)
{
	const char *how = cli_value(cli, "config-by");

	if (how != NULL && uni_str_eq(how, "smbios")) {
		record_strings(record, &target->oem_strings);
		spec->oem_strings = (const char *const *)target->oem_strings.items;
		return 0;
	}
	if (how != NULL && !uni_str_eq(how, "fw_cfg"))
		return uni_err_set(err, UNI_E_USAGE, "--config-by \"%s\" is not fw_cfg or smbios",
				   how);
	if (run_target_dir(target, err) != 0)
		return err->code;
	target->config_file = uni_path_join(target->dir, "config");
	spec->config = target->config_file;
	return uni_file_write(spec->config, record->data, record->size, 0600, err);
}

int run_runtime_config(struct cli *cli, struct run_target *target, struct uni_vm_spec *spec,
		       struct uni_err *err)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *config = uni_boot_config_new();
	UNI_AUTO_BUF struct uni_buf record = UNI_BUF_INIT;
	bool any = false;

	if (merge_env(cli, target, &config->env, &any, err) != 0 ||
	    add_files(cli, target, config, err) != 0 ||
	    (any && check_permitted(target, UNI_CONFIG_ENV, "environment", err) != 0) ||
	    (cli->arg_count > 1 && check_permitted(target, UNI_CONFIG_ARG, "arguments", err) != 0))
		return err->code;
	config->trace = cli_flag(cli, "trace") ? 1 : 0;
	any |= config->trace != 0 || config->file_count != 0;
	if (cli->arg_count > 1) {
		uni_strv_add(&config->args, target->argv0 != NULL ? target->argv0 : "program");
		any = true;
	}
	for (unsigned i = 1; i < cli->arg_count; i++)
		uni_strv_add(&config->args, cli->args[i]);
	if (!any)
		return 0;
	if (uni_boot_config_encode_runtime(config, &record, err) != 0)
		return err->code;
	return hand_over(cli, target, &record, spec, err);
}
