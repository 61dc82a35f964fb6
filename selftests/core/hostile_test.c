// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A peer with valid keys that breaks rules, beyond what one frame shows:
 * frames in the wrong packets, CRYPTO data, transport parameters, and what a
 * connection says and does not say once it is over.
 */
#include <kunit/test.h>

#include "sim.h"
#include "tests/quic_test.h"

static const char *const level_name[] = {
	[QUIC_CRYPTO_APP] = "1-RTT", [QUIC_CRYPTO_INITIAL] = "Initial",
	[QUIC_CRYPTO_HANDSHAKE] = "Handshake", [QUIC_CRYPTO_EARLY] = "0-RTT",
};

/* A server that can open packets of @level, and a client that has fallen silent. */
static struct sim *server_at(u8 level)
{
	struct sim *sim = sim_create();

	if (level == QUIC_CRYPTO_APP) {
		if (!sim_handshake(sim))
			abort();
		return sim;
	}
	sim_start(sim);
	if (level == QUIC_CRYPTO_INITIAL)
		return sim;
	sim_settle(&sim->client);
	sim_run_for(sim, 11 * SIM_MS);
	sim->client.mute = true;
	if (level == QUIC_CRYPTO_EARLY)
		quic_conn_on_rx_key(&sim->server.conn, QUIC_CRYPTO_EARLY, 51);
	return sim;
}

struct whole_frame {
	const char *in;		/* RFC 9000, table 3; RFC 9221, section 5 #1 */
	u8 len;
	u8 bytes[28];
};

/* One of each type, well formed. */
static const struct whole_frame frames[] = {
	{ "IH01", 1, { 0x00 } },
	{ "IH01", 1, { 0x01 } },
	{ "IH1", 5, { 0x02, 0, 0, 0, 0 } },
	{ "IH1", 8, { 0x03, 0, 0, 0, 0, 0, 0, 0 } },
	{ "01", 4, { 0x04, 0x00, 0, 0 } },
	{ "01", 3, { 0x05, 0x00, 0 } },
	{ "IH1", 4, { 0x06, 0, 1, 'x' } },
	{ "1", 3, { 0x07, 1, 'x' } },
	{ "01", 3, { 0x08, 0x00, 'x' } },
	{ "01", 3, { 0x09, 0x00, 'x' } },
	{ "01", 4, { 0x0a, 0x00, 1, 'x' } },
	{ "01", 4, { 0x0b, 0x00, 1, 'x' } },
	{ "01", 4, { 0x0c, 0x00, 0, 'x' } },
	{ "01", 4, { 0x0d, 0x00, 0, 'x' } },
	{ "01", 5, { 0x0e, 0x00, 0, 1, 'x' } },
	{ "01", 5, { 0x0f, 0x00, 0, 1, 'x' } },
	{ "01", 2, { 0x10, 1 } },
	{ "01", 3, { 0x11, 0x00, 1 } },
	{ "01", 2, { 0x12, 1 } },
	{ "01", 2, { 0x13, 1 } },
	{ "01", 2, { 0x14, 1 } },
	{ "01", 3, { 0x15, 0x00, 1 } },
	{ "01", 2, { 0x16, 1 } },
	{ "01", 2, { 0x17, 1 } },
	{ "01", 28, { 0x18, 1, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9 } },
	{ "1", 2, { 0x19, 0 } },
	{ "01", 9, { 0x1a, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ "1", 9, { 0x1b, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ "IH01", 4, { 0x1c, 0, 0, 0 } },
	{ "01", 3, { 0x1d, 0, 0 } },
	{ "1", 1, { 0x1e } },
	{ "01", 2, { 0x30, 'x' } },
	{ "01", 3, { 0x31, 1, 'x' } },
};

/*
 * RFC 9000, sections 12.4 #3, 12.5 #1 #2 and 17.2.4 #1; RFC 9001, section 8.3 #2:
 * CRYPTO in 0-RTT; RFC 9221, sections 5 #1 and 6 #1: DATAGRAM in Initial and Handshake.
 */
static void frames_in_the_wrong_packet_close(struct kunit *test)
{
	static const u8 levels[] = {
		QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_EARLY, QUIC_CRYPTO_APP
	};
	u32 i, k, refused = 0;

	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		for (k = 0; k < ARRAY_SIZE(levels); k++) {
			const struct whole_frame *frame = &frames[i];
			struct quic_conn *conn;
			struct sim *sim;

			if (strchr(frame->in, "IH01"[k]))
				continue;
			sim = server_at(levels[k]);
			conn = &sim->server.conn;
			if (sim_inject(&sim->server, levels[k], 900, frame->bytes,
				       frame->len) != -EPROTO ||
			    conn->state != QUIC_CONN_CLOSING ||
			    conn->close.code != QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION)
				KUNIT_FAIL(test, "type %#x in %s: state %d, code %llu",
					   frame->bytes[0], level_name[levels[k]], conn->state,
					   (unsigned long long)conn->close.code);
			refused++;
			sim_destroy(sim);
		}
	}
	KUNIT_EXPECT_EQ(test, refused, 61);
}

/*
 * RFC 9000, section 12.4 #2 #4: an empty packet, an unknown type and a cut frame end the connection
 * at any level, whatever stood before them: RFC 9000, section 5.2 #1. Nothing is acknowledged:
 * RFC 9000, section 13.1 #1.
 */
static void malformed_packets_close_at_every_level(struct kunit *test)
{
	static const struct {
		u8 len;
		u8 bytes[4];
		u32 code;
	} packets[] = {
		{ 0, {}, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
		{ 2, { 0x01, 0x21 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
		{ 3, { 0x01, 0x02, 0x00 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
		{ 2, { 0x01, 0x40 }, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
		/* RFC 9000, section 12.4 #5 */
		{ 3, { 0x01, 0x40, 0x01 }, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION },
	};
	static const u8 levels[] = {
		QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_EARLY, QUIC_CRYPTO_APP
	};
	struct quic_conn *conn;
	struct sim *sim;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(packets); i++) {
		for (k = 0; k < ARRAY_SIZE(levels); k++) {
			sim = server_at(levels[k]);
			conn = &sim->server.conn;
			sim_inject(&sim->server, levels[k], 900, packets[i].bytes,
				   packets[i].len);
			if (conn->state != QUIC_CONN_CLOSING ||
			    conn->close.code != packets[i].code)
				KUNIT_FAIL(test, "packet %u in %s: state %d, code %llu", i,
					   level_name[levels[k]], conn->state,
					   (unsigned long long)conn->close.code);
			KUNIT_EXPECT_NE(test, quic_conn_largest_received(conn, levels[k]), 900);
			sim_destroy(sim);
		}
	}
}

static int inject_crypto(struct sim_end *to, u8 level, u64 pn, u64 offset, u32 len)
{
	struct quic_writer w;
	u8 wire[1300];

	quic_writer_init(&w, wire, sizeof(wire));
	if (!quic_frame_encode_crypto(&w, offset, len))
		abort();
	quic_write_zeroes(&w, len);
	return sim_inject(to, level, pn, wire, quic_writer_used(&w));
}

/* RFC 9000, section 7.5 #1: and much more than 4096 bytes may come before what precedes them. */
static void crypto_data_may_come_in_any_order(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_INITIAL);
	struct quic_reassembly *recv = &sim->server.conn.space[QUIC_SPACE_INITIAL]->crypto.recv;
	u64 offset;

	for (offset = 60 * 1024; offset >= 1024; offset -= 1024)
		KUNIT_EXPECT_EQ(test, inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL,
						    offset / 1024, offset, 1024), 0);
	KUNIT_EXPECT_EQ(test, recv->bytes, 60 * 1024);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_HANDSHAKE);
	sim_destroy(sim);
}

/* RFC 9000, sections 7.5 #2 and 19.6 #1 */
static void crypto_data_too_far_ahead_closes(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_INITIAL);

	KUNIT_EXPECT_EQ(test, inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL, 1,
					    QUIC_CRYPTO_BUFFER_MAX - 1, 1), 0);
	KUNIT_EXPECT_EQ(test, inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL, 2,
					    QUIC_CRYPTO_BUFFER_MAX, 1), -EPROTO);
	KUNIT_EXPECT_EQ(test, sim->server.conn.close.code,
			QUIC_TRANSPORT_ERROR_CRYPTO_BUF_EXCEEDED);
	sim_destroy(sim);
}

/* A peer that sends every second byte costs a bounded number of pieces. */
static void crypto_holes_are_bounded(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_INITIAL);
	struct quic_space *space = sim->server.conn.space[QUIC_SPACE_INITIAL];
	u64 i;

	for (i = 1; i < 1000; i++)
		inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL, i, 2 * i, 1);
	KUNIT_EXPECT_EQ(test, space->crypto.recv.count, QUIC_CRYPTO_GAPS_MAX);
	/* What was dropped is not acknowledged: RFC 9000, section 13.1 #1. */
	KUNIT_EXPECT_EQ(test, quic_ack_ranges_largest(&space->received), QUIC_CRYPTO_GAPS_MAX);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_HANDSHAKE);
	sim_destroy(sim);
}

static int inject_stream(struct sim_end *to, u64 pn, u64 id, u64 offset, bool reset)
{
	struct quic_writer w;
	u8 wire[64];

	quic_writer_init(&w, wire, sizeof(wire));
	if (reset) {
		quic_write_u8(&w, QUIC_FRAME_RESET_STREAM);
		quic_write_varint(&w, id);
		quic_write_varint(&w, 0);
		quic_write_varint(&w, offset);
	} else {
		quic_write_u8(&w, QUIC_FRAME_STREAM | 4);	/* with an offset */
		quic_write_varint(&w, id);
		quic_write_varint(&w, offset);
		quic_write_u8(&w, 'x');
	}
	return sim_inject(to, QUIC_CRYPTO_APP, pn, wire, quic_writer_used(&w));
}

/* The same with streams, each of which has a bound of its own: RFC 9000, section 21.7. */
static void stream_holes_are_bounded(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	struct sim_end *server = &sim->server;
	u64 pn = 1000, id, i;
	u32 dropped = 0;

	sim->loose = true;
	for (id = 0; id < 4 * 3; id += 4)
		for (i = 1; i <= 1100; i++)
			dropped += inject_stream(server, pn++, id, 2 * i, false) == -ENOBUFS;
	KUNIT_EXPECT_EQ(test, server->conn.streams.held, QUIC_REASSEMBLY_TOTAL_MAX);
	KUNIT_EXPECT_EQ(test, dropped, 3 * 1100 - QUIC_REASSEMBLY_TOTAL_MAX);
	KUNIT_EXPECT_EQ(test, quic_streams_find(&server->conn.streams, 0)->recv.reassembly.count,
			QUIC_STREAM_GAPS_MAX);
	KUNIT_EXPECT_EQ(test, server->conn.state, QUIC_CONN_ESTABLISHED);
	/* A stream that goes gives its share back. */
	KUNIT_EXPECT_EQ(test, inject_stream(server, pn++, 0, 2300, true), 0);
	KUNIT_EXPECT_EQ(test, server->conn.streams.held,
			QUIC_REASSEMBLY_TOTAL_MAX - QUIC_STREAM_GAPS_MAX);
	sim_destroy(sim);
}

/* RFC 9001, section 4.1.3 #1 #2 */
static void crypto_data_of_a_level_that_is_over_closes(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_HANDSHAKE);
	u64 end = sim->server.conn.space[QUIC_SPACE_INITIAL]->crypto.recv.next;

	KUNIT_ASSERT_NE(test, end, 0);
	/* A repetition is not more data. */
	KUNIT_EXPECT_EQ(test, inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL, 900, 0, end), 0);
	KUNIT_EXPECT_EQ(test, inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL, 901, end, 1),
			-EPROTO);
	KUNIT_EXPECT_EQ(test, sim->server.conn.close.code,
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	sim_destroy(sim);
}

/* RFC 9001, section 4.1.3 #3 */
static void crypto_data_left_behind_closes(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_INITIAL);

	KUNIT_EXPECT_EQ(test, inject_crypto(&sim->server, QUIC_CRYPTO_INITIAL, 900, 5000, 1), 0);
	sim_settle(&sim->client);
	sim_run_for(sim, 11 * SIM_MS);
	KUNIT_EXPECT_EQ(test, sim->server.conn.close.code,
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	KUNIT_EXPECT_NE(test, sim->server.conn.state, QUIC_CONN_HANDSHAKE);
	sim_destroy(sim);
}

/* The connection IDs in a set of transport parameters, and what a client makes of them. */
struct id_case {
	const char *name;
	const char *original;
	const char *initial;
	const char *retry;
	u32 code;
};

static const struct id_case id_cases[] = {
	{ "as they were", "original", "server00", NULL, 0 },
	{ "no initial_source_connection_id", "original", NULL, NULL,
	  QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM },
	{ "no original_destination_connection_id", NULL, "server00", NULL,
	  QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM },
	{ "another server", "original", "serverXX", NULL, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM },
	{ "another client", "originaX", "server00", NULL, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM },
	{ "shorter", "origina", "server00", NULL, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM },
	{ "a Retry that was not", "original", "server00", "retry000",
	  QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM },
};

static bool set_cid(struct quic_cid *cid, const char *text)
{
	if (text)
		quic_cid_set(cid, (const u8 *)text, strlen(text));
	return text;
}

/* RFC 9000, sections 7.3 #1 #2 #3 #4 and 7.4 #1 */
static void connection_ids_are_authenticated(struct kunit *test)
{
	struct quic_transport_params tp;
	const struct id_case *c;
	struct quic_writer w;
	struct sim *sim;
	u8 body[200];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(id_cases); i++) {
		c = &id_cases[i];
		sim = sim_create();
		sim_start(sim);
		quic_transport_params_init(&tp);
		tp.has_original_dcid = set_cid(&tp.original_dcid, c->original);
		tp.has_initial_scid = set_cid(&tp.initial_scid, c->initial);
		tp.has_retry_scid = set_cid(&tp.retry_scid, c->retry);
		quic_writer_init(&w, body, sizeof(body));
		KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
		quic_conn_set_remote_params(&sim->client.conn, body, quic_writer_used(&w));
		if (sim->client.conn.close.code != c->code ||
		    (sim->client.conn.state == QUIC_CONN_CLOSING) != !!c->code)
			KUNIT_FAIL(test, "%s: code %llu", c->name,
				   (unsigned long long)sim->client.conn.close.code);
		sim_destroy(sim);
	}
}

/* RFC 9000, section 7.3 #3: the client's own ID is looked at, too. */
static void server_authenticates_the_client(struct kunit *test)
{
	static const u8 without[] = { 0x04, 0x01, 0x05 };
	static const u8 wrong[] = { 0x0f, 0x08, 'c', 'l', 'i', 'e', 'n', 't', '0', '1' };
	/* RFC 9000, section 18.2 #8 #9: only a server has an original ID. */
	static const u8 servers[] = {
		0x0f, 0x08, 'c', 'l', 'i', 'e', 'n', 't', '0', '0', 0x00, 0x01, 'x'
	};
	static const struct {
		const u8 *body;
		u32 len;
	} bodies[] = {
		{ without, sizeof(without) }, { wrong, sizeof(wrong) }, { servers, sizeof(servers) },
	};
	struct sim *sim;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bodies); i++) {
		sim = server_at(QUIC_CRYPTO_INITIAL);
		KUNIT_EXPECT_EQ(test, quic_conn_set_remote_params(&sim->server.conn,
								  bodies[i].body, bodies[i].len),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, sim->server.conn.close.code,
				QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
		sim_destroy(sim);
	}
}

/* The first bytes of a CONNECTION_CLOSE frame that @end would send at @level; 0: it would not. */
static u32 closing_packet(struct sim_end *end, u8 level, u8 *wire, u32 size)
{
	struct quic_tx_packet tx;
	u32 len = 0;

	if (!quic_conn_wants_tx(&end->conn, level, end->sim->now))
		return 0;
	quic_writer_init(&tx.w, wire, size);
	if (!quic_conn_tx_begin(&end->conn, &tx, level) &&
	    quic_conn_tx_fill(&end->conn, &tx, end->sim->now))
		len = quic_writer_used(&tx.w);
	return len;
}

/* RFC 9000, section 10.2.3 #2 #3 */
static void application_close_is_hidden_during_the_handshake(struct kunit *test)
{
	static const u8 levels[] = { QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_HANDSHAKE };
	static const u8 hidden[] = { 0x1c, QUIC_TRANSPORT_ERROR_APPLICATION, 0, 0 };
	struct sim *sim = server_at(QUIC_CRYPTO_HANDSHAKE);
	u8 wire[1200];
	u32 i;

	quic_conn_close(&sim->server.conn, 42, true, (const u8 *)"secret", 6, sim->now);
	quic_conn_tx_start(&sim->server.conn);
	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		KUNIT_EXPECT_EQ(test, closing_packet(&sim->server, levels[i], wire, sizeof(wire)),
				sizeof(hidden));
		KUNIT_EXPECT_EQ(test, memcmp(wire, hidden, sizeof(hidden)), 0);
	}
	sim_destroy(sim);
}

/* RFC 9000, sections 10.2.3 #1 and 12.5 #1 */
static void confirmed_connection_closes_in_1rtt_only(struct kunit *test)
{
	static const u8 said[] = { 0x1d, 42, 3, 'b', 'y', 'e' };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	u8 wire[1200];

	quic_conn_close(&sim->server.conn, 42, true, (const u8 *)"bye", 3, sim->now);
	quic_conn_tx_start(&sim->server.conn);
	KUNIT_EXPECT_EQ(test, closing_packet(&sim->server, QUIC_CRYPTO_INITIAL, wire,
					     sizeof(wire)), 0);
	KUNIT_EXPECT_EQ(test, closing_packet(&sim->server, QUIC_CRYPTO_HANDSHAKE, wire,
					     sizeof(wire)), 0);
	KUNIT_EXPECT_EQ(test, closing_packet(&sim->server, QUIC_CRYPTO_APP, wire, sizeof(wire)),
			sizeof(said));
	KUNIT_EXPECT_EQ(test, memcmp(wire, said, sizeof(said)), 0);
	sim_destroy(sim);
}

/* RFC 9000, section 10.2.1 #1: a flood is not answered packet by packet. */
static void answers_of_a_closing_endpoint_thin_out(struct kunit *test)
{
	static const u8 ping[] = { 0x01 };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	u64 before;
	u32 i;

	quic_conn_close(&sim->server.conn, 0, false, NULL, 0, sim->now);
	sim_settle(&sim->server);
	sim->client.mute = true;
	before = sim->server.packets_tx;
	for (i = 0; i < 1000; i++) {
		sim_inject(&sim->server, QUIC_CRYPTO_APP, 1000 + i, ping, sizeof(ping));
		sim_settle(&sim->server);
	}
	KUNIT_EXPECT_GE(test, sim->server.packets_tx - before, 1);
	KUNIT_EXPECT_LE(test, sim->server.packets_tx - before, 10);
	sim_destroy(sim);
}

/* RFC 9000, section 10.2.2 #1 #2 */
static void draining_endpoint_is_silent(struct kunit *test)
{
	static const u8 close[] = { 0x1c, 0, 0, 0 };
	static const u8 ping[] = { 0x01 };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	u64 before;

	sim_send(&sim->server, 1, 5000, true);
	sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, close, sizeof(close));
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_DRAINING);
	before = sim->server.packets_tx;
	sim_inject(&sim->server, QUIC_CRYPTO_APP, 901, ping, sizeof(ping));
	sim->server.conn.todo |= QUIC_TODO_TX;
	sim_settle(&sim->server);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

/* RFC 9001, sections 4.9.1 #1 #2 and 4.9.2 #1 */
static void keys_are_discarded_on_time(struct kunit *test)
{
	const u8 initial = BIT(QUIC_CRYPTO_INITIAL), handshake = BIT(QUIC_CRYPTO_HANDSHAKE);
	struct sim *sim = server_at(QUIC_CRYPTO_HANDSHAKE);
	struct quic_conn *client = &sim->client.conn, *server = &sim->server.conn;

	/* The server has not seen a Handshake packet yet, the client has sent none. */
	KUNIT_EXPECT_EQ(test, server->rx_keys & initial, initial);
	KUNIT_EXPECT_EQ(test, client->tx_keys & initial, initial);
	sim_run_for(sim, 12 * SIM_MS);
	KUNIT_EXPECT_EQ(test, client->state, QUIC_CONN_ESTABLISHED);
	KUNIT_EXPECT_EQ(test, (client->tx_keys | client->rx_keys) & initial, 0);
	KUNIT_EXPECT_EQ(test, client->rx_keys & handshake, handshake);
	client->todo |= QUIC_TODO_TX;
	KUNIT_EXPECT_FALSE(test, quic_conn_wants_tx(client, QUIC_CRYPTO_INITIAL, sim->now));
	sim->client.mute = false;
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 10 * SIM_SECOND));
	KUNIT_EXPECT_EQ(test, (server->tx_keys | server->rx_keys) & (initial | handshake), 0);
	KUNIT_EXPECT_EQ(test, (client->tx_keys | client->rx_keys) & (initial | handshake), 0);
	sim_destroy(sim);
}

/* RFC 9000, section 19.20 #1; RFC 9001, section 4.1.2 #1: not before, and at once. */
static void handshake_done_follows_completion(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_HANDSHAKE);

	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_HANDSHAKE);
	KUNIT_EXPECT_EQ(test, sim->server.conn.handshake_done, QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_FALSE(test, sim->client.conn.confirmed);
	sim->client.mute = false;
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 30 * SIM_SECOND));
	KUNIT_EXPECT_NE(test, sim->server.conn.handshake_done, QUIC_CONTROL_IDLE);
	sim_destroy(sim);
}

/* RFC 9000, section 13.3 #2 */
static void handshake_done_is_repeated_until_acknowledged(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_HANDSHAKE);

	sim->client.mute = false;
	sim->server.mute = true;
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_ASSERT_EQ(test, sim->server.conn.state, QUIC_CONN_ESTABLISHED);
	KUNIT_EXPECT_FALSE(test, sim->client.conn.confirmed);
	KUNIT_EXPECT_EQ(test, sim->server.conn.handshake_done, QUIC_CONTROL_SENT);
	sim->server.mute = false;
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_TRUE(test, sim->client.conn.confirmed);
	KUNIT_EXPECT_EQ(test, sim->server.conn.handshake_done, QUIC_CONTROL_ACKED);
	sim_destroy(sim);
}

/* RFC 9000, section 13.2.1 #4: two ends that acknowledge acknowledgements never fall silent. */
static void what_needs_no_answer_gets_none(struct kunit *test)
{
	static const u8 padding[] = { 0x00, 0x00, 0x00 };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	u64 before;
	u32 i;

	sim_run_for(sim, SIM_SECOND);
	before = sim->server.packets_tx;
	/* With gaps, too. */
	for (i = 0; i < 100; i++) {
		sim_inject(&sim->server, QUIC_CRYPTO_APP, 1000 + 3 * i, padding, sizeof(padding));
		sim_settle(&sim->server);
	}
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before);
	sim_destroy(sim);
}

/* RFC 9000, section 13.2.1 #3: one packet is answered by one acknowledgement at most. */
static void packets_are_acknowledged_once(struct kunit *test)
{
	static const u8 ping[] = { 0x01 };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	u64 before;
	u32 i;

	sim_run_for(sim, SIM_SECOND);
	before = sim->server.packets_tx;
	for (i = 0; i < 100; i++) {
		sim_inject(&sim->server, QUIC_CRYPTO_APP, 1000 + 3 * i, ping, sizeof(ping));
		sim_settle(&sim->server);
	}
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_LE(test, sim->server.packets_tx - before, 100);
	sim_destroy(sim);
}

/* RFC 9000, sections 4.1 #3, 4.6 #4, 13.3 #3 and 19.11 #2 */
static void limits_never_go_down(struct kunit *test)
{
	static const u8 lower[] = { 0x10, 1, 0x12, 1, 0x13, 1, 0x11, 0x01, 1 };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	struct quic_streams *streams = &sim->server.conn.streams;
	u64 data, stream_data, bidi, uni;

	sim_send(&sim->server, 1, 10, false);
	data = sim->server.conn.tx_flow.limit;
	stream_data = quic_streams_find(streams, 1)->send.flow.limit;
	bidi = streams->local[0].limit;
	uni = streams->local[1].limit;
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, lower,
					 sizeof(lower)), 0);
	KUNIT_EXPECT_EQ(test, sim->server.conn.tx_flow.limit, data);
	KUNIT_EXPECT_EQ(test, quic_streams_find(streams, 1)->send.flow.limit, stream_data);
	KUNIT_EXPECT_EQ(test, streams->local[0].limit, bidi);
	KUNIT_EXPECT_EQ(test, streams->local[1].limit, uni);
	sim_destroy(sim);
}

/* RFC 9000, sections 4.1 #2 and 19.9 #2: the sum over all streams. */
static void connection_credit_is_enforced(struct kunit *test)
{
	static const u8 fits[] = { 0x0e, 0x00, 0x43, 0xe7, 1, 'x', 0x0e, 0x04, 0x43, 0xe7, 1, 'x' };
	static const u8 one_more[] = { 0x0a, 0x08, 1, 'x' };
	struct sim *sim = sim_create();

	sim->server.auto_read = false;
	sim->server.conn.local.initial_max_data = 2000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, fits,
					 sizeof(fits)), 0);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 901, one_more,
					 sizeof(one_more)), -EPROTO);
	KUNIT_EXPECT_EQ(test, sim->server.conn.close.code, QUIC_TRANSPORT_ERROR_FLOW_CONTROL);
	sim_destroy(sim);
}

/* RFC 9000, sections 4.4 #1 and 4.5 #1: a reset counts its final size, the other direction lives. */
static void reset_stream_counts_its_final_size(struct kunit *test)
{
	static const u8 reset[] = { 0x04, 0x00, 7, 0x43, 0xe8 };
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	struct quic_stream *stream;
	u64 received = sim->server.conn.rx_flow.received;
	static const u8 more[] = { 0x11, 0x00, 0x80, 0x20, 0x00, 0x00 };

	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, reset,
					 sizeof(reset)), 0);
	KUNIT_EXPECT_EQ(test, sim->server.conn.rx_flow.received, received + 1000);
	stream = quic_streams_find(&sim->server.conn.streams, 0);
	KUNIT_ASSERT_NOT_NULL(test, stream);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 901, more,
					 sizeof(more)), 0);
	KUNIT_EXPECT_EQ(test, stream->send.flow.limit, 0x200000);
	KUNIT_EXPECT_EQ(test, sim_send(&sim->server, 0, 100, true), 100);
	sim_destroy(sim);
}

/* RFC 9000, section 10.1 #1 */
static void idle_period_is_three_probe_timeouts_at_least(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;

	conn->local.max_idle_timeout = 1000;
	sim_start(sim);
	KUNIT_EXPECT_GE(test, conn->deadlines.at[QUIC_DEADLINE_IDLE],
			sim->now + 3 * quic_conn_pto(conn));
	sim_destroy(sim);
}

/* A number is used once, and the last one ends it: RFC 9000, section 12.3 #1 #2 #3. */
static void packet_numbers_run_out(struct kunit *test)
{
	struct sim *sim = server_at(QUIC_CRYPTO_APP);
	struct quic_conn *conn = &sim->server.conn;
	struct quic_tx_packet tx;
	u8 wire[1200];
	u64 before;

	conn->space[QUIC_SPACE_APP]->loss.sent.next = QUIC_PN_MAX;
	conn->ping = QUIC_CONTROL_STALE;
	conn->todo |= QUIC_TODO_TX;
	before = sim->server.packets_tx;
	quic_conn_tx_start(conn);
	quic_writer_init(&tx.w, wire, sizeof(wire));
	KUNIT_EXPECT_NE(test, quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_APP), 0);
	KUNIT_EXPECT_EQ(test, conn->state, QUIC_CONN_CLOSED);
	sim_settle(&sim->server);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before);
	sim_destroy(sim);
}

static struct kunit_case hostile_cases[] = {
	KUNIT_CASE(frames_in_the_wrong_packet_close),
	KUNIT_CASE(malformed_packets_close_at_every_level),
	KUNIT_CASE(crypto_data_may_come_in_any_order),
	KUNIT_CASE(crypto_data_too_far_ahead_closes),
	KUNIT_CASE(crypto_holes_are_bounded),
	KUNIT_CASE(stream_holes_are_bounded),
	KUNIT_CASE(crypto_data_of_a_level_that_is_over_closes),
	KUNIT_CASE(crypto_data_left_behind_closes),
	KUNIT_CASE(connection_ids_are_authenticated),
	KUNIT_CASE(server_authenticates_the_client),
	KUNIT_CASE(application_close_is_hidden_during_the_handshake),
	KUNIT_CASE(confirmed_connection_closes_in_1rtt_only),
	KUNIT_CASE(answers_of_a_closing_endpoint_thin_out),
	KUNIT_CASE(draining_endpoint_is_silent),
	KUNIT_CASE(keys_are_discarded_on_time),
	KUNIT_CASE(handshake_done_follows_completion),
	KUNIT_CASE(handshake_done_is_repeated_until_acknowledged),
	KUNIT_CASE(what_needs_no_answer_gets_none),
	KUNIT_CASE(packets_are_acknowledged_once),
	KUNIT_CASE(limits_never_go_down),
	KUNIT_CASE(connection_credit_is_enforced),
	KUNIT_CASE(reset_stream_counts_its_final_size),
	KUNIT_CASE(idle_period_is_three_probe_timeouts_at_least),
	KUNIT_CASE(packet_numbers_run_out),
	{}
};

static struct kunit_suite hostile_suite = {
	.name = "hostile",
	.test_cases = hostile_cases,
};

kunit_test_suite(hostile_suite);
