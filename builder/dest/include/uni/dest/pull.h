/*
 * Getting back from a registry what uni, or another client of artifacts, put there.
 */
#ifndef UNI_DEST_PULL_H
#define UNI_DEST_PULL_H

#include <uni/base/event.h>
#include <uni/base/text.h>
#include <uni/trust/pem.h>

struct uni_pull {
	const char *address; /* "oci://HOST/NAME[:TAG|@DIGEST]" */
	const char *folder;
	bool force;		   /* replace what stands there */
	const struct uni_pem *key; /* that must have signed it, or NULL */
	const struct uni_events *events;
};

/*
 * Writes what the address holds into the folder: a disk put together from its parts, or a file a
 * layer under its title. Each is checked while it comes, and has its name only when all of it is
 * there. `paths` gets their names.
 */
int uni_oci_pull(const struct uni_pull *pull, struct uni_strv *paths, struct uni_err *err);

/* Of what is attached to it, the content of that type (uni/dest/attach.h). */
int uni_oci_pull_attached(const struct uni_pull *pull, const char *type, struct uni_buf *content,
			  struct uni_err *err);

#endif
