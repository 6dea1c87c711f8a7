/*
 * What a recipe says to the kernel.
 */
#include "internal.h"

#include <string.h>
#include <uni/fs/fs.h>
#include <uni/fs/live.h>

/*
 * Where programs look for CA certificates. Go's crypto/x509 (root_linux.go, root_bsd.go,
 * root_solaris.go), curl's configure, and OPENSSLDIR as Debian, Alpine, Red Hat, the BSDs and
 * upstream OpenSSL set it.
 */
const char *const uni_plan_ca_paths[] = {
	UNI_RECIPE_CA_PLACE,				     /* Debian, Alpine, Arch, Gentoo */
	"/boot/system/data/ssl/CARootCertificates.pem",	     /* Haiku, in Go's list */
	"/etc/certs/ca-certificates.crt",		     /* Solaris 11.2 */
	"/etc/openssl/certs/ca-certificates.crt",	     /* NetBSD */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Red Hat since 7 */
	"/etc/pki/tls/cacert.pem",			     /* OpenELEC */
	"/etc/pki/tls/cert.pem",			     /* Red Hat, OpenSSL's default there */
	"/etc/pki/tls/certs/ca-bundle.crt",		     /* Red Hat up to 6, and curl there */
	"/etc/ssl/ca-bundle.pem",			     /* openSUSE */
	"/etc/ssl/cacert.pem",				     /* OmniOS */
	"/etc/ssl/cert.pem",				     /* Alpine, OpenBSD, macOS */
	"/usr/lib/ssl/cert.pem",			     /* Debian, OpenSSL's default there */
	"/usr/local/etc/ssl/cert.pem",			     /* FreeBSD, from ports */
	"/usr/local/share/certs/ca-root-nss.crt",	     /* FreeBSD, DragonFly */
	"/usr/local/ssl/cert.pem",			     /* OpenSSL as it comes */
	"/usr/share/ssl/certs/ca-bundle.crt",		     /* old Red Hat, in curl's list */
	"/var/lib/ca-certificates/ca-bundle.pem",	     /* openSUSE's own */
	NULL,
};

char *uni_plan_program_path(const struct uni_recipe *recipe)
{
	return recipe->app.path != NULL
		       ? uni_strdup(recipe->app.path)
		       : uni_asprintf(UNI_RECIPE_PROGRAM_FOLDER "/%s", recipe->image.name);
}

static void add_texts(struct uni_strv *to, const struct uni_recipe_texts *from)
{
	for (size_t i = 0; i < from->count; i++)
		uni_strv_add(to, from->items[i].text);
}

static void add_limit(struct uni_boot_config *config, enum uni_config_limit_kind kind,
		      uint64_t value)
{
	if (value != 0)
		uni_boot_config_limit(config, kind, value);
}

/* Its content is none of the image's business: its identity follows from names. */
static void fill_live(const struct uni_recipe *recipe, const struct uni_recipe_volume *volume,
		      struct uni_config_mount *wire)
{
	const struct uni_uuid uuid = uni_live_uuid(recipe->image.name, volume->name);

	memcpy(wire->uuid, uuid.bytes, sizeof(wire->uuid));
	wire->flags = UNI_MOUNT_READ_ONLY | (volume->has_key ? (uint32_t)UNI_MOUNT_SIGNED : 0);
	wire->data_blocks = volume->least_generation;
	memcpy(wire->root_hash, volume->key, sizeof(wire->root_hash));
}

static void fill_writable(const struct uni_recipe *recipe, const struct uni_recipe_volume *volume,
			  struct uni_config_mount *wire)
{
	const struct uni_uuid uuid = uni_fs_writable_uuid(recipe->image.name, volume->name);
	const struct uni_uuid guid = uni_uuid_swap(&uuid);

	memcpy(wire->uuid, guid.bytes, sizeof(wire->uuid));
	wire->size = volume->size;
}

static void add_mounts(struct uni_boot_config *config, const struct uni_recipe *recipe)
{
	for (size_t i = 0; i < recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &recipe->volumes[i];
		struct uni_config_mount wire = { .fs = volume->format };

		if (volume->format == UNI_FS_TMPFS)
			wire.size = volume->size;
		else if (volume->format == UNI_FS_LIVE)
			fill_live(recipe, volume, &wire);
		else if (volume->writable)
			fill_writable(recipe, volume, &wire);
		else
			wire.flags = UNI_MOUNT_READ_ONLY |
				     (volume->verity ? (uint32_t)UNI_MOUNT_VERITY : 0);
		uni_boot_config_mount(config, volume->mount, &wire);
	}
}

struct uni_boot_config *uni_plan_boot_config(const struct uni_recipe *recipe)
{
	struct uni_boot_config *config = uni_boot_config_new();
	const struct uni_recipe_config *from = &recipe->config;

	uni_strv_add(&config->args, uni_recipe_argv0(recipe));
	add_texts(&config->args, &recipe->app.args);
	for (size_t i = 0; i < recipe->app.env_count; i++)
		uni_strv_addf(&config->env, "%s=%s", recipe->app.env[i].name,
			      recipe->app.env[i].value);
	config->program = uni_plan_program_path(recipe);
	config->cwd = uni_strdup(recipe->app.cwd);
	config->hostname = uni_strdup(from->hostname);
	add_texts(&config->hosts, &from->hosts);
	add_texts(&config->resolvers, &from->resolvers);
	add_texts(&config->networks, &from->networks);
	add_mounts(config, recipe);
	add_limit(config, UNI_LIMIT_OPEN_FILES, from->limit_open_files);
	add_limit(config, UNI_LIMIT_STACK, from->limit_stack);
	add_limit(config, UNI_LIMIT_MEMORY, from->limit_memory);
	for (size_t i = 0; i < recipe->secret_count; i++) {
		const struct uni_recipe_secret *secret = &recipe->secrets[i];

		(void)uni_boot_config_file(config, secret->name, secret->path, secret->mode,
					   UNI_FILE_SECRET |
						   (secret->required ? UNI_FILE_REQUIRED : 0u));
	}
	for (size_t i = 0; i < recipe->file_count; i++)
		if (recipe->files[i].runtime)
			(void)uni_boot_config_file(config, "", recipe->files[i].path,
						   recipe->files[i].mode, 0);
	add_texts(&config->time_servers, &from->time_servers);
	config->syslog = from->syslog != NULL ? uni_strdup(from->syslog) : NULL;
	config->on_exit = from->on_exit;
	config->on_fault = from->on_fault;
	config->epoch = recipe->image.epoch;
	config->log_level = from->log_level;
	config->jit = recipe->app.jit ? 1 : 0;
	config->user = recipe->app.user;
	config->group = recipe->app.group;
	config->grace_ms = from->grace_ms;
	for (size_t i = 0; i < from->runtime_count; i++)
		uni_boot_config_runtime(config, (enum uni_config_type)from->runtime[i]);
	return config;
}
