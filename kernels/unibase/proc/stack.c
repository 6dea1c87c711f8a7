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

enum { VECTORS_MAX = 2048 }; /* bytes of all that is not the image's choice */

/* Behind the auxiliary vector, for it to point to. */
struct pointed {
	uint64_t seed[2];
	char platform[8];
};

/* Strings and the pointers to them. */
struct vector {
	enum uni_config_type type;
	uint64_t count;
	uint64_t size;		    /* of the strings, with the NUL behind each */
	uint64_t pointers, strings; /* where they are */
};

static void measure(struct vector *v, enum uni_config_type type)
{
	v->type = type;
	v->count = v->size = 0;
	for (const struct uni_config_entry *e = uk_config_first(type); e != NULL;
	     e = uk_config_next(type, e)) {
		v->count++;
		v->size += e->size + 1ull;
	}
}

/* The memory is new: what is not written, the end of each string and of the pointers, is 0. */
static int put(const struct vector *v)
{
	uint64_t pointer = v->pointers, string = v->strings;
	int error = 0;

	for (const struct uni_config_entry *e = uk_config_first(v->type); e != NULL;
	     e = uk_config_next(v->type, e)) {
		error |= uk_copy_to_user(pointer, &string, sizeof(string));
		error |= uk_copy_to_user(string, uni_config_data(e), e->size);
		pointer += sizeof(string);
		string += e->size + 1ull;
	}
	return error;
}

static uint64_t *add(uint64_t *at, uint64_t type, uint64_t value)
{
	at[0] = type;
	at[1] = value;
	return at + 2;
}

/* Into uk_process.auxv, to be shown in /proc too; how many bytes it has. */
static size_t fill_auxv(const struct uk_loaded *l, uint64_t execfn, uint64_t random,
			uint64_t platform)
{
	uint64_t *at = uk_process.auxv, vdso = uk_vdso_map();

	at = add(at, AT_HWCAP, uk_cpuid(1, 0).d);
	at = add(at, AT_PAGESZ, UK_PAGE_SIZE);
	at = add(at, AT_CLKTCK, 100);
	at = add(at, AT_PHDR, l->phdr);
	at = add(at, AT_PHENT, l->phentsize);
	at = add(at, AT_PHNUM, l->phnum);
	at = add(at, AT_BASE, l->base);
	at = add(at, AT_FLAGS, 0);
	at = add(at, AT_ENTRY, l->program);
	at = add(at, AT_UID, uk_process.uid.real);
	at = add(at, AT_EUID, uk_process.uid.effective);
	at = add(at, AT_GID, uk_process.gid.real);
	at = add(at, AT_EGID, uk_process.gid.effective);
	at = add(at, AT_SECURE, 0);
	at = add(at, AT_RANDOM, random);
	at = add(at, AT_HWCAP2, 0);
	at = add(at, AT_EXECFN, execfn);
	at = add(at, AT_PLATFORM, platform);
	at = add(at, AT_MINSIGSTKSZ, uk_sigframe_size());
	if (vdso != 0)
		at = add(at, AT_SYSINFO_EHDR, vdso);
	at = add(at, 0, 0);
	uk_process.auxv_count = (unsigned)(at - uk_process.auxv);
	return uk_process.auxv_count * sizeof(uint64_t);
}

static int map_stack(void)
{
	/* Asked for once. */
	static struct uk_map_request r = {
		.prot = UK_PROT_READ | UK_PROT_WRITE,
		.flags = UK_AREA_STACK,
		.fixed = true,
		.keep = true,
	};
	int64_t result;

	r.addr = uk_map.stack_low;
	r.size = uk_map.stack_high - uk_map.stack_low;
	result = uk_map_add(&r);

	/* Its top is filled at once, and spared a fault. */
	return result < 0 ? (int)result
			  : uk_map_fault(r.addr + r.size - UK_PAGE_SIZE, UK_ACCESS_WRITE);
}

/*
 * From the stack's end down: the program's path, the environment's strings, the arguments' (each in
 * the order of their pointers: programs that rewrite their title rely on it), what the auxiliary
 * vector points to; then, lowest and on a multiple of 16, argc, argv, envp and that vector.
 */
int64_t uk_stack_fill(const struct uk_loaded *loaded)
{
	const struct pointed pointed = { { uk_random_word(), uk_random_word() }, "x86_64" };
	struct vector args, env;
	size_t path_size = strlen(uk_process.path), auxv_size;
	uint64_t size = uk_map.stack_high - uk_map.stack_low, path, at, vectors, sp;
	int error = map_stack();

	if (error != 0)
		return error;
	measure(&args, UNI_CONFIG_ARG);
	measure(&env, UNI_CONFIG_ENV);
	vectors = (args.count + env.count) * sizeof(uint64_t) + VECTORS_MAX;
	/* The rest is for the program to run on. */
	if (args.size + env.size + vectors > size / 4 * 3)
		return -UK_E2BIG;
	path = uk_map.stack_high - sizeof(uint64_t) - path_size - 1;
	env.strings = path - env.size;
	args.strings = env.strings - args.size;
	at = args.strings - sizeof(pointed);
	auxv_size = fill_auxv(loaded, path, at + offsetof(struct pointed, seed),
			      at + offsetof(struct pointed, platform));
	sp = UK_ALIGN_DOWN(at - auxv_size - (args.count + env.count + 3) * sizeof(uint64_t), 16ull);
	args.pointers = sp + sizeof(uint64_t);
	env.pointers = args.pointers + (args.count + 1) * sizeof(uint64_t);
	error |= uk_copy_to_user(sp, &args.count, sizeof(args.count));
	error |= put(&args);
	error |= put(&env);
	error |= uk_copy_to_user(env.pointers + (env.count + 1) * sizeof(uint64_t), uk_process.auxv,
				 auxv_size);
	error |= uk_copy_to_user(at, &pointed, sizeof(pointed));
	error |= uk_copy_to_user(path, uk_process.path, path_size);
	uk_process.arg_start = args.strings;
	uk_process.arg_end = uk_process.env_start = env.strings;
	uk_process.env_end = path;
	return error != 0 ? -UK_EFAULT : (int64_t)sp;
}
