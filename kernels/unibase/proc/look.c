/*
 * Questions about the address space that change nothing: for /proc, msync, mincore and reports.
 */
#include "pages.h"
#include <uk/map.h>
#include <uk/vfs.h>

bool uk_map_file_at(uint64_t *at, struct uk_file **file, bool *shared)
{
	struct uk_area *area;
	bool found = false;

	*file = NULL;
	uk_mutex_lock(&uk_map.lock);
	area = uk_area_find(uk_map.root, *at);
	if (area != NULL && area->start <= *at) {
		found = true;
		*at = area->end;
		*shared = (area->flags & UK_AREA_SHARED) != 0;
		*file = area->file;
		if (*file != NULL)
			uk_file_get(*file);
	}
	uk_mutex_unlock(&uk_map.lock);
	return found;
}

int uk_map_resident(uint64_t addr, uint64_t pages, uint8_t *present)
{
	int result = 0;

	uk_mutex_lock(&uk_map.lock);
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t at = addr + i * UK_PAGE_SIZE;
		struct uk_area *area = uk_area_find(uk_map.root, at);

		if (area == NULL || area->start > at) {
			result = -UK_ENOMEM;
			break;
		}
		present[i] = uk_pt_present(at);
	}
	uk_mutex_unlock(&uk_map.lock);
	return result;
}

void uk_map_use(uint64_t start, uint64_t end, struct uk_map_use *use)
{
	uk_mutex_lock(&uk_map.lock);
	uk_pt_use(start, end, use);
	uk_mutex_unlock(&uk_map.lock);
}

static void describe(const struct uk_area *area, struct uk_map_info *info)
{
	*info = (struct uk_map_info){
		.start = area->start,
		.end = area->end,
		.offset = area->offset,
		.prot = area->prot,
		.flags = area->flags,
	};
	if (area->flags & UK_AREA_STACK)
		uk_strlcpy(info->path, "[stack]", sizeof(info->path));
	else if (area->flags & UK_AREA_HEAP)
		uk_strlcpy(info->path, "[heap]", sizeof(info->path));
	else if (area->flags & UK_AREA_VDSO)
		uk_strlcpy(info->path, area->prot & UK_PROT_EXEC ? "[vdso]" : "[vvar]",
			   sizeof(info->path));
}

bool uk_map_info(uint64_t addr, struct uk_map_info *info)
{
	struct uk_file *file = NULL;
	struct uk_area *area;

	uk_mutex_lock(&uk_map.lock);
	area = uk_area_find(uk_map.root, addr);
	if (area != NULL) {
		describe(area, info);
		file = area->file;
		if (file != NULL)
			uk_file_get(file);
	}
	uk_mutex_unlock(&uk_map.lock);
	if (file != NULL) {
		info->ino = file->inode->ino;
		info->dev = file->inode->super != NULL ? file->inode->super->dev : 0;
		if (uk_file_path(file, info->path, sizeof(info->path)) < 0)
			info->path[0] = '\0';
		uk_file_put(file);
	}
	return area != NULL;
}
