/*
 * The files that programs expect to find: devices, /proc, /etc. Checked for form where the content
 * is the machine's own.
 */
#include "t.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

static char text[65536];

static size_t load(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t size = 0;
	ssize_t part;

	if (fd < 0)
		printf("%s: errno %d\n", path, errno);
	check(fd >= 0);
	while ((part = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)part;
	check(part == 0);
	text[size] = '\0';
	close(fd);
	return size;
}

static void has(const char *path, const char *what)
{
	load(path);
	printf("%s has %s: %d\n", path, what, strstr(text, what) != NULL);
}

static void devices(void)
{
	char data[64];
	int fd = open("/dev/null", O_RDWR);

	check(write(fd, "gone", 4) == 4 && read(fd, data, 4) == 0);
	check(lseek(fd, 100, SEEK_SET) == 0);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(data, 1, sizeof(data));
	check(read(fd, data, sizeof(data)) == sizeof(data));
	for (size_t i = 0; i < sizeof(data); i++)
		check(data[i] == 0);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	fails(write(fd, "x", 1), ENOSPC);
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	check(read(fd, data, 64) == 64);
	check(memcmp(data, data + 32, 32) != 0);
	close(fd);
	fd = open("/dev/random", O_RDONLY);
	check(read(fd, data, 16) == 16);
	close(fd);
}

static void own_descriptors(void)
{
	char path[64], target[64];
	int fd = open("/dev/null", O_RDONLY), again, pipes[2];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, target, sizeof(target) - 1);
	check(size > 0);
	target[size] = '\0';
	printf("descriptor: %s\n", target);
	again = open(path, O_RDONLY);
	check(again >= 0 && again != fd);
	close(again);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	again = open(path, O_RDONLY);
	check(again >= 0);
	close(again);
	check(pipe(pipes) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[0]);
	size = readlink(path, target, sizeof(target) - 1);
	check(size > 6 && memcmp(target, "pipe:[", 6) == 0);
	again = open(path, O_RDONLY | O_NONBLOCK);
	check(again >= 0 && write(pipes[1], "p", 1) == 1);
	check(read(again, target, 1) == 1 && target[0] == 'p');
	close(again);
	fails(open("/proc/self/fd/99", O_RDONLY), ENOENT);
	fails(open("/proc/self/fd/x", O_RDONLY), ENOENT);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void processes(char *argv0)
{
	char path[64], target[4096];
	unsigned long start, end;
	int pid, count = 0;
	struct dirent *entry;
	ssize_t size;
	DIR *dir;

	check(load("/proc/self/cmdline") == strlen(argv0) + 1 && strcmp(text, argv0) == 0);
	load("/proc/self/stat");
	check(sscanf(text, "%d (%63[^)])", &pid, path) == 2 && pid == getpid());
	printf("comm: %s\n", path);
	load("/proc/self/comm");
	printf("comm: %s", text);
	has("/proc/self/status", "Threads:\t1\n");
	has("/proc/self/status", "VmRSS:");
	has("/proc/self/limits", "Max open files");
	has("/proc/self/mounts", " /proc proc ");
	has("/proc/mounts", " /proc proc ");
	has("/proc/self/maps", "[stack]");
	has("/proc/self/maps", "r-xp");
	load("/proc/self/maps");
	check(sscanf(text, "%lx-%lx r", &start, &end) == 2 && start < end && end % 4096 == 0);
	check(load("/proc/self/auxv") % 16 == 0);
	size = readlink("/proc/self/exe", target, sizeof(target));
	check(size > 0 && target[0] == '/');
	check(access("/proc/self/exe", X_OK) == 0);
	size = readlink("/proc/self", target, sizeof(target));
	target[size] = '\0';
	check(atoi(target) == getpid());
	size = readlink("/proc/self/cwd", target, sizeof(target));
	target[size] = '\0';
	check(strcmp(target, getcwd(path, sizeof(path)) != NULL ? path : "") == 0 || size >= 64);
	dir = opendir("/proc/self/fd");
	check(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	printf("descriptors: %d\n", count);
	own_descriptors();
}

static void machine(void)
{
	unsigned long total, available;
	double up, idle;
	struct statfs fs;

	load("/proc/meminfo");
	check(sscanf(text, "MemTotal: %lu kB", &total) == 1 && total > 1000);
	check(strstr(text, "MemAvailable:") != NULL);
	check(sscanf(strstr(text, "MemAvailable:"), "MemAvailable: %lu kB", &available) == 1);
	check(available <= total);
	load("/proc/uptime");
	check(sscanf(text, "%lf %lf", &up, &idle) == 2);
	load("/proc/loadavg");
	check(sscanf(text, "%lf %lf", &up, &idle) == 2);
	has("/proc/version", "Linux version ");
	has("/proc/filesystems", "tmpfs");
	has("/proc/cpuinfo", "processor\t: 0");
	has("/proc/stat", "cpu  ");
	has("/proc/sys/kernel/ostype", "Linux\n");
	load("/proc/sys/vm/overcommit_memory");
	check(strlen(text) == 2);
	check(load("/proc/sys/kernel/random/uuid") == 37);
	check(load("/proc/sys/kernel/random/boot_id") == 37);
	load("/proc/sys/kernel/pid_max");
	check(atoi(text) > 1);
	check(statfs("/proc", &fs) == 0 && fs.f_type == 0x9fa0);
	fails(open("/proc/none", O_RDONLY), ENOENT);
	fails(open("/proc/self/none", O_RDONLY), ENOENT);
	fails(unlink("/proc/version"), EPERM);
}

static void configuration(void)
{
	struct stat st;

	has("/etc/hosts", "localhost");
	has("/etc/passwd", "root:");
	has("/etc/group", "root:");
	check(stat("/tmp", &st) == 0);
	printf("/tmp %o\n", st.st_mode);
	check(stat("/dev/null", &st) == 0);
	printf("/dev/null %o %lx\n", st.st_mode, (unsigned long)st.st_rdev);
}

int main(int argc, char **argv)
{
	(void)argc;
	devices();
	processes(argv[0]);
	machine();
	configuration();
	return 0;
}
