/*
 * The only place that starts processes. Argument vectors, never a shell. A child gets a fixed
 * environment (PATH as ours, LC_ALL=C, TZ=UTC, HOME and TMPDIR as ours, nothing else) and what is
 * added here; it ends with us. All signals have their default action in it. Who writes to a child's
 * standard input ignores SIGPIPE, or dies with the child.
 */
#ifndef UNI_BASE_PROCESS_H
#define UNI_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uni/base/text.h>

struct uni_process_spec {
	const char *const
		*argv; /* NULL-terminated; argv[0] is looked up in PATH unless it has a slash */
	const char *const *env; /* NULL, or NULL-terminated "NAME=VALUE" added to the fixed ones */
	const char *cwd;	/* NULL: ours */
	int stdin_fd;		/* -1: /dev/null */
	int stdout_fd;		/* -1: /dev/null; borrowed */
	int stderr_fd;		/* -1: /dev/null */
	bool new_session;	/* for machines that outlive us; else killed when we die
				   (PR_SET_PDEATHSIG) */
	bool small_pages;	/* no huge pages, so that what it touches can be measured */
	bool inherit_env;	/* our whole environment first, for programs of the user's */
};
#define UNI_PROCESS_SPEC_INIT                                                                      \
	{                                                                                          \
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1                                   \
	}

struct uni_process;
/* UNI_E_MISSING_TOOL when argv[0] is not found. */
int uni_process_start(struct uni_process **process, const struct uni_process_spec *spec,
		      struct uni_err *err);
pid_t uni_process_pid(const struct uni_process *process);
/* Polls readable when the process has ended; borrowed. */
int uni_process_end_fd(const struct uni_process *process);
/* Waits at most `timeout_ms` (UNI_E_TIMEOUT), or with -1 until the end or uni_cancelled
 * (UNI_E_CANCELLED; the process still runs). `status` is the exit status, or 128 + signal. */
int uni_process_wait(struct uni_process *process, int timeout_ms, int *status, struct uni_err *err);
void uni_process_kill(struct uni_process *process, int signal);
void uni_process_free(
	struct uni_process *process); /* kills and reaps one that still runs, unless new_session */
UNI_AUTO_DEFINE(uni_process)

/* Runs to the end, standard output and error into buffers (NULL: dropped), each cut at `limit`
 * bytes. A status other than 0 is UNI_E_PROCESS, the text ending in the last lines of its standard
 * error. */
int uni_process_run(const char *const *argv, const char *cwd, struct uni_buf *out,
		    struct uni_buf *errors, size_t limit, struct uni_err *err);
/* The same for a program that the user named (credential helpers, signers): it gets our whole
 * environment, and `input` to read. Its output is a secret: no message repeats it. */
int uni_process_ask(const char *const *argv, const void *input, size_t size, struct uni_buf *out,
		    size_t limit, struct uni_err *err);
/* Full path of a program in PATH, NULL when there is none. */
char *uni_process_find(const char *program);

#endif
