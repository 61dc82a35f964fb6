// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets to datagrams: handshake packets coalesced into one, 1-RTT packets of
 * equal size laid side by side in pages and handed down as one GSO packet.
 * Which frames go where is the core's decision. RFC 9000, section 12.2.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/random.h>

#include "net.h"
#include "offload.h"
#include "protect.h"
#include "restart.h"
#include "sock.h"

/* Pages that wire data was written to, tried again once the receiver let go. */
#define QUIC_WIRE_PAGES		512

/* One GSO packet: two packets of 1472 bytes in each of 17 page fragments. */
#define QUIC_BURST_PACKETS	34
#define QUIC_BURST_FRAGS	17
#define QUIC_BURST_BYTES	65000

/*
 * A datagram of the handshake. What a wider link would take (64 KiB on the loopback device) is
 * mostly empty, but counts in full against the receive buffer of the other end.
 */
#define QUIC_DATAGRAM_MAX	1472

/* A lone small packet is copied rather than given a page. */
#define QUIC_LINEAR_MAX		256

struct quic_wire_ring {
	struct page *page[QUIC_WIRE_PAGES];
	u32 next;
};

static DEFINE_PER_CPU(struct quic_wire_ring, quic_wire_ring);

/**
 * struct quic_burst - packets that will leave as one GSO packet
 * @qs:    socket
 * @key:   that protects them
 * @device: what encrypts them on their way, or NULL: they are, already
 * @later: so does a driver that completes later, before they leave
 * @clear: either is the case
 * @first_pn: packet number of the first
 * @page:  being written to; the burst holds a reference
 * @used:  bytes of it that are taken
 * @room:  its size
 * @nr_frags: pieces of pages with packets in them
 * @nr_packets: packets in them
 * @gso_size: length of each but the last
 * @bytes: of all
 * @ecn:   QUIC_ECN_* of all
 * @most:  packets that may be in it
 * @ended: a shorter packet stands last: no other may follow
 * @frag:  the pieces, each with a reference on its page
 * @mask:  header protection that is due
 */
struct quic_burst {
	struct quic_sock *qs;
	struct quic_key *key;
	struct quic_offload_assoc *device;
	bool later;
	bool clear;
	u64 first_pn;
	struct page *page;
	u32 used;
	u32 room;
	u32 nr_frags;
	u32 nr_packets;
	u32 gso_size;
	u32 bytes;
	u8 ecn;
	u32 most;
	bool ended;
	struct {
		struct page *page;
		u32 offset;
		u32 len;
	} frag[QUIC_BURST_FRAGS];
	struct quic_mask mask[QUIC_BURST_PACKETS];
};

/* A page that nobody reads any more, or a fresh one. BH is off. */
static struct page *quic_wire_page(struct net *net)
{
	struct quic_wire_ring *ring = this_cpu_ptr(&quic_wire_ring);
	struct page **slot = &ring->page[ring->next];

	ring->next = (ring->next + 1) % QUIC_WIRE_PAGES;
	if (*slot && page_ref_count(*slot) == 1) {
		get_page(*slot);
		return *slot;
	}
	if (*slot)
		put_page(*slot);
	QUIC_INC_STATS(net, QUIC_MIB_PKT_WIREPAGES);
	*slot = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
	if (*slot)
		get_page(*slot);
	return *slot;
}

/* Room for a packet of @size bytes, in one piece; NULL without memory. */
static u8 *quic_burst_room(struct quic_burst *burst, u32 size)
{
	u32 order;

	if (burst->page && burst->room - burst->used >= size)
		return page_address(burst->page) + burst->used;
	if (burst->page)
		put_page(burst->page);
	burst->used = 0;
	if (size <= PAGE_SIZE) {
		burst->page = quic_wire_page(sock_net(quic_sock_sk(burst->qs)));
		burst->room = PAGE_SIZE;
	} else {
		order = get_order(size);
		burst->page = alloc_pages(GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN, order);
		burst->room = PAGE_SIZE << order;
	}
	return burst->page ? page_address(burst->page) : NULL;
}

static void quic_burst_reset(struct quic_burst *burst)
{
	burst->nr_frags = 0;
	burst->nr_packets = 0;
	burst->gso_size = 0;
	burst->bytes = 0;
	burst->ended = false;
}

static struct sk_buff *quic_burst_linear(struct quic_burst *burst)
{
	struct sk_buff *skb = alloc_skb(QUIC_UDP_HEADROOM + burst->bytes,
					GFP_ATOMIC | __GFP_NOWARN);

	if (!skb)
		return NULL;
	skb_reserve(skb, QUIC_UDP_HEADROOM);
	skb_put_data(skb, page_address(burst->frag[0].page) + burst->frag[0].offset,
		     burst->bytes);
	return skb;
}

static struct sk_buff *quic_burst_paged(struct quic_burst *burst)
{
	struct sk_buff *skb = alloc_skb(QUIC_UDP_HEADROOM, GFP_ATOMIC | __GFP_NOWARN);
	u32 i;

	if (!skb)
		return NULL;
	skb_reserve(skb, QUIC_UDP_HEADROOM);
	for (i = 0; i < burst->nr_frags; i++) {
		get_page(burst->frag[i].page);
		skb_add_rx_frag(skb, i, burst->frag[i].page, burst->frag[i].offset,
				burst->frag[i].len, max_t(u32, burst->frag[i].len, PAGE_SIZE));
	}
	return skb;
}

/* Masks the headers and hands the packets to UDP, as one. They count as sent in any case. */
static int quic_burst_flush(struct quic_burst *burst)
{
	struct quic_sock *qs = burst->qs;
	bool linear = burst->nr_packets == 1 && burst->bytes <= QUIC_LINEAR_MAX;
	struct sk_buff *skb;
	int err = -ENOMEM;
	u32 i;

	if (!burst->nr_packets)
		return 0;
	if (!qs->conn.plaintext && !burst->clear)
		quic_protect_mask(burst->key, burst->mask, burst->nr_packets);
	skb = linear ? quic_burst_linear(burst) : quic_burst_paged(burst);
	if (skb && unlikely(burst->device) &&
	    quic_offload_tx_mark(skb, burst->device, burst->key, burst->first_pn,
				 burst->nr_packets)) {
		kfree_skb(skb);
		skb = NULL;
	}
	if (skb && unlikely(burst->later))
		err = quic_async_seal(qs, burst->key, skb, burst->mask, burst->nr_packets,
				      burst->first_pn, burst->nr_packets > 1 ? burst->gso_size : 0,
				      burst->ecn);
	else if (skb)
		err = quic_udp_xmit(qs, quic_sock_route(qs), skb,
				    burst->nr_packets > 1 ? burst->gso_size : 0, burst->ecn);
	for (i = 0; i < burst->nr_frags; i++)
		put_page(burst->frag[i].page);
	qs->tx_packets += burst->nr_packets;
	qs->tx_bytes += burst->bytes;
	quic_burst_reset(burst);
	return err;
}

/*
 * A protected packet of @len bytes in the current page joins the burst. An error is that of the
 * one before, which had to make room.
 */
static int quic_burst_add(struct quic_burst *burst, const struct quic_tx_packet *tx, u32 len)
{
	u32 offset = tx->w.start - (u8 *)page_address(burst->page);
	struct quic_mask *mask;
	u32 last = burst->nr_frags - 1;
	int err = 0;

	if (burst->nr_packets &&
	    (burst->ended || len > burst->gso_size ||
	     (burst->clear && tx->pn != burst->first_pn + burst->nr_packets) || tx->ecn != burst->ecn ||
	     burst->nr_packets == burst->most ||
	     burst->bytes + len > QUIC_BURST_BYTES)) {
		err = quic_burst_flush(burst);
		last = burst->nr_frags - 1;
	}
	if (burst->nr_frags && burst->frag[last].page == burst->page &&
	    burst->frag[last].offset + burst->frag[last].len == offset) {
		burst->frag[last].len += len;
	} else {
		if (burst->nr_frags == QUIC_BURST_FRAGS)
			err = quic_burst_flush(burst);
		last = burst->nr_frags++;
		get_page(burst->page);
		burst->frag[last].page = burst->page;
		burst->frag[last].offset = offset;
		burst->frag[last].len = len;
	}
	if (!burst->nr_packets) {
		burst->first_pn = tx->pn;
		burst->gso_size = len;
		burst->ecn = tx->ecn;
	} else if (len < burst->gso_size) {
		burst->ended = true;
	}
	burst->bytes += len;
	burst->used = offset + len;
	mask = &burst->mask[burst->nr_packets++];
	mask->first = tx->w.start;
	mask->pn = tx->start - tx->pn_len;
	return err;
}

/* Is the fixed bit cleared? By chance, where the peer allows it. RFC 9287, section 3.1. */
static bool quic_output_is_greased(const struct quic_conn *conn)
{
	return unlikely(conn->grease) && (get_random_u32() & 1);
}

/* Writes the short header; the packet number ends it. RFC 9000, section 17.3.1. */
static void quic_output_short_header(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	quic_header_encode_short(&tx->w, &quic_remote_cids_active(&conn->remote_cids)->cid,
				 quic_key_phase_bit(&conn->key_phase),
				 quic_output_is_greased(conn), tx->pn, tx->pn_len);
}

/**
 * quic_output_seal() - protect a 1-RTT packet, all but its header
 * @qs:  socket
 * @key: send key
 * @tx:  filled packet
 *
 * Return: its length on the wire, or a negative errno.
 */
int quic_output_seal(struct quic_sock *qs, struct quic_key *key, struct quic_tx_packet *tx)
{
	u32 hdr_len = tx->start - tx->w.start;
	u32 len = tx->w.pos - tx->start;
	int err;

	if (qs->conn.plaintext) {
		if (tx->direct)
			quic_send_gather(tx);
		return hdr_len + len;
	}
	if (unlikely(tx->pieces))
		err = quic_protect_seal_pieces(key, tx->w.start, hdr_len, tx->pieces, len, tx->pn);
	else
		err = quic_protect_seal(key, tx->w.start, hdr_len, tx->direct ?: tx->start, len,
					tx->pn);
	if (err) {
		QUIC_INC_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_PKT_ENCDROP);
		return err;
	}
	return hdr_len + len + QUIC_TAG_LEN;
}

/* The same for a packet of a burst, which may be encrypted when it leaves. */
static int quic_burst_seal(struct quic_burst *burst, struct quic_tx_packet *tx)
{
	if (likely(!burst->clear))
		return quic_output_seal(burst->qs, burst->key, tx);
	if (tx->direct)
		quic_send_gather(tx);
	memset(tx->w.pos, 0, QUIC_TAG_LEN);
	return tx->w.pos - tx->w.start + QUIC_TAG_LEN;
}

/* Memory or the cipher was not to be had: settle tries again in a moment. */
static bool quic_output_later(struct quic_conn *conn)
{
	conn->todo |= QUIC_TODO_TX;
	return false;
}

/* One 1-RTT packet into the burst; false: nothing more to send now. */
static bool quic_output_packet(struct quic_sock *qs, struct quic_burst *burst,
			       struct quic_tx_packet *tx, u64 now)
{
	struct quic_conn *conn = &qs->conn;
	u32 mss = conn->path[conn->active_path].mss;
	u32 tag = conn->plaintext ? 0 : QUIC_TAG_LEN;
	u64 allowance = quic_path_allowance(quic_conn_path(conn));
	int size;
	u8 *data;

	/* RFC 9000, section 8.1: an unvalidated peer gets less, if that is worth a packet. */
	if (unlikely(allowance < mss)) {
		if (allowance < QUIC_MIN_DATAGRAM_SIZE)
			return false;
		mss = allowance;
	}
	data = quic_burst_room(burst, mss);
	if (!data)
		return quic_output_later(conn);
	quic_writer_init(&tx->w, data, mss - tag);
	if (quic_conn_tx_begin(conn, tx, QUIC_CRYPTO_APP))
		return quic_output_later(conn);
	tx->may_direct = true;
	quic_output_short_header(conn, tx);
	if (!quic_conn_tx_fill(conn, tx, now))
		return false;
	size = quic_burst_seal(burst, tx);
	if (size < 0) {
		quic_conn_tx_abandon(conn, tx);
		return quic_output_later(conn);
	}
	tx->ecn = quic_ecn_mark(&quic_conn_path(conn)->ecn, tx->eliciting);
	quic_conn_tx_commit(conn, tx, size, now);
	return !quic_burst_add(burst, tx, size);
}

/* A packet of the size that the path is probed with. RFC 9000, section 14.4. */
static void quic_output_mtu_probe(struct quic_sock *qs, struct quic_burst *burst,
				  struct quic_tx_packet *tx, u64 now)
{
	struct quic_conn *conn = &qs->conn;
	u32 want = quic_conn_path(conn)->pmtud.size;
	int size;
	u8 *data;

	data = quic_burst_room(burst, want);
	if (!data)
		return;
	quic_writer_init(&tx->w, data, want - (conn->plaintext ? 0 : QUIC_TAG_LEN));
	if (quic_conn_tx_begin(conn, tx, QUIC_CRYPTO_APP))
		return;
	quic_output_short_header(conn, tx);
	quic_conn_fill_mtu_probe(conn, tx);
	size = quic_burst_seal(burst, tx);
	if (size < 0)
		return;
	quic_conn_tx_commit(conn, tx, size, now);
	quic_conn_mtu_probe_sent(conn, tx, now);
	quic_burst_flush(burst);
	quic_burst_add(burst, tx, size);
}

/* A queue that paces sends a GSO packet at once: it holds a millisecond's worth. */
static u32 quic_burst_most(struct quic_path *path)
{
	if (likely(!path->pacer.smoothed))
		return QUIC_BURST_PACKETS;
	return clamp_t(u64, div_u64(div_u64(path->pacer.rate, MSEC_PER_SEC), path->mss), 2,
		       QUIC_BURST_PACKETS);
}

static void quic_output_app(struct quic_sock *qs, u64 now)
{
	struct quic_conn *conn = &qs->conn;
	struct quic_tx_packet tx;
	struct quic_burst burst;
	u32 sent = 0;

	burst.qs = qs;
	burst.key = qs->tx_key[QUIC_CRYPTO_APP];
	burst.device = quic_offload_is_on() ? quic_offload_tx_begin(qs, burst.key) : NULL;
	burst.later = quic_async_is_on() && !burst.device && burst.key->later && !conn->plaintext;
	if (burst.later && !quic_async_has_room(qs))
		return;
	burst.clear = burst.device || burst.later;
	burst.most = burst.device && !burst.device->dev->caps.gso ?
			     1 : quic_burst_most(quic_conn_path(conn));
	burst.page = NULL;
	quic_burst_reset(&burst);
	if (!quic_conn_path_is_too_small(conn) && quic_conn_wants_tx(conn, QUIC_CRYPTO_APP, now))
		while (quic_output_packet(qs, &burst, &tx, now))
			sent++;
	if (unlikely(quic_conn_may_probe_mtu(conn)))
		quic_output_mtu_probe(qs, &burst, &tx, now);
	quic_burst_flush(&burst);
	if (burst.page)
		put_page(burst.page);
	QUIC_ADD_STATS(sock_net(quic_sock_sk(qs)),
		       burst.later ? QUIC_MIB_PKT_ENCBACKLOGS : QUIC_MIB_PKT_ENCFASTPATHS, sent);
}

/* One packet of a coalesced datagram that waits for its protection. */
struct quic_coalesced {
	struct quic_tx_packet tx;
	u8 *length;		/* Length field, NULL in a short header */
	struct quic_key *key;
};

static const u8 quic_output_order[] = {
	QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_EARLY, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_APP,
};

static void quic_output_long_header(struct quic_sock *qs, struct quic_coalesced *packet)
{
	static const enum quic_packet_type type[] = {
		[QUIC_CRYPTO_INITIAL] = QUIC_PACKET_INITIAL,
		[QUIC_CRYPTO_EARLY] = QUIC_PACKET_0RTT,
		[QUIC_CRYPTO_HANDSHAKE] = QUIC_PACKET_HANDSHAKE,
	};
	struct quic_tx_packet *tx = &packet->tx;
	struct quic_conn *conn = &qs->conn;
	const u8 *token = NULL;
	u32 token_len = 0;

	if (tx->level == QUIC_CRYPTO_INITIAL && !conn->is_server)
		token = quic_restart_token(qs, &token_len);
	/* RFC 9369, section 4.1 #6 #8 */
	packet->length = quic_header_encode_long(&tx->w, type[tx->level],
						 quic_conn_level_version(conn, tx->level),
						 &quic_remote_cids_active(&conn->remote_cids)->cid,
						 &quic_local_cids_find(&conn->local_cids, 0)->cid,
						 token, token_len, tx->pn, tx->pn_len);
	/* uapi.md, section 12: not in Initial and 0-RTT packets. */
	if (packet->length && tx->level == QUIC_CRYPTO_HANDSHAKE &&
	    quic_output_is_greased(conn))
		tx->w.start[0] &= ~QUIC_HEADER_FIXED_BIT;
}

/* Fills @packet from @data on; returns bytes with tag, 0: nothing to say. */
static u32 quic_output_fill(struct quic_sock *qs, struct quic_coalesced *packet, u8 level,
			    u8 *data, u32 room, u64 now)
{
	struct quic_tx_packet *tx = &packet->tx;
	u32 tag = level == QUIC_CRYPTO_APP && qs->conn.plaintext ? 0 : QUIC_TAG_LEN;

	if (room < 128 || !quic_conn_wants_tx(&qs->conn, level, now))
		return 0;
	quic_writer_init(&tx->w, data, room - tag);
	if (quic_conn_tx_begin(&qs->conn, tx, level))
		return 0;
	packet->key = qs->tx_key[level];
	packet->length = NULL;
	if (level == QUIC_CRYPTO_APP)
		quic_output_short_header(&qs->conn, tx);
	else
		quic_output_long_header(qs, packet);
	if (tx->w.failed || !quic_conn_tx_fill(&qs->conn, tx, now))
		return 0;
	return tx->w.pos - data + tag;
}

/* RFC 9000, section 14.1; RFC 9001, section 9.3 #1: which datagrams must have 1200 bytes. */
static bool quic_output_must_pad(const struct quic_conn *conn, const struct quic_tx_packet *tx)
{
	return tx->level == QUIC_CRYPTO_INITIAL && (!conn->is_server || tx->eliciting);
}

static int quic_output_protect(struct quic_sock *qs, struct quic_coalesced *packet)
{
	struct quic_tx_packet *tx = &packet->tx;
	struct quic_mask mask;
	int size;

	if (packet->length)
		quic_header_set_length(packet->length, tx->pn_len + (tx->w.pos - tx->start) +
				       QUIC_TAG_LEN);
	if (tx->level == QUIC_CRYPTO_APP) {
		size = quic_output_seal(qs, packet->key, tx);
		if (size < 0 || qs->conn.plaintext)
			return size;
	} else {
		size = quic_protect_seal(packet->key, tx->w.start, tx->start - tx->w.start,
					 tx->start, tx->w.pos - tx->start, tx->pn);
		if (size)
			return size;
		size = tx->w.pos - tx->w.start + QUIC_TAG_LEN;
	}
	mask.first = tx->w.start;
	mask.pn = tx->start - tx->pn_len;
	quic_protect_mask(packet->key, &mask, 1);
	return size;
}

/* One datagram of up to one packet for each level; false: nothing to send, or it could not be. */
static bool quic_output_datagram(struct quic_sock *qs, u64 now)
{
	struct quic_conn *conn = &qs->conn;
	u64 allowance = quic_path_allowance(quic_conn_path(conn));
	u32 mss = min3((u64)(conn->small_handshake ? QUIC_MIN_DATAGRAM_SIZE :
						     quic_conn_path(conn)->mss),
		       allowance, (u64)QUIC_DATAGRAM_MAX);
	struct quic_coalesced packet[ARRAY_SIZE(quic_output_order)];
	u32 used = 0, n = 0, i, len;
	struct sk_buff *skb;
	bool pad = false;
	int size;
	u8 *data;

	/* An unvalidated peer gets whole datagrams or none: RFC 9000, section 8.1. */
	if (mss < QUIC_MIN_DATAGRAM_SIZE)
		return false;
	skb = alloc_skb(QUIC_UDP_HEADROOM + mss, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return quic_output_later(conn);
	skb_reserve(skb, QUIC_UDP_HEADROOM);
	data = skb->data;

	for (i = 0; i < ARRAY_SIZE(quic_output_order); i++) {
		len = quic_output_fill(qs, &packet[n], quic_output_order[i], data + used,
				       mss - used, now);
		if (!len)
			continue;
		pad |= quic_output_must_pad(conn, &packet[n].tx);
		used += len;
		n++;
	}
	if (!n) {
		kfree_skb(skb);
		return false;
	}
	if (pad && used < QUIC_MIN_DATAGRAM_SIZE) {
		quic_write_zeroes(&packet[n - 1].tx.w, QUIC_MIN_DATAGRAM_SIZE - used);
		used = QUIC_MIN_DATAGRAM_SIZE;
	}
	for (i = 0; i < n; i++) {
		size = quic_output_protect(qs, &packet[i]);
		if (size < 0)
			break;
		quic_conn_tx_commit(conn, &packet[i].tx, size, now);
	}
	if (i < n) {
		for (; i < n; i++)
			quic_conn_tx_abandon(conn, &packet[i].tx);
		kfree_skb(skb);
		return quic_output_later(conn);
	}
	qs->tx_packets += n;
	qs->tx_bytes += used;
	skb_put(skb, used);
	return quic_udp_xmit(qs, quic_sock_route(qs), skb, 0, 0) == 0;
}

/* Is a packet that needs a long header due? */
static bool quic_output_wants_long(struct quic_conn *conn, u64 now)
{
	return quic_conn_wants_tx(conn, QUIC_CRYPTO_INITIAL, now) ||
	       quic_conn_wants_tx(conn, QUIC_CRYPTO_HANDSHAKE, now) ||
	       quic_conn_wants_tx(conn, QUIC_CRYPTO_EARLY, now);
}

/**
 * quic_output() - send what the connection has to say and may say now
 * @qs:  socket, locked
 * @now: time
 *
 * Packets that the layers below drop are lost packets: they are not reported.
 */
void quic_output(struct quic_sock *qs, u64 now)
{
	struct quic_conn *conn = &qs->conn;

	local_bh_disable();
	quic_conn_tx_start(conn);
	if (conn->state == QUIC_CONN_CLOSING) {
		if (conn->close_frames == QUIC_CONTROL_STALE && quic_output_datagram(qs, now))
			QUIC_INC_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_FRM_OUTCLOSES);
	} else if (quic_conn_is_open(conn)) {
		while (quic_output_wants_long(conn, now) && quic_output_datagram(qs, now))
			;
		if (qs->tx_key[QUIC_CRYPTO_APP] && quic_conn_has_keys(conn, now)) {
			if (unlikely(conn->paths_due))
				quic_path_output(qs, now);
			quic_output_app(qs, now);
		}
	}
	quic_conn_tx_done(conn);
	local_bh_enable();
}

/* The wire pages of all CPUs go back; nobody sends any more. */
void quic_output_exit(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < QUIC_WIRE_PAGES; i++)
			if (per_cpu(quic_wire_ring, cpu).page[i])
				put_page(per_cpu(quic_wire_ring, cpu).page[i]);
}
