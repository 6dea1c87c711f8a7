/*
 * Starts the server, and runs the units of the net module, a file of them after the other.
 */
#include "unit.h"
#include <signal.h>
#include <stdio.h>
#include <uni/base/process.h>
#include <unistd.h>

struct unit_server unit_server;

const char *unit_url(const char *fmt, ...)
{
	static char ring[8][1024];
	static unsigned next;
	char *out = ring[next++ % 8];
	int size = snprintf(out, sizeof(ring[0]), "http://127.0.0.1:%u", unit_server.http);
	va_list args;
	va_start(args, fmt);
	vsnprintf(out + size, sizeof(ring[0]) - (size_t)size, fmt, args);
	va_end(args);
	return out;
}

struct uni_net *unit_client(void)
{
	static const struct uni_net_options options = {
		.backoff_ms = 1, .backoff_max_ms = 200, .stall_ms = 5000, .stall_bytes = 64
	};
	struct uni_err err = UNI_ERR_INIT;
	struct uni_net *net = NULL;
	if (uni_net_open(&net, &options, &err) != 0)
		fail_msg("%s", err.text);
	return net;
}

int unit_do(struct uni_net *net, const struct uni_net_request *request,
	    struct uni_net_answer *answer, struct uni_err *err)
{
	uni_err_clear(err);
	return uni_net_do(net, request, answer, err);
}

int unit_get(const char *url, struct uni_net_answer *answer, struct uni_err *err)
{
	struct uni_net *net UNI_AUTO(uni_net) = unit_client();
	struct uni_net_request request = { .url = url };
	return unit_do(net, &request, answer, err);
}

bool unit_is_content(const struct uni_buf *buf, uint64_t start, uint64_t size)
{
	if (buf->size != size)
		return false;
	for (uint64_t i = 0; i < size; i++) {
		char number[24];
		snprintf(number, sizeof(number), "%08llu", (unsigned long long)(start + i) / 8);
		if (buf->data[i] != number[(start + i) % 8])
			return false;
	}
	return true;
}

static int start(struct uni_process **process, int *input, struct uni_err *err)
{
	int in[2], out[2];
	if (pipe(in) != 0 || pipe(out) != 0)
		return uni_err_errno(err, "pipe");
	const char *const argv[] = { "python3", UNI_SOURCE_DIR "/tests/unit/net/server.py",
				     unit_server.dir, NULL };
	struct uni_process_spec spec = UNI_PROCESS_SPEC_INIT;
	spec.argv = argv;
	spec.stdin_fd = in[0];
	spec.stdout_fd = out[1];
	spec.stderr_fd = STDERR_FILENO;
	int rc = uni_process_start(process, &spec, err);
	close(in[0]);
	close(out[1]);
	*input = in[1];
	FILE *ports = fdopen(out[0], "r");
	if (rc == 0 && fscanf(ports, "%u %u %u %u", &unit_server.http, &unit_server.other,
			      &unit_server.tls, &unit_server.nginx) != 4)
		rc = uni_err_set(err, UNI_E_PROCESS, "the server does not start");
	fclose(ports);
	return rc;
}

int main(void)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_process *process UNI_AUTO(uni_process) = NULL;
	int input = -1;
	/* Proxies of the machine's are not for a server on it. */
	static const char *const proxies[] = { "http_proxy", "https_proxy", "all_proxy",
					       "HTTPS_PROXY", "ALL_PROXY" };
	for (size_t i = 0; i < UNI_COUNT(proxies); i++)
		unsetenv(proxies[i]);
	if (uni_dir_tmp(NULL, &unit_server.dir, &err) != 0 || start(&process, &input, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	int failed = unit_plain() + unit_fault() + unit_secure();
	int status;
	close(input);
	if (uni_process_wait(process, 10000, &status, &err) != 0 || status != 0)
		failed++;
	uni_dir_remove(unit_server.dir, &err);
	free(unit_server.dir);
	return failed;
}
