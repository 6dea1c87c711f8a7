/*
 * What /proc tells of the program's memory, area by area: maps, smaps and its sum (proc(5)). There
 * is one process, so nothing is shared with another, and nothing is ever swapped.
 */
#include <uk/map.h>
#include <uk/mem.h>

#include "proc.h"
#include "text.h"

#define PAGE_KIB (UK_PAGE_SIZE / 1024)

static void show_area(struct fs_text *t, const struct uk_map_info *info)
{
	int before = (int)t->size;

	fs_text_add(t, "%08llx-%08llx %c%c%c%c %08llx 00:%02llx %llu ",
		    (unsigned long long)info->start, (unsigned long long)info->end,
		    info->prot & UK_PROT_READ ? 'r' : '-', info->prot & UK_PROT_WRITE ? 'w' : '-',
		    info->prot & UK_PROT_EXEC ? 'x' : '-', info->flags & UK_AREA_SHARED ? 's' : 'p',
		    (unsigned long long)info->offset, (unsigned long long)info->dev,
		    (unsigned long long)info->ino);
	/* Names stand in column 73, as on Linux. */
	if (info->path[0] != '\0')
		fs_text_add(t, "%*s%s", UK_MAX(0, 73 - ((int)t->size - before)), "", info->path);
	fs_text_add(t, "\n");
}

static void show_use(struct fs_text *t, const struct uk_map_use *use)
{
	unsigned long long own = use->own * PAGE_KIB, file = use->file * PAGE_KIB;

	fs_text_add(t,
		    "Rss:            %8llu kB\nPss:            %8llu kB\n"
		    "Shared_Clean:          0 kB\nShared_Dirty:          0 kB\n"
		    "Private_Clean:  %8llu kB\nPrivate_Dirty:  %8llu kB\n"
		    "Referenced:     %8llu kB\nAnonymous:      %8llu kB\n"
		    "AnonHugePages:  %8llu kB\nSwap:                  0 kB\n"
		    "SwapPss:               0 kB\nLocked:                0 kB\n",
		    own + file, own + file, file, own, own + file, own,
		    (unsigned long long)use->large * PAGE_KIB);
}

/* What is there of a range. */
static void show_range(struct fs_text *t, uint64_t start, uint64_t end)
{
	struct uk_map_use use = { .own = 0 };

	uk_map_use(start, end, &use);
	show_use(t, &use);
}

static void show(struct fs_text *t, bool sizes)
{
	struct uk_map_info *info = uk_alloc(sizeof(*info));

	if (info == NULL) {
		t->failed = true;
		return;
	}
	for (uint64_t at = 0; uk_map_info(at, info); at = info->end) {
		show_area(t, info);
		if (!sizes)
			continue;
		fs_text_add(t,
			    "Size:           %8llu kB\nKernelPageSize:        4 kB\n"
			    "MMUPageSize:           4 kB\n",
			    (unsigned long long)(info->end - info->start) / 1024);
		show_range(t, info->start, info->end);
	}
	uk_free(info);
}

void fs_show_maps(struct fs_text *t)
{
	show(t, false);
}

void fs_show_smaps(struct fs_text *t)
{
	show(t, true);
}

void fs_show_smaps_rollup(struct fs_text *t)
{
	fs_text_add(t, "%08llx-%08llx ---p 00000000 00:00 0 %24s[rollup]\n",
		    (unsigned long long)uk_map.low, (unsigned long long)uk_map.stack_high, "");
	show_range(t, 0, UK_USER_END);
}
