/*
 * Copies between kernel and program: every address is checked here, every access made in
 * arch/user.S. And the iterator by which files move bytes without knowing whose they are.
 */
#include <uk/cpu.h>
#include <uk/mem.h>
#include <uk/user.h>

size_t uk_user_copy(void *to, const void *from, size_t size);
size_t uk_user_zero(void *to, size_t size);
int64_t uk_user_string(char *to, const char *from, size_t room);
int uk_user_load32(uint32_t *value, const uint32_t *from);
int uk_user_swap32(uint32_t *at, uint32_t *expected, uint32_t value);

bool uk_user_smap;

void uk_user_start(void)
{
	uk_user_smap = uk_cpu_has.smap;
}

UK_INLINE bool in_program(uint64_t addr, size_t size)
{
	return (addr <= UK_USER_END) + (size <= UK_USER_END - addr) == 2;
}

/* -UK_EFAULT when anything was left undone. */
UK_INLINE int result_of(size_t left)
{
	return -(int)(left != 0) & -UK_EFAULT;
}

int uk_copy_from_user(void *to, uint64_t from, size_t size)
{
	if (!in_program(from, size))
		return -UK_EFAULT;
	return result_of(uk_user_copy(to, (const void *)from, size));
}

int uk_copy_to_user(uint64_t to, const void *from, size_t size)
{
	if (!in_program(to, size))
		return -UK_EFAULT;
	return result_of(uk_user_copy((void *)to, from, size));
}

int uk_clear_user(uint64_t to, size_t size)
{
	if (!in_program(to, size))
		return -UK_EFAULT;
	return result_of(uk_user_zero((void *)to, size));
}

int64_t uk_string_from_user(char *to, uint64_t from, size_t room)
{
	size_t reach = room;
	int64_t length;

	if (from >= UK_USER_END)
		return -UK_EFAULT;
	reach = UK_MIN(reach, UK_USER_END - from);
	length = uk_user_string(to, (const char *)from, reach);
	if (length < 0)
		return -UK_EFAULT;
	if ((size_t)length == reach)
		return reach == room ? -UK_ENAMETOOLONG : -UK_EFAULT;
	return length;
}

int uk_user_get32(uint32_t *value, uint64_t from)
{
	if (!in_program(from, sizeof(*value)))
		return -UK_EFAULT;
	return uk_user_load32(value, (const uint32_t *)from) == 0 ? 0 : -UK_EFAULT;
}

int uk_user_exchange32(uint64_t at, uint32_t *expected, uint32_t value)
{
	if (!in_program(at, sizeof(value)))
		return -UK_EFAULT;
	return uk_user_swap32((uint32_t *)at, expected, value) == 0 ? 0 : -UK_EFAULT;
}

void uk_iter_kernel(struct uk_iter *it, void *data, size_t size)
{
	*it = (struct uk_iter){ .kernel = data, .left = size };
}

void uk_iter_user(struct uk_iter *it, struct uk_iovec *vec, unsigned count)
{
	uk_iter_begin(it, vec, count, 0);
	for (unsigned i = 0; i < count; i++)
		it->left += vec[i].size;
}

enum direction { PUT, GET, ZERO };

/* Moves up to `size` bytes at one user address; bytes moved. */
static size_t move_user(enum direction direction, uint64_t addr, uint8_t *data, size_t size)
{
	uint8_t *user = (uint8_t *)addr;

	if (!in_program(addr, size))
		return 0;
	if (direction == ZERO)
		return size - uk_user_zero(user, size);
	return size -
	       uk_user_copy(direction == PUT ? user : data, direction == PUT ? data : user, size);
}

static int64_t move_kernel(struct uk_iter *it, enum direction direction, uint8_t *data, size_t size)
{
	if (direction == ZERO)
		memset(it->kernel, 0, size);
	else
		memcpy(direction == PUT ? it->kernel : data, direction == PUT ? data : it->kernel,
		       size);
	it->kernel += size;
	it->left -= size;
	return (int64_t)size;
}

static int64_t move(struct uk_iter *it, enum direction direction, uint8_t *data, size_t size)
{
	size_t done = 0;

	size = UK_MIN(size, it->left);
	if (it->kernel != NULL)
		return move_kernel(it, direction, data, size);
	while (done < size) {
		struct uk_iovec *vec = it->vec;
		size_t part = UK_MIN(size - done, vec->size);
		size_t moved = move_user(direction, vec->base, data + done, part);
		bool over;

		vec->base += moved;
		vec->size -= moved;
		over = vec->size == 0;
		it->vec += over;
		it->count -= over;
		it->left -= moved;
		done += moved;
		if (moved < part)
			return done > 0 ? (int64_t)done : -UK_EFAULT;
	}
	return (int64_t)done;
}

int64_t uk_iter_put(struct uk_iter *it, const void *data, size_t size)
{
	union {
		const void *borrowed;
		uint8_t *data; /* only read: PUT */
	} from = { .borrowed = data };

	return move(it, PUT, from.data, size);
}

int64_t uk_iter_get(struct uk_iter *it, void *data, size_t size)
{
	return move(it, GET, data, size);
}

int64_t uk_iter_zero(struct uk_iter *it, size_t size)
{
	return move(it, ZERO, NULL, size);
}
