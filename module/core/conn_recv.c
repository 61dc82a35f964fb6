// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What happens on frame X: one function for each, and the switch that is their
 * index. Frames come decoded and checked; acknowledgements go on in
 * conn_acked.c.
 */
#include "core.h"
#include "conn.h"

/* What one packet turned out to hold. */
struct quic_rx_summary {
	bool eliciting;
	bool moving;		/* it does more than probe a path: RFC 9000, section 9.1 */
	bool prompt;		/* acknowledge with the next settle: uapi.md, section 11.1 */
	bool short_of_memory;	/* something was dropped: do not acknowledge */
};

/* Has TLS left that level behind? RFC 9001, section 4.1.3. */
static bool quic_crypto_is_over(const struct quic_conn *conn, u8 level)
{
	const u8 app = BIT(QUIC_CRYPTO_APP);

	if (level == QUIC_CRYPTO_INITIAL)
		return conn->rx_keys & (app | BIT(QUIC_CRYPTO_HANDSHAKE));
	return level == QUIC_CRYPTO_HANDSHAKE && (conn->rx_keys & app);
}

static int quic_recv_crypto(struct quic_conn *conn, const struct quic_rx_packet *rx,
			    const struct quic_frame_data *frame)
{
	struct quic_space *space = conn->space[quic_level_space(rx->level)];
	struct quic_reassembly *recv = &space->crypto.recv;
	struct quic_rx_chunk *chunk;
	u64 code = 0;
	int err;

	if (frame->offset + frame->len <= recv->next)
		return 0;
	/* RFC 9001, section 4.1.3 #1 #2 */
	if (quic_crypto_is_over(conn, rx->level))
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      QUIC_FRAME_CRYPTO, "crypto data of a level that is over");
	/* RFC 9369, section 4.1: a server speaks TLS in the negotiated version only. */
	conn->version_settled = true;
	/* RFC 9000, sections 7.5 #1 #2 and 19.6 */
	if (frame->offset + frame->len > recv->next + QUIC_CRYPTO_BUFFER_MAX)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_CRYPTO_BUF_EXCEEDED,
				      QUIC_FRAME_CRYPTO, "crypto data too far ahead");
	chunk = quic_host_chunk_new(conn, rx, frame->data, frame->len, frame->offset > recv->next);
	if (!chunk)
		return -ENOBUFS;
	chunk->offset = frame->offset;
	err = quic_reassembly_insert(recv, chunk, QUIC_CRYPTO_GAPS_MAX);
	while ((chunk = quic_reassembly_pop(recv))) {
		if (rx->level == QUIC_CRYPTO_APP && !code)
			code = quic_tls_messages_check(&conn->tls_messages, chunk->data,
						       chunk->len);
		quic_host_deliver_crypto(conn, rx->level, chunk);
	}
	if (code)
		return quic_conn_fail(conn, code, QUIC_FRAME_CRYPTO,
				      "TLS message after the handshake");
	conn->todo |= QUIC_TODO_WAKE_READ;
	return err;
}

static void quic_recv_state_event(struct quic_conn *conn, u64 id, u8 state, u64 final_size,
				  u64 code)
{
	struct quic_stream_update ev = {
		.id = id,
		.state = state,
		.errcode = (u32)code,
		.finalsz = final_size,
	};

	quic_host_event(conn, QUIC_EVENT_STREAM_UPDATE, &ev, sizeof(ev));
}

/* Bytes in order, and the end of the stream behind the last of them. */
static void quic_recv_deliver(struct quic_conn *conn, struct quic_stream *stream,
			      struct quic_rx_chunk *chunk)
{
	struct quic_stream_recv *recv = &stream->recv;
	bool fin = recv->reassembly.next == recv->final_size;

	if (fin)
		recv->fin_delivered = true;
	quic_host_deliver(conn, stream, chunk, fin);
}

static int quic_recv_stream_data(struct quic_conn *conn, struct quic_stream *stream,
				 const struct quic_rx_packet *rx,
				 const struct quic_frame_data *frame)
{
	struct quic_reassembly *ra = &stream->recv.reassembly;
	u64 end = frame->offset + frame->len;
	struct quic_rx_chunk *chunk;
	int err = 0;

	if (end > ra->next) {
		chunk = quic_host_chunk_new(conn, rx, frame->data, frame->len,
					    frame->offset > ra->next);
		if (!chunk)
			return -ENOBUFS;
		chunk->offset = frame->offset;
		if (frame->offset == ra->next && !ra->count) {
			ra->next = end;
			quic_recv_deliver(conn, stream, chunk);
		} else {
			err = quic_reassembly_insert(ra, chunk, QUIC_STREAM_GAPS_MAX);
			while ((chunk = quic_reassembly_pop(ra)))
				quic_recv_deliver(conn, stream, chunk);
		}
	}
	if (ra->next == stream->recv.final_size && !stream->recv.fin_delivered) {
		quic_recv_deliver(conn, stream, NULL);
		/* Without room for the end of the stream the peer has to say it again. */
		if (!stream->recv.fin_delivered)
			err = -ENOBUFS;
	}
	return err;
}

static int quic_recv_stream(struct quic_conn *conn, const struct quic_rx_packet *rx,
			    const struct quic_frame_data *frame)
{
	u64 end = frame->offset + frame->len;
	struct quic_stream *stream;
	struct quic_stream_recv *recv;
	bool size_was_known;
	u64 delta;
	int code;
	int err;

	stream = quic_streams_for_recv(&conn->streams, frame->stream_id, &code);
	if (!stream)
		return code ? quic_conn_fail(conn, code, QUIC_FRAME_STREAM, "stream") : 0;
	recv = &stream->recv;
	code = quic_stream_recv_check(recv, frame->offset, frame->len, frame->fin);
	if (code)
		return quic_conn_fail(conn, code, QUIC_FRAME_STREAM, "final size or credit");
	delta = quic_stream_recv_delta(recv, end);
	/* RFC 9000, section 19.9 #2 */
	if (quic_flow_recv_take(&conn->rx_flow, delta))
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_FLOW_CONTROL,
				      QUIC_FRAME_STREAM, "connection credit");
	if (!quic_stream_recv_wants_data(recv)) {
		quic_conn_discarded(conn, delta);
		return 0;
	}

	size_was_known = recv->final_size != U64_MAX;
	if (!recv->seen) {
		recv->seen = true;
		quic_recv_state_event(conn, stream->id, QUIC_STREAM_RECV_STATE_RECV, 0, 0);
	}
	quic_stream_recv_account(recv, frame->offset, frame->len, frame->fin);

	if (recv->stop != QUIC_CONTROL_IDLE) {
		/* The application asked for none of it. */
		quic_flow_recv_consume(&recv->flow, delta);
		quic_conn_discarded(conn, delta);
		if (frame->fin) {
			recv->reassembly.next = recv->final_size;
			recv->fin_delivered = true;
		}
		err = 0;
	} else {
		err = quic_recv_stream_data(conn, stream, rx, frame);
	}

	conn->todo |= QUIC_TODO_WAKE_READ;
	if (recv->final_size == U64_MAX)
		return err;
	if (err != -ENOBUFS && quic_stream_recv_update(recv)) {
		quic_recv_state_event(conn, stream->id, QUIC_STREAM_RECV_STATE_RECVD,
				      recv->final_size, 0);
		quic_conn_stream_settle(conn, stream);
	} else if (!size_was_known) {
		quic_recv_state_event(conn, stream->id, QUIC_STREAM_RECV_STATE_SIZE_KNOWN,
				      recv->final_size, 0);
	}
	return err;
}

static int quic_recv_reset_stream(struct quic_conn *conn,
				  const struct quic_frame_reset_stream *frame)
{
	struct quic_stream *stream;
	int code;

	stream = quic_streams_for_recv(&conn->streams, frame->stream_id, &code);
	if (!stream)
		return code ? quic_conn_fail(conn, code, QUIC_FRAME_RESET_STREAM, "stream") : 0;
	code = quic_stream_recv_check_reset(&stream->recv, frame->final_size);
	if (code)
		return quic_conn_fail(conn, code, QUIC_FRAME_RESET_STREAM,
				      "final size or credit");
	/* RFC 9000, section 19.9 #1 */
	if (quic_flow_recv_take(&conn->rx_flow,
				quic_stream_recv_delta(&stream->recv, frame->final_size)))
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_FLOW_CONTROL,
				      QUIC_FRAME_RESET_STREAM, "connection credit");
	if (!quic_stream_recv_wants_data(&stream->recv))
		return 0;
	/* Our direction goes on, with its credit: RFC 9000, section 4.4 #1. */
	quic_host_purge(conn, stream);
	quic_conn_discarded(conn, quic_stream_recv_reset(&stream->recv, frame->code,
							 frame->final_size));
	quic_recv_state_event(conn, stream->id, QUIC_STREAM_RECV_STATE_RESET_RECVD,
			      frame->final_size, frame->code);
	conn->todo |= QUIC_TODO_WAKE_READ;
	quic_conn_stream_settle(conn, stream);
	return 0;
}

/* RFC 9000, section 3.5: answered with RESET_STREAM and the same code. */
static int quic_recv_stop_sending(struct quic_conn *conn,
				  const struct quic_frame_stop_sending *frame)
{
	struct quic_stream *stream;
	int code;

	stream = quic_streams_for_send(&conn->streams, frame->stream_id, &code);
	if (!stream)
		return code ? quic_conn_fail(conn, code, QUIC_FRAME_STOP_SENDING, "stream") : 0;
	if (quic_conn_stream_reset(conn, stream, frame->code))
		return 0;
	quic_recv_state_event(conn, stream->id, QUIC_STREAM_SEND_STATE_RESET_SENT,
			      stream->send.final_size, frame->code);
	return 0;
}

static int quic_recv_max_stream_data(struct quic_conn *conn,
				     const struct quic_frame_limit *frame)
{
	struct quic_stream_max_data ev = {
		.id = frame->stream_id,
		.max_data = frame->limit,
	};
	struct quic_stream *stream;
	int code;

	stream = quic_streams_for_send(&conn->streams, frame->stream_id, &code);
	if (!stream)
		return code ? quic_conn_fail(conn, code, QUIC_FRAME_MAX_STREAM_DATA,
					     "stream") : 0;
	if (!quic_flow_send_raise(&stream->send.flow, frame->limit))
		return 0;
	quic_host_event(conn, QUIC_EVENT_STREAM_MAX_DATA, &ev, sizeof(ev));
	conn->todo |= QUIC_TODO_WAKE_WRITE;
	return 0;
}

static void quic_recv_max_streams(struct quic_conn *conn, bool uni, u64 limit)
{
	s64 id;

	if (!quic_streams_on_max(&conn->streams, uni, limit))
		return;
	id = (s64)((conn->streams.local[uni].limit - 1) << 2);
	id |= (uni ? QUIC_STREAM_UNI : 0) | (conn->is_server ? QUIC_STREAM_SERVER : 0);
	quic_host_event(conn, QUIC_EVENT_STREAM_MAX_STREAM, &id, sizeof(id));
	conn->todo |= QUIC_TODO_WAKE_WRITE;
}

static int quic_recv_stream_data_blocked(struct quic_conn *conn,
					 const struct quic_frame_limit *frame)
{
	struct quic_stream *stream;
	int code;

	stream = quic_streams_for_recv(&conn->streams, frame->stream_id, &code);
	if (!stream)
		return code ? quic_conn_fail(conn, code, QUIC_FRAME_STREAM_DATA_BLOCKED,
					     "stream") : 0;
	if (stream->recv.state != QUIC_RECV_RECV || frame->limit >= stream->recv.flow.limit)
		return 0;
	/* The peer does not know the limit that we gave: say it again. */
	stream->recv.max_data = QUIC_CONTROL_STALE;
	quic_streams_mark_ready(&conn->streams, stream);
	conn->todo |= QUIC_TODO_TX;
	return 0;
}

/* RFC 9000, section 19.20 #2 */
static int quic_recv_handshake_done(struct quic_conn *conn)
{
	if (conn->is_server)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      QUIC_FRAME_HANDSHAKE_DONE, "from a client");
	if (conn->state == QUIC_CONN_ESTABLISHED && !conn->confirmed)
		quic_conn_confirm(conn);
	return 0;
}

static int quic_recv_new_token(struct quic_conn *conn, const struct quic_frame_bytes *token)
{
	if (conn->is_server)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      QUIC_FRAME_NEW_TOKEN, "from a client");
	/*
	 * What is in it is the server's affair: RFC 9001, section 9.2 #2. uapi.md, section 13: what is
	 * too long is of no use, but no reason to end.
	 */
	if (token->len > QUIC_TOKEN_MAX)
		return 0;
	quic_host_event(conn, QUIC_EVENT_NEW_TOKEN, token->data, token->len);
	return 0;
}

static int quic_recv_datagram(struct quic_conn *conn, const struct quic_rx_packet *rx,
			      const struct quic_frame *frame)
{
	u64 size = 1 + (u64)frame->data.len;

	/* The limit is one of the frame, not of its payload: RFC 9221, section 3 #3 #4. */
	if (frame->type == QUIC_FRAME_DATAGRAM_LEN)
		size += quic_varint_size(frame->data.len);
	if (size > conn->local.max_datagram_frame_size)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      frame->type, "datagram not agreed on or too long");
	quic_host_deliver_datagram(conn, rx, frame->data.data, frame->data.len);
	return 0;
}

/* The index: a frame and what it does. RFC 9000, section 19. */
static int quic_recv_frame(struct quic_conn *conn, const struct quic_rx_packet *rx,
			   const struct quic_frame *frame)
{
	switch (frame->type) {
	case QUIC_FRAME_PADDING:
	case QUIC_FRAME_PING:
		return 0;
	case QUIC_FRAME_ACK:
	case QUIC_FRAME_ACK_ECN:
		return quic_conn_on_ack(conn, quic_level_space(rx->level), &frame->ack, rx->now);
	case QUIC_FRAME_RESET_STREAM:
		return quic_recv_reset_stream(conn, &frame->reset_stream);
	case QUIC_FRAME_STOP_SENDING:
		return quic_recv_stop_sending(conn, &frame->stop_sending);
	case QUIC_FRAME_CRYPTO:
		return quic_recv_crypto(conn, rx, &frame->data);
	case QUIC_FRAME_NEW_TOKEN:
		return quic_recv_new_token(conn, &frame->token);
	case QUIC_FRAME_STREAM:
		return quic_recv_stream(conn, rx, &frame->data);
	case QUIC_FRAME_MAX_DATA:
		if (quic_flow_send_raise(&conn->tx_flow, frame->limit.limit))
			conn->todo |= QUIC_TODO_WAKE_WRITE;
		return 0;
	case QUIC_FRAME_MAX_STREAM_DATA:
		return quic_recv_max_stream_data(conn, &frame->limit);
	case QUIC_FRAME_MAX_STREAMS_BIDI:
	case QUIC_FRAME_MAX_STREAMS_UNI:
		quic_recv_max_streams(conn, frame->type == QUIC_FRAME_MAX_STREAMS_UNI,
				      frame->limit.limit);
		return 0;
	case QUIC_FRAME_DATA_BLOCKED:
		if (frame->limit.limit < conn->rx_flow.limit) {
			conn->max_data = QUIC_CONTROL_STALE;
			conn->todo |= QUIC_TODO_TX;
		}
		return 0;
	case QUIC_FRAME_STREAM_DATA_BLOCKED:
		return quic_recv_stream_data_blocked(conn, &frame->limit);
	case QUIC_FRAME_STREAMS_BLOCKED_BIDI:
	case QUIC_FRAME_STREAMS_BLOCKED_UNI:
		conn->streams.remote[frame->type == QUIC_FRAME_STREAMS_BLOCKED_UNI].max =
			QUIC_CONTROL_STALE;
		conn->todo |= QUIC_TODO_TX;
		return 0;
	case QUIC_FRAME_NEW_CONNECTION_ID:
		return quic_conn_on_new_cid(conn, &frame->new_cid);
	case QUIC_FRAME_RETIRE_CONNECTION_ID:
		return quic_conn_on_retire_cid(conn, frame->retire_seq);
	case QUIC_FRAME_PATH_CHALLENGE:
		quic_conn_path_on_challenge(conn, rx->path, frame->path_data);
		return 0;
	case QUIC_FRAME_PATH_RESPONSE:
		quic_conn_path_on_response(conn, frame->path_data, rx->now);
		return 0;
	case QUIC_FRAME_CONNECTION_CLOSE:
	case QUIC_FRAME_CONNECTION_CLOSE_APP:
		quic_conn_on_close_frame(conn, &frame->close, rx->now);
		return 0;
	case QUIC_FRAME_HANDSHAKE_DONE:
		return quic_recv_handshake_done(conn);
	case QUIC_FRAME_DATAGRAM:
	case QUIC_FRAME_DATAGRAM_LEN:
		return quic_recv_datagram(conn, rx, frame);
	}
	return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_FRAME_ENCODING, frame->type,
			      "unknown frame");
}

static enum quic_packet_type quic_level_packet(u8 level)
{
	switch (level) {
	case QUIC_CRYPTO_INITIAL:
		return QUIC_PACKET_INITIAL;
	case QUIC_CRYPTO_HANDSHAKE:
		return QUIC_PACKET_HANDSHAKE;
	case QUIC_CRYPTO_EARLY:
		return QUIC_PACKET_0RTT;
	default:
		return QUIC_PACKET_SHORT;
	}
}

/*
 * Does the frame want its acknowledgement at once? uapi.md, section 10; DATAGRAM: RFC 9221,
 * section 5.2.
 */
static bool quic_frame_is_prompt(const struct quic_frame *frame)
{
	switch (frame->type) {
	case QUIC_FRAME_STREAM:
		return frame->data.fin;
	case QUIC_FRAME_CRYPTO:
	case QUIC_FRAME_DATAGRAM:
	case QUIC_FRAME_DATAGRAM_LEN:
		return false;
	default:
		return true;
	}
}

static int quic_recv_frames(struct quic_conn *conn, const struct quic_rx_packet *rx,
			    struct quic_rx_summary *sum)
{
	enum quic_packet_type packet = quic_level_packet(rx->level);
	struct quic_frame frame;
	struct quic_reader r;
	u64 code = 0;
	u8 rules;
	int err;

	quic_reader_init(&r, rx->payload, rx->len);
	while (quic_reader_left(&r)) {
		err = quic_frame_decode(&r, &frame, &code);
		if (err)
			return quic_conn_fail(conn, code, frame.type, "malformed frame");
		if (!quic_frame_is_allowed(frame.type, packet))
			return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
					      frame.type, "frame not allowed here");
		rules = quic_frame_rules(frame.type);
		if (!(rules & QUIC_FRAME_PROBING))
			sum->moving = true;
		if (!(rules & QUIC_FRAME_NOT_ELICITING)) {
			sum->eliciting = true;
			sum->prompt |= quic_frame_is_prompt(&frame);
		}
		err = quic_recv_frame(conn, rx, &frame);
		if (err == -ENOBUFS)
			sum->short_of_memory = true;
		else if (err)
			return err;
		if (!quic_conn_is_open(conn))
			return -EPROTO;
		/* The space may be gone: an ACK or HANDSHAKE_DONE confirmed more than itself. */
		if (!conn->space[quic_level_space(rx->level)])
			return 0;
	}
	return 0;
}

/**
 * quic_conn_is_duplicate() - was that packet number seen?
 * @conn:  connection
 * @level: of the packet
 * @pn:    its number
 *
 * Return: true if the packet must be dropped. RFC 9000, section 12.3.
 */
bool quic_conn_is_duplicate(const struct quic_conn *conn, u8 level, u64 pn)
{
	const struct quic_space *space = conn->space[quic_level_space(level)];

	return !space || quic_ack_ranges_has(&space->received, pn);
}

/**
 * quic_conn_largest_received() - what a truncated packet number is near to
 * @conn:  connection
 * @level: of the packet
 *
 * Return: largest number received in that space, or -1.
 */
s64 quic_conn_largest_received(const struct quic_conn *conn, u8 level)
{
	const struct quic_space *space = conn->space[quic_level_space(level)];

	return space ? quic_ack_ranges_largest(&space->received) : -1;
}

/**
 * quic_conn_on_datagram() - bytes arrived on a path
 * @conn:  connection
 * @path:  index of the path, or QUIC_PATH_NONE
 * @bytes: size of the datagram, whatever was in it
 * @now:   time
 *
 * They raise what may be sent to an address not yet validated; a client whose
 * server waits for that may go on, so the loss timer is looked at again.
 * RFC 9000, section 8.1; RFC 9002, section 6.2.2.1.
 */
void quic_conn_on_datagram(struct quic_conn *conn, u8 path, u32 bytes, u64 now)
{
	if (path == QUIC_PATH_NONE || conn->path[path].validated)
		return;
	quic_path_on_received(&conn->path[path], bytes);
	conn->todo |= QUIC_TODO_TX;
}

/* A closing endpoint repeats itself, ever more rarely. RFC 9000, section 10.2.1. */
static void quic_recv_while_closing(struct quic_conn *conn)
{
	conn->close_rx++;
	if ((conn->close_rx & (conn->close_rx - 1)) == 0) {
		conn->close_frames = QUIC_CONTROL_STALE;
		conn->todo |= QUIC_TODO_TX;
	}
}

/* How long an ACK may wait: shorter than promised where the path is. */
static u64 quic_conn_ack_delay(struct quic_conn *conn)
{
	const struct quic_rtt *rtt = &quic_conn_path(conn)->rtt;
	u64 delay = conn->local.max_ack_delay * 1000;

	if (!quic_rtt_has_sample(rtt))
		return delay;
	return min(delay, max(rtt->min_rtt / 8, QUIC_RTT_GRANULARITY));
}

/**
 * quic_conn_recv_packet() - apply one authenticated packet
 * @conn: connection
 * @rx:   the packet, no duplicate
 *
 * Return: 0; -ENOBUFS if something in it had to be dropped, so that it is not
 * acknowledged; -EPROTO if it ended the connection.
 */
int quic_conn_recv_packet(struct quic_conn *conn, const struct quic_rx_packet *rx)
{
	struct quic_rx_summary sum = {};
	struct quic_space *space;
	bool in_order;
	s64 largest;
	int err;

	if (conn->state == QUIC_CONN_CLOSING)
		quic_recv_while_closing(conn);
	if (!quic_conn_is_open(conn))
		return 0;
	conn->last_rx = rx->now;
	quic_trace(received, conn, rx);
	if (!rx->len)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION, 0,
				      "no frames");

	err = quic_recv_frames(conn, rx, &sum);
	if (err)
		return err;
	quic_conn_restart_idle(conn, rx->now);
	conn->idle_armed_by_tx = false;
	if (conn->config.keepalive)
		quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_KEEPALIVE,
				  rx->now + conn->config.keepalive);

	if (unlikely(conn->rx_keys & BIT(QUIC_CRYPTO_EARLY)))
		quic_conn_early_on_packet(conn, rx->level, rx->now);

	/* RFC 9000, section 8.1 and RFC 9001, section 4.9.1 */
	if (conn->is_server && rx->level == QUIC_CRYPTO_HANDSHAKE) {
		quic_path_validate(&conn->path[rx->path]);
		quic_conn_discard_space(conn, QUIC_SPACE_INITIAL);
	}
	if (sum.short_of_memory)
		return -ENOBUFS;

	space = conn->space[quic_level_space(rx->level)];
	if (!space)
		return 0;
	largest = quic_ack_ranges_largest(&space->received);
	in_order = (s64)rx->pn == largest + 1;
	quic_ack_ranges_add(&space->received, rx->pn);
	quic_ack_policy_on_packet(&space->ack, (s64)rx->pn > largest, in_order,
				  sum.eliciting,
				  sum.prompt || rx->level != QUIC_CRYPTO_APP, rx->ecn,
				  rx->now, quic_conn_ack_delay(conn));
	if (unlikely(rx->path != conn->quiet_path) && rx->level == QUIC_CRYPTO_APP)
		quic_conn_path_on_packet(conn, rx->path, !sum.moving, (s64)rx->pn > largest,
					 rx->now);
	if (sum.eliciting)
		conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
	return 0;
}
