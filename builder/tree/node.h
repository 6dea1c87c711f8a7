/*
 * Nodes of a tree, as this module's files share them. Children lie by value in their folder's
 * array, sorted by name, so a walk in order is a walk through memory. Those that are added out of
 * order, as archives have them, lie behind the sorted ones, known by a search tree, until the
 * folder is gone through: a place among the others would cost each of them a move.
 */
#ifndef UNI_TREE_NODE_H
#define UNI_TREE_NODE_H

#include <uni/tree/tree.h>

/* Where content comes from: a folder that was walked, or one file. */
struct source {
	struct source *next;
	int fd;	    /* of the folder; -1 for a file */
	char *path; /* of folder or file */
	size_t at;  /* bytes of tree paths that lead to the folder, with the slash */
};

struct children {
	struct uni_tree_node *items;
	uint32_t count;
	uint32_t room;
	struct late *late; /* NULL: all are sorted */
};

struct uni_tree_node {
	char *name;	/* "." of the root */
	uint8_t type;	/* enum uni_entry_type */
	bool known;	/* `digest` is */
	bool fresh;	/* it became so by reading, at hashed_at */
	uint8_t secret; /* enum uni_secret: what it was found to be */
	uint16_t mode;
	int64_t mtime;
	uint64_t size;
	union {
		struct children children;
		char *target;
		void *data; /* of a file without source */
	};
	const struct source *source;
	struct uni_filestat st; /* of a file with a source, or a folder being walked */
	int64_t hashed_at;
	struct uni_digest digest;
};

struct uni_tree {
	struct uni_tree_rules rules;
	struct uni_tree_node *root;
	struct source *sources;
	size_t count;
	uint64_t bytes;
	bool finds_secrets;
};

/* Position of `name` among the children. */
bool node_find(const struct children *children, const char *name, uint32_t *index);
/* Adds one whose name is not there, as the last. */
void node_append(struct children *children, const struct uni_tree_node *node);
/* Brings all of a folder's children into order. */
void node_sort(struct children *children);
void children_clear(struct children *children);
void node_clear(struct uni_tree_node *node);
/* Moves `node` over what stands at its place, or merges folders; it is consumed in any case. */
int node_put(struct uni_tree *tree, struct uni_tree_node *folder, struct uni_tree_node *node,
	     const char *path, struct uni_err *err);
uint32_t rule_dir_mode(const struct uni_tree_rules *rules);
uint32_t rule_source_dir_mode(const struct uni_tree_rules *rules, uint32_t source_mode);
uint32_t rule_file_mode(const struct uni_tree_rules *rules, uint32_t source_mode);
struct source *source_add(struct uni_tree *tree, const char *path);

/* The folder that `path` (normalised, not ".") is to be put into, made where missing; *name is its
 * last part. */
int tree_parent(struct uni_tree *tree, const char *path, struct uni_tree_node **folder,
		const char **name, struct uni_err *err);
/* Normalises a path in the tree; refuses what leads out, is too long or not UTF-8. */
int tree_path(const char *at, char **path, struct uni_err *err);

/* Walks `source` into `root`, a folder's node without children. */
int walk(struct uni_tree_node *root, const struct source *source,
	 const struct uni_tree_rules *rules, struct uni_err *err);

#endif
