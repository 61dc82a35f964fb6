// SPDX-License-Identifier: GPL-2.0-or-later
/* CUBIC against windows worked out from the formulas of RFC 9438. */
#include "quic_test.h"
#include "../core/cong.h"

#define MS	1000000ULL
#define S	1000000000ULL
#define START	(1000 * S)
#define MSS	1000

static void acked_rtt(struct quic_cong *cong, u32 bytes, u64 sent_time, u64 now, u64 smoothed_rtt)
{
	struct quic_rtt rtt;

	quic_rtt_init(&rtt, smoothed_rtt);
	quic_cong_on_sent(cong, bytes);
	quic_cong_on_acked(cong, bytes, sent_time, &rtt, now);
}

/* Acknowledged at @now, on a path of 100 ms. */
static void acked(struct quic_cong *cong, u32 bytes, u64 now)
{
	acked_rtt(cong, bytes, now - 100 * MS, now, 100 * MS);
}

/* A window of @cwnd bytes, and something in flight all the time. */
static void begin(struct quic_cong *cong, u64 cwnd)
{
	quic_cong_init(cong, &quic_cong_cubic, MSS);
	cong->cwnd = cwnd;
	quic_cong_on_sent(cong, MSS);
}

/* The window was 100 packets when one was lost; at START the epoch begins. */
static void begin_epoch(struct quic_cong *cong)
{
	begin(cong, 100000);
	quic_cong_on_event(cong, START - 300 * MS, START - 200 * MS);
	acked(cong, 0, START);
}

/* RFC 9438, section 4.10 */
static void slow_start_adds_what_is_acknowledged(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, 10000);
	acked(&cong, 10000, START);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 20000ULL);
}

/* RFC 9438, section 4.6: beta is 0.7. */
static void event_leaves_seven_tenths(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, 100000);
	quic_cong_on_event(&cong, START - MS, START);
	KUNIT_EXPECT_EQ(test, cong.ssthresh, 70000ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 70000ULL);
	KUNIT_EXPECT_EQ(test, cong.cubic.w_max, 100000ULL);
}

static void threshold_is_at_least_two_packets(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, 2000);
	quic_cong_on_event(&cong, START - MS, START);
	KUNIT_EXPECT_EQ(test, cong.ssthresh, 2000ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2000ULL);
}

/* RFC 9438, section 4.7: (1 + beta) / 2 = 0.85 of the window, if it lies below the last plateau. */
static void fast_convergence_lowers_the_plateau(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, 100000);
	quic_cong_on_event(&cong, START - MS, START);			/* 70000 */
	quic_cong_on_event(&cong, START + MS, START + 2 * MS);		/* 49000 */
	KUNIT_EXPECT_EQ(test, cong.cubic.w_max, 59500ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 49000ULL);

	/* Above the plateau: no further reduction. */
	cong.cwnd = 60000;
	quic_cong_on_event(&cong, START + 3 * MS, START + 4 * MS);
	KUNIT_EXPECT_EQ(test, cong.cubic.w_max, 60000ULL);
}

/* RFC 9438, section 4.2, figure 2: the cube root of (100 - 70) / 0.4 s^3 is 4.217163 s. */
static void time_to_the_plateau_is_the_cube_root(struct kunit *test)
{
	static const struct {
		u64 cwnd;
		u32 mss;
		u64 k;
	} table[] = {
		{ 100000, 1000, 4217 },			/* 75 */
		{ 20000, 1000, 2466 },			/* 15 */
		{ 16000, 1200, 2154 },			/* 10 */
		{ QUIC_CONG_WINDOW_LIMIT, 1200, 69489 },
	};
	struct quic_cong cong;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		begin(&cong, table[i].cwnd);
		quic_cong_set_mss(&cong, table[i].mss);
		quic_cong_on_event(&cong, START - 300 * MS, START - 200 * MS);
		acked(&cong, 0, START);
		KUNIT_EXPECT_EQ(test, cong.cubic.k, table[i].k);
		KUNIT_EXPECT_EQ(test, cong.cubic.epoch_start, START);
	}
}

/*
 * RFC 9438, sections 4.2, 4.4 and 4.5. A whole window acknowledged at once
 * takes cwnd to its target, W_cubic(t + 0.1 s); from the formula in real
 * numbers, so a few bytes (K is cut to milliseconds) are allowed for.
 */
static void window_follows_the_curve(struct kunit *test)
{
	static const struct {
		u64 ms, cwnd;
	} table[] = {
		{ 0, 72084 },		/* concave */
		{ 1000, 87885 },
		{ 2000, 96204 },
		{ 4000, 99999 },	/* the plateau */
		{ 5000, 100275 },	/* convex */
		{ 6000, 102670 },
		{ 6500, 105411 },	/* more than half as much again: the limit is 105000 */
	};
	struct quic_cong cong;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		u64 want = min(table[i].cwnd, 105000ULL);

		begin_epoch(&cong);
		acked(&cong, 70000, START + table[i].ms * MS);
		KUNIT_EXPECT_GE(test, cong.cwnd + 5, want);
		KUNIT_EXPECT_LE(test, cong.cwnd, want + 5);
	}
}

/* RFC 9438, section 4.2: no faster than half the window in a round trip, however late. */
static void target_is_at_most_half_as_much_again(struct kunit *test)
{
	/* the cube of the last one, 2^22 ms from the plateau, is zero in 64 bits */
	static const u64 late[] = { 10 * S, 100 * S, 10000 * S, 1000000 * S, 4198421 * MS };
	struct quic_cong cong;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(late); i++) {
		begin_epoch(&cong);
		acked(&cong, 70000, START + late[i]);
		KUNIT_EXPECT_EQ(test, cong.cwnd, 105000ULL);
	}
}

/* RFC 9438, section 4.4: (target - cwnd) / cwnd for each packet; ten of them make a whole. */
static void growth_is_spread_over_the_window(struct kunit *test)
{
	struct quic_cong cong;
	u64 first;

	begin_epoch(&cong);
	acked(&cong, 7000, START + 2000 * MS);
	/* a tenth of 96204 - 70000 */
	KUNIT_EXPECT_GE(test, cong.cwnd, 72619ULL);
	KUNIT_EXPECT_LE(test, cong.cwnd, 72622ULL);

	/* A byte at a time comes to the same as all at once: no growth is rounded away. */
	begin_epoch(&cong);
	for (first = 0; first < 100; first++)
		acked(&cong, 70, START + 2000 * MS);
	KUNIT_EXPECT_GE(test, cong.cwnd, 72400ULL);
	KUNIT_EXPECT_LE(test, cong.cwnd, 72622ULL);
}

/*
 * RFC 9438, section 4.3, by hand: from 14 packets W_est grows by one for every
 * 17/9 windows acknowledged, 26445 bytes, while the curve has hardly moved.
 */
static void short_paths_grow_like_reno(struct kunit *test)
{
	struct quic_cong cong;
	u64 now = START;
	int i;

	begin(&cong, 20000);
	quic_cong_on_event(&cong, now - 2 * MS, now - MS);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 14000ULL);
	/* The curve says 14002 after a millisecond: at most that much comes from it. */
	for (i = 0; i < 26; i++)
		acked_rtt(&cong, 1000, now, now, MS);
	KUNIT_EXPECT_GE(test, cong.cwnd, 14000ULL);
	KUNIT_EXPECT_LE(test, cong.cwnd, 14030ULL);
	acked_rtt(&cong, 1000, now, now, MS);
	KUNIT_EXPECT_EQ(test, cong.cubic.w_est, 15000ULL);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 15000ULL);
}

/* RFC 9438, section 4.3: once W_est has reached the window before the loss, alpha is 1. */
static void reno_estimate_speeds_up_past_the_last_window(struct kunit *test)
{
	struct quic_cong cong;
	u64 now = START;
	u32 count = 0;

	begin(&cong, 20000);
	quic_cong_on_event(&cong, now - 2 * MS, now - MS);
	while (cong.cubic.w_est < 20000) {
		acked_rtt(&cong, 1000, now, now, MS);
		KUNIT_ASSERT_LT(test, ++count, 1000U);
	}
	KUNIT_EXPECT_EQ(test, cong.cwnd, 20000ULL);
	/* 14 + 15 + ... + 19 packets, times 17/9: 187 of them */
	KUNIT_EXPECT_GE(test, count, 186U);
	KUNIT_EXPECT_LE(test, count, 189U);

	count = 0;
	while (cong.cubic.w_est < 21000) {
		acked_rtt(&cong, 1000, now, now, MS);
		count++;
		KUNIT_ASSERT_LT(test, count, 1000U);
	}
	KUNIT_EXPECT_GE(test, count, 19U);
	KUNIT_EXPECT_LE(test, count, 20U);
}

/* RFC 9438, section 4.8: the first epoch after a timeout starts on its plateau. */
static void persistent_congestion_forgets_the_plateau(struct kunit *test)
{
	struct quic_cong cong;

	begin(&cong, 100000);
	quic_cong_on_event(&cong, START - 300 * MS, START - 200 * MS);
	quic_cong_on_persistent(&cong);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2000ULL);
	KUNIT_EXPECT_TRUE(test, quic_cong_in_slow_start(&cong));
	acked(&cong, 68000, START);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 70000ULL);
	KUNIT_EXPECT_FALSE(test, quic_cong_in_slow_start(&cong));

	acked(&cong, 0, START + S);
	KUNIT_EXPECT_EQ(test, cong.cubic.k, 0ULL);
	KUNIT_EXPECT_EQ(test, cong.cubic.origin, 70000ULL);
	/* 0.4 * 2.1^3 packets above it two seconds later */
	acked(&cong, 70000, START + 3 * S);
	KUNIT_EXPECT_GE(test, cong.cwnd, 73703ULL);
	KUNIT_EXPECT_LE(test, cong.cwnd, 73705ULL);
}

/* RFC 9438, section 5.8: the curve does not run on while the window is not used. */
static void time_of_an_unused_window_does_not_count(struct kunit *test)
{
	struct quic_cong busy, limited;

	begin_epoch(&busy);
	acked(&busy, 1, START + S);
	acked(&busy, 70000, START + 2 * S);

	/* The same with a hundred seconds in between in which the application had little to say. */
	begin_epoch(&limited);
	acked(&limited, 1, START + S);
	limited.app_limited = true;
	acked(&limited, 1, START + S);
	acked(&limited, 1, START + 50 * S);
	limited.app_limited = false;
	acked_rtt(&limited, 1, START + 101 * S, START + 101 * S, 100 * MS);
	acked(&limited, 70000, START + 102 * S);
	KUNIT_EXPECT_GE(test, limited.cwnd + 2, busy.cwnd);
	KUNIT_EXPECT_LE(test, limited.cwnd, busy.cwnd + 2);
}

static void time_with_nothing_in_flight_does_not_count(struct kunit *test)
{
	struct quic_cong cong;

	begin_epoch(&cong);
	quic_cong_on_discarded(&cong, MSS);
	acked(&cong, 0, START);		/* now nothing is in flight */
	acked_rtt(&cong, 0, START + 500 * S, START + 500 * S, 100 * MS);
	KUNIT_EXPECT_EQ(test, cong.cubic.epoch_start, START + 500 * S);
	acked(&cong, 70000, START + 501 * S);
	KUNIT_EXPECT_LE(test, cong.cwnd, 87890ULL);
}

static void unused_window_does_not_grow(struct kunit *test)
{
	struct quic_cong cong;

	begin_epoch(&cong);
	cong.app_limited = true;
	acked(&cong, 70000, START + 5 * S);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 70000ULL);
}

/* A sawtooth of a minute: each loss costs three tenths, and in between the window only grows. */
static void long_transfer_keeps_its_sawtooth(struct kunit *test)
{
	u64 now = START, before, i, losses = 0;
	struct quic_cong cong;

	begin(&cong, 10000);
	for (i = 0; i < 600; i++) {
		now += 100 * MS;
		before = cong.cwnd;
		if (cong.cwnd > 150000) {
			quic_cong_on_event(&cong, now - 50 * MS, now);
			KUNIT_ASSERT_EQ(test, cong.cwnd, before * 7 / 10);
			losses++;
			continue;
		}
		acked_rtt(&cong, cong.cwnd, now - 50 * MS, now, 100 * MS);
		KUNIT_ASSERT_GE(test, cong.cwnd, before);
		KUNIT_ASSERT_LE(test, cong.cwnd, 2 * before);
	}
	/* K for 150 packets is 4.8 s; growth past the plateau takes it a little further. */
	KUNIT_EXPECT_GE(test, losses, 8ULL);
	KUNIT_EXPECT_LE(test, losses, 20ULL);
}

static struct kunit_case cong_cubic_cases[] = {
	KUNIT_CASE(slow_start_adds_what_is_acknowledged),
	KUNIT_CASE(event_leaves_seven_tenths),
	KUNIT_CASE(threshold_is_at_least_two_packets),
	KUNIT_CASE(fast_convergence_lowers_the_plateau),
	KUNIT_CASE(time_to_the_plateau_is_the_cube_root),
	KUNIT_CASE(window_follows_the_curve),
	KUNIT_CASE(target_is_at_most_half_as_much_again),
	KUNIT_CASE(growth_is_spread_over_the_window),
	KUNIT_CASE(short_paths_grow_like_reno),
	KUNIT_CASE(reno_estimate_speeds_up_past_the_last_window),
	KUNIT_CASE(persistent_congestion_forgets_the_plateau),
	KUNIT_CASE(time_of_an_unused_window_does_not_count),
	KUNIT_CASE(time_with_nothing_in_flight_does_not_count),
	KUNIT_CASE(unused_window_does_not_grow),
	KUNIT_CASE(long_transfer_keeps_its_sawtooth),
	{}
};

static struct kunit_suite cong_cubic_suite = {
	.name = "quic_cong_cubic",
	.test_cases = cong_cubic_cases,
};

kunit_test_suite(cong_cubic_suite);
