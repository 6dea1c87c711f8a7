/*
 * The files that are served: opened once, their headers made once, kept while they are asked for.
 */
#ifndef SITE_FILES_H
#define SITE_FILES_H

#include "http.h"

#define FILES_MAX 320	       /* more than connections can use at once */
#define FILES_MAPPED_MAX 65536 /* bytes; smaller ones are sent from memory */

struct file {
	struct http_file is;
	int fd;
	const char *mapped; /* the whole file, or NULL */
	const char *type;
	char etag[48];
	char modified[HTTP_DATE_SIZE];
	unsigned users; /* of files_get; one that is used stays as it is */

	/* of the cache's own */
	char path[HTTP_PATH_MAX + 16];
	uint32_t hash;
	uint64_t inode;
	int64_t seconds, nanoseconds; /* its time as the file system has it */
	uint64_t checked, used;	      /* milliseconds */
};

int files_start(const char *folder); /* 0, or a negative errno; `folder` stays the caller's */
/* The folder's content was replaced as a whole: nothing of it is used for another answer. */
void files_changed(void);

/*
 * The file at this path below the folder (a folder's is its "index.html"). 200, with a use of the
 * file to be given back; 301 for a folder without its slash; 404, 403 or 503. `now` is in
 * milliseconds, from any start.
 */
int files_get(const char *path, bool folder, uint64_t now, struct file **file);
void files_put(struct file *file);

#endif
