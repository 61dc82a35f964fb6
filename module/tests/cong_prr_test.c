// SPDX-License-Identifier: GPL-2.0-or-later
/* Proportional rate reduction against allowances worked out by hand. */
#include "quic_test.h"
#include "../core/cong.h"

#define MS	1000000ULL
#define START	(1000 * MS)
#define MSS	1000

/* Twenty packets in flight in a window of as many. */
static void begin(struct quic_cong *cong, const struct quic_cong_ops *ops)
{
	quic_cong_init(cong, ops, MSS);
	cong->cwnd = 20 * MSS;
	cong->ssthresh = MSS;
	quic_cong_on_sent(cong, 20 * MSS);
}

/* One ACK frame, @acked and @lost packets; returns how many may be sent now, and sends them. */
static u64 ack(struct quic_cong *cong, u32 acked, u32 lost, u64 sent_time, u64 now)
{
	struct quic_rtt rtt;
	u64 n = 0;
	u32 i;

	quic_rtt_init(&rtt, 100 * MS);
	for (i = 0; i < acked; i++)
		quic_cong_on_acked(cong, MSS, sent_time, &rtt, now);
	for (i = 0; i < lost; i++)
		quic_cong_on_lost(cong, MSS);
	if (lost)
		quic_cong_on_loss_event(cong, lost, sent_time, now);
	quic_cong_on_ack(cong, &rtt, 0, now);
	for (; quic_cong_has_room(cong); n++)
		quic_cong_on_sent(cong, MSS);
	return n;
}

/*
 * RFC 9937, section 6.2, half of 20 packets: the first frame acknowledges 3 and
 * loses 1, so 16 are in flight: ceil(3 * 10 / 20) = 1.5 packets, of which one
 * fits. From then on every two packets delivered let one out, on average.
 */
static void flight_shrinks_in_proportion(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, &quic_cong_reno);
	KUNIT_EXPECT_EQ(test, ack(&cong, 3, 1, START, START + 100 * MS), 1ULL);
	KUNIT_EXPECT_EQ(test, cong.ssthresh, 10000ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 17000ULL);
	KUNIT_EXPECT_EQ(test, ack(&cong, 1, 0, START, START + 101 * MS), 1ULL);	/* 2.0 - 1 */
	KUNIT_EXPECT_EQ(test, ack(&cong, 1, 0, START, START + 102 * MS), 0ULL);	/* 2.5 - 2 */
	KUNIT_EXPECT_EQ(test, ack(&cong, 1, 0, START, START + 103 * MS), 1ULL);	/* 3.0 - 2 */
	KUNIT_EXPECT_EQ(test, ack(&cong, 2, 0, START, START + 104 * MS), 1ULL);	/* 4.0 - 3 */
	KUNIT_EXPECT_EQ(test, ack(&cong, 4, 0, START, START + 105 * MS), 2ULL);	/* 6.0 - 4 */
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 13000ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 10000ULL);
}

/* CUBIC keeps seven tenths: 7 packets leave for 10 delivered. */
static void flight_shrinks_by_the_controllers_own_factor(struct kunit *test)
{
	struct quic_cong cong;
	u64 sent = 0;
	u32 i;

	begin(&cong, &quic_cong_cubic);
	sent += ack(&cong, 0, 1, START, START + 100 * MS);
	KUNIT_EXPECT_EQ(test, cong.ssthresh, 14000ULL);
	for (i = 0; i < 10; i++)
		sent += ack(&cong, 1, 0, START, START + 101 * MS);
	KUNIT_EXPECT_EQ(test, sent, 7ULL);
}

/* With nothing in flight no ACK frame would ever let anything out. */
static void empty_flight_always_has_room(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, &quic_cong_reno);
	ack(&cong, 0, 1, START, START + 100 * MS);
	quic_cong_on_discarded(&cong, cong.bytes_in_flight);
	cong.prr.window = 1;
	KUNIT_EXPECT_TRUE(test, quic_cong_has_room(&cong));
}

/* The first frame lets out a packet whatever the arithmetic says: it repairs the loss. */
static void loss_is_repaired_at_once(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, &quic_cong_reno);
	KUNIT_EXPECT_EQ(test, ack(&cong, 0, 1, START, START + 100 * MS), 1ULL);
	KUNIT_EXPECT_EQ(test, ack(&cong, 0, 1, START, START + 100 * MS), 0ULL);
}

/*
 * 15 of 20 are lost: 5 are in flight and the goal is 10. While losses go on one
 * packet leaves for each delivered, afterwards one more with each frame.
 */
static void heavy_loss_rebuilds_the_flight_slowly(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, &quic_cong_reno);
	KUNIT_EXPECT_EQ(test, ack(&cong, 1, 14, START, START + 100 * MS), 1ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 6000ULL);
	KUNIT_EXPECT_EQ(test, ack(&cong, 1, 1, START, START + 101 * MS), 1ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 5000ULL);
	KUNIT_EXPECT_EQ(test, ack(&cong, 1, 0, START, START + 102 * MS), 2ULL);
	KUNIT_EXPECT_EQ(test, ack(&cong, 2, 0, START, START + 103 * MS), 3ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 7000ULL);
}

/* RFC 9002, section 7.3.2: the period ends when a packet sent in it arrives. */
static void window_rules_again_after_the_period(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, &quic_cong_reno);
	ack(&cong, 3, 1, START, START + 100 * MS);
	KUNIT_EXPECT_NE(test, quic_cong_window(&cong), cong.cwnd);
	ack(&cong, 16, 0, START, START + 101 * MS);
	ack(&cong, 1, 0, START + 101 * MS, START + 200 * MS);
	KUNIT_EXPECT_EQ(test, cong.prr.window, 0ULL);
	KUNIT_EXPECT_EQ(test, quic_cong_window(&cong), cong.cwnd);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 10000ULL);
}

static void persistent_congestion_ends_the_period(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, &quic_cong_reno);
	ack(&cong, 3, 1, START, START + 100 * MS);
	quic_cong_on_persistent(&cong);
	KUNIT_EXPECT_EQ(test, quic_cong_window(&cong), 2000ULL);
}

/* With any mix of losses the flight ends up at the goal and never grew on the way. */
static void any_period_ends_at_the_goal(struct kunit *test)
{
	u64 state = 3, round;

	for (round = 0; round < 1000; round++) {
		u32 left = 20, before = 20 * MSS;
		struct quic_cong cong;

		begin(&cong, round & 1 ? &quic_cong_reno : &quic_cong_cubic);
		ack(&cong, 0, 1, START, START + 100 * MS);
		left--;
		while (left) {
			u32 n = 1 + quic_test_below(&state, min(left, 4U));
			u32 lost = quic_test_below(&state, 4) ? 0 : quic_test_below(&state, n + 1);

			ack(&cong, n - lost, lost, START, START + 101 * MS);
			left -= n;
			KUNIT_ASSERT_LE(test, cong.bytes_in_flight,
					max_t(u64, before, cong.ssthresh));
			before = cong.bytes_in_flight;
		}
		KUNIT_ASSERT_LE(test, cong.bytes_in_flight, cong.ssthresh);
	}
}

static struct kunit_case cong_prr_cases[] = {
	KUNIT_CASE(flight_shrinks_in_proportion),
	KUNIT_CASE(flight_shrinks_by_the_controllers_own_factor),
	KUNIT_CASE(empty_flight_always_has_room),
	KUNIT_CASE(loss_is_repaired_at_once),
	KUNIT_CASE(heavy_loss_rebuilds_the_flight_slowly),
	KUNIT_CASE(window_rules_again_after_the_period),
	KUNIT_CASE(persistent_congestion_ends_the_period),
	KUNIT_CASE(any_period_ends_at_the_goal),
	{}
};

static struct kunit_suite cong_prr_suite = {
	.name = "quic_cong_prr",
	.test_cases = cong_prr_cases,
};

kunit_test_suite(cong_prr_suite);
