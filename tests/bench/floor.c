/*
 * The floor that builders of images are measured against: walk a tree, read every file, hash it,
 * write it to one file; one thread. Nothing that keeps content can do less.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fts.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (256 * 1024)

static char block[BLOCK];

static int copy(const char *path, int out, SHA256_CTX *hash)
{
	int in = open(path, O_RDONLY);
	ssize_t got;

	if (in < 0)
		return -1;
	while ((got = read(in, block, sizeof(block))) > 0) {
		SHA256_Update(hash, block, (size_t)got);
		if (write(out, block, (size_t)got) != got)
			return -1;
	}
	close(in);
	return got < 0 ? -1 : 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int main(int argc, char **argv)
{
	char *roots[] = { argc == 3 ? argv[1] : NULL, NULL };
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX hash;
	FTSENT *entry;
	FTS *walk;
	int out;

	if (argc != 3) {
		fprintf(stderr, "usage: floor TREE OUT\n");
		return 2;
	}
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (walk == NULL || out < 0) {
		perror("floor");
		return 1;
	}
	SHA256_Init(&hash);
	while ((entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_F && copy(entry->fts_path, out, &hash) != 0) {
			perror(entry->fts_path);
			return 1;
		}
	SHA256_Final(digest, &hash);
	fts_close(walk);
	printf("%02x%02x\n", digest[0], digest[1]);
	return close(out) != 0;
}
