// SPDX-License-Identifier: GPL-2.0-or-later
/* HyStart++: when slow start slows down, goes on, or ends. RFC 9406. */
#include "quic_test.h"
#include "../core/cong.h"

#define MS	1000000ULL
#define MSS	1000

struct flow {
	struct quic_cong cong;
	u64 now;
};

static void begin(struct flow *flow)
{
	quic_cong_init(&flow->cong, &quic_cong_reno, MSS);
	flow->now = 1000 * MS;
}

/* A round trip of @samples frames, each of a packet and an RTT of @ms. */
static void round_trip(struct flow *flow, u32 samples, u64 ms)
{
	u64 sent = flow->now;
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, ms * MS);
	flow->now += ms * MS;
	while (samples--) {
		rtt.latest_rtt = ms * MS;
		quic_cong_on_sent(&flow->cong, MSS);
		quic_cong_on_acked(&flow->cong, MSS, sent, &rtt, flow->now);
		quic_cong_on_ack(&flow->cong, &rtt, sent, flow->now);
		/* Later packets of the round, and later frames. */
		sent += 1000;
		flow->now += 1000;
	}
}

static void steady_delay_keeps_slow_start(struct kunit *test)
{
	struct flow flow;
	int i;

	begin(&flow);
	for (i = 0; i < 20; i++)
		round_trip(&flow, 10, 100);
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
	KUNIT_EXPECT_EQ(test, flow.cong.cwnd, 210000ULL);
	KUNIT_EXPECT_EQ(test, flow.cong.ssthresh, U64_MAX);
}

/* The rise that counts is an eighth of the last round, 4 ms at least and 16 ms at most. */
static void rise_of_an_eighth_within_bounds_counts(struct kunit *test)
{
	static const struct {
		u64 before;
		u64 after;
		bool slows;
	} table[] = {
		{ 80, 89, false }, { 80, 90, true }, { 8, 11, false }, { 8, 12, true },
		{ 400, 415, false }, { 400, 416, true },
	};
	struct flow flow;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		begin(&flow);
		round_trip(&flow, 10, table[i].before);
		round_trip(&flow, 10, table[i].after);
		KUNIT_EXPECT_EQ(test, flow.cong.hystart.conservative, table[i].slows);
	}
}

static void few_samples_prove_nothing(struct kunit *test)
{
	struct flow flow;

	begin(&flow);
	round_trip(&flow, 10, 100);
	round_trip(&flow, 7, 150);
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
	begin(&flow);
	round_trip(&flow, 10, 100);
	round_trip(&flow, 8, 150);
	KUNIT_EXPECT_TRUE(test, flow.cong.hystart.conservative);
}

/*
 * A quarter of the growth: 10 packets of IW and 10 + 8 acknowledged at full
 * pace make 28, two more 28.5, ten of the next round 31.
 */
static void conservative_growth_is_a_quarter(struct kunit *test)
{
	struct flow flow;

	begin(&flow);
	round_trip(&flow, 10, 100);
	round_trip(&flow, 10, 150);
	KUNIT_EXPECT_EQ(test, flow.cong.cwnd, 28500ULL);
	round_trip(&flow, 10, 150);
	KUNIT_EXPECT_EQ(test, flow.cong.cwnd, 31000ULL);
}

/* Four more rounds, the one in which it began counts. */
static void slow_start_ends_after_five_rounds(struct kunit *test)
{
	struct flow flow;
	int i;

	begin(&flow);
	round_trip(&flow, 10, 100);
	for (i = 0; i < 5; i++) {
		round_trip(&flow, 10, 150);
		KUNIT_EXPECT_EQ(test, flow.cong.ssthresh, U64_MAX);
	}
	round_trip(&flow, 1, 150);
	KUNIT_EXPECT_EQ(test, flow.cong.ssthresh, 38750ULL);
	KUNIT_EXPECT_FALSE(test, quic_cong_in_slow_start(&flow.cong));
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
}

static void shorter_delay_resumes_slow_start(struct kunit *test)
{
	struct flow flow;

	begin(&flow);
	round_trip(&flow, 10, 100);
	round_trip(&flow, 10, 150);
	round_trip(&flow, 7, 149);
	KUNIT_EXPECT_TRUE(test, flow.cong.hystart.conservative);
	round_trip(&flow, 8, 149);
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
	KUNIT_EXPECT_EQ(test, flow.cong.ssthresh, U64_MAX);
}

/* Only the first slow start: later ones know where to stop. */
static void threshold_once_found_ends_it(struct kunit *test)
{
	struct flow flow;

	begin(&flow);
	round_trip(&flow, 10, 100);
	round_trip(&flow, 10, 150);
	quic_cong_on_event(&flow.cong, flow.now, flow.now);
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
	quic_cong_on_persistent(&flow.cong);
	flow.now += MS;
	round_trip(&flow, 10, 100);
	round_trip(&flow, 10, 150);
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
}

static void sender_without_data_learns_nothing(struct kunit *test)
{
	struct flow flow;

	begin(&flow);
	flow.cong.app_limited = true;
	round_trip(&flow, 10, 100);
	round_trip(&flow, 10, 150);
	KUNIT_EXPECT_FALSE(test, flow.cong.hystart.conservative);
}

static struct kunit_case cong_hystart_cases[] = {
	KUNIT_CASE(steady_delay_keeps_slow_start),
	KUNIT_CASE(rise_of_an_eighth_within_bounds_counts),
	KUNIT_CASE(few_samples_prove_nothing),
	KUNIT_CASE(conservative_growth_is_a_quarter),
	KUNIT_CASE(slow_start_ends_after_five_rounds),
	KUNIT_CASE(shorter_delay_resumes_slow_start),
	KUNIT_CASE(threshold_once_found_ends_it),
	KUNIT_CASE(sender_without_data_learns_nothing),
	{}
};

static struct kunit_suite cong_hystart_suite = {
	.name = "quic_cong_hystart",
	.test_cases = cong_hystart_cases,
};

kunit_test_suite(cong_hystart_suite);
