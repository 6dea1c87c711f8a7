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
	_Atomic(const char *) live; /* what the clean-up has to remove, or NULL */
	char *name;		    /* its storage; freed by uni_tmp_forget only */
	struct slot *next;
};

static _Atomic(struct slot *) slots;
/* Between register and forget only: the handler takes no lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct slot *free_slot(void)
{
	struct slot *slot = atomic_load(&slots);
	while (slot != NULL && slot->name != NULL)
		slot = slot->next;
	if (slot == NULL) {
		slot = uni_alloc(sizeof(*slot));
		slot->next = atomic_load(&slots);
		atomic_store(&slots, slot);
	}
	return slot;
}

void uni_tmp_register(const char *path)
{
	pthread_mutex_lock(&lock);
	struct slot *slot = free_slot();
	slot->name = uni_path_absolute(path);
	atomic_store(&slot->live, slot->name);
	pthread_mutex_unlock(&lock);
}

void uni_tmp_forget(const char *path)
{
	char *wanted UNI_AUTO_FREE = uni_path_absolute(path);
	pthread_mutex_lock(&lock);
	for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
		const char *live = slot->name;
		if (live == NULL || strcmp(live, wanted) != 0)
			continue;
		/* The handler may have been faster; then it still reads the name. */
		if (atomic_compare_exchange_strong(&slot->live, &live, NULL)) {
			free(slot->name);
			slot->name = NULL;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void uni_tmp_cleanup(void)
{
	int saved = errno;
	for (struct slot *slot = atomic_load(&slots); slot != NULL; slot = slot->next) {
		const char *path = atomic_exchange(&slot->live, NULL);
		if (path != NULL)
			uni_remove_tree(path);
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
