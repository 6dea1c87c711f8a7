/*
 * The block map of what was pushed, kept beside it in EC2: a snapshot of its own that holds nothing
 * else, of a block or few, found by a tag. Blocks' digests cannot be asked for, so without it a
 * push from another machine would send all blocks.
 */
#ifndef DEST_EC2_MAP_H
#define DEST_EC2_MAP_H

#include "ec2_state.h"

/* Keeps the map of a snapshot that was pushed under that name. That takes no waiting. */
int ec2_map_keep(struct uni_aws *aws, const char *region, const char *name, const char *snapshot,
		 const struct uni_ami_map *map, struct uni_err *err);
/* How many blocks that takes. */
size_t ec2_map_blocks(const struct uni_ami_map *map); /* 0: it is too large to be kept */
/* The newest of that name. 1: found, 0: none that can be used, negative: error. */
int ec2_map_find(struct uni_aws *aws, const char *region, const char *name,
		 struct ec2_pushed *pushed, struct uni_err *err);

#endif
