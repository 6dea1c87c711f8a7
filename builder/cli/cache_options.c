/*
 * Building a recipe as a command's options say. Which shared cache a build uses: an option, else
 * the environment, else the user's configuration and the system's, a file "cache" with the address
 * in its first line.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "build_options.h"
#include "keys.h"

#define ADDRESS_MAX 4096
#define SYSTEM_CONFIG "/etc/xdg/uni"

struct cli_cache {
	struct uni_build_cache cache;
	struct cli_signature signature;
	struct uni_buf address, text;
	struct uni_pem pem;
};
#define CLI_AUTO_CACHE __attribute__((cleanup(cache_free)))

static void cache_free(struct cli_cache *cache)
{
	cli_signature_free(&cache->signature);
	uni_buf_free(&cache->address);
	uni_buf_free(&cache->text);
}

static int configured(struct uni_buf *address, struct uni_err *err)
{
	UNI_AUTO_FREE char *own = uni_dir_config();
	const char *const folders[] = { own, SYSTEM_CONFIG };
	int rc = UNI_E_NOENT;

	for (size_t i = 0; rc == UNI_E_NOENT && i < UNI_COUNT(folders); i++) {
		UNI_AUTO_FREE char *path = uni_path_join(folders[i], "cache");

		uni_err_clear(err);
		rc = uni_file_read(path, ADDRESS_MAX, address, err);
	}
	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc == 0)
		address->data[strcspn(uni_buf_text(address), "\r\n")] = '\0';
	return rc;
}

/* What they name, if anything, into `how`. */
static int cache_options(const struct cli *cli, struct cli_cache *cache,
			 struct uni_build_options *how, struct uni_err *err)
{
	const char *verify = cli_value(cli, "cache-verify");
	int rc = 0;

	cache->cache.address = cli_value(cli, "cache");
	if (cache->cache.address == NULL)
		cache->cache.address = uni_env("UNI_REMOTE_CACHE");
	if (cache->cache.address == NULL) {
		rc = configured(&cache->address, err);
		cache->cache.address = cache->address.data;
	}
	if (rc != 0 || cache->cache.address == NULL || cache->cache.address[0] == '\0')
		return rc;
	if (verify != NULL) {
		rc = cli_public_load(verify, &cache->text, &cache->pem, err);
		cache->cache.verify = &cache->pem;
	}
	if (rc == 0)
		rc = cli_signature_open(cli, cli_value(cli, "cache-sign"), &cache->signature, err);
	if (cache->signature.key != NULL)
		cache->cache.signer = &cache->signature.how;
	how->cache = &cache->cache;
	return rc;
}

int cli_recipe_build(struct cli *cli, const struct uni_build_options *options,
		     struct uni_build_result *result, struct uni_diags *diags, struct uni_err *err)
{
	struct cli_cache cache CLI_AUTO_CACHE = { .address = UNI_BUF_INIT };
	struct uni_build_options how = *options;
	int rc;

	cli_recipe_options(cli, &how);
	rc = cache_options(cli, &cache, &how, err);
	return rc == 0 ? uni_build(&how, result, &cli->events, diags, err) : rc;
}
