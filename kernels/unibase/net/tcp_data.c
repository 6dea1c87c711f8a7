/*
 * The data of TCP sockets. Sending copies once, from the program's memory into buffers that lwIP's
 * segments and the device refer to until the peer has acknowledged them. Receiving copies once, out
 * of the driver's buffers; but small segments that pile up are gathered, or a peer could fill
 * memory with buffers of one byte each.
 */
#include <uk/mem.h>

#include "tcp_sock.h"

#include "lwip/priv/tcp_priv.h"

#define CHUNK_ORDER 2		  /* 16 KiB */
#define PAGES_MOST 61440u	  /* bytes of pages that one write refers to */
#define SMALL_MAX 2048u		  /* of a chunk from the slabs */
#define GATHER_BELOW 512u	  /* bytes of a segment */
#define GATHER_SIZE 1900u	  /* with lwIP's header one slab object */
#define SEND_LEAST (16ull * 1024) /* a connection's part, however little memory is left */
#define SEND_LOW (48ull * 1024)	  /* room that is worth waking the program for */
#define QUEUE_RESERVE 64	  /* of lwIP's queue, for the segments of one write */

/* What was sent and not acknowledged; the data lies behind, or in pages of the cache. */
struct sent_chunk {
	struct uk_list item;
	struct uk_net_later later;
	uint32_t size;
	uint32_t acked;
	uint32_t whole; /* bytes of memory */
	struct uk_page *page;
	uint8_t data[];
};

static uint64_t sent_memory; /* of all chunks */

/* --- sending --- */

static struct sent_chunk *chunk_new(uint64_t wanted)
{
	uint64_t whole = sizeof(struct sent_chunk) + wanted;
	struct sent_chunk *chunk = NULL;
	unsigned order = 0;

	if (whole <= SMALL_MAX) {
		chunk = uk_alloc(whole);
	} else {
		struct uk_page *page;

		while (order < CHUNK_ORDER && ((uint64_t)UK_PAGE_SIZE << order) < whole)
			order++;
		whole = (uint64_t)UK_PAGE_SIZE << order;
		page = uk_page_alloc(order, false);
		chunk = page != NULL ? uk_page_virt(page) : NULL;
	}
	if (chunk == NULL)
		return NULL;
	memset(chunk, 0, sizeof(*chunk));
	chunk->whole = (uint32_t)whole;
	sent_memory += whole;
	return chunk;
}

/* As many as the data lies in. */
static unsigned page_count(const struct sent_chunk *chunk)
{
	return (unsigned)((chunk->whole - sizeof(*chunk)) / UK_PAGE_SIZE);
}

static void put_pages(struct sent_chunk *chunk)
{
	char *first = uk_page_virt(chunk->page);

	for (unsigned i = 0; i < page_count(chunk); i++)
		uk_page_put(uk_page_of(uk_virt_to_phys(first + i * UK_PAGE_SIZE)));
	uk_free(chunk);
}

/* `size` bytes of pages of the cache. */
static struct sent_chunk *chunk_of_pages(const uint8_t *data, uint64_t size)
{
	struct sent_chunk *chunk = uk_alloc(sizeof(*chunk));
	char *first = (char *)UK_ALIGN_DOWN((uintptr_t)data, UK_PAGE_SIZE);

	if (chunk == NULL)
		return NULL;
	memset(chunk, 0, sizeof(*chunk));
	chunk->page = uk_page_of(uk_virt_to_phys(first));
	chunk->size = (uint32_t)size;
	chunk->whole =
		(uint32_t)(sizeof(*chunk) +
			   UK_ALIGN_UP((uint64_t)(data - (uint8_t *)first) + size, UK_PAGE_SIZE));
	for (unsigned i = 0; i < page_count(chunk); i++)
		uk_page_get(uk_page_of(uk_virt_to_phys(first + i * UK_PAGE_SIZE)));
	sent_memory += chunk->whole;
	return chunk;
}

static void chunk_free(struct uk_net_later *later)
{
	struct sent_chunk *chunk = uk_container(later, struct sent_chunk, later);

	sent_memory -= chunk->whole;
	if (chunk->page != NULL)
		put_pages(chunk);
	else if (chunk->whole <= SMALL_MAX)
		uk_free(chunk);
	else
		uk_page_put(uk_page_of(uk_virt_to_phys(chunk)));
}

static void chunk_drop(struct tcp_sock *tcp, struct sent_chunk *chunk)
{
	tcp->queued -= chunk->size - chunk->acked;
	uk_list_remove(&chunk->item);
	uk_net_later(&chunk->later, chunk_free);
}

void tcp_sock_drop_sent(struct tcp_sock *tcp)
{
	while (!uk_list_empty(&tcp->sent))
		chunk_drop(tcp, uk_list_first(&tcp->sent, struct sent_chunk, item));
}

bool tcp_sock_acked(struct tcp_sock *tcp, uint32_t size)
{
	tcp->progress = uk_time_mono();
	while (size != 0 && !uk_list_empty(&tcp->sent)) {
		struct sent_chunk *chunk = uk_list_first(&tcp->sent, struct sent_chunk, item);
		uint32_t take = UK_MIN(size, chunk->size - chunk->acked);

		chunk->acked += take;
		tcp->queued -= take;
		size -= take;
		if (chunk->acked == chunk->size)
			chunk_drop(tcp, chunk);
	}
	if (tcp->closed)
		return !uk_list_empty(&tcp->sent);
	if (tcp->wants_room && tcp_sock_writable(tcp)) {
		tcp->wants_room = false;
		uk_socket_wake(&tcp->base);
	}
	return true;
}

/* Bytes that may wait in this connection: less as memory is used up by all of them, for a peer that
 * stops reading must not stop the others. */
static uint64_t send_limit(void)
{
	uint64_t pool = uk_mem_total() / 4;
	uint64_t left = pool > sent_memory ? pool - sent_memory : 0;

	return UK_MIN(UK_MAX(left / 8, SEND_LEAST), (uint64_t)TCP_SND_BUF);
}

static uint64_t send_room(struct tcp_sock *tcp)
{
	uint64_t limit = send_limit();

	if (tcp->queued >= limit || tcp_sndqueuelen(tcp->pcb) > TCP_SND_QUEUELEN - QUEUE_RESERVE)
		return 0;
	return UK_MIN((uint64_t)tcp_sndbuf(tcp->pcb), limit - tcp->queued);
}

/* Little room is left to gather: waking the program for every segment costs more. */
bool tcp_sock_writable(struct tcp_sock *tcp)
{
	return tcp->state == SOCK_CONNECTED && tcp->pcb != NULL &&
	       send_room(tcp) >= UK_MIN(SEND_LOW, send_limit() / 3) &&
	       tcp_sndqueuelen(tcp->pcb) < TCP_SND_QUEUELEN / 2;
}

static int64_t send_state(struct tcp_sock *tcp)
{
	if (tcp->base.error != 0) {
		int error = tcp->base.error;

		tcp->base.error = 0;
		return error;
	}
	if (tcp->state == SOCK_CONNECTING && !tcp->write_shut)
		return -UK_EAGAIN;
	return tcp->state == SOCK_CONNECTED && !tcp->write_shut && tcp->pcb != NULL ? 0 : -UK_EPIPE;
}

static int64_t chunk_write(struct tcp_sock *tcp, struct sent_chunk *chunk, const void *data,
			   bool more)
{
	uint32_t size = chunk->size;
	err_t error = large_write(tcp, data, (uint16_t)size, more ? TCP_WRITE_FLAG_MORE : 0);

	if (error != ERR_OK) {
		chunk_free(&chunk->later);
		return error == ERR_MEM ? -UK_EAGAIN : uk_lwip_errno(error);
	}
	if (tcp->queued == 0)
		tcp->progress = uk_time_mono();
	tcp->queued += size;
	uk_list_push_back(&tcp->sent, &chunk->item);
	return size;
}

static bool has_more(const struct uk_message *message)
{
	return message->data->left != 0 || (message->flags & UK_MSG_MORE) != 0;
}

/* One buffer's worth of the message; bytes, or negative errno. */
static int64_t send_chunk(struct tcp_sock *tcp, struct uk_message *message, uint64_t room)
{
	uint64_t limit = ((uint64_t)UK_PAGE_SIZE << CHUNK_ORDER) - sizeof(struct sent_chunk);
	uint64_t size = UK_MIN(UK_MIN(message->data->left, room), limit);
	struct sent_chunk *chunk = chunk_new(size);
	int64_t got;

	if (chunk == NULL)
		return tcp->queued != 0 ? -UK_EAGAIN : -UK_ENOBUFS;
	got = uk_iter_get(message->data, chunk->data, size);
	if (got <= 0) {
		chunk_free(&chunk->later);
		return got;
	}
	chunk->size = (uint32_t)got;
	return chunk_write(tcp, chunk, chunk->data, has_more(message));
}

/* The same for pages of the cache, which are referred to and not copied. */
static int64_t send_pages(struct tcp_sock *tcp, struct uk_message *message, uint64_t room)
{
	struct uk_iter *data = message->data;
	uint64_t size = UK_MIN(UK_MIN(data->left, room), (uint64_t)PAGES_MOST);
	struct sent_chunk *chunk = chunk_of_pages(data->kernel, size);
	int64_t done;

	if (chunk == NULL)
		return tcp->queued != 0 ? -UK_EAGAIN : -UK_ENOBUFS;
	done = chunk_write(tcp, chunk, data->kernel,
			   size < data->left || (message->flags & UK_MSG_MORE) != 0);
	if (done > 0) {
		data->kernel += done;
		data->left -= (uint64_t)done;
	}
	return done;
}

/* Whether what was written last may wait for more: asked for, and less than a segment. lwIP's slow
 * timer sends it if nothing follows. */
static bool holds_back(const struct tcp_sock *tcp, const struct uk_message *message)
{
	return (tcp->base.option[UK_OPT_CORK] || (message->flags & UK_MSG_MORE) != 0) &&
	       tcp->pcb->unsent != NULL && tcp->pcb->unsent->next == NULL &&
	       tcp->pcb->unsent->len < large_size(tcp);
}

int64_t tcp_sock_send(struct uk_socket *sock, struct uk_message *message)
{
	struct tcp_sock *tcp = tcp_of(sock);
	int64_t done = 0, status;

	if ((message->flags & UK_MSG_FASTOPEN) != 0) /* options.c says why */
		return -UK_EOPNOTSUPP;
	status = send_state(tcp);
	if (status != 0)
		return status;
	if (message->data->left == 0)
		return 0;
	while (message->data->left != 0) {
		uint64_t room = send_room(tcp);

		if (room == 0)
			status = -UK_EAGAIN;
		else if (message->page != NULL)
			status = send_pages(tcp, message, room);
		else
			status = send_chunk(tcp, message, room);
		if (status <= 0)
			break;
		done += status;
	}
	tcp->wants_room |= message->data->left != 0;
	if (done == 0 && status == 0)
		status = -UK_EAGAIN;
	/* What was held back goes before anybody waits for room. */
	if (message->data->left != 0 || !holds_back(tcp, message)) {
		large_fit(tcp);
		tcp_output(tcp->pcb);
	}
	return done != 0 ? done : status;
}

/* --- receiving --- */

void tcp_sock_drop_received(struct tcp_sock *tcp)
{
	while (tcp->first != NULL) {
		struct pbuf *next = tcp->first->next;

		tcp->first->next = NULL;
		pbuf_free(tcp->first);
		tcp->first = next;
	}
	tcp->last = NULL;
	tcp->received = 0;
	tcp->first_used = 0;
	tcp->last_room = 0;
}

/* Small segments behind others go into one buffer together. */
static bool gather(struct tcp_sock *tcp, struct pbuf *p)
{
	if (tcp->last == NULL || p->tot_len > GATHER_BELOW)
		return false;
	if (tcp->last_room < p->tot_len) {
		struct pbuf *last = pbuf_alloc(PBUF_RAW, GATHER_SIZE, PBUF_RAM);

		if (last == NULL)
			return false;
		last->len = last->tot_len = 0;
		tcp->last->next = last;
		tcp->last = last;
		tcp->last_room = GATHER_SIZE;
	}
	pbuf_copy_partial(p, (uint8_t *)tcp->last->payload + tcp->last->len, p->tot_len, 0);
	tcp->last->len = tcp->last->tot_len = (u16_t)(tcp->last->len + p->tot_len);
	tcp->last_room = (uint16_t)(tcp->last_room - p->tot_len);
	return true;
}

void tcp_sock_keep(struct tcp_sock *tcp, struct pbuf *p)
{
	tcp->received += p->tot_len;
	if (gather(tcp, p)) {
		pbuf_free(p);
		return;
	}
	if (tcp->last == NULL)
		tcp->first = p;
	else
		tcp->last->next = p;
	while (p->next != NULL)
		p = p->next;
	tcp->last = p;
	tcp->last_room = 0;
}

static void take_received(struct tcp_sock *tcp, uint64_t size)
{
	uint64_t left = size;

	while (left != 0) {
		struct pbuf *p = tcp->first;
		uint64_t here = UK_MIN(left, (uint64_t)p->len - tcp->first_used);

		tcp->first_used = (uint16_t)(tcp->first_used + here);
		left -= here;
		if (tcp->first_used != p->len)
			continue;
		tcp->first = p->next;
		if (tcp->first == NULL) {
			tcp->last = NULL;
			tcp->last_room = 0;
		}
		p->next = NULL;
		pbuf_free(p);
		tcp->first_used = 0;
	}
	tcp->received -= size;
	while (size != 0 && tcp->pcb != NULL) {
		u16_t step = (u16_t)UK_MIN(size, 0xffffu);

		tcp_recved(tcp->pcb, step);
		size -= step;
	}
}

/* What there is, up to what is asked for; with MSG_TRUNC counted and not moved. */
static int64_t copy_received(struct tcp_sock *tcp, struct uk_message *message)
{
	uint16_t used = tcp->first_used;
	int64_t done = 0, status = 0;

	for (struct pbuf *p = tcp->first; p != NULL && message->data->left != 0; p = p->next) {
		uint64_t here = UK_MIN((uint64_t)p->len - used, message->data->left);

		status = (message->flags & UK_MSG_TRUNC)
				 ? (int64_t)here
				 : uk_iter_put(message->data, (uint8_t *)p->payload + used, here);
		if (status < 0)
			break;
		if (message->flags & UK_MSG_TRUNC)
			message->data->left -= here;
		done += status;
		used = 0;
		if ((uint64_t)status < here)
			break;
	}
	return done != 0 ? done : status;
}

int64_t tcp_sock_receive(struct uk_socket *sock, struct uk_message *message)
{
	struct tcp_sock *tcp = tcp_of(sock);
	int64_t done;

	if (message->flags & UK_MSG_OOB)
		return -UK_EINVAL;
	message->name_size = 0; /* a stream's data has no sender */
	if (tcp->received != 0) {
		done = copy_received(tcp, message);
		if (done > 0 && (message->flags & UK_MSG_PEEK) == 0)
			take_received(tcp, (uint64_t)done);
		return done;
	}
	if (sock->error != 0) {
		done = sock->error;
		sock->error = 0;
		return done;
	}
	if (tcp->eof || tcp->read_shut)
		return 0;
	return tcp->state == SOCK_NEW || sock->listening ? -UK_ENOTCONN : -UK_EAGAIN;
}
