/*
 * The ends of a machine: the exit record on its port, QEMU's debug-exit port, the
 * hypervisor's own way, what drivers/power.c finds, and at last a halt. See uni/abi/exit.h.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/smp.h>
#include <uni/abi/exit.h>

#define PRESENT 0xe9 /* what isa-debugcon reads as */

static void (*hypervisor)(const struct uni_exit_record *record, bool again);

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

/* To who listens: mostly nobody, who is not written for. */
UK_ASIDE void write_record(unsigned kind, int status, uint64_t ip, uint64_t address,
			   const char *text)
{
	struct uni_exit_record r;
	const uint8_t *bytes = (const uint8_t *)&r;

	make_record(&r, kind, status, ip, address, text);
	for (size_t i = 0; i < sizeof(r); i++)
		uk_out8(UNI_EXIT_RECORD_PORT, bytes[i]);
}

UK_ASIDE void tell_hypervisor(unsigned kind, int status, uint64_t ip, uint64_t address,
			      const char *text, bool again)
{
	struct uni_exit_record r;

	make_record(&r, kind, status, ip, address, text);
	hypervisor(&r, again);
}

static uint32_t debug_code(unsigned kind, int status)
{
	static const uint8_t codes[] = {
		[UNI_EXIT_STATUS] = UNI_DEBUG_EXIT_LARGE, [UNI_EXIT_SIGNAL] = UNI_DEBUG_EXIT_SIGNAL,
		[UNI_EXIT_FAULT] = UNI_DEBUG_EXIT_FAULT,  [UNI_EXIT_PANIC] = UNI_DEBUG_EXIT_PANIC,
		[UNI_EXIT_POWER] = UNI_DEBUG_EXIT_POWER,
	};

	if (kind == UNI_EXIT_STATUS && (unsigned)status <= UNI_DEBUG_EXIT_STATUS_MAX)
		return (uint32_t)status;
	return kind < UK_COUNT(codes) ? codes[kind] : UNI_DEBUG_EXIT_PANIC;
}

void uk_machine_restart(unsigned kind, int status, uint64_t ip, uint64_t address, const char *text)
{
	uk_irq_off();
	uk_smp_stop();
	if (uk_in8(UNI_EXIT_RECORD_PORT) == PRESENT)
		write_record(kind, status, ip, address, text);
	if (hypervisor != NULL)
		tell_hypervisor(kind, status, ip, address, text, true);
	uk_power_reset();
	uk_machine_end(kind, status, ip, address, text);
}

void uk_machine_end(unsigned kind, int status, uint64_t ip, uint64_t address, const char *text)
{
	uk_irq_off();
	uk_smp_stop();
	if (uk_in8(UNI_EXIT_RECORD_PORT) == PRESENT)
		write_record(kind, status, ip, address, text);
	uk_out32(UNI_EXIT_DEBUG_PORT, debug_code(kind, status));
	if (hypervisor != NULL)
		tell_hypervisor(kind, status, ip, address, text, false);
	uk_power_off();
	for (;;)
		__asm__ volatile("hlt");
}
