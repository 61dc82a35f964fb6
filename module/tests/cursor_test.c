// SPDX-License-Identifier: GPL-2.0-or-later
/* Bounded reading and writing, variable-length integers. RFC 9000, section 16. */
#include "../core/cursor.h"
#include "quic_test.h"

struct varint_case {
	u8 bytes[8];
	u8 size;
	u64 value;
};

/* RFC 9000, appendix A.1, and the edges of each length. */
static const struct varint_case varints[] = {
	{ { 0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c }, 8, 151288809941952652ULL },
	{ { 0x9d, 0x7f, 0x3e, 0x7d }, 4, 494878333 },
	{ { 0x7b, 0xbd }, 2, 15293 },
	{ { 0x25 }, 1, 37 },
	{ { 0x00 }, 1, 0 },
	{ { 0x3f }, 1, 63 },
	{ { 0x40, 0x40 }, 2, 64 },
	{ { 0x7f, 0xff }, 2, 16383 },
	{ { 0x80, 0x00, 0x40, 0x00 }, 4, 16384 },
	{ { 0xbf, 0xff, 0xff, 0xff }, 4, (1 << 30) - 1 },
	{ { 0xc0, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00 }, 8, 1 << 30 },
	{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 8, QUIC_VARINT_MAX },
};

static void varint_is_read(struct kunit *test)
{
	struct quic_reader r;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(varints); i++) {
		quic_reader_init(&r, varints[i].bytes, varints[i].size);
		KUNIT_EXPECT_EQ(test, quic_read_varint(&r), varints[i].value);
		KUNIT_EXPECT_FALSE(test, r.failed);
		KUNIT_EXPECT_EQ(test, quic_reader_left(&r), 0);
	}
}

static void varint_is_got_and_put_unchecked(struct kunit *test)
{
	u8 buf[8];
	u64 value;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(varints); i++) {
		/* What lies behind the number does not matter. */
		memset(buf, 0xee, sizeof(buf));
		memcpy(buf, varints[i].bytes, varints[i].size);
		KUNIT_EXPECT_PTR_EQ(test, quic_varint_get(buf, &value),
				    (const u8 *)buf + varints[i].size);
		KUNIT_EXPECT_EQ(test, value, varints[i].value);

		memset(buf, 0xee, sizeof(buf));
		KUNIT_EXPECT_PTR_EQ(test, quic_varint_put(buf, value, varints[i].size),
				    buf + varints[i].size);
		KUNIT_EXPECT_MEMEQ(test, buf, varints[i].bytes, varints[i].size);
		KUNIT_EXPECT_NULL(test, memchr_inv(buf + varints[i].size, 0xee,
						   sizeof(buf) - varints[i].size));
	}
}

static void varint_need_not_be_shortest(struct kunit *test)
{
	static const u8 bytes[] = { 0x40, 0x25, 0x80, 0x00, 0x00, 0x25,
				    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x25 };
	struct quic_reader r;
	int i;

	quic_reader_init(&r, bytes, sizeof(bytes));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, quic_read_varint(&r), 37);
	KUNIT_EXPECT_FALSE(test, r.failed);
	KUNIT_EXPECT_EQ(test, quic_reader_left(&r), 0);
}

static void varint_cut_anywhere_fails(struct kunit *test)
{
	struct quic_reader r;
	u32 i, len;

	for (i = 0; i < ARRAY_SIZE(varints); i++) {
		for (len = 0; len < varints[i].size; len++) {
			quic_reader_init(&r, varints[i].bytes, len);
			KUNIT_EXPECT_EQ(test, quic_read_varint(&r), 0);
			KUNIT_EXPECT_TRUE(test, r.failed);
		}
	}
}

static void varint_is_written_in_shortest_form(struct kunit *test)
{
	struct quic_writer w;
	u8 buf[8];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(varints); i++) {
		KUNIT_EXPECT_EQ(test, quic_varint_size(varints[i].value), varints[i].size);
		quic_writer_init(&w, buf, sizeof(buf));
		quic_write_varint(&w, varints[i].value);
		KUNIT_EXPECT_FALSE(test, w.failed);
		KUNIT_ASSERT_EQ(test, quic_writer_used(&w), varints[i].size);
		KUNIT_EXPECT_MEMEQ(test, buf, varints[i].bytes, varints[i].size);
	}
}

static void varint_without_room_writes_nothing(struct kunit *test)
{
	struct quic_writer w;
	u8 buf[8], size;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(varints); i++) {
		size = varints[i].size;
		memset(buf, 0xee, sizeof(buf));
		quic_writer_init(&w, buf, size - 1);
		quic_write_varint(&w, varints[i].value);
		KUNIT_EXPECT_TRUE(test, w.failed);
		KUNIT_EXPECT_EQ(test, quic_writer_used(&w), 0);
		KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0xee, sizeof(buf)));
	}
}

static void varint_too_large_fails(struct kunit *test)
{
	struct quic_writer w;
	u8 buf[16];

	quic_writer_init(&w, buf, sizeof(buf));
	quic_write_varint(&w, QUIC_VARINT_MAX + 1);
	KUNIT_EXPECT_TRUE(test, w.failed);
	KUNIT_EXPECT_EQ(test, quic_writer_used(&w), 0);
}

static void varint_of_given_size_is_padded(struct kunit *test)
{
	static const u8 expect[] = { 0x25, 0x40, 0x25, 0x80, 0x00, 0x00, 0x25,
				     0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x25 };
	struct quic_writer w;
	u8 buf[32], size;

	quic_writer_init(&w, buf, sizeof(buf));
	for (size = 1; size <= 8; size *= 2)
		quic_write_varint_sized(&w, 37, size);
	KUNIT_EXPECT_FALSE(test, w.failed);
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), sizeof(expect));
	KUNIT_EXPECT_MEMEQ(test, buf, expect, sizeof(expect));
}

static void varint_too_large_for_given_size_fails(struct kunit *test)
{
	static const u64 first_too_large[] = { 1 << 6, 1 << 14, 1 << 30 };
	struct quic_writer w;
	u8 buf[8];
	int i;

	for (i = 0; i < 3; i++) {
		quic_writer_init(&w, buf, sizeof(buf));
		quic_write_varint_sized(&w, first_too_large[i], 1 << i);
		KUNIT_EXPECT_TRUE(test, w.failed);
		KUNIT_EXPECT_EQ(test, quic_writer_used(&w), 0);
	}
}

static void fixed_integers_are_in_network_order(struct kunit *test)
{
	static const u8 bytes[] = { 0xf1, 0x12, 0xe3, 0xd4, 0xc5, 0xb6, 0xa7 };
	struct quic_reader r;
	struct quic_writer w;
	u8 buf[7];

	quic_reader_init(&r, bytes, sizeof(bytes));
	KUNIT_EXPECT_EQ(test, quic_read_u8(&r), 0xf1);
	KUNIT_EXPECT_EQ(test, quic_read_u16(&r), 0x12e3);
	KUNIT_EXPECT_EQ(test, quic_read_u32(&r), 0xd4c5b6a7);
	KUNIT_EXPECT_FALSE(test, r.failed);

	quic_writer_init(&w, buf, sizeof(buf));
	quic_write_u8(&w, 0xf1);
	quic_write_u16(&w, 0x12e3);
	quic_write_u32(&w, 0xd4c5b6a7);
	KUNIT_EXPECT_FALSE(test, w.failed);
	KUNIT_EXPECT_EQ(test, quic_writer_left(&w), 0);
	KUNIT_EXPECT_MEMEQ(test, buf, bytes, sizeof(bytes));
}

static void read_error_sticks(struct kunit *test)
{
	static const u8 bytes[] = { 1, 2, 3 };
	struct quic_reader r;

	quic_reader_init(&r, bytes, sizeof(bytes));
	KUNIT_EXPECT_EQ(test, quic_read_u32(&r), 0);
	KUNIT_EXPECT_TRUE(test, r.failed);
	KUNIT_EXPECT_EQ(test, quic_read_u8(&r), 0);
	KUNIT_EXPECT_EQ(test, quic_read_u16(&r), 0);
	KUNIT_EXPECT_EQ(test, quic_read_varint(&r), 0);
	KUNIT_EXPECT_NULL(test, quic_read_bytes(&r, 0));
	KUNIT_EXPECT_TRUE(test, r.failed);
}

static void write_error_sticks(struct kunit *test)
{
	struct quic_writer w;
	u8 buf[3];

	memset(buf, 0xee, sizeof(buf));
	quic_writer_init(&w, buf, sizeof(buf));
	quic_write_u32(&w, 1);
	quic_write_u8(&w, 1);
	quic_write_u16(&w, 1);
	quic_write_varint(&w, 1);
	quic_write_bytes(&w, "x", 1);
	quic_write_zeroes(&w, 1);
	KUNIT_EXPECT_NULL(test, quic_write_reserve(&w, 0));
	KUNIT_EXPECT_TRUE(test, w.failed);
	KUNIT_EXPECT_EQ(test, quic_writer_used(&w), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0xee, sizeof(buf)));
}

static void bytes_are_read_where_they_lie(struct kunit *test)
{
	static const u8 bytes[] = { 1, 2, 3 };
	struct quic_reader r;

	quic_reader_init(&r, bytes, sizeof(bytes));
	KUNIT_EXPECT_PTR_EQ(test, quic_read_bytes(&r, 2), &bytes[0]);
	KUNIT_EXPECT_PTR_EQ(test, quic_read_bytes(&r, 0), bytes + 2);
	KUNIT_EXPECT_PTR_EQ(test, quic_read_bytes(&r, 1), bytes + 2);
	KUNIT_EXPECT_FALSE(test, r.failed);
}

static void huge_length_does_not_wrap(struct kunit *test)
{
	static const u8 bytes[] = { 1, 2, 3 };
	struct quic_reader r;

	quic_reader_init(&r, bytes, sizeof(bytes));
	KUNIT_EXPECT_NULL(test, quic_read_bytes(&r, U64_MAX));
	quic_reader_init(&r, bytes, sizeof(bytes));
	KUNIT_EXPECT_NULL(test, quic_read_bytes(&r, QUIC_VARINT_MAX));
	quic_reader_init(&r, bytes, sizeof(bytes));
	KUNIT_EXPECT_NULL(test, quic_read_bytes(&r, (1ULL << 32) + 1));
	KUNIT_EXPECT_TRUE(test, r.failed);
}

static void bytes_and_zeroes_are_written(struct kunit *test)
{
	static const u8 expect[] = { 'a', 'b', 0, 0, 0, 7 };
	struct quic_writer w;
	u8 buf[6], *room;

	memset(buf, 0xee, sizeof(buf));
	quic_writer_init(&w, buf, sizeof(buf));
	quic_write_bytes(&w, "ab", 2);
	quic_write_bytes(&w, NULL, 0);
	quic_write_zeroes(&w, 3);
	room = quic_write_reserve(&w, 1);
	KUNIT_ASSERT_PTR_EQ(test, room, buf + 5);
	*room = 7;
	KUNIT_EXPECT_FALSE(test, w.failed);
	KUNIT_EXPECT_EQ(test, quic_writer_left(&w), 0);
	KUNIT_EXPECT_MEMEQ(test, buf, expect, sizeof(expect));
}

static struct kunit_case cursor_cases[] = {
	KUNIT_CASE(varint_is_read),
	KUNIT_CASE(varint_is_got_and_put_unchecked),
	KUNIT_CASE(varint_need_not_be_shortest),
	KUNIT_CASE(varint_cut_anywhere_fails),
	KUNIT_CASE(varint_is_written_in_shortest_form),
	KUNIT_CASE(varint_without_room_writes_nothing),
	KUNIT_CASE(varint_too_large_fails),
	KUNIT_CASE(varint_of_given_size_is_padded),
	KUNIT_CASE(varint_too_large_for_given_size_fails),
	KUNIT_CASE(fixed_integers_are_in_network_order),
	KUNIT_CASE(read_error_sticks),
	KUNIT_CASE(write_error_sticks),
	KUNIT_CASE(bytes_are_read_where_they_lie),
	KUNIT_CASE(huge_length_does_not_wrap),
	KUNIT_CASE(bytes_and_zeroes_are_written),
	{}
};

static struct kunit_suite cursor_suite = {
	.name = "quic_cursor",
	.test_cases = cursor_cases,
};

kunit_test_suite(cursor_suite);
