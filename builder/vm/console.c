/*
 * A machine's console on our standard streams. The emulator ignores both that its standard input
 * ended and that nobody reads its output any more, so we look: the end of what is not a terminal is
 * typed as a terminal's end of file, and a machine whose reader left is ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/process.h>
#include <uni/base/system.h>

#include "vm_internal.h"

#define CANCEL_MS 100 /* between looks whether somebody interrupts */
#define END_OF_FILE 4 /* VEOF of a terminal that nobody set up differently */

enum { WATCH_END, WATCH_OUT, WATCH_IN, WATCH_FEED, WATCH_COUNT };

void vm_console_free(struct vm_console *console)
{
	uni_close_fd(&console->feed);
	uni_close_fd(&console->emulator_in);
}

int vm_console_open(struct vm_console *console, const struct uni_vm_io *io, struct uni_err *err)
{
	int fds[2];

	console->out = io->out;
	if (io->in < 0 || isatty(io->in))
		return 0;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return uni_err_errno(err, "cannot make a pipe for the console");
	console->in = io->in;
	console->emulator_in = fds[0];
	console->feed = fds[1];
	/* Only our end: how the emulator reads its own is its affair. */
	if (fcntl(console->feed, F_SETFL, O_NONBLOCK) != 0)
		return uni_err_errno(err, "cannot set up a pipe for the console");
	return 0;
}

/* In the middle of a line the first end of file only hands over what there is of it. */
static void end_input(struct vm_console *console)
{
	if (console->mid_line)
		console->part[console->size++] = END_OF_FILE;
	console->part[console->size++] = END_OF_FILE;
	console->in = -1;
}

static void take_input(struct vm_console *console)
{
	ssize_t got = read(console->in, console->part, sizeof(console->part));

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	console->sent = console->size = 0;
	if (got <= 0) {
		end_input(console);
		return;
	}
	console->size = (size_t)got;
	console->mid_line = console->part[got - 1] != '\n';
}

/* An emulator that no longer reads is about to end. */
static void feed_emulator(struct vm_console *console)
{
	ssize_t put =
		write(console->feed, console->part + console->sent, console->size - console->sent);

	if (put > 0)
		console->sent += (size_t)put;
	else if (put < 0 && errno != EINTR && errno != EAGAIN)
		uni_close_fd(&console->feed);
}

/* Which of them count now: input is read when all that was read has gone on. */
static void watch(const struct vm_console *console, const struct uni_process *process,
		  struct pollfd fds[WATCH_COUNT])
{
	bool pending = console->sent < console->size;

	fds[WATCH_END] = (struct pollfd){ uni_process_end_fd(process), POLLIN, 0 };
	fds[WATCH_OUT] = (struct pollfd){ console->out, 0, 0 };
	fds[WATCH_IN] =
		(struct pollfd){ console->feed >= 0 && !pending ? console->in : -1, POLLIN, 0 };
	fds[WATCH_FEED] = (struct pollfd){ pending ? console->feed : -1, POLLOUT, 0 };
}

int vm_console_serve(struct vm_console *console, const struct uni_process *process, int timeout_ms,
		     bool *closed, struct uni_err *err)
{
	uint64_t end = uni_clock_mono_ns() + (uint64_t)timeout_ms * 1000000u;
	struct pollfd fds[WATCH_COUNT];

	uni_close_fd(&console->emulator_in); /* it has its own now */
	while (timeout_ms < 0 || uni_clock_mono_ns() < end) {
		watch(console, process, fds);
		if (poll(fds, WATCH_COUNT, CANCEL_MS) < 0 && errno != EINTR)
			return uni_err_errno(err, "cannot wait for the machine");
		if (fds[WATCH_END].revents != 0)
			return 0;
		if ((fds[WATCH_OUT].revents & (POLLERR | POLLHUP)) != 0) {
			*closed = true;
			return 0;
		}
		if (uni_check_cancel(err) != 0)
			return err->code;
		if (fds[WATCH_IN].revents != 0)
			take_input(console);
		if (fds[WATCH_FEED].revents != 0)
			feed_emulator(console);
	}
	return uni_err_set(err, UNI_E_TIMEOUT, "the machine still ran after %d s, and was ended",
			   timeout_ms / 1000);
}
