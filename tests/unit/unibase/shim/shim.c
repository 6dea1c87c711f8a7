/*
 * The rest of what fs/ stands on: log, strings, the program's memory (the host's own), random
 * bytes, block devices, start.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uk/io.h>
#include <uk/map.h>
#include <uk/process.h>
#include <uk/signal.h>
#include <uk/start.h>
#include <uk/user.h>
#include <unistd.h>

#include "fs.h"
#include "shim.h"

enum uk_log_level uk_log_max = UK_LOG_DEBUG;
struct uk_process uk_process = { .limit[UK_RLIMIT_FSIZE] = { UINT64_MAX, UINT64_MAX } };
static char log_line[512];

const char *shim_log(void)
{
	return log_line;
}

void uk_log(enum uk_log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	vsnprintf(log_line, sizeof(log_line), fmt, args);
	va_end(args);
}

void uk_panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

size_t uk_strlcpy(char *to, const char *from, size_t room)
{
	size_t size = strlen(from);

	if (room != 0) {
		size_t part = size < room ? size : room - 1;

		memcpy(to, from, part);
		to[part] = '\0';
	}
	return size;
}

__attribute__((format(printf, 3, 0))) int uk_vsnprintf(char *to, size_t room, const char *fmt,
						       va_list args)
{
	return vsnprintf(to, room, fmt, args);
}

int uk_snprintf(char *to, size_t room, const char *fmt, ...)
{
	va_list args;
	int size;

	va_start(args, fmt);
	size = vsnprintf(to, room, fmt, args);
	va_end(args);
	return size;
}

void uk_random(void *data, size_t size)
{
	static uint64_t state = 88172645463325252ull;

	for (size_t i = 0; i < size; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		((uint8_t *)data)[i] = (uint8_t)state;
	}
}

/* -- the program's memory: addresses below one page fault -- */

static bool bad(uint64_t addr)
{
	return addr < UK_PAGE_SIZE;
}

int uk_copy_from_user(void *to, uint64_t from, size_t size)
{
	if (size != 0 && bad(from))
		return -UK_EFAULT;
	memcpy(to, (const void *)(uintptr_t)from, size);
	return 0;
}

int uk_copy_to_user(uint64_t to, const void *from, size_t size)
{
	if (size != 0 && bad(to))
		return -UK_EFAULT;
	memcpy((void *)(uintptr_t)to, from, size);
	return 0;
}

int uk_clear_user(uint64_t to, size_t size)
{
	if (size != 0 && bad(to))
		return -UK_EFAULT;
	memset((void *)(uintptr_t)to, 0, size);
	return 0;
}

int64_t uk_string_from_user(char *to, uint64_t from, size_t room)
{
	size_t size;

	if (bad(from))
		return -UK_EFAULT;
	size = strnlen((const char *)(uintptr_t)from, room);
	if (size == room)
		return -UK_ENAMETOOLONG;
	memcpy(to, (const void *)(uintptr_t)from, size + 1);
	return (int64_t)size;
}

void uk_iter_kernel(struct uk_iter *it, void *data, size_t size)
{
	*it = (struct uk_iter){ .left = size, .kernel = data };
}

void uk_iter_user(struct uk_iter *it, struct uk_iovec *vec, unsigned count)
{
	*it = (struct uk_iter){ .vec = vec, .count = count };
	for (unsigned i = 0; i < count; i++)
		it->left += vec[i].size;
}

enum way { PUT, GET, ZERO };

static int64_t move(struct uk_iter *it, void *data, size_t size, enum way way)
{
	int64_t done = 0;

	size = UK_MIN(size, it->left);
	while (size != 0) {
		uint8_t *at = it->kernel;
		size_t part = size;

		if (at == NULL) {
			while (it->vec->size == 0) {
				it->vec++;
				it->count--;
			}
			part = UK_MIN(size, it->vec->size);
			if (bad(it->vec->base))
				return done != 0 ? done : -UK_EFAULT;
			at = (uint8_t *)(uintptr_t)it->vec->base;
			it->vec->base += part;
			it->vec->size -= part;
		} else {
			it->kernel += part;
		}
		if (way == PUT)
			memcpy(at, (uint8_t *)data + done, part);
		else if (way == GET)
			memcpy((uint8_t *)data + done, at, part);
		else
			memset(at, 0, part);
		it->left -= part;
		size -= part;
		done += (int64_t)part;
	}
	return done;
}

int64_t uk_iter_put(struct uk_iter *it, const void *data, size_t size)
{
	union {
		const void *in;
		void *out;
	} same = { data };

	return move(it, same.out, size, PUT);
}

int64_t uk_iter_get(struct uk_iter *it, void *data, size_t size)
{
	return move(it, data, size, GET);
}

int64_t uk_iter_zero(struct uk_iter *it, size_t size)
{
	return move(it, NULL, size, ZERO);
}

/* -- block devices -- */

static struct uk_list devices = UK_LIST_INIT(devices);
static size_t reads;

static struct uk_block_dev *block_new(const char *name, uint64_t size)
{
	struct uk_block_dev *dev = calloc(1, sizeof(*dev));

	if (dev == NULL)
		abort();
	uk_strlcpy(dev->name, name, sizeof(dev->name));
	dev->size = size;
	dev->read_only = true;
	uk_list_push_back(&devices, &dev->item);
	return dev;
}

struct uk_block_dev *shim_block_file(const char *name, const char *path)
{
	struct uk_block_dev *dev;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		return NULL;
	dev = block_new(name, (uint64_t)st.st_size);
	dev->driver = (void *)(intptr_t)(fd + 1);
	return dev;
}

struct uk_block_dev *shim_block_data(const char *name, void *data, size_t size)
{
	struct uk_block_dev *dev = block_new(name, size);

	dev->driver = data;
	dev->start = 1; /* says that driver is the data */
	return dev;
}

struct uk_block_dev *shim_block_disk(const char *name, void *data, size_t size)
{
	struct uk_block_dev *dev = shim_block_data(name, data, size);

	dev->read_only = false;
	return dev;
}

void shim_block_forget(void)
{
	uk_list_each_safe (item, &devices) {
		struct uk_block_dev *dev = uk_list_entry(item, struct uk_block_dev, item);

		uk_list_remove(&dev->item);
		if (dev->memory == NULL && dev->start == 0)
			close((int)(intptr_t)dev->driver - 1);
		free(dev);
	}
}

size_t shim_block_reads(void)
{
	return reads;
}

struct uk_block_dev *uk_block_next(struct uk_block_dev *dev)
{
	struct uk_list *next = dev == NULL ? devices.next : dev->item.next;

	return next == &devices ? NULL : uk_list_entry(next, struct uk_block_dev, item);
}

struct uk_block_dev *uk_block_find(const uint8_t guid[16])
{
	for (struct uk_block_dev *dev = NULL; (dev = uk_block_next(dev)) != NULL;)
		if (dev->has_guid && memcmp(dev->guid, guid, 16) == 0)
			return dev;
	return NULL;
}

int uk_block_read(struct uk_block_dev *dev, uint64_t offset, void *data, size_t size)
{
	if (offset % 512 != 0 || size % 512 != 0 || offset > dev->size || size > dev->size - offset)
		return -UK_EINVAL;
	reads++;
	if (dev->memory != NULL)
		memcpy(data, (const char *)dev->memory + offset, size);
	else if (dev->start != 0)
		memcpy(data, (const char *)dev->driver + offset, size);
	else if (pread((int)(intptr_t)dev->driver - 1, data, size, (off_t)offset) != (ssize_t)size)
		return -UK_EIO;
	return 0;
}

struct uk_block_dev *uk_block_memory(const char *name, const void *data, size_t size,
				     const uint8_t guid[16])
{
	struct uk_block_dev *dev = block_new(name, size);

	dev->memory = data;
	dev->has_guid = true;
	memcpy(dev->guid, guid, 16);
	return dev;
}

/* The tree is root and what the test makes there. */
void fs_tree_need(void)
{
}

void shim_vfs(void)
{
	struct uk_super *root;

	if (fs_mount_root() != NULL)
		return;
	fs_dentry_start();
	shim_pages_keep();
	uk_shrinker_register(fs_cache_shrink);
	uk_shrinker_register(fs_dentry_shrink);
	root = fs_tmpfs_new(64 << 20);
	if (root == NULL || fs_mount_add(NULL, root, "tmpfs") != 0)
		abort();
}

/* -- console and signals -- */

static void (*console_input)(void *arg);
static char typed[65536];
static size_t typed_size, typed_taken;
static char console[65536];
static size_t console_size;
static int last_signal;

void (*uk_console_tap)(int level, const char *data, size_t size);

void uk_console_write(const char *data, size_t size)
{
	size = UK_MIN(size, sizeof(console) - 1 - console_size);
	memcpy(console + console_size, data, size);
	console_size += size;
}

const char *shim_console(void)
{
	console[console_size] = '\0';
	console_size = 0;
	return console;
}

/* Nobody is in a hurry here. */
void uk_later(void (*fn)(void))
{
	fn();
}

void uk_console_listen(void (*fn)(void *arg))
{
	console_input = fn;
}

size_t uk_console_read(uint8_t *to, size_t room)
{
	size_t part = UK_MIN(room, typed_size - typed_taken);

	memcpy(to, typed + typed_taken, part);
	typed_taken += part;
	return part;
}

/* As an edge: the port does not tell of a byte while it holds another. */
void shim_type(const char *text)
{
	for (; *text != '\0'; text++) {
		bool first = typed_taken == typed_size;

		if (first)
			typed_taken = typed_size = 0;
		if (typed_size == sizeof(typed))
			abort();
		typed[typed_size++] = *text;
		if (first)
			console_input(NULL);
	}
}

void uk_random_add(const void *data, size_t size, unsigned bits)
{
	(void)data;
	(void)size;
	(void)bits;
}

int shim_signal(void)
{
	int number = last_signal;

	last_signal = 0;
	return number;
}

void uk_signal_raise(int number)
{
	last_signal = number;
}

void uk_signal_self(int signo)
{
	last_signal = signo;
}

int uk_signal_mask_from_user(uint64_t set, uint64_t size)
{
	return set != 0 && size != 8 ? -UK_EINVAL : 0;
}

void uk_signal_mask_restore(bool interrupted)
{
	(void)interrupted;
}

/* -- nothing is mapped here -- */

void uk_map_forget_file(struct uk_inode *inode, uint64_t index)
{
	(void)inode;
	(void)index;
}

void uk_map_age(size_t wanted)
{
	(void)wanted;
}

void uk_map_clean_file(struct uk_inode *inode)
{
	(void)inode;
}
