/*
 * What files of this module share: the writer and the reader of packages, and the list of forms.
 */
#ifndef UNI_BUNDLE_INTERNAL_H
#define UNI_BUNDLE_INTERNAL_H

#include <uni/bundle/ami.h>
#include <uni/bundle/form.h>
#include <uni/bundle/package.h>
#include <uni/io/tar.h>

#define PACKAGE_JSON "package.json"
#define PACKAGE_SPDX "package.spdx.json"
#define PACKAGE_PROVENANCE "package.intoto.json"
#define PACKAGE_LEVEL 19 /* of zstd: packages are written once and read often */

/* The archive's entry for a file: all but path, mode and size is fixed. */
struct uni_entry package_entry(const char *path, uint32_t mode, uint64_t size);

/* The forms, as form.c lists them. */
extern const struct uni_form form_ami;
extern const struct uni_form form_containerdisk;
extern const struct uni_form form_gcp;
extern const struct uni_form form_ova;

/* ami_volumes.c: volumes.json, without the disks themselves. */
void ami_volumes_json(const struct uni_ami_volume *volumes, size_t count, struct uni_buf *out);
int ami_volumes_parse(struct uni_ami *ami, const char *name, const char *json, size_t size,
		      struct uni_err *err);
void ami_volumes_free(struct uni_ami_volume *volumes, size_t count);
/* The device of the nth volume. */
void ami_device(char out[16], size_t n);

/* machine.c: attribute values and text of XML. */
void bundle_put_xml(struct uni_buf *out, const char *text);
/* form.c: a file's bytes from its start as the data of a tar's entry. */
int bundle_tar_copy(struct uni_tar_writer *tar, int fd, uint64_t size, struct uni_err *err);

#endif
