/*
 * How a machine ended: the guest's record where there is one, else what the emulator's status
 * tells.
 */
#include <signal.h>
#include <string.h>
#include <uni/vm/vm.h>

#include "vm_internal.h"

#define STATUS_UNKNOWN 125
#define STATUS_FAULT 134
#define STATUS_READER_LEFT (128 + SIGPIPE) /* as a filter's */

bool vm_record_check(const void *data, size_t size, struct uni_exit_record *record)
{
	struct uni_exit_record copy;

	if (size < sizeof(copy))
		return false;
	memcpy(&copy, data, sizeof(copy));
	copy.crc32c = 0;
	memcpy(record, data, sizeof(*record));
	if (memcmp(record->magic, UNI_EXIT_MAGIC, sizeof(record->magic)) != 0 ||
	    record->size != sizeof(*record) || uni_crc32c(0, &copy, sizeof(copy)) != record->crc32c)
		return false;
	record->text[sizeof(record->text) - 1] = '\0';
	return true;
}

static int from_record(const struct uni_exit_record *record, struct uni_buf *text)
{
	switch (record->kind) {
	case UNI_EXIT_STATUS:
		return record->status & 0xff;
	case UNI_EXIT_POWER:
		return 0;
	case UNI_EXIT_SIGNAL:
		uni_buf_printf(text, "the program was ended by signal %d", record->status);
		if (record->text[0] != '\0')
			uni_buf_printf(text, " (%s)", record->text);
		return 128 + (record->status & 0x7f);
	case UNI_EXIT_FAULT:
		uni_buf_printf(text, "the program faulted at 0x%llx touching 0x%llx: %s",
			       (unsigned long long)record->ip, (unsigned long long)record->address,
			       record->text);
		return STATUS_FAULT;
	case UNI_EXIT_PANIC:
		uni_buf_printf(text, "the kernel panicked at 0x%llx: %s",
			       (unsigned long long)record->ip, record->text);
		return STATUS_FAULT;
	default:
		uni_buf_printf(text, "the machine ended in an unknown way (%u)", record->kind);
		return STATUS_UNKNOWN;
	}
}

/* isa-debug-exit: the emulator's status is the guest's value times two plus one; so 1, by which an
 * emulator says that it could not start, would be a program's success. Guests that can say that
 * leave a record. */
static int from_status(int status, struct uni_buf *text)
{
	int value = status >> 1;

	if (status == 1) {
		uni_buf_puts(text, "the emulator could not run the machine");
		return STATUS_UNKNOWN;
	}
	if (status == 0 || (status & 1) == 0 || status > 255) {
		uni_buf_printf(text,
			       "the machine ended without saying how (the emulator's status is %d)",
			       status);
		return STATUS_UNKNOWN;
	}
	if (value <= UNI_DEBUG_EXIT_STATUS_MAX)
		return value;
	switch (value) {
	case UNI_DEBUG_EXIT_POWER:
		return 0;
	case UNI_DEBUG_EXIT_SIGNAL:
		uni_buf_puts(text, "the program was ended by a signal");
		return STATUS_FAULT;
	case UNI_DEBUG_EXIT_FAULT:
		uni_buf_puts(text, "the program faulted");
		return STATUS_FAULT;
	case UNI_DEBUG_EXIT_PANIC:
		uni_buf_puts(text, "the kernel or its loader could not go on");
		return STATUS_FAULT;
	default:
		uni_buf_puts(text, "the program ended with a status that was not recorded");
		return STATUS_UNKNOWN;
	}
}

int uni_vm_status(const struct uni_vm_result *result, struct uni_buf *text)
{
	uni_buf_clear(text);
	if (result->reader_left)
		return STATUS_READER_LEFT;
	return result->has_record ? from_record(&result->record, text)
				  : from_status(result->emulator_status, text);
}
