/*
 * The folder with the user's keys.
 */
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/trust/key.h>

#define FILE_MAX 16384
#define ARGS_MAX 64

char *uni_keys_dir(void)
{
	const char *named = uni_env("UNI_KEYS");
	if (named != NULL)
		return uni_path_absolute(named);
	char *config UNI_AUTO_FREE = uni_dir_config();
	return uni_path_join(config, "keys");
}

static int check_name(const char *name, struct uni_err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	if (name[0] == '\0' || strlen(name) > 64 || name[strspn(name, letters)] != '\0')
		return uni_err_set(err, UNI_E_INVAL,
				   "\"%s\" is no name for a key: up to 64 lower-case letters, "
				   "digits, '-' and '_'",
				   name);
	return 0;
}

static char *file_of(const char *dir, const char *name, const char *suffix)
{
	char *file UNI_AUTO_FREE = uni_asprintf("%s%s", name, suffix);
	return uni_path_join(dir, file);
}

static int prepare(const char *dir, const char *name, struct uni_err *err)
{
	int rc = check_name(name, err);
	if (rc == 0)
		rc = uni_dir_make(dir, 0700, err);
	char *public UNI_AUTO_FREE = file_of(dir, name, ".pub");
	if (rc == 0 && uni_file_exists(public))
		rc = uni_err_set(err, UNI_E_EXIST, "there is a key %s already", name);
	return rc;
}

static int write_public(const char *dir, const char *name, const struct uni_public_key *key,
			struct uni_err *err)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = file_of(dir, name, ".pub");
	uni_public_key_json(key, &json);
	uni_buf_putc(&json, '\n');
	return uni_file_write(path, json.data, json.size, 0644, err);
}

int uni_keys_add(const char *dir, const char *name, const struct uni_signer *signer,
		 const char *passphrase, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = file_of(dir, name, ".pem");
	int rc = prepare(dir, name, err);
	if (rc == 0)
		rc = uni_signer_save(signer, path, passphrase, err);
	return rc == 0 ? write_public(dir, name, uni_signer_public(signer), err) : rc;
}

int uni_keys_add_command(const char *dir, const char *name, const struct uni_public_key *key,
			 const char *const *argv, struct uni_err *err)
{
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	char *path UNI_AUTO_FREE = file_of(dir, name, ".json");
	char hex[65];
	int rc = prepare(dir, name, err);
	if (rc != 0)
		return rc;
	uni_hex(key->bytes, sizeof(key->bytes), hex);
	uni_buf_printf(&json, "{\"public\": \"%s\", \"command\": [", hex);
	for (size_t i = 0; argv[i] != NULL; i++) {
		uni_buf_puts(&json, i != 0 ? ", " : "");
		uni_json_string(&json, argv[i]);
	}
	uni_buf_puts(&json, "]}\n");
	rc = uni_file_write(path, json.data, json.size, 0600, err);
	return rc == 0 ? write_public(dir, name, key, err) : rc;
}

static int read_json(const char *path, struct uni_json **json, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_file_read(path, FILE_MAX, &text, err);
	return rc != 0 ? rc : uni_json_parse(json, path, uni_buf_text(&text), text.size, err);
}

static int load_command(const char *path, struct uni_signer **signer, struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	const char *argv[ARGS_MAX + 1] = { NULL };
	struct uni_public_key key;
	int rc = read_json(path, &json, err);
	if (rc != 0)
		return rc;
	const struct uni_json *command = uni_json_get(json, "command");
	const char *hex = uni_json_text(uni_json_get(json, "public"));
	size_t count = uni_json_count(command);
	for (size_t i = 0; i < count && i < ARGS_MAX; i++)
		argv[i] = uni_json_text(uni_json_item(command, i));
	if (hex == NULL || !uni_unhex(hex, key.bytes, sizeof(key.bytes)) || argv[0] == NULL ||
	    count > ARGS_MAX)
		return uni_err_set(err, UNI_E_PARSE, "%s names no key and command", path);
	*signer = uni_signer_command(&key, argv);
	return 0;
}

int uni_keys_load(const char *dir, const char *name, const char *passphrase,
		  struct uni_signer **signer, struct uni_err *err)
{
	char *pem UNI_AUTO_FREE = file_of(dir, name, ".pem");
	char *command UNI_AUTO_FREE = file_of(dir, name, ".json");
	int rc = check_name(name, err);
	if (rc != 0)
		return rc;
	if (uni_file_exists(command))
		return load_command(command, signer, err);
	if (!uni_file_exists(pem)) {
		uni_err_set(err, UNI_E_NOENT, "there is no key %s in %s", name, dir);
		return uni_err_hint(err, "\"uni key new %s\" makes one", name);
	}
	return uni_signer_load(signer, pem, passphrase, err);
}

int uni_keys_public(const char *dir, const char *name, struct uni_public_key *key,
		    struct uni_err *err)
{
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	char *path UNI_AUTO_FREE = file_of(dir, name, ".pub");
	int rc = check_name(name, err);
	if (rc == 0)
		rc = read_json(path, &json, err);
	if (rc != 0)
		return rc;
	const char *hex = uni_json_text(uni_json_get(uni_json_get(json, "keyval"), "public"));
	if (hex == NULL || !uni_unhex(hex, key->bytes, sizeof(key->bytes)))
		return uni_err_set(err, UNI_E_PARSE, "%s holds no public key", path);
	return 0;
}

int uni_keys_list(const char *dir, struct uni_strv *names, struct uni_err *err)
{
	struct uni_strv files UNI_AUTO_STRV = { .items = NULL };
	if (!uni_file_exists(dir))
		return 0;
	int rc = uni_dir_list(dir, &files, err);
	for (size_t i = 0; rc == 0 && i < files.count; i++)
		if (uni_str_ends(files.items[i], ".pub"))
			uni_strv_take(names,
				      uni_strndup(files.items[i], strlen(files.items[i]) - 4));
	return rc;
}
