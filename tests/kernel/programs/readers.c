/*
 * Threads that read a file while it is written, cut and grows again, and while descriptors of it
 * come and go: every page that they see is whole, of one version that was written, or zeros. And
 * threads that read at one offset, each its own part of the file.
 */
#include "t.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

enum { PAGE = 4096, PAGES = 40, READERS = 3, ROUNDS = 80, WORDS = PAGE / 8 };

static int shared;
static volatile int ended;
static char path[] = "/tmp/readers-XXXXXX";

/* Half of a page may be of one version and half of the next: words are what holds together. */
static void judge(const uint64_t *word, size_t size, uint64_t page)
{
	for (size_t i = 0; i < size / 8; i++)
		check(word[i] == 0 || (word[i] >> 32 == page && (uint32_t)word[i] <= ROUNDS));
}

static void *reader(void *arg)
{
	uint64_t buffer[2 * WORDS], seed = (uintptr_t)arg;
	long reads = 0;

	while (!ended || reads < 100) {
		uint64_t page = (seed = seed * 6364136223846793005u + 1442695040888963407u) >> 40;
		int fd = reads % 16 == 0 ? open(path, O_RDONLY) : shared;
		ssize_t size;

		page %= PAGES - 1;
		check(fd >= 0);
		size = pread(fd, buffer, sizeof(buffer), (off_t)(page * PAGE));
		check(size >= 0 && size % PAGE == 0);
		if (size > 0)
			judge(buffer, PAGE, page);
		if (size > PAGE)
			judge(buffer + WORDS, PAGE, page + 1);
		if (fd != shared)
			close(fd);
		reads++;
	}
	return NULL;
}

static void write_page(uint64_t page, uint64_t version)
{
	uint64_t words[WORDS];

	for (int i = 0; i < WORDS; i++)
		words[i] = page << 32 | version;
	check(pwrite(shared, words, PAGE, (off_t)(page * PAGE)) == PAGE);
}

enum { RECORDS = 3000 };

static unsigned char taken[RECORDS];

/* What one thread reads no other does, also where it comes upon the end. */
static void *taker(void *arg)
{
	uint32_t record[3];
	ssize_t size;

	(void)arg;
	while ((size = read(shared, record, sizeof(record))) > 0) {
		check(size == sizeof(record) && record[0] < RECORDS);
		check(record[1] == record[0] && record[2] == record[0]);
		check(__atomic_exchange_n(&taken[record[0]], 1, __ATOMIC_RELAXED) == 0);
	}
	check(size == 0);
	return NULL;
}

static void test_one_offset(void)
{
	pthread_t thread[READERS];

	check(ftruncate(shared, 0) == 0 && lseek(shared, 0, SEEK_SET) == 0);
	for (uint32_t i = 0; i < RECORDS; i++)
		check(write(shared, (uint32_t[]){ i, i, i }, 12) == 12);
	check(lseek(shared, 0, SEEK_SET) == 0);
	for (int i = 0; i < READERS; i++)
		check(pthread_create(&thread[i], NULL, taker, NULL) == 0);
	for (int i = 0; i < READERS; i++)
		check(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < RECORDS; i++)
		check(taken[i]);
	check(lseek(shared, 0, SEEK_CUR) == RECORDS * 12);
	check(lseek(shared, 5, SEEK_SET) == 5);
	fails(read(shared, (void *)8, 4), EFAULT);
	check(lseek(shared, 0, SEEK_CUR) == 5);
	done("one offset");
}

int main(void)
{
	pthread_t thread[READERS];

	check(mkdir("/tmp", 01777) == 0 || errno == EEXIST);
	shared = mkstemp(path);
	check(shared >= 0);
	for (uint64_t i = 0; i < READERS; i++)
		check(pthread_create(&thread[i], NULL, reader, (void *)(uintptr_t)(i + 1)) == 0);
	for (uint64_t version = 1; version <= ROUNDS; version++) {
		for (uint64_t page = 0; page < PAGES; page += version % 3 + 1)
			write_page(page, version);
		if (version % 10 == 0)
			check(ftruncate(shared, (off_t)(version % 40 * PAGE / 2 / PAGE * PAGE)) ==
			      0);
	}
	ended = 1;
	for (int i = 0; i < READERS; i++)
		check(pthread_join(thread[i], NULL) == 0);
	write_page(0, ROUNDS);
	fails(pread(shared, &shared, 4, -1), EINVAL);
	fails(pread(shared, (void *)8, 4, 0), EFAULT);
	test_one_offset();
	check(close(shared) == 0 && unlink(path) == 0);
	fails(pread(shared, path, 4, 0), EBADF);
	done("readers");
	return 0;
}
