/*
 * Indexes that others serve: trusted by signatures as of The Update Framework, wherever the files
 * come from.
 */
#include "internal.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/path.h>

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
	struct uni_tuf_transport transport = { .get = transport_get, .user = v->transport };
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
	if (rc == 0)
		rc = transport_fetch(v->transport, target.file, &target.digest, &blob, err);
	if (rc == UNI_E_NOENT)
		rc = withheld(v, path, err);
	if (rc == 0)
		rc = uni_store_blob_read(v->options->store, &blob, limit, out, err);
	uni_tuf_target_free(&target);
	return rc;
}

static int vouched_fetch(void *index, const struct uni_pin *pin, struct uni_store_entry *blob,
			 struct uni_err *err)
{
	struct vouched *v = index;
	char hex[65];
	const char *base = uni_path_base(pin->path);
	uni_hex(pin->digest.bytes, sizeof(pin->digest.bytes), hex);
	char *file UNI_AUTO_FREE =
		uni_asprintf("%.*s%s.%s", (int)(base - pin->path), pin->path, hex, base);
	return transport_fetch(v->transport, file, &pin->digest, blob, err);
}

const struct index_kind index_vouched = {
	.open = vouched_open,
	.refresh = vouched_refresh,
	.read = vouched_read,
	.fetch = vouched_fetch,
	.close = vouched_close,
};
