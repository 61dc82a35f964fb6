// SPDX-License-Identifier: GPL-2.0-or-later
/* ClientHello: gathered from frames, read for its ALPN list. uapi.md, section 4.11. */
#include "../core/client_hello.h"
#include "../core/cursor.h"
#include "../core/frame.h"
#include "../core/host.h"
#include "quic_test.h"

#define TYPE_ALPN	16
#define TYPE_OTHER	0x39

/* A message under construction; @fixed is what the list of extensions starts behind. */
struct hello {
	u8 bytes[768];
	u32 len;
	u32 fixed;
};

static void put(struct hello *h, const void *data, u32 len)
{
	memcpy(h->bytes + h->len, data, len);
	h->len += len;
}

/* Fills in both lengths that depend on what was put last. */
static void finish(struct hello *h)
{
	u32 body = h->len - 4, extensions = h->len - h->fixed - 2;

	h->bytes[1] = body >> 16;
	h->bytes[2] = body >> 8;
	h->bytes[3] = body;
	h->bytes[h->fixed] = extensions >> 8;
	h->bytes[h->fixed + 1] = extensions;
}

static void begin(struct hello *h)
{
	static const u8 rest[] = { 0, 0, 2, 0x13, 0x01, 1, 0 };	/* no session ID, one suite */
	static const u8 zero[34];

	memset(h, 0, sizeof(*h));
	put(h, "\x01\0\0\0", 4);
	put(h, zero, sizeof(zero));
	put(h, rest, sizeof(rest));
	h->fixed = h->len;
	put(h, "\0\0", 2);
	finish(h);
}

static void add_extension(struct hello *h, u16 type, const void *body, u32 len)
{
	u8 header[4] = { type >> 8, type, len >> 8, len };

	put(h, header, sizeof(header));
	put(h, body, len);
	finish(h);
}

#define ADD_EXTENSION(h, type, text)	add_extension(h, type, text, sizeof(text) - 1)

/* Gives bytes [@from, @to) in a packet of their own. */
static int give(struct quic_client_hello *ch, const struct hello *h, u32 from, u32 to)
{
	struct quic_writer w;
	static u8 wire[1024];

	quic_writer_init(&w, wire, sizeof(wire));
	quic_write_zeroes(&w, 3);	/* PADDING */
	quic_frame_encode_crypto(&w, from, to - from);
	quic_write_bytes(&w, h->bytes + from, to - from);
	quic_write_u8(&w, QUIC_FRAME_PING);
	return quic_client_hello_add_packet(ch, wire, quic_writer_used(&w));
}

/* What the whole message in one packet leads to. */
static int whole(const struct hello *h, char *names)
{
	struct quic_client_hello ch;
	const u8 *alpn;
	u32 len;
	int err;

	quic_client_hello_init(&ch);
	err = give(&ch, h, 0, h->len) ?: quic_client_hello_find_alpn(&ch, &alpn, &len);
	if (!err && names) {
		memcpy(names, alpn, len);
		names[len] = 0;
	}
	quic_client_hello_destroy(&ch);
	return err;
}

static void names_are_found(struct kunit *test)
{
	char names[QUIC_CLIENT_HELLO_ALPN_MAX + 1];
	struct hello h;

	begin(&h);
	KUNIT_EXPECT_EQ(test, whole(&h, names), 0);
	KUNIT_EXPECT_STREQ(test, names, "");
	ADD_EXTENSION(&h, TYPE_OTHER, "parameters");
	ADD_EXTENSION(&h, TYPE_ALPN, "\x00\x07\x02h3\x03smb");
	ADD_EXTENSION(&h, 0, "");
	KUNIT_EXPECT_EQ(test, whole(&h, names), 0);
	KUNIT_EXPECT_STREQ(test, names, "\x02h3\x03smb");
	/* What follows the message does not count. */
	put(&h, "more", 4);
	KUNIT_EXPECT_EQ(test, whole(&h, names), 0);
	KUNIT_EXPECT_STREQ(test, names, "\x02h3\x03smb");
}

static void every_split_and_order_works(struct kunit *test)
{
	struct quic_client_hello ch;
	const u8 *alpn;
	struct hello h;
	u32 at, len;

	begin(&h);
	ADD_EXTENSION(&h, TYPE_ALPN, "\x00\x03\x02h3");
	for (at = 1; at < h.len; at++) {
		quic_client_hello_init(&ch);
		KUNIT_EXPECT_EQ(test, give(&ch, &h, at, h.len), 0);
		KUNIT_EXPECT_EQ(test, quic_client_hello_find_alpn(&ch, &alpn, &len), -EAGAIN);
		KUNIT_EXPECT_EQ(test, give(&ch, &h, 0, at), 0);
		KUNIT_ASSERT_EQ(test, quic_client_hello_find_alpn(&ch, &alpn, &len), 0);
		KUNIT_EXPECT_EQ(test, len, 3);
		KUNIT_EXPECT_EQ(test, memcmp(alpn, "\x02h3", 3), 0);
		quic_client_hello_destroy(&ch);
	}
}

static void every_cut_waits(struct kunit *test)
{
	struct quic_client_hello ch;
	const u8 *alpn;
	struct hello h;
	u32 at, len;

	begin(&h);
	ADD_EXTENSION(&h, TYPE_ALPN, "\x00\x03\x02h3");
	quic_client_hello_init(&ch);
	for (at = 0; at < h.len; at++) {
		KUNIT_EXPECT_EQ(test, quic_client_hello_find_alpn(&ch, &alpn, &len), -EAGAIN);
		KUNIT_EXPECT_EQ(test, give(&ch, &h, at, at + 1), 0);
	}
	KUNIT_EXPECT_EQ(test, quic_client_hello_find_alpn(&ch, &alpn, &len), 0);
	quic_client_hello_destroy(&ch);
}

/* One rule each; the offset is from the start of the message. */
static void broken_rules_are_refused(struct kunit *test)
{
	static const struct {
		const char *what;
		u32 offset;
		u8 value;
	} cases[] = {
		{ "another message", 0, 2 },
		{ "longer than the bound", 1, 1 },
		{ "a byte too few", 3, 1 },
		{ "session ID past the end", 38, 255 },
		{ "session ID", 38, 2 },
		{ "no suites", 40, 0 },
		{ "odd suites", 40, 1 },
		{ "no compression", 43, 0 },
		{ "extensions past the end", 46, 200 },
		{ "extensions end before", 46, 1 },
		{ "extension past the end", 50, 99 },
		{ "list past the end", 52, 4 },
		{ "list ends before", 52, 2 },
		{ "name past the end", 53, 3 },
		{ "empty name", 53, 0 },
		{ "empty list", 52, 0 },
	};
	struct hello h;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(&h);
		ADD_EXTENSION(&h, TYPE_ALPN, "\x00\x03\x02h3");
		h.bytes[cases[i].offset] = cases[i].value;
		if (whole(&h, NULL) != -EBADMSG)
			KUNIT_FAIL(test, "%s: %d", cases[i].what, whole(&h, NULL));
	}
	begin(&h);
	ADD_EXTENSION(&h, TYPE_ALPN, "\x00\x03\x02h3");
	ADD_EXTENSION(&h, TYPE_ALPN, "\x00\x03\x02h3");
	KUNIT_EXPECT_EQ(test, whole(&h, NULL), -EBADMSG);
}

static void bounds_hold(struct kunit *test)
{
	u8 list[2 + QUIC_CLIENT_HELLO_ALPN_MAX + 1] = {};
	struct quic_client_hello ch;
	struct hello h;
	u32 i;

	begin(&h);
	list[1] = QUIC_CLIENT_HELLO_ALPN_MAX;
	list[2] = QUIC_CLIENT_HELLO_ALPN_MAX - 1;
	add_extension(&h, TYPE_ALPN, list, sizeof(list) - 1);
	KUNIT_EXPECT_EQ(test, whole(&h, NULL), 0);
	begin(&h);
	list[1]++;
	list[2]++;
	add_extension(&h, TYPE_ALPN, list, sizeof(list));
	KUNIT_EXPECT_EQ(test, whole(&h, NULL), -EBADMSG);

	begin(&h);
	for (i = 0; i < QUIC_CLIENT_HELLO_EXTENSIONS; i++)
		add_extension(&h, TYPE_OTHER + i, "", 0);
	KUNIT_EXPECT_EQ(test, whole(&h, NULL), 0);
	add_extension(&h, 1, "", 0);
	KUNIT_EXPECT_EQ(test, whole(&h, NULL), -EBADMSG);

	quic_client_hello_init(&ch);
	for (i = 0; i < QUIC_CLIENT_HELLO_HOLES; i++)
		KUNIT_EXPECT_EQ(test, give(&ch, &h, 2 * i + 1, 2 * i + 2), 0);
	KUNIT_EXPECT_EQ(test, give(&ch, &h, 2 * i + 1, 2 * i + 2), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, ch.got.count, QUIC_CLIENT_HELLO_HOLES);
	quic_client_hello_destroy(&ch);
}

static void other_frames_are_refused(struct kunit *test)
{
	static const u8 stream[] = { QUIC_FRAME_STREAM, 0, 'x' };
	static const u8 cut[] = { QUIC_FRAME_CRYPTO, 0 };
	struct quic_client_hello ch;

	quic_client_hello_init(&ch);
	KUNIT_EXPECT_EQ(test, quic_client_hello_add_packet(&ch, stream, sizeof(stream)),
			-EBADMSG);
	KUNIT_EXPECT_EQ(test, quic_client_hello_add_packet(&ch, cut, sizeof(cut)), -EBADMSG);
	quic_client_hello_destroy(&ch);
}

/* RFC 9002, section 6.2.4: what a client sends that has nothing to send again. */
static void probe_without_data_is_noticed(struct kunit *test)
{
	static const u8 mixed[] = { QUIC_FRAME_PING, QUIC_FRAME_CRYPTO, 9, 1, 'x', QUIC_FRAME_PING };
	static const u8 padding[] = { QUIC_FRAME_PADDING, QUIC_FRAME_PADDING };
	static const u8 probe[] = { QUIC_FRAME_PING, QUIC_FRAME_PADDING };
	struct quic_client_hello ch;

	quic_client_hello_init(&ch);
	KUNIT_EXPECT_EQ(test, quic_client_hello_add_packet(&ch, mixed, sizeof(mixed)), 0);
	KUNIT_EXPECT_EQ(test, quic_client_hello_add_packet(&ch, padding, sizeof(padding)), 0);
	KUNIT_EXPECT_FALSE(test, ch.is_probed);
	KUNIT_EXPECT_EQ(test, quic_client_hello_add_packet(&ch, probe, sizeof(probe)), 0);
	KUNIT_EXPECT_TRUE(test, ch.is_probed);
	quic_client_hello_destroy(&ch);
}

static void no_memory_is_reported(struct kunit *test)
{
	struct quic_client_hello ch;
	struct hello h;

	begin(&h);
	quic_client_hello_init(&ch);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "memory cannot be made to fail here");
	KUNIT_EXPECT_EQ(test, give(&ch, &h, 0, h.len), -ENOMEM);
	KUNIT_EXPECT_EQ(test, give(&ch, &h, 0, h.len), 0);
	quic_client_hello_destroy(&ch);
}

static struct kunit_case client_hello_cases[] = {
	KUNIT_CASE(names_are_found),
	KUNIT_CASE(every_split_and_order_works),
	KUNIT_CASE(every_cut_waits),
	KUNIT_CASE(broken_rules_are_refused),
	KUNIT_CASE(bounds_hold),
	KUNIT_CASE(other_frames_are_refused),
	KUNIT_CASE(probe_without_data_is_noticed),
	KUNIT_CASE(no_memory_is_reported),
	{}
};

static struct kunit_suite client_hello_suite = {
	.name = "quic_client_hello",
	.test_cases = client_hello_cases,
};

kunit_test_suite(client_hello_suite);
