/*
 * The devices that the toolstack gives a guest (public/io/xenbus.h): folders in xenstore by which
 * we and a backend agree on pages and channels. All are opened first and waited for afterwards, so
 * that their backends work side by side.
 */
#include "xen.h"
#include <uk/cpu.h>
#include <uk/log.h>

#define PATIENCE 10000000000ull /* ns for a backend to get ready */
#define AGAIN 1000000000ull	/* ns until what a backend still has mapped is asked for again */
#define DEVICES_MAX 64		/* of one kind */

static const struct uk_xen_driver *const drivers[] = { &uk_xen_blk, &uk_xen_net };
static struct uk_list devices = UK_LIST_INIT(devices);
static struct uk_waitq woken = UK_WAITQ_INIT(woken);
static volatile bool due;
static bool store_ready;

void uk_xen_bus_wake(void)
{
	due = true;
	uk_wake_all(&woken);
}

static void backend_moved(struct uk_xen_watch *watch)
{
	uk_container(watch, struct uk_xen_dev, watch)->changed = true;
	uk_xen_bus_wake();
}

/* Waits until the backend's state is one of `states` (bits). */
static int wait_for(struct uk_xen_dev *dev, unsigned states)
{
	uint64_t deadline = uk_time_mono() + PATIENCE;

	for (;;) {
		uint64_t state;

		dev->changed = false;
		state = uk_xen_read_number(dev->backend, "state", 0);
		if (state < 32 && (states >> state & 1) != 0)
			return 0;
		if (state >= UK_XEN_CLOSING)
			return -UK_ENODEV;
		if (uk_wait_event(&woken, dev->changed, deadline, false) != 0)
			return -UK_ETIMEDOUT;
	}
}

static int find_backend(struct uk_xen_dev *dev)
{
	uint64_t domain = uk_xen_read_number(dev->path, "backend-id", UINT64_MAX);
	int result = uk_xen_read(dev->path, "backend", dev->backend, sizeof(dev->backend));

	if (result < 0 || domain >= UK_XEN_SELF)
		return result < 0 ? result : -UK_EPROTO;
	dev->backend_id = (uint16_t)domain;
	dev->watch.fn = backend_moved;
	return uk_xen_watch(dev->backend, "state", &dev->watch);
}

/* Its pages stay until the backend has closed it too, for that one may know them. */
static void give_up(struct uk_xen_dev *dev, int result)
{
	uk_log(UK_LOG_WARN, "%s does not start: error %d", dev->path, -result);
	(void)uk_xen_write(dev->path, "state", "%d", UK_XEN_CLOSED);
	dev->stage = UK_XEN_ENDING;
	dev->changed = true;
	uk_xen_bus_wake();
}

static void open_device(const struct uk_xen_driver *driver, const char *name)
{
	const unsigned ready =
		1u << UK_XEN_INIT_WAIT | 1u << UK_XEN_INITIALISED | 1u << UK_XEN_CONNECTED;
	struct uk_xen_dev *dev = uk_alloc(sizeof(*dev));
	int result;

	if (dev == NULL)
		return;
	dev->driver = driver;
	for (const char *at = name; *at >= '0' && *at <= '9'; at++)
		dev->number = dev->number * 10 + (uint32_t)(*at - '0');
	if ((size_t)uk_snprintf(dev->path, sizeof(dev->path), "device/%s/%s", driver->name, name) >=
	    sizeof(dev->path)) {
		uk_free(dev);
		return;
	}
	uk_list_push_back(&devices, &dev->item);
	result = find_backend(dev);
	if (result == 0)
		result = wait_for(dev, ready);
	if (result == 0)
		result = driver->open(dev);
	if (result == 0)
		result = uk_xen_write(dev->path, "state", "%d", driver->opened);
	if (result != 0)
		give_up(dev, result);
}

static void connect_device(struct uk_xen_dev *dev)
{
	int result;

	if (dev->stage != UK_XEN_OPENING)
		return;
	result = wait_for(dev, 1u << UK_XEN_CONNECTED);
	if (result == 0)
		result = dev->driver->connect(dev);
	if (result == 0 && dev->driver->opened != UK_XEN_CONNECTED)
		result = uk_xen_write(dev->path, "state", "%d", UK_XEN_CONNECTED);
	if (result != 0) {
		give_up(dev, result);
		return;
	}
	dev->stage = UK_XEN_RUNNING;
	uk_xen_bus_wake(); /* a change that came until now was nobody's */
}

static bool is_open(const struct uk_xen_driver *driver, const char *name)
{
	char path[32];

	uk_snprintf(path, sizeof(path), "device/%s/%s", driver->name, name);
	uk_list_each (item, &devices) {
		const struct uk_xen_dev *dev = uk_list_entry(item, struct uk_xen_dev, item);

		if (dev->stage == UK_XEN_RUNNING && strcmp(dev->path, path) == 0)
			return true;
	}
	return false;
}

static void open_all(const struct uk_xen_driver *driver, char *names)
{
	char directory[16];
	int size;
	unsigned count = 0;

	uk_snprintf(directory, sizeof(directory), "device/%s", driver->name);
	size = uk_xen_list(directory, names, UK_XEN_VALUE_MAX + 1);
	for (int at = 0; at < size && count < DEVICES_MAX; count++) {
		if (!is_open(driver, names + at))
			open_device(driver, names + at);
		at += (int)strlen(names + at) + 1;
	}
}

/* A stage is left when all was said of it. */
static void look(struct uk_xen_dev *dev)
{
	uint64_t state;

	if (!dev->changed || (dev->stage != UK_XEN_RUNNING && dev->stage != UK_XEN_ENDING))
		return;
	dev->changed = false;
	state = uk_xen_read_number(dev->backend, "state", UK_XEN_CLOSED);
	if (dev->stage == UK_XEN_RUNNING)
		dev->driver->changed(dev, (enum uk_xen_state)UK_MIN(state, 8));
	if (state != UK_XEN_CLOSING && state != UK_XEN_CLOSED)
		return;
	if (dev->stage == UK_XEN_RUNNING)
		(void)uk_xen_write(dev->path, "state", "%d", UK_XEN_CLOSED);
	dev->stage = UK_XEN_ENDING;
	if (state == UK_XEN_CLOSING || dev->driver->release == NULL)
		return;
	uk_xen_unwatch(dev->backend, "state", &dev->watch);
	dev->stage = UK_XEN_ENDED;
}

/* Takes away what has ended; whether some of it is to be asked for again. Does not sleep: another
 * thread may walk the list and sleep at a device that has not ended. */
static bool release_ended(void)
{
	bool again = false;

	for (struct uk_list *at = devices.next, *next; at != &devices; at = next) {
		struct uk_xen_dev *dev = uk_list_entry(at, struct uk_xen_dev, item);

		next = at->next;
		if (dev->stage != UK_XEN_ENDED || dev->in_use)
			continue;
		if (dev->data != NULL && !dev->driver->release(dev)) {
			again = true;
			continue;
		}
		uk_list_remove(&dev->item);
		uk_free(dev);
	}
	return again;
}

void uk_xen_disks_look(void)
{
	char *names = store_ready ? uk_alloc(UK_XEN_VALUE_MAX + 1) : NULL;

	if (names == NULL)
		return;
	open_all(&uk_xen_blk, names);
	uk_free(names);
	uk_list_each (item, &devices) {
		struct uk_xen_dev *dev = uk_list_entry(item, struct uk_xen_dev, item);

		if (dev->stage != UK_XEN_OPENING)
			continue;
		dev->plugged = true;
		connect_device(dev);
	}
}

static void attend(void *arg)
{
	uint64_t until = UK_FOREVER;

	(void)arg;
	for (;;) {
		(void)uk_wait_event(&woken, due, until, false);
		due = false;
		uk_xen_orders_look();
		uk_list_each (item, &devices)
			look(uk_list_entry(item, struct uk_xen_dev, item));
		until = release_ended() ? uk_time_mono() + AGAIN : UK_FOREVER;
	}
}

void uk_xen_devices_start(void)
{
	char *names;

	if (!uk_xen_start() || !uk_xen_store_start())
		return;
	store_ready = true;
	uk_xen_unplug();
	names = uk_alloc(UK_XEN_VALUE_MAX + 1);
	for (unsigned i = 0; names != NULL && i < UK_COUNT(drivers); i++)
		open_all(drivers[i], names);
	uk_free(names);
	uk_list_each (item, &devices)
		connect_device(uk_list_entry(item, struct uk_xen_dev, item));
	uk_xen_orders_start();
	if (uk_thread_spawn("xen", attend, NULL) == NULL)
		uk_log(UK_LOG_WARN, "no memory to listen to the toolstack");
}
