/*
 * The tree itself: nodes, their order, and going through them.
 */
#include "node.h"
#include <string.h>

int uni_tree_path_cmp(const char *a, const char *b)
{
	while (*a == *b && *a != '\0') {
		a++;
		b++;
	}
	int x = *a == '/' ? 1 : (unsigned char)*a + (*a != '\0');
	int y = *b == '/' ? 1 : (unsigned char)*b + (*b != '\0');
	return x - y;
}

uint32_t rule_dir_mode(const struct uni_tree_rules *rules)
{
	return rules->dir_mode != 0 ? rules->dir_mode & 07777 : 0755;
}

uint32_t rule_source_dir_mode(const struct uni_tree_rules *rules, uint32_t source_mode)
{
	return rules->keep_modes ? source_mode & 07777 : rule_dir_mode(rules);
}

uint32_t rule_file_mode(const struct uni_tree_rules *rules, uint32_t source_mode)
{
	if (rules->keep_modes)
		return source_mode & 07777;
	if (rules->file_mode != 0)
		return rules->file_mode & 07777;
	return source_mode & 0100 ? 0755 : 0644;
}

struct uni_tree *uni_tree_new(const struct uni_tree_rules *rules)
{
	struct uni_tree *tree = uni_alloc(sizeof(*tree));
	tree->rules = *rules;
	tree->root = uni_alloc(sizeof(*tree->root));
	*tree->root = (struct uni_tree_node){
		.name = uni_strdup("."),
		.type = UNI_ENTRY_DIR,
		.mode = (uint16_t)rule_dir_mode(rules),
		.mtime = rules->mtime,
	};
	tree->count = 1;
	return tree;
}

void node_clear(struct uni_tree_node *node)
{
	if (node->type == UNI_ENTRY_DIR) {
		children_clear(&node->children);
	} else if (node->type == UNI_ENTRY_SYMLINK) {
		free(node->target);
	} else {
		free(node->data);
	}
	free(node->name);
}

void uni_tree_free(struct uni_tree *tree)
{
	if (tree == NULL)
		return;
	node_clear(tree->root);
	free(tree->root);
	while (tree->sources != NULL) {
		struct source *source = tree->sources;
		tree->sources = source->next;
		uni_close_fd(&source->fd);
		free(source->path);
		free(source);
	}
	free(tree);
}

void uni_tree_find_secrets(struct uni_tree *tree)
{
	tree->finds_secrets = true;
}

uint64_t uni_tree_bytes(const struct uni_tree *tree)
{
	return tree->bytes;
}

struct source *source_add(struct uni_tree *tree, const char *path)
{
	struct source *source = uni_alloc(sizeof(*source));
	source->fd = -1;
	source->path = uni_strdup(path);
	source->next = tree->sources;
	tree->sources = source;
	return source;
}

static struct uni_tree_entry view(struct uni_tree_node *node, const char *path)
{
	return (struct uni_tree_entry){
		.meta = {
			.type = (enum uni_entry_type)node->type,
			.path = path,
			.target = node->type == UNI_ENTRY_SYMLINK ? node->target : NULL,
			.mode = node->mode,
			.mtime = node->mtime,
			.size = node->type == UNI_ENTRY_FILE ? node->size : 0,
		},
		.secret = (enum uni_secret)node->secret,
		.digest = node->known ? &node->digest : NULL,
		.source = node->source != NULL ? node->source->path : NULL,
		.node = node,
	};
}

struct each {
	int (*fn)(void *user, const struct uni_tree_entry *entry, struct uni_err *err);
	void *user;
	struct uni_err *err;
	char path[UNI_TREE_PATH_MAX + 1];
};

static int each_below(struct each *each, struct uni_tree_node *folder, size_t length)
{
	node_sort(&folder->children);
	for (uint32_t i = 0; i < folder->children.count; i++) {
		struct uni_tree_node *node = &folder->children.items[i];
		size_t name = strlen(node->name);
		memcpy(each->path + length, node->name, name + 1);
		struct uni_tree_entry entry = view(node, each->path);
		int rc = each->fn(each->user, &entry, each->err);
		if (rc != 0)
			return rc;
		if (node->type != UNI_ENTRY_DIR)
			continue;
		each->path[length + name] = '/';
		rc = each_below(each, node, length + name + 1);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int uni_tree_each(const struct uni_tree *tree,
		  int (*fn)(void *user, const struct uni_tree_entry *entry, struct uni_err *err),
		  void *user, struct uni_err *err)
{
	struct each each = { .fn = fn, .user = user, .err = err };
	struct uni_tree_entry root = view(tree->root, ".");
	int rc = fn(user, &root, err);
	return rc != 0 ? rc : each_below(&each, tree->root, 0);
}

int uni_tree_find(const struct uni_tree *tree, const char *path, struct uni_tree_entry *entry)
{
	struct uni_tree_node *node = tree->root;
	const char *at = uni_str_eq(path, ".") ? "" : path;
	while (*at != '\0') {
		size_t part = strcspn(at, "/");
		char *name UNI_AUTO_FREE = uni_strndup(at, part);
		uint32_t index;
		if (node->type != UNI_ENTRY_DIR || !node_find(&node->children, name, &index))
			return 0;
		node = &node->children.items[index];
		at += part;
		at += *at == '/';
	}
	*entry = view(node, path);
	return 1;
}
