/*
 * Ports of this machine that lead to the guest's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vm_internal.h"

static bool parse_port(const char *text, size_t size, uint16_t *port)
{
	UNI_AUTO_FREE char *digits = uni_strndup(text, size);
	uint64_t value;

	if (digits[0] < '0' || digits[0] > '9' || !uni_str_u64(digits, &value) || value == 0 ||
	    value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

int uni_vm_forward_parse(const char *text, struct uni_vm_forward *forward, struct uni_err *err)
{
	size_t size = strlen(text);
	const char *last, *first;
	struct in_addr address;
	bool good;

	memset(forward, 0, sizeof(*forward));
	strcpy(forward->address, "127.0.0.1");
	if (uni_str_ends(text, "/udp") || uni_str_ends(text, "/tcp")) {
		forward->udp = uni_str_ends(text, "/udp");
		size -= 4;
	}
	last = memrchr(text, ':', size);
	if (last == NULL) {
		good = parse_port(text, size, &forward->host);
		forward->guest = forward->host;
	} else {
		first = memrchr(text, ':', (size_t)(last - text));
		good = parse_port(last + 1, size - (size_t)(last + 1 - text), &forward->guest);
		if (first == NULL) {
			good = good && parse_port(text, (size_t)(last - text), &forward->host);
		} else {
			good = good && (size_t)(first - text) < sizeof(forward->address) &&
			       parse_port(first + 1, (size_t)(last - first - 1), &forward->host);
			if (good) {
				memcpy(forward->address, text, (size_t)(first - text));
				forward->address[first - text] = '\0';
				good = inet_pton(AF_INET, forward->address, &address) == 1;
			}
		}
	}
	if (good)
		return 0;
	uni_err_set(err, UNI_E_USAGE, "--port \"%s\" is not [ADDRESS:]HOST:GUEST[/udp]", text);
	return uni_err_hint(err, "for example 8080:80, or 0.0.0.0:8080:80");
}

static int check_one(const struct uni_vm_forward *forward, struct uni_err *err)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(forward->host) };
	UNI_AUTO_CLOSE int fd =
		socket(AF_INET, (forward->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return uni_err_errno(err, "socket");
	/* As the emulator does: a port that only lingers is free. */
	if (!forward->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	inet_pton(AF_INET, forward->address, &name.sin_addr);
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return uni_err_errno(err, "port %u of this machine", forward->host);
	uni_err_set(err, UNI_E_BUSY, "port %u of this machine (%s, %s) is taken", forward->host,
		    forward->address, forward->udp ? "udp" : "tcp");
	return uni_err_hint(err, "choose another: --port HOST:%u", forward->guest);
}

int vm_forwards_check(const struct uni_vm_spec *spec, struct uni_err *err)
{
	for (size_t i = 0; spec->network == UNI_VM_NETWORK_USER && i < spec->forward_count; i++)
		if (check_one(&spec->forwards[i], err) != 0)
			return err->code;
	return 0;
}

/*
 * Two sockets may have the same port if both permit it and neither listens (socket(7),
 * SO_REUSEADDR), which the emulator's does when it takes the port; one that asks for any free port
 * is never given such a one.
 */
int uni_vm_forward_reserve(struct uni_vm_forward *forward, int *hold, struct uni_err *err)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	UNI_AUTO_CLOSE int fd =
		socket(AF_INET, (forward->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(name);
	int one = 1;

	if (fd < 0 ||
	    (!forward->udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&name, &size) != 0)
		return uni_err_errno(err, "no free port");
	strcpy(forward->address, "127.0.0.1");
	forward->host = ntohs(name.sin_port);
	*hold = fd;
	fd = -1;
	return 0;
}
