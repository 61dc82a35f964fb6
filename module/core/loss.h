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

#define QUIC_LOSS_PACKET_THRESHOLD	3

/**
 * struct quic_loss - loss state of one space
 * @sent:               packets in flight
 * @largest_acked:      -1: none
 * @loss_time:          when the next packet counts as lost, ns; 0: not set
 * @last_eliciting:     when the last ack-eliciting packet was sent, ns
 * @eliciting_in_flight: ack-eliciting packets outstanding
 */
struct quic_loss {
	struct quic_sent sent;
	s64 largest_acked;
	u64 loss_time;
	u64 last_eliciting;
	u32 eliciting_in_flight;
};

/**
 * struct quic_loss_walk - one ACK frame or loss timer being worked off
 * @pn:             number of the packet returned last
 * @largest_newly:  the frame's largest number is newly acknowledged
 * @largest_sent_time: and was sent then
 * @any_eliciting:  an ack-eliciting packet is newly acknowledged
 */
struct quic_loss_walk {
	struct quic_ack_iter iter;
	u64 next;
	u64 pn;
	u64 now;
	u64 lost_before;	/* send time at or before which a packet is lost */
	u64 largest_sent_time;
	bool in_range;
	bool largest_newly;
	bool any_eliciting;
};

void quic_loss_init(struct quic_loss *loss);
void quic_loss_destroy(struct quic_loss *loss);
int quic_loss_on_sent(struct quic_loss *loss, u64 pn, const struct quic_sent_packet *packet);

/* -EPROTO if the frame acknowledges a number never sent; RFC 9000, section 13.1. */
int quic_loss_ack_begin(struct quic_loss *loss, const struct quic_frame_ack *ack,
			u64 now, struct quic_loss_walk *walk);
/* Fills @out with the next newly acknowledged packet (already removed); false: no more. */
bool quic_loss_next_acked(struct quic_loss *loss, struct quic_loss_walk *walk,
			  struct quic_sent_packet *out);
void quic_loss_lost_begin(struct quic_loss *loss, const struct quic_rtt *rtt, u64 now,
			  struct quic_loss_walk *walk);
/* Fills @out with the next lost packet (already removed); at the end sets @loss_time; false: no more. */
bool quic_loss_next_lost(struct quic_loss *loss, struct quic_loss_walk *walk,
			 struct quic_sent_packet *out);
/* Takes the next packet off, whatever its state: a discarded space, a rejected 0-RTT. */
bool quic_loss_next_discarded(struct quic_loss *loss, struct quic_sent_packet *out);

#endif /* _QUIC_CORE_LOSS_H */
