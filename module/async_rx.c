// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Received packets at AEAD drivers that complete later. Header protection comes
 * off at once, numbers and keys are told by what was processed so far: the
 * peer cuts numbers by what we have acknowledged, which is less. Once all
 * packets of an aggregate are open, and all before them were processed, input.c
 * goes on as if they had come just now. RFC 9000, appendix A.3; RFC 9001, section 5.5.
 */
#include "async.h"
#include "coalesced.h"
#include "drop.h"
#include "net.h"
#include "protect.h"
#include "sock.h"

/**
 * quic_async_wants() - are packets that came to be opened by a driver that completes later?
 * @qs:  socket, locked
 * @skb: what came
 *
 * What a device has opened is not.
 */
bool quic_async_wants(const struct quic_sock *qs, const struct sk_buff *skb)
{
	const struct quic_key *key = qs->rx_key[QUIC_CRYPTO_APP];

	return key && key->later && qs->conn.state == QUIC_CONN_ESTABLISHED &&
	       !qs->conn.plaintext && !qs->offload.assoc[QUIC_OFFLOAD_RX] &&
	       !skb_metadata_len(skb);
}

/* Finds the segments; what lies across pieces, or is read by others, is copied. */
static void quic_async_segments(struct quic_async_job *job, u32 size)
{
	struct sk_buff *skb = job->skb;
	struct quic_segments it = { .head = skb, .part = skb, .frag = -1 };
	struct net *net = sock_net(quic_sock_sk(job->qs));
	bool in_place = quic_segments_may_write(skb);
	struct quic_async_packet *packet;
	u32 i, len;

	for (i = 0; i < job->n; i++) {
		packet = &job->packet[i];
		len = min(size, skb->len - i * size);
		if (!quic_segments_take(&it, in_place, i * size, len, &packet->datagram)) {
			quic_drop_packet(job->qs, QUIC_DROP_NO_MEMORY, len);
			packet->datagram.data = NULL;
			continue;
		}
		if (packet->datagram.skb != skb)
			QUIC_INC_STATS(net, QUIC_MIB_PKT_RCVCOPIES);
		packet->is_app = quic_input_is_plain_app(job->qs, packet->datagram.data, len);
	}
}

static void quic_async_unmask(struct quic_async_job *job)
{
	struct quic_key *key = job->qs->rx_key[QUIC_CRYPTO_APP];
	struct quic_mask mask[QUIC_INPUT_BATCH];
	u32 i, n = 0;

	for (i = 0; i < job->n; i++) {
		if (!job->packet[i].is_app)
			continue;
		mask[n].first = job->packet[i].datagram.data;
		mask[n].pn = mask[n].first + 1 + QUIC_CID_LEN;
		if (++n == QUIC_INPUT_BATCH) {
			quic_protect_unmask(key, mask, n);
			n = 0;
		}
	}
	if (n)
		quic_protect_unmask(key, mask, n);
}

/* Number and key, and off to the driver. */
static void quic_async_open_packet(struct quic_async_job *job, u32 i)
{
	struct quic_async_packet *packet = &job->packet[i];
	u8 *data = packet->datagram.data;
	u32 hdr_len = 1 + QUIC_CID_LEN;
	struct quic_key *key;
	u8 pn_len;

	pn_len = (data[0] & QUIC_HEADER_PN_LEN_MASK) + 1;
	packet->pn = quic_input_pn(job->qs, data, pn_len);
	hdr_len += pn_len;
	packet->err = -EBADMSG;
	if (packet->pn > QUIC_PN_MAX || packet->datagram.len < hdr_len + QUIC_TAG_LEN)
		return;
	key = quic_input_app_key(job->qs, data[0] & QUIC_HEADER_KEY_PHASE, packet->pn);
	if (!key)
		return;
	packet->key = quic_key_get(key);
	if (key->later)
		quic_async_ask(job, i, data, hdr_len, packet->datagram.len - hdr_len, false);
	else
		packet->err = quic_protect_open(key, data, hdr_len, packet->datagram.len - hdr_len,
						packet->pn);
}

/**
 * quic_async_open() - a datagram or aggregate for which quic_async_wants() said yes
 * @qs:  socket, locked
 * @skb: taken over
 *
 * It is dropped if too many are waiting already, which the peer takes for congestion.
 */
void quic_async_open(struct quic_sock *qs, struct sk_buff *skb)
{
	u32 size = skb_shinfo(skb)->gso_size ?: skb->len;
	u32 i, n = DIV_ROUND_UP(skb->len, size);
	struct quic_async_job *job = NULL;

	if (!qs->async.packets[QUIC_ASYNC_RX] ||
	    qs->async.packets[QUIC_ASYNC_RX] + n <= QUIC_ASYNC_PACKETS)
		job = quic_async_job_new(qs, skb, qs->rx_key[QUIC_CRYPTO_APP], QUIC_ASYNC_RX, n);
	if (!job) {
		quic_drop_packet(qs, QUIC_DROP_WAITING_FULL, skb->len);
		kfree_skb(skb);
		return;
	}
	local_bh_disable();
	quic_async_segments(job, size);
	quic_async_unmask(job);
	for (i = 0; i < n; i++)
		if (job->packet[i].is_app)
			quic_async_open_packet(job, i);
	local_bh_enable();
	quic_async_queue(job, QUIC_ASYNC_RX);
}

/**
 * quic_async_walk() - process the packets of a job, all of which are open
 * @batch: what they have in common
 * @job:   job
 *
 * The socket is locked, BH off.
 */
void quic_async_walk(struct quic_input_batch *batch, struct quic_async_job *job)
{
	struct quic_sock *qs = batch->qs;
	struct quic_async_packet *packet;
	u32 i, opened = 0;

	batch->skb = job->skb;
	batch->share = job->skb->truesize / job->n;
	for (i = 0; i < job->n; i++) {
		packet = &job->packet[i];
		if (!packet->datagram.data)
			continue;
		batch->datagram_len = packet->datagram.len;
		if (!packet->is_app) {
			quic_coalesced_input(batch, packet->datagram.skb, packet->datagram.data,
					     packet->datagram.len);
		} else if (quic_input_opened(batch, packet)) {
			opened++;
			quic_input_dcid(batch, packet->datagram.data);
		} else {
			quic_input_failed(batch, packet->datagram.data, packet->datagram.len);
		}
	}
	qs->rx_packets += opened;
	QUIC_ADD_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_PKT_DECBACKLOGS, opened);
	if (quic_offload_is_on())
		quic_offload_rx_opened(qs, opened, false);
}
