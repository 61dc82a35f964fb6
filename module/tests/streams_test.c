// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of streams. RFC 9000, sections 2.1, 3 and 4.6. */
#include <uapi/linux/quic.h>

#include "quic_test.h"
#include "../core/host.h"
#include "../core/streams.h"

#define BIDI	0
#define UNI	1

/* Types of streams: RFC 9000, section 2.1, table 1. */
#define CLIENT_BIDI	0
#define SERVER_BIDI	1
#define CLIENT_UNI	2
#define SERVER_UNI	3

static u64 stream_id(u64 type, u64 index)
{
	return index << 2 | type;
}

static void set_remote(struct quic_streams *streams, u64 bidi, u64 uni)
{
	struct quic_transport_params tp;

	memset(&tp, 0, sizeof(tp));
	tp.initial_max_streams_bidi = bidi;
	tp.initial_max_streams_uni = uni;
	tp.initial_max_stream_data_bidi_local = 1000;
	tp.initial_max_stream_data_bidi_remote = 2000;
	tp.initial_max_stream_data_uni = 3000;
	quic_streams_set_remote_params(streams, &tp);
}

static void set_local(struct quic_streams *streams, u64 bidi, u64 uni)
{
	struct quic_transport_params tp;

	memset(&tp, 0, sizeof(tp));
	tp.initial_max_streams_bidi = bidi;
	tp.initial_max_streams_uni = uni;
	tp.initial_max_stream_data_bidi_local = 100;
	tp.initial_max_stream_data_bidi_remote = 200;
	tp.initial_max_stream_data_uni = 300;
	quic_streams_set_local_params(streams, &tp);
}

/* Either side lets the other open @bidi and @uni streams. */
static void new_streams(struct quic_streams *streams, bool is_server, u64 bidi, u64 uni)
{
	quic_streams_init(streams, is_server);
	set_local(streams, bidi, uni);
	set_remote(streams, bidi, uni);
}

static struct quic_stream *open_stream(struct kunit *test, struct quic_streams *streams, u64 id)
{
	struct quic_stream *stream;
	int err = 0;

	stream = quic_streams_open(streams, id, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_ASSERT_NOT_NULL(test, stream);
	KUNIT_EXPECT_EQ(test, stream->id, id);
	return stream;
}

static struct quic_stream *accept_stream(struct kunit *test, struct quic_streams *streams, u64 id)
{
	struct quic_stream *stream;
	int code = 1;

	stream = quic_streams_for_recv(streams, id, &code);
	KUNIT_EXPECT_EQ(test, code, 0);
	KUNIT_ASSERT_NOT_NULL(test, stream);
	KUNIT_EXPECT_EQ(test, stream->id, id);
	return stream;
}

/* RFC 9000, section 2.1 */
static void next_id_depends_on_role_and_direction(struct kunit *test)
{
	struct quic_streams streams;

	new_streams(&streams, false, 10, 10);
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, false), 0);
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, true), 2);
	open_stream(test, &streams, 0);
	open_stream(test, &streams, 2);
	open_stream(test, &streams, 6);
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, false), 4);
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, true), 10);
	KUNIT_EXPECT_TRUE(test, quic_stream_is_local(&streams, 6));
	KUNIT_EXPECT_FALSE(test, quic_stream_is_local(&streams, 7));
	quic_streams_destroy(&streams);

	new_streams(&streams, true, 10, 10);
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, false), 1);
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, true), 3);
	KUNIT_EXPECT_TRUE(test, quic_stream_is_local(&streams, 7));
	KUNIT_EXPECT_FALSE(test, quic_stream_is_local(&streams, 6));
	quic_streams_destroy(&streams);
}

/* RFC 9000, sections 2.1 and 18.2: parts and credit of each type, on both sides. */
static void parts_and_credit_follow_the_type(struct kunit *test)
{
	static const struct {
		bool is_server;
		u8 type;
		bool has_send, has_recv;
		u64 send_limit, recv_limit;
	} table[] = {
		{ false, CLIENT_BIDI, true, true, 2000, 100 },
		{ false, SERVER_BIDI, true, true, 1000, 200 },
		{ false, CLIENT_UNI, true, false, 3000, 0 },
		{ false, SERVER_UNI, false, true, 0, 300 },
		{ true, CLIENT_BIDI, true, true, 1000, 200 },
		{ true, SERVER_BIDI, true, true, 2000, 100 },
		{ true, CLIENT_UNI, false, true, 0, 300 },
		{ true, SERVER_UNI, true, false, 3000, 0 },
	};
	struct quic_streams streams;
	struct quic_stream *stream;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		new_streams(&streams, table[i].is_server, 10, 10);
		if (quic_stream_is_local(&streams, table[i].type))
			stream = open_stream(test, &streams, table[i].type);
		else
			stream = accept_stream(test, &streams, table[i].type);
		KUNIT_EXPECT_EQ_MSG(test, stream->has_send, table[i].has_send, "row %d", i);
		KUNIT_EXPECT_EQ_MSG(test, stream->has_recv, table[i].has_recv, "row %d", i);
		if (stream->has_send)
			KUNIT_EXPECT_EQ_MSG(test, stream->send.flow.limit, table[i].send_limit,
					    "row %d", i);
		if (stream->has_recv)
			KUNIT_EXPECT_EQ_MSG(test, stream->recv.flow.limit, table[i].recv_limit,
					    "row %d", i);
		quic_streams_destroy(&streams);
	}
}

/* RFC 9000, section 3.2: lower ones are opened with it, and only they. */
static void opening_opens_all_lower_ones_of_the_type(struct kunit *test)
{
	struct quic_streams streams;
	u64 i;

	new_streams(&streams, false, 10, 10);
	open_stream(test, &streams, stream_id(CLIENT_BIDI, 3));
	for (i = 0; i <= 3; i++)
		KUNIT_EXPECT_NOT_NULL(test, quic_streams_find(&streams,
							      stream_id(CLIENT_BIDI, i)));
	KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 4)));
	for (i = 0; i <= 3; i++) {
		KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(SERVER_BIDI, i)));
		KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_UNI, i)));
		KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(SERVER_UNI, i)));
	}
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].open, 4);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].next, 4);

	accept_stream(test, &streams, stream_id(SERVER_UNI, 2));
	for (i = 0; i <= 2; i++)
		KUNIT_EXPECT_NOT_NULL(test, quic_streams_find(&streams,
							      stream_id(SERVER_UNI, i)));
	KUNIT_EXPECT_EQ(test, streams.remote[UNI].open, 3);
	quic_streams_destroy(&streams);
}

/* RFC 9000, sections 4.6 and 19.11 #3, and the bound on how many are open at once. */
static void opening_needs_credit_and_room(struct kunit *test)
{
	static const struct {
		u64 initial, limit, next, open;
		u64 index;
		bool may;
	} table[] = {
		{ 3, 3, 0, 0, 0, true },
		{ 3, 3, 0, 0, 2, true },
		{ 3, 3, 0, 0, 3, false },
		{ 3, 3, 3, 2, 3, false },	/* the peer granted nothing yet */
		{ 3, 4, 3, 2, 3, true },
		{ 3, 4, 3, 3, 3, false },	/* granted, but three are open */
		{ 3, 100, 3, 0, 5, true },
		{ 3, 100, 3, 0, 6, false },	/* would be four at once */
		{ 3, 100, 3, 1, 5, false },
		{ 3, 100, 3, 0, 2, false },	/* opened before */
		{ 0, 0, 0, 0, 0, false },
		{ 4096, 1ULL << 60, 0, 0, 4095, true },
		{ 4096, 1ULL << 60, 0, 0, 4096, false },
	};
	struct quic_streams streams;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		quic_streams_init(&streams, false);
		streams.local[UNI].initial = table[i].initial;
		streams.local[UNI].limit = table[i].limit;
		streams.local[UNI].next = table[i].next;
		streams.local[UNI].open = table[i].open;
		KUNIT_EXPECT_EQ_MSG(test,
				    quic_streams_may_open(&streams,
							  stream_id(CLIENT_UNI, table[i].index)),
				    table[i].may, "row %d", i);
	}
}

static void opening_without_credit_changes_nothing(struct kunit *test)
{
	struct quic_streams streams;
	int err = 0;

	new_streams(&streams, false, 2, 0);
	KUNIT_EXPECT_NULL(test, quic_streams_open(&streams, stream_id(CLIENT_BIDI, 2), &err));
	KUNIT_EXPECT_EQ(test, err, -EAGAIN);
	KUNIT_EXPECT_NULL(test, quic_streams_open(&streams, stream_id(CLIENT_UNI, 0), &err));
	KUNIT_EXPECT_EQ(test, err, -EAGAIN);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].next, 0);
	KUNIT_EXPECT_NULL(test, streams.active);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&streams.root));
	quic_streams_destroy(&streams);
}

static void opening_without_memory_changes_nothing(struct kunit *test)
{
	struct quic_streams streams;
	int err = 0, code = 0;

	if (!quic_test_fail_alloc(3, 1))
		kunit_skip(test, "allocations cannot be made to fail here");
	quic_test_fail_alloc(0, 0);
	new_streams(&streams, false, 10, 10);
	open_stream(test, &streams, stream_id(CLIENT_BIDI, 0));

	quic_test_fail_alloc(3, 1);
	KUNIT_EXPECT_NULL(test, quic_streams_open(&streams, stream_id(CLIENT_BIDI, 4), &err));
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].next, 1);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].open, 1);
	KUNIT_EXPECT_NOT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 0)));
	KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 1)));
	KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 2)));
	open_stream(test, &streams, stream_id(CLIENT_BIDI, 4));

	quic_test_fail_alloc(3, 1);
	KUNIT_EXPECT_NULL(test, quic_streams_for_recv(&streams, stream_id(SERVER_UNI, 4),
						      &code));
	KUNIT_EXPECT_EQ(test, code, QUIC_TRANSPORT_ERROR_INTERNAL);
	KUNIT_EXPECT_EQ(test, streams.remote[UNI].next, 0);
	KUNIT_EXPECT_EQ(test, streams.remote[UNI].open, 0);
	KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(SERVER_UNI, 0)));
	accept_stream(test, &streams, stream_id(SERVER_UNI, 4));
	quic_streams_destroy(&streams);
}

enum situation {
	NEVER_OPENED,	/* within the limit */
	BEYOND_LIMIT,
	OPEN,
	RELEASED,
};

#define CREATED		(-1)	/* the frame opens the stream */
#define FOUND		(-2)
#define IGNORED		0

/*
 * RFC 9000, sections 3.2, 4.6, 19.4, 19.5, 19.8, 19.10 and 19.13: what a frame
 * about either part of a stream means, seen by a client.
 */
static void frames_find_create_or_violate(struct kunit *test)
{
	static const struct {
		u8 type;
		enum situation situation;
		int for_recv, for_send;
	} table[] = {
		{ CLIENT_BIDI, NEVER_OPENED, QUIC_TRANSPORT_ERROR_STREAM_STATE,
					     QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ CLIENT_BIDI, BEYOND_LIMIT, QUIC_TRANSPORT_ERROR_STREAM_STATE,
					     QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ CLIENT_BIDI, OPEN, FOUND, FOUND },
		{ CLIENT_BIDI, RELEASED, IGNORED, IGNORED },
		{ CLIENT_UNI, NEVER_OPENED, QUIC_TRANSPORT_ERROR_STREAM_STATE,
					    QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ CLIENT_UNI, BEYOND_LIMIT, QUIC_TRANSPORT_ERROR_STREAM_STATE,
					    QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ CLIENT_UNI, OPEN, QUIC_TRANSPORT_ERROR_STREAM_STATE, FOUND },
		{ CLIENT_UNI, RELEASED, QUIC_TRANSPORT_ERROR_STREAM_STATE, IGNORED },
		{ SERVER_BIDI, NEVER_OPENED, CREATED, CREATED },
		{ SERVER_BIDI, BEYOND_LIMIT, QUIC_TRANSPORT_ERROR_STREAM_LIMIT,
					     QUIC_TRANSPORT_ERROR_STREAM_LIMIT },
		{ SERVER_BIDI, OPEN, FOUND, FOUND },
		{ SERVER_BIDI, RELEASED, IGNORED, IGNORED },
		{ SERVER_UNI, NEVER_OPENED, CREATED, QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ SERVER_UNI, BEYOND_LIMIT, QUIC_TRANSPORT_ERROR_STREAM_LIMIT,
					    QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ SERVER_UNI, OPEN, FOUND, QUIC_TRANSPORT_ERROR_STREAM_STATE },
		{ SERVER_UNI, RELEASED, IGNORED, QUIC_TRANSPORT_ERROR_STREAM_STATE },
	};
	struct quic_stream *stream, *existing;
	struct quic_streams streams;
	int i, send, code, want;
	u64 id;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		for (send = 0; send < 2; send++) {
			new_streams(&streams, false, 5, 5);
			existing = NULL;
			id = stream_id(table[i].type, table[i].situation == BEYOND_LIMIT ? 5 : 4);
			if (table[i].situation == OPEN || table[i].situation == RELEASED)
				existing = quic_stream_is_local(&streams, id) ?
					   open_stream(test, &streams, id) :
					   accept_stream(test, &streams, id);
			if (table[i].situation == RELEASED)
				quic_streams_release(&streams, existing);

			code = -1;
			stream = send ? quic_streams_for_send(&streams, id, &code) :
					quic_streams_for_recv(&streams, id, &code);
			want = send ? table[i].for_send : table[i].for_recv;
			KUNIT_EXPECT_EQ_MSG(test, code, want < 0 ? 0 : want,
					    "row %d, send %d", i, send);
			if (want == FOUND)
				KUNIT_EXPECT_PTR_EQ(test, stream, existing);
			else if (want == CREATED)
				KUNIT_EXPECT_NOT_NULL(test, stream);
			else
				KUNIT_EXPECT_NULL(test, stream);
			if (want != FOUND && want != CREATED && table[i].situation == NEVER_OPENED)
				KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&streams.root));
			quic_streams_destroy(&streams);
		}
	}
}

/* RFC 9000, section 19.8: the next stream of ours is not open before we open it. */
static void frame_for_our_next_stream_violates(struct kunit *test)
{
	struct quic_streams streams;
	int code = 0;

	new_streams(&streams, false, 5, 5);
	open_stream(test, &streams, stream_id(CLIENT_BIDI, 1));
	KUNIT_EXPECT_NULL(test, quic_streams_for_recv(&streams, stream_id(CLIENT_BIDI, 2), &code));
	KUNIT_EXPECT_EQ(test, code, QUIC_TRANSPORT_ERROR_STREAM_STATE);
	quic_streams_destroy(&streams);
}

static void largest_ids_do_not_wrap(struct kunit *test)
{
	struct quic_streams streams;
	int code = 0, err = 0;

	new_streams(&streams, false, 5, 5);
	KUNIT_EXPECT_NULL(test, quic_streams_for_recv(&streams, QUIC_VARINT_MAX, &code));
	KUNIT_EXPECT_EQ(test, code, QUIC_TRANSPORT_ERROR_STREAM_LIMIT);
	KUNIT_EXPECT_NULL(test, quic_streams_open(&streams, QUIC_VARINT_MAX - 3, &err));
	KUNIT_EXPECT_EQ(test, err, -EAGAIN);
	quic_streams_destroy(&streams);
}

/* The limit that we give bounds what one frame can make us hold. */
static void one_frame_opens_at_most_what_we_allow(struct kunit *test)
{
	struct quic_streams streams;
	int code = 0;

	new_streams(&streams, true, 1ULL << 60, 0);
	KUNIT_EXPECT_EQ(test, streams.remote[BIDI].limit, QUIC_STREAMS_LIMIT);
	KUNIT_EXPECT_NULL(test, quic_streams_for_recv(&streams,
						      stream_id(CLIENT_BIDI, QUIC_STREAMS_LIMIT),
						      &code));
	KUNIT_EXPECT_EQ(test, code, QUIC_TRANSPORT_ERROR_STREAM_LIMIT);
	accept_stream(test, &streams, stream_id(CLIENT_BIDI, QUIC_STREAMS_LIMIT - 1));
	KUNIT_EXPECT_EQ(test, streams.remote[BIDI].open, QUIC_STREAMS_LIMIT);
	quic_streams_destroy(&streams);
}

/* A peer that never sends MAX_STREAMS because it allowed all at once. */
static void generous_limit_of_the_peer_is_kept(struct kunit *test)
{
	struct quic_streams streams;

	new_streams(&streams, false, 1ULL << 60, 1ULL << 60);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].limit, 1ULL << 60);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].initial, QUIC_STREAMS_LIMIT);
	quic_streams_destroy(&streams);
}

/*
 * RFC 9000, section 4.6: highest number opened plus what the initial limit
 * leaves beside the open ones, after every stream that is over.
 */
static void max_streams_keeps_the_number_of_open_streams(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;

	new_streams(&streams, true, 10, 10);
	accept_stream(test, &streams, stream_id(CLIENT_BIDI, 0));
	/* The peer skips to number 5: six are open, four are left. */
	stream = accept_stream(test, &streams, stream_id(CLIENT_BIDI, 5));
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, false), 10);

	KUNIT_EXPECT_TRUE(test, quic_streams_release(&streams, stream));
	KUNIT_EXPECT_EQ(test, (int)streams.remote[BIDI].max, (int)QUIC_CONTROL_STALE);
	/* 6 opened, 5 of them open: 6 + (10 - 5). */
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, false), 11);
	KUNIT_EXPECT_EQ(test, streams.remote[BIDI].limit, 11);
	/* Said again, the value is the same. */
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, false), 11);

	stream = quic_streams_find(&streams, stream_id(CLIENT_BIDI, 0));
	KUNIT_EXPECT_TRUE(test, quic_streams_release(&streams, stream));
	stream = quic_streams_find(&streams, stream_id(CLIENT_BIDI, 1));
	KUNIT_EXPECT_TRUE(test, quic_streams_release(&streams, stream));
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, false), 13);
	/* The other direction was not touched. */
	KUNIT_EXPECT_EQ(test, (int)streams.remote[UNI].max, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, true), 10);
	quic_streams_destroy(&streams);
}

/* RFC 9000, section 4.6: what was not granted yet must not be used. */
static void credit_counts_from_the_frame_not_from_the_release(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;
	int code;

	new_streams(&streams, true, 1, 1);
	stream = accept_stream(test, &streams, stream_id(CLIENT_UNI, 0));
	KUNIT_EXPECT_TRUE(test, quic_streams_release(&streams, stream));
	KUNIT_EXPECT_NULL(test, quic_streams_for_recv(&streams, stream_id(CLIENT_UNI, 1), &code));
	KUNIT_EXPECT_EQ(test, code, QUIC_TRANSPORT_ERROR_STREAM_LIMIT);
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, true), 2);
	accept_stream(test, &streams, stream_id(CLIENT_UNI, 1));
	quic_streams_destroy(&streams);
}

static void our_own_streams_give_the_peer_no_credit(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;

	new_streams(&streams, false, 1, 1);
	stream = open_stream(test, &streams, stream_id(CLIENT_BIDI, 0));
	KUNIT_EXPECT_FALSE(test, quic_streams_release(&streams, stream));
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].open, 0);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].next, 1);
	KUNIT_EXPECT_EQ(test, quic_streams_grant(&streams, false), 1);
	quic_streams_destroy(&streams);
}

/* RFC 9000, section 4.6: only an increase counts. */
static void max_streams_raises_and_never_lowers(struct kunit *test)
{
	struct quic_streams streams;

	new_streams(&streams, false, 5, 5);
	streams.local[UNI].blocked = QUIC_CONTROL_SENT;
	KUNIT_EXPECT_FALSE(test, quic_streams_on_max(&streams, true, 4));
	KUNIT_EXPECT_FALSE(test, quic_streams_on_max(&streams, true, 5));
	KUNIT_EXPECT_EQ(test, streams.local[UNI].limit, 5);
	KUNIT_EXPECT_EQ(test, (int)streams.local[UNI].blocked, (int)QUIC_CONTROL_SENT);
	KUNIT_EXPECT_TRUE(test, quic_streams_on_max(&streams, true, 6));
	KUNIT_EXPECT_EQ(test, streams.local[UNI].limit, 6);
	KUNIT_EXPECT_EQ(test, (int)streams.local[UNI].blocked, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].limit, 5);
	quic_streams_destroy(&streams);
}

static void peer_that_allowed_none_at_first_can_grant(struct kunit *test)
{
	struct quic_streams streams;

	new_streams(&streams, false, 0, 0);
	KUNIT_EXPECT_FALSE(test, quic_streams_may_open(&streams, stream_id(CLIENT_UNI, 0)));
	KUNIT_EXPECT_TRUE(test, quic_streams_on_max(&streams, true, 3));
	KUNIT_EXPECT_TRUE(test, quic_streams_may_open(&streams, stream_id(CLIENT_UNI, 2)));
	KUNIT_EXPECT_FALSE(test, quic_streams_may_open(&streams, stream_id(CLIENT_UNI, 3)));
	KUNIT_EXPECT_TRUE(test, quic_streams_on_max(&streams, false, 1ULL << 60));
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].initial, QUIC_STREAMS_LIMIT);
	quic_streams_destroy(&streams);
}

/* RFC 9000, section 7.4.1: real parameters replace those remembered for 0-RTT. */
static void real_parameters_raise_credit_of_open_streams(struct kunit *test)
{
	struct quic_transport_params tp;
	struct quic_streams streams;
	struct quic_stream *stream;

	new_streams(&streams, false, 5, 5);
	stream = open_stream(test, &streams, stream_id(CLIENT_BIDI, 1));
	KUNIT_EXPECT_EQ(test, stream->send.flow.limit, 2000);
	memset(&tp, 0, sizeof(tp));
	tp.initial_max_streams_bidi = 7;
	tp.initial_max_stream_data_bidi_remote = 2500;
	quic_streams_set_remote_params(&streams, &tp);
	KUNIT_EXPECT_EQ(test, stream->send.flow.limit, 2500);
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].limit, 7);
	/* Numbers go on where they were, and the active stream stays. */
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(&streams, false), stream_id(CLIENT_BIDI, 2));
	KUNIT_EXPECT_PTR_EQ(test, streams.active, stream);
	quic_streams_destroy(&streams);
}

static void local_parameters_can_be_set_again_until_used(struct kunit *test)
{
	struct quic_streams streams;

	new_streams(&streams, true, 10, 10);
	set_local(&streams, 4, 10);
	KUNIT_EXPECT_EQ(test, streams.remote[BIDI].limit, 4);
	accept_stream(test, &streams, stream_id(CLIENT_BIDI, 3));
	set_local(&streams, 2, 10);
	KUNIT_EXPECT_EQ(test, streams.remote[BIDI].limit, 4);
	quic_streams_destroy(&streams);
}

static void active_stream_is_the_one_opened_last(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;

	new_streams(&streams, true, 10, 10);
	KUNIT_EXPECT_NULL(test, streams.active);
	stream = accept_stream(test, &streams, stream_id(CLIENT_BIDI, 2));
	KUNIT_EXPECT_PTR_EQ(test, streams.active, stream);
	/* Neither more on an existing one nor the peer's unidirectional ones count. */
	accept_stream(test, &streams, stream_id(CLIENT_BIDI, 0));
	accept_stream(test, &streams, stream_id(CLIENT_UNI, 0));
	KUNIT_EXPECT_PTR_EQ(test, streams.active, stream);
	stream = open_stream(test, &streams, stream_id(SERVER_UNI, 1));
	KUNIT_EXPECT_PTR_EQ(test, streams.active, stream);
	/* One that is gone cannot be active. */
	quic_streams_release(&streams, stream);
	KUNIT_EXPECT_NULL(test, streams.active);
	quic_streams_destroy(&streams);
}

static void released_stream_leaves_no_trace(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;

	new_streams(&streams, false, 10, 10);
	stream = open_stream(test, &streams, stream_id(CLIENT_BIDI, 1));
	KUNIT_EXPECT_PTR_EQ(test, quic_streams_find(&streams, stream->id), stream);
	quic_streams_mark_ready(&streams, stream);
	quic_streams_release(&streams, stream);
	KUNIT_EXPECT_NULL(test, streams.last);
	KUNIT_EXPECT_TRUE(test, list_empty(&streams.ready));
	KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 1)));
	KUNIT_EXPECT_NOT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 0)));
	/* RFC 9000, section 2.1: an ID is never used twice. */
	KUNIT_EXPECT_FALSE(test, quic_streams_may_open(&streams, stream_id(CLIENT_BIDI, 1)));
	quic_streams_destroy(&streams);
}

static void ready_streams_wait_their_turn_once(struct kunit *test)
{
	struct quic_stream *first, *second;
	struct quic_streams streams;

	new_streams(&streams, false, 10, 10);
	first = open_stream(test, &streams, stream_id(CLIENT_BIDI, 0));
	second = open_stream(test, &streams, stream_id(CLIENT_BIDI, 1));
	quic_streams_mark_ready(&streams, first);
	quic_streams_mark_ready(&streams, second);
	quic_streams_mark_ready(&streams, first);
	KUNIT_EXPECT_PTR_EQ(test, list_first_entry(&streams.ready, struct quic_stream, ready),
			    first);
	KUNIT_EXPECT_PTR_EQ(test, list_last_entry(&streams.ready, struct quic_stream, ready),
			    second);
	quic_streams_destroy(&streams);
}

static void stream_has_something_when_any_part_has(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;
	u8 *controls[4];
	int i;

	new_streams(&streams, false, 10, 10);
	stream = open_stream(test, &streams, stream_id(CLIENT_BIDI, 0));
	KUNIT_EXPECT_FALSE(test, quic_stream_has_something(stream));
	controls[0] = &stream->send.reset;
	controls[1] = &stream->send.blocked;
	controls[2] = &stream->recv.stop;
	controls[3] = &stream->recv.max_data;
	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		*controls[i] = QUIC_CONTROL_STALE;
		KUNIT_EXPECT_TRUE_MSG(test, quic_stream_has_something(stream), "control %d", i);
		*controls[i] = QUIC_CONTROL_SENT;
		KUNIT_EXPECT_FALSE_MSG(test, quic_stream_has_something(stream), "control %d", i);
	}
	quic_stream_send_queue(&stream->send, 1, false);
	KUNIT_EXPECT_TRUE(test, quic_stream_has_something(stream));
	quic_stream_send_on_sent(&stream->send, 0, 1, false);
	KUNIT_EXPECT_FALSE(test, quic_stream_has_something(stream));
	quic_stream_send_queue(&stream->send, 0, true);
	KUNIT_EXPECT_TRUE(test, quic_stream_has_something(stream));
	quic_streams_destroy(&streams);
}

/* RFC 9000, section 3.4: closed when every part there is has ended. */
static void stream_is_done_when_all_its_parts_are(struct kunit *test)
{
	static const u8 send_states[] = {
		QUIC_SEND_READY, QUIC_SEND_SEND, QUIC_SEND_SENT, QUIC_SEND_RECVD,
		QUIC_SEND_RESET_SENT, QUIC_SEND_RESET_RECVD,
	};
	static const u8 recv_states[] = {
		QUIC_RECV_RECV, QUIC_RECV_SIZE_KNOWN, QUIC_RECV_RECVD, QUIC_RECV_RESET_RECVD,
	};
	struct quic_streams streams;
	struct quic_stream *stream;
	bool send_done, recv_done;
	int i, j, type;

	new_streams(&streams, false, 10, 10);
	for (type = CLIENT_BIDI; type <= SERVER_UNI; type++) {
		stream = quic_stream_is_local(&streams, type) ?
			 open_stream(test, &streams, type) :
			 accept_stream(test, &streams, type);
		for (i = 0; i < ARRAY_SIZE(send_states); i++) {
			for (j = 0; j < ARRAY_SIZE(recv_states); j++) {
				stream->send.state = send_states[i];
				stream->recv.state = recv_states[j];
				send_done = send_states[i] == QUIC_SEND_RECVD ||
					    send_states[i] == QUIC_SEND_RESET_RECVD;
				recv_done = recv_states[j] == QUIC_RECV_RECVD ||
					    recv_states[j] == QUIC_RECV_RESET_RECVD;
				if (type == CLIENT_UNI)
					recv_done = true;
				if (type == SERVER_UNI)
					send_done = true;
				KUNIT_EXPECT_EQ_MSG(test, quic_stream_is_done(stream),
						    send_done && recv_done,
						    "type %d, states %d, %d", type,
						    send_states[i], recv_states[j]);
			}
		}
	}
	quic_streams_destroy(&streams);
}

static void destroyed_table_is_empty_and_holds_nothing(struct kunit *test)
{
	struct quic_streams streams;
	struct quic_stream *stream;
	struct quic_rx_chunk *chunk;

	new_streams(&streams, false, 10, 10);
	stream = open_stream(test, &streams, stream_id(CLIENT_BIDI, 0));
	/* Something on both sides that takes memory. */
	quic_stream_send_queue(&stream->send, 100, false);
	quic_stream_send_on_sent(&stream->send, 0, 100, false);
	quic_stream_send_on_lost(&stream->send, 20, 10, false);
	quic_stream_send_on_acked(&stream->send, 50, 10, false);
	chunk = quic_test_chunk(5, "abcde", 5);
	KUNIT_ASSERT_NOT_NULL(test, chunk);
	KUNIT_ASSERT_EQ(test, quic_reassembly_insert(&stream->recv.reassembly, chunk, 16), 0);
	quic_streams_mark_ready(&streams, stream);

	quic_streams_destroy(&streams);
	KUNIT_EXPECT_NULL(test, quic_streams_find(&streams, stream_id(CLIENT_BIDI, 0)));
	KUNIT_EXPECT_TRUE(test, list_empty(&streams.ready));
	KUNIT_EXPECT_NULL(test, streams.active);
	quic_streams_destroy(&streams);
}

/* Against a plain array: random opening, accepting, releasing. */
static void table_agrees_with_a_model(struct kunit *test)
{
	enum { SLOTS = 400 };
	struct quic_streams streams;
	struct quic_stream *stream;
	u64 opened[4] = { 0 };
	u32 open[4] = { 0 };
	u64 seed = 7, index;
	u8 *state;	/* of each ID: 0 never opened, 1 open, 2 released */
	int step, type, code, err;

	state = kunit_kzalloc(test, 4 * SLOTS, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, state);
	new_streams(&streams, false, 20, 20);
	for (step = 0; step < 4000; step++) {
		type = quic_test_below(&seed, 4);
		index = quic_test_below(&seed, 12) + (opened[type] > 8 ? opened[type] - 8 : 0);
		if (index >= SLOTS)
			break;
		stream = quic_streams_find(&streams, stream_id(type, index));
		KUNIT_ASSERT_EQ(test, !!stream, state[type * SLOTS + index] == 1);
		if (stream && quic_test_below(&seed, 2)) {
			quic_streams_release(&streams, stream);
			state[type * SLOTS + index] = 2;
			open[type]--;
			quic_streams_on_max(&streams, type & QUIC_STREAM_UNI, opened[type] + 20);
			quic_streams_grant(&streams, type & QUIC_STREAM_UNI);
			continue;
		}
		if (stream)
			continue;
		if (quic_stream_is_local(&streams, type))
			stream = quic_streams_open(&streams, stream_id(type, index), &err);
		else
			stream = quic_streams_for_recv(&streams, stream_id(type, index), &code);
		if (!stream)
			continue;
		KUNIT_ASSERT_GE(test, index, opened[type]);
		for (; opened[type] <= index; opened[type]++) {
			state[type * SLOTS + opened[type]] = 1;
			open[type]++;
		}
		KUNIT_ASSERT_LE(test, open[type], 20);
	}
	KUNIT_EXPECT_EQ(test, streams.local[BIDI].open, open[CLIENT_BIDI]);
	KUNIT_EXPECT_EQ(test, streams.local[UNI].open, open[CLIENT_UNI]);
	KUNIT_EXPECT_EQ(test, streams.remote[BIDI].open, open[SERVER_BIDI]);
	KUNIT_EXPECT_EQ(test, streams.remote[UNI].open, open[SERVER_UNI]);
	/* Enough happened for this to mean something. */
	for (type = 0; type < 4; type++)
		KUNIT_EXPECT_GT(test, opened[type], 50);
	quic_streams_destroy(&streams);
}

static struct kunit_case streams_cases[] = {
	KUNIT_CASE(next_id_depends_on_role_and_direction),
	KUNIT_CASE(parts_and_credit_follow_the_type),
	KUNIT_CASE(opening_opens_all_lower_ones_of_the_type),
	KUNIT_CASE(opening_needs_credit_and_room),
	KUNIT_CASE(opening_without_credit_changes_nothing),
	KUNIT_CASE(opening_without_memory_changes_nothing),
	KUNIT_CASE(frames_find_create_or_violate),
	KUNIT_CASE(frame_for_our_next_stream_violates),
	KUNIT_CASE(largest_ids_do_not_wrap),
	KUNIT_CASE(one_frame_opens_at_most_what_we_allow),
	KUNIT_CASE(generous_limit_of_the_peer_is_kept),
	KUNIT_CASE(max_streams_keeps_the_number_of_open_streams),
	KUNIT_CASE(credit_counts_from_the_frame_not_from_the_release),
	KUNIT_CASE(our_own_streams_give_the_peer_no_credit),
	KUNIT_CASE(max_streams_raises_and_never_lowers),
	KUNIT_CASE(peer_that_allowed_none_at_first_can_grant),
	KUNIT_CASE(real_parameters_raise_credit_of_open_streams),
	KUNIT_CASE(local_parameters_can_be_set_again_until_used),
	KUNIT_CASE(active_stream_is_the_one_opened_last),
	KUNIT_CASE(released_stream_leaves_no_trace),
	KUNIT_CASE(ready_streams_wait_their_turn_once),
	KUNIT_CASE(stream_has_something_when_any_part_has),
	KUNIT_CASE(stream_is_done_when_all_its_parts_are),
	KUNIT_CASE(destroyed_table_is_empty_and_holds_nothing),
	KUNIT_CASE(table_agrees_with_a_model),
	{}
};

static struct kunit_suite streams_suite = {
	.name = "quic_streams",
	.test_cases = streams_cases,
};

kunit_test_suite(streams_suite);
