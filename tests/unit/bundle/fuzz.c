/*
 * The readers of packages on anything: what begins as JSON goes to the description's reader, all
 * else to the archive's, and, so that not only zstd's checks are met, its bytes as a tar archive
 * packed here.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uni/base/file.h>
#include <uni/bundle/package.h>
#include <uni/io/sink.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_start(void *user, const struct uni_package *package, struct uni_err *err)
{
	if (uni_package_check(package, err) != 0)
		abort();
	*(uint64_t *)user = 0;
	return 0;
}

static int on_data(void *user, size_t index, const void *data, size_t size, struct uni_err *err)
{
	(void)index;
	(void)data;
	(void)err;
	*(uint64_t *)user += size;
	return 0;
}

static int on_end(void *user, size_t index, struct uni_err *err)
{
	(void)user;
	(void)index;
	(void)err;
	return 0;
}

static void read_archive(int fd)
{
	uint64_t bytes = 0;
	struct uni_package_visitor visitor = {
		.start = on_start, .data = on_data, .end = on_end, .user = &bytes
	};
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	uint64_t promised = 0;

	if (lseek(fd, 0, SEEK_SET) != 0 ||
	    uni_package_read(&package, fd, "fuzz", &visitor, &err) != 0)
		return;
	for (size_t i = 0; i < package->file_count; i++)
		promised += package->files[i].size;
	if (bytes != promised)
		abort();
}

static void read_description(const uint8_t *data, size_t size)
{
	struct uni_package *package UNI_AUTO(uni_package) = NULL;
	struct uni_package *again UNI_AUTO(uni_package) = NULL;
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_package_parse(&package, (const char *)data, size, &err) != 0)
		return;
	uni_package_json(package, &json);
	if (uni_package_parse(&again, json.data, json.size, &err) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_sink *sink UNI_AUTO(uni_sink) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	int fd UNI_AUTO_CLOSE = memfd_create("fuzz", MFD_CLOEXEC);

	if (size != 0 && data[0] == '{') {
		read_description(data, size);
		return 0;
	}
	if (fd < 0 || uni_write_full(fd, data, size, "fuzz", &err) != 0)
		return 0;
	read_archive(fd);
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return 0;
	sink = uni_sink_to_fd(fd, "fuzz");
	if (uni_sink_push_zstd(&sink, 1, UNI_SIZE_UNKNOWN, &err) == 0 &&
	    uni_sink_write(sink, data, size, &err) == 0 && uni_sink_finish(sink, &err) == 0)
		read_archive(fd);
	return 0;
}
