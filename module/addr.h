/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses: what differs between IPv4 and IPv6, in one place.
 */
#ifndef _QUIC_ADDR_H
#define _QUIC_ADDR_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/skbuff.h>
#include <net/sock.h>

union quic_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* User address to ours, with every rule of uapi.md, section 2.3. */
int quic_addr_from_user(struct sock *sk, const struct sockaddr *uaddr, int len, bool wildcard_ok,
			union quic_addr *addr);
/* Ours to the user's; returns the length. uapi.md, section 2.9. */
int quic_addr_to_user(const union quic_addr *addr, struct sockaddr *uaddr);
/* Source and destination of a received datagram; both have ports. */
void quic_addr_from_skb(const struct sk_buff *skb, union quic_addr *local, union quic_addr *peer);
u8 quic_addr_skb_ecn(const struct sk_buff *skb);
bool quic_addr_equal(const union quic_addr *a, const union quic_addr *b);
/* Same IP address, whatever the port. */
bool quic_addr_same_host(const union quic_addr *a, const union quic_addr *b);
bool quic_addr_is_loopback(const union quic_addr *addr);
/* A group, or all hosts. */
bool quic_addr_is_multicast(const union quic_addr *addr);
bool quic_addr_is_any(const union quic_addr *addr);
__be16 quic_addr_port(const union quic_addr *addr);
void quic_addr_set_port(union quic_addr *addr, __be16 port);
void quic_addr_set_any(union quic_addr *addr, sa_family_t family);
u32 quic_addr_hash(const union quic_addr *addr, u32 seed);
/* Bytes of IP and UDP headers in front of a QUIC datagram. */
u32 quic_addr_overhead(const union quic_addr *addr);

#endif /* _QUIC_ADDR_H */
