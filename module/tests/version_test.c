// SPDX-License-Identifier: GPL-2.0-or-later
/* Versions and lists of them. RFC 9000, sections 6.3 and 15; RFC 9368, section 2.1. */
#include <uapi/linux/quic.h>

#include "../core/version.h"
#include "quic_test.h"

/* RFC 9000, section 15; RFC 9369, section 3.1. */
static void two_versions_are_spoken(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, quic_version_is_supported(QUIC_VERSION_V1));
	KUNIT_EXPECT_TRUE(test, quic_version_is_supported(QUIC_VERSION_V2));
	KUNIT_EXPECT_FALSE(test, quic_version_is_supported(0));
	KUNIT_EXPECT_FALSE(test, quic_version_is_supported(2));
	KUNIT_EXPECT_FALSE(test, quic_version_is_supported(0x0a0a0a0a));
	KUNIT_EXPECT_TRUE(test, quic_version_is_supported(quic_version_best()));
}

/* RFC 9000, sections 6.3 and 15. */
static void reserved_versions_have_their_pattern(struct kunit *test)
{
	u64 state = 7;
	u32 i, random, version;

	KUNIT_EXPECT_TRUE(test, quic_version_is_reserved(0xfa1aca5a));
	KUNIT_EXPECT_FALSE(test, quic_version_is_reserved(QUIC_VERSION_V1));
	KUNIT_EXPECT_FALSE(test, quic_version_is_reserved(QUIC_VERSION_V2));
	KUNIT_EXPECT_FALSE(test, quic_version_is_reserved(0xfa1aca5b));
	for (i = 0; i < 1000; i++) {
		random = quic_test_rand(&state);
		version = quic_version_reserve(random, 0);
		KUNIT_ASSERT_TRUE(test, quic_version_is_reserved(version));
		KUNIT_ASSERT_TRUE(test, quic_version_is_reserved(quic_version_reserve(random,
										      version)));
		KUNIT_ASSERT_NE(test, quic_version_reserve(random, version), version);
	}
}

struct list_case {
	const char *name;
	u8 len;
	u8 list[24];
	u32 chosen;
};

static const struct list_case list_cases[] = {
	{ "nothing", 0, {}, 0 },
	{ "version 1", 4, { 0, 0, 0, 1 }, QUIC_VERSION_V1 },
	{ "version 2", 4, { 0x6b, 0x33, 0x43, 0xcf }, QUIC_VERSION_V2 },
	{ "both", 8, { 0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf }, QUIC_VERSION_V2 },
	{ "both the other way", 8, { 0x6b, 0x33, 0x43, 0xcf, 0, 0, 0, 1 }, QUIC_VERSION_V2 },
	{ "unknown ones", 8, { 0, 0, 0, 3, 0x1a, 0x2a, 0x3a, 0x4a }, 0 },
	{ "among unknown ones", 16, { 0x1a, 0x2a, 0x3a, 0x4a, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 3 },
	  QUIC_VERSION_V1 },
	{ "one and a half", 6, { 0, 0, 0, 1, 0x6b, 0x33 }, QUIC_VERSION_V1 },
	{ "not aligned", 8, { 9, 0, 0, 0, 1, 9, 9, 9 }, 0 },
};

/* RFC 9368, section 2.1 #2 */
static void best_common_version_is_chosen(struct kunit *test)
{
	const struct list_case *c;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(list_cases); i++) {
		c = &list_cases[i];
		if (quic_version_choose(c->list, c->len) != c->chosen)
			KUNIT_FAIL(test, "%s: %#x", c->name,
				   quic_version_choose(c->list, c->len));
		if (c->chosen)
			KUNIT_EXPECT_TRUE(test, quic_version_is_listed(c->list, c->len, c->chosen));
		KUNIT_EXPECT_FALSE(test, quic_version_is_listed(c->list, c->len, 8));
	}
}

static struct kunit_case version_cases[] = {
	KUNIT_CASE(two_versions_are_spoken),
	KUNIT_CASE(reserved_versions_have_their_pattern),
	KUNIT_CASE(best_common_version_is_chosen),
	{}
};

static struct kunit_suite version_suite = {
	.name = "version",
	.test_cases = version_cases,
};

kunit_test_suite(version_suite);
