// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Datagrams to packets: header protection comes off many packets of an
 * aggregate at once, each is opened where it lies and handed to the core; its
 * segments are found by segments.c. RFC 9001, section 5.5.
 */
#include "async.h"
#include "drop.h"
#include "input.h"
#include "net.h"
#include "offload.h"
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

/*
 * A datagram whose first packet could not be opened, for whatever reason: does it end in a token
 * of the peer's? RFC 9000, sections 10.3 #5 and 10.3.1 #1 #4.
 */
static void quic_input_try_reset(struct quic_sock *qs, const u8 *data, u32 len, u64 now)
{
	struct quic_conn *conn = &qs->conn;

	if (len >= QUIC_STATELESS_RESET_MIN &&
	    quic_remote_cids_is_reset(&conn->remote_cids,
				      data + len - QUIC_STATELESS_TOKEN_LEN))
		quic_conn_on_stateless_reset(conn, now);
}

/**
 * quic_input_failed() - the first packet of a datagram could not be opened
 * @batch: what it came with
 * @data:  the datagram
 * @len:   its length
 */
void quic_input_failed(const struct quic_input_batch *batch, const u8 *data, u32 len)
{
	quic_input_try_reset(batch->qs, data, len, batch->now);
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

/*
 * A packet without header protection: number, key, decryption, frames.
 * @packet to @packet + @len is the packet, its number at @pn_offset; @other: an Initial packet of a
 * version that is not in use. False: it could not be opened.
 */
static bool quic_input_open(const struct quic_input_batch *batch, struct sk_buff *skb, u8 level,
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

/* Of a packet that is kept: the codepoint that it came with. */
static u8 *quic_input_kept_ecn(struct sk_buff *skb)
{
	return (u8 *)skb->cb;
}

/* Keep a packet that came before its key. RFC 9001, section 5.7. */
static void quic_input_keep(struct quic_sock *qs, const u8 *packet, u32 len, u8 ecn)
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
	*quic_input_kept_ecn(skb) = ecn;
	__skb_queue_tail(&qs->undecryptable, skb);
	qs->undecryptable_bytes += len;
	trace_quic_packet_buffered(&qs->conn, len);
}

static int quic_input_level(enum quic_packet_type type)
{
	switch (type) {
	case QUIC_PACKET_INITIAL:
		return QUIC_CRYPTO_INITIAL;
	case QUIC_PACKET_0RTT:
		return QUIC_CRYPTO_EARLY;
	case QUIC_PACKET_HANDSHAKE:
		return QUIC_CRYPTO_HANDSHAKE;
	case QUIC_PACKET_SHORT:
		return QUIC_CRYPTO_APP;
	default:
		return -1;
	}
}

/* May a packet of that level come without its key being late? */
static bool quic_input_may_wait(const struct quic_conn *conn, u8 level)
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

/*
 * RFC 9000, section 7.2: a client answers to the ID that the server chose in
 * its first packet, and then to no other.
 */
static bool quic_input_source(struct quic_conn *conn, const struct quic_header *hdr,
			      bool authenticated)
{
	struct quic_remote_cid *remote = quic_remote_cids_find(&conn->remote_cids, 0);

	if (!remote || quic_cid_equal(&remote->cid, &hdr->scid))
		return true;
	if (conn->is_server || conn->has_server_cid)
		return false;
	if (authenticated)
		remote->cid = hdr->scid;
	return true;
}

/* What a packet with a long header is by its version. */
static enum quic_version_use quic_input_version(struct quic_sock *qs, u8 level, u32 version)
{
	enum quic_version_use use = quic_conn_version_use(&qs->conn, level, version);

	if (likely(use != QUIC_VERSION_OTHER) ||
	    (qs->other_rx && qs->other_version == version))
		return use;
	return quic_restart_want(qs, version) ? QUIC_VERSION_EARLY : QUIC_VERSION_DROP;
}

/* One packet with a header of any kind. False: it could not be opened, and will not be later. */
static bool quic_input_packet(const struct quic_input_batch *batch, struct sk_buff *skb,
			      u8 *packet, const struct quic_header *hdr)
{
	enum quic_version_use use = QUIC_VERSION_CURRENT;
	struct quic_sock *qs = batch->qs;
	struct quic_conn *conn = &qs->conn;
	int level = quic_input_level(hdr->type);
	struct quic_mask mask;
	bool opened;
	u64 received;

	if (level < 0 && quic_restart_on_packet(qs, packet, hdr))
		return true;
	if (level >= 0 && level != QUIC_CRYPTO_APP)
		use = quic_input_version(qs, level, hdr->version);
	/* A server has no token to show: RFC 9000, section 17.2.2 #1. */
	if (level < 0 || use == QUIC_VERSION_DROP ||
	    (level == QUIC_CRYPTO_INITIAL && !conn->is_server && hdr->token_len)) {
		quic_drop_packet(qs, use == QUIC_VERSION_DROP ? QUIC_DROP_VERSION : QUIC_DROP_TYPE,
				 hdr->packet_len);
		return false;
	}
	if (use == QUIC_VERSION_EARLY) {
		quic_input_keep(qs, packet, hdr->packet_len, batch->ecn);
		return true;
	}
	/* Keys of 0-RTT come with the ClientHello or never, RFC 9001, section 4.6.2 #1; others later. */
	if (!(conn->rx_keys & BIT(level))) {
		if (quic_input_may_wait(conn, level)) {
			quic_input_keep(qs, packet, hdr->packet_len, batch->ecn);
			return true;
		}
		quic_drop_packet(qs, QUIC_DROP_KEY_UNAVAILABLE, hdr->packet_len);
		return false;
	}
	/* 1-RTT packets wait until the handshake is complete. RFC 9001, section 5.7 #1 #2 #3. */
	if (level == QUIC_CRYPTO_APP && conn->state == QUIC_CONN_HANDSHAKE) {
		quic_input_keep(qs, packet, hdr->packet_len, batch->ecn);
		return true;
	}
	if (level != QUIC_CRYPTO_APP && !quic_input_source(conn, hdr, false)) {
		quic_drop_packet(qs, QUIC_DROP_SOURCE_CID, hdr->packet_len);
		return false;
	}
	if (!(level == QUIC_CRYPTO_APP && conn->plaintext)) {
		/* The sample lies 4 bytes behind the number. RFC 9001, section 5.4.2. */
		if (hdr->packet_len < hdr->pn_offset + 4 + QUIC_SAMPLE_LEN) {
			quic_drop_packet(qs, QUIC_DROP_TOO_SHORT, hdr->packet_len);
			return false;
		}
		mask.first = packet;
		mask.pn = packet + hdr->pn_offset;
		if (likely(level != QUIC_CRYPTO_APP || !batch->by_device))
			quic_protect_unmask(use == QUIC_VERSION_OTHER ? qs->other_rx :
					    qs->rx_key[level], &mask, 1);
	} else if (hdr->packet_len < hdr->pn_offset + 4) {
		quic_drop_packet(qs, QUIC_DROP_TOO_SHORT, hdr->packet_len);
		return false;
	}
	received = quic_conn_largest_received(conn, level) + 1;
	opened = quic_input_open(batch, skb, level, packet, hdr->pn_offset, hdr->packet_len,
				 use == QUIC_VERSION_OTHER);
	if (level == QUIC_CRYPTO_INITIAL && !conn->is_server && !conn->has_server_cid &&
	    quic_conn_largest_received(conn, level) + 1 > received) {
		quic_input_source(conn, hdr, true);
		conn->has_server_cid = true;
	}
	if (opened) {
		qs->rx_packets++;
		quic_input_count(qs, QUIC_MIB_PKT_DECFASTPATHS);
	}
	return opened;
}

/*
 * RFC 9000, sections 17.2 #1 and 17.3.1 #1: the bit is set, unless we said that it need not be:
 * RFC 9287, section 3 #2. Version Negotiation has no such bit.
 */
static bool quic_input_has_quic_bit(const struct quic_conn *conn, const struct quic_header *hdr)
{
	return (hdr->first & QUIC_HEADER_FIXED_BIT) || conn->local.grease_quic_bit ||
	       hdr->type == QUIC_PACKET_VERSION_NEGOTIATION;
}

/**
 * quic_input_datagram() - a datagram of any packets, coalesced or not
 * @batch: what it came with
 * @skb:   where it lies
 * @data:  its bytes
 * @len:   how many
 *
 * RFC 9000, section 12.2.
 */
void quic_input_datagram(const struct quic_input_batch *batch, struct sk_buff *skb, u8 *data,
			 u32 len)
{
	const u8 *end = data + len;
	struct quic_sock *qs = batch->qs;
	struct quic_header hdr;
	struct quic_cid dcid;
	bool first = true;
	u8 *packet;

	while (len) {
		if (quic_header_decode(data, len, QUIC_CID_LEN, &hdr)) {
			quic_drop_packet(qs, QUIC_DROP_HEADER, len);
			return;
		}
		if (!first && !quic_cid_equal(&dcid, &hdr.dcid)) {
			quic_drop_packet(qs, QUIC_DROP_OTHER_DCID, len);
			return;
		}
		packet = data;
		data += hdr.packet_len;
		len -= hdr.packet_len;
		/* RFC 9000, section 14.1: a server drops Initials in small datagrams. */
		if (hdr.type == QUIC_PACKET_INITIAL && qs->conn.is_server &&
		    batch->datagram_len < QUIC_INITIAL_MIN_SIZE) {
			quic_drop_packet(qs, QUIC_DROP_SMALL_INITIAL, hdr.packet_len);
			return;
		}
		if (!quic_input_has_quic_bit(&qs->conn, &hdr))
			quic_drop_packet(qs, QUIC_DROP_FIXED_BIT, hdr.packet_len);
		else if (!quic_input_packet(batch, skb, packet, &hdr) && first)
			quic_input_try_reset(qs, packet, end - packet, batch->now);
		if (qs->conn.state == QUIC_CONN_DRAINING || qs->conn.state == QUIC_CONN_CLOSED)
			return;
		dcid = hdr.dcid;
		first = false;
	}
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
			quic_input_try_reset(qs, datagram[i].data, datagram[i].len, batch->now);
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
		quic_input_datagram(batch, datagram[n].skb, datagram[n].data, len);
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

/**
 * quic_input_undecryptable() - look again at packets that came before their keys
 * @qs: socket, locked, with a new receive key
 */
void quic_input_undecryptable(struct quic_sock *qs)
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
		batch.ecn = *quic_input_kept_ecn(skb);
		batch.datagram_len = QUIC_INITIAL_MIN_SIZE;
		quic_input_datagram(&batch, skb, skb->data, skb->len);
		kfree_skb(skb);
	}
	local_bh_enable();
}
