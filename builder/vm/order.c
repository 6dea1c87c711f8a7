/*
 * Orders to running machines, by their doorbells: one at a time, each with its reply.
 */
#include <string.h>

#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "detached_internal.h"
#include "vm_internal.h"

#define AGAIN_MS 500
#define MS UINT64_C(1000000)

int vm_detached_lock(const struct uni_detached *machine, int *lock, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, "lock");

	return uni_lock(path, true, true, lock, err);
}

static int await_reply(const struct uni_detached *machine, const char *bell, uint64_t number,
		       int timeout_ms, struct uni_bell_reply *reply, struct uni_err *err)
{
	uint64_t start = uni_clock_mono_ns(), again = start + AGAIN_MS * MS;

	while (!vm_bell_reply(bell, number, reply)) {
		uint64_t now = uni_clock_mono_ns();

		if (now - start >= (uint64_t)timeout_ms * MS)
			return uni_err_set(err, UNI_E_TIMEOUT,
					   "machine \"%s\" has not answered within %d ms",
					   machine->name, timeout_ms);
		if (now >= again) {
			if (uni_detached_knock(machine, err) != 0)
				return err->code;
			again = now + AGAIN_MS * MS;
		}
		if (uni_wait_ms(1, err) != 0)
			return err->code;
	}
	return 0;
}

int vm_detached_order(const struct uni_detached *machine, struct uni_bell_order *order,
		      int timeout_ms, struct uni_bell_reply *reply, struct uni_err *err)
{
	UNI_AUTO_FREE char *bell = uni_path_join(machine->dir, VM_BELL);

	if (vm_bell_order(bell, order, err) != 0) {
		if (err->code == UNI_E_UNSUPPORTED || err->code == UNI_E_NOENT)
			uni_err_set(err, UNI_E_UNSUPPORTED,
				    "machine \"%s\" takes no orders: an older uni started it",
				    machine->name);
		return err->code;
	}
	if (uni_detached_knock(machine, err) != 0)
		return err->code;
	return await_reply(machine, bell, order->number, timeout_ms, reply, err);
}
