/*
 * The cache of open files. A path is looked up again when its entry is older than a second, so that
 * content that changes is noticed, and a file that is asked for often costs no system call.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRUST_MS 1000
#define HASHED_WHOLE (UINT64_C(4) << 20)
#define SAMPLES 64
#define SAMPLE 4096

static struct file files[FILES_MAX];
static const char *served; /* the folder */
static int root = -1;

static const char *const types[][2] = {
	{ "html", "text/html; charset=utf-8" },
	{ "htm", "text/html; charset=utf-8" },
	{ "css", "text/css; charset=utf-8" },
	{ "js", "text/javascript; charset=utf-8" },
	{ "mjs", "text/javascript; charset=utf-8" },
	{ "json", "application/json" },
	{ "map", "application/json" },
	{ "webmanifest", "application/manifest+json" },
	{ "txt", "text/plain; charset=utf-8" },
	{ "md", "text/markdown; charset=utf-8" },
	{ "csv", "text/csv; charset=utf-8" },
	{ "xml", "application/xml" },
	{ "atom", "application/atom+xml" },
	{ "rss", "application/rss+xml" },
	{ "svg", "image/svg+xml" },
	{ "png", "image/png" },
	{ "jpg", "image/jpeg" },
	{ "jpeg", "image/jpeg" },
	{ "gif", "image/gif" },
	{ "webp", "image/webp" },
	{ "avif", "image/avif" },
	{ "ico", "image/x-icon" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "ttf", "font/ttf" },
	{ "otf", "font/otf" },
	{ "mp3", "audio/mpeg" },
	{ "ogg", "audio/ogg" },
	{ "opus", "audio/ogg" },
	{ "wav", "audio/wav" },
	{ "mp4", "video/mp4" },
	{ "webm", "video/webm" },
	{ "pdf", "application/pdf" },
	{ "wasm", "application/wasm" },
	{ "zip", "application/zip" },
	{ "gz", "application/gzip" },
	{ "zst", "application/zstd" },
	{ "tar", "application/x-tar" },
};

static const char *type_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot + 1, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

int files_start(const char *folder)
{
	served = folder;
	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < FILES_MAX; i++)
		files[i].fd = -1;
	return root < 0 ? -errno : 0;
}

/*
 * In the manner of FNV-1a, but eight bytes at a time, with the upper half brought down so that
 * every bit counts: it tells content from other content, not friend from foe.
 */
static uint64_t hash_more(uint64_t hash, const char *bytes, size_t size)
{
	size_t i = 0;

	for (uint64_t word; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x100000001b3);
		hash ^= hash >> 32;
	}
	for (; i < size; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint32_t hash_path(const char *path)
{
	uint64_t hash = hash_more(UINT64_C(0xcbf29ce484222325), path, strlen(path));

	return (uint32_t)(hash ^ hash >> 32);
}

/*
 * An image's files may all have one time, whatever is in them, so the tag is made of the content:
 * of all of it, or of samples and the time where that would hold up everybody else.
 */
static bool hash_content(struct file *file, uint64_t *hash)
{
	uint64_t size = file->is.size;
	bool whole = size <= HASHED_WHOLE;
	uint64_t step = whole ? SAMPLE : (size - SAMPLE) / (SAMPLES - 1);
	char part[SAMPLE];

	*hash = hash_more(UINT64_C(0xcbf29ce484222325), (const char *)&size, sizeof(size));
	for (uint64_t at = 0; at < size; at += step) {
		ssize_t got = pread(file->fd, part, sizeof(part), (off_t)at);

		if (got <= 0)
			return false;
		*hash = hash_more(*hash, part, (size_t)got);
	}
	if (!whole)
		*hash = hash_more(*hash, (const char *)&file->seconds, sizeof(file->seconds));
	return true;
}

static void write_etag(struct file *file, uint64_t hash)
{
	static const char digits[] = "0123456789abcdef";
	char *out = file->etag;

	*out++ = '"';
	for (int shift = 60; shift >= 0; shift -= 4)
		*out++ = digits[hash >> shift & 15];
	*out++ = '"';
	file->is.etag = (struct http_text){ file->etag, (size_t)(out - file->etag) };
}

static void release(struct file *file)
{
	if (file->mapped != NULL)
		munmap((void *)(uintptr_t)file->mapped, (size_t)file->is.size);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	file->mapped = NULL;
	file->path[0] = '\0';
}

static bool same(const struct file *file, const struct stat *st)
{
	return file->inode == st->st_ino && file->is.size == (uint64_t)st->st_size &&
	       file->seconds == st->st_mtim.tv_sec && file->nanoseconds == st->st_mtim.tv_nsec;
}

static int status_of(int error)
{
	if (error == EACCES || error == EPERM || error == ELOOP)
		return 403;
	return error == EMFILE || error == ENFILE || error == ENOMEM ? 503 : 404;
}

/* Fills an entry whose path is set. */
static int load(struct file *file)
{
	struct stat st;
	uint64_t hash;

	file->fd = openat(root, file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (file->fd < 0)
		return status_of(errno);
	if (fstat(file->fd, &st) != 0)
		return 503;
	if (S_ISDIR(st.st_mode))
		return 301;
	if (!S_ISREG(st.st_mode))
		return 403;
	file->inode = st.st_ino;
	file->seconds = st.st_mtim.tv_sec;
	file->nanoseconds = st.st_mtim.tv_nsec;
	file->is.size = (uint64_t)st.st_size;
	/* The epoch itself is what an image says that knows no times. */
	file->is.modified = st.st_mtim.tv_sec > 0 ? st.st_mtim.tv_sec : 0;
	http_date_write(file->is.modified, file->modified);
	file->type = type_of(file->path);
	if (!hash_content(file, &hash))
		return 503;
	write_etag(file, hash);
	if (st.st_size > 0 && st.st_size <= FILES_MAPPED_MAX) {
		void *mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file->fd, 0);

		file->mapped = mapped != MAP_FAILED ? mapped : NULL;
	}
	return 200;
}

/* One that is used stays until that ends. */
static void forget(struct file *file)
{
	file->path[0] = '\0';
	file->hash = 0;
	if (file->users == 0)
		release(file);
}

void files_changed(void)
{
	int now = open(served, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (now < 0)
		return;
	close(root);
	root = now;
	for (size_t i = 0; i < FILES_MAX; i++)
		if (files[i].fd >= 0)
			forget(&files[i]);
}

/* Whether the entry may be used still. */
static bool current(struct file *file, uint64_t now)
{
	struct stat st;

	if (now - file->checked < TRUST_MS)
		return true;
	if (fstatat(root, file->path, &st, 0) == 0 && S_ISREG(st.st_mode) && same(file, &st)) {
		file->checked = now;
		return true;
	}
	forget(file);
	return false;
}

static struct file *find(const char *path, uint32_t hash, uint64_t now)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (files[i].fd >= 0 && files[i].hash == hash && strcmp(files[i].path, path) == 0)
			return current(&files[i], now) ? &files[i] : NULL;
	return NULL;
}

/* The unused entry whose last use is longest ago. */
static struct file *make_room(void)
{
	struct file *oldest = NULL;

	for (size_t i = 0; i < FILES_MAX; i++) {
		struct file *file = &files[i];

		if (file->users != 0)
			continue;
		if (file->fd < 0)
			return file;
		if (oldest == NULL || file->used < oldest->used)
			oldest = file;
	}
	if (oldest != NULL)
		release(oldest);
	return oldest;
}

int files_get(const char *path, bool folder, uint64_t now, struct file **result)
{
	char name[sizeof(files[0].path)];
	size_t size = strlen(path);
	struct file *file;
	uint32_t hash;
	int status;

	memcpy(name, path, size + 1);
	if (folder)
		memcpy(name + size, size != 0 ? "/index.html" : "index.html",
		       size != 0 ? sizeof("/index.html") : sizeof("index.html"));
	hash = hash_path(name);
	file = find(name, hash, now);
	if (file == NULL) {
		file = make_room();
		if (file == NULL)
			return 503;
		memcpy(file->path, name, sizeof(name));
		file->hash = hash;
		file->checked = now;
		status = load(file);
		if (status != 200) {
			release(file);
			return status == 301 && folder ? 404 : status;
		}
	}
	file->users++;
	file->used = now;
	*result = file;
	return 200;
}

void files_put(struct file *file)
{
	file->users--;
	if (file->users == 0 && file->path[0] == '\0')
		release(file);
}
