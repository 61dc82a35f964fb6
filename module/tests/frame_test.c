// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames on the wire. RFC 9000, sections 12.4 and 19; RFC 9221, section 4. */
#include <uapi/linux/quic.h>

#include "../core/frame.h"
#include "quic_test.h"

#define FRAME_ENCODING		QUIC_TRANSPORT_ERROR_FRAME_ENCODING
#define PROTOCOL_VIOLATION	QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION

static const u8 token[QUIC_STATELESS_TOKEN_LEN] = "0123456789abcde";
static const struct quic_cid cid = { 8, { 1, 2, 3, 4, 5, 6, 7, 8 } };

/* Decodes a copy of @data that ends where its memory ends. */
static int decode(struct kunit *test, const void *data, size_t len, struct quic_frame *frame,
		  u64 *code, size_t *left)
{
	u8 *copy = kunit_kmalloc(test, len ? len : 1, GFP_KERNEL);
	struct quic_reader r;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, data, len);
	memset(frame, 0xaa, sizeof(*frame));
	*code = 0;
	quic_reader_init(&r, copy, len);
	err = quic_frame_decode(&r, frame, code);
	*left = quic_reader_left(&r);
	return err;
}

struct bad_frame {
	const char *what;
	u8 bytes[32];
	u8 len;
	u8 code;
};

static void expect_refused(struct kunit *test, const struct bad_frame *bad, u32 n)
{
	struct quic_frame frame;
	size_t left;
	u64 code;
	int err;
	u32 i;

	for (i = 0; i < n; i++) {
		err = decode(test, bad[i].bytes, bad[i].len, &frame, &code, &left);
		KUNIT_EXPECT_EQ_MSG(test, err, -EPROTO, "%s", bad[i].what);
		KUNIT_EXPECT_EQ_MSG(test, code, bad[i].code, "%s", bad[i].what);
	}
}

/* One frame of each type as our encoders write it; what encoders never write is given as bytes. */
#define NR_SAMPLES	34

struct sample {
	u64 type;
	bool to_the_end;	/* its data reaches to the end of the packet: most cuts are legal */
	u8 fixed;		/* bytes in front of such data */
	u32 len;
	u8 bytes[64];
};

static void sample_bytes(struct sample *s, u64 type, const void *bytes, u32 len)
{
	s->type = type;
	s->len = len;
	memcpy(s->bytes, bytes, len);
}

/* Fills in sample @i. */
static void make_sample(struct kunit *test, u32 i, struct sample *s)
{
	static const u64 ecn[3] = { 100, 20000, 3 };
	static const struct quic_pn_range ranges[] = { { 990, 1000 }, { 500, 900 }, { 3, 3 } };
	static const struct quic_frame_close close = {
		.code = 0x150, .frame_type = 6, .reason = (const u8 *)"why", .reason_len = 3,
	};
	static const struct quic_frame_close app_close = {
		.code = 99999, .reason = (const u8 *)"bye", .reason_len = 3, .app = true,
	};
	struct quic_writer w;
	bool ok = true;

	memset(s, 0, sizeof(*s));
	quic_writer_init(&w, s->bytes, sizeof(s->bytes));
	switch (i) {
	case 0:
		sample_bytes(s, QUIC_FRAME_PADDING, "\0", 1);
		return;
	case 1:
		s->type = QUIC_FRAME_PING;
		ok = quic_frame_encode_type(&w, s->type);
		break;
	case 2:
		s->type = QUIC_FRAME_ACK;
		ok = quic_frame_encode_ack(&w, ranges, 3, 77, NULL);
		break;
	case 3:
		s->type = QUIC_FRAME_ACK_ECN;
		ok = quic_frame_encode_ack(&w, ranges, 3, 77, ecn);
		break;
	case 4:
		s->type = QUIC_FRAME_RESET_STREAM;
		ok = quic_frame_encode_reset_stream(&w, 4, 70, 100000);
		break;
	case 5:
		s->type = QUIC_FRAME_STOP_SENDING;
		ok = quic_frame_encode_stop_sending(&w, 400, 70);
		break;
	case 6:
		s->type = QUIC_FRAME_CRYPTO;
		ok = quic_frame_encode_crypto(&w, 1000, 5);
		quic_write_bytes(&w, "hello", 5);
		break;
	case 7:
		s->type = QUIC_FRAME_NEW_TOKEN;
		ok = quic_frame_encode_new_token(&w, (const u8 *)"token", 5);
		break;
	/* STREAM, all eight forms: bit 2 offset, bit 1 length, bit 0 FIN */
	case 8:
	case 9:
		s->bytes[0] = i;
		memcpy(s->bytes + 1, "\4data", 5);
		s->len = 6;
		s->fixed = 2;
		s->to_the_end = true;
		s->type = QUIC_FRAME_STREAM;
		return;
	case 10:
	case 11:
		s->type = QUIC_FRAME_STREAM;
		ok = quic_frame_encode_stream(&w, 4, 0, 4, i & 1);
		quic_write_bytes(&w, "data", 4);
		break;
	case 12:
	case 13:
		s->bytes[0] = i;
		memcpy(s->bytes + 1, "\4\101\0data", 7);
		s->len = 8;
		s->fixed = 4;
		s->to_the_end = true;
		s->type = QUIC_FRAME_STREAM;
		return;
	case 14:
	case 15:
		s->type = QUIC_FRAME_STREAM;
		ok = quic_frame_encode_stream(&w, 4, 256, 4, i & 1);
		quic_write_bytes(&w, "data", 4);
		break;
	case 16:
		s->type = QUIC_FRAME_MAX_DATA;
		ok = quic_frame_encode_limit(&w, s->type, 100000);
		break;
	case 17:
		s->type = QUIC_FRAME_MAX_STREAM_DATA;
		ok = quic_frame_encode_stream_limit(&w, s->type, 4, 100000);
		break;
	case 18:
		s->type = QUIC_FRAME_MAX_STREAMS_BIDI;
		ok = quic_frame_encode_limit(&w, s->type, 100);
		break;
	case 19:
		s->type = QUIC_FRAME_MAX_STREAMS_UNI;
		ok = quic_frame_encode_limit(&w, s->type, QUIC_MAX_STREAMS_LIMIT);
		break;
	case 20:
		s->type = QUIC_FRAME_DATA_BLOCKED;
		ok = quic_frame_encode_limit(&w, s->type, 100000);
		break;
	case 21:
		s->type = QUIC_FRAME_STREAM_DATA_BLOCKED;
		ok = quic_frame_encode_stream_limit(&w, s->type, 4, 100000);
		break;
	case 22:
		s->type = QUIC_FRAME_STREAMS_BLOCKED_BIDI;
		ok = quic_frame_encode_limit(&w, s->type, 100);
		break;
	case 23:
		s->type = QUIC_FRAME_STREAMS_BLOCKED_UNI;
		ok = quic_frame_encode_limit(&w, s->type, QUIC_MAX_STREAMS_LIMIT);
		break;
	case 24:
		s->type = QUIC_FRAME_NEW_CONNECTION_ID;
		ok = quic_frame_encode_new_cid(&w, 70, 69, &cid, token);
		break;
	case 25:
		s->type = QUIC_FRAME_RETIRE_CONNECTION_ID;
		ok = quic_frame_encode_retire_cid(&w, 70);
		break;
	case 26:
		s->type = QUIC_FRAME_PATH_CHALLENGE;
		ok = quic_frame_encode_path(&w, s->type, token);
		break;
	case 27:
		s->type = QUIC_FRAME_PATH_RESPONSE;
		ok = quic_frame_encode_path(&w, s->type, token);
		break;
	case 28:
		s->type = QUIC_FRAME_CONNECTION_CLOSE;
		ok = quic_frame_encode_close(&w, &close);
		break;
	case 29:
		s->type = QUIC_FRAME_CONNECTION_CLOSE_APP;
		ok = quic_frame_encode_close(&w, &app_close);
		break;
	case 30:
		s->type = QUIC_FRAME_HANDSHAKE_DONE;
		ok = quic_frame_encode_type(&w, s->type);
		break;
	case 31:
		sample_bytes(s, QUIC_FRAME_DATAGRAM, "0data", 5);
		s->fixed = 1;
		s->to_the_end = true;
		return;
	case 32:
		s->type = QUIC_FRAME_DATAGRAM_LEN;
		ok = quic_frame_encode_datagram(&w, 4);
		quic_write_bytes(&w, "data", 4);
		break;
	default:
		/* the same, empty */
		s->type = QUIC_FRAME_STREAM;
		ok = quic_frame_encode_stream(&w, 4, 256, 0, true);
		break;
	}
	KUNIT_ASSERT_TRUE(test, ok);
	KUNIT_ASSERT_FALSE(test, w.failed);
	s->len = quic_writer_used(&w);
}

static void every_frame_is_read_to_its_end(struct kunit *test)
{
	struct quic_frame frame;
	struct sample s;
	size_t left;
	u64 code;
	u32 i;

	for (i = 0; i < NR_SAMPLES; i++) {
		make_sample(test, i, &s);
		KUNIT_EXPECT_EQ_MSG(test, decode(test, s.bytes, s.len, &frame, &code, &left), 0,
				    "sample %u", i);
		KUNIT_EXPECT_EQ_MSG(test, frame.type, s.type, "sample %u", i);
		KUNIT_EXPECT_EQ_MSG(test, left, 0, "sample %u", i);
		if (s.to_the_end)
			continue;
		/* A PING behind it is left alone. */
		s.bytes[s.len] = QUIC_FRAME_PING;
		KUNIT_EXPECT_EQ(test, decode(test, s.bytes, s.len + 1, &frame, &code, &left), 0);
		KUNIT_EXPECT_EQ_MSG(test, left, 1, "sample %u", i);
	}
}

/* RFC 9000, section 20.1: FRAME_ENCODING_ERROR wherever a frame is cut. */
static void every_frame_cut_anywhere_is_refused(struct kunit *test)
{
	struct quic_frame frame;
	struct sample s;
	size_t left;
	u32 i, len;
	u64 code;

	for (i = 0; i < NR_SAMPLES; i++) {
		make_sample(test, i, &s);
		for (len = 0; len < s.len; len++) {
			bool legal = s.to_the_end && len >= s.fixed;

			KUNIT_EXPECT_EQ_MSG(test,
					    decode(test, s.bytes, len, &frame, &code, &left),
					    legal ? 0 : -EPROTO, "sample %u at %u", i, len);
			KUNIT_EXPECT_EQ_MSG(test, code, legal ? 0 : FRAME_ENCODING,
					    "sample %u at %u", i, len);
		}
	}
}

static bool encode_sample(u32 i, struct quic_writer *w)
{
	static const struct quic_pn_range ranges[] = { { 990, 1000 } };
	static const struct quic_frame_close close = {
		.code = 0x150, .reason = (const u8 *)"why", .reason_len = 3,
	};
	static const u64 ecn[3] = { 100, 20000, 3 };

	switch (i) {
	case 0:
		return quic_frame_encode_type(w, QUIC_FRAME_PING);
	case 1:
		return quic_frame_encode_ack(w, ranges, 1, 77, ecn);
	case 2:
		return quic_frame_encode_reset_stream(w, 4, 70, 100000);
	case 3:
		return quic_frame_encode_stop_sending(w, 400, 70);
	case 4:
		return quic_frame_encode_new_token(w, token, 16);
	case 5:
		return quic_frame_encode_limit(w, QUIC_FRAME_MAX_DATA, 100000);
	case 6:
		return quic_frame_encode_stream_limit(w, QUIC_FRAME_MAX_STREAM_DATA, 4, 100000);
	case 7:
		return quic_frame_encode_new_cid(w, 70, 69, &cid, token);
	case 8:
		return quic_frame_encode_retire_cid(w, 70);
	case 9:
		return quic_frame_encode_path(w, QUIC_FRAME_PATH_RESPONSE, token);
	case 10:
		return quic_frame_encode_close(w, &close);
	/* The caller puts the data behind these: it must fit, too. */
	case 11:
		return quic_frame_encode_stream(w, 4, 256, 10, true) && quic_write_reserve(w, 10);
	case 12:
		return quic_frame_encode_crypto(w, 256, 10) && quic_write_reserve(w, 10);
	default:
		return quic_frame_encode_datagram(w, 10) && quic_write_reserve(w, 10);
	}
}

static void without_room_the_writer_is_left_alone(struct kunit *test)
{
	struct quic_writer w, before;
	u32 i, size, need;
	u8 buf[64];

	for (i = 0; i < 14; i++) {
		quic_writer_init(&w, buf, sizeof(buf));
		KUNIT_ASSERT_TRUE(test, encode_sample(i, &w));
		need = quic_writer_used(&w);
		for (size = 0; size < need; size++) {
			quic_writer_init(&w, buf, size);
			before = w;
			KUNIT_EXPECT_FALSE(test, encode_sample(i, &w));
			KUNIT_EXPECT_MEMEQ_MSG(test, &w, &before, sizeof(w), "sample %u", i);
		}
		quic_writer_init(&w, buf, need);
		KUNIT_EXPECT_TRUE(test, encode_sample(i, &w));
		KUNIT_EXPECT_EQ(test, quic_writer_left(&w), 0);
	}
}

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

/* RFC 9000, section 19.8. */
static void stream_fields_are_read(struct kunit *test)
{
	struct quic_frame frame;
	struct sample s;
	size_t left;
	u64 code;
	u32 i;

	for (i = QUIC_FRAME_STREAM; i < QUIC_FRAME_STREAM + 8; i++) {
		make_sample(test, i, &s);
		KUNIT_EXPECT_EQ(test, s.bytes[0], i);
		KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &frame, &code, &left), 0);
		KUNIT_EXPECT_EQ(test, frame.type, QUIC_FRAME_STREAM);
		KUNIT_EXPECT_EQ(test, frame.data.stream_id, 4);
		KUNIT_EXPECT_EQ(test, frame.data.offset, i & QUIC_FRAME_STREAM_OFF ? 256 : 0);
		KUNIT_EXPECT_EQ(test, frame.data.fin, !!(i & QUIC_FRAME_STREAM_FIN));
		KUNIT_ASSERT_EQ(test, frame.data.len, 4);
		KUNIT_EXPECT_MEMEQ(test, frame.data.data, "data", 4);
	}
	make_sample(test, 33, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &frame, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, frame.data.len, 0);
	KUNIT_EXPECT_TRUE(test, frame.data.fin);
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

static void fields_of_control_frames_are_read(struct kunit *test)
{
	struct quic_frame f;
	struct sample s;
	size_t left;
	u64 code;

	make_sample(test, 4, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.reset_stream.stream_id, 4);
	KUNIT_EXPECT_EQ(test, f.reset_stream.code, 70);
	KUNIT_EXPECT_EQ(test, f.reset_stream.final_size, 100000);

	make_sample(test, 5, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.stop_sending.stream_id, 400);
	KUNIT_EXPECT_EQ(test, f.stop_sending.code, 70);

	make_sample(test, 6, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.data.offset, 1000);
	KUNIT_ASSERT_EQ(test, f.data.len, 5);
	KUNIT_EXPECT_MEMEQ(test, f.data.data, "hello", 5);

	make_sample(test, 7, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_ASSERT_EQ(test, f.token.len, 5);
	KUNIT_EXPECT_MEMEQ(test, f.token.data, "token", 5);

	make_sample(test, 16, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.limit.limit, 100000);

	make_sample(test, 17, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.limit.stream_id, 4);
	KUNIT_EXPECT_EQ(test, f.limit.limit, 100000);

	make_sample(test, 19, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.limit.limit, QUIC_MAX_STREAMS_LIMIT);

	make_sample(test, 21, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.limit.stream_id, 4);
	KUNIT_EXPECT_EQ(test, f.limit.limit, 100000);

	make_sample(test, 24, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.new_cid.seq, 70);
	KUNIT_EXPECT_EQ(test, f.new_cid.retire_prior_to, 69);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&f.new_cid.cid, &cid));
	KUNIT_EXPECT_MEMEQ(test, f.new_cid.token, token, sizeof(token));

	make_sample(test, 25, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.retire_seq, 70);

	make_sample(test, 26, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_MEMEQ(test, f.path_data, token, QUIC_PATH_DATA_LEN);

	make_sample(test, 28, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.close.code, 0x150);
	KUNIT_EXPECT_EQ(test, f.close.frame_type, 6);
	KUNIT_EXPECT_FALSE(test, f.close.app);
	KUNIT_ASSERT_EQ(test, f.close.reason_len, 3);
	KUNIT_EXPECT_MEMEQ(test, f.close.reason, "why", 3);

	make_sample(test, 29, &s);
	KUNIT_ASSERT_EQ(test, decode(test, s.bytes, s.len, &f, &code, &left), 0);
	KUNIT_EXPECT_EQ(test, f.close.code, 99999);
	KUNIT_EXPECT_TRUE(test, f.close.app);
	KUNIT_ASSERT_EQ(test, f.close.reason_len, 3);
	KUNIT_EXPECT_MEMEQ(test, f.close.reason, "bye", 3);
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
	KUNIT_CASE(every_frame_is_read_to_its_end),
	KUNIT_CASE(every_frame_cut_anywhere_is_refused),
	KUNIT_CASE(without_room_the_writer_is_left_alone),
	KUNIT_CASE(padding_is_one_frame),
	KUNIT_CASE(stream_fields_are_read),
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
	KUNIT_CASE(fields_of_control_frames_are_read),
	KUNIT_CASE(datagram_is_read_with_and_without_length),
	KUNIT_CASE(ack_ranges_are_walked_downwards),
	KUNIT_CASE(ack_range_below_zero_is_refused),
	KUNIT_CASE(ack_range_count_past_the_end_is_refused),
	KUNIT_CASE(ack_of_the_largest_numbers_is_read),
	KUNIT_CASE(ack_without_room_drops_its_lowest_ranges),
	KUNIT_CASE(rules_are_those_of_the_table),
	KUNIT_CASE(noise_is_read_or_refused),
	{}
};

static struct kunit_suite frame_suite = {
	.name = "quic_frame",
	.test_cases = frame_cases,
};

kunit_test_suite(frame_suite);
