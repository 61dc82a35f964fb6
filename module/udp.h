/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UDP sockets under QUIC sockets: shared, kernel-owned, found by address
 * and device. Receiving drains them from sk_data_ready, sending builds UDP and
 * IP headers itself, as one GSO packet where there is a burst.
 */
#ifndef _QUIC_UDP_H
#define _QUIC_UDP_H

#include <linux/ipv6.h>
#include <linux/refcount.h>
#include <linux/udp.h>
#include <linux/workqueue.h>

#include "addr.h"

struct quic_sock;

/**
 * struct quic_udp - one kernel-owned UDP socket
 * @node:  in the list of its netns
 * @sock:  the socket
 * @net:   its netns
 * @addr:  bound address
 * @ifindex: bound device, 0: any
 * @v6only: an IPv6 socket that takes no IPv4
 * @refs:  QUIC sockets on it
 * @release: takes it down in process context
 * @drain: goes on receiving where softirq had enough
 * @data_ready: what sk_data_ready was before
 */
struct quic_udp {
	struct hlist_node node;
	struct socket *sock;
	struct net *net;
	union quic_addr addr;
	int ifindex;
	bool v6only;
	refcount_t refs;
	struct work_struct release;
	struct work_struct drain;
	void (*data_ready)(struct sock *sk);
	struct rcu_head rcu;
};

/**
 * struct quic_route - a pair of addresses, and how packets get from one to the other
 * @udp:   the UDP socket of @local; holds a reference
 * @local: our address
 * @peer:  the peer's
 * @dst:   the route, or NULL: to be looked up; valid with @dst_cookie
 * @pmtu:  MTU that a router has told of a packet of ours, 0: none; not below what QUIC needs
 * @told:  another one, told while the socket was not ours to change; any context
 * @txhash: what the flow label and the queue are chosen by: not the same for two routes
 */
struct quic_route {
	struct quic_udp *udp;
	struct dst_entry *dst;
	u32 dst_cookie;
	u32 txhash;
	u32 pmtu;
	u32 told;
	union quic_addr local;
	union quic_addr peer;
};

/*
 * Finds or creates; fills in the port if it was 0. ERR_PTR. Process context.
 * uapi.md, section 2.4.
 */
struct quic_udp *quic_udp_get(struct sock *sk, union quic_addr *addr);
void quic_udp_put(struct quic_udp *udp);

/*
 * Looks up the way from @route->local to @route->peer; picks the source address
 * if that is a wildcard. 0 or errno. Process or softirq.
 */
int quic_udp_route(struct quic_sock *qs, struct quic_route *route);
/* MTU of the route less all headers. */
u32 quic_udp_mss(struct quic_sock *qs, struct quic_route *route);
void quic_udp_too_big(struct quic_sock *qs);
/*
 * Sends @skb (QUIC payload only, headroom QUIC_UDP_HEADROOM reserved) along
 * @route. @gso_size 0: one datagram. Consumes @skb. 0 or errno; -ENOBUFS: the
 * queue below is congested.
 */
int quic_udp_xmit(struct quic_sock *qs, struct quic_route *route, struct sk_buff *skb,
		  u32 gso_size, u8 ecn);
/* A datagram that belongs to no connection. */
int quic_udp_reply(struct quic_udp *udp, struct sk_buff *skb, const union quic_addr *local,
		   const union quic_addr *peer);

#define QUIC_UDP_HEADROOM	(MAX_HEADER + sizeof(struct ipv6hdr) + sizeof(struct udphdr))

void quic_udp_net_init(struct net *net);
void quic_udp_net_exit(struct net *net);
int quic_udp_init(void);
void quic_udp_exit(void);

#endif /* _QUIC_UDP_H */
