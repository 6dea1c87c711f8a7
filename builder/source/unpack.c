/*
 * The bytes under any compression that libarchive knows, as a source. Only its filters are used:
 * what a tar archive means is ours to say, so that it means the same with every version of it.
 */
#include <uni/source/unpack.h>

#include <archive.h>
#include <string.h>
#include <uni/base/system.h>

#define CHUNK (1u << 16)
#define MOST_LEAST (UINT64_C(256) << 20)
#define MOST_RATIO 200

#define FNS(X)                                                                                     \
	X(archive_read_new)                                                                        \
	X(archive_read_support_filter_all)                                                         \
	X(archive_read_support_format_raw)                                                         \
	X(archive_read_support_format_empty)                                                       \
	X(archive_read_open_fd)                                                                    \
	X(archive_read_next_header)                                                                \
	X(archive_read_data)                                                                       \
	X(archive_error_string)                                                                    \
	X(archive_read_free)

static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const names[] = { FNS(UNI_LAZY_NAME) };

struct unpacked {
	struct uni_source base;
	struct archive *archive;
	char *name;
};

static int complain(const struct unpacked *u, struct uni_err *err)
{
	const char *why = lib.archive_error_string(u->archive);

	return uni_err_set(err, UNI_E_CORRUPT, "%s: %s", u->name, why != NULL ? why : "damaged");
}

static int unpacked_read(struct uni_source *source, void *data, size_t size, size_t *got,
			 struct uni_err *err)
{
	struct unpacked *u = (struct unpacked *)source;
	la_ssize_t now = lib.archive_read_data(u->archive, data, size);

	if (now < 0)
		return complain(u, err);
	*got = (size_t)now;
	return uni_check_cancel(err);
}

static void unpacked_free(struct uni_source *source)
{
	struct unpacked *u = (struct unpacked *)source;

	lib.archive_read_free(u->archive);
	free(u->name);
	free(u);
}

static const struct uni_source_ops ops = { .read = unpacked_read, .free = unpacked_free };

uint64_t uni_archive_most(uint64_t packed)
{
	return packed > (UINT64_MAX - MOST_LEAST) / MOST_RATIO ? UINT64_MAX
							       : MOST_LEAST + packed * MOST_RATIO;
}

int uni_archive_source(struct uni_source **source, int fd, const char *name, struct uni_err *err)
{
	struct archive_entry *entry;
	struct unpacked *u;
	int rc = uni_lazy_load("libarchive.so.13", names, UNI_COUNT(names), &lib, err);

	*source = NULL;
	if (rc != 0)
		return rc;
	u = uni_alloc(sizeof(*u));
	u->base.ops = &ops;
	u->name = uni_strdup(name);
	u->archive = lib.archive_read_new();
	if (u->archive == NULL) {
		free(u->name);
		free(u);
		return uni_err_set(err, UNI_E_NOMEM, "%s", name);
	}
	/* Filters that are programs of their own are warned of, and not wanted. */
	lib.archive_read_support_filter_all(u->archive);
	lib.archive_read_support_format_empty(u->archive);
	lib.archive_read_support_format_raw(u->archive);
	*source = &u->base;
	if (lib.archive_read_open_fd(u->archive, fd, CHUNK) != ARCHIVE_OK ||
	    lib.archive_read_next_header(u->archive, &entry) < ARCHIVE_WARN) {
		rc = complain(u, err);
		uni_source_free(*source);
		*source = NULL;
	}
	return rc;
}
