/*
 * What the files of this folder share. Structures and numbers are those of Xen's public interface
 * (xen/include/public: xen.h, event_channel.h, grant_table.h, memory.h, sched.h, vcpu.h,
 * hvm/params.h, io/xs_wire.h, io/console.h).
 *
 * The other side of every ring is another virtual machine: what it writes is copied once, bounded,
 * and then used. A backend that breaks the rules loses its device; nothing more.
 */
#ifndef UK_XEN_INTERNAL_H
#define UK_XEN_INTERNAL_H

#include <uk/mem.h>
#include <uk/thread.h>
#include <uk/xen.h>

#define UK_XEN_SELF 0x7ff0u

enum uk_xen_call {
	UK_XEN_MEMORY = 12,
	UK_XEN_GRANT = 20,
	UK_XEN_VCPU = 24,
	UK_XEN_SCHED = 29,
	UK_XEN_EVENT = 32,
	UK_XEN_HVM = 34,
};
enum uk_xen_param {
	UK_XEN_CALLBACK = 0,
	UK_XEN_STORE_PAGE = 1,
	UK_XEN_STORE_PORT = 2,
	UK_XEN_CONSOLE_PAGE = 17,
	UK_XEN_CONSOLE_PORT = 18,
};
enum uk_xen_space { UK_XEN_SHARED_INFO = 0, UK_XEN_GRANT_TABLE = 1 };
enum uk_xen_end { UK_XEN_POWEROFF = 0, UK_XEN_REBOOT = 1, UK_XEN_CRASH = 3 };

/* xen.c */
int64_t uk_xen_hypercall(enum uk_xen_call call, uint64_t a, uint64_t b, uint64_t c);
uint64_t uk_xen_param(enum uk_xen_param index); /* 0: not set */
bool uk_xen_param_set(enum uk_xen_param index, uint64_t value);
/* A ring of the toolstack's, from the frame whose number is a parameter; NULL: there is none. */
volatile void *uk_xen_param_page(enum uk_xen_param index);
/* Puts one of Xen's frames into the place of ours, which goes back to Xen. */
bool uk_xen_replace(enum uk_xen_space space, uint64_t index, const struct uk_page *page);
/* Takes the emulated disks and networks away, for which HVM guests have the same by their backends:
 * nobody may write to a disk by two ways. */
void uk_xen_unplug(void);
void uk_xen_shutdown(enum uk_xen_end reason);
static inline void uk_xen_yield(void)
{
	uk_xen_hypercall(UK_XEN_SCHED, 0, 0, 0);
}

/* event.c: channels. `fn` runs in interrupt context, whenever the other side has said something. */
bool uk_xen_events_start(void);
bool uk_xen_event_bind(uint32_t port, void (*fn)(void *arg), void *arg);
/* A new channel that `domain` may bind to: the port, or negative errno. */
int uk_xen_event_new(uint16_t domain, void (*fn)(void *arg), void *arg);
void uk_xen_event_send(uint32_t port);
/* A new channel's end; `fn` is not called any more. */
void uk_xen_event_close(uint32_t port);

/* grant.c: a frame that `domain` may map from now on: the reference, or negative errno. */
int uk_xen_grant(uint16_t domain, const struct uk_page *page);
/* Takes it back; false, and nothing has changed, while the domain has the frame mapped. */
bool uk_xen_grant_end(uint32_t reference);

/* console.c */
void uk_xen_console_start(void);

/* store.c: the client of xenstore. Paths are `directory`/`node`; all of these sleep. */
#define UK_XEN_VALUE_MAX 4096
bool uk_xen_store_start(void);
/* The value with a NUL behind it; its length, or negative errno. Cut: -UK_EOVERFLOW. */
int uk_xen_read(const char *directory, const char *node, char *to, size_t room);
uint64_t uk_xen_read_number(const char *directory, const char *node, uint64_t absent);
int uk_xen_write(const char *directory, const char *node, const char *format, ...) UK_PRINTF(3, 4);
/* The names in a directory, each with a NUL behind it; bytes, or negative errno. */
int uk_xen_list(const char *directory, char *to, size_t room);
struct uk_xen_watch {
	void (*fn)(struct uk_xen_watch *watch); /* in interrupt context; once at once */
	struct uk_xen_watch *next;		/* store.c's */
	unsigned number;
};
int uk_xen_watch(const char *directory, const char *node, struct uk_xen_watch *watch);
/* With the same names; it may be freed then. */
void uk_xen_unwatch(const char *directory, const char *node, struct uk_xen_watch *watch);
/* A last word, with interrupts off: as uk_xen_write, or not at all. */
void uk_xen_write_last(const char *node, const char *text);

/* orders.c */
void uk_xen_orders_start(void);
void uk_xen_orders_look(void); /* in the bus's thread */
struct uni_exit_record;
void uk_xen_end(const struct uni_exit_record *record, bool again);

/* bus.c */
enum uk_xen_state {
	UK_XEN_INITIALISING = 1,
	UK_XEN_INIT_WAIT = 2,
	UK_XEN_INITIALISED = 3,
	UK_XEN_CONNECTED = 4,
	UK_XEN_CLOSING = 5,
	UK_XEN_CLOSED = 6,
};
enum uk_xen_stage {
	UK_XEN_OPENING,
	UK_XEN_RUNNING,
	UK_XEN_ENDING, /* not used any more; the backend may still have our frames */
	UK_XEN_ENDED,  /* the backend has closed it */
};
struct uk_xen_dev {
	struct uk_list item;
	const struct uk_xen_driver *driver;
	char path[32];	  /* device/vbd/51712 */
	char backend[96]; /* /local/domain/0/backend/vbd/1/51712 */
	uint16_t backend_id;
	uint32_t number; /* 51712 */
	struct uk_xen_watch watch;
	volatile bool changed; /* the backend's state may have */
	enum uk_xen_stage stage;
	bool plugged; /* while the machine runs: it may go again */
	bool in_use;  /* by the rest of the kernel; the driver's to say */
	void *data;   /* the driver's; NULL before it opened */
};
/* Each returns 0 or a negative errno, with which the device is left alone. */
struct uk_xen_driver {
	const char *name;
	enum uk_xen_state opened;		/* what we are then */
	int (*open)(struct uk_xen_dev *dev);	/* the backend waits: rings are made and told */
	int (*connect)(struct uk_xen_dev *dev); /* the backend is connected */
	void (*changed)(struct uk_xen_dev *dev, enum uk_xen_state backend); /* later */
	/* Gives back all that it has, of a device that is not in use and whose backend closed it;
	 * false: later, for that one has some of it mapped. Does not sleep. NULL: its devices stay.
	 */
	bool (*release)(struct uk_xen_dev *dev);
};
extern const struct uk_xen_driver uk_xen_blk, uk_xen_net;
void uk_xen_bus_wake(void); /* any context */

/*
 * ring.c: requests to a backend and its responses on one shared page, public/io/ring.h. Entries of
 * both kinds share their places.
 */
struct uk_xen_ring {
	struct uk_xen_dev *dev;
	volatile struct uk_xen_shared_ring *shared;
	struct uk_page *page;
	uint32_t grant;
	uint32_t size;	 /* entries, a power of two */
	uint32_t stride; /* bytes of one */
	uint32_t filled; /* requests written */
	uint32_t told;	 /* requests that the backend may see */
	uint32_t seen;	 /* responses taken */
	bool broken;
};
/* The page, granted; its reference is written to `node` of the device. 0 or negative errno. */
int uk_xen_ring_open(struct uk_xen_ring *ring, struct uk_xen_dev *dev, uint32_t stride,
		     const char *node);
/* Gives its page back; false, and nothing has changed, while the backend has it mapped. */
bool uk_xen_ring_close(struct uk_xen_ring *ring);
static inline uint32_t uk_xen_ring_room(const struct uk_xen_ring *ring)
{
	return ring->size - (ring->filled - ring->seen);
}
/* Adds a request; there must be room. */
void uk_xen_ring_put(struct uk_xen_ring *ring, const void *request, size_t size);
/* Shows the backend what was added; whether it wants to be told. */
bool uk_xen_ring_show(struct uk_xen_ring *ring);
/* The next response into `response`; false when there is none, and then an event will come when
 * `later` more have (0: whenever; none is asked for). */
bool uk_xen_ring_take(struct uk_xen_ring *ring, void *response, size_t size, uint32_t later);
/* The backend broke the rules: said once; the ring is used no more. */
void uk_xen_ring_break(struct uk_xen_ring *ring, const char *why);

#endif
