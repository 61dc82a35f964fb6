// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QUIC_SOCKOPT_STREAM_PEELOFF: a descriptor for one stream. Here it is made, and
 * told what comes for it; peel_sock.c has the calls on it. It may outlive the
 * descriptor of the connection, and then sees the end of it.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>

#include "peel_sock.h"
#include "peeloff.h"
#include "sock.h"
#include "sockopt.h"

/*
 * What the rest of the module calls, with the lock of the connection held.
 */

/**
 * quic_peeloff_queue() - where data of a stream goes
 * @host: quic_stream.host, not NULL
 *
 * Return: the queue; something will be put into it.
 */
struct list_head *quic_peeloff_queue(void *host)
{
	struct quic_peel *peel = host;

	peel->has_news = true;
	return &peel->queue;
}

/**
 * quic_peeloff_on_reset() - the peer abandoned a stream; its data is gone
 * @host: quic_stream.host, not NULL
 */
void quic_peeloff_on_reset(void *host)
{
	struct quic_peel *peel = host;

	peel->is_reset = true;
	peel->has_news = true;
}

/**
 * quic_peeloff_wake() - wake those who wait for streams of their own
 * @qs:    socket, locked
 * @all:   the connection ended
 * @write: there may be room to write
 */
void quic_peeloff_wake(struct quic_sock *qs, bool all, bool write)
{
	struct quic_peel *peel;

	list_for_each_entry(peel, &qs->peeled, link) {
		struct sock *sk = &peel->inet.sk;

		if (all)
			sk->sk_state_change(sk);
		if (peel->has_news && peel->is_reset)
			sk_error_report(sk);
		if (all || peel->has_news)
			sk->sk_data_ready(sk);
		if (all || write)
			sk->sk_write_space(sk);
		peel->has_news = false;
	}
}

/*
 * Making one.
 */

/* Data that recvmsg() on the connection has not taken becomes the stream's own. */
static void quic_peel_move_data(struct quic_peel *peel, struct quic_sock *qs)
{
	struct quic_recv_chunk *chunk, *next;

	list_for_each_entry_safe(chunk, next, &qs->data_queue, rx.link) {
		if (chunk->kind == QUIC_RECV_STREAM && chunk->stream_id == peel->id)
			list_move_tail(&chunk->rx.link, &peel->queue);
	}
}

/*
 * Makes @peel the socket of its stream, which may have ended with data unread; so may the
 * connection: a peer that says what it has to say and goes is still to be read.
 */
static int quic_peel_attach(struct quic_peel *peel)
{
	struct quic_sock *qs = quic_sk(peel->parent);
	struct quic_streams *streams = &qs->conn.streams;
	int state = peel->parent->sk_state;
	struct quic_stream *stream;

	if (state != TCP_ESTABLISHED && state != TCP_CLOSE)
		return state == TCP_SYN_RECV ? -EINVAL : -EPIPE;
	stream = quic_peel_stream(peel);
	if (stream && stream->host)
		return -EBUSY;
	quic_peel_move_data(peel, qs);
	if (!stream && list_empty(&peel->queue)) {
		if (state != TCP_ESTABLISHED)
			return -EPIPE;
		return peel->id <= QUIC_VARINT_MAX && quic_stream_was_used(streams, peel->id) ?
		       -ENOSTR : -EINVAL;
	}
	if (stream) {
		stream->host = peel;
		if (stream->has_recv && list_empty(&peel->queue)) {
			peel->is_ended = stream->recv.fin_delivered;
			peel->is_reset = stream->recv.state == QUIC_RECV_RESET_RECVD;
		}
		if (streams->active == stream)
			streams->active = NULL;
	}
	list_add_tail(&peel->link, &qs->peeled);
	return 0;
}

static struct quic_peel *quic_peel_alloc(struct sock *parent, struct socket *sock, u64 id)
{
	struct quic_peel *peel;
	struct sock *sk;

	sk = sk_alloc(sock_net(parent), parent->sk_family, GFP_KERNEL, &quic_peel_prot, 0);
	if (!sk)
		return NULL;
	sock_init_data(sock, sk);
	sk->sk_protocol = IPPROTO_QUIC;
	sk->sk_state = TCP_ESTABLISHED;
	sk->sk_rcvtimeo = parent->sk_rcvtimeo;
	sk->sk_sndtimeo = parent->sk_sndtimeo;
	peel = quic_peel(sk);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		peel->inet.pinet6 = &peel->inet6;
#endif
	sock_hold(parent);
	peel->parent = parent;
	peel->id = id;
	INIT_LIST_HEAD(&peel->link);
	INIT_LIST_HEAD(&peel->queue);
	sock->ops = &quic_peel_ops;
	sock->state = SS_CONNECTED;
	__module_get(THIS_MODULE);	/* sock_release() lets go of it */
	return peel;
}

static struct file *quic_peel_file(struct sock *parent, u64 id, int flags)
{
	struct quic_peel *peel;
	struct socket *sock;
	int err;

	err = sock_create_lite(parent->sk_family, SOCK_STREAM, IPPROTO_QUIC, &sock);
	if (err)
		return ERR_PTR(err);
	peel = quic_peel_alloc(parent, sock, id);
	if (!peel) {
		sock_release(sock);
		return ERR_PTR(-ENOMEM);
	}
	lock_sock(parent);
	err = quic_peel_attach(peel);
	release_sock(parent);
	if (err) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	return sock_alloc_file(sock, flags, NULL);
}

/**
 * quic_get_stream_peeloff() - QUIC_SOCKOPT_STREAM_PEELOFF
 * @sk:     socket, not locked
 * @optval: struct quic_stream_peeloff, in and out
 * @optlen: its length, which must be all of it
 *
 * Return: 0, or a negative errno.
 */
int quic_get_stream_peeloff(struct sock *sk, sockptr_t optval, sockptr_t optlen)
{
	struct quic_stream_peeloff info;
	u32 len = sizeof(info), given;
	struct file *file;

	if (copy_from_sockptr(&given, optlen, sizeof(given)))
		return -EFAULT;
	if (given < len)
		return -EINVAL;
	if (copy_from_sockptr(&info, optval, len))
		return -EFAULT;
	if (info.flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	info.sd = get_unused_fd_flags(info.flags & O_CLOEXEC);
	if (info.sd < 0)
		return info.sd;
	/* Before there is anything that an unwritable result would end. */
	if (copy_to_sockptr(optval, &info, len) || copy_to_sockptr(optlen, &len, sizeof(len))) {
		put_unused_fd(info.sd);
		return -EFAULT;
	}
	file = quic_peel_file(sk, info.stream_id, info.flags & O_NONBLOCK);
	if (IS_ERR(file)) {
		put_unused_fd(info.sd);
		return PTR_ERR(file);
	}
	fd_install(info.sd, file);
	return 0;
}

/**
 * quic_peeloff_init() - module init
 *
 * Return: 0, or a negative errno.
 */
int __init quic_peeloff_init(void)
{
	return proto_register(&quic_peel_prot, 1);
}

/**
 * quic_peeloff_exit() - module exit, when no socket is left
 */
void quic_peeloff_exit(void)
{
	proto_unregister(&quic_peel_prot);
}
