/*
 * Between sockets as files (socket.c), their calls (calls.c, message.c) and the kinds.
 */
#ifndef UK_NET_SOCKFILE_H
#define UK_NET_SOCKFILE_H

#include <uk/socket.h>

extern const struct uk_file_ops uk_socket_file_ops;

/* Without the stack's lock; these wait unless `nonblock`. */
int64_t uk_socket_send(struct uk_socket *sock, struct uk_message *message, bool nonblock);
int64_t uk_socket_receive(struct uk_socket *sock, struct uk_message *message, bool nonblock);
int uk_socket_accept(struct uk_socket *sock, bool nonblock, struct uk_socket **out);
int uk_socket_connect(struct uk_socket *sock, const struct uk_sockaddr *name, uint32_t size,
		      bool nonblock);

/* unix.c, under the lock, which is given up meanwhile: until some listener may have room again. 0,
 * -UK_EAGAIN at the deadline, -UK_ERESTARTSYS. */
int uk_unix_wait(uint64_t deadline);

/* Makes a descriptor of it; frees the socket on failure. */
int uk_socket_install(struct uk_socket *sock, int flags);
/* The file (with a reference) and socket behind a descriptor; NULL with -UK_EBADF or -UK_ENOTSOCK
 * in `error`. */
struct uk_file *uk_socket_get(int fd, struct uk_socket **sock, int *error);

/* calls.c: a name out to user memory, as accept and recvfrom give it. */
int uk_name_to_user(const struct uk_sockaddr *name, uint32_t size, uint64_t to, uint64_t to_size);
int uk_name_from_user(uint64_t from, uint64_t size, struct uk_sockaddr *name);

#endif
