/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BBR: the state of the controller, its model of the path, and what the files
 * of the controller share. draft-cardwell-iccrg-bbr-congestion-control-02.
 * Volumes are bytes, rates bytes per second, times ns, gains percent.
 */
#ifndef _QUIC_CORE_CONG_BBR_H
#define _QUIC_CORE_CONG_BBR_H

#include "delivery_rate.h"

struct quic_cong;
struct quic_cong_ack;

#define QUIC_BBR_NONE		U64_MAX		/* "Infinity": no bound */

#define QUIC_BBR_MS		1000000ULL	/* ns */
#define QUIC_BBR_SECOND		(1000 * QUIC_BBR_MS)

/* Section 2.8 and 4.6.1 */
#define QUIC_BBR_STARTUP_GAIN	277
#define QUIC_BBR_LOSS_PERCENT	2
#define QUIC_BBR_NOISE_PERCENT	10	/* ours: of losses while no queue is seen */
#define QUIC_BBR_BETA(value)	div_u64((value) * 7, 10)

enum quic_bbr_state {
	QUIC_BBR_STARTUP,
	QUIC_BBR_DRAIN,
	QUIC_BBR_PROBE_DOWN,
	QUIC_BBR_PROBE_CRUISE,
	QUIC_BBR_PROBE_REFILL,
	QUIC_BBR_PROBE_UP,
	QUIC_BBR_PROBE_RTT,
};

/* Which phase of probing do the ACK frames that come in now tell of? */
enum quic_bbr_acks {
	QUIC_BBR_ACKS_INIT,
	QUIC_BBR_ACKS_REFILLING,
	QUIC_BBR_ACKS_STARTING,
	QUIC_BBR_ACKS_FEEDBACK,
	QUIC_BBR_ACKS_STOPPING,
};

/**
 * struct quic_bbr - state of BBR; names as in the draft
 * @rate:           estimator of the delivery rate
 * @filter_bw:      largest rates of the last and the current cycle of probing
 * @bw:             rate to go by: the larger one, within @bw_lo
 * @filter_acked:   largest excess of acknowledgments of the last five rounds, and the ones before
 * @round_rtt, @last_rtt: smallest RTT of this round and of the last one
 * @round_lost, @round_delivered: &quic_delivery_rate.lost and .delivered when this round began
 * @undo_bw_lo, @undo_inflight_lo, @undo_inflight_hi: before the last congestion event
 * @rounds_up:      rounds since probing for bandwidth began
 * @loss_events:    ACK frames with losses in this round
 * @mark_in_round:  the network marked packets in this round
 * @has_rate:       the pacing rate goes by an RTT that was measured
 * @window_full:    the window was used up in this round
 * @in_recovery:    losses are being repaired
 */
struct quic_bbr {
	struct quic_delivery_rate rate;
	u64 filter_bw[2];
	u64 bw;
	u64 bw_lo;
	u64 bw_latest;
	u64 inflight_hi;
	u64 inflight_lo;
	u64 inflight_latest;
	u64 min_rtt;
	u64 min_rtt_stamp;
	u64 probe_rtt_min_delay;
	u64 probe_rtt_min_stamp;
	u64 probe_rtt_done_stamp;
	u64 next_round_delivered;
	u64 loss_round_delivered;
	u64 cycle_stamp;
	u64 probe_wait;
	u64 probe_up_acks;
	u64 full_bw;
	u64 extra_acked_start;
	u64 extra_acked_delivered;
	u64 filter_acked[2];
	u64 initial_cwnd;
	u64 prior_cwnd;
	u64 round_rtt;
	u64 last_rtt;
	u64 round_lost;
	u64 round_delivered;
	u64 undo_bw_lo;
	u64 undo_inflight_lo;
	u64 undo_inflight_hi;
	u32 rounds_since_probe;
	u8 state;
	u8 acks;
	u8 full_bw_count;
	u8 probe_up_rounds;
	u8 rounds_up;
	u8 acked_rounds;
	u8 loss_events;
	bool round_start;
	bool loss_round_start;
	bool mark_in_round;
	bool filled_pipe;
	bool probe_samples;
	bool probe_rtt_expired;
	bool probe_rtt_round_done;
	bool idle_restart;
	bool packet_conservation;
	bool in_recovery;
	bool window_full;
	bool has_rate;
};

/* cong_bbr_model.c: what the path can take */
void quic_bbr_model_init(struct quic_cong *cong);
void quic_bbr_start_round(struct quic_cong *cong);
void quic_bbr_reset_congestion(struct quic_cong *cong);
void quic_bbr_reset_lower_bounds(struct quic_cong *cong);
void quic_bbr_advance_max_bw(struct quic_cong *cong);
void quic_bbr_update_latest(struct quic_cong *cong, const struct quic_rate_sample *rs);
void quic_bbr_update_congestion(struct quic_cong *cong, const struct quic_rate_sample *rs);
void quic_bbr_update_aggregation(struct quic_cong *cong, const struct quic_cong_ack *ack);
void quic_bbr_update_min_rtt(struct quic_cong *cong, const struct quic_rate_sample *rs, u64 now);
void quic_bbr_advance_latest(struct quic_cong *cong, const struct quic_rate_sample *rs);
void quic_bbr_bound_bw(struct quic_cong *cong);
u64 quic_bbr_max_bw(const struct quic_cong *cong);
/* @percent of what fills the path at @bw; without an estimate, the initial window. */
u64 quic_bbr_bdp(const struct quic_cong *cong, u64 bw, u32 percent);
/* Likewise, but no less than the hosts need to keep going. */
u64 quic_bbr_inflight(const struct quic_cong *cong, u64 bw, u32 percent);
u64 quic_bbr_quantize(const struct quic_cong *cong, u64 inflight);
u64 quic_bbr_with_headroom(const struct quic_cong *cong);
u64 quic_bbr_extra_acked(const struct quic_cong *cong);
bool quic_bbr_is_probing_bw(const struct quic_cong *cong);
bool quic_bbr_sees_queue(const struct quic_cong *cong);
/* Is @lost of @in_flight more than is tolerated? */
bool quic_bbr_is_loss_high(const struct quic_cong *cong, u64 lost, u64 in_flight);
u32 quic_bbr_tolerance(const struct quic_cong *cong);

#endif /* _QUIC_CORE_CONG_BBR_H */
