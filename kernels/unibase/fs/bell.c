/*
 * The doorbell (uni/abi/bell.h): a tiny disk that this machine may write. When its configuration
 * changes somebody has knocked; what is written into it is the answer. Under Xen, where there is no
 * such disk, xenstore is the same.
 */
#include <uk/block.h>
#include <uk/log.h>
#include <uk/xen.h>
#include <uni/abi/bell.h>

#include "fs.h"

enum { BELL_MAX = 1 << 20 }; /* bytes; a larger disk is not looked at, which costs time */

static struct uk_block_dev *bell;
static void (*on_ring)(void);
static uint32_t room;  /* answers that it holds */
static uint32_t order; /* block of the order, 0: none */
static bool by_xenstore;

static void changed(struct uk_block_dev *dev)
{
	(void)dev;
	on_ring();
}

static bool may_be_bell(const struct uk_block_dev *dev)
{
	return !dev->read_only && dev->memory == NULL && dev->size >= 2 * UNI_BELL_BLOCK &&
	       dev->size <= BELL_MAX;
}

static bool is_bell(struct uk_block_dev *dev, struct uni_bell_head *head)
{
	uint64_t blocks = dev->size / UNI_BELL_BLOCK;

	return may_be_bell(dev) && uk_block_read(dev, 0, head, sizeof(*head)) == 0 &&
	       memcmp(head->magic, UNI_BELL_MAGIC, sizeof(head->magic)) == 0 &&
	       head->version == UNI_BELL_VERSION && head->blocks < blocks &&
	       (head->order == 0 || (head->order > head->blocks && head->order < blocks - 1));
}

bool fs_bell_may_be(void)
{
	struct uk_block_dev *dev = NULL;

	while ((dev = uk_block_disk_next(dev)) != NULL)
		if (may_be_bell(dev))
			return true;
	return uk_xen_start();
}

bool fs_bell_start(void (*rung)(void))
{
	struct uni_bell_head *head = uk_alloc(sizeof(*head));
	struct uk_block_dev *dev = NULL;

	if (head == NULL)
		return false;
	while ((dev = uk_block_disk_next(dev)) != NULL)
		if (is_bell(dev, head))
			break;
	if (dev != NULL) {
		on_ring = rung;
		room = head->blocks;
		order = head->order;
		dev->changed = changed;
		bell = dev;
	}
	uk_free(head);
	by_xenstore = bell == NULL && uk_xen_bell_listen(rung) == 0;
	return bell != NULL || by_xenstore;
}

static void put(uint32_t block, void *data)
{
	uni_bell_seal(data);
	if (uk_block_write(bell, (uint64_t)block * UNI_BELL_BLOCK, data, UNI_BELL_BLOCK) != 0)
		uk_log(UK_LOG_ERROR, "the doorbell %s cannot be written", bell->name);
}

static bool get(uint32_t block, void *data)
{
	return uk_block_read(bell, (uint64_t)block * UNI_BELL_BLOCK, data, UNI_BELL_BLOCK) == 0 &&
	       uni_bell_sound(data);
}

void fs_bell_answer(unsigned index, struct uni_bell_answer *answer)
{
	static uint32_t knocks;

	if (by_xenstore)
		uk_xen_bell_answer(index, answer->generation, answer->pinned, answer->refused,
				   answer->reason);
	if (bell == NULL || index >= room)
		return;
	answer->knocks = ++knocks;
	put(index + 1, answer);
}

bool fs_bell_order(struct uni_bell_order *out)
{
	if (by_xenstore)
		return uk_xen_bell_order(out, sizeof(*out)) && uni_bell_sound(out);
	return bell != NULL && order != 0 && get(order, out);
}

void fs_bell_reply(struct uni_bell_reply *reply)
{
	if (by_xenstore)
		uk_xen_bell_reply(reply->number, reply->error, reply->text);
	else
		put(order + 1, reply);
}

uint64_t fs_bell_replied(void)
{
	struct uni_bell_reply *reply = uk_alloc(sizeof(*reply));
	uint64_t number = 0;

	if (reply != NULL && bell != NULL && order != 0 && get(order + 1, reply))
		number = reply->number;
	uk_free(reply);
	return number;
}
