/*
 * A repository in a registry, as a client sees it: OCI Distribution Specification 1.1. Blobs by
 * digest, manifests by tag or digest. What comes is checked against its digest while it comes, what
 * is there already is not sent.
 *
 * Credentials are Docker's: config.json with its helpers. They go to the registry's own origin
 * alone, and a bearer token is asked for where the registry says so.
 */
#ifndef UNI_OCI_REGISTRY_H
#define UNI_OCI_REGISTRY_H

#include <stdbool.h>
#include <uni/base/digest.h>
#include <uni/io/sink.h>
#include <uni/net/net.h>

/* oci://HOST[:PORT]/NAME[:TAG][@DIGEST] */
struct uni_oci_reference {
	char *host; /* with its port */
	char *name; /* "team/site" */
	char *tag;  /* NULL: "latest" where no digest is given */
	bool has_digest;
	struct uni_digest digest;
};
#define UNI_AUTO_OCI_REFERENCE __attribute__((cleanup(uni_oci_reference_free)))
void uni_oci_reference_free(struct uni_oci_reference *reference);
/* UNI_E_USAGE says what is wrong with it. */
int uni_oci_reference_parse(const char *text, struct uni_oci_reference *reference,
			    struct uni_err *err);

struct uni_oci;
/* `reference` is borrowed while it is open. Registries on this machine are spoken to without TLS
 * where they have none; all others with it. */
int uni_oci_open(struct uni_oci **oci, const struct uni_oci_reference *reference, bool push,
		 const struct uni_net_options *net, struct uni_err *err);
void uni_oci_free(struct uni_oci *oci);
UNI_AUTO_DEFINE(uni_oci)

int uni_oci_has_blob(struct uni_oci *oci, const struct uni_digest *digest, bool *has,
		     struct uni_err *err);
/* [offset, offset + size) of `fd` as the blob with this digest, unless it is there (`sent` says).
 * Large ones go in chunks, so that a break costs one. */
int uni_oci_put_blob(struct uni_oci *oci, const struct uni_digest *digest, int fd, uint64_t offset,
		     uint64_t size, bool *sent, struct uni_err *err);
/* The same from memory, for what is small. */
int uni_oci_put_bytes(struct uni_oci *oci, const void *data, size_t size, struct uni_digest *digest,
		      struct uni_err *err);
/* A repository of the same registry that may have blobs already, to take them from there. */
int uni_oci_mount_from(struct uni_oci *oci, const char *name, struct uni_err *err);
/* `subject`, unless NULL: whether the registry keeps account of the manifest's subject. */
int uni_oci_put_manifest(struct uni_oci *oci, const char *tag_or_digest, const char *media_type,
			 const struct uni_buf *json, bool *subject, struct uni_err *err);

int uni_oci_has_manifest(struct uni_oci *oci, const char *tag_or_digest, bool *has,
			 struct uni_err *err);
/* `*digest` is what came; it is the one asked for where one was. */
int uni_oci_get_manifest(struct uni_oci *oci, const char *tag_or_digest, struct uni_buf *json,
			 struct uni_digest *digest, struct uni_err *err);
/* The index of what names that manifest as its subject; UNI_E_NOENT where the registry keeps no
 * account of it. */
int uni_oci_get_referrers(struct uni_oci *oci, const struct uni_digest *subject,
			  struct uni_buf *json, struct uni_err *err);
/* Exactly `size` bytes with this digest into `sink`, which is not finished. */
int uni_oci_get_blob(struct uni_oci *oci, const struct uni_digest *digest, uint64_t size,
		     struct uni_sink *sink, struct uni_err *err);
/* The same, when the first `done` bytes are here already: `hash` is of them, and only the rest goes
 * to the sink. */
int uni_oci_get_rest(struct uni_oci *oci, const struct uni_digest *digest, uint64_t size,
		     uint64_t done, const struct uni_hash *hash, struct uni_sink *sink,
		     struct uni_err *err);

/* [offset, offset + size) of a blob of `blob_size` bytes, unchecked: its digest is of all of it. A
 * server between that knows no ranges sends the whole; the rest is dropped. */
int uni_oci_get_range(struct uni_oci *oci, const struct uni_digest *digest, uint64_t blob_size,
		      uint64_t offset, uint64_t size, struct uni_sink *sink, struct uni_err *err);

/* --- credentials (Docker's config.json) --- */

/* Keeps user and password for a registry, after the registry has accepted them. */
int uni_oci_login(const char *host, const char *user, const char *password,
		  const struct uni_net_options *net, struct uni_err *err);
/* UNI_E_NOENT when there are none. */
int uni_oci_logout(const char *host, struct uni_err *err);

#endif
