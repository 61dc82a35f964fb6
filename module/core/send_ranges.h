/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bytes of an outgoing stream were queued, sent, lost and acknowledged.
 * It holds no byte: those lie with the host. Serves STREAM and CRYPTO data.
 */
#ifndef _QUIC_CORE_SEND_RANGES_H
#define _QUIC_CORE_SEND_RANGES_H

#include <linux/list.h>
#include "range_set.h"

/**
 * struct quic_send_buf - the bytes of one outgoing stream, in the host's hands
 * @chunks: the host's buffers, oldest first
 * @cursor: where the host found the last byte asked for
 */
struct quic_send_buf {
	struct list_head chunks;
	void *cursor;
};

/**
 * struct quic_send_ranges - progress of one outgoing stream of bytes
 * @acked:  everything below is acknowledged
 * @next:   nothing from here on was ever sent
 * @end:    offset behind the last byte queued
 * @sacked: acknowledged ranges above @acked
 * @lost:   ranges that must be sent again
 */
struct quic_send_ranges {
	u64 acked;
	u64 next;
	u64 end;
	struct quic_range_set sacked;
	struct quic_range_set lost;
};

void quic_send_ranges_init(struct quic_send_ranges *sr);
void quic_send_ranges_destroy(struct quic_send_ranges *sr);
bool quic_send_ranges_has_lost(const struct quic_send_ranges *sr);
bool quic_send_ranges_has_pending(const struct quic_send_ranges *sr);
/* The range to send next, lost ones first; false: none. @len is not capped. */
bool quic_send_ranges_peek(const struct quic_send_ranges *sr, u64 *offset, u64 *len);
void quic_send_ranges_on_sent(struct quic_send_ranges *sr, u64 offset, u64 len);
void quic_send_ranges_on_lost(struct quic_send_ranges *sr, u64 offset, u64 len);
/* Nothing that was sent got there: begin again behind what was acknowledged. */
void quic_send_ranges_rewind(struct quic_send_ranges *sr);
/* True when @acked moved: the host may let go of the bytes below it. */
bool quic_send_ranges_on_acked(struct quic_send_ranges *sr, u64 offset, u64 len);

#endif /* _QUIC_CORE_SEND_RANGES_H */
