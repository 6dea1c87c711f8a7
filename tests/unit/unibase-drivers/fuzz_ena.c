/*
 * An Elastic Network Adapter that says anything of itself, and completes anything. The model ends
 * the process when the driver breaks a rule.
 */
#include "ena_model.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next two bytes; 0 at the end. */
static unsigned take(const uint8_t **data, size_t *size)
{
	unsigned v = 0;

	for (unsigned i = 0; i < 2 && *size != 0; i++, (*size)--)
		v = v << 8 | *(*data)++;
	return v;
}

static void act(const uint8_t **data, size_t *size)
{
	static uint8_t frame[200];
	static unsigned token;
	const struct uk_net_seg segs[2] = { { frame, 60 }, { frame + 60, 140 } };
	const struct uk_net_offload none = { .checksum = false };
	unsigned what = take(data, size);

	switch (what % 5) {
	case 0:
		if (ena.dev->link &&
		    ena.dev->ops->transmit(ena.dev, segs, 1 + (what >> 8) % 2, &none, &token) == 0)
			ena.dev->ops->flush(ena.dev);
		break;
	case 1:
		if (ena.dev->link)
			(void)ena_model_deliver(frame, 1 + (what >> 8) % 200, 64, 0);
		break;
	case 2:
		if (ena.running)
			ena_model_tx_done((uint16_t)take(data, size));
		break;
	case 3:
		if (ena.running)
			ena_model_rx_done((uint16_t)take(data, size), (uint16_t)take(data, size),
					  (uint8_t)(what >> 8),
					  take(data, size) | (uint32_t)(what & 0xc00) << 16);
		break;
	default:
		if (ena.running)
			ena_model_event((uint16_t)(take(data, size) % 8), what >> 8);
		break;
	}
	(void)ena.dev->ops->poll(ena.dev, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t *words[] = { ena.attributes, ena.queues, ena.push };
	unsigned changes = take(&data, &size) % 16;

	if ((changes & 1) != 0)
		ena_model_push((changes & 2) != 0, (changes & 4) != 0 ? 2048 : 0);
	else
		ena_model_reset();
	for (; changes != 0; changes--) {
		unsigned which = take(&data, &size);

		words[which % 3][which / 3 % 11] = take(&data, &size) << (which >> 11);
	}
	/* The model takes what it has itself said. */
	ena.attributes[2] = ena.features;
	if (ena_model_start() == 0)
		while (size != 0)
			act(&data, &size);
	ena_model_end();
	return 0;
}
