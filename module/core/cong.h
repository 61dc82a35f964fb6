/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The congestion controller of one path: the interface, what all controllers
 * share, and the state of each. RFC 9002, section 7; RFC 9438.
 */
#ifndef _QUIC_CORE_CONG_H
#define _QUIC_CORE_CONG_H

#include "cong_bbr.h"
#include "rtt.h"

/* cwnd never grows above, whatever @max_window says: arithmetic in 64 bits stays exact. */
#define QUIC_CONG_WINDOW_LIMIT		536870911
#define QUIC_CONG_INITIAL_WINDOW	14720	/* RFC 9002, section 7.2 */

struct quic_cong;

/**
 * struct quic_cong_ack - what one ACK frame, or the loss timer, has told
 * @rtt:       estimator of the path, this frame's sample included
 * @now:       current time, ns
 * @sent_time: when the largest packet it acknowledged was sent, ns; 0: it gave no RTT sample
 * @acked:     bytes that left the flight as acknowledged
 * @lost:      and as lost
 */
struct quic_cong_ack {
	const struct quic_rtt *rtt;
	u64 now;
	u64 sent_time;
	u64 acked;
	u64 lost;
};

/**
 * struct quic_cong_ops - one algorithm
 * @name:      for people
 * @init:      reset own state
 * @on_acked:  @bytes that were in flight, sent at @sent_time, outside recovery, are acknowledged
 * @on_event:  a new congestion event: set ssthresh and cwnd
 * @on_persistent: persistent congestion was established, cwnd is already the minimum
 * @on_quiet:  optional: from @now on the sender does not use its window
 * @on_undo:   optional: the last event was none, cwnd and ssthresh are what they were
 * @on_ack:    optional: in place of slow start and recovery as others have them
 *
 * A controller that goes by the delivery rate has all of these, too:
 *
 * @on_sent:   a packet of @bytes is in flight; fill in @snapshot
 * @on_delivered: it was acknowledged
 * @on_packet_lost: it was lost
 * @on_burst:  a round of sending is over
 */
struct quic_cong_ops {
	const char *name;
	void (*init)(struct quic_cong *cong);
	void (*on_acked)(struct quic_cong *cong, u32 bytes, u64 sent_time,
			 const struct quic_rtt *rtt, u64 now);
	void (*on_event)(struct quic_cong *cong, u64 now);
	void (*on_persistent)(struct quic_cong *cong);
	void (*on_quiet)(struct quic_cong *cong, u64 now);
	void (*on_undo)(struct quic_cong *cong);
	void (*on_ack)(struct quic_cong *cong, const struct quic_cong_ack *ack);
	void (*on_sent)(struct quic_cong *cong, struct quic_rate_snapshot *snapshot, u32 bytes,
			u64 now);
	void (*on_delivered)(struct quic_cong *cong, const struct quic_rate_snapshot *snapshot,
			     u32 bytes, u64 sent_time, u64 now);
	void (*on_packet_lost)(struct quic_cong *cong, const struct quic_rate_snapshot *snapshot,
			       u32 bytes, u64 now);
	void (*on_burst)(struct quic_cong *cong);
};

/**
 * struct quic_cubic - state of CUBIC, RFC 9438
 * @w_max:     cwnd before the last reduction, or less by fast convergence; 0: none
 * @k:         time from @epoch_start to @origin, ms
 * @epoch_start: start of congestion avoidance, ns, later by all quiet periods; 0: none
 * @quiet_since: the window is not used since then, ns; 0: it is
 * @w_est:     window that Reno would have, bytes
 * @prior_cwnd: cwnd before the last reduction
 * @origin:    plateau of the curve, bytes
 * @ack_accum: credit towards the next growth of @w_est
 */
struct quic_cubic {
	u64 w_max;
	u64 k;
	u64 epoch_start;
	u64 quiet_since;
	u64 w_est;
	u64 prior_cwnd;
	u64 origin;
	u64 ack_accum;
};

/**
 * struct quic_prr - proportional rate reduction in a recovery period, RFC 9937
 * @window:    may be in flight now, bytes; 0: no such period, cwnd rules
 * @flight:    was in flight when the period began, bytes
 * @delivered: &quic_cong.delivered then
 * @sent:      &quic_cong.sent then
 */
struct quic_prr {
	u64 window;
	u64 flight;
	u64 delivered;
	u64 sent;
};

/**
 * struct quic_hystart - does the delay grow in slow start? HyStart++, RFC 9406
 * @round_start: packets sent from then on end the round, ns
 * @last_min:  smallest RTT of the last round, ns; U64_MAX: unknown
 * @round_min: of this round
 * @baseline:  of the round that began conservative slow start
 * @samples:   in this round
 * @rounds:    of conservative slow start so far
 * @conservative: it has begun
 */
struct quic_hystart {
	u64 round_start;
	u64 last_min;
	u64 round_min;
	u64 baseline;
	u8 samples;
	u8 rounds;
	bool conservative;
};

/**
 * struct quic_cong_undo - what was before the last congestion event
 * @cwnd, @ssthresh: likewise
 * @cubic:    likewise
 * @lost:     packets whose loss belongs to the event and was not found spurious
 * @possible: the event rests on losses alone
 */
struct quic_cong_undo {
	u64 cwnd;
	u64 ssthresh;
	struct quic_cubic cubic;
	u32 lost;
	bool possible;
};

/**
 * struct quic_cong - controller state
 * @ops:             the algorithm
 * @cwnd:            congestion window, bytes
 * @ssthresh:        slow start threshold, bytes, U64_MAX at first
 * @bytes_in_flight: sum of the sizes of packets in flight
 * @max_window:      cwnd never grows above
 * @recovery_start:  start of the recovery period, 0: none; RFC 9002, section 7.3.2
 * @bytes_acked:     credit towards the next growth of cwnd, in the algorithm's units
 * @sent:            bytes that ever were in flight
 * @delivered:       of these, acknowledged
 * @lost:            of these, lost
 * @seen_delivered, @seen_lost: what they were after the last ACK frame
 * @mss:             largest packet that may be sent, bytes
 * @events:          congestion events so far
 * @app_limited:     the sender did not use the window; RFC 9002, section 7.8
 * @wants_rate:      the algorithm goes by the delivery rate
 * @pacing_rate:     that the algorithm has chosen, bytes per second; 0: cwnd and RTT make it
 */
struct quic_cong {
	const struct quic_cong_ops *ops;
	u64 cwnd;
	u64 ssthresh;
	u64 bytes_in_flight;
	u64 max_window;
	u64 recovery_start;
	u64 bytes_acked;
	u64 sent;
	u64 delivered;
	u64 lost;
	u64 seen_delivered;
	u64 seen_lost;
	u32 mss;
	u32 events;
	bool app_limited;
	bool wants_rate;
	u64 pacing_rate;
	struct quic_prr prr;
	struct quic_hystart hystart;
	struct quic_cong_undo undo;
	union {
		struct quic_cubic cubic;
		struct quic_bbr bbr;
	};
};

extern const struct quic_cong_ops quic_cong_reno;
extern const struct quic_cong_ops quic_cong_cubic;
extern const struct quic_cong_ops quic_cong_bbr;

/* @algo: QUIC_CONG_ALG_*; NULL if there is no such controller. */
const struct quic_cong_ops *quic_cong_find(u8 algo);
void quic_cong_init(struct quic_cong *cong, const struct quic_cong_ops *ops, u32 mss);
void quic_cong_set_mss(struct quic_cong *cong, u32 mss);
void quic_cong_on_sent(struct quic_cong *cong, u32 bytes);
void quic_cong_on_acked(struct quic_cong *cong, u32 bytes, u64 sent_time,
			const struct quic_rtt *rtt, u64 now);
/* Lost packets leave the flight first, then the event is judged once by the newest send time. */
void quic_cong_on_lost(struct quic_cong *cong, u32 bytes);
/* The network marked packets, the newest sent at @sent_time. */
void quic_cong_on_event(struct quic_cong *cong, u64 sent_time, u64 now);
/* It lost @packets of them; true: that is a new event. */
bool quic_cong_on_loss_event(struct quic_cong *cong, u32 packets, u64 sent_time, u64 now);
/* A packet of @bytes whose loss was part of event number @event did arrive. */
void quic_cong_on_spurious(struct quic_cong *cong, u32 bytes, u32 event);
/* Once per ACK frame or loss timer, after all of its packets were accounted for. */
void quic_cong_on_ack(struct quic_cong *cong, const struct quic_rtt *rtt, u64 sent_time, u64 now);
void quic_cong_on_persistent(struct quic_cong *cong);
void quic_cong_on_discarded(struct quic_cong *cong, u32 bytes);

/* cong_prr.c */
void quic_prr_begin(struct quic_cong *cong);
void quic_prr_on_ack(struct quic_cong *cong, const struct quic_cong_ack *ack);
/* cong_hystart.c */
void quic_hystart_init(struct quic_hystart *hystart);
void quic_hystart_on_ack(struct quic_cong *cong, const struct quic_cong_ack *ack);

/* The smallest window. RFC 9002, section 7.2. */
static inline u64 quic_cong_min_window(const struct quic_cong *cong)
{
	return 2 * (u64)cong->mss;
}

/* What may be in flight now: cwnd, or the way down to it; a packet at least. */
static inline u64 quic_cong_window(const struct quic_cong *cong)
{
	return unlikely(cong->prr.window) ? max_t(u64, cong->prr.window, cong->mss) : cong->cwnd;
}

/* May a packet of any size be sent? RFC 9002, section 7: never beyond cwnd. */
static inline bool quic_cong_has_room(const struct quic_cong *cong)
{
	return cong->bytes_in_flight + cong->mss <= quic_cong_window(cong);
}

static inline bool quic_cong_in_slow_start(const struct quic_cong *cong)
{
	return cong->cwnd < cong->ssthresh;
}

/* Slow start, at a quarter of its pace where the delay has begun to grow. */
static inline void quic_cong_slow_start(struct quic_cong *cong, u32 bytes)
{
	cong->cwnd += cong->hystart.conservative ? bytes / 4 : bytes;
}

#endif /* _QUIC_CORE_CONG_H */
