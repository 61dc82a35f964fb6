/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pacing: a leaky bucket whose rate follows cwnd and RTT. RFC 9002, section 7.7.
 */
#ifndef _QUIC_CORE_PACER_H
#define _QUIC_CORE_PACER_H

#include <linux/types.h>

#define QUIC_PACER_UNLIMITED	(~0ULL)

/**
 * struct quic_pacer - credit of one path
 * @rate:     bytes per second, QUIC_PACER_UNLIMITED: not paced
 * @max_rate: the application's bound (SO_MAX_PACING_RATE), likewise
 * @budget:   bytes that may leave now
 * @burst:    the most @budget can reach
 * @last:     when @budget was brought up to date, ns
 * @mss:      size of the packets that @burst allows for
 * @smoothed: a queue below spreads what leaves: more may leave at once
 * @fraction: what it then had beyond whole bytes, in 1 / 10^9
 */
struct quic_pacer {
	u64 rate;
	u64 max_rate;
	u64 budget;
	u64 burst;
	u64 last;
	u32 fraction;
	u32 mss;
	bool smoothed;
};

void quic_pacer_init(struct quic_pacer *pacer);
void quic_pacer_update(struct quic_pacer *pacer, u64 cwnd, u64 smoothed_rtt,
		       bool slow_start, u32 mss, u64 now);
void quic_pacer_set_mss(struct quic_pacer *pacer, u32 mss);
/* The controller has chosen the rate; SO_MAX_PACING_RATE bounds it. */
void quic_pacer_set_rate(struct quic_pacer *pacer, u64 rate, u32 mss, u64 now);
bool quic_pacer_may_send(struct quic_pacer *pacer, u32 bytes, u64 now);
void quic_pacer_on_sent(struct quic_pacer *pacer, u32 bytes);
/* When @bytes may leave, ns; @now if at once. */
u64 quic_pacer_next(const struct quic_pacer *pacer, u32 bytes, u64 now);

#endif /* _QUIC_CORE_PACER_H */
