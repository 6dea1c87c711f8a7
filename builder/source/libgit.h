/*
 * libgit2, loaded with the first repository that is needed. Nothing of the user's git configuration
 * is read.
 */
#ifndef SOURCE_LIBGIT_H
#define SOURCE_LIBGIT_H

#include <git2.h>
#include <uni/base/err.h>
#include <uni/base/system.h>

#define LIBGIT_FNS(X)                                                                              \
	X(git_libgit2_init)                                                                        \
	X(git_libgit2_opts)                                                                        \
	X(git_error_last)                                                                          \
	X(git_repository_init)                                                                     \
	X(git_repository_open_bare)                                                                \
	X(git_repository_free)                                                                     \
	X(git_remote_create_anonymous)                                                             \
	X(git_remote_connect)                                                                      \
	X(git_remote_disconnect)                                                                   \
	X(git_remote_ls)                                                                           \
	X(git_remote_fetch)                                                                        \
	X(git_remote_push)                                                                         \
	X(git_remote_free)                                                                         \
	X(git_remote_init_callbacks)                                                               \
	X(git_fetch_options_init)                                                                  \
	X(git_push_options_init)                                                                   \
	X(git_credential_username_new)                                                             \
	X(git_credential_userpass_plaintext_new)                                                   \
	X(git_credential_ssh_key_from_agent)                                                       \
	X(git_credential_ssh_key_new)                                                              \
	X(git_oid_fromstr)                                                                         \
	X(git_oid_tostr)                                                                           \
	X(git_oid_cmp)                                                                             \
	X(git_reference_create)                                                                    \
	X(git_reference_name_to_id)                                                                \
	X(git_reference_free)                                                                      \
	X(git_signature_now)                                                                       \
	X(git_signature_free)                                                                      \
	X(git_commit_create)                                                                       \
	X(git_commit_lookup)                                                                       \
	X(git_commit_time)                                                                         \
	X(git_commit_tree)                                                                         \
	X(git_commit_free)                                                                         \
	X(git_tree_create_updated)                                                                 \
	X(git_tree_lookup)                                                                         \
	X(git_tree_free)                                                                           \
	X(git_tree_entrycount)                                                                     \
	X(git_tree_entry_byindex)                                                                  \
	X(git_tree_entry_bypath)                                                                   \
	X(git_tree_entry_free)                                                                     \
	X(git_tree_entry_name)                                                                     \
	X(git_tree_entry_id)                                                                       \
	X(git_tree_entry_type)                                                                     \
	X(git_tree_entry_filemode)                                                                 \
	X(git_blob_create_from_disk)                                                               \
	X(git_blob_lookup)                                                                         \
	X(git_blob_rawcontent)                                                                     \
	X(git_blob_rawsize)                                                                        \
	X(git_blob_free)                                                                           \
	X(git_config_open_ondisk)                                                                  \
	X(git_config_foreach_match)                                                                \
	X(git_config_free)
struct libgit {
	LIBGIT_FNS(UNI_LAZY_FIELD)
};
extern struct libgit libgit;

int libgit_load(struct uni_err *err);
/* With libgit2's own words. */
int libgit_complain(int code, struct uni_err *err);
/* For transfers: an interrupt ends them. */
int libgit_progress(const git_indexer_progress *stats, void *payload);

#endif
