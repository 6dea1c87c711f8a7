/*
 * The stat cache: opening and asking it. A tree is asked for in the order in which its records lie,
 * so that a lookup is most often a look at the next one.
 */
#include "statfile.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/base/search.h>
#include <uni/base/system.h>
#include <uni/tree/tree.h>
#include <unistd.h>

struct uni_filestat uni_filestat_of(const struct stat *st)
{
	return (struct uni_filestat){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size > 0 ? (uint64_t)st->st_size : 0,
		.mtime_ns = (int64_t)((uint64_t)st->st_mtim.tv_sec * 1000000000u +
				      (uint64_t)st->st_mtim.tv_nsec),
		.ctime_ns = (int64_t)((uint64_t)st->st_ctim.tv_sec * 1000000000u +
				      (uint64_t)st->st_ctim.tv_nsec),
	};
}

bool uni_filestat_eq(const struct uni_filestat *a, const struct uni_filestat *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

uint64_t statfile_checksum(const void *data, size_t size)
{
	const char *bytes = data;
	uint64_t sum = size;
	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t word = 0;
		memcpy(&word, bytes + at, size - at < sizeof(word) ? size - at : sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	return sum;
}

/* Takes the file's parts when all of them lie inside of it. */
static bool parts(struct uni_statcache *cache)
{
	const struct statfile_header *header = cache->map;
	uint64_t size = cache->map_size;
	if (size < sizeof(*header) || header->magic != STATFILE_MAGIC)
		return false;
	uint64_t left = size - sizeof(*header);
	if (header->scopes > left / sizeof(struct statfile_scope) ||
	    header->records > left / sizeof(struct statfile_record) ||
	    header->scopes * sizeof(struct statfile_scope) +
			    header->records * sizeof(struct statfile_record) + header->text !=
		    left ||
	    header->text == 0 || header->text > left ||
	    header->checksum != statfile_checksum(header + 1, (size_t)left))
		return false;
	cache->scopes = (const void *)(header + 1);
	cache->scope_count = (size_t)header->scopes;
	cache->records = (const void *)(cache->scopes + header->scopes);
	cache->record_count = (size_t)header->records;
	cache->text = (const char *)(cache->records + header->records);
	cache->text_size = (size_t)header->text;
	if (cache->text[cache->text_size - 1] != '\0')
		return false;
	for (size_t i = 0; i < cache->scope_count; i++) {
		const struct statfile_scope *scope = &cache->scopes[i];
		if (scope->name >= cache->text_size || scope->first > cache->record_count ||
		    scope->count > cache->record_count - scope->first)
			return false;
	}
	return true;
}

static void load(struct uni_statcache *cache)
{
	struct stat st;
	int fd UNI_AUTO_CLOSE = open(cache->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    (uint64_t)st.st_size > STATFILE_MAX)
		return;
	/* It is replaced as a whole, never written in place, so the mapping cannot lose its end. */
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	cache->map = map;
	cache->map_size = (size_t)st.st_size;
	if (!parts(cache)) {
		munmap(map, cache->map_size);
		cache->map = NULL;
		cache->scope_count = cache->record_count = cache->text_size = 0;
	}
}

struct uni_statcache *uni_statcache_new(const char *path)
{
	struct uni_statcache *cache = uni_alloc(sizeof(*cache));
	cache->path = uni_strdup(path);
	pthread_mutex_init(&cache->lock, NULL);
	load(cache);
	return cache;
}

static void scope_free(struct uni_statscope *scope)
{
	for (size_t i = 0; i < scope->noted_count; i++)
		free(scope->noted[i].path);
	free(scope->noted);
	free(scope->seen);
	free(scope->name);
	free(scope);
}

void uni_statcache_free(struct uni_statcache *cache)
{
	if (cache == NULL)
		return;
	while (cache->open != NULL) {
		struct uni_statscope *scope = cache->open;
		cache->open = scope->next;
		scope_free(scope);
	}
	if (cache->map != NULL)
		munmap(cache->map, cache->map_size);
	pthread_mutex_destroy(&cache->lock);
	free(cache->path);
	free(cache);
}

static struct uni_statscope *scope_new(struct uni_statcache *cache, const char *name)
{
	struct uni_statscope *scope = uni_alloc(sizeof(*scope));
	scope->cache = cache;
	scope->name = uni_strdup(name);
	for (size_t i = 0; i < cache->scope_count; i++) {
		const struct statfile_scope *old = &cache->scopes[i];
		if (uni_str_eq(cache->text + old->name, name)) {
			scope->records = cache->records + old->first;
			scope->count = (size_t)old->count;
			break;
		}
	}
	scope->seen = uni_alloc(scope->count);
	scope->next = cache->open;
	cache->open = scope;
	return scope;
}

struct uni_statscope *uni_statcache_scope(struct uni_statcache *cache, const char *name)
{
	pthread_mutex_lock(&cache->lock);
	struct uni_statscope *scope = cache->open;
	while (scope != NULL && !uni_str_eq(scope->name, name))
		scope = scope->next;
	if (scope == NULL)
		scope = scope_new(cache, name);
	pthread_mutex_unlock(&cache->lock);
	return scope;
}

static const char *path_of(const struct uni_statscope *scope, size_t index)
{
	uint64_t offset = scope->records[index].path;
	return offset < scope->cache->text_size ? scope->cache->text + offset : "";
}

/* The record of a path, or count. */
static size_t search(const struct uni_statscope *scope, const char *path)
{
	size_t at;

	if (scope->cursor < scope->count && strcmp(path_of(scope, scope->cursor), path) == 0)
		return scope->cursor;
	UNI_LOWER_BOUND(at, 0, scope->count, uni_tree_path_cmp(path_of(scope, at), path) < 0);
	return at < scope->count && strcmp(path_of(scope, at), path) == 0 ? at : scope->count;
}

bool uni_statscope_find(struct uni_statscope *scope, const char *path,
			const struct uni_filestat *st, struct uni_digest *digest)
{
	size_t index = search(scope, path);
	if (index == scope->count)
		return false;
	const struct statfile_record *record = &scope->records[index];
	scope->cursor = index + 1;
	if (!uni_filestat_eq(&record->st, st))
		return false;
	memcpy(digest->bytes, record->digest, sizeof(digest->bytes));
	scope->seen_count += !scope->seen[index];
	scope->seen[index] = 1;
	return true;
}

void uni_statscope_note(struct uni_statscope *scope, const char *path,
			const struct uni_filestat *st, int64_t hashed_at_ns,
			const struct uni_digest *digest)
{
	int64_t newest = st->mtime_ns > st->ctime_ns ? st->mtime_ns : st->ctime_ns;
	if (newest >= hashed_at_ns - STATFILE_SLACK_NS)
		return;
	UNI_PUSH_ROOM(scope->noted, scope->noted_count, scope->noted_room);
	struct noted *noted = &scope->noted[scope->noted_count++];
	*noted = (struct noted){ .record = { .st = *st }, .path = uni_strdup(path) };
	memcpy(noted->record.digest, digest->bytes, sizeof(digest->bytes));
}

int uni_statscope_digest_file(struct uni_statscope *scope, const char *path, uint64_t *size,
			      struct uni_digest *digest, struct uni_err *err)
{
	struct stat st;
	int fd UNI_AUTO_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		return uni_err_errno(err, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s is not a regular file", path);
	struct uni_filestat before = uni_filestat_of(&st);
	if (size != NULL)
		*size = before.size;
	if (scope != NULL && uni_statscope_find(scope, path, &before, digest))
		return 0;
	uint64_t found = 0;
	int rc = uni_digest_fd(fd, &found, digest, path, err);
	if (rc != 0)
		return rc;
	struct uni_filestat after = before;
	if (fstat(fd, &st) == 0)
		after = uni_filestat_of(&st);
	if (found != before.size || !uni_filestat_eq(&before, &after))
		return uni_err_set(err, UNI_E_CHANGED, "%s changed while it was read", path);
	if (scope != NULL)
		uni_statscope_note(scope, path, &before, uni_clock_now_ns(), digest);
	return 0;
}
