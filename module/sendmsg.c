// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sendmsg(): stream data and handshake messages; datagrams are datagram.c's. It
 * picks and opens the stream, waits for credit and space, and puts bytes behind
 * what is queued; the packets are made when the call settles.
 */
#include <linux/uio.h>
#include <net/sock.h>

#include "cmsg.h"
#include "sock.h"
#include "splice.h"

/* More than this is not queued before the packets it makes are sent. */
#define QUIC_SEND_BATCH		(256 * 1024)

#define QUIC_MSG_SEND_FLAGS	(QUIC_STREAM_FLAGS | MSG_QUIC_DATAGRAM | MSG_MORE | MSG_DONTWAIT | \
				 MSG_NOSIGNAL | MSG_WAITALL | MSG_BATCH)

/**
 * quic_send_wait() - sleep until a writer is woken
 * @qs:    locked, settled; the lock is dropped meanwhile
 * @timeo: jiffies left, 0: do not wait
 *
 * Every pointer into the connection must be looked up again afterwards.
 *
 * Return: 0: look again; -EPIPE: the connection ended; what a signal means; -EAGAIN.
 */
int quic_send_wait(struct quic_sock *qs, long *timeo)
{
	struct sock *sk = quic_sock_sk(qs);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err = quic_wait_error(*timeo);

	if (!quic_send_is_open(sk) && !(qs->is_shut && quic_conn_is_open(&qs->conn)))
		return -EPIPE;
	if (err)
		return err;
	add_wait_queue(sk_sleep(sk), &wait);
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	release_sock(sk);
	*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
	lock_sock(sk);
	remove_wait_queue(sk_sleep(sk), &wait);
	return 0;
}

/**
 * quic_send_route() - a route for what will be sent
 * @qs: locked, open
 *
 * Return: 0, or -ENETUNREACH for any trouble: uapi.md, section 3.1.
 */
int quic_send_route(struct quic_sock *qs)
{
	struct quic_route *route = quic_sock_route(qs);
	struct dst_entry *dst = route->dst;

	if (likely(dst && (!READ_ONCE(dst->obsolete) ||
			   dst->ops->check(dst, route->dst_cookie))))
		return 0;
	return quic_udp_route(qs, route) ? -ENETUNREACH : 0;
}

/* STREAMS_BLOCKED: one for each value of the limit. RFC 9000, section 19.14. */
static void quic_send_streams_blocked(struct quic_conn *conn, bool uni)
{
	struct quic_streams_local *local = &conn->streams.local[uni];

	if (local->blocked == QUIC_CONTROL_STALE || local->blocked == QUIC_CONTROL_SENT)
		return;
	local->blocked_at = local->limit;
	local->blocked = QUIC_CONTROL_STALE;
	conn->todo |= QUIC_TODO_TX;
}

/* The stream, if it exists and may be written to with @flags; ERR_PTR. NULL: it must be opened. */
static struct quic_stream *quic_send_lookup(struct quic_conn *conn, u64 id, u32 flags)
{
	struct quic_streams *streams = &conn->streams;
	bool is_local = quic_stream_is_local(streams, id);
	bool uni = id & QUIC_STREAM_UNI;
	struct quic_stream *stream;

	if (id > QUIC_VARINT_MAX || (uni && !is_local))
		return ERR_PTR(-EINVAL);
	stream = quic_streams_find(streams, id);
	if (stream) {
		if (stream->send.state >= QUIC_SEND_SENT)
			return ERR_PTR(-EINVAL);
		if ((flags & MSG_QUIC_STREAM_NEW) && stream->send.state != QUIC_SEND_READY)
			return ERR_PTR(-EINVAL);
		return stream;
	}
	if (!is_local)
		return ERR_PTR(-EINVAL);
	if (id >> 2 < streams->local[uni].next)
		return ERR_PTR(-ENOSTR);
	if (!(flags & MSG_QUIC_STREAM_NEW))
		return ERR_PTR(-EINVAL);
	return NULL;
}

/**
 * quic_send_stream() - the stream to send on, opened if that is asked for
 * @qs:    locked, open; the lock is dropped while waiting for credit
 * @id:    stream ID, or -1: the next one that was never opened
 * @flags: QUIC_STREAM_FLAGS
 * @timeo: how long to wait for stream count credit, jiffies
 * @err:   errno when there is none
 *
 * Return: the stream, or NULL: uapi.md, section 3.5.
 */
struct quic_stream *quic_send_stream(struct quic_sock *qs, s64 id, u32 flags, long timeo, int *err)
{
	struct quic_conn *conn = &qs->conn;
	struct quic_stream *stream;
	bool is_auto = id == -1;

	for (;;) {
		/* While we slept, somebody else may have taken the ID. */
		if (is_auto)
			id = quic_streams_next_id(&conn->streams, flags & MSG_QUIC_STREAM_UNI);
		stream = quic_send_lookup(conn, id, flags);
		if (IS_ERR(stream)) {
			*err = PTR_ERR(stream);
			return NULL;
		}
		if (stream)
			return stream;
		*err = -EINVAL;
		if (!conn->has_remote_params && !conn->early.remembered)
			return NULL;
		if (quic_streams_may_open(&conn->streams, id))
			break;
		if (!(conn->tx_keys & BIT(QUIC_CRYPTO_APP)))
			return NULL;
		if (flags & MSG_QUIC_STREAM_SNDBLOCK)
			quic_send_streams_blocked(conn, id & QUIC_STREAM_UNI);
		*err = -EAGAIN;
		if (flags & MSG_QUIC_STREAM_DONTWAIT)
			return NULL;
		quic_sock_settle(qs);
		*err = quic_send_wait(qs, &timeo);
		if (*err)
			return NULL;
		/* The wait ends with the connection, too. */
		if (!quic_send_is_open(quic_sock_sk(qs))) {
			*err = -EPIPE;
			return NULL;
		}
	}
	*err = 0;
	stream = quic_streams_open(&conn->streams, id, err);
	if (stream)
		conn->streams.active = stream;
	return stream;
}

/**
 * quic_send_stream_some() - queue as many bytes as credit and space allow now
 * @qs:     locked, open
 * @stream: stream that may be written to
 * @msg:    where the bytes come from
 * @flags:  QUIC_STREAM_FLAGS: FIN goes with the last byte, SNDBLOCK tells the peer
 *
 * Return: how many, 0: blocked, or a negative errno.
 */
int quic_send_stream_some(struct quic_sock *qs, struct quic_stream *stream, struct msghdr *msg,
			  u32 flags)
{
	u64 left = msg_data_left(msg);
	struct quic_conn *conn = &qs->conn;
	s64 space = quic_send_space(quic_sock_sk(qs));
	u64 credit;
	bool fin;
	int n;

	credit = quic_conn_stream_credit(conn, stream);
	if (!credit && (flags & MSG_QUIC_STREAM_SNDBLOCK))
		quic_conn_stream_blocked(conn, stream);
	if (space <= 0 || !credit) {
		/* The peer grants more for what it got, not for what MSG_MORE holds back. */
		if (conn->corked)
			conn->todo |= QUIC_TODO_TX;
		conn->corked = false;
		return 0;
	}
	conn->corked = msg->msg_flags & MSG_MORE;
	n = min3(left, credit, quic_send_buf_room(qs, &stream->send.buf, stream->send.ranges.end,
						   min_t(s64, space, QUIC_SEND_BATCH)));
	if (unlikely(quic_splice_is_wanted(msg)))
		n = quic_splice_append(qs, &stream->send.buf, stream->send.ranges.end,
				       &msg->msg_iter, n);
	else
		n = quic_send_buf_append(qs, &stream->send.buf, stream->send.ranges.end,
					 &msg->msg_iter, n);
	if (n <= 0)
		return n ?: -ENOMEM;
	fin = (flags & MSG_QUIC_STREAM_FIN) && n == left;
	quic_conn_stream_queued(conn, stream, n, fin);
	if (fin && conn->streams.active == stream)
		conn->streams.active = NULL;
	return n;
}

static int quic_send_stream_data(struct quic_sock *qs, struct msghdr *msg, size_t len,
				 const struct quic_cmsgs *cmsgs, u32 flags)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_conn *conn = &qs->conn;
	struct quic_stream *stream;
	size_t sent = 0;
	bool blocked;
	long timeo;
	s64 id;
	int err;

	if (!len && !(flags & MSG_QUIC_STREAM_FIN))
		return -EMSGSIZE;
	id = cmsgs->stream.stream_id;
	if (id < -1)
		return -EINVAL;
	if (id == -1 && conn->streams.active)
		id = conn->streams.active->id;

	/* O_NONBLOCK does not speak of stream count credit: uapi.md, section 2.12. */
	stream = quic_send_stream(qs, id, flags, sock_sndtimeo(sk, false), &err);
	if (!stream)
		return err;
	id = stream->id;
	err = quic_send_route(qs);
	if (err)
		return err;

	if (!len) {
		quic_conn_stream_queued(conn, stream, 0, true);
		if (conn->streams.active == stream)
			conn->streams.active = NULL;
		return 0;
	}

	/* NEW has been obeyed; after a wait the stream is just looked up. */
	flags &= ~MSG_QUIC_STREAM_NEW;
	timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	while (sent < len) {
		err = quic_send_stream_some(qs, stream, msg, flags);
		if (err < 0)
			break;
		sent += err;
		if (err) {
			if (sent < len)
				quic_sock_settle(qs);
		} else {
			blocked = !quic_conn_stream_credit(conn, stream);
			quic_sock_settle(qs);
			err = quic_send_wait(qs, &timeo);
			if (err == -EAGAIN && blocked && cmsgs->has_stream)
				err = -ENOSPC;
			if (err)
				break;
		}
		if (sent == len)
			break;
		err = -EPIPE;
		if (!quic_send_is_open(sk))
			break;
		stream = quic_send_lookup(conn, id, flags);
		if (IS_ERR_OR_NULL(stream)) {
			err = -EINVAL;
			break;
		}
		quic_sock_update_sndbuf(qs);
	}
	return sent ?: err;
}

static int quic_send_handshake(struct quic_sock *qs, struct msghdr *msg, size_t len, u8 level)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_conn *conn = &qs->conn;
	struct quic_space *space;
	size_t sent = 0;
	long timeo;
	int err = 0;
	s64 room;

	if (level >= QUIC_CRYPTO_EARLY || !(conn->tx_keys & BIT(level)))
		return -EINVAL;
	if (!len)
		return -EMSGSIZE;
	err = quic_send_route(qs);
	if (err)
		return err;

	timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	while (sent < len) {
		err = -EPIPE;
		if (!quic_send_is_open(sk))
			break;
		space = conn->space[quic_level_space(level)];
		err = -EINVAL;
		if (!space)
			break;
		room = quic_send_space(quic_sock_sk(qs));
		if (room <= 0) {
			quic_sock_settle(qs);
			err = quic_send_wait(qs, &timeo);
			if (err)
				break;
			continue;
		}
		err = quic_send_buf_append(qs, &space->crypto.buf, space->crypto.ranges.end,
					   &msg->msg_iter,
					   min_t(u64, len - sent, min_t(u64, room, QUIC_SEND_BATCH)));
		if (err <= 0) {
			err = err ?: -ENOMEM;
			break;
		}
		quic_conn_crypto_queued(conn, level, err);
		sent += err;
	}
	return sent ?: err;
}

static int quic_send_locked(struct quic_sock *qs, struct msghdr *msg, size_t len)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_cmsgs cmsgs;
	u32 flags;
	int err;

	if (!quic_send_is_open(sk))
		return msg->msg_flags & MSG_QUIC_DATAGRAM ? -EPIPE :
		       sk_stream_error(sk, msg->msg_flags, -EPIPE);
	err = quic_cmsg_parse(msg, &cmsgs);
	if (err)
		return err;

	/* What was held back goes first: this message may be waiting for its memory. */
	if (qs->conn.corked)
		qs->conn.todo |= QUIC_TODO_TX;
	qs->conn.corked = msg->msg_flags & MSG_MORE;
	if (cmsgs.has_handshake)
		return quic_send_handshake(qs, msg, len, cmsgs.handshake.crypto_level);
	if (msg->msg_flags & MSG_QUIC_DATAGRAM)
		return quic_send_datagram(qs, msg, len);

	flags = cmsgs.has_stream ? cmsgs.stream.stream_flags :
				   msg->msg_flags & QUIC_STREAM_FLAGS;
	err = quic_send_stream_data(qs, msg, len, &cmsgs, flags);
	return err == -EPIPE ? sk_stream_error(sk, msg->msg_flags, err) : err;
}

/**
 * quic_sock_sendmsg() - the send family of calls
 * @sock: socket
 * @msg:  message; msg_name is not looked at
 * @len:  its length
 *
 * Return: bytes queued, or a negative errno: uapi.md, section 3.
 */
int quic_sock_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	int ret;

	if (msg->msg_flags & ~(QUIC_MSG_SEND_FLAGS | QUIC_MSG_INTERNAL))
		return -EINVAL;
	lock_sock(sk);
	if (quic_conn_is_open(&qs->conn))
		quic_sock_update_sndbuf(qs);
	ret = quic_send_locked(qs, msg, min_t(size_t, len, INT_MAX));
	if (quic_conn_is_open(&qs->conn))
		quic_sock_settle(qs);
	release_sock(sk);
	return ret;
}
