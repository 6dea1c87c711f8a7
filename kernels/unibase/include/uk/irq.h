/*
 * The local APIC, for the timer and between processors. Devices use uk_irq_* of uk/io.h.
 * arch/irq.c.
 */
#ifndef UK_IRQ_H
#define UK_IRQ_H

#include <uk/types.h>

#define UK_VECTOR_TIMER 32
/* From one processor to another, of a higher class than devices'. */
#define UK_VECTOR_WAKE 112  /* there is something to run, or to look at */
#define UK_VECTOR_FLUSH 113 /* forget translations: arch/shoot.c */

/* Sets the local APIC up on first use. */
void uk_apic_start(void);
void uk_apic_join(void); /* that of a further processor */
uint32_t uk_apic_read(unsigned reg);
void uk_apic_write(unsigned reg, uint32_t v);
/* The timer: its entry in the local vector table, and from where it counts down, each APIC_DIVISOR
 * cycles. */
void uk_apic_count(uint32_t entry, uint32_t count);
#define APIC_LVT_TIMER 0x320
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_DIVISOR 16
#define APIC_MASKED 0x10000
/* The low half of the interrupt command register (Intel SDM volume 3, section 10.6), to a
 * processor's APIC. Interrupts off. */
void uk_apic_command(uint32_t apic_id, uint32_t command);
#define UK_APIC_NMI 0x4400u
#define UK_APIC_INIT 0x4500u
#define UK_APIC_START 0x4600u /* and the page's number */
#define UK_APIC_FIXED 0x4000u /* and the vector */

#endif
