// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which packets are marked, and the judgement over the peer's counts. What
 * follows from a mark of the network is for conn_acked.c. RFC 9000, section
 * 13.4.2 and appendix A.4.
 */
#include "core.h"
#include "ecn.h"

/**
 * quic_ecn_on_sent() - a marked packet leaves
 * @ecn: state of its path
 */
void quic_ecn_on_sent(struct quic_ecn *ecn)
{
	if (ecn->state == QUIC_ECN_TESTING && ++ecn->tested == QUIC_ECN_TEST_PACKETS)
		ecn->state = QUIC_ECN_UNKNOWN;
}

/**
 * quic_ecn_on_lost() - a marked packet was lost
 * @ecn: state of its path
 *
 * A path that lets none of the first ones through drops what is marked.
 * RFC 9000, section 13.4.2.
 */
void quic_ecn_on_lost(struct quic_ecn *ecn)
{
	if (ecn->state == QUIC_ECN_UNKNOWN && ++ecn->lost == QUIC_ECN_TEST_PACKETS)
		ecn->state = QUIC_ECN_FAILED;
}

/**
 * quic_ecn_on_acked() - marked packets were acknowledged, with counts that agree
 * @ecn: state of their path
 */
void quic_ecn_on_acked(struct quic_ecn *ecn)
{
	if (ecn->state != QUIC_ECN_FAILED)
		ecn->state = QUIC_ECN_CAPABLE;
}

/**
 * quic_ecn_fail() - the path or the peer cannot be relied on
 * @ecn: state of the path
 *
 * RFC 9000, section 13.4.2.2 #1 #2.
 */
void quic_ecn_fail(struct quic_ecn *ecn)
{
	ecn->state = QUIC_ECN_FAILED;
}

/**
 * quic_ecn_validate() - compare the peer's counts with what was sent
 * @counts:       those of the 1-RTT space
 * @ack:          ACK frame that raised the largest acknowledged number; no other may
 *                fail validation: RFC 9000, section 13.4.2.1 #1
 * @newly_marked: packets marked with ECT(0) that it newly acknowledges
 * @ce:           how many packets the network has marked since the last one
 *
 * Counts may rise by more than was newly acknowledged, as ACK frames get lost,
 * but never beyond what was sent. RFC 9000, section 13.4.2.1.
 *
 * Return: false if they cannot be right.
 */
bool quic_ecn_validate(struct quic_ecn_counts *counts, const struct quic_frame_ack *ack,
		       u32 newly_marked, u64 *ce)
{
	*ce = 0;
	if (!ack->has_ecn)
		return !newly_marked;
	if (ack->ect1 || ack->ect0 < counts->ect0 || ack->ce < counts->ce)
		return false;
	if (ack->ect0 - counts->ect0 + ack->ce - counts->ce < newly_marked)
		return false;
	if (ack->ect0 > counts->sent || ack->ce > counts->sent - ack->ect0)
		return false;
	*ce = ack->ce - counts->ce;
	counts->ect0 = ack->ect0;
	counts->ce = ack->ce;
	return true;
}
