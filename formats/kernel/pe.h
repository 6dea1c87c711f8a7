/*
 * Internal: what sealing and signing want of a PE32+ file (Microsoft, "PE Format"): where its
 * fields lie, after every offset was checked.
 */
#ifndef UNI_KERNEL_PE_INTERNAL_H
#define UNI_KERNEL_PE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <uni/base/text.h>

struct pe {
	size_t checksum;     /* of the field */
	size_t certificates; /* of the certificate table's directory entry */
	size_t sections;     /* of the section table */
	unsigned section_count;
	size_t end; /* of the last section's bytes; headers and sections lie behind each other */
};

/* UNI_E_INVAL when it is not x86-64, or has gaps or what no section holds. */
int pe_read(const struct uni_buf *file, const char *name, struct pe *pe, struct uni_err *err);
/* Offset and stored size of a section by its eight characters; false: none. */
bool pe_section(const struct uni_buf *file, const struct pe *pe, const char *name, size_t *offset,
		size_t *size);
void pe_put32(struct uni_buf *file, size_t at, uint32_t value);
/* Sums the file up into its header. */
void pe_update_checksum(struct uni_buf *file, const struct pe *pe);

#endif
