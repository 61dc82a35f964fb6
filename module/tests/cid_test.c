// SPDX-License-Identifier: GPL-2.0-or-later
/* Connection IDs of both directions. RFC 9000, sections 5.1, 19.15 and 19.16. */
#include <uapi/linux/quic.h>

#include "quic_test.h"
#include "../core/cid.h"
#include "../core/stream_send.h"

static void make_cid(struct quic_cid *cid, u8 fill)
{
	u8 data[QUIC_CID_LEN];

	memset(data, fill, sizeof(data));
	quic_cid_set(cid, data, sizeof(data));
}

/* The frame by which a peer would issue @seq. */
static struct quic_frame_new_cid new_cid(u64 seq, u64 retire_prior_to)
{
	struct quic_frame_new_cid frame = {
		.seq = seq,
		.retire_prior_to = retire_prior_to,
	};

	make_cid(&frame.cid, 0x80 + seq);
	memset(frame.token, 0x40 + seq, sizeof(frame.token));
	return frame;
}

static int add(struct quic_remote_cids *cids, u64 seq, u64 retire_prior_to)
{
	struct quic_frame_new_cid frame = new_cid(seq, retire_prior_to);

	return quic_remote_cids_add(cids, &frame);
}

/* Number 0, with room for @limit. */
static void remote_init(struct quic_remote_cids *cids, u8 limit)
{
	struct quic_cid first;

	make_cid(&first, 0x80);
	quic_remote_cids_init(cids, &first, limit);
}

static bool retires(const struct quic_remote_cids *cids, u64 seq)
{
	int i, found = 0;

	for (i = 0; i < cids->nr_retire; i++)
		found += cids->retire[i].seq == seq;
	return found == 1;
}

static void local_init(struct quic_local_cids *cids, u8 limit)
{
	struct quic_cid first;

	make_cid(&first, 1);
	quic_local_cids_init(cids, &first);
	cids->limit = limit;
}

/* RFC 9000, section 5.1.1 #1 #3: numbers go up by one, the peer's limit holds. */
static void ids_are_issued_in_order_up_to_the_limit(struct kunit *test)
{
	struct quic_local_cids cids;
	struct quic_local_cid *cid;
	u64 seq;

	local_init(&cids, 7);
	KUNIT_EXPECT_EQ(test, quic_local_cids_count(&cids), 1);
	for (seq = 1; seq < 7; seq++) {
		cid = quic_local_cids_issue(&cids);
		KUNIT_ASSERT_NOT_NULL(test, cid);
		KUNIT_EXPECT_EQ(test, cid->seq, seq);
		KUNIT_EXPECT_EQ(test, (int)cid->announce, (int)QUIC_CONTROL_STALE);
	}
	KUNIT_EXPECT_NULL(test, quic_local_cids_issue(&cids));
	KUNIT_EXPECT_EQ(test, quic_local_cids_count(&cids), 7);
}

static void first_id_is_not_announced(struct kunit *test)
{
	struct quic_local_cids cids;

	local_init(&cids, 7);
	KUNIT_ASSERT_NOT_NULL(test, quic_local_cids_find(&cids, 0));
	KUNIT_EXPECT_EQ(test, (int)quic_local_cids_find(&cids, 0)->announce,
			(int)QUIC_CONTROL_IDLE);
}

/* RFC 9000, section 18.2: two, until the peer has said how many. */
static void default_limit_holds_before_the_parameters(struct kunit *test)
{
	struct quic_local_cids cids;
	struct quic_cid first;

	make_cid(&first, 1);
	memset(&cids, 0xff, sizeof(cids));
	quic_local_cids_init(&cids, &first);
	KUNIT_EXPECT_NOT_NULL(test, quic_local_cids_issue(&cids));
	KUNIT_EXPECT_NULL(test, quic_local_cids_issue(&cids));
}

static void no_more_than_eight_are_out_whatever_the_peer_takes(struct kunit *test)
{
	struct quic_local_cids cids;
	int i;

	local_init(&cids, 255);
	for (i = 1; i < QUIC_CIDS_MAX; i++)
		KUNIT_ASSERT_NOT_NULL(test, quic_local_cids_issue(&cids));
	KUNIT_EXPECT_NULL(test, quic_local_cids_issue(&cids));
	KUNIT_EXPECT_EQ(test, quic_local_cids_count(&cids), QUIC_CIDS_MAX);
}

/* RFC 9000, section 5.1.1: no number is left out. */
static void cancelled_number_is_issued_next(struct kunit *test)
{
	struct quic_local_cids cids;

	local_init(&cids, 7);
	KUNIT_ASSERT_NOT_NULL(test, quic_local_cids_issue(&cids));
	quic_local_cids_cancel(&cids, quic_local_cids_issue(&cids));
	KUNIT_EXPECT_NULL(test, quic_local_cids_find(&cids, 2));
	KUNIT_EXPECT_EQ(test, cids.next_seq, 2);
	KUNIT_EXPECT_EQ(test, quic_local_cids_issue(&cids)->seq, 2);
}

/* RFC 9000, section 5.1.1: Retire Prior To makes room before the peer has answered. */
static void retire_prior_to_lets_replacements_out(struct kunit *test)
{
	struct quic_local_cids cids;
	struct quic_local_cid *cid;
	int i;

	local_init(&cids, QUIC_CIDS_MAX);
	for (i = 1; i < QUIC_CIDS_MAX; i++)
		KUNIT_ASSERT_NOT_NULL(test, quic_local_cids_issue(&cids));
	cids.retire_prior_to = 3;
	/* The frames that bring them carry the request. */
	for (i = 0; i < 3; i++) {
		cid = quic_local_cids_issue(&cids);
		KUNIT_ASSERT_NOT_NULL(test, cid);
		KUNIT_EXPECT_EQ(test, cid->seq, 8 + i);
	}
	KUNIT_EXPECT_NULL(test, quic_local_cids_issue(&cids));
	for (i = 0; i < 3; i++)
		quic_local_cids_retired(&cids, quic_local_cids_find(&cids, i));
	KUNIT_EXPECT_EQ(test, quic_local_cids_lowest(&cids), 3);
	KUNIT_EXPECT_NULL(test, quic_local_cids_issue(&cids));
	KUNIT_EXPECT_EQ(test, quic_local_cids_count(&cids), QUIC_CIDS_MAX);
}

static void retired_local_id_is_gone_and_the_lowest_is_active(struct kunit *test)
{
	struct quic_local_cids cids;

	local_init(&cids, 4);
	while (quic_local_cids_issue(&cids))
		;
	cids.active = 2;
	quic_local_cids_retired(&cids, quic_local_cids_find(&cids, 0));
	KUNIT_EXPECT_EQ(test, cids.active, 2);
	quic_local_cids_retired(&cids, quic_local_cids_find(&cids, 2));
	KUNIT_EXPECT_EQ(test, cids.active, 1);
	KUNIT_EXPECT_NULL(test, quic_local_cids_find(&cids, 2));
	KUNIT_EXPECT_EQ(test, quic_local_cids_lowest(&cids), 1);
	/* Numbers are never used again. */
	KUNIT_EXPECT_EQ(test, quic_local_cids_issue(&cids)->seq, 4);
}

static void packet_finds_the_id_it_was_sent_to(struct kunit *test)
{
	struct quic_local_cids cids;
	struct quic_local_cid *cid;
	struct quic_cid want;

	local_init(&cids, 4);
	cid = quic_local_cids_issue(&cids);
	make_cid(&cid->cid, 9);
	make_cid(&want, 9);
	KUNIT_EXPECT_PTR_EQ(test, quic_local_cids_match(&cids, want.data, want.len), cid);
	KUNIT_EXPECT_NULL(test, quic_local_cids_match(&cids, want.data, want.len - 1));
	make_cid(&want, 10);
	KUNIT_EXPECT_NULL(test, quic_local_cids_match(&cids, want.data, want.len));
	/* An empty slot matches nothing. */
	KUNIT_EXPECT_NULL(test, quic_local_cids_match(&cids, want.data, 0));
}

static void peer_issues_up_to_our_limit(struct kunit *test)
{
	struct quic_remote_cids cids;
	u64 seq;

	remote_init(&cids, 4);
	for (seq = 1; seq < 4; seq++)
		KUNIT_EXPECT_EQ(test, add(&cids, seq, 0), 0);
	KUNIT_EXPECT_EQ(test, cids.largest_seq, 3);
	KUNIT_EXPECT_EQ(test, cids.active, 0);
	/* RFC 9000, section 5.1.1 */
	KUNIT_EXPECT_EQ(test, add(&cids, 4, 0), QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
}

static void limit_above_our_memory_is_no_way_past_it(struct kunit *test)
{
	struct quic_remote_cids cids;
	u64 seq;

	remote_init(&cids, 200);
	cids.limit = 200;
	for (seq = 1; seq < QUIC_CIDS_MAX; seq++)
		KUNIT_EXPECT_EQ(test, add(&cids, seq, 0), 0);
	KUNIT_EXPECT_EQ(test, add(&cids, seq, 0), QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
}

/* RFC 9000, section 19.15 #1 #6 */
static void malformed_new_connection_id_is_refused(struct kunit *test)
{
	struct quic_remote_cids cids;
	struct quic_frame_new_cid frame;

	remote_init(&cids, 4);
	frame = new_cid(1, 2);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_FRAME_ENCODING);
	frame = new_cid(1, 0);
	frame.cid.len = 0;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_FRAME_ENCODING);
	frame.cid.len = QUIC_CID_MAX_LEN + 1;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_FRAME_ENCODING);
	KUNIT_EXPECT_NULL(test, quic_remote_cids_find(&cids, 1));
	frame.cid.len = QUIC_CID_MAX_LEN;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame), 0);
	frame = new_cid(2, 0);
	frame.cid.len = 1;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame), 0);
}

/* RFC 9000, section 19.15 #3 */
static void peer_without_an_id_cannot_issue_any(struct kunit *test)
{
	struct quic_remote_cids cids;
	struct quic_cid none = { 0 };

	quic_remote_cids_init(&cids, &none, 4);
	KUNIT_EXPECT_EQ(test, add(&cids, 1, 0), QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
}

/* RFC 9000, section 19.15 #4: the same frame any number of times is no error. */
static void repeated_frame_changes_nothing(struct kunit *test)
{
	struct quic_remote_cids cids, before;
	int i;

	remote_init(&cids, 3);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_ASSERT_EQ(test, add(&cids, 2, 1), 0);
	before = cids;
	for (i = 0; i < 1000; i++) {
		KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
		KUNIT_ASSERT_EQ(test, add(&cids, 2, 1), 0);
	}
	KUNIT_EXPECT_MEMEQ(test, &cids, &before, sizeof(cids));
}

/* RFC 9000, section 19.15: one number, one ID, one token. */
static void contradicting_frames_are_refused(struct kunit *test)
{
	struct quic_remote_cids cids;
	struct quic_frame_new_cid frame;

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);

	frame = new_cid(1, 0);
	frame.token[QUIC_STATELESS_TOKEN_LEN - 1] ^= 1;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	frame = new_cid(1, 0);
	frame.cid.data[0] ^= 1;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	frame = new_cid(1, 0);
	frame.seq = 2;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	/* Also for the ID of the handshake. */
	frame = new_cid(0, 0);
	frame.seq = 2;
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
}

/* RFC 9000, section 5.1.2 #1: retire first, then add; the limit is judged after. */
static void retire_prior_to_replaces_all_ids_at_once(struct kunit *test)
{
	struct quic_remote_cids cids;

	remote_init(&cids, 2);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, add(&cids, 2, 2), 0);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 2);
	KUNIT_EXPECT_TRUE(test, retires(&cids, 0));
	KUNIT_EXPECT_TRUE(test, retires(&cids, 1));
	KUNIT_EXPECT_EQ(test, (int)cids.retire[0].state, (int)QUIC_CONTROL_STALE);
	KUNIT_EXPECT_EQ(test, cids.active, 2);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_active(&cids)->seq, 2);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_lowest(&cids), 2);
	/* RFC 9000, section 19.15 #7: a smaller value later has no effect. */
	KUNIT_EXPECT_EQ(test, add(&cids, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, cids.retire_prior_to, 2);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 2);
}

/* RFC 9000, section 19.15 #8: retired on arrival, once. */
static void late_frame_below_retire_prior_to_is_retired_once(struct kunit *test)
{
	struct quic_remote_cids cids;
	int i;

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 3, 2), 0);
	/* Number 1 is on its way: it is given back unseen. */
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 2);
	KUNIT_EXPECT_TRUE(test, retires(&cids, 0));
	KUNIT_EXPECT_TRUE(test, retires(&cids, 1));
	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_EXPECT_NULL(test, quic_remote_cids_find(&cids, 1));
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 2);
	/* Number 2 was not asked back. */
	KUNIT_EXPECT_EQ(test, add(&cids, 2, 0), 0);
	KUNIT_EXPECT_NOT_NULL(test, quic_remote_cids_find(&cids, 2));
}

static void id_that_we_retired_does_not_come_back(struct kunit *test)
{
	struct quic_remote_cids cids;

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 2, 0), 0);
	KUNIT_ASSERT_EQ(test, quic_remote_cids_retire(&cids, 2), 0);
	quic_remote_cids_on_retire_acked(&cids, 2);
	KUNIT_EXPECT_EQ(test, add(&cids, 2, 0), 0);
	KUNIT_EXPECT_NULL(test, quic_remote_cids_find(&cids, 2));
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 0);
	/* Number 1, delayed, is still welcome. */
	KUNIT_EXPECT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_EXPECT_NOT_NULL(test, quic_remote_cids_find(&cids, 1));
}

/* RFC 9000, section 5.1.2; a peer that raises Retire Prior To for ever. */
static void unacknowledged_retirements_are_bounded(struct kunit *test)
{
	struct quic_remote_cids cids;
	u64 seq;
	int code = 0;

	remote_init(&cids, 2);
	for (seq = 1; seq < 100 && !code; seq++)
		code = add(&cids, seq, seq);
	KUNIT_EXPECT_EQ(test, code, QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, QUIC_CIDS_RETIRE_MAX);
	KUNIT_EXPECT_GE(test, cids.nr_retire, 2 * cids.limit);

	/* With acknowledgements it can go on for ever. */
	remote_init(&cids, 2);
	for (seq = 1; seq < 1000; seq++) {
		KUNIT_ASSERT_EQ(test, add(&cids, seq, seq), 0);
		quic_remote_cids_on_retire_acked(&cids, seq - 1);
		KUNIT_ASSERT_EQ(test, cids.nr_retire, 0);
		KUNIT_ASSERT_EQ(test, cids.active, seq);
	}
}

/* Numbers whose frames have not come yet count for the bound, too. */
static void retirements_of_unseen_ids_are_bounded(struct kunit *test)
{
	struct quic_remote_cids cids, before;

	/* Number 0, 14 unseen ones, number 15: as many as fit. */
	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 15, 0), 0);
	KUNIT_ASSERT_EQ(test, add(&cids, 16, 0), 0);
	KUNIT_EXPECT_EQ(test, add(&cids, 16, 16), 0);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, QUIC_CIDS_RETIRE_MAX);
	KUNIT_EXPECT_EQ(test, cids.active, 16);

	/* One more, and nothing happens but the error. */
	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 16, 0), 0);
	before = cids;
	KUNIT_EXPECT_EQ(test, add(&cids, 17, 17), QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
	KUNIT_EXPECT_MEMEQ(test, &cids, &before, sizeof(cids));
}

static void numbers_far_ahead_are_refused(struct kunit *test)
{
	struct quic_remote_cids cids, before;

	remote_init(&cids, 4);
	before = cids;
	KUNIT_EXPECT_EQ(test, add(&cids, 65, 0), QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
	KUNIT_EXPECT_EQ(test, add(&cids, QUIC_VARINT_MAX, QUIC_VARINT_MAX),
			QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
	KUNIT_EXPECT_EQ(test, add(&cids, QUIC_VARINT_MAX, 0),
			QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT);
	/* What refused did not leave half a change, nor us without an ID. */
	KUNIT_EXPECT_MEMEQ(test, &cids, &before, sizeof(cids));
	KUNIT_EXPECT_EQ(test, add(&cids, 64, 0), 0);
}

static void peer_cannot_take_back_its_last_id(struct kunit *test)
{
	struct quic_remote_cids cids;
	struct quic_frame_new_cid frame;

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_ASSERT_EQ(test, quic_remote_cids_retire(&cids, 1), 0);
	frame = new_cid(1, 1);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_add(&cids, &frame),
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_active(&cids)->seq, 0);
	KUNIT_EXPECT_NE(test, quic_remote_cids_active(&cids)->cid.len, 0);
}

static void retiring_moves_to_the_lowest_left(struct kunit *test)
{
	struct quic_remote_cids cids;

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_ASSERT_EQ(test, add(&cids, 2, 0), 0);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_retire(&cids, 7), -ENOENT);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_use(&cids, 7), -ENOENT);
	KUNIT_ASSERT_EQ(test, quic_remote_cids_use(&cids, 2), 0);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_active(&cids)->seq, 2);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_retire(&cids, 0), 0);
	KUNIT_EXPECT_EQ(test, cids.active, 2);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_retire(&cids, 2), 0);
	KUNIT_EXPECT_EQ(test, cids.active, 1);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_retire(&cids, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 2);
}

static void our_own_retirements_are_bounded_too(struct kunit *test)
{
	struct quic_remote_cids cids;
	u64 seq;

	remote_init(&cids, 2);
	for (seq = 1; seq <= QUIC_CIDS_RETIRE_MAX; seq++) {
		KUNIT_ASSERT_EQ(test, add(&cids, seq, 0), 0);
		KUNIT_ASSERT_EQ(test, quic_remote_cids_retire(&cids, seq - 1), 0);
	}
	KUNIT_ASSERT_EQ(test, add(&cids, seq, 0), 0);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_retire(&cids, seq - 1), -ENOSPC);
	KUNIT_EXPECT_NOT_NULL(test, quic_remote_cids_find(&cids, seq - 1));
}

/* RFC 9000, section 13.3 */
static void lost_retirement_is_sent_again(struct kunit *test)
{
	struct quic_remote_cids cids;

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_ASSERT_EQ(test, add(&cids, 2, 2), 0);
	cids.retire[0].state = QUIC_CONTROL_SENT;
	cids.retire[1].state = QUIC_CONTROL_SENT;
	quic_remote_cids_on_retire_lost(&cids, 1);
	KUNIT_EXPECT_EQ(test, (int)cids.retire[0].state, (int)QUIC_CONTROL_SENT);
	KUNIT_EXPECT_EQ(test, (int)cids.retire[1].state, (int)QUIC_CONTROL_STALE);
	quic_remote_cids_on_retire_acked(&cids, 0);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 1);
	KUNIT_EXPECT_TRUE(test, retires(&cids, 1));
	/* Of a packet declared lost after another copy arrived. */
	quic_remote_cids_on_retire_lost(&cids, 0);
	KUNIT_EXPECT_EQ(test, cids.nr_retire, 1);
}

/* RFC 9000, section 9.5: an ID used on one path is none for another. */
static void spare_is_the_lowest_never_used(struct kunit *test)
{
	struct quic_remote_cids cids;

	remote_init(&cids, 4);
	KUNIT_EXPECT_NULL(test, quic_remote_cids_spare(&cids));
	KUNIT_ASSERT_EQ(test, add(&cids, 2, 0), 0);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	KUNIT_ASSERT_NOT_NULL(test, quic_remote_cids_spare(&cids));
	KUNIT_EXPECT_EQ(test, quic_remote_cids_spare(&cids)->seq, 1);
	quic_remote_cids_use(&cids, 1);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_spare(&cids)->seq, 2);
	quic_remote_cids_use(&cids, 2);
	quic_remote_cids_use(&cids, 0);
	KUNIT_EXPECT_NULL(test, quic_remote_cids_spare(&cids));
}

/* RFC 9000, section 10.3.1 #2: tokens of IDs that are used and not retired. */
static void only_live_tokens_reset(struct kunit *test)
{
	static const u8 zero[QUIC_STATELESS_TOKEN_LEN];
	struct quic_remote_cids cids;
	u8 token[QUIC_STATELESS_TOKEN_LEN];
	int i;

	remote_init(&cids, 4);
	/* The handshake's ID has none unless parameters bring it. */
	KUNIT_EXPECT_FALSE(test, quic_remote_cids_is_reset(&cids, zero));
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 0), 0);
	memset(token, 0x41, sizeof(token));
	KUNIT_EXPECT_FALSE(test, quic_remote_cids_is_reset(&cids, token));
	KUNIT_ASSERT_EQ(test, quic_remote_cids_use(&cids, 1), 0);
	KUNIT_EXPECT_TRUE(test, quic_remote_cids_is_reset(&cids, token));
	KUNIT_EXPECT_FALSE(test, quic_remote_cids_is_reset(&cids, zero));
	for (i = 0; i < QUIC_STATELESS_TOKEN_LEN; i++) {
		token[i] ^= 0x80;
		KUNIT_EXPECT_FALSE(test, quic_remote_cids_is_reset(&cids, token));
		token[i] ^= 0x80;
	}
	KUNIT_ASSERT_EQ(test, quic_remote_cids_retire(&cids, 1), 0);
	KUNIT_EXPECT_FALSE(test, quic_remote_cids_is_reset(&cids, token));
	KUNIT_EXPECT_FALSE(test, quic_remote_cids_is_reset(&cids, zero));

	quic_remote_cids_active(&cids)->has_token = true;
	memset(quic_remote_cids_active(&cids)->token, 7, sizeof(token));
	memset(token, 7, sizeof(token));
	KUNIT_EXPECT_TRUE(test, quic_remote_cids_is_reset(&cids, token));
}

/* The one that RETIRE_CONNECTION_ID replaced must be used and counted as such. */
static void id_that_replaces_the_active_one_counts_as_used(struct kunit *test)
{
	struct quic_remote_cids cids;
	u8 token[QUIC_STATELESS_TOKEN_LEN];

	remote_init(&cids, 4);
	KUNIT_ASSERT_EQ(test, add(&cids, 1, 1), 0);
	memset(token, 0x41, sizeof(token));
	KUNIT_EXPECT_TRUE(test, quic_remote_cids_is_reset(&cids, token));
	KUNIT_EXPECT_NULL(test, quic_remote_cids_spare(&cids));
}

/* Whatever order frames of one peer come in, the outcome is the same. */
static void order_of_frames_does_not_matter(struct kunit *test)
{
	struct quic_remote_cids cids;
	u64 seed = 1, seqs[6];
	int round, i, j;

	for (round = 0; round < 200; round++) {
		remote_init(&cids, QUIC_CIDS_MAX);
		for (i = 0; i < 6; i++)
			seqs[i] = i + 1;
		for (i = 5; i > 0; i--) {
			j = quic_test_below(&seed, i + 1);
			swap(seqs[i], seqs[j]);
		}
		/* Numbers from 4 on ask for those below 3 to be retired. */
		for (i = 0; i < 6; i++)
			KUNIT_ASSERT_EQ(test, add(&cids, seqs[i], seqs[i] >= 4 ? 3 : 0), 0);
		KUNIT_EXPECT_EQ(test, cids.nr_retire, 3);
		for (i = 0; i < 3; i++) {
			KUNIT_EXPECT_TRUE(test, retires(&cids, i));
			KUNIT_EXPECT_NULL(test, quic_remote_cids_find(&cids, i));
		}
		for (i = 3; i <= 6; i++)
			KUNIT_EXPECT_NOT_NULL(test, quic_remote_cids_find(&cids, i));
		KUNIT_EXPECT_GE(test, cids.active, 3);
		KUNIT_EXPECT_EQ(test, cids.seen_from, 7);
	}
}

static struct kunit_case cid_cases[] = {
	KUNIT_CASE(ids_are_issued_in_order_up_to_the_limit),
	KUNIT_CASE(first_id_is_not_announced),
	KUNIT_CASE(default_limit_holds_before_the_parameters),
	KUNIT_CASE(no_more_than_eight_are_out_whatever_the_peer_takes),
	KUNIT_CASE(cancelled_number_is_issued_next),
	KUNIT_CASE(retire_prior_to_lets_replacements_out),
	KUNIT_CASE(retired_local_id_is_gone_and_the_lowest_is_active),
	KUNIT_CASE(packet_finds_the_id_it_was_sent_to),
	KUNIT_CASE(peer_issues_up_to_our_limit),
	KUNIT_CASE(limit_above_our_memory_is_no_way_past_it),
	KUNIT_CASE(malformed_new_connection_id_is_refused),
	KUNIT_CASE(peer_without_an_id_cannot_issue_any),
	KUNIT_CASE(repeated_frame_changes_nothing),
	KUNIT_CASE(contradicting_frames_are_refused),
	KUNIT_CASE(retire_prior_to_replaces_all_ids_at_once),
	KUNIT_CASE(late_frame_below_retire_prior_to_is_retired_once),
	KUNIT_CASE(id_that_we_retired_does_not_come_back),
	KUNIT_CASE(unacknowledged_retirements_are_bounded),
	KUNIT_CASE(retirements_of_unseen_ids_are_bounded),
	KUNIT_CASE(numbers_far_ahead_are_refused),
	KUNIT_CASE(peer_cannot_take_back_its_last_id),
	KUNIT_CASE(retiring_moves_to_the_lowest_left),
	KUNIT_CASE(our_own_retirements_are_bounded_too),
	KUNIT_CASE(lost_retirement_is_sent_again),
	KUNIT_CASE(spare_is_the_lowest_never_used),
	KUNIT_CASE(only_live_tokens_reset),
	KUNIT_CASE(id_that_replaces_the_active_one_counts_as_used),
	KUNIT_CASE(order_of_frames_does_not_matter),
	{}
};

static struct kunit_suite cid_suite = {
	.name = "quic_cid",
	.test_cases = cid_cases,
};

kunit_test_suite(cid_suite);
