// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 0-RTT: what a client may send before the handshake is over and under which
 * parameters, what becomes of it, and when its keys go. Its bytes are those of
 * ordinary streams. RFC 9000, section 7.4.1; RFC 9001, sections 4.6 and 5.6.
 */
#include "core.h"
#include "conn.h"

/* A server keeps its 0-RTT key that many PTOs after the first 1-RTT packet. */
#define QUIC_EARLY_RETAIN_PTOS	3

/**
 * quic_conn_remember_params() - parameters that the server gave to an earlier connection
 * @conn: client's connection in QUIC_CONN_HANDSHAKE
 * @tp:   what the application remembers; times that must not be are replaced
 *
 * They are credit for 0-RTT until the real ones come. RFC 9000, section 7.4.1 #2 #3. The preferred
 * address of the other connection is not for this one: RFC 9000, section 9.6.2 #4.
 *
 * Return: 0, or -EINVAL: too late.
 */
int quic_conn_remember_params(struct quic_conn *conn, const struct quic_transport_params *tp)
{
	struct quic_transport_params defaults;

	if (conn->state != QUIC_CONN_HANDSHAKE || conn->has_remote_params)
		return -EINVAL;
	quic_transport_params_init(&defaults);
	conn->remote = *tp;
	conn->remote.ack_delay_exponent = defaults.ack_delay_exponent;
	conn->remote.max_ack_delay = defaults.max_ack_delay;
	conn->remote.has_preferred_address = false;
	conn->early.remembered = true;
	quic_streams_set_remote_params(&conn->streams, &conn->remote);
	quic_flow_send_raise(&conn->tx_flow, conn->remote.initial_max_data);
	quic_conn_set_mss(conn, quic_conn_path(conn)->link);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_WAKE_WRITE;
	return 0;
}

/**
 * quic_conn_early_may_send() - may 0-RTT packets leave?
 * @conn: connection
 *
 * Not before the ClientHello, or the server knows nothing to tie them to; and
 * not under any parameters but the remembered ones. RFC 9000, section 7.4.1 #8;
 * RFC 9001, section 5.6 #3 #5.
 */
bool quic_conn_early_may_send(const struct quic_conn *conn)
{
	const struct quic_space *initial = conn->space[QUIC_SPACE_INITIAL];

	if (!(conn->tx_keys & BIT(QUIC_CRYPTO_EARLY)) || !conn->early.remembered ||
	    conn->has_remote_params)
		return false;
	return !initial || (initial->crypto.ranges.end &&
			    initial->crypto.ranges.next == initial->crypto.ranges.end);
}

/*
 * What went out in 0-RTT packets was rejected: the packets leave the flight as if they had never
 * been sent, their numbers are not used again. RFC 9002, section 6.4.
 */
static void quic_early_rewind(struct quic_conn *conn)
{
	struct quic_space *space = conn->space[QUIC_SPACE_APP];
	struct quic_sent_packet packet;

	while (conn->early.sent && space->loss.sent.oldest <= conn->early.last_pn &&
	       quic_loss_next_discarded(&space->loss, &packet)) {
		if (packet.flags & QUIC_SENT_IN_FLIGHT)
			quic_cong_on_discarded(&conn->path[packet.path].cong, packet.size);
		quic_conn_packet_lost(conn, QUIC_SPACE_APP, &packet);
	}
}

/* Is any limit that 0-RTT data may have used lower in @tp? RFC 9000, section 7.4.1 #6. */
static bool quic_early_is_lower(const struct quic_transport_params *tp,
				const struct quic_transport_params *than)
{
	return tp->active_connection_id_limit < than->active_connection_id_limit ||
	       tp->initial_max_data < than->initial_max_data ||
	       tp->initial_max_stream_data_bidi_local < than->initial_max_stream_data_bidi_local ||
	       tp->initial_max_stream_data_bidi_remote <
	       than->initial_max_stream_data_bidi_remote ||
	       tp->initial_max_stream_data_uni < than->initial_max_stream_data_uni ||
	       tp->initial_max_streams_bidi < than->initial_max_streams_bidi ||
	       tp->initial_max_streams_uni < than->initial_max_streams_uni;
}

/**
 * quic_conn_early_on_params() - the server's real parameters replace the remembered ones
 * @conn: connection, before they take effect
 * @tp:   the real ones
 *
 * A server that lowers a limit has rejected 0-RTT, or breaks the protocol,
 * which an acknowledgement would show. So everything starts anew, within the
 * new limits, though more may be queued than they allow.
 */
void quic_conn_early_on_params(struct quic_conn *conn, const struct quic_transport_params *tp)
{
	struct quic_stream *stream;
	struct rb_node *node;

	if (!quic_early_is_lower(tp, &conn->remote))
		return;
	quic_early_rewind(conn);
	conn->early.lowered = true;
	conn->early.capped = true;
	conn->tx_flow.limit = 0;
	for (node = rb_first(&conn->streams.root); node; node = rb_next(node)) {
		stream = rb_entry(node, struct quic_stream, node);
		if (!stream->has_send)
			continue;
		stream->send.flow.limit = 0;
		quic_send_ranges_rewind(&stream->send.ranges);
	}
}

/**
 * quic_conn_early_on_ack() - an ACK of the application level arrived
 * @conn: connection that sent 0-RTT packets
 * @ack:  decoded frame
 *
 * Return: 0, or -EPROTO: the server took 0-RTT and lowered its limits.
 * RFC 9000, section 7.4.1 #5.
 */
int quic_conn_early_on_ack(struct quic_conn *conn, const struct quic_frame_ack *ack)
{
	struct quic_ack_iter it;

	quic_ack_iter_init(&it, ack);
	while (quic_ack_iter_next(&it))
		if (it.range.first <= conn->early.last_pn)
			conn->early.accepted = true;
	if (!conn->early.accepted || !conn->early.lowered)
		return 0;
	return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION, QUIC_FRAME_ACK,
			      "0-RTT accepted under lower limits");
}

/* May the stream exist under the limits that hold now? */
static bool quic_early_is_allowed(const struct quic_conn *conn, const struct quic_stream *stream)
{
	bool uni = stream->id & QUIC_STREAM_UNI;

	return !quic_stream_is_local(&conn->streams, stream->id) ||
	       stream->id >> 2 < conn->streams.local[uni].limit;
}

/**
 * quic_conn_early_count() - how much is out, and does the cap still hold?
 * @conn: connection with early.capped
 *
 * More was queued under the remembered limits than may be sent now; credit for
 * it comes in time. Once it has, the cap is gone. Looks at every stream, so it
 * is asked once a packet, and quic_conn_early_cap() for each stream of it.
 */
void quic_conn_early_count(struct quic_conn *conn)
{
	u64 sent = conn->tx_flow.used;
	const struct quic_stream *stream;
	bool capped = false;
	struct rb_node *node;

	for (node = rb_first(&conn->streams.root); node; node = rb_next(node)) {
		stream = rb_entry(node, struct quic_stream, node);
		if (!stream->has_send || stream->send.state >= QUIC_SEND_RESET_SENT)
			continue;
		sent -= stream->send.ranges.end - stream->send.ranges.next;
		capped |= stream->send.ranges.end > stream->send.flow.limit ||
			  !quic_early_is_allowed(conn, stream);
	}
	conn->early.out = sent;
	conn->early.capped = capped || conn->tx_flow.used > conn->tx_flow.limit;
}

/**
 * quic_conn_early_cap() - how much of a stream the lowered limits let out
 * @conn:   connection with early.capped, counted
 * @stream: stream that wants to send
 * @offset: from here
 * @len:    in: that many bytes; out: fewer, perhaps
 *
 * Return: false if the stream must wait.
 */
bool quic_conn_early_cap(struct quic_conn *conn, const struct quic_stream *stream, u64 offset,
			 u64 *len)
{
	u64 limit;

	if (!quic_early_is_allowed(conn, stream))
		return false;
	limit = stream->send.flow.limit;
	if (conn->tx_flow.limit > conn->early.out)
		limit = min(limit, stream->send.ranges.next + conn->tx_flow.limit - conn->early.out);
	else
		limit = min(limit, stream->send.ranges.next);
	if (!*len)
		return offset <= limit;
	if (offset >= limit)
		return false;
	*len = min(*len, limit - offset);
	return true;
}

/**
 * quic_conn_early_on_packet() - a server with a 0-RTT key received a packet
 * @conn:  connection
 * @level: of the packet
 * @now:   time
 *
 * The first 1-RTT packet starts the time that is left for 0-RTT packets which
 * it overtook. RFC 9001, section 4.9.3 #1.
 */
void quic_conn_early_on_packet(struct quic_conn *conn, u8 level, u64 now)
{
	if (level != QUIC_CRYPTO_APP ||
	    conn->deadlines.at[QUIC_DEADLINE_EARLY] != QUIC_DEADLINE_NEVER)
		return;
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_EARLY,
			  now + QUIC_EARLY_RETAIN_PTOS * quic_conn_pto(conn));
	conn->todo |= QUIC_TODO_TIMER;
}

/**
 * quic_conn_early_discard() - the keys of 0-RTT are of no use any more
 * @conn: connection
 *
 * RFC 9001, section 4.9.3.
 */
void quic_conn_early_discard(struct quic_conn *conn)
{
	quic_deadline_clear(&conn->deadlines, QUIC_DEADLINE_EARLY);
	conn->tx_keys &= ~BIT(QUIC_CRYPTO_EARLY);
	conn->rx_keys &= ~BIT(QUIC_CRYPTO_EARLY);
	quic_host_keys_discard(conn, QUIC_CRYPTO_EARLY);
}
