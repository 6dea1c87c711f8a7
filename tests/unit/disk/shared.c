/*
 * One disk for several readers: what each gets is what it would get alone, the disk is read once,
 * and no reader's order, end or failure stops the others. A reader that waits for ever is a test
 * that never ends.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/disk/shared.h>
#include <unistd.h>

#include "sample.h"

enum { SIZE = 21 << 20 | 1536, PAGE = 4096, PAGES = SIZE / PAGE + 1, MOST = 32, PIECE = 900000 };

/* --- a disk that counts how often each page of it is read --- */

struct counted {
	struct uni_disk_source base;
	int fd;
	uint64_t bad; /* the first byte that cannot be read */
	unsigned reads[PAGES];
	bool busy;
};

static int counted_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
			struct uni_err *err)
{
	return uni_data_next(((struct counted *)source)->fd, source->size, offset, length, err);
}

static int counted_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
			struct uni_err *err)
{
	struct counted *counted = (struct counted *)source;

	if (offset + size > counted->bad)
		return uni_err_set(err, UNI_E_IO, "a bad sector");
	assert_false(__atomic_exchange_n(&counted->busy, true, __ATOMIC_ACQUIRE));
	for (uint64_t page = offset / PAGE; page <= (offset + size - 1) / PAGE; page++)
		counted->reads[page]++;
	__atomic_store_n(&counted->busy, false, __ATOMIC_RELEASE);
	return uni_pread_full(counted->fd, data, size, offset, "sample", err);
}

static const struct uni_disk_source_ops counted_ops = { .next = counted_next,
							.read = counted_read };

static void count(struct counted *counted, int fd)
{
	*counted = (struct counted){
		.base = { .ops = &counted_ops, .form = "raw", .size = SIZE, .owned_fd = -1 },
		.fd = fd,
		.bad = UINT64_MAX,
	};
}

/* The sample's data is at its start: more of it, all over the disk. */
static int full_disk(void)
{
	struct uni_err err = UNI_ERR_INIT;
	int fd = sample_disk(SIZE);
	uint8_t *data = uni_alloc(PIECE);

	for (uint64_t at = 4 << 20; at + PIECE < SIZE; at += PIECE + 100000) {
		for (size_t i = 0; i < PIECE; i++)
			data[i] = (uint8_t)((at + i * i) >> 7);
		assert_int_equal(uni_pwrite_full(fd, data, PIECE, at, "sample", &err), 0);
	}
	free(data);
	return fd;
}

/* --- its readers --- */

struct reader {
	void (*run)(struct reader *reader);
	struct uni_disk_source *view;
	const struct sample_form *form;
	const uint8_t *expected; /* all bytes of the disk */
	int fd;
	int rc;
	pthread_t thread;
};

static void convert(struct reader *r)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_disk_options options = r->form->options;

	options.threads = 2;
	r->rc = uni_disk_convert(uni_disk_find(r->form->form), &options, &r->view, r->fd, &err);
}

static void expect(struct reader *r, uint64_t offset, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	uint8_t *data = uni_alloc(size);

	r->rc = uni_disk_source_read(r->view, data, size, offset, &err);
	assert_true(r->rc != 0 || memcmp(data, r->expected + offset, size) == 0);
	free(data);
}

static void forward(struct reader *r)
{
	for (uint64_t at = 0; r->rc == 0 && at < SIZE; at += 70000)
		expect(r, at, SIZE - at < 70000 ? (size_t)(SIZE - at) : 70000);
}

static void backward(struct reader *r)
{
	for (uint64_t at = SIZE; r->rc == 0 && at >= 500000; at -= 500000)
		expect(r, at - 500000, 500000);
}

static void ends_first(struct reader *r)
{
	expect(r, SIZE - 33 * 512, 33 * 512);
	forward(r);
}

static void jumps(struct reader *r)
{
	for (uint64_t at = 0; r->rc == 0 && at + 3000 < SIZE; at += 9 << 20)
		expect(r, at, 3000);
}

static void stops(struct reader *r)
{
	expect(r, 0, 5 << 20);
}

/* As many pieces as there is room for are kept for one who has not begun. */
static sem_t room_is_full;

static void far_ahead(struct reader *r)
{
	for (uint64_t at = 10 << 20; r->rc == 0 && at + 3000 < SIZE; at += 1 << 20) {
		if (at == 16 << 20)
			sem_post(&room_is_full);
		expect(r, at, 3000);
	}
}

static void late(struct reader *r)
{
	sem_wait(&room_is_full);
	forward(r);
}

static void nothing(struct reader *r)
{
	(void)r;
}

static void *run(void *user)
{
	struct reader *reader = user;

	reader->run(reader);
	uni_disk_source_free(reader->view);
	return NULL;
}

static void run_all(struct counted *counted, struct reader *readers, size_t count)
{
	struct uni_disk_shared *shared = uni_disk_shared_new(&counted->base);

	for (size_t i = 0; i < count; i++)
		readers[i].view = uni_disk_shared_view(shared);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL, run, &readers[i]), 0);
	for (size_t i = 0; i < count; i++)
		pthread_join(readers[i].thread, NULL);
	uni_disk_shared_free(shared);
}

/* --- tests --- */

static unsigned most_reads(const struct counted *counted)
{
	unsigned most = 0;

	for (size_t i = 0; i < PAGES; i++)
		most = counted->reads[i] > most ? counted->reads[i] : most;
	return most;
}

static void same_file(int a, int b)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_digest first, second;
	uint64_t size;

	assert_int_equal(uni_digest_fd(a, &size, &first, "a", &err), 0);
	assert_int_equal(uni_digest_fd(b, &size, &second, "b", &err), 0);
	assert_true(uni_digest_eq(&first, &second));
}

/* Every form with every choice it has. */
static void all_forms_at_once(int raw)
{
	struct counted *counted = uni_alloc(sizeof(*counted));
	struct reader readers[MOST] = { 0 };
	size_t forms = 0;

	count(counted, raw);
	for (; sample_forms[forms].form != NULL; forms++) {
		assert_true(forms < MOST);
		readers[forms] = (struct reader){ .run = convert,
						  .form = &sample_forms[forms],
						  .fd = sample_file() };
	}
	run_all(counted, readers, forms);
	assert_int_equal(most_reads(counted), 1);
	for (size_t i = 0; i < forms; i++) {
		int alone = sample_convert(&sample_forms[i], raw, 1);

		assert_int_equal(readers[i].rc, 0);
		same_file(readers[i].fd, alone);
		close(readers[i].fd);
		close(alone);
	}
	free(counted);
}

static void test_once(void **state)
{
	int raw = full_disk();

	(void)state;
	all_forms_at_once(raw);
	close(raw);
}

static void test_one_processor(void **state)
{
	int raw = full_disk();
	cpu_set_t before, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (size_t i = 0; CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &before))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	all_forms_at_once(raw);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	close(raw);
}

static uint8_t *bytes_of(int raw)
{
	struct uni_err err = UNI_ERR_INIT;
	uint8_t *bytes = uni_alloc(SIZE);

	assert_int_equal(uni_pread_full(raw, bytes, SIZE, 0, "sample", &err), 0);
	return bytes;
}

static void (*const ways[])(struct reader *) = { forward, backward, ends_first, forward,
						 stops,	  nothing,  jumps,	jumps };

static void test_any_order(void **state)
{
	int raw = full_disk();
	uint8_t *bytes = bytes_of(raw);
	struct counted *counted = uni_alloc(sizeof(*counted));
	struct reader readers[UNI_COUNT(ways)];

	(void)state;
	for (int round = 0; round < 5; round++) {
		count(counted, raw);
		for (size_t i = 0; i < UNI_COUNT(ways); i++)
			readers[i] = (struct reader){ .run = ways[i], .expected = bytes };
		run_all(counted, readers, UNI_COUNT(ways));
		for (size_t i = 0; i < UNI_COUNT(ways); i++)
			assert_int_equal(readers[i].rc, 0);
	}
	free(counted);
	free(bytes);
	close(raw);
}

static void test_no_room(void **state)
{
	int raw = full_disk();
	uint8_t *bytes = bytes_of(raw);
	struct counted *counted = uni_alloc(sizeof(*counted));
	struct reader readers[] = { { .run = far_ahead, .expected = bytes },
				    { .run = late, .expected = bytes } };

	(void)state;
	assert_int_equal(sem_init(&room_is_full, 0, 0), 0);
	count(counted, raw);
	run_all(counted, readers, UNI_COUNT(readers));
	assert_int_equal(readers[0].rc, 0);
	assert_int_equal(readers[1].rc, 0);
	free(counted);
	free(bytes);
	close(raw);
}

/* Whoever gets as far as the bad sector is told. */
static void test_error(void **state)
{
	int raw = full_disk();
	uint8_t *bytes = bytes_of(raw);
	struct counted *counted = uni_alloc(sizeof(*counted));
	struct reader readers[UNI_COUNT(ways)];

	(void)state;
	count(counted, raw);
	counted->bad = 9 << 20;
	for (size_t i = 0; i < UNI_COUNT(ways); i++)
		readers[i] = (struct reader){ .run = ways[i], .expected = bytes };
	run_all(counted, readers, UNI_COUNT(ways));
	for (size_t i = 0; i < UNI_COUNT(ways); i++) {
		bool stays = ways[i] == stops || ways[i] == nothing;

		assert_int_equal(readers[i].rc, stays ? 0 : UNI_E_IO);
	}
	free(counted);
	free(bytes);
	close(raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),	  cmocka_unit_test(test_one_processor),
		cmocka_unit_test(test_any_order), cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
