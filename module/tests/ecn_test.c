// SPDX-License-Identifier: GPL-2.0-or-later
/* Marks on what we send, and the peer's word about them. RFC 9000, section 13.4.2. */
#include "quic_test.h"
#include "../core/ecn.h"

static void first_packets_are_marked(struct kunit *test)
{
	struct quic_ecn ecn = {};
	u32 i;

	for (i = 0; i < QUIC_ECN_TEST_PACKETS; i++) {
		KUNIT_EXPECT_EQ(test, quic_ecn_mark(&ecn, true), QUIC_ECN_ECT0);
		/* Nobody would answer it. */
		KUNIT_EXPECT_EQ(test, quic_ecn_mark(&ecn, false), QUIC_ECN_NOT_ECT);
		quic_ecn_on_sent(&ecn);
	}
	KUNIT_EXPECT_EQ(test, ecn.state, QUIC_ECN_UNKNOWN);
	KUNIT_EXPECT_EQ(test, quic_ecn_mark(&ecn, true), QUIC_ECN_NOT_ECT);
	quic_ecn_on_acked(&ecn);
	KUNIT_EXPECT_EQ(test, quic_ecn_mark(&ecn, true), QUIC_ECN_ECT0);
	KUNIT_EXPECT_EQ(test, quic_ecn_mark(&ecn, false), QUIC_ECN_ECT0);
	quic_ecn_fail(&ecn);
	quic_ecn_on_acked(&ecn);
	KUNIT_EXPECT_EQ(test, quic_ecn_mark(&ecn, true), QUIC_ECN_NOT_ECT);
}

static void acknowledged_test_ends_the_test(struct kunit *test)
{
	struct quic_ecn ecn = {};

	quic_ecn_on_sent(&ecn);
	quic_ecn_on_acked(&ecn);
	quic_ecn_on_sent(&ecn);
	quic_ecn_on_sent(&ecn);
	KUNIT_EXPECT_EQ(test, ecn.state, QUIC_ECN_CAPABLE);
}

/* RFC 9000, section 13.4.2: all of them lost, not some of them. */
static void lost_tests_fail(struct kunit *test)
{
	struct quic_ecn ecn = {};
	u32 i;

	for (i = 0; i < QUIC_ECN_TEST_PACKETS; i++)
		quic_ecn_on_sent(&ecn);
	for (i = 0; i < QUIC_ECN_TEST_PACKETS; i++) {
		KUNIT_EXPECT_EQ(test, ecn.state, QUIC_ECN_UNKNOWN);
		quic_ecn_on_lost(&ecn);
	}
	KUNIT_EXPECT_EQ(test, ecn.state, QUIC_ECN_FAILED);

	ecn = (struct quic_ecn) { .state = QUIC_ECN_CAPABLE };
	for (i = 0; i < 10; i++)
		quic_ecn_on_lost(&ecn);
	KUNIT_EXPECT_EQ(test, ecn.state, QUIC_ECN_CAPABLE);
}

struct ack_row {
	const char *name;
	struct quic_ecn_counts before;	/* sent, ect0, ce */
	bool has_ecn;
	u64 ect0, ect1, ce;
	u32 newly_marked;
	bool valid;
	u64 new_ce;
};

/* RFC 9000, section 13.4.2.1 */
static const struct ack_row ack_rows[] = {
	{ "no counts, nothing marked", { 0, 0, 0 }, false, 0, 0, 0, 0, true, 0 },
	{ "no counts for a marked packet", { 3, 0, 0 }, false, 0, 0, 0, 1, false, 0 },
	{ "as many as newly acknowledged", { 3, 0, 0 }, true, 3, 0, 0, 3, true, 0 },
	{ "one too few", { 3, 0, 0 }, true, 2, 0, 0, 3, false, 0 },
	{ "CE stands for ECT(0)", { 3, 0, 0 }, true, 1, 0, 2, 3, true, 2 },
	{ "all CE", { 3, 0, 0 }, true, 0, 0, 3, 3, true, 3 },
	{ "more: an ACK frame was lost", { 10, 2, 0 }, true, 9, 0, 1, 2, true, 1 },
	{ "as before, nothing newly marked", { 10, 5, 2 }, true, 5, 0, 2, 0, true, 0 },
	{ "ECT(0) falls", { 10, 5, 2 }, true, 4, 0, 6, 1, false, 0 },
	{ "CE falls", { 10, 5, 2 }, true, 8, 0, 1, 1, false, 0 },
	{ "ECT(1), which was never sent", { 10, 5, 0 }, true, 6, 1, 0, 1, false, 0 },
	{ "ECT(0) above what was sent", { 10, 5, 0 }, true, 11, 0, 0, 1, false, 0 },
	{ "with CE above what was sent", { 10, 5, 0 }, true, 8, 0, 3, 1, false, 0 },
	{ "exactly what was sent", { 10, 5, 0 }, true, 8, 0, 2, 5, true, 2 },
	{ "absurd", { 10, 5, 0 }, true, 1ULL << 61, 0, 1ULL << 61, 1, false, 0 },
	{ "absurd CE", { 10, 5, 0 }, true, 6, 0, ~0ULL, 1, false, 0 },
};

static void counts_are_judged(struct kunit *test)
{
	const struct ack_row *row;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ack_rows); i++) {
		struct quic_frame_ack ack = {};
		struct quic_ecn_counts counts;
		u64 ce;

		row = &ack_rows[i];
		counts = row->before;
		ack.has_ecn = row->has_ecn;
		ack.ect0 = row->ect0;
		ack.ect1 = row->ect1;
		ack.ce = row->ce;
		KUNIT_EXPECT_EQ_MSG(test, quic_ecn_validate(&counts, &ack, row->newly_marked, &ce),
				    row->valid, "%s", row->name);
		KUNIT_EXPECT_EQ_MSG(test, ce, row->new_ce, "%s", row->name);
		if (row->valid && row->has_ecn) {
			KUNIT_EXPECT_EQ(test, counts.ect0, row->ect0);
			KUNIT_EXPECT_EQ(test, counts.ce, row->ce);
		} else {
			KUNIT_EXPECT_EQ(test, counts.ect0, row->before.ect0);
			KUNIT_EXPECT_EQ(test, counts.ce, row->before.ce);
		}
	}
}

static struct kunit_case ecn_cases[] = {
	KUNIT_CASE(first_packets_are_marked),
	KUNIT_CASE(acknowledged_test_ends_the_test),
	KUNIT_CASE(lost_tests_fail),
	KUNIT_CASE(counts_are_judged),
	{}
};

static struct kunit_suite ecn_suite = {
	.name = "quic_ecn",
	.test_cases = ecn_cases,
};

kunit_test_suite(ecn_suite);
