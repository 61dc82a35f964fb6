// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames on the wire. RFC 9000, sections 12.4 and 19; RFC 9221, section 4. */
#include "frame_decode.h"

static void padding_is_one_frame(struct kunit *test)
{
	static const u8 bytes[] = { 0, 0, 0, 0, 0, 1 };
	struct quic_frame frame;
	size_t left;
	u64 code;

	KUNIT_ASSERT_EQ(test, decode(test, bytes, sizeof(bytes), &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.type, QUIC_FRAME_PADDING);
	KUNIT_EXPECT_EQ(test, frame.padding_len, 5);
	KUNIT_EXPECT_EQ(test, left, 1);
	KUNIT_ASSERT_EQ(test, decode(test, bytes, 5, &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.padding_len, 5);
	KUNIT_EXPECT_EQ(test, left, 0);
}

/* Encodes STREAM and CRYPTO headers into the room they say they need, and one byte less. */
static void check_overhead(struct kunit *test, u8 *buf, u64 id, u64 offset, u32 len)
{
	u8 need = quic_frame_stream_overhead(id, offset, len);
	struct quic_frame frame;
	struct quic_reader r;
	struct quic_writer w;
	u64 code;

	quic_writer_init(&w, buf, need + len - 1);
	KUNIT_ASSERT_FALSE(test, quic_frame_encode_stream(&w, id, offset, len, false));
	quic_writer_init(&w, buf, need + len);
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_stream(&w, id, offset, len, false));
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), need);
	quic_reader_init(&r, buf, need + len);
	KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
	KUNIT_ASSERT_EQ(test, frame.type, QUIC_FRAME_STREAM);
	KUNIT_ASSERT_EQ(test, frame.data.stream_id, id);
	KUNIT_ASSERT_EQ(test, frame.data.offset, offset);
	KUNIT_ASSERT_EQ(test, frame.data.len, len);

	need = quic_frame_crypto_overhead(offset, len);
	quic_writer_init(&w, buf, need + len - 1);
	KUNIT_ASSERT_FALSE(test, quic_frame_encode_crypto(&w, offset, len));
	quic_writer_init(&w, buf, need + len);
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_crypto(&w, offset, len));
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), need);
	quic_reader_init(&r, buf, need + len);
	KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
	KUNIT_ASSERT_EQ(test, frame.type, QUIC_FRAME_CRYPTO);
	KUNIT_ASSERT_EQ(test, frame.data.offset, offset);
	KUNIT_ASSERT_EQ(test, frame.data.len, len);
	KUNIT_ASSERT_FALSE(test, frame.data.fin);
}

static void overhead_is_exact(struct kunit *test)
{
	static const u64 numbers[] = { 0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30,
				       QUIC_VARINT_MAX - 70000 };
	static const u32 lens[] = { 0, 1, 63, 64, 16383, 16384, 65535 };
	u8 *buf = kunit_kmalloc(test, 65600, GFP_KERNEL);
	u32 id, offset, len;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (id = 0; id < ARRAY_SIZE(numbers); id++)
		for (offset = 0; offset < ARRAY_SIZE(numbers); offset++)
			for (len = 0; len < ARRAY_SIZE(lens); len++)
				check_overhead(test, buf, numbers[id], numbers[offset], lens[len]);
}

/* A header of the largest numbers, with data behind it, cut inside the data and before. */
static void long_stream_frame_cut_anywhere_is_refused(struct kunit *test)
{
	struct quic_frame frame;
	struct quic_writer w;
	u8 bytes[100] = {};
	u32 len, need;
	size_t left;
	u64 code;

	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_stream(&w, QUIC_VARINT_MAX, 1ULL << 61, 70,
							 true));
	need = quic_writer_used(&w) + 70;
	for (len = 0; len < need; len++) {
		KUNIT_EXPECT_EQ(test, decode(test, bytes, len, &frame, &code, &left), -EPROTO);
		KUNIT_EXPECT_EQ(test, code, FRAME_ENCODING);
	}
	for (; len <= sizeof(bytes); len++) {
		KUNIT_ASSERT_EQ(test, decode(test, bytes, len, &frame, &code, &left), 0);
		KUNIT_EXPECT_EQ(test, left, len - need);
		KUNIT_EXPECT_EQ(test, frame.data.stream_id, QUIC_VARINT_MAX);
		KUNIT_EXPECT_EQ(test, frame.data.offset, 1ULL << 61);
		KUNIT_EXPECT_EQ(test, frame.data.len, 70);
	}
	/* Without a length the data reaches to the end. */
	bytes[0] &= ~QUIC_FRAME_STREAM_LEN;
	KUNIT_ASSERT_EQ(test, decode(test, bytes, 50, &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.data.len, 50 - 17);
	KUNIT_EXPECT_EQ(test, left, 0);
}

/* What conn_send.c does to fill a packet: room less the overhead for all of the room. */
static void room_less_overhead_always_fits(struct kunit *test)
{
	struct quic_writer w;
	u8 buf[200], need;
	u32 room;

	for (room = 12; room < sizeof(buf); room++) {
		need = quic_frame_stream_overhead(70, 1 << 20, room);
		quic_writer_init(&w, buf, room);
		KUNIT_EXPECT_TRUE(test, quic_frame_encode_stream(&w, 70, 1 << 20, room - need,
								 true));
	}
}

/* RFC 9000, sections 19.6 and 19.8: nothing lies beyond 2^62 - 1. */
static void data_beyond_the_last_offset_is_refused(struct kunit *test)
{
	static const u8 stream_ok[] = { 0x0e, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
					1, 'x' };
	static const struct bad_frame bad[] = {
		{ "stream", { 0x0e, 4, [2 ... 9] = 0xff, 1, 'x' }, 12, FRAME_ENCODING },
		{ "stream to the end", { 0x0c, 4, [2 ... 9] = 0xff, 'x' }, 11, FRAME_ENCODING },
		{ "crypto", { 0x06, [1 ... 8] = 0xff, 1, 'x' }, 11, FRAME_ENCODING },
	};
	struct quic_frame frame;
	struct quic_writer w;
	u8 bytes[64] = {};
	size_t left;
	u64 code;

	expect_refused(test, bad, ARRAY_SIZE(bad));
	KUNIT_EXPECT_EQ(test, decode(test, stream_ok, sizeof(stream_ok), &frame, &code, &left), 0);

	/* The same far from the end of the packet. */
	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_stream(&w, 4, QUIC_VARINT_MAX - 29, 30, false));
	KUNIT_EXPECT_EQ(test, decode(test, bytes, sizeof(bytes), &frame, &code, &left), -EPROTO);
	KUNIT_EXPECT_EQ(test, code, FRAME_ENCODING);
	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_TRUE(test, quic_frame_encode_stream(&w, 4, QUIC_VARINT_MAX - 30, 30, false));
	KUNIT_EXPECT_EQ(test, decode(test, bytes, sizeof(bytes), &frame, &code, &left), 0);
}

static void length_past_the_end_is_refused(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "stream", { 0x0a, 4, 5, 'd', 'a', 't', 'a' }, 7, FRAME_ENCODING },
		{ "stream, huge", { 0x0a, 4, [2 ... 9] = 0xff, 'd' }, 11, FRAME_ENCODING },
		{ "stream, 2^32", { 0x0a, 4, 0xc0, 0, 0, 1, 0, 0, 0, 0, 'd' }, 11, FRAME_ENCODING },
		{ "crypto", { 0x06, 0, 5, 'd', 'a', 't', 'a' }, 7, FRAME_ENCODING },
		{ "crypto, 2^32", { 0x06, 0, 0xc0, 0, 0, 1, 0, 0, 0, 1, 'd' }, 11, FRAME_ENCODING },
		{ "token", { 0x07, 5, 't', 'o', 'k', 'e' }, 6, FRAME_ENCODING },
		{ "token, 2^32", { 0x07, 0xc0, 0, 0, 1, 0, 0, 0, 1, 't' }, 10, FRAME_ENCODING },
		{ "reason", { 0x1c, 1, 0, 4, 'w', 'h', 'y' }, 7, FRAME_ENCODING },
		{ "reason, app", { 0x1d, 1, [2 ... 9] = 0xff, 'w', 'h', 'y' }, 13, FRAME_ENCODING },
		{ "datagram", { 0x31, 3, 'a', 'b' }, 4, FRAME_ENCODING },
	};

	expect_refused(test, bad, ARRAY_SIZE(bad));
}

/* RFC 9000, section 12.4. */
static void unknown_type_is_refused(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "first unused", { 0x1f, 0, 0, 0 }, 4, FRAME_ENCODING },
		{ "below DATAGRAM", { 0x2f, 0, 0, 0 }, 4, FRAME_ENCODING },
		{ "above DATAGRAM", { 0x32, 0, 0, 0 }, 4, FRAME_ENCODING },
		{ "last of one byte", { 0x3f, 0, 0, 0 }, 4, FRAME_ENCODING },
		{ "two bytes", { 0x40, 0x40, 0, 0 }, 4, FRAME_ENCODING },
		{ "eight bytes", { [0 ... 7] = 0xff }, 8, FRAME_ENCODING },
	};

	expect_refused(test, bad, ARRAY_SIZE(bad));
}

/* RFC 9000, section 12.4: a type in more bytes than it needs may be a PROTOCOL_VIOLATION. */
static void overlong_type_is_a_violation(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "PING in 2", { 0x40, 0x01 }, 2, PROTOCOL_VIOLATION },
		{ "PADDING in 2", { 0x40, 0x00 }, 2, PROTOCOL_VIOLATION },
		{ "PING in 4", { 0x80, 0, 0, 0x01 }, 4, PROTOCOL_VIOLATION },
		{ "PING in 8", { 0xc0, 0, 0, 0, 0, 0, 0, 0x01 }, 8, PROTOCOL_VIOLATION },
		{ "STREAM in 2", { 0x40, 0x0a, 4, 1, 'x' }, 5, PROTOCOL_VIOLATION },
		{ "unknown in 4", { 0x80, 0, 0x00, 0x70 }, 4, PROTOCOL_VIOLATION },
		{ "cut, so not even a type", { 0x40 }, 1, FRAME_ENCODING },
		{ "cut in 8", { 0xc0, 0, 0, 0, 0, 0, 0 }, 7, FRAME_ENCODING },
	};

	expect_refused(test, bad, ARRAY_SIZE(bad));
}

static void type_is_known_after_an_error(struct kunit *test)
{
	static const u8 cut[] = { QUIC_FRAME_MAX_STREAM_DATA, 4 };
	struct quic_frame frame;
	size_t left;
	u64 code;

	KUNIT_EXPECT_EQ(test, decode(test, cut, sizeof(cut), &frame, &code, &left), -EPROTO);
	KUNIT_EXPECT_EQ(test, frame.type, QUIC_FRAME_MAX_STREAM_DATA);
	KUNIT_EXPECT_EQ(test, decode(test, cut, 0, &frame, &code, &left), -EPROTO);
	KUNIT_EXPECT_EQ(test, frame.type, 0);
}

/* RFC 9000, section 4.6 with sections 19.11 and 19.14. */
static void stream_count_above_2_60_is_refused(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "MAX_STREAMS bidi", { 0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1 }, 9, FRAME_ENCODING },
		{ "MAX_STREAMS uni", { 0x13, 0xd0, 0, 0, 0, 0, 0, 0, 1 }, 9, FRAME_ENCODING },
		{ "STREAMS_BLOCKED bidi", { 0x16, 0xd0, 0, 0, 0, 0, 0, 0, 1 }, 9, FRAME_ENCODING },
		{ "STREAMS_BLOCKED uni", { 0x17, 0xd0, 0, 0, 0, 0, 0, 0, 1 }, 9, FRAME_ENCODING },
	};

	expect_refused(test, bad, ARRAY_SIZE(bad));
}

/* RFC 9000, section 19.7. */
static void empty_new_token_is_refused(struct kunit *test)
{
	static const struct bad_frame bad[] = {
		{ "empty", { 0x07, 0 }, 2, FRAME_ENCODING },
		{ "empty, more behind", { 0x07, 0, 1, 1 }, 4, FRAME_ENCODING },
	};

	expect_refused(test, bad, ARRAY_SIZE(bad));
}

/* RFC 9000, section 19.15. */
static void new_connection_id_is_checked(struct kunit *test)
{
	u8 bytes[64] = { QUIC_FRAME_NEW_CONNECTION_ID, 5, 5 };
	struct quic_frame frame;
	size_t left;
	u64 code;
	u32 len;

	for (len = 0; len < 256; len++) {
		bool legal = len >= 1 && len <= 20;

		bytes[3] = len;
		KUNIT_EXPECT_EQ_MSG(test, decode(test, bytes, sizeof(bytes), &frame, &code, &left),
				    legal ? 0 : -EPROTO, "length %u", len);
		if (!legal) {
			KUNIT_EXPECT_EQ(test, code, FRAME_ENCODING);
			continue;
		}
		KUNIT_EXPECT_EQ(test, frame.new_cid.cid.len, len);
		KUNIT_EXPECT_EQ(test, left, sizeof(bytes) - 4 - len - QUIC_STATELESS_TOKEN_LEN);
	}
	bytes[3] = 8;
	bytes[2] = 6;
	KUNIT_EXPECT_EQ(test, decode(test, bytes, sizeof(bytes), &frame, &code, &left), -EPROTO);
	KUNIT_EXPECT_EQ(test, code, FRAME_ENCODING);
}

/* RFC 9221, section 4. */
static void datagram_is_read_with_and_without_length(struct kunit *test)
{
	static const u8 with[] = { 0x31, 2, 'a', 'b', 0x01 };
	static const u8 without[] = { 0x30, 'a', 'b', 'c' };
	struct quic_frame frame;
	size_t left;
	u64 code;

	KUNIT_ASSERT_EQ(test, decode(test, with, sizeof(with), &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.data.len, 2);
	KUNIT_EXPECT_EQ(test, left, 1);
	KUNIT_ASSERT_EQ(test, decode(test, without, sizeof(without), &frame, &code, &left), 0);
	KUNIT_ASSERT_EQ(test, frame.data.len, 3);
	KUNIT_EXPECT_MEMEQ(test, frame.data.data, "abc", 3);
	/* An empty one is legal. */
	KUNIT_ASSERT_EQ(test, decode(test, without, 1, &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.data.len, 0);
}

struct rule {
	u64 type;
	const char *packets;	/* as in the RFC's table */
	bool eliciting;
	bool in_flight;
	bool probing;
};

/* RFC 9000, table 3 and section 12.5; RFC 9221, section 4. */
static const struct rule rules[] = {
	{ QUIC_FRAME_PADDING, "IH01", false, true, true },
	{ QUIC_FRAME_PING, "IH01", true, true, false },
	{ QUIC_FRAME_ACK, "IH_1", false, false, false },
	{ QUIC_FRAME_ACK_ECN, "IH_1", false, false, false },
	{ QUIC_FRAME_RESET_STREAM, "__01", true, true, false },
	{ QUIC_FRAME_STOP_SENDING, "__01", true, true, false },
	{ QUIC_FRAME_CRYPTO, "IH_1", true, true, false },
	{ QUIC_FRAME_NEW_TOKEN, "___1", true, true, false },
	{ QUIC_FRAME_STREAM, "__01", true, true, false },
	{ QUIC_FRAME_STREAM + 1, "__01", true, true, false },
	{ QUIC_FRAME_STREAM + 7, "__01", true, true, false },
	{ QUIC_FRAME_MAX_DATA, "__01", true, true, false },
	{ QUIC_FRAME_MAX_STREAM_DATA, "__01", true, true, false },
	{ QUIC_FRAME_MAX_STREAMS_BIDI, "__01", true, true, false },
	{ QUIC_FRAME_MAX_STREAMS_UNI, "__01", true, true, false },
	{ QUIC_FRAME_DATA_BLOCKED, "__01", true, true, false },
	{ QUIC_FRAME_STREAM_DATA_BLOCKED, "__01", true, true, false },
	{ QUIC_FRAME_STREAMS_BLOCKED_BIDI, "__01", true, true, false },
	{ QUIC_FRAME_STREAMS_BLOCKED_UNI, "__01", true, true, false },
	{ QUIC_FRAME_NEW_CONNECTION_ID, "__01", true, true, true },
	{ QUIC_FRAME_RETIRE_CONNECTION_ID, "___1", true, true, false },
	{ QUIC_FRAME_PATH_CHALLENGE, "__01", true, true, true },
	{ QUIC_FRAME_PATH_RESPONSE, "___1", true, true, true },
	{ QUIC_FRAME_CONNECTION_CLOSE, "IH01", false, true, false },
	{ QUIC_FRAME_CONNECTION_CLOSE_APP, "__01", false, true, false },
	{ QUIC_FRAME_HANDSHAKE_DONE, "___1", true, true, false },
	{ QUIC_FRAME_DATAGRAM, "__01", true, true, false },
	{ QUIC_FRAME_DATAGRAM_LEN, "__01", true, true, false },
	{ 0x1f, "____", true, true, false },
	{ 0x2f, "____", true, true, false },
	{ 0x32, "____", true, true, false },
	{ QUIC_VARINT_MAX, "____", true, true, false },
};

static void rules_are_those_of_the_table(struct kunit *test)
{
	static const enum quic_packet_type packets[] = {
		QUIC_PACKET_INITIAL, QUIC_PACKET_HANDSHAKE, QUIC_PACKET_0RTT, QUIC_PACKET_SHORT,
	};
	u32 i, j;
	u8 bits;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		for (j = 0; j < 4; j++)
			KUNIT_EXPECT_EQ_MSG(test, quic_frame_is_allowed(rules[i].type, packets[j]),
					    rules[i].packets[j] != '_', "type %llx",
					    (unsigned long long)rules[i].type);
		bits = quic_frame_rules(rules[i].type);
		KUNIT_EXPECT_EQ(test, !(bits & QUIC_FRAME_NOT_ELICITING), rules[i].eliciting);
		KUNIT_EXPECT_EQ(test, !(bits & QUIC_FRAME_NOT_IN_FLIGHT), rules[i].in_flight);
		KUNIT_EXPECT_EQ(test, !!(bits & QUIC_FRAME_PROBING), rules[i].probing);
		KUNIT_EXPECT_FALSE(test, quic_frame_is_allowed(rules[i].type, QUIC_PACKET_RETRY));
		KUNIT_EXPECT_FALSE(test, quic_frame_is_allowed(rules[i].type,
							       QUIC_PACKET_UNKNOWN_VERSION));
	}
}

/* Whatever comes: no read past the end (the sanitizer sees it), progress, a code on errors. */
static void noise_is_read_or_refused(struct kunit *test)
{
	u8 *buf = kunit_kmalloc(test, 64, GFP_KERNEL);
	struct quic_frame frame;
	struct quic_ack_iter it;
	struct quic_reader r;
	const u8 *before;
	u64 seed = 7, code;
	u32 i, j, len, n;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < 50000; i++) {
		len = 1 + quic_test_below(&seed, 64);
		for (j = 0; j < len; j++)
			buf[64 - len + j] = quic_test_rand(&seed);
		buf[64 - len] &= 0x3f;
		/* Most varints short, so that more than the first field is reached. */
		for (j = 1; j < len; j++)
			if (quic_test_below(&seed, 4))
				buf[64 - len + j] &= 0x0f;

		quic_reader_init(&r, buf + 64 - len, len);
		while (quic_reader_left(&r)) {
			before = r.pos;
			code = 0;
			if (quic_frame_decode(&r, &frame, &code)) {
				KUNIT_ASSERT_NE(test, code, 0);
				break;
			}
			KUNIT_ASSERT_TRUE(test, r.pos > before);
			if (frame.type != QUIC_FRAME_ACK && frame.type != QUIC_FRAME_ACK_ECN)
				continue;
			quic_ack_iter_init(&it, &frame.ack);
			for (n = 0; quic_ack_iter_next(&it); n++)
				KUNIT_ASSERT_LE(test, it.range.first, it.range.last);
			KUNIT_ASSERT_EQ(test, n, frame.ack.range_count + 1);
		}
	}
}

static struct kunit_case frame_cases[] = {
	KUNIT_CASE(padding_is_one_frame),
	KUNIT_CASE(overhead_is_exact),
	KUNIT_CASE(long_stream_frame_cut_anywhere_is_refused),
	KUNIT_CASE(room_less_overhead_always_fits),
	KUNIT_CASE(data_beyond_the_last_offset_is_refused),
	KUNIT_CASE(length_past_the_end_is_refused),
	KUNIT_CASE(unknown_type_is_refused),
	KUNIT_CASE(overlong_type_is_a_violation),
	KUNIT_CASE(type_is_known_after_an_error),
	KUNIT_CASE(stream_count_above_2_60_is_refused),
	KUNIT_CASE(empty_new_token_is_refused),
	KUNIT_CASE(new_connection_id_is_checked),
	KUNIT_CASE(datagram_is_read_with_and_without_length),
	KUNIT_CASE(rules_are_those_of_the_table),
	KUNIT_CASE(noise_is_read_or_refused),
	{}
};

static struct kunit_suite frame_suite = {
	.name = "quic_frame",
	.test_cases = frame_cases,
};

kunit_test_suite(frame_suite);
