/*
 * What the surroundings say: clock, environment, randomness, processors, standard folders. Nothing
 * else in the project asks for these, so that what may depend on them can be seen.
 */
#include "internal.h"
#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#define JOBS_MAX 1024
#define WAIT_STEP_MS 100

volatile int uni_cancelled;
static uint64_t deadline_ns; /* 0: none; set before there are threads */
static unsigned deadline_s;

int uni_wait_ms(unsigned ms, struct uni_err *err)
{
	int rc = uni_check_cancel(err);

	while (rc == 0 && ms != 0) {
		unsigned step = ms < WAIT_STEP_MS ? ms : WAIT_STEP_MS;
		const struct timespec wait = { .tv_nsec = (long)step * 1000000 };

		(void)nanosleep(&wait,
				NULL); /* a signal that cuts it short is the one looked for */
		ms -= step;
		rc = uni_check_cancel(err);
	}
	return rc;
}

int uni_check_cancel(struct uni_err *err)
{
	if (uni_cancelled)
		return uni_err_set(err, UNI_E_CANCELLED, "interrupted");
	if (deadline_ns != 0 && uni_clock_mono_ns() >= deadline_ns)
		return uni_err_set(err, UNI_E_TIMEOUT, "not done within %u s", deadline_s);
	return 0;
}

void uni_deadline_set(unsigned seconds)
{
	deadline_s = seconds;
	deadline_ns = seconds != 0 ? uni_clock_mono_ns() + seconds * UINT64_C(1000000000) : 0;
}

int64_t uni_clock_now(void)
{
	return (int64_t)time(NULL);
}

int64_t uni_clock_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t uni_clock_mono_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const char *uni_env(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

char *const *uni_environment(void)
{
	return environ;
}

void uni_random(void *data, size_t size)
{
	char *at = data;
	while (size > 0) {
		size_t step = size < 256 ? size : 256; /* what the kernel never cuts */
		ssize_t got = getrandom(at, step, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			abort(); /* no kernel that we run on is without it */
		at += got;
		size -= (size_t)got;
	}
}

unsigned uni_processors(void)
{
	const char *jobs = uni_env("UNI_JOBS");
	uint64_t wanted;
	if (jobs != NULL && uni_str_u64(jobs, &wanted) && wanted >= 1 && wanted <= JOBS_MAX)
		return (unsigned)wanted;
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a cpu_set_t holds */
	return online >= 1 && online <= JOBS_MAX ? (unsigned)online : 1;
}

static char *home(void)
{
	const char *named = uni_env("HOME");
	if (named != NULL)
		return uni_strdup(named);
	const struct passwd *user = getpwuid(getuid());
	return uni_strdup(user != NULL ? user->pw_dir : "/");
}

/* XDG Base Directory Specification: a relative value is to be ignored. */
static char *xdg_dir(const char *variable, const char *below_home)
{
	const char *value = uni_env(variable);
	if (value != NULL && value[0] == '/')
		return uni_path_join(value, "uni");
	char *base UNI_AUTO_FREE = home();
	char *dir UNI_AUTO_FREE = uni_path_join(base, below_home);
	return uni_path_join(dir, "uni");
}

char *uni_dir_cache(void)
{
	const char *value = uni_env("UNI_CACHE");
	return value != NULL ? uni_path_absolute(value) : xdg_dir("XDG_CACHE_HOME", ".cache");
}

char *uni_dir_state(void)
{
	return xdg_dir("XDG_STATE_HOME", ".local/state");
}

char *uni_dir_config(void)
{
	return xdg_dir("XDG_CONFIG_HOME", ".config");
}

char *uni_dir_self(void)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length < 0)
		return uni_strdup(".");
	path[length] = '\0';
	return uni_path_dir(path);
}
