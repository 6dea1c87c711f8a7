/*
 * The inside of a pipe, for those who move bytes between it and files: pipe.c, splice.c.
 */
#ifndef UK_FS_PIPE_H
#define UK_FS_PIPE_H

#include "fs.h"

struct fs_pipe {
	struct uk_mutex lock;
	struct uk_waitq to_read, to_write;
	struct uk_page **page; /* [pages]; those that hold nothing may be NULL */
	unsigned pages;
	uint64_t head, tail; /* where the first byte stands, and where the next one will */
	/* pipe.c's, looked at without the lock. */
	unsigned readers, writers;
	unsigned readers_ever, writers_ever; /* openings, for who waits for one */
};

static inline uint64_t fs_pipe_capacity(const struct fs_pipe *pipe)
{
	return (uint64_t)pipe->pages * UK_PAGE_SIZE;
}

static inline uint64_t fs_pipe_used(const struct fs_pipe *pipe)
{
	return pipe->tail - pipe->head;
}

/* As on Linux a page is free when all of it was read: the ring never holds two ends of the bytes in
 * one page. */
static inline uint64_t fs_pipe_room(const struct fs_pipe *pipe)
{
	return UK_ALIGN_DOWN(pipe->head, UK_PAGE_SIZE) + fs_pipe_capacity(pipe) - pipe->tail;
}

static inline struct uk_page **fs_pipe_page(struct fs_pipe *pipe, uint64_t position)
{
	return &pipe->page[(position >> UK_PAGE_SHIFT) % pipe->pages];
}

struct fs_pipe *fs_pipe_of(const struct uk_file *file); /* NULL: it is none */
/* Under the lock; as much as there is or fits; nobody is woken. */
int64_t fs_pipe_take(struct fs_pipe *pipe, struct uk_iter *to);
int64_t fs_pipe_give(struct fs_pipe *pipe, struct uk_iter *from);
/* `size` bytes of the page at the head were taken. */
void fs_pipe_taken(struct fs_pipe *pipe, uint64_t size);

#endif
