/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a datagram to its socket: connection ID to connection, address to
 * listener. Readers take RCU only. RFC 9000, section 5.2.
 */
#ifndef _QUIC_DEMUX_H
#define _QUIC_DEMUX_H

#include "addr.h"
#include "core/header.h"

struct quic_sock;
struct quic_udp;

/**
 * struct quic_cid_entry - one connection ID under which packets find a socket
 * @node:  in the table
 * @cid:   the ID
 * @net:   its netns
 * @qs:    the socket; the entry holds no reference, lookup takes one
 */
struct quic_cid_entry {
	struct hlist_node node;
	struct quic_cid cid;
	struct net *net;
	struct quic_sock *qs;
	struct rcu_head rcu;
};

/* -EEXIST: taken. The entry is freed after a grace period by _del. */
int quic_demux_add_cid(struct quic_sock *qs, const struct quic_cid *cid);
void quic_demux_del_cid(struct quic_sock *qs, const struct quic_cid *cid);
void quic_demux_del_all(struct quic_sock *qs);
/* A held socket, or NULL. Under RCU. */
struct quic_sock *quic_demux_find_cid(struct net *net, const u8 *cid, u8 len);

/* uapi.md, section 2.6: -EADDRINUSE. */
int quic_demux_add_listener(struct quic_sock *qs);
void quic_demux_del_listener(struct quic_sock *qs);
/* A held listener for a datagram to @local, or NULL. @alpn: the client's list in wire form or NULL. */
struct quic_sock *quic_demux_find_listener(struct net *net, struct quic_udp *udp,
					   const union quic_addr *local, const union quic_addr *peer,
					   const u8 *alpn, u32 alpn_len);
/* Entry point of udp.c, softirq, under RCU: takes over a whole datagram or GRO aggregate. */
void quic_demux_receive(struct quic_udp *udp, struct sk_buff *skb);

int quic_demux_init(void);
void quic_demux_exit(void);

#endif /* _QUIC_DEMUX_H */
