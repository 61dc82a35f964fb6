// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When an ACK is due. Packets of a batch only leave marks; the host asks once
 * at its end whether an ACK must leave, so "at once" means with the batch.
 * What is acknowledged lies in ack_ranges.c. RFC 9000, section 13.2.
 */
#include "core.h"
#include "ack_policy.h"

#define QUIC_ACK_NEVER		(~0ULL)

/*
 * A peer in slow start lives on acknowledgments: the first packets of a
 * connection are acknowledged in pairs, later ones once per batch that is
 * worth it. RFC 9000, section 13.2.2.
 */
#define QUIC_ACK_EAGER_PACKETS	100
#define QUIC_ACK_EAGER_EVERY	2
#define QUIC_ACK_BATCH		10

/**
 * quic_ack_policy_init() - nothing is owed
 * @policy: state of one packet number space
 */
void quic_ack_policy_init(struct quic_ack_policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->due = QUIC_ACK_NEVER;
}

static void quic_ack_policy_count_ecn(struct quic_ack_policy *policy, u8 ecn)
{
	switch (ecn) {
	case QUIC_ECN_ECT0:
		policy->ecn[0]++;
		break;
	case QUIC_ECN_ECT1:
		policy->ecn[1]++;
		break;
	case QUIC_ECN_CE:
		policy->ecn[2]++;
		break;
	default:
		return;
	}
	policy->has_ecn = true;
}

/**
 * quic_ack_policy_on_packet() - a packet was received and processed
 * @policy:        state of its packet number space
 * @largest:       no packet with a higher number came before
 * @in_order:      its number follows the highest before it
 * @ack_eliciting: it must be acknowledged
 * @prompt:        and at once: Initial and Handshake packets, frames that wait for no delay
 * @ecn:           QUIC_ECN_* of its IP header
 * @now:           its arrival, ns
 * @max_ack_delay: how long an ACK may wait, ns; not above what we promised the peer
 *
 * Packets that are not ack-eliciting count for ECN, but no ACK answers them:
 * two ends would never fall silent. RFC 9000, sections 13.2.1 and 13.4.1.
 */
void quic_ack_policy_on_packet(struct quic_ack_policy *policy, bool largest,
			       bool in_order, bool ack_eliciting, bool prompt,
			       u8 ecn, u64 now, u64 max_ack_delay)
{
	if (largest)
		policy->largest_time = now;
	if (ecn)
		quic_ack_policy_count_ecn(policy, ecn);
	if (!ack_eliciting)
		return;

	policy->received++;
	policy->unacked++;
	if (!in_order || prompt || ecn == QUIC_ECN_CE ||
	    (policy->received <= QUIC_ACK_EAGER_PACKETS &&
	     policy->unacked >= QUIC_ACK_EAGER_EVERY))
		policy->immediate = true;
	if (policy->due == QUIC_ACK_NEVER)
		policy->due = now + max_ack_delay;
}

/**
 * quic_ack_policy_is_due() - must an ACK leave now?
 * @policy: state of a packet number space
 * @now:    current time, ns
 *
 * Asked at the end of a batch, and when @policy->due has come.
 */
bool quic_ack_policy_is_due(const struct quic_ack_policy *policy, u64 now)
{
	return policy->immediate || policy->unacked >= QUIC_ACK_BATCH ||
	       now >= policy->due;
}

/**
 * quic_ack_policy_on_sent() - an ACK frame left, of its own accord or with data
 * @policy: state of a packet number space
 */
void quic_ack_policy_on_sent(struct quic_ack_policy *policy)
{
	policy->due = QUIC_ACK_NEVER;
	policy->unacked = 0;
	policy->immediate = false;
}

/**
 * quic_ack_policy_delay() - the ACK Delay field of an ACK frame that leaves now
 * @policy:   state of a packet number space
 * @now:      current time, ns
 * @exponent: our ack_delay_exponent
 *
 * Return: time since the largest number arrived, microseconds scaled down.
 * RFC 9000, sections 13.2.5 and 19.3.
 */
u64 quic_ack_policy_delay(const struct quic_ack_policy *policy, u64 now, u8 exponent)
{
	if (now <= policy->largest_time)
		return 0;
	return div_u64(now - policy->largest_time, 1000) >> exponent;
}
