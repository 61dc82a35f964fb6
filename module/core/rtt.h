/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Round-trip time of one path, in nanoseconds. RFC 9002, section 5. */
#ifndef _QUIC_CORE_RTT_H
#define _QUIC_CORE_RTT_H

#include <linux/types.h>

#define QUIC_RTT_GRANULARITY	1000000ULL	/* RFC 9002, section 6.1.2: 1 ms */
#define QUIC_RTT_MAX		4000000000000ULL	/* above an hour, ns */

/**
 * struct quic_rtt - estimates of one path, all within [1, QUIC_RTT_MAX] once sampled
 * @latest_rtt:   the last sample
 * @min_rtt:      the smallest sample
 * @smoothed_rtt: moving average of samples less the peer's delay
 * @rttvar:       their mean variation
 * @first_sample: time of the first sample, 0: none yet
 */
struct quic_rtt {
	u64 latest_rtt;
	u64 min_rtt;
	u64 smoothed_rtt;
	u64 rttvar;
	u64 first_sample;
};

void quic_rtt_init(struct quic_rtt *rtt, u64 initial);
void quic_rtt_update(struct quic_rtt *rtt, u64 latest, u64 ack_delay,
		     u64 max_ack_delay, bool confirmed, u64 now);
void quic_rtt_on_persistent(struct quic_rtt *rtt);
/* The ACK Delay field in ns; absurd values saturate. */
u64 quic_rtt_ack_delay(u64 delay, u8 exponent);
/* smoothed_rtt + max(4 * rttvar, granularity), without the peer's max_ack_delay. */
u64 quic_rtt_pto(const struct quic_rtt *rtt);

static inline bool quic_rtt_has_sample(const struct quic_rtt *rtt)
{
	return rtt->first_sample != 0;
}

#endif /* _QUIC_CORE_RTT_H */
