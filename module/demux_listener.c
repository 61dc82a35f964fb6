// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which listener a client's first packet is for: by address, device, and the
 * protocols that the client offers; and which listeners go together.
 * uapi.md, sections 2.6 and 4.11.
 */
#include <linux/net.h>
#include <net/ipv6.h>
#include <net/sock_reuseport.h>

#include "alpn.h"
#include "demux.h"
#include "demux_hello.h"
#include "net.h"
#include "sock.h"
#include "udp.h"

/* How well does a listener suit a datagram to @local? 0: not at all. */
static int quic_listener_score(const struct quic_sock *qs, const struct quic_udp *udp,
			       const union quic_addr *local)
{
	const union quic_addr *addr = &qs->bound;
	const struct sock *sk = &qs->inet.sk;

	if (qs->route[0].udp != udp || quic_addr_port(addr) != quic_addr_port(local))
		return 0;
	if (quic_addr_equal(addr, local))
		return 3;
	if (!quic_addr_is_any(addr))
		return 0;
	if (addr->sa.sa_family == local->sa.sa_family)
		return 2;
	return addr->sa.sa_family == AF_INET6 && !ipv6_only_sock(sk) ? 1 : 0;
}

/* May a listener serve a client that offers @name; @name NULL: one without ALPN? */
static bool quic_listener_speaks(const struct quic_sock *qs, const u8 *name, u8 len)
{
	if (!name)
		return !qs->alpn_len;
	return quic_alpn_has(qs->alpn, qs->alpn_len, (const char *)name, len);
}

/* The best of those that @speak, or of all. */
static struct quic_sock *quic_listener_best(struct net *net, const struct quic_udp *udp,
					    const union quic_addr *local, bool any_alpn,
					    const u8 *name, u8 len)
{
	struct quic_sock *qs, *best = NULL;
	int best_score = 0;

	hlist_for_each_entry_rcu(qs, &quic_net(net)->listeners, listener_node) {
		int score = quic_listener_score(qs, udp, local);

		if (score > best_score && (any_alpn || quic_listener_speaks(qs, name, len))) {
			best_score = score;
			best = qs;
		}
	}
	return best;
}

/* Within a group the user's program decides, or the peer's address. */
static struct quic_sock *quic_listener_of_group(struct quic_sock *qs, const union quic_addr *peer,
						struct sk_buff *skb)
{
	static u32 seed __read_mostly;
	struct sock *sk = quic_sock_sk(qs);

	if (!rcu_access_pointer(sk->sk_reuseport_cb))
		return qs;
	net_get_random_once(&seed, sizeof(seed));
	sk = reuseport_select_sock(sk, quic_addr_hash(peer, seed), skb, 0);
	return sk ? quic_sk(sk) : qs;
}

/**
 * quic_demux_find_listener() - the listener for a datagram of no connection
 * @net:      netns
 * @udp:      socket it came in on
 * @local:    where it went
 * @peer:     where it came from
 * @skb:      the datagram, for the program of a SO_REUSEPORT group; NULL: the peer's address decides
 * @alpn:     the client's protocols, each with a length byte in front; NULL: not known
 * @alpn_len: bytes in @alpn; 0: the client offers none
 *
 * Under RCU. uapi.md, section 4.11.
 *
 * Return: a held listener, or NULL.
 */
struct quic_sock *quic_demux_find_listener(struct net *net, struct quic_udp *udp,
					   const union quic_addr *local,
					   const union quic_addr *peer, struct sk_buff *skb,
					   const u8 *alpn, u32 alpn_len)
{
	struct quic_sock *qs = NULL;
	u32 i;

	if (!alpn || !alpn_len) {
		qs = quic_listener_best(net, udp, local, !alpn, NULL, 0);
	} else {
		for (i = 0; !qs && i < alpn_len && alpn_len - i > alpn[i]; i += 1 + alpn[i])
			qs = quic_listener_best(net, udp, local, false, &alpn[i + 1], alpn[i]);
	}
	if (qs)
		qs = quic_listener_of_group(qs, peer, skb);
	if (!qs || !refcount_inc_not_zero(&quic_sock_sk(qs)->sk_refcnt))
		return NULL;
	return qs;
}

/**
 * quic_demux_needs_alpn() - does the client's ALPN list decide who listens
 * @net:   netns
 * @udp:   socket that the datagram came in on
 * @local: where it went
 *
 * Under RCU.
 */
bool quic_demux_needs_alpn(struct net *net, struct quic_udp *udp, const union quic_addr *local)
{
	struct quic_sock *qs;

	hlist_for_each_entry_rcu(qs, &quic_net(net)->listeners, listener_node) {
		if (qs->alpn_len && quic_listener_score(qs, udp, local))
			return true;
	}
	return false;
}

/**
 * quic_demux_find_request() - the listener that has a request of this client
 * @net:   netns
 * @udp:   socket that a datagram came in on
 * @hdr:   its header
 * @local: where it went
 * @peer:  where it came from
 *
 * Under RCU.
 *
 * Return: a held listener, or NULL.
 */
struct quic_sock *quic_demux_find_request(struct net *net, struct quic_udp *udp,
					  const struct quic_header *hdr,
					  const union quic_addr *local,
					  const union quic_addr *peer)
{
	struct quic_sock *qs;

	hlist_for_each_entry_rcu(qs, &quic_net(net)->listeners, listener_node) {
		if (quic_listener_score(qs, udp, local) &&
		    quic_listen_knows(qs, &hdr->dcid, local, peer) &&
		    refcount_inc_not_zero(&quic_sock_sk(qs)->sk_refcnt))
			return qs;
	}
	return NULL;
}

/* Do two listeners that do not conflict form a group? */
static bool quic_listener_shares(const struct quic_sock *a, const struct quic_sock *b)
{
	return a->inet.sk.sk_reuseport && b->inet.sk.sk_reuseport &&
	       a->route[0].udp == b->route[0].udp && quic_addr_equal(&a->bound, &b->bound) &&
	       a->alpn_len == b->alpn_len && !memcmp(a->alpn, b->alpn, a->alpn_len);
}

static bool quic_listener_conflicts(const struct quic_sock *a, const struct quic_sock *b)
{
	if (a->route[0].udp != b->route[0].udp || !quic_addr_equal(&a->bound, &b->bound))
		return false;
	if (a->alpn_len == b->alpn_len && !memcmp(a->alpn, b->alpn, a->alpn_len))
		return !a->inet.sk.sk_reuseport || !b->inet.sk.sk_reuseport;
	return quic_alpn_overlaps(a->alpn, a->alpn_len, b->alpn, b->alpn_len);
}

/**
 * quic_demux_add_listener() - datagrams without a connection may go to this socket
 * @qs: locked, bound socket
 *
 * Return: 0, or -EADDRINUSE: uapi.md, section 2.6; -ENOMEM.
 */
int quic_demux_add_listener(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_net *qn = quic_net(sock_net(sk));
	struct quic_sock *other, *member = NULL;
	int err = 0;

	spin_lock_bh(&qn->lock);
	hlist_for_each_entry(other, &qn->listeners, listener_node) {
		if (quic_listener_conflicts(qs, other)) {
			err = -EADDRINUSE;
			break;
		}
		if (quic_listener_shares(qs, other))
			member = other;
	}
	if (!err && member)
		err = reuseport_add_sock(sk, quic_sock_sk(member), false);
	else if (!err && sk->sk_reuseport)
		err = reuseport_alloc(sk, false);
	if (!err)
		hlist_add_head_rcu(&qs->listener_node, &qn->listeners);
	spin_unlock_bh(&qn->lock);
	return err;
}

/**
 * quic_demux_del_listener() - no more datagrams for this listener
 * @qs: locked socket; nothing happens if it does not listen
 */
void quic_demux_del_listener(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_net *qn = quic_net(sock_net(sk));
	bool is_last = true;
	struct quic_sock *other;

	spin_lock_bh(&qn->lock);
	if (!hlist_unhashed(&qs->listener_node)) {
		hlist_del_init_rcu(&qs->listener_node);
		if (rcu_access_pointer(sk->sk_reuseport_cb))
			reuseport_detach_sock(sk);
	}
	hlist_for_each_entry(other, &qn->listeners, listener_node)
		is_last &= other->route[0].udp != qs->route[0].udp;
	spin_unlock_bh(&qn->lock);
	if (is_last)
		quic_hello_flush(qs->route[0].udp);
}
