// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NewReno as RFC 9002, section 7.3 has it: how the window grows and shrinks.
 * When it may is decided in cong.c.
 */
#include "core.h"
#include "cong.h"

static void quic_reno_init(struct quic_cong *cong)
{
}

/*
 * Slow start adds what was acknowledged. Congestion avoidance adds one packet
 * for each window acknowledged, counted in bytes. RFC 9002, sections 7.3.1
 * and 7.3.3.
 */
static void quic_reno_on_acked(struct quic_cong *cong, u32 bytes, u64 sent_time,
			       const struct quic_rtt *rtt, u64 now)
{
	if (quic_cong_in_slow_start(cong)) {
		quic_cong_slow_start(cong, bytes);
		return;
	}

	cong->bytes_acked += bytes;
	if (cong->bytes_acked >= cong->cwnd) {
		cong->bytes_acked -= cong->cwnd;
		cong->cwnd += cong->mss;
	}
}

/* RFC 9002, section 7.3.2, with a reduction factor of one half */
static void quic_reno_on_event(struct quic_cong *cong, u64 now)
{
	cong->ssthresh = cong->cwnd / 2;
	cong->cwnd = max(cong->ssthresh, quic_cong_min_window(cong));
	quic_prr_begin(cong);
}

static void quic_reno_on_persistent(struct quic_cong *cong)
{
}

const struct quic_cong_ops quic_cong_reno = {
	.name = "reno",
	.init = quic_reno_init,
	.on_acked = quic_reno_on_acked,
	.on_event = quic_reno_on_event,
	.on_persistent = quic_reno_on_persistent,
};
