/*
 * The digest of a tree: what is known from the cache is looked up in order, the rest is read in
 * parallel, and then all entries are hashed in order.
 */
#include "node.h"
#include <string.h>
#include <uni/base/pool.h>

#define GATHER (64u << 10)

struct unknown {
	struct uni_tree_node *node;
	char *path;
};

struct lookup {
	struct uni_statscope *scope;
	struct unknown *items;
	size_t count, room;
	const struct uni_tree *tree;
};

static int look_up(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	(void)err;
	struct lookup *lookup = user;
	struct uni_tree_node *node = entry->node;
	if (node->type != UNI_ENTRY_FILE || node->known)
		return 0;
	node->known = lookup->scope != NULL &&
		      uni_statscope_find(lookup->scope, entry->meta.path, &node->st, &node->digest);
	if (node->known)
		return 0;
	UNI_PUSH_ROOM(lookup->items, lookup->count, lookup->room);
	lookup->items[lookup->count++] =
		(struct unknown){ .node = node, .path = uni_strdup(entry->meta.path) };
	return 0;
}

static int hash_one(void *user, size_t index, struct uni_err *err)
{
	const struct lookup *lookup = user;
	const struct unknown *item = &lookup->items[index];
	struct uni_tree_entry entry = { .meta = { .path = item->path }, .node = item->node };
	return uni_tree_content(lookup->tree, &entry, NULL, NULL, err);
}

static void lookup_free(struct lookup *lookup)
{
	for (size_t i = 0; i < lookup->count; i++)
		free(lookup->items[i].path);
	free(lookup->items);
}

static int note(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	(void)err;
	struct uni_tree_node *node = entry->node;
	if (node->fresh)
		uni_statscope_note(user, entry->meta.path, &node->st, node->hashed_at,
				   &node->digest);
	return 0;
}

void uni_tree_note(const struct uni_tree *tree, struct uni_statscope *scope)
{
	struct uni_err err = UNI_ERR_INIT;
	(void)uni_tree_each(tree, note, scope, &err);
}

/* Entries are gathered before they are hashed: many small additions cost more than the hash. */
struct summing {
	struct uni_hash hash;
	struct uni_buf gathered;
};

static void sum_number(struct uni_buf *buf, uint64_t value)
{
	char wire[8];
	for (unsigned i = 0; i < sizeof(wire); i++)
		wire[i] = (char)(value >> (8 * i));
	uni_buf_add(buf, wire, sizeof(wire));
}

static void sum_text(struct uni_buf *buf, const char *text)
{
	size_t size = strlen(text);
	sum_number(buf, size);
	uni_buf_add(buf, text, size);
}

static int sum_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	(void)err;
	struct summing *sum = user;
	const struct uni_entry *meta = &entry->meta;
	sum_text(&sum->gathered, meta->path);
	sum_number(&sum->gathered, (uint64_t)meta->type << 32 | meta->mode);
	sum_number(&sum->gathered, (uint64_t)meta->mtime);
	if (meta->type == UNI_ENTRY_SYMLINK)
		sum_text(&sum->gathered, meta->target);
	if (meta->type == UNI_ENTRY_FILE) {
		sum_number(&sum->gathered, meta->size);
		uni_buf_add(&sum->gathered, entry->node->digest.bytes,
			    sizeof(entry->node->digest.bytes));
	}
	if (sum->gathered.size >= GATHER) {
		uni_hash_add(&sum->hash, sum->gathered.data, sum->gathered.size);
		uni_buf_clear(&sum->gathered);
	}
	return 0;
}

int uni_tree_digest_read(const struct uni_tree *tree, struct uni_digest *digest,
			 struct uni_err *err)
{
	struct summing sum = { .gathered = UNI_BUF_INIT };
	uni_hash_start(&sum.hash);
	uni_hash_add_text(&sum.hash, "uni tree 1");
	int rc = uni_tree_each(tree, sum_entry, &sum, err);
	uni_hash_add(&sum.hash, uni_buf_text(&sum.gathered), sum.gathered.size);
	uni_buf_free(&sum.gathered);
	*digest = uni_hash_end(&sum.hash);
	return rc;
}

int uni_tree_digest(struct uni_tree *tree, struct uni_statscope *scope, unsigned threads,
		    struct uni_digest *digest, struct uni_err *err)
{
	struct lookup lookup = { .scope = scope, .tree = tree };
	int rc = uni_tree_each(tree, look_up, &lookup, err);
	if (rc == 0 && lookup.count != 0)
		rc = uni_pool_run(lookup.count, threads, hash_one, &lookup, err);
	lookup_free(&lookup);
	if (rc == 0 && scope != NULL)
		uni_tree_note(tree, scope);
	return rc != 0 ? rc : uni_tree_digest_read(tree, digest, err);
}

int uni_tree_digest_known(struct uni_tree *tree, struct uni_statscope *scope,
			  struct uni_digest *digest, struct uni_err *err)
{
	struct lookup lookup = { .scope = scope, .tree = tree };
	int rc = uni_tree_each(tree, look_up, &lookup, err);
	bool all = lookup.count == 0;
	lookup_free(&lookup);
	if (rc == 0 && all)
		rc = uni_tree_digest_read(tree, digest, err);
	return rc != 0 ? rc : all;
}
