/*
 * Before lwIP's header of this name. It would have its timer for reports of multicast groups run
 * ten times a second for as long as anything moves on the network, group or no group to report:
 * that was a fifth of what a server with a few requests a second takes. Once a second will do: a
 * report may take the ten seconds that RFC 2710 (7.3, Query Response Interval) gives it, and the
 * other timers that run once a second run at the same moment.
 */
#ifndef UK_NET_COMPAT_MLD6_H
#define UK_NET_COMPAT_MLD6_H

#include_next "lwip/mld6.h"

#undef MLD6_TMR_INTERVAL
#define MLD6_TMR_INTERVAL 1000

#endif
