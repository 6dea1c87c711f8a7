/*
 * Starting processes. The child is made by one long-lived thread: PR_SET_PDEATHSIG fires when the
 * *thread* that made the child ends, and a worker of a pool ends long before the process does. The
 * clone shares our memory until the child has executed (CLONE_VM | CLONE_VFORK), which costs no
 * page tables and lets it report a failed exec by a plain store.
 */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>
#include <uni/base/system.h>
#include <unistd.h>

#define CHILD_STACK (64u << 10)
/* ThreadSanitizer keeps what it knows of a thread in memory, which the child must not write. */
#ifdef __SANITIZE_THREAD__
#define SHARED_MEMORY 0
#else
#define SHARED_MEMORY CLONE_VM
#endif
#define CANCEL_POLL_MS 100
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct uni_process {
	pid_t pid;
	int pidfd;
	bool reaped;
	bool new_session;
	int status;
};

/* What became of a start, told by the child. */
struct report {
	const char *failed; /* the step that failed, with... */
	int error;	    /* ...its errno */
};

/* What the child needs, all of it made before, because it must not allocate. */
struct launch {
	const char *program;
	char *const *argv;
	char *const *env;
	const char *cwd;
	int fds[3];
	bool new_session;
	bool small_pages;
	pid_t parent;
	struct report *told; /* where the child writes it */
	struct report report;
	pid_t pid;
	int pidfd;
};

static char *find_in(const char *path, const char *program)
{
	while (*path != '\0') {
		size_t length = strcspn(path, ":");
		char *dir UNI_AUTO_FREE =
			uni_strndup(length != 0 ? path : ".", length != 0 ? length : 1);
		char *full UNI_AUTO_FREE = uni_path_join(dir, program);
		struct stat st;
		if (access(full, X_OK) == 0 && stat(full, &st) == 0 && S_ISREG(st.st_mode)) {
			char *found = full;
			full = NULL;
			return found;
		}
		path += length;
		path += *path == ':';
	}
	return NULL;
}

char *uni_process_find(const char *program)
{
	const char *path = uni_env("PATH");
	return find_in(path != NULL ? path : PATH_DEFAULT, program);
}

/* "NAME=VALUE" replaces an earlier one of the same name, so that nothing depends on who looks
 * first. */
static void env_put(struct uni_strv *env, const char *pair)
{
	size_t name = strcspn(pair, "=") + 1;
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], pair, name) == 0) {
			free(env->items[i]);
			env->items[i] = uni_strdup(pair);
			return;
		}
	}
	uni_strv_add(env, pair);
}

static void env_build(struct uni_strv *env, const struct uni_process_spec *spec)
{
	static const char *const ours[] = { "PATH", "HOME", "TMPDIR" };
	if (spec->inherit_env)
		for (char *const *at = uni_environment(); *at != NULL; at++)
			uni_strv_add(env, *at);
	for (size_t i = 0; i < UNI_COUNT(ours); i++) {
		const char *value = uni_env(ours[i]);
		char *pair UNI_AUTO_FREE =
			uni_asprintf("%s=%s", ours[i], value ? value : PATH_DEFAULT);
		if (value != NULL || i == 0)
			env_put(env, pair);
	}
	env_put(env, "LC_ALL=C");
	env_put(env, "TZ=UTC");
	for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
		env_put(env, spec->env[i]);
}

/* -- in the child, on the parent's memory: system calls only -- */

static int child_fail(struct launch *launch, const char *step)
{
	launch->told->error = errno;
	launch->told->failed = step;
	_exit(127);
}

/* Two rounds, since a wanted descriptor may itself sit on 0, 1 or 2. */
static void child_fds(struct launch *launch)
{
	int moved[3];
	for (int i = 0; i < 3; i++) {
		int fd = launch->fds[i];
		moved[i] = fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC)
				  : fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (moved[i] >= 0 && moved[i] < 3)
			moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, 3);
		if (moved[i] < 0)
			child_fail(launch, "open its standard streams");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(moved[i], i) < 0)
			child_fail(launch, "set its standard streams");
	/* All of ours are close-on-exec already; a library's may not be. */
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
}

static void child_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			sigaction(i, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_main(void *arg)
{
	struct launch *launch = arg;
	if (launch->new_session) {
		if (setsid() < 0)
			child_fail(launch, "start a session");
	} else {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
			child_fail(launch, "be bound to its parent");
		if (getppid() != launch->parent)
			_exit(127); /* the parent went before the line above */
	}
	if (launch->small_pages && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
		child_fail(launch, "do without huge pages");
	child_fds(launch);
	if (launch->cwd != NULL && chdir(launch->cwd) != 0)
		child_fail(launch, "enter its folder");
	child_signals();
	execve(launch->program, launch->argv, launch->env);
	return child_fail(launch, "execute it");
}

/* -- the thread that makes them -- */

static struct {
	pthread_mutex_t turn; /* one launch at a time */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct launch *launch; /* NULL: idle */
	bool running;
} spawner = {
	.turn = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* The report lies at the far end of the child's stack, which both see whatever else they share. */
static void spawn(struct launch *launch)
{
	void *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED) {
		launch->report = (struct report){ .error = errno, .failed = "get a stack" };
		return;
	}
	launch->told = stack;
	launch->pid =
		clone(child_main, (char *)stack + CHILD_STACK,
		      SHARED_MEMORY | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, launch, &launch->pidfd);
	if (launch->pid < 0)
		*launch->told = (struct report){ .error = errno, .failed = "make it" };
	launch->report = *launch->told;
	munmap(stack, CHILD_STACK);
}

/* All signals are blocked here, so no handler of ours can run in a child that shares our memory. */
static void *spawner_main(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&spawner.lock);
	for (;;) {
		while (spawner.launch == NULL)
			pthread_cond_wait(&spawner.changed, &spawner.lock);
		spawn(spawner.launch);
		spawner.launch = NULL;
		pthread_cond_broadcast(&spawner.changed);
	}
	return NULL;
}

static int spawner_start(void)
{
	pthread_t thread;
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&thread, NULL, spawner_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		pthread_detach(thread);
	return rc;
}

static int spawn_by_thread(struct launch *launch)
{
	int rc = 0;
	pthread_mutex_lock(&spawner.turn);
	if (!spawner.running)
		rc = spawner_start();
	if (rc == 0) {
		spawner.running = true;
		pthread_mutex_lock(&spawner.lock);
		spawner.launch = launch;
		pthread_cond_broadcast(&spawner.changed);
		while (spawner.launch != NULL)
			pthread_cond_wait(&spawner.changed, &spawner.lock);
		pthread_mutex_unlock(&spawner.lock);
	}
	pthread_mutex_unlock(&spawner.turn);
	return rc;
}

/* -- the public side -- */

/* We may have an ignored SIGCHLD from whoever started us: then the kernel forgets how a child ended
 * before anybody can ask. */
static void heed_ends(void)
{
	struct sigaction action;

	if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
		(void)signal(SIGCHLD, SIG_DFL);
}

static int not_found(const char *program, struct uni_err *err)
{
	return uni_err_set(err, UNI_E_MISSING_TOOL, "program %s is not in PATH", program);
}

static int launch_failed(const struct launch *launch, struct uni_err *err)
{
	errno = launch->report.error;
	if (errno == ENOENT && strcmp(launch->report.failed, "execute it") == 0)
		return uni_err_set(err, UNI_E_MISSING_TOOL, "program %s does not exist",
				   launch->program);
	return uni_err_errno(err, "cannot start %s: cannot %s", launch->program,
			     launch->report.failed);
}

int uni_process_start(struct uni_process **process, const struct uni_process_spec *spec,
		      struct uni_err *err)
{
	const char *name = spec->argv[0];
	char *program UNI_AUTO_FREE =
		strchr(name, '/') != NULL ? uni_strdup(name) : uni_process_find(name);
	if (program == NULL)
		return not_found(name, err);
	struct uni_strv argv UNI_AUTO_STRV = { .items = NULL };
	struct uni_strv env UNI_AUTO_STRV = { .items = NULL };
	for (size_t i = 0; spec->argv[i] != NULL; i++)
		uni_strv_add(&argv, spec->argv[i]);
	env_build(&env, spec);
	struct launch launch = {
		.program = program,
		.argv = argv.items,
		.env = env.items,
		.cwd = spec->cwd,
		.fds = { spec->stdin_fd, spec->stdout_fd, spec->stderr_fd },
		.new_session = spec->new_session,
		.small_pages = spec->small_pages,
		.parent = getpid(),
		.pidfd = -1,
	};
	heed_ends();
	errno = spawn_by_thread(&launch);
	if (errno != 0)
		return uni_err_errno(err, "cannot start %s", name);
	struct uni_process *made = uni_alloc(sizeof(*made));
	*made = (struct uni_process){ .pid = launch.pid,
				      .pidfd = launch.pidfd,
				      .new_session = spec->new_session };
	if (launch.report.failed != NULL) {
		made->new_session = false; /* reap it in any case */
		made->reaped = launch.pid <= 0;
		uni_process_free(made);
		return launch_failed(&launch, err);
	}
	*process = made;
	return 0;
}

pid_t uni_process_pid(const struct uni_process *process)
{
	return process->pid;
}

int uni_process_end_fd(const struct uni_process *process)
{
	return process->pidfd;
}

static void reap(struct uni_process *process)
{
	int status = 0;
	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	process->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	process->reaped = true;
}

/* Polls for `ms` (-1: for ever, but looks at uni_cancelled): 1 ended, 0 time is over. */
static int await_end(struct uni_process *process, int timeout_ms, struct uni_err *err)
{
	uint64_t limit =
		uni_clock_mono_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000u;
	struct pollfd end = { .fd = process->pidfd, .events = POLLIN };
	for (;;) {
		uint64_t now = uni_clock_mono_ns();
		int left = limit > now ? (int)((limit - now + 999999u) / 1000000u) : 0;
		int got = poll(&end, 1, timeout_ms < 0 ? CANCEL_POLL_MS : left);
		if (got > 0)
			return 1;
		if (got < 0 && errno != EINTR)
			return uni_err_errno(err, "cannot wait for a process");
		if (timeout_ms >= 0 && uni_clock_mono_ns() >= limit)
			return 0;
		int rc = timeout_ms < 0 ? uni_check_cancel(err) : 0;
		if (rc != 0)
			return rc;
	}
}

int uni_process_wait(struct uni_process *process, int timeout_ms, int *status, struct uni_err *err)
{
	if (!process->reaped) {
		int rc = await_end(process, timeout_ms, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return uni_err_set(err, UNI_E_TIMEOUT, "process %d still runs after %d ms",
					   (int)process->pid, timeout_ms);
		reap(process);
	}
	*status = process->status;
	return 0;
}

void uni_process_kill(struct uni_process *process, int signal)
{
	/* Not reaped, so the number is still this process's. */
	if (!process->reaped)
		kill(process->pid, signal);
}

void uni_process_free(struct uni_process *process)
{
	if (process == NULL)
		return;
	if (!process->reaped && !process->new_session) {
		uni_process_kill(process, SIGKILL);
		reap(process);
	}
	uni_close_fd(&process->pidfd);
	free(process);
}
