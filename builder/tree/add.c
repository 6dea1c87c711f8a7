/*
 * Adding to a tree, and laying one over another.
 */
#include "node.h"
#include <fcntl.h>
#include <string.h>
#include <uni/base/path.h>
#include <unistd.h>

int tree_path(const char *at, char **path, struct uni_err *err)
{
	while (*at == '/')
		at++;
	char *normal UNI_AUTO_FREE = uni_path_normal(at);
	size_t size = strlen(normal);
	if (!uni_path_inside(normal, "."))
		return uni_err_set(err, UNI_E_INVAL, "path \"%s\" leaves the tree", at);
	if (size > UNI_TREE_PATH_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "a path of %zu bytes is too long", size);
	if (!uni_utf8_valid(normal, size))
		return uni_err_set(err, UNI_E_INVAL, "path is not UTF-8");
	*path = normal;
	normal = NULL;
	return 0;
}

static int clash(const char *path, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_EXIST, "\"%s\" is a folder and something else at once", path);
}

static void weigh(const struct uni_tree_node *node, size_t *count, uint64_t *bytes)
{
	++*count;
	if (node->type == UNI_ENTRY_FILE)
		*bytes += node->size;
	if (node->type != UNI_ENTRY_DIR)
		return;
	for (uint32_t i = 0; i < node->children.count; i++)
		weigh(&node->children.items[i], count, bytes);
}

static int insert(struct uni_tree *tree, struct uni_tree_node *folder, struct uni_tree_node *node,
		  struct uni_err *err)
{
	size_t count = 0;
	weigh(node, &count, &tree->bytes);
	if (count > UNI_TREE_ENTRIES_MAX - tree->count) {
		node_clear(node);
		return uni_err_set(err, UNI_E_LIMIT, "more than %u entries in one tree",
				   UNI_TREE_ENTRIES_MAX);
	}
	node_append(&folder->children, node);
	tree->count += count;
	return 0;
}

/* Lays the children of one folder over another; `from` is used up. */
static int merge(struct uni_tree *tree, struct uni_tree_node *to, struct uni_tree_node *from,
		 const char *path, struct uni_err *err)
{
	node_sort(&from->children);
	struct children rest = from->children;
	from->children = (struct children){ .items = NULL };
	to->mode = from->mode;
	to->mtime = from->mtime;
	node_clear(from);
	int rc = 0;
	for (uint32_t i = 0; i < rest.count; i++) {
		if (rc != 0) {
			node_clear(&rest.items[i]);
			continue;
		}
		char *below UNI_AUTO_FREE = uni_path_join(path, rest.items[i].name);
		rc = node_put(tree, to, &rest.items[i], below, err);
	}
	free(rest.items);
	return rc;
}

int node_put(struct uni_tree *tree, struct uni_tree_node *folder, struct uni_tree_node *node,
	     const char *path, struct uni_err *err)
{
	uint32_t index;
	if (!node_find(&folder->children, node->name, &index))
		return insert(tree, folder, node, err);
	struct uni_tree_node *old = &folder->children.items[index];
	bool is_dir = node->type == UNI_ENTRY_DIR;
	if (is_dir != (old->type == UNI_ENTRY_DIR)) {
		node_clear(node);
		return clash(path, err);
	}
	if (is_dir)
		return merge(tree, old, node, path, err);
	tree->bytes -= old->type == UNI_ENTRY_FILE ? old->size : 0;
	tree->bytes += node->type == UNI_ENTRY_FILE ? node->size : 0;
	/* Its name is what it is known by. */
	free(node->name);
	node->name = old->name;
	old->name = NULL;
	node_clear(old);
	*old = *node;
	return 0;
}

static struct uni_tree_node make(const char *name, enum uni_entry_type type, uint32_t mode,
				 int64_t mtime)
{
	return (struct uni_tree_node){
		.name = uni_strdup(name),
		.type = (uint8_t)type,
		.mode = (uint16_t)mode,
		.mtime = mtime,
	};
}

int tree_parent(struct uni_tree *tree, const char *path, struct uni_tree_node **folder,
		const char **name, struct uni_err *err)
{
	struct uni_tree_node *node = tree->root;
	unsigned depth = 0;
	for (const char *at = path;;) {
		size_t part = strcspn(at, "/");
		char *part_name UNI_AUTO_FREE = uni_strndup(at, part);
		uint32_t index;
		if (part > 255 || ++depth > UNI_TREE_DEPTH_MAX)
			return uni_err_set(err, UNI_E_LIMIT, "\"%s\" is too long or too deep",
					   path);
		if (at[part] == '\0') {
			*folder = node;
			*name = at;
			return 0;
		}
		if (!node_find(&node->children, part_name, &index)) {
			struct uni_tree_node made =
				make(part_name, UNI_ENTRY_DIR, rule_dir_mode(&tree->rules),
				     tree->rules.mtime);
			int rc = insert(tree, node, &made, err);
			if (rc != 0)
				return rc;
			index = node->children.count - 1;
		}
		node = &node->children.items[index];
		if (node->type != UNI_ENTRY_DIR)
			return clash(path, err);
		at += part + 1;
	}
}

/* Puts a node whose name is not set yet at a path; it is consumed. */
static int put_at(struct uni_tree *tree, const char *at, struct uni_tree_node *node,
		  struct uni_err *err)
{
	char *path UNI_AUTO_FREE = NULL;
	struct uni_tree_node *folder;
	const char *name;
	int rc = tree_path(at, &path, err);
	if (rc == 0 && uni_str_eq(path, ".")) {
		if (node->type == UNI_ENTRY_DIR)
			return merge(tree, tree->root, node, path, err);
		rc = clash(path, err);
	}
	if (rc == 0)
		rc = tree_parent(tree, path, &folder, &name, err);
	if (rc != 0) {
		node_clear(node);
		return rc;
	}
	free(node->name);
	node->name = uni_strdup(name);
	return node_put(tree, folder, node, path, err);
}

int uni_tree_add_dir(struct uni_tree *tree, const char *at, const struct uni_tree_rules *rules,
		     struct uni_err *err)
{
	struct uni_tree_node node = make("", UNI_ENTRY_DIR, rule_dir_mode(rules), rules->mtime);
	return put_at(tree, at, &node, err);
}

int uni_tree_add_symlink(struct uni_tree *tree, const char *at, const char *target,
			 const struct uni_tree_rules *rules, struct uni_err *err)
{
	size_t size = strlen(target);
	if (size == 0 || size > UNI_TREE_PATH_MAX || !uni_utf8_valid(target, size))
		return uni_err_set(err, UNI_E_INVAL, "%s: no target for a link", at);
	struct uni_tree_node node = make("", UNI_ENTRY_SYMLINK, 0777, rules->mtime);
	node.target = uni_strdup(target);
	return put_at(tree, at, &node, err);
}

int uni_tree_add_data(struct uni_tree *tree, const char *at, const void *data, size_t size,
		      const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct uni_tree_node node =
		make("", UNI_ENTRY_FILE, rule_file_mode(rules, 0644), rules->mtime);
	node.data = uni_memdup(data, size);
	node.size = size;
	node.digest = uni_digest_of(data, size);
	node.known = true;
	return put_at(tree, at, &node, err);
}

int uni_tree_add_file(struct uni_tree *tree, const char *at, const char *path,
		      const struct uni_digest *known, const struct uni_tree_rules *rules,
		      struct uni_err *err)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return uni_err_errno(err, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s is not a regular file", path);
	struct uni_tree_node node =
		make("", UNI_ENTRY_FILE, rule_file_mode(rules, st.st_mode), rules->mtime);
	node.source = source_add(tree, path);
	node.st = uni_filestat_of(&st);
	node.size = node.st.size;
	node.known = known != NULL;
	if (known != NULL)
		node.digest = *known;
	return put_at(tree, at, &node, err);
}

int uni_tree_add_folder(struct uni_tree *tree, const char *at, const char *path,
			const struct uni_tree_rules *rules, struct uni_err *err)
{
	struct stat st;
	char *place UNI_AUTO_FREE = NULL;
	int rc = tree_path(at, &place, err);
	if (rc != 0)
		return rc;
	struct source *source = source_add(tree, path);
	source->at = uni_str_eq(place, ".") ? 0 : strlen(place) + 1;
	source->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source->fd < 0 || fstat(source->fd, &st) != 0)
		return uni_err_errno(err, "cannot open folder %s", path);
	struct uni_tree_node node =
		make("", UNI_ENTRY_DIR, rule_source_dir_mode(rules, st.st_mode), rules->mtime);
	node.source = source;
	node.st = uni_filestat_of(&st);
	rc = walk(&node, source, rules, err);
	if (rc != 0) {
		node_clear(&node);
		return rc;
	}
	return put_at(tree, at, &node, err);
}
