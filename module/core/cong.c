// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all congestion controllers share: bytes in flight, the recovery period,
 * the bounds of the window. How the window grows and shrinks is said in
 * cong_reno.c, cong_cubic.c and cong_bbr.c. RFC 9002, section 7 and appendix B.
 */
#include "core.h"
#include <uapi/linux/quic.h>

#include "cong.h"

/**
 * quic_cong_find() - the controller of a number of the user interface
 * @algo: QUIC_CONG_ALG_*
 *
 * Return: the controller, or NULL.
 */
const struct quic_cong_ops *quic_cong_find(u8 algo)
{
	switch (algo) {
	case QUIC_CONG_ALG_RENO:
		return &quic_cong_reno;
	case QUIC_CONG_ALG_CUBIC:
		return &quic_cong_cubic;
	case QUIC_CONG_ALG_BBR:
		return &quic_cong_bbr;
	default:
		return NULL;
	}
}

/* RFC 9002, section 7.2 */
static u64 quic_cong_initial_window(u32 mss)
{
	return max_t(u64, min_t(u64, 10 * (u64)mss, QUIC_CONG_INITIAL_WINDOW), 2 * (u64)mss);
}

/* Keeps cwnd within its bounds; where they contradict, the smallest window counts. */
static void quic_cong_bound(struct quic_cong *cong)
{
	u64 most = min_t(u64, cong->max_window, QUIC_CONG_WINDOW_LIMIT);

	if (cong->cwnd > most)
		cong->cwnd = most;
	if (cong->cwnd < quic_cong_min_window(cong))
		cong->cwnd = quic_cong_min_window(cong);
}

/**
 * quic_cong_init() - a new path, or a newly chosen algorithm
 * @cong: state of the path; its bytes in flight are forgotten
 * @ops:  the algorithm
 * @mss:  largest packet that may be sent, bytes
 */
void quic_cong_init(struct quic_cong *cong, const struct quic_cong_ops *ops, u32 mss)
{
	memset(cong, 0, sizeof(*cong));
	cong->ops = ops;
	cong->mss = mss;
	cong->cwnd = quic_cong_initial_window(mss);
	cong->ssthresh = U64_MAX;
	cong->max_window = QUIC_CONG_WINDOW_LIMIT;
	cong->wants_rate = ops->on_sent;
	quic_hystart_init(&cong->hystart);
	ops->init(cong);
}

/**
 * quic_cong_set_mss() - the largest packet changed
 * @cong: state of the path
 * @mss:  the new size, bytes
 *
 * A window that is still the initial one is computed anew; one that has grown and never shrunk is
 * not left below what is initial for larger packets. RFC 9002, section 7.2.
 */
void quic_cong_set_mss(struct quic_cong *cong, u32 mss)
{
	u64 initial = quic_cong_initial_window(mss);

	if (cong->ssthresh == U64_MAX) {
		if (cong->cwnd == quic_cong_initial_window(cong->mss))
			cong->cwnd = initial;
		else if (mss > cong->mss)
			cong->cwnd = max(cong->cwnd, initial);
	}
	cong->mss = mss;
	quic_cong_bound(cong);
}

/**
 * quic_cong_on_sent() - a packet is in flight
 * @cong:  state of its path
 * @bytes: its size
 */
void quic_cong_on_sent(struct quic_cong *cong, u32 bytes)
{
	cong->bytes_in_flight += bytes;
	cong->sent += bytes;
}

static void quic_cong_leave_flight(struct quic_cong *cong, u32 bytes)
{
	cong->bytes_in_flight -= min_t(u64, cong->bytes_in_flight, bytes);
}

/* Was a packet sent then part of the recovery period, or before it? Appendix B.5. */
static bool quic_cong_in_recovery(const struct quic_cong *cong, u64 sent_time)
{
	return cong->recovery_start && sent_time <= cong->recovery_start;
}

/**
 * quic_cong_on_acked() - a packet that was in flight is acknowledged
 * @cong:      state of its path
 * @bytes:     its size
 * @sent_time: when it was sent, ns
 * @rtt:       estimator of the path
 * @now:       current time, ns
 *
 * A window that is not used does not grow. RFC 9002, section 7.8.
 */
void quic_cong_on_acked(struct quic_cong *cong, u32 bytes, u64 sent_time,
			const struct quic_rtt *rtt, u64 now)
{
	quic_cong_leave_flight(cong, bytes);
	cong->delivered += bytes;

	if (!quic_cong_in_recovery(cong, sent_time)) {
		/* The first packet sent in the period arrived: it is over. */
		cong->prr.window = 0;
		if (!cong->app_limited) {
			cong->ops->on_acked(cong, bytes, sent_time, rtt, now);
			quic_cong_bound(cong);
		}
	}
	if (cong->ops->on_quiet && (cong->app_limited || !cong->bytes_in_flight))
		cong->ops->on_quiet(cong, now);
}

/**
 * quic_cong_on_lost() - a packet that was in flight is lost
 * @cong:  state of its path
 * @bytes: its size
 */
void quic_cong_on_lost(struct quic_cong *cong, u32 bytes)
{
	quic_cong_leave_flight(cong, bytes);
	cong->lost += bytes;
}

/* Keeps what a spurious event will be undone to. */
static void quic_cong_save(struct quic_cong *cong)
{
	cong->undo.cwnd = cong->cwnd;
	cong->undo.ssthresh = cong->ssthresh;
	cong->undo.cubic = cong->cubic;
	cong->undo.lost = 0;
}

/**
 * quic_cong_on_event() - packets were marked by the network, or lost
 * @cong:      state of their path
 * @sent_time: when the newest of them was sent, ns
 * @now:       current time, ns
 *
 * Losses and marks of one round trip count once. RFC 9002, section 7.3.2.
 */
void quic_cong_on_event(struct quic_cong *cong, u64 sent_time, u64 now)
{
	cong->undo.possible = false;
	if (quic_cong_in_recovery(cong, sent_time))
		return;

	quic_cong_save(cong);
	cong->events++;
	cong->recovery_start = now ?: 1;
	cong->hystart.conservative = false;
	cong->ops->on_event(cong, now);
	cong->bytes_acked = 0;
	quic_cong_bound(cong);
}

/**
 * quic_cong_on_loss_event() - packets were lost
 * @cong:      state of their path; they have left its flight
 * @packets:   how many
 * @sent_time: when the newest of them was sent, ns
 * @now:       current time, ns
 *
 * Return: true if that is a new event, false if they belong to the last one.
 */
bool quic_cong_on_loss_event(struct quic_cong *cong, u32 packets, u64 sent_time, u64 now)
{
	bool possible = cong->undo.possible;
	u32 events = cong->events;

	quic_cong_on_event(cong, sent_time, now);
	cong->undo.possible = possible || cong->events != events;
	cong->undo.lost += packets;
	return cong->events != events;
}

/**
 * quic_cong_on_spurious() - a packet that was declared lost did arrive
 * @cong:  state of its path
 * @bytes: its size
 * @event: &quic_cong.events after its loss was judged
 *
 * An event of which every loss was spurious is undone. RFC 9438, section 4.9.
 */
void quic_cong_on_spurious(struct quic_cong *cong, u32 bytes, u32 event)
{
	cong->delivered += bytes;
	if (event != cong->events || !cong->undo.possible || --cong->undo.lost)
		return;

	cong->undo.possible = false;
	cong->cwnd = max(cong->cwnd, cong->undo.cwnd);
	cong->ssthresh = cong->undo.ssthresh;
	cong->recovery_start = 0;
	cong->prr.window = 0;
	cong->bytes_acked = 0;
	if (cong->ops->on_undo)
		cong->ops->on_undo(cong);
	quic_cong_bound(cong);
}

/**
 * quic_cong_on_ack() - the packets of an ACK frame or loss timer are accounted for
 * @cong:      state of their path
 * @rtt:       its estimator
 * @sent_time: when the packet that gave the RTT sample was sent, ns; 0: there was no sample
 * @now:       current time, ns
 */
void quic_cong_on_ack(struct quic_cong *cong, const struct quic_rtt *rtt, u64 sent_time, u64 now)
{
	struct quic_cong_ack ack = {
		.rtt = rtt,
		.now = now,
		.sent_time = sent_time,
		.acked = cong->delivered - cong->seen_delivered,
		.lost = cong->lost - cong->seen_lost,
	};

	cong->seen_delivered = cong->delivered;
	cong->seen_lost = cong->lost;
	if (cong->ops->on_ack) {
		cong->ops->on_ack(cong, &ack);
		quic_cong_bound(cong);
	} else if (unlikely(cong->prr.window)) {
		quic_prr_on_ack(cong, &ack);
	} else if (sent_time && cong->ssthresh == U64_MAX) {
		quic_hystart_on_ack(cong, &ack);
	}
}

/**
 * quic_cong_on_persistent() - persistent congestion was established
 * @cong: state of the path
 *
 * Slow start begins anew, from the smallest window. RFC 9002, section 7.6.2.
 */
void quic_cong_on_persistent(struct quic_cong *cong)
{
	cong->cwnd = quic_cong_min_window(cong);
	cong->recovery_start = 0;
	cong->bytes_acked = 0;
	cong->prr.window = 0;
	cong->undo.possible = false;
	cong->ops->on_persistent(cong);
}

/**
 * quic_cong_on_discarded() - a packet will never be judged: its keys are gone
 * @cong:  state of its path
 * @bytes: its size
 *
 * RFC 9002, section 6.4.
 */
void quic_cong_on_discarded(struct quic_cong *cong, u32 bytes)
{
	quic_cong_leave_flight(cong, bytes);
}
