/*
 * indexes.json: the indexes a user has, in their order; and whom each was trusted to be at first.
 */
#include "internal.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#define LIST_MAX (1u << 20)

void uni_index_list_free(struct uni_index_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].url);
	}
	free(list->items);
	*list = (struct uni_index_list){ .items = NULL };
}

char *index_state_dir(const char *name)
{
	char *state UNI_AUTO_FREE = uni_dir_state();
	char *all UNI_AUTO_FREE = uni_path_join(state, "index");
	return uni_path_join(all, name);
}

bool index_name_ok(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	return name[0] != '\0' && strlen(name) <= 64 && name[strspn(name, letters)] == '\0';
}

static char *list_file(void)
{
	char *config UNI_AUTO_FREE = uni_dir_config();
	return uni_path_join(config, "indexes.json");
}

static void list_put(struct uni_index_list *list, const char *name, const char *url,
		     const struct uni_digest *root)
{
	UNI_PUSH_ROOM(list->items, list->count, list->room);
	list->items[list->count++] = (struct uni_index_entry){
		.name = uni_strdup(name),
		.url = uni_strdup(url),
		.root = *root,
	};
}

/* Where there is nothing to tell by, all bytes are zero. */
static struct uni_digest embedded_root(void)
{
	struct uni_digest digest = { .bytes = { 0 } };
	struct uni_err ignored = UNI_ERR_INIT;
	char *dir UNI_AUTO_FREE = index_embedded_dir();
	char *file UNI_AUTO_FREE = dir != NULL ? uni_path_join(dir, INDEX_DIGESTS) : NULL;
	if (file != NULL)
		(void)uni_digest_file(file, NULL, &digest, &ignored);
	return digest;
}

static bool list_read(struct uni_index_list *list, const struct uni_json *one)
{
	const char *name = uni_json_text(uni_json_get(one, "name"));
	const char *url = uni_json_text(uni_json_get(one, "url"));
	const char *root = uni_json_text(uni_json_get(one, "root"));
	struct uni_digest digest;
	if (name == NULL || !index_name_ok(name) || url == NULL)
		return false;
	if (uni_str_eq(url, INDEX_EMBEDDED_URL))
		digest = embedded_root();
	else if (root == NULL || !uni_digest_parse(root, &digest))
		return false;
	list_put(list, name, url, &digest);
	return true;
}

int uni_index_list_load(struct uni_index_list *list, struct uni_err *err)
{
	char *file UNI_AUTO_FREE = list_file();
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_json *json UNI_AUTO(uni_json) = NULL;
	if (!uni_file_exists(file)) {
		struct uni_digest root = embedded_root();
		list_put(list, INDEX_EMBEDDED_NAME, INDEX_EMBEDDED_URL, &root);
		return 0;
	}
	int rc = uni_file_read(file, LIST_MAX, &text, err);
	if (rc == 0)
		rc = uni_json_parse(&json, file, uni_buf_text(&text), text.size, err);
	for (size_t i = 0; rc == 0 && i < uni_json_count(json); i++)
		if (!list_read(list, uni_json_item(json, i)))
			return uni_err_set(err, UNI_E_PARSE, "%s is damaged", file);
	return rc;
}

static int list_save(const struct uni_index_list *list, struct uni_err *err)
{
	char *file UNI_AUTO_FREE = list_file();
	char *dir UNI_AUTO_FREE = uni_path_dir(file);
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	uni_buf_puts(&out, "[");
	for (size_t i = 0; i < list->count; i++) {
		char digest[UNI_DIGEST_TEXT];
		uni_digest_text(&list->items[i].root, digest);
		uni_buf_printf(&out, "%s\n  {\"name\": \"%s\", \"url\": ", i != 0 ? "," : "",
			       list->items[i].name);
		uni_json_string(&out, list->items[i].url);
		/* The embedded one's goes with uni, not with the user. */
		if (!uni_str_eq(list->items[i].url, INDEX_EMBEDDED_URL))
			uni_buf_printf(&out, ", \"root\": \"%s\"", digest);
		uni_buf_putc(&out, '}');
	}
	uni_buf_puts(&out, "\n]\n");
	int rc = uni_dir_make(dir, 0755, err);
	return rc == 0 ? uni_file_write(file, out.data, out.size, 0644, err) : rc;
}

static int find(const struct uni_index_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (uni_str_eq(list->items[i].name, name))
			return (int)i;
	return -1;
}

static int first_root(const char *url, const char *root, const struct uni_net_options *net,
		      struct uni_buf *text, struct uni_err *err)
{
	struct uni_digest wanted, found;
	bool by_digest = root != NULL && uni_str_starts(root, "sha256:");
	struct uni_indexes_options options = { .net = net };
	struct transport *transport UNI_AUTO(transport) = NULL;
	if (root != NULL && !by_digest)
		return uni_file_read(root, UNI_TUF_ROOT_MAX, text, err);
	if (root == NULL && !uni_str_starts(url, "file://") &&
	    !uni_str_starts(url, "git+file://")) {
		uni_err_set(err, UNI_E_USAGE, "whom to trust at %s is not said", url);
		return uni_err_hint(err, "--root FILE or --root sha256:DIGEST, as its owner "
					 "publishes it");
	}
	if (by_digest && !uni_digest_parse(root, &wanted))
		return uni_err_set(err, UNI_E_USAGE, "\"%s\" is no digest", root);
	int rc = transport_open(&transport, url, NULL, &options, err);
	if (rc == 0)
		rc = transport_get(transport, "1.root.json", UNI_TUF_ROOT_MAX, NULL, text, err);
	if (rc != 0)
		return rc;
	found = uni_digest_of(uni_buf_text(text), text->size);
	if (by_digest && !uni_digest_eq(&found, &wanted))
		return uni_err_set(err, UNI_E_AUTH, "the root of %s has another digest", url);
	return 0;
}

/* A path becomes an address; no slash at the end. */
static char *normal_url(const char *url)
{
	char *path UNI_AUTO_FREE = NULL;
	size_t size = strlen(url);
	if (strstr(url, "://") == NULL && !uni_str_eq(url, INDEX_EMBEDDED_URL)) {
		path = uni_path_absolute(url);
		return uni_asprintf("file://%s", path);
	}
	while (size > 0 && url[size - 1] == '/')
		size--;
	return uni_strndup(url, size);
}

/* A fresh state, with the root that is trusted from now on. */
static int begin_trust(const char *name, const char *url, const char *root,
		       const struct uni_net_options *net, struct uni_digest *digest,
		       struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_tuf *tuf UNI_AUTO(uni_tuf) = NULL;
	char *state UNI_AUTO_FREE = index_state_dir(name);
	int rc = first_root(url, root, net, &text, err);
	if (rc == 0)
		rc = uni_dir_remove(state, err); /* of an earlier index of that name */
	struct uni_tuf_options options = { .state = state,
					   .root = uni_buf_text(&text),
					   .root_size = text.size };
	if (rc == 0)
		rc = uni_tuf_open(&tuf, &options, NULL, err);
	*digest = uni_digest_of(uni_buf_text(&text), text.size);
	return rc;
}

int uni_index_add(const char *name, const char *given, const char *root,
		  const struct uni_net_options *net, struct uni_err *err)
{
	struct uni_index_list list UNI_AUTO_INDEX_LIST = { .items = NULL };
	char *url UNI_AUTO_FREE = normal_url(given);
	bool embedded = uni_str_eq(url, INDEX_EMBEDDED_URL);
	struct uni_digest digest = embedded_root();
	int rc = uni_index_list_load(&list, err);
	if (rc != 0)
		return rc;
	if (!index_name_ok(name))
		return uni_err_set(err, UNI_E_USAGE,
				   "\"%s\" is no name for an index: lower-case letters, digits, "
				   "'-'",
				   name);
	if (find(&list, name) >= 0)
		return uni_err_set(err, UNI_E_EXIST, "there is an index %s already", name);
	if (embedded != uni_str_eq(name, INDEX_EMBEDDED_NAME))
		return uni_err_set(err, UNI_E_USAGE, "%s is the name of %s", INDEX_EMBEDDED_NAME,
				   INDEX_EMBEDDED_URL);
	if (!embedded && !transport_knows(url))
		return uni_err_set(err, UNI_E_USAGE,
				   "%s is neither https, http, git+https, git+ssh, git+file nor a "
				   "folder",
				   url);
	if (!embedded)
		rc = begin_trust(name, url, root, net, &digest, err);
	if (rc != 0)
		return rc;
	list_put(&list, name, url, &digest);
	return list_save(&list, err);
}

int uni_index_remove(const char *name, struct uni_err *err)
{
	struct uni_index_list list UNI_AUTO_INDEX_LIST = { .items = NULL };
	int rc = uni_index_list_load(&list, err);
	if (rc != 0)
		return rc;
	int at = find(&list, name);
	if (at < 0)
		return uni_err_set(err, UNI_E_NOENT, "there is no index %s", name);
	char *state UNI_AUTO_FREE = index_state_dir(name);
	free(list.items[at].name);
	free(list.items[at].url);
	list.count--;
	memmove(&list.items[at], &list.items[at + 1],
		(list.count - (size_t)at) * sizeof(*list.items));
	rc = list_save(&list, err);
	return rc == 0 ? uni_dir_remove(state, err) : rc;
}
