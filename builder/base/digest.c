/*
 * SHA-256 of memory and files, by libcrypto's low-level functions, which are linked in: nearly
 * every command hashes, and to load the library for them takes more than a millisecond.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "internal.h"
#include <endian.h>
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>
#include <unistd.h>

#define READ_STEP (64u << 10) /* below what malloc takes from the system each time */

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct uni_hash), "SHA256_CTX");

static SHA256_CTX *context(struct uni_hash *hash)
{
	return (SHA256_CTX *)(void *)hash->state;
}

void uni_hash_start(struct uni_hash *hash)
{
	SHA256_Init(context(hash));
}

void uni_hash_add(struct uni_hash *hash, const void *data, size_t size)
{
	if (size != 0)
		SHA256_Update(context(hash), data, size);
}

struct uni_digest uni_hash_end(struct uni_hash *hash)
{
	struct uni_digest digest;

	SHA256_Final(digest.bytes, context(hash));
	return digest;
}

void uni_hash_add_u64(struct uni_hash *hash, uint64_t value)
{
	uint64_t wire = htole64(value);
	uni_hash_add(hash, &wire, sizeof(wire));
}

void uni_hash_add_field(struct uni_hash *hash, const void *data, size_t size)
{
	uni_hash_add_u64(hash, size);
	uni_hash_add(hash, data, size);
}

void uni_hash_add_text(struct uni_hash *hash, const char *text)
{
	if (text != NULL)
		uni_hash_add_field(hash, text, strlen(text));
	else
		uni_hash_add_u64(hash, UINT64_MAX); /* a length that no text has */
}

struct uni_digest uni_digest_of(const void *data, size_t size)
{
	struct uni_hash hash;
	uni_hash_start(&hash);
	uni_hash_add(&hash, data, size);
	return uni_hash_end(&hash);
}

struct uni_digest uni_hmac(const void *key, size_t key_size, const void *data, size_t size)
{
	uint8_t pad[SHA256_CBLOCK] = { 0 };
	struct uni_digest digest;
	struct uni_hash hash;

	if (key_size > sizeof(pad)) {
		digest = uni_digest_of(key, key_size);
		memcpy(pad, digest.bytes, sizeof(digest.bytes));
	} else if (key_size != 0) {
		memcpy(pad, key, key_size);
	}
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	uni_hash_start(&hash);
	uni_hash_add(&hash, pad, sizeof(pad));
	uni_hash_add(&hash, data, size);
	digest = uni_hash_end(&hash);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	uni_hash_start(&hash);
	uni_hash_add(&hash, pad, sizeof(pad));
	uni_hash_add(&hash, digest.bytes, sizeof(digest.bytes));
	explicit_bzero(pad, sizeof(pad));
	return uni_hash_end(&hash);
}

struct reading {
	int fd;
	const char *name;
	struct uni_hash hash;
	uint64_t at;
};

/* Holes are hashed, and not read: to read one is to have the kernel clear pages for it. */
static int hash_holes(struct reading *r, uint64_t size, uint64_t *data_end, struct uni_err *err)
{
	static const uint8_t zeros[READ_STEP];
	uint64_t data = r->at;
	uint64_t length = 0;
	int rc = uni_data_next(r->fd, size, &data, &length, err);

	if (rc < 0)
		return uni_err_context(err, "%s", r->name);
	if (rc == 0)
		data = size;
	while (r->at < data) {
		size_t step = data - r->at < sizeof(zeros) ? (size_t)(data - r->at) : sizeof(zeros);

		uni_hash_add(&r->hash, zeros, step);
		r->at += step;
		if (uni_check_cancel(err) != 0)
			return err->code;
	}
	*data_end = data + length;
	return 0;
}

/* Up to `size` bytes; r->at stays where the file has ended. */
static int hash_data(struct reading *r, size_t size, void *buffer, struct uni_err *err)
{
	ssize_t got = TEMP_FAILURE_RETRY(pread(r->fd, buffer, size, (off_t)r->at));

	if (got < 0)
		return uni_err_errno(err, "cannot read %s", r->name);
	uni_hash_add(&r->hash, buffer, (size_t)got);
	r->at += (uint64_t)got;
	return uni_check_cancel(err);
}

int uni_digest_fd(int fd, uint64_t *size, struct uni_digest *digest, const char *name,
		  struct uni_err *err)
{
	struct reading r = { .fd = fd, .name = name };
	struct stat st;
	uint64_t data_end = UINT64_MAX, before;
	void *buffer UNI_AUTO_FREE = uni_try_alloc(READ_STEP, READ_STEP, name, err);
	int rc = 0;

	if (buffer == NULL)
		return err->code;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_blocks < st.st_size / 512)
		data_end = 0;
	uni_hash_start(&r.hash);
	do {
		size_t step = READ_STEP;

		if (r.at == data_end && (uint64_t)st.st_size > r.at)
			rc = hash_holes(&r, (uint64_t)st.st_size, &data_end, err);
		if (data_end > r.at && data_end - r.at < step)
			step = (size_t)(data_end - r.at);
		before = r.at;
		if (rc == 0)
			rc = hash_data(&r, step, buffer, err);
	} while (rc == 0 && r.at > before);
	*digest = uni_hash_end(&r.hash);
	if (rc == 0 && size != NULL)
		*size = r.at;
	return rc;
}

int uni_digest_file(const char *path, uint64_t *size, struct uni_digest *digest,
		    struct uni_err *err)
{
	struct stat st;
	int fd UNI_AUTO_CLOSE = -1;
	int rc = uni_open_regular(path, &st, &fd, err);
	return rc != 0 ? rc : uni_digest_fd(fd, size, digest, path, err);
}

bool uni_digest_eq(const struct uni_digest *a, const struct uni_digest *b)
{
	return uni_digest_cmp(a, b) == 0;
}

int uni_digest_cmp(const struct uni_digest *a, const struct uni_digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void uni_digest_text(const struct uni_digest *digest, char out[UNI_DIGEST_TEXT])
{
	memcpy(out, "sha256:", 7);
	uni_hex(digest->bytes, sizeof(digest->bytes), out + 7);
}

bool uni_digest_parse(const char *text, struct uni_digest *digest)
{
	if (uni_str_starts(text, "sha256:"))
		text += 7;
	/* One digest has one text: upper case would make a second name for the same blob. */
	return text[strcspn(text, "ABCDEF")] == '\0' &&
	       uni_unhex(text, digest->bytes, sizeof(digest->bytes));
}
