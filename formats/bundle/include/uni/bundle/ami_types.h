/*
 * Which of EC2's instance types start an image: those of the Nitro System show disks as NVMe and
 * the network as ENA and take no image without ENA; those on Xen show both as Xen's own, and start
 * by BIOS alone.
 */
#ifndef UNI_BUNDLE_AMI_TYPES_H
#define UNI_BUNDLE_AMI_TYPES_H

#include <stdbool.h>
#include <uni/base/text.h>

/* What an image wants, and what its kernel drives. */
struct uni_ami_needs {
	bool bios, uefi; /* how it starts */
	bool network;	 /* it wants one */
	bool nvme, ena;
	bool xen_disk, xen_network;
};

/* Whether a type ("t3.nano") starts it; `why` (or NULL) says why not. One that nobody has heard of
 * is newer than this, and of the Nitro System. */
bool uni_ami_starts(const struct uni_ami_needs *image, const char *type, const char **why);
/* Appends the families that start it: "Nitro types but p4d, ...; t2, m4". Nothing: none does. */
void uni_ami_types_text(const struct uni_ami_needs *image, struct uni_buf *out);

#endif
