/*
 * The server that all units of the client share, and requests in a line.
 */
#ifndef UNIT_NET_H
#define UNIT_NET_H

#include "scratch.h"
#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/base/path.h>
#include <uni/base/system.h>
#include <uni/net/net.h>

struct unit_server {
	char *dir; /* its certificates: server.pem, client.pem, client.key */
	unsigned http, other, tls, nginx;
};
extern struct unit_server unit_server;

/* An address on the first origin; a ring of 8. */
const char *unit_url(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A client that waits only shortly before it repeats. */
struct uni_net *unit_client(void);
/* Does `request` with it; the answer's body is text. */
int unit_do(struct uni_net *net, const struct uni_net_request *request,
	    struct uni_net_answer *answer, struct uni_err *err);
int unit_get(const char *url, struct uni_net_answer *answer, struct uni_err *err);
/* What /bytes gives. */
bool unit_is_content(const struct uni_buf *buf, uint64_t start, uint64_t size);

int unit_plain(void);
int unit_fault(void);
int unit_secure(void);

#endif
