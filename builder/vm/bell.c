/*
 * The doorbell's file (uni/abi/live.h): made empty for a machine that starts, and read for what the
 * machine wrote into it.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <uni/abi/live.h>
#include <uni/base/file.h>

#include "vm_internal.h"

int vm_bell_make(const char *path, struct uni_err *err)
{
	static uint8_t bytes[UNI_BELL_SIZE];
	struct uni_bell_head head = { .version = UNI_BELL_VERSION, .blocks = UNI_BELL_MOUNTS_MAX };

	memcpy(head.magic, UNI_BELL_MAGIC, sizeof(head.magic));
	memcpy(bytes, &head, sizeof(head));
	return uni_file_write(path, bytes, sizeof(bytes), 0600, err);
}

int vm_bell_read(const char *path, unsigned index, struct uni_bell_answer *answer,
		 struct uni_err *err)
{
	UNI_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || index >= UNI_BELL_MOUNTS_MAX)
		return uni_err_set(err, UNI_E_NOENT, "%s: there is no doorbell", path);
	if (uni_pread_full(fd, answer, sizeof(*answer), (uint64_t)(index + 1) * UNI_BELL_BLOCK,
			   path, err) != 0)
		return err->code;
	if (!uni_bell_answer_sound(answer))
		return uni_err_set(err, UNI_E_NOENT, "%s: has no answer", path);
	return 0;
}
