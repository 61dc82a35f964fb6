/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiving part of a stream. RFC 9000, section 3.2. */
#ifndef _QUIC_CORE_STREAM_RECV_H
#define _QUIC_CORE_STREAM_RECV_H

#include "flow.h"
#include "reassembly.h"

/*
 * RFC 9000, figure 3. The values are those of the user API
 * (QUIC_STREAM_RECV_STATE_*).
 *
 *   RECV -> SIZE_KNOWN -> RECVD
 *     |         |
 *     +---------+-> RESET_RECVD
 */
enum quic_stream_recv_state {
	QUIC_RECV_RECV = 6,
	QUIC_RECV_SIZE_KNOWN,
	QUIC_RECV_RECVD,
	QUIC_RECV_READ,
	QUIC_RECV_RESET_RECVD,
	QUIC_RECV_RESET_READ,
};

/**
 * struct quic_stream_recv - receiving part
 * @state:      see above
 * @reassembly: bytes out of order
 * @flow:       stream level credit
 * @final_size: once known, else U64_MAX
 * @fin_delivered: the host was told of the end
 * @seen:       a STREAM frame was accepted
 * @stop:       progress of STOP_SENDING (enum quic_control_state)
 * @stop_code:  its application error code
 * @max_data:   progress of MAX_STREAM_DATA
 * @reset_code: code of the peer's RESET_STREAM
 */
struct quic_stream_recv {
	enum quic_stream_recv_state state;
	struct quic_reassembly reassembly;
	struct quic_flow_recv flow;
	u64 final_size;
	bool fin_delivered;
	bool seen;
	u8 stop;
	u8 max_data;
	u64 stop_code;
	u64 reset_code;
};

void quic_stream_recv_init(struct quic_stream_recv *recv, u64 window, u32 *held);
void quic_stream_recv_destroy(struct quic_stream_recv *recv);
/*
 * Checks a STREAM frame against final size and credit and accounts it.
 * @delta: how far the highest offset moved (for the connection's credit; the
 * caller must check that credit before: see quic_stream_recv_delta()).
 * Returns 0, or the transport error code to close with.
 */
u64 quic_stream_recv_delta(const struct quic_stream_recv *recv, u64 end);
int quic_stream_recv_check(const struct quic_stream_recv *recv, u64 offset, u64 len, bool fin);
void quic_stream_recv_account(struct quic_stream_recv *recv, u64 offset, u64 len, bool fin);
int quic_stream_recv_check_reset(const struct quic_stream_recv *recv, u64 final_size);
/* Returns bytes of connection credit that the reset sets free: final size less consumed. */
u64 quic_stream_recv_reset(struct quic_stream_recv *recv, u64 code, u64 final_size);
/* Neither all bytes nor a reset came yet; whether it was stopped is another matter. */
bool quic_stream_recv_wants_data(const struct quic_stream_recv *recv);
/*
 * Moves to RECVD when all bytes up to the final size were popped in order; also
 * to be called when STOP_SENDING was acknowledged (@stop set to ACKED before).
 */
bool quic_stream_recv_update(struct quic_stream_recv *recv);
/* -EINVAL: too late; -EAGAIN: stopped before. */
int quic_stream_recv_stop(struct quic_stream_recv *recv, u64 code);
bool quic_stream_recv_is_done(const struct quic_stream_recv *recv);

#endif /* _QUIC_CORE_STREAM_RECV_H */
