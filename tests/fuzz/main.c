/*
 * The corpus of a fuzz target as an ordinary test: feeds every file below the given folders, and
 * every shortened and single-byte-changed form of the small ones, so that even without libFuzzer a
 * reader meets damage at each place. Crashes and sanitizers are what fails it, and an empty corpus.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4 << 20, VARIANTS_MAX = 2000 };

static size_t inputs;

/* A copy of its own for each call: reading behind the end is then seen by the sanitizers. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void feed_variants(uint8_t *data, size_t size)
{
	size_t step = size / VARIANTS_MAX + 1;

	feed(data, size);
	for (size_t at = 0; at < size; at += step) {
		uint8_t old = data[at];

		feed(data, at);
		data[at] = (uint8_t)(old ^ 0xff);
		feed(data, size);
		data[at] = (uint8_t)(old + 1);
		feed(data, size);
		data[at] = old;
	}
}

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX);
	size_t size;

	if (file == NULL || data == NULL) {
		perror(path);
		free(data);
		if (file != NULL)
			fclose(file);
		return 1;
	}
	size = fread(data, 1, INPUT_MAX, file);
	feed_variants(data, size);
	inputs++;
	free(data);
	return fclose(file) != 0;
}

static int run_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int failed = 0;

	if (dir == NULL) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed |= run_file(name);
	}
	closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) != 0) {
			perror(argv[i]);
			return 1;
		}
		failed |= S_ISDIR(st.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
	}
	if (inputs == 0) {
		fprintf(stderr, "no input\n");
		return 1;
	}
	return failed;
}
