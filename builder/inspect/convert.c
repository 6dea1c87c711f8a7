/*
 * Converting: one pass from a reader to a writer. Output is made in a temporary folder beside its
 * final place, since a form may be several files, and moved when it is whole.
 */
#include "internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/abi/boot.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/bundle/ami.h>
#include <uni/bundle/form.h>
#include <uni/inspect/convert.h>
#include <unistd.h>

enum { MEMORY = 128 << 20 }; /* of the machine, where a form wants to be told */

struct converting {
	const struct uni_convert *how;
	const struct uni_disk_format *format; /* or */
	const struct uni_form *form;
	struct uni_ami *ami; /* of the image */
	struct uni_disk_source *source;
	char *name;   /* of the image */
	char *folder; /* temporary */
	int fd;	      /* of the file being written */
	struct uni_converted *done;
};

static int find_format(struct converting *c, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf known = UNI_BUF_INIT;

	c->format = uni_disk_find(c->how->format);
	c->form = uni_form_find(c->how->format);
	if (c->format != NULL || c->form != NULL)
		return 0;
	for (size_t i = 0; uni_disk_formats[i] != NULL; i++)
		uni_buf_printf(&known, "%s%s", i != 0 ? ", " : "", uni_disk_formats[i]->name);
	for (size_t i = 0; uni_forms[i] != NULL; i++)
		uni_buf_printf(&known, ", %s", uni_forms[i]->name);
	uni_err_set(err, UNI_E_USAGE, "an image cannot be converted to \"%s\"", c->how->format);
	return uni_err_hint(err, "it can be to %s", known.data);
}

static char *image_name(const char *path)
{
	const char *base = uni_path_base(path);
	const char *dot = strrchr(base, '.');

	return uni_strndup(base, dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base));
}

static int refuse_elf(struct uni_disk_source *source, const char *image, struct uni_err *err)
{
	char magic[SELFMAG];
	int rc;

	if (source->size < sizeof(magic))
		return 0;
	rc = uni_disk_source_read(source, magic, sizeof(magic), 0, err);
	if (rc == 0 && memcmp(magic, ELFMAG, SELFMAG) == 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: is an ELF file, not a disk", image);
	return rc;
}

/* Anything is a raw disk by its content; but not of any length. */
static int refuse_odd(struct uni_disk_source *source, const char *image, struct uni_err *err)
{
	if (source->size != 0 && source->size % UNI_DISK_SECTOR == 0)
		return 0;
	uni_err_set(err, UNI_E_INVAL, "%s: has %" PRIu64 " bytes, which is no disk", image,
		    source->size);
	return uni_err_hint(
		err,
		"a disk has whole sectors of %u bytes: get the file again if it was cut "
		"off, or fill its last sector: truncate -s %%%u FILE",
		UNI_DISK_SECTOR, UNI_DISK_SECTOR);
}

static int open_source(struct converting *c, struct uni_err *err)
{
	struct uni_digest digest;
	struct stat st;
	int rc;

	if (stat(c->how->image, &st) == 0 && S_ISDIR(st.st_mode))
		rc = image_open_folder(c->how->image, &c->ami, &c->source, &digest, err);
	else
		rc = image_open_file(c->how->image, &c->source, err);
	if (rc == 0)
		rc = refuse_elf(c->source, c->how->image, err);
	if (rc == 0)
		rc = refuse_odd(c->source, c->how->image, err);
	if (rc != 0)
		return rc;
	c->done->from = c->source->form;
	return uni_disk_source_grow(&c->source, c->how->size, err);
}

/* --- files of the output --- */

static int begin_file(void *user, int *fd, struct uni_err *err)
{
	struct converting *c = user;
	char *path UNI_AUTO_FREE = uni_path_join(c->folder, ".new");

	c->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (c->fd < 0)
		return uni_err_errno(err, "%s", path);
	*fd = c->fd;
	return 0;
}

static int end_file(void *user, const char *name, const struct uni_digest *known,
		    struct uni_err *err)
{
	struct converting *c = user;
	char *from UNI_AUTO_FREE = uni_path_join(c->folder, ".new");
	char *to UNI_AUTO_FREE = uni_path_join(c->folder, name);
	char *parent UNI_AUTO_FREE = uni_path_dir(to);
	int fd UNI_AUTO_CLOSE = uni_take_fd(&c->fd);
	struct stat st;

	(void)known;
	if (fstat(fd, &st) != 0 || fsync(fd) != 0)
		return uni_err_errno(err, "cannot write %s", name);
	c->done->size += (uint64_t)st.st_size;
	if (close(uni_take_fd(&fd)) != 0)
		return uni_err_errno(err, "cannot write %s", name);
	if (uni_dir_make(parent, 0755, err) != 0)
		return err->code;
	return rename(from, to) == 0 ? 0 : uni_err_errno(err, "%s", to);
}

static int write_format(struct converting *c, struct uni_err *err)
{
	int fd;
	int rc = begin_file(c, &fd, err);

	if (rc == 0)
		rc = uni_disk_convert(c->format, &c->how->options, &c->source, fd, err);
	return rc != 0 ? rc : end_file(c, c->format->extension, NULL, err);
}

/* EC2 starts a machine with its network adapter for those images alone that are said to drive it.
 */
static int see_what_it_drives(struct converting *c, const struct uni_disk *disk,
			      struct uni_form_machine *machine, struct uni_err *err)
{
	struct uni_strv words UNI_AUTO_STRV = { .items = NULL };
	int rc = 0;

	machine->ena = c->how->ena;
	if (machine->ena || !uni_str_eq(c->form->name, "ami"))
		return 0;
	if (disk != NULL)
		rc = image_kernel_words(c->source, disk, c->how->image, &words, err);
	machine->ena = uni_strv_has(&words, "ena");
	c->done->ena_unknown = words.count == 0;
	return rc;
}

/* An image without a partition table starts by its boot sector, if at all. */
static int see_how_it_starts(struct converting *c, struct uni_form_machine *machine,
			     struct uni_err *err)
{
	UNI_AUTO(uni_disk) struct uni_disk *disk = NULL;
	int rc = uni_disk_read_source(&disk, c->source, c->how->image, err);

	if (rc == UNI_E_UNSUPPORTED) {
		uni_err_clear(err);
		machine->bios = true;
		return see_what_it_drives(c, NULL, machine, err);
	}
	if (rc != 0)
		return rc;
	machine->bios = disk->bios_code;
	machine->uefi = uni_disk_find_type(disk, UNI_GPT_ESP) != NULL;
	return see_what_it_drives(c, disk, machine, err);
}

static int write_form(struct converting *c, struct uni_err *err)
{
	struct uni_form_machine machine = { .name = c->name, .memory = MEMORY, .processors = 1 };
	const struct uni_form_out out = { .begin = begin_file, .end = end_file, .user = c };
	uint64_t grain = c->form->grain != 0 ? c->form->grain : UNI_DISK_SECTOR;
	int rc = see_how_it_starts(c, &machine, err);

	if (rc == 0 && c->source->size % grain != 0)
		rc = uni_disk_source_grow(&c->source, (c->source->size / grain + 1) * grain, err);
	return rc != 0 ? rc : c->form->write(c->source, &machine, &out, err);
}

/* Whether the output may take the place where it is to stand. */
static int may_write(const struct converting *c, struct uni_err *err)
{
	const char *path = c->done->path;
	struct stat st;

	if (lstat(path, &st) != 0)
		return 0;
	if (c->how->force)
		return uni_form_may_replace(c->form, path, err);
	(void)uni_output_check(path, false, err);
	if (S_ISDIR(st.st_mode) && (c->form == NULL || c->form->files == NULL))
		return uni_err_hint(err, "it is a folder; -o names the file to write");
	return err->code;
}

static int move_output(const struct converting *c, struct uni_err *err)
{
	char *made UNI_AUTO_FREE = uni_path_join(c->folder, c->format != NULL ? c->format->extension
									      : c->form->ending);
	char *parent UNI_AUTO_FREE = uni_path_dir(c->done->path);
	bool folder = c->form != NULL && c->form->files != NULL;
	int rc = c->how->force && folder ? uni_dir_put(made, c->done->path, err)
					 : uni_output_name(made, c->done->path, c->how->force, err);

	return rc == 0 ? uni_dir_sync(parent, err) : rc;
}

static int write_output(struct converting *c, struct uni_err *err)
{
	char *parent UNI_AUTO_FREE = uni_path_dir(c->done->path);
	struct uni_err ignored = UNI_ERR_INIT;
	int rc = uni_dir_tmp(parent, &c->folder, err);

	if (rc != 0)
		return rc;
	rc = c->format != NULL ? write_format(c, err) : write_form(c, err);
	uni_close_fd(&c->fd);
	if (rc == 0)
		c->done->disk_size = c->source->size;
	if (rc == 0)
		rc = move_output(c, err);
	(void)uni_dir_remove(c->folder, &ignored);
	uni_tmp_forget(c->folder);
	return rc;
}

static char *output_path(const struct converting *c)
{
	if (c->how->output != NULL)
		return uni_strdup(c->how->output);
	return uni_asprintf("%s.%s", c->name,
			    c->format != NULL ? c->format->extension : c->form->ending);
}

static int run(struct converting *c, struct uni_err *err)
{
	int rc = find_format(c, err);

	if (rc != 0)
		return rc;
	c->done->path = output_path(c);
	rc = may_write(c, err);
	if (rc == 0)
		rc = open_source(c, err);
	if (rc != 0)
		return rc;
	rc = write_output(c, err);
	return rc != 0 ? uni_err_context(err, "%s", c->done->path) : 0;
}

int uni_image_convert(const struct uni_convert *convert, struct uni_converted *converted,
		      struct uni_err *err)
{
	struct converting c = {
		.how = convert, .fd = -1, .done = converted, .name = image_name(convert->image)
	};
	int rc = run(&c, err);

	uni_disk_source_free(c.source);
	uni_ami_free(c.ami);
	free(c.folder);
	free(c.name);
	return rc;
}
