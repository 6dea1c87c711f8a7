/*
 * Work that waits until nobody is in a hurry: see uk/start.h.
 */
#include <uk/clock.h>
#include <uk/log.h>
#include <uk/smp.h>
#include <uk/start.h>

#define SOON_NS 20000000

static void (*work[UK_LATER_MAX])(void);
static unsigned count;

void uk_later(void (*fn)(void))
{
	uint64_t state = uk_irq_save();

	uk_assert(count < UK_LATER_MAX);
	work[count++] = fn;
	uk_irq_restore(state);
}

void uk_later_start(void)
{
	if (count != 0)
		uk_tick_soon(SOON_NS);
}

void uk_later_run(void)
{
	unsigned n = __atomic_exchange_n(&count, 0, __ATOMIC_ACQ_REL);
	bool entered;

	if (n == 0)
		return;
	entered = uk_kernel_enter();
	for (unsigned i = 0; i < n; i++)
		work[i]();
	if (entered)
		uk_kernel_leave();
}
