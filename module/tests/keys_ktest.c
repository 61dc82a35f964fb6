// SPDX-License-Identifier: GPL-2.0-or-later
/* The key schedule. RFC 9001, appendix A; RFC 9369, appendix A; RFC 4231. */
#include <crypto/sha2.h>
#include <kunit/test.h>
#include <linux/bottom_half.h>
#include <linux/hex.h>
#include <linux/tls.h>
#include <uapi/linux/quic.h>

#include "../protect.h"
#include "vectors.h"

/* RFC 4231, section 4.3. */
#define HMAC_JEFE	"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

struct schedule_case {
	const char *name;
	u32 version;
	const char *initial, *client, *server;
	const char *label_key, *label_iv, *label_hp;
	const char *key[2], *iv[2], *hp[2];
	const char *chacha_iv, *chacha_hp, *chacha_ku;
	const char *retry;
};

static const struct schedule_case schedule_cases[] = {
	{
		.name = "version 1", .version = QUIC_VERSION_V1,
		.initial = V1_INITIAL_SECRET, .client = V1_CLIENT_SECRET,
		.server = V1_SERVER_SECRET,
		.label_key = "quic key", .label_iv = "quic iv", .label_hp = "quic hp",
		.key = { V1_CLIENT_KEY, V1_SERVER_KEY }, .iv = { V1_CLIENT_IV, V1_SERVER_IV },
		.hp = { V1_CLIENT_HP, V1_SERVER_HP },
		.chacha_iv = V1_CHACHA_IV, .chacha_hp = V1_CHACHA_HP, .chacha_ku = V1_CHACHA_KU,
		.retry = V1_RETRY_PACKET,
	}, {
		.name = "version 2", .version = QUIC_VERSION_V2,
		.initial = V2_INITIAL_SECRET, .client = V2_CLIENT_SECRET,
		.server = V2_SERVER_SECRET,
		.label_key = "quicv2 key", .label_iv = "quicv2 iv", .label_hp = "quicv2 hp",
		.key = { V2_CLIENT_KEY, V2_SERVER_KEY }, .iv = { V2_CLIENT_IV, V2_SERVER_IV },
		.hp = { V2_CLIENT_HP, V2_SERVER_HP },
		.chacha_iv = V2_CHACHA_IV, .chacha_hp = V2_CHACHA_HP, .chacha_ku = V2_CHACHA_KU,
		.retry = V2_RETRY_PACKET,
	},
};

static void schedule_name(const struct schedule_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(schedule, schedule_cases, schedule_name);

static const struct quic_cid test_dcid = {
	.len = 8, .data = { 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08 },
};

/* Is @data the bytes that @hex spells? */
static bool is_hex(const u8 *data, const char *hex)
{
	size_t len = strlen(hex) / 2;
	u8 want[64];

	return len <= sizeof(want) && !hex2bin(want, hex, len) && !memcmp(data, want, len);
}

static void expect_expand(struct kunit *test, const char *secret, const char *label,
			  const char *want)
{
	u8 in[SHA256_DIGEST_SIZE], out[64];

	KUNIT_ASSERT_EQ(test, hex2bin(in, secret, sizeof(in)), 0);
	KUNIT_ASSERT_EQ(test, quic_hkdf_expand_label(TLS_CIPHER_AES_GCM_128, in, sizeof(in), label,
						     out, strlen(want) / 2), 0);
	KUNIT_EXPECT_TRUE_MSG(test, is_hex(out, want), "%s", label);
}

/* RFC 9001, section 5.1; RFC 9369, section 3.3.2. */
static void expand_label_follows_the_rfc(struct kunit *test)
{
	const struct schedule_case *c = test->param_value;

	expect_expand(test, c->initial, "client in", c->client);
	expect_expand(test, c->initial, "server in", c->server);
	expect_expand(test, c->client, c->label_key, c->key[0]);
	expect_expand(test, c->client, c->label_iv, c->iv[0]);
	expect_expand(test, c->client, c->label_hp, c->hp[0]);
	expect_expand(test, c->server, c->label_key, c->key[1]);
	expect_expand(test, c->server, c->label_iv, c->iv[1]);
	expect_expand(test, c->server, c->label_hp, c->hp[1]);
}

/* More than one block of the hash: the second is chained to the first. RFC 5869, section 2.3. */
static void expand_label_spans_blocks(struct kunit *test)
{
	u8 secret[SHA256_DIGEST_SIZE] = { 1 }, out[80], again[80];

	KUNIT_ASSERT_EQ(test, quic_hkdf_expand_label(TLS_CIPHER_AES_GCM_128, secret, sizeof(secret),
						     "test", out, sizeof(out)), 0);
	KUNIT_EXPECT_NE(test, memcmp(out, out + 32, 32), 0);
	KUNIT_EXPECT_NE(test, memcmp(out + 32, out + 64, 16), 0);
	KUNIT_ASSERT_EQ(test, quic_hkdf_expand_label(TLS_CIPHER_AES_GCM_128, secret, sizeof(secret),
						     "test", again, sizeof(again)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(out, again, sizeof(out)), 0);
}

/* RFC 9001, section 5.2: each side sends with the key that the other receives with. */
static void initial_keys_follow_the_role(struct kunit *test)
{
	const struct schedule_case *c = test->param_value;
	struct quic_key *tx, *rx;

	KUNIT_ASSERT_EQ(test, quic_keys_initial(c->version, &test_dcid, false, &tx, &rx), 0);
	KUNIT_EXPECT_TRUE(test, is_hex(tx->iv, c->iv[0]));
	KUNIT_EXPECT_TRUE(test, is_hex(rx->iv, c->iv[1]));
	quic_key_free(tx);
	quic_key_free(rx);

	KUNIT_ASSERT_EQ(test, quic_keys_initial(c->version, &test_dcid, true, &tx, &rx), 0);
	KUNIT_EXPECT_TRUE(test, is_hex(tx->iv, c->iv[1]));
	KUNIT_EXPECT_TRUE(test, is_hex(rx->iv, c->iv[0]));
	quic_key_free(tx);
	quic_key_free(rx);
}

static void initial_keys_one_direction(struct kunit *test)
{
	struct quic_key *tx = NULL;

	KUNIT_ASSERT_EQ(test, quic_keys_initial(QUIC_VERSION_V1, &test_dcid, true, &tx, NULL), 0);
	KUNIT_EXPECT_TRUE(test, is_hex(tx->iv, V1_SERVER_IV));
	quic_key_free(tx);
}

static void chacha_secret(struct kunit *test, struct quic_secret *secret)
{
	memset(secret, 0, sizeof(*secret));
	secret->cipher = TLS_CIPHER_CHACHA20_POLY1305;
	secret->len = 32;
	KUNIT_ASSERT_EQ(test, hex2bin(secret->data, CHACHA_SECRET, 32), 0);
}

/* What header protection makes of a packet of zeroes. */
static void mask_zeroes(struct quic_key *key, u8 *wire, u32 len)
{
	struct quic_mask mask = { .first = wire, .pn = wire + 1 };

	memset(wire, 0, len);
	local_bh_disable();
	quic_protect_mask(key, &mask, 1);
	local_bh_enable();
}

/* RFC 9001, section 6.1: secret, key and IV change, header protection stays. */
static void key_update_keeps_header_protection(struct kunit *test)
{
	const struct schedule_case *c = test->param_value;
	u8 hp[32], before[32], after[32];
	struct quic_key *key, *next;
	struct quic_secret secret;

	chacha_secret(test, &secret);
	KUNIT_ASSERT_EQ(test, quic_hkdf_expand_label(secret.cipher, secret.data, secret.len,
						     c->label_hp, hp, sizeof(hp)), 0);
	KUNIT_EXPECT_TRUE(test, is_hex(hp, c->chacha_hp));
	key = quic_key_create(c->version, &secret);
	KUNIT_ASSERT_FALSE(test, IS_ERR(key));
	KUNIT_EXPECT_TRUE(test, is_hex(key->iv, c->chacha_iv));
	mask_zeroes(key, before, sizeof(before));

	next = quic_key_update(c->version, &secret, key);
	KUNIT_ASSERT_FALSE(test, IS_ERR(next));
	KUNIT_EXPECT_TRUE(test, is_hex(secret.data, c->chacha_ku));
	KUNIT_EXPECT_PTR_EQ(test, next->hp, key->hp);
	KUNIT_EXPECT_FALSE(test, is_hex(next->iv, c->chacha_iv));

	/* The older key may go first. */
	quic_key_free(key);
	mask_zeroes(next, after, sizeof(after));
	KUNIT_EXPECT_MEMEQ(test, after, before, sizeof(before));
	quic_key_free(next);
}

/* RFC 9001, section 5.8; RFC 9369, section 3.3.3. */
static void retry_tag_follows_the_rfc(struct kunit *test)
{
	const struct schedule_case *c = test->param_value;
	size_t len = strlen(c->retry) / 2;
	struct quic_cid original = test_dcid;
	u8 packet[64], tag[QUIC_TAG_LEN];

	KUNIT_ASSERT_LE(test, len, sizeof(packet));
	KUNIT_ASSERT_EQ(test, hex2bin(packet, c->retry, len), 0);
	len -= QUIC_TAG_LEN;
	KUNIT_ASSERT_EQ(test, quic_retry_tag(c->version, &original, packet, len, tag), 0);
	KUNIT_EXPECT_EQ(test, memcmp(tag, packet + len, QUIC_TAG_LEN), 0);

	/* Another original ID, another tag. */
	original.data[0] ^= 1;
	KUNIT_ASSERT_EQ(test, quic_retry_tag(c->version, &original, packet, len, tag), 0);
	KUNIT_EXPECT_NE(test, memcmp(tag, packet + len, QUIC_TAG_LEN), 0);
}

/* RFC 4231, section 4.3. */
static void hmac_follows_the_rfc(struct kunit *test)
{
	static const char data[] = "what do ya want for nothing?";
	u8 mac[QUIC_HMAC_LEN];

	KUNIT_ASSERT_EQ(test, quic_hmac_sha256("Jefe", 4, data, strlen(data), mac), 0);
	KUNIT_EXPECT_TRUE(test, is_hex(mac, HMAC_JEFE));
}

static void cipher_table(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, quic_cipher_secret_len(TLS_CIPHER_AES_GCM_128), 32);
	KUNIT_EXPECT_EQ(test, quic_cipher_secret_len(TLS_CIPHER_AES_GCM_256), 48);
	KUNIT_EXPECT_EQ(test, quic_cipher_secret_len(TLS_CIPHER_AES_CCM_128), 32);
	KUNIT_EXPECT_EQ(test, quic_cipher_secret_len(TLS_CIPHER_CHACHA20_POLY1305), 32);
	KUNIT_EXPECT_EQ(test, quic_cipher_secret_len(0), 0);
	KUNIT_EXPECT_FALSE(test, quic_cipher_is_supported(0));
	KUNIT_EXPECT_FALSE(test, quic_cipher_is_supported(TLS_CIPHER_AES_GCM_128 | 0x10000));
}

static void secret_of_wrong_length_is_refused(struct kunit *test)
{
	struct quic_secret secret = { .cipher = TLS_CIPHER_AES_GCM_256, .len = 32 };
	struct quic_key *key;

	key = quic_key_create(QUIC_VERSION_V1, &secret);
	KUNIT_EXPECT_PTR_EQ(test, key, ERR_PTR(-EINVAL));
	secret.cipher = 1;
	key = quic_key_create(QUIC_VERSION_V1, &secret);
	KUNIT_EXPECT_PTR_EQ(test, key, ERR_PTR(-EINVAL));
}

static void free_takes_null(struct kunit *test)
{
	quic_key_free(NULL);
}

static struct kunit_case keys_cases[] = {
	KUNIT_CASE_PARAM(expand_label_follows_the_rfc, schedule_gen_params),
	KUNIT_CASE(expand_label_spans_blocks),
	KUNIT_CASE_PARAM(initial_keys_follow_the_role, schedule_gen_params),
	KUNIT_CASE(initial_keys_one_direction),
	KUNIT_CASE_PARAM(key_update_keeps_header_protection, schedule_gen_params),
	KUNIT_CASE_PARAM(retry_tag_follows_the_rfc, schedule_gen_params),
	KUNIT_CASE(hmac_follows_the_rfc),
	KUNIT_CASE(cipher_table),
	KUNIT_CASE(secret_of_wrong_length_is_refused),
	KUNIT_CASE(free_takes_null),
	{}
};

static struct kunit_suite keys_suite = {
	.name = "quic_keys",
	.test_cases = keys_cases,
};

kunit_test_suite(keys_suite);
