// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The size of a path's datagrams: what link, peer and probes say of it, the
 * probes themselves, and the way back when large packets vanish. RFC 9000,
 * section 14; the search is pmtud.c's.
 */
#include "core.h"
#include "conn.h"

/* Records looked at for a large packet in flight: a timer must not walk a window. */
#define QUIC_PMTUD_LOOK		64

/* Let what was learnt about @path take effect. */
static void quic_conn_apply_mss(struct quic_conn *conn, struct quic_path *path)
{
	u32 max = path->link;
	u32 mss;

	if (conn->remote.max_udp_payload_size)	/* known, or remembered */
		max = min_t(u64, max, conn->remote.max_udp_payload_size);
	else	/* a first flight that is too large for the peer is lost: RFC 9000, section 14.2 */
		max = QUIC_MIN_DATAGRAM_SIZE;
	if (conn->config.pmtud_interval)
		max = min_t(u32, max, QUIC_PMTUD_MAX);
	max = clamp_t(u32, max, QUIC_MIN_DATAGRAM_SIZE, QUIC_TP_UDP_PAYLOAD_MAX);
	quic_pmtud_set_max(&path->pmtud, max);
	mss = quic_pmtud_mss(&path->pmtud);
	if (mss != path->mss)
		quic_path_set_mss(path, mss);
}

/**
 * quic_conn_set_path_mss() - the link of a path takes datagrams of that size
 * @conn: connection
 * @path: one of its paths
 * @mss:  bytes of UDP payload
 */
void quic_conn_set_path_mss(struct quic_conn *conn, struct quic_path *path, u32 mss)
{
	path->link = mss;
	quic_conn_apply_mss(conn, path);
}

/**
 * quic_conn_set_mss() - the link of the active path takes datagrams of that size
 * @conn: connection
 * @mss:  bytes of UDP payload
 *
 * What the peer takes, and what was found out about the path, bound it further.
 * RFC 9000, sections 14 and 18.2.
 */
void quic_conn_set_mss(struct quic_conn *conn, u32 mss)
{
	quic_conn_set_path_mss(conn, quic_conn_path(conn), mss);
}

/**
 * quic_conn_update_pmtud() - begin where a search is wanted, set its deadline
 * @conn: open connection
 * @now:  time
 *
 * A path is probed once the handshake is confirmed: RFC 9000, section 14.3.1.
 */
void quic_conn_update_pmtud(struct quic_conn *conn, u64 now)
{
	struct quic_path *path = quic_conn_path(conn);
	struct quic_pmtud *pmtud = &path->pmtud;

	if (pmtud->state == QUIC_PMTUD_DISABLED && conn->confirmed && path->validated) {
		quic_pmtud_start(pmtud, conn->config.pmtud_interval);
		quic_conn_apply_mss(conn, path);
		quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_PMTUD, now);
		return;
	}
	quic_pmtud_arm(pmtud, now);
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_PMTUD, pmtud->at ?: QUIC_DEADLINE_NEVER);
}

/**
 * quic_conn_pmtud_timeout() - QUIC_DEADLINE_PMTUD has passed
 * @conn: connection
 * @now:  time
 */
void quic_conn_pmtud_timeout(struct quic_conn *conn, u64 now)
{
	quic_pmtud_on_timeout(&quic_conn_path(conn)->pmtud, now);
}

/**
 * quic_conn_may_probe_mtu() - may the probe that is due leave now?
 * @conn: connection
 *
 * It takes its share of the window: RFC 9000, section 14.4.
 */
bool quic_conn_may_probe_mtu(const struct quic_conn *conn)
{
	const struct quic_path *path = &conn->path[conn->active_path];
	const struct quic_space *space = conn->space[QUIC_SPACE_APP];

	return path->pmtud.due && conn->state == QUIC_CONN_ESTABLISHED && conn->confirmed &&
	       path->validated && !space->probes && quic_sent_has_room(&space->loss.sent) &&
	       (!path->cong.bytes_in_flight ||
		path->cong.bytes_in_flight + path->pmtud.size <= path->cong.cwnd);
}

/**
 * quic_conn_fill_mtu_probe() - PING and PADDING until the packet is full
 * @conn: connection
 * @tx:   packet of the size that is probed, its header written
 *
 * RFC 9000, section 14.4.
 */
void quic_conn_fill_mtu_probe(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	tx->start = tx->w.pos;
	tx->eliciting = quic_frame_encode_type(&tx->w, QUIC_FRAME_PING);
	quic_write_zeroes(&tx->w, quic_writer_left(&tx->w));
	quic_trace(filled, conn, tx);
}

/**
 * quic_conn_mtu_probe_sent() - the packet was committed
 * @conn: connection
 * @tx:   packet
 * @now:  time
 */
void quic_conn_mtu_probe_sent(struct quic_conn *conn, const struct quic_tx_packet *tx, u64 now)
{
	struct quic_sent_packet *packet;

	packet = quic_sent_find(&conn->space[QUIC_SPACE_APP]->loss.sent, tx->pn);
	if (packet)
		packet->flags |= QUIC_SENT_PMTU_PROBE;
	quic_pmtud_on_sent(&conn->path[tx->path].pmtud, now);
}

/**
 * quic_conn_mtu_probe_acked() - a probe arrived
 * @conn:   connection
 * @packet: its record
 */
void quic_conn_mtu_probe_acked(struct quic_conn *conn, const struct quic_sent_packet *packet)
{
	struct quic_path *path = &conn->path[packet->path];

	quic_pmtud_on_acked(&path->pmtud, packet->size);
	quic_conn_apply_mss(conn, path);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_WAKE_WRITE;
}

/**
 * quic_conn_large_lost() - packets above the base were lost, or wait in vain
 * @conn: connection
 * @path: theirs
 * @silence: nothing arrives at all
 *
 * When nothing large arrives for too long, the path goes back to the size that
 * QUIC needs, and searches from there. Losses between two packets from the peer
 * count once: a link that loses some of everything is no black hole. RFC 8899,
 * section 4.3.
 */
void quic_conn_large_lost(struct quic_conn *conn, struct quic_path *path, bool silence)
{
	if (path->mss <= QUIC_PMTUD_BASE || (!silence && path->pmtud.hole_at == conn->last_rx))
		return;
	path->pmtud.hole_at = conn->last_rx;
	if (!quic_pmtud_on_large_lost(&path->pmtud))
		return;
	quic_pmtud_start(&path->pmtud, conn->config.pmtud_interval ?: QUIC_PMTUD_INTERVAL);
	quic_conn_apply_mss(conn, path);
	conn->todo |= QUIC_TODO_TX;
}

/* Waits a packet above the base for its acknowledgment? */
static bool quic_conn_has_large_in_flight(const struct quic_conn *conn)
{
	const struct quic_sent *sent = &conn->space[QUIC_SPACE_APP]->loss.sent;
	const struct quic_sent_packet *packet;
	u64 pn = sent->oldest;
	u32 i;

	for (i = 0; i < QUIC_PMTUD_LOOK; i++, pn++) {
		packet = quic_sent_next_from(sent, &pn, sent->next);
		if (!packet)
			return false;
		if (packet->size > QUIC_PMTUD_BASE && packet->path == conn->active_path &&
		    !(packet->flags & QUIC_SENT_PMTU_PROBE))
			return true;
	}
	return false;
}

/**
 * quic_conn_pmtud_on_pto() - a probe timeout has passed
 * @conn: connection
 * @id:   space that it was for
 *
 * A handshake goes on in datagrams of the base size: there is no time to
 * search.
 */
void quic_conn_pmtud_on_pto(struct quic_conn *conn, enum quic_space_id id)
{
	struct quic_path *path = quic_conn_path(conn);

	if (id != QUIC_SPACE_APP)
		conn->small_handshake = true;
	else if (conn->pto_count > 1 && path->mss > QUIC_PMTUD_BASE &&
		 quic_conn_has_large_in_flight(conn))
		quic_conn_large_lost(conn, path, true);
}
