/*
 * Records as files:
 *
 *   uni-record 1
 *   meta BYTES
 *   (that many bytes and a newline)
 *   entries COUNT
 *   SHA256 SIZE INODE MTIME-S MTIME-NS CTIME-S CTIME-NS NAME
 *   end CRC32C
 *
 * A digest of a map has "map-" in front.
 *
 * The checksum is over all in front of its line, for a file cut short by a crash.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/abi/crc32c.h>
#include <unistd.h>

#include "src/internal.h"

#define ENTRY_LEAST 80 /* bytes of the shortest entry's line, to bound their number */

void uni_store_record_free(struct uni_store_record *record)
{
	for (size_t i = 0; i < record->count; i++)
		free(record->entries[i].name);
	free(record->entries);
	free(record->meta);
	*record = (struct uni_store_record)UNI_STORE_RECORD_INIT;
}

void uni_store_record_add(struct uni_store_record *record, const char *name,
			  const struct uni_store_entry *blob)
{
	UNI_PUSH_ROOM(record->entries, record->count, record->room);
	record->entries[record->count] = *blob;
	record->entries[record->count++].name = uni_strdup(name);
}

struct uni_store_entry *uni_store_record_find(const struct uni_store_record *record,
					      const char *name)
{
	for (size_t i = 0; i < record->count; i++)
		if (strcmp(record->entries[i].name, name) == 0)
			return &record->entries[i];
	return NULL;
}

int store_record_encode(const struct uni_store_record *record, struct uni_buf *out,
			struct uni_err *err)
{
	const char *meta = record->meta != NULL ? record->meta : "";

	uni_buf_printf(out, "uni-record 1\nmeta %zu\n%s\nentries %zu\n", strlen(meta), meta,
		       record->count);
	for (size_t i = 0; i < record->count; i++) {
		const struct uni_store_entry *e = &record->entries[i];
		char hex[65];

		if (strchr(e->name, '\n') != NULL || strlen(e->name) > STORE_NAME_MAX)
			return uni_err_set(err, UNI_E_INVAL,
					   "store: a record's entry has no "
					   "usable name");
		uni_hex(e->digest.bytes, sizeof(e->digest.bytes), hex);
		uni_buf_printf(out,
			       "%s%s %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRIu32 " %" PRId64
			       " %" PRIu32 " %s\n",
			       e->mapped ? "map-" : "", hex, e->size, e->stamp.inode,
			       e->stamp.mtime_s, e->stamp.mtime_ns, e->stamp.ctime_s,
			       e->stamp.ctime_ns, e->name);
	}
	uni_buf_printf(out, "end %08" PRIx32 "\n", uni_crc32c(0, out->data, out->size));
	if (out->size > STORE_RECORD_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "store: a record of %zu bytes", out->size);
	return 0;
}

/* A place in the text; the text ends in a NUL. */
struct cursor {
	const char *at;
	const char *end;
};

static bool take_word(struct cursor *c, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0)
		return false;
	c->at += size;
	return true;
}

/* Decimal digits up to and over `stop`. */
static bool take_u64(struct cursor *c, char stop, uint64_t *value)
{
	const char *start = c->at;

	*value = 0;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		unsigned digit = (unsigned)(*c->at - '0');

		if (*value > (UINT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	if (c->at == start || c->at == c->end || *c->at != stop)
		return false;
	c->at++;
	return true;
}

static bool take_time(struct cursor *c, int64_t *seconds, uint32_t *ns)
{
	bool negative = take_word(c, "-");
	uint64_t s, n;

	if (!take_u64(c, ' ', &s) || s > INT64_MAX || !take_u64(c, ' ', &n) || n > UINT32_MAX)
		return false;
	*seconds = negative ? -(int64_t)s : (int64_t)s;
	*ns = (uint32_t)n;
	return true;
}

static bool take_entry(struct cursor *c, struct uni_store_record *record)
{
	struct uni_store_entry e = { .name = NULL };
	const char *newline;
	char hex[65];

	e.mapped = take_word(c, "map-");
	if (c->end - c->at < 65 || c->at[64] != ' ')
		return false;
	memcpy(hex, c->at, 64);
	hex[64] = '\0';
	c->at += 65;
	if (!uni_unhex(hex, e.digest.bytes, sizeof(e.digest.bytes)) || !take_u64(c, ' ', &e.size) ||
	    !take_u64(c, ' ', &e.stamp.inode) ||
	    !take_time(c, &e.stamp.mtime_s, &e.stamp.mtime_ns) ||
	    !take_time(c, &e.stamp.ctime_s, &e.stamp.ctime_ns))
		return false;
	newline = memchr(c->at, '\n', (size_t)(c->end - c->at));
	if (newline == NULL || newline - c->at > STORE_NAME_MAX)
		return false;
	UNI_PUSH_ROOM(record->entries, record->count, record->room);
	e.name = uni_strndup(c->at, (size_t)(newline - c->at));
	record->entries[record->count++] = e;
	c->at = newline + 1;
	return true;
}

static bool parse(const char *text, size_t size, struct uni_store_record *record)
{
	struct cursor c = { .at = text, .end = text + size };
	uint64_t meta, count;
	char sum[16];

	if (!take_word(&c, "uni-record 1\nmeta ") || !take_u64(&c, '\n', &meta) ||
	    meta >= (uint64_t)(c.end - c.at) || c.at[meta] != '\n')
		return false;
	record->meta = meta != 0 ? uni_strndup(c.at, (size_t)meta) : NULL;
	c.at += meta + 1;
	if (!take_word(&c, "entries ") || !take_u64(&c, '\n', &count) ||
	    count > (uint64_t)(c.end - c.at) / ENTRY_LEAST)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (!take_entry(&c, record))
			return false;
	snprintf(sum, sizeof(sum), "end %08" PRIx32 "\n",
		 uni_crc32c(0, text, (size_t)(c.at - text)));
	return take_word(&c, sum) && c.at == c.end;
}

int store_record_parse(const char *text, size_t size, const char *name,
		       struct uni_store_record *record, struct uni_err *err)
{
	if (parse(text, size, record))
		return 0;
	uni_store_record_free(record);
	return uni_err_set(err, UNI_E_CORRUPT, "store: %s: not a record", name);
}

int store_record_read(const struct store_place *place, const char *name, bool touch,
		      struct uni_store_record *record, struct stat *st, struct uni_err *err)
{
	static const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT },
						{ .tv_nsec = UTIME_NOW } };
	int fd UNI_AUTO_CLOSE = openat(place->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text UNI_AUTO_FREE = NULL;
	int rc;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : uni_err_errno(err, "store: %s", name);
	if (fstat(fd, st) != 0)
		return uni_err_errno(err, "store: %s", name);
	if (!S_ISREG(st->st_mode) || st->st_size > STORE_RECORD_MAX)
		return uni_err_set(err, UNI_E_CORRUPT, "store: %s: not a record", name);
	text = uni_try_alloc((uint64_t)st->st_size + 1, STORE_RECORD_MAX + 1, name, err);
	if (text == NULL)
		return err->code;
	rc = uni_pread_full(fd, text, (size_t)st->st_size, 0, name, err);
	if (rc != 0)
		return rc;
	text[st->st_size] = '\0';
	rc = store_record_parse(text, (size_t)st->st_size, name, record, err);
	if (rc != 0)
		return rc;
	/* The order of collection follows this; a store we may only read has none. */
	if (touch && place->writable)
		(void)futimens(fd, now);
	return 1;
}

int store_record_write(struct uni_store *store, const char *name,
		       const struct uni_store_record *record, bool lasting, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	char *tmp UNI_AUTO_FREE = NULL;
	int fd UNI_AUTO_CLOSE = -1;
	struct stat st;
	int rc = store_record_encode(record, &text, err);

	if (rc == 0)
		rc = store_tmp(store, &tmp, &fd, err);
	if (rc != 0)
		return rc;
	rc = uni_write_full(fd, text.data, text.size, tmp, err);
	if (rc == 0 && fstat(fd, &st) != 0)
		rc = uni_err_errno(err, "%s", tmp);
	if (rc == 0)
		rc = store_seal(fd, &st, tmp, err);
	/* Whoever uses it has to be able to note when. */
	if (rc == 0)
		store_share_file(&store->places[0], fd);
	if (rc == 0 && lasting)
		rc = store_flush_blobs(store, record, err);
	if (rc == 0 && lasting && fsync(fd) != 0)
		rc = uni_err_errno(err, "cannot write %s", tmp);
	if (rc == 0)
		rc = store_publish(store, tmp, name, err);
	if (rc != 0) {
		unlink(tmp);
		uni_tmp_forget(tmp);
		return rc;
	}
	return lasting ? store_flush_name(store, name, err) : 0;
}
