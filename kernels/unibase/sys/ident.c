/*
 * System calls about users, groups and sessions. The program starts as root, or as the recipe says,
 * and may give that up, as servers do; the numbers are kept, answered and given to what it makes,
 * and files are opened by them (fs/permit.c).
 */
#include <uk/process.h>
#include <uk/syscall.h>
#include <uk/user.h>

#define KEEP UINT32_MAX
/* Versions of the capability calls: the first knows 32 capabilities, the others 64. */
#define CAPABILITY_VERSION_1 0x19980330u
#define CAPABILITY_VERSION_2 0x20071026u
#define CAPABILITY_VERSION_3 0x20080522u

int64_t uk_sys_getuid(const struct uk_sysargs *s)
{
	(void)s;
	return uk_process.uid.real;
}

int64_t uk_sys_geteuid(const struct uk_sysargs *s)
{
	(void)s;
	return uk_process.uid.effective;
}

int64_t uk_sys_getgid(const struct uk_sysargs *s)
{
	(void)s;
	return uk_process.gid.real;
}

int64_t uk_sys_getegid(const struct uk_sysargs *s)
{
	(void)s;
	return uk_process.gid.effective;
}

static bool root(void)
{
	return uk_process.uid.effective == 0;
}

static bool has(const struct uk_ids *ids, uint32_t id)
{
	return id == ids->real || id == ids->effective || id == ids->saved;
}

static int64_t set_one(struct uk_ids *ids, uint32_t id)
{
	if (id == KEEP)
		return -UK_EINVAL;
	if (root())
		ids->real = ids->saved = id;
	else if (id != ids->real && id != ids->saved)
		return -UK_EPERM;
	ids->effective = ids->fs = id;
	return 0;
}

static int64_t set_two(struct uk_ids *ids, uint32_t real, uint32_t effective)
{
	if (!root() && ((real != KEEP && real != ids->real && real != ids->effective) ||
			(effective != KEEP && !has(ids, effective))))
		return -UK_EPERM;
	if (real != KEEP || (effective != KEEP && effective != ids->real))
		ids->saved = effective != KEEP ? effective : ids->effective;
	if (real != KEEP)
		ids->real = real;
	if (effective != KEEP)
		ids->effective = effective;
	ids->fs = ids->effective;
	return 0;
}

static int64_t set_three(struct uk_ids *ids, const struct uk_sysargs *s)
{
	uint32_t real = (uint32_t)s->a[0], effective = (uint32_t)s->a[1];
	uint32_t saved = (uint32_t)s->a[2];

	if (!root() &&
	    ((real != KEEP && !has(ids, real)) || (effective != KEEP && !has(ids, effective)) ||
	     (saved != KEEP && !has(ids, saved))))
		return -UK_EPERM;
	if (real != KEEP)
		ids->real = real;
	if (effective != KEEP)
		ids->effective = effective;
	if (saved != KEEP)
		ids->saved = saved;
	ids->fs = ids->effective;
	return 0;
}

static int64_t get_three(const struct uk_ids *ids, const struct uk_sysargs *s)
{
	if (uk_copy_to_user(s->a[0], &ids->real, sizeof(ids->real)) != 0 ||
	    uk_copy_to_user(s->a[1], &ids->effective, sizeof(ids->effective)) != 0 ||
	    uk_copy_to_user(s->a[2], &ids->saved, sizeof(ids->saved)) != 0)
		return -UK_EFAULT;
	return 0;
}

/* The number before; no error can be told. */
static int64_t set_fs(struct uk_ids *ids, uint32_t id)
{
	uint32_t old = ids->fs;

	if (id != KEEP && (root() || has(ids, id)))
		ids->fs = id;
	return old;
}

int64_t uk_sys_setuid(const struct uk_sysargs *s)
{
	return set_one(&uk_process.uid, (uint32_t)s->a[0]);
}

int64_t uk_sys_setgid(const struct uk_sysargs *s)
{
	return set_one(&uk_process.gid, (uint32_t)s->a[0]);
}

int64_t uk_sys_setreuid(const struct uk_sysargs *s)
{
	return set_two(&uk_process.uid, (uint32_t)s->a[0], (uint32_t)s->a[1]);
}

int64_t uk_sys_setregid(const struct uk_sysargs *s)
{
	return set_two(&uk_process.gid, (uint32_t)s->a[0], (uint32_t)s->a[1]);
}

int64_t uk_sys_setresuid(const struct uk_sysargs *s)
{
	return set_three(&uk_process.uid, s);
}

int64_t uk_sys_setresgid(const struct uk_sysargs *s)
{
	return set_three(&uk_process.gid, s);
}

int64_t uk_sys_getresuid(const struct uk_sysargs *s)
{
	return get_three(&uk_process.uid, s);
}

int64_t uk_sys_getresgid(const struct uk_sysargs *s)
{
	return get_three(&uk_process.gid, s);
}

int64_t uk_sys_setfsuid(const struct uk_sysargs *s)
{
	return set_fs(&uk_process.uid, (uint32_t)s->a[0]);
}

int64_t uk_sys_setfsgid(const struct uk_sysargs *s)
{
	return set_fs(&uk_process.gid, (uint32_t)s->a[0]);
}

int64_t uk_sys_getgroups(const struct uk_sysargs *s)
{
	int room = (int)s->a[0];

	if (room < 0 || (room != 0 && (unsigned)room < uk_process.group_count))
		return -UK_EINVAL;
	if (room != 0 && uk_copy_to_user(s->a[1], uk_process.groups,
					 uk_process.group_count * sizeof(uint32_t)) != 0)
		return -UK_EFAULT;
	return uk_process.group_count;
}

int64_t uk_sys_setgroups(const struct uk_sysargs *s)
{
	uint32_t groups[UK_GROUPS_MAX];

	if (!root())
		return -UK_EPERM;
	if (s->a[0] > UK_GROUPS_MAX)
		return -UK_EINVAL;
	if (uk_copy_from_user(groups, s->a[1], s->a[0] * sizeof(uint32_t)) != 0)
		return -UK_EFAULT;
	memcpy(uk_process.groups, groups, s->a[0] * sizeof(uint32_t));
	uk_process.group_count = (unsigned)s->a[0];
	return 0;
}

/* One process, so one group and one session, both led by it. */
static bool is_us(int pid)
{
	return pid == 0 || pid == UK_PID;
}

int64_t uk_sys_getpgrp(const struct uk_sysargs *s)
{
	(void)s;
	return UK_PID;
}

int64_t uk_sys_getpgid(const struct uk_sysargs *s)
{
	return is_us((int)s->a[0]) ? UK_PID : -UK_ESRCH;
}

int64_t uk_sys_getsid(const struct uk_sysargs *s)
{
	return is_us((int)s->a[0]) ? UK_PID : -UK_ESRCH;
}

int64_t uk_sys_setsid(const struct uk_sysargs *s)
{
	(void)s;
	return -UK_EPERM;
}

int64_t uk_sys_setpgid(const struct uk_sysargs *s)
{
	if ((int)s->a[1] < 0)
		return -UK_EINVAL;
	return is_us((int)s->a[0]) ? -UK_EPERM : -UK_ESRCH;
}

struct capability_header {
	uint32_t version;
	int32_t pid;
};

/* Bytes of the sets in the version asked for; -UK_EINVAL, with the newest told, for an unknown one.
 */
static int64_t capability_room(uint64_t user)
{
	struct capability_header h;

	if (uk_copy_from_user(&h, user, sizeof(h)) != 0)
		return -UK_EFAULT;
	if (h.version != CAPABILITY_VERSION_1 && h.version != CAPABILITY_VERSION_2 &&
	    h.version != CAPABILITY_VERSION_3) {
		h.version = CAPABILITY_VERSION_3;
		return uk_copy_to_user(user, &h, sizeof(h)) != 0 ? -UK_EFAULT : -UK_EINVAL;
	}
	if (h.pid < 0)
		return -UK_EINVAL;
	if (!is_us(h.pid))
		return -UK_ESRCH;
	return (h.version == CAPABILITY_VERSION_1 ? 3 : 6) * (int64_t)sizeof(uint32_t);
}

int64_t uk_sys_capget(const struct uk_sysargs *s)
{
	uint32_t low = root() ? UINT32_MAX : 0, high = root() ? 0x1ff : 0;
	uint32_t sets[6] = { low, low, 0, high, high, 0 };
	int64_t room = capability_room(s->a[0]);

	/* Without a place for the answer only the version was asked for. */
	if (s->a[1] == 0)
		return room > 0 || room == -UK_EINVAL ? 0 : room;
	return room < 0 ? room : uk_copy_to_user(s->a[1], sets, (size_t)room);
}

int64_t uk_sys_capset(const struct uk_sysargs *s)
{
	uint32_t sets[6];
	int64_t room = capability_room(s->a[0]);

	return room < 0 ? room : uk_copy_from_user(sets, s->a[1], (size_t)room);
}
