/*
 * What a container image's configuration says besides what it starts, and what becomes of it in a
 * machine ("OCI Image Configuration", Properties; the health check is Docker's addition).
 */
#include <string.h>
#include <uni/base/path.h>
#include <uni/recipes/toml.h>

#include "container_internal.h"

#define ACCOUNTS_MAX (1u << 20) /* bytes of /etc/passwd or /etc/group */

const struct uni_json *looking_setting(const struct looking *l, const char *key)
{
	return uni_json_get(uni_json_get(l->config, "config"), key);
}

/* --- whom it runs as --- */

static char *read_accounts(const struct looking *l, const char *path)
{
	UNI_AUTO_FREE char *real = NULL;
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct uni_store_entry *entry = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_files_view_find(l->view, path, &real, &entry, &ignored) != 0 || entry == NULL ||
	    uni_store_blob_read(l->fetch->store, entry, ACCOUNTS_MAX, &text, &ignored) != 0)
		return uni_strdup("");
	return uni_strdup(uni_buf_text(&text));
}

/* The `wanted`th field of a line of passwd(5) or group(5), from 0; owned. */
static char *field_of(const char *line, size_t wanted)
{
	for (; wanted != 0; wanted--) {
		line += strcspn(line, ":\n");
		if (*line != ':')
			return uni_strdup("");
		line++;
	}
	return uni_strndup(line, strcspn(line, ":\n"));
}

/* The line whose field `by` is `text`, or NULL. */
static const char *find_account(const char *accounts, size_t by, const char *text)
{
	while (*accounts != '\0') {
		UNI_AUTO_FREE char *field = field_of(accounts, by);

		if (uni_str_eq(field, text))
			return accounts;
		accounts += strcspn(accounts, "\n");
		accounts += *accounts == '\n';
	}
	return NULL;
}

static bool parse_id(const char *text, uint32_t *id)
{
	uint64_t value;

	if (!uni_str_u64(text, &value) || value >= UINT32_MAX)
		return false;
	*id = (uint32_t)value;
	return true;
}

/* A name or a number into the number that stands in the field `number` of its line. */
static bool resolve_id(const char *accounts, const char *text, size_t number, uint32_t *id)
{
	UNI_AUTO_FREE char *field = NULL;
	const char *line;

	if (parse_id(text, id))
		return true;
	line = find_account(accounts, 0, text);
	field = line != NULL ? field_of(line, number) : NULL;
	return field != NULL && parse_id(field, id);
}

/* "NAME", "NUMBER", and either with ":GROUP"; without it the group is the account's own. */
static bool resolve_user(struct looking *l, const char *text)
{
	UNI_AUTO_FREE char *passwd = read_accounts(l, "etc/passwd");
	UNI_AUTO_FREE char *user = uni_strndup(text, strcspn(text, ":"));
	UNI_AUTO_FREE char *own = NULL;
	const char *line = find_account(passwd, 0, user);

	if (!resolve_id(passwd, user, 2, &l->user))
		return false;
	if (text[strlen(user)] == ':') {
		UNI_AUTO_FREE char *groups = read_accounts(l, "etc/group");

		return resolve_id(groups, text + strlen(user) + 1, 2, &l->group);
	}
	if (line == NULL)
		line = find_account(passwd, 2, user);
	own = line != NULL ? field_of(line, 3) : NULL;
	if (own == NULL || !parse_id(own, &l->group))
		l->group = 0;
	return true;
}

static void read_user(struct looking *l)
{
	const char *user = uni_json_text(looking_setting(l, "User"));

	if (user == NULL || *user == '\0' || resolve_user(l, user))
		return;
	l->user = l->group = 0;
	program_finding(l->look, UNI_PROGRAM_MAY,
			uni_asprintf("the image runs it as %s, whose number its /etc/passwd and "
				     "/etc/group do not say; the recipe runs it as user 0",
				     user),
			"user and group of [app] take numbers");
}

/* --- how it is stopped, and how it is asked for its health --- */

static void note_signal(struct looking *l)
{
	const char *signal = uni_json_text(looking_setting(l, "StopSignal"));

	if (signal == NULL || *signal == '\0' || uni_str_eq(signal, "SIGTERM") ||
	    uni_str_eq(signal, "15"))
		return;
	program_finding(
		l->look, UNI_PROGRAM_MAY,
		uni_asprintf("the image is stopped by %s; a machine is stopped by SIGTERM", signal),
		NULL);
}

/* The address that a check asks on its own machine, behind the host's name; NULL: none. */
static const char *find_address(const char *command)
{
	static const char *const hosts[] = { "http://localhost", "http://127.0.0.1",
					     "http://0.0.0.0" };

	for (size_t i = 0; i < UNI_COUNT(hosts); i++) {
		const char *at = strstr(command, hosts[i]);

		if (at != NULL && strchr(":/", at[strlen(hosts[i])]) != NULL)
			return at + strlen(hosts[i]);
	}
	return NULL;
}

static void put_health(struct looking *l, const char *address)
{
	UNI_AUTO_FREE char *digits = NULL, *path = NULL;
	uint64_t port = 80;

	if (*address == ':') {
		digits = uni_strndup(address + 1, strspn(address + 1, "0123456789"));
		address += 1 + strlen(digits);
		if (!uni_str_u64(digits, &port) || port == 0 || port > UINT16_MAX)
			return;
	}
	path = uni_strndup(address, *address == '/' ? strcspn(address, " \t\n\"'\\|&;<>()$`") : 0);
	uni_buf_printf(&l->tests,
		       "\n[[test]]\nname = \"healthy\"\n\n[[test.http]]\nport = %u\npath = ",
		       (unsigned)port);
	uni_toml_write_string(&l->tests, *path != '\0' ? path : "/");
	uni_buf_puts(&l->tests, "\n");
}

static void read_health(struct looking *l)
{
	const struct uni_json *test = uni_json_get(looking_setting(l, "Healthcheck"), "Test");
	UNI_AUTO_BUF struct uni_buf command = UNI_BUF_INIT;
	const char *kind = uni_json_text(uni_json_item(test, 0)), *address;

	if (kind == NULL || uni_str_eq(kind, "NONE"))
		return;
	for (size_t i = 1; i < uni_json_count(test); i++) {
		const char *word = uni_json_text(uni_json_item(test, i));

		uni_buf_printf(&command, "%s%s", i > 1 ? " " : "", word != NULL ? word : "");
	}
	address = find_address(uni_buf_text(&command));
	if (address != NULL) {
		put_health(l, address);
		return;
	}
	program_finding(l->look, UNI_PROGRAM_NOTE,
			uni_asprintf("the image asks for its health by a command (%s), of which a "
				     "machine has none",
				     uni_buf_text(&command)),
			"what the command asks belongs into a [[test]]");
}

/* --- ports, data --- */

static int add_port(void *user, const char *key, const struct uni_json *value, struct uni_err *err)
{
	struct looking *l = user;
	UNI_AUTO_FREE char *digits = uni_strndup(key, strspn(key, "0123456789"));
	const char *protocol = key + strlen(digits);
	uint64_t port;

	(void)value;
	(void)err;
	if (!uni_str_u64(digits, &port) || port == 0 || port > UINT16_MAX ||
	    !(*protocol == '\0' || uni_str_eq(protocol, "/tcp") || uni_str_eq(protocol, "/udp")))
		return 0;
	l->look->network = true;
	uni_buf_printf(&l->tests,
		       "\n# The image says that it listens on port %s: uni run RECIPE --port "
		       "%u:%u%s\n",
		       key, (unsigned)(port < 1024 ? port + 8000 : port), (unsigned)port,
		       uni_str_eq(protocol, "/udp") ? protocol : "");
	return 0;
}

static int add_data(void *user, const char *key, const struct uni_json *value, struct uni_err *err)
{
	struct looking *l = user;
	UNI_AUTO_FREE char *path = uni_path_normal(key);

	(void)value;
	(void)err;
	if (path[0] == '/' && path[1] != '\0' && !uni_strv_has(&l->data, path))
		uni_strv_add(&l->data, path);
	return 0;
}

int container_settings(struct looking *l, struct uni_err *err)
{
	int rc = uni_json_each(looking_setting(l, "ExposedPorts"), add_port, l, err);

	if (rc == 0)
		rc = uni_json_each(looking_setting(l, "Volumes"), add_data, l, err);
	uni_strv_sort(&l->data);
	read_user(l);
	note_signal(l);
	read_health(l);
	return rc;
}
