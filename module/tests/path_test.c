// SPDX-License-Identifier: GPL-2.0-or-later
/* Anti-amplification and path validation. RFC 9000, sections 8.1 and 8.2. */
#include "quic_test.h"
#include "../core/path.h"
#include "../core/stream_send.h"

static void new_path(struct quic_path *path)
{
	quic_path_init(path, QUIC_MIN_DATAGRAM_SIZE, 333000000ULL, &quic_cong_reno);
}

static void new_path_is_unknown_and_silent(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	KUNIT_EXPECT_TRUE(test, path.in_use);
	KUNIT_EXPECT_FALSE(test, path.validated);
	KUNIT_EXPECT_EQ(test, path.mss, QUIC_MIN_DATAGRAM_SIZE);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), 0);
	KUNIT_EXPECT_EQ(test, path.nr_responses, 0);
	KUNIT_EXPECT_EQ(test, path.rtt.smoothed_rtt, 333000000ULL);
	KUNIT_EXPECT_PTR_EQ(test, path.cong.ops, &quic_cong_reno);
	KUNIT_EXPECT_EQ(test, path.cong.mss, QUIC_MIN_DATAGRAM_SIZE);
}

/* RFC 9000, section 8.1: three times what was received, not a byte more. */
static void unvalidated_path_gets_three_times_what_it_sent(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	quic_path_on_received(&path, 1200);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), 3600);
	quic_path_on_sent(&path, 3599);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), 1);
	quic_path_on_sent(&path, 1);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), 0);
	quic_path_on_received(&path, 1);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), 3);
}

static void overdrawn_allowance_is_zero(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	quic_path_on_received(&path, 10);
	quic_path_on_sent(&path, 31);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), 0);
}

static void validated_path_has_no_limit(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	quic_path_on_received(&path, 1);
	quic_path_validate(&path);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), U64_MAX);
	quic_path_on_sent(&path, 65000);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), U64_MAX);
}

/* RFC 9000, section 8.2.2; a flood of challenges must not cost memory. */
static void only_the_two_newest_challenges_are_answered(struct kunit *test)
{
	struct quic_path path;
	u8 data[QUIC_PATH_DATA_LEN];
	int i;

	new_path(&path);
	for (i = 1; i <= 100; i++) {
		memset(data, i, sizeof(data));
		quic_path_on_challenge(&path, data);
		KUNIT_ASSERT_EQ(test, path.nr_responses, i == 1 ? 1 : 2);
		KUNIT_EXPECT_MEMEQ(test, path.response[path.nr_responses - 1], data,
				   sizeof(data));
	}
	memset(data, 99, sizeof(data));
	KUNIT_EXPECT_MEMEQ(test, path.response[0], data, sizeof(data));
}

/* RFC 9000, section 8.2.3: only the echo of what was sent validates. */
static void path_is_validated_by_the_echo_alone(struct kunit *test)
{
	static const struct {
		u8 challenge;
		u8 count;
		bool right;
		bool valid;
	} table[] = {
		{ QUIC_CONTROL_IDLE, 0, true, false },
		{ QUIC_CONTROL_IDLE, 3, true, false },
		{ QUIC_CONTROL_STALE, 0, true, false },		/* never sent */
		{ QUIC_CONTROL_STALE, 1, true, true },		/* about to be sent again */
		{ QUIC_CONTROL_SENT, 1, true, true },
		{ QUIC_CONTROL_ACKED, 1, true, true },		/* an ACK is no echo */
		{ QUIC_CONTROL_SENT, 1, false, false },
		{ QUIC_CONTROL_ACKED, 1, false, false },
	};
	struct quic_path path;
	u8 data[QUIC_PATH_DATA_LEN];
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		new_path(&path);
		memset(path.challenge_data, 0x5a, sizeof(path.challenge_data));
		path.challenge = table[i].challenge;
		path.challenge_count = table[i].count;
		memset(data, 0x5a, sizeof(data));
		if (!table[i].right)
			data[QUIC_PATH_DATA_LEN - 1] ^= 1;
		KUNIT_EXPECT_EQ_MSG(test, quic_path_on_response(&path, data), table[i].valid,
				    "row %d", i);
		KUNIT_EXPECT_EQ(test, path.validated, table[i].valid);
	}
}

static void validation_ends_the_challenge(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	path.challenge = QUIC_CONTROL_SENT;
	path.challenge_count = 2;
	path.challenge_deadline = 1000;
	KUNIT_EXPECT_TRUE(test, quic_path_on_response(&path, path.challenge_data));
	KUNIT_EXPECT_EQ(test, (int)path.challenge, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, path.challenge_count, 0);
	KUNIT_EXPECT_EQ(test, path.challenge_deadline, 0);
	/* The same echo once more says nothing new. */
	KUNIT_EXPECT_FALSE(test, quic_path_on_response(&path, path.challenge_data));
}

static void packet_size_reaches_the_congestion_controller(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	quic_path_set_mss(&path, 1400);
	KUNIT_EXPECT_EQ(test, path.mss, 1400);
	KUNIT_EXPECT_EQ(test, path.cong.mss, 1400);
}

static struct kunit_case path_cases[] = {
	KUNIT_CASE(new_path_is_unknown_and_silent),
	KUNIT_CASE(unvalidated_path_gets_three_times_what_it_sent),
	KUNIT_CASE(overdrawn_allowance_is_zero),
	KUNIT_CASE(validated_path_has_no_limit),
	KUNIT_CASE(only_the_two_newest_challenges_are_answered),
	KUNIT_CASE(path_is_validated_by_the_echo_alone),
	KUNIT_CASE(validation_ends_the_challenge),
	KUNIT_CASE(packet_size_reaches_the_congestion_controller),
	{}
};

static struct kunit_suite path_suite = {
	.name = "quic_path",
	.test_cases = path_cases,
};

kunit_test_suite(path_suite);
