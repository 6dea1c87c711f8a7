/*
 * Event channels, in their two-level form, and what shares their page: the clocks.
 *
 * All channels arrive at one interrupt vector of the first processor: its own where Xen knows how
 * (since 4.6), else the domain's one callback.
 */
#include "xen.h"
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>

#define PORTS_MAX 128 /* Xen gives the lowest free number */
#define CALLBACK_BY_VECTOR (2ull << 56)

enum {
	EVENT_BIND_VIRQ = 1,
	EVENT_CLOSE = 3,
	EVENT_SEND = 4,
	EVENT_ALLOC_UNBOUND = 6,
	EVENT_UNMASK = 9
};
enum { HVM_SET_UPCALL_VECTOR = 23 };
enum { VCPU_STOP_PERIODIC = 7, VCPU_SET_SINGLESHOT = 8, VCPU_STOP_SINGLESHOT = 9 };
enum { VIRQ_TIMER = 0 };

struct vcpu_info {
	volatile uint8_t pending, pad, mask, pad2[5];
	volatile uint64_t selector; /* words of `pending` that are not 0 */
	uint64_t arch[2];
	uint8_t time[32];
};

struct shared_info {
	struct vcpu_info vcpu[32];
	volatile uint64_t pending[64];
	volatile uint64_t mask[64];
	uint8_t wall[16];
};
_Static_assert(sizeof(struct vcpu_info) == 64, "public/xen.h");
_Static_assert(offsetof(struct shared_info, wall) == 3072, "public/xen.h");

static struct shared_info *shared UK_SEALED;
static struct {
	void (*fn)(void *arg);
	void *arg;
} handlers[PORTS_MAX];

static void look(uint64_t word)
{
	uint64_t ready = shared->pending[word] & ~shared->mask[word];

	for (; ready != 0; ready &= ready - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(ready);
		uint64_t port = word * 64 + bit;

		__atomic_fetch_and(&shared->pending[word], ~(1ull << bit), __ATOMIC_SEQ_CST);
		if (port < PORTS_MAX && handlers[port].fn != NULL)
			handlers[port].fn(handlers[port].arg);
	}
}

/* What becomes pending behind our back sets the first flag again, and with it the interrupt. */
static void upcall(void *arg)
{
	struct vcpu_info *v = &shared->vcpu[0];

	(void)arg;
	while (__atomic_exchange_n(&v->pending, 0, __ATOMIC_SEQ_CST) != 0) {
		uint64_t words = __atomic_exchange_n(&v->selector, 0, __ATOMIC_SEQ_CST);

		for (; words != 0; words &= words - 1)
			look((unsigned)__builtin_ctzll(words));
	}
}

/* The toolstack takes a domain with any callback at all for one that hears its orders. */
static bool route(int vector)
{
	struct {
		uint32_t vcpu;
		uint8_t vector;
	} own = { 0, (uint8_t)vector };

	if (uk_xen_hypercall(UK_XEN_HVM, HVM_SET_UPCALL_VECTOR, (uintptr_t)&own, 0) == 0)
		return uk_xen_param_set(UK_XEN_CALLBACK, 1);
	return uk_xen_param_set(UK_XEN_CALLBACK, CALLBACK_BY_VECTOR | (unsigned)vector);
}

bool uk_xen_events_start(void)
{
	struct uk_page *page = uk_page_alloc(0, false);
	int vector;

	if (page == NULL || !uk_xen_replace(UK_XEN_SHARED_INFO, 0, page))
		return false;
	shared = uk_page_virt(page);
	for (unsigned i = 0; i < UK_COUNT(shared->mask); i++)
		shared->mask[i] = UINT64_MAX;
	vector = uk_irq_alloc(upcall, NULL);
	return vector >= 0 && route(vector);
}

bool uk_xen_event_bind(uint32_t port, void (*fn)(void *arg), void *arg)
{
	if (port == 0 || port >= PORTS_MAX)
		return false;
	handlers[port].arg = arg;
	handlers[port].fn = fn;
	return uk_xen_hypercall(UK_XEN_EVENT, EVENT_UNMASK, (uintptr_t)&port, 0) == 0;
}

int uk_xen_event_new(uint16_t domain, void (*fn)(void *arg), void *arg)
{
	struct {
		uint16_t self, remote;
		uint32_t port;
	} e = { UK_XEN_SELF, domain, 0 };

	if (uk_xen_hypercall(UK_XEN_EVENT, EVENT_ALLOC_UNBOUND, (uintptr_t)&e, 0) != 0 ||
	    !uk_xen_event_bind(e.port, fn, arg))
		return -UK_ENOSPC;
	return (int)e.port;
}

void uk_xen_event_send(uint32_t port)
{
	uk_xen_hypercall(UK_XEN_EVENT, EVENT_SEND, (uintptr_t)&port, 0);
}

void uk_xen_event_close(uint32_t port)
{
	handlers[port].fn = NULL;
	uk_xen_hypercall(UK_XEN_EVENT, EVENT_CLOSE, (uintptr_t)&port, 0);
}

const void *uk_xen_clock(void)
{
	return uk_xen_start() ? shared->vcpu[0].time : NULL;
}

const void *uk_xen_wall(void)
{
	return shared->wall;
}

bool uk_xen_alarm_start(void (*fn)(void *arg))
{
	struct {
		uint32_t virq, vcpu, port;
	} b = { VIRQ_TIMER, 0, 0 };

	if (!uk_xen_start() ||
	    uk_xen_hypercall(UK_XEN_EVENT, EVENT_BIND_VIRQ, (uintptr_t)&b, 0) != 0)
		return false;
	uk_xen_hypercall(UK_XEN_VCPU, VCPU_STOP_PERIODIC, 0, 0);
	return uk_xen_event_bind(b.port, fn, NULL);
}

void uk_xen_alarm_set(uint64_t deadline)
{
	struct {
		uint64_t at;
		uint32_t flags;
	} t = { deadline, 0 };

	if (deadline == UK_FOREVER)
		uk_xen_hypercall(UK_XEN_VCPU, VCPU_STOP_SINGLESHOT, 0, 0);
	else
		uk_xen_hypercall(UK_XEN_VCPU, VCPU_SET_SINGLESHOT, 0, (uintptr_t)&t);
}
