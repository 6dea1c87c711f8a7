/*
 * Where images go. A destination is an address with a scheme: "ec2://REGION[,REGION...]/NAME".
 * Each scheme is a struct of functions in a hand-listed array.
 */
#ifndef UNI_DEST_DEST_H
#define UNI_DEST_DEST_H

#include <stdbool.h>
#include <uni/base/event.h>
#include <uni/base/text.h>

/* What was or would be done, a thing a line; `what` is a scheme's own word. */
struct uni_dest_note {
	const char *what;  /* "image", "snapshot", "request" */
	const char *where; /* region, or the call */
	const char *id;	   /* what it is known by there, or NULL */
	const char *text;  /* for people */
	uint64_t calls, bytes;
};

struct uni_oci_signer;

/* What goes beside an artifact in a registry (uni/dest/attach.h). */
struct uni_dest_attachment {
	const char *type; /* of media */
	const char *title;
	const struct uni_buf *content;
};

struct uni_dest_job {
	const char *source;	/* an image's path, in the form that the scheme takes */
	const char *address;	/* with its scheme */
	struct uni_strv tags;	/* "KEY=VALUE" */
	struct uni_strv shares; /* accounts that may use it */
	const struct uni_oci_signer *signer; /* for registries, as the next three; or NULL */
	const struct uni_dest_attachment *attachments;
	size_t attachment_count;
	const char *mount_from; /* a repository that may have parts of it; or NULL */
	const char *profile;	/* of credentials; NULL: as the environment says */
	bool dry_run;		/* say what would be done */
	bool wait;		/* until it can be used everywhere it went to */
	const struct uni_events *events;
	void (*note)(void *user, const struct uni_dest_note *note);
	void *user;
};

struct uni_dest {
	const char *scheme; /* "ec2" */
	const char *format; /* the form to build for it, of `uni build --format` */
	int (*push)(const struct uni_dest_job *job, struct uni_err *err);
	/* Where credentials were looked for, a line each; NULL: it knows none. */
	int (*explain)(const struct uni_dest_job *job, struct uni_strv *lines, struct uni_err *err);
};

/* By an address's scheme; NULL with UNI_E_UNSUPPORTED in `err`, naming the known ones. */
const struct uni_dest *uni_dest_find(const char *address, struct uni_err *err);

#endif
