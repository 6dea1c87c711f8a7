/*
 * The boot configuration between plain fields and record. One table says which type goes with which
 * field, so that encoder, decoder and the JSON form cannot disagree.
 */
#include <uni/kernel/config.h>

#include <string.h>
#include <uni/base/digest.h>
#include <uni/base/json.h>

enum field_form { FORM_LIST, FORM_TEXT, FORM_U32 };

struct field {
	uint16_t type;
	enum field_form form;
	bool path; /* TEXT: must be absolute */
	size_t offset;
	const char *json;
	uint32_t absent; /* U32: the value that is not written */
};

#define FIELD(type_, form_, path_, member, absent_)                                                \
	{                                                                                          \
		.type = (type_), .form = (form_), .path = (path_),                                 \
		.offset = offsetof(struct uni_boot_config, member), .json = #member,               \
		.absent = (absent_)                                                                \
	}

enum { GRACE_DEFAULT = 10000, LOG_LEVEL_DEFAULT = 1 };

static const struct field fields[] = {
	FIELD(UNI_CONFIG_PROGRAM, FORM_TEXT, true, program, 0),
	FIELD(UNI_CONFIG_ARG, FORM_LIST, false, args, 0),
	FIELD(UNI_CONFIG_ENV, FORM_LIST, false, env, 0),
	FIELD(UNI_CONFIG_CWD, FORM_TEXT, true, cwd, 0),
	FIELD(UNI_CONFIG_HOSTNAME, FORM_TEXT, false, hostname, 0),
	FIELD(UNI_CONFIG_HOST, FORM_LIST, false, hosts, 0),
	FIELD(UNI_CONFIG_RESOLVER, FORM_LIST, false, resolvers, 0),
	FIELD(UNI_CONFIG_NETWORK, FORM_LIST, false, networks, 0),
	FIELD(UNI_CONFIG_TIME_SERVER, FORM_LIST, false, time_servers, 0),
	FIELD(UNI_CONFIG_SYSLOG, FORM_TEXT, false, syslog, 0),
	FIELD(UNI_CONFIG_ON_EXIT, FORM_U32, false, on_exit, UNI_ACTION_OFF),
	FIELD(UNI_CONFIG_ON_FAULT, FORM_U32, false, on_fault, UNI_ACTION_OFF),
	FIELD(UNI_CONFIG_LOG_LEVEL, FORM_U32, false, log_level, UINT32_MAX),
	FIELD(UNI_CONFIG_TRACE, FORM_U32, false, trace, 0),
	FIELD(UNI_CONFIG_JIT, FORM_U32, false, jit, 0),
	FIELD(UNI_CONFIG_USER, FORM_U32, false, user, 0),
	FIELD(UNI_CONFIG_GROUP, FORM_U32, false, group, 0),
	FIELD(UNI_CONFIG_GRACE, FORM_U32, false, grace_ms, UINT32_MAX),
};

static void *field_at(const struct field *f, struct uni_boot_config *config)
{
	return (char *)config + f->offset;
}

static const void *field_in(const struct field *f, const struct uni_boot_config *config)
{
	return (const char *)config + f->offset;
}

struct uni_boot_config *uni_boot_config_new(void)
{
	struct uni_boot_config *config = uni_alloc(sizeof(*config));

	config->grace_ms = GRACE_DEFAULT;
	config->log_level = LOG_LEVEL_DEFAULT;
	return config;
}

void uni_boot_config_free(struct uni_boot_config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < UNI_COUNT(fields); i++) {
		if (fields[i].form == FORM_LIST)
			uni_strv_free(field_at(&fields[i], config));
		else if (fields[i].form == FORM_TEXT)
			free(*(char **)field_at(&fields[i], config));
	}
	for (size_t i = 0; i < config->mount_count; i++)
		free(config->mounts[i].path);
	free(config->mounts);
	free(config->limits);
	free(config->runtime);
	for (size_t i = 0; i < config->file_count; i++) {
		free(config->files[i].name);
		free(config->files[i].path);
		uni_buf_free(&config->files[i].content);
	}
	free(config->files);
	free(config);
}

void uni_boot_config_mount(struct uni_boot_config *config, const char *path,
			   const struct uni_config_mount *wire)
{
	struct uni_boot_mount *mount;

	config->mounts =
		uni_realloc_array(config->mounts, config->mount_count + 1, sizeof(*config->mounts));
	mount = &config->mounts[config->mount_count++];
	mount->path = uni_strdup(path);
	mount->wire = *wire;
	mount->wire.path_size = (uint32_t)strlen(path);
}

void uni_boot_config_limit(struct uni_boot_config *config, enum uni_config_limit_kind kind,
			   uint64_t value)
{
	config->limits =
		uni_realloc_array(config->limits, config->limit_count + 1, sizeof(*config->limits));
	config->limits[config->limit_count++] =
		(struct uni_config_limit){ .kind = kind, .value = value };
}

struct uni_boot_file *uni_boot_config_file(struct uni_boot_config *config, const char *name,
					   const char *path, uint32_t mode, uint32_t flags)
{
	struct uni_boot_file *file;

	config->files =
		uni_realloc_array(config->files, config->file_count + 1, sizeof(*config->files));
	file = &config->files[config->file_count++];
	*file = (struct uni_boot_file){ .name = uni_strdup(name),
					.path = uni_strdup(path),
					.mode = mode,
					.flags = flags,
					.content = UNI_BUF_INIT };
	return file;
}

void uni_boot_config_runtime(struct uni_boot_config *config, enum uni_config_type type)
{
	config->runtime = uni_realloc_array(config->runtime, config->runtime_count + 1,
					    sizeof(*config->runtime));
	config->runtime[config->runtime_count++] = type;
}

/* --- encoding --- */

static void put_entry(struct uni_buf *record, uint16_t type, const void *data, size_t size)
{
	struct uni_config_entry e = { .type = type, .size = (uint32_t)size };

	uni_buf_add(record, &e, sizeof(e));
	uni_buf_add(record, data, size);
	uni_buf_pad(record, (record->size + 7) / 8 * 8);
}

static int put_text(struct uni_buf *record, const struct field *f, const char *text,
		    struct uni_err *err)
{
	size_t size = strlen(text);

	if (!uni_utf8_valid(text, size))
		return uni_err_set(err, UNI_E_INVAL, "boot configuration: %s: is not UTF-8",
				   f->json);
	if (f->path && text[0] != '/')
		return uni_err_set(err, UNI_E_INVAL,
				   "boot configuration: %s: \"%s\" is not an absolute path",
				   f->json, text);
	if (f->type == UNI_CONFIG_ENV && (strchr(text, '=') == NULL || text[0] == '='))
		return uni_err_set(err, UNI_E_INVAL,
				   "boot configuration: env: \"%s\" is not NAME=VALUE", text);
	if (size > UNI_CONFIG_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "boot configuration: %s: is too long",
				   f->json);
	put_entry(record, f->type, text, size);
	return 0;
}

static int put_field(struct uni_buf *record, const struct field *f,
		     const struct uni_boot_config *config, struct uni_err *err)
{
	const void *at = field_in(f, config);
	int rc = 0;

	if (f->form == FORM_LIST) {
		const struct uni_strv *list = at;

		for (size_t i = 0; rc == 0 && i < list->count; i++)
			rc = put_text(record, f, list->items[i], err);
	} else if (f->form == FORM_TEXT) {
		const char *text = *(char *const *)at;

		if (text != NULL)
			rc = put_text(record, f, text, err);
	} else {
		uint32_t value = *(const uint32_t *)at;

		if (value != f->absent)
			put_entry(record, f->type, &value, sizeof(value));
	}
	return rc;
}

static int put_mount(struct uni_buf *record, const struct uni_boot_mount *mount,
		     struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	struct uni_config_mount wire = mount->wire;

	if (mount->path[0] != '/' || !uni_utf8_valid(mount->path, strlen(mount->path)))
		return uni_err_set(err, UNI_E_INVAL,
				   "boot configuration: mount \"%s\" is not an absolute path",
				   mount->path);
	if (wire.salt_size > sizeof(wire.salt))
		return uni_err_set(err, UNI_E_INVAL,
				   "boot configuration: mount \"%s\": salt of %u "
				   "bytes",
				   mount->path, wire.salt_size);
	wire.path_size = (uint32_t)strlen(mount->path);
	uni_buf_add(&data, &wire, sizeof(wire));
	uni_buf_puts(&data, mount->path);
	put_entry(record, UNI_CONFIG_MOUNT, data.data, data.size);
	return 0;
}

static int put_file(struct uni_buf *record, const struct uni_boot_file *file, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf data = UNI_BUF_INIT;
	struct uni_config_file wire = { .flags = file->flags,
					.mode = file->mode,
					.name_size = (uint32_t)strlen(file->name),
					.path_size = (uint32_t)strlen(file->path) };

	if (file->path[0] != '/' || !uni_utf8_valid(file->path, strlen(file->path)))
		return uni_err_set(err, UNI_E_INVAL,
				   "boot configuration: file \"%s\" is not an absolute path",
				   file->path);
	if (file->content.size > UNI_CONFIG_MAX)
		return uni_err_set(err, UNI_E_LIMIT,
				   "boot configuration: file \"%s\" has more than %u bytes",
				   file->path, UNI_CONFIG_MAX);
	uni_buf_add(&data, &wire, sizeof(wire));
	uni_buf_puts(&data, file->name);
	uni_buf_puts(&data, file->path);
	uni_buf_add(&data, file->content.data, file->content.size);
	put_entry(record, UNI_CONFIG_FILE, data.data, data.size);
	return 0;
}

static int seal(struct uni_buf *record, struct uni_err *err)
{
	struct uni_config_header header = { .version = UNI_CONFIG_VERSION };

	if (record->size > UNI_CONFIG_MAX)
		return uni_err_set(err, UNI_E_LIMIT,
				   "boot configuration has %zu bytes, at most %u are possible",
				   record->size, UNI_CONFIG_MAX);
	memcpy(header.magic, UNI_CONFIG_MAGIC, sizeof(header.magic));
	header.size = (uint32_t)record->size;
	memcpy(record->data, &header, sizeof(header));
	header.crc32c = uni_crc32c(0, record->data, record->size);
	memcpy(record->data, &header, sizeof(header));
	return 0;
}

int uni_boot_config_encode(const struct uni_boot_config *config, struct uni_buf *record,
			   struct uni_err *err)
{
	int rc = 0;

	uni_buf_clear(record);
	uni_buf_pad(record, sizeof(struct uni_config_header));
	for (size_t i = 0; rc == 0 && i < UNI_COUNT(fields); i++)
		rc = put_field(record, &fields[i], config, err);
	for (size_t i = 0; rc == 0 && i < config->mount_count; i++)
		rc = put_mount(record, &config->mounts[i], err);
	for (size_t i = 0; rc == 0 && i < config->file_count; i++)
		rc = put_file(record, &config->files[i], err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < config->limit_count; i++)
		put_entry(record, UNI_CONFIG_LIMIT, &config->limits[i], sizeof(config->limits[i]));
	put_entry(record, UNI_CONFIG_EPOCH, &config->epoch, sizeof(config->epoch));
	if (config->runtime_count != 0)
		put_entry(record, UNI_CONFIG_RUNTIME, config->runtime,
			  config->runtime_count * sizeof(config->runtime[0]));
	return seal(record, err);
}

int uni_boot_config_encode_runtime(const struct uni_boot_config *config, struct uni_buf *record,
				   struct uni_err *err)
{
	int rc = 0;

	uni_buf_clear(record);
	uni_buf_pad(record, sizeof(struct uni_config_header));
	for (size_t i = 0; rc == 0 && i < UNI_COUNT(fields); i++)
		if (fields[i].form != FORM_U32 || fields[i].type == UNI_CONFIG_TRACE)
			rc = put_field(record, &fields[i], config, err);
	for (size_t i = 0; rc == 0 && i < config->file_count; i++)
		rc = put_file(record, &config->files[i], err);
	return rc != 0 ? rc : seal(record, err);
}

/* --- decoding --- */

static int bad_entry(const char *what, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_CORRUPT, "boot configuration: %s is damaged", what);
}

static bool text_sound(const char *text, size_t size)
{
	return memchr(text, '\0', size) == NULL && uni_utf8_valid(text, size);
}

static int take_field(struct uni_boot_config *config, const struct field *f,
		      const struct uni_config_entry *e, struct uni_err *err)
{
	const void *data = uni_config_data(e);
	void *at = field_at(f, config);

	if (f->form == FORM_U32) {
		if (e->size != sizeof(uint32_t))
			return bad_entry(f->json, err);
		memcpy(at, data, sizeof(uint32_t));
		return 0;
	}
	if (!text_sound(data, e->size))
		return bad_entry(f->json, err);
	if (f->form == FORM_LIST) {
		uni_strv_take(at, uni_strndup(data, e->size));
		return 0;
	}
	if (*(char **)at != NULL || (f->path && (e->size == 0 || *(const char *)data != '/')))
		return bad_entry(f->json, err);
	*(char **)at = uni_strndup(data, e->size);
	return 0;
}

static int take_mount(struct uni_boot_config *config, const struct uni_config_entry *e,
		      struct uni_err *err)
{
	const char *data = uni_config_data(e);
	struct uni_config_mount wire;
	UNI_AUTO_FREE char *path = NULL;

	if (e->size <= sizeof(wire))
		return bad_entry("a mount", err);
	memcpy(&wire, data, sizeof(wire));
	if (wire.path_size != e->size - sizeof(wire) || wire.salt_size > sizeof(wire.salt) ||
	    data[sizeof(wire)] != '/' || !text_sound(data + sizeof(wire), wire.path_size))
		return bad_entry("a mount", err);
	path = uni_strndup(data + sizeof(wire), wire.path_size);
	uni_boot_config_mount(config, path, &wire);
	return 0;
}

static int take_file(struct uni_boot_config *config, const struct uni_config_entry *e,
		     struct uni_err *err)
{
	const char *data = uni_config_data(e);
	UNI_AUTO_FREE char *name = NULL, *path = NULL;
	struct uni_config_file wire;
	struct uni_boot_file *file;
	size_t left = e->size;

	if (left < sizeof(wire))
		return bad_entry("a file", err);
	memcpy(&wire, data, sizeof(wire));
	left -= sizeof(wire);
	data += sizeof(wire);
	if (wire.name_size > left || wire.path_size > left - wire.name_size ||
	    wire.path_size == 0 || data[wire.name_size] != '/' ||
	    !text_sound(data, wire.name_size + wire.path_size))
		return bad_entry("a file", err);
	name = uni_strndup(data, wire.name_size);
	path = uni_strndup(data + wire.name_size, wire.path_size);
	file = uni_boot_config_file(config, name, path, wire.mode, wire.flags);
	uni_buf_add(&file->content, data + wire.name_size + wire.path_size,
		    left - wire.name_size - wire.path_size);
	return 0;
}

static int take_runtime(struct uni_boot_config *config, const struct uni_config_entry *e,
			struct uni_err *err)
{
	if (e->size == 0 || e->size % sizeof(uint32_t) != 0 || config->runtime != NULL)
		return bad_entry("runtime", err);
	config->runtime = uni_memdup(uni_config_data(e), e->size);
	config->runtime_count = e->size / sizeof(uint32_t);
	return 0;
}

static int take_entry(struct uni_boot_config *config, const struct uni_config_entry *e,
		      struct uni_err *err)
{
	struct uni_config_limit limit;

	for (size_t i = 0; i < UNI_COUNT(fields); i++)
		if (fields[i].type == e->type)
			return take_field(config, &fields[i], e, err);
	switch (e->type) {
	case UNI_CONFIG_MOUNT:
		return take_mount(config, e, err);
	case UNI_CONFIG_FILE:
		return take_file(config, e, err);
	case UNI_CONFIG_LIMIT:
		if (e->size != sizeof(limit))
			return bad_entry("a limit", err);
		memcpy(&limit, uni_config_data(e), sizeof(limit));
		uni_boot_config_limit(config, limit.kind, limit.value);
		return 0;
	case UNI_CONFIG_EPOCH:
		if (e->size != sizeof(config->epoch))
			return bad_entry("epoch", err);
		memcpy(&config->epoch, uni_config_data(e), sizeof(config->epoch));
		return 0;
	case UNI_CONFIG_RUNTIME:
		return take_runtime(config, e, err);
	default:
		if ((e->flags & UNI_CONFIG_OPTIONAL) != 0)
			return 0;
		return uni_err_set(err, UNI_E_UNSUPPORTED,
				   "boot configuration: entry of unknown type %u", e->type);
	}
}

int uni_boot_config_decode(struct uni_boot_config **out, const void *record, size_t size,
			   struct uni_err *err)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *config = NULL;
	const struct uni_config_entry *e = NULL;
	struct uni_config_header header;

	*out = NULL;
	if (size >= sizeof(header)) {
		memcpy(&header, record, sizeof(header));
		if (memcmp(header.magic, UNI_CONFIG_MAGIC, sizeof(header.magic)) == 0 &&
		    header.version != UNI_CONFIG_VERSION)
			return uni_err_set(err, UNI_E_UNSUPPORTED,
					   "boot configuration: version %u is not known",
					   header.version);
	}
	if (!uni_config_check(record, size))
		return uni_err_set(err, UNI_E_CORRUPT, "boot configuration: is damaged");
	config = uni_boot_config_new();
	while ((e = uni_config_next(record, e)) != NULL) {
		int rc = take_entry(config, e, err);

		if (rc != 0)
			return rc;
	}
	*out = config;
	config = NULL;
	return 0;
}

/* --- for people and programs --- */

/* A line of an object: comma, newline, indentation, name. */
static void json_key(struct uni_buf *out, unsigned indent, bool *first, const char *key)
{
	uni_buf_puts(out, *first ? "\n" : ",\n");
	*first = false;
	for (unsigned i = 0; i < indent; i++)
		uni_buf_putc(out, ' ');
	uni_buf_printf(out, "\"%s\": ", key);
}

static void json_list(struct uni_buf *out, const struct uni_strv *list)
{
	uni_buf_putc(out, '[');
	for (size_t i = 0; i < list->count; i++) {
		if (i != 0)
			uni_buf_puts(out, ", ");
		uni_json_string(out, list->items[i]);
	}
	uni_buf_putc(out, ']');
}

static const char *fs_name(uint32_t fs)
{
	static const char *const names[] = { "unknown", "squashfs", "ext4", "live", "tmpfs" };

	return fs < UNI_COUNT(names) ? names[fs] : names[0];
}

static void json_mount(struct uni_buf *out, const struct uni_boot_mount *mount)
{
	const struct uni_config_mount *w = &mount->wire;
	struct uni_uuid uuid;
	char hex[65];

	uni_buf_puts(out, "{\"path\": ");
	uni_json_string(out, mount->path);
	uni_buf_printf(out, ", \"filesystem\": \"%s\", \"read_only\": %s, \"size\": %llu",
		       fs_name(w->fs), (w->flags & UNI_MOUNT_READ_ONLY) != 0 ? "true" : "false",
		       (unsigned long long)w->size);
	memcpy(uuid.bytes, w->uuid, sizeof(uuid.bytes));
	uuid = uni_uuid_swap(&uuid);
	uni_uuid_text(&uuid, hex);
	uni_buf_printf(out, ", \"uuid\": \"%s\"", hex);
	if ((w->flags & UNI_MOUNT_VERITY) != 0) {
		uni_hex(w->root_hash, sizeof(w->root_hash), hex);
		uni_buf_printf(out,
			       ", \"data_blocks\": %llu, \"hash_offset\": %llu, \"root_hash\": "
			       "\"%s\"",
			       (unsigned long long)w->data_blocks,
			       (unsigned long long)w->hash_offset, hex);
		uni_hex(w->salt, w->salt_size, hex);
		uni_buf_printf(out, ", \"salt\": \"%s\"", hex);
	}
	uni_buf_putc(out, '}');
}

static const char *limit_name(uint32_t kind)
{
	static const char *const names[] = { "unknown", "open_files", "stack", "memory" };

	return kind < UNI_COUNT(names) ? names[kind] : names[0];
}

static void json_field(struct uni_buf *out, const struct field *f,
		       const struct uni_boot_config *config, unsigned indent, bool *first)
{
	const void *at = field_in(f, config);

	if (f->form == FORM_TEXT && *(char *const *)at == NULL)
		return;
	json_key(out, indent, first, f->json);
	if (f->form == FORM_LIST)
		json_list(out, at);
	else if (f->form == FORM_TEXT)
		uni_json_string(out, *(char *const *)at);
	else
		uni_buf_printf(out, "%u", *(const uint32_t *)at);
}

void uni_boot_config_json(const struct uni_boot_config *config, unsigned indent,
			  struct uni_buf *out)
{
	bool first = true;

	uni_buf_putc(out, '{');
	for (size_t i = 0; i < UNI_COUNT(fields); i++)
		json_field(out, &fields[i], config, indent + 2, &first);
	json_key(out, indent + 2, &first, "mounts");
	uni_buf_putc(out, '[');
	for (size_t i = 0; i < config->mount_count; i++) {
		uni_buf_printf(out, "%s\n%*s", i != 0 ? "," : "", (int)indent + 4, "");
		json_mount(out, &config->mounts[i]);
	}
	uni_buf_putc(out, ']');
	json_key(out, indent + 2, &first, "files");
	uni_buf_putc(out, '[');
	for (size_t i = 0; i < config->file_count; i++) {
		uni_buf_printf(out, "%s\n%*s{\"path\": ", i != 0 ? "," : "", (int)indent + 4, "");
		uni_json_string(out, config->files[i].path);
		uni_buf_puts(out, ", \"secret\": ");
		uni_json_string(out, (config->files[i].flags & UNI_FILE_SECRET) != 0
					     ? config->files[i].name
					     : NULL);
		uni_buf_printf(out, ", \"required\": %s}",
			       (config->files[i].flags & UNI_FILE_REQUIRED) != 0 ? "true"
										 : "false");
	}
	uni_buf_putc(out, ']');
	json_key(out, indent + 2, &first, "limits");
	uni_buf_putc(out, '{');
	for (size_t i = 0; i < config->limit_count; i++)
		uni_buf_printf(out, "%s\"%s\": %llu", i != 0 ? ", " : "",
			       limit_name(config->limits[i].kind),
			       (unsigned long long)config->limits[i].value);
	uni_buf_putc(out, '}');
	json_key(out, indent + 2, &first, "epoch");
	uni_buf_printf(out, "%lld", (long long)config->epoch);
	json_key(out, indent + 2, &first, "runtime");
	uni_buf_putc(out, '[');
	for (size_t i = 0; i < config->runtime_count; i++)
		uni_buf_printf(out, "%s%u", i != 0 ? ", " : "", config->runtime[i]);
	uni_buf_printf(out, "]\n%*s}", (int)indent, "");
}
