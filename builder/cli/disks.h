/* Disks of writable volumes: which a machine has, and where they are kept. */
#ifndef UNI_CLI_DISKS_H
#define UNI_CLI_DISKS_H

#include <stdbool.h>
#include <uni/base/text.h>
#include <uni/kernel/config.h>

/*
 * The disks of an image's writable volumes, for the machine of this name: those in the folder
 * `machines`, else copies of those beside the image. `inside`: a volume lies on the image's own
 * disk.
 */
int cli_disks_of_image(const struct uni_boot_config *config, const char *image,
		       const char *machines, const char *machine, struct uni_strv *disks,
		       bool *inside, struct uni_err *err);

#endif
