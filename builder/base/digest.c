/*
 * SHA-256 of memory and files. Small amounts go through our own code; from some hundred kilobytes
 * on, libcrypto's, which knows the processor's instructions, is loaded and takes over on the same
 * state. EVP would fetch a provider first, which costs milliseconds.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "internal.h"
#include <endian.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>

#define WORTH_LOADING (256u << 10)
#define READ_STEP (64u << 10) /* below what malloc takes from the system each time */

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct uni_hash), "SHA256_CTX");

#define FNS(X) X(SHA256_Update)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

static atomic_size_t hashed;
static atomic_int loaded; /* 0 not yet, 1 yes, -1 not to be had */

static bool use_library(size_t size)
{
	int state = atomic_load_explicit(&loaded, memory_order_acquire);
	if (state != 0)
		return state > 0;
	if (size < WORTH_LOADING && atomic_fetch_add(&hashed, size) < WORTH_LOADING)
		return false;
	struct uni_err err = UNI_ERR_INIT;
	int rc = uni_lazy_load("libcrypto.so.3", lib_names, UNI_COUNT(lib_names), &lib, &err);
	atomic_store_explicit(&loaded, rc == 0 ? 1 : -1, memory_order_release);
	return rc == 0;
}

void uni_hash_start(struct uni_hash *hash)
{
	uni_sha256_init(hash->state);
}

void uni_hash_add(struct uni_hash *hash, const void *data, size_t size)
{
	if (size == 0)
		return;
	if (use_library(size))
		lib.SHA256_Update((SHA256_CTX *)(void *)hash->state, data, size);
	else
		uni_sha256_update(hash->state, data, size);
}

struct uni_digest uni_hash_end(struct uni_hash *hash)
{
	struct uni_digest digest;
	uni_sha256_final(digest.bytes, hash->state);
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

int uni_digest_fd(int fd, uint64_t *size, struct uni_digest *digest, const char *name,
		  struct uni_err *err)
{
	struct uni_hash hash;
	uint64_t done = 0;
	void *buffer UNI_AUTO_FREE = uni_try_alloc(READ_STEP, READ_STEP, name, err);
	if (buffer == NULL)
		return err->code;
	uni_hash_start(&hash);
	for (;;) {
		ssize_t got = pread(fd, buffer, READ_STEP, (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return uni_err_errno(err, "cannot read %s", name);
		if (got == 0)
			break;
		uni_hash_add(&hash, buffer, (size_t)got);
		done += (uint64_t)got;
		int rc = uni_check_cancel(err);
		if (rc != 0)
			return rc;
	}
	*digest = uni_hash_end(&hash);
	if (size != NULL)
		*size = done;
	return 0;
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
