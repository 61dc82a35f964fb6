// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Proportional rate reduction: in a recovery period the flight shrinks to
 * ssthresh in step with what is delivered, instead of a stop of half a round
 * trip and a burst after it. RFC 9002, section 7.3.2 allows for it; RFC 9937.
 */
#include "core.h"
#include "cong.h"

/**
 * quic_prr_begin() - a recovery period begins
 * @cong: its ssthresh is set
 *
 * What the frame at hand acknowledged or lost was in flight until now.
 */
void quic_prr_begin(struct quic_cong *cong)
{
	u64 acked = cong->delivered - cong->seen_delivered;
	u64 lost = cong->lost - cong->seen_lost;

	cong->prr.flight = cong->bytes_in_flight + acked + lost;
	cong->prr.delivered = cong->seen_delivered;
	cong->prr.sent = cong->sent;
	/* Nothing was in flight: there is nothing to be reduced in steps. */
	cong->prr.window = cong->prr.flight ? max_t(u64, cong->bytes_in_flight, 1) : 0;
}

/**
 * quic_prr_on_ack() - what may be in flight after an ACK frame of the period
 * @cong: in a recovery period
 * @ack:  what the frame told
 *
 * Above ssthresh as many bytes may leave as its share of what was delivered;
 * below, the flight returns to it as fast as slow start would, or with one
 * byte for each delivered while losses go on. RFC 9937, section 6.2.
 */
void quic_prr_on_ack(struct quic_cong *cong, const struct quic_cong_ack *ack)
{
	u64 delivered = min(cong->delivered - cong->prr.delivered, 2 * cong->prr.flight);
	u64 flight = cong->bytes_in_flight;
	u64 sent = cong->sent - cong->prr.sent;
	u64 goal = cong->cwnd;
	u64 room;

	if (flight > goal) {
		room = div64_u64(delivered * goal + cong->prr.flight - 1, cong->prr.flight);
		room = room > sent ? room - sent : 0;
	} else {
		room = delivered > sent ? delivered - sent : 0;
		room = max(room, ack->acked);
		if (ack->acked && !ack->lost)
			room += cong->mss;
		room = min(room, goal - flight);
	}
	/* What was lost is repaired at once. */
	if (!sent)
		room = max_t(u64, room, cong->mss);
	cong->prr.window = flight + room;
}
