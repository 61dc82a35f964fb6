/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The congestion controller of one path: the interface, what all controllers
 * share, and the state of each. RFC 9002, section 7; RFC 9438.
 */
#ifndef _QUIC_CORE_CONG_H
#define _QUIC_CORE_CONG_H

#include "rtt.h"

/* cwnd never grows above, whatever @max_window says: arithmetic in 64 bits stays exact. */
#define QUIC_CONG_WINDOW_LIMIT		536870911
#define QUIC_CONG_INITIAL_WINDOW	14720	/* RFC 9002, section 7.2 */

struct quic_cong;

/**
 * struct quic_cong_ops - one algorithm
 * @name:      for people
 * @init:      reset own state
 * @on_acked:  @bytes that were in flight, sent at @sent_time, outside recovery, are acknowledged
 * @on_event:  a new congestion event: set ssthresh and cwnd
 * @on_persistent: persistent congestion was established, cwnd is already the minimum
 * @on_quiet:  optional: from @now on the sender does not use its window
 */
struct quic_cong_ops {
	const char *name;
	void (*init)(struct quic_cong *cong);
	void (*on_acked)(struct quic_cong *cong, u32 bytes, u64 sent_time,
			 const struct quic_rtt *rtt, u64 now);
	void (*on_event)(struct quic_cong *cong, u64 now);
	void (*on_persistent)(struct quic_cong *cong);
	void (*on_quiet)(struct quic_cong *cong, u64 now);
};

/**
 * struct quic_cong - controller state
 * @ops:             the algorithm
 * @cwnd:            congestion window, bytes
 * @ssthresh:        slow start threshold, bytes, U64_MAX at first
 * @bytes_in_flight: sum of the sizes of packets in flight
 * @max_window:      cwnd never grows above
 * @recovery_start:  start of the recovery period, 0: none; RFC 9002, section 7.3.2
 * @mss:             largest packet that may be sent, bytes
 * @bytes_acked:     credit towards the next growth of cwnd, in the algorithm's units
 * @app_limited:     the sender did not use the window; RFC 9002, section 7.8
 * @cubic.w_max:     cwnd before the last reduction, or less by fast convergence; 0: none
 * @cubic.k:         time from @epoch_start to @origin, ms
 * @cubic.epoch_start: start of congestion avoidance, ns, later by all quiet periods; 0: none
 * @cubic.quiet_since: the window is not used since then, ns; 0: it is
 * @cubic.w_est:     window that Reno would have, bytes
 * @cubic.prior_cwnd: cwnd before the last reduction
 * @cubic.origin:    plateau of the curve, bytes
 * @cubic.ack_accum: credit towards the next growth of @w_est
 */
struct quic_cong {
	const struct quic_cong_ops *ops;
	u64 cwnd;
	u64 ssthresh;
	u64 bytes_in_flight;
	u64 max_window;
	u64 recovery_start;
	u64 bytes_acked;
	u32 mss;
	bool app_limited;
	union {
		struct {
			u64 w_max;
			u64 k;
			u64 epoch_start;
			u64 quiet_since;
			u64 w_est;
			u64 prior_cwnd;
			u64 origin;
			u64 ack_accum;
		} cubic;
	};
};

extern const struct quic_cong_ops quic_cong_reno;
extern const struct quic_cong_ops quic_cong_cubic;

/* @algo: QUIC_CONG_ALG_*; NULL if there is no such controller. */
const struct quic_cong_ops *quic_cong_find(u8 algo);
void quic_cong_init(struct quic_cong *cong, const struct quic_cong_ops *ops, u32 mss);
void quic_cong_set_mss(struct quic_cong *cong, u32 mss);
void quic_cong_on_sent(struct quic_cong *cong, u32 bytes);
void quic_cong_on_acked(struct quic_cong *cong, u32 bytes, u64 sent_time,
			const struct quic_rtt *rtt, u64 now);
/* Lost packets leave the flight first, then the event is judged once by the newest send time. */
void quic_cong_on_lost(struct quic_cong *cong, u32 bytes);
void quic_cong_on_event(struct quic_cong *cong, u64 sent_time, u64 now);
void quic_cong_on_persistent(struct quic_cong *cong);
void quic_cong_on_discarded(struct quic_cong *cong, u32 bytes);

/* The smallest window. RFC 9002, section 7.2. */
static inline u64 quic_cong_min_window(const struct quic_cong *cong)
{
	return 2 * (u64)cong->mss;
}

/* May a packet of any size be sent? RFC 9002, section 7: never beyond cwnd. */
static inline bool quic_cong_has_room(const struct quic_cong *cong)
{
	return cong->bytes_in_flight + cong->mss <= cong->cwnd;
}

static inline bool quic_cong_in_slow_start(const struct quic_cong *cong)
{
	return cong->cwnd < cong->ssthresh;
}

#endif /* _QUIC_CORE_CONG_H */
