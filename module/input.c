// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Aggregates to packets: header protection comes off many 1-RTT packets at
 * once, each is opened where it lies and handed to the core. Segments are found
 * by segments.c, those that are not one 1-RTT packet are coalesced.c's.
 * RFC 9001, section 5.5.
 */
#include "async.h"
#include "coalesced.h"
#include "drop.h"
#include "input.h"
#include "net.h"
#include "offload.h"
#include "postponed.h"
#include "protect.h"
#include "restart.h"
#include "sock.h"

/* Smaller datagrams cannot be a stateless reset. RFC 9000, section 10.3. */
#define QUIC_STATELESS_RESET_MIN	21

static void quic_input_count(struct quic_sock *qs, enum quic_mib field)
{
	QUIC_INC_STATS(sock_net(quic_sock_sk(qs)), field);
}

/*
 * The key for a 1-RTT packet of that phase and number. The next one is made before anybody asks for
 * it: RFC 9001, sections 6.3 #1 #2 and 6.5.
 */
static inline struct quic_key *quic_input_key(struct quic_sock *qs, bool phase, u64 pn,
					      enum quic_key_choice *choice)
{
	*choice = quic_key_phase_choose(&qs->conn.key_phase, phase, pn);
	switch (*choice) {
	case QUIC_KEY_NEXT:
		return qs->tx_next ? qs->rx_next : NULL;
	case QUIC_KEY_PREVIOUS:
		return qs->rx_previous;
	default:
		return qs->rx_key[QUIC_CRYPTO_APP];
	}
}

/**
 * quic_input_app_key() - the key for a 1-RTT packet
 * @qs:     socket, locked
 * @phase:  phase that its header tells
 * @pn:     its number
 *
 * Return: the key, or NULL.
 */
struct quic_key *quic_input_app_key(struct quic_sock *qs, bool phase, u64 pn)
{
	enum quic_key_choice choice;

	return quic_input_key(qs, phase, pn, &choice);
}

/**
 * quic_input_failed() - the first packet of a datagram could not be opened, for whatever reason
 * @batch: what it came with
 * @data:  the datagram
 * @len:   its length
 *
 * Does it end in a token of the peer's? RFC 9000, sections 10.3 #5 and 10.3.1 #1 #4.
 */
void quic_input_failed(const struct quic_input_batch *batch, const u8 *data, u32 len)
{
	struct quic_conn *conn = &batch->qs->conn;

	if (len >= QUIC_STATELESS_RESET_MIN &&
	    quic_remote_cids_is_reset(&conn->remote_cids,
				      data + len - QUIC_STATELESS_TOKEN_LEN))
		quic_conn_on_stateless_reset(conn, batch->now);
}

static inline u64 quic_input_expand(struct quic_sock *qs, u8 level, const u8 *packet,
				    u32 pn_offset, u8 pn_len)
{
	u32 truncated = 0;
	u8 i;

	for (i = 0; i < pn_len; i++)
		truncated = truncated << 8 | packet[pn_offset + i];
	return quic_pn_expand(quic_conn_largest_received(&qs->conn, level), truncated, pn_len);
}

/**
 * quic_input_pn() - the number of a 1-RTT packet
 * @qs:     socket, locked
 * @packet: its header, without protection
 * @pn_len: bytes of the number
 *
 * RFC 9000, appendix A.3.
 *
 * Return: the number; there is no such packet if it is more than QUIC_PN_MAX.
 */
u64 quic_input_pn(struct quic_sock *qs, const u8 *packet, u8 pn_len)
{
	return quic_input_expand(qs, QUIC_CRYPTO_APP, packet, 1 + QUIC_CID_LEN, pn_len);
}

/* A packet that could not be opened. */
static void quic_input_refuse(struct quic_sock *qs, int err, u32 len)
{
	if (err == -EBADMSG) {
		quic_drop_packet(qs, QUIC_DROP_AUTHENTICATION, len);
		quic_conn_on_forgery(&qs->conn);
	} else if (err == -EKEYREJECTED) {
		quic_drop_packet(qs, QUIC_DROP_OFFLOAD, len);
	} else {	/* the cipher may not run here: as if it had been lost */
		quic_drop_packet(qs, QUIC_DROP_CIPHER_BUSY, len);
	}
}

/* A device has opened a packet: was it with the key that we would have taken? */
static int quic_input_check_device(const struct quic_input_batch *batch,
				   const struct quic_key *key)
{
	if (likely(key && key->generation == batch->generation))
		return 0;
	quic_offload_distrust(batch->qs);
	return -EKEYREJECTED;
}

/*
 * An authenticated packet: frames. It is @packet to @packet + @len, its header @hdr_len long; @rx has
 * its number and level. Inline, since a call would cost each packet its nine arguments.
 */
static __always_inline void quic_input_use(const struct quic_input_batch *batch,
					   struct sk_buff *skb, u8 *packet, u32 hdr_len, u32 len,
					   struct quic_rx_packet *rx, enum quic_key_choice choice,
					   bool other)
{
	struct quic_sock *qs = batch->qs;
	struct quic_conn *conn = &qs->conn;
	u8 level = rx->level;
	bool plain = level == QUIC_CRYPTO_APP && conn->plaintext;
	u8 reserved;

	/*
	 * Only now, or the time it takes would tell the number of a packet that was made up.
	 * RFC 9000, section 12.3 #4 #5; RFC 9001, section 9.5 #1.
	 */
	if (quic_conn_is_duplicate(conn, level, rx->pn)) {
		quic_drop_packet(qs, QUIC_DROP_DUPLICATE, len);
		return;
	}
	if (!plain && level == QUIC_CRYPTO_APP &&
	    !quic_conn_on_key(conn, choice, rx->pn, batch->now)) {
		quic_drop_packet(qs, QUIC_DROP_KEY_PHASE, len);
		return;
	}
	/*
	 * Only now are the reserved bits the peer's word. RFC 9000, sections 17.2 #7 and 17.3.1 #3. The
	 * spin bit is not asked: RFC 9000, section 17.4 #4.
	 */
	reserved = level == QUIC_CRYPTO_APP ? QUIC_HEADER_SHORT_RESERVED :
					      QUIC_HEADER_LONG_RESERVED;
	if (packet[0] & reserved) {
		quic_drop_packet(qs, QUIC_DROP_RESERVED_BITS, len);
		quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION, 0,
			       "reserved header bits");
		return;
	}
	if (other)
		quic_restart_follow(qs);

	rx->ecn = batch->ecn;
	rx->path = batch->path;
	if (unlikely(rx->path == QUIC_PATH_NONE) && level == QUIC_CRYPTO_APP)
		rx->path = quic_path_admit(qs, batch->local, batch->peer, packet + 1,
					   batch->bytes, batch->now);
	rx->now = batch->now;
	rx->payload = packet + hdr_len;
	rx->len = len - hdr_len - (plain ? 0 : QUIC_TAG_LEN);
	rx->share = batch->share;
	rx->host = skb;
	switch (quic_conn_recv_packet(conn, rx)) {
	case -ENOBUFS:
		quic_drop_packet(qs, QUIC_DROP_RECEIVE_BUFFER, len);
		break;
	case -EPROTO:
		if (conn->close.local)
			quic_drop_packet(qs, QUIC_DROP_FRAME, len);
		else if (!conn->close.app)
			quic_input_count(qs, QUIC_MIB_FRM_INCLOSES);
		break;
	}
}

/**
 * quic_input_open() - number, key, decryption and frames of a packet without header protection
 * @batch:     what it came with
 * @skb:       where it lies
 * @level:     of the packet
 * @packet:    its first byte
 * @pn_offset: where its number is
 * @len:       its length
 * @other:     an Initial packet of a version that is not in use
 *
 * Return: false: it could not be opened.
 */
bool quic_input_open(const struct quic_input_batch *batch, struct sk_buff *skb, u8 level,
			    u8 *packet, u32 pn_offset, u32 len, bool other)
{
	struct quic_sock *qs = batch->qs;
	struct quic_conn *conn = &qs->conn;
	u8 pn_len = (packet[0] & QUIC_HEADER_PN_LEN_MASK) + 1;
	enum quic_key_choice choice = QUIC_KEY_CURRENT;
	struct quic_rx_packet rx;
	struct quic_key *key;
	u32 hdr_len = pn_offset + pn_len;
	bool plain;
	int err;

	rx.level = level;
	rx.pn = quic_input_expand(qs, level, packet, pn_offset, pn_len);
	if (rx.pn > QUIC_PN_MAX) {
		quic_drop_packet(qs, QUIC_DROP_PACKET_NUMBER, len);
		return false;
	}

	plain = level == QUIC_CRYPTO_APP && conn->plaintext;
	if (len < hdr_len + (plain ? 0 : QUIC_TAG_LEN)) {
		quic_drop_packet(qs, QUIC_DROP_TOO_SHORT, len);
		return false;
	}
	if (!plain) {
		key = other ? qs->other_rx : qs->rx_key[level];
		if (level == QUIC_CRYPTO_APP)
			key = quic_input_key(qs, packet[0] & QUIC_HEADER_KEY_PHASE, rx.pn,
					     &choice);
		if (unlikely(batch->by_device) && level == QUIC_CRYPTO_APP)
			err = quic_input_check_device(batch, key);
		else
			err = key ? quic_protect_open(key, packet, hdr_len, len - hdr_len, rx.pn) :
				    -EBADMSG;
		if (err) {
			quic_input_refuse(qs, err, len);
			return false;
		}
	}
	quic_input_use(batch, skb, packet, hdr_len, len, &rx, choice, other);
	return true;
}

/**
 * quic_input_opened() - a 1-RTT packet that a driver has opened, or failed to
 * @batch:  what it came with
 * @opened: the packet
 *
 * Keys may have changed since it was given to the driver.
 *
 * Return: false: it could not be opened.
 */
bool quic_input_opened(const struct quic_input_batch *batch,
		       const struct quic_async_packet *opened)
{
	struct quic_rx_packet rx = { .level = QUIC_CRYPTO_APP, .pn = opened->pn };
	const struct quic_rx_datagram *datagram = &opened->datagram;
	u8 *packet = datagram->data;
	u32 hdr_len = 1 + QUIC_CID_LEN + (packet[0] & QUIC_HEADER_PN_LEN_MASK) + 1;
	enum quic_key_choice choice;
	struct quic_key *key;

	if (opened->err) {
		quic_input_refuse(batch->qs, opened->err, datagram->len);
		return false;
	}
	key = quic_input_key(batch->qs, packet[0] & QUIC_HEADER_KEY_PHASE, rx.pn, &choice);
	if (key && key->generation == opened->key->generation)
		quic_input_use(batch, datagram->skb, packet, hdr_len, datagram->len, &rx, choice,
			       false);
	else
		quic_drop_packet(batch->qs, QUIC_DROP_KEY_PHASE, datagram->len);
	return true;
}

/* The peer changed the connection ID that it sends to. */
static void quic_input_new_dcid(const struct quic_input_batch *batch, u64 dcid)
{
	struct quic_sock *qs = batch->qs;
	u8 path = batch->path;

	BUILD_BUG_ON(sizeof(dcid) != QUIC_CID_LEN);
	qs->rx_dcid = dcid;
	if (path == QUIC_PATH_NONE)
		path = quic_path_find(qs, batch->local, batch->peer);
	quic_conn_on_dcid(&qs->conn, path, (u8 *)&dcid, sizeof(dcid));
}

/**
 * quic_input_dcid() - the connection ID of an authenticated 1-RTT packet
 * @batch:  what it came with
 * @packet: the packet
 */
void quic_input_dcid(const struct quic_input_batch *batch, const u8 *packet)
{
	u64 dcid = get_unaligned((const u64 *)(packet + 1));

	if (unlikely(dcid != batch->qs->rx_dcid))
		quic_input_new_dcid(batch, dcid);
}

/* Segments that are each one 1-RTT packet: header protection comes off all at once. */
static void quic_input_burst(const struct quic_input_batch *batch,
			     const struct quic_rx_datagram *datagram, u32 n)
{
	const u32 pn_offset = 1 + QUIC_CID_LEN;
	struct quic_mask mask[QUIC_INPUT_BATCH];
	struct quic_sock *qs = batch->qs;
	u32 i, opened = 0;
	u64 dcid;

	if (!qs->conn.plaintext && !batch->by_device) {
		for (i = 0; i < n; i++) {
			mask[i].first = datagram[i].data;
			mask[i].pn = datagram[i].data + pn_offset;
		}
		quic_protect_unmask(qs->rx_key[QUIC_CRYPTO_APP], mask, n);
	}
	/* All have the same: demux.c saw to it. */
	dcid = get_unaligned((u64 *)(datagram[0].data + 1));
	for (i = 0; i < n; i++) {
		if (quic_input_open(batch, datagram[i].skb, QUIC_CRYPTO_APP, datagram[i].data,
				    pn_offset, datagram[i].len, false)) {
			opened++;
			if (unlikely(dcid != qs->rx_dcid))
				quic_input_new_dcid(batch, dcid);
		} else {
			quic_input_failed(batch, datagram[i].data, datagram[i].len);
		}
	}
	qs->rx_packets += opened;
	QUIC_ADD_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_PKT_DECFASTPATHS, opened);
	if (quic_offload_is_on())
		quic_offload_rx_opened(qs, opened, batch->by_device);
}

/**
 * quic_input_is_plain_app() - is a segment one 1-RTT packet, for which there is a key?
 * @qs:   socket, locked
 * @data: the segment
 * @len:  its length
 */
bool quic_input_is_plain_app(const struct quic_sock *qs, const u8 *data, u32 len)
{
	const struct quic_conn *conn = &qs->conn;

	return !quic_header_is_long(data[0]) &&
	       ((data[0] & QUIC_HEADER_FIXED_BIT) || conn->local.grease_quic_bit) &&
	       len >= 1 + QUIC_CID_LEN + 4 + (conn->plaintext ? 0 : QUIC_SAMPLE_LEN) &&
	       conn->state == QUIC_CONN_ESTABLISHED && qs->rx_key[QUIC_CRYPTO_APP];
}

static void quic_input_run(const struct quic_input_batch *batch,
			   const struct quic_rx_datagram *datagram, u32 n)
{
	u32 i;

	if (n)
		quic_input_burst(batch, datagram, n);
	for (i = 0; i < n; i++)
		if (datagram[i].skb != batch->skb)
			kfree_skb(datagram[i].skb);
}

static void quic_input_walk(struct quic_input_batch *batch, struct sk_buff *skb)
{
	struct quic_rx_datagram datagram[QUIC_INPUT_BATCH];
	struct quic_segments it = { .head = skb, .part = skb, .frag = -1 };
	u32 size = skb_shinfo(skb)->gso_size ?: skb->len;
	bool in_place = quic_segments_may_write(skb);
	u32 offset, len, n = 0;

	batch->skb = skb;
	batch->share = skb->truesize / DIV_ROUND_UP(skb->len, size);
	for (offset = 0; offset < skb->len; offset += len) {
		len = min(size, skb->len - offset);
		if (!quic_segments_take(&it, in_place, offset, len, &datagram[n])) {
			quic_drop_packet(batch->qs, QUIC_DROP_NO_MEMORY, len);
			continue;
		}
		if (unlikely(datagram[n].skb != skb))
			quic_input_count(batch->qs, QUIC_MIB_PKT_RCVCOPIES);
		if (quic_input_is_plain_app(batch->qs, datagram[n].data, len)) {
			if (++n == QUIC_INPUT_BATCH) {
				quic_input_run(batch, datagram, n);
				n = 0;
			}
			continue;
		}
		quic_input_run(batch, datagram, n);
		batch->datagram_len = len;
		quic_coalesced_input(batch, datagram[n].skb, datagram[n].data, len);
		if (datagram[n].skb != skb)
			kfree_skb(datagram[n].skb);
		n = 0;
	}
	quic_input_run(batch, datagram, n);
}

/**
 * quic_input_resume() - go on with a datagram or aggregate
 * @qs:  socket, locked
 * @skb: as quic_input() got it; taken over
 * @job: what became of its packets at a driver, or NULL: it just came
 *
 * The caller settles afterwards.
 */
void quic_input_resume(struct quic_sock *qs, struct sk_buff *skb, struct quic_async_job *job)
{
	struct quic_input_batch batch = { .qs = qs };
	enum quic_drop_reason reason = QUIC_DROP_CLOSED;
	union quic_addr local, peer;
	int opened;

	if (qs->conn.state == QUIC_CONN_IDLE || qs->conn.state == QUIC_CONN_CLOSED || !skb->len)
		goto drop;
	reason = QUIC_DROP_ADDRESS;
	quic_addr_from_skb(skb, &local, &peer);
	batch.path = qs->conn.active_path;
	if (unlikely(!quic_addr_equal(&peer, &quic_sock_route(qs)->peer) ||
		     !quic_addr_equal(&local, &quic_sock_route(qs)->local))) {
		batch.path = quic_path_find(qs, &local, &peer);
		if (batch.path == QUIC_PATH_NONE && !quic_path_may_receive(qs, &local, &peer))
			goto drop;
		batch.local = &local;
		batch.peer = &peer;
		batch.bytes = skb->len;
	}

	if (quic_async_is_on() && !job && quic_async_wants(qs, skb)) {
		quic_async_open(qs, skb);
		return;
	}
	qs->rx_bytes += skb->len;
	batch.now = quic_sock_now();
	batch.ecn = quic_addr_skb_ecn(skb);
	trace_quic_datagrams_received(&qs->conn, skb->len, skb_shinfo(skb)->gso_size, batch.ecn);
	if (quic_offload_is_on()) {
		opened = quic_offload_rx(qs, skb, &batch.generation);
		reason = QUIC_DROP_OFFLOAD;
		if (opened < 0)
			goto drop;
		batch.by_device = opened == QUIC_OFFLOAD_RX_DONE;
	}
	quic_conn_on_datagram(&qs->conn, batch.path, skb->len, batch.now);
	/* The backlog comes here with BH on; what protects packets is per processor. */
	local_bh_disable();
	if (unlikely(job))
		quic_async_walk(&batch, job);
	else
		quic_input_walk(&batch, skb);
	local_bh_enable();
	consume_skb(skb);
	return;

drop:
	quic_drop_packet(qs, reason, skb->len);
	kfree_skb(skb);
}

/**
 * quic_input() - a datagram or aggregate for this socket
 * @qs:  socket, locked
 * @skb: data at the QUIC header; taken over
 *
 * The caller settles afterwards.
 */
void quic_input(struct quic_sock *qs, struct sk_buff *skb)
{
	if (unlikely(!quic_protect_is_ready() || !skb_queue_empty(&qs->postponed.queue)))
		quic_postponed_add(qs, skb);
	else
		quic_input_resume(qs, skb, NULL);
}

/**
 * quic_input_backlog() - a datagram that waited for the user to let go
 * @sk:  socket, owned by the user who is about to release it
 * @skb: datagram, taken over
 *
 * Return: 0.
 */
int quic_input_backlog(struct sock *sk, struct sk_buff *skb)
{
	quic_input(quic_sk(sk), skb);
	return 0;
}
