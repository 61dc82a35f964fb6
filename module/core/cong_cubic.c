// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CUBIC, RFC 9438: how the window grows and shrinks, in integers. Windows are
 * bytes, times on the curve milliseconds. When it may grow is decided in cong.c.
 */
#include "core.h"
#include "cong.h"

/* RFC 9438, section 5: C = 0.4, beta = 0.7, alpha = 3 * (1 - beta) / (1 + beta) = 9 / 17 */
#define QUIC_CUBIC_BETA(window)		div_u64((window) * 7, 10)
#define QUIC_CUBIC_ALPHA_NUM		9
#define QUIC_CUBIC_ALPHA_DEN		17

/* Farther from the plateau than this the curve exceeds every window, ms. */
#define QUIC_CUBIC_TIME_MAX		262144

static void quic_cubic_init(struct quic_cong *cong)
{
	memset(&cong->cubic, 0, sizeof(cong->cubic));
}

/* The integer cube root, digit by digit. */
static u64 quic_cubic_root(u64 value)
{
	u64 root = 0;
	int shift;

	for (shift = 63; shift >= 0; shift -= 3) {
		u64 step;

		root *= 2;
		step = 3 * root * (root + 1) + 1;
		if (value >> shift >= step) {
			value -= step << shift;
			root++;
		}
	}
	return root;
}

/* Figure 1 of RFC 9438: the curve at @ms after the start of the epoch. */
static u64 quic_cubic_window(const struct quic_cong *cong, u64 ms)
{
	u64 delta = ms > cong->cubic.k ? ms - cong->cubic.k : cong->cubic.k - ms;
	u64 offset;

	/* 0.4 * mss * delta^3, delta in seconds; below 2^63 all the way */
	delta = min_t(u64, delta, QUIC_CUBIC_TIME_MAX);
	offset = div_u64(delta * delta * delta, 1000) * min_t(u32, cong->mss, U16_MAX) * 4;
	offset = div_u64(offset, 10000000);

	if (ms >= cong->cubic.k)
		return cong->cubic.origin + offset;
	return cong->cubic.origin > offset ? cong->cubic.origin - offset : 0;
}

/* RFC 9438, section 4.2: K, and what the curve starts from. */
static void quic_cubic_start_epoch(struct quic_cong *cong, u64 now)
{
	cong->cubic.epoch_start = now ?: 1;
	cong->cubic.quiet_since = 0;
	cong->cubic.w_est = cong->cwnd;
	cong->cubic.ack_accum = 0;

	if (cong->cwnd < cong->cubic.w_max) {
		/* the cube root of (w_max - cwnd) / mss / 0.4 seconds cubed, in ms */
		u64 rise = (cong->cubic.w_max - cong->cwnd) * 2500000000ULL;

		cong->cubic.k = quic_cubic_root(div_u64(rise, cong->mss));
		cong->cubic.origin = cong->cubic.w_max;
	} else {
		cong->cubic.k = 0;
		cong->cubic.origin = cong->cwnd;
	}
}

/* What the curve must not count: the window was not used. RFC 9438, section 5.8. */
static void quic_cubic_skip_quiet(struct quic_cong *cong, u64 sent_time)
{
	if (sent_time > cong->cubic.quiet_since)
		cong->cubic.epoch_start += sent_time - cong->cubic.quiet_since;
	cong->cubic.quiet_since = 0;
}

/* RFC 9438, section 4.3: what Reno would have by now. */
static void quic_cubic_grow_estimate(struct quic_cong *cong, u32 bytes)
{
	u64 window = cong->cwnd * QUIC_CUBIC_ALPHA_DEN;

	/* Once it has made up for the reduction it grows like Reno proper. */
	cong->cubic.ack_accum += (u64)bytes *
		(cong->cubic.w_est < cong->cubic.prior_cwnd ? QUIC_CUBIC_ALPHA_NUM :
							      QUIC_CUBIC_ALPHA_DEN);
	if (cong->cubic.ack_accum >= window) {
		cong->cubic.ack_accum -= window;
		cong->cubic.w_est += cong->mss;
	}
}

static void quic_cubic_on_acked(struct quic_cong *cong, u32 bytes, u64 sent_time,
				const struct quic_rtt *rtt, u64 now)
{
	u64 elapsed, target;

	if (quic_cong_in_slow_start(cong)) {
		quic_cong_slow_start(cong, bytes);
		return;
	}

	if (!cong->cubic.epoch_start)
		quic_cubic_start_epoch(cong, now);
	else if (cong->cubic.quiet_since)
		quic_cubic_skip_quiet(cong, sent_time);

	quic_cubic_grow_estimate(cong, bytes);
	elapsed = now > cong->cubic.epoch_start ? now - cong->cubic.epoch_start : 0;

	if (quic_cubic_window(cong, div_u64(elapsed, 1000000)) < cong->cubic.w_est) {
		cong->cwnd = max(cong->cwnd, cong->cubic.w_est);
		return;
	}

	/* RFC 9438, sections 4.4 and 4.5: get there within a round trip. */
	target = quic_cubic_window(cong, div_u64(elapsed + rtt->smoothed_rtt, 1000000));
	target = clamp_t(u64, target, cong->cwnd, cong->cwnd + cong->cwnd / 2);
	cong->bytes_acked += (target - cong->cwnd) * bytes;
	if (cong->bytes_acked >= cong->cwnd) {
		u64 window = cong->cwnd;

		cong->cwnd += div64_u64_rem(cong->bytes_acked, window, &cong->bytes_acked);
	}
}

/* RFC 9438, sections 4.6 and 4.7 */
static void quic_cubic_on_event(struct quic_cong *cong, u64 now)
{
	/* Fast convergence: who lost below the last plateau makes room for others. */
	if (cong->cwnd < cong->cubic.w_max)
		cong->cubic.w_max = div_u64(cong->cwnd * 17, 20);
	else
		cong->cubic.w_max = cong->cwnd;

	cong->cubic.prior_cwnd = cong->cwnd;
	cong->cubic.epoch_start = 0;
	cong->ssthresh = max(QUIC_CUBIC_BETA(cong->cwnd), quic_cong_min_window(cong));
	cong->cwnd = cong->ssthresh;
	quic_prr_begin(cong);
}

/* RFC 9438, section 4.9.2: the curve goes on where it was. */
static void quic_cubic_on_undo(struct quic_cong *cong)
{
	cong->cubic = cong->undo.cubic;
}

/* RFC 9438, section 4.8: the first epoch afterwards starts on its plateau. */
static void quic_cubic_on_persistent(struct quic_cong *cong)
{
	cong->cubic.w_max = 0;
	cong->cubic.epoch_start = 0;
}

static void quic_cubic_on_quiet(struct quic_cong *cong, u64 now)
{
	if (!cong->cubic.quiet_since)
		cong->cubic.quiet_since = now;
}

const struct quic_cong_ops quic_cong_cubic = {
	.name = "cubic",
	.init = quic_cubic_init,
	.on_acked = quic_cubic_on_acked,
	.on_event = quic_cubic_on_event,
	.on_persistent = quic_cubic_on_persistent,
	.on_quiet = quic_cubic_on_quiet,
	.on_undo = quic_cubic_on_undo,
};
