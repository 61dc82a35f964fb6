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

/* Sends the challenge that is due, with @fill as its data. */
static void send_challenge(struct quic_path *path, u8 fill, u32 size, u64 now)
{
	memset(quic_path_challenge_data(path), fill, QUIC_PATH_DATA_LEN);
	quic_path_challenge_sent(path, size, now);
}

static enum quic_path_echo echo(struct quic_path *path, u8 fill, u64 now)
{
	u8 data[QUIC_PATH_DATA_LEN];

	memset(data, fill, sizeof(data));
	return quic_path_on_response(path, data, now);
}

/* RFC 9000, section 8.2.3: only the echo of what was sent validates. */
static void path_is_validated_by_the_echo_alone(struct kunit *test)
{
	struct quic_path path;
	u8 data[QUIC_PATH_DATA_LEN];

	new_path(&path);
	KUNIT_EXPECT_EQ(test, echo(&path, 0, 1), QUIC_PATH_NO_ECHO);
	quic_path_challenge(&path, 1000);
	/* Not sent yet: nobody can know it, and zeroes are no guess. */
	KUNIT_EXPECT_EQ(test, echo(&path, 0, 1), QUIC_PATH_NO_ECHO);
	send_challenge(&path, 0x5a, 1200, 1);
	memset(data, 0x5a, sizeof(data));
	data[QUIC_PATH_DATA_LEN - 1] ^= 1;
	KUNIT_EXPECT_EQ(test, quic_path_on_response(&path, data, 2), QUIC_PATH_NO_ECHO);
	KUNIT_EXPECT_FALSE(test, path.validated);
	/* An ACK is no echo. */
	path.challenge = QUIC_CONTROL_ACKED;
	KUNIT_EXPECT_FALSE(test, quic_path_is_sound(&path));
	KUNIT_EXPECT_EQ(test, echo(&path, 0x5a, 2), QUIC_PATH_ECHO);
	KUNIT_EXPECT_TRUE(test, path.validated);
	KUNIT_EXPECT_TRUE(test, quic_path_is_sound(&path));
	/* The same echo once more says nothing new. */
	KUNIT_EXPECT_EQ(test, echo(&path, 0x5a, 3), QUIC_PATH_NO_ECHO);
}

/* RFC 9000, section 8.2.3 #1: the peer is there, but do large datagrams pass? */
static void echo_of_a_small_datagram_is_half_a_proof(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	quic_path_challenge(&path, 1000);
	send_challenge(&path, 1, 1199, 1);
	KUNIT_EXPECT_EQ(test, echo(&path, 1, 2), QUIC_PATH_ECHO_SMALL);
	KUNIT_EXPECT_EQ(test, quic_path_allowance(&path), U64_MAX);
	KUNIT_EXPECT_FALSE(test, quic_path_is_sound(&path));
	quic_path_challenge(&path, 2000);
	send_challenge(&path, 2, 1200, 3);
	KUNIT_EXPECT_EQ(test, echo(&path, 1, 4), QUIC_PATH_NO_ECHO);
	KUNIT_EXPECT_EQ(test, echo(&path, 2, 4), QUIC_PATH_ECHO);
}

/* uapi.md, section 10: three times; a late answer to any of them counts. */
static void challenge_is_repeated_with_other_data_then_fails(struct kunit *test)
{
	struct quic_path path;
	int late;
	int i;

	for (late = 1; late <= QUIC_PATH_ATTEMPTS; late++) {
		new_path(&path);
		quic_path_challenge(&path, 1000);
		for (i = 1; i <= QUIC_PATH_ATTEMPTS; i++) {
			KUNIT_EXPECT_EQ(test, (int)path.challenge, (int)QUIC_CONTROL_STALE);
			send_challenge(&path, i, 1200, i);
			KUNIT_EXPECT_EQ(test, (int)path.challenge, (int)QUIC_CONTROL_SENT);
			if (i < QUIC_PATH_ATTEMPTS)
				KUNIT_EXPECT_TRUE(test, quic_path_challenge_again(&path, 2000));
		}
		KUNIT_EXPECT_EQ(test, echo(&path, late, 10), QUIC_PATH_ECHO);

		quic_path_challenge(&path, 1000);
		KUNIT_EXPECT_EQ(test, echo(&path, late, 10), QUIC_PATH_NO_ECHO);
		KUNIT_EXPECT_TRUE(test, quic_path_challenge_again(&path, 2000));
		KUNIT_EXPECT_TRUE(test, quic_path_challenge_again(&path, 2000));
		KUNIT_EXPECT_FALSE(test, quic_path_challenge_again(&path, 2000));
		KUNIT_EXPECT_EQ(test, (int)path.challenge, (int)QUIC_CONTROL_IDLE);
	}
}

/* RFC 9002, section 6.2.2: where the estimate begins; no sample. */
static void time_of_the_echo_starts_the_estimate(struct kunit *test)
{
	struct quic_path path;

	new_path(&path);
	quic_path_challenge(&path, 1000);
	send_challenge(&path, 1, 1200, 1000000000ULL);
	KUNIT_EXPECT_EQ(test, echo(&path, 1, 1040000000ULL), QUIC_PATH_ECHO);
	KUNIT_EXPECT_EQ(test, path.rtt.smoothed_rtt, 40000000ULL);
	KUNIT_EXPECT_FALSE(test, quic_rtt_has_sample(&path.rtt));
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
	KUNIT_CASE(echo_of_a_small_datagram_is_half_a_proof),
	KUNIT_CASE(challenge_is_repeated_with_other_data_then_fails),
	KUNIT_CASE(time_of_the_echo_starts_the_estimate),
	KUNIT_CASE(packet_size_reaches_the_congestion_controller),
	{}
};

static struct kunit_suite path_suite = {
	.name = "quic_path",
	.test_cases = path_cases,
};

kunit_test_suite(path_suite);
