/*
 * Getting back from a registry what uni, or another client of artifacts, put there.
 */
#ifndef UNI_DEST_PULL_H
#define UNI_DEST_PULL_H

#include <uni/base/event.h>
#include <uni/base/text.h>

/*
 * Writes what "oci://HOST/NAME[:TAG|@DIGEST]" holds into `folder`: a disk put together from its
 * parts, or a file a layer under its title. Each is checked while it comes, and has its name only
 * when all of it is there. `paths` gets their names. What stands there is replaced with `force`
 * alone.
 */
int uni_oci_pull(const char *address, const char *folder, bool force,
		 const struct uni_events *events, struct uni_strv *paths, struct uni_err *err);

#endif
