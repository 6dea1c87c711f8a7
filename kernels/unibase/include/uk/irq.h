/*
 * The local APIC, for the timer. Devices use uk_irq_* of uk/io.h. arch/irq.c.
 */
#ifndef UK_IRQ_H
#define UK_IRQ_H

#include <uk/types.h>

#define UK_VECTOR_TIMER 32

/* Sets the local APIC up on first use; false when memory is out. */
bool uk_apic_start(void);
uint32_t uk_apic_read(unsigned reg);
void uk_apic_write(unsigned reg, uint32_t v);
/* Takes a fixed vector. */
int uk_irq_set(int vector, void (*fn)(void *arg), void *arg);

#endif
