/*
 * The registry of temporary names. A signal handler may remove them all at any moment, so the list
 * only grows, a name is taken out by one atomic exchange, and whoever has taken it out owns it.
 */
#include "internal.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

struct slot {
	_Atomic(char *) path;
	struct slot *next;
};

static _Atomic(struct slot *) slots;
/* Between register and forget only: the handler takes no lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void uni_tmp_register(const char *path)
{
	char *copy = uni_path_absolute(path);
	pthread_mutex_lock(&lock);
	struct slot *slot = atomic_load(&slots);
	while (slot != NULL && atomic_load(&slot->path) != NULL)
		slot = slot->next;
	if (slot != NULL) {
		atomic_store(&slot->path, copy);
	} else {
		slot = uni_alloc(sizeof(*slot));
		slot->next = atomic_load(&slots);
		atomic_store(&slot->path, copy);
		atomic_store(&slots, slot);
	}
	pthread_mutex_unlock(&lock);
}

void uni_tmp_forget(const char *path)
{
	char *wanted UNI_AUTO_FREE = uni_path_absolute(path);
	pthread_mutex_lock(&lock);
	for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
		char *held = atomic_load(&slot->path);
		if (held == NULL || strcmp(held, wanted) != 0)
			continue;
		/* The handler may have been faster; then the name is its. */
		if (atomic_compare_exchange_strong(&slot->path, &held, NULL))
			free(held);
		break;
	}
	pthread_mutex_unlock(&lock);
}

void uni_tmp_cleanup(void)
{
	int saved = errno;
	for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
		char *path = atomic_exchange(&slot->path, NULL);
		if (path != NULL)
			uni_remove_tree(
				path); /* the name itself is left: free is no call for here */
	}
	errno = saved;
}

void uni_tmp_suffix(char out[7])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t bytes[6];
	uni_random(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		out[i] = letters[bytes[i] % 32];
	out[6] = '\0';
}
