// SPDX-License-Identifier: GPL-2.0-or-later
/* Stream bytes put in order, compared with an array of bytes. RFC 9000, section 2.2. */
#include "../core/host.h"
#include "../core/reassembly.h"
#include "quic_test.h"

#define MANY	1000	/* chunks: no limit that matters */
#define SPACE	300	/* bytes of the model */
#define SEEDS	QUIC_TEST_ROUNDS(3000)

/* Inserts @text at @offset. */
static int insert(struct kunit *test, struct quic_reassembly *ra, u64 offset, const char *text,
		  u32 max_chunks)
{
	struct quic_rx_chunk *chunk = quic_test_chunk(offset, text, strlen(text));

	KUNIT_ASSERT_NOT_NULL(test, chunk);
	return quic_reassembly_insert(ra, chunk, max_chunks);
}

/* Pops all there is; it must read @text, the last byte before @next. */
static void expect_text(struct kunit *test, struct quic_reassembly *ra, const char *text)
{
	u64 start = ra->next;
	struct quic_rx_chunk *chunk;
	char got[64] = {};
	u32 len = 0;

	while ((chunk = quic_reassembly_pop(ra))) {
		KUNIT_ASSERT_EQ(test, chunk->offset, start + len);
		KUNIT_ASSERT_LT(test, len + chunk->len, sizeof(got));
		memcpy(got + len, chunk->data, chunk->len);
		len += chunk->len;
		quic_host_chunk_free(chunk);
	}
	KUNIT_EXPECT_STREQ(test, got, text);
	KUNIT_EXPECT_EQ(test, ra->next, start + len);
}

/* Order, no overlap, sums. */
static void check_tree(struct kunit *test, const struct quic_reassembly *ra)
{
	u64 end = ra->next, bytes = 0;
	struct rb_node *node;
	u32 count = 0;

	for (node = rb_first(&ra->root); node; node = rb_next(node)) {
		struct quic_rx_chunk *chunk = rb_entry(node, struct quic_rx_chunk, node);

		KUNIT_ASSERT_GT(test, chunk->len, 0);
		KUNIT_ASSERT_GE(test, chunk->offset, end);
		end = chunk->offset + chunk->len;
		bytes += chunk->len;
		count++;
	}
	KUNIT_ASSERT_EQ(test, count, ra->count);
	KUNIT_ASSERT_EQ(test, bytes, ra->bytes);
}

static void bytes_in_order_come_out_at_once(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	KUNIT_EXPECT_NULL(test, quic_reassembly_pop(&ra));
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "hello ", MANY), 0);
	expect_text(test, &ra, "hello ");
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 6, "world", MANY), 0);
	expect_text(test, &ra, "world");
	KUNIT_EXPECT_EQ(test, ra.next, 11);
	KUNIT_EXPECT_EQ(test, ra.count, 0);
	KUNIT_EXPECT_EQ(test, ra.bytes, 0);
}

static void bytes_wait_for_those_before(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 6, "world", MANY), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 3, "lo ", MANY), 0);
	expect_text(test, &ra, "");
	KUNIT_EXPECT_EQ(test, ra.count, 2);
	KUNIT_EXPECT_EQ(test, ra.bytes, 8);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "hel", MANY), 0);
	expect_text(test, &ra, "hello world");
}

/* Each case: what was there, what comes, and what must be read. Capitals are the second copy. */
struct overlap {
	const char *what;
	struct {
		u32 offset;
		const char *text;
	} part[4];
	const char *expect;
	u32 chunks;
};

static const struct overlap overlaps[] = {
	{ "same", { { 2, "cd" }, { 2, "CD" }, { 0, "AB" } }, "ABcd", 2 },
	{ "inside", { { 1, "bcd" }, { 2, "C" }, { 0, "A" } }, "Abcd", 2 },
	{ "front of it", { { 2, "cd" }, { 1, "BC" }, { 0, "A" } }, "ABcd", 3 },
	{ "end of it", { { 1, "bc" }, { 2, "CD" }, { 0, "A" } }, "AbcD", 3 },
	{ "around it", { { 2, "c" }, { 1, "BCD" }, { 0, "A" } }, "ABcD", 4 },
	{ "around two", { { 2, "c" }, { 4, "e" }, { 1, "BCDEF" }, { 0, "A" } }, "ABcDeF", 6 },
	{ "around two that touch", { { 2, "c" }, { 3, "d" }, { 1, "BCDE" }, { 0, "A" } },
	  "ABcdE", 5 },
	{ "from one into the next", { { 1, "b" }, { 3, "d" }, { 1, "BCD" }, { 0, "A" } },
	  "AbCd", 4 },
	{ "between two", { { 1, "b" }, { 3, "d" }, { 2, "C" }, { 0, "A" } }, "AbCd", 4 },
	{ "all at once", { { 1, "b" }, { 3, "d" }, { 5, "f" }, { 0, "ABCDEFG" } }, "AbCdEfG", 7 },
};

static void first_copy_of_a_byte_wins(struct kunit *test)
{
	struct quic_reassembly ra;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(overlaps); i++) {
		quic_reassembly_init(&ra, NULL);
		for (j = 0; j < 4 && overlaps[i].part[j].text; j++)
			KUNIT_EXPECT_EQ(test, insert(test, &ra, overlaps[i].part[j].offset,
						     overlaps[i].part[j].text, MANY), 0);
		check_tree(test, &ra);
		KUNIT_EXPECT_EQ_MSG(test, ra.count, overlaps[i].chunks, "%s", overlaps[i].what);
		expect_text(test, &ra, overlaps[i].expect);
		KUNIT_EXPECT_EQ(test, ra.count, 0);
	}
}

static void bytes_already_taken_are_dropped(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	insert(test, &ra, 0, "abcd", MANY);
	expect_text(test, &ra, "abcd");
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "ABCD", MANY), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 1, "B", MANY), 0);
	KUNIT_EXPECT_EQ(test, ra.count, 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 2, "CDef", MANY), 0);
	expect_text(test, &ra, "ef");
}

static void empty_chunk_leaves_no_trace(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "", MANY), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 7, "", MANY), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 5, "f", MANY), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 5, "", 0), 0);
	KUNIT_EXPECT_EQ(test, ra.count, 1);
	quic_reassembly_clear(&ra);
}

static void limit_refuses_one_more_chunk(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 2, "c", 2), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 4, "e", 2), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 6, "g", 2), -ENOBUFS);
	/* What brings nothing new is no reason to refuse the packet. */
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 4, "E", 2), 0);
	KUNIT_EXPECT_EQ(test, ra.count, 2);
	/* The bytes that are next are taken whatever the limit says. */
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "ab", 2), 0);
	expect_text(test, &ra, "abc");
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 6, "g", 2), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 3, "D", 2), 0);
	expect_text(test, &ra, "De");
	quic_reassembly_clear(&ra);
	KUNIT_EXPECT_EQ(test, ra.count, 0);
	KUNIT_EXPECT_EQ(test, ra.bytes, 0);
}

static void limit_of_all_streams_together(struct kunit *test)
{
	u32 total = QUIC_REASSEMBLY_TOTAL_MAX - 1;
	struct quic_reassembly one, other;

	quic_reassembly_init(&one, &total);
	quic_reassembly_init(&other, &total);
	KUNIT_EXPECT_EQ(test, insert(test, &one, 2, "c", MANY), 0);
	KUNIT_EXPECT_EQ(test, total, QUIC_REASSEMBLY_TOTAL_MAX);
	KUNIT_EXPECT_EQ(test, insert(test, &other, 2, "c", MANY), -ENOBUFS);
	/* Bytes that are next let others go. */
	KUNIT_EXPECT_EQ(test, insert(test, &other, 0, "ab", MANY), 0);
	expect_text(test, &other, "ab");
	KUNIT_EXPECT_EQ(test, insert(test, &one, 0, "ab", MANY), 0);
	expect_text(test, &one, "abc");
	KUNIT_EXPECT_EQ(test, insert(test, &other, 3, "d", MANY), 0);
	quic_reassembly_clear(&other);
	KUNIT_EXPECT_EQ(test, total, QUIC_REASSEMBLY_TOTAL_MAX - 1);
}

static void limit_met_half_way_drops_the_rest(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	insert(test, &ra, 2, "c", 4);
	insert(test, &ra, 4, "e", 4);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 1, "BCDEFG", 4), -ENOBUFS);
	check_tree(test, &ra);
	KUNIT_EXPECT_EQ(test, ra.count, 4);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "A", 4), 0);
	expect_text(test, &ra, "ABcDe");
}

static void without_memory_to_split_the_rest_is_dropped(struct kunit *test)
{
	struct quic_rx_chunk *chunk;
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	insert(test, &ra, 2, "c", MANY);
	chunk = quic_test_chunk(1, "BCD", 3);
	KUNIT_ASSERT_NOT_NULL(test, chunk);
	if (!quic_test_fail_alloc(1, 1)) {
		quic_host_chunk_free(chunk);
		quic_reassembly_clear(&ra);
		kunit_skip(test, "allocation failures cannot be had here");
	}
	KUNIT_EXPECT_EQ(test, quic_reassembly_insert(&ra, chunk, MANY), -ENOBUFS);
	check_tree(test, &ra);
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 0, "A", MANY), 0);
	expect_text(test, &ra, "ABc");
	/* No split is needed when nothing new lies behind the old bytes. */
	insert(test, &ra, 5, "f", MANY);
	chunk = quic_test_chunk(4, "EF", 2);
	KUNIT_ASSERT_NOT_NULL(test, chunk);
	quic_test_fail_alloc(1, 1);
	KUNIT_EXPECT_EQ(test, quic_reassembly_insert(&ra, chunk, MANY), 0);
	quic_test_fail_alloc(0, 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, 3, "D", MANY), 0);
	expect_text(test, &ra, "DEf");
}

static void bytes_in_order_may_pass_by_the_tree(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	KUNIT_EXPECT_TRUE(test, quic_reassembly_pass(&ra, 0, 10));
	KUNIT_EXPECT_EQ(test, ra.next, 10);
	KUNIT_EXPECT_FALSE(test, quic_reassembly_pass(&ra, 11, 10));
	KUNIT_EXPECT_FALSE(test, quic_reassembly_pass(&ra, 9, 10));
	KUNIT_EXPECT_EQ(test, ra.next, 10);
	/* Something waits: the chunk might overlap it. */
	insert(test, &ra, 12, "x", MANY);
	KUNIT_EXPECT_FALSE(test, quic_reassembly_pass(&ra, 10, 10));
	quic_reassembly_clear(&ra);
	KUNIT_EXPECT_TRUE(test, quic_reassembly_pass(&ra, 10, 10));
}

static void offsets_near_the_last_are_kept(struct kunit *test)
{
	struct quic_reassembly ra;

	quic_reassembly_init(&ra, NULL);
	ra.next = (1ULL << 62) - 5;
	KUNIT_EXPECT_EQ(test, insert(test, &ra, (1ULL << 62) - 3, "cd", MANY), 0);
	KUNIT_EXPECT_EQ(test, insert(test, &ra, (1ULL << 62) - 6, "_ABC", MANY), 0);
	expect_text(test, &ra, "ABcd");
	KUNIT_EXPECT_EQ(test, ra.next, (1ULL << 62) - 1);
}

struct stream_model {
	u8 first[SPACE];	/* first copy of each byte */
	bool known[SPACE];
	u8 data[SPACE];
	u32 taken;
};

/* Random overlapping pieces, each with bytes of its own, some popped on the way. */
static void run_pieces(struct kunit *test, struct stream_model *m, u64 seed, u32 max_chunks,
		       bool starved)
{
	struct quic_rx_chunk *chunk;
	struct quic_reassembly ra;
	u32 offset, len, i, steps;
	bool whole;
	int err;

	memset(m, 0, sizeof(*m));
	quic_reassembly_init(&ra, NULL);
	for (steps = 0; m->taken < SPACE; steps++) {
		KUNIT_ASSERT_LT(test, steps, 20000);
		offset = quic_test_below(&seed, SPACE);
		len = quic_test_below(&seed, 1 + quic_test_below(&seed, 60));
		/* Now and then what is missing, so that it ends. */
		if (!quic_test_below(&seed, 8))
			offset = m->taken;
		len = min_t(u32, len, SPACE - offset);
		for (i = 0; i < len; i++)
			m->data[i] = quic_test_rand(&seed);
		chunk = quic_test_chunk(offset, m->data, len);
		KUNIT_ASSERT_NOT_NULL(test, chunk);
		if (starved)
			quic_test_fail_alloc(1 + quic_test_below(&seed, 3), 1);
		err = quic_reassembly_insert(&ra, chunk, max_chunks);
		quic_test_fail_alloc(0, 0);
		check_tree(test, &ra);
		KUNIT_ASSERT_LE(test, ra.count, max_chunks + 1);

		if (!err) {
			for (i = 0; i < len; i++) {
				if (m->known[offset + i])
					continue;
				m->known[offset + i] = true;
				m->first[offset + i] = m->data[i];
			}
		} else {
			struct rb_node *node;

			/* Only some of it is there: what is, the tree tells. */
			KUNIT_ASSERT_EQ(test, err, -ENOBUFS);
			KUNIT_ASSERT_TRUE(test, starved || max_chunks < MANY);
			for (node = rb_first(&ra.root); node; node = rb_next(node)) {
				chunk = rb_entry(node, struct quic_rx_chunk, node);
				for (i = 0; i < chunk->len; i++) {
					if (m->known[chunk->offset + i])
						continue;
					m->known[chunk->offset + i] = true;
					m->first[chunk->offset + i] = chunk->data[i];
					KUNIT_ASSERT_GE(test, chunk->offset + i, offset);
					KUNIT_ASSERT_EQ(test, chunk->data[i],
							m->data[chunk->offset + i - offset]);
				}
			}
			whole = true;
			for (i = 0; i < len; i++)
				whole &= m->known[offset + i];
			/* Without memory to split it does not look further. */
			KUNIT_ASSERT_TRUE(test, starved || !whole);
		}

		if (quic_test_below(&seed, 3))
			continue;
		while ((chunk = quic_reassembly_pop(&ra))) {
			KUNIT_ASSERT_EQ(test, chunk->offset, m->taken);
			for (i = 0; i < chunk->len; i++) {
				KUNIT_ASSERT_TRUE(test, m->known[m->taken + i]);
				KUNIT_ASSERT_EQ(test, chunk->data[i], m->first[m->taken + i]);
			}
			m->taken += chunk->len;
			quic_host_chunk_free(chunk);
		}
		KUNIT_ASSERT_EQ(test, ra.next, m->taken);
		/* All that can be had was had. */
		if (m->taken < SPACE)
			KUNIT_ASSERT_FALSE(test, m->known[m->taken]);
	}
	KUNIT_ASSERT_EQ(test, ra.count, 0);
}

static void random_pieces_agree_with_the_model(struct kunit *test)
{
	struct stream_model *m = kunit_kmalloc(test, sizeof(*m), GFP_KERNEL);
	u64 s;

	KUNIT_ASSERT_NOT_NULL(test, m);
	for (s = 1; s <= SEEDS; s++)
		run_pieces(test, m, s, MANY, false);
}

static void random_pieces_within_a_limit_agree_with_the_model(struct kunit *test)
{
	struct stream_model *m = kunit_kmalloc(test, sizeof(*m), GFP_KERNEL);
	u64 s;

	KUNIT_ASSERT_NOT_NULL(test, m);
	for (s = 1; s <= SEEDS; s++)
		run_pieces(test, m, s, 1 + s % 12, false);
}

static void random_pieces_without_memory_agree_with_the_model(struct kunit *test)
{
	struct stream_model *m = kunit_kmalloc(test, sizeof(*m), GFP_KERNEL);
	u64 s;

	KUNIT_ASSERT_NOT_NULL(test, m);
	if (!quic_test_fail_alloc(0, 0))
		kunit_skip(test, "allocation failures cannot be had here");
	for (s = 1; s <= SEEDS; s++)
		run_pieces(test, m, s, MANY, true);
}

static void clear_frees_what_waits(struct kunit *test)
{
	struct quic_reassembly ra;
	u32 i;

	quic_reassembly_init(&ra, NULL);
	for (i = 1; i < 100; i += 2)
		KUNIT_ASSERT_EQ(test, insert(test, &ra, i, "x", MANY), 0);
	quic_reassembly_clear(&ra);
	KUNIT_EXPECT_EQ(test, ra.count, 0);
	KUNIT_EXPECT_EQ(test, ra.bytes, 0);
	KUNIT_EXPECT_NULL(test, quic_reassembly_pop(&ra));
	/* The runner sees what was not freed. */
}

static struct kunit_case reassembly_cases[] = {
	KUNIT_CASE(bytes_in_order_come_out_at_once),
	KUNIT_CASE(bytes_wait_for_those_before),
	KUNIT_CASE(first_copy_of_a_byte_wins),
	KUNIT_CASE(bytes_already_taken_are_dropped),
	KUNIT_CASE(empty_chunk_leaves_no_trace),
	KUNIT_CASE(limit_refuses_one_more_chunk),
	KUNIT_CASE(limit_of_all_streams_together),
	KUNIT_CASE(limit_met_half_way_drops_the_rest),
	KUNIT_CASE(without_memory_to_split_the_rest_is_dropped),
	KUNIT_CASE(bytes_in_order_may_pass_by_the_tree),
	KUNIT_CASE(offsets_near_the_last_are_kept),
	KUNIT_CASE(random_pieces_agree_with_the_model),
	KUNIT_CASE(random_pieces_within_a_limit_agree_with_the_model),
	KUNIT_CASE(random_pieces_without_memory_agree_with_the_model),
	KUNIT_CASE(clear_frees_what_waits),
	{}
};

static struct kunit_suite reassembly_suite = {
	.name = "quic_reassembly",
	.test_cases = reassembly_cases,
};

kunit_test_suite(reassembly_suite);
