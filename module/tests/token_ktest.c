// SPDX-License-Identifier: GPL-2.0-or-later
/* Address tokens: what each is good for, and how long. RFC 9000, section 8.1. */
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/slab.h>
#include <uapi/linux/quic.h>

#include "../token.h"

#define SECOND	((u64)NSEC_PER_SEC)
#define NOW	(1000 * SECOND)

static const u8 secret[32] = { 1, 2, 3 };
static const u8 other_secret[32] = { 1, 2, 4 };

static union quic_addr v4(u32 addr, u16 port)
{
	union quic_addr made = {
		.v4 = { .sin_family = AF_INET, .sin_port = htons(port),
			.sin_addr.s_addr = htonl(addr) },
	};

	return made;
}

static union quic_addr v6(u8 last, u16 port)
{
	union quic_addr made = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };

	made.v6.sin6_addr.s6_addr[0] = 0xfd;
	made.v6.sin6_addr.s6_addr[15] = last;
	return made;
}

static const struct quic_token_info regular = {
	.kind = QUIC_TOKEN_REGULAR, .version = QUIC_VERSION_V1,
};

static const struct quic_token_info retry = {
	.kind = QUIC_TOKEN_RETRY, .version = QUIC_VERSION_V2,
	.original = { .len = 20, .data = "the very first one.." },
	.retry = { .len = 8, .data = "the next" },
};

/* A token in memory that ciphers can work on; the length to *@len. */
static u8 *sealed(struct kunit *test, struct quic_tokens *tokens,
		  const struct quic_token_info *info, union quic_addr peer, int *len)
{
	u8 *token = kunit_kzalloc(test, QUIC_TOKEN_SEALED_MAX, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, token);
	*len = quic_tokens_seal(tokens, info, &peer, NOW, token);
	KUNIT_ASSERT_GT(test, *len, 0);
	KUNIT_ASSERT_LE(test, *len, QUIC_TOKEN_SEALED_MAX);
	return token;
}

static int opened(struct quic_tokens *tokens, const u8 *token, u32 len, union quic_addr peer,
		  u32 version, u64 now)
{
	struct quic_token_info info;

	return quic_tokens_open(tokens, token, len, &peer, version, now, &info);
}

static struct quic_tokens *made(struct kunit *test, const u8 *from)
{
	struct quic_tokens *tokens = quic_tokens_create(from, 32);

	KUNIT_ASSERT_FALSE(test, IS_ERR(tokens));
	return tokens;
}

/* RFC 9000, sections 8.1.1 #1 and 8.1.2. */
static void retry_token_brings_the_ids_back(struct kunit *test)
{
	struct quic_tokens *tokens = made(test, secret);
	union quic_addr peer = v4(0x7f000001, 4000);
	struct quic_token_info info;
	u8 *token;
	int len;

	token = sealed(test, tokens, &retry, peer, &len);
	KUNIT_EXPECT_EQ(test, len, 61 + 20 + 1 + 8);
	KUNIT_EXPECT_EQ(test, token[0], QUIC_TOKEN_RETRY);
	KUNIT_ASSERT_EQ(test, quic_tokens_open(tokens, token, len, &peer, QUIC_VERSION_V2, NOW,
					       &info), 0);
	KUNIT_EXPECT_EQ(test, info.kind, QUIC_TOKEN_RETRY);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&info.original, &retry.original));
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&info.retry, &retry.retry));
	/* It may come again: the client repeats it in each packet. */
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW), 0);
	quic_tokens_put(tokens);
}

/* RFC 9000, sections 8.1.3 and 8.1.4 #3; RFC 9369, sections 4.1 #2 and 5 #2. */
static void token_belongs_to_an_address_and_a_version(struct kunit *test)
{
	struct quic_tokens *tokens = made(test, secret);
	union quic_addr peer = v4(0x7f000001, 4000);
	u8 *token;
	int len;

	token = sealed(test, tokens, &retry, peer, &len);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, v4(0x7f000002, 4000), QUIC_VERSION_V2,
				     NOW), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, v4(0x7f000001, 4001), QUIC_VERSION_V2,
				     NOW), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V1, NOW), -EACCES);

	/* A later connection has another port. */
	token = sealed(test, tokens, &regular, peer, &len);
	KUNIT_EXPECT_EQ(test, len, 61);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, v4(0x7f000002, 4000), QUIC_VERSION_V1,
				     NOW), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, v4(0x7f000001, 5000), QUIC_VERSION_V1,
				     NOW), 0);

	token = sealed(test, tokens, &regular, v6(1, 4000), &len);
	KUNIT_EXPECT_EQ(test, len, 61);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, v6(2, 4000), QUIC_VERSION_V1, NOW),
			-EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, v6(1, 4001), QUIC_VERSION_V1, NOW), 0);
	quic_tokens_put(tokens);
}

/* RFC 9000, section 8.1.4; uapi.md, section 4.10: 3 s and 600 s. */
static void token_expires(struct kunit *test)
{
	struct quic_tokens *tokens = made(test, secret);
	union quic_addr peer = v4(0x7f000001, 4000);
	u8 *token;
	int len;

	token = sealed(test, tokens, &retry, peer, &len);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW + 3 * SECOND),
			0);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2,
				     NOW + 3 * SECOND + 1), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW - 1), -EACCES);

	token = sealed(test, tokens, &regular, peer, &len);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V1,
				     NOW + 600 * SECOND + 1), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V1,
				     NOW + 600 * SECOND), 0);
	quic_tokens_put(tokens);
}

/* RFC 9000, section 8.1.4 #1 #2. */
static void token_is_protected(struct kunit *test)
{
	struct quic_tokens *tokens = made(test, secret), *others = made(test, other_secret);
	union quic_addr peer = v4(0x7f000001, 4000);
	u8 *token, *second;
	int len, i;

	token = sealed(test, tokens, &retry, peer, &len);
	for (i = 0; i < len; i++) {
		token[i] ^= 1;
		KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW),
				-EBADMSG);
		token[i] ^= 1;
	}
	for (i = 0; i < len; i++)
		KUNIT_EXPECT_EQ(test, opened(tokens, token, i, peer, QUIC_VERSION_V2, NOW),
				-EBADMSG);
	KUNIT_EXPECT_EQ(test, opened(others, token, len, peer, QUIC_VERSION_V2, NOW), -EBADMSG);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW), 0);

	/* RFC 9000, section 8.1.3 #3 #4: two for the same client have nothing in common. */
	second = sealed(test, tokens, &retry, peer, &len);
	KUNIT_EXPECT_NE(test, memcmp(token + 1, second + 1, 12), 0);
	KUNIT_EXPECT_NE(test, memcmp(token + 13, second + 13, len - 13), 0);
	quic_tokens_put(others);
	quic_tokens_put(tokens);
}

/* RFC 9000, section 8.1.4 #5. */
static void regular_token_is_good_once(struct kunit *test)
{
	struct quic_tokens *tokens = made(test, secret);
	union quic_addr peer = v4(0x7f000001, 4000);
	u8 *token;
	int len;

	token = sealed(test, tokens, &regular, peer, &len);
	/* What was not accepted is not used up. */
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V2, NOW), -EACCES);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V1, NOW), 0);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V1, NOW), -EALREADY);
	token = sealed(test, tokens, &regular, peer, &len);
	KUNIT_EXPECT_EQ(test, opened(tokens, token, len, peer, QUIC_VERSION_V1, NOW), 0);
	quic_tokens_put(tokens);
}

static struct kunit_case token_cases[] = {
	KUNIT_CASE(retry_token_brings_the_ids_back),
	KUNIT_CASE(token_belongs_to_an_address_and_a_version),
	KUNIT_CASE(token_expires),
	KUNIT_CASE(token_is_protected),
	KUNIT_CASE(regular_token_is_good_once),
	{}
};

static struct kunit_suite token_suite = {
	.name = "quic_token",
	.test_cases = token_cases,
};

kunit_test_suite(token_suite);
