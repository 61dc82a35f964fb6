// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ways a connection ends: closing, draining, and silently.
 * RFC 9000, section 10.
 */
#include "core.h"
#include "conn.h"

static void quic_conn_close_event(struct quic_conn *conn)
{
	struct quic_connection_close ev = {};

	ev.errcode = (u32)conn->close.code;
	ev.frame = conn->close.app ? 0 : (u8)conn->close.frame_type;
	memcpy(ev.phrase, conn->close.phrase, conn->close.phrase_len);
	quic_host_event(conn, QUIC_EVENT_CONNECTION_CLOSE, &ev, sizeof(ev));
}

/*
 * How long packets of a connection that is over are still known. A delay that the peer announced is no
 * part of it before the handshake is confirmed: RFC 9000, section 10.2; RFC 9002, section 6.2.1.
 */
static u64 quic_conn_closing_period(const struct quic_conn *conn)
{
	return 3 * (conn->confirmed ? quic_conn_pto(conn) :
				      quic_rtt_pto(&conn->path[conn->active_path].rtt));
}

/* Only the timer of the closing or draining period is left. */
static void quic_conn_enter(struct quic_conn *conn, enum quic_conn_state state,
			    enum quic_close_trigger trigger, u64 now)
{
	enum quic_conn_state old = conn->state;

	quic_deadlines_init(&conn->deadlines);
	conn->state = state;
	quic_trace(closed, conn, trigger);
	quic_trace(state, conn, old);
	if (state != QUIC_CONN_CLOSED)
		quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_CLOSE,
				  now + quic_conn_closing_period(conn));
	conn->todo |= QUIC_TODO_STATE | QUIC_TODO_TIMER | QUIC_TODO_WAKE_READ |
		      QUIC_TODO_WAKE_WRITE;
}

static void quic_conn_set_phrase(struct quic_conn *conn, const u8 *phrase, u32 len)
{
	conn->close.phrase_len = min_t(u32, len, QUIC_CLOSE_PHRASE_MAX);
	if (conn->close.phrase_len)
		memcpy(conn->close.phrase, phrase, conn->close.phrase_len);
}

/**
 * quic_conn_fail() - the peer broke the protocol, or we cannot go on
 * @conn:       connection
 * @code:       QUIC_TRANSPORT_ERROR_*
 * @frame_type: frame that caused it, 0: none
 * @reason:     for people, sent as the reason phrase
 *
 * Records the close once; it is sent by the next settle. RFC 9000, section 11.1 #1.
 *
 * Return: -EPROTO, always.
 */
int quic_conn_fail(struct quic_conn *conn, u64 code, u64 frame_type, const char *reason)
{
	if (!quic_conn_is_open(conn))
		return -EPROTO;
	conn->close.code = code;
	conn->close.frame_type = frame_type;
	conn->close.app = false;
	conn->close.local = true;
	quic_conn_set_phrase(conn, (const u8 *)reason, strlen(reason));
	conn->close_frames = QUIC_CONTROL_STALE;
	conn->todo |= QUIC_TODO_TX;
	quic_conn_enter(conn, QUIC_CONN_CLOSING, QUIC_CLOSE_ERROR, conn->last_rx);
	quic_conn_close_event(conn);
	return -EPROTO;
}

/**
 * quic_conn_close() - the application closes
 * @conn:   connection
 * @code:   error code
 * @app:    it is an application error code (CONNECTION_CLOSE of type 0x1d)
 * @phrase: reason phrase
 * @len:    its length
 * @now:    time
 */
void quic_conn_close(struct quic_conn *conn, u64 code, bool app, const u8 *phrase, u32 len,
		     u64 now)
{
	if (!quic_conn_is_open(conn))
		return;
	conn->close.code = code;
	conn->close.frame_type = 0;
	conn->close.app = app;
	conn->close.local = true;
	quic_conn_set_phrase(conn, phrase, len);
	conn->close_frames = QUIC_CONTROL_STALE;
	conn->todo |= QUIC_TODO_TX;
	quic_conn_enter(conn, QUIC_CONN_CLOSING, QUIC_CLOSE_APPLICATION, now);
}

/**
 * quic_conn_on_close_frame() - the peer closes
 * @conn:  open connection
 * @frame: its CONNECTION_CLOSE
 * @now:   time
 *
 * RFC 9000, section 10.2.2: nothing is sent any more.
 */
void quic_conn_on_close_frame(struct quic_conn *conn, const struct quic_frame_close *frame,
			      u64 now)
{
	conn->close.code = frame->code;
	conn->close.frame_type = frame->frame_type;
	conn->close.app = frame->app;
	conn->close.local = false;
	quic_conn_set_phrase(conn, frame->reason, frame->reason_len);
	quic_conn_enter(conn, QUIC_CONN_DRAINING, QUIC_CLOSE_PEER, now);
	quic_conn_close_event(conn);
}

/**
 * quic_conn_drop() - the connection is gone, nobody is told but the application
 * @conn: connection
 *
 * Idle timeout and the like: the event carries zeroes, what the application
 * configured for its own close stays.
 */
void quic_conn_drop(struct quic_conn *conn)
{
	struct quic_connection_close ev = {};

	if (quic_conn_is_open(conn))
		quic_host_event(conn, QUIC_EVENT_CONNECTION_CLOSE, &ev, sizeof(ev));
	quic_conn_enter(conn, QUIC_CONN_CLOSED, QUIC_CLOSE_SILENT, 0);
}

/**
 * quic_conn_on_stateless_reset() - the peer lost its state
 * @conn: connection
 * @now:  time
 *
 * RFC 9000, section 10.3.1: enter the draining period.
 */
void quic_conn_on_stateless_reset(struct quic_conn *conn, u64 now)
{
	struct quic_connection_close ev = { .errcode = QUIC_TRANSPORT_ERROR_CRYPTO };

	if (!quic_conn_is_open(conn))
		return;
	quic_conn_enter(conn, QUIC_CONN_DRAINING, QUIC_CLOSE_RESET, now);
	quic_host_event(conn, QUIC_EVENT_CONNECTION_CLOSE, &ev, sizeof(ev));
}

/**
 * quic_conn_is_flushed() - did all that the application sent arrive?
 * @conn: connection
 *
 * Return: true when nothing queued is unsent or, datagrams aside, unacknowledged.
 */
bool quic_conn_is_flushed(const struct quic_conn *conn)
{
	const struct quic_stream *stream;
	struct rb_node *node;

	if (quic_datagrams_pending(&conn->datagrams))
		return false;
	for (node = rb_first(&conn->streams.root); node; node = rb_next(node)) {
		stream = rb_entry(node, struct quic_stream, node);
		if (!stream->has_send)
			continue;
		switch (stream->send.state) {
		case QUIC_SEND_READY:
		case QUIC_SEND_RECVD:
		case QUIC_SEND_RESET_RECVD:
			break;
		case QUIC_SEND_SEND:
			if (stream->send.ranges.acked != stream->send.ranges.end)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}
