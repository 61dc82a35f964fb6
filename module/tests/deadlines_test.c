// SPDX-License-Identifier: GPL-2.0-or-later
/* The timers of a connection as plain times. */
#include "quic_test.h"
#include "../core/deadlines.h"

static void nothing_is_due_at_first(struct kunit *test)
{
	struct quic_deadlines dl;

	quic_deadlines_init(&dl);
	KUNIT_EXPECT_EQ(test, quic_deadlines_earliest(&dl), QUIC_DEADLINE_NEVER);
	KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, QUIC_DEADLINE_NEVER),
			(int)QUIC_DEADLINE_MAX);
}

static void each_deadline_can_be_the_earliest(struct kunit *test)
{
	struct quic_deadlines dl;
	int i, j;

	for (i = 0; i < QUIC_DEADLINE_MAX; i++) {
		quic_deadlines_init(&dl);
		for (j = 0; j < QUIC_DEADLINE_MAX; j++)
			quic_deadline_set(&dl, j, 200 + j);
		quic_deadline_set(&dl, i, 100);
		KUNIT_EXPECT_EQ(test, quic_deadlines_earliest(&dl), 100);
		quic_deadline_clear(&dl, i);
		KUNIT_EXPECT_EQ(test, quic_deadlines_earliest(&dl), i ? 200 : 201);
	}
}

static void deadline_expires_at_its_time_and_once(struct kunit *test)
{
	struct quic_deadlines dl;

	quic_deadlines_init(&dl);
	quic_deadline_set(&dl, QUIC_DEADLINE_LOSS, 100);
	KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, 99), (int)QUIC_DEADLINE_MAX);
	KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, 100), (int)QUIC_DEADLINE_LOSS);
	KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, 100), (int)QUIC_DEADLINE_MAX);
	KUNIT_EXPECT_EQ(test, quic_deadlines_earliest(&dl), QUIC_DEADLINE_NEVER);
}

static void expired_ones_come_in_the_order_of_the_enum(struct kunit *test)
{
	struct quic_deadlines dl;
	int i;

	quic_deadlines_init(&dl);
	/* The last of the enum is the earliest: the order is not that of times. */
	for (i = 0; i < QUIC_DEADLINE_MAX; i++)
		quic_deadline_set(&dl, i, 100 - i);
	for (i = 0; i < QUIC_DEADLINE_MAX; i++)
		KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, 100), i);
	KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, 100), (int)QUIC_DEADLINE_MAX);
}

static void those_not_due_stay(struct kunit *test)
{
	struct quic_deadlines dl;

	quic_deadlines_init(&dl);
	quic_deadline_set(&dl, QUIC_DEADLINE_IDLE, 300);
	quic_deadline_set(&dl, QUIC_DEADLINE_CLOSE, 100);
	KUNIT_EXPECT_EQ(test, (int)quic_deadlines_expired(&dl, 200), (int)QUIC_DEADLINE_CLOSE);
	KUNIT_EXPECT_EQ(test, quic_deadlines_earliest(&dl), 300);
}

static struct kunit_case deadlines_cases[] = {
	KUNIT_CASE(nothing_is_due_at_first),
	KUNIT_CASE(each_deadline_can_be_the_earliest),
	KUNIT_CASE(deadline_expires_at_its_time_and_once),
	KUNIT_CASE(expired_ones_come_in_the_order_of_the_enum),
	KUNIT_CASE(those_not_due_stay),
	{}
};

static struct kunit_suite deadlines_suite = {
	.name = "quic_deadlines",
	.test_cases = deadlines_cases,
};

kunit_test_suite(deadlines_suite);
