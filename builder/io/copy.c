/*
 * File to file, hashed in the same read. A reflink would be faster than any copy, but the bytes
 * have to be read for the digest anyway.
 */
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <uni/io/source.h>
#include <unistd.h>

#define STEP (64u << 10)

static void hash_zeros(struct uni_hash *hash, uint64_t size)
{
	static const uint8_t zeros[STEP];
	while (hash != NULL && size > 0) {
		size_t step = size < STEP ? (size_t)size : STEP;
		uni_hash_add(hash, zeros, step);
		size -= step;
	}
}

struct copy {
	int from, to;
	uint64_t from_offset, to_offset;
	struct uni_hash *hash;
	const char *name;
	void *buffer;
};

/* Copies [at, at + size), counted from both offsets. */
static int copy_data(const struct copy *copy, uint64_t at, uint64_t size, struct uni_err *err)
{
	while (size > 0) {
		size_t step = size < STEP ? (size_t)size : STEP;
		int rc = uni_check_cancel(err);
		if (rc == 0)
			rc = uni_pread_full(copy->from, copy->buffer, step, copy->from_offset + at,
					    copy->name, err);
		if (rc == 0 && !uni_all_zero(copy->buffer, step))
			rc = uni_pwrite_full(copy->to, copy->buffer, step, copy->to_offset + at,
					     copy->name, err);
		if (rc != 0)
			return rc;
		if (copy->hash != NULL)
			uni_hash_add(copy->hash, copy->buffer, step);
		at += step;
		size -= step;
	}
	return 0;
}

int uni_io_copy(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size,
		struct uni_hash *hash, const char *name, struct uni_err *err)
{
	struct stat st;
	if (size > INT64_MAX || from_offset > INT64_MAX - size || to_offset > INT64_MAX - size)
		return uni_err_set(err, UNI_E_LIMIT, "%s: a copy reaches behind every file's end",
				   name);
	if (fstat(from, &st) != 0)
		return uni_err_errno(err, "cannot look at %s", name);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < from_offset + size)
		return uni_err_set(err, UNI_E_CORRUPT, "%s ends too early", name);
	void *buffer UNI_AUTO_FREE = uni_alloc(STEP);
	struct copy copy = { from, to, from_offset, to_offset, hash, name, buffer };
	uint64_t end = from_offset + size;
	uint64_t done = from_offset;
	uint64_t at = from_offset;
	uint64_t length;
	int found;
	while ((found = uni_data_next(from, end, &at, &length, err)) == 1) {
		hash_zeros(hash, at - done);
		int rc = copy_data(&copy, at - from_offset, length, err);
		if (rc != 0)
			return rc;
		at += length;
		done = at;
	}
	if (found != 0)
		return found;
	hash_zeros(hash, end - done);
	if (fstat(to, &st) != 0)
		return uni_err_errno(err, "cannot look at the copy of %s", name);
	if ((uint64_t)st.st_size < to_offset + size &&
	    ftruncate(to, (off_t)(to_offset + size)) != 0)
		return uni_err_errno(err, "cannot extend the copy of %s", name);
	return 0;
}
