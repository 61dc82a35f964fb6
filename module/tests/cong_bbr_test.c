// SPDX-License-Identifier: GPL-2.0-or-later
/* BBR: traces of ACK frames and losses, and what they must do to rate and window. */
#include "quic_test.h"
#include "../core/cong.h"

#define MS	1000000ULL
#define S	(1000 * MS)
#define MSS	1000
#define RTT	(100 * MS)
#define NEVER	(~0ULL)

/* A connection that sends a flight at once and hears of all of it a round trip later. */
struct flow {
	struct quic_cong cong;
	struct quic_rtt rtt;
	struct quic_rate_snapshot snapshot[1024];
	u64 sent_at;
	u64 now;
	u32 packets;
};

static struct flow *begin(struct kunit *test)
{
	struct flow *flow = kunit_kzalloc(test, sizeof(*flow), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, flow);
	quic_cong_init(&flow->cong, &quic_cong_bbr, MSS);
	quic_rtt_init(&flow->rtt, 333 * MS);
	flow->now = 100 * S;
	return flow;
}

static void send(struct flow *flow, u32 packets)
{
	u32 i;

	flow->sent_at = flow->now;
	flow->packets = packets;
	for (i = 0; i < packets; i++) {
		quic_cong_on_sent(&flow->cong, MSS);
		flow->cong.ops->on_sent(&flow->cong, &flow->snapshot[i], MSS, flow->now);
	}
}

/* An ACK frame after @rtt about packets @from to @to of the flight, of which the first @lost are. */
static void ack_part(struct flow *flow, u64 rtt, u32 from, u32 to, u32 lost)
{
	struct quic_cong *cong = &flow->cong;
	u32 i;

	flow->now = flow->sent_at + rtt;
	quic_rtt_update(&flow->rtt, rtt, 0, 0, true, flow->now);
	for (i = from + lost; i < to; i++) {
		cong->ops->on_delivered(cong, &flow->snapshot[i], MSS, flow->sent_at, flow->now);
		quic_cong_on_acked(cong, MSS, flow->sent_at, &flow->rtt, flow->now);
	}
	for (i = from; i < from + lost; i++) {
		quic_cong_on_lost(cong, MSS);
		cong->ops->on_packet_lost(cong, &flow->snapshot[i], MSS, flow->now);
	}
	if (lost)
		quic_cong_on_loss_event(cong, lost, flow->sent_at, flow->now);
	quic_cong_on_ack(cong, &flow->rtt, flow->sent_at, flow->now);
}

/* One about all of it. */
static void ack(struct flow *flow, u64 rtt, u32 lost)
{
	ack_part(flow, rtt, 0, flow->packets, lost);
}

static void round_trip(struct flow *flow, u32 packets, u64 rtt, u32 lost)
{
	send(flow, packets);
	ack(flow, rtt, lost);
}

/* A path of 100 packets each 100 ms, that is a megabyte per second, filled and drained. */
static struct flow *begin_probing(struct kunit *test)
{
	struct flow *flow = begin(test);
	int i;

	for (i = 0; i < 5; i++)
		round_trip(flow, 100, RTT, 0);
	KUNIT_ASSERT_EQ(test, quic_bbr_max_bw(&flow->cong), 1000000ULL);
	KUNIT_ASSERT_TRUE(test, flow->cong.bbr.filled_pipe);
	KUNIT_ASSERT_GE(test, flow->cong.bbr.state, QUIC_BBR_PROBE_DOWN);
	KUNIT_ASSERT_LE(test, flow->cong.bbr.state, QUIC_BBR_PROBE_CRUISE);
	return flow;
}

/* Runs on until @state is entered, half a round trip for each flight less than full. */
static void run_to(struct kunit *test, struct flow *flow, u8 state)
{
	int i;

	for (i = 0; i < 200 && flow->cong.bbr.state != state; i++)
		round_trip(flow, 100, RTT, 0);
	KUNIT_ASSERT_EQ(test, flow->cong.bbr.state, state);
}

/*
 * Section 4.6.2: 2.77 of the initial window in a round trip, and 2.77 of the
 * measured rate less a percent as soon as that is more. Ten packets each
 * 100 ms are 100 kB/s: 277000 * 0.99 = 274230 is less than 277000.
 */
static void startup_paces_at_twice_and_more_of_what_arrives(struct kunit *test)
{
	struct flow *flow = begin(test);

	KUNIT_EXPECT_EQ(test, flow->cong.pacing_rate, 0ULL);
	round_trip(flow, 10, RTT, 0);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.state, QUIC_BBR_STARTUP);
	KUNIT_EXPECT_EQ(test, quic_bbr_max_bw(&flow->cong), 100000ULL);
	KUNIT_EXPECT_EQ(test, flow->cong.pacing_rate, 277000ULL);
	KUNIT_EXPECT_EQ(test, flow->cong.cwnd, 20000ULL);
	round_trip(flow, 20, RTT, 0);
	KUNIT_EXPECT_EQ(test, quic_bbr_max_bw(&flow->cong), 200000ULL);
	KUNIT_EXPECT_EQ(test, flow->cong.pacing_rate, 200000ULL * 277 / 100 * 99 / 100);
	KUNIT_EXPECT_EQ(test, flow->cong.cwnd, 40000ULL);
}

/* Section 4.3.1.2: three rounds without a quarter more. */
static void startup_ends_on_a_plateau(struct kunit *test)
{
	struct flow *flow = begin(test);

	round_trip(flow, 100, RTT, 0);
	round_trip(flow, 124, RTT, 0);
	round_trip(flow, 124, RTT, 0);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.filled_pipe);
	round_trip(flow, 125, RTT, 0);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.filled_pipe);	/* a quarter more */
	round_trip(flow, 125, RTT, 0);
	round_trip(flow, 125, RTT, 0);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.filled_pipe);
	round_trip(flow, 125, RTT, 0);
	KUNIT_EXPECT_TRUE(test, flow->cong.bbr.filled_pipe);
}

/* Section 4.3.1.3: rounds that bring ever more, but lose a tenth of it in several places, over a queue. */
static void startup_ends_by_loss(struct kunit *test)
{
	u32 lost, packets, part, at;
	struct flow *flow;

	for (lost = 0; lost <= 5; lost += 5) {
		flow = begin(test);
		round_trip(flow, 50, RTT, 0);
		for (packets = 100; packets <= 800; packets *= 2) {
			send(flow, packets);
			part = packets / 4;
			for (at = 0; at < packets; at += part)
				ack_part(flow, 2 * RTT + at * MS / part, at, at + part,
					 part * lost / 50);
		}
		KUNIT_EXPECT_EQ(test, flow->cong.bbr.filled_pipe, lost > 0);
	}
}

static void plateau_for_want_of_data_does_not_count(struct kunit *test)
{
	struct flow *flow = begin(test);
	int i;

	for (i = 0; i < 10; i++) {
		send(flow, 100);
		flow->cong.app_limited = true;
		flow->cong.ops->on_burst(&flow->cong);
		ack(flow, RTT, 0);
	}
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.filled_pipe);
}

/* Section 4.6.4.2: twice what fills the path, a megabyte per second for 100 ms. */
static void window_is_twice_the_bdp_and_what_aggregates(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	struct quic_cong *cong = &flow->cong;

	KUNIT_EXPECT_EQ(test, quic_bbr_bdp(cong, cong->bbr.bw, 100), 100000ULL);
	run_to(test, flow, QUIC_BBR_PROBE_CRUISE);
	round_trip(flow, 100, RTT, 0);
	KUNIT_EXPECT_EQ(test, cong->cwnd, 200000ULL + quic_bbr_extra_acked(cong));
	KUNIT_EXPECT_EQ(test, cong->pacing_rate, 990000ULL);
}

/* Section 4.3.3: DOWN or CRUISE, then REFILL for a round, UP at a quarter more, and DOWN. */
static void bandwidth_is_probed_in_turns(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	u64 begun;

	run_to(test, flow, QUIC_BBR_PROBE_CRUISE);
	begun = flow->now;
	run_to(test, flow, QUIC_BBR_PROBE_REFILL);
	KUNIT_EXPECT_LE(test, flow->now - begun, 3 * S + 2 * RTT);
	KUNIT_EXPECT_EQ(test, flow->cong.pacing_rate, 990000ULL);
	round_trip(flow, 100, RTT, 0);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.state, QUIC_BBR_PROBE_UP);
	KUNIT_EXPECT_EQ(test, flow->cong.pacing_rate, 1237500ULL);
}

/* Section 4.3.3.6: a probe ends once it has filled a queue, but not before that can be its own doing. */
static void probe_for_bandwidth_ends_with_a_queue(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	int round;

	run_to(test, flow, QUIC_BBR_PROBE_UP);
	send(flow, 300);	/* which wait somewhere */
	for (round = 1; round <= 3; round++) {
		KUNIT_EXPECT_EQ(test, flow->cong.bbr.state, QUIC_BBR_PROBE_UP);
		round_trip(flow, 100, RTT, 0);
	}
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.state, QUIC_BBR_PROBE_DOWN);
}

/* Section 4.3.4: every five seconds half a BDP in flight, for 200 ms and a round. */
static void delay_is_probed_every_five_seconds(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	u64 begun = flow->cong.bbr.probe_rtt_min_stamp;

	/* 101 ms: the smallest sample is not refreshed. */
	while (flow->cong.bbr.state != QUIC_BBR_PROBE_RTT && flow->now < begun + 10 * S)
		round_trip(flow, 100, RTT + MS, 0);
	KUNIT_ASSERT_EQ(test, flow->cong.bbr.state, QUIC_BBR_PROBE_RTT);
	KUNIT_EXPECT_GT(test, flow->now, begun + 5 * S);
	KUNIT_EXPECT_LE(test, flow->now, begun + 5 * S + 2 * RTT);
	KUNIT_EXPECT_LE(test, flow->cong.cwnd, 51000ULL);
	KUNIT_EXPECT_GE(test, flow->cong.cwnd, 49000ULL);
	begun = flow->now;
	while (flow->cong.bbr.state == QUIC_BBR_PROBE_RTT && flow->now < begun + 10 * S)
		round_trip(flow, 40, RTT, 0);
	KUNIT_EXPECT_GT(test, flow->now, begun + 200 * MS);
	KUNIT_EXPECT_LE(test, flow->now, begun + 200 * MS + 3 * RTT);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.state, QUIC_BBR_PROBE_CRUISE);
	KUNIT_EXPECT_GE(test, flow->cong.cwnd, 200000ULL);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.min_rtt, RTT);
}

/* Section 4.3.4.4: silence has shown the delay of an empty path already, there is no need to probe it. */
static void silence_takes_the_place_of_a_probe(struct kunit *test)
{
	struct flow *flow = begin_probing(test);

	flow->cong.app_limited = true;
	flow->cong.ops->on_burst(&flow->cong);
	flow->now += 10 * S;
	round_trip(flow, 10, RTT + MS, 0);
	KUNIT_EXPECT_NE(test, flow->cong.bbr.state, QUIC_BBR_PROBE_RTT);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.idle_restart);
}

/*
 * Section 4.5.6.3: three of 100 packets lost while round trips are long. At the
 * end of the round bw_lo is the larger one of seven tenths and what arrived.
 */
static void loss_over_a_queue_lowers_the_rate(struct kunit *test)
{
	struct flow *flow = begin_probing(test);

	run_to(test, flow, QUIC_BBR_PROBE_CRUISE);
	round_trip(flow, 80, 150 * MS, 0);
	round_trip(flow, 80, 150 * MS, 0);
	KUNIT_EXPECT_TRUE(test, quic_bbr_sees_queue(&flow->cong));
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.bw_lo, NEVER);
	round_trip(flow, 80, 150 * MS, 3);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.bw_lo, 700000ULL);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.bw, 700000ULL);
	KUNIT_EXPECT_LE(test, flow->cong.cwnd, flow->cong.bbr.inflight_lo);
}

/* Without a queue the same losses are taken for the path's own, ten percent at most. */
static void loss_without_a_queue_is_borne(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	int i;

	run_to(test, flow, QUIC_BBR_PROBE_CRUISE);
	for (i = 0; i < 5; i++)
		round_trip(flow, 100, RTT, 9);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.bw_lo, NEVER);
	KUNIT_EXPECT_GE(test, flow->cong.cwnd, 150000ULL);
	for (i = 0; i < 3; i++)
		round_trip(flow, 100, RTT, 12);
	KUNIT_EXPECT_LT(test, flow->cong.bbr.bw_lo, NEVER);
}

/* Section 4.5.6.2: too much was in flight when a probe makes for losses. */
static void loss_of_a_probe_bounds_the_flight(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	int i;

	run_to(test, flow, QUIC_BBR_PROBE_UP);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.inflight_hi, NEVER);
	round_trip(flow, 125, 125 * MS, 0);
	round_trip(flow, 150, 150 * MS, 20);
	/* DOWN, and with nothing in flight on to CRUISE at once. */
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.state, QUIC_BBR_PROBE_CRUISE);
	/* The losses exceed two percent somewhere before the 150th packet. */
	KUNIT_EXPECT_LE(test, flow->cong.bbr.inflight_hi, 150000ULL);
	KUNIT_EXPECT_GE(test, flow->cong.bbr.inflight_hi, 70000ULL);
	/* Others get 15 percent of it while cruising. */
	KUNIT_EXPECT_EQ(test, quic_bbr_with_headroom(&flow->cong),
			flow->cong.bbr.inflight_hi * 85 / 100);
	for (i = 0; i < 5 && flow->cong.bbr.state == QUIC_BBR_PROBE_CRUISE; i++) {
		KUNIT_EXPECT_LE(test, flow->cong.cwnd, quic_bbr_with_headroom(&flow->cong));
		round_trip(flow, 100, RTT, 0);
	}
	KUNIT_EXPECT_GE(test, i, 3);
}

/* Section 4.6.4.4: for a round trip what arrives is replaced, and no more. */
static void losses_are_repaired_without_growth(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	u64 window;

	run_to(test, flow, QUIC_BBR_PROBE_CRUISE);
	round_trip(flow, 100, 2 * RTT, 0);
	round_trip(flow, 100, 2 * RTT, 0);	/* that is a queue */
	send(flow, 100);
	ack_part(flow, 2 * RTT, 0, 20, 5);
	KUNIT_ASSERT_TRUE(test, flow->cong.bbr.in_recovery);
	window = flow->cong.cwnd;
	KUNIT_EXPECT_LE(test, window, flow->cong.bytes_in_flight + 20 * MSS);
	ack_part(flow, 2 * RTT + MS, 20, 60, 0);
	KUNIT_EXPECT_LE(test, flow->cong.cwnd, window);
	ack_part(flow, 2 * RTT + 2 * MS, 60, 100, 0);
	KUNIT_EXPECT_LE(test, flow->cong.cwnd, window);
	/* Packets sent since arrive: it is over. */
	round_trip(flow, 80, 2 * RTT, 0);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.in_recovery);
	KUNIT_EXPECT_GT(test, flow->cong.cwnd, window);
}

/* Marks by the network slow down like losses, queue or not. RFC 9002, section 7.1 */
static void marks_lower_the_rate(struct kunit *test)
{
	struct flow *flow = begin_probing(test);

	run_to(test, flow, QUIC_BBR_PROBE_CRUISE);
	send(flow, 80);
	quic_cong_on_event(&flow->cong, flow->sent_at, flow->sent_at + RTT);
	ack(flow, RTT, 0);
	round_trip(flow, 80, RTT, 0);
	KUNIT_EXPECT_LT(test, flow->cong.bbr.bw_lo, NEVER);
}

static void spurious_event_is_undone(struct kunit *test)
{
	struct flow *flow = begin_probing(test);
	u64 cwnd, hi;
	int i;

	run_to(test, flow, QUIC_BBR_PROBE_UP);
	cwnd = flow->cong.cwnd;
	hi = flow->cong.bbr.inflight_hi;
	round_trip(flow, 100, RTT, 15);
	for (i = 0; i < 15; i++)
		quic_cong_on_spurious(&flow->cong, MSS, flow->cong.events);
	KUNIT_EXPECT_GE(test, flow->cong.cwnd, cwnd);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.inflight_hi, hi);
	KUNIT_EXPECT_EQ(test, flow->cong.bbr.bw_lo, NEVER);
}

/* RFC 9002, section 7.6.2: the smallest window, and growth from there. */
static void persistent_congestion_starts_anew(struct kunit *test)
{
	struct flow *flow = begin_probing(test);

	round_trip(flow, 100, 2 * RTT, 0);
	round_trip(flow, 100, 2 * RTT, 0);
	round_trip(flow, 100, 2 * RTT, 50);
	KUNIT_EXPECT_TRUE(test, flow->cong.bbr.in_recovery);
	KUNIT_EXPECT_TRUE(test, flow->cong.bbr.packet_conservation);
	quic_cong_on_persistent(&flow->cong);
	KUNIT_EXPECT_EQ(test, flow->cong.cwnd, 2000ULL);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.in_recovery);
	KUNIT_EXPECT_FALSE(test, flow->cong.bbr.packet_conservation);
	round_trip(flow, 2, RTT, 0);
	KUNIT_EXPECT_LE(test, flow->cong.cwnd, 8000ULL);
}

/* Whatever happens, with any clock, the window keeps its bounds and rates stay sane. */
static void any_history_keeps_the_bounds(struct kunit *test)
{
	struct flow *flow = begin(test);
	u64 state = 9, i;

	for (i = 0; i < QUIC_TEST_ROUNDS(5000); i++) {
		u32 packets = 1 + quic_test_below(&state, 200);

		flow->now += quic_test_rand(&state) >> (24 + quic_test_below(&state, 40));
		flow->now &= S64_MAX >> 1;
		send(flow, packets);
		flow->cong.app_limited = !quic_test_below(&state, 3);
		flow->cong.ops->on_burst(&flow->cong);
		ack(flow, 1 + (quic_test_rand(&state) >> (30 + quic_test_below(&state, 34))),
		    quic_test_below(&state, 2) ? 0 : quic_test_below(&state, packets + 1));
		if (!quic_test_below(&state, 50))
			quic_cong_on_persistent(&flow->cong);
		if (!quic_test_below(&state, 50))
			quic_cong_on_event(&flow->cong, flow->now, flow->now);
		KUNIT_ASSERT_GE(test, flow->cong.cwnd, 2000ULL);
		KUNIT_ASSERT_LE(test, flow->cong.cwnd, (u64)QUIC_CONG_WINDOW_LIMIT);
		KUNIT_ASSERT_GT(test, flow->cong.pacing_rate, 0ULL);
		KUNIT_ASSERT_EQ(test, flow->cong.bytes_in_flight, 0ULL);
	}
}

static struct kunit_case cong_bbr_cases[] = {
	KUNIT_CASE(startup_paces_at_twice_and_more_of_what_arrives),
	KUNIT_CASE(startup_ends_on_a_plateau),
	KUNIT_CASE(startup_ends_by_loss),
	KUNIT_CASE(plateau_for_want_of_data_does_not_count),
	KUNIT_CASE(window_is_twice_the_bdp_and_what_aggregates),
	KUNIT_CASE(bandwidth_is_probed_in_turns),
	KUNIT_CASE(probe_for_bandwidth_ends_with_a_queue),
	KUNIT_CASE(delay_is_probed_every_five_seconds),
	KUNIT_CASE(silence_takes_the_place_of_a_probe),
	KUNIT_CASE(loss_over_a_queue_lowers_the_rate),
	KUNIT_CASE(loss_without_a_queue_is_borne),
	KUNIT_CASE(loss_of_a_probe_bounds_the_flight),
	KUNIT_CASE(losses_are_repaired_without_growth),
	KUNIT_CASE(marks_lower_the_rate),
	KUNIT_CASE(spurious_event_is_undone),
	KUNIT_CASE(persistent_congestion_starts_anew),
	KUNIT_CASE(any_history_keeps_the_bounds),
	{}
};

static struct kunit_suite cong_bbr_suite = {
	.name = "quic_cong_bbr",
	.test_cases = cong_bbr_cases,
};

kunit_test_suite(cong_bbr_suite);
