/*
 * Which repositories of a registry have which blobs, as far as this user's pushes and pulls know: a
 * push to another repository has them mounted from there. One line a blob and repository, the
 * newest last, in a file for each registry that loses its older half when it is full. All of it is
 * a guess: what is not there any more costs nothing, because the answer to a mount that fails is
 * the beginning of an upload.
 */
#include "internal.h"
#include <fcntl.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)
#define LINE_MAX_SIZE 512

static char *seen_path(const struct uni_oci *oci)
{
	char *state UNI_AUTO_FREE = uni_dir_state();

	return uni_asprintf("%s/registries/%s", state, oci->reference->host);
}

/* Once for each connection. */
static const char *seen_text(struct uni_oci *oci)
{
	char *path UNI_AUTO_FREE = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	if (!oci->seen_read) {
		oci->seen_read = true;
		path = seen_path(oci);
		if (uni_file_read(path, (uint64_t)FILE_MAX + LINE_MAX_SIZE, &oci->seen, &ignored) !=
		    0)
			uni_buf_clear(&oci->seen);
	}
	return uni_buf_text(&oci->seen);
}

char *oci_seen_elsewhere(struct uni_oci *oci, const struct uni_digest *digest)
{
	const char *at = seen_text(oci);
	char *found = NULL;
	char hex[65];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	while ((at = strstr(at, hex)) != NULL) {
		char *name;

		at += strlen(hex);
		if (*at != ' ')
			continue;
		at++;
		name = uni_strndup(at, strcspn(at, "\n"));
		if (oci_name_valid(name) && strcmp(name, oci->reference->name) != 0) {
			free(found);
			found = name;
		} else {
			free(name);
		}
	}
	return found;
}

/* The newer half, from the start of a line. */
static void shorten(const char *path)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	const char *half;

	if (uni_file_read(path, (uint64_t)FILE_MAX * 2, &text, &ignored) != 0)
		return;
	half = strchr(uni_buf_text(&text) + text.size / 2, '\n');
	if (half != NULL)
		(void)uni_file_write(path, half + 1, strlen(half + 1), 0600, &ignored);
}

void oci_seen_here(struct uni_oci *oci, const struct uni_digest *digest)
{
	char *path UNI_AUTO_FREE = seen_path(oci);
	char *dir UNI_AUTO_FREE = uni_path_dir(path);
	char *line UNI_AUTO_FREE = NULL;
	struct uni_err ignored = UNI_ERR_INIT;
	int fd UNI_AUTO_CLOSE = -1;
	struct stat st;
	char hex[65];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	line = uni_asprintf("%s %s\n", hex, oci->reference->name);
	if (strlen(line) > LINE_MAX_SIZE || strstr(seen_text(oci), line) != NULL ||
	    uni_dir_make(dir, 0700, &ignored) != 0)
		return;
	uni_buf_puts(&oci->seen, line);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	/* In one piece, so that lines of several processes do not mix. */
	if (fd < 0 || write(fd, line, strlen(line)) < 0 || fstat(fd, &st) != 0)
		return;
	if (st.st_size > FILE_MAX)
		shorten(path);
}
