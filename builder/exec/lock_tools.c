/*
 * Tools in the lock: an executable or a codec library with other bytes may write other bytes, under
 * the same version too. A build cannot fetch the locked one as it does with packages; it names the
 * one that differs, and with --locked it stops there. The lock is complete for what has been built
 * so far: a form that needs one more tool adds it.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/recipes/lock.h>

/* Two files of one name may be in use: then both decide. */
static void add_tool(struct uni_lock *lock, const struct uni_step_tool *tool)
{
	const struct uni_lock_named *before =
		uni_lock_tool(uni_lock_arch(lock, BASE_ARCH), tool->name);
	char *name UNI_AUTO_FREE = uni_strdup(tool->name);
	struct uni_lock_named named = { .name = name, .digest = tool->digest };

	if (before != NULL && !uni_digest_eq(&before->digest, &tool->digest)) {
		bool first = uni_digest_cmp(&before->digest, &tool->digest) < 0;
		struct uni_hash hash;

		uni_hash_start(&hash);
		uni_hash_add(&hash, (first ? before : &named)->digest.bytes, 32);
		uni_hash_add(&hash, (first ? &named : before)->digest.bytes, 32);
		named.digest = uni_hash_end(&hash);
	}
	uni_lock_put_tool(lock, BASE_ARCH, &named);
}

static void add_set(struct uni_lock *lock, const struct tool_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		add_tool(lock, &set->items[i]);
}

static struct uni_lock *used_tools(const struct build *b)
{
	struct uni_lock *used = uni_lock_new();

	add_set(used, &b->compile_tools);
	add_set(used, &b->link_tools);
	add_set(used, &b->box_tools);
	add_set(used, &b->deflate_tools);
	add_set(used, &b->zstd_tools);
	return used;
}

static int report(struct build *b, const char *path, const struct uni_lock_named *tool,
		  const char *what, struct uni_err *err)
{
	if (b->options->locked) {
		uni_err_set(err, UNI_E_DIFFERS, "%s would change: tool \"%s\" %s", path, tool->name,
			    what);
		return uni_err_hint(err, "\"uni update --recipe %s\" writes it anew",
				    b->recipe->path);
	}
	return 0;
}

static int compare(struct build *b, const char *path, const struct uni_lock_arch *used,
		   struct uni_lock *lock, bool *grown, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < used->tool_count; i++) {
		const struct uni_lock_named *tool = &used->tools[i];
		const struct uni_lock_named *locked =
			uni_lock_tool(uni_lock_arch(lock, BASE_ARCH), tool->name);

		if (locked == NULL) {
			*grown = true;
			rc = report(b, path, tool, "is not in the lock", err);
			uni_lock_put_tool(lock, BASE_ARCH, tool);
		} else if (!uni_digest_eq(&locked->digest, &tool->digest)) {
			rc = report(b, path, tool, "here is not the locked one", err);
			if (rc == 0)
				uni_event_warning(b->events,
						  "tool \"%s\" here is not the one that %s names: "
						  "the image may differ",
						  tool->name, path);
		}
	}
	return rc;
}

int lock_tools(struct build *b, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = lock_path(b->recipe);
	struct uni_lock *read UNI_AUTO(uni_lock) = NULL;
	struct uni_lock *lock = b->next_lock;
	bool grown = false;
	int rc = 0;

	if (lock == NULL && !uni_file_exists(path))
		return 0;
	struct uni_lock *used UNI_AUTO(uni_lock) = used_tools(b);
	const struct uni_lock_arch *tools = uni_lock_arch(used, BASE_ARCH);

	if (lock == NULL) {
		rc = uni_lock_load(&read, path, b->diags, err);
		lock = read;
	}
	/* A lock for other architectures alone says nothing of this one's tools. */
	if (rc != 0 || tools == NULL || uni_lock_arch(lock, BASE_ARCH) == NULL)
		return rc;
	rc = compare(b, path, tools, lock, &grown, err);
	if (rc == 0 && grown && b->writes_lock && read != NULL) {
		b->next_lock = read;
		read = NULL;
	}
	return rc;
}
