// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * BBR: sends at the rate that the path delivers, with about as much in flight
 * as it holds, and probes in turns for more rate and for less delay. The model
 * of the path is kept in cong_bbr_model.c.
 * draft-cardwell-iccrg-bbr-congestion-control-02, but for this: bw_hi, which
 * nothing there ever sets, is left out; losses are no longer taken for those
 * of a probe when its feedback is over; a probe for bandwidth lasts until its
 * effect is seen, also over a queue that others keep; and losses without a
 * queue are borne (quic_bbr_tolerance()).
 */
#include "core.h"
#include "cong.h"
#include "host.h"

#define QUIC_BBR_PROBE_RTT_DURATION	(200 * QUIC_BBR_MS)
#define QUIC_BBR_FULL_ROUNDS		3	/* without growth: the pipe is full */
#define QUIC_BBR_FULL_LOSSES		3
#define QUIC_BBR_UP_ROUNDS		2	/* until what a probe measures is its own doing */
#define QUIC_BBR_RENO_ROUNDS		63

/* Gains by state, percent. Section 4.6.1 */
static const u16 quic_bbr_pacing_gain[] = {
	[QUIC_BBR_STARTUP] = QUIC_BBR_STARTUP_GAIN,
	[QUIC_BBR_DRAIN] = 50,
	[QUIC_BBR_PROBE_DOWN] = 90,
	[QUIC_BBR_PROBE_CRUISE] = 100,
	[QUIC_BBR_PROBE_REFILL] = 100,
	[QUIC_BBR_PROBE_UP] = 125,
	[QUIC_BBR_PROBE_RTT] = 100,
};

static u32 quic_bbr_cwnd_gain(const struct quic_bbr *bbr)
{
	return bbr->state == QUIC_BBR_PROBE_RTT ? 50 : 200;
}

static u64 quic_bbr_min_pipe(const struct quic_cong *cong)
{
	return 4 * (u64)cong->mss;
}

static bool quic_bbr_is_in_probe_bw(const struct quic_bbr *bbr)
{
	return bbr->state >= QUIC_BBR_PROBE_DOWN && bbr->state <= QUIC_BBR_PROBE_UP;
}

static void quic_bbr_init(struct quic_cong *cong)
{
	memset(&cong->bbr, 0, sizeof(cong->bbr));
	quic_bbr_model_init(cong);
}

/*
 * Pacing rate. Section 4.6.2: a percent below the estimate; not lowered before
 * the path was filled once.
 */
static void quic_bbr_set_pacing_rate(struct quic_cong *cong, u32 gain)
{
	u64 rate = div_u64(cong->bbr.bw * gain / 100 * 99, 100);

	if (rate && (cong->bbr.filled_pipe || rate > cong->pacing_rate))
		cong->pacing_rate = rate;
}

/* The first RTT gives a first rate, and the clocks begin to run. */
static void quic_bbr_begin(struct quic_cong *cong, const struct quic_cong_ack *ack)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->min_rtt_stamp) {
		bbr->min_rtt_stamp = ack->now;
		bbr->probe_rtt_min_stamp = ack->now;
		bbr->extra_acked_start = ack->now;
	}
	if (bbr->has_rate || !quic_rtt_has_sample(ack->rtt))
		return;
	bbr->has_rate = true;
	cong->pacing_rate = quic_rate_per_second(bbr->initial_cwnd * QUIC_BBR_STARTUP_GAIN / 100,
						 ack->rtt->smoothed_rtt);
}

/* Startup: is the pipe full? Sections 4.3.1.2 and 4.3.1.3. */

static void quic_bbr_check_full_bw(struct quic_bbr *bbr, u64 max_bw,
				   const struct quic_rate_sample *rs)
{
	if (!bbr->round_start || rs->app_limited)
		return;
	if (max_bw >= bbr->full_bw + bbr->full_bw / 4) {
		bbr->full_bw = max_bw;
		bbr->full_bw_count = 0;
		return;
	}
	if (++bbr->full_bw_count >= QUIC_BBR_FULL_ROUNDS)
		bbr->filled_pipe = true;
}

static void quic_bbr_check_startup(struct quic_cong *cong, const struct quic_cong_ack *ack,
				   const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->filled_pipe) {
		quic_bbr_check_full_bw(bbr, quic_bbr_max_bw(cong), rs);
		if (ack->lost && bbr->loss_events < U8_MAX)
			bbr->loss_events++;
		if (bbr->loss_round_start) {
			if (bbr->in_recovery && bbr->loss_events >= QUIC_BBR_FULL_LOSSES &&
			    quic_bbr_is_loss_high(cong, rs->lost, rs->in_flight))
				bbr->filled_pipe = true;
			bbr->loss_events = 0;
		}
	}
	if (bbr->state == QUIC_BBR_STARTUP && bbr->filled_pipe)
		bbr->state = QUIC_BBR_DRAIN;
}

/* ProbeBW. Section 4.3.3.6. */

static void quic_bbr_pick_probe_wait(struct quic_bbr *bbr)
{
	u32 random;

	quic_host_random(&random, sizeof(random));
	bbr->rounds_since_probe = random & 1;
	bbr->probe_wait = 2 * QUIC_BBR_SECOND + (random >> 1) % QUIC_BBR_SECOND;
}

static void quic_bbr_start_down(struct quic_cong *cong, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	quic_bbr_reset_congestion(cong);
	quic_bbr_pick_probe_wait(bbr);
	bbr->cycle_stamp = now;
	bbr->acks = QUIC_BBR_ACKS_STOPPING;
	quic_bbr_start_round(cong);
	bbr->state = QUIC_BBR_PROBE_DOWN;
}

static void quic_bbr_start_refill(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;

	quic_bbr_reset_lower_bounds(cong);
	bbr->probe_up_rounds = 0;
	bbr->probe_up_acks = 0;
	bbr->acks = QUIC_BBR_ACKS_REFILLING;
	quic_bbr_start_round(cong);
	bbr->state = QUIC_BBR_PROBE_REFILL;
}

static void quic_bbr_start_up(struct quic_cong *cong, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->probe_samples = true;
	bbr->acks = QUIC_BBR_ACKS_STARTING;
	quic_bbr_start_round(cong);
	bbr->cycle_stamp = now;
	bbr->rounds_up = 0;
	bbr->window_full = false;
	bbr->state = QUIC_BBR_PROBE_UP;
}

/* Our estimate, unless congestion has cut the window. */
static u64 quic_bbr_target_inflight(const struct quic_cong *cong)
{
	return min(quic_bbr_bdp(cong, cong->bbr.bw, 100), cong->cwnd);
}

/* Sections 4.3.3.5.3 and 4.3.3.6: every few seconds, or about as often as Reno would. */
static bool quic_bbr_check_time_to_probe(struct quic_cong *cong, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 rounds = min_t(u64, div_u64(quic_bbr_target_inflight(cong), cong->mss),
			   QUIC_BBR_RENO_ROUNDS);

	if (now <= bbr->cycle_stamp + bbr->probe_wait && bbr->rounds_since_probe < rounds)
		return false;
	quic_bbr_start_refill(cong);
	return true;
}

static bool quic_bbr_may_cruise(const struct quic_cong *cong)
{
	return cong->bytes_in_flight <= quic_bbr_with_headroom(cong) &&
	       cong->bytes_in_flight <= quic_bbr_inflight(cong, quic_bbr_max_bw(cong), 100);
}

/* More was in flight than the path takes: section 4.5.6.2, BBRHandleInflightTooHigh. */
static void quic_bbr_on_inflight_too_high(struct quic_cong *cong, u64 in_flight, bool app_limited,
					  u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->probe_samples = false;
	if (!app_limited)
		bbr->inflight_hi = max(in_flight, QUIC_BBR_BETA(quic_bbr_target_inflight(cong)));
	if (bbr->state == QUIC_BBR_PROBE_UP)
		quic_bbr_start_down(cong, now);
}

/*
 * The bound on the flight rises while it is used up: by one packet in the first
 * round, then twice as many in each, but never to more than twice its value.
 */
static void quic_bbr_raise_inflight_hi(struct quic_cong *cong, const struct quic_cong_ack *ack)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 growth = min((u64)cong->mss << bbr->probe_up_rounds, cong->cwnd);

	if (bbr->window_full && cong->cwnd >= bbr->inflight_hi) {
		bbr->probe_up_acks += ack->acked * growth;
		bbr->inflight_hi += div64_u64_rem(bbr->probe_up_acks, cong->cwnd,
						  &bbr->probe_up_acks);
	}
	if (bbr->round_start) {
		bbr->window_full = false;
		bbr->probe_up_rounds = min(bbr->probe_up_rounds + 1, 30);
	}
}

/* Section 4.3.3.6, BBRAdaptUpperBounds */
static void quic_bbr_adapt_upper_bounds(struct quic_cong *cong, const struct quic_cong_ack *ack,
					const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (bbr->acks == QUIC_BBR_ACKS_STARTING && bbr->round_start)
		bbr->acks = QUIC_BBR_ACKS_FEEDBACK;
	if (bbr->acks == QUIC_BBR_ACKS_STOPPING && bbr->round_start) {
		bbr->acks = QUIC_BBR_ACKS_INIT;
		bbr->probe_samples = false;
		if (quic_bbr_is_in_probe_bw(bbr) && !rs->app_limited)
			quic_bbr_advance_max_bw(cong);
	}
	if (quic_bbr_is_loss_high(cong, rs->lost, rs->in_flight)) {
		if (bbr->probe_samples)
			quic_bbr_on_inflight_too_high(cong, rs->in_flight, rs->app_limited,
						      ack->now);
		return;
	}
	if (bbr->inflight_hi == QUIC_BBR_NONE)
		return;
	bbr->inflight_hi = max_t(u64, bbr->inflight_hi, rs->in_flight);
	if (bbr->state == QUIC_BBR_PROBE_UP)
		quic_bbr_raise_inflight_hi(cong, ack);
}

static void quic_bbr_update_cycle(struct quic_cong *cong, const struct quic_cong_ack *ack,
				  const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->filled_pipe)
		return;
	quic_bbr_adapt_upper_bounds(cong, ack, rs);
	switch (bbr->state) {
	case QUIC_BBR_PROBE_DOWN:
		if (!quic_bbr_check_time_to_probe(cong, ack->now) && quic_bbr_may_cruise(cong))
			bbr->state = QUIC_BBR_PROBE_CRUISE;
		break;
	case QUIC_BBR_PROBE_CRUISE:
		quic_bbr_check_time_to_probe(cong, ack->now);
		break;
	case QUIC_BBR_PROBE_REFILL:
		if (bbr->round_start)
			quic_bbr_start_up(cong, ack->now);
		break;
	case QUIC_BBR_PROBE_UP:
		if (bbr->round_start)
			bbr->rounds_up++;
		if (bbr->rounds_up > QUIC_BBR_UP_ROUNDS &&
		    cong->bytes_in_flight > quic_bbr_inflight(cong, quic_bbr_max_bw(cong), 125) +
					    quic_bbr_extra_acked(cong))
			quic_bbr_start_down(cong, ack->now);
		break;
	}
}

/* ProbeRTT. Section 4.3.4. */

static u64 quic_bbr_probe_rtt_cwnd(const struct quic_cong *cong)
{
	return max(quic_bbr_bdp(cong, cong->bbr.bw, 50), quic_bbr_min_pipe(cong));
}

/* The window that recovery and ProbeRTT have not touched. */
static void quic_bbr_save_cwnd(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->in_recovery && bbr->state != QUIC_BBR_PROBE_RTT)
		bbr->prior_cwnd = cong->cwnd;
	else
		bbr->prior_cwnd = max(bbr->prior_cwnd, cong->cwnd);
}

static void quic_bbr_check_probe_rtt_done(struct quic_cong *cong, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->probe_rtt_done_stamp || now <= bbr->probe_rtt_done_stamp)
		return;
	bbr->probe_rtt_min_stamp = now;
	cong->cwnd = max(cong->cwnd, bbr->prior_cwnd);
	quic_bbr_reset_lower_bounds(cong);
	if (!bbr->filled_pipe) {
		bbr->state = QUIC_BBR_STARTUP;
		return;
	}
	quic_bbr_start_down(cong, now);
	bbr->state = QUIC_BBR_PROBE_CRUISE;
}

static void quic_bbr_in_probe_rtt(struct quic_cong *cong, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	quic_rate_on_app_limited(&bbr->rate, cong->bytes_in_flight);
	if (!bbr->probe_rtt_done_stamp) {
		if (cong->bytes_in_flight > quic_bbr_probe_rtt_cwnd(cong))
			return;
		bbr->probe_rtt_done_stamp = now + QUIC_BBR_PROBE_RTT_DURATION;
		bbr->probe_rtt_round_done = false;
		quic_bbr_start_round(cong);
		return;
	}
	if (bbr->round_start)
		bbr->probe_rtt_round_done = true;
	if (bbr->probe_rtt_round_done)
		quic_bbr_check_probe_rtt_done(cong, now);
}

static void quic_bbr_check_probe_rtt(struct quic_cong *cong, const struct quic_rate_sample *rs,
				     u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (bbr->state != QUIC_BBR_PROBE_RTT && bbr->probe_rtt_expired && !bbr->idle_restart) {
		quic_bbr_save_cwnd(cong);
		bbr->state = QUIC_BBR_PROBE_RTT;
		bbr->probe_rtt_done_stamp = 0;
		bbr->acks = QUIC_BBR_ACKS_STOPPING;
		quic_bbr_start_round(cong);
	}
	if (bbr->state == QUIC_BBR_PROBE_RTT)
		quic_bbr_in_probe_rtt(cong, now);
	if (rs->delivered)
		bbr->idle_restart = false;
}

/* The window. Section 4.6.4. */

/* Losses are repaired: what arrives is replaced, for a round trip. Section 4.6.4.4. */
static void quic_bbr_modulate_for_recovery(struct quic_cong *cong, const struct quic_cong_ack *ack,
					   const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (!bbr->in_recovery)
		return;
	if (!cong->recovery_start || rs->sent_time > cong->recovery_start) {
		bbr->in_recovery = false;
		bbr->packet_conservation = false;
		cong->cwnd = max(cong->cwnd, bbr->prior_cwnd);
		return;
	}
	if (!bbr->packet_conservation)
		return;
	if (ack->lost)
		cong->cwnd = cong->cwnd > ack->lost + cong->mss ? cong->cwnd - ack->lost :
								  cong->mss;
	cong->cwnd = max(cong->cwnd, cong->bytes_in_flight + ack->acked);
}

static void quic_bbr_bound_cwnd(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 cap = QUIC_BBR_NONE;

	if (bbr->state == QUIC_BBR_PROBE_RTT) {
		cong->cwnd = min(cong->cwnd, quic_bbr_probe_rtt_cwnd(cong));
		cap = quic_bbr_with_headroom(cong);
	} else if (bbr->state == QUIC_BBR_PROBE_CRUISE) {
		cap = quic_bbr_with_headroom(cong);
	} else if (quic_bbr_is_in_probe_bw(bbr)) {
		cap = bbr->inflight_hi;
	}
	cap = max(min(cap, bbr->inflight_lo), quic_bbr_min_pipe(cong));
	cong->cwnd = min(cong->cwnd, cap);
}

static void quic_bbr_set_cwnd(struct quic_cong *cong, const struct quic_cong_ack *ack,
			      const struct quic_rate_sample *rs)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 most = quic_bbr_bdp(cong, bbr->bw, quic_bbr_cwnd_gain(bbr));

	most = quic_bbr_quantize(cong, most + quic_bbr_extra_acked(cong));
	quic_bbr_modulate_for_recovery(cong, ack, rs);
	if (!bbr->packet_conservation) {
		if (bbr->filled_pipe)
			cong->cwnd = min(cong->cwnd + ack->acked, most);
		else if (cong->cwnd < most || bbr->rate.delivered < bbr->initial_cwnd)
			cong->cwnd += ack->acked;
		cong->cwnd = max(cong->cwnd, quic_bbr_min_pipe(cong));
	}
	quic_bbr_bound_cwnd(cong);
}

/* What the connection tells. */

/* After idle time the rate is what the path is known to take. Section 4.4. */
static void quic_bbr_on_sent(struct quic_cong *cong, struct quic_rate_snapshot *snapshot,
			     u32 bytes, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;

	if (cong->bytes_in_flight <= bytes && bbr->rate.app_limited) {
		bbr->idle_restart = true;
		bbr->extra_acked_start = now;
		if (quic_bbr_is_in_probe_bw(bbr))
			quic_bbr_set_pacing_rate(cong, 100);
		else if (bbr->state == QUIC_BBR_PROBE_RTT)
			quic_bbr_check_probe_rtt_done(cong, now);
	}
	quic_rate_on_sent(&bbr->rate, snapshot, cong->bytes_in_flight, bytes, now);
}

static void quic_bbr_on_delivered(struct quic_cong *cong, const struct quic_rate_snapshot *snapshot,
				  u32 bytes, u64 sent_time, u64 now)
{
	quic_rate_on_acked(&cong->bbr.rate, snapshot, bytes, sent_time, now);
}

/* Growth is per ACK frame, not per packet. */
static void quic_bbr_on_acked(struct quic_cong *cong, u32 bytes, u64 sent_time,
			      const struct quic_rtt *rtt, u64 now)
{
}

/* At which flight did losses exceed what is tolerated? BBRInflightHiFromLostPacket. */
static u64 quic_bbr_inflight_before(const struct quic_cong *cong,
				    const struct quic_rate_snapshot *snapshot, u32 bytes, u64 lost)
{
	u64 before = snapshot->in_flight > bytes ? snapshot->in_flight - bytes : 0;
	u32 percent = quic_bbr_tolerance(cong);
	u64 tolerated = before * percent;
	u64 lost_before = lost > bytes ? lost - bytes : 0;

	if (tolerated <= lost_before * 100)
		return before;
	return before + div_u64(tolerated - lost_before * 100, 100 - percent);
}

/* Section 4.5.6.2, BBRHandleLostPacket */
static void quic_bbr_on_packet_lost(struct quic_cong *cong,
				    const struct quic_rate_snapshot *snapshot, u32 bytes, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 lost;

	bbr->rate.lost += bytes;
	if (!bbr->probe_samples || !snapshot->delivered_time)
		return;
	lost = (u32)((u32)bbr->rate.lost - snapshot->lost);
	if (quic_bbr_is_loss_high(cong, lost, snapshot->in_flight))
		quic_bbr_on_inflight_too_high(cong,
					      quic_bbr_inflight_before(cong, snapshot, bytes, lost),
					      snapshot->app_limited, now);
}

/* What an undone event gives back. */
static void quic_bbr_save_bounds(struct quic_bbr *bbr)
{
	bbr->undo_bw_lo = bbr->bw_lo;
	bbr->undo_inflight_lo = bbr->inflight_lo;
	bbr->undo_inflight_hi = bbr->inflight_hi;
}

/* Section 4.6.4.4, BBROnEnterFastRecovery; marks by the network count as losses do. */
static void quic_bbr_on_event(struct quic_cong *cong, u64 now)
{
	struct quic_bbr *bbr = &cong->bbr;
	u64 acked = cong->delivered - cong->seen_delivered;

	if (bbr->in_recovery)
		quic_bbr_save_bounds(bbr);
	quic_bbr_save_cwnd(cong);
	bbr->in_recovery = true;
	if (cong->lost == cong->seen_lost)
		bbr->mark_in_round = true;
	else if (!quic_bbr_sees_queue(cong))
		return;
	bbr->packet_conservation = true;
	cong->cwnd = min(cong->cwnd, cong->bytes_in_flight + max_t(u64, acked, cong->mss));
}

/* The bounds that losses brought are lifted; the window has returned already. */
static void quic_bbr_on_undo(struct quic_cong *cong)
{
	struct quic_bbr *bbr = &cong->bbr;

	bbr->bw_lo = max(bbr->bw_lo, bbr->undo_bw_lo);
	bbr->inflight_lo = max(bbr->inflight_lo, bbr->undo_inflight_lo);
	bbr->inflight_hi = max(bbr->inflight_hi, bbr->undo_inflight_hi);
}

/* The window grows again from its minimum; what it was is no guide any more. */
static void quic_bbr_on_persistent(struct quic_cong *cong)
{
	cong->bbr.in_recovery = false;
	cong->bbr.packet_conservation = false;
	cong->bbr.prior_cwnd = 0;
}

/* Section 4.2.3 */
static void quic_bbr_on_ack(struct quic_cong *cong, const struct quic_cong_ack *ack)
{
	struct quic_bbr *bbr = &cong->bbr;
	struct quic_rate_sample rs;

	quic_bbr_begin(cong, ack);
	quic_rate_sample(&bbr->rate, ack->rtt->min_rtt, ack->now, &rs);

	quic_bbr_update_latest(cong, &rs);
	quic_bbr_update_congestion(cong, &rs);
	quic_bbr_update_aggregation(cong, ack);
	quic_bbr_check_startup(cong, ack, &rs);
	if (bbr->state == QUIC_BBR_DRAIN &&
	    cong->bytes_in_flight <= quic_bbr_inflight(cong, bbr->bw, 100))
		quic_bbr_start_down(cong, ack->now);
	quic_bbr_update_cycle(cong, ack, &rs);
	quic_bbr_update_min_rtt(cong, &rs, ack->now);
	quic_bbr_check_probe_rtt(cong, &rs, ack->now);
	quic_bbr_advance_latest(cong, &rs);
	quic_bbr_bound_bw(cong);

	quic_bbr_set_pacing_rate(cong, quic_bbr_pacing_gain[bbr->state]);
	quic_bbr_set_cwnd(cong, ack, &rs);
	/* Before losses are judged, as they change the bounds one by one. */
	if (!bbr->in_recovery)
		quic_bbr_save_bounds(bbr);
}

/* Whether the window was used up, or left alone for want of data. */
static void quic_bbr_on_burst(struct quic_cong *cong)
{
	if (cong->app_limited)
		quic_rate_on_app_limited(&cong->bbr.rate, cong->bytes_in_flight);
	else if (!quic_cong_has_room(cong))
		cong->bbr.window_full = true;
}

const struct quic_cong_ops quic_cong_bbr = {
	.name = "bbr",
	.init = quic_bbr_init,
	.on_acked = quic_bbr_on_acked,
	.on_event = quic_bbr_on_event,
	.on_persistent = quic_bbr_on_persistent,
	.on_undo = quic_bbr_on_undo,
	.on_sent = quic_bbr_on_sent,
	.on_delivered = quic_bbr_on_delivered,
	.on_packet_lost = quic_bbr_on_packet_lost,
	.on_ack = quic_bbr_on_ack,
	.on_burst = quic_bbr_on_burst,
};
