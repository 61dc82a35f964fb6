// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all congestion controllers share: bytes in flight, the recovery period,
 * the bounds of the window. How the window grows and shrinks is said in
 * cong_reno.c and cong_cubic.c. RFC 9002, section 7 and appendix B.
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
	ops->init(cong);
}

/**
 * quic_cong_set_mss() - the largest packet changed
 * @cong: state of the path
 * @mss:  the new size, bytes
 *
 * A window that is still the initial one is computed anew. RFC 9002, section 7.2.
 */
void quic_cong_set_mss(struct quic_cong *cong, u32 mss)
{
	bool initial = cong->ssthresh == U64_MAX &&
		       cong->cwnd == quic_cong_initial_window(cong->mss);

	cong->mss = mss;
	if (initial)
		cong->cwnd = quic_cong_initial_window(mss);
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

	if (!cong->app_limited && !quic_cong_in_recovery(cong, sent_time)) {
		cong->ops->on_acked(cong, bytes, sent_time, rtt, now);
		quic_cong_bound(cong);
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
}

/**
 * quic_cong_on_event() - packets were lost, or marked by the network
 * @cong:      state of their path
 * @sent_time: when the newest of them was sent, ns
 * @now:       current time, ns
 *
 * Losses of one round trip count once. RFC 9002, section 7.3.2.
 */
void quic_cong_on_event(struct quic_cong *cong, u64 sent_time, u64 now)
{
	if (quic_cong_in_recovery(cong, sent_time))
		return;

	cong->recovery_start = now ?: 1;
	cong->ops->on_event(cong, now);
	cong->bytes_acked = 0;
	quic_cong_bound(cong);
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
