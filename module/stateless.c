// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replies to datagrams that belong to no connection: Version Negotiation,
 * Retry, stateless reset, refusal. Each is smaller than what it answers, and a token
 * bucket bounds how many leave a netns. When to send one is for demux.c and
 * listen.c.
 */
#include <linux/random.h>
#include <linux/skbuff.h>

#include "core/frame.h"
#include "keys.h"
#include "net.h"
#include "protect.h"
#include "stateless.h"
#include "udp.h"

#include <trace/events/quic.h>

#define QUIC_STATELESS_SECRET_LEN	32
#define QUIC_STATELESS_LABEL		"quic reset"
#define QUIC_STATELESS_PN_LEN		4
#define QUIC_STATELESS_VERSIONS		8	/* room for those that are listed */

unsigned int quic_stateless_rate = 1000;

/* The bucket holds what may leave within a second. */
static bool quic_stateless_may_reply(struct net *net)
{
	struct quic_net *qn = quic_net(net);
	unsigned int rate = READ_ONCE(quic_stateless_rate);
	unsigned long passed;
	bool may = false;

	spin_lock_bh(&qn->lock);
	passed = jiffies - qn->reply_time;
	if (passed >= HZ) {
		qn->reply_budget = rate;
		qn->reply_time = jiffies;
	} else if ((u64)rate * passed >= HZ) {
		qn->reply_budget = min_t(u64, qn->reply_budget + div_u64((u64)rate * passed, HZ),
					 rate);
		qn->reply_time = jiffies;
	}
	if (qn->reply_budget) {
		qn->reply_budget--;
		may = true;
	}
	spin_unlock_bh(&qn->lock);
	return may;
}

static struct sk_buff *quic_stateless_alloc(u32 len, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb(QUIC_UDP_HEADROOM + len, gfp | __GFP_NOWARN);

	if (skb)
		skb_reserve(skb, QUIC_UDP_HEADROOM);
	return skb;
}

/**
 * quic_stateless_version_negotiation() - say which versions there are
 * @udp: socket that the packet came in on
 * @skb: the packet, at least 1200 bytes
 * @hdr: its header
 *
 * RFC 9000, section 6.1.
 */
void quic_stateless_version_negotiation(struct quic_udp *udp, const struct sk_buff *skb,
					const struct quic_header *hdr)
{
	u32 ids = 7 + hdr->dcid.len + hdr->scid.len;
	u32 room = ids + 4 * QUIC_STATELESS_VERSIONS;
	union quic_addr local, peer;
	struct quic_writer w;
	struct sk_buff *reply;
	u32 len;

	if (!quic_stateless_may_reply(udp->net))
		return;
	reply = quic_stateless_alloc(room, GFP_ATOMIC);
	if (!reply)
		return;
	quic_writer_init(&w, skb_put(reply, room), room);
	len = quic_header_encode_version_negotiation(&w, get_random_u32(), hdr->version,
						     &hdr->scid, &hdr->dcid);
	if (WARN_ON_ONCE(!len)) {
		kfree_skb(reply);
		return;
	}
	skb_trim(reply, len);
	trace_quic_stateless_sent(NULL, QUIC_PACKET_VERSION_NEGOTIATION, 0, &hdr->scid, &hdr->dcid,
				  reply->data + ids, len - ids, len);
	quic_addr_from_skb(skb, &local, &peer);
	quic_udp_reply(udp, reply, &local, &peer);
}

/* Another ID than the client's, RFC 9000, section 17.2.5.1 #1. */
static void quic_stateless_retry_cid(struct quic_cid *cid, const struct quic_cid *dcid)
{
	cid->len = QUIC_CID_LEN;
	do {
		get_random_bytes(cid->data, QUIC_CID_LEN);
	} while (quic_cid_equal(cid, dcid));
}

/**
 * quic_stateless_retry() - ask a client to come back with a token
 * @udp:    socket that its packet came in on
 * @local:  where it went
 * @peer:   where it came from
 * @hdr:    its header: an Initial packet without a token that is good
 * @tokens: of the listener
 *
 * One for each packet that asks: RFC 9000, section 17.2.5.1 #4. It is of the client's version: RFC
 * 9369, section 4.1 #1.
 */
void quic_stateless_retry(struct quic_udp *udp, const union quic_addr *local,
			  const union quic_addr *peer, const struct quic_header *hdr,
			  struct quic_tokens *tokens)
{
	u32 room = 7 + hdr->scid.len + QUIC_CID_LEN + QUIC_TOKEN_SEALED_MAX + QUIC_TAG_LEN;
	struct quic_token_info info = {
		.kind = QUIC_TOKEN_RETRY, .version = hdr->version, .original = hdr->dcid,
	};
	struct quic_writer w;
	struct sk_buff *reply;
	int token_len;
	u32 len;

	if (!quic_stateless_may_reply(udp->net))
		return;
	reply = quic_stateless_alloc(room, GFP_ATOMIC);
	if (!reply)
		return;
	quic_stateless_retry_cid(&info.retry, &hdr->dcid);
	quic_writer_init(&w, skb_put(reply, room), room);
	quic_header_encode_retry(&w, hdr->version, &hdr->scid, &info.retry, NULL, 0);
	token_len = quic_tokens_seal(tokens, &info, peer, ktime_get_ns(), w.pos);
	if (token_len < 0)
		goto free;
	len = quic_writer_used(&w) + token_len;
	if (quic_retry_tag(hdr->version, &hdr->dcid, reply->data, len, reply->data + len))
		goto free;
	skb_trim(reply, len + QUIC_TAG_LEN);
	trace_quic_stateless_sent(NULL, QUIC_PACKET_RETRY, hdr->version, &hdr->scid, &info.retry,
				  NULL, 0, reply->len);
	quic_udp_reply(udp, reply, local, peer);
	return;

free:
	kfree_skb(reply);
}

/**
 * quic_stateless_reset_token() - the token that belongs to a connection ID
 * @secret: of the listener
 * @cid:    the ID
 * @token:  result, 16 bytes; zero if the hash failed
 *
 * RFC 9000, section 10.3.2.
 */
void quic_stateless_reset_token(const u8 *secret, const struct quic_cid *cid, u8 *token)
{
	u8 input[sizeof(QUIC_STATELESS_LABEL) + QUIC_CID_MAX_LEN];
	u8 mac[QUIC_HMAC_LEN];

	memcpy(input, QUIC_STATELESS_LABEL, sizeof(QUIC_STATELESS_LABEL));
	memcpy(input + sizeof(QUIC_STATELESS_LABEL), cid->data, cid->len);
	if (quic_hmac_sha256(secret, QUIC_STATELESS_SECRET_LEN, input,
			     sizeof(QUIC_STATELESS_LABEL) + cid->len, mac))
		get_random_bytes(mac, sizeof(mac));	/* one that nobody can use */
	memcpy(token, mac, QUIC_STATELESS_TOKEN_LEN);
	memzero_explicit(mac, sizeof(mac));
}

/**
 * quic_stateless_reset() - tell a peer that its connection is not there
 * @udp:          socket that its packet came in on
 * @skb:          the packet
 * @dcid:         its destination connection ID, QUIC_CID_LEN bytes
 * @secret:       of the listener that may have issued the ID
 * @datagram_len: its size
 *
 * Always smaller than the packet, so that two endpoints cannot go on for ever. RFC 9000,
 * section 10.3.3 #1.
 */
void quic_stateless_reset(struct quic_udp *udp, const struct sk_buff *skb, const u8 *dcid,
			  const u8 *secret, u32 datagram_len)
{
	union quic_addr local, peer;
	struct sk_buff *reply;
	struct quic_cid cid;
	u8 *data;
	u32 len;

	if (datagram_len <= QUIC_STATELESS_RESET_MIN || !quic_stateless_may_reply(udp->net))
		return;
	len = min_t(u32, datagram_len - 1, QUIC_STATELESS_RESET_MAX);
	reply = quic_stateless_alloc(len, GFP_ATOMIC);
	if (!reply)
		return;
	data = skb_put(reply, len);
	get_random_bytes(data, len - QUIC_STATELESS_TOKEN_LEN);
	data[0] = (data[0] & ~QUIC_HEADER_FORM_LONG) | QUIC_HEADER_FIXED_BIT;
	quic_cid_set(&cid, dcid, QUIC_CID_LEN);
	quic_stateless_reset_token(secret, &cid, data + len - QUIC_STATELESS_TOKEN_LEN);
	quic_addr_from_skb(skb, &local, &peer);
	quic_udp_reply(udp, reply, &local, &peer);
}

/**
 * quic_stateless_refuse() - answer a client's first packet with CONNECTION_CLOSE
 * @udp:   socket that it came in on
 * @local: where it went
 * @peer:  where it came from
 * @hdr:   its header
 * @code:  transport error code
 *
 * May sleep. RFC 9000, section 10.2.3.
 */
int quic_stateless_refuse(struct quic_udp *udp, const union quic_addr *local,
			  const union quic_addr *peer, const struct quic_header *hdr, u64 code)
{
	struct quic_frame_close close = { .code = code };
	struct quic_mask mask;
	struct quic_writer w;
	struct sk_buff *skb;
	struct quic_key *key;
	u32 hdr_len, len;
	u8 *length_field;
	int err;

	if (!quic_stateless_may_reply(udp->net))
		return -EAGAIN;
	err = quic_keys_initial(hdr->version, &hdr->dcid, true, &key, NULL);
	if (err)
		return err;

	err = -ENOMEM;
	skb = quic_stateless_alloc(256, GFP_KERNEL);
	if (!skb)
		goto out;
	quic_writer_init(&w, skb_put(skb, 256), 256 - QUIC_TAG_LEN);
	length_field = quic_header_encode_long(&w, QUIC_PACKET_INITIAL, hdr->version, &hdr->scid,
					       &hdr->dcid, NULL, 0, 0, QUIC_STATELESS_PN_LEN);
	hdr_len = quic_writer_used(&w);
	if (WARN_ON_ONCE(!length_field || !quic_frame_encode_close(&w, &close))) {
		err = -EINVAL;
		kfree_skb(skb);
		goto out;
	}
	len = quic_writer_used(&w) - hdr_len;
	quic_header_set_length(length_field, QUIC_STATELESS_PN_LEN + len + QUIC_TAG_LEN);
	skb_trim(skb, hdr_len + len + QUIC_TAG_LEN);

	mask.first = skb->data;
	mask.pn = skb->data + hdr_len - QUIC_STATELESS_PN_LEN;
	local_bh_disable();
	err = quic_protect_seal(key, skb->data, hdr_len, skb->data + hdr_len, len, 0);
	if (!err)
		quic_protect_mask(key, &mask, 1);
	local_bh_enable();
	if (err)
		kfree_skb(skb);
	else
		err = quic_udp_reply(udp, skb, local, peer);
out:
	quic_key_free(key);
	return err;
}
