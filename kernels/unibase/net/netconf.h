/*
 * Addresses: from the boot configuration or by DHCP.
 */
#ifndef UK_NETCONF_H
#define UK_NETCONF_H

#include <uk/types.h>

struct netif;

bool uk_netconf_wanted(void); /* the configuration does not say "none" */
/* Under the stack's lock: gives the interface its addresses, or starts asking for one. */
int uk_netconf_start(struct netif *netif, const char *name);
/* Waits some seconds for the first address. */
void uk_netconf_wait(void);
/* Without the lock: writes down what was learnt (name servers). */
void uk_netconf_settle(void);

#endif
