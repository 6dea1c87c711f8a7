/*
 * All words of the program: results to standard output, everything else to standard error. Progress
 * is one line that is drawn again on a terminal, plain lines elsewhere.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uni/base/system.h>

#include "command.h"
#include "progress.h"

struct progress {
	bool terminal;
	bool drawn; /* a line stands without its newline */
	bool verbose;
	bool quiet; /* warnings alone */
	uint64_t last_ns;
	struct cli_pace pace;
};

static struct progress progress;

static void clear_line(void)
{
	if (progress.drawn)
		fputs("\r\033[K", stderr);
	progress.drawn = false;
}

void cli_out(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
}

void cli_out_buf(const struct uni_buf *buf)
{
	if (buf->size != 0)
		fwrite(buf->data, 1, buf->size, stdout);
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
	va_list args;

	if (cli->quiet)
		return;
	clear_line();
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static int failure_status(const struct cli *cli, int code)
{
	if (code == UNI_E_TIMEOUT && cli->command->program_status)
		return UNI_EXIT_TIMEOUT;
	if (code == UNI_E_USAGE)
		return UNI_EXIT_USAGE;
	if (code == UNI_E_CANCELLED)
		return 130;
	return cli->command->program_status ? UNI_EXIT_TROUBLE : UNI_EXIT_FAILED;
}

int cli_fail(const struct cli *cli, const struct uni_err *err)
{
	clear_line();
	fprintf(stderr, "uni: %s\n", err->text);
	if (err->hint[0] != '\0')
		fprintf(stderr, "  %s\n", err->hint);
	return failure_status(cli, err->code);
}

void cli_print_diags(const struct cli *cli, const struct uni_diags *diags)
{
	UNI_AUTO_BUF struct uni_buf line = UNI_BUF_INIT;

	(void)cli;
	clear_line();
	for (size_t i = 0; i < diags->count; i++) {
		uni_buf_clear(&line);
		uni_diag_text(&diags->items[i], &line);
		fprintf(stderr, "uni: %s\n", line.data);
		if (diags->items[i].hint != NULL)
			fprintf(stderr, "  %s\n", diags->items[i].hint);
	}
	if (diags->dropped != 0)
		fprintf(stderr, "uni: and %zu more\n", diags->dropped);
}

int cli_fail_diags(const struct cli *cli, const struct uni_diags *diags, const struct uni_err *err)
{
	cli_print_diags(cli, diags);
	if (diags->errors == 0)
		return cli_fail(cli, err);
	return failure_status(cli, err->code);
}

static void draw(const char *text)
{
	clear_line();
	fprintf(stderr, "%s", text);
	fflush(stderr);
	progress.drawn = true;
}

static void on_event(void *user, const struct uni_event *event)
{
	char line[160];
	uint64_t now = uni_clock_mono_ns();

	(void)user;
	if (progress.quiet && event->kind != UNI_EVENT_WARNING)
		return;
	switch (event->kind) {
	case UNI_EVENT_STEP_START:
		if (progress.terminal) {
			snprintf(line, sizeof(line), "  %.140s ...", event->name);
			draw(line);
		}
		break;
	case UNI_EVENT_STEP_DONE:
		clear_line();
		if (!progress.terminal || progress.verbose)
			fprintf(stderr, "  %s (%.1f ms)\n", event->name, (double)event->ns / 1e6);
		break;
	case UNI_EVENT_STEP_CACHED:
		if (progress.verbose) {
			clear_line();
			fprintf(stderr, "  %s (kept)\n", event->name);
		}
		break;
	case UNI_EVENT_PROGRESS:
		if (!progress.terminal || now - progress.last_ns < 100000000u)
			break;
		progress.last_ns = now;
		cli_pace_line(&progress.pace, event, now, line, sizeof(line));
		draw(line);
		break;
	case UNI_EVENT_NOTE:
		if (progress.verbose) {
			clear_line();
			fprintf(stderr, "  %s\n", event->text);
		}
		break;
	case UNI_EVENT_ADVICE:
		clear_line();
		fprintf(stderr, "uni: note: %s\n", event->text);
		break;
	case UNI_EVENT_WARNING:
		clear_line();
		fprintf(stderr, "uni: warning: %s\n", event->text);
		break;
	}
}

void cli_progress_start(struct cli *cli)
{
	progress.terminal = isatty(STDERR_FILENO) != 0;
	progress.verbose = cli->verbose;
	progress.quiet = cli->quiet;
	cli->events.fn = on_event;
}

void cli_progress_end(struct cli *cli)
{
	(void)cli;
	clear_line();
}

int cli_finish_output(void)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return 0;
	/* A reader that has seen enough, as head has: no news to anybody. */
	if (errno == EPIPE)
		return UNI_EXIT_FAILED;
	fprintf(stderr, "uni: standard output: %s\n", strerror(errno));
	return UNI_EXIT_FAILED;
}
