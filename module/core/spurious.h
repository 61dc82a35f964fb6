/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets declared lost that may yet arrive: a bounded memory of them in one
 * packet number space, and what late arrivals teach loss detection.
 */
#ifndef _QUIC_CORE_SPURIOUS_H
#define _QUIC_CORE_SPURIOUS_H

#include "frame.h"

#define QUIC_LOST_MAX			128
#define QUIC_LOSS_PACKET_THRESHOLD	3	/* RFC 9002, section 6.1.1 */
#define QUIC_LOSS_PACKET_THRESHOLD_MAX	64
#define QUIC_LOSS_TIME_EIGHTHS		1	/* RFC 9002, section 6.1.2: 9/8 */
#define QUIC_LOSS_TIME_EIGHTHS_MAX	4
#define QUIC_LOSS_CALM_EVENTS		16	/* that bring the thresholds back */

/**
 * struct quic_lost - a packet declared lost
 * @pn:      its number
 * @time:    when it was sent, ns
 * @event:   number of the congestion event that its loss belongs to
 * @size:    bytes; 0: it arrived meanwhile
 * @path:    index of its path
 * @by_time: its age condemned it, not the packets acknowledged after it
 */
struct quic_lost {
	u64 pn;
	u64 time;
	u32 event;
	u16 size;
	u8 path;
	bool by_time;
};

/**
 * struct quic_lost_log - the memory: a ring, numbers ascending
 * @first: index of the oldest entry
 * @count: entries from there on
 */
struct quic_lost_log {
	u32 first;
	u32 count;
	struct quic_lost entry[QUIC_LOST_MAX];
};

/**
 * struct quic_spurious - reordering in one space
 * @log:     NULL: nothing is remembered
 * @packets: packet threshold, never below RFC 9002's
 * @eighths: of a round trip that the time threshold adds to one
 * @calm:    congestion events without late arrivals until the thresholds return
 */
struct quic_spurious {
	struct quic_lost_log *log;
	u8 packets;
	u8 eighths;
	u8 calm;
};

/**
 * struct quic_spurious_walk - an ACK frame being compared with the memory
 * @iter:  its ranges left
 * @index: entries left to look at
 */
struct quic_spurious_walk {
	struct quic_ack_iter iter;
	u32 index;
	bool has_range;
};

void quic_spurious_init(struct quic_spurious *spurious);
void quic_spurious_destroy(struct quic_spurious *spurious);
/* Without memory the loss is final. */
void quic_spurious_remember(struct quic_spurious *spurious, const struct quic_lost *lost);
/* The last @packets of them belong to congestion event number @event, which is a @new one. */
void quic_spurious_on_event(struct quic_spurious *spurious, u32 packets, u32 event, bool new);
/* What was sent before @time will not arrive any more. */
void quic_spurious_expire(struct quic_spurious *spurious, u64 time);
void quic_spurious_begin(const struct quic_spurious *spurious, const struct quic_frame_ack *ack,
			 struct quic_spurious_walk *walk);
/* The next lost packet that the frame acknowledges, forgotten; false: no more. */
bool quic_spurious_next(struct quic_spurious *spurious, struct quic_spurious_walk *walk,
			struct quic_lost *out);
/* @lost arrived when @largest was the largest number acknowledged. */
void quic_spurious_learn(struct quic_spurious *spurious, const struct quic_lost *lost,
			 u64 largest);

#endif /* _QUIC_CORE_SPURIOUS_H */
