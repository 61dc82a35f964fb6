/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sending part of a stream. RFC 9000, section 3.1. */
#ifndef _QUIC_CORE_STREAM_SEND_H
#define _QUIC_CORE_STREAM_SEND_H

#include "flow.h"
#include "send_ranges.h"

/*
 * RFC 9000, figure 2. The values are those of the user API
 * (QUIC_STREAM_SEND_STATE_*).
 *
 *   READY -> SEND -> SENT -> RECVD
 *     |       |       |
 *     +-------+-------+-> RESET_SENT -> RESET_RECVD
 *
 * SENT is entered as soon as FIN is queued: no more can be written.
 */
enum quic_stream_send_state {
	QUIC_SEND_READY,
	QUIC_SEND_SEND,
	QUIC_SEND_SENT,
	QUIC_SEND_RECVD,
	QUIC_SEND_RESET_SENT,
	QUIC_SEND_RESET_RECVD,
};

/* Progress of one control frame whose value is state. RFC 9000, section 13.3. */
enum quic_control_state {
	QUIC_CONTROL_IDLE,	/* nothing to say */
	QUIC_CONTROL_STALE,	/* must be sent (again) */
	QUIC_CONTROL_SENT,	/* on its way */
	QUIC_CONTROL_ACKED,
};

/**
 * struct quic_stream_send - sending part
 * @state:    see above
 * @ranges:   progress of the data
 * @flow:     stream level credit; used is @ranges.end
 * @fin:      progress of the FIN bit: idle until queued
 * @reset:    progress of RESET_STREAM
 * @reset_code: application error code of it
 * @final_size: of RESET_STREAM
 * @blocked:  progress of STREAM_DATA_BLOCKED
 * @buf:      the host's buffers with the bytes [ranges.acked, ranges.end)
 */
struct quic_stream_send {
	enum quic_stream_send_state state;
	struct quic_send_ranges ranges;
	struct quic_flow_send flow;
	u8 fin;
	u8 reset;
	u8 blocked;
	u64 reset_code;
	u64 final_size;
	struct quic_send_buf buf;
};

void quic_stream_send_init(struct quic_stream_send *send, u64 limit);
void quic_stream_send_destroy(struct quic_stream_send *send);
bool quic_stream_send_may_write(const struct quic_stream_send *send);
void quic_stream_send_queue(struct quic_stream_send *send, u64 bytes, bool fin);
/* -EINVAL if it is too late for a reset. */
int quic_stream_send_reset(struct quic_stream_send *send, u64 code);
bool quic_stream_send_has_data(const struct quic_stream_send *send);
bool quic_stream_send_is_done(const struct quic_stream_send *send);
/* What to put into a STREAM frame next: @len may be 0 with only FIN to say; false: nothing. */
bool quic_stream_send_peek(const struct quic_stream_send *send, u64 *offset, u64 *len);
/* @fin: FIN may stand on a frame that ends at @offset + @len. */
bool quic_stream_send_is_end(const struct quic_stream_send *send, u64 end);
void quic_stream_send_on_sent(struct quic_stream_send *send, u64 offset, u32 len, bool fin);
void quic_stream_send_on_lost(struct quic_stream_send *send, u64 offset, u32 len, bool fin);
/* True when the acknowledged prefix moved. The state may become RECVD. */
bool quic_stream_send_on_acked(struct quic_stream_send *send, u64 offset, u32 len, bool fin);
void quic_stream_send_on_reset_acked(struct quic_stream_send *send);

#endif /* _QUIC_CORE_STREAM_SEND_H */
