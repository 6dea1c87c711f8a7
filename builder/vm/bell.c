/*
 * The doorbell's file (uni/abi/bell.h): made empty for a machine that starts, read for what the
 * machine wrote into it, and written with what it is told to do.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <uni/abi/bell.h>
#include <uni/base/file.h>

#include "vm_internal.h"

_Static_assert(UNI_BELL_SIZE == 17408, "VM_BELL_RING_WITH says so");

int vm_bell_make(const char *path, struct uni_err *err)
{
	static uint8_t bytes[UNI_BELL_SIZE];
	struct uni_bell_head head = { .version = UNI_BELL_VERSION,
				      .blocks = UNI_BELL_MOUNTS_MAX,
				      .order = UNI_BELL_ORDER };

	memcpy(head.magic, UNI_BELL_MAGIC, sizeof(head.magic));
	memcpy(bytes, &head, sizeof(head));
	return uni_file_write(path, bytes, sizeof(bytes), 0600, err);
}

static int read_block(const char *path, unsigned block, void *data, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return uni_err_set(err, UNI_E_NOENT, "%s: there is no doorbell", path);
	return uni_pread_full(fd, data, UNI_BELL_BLOCK, (uint64_t)block * UNI_BELL_BLOCK, path,
			      err);
}

static int read_sound(const char *path, unsigned block, void *data, struct uni_err *err)
{
	if (read_block(path, block, data, err) != 0)
		return err->code;
	if (!uni_bell_sound(data))
		return uni_err_set(err, UNI_E_NOENT, "%s: has no answer", path);
	return 0;
}

int vm_bell_read(const char *path, unsigned index, struct uni_bell_answer *answer,
		 struct uni_err *err)
{
	if (index >= UNI_BELL_MOUNTS_MAX)
		return uni_err_set(err, UNI_E_NOENT, "%s: has no answer", path);
	return read_sound(path, index + 1, answer, err);
}

int vm_bell_order(const char *path, struct uni_bell_order *order, struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_bell_order before;
	struct uni_bell_head head;

	if (read_block(path, 0, &head, err) != 0)
		return err->code;
	if (head.order != UNI_BELL_ORDER)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "%s: takes no orders", path);
	order->number =
		read_sound(path, UNI_BELL_ORDER, &before, &ignored) == 0 ? before.number + 1 : 1;
	uni_bell_seal(order);
	if (fd < 0)
		return uni_err_errno(err, "%s", path);
	return uni_pwrite_full(fd, order, sizeof(*order), (uint64_t)UNI_BELL_ORDER * UNI_BELL_BLOCK,
			       path, err);
}

bool vm_bell_reply(const char *path, uint64_t number, struct uni_bell_reply *reply)
{
	struct uni_err ignored = UNI_ERR_INIT;

	return read_sound(path, UNI_BELL_REPLY, reply, &ignored) == 0 && reply->number == number &&
	       memchr(reply->text, '\0', sizeof(reply->text)) != NULL;
}
