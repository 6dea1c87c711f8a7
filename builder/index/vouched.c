/*
 * Indexes that others serve: trusted by signatures as of The Update Framework, wherever the files
 * come from.
 */
#include "internal.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/path.h>

#define STEPS_AHEAD 4 /* of delegation: publishers, and bins below them, are two */

struct vouched {
	const struct uni_indexes_options *options;
	char *state;
	struct transport *transport;
	struct uni_tuf *tuf;
};

static void vouched_close(void *index)
{
	struct vouched *v = index;
	uni_tuf_free(v->tuf);
	transport_free(v->transport);
	free(v->state);
	free(v);
}

static int vouched_open(void **index, const struct uni_index_entry *entry,
			const struct uni_indexes_options *options, struct uni_err *err)
{
	struct vouched *v = uni_alloc(sizeof(*v));
	v->options = options;
	v->state = index_state_dir(entry->name);
	int rc = transport_open(&v->transport, entry->url, v->state, options, err);
	struct uni_tuf_transport transport = { .get = transport_get,
					       .here = transport_here,
					       .user = v->transport };
	struct uni_tuf_options how = { .state = v->state, .now = options->now };
	if (rc == 0)
		rc = uni_tuf_open(&v->tuf, &how, &transport, err);
	if (rc != 0) {
		vouched_close(v);
		return rc;
	}
	*index = v;
	return 0;
}

static int vouched_refresh(void *index, struct uni_err *err)
{
	struct vouched *v = index;
	if (v->options->offline)
		return uni_tuf_use_state(v->tuf, true, err);
	int rc = uni_tuf_refresh(v->tuf, err);
	return rc == 0 ? transport_accept(v->transport, err) : rc;
}

/* It was vouched for, so that no other index may be asked instead. */
static int withheld(const struct vouched *v, const char *path, struct uni_err *err)
{
	struct uni_err why = *err;
	return v->options->offline
		       ? uni_err_set(err, UNI_E_NETWORK, "%s", why.text)
		       : uni_err_set(err, UNI_E_CORRUPT, "%s is vouched for, and not there: %s",
				     path, why.text);
}

static int vouched_read(void *index, const char *path, uint64_t limit, struct uni_buf *out,
			struct uni_err *err)
{
	struct vouched *v = index;
	struct uni_tuf_target target;
	struct uni_store_entry blob;
	int rc = uni_tuf_find(v->tuf, path, &target, err);
	if (rc != 0)
		return rc;
	if (target.size > limit)
		rc = uni_err_set(err, UNI_E_LIMIT, "%s is too large", path);
	struct transport_file file = { target.file, target.digest, target.size };
	if (rc == 0)
		rc = transport_fetch(v->transport, &file, &blob, err);
	if (rc == UNI_E_NOENT)
		rc = withheld(v, path, err);
	if (rc == 0)
		rc = uni_store_blob_read(v->options->store, &blob, limit, out, err);
	uni_tuf_target_free(&target);
	return rc;
}

static int vouched_probe(void *index, struct uni_err *err)
{
	struct vouched *v = index;
	return v->options->offline ? 0 : uni_tuf_probe(v->tuf, err);
}

static struct uni_digest vouched_identity(void *index)
{
	const struct vouched *v = index;
	return uni_tuf_identity(v->tuf);
}

static int64_t vouched_expires(void *index)
{
	const struct vouched *v = index;
	return uni_tuf_expires(v->tuf);
}

/* Metadata that says of `paths`, one step of delegation after the other. */
static int metadata_ahead(struct vouched *v, const struct uni_strv *paths, struct uni_err *err)
{
	int rc = 0;
	for (unsigned step = 0; rc == 0 && step < STEPS_AHEAD; step++) {
		struct uni_strv all UNI_AUTO_STRV = { .items = NULL };
		struct uni_strv files UNI_AUTO_STRV = { .items = NULL };
		for (size_t i = 0; i < paths->count; i++)
			uni_tuf_ahead(v->tuf, paths->items[i], &all);
		uni_strv_sort(&all);
		for (size_t i = 0; i < all.count; i++)
			if (i == 0 || !uni_str_eq(all.items[i], all.items[i - 1]))
				uni_strv_add(&files, all.items[i]);
		if (files.count < 2)
			return 0;
		rc = transport_ahead(v->transport, &files, err);
	}
	return rc;
}

static int vouched_ahead(void *index, struct uni_strv *names, struct uni_err *err)
{
	struct vouched *v = index;
	struct uni_strv paths UNI_AUTO_STRV = { .items = NULL };
	struct uni_strv left = { .items = NULL };
	struct transport_file *files = uni_alloc_array(names->count + 1, sizeof(*files));
	size_t count = 0;
	for (size_t i = 0; i < names->count; i++)
		uni_strv_addf(&paths, "packages/%s.json", names->items[i]);
	int rc = metadata_ahead(v, &paths, err);
	for (size_t i = 0; rc == 0 && i < paths.count; i++) {
		struct uni_tuf_target target;
		struct uni_err ignored = UNI_ERR_INIT; /* told when it is asked for */
		if (uni_tuf_find(v->tuf, paths.items[i], &target, &ignored) != 0) {
			uni_strv_add(&left, names->items[i]);
			continue;
		}
		if (target.size <= PACKAGE_JSON_MAX)
			files[count++] = (struct transport_file){ uni_strdup(target.file),
								  target.digest, target.size };
		uni_tuf_target_free(&target);
	}
	if (rc == 0)
		rc = transport_fetch_all(v->transport, files, count, err);
	if (rc == UNI_E_NOENT)
		rc = withheld(v, "what the index says of packages", err);
	for (size_t i = 0; i < count; i++)
		free(files[i].path);
	free(files);
	uni_strv_free(names);
	*names = left;
	return rc;
}

/* Its place below "targets". */
static char *pin_file(const struct uni_pin *pin)
{
	char hex[65];
	const char *base = uni_path_base(pin->path);
	uni_hex(pin->digest.bytes, sizeof(pin->digest.bytes), hex);
	return uni_asprintf("%.*s%s.%s", (int)(base - pin->path), pin->path, hex, base);
}

static int vouched_fetch(void *index, const struct uni_pin *pin, struct uni_store_entry *blob,
			 struct uni_err *err)
{
	struct vouched *v = index;
	char *path UNI_AUTO_FREE = pin_file(pin);
	struct transport_file file = { path, pin->digest, pin->size };
	return transport_fetch(v->transport, &file, blob, err);
}

static int vouched_fetch_all(void *index, const struct uni_pin *const *pins, size_t count,
			     struct uni_err *err)
{
	struct vouched *v = index;
	struct transport_file *files = uni_alloc_array(count + 1, sizeof(*files));
	for (size_t i = 0; i < count; i++)
		files[i] = (struct transport_file){ pin_file(pins[i]), pins[i]->digest,
						    pins[i]->size };
	int rc = transport_fetch_all(v->transport, files, count, err);
	for (size_t i = 0; i < count; i++)
		free(files[i].path);
	free(files);
	return rc;
}

const struct index_kind index_vouched = {
	.open = vouched_open,
	.refresh = vouched_refresh,
	.read = vouched_read,
	.fetch = vouched_fetch,
	.probe = vouched_probe,
	.identity = vouched_identity,
	.expires = vouched_expires,
	.ahead = vouched_ahead,
	.fetch_all = vouched_fetch_all,
	.close = vouched_close,
};
