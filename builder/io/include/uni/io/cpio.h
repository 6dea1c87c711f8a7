/*
 * Cpio archives as the Linux kernel unpacks them at its start ("newc"; Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst). Inode numbers count up from 1, so
 * the bytes follow from the entries and their order alone.
 */
#ifndef UNI_IO_CPIO_H
#define UNI_IO_CPIO_H

#include <uni/io/entry.h>
#include <uni/io/sink.h>

struct uni_cpio_writer;
/* `sink` is borrowed, and not finished here. */
struct uni_cpio_writer *uni_cpio_writer_new(struct uni_sink *sink);
/* Starts an entry; exactly entry->size bytes of data follow. UNI_E_UNSUPPORTED for hard links and
 * extended attributes, UNI_E_LIMIT for files of 4 GiB and more and times that are not in 32 bits.
 */
int uni_cpio_writer_entry(struct uni_cpio_writer *cpio, const struct uni_entry *entry,
			  struct uni_err *err);
int uni_cpio_writer_data(struct uni_cpio_writer *cpio, const void *data, size_t size,
			 struct uni_err *err);
/* The trailer, padded to 512 bytes. */
int uni_cpio_writer_end(struct uni_cpio_writer *cpio, struct uni_err *err);
void uni_cpio_writer_free(struct uni_cpio_writer *cpio);
UNI_AUTO_DEFINE(uni_cpio_writer)

#endif
