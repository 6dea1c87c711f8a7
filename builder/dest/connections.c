/*
 * The pool of connections.
 */
#include "connections.h"

void connections_init(struct connections *c, const struct uni_oci_reference *reference, bool push,
		      const struct uni_events *events)
{
	*c = (struct connections){ .reference = reference, .push = push, .events = events };
	pthread_mutex_init(&c->mutex, NULL);
}

void connections_free(struct connections *c)
{
	if (c->reference == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		uni_oci_free(c->idle[i]);
	pthread_mutex_destroy(&c->mutex);
}

int connections_take(struct connections *c, struct uni_oci **oci, struct uni_err *err)
{
	const struct uni_net_options net = { .events = c->events };
	int rc;

	*oci = NULL;
	pthread_mutex_lock(&c->mutex);
	if (c->count != 0)
		*oci = c->idle[--c->count];
	pthread_mutex_unlock(&c->mutex);
	if (*oci != NULL)
		return 0;
	rc = uni_oci_open(oci, c->reference, c->push, &net, err);
	return rc == 0 && c->mount_from != NULL ? uni_oci_mount_from(*oci, c->mount_from, err) : rc;
}

void connections_give(struct connections *c, struct uni_oci *oci)
{
	if (oci == NULL)
		return;
	pthread_mutex_lock(&c->mutex);
	if (c->count != CONNECTIONS_MAX) {
		c->idle[c->count++] = oci;
		oci = NULL;
	}
	pthread_mutex_unlock(&c->mutex);
	uni_oci_free(oci);
}
