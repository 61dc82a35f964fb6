// SPDX-License-Identifier: GPL-2.0-or-later
/* Transport parameters. RFC 9000, sections 7.4 and 18; RFC 9221; RFC 9287; RFC 9368. */
#include <uapi/linux/quic.h>

#include "../core/transport_params.h"
#include "quic_test.h"

#define BOTH	0
#define SERVER	1	/* legal only from a server */
#define CLIENT	2	/* legal only from a client */
#define NEVER	3	/* an error from both */

/* Decodes a copy of @data that ends where its memory ends. */
static int decode(struct kunit *test, struct quic_transport_params *tp, const void *data,
		  size_t len, bool from_server)
{
	u8 *copy = kunit_kmalloc(test, len ? len : 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, data, len);
	memset(tp, 0xaa, sizeof(*tp));
	return quic_transport_params_decode(tp, copy, len, from_server);
}

static void expect_defaults(struct kunit *test, const struct quic_transport_params *tp)
{
	struct quic_transport_params defaults;

	quic_transport_params_init(&defaults);
	KUNIT_EXPECT_MEMEQ(test, tp, &defaults, sizeof(defaults));
}

/* RFC 9000, section 18.2. */
static void absent_parameters_have_their_defaults(struct kunit *test)
{
	struct quic_transport_params tp;

	KUNIT_ASSERT_EQ(test, decode(test, &tp, "", 0, true), 0);
	expect_defaults(test, &tp);
	KUNIT_EXPECT_EQ(test, tp.max_idle_timeout, 0);
	KUNIT_EXPECT_EQ(test, tp.max_udp_payload_size, 65527);
	KUNIT_EXPECT_EQ(test, tp.initial_max_data, 0);
	KUNIT_EXPECT_EQ(test, tp.initial_max_streams_bidi, 0);
	KUNIT_EXPECT_EQ(test, tp.ack_delay_exponent, 3);
	KUNIT_EXPECT_EQ(test, tp.max_ack_delay, 25000);
	KUNIT_EXPECT_EQ(test, tp.active_connection_id_limit, 2);
	KUNIT_EXPECT_EQ(test, tp.max_datagram_frame_size, 0);
	KUNIT_EXPECT_FALSE(test, tp.disable_active_migration);
	KUNIT_EXPECT_FALSE(test, tp.grease_quic_bit);
	KUNIT_EXPECT_FALSE(test, tp.disable_1rtt_encryption);
	KUNIT_EXPECT_FALSE(test, tp.has_initial_scid);
	KUNIT_EXPECT_FALSE(test, tp.has_version_information);
}

struct int_case {
	const char *what;
	u16 field;
	u64 expect;		/* U64_MAX: an error */
	u8 len;
	u8 bytes[11];
};

#define FIELD(name)	offsetof(struct quic_transport_params, name)
#define ERR		U64_MAX

/* Each integer at the edges of what RFC 9000, section 18.2, allows and of what we use. */
static const struct int_case ints[] = {
	{ "idle 0", FIELD(max_idle_timeout), 0, 3, { 1, 1, 0 } },
	{ "idle 1 ms", FIELD(max_idle_timeout), 1000, 3, { 1, 1, 1 } },
	{ "idle 30 s", FIELD(max_idle_timeout), 30000000, 6, { 1, 4, 0x80, 0, 0x75, 0x30 } },
	{ "idle, last that fits", FIELD(max_idle_timeout), 4294967000ULL, 6,
	  { 1, 4, 0x80, 0x41, 0x89, 0x37 } },
	{ "idle, first that saturates", FIELD(max_idle_timeout), U32_MAX, 6,
	  { 1, 4, 0x80, 0x41, 0x89, 0x38 } },
	{ "idle 2^62-1", FIELD(max_idle_timeout), U32_MAX, 10,
	  { 1, 8, 0xff, 255, 255, 255, 255, 255, 255, 255 } },
	{ "payload 1199", FIELD(max_udp_payload_size), ERR, 4, { 3, 2, 0x44, 0xaf } },
	{ "payload 1200", FIELD(max_udp_payload_size), 1200, 4, { 3, 2, 0x44, 0xb0 } },
	{ "payload 65527", FIELD(max_udp_payload_size), 65527, 6, { 3, 4, 0x80, 0, 0xff, 0xf7 } },
	{ "payload 65528", FIELD(max_udp_payload_size), 65527, 6, { 3, 4, 0x80, 0, 0xff, 0xf8 } },
	{ "payload 2^62-1", FIELD(max_udp_payload_size), 65527, 10,
	  { 3, 8, 0xff, 255, 255, 255, 255, 255, 255, 255 } },
	{ "max_data", FIELD(initial_max_data), QUIC_VARINT_MAX, 10,
	  { 4, 8, 0xff, 255, 255, 255, 255, 255, 255, 255 } },
	{ "bidi local", FIELD(initial_max_stream_data_bidi_local), 5, 3, { 5, 1, 5 } },
	{ "bidi remote", FIELD(initial_max_stream_data_bidi_remote), 6, 3, { 6, 1, 6 } },
	{ "uni", FIELD(initial_max_stream_data_uni), 7, 3, { 7, 1, 7 } },
	{ "not the shortest form", FIELD(initial_max_stream_data_uni), 7, 10,
	  { 7, 8, 0xc0, 0, 0, 0, 0, 0, 0, 7 } },
	{ "streams bidi 100", FIELD(initial_max_streams_bidi), 100, 4, { 8, 2, 0x40, 100 } },
	{ "streams bidi 4096", FIELD(initial_max_streams_bidi), 4096, 4, { 8, 2, 0x50, 0 } },
	{ "streams bidi 4097", FIELD(initial_max_streams_bidi), 4096, 4, { 8, 2, 0x50, 1 } },
	{ "streams bidi 2^60", FIELD(initial_max_streams_bidi), 4096, 10,
	  { 8, 8, 0xd0, 0, 0, 0, 0, 0, 0, 0 } },
	{ "streams bidi 2^60+1", FIELD(initial_max_streams_bidi), ERR, 10,
	  { 8, 8, 0xd0, 0, 0, 0, 0, 0, 0, 1 } },
	{ "streams uni 2^60", FIELD(initial_max_streams_uni), 4096, 10,
	  { 9, 8, 0xd0, 0, 0, 0, 0, 0, 0, 0 } },
	{ "streams uni 2^60+1", FIELD(initial_max_streams_uni), ERR, 10,
	  { 9, 8, 0xd0, 0, 0, 0, 0, 0, 0, 1 } },
	{ "exponent 0", FIELD(ack_delay_exponent), 0, 3, { 10, 1, 0 } },
	{ "exponent 20", FIELD(ack_delay_exponent), 20, 3, { 10, 1, 20 } },
	{ "exponent 21", FIELD(ack_delay_exponent), ERR, 3, { 10, 1, 21 } },
	{ "delay 0", FIELD(max_ack_delay), 0, 3, { 11, 1, 0 } },
	{ "delay 2^14-1", FIELD(max_ack_delay), 16383000, 4, { 11, 2, 0x7f, 0xff } },
	{ "delay 2^14", FIELD(max_ack_delay), ERR, 6, { 11, 4, 0x80, 0, 0x40, 0 } },
	{ "cid limit 1", FIELD(active_connection_id_limit), ERR, 3, { 14, 1, 1 } },
	{ "cid limit 2", FIELD(active_connection_id_limit), 2, 3, { 14, 1, 2 } },
	{ "cid limit 8", FIELD(active_connection_id_limit), 8, 3, { 14, 1, 8 } },
	{ "cid limit 64", FIELD(active_connection_id_limit), 8, 4, { 14, 2, 0x40, 64 } },
	{ "datagram 1", FIELD(max_datagram_frame_size), 1, 3, { 32, 1, 1 } },
	{ "datagram 65535", FIELD(max_datagram_frame_size), 65535, 6,
	  { 32, 4, 0x80, 0, 0xff, 0xff } },
	{ "datagram 65536", FIELD(max_datagram_frame_size), 65535, 6, { 32, 4, 0x80, 1, 0, 0 } },
	/* A value that is no integer, or more than one. */
	{ "empty", FIELD(initial_max_data), ERR, 2, { 4, 0 } },
	{ "a byte too many", FIELD(initial_max_data), ERR, 4, { 4, 2, 1, 1 } },
	{ "a byte too few", FIELD(initial_max_data), ERR, 3, { 4, 1, 0x40 } },
};

static void integers_are_checked_clamped_and_scaled(struct kunit *test)
{
	struct quic_transport_params tp;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ints); i++) {
		bool bad = ints[i].expect == ERR;

		KUNIT_EXPECT_EQ_MSG(test, decode(test, &tp, ints[i].bytes, ints[i].len, i & 1),
				    bad ? -EINVAL : 0, "%s", ints[i].what);
		if (bad)
			expect_defaults(test, &tp);
		else
			KUNIT_EXPECT_EQ_MSG(test, *(u64 *)((u8 *)&tp + ints[i].field),
					    ints[i].expect, "%s", ints[i].what);
	}
}

struct legal_case {
	const char *what;
	u8 from;	/* BOTH, SERVER, CLIENT, NEVER */
	u8 len;
	u8 bytes[72];
};

static const struct legal_case legals[] = {
	/* RFC 9000, section 18.2: a client must not send these. */
	{ "original_dcid", SERVER, 6, { 0x00, 4, 1, 2, 3, 4 } },
	{ "original_dcid empty", SERVER, 2, { 0x00, 0 } },
	{ "original_dcid 20", SERVER, 22, { 0x00, 20 } },
	{ "original_dcid 21", NEVER, 23, { 0x00, 21 } },
	{ "reset token", SERVER, 18, { 0x02, 16 } },
	{ "reset token 15", NEVER, 17, { 0x02, 15 } },
	{ "reset token 17", NEVER, 19, { 0x02, 17 } },
	{ "retry_scid", SERVER, 3, { 0x10, 1, 9 } },
	{ "retry_scid 21", NEVER, 23, { 0x10, 21 } },
	{ "preferred address", SERVER, 44, { 0x0d, 42, [2 + 24] = 1 } },
	{ "preferred address, cid 20", SERVER, 63, { 0x0d, 61, [2 + 24] = 20 } },
	{ "preferred address, cid 21", NEVER, 64, { 0x0d, 62, [2 + 24] = 21 } },
	{ "preferred address, empty cid", NEVER, 43, { 0x0d, 41, [2 + 24] = 0 } },
	{ "preferred address, cid length wrong", NEVER, 44, { 0x0d, 42, [2 + 24] = 2 } },
	{ "preferred address, cid length wrong", NEVER, 45, { 0x0d, 43, [2 + 24] = 1 } },
	{ "preferred address cut", NEVER, 26, { 0x0d, 24 } },
	{ "preferred address empty", NEVER, 2, { 0x0d, 0 } },

	{ "initial_scid", BOTH, 10, { 0x0f, 8 } },
	{ "initial_scid empty", BOTH, 2, { 0x0f, 0 } },
	{ "initial_scid 21", NEVER, 23, { 0x0f, 21 } },
	{ "disable_active_migration", BOTH, 2, { 0x0c, 0 } },
	{ "disable_active_migration with a value", NEVER, 3, { 0x0c, 1, 0 } },
	{ "grease", BOTH, 3, { 0x6a, 0xb2, 0 } },
	{ "grease with a value", NEVER, 4, { 0x6a, 0xb2, 1, 1 } },
	{ "disable_1rtt", BOTH, 5, { 0x80, 0, 0xba, 0xad, 0 } },
	{ "disable_1rtt with a value", CLIENT, 6, { 0x80, 0, 0xba, 0xad, 1, 1 } },

	/* RFC 9368, sections 3 and 4. */
	{ "versions", BOTH, 10, { 0x11, 8, 0, 0, 0, 1, 0, 0, 0, 1 } },
	{ "versions, reserved ones", BOTH, 14,
	  { 0x11, 12, 0, 0, 0, 1, 0x1a, 0x2a, 0x3a, 0x4a, 0, 0, 0, 1 } },
	{ "versions, none available", SERVER, 6, { 0x11, 4, 0, 0, 0, 1 } },
	{ "versions, chosen not listed", SERVER, 10, { 0x11, 8, 0, 0, 0, 1, 0, 0, 0, 2 } },
	{ "versions, chosen zero", NEVER, 10, { 0x11, 8, 0, 0, 0, 0, 0, 0, 0, 1 } },
	{ "versions, available zero", NEVER, 14,
	  { 0x11, 12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0 } },
	{ "versions empty", NEVER, 2, { 0x11, 0 } },
	{ "versions 3 bytes", NEVER, 5, { 0x11, 3, 0, 0, 1 } },
	{ "versions 9 bytes", NEVER, 11, { 0x11, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0 } },

	/* RFC 9000, section 7.4.2: unknown and reserved ones are ignored, repeated or not. */
	{ "unknown", BOTH, 4, { 0x1b, 2, 0xff, 0xff } },
	{ "unknown empty", BOTH, 2, { 0x12, 0 } },
	{ "unknown twice", BOTH, 6, { 0x1b, 1, 5, 0x1b, 1, 5 } },
	{ "unknown, 8 bytes of ID", BOTH, 10, { 0xff, 255, 255, 255, 255, 255, 255, 255, 1, 7 } },
	{ "low bits of a known ID", BOTH, 11, { 0xc0, 0, 0, 1, 0, 0, 0, 0x03, 2, 0, 0 } },
	/* RFC 9000, section 7.4. */
	{ "max_data twice", NEVER, 6, { 4, 1, 5, 4, 1, 5 } },
	{ "first parameter twice", NEVER, 4, { 0x0f, 0, 0x0f, 0 } },
	{ "last parameter twice", NEVER, 10,
	  { 0x80, 0, 0xba, 0xad, 0, 0x80, 0, 0xba, 0xad, 0 } },
	{ "twice, IDs in different forms", NEVER, 7, { 4, 1, 5, 0x40, 4, 1, 5 } },

	{ "length past the end", NEVER, 3, { 4, 2, 0x40 } },
	{ "unknown, length past the end", NEVER, 4, { 0x1b, 3, 0, 0 } },
	{ "unknown, length 2^62-1", NEVER, 10, { 0x1b, [1 ... 8] = 0xff, 0 } },
	{ "ID alone", NEVER, 1, { 4 } },
	{ "ID cut", NEVER, 1, { 0x40 } },
	{ "length cut", NEVER, 2, { 0x1b, 0x40 } },
	{ "good, then cut", NEVER, 4, { 4, 1, 5, 5 } },
};

static void forms_and_senders_are_checked(struct kunit *test)
{
	struct quic_transport_params tp;
	u32 i, server;
	bool fine;

	for (i = 0; i < ARRAY_SIZE(legals); i++) {
		for (server = 0; server < 2; server++) {
			fine = legals[i].from == BOTH ||
			       legals[i].from == (server ? SERVER : CLIENT);
			KUNIT_EXPECT_EQ_MSG(test, decode(test, &tp, legals[i].bytes, legals[i].len,
							 server),
					    fine ? 0 : -EINVAL, "%s, from server %u",
					    legals[i].what, server);
			if (!fine)
				expect_defaults(test, &tp);
		}
	}
}

static void flags_are_read(struct kunit *test)
{
	static const u8 bytes[] = { 0x0c, 0, 0x6a, 0xb2, 0, 0x80, 0, 0xba, 0xad, 0 };
	struct quic_transport_params tp;

	KUNIT_ASSERT_EQ(test, decode(test, &tp, bytes, sizeof(bytes), false), 0);
	KUNIT_EXPECT_TRUE(test, tp.disable_active_migration);
	KUNIT_EXPECT_TRUE(test, tp.grease_quic_bit);
	KUNIT_EXPECT_TRUE(test, tp.disable_1rtt_encryption);
}

/* Unknown parameters of several KiB must not matter: no buffer has a fixed size. */
static void huge_unknown_parameter_is_skipped(struct kunit *test)
{
	u8 *bytes = kunit_kzalloc(test, 16000 + 8, GFP_KERNEL);
	struct quic_transport_params tp;
	struct quic_writer w;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	quic_writer_init(&w, bytes, 16000 + 8);
	quic_write_varint(&w, 27 + 31 * 7);
	quic_write_varint(&w, 16000);
	quic_write_zeroes(&w, 16000);
	quic_write_varint(&w, 4);
	quic_write_varint(&w, 1);
	quic_write_varint(&w, 9);
	KUNIT_ASSERT_FALSE(test, w.failed);
	KUNIT_ASSERT_EQ(test, decode(test, &tp, bytes, quic_writer_used(&w), false), 0);
	KUNIT_EXPECT_EQ(test, tp.initial_max_data, 9);
}

/* RFC 9368, section 4: the chosen one counts wherever it is listed; some of them are kept. */
static void more_versions_than_are_kept_are_read(struct kunit *test)
{
	struct quic_transport_params tp;
	struct quic_writer w;
	u8 bytes[512];
	u32 i;

	quic_writer_init(&w, bytes, sizeof(bytes));
	quic_write_varint(&w, 0x11);
	quic_write_varint(&w, 4 + 4 * 100);
	quic_write_u32(&w, 100);
	for (i = 2; i <= 101; i++)
		quic_write_u32(&w, i);
	KUNIT_ASSERT_FALSE(test, w.failed);
	KUNIT_ASSERT_EQ(test, decode(test, &tp, bytes, quic_writer_used(&w), false), 0);
	KUNIT_EXPECT_TRUE(test, tp.has_version_information);
	KUNIT_EXPECT_EQ(test, tp.chosen_version, 100);
	KUNIT_ASSERT_EQ(test, tp.version_count, QUIC_TP_MAX_VERSIONS);
	for (i = 0; i < QUIC_TP_MAX_VERSIONS; i++)
		KUNIT_EXPECT_EQ(test, tp.versions[i], i + 2);
}

/* Those that we speak are kept wherever they stand, and each once. */
static void versions_that_we_speak_are_kept(struct kunit *test)
{
	struct quic_transport_params tp;
	struct quic_writer w;
	u8 bytes[512];
	u32 i;

	quic_writer_init(&w, bytes, sizeof(bytes));
	quic_write_varint(&w, 0x11);
	quic_write_varint(&w, 4 + 4 * 100);
	quic_write_u32(&w, 2);
	for (i = 0; i < 97; i++)
		quic_write_u32(&w, 2 + i);
	quic_write_u32(&w, QUIC_VERSION_V2);
	quic_write_u32(&w, QUIC_VERSION_V2);
	quic_write_u32(&w, QUIC_VERSION_V1);
	KUNIT_ASSERT_EQ(test, decode(test, &tp, bytes, quic_writer_used(&w), false), 0);
	KUNIT_ASSERT_EQ(test, tp.version_count, QUIC_TP_MAX_VERSIONS);
	KUNIT_EXPECT_EQ(test, tp.versions[QUIC_TP_MAX_VERSIONS - 3], QUIC_TP_MAX_VERSIONS - 1);
	KUNIT_EXPECT_EQ(test, tp.versions[QUIC_TP_MAX_VERSIONS - 2], QUIC_VERSION_V1);
	KUNIT_EXPECT_EQ(test, tp.versions[QUIC_TP_MAX_VERSIONS - 1], QUIC_VERSION_V2);
}

static void fill(struct quic_transport_params *tp)
{
	quic_transport_params_init(tp);
	tp->max_idle_timeout = 30000000;
	tp->max_udp_payload_size = 1500;
	tp->initial_max_data = 2097120;
	tp->initial_max_stream_data_bidi_local = 1048560;
	tp->initial_max_stream_data_bidi_remote = 1048561;
	tp->initial_max_stream_data_uni = 1048562;
	tp->initial_max_streams_bidi = 100;
	tp->initial_max_streams_uni = 101;
	tp->ack_delay_exponent = 4;
	tp->max_ack_delay = 30000;
	tp->active_connection_id_limit = 7;
	tp->max_datagram_frame_size = 65535;
	tp->disable_active_migration = true;
	tp->grease_quic_bit = true;
	tp->disable_1rtt_encryption = true;
	tp->has_initial_scid = true;
	quic_cid_set(&tp->initial_scid, (const u8 *)"initial!", 8);
	tp->has_version_information = true;
	tp->chosen_version = QUIC_VERSION_V1;
	tp->version_count = 2;
	tp->versions[0] = QUIC_VERSION_V2;
	tp->versions[1] = QUIC_VERSION_V1;
}

static void fill_server(struct quic_transport_params *tp)
{
	fill(tp);
	tp->has_original_dcid = true;
	quic_cid_set(&tp->original_dcid, (const u8 *)"original dcid of 20.", 20);
	tp->has_retry_scid = true;
	quic_cid_set(&tp->retry_scid, (const u8 *)"retry", 5);
	tp->has_stateless_reset_token = true;
	memcpy(tp->stateless_reset_token, "reset token 1234", 16);
	tp->has_preferred_address = true;
	memcpy(tp->preferred_address.v4, "\x7f\x00\x00\x01", 4);
	tp->preferred_address.v4_port = 4433;
	memset(tp->preferred_address.v6, 0x20, 16);
	tp->preferred_address.v6_port = 4434;
	quic_cid_set(&tp->preferred_address.cid, (const u8 *)"prefer!!", 8);
	memcpy(tp->preferred_address.token, "other token 5678", 16);
}

static void what_is_written_is_read(struct kunit *test)
{
	struct quic_transport_params tp, back;
	struct quic_writer w;
	u8 bytes[512];
	int server;

	for (server = 0; server < 2; server++) {
		if (server)
			fill_server(&tp);
		else
			fill(&tp);
		quic_writer_init(&w, bytes, sizeof(bytes));
		KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
		/* Users give 256 bytes of room. */
		KUNIT_EXPECT_LE(test, quic_writer_used(&w), 256);
		KUNIT_ASSERT_EQ(test, decode(test, &back, bytes, quic_writer_used(&w), server), 0);
		KUNIT_EXPECT_MEMEQ(test, &back, &tp, sizeof(tp));
	}
	/* The other end must not send them. */
	KUNIT_EXPECT_EQ(test, decode(test, &back, bytes, quic_writer_used(&w), false), -EINVAL);
}

static void every_cut_is_refused_or_between_parameters(struct kunit *test)
{
	struct quic_transport_params tp, back;
	u32 len, good = 0;
	struct quic_writer w;
	u8 bytes[512];

	fill_server(&tp);
	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
	for (len = 0; len <= quic_writer_used(&w); len++)
		good += !decode(test, &back, bytes, len, true);
	/* Twenty-one parameters have twenty-two ends between them. */
	KUNIT_EXPECT_EQ(test, good, 22);
}

static void defaults_are_not_written(struct kunit *test)
{
	struct quic_transport_params tp;
	struct quic_writer w;
	u8 bytes[64];

	quic_transport_params_init(&tp);
	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
	KUNIT_EXPECT_EQ(test, quic_writer_used(&w), 0);
}

static void milliseconds_are_rounded_up(struct kunit *test)
{
	static const u8 expect[] = { 1, 2, 0x43, 0xe9, 11, 1, 26 };
	struct quic_transport_params tp;
	struct quic_writer w;
	u8 bytes[64];

	quic_transport_params_init(&tp);
	tp.max_idle_timeout = 1000001;
	tp.max_ack_delay = 25001;
	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
	KUNIT_ASSERT_EQ(test, quic_writer_used(&w), sizeof(expect));
	KUNIT_EXPECT_MEMEQ(test, bytes, expect, sizeof(expect));
}

static void without_room_encoding_fails(struct kunit *test)
{
	struct quic_transport_params tp;
	struct quic_writer w;
	u32 need, size;
	u8 bytes[512];

	fill_server(&tp);
	quic_writer_init(&w, bytes, sizeof(bytes));
	KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
	need = quic_writer_used(&w);
	for (size = 0; size < need; size++) {
		quic_writer_init(&w, bytes, size);
		KUNIT_EXPECT_EQ(test, quic_transport_params_encode(&tp, &w), -ENOBUFS);
	}
}

static void noise_is_read_or_refused(struct kunit *test)
{
	u8 *buf = kunit_kmalloc(test, 64, GFP_KERNEL);
	struct quic_transport_params tp;
	u32 i, j, len, good = 0;
	u64 seed = 3;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < 50000; i++) {
		len = 1 + quic_test_below(&seed, 64);
		for (j = 64 - len; j < 64; j++)
			buf[j] = quic_test_below(&seed, 4) ? quic_test_below(&seed, 18) :
							     quic_test_rand(&seed);
		if (quic_transport_params_decode(&tp, buf + 64 - len, len, i & 1))
			continue;
		good++;
		KUNIT_ASSERT_LE(test, tp.initial_max_streams_bidi, 4096);
		KUNIT_ASSERT_LE(test, tp.ack_delay_exponent, 20);
		KUNIT_ASSERT_GE(test, tp.max_udp_payload_size, 1200);
		KUNIT_ASSERT_GE(test, tp.active_connection_id_limit, 2);
		KUNIT_ASSERT_LE(test, tp.version_count, QUIC_TP_MAX_VERSIONS);
	}
	KUNIT_EXPECT_GT(test, good, 100);
}

static struct kunit_case transport_params_cases[] = {
	KUNIT_CASE(absent_parameters_have_their_defaults),
	KUNIT_CASE(integers_are_checked_clamped_and_scaled),
	KUNIT_CASE(forms_and_senders_are_checked),
	KUNIT_CASE(flags_are_read),
	KUNIT_CASE(huge_unknown_parameter_is_skipped),
	KUNIT_CASE(more_versions_than_are_kept_are_read),
	KUNIT_CASE(versions_that_we_speak_are_kept),
	KUNIT_CASE(what_is_written_is_read),
	KUNIT_CASE(every_cut_is_refused_or_between_parameters),
	KUNIT_CASE(defaults_are_not_written),
	KUNIT_CASE(milliseconds_are_rounded_up),
	KUNIT_CASE(without_room_encoding_fails),
	KUNIT_CASE(noise_is_read_or_refused),
	{}
};

static struct kunit_suite transport_params_suite = {
	.name = "quic_transport_params",
	.test_cases = transport_params_cases,
};

kunit_test_suite(transport_params_suite);
