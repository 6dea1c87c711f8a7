/* Internal: what the files of this module share. */
#ifndef UNI_VOLUME_INTERNAL_H
#define UNI_VOLUME_INTERNAL_H

#include <uni/tree/tree.h>
#include <uni/vm/detached.h>
#include <uni/volume/volume.h>

/* How content from outside is normalised. */
extern const struct uni_tree_rules volume_rules;

/* machines.c */
/* Waits until no user holds the slot that is written next: `inactive` is the generation in it, 0
 * for none. UNI_E_BUSY names those that still do after `wait_ms`; who does not answer is not waited
 * for. */
int volume_users_clear_slot(struct uni_volume_users *users, uint64_t current, uint64_t inactive,
			    int wait_ms, struct uni_err *err);
/* Knocks everywhere, and waits for answers at most `wait_ms` (0: knocks only). */
void volume_users_tell(struct uni_volume_users *users, uint64_t generation, int wait_ms);

/* source.c: the tree of what a volume holds, with `inside` replaced by `with`. */
int volume_source_replace(struct uni_volume_source **source, const struct uni_volume *volume,
			  const char *inside, const char *with, struct uni_err *err);

#endif
