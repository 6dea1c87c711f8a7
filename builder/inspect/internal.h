/* What the files of this module share. */
#ifndef UNI_INSPECT_INTERNAL_H
#define UNI_INSPECT_INTERNAL_H

#include <uni/inspect/image.h>

/* loader.c: what the EFI system partition holds; what cannot be read is no loader. */
void image_read_loader(struct uni_image *image, const struct uni_disk_entry *entry);

#endif
