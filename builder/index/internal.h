/*
 * What the files of the index share.
 */
#ifndef INDEX_INTERNAL_H
#define INDEX_INTERNAL_H

#include <uni/index/index.h>
#include <uni/trust/tuf.h>

#define PACKAGE_JSON_MAX (16u << 20)
#define NAMES_JSON_MAX (64u << 20)
#define VERSIONS_MAX 65536

/* list.c */
char *index_state_dir(const char *name); /* owned */
bool index_name_ok(const char *name);
/* transport.c: files below a URL, of either kind */
struct transport {
	const char *url;
	const char *etags; /* folder for them, or NULL */
	struct uni_net *net;
};
int transport_get(void *user, const char *path, uint64_t limit, const struct uni_digest *known,
		  struct uni_buf *out, struct uni_err *err);

#endif
