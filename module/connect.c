// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bind() and connect(): from an address of the user to a UDP socket, a route
 * and an open connection. Nothing here waits for the network; the handshake is
 * user space's, through handshake.c.
 */
#include <net/inet_common.h>
#include <net/ip.h>

#include "sock.h"

/**
 * quic_sock_publish_local() - what generic code (ss, BPF, /proc) looks at
 * @sk:   locked
 * @addr: our address
 */
void quic_sock_publish_local(struct sock *sk, const union quic_addr *addr)
{
	struct inet_sock *inet = inet_sk(sk);

	inet->inet_num = ntohs(quic_addr_port(addr));
	inet->inet_sport = quic_addr_port(addr);
	if (addr->sa.sa_family == AF_INET) {
		inet->inet_saddr = addr->v4.sin_addr.s_addr;
		inet->inet_rcv_saddr = addr->v4.sin_addr.s_addr;
#if IS_ENABLED(CONFIG_IPV6)
	} else {
		sk->sk_v6_rcv_saddr = addr->v6.sin6_addr;
		inet6_sk(sk)->saddr = addr->v6.sin6_addr;
#endif
	}
}

/**
 * quic_sock_publish_peer() - the same for the peer's address
 * @sk:   locked
 * @addr: the address
 */
void quic_sock_publish_peer(struct sock *sk, const union quic_addr *addr)
{
	inet_sk(sk)->inet_dport = quic_addr_port(addr);
	if (addr->sa.sa_family == AF_INET)
		inet_sk(sk)->inet_daddr = addr->v4.sin_addr.s_addr;
#if IS_ENABLED(CONFIG_IPV6)
	else
		sk->sk_v6_daddr = addr->v6.sin6_addr;
#endif
}

/**
 * quic_sock_udp_get() - a UDP socket for an address that the user chose
 * @qs:   locked
 * @addr: address; a zero port is filled in
 *
 * Return: a held socket, or an ERR_PTR.
 */
struct quic_udp *quic_sock_udp_get(struct quic_sock *qs, union quic_addr *addr)
{
	struct sock *sk = quic_sock_sk(qs);
	u16 port = ntohs(quic_addr_port(addr));

	/* A shared UDP socket of somebody else must not lend its privilege. */
	if (port && inet_port_requires_bind_service(sock_net(sk), port) &&
	    !ns_capable(sock_net(sk)->user_ns, CAP_NET_BIND_SERVICE))
		return ERR_PTR(-EACCES);
	return quic_udp_get(sk, addr);
}

/**
 * quic_sock_bind() - give a socket its UDP socket
 * @qs:   locked, not bound
 * @addr: address; a zero port is filled in
 *
 * Return: 0, or a negative errno; the socket is unbound then.
 */
int quic_sock_bind(struct quic_sock *qs, union quic_addr *addr)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_udp *udp;

	udp = quic_sock_udp_get(qs, addr);
	if (IS_ERR(udp))
		return PTR_ERR(udp);
	qs->route[0].udp = udp;
	qs->route[0].local = *addr;
	qs->bound = *addr;
	qs->is_bound = true;
	quic_sock_publish_local(sk, addr);
	return 0;
}

static void quic_sock_unbind(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);

	quic_udp_put(qs->route[0].udp);
	qs->route[0].udp = NULL;
	qs->is_bound = false;
	quic_addr_set_any(&qs->bound, sk->sk_family);
	quic_addr_set_port(&qs->bound, 0);
	qs->route[0].local = qs->bound;
	quic_sock_publish_local(sk, &qs->bound);
}

/**
 * quic_bind() - bind(2)
 * @sock:  socket
 * @uaddr: address
 * @len:   its length
 *
 * Return: 0, or a negative errno: uapi.md, sections 2.2 to 2.4.
 */
int quic_bind(struct socket *sock, struct sockaddr_unsized *uaddr, int len)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	union quic_addr addr;
	int err = -EINVAL;

	lock_sock(sk);
	if (sk->sk_state != TCP_CLOSE || qs->is_bound || qs->was_open)
		goto out;
	err = quic_addr_from_user(sk, (struct sockaddr *)uaddr, len, true, &addr);
	if (!err)
		err = quic_sock_bind(qs, &addr);
out:
	release_sock(sk);
	return err;
}

/* A wildcard takes the family of the peer: a v6 socket may speak IPv4. */
static int quic_connect_route(struct quic_sock *qs)
{
	struct quic_route *route = &qs->route[0];
	__be16 port = quic_addr_port(&qs->bound);

	route->local = qs->bound;
	if (route->local.sa.sa_family != route->peer.sa.sa_family) {
		if (!quic_addr_is_any(&route->local))
			return -EINVAL;
		quic_addr_set_any(&route->local, route->peer.sa.sa_family);
		quic_addr_set_port(&route->local, port);
	}
	return quic_udp_route(qs, route);
}

static int quic_connect_open(struct quic_sock *qs)
{
	struct quic_conn_open args = {
		.version = qs->config.version ?: QUIC_VERSION_V1,
	};
	union quic_addr addr;
	bool autobind = false;
	int err;

	err = quic_connect_route(qs);
	if (err)
		return err;
	if (!qs->is_bound) {
		addr = qs->route[0].local;
		quic_addr_set_port(&addr, 0);
		err = quic_sock_bind(qs, &addr);
		if (err)
			return err;
		autobind = true;
	}

	args.remote.len = QUIC_CID_LEN;
	get_random_bytes(args.remote.data, QUIC_CID_LEN);
	args.original = args.remote;
	err = quic_sock_open(qs, &args);
	if (err && autobind)
		quic_sock_unbind(qs);
	return err;
}

/**
 * quic_connect() - connect(2): opens the connection, sends nothing
 * @sock:  socket
 * @uaddr: the server's address
 * @len:   its length
 * @flags: O_NONBLOCK makes no difference
 *
 * Return: 0, or a negative errno: uapi.md, section 2.5.
 */
int quic_connect(struct socket *sock, struct sockaddr_unsized *uaddr, int len, int flags)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	union quic_addr peer;
	int err = -EINVAL;

	lock_sock(sk);
	if (sk->sk_state != TCP_CLOSE || qs->was_open)
		goto out;
	err = quic_addr_from_user(sk, (struct sockaddr *)uaddr, len, false, &peer);
	if (err)
		goto out;
	qs->route[0].peer = peer;
	err = quic_connect_open(qs);
	if (err) {
		dst_release(qs->route[0].dst);
		qs->route[0].dst = NULL;
		goto out;
	}
	qs->peer = peer;
	quic_sock_publish_peer(sk, &peer);
	sock->state = SS_CONNECTED;
	quic_sock_set_state(sk, TCP_SYN_RECV);
	quic_sock_settle(qs);
out:
	release_sock(sk);
	return err;
}
