/* The kernel that this loader starts, and no other: filled in by who builds the image. */
#ifndef BOOT_EFI_SEAL_H
#define BOOT_EFI_SEAL_H

#include <stdbool.h>
#include <uni/abi/boot.h>

extern const struct uni_seal efi_seal;

/* Whether the `efi_seal.size` bytes of a box are those that were sealed. */
bool efi_seal_matches(const void *box);

#endif
