/*
 * The console as a terminal (termios(3)): bytes from the driver go through the line discipline in a
 * thread of their own, since echo and signals must not wait for a reader and cannot be done in an
 * interrupt.
 *
 * Nothing is dropped for want of room: what a program does not read fills the buffer here, then the
 * small one before the line discipline, and then stays with the device, so that who sends it waits.
 * The key that interrupts is seen as far as the second of them reaches. A line that is longer than
 * the buffer is handed over in parts, where Linux cuts it: a pipe's lines have any length.
 *
 * Output is not given carriage returns unless the program asks (ONLCR): what stands behind the
 * serial port is mostly a file or a terminal that adds them itself.
 */
#include <uk/io.h>
#include <uk/log.h>
#include <uk/signal.h>
#include <uk/start.h>

#include "fs.h"

enum { RAW_RING = 256, BUFFER = 4096, WRITE_PART = 256, CTRL = 0x1f };
enum { SIGINT = 2, SIGQUIT = 3 };
enum { NONE, LINE_END, END_OF_FILE }; /* what a byte in the buffer ends */

static const struct uk_linux_termios usual = {
	.iflag = UK_ICRNL,
	.oflag = UK_OPOST,
	.cflag = 0xbf, /* 38400 baud, 8 bits, receiver on */
	.lflag = UK_ISIG | UK_ICANON | UK_ECHO | UK_ECHOE | UK_ECHOK | UK_ECHOCTL | UK_ECHOKE |
		 UK_IEXTEN,
	.cc = { [UK_VINTR] = 'C' & CTRL,
		[UK_VQUIT] = '\\' & CTRL,
		[UK_VERASE] = 0x7f,
		[UK_VKILL] = 'U' & CTRL,
		[UK_VEOF] = 'D' & CTRL,
		[UK_VMIN] = 1,
		[UK_VSUSP] = 'Z' & CTRL,
		[UK_VREPRINT] = 'R' & CTRL,
		[UK_VWERASE] = 'W' & CTRL,
		[UK_VLNEXT] = 'V' & CTRL },
};

static struct {
	/* From the driver, in interrupts, before the line discipline. */
	struct uk_spinlock raw_lock;
	uint8_t raw[RAW_RING];
	unsigned raw_head, raw_used;
	struct uk_waitq thread;
	volatile bool look; /* there are new bytes, or is room for old ones */
	/* Behind the line discipline; under `lock`. Positions count since the start. */
	struct uk_mutex lock;
	struct uk_waitq readers;
	uint8_t byte[BUFFER];
	uint8_t ends[BUFFER];
	uint64_t head;	    /* first byte not read */
	uint64_t committed; /* behind the last whole line */
	uint64_t tail;	    /* behind the last byte, of the line being typed */
	bool literal;	    /* the next byte has no meaning */
	struct uk_linux_termios termios;
	struct uk_linux_winsize winsize;
	struct uk_mutex write_lock;
} tty;

static bool flag(uint32_t bit)
{
	return (tty.termios.lflag & bit) != 0;
}

/* -- output -- */

static void echo_byte(uint8_t c)
{
	char text[2] = { '^', (char)(c ^ 0x40) };

	if ((c < ' ' || c == 0x7f) && c != '\n' && c != '\t' && flag(UK_ECHOCTL))
		uk_console_write(text, 2);
	else
		uk_console_write((const char *)&c, 1);
}

static void rub_out(uint8_t c)
{
	unsigned columns = (c < ' ' || c == 0x7f) && flag(UK_ECHOCTL) ? 2 : 1;

	for (; flag(UK_ECHO) && flag(UK_ECHOE) && columns > 0; columns--)
		uk_console_write("\b \b", 3);
}

/* Newlines become "\r\n" where the program asked for it; the part holds twice the bytes. */
static size_t process_output(char *part, size_t size)
{
	char out[2 * WRITE_PART];
	size_t used = 0;

	if ((tty.termios.oflag & (UK_OPOST | UK_ONLCR)) != (UK_OPOST | UK_ONLCR))
		return size;
	for (size_t i = 0; i < size; i++) {
		if (part[i] == '\n')
			out[used++] = '\r';
		out[used++] = part[i];
	}
	memcpy(part, out, used);
	return used;
}

static int64_t tty_write(struct uk_file *file, struct uk_iter *from, uint64_t *offset)
{
	char part[2 * WRITE_PART];
	int64_t done = 0;

	(void)file;
	(void)offset;
	uk_mutex_lock(&tty.write_lock);
	do {
		int64_t moved = uk_iter_get(from, part, UK_MIN(from->left, (size_t)WRITE_PART));

		if (moved <= 0) {
			done = done != 0 ? done : moved;
			break;
		}
		if (uk_console_tap != NULL)
			uk_console_tap(-1, part, (size_t)moved);
		uk_console_write(part, process_output(part, (size_t)moved));
		done += moved;
	} while (from->left != 0);
	uk_mutex_unlock(&tty.write_lock);
	return done;
}

/* -- the line discipline, under the lock -- */

/* Without a whole line to read, the part of one that is there becomes readable. */
static bool has_room(void)
{
	if (tty.tail - tty.head < BUFFER)
		return true;
	if (tty.committed == tty.head)
		tty.committed = tty.tail;
	return false;
}

static void put(uint8_t c, uint8_t ends)
{
	tty.byte[tty.tail % BUFFER] = c;
	tty.ends[tty.tail % BUFFER] = ends;
	tty.tail++;
	if (ends != NONE || !flag(UK_ICANON))
		tty.committed = tty.tail;
}

static bool erase_one(void)
{
	uint8_t c;

	if (tty.tail == tty.committed)
		return false;
	do { /* a character of UTF-8 goes as a whole */
		c = tty.byte[--tty.tail % BUFFER];
	} while ((c & 0xc0) == 0x80 && tty.tail != tty.committed);
	rub_out(c);
	return true;
}

static bool last_is_space(void)
{
	uint8_t c = tty.byte[(tty.tail - 1) % BUFFER];

	return c == ' ' || c == '\t';
}

static void erase_word(void)
{
	while (tty.tail != tty.committed && last_is_space())
		erase_one();
	while (tty.tail != tty.committed && !last_is_space())
		erase_one();
}

static bool is(uint8_t c, unsigned which)
{
	return tty.termios.cc[which] != 0 && c == tty.termios.cc[which];
}

static bool is_literal_next(uint8_t c)
{
	return flag(UK_ICANON) && flag(UK_IEXTEN) && is(c, UK_VLNEXT);
}

static bool signal_key(uint8_t c)
{
	int number = is(c, UK_VINTR) ? SIGINT : is(c, UK_VQUIT) ? SIGQUIT : 0;

	if (!flag(UK_ISIG) || (number == 0 && !is(c, UK_VSUSP)))
		return false;
	if (flag(UK_ECHO))
		echo_byte(c);
	if (!flag(UK_NOFLSH))
		tty.head = tty.committed = tty.tail;
	if (number != 0) /* there is no job to stop */
		uk_signal_raise(number);
	return true;
}

static bool edit_key(uint8_t c)
{
	if (is(c, UK_VERASE))
		erase_one();
	else if (is(c, UK_VKILL))
		while (erase_one())
			continue;
	else if (is(c, UK_VWERASE) && flag(UK_IEXTEN))
		erase_word();
	else if (is_literal_next(c))
		tty.literal = true;
	else
		return false;
	return true;
}

static uint8_t map_input(uint8_t c, bool *ignore)
{
	uint32_t iflag = tty.termios.iflag;

	*ignore = c == '\r' && (iflag & UK_IGNCR) != 0;
	if (c == '\r' && (iflag & UK_ICRNL) != 0)
		return '\n';
	if (c == '\n' && (iflag & UK_INLCR) != 0)
		return '\r';
	return c;
}

static uint8_t what_ends(uint8_t c)
{
	if (!flag(UK_ICANON))
		return NONE;
	if (is(c, UK_VEOF))
		return END_OF_FILE;
	return c == '\n' || is(c, UK_VEOL) || is(c, UK_VEOL2) ? LINE_END : NONE;
}

/* False, and nothing has changed: the byte needs room that there is not. */
static bool receive(uint8_t c)
{
	bool literal = tty.literal, ignore = false;
	uint8_t ends;

	if (!literal) {
		c = map_input(c, &ignore);
		if (ignore || signal_key(c) || (flag(UK_ICANON) && edit_key(c)))
			return true;
	}
	if (!has_room())
		return false;
	tty.literal = false;
	ends = literal ? NONE : what_ends(c);
	if (ends != END_OF_FILE && (flag(UK_ECHO) || (c == '\n' && flag(UK_ECHONL))))
		echo_byte(c);
	put(c, ends);
	return true;
}

/* -- what came, before the line discipline -- */

static void look_again(void)
{
	tty.look = true;
	uk_wake_one(&tty.thread);
}

/* Under the raw lock: as much from the device as there is room for. */
static bool raw_fill(void)
{
	unsigned before = tty.raw_used, end, part;
	size_t got;

	do {
		end = (tty.raw_head + tty.raw_used) % RAW_RING;
		part = UK_MIN(RAW_RING - tty.raw_used, RAW_RING - end);
		got = part != 0 ? uk_console_read(tty.raw + end, part) : 0;
		tty.raw_used += (unsigned)got;
	} while (got != 0 && got == part);
	return tty.raw_used != before;
}

static bool raw_peek(unsigned at, uint8_t *c)
{
	uint64_t state = uk_spin_lock(&tty.raw_lock);
	bool some = at < tty.raw_used;

	*c = tty.raw[(tty.raw_head + at) % RAW_RING];
	uk_spin_unlock(&tty.raw_lock, state);
	return some;
}

/* A ring that was full may have left bytes with the device, of which no interrupt tells again. */
static void raw_drop(unsigned count)
{
	uint64_t state = uk_spin_lock(&tty.raw_lock);
	bool full = tty.raw_used == RAW_RING;

	tty.raw_head = (tty.raw_head + count) % RAW_RING;
	tty.raw_used -= count;
	if (full && raw_fill())
		tty.look = true;
	uk_spin_unlock(&tty.raw_lock, state);
}

/* In an interrupt. */
static void input(void *arg)
{
	uint64_t state = uk_spin_lock(&tty.raw_lock);
	bool some = raw_fill();

	(void)arg;
	uk_spin_unlock(&tty.raw_lock, state);
	if (some)
		look_again();
}

/* Behind bytes that find no room, a key that signals is seen and drops them with the others. */
static bool signal_behind(void)
{
	bool literal = tty.literal;
	uint8_t c;

	for (unsigned i = 0; !flag(UK_NOFLSH) && raw_peek(i, &c); i++) {
		if (!literal && signal_key(c)) {
			tty.literal = false;
			raw_drop(i + 1);
			return true;
		}
		literal = !literal && is_literal_next(c);
	}
	return false;
}

static void loop(void *arg)
{
	uint8_t c;

	(void)arg;
	for (;;) {
		tty.look = false;
		uk_mutex_lock(&tty.lock);
		do {
			while (raw_peek(0, &c) && receive(c))
				raw_drop(1);
		} while (signal_behind());
		uk_mutex_unlock(&tty.lock);
		uk_wake_all(&tty.readers);
		uk_wait_event(&tty.thread, tty.look, UK_FOREVER, false);
	}
}

/* Under the lock, when something was taken or its meaning changed. */
static void use_room(void)
{
	if (tty.raw_used != 0)
		look_again();
}

/* Under the lock. */
static void drop_all(void)
{
	tty.head = tty.committed = tty.tail;
	raw_drop(tty.raw_used);
}

/* -- reading -- */

static bool readable(void)
{
	if (flag(UK_ICANON))
		return tty.committed != tty.head;
	return tty.tail - tty.head >= UK_MAX(tty.termios.cc[UK_VMIN], 1);
}

/* Up to the end of a line, under the lock; an end of file alone gives 0 bytes. */
static int64_t take(struct uk_iter *to)
{
	int64_t done = 0;

	while (to->left != 0 && tty.head != tty.committed) {
		uint8_t ends = tty.ends[tty.head % BUFFER];
		uint8_t c = tty.byte[tty.head % BUFFER];
		int64_t moved;

		if (ends == END_OF_FILE) {
			tty.head++;
			break;
		}
		moved = uk_iter_put(to, &c, 1);
		if (moved <= 0)
			return done != 0 ? done : moved;
		tty.head++;
		done++;
		if (ends == LINE_END && flag(UK_ICANON))
			break;
	}
	return done;
}

/* Until what VMIN and VTIME ask for is there; 0 also when their time is over. */
static int64_t wait_readable(void)
{
	uint64_t tenths = tty.termios.cc[UK_VTIME];
	bool lines = flag(UK_ICANON);
	int64_t result;

	if (lines || tenths == 0) {
		if (!lines && tty.termios.cc[UK_VMIN] == 0)
			return 0;
		return uk_wait_event(&tty.readers, readable() || flag(UK_ICANON) != lines,
				     UK_FOREVER, true);
	}
	if (tty.termios.cc[UK_VMIN] != 0) { /* the time runs between bytes, from the first on */
		result = uk_wait_event(&tty.readers, tty.tail != tty.head, UK_FOREVER, true);
		if (result != 0)
			return result;
	}
	for (;;) {
		uint64_t before = tty.tail;

		if (readable())
			return 0;
		result = uk_wait_event(&tty.readers, tty.tail != before,
				       uk_time_mono() + tenths * 100000000, true);
		if (result != 0)
			return result == -UK_ETIMEDOUT ? 0 : result;
	}
}

static int64_t tty_read(struct uk_file *file, struct uk_iter *to, uint64_t *offset)
{
	int64_t result;

	(void)offset;
	if (to->left == 0)
		return 0;
	for (;;) {
		bool some, polled;

		uk_mutex_lock(&tty.lock);
		some = readable();
		polled = !flag(UK_ICANON) && tty.termios.cc[UK_VMIN] == 0;
		result = some || polled ? take(to) : 0;
		use_room();
		uk_mutex_unlock(&tty.lock);
		if (some || result != 0)
			return result;
		if ((file->flags & UK_O_NONBLOCK) != 0)
			return -UK_EAGAIN;
		result = wait_readable();
		if (result != 0)
			return result;
		if (!readable() && !flag(UK_ICANON)) { /* the time is over */
			uk_mutex_lock(&tty.lock);
			result = take(to);
			uk_mutex_unlock(&tty.lock);
			return result;
		}
	}
}

static unsigned tty_poll(struct uk_file *file, struct uk_poll *poll)
{
	unsigned events = UK_POLLOUT | UK_POLLWRNORM;

	(void)file;
	uk_poll_add(poll, &tty.readers);
	if (readable())
		events |= UK_POLLIN | UK_POLLRDNORM;
	return events;
}

/* -- control -- */

UK_ASIDE int64_t set_termios(uint64_t user, bool flush)
{
	struct uk_linux_termios termios;

	if (uk_copy_from_user(&termios, user, sizeof(termios)) != 0)
		return -UK_EFAULT;
	uk_mutex_lock(&tty.lock);
	tty.termios = termios;
	if (flush)
		drop_all();
	if (!flag(UK_ICANON))
		tty.committed = tty.tail;
	use_room();
	uk_mutex_unlock(&tty.lock);
	uk_wake_all(&tty.readers);
	return 0;
}

UK_ASIDE int64_t put_int(uint64_t user, int value)
{
	return uk_copy_to_user(user, &value, sizeof(value));
}

static int64_t flush(uint64_t which)
{
	enum { INPUT = 0, OUTPUT = 1, BOTH = 2 };

	if (which > BOTH)
		return -UK_EINVAL;
	if (which != OUTPUT) {
		uk_mutex_lock(&tty.lock);
		drop_all();
		use_room();
		uk_mutex_unlock(&tty.lock);
	}
	return 0;
}

static int64_t tty_ioctl(struct uk_file *file, unsigned request, uint64_t arg)
{
	(void)file;
	if (request == UK_TIOCGWINSZ) /* what C libraries ask of every standard output */
		return uk_copy_to_user(arg, &tty.winsize, sizeof(tty.winsize));
	switch (request) {
	case UK_TCGETS:
		return uk_copy_to_user(arg, &tty.termios, sizeof(tty.termios));
	case UK_TCSETS:
	case UK_TCSETSW:
	case UK_TCSETSF:
		return set_termios(arg, request == UK_TCSETSF);
	case UK_TIOCSWINSZ:
		return uk_copy_from_user(&tty.winsize, arg, sizeof(tty.winsize));
	case UK_FIONREAD:
		return put_int(arg, (int)((flag(UK_ICANON) ? tty.committed : tty.tail) - tty.head));
	case UK_TIOCOUTQ:
		return put_int(arg, 0);
	case UK_TCFLSH:
		return flush(arg);
	case UK_TIOCGPGRP: /* one process, one session */
	case UK_TIOCGSID:
		return put_int(arg, 1);
	case UK_TIOCSPGRP:
	case UK_TIOCSCTTY:
	case UK_TCSBRK:
	case UK_TCXONC:
		return 0;
	default:
		return -UK_ENOTTY;
	}
}

const struct uk_file_ops fs_tty_ops = {
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.stream = true,
};

static void listen(void)
{
	if (uk_thread_spawn("tty", loop, NULL) == NULL)
		uk_panic("no memory for the console");
	uk_console_listen(input);
}

void fs_tty_start(void)
{
	tty.termios = usual;
	uk_waitq_init(&tty.thread);
	uk_waitq_init(&tty.readers);
	uk_mutex_init(&tty.lock);
	uk_mutex_init(&tty.write_lock);
	uk_later(listen);
}
