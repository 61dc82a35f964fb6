// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moving a connection to other addresses: a socket's own, when the user asks for
 * it, and a server's preferred address. The new path is probed first; what
 * becomes of it is the core's decision. uapi.md, section 5.7; RFC 9000, sections
 * 9.2 and 9.6.
 */
#include <linux/ipv6.h>

#include "net.h"
#include "sock.h"

/* Probes @route, taken over, with connection ID @seq of the peer's; 0: any. */
static int quic_migrate_probe(struct quic_sock *qs, struct quic_route *route, u64 seq)
{
	const struct quic_route *active = quic_sock_route(qs);
	struct quic_path_args args = {
		.local = !quic_addr_equal(&route->local, &active->local),
		.same_hosts = quic_addr_same_host(&route->local, &active->local) &&
			      quic_addr_same_host(&route->peer, &active->peer),
	};
	int i;

	args.mss = quic_udp_mss(qs, route);
	i = quic_conn_path_probe(&qs->conn, &args, seq, quic_sock_now());
	if (i < 0) {
		quic_route_release(route);
		return i;
	}
	qs->route[i] = *route;
	return 0;
}

/* An established connection, and a new address of ours. */
static int quic_migrate_local(struct quic_sock *qs, const union quic_addr *addr)
{
	const struct quic_route *active = quic_sock_route(qs);
	struct quic_route route = { .local = *addr, .peer = active->peer };

	if (addr->sa.sa_family != active->local.sa.sa_family)
		return -EINVAL;
	/* RFC 9000, sections 9 #2 and 18.2 #2. */
	if (qs->conn.remote.disable_active_migration)
		return -EINVAL;
	/* RFC 9000, section 9 #1. */
	if (!qs->conn.confirmed || qs->is_moving || qs->preferred.udp ||
	    !quic_conn_path_may_move(&qs->conn))
		return -EAGAIN;

	route.udp = quic_sock_udp_get(qs, &route.local);
	if (IS_ERR(route.udp))
		return PTR_ERR(route.udp);
	if (quic_udp_route(qs, &route)) {
		quic_route_release(&route);
		return -EINVAL;
	}
	return quic_migrate_probe(qs, &route, 0);
}

/* A server before the handshake: where it would rather be spoken to. */
static int quic_migrate_prefer(struct quic_sock *qs, const union quic_addr *addr)
{
	struct quic_transport_params *params = &qs->conn.local;
	struct quic_preferred_address *preferred = &params->preferred_address;
	union quic_addr local = *addr;
	struct quic_udp *udp;
	int err;

	if (qs->conn.has_remote_params && qs->conn.remote.disable_active_migration)
		return -EINVAL;
	err = quic_conn_offer_address(&qs->conn);
	if (err)
		return err;
	udp = quic_sock_udp_get(qs, &local);
	if (IS_ERR(udp))
		return PTR_ERR(udp);
	quic_route_release(&qs->preferred);
	qs->preferred.udp = udp;
	qs->preferred.local = local;

	memset(preferred->v4, 0, sizeof(preferred->v4));
	memset(preferred->v6, 0, sizeof(preferred->v6));
	preferred->v4_port = 0;
	preferred->v6_port = 0;
	if (addr->sa.sa_family == AF_INET) {
		memcpy(preferred->v4, &addr->v4.sin_addr, sizeof(preferred->v4));
		preferred->v4_port = ntohs(addr->v4.sin_port);
	} else {
		memcpy(preferred->v6, &addr->v6.sin6_addr, sizeof(preferred->v6));
		preferred->v6_port = ntohs(addr->v6.sin6_port);
	}
	params->has_preferred_address = true;
	return 0;
}

/**
 * quic_migrate() - QUIC_SOCKOPT_CONNECTION_MIGRATION
 * @qs:   locked
 * @addr: new address of ours, specific, with a port
 *
 * Return: 0, or a negative errno: uapi.md, section 5.7.
 */
int quic_migrate(struct quic_sock *qs, const union quic_addr *addr)
{
	int state = quic_sock_sk(qs)->sk_state;

	if (state != TCP_SYN_RECV && state != TCP_ESTABLISHED)
		return -EPIPE;
	if (quic_addr_equal(addr, &quic_sock_route(qs)->local))
		return -EINVAL;
	if (state == TCP_ESTABLISHED)
		return quic_migrate_local(qs, addr);
	return qs->is_accepted ? quic_migrate_prefer(qs, addr) : -EINVAL;
}

/* The server's preferred address of that family; false: it has none. */
static bool quic_migrate_preferred(struct quic_sock *qs, sa_family_t family,
				   union quic_addr *addr)
{
	const struct quic_preferred_address *preferred = &qs->conn.remote.preferred_address;

	quic_addr_set_any(addr, family);
	if (family == AF_INET) {
		memcpy(&addr->v4.sin_addr, preferred->v4, sizeof(preferred->v4));
		addr->v4.sin_port = htons(preferred->v4_port);
	} else {
		memcpy(&addr->v6.sin6_addr, preferred->v6, sizeof(preferred->v6));
		addr->v6.sin6_port = htons(preferred->v6_port);
	}
	return quic_path_is_safe_peer(qs, addr);
}

/* The same address of ours goes on, where it can: another family takes another one. */
static int quic_migrate_preferred_route(struct quic_sock *qs, struct quic_route *route)
{
	const struct quic_route *active = quic_sock_route(qs);
	sa_family_t family = active->local.sa.sa_family;
	struct sock *sk = quic_sock_sk(qs);
	int err;

	if (quic_migrate_preferred(qs, family, &route->peer)) {
		route->local = active->local;
		err = quic_udp_route(qs, route);
		if (err)
			return err;
		route->udp = active->udp;
		refcount_inc(&route->udp->refs);
		return 0;
	}
	family = family == AF_INET ? AF_INET6 : AF_INET;
	if (sk->sk_family != AF_INET6 || ipv6_only_sock(sk) ||
	    !quic_migrate_preferred(qs, family, &route->peer))
		return -EAFNOSUPPORT;
	quic_addr_set_any(&route->local, family);
	err = quic_udp_route(qs, route);
	if (err)
		return err;
	quic_addr_set_port(&route->local, 0);
	route->udp = quic_sock_udp_get(qs, &route->local);
	if (IS_ERR(route->udp)) {
		err = PTR_ERR(route->udp);
		route->udp = NULL;
	}
	return err;
}

/**
 * quic_migrate_work() - a client goes to its server's preferred address
 * @work: quic_sock.move_work; holds a reference to the socket
 *
 * Process context, since a UDP socket may have to be bound. If there is no way the connection
 * stays where it is: RFC 9000, section 9.6.1 #1.
 */
void quic_migrate_work(struct work_struct *work)
{
	struct quic_sock *qs = container_of(work, struct quic_sock, move_work);
	struct sock *sk = quic_sock_sk(qs);
	struct quic_route route = {};

	lock_sock(sk);
	qs->is_moving = false;
	if (qs->conn.state == QUIC_CONN_ESTABLISHED && !qs->is_dead) {
		if (quic_migrate_preferred_route(qs, &route))
			quic_route_release(&route);
		else
			quic_migrate_probe(qs, &route, QUIC_PREFERRED_SEQ);
		quic_sock_settle(qs);
	}
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_migrate_to_preferred() - the server has a preferred address, and the handshake is confirmed
 * @qs: locked
 */
void quic_migrate_to_preferred(struct quic_sock *qs)
{
	qs->conn.todo &= ~QUIC_TODO_MOVE;
	qs->is_moving = true;
	sock_hold(quic_sock_sk(qs));
	if (!queue_work(quic_wq, &qs->move_work))
		sock_put(quic_sock_sk(qs));
}
