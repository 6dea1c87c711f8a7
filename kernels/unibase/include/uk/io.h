/*
 * Ports, interrupts, devices' places, entropy. arch/ and drivers/.
 */
#ifndef UK_IO_H
#define UK_IO_H

#include <uk/types.h>

static inline void uk_out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void uk_out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline void uk_out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t uk_in8(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint16_t uk_in16(uint16_t port)
{
	uint16_t v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint32_t uk_in32(uint16_t port)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* Registers of a device, mapped by uk_io_map. Tests on the host play the device behind them. */
#if __STDC_HOSTED__
uint32_t uk_mmio_read32(const volatile void *at);
void uk_mmio_write32(volatile void *at, uint32_t v);
#else
static inline uint32_t uk_mmio_read32(const volatile void *at)
{
	return *(const volatile uint32_t *)at;
}
static inline void uk_mmio_write32(volatile void *at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}
#endif

/* A free interrupt vector that calls fn(arg) with interrupts off; its number, or -UK_ENOSPC.
 * arch/irq.c */
int uk_irq_alloc(void (*fn)(void *arg), void *arg);
void uk_irq_free(int vector);
uint64_t uk_irq_taken(void); /* since the machine started */
/* Message for MSI and MSI-X so that `vector` arrives at this processor. */
void uk_irq_msi(int vector, uint64_t *address, uint32_t *data);
/* Routes a line of the I/O APIC to a vector. */
int uk_irq_route_gsi(unsigned gsi, int vector, bool level, bool active_low);

/* Physical address of the ACPI RSDP from the start info, or found in low memory; 0: none.
 * arch/start.c */
uk_paddr_t uk_acpi_rsdp(void);
/* The ACPI table with this signature (mapped, whole, checksum good), NULL when there is none.
 * drivers/acpi.c */
const void *uk_acpi_table(const char signature[4], size_t *size);

/* Writes bytes to the console; any context. drivers/serial.c. Usable from the first instruction in
 * C. */
void uk_console_write(const char *data, size_t size);
/* NULL, or who wants to know what the console shows: the kernel's lines with their level (enum
 * uk_log_level) and without a newline, the program's bytes with -1. Any context but a panic's. */
extern void (*uk_console_tap)(int level, const char *data, size_t size);
/* From now on `fn` is called, in interrupt context, when there may be input (tty line discipline in
 * fs/). It is not called again for what it leaves with the device. */
void uk_console_listen(void (*fn)(void *arg));
/* Up to `room` bytes of input, as many as there are; any context, one caller at a time. What is not
 * read stays with the device, and its sender waits. */
size_t uk_console_read(uint8_t *to, size_t room);

/* An fw_cfg file into `data`, of uk_alloc: its size, or a negative errno (-UK_ENOENT: no such file
 * or no fw_cfg; -UK_EOVERFLOW: there is less room). Only while there is one thread. drivers/fwcfg.c
 */
int64_t uk_fwcfg_read(const char *name, void *data, size_t room);

/* The same from SMBIOS: OEM strings "NAME:" and hexadecimal digits. drivers/smbios.c */
int64_t uk_smbios_read(const char *name, void *data, size_t room);

/* Seconds since 1970 by the real-time clock, 0 when there is none. drivers/rtc.c */
int64_t uk_rtc_read(void);

/* `fn` is called, in interrupt context, when somebody presses the power button, if there is one: a
 * press from now on, heard of once uk_later's work is done. drivers/button.c */
void uk_power_button_listen(void (*fn)(void));

/* Random bytes: seeded by RDSEED or RDRAND, virtio-rng, else by timing (logged once); never before
 * seeded. core/random.c */
void uk_random(void *data, size_t size);
/* 64 random bits for what a program's start needs, places and AT_RANDOM, not for keys: the
 * processor's own where it gives such, without the pool, which many programs never ask. */
uint64_t uk_random_word(void);
void uk_random_add(const void *data, size_t size, unsigned bits);
/* One ChaCha20 block (RFC 8439, section 2.3); `tail` is counter and nonce. */
void uk_chacha20_block(const uint32_t key[8], const uint32_t tail[4], uint32_t out[16]);

#endif
