/*
 * Whether content that passes by is a secret that has no place in an image: a private key or a
 * credential. Only what is recognised beyond doubt counts, so that a manual that speaks of private
 * keys, or a program that reads them, is none:
 *
 *   PEM		"-----BEGIN ... PRIVATE KEY-----" of every kind (PKCS#1, SEC 1, PKCS#8,
 *encrypted ones, OpenSSH, OpenPGP) with encoded content behind it, anywhere in a file, also as a
 *		text of JSON or source code
 *   DER		a file that is a PKCS#1, SEC 1, PKCS#8 or encrypted PKCS#8 key, or a PKCS#12
 *   PuTTY	a file of PuTTY's own form
 *   age	an AGE-SECRET-KEY-1...
 *   AWS	aws_secret_access_key with its value
 *
 * Nothing is unpacked or decoded: a key in an archive is not found.
 */
#ifndef UNI_IO_SECRET_H
#define UNI_IO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum uni_secret {
	UNI_SECRET_NONE,
	UNI_SECRET_PEM,
	UNI_SECRET_DER,
	UNI_SECRET_PKCS12,
	UNI_SECRET_PUTTY,
	UNI_SECRET_AGE,
	UNI_SECRET_AWS,
	UNI_SECRET_COUNT,
};
const char *uni_secret_text(enum uni_secret secret); /* "a private key in PEM form" */

#define UNI_SECRET_OVERLAP 512 /* bytes; what is looked for is shorter */

/* One file's content, in order and in pieces of any size. */
struct uni_secret_scan {
	enum uni_secret found;
	uint64_t size; /* so far */
	size_t kept;   /* bytes of `last` */
	uint8_t first[64];
	char last[UNI_SECRET_OVERLAP];
};

void uni_secret_scan_start(struct uni_secret_scan *scan);
void uni_secret_scan_add(struct uni_secret_scan *scan, const void *data, size_t size);
enum uni_secret uni_secret_scan_end(const struct uni_secret_scan *scan);

#endif
