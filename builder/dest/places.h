/*
 * Blobs on their way from a registry to their places in one file: several at once, each checked
 * while it comes.
 */
#ifndef UNI_DEST_PLACES_H
#define UNI_DEST_PLACES_H

#include <uni/base/event.h>

#include "connections.h"

struct place {
	struct uni_digest digest;
	uint64_t at, size; /* in the file */
	uint64_t done;	   /* from its start: here already, to be checked */
};

struct places {
	struct place *each; /* none over another */
	size_t count;
	int fd;
	const char *name; /* for messages */
	struct connections *connections;
	const struct uni_events *events;
	_Atomic uint64_t fetched;
	uint64_t total;
};

/*
 * For a file that the same fetch had begun when it was killed: finds how far each place got. Blobs
 * are written from their start on, so all in front of a place's last data had come, but for the
 * last of it. What lies behind is made zeros again; where a file system cannot, the file is.
 */
void places_resume(struct places *places);
/* The file is zeros where `done` does not say otherwise. */
int places_fetch(struct places *places, struct uni_err *err);

#endif
