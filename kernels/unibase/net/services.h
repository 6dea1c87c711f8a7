/*
 * What the kernel itself does over the network; all of it under the stack's lock.
 */
#ifndef UK_NET_SERVICES_H
#define UK_NET_SERVICES_H

void uk_sntp_start(void);
void uk_syslog_start(void);
void uk_syslog_send(void); /* what waits; from the network's thread */

#endif
