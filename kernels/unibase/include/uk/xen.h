/*
 * Running as a guest of Xen (PVH, or HVM with its paravirtual devices): what other parts of the
 * kernel ask of xen/. Elsewhere all of this says that it is not there.
 */
#ifndef UK_XEN_H
#define UK_XEN_H

#include <uk/types.h>

/* Whether this is Xen. Sets up what the clock and the console need on first use; never sleeps. Not
 * before there is memory to allocate. xen/xen.c */
bool uk_xen_start(void);
/* Disks, networks, orders from the toolstack; may sleep. xen/bus.c */
void uk_xen_devices_start(void);
/* Disks that were attached since; may sleep. */
void uk_xen_disks_look(void);

/* The first processor's time record and the wall clock's, in the forms that kvmclock has as well;
 * NULL: not Xen. xen/event.c */
const void *uk_xen_clock(void);
const void *uk_xen_wall(void);
/* The alarm: an absolute time of that clock, UK_FOREVER for none. False: not to be had. */
bool uk_xen_alarm_start(void (*fn)(void *arg));
void uk_xen_alarm_set(uint64_t deadline);

/* The console's ring; false: there is none. xen/console.c */
bool uk_xen_console_write(const char *data, size_t size);
bool uk_xen_console_listen(void (*fn)(void *arg));
size_t uk_xen_console_read(uint8_t *to, size_t room);

/* Bytes that the toolstack left for us in a folder of xenstore, see UNI_CONFIG_XENSTORE; how many,
 * or negative errno (-UK_ENOENT). May sleep. xen/orders.c */
int64_t uk_xen_config_read(const char *name, void *data, size_t room);
/* The doorbell (uni/abi/bell.h) by xenstore, see UNI_BELL_XENSTORE: from now on `fn` is called,
 * with interrupts off, when something is written there. -UK_ENODEV: there is no xenstore. */
int uk_xen_bell_listen(void (*fn)(void));
bool uk_xen_bell_order(void *order, size_t size);
void uk_xen_bell_reply(uint64_t number, uint32_t error, const char *text);
void uk_xen_bell_answer(unsigned index, uint64_t generation, uint64_t pinned, uint64_t refused,
			uint32_t reason);
/* From now on `fn` is called, with interrupts off, when the toolstack wants us to end. */
int uk_xen_shutdown_listen(void (*fn)(void));

#endif
