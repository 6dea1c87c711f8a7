/*
 * Connections to one repository, for threads that send or fetch at the same time: each takes one,
 * and gives it back for the next.
 */
#ifndef DEST_CONNECTIONS_H
#define DEST_CONNECTIONS_H

#include <pthread.h>
#include <uni/oci/registry.h>

#define CONNECTIONS_MAX 4

struct connections {
	const struct uni_oci_reference *reference;
	const char *mount_from; /* or NULL */
	bool push;
	const struct uni_events *events;
	pthread_mutex_t mutex;
	struct uni_oci *idle[CONNECTIONS_MAX];
	size_t count;
};
void connections_init(struct connections *c, const struct uni_oci_reference *reference, bool push,
		      const struct uni_events *events);
void connections_free(struct connections *c); /* also of one that was not initialised */
#define AUTO_CONNECTIONS __attribute__((cleanup(connections_free)))

int connections_take(struct connections *c, struct uni_oci **oci, struct uni_err *err);
void connections_give(struct connections *c, struct uni_oci *oci);
#endif
