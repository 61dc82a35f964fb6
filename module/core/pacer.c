// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pacing. Credit flows in at a rate a little above one window per round trip
 * and is capped at a burst that a timer can keep up with. Whether the window
 * has room is for cong.c to say; waiting is left to the host. RFC 9002,
 * section 7.7.
 */
#include "core.h"
#include "delivery_rate.h"
#include "pacer.h"

#define QUIC_PACER_SECOND	1000000000U	/* ns */
#define QUIC_PACER_BURST	10		/* packets, the initial window */
#define QUIC_PACER_BURST_LIMITED 2		/* packets, where the application bounds the rate */
#define QUIC_PACER_TICKS	1000		/* a burst lasts a millisecond */
#define QUIC_PACER_TICKS_SMOOTHED 250		/* or four that a queue spreads */

/* Faster than a terabyte per second need not be paced; keeps products in 64 bits. */
#define QUIC_PACER_RATE_MAX	1000000000000ULL

/**
 * quic_pacer_init() - a new path, not paced until the first update
 * @pacer: its pacer
 */
void quic_pacer_init(struct quic_pacer *pacer)
{
	memset(pacer, 0, sizeof(*pacer));
	pacer->rate = QUIC_PACER_UNLIMITED;
	pacer->max_rate = QUIC_PACER_UNLIMITED;
}

/* Brings the credit up to date. No fraction is lost to frequent calls. */
static void quic_pacer_refill(struct quic_pacer *pacer, u64 now)
{
	u64 elapsed, credit;

	if (pacer->rate == QUIC_PACER_UNLIMITED || now <= pacer->last)
		return;

	elapsed = now - pacer->last;
	if (elapsed > div64_u64(U64_MAX - QUIC_PACER_SECOND, pacer->rate))
		credit = U64_MAX;
	else
		credit = div_u64_rem(elapsed * pacer->rate + pacer->fraction,
				     QUIC_PACER_SECOND, &pacer->fraction);

	if (credit >= pacer->burst - pacer->budget) {
		pacer->budget = pacer->burst;
		pacer->fraction = 0;
	} else {
		pacer->budget += credit;
	}
	pacer->last = now;
}

/**
 * quic_pacer_set_rate() - the rate has changed, or its bound
 * @pacer: pacer of a path
 * @rate:  bytes per second
 * @mss:   largest packet, bytes
 * @now:   current time, ns
 *
 * The first rate grants a full burst, which is no less than the initial window.
 */
void quic_pacer_set_rate(struct quic_pacer *pacer, u64 rate, u32 mss, u64 now)
{
	bool first = pacer->rate == QUIC_PACER_UNLIMITED;
	u32 packets = QUIC_PACER_BURST;

	quic_pacer_refill(pacer, now);

	if (rate > pacer->max_rate) {
		rate = pacer->max_rate;
		packets = QUIC_PACER_BURST_LIMITED;
	}
	if (rate > QUIC_PACER_RATE_MAX) {
		pacer->rate = QUIC_PACER_UNLIMITED;
		return;
	}

	pacer->rate = max(rate, 1ULL);
	pacer->burst = max_t(u64, (u64)packets * mss,
			     div_u64(rate, pacer->smoothed ? QUIC_PACER_TICKS_SMOOTHED :
							     QUIC_PACER_TICKS));
	if (first) {
		pacer->budget = pacer->burst;
		pacer->last = now;
	} else if (pacer->budget > pacer->burst) {
		pacer->budget = pacer->burst;
	}
	pacer->mss = mss;
}

/**
 * quic_pacer_set_mss() - packets have become larger or smaller
 * @pacer: pacer of a path
 * @mss:   largest packet, bytes
 *
 * Credit is for packets: what larger ones need in addition is granted at once.
 */
void quic_pacer_set_mss(struct quic_pacer *pacer, u32 mss)
{
	u32 packets = pacer->rate < pacer->max_rate ? QUIC_PACER_BURST : QUIC_PACER_BURST_LIMITED;
	u64 more;

	if (pacer->rate == QUIC_PACER_UNLIMITED || mss <= pacer->mss)
		return;
	more = (u64)packets * (mss - pacer->mss);
	pacer->burst += more;
	pacer->budget += more;
	pacer->mss = mss;
}

/**
 * quic_pacer_update() - window or round-trip time have changed
 * @pacer:        pacer of a path
 * @cwnd:         its congestion window, bytes
 * @smoothed_rtt: ns
 * @slow_start:   the window doubles each round trip, so the rate must as well
 * @mss:          largest packet, bytes
 * @now:          current time, ns
 *
 * The rate is 5/4 of a window per round trip, or 2 windows in slow start.
 */
void quic_pacer_update(struct quic_pacer *pacer, u64 cwnd, u64 smoothed_rtt,
		       bool slow_start, u32 mss, u64 now)
{
	u64 extra = slow_start ? cwnd : cwnd / 4;

	quic_pacer_set_rate(pacer, quic_rate_per_second(cwnd > U64_MAX - extra ? U64_MAX :
							cwnd + extra, smoothed_rtt),
			    mss, now);
}

/**
 * quic_pacer_may_send() - may bytes leave now?
 * @pacer: pacer of a path
 * @bytes: how many; more than a burst counts as a burst
 * @now:   current time, ns
 */
bool quic_pacer_may_send(struct quic_pacer *pacer, u32 bytes, u64 now)
{
	if (pacer->rate == QUIC_PACER_UNLIMITED)
		return true;
	quic_pacer_refill(pacer, now);
	return pacer->budget >= min_t(u64, bytes, pacer->burst);
}

/**
 * quic_pacer_on_sent() - bytes left, allowed or not
 * @pacer: pacer of their path
 * @bytes: how many
 */
void quic_pacer_on_sent(struct quic_pacer *pacer, u32 bytes)
{
	pacer->budget -= min_t(u64, pacer->budget, bytes);
}

/**
 * quic_pacer_next() - when may bytes leave?
 * @pacer: pacer of a path
 * @bytes: how many
 * @now:   current time, ns
 *
 * Return: the first moment at which quic_pacer_may_send() will say so, ns;
 * @now if it does already.
 */
u64 quic_pacer_next(const struct quic_pacer *pacer, u32 bytes, u64 now)
{
	u64 need, at;

	if (pacer->rate == QUIC_PACER_UNLIMITED)
		return now;
	need = min_t(u64, bytes, pacer->burst);
	if (need <= pacer->budget)
		return now;

	need = (need - pacer->budget) * QUIC_PACER_SECOND - pacer->fraction;
	at = pacer->last + div64_u64(need + pacer->rate - 1, pacer->rate);
	return max(at, now);
}
