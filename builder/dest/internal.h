/* The destinations, and what they share. */
#ifndef DEST_INTERNAL_H
#define DEST_INTERNAL_H

#include <uni/bundle/ami_types.h>
#include <uni/dest/dest.h>

extern const struct uni_dest dest_ec2, dest_oci;

/* ami.c: what an image's description says that it needs; of its kernel's drivers it tells ENA
 * alone. */
struct uni_ami_needs ami_needs(const char *boot_mode, bool ena);

#endif
