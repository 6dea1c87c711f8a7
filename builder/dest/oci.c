/*
 * oci://HOST/NAME[:TAG]: a disk, a package or any other file as an artifact in a registry.
 */
#include "oci.h"
#include "connections.h"
#include "internal.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/pool.h>
#include <uni/base/system.h>
#include <uni/bundle/oci.h>
#include <uni/dest/attach.h>
#include <uni/disk/disk.h>
#include <uni/oci/registry.h>
#include <unistd.h>

#define PARTS_MAX (2 * UNI_DISK_PARTITIONS_MAX + 2)
#define STEP (1u << 20)

struct part {
	uint64_t offset, size;
	struct uni_digest digest;
	bool zero, sent;
	char title[96], offset_text[24];
	struct uni_oci_annotation annotations[2];
};

struct oci_push {
	const struct uni_dest_job *job;
	struct uni_oci_reference reference;
	struct uni_oci *oci;
	int fd;
	uint64_t size;
	struct uni_digest digest; /* of the whole file */
	const char *artifact_type;
	struct part *parts;
	size_t count;
	struct connections connections;
	_Atomic uint64_t done; /* bytes that are there */
};

static void push_end(struct oci_push *p)
{
	connections_free(&p->connections);
	uni_oci_free(p->oci);
	uni_oci_reference_free(&p->reference);
	uni_close_fd(&p->fd);
	free(p->parts);
}

/* --- parts --- */

static void add_part(struct oci_push *p, uint64_t offset, uint64_t size)
{
	if (size == 0 || p->count == PARTS_MAX)
		return;
	p->parts[p->count++] = (struct part){ .offset = offset, .size = size };
}

static int by_offset(const void *a, const void *b)
{
	const struct uni_disk_entry *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* A disk's parts in order; a file that is no disk is one part. */
static int cut(struct oci_push *p, struct uni_err *err)
{
	struct uni_disk *disk UNI_AUTO(uni_disk) = NULL;
	uint64_t at = 0;
	int rc = uni_disk_read(&disk, p->fd, p->size, p->job->source, err);

	p->parts = uni_alloc_array(PARTS_MAX, sizeof(*p->parts));
	if (rc == UNI_E_UNSUPPORTED) {
		uni_err_clear(err);
		p->artifact_type =
			uni_str_ends(p->job->source, ".unipkg") ? OCI_PACKAGE_TYPE : OCI_FILE_TYPE;
		add_part(p, 0, p->size);
		return 0;
	}
	if (rc != 0)
		return rc;
	p->artifact_type = OCI_DISK_TYPE;
	if (disk->count != 0)
		qsort(disk->entries, disk->count, sizeof(*disk->entries), by_offset);
	for (size_t i = 0; i < disk->count; i++) {
		const struct uni_disk_entry *entry = &disk->entries[i];

		if (entry->offset < at || entry->size > p->size - entry->offset)
			return uni_err_set(err, UNI_E_CORRUPT, "%s: partitions overlap",
					   p->job->source);
		add_part(p, at, entry->offset - at);
		add_part(p, entry->offset, entry->size);
		at = entry->offset + entry->size;
	}
	add_part(p, at, p->size - at);
	return 0;
}

static int hash_range(const struct oci_push *p, uint64_t offset, uint64_t size,
		      struct uni_digest *digest, bool *zero, struct uni_err *err)
{
	uint8_t *data UNI_AUTO_FREE = uni_alloc(STEP);
	struct uni_hash hash;
	int rc = 0;

	*zero = true;
	uni_hash_start(&hash);
	for (uint64_t done = 0; rc == 0 && done < size;) {
		size_t step = size - done < STEP ? (size_t)(size - done) : STEP;

		rc = uni_pread_full(p->fd, data, step, offset + done, p->job->source, err);
		if (rc == 0)
			rc = uni_check_cancel(err);
		if (rc != 0)
			break;
		uni_hash_add(&hash, data, step);
		*zero = *zero && uni_all_zero(data, step);
		done += step;
	}
	*digest = uni_hash_end(&hash);
	return rc;
}

/* --- sending --- */

int oci_send_empty(struct uni_oci *oci, struct uni_err *err)
{
	struct uni_digest empty;

	return uni_oci_put_bytes(oci, "{}", 2, &empty, err);
}

static int send_part(struct oci_push *p, struct part *part, struct uni_err *err)
{
	struct uni_oci *oci = NULL;
	int rc = connections_take(&p->connections, &oci, err);

	if (rc == 0)
		rc = uni_oci_put_blob(oci, &part->digest, p->fd, part->offset, part->size,
				      &part->sent, err);
	connections_give(&p->connections, oci);
	if (rc != 0)
		return rc;
	p->done += part->size;
	uni_event_send(p->job->events, &(struct uni_event){ .kind = UNI_EVENT_PROGRESS,
							    .name = "upload",
							    .done = p->done,
							    .total = p->size });
	return 0;
}

/* The whole file's digest first, for it takes longest; then each part: its digest, and off it goes.
 * A disk's parts of zeros are left out. */
static int do_item(void *user, size_t index, struct uni_err *err)
{
	struct oci_push *p = user;
	struct part *part;
	bool zero;
	int rc;

	if (index == 0)
		return hash_range(p, 0, p->size, &p->digest, &zero, err);
	part = &p->parts[index - 1];
	rc = hash_range(p, part->offset, part->size, &part->digest, &part->zero, err);
	part->zero = part->zero && uni_str_eq(p->artifact_type, OCI_DISK_TYPE);
	if (rc != 0 || part->zero || p->job->dry_run)
		return rc;
	return send_part(p, part, err);
}

static int do_parts(struct oci_push *p, uint64_t *sent, struct uni_err *err)
{
	size_t kept = 0;
	int rc;

	rc = uni_pool_run(p->count + 1, CONNECTIONS_MAX, do_item, p, err);
	for (size_t i = 0; i < p->count; i++) {
		*sent += p->parts[i].sent ? p->parts[i].size : 0;
		if (!p->parts[i].zero)
			p->parts[kept++] = p->parts[i];
	}
	p->count = kept;
	return rc;
}

static void describe(struct oci_push *p, const char *title, struct uni_oci_descriptor *layers)
{
	bool disk = uni_str_eq(p->artifact_type, OCI_DISK_TYPE);

	for (size_t i = 0; i < p->count; i++) {
		struct part *part = &p->parts[i];
		size_t n = 0;

		/* A name of its own for each, for clients that write layers as files. */
		if (disk)
			snprintf(part->title, sizeof(part->title), "%.64s.%03zu", title, i % 1000);
		else
			snprintf(part->title, sizeof(part->title), "%.79s", title);
		snprintf(part->offset_text, sizeof(part->offset_text), "%" PRIu64, part->offset);
		part->annotations[n++] = (struct uni_oci_annotation){ UNI_OCI_TITLE, part->title };
		if (disk)
			part->annotations[n++] =
				(struct uni_oci_annotation){ OCI_OFFSET, part->offset_text };
		layers[i] = (struct uni_oci_descriptor){
			.media_type = disk ? OCI_PART_TYPE : OCI_BYTES_TYPE,
			.digest = part->digest,
			.size = part->size,
			.annotations = { part->annotations, n },
		};
	}
}

static int send_manifest(struct oci_push *p, struct uni_oci_descriptor *made, struct uni_err *err)
{
	const char *title = uni_path_base(p->job->source);
	struct uni_oci_descriptor *layers UNI_AUTO_FREE =
		uni_alloc_array(p->count != 0 ? p->count : 1, sizeof(*layers));
	struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
	char size[24], text[UNI_DIGEST_TEXT];
	const struct uni_oci_annotation annotations[] = {
		{ UNI_OCI_TITLE, title },
		{ OCI_DIGEST, text },
		{ OCI_SIZE, size },
	};
	const struct uni_oci_manifest manifest = {
		.artifact_type = p->artifact_type,
		.config = uni_oci_empty(),
		.layers = layers,
		.layer_count = p->count,
		.annotations = { annotations, UNI_COUNT(annotations) },
	};

	snprintf(size, sizeof(size), "%" PRIu64, p->size);
	uni_digest_text(&p->digest, text);
	describe(p, title, layers);
	uni_oci_manifest_json(&manifest, &json);
	*made = (struct uni_oci_descriptor){ .media_type = UNI_OCI_MANIFEST,
					     .digest = uni_digest_of(json.data, json.size),
					     .size = json.size };
	return uni_oci_put_manifest(p->oci, p->reference.tag != NULL ? p->reference.tag : "latest",
				    UNI_OCI_MANIFEST, &json, NULL, err);
}

/* What belongs to it: attached by its digest, then signed. */
static int send_company(struct oci_push *p, const struct uni_oci_descriptor *made,
			struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->job->attachment_count; i++) {
		const struct uni_dest_attachment *a = &p->job->attachments[i];

		rc = uni_oci_attach(p->oci, made, a->type, a->title, a->content, err);
	}
	if (rc == 0 && p->job->signer != NULL)
		rc = uni_oci_sign(p->oci, &p->reference, &made->digest, p->job->signer, err);
	if (rc == 0 && p->job->signer != NULL)
		rc = uni_oci_sign_bundle(p->oci, made, p->job->signer, err);
	return rc;
}

static int say(const struct oci_push *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char text[UNI_DIGEST_TEXT];
		const struct uni_dest_note note = { .what = "request",
						    .where = "PUT blob",
						    .text = text,
						    .calls = 1,
						    .bytes = p->parts[i].size };

		uni_digest_text(&p->parts[i].digest, text);
		if (p->job->note != NULL)
			p->job->note(p->job->user, &note);
	}
	return 0;
}

static int open_source(struct oci_push *p, struct uni_err *err)
{
	struct stat st;
	int rc = uni_oci_reference_parse(p->job->address, &p->reference, err);

	if (rc != 0)
		return rc;
	if (p->reference.has_digest)
		return uni_err_set(err, UNI_E_USAGE, "%s: a digest is what comes out of a push",
				   p->job->address);
	if (p->job->shares.count != 0 || p->job->tags.count != 0)
		return uni_err_set(err, UNI_E_USAGE, "--share and --tag are for EC2");
	p->fd = open(p->job->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0 || fstat(p->fd, &st) != 0)
		return uni_err_errno(err, "%s", p->job->source);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return uni_err_set(err, UNI_E_INVAL, "%s: is no file with content", p->job->source);
	p->size = (uint64_t)st.st_size;
	return cut(p, err);
}

static int oci_push(const struct uni_dest_job *job, struct uni_err *err)
{
	struct oci_push p __attribute__((cleanup(push_end))) = { .job = job, .fd = -1 };
	char text[UNI_DIGEST_TEXT];
	struct uni_oci_descriptor made;
	uint64_t sent = 0;
	int rc = open_source(&p, err);

	connections_init(&p.connections, &p.reference, true, job->events);
	p.connections.mount_from = job->mount_from;
	if (rc == 0 && !job->dry_run)
		rc = connections_take(&p.connections, &p.oci, err);
	if (rc == 0 && !job->dry_run)
		rc = oci_send_empty(p.oci, err);
	if (rc == 0)
		rc = do_parts(&p, &sent, err);
	if (rc == 0 && job->dry_run)
		return say(&p);
	if (rc == 0)
		rc = send_manifest(&p, &made, err);
	if (rc == 0)
		rc = send_company(&p, &made, err);
	if (rc != 0)
		return rc;
	uni_digest_text(&made.digest, text);

	const struct uni_dest_note note = { .what = "artifact",
					    .where = job->address,
					    .id = text,
					    .text = sent != 0 ? "made" : "found",
					    .bytes = sent };

	if (job->note != NULL)
		job->note(job->user, &note);
	return 0;
}

const struct uni_dest dest_oci = {
	.scheme = "oci",
	.format = "raw",
	.push = oci_push,
};
