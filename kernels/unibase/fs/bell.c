/*
 * The doorbell (uni/abi/live.h): a tiny disk that this machine may write. When its configuration
 * changes somebody has knocked; what is written into it is the answer.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uni/abi/live.h>

#include "fs.h"

static struct uk_block_dev *bell;
static void (*on_ring)(void);
static uint32_t room; /* answers that it holds */

static void changed(struct uk_block_dev *dev)
{
	(void)dev;
	on_ring();
}

static bool is_bell(struct uk_block_dev *dev, struct uni_bell_head *head)
{
	return !dev->read_only && dev->parent == NULL && dev->memory == NULL &&
	       dev->size >= 2 * UNI_BELL_BLOCK && uk_block_read(dev, 0, head, sizeof(*head)) == 0 &&
	       memcmp(head->magic, UNI_BELL_MAGIC, sizeof(head->magic)) == 0 &&
	       head->version == UNI_BELL_VERSION && head->blocks <= dev->size / UNI_BELL_BLOCK - 1;
}

bool fs_bell_start(void (*rung)(void))
{
	struct uni_bell_head *head = uk_alloc(sizeof(*head));
	struct uk_block_dev *dev = NULL;

	if (head == NULL)
		return false;
	while ((dev = uk_block_next(dev)) != NULL)
		if (is_bell(dev, head))
			break;
	if (dev != NULL) {
		on_ring = rung;
		room = head->blocks;
		dev->changed = changed;
		bell = dev;
	}
	uk_free(head);
	return bell != NULL;
}

void fs_bell_answer(unsigned index, struct uni_bell_answer *answer)
{
	static uint32_t knocks;

	if (bell == NULL || index >= room)
		return;
	memcpy(answer->magic, UNI_BELL_MAGIC, sizeof(answer->magic));
	answer->version = UNI_BELL_VERSION;
	answer->knocks = ++knocks;
	answer->crc32c = uni_crc32c(0, answer, offsetof(struct uni_bell_answer, crc32c));
	if (uk_block_write(bell, (uint64_t)(index + 1) * UNI_BELL_BLOCK, answer, sizeof(*answer)) !=
	    0)
		uk_log(UK_LOG_ERROR, "the doorbell %s cannot be written", bell->name);
}
