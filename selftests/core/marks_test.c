// SPDX-License-Identifier: GPL-2.0-or-later
/* Explicit congestion notification between two connections. RFC 9000, section 13.4. */
#include <kunit/test.h>

#include "sim.h"

static struct quic_path *path_of(struct sim_end *end)
{
	return quic_conn_path(&end->conn);
}

static void move_bytes(struct kunit *test, struct sim *sim, u64 bytes)
{
	u64 left = bytes, until = sim->now + 300 * SIM_SECOND;

	while (!sim->server.finished[0] && sim->now < until) {
		if (left)
			left -= sim_send(&sim->client, 0, left, true);
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_EXPECT_EQ(test, sim->server.received[0], bytes);
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
}

static void path_is_found_capable(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *server = &sim->server.conn;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	move_bytes(test, sim, 1 << 20);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	KUNIT_EXPECT_GE(test, sim->client.marked_tx, 700);
	KUNIT_EXPECT_EQ(test, server->space[QUIC_SPACE_APP]->ack.ecn[0], sim->client.marked_tx);
	KUNIT_EXPECT_EQ(test, sim->client.conn.ecn.sent, sim->client.marked_tx);
	/* No mark of the network, no congestion. */
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->cong.ssthresh, U64_MAX);
	sim_destroy(sim);
}

/* RFC 9000, section 13.4.2.2 #1: a network that takes the marks off. */
static void bleached_path_is_not_marked(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->bleach = true;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	move_bytes(test, sim, 1 << 20);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_FAILED);
	KUNIT_EXPECT_EQ(test, sim->client.marked_tx, QUIC_ECN_TEST_PACKETS);
	sim_destroy(sim);
}

/* RFC 9000, section 13.4.2.2 #2: one that begins to do so later. */
static void path_that_changes_is_not_marked_any_more(struct kunit *test)
{
	struct sim *sim = sim_create();
	u64 marked;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100000, false), 100000);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	sim->bleach = true;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100000, false), 100000);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_FAILED);
	marked = sim->client.marked_tx;
	sim->bleach = false;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100000, false), 100000);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.marked_tx, marked);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 300000);
	sim_destroy(sim);
}

/* RFC 9002, section 7.1: the network's marks slow the sender down, nothing is lost. */
static void marks_of_the_network_are_congestion(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->ce = 2;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	move_bytes(test, sim, 4 << 20);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	KUNIT_EXPECT_GE(test, sim->server.conn.space[QUIC_SPACE_APP]->ack.ecn[2], 20);
	KUNIT_EXPECT_EQ(test, sim->client.conn.lost_packets, 0);
	KUNIT_EXPECT_NE(test, path_of(&sim->client)->cong.ssthresh, U64_MAX);
	sim_destroy(sim);
}

/* hardening.md, section 2.5: a storm of marks counts once for each round trip. */
static void storm_of_marks_counts_once_a_round_trip(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_cong *cong;
	u64 cwnd;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	cong = &path_of(&sim->client)->cong;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 200000, false), 200000);
	sim_run_for(sim, 5 * SIM_SECOND);
	cwnd = cong->cwnd;
	KUNIT_ASSERT_GE(test, cwnd, 30 * 1472);
	sim->ce = 100;
	/* Less than a window: one round trip. */
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 20 * 1400, false), 20 * 1400);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_EXPECT_GE(test, sim->server.conn.space[QUIC_SPACE_APP]->ack.ecn[2], 20);
	KUNIT_EXPECT_GE(test, cong->cwnd, cwnd / 2);
	KUNIT_EXPECT_LT(test, cong->cwnd, cwnd);
	sim_destroy(sim);
}

/* RFC 9000, section 13.2.1: the receiver says so at once. */
static void marks_of_the_network_are_acknowledged_at_once(struct kunit *test)
{
	struct quic_ack_policy *ack;
	struct sim *sim = sim_create();
	u64 before;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 1000, false), 1000);
	sim_run_for(sim, 5 * SIM_SECOND);
	KUNIT_ASSERT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	ack = &sim->server.conn.space[QUIC_SPACE_APP]->ack;

	before = sim->server.packets_tx;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
	sim_settle(&sim->client);
	sim_run_for(sim, sim->delay);
	KUNIT_EXPECT_EQ(test, ack->unacked, 1);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before);
	sim_run_for(sim, SIM_SECOND);

	sim->ce = 100;
	before = sim->server.packets_tx;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
	sim_settle(&sim->client);
	sim_run_for(sim, sim->delay);
	KUNIT_EXPECT_EQ(test, ack->unacked, 0);
	KUNIT_EXPECT_EQ(test, sim->server.packets_tx, before + 1);
	sim_destroy(sim);
}

/* RFC 9000, section 13.4.2.1 #1: counts of an ACK frame that was overtaken are older. */
static void overtaken_acknowledgement_does_not_fail(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_frame_ack ack = { .has_ecn = true };
	u64 ect0;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 10000, false), 10000);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_ASSERT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	ect0 = conn->ecn.ect0;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 2800, false), 2800);
	sim_settle(&sim->client);
	ack.largest = conn->space[QUIC_SPACE_APP]->loss.sent.next - 1;
	ack.ect0 = ect0 + 2;
	KUNIT_EXPECT_EQ(test, quic_conn_on_ack(conn, QUIC_SPACE_APP, &ack, sim->now), 0);
	ack.largest--;
	ack.ect0 = ect0 + 1;
	KUNIT_EXPECT_EQ(test, quic_conn_on_ack(conn, QUIC_SPACE_APP, &ack, sim->now), 0);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	sim_destroy(sim);
}

static void reordered_acknowledgements_do_not_fail(struct kunit *test)
{
	struct sim *sim;
	u64 seed;

	for (seed = 1; seed <= 30; seed++) {
		sim = sim_create();
		sim->random = seed;
		KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
		KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 4, 10000, false), 10000);
		sim_run_for(sim, SIM_SECOND);
		KUNIT_ASSERT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
		sim->reorder = 30;
		sim->duplicate = 3;
		sim->loss = 2;
		sim->ce = 1;
		move_bytes(test, sim, 300000);
		KUNIT_EXPECT_EQ_MSG(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE,
				    "seed %llu", (unsigned long long)seed);
		sim_destroy(sim);
	}
}

/* RFC 9000, section 13.4.1 #1: what comes marked is counted, though we mark nothing. */
static void counts_are_reported(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_rx_packet rx = { .level = QUIC_CRYPTO_APP };
	static const u8 ping[] = { QUIC_FRAME_PING };
	struct quic_frame frame;
	struct quic_tx_packet tx;
	struct quic_reader r;
	u8 wire[1200];
	u64 code;
	u32 i;

	sim->bleach = true;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	rx.now = sim->now;
	rx.payload = ping;
	rx.len = sizeof(ping);
	for (i = 0; i < 12; i++) {
		rx.pn = 500 + i;
		rx.ecn = i < 1 ? QUIC_ECN_NOT_ECT : i < 3 ? QUIC_ECN_ECT1 :
			 i < 7 ? QUIC_ECN_CE : QUIC_ECN_ECT0;
		KUNIT_EXPECT_EQ(test, quic_conn_recv_packet(&sim->server.conn, &rx), 0);
	}
	quic_conn_tx_start(&sim->server.conn);
	quic_writer_init(&tx.w, wire, sizeof(wire));
	KUNIT_ASSERT_EQ(test, quic_conn_tx_begin(&sim->server.conn, &tx, QUIC_CRYPTO_APP), 0);
	KUNIT_ASSERT_TRUE(test, quic_conn_tx_fill(&sim->server.conn, &tx, sim->now));
	quic_reader_init(&r, tx.start, tx.w.pos - tx.start);
	KUNIT_ASSERT_EQ(test, quic_frame_decode(&r, &frame, &code), 0);
	KUNIT_ASSERT_EQ(test, frame.type, QUIC_FRAME_ACK_ECN);
	KUNIT_EXPECT_EQ(test, frame.ack.ect0, 5);
	KUNIT_EXPECT_EQ(test, frame.ack.ect1, 2);
	KUNIT_EXPECT_EQ(test, frame.ack.ce, 4);
	quic_conn_tx_abandon(&sim->server.conn, &tx);
	sim_destroy(sim);
}

/* A peer that makes counts up cannot harm more than ECN itself. */
static void inflated_counts_end_marking(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_frame_ack ack = { .has_ecn = true };
	u64 cwnd, pn;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 10000, false), 10000);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_ASSERT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_CAPABLE);
	cwnd = path_of(&sim->client)->cong.cwnd;
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 100, false), 100);
	pn = conn->space[QUIC_SPACE_APP]->loss.sent.next;
	sim_settle(&sim->client);
	ack.largest = pn;
	ack.ect0 = conn->ecn.ect0;
	ack.ce = 1000;
	KUNIT_EXPECT_EQ(test, quic_conn_on_ack(conn, QUIC_SPACE_APP, &ack, sim->now), 0);
	KUNIT_EXPECT_EQ(test, path_of(&sim->client)->ecn.state, QUIC_ECN_FAILED);
	KUNIT_EXPECT_GE(test, path_of(&sim->client)->cong.cwnd, cwnd);
	KUNIT_EXPECT_TRUE(test, quic_conn_is_open(conn));
	sim_destroy(sim);
}

static struct kunit_case marks_cases[] = {
	KUNIT_CASE(path_is_found_capable),
	KUNIT_CASE(bleached_path_is_not_marked),
	KUNIT_CASE(path_that_changes_is_not_marked_any_more),
	KUNIT_CASE(marks_of_the_network_are_congestion),
	KUNIT_CASE(storm_of_marks_counts_once_a_round_trip),
	KUNIT_CASE(marks_of_the_network_are_acknowledged_at_once),
	KUNIT_CASE(overtaken_acknowledgement_does_not_fail),
	KUNIT_CASE(reordered_acknowledgements_do_not_fail),
	KUNIT_CASE(counts_are_reported),
	KUNIT_CASE(inflated_counts_end_marking),
	{}
};

static struct kunit_suite marks_suite = {
	.name = "marks",
	.test_cases = marks_cases,
};

kunit_test_suite(marks_suite);
