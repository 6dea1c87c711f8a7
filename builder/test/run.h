/*
 * One machine under test, and what is asked of it. Shared between the files of this module only.
 *
 * What asks returns 0, UNI_E_DIFFERS when an expectation was not met (what it was is in the result
 * then), or another error when it could not be told.
 */
#ifndef UNI_TEST_RUN_H
#define UNI_TEST_RUN_H

#include <poll.h>
#include <pthread.h>
#include <uni/test/test.h>
#include <uni/vm/vm.h>

struct test_case {
	const struct uni_test_image *image;
	const struct uni_test_disk *disk; /* that it starts from; NULL: the ELF */
	const struct uni_test_options *options;
	const struct uni_recipe_test *test;
	struct uni_test_result *result;
};

/* A port of the machine, and the one of ours that leads to it. */
struct test_port {
	struct uni_vm_forward forward;
	int hold; /* keeps ours taken until the emulator has it; -1 */
	bool answered;
};

struct test_console {
	int file;
	int changes; /* inotify */
	struct uni_buf unread;
	bool cut; /* the rest of the line at hand was matched already */
};

struct test_run {
	const struct test_case *of;
	char *dir;
	char *memory_dir; /* on a tmpfs, or NULL */
	char *memory_file;
	struct uni_strv disks; /* of writable volumes, the machine's own */
	struct uni_machine *machine;
	struct test_console console;
	struct test_port *ports;
	size_t port_count;
	struct uni_vm_forward *forwards; /* of the ports, for the emulator */
	uint64_t start_ns;
	uint64_t limit_ns; /* when everything must have held */
};

/* case.c */
void test_case_run(struct test_case *test, pthread_rwlock_t *quiet);
/* What it is started with, but for what each start makes for itself. */
struct uni_vm_spec test_case_machine(const struct test_case *of);
/* The firmware takes memory and time of its own, which nobody asked about. */
bool test_case_has_uefi(const struct test_case *of);
/* A machine of the case, started; test_run_end in any case. `index` makes its folder's name. */
int test_run_start(struct test_run *run, const struct test_case *of, struct uni_err *err);
void test_run_end(struct test_run *run, bool keep);
/* The machine is ended, and another of `of` started on the volumes that it leaves. */
int test_run_next(struct test_run *run, const struct test_case *of, struct uni_err *err);
struct test_port *test_run_port(struct test_run *run, uint16_t guest, bool udp);
/* Where in the result it says what failed; returns UNI_E_DIFFERS. NULL `came` is "". */
int test_fail(const struct test_run *run, const char *what, const char *expected, const char *came,
	      struct uni_err *err);
/* The machine ended, or the time did, while `expected` was waited for. */
int test_fail_ended(struct test_run *run, const char *what, const char *expected,
		    struct uni_err *err);
int test_fail_late(const struct test_run *run, const char *what, const char *expected,
		   const char *came, struct uni_err *err);

/* wait.c */
enum test_waited { TEST_READY, TEST_LATE, TEST_ENDED };
/* Until `fd` (-1: none) has one of `events`, the machine has ended, or `limit_ns` has come.
 * Negative: an error, or cancelled. */
int test_wait(const struct test_run *run, int fd, short events, uint64_t limit_ns,
	      struct uni_err *err);
bool test_ended(const struct test_run *run);
int test_timeout_ms(uint64_t limit_ns); /* from now, at least 0, for poll */

/* Pauses between attempts at a port that does not answer yet. */
struct test_patience {
	uint64_t ns;
};
#define TEST_PATIENCE_INIT                                                                         \
	{                                                                                          \
		.ns = 20000000                                                                     \
	}
/* When the next attempt may be given up: longer each time, never behind `limit_ns`. */
uint64_t test_patience_next(struct test_patience *patience, uint64_t limit_ns);

/* console.c */
int test_console_open(struct test_console *console, const char *path, struct uni_err *err);
void test_console_close(struct test_console *console);
/* Waits for all of the test's, in order. */
int test_console_expect(struct test_run *run, const struct uni_recipe_match *matches, size_t count,
			struct uni_err *err);
char *test_console_tail(const char *path); /* its last lines, NUL-terminated whatever it holds */

/* match.c */
/* Whether what has come so far is enough, whatever follows: never for EQUALS and SHA256, and the
 * end of what is there is no end of a line for a regular expression. */
bool test_match_early(const struct uni_recipe_match *match, const char *data, size_t size);
bool test_match(const struct uni_recipe_match *match, const char *data, size_t size);
void test_match_describe(const struct uni_recipe_match *match, struct uni_buf *out);
/* As text for people: unprintable bytes escaped, cut after some lines or kilobytes. */
void test_show(const char *data, size_t size, struct uni_buf *out);

/* http.c */
int test_http(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err);
/* load.c */
int test_load(struct test_run *run, const struct uni_recipe_load *load, struct uni_err *err);
/* socket.c */
int test_connect(const struct test_port *port, int *fd, struct uni_err *err); /* non-blocking */
int test_tcp(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err);
int test_udp(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err);
struct test_query {
	const void *data;
	size_t size;
	bool (*accept)(void *user, const char *data, size_t size); /* whether this answers it */
	void *user;
};
/* Sends the query until an answer comes that it accepts, or the run's time is over. */
int test_exchange(struct test_run *run, struct test_port *port, const struct test_query *query,
		  struct uni_err *err);
/* dns.c */
int test_dns(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err);
#define TEST_DNS_QUERY_MAX 512
size_t test_dns_query(const char *name, const char *type, uint16_t id,
		      uint8_t out[TEST_DNS_QUERY_MAX]);

struct test_dns_answer {
	unsigned code;
	struct uni_strv records; /* as zone files write them */
};
/* False when the packet is not a sound answer to a query of that id. */
bool test_dns_read(const void *packet, size_t size, uint16_t id, const char *type,
		   struct test_dns_answer *answer);

/* volume.c: the disks are the machine's own, and it has ended. */
int test_volumes_copy(struct test_run *run, struct uni_err *err);
int test_volumes(const struct test_run *run, struct uni_err *err);

/* boot.c: from the emulator's start to the machine's first answer, several times. */
int test_boot(const struct test_case *of, struct uni_err *err);

#endif
