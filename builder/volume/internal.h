/* Internal: what the files of this module share. */
#ifndef UNI_VOLUME_INTERNAL_H
#define UNI_VOLUME_INTERNAL_H

#include <uni/cache/store.h>
#include <uni/tree/tree.h>
#include <uni/vm/detached.h>
#include <uni/volume/volume.h>

/* How content from outside is normalised. */
extern const struct uni_tree_rules volume_rules;

/* machines.c: as uni_volume_users_find and uni_volume_users_of, of machines that were listed
 * already: to list many takes a while. */
int volume_users_named(const struct uni_detached_list *list, const char *pattern,
		       struct uni_volume_users *users, struct uni_err *err);
void volume_users_with(const struct uni_detached_list *list, const char *path,
		       struct uni_volume_users *users);

/* tell.c */
/* Waits until no user holds the slot that is written next: `inactive` is the generation in it, 0
 * for none. UNI_E_BUSY names those that still do after `wait_ms`; who does not answer is not waited
 * for. */
int volume_users_clear_slot(struct uni_volume_users *users, uint64_t current, uint64_t inactive,
			    int wait_ms, struct uni_err *err);
/* Knocks everywhere, and waits for answers at most `wait_ms` (0: knocks only). */
void volume_users_tell(struct uni_volume_users *users, uint64_t generation, int wait_ms);

struct uni_volume_source {
	struct uni_tree *tree;
	char *dir;			/* temporary, or NULL */
	struct uni_statcache *known;	/* digests of a folder that stays, or NULL */
	struct uni_statscope *scope;	/* its part of them */
	struct uni_store *store;	/* whose files the tree has, or NULL */
	struct uni_volume_source *part; /* whose files it has as well, or NULL */
};

/* source.c: a temporary folder, one for each source. */
int volume_source_dir(struct uni_volume_source *source, struct uni_err *err);
/* What a tar archive holds; what a folder, archive or volume of this machine does. */
int volume_source_tar(struct uni_volume_source *source, int fd, const char *name,
		      struct uni_err *err);
int volume_source_local(struct uni_volume_source *source, const char *place, struct uni_err *err);

/* One file under this name. */
int volume_source_file(struct uni_volume_source **source, const char *name, const char *path,
		       struct uni_err *err);

/* Whether this is a tar archive, by what is in it. */
bool volume_is_tar(const char *path);

/* spread.c: into a folder, which is made if it is not there; what stands in it is not replaced. */
int volume_spread(const struct uni_tree *tree, const char *folder, struct uni_err *err);

/* remote.c: places elsewhere, by their scheme */
bool volume_is_remote(const char *place);
int volume_source_remote(struct uni_volume_source *source, const char *place, struct uni_err *err);
/* A volume's file to where the address says. */
int volume_send(const char *file, const char *address, struct uni_err *err);

/* source.c: the tree of what a volume holds, with `inside` replaced by `with`. */
int volume_source_replace(struct uni_volume_source **source, const struct uni_volume *volume,
			  const char *inside, const char *with, struct uni_err *err);

#endif
