/*
 * Disks: a backend that serves bytes as the protocol says, and others that do not.
 */
#include "host.h"
#include "tests.h"

#define DISK_SIZE (1u << 20)
#define TRANSFERS 40

enum { READ = 0, WRITE = 1, FLUSH = 3 };

struct request { /* public/io/blkif.h */
	uint8_t op, segments;
	uint16_t disk;
	uint32_t pad;
	uint64_t id, sector;
	struct {
		uint32_t grant;
		uint8_t first, last;
		uint16_t pad;
	} segment[11];
};

struct response {
	uint64_t id;
	uint8_t op;
	int16_t status;
};

static uint8_t content[DISK_SIZE];
static uint32_t served;
static unsigned ended, flushes;
static int16_t answer;

static void done(struct uk_block_req *req)
{
	req->user = (char *)req->user + 1; /* how often */
	ended++;
}

static void respond(uint64_t id, int16_t status)
{
	struct response r = { .id = id, .status = status };
	struct shared_ring *ring = host.ring[0];

	memcpy(ring->entries + (size_t)(ring->responses % 32) * 112, &r, sizeof(r));
	ring->responses++;
}

static void serve_one(const struct request *r)
{
	uint64_t at = r->sector * 512;

	flushes += r->op == FLUSH;
	assert_true(r->segments <= 11);
	for (unsigned i = 0; i < r->segments; i++) {
		uint8_t *frame = host_granted(r->segment[i].grant) + r->segment[i].first * 512u;
		size_t size = (r->segment[i].last - r->segment[i].first + 1u) * 512u;

		assert_true(r->segment[i].last < 8 && at + size <= DISK_SIZE);
		if (r->op == WRITE)
			memcpy(content + at, frame, size);
		else
			memcpy(frame, content + at, size);
		at += size;
	}
	respond(r->id, answer);
}

/* Everything that was asked, until nothing more is. */
static void serve(void)
{
	while (served != host.ring[0]->requests) {
		struct request r;

		memcpy(&r, host.ring[0]->entries + (size_t)(served++ % 32) * 112, sizeof(r));
		host.ring[0]->request_event = served + 1;
		serve_one(&r);
		host_event();
	}
}

static void open_disk(void)
{
	host_tell("sectors", DISK_SIZE / 512);
	host_tell("feature-flush-cache", 1);
	host_open(&uk_xen_blk);
	served = ended = flushes = 0;
	answer = 0;
	for (unsigned i = 0; i < DISK_SIZE; i++)
		content[i] = (uint8_t)(i * 7 + (i >> 9));
}

static int set_up(void **state)
{
	(void)state;
	open_disk();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	host_clear();
	return 0;
}

struct transfer {
	struct uk_block_req req;
	struct uk_block_seg segs[UK_BLOCK_SEGS];
	uint8_t data[UK_BLOCK_SEGS * 4096];
};
static struct transfer transfers[TRANSFERS];

/* Segments of different sizes, 512 to 3072 bytes, at odd addresses. */
static size_t submit(struct transfer *t, enum uk_block_op op, uint64_t offset, unsigned segs)
{
	size_t at = 0;

	for (unsigned i = 0; i < segs; i++) {
		t->segs[i] = (struct uk_block_seg){ t->data + at, (i % 6 + 1) * 512 };
		at += t->segs[i].size;
	}
	t->req = (struct uk_block_req){
		.op = op, .offset = offset, .segs = t->segs, .seg_count = segs, .done = done
	};
	host.disk->ops->submit(host.disk, &t->req);
	return at;
}

static void serves_what_was_asked(void **state)
{
	size_t size;

	(void)state;
	assert_string_equal(host.disk->name, "xvda");
	assert_int_equal(host.disk->size, DISK_SIZE);
	assert_false(host.disk->read_only);
	size = submit(&transfers[0], UK_BLOCK_READ, 5 * 512, UK_BLOCK_SEGS);
	serve();
	assert_int_equal(ended, 1);
	assert_memory_equal(transfers[0].data, content + 5 * 512, size);
	memset(transfers[1].data, 0x5a, sizeof(transfers[1].data));
	size = submit(&transfers[1], UK_BLOCK_WRITE, 512, 20);
	submit(&transfers[2], UK_BLOCK_FLUSH, 0, 0);
	serve();
	assert_int_equal(ended, 3);
	assert_int_equal(flushes, 1);
	assert_memory_equal(transfers[1].data, content + 512, size);
	assert_true(content[512 + size] != 0x5a || content[513 + size] != 0x5a);
}

static void many_at_once_end_once(void **state)
{
	size_t size[TRANSFERS];

	(void)state;
	for (unsigned i = 0; i < TRANSFERS; i++)
		size[i] = submit(&transfers[i], UK_BLOCK_READ, i * 1024, UK_BLOCK_SEGS - i % 7);
	assert_int_equal(ended, 0);
	serve();
	assert_int_equal(ended, TRANSFERS);
	for (unsigned i = 0; i < TRANSFERS; i++) {
		assert_int_equal(transfers[i].req.status, 0);
		assert_ptr_equal(transfers[i].req.user, (void *)1);
		assert_memory_equal(transfers[i].data, content + (size_t)i * 1024, size[i]);
	}
}

static void errors_end_a_transfer_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		answer = (int16_t)-i;
		submit(&transfers[i], UK_BLOCK_READ, 0, UK_BLOCK_SEGS);
		serve();
	}
	assert_int_equal(ended, 3);
	assert_int_equal(transfers[0].req.status, 0);
	assert_int_equal(transfers[1].req.status, -UK_EIO);
	assert_int_equal(transfers[2].req.status, -UK_EOPNOTSUPP);
	answer = 0;
	submit(&transfers[3], UK_BLOCK_READ, 0, 8);
	serve();
	assert_int_equal(transfers[3].req.status, 0);
}

/* Whatever the backend did: everything ends, once, and nothing is asked of it any more. */
static void expect_given_up(void)
{
	uint32_t asked = host.ring[0]->requests;

	host_event();
	assert_int_equal(ended, TRANSFERS);
	for (unsigned i = 0; i < TRANSFERS; i++) {
		assert_int_equal(transfers[i].req.status, -UK_EIO);
		assert_ptr_equal(transfers[i].req.user, (void *)1);
	}
	submit(&transfers[0], UK_BLOCK_READ, 0, 1);
	assert_int_equal(transfers[0].req.status, -UK_EIO);
	assert_int_equal(host.ring[0]->requests, asked);
}

static void refuses_answers_nobody_asked_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRANSFERS; i++)
		submit(&transfers[i], UK_BLOCK_READ, 0, UK_BLOCK_SEGS);
	host.ring[0]->responses = host.ring[0]->requests + 1;
	expect_given_up();
	assert_int_equal(host.log_lines, 1);
}

static void refuses_a_number_it_did_not_give(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRANSFERS; i++)
		submit(&transfers[i], UK_BLOCK_READ, 0, UK_BLOCK_SEGS);
	respond(UINT64_MAX, 0);
	expect_given_up();
}

static void refuses_the_same_number_twice(void **state)
{
	struct request r;

	(void)state;
	for (unsigned i = 0; i < TRANSFERS; i++)
		submit(&transfers[i], UK_BLOCK_WRITE, 0, UK_BLOCK_SEGS);
	memcpy(&r, host.ring[0]->entries, sizeof(r));
	respond(31, 0); /* of a slot that is free: frames ran out first */
	expect_given_up();
}

static void is_taken_away(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRANSFERS; i++)
		submit(&transfers[i], UK_BLOCK_READ, 0, UK_BLOCK_SEGS);
	uk_xen_blk.changed(&host.dev, UK_XEN_CLOSING);
	expect_given_up();
}

static void gives_everything_back(void **state)
{
	(void)state;
	submit(&transfers[0], UK_BLOCK_READ, 0, UK_BLOCK_SEGS);
	serve();
	uk_xen_blk.changed(&host.dev, UK_XEN_CLOSING);
	assert_true(host.grants != 0 && host.grants == host.pages);
	host.maps = true;
	assert_false(uk_xen_blk.release(&host.dev));
	assert_true(host.grants != 0 && host.grants == host.pages);
	assert_null(host.event);
	host.maps = false;
	assert_true(uk_xen_blk.release(&host.dev));
	assert_int_equal(host.grants, 0);
	assert_int_equal(host.pages, 0);
}

static void names_disks(void **state)
{
	static const struct {
		uint32_t number;
		const char *name;
	} disks[] = { { 51712, "xvda" }, { 51729, "xvdb1" }, { 768, "xvda" },	    { 832, "xvdb" },
		      { 5632, "xvdc" },	 { 2064, "xvdb" },   { 268439552u, "xvdq" } };

	(void)state;
	for (size_t i = 0; i < UK_COUNT(disks); i++) {
		host.dev.number = disks[i].number;
		assert_int_equal(uk_xen_blk.connect(&host.dev), 0);
		assert_string_equal(host.disk->name, disks[i].name);
	}
}

int blk_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(serves_what_was_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_at_once_end_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_end_a_transfer_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_answers_nobody_asked_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refuses_a_number_it_did_not_give, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refuses_the_same_number_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_taken_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_everything_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_disks, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
