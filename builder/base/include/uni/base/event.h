/*
 * What happens while work is done, as typed values. The command line turns them into a progress
 * line, plain lines, or JSON; nobody else prints. Callbacks may come from any thread, one at a
 * time.
 */
#ifndef UNI_BASE_EVENT_H
#define UNI_BASE_EVENT_H

#include <stdint.h>

enum uni_event_kind {
	UNI_EVENT_STEP_START,  /* name, total steps */
	UNI_EVENT_STEP_DONE,   /* name, ns */
	UNI_EVENT_STEP_CACHED, /* name */
	UNI_EVENT_PROGRESS,    /* name, done of total bytes */
	UNI_EVENT_NOTE,	       /* text, for -v */
	UNI_EVENT_ADVICE,      /* text: nothing is wrong, and it is worth knowing */
	UNI_EVENT_WARNING,     /* text */
};

struct uni_event {
	enum uni_event_kind kind;
	const char *name; /* of the step; borrowed */
	const char *text;
	uint64_t done;
	uint64_t total;
	uint64_t ns;
};

struct uni_events {
	void (*fn)(void *user, const struct uni_event *event); /* NULL: nobody listens */
	void *user;
};

void uni_event_note(const struct uni_events *events, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void uni_event_advice(const struct uni_events *events, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void uni_event_warning(const struct uni_events *events, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void uni_event_send(const struct uni_events *events,
		    const struct uni_event *event); /* NULL and fn NULL are fine */

#endif
