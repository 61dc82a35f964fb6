// SPDX-License-Identifier: GPL-2.0-or-later
/* ACK frames. RFC 9000, section 19.3. */
#include "frame_decode.h"

/* RFC 9000, section 19.3.1. */
static void ack_ranges_are_walked_downwards(struct kunit *test)
{
	static const struct quic_pn_range ranges[] = {
		{ 990, 1000 }, { 988, 988 }, { 500, 900 }, { 0, 0 },
	};
	static const u64 ecn[3] = { 100, 20000, 3 };
	struct quic_frame frame;
	struct quic_ack_iter it;
	struct quic_reader r;
	struct quic_writer w;
	u8 buf[64];
	u64 code;
	u32 i;

	quic_writer_init(&w, buf, sizeof(buf));
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_ack(&w, ranges, 4, 77, ecn));
	quic_reader_init(&r, buf, quic_writer_used(&w));
	KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
	KUNIT_EXPECT_EQ(test, frame.type, QUIC_FRAME_ACK_ECN);
	KUNIT_EXPECT_EQ(test, frame.ack.largest, 1000);
	KUNIT_EXPECT_EQ(test, frame.ack.delay, 77);
	KUNIT_EXPECT_EQ(test, frame.ack.range_count, 3);
	KUNIT_EXPECT_TRUE(test, frame.ack.has_ecn);
	KUNIT_EXPECT_EQ(test, frame.ack.ect0, 100);
	KUNIT_EXPECT_EQ(test, frame.ack.ect1, 20000);
	KUNIT_EXPECT_EQ(test, frame.ack.ce, 3);

	quic_ack_iter_init(&it, &frame.ack);
	for (i = 0; i < 4; i++) {
		KUNIT_ASSERT_TRUE(test, quic_ack_iter_next(&it));
		KUNIT_EXPECT_EQ(test, it.range.first, ranges[i].first);
		KUNIT_EXPECT_EQ(test, it.range.last, ranges[i].last);
	}
	KUNIT_EXPECT_FALSE(test, quic_ack_iter_next(&it));
	KUNIT_EXPECT_FALSE(test, quic_ack_iter_next(&it));
}

/* RFC 9000, section 19.3.1: a negative packet number is a FRAME_ENCODING_ERROR. */
static void ack_range_below_zero_is_refused(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "first range", { 0x02, 5, 0, 0, 6 }, 5, FRAME_ENCODING },
		{ "gap", { 0x02, 5, 0, 1, 1, 3, 0 }, 7, FRAME_ENCODING },
		{ "gap ends at -1", { 0x02, 5, 0, 1, 4, 0, 0 }, 7, FRAME_ENCODING },
		{ "range", { 0x02, 5, 0, 1, 1, 1, 2 }, 7, FRAME_ENCODING },
		{ "second gap", { 0x02, 9, 0, 2, 1, 0, 1, 4, 0 }, 9, FRAME_ENCODING },
		{ "huge gap", { 0x02, 5, 0, 1, 0, [5 ... 12] = 0xff, 0 }, 14, FRAME_ENCODING },
		{ "huge range", { 0x02, 5, 0, 1, 0, 0, [6 ... 13] = 0xff }, 14, FRAME_ENCODING },
		{ "huge first range", { 0x02, 5, 0, 0, [4 ... 11] = 0xff }, 12, FRAME_ENCODING },
	};
	static const u8 lowest[] = { 0x02, 5, 0, 1, 1, 1, 1 };
	struct quic_frame frame;
	size_t left;
	u64 code;

	expect_refused(test, bad, ARRAY_SIZE(bad));
	KUNIT_EXPECT_EQ(test, decode(test, lowest, sizeof(lowest), &frame, &code, &left), 0);
}

static void ack_range_count_past_the_end_is_refused(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "one more", { 0x02, 50, 0, 2, 0, 0, 0 }, 7, FRAME_ENCODING },
		{ "2^62 - 1", { 0x02, 50, 0, [3 ... 10] = 0xff, 0, 0, 0, 0, 0 }, 16, FRAME_ENCODING },
	};

	expect_refused(test, bad, ARRAY_SIZE(bad));
}

static void ack_of_the_largest_numbers_is_read(struct kunit *test)
{
	static const u8 all[] = { 0x02, [1 ... 16] = 0xff, 0, [18 ... 25] = 0xff };
	struct quic_frame frame;
	struct quic_ack_iter it;
	size_t left;
	u64 code;

	KUNIT_ASSERT_EQ(test, decode(test, all, sizeof(all), &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.ack.delay, QUIC_VARINT_MAX);
	quic_ack_iter_init(&it, &frame.ack);
	KUNIT_ASSERT_TRUE(test, quic_ack_iter_next(&it));
	KUNIT_EXPECT_EQ(test, it.range.first, 0);
	KUNIT_EXPECT_EQ(test, it.range.last, QUIC_PN_MAX);
	KUNIT_EXPECT_FALSE(test, quic_ack_iter_next(&it));
}

/* In every room an ACK holds as many ranges as fit, the highest first, and is always legal. */
static void ack_without_room_drops_its_lowest_ranges(struct kunit *test)
{
	struct quic_pn_range ranges[10];
	u32 i, size, last_count = 0;
	struct quic_frame frame;
	struct quic_ack_iter it;
	struct quic_reader r;
	struct quic_writer w;
	u8 buf[128];
	u64 code;

	for (i = 0; i < 10; i++) {
		ranges[i].first = 100000 - 1000 * i;
		ranges[i].last = ranges[i].first + 70;
	}
	for (size = 0; size < sizeof(buf); size++) {
		quic_writer_init(&w, buf, size);
		if (!quic_frame_encode_ack(&w, ranges, 10, 5, NULL)) {
			KUNIT_EXPECT_LT(test, size, 9);
			KUNIT_EXPECT_EQ(test, quic_writer_used(&w), 0);
			continue;
		}
		quic_reader_init(&r, buf, quic_writer_used(&w));
		KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
		KUNIT_EXPECT_EQ(test, quic_reader_left(&r), 0);
		KUNIT_EXPECT_GE(test, frame.ack.range_count, last_count);
		last_count = frame.ack.range_count;
		quic_ack_iter_init(&it, &frame.ack);
		for (i = 0; quic_ack_iter_next(&it); i++) {
			KUNIT_ASSERT_LT(test, i, 10);
			KUNIT_EXPECT_EQ(test, it.range.first, ranges[i].first);
			KUNIT_EXPECT_EQ(test, it.range.last, ranges[i].last);
		}
		KUNIT_EXPECT_EQ(test, i, last_count + 1);
	}
	KUNIT_EXPECT_EQ(test, last_count, 9);
}

static struct kunit_case frame_ack_cases[] = {
	KUNIT_CASE(ack_ranges_are_walked_downwards),
	KUNIT_CASE(ack_range_below_zero_is_refused),
	KUNIT_CASE(ack_range_count_past_the_end_is_refused),
	KUNIT_CASE(ack_of_the_largest_numbers_is_read),
	KUNIT_CASE(ack_without_room_drops_its_lowest_ranges),
	{}
};

static struct kunit_suite frame_ack_suite = {
	.name = "quic_frame_ack",
	.test_cases = frame_ack_cases,
};

kunit_test_suite(frame_ack_suite);
