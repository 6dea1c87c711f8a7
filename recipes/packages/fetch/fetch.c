/*
 * Fetches a page over TLS and writes it to standard output. Whom it trusts is what OpenSSL's own
 * default file says, where a recipe's [ca] appears; nothing here could weaken that.
 *
 *	fetch https://HOST[:PORT]/PATH
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 256
#define HEAD_MAX 16384

struct target {
	char host[HOST_MAX];
	char where[HOST_MAX + 8]; /* host and port, for connecting */
	const char *path;
};

static int split(const char *url, struct target *target)
{
	static const char scheme[] = "https://";
	size_t length, host;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return -1;
	url += strlen(scheme);
	length = strcspn(url, "/");
	host = strcspn(url, ":/");
	if (host == 0 || length >= HOST_MAX)
		return -1;
	snprintf(target->host, sizeof(target->host), "%.*s", (int)host, url);
	snprintf(target->where, sizeof(target->where), "%.*s%s", (int)length, url,
		 host == length ? ":443" : "");
	target->path = url[length] == '/' ? url + length : "/";
	return 0;
}

static int complain(const char *what, SSL *ssl)
{
	long verdict = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	fflush(stdout);
	fprintf(stderr, "fetch: %s: %s\n", what,
		verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
		: reason != NULL     ? reason
				     : "no more is known");
	return 1;
}

/* How long the head says that the body is; -1: it does not. */
static long long body_size(const char *head)
{
	const char *field = strcasestr(head, "\r\ncontent-length:");

	return field != NULL ? atoll(strchr(field, ':') + 1) : -1;
}

/* Reads the answer; its head ends with an empty line, its body where it says or with the stream. */
static int take_answer(SSL *ssl)
{
	static char head[HEAD_MAX + 1], part[16384];
	size_t size = 0, got;
	char *body = NULL;
	long long left;
	int status;

	while (body == NULL && size < HEAD_MAX &&
	       SSL_read_ex(ssl, head + size, HEAD_MAX - size, &got) > 0) {
		size += got;
		head[size] = '\0';
		body = strstr(head, "\r\n\r\n");
	}
	if (body == NULL || sscanf(head, "HTTP/1.%*1[01] %3d", &status) != 1)
		return complain("not an answer of HTTP/1", ssl);
	body += 4;
	body[-2] = '\0';
	size -= (size_t)(body - head);
	left = body_size(head);
	fwrite(body, 1, size, stdout);
	left -= left >= 0 ? (long long)size : 0;
	while (left != 0 && SSL_read_ex(ssl, part, sizeof(part), &got) > 0) {
		fwrite(part, 1, got, stdout);
		left -= left > 0 ? (long long)got : 0;
	}
	/* Without a size only what the other side ended in order is whole. */
	if (left != 0 && (left > 0 || SSL_get_error(ssl, 0) != SSL_ERROR_ZERO_RETURN))
		return complain("the answer was cut off", ssl);
	if (fflush(stdout) != 0)
		return 1;
	if (status != 200)
		fprintf(stderr, "fetch: the server says %d\n", status);
	return status != 200;
}

static int fetch(SSL_CTX *context, const struct target *target)
{
	BIO *bio = BIO_new_ssl_connect(context);
	SSL *ssl = NULL;
	int failed;

	if (bio == NULL)
		return complain("memory", NULL);
	BIO_get_ssl(bio, &ssl);
	SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
	SSL_set1_host(ssl, target->host);
	SSL_set_tlsext_host_name(ssl, target->host);
	BIO_set_conn_hostname(bio, target->where);
	if (BIO_do_connect(bio) <= 0 || BIO_do_handshake(bio) <= 0) {
		failed = complain(target->where, ssl);
	} else if (BIO_printf(bio, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			      target->path, target->host) <= 0) {
		failed = complain("cannot ask", ssl);
	} else {
		failed = take_answer(ssl);
	}
	BIO_free_all(bio);
	return failed;
}

int main(int argc, char **argv)
{
	struct target target;
	SSL_CTX *context;
	int failed;

	if (argc != 2 || split(argv[1], &target) != 0) {
		fprintf(stderr, "usage: fetch https://HOST[:PORT]/PATH\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL)
		return complain("TLS", NULL);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_verify_paths(context);
	failed = fetch(context, &target);
	SSL_CTX_free(context);
	return failed;
}
