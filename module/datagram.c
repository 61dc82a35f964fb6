// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Datagrams at the socket: a payload is copied once and waits, charged to the
 * send buffer, until a packet has taken it; a received one joins the queue of
 * recvmsg() or is dropped. RFC 9221; uapi.md, section 3.4.
 */
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "net.h"
#include "sock.h"

/**
 * struct quic_send_datagram - a payload that waits to be sent
 * @core:     the core's view of it
 * @truesize: memory charged to the socket
 * @bytes:    the payload
 */
struct quic_send_datagram {
	struct quic_datagram core;
	u32 truesize;
	u8 bytes[];
};

void quic_host_datagram_free(struct quic_conn *conn, struct quic_datagram *core)
{
	struct quic_send_datagram *datagram;
	struct sock *sk = quic_sock_sk(quic_conn_sock(conn));

	datagram = container_of(core, struct quic_send_datagram, core);
	sk_wmem_queued_add(sk, -(int)datagram->truesize);
	sk_mem_uncharge(sk, datagram->truesize);
	kfree(datagram);
}

/* A copy of the message, charged; may sleep for memory. ERR_PTR. */
static struct quic_send_datagram *quic_datagram_copy(struct sock *sk, struct msghdr *msg, u32 len)
{
	struct quic_send_datagram *datagram;

	datagram = kmalloc(struct_size(datagram, bytes, len), sk->sk_allocation | __GFP_NOWARN);
	if (!datagram)
		return ERR_PTR(-ENOMEM);
	if (!copy_from_iter_full(datagram->bytes, len, &msg->msg_iter)) {
		kfree(datagram);
		return ERR_PTR(-EFAULT);
	}
	datagram->truesize = ksize(datagram);
	if (!sk_wmem_schedule(sk, datagram->truesize)) {
		kfree(datagram);
		return ERR_PTR(-ENOMEM);
	}
	sk_wmem_queued_add(sk, datagram->truesize);
	sk_mem_charge(sk, datagram->truesize);
	datagram->core.data = datagram->bytes;
	datagram->core.len = len;
	return datagram;
}

/**
 * quic_send_datagram() - sendmsg() with MSG_QUIC_DATAGRAM
 * @qs:  locked, open; the lock is dropped while waiting for space
 * @msg: message
 * @len: its length
 *
 * Return: @len, or a negative errno.
 */
int quic_send_datagram(struct quic_sock *qs, struct msghdr *msg, size_t len)
{
	long timeo = sock_sndtimeo(quic_sock_sk(qs), msg->msg_flags & MSG_DONTWAIT);
	struct quic_send_datagram *datagram;
	struct sock *sk = quic_sock_sk(qs);
	struct quic_conn *conn = &qs->conn;
	int err;

	for (;;) {
		err = quic_datagrams_check(conn, len);
		if (err)
			return err;
		if (len > READ_ONCE(sk->sk_sndbuf))
			return -EMSGSIZE;
		err = quic_send_route(qs);
		if (err)
			return err;
		if (quic_send_space(sk) > 0)
			break;
		quic_sock_settle(qs);
		if (quic_send_space(sk) > 0)
			break;
		err = quic_send_wait(qs, &timeo);
		if (err)
			return err;
		if (!quic_send_is_open(sk))
			return -EPIPE;
		quic_sock_update_sndbuf(qs);
	}
	datagram = quic_datagram_copy(sk, msg, len);
	if (IS_ERR(datagram))
		return PTR_ERR(datagram);
	quic_datagrams_queue(conn, &datagram->core);
	return len;
}

/* It counts with the memory that it pins and leaves room for streams; without room it is dropped. */
void quic_host_deliver_datagram(struct quic_conn *conn, const struct quic_rx_packet *rx,
				const u8 *data, u32 len)
{
	struct quic_sock *qs = quic_conn_sock(conn);
	struct quic_recv_chunk *chunk;
	struct quic_rx_chunk *part;

	if (!quic_host_has_reader(qs))
		return;
	part = quic_host_chunk_new(conn, rx, data, len, true);
	if (!part) {
		QUIC_INC_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_FRM_RCVBUFDROP);
		return;
	}
	chunk = container_of(part, struct quic_recv_chunk, rx);
	chunk->kind = QUIC_RECV_DATAGRAM;
	list_add_tail(&chunk->rx.link, &qs->data_queue);
	conn->todo |= QUIC_TODO_WAKE_READ;
}
