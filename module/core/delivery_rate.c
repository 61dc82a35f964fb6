// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Samples of the rate at which a path delivers: bytes acknowledged over the
 * longer of the time it took to send them and the time it took to hear of
 * them. What the samples mean is for a congestion controller to say.
 * draft-cheng-iccrg-delivery-rate-estimation.
 */
#include "core.h"
#include "delivery_rate.h"

#define QUIC_RATE_SECOND	1000000000ULL	/* ns */

/**
 * quic_rate_per_second() - a rate
 * @bytes: how many
 * @time:  in how long, ns
 *
 * Return: bytes per second; U64_MAX where that does not fit.
 */
u64 quic_rate_per_second(u64 bytes, u64 time)
{
	if (!time)
		return U64_MAX;
	if (bytes <= U64_MAX / QUIC_RATE_SECOND)
		return div64_u64(bytes * QUIC_RATE_SECOND, time);
	if (time >= QUIC_RATE_SECOND)
		return div64_u64(bytes, div_u64(time, QUIC_RATE_SECOND));
	return U64_MAX;
}

/**
 * quic_rate_on_sent() - a packet leaves
 * @rate:      estimator of its path
 * @snapshot:  filled; kept with the record of the packet
 * @in_flight: bytes, the packet included
 * @size:      of the packet
 * @now:       current time, ns
 *
 * After idle time the interval of the next sample begins now. Section 3.2.
 */
void quic_rate_on_sent(struct quic_delivery_rate *rate, struct quic_rate_snapshot *snapshot,
		       u64 in_flight, u32 size, u64 now)
{
	if (in_flight <= size) {
		rate->first_sent_time = now;
		rate->delivered_time = now;
	}
	snapshot->delivered_time = rate->delivered_time;
	snapshot->first_sent_time = rate->first_sent_time;
	snapshot->delivered = rate->delivered;
	snapshot->lost = rate->lost;
	snapshot->in_flight = min_t(u64, in_flight, U32_MAX);
	snapshot->app_limited = rate->app_limited;
}

/**
 * quic_rate_on_acked() - a packet was delivered
 * @rate:      estimator of its path
 * @snapshot:  of the packet, or one without time
 * @size:      of the packet
 * @sent_time: when it was sent, ns
 * @now:       current time, ns
 *
 * Section 3.3, UpdateRateSample.
 */
void quic_rate_on_acked(struct quic_delivery_rate *rate, const struct quic_rate_snapshot *snapshot,
			u32 size, u64 sent_time, u64 now)
{
	rate->delivered += size;
	rate->delivered_time = now;
	if (snapshot->delivered_time && sent_time >= rate->newest_sent) {
		rate->newest = *snapshot;
		rate->newest_sent = sent_time;
	}
}

/**
 * quic_rate_on_app_limited() - what is in flight says little about the path
 * @rate:      its estimator
 * @in_flight: bytes
 *
 * Section 3.4.
 */
void quic_rate_on_app_limited(struct quic_delivery_rate *rate, u64 in_flight)
{
	rate->app_limited = rate->delivered + in_flight ?: 1;
}

/**
 * quic_rate_sample() - what one ACK frame says
 * @rate:    estimator of the path
 * @min_rtt: its smallest round-trip time, ns; what was faster is not believed
 * @now:     current time, ns
 * @sample:  filled
 *
 * Section 3.3, GenerateRateSample.
 */
void quic_rate_sample(struct quic_delivery_rate *rate, u64 min_rtt, u64 now,
		      struct quic_rate_sample *sample)
{
	const struct quic_rate_snapshot *newest = &rate->newest;

	memset(sample, 0, sizeof(*sample));
	if (rate->app_limited && rate->delivered > rate->app_limited)
		rate->app_limited = 0;
	if (!rate->newest_sent)
		return;

	sample->sent_time = rate->newest_sent;
	sample->delivered = (u32)(rate->delivered - newest->delivered);
	sample->prior_delivered = rate->delivered - sample->delivered;
	sample->lost = rate->lost - newest->lost;
	sample->in_flight = newest->in_flight;
	sample->app_limited = newest->app_limited;
	sample->rtt = now > rate->newest_sent ? now - rate->newest_sent : 1;
	sample->interval = max(rate->newest_sent - newest->first_sent_time,
			       rate->delivered_time - newest->delivered_time);
	rate->first_sent_time = rate->newest_sent;
	rate->newest_sent = 0;
	if (sample->interval < min_rtt)
		sample->interval = 0;
	if (sample->interval)
		sample->rate = quic_rate_per_second(sample->delivered, sample->interval);
}
