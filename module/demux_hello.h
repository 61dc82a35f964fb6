/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients whose ClientHello decides which listener they are for. */
#ifndef _QUIC_DEMUX_HELLO_H
#define _QUIC_DEMUX_HELLO_H

#include "core/header.h"

struct net;
struct quic_udp;
struct sk_buff;

int quic_hello_init(void);
void quic_hello_exit(void);
int quic_hello_net_init(struct net *net);
void quic_hello_net_exit(struct net *net);
/* Softirq, under RCU: a long header packet of a supported version without connection. Takes over. */
void quic_hello_receive(struct quic_udp *udp, struct sk_buff *skb, const struct quic_header *hdr);
/* Nobody listens behind @udp any more. */
void quic_hello_flush(struct quic_udp *udp);

#endif /* _QUIC_DEMUX_HELLO_H */
