/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When an ACK is due in one packet number space, the delay it reports and the
 * ECN counts. RFC 9000, sections 13.2 and 13.4.1.
 */
#ifndef _QUIC_CORE_ACK_POLICY_H
#define _QUIC_CORE_ACK_POLICY_H

#include <linux/types.h>

#define QUIC_ECN_NOT_ECT	0
#define QUIC_ECN_ECT1		1
#define QUIC_ECN_ECT0		2
#define QUIC_ECN_CE		3

/**
 * struct quic_ack_policy - acknowledgment state of one space
 * @largest_time: arrival of the packet with the largest number, ns
 * @due:          when the delayed ACK must leave, ns; U64_MAX: none owed
 * @received:     ack-eliciting packets ever; early ones are acknowledged eagerly
 * @unacked:      ack-eliciting packets since the last ACK that we sent
 * @immediate:    an ACK must leave with the next settle
 * @ecn:          ECT(0), ECT(1), CE counts, the order of the ACK frame
 * @has_ecn:      any of them is not zero
 */
struct quic_ack_policy {
	u64 largest_time;
	u64 due;
	u64 received;
	u32 unacked;
	bool immediate;
	bool has_ecn;
	u64 ecn[3];
};

void quic_ack_policy_init(struct quic_ack_policy *policy);
void quic_ack_policy_on_packet(struct quic_ack_policy *policy, bool largest,
			       bool in_order, bool ack_eliciting, bool prompt,
			       u8 ecn, u64 now, u64 max_ack_delay);
bool quic_ack_policy_is_due(const struct quic_ack_policy *policy, u64 now);
void quic_ack_policy_on_sent(struct quic_ack_policy *policy);
u64 quic_ack_policy_delay(const struct quic_ack_policy *policy, u64 now, u8 exponent);

#endif /* _QUIC_CORE_ACK_POLICY_H */
