// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loss detection in one packet number space: which packets an ACK frame
 * confirms, and which it or the clock condemns. Repairing what was lost, the
 * congestion controller and the timers are left to the caller. RFC 9002,
 * section 6.1.
 */
#include "core.h"
#include "loss.h"

/**
 * quic_loss_init() - nothing was sent
 * @loss: state of a packet number space
 */
void quic_loss_init(struct quic_loss *loss)
{
	memset(loss, 0, sizeof(*loss));
	quic_sent_init(&loss->sent);
	quic_spurious_init(&loss->spurious);
	loss->largest_acked = -1;
}

/**
 * quic_loss_destroy() - frees all
 * @loss: state of a packet number space
 */
void quic_loss_destroy(struct quic_loss *loss)
{
	quic_sent_destroy(&loss->sent);
	quic_spurious_destroy(&loss->spurious);
}

/**
 * quic_loss_reserve() - makes room for the record of a packet before it is built
 * @loss: state of its packet number space
 * @pn:   its number
 *
 * Return: 0, -ENOMEM, or -ENOBUFS: too much is in flight.
 */
int quic_loss_reserve(struct quic_loss *loss, u64 pn)
{
	return quic_sent_reserve(&loss->sent, pn);
}

/**
 * quic_loss_on_sent() - a packet leaves
 * @loss:   state of its packet number space
 * @pn:     its number
 * @packet: its record; one that is neither ack-eliciting nor in flight is not kept
 *
 * Return: 0, or as quic_loss_reserve(); the record's notes are then still the caller's.
 */
int quic_loss_on_sent(struct quic_loss *loss, u64 pn, const struct quic_sent_packet *packet)
{
	int err;

	if (!(packet->flags & (QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT))) {
		quic_sent_skip(&loss->sent, pn);
		return 0;
	}

	err = quic_sent_add(&loss->sent, pn, packet);
	if (unlikely(err))
		return err;
	if (packet->flags & QUIC_SENT_ACK_ELICITING) {
		loss->last_eliciting = packet->time;
		loss->eliciting_in_flight++;
	}
	return 0;
}

/* Where controllers want it: the snapshot of the packet about to be taken. */
static noinline void quic_loss_copy_rate(struct quic_loss *loss, struct quic_loss_walk *walk)
{
	const struct quic_rate_snapshot *rate = quic_sent_rate(&loss->sent, walk->pn);

	if (rate)
		walk->rate = *rate;
	else
		memset(&walk->rate, 0, sizeof(walk->rate));
}

static inline bool quic_loss_has_rates(const struct quic_loss *loss)
{
	return unlikely(loss->sent.rates_from != U64_MAX);
}

/* Hands the record over to @out; @left stays behind until the next trim. */
static inline void quic_loss_take(struct quic_loss *loss, struct quic_sent_packet *packet,
				  struct quic_sent_packet *out, u8 left)
{
	*out = *packet;
	if (packet->flags & QUIC_SENT_ACK_ELICITING)
		loss->eliciting_in_flight--;
	quic_sent_take(&loss->sent, packet, left);
}

/**
 * quic_loss_ack_begin() - an ACK frame arrived
 * @loss: state of its packet number space
 * @ack:  the frame, its ranges checked
 * @now:  arrival of the packet that carried it, ns
 * @walk: for quic_loss_next_acked(), to be called until it returns false
 *
 * Return: 0, or -EPROTO: it acknowledges a packet that was never sent.
 * RFC 9000, section 13.1.
 */
int quic_loss_ack_begin(struct quic_loss *loss, const struct quic_frame_ack *ack,
			u64 now, struct quic_loss_walk *walk)
{
	struct quic_sent_packet *packet;

	if (ack->largest >= loss->sent.next)
		return -EPROTO;

	memset(walk, 0, offsetof(struct quic_loss_walk, iter));
	walk->now = now;
	quic_ack_iter_init(&walk->iter, ack);

	packet = quic_sent_find(&loss->sent, ack->largest);
	if (packet) {
		walk->largest_newly = true;
		walk->largest_sent_time = packet->time;
		walk->largest_path = packet->path;
	}
	if ((s64)ack->largest > loss->largest_acked)
		loss->largest_acked = ack->largest;
	return 0;
}

/* The next range of the frame that reaches what is in flight. */
static bool quic_loss_next_range(struct quic_loss *loss, struct quic_loss_walk *walk)
{
	struct quic_sent *sent = &loss->sent;

	if (!quic_ack_iter_next(&walk->iter) || walk->iter.range.last < sent->oldest)
		return false;
	walk->next = max(walk->iter.range.first, sent->oldest);
	walk->end = min(walk->iter.range.last + 1, sent->end);
	return true;
}

/* The next packet in flight that the frame names; NULL at its end. */
static noinline struct quic_sent_packet *quic_loss_seek_acked(struct quic_loss *loss,
							      struct quic_loss_walk *walk)
{
	struct quic_sent_packet *packet;

	for (;;) {
		packet = quic_sent_next_from(&loss->sent, &walk->next, walk->end);
		if (packet)
			return packet;
		if (!quic_loss_next_range(loss, walk)) {
			quic_sent_trim(&loss->sent);
			return NULL;
		}
	}
}

/**
 * quic_loss_next_acked() - the next packet that an ACK frame newly acknowledges
 * @loss: state of the packet number space
 * @walk: the frame's walk; @walk->pn becomes the packet's number
 * @out:  filled with its record, to be released with quic_sent_packet_release()
 *
 * Nothing may be sent between the calls of one walk.
 *
 * Return: false at the end.
 */
bool quic_loss_next_acked(struct quic_loss *loss, struct quic_loss_walk *walk,
			  struct quic_sent_packet *out)
{
	struct quic_sent *sent = &loss->sent;
	struct quic_sent_packet *packet = NULL;

	if (likely(walk->next < walk->end))
		packet = quic_sent_slot(sent, walk->next);
	if (unlikely(!packet || !(packet->flags & QUIC_SENT_OUTSTANDING))) {
		packet = quic_loss_seek_acked(loss, walk);
		if (!packet)
			return false;
	}

	walk->pn = walk->next++;
	walk->any = true;
	if (packet->flags & QUIC_SENT_ACK_ELICITING)
		walk->any_eliciting = true;
	if (quic_loss_has_rates(loss))
		quic_loss_copy_rate(loss, walk);
	if (likely(walk->pn == sent->oldest)) {
		quic_loss_take(loss, packet, out, 0);
		quic_sent_pass_oldest(sent);
	} else {
		quic_loss_take(loss, packet, out, QUIC_SENT_ACKED);
	}
	return true;
}

/**
 * quic_loss_lost_begin() - look for lost packets, after an ACK or at the loss time
 * @loss: state of a packet number space
 * @rtt:  estimator of the path, the ACK's sample included
 * @now:  current time, ns
 * @walk: for quic_loss_next_lost(), to be called until it returns false
 */
void quic_loss_lost_begin(struct quic_loss *loss, const struct quic_rtt *rtt, u64 now,
			  struct quic_loss_walk *walk)
{
	u64 delay = max(rtt->smoothed_rtt, rtt->latest_rtt);

	memset(walk, 0, offsetof(struct quic_loss_walk, iter));
	walk->now = now;
	walk->delay = max(delay + delay / 8 * loss->spurious.eighths, QUIC_RTT_GRANULARITY);
	walk->next = loss->sent.oldest;
	walk->end = min((u64)(loss->largest_acked + 1), loss->sent.end);
}

/* Like quic_sent_next_from(), but sees where acknowledged packets were. */
static struct quic_sent_packet *quic_loss_next_unacked(struct quic_loss *loss,
						       struct quic_loss_walk *walk)
{
	struct quic_sent_packet *packet;

	while (walk->next < walk->end) {
		packet = quic_sent_slot(&loss->sent, walk->next);
		if (!packet) {
			walk->next = (walk->next | QUIC_SENT_LEAF_MASK) + 1;
			continue;
		}
		if (packet->flags & QUIC_SENT_OUTSTANDING)
			return packet;
		if (packet->flags & QUIC_SENT_ACKED)
			walk->acked_between = true;
		walk->next++;
	}
	return NULL;
}

/**
 * quic_loss_next_lost() - the next packet that counts as lost
 * @loss: state of the packet number space
 * @walk: from quic_loss_lost_begin(); @walk->pn becomes the packet's number
 * @out:  filled with its record, to be released with quic_sent_packet_release()
 *
 * Numbers and times grow together, so the first packet that is not lost ends
 * the walk and gives @loss->loss_time. Nothing may be sent between the calls.
 * RFC 9002, sections 6.1.1 and 6.1.2.
 *
 * Return: false at the end.
 */
bool quic_loss_next_lost(struct quic_loss *loss, struct quic_loss_walk *walk,
			 struct quic_sent_packet *out)
{
	struct quic_sent_packet *packet;

	walk->acked_between = false;
	packet = quic_loss_next_unacked(loss, walk);
	if (packet)
		walk->by_time = walk->next + loss->spurious.packets > loss->largest_acked;
	if (!packet || (walk->by_time && packet->time + walk->delay > walk->now)) {
		loss->loss_time = packet ? packet->time + walk->delay : 0;
		quic_sent_trim(&loss->sent);
		return false;
	}

	walk->pn = walk->next++;
	walk->any = true;
	if (quic_loss_has_rates(loss))
		quic_loss_copy_rate(loss, walk);
	quic_loss_take(loss, packet, out, 0);
	return true;
}

/**
 * quic_loss_next_discarded() - takes the next packet off, whatever its state
 * @loss: state of a packet number space whose packets will never be acknowledged
 * @out:  filled with its record, to be released with quic_sent_packet_release()
 *
 * RFC 9002, section 6.4.
 *
 * Return: false when nothing is left.
 */
bool quic_loss_next_discarded(struct quic_loss *loss, struct quic_sent_packet *out)
{
	struct quic_sent *sent = &loss->sent;
	struct quic_sent_packet *packet;
	u64 pn = sent->oldest;

	packet = quic_sent_next_from(sent, &pn, sent->end);
	if (!packet) {
		loss->loss_time = 0;
		loss->last_eliciting = 0;
		quic_sent_trim(sent);
		return false;
	}
	quic_loss_take(loss, packet, out, 0);
	if (pn == sent->oldest)
		quic_sent_trim(sent);
	return true;
}

/**
 * quic_persistent_begin() - an ACK frame is about to condemn packets
 * @persistent:    verdict to be found
 * @rtt:           estimator of the path
 * @max_ack_delay: the peer's, ns; part of the duration in every space
 *
 * RFC 9002, section 7.6.1.
 */
void quic_persistent_begin(struct quic_persistent *persistent, const struct quic_rtt *rtt,
			   u64 max_ack_delay)
{
	persistent->since = quic_rtt_has_sample(rtt) ? rtt->first_sample : U64_MAX;
	persistent->duration = QUIC_PERSISTENT_THRESHOLD * (quic_rtt_pto(rtt) + max_ack_delay);
	persistent->in_run = false;
	persistent->established = false;
}

/**
 * quic_persistent_add() - takes a lost packet into account
 * @persistent: verdict to be found
 * @walk:       the walk that condemned it, as quic_loss_next_lost() left it
 * @packet:     its record
 *
 * Two ack-eliciting packets, lost with all that was sent between them, far
 * enough apart, and both sent when the round-trip time was known. Looks at one
 * packet number space. RFC 9002, section 7.6.2.
 */
void quic_persistent_add(struct quic_persistent *persistent, const struct quic_loss_walk *walk,
			 const struct quic_sent_packet *packet)
{
	if (walk->acked_between)
		persistent->in_run = false;
	if (!(packet->flags & QUIC_SENT_ACK_ELICITING) || packet->time <= persistent->since)
		return;

	if (!persistent->in_run) {
		persistent->in_run = true;
		persistent->start = packet->time;
	} else if (packet->time - persistent->start > persistent->duration) {
		persistent->established = true;
	}
}
