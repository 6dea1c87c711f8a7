/* The image before, of which a volume that changes keeps what it can: whatever it says, an image
 * with other content is made of it or it is refused. */
#include <string.h>
#include <uni/fs/squash.h>
#include <uni/tree/tree.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *user, uint64_t at, const void *data, size_t size, struct uni_err *err)
{
	(void)user;
	(void)at;
	(void)data;
	(void)size;
	(void)err;
	return 0;
}

static int keep(void *user, uint64_t at, uint64_t size, struct uni_err *err)
{
	const size_t *room = user;

	if (at % 4096 != 0 || size % 4096 != 0 || at > *room)
		abort();
	(void)err;
	return 0;
}

static void make_next(const struct uni_squash_previous *previous, size_t size)
{
	const struct uni_squash_options options = { .compression = "none",
						    .block_size = 131072,
						    .epoch = 9,
						    .limit = 1 << 20,
						    .threads = 1 };
	const struct uni_tree_rules rules = { .mtime = 1 };
	const struct uni_squash_target target = { take, keep, &size };
	struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_squash_image *image = NULL;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest digest;

	if (uni_tree_add_data(tree, "a", "content\n", 8, &rules, &err) != 0 ||
	    uni_tree_add_data(tree, "b/c", "more\n", 5, &rules, &err) != 0 ||
	    uni_tree_digest(tree, NULL, 1, &digest, &err) != 0)
		abort();
	if (uni_squash_prepare(&image, tree, &options, previous, &err) == 0)
		(void)uni_squash_emit(image, previous, &target, &err);
	uni_squash_image_free(image);
	uni_tree_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_squash_previous *previous = NULL;

	if (uni_squash_previous_open(&previous, fuzz_file(data, size), 0, size, "fuzz", &err) == 0)
		make_next(previous, size);
	uni_squash_previous_free(previous);
	return 0;
}
