/*
 * Layers: whiteouts and opaque folders take from what lies below, wherever they stand in their own
 * layer; so a layer's entries are read first, then its whiteouts are applied, then the rest.
 */
#include "layers.h"

#include <string.h>
#include <uni/base/search.h>
#include <uni/base/system.h>

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh." /* of aufs's own; nothing of the image */
#define LINKS_MAX 40	/* followed for one path, as Linux has it */
#define NODES_MAX 400000u
#define CHANGES_MAX NODES_MAX

struct node {
	char *name;
	enum uni_entry_type type;
	uint32_t mode;
	char *target;
	struct uni_store_entry blob;	/* of a file */
	struct uni_store_entry *loaded; /* of a file of a set that was loaded */
	struct node *parent;
	unsigned depth;
	struct node **items; /* of a folder, sorted by name */
	size_t count, room;
};

/* An entry of a layer, as it was read. */
struct change {
	char *path, *target;
	enum uni_entry_type type;
	uint32_t mode;
	struct uni_store_entry blob;
};

struct layers {
	struct uni_store *store;
	struct node *root;
	size_t nodes, left_out;
};

/* --- nodes --- */

static void node_free(struct layers *l, struct node *node)
{
	for (size_t i = 0; i < node->count; i++)
		node_free(l, node->items[i]);
	free(node->items);
	free(node->name);
	free(node->target);
	free(node);
	l->nodes--;
}

/* A name in a folder: where it stands among the others, or belongs. */
struct spot {
	struct node *folder;
	const char *name;
	size_t size, at;
};

static int order(const struct node *node, const struct spot *spot)
{
	int front = strncmp(node->name, spot->name, spot->size);

	return front != 0 ? front : node->name[spot->size] != '\0';
}

/* What has that name, NULL: nothing. */
static struct node *find(struct spot *spot)
{
	const struct node *folder = spot->folder;

	UNI_LOWER_BOUND(spot->at, 0, folder->count, order(folder->items[spot->at], spot) < 0);
	return spot->at < folder->count && order(folder->items[spot->at], spot) == 0
		       ? folder->items[spot->at]
		       : NULL;
}

static void drop(struct layers *l, struct node *folder, size_t place)
{
	node_free(l, folder->items[place]);
	folder->count--;
	memmove(folder->items + place, folder->items + place + 1,
		(folder->count - place) * sizeof(struct node *));
}

/* At a spot where nothing was found. */
static int make(struct layers *l, const struct spot *spot, enum uni_entry_type type,
		struct node **made, struct uni_err *err)
{
	struct node *folder = spot->folder, *node;

	if (l->nodes == NODES_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %u files and folders", NODES_MAX);
	if (folder->depth == UNI_TREE_DEPTH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "folders more than %d deep",
				   UNI_TREE_DEPTH_MAX);
	node = uni_alloc(sizeof(*node));
	node->name = uni_strndup(spot->name, spot->size);
	node->type = type;
	node->mode = 0755;
	node->parent = folder;
	node->depth = folder->depth + 1;
	UNI_PUSH_ROOM(folder->items, folder->count, folder->room);
	memmove(folder->items + spot->at + 1, folder->items + spot->at,
		(folder->count - spot->at) * sizeof(struct node *));
	folder->items[spot->at] = node;
	folder->count++;
	l->nodes++;
	*made = node;
	return 0;
}

/* --- paths --- */

/* Walks down a path through folders and links, from `at`; an absolute one from the root. What is
 * missing is made as folders with `create`, else `*found` is NULL. */
static int walk(struct layers *l, struct node *at, const char *path, bool create, unsigned *links,
		struct node **found, struct uni_err *err)
{
	int rc = 0;

	if (*path == '/')
		at = l->root;
	while (rc == 0 && at != NULL && *(path += strspn(path, "/")) != '\0') {
		struct spot spot = { .folder = at, .name = path, .size = strcspn(path, "/") };
		struct node *next;

		path += spot.size;
		if (spot.size == 1 && spot.name[0] == '.')
			continue;
		if (spot.size == 2 && spot.name[0] == '.' && spot.name[1] == '.') {
			at = at->parent != NULL ? at->parent : at;
			continue;
		}
		if (at->type != UNI_ENTRY_DIR) {
			at = NULL;
		} else if ((next = find(&spot)) != NULL) {
			if (next->type != UNI_ENTRY_SYMLINK) {
				at = next;
				continue;
			}
			if (++*links > LINKS_MAX)
				return uni_err_set(err, UNI_E_INVAL, "%s: a loop of links",
						   next->name);
			rc = walk(l, at, next->target, create, links, &at, err);
		} else if (create) {
			rc = make(l, &spot, UNI_ENTRY_DIR, &at, err);
		} else {
			at = NULL;
		}
	}
	*found = at;
	return rc;
}

/* The folder in which a layer's path lies (NULL where it is not there), and the path's last part.
 */
static int parent_of(struct layers *l, const char *path, bool create, struct spot *spot,
		     struct uni_err *err)
{
	const char *slash = strrchr(path, '/');
	char *above UNI_AUTO_FREE =
		slash != NULL ? uni_strndup(path, (size_t)(slash - path)) : uni_strdup("");
	unsigned links = 0;
	int rc = walk(l, l->root, above, create, &links, &spot->folder, err);

	spot->name = slash != NULL ? slash + 1 : path;
	spot->size = strlen(spot->name);
	if (rc == 0 && create && (spot->folder == NULL || spot->folder->type != UNI_ENTRY_DIR))
		rc = uni_err_set(err, UNI_E_CORRUPT, "%s: lies in something that is no folder",
				 path);
	return rc;
}

/* --- a layer --- */

static void changes_free(struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(changes[i].path);
		free(changes[i].target);
	}
	free(changes);
}

static int whiteout(struct layers *l, const char *path, struct uni_err *err)
{
	struct spot spot;
	int rc = parent_of(l, path, false, &spot, err);

	if (rc != 0 || spot.folder == NULL || spot.folder->type != UNI_ENTRY_DIR)
		return rc;
	if (uni_str_eq(spot.name, OPAQUE)) {
		while (spot.folder->count != 0)
			drop(l, spot.folder, spot.folder->count - 1);
		return 0;
	}
	if (uni_str_starts(spot.name, AUFS))
		return 0;
	spot.name += strlen(WHITEOUT);
	spot.size -= strlen(WHITEOUT);
	if (find(&spot) != NULL)
		drop(l, spot.folder, spot.at);
	return 0;
}

/* A hard link: the file that it names has to be there. */
static int link_blob(struct layers *l, const struct change *change, struct node *node,
		     struct uni_err *err)
{
	const struct node *first;
	struct spot spot;
	int rc = parent_of(l, change->target, false, &spot, err);

	if (rc != 0)
		return rc;
	first = spot.folder != NULL ? find(&spot) : NULL;
	if (first == NULL || first == node || first->type == UNI_ENTRY_DIR)
		return uni_err_set(err, UNI_E_CORRUPT, "%s is a link to %s, which is no file",
				   change->path, change->target);
	node->type = first->type;
	node->mode = first->mode;
	node->blob = first->blob;
	if (node->type == UNI_ENTRY_SYMLINK)
		node->target = uni_strdup(first->target);
	return 0;
}

static int apply(struct layers *l, struct change *change, struct uni_err *err)
{
	struct spot spot;
	struct node *node;
	int rc;

	if (uni_str_eq(change->path, ".")) {
		l->root->mode = change->mode;
		return 0;
	}
	rc = parent_of(l, change->path, true, &spot, err);
	if (rc != 0)
		return rc;
	node = find(&spot);
	if (node != NULL) {
		if (change->type == UNI_ENTRY_DIR && node->type == UNI_ENTRY_DIR) {
			node->mode = change->mode;
			return 0;
		}
		if (change->type == UNI_ENTRY_HARDLINK && uni_str_eq(change->path, change->target))
			return 0;
		drop(l, spot.folder, spot.at);
	}
	rc = make(l, &spot, change->type, &node, err);
	if (rc != 0)
		return rc;
	node->mode = change->mode;
	if (change->type == UNI_ENTRY_HARDLINK)
		return link_blob(l, change, node, err);
	node->blob = change->blob;
	node->target = change->target;
	change->target = NULL;
	return 0;
}

static bool is_whiteout(const char *path)
{
	const char *slash = strrchr(path, '/');

	return uni_str_starts(slash != NULL ? slash + 1 : path, WHITEOUT);
}

static int apply_all(struct layers *l, struct change *changes, size_t count, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		if (is_whiteout(changes[i].path))
			rc = whiteout(l, changes[i].path, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (!is_whiteout(changes[i].path))
			rc = apply(l, &changes[i], err);
	return rc;
}

int layers_add(struct layers *l, struct uni_tar_reader *tar, struct uni_err *err)
{
	struct change *changes = NULL;
	size_t count = 0, room = 0;
	const struct uni_entry *entry;
	int rc;

	while ((rc = uni_tar_reader_next(tar, &entry, err)) == 1) {
		if (entry->type == UNI_ENTRY_CHAR || entry->type == UNI_ENTRY_BLOCK ||
		    entry->type == UNI_ENTRY_FIFO) {
			l->left_out++;
			continue;
		}
		if (count == CHANGES_MAX) {
			rc = uni_err_set(err, UNI_E_LIMIT, "a layer of more than %u entries",
					 CHANGES_MAX);
			break;
		}
		UNI_PUSH_ROOM(changes, count, room);
		changes[count] = (struct change){
			.path = uni_strdup(entry->path),
			.target = entry->target != NULL ? uni_strdup(entry->target) : NULL,
			.type = entry->type,
			.mode = entry->mode,
		};
		rc = entry->type == UNI_ENTRY_FILE && !is_whiteout(entry->path)
			     ? uni_files_receive(l->store, tar, entry, &changes[count].blob, err)
			     : 0;
		count++;
		if (rc == 0)
			rc = uni_check_cancel(err);
		if (rc != 0)
			break;
	}
	if (rc == 0)
		rc = apply_all(l, changes, count, err);
	changes_free(changes, count);
	return rc;
}

/* --- the whole --- */

struct layers *layers_new(struct uni_store *store)
{
	struct layers *l = uni_alloc(sizeof(*l));

	l->store = store;
	l->root = uni_alloc(sizeof(*l->root));
	l->root->name = uni_strdup(".");
	l->root->type = UNI_ENTRY_DIR;
	l->root->mode = 0755;
	l->nodes = 1;
	return l;
}

void layers_free(struct layers *layers)
{
	if (layers == NULL)
		return;
	node_free(layers, layers->root);
	free(layers);
}

size_t layers_left_out(const struct layers *layers)
{
	return layers->left_out;
}

static char *path_of(const struct node *node)
{
	char *above UNI_AUTO_FREE = NULL;

	if (node->parent == NULL)
		return uni_strdup(".");
	if (node->parent->parent == NULL)
		return uni_strdup(node->name);
	above = path_of(node->parent);
	return uni_asprintf("%s/%s", above, node->name);
}

static int put_node(const struct node *node, const char *path, struct uni_files *files,
		    struct uni_err *err)
{
	int rc;

	if (strlen(path) > UNI_TREE_PATH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a path of %zu bytes is too long",
				   strlen(path));
	if (node->type == UNI_ENTRY_FILE)
		return uni_files_add(files, path, node->mode, &node->blob, err);
	if (node->type == UNI_ENTRY_SYMLINK)
		return uni_files_add_link(files, path, node->target, err);
	rc = uni_files_add_dir(files, path, node->mode, err);
	for (size_t i = 0; rc == 0 && i < node->count; i++) {
		char *below UNI_AUTO_FREE =
			node->parent == NULL ? uni_strdup(node->items[i]->name)
					     : uni_asprintf("%s/%s", path, node->items[i]->name);

		rc = put_node(node->items[i], below, files, err);
	}
	return rc;
}

int layers_files(const struct layers *layers, struct uni_files *files, struct uni_err *err)
{
	return put_node(layers->root, ".", files, err);
}

static int load_item(void *user, const struct uni_files_item *item, struct uni_err *err)
{
	struct layers *l = user;
	struct spot spot;
	struct node *node;
	int rc;

	if (uni_str_eq(item->path, "."))
		return 0;
	rc = parent_of(l, item->path, true, &spot, err);
	if (rc != 0 || find(&spot) != NULL)
		return rc;
	rc = make(l, &spot, item->type, &node, err);
	if (rc != 0)
		return rc;
	node->loaded = item->entry;
	node->target = item->target != NULL ? uni_strdup(item->target) : NULL;
	return 0;
}

/* --- looking around in a set --- */

struct uni_files_view {
	struct layers *layers;
};

int uni_files_view_new(struct uni_files_view **view, struct uni_store_record *record,
		       struct uni_err *err)
{
	struct uni_files_view *made UNI_AUTO(uni_files_view) = uni_alloc(sizeof(*made));
	int rc;

	made->layers = layers_new(NULL);
	rc = uni_files_each(record, load_item, made->layers, err);
	if (rc != 0)
		return rc;
	*view = made;
	made = NULL;
	return 0;
}

void uni_files_view_free(struct uni_files_view *view)
{
	if (view == NULL)
		return;
	layers_free(view->layers);
	free(view);
}

static int find_node(const struct uni_files_view *view, const char *path, struct node **found,
		     struct uni_err *err)
{
	unsigned links = 0;
	int rc = walk(view->layers, view->layers->root, path, false, &links, found, err);

	if (rc == 0 && *found == NULL)
		rc = uni_err_set(err, UNI_E_NOENT, "the image has no %s", path);
	return rc;
}

int uni_files_view_find(const struct uni_files_view *view, const char *path, char **real,
			struct uni_store_entry **entry, struct uni_err *err)
{
	struct node *found = NULL;
	int rc = find_node(view, path, &found, err);

	if (rc != 0)
		return rc;
	*real = path_of(found);
	*entry = found->loaded;
	return 0;
}

int uni_files_view_list(const struct uni_files_view *view, const char *path,
			int (*fn)(void *user, const struct uni_files_item *item,
				  struct uni_err *err),
			void *user, struct uni_err *err)
{
	struct node *folder = NULL;
	int rc = find_node(view, path, &folder, err);

	for (size_t i = 0; rc == 0 && i < folder->count; i++) {
		const struct node *node = folder->items[i];
		const struct uni_files_item item = { .type = node->type,
						     .path = node->name,
						     .mode = node->mode,
						     .target = node->target,
						     .entry = node->loaded,
						     .count = node->count };

		rc = fn(user, &item, err);
	}
	return rc;
}
