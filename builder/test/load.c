/*
 * [test.load]: requests at a steady rate, whether or not the ones before were answered. A machine
 * that is too slow therefore has more and more of them open, as it would have in the world. What
 * was due while we ourselves stood still is not sent all at once: the rate would not be steady, and
 * the machine blamed for it. The schedule stands still as long.
 */
#include <string.h>

#include "curl.h"
#include "run.h"

#define SECOND UINT64_C(1000000000)
#define OPEN_MAX 512 /* beyond that a request that is due fails at once */
#define SLACK_NS (2 * SECOND)
#define LATE_NS (SECOND / 50) /* one that goes on later than this stood still */
#define LOOK_NS (SECOND / 10) /* whether the machine has ended, or somebody wants us to */

struct request {
	CURL *easy;
	struct request *next; /* unused ones */
};

struct load {
	const struct uni_recipe_load *how;
	CURLM *multi;
	struct curl_slist *connect_to;
	struct request requests[OPEN_MAX];
	struct request *unused;
	size_t made;
	uint64_t started, answered, failed;
	unsigned open;
	char *trouble; /* of the first that failed */
};

static size_t drop_body(char *data, size_t size, size_t count, void *user)
{
	(void)data;
	(void)user;
	return size * count;
}

/* One that is not in use; NULL when there are too many. */
static struct request *take_request(struct load *load, uint16_t ours)
{
	struct request *request = load->unused;
	struct curl_slist *connect_to = NULL;

	if (request != NULL) {
		load->unused = request->next;
		return request;
	}
	if (load->made == OPEN_MAX)
		return NULL;
	request = &load->requests[load->made];
	request->easy = test_curl_request("http", "localhost", load->how->port, ours,
					  load->how->target, &connect_to);
	if (request->easy == NULL)
		return NULL;
	/* One list does for all. */
	if (load->connect_to == NULL) {
		load->connect_to = connect_to;
	} else {
		test_curl.curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, load->connect_to);
		test_curl.curl_slist_free_all(connect_to);
	}
	test_curl.curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION, drop_body);
	test_curl.curl_easy_setopt(request->easy, CURLOPT_PRIVATE, request);
	load->made++;
	return request;
}

static void note_failure(struct load *load, const char *why)
{
	load->failed++;
	if (load->trouble == NULL)
		load->trouble = uni_strdup(why);
}

static void take_answer(struct load *load, CURL *easy, CURLcode code)
{
	struct request *request = NULL;
	long status = 0;

	test_curl.curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
	test_curl.curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	test_curl.curl_multi_remove_handle(load->multi, easy);
	load->open--;
	if (code != CURLE_OK) {
		note_failure(load, test_curl.curl_easy_strerror(code));
	} else if (status != (long)load->how->status) {
		UNI_AUTO_FREE char *text = uni_asprintf("status %ld", status);

		note_failure(load, text);
	} else {
		load->answered++;
	}
	request->next = load->unused;
	load->unused = request;
}

static void start_due(struct load *load, uint64_t due, uint16_t ours)
{
	for (; load->started < due; load->started++) {
		struct request *request = take_request(load, ours);

		if (request == NULL) {
			note_failure(load, "too many requests are not answered yet");
			continue;
		}
		test_curl.curl_multi_add_handle(load->multi, request->easy);
		load->open++;
	}
}

/* When requests are due; `next` is when we mean to go on. */
struct schedule {
	uint64_t rate, total;
	uint64_t start, end, next;
};

static struct schedule schedule_start(const struct uni_recipe_load *how)
{
	uint64_t now = uni_clock_mono_ns();

	return (struct schedule){
		.rate = how->rate,
		.total = (uint64_t)how->rate * how->seconds,
		.start = now,
		.end = now + how->seconds * SECOND,
		.next = now,
	};
}

/* How many are due in all. */
static uint64_t schedule_due(struct schedule *s, uint64_t now)
{
	uint64_t late = now > s->next + LATE_NS ? now - s->next : 0, due;

	s->start += late;
	s->end += late;
	due = now < s->end ? (now - s->start) / 1000 * s->rate / 1000000 + 1 : s->total;
	return due < s->total ? due : s->total;
}

/* Sets when to go on, with so many started. */
static void schedule_next(struct schedule *s, uint64_t now, uint64_t started)
{
	uint64_t next =
		started < s->total ? s->start + started * SECOND / s->rate : s->end + SLACK_NS;

	s->next = next < now + LOOK_NS ? next : now + LOOK_NS;
}

/* Until all are answered, or nobody waits any longer; TEST_ENDED when the machine does not. */
static int drive(const struct test_run *run, struct load *load, uint16_t ours, struct uni_err *err)
{
	struct schedule schedule = schedule_start(load->how);

	for (;;) {
		uint64_t now = uni_clock_mono_ns();
		int running, left;
		CURLMsg *message;

		start_due(load, schedule_due(&schedule, now), ours);
		if (test_curl.curl_multi_perform(load->multi, &running) != CURLM_OK)
			return uni_err_set(err, UNI_E_IO, "libcurl cannot go on");
		while ((message = test_curl.curl_multi_info_read(load->multi, &left)) != NULL)
			if (message->msg == CURLMSG_DONE)
				take_answer(load, message->easy_handle, message->data.result);
		if (load->started == schedule.total && load->open == 0)
			return TEST_READY;
		if (now >= schedule.end + SLACK_NS)
			return TEST_LATE;
		if (test_ended(run))
			return TEST_ENDED;
		if (uni_check_cancel(err) != 0)
			return err->code;
		schedule_next(&schedule, now, load->started);
		if (test_curl.curl_multi_poll(load->multi, NULL, 0, test_timeout_ms(schedule.next),
					      NULL) != CURLM_OK)
			return uni_err_set(err, UNI_E_IO, "libcurl cannot wait");
	}
}

static void end_load(struct load *load)
{
	for (size_t i = 0; i < load->made; i++) {
		test_curl.curl_multi_remove_handle(load->multi, load->requests[i].easy);
		test_curl.curl_easy_cleanup(load->requests[i].easy);
	}
	test_curl.curl_multi_cleanup(load->multi);
	test_curl.curl_slist_free_all(load->connect_to);
	free(load->trouble);
	free(load);
}

static int judge(struct test_run *run, struct load *load, int waited, struct uni_err *err)
{
	const struct uni_recipe_load *how = load->how;
	uint64_t total = (uint64_t)how->rate * how->seconds;
	UNI_AUTO_FREE char *what = uni_asprintf("load: GET %s on port %u", how->target, how->port);
	UNI_AUTO_FREE char *expected = NULL, *came = NULL;

	if (waited < 0)
		return waited;
	run->of->result->requests = total;
	run->of->result->failures = total - load->answered;
	expected = uni_asprintf("%u requests a second for %u s, of which at most %llu fail",
				how->rate, how->seconds, (unsigned long long)how->failures_at_most);
	if (waited == TEST_ENDED)
		return test_fail_ended(run, what, expected, err);
	if (run->of->result->failures <= how->failures_at_most)
		return 0;
	came = uni_asprintf("%llu of %llu failed, %u of them without an answer; the first: %s",
			    (unsigned long long)run->of->result->failures,
			    (unsigned long long)total, load->open,
			    load->trouble != NULL ? load->trouble : "no answer");
	return test_fail(run, what, expected, came, err);
}

/* One request first: what does not answer at all is not under load. */
static int ask_once(struct test_run *run, const struct uni_recipe_load *how, struct uni_err *err)
{
	char method[] = "GET", host[] = "localhost";
	struct uni_recipe_step step = {
		.kind = UNI_STEP_HTTP,
		.port = how->port,
		.method = method,
		.host = host,
		.target = how->target,
		.status = how->status,
		.repeat = 1,
	};

	return test_http(run, &step, err);
}

int test_load(struct test_run *run, const struct uni_recipe_load *how, struct uni_err *err)
{
	struct load *load;
	int status = ask_once(run, how, err);

	if (status != 0)
		return status;
	load = uni_alloc(sizeof(*load));
	load->how = how;
	load->multi = test_curl.curl_multi_init();
	if (load->multi == NULL) {
		free(load);
		return uni_err_set(err, UNI_E_NOMEM, "libcurl has no memory");
	}
	test_curl.curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)OPEN_MAX);
	status = judge(run, load,
		       drive(run, load, test_run_port(run, how->port, false)->forward.host, err),
		       err);
	end_load(load);
	return status;
}
