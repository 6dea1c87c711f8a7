/*
 * Takes the place of uk_vfs_start in a kernel of its own: what the drivers found, told on the
 * console, and what the test named by the program's arguments wants tried. drivers_test.py judges.
 */
#include <uk/block.h>
#include <uk/clock.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/thread.h>
#include <uni/abi/exit.h>

#define CHUNK (256u << 10)
#define FLIGHT 64 /* transfers at once */
#define LINE 200

void __wrap_uk_vfs_start(void) UK_NORETURN;

static char argument[4][64];

static void say(const char *fmt, ...) UK_PRINTF(1, 2);
static void say(const char *fmt, ...)
{
	char line[LINE];
	__builtin_va_list args;
	int size;

	__builtin_va_start(args, fmt);
	size = uk_vsnprintf(line, sizeof(line), fmt, args);
	__builtin_va_end(args);
	uk_console_write(line, UK_MIN((size_t)size, sizeof(line) - 1));
}

static void end(int status)
{
	uk_machine_end(UNI_EXIT_STATUS, status, 0, 0, "");
}

static uint64_t hash(uint64_t h, const uint8_t *p, size_t size)
{
	for (; size >= 8; size -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		h = (h ^ v) * 0x100000001b3ull;
	}
	return h;
}

static void hash_device(struct uk_block_dev *dev)
{
	uint8_t *data = uk_alloc(CHUNK);
	uint64_t h = 0;

	for (uint64_t at = 0; data != NULL && at < dev->size; at += CHUNK) {
		size_t size = (size_t)UK_MIN(dev->size - at, (uint64_t)CHUNK);
		int result = uk_block_read(dev, at, data, size);

		if (result != 0) {
			say("%s: error %d at %lu\n", dev->name, result, (unsigned long)at);
			end(1);
		}
		h = hash(h, data, size);
	}
	uk_free(data);
	say("%s %lu %s %016lx\n", dev->name, (unsigned long)dev->size, dev->read_only ? "ro" : "rw",
	    (unsigned long)h);
}

static void list_disks(void)
{
	for (struct uk_block_dev *d = uk_block_next(NULL); d != NULL; d = uk_block_next(d))
		hash_device(d);
	end(0);
}

/* Many transfers at once, of segments that lie apart, read back in another order. */
struct flight {
	struct uk_block_req req;
	struct uk_block_seg segs[UK_BLOCK_SEGS];
	uint8_t *pages[UK_BLOCK_SEGS];
};
static struct uk_waitq flight_queue = UK_WAITQ_INIT(flight_queue);
static volatile unsigned landed;

static void land(struct uk_block_req *req)
{
	(void)req;
	__atomic_add_fetch(&landed, 1, __ATOMIC_SEQ_CST);
	uk_wake_all(&flight_queue);
}

static void launch(struct uk_block_dev *dev, struct flight *f, unsigned number, enum uk_block_op op,
		   unsigned segs)
{
	for (unsigned i = 0; i < segs; i++)
		f->segs[i] = (struct uk_block_seg){ f->pages[i], (i % 3 + 1) * 1024 };
	f->req = (struct uk_block_req){ .op = op,
					.offset = (uint64_t)number * UK_BLOCK_SEGS * 4096,
					.segs = f->segs,
					.seg_count = segs,
					.done = land };
	uk_block_submit(dev, &f->req);
}

static void wait_for(unsigned count, const struct flight *f)
{
	(void)uk_wait_event(&flight_queue, landed == count, UK_FOREVER, false);
	for (unsigned i = 0; i < count; i++) {
		if (f[i].req.status != 0) {
			say("transfer %u: error %d\n", i, f[i].req.status);
			end(1);
		}
	}
	landed = 0;
}

static void make_pages(struct flight *f, unsigned number, bool fill)
{
	for (unsigned i = 0; i < UK_BLOCK_SEGS; i++) {
		if (f->pages[i] == NULL)
			f->pages[i] = uk_alloc(4096);
		if (f->pages[i] == NULL)
			end(2);
		for (unsigned k = 0; k < 4096; k++)
			f->pages[i][k] = fill ? (uint8_t)(number * 7 + i * 3 + k) : 0;
	}
}

static bool pages_right(const struct flight *f, unsigned number, unsigned segs)
{
	for (unsigned i = 0; i < segs; i++)
		for (unsigned k = 0; k < f->segs[i].size; k++)
			if (f->pages[i][k] != (uint8_t)(number * 7 + i * 3 + k))
				return false;
	return true;
}

static void fly(void)
{
	struct uk_block_dev *dev = uk_block_next(NULL);
	struct flight *f = uk_alloc(FLIGHT * sizeof(*f));
	struct uk_block_req flush = { .op = UK_BLOCK_FLUSH, .done = land };

	if (dev == NULL || f == NULL)
		end(2);
	for (unsigned i = 0; i < FLIGHT; i++)
		make_pages(&f[i], i, true);
	for (unsigned i = 0; i < FLIGHT; i++)
		launch(dev, &f[i], i, UK_BLOCK_WRITE, UK_BLOCK_SEGS - i % 5);
	wait_for(FLIGHT, f);
	uk_block_submit(dev, &flush);
	(void)uk_wait_event(&flight_queue, landed == 1, UK_FOREVER, false);
	landed = 0;
	if (flush.status != 0)
		end(3);
	for (unsigned i = 0; i < FLIGHT; i++)
		make_pages(&f[i], i, false);
	for (unsigned i = FLIGHT; i-- != 0;)
		launch(dev, &f[i], i, UK_BLOCK_READ, UK_BLOCK_SEGS - i % 5);
	wait_for(FLIGHT, f);
	for (unsigned i = 0; i < FLIGHT; i++) {
		if (!pages_right(&f[i], i, UK_BLOCK_SEGS - i % 5)) {
			say("transfer %u: other bytes came back\n", i);
			end(1);
		}
	}
	say("all came back\n");
	end(0);
}

/* Transfers that must be refused, and one into memory that is not in one piece. */
static void refuse(void)
{
	struct uk_block_dev *dev = uk_block_next(NULL);
	uint8_t stack[1024];
	uint8_t *data = uk_alloc(4096);

	if (dev == NULL || data == NULL)
		end(2);
	say("%d %d %d %d %d\n", uk_block_read(dev, dev->size, data, 512),
	    uk_block_read(dev, dev->size - 512, data, 1024), uk_block_read(dev, 1, data, 512),
	    uk_block_read(dev, 0, data, 100), uk_block_read(dev, UINT64_MAX - 511, data, 512));
	say("%d %d\n", uk_block_write(dev, 0, data, 512), uk_block_flush(dev));
	say("%d %d\n", uk_block_read(dev, 4096, stack, sizeof(stack)),
	    uk_block_read(dev, 4096, data, sizeof(stack)));
	say("%s\n", memcmp(stack, data, sizeof(stack)) == 0 ? "same" : "different");
	end(0);
}

static volatile bool stop;
static struct uk_waitq stop_queue = UK_WAITQ_INIT(stop_queue);

static void echo_input(void *arg)
{
	uint8_t byte;

	(void)arg;
	while (uk_console_read(&byte, 1) != 0) {
		char c = (char)byte;

		if (c == 'q') {
			stop = true;
			uk_wake_all(&stop_queue);
		} else {
			uk_console_write(&c, 1);
		}
	}
}

static void echo(void)
{
	say("ready\n");
	uk_console_listen(echo_input);
	(void)uk_wait_event(&stop_queue, stop, UK_FOREVER, false);
	end(0);
}

static void pressed(void)
{
	stop = true;
	uk_wake_all(&stop_queue);
}

static void button(void)
{
	uint64_t busy = argument[1][0] != '\0' ? 500000000 : 0, start = uk_time_mono();

	uk_power_button_listen(pressed);
	say("listening\n");
	while (uk_time_mono() - start < busy) /* and the press comes meanwhile */
		uk_pause();
	(void)uk_wait_event(&stop_queue, stop, UK_FOREVER, false);
	say("pressed\n");
	end(0);
}

static void console_flood(void)
{
	for (unsigned i = 0; i < 4000; i++)
		say("line %u of the flood, of some length so that the port is kept busy\n", i);
	end(0);
}

static void fwcfg(void)
{
	char *data = uk_alloc(100000);
	int64_t size;

	size = data == NULL ? -UK_ENOMEM : uk_fwcfg_read(argument[1], data, 100000);
	say("%ld", (long)size);
	if (size > 0)
		say(" %016lx", (unsigned long)hash(0, (uint8_t *)data, (size_t)size & ~7ull));
	say("\n");
	end(0);
}

static void clock(void)
{
	say("%ld\n", (long)uk_rtc_read());
	end(0);
}

static void seed(void)
{
	uint64_t v[2] = { 0, 0 };

	uk_random(&v, sizeof(v));
	say("%016lx%016lx\n", (unsigned long)v[0], (unsigned long)v[1]);
	end(0);
}

static void nothing(void)
{
	end(0);
}

static void restart(void)
{
	uk_machine_restart(UNI_EXIT_STATUS, 0, 0, 0, "");
}

static void changed(struct uk_block_dev *dev)
{
	(void)dev;
	pressed();
}

static void resize(void)
{
	struct uk_block_dev *dev = uk_block_next(NULL);

	if (dev == NULL)
		end(2);
	dev->changed = changed;
	say("listening 0\n");
	(void)uk_wait_event(&stop_queue, stop, UK_FOREVER, false);
	say("size %lu\n", (unsigned long)dev->size);
	end(0);
}

void __wrap_uk_vfs_start(void)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} probes[] = {
		{ "disks", list_disks }, { "fly", fly },       { "refuse", refuse },
		{ "echo", echo },	 { "button", button }, { "flood", console_flood },
		{ "fwcfg", fwcfg },	 { "clock", clock },   { "seed", seed },
		{ "nothing", nothing },	 { "resize", resize }, { "restart", restart },
	};
	const struct uni_config_entry *e = NULL;

	for (unsigned i = 0; i < UK_COUNT(argument); i++) {
		e = uk_config_next(UNI_CONFIG_ARG, e);
		if (e == NULL)
			break;
		(void)uk_config_string(e, argument[i], sizeof(argument[i]));
	}
	for (unsigned i = 0; i < UK_COUNT(probes); i++)
		if (strcmp(argument[0], probes[i].name) == 0)
			probes[i].fn();
	uk_panic("no probe of this name");
}
