/*
 * Uploads that were begun: where each goes on, so that one that was killed need not begin anew. Of
 * what is found here nothing is believed but that it may be asked: the registry says how far it
 * got, and in the end the digest decides. One process at a time goes on with an upload; another
 * that sends the same begins its own. The slots are few, so that what nobody takes up again does
 * not pile up: registries forget it too.
 */
#include "internal.h"
#include <string.h>
#include <sys/file.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <unistd.h>

#include <fcntl.h>

#define SLOT_MAX 16384

/* What is uploaded where, and from that a slot. */
static void name_it(struct oci_resume *r, const struct uni_oci *oci,
		    const struct uni_digest *digest)
{
	char *state UNI_AUTO_FREE = uni_dir_state();
	char text[UNI_DIGEST_TEXT];
	struct uni_digest slot;

	uni_digest_text(digest, text);
	r->key = uni_asprintf("%s %s\n", oci->base, text);
	slot = uni_digest_of(r->key, strlen(r->key));
	r->path = uni_asprintf("%s/registries/uploads/%02x", state, slot.bytes[0]);
}

static char *read_location(const struct oci_resume *r)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	const char *at;

	if (uni_file_read(r->path, SLOT_MAX, &text, &ignored) != 0 ||
	    !uni_str_starts(uni_buf_text(&text), r->key))
		return NULL;
	at = uni_buf_text(&text) + strlen(r->key);
	/* A line that was written in part says nothing. */
	return strchr(at, '\n') != NULL ? uni_strndup(at, strcspn(at, "\n")) : NULL;
}

void oci_resume_open(struct oci_resume *r, const struct uni_oci *oci,
		     const struct uni_digest *digest)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char *dir UNI_AUTO_FREE = NULL;

	name_it(r, oci, digest);
	dir = uni_path_dir(r->path);
	if (uni_dir_make(dir, 0700, &ignored) != 0)
		return;
	r->fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->fd >= 0 && flock(r->fd, LOCK_EX | LOCK_NB) == 0)
		r->location = read_location(r);
	else
		uni_close_fd(&r->fd);
}

void oci_resume_note(struct oci_resume *r, const char *location)
{
	char *text UNI_AUTO_FREE = NULL;

	if (r->fd < 0)
		return;
	text = uni_asprintf("%s%s\n", r->key, location);
	/* One that does not get there costs a beginning. */
	if (ftruncate(r->fd, 0) == 0 && pwrite(r->fd, text, strlen(text), 0) < 0)
		(void)!ftruncate(r->fd, 0);
}

void oci_resume_done(struct oci_resume *r)
{
	if (r->fd >= 0)
		(void)unlink(r->path);
}

void oci_resume_free(struct oci_resume *r)
{
	uni_close_fd(&r->fd);
	free(r->path);
	free(r->key);
	free(r->location);
}
