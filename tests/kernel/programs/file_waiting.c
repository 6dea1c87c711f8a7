/*
 * Files that make threads wait: pipes, FIFOs, locks, events, polls, timers; with threads that end
 * the waiting, deadlines, and signals that interrupt it.
 */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static char folder[64];
static int ends[2];

static void pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	check(pthread_create(thread, NULL, fn, arg) == 0);
}

static void *write_much(void *arg)
{
	static char data[300000];
	size_t done = 0;

	(void)arg;
	memset(data, 'd', sizeof(data));
	while (done < sizeof(data)) {
		ssize_t part = write(ends[1], data + done, sizeof(data) - done);

		check(part > 0);
		done += (size_t)part;
	}
	close(ends[1]);
	return NULL;
}

static void pipes(void)
{
	static char data[7001];
	pthread_t thread;
	size_t total = 0;
	ssize_t part;

	check(pipe(ends) == 0);
	start(&thread, write_much, NULL);
	while ((part = read(ends[0], data, sizeof(data))) > 0)
		total += (size_t)part;
	check(pthread_join(thread, NULL) == 0);
	printf("through a pipe: %zu, then %zd\n", total, part);
	close(ends[0]);
	check(pipe(ends) == 0);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	fails(write(ends[1], "x", 1), EPIPE);
	close(ends[1]);
}

static void *open_fifo(void *arg)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/fifo", folder);
	pause_ms(20);
	fd = open(path, O_WRONLY);
	check(fd >= 0 && write(fd, "through the fifo", 16) == 16);
	close(fd);
	return arg;
}

static void fifos(void)
{
	char path[100], data[32] = "";
	pthread_t thread;
	int fd;

	snprintf(path, sizeof(path), "%s/fifo", folder);
	check(mkfifo(path, 0600) == 0);
	start(&thread, open_fifo, NULL);
	fd = open(path, O_RDONLY);
	check(fd >= 0 && read(fd, data, 31) == 16);
	printf("%s\n", data);
	check(read(fd, data, 31) == 0);
	check(pthread_join(thread, NULL) == 0);
	close(fd);
}

static int lock_fd;

static void *unlock_later(void *arg)
{
	pause_ms(20);
	check(flock(lock_fd, LOCK_UN) == 0);
	return arg;
}

static void locks(void)
{
	char path[100];
	pthread_t thread;
	int other;

	snprintf(path, sizeof(path), "%s/lock", folder);
	lock_fd = open(path, O_CREAT | O_RDWR, 0600);
	other = open(path, O_RDWR);
	check(flock(lock_fd, LOCK_EX) == 0);
	start(&thread, unlock_later, NULL);
	check(flock(other, LOCK_EX) == 0);
	check(pthread_join(thread, NULL) == 0);
	fails(flock(lock_fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	close(other);
	check(flock(lock_fd, LOCK_SH | LOCK_NB) == 0);
	close(lock_fd);
}

static int event;

static void *add_later(void *arg)
{
	uint64_t value = (uint64_t)(uintptr_t)arg;

	pause_ms(20);
	check(write(event, &value, 8) == 8);
	return NULL;
}

static void events(void)
{
	struct pollfd polls[2] = { { .fd = 0, .events = 0 }, { .events = POLLIN } };
	struct timeval wait = { 5, 0 };
	pthread_t thread;
	uint64_t value;
	fd_set in;

	event = eventfd(0, 0);
	polls[1].fd = event;
	start(&thread, add_later, (void *)7);
	check(read(event, &value, 8) == 8);
	check(pthread_join(thread, NULL) == 0);
	printf("event %d\n", (int)value);
	check(poll(polls, 2, 10) == 0);
	start(&thread, add_later, (void *)8);
	check(poll(polls, 2, -1) == 1 && polls[1].revents == POLLIN && polls[0].revents == 0);
	check(pthread_join(thread, NULL) == 0);
	check(read(event, &value, 8) == 8);
	start(&thread, add_later, (void *)9);
	FD_ZERO(&in);
	FD_SET(event, &in);
	check(select(event + 1, &in, NULL, NULL, &wait) == 1 && FD_ISSET(event, &in));
	check(pthread_join(thread, NULL) == 0);
	check(read(event, &value, 8) == 8);
	close(event);
}

static void *many_writers(void *arg)
{
	for (int i = 0; i < 100; i++) {
		uint64_t one = 1;

		check(write((int)(intptr_t)arg, &one, 8) == 8);
		if (i % 10 == 0)
			pause_ms(1);
	}
	return NULL;
}

/* Edge triggered: every write must be seen, whether it comes before or during the wait. */
static void epolls(void)
{
	struct epoll_event what = { .events = EPOLLIN | EPOLLET }, got[8];
	int epoll = epoll_create1(0), fds[4];
	pthread_t threads[4];
	uint64_t total = 0;

	for (int i = 0; i < 4; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		what.data.fd = fds[i];
		check(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &what) == 0);
		start(&threads[i], many_writers, (void *)(intptr_t)fds[i]);
	}
	while (total < 400) {
		int count = epoll_wait(epoll, got, 8, 10000);

		check(count > 0);
		for (int i = 0; i < count; i++) {
			uint64_t value;

			if (read(got[i].data.fd, &value, 8) == 8)
				total += value;
		}
	}
	for (int i = 0; i < 4; i++)
		check(pthread_join(threads[i], NULL) == 0);
	printf("epoll saw %d\n", (int)total);
	check(epoll_wait(epoll, got, 8, 5) == 0);
	close(epoll);
}

static volatile sig_atomic_t signals;
static volatile int noticed;

static void on_alarm(int number)
{
	(void)number;
	signals++;
}

/* Until it has been noticed: what comes before the call breaks nothing off. */
static void *kick(void *arg)
{
	while (!noticed) {
		pause_ms(30);
		check(pthread_kill(*(pthread_t *)arg, SIGUSR1) == 0);
	}
	return NULL;
}

static void *kick_and_write(void *arg)
{
	pause_ms(30);
	check(pthread_kill(*(pthread_t *)arg, SIGUSR1) == 0);
	pause_ms(20);
	check(write(ends[1], "w", 1) == 1);
	return NULL;
}

#define breaks_off(call)                                                                           \
	do {                                                                                       \
		pthread_t self_ = pthread_self(), kicker_;                                         \
		noticed = 0;                                                                       \
		start(&kicker_, kick, &self_);                                                     \
		fails(call, EINTR);                                                                \
		noticed = 1;                                                                       \
		check(pthread_join(kicker_, NULL) == 0);                                           \
	} while (0)

/* With SA_RESTART a read goes on after the handler; poll and its kin never do. */
static void interruptions(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct pollfd polls = { .events = POLLIN };
	pthread_t self = pthread_self(), thread;
	char c;

	check(pipe(ends) == 0);
	polls.fd = ends[0];
	check(sigaction(SIGUSR1, &action, NULL) == 0);
	breaks_off(read(ends[0], &c, 1));
	breaks_off(poll(&polls, 1, -1));
	action.sa_flags = SA_RESTART;
	check(sigaction(SIGUSR1, &action, NULL) == 0);
	breaks_off(poll(&polls, 1, -1));
	check(signals >= 3);
	signals = 0;
	start(&thread, kick_and_write, &self);
	check(read(ends[0], &c, 1) == 1 && c == 'w');
	check(pthread_join(thread, NULL) == 0);
	printf("signals %d\n", (int)signals);
	close(ends[0]);
	close(ends[1]);
}

static void timers(void)
{
	struct itimerspec spec = { { 0, 2000000 }, { 0, 1000000 } }, now;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct pollfd polls = { .fd = timer, .events = POLLIN };
	uint64_t count, total = 0;

	check(timer >= 0 && timerfd_settime(timer, 0, &spec, NULL) == 0);
	while (total < 5) {
		check(read(timer, &count, 8) == 8 && count > 0);
		total += count;
	}
	check(poll(&polls, 1, 1000) == 1);
	check(timerfd_gettime(timer, &now) == 0 && now.it_interval.tv_nsec == 2000000);
	memset(&spec, 0, sizeof(spec));
	check(timerfd_settime(timer, 0, &spec, NULL) == 0);
	check(poll(&polls, 1, 10) == 0);
	fails(timerfd_settime(timer, 99, &spec, NULL), EINVAL);
	fails(timerfd_create(77, 0), EINVAL);
	close(timer);
}

int main(void)
{
	char path[100];

	snprintf(folder, sizeof(folder), "/dev/shm/uni-waiting-%d", (int)getpid());
	check(mkdir(folder, 0700) == 0);
	pipes();
	fifos();
	locks();
	events();
	epolls();
	interruptions();
	timers();
	snprintf(path, sizeof(path), "%s/fifo", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lock", folder);
	unlink(path);
	check(rmdir(folder) == 0);
	return 0;
}
