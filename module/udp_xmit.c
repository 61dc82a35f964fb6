// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sending over UDP: the route of a connection, and packets on their way along
 * it. UDP and IP headers are written here, and a burst goes to the IP layer as
 * one GSO packet.
 */
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include "net.h"
#include "offload.h"
#include "sock.h"
#include "udp.h"

#include <trace/events/quic.h>

/*
 * Routes.
 */

static struct dst_entry *quic_udp_route_v4(struct net *net, struct sock *sk,
					   union quic_addr *local, const union quic_addr *peer)
{
	struct flowi4 fl4;
	struct rtable *rt;

	flowi4_init_output(&fl4, sk->sk_bound_dev_if, READ_ONCE(sk->sk_mark), inet_sk(sk)->tos,
			   RT_SCOPE_UNIVERSE, IPPROTO_UDP, inet_sk_flowi_flags(sk),
			   peer->v4.sin_addr.s_addr, local->v4.sin_addr.s_addr,
			   peer->v4.sin_port, local->v4.sin_port, sock_net_uid(net, sk));
	security_sk_classify_flow(sk, flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(net, &fl4, sk);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-EACCES);
	}
	local->v4.sin_addr.s_addr = fl4.saddr;
	return &rt->dst;
}

static struct dst_entry *quic_udp_route_v6(struct net *net, struct sock *sk,
					   union quic_addr *local, const union quic_addr *peer)
{
	struct dst_entry *dst;
	struct flowi6 fl6;

	memset(&fl6, 0, sizeof(fl6));
	fl6.flowi6_proto = IPPROTO_UDP;
	fl6.daddr = peer->v6.sin6_addr;
	fl6.saddr = local->v6.sin6_addr;
	fl6.fl6_dport = peer->v6.sin6_port;
	fl6.fl6_sport = local->v6.sin6_port;
	fl6.flowi6_oif = sk->sk_bound_dev_if ?: peer->v6.sin6_scope_id;
	fl6.flowi6_mark = READ_ONCE(sk->sk_mark);
	fl6.flowi6_uid = sock_net_uid(net, sk);
	security_sk_classify_flow(sk, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(net, sk, &fl6, NULL);
	if (IS_ERR(dst))
		return dst;
	local->v6.sin6_addr = fl6.saddr;
	local->v6.sin6_scope_id = ipv6_iface_scope_id(&fl6.saddr, fl6.flowi6_oif);
	return dst;
}

/* A held route; completes @local. */
static struct dst_entry *quic_udp_lookup_route(struct net *net, struct sock *sk,
					       union quic_addr *local,
					       const union quic_addr *peer)
{
	__be16 port = quic_addr_port(local);

	if (local->sa.sa_family != peer->sa.sa_family) {
		if (!quic_addr_is_any(local))
			return ERR_PTR(-EINVAL);
		quic_addr_set_any(local, peer->sa.sa_family);
		quic_addr_set_port(local, port);
	}
	return peer->sa.sa_family == AF_INET6 ? quic_udp_route_v6(net, sk, local, peer) :
						quic_udp_route_v4(net, sk, local, peer);
}

static const struct rt6_info *quic_udp_rt6(const struct dst_entry *dst)
{
	return container_of(dst, struct rt6_info, dst);
}

static u32 quic_udp_dst_cookie(struct dst_entry *dst, const union quic_addr *peer)
{
	return peer->sa.sa_family == AF_INET6 ? rt6_get_cookie(quic_udp_rt6(dst)) : 0;
}

/**
 * quic_udp_route() - look up a route
 * @qs:    locked socket
 * @route: its addresses are set; a source that is a wildcard is filled in
 *
 * Return: 0 with @route->dst set, or a negative errno and @route->dst as it was.
 */
int quic_udp_route(struct quic_sock *qs, struct quic_route *route)
{
	struct sock *sk = quic_sock_sk(qs);
	struct dst_entry *dst;

	dst = quic_udp_lookup_route(sock_net(sk), sk, &route->local, &route->peer);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	/* A stable label would link addresses that a connection moves between: RFC 9000, section 9.7 #1. */
	if (!route->txhash)
		route->txhash = get_random_u32() ?: 1;
	dst_release(route->dst);
	route->dst = dst;
	route->dst_cookie = quic_udp_dst_cookie(dst, &route->peer);
	return 0;
}

/* Does the user want to hear of routers? The values of IP and IPv6 are the same. */
static bool quic_udp_heeds_icmp(const struct sock *sk, const union quic_addr *peer)
{
	u8 how = peer->sa.sa_family == AF_INET6 ? inet6_sk(sk)->pmtudisc :
						  READ_ONCE(inet_sk(sk)->pmtudisc);

	return how != IP_PMTUDISC_INTERFACE && how != IP_PMTUDISC_OMIT;
}

/**
 * quic_udp_too_big() - a router has told that a packet of the active path was too big
 * @qs: locked socket
 *
 * The MTU lies in quic_route.told. It never makes packets larger, nor smaller than what QUIC needs:
 * RFC 9000, section 14.2.1.
 */
void quic_udp_too_big(struct quic_sock *qs)
{
	struct quic_route *route = quic_sock_route(qs);
	u32 mtu = xchg(&route->told, 0);

	if (!mtu || !quic_conn_is_open(&qs->conn) ||
	    !quic_udp_heeds_icmp(quic_sock_sk(qs), &route->peer) || (route->pmtu && mtu >= route->pmtu) ||
	    mtu < quic_addr_overhead(&route->peer) + QUIC_INITIAL_MIN_SIZE)
		return;
	route->pmtu = mtu;
	quic_conn_set_mss(&qs->conn, quic_udp_mss(qs, route));
}

/* The cached route if it is still good, else a new one; NULL: there is none. Not held. */
static struct dst_entry *quic_udp_dst(struct quic_sock *qs, struct quic_route *route)
{
	if (likely(route->dst && dst_check(route->dst, route->dst_cookie)))
		return route->dst;
	if (quic_udp_route(qs, route))
		return NULL;
	return route->dst;
}

/*
 * MTU of the first link, or what the administrator set for the route. Not what the IP layer has
 * learnt: it believes whoever sends it an ICMP message.
 */
static u32 quic_udp_link_mtu(const struct dst_entry *dst, const union quic_addr *peer)
{
	u32 link = READ_ONCE(dst->dev->mtu), set = 0;

	if (peer->sa.sa_family == AF_INET || !(quic_udp_rt6(dst)->rt6i_flags & RTF_CACHE))
		set = dst_metric_raw(dst, RTAX_MTU);
	return set ? min(set, link) : link;
}

/**
 * quic_udp_mss() - largest UDP payload that a route takes
 * @qs:    locked socket
 * @route: one of its routes
 *
 * Never below what QUIC needs: RFC 9000, section 14.
 */
u32 quic_udp_mss(struct quic_sock *qs, struct quic_route *route)
{
	struct dst_entry *dst = quic_udp_dst(qs, route);
	u32 mtu = dst ? min_t(u32, quic_udp_link_mtu(dst, &route->peer), IP_MAX_MTU) : 0;
	u32 overhead = quic_addr_overhead(&route->peer);

	if (route->pmtu)
		mtu = min(mtu, route->pmtu);
	return mtu > overhead + QUIC_INITIAL_MIN_SIZE ? mtu - overhead : QUIC_INITIAL_MIN_SIZE;
}

/*
 * Sending.
 */

/* What one packet needs besides its bytes. */
struct quic_udp_tx {
	struct net *net;
	struct sock *sk;
	struct dst_entry *dst;
	const union quic_addr *local;
	const union quic_addr *peer;
	u32 gso_size;
	u32 txhash;		/* 0: the socket's */
	u8 tos;
};

/* UDP header, checksum left to the device or the segmentation. */
static struct udphdr *quic_udp_push(struct sk_buff *skb, const struct quic_udp_tx *tx)
{
	u32 payload = skb->len;
	struct udphdr *uh = skb_push(skb, sizeof(*uh));

	skb_reset_transport_header(skb);
	uh->source = quic_addr_port(tx->local);
	uh->dest = quic_addr_port(tx->peer);
	uh->len = htons(skb->len);
	if (tx->gso_size && payload > tx->gso_size) {
		skb_shinfo(skb)->gso_size = tx->gso_size;
		skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
		skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, tx->gso_size);
	}
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	return uh;
}

static int quic_udp_xmit_v4(struct sk_buff *skb, const struct quic_udp_tx *tx)
{
	__be32 saddr = tx->local->v4.sin_addr.s_addr;
	__be32 daddr = tx->peer->v4.sin_addr.s_addr;
	struct inet_sock *inet = inet_sk(tx->sk);
	int hops = READ_ONCE(inet->uc_ttl);
	struct udphdr *uh;
	struct iphdr *iph;

	uh = quic_udp_push(skb, tx);
	uh->check = ~csum_tcpudp_magic(saddr, daddr, skb->len, IPPROTO_UDP, 0);

	iph = skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tos = tx->tos;
	iph->frag_off = READ_ONCE(inet->pmtudisc) == IP_PMTUDISC_DONT ? 0 : htons(IP_DF);
	iph->ttl = hops < 0 ? ip4_dst_hoplimit(tx->dst) : hops;
	iph->protocol = IPPROTO_UDP;
	iph->saddr = saddr;
	iph->daddr = daddr;
	ip_select_ident_segs(tx->net, skb, tx->sk, max_t(u32, skb_shinfo(skb)->gso_segs, 1));
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	return ip_local_out(tx->net, tx->sk, skb);
}

static int quic_udp_xmit_v6(struct sk_buff *skb, const struct quic_udp_tx *tx)
{
	const struct in6_addr *saddr = &tx->local->v6.sin6_addr;
	const struct in6_addr *daddr = &tx->peer->v6.sin6_addr;
	struct ipv6_pinfo *np = inet6_sk(tx->sk);
	int hops = np ? np->hop_limit : -1;
	struct flowi6 fl6 = {};
	struct ipv6hdr *ip6h;
	struct udphdr *uh;
	__be32 label;

	uh = quic_udp_push(skb, tx);
	uh->check = ~csum_ipv6_magic(saddr, daddr, skb->len, IPPROTO_UDP, 0);
	/* The hash of the socket makes the label: no need to dissect the flow. */
	fl6.daddr = *daddr;
	fl6.saddr = *saddr;
	label = ip6_make_flowlabel(tx->net, skb, np ? np->flow_label : 0, true, &fl6);

	ip6h = skb_push(skb, sizeof(*ip6h));
	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, tx->tos, label);
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = IPPROTO_UDP;
	ip6h->hop_limit = hops < 0 ? ip6_dst_hoplimit(tx->dst) : hops;
	ip6h->saddr = *saddr;
	ip6h->daddr = *daddr;
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	return ip6_local_out(tx->net, tx->sk, skb);
}

/* Consumes @skb, which has a route. BH off, under RCU. */
static int quic_udp_send(struct sk_buff *skb, const struct quic_udp_tx *tx)
{
	int err;

	skb->mark = READ_ONCE(tx->sk->sk_mark);
	skb->priority = READ_ONCE(tx->sk->sk_priority);
	skb_set_owner_w(skb, tx->sk);
	if (unlikely(quic_offload_is_marked(skb)))
		quic_offload_tx_own(skb);
	if (likely(tx->txhash))
		__skb_set_sw_hash(skb, tx->txhash, true);
	else
		skb_set_hash_from_sk(skb, tx->sk);
	skb->ignore_df = 0;
	err = tx->peer->sa.sa_family == AF_INET6 ? quic_udp_xmit_v6(skb, tx) :
						   quic_udp_xmit_v4(skb, tx);
	/* NET_XMIT_DROP, NET_XMIT_CN: local congestion. */
	return err > 0 ? -ENOBUFS : err;
}

static u8 quic_udp_tos(const struct sock *sk, const union quic_addr *peer, u8 ecn)
{
	u8 tos = peer->sa.sa_family == AF_INET6 ? inet6_sk(sk)->tclass :
						  READ_ONCE(inet_sk(sk)->tos);

	return (tos & ~INET_ECN_MASK) | ecn;
}

/**
 * quic_udp_xmit() - send a datagram, or a burst of them, of a connection
 * @qs:       locked socket
 * @route:    which way
 * @skb:      payload, QUIC_UDP_HEADROOM bytes of headroom; consumed
 * @gso_size: size of all datagrams but the last, or 0: there is one
 * @ecn:      QUIC_ECN_* for all of them
 *
 * Return: 0; -ENOBUFS: the queue below is full; another negative errno.
 */
int quic_udp_xmit(struct quic_sock *qs, struct quic_route *route, struct sk_buff *skb,
		  u32 gso_size, u8 ecn)
{
	struct quic_udp_tx tx = {
		.sk = quic_sock_sk(qs),
		.local = &route->local,
		.peer = &route->peer,
		.gso_size = gso_size,
	};
	int err;

	trace_quic_datagrams_sent(&qs->conn, skb->len, gso_size, ecn);
	tx.net = sock_net(tx.sk);
	tx.tos = quic_udp_tos(tx.sk, tx.peer, ecn);
	QUIC_INC_STATS(tx.net, QUIC_MIB_UDP_OUTBURSTS);
	QUIC_ADD_STATS(tx.net, QUIC_MIB_UDP_OUTDATAGRAMS,
		       gso_size ? DIV_ROUND_UP(skb->len, gso_size) : 1);

	local_bh_disable();
	rcu_read_lock();
	tx.dst = quic_udp_dst(qs, route);
	tx.txhash = route->txhash;
	if (likely(tx.dst)) {
		skb_dst_set_noref(skb, tx.dst);
		err = quic_udp_send(skb, &tx);
	} else {
		if (unlikely(quic_offload_is_marked(skb)))
			quic_offload_tx_unmark(skb);
		kfree_skb(skb);
		err = -EHOSTUNREACH;
	}
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

/**
 * quic_udp_reply() - send a datagram that belongs to no connection
 * @udp:   socket to send from
 * @skb:   payload, QUIC_UDP_HEADROOM bytes of headroom; consumed
 * @local: source
 * @peer:  destination
 */
int quic_udp_reply(struct quic_udp *udp, struct sk_buff *skb, const union quic_addr *local,
		   const union quic_addr *peer)
{
	union quic_addr source = *local;
	struct quic_udp_tx tx = {
		.net = udp->net,
		.sk = udp->sock->sk,
		.local = &source,
		.peer = peer,
	};
	int err;

	local_bh_disable();
	rcu_read_lock();
	tx.dst = quic_udp_lookup_route(tx.net, tx.sk, &source, peer);
	if (IS_ERR(tx.dst)) {
		err = PTR_ERR(tx.dst);
		kfree_skb(skb);
	} else {
		skb_dst_set(skb, tx.dst);
		err = quic_udp_send(skb, &tx);
	}
	rcu_read_unlock();
	local_bh_enable();
	return err;
}
