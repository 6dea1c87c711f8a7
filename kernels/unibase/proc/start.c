/*
 * From the boot configuration to the program's first instruction.
 */
#include "proc.h"
#include <uk/io.h>
#include <uk/log.h>
#include <uk/map.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/user.h>
#include <uk/vfs.h>
#include <uni/abi/exit.h>

#define INFINITE UINT64_MAX

enum {
	STACK_MIN = 64 << 10,
	STACK_DEFAULT = 8 << 20,
	FILES_DEFAULT = 1024,
	HEAP_SPREAD = 1 << 13, /* pages: 32 MiB */
};
#define STACK_MAX (1ull << 40)

static void set_limits(void)
{
	struct uk_rlimit64 *limit = uk_process.limit;
	const struct uni_config_entry *e = uk_config_first(UNI_CONFIG_LIMIT);
	uint64_t given[] = { [UNI_LIMIT_OPEN_FILES] = FILES_DEFAULT,
			     [UNI_LIMIT_STACK] = STACK_DEFAULT,
			     [UNI_LIMIT_MEMORY] = INFINITE };
	uint64_t stack, files, memory;

	for (; e != NULL; e = uk_config_next(UNI_CONFIG_LIMIT, e)) {
		const struct uni_config_limit *told = uni_config_data(e);

		if (e->size == sizeof(*told) && told->kind < UK_COUNT(given))
			given[told->kind] = told->value;
	}
	stack = UK_MAX(UK_MIN(given[UNI_LIMIT_STACK], STACK_MAX), (uint64_t)STACK_MIN);
	files = given[UNI_LIMIT_OPEN_FILES];
	memory = given[UNI_LIMIT_MEMORY];
	for (unsigned i = 0; i < UK_RLIMIT_COUNT; i++)
		limit[i] = (struct uk_rlimit64){ INFINITE, INFINITE };
	limit[UK_RLIMIT_STACK].soft = UK_ALIGN_UP(stack, UK_PAGE_SIZE);
	limit[UK_RLIMIT_CORE] = (struct uk_rlimit64){ 0, 0 };
	limit[UK_RLIMIT_NOFILE] = (struct uk_rlimit64){ files, UK_MAX(files, 1048576ull) };
	limit[UK_RLIMIT_MEMLOCK] = (struct uk_rlimit64){ 8 << 20, 8 << 20 };
	limit[UK_RLIMIT_MSGQUEUE] = (struct uk_rlimit64){ 819200, 819200 };
	limit[UK_RLIMIT_NICE] = limit[UK_RLIMIT_RTPRIO] = (struct uk_rlimit64){ 0, 0 };
	limit[UK_RLIMIT_DATA] = (struct uk_rlimit64){ memory, memory };
	uk_fd_set_limit(files);
}

static void set_user(void)
{
	uint32_t user = uk_config_u32(UNI_CONFIG_USER, 0);
	uint32_t group = uk_config_u32(UNI_CONFIG_GROUP, 0);

	uk_process.uid = (struct uk_ids){ user, user, user, user };
	uk_process.gid = (struct uk_ids){ group, group, group, group };
}

static void give_up(const char *text) UK_NORETURN;
static void give_up(const char *text)
{
	uk_log(UK_LOG_ERROR, "%s", text);
	uk_process_end(UNI_EXIT_PANIC, 0, 0, 0, text);
}

/* What stands behind a path's last slash. */
static const char *name_of(const char *path)
{
	const char *name = path;

	for (; *path != '\0'; path++)
		name = *path == '/' ? path + 1 : name;
	return name;
}

static struct uk_file *open_program(void)
{
	const struct uni_config_entry *e = uk_config_first(UNI_CONFIG_PROGRAM);
	struct uk_file *file;

	if (e == NULL)
		give_up("the boot configuration names no program");
	if (uk_config_string(e, uk_process.path, sizeof(uk_process.path)) <= 0 ||
	    uk_process.path[0] != '/')
		give_up("the program's path in the boot configuration is not sound");
	file = uk_vfs_program(uk_process.path);
	if (uk_is_err(file))
		give_up("the program's file is not there");
	return file;
}

static void load_program(struct uk_frame *frame)
{
	struct uk_loaded loaded;
	static char why[96], text[88 + sizeof(why)]; /* it is done once */
	int64_t sp;

	if (uk_elf_load(uk_process.program, &loaded, why, sizeof(why)) != 0) {
		uk_snprintf(text, sizeof(text), "the program cannot be run: %s", why);
		give_up(text);
	}
	uk_map.heap = uk_map.brk =
		UK_ALIGN_UP(loaded.end, UK_PAGE_SIZE) + uk_layout_random(HEAP_SPREAD);
	sp = uk_stack_fill(&loaded);
	if (sp == -UK_E2BIG)
		give_up("arguments and environment do not fit the stack");
	if (sp < 0)
		give_up("the program cannot be run: its stack cannot be made");
	frame->rip = loaded.entry;
	frame->rsp = (uint64_t)sp;
}

void uk_process_start(void)
{
	struct uk_frame *frame;

	uk_user_start();
	uk_syscall_start();
	uk_map_start();
	uk_futex_start();
	set_limits();
	set_user();
	uk_layout_start();
	uk_process.program = open_program();
	frame = &uk_task_become(name_of(uk_process.path))->start;
	frame->rflags = 0x202;
	load_program(frame);
	uk_power_button_listen(uk_process_stop);
	uk_later_start();
	uk_enter_user(frame);
}
