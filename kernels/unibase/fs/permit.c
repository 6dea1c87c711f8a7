/*
 * Who may do what with a file, by the process's numbers, its groups and the file's bits (inode(7),
 * path_resolution(7)). Root may all but execute what nobody may; so may the kernel for itself.
 */
#include <uk/process.h>
#include <uk/sched.h>

#include "fs.h"

static bool is_supplementary(uint32_t gid)
{
	for (unsigned i = 0; i < uk_process.group_count; i++)
		if (uk_process.groups[i] == gid)
			return true;
	return false;
}

bool fs_in_group(uint32_t gid)
{
	return gid == uk_process.gid.fs || is_supplementary(gid);
}

bool fs_is_kernel(void)
{
	const struct uk_thread *self = uk_thread_self();

	return self->process == NULL || self->trusted;
}

bool fs_is_root(void)
{
	return uk_process.uid.fs == 0 || fs_is_kernel();
}

static int permit(const struct uk_inode *inode, unsigned want, bool root, uint32_t uid,
		  uint32_t gid)
{
	unsigned bits = inode->mode;

	if (root)
		bits = UK_S_IS(inode->mode, DIR) || (bits & 0111) != 0 ? 7 : 6;
	else if (uid == inode->uid)
		bits >>= 6;
	else if (gid == inode->gid || is_supplementary(inode->gid))
		bits >>= 3;
	return (want & ~bits & 7u) == 0 ? 0 : -UK_EACCES;
}

int uk_permit(const struct uk_inode *inode, unsigned want)
{
	return permit(inode, want, fs_is_root(), uk_process.uid.fs, uk_process.gid.fs);
}

int fs_permit_real(const struct uk_inode *inode, unsigned want)
{
	return permit(inode, want, uk_process.uid.real == 0, uk_process.uid.real,
		      uk_process.gid.real);
}

bool fs_owns(const struct uk_inode *inode)
{
	return uk_process.uid.fs == inode->uid || fs_is_root();
}

int fs_permit_remove(const struct uk_inode *dir, const struct uk_inode *inode)
{
	int error = uk_permit(dir, UK_W_OK | UK_X_OK);

	if (error == 0 && (dir->mode & UK_S_ISVTX) != 0 && !fs_owns(inode) && !fs_owns(dir))
		error = -UK_EPERM;
	return error;
}
