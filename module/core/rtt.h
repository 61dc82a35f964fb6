/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Round-trip time of one path, in nanoseconds. RFC 9002, section 5. */
#ifndef _QUIC_CORE_RTT_H
#define _QUIC_CORE_RTT_H

#include <linux/types.h>

#define QUIC_RTT_GRANULARITY	1000000ULL	/* RFC 9002, section 6.1.2: 1 ms */

struct quic_rtt {
	u64 latest_rtt;
	u64 min_rtt;
	u64 smoothed_rtt;
	u64 rttvar;
	u64 first_sample;	/* time of the first sample, 0: none yet */
};

void quic_rtt_init(struct quic_rtt *rtt, u64 initial);
void quic_rtt_update(struct quic_rtt *rtt, u64 latest, u64 ack_delay,
		     u64 max_ack_delay, bool confirmed, u64 now);
/* smoothed_rtt + max(4 * rttvar, granularity), without the peer's max_ack_delay. */
u64 quic_rtt_pto(const struct quic_rtt *rtt);

static inline bool quic_rtt_has_sample(const struct quic_rtt *rtt)
{
	return rtt->first_sample != 0;
}

#endif /* _QUIC_CORE_RTT_H */
