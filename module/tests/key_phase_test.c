// SPDX-License-Identifier: GPL-2.0-or-later
/* Key update. RFC 9001, section 6. */
#include <linux/tls.h>

#include "quic_test.h"
#include "../core/key_phase.h"

#define NOW	1000000ULL
#define PTO	1000ULL

/* A packet that must be accepted; returns whether the peer updated. */
static bool received(struct kunit *test, struct quic_key_phase *kp, enum quic_key_choice choice,
		     u64 pn, u64 next_tx_pn)
{
	bool violation = true;
	bool updated;

	updated = quic_key_phase_on_received(kp, choice, pn, next_tx_pn, NOW, PTO, &violation);
	KUNIT_EXPECT_FALSE(test, violation);
	return updated;
}

static void must_violate(struct kunit *test, struct quic_key_phase *kp,
			 enum quic_key_choice choice, u64 pn, u64 next_tx_pn)
{
	struct quic_key_phase before = *kp;
	bool violation = false;

	KUNIT_EXPECT_FALSE(test, quic_key_phase_on_received(kp, choice, pn, next_tx_pn, NOW,
							    PTO, &violation));
	KUNIT_EXPECT_TRUE(test, violation);
	KUNIT_EXPECT_MEMEQ(test, kp, &before, sizeof(before));
}

/* Both followed the first update: numbers 0 to 9 with generation 0, 10 to 19 with 1. */
static void after_one_update(struct kunit *test, struct quic_key_phase *kp)
{
	memset(kp, 0, sizeof(*kp));
	quic_key_phase_init(kp, TLS_CIPHER_AES_GCM_128);
	received(test, kp, QUIC_KEY_CURRENT, 0, 5);
	received(test, kp, QUIC_KEY_CURRENT, 9, 5);
	KUNIT_ASSERT_TRUE(test, received(test, kp, QUIC_KEY_NEXT, 10, 5));
	received(test, kp, QUIC_KEY_CURRENT, 19, 6);
}

/* RFC 9001, section 6.6 */
static void limits_follow_the_cipher(struct kunit *test)
{
	static const struct {
		u16 cipher;
		u64 confidentiality, integrity;
	} table[] = {
		{ TLS_CIPHER_AES_GCM_128, 1ULL << 23, 1ULL << 52 },
		{ TLS_CIPHER_AES_GCM_256, 1ULL << 23, 1ULL << 52 },
		{ TLS_CIPHER_AES_CCM_128, 2965820, 2965820 },
		{ TLS_CIPHER_CHACHA20_POLY1305, U64_MAX, 1ULL << 36 },
	};
	struct quic_key_phase kp;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		quic_key_phase_init(&kp, table[i].cipher);
		KUNIT_EXPECT_EQ(test, kp.confidentiality_limit, table[i].confidentiality);
		KUNIT_EXPECT_EQ(test, kp.integrity_limit, table[i].integrity);
		/* 2^62 packets are possible: RFC 9000, section 12.3. */
		kp.encrypted = 1ULL << 62;
		KUNIT_EXPECT_EQ(test, quic_key_phase_is_spent(&kp),
				table[i].confidentiality != U64_MAX);
	}
}

/* RFC 9001, section 6.6: update before the limit, and never protect more than it. */
static void update_is_due_before_the_key_is_used_up(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	kp.confidentiality_limit = 160;
	kp.encrypted = 149;
	KUNIT_EXPECT_FALSE(test, quic_key_phase_needs_update(&kp));
	kp.encrypted = 150;
	KUNIT_EXPECT_TRUE(test, quic_key_phase_needs_update(&kp));
	KUNIT_EXPECT_FALSE(test, quic_key_phase_is_spent(&kp));
	kp.encrypted = 154;
	KUNIT_EXPECT_FALSE(test, quic_key_phase_is_spent(&kp));
	/* The rest is for CONNECTION_CLOSE. */
	kp.encrypted = 155;
	KUNIT_EXPECT_TRUE(test, quic_key_phase_is_spent(&kp));
	quic_key_phase_update(&kp, 160);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_needs_update(&kp));
	KUNIT_EXPECT_FALSE(test, quic_key_phase_is_spent(&kp));
}

/* RFC 9001, section 6.6: failures are counted across all keys. */
static void too_many_forgeries_exhaust_the_connection(struct kunit *test)
{
	struct quic_key_phase kp = {};

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	kp.integrity_limit = 10;
	kp.failed = 10;
	KUNIT_EXPECT_FALSE(test, quic_key_phase_is_forged(&kp));
	quic_key_phase_update(&kp, 1);
	KUNIT_EXPECT_EQ(test, kp.failed, 10);
	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	kp.integrity_limit = 10;
	kp.failed = 11;
	KUNIT_EXPECT_TRUE(test, quic_key_phase_is_forged(&kp));
}

/* RFC 9001, sections 5.5 #1 and 6.5: the bit and the packet number choose the key. */
static void key_is_chosen_by_phase_and_number(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_bit(&kp));
	/* Before anything came there is no previous key. */
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 0), (int)QUIC_KEY_CURRENT);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, true, 0), (int)QUIC_KEY_NEXT);

	after_one_update(test, &kp);
	KUNIT_EXPECT_TRUE(test, quic_key_phase_bit(&kp));
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, true, 15), (int)QUIC_KEY_CURRENT);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, true, 3), (int)QUIC_KEY_CURRENT);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 9), (int)QUIC_KEY_PREVIOUS);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 20), (int)QUIC_KEY_NEXT);

	/* Our own update, not followed yet: the other bit can only be the old one. */
	quic_key_phase_update(&kp, 7);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_bit(&kp));
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, true, 20), (int)QUIC_KEY_PREVIOUS);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 20), (int)QUIC_KEY_CURRENT);
}

/* RFC 9001, section 6.2 */
static void packet_of_the_next_phase_updates(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	received(test, &kp, QUIC_KEY_CURRENT, 3, 7);
	kp.encrypted = 7;
	quic_key_phase_on_acked(&kp, 2);
	KUNIT_EXPECT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 4, 7));
	KUNIT_EXPECT_EQ(test, kp.generation, 1);
	KUNIT_EXPECT_TRUE(test, quic_key_phase_bit(&kp));
	KUNIT_EXPECT_FALSE(test, kp.update_local);
	/* The new send key is unused, and nothing of it acknowledged. */
	KUNIT_EXPECT_EQ(test, kp.encrypted, 0);
	KUNIT_EXPECT_EQ(test, kp.tx_first_pn, 7);
	KUNIT_EXPECT_FALSE(test, kp.tx_acked);
	KUNIT_EXPECT_EQ(test, kp.retire_at, NOW + 3 * PTO);
	/* Once only. */
	KUNIT_EXPECT_FALSE(test, received(test, &kp, QUIC_KEY_CURRENT, 5, 8));
	KUNIT_EXPECT_EQ(test, kp.generation, 1);
}

/* RFC 9001, section 6.1: keep the old key until the peer follows, then 3 PTO (6.5). */
static void own_update_keeps_the_old_key_until_followed(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	received(test, &kp, QUIC_KEY_CURRENT, 3, 7);
	quic_key_phase_update(&kp, 7);
	KUNIT_EXPECT_TRUE(test, kp.update_local);
	KUNIT_EXPECT_EQ(test, kp.generation, 1);
	KUNIT_EXPECT_EQ(test, kp.retire_at, U64_MAX);
	KUNIT_EXPECT_FALSE(test, received(test, &kp, QUIC_KEY_PREVIOUS, 4, 8));
	KUNIT_EXPECT_EQ(test, kp.retire_at, U64_MAX);
	/* Followed: that is no update of the peer. */
	KUNIT_EXPECT_FALSE(test, received(test, &kp, QUIC_KEY_CURRENT, 6, 8));
	KUNIT_EXPECT_EQ(test, kp.retire_at, NOW + 3 * PTO);
	/* Delayed packets of before still find their key. */
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 5), (int)QUIC_KEY_PREVIOUS);
	received(test, &kp, QUIC_KEY_PREVIOUS, 5, 8);
	KUNIT_EXPECT_TRUE(test, kp.update_local);
	quic_key_phase_on_retired(&kp);
	KUNIT_EXPECT_EQ(test, kp.retire_at, 0);
	KUNIT_EXPECT_FALSE(test, kp.update_local);
}

static void update_of_the_peer_after_ours_is_its_own(struct kunit *test)
{
	struct quic_key_phase kp;

	after_one_update(test, &kp);
	quic_key_phase_update(&kp, 7);
	KUNIT_EXPECT_FALSE(test, received(test, &kp, QUIC_KEY_CURRENT, 25, 8));
	/* Numbers of the phase before are no measure for the next update. */
	must_violate(test, &kp, QUIC_KEY_NEXT, 24, 8);
	KUNIT_EXPECT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 26, 8));
	KUNIT_EXPECT_FALSE(test, kp.update_local);
}

/* RFC 9001, section 6.1 */
static void update_needs_a_confirmed_handshake(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_may_update(&kp, false, NOW));
	KUNIT_EXPECT_TRUE(test, quic_key_phase_may_update(&kp, true, NOW));
}

/* RFC 9001, sections 6.1 and 6.5: acknowledged, followed, and three PTOs past. */
static void second_update_waits_for_the_first(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	quic_key_phase_update(&kp, 7);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_may_update(&kp, true, U64_MAX));
	/* A packet of the old phase is acknowledged: that proves nothing. */
	quic_key_phase_on_acked(&kp, 6);
	KUNIT_EXPECT_FALSE(test, kp.tx_acked);
	quic_key_phase_on_acked(&kp, 7);
	KUNIT_EXPECT_TRUE(test, kp.tx_acked);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_may_update(&kp, true, U64_MAX));
	received(test, &kp, QUIC_KEY_CURRENT, 6, 8);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_may_update(&kp, true, NOW + 3 * PTO - 1));
	KUNIT_EXPECT_TRUE(test, quic_key_phase_may_update(&kp, true, NOW + 3 * PTO));
	quic_key_phase_on_retired(&kp);
	KUNIT_EXPECT_TRUE(test, quic_key_phase_may_update(&kp, true, NOW));

	/* Followed, time passed, but not acknowledged. */
	quic_key_phase_update(&kp, 9);
	received(test, &kp, QUIC_KEY_CURRENT, 10, 10);
	quic_key_phase_on_retired(&kp);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_may_update(&kp, true, NOW));
}

/* RFC 9001, section 6.4: newer numbers never go with older keys. */
static void newer_number_under_older_key_violates(struct kunit *test)
{
	struct quic_key_phase kp;

	/* Generation 1 was used for 10: generation 0 cannot have been for 12. */
	after_one_update(test, &kp);
	must_violate(test, &kp, QUIC_KEY_PREVIOUS, 12, 6);
	received(test, &kp, QUIC_KEY_PREVIOUS, 8, 6);

	/* Generation 0 was used for 9: generation 1 cannot have been for 8. */
	must_violate(test, &kp, QUIC_KEY_CURRENT, 8, 6);

	/* Generation 1 was used for 19: generation 2 cannot have been for 18. */
	must_violate(test, &kp, QUIC_KEY_NEXT, 18, 6);
	KUNIT_EXPECT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 20, 6));
}

static void late_packet_of_the_old_key_is_remembered(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	quic_key_phase_update(&kp, 1);
	received(test, &kp, QUIC_KEY_PREVIOUS, 30, 2);
	must_violate(test, &kp, QUIC_KEY_CURRENT, 29, 2);
	received(test, &kp, QUIC_KEY_CURRENT, 31, 2);
}

/* RFC 9001, section 6.2: twice without waiting for our answer. */
static void consecutive_updates_violate(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	received(test, &kp, QUIC_KEY_CURRENT, 1, 5);
	KUNIT_ASSERT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 2, 5));
	/* We have sent nothing since. */
	must_violate(test, &kp, QUIC_KEY_NEXT, 3, 5);
	KUNIT_EXPECT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 4, 6));
	KUNIT_EXPECT_EQ(test, kp.generation, 2);
	KUNIT_EXPECT_FALSE(test, quic_key_phase_bit(&kp));
}

static void first_update_may_come_before_we_sent_anything(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	KUNIT_EXPECT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 0, 0));
}

static void reordering_within_a_phase_is_fine(struct kunit *test)
{
	struct quic_key_phase kp;

	after_one_update(test, &kp);
	KUNIT_EXPECT_FALSE(test, received(test, &kp, QUIC_KEY_CURRENT, 14, 6));
	KUNIT_EXPECT_FALSE(test, received(test, &kp, QUIC_KEY_CURRENT, 12, 6));
	KUNIT_EXPECT_EQ(test, kp.rx_first_pn, 10);
	KUNIT_EXPECT_EQ(test, kp.rx_last_pn, 19);
}

/* RFC 9001, section 6.5: lower than any of the current phase, not than the first seen. */
static void lowest_number_of_a_phase_moves_down(struct kunit *test)
{
	struct quic_key_phase kp;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	received(test, &kp, QUIC_KEY_CURRENT, 5, 1);
	KUNIT_ASSERT_TRUE(test, received(test, &kp, QUIC_KEY_NEXT, 12, 1));
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 11), (int)QUIC_KEY_PREVIOUS);
	received(test, &kp, QUIC_KEY_CURRENT, 10, 2);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 11), (int)QUIC_KEY_NEXT);
	KUNIT_EXPECT_EQ(test, (int)quic_key_phase_choose(&kp, false, 9), (int)QUIC_KEY_PREVIOUS);
}

static void time_of_retirement_saturates(struct kunit *test)
{
	struct quic_key_phase kp;
	bool violation;

	quic_key_phase_init(&kp, TLS_CIPHER_AES_GCM_128);
	KUNIT_EXPECT_TRUE(test, quic_key_phase_on_received(&kp, QUIC_KEY_NEXT, 0, 0, NOW,
							   U64_MAX / 2, &violation));
	KUNIT_EXPECT_EQ(test, kp.retire_at, U64_MAX);
}

static struct kunit_case key_phase_cases[] = {
	KUNIT_CASE(limits_follow_the_cipher),
	KUNIT_CASE(update_is_due_before_the_key_is_used_up),
	KUNIT_CASE(too_many_forgeries_exhaust_the_connection),
	KUNIT_CASE(key_is_chosen_by_phase_and_number),
	KUNIT_CASE(packet_of_the_next_phase_updates),
	KUNIT_CASE(own_update_keeps_the_old_key_until_followed),
	KUNIT_CASE(update_of_the_peer_after_ours_is_its_own),
	KUNIT_CASE(update_needs_a_confirmed_handshake),
	KUNIT_CASE(second_update_waits_for_the_first),
	KUNIT_CASE(newer_number_under_older_key_violates),
	KUNIT_CASE(late_packet_of_the_old_key_is_remembered),
	KUNIT_CASE(consecutive_updates_violate),
	KUNIT_CASE(first_update_may_come_before_we_sent_anything),
	KUNIT_CASE(reordering_within_a_phase_is_fine),
	KUNIT_CASE(lowest_number_of_a_phase_moves_down),
	KUNIT_CASE(time_of_retirement_saturates),
	{}
};

static struct kunit_suite key_phase_suite = {
	.name = "quic_key_phase",
	.test_cases = key_phase_cases,
};

kunit_test_suite(key_phase_suite);
