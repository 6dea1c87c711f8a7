/*
 * NVMe controllers (NVM Express Base Specification 1.4): their rings and what the parts of the
 * driver share. nvme.c brings a controller up, nvme_io.c moves data.
 */
#ifndef UK_NVME_H
#define UK_NVME_H

#include "drivers.h"
#include "turns.h"

struct nvme_command { /* 4.2 */
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t namespace;
	uint64_t reserved;
	uint64_t metadata;
	uint64_t prp[2];
	uint32_t dword[6]; /* command dwords 10 to 15 */
};

struct nvme_completion { /* 4.6 */
	uint32_t result;
	uint32_t reserved;
	uint16_t head;
	uint16_t queue;
	uint16_t id;
	uint16_t status; /* bit 0: the phase */
};

_Static_assert(sizeof(struct nvme_command) == 64, "NVMe 4.2");
_Static_assert(sizeof(struct nvme_completion) == 16, "NVMe 4.6");

#define NVME_PAGE 4096u
#define NVME_RING_MAX 64 /* commands: a page of them */

/* A submission queue with its completion queue, a page each. */
struct nvme_ring {
	struct nvme_command *commands;
	volatile struct nvme_completion *completions;
	volatile void *command_bell;
	volatile void *completion_bell;
	uint16_t size;
	uint16_t tail; /* of commands */
	uint16_t head; /* of completions */
	uint16_t phase;
};

struct nvme {
	struct uk_pci_dev *pci;
	volatile uint8_t *registers;
	unsigned number; /* among controllers */
	unsigned stride; /* bytes from one doorbell to the next */
	uint16_t most;	 /* entries of a queue that it takes */
	unsigned ready_ms;
	uint32_t version;
	uint32_t transfer_max; /* bytes of a command */
	bool can_flush;
	struct nvme_ring admin;
	uint16_t admin_id;

	/* One pair, for the one processor that there is. */
	struct nvme_ring io;
	struct uk_turns turns;
	uint64_t *lists; /* of pages, for each slot */
};

struct nvme_namespace {
	struct uk_block_dev block;
	struct nvme *nvme;
	uint32_t id;
};

/* nvme.c */
void nvme_ring_add(struct nvme_ring *ring, const struct nvme_command *command);
void nvme_ring_kick(struct nvme_ring *ring);
/* The next completion; false when there is none. */
bool nvme_ring_take(struct nvme_ring *ring, struct nvme_completion *out);
/* Stops the controller: it touches no memory afterwards. */
void nvme_stop(struct nvme *nvme);

/* nvme_io.c */
extern const struct uk_block_ops nvme_operations;
/* Makes slots for the I/O ring, which is open. */
int nvme_io_start(struct nvme *nvme);
void nvme_interrupt(void *nvme);

#endif
