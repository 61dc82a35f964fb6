// SPDX-License-Identifier: GPL-2.0-or-later
/* The ring of packets in flight: order, bounds, memory. */
#include "quic_test.h"
#include "../core/host.h"
#include "../core/sent.h"

#define WINDOW	((u64)QUIC_SENT_LEAVES * QUIC_SENT_LEAF_SIZE)

static struct quic_sent_packet record(u64 time)
{
	return (struct quic_sent_packet){
		.time = time,
		.size = 1200,
		.flags = QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT,
	};
}

static int add(struct quic_sent *sent, u64 pn)
{
	struct quic_sent_packet packet = record(1000 + pn);

	return quic_sent_add(sent, pn, &packet);
}

static void settle(struct quic_sent *sent, u64 pn)
{
	quic_sent_remove(sent, pn, quic_sent_find(sent, pn));
}

static void empty_ring_has_no_memory(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn = 0;

	quic_sent_init(&sent);
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, 0));
	KUNIT_EXPECT_NULL(test, quic_sent_next_from(&sent, &pn, U64_MAX));
	KUNIT_EXPECT_TRUE(test, quic_sent_has_room(&sent));
	KUNIT_EXPECT_NULL(test, sent.leaf);
	quic_sent_trim(&sent);
	quic_sent_destroy(&sent);
}

static void packet_is_found_until_it_is_removed(struct kunit *test)
{
	struct quic_sent_packet *packet;
	struct quic_sent sent;
	u64 pn;

	quic_sent_init(&sent);
	for (pn = 0; pn < 100; pn++)
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	KUNIT_EXPECT_EQ(test, sent.in_ring, 100U);
	KUNIT_EXPECT_EQ(test, sent.next, 100ULL);
	for (pn = 0; pn < 100; pn++) {
		packet = quic_sent_find(&sent, pn);
		KUNIT_ASSERT_NOT_NULL(test, packet);
		KUNIT_EXPECT_EQ(test, packet->time, 1000 + pn);
		KUNIT_EXPECT_TRUE(test, packet->flags & QUIC_SENT_OUTSTANDING);
	}
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, 100));
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, U64_MAX));

	settle(&sent, 50);
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, 50));
	KUNIT_EXPECT_EQ(test, sent.oldest, 0ULL);
	for (pn = 0; pn < 50; pn++)
		settle(&sent, pn);
	KUNIT_EXPECT_EQ(test, sent.oldest, 51ULL);
	KUNIT_EXPECT_EQ(test, sent.in_ring, 49U);
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, 0));
	quic_sent_destroy(&sent);
}

/* RFC 9002, appendix A.1: packets that only acknowledge leave no record, and cost nothing. */
static void numbers_without_record_cost_nothing(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn;

	quic_sent_init(&sent);
	for (pn = 0; pn < 3000000; pn++)
		quic_sent_skip(&sent, pn);
	KUNIT_EXPECT_NULL(test, sent.leaf);
	KUNIT_EXPECT_TRUE(test, quic_sent_has_room(&sent));
	KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	KUNIT_EXPECT_EQ(test, sent.oldest, pn);
	KUNIT_EXPECT_NOT_NULL(test, quic_sent_find(&sent, pn));
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, pn - 1));
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, pn + WINDOW));
	quic_sent_destroy(&sent);
}

static void records_among_skipped_numbers_keep_their_place(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn, at, seen = 0;

	quic_sent_init(&sent);
	for (pn = 0; pn < 4000; pn++) {
		if (pn % 71)
			quic_sent_skip(&sent, pn);
		else
			KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	}
	for (at = 0; quic_sent_next_from(&sent, &at, sent.next); at++)
		KUNIT_ASSERT_EQ(test, at, 71 * seen++);
	KUNIT_EXPECT_EQ(test, seen, 57ULL);
	KUNIT_EXPECT_EQ(test, sent.in_ring, 57U);

	at = 72;
	KUNIT_EXPECT_NULL(test, quic_sent_next_from(&sent, &at, 142));
	KUNIT_EXPECT_NOT_NULL(test, quic_sent_next_from(&sent, &at, 143));
	KUNIT_EXPECT_EQ(test, at, 142ULL);
	quic_sent_destroy(&sent);
}

static void window_of_records_is_bounded(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn;

	quic_sent_init(&sent);
	KUNIT_ASSERT_EQ(test, add(&sent, 3), 0);
	for (pn = 4; quic_sent_has_room(&sent); pn++)
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	KUNIT_EXPECT_EQ(test, pn, WINDOW - 1);
	KUNIT_EXPECT_EQ(test, add(&sent, WINDOW), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, quic_sent_reserve(&sent, WINDOW), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, sent.next, pn);

	/* The oldest ones settled, there is room again. */
	for (pn = 3; pn < QUIC_SENT_LEAF_SIZE; pn++)
		settle(&sent, pn);
	KUNIT_EXPECT_TRUE(test, quic_sent_has_room(&sent));
	KUNIT_EXPECT_EQ(test, add(&sent, WINDOW), 0);
	quic_sent_destroy(&sent);
}

static void memory_follows_the_window(struct kunit *test)
{
	struct quic_sent sent;
	u32 i, leaves = 0;
	u64 pn;

	quic_sent_init(&sent);
	for (pn = 0; pn < 2000; pn++) {
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
		if (pn >= 65)
			settle(&sent, pn - 65);
	}
	for (i = 0; i < sent.nr_leaves; i++)
		leaves += !!sent.leaf[i];
	KUNIT_EXPECT_LE(test, leaves, 6U);	/* what 66 packets can touch */
	KUNIT_EXPECT_EQ(test, sent.nr_leaves, 8U);

	for (pn = 1935; pn < 2000; pn++)
		settle(&sent, pn);
	KUNIT_EXPECT_EQ(test, sent.in_ring, 0U);
	KUNIT_EXPECT_EQ(test, sent.oldest, sent.next);
	KUNIT_EXPECT_NULL(test, sent.spare);
	quic_sent_destroy(&sent);
}

static void idle_ring_after_a_large_window_is_empty(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn;

	quic_sent_init(&sent);
	for (pn = 0; pn < 5000; pn++)
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	for (pn = 0; pn < 5000; pn++)
		settle(&sent, pn);
	KUNIT_EXPECT_NULL(test, sent.leaf);
	KUNIT_EXPECT_NULL(test, sent.spare);
	KUNIT_EXPECT_EQ(test, sent.nr_leaves, 0U);
	KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, 4999));

	/* And it works again. */
	KUNIT_EXPECT_EQ(test, add(&sent, 5000), 0);
	KUNIT_EXPECT_NOT_NULL(test, quic_sent_find(&sent, 5000));
	quic_sent_destroy(&sent);
}

static void removal_in_reverse_order_settles_all(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn;

	quic_sent_init(&sent);
	for (pn = 0; pn < 300; pn++)
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	for (pn = 300; pn-- > 0;) {
		KUNIT_EXPECT_EQ(test, sent.oldest, 0ULL);
		settle(&sent, pn);
	}
	KUNIT_EXPECT_EQ(test, sent.oldest, 300ULL);
	quic_sent_destroy(&sent);
}

static void without_memory_nothing_changes(struct kunit *test)
{
	struct quic_sent_packet packet = record(1);
	struct quic_sent sent;
	u64 pn;

	quic_sent_init(&sent);
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "no failure injection here");
	KUNIT_EXPECT_EQ(test, add(&sent, 0), -ENOMEM);	/* no array */
	quic_test_fail_alloc(2, 1);
	KUNIT_EXPECT_EQ(test, add(&sent, 0), -ENOMEM);	/* no leaf */
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_EQ(test, sent.next, 0ULL);
	KUNIT_EXPECT_EQ(test, sent.in_ring, 0U);
	KUNIT_EXPECT_EQ(test, add(&sent, 0), 0);

	/* A larger window needs a larger array. */
	for (pn = 1; pn < 4 * QUIC_SENT_LEAF_SIZE; pn++)
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
	quic_test_fail_alloc(1, 1);
	KUNIT_EXPECT_EQ(test, quic_sent_add(&sent, pn, &packet), -ENOMEM);
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_EQ(test, sent.next, pn);
	KUNIT_EXPECT_NOT_NULL(test, quic_sent_find(&sent, 0));
	KUNIT_EXPECT_NOT_NULL(test, quic_sent_find(&sent, pn - 1));
	KUNIT_EXPECT_EQ(test, add(&sent, pn), 0);
	KUNIT_EXPECT_NOT_NULL(test, quic_sent_find(&sent, 0));
	quic_sent_destroy(&sent);
}

static void reserved_packet_needs_no_memory(struct kunit *test)
{
	struct quic_sent sent;
	u64 pn;

	if (!quic_test_fail_alloc(1, 100))
		kunit_skip(test, "no failure injection here");
	quic_test_fail_alloc(0, 0);
	quic_sent_init(&sent);
	for (pn = 0; pn < 1000; pn++) {
		KUNIT_ASSERT_EQ(test, quic_sent_reserve(&sent, pn), 0);
		quic_test_fail_alloc(1, 100);
		KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
		quic_test_fail_alloc(0, 0);
	}
	quic_sent_destroy(&sent);
}

/* What was reserved need not be what is sent: the neighbouring leaves must not be confused. */
static void reservation_binds_nobody(struct kunit *test)
{
	struct quic_sent sent;
	u32 busy;

	for (busy = 0; busy < 2; busy++) {
		quic_sent_init(&sent);
		if (busy)
			KUNIT_ASSERT_EQ(test, add(&sent, 0), 0);
		KUNIT_ASSERT_EQ(test, quic_sent_reserve(&sent, QUIC_SENT_LEAF_SIZE), 0);
		KUNIT_ASSERT_EQ(test, add(&sent, QUIC_SENT_LEAF_SIZE - 1), 0);
		KUNIT_ASSERT_EQ(test, add(&sent, QUIC_SENT_LEAF_SIZE), 0);
		KUNIT_ASSERT_NOT_NULL(test, quic_sent_find(&sent, QUIC_SENT_LEAF_SIZE - 1));
		KUNIT_EXPECT_EQ(test, quic_sent_find(&sent, QUIC_SENT_LEAF_SIZE - 1)->time,
				1000ULL + QUIC_SENT_LEAF_SIZE - 1);
		KUNIT_EXPECT_NULL(test, quic_sent_find(&sent, 2 * QUIC_SENT_LEAF_SIZE - 1));
		settle(&sent, QUIC_SENT_LEAF_SIZE - 1);
		settle(&sent, QUIC_SENT_LEAF_SIZE);
		KUNIT_EXPECT_EQ(test, sent.in_ring, busy);
		quic_sent_destroy(&sent);
	}
}

static void notes_overflow_into_memory_and_are_bounded(struct kunit *test)
{
	struct quic_sent_packet packet = record(1);
	struct quic_sent_note *note;
	u8 i;

	for (i = 0; i < QUIC_SENT_NOTES_INLINE + QUIC_SENT_NOTES_MORE; i++) {
		note = quic_sent_packet_add_note(&packet, QUIC_NOTE_STREAM);
		KUNIT_ASSERT_NOT_NULL(test, note);
		KUNIT_EXPECT_EQ(test, note->offset, 0ULL);
		KUNIT_EXPECT_EQ(test, !!packet.more, i >= QUIC_SENT_NOTES_INLINE);
		note->stream_id = 4 * i;
	}
	KUNIT_EXPECT_NULL(test, quic_sent_packet_add_note(&packet, QUIC_NOTE_STREAM));
	KUNIT_EXPECT_EQ(test, packet.nr_notes, i);
	for (i = 0; i < packet.nr_notes; i++) {
		KUNIT_EXPECT_EQ(test, quic_sent_packet_note(&packet, i)->stream_id, 4ULL * i);
		KUNIT_EXPECT_EQ(test, (int)quic_sent_packet_note(&packet, i)->kind,
				(int)QUIC_NOTE_STREAM);
	}
	quic_sent_packet_release(&packet);
	KUNIT_EXPECT_NULL(test, packet.more);
	KUNIT_EXPECT_EQ(test, (int)packet.nr_notes, 0);
}

static void note_without_memory_is_refused(struct kunit *test)
{
	struct quic_sent_packet packet = record(1);
	u8 i;

	for (i = 0; i < QUIC_SENT_NOTES_INLINE; i++)
		KUNIT_ASSERT_NOT_NULL(test, quic_sent_packet_add_note(&packet, QUIC_NOTE_CRYPTO));
	if (!quic_test_fail_alloc(1, 1))
		kunit_skip(test, "no failure injection here");
	KUNIT_EXPECT_NULL(test, quic_sent_packet_add_note(&packet, QUIC_NOTE_CRYPTO));
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_EQ(test, (int)packet.nr_notes, QUIC_SENT_NOTES_INLINE);
	quic_sent_packet_release(&packet);
}

/* What a record holds is freed with the ring: the leak check of each case sees it. */
static void destruction_frees_the_notes_of_packets_in_flight(struct kunit *test)
{
	struct quic_sent_packet packet;
	struct quic_sent sent;
	u64 pn;
	u8 i;

	quic_sent_init(&sent);
	for (pn = 0; pn < 40; pn++) {
		packet = record(pn);
		for (i = 0; i < 5; i++)
			KUNIT_ASSERT_NOT_NULL(test, quic_sent_packet_add_note(&packet,
									      QUIC_NOTE_STREAM));
		KUNIT_ASSERT_EQ(test, quic_sent_add(&sent, pn, &packet), 0);
	}
	packet = *quic_sent_find(&sent, 20);
	settle(&sent, 20);
	quic_sent_packet_release(&packet);
	quic_sent_destroy(&sent);
	KUNIT_EXPECT_EQ(test, sent.in_ring, 0U);
	KUNIT_EXPECT_NULL(test, sent.leaf);
}

#define MODEL_SIZE	6000

/* Random sends, gaps and removals against a plain array. */
static void any_history_agrees_with_an_array(struct kunit *test)
{
	u64 *model = kunit_kzalloc(test, MODEL_SIZE * sizeof(*model), GFP_KERNEL);
	u64 state = 1, round, pn, at, oldest;
	struct quic_sent sent;
	u32 count;

	KUNIT_ASSERT_NOT_NULL(test, model);
	for (round = 0; round < 20; round++) {
		u32 keep = 1 + quic_test_below(&state, 400);
		u32 gap = 1 + quic_test_below(&state, 60);

		quic_sent_init(&sent);
		memset(model, 0, MODEL_SIZE * sizeof(*model));
		count = 0;
		for (pn = 0; pn < MODEL_SIZE; pn++) {
			u32 back = quic_test_below(&state, 500);

			/* A packet is reserved for before anybody knows what it will be. */
			if (quic_test_below(&state, 2))
				KUNIT_ASSERT_EQ(test, quic_sent_reserve(&sent, pn), 0);
			if (quic_test_below(&state, gap)) {
				quic_sent_skip(&sent, pn);
			} else {
				KUNIT_ASSERT_EQ(test, add(&sent, pn), 0);
				model[pn] = 1000 + pn;
				count++;
			}
			/* Something at random goes, and all that is too old. */
			if (back < pn && model[pn - back]) {
				settle(&sent, pn - back);
				model[pn - back] = 0;
				count--;
			}
			if (pn >= keep && model[pn - keep]) {
				settle(&sent, pn - keep);
				model[pn - keep] = 0;
				count--;
			}
			KUNIT_ASSERT_EQ(test, sent.in_ring, count);
		}
		for (oldest = 0; oldest < MODEL_SIZE && !model[oldest]; oldest++)
			;
		if (count)
			KUNIT_ASSERT_EQ(test, sent.oldest, oldest);
		at = 0;
		for (pn = 0; pn < MODEL_SIZE; pn++) {
			struct quic_sent_packet *packet = quic_sent_find(&sent, pn);

			KUNIT_ASSERT_EQ(test, packet ? packet->time : 0, model[pn]);
			if (!packet)
				continue;
			KUNIT_ASSERT_PTR_EQ(test, quic_sent_next_from(&sent, &at, MODEL_SIZE),
					    packet);
			KUNIT_ASSERT_EQ(test, at, pn);
			at++;
		}
		quic_sent_destroy(&sent);
	}
}

static struct kunit_case sent_cases[] = {
	KUNIT_CASE(empty_ring_has_no_memory),
	KUNIT_CASE(packet_is_found_until_it_is_removed),
	KUNIT_CASE(numbers_without_record_cost_nothing),
	KUNIT_CASE(records_among_skipped_numbers_keep_their_place),
	KUNIT_CASE(window_of_records_is_bounded),
	KUNIT_CASE(memory_follows_the_window),
	KUNIT_CASE(idle_ring_after_a_large_window_is_empty),
	KUNIT_CASE(removal_in_reverse_order_settles_all),
	KUNIT_CASE(without_memory_nothing_changes),
	KUNIT_CASE(reserved_packet_needs_no_memory),
	KUNIT_CASE(reservation_binds_nobody),
	KUNIT_CASE(notes_overflow_into_memory_and_are_bounded),
	KUNIT_CASE(note_without_memory_is_refused),
	KUNIT_CASE(destruction_frees_the_notes_of_packets_in_flight),
	KUNIT_CASE(any_history_agrees_with_an_array),
	{}
};

static struct kunit_suite sent_suite = {
	.name = "quic_sent",
	.test_cases = sent_cases,
};

kunit_test_suite(sent_suite);
