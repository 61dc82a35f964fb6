// SPDX-License-Identifier: GPL-2.0-or-later
/* Progress of outgoing bytes. RFC 9000, section 13.3. */
#include "../core/host.h"
#include "../core/send_ranges.h"
#include "quic_test.h"

#define PACKETS		64
#define MOST_BYTES	3200
#define SEEDS		QUIC_TEST_ROUNDS(1500)

static void expect_next(struct kunit *test, const struct quic_send_ranges *sr, u64 offset, u64 len)
{
	u64 got_offset = 0, got_len = 0;

	KUNIT_ASSERT_TRUE(test, quic_send_ranges_peek(sr, &got_offset, &got_len));
	KUNIT_EXPECT_EQ(test, got_offset, offset);
	KUNIT_EXPECT_EQ(test, got_len, len);
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_has_pending(sr));
}

static void expect_nothing(struct kunit *test, const struct quic_send_ranges *sr)
{
	u64 offset, len;

	KUNIT_EXPECT_FALSE(test, quic_send_ranges_peek(sr, &offset, &len));
	KUNIT_EXPECT_FALSE(test, quic_send_ranges_has_pending(sr));
}

/* @sent bytes of @end queued ones were sent. */
static void setup(struct quic_send_ranges *sr, u64 sent, u64 end)
{
	quic_send_ranges_init(sr);
	sr->end = end;
	quic_send_ranges_on_sent(sr, 0, sent);
}

static void queued_bytes_are_sent_in_order(struct kunit *test)
{
	struct quic_send_ranges sr;

	quic_send_ranges_init(&sr);
	expect_nothing(test, &sr);
	sr.end = 100;
	expect_next(test, &sr, 0, 100);
	quic_send_ranges_on_sent(&sr, 0, 60);
	expect_next(test, &sr, 60, 40);
	quic_send_ranges_on_sent(&sr, 60, 40);
	expect_nothing(test, &sr);
	sr.end = 150;
	expect_next(test, &sr, 100, 50);
	quic_send_ranges_destroy(&sr);
}

static void lost_bytes_come_before_new_ones(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 60, 100);
	quic_send_ranges_on_lost(&sr, 20, 20);
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_has_lost(&sr));
	expect_next(test, &sr, 20, 20);
	quic_send_ranges_on_sent(&sr, 20, 5);
	expect_next(test, &sr, 25, 15);
	quic_send_ranges_on_sent(&sr, 25, 15);
	KUNIT_EXPECT_FALSE(test, quic_send_ranges_has_lost(&sr));
	expect_next(test, &sr, 60, 40);
	quic_send_ranges_destroy(&sr);
}

static void acknowledged_prefix_moves_over_what_was_early(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 100, 100);
	KUNIT_EXPECT_FALSE(test, quic_send_ranges_on_acked(&sr, 50, 50));
	KUNIT_EXPECT_FALSE(test, quic_send_ranges_on_acked(&sr, 10, 20));
	KUNIT_EXPECT_EQ(test, sr.acked, 0);
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_on_acked(&sr, 0, 10));
	KUNIT_EXPECT_EQ(test, sr.acked, 30);
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_on_acked(&sr, 30, 20));
	KUNIT_EXPECT_EQ(test, sr.acked, 100);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&sr.sacked));
	/* A second time it is no news. */
	KUNIT_EXPECT_FALSE(test, quic_send_ranges_on_acked(&sr, 30, 20));
	quic_send_ranges_destroy(&sr);
}

static void in_order_and_without_loss_nothing_is_allocated(struct kunit *test)
{
	struct quic_send_ranges sr;
	u64 i;

	if (!quic_test_fail_alloc(1, 1000))
		kunit_skip(test, "allocation failures cannot be had here");
	quic_send_ranges_init(&sr);
	for (i = 0; i < 100; i++) {
		sr.end += 10;
		quic_send_ranges_on_sent(&sr, i * 10, 10);
		if (i >= 5)
			KUNIT_EXPECT_TRUE(test, quic_send_ranges_on_acked(&sr, (i - 5) * 10, 10));
	}
	KUNIT_EXPECT_EQ(test, sr.acked, 950);
	KUNIT_EXPECT_EQ(test, sr.next, 1000);
	quic_send_ranges_destroy(&sr);
}

static void lost_bytes_acknowledged_late_are_not_sent_again(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 100, 100);
	quic_send_ranges_on_lost(&sr, 20, 60);
	quic_send_ranges_on_acked(&sr, 40, 20);
	expect_next(test, &sr, 20, 20);
	quic_send_ranges_on_sent(&sr, 20, 20);
	expect_next(test, &sr, 60, 20);
	/* The prefix passes the rest: the bytes are gone from the host. */
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_on_acked(&sr, 0, 70));
	expect_next(test, &sr, 70, 10);
	quic_send_ranges_destroy(&sr);
}

static void lost_bytes_acknowledged_before_are_not_sent_again(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 100, 100);
	quic_send_ranges_on_acked(&sr, 0, 10);
	quic_send_ranges_on_acked(&sr, 30, 10);
	quic_send_ranges_on_acked(&sr, 60, 10);
	quic_send_ranges_on_lost(&sr, 0, 80);
	expect_next(test, &sr, 10, 20);
	quic_send_ranges_on_sent(&sr, 10, 20);
	expect_next(test, &sr, 40, 20);
	quic_send_ranges_on_sent(&sr, 40, 20);
	expect_next(test, &sr, 70, 10);
	quic_send_ranges_on_sent(&sr, 70, 10);
	expect_nothing(test, &sr);
	quic_send_ranges_destroy(&sr);
}

/* Retry and a refused 0-RTT: what was sent before did not count. RFC 9000, section 17.2.5.3. */
static void all_can_be_lost(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 100, 130);
	quic_send_ranges_on_lost(&sr, 0, sr.next);
	expect_next(test, &sr, 0, 100);
	quic_send_ranges_on_sent(&sr, 0, 100);
	expect_next(test, &sr, 100, 30);
	quic_send_ranges_destroy(&sr);
}

static void without_memory_lost_bytes_are_sent_as_new(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 80, 100);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "allocation failures cannot be had here");
	quic_send_ranges_on_lost(&sr, 20, 20);
	expect_next(test, &sr, 20, 80);
	quic_send_ranges_on_sent(&sr, 20, 80);
	expect_nothing(test, &sr);
	quic_send_ranges_destroy(&sr);
}

static void without_memory_early_acknowledged_bytes_are_sent_again(struct kunit *test)
{
	struct quic_send_ranges sr;

	setup(&sr, 80, 80);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "allocation failures cannot be had here");
	KUNIT_EXPECT_FALSE(test, quic_send_ranges_on_acked(&sr, 20, 20));
	expect_next(test, &sr, 20, 20);
	quic_send_ranges_on_sent(&sr, 20, 20);
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_on_acked(&sr, 0, 20));
	KUNIT_EXPECT_TRUE(test, quic_send_ranges_on_acked(&sr, 20, 60));
	expect_nothing(test, &sr);
	quic_send_ranges_destroy(&sr);
}

struct packet {
	u64 offset;
	u32 len;
	bool in_flight;
};

struct transfer {
	u8 acked[MOST_BYTES];
	struct packet packet[PACKETS];
};

/*
 * A sender over a link that loses, reorders and, if @starved, has no memory at
 * times. Every byte must arrive, none be asked for once the host let go of it,
 * and without starvation none be sent again that was acknowledged.
 */
static void run_transfer(struct kunit *test, struct transfer *t, u64 seed, bool starved)
{
	u64 total = 200 + quic_test_below(&seed, MOST_BYTES - 200), offset, len;
	struct quic_send_ranges sr;
	u8 *acked = t->acked;
	u32 i, steps = 0;
	struct packet *p;
	u64 before;

	memset(t, 0, sizeof(*t));
	quic_send_ranges_init(&sr);
	while (sr.acked < total) {
		KUNIT_ASSERT_LT(test, steps++, 100000);
		if (starved)
			quic_test_fail_alloc(quic_test_below(&seed, 3) ? 0 : 1, 2);
		if (sr.end < total && !quic_test_below(&seed, 3))
			sr.end = min_t(u64, total, sr.end + quic_test_below(&seed, 500));

		p = &t->packet[quic_test_below(&seed, PACKETS)];
		if (!p->in_flight) {
			if (!quic_send_ranges_peek(&sr, &offset, &len))
				continue;
			KUNIT_ASSERT_GT(test, len, 0);
			KUNIT_ASSERT_GE(test, offset, sr.acked);
			KUNIT_ASSERT_LE(test, offset + len, sr.end);
			p->offset = offset;
			p->len = min_t(u64, len, 1 + quic_test_below(&seed, 100));
			if (!starved)
				for (i = 0; i < p->len; i++)
					KUNIT_ASSERT_FALSE(test, acked[offset + i]);
			p->in_flight = true;
			quic_send_ranges_on_sent(&sr, p->offset, p->len);
		} else if (quic_test_below(&seed, 3)) {
			p->in_flight = false;
			memset(acked + p->offset, 1, p->len);
			before = sr.acked;
			KUNIT_ASSERT_EQ(test, quic_send_ranges_on_acked(&sr, p->offset, p->len),
					sr.acked > before);
			KUNIT_ASSERT_GE(test, sr.acked, before);
			/* No byte counts as acknowledged that was not. */
			for (i = before; i < sr.acked; i++)
				KUNIT_ASSERT_TRUE(test, acked[i]);
			if (!starved && sr.acked < total)
				KUNIT_ASSERT_FALSE(test, acked[sr.acked]);
		} else {
			p->in_flight = false;
			quic_send_ranges_on_lost(&sr, p->offset, p->len);
		}
	}
	quic_test_fail_alloc(0, 0);
	KUNIT_ASSERT_EQ(test, sr.acked, total);
	expect_nothing(test, &sr);
	KUNIT_ASSERT_TRUE(test, quic_range_set_empty(&sr.sacked));
	quic_send_ranges_destroy(&sr);
}

static void random_transfers_end(struct kunit *test)
{
	struct transfer *t = kunit_kmalloc(test, sizeof(*t), GFP_KERNEL);
	u64 s;

	KUNIT_ASSERT_NOT_NULL(test, t);
	for (s = 1; s <= SEEDS; s++)
		run_transfer(test, t, s, false);
}

static void random_transfers_end_without_memory(struct kunit *test)
{
	struct transfer *t = kunit_kmalloc(test, sizeof(*t), GFP_KERNEL);
	u64 s;

	KUNIT_ASSERT_NOT_NULL(test, t);
	if (!quic_test_fail_alloc(0, 0))
		kunit_skip(test, "allocation failures cannot be had here");
	for (s = 1; s <= SEEDS; s++)
		run_transfer(test, t, s, true);
}

static struct kunit_case send_ranges_cases[] = {
	KUNIT_CASE(queued_bytes_are_sent_in_order),
	KUNIT_CASE(lost_bytes_come_before_new_ones),
	KUNIT_CASE(acknowledged_prefix_moves_over_what_was_early),
	KUNIT_CASE(in_order_and_without_loss_nothing_is_allocated),
	KUNIT_CASE(lost_bytes_acknowledged_late_are_not_sent_again),
	KUNIT_CASE(lost_bytes_acknowledged_before_are_not_sent_again),
	KUNIT_CASE(all_can_be_lost),
	KUNIT_CASE(without_memory_lost_bytes_are_sent_as_new),
	KUNIT_CASE(without_memory_early_acknowledged_bytes_are_sent_again),
	KUNIT_CASE(random_transfers_end),
	KUNIT_CASE(random_transfers_end_without_memory),
	{}
};

static struct kunit_suite send_ranges_suite = {
	.name = "quic_send_ranges",
	.test_cases = send_ranges_cases,
};

kunit_test_suite(send_ranges_suite);
