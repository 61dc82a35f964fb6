// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One packet filled with what the connection has to say, in order of priority;
 * what it may hold is conn_grant.c's. Headers, protection and datagrams are the
 * host's. RFC 9000, sections 12 and 13.
 */
#include "core.h"
#include "conn.h"

/* What an ACK frame tells at most: ranges, and numbers below the largest. */
#define QUIC_ACK_FRAME_RANGES	32
#define QUIC_ACK_FRAME_REACH	1024

/* Room below which no stream data is begun in a packet that holds other frames. */
#define QUIC_STREAM_ROOM_MIN	64

static bool quic_tx_is_empty(const struct quic_tx_packet *tx)
{
	return tx->w.pos == tx->start;
}

static struct quic_space *quic_tx_space(struct quic_conn *conn, const struct quic_tx_packet *tx)
{
	return conn->space[quic_level_space(tx->level)];
}

/* A note for a frame to be written; quic_tx_wrote() tells what became of it. */
static struct quic_sent_note *quic_tx_note(struct quic_tx_packet *tx,
					   enum quic_sent_note_kind kind)
{
	return quic_sent_packet_add_note(&tx->record, kind);
}

static bool quic_tx_wrote(struct quic_tx_packet *tx, struct quic_sent_note *note, bool written)
{
	if (written)
		tx->eliciting = true;
	else if (note)
		tx->record.nr_notes--;
	return written;
}

/* A frame that says all by its type or a value of the connection. */
static bool quic_tx_control(struct quic_tx_packet *tx, u8 *state, u16 bit, bool written)
{
	if (!written)
		return false;
	*state = QUIC_CONTROL_SENT;
	tx->record.control |= bit;
	tx->eliciting = true;
	return true;
}

/**
 * quic_conn_tx_begin() - start a packet
 * @conn:  connection
 * @tx:    packet, any contents; @tx->w is set up by the caller
 * @level: enum quic_crypto_level
 *
 * Return: 0, or a negative errno if nothing can be recorded now.
 */
int quic_conn_tx_begin(struct quic_conn *conn, struct quic_tx_packet *tx, u8 level)
{
	struct quic_space *space = conn->space[quic_level_space(level)];
	u64 pn = space->loss.sent.next;
	u32 i;

	if (level == QUIC_CRYPTO_APP && pn == conn->next_skip) {
		i = ARRAY_SIZE(conn->skipped);
		while (--i)
			conn->skipped[i] = conn->skipped[i - 1];
		conn->skipped[0] = pn;
		quic_sent_skip(&space->loss.sent, pn++);
		quic_conn_choose_skip(conn, pn);
	}
	/* RFC 9001, section 6.6 #2: quic_conn_has_keys() finds new ones, or closes. */
	if (level == QUIC_CRYPTO_APP && unlikely(quic_key_phase_is_spent(&conn->key_phase)) &&
	    !conn->plaintext && quic_conn_is_open(conn))
		return -EKEYEXPIRED;
	/* RFC 9000, section 12.3 #2 #3: no number comes twice, not even to say that it is over. */
	if (unlikely(pn >= QUIC_PN_MAX)) {
		quic_conn_drop(conn);
		return -EOVERFLOW;
	}
	tx->level = level;
	tx->path = conn->active_path;
	tx->pn = pn;
	/* One length says nothing of the number: RFC 9001, section 9.5 #2. */
	tx->pn_len = 4;
	tx->ecn = QUIC_ECN_NOT_ECT;
	tx->eliciting = false;
	tx->has_ack = false;
	tx->challenge = false;
	tx->probe = space->probes > 0;
	tx->may_direct = false;
	tx->direct = NULL;
	tx->pieces = NULL;
	tx->direct_len = 0;
	tx->start = tx->w.pos;
	tx->record.control = 0;
	tx->record.flags = 0;
	tx->record.nr_notes = 0;
	tx->record.more = NULL;
	return quic_loss_reserve(&space->loss, pn);
}

static bool quic_fill_ack(struct quic_conn *conn, struct quic_tx_packet *tx,
			  struct quic_space *space, u64 now)
{
	const struct quic_ack_ranges *received = &space->received;
	u32 count = min_t(u32, received->count, QUIC_ACK_FRAME_RANGES);
	struct quic_sent_note *note;
	u64 delay = 0;

	if (!count)
		return false;
	/* Older gaps were reported many times over. RFC 9000, section 13.2.3. */
	while (count > 1 && received->range[count - 1].last + QUIC_ACK_FRAME_REACH <
			    received->range[0].last)
		count--;
	if (tx->level == QUIC_CRYPTO_APP)
		delay = quic_ack_policy_delay(&space->ack, now,
					      conn->local.ack_delay_exponent);
	if (!quic_frame_encode_ack(&tx->w, received->range, count, delay,
				   space->ack.has_ecn ? space->ack.ecn : NULL))
		return false;
	tx->has_ack = true;
	note = quic_tx_note(tx, QUIC_NOTE_ACK);
	if (note)
		note->offset = received->range[0].last;
	return true;
}

/**
 * quic_conn_tx_fill_ack() - acknowledge, if there is anything to be acknowledged
 * @conn: connection
 * @tx:   1-RTT packet
 * @now:  time
 */
void quic_conn_tx_fill_ack(struct quic_conn *conn, struct quic_tx_packet *tx, u64 now)
{
	struct quic_space *space = quic_tx_space(conn, tx);

	if (space->ack.unacked || quic_ack_policy_is_due(&space->ack, now))
		quic_fill_ack(conn, tx, space, now);
}

static void quic_fill_close(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	struct quic_frame_close frame = {
		.code = conn->close.code,
		.frame_type = conn->close.frame_type,
		.reason = conn->close.phrase,
		.reason_len = conn->close.phrase_len,
		.app = conn->close.app,
	};

	/* Before the handshake is complete nobody may read the application's words. */
	if (frame.app && tx->level != QUIC_CRYPTO_APP) {
		frame.app = false;
		frame.code = QUIC_TRANSPORT_ERROR_APPLICATION;
		frame.reason_len = 0;
	}
	quic_frame_encode_close(&tx->w, &frame);
}

/* CRYPTO frames of the packet's level, for the first time or again: RFC 9001, section 4 #1. */
static void quic_fill_crypto(struct quic_tx_packet *tx, struct quic_space *space)
{
	struct quic_send_ranges *ranges = &space->crypto.ranges;
	struct quic_sent_note *note;
	u64 offset, len;
	size_t room;
	u8 overhead;

	while (quic_send_ranges_peek(ranges, &offset, &len)) {
		room = quic_writer_left(&tx->w);
		overhead = quic_frame_crypto_overhead(offset, min_t(u64, len, room));
		if (room <= overhead)
			return;
		len = min_t(u64, len, room - overhead);
		note = quic_tx_note(tx, QUIC_NOTE_CRYPTO);
		if (!note)
			return;
		if (!quic_tx_wrote(tx, note, quic_frame_encode_crypto(&tx->w, offset, len)))
			return;
		quic_host_send_copy(&space->crypto.buf, offset, len, tx);
		note->offset = offset;
		note->len = len;
		quic_send_ranges_on_sent(ranges, offset, len);
	}
}

static void quic_fill_cids(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	struct quic_sent_note *note;
	u64 prior_to;
	int i;

	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++) {
		struct quic_local_cid *cid = &conn->local_cids.cid[i];

		if (!cid->in_use || cid->announce != QUIC_CONTROL_STALE)
			continue;
		note = quic_tx_note(tx, QUIC_NOTE_NEW_CID);
		if (!note)
			return;
		note->offset = cid->seq;
		/* RFC 9000, section 19.15 #5: an ID that waits to be retired asks for no more. */
		prior_to = min(cid->seq, conn->local_cids.retire_prior_to);
		if (!quic_tx_wrote(tx, note, quic_frame_encode_new_cid(&tx->w, cid->seq, prior_to,
								       &cid->cid, cid->token)))
			return;
		cid->announce = QUIC_CONTROL_SENT;
	}
	for (i = 0; i < conn->remote_cids.nr_retire; i++) {
		if (conn->remote_cids.retire[i].state != QUIC_CONTROL_STALE)
			continue;
		note = quic_tx_note(tx, QUIC_NOTE_RETIRE_CID);
		if (!note)
			return;
		note->offset = conn->remote_cids.retire[i].seq;
		if (!quic_tx_wrote(tx, note, quic_frame_encode_retire_cid(&tx->w, note->offset)))
			return;
		conn->remote_cids.retire[i].state = QUIC_CONTROL_SENT;
	}
}

static void quic_fill_stream_limits(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	static const u16 max_bit[] = {
		QUIC_SENT_MAX_STREAMS_BIDI, QUIC_SENT_MAX_STREAMS_UNI
	};
	static const u16 blocked_bit[] = {
		QUIC_SENT_STREAMS_BLOCKED_BIDI, QUIC_SENT_STREAMS_BLOCKED_UNI
	};
	int uni;

	for (uni = 0; uni < 2; uni++) {
		struct quic_streams_remote *remote = &conn->streams.remote[uni];
		struct quic_streams_local *local = &conn->streams.local[uni];

		if (remote->max == QUIC_CONTROL_STALE)
			quic_tx_control(tx, &remote->max, max_bit[uni],
					quic_frame_encode_limit(&tx->w,
								QUIC_FRAME_MAX_STREAMS_BIDI + uni,
								quic_streams_grant(&conn->streams,
										   uni)));
		if (local->blocked == QUIC_CONTROL_STALE)
			quic_tx_control(tx, &local->blocked, blocked_bit[uni],
					quic_frame_encode_limit(&tx->w,
								QUIC_FRAME_STREAMS_BLOCKED_BIDI +
								uni, local->limit));
	}
}

static void quic_fill_control(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	struct quic_writer *w = &tx->w;

	if (conn->handshake_done == QUIC_CONTROL_STALE)
		quic_tx_control(tx, &conn->handshake_done, QUIC_SENT_HANDSHAKE_DONE,
				quic_frame_encode_type(w, QUIC_FRAME_HANDSHAKE_DONE));
	if (conn->new_token == QUIC_CONTROL_STALE)
		quic_tx_control(tx, &conn->new_token, QUIC_SENT_NEW_TOKEN,
				quic_frame_encode_new_token(w, conn->new_token_data,
							    conn->token_len));
	quic_fill_cids(conn, tx);
	if (conn->max_data == QUIC_CONTROL_STALE)
		quic_tx_control(tx, &conn->max_data, QUIC_SENT_MAX_DATA,
				quic_frame_encode_limit(w, QUIC_FRAME_MAX_DATA,
							quic_flow_recv_grant(&conn->rx_flow)));
	if (conn->data_blocked == QUIC_CONTROL_STALE)
		quic_tx_control(tx, &conn->data_blocked, QUIC_SENT_DATA_BLOCKED,
				quic_frame_encode_limit(w, QUIC_FRAME_DATA_BLOCKED,
							conn->tx_flow.limit));
	quic_fill_stream_limits(conn, tx);
	if (conn->ping == QUIC_CONTROL_STALE)
		quic_tx_control(tx, &conn->ping, QUIC_SENT_PING,
				quic_frame_encode_type(w, QUIC_FRAME_PING));
}

/* One control frame of a stream; false: no room. */
static bool quic_fill_stream_frame(struct quic_tx_packet *tx, struct quic_stream *stream,
				   enum quic_sent_note_kind kind)
{
	struct quic_sent_note *note = quic_tx_note(tx, kind);
	bool written = false;

	if (!note)
		return false;
	note->stream_id = stream->id;
	switch (kind) {
	case QUIC_NOTE_RESET_STREAM:
		written = quic_frame_encode_reset_stream(&tx->w, stream->id,
							 stream->send.reset_code,
							 stream->send.final_size);
		break;
	case QUIC_NOTE_STOP_SENDING:
		written = quic_frame_encode_stop_sending(&tx->w, stream->id,
							 stream->recv.stop_code);
		break;
	case QUIC_NOTE_MAX_STREAM_DATA:
		note->offset = quic_flow_recv_grant(&stream->recv.flow);
		written = quic_frame_encode_stream_limit(&tx->w, QUIC_FRAME_MAX_STREAM_DATA,
							 stream->id, note->offset);
		break;
	case QUIC_NOTE_STREAM_DATA_BLOCKED:
		note->offset = stream->send.flow.limit;
		written = quic_frame_encode_stream_limit(&tx->w,
							 QUIC_FRAME_STREAM_DATA_BLOCKED,
							 stream->id, note->offset);
		break;
	default:
		break;
	}
	return quic_tx_wrote(tx, note, written);
}

static bool quic_fill_stream_control(struct quic_tx_packet *tx, struct quic_stream *stream)
{
	if (stream->has_recv) {
		if (stream->recv.stop == QUIC_CONTROL_STALE) {
			if (!quic_fill_stream_frame(tx, stream, QUIC_NOTE_STOP_SENDING))
				return false;
			stream->recv.stop = QUIC_CONTROL_SENT;
		}
		if (stream->recv.max_data == QUIC_CONTROL_STALE) {
			if (!quic_fill_stream_frame(tx, stream, QUIC_NOTE_MAX_STREAM_DATA))
				return false;
			stream->recv.max_data = QUIC_CONTROL_SENT;
		}
	}
	if (stream->has_send) {
		if (stream->send.reset == QUIC_CONTROL_STALE) {
			if (!quic_fill_stream_frame(tx, stream, QUIC_NOTE_RESET_STREAM))
				return false;
			stream->send.reset = QUIC_CONTROL_SENT;
		}
		if (stream->send.blocked == QUIC_CONTROL_STALE) {
			if (!quic_fill_stream_frame(tx, stream, QUIC_NOTE_STREAM_DATA_BLOCKED))
				return false;
			stream->send.blocked = QUIC_CONTROL_SENT;
		}
	}
	return true;
}

/*
 * Is this the last of what was written so far, behind full packets of the same
 * burst? It waits for company, so that the next write makes a full packet of it.
 */
static bool quic_tx_is_short_tail(const struct quic_conn *conn, const struct quic_tx_packet *tx,
				  const struct quic_stream *stream, u64 end)
{
	const struct quic_stream_send *send = &stream->send;

	return conn->in_burst && !conn->nodelay && !tx->probe && quic_tx_is_empty(tx) &&
	       end == send->ranges.end && send->fin == QUIC_CONTROL_IDLE &&
	       stream->ready.next == &conn->streams.ready;
}

/*
 * STREAM frames of one stream until the packet is full or the stream has said
 * all. The host's buffers are shaped like packets: a piece that fits only a
 * fresh packet waits for one, so that it is encrypted from where it lies.
 */
static bool quic_fill_stream_data(struct quic_conn *conn, struct quic_tx_packet *tx,
				  struct quic_stream *stream, u64 now)
{
	struct quic_stream_send *send = &stream->send;
	struct quic_sent_note *note;
	u64 offset, len, next;
	u32 overhead;
	size_t room;
	bool fin;

	while (quic_stream_send_peek(send, &offset, &len)) {
		room = quic_writer_left(&tx->w);
		if (unlikely(conn->early.capped) &&
		    !quic_conn_early_cap(conn, stream, offset, &len))
			return true;
		if (len) {
			len = min_t(u64, len, quic_host_send_contig(&send->buf, offset));
			overhead = quic_frame_stream_overhead(stream->id, offset, len);
			if (room < overhead + len) {
				if (!quic_tx_is_empty(tx) || room <= overhead + QUIC_STREAM_ROOM_MIN)
					return false;
				len = room - overhead;
			} else if (quic_tx_is_short_tail(conn, tx, stream, offset + len) &&
				   room - overhead - len > QUIC_STREAM_ROOM_MIN &&
				   quic_conn_hold_on(conn, now)) {
				return false;
			}
		}
		fin = quic_stream_send_is_end(send, offset + len);
		note = quic_tx_note(tx, QUIC_NOTE_STREAM);
		if (!note)
			return false;
		if (!quic_tx_wrote(tx, note,
				   quic_frame_encode_stream(&tx->w, stream->id, offset, len, fin)))
			return false;
		note->stream_id = stream->id;
		note->offset = offset;
		note->len = len;
		note->fin = fin;
		if (len)
			quic_host_send_copy(&send->buf, offset, len, tx);
		next = send->ranges.next;
		quic_stream_send_on_sent(send, offset, len, fin);
		if (unlikely(conn->early.capped))
			conn->early.out += send->ranges.next - next;
		if (tx->direct)
			return false;
	}
	return true;
}

static void quic_fill_streams(struct quic_conn *conn, struct quic_tx_packet *tx, bool data,
			      u64 now)
{
	struct quic_stream *stream, *next;
	bool room = true;

	if (unlikely(conn->early.capped))
		quic_conn_early_count(conn);
	list_for_each_entry_safe(stream, next, &conn->streams.ready, ready) {
		room = quic_fill_stream_control(tx, stream);
		if (room && data && stream->has_send)
			room = quic_fill_stream_data(conn, tx, stream, now);
		if (!quic_stream_has_something(stream))
			list_del_init(&stream->ready);
		if (!room)
			return;
	}
}

/* Frames that elicit an acknowledgement and are due; those of streams without their data if not @data. */
static void quic_fill_due(struct quic_conn *conn, struct quic_tx_packet *tx,
			  struct quic_space *space, bool data, u64 now)
{
	if (tx->level != QUIC_CRYPTO_EARLY)
		quic_fill_crypto(tx, space);
	if (quic_level_space(tx->level) != QUIC_SPACE_APP)
		return;
	if (tx->level == QUIC_CRYPTO_APP && conn->control_due) {
		quic_fill_control(conn, tx);
		conn->control_due = quic_conn_has_control(conn);
	}
	if (quic_datagrams_pending(&conn->datagrams))
		quic_datagrams_fill(conn, tx);
	quic_fill_streams(conn, tx, data, now);
}

/* Has what is oldest in flight sent again; false: nothing is. */
static bool quic_conn_requeue_oldest(struct quic_conn *conn, enum quic_space_id id)
{
	struct quic_sent *sent = &conn->space[id]->loss.sent;
	struct quic_sent_packet *packet;
	u64 pn = sent->oldest;

	packet = quic_sent_next_from(sent, &pn, sent->next);
	if (!packet)
		return false;
	quic_conn_requeue(conn, id, packet);
	conn->control_due = quic_conn_has_control(conn);
	return true;
}

/* The frames of quic_conn_tx_fill(). */
static bool quic_tx_fill(struct quic_conn *conn, struct quic_tx_packet *tx, u64 now)
{
	struct quic_space *space = quic_tx_space(conn, tx);
	enum quic_tx_grant grant;

	tx->start = tx->w.pos;
	if (conn->state == QUIC_CONN_CLOSING) {
		quic_fill_close(conn, tx);
		return !quic_tx_is_empty(tx);
	}

	grant = quic_conn_tx_grant(conn, tx->level, now);
	/* RFC 9000, sections 13.2.6 #1 #2 #3 and 17.2.3 #3: of the packet's own space. */
	if (tx->level != QUIC_CRYPTO_EARLY &&
	    ((grant >= QUIC_TX_CONTROL && space->ack.unacked) ||
	     quic_ack_policy_is_due(&space->ack, now)))
		quic_fill_ack(conn, tx, space, now);
	if (grant < QUIC_TX_CONTROL) {
		if (grant == QUIC_TX_DATAGRAMS)
			quic_datagrams_fill(conn, tx);
		return !quic_tx_is_empty(tx);
	}

	quic_fill_due(conn, tx, space, grant == QUIC_TX_ALL, now);
	if (!tx->probe || tx->eliciting)
		return !quic_tx_is_empty(tx);

	/* Bytes that may get through are worth more than PING: RFC 9002, section 6.2.4. */
	if (quic_conn_requeue_oldest(conn, quic_level_space(tx->level)))
		quic_fill_due(conn, tx, space, true, now);
	if (!tx->eliciting)
		quic_tx_wrote(tx, NULL, quic_frame_encode_type(&tx->w, QUIC_FRAME_PING));
	return !quic_tx_is_empty(tx);
}

/* What a controller that goes by the delivery rate wants to know of a packet. */
static noinline void quic_tx_note_rate(struct quic_path *path, const struct quic_sent *sent,
				       u64 pn, u32 size, u64 now)
{
	struct quic_rate_snapshot *snapshot = quic_sent_rate(sent, pn), unused;
	u64 rate = path->cong.pacing_rate;

	path->cong.ops->on_sent(&path->cong, snapshot ?: &unused, size, now);
	if (path->cong.pacing_rate != rate)
		quic_path_update_pacing(path, now);
}

/**
 * quic_conn_tx_fill() - write frames into a packet
 * @conn: connection
 * @tx:   packet begun with quic_conn_tx_begin(), its header written
 * @now:  time
 *
 * Return: false if there was nothing to write: the packet must not be sent.
 */
bool quic_conn_tx_fill(struct quic_conn *conn, struct quic_tx_packet *tx, u64 now)
{
	bool is_filled = quic_tx_fill(conn, tx, now);

	if (is_filled)
		quic_trace(filled, conn, tx);
	return is_filled;
}

/**
 * quic_conn_tx_commit() - the packet is on its way
 * @conn: connection
 * @tx:   packet
 * @size: bytes that it takes up in its datagram, padding and tag included
 * @now:  time
 *
 * RFC 9002, appendix A.5.
 */
void quic_conn_tx_commit(struct quic_conn *conn, struct quic_tx_packet *tx, u32 size, u64 now)
{
	struct quic_space *space = quic_tx_space(conn, tx);
	struct quic_path *path = &conn->path[tx->path];

	if (conn->state == QUIC_CONN_CLOSING)
		conn->close_frames = QUIC_CONTROL_SENT;
	tx->record.time = now;
	tx->record.size = size;
	tx->record.path = tx->path;
	if (tx->eliciting) {
		tx->record.flags = QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT;
		if (tx->level == QUIC_CRYPTO_EARLY) {
			tx->record.flags |= QUIC_SENT_0RTT;
			conn->early.sent = true;
			conn->early.last_pn = tx->pn;
		}
		/* Probes, too, and DATAGRAM: RFC 9002, section 7.5 #2; RFC 9000, section 19.21 #2. */
		quic_cong_on_sent(&path->cong, size);
		quic_pacer_on_sent(&path->pacer, size);
		conn->in_burst = true;
		/* RFC 9000, section 10.1 */
		if (!conn->idle_armed_by_tx && quic_conn_is_open(conn)) {
			conn->idle_armed_by_tx = true;
			quic_conn_restart_idle(conn, now);
		}
	}
	if (tx->ecn) {
		tx->record.flags |= QUIC_SENT_ECT0;
		conn->ecn.sent++;
		quic_ecn_on_sent(&path->ecn);
	}
	quic_loss_on_sent(&space->loss, tx->pn, &tx->record);
	if (unlikely(path->cong.wants_rate) && tx->eliciting)
		quic_tx_note_rate(path, &space->loss.sent, tx->pn, size, now);
	if (tx->has_ack)
		quic_ack_policy_on_sent(&space->ack);
	if (tx->eliciting && space->probes && tx->path == conn->active_path)
		space->probes--;
	if (tx->level == QUIC_CRYPTO_APP)
		conn->key_phase.encrypted++;
	quic_path_on_sent(path, size);
	quic_trace(sent, conn, tx);
}

/**
 * quic_conn_tx_abandon() - a filled packet could not be sent
 * @conn: connection
 * @tx:   packet, not committed
 *
 * What it carried is to be sent again.
 */
void quic_conn_tx_abandon(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	quic_conn_packet_lost(conn, quic_level_space(tx->level), &tx->record);
}

/**
 * quic_conn_tx_start() - a round of sending begins
 * @conn: connection
 */
void quic_conn_tx_start(struct quic_conn *conn)
{
	conn->control_due = quic_conn_has_control(conn);
	conn->in_burst = false;
	quic_deadline_clear(&conn->deadlines, QUIC_DEADLINE_PACING);
}

/**
 * quic_conn_tx_done() - a round of sending is over
 * @conn: connection
 *
 * Notes whether the window was used, for congestion control.
 * RFC 9002, section 7.8.
 */
void quic_conn_tx_done(struct quic_conn *conn)
{
	struct quic_cong *cong = &quic_conn_path(conn)->cong;

	/* The stream that was first lets the others go ahead next time. */
	if (!list_empty(&conn->streams.ready))
		list_move_tail(conn->streams.ready.next, &conn->streams.ready);
	cong->app_limited = quic_cong_has_room(cong) && list_empty(&conn->streams.ready) &&
			    !quic_datagrams_pending(&conn->datagrams);
	if (unlikely(cong->wants_rate))
		cong->ops->on_burst(cong);
	if (conn->in_burst)
		quic_trace(recovery, conn, conn->active_path);
}
