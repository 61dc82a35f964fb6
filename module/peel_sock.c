// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The calls on the socket of one stream: it reads, writes, polls and ends that
 * stream only, as one of TCP would. Packets, credit and memory stay the
 * connection's, whose lock guards all of it.
 */
#include <linux/module.h>
#include <linux/sockios.h>
#include <linux/termios.h>
#include <linux/uio.h>
#include <net/ipv6.h>

#include "peel_sock.h"
#include "sock.h"
#include "sockopt.h"

#define QUIC_PEEL_SEND_FLAGS	(MSG_QUIC_STREAM_FIN | MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL | \
				 MSG_WAITALL | MSG_BATCH | QUIC_MSG_INTERNAL)

/* Is the connection alive for its users? */
static bool quic_peel_is_open(const struct quic_peel *peel)
{
	return quic_send_is_open(peel->parent);
}

/**
 * quic_peel_stream() - the stream of a peeled-off socket
 * @peel: socket, its connection locked
 *
 * Return: the stream, or NULL: it is over, or the connection is.
 */
struct quic_stream *quic_peel_stream(const struct quic_peel *peel)
{
	struct quic_conn *conn = &quic_sk(peel->parent)->conn;

	return quic_conn_is_open(conn) ? quic_streams_find(&conn->streams, peel->id) : NULL;
}

static bool quic_peel_may_recv(const struct quic_peel *peel)
{
	return !(peel->id & QUIC_STREAM_UNI) ||
	       !quic_stream_is_local(&quic_sk(peel->parent)->conn.streams, peel->id);
}

static bool quic_peel_may_send(const struct quic_peel *peel)
{
	return !(peel->id & QUIC_STREAM_UNI) ||
	       quic_stream_is_local(&quic_sk(peel->parent)->conn.streams, peel->id);
}

/* The stream, if more may be written to it. */
static struct quic_stream *quic_peel_writable(const struct quic_peel *peel)
{
	struct quic_stream *stream = quic_peel_stream(peel);

	return stream && stream->has_send && stream->send.state < QUIC_SEND_SENT ? stream : NULL;
}

/*
 * Waiting.
 */

/* Sleeps until woken; the connection's lock is dropped meanwhile. */
static int quic_peel_wait(struct quic_peel *peel, long *timeo)
{
	struct sock *sk = &peel->inet.sk;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err = quic_wait_error(*timeo);

	if (err)
		return err;
	add_wait_queue(sk_sleep(sk), &wait);
	release_sock(peel->parent);
	*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
	lock_sock(peel->parent);
	remove_wait_queue(sk_sleep(sk), &wait);
	return 0;
}

static void quic_peel_settle(struct quic_peel *peel)
{
	struct quic_sock *qs = quic_sk(peel->parent);

	if (quic_conn_is_open(&qs->conn))
		quic_sock_settle(qs);
}

/*
 * Sending.
 */

static int quic_peel_send(struct quic_peel *peel, struct msghdr *msg, size_t len)
{
	struct quic_sock *qs = quic_sk(peel->parent);
	bool fin = msg->msg_flags & MSG_QUIC_STREAM_FIN;
	struct quic_stream *stream;
	size_t sent = 0;
	long timeo;
	int err;

	if (!quic_peel_may_send(peel))
		return -EINVAL;
	timeo = sock_sndtimeo(&peel->inet.sk, msg->msg_flags & MSG_DONTWAIT);
	for (;;) {
		stream = quic_peel_is_open(peel) ? quic_peel_writable(peel) : NULL;
		if (!stream) {
			err = -EPIPE;
			break;
		}
		if (!len) {
			if (fin)
				quic_conn_stream_queued(&qs->conn, stream, 0, true);
			return 0;
		}
		err = quic_send_route(qs);
		if (err)
			break;
		quic_sock_update_sndbuf(qs);
		err = quic_send_stream_some(qs, stream, msg, fin ? MSG_QUIC_STREAM_FIN : 0);
		if (err < 0)
			break;
		sent += err;
		if (sent == len)
			break;
		quic_sock_settle(qs);
		if (err)
			continue;
		err = quic_peel_wait(peel, &timeo);
		if (err)
			break;
	}
	return sent ?: err;
}

static int quic_peel_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct quic_peel *peel = quic_peel(sock->sk);
	struct quic_sock *qs = quic_sk(peel->parent);
	int ret;

	if (msg->msg_flags & ~QUIC_PEEL_SEND_FLAGS)
		return -EINVAL;
	lock_sock(peel->parent);
	if (qs->conn.corked)
		qs->conn.todo |= QUIC_TODO_TX;
	qs->conn.corked = msg->msg_flags & MSG_MORE;
	ret = quic_peel_send(peel, msg, min_t(size_t, len, INT_MAX));
	quic_peel_settle(peel);
	release_sock(peel->parent);
	return ret == -EPIPE ? sk_stream_error(sock->sk, msg->msg_flags, ret) : ret;
}

/*
 * Receiving.
 */

/* Takes what lies ready. */
static int quic_peel_take(struct quic_peel *peel, struct msghdr *msg, size_t len, bool peek)
{
	struct quic_recv_chunk *chunk, *next;
	size_t copied = 0;
	u32 left, want, n;

	list_for_each_entry_safe(chunk, next, &peel->queue, rx.link) {
		left = chunk->rx.len - chunk->read;
		want = min_t(size_t, len - copied, left);
		n = quic_recv_copy(chunk, msg, want);
		copied += n;
		if (n < want)
			return copied ?: -EFAULT;
		if (!peek) {
			if (chunk->fin && n == left)
				peel->is_ended = true;
			quic_recv_take(chunk, n);
		}
		if (copied == len)
			break;
	}
	return copied;
}

static int quic_peel_recv(struct quic_peel *peel, struct msghdr *msg, size_t len, int flags)
{
	struct quic_sock *qs = quic_sk(peel->parent);
	bool peek = flags & MSG_PEEK;
	size_t copied = 0;
	long timeo;
	int err;

	if (!quic_peel_may_recv(peel))
		return -EINVAL;
	timeo = sock_rcvtimeo(&peel->inet.sk, flags & MSG_DONTWAIT);
	for (;;) {
		err = quic_peel_take(peel, msg, len - copied, peek);
		if (err > 0) {
			copied += err;
			if (!peek)
				quic_conn_stream_consumed(&qs->conn, peel->id, err);
		}
		/* The end is no error: it may come alone, as an empty piece. */
		if (err < 0 || copied == len || peel->is_ended)
			break;
		if (copied && (peek || !(flags & MSG_WAITALL)))
			break;
		err = peel->is_reset ? -ECONNRESET : 0;
		/* A connection that is gone ends no stream: what came may be a part. */
		if (!err && !quic_peel_is_open(peel))
			err = -ENOTCONN;
		if (err || (peek && !list_empty(&peel->queue)))
			break;
		quic_peel_settle(peel);
		err = quic_peel_wait(peel, &timeo);
		if (err)
			break;
	}
	return copied ?: min(err, 0);
}

static int quic_peel_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct quic_peel *peel = quic_peel(sock->sk);
	int ret;

	lock_sock(peel->parent);
	ret = quic_peel_recv(peel, msg, min_t(size_t, len, INT_MAX), flags);
	quic_peel_settle(peel);
	release_sock(peel->parent);
	return ret;
}

/*
 * The end: shutdown(), close().
 */

static void quic_peel_shut_write(struct quic_peel *peel)
{
	struct quic_stream *stream = quic_peel_writable(peel);

	if (stream)
		quic_conn_stream_queued(&quic_sk(peel->parent)->conn, stream, 0, true);
}

static void quic_peel_shut_read(struct quic_peel *peel)
{
	struct quic_conn *conn = &quic_sk(peel->parent)->conn;
	struct quic_stream *stream = quic_peel_stream(peel);
	struct quic_recv_chunk *chunk, *next;
	u64 unread = 0;

	list_for_each_entry_safe(chunk, next, &peel->queue, rx.link) {
		unread += chunk->rx.len - chunk->read;
		list_del(&chunk->rx.link);
		quic_recv_chunk_free(chunk);
	}
	/* Whoever waits for credit gets what will not be read. */
	if (unread)
		quic_conn_stream_consumed(conn, peel->id, unread);
	peel->is_ended = true;
	/* -EINVAL, -EAGAIN: all is there already, or it was stopped before. */
	if (stream && stream->has_recv)
		quic_conn_stream_stop(conn, stream, 0);
}

static int quic_peel_shutdown(struct socket *sock, int how)
{
	struct quic_peel *peel = quic_peel(sock->sk);
	int err = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	lock_sock(peel->parent);
	if (quic_peel_is_open(peel)) {
		if (how != SHUT_RD)
			quic_peel_shut_write(peel);
		if (how != SHUT_WR)
			quic_peel_shut_read(peel);
		quic_peel_settle(peel);
		sock->sk->sk_data_ready(sock->sk);
		sock->sk->sk_write_space(sock->sk);
	} else {
		err = -ENOTCONN;
	}
	release_sock(peel->parent);
	return err;
}

static int quic_peel_release(struct socket *sock)
{
	struct sock *sk = sock->sk, *parent;
	struct quic_stream *stream;
	struct quic_peel *peel;

	if (!sk)
		return 0;
	peel = quic_peel(sk);
	parent = peel->parent;
	lock_sock(parent);
	/* If it ever was attached: else the stream is not ours. */
	if (!list_empty(&peel->link)) {
		list_del_init(&peel->link);
		stream = quic_peel_stream(peel);
		if (stream)
			stream->host = NULL;
		quic_peel_shut_write(peel);
		quic_peel_shut_read(peel);
		quic_peel_settle(peel);
	}
	release_sock(parent);
	sock_put(parent);
	sock_orphan(sk);
	sock->sk = NULL;
	sock_put(sk);
	return 0;
}

/*
 * Looking at it.
 */

static int quic_peel_getname(struct socket *sock, struct sockaddr *uaddr, int peer)
{
	return quic_sock_name(quic_peel(sock->sk)->parent, uaddr, peer);
}

static __poll_t quic_peel_poll_send(struct quic_peel *peel)
{
	struct quic_stream *stream = quic_peel_writable(peel);

	if (!quic_peel_may_send(peel))
		return 0;
	/* Without a stream the call would not wait, but fail. */
	if (!stream || (quic_send_space(peel->parent) > 0 &&
			quic_conn_stream_credit(&quic_sk(peel->parent)->conn, stream)))
		return EPOLLOUT | EPOLLWRNORM;
	return 0;
}

static __poll_t quic_peel_poll_recv(struct quic_peel *peel)
{
	__poll_t mask = 0;

	if (!quic_peel_may_recv(peel))
		return 0;
	if (peel->is_ended || peel->is_reset)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (peel->is_reset)
		mask |= EPOLLERR;
	if (!list_empty(&peel->queue)) {
		mask |= EPOLLIN | EPOLLRDNORM;
		if (list_last_entry(&peel->queue, struct quic_recv_chunk, rx.link)->fin)
			mask |= EPOLLRDHUP;
	}
	return mask;
}

static __poll_t quic_peel_poll(struct file *file, struct socket *sock, poll_table *wait)
{
	struct quic_peel *peel = quic_peel(sock->sk);
	__poll_t mask;

	sock_poll_wait(file, sock, wait);
	lock_sock(peel->parent);
	mask = quic_peel_poll_recv(peel);
	if (quic_peel_is_open(peel))
		mask |= quic_peel_poll_send(peel);
	else
		mask |= EPOLLHUP | EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT | EPOLLWRNORM;
	release_sock(peel->parent);
	return mask;
}

static u64 quic_peel_bytes(struct quic_peel *peel, unsigned int cmd)
{
	struct quic_recv_chunk *chunk;
	struct quic_stream *stream;
	u64 bytes = 0;

	if (cmd == SIOCINQ) {
		list_for_each_entry(chunk, &peel->queue, rx.link)
			bytes += chunk->rx.len - chunk->read;
		return bytes;
	}
	stream = quic_peel_stream(peel);
	if (!stream || !stream->has_send)
		return 0;
	return stream->send.ranges.end - (cmd == SIOCOUTQ ? stream->send.ranges.acked :
							    stream->send.ranges.next);
}

static int quic_peel_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct quic_peel *peel = quic_peel(sock->sk);
	int value;

	if (cmd != SIOCINQ && cmd != SIOCOUTQ && cmd != SIOCOUTQNSD)
		return -ENOIOCTLCMD;
	lock_sock(peel->parent);
	value = min_t(u64, quic_peel_bytes(peel, cmd), INT_MAX);
	release_sock(peel->parent);
	return put_user(value, (int __user *)arg);
}

/* Options of the connection are set there; only those of SOL_SOCKET are a stream's own. */
static int quic_peel_setsockopt(struct sock *sk, int level, int optname, sockptr_t optval,
				unsigned int optlen)
{
	return -ENOPROTOOPT;
}

static int quic_peel_getsockopt(struct sock *sk, int level, int optname, char __user *optval,
				int __user *optlen)
{
	return -ENOPROTOOPT;
}

struct proto quic_peel_prot = {
	.name		= "QUIC-STREAM",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct quic_peel),
	.setsockopt	= quic_peel_setsockopt,
	.getsockopt	= quic_peel_getsockopt,
};

const struct proto_ops quic_peel_ops = {
	.family		= PF_INET,
	.owner		= THIS_MODULE,
	.release	= quic_peel_release,
	.bind		= sock_no_bind,
	.connect	= sock_no_connect,
	.socketpair	= sock_no_socketpair,
	.accept		= sock_no_accept,
	.getname	= quic_peel_getname,
	.poll		= quic_peel_poll,
	.ioctl		= quic_peel_ioctl,
	.gettstamp	= sock_gettstamp,
	.listen		= sock_no_listen,
	.shutdown	= quic_peel_shutdown,
	.setsockopt	= sock_common_setsockopt,
	.getsockopt	= sock_common_getsockopt,
	.sendmsg	= quic_peel_sendmsg,
	.recvmsg	= quic_peel_recvmsg,
	.mmap		= sock_no_mmap,
};
