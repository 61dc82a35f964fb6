// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets that came before their keys: a few of them wait. RFC 9001, section 5.7.
 */
#include "coalesced.h"
#include "drop.h"
#include "input.h"
#include "sock.h"
#include "undecryptable.h"

#define QUIC_UNDECRYPTABLE_MAX		8
#define QUIC_UNDECRYPTABLE_BYTES	16384

/* Of a packet that is kept: the codepoint that it came with. */
static u8 *quic_undecryptable_ecn(struct sk_buff *skb)
{
	return (u8 *)skb->cb;
}

/**
 * quic_undecryptable_keep() - keep a packet that came before its key
 * @qs:     socket, locked
 * @packet: the packet, still protected
 * @len:    its length
 * @ecn:    codepoint that it came with
 *
 * It is dropped when too many wait already.
 */
void quic_undecryptable_keep(struct quic_sock *qs, const u8 *packet, u32 len, u8 ecn)
{
	struct sk_buff *skb;

	if (skb_queue_len(&qs->undecryptable) >= QUIC_UNDECRYPTABLE_MAX ||
	    qs->undecryptable_bytes + len > QUIC_UNDECRYPTABLE_BYTES) {
		quic_drop_packet(qs, QUIC_DROP_WAITING_FULL, len);
		return;
	}
	skb = alloc_skb(len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		quic_drop_packet(qs, QUIC_DROP_NO_MEMORY, len);
		return;
	}
	skb_put_data(skb, packet, len);
	*quic_undecryptable_ecn(skb) = ecn;
	__skb_queue_tail(&qs->undecryptable, skb);
	qs->undecryptable_bytes += len;
	trace_quic_packet_buffered(&qs->conn, len);
}

/**
 * quic_undecryptable_may_wait() - may a packet come before its key?
 * @conn:  connection
 * @level: of the packet
 *
 * Return: false: the key is gone, or there will be none.
 */
bool quic_undecryptable_may_wait(const struct quic_conn *conn, u8 level)
{
	if (level == QUIC_CRYPTO_INITIAL || !quic_conn_is_open(conn))
		return false;
	if (level == QUIC_CRYPTO_HANDSHAKE)
		return conn->space[QUIC_SPACE_HANDSHAKE];
	/* A client gets no 0-RTT. */
	if (level == QUIC_CRYPTO_EARLY && !conn->is_server)
		return false;
	return conn->state == QUIC_CONN_HANDSHAKE;
}

/**
 * quic_undecryptable_resume() - look again at packets that came before their keys
 * @qs: socket, locked, with a new receive key
 */
void quic_undecryptable_resume(struct quic_sock *qs)
{
	struct quic_input_batch batch = {
		.qs = qs,
		.now = quic_sock_now(),
		.path = qs->conn.active_path,
	};
	struct sk_buff_head queue;
	struct sk_buff *skb;

	__skb_queue_head_init(&queue);
	skb_queue_splice_init(&qs->undecryptable, &queue);
	qs->undecryptable_bytes = 0;
	local_bh_disable();
	while ((skb = __skb_dequeue(&queue))) {
		batch.skb = skb;
		batch.share = skb->truesize;
		batch.ecn = *quic_undecryptable_ecn(skb);
		batch.datagram_len = QUIC_INITIAL_MIN_SIZE;
		quic_coalesced_input(&batch, skb, skb->data, skb->len);
		kfree_skb(skb);
	}
	local_bh_enable();
}
