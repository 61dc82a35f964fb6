// SPDX-License-Identifier: GPL-2.0-or-later
/* Samples of the delivery rate against rates worked out by hand. */
#include "quic_test.h"
#include "../core/delivery_rate.h"

#define MS	1000000ULL
#define START	(1000 * MS)
#define SIZE	1000

/* A path and the packets sent over it, by number. */
struct trace {
	struct quic_delivery_rate rate;
	struct quic_rate_snapshot snapshot[64];
	u64 sent[64];
	u64 in_flight;
	u32 next;
};

static void begin(struct trace *t)
{
	memset(t, 0, sizeof(*t));
}

static void send(struct trace *t, u32 packets, u64 now)
{
	while (packets--) {
		t->in_flight += SIZE;
		t->sent[t->next] = now;
		quic_rate_on_sent(&t->rate, &t->snapshot[t->next++], t->in_flight, SIZE, now);
	}
}

/* Acknowledges [@first, @last] at once. */
static struct quic_rate_sample ack(struct trace *t, u32 first, u32 last, u64 now)
{
	struct quic_rate_sample sample;

	for (; first <= last; first++) {
		t->in_flight -= SIZE;
		quic_rate_on_acked(&t->rate, &t->snapshot[first], SIZE, t->sent[first], now);
	}
	quic_rate_sample(&t->rate, 10 * MS, now, &sample);
	return sample;
}

/* Ten packets acknowledged after 100 ms: 10000 bytes in 100 ms. */
static void first_window_counts_over_a_round_trip(struct kunit *test)
{
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	send(&t, 10, START);
	sample = ack(&t, 0, 9, START + 100 * MS);
	KUNIT_EXPECT_EQ(test, sample.delivered, 10000ULL);
	KUNIT_EXPECT_EQ(test, sample.interval, 100 * MS);
	KUNIT_EXPECT_EQ(test, sample.rate, 100000ULL);
	KUNIT_EXPECT_EQ(test, sample.rtt, 100 * MS);
	KUNIT_EXPECT_EQ(test, sample.in_flight, 10000U);
	KUNIT_EXPECT_EQ(test, sample.prior_delivered, 0ULL);
	KUNIT_EXPECT_FALSE(test, sample.app_limited);
}

/*
 * One packet each 10 ms, each acknowledged 50 ms later: once the first ACK
 * frames are in, five packets are delivered in each 50 ms.
 */
static void steady_flow_shows_its_pace(struct kunit *test)
{
	struct quic_rate_sample sample = {};
	static struct trace t;
	u32 i;

	begin(&t);
	for (i = 0; i < 30; i++) {
		if (i >= 5)
			sample = ack(&t, i - 5, i - 5, START + i * 10 * MS);
		send(&t, 1, START + i * 10 * MS);
	}
	KUNIT_EXPECT_EQ(test, sample.delivered, 5000ULL);
	KUNIT_EXPECT_EQ(test, sample.interval, 50 * MS);
	KUNIT_EXPECT_EQ(test, sample.rate, 100000ULL);
}

/* ACK frames that come in a bunch do not make for a faster path than was sent to. */
static void longer_interval_of_sending_counts(struct kunit *test)
{
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	send(&t, 1, START);
	send(&t, 1, START + 40 * MS);
	ack(&t, 0, 0, START + 100 * MS);
	send(&t, 1, START + 100 * MS);
	/* Sent over 60 ms, since the one acknowledged before; known within 15 ms. */
	sample = ack(&t, 1, 2, START + 115 * MS);
	KUNIT_EXPECT_EQ(test, sample.interval, 100 * MS);
	KUNIT_EXPECT_EQ(test, sample.delivered, 2000ULL);
	KUNIT_EXPECT_EQ(test, sample.rate, 20000ULL);
}

static void idle_time_does_not_count(struct kunit *test)
{
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	send(&t, 10, START);
	ack(&t, 0, 9, START + 100 * MS);
	send(&t, 10, START + 5000 * MS);
	sample = ack(&t, 10, 19, START + 5100 * MS);
	KUNIT_EXPECT_EQ(test, sample.rate, 100000ULL);
}

/* Section 3.4: until all that was in flight then is delivered. */
static void samples_for_want_of_data_say_so(struct kunit *test)
{
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	send(&t, 2, START);
	quic_rate_on_app_limited(&t.rate, t.in_flight);
	send(&t, 2, START + 10 * MS);
	sample = ack(&t, 0, 1, START + 100 * MS);
	KUNIT_EXPECT_FALSE(test, sample.app_limited);
	send(&t, 1, START + 100 * MS);
	sample = ack(&t, 2, 3, START + 110 * MS);
	KUNIT_EXPECT_TRUE(test, sample.app_limited);
	send(&t, 1, START + 110 * MS);
	sample = ack(&t, 4, 4, START + 200 * MS);
	KUNIT_EXPECT_TRUE(test, sample.app_limited);
	sample = ack(&t, 5, 5, START + 210 * MS);
	KUNIT_EXPECT_FALSE(test, sample.app_limited);
}

/* A frame that settles nothing new, or packets without a snapshot, gives no sample. */
static void no_news_is_no_sample(struct kunit *test)
{
	struct quic_rate_snapshot none = {};
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	send(&t, 1, START);
	ack(&t, 0, 0, START + 100 * MS);
	quic_rate_sample(&t.rate, 0, START + 100 * MS, &sample);
	KUNIT_EXPECT_EQ(test, sample.sent_time, 0ULL);
	KUNIT_EXPECT_EQ(test, sample.rate, 0ULL);
	quic_rate_on_acked(&t.rate, &none, SIZE, START, START + 200 * MS);
	quic_rate_sample(&t.rate, 0, START + 200 * MS, &sample);
	KUNIT_EXPECT_EQ(test, sample.sent_time, 0ULL);
	KUNIT_EXPECT_EQ(test, t.rate.delivered, 2000ULL);
}

/* What is faster than the fastest round trip is not believed. */
static void interval_below_the_smallest_rtt_is_unreliable(struct kunit *test)
{
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	send(&t, 1, START);
	sample = ack(&t, 0, 0, START + 9 * MS);
	KUNIT_EXPECT_EQ(test, sample.rate, 0ULL);
	KUNIT_EXPECT_EQ(test, sample.rtt, 9 * MS);
}

/* Snapshots keep the low bits of what may be more. */
static void large_totals_wrap_in_snapshots_only(struct kunit *test)
{
	struct quic_rate_sample sample;
	static struct trace t;

	begin(&t);
	t.rate.delivered = (1ULL << 40) - 5000;
	t.rate.lost = (1ULL << 32) - 1;
	send(&t, 10, START);
	t.rate.lost += 3;
	sample = ack(&t, 0, 9, START + 100 * MS);
	KUNIT_EXPECT_EQ(test, sample.delivered, 10000ULL);
	KUNIT_EXPECT_EQ(test, sample.prior_delivered, (1ULL << 40) - 5000);
	KUNIT_EXPECT_EQ(test, sample.lost, 3U);
}

static struct kunit_case delivery_rate_cases[] = {
	KUNIT_CASE(first_window_counts_over_a_round_trip),
	KUNIT_CASE(steady_flow_shows_its_pace),
	KUNIT_CASE(longer_interval_of_sending_counts),
	KUNIT_CASE(idle_time_does_not_count),
	KUNIT_CASE(samples_for_want_of_data_say_so),
	KUNIT_CASE(no_news_is_no_sample),
	KUNIT_CASE(interval_below_the_smallest_rtt_is_unreliable),
	KUNIT_CASE(large_totals_wrap_in_snapshots_only),
	{}
};

static struct kunit_suite delivery_rate_suite = {
	.name = "quic_delivery_rate",
	.test_cases = delivery_rate_cases,
};

kunit_test_suite(delivery_rate_suite);
