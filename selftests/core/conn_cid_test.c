// SPDX-License-Identifier: GPL-2.0-or-later
/* Connection IDs between two whole connections. RFC 9000, section 5.1; uapi.md, section 5.5. */
#include <kunit/test.h>

#include "sim.h"

static int set(struct sim_end *end, bool dest, u32 active, u32 prior_to)
{
	struct quic_connection_id_info info = {
		.dest = dest,
		.active = active,
		.prior_to = prior_to,
	};

	return quic_conn_set_cids(&end->conn, &info);
}

/* Numbers that one side goes by, for EXPECT. */
static void expect_numbers(struct kunit *test, struct sim_end *end, bool dest, u32 active,
			   u32 prior_to)
{
	struct quic_connection_id_info info;

	quic_conn_get_cids(&end->conn, dest, &info);
	KUNIT_EXPECT_EQ(test, info.dest, dest);
	KUNIT_EXPECT_EQ(test, info.active, active);
	KUNIT_EXPECT_EQ(test, info.prior_to, prior_to);
}

static void expect_refused(struct kunit *test, struct sim_end *end, bool dest, u32 active,
			   u32 prior_to)
{
	struct quic_connection_id_info before, after;

	quic_conn_get_cids(&end->conn, dest, &before);
	KUNIT_EXPECT_EQ_MSG(test, set(end, dest, active, prior_to), -EINVAL,
			    "dest %d active %u prior_to %u", dest, active, prior_to);
	quic_conn_get_cids(&end->conn, dest, &after);
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
}

static void refused_numbers_change_nothing(struct kunit *test)
{
	struct sim *sim = sim_create();
	int dest;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	for (dest = 0; dest < 2; dest++) {
		expect_numbers(test, &sim->client, dest, 0, 0);
		KUNIT_EXPECT_EQ(test, set(&sim->client, dest, 3, 2), 0);
		sim_run_for(sim, SIM_SECOND);
		expect_numbers(test, &sim->client, dest, 3, 2);
		expect_refused(test, &sim->client, dest, 3, 0);	/* in use already */
		expect_refused(test, &sim->client, dest, 2, 0);	/* below */
		expect_refused(test, &sim->client, dest, 9, 0);	/* not there: 2 to 8 are */
		expect_refused(test, &sim->client, dest, 0, 2);	/* repeated */
		expect_refused(test, &sim->client, dest, 0, 1);
		expect_refused(test, &sim->client, dest, 0, 9);
		expect_refused(test, &sim->client, dest, 9, 4);	/* one of two wrong */
		expect_refused(test, &sim->client, dest, 4, 9);
		expect_refused(test, &sim->client, dest, 0, U32_MAX - 6);
	}
	sim_destroy(sim);
}

/* uapi.md, section 11.2, item 27: within one round trip the holder has seven again. */
static void retired_ids_are_replaced_within_a_round_trip(struct kunit *test)
{
	static const u32 step[][2] = { { 0, 1 }, { 0, 7 }, { 9, 8 }, { 14, 14 }, { 0, 20 } };
	struct sim *sim = sim_create();
	int i, dest;
	u64 seq;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	for (dest = 0; dest < 2; dest++) {
		struct sim_end *holder = dest ? &sim->client : &sim->server;

		sim->client.conn.config.keepalive = 0;
		for (i = 0; i < ARRAY_SIZE(step); i++) {
			u32 prior_to = step[i][1];

			KUNIT_ASSERT_EQ(test, set(&sim->client, dest, step[i][0], prior_to), 0);
			if (dest)	/* ours to retire: at once */
				KUNIT_EXPECT_EQ(test,
						quic_remote_cids_lowest(&holder->conn.remote_cids),
						prior_to);
			sim_run_for(sim, 2 * sim->delay + 30 * SIM_MS);
			KUNIT_EXPECT_EQ(test, quic_remote_cids_count(&holder->conn.remote_cids,
								     U64_MAX), 7);
			for (seq = prior_to; seq < prior_to + 7; seq++)
				KUNIT_EXPECT_NOT_NULL(test,
						      quic_remote_cids_find(&holder->conn.remote_cids,
									    seq));
			KUNIT_EXPECT_EQ(test, holder->conn.remote_cids.active,
					max(prior_to, dest ? step[i][0] : 0));
		}
	}
	/* Both have heard of every number that went. */
	KUNIT_EXPECT_EQ(test, sim->client.events[QUIC_EVENT_CONNECTION_ID], 40);
	KUNIT_EXPECT_EQ(test, sim->server.events[QUIC_EVENT_CONNECTION_ID], 40);
	KUNIT_EXPECT_EQ(test, sim->client.closes + sim->server.closes, 0);
	sim_destroy(sim);
}

/*
 * RFC 9000, section 19.15 #5: what is announced again after a loss asks for no more than its own
 * number.
 */
static void retirement_survives_loss(struct kunit *test)
{
	struct sim *sim;
	u64 seed;
	int i;

	for (seed = 1; seed <= 30; seed++) {
		sim = sim_create();
		sim->random = seed;
		KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
		sim->loss = 40;
		for (i = 1; i <= 6; i++) {
			u32 prior_to = quic_local_cids_lowest(&sim->server.conn.local_cids) + 1;

			set(&sim->server, false, 0, prior_to);
			set(&sim->client, true, 0,
			    quic_remote_cids_lowest(&sim->client.conn.remote_cids) + 1);
			sim_run_for(sim, 50 * SIM_MS);
		}
		sim->loss = 0;
		sim_run_for(sim, 60 * SIM_SECOND / 10);
		KUNIT_EXPECT_EQ_MSG(test, sim->client.closes + sim->server.closes, 0,
				    "seed %llu", (unsigned long long)seed);
		KUNIT_EXPECT_EQ(test, quic_remote_cids_count(&sim->client.conn.remote_cids,
							     U64_MAX), 7);
		KUNIT_EXPECT_EQ(test, quic_local_cids_lowest(&sim->server.conn.local_cids),
				quic_remote_cids_lowest(&sim->client.conn.remote_cids));
		KUNIT_EXPECT_EQ(test, sim->client.conn.remote_cids.nr_retire, 0);
		sim_destroy(sim);
	}
}

/* RFC 9000, section 18.2 #3 #5: a server without an ID has none for another address, either. */
static void preferred_address_brings_an_id_with_it(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *client = &sim->client.conn, *server = &sim->server.conn;
	struct quic_preferred_address *preferred = &server->local.preferred_address;

	sim_start(sim);
	KUNIT_ASSERT_EQ(test, quic_conn_offer_address(server), 0);
	server->local.has_preferred_address = true;
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&quic_remote_cids_find(&client->remote_cids, 1)->cid,
					       &preferred->cid));
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_count(&client->remote_cids, U64_MAX), 7);
	KUNIT_EXPECT_EQ(test, client->remote_cids.largest_seq, 6);
	sim_destroy(sim);

	sim = sim_create();
	sim_start(sim);
	client = &sim->client.conn;
	preferred = &client->remote.preferred_address;
	preferred->cid.len = 8;
	quic_remote_cids_find(&client->remote_cids, 0)->cid.len = 0;
	KUNIT_EXPECT_EQ(test, quic_conn_add_preferred_cid(client, preferred), -EPROTO);
	KUNIT_EXPECT_EQ(test, client->close.code, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
	sim_destroy(sim);
}

/* uapi.md, section 5.5: what the peer has not yet acknowledged is bounded. */
static void retiring_waits_for_the_peer(struct kunit *test)
{
	struct sim *sim = sim_create();
	int err = 0;
	u32 n;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	sim->client.mute = true;
	for (n = 1; n < 7 && !err; n++) {
		err = set(&sim->client, true, 0, n);
		sim_settle(&sim->client);
	}
	KUNIT_EXPECT_EQ(test, err, 0);
	/* The last one stays: there must be one to send to. */
	expect_refused(test, &sim->client, true, 0, 7);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_count(&sim->client.conn.remote_cids, U64_MAX), 1);
	sim->client.mute = false;
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_remote_cids_count(&sim->client.conn.remote_cids, U64_MAX), 7);
	expect_numbers(test, &sim->client, true, 6, 6);
	sim_destroy(sim);
}

static struct kunit_case conn_cid_cases[] = {
	KUNIT_CASE(refused_numbers_change_nothing),
	KUNIT_CASE(retired_ids_are_replaced_within_a_round_trip),
	KUNIT_CASE(retirement_survives_loss),
	KUNIT_CASE(retiring_waits_for_the_peer),
	KUNIT_CASE(preferred_address_brings_an_id_with_it),
	{}
};

static struct kunit_suite conn_cid_suite = {
	.name = "conn_cid",
	.test_cases = conn_cid_cases,
};

kunit_test_suite(conn_cid_suite);
