/*
 * Transfers in flight, for drivers of disks: slots, transfers that wait for one, and transfers that
 * take several turns because the device takes no more at once. A driver says how a turn is started
 * and when one has ended; all its own work happens under the lock here.
 */
#ifndef UK_TURNS_H
#define UK_TURNS_H

#include <uk/block.h>
#include <uk/lock.h>
#include <uk/thread.h>

struct uk_turn {
	struct uk_block_req *req; /* NULL: the slot is free */
	struct uk_block_dev *dev;
	uint64_t done;	   /* bytes that turns have covered */
	uint32_t seg_done; /* of them in the segment */
	unsigned seg;
	bool under_way; /* the device has it */
	uint32_t since; /* then */
	struct uk_turn *next;
};

struct uk_turns {
	/*
	 * Starts the next turn of a slot's transfer, and moves the slot on by as much
	 * (uk_turn_take). -UK_ENOSPC: the device has no room now; else negative errno, with which
	 * the transfer ends.
	 */
	int (*start)(struct uk_turns *t, struct uk_turn *turn);
	void (*kick)(struct uk_turns *t); /* tells the device of what was started */
	/* The device is silent for too long: it is to touch no memory any more. */
	void (*stop)(struct uk_turns *t);
	struct uk_timer watch;
	uint32_t now; /* in periods of it */
	bool warned;
	struct uk_spinlock lock;
	bool dead; /* nothing is started any more: transfers end in -UK_EIO */
	bool started;
	struct uk_turn *slots, *free, *stuck;
	unsigned count;
	struct uk_list waiting;
};

int uk_turns_open(struct uk_turns *t, unsigned count);
void uk_turns_close(struct uk_turns *t); /* nothing is in flight */
static inline unsigned uk_turn_index(const struct uk_turns *t, const struct uk_turn *turn)
{
	return (unsigned)(turn - t->slots);
}
/* The next piece of the transfer's memory: the rest of its segment; false at its end. */
bool uk_turn_next(const struct uk_turn *turn, uint64_t *paddr, uint32_t *size);
/* So much of that piece belongs to the turn. */
void uk_turn_take(struct uk_turn *turn, uint32_t size);

void uk_turns_submit(struct uk_turns *t, struct uk_block_dev *dev, struct uk_block_req *req);

/* The next name of a disk of the SCSI kind: "sda", "sdb". */
void uk_disk_name(char *to, size_t room);

/* In the device's interrupt: begin, any of the next four, finish. */
struct uk_turns_work {
	uint64_t state;
	struct uk_list ended;
};
void uk_turns_begin(struct uk_turns *t, struct uk_turns_work *work);
/* The slot's turn ended; the transfer goes on, or ends: with `status` if that is not 0. */
void uk_turns_done(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn,
		   int status);
/* The slot is as it was before its turn, which is started again. */
void uk_turns_again(struct uk_turns *t, struct uk_turns_work *work, struct uk_turn *turn);
/* The slot that a device names; NULL: it names none that is in flight. */
struct uk_turn *uk_turns_slot(struct uk_turns *t, uint64_t index);
/* The device is stopped, and touches no memory: all transfers end. */
void uk_turns_fail(struct uk_turns *t, struct uk_turns_work *work);
void uk_turns_finish(struct uk_turns *t, struct uk_turns_work *work);

#endif
