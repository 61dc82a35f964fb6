// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that only look at a socket: getsockname(), poll(), ioctl(). */
#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <linux/termios.h>
#include <net/inet_common.h>
#include <net/ipv6.h>

#include "sock.h"

/**
 * quic_sock_name() - address of a connection
 * @sk:    QUIC socket
 * @uaddr: result
 * @peer:  0: own address; 1: the peer's; 2: the peer's, whatever the state
 *
 * Return: length of the address, or a negative errno.
 */
int quic_sock_name(struct sock *sk, struct sockaddr *uaddr, int peer)
{
	struct quic_sock *qs = quic_sk(sk);
	int err;

	lock_sock(sk);
	if (peer == 1 && sk->sk_state != TCP_SYN_RECV && sk->sk_state != TCP_ESTABLISHED)
		err = -ENOTCONN;
	else
		err = quic_addr_to_user(peer ? &qs->peer : &qs->bound, uaddr);
	release_sock(sk);
	return err;
}

/**
 * quic_sock_getname() - getsockname(2), getpeername(2) and the address of accept(2)
 * @sock:  socket
 * @uaddr: result
 * @peer:  as in quic_sock_name()
 *
 * Return: length of the address, or a negative errno.
 */
int quic_sock_getname(struct socket *sock, struct sockaddr *uaddr, int peer)
{
	return quic_sock_name(sock->sk, uaddr, peer);
}

static bool quic_sock_is_readable(struct quic_sock *qs)
{
	/* The rest waits for the end of the handshake: recvmsg.c. */
	if (!list_empty_careful(&qs->handshake_queue) ||
	    READ_ONCE(qs->conn.state) == QUIC_CONN_HANDSHAKE)
		return !list_empty_careful(&qs->handshake_queue);
	return !list_empty_careful(&qs->event_queue) || !list_empty_careful(&qs->data_queue);
}

static bool quic_sock_is_writable(struct quic_sock *qs)
{
	const struct quic_flow_send *flow = &qs->conn.tx_flow;
	struct sock *sk = quic_sock_sk(qs);

	return READ_ONCE(sk->sk_wmem_queued) < READ_ONCE(sk->sk_sndbuf) &&
	       READ_ONCE(flow->used) < READ_ONCE(flow->limit);
}

/**
 * quic_sock_poll() - poll(2), select(2), epoll(7): uapi.md, section 2.10
 * @file: of the socket
 * @sock: socket
 * @wait: where to enqueue
 *
 * Return: mask of EPOLL*.
 */
__poll_t quic_sock_poll(struct file *file, struct socket *sock, poll_table *wait)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	__poll_t mask = 0;
	int state;

	sock_poll_wait(file, sock, wait);

	state = inet_sk_state_load(sk);
	if (state == TCP_LISTEN)
		return quic_listen_has_request(qs) ? EPOLLIN | EPOLLRDNORM : 0;

	if (READ_ONCE(sk->sk_err) || !skb_queue_empty_lockless(&sk->sk_error_queue))
		mask |= EPOLLERR | (sock_flag(sk, SOCK_SELECT_ERR_QUEUE) ? EPOLLPRI : 0);
	if (quic_sock_is_readable(qs))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (state == TCP_CLOSE)
		return mask | EPOLLHUP | EPOLLERR | EPOLLIN | EPOLLRDNORM | EPOLLRDHUP |
		       EPOLLOUT | EPOLLWRNORM;

	if (!quic_sock_is_writable(qs)) {
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		set_bit(SOCK_NOSPACE, &sock->flags);
		/* Space may have come before the bits were seen. */
		smp_mb__after_atomic();
		if (!quic_sock_is_writable(qs))
			return mask;
	}
	return mask | EPOLLOUT | EPOLLWRNORM;
}

/* Payload bytes that were queued but never sent. */
static u64 quic_sock_unsent(struct quic_sock *qs)
{
	struct rb_node *node;
	u64 bytes = 0;

	for (node = rb_first(&qs->conn.streams.root); node; node = rb_next(node)) {
		struct quic_stream *stream = rb_entry(node, struct quic_stream, node);

		if (stream->has_send)
			bytes += stream->send.ranges.end - stream->send.ranges.next;
	}
	return bytes;
}

/**
 * quic_sock_ioctl() - ioctl(2): how much is queued, else what any IP socket answers
 * @sock: socket
 * @cmd:  request
 * @arg:  user pointer
 *
 * Return: 0, or a negative errno.
 */
int quic_sock_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	int value = 0;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		break;
	default:
		return sk->sk_family == AF_INET6 ? inet6_ioctl(sock, cmd, arg) :
						   inet_ioctl(sock, cmd, arg);
	}

	lock_sock(sk);
	if (sk->sk_state == TCP_LISTEN)
		value = -EINVAL;
	else if (cmd == SIOCINQ)
		value = sk_rmem_alloc_get(sk);
	else if (cmd == SIOCOUTQ)
		value = sk->sk_wmem_queued;
	else
		value = min_t(u64, quic_sock_unsent(qs), INT_MAX);
	release_sock(sk);
	return value < 0 ? value : put_user(value, (int __user *)arg);
}
