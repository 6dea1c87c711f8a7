/*
 * A container image's root while its layers are laid over one another: OCI Image Format
 * Specification 1.1, "Image Layer Filesystem Changeset". All of it is in memory, so that no name in
 * a layer leads anywhere: a path is followed through the links of the image itself, ".." at its
 * root stays there.
 */
#ifndef SOURCE_LAYERS_H
#define SOURCE_LAYERS_H

#include <uni/source/files.h>

struct layers;
struct layers *layers_new(struct uni_store *store);
void layers_free(struct layers *layers);
UNI_AUTO_DEFINE(layers)

/* The next layer, uncompressed. Devices and FIFOs are left out, and counted. */
int layers_add(struct layers *layers, struct uni_tar_reader *tar, struct uni_err *err);
size_t layers_left_out(const struct layers *layers);
/* The whole as a set of files, folders before what is in them, names sorted by bytes. */
int layers_files(const struct layers *layers, struct uni_files *files, struct uni_err *err);

#endif
