// SPDX-License-Identifier: GPL-2.0-or-later
/* The size of datagrams between two connections. RFC 8899; RFC 9000, section 14. */
#include <kunit/test.h>

#include "sim.h"

static struct quic_path *path_of(struct sim_end *end)
{
	return quic_conn_path(&end->conn);
}

static bool moved(struct sim *sim, u64 bytes, u64 limit)
{
	u64 left = bytes, until = sim->now + limit;

	while (!sim->server.finished[0] && sim->now < until) {
		if (left)
			left -= sim_send(&sim->client, 0, left, true);
		sim_run_for(sim, SIM_MS);
	}
	return sim->server.received[0] == bytes && !sim->server.bad_bytes;
}

/* RFC 9000, section 14.2: without probing, not before the peer said what it takes. */
static void first_flight_is_small(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->mss = 1472;
	sim_start(sim);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1200);
	KUNIT_EXPECT_EQ(test, path_of(&sim->server)->mss, 1200);
	quic_conn_crypto_queued(&sim->client.conn, QUIC_CRYPTO_INITIAL, 1500);
	sim_run_for(sim, 0);
	KUNIT_EXPECT_EQ(test, sim->client.largest_tx, 1200);
	sim_destroy(sim);

	sim = sim_create();
	sim->mss = 1472;
	sim->server.conn.local.max_udp_payload_size = 1452;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1452);
	KUNIT_EXPECT_EQ(test, path_of(&sim->server)->mss, 1472);
	sim_destroy(sim);
}

/* RFC 9000, section 14.3: from the base up to what link and peer take. */
static void probes_raise_the_size(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->client.conn.config.pmtud_interval = 5 * SIM_SECOND;
	sim->mss = 65507;
	sim->mtu = 4000;
	sim->server.conn.local.max_udp_payload_size = 3000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1200);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 3000);
	KUNIT_EXPECT_EQ(test, sim->client.too_large, 0);
	sim->client.largest_tx = 0;
	KUNIT_EXPECT_TRUE(test, moved(sim, 300000, 10 * SIM_SECOND));
	KUNIT_EXPECT_LE(test, sim->client.largest_tx, 3000);
	KUNIT_EXPECT_EQ(test, sim->client.conn.lost_packets, 0);
	sim_destroy(sim);
}

/* The interface's specification, section 10: probes go up to 9000, whatever a loopback link takes. */
static void search_has_an_end(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->client.conn.config.pmtud_interval = 5 * SIM_SECOND;
	sim->mss = 65507;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, 20 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, QUIC_PMTUD_MAX);
	/* Who does not probe has nothing but the link to go by. */
	KUNIT_EXPECT_EQ(test, path_of(&sim->server)->mss, 65507);
	sim_destroy(sim);
}

/* RFC 9000, section 14.4: a probe takes its share of the window, and waits for it. */
static void probes_wait_for_the_window(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_path *path;

	sim->client.conn.config.pmtud_interval = 5 * SIM_SECOND;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	path = path_of(&sim->client);
	sim->server.mute = true;
	sim_send(&sim->client, 0, 200000, false);
	sim_run_for(sim, 5 * SIM_MS);
	KUNIT_ASSERT_GT(test, path->cong.bytes_in_flight + path->mss, path->cong.cwnd);
	path->pmtud.due = true;
	KUNIT_EXPECT_FALSE(test, quic_conn_may_probe_mtu(&sim->client.conn));
	path->cong.cwnd += 2 * path->pmtud.size;
	KUNIT_EXPECT_TRUE(test, quic_conn_may_probe_mtu(&sim->client.conn));
	sim_destroy(sim);
}

/* RFC 9000, section 14.4: what is lost of them is no congestion. */
static void lost_probes_are_no_congestion(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_cong *cong;

	sim->client.conn.config.pmtud_interval = 5 * SIM_SECOND;
	sim->mtu = 1300;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	cong = &path_of(&sim->client)->cong;
	KUNIT_EXPECT_TRUE(test, moved(sim, 500000, 60 * SIM_SECOND));
	/* Both step sizes fail three times; the connection is otherwise idle. */
	sim_run_for(sim, 29 * SIM_SECOND);
	sim_run_for(sim, 29 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->pmtud.state, QUIC_PMTUD_COMPLETE);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1300);
	KUNIT_EXPECT_EQ(test, sim->client.too_large, 6);
	KUNIT_EXPECT_EQ(test, cong->ssthresh, U64_MAX);
	KUNIT_EXPECT_EQ(test, cong->bytes_in_flight, 0);
	KUNIT_EXPECT_EQ(test, sim->client.conn.lost_packets, 0);
	sim_destroy(sim);
}

static void search_is_off_unless_asked_for(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_TRUE(test, moved(sim, 500000, 60 * SIM_SECOND));
	KUNIT_EXPECT_EQ(test, sim->client.mtu_probes + sim->server.mtu_probes, 0);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	sim_destroy(sim);
}

/* RFC 8899, section 4.3: large packets vanish, with or without a search. */
static void black_hole(struct kunit *test, u64 interval, u32 mtu)
{
	struct sim *sim = sim_create();

	sim->client.conn.config.pmtud_interval = interval;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	sim->mtu = mtu;
	KUNIT_EXPECT_TRUE(test, moved(sim, 200000, 20 * SIM_SECOND));
	KUNIT_EXPECT_LE(test, path_of(&sim->client)->mss, mtu);
	KUNIT_EXPECT_GE(test, path_of(&sim->client)->mss, 1200);
	sim_destroy(sim);
}

static void black_hole_is_left(struct kunit *test)
{
	black_hole(test, 0, 1200);
	black_hole(test, 0, 1400);
	black_hole(test, 5 * SIM_SECOND, 1200);
	black_hole(test, 5 * SIM_SECOND, 1400);
}

/* A black hole that was an outage: the size comes back. */
static void size_comes_back(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	sim->mtu = 1200;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 20000, false), 20000);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1200);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 20000);
	sim->mtu = 0;
	sim_run_for(sim, 20 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	sim_destroy(sim);
}

/* Losses of all sizes are no black hole. */
static void lossy_link_keeps_its_size(struct kunit *test)
{
	struct sim *sim;
	u32 small = 0;
	u64 seed;

	for (seed = 1; seed <= 40; seed++) {
		sim = sim_create();
		sim->random = seed;
		KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
		sim->loss = 3;
		KUNIT_EXPECT_TRUE(test, moved(sim, 300000, 300 * SIM_SECOND));
		small += path_of(&sim->client)->mss != 1472;
		sim_destroy(sim);
	}
	KUNIT_EXPECT_EQ(test, small, 0);
}

/* Silence while nothing large is on its way tells nothing about sizes. */
static void small_losses_do_not_count(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	sim->client.mute = true;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 500, false), 500);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_GE(test, sim->client.conn.pto_count, 3);
	sim->client.mute = false;
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 500);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	sim_destroy(sim);
}

/* RFC 8899, section 4.3: what is lost below the base is no sign, though nothing larger arrives. */
static void small_packets_may_be_lost(struct kunit *test)
{
	struct sim *sim = sim_create();
	u32 i, j;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	for (i = 0; i < 2 * QUIC_PMTUD_HOLES; i++) {
		for (j = 0; j < 6; j++) {
			sim->client.mute = !j;
			KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
			sim_run_for(sim, 5 * SIM_MS);
			KUNIT_EXPECT_EQ(test, path_of(&sim->client)->pmtud.holes, 0);
		}
		sim_run_for(sim, SIM_SECOND);
		KUNIT_EXPECT_EQ(test, path_of(&sim->client)->pmtud.holes, 0);
	}
	KUNIT_EXPECT_GE(test, sim->client.conn.lost_packets, 2 * QUIC_PMTUD_HOLES);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	sim_destroy(sim);
}

/* Losses count once for each time that the peer was heard. */
static void burst_of_losses_is_one_sign(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	u32 i;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	for (i = 0; i < 2 * QUIC_PMTUD_HOLES; i++)
		quic_conn_large_lost(conn, path_of(&sim->client), false);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	for (i = 1; i < QUIC_PMTUD_HOLES; i++) {
		KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
		conn->last_rx += SIM_MS;
		quic_conn_large_lost(conn, path_of(&sim->client), false);
	}
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, QUIC_PMTUD_BASE);
	sim_destroy(sim);
}

/* A handshake that meets a black hole goes on in datagrams of the base size. */
static void handshake_survives_a_black_hole(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->mtu = 1200;
	sim_start(sim);
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 5 * SIM_SECOND));
	KUNIT_EXPECT_GE(test, sim->server.too_large, 1);
	KUNIT_EXPECT_TRUE(test, sim->server.conn.small_handshake);
	sim_destroy(sim);
}

/* RFC 9000, section 14.2 #1: a path without 1200 bytes gets nothing but probes, and CONNECTION_CLOSE. */
static void too_small_a_path_falls_silent(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 packets, probes;

	sim->client.conn.config.pmtud_interval = 5 * SIM_SECOND;
	sim->client.conn.local.max_idle_timeout = 120000000;
	sim->server.conn.local.max_idle_timeout = 120000000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim->mtu = 1199;
	/* Small packets pass: only the probes tell. */
	sim_run_for(sim, 16 * SIM_SECOND);
	KUNIT_ASSERT_TRUE(test, quic_conn_path_is_too_small(&sim->client.conn));
	packets = sim->client.packets_tx;
	probes = sim->client.mtu_probes;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 500, false), 500);
	KUNIT_EXPECT_EQ(test, sim_send(&sim->server, 1, 500, false), 500);
	sim_run_for(sim, 11 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, packets);
	KUNIT_EXPECT_GE(test, sim->client.mtu_probes, probes + 2);
	/* It heals. */
	sim->mtu = 0;
	sim_run_for(sim, 20 * SIM_SECOND);
	KUNIT_EXPECT_FALSE(test, quic_conn_path_is_too_small(&sim->client.conn));
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 500);
	KUNIT_EXPECT_EQ(test, sim->client.received[1], 500);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1472);
	sim_destroy(sim);
}

/* The link's own size: what a router said, or the route. */
static void link_bounds_the_size(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 50000, false), 50000);
	quic_conn_set_mss(conn, 1300);
	sim->client.largest_tx = 0;
	sim->mtu = 1300;
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 50000);
	KUNIT_EXPECT_EQ(test, sim->client.too_large, 0);
	quic_conn_set_mss(conn, 600);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1200);
	quic_conn_set_mss(conn, 70000);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, QUIC_TP_UDP_PAYLOAD_MAX);
	conn->remote.max_udp_payload_size = 1350;
	quic_conn_set_mss(conn, 1472);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->mss, 1350);
	sim_destroy(sim);
}

static struct kunit_case mtu_cases[] = {
	KUNIT_CASE(first_flight_is_small),
	KUNIT_CASE(probes_raise_the_size),
	KUNIT_CASE(search_has_an_end),
	KUNIT_CASE(probes_wait_for_the_window),
	KUNIT_CASE(lost_probes_are_no_congestion),
	KUNIT_CASE(search_is_off_unless_asked_for),
	KUNIT_CASE(black_hole_is_left),
	KUNIT_CASE(size_comes_back),
	KUNIT_CASE(lossy_link_keeps_its_size),
	KUNIT_CASE(small_losses_do_not_count),
	KUNIT_CASE(small_packets_may_be_lost),
	KUNIT_CASE(burst_of_losses_is_one_sign),
	KUNIT_CASE(handshake_survives_a_black_hole),
	KUNIT_CASE(too_small_a_path_falls_silent),
	KUNIT_CASE(link_bounds_the_size),
	{}
};

static struct kunit_suite mtu_suite = {
	.name = "mtu",
	.test_cases = mtu_cases,
};

kunit_test_suite(mtu_suite);
