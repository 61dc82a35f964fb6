// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 0-RTT packets that overtook the client's first Initial packet: a listener
 * keeps a few for a moment, until the request that they belong to comes.
 * RFC 9000, section 5.2.2; RFC 9001, section 5.7.
 */
#include "net.h"
#include "sock.h"

#define QUIC_EARLY_PACKETS	8
#define QUIC_EARLY_BYTES	16384
#define QUIC_EARLY_TIME		(NSEC_PER_SEC / 2)	/* after the last one came */

/**
 * quic_early_purge() - forget all early packets
 * @listener: with requests_lock held
 */
void quic_early_purge(struct quic_sock *listener)
{
	__skb_queue_purge(&listener->early);
	listener->early_bytes = 0;
}

/**
 * quic_early_keep() - a 0-RTT packet without a request
 * @listener: with requests_lock held
 * @skb:      its datagram, linear; taken over on success
 * @now:      time
 *
 * Anybody may send such packets, so they have one small bound for the whole listener.
 *
 * Return: false if there is no room.
 */
bool quic_early_keep(struct quic_sock *listener, struct sk_buff *skb, u64 now)
{
	if (now - listener->early_last > QUIC_EARLY_TIME)
		quic_early_purge(listener);
	if (skb_queue_len(&listener->early) >= QUIC_EARLY_PACKETS ||
	    listener->early_bytes + skb->len > QUIC_EARLY_BYTES)
		return false;
	skb_orphan(skb);
	skb_dst_drop(skb);
	skb->dev = NULL;
	listener->early_last = now;
	listener->early_bytes += skb->len;
	__skb_queue_tail(&listener->early, skb);
	return true;
}

static bool quic_early_is_of(const struct sk_buff *skb, const struct quic_request *req)
{
	union quic_addr local, peer;
	const u8 *dcid;
	u8 dcid_len;

	if (quic_header_peek_dcid(skb->data, skb_headlen(skb), QUIC_CID_LEN, &dcid, &dcid_len) ||
	    dcid_len != req->dcid.len || memcmp(dcid, req->dcid.data, dcid_len))
		return false;
	quic_addr_from_skb(skb, &local, &peer);
	return quic_addr_equal(&peer, &req->peer) && quic_addr_equal(&local, &req->local);
}

/**
 * quic_early_next() - the next early packet of a request
 * @listener: with requests_lock held
 * @req:      a new request
 *
 * Return: a datagram that is the caller's now, or NULL.
 */
struct sk_buff *quic_early_next(struct quic_sock *listener, const struct quic_request *req)
{
	struct sk_buff *skb;

	skb_queue_walk(&listener->early, skb) {
		if (!quic_early_is_of(skb, req))
			continue;
		__skb_unlink(skb, &listener->early);
		listener->early_bytes -= skb->len;
		return skb;
	}
	return NULL;
}
