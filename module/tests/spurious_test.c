// SPDX-License-Identifier: GPL-2.0-or-later
/* The memory of packets declared lost, the thresholds that learn from it, and undoing. */
#include "quic_test.h"
#include "../core/cong.h"
#include "../core/loss.h"

#define MS	1000000ULL
#define START	(1000 * MS)
#define MSS	1000

static void remember(struct quic_spurious *spurious, u64 pn, u64 time, u32 event)
{
	struct quic_lost lost = { .pn = pn, .time = time, .size = MSS };

	quic_spurious_remember(spurious, &lost);
	quic_spurious_on_event(spurious, 1, event, false);
}

/* How many remembered packets @ranges acknowledge, highest first; their numbers' sum. */
static u32 arrive(struct kunit *test, struct quic_spurious *spurious,
		  const struct quic_pn_range *ranges, u32 count, u64 *sum)
{
	struct quic_frame frame = {};
	struct quic_spurious_walk walk;
	struct quic_lost lost;
	struct quic_writer w;
	struct quic_reader r;
	u8 bytes[256];
	u64 code;
	u32 n = 0;

	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_ack(&w, ranges, count, 0, NULL));
	quic_reader_init(&r, bytes, quic_writer_used(&w));
	KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
	*sum = 0;
	quic_spurious_begin(spurious, &frame.ack, &walk);
	while (quic_spurious_next(spurious, &walk, &lost)) {
		n++;
		*sum += lost.pn;
	}
	return n;
}

static void late_packets_are_found_once(struct kunit *test)
{
	static const struct quic_pn_range ranges[] = { { 30, 40 }, { 10, 12 } };
	struct quic_spurious spurious;
	u64 pn, sum;

	quic_spurious_init(&spurious);
	for (pn = 5; pn <= 50; pn += 5)
		remember(&spurious, pn, START, 1);
	KUNIT_EXPECT_EQ(test, arrive(test, &spurious, ranges, 2, &sum), 4U);
	KUNIT_EXPECT_EQ(test, sum, 30ULL + 35 + 40 + 10);
	KUNIT_EXPECT_EQ(test, arrive(test, &spurious, ranges, 2, &sum), 0U);
	quic_spurious_destroy(&spurious);
}

static void memory_is_bounded_and_forgets_the_oldest(struct kunit *test)
{
	const struct quic_pn_range all = { 0, 999 };
	struct quic_spurious spurious;
	u64 pn, sum, expected = 0;

	quic_spurious_init(&spurious);
	for (pn = 0; pn < 1000; pn++)
		remember(&spurious, pn, START, 1);
	for (pn = 1000 - QUIC_LOST_MAX; pn < 1000; pn++)
		expected += pn;
	KUNIT_EXPECT_EQ(test, arrive(test, &spurious, &all, 1, &sum), (u32)QUIC_LOST_MAX);
	KUNIT_EXPECT_EQ(test, sum, expected);
	quic_spurious_destroy(&spurious);
}

static void old_losses_are_forgotten_and_their_memory_freed(struct kunit *test)
{
	const struct quic_pn_range all = { 0, 999 };
	struct quic_spurious spurious;
	u64 sum;

	quic_spurious_init(&spurious);
	remember(&spurious, 1, START, 1);
	remember(&spurious, 2, START + MS, 1);
	quic_spurious_expire(&spurious, START + MS);
	KUNIT_EXPECT_EQ(test, arrive(test, &spurious, &all, 1, &sum), 1U);
	KUNIT_EXPECT_EQ(test, sum, 2ULL);
	quic_spurious_expire(&spurious, START);
	KUNIT_EXPECT_NULL(test, spurious.log);
}

static void loss_without_memory_is_final(struct kunit *test)
{
	struct quic_spurious spurious;

	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "allocations cannot be made to fail here");
	quic_spurious_init(&spurious);
	remember(&spurious, 1, START, 1);
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_NULL(test, spurious.log);
}

/* RFC 9002, section 6.1: the thresholds may adapt; 3 and 9/8 are the least. */
static void thresholds_grow_within_bounds_and_return(struct kunit *test)
{
	struct quic_lost lost = { .pn = 100, .time = START, .size = MSS };
	struct quic_spurious spurious;
	int i;

	quic_spurious_init(&spurious);
	KUNIT_EXPECT_EQ(test, spurious.packets, 3);
	KUNIT_EXPECT_EQ(test, spurious.eighths, 1);
	quic_spurious_learn(&spurious, &lost, 102);
	KUNIT_EXPECT_EQ(test, spurious.packets, 3);
	quic_spurious_learn(&spurious, &lost, 109);
	KUNIT_EXPECT_EQ(test, spurious.packets, 10);
	quic_spurious_learn(&spurious, &lost, 105);
	KUNIT_EXPECT_EQ(test, spurious.packets, 10);
	quic_spurious_learn(&spurious, &lost, 100000);
	KUNIT_EXPECT_EQ(test, spurious.packets, QUIC_LOSS_PACKET_THRESHOLD_MAX);
	KUNIT_EXPECT_EQ(test, spurious.eighths, 1);

	lost.by_time = true;
	for (i = 0; i < 5; i++)
		quic_spurious_learn(&spurious, &lost, 109);
	KUNIT_EXPECT_EQ(test, spurious.eighths, QUIC_LOSS_TIME_EIGHTHS_MAX);

	for (i = 0; i < QUIC_LOSS_CALM_EVENTS - 1; i++)
		quic_spurious_on_event(&spurious, 0, i, true);
	KUNIT_EXPECT_EQ(test, spurious.packets, QUIC_LOSS_PACKET_THRESHOLD_MAX);
	quic_spurious_on_event(&spurious, 0, i, true);
	KUNIT_EXPECT_EQ(test, spurious.packets, 3);
	KUNIT_EXPECT_EQ(test, spurious.eighths, 1);
}

/* Loss detection goes by the thresholds that were learnt. */
static void patience_is_applied(struct kunit *test)
{
	struct quic_sent_packet packet = {
		.time = START, .size = MSS,
		.flags = QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT,
	};
	struct quic_loss_walk walk;
	struct quic_sent_packet out;
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 pn;

	quic_loss_init(&loss);
	quic_rtt_init(&rtt, 80 * MS);
	for (pn = 0; pn < 10; pn++)
		KUNIT_ASSERT_EQ(test, quic_loss_on_sent(&loss, pn, &packet), 0);
	loss.largest_acked = 9;
	loss.spurious.packets = 10;
	loss.spurious.eighths = 2;
	quic_loss_lost_begin(&loss, &rtt, START, &walk);
	KUNIT_EXPECT_FALSE(test, quic_loss_next_lost(&loss, &walk, &out));
	KUNIT_EXPECT_EQ(test, loss.loss_time, START + 100 * MS);
	loss.spurious.packets = 9;
	quic_loss_lost_begin(&loss, &rtt, START, &walk);
	KUNIT_EXPECT_TRUE(test, quic_loss_next_lost(&loss, &walk, &out));
	KUNIT_EXPECT_EQ(test, walk.pn, 0ULL);
	KUNIT_EXPECT_FALSE(test, walk.by_time);
	KUNIT_EXPECT_FALSE(test, quic_loss_next_lost(&loss, &walk, &out));
	quic_loss_destroy(&loss);
}

static void lose(struct quic_cong *cong, u32 packets, u64 sent_time, u64 now)
{
	u32 i;

	for (i = 0; i < packets; i++)
		quic_cong_on_lost(cong, MSS);
	quic_cong_on_loss_event(cong, packets, sent_time, now);
}

/* RFC 9438, section 4.9: window, threshold and curve are what they were. */
static void event_is_undone_when_all_its_losses_arrive(struct kunit *test)
{
	static const struct quic_cong_ops *const all[] = { &quic_cong_reno, &quic_cong_cubic };
	struct quic_cong cong;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		quic_cong_init(&cong, all[i], MSS);
		quic_cong_on_sent(&cong, 10 * MSS);
		lose(&cong, 2, START, START + MS);
		lose(&cong, 1, START, START + 2 * MS);
		KUNIT_EXPECT_LT(test, cong.cwnd, 10000ULL);
		quic_cong_on_spurious(&cong, MSS, cong.events);
		quic_cong_on_spurious(&cong, MSS, cong.events);
		KUNIT_EXPECT_LT(test, cong.cwnd, 10000ULL);
		quic_cong_on_spurious(&cong, MSS, cong.events);
		KUNIT_EXPECT_EQ(test, cong.cwnd, 10000ULL);
		KUNIT_EXPECT_EQ(test, quic_cong_window(&cong), 10000ULL);
		KUNIT_EXPECT_EQ(test, cong.ssthresh, U64_MAX);
		if (all[i] == &quic_cong_cubic)
			KUNIT_EXPECT_EQ(test, cong.cubic.w_max, 0ULL);
		/* The recovery period is over, too: what is lost next counts. */
		lose(&cong, 1, START, START + 3 * MS);
		KUNIT_EXPECT_LT(test, cong.cwnd, 10000ULL);
	}
}

static void marks_and_later_events_are_not_undone(struct kunit *test)
{
	struct quic_cong cong;

	/* The network marked packets of the same round trip: the event stands. */
	quic_cong_init(&cong, &quic_cong_reno, MSS);
	lose(&cong, 1, START, START + MS);
	quic_cong_on_event(&cong, START, START + MS);
	quic_cong_on_spurious(&cong, MSS, cong.events);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 5000ULL);

	/* An event of marks that a loss joins later stands as well. */
	quic_cong_init(&cong, &quic_cong_reno, MSS);
	quic_cong_on_event(&cong, START, START + MS);
	lose(&cong, 1, START, START + MS);
	quic_cong_on_spurious(&cong, MSS, cong.events);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 5000ULL);

	/* Losses of an earlier event say nothing about the last one. */
	quic_cong_init(&cong, &quic_cong_reno, MSS);
	lose(&cong, 1, START, START + MS);
	lose(&cong, 1, START + 2 * MS, START + 3 * MS);
	quic_cong_on_spurious(&cong, MSS, cong.events - 1);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2500ULL);
	quic_cong_on_spurious(&cong, MSS, cong.events);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 5000ULL);

	/* Persistent congestion is final. */
	quic_cong_init(&cong, &quic_cong_reno, MSS);
	lose(&cong, 1, START, START + MS);
	quic_cong_on_persistent(&cong);
	quic_cong_on_spurious(&cong, MSS, cong.events);
	KUNIT_EXPECT_EQ(test, cong.cwnd, 2000ULL);
}

static struct kunit_case spurious_cases[] = {
	KUNIT_CASE(late_packets_are_found_once),
	KUNIT_CASE(memory_is_bounded_and_forgets_the_oldest),
	KUNIT_CASE(old_losses_are_forgotten_and_their_memory_freed),
	KUNIT_CASE(loss_without_memory_is_final),
	KUNIT_CASE(thresholds_grow_within_bounds_and_return),
	KUNIT_CASE(patience_is_applied),
	KUNIT_CASE(event_is_undone_when_all_its_losses_arrive),
	KUNIT_CASE(marks_and_later_events_are_not_undone),
	{}
};

static struct kunit_suite spurious_suite = {
	.name = "quic_spurious",
	.test_cases = spurious_cases,
};

kunit_test_suite(spurious_suite);
