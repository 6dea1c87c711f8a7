/*
 * The calls that move data over sockets, with names, vectors and passed descriptors.
 */
#include <uk/mem.h>
#include <uk/syscall.h>
#include <uk/vfs.h>

#include "sockfile.h"

#define CONTROL_MAX 1024
#define PASSED_MAX 64
#define MESSAGES_MAX 1024
#define CMSG_ALIGN(size) UK_ALIGN_UP((size), sizeof(uint64_t))

static int64_t send_buffer(int fd, uint64_t data, uint64_t size, int flags, uint64_t to,
			   uint64_t to_size)
{
	struct uk_iovec vec = { data, UK_MIN(size, UK_RW_MAX) };
	struct uk_sockaddr name;
	struct uk_message message = { .flags = flags };
	struct uk_socket *sock;
	struct uk_file *file;
	struct uk_iter it;
	int64_t done;
	int status;

	if (to != 0) {
		status = uk_name_from_user(to, to_size, &name);
		if (status != 0)
			return status;
		message.name = &name;
		message.name_size = (uint32_t)to_size;
	}
	file = uk_socket_get(fd, &sock, &status);
	if (file == NULL)
		return status;
	uk_iter_user(&it, &vec, 1);
	message.data = &it;
	done = uk_socket_send(sock, &message, (file->flags & UK_O_NONBLOCK) != 0);
	uk_file_put(file);
	return done;
}

int64_t uk_sys_sendto(const struct uk_sysargs *s)
{
	return send_buffer((int)s->a[0], s->a[1], s->a[2], (int)s->a[3], s->a[4], s->a[5]);
}

int64_t uk_sys_recvfrom(const struct uk_sysargs *s)
{
	struct uk_iovec vec = { s->a[1], UK_MIN(s->a[2], UK_RW_MAX) };
	struct uk_sockaddr name = { .family = UK_AF_UNSPEC };
	struct uk_message message = { .flags = (int)s->a[3], .name = &name };
	struct uk_socket *sock;
	struct uk_iter it;
	int64_t done;
	int status;
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	uk_iter_user(&it, &vec, 1);
	message.data = &it;
	done = uk_socket_receive(sock, &message, (file->flags & UK_O_NONBLOCK) != 0);
	uk_file_put(file);
	if (done >= 0 && s->a[4] != 0) {
		status = uk_name_to_user(&name, message.name_size, s->a[4], s->a[5]);
		if (status != 0)
			return status;
	}
	return done;
}

/* --- sendmsg and recvmsg --- */

struct vectors {
	struct uk_iovec few[8];
	struct uk_iovec *vec; /* `few`, or allocated */
	struct uk_iter it;
};

static int vectors_load(struct vectors *v, const struct uk_linux_msghdr *header)
{
	uint64_t total = 0;

	v->vec = v->few;
	if (header->iov_count > UK_IOV_MAX)
		return -UK_EMSGSIZE;
	if (header->iov_count > UK_COUNT(v->few)) {
		v->vec = uk_alloc(header->iov_count * sizeof(*v->vec));
		if (v->vec == NULL)
			return -UK_ENOMEM;
	}
	if (uk_copy_from_user(v->vec, header->iov, header->iov_count * sizeof(*v->vec)) != 0)
		return -UK_EFAULT;
	for (uint64_t i = 0; i < header->iov_count; i++) {
		if (v->vec[i].size > UK_RW_MAX - total)
			v->vec[i].size = UK_RW_MAX - total;
		total += v->vec[i].size;
	}
	uk_iter_user(&v->it, v->vec, (unsigned)header->iov_count);
	return 0;
}

static void vectors_free(struct vectors *v)
{
	if (v->vec != v->few)
		uk_free(v->vec);
}

static void files_put(struct uk_file **files, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		uk_file_put(files[i]);
}

/* The descriptors of SCM_RIGHTS, each with a reference. */
static int load_rights(const uint8_t *data, uint64_t size, struct uk_message *message)
{
	for (; size >= sizeof(int32_t); data += sizeof(int32_t), size -= sizeof(int32_t)) {
		int32_t fd;

		memcpy(&fd, data, sizeof(fd));
		if (message->file_count == PASSED_MAX)
			return -UK_EINVAL;
		message->files[message->file_count] = uk_fd_get(fd);
		if (message->files[message->file_count] == NULL)
			return -UK_EBADF;
		message->file_count++;
	}
	return 0;
}

/* The address to send from. */
static int load_info(int level, const uint8_t *data, uint64_t size, struct uk_packet_info *info)
{
	struct uk_linux_in_pktinfo four;
	struct uk_linux_in6_pktinfo six;

	if (size < (level == UK_IPPROTO_IP ? sizeof(four) : sizeof(six)))
		return -UK_EINVAL;
	if (level == UK_IPPROTO_IP) {
		memcpy(&four, data, sizeof(four));
		info->family = UK_AF_INET;
		info->interface = four.interface;
		memcpy(info->address, &four.source, sizeof(four.source));
	} else {
		memcpy(&six, data, sizeof(six));
		info->family = UK_AF_INET6;
		info->interface = six.interface;
		memcpy(info->address, six.address, sizeof(six.address));
	}
	return 0;
}

static int load_one(const struct uk_linux_cmsghdr *head, const uint8_t *data,
		    struct uk_message *message)
{
	uint64_t size = head->size - sizeof(*head);

	if (head->level == UK_SOL_SOCKET && head->type == UK_SCM_RIGHTS)
		return load_rights(data, size, message);
	if ((head->level == UK_IPPROTO_IP && head->type == UK_IP_PKTINFO) ||
	    (head->level == UK_IPPROTO_IPV6 && head->type == UK_IPV6_PKTINFO))
		return load_info(head->level, data, size, &message->info);
	return 0;
}

/* What came along in control messages; message->files has room for PASSED_MAX. */
static int control_load(const struct uk_linux_msghdr *header, struct uk_message *message)
{
	uint8_t *control;
	uint64_t at = 0;
	int status = 0;

	if (header->control_size > CONTROL_MAX)
		return -UK_ENOBUFS;
	control = uk_alloc(header->control_size);
	if (control == NULL)
		return -UK_ENOMEM;
	if (uk_copy_from_user(control, header->control, header->control_size) != 0)
		status = -UK_EFAULT;
	while (status == 0 && header->control_size - at >= sizeof(struct uk_linux_cmsghdr)) {
		struct uk_linux_cmsghdr head;

		memcpy(&head, control + at, sizeof(head));
		if (head.size < sizeof(head) || head.size > header->control_size - at)
			status = -UK_EINVAL;
		else
			status = load_one(&head, control + at + sizeof(head), message);
		at += UK_MIN(CMSG_ALIGN(head.size), header->control_size - at);
	}
	uk_free(control);
	if (status != 0) {
		files_put(message->files, message->file_count);
		message->file_count = 0;
	}
	return status;
}

static int64_t send_message(struct uk_file *file, struct uk_socket *sock,
			    const struct uk_linux_msghdr *header, int flags)
{
	struct uk_message message = { .flags = flags };
	struct uk_file **files = NULL;
	struct uk_sockaddr name;
	struct vectors v;
	int64_t done;
	int status = vectors_load(&v, header);

	message.data = &v.it;
	if (status == 0 && header->name != 0) {
		status = uk_name_from_user(header->name, header->name_size, &name);
		message.name = &name;
		message.name_size = header->name_size;
	}
	if (status == 0 && header->control_size != 0) {
		files = uk_alloc(PASSED_MAX * sizeof(struct uk_file *));
		message.files = files;
		status = files == NULL ? -UK_ENOMEM : control_load(header, &message);
	}
	if (status != 0) {
		done = status;
	} else {
		done = uk_socket_send(sock, &message, (file->flags & UK_O_NONBLOCK) != 0);
		/* The receiver's queue took references of its own. */
		files_put(message.files, message.file_count);
	}
	uk_free(files);
	vectors_free(&v);
	return done;
}

int64_t uk_sys_sendmsg(const struct uk_sysargs *s)
{
	struct uk_linux_msghdr header;
	struct uk_socket *sock;
	int64_t done;
	int status;
	struct uk_file *file;

	if (uk_copy_from_user(&header, s->a[1], sizeof(header)) != 0)
		return -UK_EFAULT;
	file = uk_socket_get((int)s->a[0], &sock, &status);
	if (file == NULL)
		return status;
	done = send_message(file, sock, &header, (int)s->a[2]);
	uk_file_put(file);
	return done;
}

int64_t uk_sys_sendmmsg(const struct uk_sysargs *s)
{
	uint64_t count = UK_MIN((uint32_t)s->a[2], MESSAGES_MAX), sent = 0;
	struct uk_linux_mmsghdr header;
	struct uk_socket *sock;
	int64_t done = 0;
	int status;
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	for (; sent < count; sent++) {
		uint64_t at = s->a[1] + sent * sizeof(header);
		uint32_t size;

		if (uk_copy_from_user(&header, at, sizeof(header)) != 0)
			done = -UK_EFAULT;
		else
			done = send_message(file, sock, &header.header, (int)s->a[3]);
		if (done < 0)
			break;
		size = (uint32_t)done;
		if (uk_copy_to_user(at + offsetof(struct uk_linux_mmsghdr, size), &size,
				    sizeof(size)) != 0) {
			done = -UK_EFAULT;
			break;
		}
	}
	uk_file_put(file);
	return sent != 0 ? (int64_t)sent : done;
}

/* The program's buffer for control messages. */
struct control {
	uint64_t at, left;
	uint64_t used;
};

static int control_put(struct control *control, int level, int type, const void *data, size_t size,
		       struct uk_message *message)
{
	struct uk_linux_cmsghdr head = { sizeof(head) + size, level, type };
	uint64_t whole;

	if (control->left < sizeof(head)) {
		message->out_flags |= UK_MSG_CTRUNC;
		return 0;
	}
	if (head.size > control->left) {
		message->out_flags |= UK_MSG_CTRUNC;
		head.size = control->left;
	}
	whole = UK_MIN(CMSG_ALIGN(head.size), control->left);
	if (uk_copy_to_user(control->at, &head, sizeof(head)) != 0 ||
	    uk_copy_to_user(control->at + sizeof(head), data, head.size - sizeof(head)) != 0)
		return -UK_EFAULT;
	control->at += whole;
	control->left -= whole;
	control->used += whole;
	return 0;
}

/* Descriptors that came with the data: as many as there is room for. */
static int store_rights(struct control *control, struct uk_message *message)
{
	int32_t fds[PASSED_MAX];
	uint64_t room =
		control->left > sizeof(struct uk_linux_cmsghdr)
			? (control->left - sizeof(struct uk_linux_cmsghdr)) / sizeof(int32_t)
			: 0;
	unsigned stored = 0;

	for (unsigned i = 0; i < message->file_count; i++) {
		if (stored == room) {
			uk_file_put(message->files[i]);
			message->out_flags |= UK_MSG_CTRUNC;
			continue;
		}
		fds[stored] = uk_fd_install(message->files[i],
					    (message->flags & UK_MSG_CMSG_CLOEXEC) != 0);
		if (fds[stored] < 0)
			message->out_flags |= UK_MSG_CTRUNC;
		else
			stored++;
	}
	if (stored == 0)
		return 0;
	return control_put(control, UK_SOL_SOCKET, UK_SCM_RIGHTS, fds, stored * sizeof(fds[0]),
			   message);
}

static int store_info(struct control *control, struct uk_message *message)
{
	struct uk_packet_info *info = &message->info;
	struct uk_linux_in_pktinfo four = { .interface = info->interface };
	struct uk_linux_in6_pktinfo six = { .interface = info->interface };

	if (info->family == UK_AF_INET) {
		memcpy(&four.source, info->address, sizeof(four.source));
		four.destination = four.source;
		return control_put(control, UK_IPPROTO_IP, UK_IP_PKTINFO, &four, sizeof(four),
				   message);
	}
	memcpy(six.address, info->address, sizeof(six.address));
	return control_put(control, UK_IPPROTO_IPV6, UK_IPV6_PKTINFO, &six, sizeof(six), message);
}

/* How far a datagram came and how urgent it is; IPv4 tells the latter in one byte. */
static int store_header(struct control *control, struct uk_message *message)
{
	const struct uk_packet_info *info = &message->info;
	const int level = info->six ? UK_IPPROTO_IPV6 : UK_IPPROTO_IP;
	const int32_t hops = info->hops, class = info->class;
	int status = 0;

	if (info->says_hops)
		status = control_put(control, level, info->six ? UK_IPV6_HOPLIMIT : UK_IP_TTL,
				     &hops, sizeof(hops), message);
	if (status == 0 && info->says_class)
		status = control_put(control, level, info->six ? UK_IPV6_TCLASS : UK_IP_TOS, &class,
				     info->six ? sizeof(class) : sizeof(info->class), message);
	return status;
}

/* Who sent it: the program itself, or the kernel, by its sockets alone. */
static int store_credentials(struct control *control, const struct uk_socket *sock,
			     struct uk_message *message)
{
	struct uk_linux_ucred from = { .pid = sock->family == UK_AF_UNIX };

	if (!sock->option[UK_OPT_PASS_CREDENTIALS])
		return 0;
	return control_put(control, UK_SOL_SOCKET, UK_SCM_CREDENTIALS, &from, sizeof(from),
			   message);
}

static int control_store(struct uk_linux_msghdr *header, const struct uk_socket *sock,
			 struct uk_message *message)
{
	struct control control = { header->control, header->control_size, 0 };
	int status;

	if (header->control == 0)
		control.left = 0;
	status = store_credentials(&control, sock, message);
	if (status == 0 && message->file_count != 0)
		status = store_rights(&control, message);
	if (status == 0 && message->info.family != 0)
		status = store_info(&control, message);
	if (status == 0)
		status = store_header(&control, message);
	header->control_size = control.used;
	return status;
}

static int64_t receive_message(struct uk_file *file, struct uk_socket *sock,
			       struct uk_linux_msghdr *header, int flags)
{
	struct uk_sockaddr name = { .family = UK_AF_UNSPEC };
	struct uk_message message = { .flags = flags, .name = &name };
	struct uk_file *files[PASSED_MAX];
	struct vectors v;
	int64_t done;
	int status = vectors_load(&v, header);

	if (status != 0) {
		vectors_free(&v);
		return status;
	}
	message.data = &v.it;
	message.files = files;
	done = uk_socket_receive(sock, &message, (file->flags & UK_O_NONBLOCK) != 0);
	vectors_free(&v);
	if (done < 0)
		return done;
	status = control_store(header, sock, &message);
	if (status == 0 && header->name != 0) {
		status = uk_copy_to_user(header->name, &name,
					 UK_MIN(header->name_size, message.name_size));
		header->name_size = message.name_size;
	}
	header->flags = message.out_flags;
	return status != 0 ? status : done;
}

int64_t uk_sys_recvmsg(const struct uk_sysargs *s)
{
	struct uk_linux_msghdr header;
	struct uk_socket *sock;
	int64_t done;
	int status;
	struct uk_file *file;

	if (uk_copy_from_user(&header, s->a[1], sizeof(header)) != 0)
		return -UK_EFAULT;
	file = uk_socket_get((int)s->a[0], &sock, &status);
	if (file == NULL)
		return status;
	done = receive_message(file, sock, &header, (int)s->a[2]);
	uk_file_put(file);
	if (done >= 0 && uk_copy_to_user(s->a[1], &header, sizeof(header)) != 0)
		return -UK_EFAULT;
	return done;
}

int64_t uk_sys_recvmmsg(const struct uk_sysargs *s)
{
	uint64_t count = UK_MIN((uint32_t)s->a[2], MESSAGES_MAX), got = 0;
	int flags = (int)s->a[3];
	struct uk_linux_mmsghdr header;
	struct uk_socket *sock;
	int64_t done = 0;
	int status;
	struct uk_file *file = uk_socket_get((int)s->a[0], &sock, &status);

	if (file == NULL)
		return status;
	for (; got < count; got++) {
		uint64_t at = s->a[1] + got * sizeof(header);

		if (uk_copy_from_user(&header, at, sizeof(header)) != 0)
			done = -UK_EFAULT;
		else
			done = receive_message(file, sock, &header.header, flags);
		if (done < 0)
			break;
		header.size = (uint32_t)done;
		if (uk_copy_to_user(at, &header, sizeof(header)) != 0) {
			done = -UK_EFAULT;
			break;
		}
		if (flags & UK_MSG_WAITFORONE)
			flags |= UK_MSG_DONTWAIT;
	}
	uk_file_put(file);
	return got != 0 ? (int64_t)got : done;
}
