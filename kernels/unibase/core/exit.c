/*
 * The ends of a machine: the exit record on its port, QEMU's debug-exit port, whatever a driver
 * registered to switch off, and at last a halt. See uni/abi/exit.h.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/smp.h>
#include <uni/abi/exit.h>

#define SWITCHES_MAX 8
#define PRESENT 0xe9 /* what isa-debugcon reads as */

static void (*poweroff[SWITCHES_MAX])(void);
static void (*reboot[SWITCHES_MAX])(void);
static void (*hypervisor)(const struct uni_exit_record *record, bool again);

static void add(void (**list)(void), void (*fn)(void))
{
	for (unsigned i = 0; i < SWITCHES_MAX; i++) {
		if (list[i] == NULL) {
			list[i] = fn;
			return;
		}
	}
	uk_log(UK_LOG_WARN, "too many ways to switch the machine off");
}

void uk_poweroff_register(void (*fn)(void))
{
	add(poweroff, fn);
}

void uk_reboot_register(void (*fn)(void))
{
	add(reboot, fn);
}

void uk_end_register(void (*fn)(const struct uni_exit_record *record, bool again))
{
	hypervisor = fn;
}

static void make_record(struct uni_exit_record *r, unsigned kind, int status, uint64_t ip,
			uint64_t address, const char *text)
{
	*r = (struct uni_exit_record){
		.magic = UNI_EXIT_MAGIC,
		.size = sizeof(*r),
		.kind = kind,
		.status = status,
		.ip = ip,
		.address = address,
	};
	uk_strlcpy(r->text, text != NULL ? text : "", sizeof(r->text));
	r->crc32c = uni_crc32c(0, r, sizeof(*r));
}

static void write_record(const struct uni_exit_record *r)
{
	const uint8_t *bytes = (const uint8_t *)r;

	if (uk_in8(UNI_EXIT_RECORD_PORT) != PRESENT)
		return;
	for (size_t i = 0; i < sizeof(*r); i++)
		uk_out8(UNI_EXIT_RECORD_PORT, bytes[i]);
}

static uint32_t debug_code(unsigned kind, int status)
{
	switch ((enum uni_exit_kind)kind) {
	case UNI_EXIT_STATUS:
		return status >= 0 && status <= UNI_DEBUG_EXIT_STATUS_MAX ? (uint32_t)status
									  : UNI_DEBUG_EXIT_LARGE;
	case UNI_EXIT_SIGNAL:
		return UNI_DEBUG_EXIT_SIGNAL;
	case UNI_EXIT_FAULT:
		return UNI_DEBUG_EXIT_FAULT;
	case UNI_EXIT_POWER:
		return UNI_DEBUG_EXIT_POWER;
	case UNI_EXIT_PANIC:
		break;
	}
	return UNI_DEBUG_EXIT_PANIC;
}

void uk_machine_restart(unsigned kind, int status, uint64_t ip, uint64_t address, const char *text)
{
	struct uni_exit_record record;

	uk_irq_off();
	uk_smp_stop();
	make_record(&record, kind, status, ip, address, text);
	write_record(&record);
	if (hypervisor != NULL)
		hypervisor(&record, true);
	for (unsigned i = 0; i < SWITCHES_MAX; i++)
		if (reboot[i] != NULL)
			reboot[i]();
	uk_machine_end(kind, status, ip, address, text);
}

void uk_machine_end(unsigned kind, int status, uint64_t ip, uint64_t address, const char *text)
{
	struct uni_exit_record record;

	uk_irq_off();
	uk_smp_stop();
	make_record(&record, kind, status, ip, address, text);
	write_record(&record);
	uk_out32(UNI_EXIT_DEBUG_PORT, debug_code(kind, status));
	if (hypervisor != NULL)
		hypervisor(&record, false);
	for (unsigned i = 0; i < SWITCHES_MAX; i++)
		if (poweroff[i] != NULL)
			poweroff[i]();
	for (;;)
		__asm__ volatile("hlt");
}
