// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses: checking what users hand in, reading them from packets, comparing
 * and hashing. All that differs between IPv4 and IPv6, besides headers and
 * routes, which are for udp.c.
 */
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "addr.h"

static int quic_addr_check_v4(struct in_addr in, __be16 port, bool wildcard_ok,
			      union quic_addr *addr)
{
	if (ipv4_is_multicast(in.s_addr) || ipv4_is_lbcast(in.s_addr))
		return -EINVAL;
	if (!wildcard_ok && in.s_addr == htonl(INADDR_ANY))
		return -EINVAL;

	memset(addr, 0, sizeof(*addr));
	addr->v4.sin_family = AF_INET;
	addr->v4.sin_addr = in;
	addr->v4.sin_port = port;
	return 0;
}

static int quic_addr_check_v6(struct sock *sk, const struct sockaddr_in6 *in6, bool wildcard_ok,
			      union quic_addr *addr)
{
	int type = ipv6_addr_type(&in6->sin6_addr);
	bool known;

	if (type & IPV6_ADDR_MULTICAST)
		return -EINVAL;
	if (!wildcard_ok && type == IPV6_ADDR_ANY)
		return -EINVAL;

	memset(addr, 0, sizeof(*addr));
	addr->v6.sin6_family = AF_INET6;
	addr->v6.sin6_addr = in6->sin6_addr;
	addr->v6.sin6_port = in6->sin6_port;
	if (__ipv6_addr_needs_scope_id(type)) {
		rcu_read_lock();
		known = in6->sin6_scope_id &&
			dev_get_by_index_rcu(sock_net(sk), in6->sin6_scope_id);
		rcu_read_unlock();
		if (!known)
			return -EINVAL;
		addr->v6.sin6_scope_id = in6->sin6_scope_id;
	}
	return 0;
}

/**
 * quic_addr_from_user() - take over an address that a user gave
 * @sk:          for which socket
 * @uaddr:       the address, in kernel memory
 * @len:         its length
 * @wildcard_ok: the unspecified address is fine (bind)
 * @addr:        result; a mapped IPv4 address becomes IPv4
 *
 * Return: 0 or -EINVAL.
 */
int quic_addr_from_user(struct sock *sk, const struct sockaddr *uaddr, int len, bool wildcard_ok,
			union quic_addr *addr)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)uaddr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)uaddr;
	struct in_addr mapped;

	if (len < (int)sizeof(*in))
		return -EINVAL;

	if (sk->sk_family == AF_INET6 && uaddr->sa_family == AF_INET6) {
		if (len < (int)sizeof(*in6))
			return -EINVAL;
		if (!ipv6_addr_v4mapped(&in6->sin6_addr))
			return quic_addr_check_v6(sk, in6, wildcard_ok, addr);
		if (ipv6_only_sock(sk))
			return -EINVAL;
		mapped.s_addr = in6->sin6_addr.s6_addr32[3];
		return quic_addr_check_v4(mapped, in6->sin6_port, wildcard_ok, addr);
	}

	if (uaddr->sa_family != AF_INET)
		return -EINVAL;
	if (sk->sk_family == AF_INET6 && ipv6_only_sock(sk))
		return -EINVAL;
	return quic_addr_check_v4(in->sin_addr, in->sin_port, wildcard_ok, addr);
}

/**
 * quic_addr_to_user() - an address as the user sees it
 * @addr:  the address
 * @uaddr: result, room for a struct sockaddr_in6
 *
 * Return: length of the result.
 */
int quic_addr_to_user(const union quic_addr *addr, struct sockaddr *uaddr)
{
	if (addr->sa.sa_family == AF_INET6) {
		memcpy(uaddr, &addr->v6, sizeof(addr->v6));
		return sizeof(addr->v6);
	}
	memcpy(uaddr, &addr->v4, sizeof(addr->v4));
	return sizeof(addr->v4);
}

/**
 * quic_addr_from_skb() - addresses of a received datagram
 * @skb:   the datagram, network and transport header valid
 * @local: where it went
 * @peer:  where it came from
 */
void quic_addr_from_skb(const struct sk_buff *skb, union quic_addr *local, union quic_addr *peer)
{
	const struct udphdr *uh = udp_hdr(skb);

	memset(local, 0, sizeof(*local));
	memset(peer, 0, sizeof(*peer));
	if (ip_hdr(skb)->version == 4) {
		local->v4.sin_family = AF_INET;
		local->v4.sin_addr.s_addr = ip_hdr(skb)->daddr;
		local->v4.sin_port = uh->dest;
		peer->v4.sin_family = AF_INET;
		peer->v4.sin_addr.s_addr = ip_hdr(skb)->saddr;
		peer->v4.sin_port = uh->source;
		return;
	}
	local->v6.sin6_family = AF_INET6;
	local->v6.sin6_addr = ipv6_hdr(skb)->daddr;
	local->v6.sin6_port = uh->dest;
	local->v6.sin6_scope_id = ipv6_iface_scope_id(&local->v6.sin6_addr, skb->skb_iif);
	peer->v6.sin6_family = AF_INET6;
	peer->v6.sin6_addr = ipv6_hdr(skb)->saddr;
	peer->v6.sin6_port = uh->source;
	peer->v6.sin6_scope_id = ipv6_iface_scope_id(&peer->v6.sin6_addr, skb->skb_iif);
}

/**
 * quic_addr_skb_ecn() - ECN codepoint of a received datagram
 * @skb: the datagram
 *
 * Return: QUIC_ECN_*, which are the values on the wire.
 */
u8 quic_addr_skb_ecn(const struct sk_buff *skb)
{
	u8 field = ip_hdr(skb)->version == 4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));

	return field & INET_ECN_MASK;
}

/**
 * quic_addr_equal() - same address and port
 * @a: one
 * @b: the other
 */
bool quic_addr_equal(const union quic_addr *a, const union quic_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return a->v6.sin6_port == b->v6.sin6_port &&
		       ipv6_addr_equal(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
	return a->v4.sin_port == b->v4.sin_port &&
	       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

/**
 * quic_addr_same_host() - same address, whatever the port
 * @a: one
 * @b: the other
 */
bool quic_addr_same_host(const union quic_addr *a, const union quic_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return ipv6_addr_equal(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
	return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

/**
 * quic_addr_is_loopback() - is it this machine's own
 * @addr: the address
 */
bool quic_addr_is_loopback(const union quic_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ?
	       ipv6_addr_loopback(&addr->v6.sin6_addr) || ipv6_addr_v4mapped(&addr->v6.sin6_addr) :
	       ipv4_is_loopback(addr->v4.sin_addr.s_addr);
}

/**
 * quic_addr_is_multicast() - is it that of a group, or of all hosts
 * @addr: the address
 */
bool quic_addr_is_multicast(const union quic_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? ipv6_addr_is_multicast(&addr->v6.sin6_addr) :
	       ipv4_is_multicast(addr->v4.sin_addr.s_addr) ||
	       ipv4_is_lbcast(addr->v4.sin_addr.s_addr);
}

/**
 * quic_addr_is_any() - is it the unspecified address
 * @addr: the address
 */
bool quic_addr_is_any(const union quic_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? ipv6_addr_any(&addr->v6.sin6_addr) :
						addr->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

/**
 * quic_addr_port() - its port
 * @addr: the address
 */
__be16 quic_addr_port(const union quic_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? addr->v6.sin6_port : addr->v4.sin_port;
}

/**
 * quic_addr_set_port() - change the port
 * @addr: the address
 * @port: new port
 */
void quic_addr_set_port(union quic_addr *addr, __be16 port)
{
	if (addr->sa.sa_family == AF_INET6)
		addr->v6.sin6_port = port;
	else
		addr->v4.sin_port = port;
}

/**
 * quic_addr_set_any() - the unspecified address with port 0
 * @addr:   result
 * @family: AF_INET or AF_INET6
 */
void quic_addr_set_any(union quic_addr *addr, sa_family_t family)
{
	memset(addr, 0, sizeof(*addr));
	addr->sa.sa_family = family;
}

/**
 * quic_addr_hash() - hash of address and port
 * @addr: the address
 * @seed: start value
 */
u32 quic_addr_hash(const union quic_addr *addr, u32 seed)
{
	u32 port = (__force u32)quic_addr_port(addr);

	if (addr->sa.sa_family == AF_INET6)
		return jhash2(addr->v6.sin6_addr.s6_addr32, 4, seed ^ port);
	return jhash_2words((__force u32)addr->v4.sin_addr.s_addr, port, seed);
}

/**
 * quic_addr_overhead() - headers in front of a QUIC datagram
 * @addr: either address of the path
 *
 * Return: bytes of the IP and UDP headers.
 */
u32 quic_addr_overhead(const union quic_addr *addr)
{
	return sizeof(struct udphdr) +
	       (addr->sa.sa_family == AF_INET6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}
