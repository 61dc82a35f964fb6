// SPDX-License-Identifier: GPL-2.0-or-later
/* A frame of each type, whole, cut, and without room. RFC 9000, section 19; RFC 9221, section 4. */
#include "frame_decode.h"

static const u8 token[QUIC_STATELESS_TOKEN_LEN] = "0123456789abcde";
static const struct quic_cid cid = { 8, { 1, 2, 3, 4, 5, 6, 7, 8 } };

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

static struct kunit_case frame_samples_cases[] = {
	KUNIT_CASE(every_frame_is_read_to_its_end),
	KUNIT_CASE(every_frame_cut_anywhere_is_refused),
	KUNIT_CASE(without_room_the_writer_is_left_alone),
	KUNIT_CASE(stream_fields_are_read),
	KUNIT_CASE(fields_of_control_frames_are_read),
	{}
};

static struct kunit_suite frame_samples_suite = {
	.name = "quic_frame_samples",
	.test_cases = frame_samples_cases,
};

kunit_test_suite(frame_samples_suite);
