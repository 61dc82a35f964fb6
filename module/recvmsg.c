// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * recvmsg(): what came, in the one order that the interface promises: handshake
 * messages, events, then stream data and datagrams. Bytes go straight from the
 * received packet to the user. uapi.md, sections 3.6 and 3.7.
 */
#include <linux/uio.h>
#include <net/sock.h>

#include "cmsg.h"
#include "sock.h"

/*
 * What came in 0-RTT packets waits for the end of the handshake, whose messages alone are read
 * until then: uapi.md, sections 3.6 and 11.3. RFC 9001, section 5.7.
 */
static struct quic_recv_chunk *quic_recv_first(struct quic_sock *qs, struct list_head **queue)
{
	*queue = !list_empty(&qs->handshake_queue) || qs->conn.state == QUIC_CONN_HANDSHAKE ?
		 &qs->handshake_queue :
		 !list_empty(&qs->event_queue) ? &qs->event_queue : &qs->data_queue;
	return list_first_entry_or_null(*queue, struct quic_recv_chunk, rx.link);
}

static int quic_recv_wait(struct quic_sock *qs, long timeo)
{
	struct sock *sk = quic_sock_sk(qs);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct list_head *queue;
	int err = 0;

	add_wait_queue(sk_sleep(sk), &wait);
	while (!quic_recv_first(qs, &queue)) {
		if (sk->sk_state == TCP_CLOSE || sk->sk_state == TCP_LISTEN)
			err = -ENOTCONN;
		else
			err = quic_wait_error(timeo);
		if (err)
			break;
		sk_set_bit(SOCKWQ_ASYNC_WAITDATA, sk);
		release_sock(sk);
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		lock_sock(sk);
		sk_clear_bit(SOCKWQ_ASYNC_WAITDATA, sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return err;
}

/**
 * quic_recv_copy() - copy what fits of a chunk
 * @chunk: the chunk
 * @msg:   where to
 * @room:  bytes there
 *
 * Return: bytes copied, fewer where the user's memory ends.
 */
u32 quic_recv_copy(const struct quic_recv_chunk *chunk, struct msghdr *msg, size_t room)
{
	u32 n = min_t(size_t, room, chunk->rx.len - chunk->read);
	u8 *from = chunk->rx.data + chunk->read;

	if (!n)
		return 0;
	/* Within a page its bounds are all that has to be checked. */
	if (likely(chunk->skb && !skb_headlen(chunk->skb) && !skb_has_frag_list(chunk->skb) &&
		   offset_in_page(from) + n <= PAGE_SIZE))
		return copy_page_to_iter(virt_to_page(from), offset_in_page(from), n,
					 &msg->msg_iter);
	return copy_to_iter(from, n, &msg->msg_iter);
}

/**
 * quic_recv_take() - bytes of a chunk were taken
 * @chunk: first of its queue; freed when none is left
 * @n:     how many
 */
void quic_recv_take(struct quic_recv_chunk *chunk, u32 n)
{
	chunk->read += n;
	if (chunk->read < chunk->rx.len)
		return;
	list_del(&chunk->rx.link);
	quic_recv_chunk_free(chunk);
}

/* A handshake message, event or datagram: one for each call. */
static int quic_recv_single(struct quic_sock *qs, struct quic_recv_chunk *chunk,
			    struct msghdr *msg, size_t len, bool peek)
{
	u32 left = chunk->rx.len - chunk->read;
	u32 want = min_t(size_t, len, left);
	u32 n = quic_recv_copy(chunk, msg, len);

	if (n < want && !n)
		return -EFAULT;
	if (n == left)
		msg->msg_flags |= MSG_EOR;
	if (chunk->kind == QUIC_RECV_HANDSHAKE)
		quic_cmsg_put_handshake(msg, chunk->level);
	else if (chunk->kind == QUIC_RECV_EVENT)
		msg->msg_flags |= MSG_QUIC_NOTIFICATION;
	else
		msg->msg_flags |= MSG_QUIC_DATAGRAM;
	if (!peek)
		quic_recv_take(chunk, n);
	return n;
}

/* Pieces of one stream that lie behind each other are merged. */
static int quic_recv_stream(struct quic_sock *qs, struct quic_recv_chunk *chunk,
			    struct msghdr *msg, size_t len, bool peek)
{
	struct quic_recv_chunk *next, *done = NULL;
	u64 stream_id = chunk->stream_id;
	size_t copied = 0;
	bool fin = false;

	for (;;) {
		u32 left = chunk->rx.len - chunk->read;
		u32 want = min_t(size_t, len - copied, left);
		u32 n = quic_recv_copy(chunk, msg, len - copied);
		bool is_last = list_is_last(&chunk->rx.link, &qs->data_queue);

		if (n < want && !n && !copied)
			return -EFAULT;
		copied += n;
		if (n == left) {
			fin = chunk->fin;
			done = chunk;
		}
		next = is_last ? NULL : list_next_entry(chunk, rx.link);
		if (!peek)
			chunk->read += n;
		/* A full buffer leaves even an empty FIN to the next call. */
		if (n < left || fin || copied == len || !next)
			break;
		if (next->kind != QUIC_RECV_STREAM || next->stream_id != stream_id)
			break;
		chunk = next;
	}

	if (!peek && done)
		quic_recv_chunks_free(&qs->data_queue, done);
	quic_cmsg_put_stream(msg, stream_id, fin ? MSG_QUIC_STREAM_FIN : 0);
	if (!peek && copied)
		quic_conn_stream_consumed(&qs->conn, stream_id, copied);
	return copied;
}

/**
 * quic_sock_recvmsg() - the receive family of calls
 * @sock:  socket
 * @msg:   where to
 * @len:   room there
 * @flags: MSG_DONTWAIT and MSG_PEEK; all others are ignored
 *
 * Return: bytes, 0 for the bare end of a stream, or a negative errno.
 */
int quic_sock_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	struct quic_recv_chunk *chunk;
	struct list_head *queue;
	int ret;

	len = min_t(size_t, len, INT_MAX);
	lock_sock(sk);
	chunk = quic_recv_first(qs, &queue);
	if (!chunk) {
		ret = quic_recv_wait(qs, sock_rcvtimeo(sk, flags & MSG_DONTWAIT));
		if (ret)
			goto out;
		chunk = quic_recv_first(qs, &queue);
	}
	if (chunk->kind == QUIC_RECV_STREAM)
		ret = quic_recv_stream(qs, chunk, msg, len, flags & MSG_PEEK);
	else
		ret = quic_recv_single(qs, chunk, msg, len, flags & MSG_PEEK);
	if (quic_conn_is_open(&qs->conn) && qs->conn.todo)
		quic_sock_settle(qs);
out:
	release_sock(sk);
	return ret;
}
