// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sending part of a stream: its states and what it has to say next. The
 * bytes lie with the host; credit is taken when they are queued, by the
 * caller. RFC 9000, section 3.1.
 */
#include "core.h"
#include "stream_send.h"

/**
 * quic_stream_send_init() - a new sending part
 * @send:  sending part
 * @limit: credit that the peer's transport parameters give
 */
void quic_stream_send_init(struct quic_stream_send *send, u64 limit)
{
	send->state = QUIC_SEND_READY;
	quic_send_ranges_init(&send->ranges);
	quic_flow_send_init(&send->flow, limit);
	send->fin = QUIC_CONTROL_IDLE;
	send->reset = QUIC_CONTROL_IDLE;
	send->blocked = QUIC_CONTROL_IDLE;
	send->reset_code = 0;
	send->final_size = 0;
	INIT_LIST_HEAD(&send->buf.chunks);
	send->buf.cursor = NULL;
}

/**
 * quic_stream_send_destroy() - let go of what the core holds
 * @send: sending part
 *
 * The caller releases the host's buffers before.
 */
void quic_stream_send_destroy(struct quic_stream_send *send)
{
	quic_send_ranges_destroy(&send->ranges);
}

/**
 * quic_stream_send_may_write() - may the application queue more?
 * @send: sending part
 */
bool quic_stream_send_may_write(const struct quic_stream_send *send)
{
	return send->state == QUIC_SEND_READY || send->state == QUIC_SEND_SEND;
}

/**
 * quic_stream_send_queue() - the host's buffers hold more bytes
 * @send:  sending part, quic_stream_send_may_write()
 * @bytes: how many, within the credit
 * @fin:   the stream ends behind them
 */
void quic_stream_send_queue(struct quic_stream_send *send, u64 bytes, bool fin)
{
	if (WARN_ON_ONCE(!quic_stream_send_may_write(send)))
		return;
	send->ranges.end += bytes;
	send->flow.used = send->ranges.end;
	send->state = QUIC_SEND_SEND;
	if (fin) {
		send->state = QUIC_SEND_SENT;
		send->fin = QUIC_CONTROL_STALE;
		/* RFC 9000, section 3.1: no need to be blocked any more. */
		send->blocked = QUIC_CONTROL_IDLE;
	}
}

/**
 * quic_stream_send_reset() - abandon the stream
 * @send: sending part
 * @code: application error code
 *
 * The final size is all that was queued: so much credit of the connection was
 * taken for it. RFC 9000, section 4.5.
 *
 * Return: 0, or -EINVAL if it is too late for a reset.
 */
int quic_stream_send_reset(struct quic_stream_send *send, u64 code)
{
	switch (send->state) {
	case QUIC_SEND_READY:
	case QUIC_SEND_SEND:
	case QUIC_SEND_SENT:
		break;
	default:
		return -EINVAL;
	}
	send->state = QUIC_SEND_RESET_SENT;
	send->reset = QUIC_CONTROL_STALE;
	send->reset_code = code;
	send->final_size = send->ranges.end;
	send->fin = QUIC_CONTROL_IDLE;
	send->blocked = QUIC_CONTROL_IDLE;
	return 0;
}

/* STREAM frames are legal: RFC 9000, section 3.3. */
static bool quic_stream_send_is_active(const struct quic_stream_send *send)
{
	return send->state == QUIC_SEND_SEND || send->state == QUIC_SEND_SENT;
}

/**
 * quic_stream_send_has_data() - is there a STREAM frame to send?
 * @send: sending part
 */
bool quic_stream_send_has_data(const struct quic_stream_send *send)
{
	return quic_stream_send_is_active(send) &&
	       (send->fin == QUIC_CONTROL_STALE || quic_send_ranges_has_pending(&send->ranges));
}

/**
 * quic_stream_send_is_done() - did it reach a terminal state?
 * @send: sending part
 */
bool quic_stream_send_is_done(const struct quic_stream_send *send)
{
	return send->state == QUIC_SEND_RECVD || send->state == QUIC_SEND_RESET_RECVD;
}

/**
 * quic_stream_send_peek() - what to put into a STREAM frame next
 * @send:   sending part
 * @offset: where it begins
 * @len:    bytes that could follow; 0: only the end of the stream is to be said
 *
 * Lost bytes come first, then new ones.
 *
 * Return: false if there is nothing to send.
 */
bool quic_stream_send_peek(const struct quic_stream_send *send, u64 *offset, u64 *len)
{
	if (!quic_stream_send_is_active(send))
		return false;
	if (quic_send_ranges_peek(&send->ranges, offset, len))
		return true;
	if (send->fin != QUIC_CONTROL_STALE)
		return false;
	*offset = send->ranges.end;
	*len = 0;
	return true;
}

/**
 * quic_stream_send_is_end() - does a frame that ends here carry FIN?
 * @send: sending part
 * @end:  offset behind the frame's last byte
 */
bool quic_stream_send_is_end(const struct quic_stream_send *send, u64 end)
{
	return send->state == QUIC_SEND_SENT && end == send->ranges.end;
}

/**
 * quic_stream_send_on_sent() - a STREAM frame was written
 * @send:   sending part
 * @offset: of the frame
 * @len:    bytes in it
 * @fin:    it carried FIN
 */
void quic_stream_send_on_sent(struct quic_stream_send *send, u64 offset, u32 len, bool fin)
{
	if (len)
		quic_send_ranges_on_sent(&send->ranges, offset, len);
	if (fin && send->fin == QUIC_CONTROL_STALE)
		send->fin = QUIC_CONTROL_SENT;
}

/**
 * quic_stream_send_on_lost() - a STREAM frame was lost
 * @send:   sending part
 * @offset: of the frame
 * @len:    bytes in it
 * @fin:    it carried FIN
 *
 * After a reset nothing is sent again. RFC 9000, section 13.3.
 */
void quic_stream_send_on_lost(struct quic_stream_send *send, u64 offset, u32 len, bool fin)
{
	if (!quic_stream_send_is_active(send))
		return;
	if (len)
		quic_send_ranges_on_lost(&send->ranges, offset, len);
	if (fin && send->fin == QUIC_CONTROL_SENT)
		send->fin = QUIC_CONTROL_STALE;
}

/**
 * quic_stream_send_on_acked() - a STREAM frame was acknowledged
 * @send:   sending part
 * @offset: of the frame
 * @len:    bytes in it
 * @fin:    it carried FIN
 *
 * The state becomes RECVD when it was the last. A reset stream stays reset,
 * whatever still arrives: RFC 9000, figure 2.
 *
 * Return: true when the host may let go of bytes below @ranges.acked.
 */
bool quic_stream_send_on_acked(struct quic_stream_send *send, u64 offset, u32 len, bool fin)
{
	bool moved = false;

	if (quic_stream_send_is_done(send))
		return false;
	if (len)
		moved = quic_send_ranges_on_acked(&send->ranges, offset, len);
	if (fin && send->state == QUIC_SEND_SENT)
		send->fin = QUIC_CONTROL_ACKED;
	if (send->state == QUIC_SEND_SENT && send->fin == QUIC_CONTROL_ACKED &&
	    send->ranges.acked == send->ranges.end)
		send->state = QUIC_SEND_RECVD;
	return moved;
}

/**
 * quic_stream_send_on_reset_acked() - RESET_STREAM was acknowledged
 * @send: sending part
 */
void quic_stream_send_on_reset_acked(struct quic_stream_send *send)
{
	if (send->state != QUIC_SEND_RESET_SENT)
		return;
	send->state = QUIC_SEND_RESET_RECVD;
	send->reset = QUIC_CONTROL_ACKED;
}
