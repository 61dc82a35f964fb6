// SPDX-License-Identifier: GPL-2.0-or-later
/* The round-trip time estimator, with honest and with absurd samples. */
#include "quic_test.h"
#include "../core/rtt.h"

#define MS	1000000ULL
#define INITIAL	(333 * MS)
#define NOW	(5000 * MS)

/* RFC 9002, section 5.3: before any sample. */
static void starts_from_the_initial_rtt(struct kunit *test)
{
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, INITIAL);
	KUNIT_EXPECT_EQ(test, rtt.smoothed_rtt, INITIAL);
	KUNIT_EXPECT_EQ(test, rtt.rttvar, INITIAL / 2);
	KUNIT_EXPECT_FALSE(test, quic_rtt_has_sample(&rtt));
	/* RFC 9002, section 6.2.2: the first PTO is about a second. */
	KUNIT_EXPECT_EQ(test, quic_rtt_pto(&rtt), 999 * MS);
}

/* RFC 9002, sections 5.2 and 5.3: the first sample replaces all, its delay is not used. */
static void first_sample_resets_the_estimate(struct kunit *test)
{
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, INITIAL);
	quic_rtt_update(&rtt, 100 * MS, 40 * MS, 25 * MS, false, NOW);
	KUNIT_EXPECT_EQ(test, rtt.latest_rtt, 100 * MS);
	KUNIT_EXPECT_EQ(test, rtt.min_rtt, 100 * MS);
	KUNIT_EXPECT_EQ(test, rtt.smoothed_rtt, 100 * MS);
	KUNIT_EXPECT_EQ(test, rtt.rttvar, 50 * MS);
	KUNIT_EXPECT_EQ(test, rtt.first_sample, NOW);

	quic_rtt_update(&rtt, 100 * MS, 0, 25 * MS, false, NOW + MS);
	KUNIT_EXPECT_EQ(test, rtt.first_sample, NOW);
}

/*
 * RFC 9002, section 5.3 and appendix A.7, worked out by hand: 100 ms first,
 * then what the table says.
 */
static void later_samples_move_the_averages(struct kunit *test)
{
	static const struct {
		u64 latest, ack_delay;
		bool confirmed;
		u64 min, smoothed, rttvar;
	} table[] = {
		/* rttvar 3/4 * 50 + 1/4 * |100 - 180|, smoothed 7/8 * 100 + 1/8 * 180 */
		{ 180 * MS, 0, true, 100 * MS, 110 * MS, 57500000 },
		/* adjusted to 160: rttvar 37.5 + 15, smoothed 87.5 + 20 */
		{ 180 * MS, 20 * MS, true, 100 * MS, 107500000, 52500000 },
		/* confirmed: the delay is cut to max_ack_delay, adjusted 155 */
		{ 180 * MS, 70 * MS, true, 100 * MS, 106875000, 51250000 },
		/* not confirmed: the whole delay counts, adjusted 110 */
		{ 180 * MS, 70 * MS, false, 100 * MS, 101250000, 40 * MS },
		/* the delay would take it below min_rtt: not subtracted */
		{ 110 * MS, 20 * MS, true, 100 * MS, 101250000, 40 * MS },
		/* just not below: adjusted 100 */
		{ 120 * MS, 20 * MS, true, 100 * MS, 100 * MS, 37500000 },
		/* a new minimum, which the delay does not lower */
		{ 60 * MS, 20 * MS, true, 60 * MS, 95 * MS, 47500000 },
		/* a delay that nobody can have waited */
		{ 180 * MS, U64_MAX, false, 100 * MS, 110 * MS, 57500000 },
		{ 180 * MS, U64_MAX, true, 100 * MS, 106875000, 51250000 },
	};
	struct quic_rtt rtt;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		quic_rtt_init(&rtt, INITIAL);
		quic_rtt_update(&rtt, 100 * MS, 0, 25 * MS, true, NOW);
		quic_rtt_update(&rtt, table[i].latest, table[i].ack_delay, 25 * MS,
				table[i].confirmed, NOW);
		KUNIT_EXPECT_EQ(test, rtt.latest_rtt, table[i].latest);
		KUNIT_EXPECT_EQ(test, rtt.min_rtt, table[i].min);
		KUNIT_EXPECT_EQ(test, rtt.smoothed_rtt, table[i].smoothed);
		KUNIT_EXPECT_EQ(test, rtt.rttvar, table[i].rttvar);
	}
}

/* RFC 9002, section 6.2.1 */
static void pto_is_never_below_the_granularity(struct kunit *test)
{
	struct quic_rtt rtt;
	int i;

	quic_rtt_init(&rtt, INITIAL);
	for (i = 0; i < 100; i++)
		quic_rtt_update(&rtt, 0, 0, 0, true, 0);
	KUNIT_EXPECT_TRUE(test, quic_rtt_has_sample(&rtt));
	KUNIT_EXPECT_GE(test, rtt.smoothed_rtt, 1ULL);
	KUNIT_EXPECT_GE(test, quic_rtt_pto(&rtt), QUIC_RTT_GRANULARITY);
}

/* RFC 9002, section 5.2 */
static void persistent_congestion_renews_the_minimum(struct kunit *test)
{
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, INITIAL);
	quic_rtt_update(&rtt, 10 * MS, 0, 0, true, NOW);
	quic_rtt_update(&rtt, 200 * MS, 0, 0, true, NOW);
	KUNIT_EXPECT_EQ(test, rtt.min_rtt, 10 * MS);
	quic_rtt_on_persistent(&rtt);
	KUNIT_EXPECT_EQ(test, rtt.min_rtt, 200 * MS);
}

/* RFC 9000, section 19.3 */
static void ack_delay_field_is_scaled_and_saturates(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, quic_rtt_ack_delay(0, 3), 0ULL);
	KUNIT_EXPECT_EQ(test, quic_rtt_ack_delay(1000, 3), 8 * MS);
	KUNIT_EXPECT_EQ(test, quic_rtt_ack_delay(1000, 0), MS);
	KUNIT_EXPECT_EQ(test, quic_rtt_ack_delay((1ULL << 62) - 1, 0), QUIC_RTT_MAX);
	KUNIT_EXPECT_EQ(test, quic_rtt_ack_delay((1ULL << 62) - 1, 20), QUIC_RTT_MAX);
	KUNIT_EXPECT_EQ(test, quic_rtt_ack_delay(U64_MAX, 20), QUIC_RTT_MAX);
}

static void estimates_stay_bounded_whatever_comes(struct kunit *test)
{
	u64 state = 9002, i;
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, U64_MAX);
	KUNIT_EXPECT_LE(test, rtt.smoothed_rtt, QUIC_RTT_MAX);
	quic_rtt_init(&rtt, 0);
	KUNIT_EXPECT_GE(test, rtt.smoothed_rtt, 1ULL);

	for (i = 0; i < 20000; i++) {
		u64 latest = quic_test_rand(&state) >> quic_test_below(&state, 64);
		u64 delay = quic_test_rand(&state) >> quic_test_below(&state, 64);
		u64 most = quic_test_rand(&state) >> quic_test_below(&state, 64);

		quic_rtt_update(&rtt, latest, delay, most, i & 1, i);
		KUNIT_ASSERT_GE(test, rtt.min_rtt, 1ULL);
		KUNIT_ASSERT_LE(test, rtt.min_rtt, rtt.latest_rtt);
		KUNIT_ASSERT_LE(test, rtt.latest_rtt, QUIC_RTT_MAX);
		KUNIT_ASSERT_LE(test, rtt.smoothed_rtt, QUIC_RTT_MAX);
		KUNIT_ASSERT_LE(test, rtt.rttvar, QUIC_RTT_MAX);
		KUNIT_ASSERT_LE(test, quic_rtt_pto(&rtt), 5 * QUIC_RTT_MAX);
		KUNIT_ASSERT_TRUE(test, quic_rtt_has_sample(&rtt));
	}
}

static struct kunit_case rtt_cases[] = {
	KUNIT_CASE(starts_from_the_initial_rtt),
	KUNIT_CASE(first_sample_resets_the_estimate),
	KUNIT_CASE(later_samples_move_the_averages),
	KUNIT_CASE(pto_is_never_below_the_granularity),
	KUNIT_CASE(persistent_congestion_renews_the_minimum),
	KUNIT_CASE(ack_delay_field_is_scaled_and_saturates),
	KUNIT_CASE(estimates_stay_bounded_whatever_comes),
	{}
};

static struct kunit_suite rtt_suite = {
	.name = "quic_rtt",
	.test_cases = rtt_cases,
};

kunit_test_suite(rtt_suite);
