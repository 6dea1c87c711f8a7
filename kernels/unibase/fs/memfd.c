/*
 * memfd_create(2): files of a tmpfs that is mounted nowhere, and seals on them. And getrandom(2).
 */
#include <uk/io.h>

#include "calls.h"

enum { NAME_MAX = 249, SEALS = FS_SEAL_SEAL | FS_SEAL_SHRINK | FS_SEAL_GROW | FS_SEAL_WRITE };

static struct uk_mutex making = UK_MUTEX_INIT(making);
static struct uk_super *memory;

struct uk_super *fs_memory_super(void)
{
	uk_mutex_lock(&making);
	if (memory == NULL)
		memory = fs_tmpfs_new(0);
	uk_mutex_unlock(&making);
	return memory;
}

int64_t uk_sys_memfd_create(const struct uk_sysargs *s)
{
	uint32_t flags = (uint32_t)s->a[1];
	char name[NAME_MAX + 32] = "/memfd:";
	struct uk_super *super;
	struct uk_inode *inode;
	struct uk_file *file;
	int64_t size;

	if ((flags & ~(uint32_t)(UK_MFD_CLOEXEC | UK_MFD_ALLOW_SEALING)) != 0)
		return -UK_EINVAL;
	size = uk_string_from_user(name + 7, s->a[0], NAME_MAX + 1);
	if (size < 0)
		return size == -UK_ENAMETOOLONG ? -UK_EINVAL : size;
	uk_strlcpy(name + 7 + size, " (deleted)", sizeof(name) - 7 - (size_t)size);
	if (strlen(name) > UK_NAME_MAX)
		name[UK_NAME_MAX] = '\0';
	super = fs_memory_super();
	inode = super != NULL ? fs_tmpfs_nameless(super, UK_S_IFREG | 0777) : NULL;
	if (inode == NULL)
		return -UK_ENOMEM;
	inode->seals = (flags & UK_MFD_ALLOW_SEALING) != 0 ? 0 : FS_SEAL_SEAL;
	file = fs_file_nameless(inode, name, UK_O_RDWR | UK_O_LARGEFILE);
	if (uk_is_err(file))
		return uk_ptr_err(file);
	return uk_fd_install(file, (flags & UK_MFD_CLOEXEC) != 0);
}

int64_t fs_memfd_seals(struct uk_file *file, bool add, uint32_t seals)
{
	struct uk_inode *inode = file->inode;
	int64_t result = 0;

	if (inode == NULL || memory == NULL || inode->super != memory)
		return -UK_EINVAL;
	if (!add)
		return inode->seals;
	if (!fs_can_write(file))
		return -UK_EPERM;
	if ((seals & ~(uint32_t)SEALS) != 0)
		return -UK_EINVAL;
	uk_mutex_lock(&inode->lock);
	if ((inode->seals & FS_SEAL_SEAL) != 0)
		result = -UK_EPERM;
	else
		inode->seals |= (uint8_t)seals;
	uk_mutex_unlock(&inode->lock);
	return result;
}

int64_t uk_sys_getrandom(const struct uk_sysargs *s)
{
	const uint64_t most = 33554431;
	uint32_t flags = (uint32_t)s->a[2];
	uint64_t size = UK_MIN(s->a[1], most), done = 0;
	uint8_t bytes[256];

	if ((flags & ~(uint32_t)(UK_GRND_NONBLOCK | UK_GRND_RANDOM | UK_GRND_INSECURE)) != 0 ||
	    (flags & (UK_GRND_RANDOM | UK_GRND_INSECURE)) == (UK_GRND_RANDOM | UK_GRND_INSECURE))
		return -UK_EINVAL;
	while (done < size) {
		size_t part = UK_MIN(size - done, sizeof(bytes));

		uk_random(bytes, part);
		if (uk_copy_to_user(s->a[0] + done, bytes, part) != 0)
			return done != 0 ? (int64_t)done : -UK_EFAULT;
		done += part;
		if (uk_signal_pending())
			break;
	}
	return (int64_t)done;
}
