/* The box of the kernel partition. An odd first byte: the header's checksum is made right. */
#include <string.h>
#include <uni/abi/crc32c.h>
#include <uni/kernel/kernel.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_box_header header;
	static int out = -1;
	int fd;

	if (size < 1 + sizeof(header))
		return 0;
	if (out < 0)
		out = memfd_create("out", MFD_CLOEXEC);
	if (ftruncate(out, 0) != 0)
		abort();
	fd = fuzz_file(data + 1, size - 1);
	if ((data[0] & 1) != 0) {
		memcpy(&header, data + 1, sizeof(header));
		if (header.size > 1 << 20)
			header.size = 1 << 20;
		header.header_crc32c = 0;
		header.header_crc32c = uni_crc32c(0, &header, sizeof(header));
		if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header))
			abort();
	}
	(void)uni_box_unpack(fd, 0, size - 1, "fuzz", out, &err);
	return 0;
}
