// SPDX-License-Identifier: GPL-2.0-or-later
/* Loss detection, probes and congestion control of whole connections. */
#include <kunit/test.h>

#include "sim.h"

/*
 * RFC 9002, section 6.2.2.1: a client whose Initial packets were acknowledged
 * keeps the server going, also while early data that no timer watches over is
 * in flight.
 */
static void early_data_does_not_stop_the_clients_probes(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_sent_packet packet = {
		.time = sim->now,
		.size = 1200,
		.flags = QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT | QUIC_SENT_0RTT,
	};
	struct quic_sent_packet first;

	sim_start(sim);
	sim->client.mute = true;
	sim_settle(&sim->client);
	while (quic_loss_next_discarded(&conn->space[QUIC_SPACE_INITIAL]->loss, &first))
		quic_sent_packet_release(&first);
	KUNIT_ASSERT_EQ(test, quic_loss_on_sent(&conn->space[QUIC_SPACE_APP]->loss, 0, &packet), 0);
	quic_conn_update_deadlines(conn, sim->now);
	KUNIT_EXPECT_LE(test, conn->deadlines.at[QUIC_DEADLINE_LOSS],
			sim->now + 1100 * SIM_MS);
	sim_destroy(sim);
}

static u64 wanted;

static bool all_arrived(struct sim *sim)
{
	return sim->server.received[0] >= wanted;
}

/* The client sends @bytes; returns how long they took, ns. */
static u64 upload(struct kunit *test, struct sim *sim, u64 bytes)
{
	u64 left = bytes, begun;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	begun = sim->now;
	wanted = bytes;
	while (!all_arrived(sim) && sim->now - begun < 600 * SIM_SECOND) {
		if (left)
			left -= sim_send(&sim->client, 0, left, true);
		sim_settle(&sim->client);
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_EXPECT_TRUE(test, all_arrived(sim));
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	return sim->now - begun;
}

/*
 * RFC 9002, section 6.1: a path that delays every tenth packet by up to half a
 * round trip loses none, and is soon taken for what it is.
 */
static void reordering_is_not_mistaken_for_loss_for_long(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 orderly, reordered;
	struct quic_conn *conn;

	sim->rate = 5000000;
	orderly = upload(test, sim, 8 << 20);
	sim_destroy(sim);

	sim = sim_create();
	conn = &sim->client.conn;
	sim->rate = 5000000;
	sim->reorder = 10;
	reordered = upload(test, sim, 8 << 20);
	KUNIT_EXPECT_GT(test, conn->space[QUIC_SPACE_APP]->loss.spurious.packets, 3);
	KUNIT_EXPECT_LE(test, conn->lost_packets, 200);
	KUNIT_EXPECT_LE(test, reordered, orderly + orderly / 4);
	kunit_info(test, "%llu ms in order, %llu ms reordered, %llu declared lost",
		   (unsigned long long)(orderly / SIM_MS), (unsigned long long)(reordered / SIM_MS),
		   (unsigned long long)conn->lost_packets);
	sim_destroy(sim);
}

/*
 * RFC 9002, section 6.2.4: a probe carries what the receiver needs, also when
 * that was sent again behind much other data. One without room for more takes
 * nothing else.
 */
static void probe_carries_the_first_bytes_not_acknowledged(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_sent_packet packet;
	struct quic_loss_walk walk;
	struct quic_loss *loss;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	loss = &conn->space[QUIC_SPACE_APP]->loss;
	sim->client.mute = true;
	sim_send(&sim->client, 0, 9 * 1400, false);
	sim_settle(&sim->client);
	/* The first packet is lost and sent again, behind the others. */
	memset(&walk, 0, sizeof(walk));
	walk.next = loss->sent.oldest;
	walk.end = walk.next + 1;
	walk.now = sim->now;
	KUNIT_ASSERT_TRUE(test, quic_loss_next_lost(loss, &walk, &packet));
	quic_cong_on_lost(&conn->path[0].cong, packet.size);
	quic_conn_packet_lost(conn, QUIC_SPACE_APP, &packet);
	sim_settle(&sim->client);
	while (!conn->pto_count) {
		sim->client.mute = sim->now + SIM_MS < conn->deadlines.at[QUIC_DEADLINE_LOSS];
		sim_run_for(sim, SIM_MS);
	}
	sim_run_for(sim, sim->delay + SIM_MS);
	KUNIT_EXPECT_GE(test, sim->server.received[0], 1400);
	sim_destroy(sim);
}

/* RFC 9002, section 7.5 #1 #2: probes leave though the window is full, and are in flight. */
static void probes_are_not_held_back_by_the_window(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_cong *cong = &conn->path[0].cong;
	u64 before, flight;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	sim->client.mute = true;
	sim_send(&sim->client, 0, 500000, false);
	sim_settle(&sim->client);
	sim_run_for(sim, SIM_MS);
	while (quic_cong_has_room(cong) && !conn->pto_count)
		sim_run_for(sim, SIM_MS);
	KUNIT_ASSERT_FALSE(test, quic_cong_has_room(cong));
	before = sim->client.packets_tx;
	flight = cong->bytes_in_flight;
	while (!conn->pto_count)
		sim_run_for(sim, SIM_MS);
	sim_run_for(sim, SIM_MS);
	KUNIT_EXPECT_GE(test, sim->client.packets_tx, before + 1);
	KUNIT_EXPECT_GT(test, cong->bytes_in_flight, flight);
	sim_destroy(sim);
}

/* What the memory of losses holds is given back. */
static void idle_connection_remembers_no_losses(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;

	sim->loss = 5;
	upload(test, sim, 1 << 20);
	KUNIT_EXPECT_GT(test, conn->lost_packets, 0);
	sim->loss = 0;
	sim_run_for(sim, 10 * SIM_SECOND);
	sim_send(&sim->client, 4, 1, true);
	sim_settle(&sim->client);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_NULL(test, conn->space[QUIC_SPACE_APP]->loss.spurious.log);
	sim_destroy(sim);
}

/* RFC 9002, section 7.6: after a silence of several probe timeouts the window is as small as can be. */
static void persistent_congestion_leaves_two_packets(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_path *path = quic_conn_path(&sim->client.conn);
	u64 until, least = ~0ULL;
	u32 i;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	for (i = 0; i < 10; i++) {
		sim_send(&sim->client, 0, 1000, false);
		sim_run_for(sim, 50 * SIM_MS);
	}
	/* Ack-eliciting packets all the time, of which none arrives. */
	sim->client.mute = true;
	for (i = 0; i < 30; i++) {
		sim_send(&sim->client, 0, 100, false);
		sim_run_for(sim, 50 * SIM_MS);
	}
	KUNIT_EXPECT_GE(test, path->cong.cwnd, 8 * path->mss);
	sim->client.mute = false;
	for (until = sim->now + 10 * SIM_SECOND; sim->now < until; sim_run_for(sim, SIM_MS))
		least = min(least, path->cong.cwnd);
	KUNIT_EXPECT_EQ(test, least, 2 * path->mss);
	sim_destroy(sim);
}

static struct kunit_case recovery_cases[] = {
	KUNIT_CASE(early_data_does_not_stop_the_clients_probes),
	KUNIT_CASE(reordering_is_not_mistaken_for_loss_for_long),
	KUNIT_CASE(probe_carries_the_first_bytes_not_acknowledged),
	KUNIT_CASE(probes_are_not_held_back_by_the_window),
	KUNIT_CASE(persistent_congestion_leaves_two_packets),
	KUNIT_CASE(idle_connection_remembers_no_losses),
	{}
};

static struct kunit_suite recovery_suite = {
	.name = "quic_recovery",
	.test_cases = recovery_cases,
};

kunit_test_suite(recovery_suite);
