/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet numbers received in one space: a bounded array of ranges, highest
 * first, whose top is extended in place. RFC 9000, section 13.2.3.
 */
#ifndef _QUIC_CORE_ACK_RANGES_H
#define _QUIC_CORE_ACK_RANGES_H

#include "frame.h"

#define QUIC_ACK_RANGES_MAX	64

/**
 * struct quic_ack_ranges - what was received
 * @floor: numbers below count as received (forgotten or acknowledged for good)
 * @count: entries in use
 * @range: descending, never adjacent
 */
struct quic_ack_ranges {
	u64 floor;
	u32 count;
	struct quic_pn_range range[QUIC_ACK_RANGES_MAX];
};

void quic_ack_ranges_init(struct quic_ack_ranges *ranges);
bool quic_ack_ranges_has(const struct quic_ack_ranges *ranges, u64 pn);
void quic_ack_ranges_add(struct quic_ack_ranges *ranges, u64 pn);
void quic_ack_ranges_forget(struct quic_ack_ranges *ranges, u64 below);
/* Highest number received, or -1. */
s64 quic_ack_ranges_largest(const struct quic_ack_ranges *ranges);

#endif /* _QUIC_CORE_ACK_RANGES_H */
