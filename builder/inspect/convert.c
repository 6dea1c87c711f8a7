/*
 * Converting: one pass from a reader to a writer.
 */
#include <elf.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/inspect/convert.h>
#include <unistd.h>

static int find_format(const char *name, const struct uni_disk_format **format, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf known = UNI_BUF_INIT;

	*format = uni_disk_find(name);
	if (*format != NULL)
		return 0;
	for (size_t i = 0; uni_disk_formats[i] != NULL; i++)
		uni_buf_printf(&known, "%s%s", i != 0 ? ", " : "", uni_disk_formats[i]->name);
	uni_err_set(err, UNI_E_USAGE, "an image cannot be converted to \"%s\"", name);
	return uni_err_hint(err, "it can be to %s", known.data);
}

static char *output_path(const struct uni_convert *convert, const struct uni_disk_format *format)
{
	const char *base = uni_path_base(convert->image);
	const char *dot = strrchr(base, '.');
	int length = dot != NULL && dot != base ? (int)(dot - base) : (int)strlen(base);

	if (convert->output != NULL)
		return uni_strdup(convert->output);
	return uni_asprintf("%.*s.%s", length, base, format->extension);
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

static int write_output(const struct uni_convert *convert, const struct uni_disk_format *format,
			struct uni_disk_source **source, struct uni_converted *converted,
			struct uni_err *err)
{
	UNI_AUTO(uni_outfile) struct uni_outfile *out = NULL;
	struct stat st;
	int rc = uni_outfile_open(&out, converted->path, 0644, err);

	if (rc == 0)
		rc = uni_disk_convert(format, &convert->options, source, uni_outfile_fd(out), err);
	if (rc != 0)
		return rc;
	converted->disk_size = (*source)->size;
	if (fstat(uni_outfile_fd(out), &st) != 0)
		return uni_err_errno(err, "%s", converted->path);
	converted->size = (uint64_t)st.st_size;
	return uni_outfile_commit(out, true, err);
}

int uni_image_convert(const struct uni_convert *convert, struct uni_converted *converted,
		      struct uni_err *err)
{
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;
	const struct uni_disk_format *format;
	struct stat st;
	int rc = find_format(convert->format, &format, err);

	if (rc != 0)
		return rc;
	converted->path = output_path(convert, format);
	if (!convert->force && lstat(converted->path, &st) == 0) {
		uni_err_set(err, UNI_E_EXIST, "%s stands there already", converted->path);
		return uni_err_hint(err, "it was kept; --force replaces it");
	}
	rc = uni_disk_open_image(&source, convert->image, err);
	if (rc == 0)
		rc = refuse_elf(source, convert->image, err);
	if (rc == 0)
		rc = uni_disk_source_grow(&source, convert->size, err);
	if (rc != 0)
		return rc;
	converted->from = source->form;
	rc = write_output(convert, format, &source, converted, err);
	return rc != 0 ? uni_err_context(err, "%s", converted->path) : 0;
}
