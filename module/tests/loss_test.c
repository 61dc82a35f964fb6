// SPDX-License-Identifier: GPL-2.0-or-later
/* Which packets an ACK frame confirms, and which it or the clock condemns. */
#include "quic_test.h"
#include "../core/loss.h"

#define MS	1000000ULL
#define START	(1000 * MS)
#define FLIGHT	(QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT)

/* A space whose estimator has seen samples of 100 ms: the time threshold is 112.5 ms. */
static void begin(struct quic_loss *loss, struct quic_rtt *rtt)
{
	quic_loss_init(loss);
	quic_rtt_init(rtt, 333 * MS);
	quic_rtt_update(rtt, 100 * MS, 0, 0, true, START);
}

static void send_flags(struct kunit *test, struct quic_loss *loss, u64 pn, u64 time, u8 flags)
{
	struct quic_sent_packet packet = { .time = time, .size = 1200, .flags = flags };

	KUNIT_ASSERT_EQ(test, quic_loss_on_sent(loss, pn, &packet), 0);
}

static void send(struct kunit *test, struct quic_loss *loss, u64 pn, u64 time)
{
	send_flags(test, loss, pn, time, FLIGHT);
}

/* Packets 0 to @count - 1, all at @time. */
static void send_many(struct kunit *test, struct quic_loss *loss, u64 count, u64 time)
{
	u64 pn;

	for (pn = 0; pn < count; pn++)
		send(test, loss, pn, time);
}

/* An ACK frame as the peer would send it, decoded; @bytes must outlive it. */
static struct quic_frame_ack ack_frame(struct kunit *test, u8 *bytes, u32 size,
				       const struct quic_pn_range *ranges, u32 count)
{
	struct quic_frame frame = {};
	struct quic_writer w;
	struct quic_reader r;
	u64 code;

	quic_writer_init(&w, bytes, size);
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_ack(&w, ranges, count, 0, NULL));
	quic_reader_init(&r, bytes, quic_writer_used(&w));
	KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
	KUNIT_ASSERT_EQ(test, frame.type, (u64)QUIC_FRAME_ACK);
	return frame.ack;
}

/* Acknowledges @ranges, highest first; *@acked: how many packets that newly acknowledged. */
static void acknowledge(struct kunit *test, struct quic_loss *loss, u64 now,
			const struct quic_pn_range *ranges, u32 count,
			struct quic_loss_walk *walk, u64 *acked)
{
	struct quic_sent_packet out;
	struct quic_frame_ack ack;
	u8 bytes[1024];
	u64 n = 0;

	ack = ack_frame(test, bytes, sizeof(bytes), ranges, count);
	KUNIT_ASSERT_EQ(test, quic_loss_ack_begin(loss, &ack, now, walk), 0);
	while (quic_loss_next_acked(loss, walk, &out)) {
		KUNIT_ASSERT_NULL(test, quic_sent_find(&loss->sent, walk->pn));
		quic_sent_packet_release(&out);
		n++;
	}
	*acked = n;
}

static u64 acknowledge_range(struct kunit *test, struct quic_loss *loss, u64 now,
			     u64 first, u64 last)
{
	const struct quic_pn_range range = { first, last };
	struct quic_loss_walk walk;
	u64 acked;

	acknowledge(test, loss, now, &range, 1, &walk, &acked);
	return acked;
}

/* How many are lost at @now; they must be @first and those that follow it. */
static u64 lose(struct kunit *test, struct quic_loss *loss, const struct quic_rtt *rtt,
		u64 now, u64 first)
{
	struct quic_sent_packet out;
	struct quic_loss_walk walk;
	u64 count = 0;

	quic_loss_lost_begin(loss, rtt, now, &walk);
	while (quic_loss_next_lost(loss, &walk, &out)) {
		KUNIT_EXPECT_EQ(test, walk.pn, first + count);
		KUNIT_EXPECT_NULL(test, quic_sent_find(&loss->sent, walk.pn));
		quic_sent_packet_release(&out);
		count++;
	}
	return count;
}

/* RFC 9000, section 13.1 */
static void ack_of_what_was_never_sent_is_refused(struct kunit *test)
{
	struct quic_pn_range range = { 0, 5 };
	struct quic_frame_ack ack;
	struct quic_loss_walk walk;
	struct quic_loss loss;
	u8 bytes[64];

	quic_loss_init(&loss);
	ack = ack_frame(test, bytes, sizeof(bytes), &range, 1);
	KUNIT_EXPECT_EQ(test, quic_loss_ack_begin(&loss, &ack, START, &walk), -EPROTO);
	send_many(test, &loss, 5, START);
	KUNIT_EXPECT_EQ(test, quic_loss_ack_begin(&loss, &ack, START, &walk), -EPROTO);
	KUNIT_EXPECT_EQ(test, loss.largest_acked, -1LL);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 5U);
	send(test, &loss, 5, START);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 0, 5), 6ULL);
	quic_loss_destroy(&loss);
}

static void each_packet_is_acknowledged_once(struct kunit *test)
{
	struct quic_loss loss;

	quic_loss_init(&loss);
	send_many(test, &loss, 100, START);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 0, 9), 10ULL);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 0, 9), 0ULL);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 5, 49), 40ULL);
	KUNIT_EXPECT_EQ(test, loss.largest_acked, 49LL);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 50U);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 0, 20), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.largest_acked, 49LL);
	quic_loss_destroy(&loss);
}

static void only_numbers_in_the_ranges_are_acknowledged(struct kunit *test)
{
	static const struct quic_pn_range ranges[] = { { 90, 95 }, { 50, 50 }, { 10, 19 } };
	struct quic_loss_walk walk;
	struct quic_loss loss;
	u64 pn, acked;

	quic_loss_init(&loss);
	send_many(test, &loss, 100, START);
	acknowledge(test, &loss, START, ranges, ARRAY_SIZE(ranges), &walk, &acked);
	KUNIT_EXPECT_EQ(test, acked, 17ULL);
	for (pn = 0; pn < 100; pn++)
		KUNIT_EXPECT_EQ(test, !quic_sent_find(&loss.sent, pn),
				(pn >= 90 && pn <= 95) || pn == 50 || (pn >= 10 && pn <= 19));
	quic_loss_destroy(&loss);
}

/* RFC 9002, section 5.1: which ACK frames give a sample. */
static void walk_tells_what_an_rtt_sample_needs(struct kunit *test)
{
	struct quic_pn_range range = { 2, 2 };
	struct quic_loss_walk walk;
	struct quic_loss loss;
	u64 acked;

	quic_loss_init(&loss);
	send(test, &loss, 0, START);
	send_flags(test, &loss, 1, START + MS, QUIC_SENT_IN_FLIGHT);
	send(test, &loss, 2, START + 2 * MS);
	send_flags(test, &loss, 3, START + 3 * MS, QUIC_SENT_IN_FLIGHT);

	acknowledge(test, &loss, START, &range, 1, &walk, &acked);
	KUNIT_EXPECT_TRUE(test, walk.largest_newly);
	KUNIT_EXPECT_EQ(test, walk.largest_sent_time, START + 2 * MS);
	KUNIT_EXPECT_TRUE(test, walk.any_eliciting);
	KUNIT_EXPECT_TRUE(test, walk.any);

	/* The largest number is old news. */
	range.first = 0;
	acknowledge(test, &loss, START, &range, 1, &walk, &acked);
	KUNIT_EXPECT_EQ(test, acked, 2ULL);
	KUNIT_EXPECT_FALSE(test, walk.largest_newly);
	KUNIT_EXPECT_TRUE(test, walk.any_eliciting);

	/* Only padding. */
	range.last = 3;
	acknowledge(test, &loss, START, &range, 1, &walk, &acked);
	KUNIT_EXPECT_EQ(test, acked, 1ULL);
	KUNIT_EXPECT_TRUE(test, walk.largest_newly);
	KUNIT_EXPECT_FALSE(test, walk.any_eliciting);

	/* Nothing new at all. */
	acknowledge(test, &loss, START, &range, 1, &walk, &acked);
	KUNIT_EXPECT_FALSE(test, walk.any);
	quic_loss_destroy(&loss);
}

static void packets_that_only_acknowledge_are_not_tracked(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 pn;

	begin(&loss, &rtt);
	for (pn = 0; pn < 10; pn++)
		send_flags(test, &loss, pn, START, 0);
	KUNIT_EXPECT_EQ(test, loss.sent.next, 10ULL);
	KUNIT_EXPECT_EQ(test, loss.sent.in_ring, 0U);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 0U);
	KUNIT_EXPECT_EQ(test, loss.last_eliciting, 0ULL);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 9, 9), 0ULL);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 10000 * MS, 0), 0ULL);
	quic_loss_destroy(&loss);
}

static void ack_eliciting_packets_are_counted_and_timed(struct kunit *test)
{
	struct quic_loss loss;

	quic_loss_init(&loss);
	send(test, &loss, 0, START);
	send_flags(test, &loss, 1, START + MS, QUIC_SENT_IN_FLIGHT);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 1U);
	KUNIT_EXPECT_EQ(test, loss.last_eliciting, START);
	KUNIT_EXPECT_EQ(test, loss.sent.in_ring, 2U);
	quic_loss_destroy(&loss);
}

/* RFC 9002, section 6.1.1: three packets before an acknowledged one. */
static void packet_threshold_is_three(struct kunit *test)
{
	static const struct {
		u64 acked, lost;
	} table[] = { { 1, 0 }, { 2, 0 }, { 3, 1 }, { 4, 2 }, { 9, 7 } };
	struct quic_loss loss;
	struct quic_rtt rtt;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		begin(&loss, &rtt);
		send_many(test, &loss, 10, START);
		acknowledge_range(test, &loss, START + 100 * MS, table[i].acked, table[i].acked);
		KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 100 * MS, 0), table[i].lost);
		KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, (u32)(9 - table[i].lost));
		quic_loss_destroy(&loss);
	}
}

/* RFC 9002, section 6.1.2: 9/8 of the round-trip time, to the nanosecond. */
static void time_threshold_is_nine_eighths(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 at;

	begin(&loss, &rtt);
	send(test, &loss, 0, START);
	send(test, &loss, 1, START + MS);
	send(test, &loss, 2, START + 2 * MS);
	acknowledge_range(test, &loss, START + 100 * MS, 2, 2);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 100 * MS, 0), 0ULL);
	at = START + 112500000;
	KUNIT_EXPECT_EQ(test, loss.loss_time, at);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, at - 1, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, at, 0), 1ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, at + MS);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, at + MS, 1), 1ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, 0ULL);
	quic_loss_destroy(&loss);
}

static void time_threshold_takes_the_larger_rtt(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;

	begin(&loss, &rtt);
	send(test, &loss, 0, START);
	send(test, &loss, 1, START);
	acknowledge_range(test, &loss, START + 400 * MS, 1, 1);
	quic_rtt_update(&rtt, 400 * MS, 0, 0, true, START + 400 * MS);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 449 * MS, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, START + 450 * MS);

	/* Now latest_rtt is the smaller one: 9/8 of smoothed_rtt, 100 + 300/8 - 37.5/8. */
	quic_rtt_update(&rtt, 100 * MS, 0, 0, true, START + 400 * MS);
	KUNIT_EXPECT_EQ(test, rtt.smoothed_rtt, 132812500ULL);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 149 * MS, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, START + 149414062);
	quic_loss_destroy(&loss);
}

/* RFC 9002, section 6.1.2: at least kGranularity. */
static void time_threshold_is_at_least_the_granularity(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;

	quic_loss_init(&loss);
	quic_rtt_init(&rtt, 1);
	quic_rtt_update(&rtt, 1000, 0, 0, true, START);
	send(test, &loss, 0, START);
	send(test, &loss, 1, START);
	acknowledge_range(test, &loss, START + 1000, 1, 1);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + MS - 1, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, START + MS);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + MS, 0), 1ULL);
	quic_loss_destroy(&loss);
}

/* A clock that has just started: nothing is older than the threshold. */
static void nothing_is_overdue_when_time_begins(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;

	begin(&loss, &rtt);
	send_many(test, &loss, 2, 0);
	acknowledge_range(test, &loss, 1, 1, 1);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, 1, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, 112500000ULL);
	quic_loss_destroy(&loss);
}

/* RFC 9002, section 6.1: only what was sent before an acknowledged packet. */
static void packets_after_the_largest_acknowledged_are_never_lost(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;

	begin(&loss, &rtt);
	send_many(test, &loss, 10, START);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 100000 * MS, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.loss_time, 0ULL);
	acknowledge_range(test, &loss, START + 100000 * MS, 0, 4);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START + 100000 * MS, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 5U);
	quic_loss_destroy(&loss);
}

static void late_ack_of_a_lost_packet_is_no_news(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;

	begin(&loss, &rtt);
	send_many(test, &loss, 10, START);
	acknowledge_range(test, &loss, START, 9, 9);
	KUNIT_EXPECT_EQ(test, lose(test, &loss, &rtt, START, 0), 7ULL);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, START, 0, 9), 2ULL);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 0U);
	KUNIT_EXPECT_EQ(test, loss.sent.oldest, 10ULL);
	quic_loss_destroy(&loss);
}

/* RFC 9002, section 6.4 */
static void discarding_hands_out_every_packet(struct kunit *test)
{
	struct quic_sent_packet out;
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 count = 0;

	begin(&loss, &rtt);
	send_many(test, &loss, 40, START);
	acknowledge_range(test, &loss, START, 36, 37);
	lose(test, &loss, &rtt, START, 0);
	KUNIT_EXPECT_NE(test, loss.loss_time, 0ULL);
	while (quic_loss_next_discarded(&loss, &out)) {
		quic_sent_packet_release(&out);
		count++;
	}
	KUNIT_EXPECT_EQ(test, count, 3ULL);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 0U);
	KUNIT_EXPECT_EQ(test, loss.loss_time, 0ULL);
	KUNIT_EXPECT_EQ(test, loss.last_eliciting, 0ULL);
	KUNIT_EXPECT_FALSE(test, quic_loss_next_discarded(&loss, &out));
	quic_loss_destroy(&loss);
}

static void reserved_packet_is_always_recorded(struct kunit *test)
{
	struct quic_loss loss;

	quic_loss_init(&loss);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "no failure injection here");
	KUNIT_EXPECT_EQ(test, quic_loss_reserve(&loss, 0), -ENOMEM);
	quic_test_fail_alloc(0, 0);
	KUNIT_ASSERT_EQ(test, quic_loss_reserve(&loss, 0), 0);
	quic_test_fail_alloc(1, 10);
	send(test, &loss, 0, START);
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_EQ(test, loss.eliciting_in_flight, 1U);
	quic_loss_destroy(&loss);
}

/* Condemns what is overdue at @now. */
static bool is_persistent(struct quic_loss *loss, const struct quic_rtt *rtt, u64 max_ack_delay,
			  u64 now)
{
	struct quic_persistent persistent;
	struct quic_sent_packet out;
	struct quic_loss_walk walk;

	quic_persistent_begin(&persistent, rtt, max_ack_delay);
	quic_loss_lost_begin(loss, rtt, now, &walk);
	while (quic_loss_next_lost(loss, &walk, &out)) {
		quic_persistent_add(&persistent, &walk, &out);
		quic_sent_packet_release(&out);
	}
	return persistent.established;
}

#define S	1000000000ULL

/* An estimator that says PTO + max_ack_delay = 2 s; its first sample is as old as @sample. */
static void begin_persistent(struct quic_loss *loss, struct quic_rtt *rtt, u64 sample)
{
	quic_loss_init(loss);
	*rtt = (struct quic_rtt){
		.latest_rtt = S, .min_rtt = S, .smoothed_rtt = S,
		.rttvar = S / 4 - 25 * MS / 4, .first_sample = sample,
	};
}

/* RFC 9002, section 7.6.3: the table, with packets #1 to #9, from t = 100 s on. */
static void persistent_congestion_example(struct kunit *test)
{
	static const u8 sent_at[] = { 0, 1, 2, 3, 4, 5, 6, 8, 12 };
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 pn;

	begin_persistent(&loss, &rtt, 50 * S);
	KUNIT_ASSERT_EQ(test, quic_rtt_pto(&rtt) + 25 * MS, 2 * S);
	for (pn = 1; pn <= 9; pn++)
		send(test, &loss, pn, (100 + sent_at[pn - 1]) * S);
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, 101 * S + S / 5, 1, 1), 1ULL);
	KUNIT_EXPECT_FALSE(test, is_persistent(&loss, &rtt, 25 * MS, 101 * S + S / 5));
	KUNIT_EXPECT_EQ(test, acknowledge_range(test, &loss, 112 * S + S / 5, 9, 9), 1ULL);
	KUNIT_EXPECT_TRUE(test, is_persistent(&loss, &rtt, 25 * MS, 112 * S + S / 5));
	KUNIT_EXPECT_EQ(test, loss.sent.in_ring, 0U);
	quic_loss_destroy(&loss);
}

/*
 * RFC 9002, section 7.6.2: what it takes. Packets 0 to 9 leave at the given
 * times (s), 10 to 12 afterwards; 12 is acknowledged, and what the mask says.
 */
static void persistent_congestion_needs_a_long_run_of_eliciting_losses(struct kunit *test)
{
	static const struct {
		u8 sent_at[10];
		u16 acked;		/* with the ACK of 12 */
		u16 acked_before;	/* in an ACK before that */
		u16 silent;		/* not ack-eliciting */
		u16 ack_only;		/* leave no record */
		u8 sample_at;
		bool persistent;
	} table[] = {
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .persistent = true },
		/* exactly the duration does not exceed it */
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 6 }, .persistent = false },
		{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 7 }, .persistent = true },
		/* one acknowledged in the middle */
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .acked = 0x020, .persistent = false },
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .acked = 0x001, .persistent = true },
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .acked = 0x002, .persistent = true },
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .acked = 0x200, .persistent = true },
		/* acknowledged before, and all after it lost for less than the duration */
		{ { 0, 1, 1, 2, 2, 3, 4, 5, 6, 7 }, .acked_before = 0x002, .persistent = false },
		/* the ends of the run must elicit acknowledgments */
		{ { 0, 2, 2, 3, 4, 5, 6, 7, 8, 8 }, .silent = 0x001, .sample_at = 1,
		  .persistent = false },
		{ { 0, 1, 1, 1, 1, 1, 1, 1, 1, 9 }, .silent = 0x200, .persistent = false },
		{ { 0, 1, 1, 1, 1, 1, 1, 1, 1, 9 }, .silent = 0x1fe, .persistent = true },
		/* packets that leave no record do not end a run */
		{ { 0, 1, 1, 1, 1, 1, 1, 1, 1, 9 }, .ack_only = 0x1fe, .persistent = true },
		/* sent when the round-trip time was not known */
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .sample_at = 103, .persistent = false },
		{ { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, .sample_at = 101, .persistent = true },
	};
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 now = 120 * S;
	u32 i, pn;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct quic_pn_range ranges[12];
		struct quic_loss_walk walk;
		u32 count = 0;
		u64 acked;

		begin_persistent(&loss, &rtt, table[i].sample_at ? table[i].sample_at * S : S);
		for (pn = 0; pn < 10; pn++)
			send_flags(test, &loss, pn, (100 + table[i].sent_at[pn]) * S,
				   table[i].ack_only >> pn & 1 ? 0 :
				   table[i].silent >> pn & 1 ? QUIC_SENT_IN_FLIGHT : FLIGHT);
		for (pn = 0; pn < 10; pn++)
			if (table[i].acked_before >> pn & 1)
				acknowledge_range(test, &loss, now, pn, pn);
		for (; pn < 13; pn++)
			send(test, &loss, pn, 110 * S);

		ranges[count++] = (struct quic_pn_range){ 10, 12 };
		while (pn--)
			if (pn < 10 && table[i].acked >> pn & 1)
				ranges[count++] = (struct quic_pn_range){ pn, pn };
		if (count > 1 && ranges[1].first == 9) {
			ranges[0].first = 9;
			count = 1;
		}
		acknowledge(test, &loss, now, ranges, count, &walk, &acked);
		KUNIT_EXPECT_EQ_MSG(test, is_persistent(&loss, &rtt, 25 * MS, now),
				    table[i].persistent, "row %u", i);
		KUNIT_EXPECT_EQ(test, loss.sent.in_ring, 0U);
		quic_loss_destroy(&loss);
	}
}

/* A place in the ring that an acknowledged packet once had says nothing about its next user. */
static void persistent_congestion_is_not_ended_by_acks_of_long_ago(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 pn;

	begin_persistent(&loss, &rtt, S);
	for (pn = 0; pn < 2 * QUIC_SENT_LEAF_SIZE; pn++)
		send(test, &loss, pn, 90 * S);
	/* One in flight: the leaf of what went before becomes the spare one. */
	acknowledge_range(test, &loss, 90 * S, 1, pn - 2);
	acknowledge_range(test, &loss, 90 * S, 0, 0);
	KUNIT_ASSERT_NOT_NULL(test, loss.sent.spare);

	send(test, &loss, pn++, 100 * S);
	while (pn < 3 * QUIC_SENT_LEAF_SIZE - 1)
		send_flags(test, &loss, pn++, 101 * S, 0);
	send(test, &loss, pn++, 110 * S);
	send(test, &loss, pn++, 111 * S);
	acknowledge_range(test, &loss, 120 * S, 2 * QUIC_SENT_LEAF_SIZE - 1,
			  2 * QUIC_SENT_LEAF_SIZE - 1);
	acknowledge_range(test, &loss, 120 * S, pn - 1, pn - 1);
	KUNIT_EXPECT_TRUE(test, is_persistent(&loss, &rtt, 25 * MS, 120 * S));
	quic_loss_destroy(&loss);
}

static void persistent_congestion_needs_a_sample(struct kunit *test)
{
	struct quic_loss loss;
	struct quic_rtt rtt;
	u64 pn;

	quic_loss_init(&loss);
	quic_rtt_init(&rtt, 333 * MS);
	for (pn = 0; pn < 10; pn++)
		send(test, &loss, pn, (100 + 10 * pn) * S);
	acknowledge_range(test, &loss, 300 * S, 9, 9);
	KUNIT_EXPECT_FALSE(test, is_persistent(&loss, &rtt, 25 * MS, 300 * S));
	KUNIT_EXPECT_EQ(test, loss.sent.in_ring, 0U);
	quic_loss_destroy(&loss);
}

#define MODEL_SIZE	3000

enum model_state { NOT_SENT, IN_FLIGHT, ACKED, LOST };

/*
 * Random traffic, acknowledged and condemned at random moments, against the
 * definition of RFC 9002, appendix A.10 applied to a plain array.
 */
static void any_history_agrees_with_the_definition(struct kunit *test)
{
	enum model_state *state = kunit_kcalloc(test, MODEL_SIZE, sizeof(*state), GFP_KERNEL);
	u64 *time = kunit_kcalloc(test, MODEL_SIZE, sizeof(*time), GFP_KERNEL);
	u64 seed = 6, now = START, pn = 0, delay, loss_time;
	struct quic_sent_packet out;
	struct quic_loss_walk walk;
	struct quic_loss loss;
	struct quic_rtt rtt;
	u32 in_flight = 0;
	s64 largest = -1;
	u64 i;

	KUNIT_ASSERT_NOT_NULL(test, state);
	KUNIT_ASSERT_NOT_NULL(test, time);
	begin(&loss, &rtt);
	delay = 112500000;
	while (pn < MODEL_SIZE) {
		now += quic_test_below(&seed, 20 * MS);
		for (i = quic_test_below(&seed, 20); i && pn < MODEL_SIZE; i--, pn++) {
			u32 dice = quic_test_below(&seed, 10);

			if (!dice) {	/* only an ACK */
				send_flags(test, &loss, pn, now, 0);
				continue;
			}
			send_flags(test, &loss, pn, now, dice == 1 ? QUIC_SENT_IN_FLIGHT : FLIGHT);
			state[pn] = IN_FLIGHT;
			time[pn] = now;
			in_flight++;
		}
		if (pn && quic_test_below(&seed, 3)) {
			struct quic_pn_range ranges[2];
			u64 last = pn - 1 - quic_test_below(&seed, min(pn, 30ULL));
			u64 first = last - quic_test_below(&seed, min(last + 1, 15ULL));
			u64 acked, expected = 0;
			u32 count = 1;

			ranges[0] = (struct quic_pn_range){ first, last };
			if (first > 5)
				ranges[count++] = (struct quic_pn_range){ first - 5, first - 3 };
			for (i = 0; i < count; i++) {
				u64 at;

				for (at = ranges[i].first; at <= ranges[i].last; at++) {
					expected += state[at] == IN_FLIGHT;
					if (state[at] == IN_FLIGHT)
						state[at] = ACKED;
				}
			}
			largest = max(largest, (s64)last);
			acknowledge(test, &loss, now, ranges, count, &walk, &acked);
			KUNIT_ASSERT_EQ(test, acked, expected);
			in_flight -= acked;
		}

		quic_loss_lost_begin(&loss, &rtt, now, &walk);
		loss_time = 0;
		for (i = 0; (s64)i <= largest; i++) {
			if (state[i] != IN_FLIGHT)
				continue;
			if ((s64)i + 3 <= largest || time[i] + delay <= now) {
				KUNIT_ASSERT_TRUE(test, quic_loss_next_lost(&loss, &walk, &out));
				KUNIT_ASSERT_EQ(test, walk.pn, i);
				KUNIT_ASSERT_EQ(test, out.time, time[i]);
				state[i] = LOST;
				in_flight--;
			} else if (!loss_time) {
				loss_time = time[i] + delay;
			}
		}
		KUNIT_ASSERT_FALSE(test, quic_loss_next_lost(&loss, &walk, &out));
		KUNIT_ASSERT_EQ(test, loss.loss_time, loss_time);
		KUNIT_ASSERT_EQ(test, loss.sent.in_ring, in_flight);
		KUNIT_ASSERT_EQ(test, loss.largest_acked, largest);
	}
	quic_loss_destroy(&loss);
}

static struct kunit_case loss_cases[] = {
	KUNIT_CASE(ack_of_what_was_never_sent_is_refused),
	KUNIT_CASE(each_packet_is_acknowledged_once),
	KUNIT_CASE(only_numbers_in_the_ranges_are_acknowledged),
	KUNIT_CASE(walk_tells_what_an_rtt_sample_needs),
	KUNIT_CASE(packets_that_only_acknowledge_are_not_tracked),
	KUNIT_CASE(ack_eliciting_packets_are_counted_and_timed),
	KUNIT_CASE(packet_threshold_is_three),
	KUNIT_CASE(time_threshold_is_nine_eighths),
	KUNIT_CASE(time_threshold_takes_the_larger_rtt),
	KUNIT_CASE(time_threshold_is_at_least_the_granularity),
	KUNIT_CASE(nothing_is_overdue_when_time_begins),
	KUNIT_CASE(packets_after_the_largest_acknowledged_are_never_lost),
	KUNIT_CASE(late_ack_of_a_lost_packet_is_no_news),
	KUNIT_CASE(discarding_hands_out_every_packet),
	KUNIT_CASE(reserved_packet_is_always_recorded),
	KUNIT_CASE(persistent_congestion_example),
	KUNIT_CASE(persistent_congestion_needs_a_long_run_of_eliciting_losses),
	KUNIT_CASE(persistent_congestion_is_not_ended_by_acks_of_long_ago),
	KUNIT_CASE(persistent_congestion_needs_a_sample),
	KUNIT_CASE(any_history_agrees_with_the_definition),
	{}
};

static struct kunit_suite loss_suite = {
	.name = "quic_loss",
	.test_cases = loss_cases,
};

kunit_test_suite(loss_suite);
