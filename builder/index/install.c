/*
 * Packages that were chosen: into the store, and installed there. That all of a choice is installed
 * already is remembered as one record, so that it costs a look at each file and no more.
 */
#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SET_LINE "%64s %200s %200s %64s %" SCNu64 " %" SCNd64 ".%" SCNu32 " %" SCNd64 ".%" SCNu32

/* What is locked is known by its digest: the index need not be refreshed. */
static int fetch_pin(struct uni_indexes *all, const struct uni_pin *pin, char **path,
		     struct uni_err *err)
{
	struct uni_store_entry blob;
	struct index *index;
	int rc = indexes_get(all, pin->index, &index, err);
	if (rc == 0)
		rc = index->kind->fetch(index->open, pin, &blob, err);
	return rc == 0 ? uni_store_blob_path(indexes_options(all)->store, &blob, path, err)
		       : uni_err_context(err, "%s %s", pin->name, pin->version);
}

static int check_loaded(const struct uni_pin *pin, const struct uni_installed *installed,
			struct uni_err *err)
{
	if (uni_str_eq(installed->package->name, pin->name) &&
	    uni_str_eq(installed->package->version, pin->version))
		return 0;
	return uni_err_set(err, UNI_E_CORRUPT, "the file of %s %s holds %s %s", pin->name,
			   pin->version, installed->package->name, installed->package->version);
}

int uni_indexes_load(struct uni_indexes *all, const struct uni_pin *pin,
		     struct uni_installed **installed, struct uni_err *err)
{
	struct uni_store *store = indexes_options(all)->store;
	char *path UNI_AUTO_FREE = NULL;
	int rc = uni_package_known(store, &pin->digest, installed, err);
	if (rc == 0) {
		rc = fetch_pin(all, pin, &path, err);
		if (rc == 0)
			rc = uni_package_load(store, path, &pin->digest, installed, err);
	}
	return rc < 0 ? rc : check_loaded(pin, *installed, err);
}

/* 1: that very package is installed already. */
static int is_installed(struct uni_store *store, const struct uni_installed *loaded,
			struct uni_installed **installed)
{
	struct uni_err ignored = UNI_ERR_INIT;
	char *exact UNI_AUTO_FREE = uni_asprintf("=%s", loaded->package->version);
	if (uni_package_find(store, loaded->package->name, exact, loaded->package->arch, installed,
			     &ignored) != 0)
		return 0;
	if (uni_digest_eq(&(*installed)->digest, &loaded->digest))
		return 1;
	uni_installed_free(*installed);
	*installed = NULL;
	return 0;
}

int uni_indexes_install(struct uni_indexes *all, const struct uni_pin *pin,
			struct uni_installed **installed, struct uni_err *err)
{
	struct uni_store *store = indexes_options(all)->store;
	char *path UNI_AUTO_FREE = NULL;
	struct uni_installed *loaded UNI_AUTO(uni_installed) = NULL;
	int rc = uni_indexes_load(all, pin, &loaded, err);
	if (rc != 0 || is_installed(store, loaded, installed))
		return rc;
	rc = fetch_pin(all, pin, &path, err);
	return rc == 0 ? uni_package_install(store, path, installed, err) : rc;
}

/* --- all of a choice --- */

static int fetch_of_index(struct uni_indexes *all, const struct uni_pins *pins, const char *name,
			  struct uni_err *err)
{
	const struct uni_pin **wanted = uni_alloc_array(pins->count, sizeof(*wanted));
	struct index *index;
	size_t count = 0;
	int rc = 0;
	for (size_t i = 0; i < pins->count; i++) {
		const struct uni_pin *pin = &pins->items[i];
		if (uni_str_eq(pin->index, name) &&
		    !uni_package_here(indexes_options(all)->store, &pin->digest))
			wanted[count++] = pin;
	}
	if (count > 1)
		rc = indexes_get(all, name, &index, err);
	if (rc == 0 && count > 1 && index->kind->fetch_all != NULL)
		rc = index->kind->fetch_all(index->open, wanted, count, err);
	free(wanted);
	return rc != 0 ? uni_err_context(err, "index %s", name) : 0;
}

int uni_indexes_fetch(struct uni_indexes *all, const struct uni_pins *pins, struct uni_err *err)
{
	struct uni_strv done UNI_AUTO_STRV = { .items = NULL };
	int rc = 0;
	if (indexes_options(all)->offline)
		return 0;
	for (size_t i = 0; rc == 0 && i < pins->count; i++) {
		const char *name = pins->items[i].index;
		if (name == NULL || uni_strv_has(&done, name))
			continue;
		uni_strv_add(&done, name);
		rc = fetch_of_index(all, pins, name, err);
	}
	return rc;
}

static struct uni_digest set_key(const struct uni_pins *pins)
{
	struct uni_hash hash;
	uni_hash_start(&hash);
	uni_hash_add_text(&hash, "uni installed packages 1");
	for (size_t i = 0; i < pins->count; i++) {
		uni_hash_add_text(&hash, pins->items[i].name);
		uni_hash_add_text(&hash, pins->items[i].version);
		uni_hash_add(&hash, pins->items[i].digest.bytes,
			     sizeof(pins->items[i].digest.bytes));
	}
	return uni_hash_end(&hash);
}

/* A line of the set: what is told of a package, and how its reference looked. */
static void set_line(struct uni_buf *out, const struct uni_installed *installed,
		     const struct uni_store_stamp *stamp)
{
	char hex[65];
	uni_hex(installed->digest.bytes, sizeof(installed->digest.bytes), hex);
	uni_buf_printf(out,
		       "%s %s %s %s %" PRIu64 " %" PRId64 ".%" PRIu32 " %" PRId64 ".%" PRIu32 "\n",
		       hex, installed->package->name, installed->package->version,
		       installed->package->arch, stamp->inode, stamp->mtime_s, stamp->mtime_ns,
		       stamp->ctime_s, stamp->ctime_ns);
}

struct set_item {
	char hex[65], name[201], version[201], arch[65];
	struct uni_store_stamp stamp;
};

static bool set_read_line(const char *line, struct set_item *item)
{
	struct uni_store_stamp *s = &item->stamp;
	return sscanf(line, SET_LINE, item->hex, item->name, item->version, item->arch, &s->inode,
		      &s->mtime_s, &s->mtime_ns, &s->ctime_s, &s->ctime_ns) == 9;
}

static bool still_there(struct uni_store *store, const struct set_item *item)
{
	struct uni_store_stamp now;
	return uni_package_stamp(store, item->name, item->version, item->arch, &now) &&
	       uni_store_stamp_eq(&now, &item->stamp);
}

/* 1: all of them are installed, and were told. */
static int tell_known(struct uni_store *store, const struct uni_digest *key, uni_index_told *fn,
		      void *user, struct uni_err *err)
{
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_strv lines UNI_AUTO_STRV = { .items = NULL };
	struct set_item item;
	char *save = NULL;
	int rc = uni_store_result_get(store, key, &record, err);
	if (rc != 1 || record.meta == NULL)
		return rc < 0 ? rc : 0;
	for (char *l = strtok_r(record.meta, "\n", &save); l != NULL;
	     l = strtok_r(NULL, "\n", &save)) {
		if (!set_read_line(l, &item) || !still_there(store, &item))
			return 0;
		uni_strv_add(&lines, l);
	}
	for (size_t i = 0; i < lines.count; i++) {
		struct uni_digest digest;
		if (set_read_line(lines.items[i], &item) &&
		    uni_unhex(item.hex, digest.bytes, sizeof(digest.bytes)))
			fn(user, &digest, item.name, item.version, item.arch);
	}
	return 1;
}

static void remember(struct uni_store_record *record, struct uni_buf *lines,
		     struct uni_store *store, const struct uni_installed *installed)
{
	const struct uni_package *p = installed->package;
	struct uni_store_stamp stamp;
	if (uni_package_stamp(store, p->name, p->version, p->arch, &stamp))
		set_line(lines, installed, &stamp);
	else
		uni_buf_puts(lines, "?\n");
	for (size_t i = 0; i < installed->record.count; i++) {
		char *name UNI_AUTO_FREE =
			uni_asprintf("%s/%s", p->name, installed->record.entries[i].name);
		uni_store_record_add(record, name, &installed->record.entries[i]);
	}
}

int uni_indexes_install_all(struct uni_indexes *all, const struct uni_pins *pins,
			    uni_index_told *fn, void *user, struct uni_err *err)
{
	struct uni_store *store = indexes_options(all)->store;
	struct uni_store_record record UNI_AUTO_STORE_RECORD = UNI_STORE_RECORD_INIT;
	struct uni_buf lines UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_digest key = set_key(pins);
	int rc = tell_known(store, &key, fn, user, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = uni_indexes_fetch(all, pins, err);
	for (size_t i = 0; rc == 0 && i < pins->count; i++) {
		struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
		rc = uni_indexes_install(all, &pins->items[i], &installed, err);
		if (rc != 0)
			break;
		remember(&record, &lines, store, installed);
		fn(user, &installed->digest, installed->package->name, installed->package->version,
		   installed->package->arch);
	}
	record.meta = uni_buf_take(&lines);
	return rc == 0 ? uni_store_result_put(store, &key, &record, err) : rc;
}
