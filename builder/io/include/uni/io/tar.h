/*
 * Tar: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format".
 *
 * The writer makes ustar, with a pax header only before entries that need one, so that the same
 * entries give the same bytes for ever; a library's next version might choose otherwise. The reader
 * takes those two, GNU's long names and large numbers, and version 7; it bounds all that it reads
 * and knows no locale.
 */
#ifndef UNI_IO_TAR_H
#define UNI_IO_TAR_H

#include <uni/io/entry.h>
#include <uni/io/source.h>

struct uni_tar_writer;
/* `sink` is borrowed, and not finished here. */
struct uni_tar_writer *uni_tar_writer_new(struct uni_sink *sink);
/* Starts an entry; exactly entry->size bytes of data follow. UNI_E_INVAL for what tar cannot say.
 */
int uni_tar_writer_entry(struct uni_tar_writer *tar, const struct uni_entry *entry,
			 struct uni_err *err);
int uni_tar_writer_data(struct uni_tar_writer *tar, const void *data, size_t size,
			struct uni_err *err);
/* The end of the archive: two zero blocks. */
int uni_tar_writer_end(struct uni_tar_writer *tar, struct uni_err *err);
void uni_tar_writer_free(struct uni_tar_writer *tar);
UNI_AUTO_DEFINE(uni_tar_writer)

struct uni_tar_limits {
	uint64_t entries;
	uint64_t size;	  /* bytes of all files together */
	size_t path_size; /* bytes of a path or a link's target; at most 65535 */
	bool open_end;	  /* it may end without its zero blocks: where a digest says that it is
			     whole, as umoci's layers without them are */
};
#define UNI_TAR_LIMITS_INIT                                                                        \
	{                                                                                          \
		.entries = 1u << 20, .size = UINT64_C(1) << 40, .path_size = 4095                  \
	}

struct uni_tar_reader;
/* `source` is borrowed; `name` (for errors) is copied. */
struct uni_tar_reader *uni_tar_reader_new(struct uni_source *source,
					  const struct uni_tar_limits *limits, const char *name);
/*
 * 1: the next entry, which lives until the next call; 0: the end; negative: an error. What was not
 * read of the entry before is skipped. A path comes normalised (also "./" and "/" in front gone);
 * one with ".." is UNI_E_INVAL, as is a hard link's target. UNI_E_UNSUPPORTED for sparse and
 * unknown kinds of entries.
 */
int uni_tar_reader_next(struct uni_tar_reader *tar, const struct uni_entry **entry,
			struct uni_err *err);
/* The entry's data; *got is 0 at its end. */
int uni_tar_reader_data(struct uni_tar_reader *tar, void *data, size_t size, size_t *got,
			struct uni_err *err);
void uni_tar_reader_free(struct uni_tar_reader *tar);
UNI_AUTO_DEFINE(uni_tar_reader)

#endif
