/*
 * System calls about the address space. Nothing is writable and executable at once, unless the
 * recipe declares that the program compiles code: such a request is refused, and said once on the
 * console, for the program's own message seldom says why.
 */
#include <uk/log.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/process.h>
#include <uk/start.h>
#include <uk/syscall.h>
#include <uk/user.h>
#include <uk/vfs.h>
#include <uni/abi/config.h>

enum {
	MAP_SHARED = 1,
	MAP_PRIVATE = 2,
	MAP_SHARED_VALIDATE = 3,
	MAP_TYPE = 15,
	MAP_FIXED = 0x10,
	MAP_ANONYMOUS = 0x20,
	MAP_32BIT = 0x40,
	MAP_LOCKED = 0x2000,
	MAP_POPULATE = 0x8000,
	MAP_NONBLOCK = 0x10000,
	MAP_HUGETLB = 0x40000,
	MAP_SYNC = 0x80000,
	MAP_FIXED_NOREPLACE = 0x100000,

	PROT_MASK = UK_PROT_READ | UK_PROT_WRITE | UK_PROT_EXEC,
	PROT_SEM = 8,

	MS_ASYNC = 1,
	MS_INVALIDATE = 2,
	MS_SYNC = 4,

	MADV_DONTNEED = 4,
	MADV_FREE = 8,
	MADV_HUGEPAGE = 14,
	MADV_NOHUGEPAGE = 15,
	MADV_POPULATE_READ = 22,
	MADV_POPULATE_WRITE = 23,
};

#define DEV_ZERO ((1u << 8) | 5u)
#define LOW_END 0x80000000ull /* MAP_32BIT: as Linux, the first 2 GiB */

static bool writes_code(unsigned prot, const char *call)
{
	static bool told;

	if ((prot & (UK_PROT_WRITE | UK_PROT_EXEC)) != (UK_PROT_WRITE | UK_PROT_EXEC))
		return false;
	if (uk_config_u32(UNI_CONFIG_JIT, 0) != 0)
		return false;
	if (!told)
		uk_log(UK_LOG_WARN,
		       "%s: refused: memory is never writable and executable at once; "
		       "[app] jit = true in the recipe permits it",
		       call);
	told = true;
	return true;
}

/* Whether this file may be mapped this way. */
static int64_t check_file(const struct uk_file *file, unsigned prot, bool shared)
{
	unsigned mode = file->flags & UK_O_ACCMODE;

	if (file->flags & UK_O_PATH)
		return -UK_EBADF;
	if (mode == UK_O_WRONLY)
		return -UK_EACCES;
	if (shared && (prot & UK_PROT_WRITE) && mode != UK_O_RDWR)
		return -UK_EACCES;
	if (file->inode == NULL || !UK_S_IS(file->inode->mode, REG))
		return -UK_ENODEV;
	return 0;
}

static int64_t map_file(struct uk_map_request *r, int fd, uint64_t offset)
{
	struct uk_file *file = uk_fd_get(fd);
	int64_t result;

	if (file == NULL)
		return -UK_EBADF;
	if (file->inode != NULL && UK_S_IS(file->inode->mode, CHR) &&
	    file->inode->rdev == DEV_ZERO) {
		result = uk_map_add(r);
	} else {
		r->file = file;
		r->offset = offset;
		result = check_file(file, r->prot, (r->flags & UK_AREA_SHARED) != 0);
		if (result == 0)
			result = uk_map_add(r);
	}
	uk_file_put(file);
	return result;
}

static bool over_limit(uint64_t more)
{
	uint64_t limit = uk_process.limit[UK_RLIMIT_AS].soft;

	return more > limit || uk_map.reserved > limit - more;
}

int64_t uk_sys_mmap(const struct uk_sysargs *s)
{
	uint64_t size = s->a[1], flags = s->a[3], offset = s->a[5];
	unsigned type = (unsigned)flags & MAP_TYPE;
	struct uk_map_request r = {
		.addr = s->a[0],
		.size = size,
		.prot = (unsigned)s->a[2] & PROT_MASK,
		.flags = type == MAP_PRIVATE ? 0 : UK_AREA_SHARED,
		.fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0,
		.keep = (flags & MAP_FIXED_NOREPLACE) != 0,
		.below = flags & MAP_32BIT ? LOW_END : 0,
	};
	int64_t result;

	if ((offset & UK_PAGE_MASK) != 0 || size == 0)
		return -UK_EINVAL;
	if (type == 0 || type > MAP_SHARED_VALIDATE)
		return -UK_EINVAL;
	if (type == MAP_SHARED_VALIDATE && (flags & MAP_SYNC))
		return -UK_EOPNOTSUPP;
	if (offset + size < offset)
		return -UK_EOVERFLOW;
	/* No pool of huge pages was set aside. */
	if ((flags & MAP_HUGETLB) || over_limit(size))
		return -UK_ENOMEM;
	if (writes_code(r.prot, "mmap"))
		return -UK_EACCES;
	result = flags & MAP_ANONYMOUS ? uk_map_add(&r) : map_file(&r, (int)s->a[4], offset);
	/* Filling is a wish: what does not fit now faults in later, or fails then. */
	if (result > 0 && (flags & (MAP_POPULATE | MAP_LOCKED)) && !(flags & MAP_NONBLOCK))
		uk_map_populate((uint64_t)result, size);
	return result;
}

int64_t uk_sys_munmap(const struct uk_sysargs *s)
{
	return uk_map_remove(s->a[0], s->a[1]);
}

int64_t uk_sys_mprotect(const struct uk_sysargs *s)
{
	unsigned prot = (unsigned)s->a[2];

	if ((prot & ~(unsigned)(PROT_MASK | PROT_SEM)) != 0)
		return -UK_EINVAL;
	if (writes_code(prot, "mprotect"))
		return -UK_EACCES;
	return uk_map_protect(s->a[0], s->a[1], prot & PROT_MASK);
}

int64_t uk_sys_mremap(const struct uk_sysargs *s)
{
	if (s->a[2] > s->a[1] && over_limit(s->a[2] - s->a[1]))
		return -UK_ENOMEM;
	return uk_map_move(s->a[0], s->a[1], s->a[2], (unsigned)s->a[3], s->a[4]);
}

int64_t uk_sys_brk(const struct uk_sysargs *s)
{
	uint64_t brk = s->a[0];

	if (brk > uk_map.brk && over_limit(brk - uk_map.brk))
		return (int64_t)uk_map.brk;
	return uk_map_brk(brk);
}

/* A range of whole pages: 0, or what Linux says of it. */
static int64_t check_range(uint64_t addr, uint64_t *size)
{
	uint64_t pages = UK_ALIGN_UP(*size, UK_PAGE_SIZE);

	if ((addr & UK_PAGE_MASK) != 0 || pages < *size)
		return -UK_EINVAL;
	if (pages > UK_USER_END || addr > UK_USER_END - pages)
		return -UK_ENOMEM;
	*size = pages;
	return 0;
}

static int64_t populate_error(int result)
{
	return result == -UK_EACCES || result == -UK_EIO ? -UK_EFAULT : result;
}

int64_t uk_sys_madvise(const struct uk_sysargs *s)
{
	uint64_t size = s->a[1];
	int64_t result = check_range(s->a[0], &size);
	int advice = (int)s->a[2];

	if (result != 0)
		return result == -UK_ENOMEM ? -UK_EINVAL : result;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
		return uk_map_discard(s->a[0], size);
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		return size == 0 ? 0
				 : uk_map_advise(s->a[0], size,
						 advice == MADV_HUGEPAGE ? UK_AREA_LARGE
									 : UK_AREA_SMALL);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return populate_error(uk_map_populate(s->a[0], size));
	default:
		/* 5 to 7 and 9 do not exist or need what is not there; the rest are hints. */
		return (advice >= 0 && advice <= 3) || (advice >= 10 && advice <= 21) ? 0
										      : -UK_EINVAL;
	}
}

/* Writes out the shared mappings of files in the range. */
int64_t uk_sys_msync(const struct uk_sysargs *s)
{
	uint64_t size = s->a[1], at = s->a[0], end;
	unsigned flags = (unsigned)s->a[2];
	int64_t result = check_range(at, &size);

	if (result != 0)
		return result;
	if ((flags & ~(unsigned)(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) != 0 ||
	    (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -UK_EINVAL;
	for (end = at + size; at < end;) {
		struct uk_file *file;
		bool shared;

		if (!uk_map_file_at(&at, &file, &shared))
			return -UK_ENOMEM;
		if (file == NULL)
			continue;
		if (shared && (flags & MS_SYNC)) {
			result = uk_cache_sync(file->inode);
			if (result == 0 && file->inode->ops->sync != NULL)
				result = file->inode->ops->sync(file->inode, true);
		}
		uk_file_put(file);
		if (result != 0)
			return result;
	}
	return 0;
}

int64_t uk_sys_mincore(const struct uk_sysargs *s)
{
	uint8_t present[256];
	uint64_t size = s->a[1], to = s->a[2];
	int64_t result = check_range(s->a[0], &size);

	if (result != 0)
		return result;
	for (uint64_t at = 0; at < size;) {
		uint64_t pages = UK_MIN((size - at) / UK_PAGE_SIZE, sizeof(present));

		result = uk_map_resident(s->a[0] + at, pages, present);
		if (result != 0)
			return result;
		if (uk_copy_to_user(to, present, pages) != 0)
			return -UK_EFAULT;
		at += pages * UK_PAGE_SIZE;
		to += pages;
	}
	return 0;
}

/* Nothing is ever paged out, so a page that is there is locked. */
static int64_t lock(uint64_t addr, uint64_t size)
{
	uint64_t lead = addr & UK_PAGE_MASK;
	int64_t result;

	size += lead;
	result = check_range(addr - lead, &size);
	return result != 0 ? result : populate_error(uk_map_populate(addr - lead, size));
}

int64_t uk_sys_mlock(const struct uk_sysargs *s)
{
	return lock(s->a[0], s->a[1]);
}

int64_t uk_sys_mlock2(const struct uk_sysargs *s)
{
	if (s->a[2] > 1)
		return -UK_EINVAL;
	return s->a[2] == 1 ? 0 : lock(s->a[0], s->a[1]);
}

int64_t uk_sys_munlock(const struct uk_sysargs *s)
{
	(void)s;
	return 0;
}

int64_t uk_sys_mlockall(const struct uk_sysargs *s)
{
	return s->a[0] == 0 || s->a[0] > 7 ? -UK_EINVAL : 0;
}

int64_t uk_sys_munlockall(const struct uk_sysargs *s)
{
	(void)s;
	return 0;
}
