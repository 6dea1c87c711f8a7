/*
 * Power that fails at any moment. A log of the writes and flushes of a commit is replayed onto what
 * was there: everything up to a flush, and of what came after it every prefix, everything but one,
 * and many other subsets. Each of these volumes must hold the generation before or the new one,
 * with exactly its content; and the next commit must work.
 */
#include <string.h>
#include <uni/base/file.h>

#include "unit.h"

enum { SUBSETS = 60, WRITES_MAX = 4096 };

struct entry {
	uint64_t at;
	size_t size;
	uint8_t *data; /* NULL: a flush */
};

struct log {
	struct entry *entries;
	size_t count, room;
};

static void log_write(void *user, uint64_t at, const void *data, size_t size)
{
	struct log *log = user;

	UNI_PUSH_ROOM(log->entries, log->count, log->room);
	log->entries[log->count++] = (struct entry){ at, size, uni_memdup(data, size) };
}

static void log_flush(void *user)
{
	struct log *log = user;

	UNI_PUSH_ROOM(log->entries, log->count, log->room);
	log->entries[log->count++] = (struct entry){ .data = NULL };
}

struct states {
	const char *path;
	struct uni_buf before; /* the file */
	struct uni_buf old;    /* contents */
	struct uni_buf new;
	uint64_t generation; /* of the old one */
	unsigned seen_old;
	unsigned seen_new;
	struct log log;
};

/* The volume after all up to entry `flushed` and those behind it that `taken` names. */
static void check_state(struct states *s, size_t flushed, const bool *taken, size_t count)
{
	UNI_AUTO_BUF struct uni_buf file = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf content = UNI_BUF_INIT;
	uint64_t generation;

	uni_buf_add(&file, s->before.data, s->before.size);
	for (size_t i = 0; i < flushed + count; i++) {
		const struct entry *e = &s->log.entries[i];

		if (e->data != NULL && (i < flushed || taken[i - flushed]))
			memcpy(file.data + e->at, e->data, e->size);
	}
	put_file(s->path, &file);
	generation = volume_generation(s->path);
	read_volume(s->path, false, &content);
	if (generation == s->generation) {
		s->seen_old++;
		assert_string_equal(uni_buf_text(&content), uni_buf_text(&s->old));
	} else {
		s->seen_new++;
		assert_int_equal(generation, s->generation + 1);
		assert_string_equal(uni_buf_text(&content), uni_buf_text(&s->new));
	}
}

static void check_epoch(struct states *s, size_t flushed, size_t count)
{
	bool taken[WRITES_MAX] = { false };
	uint32_t seed = (uint32_t)flushed + 1;

	assert_true(count < WRITES_MAX);
	for (size_t prefix = 0; prefix <= count; prefix++) {
		check_state(s, flushed, taken, count);
		taken[prefix] = true;
	}
	for (size_t i = 0; i < count; i++) {
		memset(taken, true, count);
		taken[i] = false;
		check_state(s, flushed, taken, count);
	}
	for (unsigned n = 0; count > 2 && n < SUBSETS; n++) {
		for (size_t i = 0; i < count; i++) {
			seed = seed * 1103515245 + 12345;
			taken[i] = (seed >> 16) % 2 != 0;
		}
		check_state(s, flushed, taken, count);
	}
}

static void crash_commit(const char *path, unsigned seed, const char *crashed)
{
	struct states s = { .path = crashed };
	const struct uni_live_log log = { log_write, log_flush, &s.log };
	const struct uni_live_options options = { .time = 50, .threads = 1, .log = &log };
	struct uni_live_made made;
	size_t flushed = 0;

	assert_int_equal(uni_file_read(path, 16 << 20, &s.before, &live_err), 0);
	s.generation = volume_generation(path);
	read_volume(path, false, &s.old);
	commit_volume(path, seed, &options, &made);
	read_volume(path, false, &s.new);
	for (size_t i = 0; i < s.log.count; i++)
		if (s.log.entries[i].data == NULL) {
			check_epoch(&s, flushed, i - flushed);
			flushed = i + 1;
		}
	assert_int_equal(flushed, s.log.count); /* it ends with a flush */
	assert_true(s.seen_old > 10);
	assert_true(s.seen_new >= 1);
	/* The last state is one to go on from, as every other. */
	const struct uni_live_options plain = { .time = 60, .threads = 1 };

	commit_volume(crashed, seed + 7, &plain, &made);
	read_volume(crashed, false, &s.old);
	for (size_t i = 0; i < s.log.count; i++)
		free(s.log.entries[i].data);
	free(s.log.entries);
	uni_buf_free(&s.before);
	uni_buf_free(&s.old);
	uni_buf_free(&s.new);
}

void test_crash(void **state)
{
	const struct uni_live_options plain = { .time = 10, .threads = 1 };
	UNI_AUTO_FREE char *path = scratch_path("crash");
	UNI_AUTO_FREE char *crashed = scratch_path("crashed");

	(void)state;
	make_volume(path, 100, &plain);
	for (unsigned seed = 101; seed < 104; seed++)
		crash_commit(path, seed, crashed);
}

/* A superblock of which only some sectors' worth of bytes arrived counts for nothing. */
void test_torn(void **state)
{
	const struct uni_live_options plain = { .time = 10, .threads = 1 };
	UNI_AUTO_FREE char *path = scratch_path("torn");
	UNI_AUTO_BUF struct uni_buf file = UNI_BUF_INIT;
	struct uni_live_made made;

	(void)state;
	make_volume(path, 100, &plain);
	commit_volume(path, 101, &plain, &made);
	assert_int_equal(uni_file_read(path, 16 << 20, &file, &live_err), 0);
	for (size_t size = 0; size < sizeof(struct uni_live_super); size += 3) {
		UNI_AUTO_BUF struct uni_buf torn = UNI_BUF_INIT;

		uni_buf_add(&torn, file.data, file.size);
		memset(torn.data + size, 0, UNI_LIVE_BLOCK - size); /* generation 2 is in block 0 */
		put_file(path, &torn);
		assert_int_equal(volume_generation(path), 1);
	}
	commit_volume(path, 103, &plain, &made);
	assert_int_equal(made.generation, 2);
}
