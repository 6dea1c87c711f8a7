/*
 * Work on a stream in order, by several threads: pieces are taken one after the other, worked on
 * side by side, and given on in the order in which they were taken. What comes out does not depend
 * on the number of threads, nor does the error that is reported.
 */
#ifndef UNI_DISK_PIPELINE_INTERNAL_H
#define UNI_DISK_PIPELINE_INTERNAL_H

#include <uni/base/err.h>

struct disk_pipeline {
	void *(*slot_new)(void *user, struct uni_err *err); /* room for one piece; NULL: failed */
	void (*slot_free)(void *slot);
	/* One thread at a time, in order. 1: taken, 0: the end, negative: an error. */
	int (*take)(void *user, void *slot, struct uni_err *err);
	int (*work)(void *user, void *slot, struct uni_err *err);
	/* One thread at a time, in the order of taking. */
	int (*give)(void *user, void *slot, struct uni_err *err);
};

/* `threads` 0: as many as keep all processors busy. */
int disk_pipeline_run(const struct disk_pipeline *pipeline, void *user, unsigned threads,
		      struct uni_err *err);

#endif
