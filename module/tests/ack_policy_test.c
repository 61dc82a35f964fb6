// SPDX-License-Identifier: GPL-2.0-or-later
/* When an ACK is due, what it reports, and what never causes one. */
#include "quic_test.h"
#include "../core/ack_policy.h"

#define MS	1000000ULL
#define DELAY	(25 * MS)
#define START	(1000 * MS)

/* An ack-eliciting packet as an undisturbed transfer brings them. */
static void receive(struct quic_ack_policy *policy, u64 now)
{
	quic_ack_policy_on_packet(policy, true, true, true, false, QUIC_ECN_NOT_ECT, now, DELAY);
}

/* A connection that has left its eager phase and owes nothing. */
static void settle_in(struct quic_ack_policy *policy)
{
	int i;

	quic_ack_policy_init(policy);
	for (i = 0; i < 100; i++)
		receive(policy, START);
	quic_ack_policy_on_sent(policy);
}

static void nothing_is_owed_at_first(struct kunit *test)
{
	struct quic_ack_policy policy;

	quic_ack_policy_init(&policy);
	KUNIT_EXPECT_FALSE(test, quic_ack_policy_is_due(&policy, START));
	KUNIT_EXPECT_EQ(test, policy.due, U64_MAX);
	KUNIT_EXPECT_FALSE(test, policy.has_ecn);
}

/* RFC 9000, section 13.2.1: no ACK for packets that elicit none, even after gaps. */
static void packet_that_elicits_nothing_causes_no_ack(struct kunit *test)
{
	struct quic_ack_policy policy;
	int i;

	quic_ack_policy_init(&policy);
	for (i = 0; i < 50; i++)
		quic_ack_policy_on_packet(&policy, i & 1, i & 1, false, true, QUIC_ECN_CE,
					  START, DELAY);
	KUNIT_EXPECT_FALSE(test, quic_ack_policy_is_due(&policy, START + 1000 * MS));
	KUNIT_EXPECT_EQ(test, policy.unacked, 0U);
	KUNIT_EXPECT_EQ(test, policy.received, 0ULL);
}

/* RFC 9000, section 13.2.1: within max_ack_delay of the first packet not acknowledged. */
static void lone_packet_waits_for_the_delay(struct kunit *test)
{
	struct quic_ack_policy policy;

	settle_in(&policy);
	receive(&policy, START);
	receive(&policy, START + 10 * MS);
	KUNIT_EXPECT_EQ(test, policy.due, START + DELAY);
	KUNIT_EXPECT_FALSE(test, quic_ack_policy_is_due(&policy, START + DELAY - 1));
	KUNIT_EXPECT_TRUE(test, quic_ack_policy_is_due(&policy, START + DELAY));
}

/* RFC 9000, section 13.2.2 */
static void early_packets_are_acknowledged_in_pairs(struct kunit *test)
{
	struct quic_ack_policy policy;
	int i;

	quic_ack_policy_init(&policy);
	for (i = 0; i < 50; i++) {
		receive(&policy, START);
		KUNIT_ASSERT_FALSE(test, quic_ack_policy_is_due(&policy, START));
		receive(&policy, START);
		KUNIT_ASSERT_TRUE(test, quic_ack_policy_is_due(&policy, START));
		quic_ack_policy_on_sent(&policy);
	}
	receive(&policy, START);
	receive(&policy, START);
	KUNIT_EXPECT_FALSE(test, quic_ack_policy_is_due(&policy, START));
}

static void later_packets_are_acknowledged_by_batches_of_ten(struct kunit *test)
{
	struct quic_ack_policy policy;
	int i;

	settle_in(&policy);
	for (i = 0; i < 9; i++)
		receive(&policy, START);
	KUNIT_EXPECT_FALSE(test, quic_ack_policy_is_due(&policy, START));
	receive(&policy, START);
	KUNIT_EXPECT_TRUE(test, quic_ack_policy_is_due(&policy, START));
}

/* RFC 9000, section 13.2.1: reordering, gaps, congestion marks and Initial or Handshake packets. */
static void what_the_sender_must_know_is_acknowledged_at_once(struct kunit *test)
{
	static const struct {
		bool largest, in_order, prompt;
		u8 ecn;
		bool immediate;
	} table[] = {
		{ true, true, false, QUIC_ECN_NOT_ECT, false },
		{ true, true, false, QUIC_ECN_ECT0, false },
		{ true, true, false, QUIC_ECN_ECT1, false },
		{ true, true, false, QUIC_ECN_CE, true },
		{ true, true, true, QUIC_ECN_NOT_ECT, true },
		{ true, false, false, QUIC_ECN_NOT_ECT, true },
		{ false, false, false, QUIC_ECN_NOT_ECT, true },
	};
	struct quic_ack_policy policy;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		settle_in(&policy);
		quic_ack_policy_on_packet(&policy, table[i].largest, table[i].in_order, true,
					  table[i].prompt, table[i].ecn, START, DELAY);
		KUNIT_EXPECT_EQ(test, quic_ack_policy_is_due(&policy, START), table[i].immediate);
	}
}

static void sending_an_ack_settles_the_debt(struct kunit *test)
{
	struct quic_ack_policy policy;

	quic_ack_policy_init(&policy);
	quic_ack_policy_on_packet(&policy, true, false, true, true, QUIC_ECN_CE, START, DELAY);
	KUNIT_EXPECT_TRUE(test, quic_ack_policy_is_due(&policy, START));
	quic_ack_policy_on_sent(&policy);
	KUNIT_EXPECT_FALSE(test, quic_ack_policy_is_due(&policy, START + 1000 * MS));
	KUNIT_EXPECT_EQ(test, policy.unacked, 0U);
	KUNIT_EXPECT_EQ(test, policy.due, U64_MAX);
}

/* RFC 9000, section 13.4.1: every packet counts, each codepoint by itself. */
static void ecn_codepoints_are_counted(struct kunit *test)
{
	static const u8 seen[] = {
		QUIC_ECN_ECT0, QUIC_ECN_CE, QUIC_ECN_NOT_ECT, QUIC_ECN_ECT0,
		QUIC_ECN_ECT1, QUIC_ECN_ECT0, QUIC_ECN_CE,
	};
	struct quic_ack_policy policy;
	u32 i;

	quic_ack_policy_init(&policy);
	for (i = 0; i < ARRAY_SIZE(seen); i++)
		quic_ack_policy_on_packet(&policy, true, true, i & 1, false, seen[i], START, DELAY);
	KUNIT_EXPECT_TRUE(test, policy.has_ecn);
	KUNIT_EXPECT_EQ(test, policy.ecn[0], 3ULL);
	KUNIT_EXPECT_EQ(test, policy.ecn[1], 1ULL);
	KUNIT_EXPECT_EQ(test, policy.ecn[2], 2ULL);

	/* The counts are cumulative: an ACK does not reset them. */
	quic_ack_policy_on_sent(&policy);
	KUNIT_EXPECT_EQ(test, policy.ecn[0], 3ULL);
}

/* RFC 9000, sections 13.2.5 and 19.3: since the largest number, in scaled microseconds. */
static void reported_delay_counts_from_the_largest_number(struct kunit *test)
{
	struct quic_ack_policy policy;

	quic_ack_policy_init(&policy);
	quic_ack_policy_on_packet(&policy, true, true, true, false, 0, START, DELAY);
	quic_ack_policy_on_packet(&policy, false, false, true, false, 0, START + 5 * MS, DELAY);
	KUNIT_EXPECT_EQ(test, quic_ack_policy_delay(&policy, START + 8 * MS, 3), 1000ULL);
	KUNIT_EXPECT_EQ(test, quic_ack_policy_delay(&policy, START + 8 * MS, 0), 8000ULL);
	KUNIT_EXPECT_EQ(test, quic_ack_policy_delay(&policy, START + 999, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, quic_ack_policy_delay(&policy, START - MS, 0), 0ULL);

	/* It is not cut to max_ack_delay. */
	KUNIT_EXPECT_EQ(test, quic_ack_policy_delay(&policy, START + 2000 * MS, 0), 2000000ULL);
}

static struct kunit_case ack_policy_cases[] = {
	KUNIT_CASE(nothing_is_owed_at_first),
	KUNIT_CASE(packet_that_elicits_nothing_causes_no_ack),
	KUNIT_CASE(lone_packet_waits_for_the_delay),
	KUNIT_CASE(early_packets_are_acknowledged_in_pairs),
	KUNIT_CASE(later_packets_are_acknowledged_by_batches_of_ten),
	KUNIT_CASE(what_the_sender_must_know_is_acknowledged_at_once),
	KUNIT_CASE(sending_an_ack_settles_the_debt),
	KUNIT_CASE(ecn_codepoints_are_counted),
	KUNIT_CASE(reported_delay_counts_from_the_largest_number),
	{}
};

static struct kunit_suite ack_policy_suite = {
	.name = "quic_ack_policy",
	.test_cases = ack_policy_cases,
};

kunit_test_suite(ack_policy_suite);
