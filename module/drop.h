/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dropped packets and datagrams: why, counted and traced. */
#ifndef _QUIC_DROP_H
#define _QUIC_DROP_H

#include <trace/events/quic.h>

struct net;
struct quic_sock;
struct sk_buff;

/* A packet of a connection that is @len bytes, dropped while its datagram goes on. */
void quic_drop_packet(struct quic_sock *qs, enum quic_drop_reason reason, u32 len);
/* A datagram of @len bytes that found no connection. */
void quic_drop_stray(struct net *net, enum quic_drop_reason reason, u32 len);
/* The same with the skb, which is freed. */
void quic_drop_skb(struct net *net, struct sk_buff *skb, enum quic_drop_reason reason);

#endif /* _QUIC_DROP_H */
