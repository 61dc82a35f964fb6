// SPDX-License-Identifier: GPL-2.0-or-later
/* Packet headers and packet numbers. RFC 9000, section 17; RFC 9369, section 3. */
#include <uapi/linux/quic.h>

#include "../core/header.h"
#include "quic_test.h"

#define VERSION_UNKNOWN	0x1a2a3a4a

static const struct quic_cid cid_a = { 8, { 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08 } };
static const struct quic_cid cid_b = { 8, { 0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5 } };
static const struct quic_cid cid_none;
static const struct quic_cid cid_long = { 20, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
						11, 12, 13, 14, 15, 16, 17, 18, 19, 20 } };

/* A copy that ends where its memory ends, so that a read past it is seen. */
static u8 *exact(struct kunit *test, const void *data, size_t len)
{
	u8 *copy = kunit_kmalloc(test, len ? len : 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, data, len);
	return copy;
}

/* RFC 9001, appendix A.2: the client's Initial, protected. */
static void rfc9001_client_initial_is_read(struct kunit *test)
{
	static const u8 header[] = { 0xc0, 0x00, 0x00, 0x00, 0x01, 0x08, 0x83, 0x94, 0xc8, 0xf0,
				     0x3e, 0x51, 0x57, 0x08, 0x00, 0x00, 0x44, 0x9e, 0x7b, 0x9a,
				     0xec, 0x34, 0xd1, 0xb1, 0xc9, 0x8d };
	struct quic_header hdr;
	u8 *packet;

	packet = kunit_kzalloc(test, 1200, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, packet);
	memcpy(packet, header, sizeof(header));
	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, 1200, 8, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.type, QUIC_PACKET_INITIAL);
	KUNIT_EXPECT_EQ(test, hdr.first, 0xc0);
	KUNIT_EXPECT_EQ(test, hdr.version, QUIC_VERSION_V1);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.dcid, &cid_a));
	KUNIT_EXPECT_EQ(test, hdr.scid.len, 0);
	KUNIT_EXPECT_EQ(test, hdr.token_len, 0);
	KUNIT_EXPECT_EQ(test, hdr.pn_offset, 18);
	KUNIT_EXPECT_EQ(test, hdr.packet_len, 1200);
	KUNIT_EXPECT_TRUE(test, quic_header_has_sample(&hdr));
}

/* RFC 9001, appendix A.3: the server's Initial, protected; something follows it. */
static void rfc9001_server_initial_is_read(struct kunit *test)
{
	static const u8 header[] = { 0xcf, 0x00, 0x00, 0x00, 0x01, 0x00, 0x08, 0xf0, 0x67, 0xa5,
				     0x50, 0x2a, 0x42, 0x62, 0xb5, 0x00, 0x40, 0x75, 0xc0, 0xd9 };
	struct quic_header hdr;
	u8 packet[150] = {};

	memcpy(packet, header, sizeof(header));
	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.type, QUIC_PACKET_INITIAL);
	KUNIT_EXPECT_EQ(test, hdr.dcid.len, 0);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.scid, &cid_b));
	KUNIT_EXPECT_EQ(test, hdr.pn_offset, 18);
	KUNIT_EXPECT_EQ(test, hdr.packet_len, 135);
}

/* RFC 9001, appendix A.4. */
static void rfc9001_retry_is_read(struct kunit *test)
{
	static const u8 packet[] = { 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x08, 0xf0, 0x67, 0xa5,
				     0x50, 0x2a, 0x42, 0x62, 0xb5, 0x74, 0x6f, 0x6b, 0x65, 0x6e,
				     0x04, 0xa2, 0x65, 0xba, 0x2e, 0xff, 0x4d, 0x82, 0x90, 0x58,
				     0xfb, 0x3f, 0x0f, 0x24, 0x96, 0xba };
	struct quic_header hdr;

	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.type, QUIC_PACKET_RETRY);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.scid, &cid_b));
	KUNIT_ASSERT_EQ(test, hdr.token_len, 5);
	KUNIT_EXPECT_MEMEQ(test, hdr.token, "token", 5);
	KUNIT_EXPECT_EQ(test, hdr.pn_offset, sizeof(packet) - QUIC_TAG_LEN);
	KUNIT_EXPECT_EQ(test, hdr.packet_len, sizeof(packet));
}

/* RFC 9001, appendix A.5: the smallest packet there is, 21 bytes. */
static void rfc9001_short_header_is_read(struct kunit *test)
{
	static const u8 packet[] = { 0x4c, 0xfe, 0x41, 0x89, 0x65, 0x5e, 0x5c, 0xd5, 0x5c, 0x41,
				     0xf6, 0x90, 0x80, 0x57, 0x5d, 0x79, 0x99, 0xc2, 0x5a, 0x5b,
				     0xfb };
	struct quic_header hdr;

	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), 0, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.type, QUIC_PACKET_SHORT);
	KUNIT_EXPECT_EQ(test, hdr.version, 0);
	KUNIT_EXPECT_EQ(test, hdr.dcid.len, 0);
	KUNIT_EXPECT_EQ(test, hdr.scid.len, 0);
	KUNIT_EXPECT_EQ(test, hdr.pn_offset, 1);
	KUNIT_EXPECT_EQ(test, hdr.packet_len, sizeof(packet));
	KUNIT_EXPECT_TRUE(test, quic_header_has_sample(&hdr));
	/* RFC 9001, section 5.4.2: one byte less is no packet. */
	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet) - 1, 0, &hdr), 0);
	KUNIT_EXPECT_FALSE(test, quic_header_has_sample(&hdr));
}

static void short_header_has_the_cid_of_the_length_told(struct kunit *test)
{
	u8 packet[30] = { 0x40 };
	struct quic_header hdr;
	u8 i;

	for (i = 1; i < sizeof(packet); i++)
		packet[i] = i;
	for (i = 0; i <= QUIC_CID_MAX_LEN; i++) {
		KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), i, &hdr), 0);
		KUNIT_EXPECT_EQ(test, hdr.dcid.len, i);
		KUNIT_EXPECT_MEMEQ(test, hdr.dcid.data, packet + 1, i);
		KUNIT_EXPECT_EQ(test, hdr.pn_offset, 1 + i);
	}
}

static void short_header_cut_is_refused(struct kunit *test)
{
	static const u8 packet[10] = { 0x40 };
	struct quic_header hdr;
	u32 len;

	for (len = 0; len < 10; len++)
		KUNIT_EXPECT_EQ(test, quic_header_decode(exact(test, packet, len), len, 8, &hdr),
				-EINVAL);
	KUNIT_EXPECT_EQ(test, quic_header_decode(packet, 10, 8, &hdr), 0);
}

struct type_case {
	u32 version;
	u8 first;
	enum quic_packet_type type;
};

/* RFC 9000, table 5; RFC 9369, section 3.2. */
static const struct type_case types[] = {
	{ QUIC_VERSION_V1, 0xc0, QUIC_PACKET_INITIAL },
	{ QUIC_VERSION_V1, 0xd0, QUIC_PACKET_0RTT },
	{ QUIC_VERSION_V1, 0xe0, QUIC_PACKET_HANDSHAKE },
	{ QUIC_VERSION_V1, 0xf0, QUIC_PACKET_RETRY },
	{ QUIC_VERSION_V2, 0xd0, QUIC_PACKET_INITIAL },
	{ QUIC_VERSION_V2, 0xe0, QUIC_PACKET_0RTT },
	{ QUIC_VERSION_V2, 0xf0, QUIC_PACKET_HANDSHAKE },
	{ QUIC_VERSION_V2, 0xc0, QUIC_PACKET_RETRY },
};

static void long_types_depend_on_the_version(struct kunit *test)
{
	struct quic_header hdr;
	struct quic_writer w;
	u8 packet[100] = {};
	u8 *length;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		quic_writer_init(&w, packet, sizeof(packet));
		if (types[i].type == QUIC_PACKET_RETRY) {
			quic_header_encode_retry(&w, types[i].version, &cid_a, &cid_b,
						 cid_b.data, 5);
			KUNIT_ASSERT_FALSE(test, w.failed);
		} else {
			length = quic_header_encode_long(&w, types[i].type, types[i].version,
							 &cid_a, &cid_b, NULL, 0, 1, 1);
			KUNIT_ASSERT_NOT_NULL(test, length);
			quic_header_set_length(length, 30);
		}
		KUNIT_EXPECT_EQ(test, packet[0] & 0xf0, types[i].first);
		KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), 0);
		KUNIT_EXPECT_EQ(test, hdr.type, types[i].type);
		KUNIT_EXPECT_EQ(test, hdr.version, types[i].version);
	}
}

struct long_case {
	enum quic_packet_type type;
	const struct quic_cid *dcid, *scid;
	u32 token_len;
	u8 pn_len;
};

static const struct long_case longs[] = {
	{ QUIC_PACKET_INITIAL, &cid_a, &cid_b, 0, 4 },
	{ QUIC_PACKET_INITIAL, &cid_long, &cid_none, 1, 3 },
	{ QUIC_PACKET_INITIAL, &cid_a, &cid_long, 100, 2 },
	{ QUIC_PACKET_0RTT, &cid_a, &cid_b, 0, 1 },
	{ QUIC_PACKET_HANDSHAKE, &cid_none, &cid_none, 0, 4 },
};

/* Writes longs[@i] with a Length of @length; returns where the packet number ends. */
static u32 write_long(struct kunit *test, u32 i, u8 *buf, u32 size, u32 length)
{
	struct quic_writer w;
	u8 token[100], *field;

	memset(token, 't', sizeof(token));
	quic_writer_init(&w, buf, size);
	field = quic_header_encode_long(&w, longs[i].type, QUIC_VERSION_V1, longs[i].dcid,
					longs[i].scid, token, longs[i].token_len,
					0x11223344, longs[i].pn_len);
	KUNIT_ASSERT_NOT_NULL(test, field);
	quic_header_set_length(field, length);
	return quic_writer_used(&w);
}

static void long_header_written_is_read(struct kunit *test)
{
	static const u8 pn[] = { 0x11, 0x22, 0x33, 0x44 };
	struct quic_header hdr;
	u8 packet[256] = {};
	u32 i, end, length;

	for (i = 0; i < ARRAY_SIZE(longs); i++) {
		length = longs[i].pn_len + 30;
		end = write_long(test, i, packet, sizeof(packet), length);
		KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), 0);
		KUNIT_EXPECT_EQ(test, hdr.type, longs[i].type);
		KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.dcid, longs[i].dcid));
		KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.scid, longs[i].scid));
		KUNIT_EXPECT_EQ(test, hdr.token_len, longs[i].token_len);
		if (hdr.token_len)
			KUNIT_EXPECT_NULL(test, memchr_inv(hdr.token, 't', hdr.token_len));
		KUNIT_EXPECT_EQ(test, hdr.pn_offset, end - longs[i].pn_len);
		KUNIT_EXPECT_EQ(test, hdr.packet_len, hdr.pn_offset + length);
		KUNIT_EXPECT_EQ(test, (hdr.first & QUIC_HEADER_PN_LEN_MASK) + 1, longs[i].pn_len);
		KUNIT_EXPECT_EQ(test, hdr.first & QUIC_HEADER_LONG_RESERVED, 0);
		KUNIT_EXPECT_MEMEQ(test, packet + hdr.pn_offset, pn + 4 - longs[i].pn_len,
				   longs[i].pn_len);
	}
}

/* RFC 9000, section 12.2: a Length past the end, as every cut makes it, ends the datagram. */
static void long_header_cut_anywhere_is_refused(struct kunit *test)
{
	struct quic_header hdr;
	u8 packet[256] = {};
	u32 i, len, end;

	for (i = 0; i < ARRAY_SIZE(longs); i++) {
		end = write_long(test, i, packet, sizeof(packet), longs[i].pn_len + 30) + 30;
		for (len = 0; len < end; len++)
			KUNIT_EXPECT_EQ(test,
					quic_header_decode(exact(test, packet, len), len, 8, &hdr),
					-EINVAL);
		KUNIT_EXPECT_EQ(test, quic_header_decode(packet, end, 8, &hdr), 0);
	}
}

static void long_header_without_room_is_not_written(struct kunit *test)
{
	struct quic_writer w;
	u8 token[100] = {}, buf[256];
	u32 i, end, size;

	for (i = 0; i < ARRAY_SIZE(longs); i++) {
		end = write_long(test, i, buf, sizeof(buf), 50);
		for (size = 0; size < end; size++) {
			quic_writer_init(&w, buf, size);
			KUNIT_EXPECT_NULL(test, quic_header_encode_long(&w, longs[i].type,
									QUIC_VERSION_V1,
									longs[i].dcid,
									longs[i].scid, token,
									longs[i].token_len, 1,
									longs[i].pn_len));
		}
	}
}

static void length_of_zero_is_refused(struct kunit *test)
{
	struct quic_header hdr;
	u8 packet[64] = {};

	write_long(test, 3, packet, sizeof(packet), 0);
	KUNIT_EXPECT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), -EINVAL);
}

static void token_length_past_the_end_is_refused(struct kunit *test)
{
	static const u8 packet[] = { 0xc0, 0, 0, 0, 1, 0, 0,
				     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
	struct quic_header hdr;

	KUNIT_EXPECT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), -EINVAL);
}

/* RFC 9000, section 17.2: 20 bytes are the most; of other versions we take no more either. */
static void connection_id_above_20_bytes_is_refused(struct kunit *test)
{
	static const u32 versions[] = { 0, QUIC_VERSION_V1, QUIC_VERSION_V2, VERSION_UNKNOWN };
	u8 packet[600] = { 0xc0 };
	struct quic_header hdr;
	const u8 *dcid;
	u32 i, len;
	u8 dcid_len;

	for (i = 0; i < ARRAY_SIZE(versions); i++) {
		packet[1] = versions[i] >> 24;
		packet[2] = versions[i] >> 16;
		packet[3] = versions[i] >> 8;
		packet[4] = versions[i];
		for (len = 21; len <= 255; len++) {
			packet[5] = len;
			KUNIT_EXPECT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr),
					-EINVAL);
			KUNIT_EXPECT_EQ(test, quic_header_peek_dcid(packet, sizeof(packet), 8,
								    &dcid, &dcid_len), -EINVAL);
			packet[5] = 0;
			packet[6] = len;
			KUNIT_EXPECT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr),
					-EINVAL);
		}
		packet[6] = 0;
	}
}

/* RFC 8999, section 5.1: of an unknown version only the invariant fields are read. */
static void unknown_version_yields_the_invariants(struct kunit *test)
{
	static const u8 packet[] = { 0x80, 0x1a, 0x2a, 0x3a, 0x4a, 2, 7, 8, 1, 9 };
	struct quic_header hdr;
	u32 len;

	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, sizeof(packet), 8, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.type, QUIC_PACKET_UNKNOWN_VERSION);
	KUNIT_EXPECT_EQ(test, hdr.version, VERSION_UNKNOWN);
	KUNIT_EXPECT_EQ(test, hdr.dcid.len, 2);
	KUNIT_EXPECT_EQ(test, hdr.dcid.data[1], 8);
	KUNIT_EXPECT_EQ(test, hdr.scid.len, 1);
	KUNIT_EXPECT_EQ(test, hdr.scid.data[0], 9);
	KUNIT_EXPECT_EQ(test, hdr.packet_len, sizeof(packet));
	for (len = 0; len < sizeof(packet); len++)
		KUNIT_EXPECT_EQ(test, quic_header_decode(exact(test, packet, len), len, 8, &hdr),
				-EINVAL);
}

/* RFC 9000, sections 6.3 and 17.2.1 #2 #3 #4; RFC 9368, section 2.1 #1. */
static void version_negotiation_written_is_read(struct kunit *test)
{
	static const u8 list[] = {
		0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf, 0x1a, 0x2a, 0xfa, 0x0a
	};
	struct quic_header hdr;
	struct quic_writer w;
	u8 packet[64];
	u32 len, n;

	quic_writer_init(&w, packet, sizeof(packet));
	len = quic_header_encode_version_negotiation(&w, 0x1020f02a ^ 0x2a, 0x2a2afa0a, &cid_a,
						     &cid_long);
	KUNIT_ASSERT_EQ(test, len, 7 + 8 + 20 + 12);
	KUNIT_EXPECT_EQ(test, packet[0], 0xc0);
	KUNIT_ASSERT_EQ(test, quic_header_decode(packet, len, 8, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.type, QUIC_PACKET_VERSION_NEGOTIATION);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.dcid, &cid_a));
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&hdr.scid, &cid_long));
	KUNIT_ASSERT_EQ(test, hdr.token_len, sizeof(list));
	KUNIT_EXPECT_MEMEQ(test, hdr.token, list, sizeof(list));

	/* Whole versions only, one at least. */
	for (n = 0; n < len; n++)
		KUNIT_EXPECT_EQ(test, quic_header_decode(exact(test, packet, n), n, 8, &hdr),
				n == len - 4 || n == len - 8 ? 0 : -EINVAL);
	for (n = 0; n < len; n++) {
		quic_writer_init(&w, packet, n);
		KUNIT_EXPECT_EQ(test, quic_header_encode_version_negotiation(&w, 0, 0, &cid_a,
									     &cid_long), 0);
	}
}

static void retry_too_short_for_its_tag_is_refused(struct kunit *test)
{
	struct quic_header hdr;
	struct quic_writer w;
	u8 packet[64] = {};
	u32 len, head;

	quic_writer_init(&w, packet, sizeof(packet));
	quic_header_encode_retry(&w, QUIC_VERSION_V1, &cid_a, &cid_b, NULL, 0);
	head = quic_writer_used(&w);
	for (len = 0; len < head + QUIC_TAG_LEN; len++)
		KUNIT_EXPECT_EQ(test, quic_header_decode(exact(test, packet, len), len, 8, &hdr),
				-EINVAL);
	KUNIT_EXPECT_EQ(test, quic_header_decode(packet, head + QUIC_TAG_LEN, 8, &hdr), 0);
	KUNIT_EXPECT_EQ(test, hdr.token_len, 0);
}

/* RFC 9000, sections 17.3.1 #2 and 17.4 #1: reserved bits and spin bit are 0. */
static void short_header_is_written(struct kunit *test)
{
	static const u8 plain[] = { 0x43, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08,
				    0x11, 0x22, 0x33, 0x44 };
	struct quic_writer w;
	u8 buf[32];
	u32 size;

	quic_writer_init(&w, buf, sizeof(buf));
	quic_header_encode_short(&w, &cid_a, false, false, 0xff11223344ULL, 4);
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), sizeof(plain));
	KUNIT_EXPECT_MEMEQ(test, buf, plain, sizeof(plain));

	quic_writer_init(&w, buf, sizeof(buf));
	quic_header_encode_short(&w, &cid_none, true, false, 0x1234, 1);
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), 2);
	KUNIT_EXPECT_EQ(test, buf[0], 0x44);
	KUNIT_EXPECT_EQ(test, buf[1], 0x34);

	/* RFC 9287, section 3: the fixed bit may be cleared. */
	quic_writer_init(&w, buf, sizeof(buf));
	quic_header_encode_short(&w, &cid_long, false, true, 0x1234, 2);
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), 23);
	KUNIT_EXPECT_EQ(test, buf[0], 0x01);
	KUNIT_EXPECT_MEMEQ(test, buf + 1, cid_long.data, 20);

	for (size = 0; size < sizeof(plain); size++) {
		quic_writer_init(&w, buf, size);
		quic_header_encode_short(&w, &cid_a, false, false, 1, 4);
		KUNIT_EXPECT_TRUE(test, w.failed);
	}
}

static void dcid_is_found_in_place(struct kunit *test)
{
	static const u8 short_packet[] = { 0x40, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	static const u8 long_packet[] = { 0xc0, 0, 0, 0, 1, 3, 7, 8, 9 };
	const u8 *dcid;
	u8 dcid_len;
	u32 len;

	KUNIT_ASSERT_EQ(test, quic_header_peek_dcid(short_packet, sizeof(short_packet), 8,
						    &dcid, &dcid_len), 0);
	KUNIT_EXPECT_PTR_EQ(test, dcid, short_packet + 1);
	KUNIT_EXPECT_EQ(test, dcid_len, 8);
	for (len = 0; len < 9; len++)
		KUNIT_EXPECT_EQ(test, quic_header_peek_dcid(exact(test, short_packet, len), len, 8,
							    &dcid, &dcid_len), -EINVAL);

	KUNIT_ASSERT_EQ(test, quic_header_peek_dcid(long_packet, sizeof(long_packet), 8,
						    &dcid, &dcid_len), 0);
	KUNIT_EXPECT_PTR_EQ(test, dcid, long_packet + 6);
	KUNIT_EXPECT_EQ(test, dcid_len, 3);
	for (len = 0; len < sizeof(long_packet); len++)
		KUNIT_EXPECT_EQ(test, quic_header_peek_dcid(exact(test, long_packet, len), len, 8,
							    &dcid, &dcid_len), -EINVAL);
}

static void cids_compare_by_length_and_bytes(struct kunit *test)
{
	struct quic_cid a, b;

	quic_cid_set(&a, cid_long.data, 5);
	quic_cid_set(&b, cid_long.data, 6);
	KUNIT_EXPECT_FALSE(test, quic_cid_equal(&a, &b));
	quic_cid_set(&b, cid_long.data, 5);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&a, &b));
	b.data[4] ^= 1;
	KUNIT_EXPECT_FALSE(test, quic_cid_equal(&a, &b));
	quic_cid_set(&a, NULL, 0);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&a, &cid_none));
}

/* RFC 9000, section 17.1 #1 #2, appendix A.2: the edges of "more than twice". */
static void packet_number_length_follows_what_is_unacknowledged(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, quic_pn_length(0xac5c02, 0xabe8b3), 2);
	KUNIT_EXPECT_EQ(test, quic_pn_length(0xace8fe, 0xabe8b3), 3);
	KUNIT_EXPECT_EQ(test, quic_pn_length(0, -1), 1);
	KUNIT_EXPECT_EQ(test, quic_pn_length(126, -1), 1);
	KUNIT_EXPECT_EQ(test, quic_pn_length(127, -1), 2);
	KUNIT_EXPECT_EQ(test, quic_pn_length(1000 + 127, 1000), 1);
	KUNIT_EXPECT_EQ(test, quic_pn_length(1000 + 128, 1000), 2);
	KUNIT_EXPECT_EQ(test, quic_pn_length((1 << 15) - 1, 0), 2);
	KUNIT_EXPECT_EQ(test, quic_pn_length(1 << 15, 0), 3);
	KUNIT_EXPECT_EQ(test, quic_pn_length((1 << 23) - 1, 0), 3);
	KUNIT_EXPECT_EQ(test, quic_pn_length(1 << 23, 0), 4);
}

/* RFC 9000, appendix A.3. */
static void packet_number_is_expanded(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, quic_pn_expand(0xa82f30ea, 0x9b32, 2), 0xa82f9b32);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(-1, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(-1, 0xff, 1), 0xff);
	/* around the edge of the window, both ways */
	KUNIT_EXPECT_EQ(test, quic_pn_expand(0x1ff, 0x80, 1), 0x280);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(0x1ff, 0x81, 1), 0x181);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(0x2fe, 0x7f, 1), 0x37f);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(0x2fe, 0x80, 1), 0x280);
}

/* RFC 9000, section 12.3: numbers end at 2^62 - 1. */
static void packet_number_near_the_end_is_expanded(struct kunit *test)
{
	s64 last = QUIC_PN_MAX;

	KUNIT_EXPECT_EQ(test, quic_pn_expand(last - 1, 0xff, 1), QUIC_PN_MAX);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(last - 10, 0xff, 1), QUIC_PN_MAX);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(last, 0xfe, 1), QUIC_PN_MAX - 1);
	KUNIT_EXPECT_LE(test, quic_pn_expand(last, 0, 1), QUIC_PN_MAX);
	KUNIT_EXPECT_LE(test, quic_pn_expand(last - 1, 1, 4), QUIC_PN_MAX);
	KUNIT_EXPECT_EQ(test, quic_pn_expand(last - 5, 0xfffffffe, 4), QUIC_PN_MAX - 1);
}

static void packet_number_sent_is_the_number_expanded(struct kunit *test)
{
	u64 seed = 1;
	int i;

	for (i = 0; i < 20000; i++) {
		/* The receiver has at least what was acknowledged, at most all before. */
		s64 acked = (s64)(quic_test_rand(&seed) >> (2 + quic_test_below(&seed, 61))) - 1;
		u64 pn = acked + 1 + (quic_test_rand(&seed) >> (33 + quic_test_below(&seed, 30)));
		u8 len = quic_pn_length(pn, acked);
		u64 ahead;

		div64_u64_rem(quic_test_rand(&seed), pn - acked, &ahead);
		if (pn > QUIC_PN_MAX || pn - acked >= 1U << 31)
			continue;
		KUNIT_ASSERT_EQ(test, quic_pn_expand(acked + ahead, pn & ((1ULL << 8 * len) - 1),
						     len), pn);
	}
}

static struct kunit_case header_cases[] = {
	KUNIT_CASE(rfc9001_client_initial_is_read),
	KUNIT_CASE(rfc9001_server_initial_is_read),
	KUNIT_CASE(rfc9001_retry_is_read),
	KUNIT_CASE(rfc9001_short_header_is_read),
	KUNIT_CASE(short_header_has_the_cid_of_the_length_told),
	KUNIT_CASE(short_header_cut_is_refused),
	KUNIT_CASE(long_types_depend_on_the_version),
	KUNIT_CASE(long_header_written_is_read),
	KUNIT_CASE(long_header_cut_anywhere_is_refused),
	KUNIT_CASE(long_header_without_room_is_not_written),
	KUNIT_CASE(length_of_zero_is_refused),
	KUNIT_CASE(token_length_past_the_end_is_refused),
	KUNIT_CASE(connection_id_above_20_bytes_is_refused),
	KUNIT_CASE(unknown_version_yields_the_invariants),
	KUNIT_CASE(version_negotiation_written_is_read),
	KUNIT_CASE(retry_too_short_for_its_tag_is_refused),
	KUNIT_CASE(short_header_is_written),
	KUNIT_CASE(dcid_is_found_in_place),
	KUNIT_CASE(cids_compare_by_length_and_bytes),
	KUNIT_CASE(packet_number_length_follows_what_is_unacknowledged),
	KUNIT_CASE(packet_number_is_expanded),
	KUNIT_CASE(packet_number_near_the_end_is_expanded),
	KUNIT_CASE(packet_number_sent_is_the_number_expanded),
	{}
};

static struct kunit_suite header_suite = {
	.name = "quic_header",
	.test_cases = header_cases,
};

kunit_test_suite(header_suite);
