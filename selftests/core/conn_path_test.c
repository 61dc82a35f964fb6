// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two connections whose addresses change: address translators, attackers that copy packets, and
 * moves on purpose. RFC 9000, sections 8.2 and 9.
 */
#include <kunit/test.h>

#include "sim.h"

#define MIGRATION	QUIC_EVENT_CONNECTION_MIGRATION
#define NEW_PORT	SIM_ADDR(1, 2000)	/* of the client's host */
#define NEW_HOST	SIM_ADDR(3, 1000)
#define NEW_SERVER	SIM_ADDR(2, 444)

static struct sim *established(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	return sim;
}

static u32 peer_of(struct sim_end *end)
{
	return end->route[end->conn.active_path].peer;
}

static u32 local_of(struct sim_end *end)
{
	return end->route[end->conn.active_path].local;
}

static u32 paths_of(struct sim_end *end)
{
	u32 n = 0;
	int i;

	for (i = 0; i < QUIC_PATHS_MAX; i++)
		n += end->conn.path[i].in_use;
	return n;
}

/* Bytes on a stream of @end's, which must arrive. */
static void talk(struct kunit *test, struct sim_end *end, u64 id, u32 bytes)
{
	u64 before = end->peer->received[id];

	KUNIT_ASSERT_EQ(test, sim_send(end, id, bytes, false), bytes);
	sim_settle(end);
	sim_run_for(end->sim, 200 * SIM_MS);
	KUNIT_EXPECT_EQ(test, end->peer->received[id] - before, bytes);
	KUNIT_EXPECT_EQ(test, end->peer->bad_bytes, 0);
}

/*
 * RFC 9000, sections 9 #4 and 9.3 #1. RFC 9000, section 9.4: the same hosts, what was learnt of the
 * path remains. The connection ID does, too.
 */
static void other_port_is_followed_and_validated(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u64 cwnd, rtt;

	talk(test, &sim->client, 0, 100000);
	cwnd = quic_conn_path(&server->conn)->cong.cwnd;
	rtt = quic_conn_path(&server->conn)->rtt.smoothed_rtt;
	sim->client.nat = 1000;
	talk(test, &sim->client, 0, 100);
	KUNIT_EXPECT_EQ(test, peer_of(server), NEW_PORT);
	KUNIT_EXPECT_TRUE(test, quic_path_is_sound(quic_conn_path(&server->conn)));
	KUNIT_EXPECT_EQ(test, server->events[MIGRATION], 1);
	KUNIT_EXPECT_EQ(test, server->last_migration, 0);
	KUNIT_EXPECT_EQ(test, sim->client.events[MIGRATION], 0);
	KUNIT_EXPECT_EQ(test, server->conn.remote_cids.active, 0);
	KUNIT_EXPECT_GE(test, quic_conn_path(&server->conn)->cong.cwnd, cwnd);
	KUNIT_EXPECT_LE(test, quic_conn_path(&server->conn)->rtt.smoothed_rtt, rtt * 2);
	KUNIT_EXPECT_TRUE(test, quic_rtt_has_sample(&quic_conn_path(&server->conn)->rtt));
	talk(test, server, 1, 50000);
	/* The old address never answers: it is forgotten. */
	sim_run_for(sim, 6 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, paths_of(server), 1);
	KUNIT_EXPECT_EQ(test, peer_of(server), NEW_PORT);
	KUNIT_EXPECT_EQ(test, server->conn.remote_cids.active, 0);
	sim_destroy(sim);
}

/* RFC 9000, section 9.4 #2: other hosts, another path: nothing is known of it. */
static void other_host_starts_from_nothing(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u64 cwnd;

	talk(test, server, 1, 200000);
	cwnd = quic_conn_path(&server->conn)->cong.cwnd;
	KUNIT_EXPECT_GT(test, cwnd, 14720 * 2);
	sim->client.nat = NEW_HOST - SIM_CLIENT;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
	sim_settle(&sim->client);
	sim_run_for(sim, 15 * SIM_MS);
	KUNIT_EXPECT_EQ(test, peer_of(server), NEW_HOST);
	KUNIT_EXPECT_EQ(test, quic_conn_path(&server->conn)->cong.cwnd, 14720);
	KUNIT_EXPECT_FALSE(test, quic_rtt_has_sample(&quic_conn_path(&server->conn)->rtt));
	talk(test, server, 1, 50000);
	KUNIT_EXPECT_EQ(test, server->events[MIGRATION], 1);
	KUNIT_EXPECT_LT(test, quic_conn_path(&server->conn)->rtt.smoothed_rtt, 40 * SIM_MS);
	sim_destroy(sim);
}

/* RFC 9000, section 9.4 #1: what was sent on the old path says nothing about the new one. */
static void losses_of_the_old_path_do_not_shrink_the_new_window(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;

	talk(test, server, 1, 200000);
	KUNIT_ASSERT_GT(test, sim_send(server, 1, 30000, false), 0);
	sim->client.nat = NEW_HOST - SIM_CLIENT;	/* all of it is lost */
	sim_settle(server);
	sim_run_for(sim, SIM_MS);
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
	sim_settle(&sim->client);
	sim_run_for(sim, 2 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.received[1], 230000);
	KUNIT_EXPECT_GT(test, server->conn.lost_packets, 10);
	KUNIT_EXPECT_EQ(test, quic_conn_path(&server->conn)->cong.ssthresh, U64_MAX);
	sim_destroy(sim);
}

/* Nor does it say how large packets may be on the new one. */
static void losses_of_the_old_path_are_no_black_hole_of_the_new(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u32 i;

	sim_run_for(sim, SIM_SECOND);
	talk(test, server, 1, 200000);
	KUNIT_ASSERT_GT(test, sim_send(server, 1, 30000, false), 0);
	sim->client.nat = 1000;
	sim_settle(server);
	sim_run_for(sim, SIM_MS);
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
	sim_settle(&sim->client);
	for (i = 0; i < 200; i++) {
		sim_run_for(sim, SIM_MS);
		KUNIT_EXPECT_EQ(test, quic_conn_path(&server->conn)->pmtud.holes, 0);
	}
	KUNIT_EXPECT_EQ(test, peer_of(server), NEW_PORT);
	KUNIT_EXPECT_EQ(test, quic_conn_path(&server->conn)->mss, 1472);
	KUNIT_EXPECT_GT(test, server->conn.lost_packets, 10);
	sim_destroy(sim);
}

/*
 * RFC 9000, sections 8.2.2 #6 and 9.3 #2: three times what came from there, padding and all.
 * RFC 9000, section 9.3.2 #1: when nobody answers there, the connection goes back.
 */
static void spoofed_source_gets_no_more_than_three_times(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u32 victim = SIM_ADDR(9, 9);
	u64 until;

	talk(test, server, 1, 100000);
	server->watched = victim;
	server->dead = victim;
	sim->client.spoof = victim;
	/* The server has much to say; the client is silent, so that nothing calls it back. */
	KUNIT_ASSERT_GT(test, sim_send(server, 1, 500000, false), 100000);
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 300, false), 300);
	sim_settle(&sim->client);
	sim->client.mute = true;
	sim_run_for(sim, 12 * SIM_MS);
	KUNIT_EXPECT_EQ(test, peer_of(server), victim);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_GT(test, server->watched_tx, 0);
	KUNIT_EXPECT_LE(test, server->watched_tx, 3 * server->watched_rx);
	/* It has failed after three attempts. */
	until = sim->now + 10 * SIM_SECOND;
	while (peer_of(server) == victim && sim->now < until)
		sim_run_for(sim, 100 * SIM_MS);
	KUNIT_EXPECT_EQ(test, peer_of(server), SIM_CLIENT);
	KUNIT_EXPECT_LE(test, server->watched_tx, 3 * server->watched_rx);
	KUNIT_EXPECT_EQ(test, server->events[MIGRATION], 0);
	sim->client.mute = false;
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.received[1], 600000);
	KUNIT_EXPECT_EQ(test, paths_of(server), 1);
	sim_destroy(sim);
}

/*
 * RFC 9000, section 9.3.3 #1: a packet that an attacker forwarded; the old address is asked too,
 * and its answer brings the connection back long before the new one has failed.
 */
static void true_peer_calls_the_connection_back(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u32 attacker = SIM_ADDR(9, 9);

	server->dead = attacker;
	sim->client.spoof = attacker;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 300, false), 300);
	sim_settle(&sim->client);
	sim_run_for(sim, 12 * SIM_MS);
	KUNIT_EXPECT_EQ(test, peer_of(server), attacker);
	sim_run_for(sim, 30 * SIM_MS);
	KUNIT_EXPECT_EQ(test, peer_of(server), SIM_CLIENT);
	KUNIT_EXPECT_EQ(test, server->events[MIGRATION], 0);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, peer_of(server), SIM_CLIENT);
	KUNIT_EXPECT_EQ(test, paths_of(server), 1);
	talk(test, server, 1, 10000);
	sim_destroy(sim);
}

/* Every packet from another port, as hostile translators have it: hardening.md, section 2.5. */
static void ever_changing_source_does_not_stop_the_data(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u64 start = sim->now;
	u32 port = 3000;
	u64 left = 1000000;

	while (server->received[0] < 1000000 && sim->now < start + 60 * SIM_SECOND) {
		left -= sim_send(&sim->client, 0, left, false);
		sim->client.spoof = SIM_ADDR(1, port++);
		sim_settle(&sim->client);
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_EXPECT_EQ(test, server->received[0], 1000000);
	KUNIT_EXPECT_LT(test, sim->now - start, 20 * SIM_SECOND);
	KUNIT_EXPECT_LE(test, paths_of(server), QUIC_PATHS_MAX);
	sim_run_for(sim, 20 * SIM_SECOND);
	talk(test, server, 1, 10000);
	KUNIT_EXPECT_EQ(test, paths_of(server), 1);
	sim_destroy(sim);
}

/* RFC 9000, sections 8.2.1 #3 #4 and 8.2.3 #1: a path that takes only small datagrams is none. */
static void path_for_small_datagrams_only_is_refused(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;

	server->narrow_addr = SIM_ADDR(1, 5000);
	server->narrow = 1000;
	sim->client.spoof = server->narrow_addr;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 20, false), 20);
	sim_settle(&sim->client);
	sim->client.nat = 4000;
	sim_run_for(sim, SIM_SECOND);
	/* The peer is there: that much was proven by a small datagram. */
	KUNIT_EXPECT_EQ(test, peer_of(server), server->narrow_addr);
	KUNIT_EXPECT_TRUE(test, quic_conn_path(&server->conn)->validated);
	KUNIT_EXPECT_FALSE(test, quic_path_is_sound(quic_conn_path(&server->conn)));
	KUNIT_EXPECT_EQ(test, server->events[MIGRATION], 0);
	sim->client.nat = 0;
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, peer_of(server), SIM_CLIENT);
	sim_destroy(sim);
}

/* An old packet from elsewhere does not move anybody. RFC 9000, section 9.3. */
static void reordered_packet_moves_nobody(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	static const u8 ping[] = { 0x01 };
	struct quic_path_args args = { .mss = 1400, .same_hosts = true };
	struct quic_rx_packet rx = {
		.level = QUIC_CRYPTO_APP, .payload = ping, .len = 1, .now = sim->now,
	};
	u8 i;

	i = quic_conn_path_accept(&server->conn, &args, sim->now);
	KUNIT_ASSERT_NE(test, i, QUIC_PATH_NONE);
	rx.path = 0;
	rx.pn = 1000;
	KUNIT_EXPECT_EQ(test, quic_conn_recv_packet(&server->conn, &rx), 0);
	rx.path = i;
	rx.pn = 999;
	KUNIT_EXPECT_EQ(test, quic_conn_recv_packet(&server->conn, &rx), 0);
	KUNIT_EXPECT_EQ(test, server->conn.active_path, 0);
	rx.pn = 1001;
	KUNIT_EXPECT_EQ(test, quic_conn_recv_packet(&server->conn, &rx), 0);
	KUNIT_EXPECT_EQ(test, server->conn.active_path, i);
	sim_destroy(sim);
}

/* Both ends, in turn: uapi.md, section 11.2, item 29. */
static void ends_move_in_turn(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *end, *peer;
	u32 ids[2] = {};
	int i;

	for (i = 0; i < 8; i++) {
		u32 local;

		end = i & 1 ? &sim->server : &sim->client;
		peer = end->peer;
		local = local_of(end) + 1;
		KUNIT_ASSERT_EQ(test, sim_move(end, local, peer_of(end)), 0);
		/* Until it is done there is no other. */
		KUNIT_EXPECT_EQ(test, sim_move(end, local + 1, peer_of(end)), -EAGAIN);
		talk(test, end, end->conn.is_server ? 1 : 0, 1000);
		KUNIT_EXPECT_EQ(test, local_of(end), local);
		KUNIT_EXPECT_EQ(test, peer_of(peer), local);
		KUNIT_EXPECT_EQ(test, end->last_migration, 1);
		KUNIT_EXPECT_EQ(test, peer->last_migration, 0);
		KUNIT_EXPECT_EQ(test, end->events[MIGRATION], i + 1);
		KUNIT_EXPECT_EQ(test, peer->events[MIGRATION], i + 1);
		/* RFC 9000, section 9.5 #1 #2: another ID on either side. */
		KUNIT_EXPECT_EQ(test, end->conn.remote_cids.active, ++ids[0]);
		KUNIT_EXPECT_EQ(test, peer->conn.remote_cids.active, ++ids[1]);
		KUNIT_EXPECT_EQ(test, end->conn.local_cids.active, ids[0]);
		sim_run_for(sim, SIM_SECOND);
		KUNIT_EXPECT_EQ(test, paths_of(end), 1);
		KUNIT_EXPECT_EQ(test, quic_remote_cids_lowest(&end->conn.remote_cids),
				end->conn.remote_cids.active);
		KUNIT_EXPECT_EQ(test, quic_remote_cids_count(&end->conn.remote_cids, U64_MAX), 7);
	}
	sim_destroy(sim);
}

/* RFC 9000, section 8.2.4; uapi.md, section 5.7: the attempt is dropped, nothing else happens. */
static void move_to_nowhere_changes_nothing(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *client = &sim->client;

	client->dead = NEW_HOST;
	KUNIT_ASSERT_EQ(test, sim_move(client, NEW_HOST, SIM_SERVER), 0);
	talk(test, client, 0, 100000);
	KUNIT_EXPECT_EQ(test, local_of(client), SIM_CLIENT);
	KUNIT_EXPECT_EQ(test, paths_of(client), 2);
	KUNIT_EXPECT_EQ(test, sim_move(client, NEW_PORT, SIM_SERVER), -EAGAIN);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, paths_of(client), 1);
	KUNIT_EXPECT_EQ(test, client->events[MIGRATION], 0);
	KUNIT_EXPECT_EQ(test, paths_of(&sim->server), 1);
	KUNIT_EXPECT_EQ(test, client->conn.path[0].cong.bytes_in_flight, 0);
	/* And the next one finds its way. */
	client->dead = 0;
	KUNIT_ASSERT_EQ(test, sim_move(client, NEW_PORT, SIM_SERVER), 0);
	talk(test, client, 0, 1000);
	KUNIT_EXPECT_EQ(test, local_of(client), NEW_PORT);
	sim_destroy(sim);
}

static void move_survives_loss(struct kunit *test)
{
	struct sim *sim;
	u64 seed;
	u32 moved = 0;

	for (seed = 1; seed <= 30; seed++) {
		sim = established(test);
		sim->random = seed;
		sim->loss = 20;
		KUNIT_ASSERT_EQ(test, sim_move(&sim->client, NEW_HOST, SIM_SERVER), 0);
		sim_send(&sim->client, 0, 20000, true);
		sim_settle(&sim->client);
		sim_run_for(sim, 20 * SIM_SECOND);
		KUNIT_EXPECT_EQ_MSG(test, sim->server.received[0], 20000, "seed %llu",
				    (unsigned long long)seed);
		moved += local_of(&sim->client) == NEW_HOST;
		/* A server that got no echo went back; the next packet calls it again. */
		sim->loss = 0;
		talk(test, &sim->client, 4, 10);
		KUNIT_EXPECT_EQ_MSG(test, peer_of(&sim->server), local_of(&sim->client),
				    "seed %llu", (unsigned long long)seed);
		sim_destroy(sim);
	}
	KUNIT_EXPECT_GE(test, moved, 25);
}

/*
 * RFC 9000, section 9.5: without a spare ID nobody probes; the lowest is given back, and probing
 * begins with its replacement: uapi.md, section 5.7.
 */
static void move_waits_for_a_spare_id(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct sim_end *client = &sim->client;
	int i;

	client->conn.local.active_connection_id_limit = 2;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	for (i = 0; i < 2; i++)
		quic_remote_cids_find(&client->conn.remote_cids, i)->used = true;
	KUNIT_EXPECT_NULL(test, quic_remote_cids_spare(&client->conn.remote_cids));
	KUNIT_ASSERT_EQ(test, sim_move(client, NEW_HOST, SIM_SERVER), 0);
	KUNIT_EXPECT_NULL(test, quic_remote_cids_find(&client->conn.remote_cids, 0));
	sim_run_for(sim, SIM_SECOND);
	talk(test, client, 0, 1000);
	KUNIT_EXPECT_EQ(test, local_of(client), NEW_HOST);
	KUNIT_EXPECT_EQ(test, client->conn.remote_cids.active, 2);
	KUNIT_EXPECT_EQ(test, client->closes + sim->server.closes, 0);
	sim_destroy(sim);
}

/* RFC 9000, sections 8.2.2 #1 #3 #5 #7 and 19.17 #1: once, where it came from, in full size. */
static void challenge_is_answered_where_it_came_from(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *client = &sim->client, *server = &sim->server;

	server->watched = NEW_HOST;
	KUNIT_ASSERT_EQ(test, sim_move(client, NEW_HOST, SIM_SERVER), 0);
	sim_run_for(sim, 12 * SIM_MS);
	KUNIT_EXPECT_EQ(test, server->watched_rx, 1200);
	KUNIT_EXPECT_EQ(test, server->watched_tx, 1200);
	/* A probe moves nobody. RFC 9000, section 9.1. */
	KUNIT_EXPECT_EQ(test, peer_of(server), SIM_CLIENT);
	KUNIT_EXPECT_EQ(test, local_of(client), SIM_CLIENT);
	sim_destroy(sim);
}

/*
 * RFC 9000, section 9.6.2 #1 #2 #3: probed by both sides; our own address changes only when it is
 * proven, but then it does. RFC 9000, section 9.6.3 #1 #2: the limit of an unproven address holds
 * there as well.
 */
static void preferred_address_is_used_once_it_is_proven(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *client = &sim->client, *server = &sim->server;

	server->preferred = NEW_SERVER;
	KUNIT_ASSERT_EQ(test, sim_move(client, SIM_CLIENT, NEW_SERVER), 0);
	sim_run_for(sim, 25 * SIM_MS);
	KUNIT_EXPECT_EQ(test, local_of(server), SIM_SERVER);
	talk(test, client, 0, 1000);
	KUNIT_EXPECT_EQ(test, peer_of(client), NEW_SERVER);
	KUNIT_EXPECT_EQ(test, local_of(server), NEW_SERVER);
	KUNIT_EXPECT_EQ(test, client->events[MIGRATION], 1);
	KUNIT_EXPECT_EQ(test, client->last_migration, 0);
	KUNIT_EXPECT_EQ(test, server->events[MIGRATION], 1);
	KUNIT_EXPECT_EQ(test, server->last_migration, 1);
	talk(test, server, 1, 50000);
	sim_destroy(sim);
}

/*
 * RFC 9000, sections 9.6.1 #1 and 21.5.3 #1: what cannot be reached is left alone, and gets nothing
 * but probes while that is not known.
 */
static void preferred_address_out_of_reach_changes_nothing(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *client = &sim->client;

	client->dead = NEW_SERVER;
	client->watched = NEW_SERVER;
	KUNIT_ASSERT_EQ(test, sim_move(client, SIM_CLIENT, NEW_SERVER), 0);
	talk(test, client, 0, 100000);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_GT(test, client->watched_tx, 0);
	KUNIT_EXPECT_EQ(test, client->watched_tx % 1200, 0);
	KUNIT_EXPECT_LE(test, client->watched_tx, 10 * 1200);
	KUNIT_EXPECT_EQ(test, peer_of(client), SIM_SERVER);
	KUNIT_EXPECT_EQ(test, paths_of(client), 1);
	KUNIT_EXPECT_EQ(test, client->events[MIGRATION], 0);
	talk(test, client, 0, 1000);
	sim_destroy(sim);
}

/* RFC 9000, section 9.3.2 #2: nowhere to go back to. */
static void unproven_path_without_a_way_back_ends_silently(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *server = &sim->server;
	u32 attacker = SIM_ADDR(9, 9);
	u64 sent;

	server->dead = attacker;
	sim->client.spoof = attacker;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 300, false), 300);
	sim_settle(&sim->client);
	sim->client.mute = true;
	sim_run_for(sim, 12 * SIM_MS);
	KUNIT_ASSERT_EQ(test, peer_of(server), attacker);
	server->conn.previous_path = QUIC_PATH_NONE;
	sent = server->packets_tx;
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, server->conn.state, QUIC_CONN_CLOSED);
	KUNIT_EXPECT_EQ(test, server->closes, 1);
	KUNIT_EXPECT_EQ(test, server->last_close.errcode, 0);
	KUNIT_EXPECT_LE(test, server->packets_tx, sent + 6);
	sim_destroy(sim);
}

/* RFC 9000, section 9 #1. */
static void nobody_moves_before_the_handshake_is_confirmed(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim_start(sim);
	KUNIT_EXPECT_EQ(test, sim_move(&sim->client, NEW_PORT, SIM_SERVER), -EAGAIN);
	while (sim->client.conn.state != QUIC_CONN_ESTABLISHED)
		sim_run_for(sim, SIM_MS);
	KUNIT_EXPECT_FALSE(test, sim->client.conn.confirmed);
	KUNIT_EXPECT_EQ(test, sim_move(&sim->client, NEW_PORT, SIM_SERVER), -EAGAIN);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim_move(&sim->client, NEW_PORT, SIM_SERVER), 0);
	sim_destroy(sim);
}

/*
 * RFC 9000, section 8.2.1 #1 #2: chance in every challenge, in a full datagram.
 * RFC 9000, section 9.4 #3: and not sooner than a probe timeout would have it.
 */
static void challenges_cannot_be_guessed(struct kunit *test)
{
	struct sim *sim = established(test);
	struct sim_end *client = &sim->client;
	u8 data[QUIC_PATH_ATTEMPTS][QUIC_PATH_DATA_LEN];
	struct quic_path *path;
	int i;

	client->dead = NEW_HOST;
	KUNIT_ASSERT_EQ(test, sim_move(client, NEW_HOST, SIM_SERVER), 0);
	path = &client->conn.path[client->conn.probed_path];
	sim_run_for(sim, 4 * SIM_SECOND);
	KUNIT_ASSERT_EQ(test, path->challenge_count, QUIC_PATH_ATTEMPTS);
	for (i = 0; i < QUIC_PATH_ATTEMPTS; i++) {
		KUNIT_EXPECT_EQ(test, path->sent[i].size, 1200);
		memcpy(data[i], path->sent[i].data, sizeof(data[i]));
		if (!i)
			continue;
		KUNIT_EXPECT_TRUE(test, memcmp(data[i], data[i - 1], sizeof(data[i])));
		KUNIT_EXPECT_GE(test, path->sent[i].time - path->sent[i - 1].time,
				quic_rtt_pto(&path->rtt));
	}
	sim_destroy(sim);
}

/* Data in flight all the while, both ways. */
static void data_flows_while_the_client_moves(struct kunit *test)
{
	struct sim *sim = established(test);
	u64 left[2] = { 2000000, 2000000 };
	u32 port = 2000;
	int round = 0;

	while ((sim->server.received[0] < 2000000 || sim->client.received[1] < 2000000) &&
	       round < 20000) {
		left[0] -= sim_send(&sim->client, 0, left[0], false);
		left[1] -= sim_send(&sim->server, 1, left[1], false);
		if (!(++round % 40))
			sim_move(&sim->client, SIM_ADDR(1, port++), SIM_SERVER);
		sim_settle(&sim->client);
		sim_settle(&sim->server);
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 2000000);
	KUNIT_EXPECT_EQ(test, sim->client.received[1], 2000000);
	KUNIT_EXPECT_EQ(test, sim->client.bad_bytes + sim->server.bad_bytes, 0);
	KUNIT_EXPECT_GT(test, sim->server.events[MIGRATION], 1);
	KUNIT_EXPECT_LT(test, round, 10000);
	sim_destroy(sim);
}

static struct kunit_case conn_path_cases[] = {
	KUNIT_CASE(other_port_is_followed_and_validated),
	KUNIT_CASE(other_host_starts_from_nothing),
	KUNIT_CASE(losses_of_the_old_path_do_not_shrink_the_new_window),
	KUNIT_CASE(losses_of_the_old_path_are_no_black_hole_of_the_new),
	KUNIT_CASE(spoofed_source_gets_no_more_than_three_times),
	KUNIT_CASE(true_peer_calls_the_connection_back),
	KUNIT_CASE(ever_changing_source_does_not_stop_the_data),
	KUNIT_CASE(path_for_small_datagrams_only_is_refused),
	KUNIT_CASE(reordered_packet_moves_nobody),
	KUNIT_CASE(ends_move_in_turn),
	KUNIT_CASE(move_to_nowhere_changes_nothing),
	KUNIT_CASE(move_survives_loss),
	KUNIT_CASE(move_waits_for_a_spare_id),
	KUNIT_CASE(challenge_is_answered_where_it_came_from),
	KUNIT_CASE(preferred_address_is_used_once_it_is_proven),
	KUNIT_CASE(preferred_address_out_of_reach_changes_nothing),
	KUNIT_CASE(unproven_path_without_a_way_back_ends_silently),
	KUNIT_CASE(nobody_moves_before_the_handshake_is_confirmed),
	KUNIT_CASE(challenges_cannot_be_guessed),
	KUNIT_CASE(data_flows_while_the_client_moves),
	{}
};

static struct kunit_suite conn_path_suite = {
	.name = "conn_path",
	.test_cases = conn_path_cases,
};

kunit_test_suite(conn_path_suite);
