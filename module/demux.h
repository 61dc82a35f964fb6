/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a datagram to its socket: connection ID to connection, address to
 * listener. Readers take RCU only. RFC 9000, section 5.2.
 */
#ifndef _QUIC_DEMUX_H
#define _QUIC_DEMUX_H

#include <linux/rhashtable-types.h>
#include <linux/skbuff.h>

#include "addr.h"
#include "core/header.h"

struct quic_peer_entry;
struct quic_sock;
struct quic_udp;

/**
 * struct quic_cid_entry - one connection ID under which packets find a socket
 * @node:  in the table, by ID and netns
 * @list:  in quic_sock.cids, guarded by the socket lock
 * @cid:   the ID
 * @net:   its netns
 * @qs:    the socket; the entry holds no reference, lookup takes one
 */
struct quic_cid_entry {
	struct rhash_head node;
	struct hlist_node list;
	struct quic_cid cid;
	struct net *net;
	struct quic_sock *qs;
	struct rcu_head rcu;
};

/* Counters are of datagrams, however many of them an aggregate holds. */
static inline u32 quic_demux_datagrams(const struct sk_buff *skb)
{
	return max_t(u32, skb_shinfo(skb)->gso_segs, 1);
}

/*
 * -EEXIST: taken. The entry is freed after a grace period by _del. The peer's
 * address is set before the first one is added; call quic_demux_set_peer() when it changes.
 * Socket lock held.
 */
int quic_demux_add_cid(struct quic_sock *qs, const struct quic_cid *cid);
void quic_demux_del_cid(struct quic_sock *qs, const struct quic_cid *cid);
void quic_demux_del_all(struct quic_sock *qs);
int quic_demux_set_peer(struct quic_sock *qs);
/* A held socket, or NULL. Under RCU. */
struct quic_sock *quic_demux_find_cid(struct net *net, const u8 *cid, u8 len);
/* The same by the peer's address, where @match says that it is the one. */
struct quic_sock *quic_demux_find_peer(struct net *net, const union quic_addr *peer,
				       bool (*match)(struct quic_sock *qs, const void *arg),
				       const void *arg);

/* uapi.md, section 2.6: -EADDRINUSE. */
int quic_demux_add_listener(struct quic_sock *qs);
void quic_demux_del_listener(struct quic_sock *qs);
/*
 * A held listener for a datagram to @local, or NULL. Under RCU. @alpn: the
 * client's list in wire form; NULL: not known, any will do; uapi.md, section 4.11.
 * @skb: what the program of a SO_REUSEPORT group sees, or NULL.
 */
struct quic_sock *quic_demux_find_listener(struct net *net, struct quic_udp *udp,
					   const union quic_addr *local,
					   const union quic_addr *peer, struct sk_buff *skb,
					   const u8 *alpn, u32 alpn_len);
/* A held listener at which this client waits for accept() already, or NULL. Under RCU. */
struct quic_sock *quic_demux_find_request(struct net *net, struct quic_udp *udp,
					  const struct quic_header *hdr,
					  const union quic_addr *local,
					  const union quic_addr *peer);
/* Does the client's ALPN list decide between listeners at @local? Under RCU. */
bool quic_demux_needs_alpn(struct net *net, struct quic_udp *udp, const union quic_addr *local);

/* Entry point of udp.c, softirq, under RCU: takes over a whole datagram or GRO aggregate. */
void quic_demux_receive(struct quic_udp *udp, struct sk_buff *skb);
/* ICMP said "too big" and quotes, at @off, what we sent from @local to @peer. */
void quic_demux_too_big(struct net *net, const struct sk_buff *skb, u32 off,
			const union quic_addr *local, const union quic_addr *peer, u32 mtu);

int quic_demux_init(void);
void quic_demux_exit(void);

#endif /* _QUIC_DEMUX_H */
