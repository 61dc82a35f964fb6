/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Explicit congestion notification for what we send: which packets of a path
 * are marked, and whether the counts that the peer reports can be believed.
 * What we report is ack_policy's. RFC 9000, section 13.4.
 */
#ifndef _QUIC_CORE_ECN_H
#define _QUIC_CORE_ECN_H

#include "ack_policy.h"
#include "frame.h"

#define QUIC_ECN_TEST_PACKETS	3	/* uapi.md, section 10 */

/*
 *  TESTING -> UNKNOWN -> CAPABLE
 *     |          |          |
 *     +----------+----------+-> FAILED
 */
enum quic_ecn_state {
	QUIC_ECN_TESTING,	/* the first packets are marked */
	QUIC_ECN_UNKNOWN,	/* they are on their way, nothing more is marked */
	QUIC_ECN_CAPABLE,	/* one of them was acknowledged with counts that agree */
	QUIC_ECN_FAILED,	/* never again */
};

/**
 * struct quic_ecn - one path; all zero to begin with
 * @state:  enum quic_ecn_state
 * @tested: packets marked while testing
 * @lost:   how many of them were lost
 */
struct quic_ecn {
	u8 state;
	u8 tested;
	u8 lost;
};

/**
 * struct quic_ecn_counts - what all paths share: the counts of the 1-RTT space
 * @sent: packets that we marked with ECT(0)
 * @ect0: as the peer reported last
 * @ce:   likewise
 */
struct quic_ecn_counts {
	u64 sent;
	u64 ect0;
	u64 ce;
};

/* The codepoint of the next packet; a test is one that will be answered. */
static inline u8 quic_ecn_mark(const struct quic_ecn *ecn, bool eliciting)
{
	return ecn->state == QUIC_ECN_CAPABLE || (ecn->state == QUIC_ECN_TESTING && eliciting) ?
	       QUIC_ECN_ECT0 : QUIC_ECN_NOT_ECT;
}

void quic_ecn_on_sent(struct quic_ecn *ecn);
void quic_ecn_on_lost(struct quic_ecn *ecn);
void quic_ecn_on_acked(struct quic_ecn *ecn);
void quic_ecn_fail(struct quic_ecn *ecn);
/* False: validation fails. @ce becomes how many more packets were marked by the network. */
bool quic_ecn_validate(struct quic_ecn_counts *counts, const struct quic_frame_ack *ack,
		       u32 newly_marked, u64 *ce);

#endif /* _QUIC_CORE_ECN_H */
