/*
 * A push under way is a file of lines: "token TOKEN" before a snapshot is asked for, so that a kill
 * right then makes no second one; then "snapshot ID PARENT COUNT TOKEN", and a number for each
 * block that is there. The last line of a kind holds. It only grows, so that a kill anywhere leaves
 * one that can be read: nothing but its last line can be torn, which is as if it were not there. A
 * block that is there and not in it is sent again, which does no harm.
 */
#include "ec2_state.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/system.h>
#include <unistd.h>

#define PROGRESS_LIMIT (16u << 20)
#define PUSHED_LIMIT (64u << 20)
#define BLOCKS_MAX (UNI_EBS_GIB_MAX * 2048u)
#define TOKEN_LENGTH (sizeof(((struct ec2_progress *)0)->token) - 1)

static char *state_path(const char *kind, const char *region, const char *name)
{
	char *state UNI_AUTO_FREE = uni_dir_state();

	return uni_asprintf("%s/ec2/%s/%s/%s", state, kind, region, name);
}

static int make_parent(const char *path, struct uni_err *err)
{
	char *folder UNI_AUTO_FREE = uni_strdup(path);

	*strrchr(folder, '/') = '\0';
	return uni_dir_make(folder, 0700, err);
}

static bool take_id(char out[UNI_EBS_ID], const char *text, size_t size)
{
	if (size >= UNI_EBS_ID || (size != 0 && strncmp(text, "snap-", 5) != 0))
		return false;
	memcpy(out, text, size);
	out[size] = '\0';
	return true;
}

/* "snapshot ID PARENT COUNT TOKEN"; PARENT may be "-". False: not such a line. */
static bool parse_head(struct ec2_progress *p, const char *line)
{
	char id[UNI_EBS_ID], parent[UNI_EBS_ID], token[33];
	unsigned long count;
	int end = 0;

	if (sscanf(line, "snapshot %63s %63s %lu %32s%n", id, parent, &count, token, &end) != 4 ||
	    line[end] != '\0' || count > BLOCKS_MAX || !take_id(p->snapshot, id, strlen(id)))
		return false;
	if (!take_id(p->parent, parent, uni_str_eq(parent, "-") ? 0 : strlen(parent)))
		return false;
	memcpy(p->token, token, strlen(token) + 1);
	p->count = count;
	return true;
}

static void parse_line(struct ec2_progress *p, const char *line)
{
	uint64_t i;

	if (uni_str_starts(line, "token ") && strlen(line) == strlen("token ") + TOKEN_LENGTH) {
		memcpy(p->token, line + strlen("token "), TOKEN_LENGTH + 1);
		p->snapshot[0] = '\0';
	} else if (parse_head(p, line)) {
		free(p->sent);
		p->sent = uni_alloc_array(p->count != 0 ? p->count : 1, 1);
	} else if (p->snapshot[0] != '\0' && uni_str_u64(line, &i) && i < p->count)
		p->sent[i] = 1;
}

static void parse(struct ec2_progress *p, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		parse_line(p, line);
}

void ec2_progress_renew(struct ec2_progress *p)
{
	uint8_t random[16];

	uni_random(random, sizeof(random));
	uni_hex(random, sizeof(random), p->token);
	p->snapshot[0] = '\0';
}

/* The file, locked; UNI_E_BUSY when another push has it. */
static int open_locked(struct ec2_progress *p, const char *region, struct uni_err *err)
{
	struct stat st;
	int rc = uni_lock(p->path, true, false, &p->fd, err);

	if (rc == UNI_E_BUSY)
		return uni_err_set(err, rc, "another push of this image to %s runs", region);
	if (rc == 0 && (fstat(p->fd, &st) != 0 || fchmod(p->fd, 0600) != 0))
		return uni_err_errno(err, "cannot open %s", p->path);
	if (rc == 0)
		p->age = uni_clock_now() - st.st_mtime;
	return rc;
}

/* What the file says, without a last line that was torn. */
static int load(struct ec2_progress *p, const char *region, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	size_t whole;
	int rc = open_locked(p, region, err);

	if (rc == 0)
		rc = uni_file_read(p->path, PROGRESS_LIMIT, &text, err);
	if (rc != 0)
		return rc;
	whole = text.size;
	while (whole != 0 && text.data[whole - 1] != '\n')
		whole--;
	if ((whole != text.size && ftruncate(p->fd, (off_t)whole) != 0) ||
	    lseek(p->fd, (off_t)whole, SEEK_SET) < 0)
		return uni_err_errno(err, "cannot write %s", p->path);
	ec2_progress_renew(p);
	if (whole != 0) {
		text.data[whole - 1] = '\0';
		parse(p, text.data);
	}
	return 0;
}

static struct ec2_progress *progress_new(const char *region, const char *name)
{
	struct ec2_progress *p = uni_alloc(sizeof(*p));

	p->fd = -1;
	p->path = state_path("under-way", region, name);
	return p;
}

int ec2_progress_open(struct ec2_progress **progress, const char *region,
		      const struct uni_digest *image, struct uni_err *err)
{
	struct ec2_progress *p UNI_AUTO(ec2_progress) = NULL;
	char hex[65];
	int rc;

	uni_hex(image->bytes, sizeof(image->bytes), hex);
	p = progress_new(region, hex);
	rc = make_parent(p->path, err);
	if (rc == 0)
		rc = load(p, region, err);
	if (rc != 0)
		return rc;
	*progress = p;
	p = NULL;
	return 0;
}

void ec2_progress_gone(const char *region, const struct uni_strv *snapshots)
{
	char *folder UNI_AUTO_FREE = state_path("under-way", region, "");
	struct uni_strv names UNI_AUTO_STRV = { 0 };
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_dir_list(folder, &names, &ignored) != 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		struct ec2_progress *p UNI_AUTO(ec2_progress) =
			progress_new(region, names.items[i]);

		if (load(p, region, &ignored) == 0 &&
		    (p->snapshot[0] == '\0' || uni_strv_has(snapshots, p->snapshot)))
			ec2_progress_forget(p);
	}
}

/* A line that must be there before what it tells of is done. */
static int write_head(struct ec2_progress *p, const char *line, struct uni_err *err)
{
	int rc = uni_write_full(p->fd, line, strlen(line), p->path, err);

	if (rc == 0 && fsync(p->fd) != 0)
		rc = uni_err_errno(err, "cannot write %s", p->path);
	return rc;
}

int ec2_progress_intend(struct ec2_progress *p, struct uni_err *err)
{
	char *line UNI_AUTO_FREE = uni_asprintf("token %s\n", p->token);

	return write_head(p, line, err);
}

int ec2_progress_begin(struct ec2_progress *p, const char *snapshot, const char *parent,
		       size_t count, struct uni_err *err)
{
	char *line UNI_AUTO_FREE = uni_asprintf("snapshot %s %s %zu %s\n", snapshot,
						parent != NULL ? parent : "-", count, p->token);
	int rc = write_head(p, line, err);

	if (rc != 0)
		return rc;
	take_id(p->snapshot, snapshot, strlen(snapshot));
	take_id(p->parent, parent != NULL ? parent : "", parent != NULL ? strlen(parent) : 0);
	free(p->sent);
	p->sent = uni_alloc_array(count != 0 ? count : 1, 1);
	p->count = count;
	return 0;
}

int ec2_progress_sent(struct ec2_progress *p, size_t i, struct uni_err *err)
{
	char line[24];
	int size = snprintf(line, sizeof(line), "%zu\n", i);

	p->sent[i] = 1;
	return uni_write_full(p->fd, line, (size_t)size, p->path, err);
}

void ec2_progress_forget(struct ec2_progress *p)
{
	(void)unlink(p->path);
}

void ec2_progress_free(struct ec2_progress *p)
{
	struct stat st;

	if (p == NULL)
		return;
	/* One that never began is nothing to go on from. */
	if (p->fd >= 0 && fstat(p->fd, &st) == 0 && st.st_size == 0)
		(void)unlink(p->path);
	uni_close_fd(&p->fd);
	free(p->path);
	free(p->sent);
	free(p);
}

/* --- ended --- */

void ec2_pushed_free(struct ec2_pushed *pushed)
{
	uni_ami_map_free(pushed->map);
	pushed->map = NULL;
}

void ec2_pushed_write(const char *snapshot, const struct uni_ami_map *map, struct uni_buf *out)
{
	uni_buf_printf(out, "snapshot %s\n", snapshot);
	uni_ami_map_json(map, out);
}

bool ec2_pushed_read(struct ec2_pushed *pushed, const char *name, const char *text, size_t size)
{
	struct uni_err ignored = UNI_ERR_INIT;
	const char *end = memchr(text, '\n', size);

	return end != NULL && uni_str_starts(text, "snapshot snap-") &&
	       take_id(pushed->snapshot, text + 9, (size_t)(end - text) - 9) &&
	       uni_ami_map_parse(&pushed->map, name, end + 1, size - (size_t)(end + 1 - text),
				 &ignored) == 0;
}

int ec2_pushed_load(struct ec2_pushed *pushed, const char *region, const char *name,
		    struct uni_err *err)
{
	char *path UNI_AUTO_FREE = state_path("pushed", region, name);
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = uni_file_read(path, PUSHED_LIMIT, &text, err);

	if (rc == UNI_E_NOENT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc != 0)
		return rc;
	/* A damaged one is as if it were not there. */
	return ec2_pushed_read(pushed, path, uni_buf_text(&text), text.size) ? 1 : 0;
}

int ec2_pushed_save(const char *region, const char *name, const char *snapshot,
		    const struct uni_ami_map *map, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = state_path("pushed", region, name);
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	int rc = make_parent(path, err);

	if (rc != 0)
		return rc;
	ec2_pushed_write(snapshot, map, &text);
	return uni_file_write(path, text.data, text.size, 0600, err);
}

void ec2_pushed_forget(const char *region, const char *name)
{
	char *path UNI_AUTO_FREE = state_path("pushed", region, name);

	(void)unlink(path);
}
