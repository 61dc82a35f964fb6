// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of offset ranges, compared with a map of single offsets. */
#include "../core/range_set.h"
#include "quic_test.h"

#define SPACE	64	/* offsets of the model */
#define SEEDS	QUIC_TEST_ROUNDS(2000)
#define STEPS	40

/* A set as a map: bit i stands for offset i. */
static u64 bits_of(u64 start, u64 end)
{
	u64 below_end = end >= 64 ? U64_MAX : (1ULL << end) - 1;

	return start >= end ? 0 : below_end & ~((1ULL << start) - 1);
}

/* Short ranges are likelier than long ones. */
static u64 random_end(u64 *seed, u64 start)
{
	return start + quic_test_below(seed, 1 + quic_test_below(seed, SPACE - start));
}

/* The set read out; also checks order, that ranges do not touch, and the count. */
static u64 read_set(struct kunit *test, const struct quic_range_set *set)
{
	const struct quic_range *range;
	u64 bits = 0, last = 0;
	u32 n = 0;

	for (range = quic_range_set_first(set); range;
	     range = quic_range_set_from(set, range->end)) {
		KUNIT_ASSERT_LT(test, range->start, range->end);
		if (n)
			KUNIT_ASSERT_GT(test, range->start, last);
		last = range->end;
		bits |= bits_of(range->start, range->end);
		n++;
	}
	KUNIT_ASSERT_EQ(test, n, set->count);
	KUNIT_ASSERT_EQ(test, quic_range_set_empty(set), !n);
	return bits;
}

static void touching_ranges_join(struct kunit *test)
{
	const struct quic_range *range;
	struct quic_range_set set;

	quic_range_set_init(&set);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&set));
	KUNIT_EXPECT_NULL(test, quic_range_set_first(&set));
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 10, 20), 0);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 30, 40), 0);
	KUNIT_EXPECT_EQ(test, set.count, 2);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 20, 30), 0);
	KUNIT_EXPECT_EQ(test, set.count, 1);
	range = quic_range_set_first(&set);
	KUNIT_EXPECT_EQ(test, range->start, 10);
	KUNIT_EXPECT_EQ(test, range->end, 40);
	quic_range_set_clear(&set);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&set));
}

static void a_range_swallows_many(struct kunit *test)
{
	struct quic_range_set set;
	u64 i;

	quic_range_set_init(&set);
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 10 * i, 10 * i + 1), 0);
	KUNIT_EXPECT_EQ(test, set.count, 1000);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 5, 9985), 0);
	KUNIT_EXPECT_EQ(test, set.count, 3);
	KUNIT_EXPECT_TRUE(test, quic_range_set_contains(&set, 5, 9985));
	quic_range_set_clear(&set);
}

static void offsets_up_to_the_last_are_held(struct kunit *test)
{
	struct quic_range_set set;

	quic_range_set_init(&set);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, U64_MAX - 1, U64_MAX), 0);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, set.count, 2);
	KUNIT_EXPECT_TRUE(test, quic_range_set_contains(&set, U64_MAX - 1, U64_MAX));
	KUNIT_EXPECT_FALSE(test, quic_range_set_contains(&set, 0, U64_MAX));
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 0, U64_MAX), 0);
	KUNIT_EXPECT_EQ(test, set.count, 1);
	KUNIT_ASSERT_EQ(test, quic_range_set_remove(&set, 0, U64_MAX), 0);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&set));
}

static void empty_range_changes_nothing(struct kunit *test)
{
	struct quic_range_set set;

	quic_range_set_init(&set);
	KUNIT_EXPECT_EQ(test, quic_range_set_add(&set, 5, 5), 0);
	KUNIT_EXPECT_EQ(test, quic_range_set_cover(&set, 5, 5), 0);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&set));
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 0, 10), 0);
	KUNIT_EXPECT_EQ(test, quic_range_set_remove(&set, 5, 5), 0);
	KUNIT_EXPECT_EQ(test, set.count, 1);
	KUNIT_EXPECT_TRUE(test, quic_range_set_contains(&set, 50, 50));
	quic_range_set_clear(&set);
}

static void random_steps_agree_with_the_model(struct kunit *test)
{
	struct quic_range_set set;
	u64 seed, s, start, end, bits;
	int i;

	for (s = 1; s <= SEEDS; s++) {
		seed = s;
		bits = 0;
		quic_range_set_init(&set);
		for (i = 0; i < STEPS; i++) {
			start = quic_test_below(&seed, SPACE);
			end = random_end(&seed, start);
			switch (quic_test_below(&seed, 4)) {
			case 0:
				KUNIT_ASSERT_EQ(test, quic_range_set_remove(&set, start, end), 0);
				bits &= ~bits_of(start, end);
				break;
			case 1:
				KUNIT_ASSERT_EQ(test, quic_range_set_cover(&set, start, end), 0);
				bits |= bits_of(start, end);
				break;
			default:
				KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, start, end), 0);
				bits |= bits_of(start, end);
			}
			KUNIT_ASSERT_EQ_MSG(test, read_set(test, &set), bits, "seed %llu step %d",
					    (unsigned long long)s, i);
			start = quic_test_below(&seed, SPACE);
			end = start + quic_test_below(&seed, SPACE - start);
			KUNIT_ASSERT_EQ(test, quic_range_set_contains(&set, start, end),
					!(bits_of(start, end) & ~bits));
		}
		quic_range_set_clear(&set);
	}
}

static void from_finds_the_lowest_range_that_ends_above(struct kunit *test)
{
	struct quic_range_set set;

	quic_range_set_init(&set);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 10, 20), 0);
	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 30, 40), 0);
	KUNIT_EXPECT_EQ(test, quic_range_set_from(&set, 0)->start, 10);
	KUNIT_EXPECT_EQ(test, quic_range_set_from(&set, 19)->start, 10);
	KUNIT_EXPECT_EQ(test, quic_range_set_from(&set, 20)->start, 30);
	KUNIT_EXPECT_EQ(test, quic_range_set_from(&set, 39)->start, 30);
	KUNIT_EXPECT_NULL(test, quic_range_set_from(&set, 40));
	quic_range_set_clear(&set);
}

/* The set is as it was after a failure, and right again afterwards. */
static void without_memory_nothing_changes(struct kunit *test)
{
	struct quic_range_set set;

	quic_range_set_init(&set);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "allocation failures cannot be had here");
	KUNIT_EXPECT_EQ(test, quic_range_set_add(&set, 1, 2), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&set));

	KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, 10, 20), 0);
	quic_test_fail_alloc(1, 1);
	KUNIT_EXPECT_EQ(test, quic_range_set_remove(&set, 12, 15), -ENOMEM);
	KUNIT_EXPECT_EQ(test, read_set(test, &set), bits_of(10, 20));
	KUNIT_ASSERT_EQ(test, quic_range_set_remove(&set, 12, 15), 0);
	KUNIT_EXPECT_EQ(test, read_set(test, &set), bits_of(10, 12) | bits_of(15, 20));

	/* Joining, and taking off either end, need none. */
	quic_test_fail_alloc(1, 1);
	KUNIT_EXPECT_EQ(test, quic_range_set_add(&set, 12, 13), 0);
	KUNIT_EXPECT_EQ(test, quic_range_set_remove(&set, 0, 11), 0);
	KUNIT_EXPECT_EQ(test, quic_range_set_remove(&set, 18, 40), 0);
	KUNIT_EXPECT_EQ(test, read_set(test, &set), bits_of(11, 13) | bits_of(15, 18));
	quic_test_fail_alloc(0, 0);
	quic_range_set_clear(&set);
}

static void without_memory_cover_swallows_the_smaller_gap(struct kunit *test)
{
	struct quic_range_set set;

	quic_range_set_init(&set);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "allocation failures cannot be had here");
	KUNIT_EXPECT_EQ(test, quic_range_set_cover(&set, 10, 12), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, quic_range_set_empty(&set));

	KUNIT_ASSERT_EQ(test, quic_range_set_cover(&set, 10, 12), 0);
	KUNIT_ASSERT_EQ(test, quic_range_set_cover(&set, 40, 42), 0);
	quic_test_fail_alloc(1, 9);
	KUNIT_EXPECT_EQ(test, quic_range_set_cover(&set, 15, 16), 0);
	KUNIT_EXPECT_EQ(test, read_set(test, &set), bits_of(10, 16) | bits_of(40, 42));
	KUNIT_EXPECT_EQ(test, quic_range_set_cover(&set, 35, 36), 0);
	KUNIT_EXPECT_EQ(test, read_set(test, &set), bits_of(10, 16) | bits_of(35, 42));
	KUNIT_EXPECT_EQ(test, quic_range_set_cover(&set, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, quic_range_set_cover(&set, 50, 51), 0);
	KUNIT_EXPECT_EQ(test, read_set(test, &set), bits_of(5, 16) | bits_of(35, 51));
	quic_test_fail_alloc(0, 0);
	quic_range_set_clear(&set);
}

static void random_cover_without_memory_holds_at_least_what_it_must(struct kunit *test)
{
	u64 seed, s, start, end, want, bits;
	struct quic_range_set set;
	int i;

	quic_range_set_init(&set);
	if (!quic_test_fail_alloc(0, 0))
		kunit_skip(test, "allocation failures cannot be had here");
	for (s = 1; s <= SEEDS; s++) {
		seed = s;
		start = quic_test_below(&seed, SPACE - 1);
		KUNIT_ASSERT_EQ(test, quic_range_set_add(&set, start, start + 1), 0);
		want = bits_of(start, start + 1);
		for (i = 0; i < STEPS; i++) {
			start = quic_test_below(&seed, SPACE);
			end = random_end(&seed, start);
			if (quic_test_below(&seed, 2))
				quic_test_fail_alloc(1, 1);
			KUNIT_ASSERT_EQ(test, quic_range_set_cover(&set, start, end), 0);
			quic_test_fail_alloc(0, 0);
			want |= bits_of(start, end);
			bits = read_set(test, &set);
			KUNIT_ASSERT_EQ(test, want & ~bits, 0);
			want = bits;
		}
		quic_range_set_clear(&set);
	}
}

static struct kunit_case range_set_cases[] = {
	KUNIT_CASE(touching_ranges_join),
	KUNIT_CASE(a_range_swallows_many),
	KUNIT_CASE(offsets_up_to_the_last_are_held),
	KUNIT_CASE(empty_range_changes_nothing),
	KUNIT_CASE(random_steps_agree_with_the_model),
	KUNIT_CASE(from_finds_the_lowest_range_that_ends_above),
	KUNIT_CASE(without_memory_nothing_changes),
	KUNIT_CASE(without_memory_cover_swallows_the_smaller_gap),
	KUNIT_CASE(random_cover_without_memory_holds_at_least_what_it_must),
	{}
};

static struct kunit_suite range_set_suite = {
	.name = "quic_range_set",
	.test_cases = range_set_cases,
};

kunit_test_suite(range_set_suite);
