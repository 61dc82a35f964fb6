// SPDX-License-Identifier: GPL-2.0-or-later
/* DATAGRAM frames between two connections. RFC 9221. */
#include <kunit/test.h>

#include "sim.h"

/* Connections whose servers take frames of up to @limit bytes. */
static struct sim *datagram_sim(struct kunit *test, u64 limit)
{
	struct sim *sim = sim_create();

	sim->client.conn.local.max_datagram_frame_size = limit;
	sim->server.conn.local.max_datagram_frame_size = limit;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	return sim;
}

static void payloads_arrive_both_ways(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	u8 i;

	for (i = 1; i <= 100; i++) {
		sim_send_datagram(&sim->client, 10 * i, i);
		sim_send_datagram(&sim->server, 5 * i, i);
	}
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.datagrams, 100);
	KUNIT_EXPECT_EQ(test, sim->server.datagram_len, 1000);
	KUNIT_EXPECT_EQ(test, sim->server.datagram_first, 100);
	KUNIT_EXPECT_EQ(test, sim->client.datagrams, 100);
	KUNIT_EXPECT_EQ(test, sim->client.datagram_len, 500);
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes + sim->client.bad_bytes, 0);
	sim_destroy(sim);
}

/* RFC 9221, section 5: what is lost is not sent again, but it is lost: section 5.4. */
static void lost_payloads_stay_lost(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	u64 cwnd = sim->client.conn.path[0].cong.cwnd;
	u32 i;

	sim->client.mute = true;
	for (i = 0; i < 5; i++)
		sim_send_datagram(&sim->client, 1000, 'l');
	sim_settle(&sim->client);
	sim->client.mute = false;
	for (i = 0; i < 5; i++)
		sim_send_datagram(&sim->client, 1000, 'a');
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.datagrams, 5);
	KUNIT_EXPECT_EQ(test, sim->server.datagram_first, 'a');
	KUNIT_EXPECT_EQ(test, sim->client.conn.lost_packets, 5);
	KUNIT_EXPECT_LT(test, sim->client.conn.path[0].cong.cwnd, cwnd);
	KUNIT_EXPECT_EQ(test, sim->client.conn.path[0].cong.bytes_in_flight, 0);
	sim_destroy(sim);
}

/* RFC 9221, section 5.4 #1; RFC 9000, section 19.21 #2: the controller's window holds for them. */
static void payloads_wait_for_the_window(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	struct quic_cong *cong = &sim->client.conn.path[0].cong;
	u32 i;

	for (i = 0; i < 200; i++)
		sim_send_datagram(&sim->client, 1300, 'w');
	sim_settle(&sim->client);
	KUNIT_EXPECT_LE(test, cong->bytes_in_flight, cong->cwnd);
	KUNIT_EXPECT_TRUE(test, quic_datagrams_pending(&sim->client.conn.datagrams));
	KUNIT_EXPECT_FALSE(test, quic_conn_is_flushed(&sim->client.conn));
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.datagrams, 200);
	KUNIT_EXPECT_TRUE(test, quic_conn_is_flushed(&sim->client.conn));
	sim_destroy(sim);
}

/* uapi.md, section 3.4: no Nagle, but MSG_MORE holds back. */
static void payloads_wait_for_no_company(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	struct quic_conn *conn = &sim->client.conn;
	u64 before;

	conn->nodelay = false;
	sim_send(&sim->client, 0, 1, false);
	sim_settle(&sim->client);
	before = sim->client.packets_tx;
	sim_send_datagram(&sim->client, 10, 'n');
	sim_settle(&sim->client);
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, before + 1);
	conn->corked = true;
	sim_send_datagram(&sim->client, 10, 'c');
	sim_send_datagram(&sim->client, 10, 'c');
	sim_settle(&sim->client);
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, before + 1);
	conn->corked = false;
	sim_send_datagram(&sim->client, 10, 'd');
	sim_settle(&sim->client);
	/* All of them in one packet. */
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, before + 2);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.datagrams, 4);
	KUNIT_EXPECT_EQ(test, sim->server.datagram_first, 'd');
	sim_destroy(sim);
}

static void payload_that_fits_no_more_is_dropped(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	struct quic_conn *conn = &sim->client.conn;

	conn->corked = true;
	sim_send_datagram(&sim->client, 1400, 'x');
	sim_send_datagram(&sim->client, 1100, 'y');
	sim_send_datagram(&sim->client, 1300, 'x');
	quic_conn_set_mss(conn, 1200);
	conn->corked = false;
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.datagrams, 1);
	KUNIT_EXPECT_EQ(test, sim->server.datagram_first, 'y');
	KUNIT_EXPECT_EQ(test, conn->datagrams.dropped, 2);
	KUNIT_EXPECT_FALSE(test, quic_datagrams_pending(&conn->datagrams));
	sim_destroy(sim);
}

/* RFC 9221, section 5.2; RFC 9000, section 19.21 #2: an acknowledgement may wait, but comes. */
static void acknowledgement_is_delayed(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	u64 before = sim->server.packets_tx;

	sim_send_datagram(&sim->client, 10, 'a');
	sim_settle(&sim->client);
	sim_run_for(sim, sim->delay);
	KUNIT_EXPECT_EQ(test, sim->server.datagrams, 1);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before);
	sim_run_for(sim, 25 * SIM_MS);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before + 1);
	sim_destroy(sim);
}

/* uapi.md, section 3.4: the frame with its length, in one packet, within the peer's limit. */
static void length_is_checked(struct kunit *test)
{
	static const struct {
		u64 limit;
		u32 mss;
		u64 len;
		int err;
	} table[] = {
		{ 0, 1472, 1, -EINVAL },
		{ 65535, 1472, 0, -EMSGSIZE },
		{ 65535, 1472, 1, 0 },
		{ 65535, 1472, 1472 - 29 - 3, 0 },
		{ 65535, 1472, 1472 - 29 - 2, -EMSGSIZE },
		{ 65535, 1200, 1200 - 29 - 3, 0 },
		{ 65535, 1200, 1200 - 29 - 2, -EMSGSIZE },
		{ 1200, 1472, 1200 - 29 - 3, 0 },
		{ 1200, 1472, 1200 - 29 - 2, -EMSGSIZE },
		{ 94, 1472, 63, 0 },
		{ 94, 1472, 64, -EMSGSIZE },
		{ 20, 1472, 1, -EMSGSIZE },
		{ 65535, 1472, ~0ULL, -EMSGSIZE },
	};
	struct sim *sim = datagram_sim(test, 65535);
	struct quic_conn *conn = &sim->client.conn;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		conn->remote.max_datagram_frame_size = table[i].limit;
		conn->path[0].mss = table[i].mss;
		KUNIT_EXPECT_EQ_MSG(test, quic_datagrams_check(conn, table[i].len), table[i].err,
				    "row %u", i);
	}
	sim_destroy(sim);
}

/* RFC 9221, section 3 #4: the limit counts type and length. */
static void frame_above_our_limit_closes(struct kunit *test)
{
	static const struct {
		u8 type;
		u8 len;
		bool ok;
	} table[] = {
		{ 0x31, 18, true }, { 0x31, 19, false }, { 0x30, 19, true }, { 0x30, 20, false },
		{ 0x30, 0, true }, { 0x31, 0, true },
	};
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct sim *sim = datagram_sim(test, 20);
		u8 payload[32] = { table[i].type, table[i].len };

		n = table[i].type == 0x31 ? 2 : 1;
		if (n == 1)
			payload[1] = 0;
		KUNIT_EXPECT_EQ_MSG(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 900, payload,
						     n + table[i].len),
				    table[i].ok ? 0 : -EPROTO, "row %u", i);
		KUNIT_EXPECT_EQ(test, sim->server.datagrams, table[i].ok);
		KUNIT_EXPECT_EQ(test, sim->server.conn.close.code,
				table[i].ok ? 0 : QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
		sim_destroy(sim);
	}
}

/* RFC 9221, section 3 #1: or remembered, and then in 0-RTT packets. */
static void remembered_limit_serves_early_packets(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_transport_params remembered = sim->server.conn.local;
	struct quic_conn *conn = &sim->client.conn;
	struct quic_tx_packet tx;
	u8 wire[1200];

	sim_start(sim);
	KUNIT_EXPECT_EQ(test, quic_datagrams_check(conn, 10), -EINVAL);
	remembered.max_datagram_frame_size = 1200;
	KUNIT_ASSERT_EQ(test, quic_conn_remember_params(conn, &remembered), 0);
	quic_conn_on_tx_key(conn, QUIC_CRYPTO_EARLY, 51);
	/* A long header: its length, its number, two connection IDs. */
	KUNIT_EXPECT_EQ(test, quic_datagrams_check(conn, 1200 - 47 - 3), 0);
	KUNIT_EXPECT_EQ(test, quic_datagrams_check(conn, 1200 - 47 - 2), -EMSGSIZE);
	sim_settle(&sim->client);
	KUNIT_EXPECT_FALSE(test, quic_conn_wants_tx(conn, QUIC_CRYPTO_EARLY, sim->now));
	sim_send_datagram(&sim->client, 10, 'e');
	quic_conn_tx_start(conn);
	KUNIT_ASSERT_TRUE(test, quic_conn_wants_tx(conn, QUIC_CRYPTO_EARLY, sim->now));
	quic_writer_init(&tx.w, wire, sizeof(wire));
	KUNIT_ASSERT_EQ(test, quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_EARLY), 0);
	KUNIT_EXPECT_TRUE(test, quic_conn_tx_fill(conn, &tx, sim->now));
	KUNIT_EXPECT_EQ(test, tx.start[0], QUIC_FRAME_DATAGRAM_LEN);
	KUNIT_EXPECT_EQ(test, tx.start[2], 'e');
	quic_conn_tx_abandon(conn, &tx);
	sim_destroy(sim);
}

/* Streams and datagrams share packets; neither keeps the other from arriving. */
static void streams_go_on_beside_datagrams(struct kunit *test)
{
	struct sim *sim = datagram_sim(test, 65535);
	u32 i;

	sim->loss = 3;
	for (i = 0; i < 300; i++)
		sim_send_datagram(&sim->client, 100 + i * 4, 's');
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 200000, true), 200000);
	sim_run_for(sim, 60 * SIM_SECOND);
	KUNIT_EXPECT_TRUE(test, sim->server.finished[0]);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 200000);
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	KUNIT_EXPECT_GE(test, sim->server.datagrams, 240);
	KUNIT_EXPECT_LT(test, sim->server.datagrams, 300);
	sim_destroy(sim);
}

static struct kunit_case datagram_cases[] = {
	KUNIT_CASE(payloads_arrive_both_ways),
	KUNIT_CASE(lost_payloads_stay_lost),
	KUNIT_CASE(payloads_wait_for_the_window),
	KUNIT_CASE(payloads_wait_for_no_company),
	KUNIT_CASE(payload_that_fits_no_more_is_dropped),
	KUNIT_CASE(acknowledgement_is_delayed),
	KUNIT_CASE(length_is_checked),
	KUNIT_CASE(frame_above_our_limit_closes),
	KUNIT_CASE(remembered_limit_serves_early_packets),
	KUNIT_CASE(streams_go_on_beside_datagrams),
	{}
};

static struct kunit_suite datagram_suite = {
	.name = "datagram",
	.test_cases = datagram_cases,
};

kunit_test_suite(datagram_suite);
