// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What acknowledgement and loss mean for what a packet carried: bytes are
 * settled or sent again, control state is settled or stale. RFC 9000,
 * section 13.3; RFC 9002, sections 5 to 7.
 */
#include "core.h"
#include "conn.h"

/* Acknowledged ranges are forgotten this far below the newest that the peer knows of. */
#define QUIC_ACK_MEMORY		1024

/* Packets declared lost are remembered until they are as old, in probe timeouts. */
#define QUIC_LOST_AGE		4

#define QUIC_ACKED_NONE		(~0ULL)	/* no stream */

static void quic_acked_event(struct quic_conn *conn, u64 id, u8 state, u64 final_size, u64 code)
{
	struct quic_stream_update ev = {
		.id = id,
		.state = state,
		.errcode = (u32)code,
		.finalsz = final_size,
	};

	quic_host_event(conn, QUIC_EVENT_STREAM_UPDATE, &ev, sizeof(ev));
}

/* The host lets go of what was acknowledged of a stream, unless that is gone. */
static void quic_acked_release(struct quic_conn *conn, u64 id)
{
	struct quic_stream *stream = quic_streams_find(&conn->streams, id);

	if (!stream || !stream->has_send)
		return;
	quic_host_send_release(conn, &stream->send.buf, stream->send.ranges.acked);
	conn->todo |= QUIC_TODO_WAKE_SPACE;
}

/* @moved: a stream that quic_acked_release() is due for, or QUIC_ACKED_NONE. */
static void quic_acked_stream(struct quic_conn *conn, const struct quic_sent_note *note,
			      u64 *moved)
{
	struct quic_stream *stream = quic_streams_find(&conn->streams, note->stream_id);

	if (!stream || !stream->has_send || stream->send.state == QUIC_SEND_RECVD)
		return;
	if (quic_stream_send_on_acked(&stream->send, note->offset, note->len, note->fin) &&
	    *moved != note->stream_id) {
		if (*moved != QUIC_ACKED_NONE)
			quic_acked_release(conn, *moved);
		*moved = note->stream_id;
	}
	if (stream->send.state == QUIC_SEND_RECVD) {
		quic_acked_release(conn, note->stream_id);
		quic_acked_event(conn, stream->id, QUIC_STREAM_SEND_STATE_RECVD, 0, 0);
		quic_conn_stream_settle(conn, stream);
	}
}

static void quic_acked_reset(struct quic_conn *conn, u64 id)
{
	struct quic_stream *stream = quic_streams_find(&conn->streams, id);

	if (!stream || !stream->has_send || stream->send.state != QUIC_SEND_RESET_SENT)
		return;
	quic_stream_send_on_reset_acked(&stream->send);
	quic_acked_event(conn, id, QUIC_STREAM_SEND_STATE_RESET_RECVD,
			 stream->send.final_size, stream->send.reset_code);
	conn->todo |= QUIC_TODO_WAKE_WRITE;
	quic_conn_stream_settle(conn, stream);
}

static void quic_acked_note(struct quic_conn *conn, struct quic_space *space,
			    const struct quic_sent_note *note, u64 *moved)
{
	struct quic_local_cid *cid;
	struct quic_stream *stream;

	switch (note->kind) {
	case QUIC_NOTE_STREAM:
		quic_acked_stream(conn, note, moved);
		break;
	case QUIC_NOTE_CRYPTO:
		if (quic_send_ranges_on_acked(&space->crypto.ranges, note->offset, note->len))
			quic_host_send_release(conn, &space->crypto.buf,
					       space->crypto.ranges.acked);
		break;
	case QUIC_NOTE_ACK:
		if (note->offset > QUIC_ACK_MEMORY)
			quic_ack_ranges_forget(&space->received, note->offset - QUIC_ACK_MEMORY);
		break;
	case QUIC_NOTE_RESET_STREAM:
		quic_acked_reset(conn, note->stream_id);
		break;
	case QUIC_NOTE_STOP_SENDING:
		stream = quic_streams_find(&conn->streams, note->stream_id);
		if (!stream || !stream->has_recv)
			break;
		stream->recv.stop = QUIC_CONTROL_ACKED;
		if (quic_stream_recv_update(&stream->recv)) {
			quic_acked_event(conn, stream->id, QUIC_STREAM_RECV_STATE_RECVD,
					 stream->recv.final_size, 0);
			quic_conn_stream_settle(conn, stream);
		}
		break;
	case QUIC_NOTE_NEW_CID:
		cid = quic_local_cids_find(&conn->local_cids, note->offset);
		if (cid)
			cid->announce = QUIC_CONTROL_ACKED;
		break;
	case QUIC_NOTE_RETIRE_CID:
		quic_remote_cids_on_retire_acked(&conn->remote_cids, note->offset);
		break;
	default:	/* credit: nothing is owed until it changes again */
		break;
	}
}

static void quic_acked_packet(struct quic_conn *conn, struct quic_space *space,
			      struct quic_sent_packet *packet, u64 *moved)
{
	u8 i;

	if (packet->control & QUIC_SENT_HANDSHAKE_DONE)
		conn->handshake_done = QUIC_CONTROL_ACKED;
	if (packet->control & QUIC_SENT_NEW_TOKEN)
		conn->new_token = QUIC_CONTROL_ACKED;
	for (i = 0; i < packet->nr_notes; i++)
		quic_acked_note(conn, space, quic_sent_packet_note(packet, i), moved);
	quic_sent_packet_release(packet);
}

/* Send again what of @note still matters, by its current value. */
static void quic_requeue_note(struct quic_conn *conn, struct quic_space *space,
			      const struct quic_sent_note *note)
{
	struct quic_local_cid *cid;
	struct quic_stream *stream = NULL;

	switch (note->kind) {
	case QUIC_NOTE_CRYPTO:
		quic_send_ranges_on_lost(&space->crypto.ranges, note->offset, note->len);
		return;
	case QUIC_NOTE_NEW_CID:
		cid = quic_local_cids_find(&conn->local_cids, note->offset);
		if (cid && cid->announce == QUIC_CONTROL_SENT)
			cid->announce = QUIC_CONTROL_STALE;
		return;
	case QUIC_NOTE_RETIRE_CID:
		quic_remote_cids_on_retire_lost(&conn->remote_cids, note->offset);
		return;
	case QUIC_NOTE_NONE:
	case QUIC_NOTE_ACK:	/* the next ACK says more */
		return;
	}

	stream = quic_streams_find(&conn->streams, note->stream_id);
	if (!stream)
		return;
	switch (note->kind) {
	case QUIC_NOTE_STREAM:
		if (stream->has_send)
			quic_stream_send_on_lost(&stream->send, note->offset, note->len,
						 note->fin);
		break;
	case QUIC_NOTE_RESET_STREAM:
		if (stream->send.reset == QUIC_CONTROL_SENT)
			stream->send.reset = QUIC_CONTROL_STALE;
		break;
	case QUIC_NOTE_STOP_SENDING:
		if (stream->recv.stop == QUIC_CONTROL_SENT &&
		    !quic_stream_recv_is_done(&stream->recv))
			stream->recv.stop = QUIC_CONTROL_STALE;
		break;
	case QUIC_NOTE_MAX_STREAM_DATA:
		if (stream->recv.state == QUIC_RECV_RECV &&
		    stream->recv.flow.limit == note->offset)
			stream->recv.max_data = QUIC_CONTROL_STALE;
		break;
	case QUIC_NOTE_STREAM_DATA_BLOCKED:
		if (stream->send.flow.limit == note->offset &&
		    quic_stream_send_may_write(&stream->send))
			stream->send.blocked = QUIC_CONTROL_STALE;
		break;
	}
	quic_streams_mark_ready(&conn->streams, stream);
}

/**
 * quic_conn_requeue() - have sent again what a packet carried
 * @conn:   connection
 * @id:     space of the packet
 * @packet: its record, which stays as it is
 *
 * RFC 9000, section 13.3. Values that were superseded or acknowledged
 * meanwhile are not repeated.
 */
void quic_conn_requeue(struct quic_conn *conn, enum quic_space_id id,
		       const struct quic_sent_packet *packet)
{
	struct quic_space *space = conn->space[id];
	u16 control = packet->control;
	u8 i;

	for (i = 0; i < packet->nr_notes; i++)
		quic_requeue_note(conn, space, quic_sent_packet_note(packet, i));
	if (control & QUIC_SENT_MAX_DATA)
		conn->max_data = QUIC_CONTROL_STALE;
	if (control & QUIC_SENT_MAX_STREAMS_BIDI)
		conn->streams.remote[0].max = QUIC_CONTROL_STALE;
	if (control & QUIC_SENT_MAX_STREAMS_UNI)
		conn->streams.remote[1].max = QUIC_CONTROL_STALE;
	if ((control & QUIC_SENT_DATA_BLOCKED) &&
	    conn->tx_flow.blocked_at == conn->tx_flow.limit)
		conn->data_blocked = QUIC_CONTROL_STALE;
	if ((control & QUIC_SENT_STREAMS_BLOCKED_BIDI) &&
	    conn->streams.local[0].blocked == QUIC_CONTROL_SENT)
		conn->streams.local[0].blocked = QUIC_CONTROL_STALE;
	if ((control & QUIC_SENT_STREAMS_BLOCKED_UNI) &&
	    conn->streams.local[1].blocked == QUIC_CONTROL_SENT)
		conn->streams.local[1].blocked = QUIC_CONTROL_STALE;
	if ((control & QUIC_SENT_HANDSHAKE_DONE) &&
	    conn->handshake_done != QUIC_CONTROL_ACKED)
		conn->handshake_done = QUIC_CONTROL_STALE;
	if ((control & QUIC_SENT_NEW_TOKEN) && conn->new_token != QUIC_CONTROL_ACKED)
		conn->new_token = QUIC_CONTROL_STALE;
	conn->todo |= QUIC_TODO_TX;
}

/**
 * quic_conn_count_retransmit() - what a packet carried is going to be sent again
 * @conn:   connection
 * @packet: its record
 */
void quic_conn_count_retransmit(struct quic_conn *conn, const struct quic_sent_packet *packet)
{
	u16 control = packet->control & ~QUIC_SENT_PING;
	u8 i;

	for (i = 0; i < packet->nr_notes; i++)
		if (quic_sent_packet_note(packet, i)->kind != QUIC_NOTE_ACK)
			conn->retransmitted_frames++;
	for (; control; control &= control - 1)
		conn->retransmitted_frames++;
}

/**
 * quic_conn_requeue_first() - have sent again what the peer waits for
 * @conn:   connection
 * @packet: record of a packet in flight
 *
 * The first bytes not acknowledged of each stream that @packet carried. A
 * receiver whose memory is full takes no others, and acknowledges none.
 */
void quic_conn_requeue_first(struct quic_conn *conn, const struct quic_sent_packet *packet)
{
	u8 i;

	for (i = 0; i < packet->nr_notes; i++) {
		const struct quic_sent_note *note = quic_sent_packet_note(packet, i);
		struct quic_stream *stream;

		if (note->kind != QUIC_NOTE_STREAM)
			continue;
		stream = quic_streams_find(&conn->streams, note->stream_id);
		if (!stream || !stream->has_send)
			continue;
		quic_stream_send_on_lost(&stream->send, stream->send.ranges.acked, note->len,
					 false);
		quic_streams_mark_ready(&conn->streams, stream);
	}
}

/**
 * quic_conn_packet_lost() - a packet that left the ring did not arrive
 * @conn:   connection
 * @id:     its space
 * @packet: its record; what it holds is released
 */
void quic_conn_packet_lost(struct quic_conn *conn, enum quic_space_id id,
			   struct quic_sent_packet *packet)
{
	quic_conn_requeue(conn, id, packet);
	quic_sent_packet_release(packet);
}

/* RFC 9002, appendix B.5 */
static void quic_acked_from_flight(struct quic_conn *conn, const struct quic_loss_walk *walk,
				   const struct quic_sent_packet *packet, u64 now)
{
	struct quic_cong *cong = &conn->path[packet->path].cong;

	if (unlikely(cong->wants_rate))
		cong->ops->on_delivered(cong, &walk->rate, packet->size, packet->time, now);
	quic_cong_on_acked(cong, packet->size, packet->time, &quic_conn_path(conn)->rtt, now);
}

/* RFC 9002, appendix B.8 */
static void quic_lost_from_flight(struct quic_cong *cong, const struct quic_loss_walk *walk,
				  const struct quic_sent_packet *packet)
{
	quic_cong_on_lost(cong, packet->size);
	if (cong->wants_rate)
		cong->ops->on_packet_lost(cong, &walk->rate, packet->size, walk->now);
}

/* It may arrive yet. */
static void quic_lost_remember(struct quic_space *space, const struct quic_loss_walk *walk,
			       const struct quic_sent_packet *packet)
{
	struct quic_lost lost = {
		.pn = walk->pn,
		.time = packet->time,
		.size = packet->size,
		.path = packet->path,
		.by_time = walk->by_time,
	};

	quic_spurious_remember(&space->loss.spurious, &lost);
}

/* Which of the packets declared lost does @ack acknowledge? */
static noinline void quic_acked_late(struct quic_conn *conn, struct quic_space *space,
				     const struct quic_frame_ack *ack, u64 now)
{
	u64 age = QUIC_LOST_AGE * quic_rtt_pto(&quic_conn_path(conn)->rtt);
	struct quic_spurious *spurious = &space->loss.spurious;
	struct quic_spurious_walk walk;
	struct quic_lost lost;

	quic_spurious_expire(spurious, now > age ? now - age : 0);
	if (!spurious->log)
		return;
	quic_spurious_begin(spurious, ack, &walk);
	while (quic_spurious_next(spurious, &walk, &lost)) {
		quic_spurious_learn(spurious, &lost, space->loss.largest_acked);
		quic_cong_on_spurious(&conn->path[lost.path].cong, lost.size, lost.event);
		conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
	}
}

/**
 * quic_conn_detect_lost() - declare lost what is overdue
 * @conn: connection
 * @id:   space
 * @now:  time
 *
 * RFC 9002, sections 6.1 and 7.6.
 */
void quic_conn_detect_lost(struct quic_conn *conn, enum quic_space_id id, u64 now)
{
	struct quic_path *path = quic_conn_path(conn);
	struct quic_space *space = conn->space[id];
	struct quic_persistent persistent;
	struct quic_sent_packet packet;
	struct quic_loss_walk walk;
	bool large = false;
	u64 newest = 0;
	u32 lost = 0;
	bool new;

	quic_persistent_begin(&persistent, &path->rtt, conn->remote.max_ack_delay * 1000);
	quic_loss_lost_begin(&space->loss, &path->rtt, now, &walk);
	while (quic_loss_next_lost(&space->loss, &walk, &packet)) {
		/*
		 * A server that took none of it has rejected 0-RTT: RFC 9002, section 6.4. Once it
		 * has acknowledged some, losses count: RFC 9002, section 7.4 #1.
		 */
		if (unlikely(packet.flags & QUIC_SENT_0RTT) && !conn->early.accepted) {
			quic_cong_on_discarded(&conn->path[packet.path].cong, packet.size);
			quic_conn_packet_lost(conn, id, &packet);
			continue;
		}
		/* It was too large for the path, not one too many: RFC 9000, section 14.4. */
		if (unlikely(packet.flags & QUIC_SENT_PMTU_PROBE)) {
			quic_cong_on_discarded(&conn->path[packet.path].cong, packet.size);
			quic_sent_packet_release(&packet);
			continue;
		}
		large |= packet.size > QUIC_PMTUD_BASE && packet.path == conn->active_path;
		if (packet.flags & QUIC_SENT_IN_FLIGHT) {
			quic_lost_from_flight(&conn->path[packet.path].cong, &walk, &packet);
			/* What other paths lose, the active one does not pay for: RFC 9000, section 9.4 #1. */
			if (likely(packet.path == conn->active_path)) {
				newest = max(newest, packet.time);
				quic_lost_remember(space, &walk, &packet);
				lost++;
			}
		}
		if (packet.flags & QUIC_SENT_ECT0)
			quic_ecn_on_lost(&conn->path[packet.path].ecn);
		if (likely(packet.path == conn->active_path))
			quic_persistent_add(&persistent, &walk, &packet);
		conn->lost_packets++;
		quic_conn_count_retransmit(conn, &packet);
		quic_trace(lost, conn, id, walk.pn, &packet,
			   packet.time + walk.delay > now ? QUIC_LOSS_REORDERING : QUIC_LOSS_TIME);
		quic_conn_packet_lost(conn, id, &packet);
	}
	if (large && id == QUIC_SPACE_APP)
		quic_conn_large_lost(conn, path, false);
	if (!newest)
		return;
	new = quic_cong_on_loss_event(&path->cong, lost, newest, now);
	quic_spurious_on_event(&space->loss.spurious, lost, path->cong.events, new);
	if (persistent.established) {
		quic_cong_on_persistent(&path->cong);
		quic_rtt_on_persistent(&path->rtt);
	}
	quic_trace(recovery, conn, conn->active_path);
}

/* An ACK of a number that was left out: the peer acknowledges what it did not get. */
static bool quic_ack_is_optimistic(const struct quic_conn *conn, const struct quic_frame_ack *ack)
{
	struct quic_ack_iter it;
	u32 i;

	quic_ack_iter_init(&it, ack);
	while (quic_ack_iter_next(&it)) {
		for (i = 0; i < ARRAY_SIZE(conn->skipped); i++)
			if (conn->skipped[i] && it.range.first <= conn->skipped[i] &&
			    conn->skipped[i] <= it.range.last)
				return true;
	}
	return false;
}

/* Packets marked with ECT(0) among those that one ACK frame newly acknowledges. */
struct quic_acked_marks {
	u32 count;
	u32 paths;		/* bit per path that they went to */
	u64 newest;		/* when the last of them was sent */
};

/*
 * The peer's counts, and what the network has marked: one congestion event for each round trip,
 * as with losses. RFC 9000, section 13.4.2; RFC 9002, section 7.1.
 */
static void quic_acked_ecn(struct quic_conn *conn, const struct quic_frame_ack *ack,
			   const struct quic_acked_marks *marks, u64 now)
{
	bool valid;
	u64 ce;
	u8 i;

	valid = quic_ecn_validate(&conn->ecn, ack, marks->count, &ce);
	for (i = 0; i < QUIC_PATHS_MAX; i++) {
		struct quic_path *path = &conn->path[i];

		if (!(marks->paths & BIT(i)) || path->ecn.state == QUIC_ECN_FAILED)
			continue;
		if (!valid) {
			quic_ecn_fail(&path->ecn);
			continue;
		}
		quic_ecn_on_acked(&path->ecn);
		if (ce)
			quic_cong_on_event(&path->cong, marks->newest, now);
	}
}

/**
 * quic_conn_on_ack() - apply an ACK frame
 * @conn: connection
 * @id:   space it acknowledges in
 * @ack:  decoded frame
 * @now:  time of arrival
 *
 * RFC 9002, appendix A.7.
 *
 * Return: 0, or -EPROTO if it acknowledged what was never sent.
 */
int quic_conn_on_ack(struct quic_conn *conn, enum quic_space_id id,
		     const struct quic_frame_ack *ack, u64 now)
{
	struct quic_path *path = quic_conn_path(conn);
	struct quic_space *space = conn->space[id];
	struct quic_sent_packet packet;
	struct quic_acked_marks marks = {};
	struct quic_loss_walk walk;
	u64 moved = QUIC_ACKED_NONE;
	u16 largest = 0;
	bool any = false;
	bool raised;
	u64 sample = 0;
	u64 delay = 0;

	raised = (s64)ack->largest > space->loss.largest_acked;
	if (quic_loss_ack_begin(&space->loss, ack, now, &walk) ||
	    (id == QUIC_SPACE_APP && quic_ack_is_optimistic(conn, ack)))
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      QUIC_FRAME_ACK, "packet never sent");
	if (unlikely(conn->early.sent) && id == QUIC_SPACE_APP &&
	    quic_conn_early_on_ack(conn, ack))
		return -EPROTO;

	while (quic_loss_next_acked(&space->loss, &walk, &packet)) {
		any = true;
		if (packet.flags & QUIC_SENT_IN_FLIGHT)
			quic_acked_from_flight(conn, &walk, &packet, now);
		if (id == QUIC_SPACE_APP)
			quic_key_phase_on_acked(&conn->key_phase, walk.pn);
		largest = max(largest, packet.size);
		if (unlikely(packet.flags & QUIC_SENT_PMTU_PROBE))
			quic_conn_mtu_probe_acked(conn, &packet);
		if (packet.flags & QUIC_SENT_ECT0) {
			marks.count++;
			marks.paths |= BIT(packet.path);
			marks.newest = max(marks.newest, packet.time);
		}
		quic_acked_packet(conn, space, &packet, &moved);
	}
	/* Once for all packets of the frame, which most often are of one stream. */
	if (moved != QUIC_ACKED_NONE)
		quic_acked_release(conn, moved);
	if (unlikely(space->loss.spurious.log))
		quic_acked_late(conn, space, ack, now);
	if (!any)
		return 0;

	/*
	 * RFC 9002, section 5.1 #1. A sample of another path says nothing about this one: RFC 9000,
	 * section 9.4 #1.
	 */
	if (walk.largest_newly && walk.any_eliciting && walk.largest_path == conn->active_path) {
		/* Initial and Handshake packets are not delayed: RFC 9000, section 13.2.1. */
		if (id == QUIC_SPACE_APP)
			delay = quic_rtt_ack_delay(ack->delay, conn->remote.ack_delay_exponent);
		quic_rtt_update(&path->rtt, now - walk.largest_sent_time, delay,
				conn->remote.max_ack_delay * 1000, conn->confirmed, now);
		sample = walk.largest_sent_time;
	}
	/* A Handshake packet got there: the server has our address. RFC 9002, section 6.2.2.1. */
	if (id == QUIC_SPACE_HANDSHAKE)
		conn->peer_validated = true;
	if (conn->peer_validated)
		conn->pto_count = 0;
	if (largest > QUIC_PMTUD_BASE)
		path->pmtud.holes = 0;
	if (marks.count && raised)
		quic_acked_ecn(conn, ack, &marks, now);
	quic_conn_detect_lost(conn, id, now);
	quic_cong_on_ack(&path->cong, &path->rtt, sample, now);
	quic_path_update_pacing(path, now);
	quic_trace(recovery, conn, conn->active_path);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
	return 0;
}
