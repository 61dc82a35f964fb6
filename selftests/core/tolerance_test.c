// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is allowed though it is odd: long tokens and error codes, ACK frames in
 * many pieces, frames that come late, ends that count in other units. Nothing
 * of it may end a connection. The interface's specification, section 13.
 */
#include <kunit/test.h>

#include "sim.h"

static struct sim *sim_established(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	return sim;
}

/* RFC 9000, section 8.1.3: a token is opaque, and of no use if it is longer than what is kept. */
static void token_that_is_too_long_is_not_kept(struct kunit *test)
{
	static u8 frame[1100] = { QUIC_FRAME_NEW_TOKEN };
	static const u32 lengths[] = { 1, QUIC_TOKEN_MAX, QUIC_TOKEN_MAX + 1, 1000 };
	struct sim *sim = sim_established(test);
	u32 i, had = sim->client.events[QUIC_EVENT_NEW_TOKEN];

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		frame[1] = 0x40 | lengths[i] >> 8;
		frame[2] = lengths[i];
		KUNIT_EXPECT_EQ(test, sim_inject(&sim->client, QUIC_CRYPTO_APP, 900 + i, frame,
						 3 + lengths[i]), 0);
	}
	KUNIT_EXPECT_EQ(test, sim->client.events[QUIC_EVENT_NEW_TOKEN], had + 2);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_ESTABLISHED);
	sim_destroy(sim);
}

/* RFC 9000, sections 19.4 and 19.19: codes have 62 bits, of which events show 32. */
static void error_codes_keep_their_low_half(struct kunit *test)
{
	/* 2^32 + 5 */
	static const u8 reset[] = { 0x04, 0x00, 0xc0, 0, 0, 1, 0, 0, 0, 5, 0 };
	static const u8 close[] = { 0x1d, 0xc0, 0, 0, 1, 0, 0, 0, 5, 0 };
	struct sim *sim = sim_established(test);

	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, reset,
					 sizeof(reset)), 0);
	KUNIT_EXPECT_EQ(test, sim->server.last_update.state, QUIC_STREAM_RECV_STATE_RESET_RECVD);
	KUNIT_EXPECT_EQ(test, sim->server.last_update.errcode, 5);
	sim_inject(&sim->server, QUIC_CRYPTO_APP, 901, close, sizeof(close));
	KUNIT_EXPECT_EQ(test, sim->server.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->server.last_close.errcode, 5);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_DRAINING);
	sim_destroy(sim);
}

/* RFC 9000, section 19.3.1: as many ranges as fit into a packet. */
static void ack_of_many_ranges_is_taken(struct kunit *test)
{
	enum { RANGES = 100 };	/* all below the first number that may have been left out */
	struct sim *sim = sim_established(test);
	struct quic_sent *sent = &sim->client.conn.space[QUIC_SPACE_APP]->loss.sent;
	u64 pn = sent->next, flight;
	u8 wire[4 + 4 + 2 * RANGES];
	struct quic_writer w;
	u32 i;

	/* Each number on its own: PING, whose answers are lost. */
	sim->server.mute = true;
	for (i = 0; i < 2 * RANGES; i++) {
		sim->client.conn.ping = QUIC_CONTROL_STALE;
		sim->client.conn.todo |= QUIC_TODO_TX;
		sim_settle(&sim->client);
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_ASSERT_GE(test, sent->next, pn + 2 * RANGES);
	KUNIT_ASSERT_LT(test, pn + 2 * RANGES, 256);
	flight = sim->client.conn.path[0].cong.bytes_in_flight;
	quic_writer_init(&w, wire, sizeof(wire));
	quic_write_u8(&w, QUIC_FRAME_ACK);
	quic_write_varint(&w, pn + 2 * (RANGES - 1));
	quic_write_varint(&w, 0);
	quic_write_varint(&w, RANGES - 1);
	quic_write_varint(&w, 0);
	for (i = 1; i < RANGES; i++) {
		quic_write_varint(&w, 0);
		quic_write_varint(&w, 0);
	}
	KUNIT_ASSERT_FALSE(test, w.failed);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->client, QUIC_CRYPTO_APP, 900, wire,
					 quic_writer_used(&w)), 0);
	KUNIT_EXPECT_LT(test, sim->client.conn.path[0].cong.bytes_in_flight, flight / 2);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_ESTABLISHED);
	sim_destroy(sim);
}

/* RFC 9000, sections 3.2 and 3.3: what was on its way when the stream was over. */
static void frames_for_a_stream_that_is_over_are_ignored(struct kunit *test)
{
	static const u8 late[] = {
		0x11, 0x00, 0x80, 0x20, 0x00, 0x00,	/* MAX_STREAM_DATA */
		0x05, 0x00, 7,				/* STOP_SENDING */
		0x15, 0x00, 1,				/* STREAM_DATA_BLOCKED */
		0x0e, 0x00, 0, 1, 'x',			/* STREAM */
		0x04, 0x00, 7, 1,			/* RESET_STREAM */
	};
	struct sim *sim = sim_established(test);
	struct quic_stream_update before;

	sim_send(&sim->client, 0, 1, true);
	sim_run_for(sim, SIM_SECOND);
	sim_send(&sim->server, 0, 1, true);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_ASSERT_NULL(test, quic_streams_find(&sim->server.conn.streams, 0));
	before = sim->server.last_update;
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, late, sizeof(late)), 0);
	KUNIT_EXPECT_NULL(test, quic_streams_find(&sim->server.conn.streams, 0));
	KUNIT_EXPECT_EQ(test, memcmp(&before, &sim->server.last_update, sizeof(before)), 0);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_ESTABLISHED);
	sim_destroy(sim);
}

/* The first frame of @type that @conn would send now, with its value; ~0: none. It is not sent. */
static u64 would_tell(struct sim *sim, struct quic_conn *conn, u64 type)
{
	struct quic_tx_packet tx;
	struct quic_reader r;
	struct quic_frame frame;
	u64 value = ~0ULL, code;
	u8 wire[1200];

	quic_writer_init(&tx.w, wire, sizeof(wire));
	quic_conn_tx_start(conn);
	if (quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_APP))
		return value;
	if (quic_conn_tx_fill(conn, &tx, sim->now)) {
		quic_reader_init(&r, wire, quic_writer_used(&tx.w));
		while (value == ~0ULL && quic_reader_left(&r) &&
		       !quic_frame_decode(&r, &frame, &code))
			if (frame.type == type)
				value = frame.limit.limit;
	}
	quic_conn_tx_abandon(conn, &tx);
	return value;
}

/* RFC 9000, sections 4.6 and 19.14: it tells the limit, not what is wanted, and is answered. */
static void streams_blocked_tells_the_limit(struct kunit *test)
{
	static const u8 wants[] = { QUIC_FRAME_STREAMS_BLOCKED_BIDI, 0x80, 0x0f, 0x42, 0x40 };
	struct sim *sim = sim_established(test);
	struct quic_streams *streams = &sim->client.conn.streams;

	streams->local[0].blocked = QUIC_CONTROL_STALE;
	sim->client.conn.todo |= QUIC_TODO_TX;
	KUNIT_EXPECT_EQ(test, would_tell(sim, &sim->client.conn, QUIC_FRAME_STREAMS_BLOCKED_BIDI),
			streams->local[0].limit);
	KUNIT_EXPECT_EQ(test, would_tell(sim, &sim->server.conn, QUIC_FRAME_MAX_STREAMS_BIDI), ~0ULL);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, wants, sizeof(wants)), 0);
	KUNIT_EXPECT_EQ(test, would_tell(sim, &sim->server.conn, QUIC_FRAME_MAX_STREAMS_BIDI),
			sim->server.conn.streams.remote[0].limit);
	sim_destroy(sim);
}

/* RFC 9000, sections 4.1, 19.9 and 19.10: who says that it is blocked below the limit has not heard of it. */
static void blocked_peer_is_told_the_limit_again(struct kunit *test)
{
	static const u8 stream[] = { 0x0a, 0x00, 1, 'x' };
	static const u8 blocked[] = { QUIC_FRAME_DATA_BLOCKED, 1, QUIC_FRAME_STREAM_DATA_BLOCKED, 0, 1 };
	u8 at_limit[] = { QUIC_FRAME_DATA_BLOCKED, 0xc0, 0, 0, 0, 0, 0, 0, 0 };
	struct sim *sim = sim_established(test);
	struct quic_conn *conn = &sim->server.conn;
	u32 i;

	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, stream,
					 sizeof(stream)), 0);
	for (i = 0; i < 4; i++)
		at_limit[5 + i] = conn->rx_flow.limit >> (24 - 8 * i);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 901, at_limit,
					 sizeof(at_limit)), 0);
	KUNIT_EXPECT_EQ(test, would_tell(sim, conn, QUIC_FRAME_MAX_DATA), ~0ULL);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 902, blocked,
					 sizeof(blocked)), 0);
	KUNIT_EXPECT_EQ(test, would_tell(sim, conn, QUIC_FRAME_MAX_DATA), conn->rx_flow.limit);
	KUNIT_EXPECT_EQ(test, would_tell(sim, conn, QUIC_FRAME_MAX_STREAM_DATA),
			quic_streams_find(&conn->streams, 0)->recv.flow.limit);
	sim_destroy(sim);
}

/* RFC 9000, sections 13.2.5 and 18.2: each end's delays are in its own unit. */
static void ack_delays_are_in_the_senders_unit(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct sim_end *ends[] = { &sim->client, &sim->server };
	struct quic_rtt *rtt;
	u32 i;

	sim->delay = 100 * SIM_MS;
	sim->client.conn.local.ack_delay_exponent = 0;
	sim->server.conn.local.ack_delay_exponent = 10;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	/* Each byte is on its own, so that its acknowledgement waits: 25 ms, which are not the path's. */
	for (i = 0; i < 80; i++) {
		KUNIT_EXPECT_EQ(test, sim_send(ends[i % 2], i % 2, 1, false), 1);
		sim_run_for(sim, 500 * SIM_MS);
	}
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, ends[!i]->received[i], 40);
		rtt = &ends[i]->conn.path[0].rtt;
		KUNIT_EXPECT_GE(test, rtt->latest_rtt, rtt->min_rtt + 20 * SIM_MS);
		KUNIT_EXPECT_LE(test, rtt->smoothed_rtt, rtt->min_rtt + 5 * SIM_MS);
	}
	sim_destroy(sim);
}

static struct kunit_case tolerance_cases[] = {
	KUNIT_CASE(token_that_is_too_long_is_not_kept),
	KUNIT_CASE(error_codes_keep_their_low_half),
	KUNIT_CASE(ack_of_many_ranges_is_taken),
	KUNIT_CASE(frames_for_a_stream_that_is_over_are_ignored),
	KUNIT_CASE(streams_blocked_tells_the_limit),
	KUNIT_CASE(blocked_peer_is_told_the_limit_again),
	KUNIT_CASE(ack_delays_are_in_the_senders_unit),
	{}
};

static struct kunit_suite tolerance_suite = {
	.name = "tolerance",
	.test_cases = tolerance_cases,
};

kunit_test_suite(tolerance_suite);
