// SPDX-License-Identifier: GPL-2.0-or-later
/* NewReno, and what all congestion controllers share. */
#include "quic_test.h"
#include <uapi/linux/quic.h>
#include "../core/cong.h"

#define MS	1000000ULL
#define START	(1000 * MS)
#define MSS	1200

static struct quic_rtt some_rtt(void)
{
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, 100 * MS);
	return rtt;
}

/* In flight, then acknowledged; sent when the test began unless it says otherwise. */
static void acked_at(struct quic_cong *cong, u32 bytes, u64 sent_time, u64 now)
{
	struct quic_rtt rtt = some_rtt();

	quic_cong_on_sent(cong, bytes);
	quic_cong_on_acked(cong, bytes, sent_time, &rtt, now);
}

static void acked(struct quic_cong *cong, u32 bytes)
{
	acked_at(cong, bytes, START, START + 100 * MS);
}

static void controllers_are_found_by_number(struct kunit *test)
{
	KUNIT_EXPECT_PTR_EQ(test, quic_cong_find(QUIC_CONG_ALG_RENO), &quic_cong_reno);
	KUNIT_EXPECT_PTR_EQ(test, quic_cong_find(QUIC_CONG_ALG_CUBIC), &quic_cong_cubic);
	KUNIT_EXPECT_PTR_EQ(test, quic_cong_find(QUIC_CONG_ALG_BBR), &quic_cong_bbr);
	KUNIT_EXPECT_NULL(test, quic_cong_find(3));
	KUNIT_EXPECT_NULL(test, quic_cong_find(255));
}

/* RFC 9002, section 7.2 */
static void initial_window_is_ten_packets_within_limits(struct kunit *test)
{
	static const struct {
		u32 mss;
		u64 cwnd;
	} table[] = {
		{ 1200, 12000 }, { 1472, 14720 }, { 1500, 14720 }, { 7360, 14720 },
		{ 8000, 16000 }, { 65507, 131014 },
	};
	struct quic_cong cong;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		quic_cong_init(&cong, &quic_cong_reno, table[i].mss);
		KUNIT_EXPECT_EQ(test, cong.cwnd, table[i].cwnd);
		KUNIT_EXPECT_TRUE(test, quic_cong_in_slow_start(&cong));
		KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 0ULL);
	}
}

/*
 * RFC 9002, section 7.2: the initial window follows the packet size; one that has grown is not less
 * than initial for larger packets; one that has shrunk stays.
 */
static void packet_size_changes_an_initial_window(struct kunit *test)
{
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, 1200);
	quic_cong_set_mss(&cong, 1400);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 14000ULL);
	quic_cong_set_mss(&cong, 1200);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 12000ULL);

	acked(&cong, 1200);
	quic_cong_set_mss(&cong, 1400);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 14000ULL);
	KUNIT_EXPECT_EQ(test, cong.mss, 1400U);
	quic_cong_set_mss(&cong, 65000);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 130000ULL);
	quic_cong_set_mss(&cong, 1200);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 12000ULL);
	acked(&cong, 1200);
	acked(&cong, 1200);
	acked(&cong, 1200);
	quic_cong_set_mss(&cong, 1400);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 15600ULL);

	quic_cong_init(&cong, &quic_cong_reno, 1200);
	quic_cong_on_event(&cong, 1, 2);
	quic_cong_set_mss(&cong, 1400);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 6000ULL);
	/* But it holds two packets. */
	quic_cong_set_mss(&cong, 9000);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 18000ULL);
}

/* RFC 9002, section 7: a packet must not take the flight beyond the window. */
static void window_has_room_for_whole_packets(struct kunit *test)
{
	struct quic_cong cong;
	int i;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	for (i = 0; i < 9; i++)
		quic_cong_on_sent(&cong, MSS);
	KUNIT_EXPECT_TRUE(test, quic_cong_has_room(&cong));
	quic_cong_on_sent(&cong, 1);
	KUNIT_EXPECT_FALSE(test, quic_cong_has_room(&cong));
}

/* RFC 9002, section 7.3.1 */
static void slow_start_adds_what_is_acknowledged(struct kunit *test)
{
	struct quic_cong cong;
	int i;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	for (i = 0; i < 10; i++)
		acked(&cong, MSS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 24000ULL);
	acked(&cong, 77);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 24077ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 0ULL);
}

/*
 * RFC 9002, sections 7.3.1 to 7.3.3, by hand: 24000 bytes halved are 12000,
 * ten packets; ten acknowledged make eleven, eleven more make twelve.
 */
static void window_halves_and_grows_by_a_packet_per_window(struct kunit *test)
{
	u64 later = START + 200 * MS;
	struct quic_cong cong;
	int i;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	for (i = 0; i < 10; i++)
		acked(&cong, MSS);
	quic_cong_on_event(&cong, START, START + 100 * MS);
	KUNIT_EXPECT_EQ(test, cong.ssthresh, 12000ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 12000ULL);
	KUNIT_EXPECT_FALSE(test, quic_cong_in_slow_start(&cong));

	for (i = 0; i < 9; i++)
		acked_at(&cong, MSS, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 12000ULL);
	acked_at(&cong, MSS, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 13200ULL);
	for (i = 0; i < 10; i++)
		acked_at(&cong, MSS, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 13200ULL);
	acked_at(&cong, MSS, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 14400ULL);
}

/* Bytes, not packets, are counted: what is left over counts towards the next packet. */
static void growth_keeps_the_remainder(struct kunit *test)
{
	u64 later = START + 200 * MS;
	struct quic_cong cong;
	int i;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	quic_cong_on_event(&cong, START, START + 100 * MS);	/* 6000 */
	for (i = 0; i < 6; i++)
		acked_at(&cong, 1100, later, later);		/* 6600: 600 are left */
	KUNIT_EXPECT_EQ(test, cong.cwnd, 7200ULL);
	for (i = 0; i < 6; i++)
		acked_at(&cong, 1100, later, later);		/* 7200 */
	KUNIT_EXPECT_EQ(test, cong.cwnd, 8400ULL);
}

/* RFC 9002, section 7.3.2: no further reduction, no growth, until a packet sent later arrives. */
static void recovery_period_reacts_once(struct kunit *test)
{
	u64 entered = START + 100 * MS;
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	quic_cong_on_event(&cong, START, entered);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 6000ULL);
	quic_cong_on_event(&cong, START + 50 * MS, entered + 10 * MS);
	quic_cong_on_event(&cong, entered, entered + 20 * MS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 6000ULL);
	KUNIT_EXPECT_EQ(test, cong.recovery_start, entered);

	acked_at(&cong, 6000, entered, entered + 30 * MS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 6000ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_acked, 0ULL);
	acked_at(&cong, 6000, entered + 1, entered + 30 * MS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 7200ULL);

	quic_cong_on_event(&cong, entered + 1, entered + 40 * MS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 3600ULL);
}

/* A recovery period that begins with the clock is one, too. */
static void recovery_period_may_start_at_time_zero(struct kunit *test)
{
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	quic_cong_on_event(&cong, 0, 0);
	quic_cong_on_event(&cong, 0, 0);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 6000ULL);
}

/* Credit of the larger window does not let the smaller one grow sooner. */
static void event_forfeits_credit(struct kunit *test)
{
	u64 later = START + 200 * MS;
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	quic_cong_on_event(&cong, START, START + 100 * MS);
	acked_at(&cong, 5999, later, later);
	quic_cong_on_event(&cong, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 3000ULL);
	acked_at(&cong, 2999, later + 1, later + 1);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 3000ULL);
	acked_at(&cong, 1, later + 1, later + 1);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 4200ULL);
}

/* RFC 9002, section 7.2 */
static void window_never_falls_below_two_packets(struct kunit *test)
{
	struct quic_cong cong;
	u64 now = START;
	int i;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	for (i = 0; i < 10; i++, now += 100 * MS)
		quic_cong_on_event(&cong, now, now + MS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2400ULL);
}

/* RFC 9002, section 7.6.2: the smallest window, slow start, and no recovery period. */
static void persistent_congestion_starts_anew(struct kunit *test)
{
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	acked(&cong, 12000);
	quic_cong_on_event(&cong, START, START + 100 * MS);
	quic_cong_on_persistent(&cong);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2400ULL);
	KUNIT_EXPECT_EQ(test, cong.ssthresh, 12000ULL);
	KUNIT_EXPECT_TRUE(test, quic_cong_in_slow_start(&cong));
	acked(&cong, MSS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 3600ULL);
}

/* RFC 9002, section 7.8: in slow start as in congestion avoidance. */
static void unused_window_does_not_grow(struct kunit *test)
{
	u64 later = START + 200 * MS;
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	cong.app_limited = true;
	acked(&cong, MSS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 12000ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 0ULL);

	quic_cong_on_event(&cong, START, START + 100 * MS);
	acked_at(&cong, 60000, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 6000ULL);
	KUNIT_EXPECT_EQ(test, cong.bytes_acked, 0ULL);
	cong.app_limited = false;
	acked_at(&cong, 6000, later, later);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 7200ULL);
}

static void window_stops_at_its_maximum(struct kunit *test)
{
	struct quic_cong cong;
	int i;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	cong.max_window = 20000;
	for (i = 0; i < 100; i++)
		acked(&cong, MSS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 20000ULL);

	/* No maximum lets it grow beyond the limit of all windows. */
	cong.max_window = U64_MAX;
	acked(&cong, U32_MAX);
	KUNIT_EXPECT_EQ(test, cong.cwnd, (u64)QUIC_CONG_WINDOW_LIMIT);

	/* And none makes it less than two packets. */
	cong.max_window = 0;
	acked(&cong, MSS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2400ULL);
}

static void bytes_in_flight_leave_in_every_way_and_stop_at_zero(struct kunit *test)
{
	struct quic_cong cong;

	quic_cong_init(&cong, &quic_cong_reno, MSS);
	quic_cong_on_sent(&cong, 5000);
	quic_cong_on_lost(&cong, 1000);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 4000ULL);
	quic_cong_on_discarded(&cong, 1500);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 2500ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 12000ULL);
	quic_cong_on_lost(&cong, 9000);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 0ULL);
	quic_cong_on_discarded(&cong, 1);
	KUNIT_EXPECT_EQ(test, cong.bytes_in_flight, 0ULL);
}

/* Whatever happens, with any clock and any estimate, the window keeps its bounds. */
static void any_history_keeps_the_bounds(struct kunit *test)
{
	static const struct quic_cong_ops *const all[] = { &quic_cong_reno, &quic_cong_cubic };
	u64 state = 7, now, i, before;
	struct quic_cong cong;
	struct quic_rtt rtt;
	u32 a, bytes;

	for (a = 0; a < ARRAY_SIZE(all); a++) {
		now = 0;
		quic_rtt_init(&rtt, 1);
		quic_cong_init(&cong, all[a], MSS);
		for (i = 0; i < 50000; i++) {
			u64 sent_time = now;

			now += quic_test_rand(&state) >> (20 + quic_test_below(&state, 44));
			now &= S64_MAX;
			bytes = quic_test_rand(&state) >> (32 + quic_test_below(&state, 32));
			before = cong.cwnd;
			switch (quic_test_below(&state, 64)) {
			case 0:
				quic_cong_on_event(&cong, sent_time, now);
				KUNIT_ASSERT_LE(test, cong.cwnd, before);
				break;
			case 1:
				quic_cong_on_persistent(&cong);
				break;
			case 2:
				cong.app_limited = !cong.app_limited;
				break;
			case 3:
				quic_cong_set_mss(&cong, 1200 + quic_test_below(&state, 64308));
				break;
			case 4:
				quic_rtt_init(&rtt, quic_test_rand(&state) >>
					      quic_test_below(&state, 64));
				break;
			case 5:
				quic_cong_on_lost(&cong, bytes);
				break;
			default:
				quic_cong_on_sent(&cong, bytes / 2);
				quic_cong_on_acked(&cong, bytes, sent_time, &rtt, now);
				KUNIT_ASSERT_GE(test, cong.cwnd, before);
				break;
			}
			KUNIT_ASSERT_GE(test, cong.cwnd, 2ULL * cong.mss);
			KUNIT_ASSERT_LE(test, cong.cwnd, (u64)QUIC_CONG_WINDOW_LIMIT);
			KUNIT_ASSERT_LE(test, cong.bytes_in_flight, U64_MAX / 2);
		}
	}
}

static struct kunit_case cong_reno_cases[] = {
	KUNIT_CASE(controllers_are_found_by_number),
	KUNIT_CASE(initial_window_is_ten_packets_within_limits),
	KUNIT_CASE(packet_size_changes_an_initial_window),
	KUNIT_CASE(window_has_room_for_whole_packets),
	KUNIT_CASE(slow_start_adds_what_is_acknowledged),
	KUNIT_CASE(window_halves_and_grows_by_a_packet_per_window),
	KUNIT_CASE(growth_keeps_the_remainder),
	KUNIT_CASE(recovery_period_reacts_once),
	KUNIT_CASE(recovery_period_may_start_at_time_zero),
	KUNIT_CASE(event_forfeits_credit),
	KUNIT_CASE(window_never_falls_below_two_packets),
	KUNIT_CASE(persistent_congestion_starts_anew),
	KUNIT_CASE(unused_window_does_not_grow),
	KUNIT_CASE(window_stops_at_its_maximum),
	KUNIT_CASE(bytes_in_flight_leave_in_every_way_and_stop_at_zero),
	KUNIT_CASE(any_history_keeps_the_bounds),
	{}
};

static struct kunit_suite cong_reno_suite = {
	.name = "quic_cong_reno",
	.test_cases = cong_reno_cases,
};

kunit_test_suite(cong_reno_suite);
