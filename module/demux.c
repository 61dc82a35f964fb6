// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a datagram to its socket: a connection's by its ID, else a listener's by
 * address; a stateless reset or an ICMP error by the peer's address. What a
 * packet means is for input.c and listen.c, the tables are demux_table.c's.
 * RFC 9000, section 5.2.
 */
#include <net/ipv6.h>

#include "alpn.h"
#include "demux.h"
#include "demux_hello.h"
#include "drop.h"
#include "net.h"
#include "sock.h"
#include "stateless.h"
#include "udp.h"

/* First byte, version, connection ID with its length: what finds a connection. */
#define QUIC_DEMUX_PEEK		(1 + 4 + 1 + QUIC_CID_MAX_LEN)
/* A socket in use may queue that much beyond its buffers. */
#define QUIC_DEMUX_BACKLOG	(64 << 10)

/* Takes over @skb and the reference. */
static void quic_demux_deliver(struct quic_udp *udp, struct quic_sock *qs, struct sk_buff *skb)
{
	u32 datagrams = quic_demux_datagrams(skb);
	struct sock *sk = quic_sock_sk(qs);

	bh_lock_sock_nested(sk);
	if (likely(!sock_owned_by_user(sk))) {
		QUIC_ADD_STATS(udp->net, QUIC_MIB_PKT_RCVFASTPATHS, datagrams);
		quic_input(qs, skb);
		quic_sock_settle(qs);
	} else if (!sk_add_backlog(sk, skb, READ_ONCE(sk->sk_rcvbuf) + READ_ONCE(sk->sk_sndbuf) +
				   QUIC_DEMUX_BACKLOG)) {
		QUIC_ADD_STATS(udp->net, QUIC_MIB_PKT_RCVBACKLOGS, datagrams);
	} else {
		quic_drop_packet(qs, QUIC_DROP_BACKLOG_FULL, skb->len);
		kfree_skb(skb);
	}
	bh_unlock_sock(sk);
	sock_put(sk);
}

/* A hint, as it takes no lock: input.c decides. */
static bool quic_demux_gave_token(struct quic_sock *qs, const void *token)
{
	return quic_remote_cids_is_reset(&qs->conn.remote_cids, token);
}

/*
 * A datagram that may be a stateless reset: whose peer sends from there and gave that token?
 * RFC 9000, section 10.3.1.
 */
static struct quic_sock *quic_demux_find_reset(struct net *net, const struct sk_buff *skb)
{
	u8 token[QUIC_STATELESS_TOKEN_LEN];
	union quic_addr local, peer;

	if (skb_copy_bits(skb, skb->len - sizeof(token), token, sizeof(token)))
		return NULL;
	quic_addr_from_skb(skb, &local, &peer);
	return quic_demux_find_peer(net, &peer, quic_demux_gave_token, token);
}

/* A short header, at @data, with an ID that nobody has; the first datagram is @len bytes. */
static void quic_demux_short(struct quic_udp *udp, struct sk_buff *skb, const u8 *data, u32 len)
{
	union quic_addr local, peer;
	struct quic_sock *qs;

	if (!(data[0] & QUIC_HEADER_FIXED_BIT)) {
		quic_drop_skb(udp->net, skb, QUIC_DROP_FIXED_BIT);
		return;
	}
	if (len < QUIC_STATELESS_RESET_MIN) {
		quic_drop_skb(udp->net, skb, QUIC_DROP_TOO_SHORT);
		return;
	}
	qs = quic_demux_find_reset(udp->net, skb);
	if (qs) {
		quic_demux_deliver(udp, qs, skb);
		return;
	}
	/* Only here, where no connection has the ID: RFC 9000, sections 11 #1 and 21.11 #2. */
	quic_addr_from_skb(skb, &local, &peer);
	qs = quic_demux_find_listener(udp->net, udp, &local, &peer, NULL, NULL, 0);
	if (qs) {
		quic_stateless_reset(udp, skb, data + 1, qs->secret, len);
		sock_put(quic_sock_sk(qs));
	}
	quic_drop_skb(udp->net, skb, QUIC_DROP_NO_CONNECTION);
}

/* What a listener keeps is charged to it: nothing small in a large buffer, as loopback brings it. */
static struct sk_buff *quic_demux_compact(struct sk_buff *skb)
{
	u32 headers = skb->data - skb_network_header(skb);
	struct sk_buff *copy;

	if (skb->truesize <= 2 * SKB_TRUESIZE(headers + skb->len))
		return skb;
	copy = skb_copy_expand(skb, headers, 0, GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return skb;
	consume_skb(skb);
	return copy;
}

/* A long header with an ID that nobody has; the first datagram is @len bytes. */
static void quic_demux_long(struct quic_udp *udp, struct sk_buff *skb, u32 len)
{
	enum quic_drop_reason reason = QUIC_DROP_TYPE;
	union quic_addr local, peer;
	struct quic_header hdr;
	struct quic_sock *qs;

	skb = skb_unshare(skb, GFP_ATOMIC);
	if (!skb) {
		quic_drop_stray(udp->net, QUIC_DROP_NO_MEMORY, len);
		return;
	}
	skb = quic_demux_compact(skb);
	if (!pskb_may_pull(skb, len) ||
	    quic_header_decode(skb->data, len, QUIC_CID_LEN, &hdr)) {
		quic_drop_skb(udp->net, skb, QUIC_DROP_HEADER);
		return;
	}
	switch (hdr.type) {
	case QUIC_PACKET_UNKNOWN_VERSION:
		break;
	case QUIC_PACKET_INITIAL:
		/* RFC 9000, sections 7.2 and 14.1. */
		reason = QUIC_DROP_SMALL_INITIAL;
		if (hdr.dcid.len < QUIC_INITIAL_MIN_DCID || len < QUIC_INITIAL_MIN_SIZE)
			goto invalid;
		break;
	case QUIC_PACKET_0RTT:
	case QUIC_PACKET_HANDSHAKE:
		break;
	default:
		/* A server takes no Version Negotiation and no Retry. */
		goto invalid;
	}

	quic_addr_from_skb(skb, &local, &peer);
	if (hdr.type != QUIC_PACKET_UNKNOWN_VERSION &&
	    quic_demux_needs_alpn(udp->net, udp, &local)) {
		quic_hello_receive(udp, skb, &hdr);
		return;
	}
	qs = quic_demux_find_listener(udp->net, udp, &local, &peer, skb, NULL, 0);
	if (!qs) {
		quic_drop_skb(udp->net, skb, QUIC_DROP_NO_LISTENER);
		return;
	}
	if (hdr.type != QUIC_PACKET_UNKNOWN_VERSION) {
		quic_listen_receive(qs, udp, skb, &hdr);
	} else {
		/* RFC 9000, section 5.2.2. */
		if (len >= QUIC_INITIAL_MIN_SIZE)
			quic_stateless_version_negotiation(udp, skb, &hdr);
		quic_drop_skb(udp->net, skb, QUIC_DROP_VERSION);
	}
	sock_put(quic_sock_sk(qs));
	return;

invalid:
	quic_drop_skb(udp->net, skb, reason);
}

/* All datagrams of @skb are for one ID; the first is @len bytes. */
static void quic_demux_one(struct quic_udp *udp, struct sk_buff *skb, u32 len)
{
	u32 peek = min_t(u32, len, QUIC_DEMUX_PEEK);
	u8 buf[QUIC_DEMUX_PEEK];
	struct quic_sock *qs;
	const u8 *data, *dcid;
	u8 dcid_len;

	/*
	 * Not pulled: that would give a clone a head of its own whose pages are
	 * still the other's, and input.c could not tell that it must not write.
	 */
	data = skb_header_pointer(skb, 0, peek, buf);
	if (unlikely(!data) ||
	    unlikely(quic_header_peek_dcid(data, peek, QUIC_CID_LEN, &dcid, &dcid_len))) {
		quic_drop_skb(udp->net, skb, QUIC_DROP_HEADER);
		return;
	}
	qs = quic_demux_find_cid(udp->net, dcid, dcid_len);
	if (likely(qs))
		quic_demux_deliver(udp, qs, skb);
	else if (quic_header_is_long(data[0]))
		quic_demux_long(udp, skb, len);
	else
		quic_demux_short(udp, skb, data, len);
}

/* The connection ID of 1-RTT packets as a number; both must have one. */
static bool quic_demux_is_same_short(const u8 *data, const u8 *first)
{
	BUILD_BUG_ON(QUIC_CID_LEN != sizeof(u64));
	return !quic_header_is_long(data[0] | first[0]) &&
	       get_unaligned((u64 *)(data + 1)) == get_unaligned((u64 *)(first + 1));
}

static bool quic_demux_is_same_id(const u8 *data, u32 len, const u8 *first, u32 first_len)
{
	const u8 *a, *b;
	u8 a_len, b_len;

	if (likely(min(len, first_len) > QUIC_CID_LEN && quic_demux_is_same_short(data, first)))
		return true;
	return !quic_header_peek_dcid(data, len, QUIC_CID_LEN, &a, &a_len) &&
	       !quic_header_peek_dcid(first, first_len, QUIC_CID_LEN, &b, &b_len) &&
	       a_len == b_len && !memcmp(a, b, a_len);
}

/* Do all datagrams of an aggregate bear the ID of the first? */
static bool quic_demux_is_uniform(struct sk_buff *skb, u32 size)
{
	u32 first_len = min_t(u32, size, QUIC_DEMUX_PEEK);
	u8 first[QUIC_DEMUX_PEEK], buf[QUIC_DEMUX_PEEK];
	struct skb_seq_state state;
	u32 at, len, avail = 0;
	const u8 *data = NULL;

	if (skb_copy_bits(skb, 0, first, first_len))
		return false;
	skb_prepare_seq_read(skb, 0, skb->len, &state);
	for (at = 0; at < skb->len; at += size) {
		len = min3(size, skb->len - at, (u32)QUIC_DEMUX_PEEK);
		if (avail >= size + len) {	/* in the same piece of memory */
			data += size;
			avail -= size;
		} else {
			avail = skb_seq_read(at, &data, &state);
			if (!avail)
				return false;	/* the walk has ended by itself */
			if (unlikely(avail < len)) {
				if (skb_copy_bits(skb, at, buf, len))
					break;
				data = buf;
				avail = len;
			}
		}
		if (!quic_demux_is_same_id(data, len, first, first_len))
			break;
	}
	skb_abort_seq_read(&state);
	return at >= skb->len;
}

/* A datagram of an aggregate as an skb of its own, with what addr.c reads in front. */
static struct sk_buff *quic_demux_cut(const struct sk_buff *skb, u32 at, u32 len)
{
	u32 hdr_len = skb->data - skb_network_header(skb);
	struct sk_buff *part;

	part = alloc_skb(NET_SKB_PAD + hdr_len + len, GFP_ATOMIC | __GFP_NOWARN);
	if (!part)
		return NULL;
	skb_reserve(part, NET_SKB_PAD + hdr_len);
	if (skb_copy_bits(skb, at, skb_put(part, len), len)) {
		kfree_skb(part);
		return NULL;
	}
	memcpy(part->data - hdr_len, skb_network_header(skb), hdr_len);
	skb_set_network_header(part, -(int)hdr_len);
	skb_set_transport_header(part, skb_transport_offset(skb));
	part->protocol = skb->protocol;
	part->skb_iif = skb->skb_iif;
	part->tstamp = skb->tstamp;
	part->mark = skb->mark;
	part->ip_summed = CHECKSUM_UNNECESSARY;
	return part;
}

/**
 * quic_demux_receive() - a datagram or an aggregate of datagrams came in
 * @udp: socket it came in on
 * @skb: data points to the first QUIC packet, headers in front; taken over
 *
 * Softirq or BH off, under RCU.
 */
void quic_demux_receive(struct quic_udp *udp, struct sk_buff *skb)
{
	u32 size = skb_is_gso(skb) ? skb_shinfo(skb)->gso_size : 0;
	struct sk_buff *part;
	u32 at;

	QUIC_INC_STATS(udp->net, QUIC_MIB_UDP_INBURSTS);
	QUIC_ADD_STATS(udp->net, QUIC_MIB_UDP_INDATAGRAMS, quic_demux_datagrams(skb));
	if (!size || size >= skb->len) {
		quic_demux_one(udp, skb, skb->len);
		return;
	}
	if (likely(quic_demux_is_uniform(skb, size))) {
		quic_demux_one(udp, skb, size);
		return;
	}
	for (at = 0; at < skb->len; at += size) {
		u32 len = min(size, skb->len - at);

		part = quic_demux_cut(skb, at, len);
		if (part)
			quic_demux_one(udp, part, len);
		else
			quic_drop_stray(udp->net, QUIC_DROP_NO_MEMORY, len);
	}
	consume_skb(skb);
}

/*
 * ICMP.
 */

/* What an ICMP error quotes of a packet of ours. */
struct quic_quoted {
	const union quic_addr *local;
	u8 data[QUIC_DEMUX_PEEK];
	u32 len;
};

/* Did this connection send it: from its address, with the ID that it sends to? */
static bool quic_demux_is_quoted(struct quic_sock *qs, const void *arg)
{
	struct quic_remote_cid *remote = quic_remote_cids_active(&qs->conn.remote_cids);
	const struct quic_quoted *quoted = arg;
	const u8 *dcid;
	u8 dcid_len;

	if (!quic_addr_equal(&quic_sock_route(qs)->local, quoted->local) ||
	    !remote || !remote->cid.len || remote->cid.len > QUIC_CID_MAX_LEN)
		return false;
	return !quic_header_peek_dcid(quoted->data, quoted->len, remote->cid.len, &dcid,
				      &dcid_len) &&
	       dcid_len == remote->cid.len && !memcmp(dcid, remote->cid.data, dcid_len);
}

static void quic_demux_update_mtu(struct quic_sock *qs, u32 mtu)
{
	struct sock *sk = quic_sock_sk(qs);

	bh_lock_sock_nested(sk);
	WRITE_ONCE(quic_sock_route(qs)->told, mtu);
	if (sock_owned_by_user(sk)) {
		/* release_cb drops the reference. */
		if (!test_and_set_bit(QUIC_DEFERRED_MTU, &qs->deferred))
			sock_hold(sk);
	} else {
		quic_udp_too_big(qs);
		quic_sock_settle(qs);
	}
	bh_unlock_sock(sk);
}

/**
 * quic_demux_too_big() - a packet was too big for a link on the way
 * @net:   netns
 * @skb:   the ICMP message
 * @off:   where in it the quoted QUIC packet is
 * @local: source of the quoted packet
 * @peer:  its destination
 * @mtu:   what the link takes
 *
 * Only a connection whose packet is quoted heeds it. RFC 9000, section 14.2.1 #2.
 */
void quic_demux_too_big(struct net *net, const struct sk_buff *skb, u32 off,
			const union quic_addr *local, const union quic_addr *peer, u32 mtu)
{
	struct quic_quoted quoted = { .local = local };
	struct quic_sock *qs;

	if (off >= skb->len)
		return;
	quoted.len = min_t(u32, skb->len - off, sizeof(quoted.data));
	if (skb_copy_bits(skb, off, quoted.data, quoted.len))
		return;

	rcu_read_lock();
	qs = quic_demux_find_peer(net, peer, quic_demux_is_quoted, &quoted);
	if (qs) {
		quic_demux_update_mtu(qs, mtu);
		sock_put(quic_sock_sk(qs));
	}
	rcu_read_unlock();
}
