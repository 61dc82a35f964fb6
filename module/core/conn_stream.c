// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams as the application uses them: what its calls change in the
 * connection. Bytes and waiting are the host's.
 */
#include "core.h"
#include "conn.h"

/**
 * quic_conn_stream_credit() - how many bytes may be queued on a stream
 * @conn:   connection
 * @stream: stream with a sending part
 *
 * Return: the lesser of the stream's and the connection's credit.
 * RFC 9000, section 4.1.
 */
u64 quic_conn_stream_credit(const struct quic_conn *conn, const struct quic_stream *stream)
{
	return min(quic_flow_send_credit(&stream->send.flow),
		   quic_flow_send_credit(&conn->tx_flow));
}

/**
 * quic_conn_stream_queued() - the host took over bytes of the application
 * @conn:   connection
 * @stream: stream
 * @bytes:  how many, within credit
 * @fin:    they are the last
 */
void quic_conn_stream_queued(struct quic_conn *conn, struct quic_stream *stream, u64 bytes,
			     bool fin)
{
	quic_stream_send_queue(&stream->send, bytes, fin);
	conn->tx_flow.used += bytes;
	if (fin && conn->streams.active == stream)
		conn->streams.active = NULL;
	quic_streams_mark_ready(&conn->streams, stream);
	conn->todo |= QUIC_TODO_TX;
}

/**
 * quic_conn_stream_blocked() - the application wants to send and may not
 * @conn:   connection
 * @stream: stream
 *
 * Has DATA_BLOCKED or STREAM_DATA_BLOCKED sent, once for each limit.
 * RFC 9000, section 4.1.
 */
void quic_conn_stream_blocked(struct quic_conn *conn, struct quic_stream *stream)
{
	if (!quic_flow_send_credit(&conn->tx_flow) &&
	    conn->tx_flow.blocked_at != conn->tx_flow.limit) {
		conn->tx_flow.blocked_at = conn->tx_flow.limit;
		conn->data_blocked = QUIC_CONTROL_STALE;
		conn->todo |= QUIC_TODO_TX;
	}
	if (!quic_flow_send_credit(&stream->send.flow) &&
	    stream->send.flow.blocked_at != stream->send.flow.limit) {
		stream->send.flow.blocked_at = stream->send.flow.limit;
		stream->send.blocked = QUIC_CONTROL_STALE;
		quic_streams_mark_ready(&conn->streams, stream);
		conn->todo |= QUIC_TODO_TX;
	}
}

/**
 * quic_conn_stream_reset() - abandon the sending part
 * @conn:   connection
 * @stream: stream
 * @code:   application error code
 *
 * Asked for by the application, ours or, by STOP_SENDING, the peer's: RFC 9000, section 11.2 #1.
 *
 * Return: 0, or -EINVAL if all was acknowledged or it was reset before.
 */
int quic_conn_stream_reset(struct quic_conn *conn, struct quic_stream *stream, u64 code)
{
	int err = quic_stream_send_reset(&stream->send, code);

	if (err)
		return err;
	quic_host_send_release(conn, &stream->send.buf, QUIC_VARINT_MAX);
	if (conn->streams.active == stream)
		conn->streams.active = NULL;
	quic_streams_mark_ready(&conn->streams, stream);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_WAKE_WRITE;
	return 0;
}

/* The connection's window has room again. */
static void quic_conn_credit_back(struct quic_conn *conn, u64 bytes)
{
	quic_flow_recv_consume(&conn->rx_flow, bytes);
	if (quic_flow_recv_is_stale(&conn->rx_flow) &&
	    conn->max_data != QUIC_CONTROL_STALE) {
		conn->max_data = QUIC_CONTROL_STALE;
		conn->todo |= QUIC_TODO_TX;
	}
}

/**
 * quic_conn_discarded() - bytes of a stream will never reach the application
 * @conn:  connection
 * @bytes: how many the connection's credit still counts
 */
void quic_conn_discarded(struct quic_conn *conn, u64 bytes)
{
	if (bytes)
		quic_conn_credit_back(conn, bytes);
}

/**
 * quic_conn_stream_stop() - ask the peer to stop sending
 * @conn:   connection
 * @stream: stream
 * @code:   application error code
 *
 * Return: 0; -EINVAL if all was received; -EAGAIN if it was asked before.
 */
int quic_conn_stream_stop(struct quic_conn *conn, struct quic_stream *stream, u64 code)
{
	int err = quic_stream_recv_stop(&stream->recv, code);
	u64 undelivered;

	if (err)
		return err;
	/* Nothing behind what was delivered will be: its credit goes back. */
	undelivered = stream->recv.flow.received - stream->recv.reassembly.next;
	quic_reassembly_clear(&stream->recv.reassembly);
	quic_flow_recv_consume(&stream->recv.flow, undelivered);
	quic_conn_discarded(conn, undelivered);
	quic_streams_mark_ready(&conn->streams, stream);
	conn->todo |= QUIC_TODO_TX;
	return 0;
}

/**
 * quic_conn_stream_consumed() - the application took bytes
 * @conn:      connection
 * @stream_id: of a stream that may be released already
 * @bytes:     how many
 *
 * Windows move on. RFC 9000, section 4.2.
 */
void quic_conn_stream_consumed(struct quic_conn *conn, u64 stream_id, u64 bytes)
{
	struct quic_stream *stream;

	if (!quic_conn_is_open(conn))
		return;
	quic_conn_credit_back(conn, bytes);
	stream = quic_streams_find(&conn->streams, stream_id);
	if (!stream || !stream->has_recv)
		return;
	quic_flow_recv_consume(&stream->recv.flow, bytes);
	if (stream->recv.state == QUIC_RECV_RECV &&
	    stream->recv.max_data != QUIC_CONTROL_STALE &&
	    quic_flow_recv_is_stale(&stream->recv.flow)) {
		stream->recv.max_data = QUIC_CONTROL_STALE;
		quic_streams_mark_ready(&conn->streams, stream);
		conn->todo |= QUIC_TODO_TX;
	}
}

/**
 * quic_conn_stream_settle() - release a stream whose parts are both done
 * @conn:   connection
 * @stream: stream, not to be used afterwards
 */
void quic_conn_stream_settle(struct quic_conn *conn, struct quic_stream *stream)
{
	if (!quic_stream_is_done(stream))
		return;
	if (stream->has_send)
		quic_host_send_release(conn, &stream->send.buf, QUIC_VARINT_MAX);
	if (quic_streams_release(&conn->streams, stream))
		conn->todo |= QUIC_TODO_TX;
	conn->todo |= QUIC_TODO_WAKE_WRITE;
}

/**
 * quic_conn_crypto_queued() - the host took over handshake bytes
 * @conn:  connection
 * @level: enum quic_crypto_level, with a send key
 * @bytes: how many
 */
void quic_conn_crypto_queued(struct quic_conn *conn, u8 level, u32 bytes)
{
	conn->space[quic_level_space(level)]->crypto.ranges.end += bytes;
	conn->todo |= QUIC_TODO_TX;
}
