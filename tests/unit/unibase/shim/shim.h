/*
 * Kernel files on the host: the few services of core/, mm/ and drivers/ that fs/ and lib/ stand on,
 * by malloc, an arena of pages, coroutines and files. Threads switch only where the kernel's sleep,
 * so that a test repeats exactly.
 */
#ifndef SHIM_H
#define SHIM_H

#include <uk/block.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/thread.h>

/* -- memory -- */
/* At most this many pages from now on (all of the arena at first); frees everything the shrinkers
 * know before it says no. */
void shim_page_limit(size_t pages);
/* What is in use now is never given back, and does not count in what follows. */
void shim_pages_keep(void);
size_t shim_pages_used(void);
/* Bytes in pages of the boot image: reserved, page-aligned. */
void *shim_image(const void *data, size_t size);
void shim_image_drop(void *image, size_t size);
/* The nth allocation from now on fails (1: the next), pages too; 0: none. */
void shim_fail_allocation(size_t nth);
void shim_fail_allocations(size_t nth, size_t count); /* that one and those behind it */
size_t shim_allocations(void);			      /* so far */
size_t shim_allocated(void);			      /* blocks of uk_alloc that were not freed */

/* -- threads -- */
/* Lets the others run until all of them sleep; returns whether somebody ran. */
bool shim_run(void);
void shim_set_signal(bool pending); /* of every thread */
void shim_advance(uint64_t ns);	    /* the clock; timers run */

/* -- the log -- */
const char *shim_log(void); /* the last line */

/* -- console and signals -- */
const char *shim_console(void);	  /* what was written since the last call */
void shim_type(const char *text); /* input, as from the driver */
int shim_signal(void);		  /* the last one raised since then, 0: none */

/* -- block devices -- */
struct uk_block_dev *shim_block_file(const char *name, const char *path);
struct uk_block_dev *shim_block_data(const char *name, void *data, size_t size); /* borrowed */
/* The same, to be written to. */
struct uk_block_dev *shim_block_disk(const char *name, void *data, size_t size);
struct shim_write {
	uint64_t offset;
	size_t size; /* 0: a flush */
	void *data;
};
void shim_disk_log(bool on); /* starts anew, or ends and keeps what was logged */
const struct shim_write *shim_disk_writes(size_t *count);
void shim_disk_fail(size_t nth); /* the nth transfer and all behind it fail; 0: none */
void shim_block_forget(void);	 /* all of them */
size_t shim_block_reads(void);

/* -- start -- */
/* Name cache, shrinkers, an empty tmpfs as the root. Once in a program. */
void shim_vfs(void);

#endif
