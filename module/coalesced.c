// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A datagram of any packets, coalesced or not: what each of them is, and whether it may be opened.
 * RFC 9000, section 12.2.
 */
#include "coalesced.h"
#include "drop.h"
#include "input.h"
#include "net.h"
#include "offload.h"
#include "protect.h"
#include "restart.h"
#include "sock.h"
#include "undecryptable.h"

static int quic_coalesced_level(enum quic_packet_type type)
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

/*
 * RFC 9000, section 7.2: a client answers to the ID that the server chose in
 * its first packet, and then to no other.
 */
static bool quic_coalesced_source(struct quic_conn *conn, const struct quic_header *hdr,
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
static enum quic_version_use quic_coalesced_version(struct quic_sock *qs, u8 level, u32 version)
{
	enum quic_version_use use = quic_conn_version_use(&qs->conn, level, version);

	if (likely(use != QUIC_VERSION_OTHER) ||
	    (qs->other_rx && qs->other_version == version))
		return use;
	return quic_restart_want(qs, version) ? QUIC_VERSION_EARLY : QUIC_VERSION_DROP;
}

/* Take the header protection off, if there is any. False: the packet is too short for it. */
static bool quic_coalesced_unmask(const struct quic_input_batch *batch, u8 level, u8 *packet,
				  const struct quic_header *hdr, enum quic_version_use use)
{
	struct quic_sock *qs = batch->qs;
	bool plain = level == QUIC_CRYPTO_APP && qs->conn.plaintext;
	struct quic_mask mask = { .first = packet, .pn = packet + hdr->pn_offset };

	/* The sample lies 4 bytes behind the number. RFC 9001, section 5.4.2. */
	if (hdr->packet_len < hdr->pn_offset + 4 + (plain ? 0 : QUIC_SAMPLE_LEN))
		return false;
	if (!plain && likely(level != QUIC_CRYPTO_APP || !batch->by_device))
		quic_protect_unmask(use == QUIC_VERSION_OTHER ? qs->other_rx : qs->rx_key[level],
				    &mask, 1);
	return true;
}

/* One packet with a header of any kind. False: it could not be opened, and will not be later. */
static bool quic_coalesced_packet(const struct quic_input_batch *batch, struct sk_buff *skb,
				  u8 *packet, const struct quic_header *hdr)
{
	enum quic_version_use use = QUIC_VERSION_CURRENT;
	struct quic_sock *qs = batch->qs;
	struct quic_conn *conn = &qs->conn;
	int level = quic_coalesced_level(hdr->type);
	bool opened;
	u64 received;

	if (level < 0 && quic_restart_on_packet(qs, packet, hdr))
		return true;
	if (level >= 0 && level != QUIC_CRYPTO_APP)
		use = quic_coalesced_version(qs, level, hdr->version);
	/* A server has no token to show: RFC 9000, section 17.2.2 #1. */
	if (level < 0 || use == QUIC_VERSION_DROP ||
	    (level == QUIC_CRYPTO_INITIAL && !conn->is_server && hdr->token_len)) {
		quic_drop_packet(qs, use == QUIC_VERSION_DROP ? QUIC_DROP_VERSION : QUIC_DROP_TYPE,
				 hdr->packet_len);
		return false;
	}
	if (use == QUIC_VERSION_EARLY) {
		quic_undecryptable_keep(qs, packet, hdr->packet_len, batch->ecn);
		return true;
	}
	/* Keys of 0-RTT come with the ClientHello or never, RFC 9001, section 4.6.2 #1; others later. */
	if (!(conn->rx_keys & BIT(level))) {
		if (quic_undecryptable_may_wait(conn, level)) {
			quic_undecryptable_keep(qs, packet, hdr->packet_len, batch->ecn);
			return true;
		}
		quic_drop_packet(qs, QUIC_DROP_KEY_UNAVAILABLE, hdr->packet_len);
		return false;
	}
	/* 1-RTT packets wait until the handshake is complete. RFC 9001, section 5.7 #1 #2 #3. */
	if (level == QUIC_CRYPTO_APP && conn->state == QUIC_CONN_HANDSHAKE) {
		quic_undecryptable_keep(qs, packet, hdr->packet_len, batch->ecn);
		return true;
	}
	if (level != QUIC_CRYPTO_APP && !quic_coalesced_source(conn, hdr, false)) {
		quic_drop_packet(qs, QUIC_DROP_SOURCE_CID, hdr->packet_len);
		return false;
	}
	if (!quic_coalesced_unmask(batch, level, packet, hdr, use)) {
		quic_drop_packet(qs, QUIC_DROP_TOO_SHORT, hdr->packet_len);
		return false;
	}
	received = quic_conn_largest_received(conn, level) + 1;
	opened = quic_input_open(batch, skb, level, packet, hdr->pn_offset, hdr->packet_len,
				 use == QUIC_VERSION_OTHER);
	if (level == QUIC_CRYPTO_INITIAL && !conn->is_server && !conn->has_server_cid &&
	    quic_conn_largest_received(conn, level) + 1 > received) {
		quic_coalesced_source(conn, hdr, true);
		conn->has_server_cid = true;
	}
	if (opened) {
		qs->rx_packets++;
		QUIC_INC_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_PKT_DECFASTPATHS);
		if (quic_offload_is_on() && batch->by_device && level == QUIC_CRYPTO_APP)
			quic_offload_rx_opened(qs, 1, true);
	}
	return opened;
}

/*
 * RFC 9000, sections 17.2 #1 and 17.3.1 #1: the bit is set, unless we said that it need not be:
 * RFC 9287, section 3 #2. Version Negotiation has no such bit.
 */
static bool quic_coalesced_has_quic_bit(const struct quic_conn *conn, const struct quic_header *hdr)
{
	return (hdr->first & QUIC_HEADER_FIXED_BIT) || conn->local.grease_quic_bit ||
	       hdr->type == QUIC_PACKET_VERSION_NEGOTIATION;
}

/**
 * quic_coalesced_input() - a datagram of any packets, coalesced or not
 * @batch: what it came with
 * @skb:   where it lies
 * @data:  its bytes
 * @len:   how many
 *
 * RFC 9000, section 12.2.
 */
void quic_coalesced_input(const struct quic_input_batch *batch, struct sk_buff *skb, u8 *data,
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
		if (!quic_coalesced_has_quic_bit(&qs->conn, &hdr))
			quic_drop_packet(qs, QUIC_DROP_FIXED_BIT, hdr.packet_len);
		else if (!quic_coalesced_packet(batch, skb, packet, &hdr) && first)
			quic_input_failed(batch, packet, end - packet);
		if (qs->conn.state == QUIC_CONN_DRAINING || qs->conn.state == QUIC_CONN_CLOSED)
			return;
		dcid = hdr.dcid;
		first = false;
	}
}
