/*
 * The control socket's reader, against an emulator that does what it should not: a thread writes
 * fixed bytes and closes.
 */
#include "unit.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define SHORT_MS 50

struct peer {
	int listener;
	int connection; /* kept open until the test's end when `open` */
	const char *text;
	size_t repeat;
	bool open;
	pthread_t thread;
};

static void *speak(void *arg)
{
	struct peer *peer = arg;

	peer->connection = accept(peer->listener, NULL, NULL);
	for (size_t i = 0; i < peer->repeat; i++)
		if (send(peer->connection, peer->text, strlen(peer->text), MSG_NOSIGNAL) < 0)
			break;
	if (!peer->open) {
		/* What we were sent is read first: to close on it would be a reset. */
		char word;

		shutdown(peer->connection, SHUT_WR);
		while (read(peer->connection, &word, 1) > 0)
			;
		uni_close_fd(&peer->connection);
	}
	return NULL;
}

static int try_peer(void **state, const char *text, size_t repeat, bool open, struct uni_err *err)
{
	struct peer peer = { .text = text, .repeat = repeat, .open = open, .connection = -1 };
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;
	const char *path = unit_path(state, "socket");

	assert_int_equal(uni_qmp_listen(path, &peer.listener, err), 0);
	assert_int_equal(uni_qmp_connect(&qmp, path, err), 0);
	assert_int_equal(pthread_create(&peer.thread, NULL, speak, &peer), 0);
	if (uni_qmp_greet(qmp, open ? SHORT_MS : 10000, err) == 0)
		(void)uni_qmp_command(qmp, "stop", open ? SHORT_MS : 10000, NULL, err);
	uni_qmp_free(qmp);
	qmp = NULL;
	pthread_join(peer.thread, NULL);
	close(peer.listener);
	uni_close_fd(&peer.connection);
	assert_int_equal(unlink(path), 0);
	return err->code;
}

static void answers_are_found_among_events(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(try_peer(state,
				  GREETING "{\"event\": \"RESUME\"}\r\n"
					   "{\"return\": {}, \"id\": 1}\r\n"
					   "{\"event\": \"STOP\"}\n{\"return\": {}, \"id\": 1}\n"
					   "{\"return\": {}, \"id\": 2}\r\n",
				  1, false, &err),
			 0);
}

/* Which QEMU sends to the next that connects, where the one before did not wait for it. */
static void what_others_did_not_wait_for_is_left_out(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(
		try_peer(state,
			 "ata\": {}, \"event\": \"STOP\"}\r\n"
			 "{\"return\": {}, \"id\": 1}\r\n{\"event\": \"RESUME\"}\r\n" GREETING
			 "{\"return\": {}, \"id\": 1}\r\n{\"return\": {}, \"id\": 2}\r\n",
			 1, false, &err),
		0);
	assert_int_equal(try_peer(state, "{\"event\": \"STOP\"}\r\n", 5000, false, &err),
			 UNI_E_PARSE);
}

static void refusals_are_told(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(try_peer(state,
				  GREETING "{\"return\": {}, \"id\": 1}\r\n"
					   "{\"error\": {\"class\": \"CommandNotFound\", "
					   "\"desc\": \"no such thing\"}, \"id\": 2}\r\n",
				  1, false, &err),
			 UNI_E_INVAL);
	assert_string_equal(err.text, "the emulator refuses stop: no such thing");
}

static void nonsense_is_refused(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(try_peer(state, "HTTP/1.1 200 OK\r\n", 1, false, &err), UNI_E_PARSE);
	assert_int_equal(try_peer(state, "{\"return\": {}}\n", 1, false, &err), UNI_E_PARSE);
	assert_int_equal(try_peer(state, "[[[[[[[[[[[[[[[[", 1 << 17, false, &err), UNI_E_LIMIT);
}

static void ends_and_silence_are_noticed(void **state)
{
	struct uni_err err = UNI_ERR_INIT;

	assert_int_equal(try_peer(state, "", 0, false, &err), UNI_E_NETWORK);
	assert_int_equal(try_peer(state, GREETING, 1, false, &err), UNI_E_NETWORK);
	assert_int_equal(try_peer(state, "", 0, true, &err), UNI_E_TIMEOUT);
	assert_int_equal(try_peer(state, "{\"event\": \"RTC_CHANGE\"}\n", 3, true, &err),
			 UNI_E_PARSE);
	assert_int_equal(try_peer(state, GREETING "{\"event\": \"STOP\"}\n", 1, true, &err),
			 UNI_E_TIMEOUT);
}

static void long_paths_will_do(void **state)
{
	UNI_AUTO_BUF struct uni_buf path = UNI_BUF_INIT;
	UNI_AUTO_CLOSE int fd = -1;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_qmp *qmp = NULL;

	uni_buf_puts(&path, *state);
	for (int i = 0; i < 3; i++)
		uni_buf_puts(&path, "/a-folder-whose-name-is-rather-long-as-some-people-like-them");
	assert_int_equal(uni_dir_make(path.data, 0700, &err), 0);
	uni_buf_puts(&path, "/socket");
	assert_int_equal(uni_qmp_connect(&qmp, path.data, &err), UNI_E_NOENT);
	assert_int_equal(uni_qmp_listen(path.data, &fd, &err), 0);
	assert_int_equal(uni_qmp_connect(&qmp, path.data, &err), 0);
	uni_qmp_free(qmp);
}

int unit_qmp(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(answers_are_found_among_events),
		DIR_TEST(what_others_did_not_wait_for_is_left_out),
		DIR_TEST(refusals_are_told),
		DIR_TEST(nonsense_is_refused),
		DIR_TEST(ends_and_silence_are_noticed),
		DIR_TEST(long_paths_will_do),
	};

	return cmocka_run_group_tests_name("qmp", tests, NULL, NULL);
}
