// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flow control credit, given and received, of a stream or of the connection.
 * When to tell the peer, and that a violation closes the connection, is for
 * the callers. RFC 9000, section 4.
 */
#include "core.h"
#include "cursor.h"
#include "flow.h"

/* No offset can be larger: RFC 9000, section 4.5 with section 16. */
#define QUIC_FLOW_MAX	QUIC_VARINT_MAX

/* @a + @b, as far as an offset can go. */
static u64 quic_flow_add(u64 a, u64 b)
{
	return b < QUIC_FLOW_MAX && a < QUIC_FLOW_MAX - b ? a + b : QUIC_FLOW_MAX;
}

/**
 * quic_flow_send_init() - start with the credit of the transport parameters
 * @flow:  credit that the peer gives
 * @limit: offset that must not be passed
 */
void quic_flow_send_init(struct quic_flow_send *flow, u64 limit)
{
	flow->limit = limit < QUIC_FLOW_MAX ? limit : QUIC_FLOW_MAX;
	flow->used = 0;
	flow->blocked_at = ~0ULL;
}

/**
 * quic_flow_send_raise() - apply MAX_DATA or MAX_STREAM_DATA
 * @flow:  credit that the peer gives
 * @limit: value of the frame
 *
 * A value that does not increase the limit is ignored. RFC 9000, section 4.1.
 *
 * Return: true if there is more credit now.
 */
bool quic_flow_send_raise(struct quic_flow_send *flow, u64 limit)
{
	if (limit > QUIC_FLOW_MAX)
		limit = QUIC_FLOW_MAX;
	if (limit <= flow->limit)
		return false;
	flow->limit = limit;
	return true;
}

/**
 * quic_flow_send_credit() - bytes that may still be queued or sent
 * @flow: credit that the peer gives
 */
u64 quic_flow_send_credit(const struct quic_flow_send *flow)
{
	return flow->limit > flow->used ? flow->limit - flow->used : 0;
}

/**
 * quic_flow_recv_init() - start with the credit of our transport parameters
 * @flow:   credit that we give
 * @window: bytes that the peer may run ahead of the application
 */
void quic_flow_recv_init(struct quic_flow_recv *flow, u64 window)
{
	flow->window = window < QUIC_FLOW_MAX ? window : QUIC_FLOW_MAX;
	flow->limit = flow->window;
	flow->received = 0;
	flow->consumed = 0;
}

/**
 * quic_flow_recv_take() - account bytes above the highest offset so far
 * @flow:  credit that we give
 * @delta: how far the highest offset moves
 *
 * Return: 0, or -EPROTO when the limit would be passed; nothing changes then.
 * RFC 9000, section 4.1.
 */
int quic_flow_recv_take(struct quic_flow_recv *flow, u64 delta)
{
	if (delta > flow->limit - flow->received)
		return -EPROTO;
	flow->received += delta;
	return 0;
}

/**
 * quic_flow_recv_consume() - the application took bytes, or they were discarded
 * @flow:  credit that we give
 * @bytes: how many
 *
 * Never counts more than was received, so no error of a caller can make us
 * promise memory twice.
 */
void quic_flow_recv_consume(struct quic_flow_recv *flow, u64 bytes)
{
	if (bytes > flow->received - flow->consumed)
		bytes = flow->received - flow->consumed;
	flow->consumed += bytes;
}

/**
 * quic_flow_recv_is_stale() - is it worth telling the peer of more credit?
 * @flow: credit that we give
 *
 * Return: true once the limit can move by a quarter of the window, so that
 * the peer hears of it before it has to stop. RFC 9000, section 4.2.
 */
bool quic_flow_recv_is_stale(const struct quic_flow_recv *flow)
{
	u64 limit = quic_flow_add(flow->consumed, flow->window);

	return limit > flow->limit && limit - flow->limit >= flow->window / 4;
}

/**
 * quic_flow_recv_grant() - the limit to write into a frame now
 * @flow: credit that we give
 *
 * Remembers it; it never goes down, even if the window was made smaller.
 */
u64 quic_flow_recv_grant(struct quic_flow_recv *flow)
{
	u64 limit = quic_flow_add(flow->consumed, flow->window);

	if (limit > flow->limit)
		flow->limit = limit;
	return flow->limit;
}
