// SPDX-License-Identifier: GPL-2.0-or-later
/* Two whole connections: handshake, transfer, repair, limits, endings. */
#include <kunit/test.h>

#include "sim.h"

static u64 wanted;

static bool client_data_arrived(struct sim *sim)
{
	return sim->server.received[0] == wanted && sim->server.finished[0];
}

static bool both_data_arrived(struct sim *sim)
{
	return client_data_arrived(sim) && sim->client.received[0] == wanted &&
	       sim->client.finished[0];
}

/* Keeps a stream fed while the world runs. */
struct feed {
	struct sim_end *end;
	u64 id;
	u64 left;
};

static bool feed_on(struct sim *sim, struct feed *feed, int n, bool (*done)(struct sim *sim),
		    u64 limit)
{
	u64 until = sim->now + limit;
	int i;

	while (!done(sim) && sim->now < until) {
		for (i = 0; i < n; i++) {
			if (!feed[i].left)
				continue;
			feed[i].left -= sim_send(feed[i].end, feed[i].id, feed[i].left, true);
			sim_settle(feed[i].end);
		}
		sim_run_for(sim, SIM_MS);
	}
	return done(sim);
}

/* RFC 9001, sections 4.1.2 and 4.9 */
static void handshake_is_confirmed_and_discards_its_spaces(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_EXPECT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_NULL(test, sim->client.conn.space[QUIC_SPACE_INITIAL]);
	KUNIT_EXPECT_NULL(test, sim->client.conn.space[QUIC_SPACE_HANDSHAKE]);
	KUNIT_EXPECT_NULL(test, sim->server.conn.space[QUIC_SPACE_INITIAL]);
	KUNIT_EXPECT_NULL(test, sim->server.conn.space[QUIC_SPACE_HANDSHAKE]);
	KUNIT_EXPECT_LE(test, sim->now, SIM_SECOND + 60 * SIM_MS);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.conn.path[0].cong.bytes_in_flight, 0);
	KUNIT_EXPECT_EQ(test, sim->server.conn.path[0].cong.bytes_in_flight, 0);
	/* default limit of 7: numbers 0 to 6 on both sides (uapi.md, section 11.2) */
	KUNIT_EXPECT_EQ(test, quic_local_cids_count(&sim->server.conn.local_cids), 7);
	KUNIT_EXPECT_EQ(test, sim->client.conn.remote_cids.largest_seq, 6);
	sim_destroy(sim);
}

/* RFC 9002, section 6.2: every packet of the handshake may be lost. */
static void handshake_survives_heavy_loss(struct kunit *test)
{
	struct sim *sim;
	u64 seed;

	for (seed = 1; seed <= 100; seed++) {
		sim = sim_create();
		sim->random = seed;
		sim->loss = 30;
		if (!sim_handshake(sim))
			KUNIT_FAIL(test, "seed %llu", (unsigned long long)seed);
		sim_destroy(sim);
	}
}

static void transfer(struct kunit *test, struct sim *sim, u64 bytes, u64 limit)
{
	struct feed feed[] = { { &sim->client, 0, bytes }, { &sim->server, 0, bytes } };

	wanted = bytes;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	/* The server may answer on the client's stream once it exists. */
	feed[0].left -= sim_send(&sim->client, 0, 1, false);
	sim_run_for(sim, 100 * SIM_MS);
	KUNIT_EXPECT_TRUE(test, feed_on(sim, feed, 2, both_data_arrived, limit));
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	KUNIT_EXPECT_EQ(test, sim->client.bad_bytes, 0);
}

/* RFC 9002, section 6.2.4: both probes of a timeout bring what is missing, not one of them a PING. */
static void every_probe_carries_what_is_missing(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_sent *sent;
	u64 pn;

	sim_start(sim);
	sim->client.mute = true;
	sim_run_for(sim, 1500 * SIM_MS);
	KUNIT_ASSERT_EQ(test, sim->client.packets_tx, 3);
	sent = &sim->client.conn.space[QUIC_SPACE_INITIAL]->loss.sent;
	for (pn = 0; pn < 3; pn++) {
		struct quic_sent_packet *packet = quic_sent_find(sent, pn);

		KUNIT_ASSERT_NOT_NULL(test, packet);
		KUNIT_ASSERT_EQ(test, packet->nr_notes, 1);
		KUNIT_EXPECT_EQ(test, quic_sent_packet_note(packet, 0)->kind, QUIC_NOTE_CRYPTO);
		KUNIT_EXPECT_EQ(test, quic_sent_packet_note(packet, 0)->offset, 0);
	}
	sim_destroy(sim);
}

static void data_arrives_both_ways(struct kunit *test)
{
	struct sim *sim = sim_create();

	transfer(test, sim, 4 << 20, 60 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.conn.lost_packets, 0);
	KUNIT_EXPECT_EQ(test, sim->server.conn.lost_packets, 0);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.conn.path[0].cong.bytes_in_flight, 0);
	KUNIT_EXPECT_TRUE(test, quic_conn_is_flushed(&sim->client.conn));
	KUNIT_EXPECT_NULL(test, quic_streams_find(&sim->client.conn.streams, 0));
	sim_destroy(sim);
}

/* RFC 9000, section 13.3 under loss, reordering and duplication */
static void data_survives_a_bad_link(struct kunit *test)
{
	struct sim *sim;
	u64 seed;

	for (seed = 1; seed <= 20; seed++) {
		sim = sim_create();
		sim->random = seed;
		sim->loss = 5;
		sim->reorder = 20;
		sim->duplicate = 1;
		transfer(test, sim, 300000, 300 * SIM_SECOND);
		sim_destroy(sim);
	}
}

/* RFC 9000, section 4.1: credit is never passed and always renewed. */
static void small_windows_do_not_stall(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->server.conn.local.initial_max_data = 5000;
	sim->server.conn.local.initial_max_stream_data_bidi_remote = 3000;
	sim->client.conn.local.initial_max_data = 4000;
	sim->client.conn.local.initial_max_stream_data_bidi_local = 6000;
	sim->loss = 5;
	transfer(test, sim, 200000, 600 * SIM_SECOND);
	sim_destroy(sim);
}

static void congestion_slows_down_on_a_narrow_link(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->rate = 1000000;
	transfer(test, sim, 2 << 20, 60 * SIM_SECOND);
	KUNIT_EXPECT_LE(test, sim->now, 12 * SIM_SECOND);
	sim_destroy(sim);
}

/* uapi.md, section 11.1 #13: credit for streams comes back as they finish. */
static void streams_are_renewed(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 id;

	sim->server.conn.local.initial_max_streams_uni = 5;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	for (id = 2; id < 4 * 100; id += 4) {
		if (!sim_send(&sim->client, id, 100, true)) {
			sim_run_for(sim, 200 * SIM_MS);
			KUNIT_ASSERT_EQ(test, sim_send(&sim->client, id, 100, true), 100);
		}
		sim_settle(&sim->client);
	}
	sim_run_for(sim, SIM_SECOND);
	for (id = 2; id < 4 * 100; id += 4) {
		KUNIT_EXPECT_EQ(test, sim->server.received[id], 100);
		KUNIT_EXPECT_TRUE(test, sim->server.finished[id]);
	}
	KUNIT_EXPECT_EQ(test, sim->server.conn.streams.remote[1].open, 0);
	sim_destroy(sim);
}

/* RFC 9000, sections 3.1, 3.5: STOP_SENDING is answered with RESET_STREAM. */
static void stop_sending_is_answered(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_stream *stream;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim->loss = 20;
	sim_send(&sim->client, 2, 1000, false);
	sim_run_for(sim, SIM_SECOND);
	stream = quic_streams_find(&sim->server.conn.streams, 2);
	KUNIT_ASSERT_NOT_NULL(test, stream);
	KUNIT_EXPECT_EQ(test, quic_conn_stream_stop(&sim->server.conn, stream, 77), 0);
	KUNIT_EXPECT_EQ(test, quic_conn_stream_stop(&sim->server.conn, stream, 77), -EAGAIN);
	sim_run_for(sim, 20 * SIM_SECOND);
	KUNIT_EXPECT_NULL(test, quic_streams_find(&sim->client.conn.streams, 2));
	KUNIT_EXPECT_NULL(test, quic_streams_find(&sim->server.conn.streams, 2));
	KUNIT_EXPECT_EQ(test, sim->server.last_update.state, QUIC_STREAM_RECV_STATE_RESET_RECVD);
	KUNIT_EXPECT_EQ(test, sim->server.last_update.errcode, 77);
	sim_destroy(sim);
}

/* The end of a stream that found no room is not acknowledged, so it comes again. */
static void end_of_stream_without_room_is_repeated(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_send(&sim->client, 2, 1000, false);
	sim_run_for(sim, SIM_SECOND);
	sim->server.refuse_fin = 1;
	sim_send(&sim->client, 2, 0, true);
	sim_settle(&sim->client);
	sim_run_for(sim, 15 * SIM_MS);
	KUNIT_EXPECT_EQ(test, sim->server.refuse_fin, 0);
	KUNIT_EXPECT_FALSE(test, sim->server.finished[2]);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_TRUE(test, sim->server.finished[2]);
	KUNIT_EXPECT_NULL(test, quic_streams_find(&sim->server.conn.streams, 2));
	sim_destroy(sim);
}

/* RFC 9000, section 10.2 */
static void close_drains_the_peer(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	quic_conn_close(&sim->client.conn, 42, true, (const u8 *)"bye", 3, sim->now);
	sim_settle(&sim->client);
	sim_run_for(sim, 15 * SIM_MS);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_DRAINING);
	KUNIT_EXPECT_EQ(test, sim->server.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->server.last_close.errcode, 42);
	KUNIT_EXPECT_STREQ(test, (char *)sim->server.last_close.phrase, "bye");
	KUNIT_EXPECT_EQ(test, sim->client.closes, 0);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_CLOSED);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

/* RFC 9000, section 10.1 */
static void silence_ends_the_connection(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, 29 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_ESTABLISHED);
	sim_run_for(sim, 2 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_CLOSED);
	KUNIT_EXPECT_EQ(test, sim->client.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->client.last_close.errcode, 0);
	sim_destroy(sim);
}

/* A server that vanished: probes back off and the idle timer ends it. RFC 9002, section 6.2.1. */
static void probes_back_off(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 before;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	sim->server.mute = true;
	sim->loss = 100;
	before = sim->client.packets_tx;
	sim_send(&sim->client, 0, 1000, true);
	sim_settle(&sim->client);
	sim_run_for(sim, 28 * SIM_SECOND);
	KUNIT_EXPECT_GE(test, sim->client.packets_tx - before, 8);
	KUNIT_EXPECT_LE(test, sim->client.packets_tx - before, 24);
	sim_destroy(sim);
}

struct violation {
	const char *name;
	u8 len;
	u8 payload[40];
	u32 code;
	bool to_client;
};

/* A peer that breaks the rules with valid keys: the code it gets. */
static const struct violation violations[] = {
	{ "no frames: RFC 9000, section 12.4 #2", 0, {}, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
	{ "unknown frame: RFC 9000, section 12.4 #4", 2, { 0x40, 0x7f }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "ACK of unsent packet: RFC 9000, section 13.1", 6, { 0x02, 0x7f, 0xff, 0, 0, 0 },
	  QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
	{ "ACK range below zero: RFC 9000, section 19.3.1 #1", 5, { 0x02, 0x00, 0, 0, 5 },
	  QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "stream over limit: RFC 9000, sections 4.6 #3 and 19.11 #4", 5, { 0x0a, 0x44, 0x00, 1, 'x' },
	  QUIC_TRANSPORT_ERROR_STREAM_LIMIT },
	{ "STREAM on our unopened stream: RFC 9000, section 19.8 #1", 4, { 0x0a, 0x01, 1, 'x' },
	  QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "STREAM on our sending stream: RFC 9000, section 19.8 #1", 4, { 0x0a, 0x03, 1, 'x' },
	  QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "MAX_STREAM_DATA on our unopened stream: RFC 9000, section 19.10 #1", 3, { 0x11, 0x01, 9 },
	  QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "STOP_SENDING on our unopened stream: RFC 9000, section 19.5 #1", 3, { 0x05, 0x01, 9 },
	  QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "RESET_STREAM over stream credit: RFC 9000, sections 4.1 #2 and 4.5", 8,
	  { 0x04, 0x00, 0x01, 0xbf, 0xff, 0xff, 0xff }, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
	{ "final size lowered: RFC 9000, section 4.5", 9, { 0x0a, 0x00, 2, 'x', 'y', 0x04, 0x00, 0x00, 0x01 },
	  QUIC_TRANSPORT_ERROR_FINAL_SIZE },
	{ "final size moved: RFC 9000, section 4.5", 10,
	  { 0x0b, 0x00, 1, 'x', 0x0f, 0x00, 0x01, 1, 'y', 0x00 },
	  QUIC_TRANSPORT_ERROR_FINAL_SIZE },
	{ "HANDSHAKE_DONE to a server: RFC 9000, section 19.20 #2", 1, { 0x1e },
	  QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
	{ "NEW_TOKEN to a server: RFC 9000, section 19.7 #4", 3, { 0x07, 1, 1 },
	  QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
	{ "RETIRE_CONNECTION_ID never issued: RFC 9000, section 19.16 #1", 2, { 0x19, 0x30 },
	  QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
	{ "MAX_STREAMS over 2^60: RFC 9000, sections 4.6 #1 and 19.11 #1", 9,
	  { 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	  QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "STREAMS_BLOCKED over 2^60: RFC 9000, section 19.14 #1", 9,
	  { 0x17, 0xd0, 0, 0, 0, 0, 0, 0, 1 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "RESET_STREAM on our sending stream: RFC 9000, section 19.4 #1", 4, { 0x04, 0x03, 0, 0 },
	  QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "STREAM_DATA_BLOCKED on our sending stream: RFC 9000, section 19.13 #1", 3,
	  { 0x15, 0x03, 1 }, QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "STOP_SENDING on a stream we only receive on: RFC 9000, section 19.5 #2", 3,
	  { 0x05, 0x02, 0 }, QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "MAX_STREAM_DATA on a stream we only receive on: RFC 9000, section 19.10 #2", 3,
	  { 0x11, 0x02, 9 }, QUIC_TRANSPORT_ERROR_STREAM_STATE },
	{ "STREAM over stream credit: RFC 9000, sections 4.1 #2 and 19.10 #4", 8,
	  { 0x0e, 0x00, 0x80, 0x0f, 0xff, 0xf0, 1, 'x' }, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
	{ "STREAM beyond 2^62-1: RFC 9000, section 19.8 #2", 12,
	  { 0x0e, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x' },
	  QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "CRYPTO beyond 2^62-1: RFC 9000, section 19.6 #1", 11,
	  { 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x' },
	  QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "NEW_CONNECTION_ID of no bytes: RFC 9000, section 19.15 #1", 20,
	  { 0x18, 9, 0, 0 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "NEW_CONNECTION_ID of 21 bytes: RFC 9000, section 19.15 #1", 40,
	  { 0x18, 9, 0, 21 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "NEW_CONNECTION_ID that retires itself: RFC 9000, section 19.15 #5 #6", 28,
	  { 0x18, 9, 10, 8 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "one connection ID too many: RFC 9000, section 5.1.1 #4", 28,
	  { 0x18, 7, 0, 8, 'n', 'e', 'w' }, QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT },
	{ "CONNECTION_CLOSE with a reason past the end: RFC 9000, section 19.19", 5,
	  { 0x1c, 0, 0, 9, 'x' }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
	{ "NEW_TOKEN without a token: RFC 9000, section 19.7 #1 #2", 2, { 0x07, 0 },
	  QUIC_TRANSPORT_ERROR_FRAME_ENCODING, .to_client = true },
	{ "DATAGRAM not agreed on: RFC 9221, section 3 #3", 3, { 0x31, 1, 'x' },
	  QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
};

/* RFC 9000, section 11.1 #1: and the peer is told, section 10.3 #1. */
static void violations_close_with_the_code(struct kunit *test)
{
	const struct violation *v;
	struct sim_end *end;
	struct sim *sim;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(violations); i++) {
		v = &violations[i];
		sim = sim_create();
		end = v->to_client ? &sim->client : &sim->server;
		KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
		if (sim_inject(end, QUIC_CRYPTO_APP, 900, v->payload, v->len) != -EPROTO ||
		    end->conn.close.code != v->code)
			KUNIT_FAIL(test, "%s: state %d, code %llu", v->name, end->conn.state,
				   (unsigned long long)end->conn.close.code);
		sim_settle(end);
		sim_run_for(sim, 15 * SIM_MS);
		if (end->peer->conn.state != QUIC_CONN_DRAINING ||
		    end->peer->last_close.errcode != v->code)
			KUNIT_FAIL(test, "%s: the peer was not told", v->name);
		sim_destroy(sim);
	}
}

/* RFC 9000, section 3.2: MAX_STREAM_DATA may come before the stream's first data. */
static void max_stream_data_creates_the_peers_stream(struct kunit *test)
{
	static const u8 payload[] = { 0x11, 0x04, 0x44, 0x00, 0x0b, 0x04, 1, 0x00 };
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, payload,
					 sizeof(payload)), 0);
	KUNIT_EXPECT_NOT_NULL(test, quic_streams_find(&sim->server.conn.streams, 4));
	KUNIT_EXPECT_TRUE(test, sim->server.finished[4]);
	sim_destroy(sim);
}

/* RFC 9000, sections 8 #1 and 8.1: three times what came from an unvalidated address. */
static void server_keeps_to_the_amplification_limit(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim_start(sim);
	sim->client.mute = false;
	sim_settle(&sim->client);
	sim_run_for(sim, 11 * SIM_MS);
	sim->client.mute = true;
	sim_run_for(sim, 12 * SIM_SECOND);
	KUNIT_EXPECT_FALSE(test, sim->server.conn.path[0].validated);
	KUNIT_EXPECT_LE(test, sim->server.conn.path[0].tx_bytes,
			3 * sim->server.conn.path[0].rx_bytes);
	sim_destroy(sim);
}

/* RFC 9000, section 21.4: an ACK of a number left out closes. */
static void optimistic_ack_is_seen(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 pn;

	wanted = 3 << 20;
	transfer(test, sim, wanted, 60 * SIM_SECOND);
	pn = sim->client.conn.skipped[0];
	KUNIT_ASSERT_NE(test, pn, 0);
	{
		u8 ack[] = { 0x02, 0x80 | (pn >> 24), pn >> 16, pn >> 8, pn, 0, 0, 0 };

		KUNIT_EXPECT_EQ(test, sim_inject(&sim->client, QUIC_CRYPTO_APP, 1 << 20, ack,
						 sizeof(ack)), -EPROTO);
	}
	KUNIT_EXPECT_EQ(test, sim->client.conn.close.code,
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	sim_destroy(sim);
}

/* RFC 9000, section 13.2.3: numbers left out long ago do not fill every ACK. */
static void old_gaps_are_not_reported_for_ever(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_ack_ranges *received;
	struct quic_tx_packet tx;
	u8 wire[1200];
	u64 pn;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	received = &sim->server.conn.space[QUIC_SPACE_APP]->received;
	for (pn = 100; pn < 20000; pn += 500)
		quic_ack_ranges_add(received, pn);
	KUNIT_EXPECT_GE(test, received->count, 40);
	sim->server.conn.ping = QUIC_CONTROL_STALE;
	sim->server.conn.space[QUIC_SPACE_APP]->ack.immediate = true;
	quic_writer_init(&tx.w, wire, sizeof(wire));
	quic_conn_tx_start(&sim->server.conn);
	KUNIT_ASSERT_EQ(test, quic_conn_tx_begin(&sim->server.conn, &tx, QUIC_CRYPTO_APP), 0);
	KUNIT_ASSERT_TRUE(test, quic_conn_tx_fill(&sim->server.conn, &tx, sim->now));
	KUNIT_EXPECT_TRUE(test, tx.has_ack);
	KUNIT_EXPECT_LE(test, quic_writer_used(&tx.w), 20);
	quic_conn_tx_abandon(&sim->server.conn, &tx);
	sim_destroy(sim);
}

static struct kunit_case conn_cases[] = {
	KUNIT_CASE(handshake_is_confirmed_and_discards_its_spaces),
	KUNIT_CASE(handshake_survives_heavy_loss),
	KUNIT_CASE(every_probe_carries_what_is_missing),
	KUNIT_CASE(data_arrives_both_ways),
	KUNIT_CASE(data_survives_a_bad_link),
	KUNIT_CASE(small_windows_do_not_stall),
	KUNIT_CASE(congestion_slows_down_on_a_narrow_link),
	KUNIT_CASE(streams_are_renewed),
	KUNIT_CASE(stop_sending_is_answered),
	KUNIT_CASE(end_of_stream_without_room_is_repeated),
	KUNIT_CASE(close_drains_the_peer),
	KUNIT_CASE(silence_ends_the_connection),
	KUNIT_CASE(probes_back_off),
	KUNIT_CASE(violations_close_with_the_code),
	KUNIT_CASE(max_stream_data_creates_the_peers_stream),
	KUNIT_CASE(server_keeps_to_the_amplification_limit),
	KUNIT_CASE(optimistic_ack_is_seen),
	KUNIT_CASE(old_gaps_are_not_reported_for_ever),
	{}
};

static struct kunit_suite conn_suite = {
	.name = "conn",
	.test_cases = conn_cases,
};

kunit_test_suite(conn_suite);
