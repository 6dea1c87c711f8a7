/*
 * An NVMe controller on the host, written from the specification (NVMe 1.4): it checks what the
 * driver tells it, and misbehaves where a test asks for that.
 */
#ifndef NVME_MODEL_H
#define NVME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_SECTORS 4096

struct nvme_model {
	/* What the test sets before it starts the driver. */
	uint32_t cap_low, cap_high, version;
	bool never_ready, fatal;
	int wrong_id;		   /* completion number from which ids are wrong; -1: never */
	uint8_t identify[3][4096]; /* namespace, controller, list */
	bool has_data;		   /* else transfers move nothing */
	uint32_t status;	   /* of I/O commands */
	bool hold;		   /* I/O commands stay unanswered */

	/* What the test may look at. */
	unsigned commands, flushes, largest, completions, stops;
	bool enabled;
	void (*interrupt)(void *arg);
	void *interrupt_arg;
	uint8_t disk[MODEL_SECTORS * 512];
};
extern struct nvme_model model;

/* A sound controller with one namespace. */
void model_reset(void);
/* Starts the driver on it; its result. */
int model_start(void);
/* Puts a completion into the I/O queue that answers nothing. */
void model_complete(uint16_t id, uint16_t status);
/* Gives the driver's memory back. */
void model_end(void);

#endif
