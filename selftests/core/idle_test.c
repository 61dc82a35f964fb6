// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections on which nothing happens. RFC 9000, section 10.1; uapi.md, section 5.10. */
#include <kunit/test.h>

#include "sim.h"

static struct sim *idle_sim(struct kunit *test, u64 client_ms, u64 server_ms)
{
	struct sim *sim = sim_create();

	sim->client.conn.local.max_idle_timeout = client_ms * 1000;
	sim->server.conn.local.max_idle_timeout = server_ms * 1000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, 500 * SIM_MS);
	return sim;
}

static bool is_open(const struct sim *sim)
{
	return quic_conn_is_open(&sim->client.conn) && quic_conn_is_open(&sim->server.conn);
}

/* The smaller one of both periods counts, and the end is silent. */
static void smaller_timeout_counts(struct kunit *test)
{
	static const u64 table[][3] = {
		{ 3000, 5000, 3000 }, { 5000, 3000, 3000 }, { 0, 4000, 4000 }, { 4000, 0, 4000 },
	};
	struct sim *sim;
	u64 tx;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		sim = idle_sim(test, table[i][0], table[i][1]);
		tx = sim->client.packets_tx + sim->server.packets_tx;
		sim_run_for(sim, (table[i][2] - 600) * SIM_MS);
		KUNIT_EXPECT_TRUE(test, is_open(sim));
		sim_run_for(sim, 700 * SIM_MS);
		KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_CLOSED);
		KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_CLOSED);
		KUNIT_EXPECT_EQ(test, sim->client.packets_tx + sim->server.packets_tx, tx);
		sim_destroy(sim);
	}
	sim = idle_sim(test, 0, 0);
	sim_run_for(sim, 1000 * SIM_SECOND);
	KUNIT_EXPECT_TRUE(test, is_open(sim));
	sim_destroy(sim);
}

/* RFC 9000, section 10.1 #1: never less than three probe timeouts. */
static void timeout_is_three_probe_timeouts_at_least(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 pto, silent_from;

	sim->delay = 300 * SIM_MS;
	sim->client.conn.local.max_idle_timeout = 1000000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 10, false), 10);
	sim_run_for(sim, 650 * SIM_MS);
	silent_from = sim->client.conn.last_rx;
	pto = quic_conn_pto(&sim->client.conn);
	KUNIT_ASSERT_GE(test, 3 * pto, SIM_SECOND + 100 * SIM_MS);
	sim->server.mute = true;
	sim_run_for(sim, silent_from + 3 * pto - sim->now - SIM_MS);
	KUNIT_EXPECT_TRUE(test, quic_conn_is_open(&sim->client.conn));
	sim_destroy(sim);
}

/* What is sent first after something was received restarts the period, what follows does not. */
static void only_the_first_packet_sent_counts(struct kunit *test)
{
	struct sim *sim = idle_sim(test, 4000, 30000);
	u32 i;

	sim->server.mute = true;
	sim_run_for(sim, 2000 * SIM_MS);
	for (i = 0; i < 30; i++) {
		KUNIT_EXPECT_EQ(test, quic_conn_is_open(&sim->client.conn), true);
		sim_send(&sim->client, 0, 10, false);
		sim_run_for(sim, 100 * SIM_MS);
	}
	/* Alive beyond 4 s after the handshake, over 4 s after the first of them. */
	sim_run_for(sim, 1200 * SIM_MS);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

/* uapi.md, section 5.10: PING after so long without a word from the peer, and no earlier. */
static void keepalive_breaks_the_silence(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 tx;

	sim->client.conn.config.keepalive = 1500 * SIM_MS;
	sim->client.conn.local.max_idle_timeout = 3000000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, 500 * SIM_MS);
	tx = sim->client.packets_tx;
	sim_run_for(sim, 900 * SIM_MS);
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, tx);
	sim_run_for(sim, 60 * SIM_SECOND);
	KUNIT_EXPECT_TRUE(test, is_open(sim));
	/* One for each period, with its answer. */
	KUNIT_EXPECT_GE(test, sim->client.packets_tx - tx, 35);
	KUNIT_EXPECT_LE(test, sim->client.packets_tx - tx, 45);
	sim_destroy(sim);
}

static void keepalive_does_not_hold_a_dead_peer(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->client.conn.config.keepalive = 1500 * SIM_MS;
	sim->client.conn.local.max_idle_timeout = 5000000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, 500 * SIM_MS);
	sim->server.mute = true;
	sim_run_for(sim, 8 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.conn.state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

/* RFC 9000, section 10.2: three probe timeouts, to which a peer adds nothing before it is confirmed. */
static void peers_delay_keeps_no_closed_connection(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;

	sim->server.mute = true;
	sim_start(sim);
	sim_run_for(sim, 10 * SIM_MS);
	conn->remote.max_ack_delay = 16383000;
	quic_conn_close(conn, 0, true, NULL, 0, sim->now);
	sim_run_for(sim, 500 * SIM_MS);
	KUNIT_EXPECT_EQ(test, conn->state, QUIC_CONN_CLOSING);
	sim_run_for(sim, 4 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, conn->state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

static struct kunit_case idle_cases[] = {
	KUNIT_CASE(smaller_timeout_counts),
	KUNIT_CASE(timeout_is_three_probe_timeouts_at_least),
	KUNIT_CASE(only_the_first_packet_sent_counts),
	KUNIT_CASE(keepalive_breaks_the_silence),
	KUNIT_CASE(keepalive_does_not_hold_a_dead_peer),
	KUNIT_CASE(peers_delay_keeps_no_closed_connection),
	{}
};

static struct kunit_suite idle_suite = {
	.name = "idle",
	.test_cases = idle_cases,
};

kunit_test_suite(idle_suite);
