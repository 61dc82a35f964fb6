// SPDX-License-Identifier: GPL-2.0-or-later
/* Packet numbers received: order, merging, the bound and what is forgotten. */
#include "quic_test.h"
#include "../core/ack_ranges.h"

static void add_all(struct quic_ack_ranges *ranges, u64 first, u64 last)
{
	for (; first <= last; first++)
		quic_ack_ranges_add(ranges, first);
}

static void expect_range(struct kunit *test, const struct quic_ack_ranges *ranges,
			 u32 i, u64 first, u64 last)
{
	KUNIT_ASSERT_LT(test, i, ranges->count);
	KUNIT_EXPECT_EQ(test, ranges->range[i].first, first);
	KUNIT_EXPECT_EQ(test, ranges->range[i].last, last);
}

static void nothing_received_has_no_largest(struct kunit *test)
{
	struct quic_ack_ranges ranges;

	quic_ack_ranges_init(&ranges);
	KUNIT_EXPECT_EQ(test, quic_ack_ranges_largest(&ranges), -1LL);
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 0));
}

static void in_order_is_one_range(struct kunit *test)
{
	struct quic_ack_ranges ranges;

	quic_ack_ranges_init(&ranges);
	add_all(&ranges, 0, 999);
	KUNIT_EXPECT_EQ(test, ranges.count, 1U);
	expect_range(test, &ranges, 0, 0, 999);
	KUNIT_EXPECT_EQ(test, quic_ack_ranges_largest(&ranges), 999LL);
	KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, 0));
	KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, 999));
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 1000));
}

/* Where a number falls, and what becomes of its neighbours. The ranges are 10-12 and 20-22. */
static void number_joins_its_neighbours(struct kunit *test)
{
	static const struct {
		u64 pn;
		u32 count;
		struct quic_pn_range range[3];
	} table[] = {
		{ 24, 3, { { 24, 24 }, { 20, 22 }, { 10, 12 } } },	/* above, apart */
		{ 23, 2, { { 20, 23 }, { 10, 12 } } },			/* extends the top */
		{ 21, 2, { { 20, 22 }, { 10, 12 } } },			/* known */
		{ 19, 2, { { 19, 22 }, { 10, 12 } } },			/* joins what is above */
		{ 16, 3, { { 20, 22 }, { 16, 16 }, { 10, 12 } } },	/* between, apart */
		{ 13, 2, { { 20, 22 }, { 10, 13 } } },			/* joins what is below */
		{ 10, 2, { { 20, 22 }, { 10, 12 } } },			/* known */
		{ 9, 2, { { 20, 22 }, { 9, 12 } } },			/* extends the bottom */
		{ 7, 3, { { 20, 22 }, { 10, 12 }, { 7, 7 } } },		/* below, apart */
	};
	struct quic_ack_ranges ranges;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		quic_ack_ranges_init(&ranges);
		add_all(&ranges, 10, 12);
		add_all(&ranges, 20, 22);
		quic_ack_ranges_add(&ranges, table[i].pn);
		KUNIT_EXPECT_EQ(test, ranges.count, table[i].count);
		for (j = 0; j < table[i].count; j++)
			expect_range(test, &ranges, j, table[i].range[j].first,
				     table[i].range[j].last);
		KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, table[i].pn));
	}
}

static void last_missing_number_merges_ranges(struct kunit *test)
{
	struct quic_ack_ranges ranges;

	quic_ack_ranges_init(&ranges);
	add_all(&ranges, 0, 4);
	add_all(&ranges, 6, 9);
	add_all(&ranges, 11, 12);
	KUNIT_EXPECT_EQ(test, ranges.count, 3U);
	quic_ack_ranges_add(&ranges, 5);
	KUNIT_EXPECT_EQ(test, ranges.count, 2U);
	expect_range(test, &ranges, 0, 11, 12);
	expect_range(test, &ranges, 1, 0, 9);
}

/* RFC 9000, section 13.2.3: what is not remembered must never be accepted again. */
static void full_array_forgets_the_oldest_and_refuses_it(struct kunit *test)
{
	struct quic_ack_ranges ranges;
	u64 i;

	quic_ack_ranges_init(&ranges);
	for (i = 0; i < QUIC_ACK_RANGES_MAX; i++)
		quic_ack_ranges_add(&ranges, 100 + 2 * i);
	KUNIT_EXPECT_EQ(test, ranges.count, (u32)QUIC_ACK_RANGES_MAX);
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 99));

	quic_ack_ranges_add(&ranges, 500);
	KUNIT_EXPECT_EQ(test, ranges.count, (u32)QUIC_ACK_RANGES_MAX);
	expect_range(test, &ranges, 0, 500, 500);
	expect_range(test, &ranges, QUIC_ACK_RANGES_MAX - 1, 102, 102);
	KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, 100));
	KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, 99));
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 101));

	/* A number that is forgotten does not come back. */
	quic_ack_ranges_add(&ranges, 99);
	expect_range(test, &ranges, QUIC_ACK_RANGES_MAX - 1, 102, 102);
}

static void full_array_refuses_what_is_older_than_all(struct kunit *test)
{
	struct quic_ack_ranges ranges;
	u64 i;

	quic_ack_ranges_init(&ranges);
	for (i = 0; i < QUIC_ACK_RANGES_MAX; i++)
		quic_ack_ranges_add(&ranges, 100 + 2 * i);
	quic_ack_ranges_add(&ranges, 50);
	KUNIT_EXPECT_EQ(test, ranges.count, (u32)QUIC_ACK_RANGES_MAX);
	expect_range(test, &ranges, QUIC_ACK_RANGES_MAX - 1, 100, 100);
	KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, 50));
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 51));
}

/* RFC 9000, section 13.2.4 */
static void forgotten_numbers_count_as_received(struct kunit *test)
{
	struct quic_ack_ranges ranges;

	quic_ack_ranges_init(&ranges);
	add_all(&ranges, 0, 9);
	add_all(&ranges, 20, 29);
	add_all(&ranges, 40, 49);
	quic_ack_ranges_forget(&ranges, 25);
	KUNIT_EXPECT_EQ(test, ranges.count, 2U);
	expect_range(test, &ranges, 0, 40, 49);
	expect_range(test, &ranges, 1, 25, 29);
	KUNIT_EXPECT_TRUE(test, quic_ack_ranges_has(&ranges, 15));
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 30));

	quic_ack_ranges_add(&ranges, 15);
	KUNIT_EXPECT_EQ(test, ranges.count, 2U);
	quic_ack_ranges_forget(&ranges, 10);
	KUNIT_EXPECT_EQ(test, ranges.floor, 25ULL);
}

/* RFC 9000, section 13.2.3: the largest number is kept, whatever is discarded. */
static void largest_number_is_never_forgotten(struct kunit *test)
{
	struct quic_ack_ranges ranges;

	quic_ack_ranges_init(&ranges);
	quic_ack_ranges_forget(&ranges, 7);
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 6));

	add_all(&ranges, 0, 9);
	quic_ack_ranges_forget(&ranges, 1000);
	KUNIT_EXPECT_EQ(test, ranges.count, 1U);
	expect_range(test, &ranges, 0, 9, 9);
	KUNIT_EXPECT_EQ(test, quic_ack_ranges_largest(&ranges), 9LL);
	KUNIT_EXPECT_FALSE(test, quic_ack_ranges_has(&ranges, 10));
}

static void numbers_at_the_end_of_the_space_work(struct kunit *test)
{
	struct quic_ack_ranges ranges;

	quic_ack_ranges_init(&ranges);
	quic_ack_ranges_add(&ranges, QUIC_PN_MAX);
	quic_ack_ranges_add(&ranges, QUIC_PN_MAX - 2);
	quic_ack_ranges_add(&ranges, QUIC_PN_MAX - 1);
	KUNIT_EXPECT_EQ(test, ranges.count, 1U);
	expect_range(test, &ranges, 0, QUIC_PN_MAX - 2, QUIC_PN_MAX);
	KUNIT_EXPECT_EQ(test, quic_ack_ranges_largest(&ranges), (s64)QUIC_PN_MAX);
}

#define MODEL_SIZE	120	/* no more than 64 ranges fit in there */

static void any_order_agrees_with_a_bitmap(struct kunit *test)
{
	struct quic_ack_ranges ranges;
	u64 state = 9000, round, pn, floor;
	bool model[MODEL_SIZE];
	u32 i;

	for (round = 0; round < 300; round++) {
		quic_ack_ranges_init(&ranges);
		memset(model, 0, sizeof(model));
		floor = 0;
		for (i = 0; i < 200; i++) {
			s64 largest = quic_ack_ranges_largest(&ranges);

			pn = quic_test_below(&state, MODEL_SIZE);
			if (!quic_test_below(&state, 20)) {
				quic_ack_ranges_forget(&ranges, pn);
				if (largest >= 0)
					floor = max(floor, min(pn, (u64)largest));
				continue;
			}
			quic_ack_ranges_add(&ranges, pn);
			model[pn] = true;
		}
		for (pn = 0; pn < MODEL_SIZE; pn++)
			KUNIT_ASSERT_EQ(test, quic_ack_ranges_has(&ranges, pn),
					model[pn] || pn < floor);
		for (i = 0; i + 1 < ranges.count; i++)
			KUNIT_ASSERT_GT(test, ranges.range[i].first,
					ranges.range[i + 1].last + 1);
		for (i = 0; i < ranges.count; i++)
			KUNIT_ASSERT_LE(test, ranges.range[i].first, ranges.range[i].last);
	}
}

/* RFC 9000, section 21: a peer that leaves out every second number costs no more than the array. */
static void every_second_number_is_bounded(struct kunit *test)
{
	struct quic_ack_ranges ranges;
	u64 pn;

	quic_ack_ranges_init(&ranges);
	for (pn = 0; pn < 20000; pn += 2) {
		quic_ack_ranges_add(&ranges, pn);
		KUNIT_ASSERT_LE(test, ranges.count, (u32)QUIC_ACK_RANGES_MAX);
		KUNIT_ASSERT_EQ(test, quic_ack_ranges_largest(&ranges), (s64)pn);
	}
	expect_range(test, &ranges, QUIC_ACK_RANGES_MAX - 1,
		     pn - 2 * QUIC_ACK_RANGES_MAX, pn - 2 * QUIC_ACK_RANGES_MAX);
}

static struct kunit_case ack_ranges_cases[] = {
	KUNIT_CASE(nothing_received_has_no_largest),
	KUNIT_CASE(in_order_is_one_range),
	KUNIT_CASE(number_joins_its_neighbours),
	KUNIT_CASE(last_missing_number_merges_ranges),
	KUNIT_CASE(full_array_forgets_the_oldest_and_refuses_it),
	KUNIT_CASE(full_array_refuses_what_is_older_than_all),
	KUNIT_CASE(forgotten_numbers_count_as_received),
	KUNIT_CASE(largest_number_is_never_forgotten),
	KUNIT_CASE(numbers_at_the_end_of_the_space_work),
	KUNIT_CASE(any_order_agrees_with_a_bitmap),
	KUNIT_CASE(every_second_number_is_bounded),
	{}
};

static struct kunit_suite ack_ranges_suite = {
	.name = "quic_ack_ranges",
	.test_cases = ack_ranges_cases,
};

kunit_test_suite(ack_ranges_suite);
