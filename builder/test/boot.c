/*
 * How long the machine takes until it answers, against one that only ends. Whoever asks a machine
 * that is still starting gets no answer at all, so it is asked anew all the time, without giving
 * up those that were asked before: the first answer to any of them counts.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uni/base/system.h>

#include "run.h"

#define TRIES_MAX 5 /* the best counts: the host only ever adds */
#define ASKED_MAX 128
#define INTERVAL_NS 5000000u

/* What to send for a step; false when its first word is not ours to say in plain bytes. */
static bool opening(const struct uni_recipe_step *step, struct uni_buf *out)
{
	uint8_t query[TEST_DNS_QUERY_MAX];

	switch (step->kind) {
	case UNI_STEP_HTTP:
		if (step->tls)
			return false;
		uni_buf_printf(out, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			       step->target, step->host);
		return true;
	case UNI_STEP_DNS:
		uni_buf_add(out, query, test_dns_query(step->name, step->type, 1, query));
		return true;
	case UNI_STEP_TCP:
	case UNI_STEP_UDP:
		uni_buf_add(out, step->send, step->send_size);
		return true;
	}
	return false;
}

struct race {
	struct pollfd asked[ASKED_MAX + 1]; /* the last is the machine's end */
	size_t count;
	size_t turn; /* the next to be asked, instead of the oldest */
};

static void end_race(struct race *race)
{
	for (size_t i = 0; i < race->count; i++)
		uni_close_fd(&race->asked[i].fd);
}

static int ask(struct race *race, const struct test_port *port, const struct uni_buf *words,
	       struct uni_err *err)
{
	struct pollfd *one = &race->asked[race->turn];

	if (race->count < ASKED_MAX) {
		one->fd = -1;
		race->count++;
	}
	race->turn = (race->turn + 1) % ASKED_MAX;
	one->events = POLLIN;
	if (test_connect(port, &one->fd, err) != 0)
		return err->code;
	/* Here and to the emulator it is connected at once; what cannot be sent is not asked. */
	(void)!send(one->fd, words->data, words->size, MSG_NOSIGNAL);
	return 0;
}

/* Whether one of them has an answer; those that were turned away are closed. */
static bool answered(struct race *race)
{
	char word;

	for (size_t i = 0; i < race->count; i++) {
		if (race->asked[i].fd < 0 || race->asked[i].revents == 0)
			continue;
		if (recv(race->asked[i].fd, &word, 1, MSG_PEEK) > 0)
			return true;
		uni_close_fd(&race->asked[i].fd);
	}
	return false;
}

static int first_answer(struct test_run *run, const struct uni_recipe_step *step,
			struct uni_err *err)
{
	bool udp = step->kind == UNI_STEP_UDP || step->kind == UNI_STEP_DNS;
	const struct test_port *port = test_run_port(run, step->port, udp);
	UNI_AUTO_BUF struct uni_buf words = UNI_BUF_INIT;
	struct race race = { .count = 0 };
	uint64_t interval = INTERVAL_NS, next = 0;
	int status = 0;

	if (!opening(step, &words))
		return test_http(run, step, err);
	while (status == 0) {
		uint64_t now = uni_clock_mono_ns();

		if (now >= next) {
			status = ask(&race, port, &words, err);
			next = now + interval;
			interval += interval / 50;
		}
		race.asked[race.count] =
			(struct pollfd){ .fd = uni_machine_end_fd(run->machine), .events = POLLIN };
		if (status == 0 && poll(race.asked, race.count + 1, test_timeout_ms(next)) > 0) {
			if (answered(&race))
				break;
			if (race.asked[race.count].revents != 0)
				status = test_fail_ended(run, "boot", "an answer", err);
		}
		if (status == 0)
			status = uni_check_cancel(err);
		if (status == 0 && uni_clock_mono_ns() >= run->limit_ns)
			status = test_fail_late(run, "boot", "an answer", NULL, err);
	}
	end_race(&race);
	return status;
}

/* The first expectation: of the network, else of the console, else that it ends. */
static int first_expectation(struct test_run *run, struct uni_err *err)
{
	const struct uni_recipe_test *test = run->of->test;
	int waited;

	if (test->step_count != 0)
		return first_answer(run, &test->steps[0], err);
	if (test->console_count != 0)
		return test_console_expect(run, test->console, 1, err);
	waited = test_wait(run, -1, 0, run->limit_ns, err);
	if (waited == TEST_LATE)
		return test_fail_late(run, "boot", "the machine ends", NULL, err);
	return waited < 0 ? waited : 0;
}

static int boot_once(const struct test_case *of, uint64_t *ns, struct uni_err *err)
{
	struct test_run run;
	int status = test_run_start(&run, of, err);

	if (status == 0)
		status = first_expectation(&run, err);
	*ns = uni_clock_mono_ns() - run.start_ns;
	if (status == UNI_E_DIFFERS && run.dir != NULL) {
		UNI_AUTO_FREE char *path = uni_asprintf("%s/console.log", run.dir);

		of->result->console = test_console_tail(path);
	}
	test_run_end(&run, false);
	return status;
}

static int measure_floor(const struct test_case *of, uint64_t *ns, struct uni_err *err)
{
	struct uni_vm_spec spec = test_case_machine(of);

	return uni_vm_floor(&spec, ns, err);
}

int test_boot(const struct test_case *of, struct uni_err *err)
{
	struct uni_test_result *result = of->result;
	const struct test_run none = { .of = of };
	double most = of->test->boot_at_most;
	UNI_AUTO_FREE char *expected = NULL, *came = NULL;

	if (measure_floor(of, &result->floor_ns, err) != 0)
		return err->code;
	for (int i = 0; i < TRIES_MAX; i++) {
		uint64_t ns;

		if (boot_once(of, &ns, err) != 0)
			return err->code;
		if (result->boot_ns == 0 || ns < result->boot_ns)
			result->boot_ns = ns;
		if ((double)result->boot_ns <= most * (double)result->floor_ns)
			return 0;
	}
	expected = uni_asprintf("the first answer after at most %.2f times the %.1f ms that an "
				"empty machine takes",
				most, (double)result->floor_ns / 1e6);
	came = uni_asprintf("%.1f ms, %.2f times as long", (double)result->boot_ns / 1e6,
			    (double)result->boot_ns / (double)result->floor_ns);
	return test_fail(&none, "boot", expected, came, err);
}
