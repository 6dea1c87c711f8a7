/*
 * Connections at rest, between net.c and rest.c.
 */
#ifndef UK_NET_REST_H
#define UK_NET_REST_H

#include <uk/types.h>

/* Whether lwIP's timers have nothing to do for its connections; lowers *ns to how long that holds.
 */
bool rest_now(uint64_t *ns);
/* Whether there are so few connections that the above costs nothing to speak of. */
bool rest_few(void);
/* Adds to lwIP's ticks those that it has not counted itself. */
void rest_count(uint64_t now);
/* It has counted up to now. */
void rest_counted(uint64_t now);

#endif
