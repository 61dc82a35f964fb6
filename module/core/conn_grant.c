// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What may leave now: whether there is anything to say, and what of it the
 * congestion window, pacing and the wait for company allow. conn_send.c then
 * says it. RFC 9002, section 7.
 */
#include "core.h"
#include "conn.h"

/*
 * Small writes wait this long for company while data is in flight, unless the
 * application forbids it; a burst that is full leaves at once.
 */
#define QUIC_HOLD_TIME		100000ULL	/* ns */
#define QUIC_HOLD_PACKETS	16

/* Packets that the window and pacing must allow for before a burst is begun. */
#define QUIC_BURST_PACKETS_MIN	16

/* Look again at @at, if not before. */
static void quic_conn_send_at(struct quic_conn *conn, u64 at)
{
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_PACING,
			  min(at, conn->deadlines.at[QUIC_DEADLINE_PACING]));
}

/**
 * quic_conn_hold_on() - hold data for a while, counted from the first time it was held
 * @conn: connection
 * @now:  time
 *
 * Return: false if its time is over.
 */
bool quic_conn_hold_on(struct quic_conn *conn, u64 now)
{
	if (!conn->held_since)
		conn->held_since = now;
	if (now >= conn->held_since + QUIC_HOLD_TIME)
		return false;
	quic_conn_send_at(conn, conn->held_since + QUIC_HOLD_TIME);
	return true;
}

/* Does the connection wait for company of its small stream data? */
static bool quic_conn_holds_data(struct quic_conn *conn, u64 now)
{
	const struct quic_space *space = conn->space[QUIC_SPACE_APP];
	const struct quic_stream *stream;
	u64 bytes = 0;

	if (conn->in_burst && !conn->corked)
		return false;
	if (!conn->corked &&
	    (conn->nodelay || !space->loss.eliciting_in_flight || space->probes))
		goto release;
	list_for_each_entry(stream, &conn->streams.ready, ready) {
		const struct quic_stream_send *send = &stream->send;

		/* Control frames, the end of a stream and losses do not wait. */
		if (!stream->has_send || send->fin == QUIC_CONTROL_STALE ||
		    send->reset == QUIC_CONTROL_STALE ||
		    quic_send_ranges_has_lost(&send->ranges) ||
		    (stream->has_recv && (stream->recv.max_data == QUIC_CONTROL_STALE ||
					  stream->recv.stop == QUIC_CONTROL_STALE)))
			goto release;
		bytes += send->ranges.end - send->ranges.next;
		if (bytes >= QUIC_HOLD_PACKETS * (u64)conn->path[conn->active_path].mss)
			goto release;
	}
	if (conn->corked || quic_conn_hold_on(conn, now))
		return true;

release:
	conn->held_since = 0;
	return false;
}

/*
 * A batch of packets costs little more than one, so a burst is not begun for
 * less than this: the next ACK, or a moment of pacing, allows for more.
 */
static u32 quic_conn_quantum(const struct quic_conn *conn, const struct quic_path *path)
{
	return conn->in_burst ? path->mss : QUIC_BURST_PACKETS_MIN * path->mss;
}

/* Is the window open far enough, or about to be opened further by an ACK? */
static bool quic_conn_has_window(const struct quic_conn *conn, const struct quic_path *path)
{
	const struct quic_cong *cong = &path->cong;
	u64 window;

	if (!quic_cong_has_room(cong))
		return false;
	/* Pacing makes the bursts where a rate is what counts. */
	if (conn->in_burst || !cong->bytes_in_flight || cong->wants_rate)
		return true;
	window = quic_cong_window(cong);
	return window - cong->bytes_in_flight >=
	       min_t(u64, quic_conn_quantum(conn, path), window / 3);
}

/* May packets that count against the window leave now? Sets the pacing deadline if not. */
static bool quic_conn_may_send(struct quic_conn *conn, enum quic_space_id id, u64 now)
{
	struct quic_path *path = quic_conn_path(conn);
	u32 quantum;

	if (!quic_sent_has_room(&conn->space[id]->loss.sent))
		return false;
	if (id != QUIC_SPACE_APP)
		return quic_cong_has_room(&path->cong);
	if (!quic_conn_has_window(conn, path))
		return false;
	/* With nothing in flight no ACK will come to wait for. */
	quantum = path->cong.bytes_in_flight ? quic_conn_quantum(conn, path) : path->mss;
	if (quic_pacer_may_send(&path->pacer, quantum, now))
		return true;
	quic_conn_send_at(conn, quic_pacer_next(&path->pacer, quantum, now));
	return false;
}

/*
 * May DATAGRAM frames leave now? They wait for no company; the window counts, and a burst is
 * no longer than the pacer's. RFC 9221, section 5.4 #1; RFC 9002, section 7.7.
 */
static bool quic_conn_may_send_datagram(struct quic_conn *conn, u64 now)
{
	struct quic_path *path = quic_conn_path(conn);

	if (!quic_datagrams_pending(&conn->datagrams) ||
	    !quic_sent_has_room(&conn->space[QUIC_SPACE_APP]->loss.sent) ||
	    !quic_cong_has_room(&path->cong))
		return false;
	if (quic_pacer_may_send(&path->pacer, path->mss, now))
		return true;
	quic_conn_send_at(conn, quic_pacer_next(&path->pacer, path->mss, now));
	return false;
}

/**
 * quic_conn_has_control() - has the application level a control frame of the connection to send?
 * @conn: connection
 */
bool quic_conn_has_control(struct quic_conn *conn)
{
	const struct quic_streams *streams = &conn->streams;
	int i;

	if (conn->handshake_done == QUIC_CONTROL_STALE ||
	    conn->new_token == QUIC_CONTROL_STALE ||
	    conn->ping == QUIC_CONTROL_STALE ||
	    conn->max_data == QUIC_CONTROL_STALE ||
	    conn->data_blocked == QUIC_CONTROL_STALE)
		return true;
	for (i = 0; i < 2; i++)
		if (streams->remote[i].max == QUIC_CONTROL_STALE ||
		    streams->local[i].blocked == QUIC_CONTROL_STALE)
			return true;
	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++)
		if (conn->local_cids.cid[i].in_use &&
		    conn->local_cids.cid[i].announce == QUIC_CONTROL_STALE)
			return true;
	for (i = 0; i < conn->remote_cids.nr_retire; i++)
		if (conn->remote_cids.retire[i].state == QUIC_CONTROL_STALE)
			return true;
	return false;
}

/* Is @level the one that a closing connection speaks at? RFC 9000, section 10.2.3. */
static bool quic_conn_closes_at(const struct quic_conn *conn, u8 level)
{
	if (level == QUIC_CRYPTO_EARLY)
		return false;
	return level == QUIC_CRYPTO_APP || !conn->confirmed;
}

/**
 * quic_conn_tx_grant() - what may the next packet of this level hold?
 * @conn:  connection, with the keys and the space of @level
 * @level: enum quic_crypto_level
 * @now:   time
 *
 * Where only time is lacking, the deadline for it is set.
 */
enum quic_tx_grant quic_conn_tx_grant(struct quic_conn *conn, u8 level, u64 now)
{
	enum quic_space_id id = quic_level_space(level);
	struct quic_space *space = conn->space[id];
	bool data, control;

	/* RFC 9002, section 7.5 #1 */
	if (unlikely(space->probes))
		return QUIC_TX_ALL;
	data = id == QUIC_SPACE_APP && !list_empty(&conn->streams.ready) &&
	       !quic_conn_holds_data(conn, now);
	control = level != QUIC_CRYPTO_EARLY &&
		  ((id == QUIC_SPACE_APP && conn->control_due) ||
		   (quic_send_ranges_has_pending(&space->crypto.ranges) && !conn->corked));
	if ((data || control) && quic_conn_may_send(conn, id, now))
		return data ? QUIC_TX_ALL : QUIC_TX_CONTROL;
	if (id == QUIC_SPACE_APP && !conn->corked && quic_conn_may_send_datagram(conn, now))
		return QUIC_TX_DATAGRAMS;
	if (level != QUIC_CRYPTO_EARLY && quic_ack_policy_is_due(&space->ack, now))
		return QUIC_TX_ACK;
	return QUIC_TX_NOTHING;
}

/**
 * quic_conn_wants_tx() - is there a packet of this level to be sent now?
 * @conn:  connection
 * @level: enum quic_crypto_level
 * @now:   time
 *
 * Where only time is lacking, the deadline for it is set.
 */
bool quic_conn_wants_tx(struct quic_conn *conn, u8 level, u64 now)
{
	if (!(conn->tx_keys & BIT(level)) || !conn->space[quic_level_space(level)])
		return false;
	if (conn->state == QUIC_CONN_CLOSING)
		return conn->close_frames == QUIC_CONTROL_STALE &&
		       quic_conn_closes_at(conn, level);
	if (!quic_conn_is_open(conn))
		return false;
	if (level == QUIC_CRYPTO_EARLY && !quic_conn_early_may_send(conn))
		return false;
	return quic_conn_tx_grant(conn, level, now) != QUIC_TX_NOTHING;
}
