/*
 * A volume in a registry: in chunks, so that a next version of it sends, and whoever has an older
 * one gets, what differs (uni/bundle/chunks.h).
 */
#ifndef UNI_DEST_VOLUME_H
#define UNI_DEST_VOLUME_H

#include <uni/dest/dest.h>

/* `job->source` is a file, `job->address` "oci://HOST/NAME[:TAG]". The note tells in `calls` how
 * many chunks, in `bytes` how much was sent or, with dry_run, would be. */
int uni_volume_artifact_push(const struct uni_dest_job *job, struct uni_err *err);

#endif
