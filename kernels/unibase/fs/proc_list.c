/*
 * What there is in /proc (proc(5)): as much as C libraries, language runtimes and databases read to
 * find out where they run. One process, whose number is UK_PID.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/map.h>
#include <uk/process.h>
#include <uk/sched.h>
#include <uk/smp.h>

#include "proc.h"

enum { TICKS = 100, NS_A_TICK = 1000000000 / TICKS, SECOND = 1000000000 };

#define RELEASE "5.15.0-unibase" /* as uname says */

/* -- the machine -- */

static void show_version(struct fs_text *t)
{
	fs_text_add(t, "Linux version " RELEASE " (unibase) #1 SMP\n");
}

/* One that does not run yet was idle all the time. */
static uint64_t idle_time(uint32_t processor)
{
	return processor < uk_cpu_count ? uk_idle_time(processor) : uk_time_mono();
}

static uint64_t idle_time_of_all(void)
{
	uint64_t idle = 0;

	for (uint32_t i = 0; i < uk_smp_possible(); i++)
		idle += idle_time(i);
	return idle;
}

static void show_uptime(struct fs_text *t)
{
	uint64_t up = uk_time_mono() / 10000000, idle = idle_time_of_all() / 10000000;

	fs_text_add(t, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / 100),
		    (unsigned long long)(up % 100), (unsigned long long)(idle / 100),
		    (unsigned long long)(idle % 100));
}

static void show_loadavg(struct fs_text *t)
{
	fs_text_add(t, "0.00 0.00 0.00 1/%u %d\n", uk_process.count, UK_PID);
}

static void show_meminfo(struct fs_text *t)
{
	unsigned long long total = uk_mem_total() / 1024, free = uk_mem_free() / 1024;
	unsigned long long cached = uk_cache_pages() * (UK_PAGE_SIZE / 1024);

	fs_text_add(t, "MemTotal:       %8llu kB\n", total);
	fs_text_add(t, "MemFree:        %8llu kB\n", free);
	fs_text_add(t, "MemAvailable:   %8llu kB\n", UK_MIN(free + cached, total));
	fs_text_add(t, "Buffers:        %8llu kB\n", 0ull);
	fs_text_add(t, "Cached:         %8llu kB\n", cached);
	fs_text_add(t, "SwapCached:     %8llu kB\n", 0ull);
	fs_text_add(t, "SwapTotal:      %8llu kB\n", 0ull);
	fs_text_add(t, "SwapFree:       %8llu kB\n", 0ull);
	fs_text_add(t, "AnonHugePages:  %8llu kB\n", (unsigned long long)uk_map.large * 2048);
	fs_text_add(t, "HugePages_Total:%8llu\n", 0ull);
	fs_text_add(t, "Hugepagesize:   %8llu kB\n", 2048ull);
}

static void copy_text(char *to, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	memcpy(to, &a, 4);
	memcpy(to + 4, &b, 4);
	memcpy(to + 8, &c, 4);
	memcpy(to + 12, &d, 4);
}

static void show_cpuinfo(struct fs_text *t)
{
	static const struct {
		uint8_t bit;
		bool edx;
		const char *name;
	} flags[] = { { 0, true, "fpu" },      { 4, true, "tsc" },	{ 8, true, "cx8" },
		      { 15, true, "cmov" },    { 23, true, "mmx" },	{ 24, true, "fxsr" },
		      { 25, true, "sse" },     { 26, true, "sse2" },	{ 0, false, "pni" },
		      { 9, false, "ssse3" },   { 19, false, "sse4_1" }, { 20, false, "sse4_2" },
		      { 23, false, "popcnt" }, { 25, false, "aes" },	{ 28, false, "avx" },
		      { 30, false, "rdrand" } };
	struct uk_cpuid r = uk_cpuid(0, 0), id = uk_cpuid(1, 0);
	char vendor[17] = "", model[49] = "";

	copy_text(vendor, r.b, r.d, r.c, 0);
	for (uint32_t i = 0; i < 3; i++) {
		r = uk_cpuid(0x80000002 + i, 0);
		copy_text(model + 16 * i, r.a, r.b, r.c, r.d);
	}
	for (uint32_t n = 0; n < uk_smp_possible(); n++) {
		fs_text_add(t,
			    "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n",
			    n, vendor, (id.a >> 8 & 15) + (id.a >> 20 & 255),
			    (id.a >> 4 & 15) | (id.a >> 12 & 0xf0));
		fs_text_add(t,
			    "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n"
			    "core id\t\t: %u\ncpu cores\t: %u\nflags\t\t:",
			    model, id.a & 15, uk_smp_possible(), n, uk_smp_possible());
		for (size_t i = 0; i < UK_COUNT(flags); i++)
			if (((flags[i].edx ? id.d : id.c) >> flags[i].bit & 1) != 0)
				fs_text_add(t, " %s", flags[i].name);
		fs_text_add(t, "\n\n");
	}
}

static void show_processor_time(struct fs_text *t, const char *name, unsigned long long all,
				unsigned long long idle)
{
	fs_text_add(t, "cpu%s %llu 0 0 %llu 0 0 0 0 0 0\n", name, all > idle ? all - idle : 0,
		    idle);
}

static void show_machine_stat(struct fs_text *t)
{
	unsigned long long all = uk_time_mono() / NS_A_TICK;
	long long booted = (uk_time_real() - (int64_t)uk_time_mono()) / SECOND;
	uint32_t count = uk_smp_possible();
	char name[12];

	show_processor_time(t, " ", all * count, idle_time_of_all() / NS_A_TICK);
	for (uint32_t i = 0; i < count; i++) {
		uk_snprintf(name, sizeof(name), "%u", i);
		show_processor_time(t, name, all, idle_time(i) / NS_A_TICK);
	}
	fs_text_add(
		t, "intr %llu\nctxt 0\nbtime %lld\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
		(unsigned long long)uk_irq_taken(), booted);
}

static void show_threads_max(struct fs_text *t)
{
	fs_text_add(t, "%u\n", uk_task_most());
}

static void show_hostname(struct fs_text *t)
{
	char name[256];

	fs_hostname(name, sizeof(name));
	fs_text_add(t, "%s\n", name);
}

static void add_uuid(struct fs_text *t, uint8_t id[16])
{
	char text[UK_UUID_TEXT];

	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	fs_uuid_text(id, text);
	fs_text_add(t, "%s\n", text);
}

static void show_uuid(struct fs_text *t)
{
	uint8_t id[16];

	uk_random(id, sizeof(id));
	add_uuid(t, id);
}

static void show_boot_id(struct fs_text *t)
{
	static uint8_t id[16];
	static bool made;

	if (!made)
		uk_random(id, sizeof(id));
	made = true;
	add_uuid(t, id);
}

/* -- mounts -- */

static void add_path(struct fs_text *t, struct uk_dentry *dentry)
{
	char *path = uk_alloc(UK_PATH_MAX);

	if (path == NULL) {
		t->failed = true;
		return;
	}
	(void)fs_dentry_path(dentry, path, UK_PATH_MAX);
	fs_text_add_bytes(t, path, strlen(path));
	uk_free(path);
}

static const char *way(const struct uk_super *super)
{
	return super->read_only ? "ro" : "rw";
}

static void show_mounts(struct fs_text *t)
{
	uk_mutex_lock(&fs_mounts_lock);
	uk_list_each (item, &fs_mounts) {
		struct fs_mount *m = uk_list_entry(item, struct fs_mount, item);

		fs_text_add(t, "%s ", m->source);
		add_path(t, m->root);
		fs_text_add(t, " %s %s 0 0\n", m->super->type, way(m->super));
	}
	uk_mutex_unlock(&fs_mounts_lock);
}

static void show_mountinfo(struct fs_text *t)
{
	unsigned id = 1;

	uk_mutex_lock(&fs_mounts_lock);
	uk_list_each (item, &fs_mounts) {
		struct fs_mount *m = uk_list_entry(item, struct fs_mount, item);

		fs_text_add(t, "%u %u 0:%llu / ", id, id == 1 ? 0u : 1u,
			    (unsigned long long)m->super->dev);
		add_path(t, m->root);
		fs_text_add(t, " %s - %s %s %s\n", way(m->super), m->super->type, m->source,
			    way(m->super));
		id++;
	}
	uk_mutex_unlock(&fs_mounts_lock);
}

/* -- the process -- */

static struct uk_dentry *jump_exe(void)
{
	struct uk_file *file = uk_process.program;

	if (file == NULL || file->dentry == NULL)
		return uk_err_ptr(-UK_ENOENT);
	fs_dentry_get(file->dentry);
	return file->dentry;
}

static struct uk_dentry *jump_cwd(void)
{
	return fs_cwd_get();
}

static struct uk_dentry *jump_root(void)
{
	fs_dentry_get(fs_mount_root());
	return fs_mount_root();
}

/* The program may have changed these bytes, or taken them away. */
static void add_user(struct fs_text *t, uint64_t start, uint64_t end)
{
	char part[256];

	while (start < end) {
		size_t size = UK_MIN(end - start, sizeof(part));

		if (uk_copy_from_user(part, start, size) != 0)
			return;
		fs_text_add_bytes(t, part, size);
		start += size;
	}
}

static void show_cmdline(struct fs_text *t)
{
	add_user(t, uk_process.arg_start, uk_process.arg_end);
}

static void show_environ(struct fs_text *t)
{
	add_user(t, uk_process.env_start, uk_process.env_end);
}

static void show_auxv(struct fs_text *t)
{
	fs_text_add_bytes(t, uk_process.auxv, uk_process.auxv_count * sizeof(uint64_t));
}

static void first_name(char name[16])
{
	uint64_t state = uk_spin_lock(&uk_process.lock);
	struct uk_task *task = uk_list_first(&uk_process.tasks, struct uk_task, item);

	uk_strlcpy(name, task != NULL ? task->name : "", 16);
	uk_spin_unlock(&uk_process.lock, state);
}

static void show_comm(struct fs_text *t)
{
	char name[16];

	first_name(name);
	fs_text_add(t, "%s\n", name);
}

static void show_limits(struct fs_text *t)
{
	static const struct {
		enum uk_rlimit which;
		const char *name, *unit;
	} limits[] = {
		{ UK_RLIMIT_CPU, "Max cpu time", "seconds" },
		{ UK_RLIMIT_FSIZE, "Max file size", "bytes" },
		{ UK_RLIMIT_DATA, "Max data size", "bytes" },
		{ UK_RLIMIT_STACK, "Max stack size", "bytes" },
		{ UK_RLIMIT_CORE, "Max core file size", "bytes" },
		{ UK_RLIMIT_NPROC, "Max processes", "processes" },
		{ UK_RLIMIT_NOFILE, "Max open files", "files" },
		{ UK_RLIMIT_MEMLOCK, "Max locked memory", "bytes" },
		{ UK_RLIMIT_AS, "Max address space", "bytes" },
	};

	fs_text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t i = 0; i < UK_COUNT(limits); i++) {
		const struct uk_rlimit64 *l = &uk_process.limit[limits[i].which];
		uint64_t value[2] = { l->soft, l->hard };

		fs_text_add(t, "%-25s ", limits[i].name);
		for (unsigned j = 0; j < 2; j++) {
			if (value[j] == UINT64_MAX)
				fs_text_add(t, "%-20s ", "unlimited");
			else
				fs_text_add(t, "%-20llu ", (unsigned long long)value[j]);
		}
		fs_text_add(t, "%-10s\n", limits[i].unit);
	}
}

static uint64_t run_ticks(void)
{
	uint64_t time = uk_process.ended_time, state = uk_spin_lock(&uk_process.lock);

	uk_list_each (item, &uk_process.tasks)
		time += uk_thread_run_time(uk_list_entry(item, struct uk_task, item)->thread);
	uk_spin_unlock(&uk_process.lock, state);
	return time / NS_A_TICK;
}

static void show_stat(struct fs_text *t)
{
	char name[16];

	first_name(name);
	fs_text_add(t, "%d (%s) R 0 %d %d 0 -1 0 %llu 0 %llu 0 ", UK_PID, name, UK_PID, UK_PID,
		    (unsigned long long)uk_map.faults_minor,
		    (unsigned long long)uk_map.faults_major);
	fs_text_add(t, "%llu 0 0 0 20 0 %u 0 0 %llu %llu ", (unsigned long long)run_ticks(),
		    uk_process.count, (unsigned long long)uk_map.reserved,
		    (unsigned long long)uk_map.resident);
	fs_text_add(t,
		    "18446744073709551615 0 0 %llu 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 "
		    "%llu %llu %llu %llu 0\n",
		    (unsigned long long)uk_map.stack_high, (unsigned long long)uk_process.arg_start,
		    (unsigned long long)uk_process.arg_end,
		    (unsigned long long)uk_process.env_start,
		    (unsigned long long)uk_process.env_end);
}

static void show_statm(struct fs_text *t)
{
	fs_text_add(t, "%llu %llu 0 0 0 %llu 0\n",
		    (unsigned long long)(uk_map.reserved / UK_PAGE_SIZE),
		    (unsigned long long)uk_map.resident,
		    (unsigned long long)(uk_map.reserved / UK_PAGE_SIZE));
}

static void show_status(struct fs_text *t)
{
	const struct uk_ids *u = &uk_process.uid, *g = &uk_process.gid;
	char name[16];

	first_name(name);
	fs_text_add(t, "Name:\t%s\nUmask:\t%04o\nState:\tR (running)\nTgid:\t%d\nNgid:\t0\n", name,
		    fs_umask, UK_PID);
	fs_text_add(t, "Pid:\t%d\nPPid:\t0\nTracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\n", UK_PID, u->real,
		    u->effective, u->saved, u->fs);
	fs_text_add(t, "Gid:\t%u\t%u\t%u\t%u\nFDSize:\t%llu\nGroups:\t\n", g->real, g->effective,
		    g->saved, g->fs, (unsigned long long)uk_fd_limit());
	fs_text_add(t, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\n",
		    (unsigned long long)(uk_map.reserved / 1024),
		    (unsigned long long)(uk_map.reserved / 1024),
		    (unsigned long long)(uk_map.peak * 4),
		    (unsigned long long)(uk_map.resident * 4));
	fs_text_add(t, "Threads:\t%u\nSeccomp:\t0\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n",
		    uk_process.count);
	fs_text_add(t, "Mems_allowed_list:\t0\n");
}

#define FOLDER(path)                                                                               \
	{                                                                                          \
		path, FS_PROC_FOLDER,                                                              \
		{                                                                                  \
			NULL                                                                       \
		}                                                                                  \
	}
#define TEXT(path, string)                                                                         \
	{                                                                                          \
		path, FS_PROC_TEXT,                                                                \
		{                                                                                  \
			.text = string                                                             \
		}                                                                                  \
	}
#define SHOW(path, function)                                                                       \
	{                                                                                          \
		path, FS_PROC_SHOW,                                                                \
		{                                                                                  \
			.show = function                                                           \
		}                                                                                  \
	}
#define LINK(path, string)                                                                         \
	{                                                                                          \
		path, FS_PROC_LINK,                                                                \
		{                                                                                  \
			.text = string                                                             \
		}                                                                                  \
	}
#define JUMP(path, function)                                                                       \
	{                                                                                          \
		path, FS_PROC_JUMP,                                                                \
		{                                                                                  \
			.jump = function                                                           \
		}                                                                                  \
	}

const struct fs_proc_entry fs_proc_entries[] = {
	FOLDER("1"),
	SHOW("1/auxv", show_auxv),
	TEXT("1/cgroup", "0::/"),
	SHOW("1/cmdline", show_cmdline),
	SHOW("1/comm", show_comm),
	JUMP("1/cwd", jump_cwd),
	SHOW("1/environ", show_environ),
	JUMP("1/exe", jump_exe),
	{ "1/fd", FS_PROC_FDS, { NULL } },
	SHOW("1/limits", show_limits),
	SHOW("1/maps", fs_show_maps),
	SHOW("1/mountinfo", show_mountinfo),
	SHOW("1/mounts", show_mounts),
	TEXT("1/oom_score_adj", "0"),
	JUMP("1/root", jump_root),
	SHOW("1/smaps", fs_show_smaps),
	SHOW("1/smaps_rollup", fs_show_smaps_rollup),
	SHOW("1/stat", show_stat),
	SHOW("1/statm", show_statm),
	SHOW("1/status", show_status),
	TEXT("cmdline", ""),
	SHOW("cpuinfo", show_cpuinfo),
	TEXT("filesystems", "nodev\tproc\nnodev\tdevtmpfs\nnodev\ttmpfs\n\tsquashfs"),
	{ "live", FS_PROC_OPEN, { .open = fs_live_open } },
	SHOW("loadavg", show_loadavg),
	SHOW("meminfo", show_meminfo),
	LINK("mounts", "self/mounts"),
	LINK("self", "1"),
	SHOW("stat", show_machine_stat),
	FOLDER("sys"),
	FOLDER("sys/fs"),
	TEXT("sys/fs/aio-max-nr", "65536"),
	TEXT("sys/fs/file-max", "9223372036854775807"),
	TEXT("sys/fs/nr_open", "1048576"),
	TEXT("sys/fs/pipe-max-size", "1048576"),
	FOLDER("sys/kernel"),
	TEXT("sys/kernel/cap_last_cap", "40"),
	SHOW("sys/kernel/hostname", show_hostname),
	TEXT("sys/kernel/ngroups_max", "65536"),
	TEXT("sys/kernel/osrelease", RELEASE),
	TEXT("sys/kernel/ostype", "Linux"),
	TEXT("sys/kernel/pid_max", "32768"),
	FOLDER("sys/kernel/random"),
	SHOW("sys/kernel/random/boot_id", show_boot_id),
	SHOW("sys/kernel/random/uuid", show_uuid),
	TEXT("sys/kernel/randomize_va_space", "2"),
	TEXT("sys/kernel/tainted", "0"),
	SHOW("sys/kernel/threads-max", show_threads_max),
	TEXT("sys/kernel/version", "#1 SMP"),
	FOLDER("sys/net"),
	FOLDER("sys/net/core"),
	TEXT("sys/net/core/somaxconn", "4096"),
	FOLDER("sys/vm"),
	TEXT("sys/vm/max_map_count", "65530"),
	TEXT("sys/vm/overcommit_memory", "1"),
	TEXT("sys/vm/swappiness", "0"),
	SHOW("uptime", show_uptime),
	SHOW("version", show_version),
};
const unsigned fs_proc_count = UK_COUNT(fs_proc_entries);
