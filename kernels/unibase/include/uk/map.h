/*
 * The program's address space: areas (what the program asked for) and page tables (what it got so
 * far). Reservations cost a struct; frames come at the first touch. There is one address space, so
 * the tables below are the low half of the kernel's own.
 *
 * proc/area.c keeps areas in a tree, proc/map.c changes them, proc/fault.c fills them, proc/pages.c
 * holds the hardware's tables. Nothing in fs/ that may sleep is called with the map's lock held,
 * and so a file system may touch the program's memory under an inode's lock.
 */
#ifndef UK_MAP_H
#define UK_MAP_H

#include <uk/lock.h>
#include <uk/types.h>

struct uk_file;
struct uk_inode;

/* As Linux's PROT_*. */
enum { UK_PROT_READ = 1, UK_PROT_WRITE = 2, UK_PROT_EXEC = 4 };

enum {
	UK_AREA_SHARED = 1,
	UK_AREA_STACK = 2,  /* the first thread's stack */
	UK_AREA_HEAP = 4,   /* brk */
	UK_AREA_VDSO = 8,   /* uk/vdso.h */
	UK_AREA_LARGE = 16, /* 2 MiB at a time from the first touch on: MADV_HUGEPAGE */
	UK_AREA_SMALL = 32, /* never: MADV_NOHUGEPAGE */
};

struct uk_area {
	union { /* the tree: proc/area.c */
		struct {
			struct uk_area *left, *right;
		};
		struct uk_area *side[2];
	};
	uint64_t low, high; /* least start and greatest end in this subtree */
	uint64_t gap;	    /* widest hole between two areas of this subtree */
	uint32_t priority;
	uint32_t flags; /* UK_AREA_* */
	uint32_t prot;	/* UK_PROT_* */
	uint64_t start, end;
	struct uk_file *file; /* a reference; NULL: anonymous */
	uint64_t offset;      /* of `start` in the file */
};

/* The tree alone; host tests use it as it is. */
struct uk_area *uk_area_find(struct uk_area *root, uint64_t addr); /* first with end > addr */
void uk_area_insert(struct uk_area **root, struct uk_area *area);  /* must not overlap another */
void uk_area_remove(struct uk_area **root, struct uk_area *area);
/* Sets start and end, which must keep the order of areas. */
void uk_area_resize(struct uk_area **root, struct uk_area *area, uint64_t start, uint64_t end);
/* Highest free `size` bytes inside [low, high); their start, or 0. */
uint64_t uk_area_hole(const struct uk_area *root, uint64_t size, uint64_t low, uint64_t high);

struct uk_map {
	struct uk_mutex lock;
	struct uk_area *root;
	size_t count;	     /* areas */
	uint64_t reserved;   /* bytes in areas */
	uint64_t resident;   /* frames mapped that belong to the program alone */
	uint64_t peak;	     /* greatest `resident` */
	uint64_t large;	     /* entries that map 2 MiB */
	bool small;	     /* none are made any more */
	uint64_t data;	     /* bytes in areas that are private and writable, without the stack */
	uint64_t low, high;  /* where mmap looks for room */
	uint64_t heap, brk;  /* start of the heap and its present end */
	uint64_t stack_low;  /* lowest address of the first thread's stack */
	uint64_t stack_high; /* behind it */
	uint64_t faults_minor, faults_major;
};
extern struct uk_map uk_map;

#define UK_AREAS_MAX 65530 /* as Linux's vm.max_map_count */

void uk_map_start(void);

struct uk_map_request {
	uint64_t addr; /* 0: anywhere */
	uint64_t size; /* bytes; rounded up to pages */
	unsigned prot;
	unsigned flags;	      /* UK_AREA_* */
	bool fixed;	      /* exactly at addr; what is there goes */
	uint64_t below;	      /* 0, or the place must end at or below it */
	bool keep;	      /* with fixed: -EEXIST when something is there */
	struct uk_file *file; /* borrowed */
	uint64_t offset;      /* in it; else 0 */
};
/* The address, or a negative errno. */
int64_t uk_map_add(const struct uk_map_request *request);
int uk_map_remove(uint64_t addr, uint64_t size);
int uk_map_protect(uint64_t addr, uint64_t size, unsigned prot);
int64_t uk_map_move(uint64_t addr, uint64_t old_size, uint64_t new_size, unsigned flags,
		    uint64_t to);
int64_t uk_map_brk(uint64_t brk); /* the end after it, as Linux: unchanged when refused */
/* Gives frames back; the areas stay. -ENOMEM when a part of the range is no area. */
int uk_map_discard(uint64_t addr, uint64_t size);
/* UK_AREA_LARGE or UK_AREA_SMALL instead of what was said before. -ENOMEM as above. */
int uk_map_advise(uint64_t addr, uint64_t size, unsigned flag);
/* Faults every page in; -ENOMEM, -EFAULT as mlock. */
int uk_map_populate(uint64_t addr, uint64_t size);

/* The area that holds *at: its file with a reference or NULL; moves *at behind it. False: none. */
bool uk_map_file_at(uint64_t *at, struct uk_file **file, bool *shared);
/* One byte a page: 1 when a frame is there. -UK_ENOMEM when there is no area. */
int uk_map_resident(uint64_t addr, uint64_t pages, uint8_t *present);

enum uk_access { UK_ACCESS_USUAL, UK_ACCESS_READ, UK_ACCESS_WRITE, UK_ACCESS_EXEC = 4 };
/*
 * Makes one access to `addr` possible. 0, or why not:
 * -UK_ENOENT no area, -UK_EACCES area forbids, -UK_EFAULT behind the end of the file,
 * -UK_EIO or -UK_ENOSPC the file cannot be read or grow, -UK_ENOMEM no frame is left.
 */
int uk_map_fault(uint64_t addr, enum uk_access access);

/* For the page cache: forget what is mapped of this inode from page `index` on (truncate). */
void uk_map_forget_file(struct uk_inode *inode, uint64_t index);
/* For the page cache, before it writes dirty pages out: later stores mark pages dirty again. */
void uk_map_clean_file(struct uk_inode *inode);

/* For the page cache, before it gives pages back: unmaps some that were not touched for a while. */
void uk_map_age(size_t wanted);

/* For /proc: the area at or above *addr; false at the end. `path` gets the file's name or "". */
struct uk_map_info {
	uint64_t start, end, offset;
	unsigned prot, flags;
	uint64_t dev, ino;
	char path[256];
};
bool uk_map_info(uint64_t addr, struct uk_map_info *info);
/* Adds what is there of a range. */
struct uk_map_use {
	uint64_t own, file; /* pages that belong to the program alone, and the page cache's */
	uint64_t large;	    /* of the first, those that large entries map */
};
void uk_map_use(uint64_t start, uint64_t end, struct uk_map_use *use);

#endif
