// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The receiving part of a stream: its states, its credit and its final size.
 * Delivering the bytes, and the connection's credit, are for the caller.
 * RFC 9000, sections 3.2 and 4.5.
 */
#include <uapi/linux/quic.h>

#include "core.h"
#include "cursor.h"
#include "stream_recv.h"
#include "stream_send.h"

#define QUIC_FINAL_SIZE_UNKNOWN	(~0ULL)

/**
 * quic_stream_recv_init() - a new receiving part
 * @recv:   receiving part
 * @window: credit that our transport parameters give
 * @held:   where the connection counts chunks out of order, or NULL
 */
void quic_stream_recv_init(struct quic_stream_recv *recv, u64 window, u32 *held)
{
	recv->state = QUIC_RECV_RECV;
	quic_reassembly_init(&recv->reassembly, held);
	quic_flow_recv_init(&recv->flow, window);
	recv->final_size = QUIC_FINAL_SIZE_UNKNOWN;
	recv->fin_delivered = false;
	recv->seen = false;
	recv->stop = QUIC_CONTROL_IDLE;
	recv->max_data = QUIC_CONTROL_IDLE;
	recv->stop_code = 0;
	recv->reset_code = 0;
}

/**
 * quic_stream_recv_destroy() - let go of what is held
 * @recv: receiving part
 */
void quic_stream_recv_destroy(struct quic_stream_recv *recv)
{
	quic_reassembly_clear(&recv->reassembly);
}

/* Neither all bytes nor a reset came yet: RFC 9000, figure 3. */
static bool quic_stream_recv_is_open(const struct quic_stream_recv *recv)
{
	return recv->state == QUIC_RECV_RECV || recv->state == QUIC_RECV_SIZE_KNOWN;
}

/* There is nothing left to ask of the sender; RFC 9000, section 3.5. */
static void quic_stream_recv_finish(struct quic_stream_recv *recv,
				    enum quic_stream_recv_state state)
{
	recv->state = state;
	recv->max_data = QUIC_CONTROL_IDLE;
	if (recv->stop == QUIC_CONTROL_STALE)
		recv->stop = QUIC_CONTROL_ACKED;
}

/**
 * quic_stream_recv_delta() - how far a frame moves the highest offset
 * @recv: receiving part
 * @end:  offset behind the frame, or a final size
 */
u64 quic_stream_recv_delta(const struct quic_stream_recv *recv, u64 end)
{
	return end > recv->flow.received ? end - recv->flow.received : 0;
}

/**
 * quic_stream_recv_check() - may the peer have sent this STREAM frame?
 * @recv:   receiving part, in any state
 * @offset: of the frame
 * @len:    its bytes
 * @fin:    it ends the stream
 *
 * Changes nothing. RFC 9000, sections 4.1, 4.5 and 19.8.
 *
 * Return: 0, or the transport error code to close with.
 */
int quic_stream_recv_check(const struct quic_stream_recv *recv, u64 offset, u64 len, bool fin)
{
	u64 end = offset + len;

	if (offset > QUIC_VARINT_MAX || len > QUIC_VARINT_MAX - offset)
		return QUIC_TRANSPORT_ERROR_FRAME_ENCODING;
	if (recv->final_size != QUIC_FINAL_SIZE_UNKNOWN) {
		if (end > recv->final_size || (fin && end != recv->final_size))
			return QUIC_TRANSPORT_ERROR_FINAL_SIZE;
	} else if (fin && end < recv->flow.received) {
		return QUIC_TRANSPORT_ERROR_FINAL_SIZE;
	}
	if (end > recv->flow.limit)
		return QUIC_TRANSPORT_ERROR_FLOW_CONTROL;
	return 0;
}

/**
 * quic_stream_recv_account() - take credit and end of a checked STREAM frame
 * @recv:   receiving part
 * @offset: of the frame
 * @len:    its bytes
 * @fin:    it ends the stream
 *
 * Bytes count even if they will be discarded. RFC 9000, section 3.5.
 */
void quic_stream_recv_account(struct quic_stream_recv *recv, u64 offset, u64 len, bool fin)
{
	u64 end = offset + len;

	recv->seen = true;
	if (end > recv->flow.received)
		recv->flow.received = end;
	if (!fin || recv->state != QUIC_RECV_RECV)
		return;
	recv->final_size = end;
	recv->state = QUIC_RECV_SIZE_KNOWN;
	/* RFC 9000, section 3.2: more credit would be of no use. */
	recv->max_data = QUIC_CONTROL_IDLE;
}

/**
 * quic_stream_recv_check_reset() - may the peer have sent this RESET_STREAM?
 * @recv:       receiving part, in any state
 * @final_size: of the frame
 *
 * Changes nothing. RFC 9000, section 4.5.
 *
 * Return: 0, or the transport error code to close with.
 */
int quic_stream_recv_check_reset(const struct quic_stream_recv *recv, u64 final_size)
{
	if (recv->final_size != QUIC_FINAL_SIZE_UNKNOWN)
		return final_size == recv->final_size ? 0 : QUIC_TRANSPORT_ERROR_FINAL_SIZE;
	if (final_size < recv->flow.received)
		return QUIC_TRANSPORT_ERROR_FINAL_SIZE;
	if (final_size > recv->flow.limit)
		return QUIC_TRANSPORT_ERROR_FLOW_CONTROL;
	return 0;
}

/**
 * quic_stream_recv_reset() - the peer abandoned the stream
 * @recv:       receiving part
 * @code:       application error code of the frame
 * @final_size: of the frame, checked; the connection's credit was taken for it
 *
 * Drops what is out of order. Once all bytes are there the frame changes
 * nothing, nor does a repeated one. RFC 9000, section 3.2.
 *
 * Return: bytes of the connection's credit that this sets free: whatever the
 * application has not consumed, whether or not it ever arrived.
 */
u64 quic_stream_recv_reset(struct quic_stream_recv *recv, u64 code, u64 final_size)
{
	u64 freed;

	if (!quic_stream_recv_is_open(recv))
		return 0;
	freed = final_size - recv->flow.consumed;
	recv->final_size = final_size;
	recv->flow.received = final_size;
	recv->flow.consumed = final_size;
	recv->reset_code = code;
	quic_reassembly_clear(&recv->reassembly);
	quic_stream_recv_finish(recv, QUIC_RECV_RESET_RECVD);
	return freed;
}

/**
 * quic_stream_recv_wants_data() - may a frame still change anything?
 * @recv: receiving part
 *
 * Also a stopped stream is accounted, although its bytes are dropped.
 * RFC 9000, section 3.5.
 */
bool quic_stream_recv_wants_data(const struct quic_stream_recv *recv)
{
	return quic_stream_recv_is_open(recv);
}

/**
 * quic_stream_recv_update() - is everything there?
 * @recv: receiving part
 *
 * To be called after bytes were popped in order, and when STOP_SENDING was
 * acknowledged: bytes of a stopped stream are not kept, so it is complete as
 * soon as the peer knows of it and its final size is known. A peer that sent
 * all before it was stopped need not answer with RESET_STREAM: RFC 9000,
 * section 3.5.
 *
 * Return: true if it moved to RECVD now.
 */
bool quic_stream_recv_update(struct quic_stream_recv *recv)
{
	if (recv->state != QUIC_RECV_SIZE_KNOWN)
		return false;
	if (recv->reassembly.next != recv->final_size && recv->stop != QUIC_CONTROL_ACKED)
		return false;
	quic_stream_recv_finish(recv, QUIC_RECV_RECVD);
	return true;
}

/**
 * quic_stream_recv_stop() - the application wants no more of it
 * @recv: receiving part
 * @code: application error code
 *
 * Bytes out of order are dropped at once; the caller gives back the
 * connection's credit for [@reassembly.next, @flow.received), and from then on
 * for every quic_stream_recv_delta().
 *
 * Return: 0; -EINVAL: all bytes or a reset came already; -EAGAIN: it was
 * stopped before.
 */
int quic_stream_recv_stop(struct quic_stream_recv *recv, u64 code)
{
	if (!quic_stream_recv_is_open(recv))
		return -EINVAL;
	if (recv->stop != QUIC_CONTROL_IDLE)
		return -EAGAIN;
	recv->stop = QUIC_CONTROL_STALE;
	recv->stop_code = code;
	recv->max_data = QUIC_CONTROL_IDLE;
	quic_reassembly_clear(&recv->reassembly);
	return 0;
}

/**
 * quic_stream_recv_is_done() - did it reach a state from which nothing follows?
 * @recv: receiving part
 *
 * Whether the application has read all is no concern of the protocol.
 */
bool quic_stream_recv_is_done(const struct quic_stream_recv *recv)
{
	return !quic_stream_recv_is_open(recv);
}
