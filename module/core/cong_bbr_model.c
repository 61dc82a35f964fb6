// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * BBR's model of a path: how fast it delivers, how long it takes when empty,
 * how much it aggregates, and what of both recent losses leave. What to do
 * about it is decided in cong_bbr.c.
 * draft-cardwell-iccrg-bbr-congestion-control-02, section 4.5.
 */
#include "core.h"
#include "cong.h"

#define QUIC_BBR_PROBE_RTT_INTERVAL	(5 * QUIC_BBR_SECOND)
#define QUIC_BBR_MIN_RTT_WINDOW		(10 * QUIC_BBR_SECOND)

#define QUIC_BBR_JITTER		500000ULL	/* ns */
#define QUIC_BBR_ACKED_ROUNDS	5	/* in each half of the filter */

/* Half a terabyte per second and 16 seconds: their product has 63 bits. */
#define QUIC_BBR_BW_MAX		(1ULL << 39)
#define QUIC_BBR_RTT_MAX	(1ULL << 24)	/* us */

/* A quantum of sending takes a millisecond, within bounds. Section 4.6.3. */
#define QUIC_BBR_QUANTUM_MAX	65536
#define QUIC_BBR_SLOW		150000		/* 1.2 Mbit/s */

/**
 * quic_bbr_model_init() - nothing is known
 * @cong: of a new path, zeroed but for the initial window
 */
void quic_bbr_model_init(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->min_rtt = QUIC_BBR_NONE;
	bbr->probe_rtt_min_delay = QUIC_BBR_NONE;
	bbr->inflight_hi = QUIC_BBR_NONE;
	bbr->round_rtt = QUIC_BBR_NONE;
	bbr->last_rtt = QUIC_BBR_NONE;
	bbr->initial_cwnd = cong->cwnd;
	quic_bbr_reset_lower_bounds(cong);
	quic_bbr_bound_bw(cong);
}

/* The larger of two cycles. Section 4.5.2.2. */
u64 quic_bbr_max_bw(const struct quic_cong *cong)
{
	return max(cong->bbr.filter_bw[0], cong->bbr.filter_bw[1]);
}

/* A cycle of probing is over. One without any sample does not make forget the last one. */
void quic_bbr_advance_max_bw(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->filter_bw[1])
		return;
	bbr->filter_bw[0] = bbr->filter_bw[1];
	bbr->filter_bw[1] = 0;
}

/* Section 4.6.4.2, BBRBDPMultiple */
u64 quic_bbr_bdp(const struct quic_cong *cong, u64 bw, u32 percent)
{
	u64 rtt;

	if (cong->bbr.min_rtt == QUIC_BBR_NONE)
		return cong->bbr.initial_cwnd;
	rtt = clamp_t(u64, div_u64(cong->bbr.min_rtt, 1000), 1, QUIC_BBR_RTT_MAX);
	return div_u64(div_u64(min(bw, QUIC_BBR_BW_MAX) * rtt, 1000000) * percent, 100);
}

/* Section 4.5.4 and 4.6.4.2, BBRQuantizationBudget */
u64 quic_bbr_quantize(const struct quic_cong *cong, u64 inflight)
{
	u32 least = (cong->pacing_rate < QUIC_BBR_SLOW ? 1 : 2) * cong->mss;
	u64 quantum = min_t(u64, div_u64(cong->pacing_rate, 1000), QUIC_BBR_QUANTUM_MAX);

	inflight = max3(inflight, 3 * max_t(u64, quantum, least), 4 * (u64)cong->mss);
	if (cong->bbr.state == QUIC_BBR_PROBE_UP)
		inflight += 2 * cong->mss;
	return inflight;
}

u64 quic_bbr_inflight(const struct quic_cong *cong, u64 bw, u32 percent)
{
	return quic_bbr_quantize(cong, quic_bbr_bdp(cong, bw, percent));
}

/* Leaves room for others: 0.85 of the bound. Section 4.3.3.6, BBRInflightWithHeadroom. */
u64 quic_bbr_with_headroom(const struct quic_cong *cong)
{
	u64 bound = cong->bbr.inflight_hi;

	if (bound == QUIC_BBR_NONE)
		return bound;
	return max_t(u64, div_u64(bound * 85, 100), 4 * (u64)cong->mss);
}

u64 quic_bbr_extra_acked(const struct quic_cong *cong)
{
	return max(cong->bbr.filter_acked[0], cong->bbr.filter_acked[1]);
}

/* Is the path being probed for more, so that losses are no surprise? Section 4.5.6.3. */
bool quic_bbr_is_probing_bw(const struct quic_cong *cong)
{
	return cong->bbr.state == QUIC_BBR_STARTUP || cong->bbr.state == QUIC_BBR_PROBE_REFILL ||
	       cong->bbr.state == QUIC_BBR_PROBE_UP;
}

void quic_bbr_start_round(struct quic_cong *cong)
{
	cong->bbr.next_round_delivered = cong->bbr.rate.delivered;
}

void quic_bbr_reset_congestion(struct quic_cong *cong)
{
	cong->bbr.mark_in_round = false;
	cong->bbr.bw_latest = 0;
	cong->bbr.inflight_latest = 0;
}

void quic_bbr_reset_lower_bounds(struct quic_cong *cong)
{
	cong->bbr.bw_lo = QUIC_BBR_NONE;
	cong->bbr.inflight_lo = QUIC_BBR_NONE;
}

void quic_bbr_bound_bw(struct quic_cong *cong)
{
	cong->bbr.bw = min(quic_bbr_max_bw(cong), cong->bbr.bw_lo);
}

/* Section 4.5.1, BBRUpdateRound */
static void quic_bbr_update_round(struct quic_cong *cong, const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->round_start = rs->sent_time && rs->prior_delivered >= bbr->next_round_delivered;
	if (!bbr->round_start)
		return;
	quic_bbr_start_round(cong);
	bbr->rounds_since_probe++;
	if (++bbr->acked_rounds >= QUIC_BBR_ACKED_ROUNDS) {
		bbr->acked_rounds = 0;
		bbr->filter_acked[1] = bbr->filter_acked[0];
		bbr->filter_acked[0] = 0;
	}
}

/* Section 4.5.2.4. What the application limits counts only if it shows that there is more. */
static void quic_bbr_update_max_bw(struct quic_cong *cong, const struct quic_rate_sample *rs)
{
	quic_bbr_update_round(cong, rs);
	if (rs->rate && (rs->rate >= quic_bbr_max_bw(cong) || !rs->app_limited))
		cong->bbr.filter_bw[1] = max(cong->bbr.filter_bw[1],
					     min(rs->rate, QUIC_BBR_BW_MAX));
}

/* Section 4.5.6.3, BBRUpdateLatestDeliverySignals */
void quic_bbr_update_latest(struct quic_cong *cong, const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->loss_round_start = false;
	if (!rs->sent_time)
		return;
	bbr->bw_latest = max(bbr->bw_latest, min(rs->rate, QUIC_BBR_BW_MAX));
	bbr->inflight_latest = max(bbr->inflight_latest, rs->delivered);
	if (rs->prior_delivered >= bbr->loss_round_delivered) {
		bbr->loss_round_delivered = bbr->rate.delivered;
		bbr->loss_round_start = true;
	}
}

void quic_bbr_advance_latest(struct quic_cong *cong, const struct quic_rate_sample *rs)
{
	if (!cong->bbr.loss_round_start)
		return;
	cong->bbr.bw_latest = min(rs->rate, QUIC_BBR_BW_MAX);
	cong->bbr.inflight_latest = rs->delivered;
}

/*
 * Did packets of the last two rounds wait? The path's own minimum and what
 * timers and batches add do not count as a queue.
 */
bool quic_bbr_sees_queue(const struct quic_cong *cong)
{
	const struct quic_bbr *bbr = &cong->bbr;
	u64 rtt = min(bbr->round_rtt, bbr->last_rtt);

	return bbr->min_rtt != QUIC_BBR_NONE && rtt != QUIC_BBR_NONE &&
	       rtt > bbr->min_rtt + max_t(u64, bbr->min_rtt / 8, QUIC_BBR_JITTER);
}

/*
 * Losses in percent that are no reason to slow down. The draft's two percent
 * hold where packets queue. Where none does, most losses are not of the
 * sender's making, as on radio links, and more of them are borne; but not so
 * many as a policer or a very small buffer makes.
 */
u32 quic_bbr_tolerance(const struct quic_cong *cong)
{
	return quic_bbr_sees_queue(cong) ? QUIC_BBR_LOSS_PERCENT : QUIC_BBR_NOISE_PERCENT;
}

bool quic_bbr_is_loss_high(const struct quic_cong *cong, u64 lost, u64 in_flight)
{
	/* One packet is no rate. */
	return lost > cong->mss && lost * 100 > in_flight * quic_bbr_tolerance(cong);
}

/* Once a round: what losses while not probing say. BBRAdaptLowerBoundsFromCongestion. */
static void quic_bbr_adapt_lower_bounds(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;

	u64 lost = bbr->rate.lost - bbr->round_lost;
	u64 sent = bbr->rate.delivered - bbr->round_delivered + lost;

	if (quic_bbr_is_probing_bw(cong) ||
	    !(bbr->mark_in_round || quic_bbr_is_loss_high(cong, lost, sent)))
		return;
	if (bbr->bw_lo == QUIC_BBR_NONE)
		bbr->bw_lo = quic_bbr_max_bw(cong);
	if (bbr->inflight_lo == QUIC_BBR_NONE)
		bbr->inflight_lo = cong->cwnd;
	bbr->bw_lo = max(bbr->bw_latest, QUIC_BBR_BETA(bbr->bw_lo));
	bbr->inflight_lo = max(bbr->inflight_latest, QUIC_BBR_BETA(bbr->inflight_lo));
}

void quic_bbr_update_congestion(struct quic_cong *cong, const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	quic_bbr_update_max_bw(cong, rs);
	if (rs->rtt)
		bbr->round_rtt = min(bbr->round_rtt, rs->rtt);
	if (!bbr->loss_round_start)
		return;
	quic_bbr_adapt_lower_bounds(cong);
	bbr->mark_in_round = false;
	bbr->round_lost = bbr->rate.lost;
	bbr->round_delivered = bbr->rate.delivered;
	bbr->last_rtt = bbr->round_rtt;
	bbr->round_rtt = QUIC_BBR_NONE;
}

/* Section 4.5.5: how much more is acknowledged at times than the rate explains. */
void quic_bbr_update_aggregation(struct quic_cong *cong, const struct quic_cong_ack *ack)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 interval = min_t(u64, div_u64(ack->now - bbr->extra_acked_start, 1000),
			     QUIC_BBR_RTT_MAX);
	u64 expected = div_u64(bbr->bw * interval, 1000000);

	if (bbr->extra_acked_delivered <= expected) {
		bbr->extra_acked_delivered = 0;
		bbr->extra_acked_start = ack->now;
		expected = 0;
	}
	bbr->extra_acked_delivered += ack->acked;
	bbr->filter_acked[0] = max(bbr->filter_acked[0],
				   min(bbr->extra_acked_delivered - expected, cong->cwnd));
}

/* Section 4.3.4.4, BBRUpdateMinRTT */
void quic_bbr_update_min_rtt(struct quic_cong *cong, const struct quic_rate_sample *rs, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->probe_rtt_expired = now > bbr->probe_rtt_min_stamp + QUIC_BBR_PROBE_RTT_INTERVAL;
	if (rs->rtt && (rs->rtt < bbr->probe_rtt_min_delay || bbr->probe_rtt_expired)) {
		bbr->probe_rtt_min_delay = rs->rtt;
		bbr->probe_rtt_min_stamp = now;
	}
	if (bbr->probe_rtt_min_delay < bbr->min_rtt ||
	    now > bbr->min_rtt_stamp + QUIC_BBR_MIN_RTT_WINDOW) {
		bbr->min_rtt = bbr->probe_rtt_min_delay;
		bbr->min_rtt_stamp = bbr->probe_rtt_min_stamp;
	}
}
