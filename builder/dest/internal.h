/* The destinations, and what they share. */
#ifndef DEST_INTERNAL_H
#define DEST_INTERNAL_H

#include <uni/dest/dest.h>

extern const struct uni_dest dest_ec2, dest_oci;

#endif
