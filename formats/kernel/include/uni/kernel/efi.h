/*
 * The UEFI loader of a base, made the loader of one image: sealed to its kernel (uni/abi/boot.h)
 * and, where a key is given, signed for Secure Boot.
 *
 * Signatures are those of Microsoft's "Windows Authenticode Portable Executable Signature Format"
 * 1.0, as UEFI 2.10, 32.2, takes them: PKCS #7 with RSA and SHA-256, without a time, so that the
 * same key gives the same bytes.
 */
#ifndef UNI_KERNEL_EFI_H
#define UNI_KERNEL_EFI_H

#include <stdbool.h>
#include <stdint.h>
#include <uni/base/digest.h>
#include <uni/base/text.h>

#define UNI_EFI_MAX (1u << 20)		    /* bytes of a loader */
#define UNI_EFI_VERSION_WRITTEN 1	    /* changes with what sealing and signing write */
#define UNI_EFI_PATH "EFI/BOOT/BOOTX64.EFI" /* where firmware looks in a system partition */

/* `partition`: GUID of the kernel's partition; `box`: digest of its `box_size` bytes. UNI_E_INVAL
 * when the file is no loader with an empty seal. */
int uni_efi_seal(struct uni_buf *loader, const char *name, const struct uni_uuid *partition,
		 const struct uni_digest *box, uint64_t box_size, struct uni_err *err);

/* What a loader says of itself. */
struct uni_efi_about {
	bool sealed; /* to this, or to nothing */
	struct uni_uuid partition;
	struct uni_digest box;
	uint64_t box_size;
	bool has_signature; /* which is not checked */
};
/* UNI_E_INVAL when it is no loader with a seal. */
int uni_efi_read(const struct uni_buf *loader, const char *name, struct uni_efi_about *about,
		 struct uni_err *err);

/* Appends a signature by an RSA key and its certificate, both PEM. The key must have no passphrase
 * and be the certificate's. */
int uni_efi_sign(struct uni_buf *loader, const char *name, const struct uni_buf *key,
		 const struct uni_buf *certificate, struct uni_err *err);

#endif
