// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Losses that were none: the last packets declared lost are remembered for a
 * while, an ACK frame that names one of them shows that the network reorders,
 * and loss detection becomes a little more patient. Undoing what congestion
 * control did about it is left to cong.c. RFC 9002, section 6.1.
 */
#include "core.h"
#include "host.h"
#include "spurious.h"

static void quic_spurious_reset(struct quic_spurious *spurious)
{
	spurious->packets = QUIC_LOSS_PACKET_THRESHOLD;
	spurious->eighths = QUIC_LOSS_TIME_EIGHTHS;
	spurious->calm = 0;
}

/**
 * quic_spurious_init() - nothing is remembered, the thresholds are those of the RFC
 * @spurious: of a packet number space
 */
void quic_spurious_init(struct quic_spurious *spurious)
{
	spurious->log = NULL;
	quic_spurious_reset(spurious);
}

/**
 * quic_spurious_destroy() - forgets all
 * @spurious: of a packet number space
 */
void quic_spurious_destroy(struct quic_spurious *spurious)
{
	quic_host_free(spurious->log);
	spurious->log = NULL;
}

static struct quic_lost *quic_lost_at(struct quic_lost_log *log, u32 index)
{
	return &log->entry[(log->first + index) % QUIC_LOST_MAX];
}

static void quic_lost_drop_first(struct quic_lost_log *log)
{
	log->first = (log->first + 1) % QUIC_LOST_MAX;
	log->count--;
}

/**
 * quic_spurious_remember() - a packet was declared lost
 * @spurious: of its space
 * @lost:     what is to be known when it arrives after all
 *
 * The oldest one makes room. Numbers must ascend.
 */
void quic_spurious_remember(struct quic_spurious *spurious, const struct quic_lost *lost)
{
	struct quic_lost_log *log = spurious->log;

	if (!log) {
		log = quic_host_alloc(sizeof(*log));
		if (!log)
			return;
		spurious->log = log;
	}
	if (log->count == QUIC_LOST_MAX)
		quic_lost_drop_first(log);
	*quic_lost_at(log, log->count++) = *lost;
}

/**
 * quic_spurious_on_event() - congestion control has judged losses
 * @spurious: of their space
 * @packets:  how many were remembered since it was asked last
 * @event:    number of the event that they belong to
 * @new:      they made for it
 *
 * A network that loses for a while without reordering is met with the usual
 * thresholds again.
 */
void quic_spurious_on_event(struct quic_spurious *spurious, u32 packets, u32 event, bool new)
{
	struct quic_lost_log *log = spurious->log;
	u32 i;

	for (i = 1; log && i <= min(packets, log->count); i++)
		quic_lost_at(log, log->count - i)->event = event;
	if (new && spurious->calm && !--spurious->calm)
		quic_spurious_reset(spurious);
}

/**
 * quic_spurious_expire() - forgets what is too old to arrive
 * @spurious: of a space
 * @time:     what was sent before is, ns
 *
 * Memory that holds nothing is given back.
 */
void quic_spurious_expire(struct quic_spurious *spurious, u64 time)
{
	struct quic_lost_log *log = spurious->log;

	while (log->count && (log->entry[log->first].time < time || !log->entry[log->first].size))
		quic_lost_drop_first(log);
	if (!log->count)
		quic_spurious_destroy(spurious);
}

/**
 * quic_spurious_begin() - an ACK frame arrived while losses are remembered
 * @spurious: of its space, with a log
 * @ack:      the frame, its ranges checked
 * @walk:     for quic_spurious_next(), to be called until it returns false
 */
void quic_spurious_begin(const struct quic_spurious *spurious, const struct quic_frame_ack *ack,
			 struct quic_spurious_walk *walk)
{
	quic_ack_iter_init(&walk->iter, ack);
	walk->has_range = quic_ack_iter_next(&walk->iter);
	walk->index = spurious->log->count;
}

/**
 * quic_spurious_next() - the next packet declared lost that did arrive
 * @spurious: of its space
 * @walk:     the frame's; entries and ranges both descend
 * @out:      what was remembered of it
 *
 * Return: false at the end.
 */
bool quic_spurious_next(struct quic_spurious *spurious, struct quic_spurious_walk *walk,
			struct quic_lost *out)
{
	struct quic_lost *lost;

	while (walk->index && walk->has_range) {
		lost = quic_lost_at(spurious->log, walk->index - 1);
		if (lost->pn < walk->iter.range.first) {
			walk->has_range = quic_ack_iter_next(&walk->iter);
			continue;
		}
		walk->index--;
		if (lost->pn > walk->iter.range.last || !lost->size)
			continue;
		*out = *lost;
		lost->size = 0;
		return true;
	}
	return false;
}

/**
 * quic_spurious_learn() - be more patient next time
 * @spurious: of a space
 * @lost:     a packet that was declared lost and arrived
 * @largest:  largest number that was acknowledged when it did
 *
 * The threshold that condemned it grows: to what would have been enough if
 * packets were counted, twofold if time was, both within bounds.
 */
void quic_spurious_learn(struct quic_spurious *spurious, const struct quic_lost *lost,
			 u64 largest)
{
	u64 distance = largest > lost->pn ? largest - lost->pn : 0;

	if (lost->by_time)
		spurious->eighths = min(2 * spurious->eighths, QUIC_LOSS_TIME_EIGHTHS_MAX);
	else
		spurious->packets = max_t(u64, spurious->packets,
					  min_t(u64, distance + 1, QUIC_LOSS_PACKET_THRESHOLD_MAX));
	spurious->calm = QUIC_LOSS_CALM_EVENTS;
}
