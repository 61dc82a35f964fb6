// SPDX-License-Identifier: GPL-2.0-or-later
/* What the core reports of two whole connections to those who look on. */
#include <kunit/test.h>

#include "sim.h"
#include "trace.h"

static int trace_init(struct kunit *test)
{
	quic_test_trace_reset();
	return 0;
}

static bool stream_arrived(struct sim *sim)
{
	return sim->server.finished[0];
}

static void handshake_is_reported_once(struct kunit *test)
{
	struct sim *sim = sim_create();
	int i;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	for (i = 0; i < 2; i++) {
		const struct quic_test_trace *trace = &quic_test_trace[i];

		KUNIT_EXPECT_EQ(test, trace->started, 1);
		KUNIT_EXPECT_EQ(test, trace->states, 2);
		KUNIT_EXPECT_EQ(test, trace->state, QUIC_CONN_ESTABLISHED);
		KUNIT_EXPECT_EQ(test, trace->confirmed, 1);
		KUNIT_EXPECT_EQ(test, trace->parameters[0], 1);
		KUNIT_EXPECT_EQ(test, trace->parameters[1], 1);
		KUNIT_EXPECT_EQ(test, trace->closed, 0);
		KUNIT_EXPECT_GE(test, trace->recoveries, 1);
	}
	sim_destroy(sim);
}

static void every_packet_and_frame_is_reported(struct kunit *test)
{
	struct sim *sim = sim_create();
	const struct quic_test_trace *client = &quic_test_trace[0], *server = &quic_test_trace[1];

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_send(&sim->client, 0, 20000, true);
	sim_settle(&sim->client);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, stream_arrived, 10 * SIM_SECOND));
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, client->packets_sent, sim->client.packets_tx);
	KUNIT_EXPECT_EQ(test, server->packets_sent, sim->server.packets_tx);
	KUNIT_EXPECT_EQ(test, server->packets_received, client->packets_sent);
	KUNIT_EXPECT_EQ(test, client->packets_received, server->packets_sent);
	KUNIT_EXPECT_EQ(test, server->frames_received, client->frames_sent);
	KUNIT_EXPECT_EQ(test, client->frames_received, server->frames_sent);
	KUNIT_EXPECT_GE(test, client->frames_sent, client->packets_sent);
	KUNIT_EXPECT_EQ(test, client->packets_lost, 0);
	sim_destroy(sim);
}

/* Path frames and probes of the MTU leave in packets that others fill. */
static void frames_of_probes_are_reported(struct kunit *test)
{
	struct sim *sim = sim_create();
	const struct quic_test_trace *client = &quic_test_trace[0], *server = &quic_test_trace[1];

	sim->client.conn.config.pmtud_interval = 5 * SIM_SECOND;
	sim->mss = 65507;
	sim->mtu = 4000;
	sim->server.conn.local.max_udp_payload_size = 3000;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_ASSERT_EQ(test, sim_move(&sim->client, SIM_ADDR(3, 1000), SIM_SERVER), 0);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, server->packets_received, client->packets_sent);
	KUNIT_EXPECT_EQ(test, server->frames_received, client->frames_sent);
	KUNIT_EXPECT_EQ(test, client->frames_received, server->frames_sent);
	KUNIT_EXPECT_GE(test, client->frames_sent, client->packets_sent);
	KUNIT_EXPECT_GE(test, server->frames_sent, server->packets_sent);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_GT(test, sim->client.mtu_probes, 0);
	KUNIT_EXPECT_GE(test, client->frames_sent, server->frames_received);
	KUNIT_EXPECT_GE(test, client->frames_sent, client->packets_sent);
	sim_destroy(sim);
}

/* RFC 9002, section 6.1.1: three later ones are acknowledged. */
static void reordering_is_told_from_time(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 pn;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);

	/* One packet is lost, many that follow at once are not. */
	sim->client.mute = true;
	pn = sim->client.conn.space[QUIC_SPACE_APP]->loss.sent.next;
	sim_send(&sim->client, 0, 10, false);
	sim->client.conn.nodelay = true;
	sim_settle(&sim->client);
	sim->client.mute = false;
	sim_send(&sim->client, 0, 9000, false);
	sim_settle(&sim->client);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].packets_lost, 1);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].lost_pn, pn);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].loss_trigger, QUIC_LOSS_REORDERING);
	/* Its STREAM frame goes out again: uapi.md, section 7.3. */
	KUNIT_EXPECT_EQ(test, sim->client.conn.retransmitted_frames, 1);
	KUNIT_EXPECT_EQ(test, sim->server.conn.retransmitted_frames, 0);

	/* And one that a single later packet condemns, after a while. */
	sim->client.mute = true;
	pn = sim->client.conn.space[QUIC_SPACE_APP]->loss.sent.next;
	sim_send(&sim->client, 0, 10, false);
	sim_settle(&sim->client);
	sim->client.mute = false;
	sim_send(&sim->client, 0, 10, false);
	sim_settle(&sim->client);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].packets_lost, 2);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].lost_pn, pn);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].loss_trigger, QUIC_LOSS_TIME);
	sim_destroy(sim);
}

static void both_ends_report_a_close(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	quic_conn_close(&sim->client.conn, 7, true, (const u8 *)"bye", 3, sim->now);
	sim_settle(&sim->client);
	sim_run_for(sim, 200 * SIM_MS);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].trigger, QUIC_CLOSE_APPLICATION);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].state, QUIC_CONN_CLOSING);
	KUNIT_EXPECT_EQ(test, quic_test_trace[1].trigger, QUIC_CLOSE_PEER);
	KUNIT_EXPECT_EQ(test, quic_test_trace[1].state, QUIC_CONN_DRAINING);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].state, QUIC_CONN_CLOSED);
	KUNIT_EXPECT_EQ(test, quic_test_trace[1].state, QUIC_CONN_CLOSED);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].closed, 1);
	KUNIT_EXPECT_EQ(test, quic_test_trace[1].closed, 1);
	sim_destroy(sim);
}

static void other_ends_are_told_apart(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	quic_conn_on_stateless_reset(&sim->client.conn, sim->now);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].trigger, QUIC_CLOSE_RESET);
	quic_conn_fail(&sim->server.conn, QUIC_TRANSPORT_ERROR_INTERNAL, 0, "test");
	KUNIT_EXPECT_EQ(test, quic_test_trace[1].trigger, QUIC_CLOSE_ERROR);
	sim_destroy(sim);

	sim = sim_create();
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim->client.mute = true;
	sim->server.mute = true;
	sim_run_for(sim, 120 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].trigger, QUIC_CLOSE_SILENT);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

static void timers_that_go_off_are_reported(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim->client.mute = true;
	sim_send(&sim->client, 0, 10, false);
	sim_settle(&sim->client);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_GE(test, quic_test_trace[0].expired[QUIC_DEADLINE_LOSS], 1);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].expired[QUIC_DEADLINE_IDLE], 0);
	sim_run_for(sim, 120 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, quic_test_trace[0].expired[QUIC_DEADLINE_IDLE], 1);
	sim_destroy(sim);
}

/* A move that succeeds, and one to where nobody answers. RFC 9000, sections 8.2.4 and 9.2. */
static void moves_are_reported_step_by_step(struct kunit *test)
{
	struct sim *sim = sim_create();
	const u32 *client = quic_test_trace[0].migrations, *server = quic_test_trace[1].migrations;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	KUNIT_ASSERT_EQ(test, sim_move(&sim->client, SIM_ADDR(3, 1000), SIM_SERVER), 0);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_PROBED], 1);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_ANSWERED], 1);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_BEGUN], 1);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_COMPLETE], 1);
	KUNIT_EXPECT_EQ(test, server[QUIC_MIGRATION_BEGUN], 1);
	KUNIT_EXPECT_EQ(test, server[QUIC_MIGRATION_COMPLETE], 1);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_UNANSWERED], 0);

	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_ASSERT_EQ(test, sim_move(&sim->client, SIM_ADDR(3, 1000), SIM_ADDR(9, 9)), 0);
	sim_run_for(sim, 20 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_UNANSWERED], 1);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_BEGUN], 1);
	KUNIT_EXPECT_EQ(test, client[QUIC_MIGRATION_ABANDONED], 0);
	sim_destroy(sim);
}

static struct kunit_case trace_cases[] = {
	KUNIT_CASE(handshake_is_reported_once),
	KUNIT_CASE(every_packet_and_frame_is_reported),
	KUNIT_CASE(frames_of_probes_are_reported),
	KUNIT_CASE(reordering_is_told_from_time),
	KUNIT_CASE(both_ends_report_a_close),
	KUNIT_CASE(other_ends_are_told_apart),
	KUNIT_CASE(timers_that_go_off_are_reported),
	KUNIT_CASE(moves_are_reported_step_by_step),
	{}
};

static struct kunit_suite trace_suite = {
	.name = "trace",
	.init = trace_init,
	.test_cases = trace_cases,
};

kunit_test_suite(trace_suite);
