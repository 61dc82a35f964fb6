// SPDX-License-Identifier: GPL-2.0-or-later
/* Flow control credit in both directions. RFC 9000, section 4. */
#include "quic_test.h"
#include "../core/cursor.h"
#include "../core/flow.h"

/* RFC 9000, section 4.1: limits never go down. */
static void max_data_raises_and_never_lowers(struct kunit *test)
{
	struct quic_flow_send flow;

	quic_flow_send_init(&flow, 1000);
	KUNIT_EXPECT_EQ(test, quic_flow_send_credit(&flow), 1000);
	KUNIT_EXPECT_FALSE(test, quic_flow_send_raise(&flow, 999));
	KUNIT_EXPECT_FALSE(test, quic_flow_send_raise(&flow, 1000));
	KUNIT_EXPECT_EQ(test, flow.limit, 1000);
	KUNIT_EXPECT_TRUE(test, quic_flow_send_raise(&flow, 1001));
	KUNIT_EXPECT_EQ(test, flow.limit, 1001);
}

static void credit_is_what_the_limit_leaves(struct kunit *test)
{
	struct quic_flow_send flow;

	quic_flow_send_init(&flow, 100);
	flow.used = 60;
	KUNIT_EXPECT_EQ(test, quic_flow_send_credit(&flow), 40);
	flow.used = 100;
	KUNIT_EXPECT_EQ(test, quic_flow_send_credit(&flow), 0);
	/* Lower limits than those remembered for 0-RTT: no credit, no wrap. */
	flow.used = 101;
	KUNIT_EXPECT_EQ(test, quic_flow_send_credit(&flow), 0);
}

static void no_blocked_frame_was_sent_for_a_new_flow(struct kunit *test)
{
	struct quic_flow_send flow;

	memset(&flow, 0, sizeof(flow));
	quic_flow_send_init(&flow, 0);
	KUNIT_EXPECT_NE(test, flow.blocked_at, flow.limit);
}

/* RFC 9000, section 4.1: more than the limit is an error, the limit itself is not. */
static void data_up_to_the_limit_is_taken_and_no_more(struct kunit *test)
{
	struct quic_flow_recv flow;

	quic_flow_recv_init(&flow, 100);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&flow, 60), 0);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&flow, 41), -EPROTO);
	KUNIT_EXPECT_EQ(test, flow.received, 60);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&flow, ~0ULL), -EPROTO);
	KUNIT_EXPECT_EQ(test, flow.received, 60);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&flow, 40), 0);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&flow, 0), 0);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&flow, 1), -EPROTO);
}

/* RFC 9000, section 4.2: credit is announced in steps, before the peer blocks. */
static void limit_is_stale_after_a_quarter_of_the_window(struct kunit *test)
{
	struct quic_flow_recv flow;

	quic_flow_recv_init(&flow, 1000);
	KUNIT_ASSERT_EQ(test, quic_flow_recv_take(&flow, 1000), 0);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	quic_flow_recv_consume(&flow, 249);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	quic_flow_recv_consume(&flow, 1);
	KUNIT_EXPECT_TRUE(test, quic_flow_recv_is_stale(&flow));

	KUNIT_EXPECT_EQ(test, quic_flow_recv_grant(&flow), 1250);
	KUNIT_EXPECT_EQ(test, flow.limit, 1250);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	/* The grant counts from what was announced last. */
	quic_flow_recv_consume(&flow, 249);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	quic_flow_recv_consume(&flow, 1);
	KUNIT_EXPECT_TRUE(test, quic_flow_recv_is_stale(&flow));
}

static void tiny_windows_are_not_stale_without_progress(struct kunit *test)
{
	struct quic_flow_recv flow;

	quic_flow_recv_init(&flow, 0);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	quic_flow_recv_init(&flow, 3);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	KUNIT_ASSERT_EQ(test, quic_flow_recv_take(&flow, 1), 0);
	quic_flow_recv_consume(&flow, 1);
	KUNIT_EXPECT_TRUE(test, quic_flow_recv_is_stale(&flow));
}

/* RFC 9000, section 4.1: what was granted cannot be taken back. */
static void smaller_window_takes_no_credit_back(struct kunit *test)
{
	struct quic_flow_recv flow;

	quic_flow_recv_init(&flow, 1000);
	KUNIT_ASSERT_EQ(test, quic_flow_recv_take(&flow, 400), 0);
	quic_flow_recv_consume(&flow, 400);
	flow.window = 500;
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&flow));
	KUNIT_EXPECT_EQ(test, quic_flow_recv_grant(&flow), 1000);
	KUNIT_EXPECT_EQ(test, flow.limit, 1000);
}

static void no_more_is_consumed_than_was_received(struct kunit *test)
{
	struct quic_flow_recv flow;

	quic_flow_recv_init(&flow, 1000);
	KUNIT_ASSERT_EQ(test, quic_flow_recv_take(&flow, 10), 0);
	quic_flow_recv_consume(&flow, 4);
	quic_flow_recv_consume(&flow, 7);
	KUNIT_EXPECT_EQ(test, flow.consumed, 10);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_grant(&flow), 1010);
}

/* RFC 9000, section 16: no offset above 2^62-1 can be written. */
static void limits_saturate_at_the_largest_offset(struct kunit *test)
{
	struct quic_flow_send tx;
	struct quic_flow_recv rx;

	quic_flow_send_init(&tx, ~0ULL);
	KUNIT_EXPECT_EQ(test, tx.limit, QUIC_VARINT_MAX);
	KUNIT_EXPECT_FALSE(test, quic_flow_send_raise(&tx, ~0ULL));

	quic_flow_recv_init(&rx, ~0ULL);
	KUNIT_EXPECT_EQ(test, rx.limit, QUIC_VARINT_MAX);
	KUNIT_EXPECT_EQ(test, quic_flow_recv_take(&rx, QUIC_VARINT_MAX), 0);
	quic_flow_recv_consume(&rx, QUIC_VARINT_MAX);
	KUNIT_EXPECT_FALSE(test, quic_flow_recv_is_stale(&rx));
	KUNIT_EXPECT_EQ(test, quic_flow_recv_grant(&rx), QUIC_VARINT_MAX);

	quic_flow_recv_init(&rx, 1000);
	rx.received = QUIC_VARINT_MAX - 10;
	rx.consumed = rx.received;
	KUNIT_EXPECT_EQ(test, quic_flow_recv_grant(&rx), QUIC_VARINT_MAX);
}

static struct kunit_case flow_cases[] = {
	KUNIT_CASE(max_data_raises_and_never_lowers),
	KUNIT_CASE(credit_is_what_the_limit_leaves),
	KUNIT_CASE(no_blocked_frame_was_sent_for_a_new_flow),
	KUNIT_CASE(data_up_to_the_limit_is_taken_and_no_more),
	KUNIT_CASE(limit_is_stale_after_a_quarter_of_the_window),
	KUNIT_CASE(tiny_windows_are_not_stale_without_progress),
	KUNIT_CASE(smaller_window_takes_no_credit_back),
	KUNIT_CASE(no_more_is_consumed_than_was_received),
	KUNIT_CASE(limits_saturate_at_the_largest_offset),
	{}
};

static struct kunit_suite flow_suite = {
	.name = "quic_flow",
	.test_cases = flow_cases,
};

kunit_test_suite(flow_suite);
