// SPDX-License-Identifier: GPL-2.0-or-later
/* Pacing: the rate, the burst, and exactness over any span of time. */
#include "quic_test.h"
#include "../core/cong.h"
#include "../core/pacer.h"

#define MS	1000000ULL
#define S	1000000000ULL
#define START	(1000 * MS)
#define MSS	1200

/* Sends packets until the pacer says no; returns how many. */
static u64 drain(struct quic_pacer *pacer, u32 bytes, u64 now)
{
	u64 count = 0;

	while (count < 100000 && quic_pacer_may_send(pacer, bytes, now)) {
		quic_pacer_on_sent(pacer, bytes);
		count++;
	}
	return count;
}

static void new_path_is_not_paced(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START), 100000ULL);
	KUNIT_EXPECT_EQ(test, quic_pacer_next(&pacer, MSS, START), START);
}

/* RFC 9002, section 7.7: N * congestion_window / smoothed_rtt, N = 5/4, 2 in slow start. */
static void rate_follows_window_and_rtt(struct kunit *test)
{
	static const struct {
		u64 cwnd, rtt;
		bool slow_start;
		u64 rate;
	} table[] = {
		{ 120000, 100 * MS, false, 1500000 },
		{ 120000, 100 * MS, true, 2400000 },
		{ 12000, 333 * MS, true, 72072 },
		{ 2400, 10 * S, false, 300 },
		{ 100000, 20 * 1000, false, 6250000000ULL },
		{ 2400, 4000 * S, false, 1 },
	};
	struct quic_pacer pacer;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		quic_pacer_init(&pacer);
		quic_pacer_update(&pacer, table[i].cwnd, table[i].rtt, table[i].slow_start,
				  MSS, START);
		KUNIT_EXPECT_EQ(test, pacer.rate, table[i].rate);
	}
}

/* RFC 9002, section 7.7: bursts of the initial window are allowed. */
static void initial_window_leaves_at_once(struct kunit *test)
{
	static const u32 sizes[] = { 1200, 1472, 1500, 9000, 65507 };
	struct quic_pacer pacer;
	struct quic_cong cong;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		quic_pacer_init(&pacer);
		quic_cong_init(&cong, &quic_cong_reno, sizes[i]);
		quic_pacer_update(&pacer, cong.cwnd, 333 * MS, true, sizes[i], START);
		KUNIT_EXPECT_TRUE(test, quic_pacer_may_send(&pacer, cong.cwnd, START));
		KUNIT_EXPECT_GE(test, pacer.burst, cong.cwnd);
	}
}

/* 1.5 MB/s: a packet of 1200 bytes every 800 us. */
static void packets_leave_at_the_rate_after_the_burst(struct kunit *test)
{
	struct quic_pacer pacer;
	u64 now = START, next;
	int i;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, now);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, now), 10ULL);
	for (i = 0; i < 1000; i++) {
		next = quic_pacer_next(&pacer, MSS, now);
		KUNIT_ASSERT_EQ(test, next, now + 800000);
		KUNIT_ASSERT_FALSE(test, quic_pacer_may_send(&pacer, MSS, next - 1));
		KUNIT_ASSERT_EQ(test, drain(&pacer, MSS, next), 1ULL);
		now = next;
	}
}

static void burst_is_a_millisecond_at_high_rates(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 1000000, MS, false, MSS, START);
	KUNIT_EXPECT_EQ(test, pacer.rate, 1250000000ULL);
	KUNIT_EXPECT_EQ(test, pacer.burst, 1250000ULL);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START), 1041ULL);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START + MS / 2), 521ULL);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START + 5 * MS), 1041ULL);
}

/* A queue that paces gets work for four milliseconds. */
static void burst_is_longer_where_a_queue_spreads_it(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	pacer.smoothed = true;
	quic_pacer_update(&pacer, 1000000, MS, false, MSS, START);
	KUNIT_EXPECT_EQ(test, pacer.rate, 1250000000ULL);
	KUNIT_EXPECT_EQ(test, pacer.burst, 5000000ULL);
}

/* A controller's own rate is taken as it is, and bounded by the application's. */
static void rate_may_be_given(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_set_rate(&pacer, 5000000, MSS, START);
	KUNIT_EXPECT_EQ(test, pacer.rate, 5000000ULL);
	pacer.max_rate = 1000000;
	quic_pacer_set_rate(&pacer, 5000000, MSS, START);
	KUNIT_EXPECT_EQ(test, pacer.rate, 1000000ULL);
}

static void idle_time_saves_up_no_more_than_a_burst(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, START);
	drain(&pacer, MSS, START);
	KUNIT_EXPECT_EQ(test, quic_pacer_next(&pacer, MSS, START + 3600 * S), START + 3600 * S);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START + 3600 * S), 10ULL);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START + 3600 * S), 0ULL);
}

static void application_bounds_rate_and_burst(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	pacer.max_rate = 100000;
	quic_pacer_update(&pacer, 10000000, MS, false, MSS, START);
	KUNIT_EXPECT_EQ(test, pacer.rate, 100000ULL);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START), 2ULL);
	KUNIT_EXPECT_EQ(test, quic_pacer_next(&pacer, MSS, START), START + 12 * MS);

	/* A bound of nothing is still some progress. */
	pacer.max_rate = 0;
	quic_pacer_update(&pacer, 10000000, MS, false, MSS, START);
	KUNIT_EXPECT_EQ(test, pacer.rate, 1ULL);
}

static void bytes_beyond_a_burst_wait_for_a_full_one(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, START);
	KUNIT_EXPECT_TRUE(test, quic_pacer_may_send(&pacer, 60000, START));
	quic_pacer_on_sent(&pacer, 60000);
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, 60000, START));
	KUNIT_EXPECT_EQ(test, quic_pacer_next(&pacer, 60000, START), START + 8 * MS);
	KUNIT_EXPECT_TRUE(test, quic_pacer_may_send(&pacer, 60000, START + 8 * MS));
}

/* A caller that asks every few nanoseconds gets the same rate as one that waits. */
static void frequent_questions_lose_no_credit(struct kunit *test)
{
	struct quic_pacer pacer;
	u64 now = START, sent = 0;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, now);
	drain(&pacer, MSS, now);
	for (; now < START + 80 * MS; now += 97)
		sent += drain(&pacer, MSS, now);
	KUNIT_EXPECT_EQ(test, sent, 99ULL);
	KUNIT_EXPECT_EQ(test, drain(&pacer, MSS, START + 80 * MS), 1ULL);
}

static void update_keeps_what_was_saved_up(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, START);
	drain(&pacer, MSS, START);
	quic_pacer_update(&pacer, 1200000, 100 * MS, false, MSS, START + 4 * MS);
	KUNIT_EXPECT_EQ(test, pacer.budget, 6000ULL);	/* at the old rate */
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, START + 5 * MS);
	KUNIT_EXPECT_EQ(test, pacer.budget, 12000ULL);	/* 21000, but the burst is smaller now */
}

static void clock_that_stands_still_gives_no_credit(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, 120000, 100 * MS, false, MSS, START);
	drain(&pacer, MSS, START);
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, MSS, START));
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, MSS, START - S));
	KUNIT_EXPECT_EQ(test, quic_pacer_next(&pacer, MSS, START - S), START + 800000);
}

/* Over any span no more leaves than a burst and what the rate allows, and no less is allowed. */
static void any_span_keeps_to_the_rate(struct kunit *test)
{
	u64 state = 77, round, i;

	for (round = 0; round < 300; round++) {
		u64 cwnd = 2400 + (quic_test_rand(&state) >> (35 + quic_test_below(&state, 25)));
		u64 rtt = 1 + (quic_test_rand(&state) >> (24 + quic_test_below(&state, 36)));
		u64 now = START, sent = 0, allowed, next;
		struct quic_pacer pacer;

		quic_pacer_init(&pacer);
		quic_pacer_update(&pacer, cwnd, rtt, round & 1, MSS, now);
		if (pacer.rate == QUIC_PACER_UNLIMITED)
			continue;
		for (i = 0; i < 200; i++) {
			u32 bytes = 1 + quic_test_below(&state, MSS);

			next = quic_pacer_next(&pacer, bytes, now);
			KUNIT_ASSERT_GE(test, next, now);
			if (next > now)
				KUNIT_ASSERT_FALSE(test, quic_pacer_may_send(&pacer, bytes,
									     next - 1));
			KUNIT_ASSERT_TRUE(test, quic_pacer_may_send(&pacer, bytes, next));
			quic_pacer_on_sent(&pacer, bytes);
			sent += bytes;
			now = next;
			if (now - START <= 10 * S && pacer.rate <= S) {
				allowed = div_u64((now - START) * pacer.rate, S) + 1;
				KUNIT_ASSERT_LE(test, sent, pacer.burst + allowed);
			}
			KUNIT_ASSERT_LE(test, pacer.budget, pacer.burst);
		}
	}
}

/* Nothing overflows, whatever the window, the estimate and the clock claim. */
static void extremes_do_no_harm(struct kunit *test)
{
	u64 state = 13, i, now = 0, last = 0;
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_update(&pacer, U64_MAX, 1, true, MSS, 0);
	KUNIT_EXPECT_EQ(test, pacer.rate, QUIC_PACER_UNLIMITED);
	quic_pacer_update(&pacer, U64_MAX, U64_MAX, true, MSS, 0);
	KUNIT_EXPECT_GE(test, pacer.rate, 999999999ULL);
	KUNIT_EXPECT_LE(test, pacer.rate, 1000000001ULL);
	quic_pacer_update(&pacer, 1ULL << 63, U64_MAX, true, MSS, 0);
	KUNIT_EXPECT_GE(test, pacer.rate, 999999999ULL);
	quic_pacer_update(&pacer, 0, U64_MAX, false, MSS, 0);
	KUNIT_EXPECT_EQ(test, pacer.rate, 1ULL);
	quic_pacer_update(&pacer, MSS, 0, false, MSS, 0);
	KUNIT_EXPECT_EQ(test, pacer.rate, QUIC_PACER_UNLIMITED);

	for (i = 0; i < 50000; i++) {
		u64 cwnd = quic_test_rand(&state) >> quic_test_below(&state, 64);
		u64 rtt = quic_test_rand(&state) >> quic_test_below(&state, 64);
		u32 bytes = quic_test_rand(&state) >> (32 + quic_test_below(&state, 32));

		now += quic_test_rand(&state) >> (10 + quic_test_below(&state, 54));
		now &= S64_MAX;
		pacer.max_rate = quic_test_rand(&state) >> quic_test_below(&state, 64);
		quic_pacer_update(&pacer, cwnd, rtt, i & 1,
				  1200 + quic_test_below(&state, 64308), now);
		KUNIT_ASSERT_GE(test, pacer.rate, 1ULL);
		if (pacer.rate == QUIC_PACER_UNLIMITED)
			continue;
		KUNIT_ASSERT_LE(test, pacer.rate, max(pacer.max_rate, 1ULL));
		KUNIT_ASSERT_LE(test, pacer.budget, pacer.burst);
		last = quic_pacer_next(&pacer, bytes, now);
		KUNIT_ASSERT_GE(test, last, now);
		KUNIT_ASSERT_TRUE(test, quic_pacer_may_send(&pacer, bytes, last));
		quic_pacer_on_sent(&pacer, bytes);
		KUNIT_ASSERT_LE(test, pacer.budget, pacer.burst);
	}
}

/* A first flight of small packets has spent credit; the packets that follow are larger. */
static void larger_packets_have_credit_for_as_many(struct kunit *test)
{
	struct quic_pacer pacer;

	quic_pacer_init(&pacer);
	quic_pacer_set_mss(&pacer, 1400);
	KUNIT_EXPECT_TRUE(test, quic_pacer_may_send(&pacer, 1 << 20, 0));
	quic_pacer_set_rate(&pacer, 1000, 1200, 1);
	quic_pacer_on_sent(&pacer, 3 * 1200);
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, 12000, 1));
	quic_pacer_set_mss(&pacer, 9000);
	KUNIT_EXPECT_TRUE(test, quic_pacer_may_send(&pacer, 10 * 9000 - 3 * 1200, 1));
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, 10 * 9000, 1));
	/* And not twice. */
	quic_pacer_set_rate(&pacer, 1000, 9000, 1);
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, 10 * 9000, 1));
	quic_pacer_set_mss(&pacer, 1200);
	KUNIT_EXPECT_FALSE(test, quic_pacer_may_send(&pacer, 10 * 9000, 1));
}

static struct kunit_case pacer_cases[] = {
	KUNIT_CASE(new_path_is_not_paced),
	KUNIT_CASE(rate_follows_window_and_rtt),
	KUNIT_CASE(initial_window_leaves_at_once),
	KUNIT_CASE(packets_leave_at_the_rate_after_the_burst),
	KUNIT_CASE(burst_is_a_millisecond_at_high_rates),
	KUNIT_CASE(burst_is_longer_where_a_queue_spreads_it),
	KUNIT_CASE(rate_may_be_given),
	KUNIT_CASE(idle_time_saves_up_no_more_than_a_burst),
	KUNIT_CASE(application_bounds_rate_and_burst),
	KUNIT_CASE(bytes_beyond_a_burst_wait_for_a_full_one),
	KUNIT_CASE(frequent_questions_lose_no_credit),
	KUNIT_CASE(update_keeps_what_was_saved_up),
	KUNIT_CASE(clock_that_stands_still_gives_no_credit),
	KUNIT_CASE(any_span_keeps_to_the_rate),
	KUNIT_CASE(extremes_do_no_harm),
	KUNIT_CASE(larger_packets_have_credit_for_as_many),
	{}
};

static struct kunit_suite pacer_suite = {
	.name = "quic_pacer",
	.test_cases = pacer_cases,
};

kunit_test_suite(pacer_suite);
