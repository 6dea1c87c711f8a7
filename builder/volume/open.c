/*
 * Places that lie in files, opened to be looked into.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/mem.h>
#include <unistd.h>

#include "internal.h"

struct uni_volume {
	char *file;
	char *inside;
	int fd; /* of one that is not live */
	struct uni_live *live;
	const struct uni_live_super *super;
	struct uni_fs_reader *reader;
};

static int locate_machine(const char *name, char **file, struct uni_err *err)
{
	struct uni_volume_users users = { .items = NULL };
	int rc = uni_volume_users_find(name, &users, err);

	if (rc == 0)
		*file = uni_strdup(users.items[0].path);
	uni_volume_users_clear(&users);
	return rc;
}

int uni_volume_locate(const char *place, char **file, char **inside, struct uni_err *err)
{
	const char *path = strstr(place, ":/");
	UNI_AUTO_FREE char *name =
		path != NULL ? uni_strndup(place, (size_t)(path - place)) : uni_strdup(place);
	int rc = 0;

	if (uni_str_starts(place, "vm:"))
		rc = locate_machine(name + strlen("vm:"), file, err);
	else
		*file = uni_strdup(name);
	if (rc == 0)
		*inside = uni_strdup(path != NULL ? path + 1 : "/");
	return rc;
}

static int open_file(struct uni_volume *v, struct uni_err *err)
{
	struct stat st;

	/* A pipe is refused, not waited for. */
	v->fd = open(v->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (v->fd < 0 || fstat(v->fd, &st) != 0)
		return uni_err_errno(err, "%s", v->file);
	if (!S_ISREG(st.st_mode))
		return uni_err_set(err, UNI_E_INVAL, "%s: is no file", v->file);
	return uni_fs_open(&v->reader, v->fd, 0, (uint64_t)st.st_size, v->file, err);
}

static int open_live(struct uni_volume *v, bool before, struct uni_err *err)
{
	v->super = before ? uni_live_before(v->live) : uni_live_current(v->live);
	if (v->super == NULL)
		return uni_err_set(err, UNI_E_NOENT, "%s: has no generation before %llu", v->file,
				   (unsigned long long)uni_live_current(v->live)->generation);
	return uni_live_reader(v->live, v->super, &v->reader, err);
}

int uni_volume_open(struct uni_volume **out, const char *place, bool before, struct uni_err *err)
{
	UNI_AUTO(uni_volume) struct uni_volume *v = uni_alloc(sizeof(*v));
	struct uni_err why = UNI_ERR_INIT;
	int rc;

	v->fd = -1;
	rc = uni_volume_locate(place, &v->file, &v->inside, err);
	if (rc != 0)
		return rc;
	rc = uni_live_open(&v->live, v->file, false, &why);
	if (rc == 0)
		rc = open_live(v, before, err);
	else if (rc == UNI_E_UNSUPPORTED && strstr(why.text, "newer") == NULL)
		rc = open_file(v, err);
	else
		*err = why;
	if (rc != 0)
		return rc;
	*out = v;
	v = NULL;
	return 0;
}

void uni_volume_free(struct uni_volume *v)
{
	if (v == NULL)
		return;
	uni_fs_reader_free(v->reader);
	uni_live_free(v->live);
	uni_close_fd(&v->fd);
	free(v->file);
	free(v->inside);
	free(v);
}

struct uni_fs_reader *uni_volume_reader(const struct uni_volume *v)
{
	return v->reader;
}

const char *uni_volume_inside(const struct uni_volume *v)
{
	return v->inside;
}

const struct uni_live *uni_volume_live(const struct uni_volume *v)
{
	return v->live;
}

const struct uni_live_super *uni_volume_super(const struct uni_volume *v)
{
	return v->super;
}
