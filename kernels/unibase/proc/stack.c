/*
 * The first thread's stack as a program finds it (AMD64 ABI, 3.4.1): argument count, arguments,
 * environment, auxiliary vector, and the strings they point to.
 */
#include "proc.h"
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/user.h>
#include <uk/vdso.h>

enum {
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_PLATFORM = 15,
	AT_HWCAP = 16,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_SYSINFO_EHDR = 33,
	AT_MINSIGSTKSZ = 51,
};

/* Grows downwards from the stack's end; one failed copy fails the whole. */
struct stack {
	uint64_t sp;
	int error;
};

static uint64_t push(struct stack *st, const void *data, size_t size)
{
	if (st->error == 0 && size > st->sp - uk_map.stack_low)
		st->error = -UK_E2BIG;
	if (st->error != 0)
		return 0;
	st->sp -= size;
	st->error = uk_copy_to_user(st->sp, data, size);
	return st->sp;
}

static uint64_t push_string(struct stack *st, const void *text, size_t size)
{
	push(st, "", 1);
	return push(st, text, size);
}

static unsigned count_entries(enum uni_config_type type)
{
	const struct uni_config_entry *e = NULL;
	unsigned count = 0;

	while ((e = uk_config_next(type, e)) != NULL)
		count++;
	return count;
}

/* Strings in the order of their pointers: programs that rewrite their title rely on it. Where the
 * first one is. */
static uint64_t push_strings(struct stack *st, enum uni_config_type type)
{
	const struct uni_config_entry *e = NULL;
	uint64_t total = 0, at;

	while ((e = uk_config_next(type, e)) != NULL)
		total += e->size + 1ull;
	if (st->error == 0 && total > (st->sp - uk_map.stack_low) / 2)
		st->error = -UK_E2BIG;
	if (st->error != 0)
		return 0;
	st->sp -= total;
	at = st->sp;
	while (st->error == 0 && (e = uk_config_next(type, e)) != NULL) {
		if (uk_copy_to_user(at, uni_config_data(e), e->size) != 0 ||
		    uk_clear_user(at + e->size, 1) != 0)
			st->error = -UK_EFAULT;
		at += e->size + 1ull;
	}
	return st->sp;
}

static void fill_auxv(const struct uk_loaded *l, uint64_t execfn, uint64_t random,
		      uint64_t platform)
{
	uint64_t vdso = uk_vdso_map();

	const struct {
		uint64_t type, value;
	} values[] = {
		{ AT_HWCAP, uk_cpuid(1, 0).d },
		{ AT_PAGESZ, UK_PAGE_SIZE },
		{ AT_CLKTCK, 100 },
		{ AT_PHDR, l->phdr },
		{ AT_PHENT, l->phentsize },
		{ AT_PHNUM, l->phnum },
		{ AT_BASE, l->base },
		{ AT_FLAGS, 0 },
		{ AT_ENTRY, l->program },
		{ AT_UID, uk_process.uid.real },
		{ AT_EUID, uk_process.uid.effective },
		{ AT_GID, uk_process.gid.real },
		{ AT_EGID, uk_process.gid.effective },
		{ AT_SECURE, 0 },
		{ AT_RANDOM, random },
		{ AT_HWCAP2, 0 },
		{ AT_EXECFN, execfn },
		{ AT_PLATFORM, platform },
		{ AT_MINSIGSTKSZ, uk_sigframe_size() },
		/* The end, where there is no vDSO. */
		{ vdso != 0 ? AT_SYSINFO_EHDR : 0, vdso },
		{ 0, 0 },
	};

	_Static_assert(sizeof(values) <= sizeof(uk_process.auxv), "it has room for all");
	memcpy(uk_process.auxv, values, sizeof(values));
	uk_process.auxv_count = 2 * ((unsigned)UK_COUNT(values) - (vdso != 0 ? 0 : 1));
}

/* Upwards, into room that was taken. */
static void put(struct stack *st, uint64_t *at, uint64_t word)
{
	if (st->error == 0)
		st->error = uk_copy_to_user(*at, &word, sizeof(word));
	*at += sizeof(word);
}

/* Pointers to strings that lie one behind the other from `string` on, and the end. */
static void put_pointers(struct stack *st, uint64_t *at, enum uni_config_type type, uint64_t string)
{
	const struct uni_config_entry *e = NULL;

	while ((e = uk_config_next(type, e)) != NULL) {
		put(st, at, string);
		string += e->size + 1ull;
	}
	put(st, at, 0);
}

/* argc, argv, envp and auxv, lowest, on a multiple of 16. */
static void push_vectors(struct stack *st)
{
	uint64_t argc = count_entries(UNI_CONFIG_ARG), envc = count_entries(UNI_CONFIG_ENV);
	uint64_t auxv = uk_process.auxv_count * sizeof(uint64_t);
	uint64_t size = (1 + argc + 1 + envc + 1) * sizeof(uint64_t) + auxv, at;

	if (st->error == 0 && size + 16 > st->sp - uk_map.stack_low)
		st->error = -UK_E2BIG;
	if (st->error != 0)
		return;
	st->sp = at = UK_ALIGN_DOWN(st->sp - size, 16ull);
	put(st, &at, argc);
	put_pointers(st, &at, UNI_CONFIG_ARG, uk_process.arg_start);
	put_pointers(st, &at, UNI_CONFIG_ENV, uk_process.env_start);
	if (st->error == 0)
		st->error = uk_copy_to_user(at, uk_process.auxv, auxv);
}

static int map_stack(void)
{
	struct uk_map_request r = {
		.addr = uk_map.stack_low,
		.size = uk_map.stack_high - uk_map.stack_low,
		.prot = UK_PROT_READ | UK_PROT_WRITE,
		.flags = UK_AREA_STACK,
		.fixed = true,
	};
	int64_t result = uk_map_add(&r);

	/* Its top is filled at once, and spared a fault. */
	return result < 0 ? (int)result
			  : uk_map_fault(r.addr + r.size - UK_PAGE_SIZE, UK_ACCESS_WRITE);
}

int64_t uk_stack_fill(const struct uk_loaded *loaded)
{
	struct stack st = { .sp = uk_map.stack_high - 8 };
	uint64_t execfn, random, platform;
	uint64_t seed[2] = { uk_random_word(), uk_random_word() };

	st.error = map_stack();
	execfn = push_string(&st, uk_process.path, strlen(uk_process.path));
	uk_process.env_end = st.sp;
	uk_process.env_start = uk_process.arg_end = push_strings(&st, UNI_CONFIG_ENV);
	uk_process.arg_start = push_strings(&st, UNI_CONFIG_ARG);
	platform = push_string(&st, "x86_64", 6);
	random = push(&st, seed, sizeof(seed));
	fill_auxv(loaded, execfn, random, platform);
	push_vectors(&st);
	return st.error != 0 ? st.error : (int64_t)st.sp;
}
