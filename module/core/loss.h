/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loss detection in one packet number space. It says which packets an ACK
 * frame or the clock settles, one at a time; what they carried is repaired by
 * the caller. RFC 9002, section 6.
 */
#ifndef _QUIC_CORE_LOSS_H
#define _QUIC_CORE_LOSS_H

#include "frame.h"
#include "rtt.h"
#include "sent.h"
#include "spurious.h"

#define QUIC_PERSISTENT_THRESHOLD	3	/* RFC 9002, section 7.6.1 */

/**
 * struct quic_loss - loss state of one space
 * @sent:               packets in flight
 * @largest_acked:      -1: none
 * @loss_time:          when the next packet counts as lost, ns; 0: not set
 * @last_eliciting:     when the last ack-eliciting packet was sent, ns
 * @eliciting_in_flight: ack-eliciting packets outstanding
 * @spurious:           losses that may be none, and the thresholds
 */
struct quic_loss {
	struct quic_sent sent;
	s64 largest_acked;
	u64 loss_time;
	u64 last_eliciting;
	u32 eliciting_in_flight;
	struct quic_spurious spurious;
};

/**
 * struct quic_loss_walk - one ACK frame or loss timer being worked off
 * @pn:                number of the packet returned last
 * @largest_newly:     the frame's largest number is newly acknowledged
 * @largest_sent_time: and was sent then
 * @largest_path:      on that path
 * @any_eliciting:     an ack-eliciting packet is newly acknowledged
 * @any:               a packet is newly acknowledged, or lost
 * @acked_between:     an acknowledged packet lies between the last two lost ones
 * @by_time:           its age condemned the packet returned last
 * @rate:              snapshot of that packet, all zero if it has none; only where wanted
 * @iter, @next, @end, @now, @delay: the walk's own: ranges left, where to go on,
 *                     first number not of interest, its time, age that makes lost
 */
struct quic_loss_walk {
	u64 pn;
	u64 largest_sent_time;
	u8 largest_path;
	bool largest_newly;
	bool any_eliciting;
	bool any;
	bool acked_between;
	bool by_time;
	u64 next;
	u64 end;
	u64 now;
	u64 delay;
	struct quic_ack_iter iter;
	struct quic_rate_snapshot rate;
};

/**
 * struct quic_persistent - does what was lost add up to persistent congestion?
 * @since:    packets sent up to then do not count, ns; U64_MAX: none counts
 * @duration: a run of losses that spans more establishes it, ns
 * @start:    send time of the first packet of the run, ns
 * @in_run:   @start is valid
 * @established: yes
 */
struct quic_persistent {
	u64 since;
	u64 duration;
	u64 start;
	bool in_run;
	bool established;
};

void quic_loss_init(struct quic_loss *loss);
void quic_loss_destroy(struct quic_loss *loss);
/* After it the next quic_loss_on_sent() cannot fail; -ENOMEM, -ENOBUFS. */
int quic_loss_reserve(struct quic_loss *loss, u64 pn);
int quic_loss_on_sent(struct quic_loss *loss, u64 pn, const struct quic_sent_packet *packet);

/* -EPROTO if the frame acknowledges a number never sent; RFC 9000, section 13.1. */
int quic_loss_ack_begin(struct quic_loss *loss, const struct quic_frame_ack *ack,
			u64 now, struct quic_loss_walk *walk);
/* Fills @out with the next newly acknowledged packet (already removed); false: no more. */
bool quic_loss_next_acked(struct quic_loss *loss, struct quic_loss_walk *walk,
			  struct quic_sent_packet *out);
void quic_loss_lost_begin(struct quic_loss *loss, const struct quic_rtt *rtt, u64 now,
			  struct quic_loss_walk *walk);
/* Likewise with the next lost packet; at the end sets @loss_time. */
bool quic_loss_next_lost(struct quic_loss *loss, struct quic_loss_walk *walk,
			 struct quic_sent_packet *out);
/* Feed it each lost packet of one walk, in order; at the end see @established. */
void quic_persistent_begin(struct quic_persistent *persistent, const struct quic_rtt *rtt,
			   u64 max_ack_delay);
void quic_persistent_add(struct quic_persistent *persistent, const struct quic_loss_walk *walk,
			 const struct quic_sent_packet *packet);
/* Takes the next packet off, whatever its state: a discarded space, a rejected 0-RTT. */
bool quic_loss_next_discarded(struct quic_loss *loss, struct quic_sent_packet *out);

#endif /* _QUIC_CORE_LOSS_H */
