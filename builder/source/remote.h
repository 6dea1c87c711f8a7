/*
 * How libgit2 talks to others for us.
 */
#ifndef SOURCE_REMOTE_H
#define SOURCE_REMOTE_H

#include "libgit.h"

/* A conversation: which credentials were tried in it, and how a push was answered. */
struct remote_talk {
	const char *url;
	unsigned tried;
	bool refused; /* the other side did not take the push */
};
/* Callbacks that answer for `talk`, which must outlive them. */
void remote_callbacks(git_remote_callbacks *callbacks, struct remote_talk *talk);
/* libgit2's code as ours. */
int remote_complain(int code, const struct remote_talk *talk, struct uni_err *err);

#endif
