// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Estimating the round-trip time of one path. Which ACK frames give a sample
 * is for the caller to know; here a sample may be as absurd as a peer or a
 * clock can make it. RFC 9002, section 5.
 */
#include "core.h"
#include "rtt.h"

/**
 * quic_rtt_init() - a new path
 * @rtt:     its estimator
 * @initial: assumed round-trip time, ns; RFC 9002, section 6.2.2
 */
void quic_rtt_init(struct quic_rtt *rtt, u64 initial)
{
	initial = clamp_t(u64, initial, 1, QUIC_RTT_MAX);
	rtt->latest_rtt = 0;
	rtt->min_rtt = 0;
	rtt->smoothed_rtt = initial;
	rtt->rttvar = initial / 2;
	rtt->first_sample = 0;
}

/**
 * quic_rtt_update() - takes in a sample
 * @rtt:           estimator of the path
 * @latest:        from sending the largest acknowledged packet to now, ns
 * @ack_delay:     what the peer says it waited, ns
 * @max_ack_delay: what it promised not to exceed, ns
 * @confirmed:     the handshake is confirmed: the promise holds
 * @now:           current time, ns
 *
 * The variation is taken against the average before the sample, as in
 * RFC 9002, appendix A.7. RFC 9002, section 5.3.
 */
void quic_rtt_update(struct quic_rtt *rtt, u64 latest, u64 ack_delay,
		     u64 max_ack_delay, bool confirmed, u64 now)
{
	u64 adjusted, deviation;

	latest = clamp_t(u64, latest, 1, QUIC_RTT_MAX);
	rtt->latest_rtt = latest;

	if (!quic_rtt_has_sample(rtt)) {
		rtt->min_rtt = latest;
		rtt->smoothed_rtt = latest;
		rtt->rttvar = latest / 2;
		rtt->first_sample = now ?: 1;
		return;
	}

	rtt->min_rtt = min(rtt->min_rtt, latest);
	if (confirmed)
		ack_delay = min(ack_delay, max_ack_delay);
	adjusted = latest;
	if (latest - rtt->min_rtt >= ack_delay)
		adjusted -= ack_delay;

	deviation = adjusted > rtt->smoothed_rtt ? adjusted - rtt->smoothed_rtt :
						   rtt->smoothed_rtt - adjusted;
	rtt->rttvar = (3 * rtt->rttvar + deviation) / 4;
	rtt->smoothed_rtt = (7 * rtt->smoothed_rtt + adjusted) / 8;
}

/**
 * quic_rtt_on_persistent() - persistent congestion was established
 * @rtt: estimator of the path
 *
 * The path may have become a longer one. RFC 9002, section 5.2.
 */
void quic_rtt_on_persistent(struct quic_rtt *rtt)
{
	rtt->min_rtt = rtt->latest_rtt;
}

/**
 * quic_rtt_ack_delay() - what the ACK Delay field of a frame means
 * @delay:    the field
 * @exponent: the peer's ack_delay_exponent, 3 before it is known and in long headers
 *
 * Return: ns, at most QUIC_RTT_MAX. RFC 9000, section 19.3.
 */
u64 quic_rtt_ack_delay(u64 delay, u8 exponent)
{
	u64 most = QUIC_RTT_MAX / 1000 >> exponent;

	return delay > most ? QUIC_RTT_MAX : (delay << exponent) * 1000;
}

/**
 * quic_rtt_pto() - how long to wait for an acknowledgment
 * @rtt: estimator of the path
 *
 * Return: the period without max_ack_delay and backoff, ns, not below the
 * granularity of timers. RFC 9002, section 6.2.1.
 */
u64 quic_rtt_pto(const struct quic_rtt *rtt)
{
	return rtt->smoothed_rtt + max(4 * rtt->rttvar, QUIC_RTT_GRANULARITY);
}
