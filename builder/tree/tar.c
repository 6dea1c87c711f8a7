/*
 * A tree as a tar archive.
 */
#include "node.h"
#include <uni/io/tar.h>

struct sending {
	const struct uni_tree *tree;
	struct uni_tar_writer *tar;
};

static int send_data(void *user, const void *data, size_t size, struct uni_err *err)
{
	return uni_tar_writer_data(user, data, size, err);
}

static int send_entry(void *user, const struct uni_tree_entry *entry, struct uni_err *err)
{
	const struct sending *sending = user;
	int rc = uni_tar_writer_entry(sending->tar, &entry->meta, err);
	if (rc == 0 && entry->meta.type == UNI_ENTRY_FILE)
		rc = uni_tree_content(sending->tree, entry, send_data, sending->tar, err);
	return rc;
}

int uni_tree_write_tar(const struct uni_tree *tree, struct uni_sink *sink,
		       struct uni_digest *digest, struct uni_err *err)
{
	struct uni_tar_writer *tar UNI_AUTO(uni_tar_writer) = uni_tar_writer_new(sink);
	struct sending sending = { .tree = tree, .tar = tar };
	int rc = uni_tree_each(tree, send_entry, &sending, err);
	if (rc == 0)
		rc = uni_tar_writer_end(tar, err);
	if (rc == 0 && digest != NULL)
		rc = uni_tree_digest_read(tree, digest, err);
	return rc;
}
