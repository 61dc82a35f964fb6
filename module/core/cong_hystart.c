// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HyStart++: the first slow start is left before it fills the queue of the
 * bottleneck, as soon as round trips take longer. It goes on for a few rounds
 * at a quarter of the pace in case that was a mistake. RFC 9406.
 */
#include "core.h"
#include "cong.h"

/* RFC 9406, section 4.3 */
#define QUIC_HYSTART_RISE_MIN	4000000ULL	/* ns */
#define QUIC_HYSTART_RISE_MAX	16000000ULL	/* ns */
#define QUIC_HYSTART_SAMPLES	8
#define QUIC_HYSTART_ROUNDS	5

/**
 * quic_hystart_init() - a new path
 * @hystart: its state
 */
void quic_hystart_init(struct quic_hystart *hystart)
{
	memset(hystart, 0, sizeof(*hystart));
	hystart->last_min = U64_MAX;
	hystart->round_min = U64_MAX;
}

static void quic_hystart_next_round(struct quic_cong *cong, u64 now)
{
	struct quic_hystart *hystart = &cong->hystart;

	hystart->round_start = now;
	hystart->last_min = hystart->round_min;
	hystart->round_min = U64_MAX;
	hystart->samples = 0;
	if (hystart->conservative && ++hystart->rounds >= QUIC_HYSTART_ROUNDS) {
		hystart->conservative = false;
		cong->ssthresh = cong->cwnd;
	}
}

static bool quic_hystart_delay_grows(const struct quic_hystart *hystart)
{
	u64 rise;

	if (hystart->last_min == U64_MAX)
		return false;
	rise = clamp_t(u64, hystart->last_min / 8, QUIC_HYSTART_RISE_MIN, QUIC_HYSTART_RISE_MAX);
	return hystart->round_min >= hystart->last_min + rise;
}

/**
 * quic_hystart_on_ack() - takes in an RTT sample of the first slow start
 * @cong: in slow start, without a threshold so far
 * @ack:  a frame that gave a sample
 *
 * A sender that does not use its window fills no queue and learns nothing here.
 */
void quic_hystart_on_ack(struct quic_cong *cong, const struct quic_cong_ack *ack)
{
	struct quic_hystart *hystart = &cong->hystart;

	if (cong->app_limited)
		return;
	if (ack->sent_time >= hystart->round_start) {
		quic_hystart_next_round(cong, ack->now);
		if (cong->ssthresh != U64_MAX)
			return;
	}

	hystart->round_min = min(hystart->round_min, ack->rtt->latest_rtt);
	if (hystart->samples < QUIC_HYSTART_SAMPLES && ++hystart->samples < QUIC_HYSTART_SAMPLES)
		return;
	if (!hystart->conservative) {
		if (!quic_hystart_delay_grows(hystart))
			return;
		hystart->conservative = true;
		hystart->baseline = hystart->round_min;
		hystart->rounds = 0;
	} else if (hystart->round_min < hystart->baseline) {
		hystart->conservative = false;
	}
}
