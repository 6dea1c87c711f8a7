/*
 * Reads standard input to its end, at first more slowly than it comes, and says how many bytes that
 * were, and their FNV-1a hash. "raw COUNT": of a terminal without lines and keys, up to COUNT
 * bytes. "deaf": does not read.
 */
#include "../programs/t.h"
#include <termios.h>

static void make_raw(void)
{
	struct termios t;

	check(tcgetattr(0, &t) == 0);
	cfmakeraw(&t);
	check(tcsetattr(0, TCSAFLUSH, &t) == 0);
}

static void read_slowly(uint64_t most)
{
	const struct timespec rest = { .tv_nsec = 300000000 };
	uint64_t hash = 0xcbf29ce484222325, count = 0;
	unsigned char part[1000];
	ssize_t got = 1;

	for (unsigned calls = 0; got > 0 && count < most; calls++) {
		if (calls % 100 == 0 && calls < 800)
			nanosleep(&rest, NULL);
		got = read(0, part, sizeof(part));
		check(got >= 0);
		for (ssize_t i = 0; i < got; i++, count++)
			hash = (hash ^ part[i]) * 0x100000001b3;
	}
	printf("\nread %llu %016llx\n", (unsigned long long)count, (unsigned long long)hash);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		make_raw();
	done("ready");
	while (argc == 2)
		pause();
	read_slowly(argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_MAX);
	return 0;
}
