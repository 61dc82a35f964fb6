/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a path delivers: samples of its rate, one for each ACK frame, for
 * controllers that go by them. draft-cheng-iccrg-delivery-rate-estimation.
 */
#ifndef _QUIC_CORE_DELIVERY_RATE_H
#define _QUIC_CORE_DELIVERY_RATE_H

#include <linux/types.h>

/**
 * struct quic_rate_snapshot - what was known when a packet was sent
 * @delivered_time: &quic_delivery_rate.delivered_time; 0: there is no snapshot
 * @first_sent_time: &quic_delivery_rate.first_sent_time
 * @delivered: low bits of &quic_delivery_rate.delivered
 * @lost:      low bits of &quic_delivery_rate.lost
 * @in_flight: bytes, the packet included
 * @app_limited: the application had nothing more to send
 */
struct quic_rate_snapshot {
	u64 delivered_time;
	u64 first_sent_time;
	u32 delivered;
	u32 lost;
	u32 in_flight;
	bool app_limited;
};

/**
 * struct quic_rate_sample - what an ACK frame says about its newest packet
 * @sent_time: when that was sent, ns; 0: nothing with a snapshot was acknowledged
 * @delivered: bytes delivered since
 * @prior_delivered: bytes ever delivered then
 * @interval:  that @delivered took, ns; 0: there is no reliable rate
 * @rate:      bytes per second; 0: likewise
 * @rtt:       of that packet, ns
 * @lost:      bytes lost since it was sent
 * @in_flight: bytes in flight when it was sent
 * @app_limited: the application, not the path, may have limited the rate
 */
struct quic_rate_sample {
	u64 sent_time;
	u64 delivered;
	u64 prior_delivered;
	u64 interval;
	u64 rate;
	u64 rtt;
	u32 lost;
	u32 in_flight;
	bool app_limited;
};

/**
 * struct quic_delivery_rate - the estimator of one path
 * @delivered:      bytes acknowledged so far
 * @delivered_time: when the last of them were, ns
 * @first_sent_time: when the newest of them was sent, or what was sent first after idle time, ns
 * @lost:           bytes lost so far
 * @app_limited:    samples count as limited until @delivered exceeds it; 0: they do not
 * @newest:         snapshot of the newest packet acknowledged since the last sample
 * @newest_sent:    when it was sent, ns; 0: none
 */
struct quic_delivery_rate {
	u64 delivered;
	u64 delivered_time;
	u64 first_sent_time;
	u64 lost;
	u64 app_limited;
	struct quic_rate_snapshot newest;
	u64 newest_sent;
};

/* A packet of @size bytes leaves; @in_flight includes it. */
void quic_rate_on_sent(struct quic_delivery_rate *rate, struct quic_rate_snapshot *snapshot,
		       u64 in_flight, u32 size, u64 now);
void quic_rate_on_acked(struct quic_delivery_rate *rate, const struct quic_rate_snapshot *snapshot,
			u32 size, u64 sent_time, u64 now);
/* Nothing more is to be sent, although the window would allow for it. */
void quic_rate_on_app_limited(struct quic_delivery_rate *rate, u64 in_flight);
/* After all packets of an ACK frame. */
void quic_rate_sample(struct quic_delivery_rate *rate, u64 min_rtt, u64 now,
		      struct quic_rate_sample *sample);
/* @bytes in @time ns, as bytes per second; saturates. */
u64 quic_rate_per_second(u64 bytes, u64 time);

#endif /* _QUIC_CORE_DELIVERY_RATE_H */
