/*
 * Before lwIP's header of this name, for the reason that mld6.h beside it gives: the timer of
 * lwIP's list (core/timeouts.c, for which `igmp_tmr` has another name) runs once a second. IGMP's
 * delays come from the network in tenths of a second, and are counted in its ticks: so many are
 * made up for at once.
 */
#ifndef UK_NET_COMPAT_IGMP_H
#define UK_NET_COMPAT_IGMP_H

#include_next "lwip/igmp.h"

#define UK_IGMP_TICKS 10

/* What runs then: net/multicast.c. */
void uk_lwip_igmp_ticks(void);

#ifdef igmp_tmr
#undef IGMP_TMR_INTERVAL
#define IGMP_TMR_INTERVAL 1000
#endif

#endif
