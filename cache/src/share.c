/*
 * A store that a group shares: its folder belongs to the group, which may write to it, and what is
 * made below gets the group by the folder's set-group-ID bit. Modes are set by hand, because every
 * member's umask would take the group's permission away again. Blobs stay read-only for all.
 */
#include <string.h>

#include "src/internal.h"

#define SHARED_FOLDER (S_ISGID | S_IWGRP)

bool store_shared_mode(mode_t mode)
{
	return (mode & SHARED_FOLDER) == SHARED_FOLDER;
}

/* What belongs to another member has its mode from him. */
void store_share_file(const struct store_place *place, int fd)
{
	struct stat st;

	if (place->shared && fstat(fd, &st) == 0 && (st.st_mode & S_IWGRP) == 0)
		(void)fchmod(fd, 0664);
}

void store_share_folders(const struct store_place *place, const char *path)
{
	UNI_AUTO_FREE char *parent = NULL;
	struct stat st;

	if (!place->shared)
		return;
	if (stat(path, &st) == 0 && !store_shared_mode(st.st_mode))
		(void)chmod(path, (st.st_mode & 07777) | SHARED_FOLDER | S_IRGRP | S_IXGRP);
	parent = uni_path_dir(path);
	if (uni_str_starts(parent, place->path))
		store_share_folders(place, parent);
}
