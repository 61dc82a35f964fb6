// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packet and header protection, against whole packets of RFC 9001, appendix A,
 * and RFC 9369, appendix A, and against packets of another implementation.
 */
#include <kunit/test.h>
#include <linux/bottom_half.h>
#include <linux/hex.h>
#include <linux/tls.h>
#include <uapi/linux/quic.h>

#include "../protect.h"
#include "vectors.h"

#define ROOM		2048
#define INITIAL_LEN	1162	/* RFC 9001, appendix A.2: frames and padding */

static const struct quic_cid test_dcid = {
	.len = 8, .data = { 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08 },
};

/**
 * struct packet_case - a packet with all that makes it
 * @secret: traffic secret, or NULL: an Initial packet
 * @server: of an Initial packet: the server sent it
 * @frames: plain text
 * @len:    its length, with padding
 */
struct packet_case {
	const char *name;
	u32 version;
	u16 cipher;
	bool server;
	const char *secret;
	const char *header;
	const char *frames;
	u32 len;
	u64 pn;
	u8 pn_len;
	const char *packet;
};

/* Secrets 00 01 02 ... as the vectors of the ciphers without an RFC vector have them. */
#define SECRET_32	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECRET_48	SECRET_32 "202122232425262728292a2b2c2d2e2f"

static const struct packet_case packet_cases[] = {
	{
		.name = "version 1 client Initial", .version = QUIC_VERSION_V1,
		.header = V1_CLIENT_HEADER, .frames = CLIENT_FRAMES, .len = INITIAL_LEN,
		.pn = 2, .pn_len = 4, .packet = V1_CLIENT_PACKET,
	}, {
		.name = "version 1 server Initial", .version = QUIC_VERSION_V1, .server = true,
		.header = V1_SERVER_HEADER, .frames = SERVER_FRAMES, .len = 99,
		.pn = 1, .pn_len = 2, .packet = V1_SERVER_PACKET,
	}, {
		.name = "version 2 client Initial", .version = QUIC_VERSION_V2,
		.header = V2_CLIENT_HEADER, .frames = CLIENT_FRAMES, .len = INITIAL_LEN,
		.pn = 2, .pn_len = 4, .packet = V2_CLIENT_PACKET,
	}, {
		.name = "version 2 server Initial", .version = QUIC_VERSION_V2, .server = true,
		.header = V2_SERVER_HEADER, .frames = SERVER_FRAMES, .len = 99,
		.pn = 1, .pn_len = 2, .packet = V2_SERVER_PACKET,
	}, {
		.name = "version 1 ChaCha20", .version = QUIC_VERSION_V1,
		.cipher = TLS_CIPHER_CHACHA20_POLY1305, .secret = CHACHA_SECRET,
		.header = "4200bff4", .frames = "01", .len = 1,
		.pn = 654360564, .pn_len = 3, .packet = V1_CHACHA_PACKET,
	}, {
		.name = "version 2 ChaCha20", .version = QUIC_VERSION_V2,
		.cipher = TLS_CIPHER_CHACHA20_POLY1305, .secret = CHACHA_SECRET,
		.header = "4200bff4", .frames = "01", .len = 1,
		.pn = 654360564, .pn_len = 3, .packet = V2_CHACHA_PACKET,
	}, {
		.name = "AES-128-GCM", .version = QUIC_VERSION_V1,
		.cipher = TLS_CIPHER_AES_GCM_128, .secret = SECRET_32,
		.header = OTHER_HEADER, .len = 100,
		.pn = 0x1234abcd, .pn_len = 4, .packet = OTHER_AES_128_GCM,
	}, {
		.name = "AES-256-GCM", .version = QUIC_VERSION_V1,
		.cipher = TLS_CIPHER_AES_GCM_256, .secret = SECRET_48,
		.header = OTHER_HEADER, .len = 100,
		.pn = 0x1234abcd, .pn_len = 4, .packet = OTHER_AES_256_GCM,
	}, {
		.name = "AES-128-CCM", .version = QUIC_VERSION_V1,
		.cipher = TLS_CIPHER_AES_CCM_128, .secret = SECRET_32,
		.header = OTHER_HEADER, .len = 100,
		.pn = 0x1234abcd, .pn_len = 4, .packet = OTHER_AES_128_CCM,
	}, {
		.name = "ChaCha20-Poly1305", .version = QUIC_VERSION_V1,
		.cipher = TLS_CIPHER_CHACHA20_POLY1305, .secret = SECRET_32,
		.header = OTHER_HEADER, .len = 100,
		.pn = 0x1234abcd, .pn_len = 4, .packet = OTHER_CHACHA20,
	},
};

static void packet_name(const struct packet_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(packet, packet_cases, packet_name);

static struct quic_key *case_key(struct kunit *test, const struct packet_case *c)
{
	struct quic_secret secret = { .cipher = c->cipher };
	struct quic_key *key;

	if (!c->secret) {
		KUNIT_ASSERT_EQ(test, quic_keys_initial(c->version, &test_dcid, c->server, &key,
							NULL), 0);
		return key;
	}
	secret.len = strlen(c->secret) / 2;
	KUNIT_ASSERT_LE(test, (size_t)secret.len, sizeof(secret.data));
	KUNIT_ASSERT_EQ(test, hex2bin(secret.data, c->secret, secret.len), 0);
	key = quic_key_create(c->version, &secret);
	KUNIT_ASSERT_FALSE(test, IS_ERR(key));
	return key;
}

/* Writes header and frames, returns the header's length. */
static u32 case_plain(struct kunit *test, const struct packet_case *c, u8 *packet)
{
	u32 hdr_len = strlen(c->header) / 2;
	u32 i;

	memset(packet, 0, ROOM);
	KUNIT_ASSERT_EQ(test, hex2bin(packet, c->header, hdr_len), 0);
	if (c->frames) {
		KUNIT_ASSERT_EQ(test, hex2bin(packet + hdr_len, c->frames,
					      strlen(c->frames) / 2), 0);
		return hdr_len;
	}
	for (i = 0; i < c->len; i++)
		packet[hdr_len + i] = 3 + 7 * i;
	return hdr_len;
}

static void case_wire(struct kunit *test, const struct packet_case *c, u32 hdr_len, u8 *packet)
{
	KUNIT_ASSERT_EQ(test, strlen(c->packet) / 2, (size_t)hdr_len + c->len + QUIC_TAG_LEN);
	KUNIT_ASSERT_EQ(test, hex2bin(packet, c->packet, strlen(c->packet) / 2), 0);
}

static u8 *buffer(struct kunit *test)
{
	u8 *memory = kunit_kzalloc(test, ROOM, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, memory);
	return memory;
}

static void seal_gives_the_packet(struct kunit *test)
{
	const struct packet_case *c = test->param_value;
	u8 *packet = buffer(test), *want = buffer(test);
	struct quic_key *key = case_key(test, c);
	u32 hdr_len = case_plain(test, c, packet);
	struct quic_mask mask = { packet, packet + hdr_len - c->pn_len };

	case_wire(test, c, hdr_len, want);
	local_bh_disable();
	KUNIT_EXPECT_EQ(test, quic_protect_seal(key, packet, hdr_len, packet + hdr_len, c->len,
						c->pn), 0);
	quic_protect_mask(key, &mask, 1);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, memcmp(packet, want, hdr_len + c->len + QUIC_TAG_LEN), 0);
	quic_key_free(key);
}

static void seal_out_of_place_gives_the_packet(struct kunit *test)
{
	const struct packet_case *c = test->param_value;
	u8 *packet = buffer(test), *plain = buffer(test), *want = buffer(test);
	struct quic_key *key = case_key(test, c);
	u32 hdr_len = case_plain(test, c, plain);
	struct quic_mask mask = { packet, packet + hdr_len - c->pn_len };
	u8 *before = buffer(test);

	memcpy(before, plain, ROOM);
	memcpy(packet, plain, hdr_len);
	case_wire(test, c, hdr_len, want);
	local_bh_disable();
	KUNIT_EXPECT_EQ(test, quic_protect_seal(key, packet, hdr_len, plain + hdr_len, c->len,
						c->pn), 0);
	quic_protect_mask(key, &mask, 1);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, memcmp(packet, want, hdr_len + c->len + QUIC_TAG_LEN), 0);
	/* It is needed for a retransmission. */
	KUNIT_EXPECT_EQ(test, memcmp(plain, before, ROOM), 0);
	quic_key_free(key);
}

static void open_gives_the_frames(struct kunit *test)
{
	const struct packet_case *c = test->param_value;
	u8 *packet = buffer(test), *want = buffer(test);
	struct quic_key *key = case_key(test, c);
	u32 hdr_len = case_plain(test, c, want);
	struct quic_mask mask = { packet, packet + hdr_len - c->pn_len };

	case_wire(test, c, hdr_len, packet);
	local_bh_disable();
	quic_protect_unmask(key, &mask, 1);
	KUNIT_EXPECT_EQ(test, memcmp(packet, want, hdr_len), 0);
	KUNIT_EXPECT_EQ(test, quic_protect_open(key, packet, hdr_len, c->len + QUIC_TAG_LEN,
						c->pn), 0);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, memcmp(packet, want, hdr_len + c->len), 0);
	quic_key_free(key);
}

/* A changed bit anywhere, or another number, and nothing authenticates. RFC 9001, section 5.3. */
static void open_notices_every_byte(struct kunit *test)
{
	const struct packet_case *c = test->param_value;
	u8 *packet = buffer(test), *wire = buffer(test);
	struct quic_key *key = case_key(test, c);
	u32 hdr_len = case_plain(test, c, packet);
	u32 len = hdr_len + c->len + QUIC_TAG_LEN;
	struct quic_mask mask = { wire, wire + hdr_len - c->pn_len };
	u32 step = len > 200 ? 37 : 1;
	u32 i, unnoticed = 0;
	int err;

	case_wire(test, c, hdr_len, wire);
	local_bh_disable();
	quic_protect_unmask(key, &mask, 1);
	for (i = 0; i < len; i += step) {
		memcpy(packet, wire, len);
		packet[i] ^= 1 << (i % 8);
		err = quic_protect_open(key, packet, hdr_len, len - hdr_len, c->pn);
		if (err != -EBADMSG)
			unnoticed++;
	}
	memcpy(packet, wire, len);
	err = quic_protect_open(key, packet, hdr_len, len - hdr_len, c->pn + 1);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, unnoticed, 0);
	KUNIT_EXPECT_EQ(test, err, -EBADMSG);
	quic_key_free(key);
}

/* RFC 9001, section 5.3: packets shorter than a tag are not packets. */
static void open_refuses_less_than_a_tag(struct kunit *test)
{
	struct quic_key *key = case_key(test, &packet_cases[0]);
	u8 *packet = buffer(test);
	u32 len;

	local_bh_disable();
	for (len = 0; len < QUIC_TAG_LEN; len++)
		KUNIT_EXPECT_EQ(test, quic_protect_open(key, packet, 13, len, 0), -EBADMSG);
	local_bh_enable();
	quic_key_free(key);
}

/* All of a packet number goes into the nonce, up to the last one. RFC 9001, section 5.3. */
static void sizes_and_numbers_round_trip(struct kunit *test)
{
	static const u64 numbers[] = { 0, 1, 1ULL << 32, QUIC_PN_MAX };
	const struct packet_case *c = test->param_value;
	u8 *packet = buffer(test), *plain = buffer(test);
	struct quic_key *key = case_key(test, c);
	u32 wrong = 0;
	u32 len, i;

	memset(plain, 0x5a, ROOM);
	local_bh_disable();
	for (len = 0; len < 1500; len += 1 + len / 5) {
		for (i = 0; i < ARRAY_SIZE(numbers); i++) {
			memcpy(packet, plain, ROOM);
			if (quic_protect_seal(key, packet, 13, packet + 13, len, numbers[i]) ||
			    (len > 8 && !memcmp(packet + 13, plain, len)) ||
			    quic_protect_open(key, packet, 13, len + QUIC_TAG_LEN, numbers[i]) ||
			    memcmp(packet, plain, 13 + len) ||
			    memcmp(packet + 13 + len + QUIC_TAG_LEN, plain,
				   ROOM - 13 - len - QUIC_TAG_LEN))
				wrong++;
		}
	}
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, wrong, 0);
	quic_key_free(key);
}

/*
 * RFC 9001, section 5.4.1: the length is read from the byte that is still, or
 * again, in the clear.
 */
static void burst_is_masked_and_unmasked(struct kunit *test)
{
	const struct packet_case *c = test->param_value;
	struct quic_key *key = case_key(test, c);
	u8 *wire = buffer(test), *plain = buffer(test), *single = buffer(test);
	struct quic_mask mask[16], one;
	u32 i;

	for (i = 0; i < ROOM; i++)
		plain[i] = i * 31;
	for (i = 0; i < ARRAY_SIZE(mask); i++) {
		mask[i].first = wire + i * 64;
		mask[i].pn = mask[i].first + 1 + i;
		plain[i * 64] = (i & 1 ? 0xc0 : 0x40) | (i >> 1 & 3);
	}
	memcpy(wire, plain, ROOM);
	memcpy(single, plain, ROOM);
	local_bh_disable();
	quic_protect_mask(key, mask, ARRAY_SIZE(mask));
	/* Samples are encrypted by another driver when there are many. */
	for (i = 0; i < ARRAY_SIZE(mask); i++) {
		one.first = single + (mask[i].first - wire);
		one.pn = single + (mask[i].pn - wire);
		quic_protect_mask(key, &one, 1);
	}
	KUNIT_EXPECT_EQ(test, memcmp(wire, single, ROOM), 0);
	for (i = 0; i < ARRAY_SIZE(mask); i++) {
		u32 at = i * 64 + 1 + i, pn_len = (i >> 1 & 3) + 1;

		/* The form, and what is not the number, stay as they were. */
		KUNIT_EXPECT_EQ(test, (wire[i * 64] ^ plain[i * 64]) & (i & 1 ? 0xf0 : 0xe0), 0);
		KUNIT_EXPECT_EQ(test, memcmp(wire + at + pn_len, plain + at + pn_len,
					     62 - i - pn_len), 0);
	}
	KUNIT_EXPECT_NE(test, memcmp(wire, plain, ROOM), 0);
	quic_protect_unmask(key, mask, ARRAY_SIZE(mask));
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, memcmp(wire, plain, ROOM), 0);
	quic_key_free(key);
}

static struct kunit_case protect_cases[] = {
	KUNIT_CASE_PARAM(seal_gives_the_packet, packet_gen_params),
	KUNIT_CASE_PARAM(seal_out_of_place_gives_the_packet, packet_gen_params),
	KUNIT_CASE_PARAM(open_gives_the_frames, packet_gen_params),
	KUNIT_CASE_PARAM(open_notices_every_byte, packet_gen_params),
	KUNIT_CASE(open_refuses_less_than_a_tag),
	KUNIT_CASE_PARAM(sizes_and_numbers_round_trip, packet_gen_params),
	KUNIT_CASE_PARAM(burst_is_masked_and_unmasked, packet_gen_params),
	{}
};

static struct kunit_suite protect_suite = {
	.name = "quic_protect",
	.test_cases = protect_cases,
};

kunit_test_suite(protect_suite);
