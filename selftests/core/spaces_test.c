// SPDX-License-Identifier: GPL-2.0-or-later
/* Packet number spaces: an acknowledgement goes where the packet came from. */
#include <kunit/test.h>

#include "sim.h"

static const u8 ping[] = { QUIC_FRAME_PING };

/* Does a packet that @conn would send at @level hold an ACK frame? It is not sent. */
static bool would_acknowledge(struct sim *sim, struct quic_conn *conn, u8 level)
{
	struct quic_tx_packet tx;
	u8 wire[1500];
	bool filled;

	quic_writer_init(&tx.w, wire, sizeof(wire));
	quic_conn_tx_start(conn);
	if (quic_conn_tx_begin(conn, &tx, level))
		return false;
	filled = quic_conn_tx_fill(conn, &tx, sim->now);
	quic_conn_tx_abandon(conn, &tx);
	return filled && tx.has_ack;
}

/* RFC 9000, section 13.2.6 #1 */
static void acknowledgements_stay_in_their_space(struct kunit *test)
{
	static const u8 level[] = { QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_APP };
	struct quic_conn *conn;
	struct sim *sim;
	u32 i, j;

	for (i = 0; i < 2; i++) {
		sim = sim_create();
		sim_start(sim);
		conn = &sim->client.conn;
		for (j = 0; j < ARRAY_SIZE(level); j++) {
			quic_conn_on_tx_key(conn, level[j], 51);
			quic_conn_on_rx_key(conn, level[j], 51);
		}
		KUNIT_ASSERT_EQ(test, sim_inject(&sim->client, level[i], 5, ping, sizeof(ping)), 0);
		for (j = 0; j < ARRAY_SIZE(level); j++)
			KUNIT_EXPECT_EQ(test, would_acknowledge(sim, conn, level[j]), i == j);
		sim_destroy(sim);
	}
}

/* RFC 9000, sections 13.2.6 #2 and 17.2.3 #3 */
static void packets_of_1rtt_are_acknowledged_in_1rtt(struct kunit *test)
{
	static const u8 level[] = { QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_EARLY };
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	u64 pn;
	u32 i;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim_run_for(sim, SIM_SECOND);
	pn = quic_conn_largest_received(conn, QUIC_CRYPTO_APP) + 5;
	KUNIT_ASSERT_EQ(test, sim_inject(&sim->client, QUIC_CRYPTO_APP, pn, ping, sizeof(ping)), 0);
	for (i = 0; i < ARRAY_SIZE(level); i++)
		KUNIT_EXPECT_FALSE(test, quic_conn_wants_tx(conn, level[i], sim->now));
	KUNIT_EXPECT_TRUE(test, would_acknowledge(sim, conn, QUIC_CRYPTO_APP));
	sim_destroy(sim);
}

/* RFC 9000, section 13.2.6 #3: 0-RTT packets are acknowledged by 1-RTT packets. */
static void early_packets_are_acknowledged_in_1rtt(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn;

	sim_start(sim);
	sim_run_for(sim, 11 * SIM_MS);
	sim->client.mute = true;
	conn = &sim->server.conn;
	quic_conn_on_rx_key(conn, QUIC_CRYPTO_EARLY, 51);
	quic_conn_on_tx_key(conn, QUIC_CRYPTO_APP, 51);
	KUNIT_ASSERT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_EARLY, 7, ping, sizeof(ping)), 0);
	KUNIT_EXPECT_FALSE(test, would_acknowledge(sim, conn, QUIC_CRYPTO_HANDSHAKE));
	KUNIT_EXPECT_TRUE(test, would_acknowledge(sim, conn, QUIC_CRYPTO_APP));
	sim_destroy(sim);
}

/* RFC 9000, section 19.9 #1: what resets claim counts, whether it was sent or not. */
static void final_sizes_add_up(struct kunit *test)
{
	static const u8 first[] = { QUIC_FRAME_RESET_STREAM, 0x00, 0, 0x80, 0x0f, 0, 0 };
	static const u8 second[] = { QUIC_FRAME_RESET_STREAM, 0x04, 0, 0x80, 0x0f, 0, 0 };
	static const u8 third[] = { QUIC_FRAME_RESET_STREAM, 0x08, 0, 0x80, 0x0f, 0, 0 };
	struct sim *sim = sim_create();

	/* Each is within its stream's credit, the third is beyond the connection's. */
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	KUNIT_ASSERT_LE(test, 0x0f0000, sim->server.conn.local.initial_max_stream_data_bidi_remote);
	KUNIT_ASSERT_LE(test, 2 * 0x0f0000, sim->server.conn.rx_flow.limit);
	KUNIT_ASSERT_GT(test, 3 * 0x0f0000, sim->server.conn.rx_flow.limit);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 100, first, sizeof(first)), 0);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 101, second,
					 sizeof(second)), 0);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->server, QUIC_CRYPTO_APP, 102, third,
					 sizeof(third)), -EPROTO);
	KUNIT_EXPECT_EQ(test, sim->server.conn.close.code, QUIC_TRANSPORT_ERROR_FLOW_CONTROL);
	sim_destroy(sim);
}

/* RFC 9001, section 9.5 #2: whatever is acknowledged or not, a number takes as many bytes. */
static void packet_numbers_are_of_one_length(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_tx_packet tx;
	u8 wire[1500];
	u32 turn;

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	for (turn = 0; turn < 3; turn++) {
		quic_writer_init(&tx.w, wire, sizeof(wire));
		quic_conn_tx_start(conn);
		KUNIT_ASSERT_EQ(test, quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_APP), 0);
		KUNIT_EXPECT_EQ(test, tx.pn_len, 4);
		quic_conn_tx_abandon(conn, &tx);
		sim_send(&sim->client, 0, 400000, false);
		sim_run_for(sim, SIM_SECOND);
	}
	sim_destroy(sim);
}

/* RFC 9001, section 4 #1: a lost ServerHello goes out again in Initial packets, not in newer ones. */
static void crypto_data_stays_at_its_level(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->server.conn;
	struct quic_sent_packet *packet;
	struct quic_sent *sent;
	u64 pn, first;
	u32 again = 0;

	sim_start(sim);
	sim_settle(&sim->client);
	sim->server.mute = true;
	sim_run_for(sim, 11 * SIM_MS);
	KUNIT_ASSERT_TRUE(test, conn->tx_keys & BIT(QUIC_CRYPTO_HANDSHAKE));
	sent = &conn->space[QUIC_SPACE_INITIAL]->loss.sent;
	first = sent->next;
	KUNIT_ASSERT_GE(test, first, 1);
	sim_run_for(sim, 2 * SIM_SECOND);
	KUNIT_ASSERT_NOT_NULL(test, conn->space[QUIC_SPACE_INITIAL]);
	for (pn = first; pn < sent->next; pn++) {
		packet = quic_sent_find(sent, pn);
		if (packet && packet->nr_notes &&
		    quic_sent_packet_note(packet, 0)->kind == QUIC_NOTE_CRYPTO &&
		    !quic_sent_packet_note(packet, 0)->offset)
			again++;
	}
	KUNIT_EXPECT_GE(test, again, 1);
	sim_destroy(sim);
}

static struct kunit_case spaces_cases[] = {
	KUNIT_CASE(packet_numbers_are_of_one_length),
	KUNIT_CASE(crypto_data_stays_at_its_level),
	KUNIT_CASE(acknowledgements_stay_in_their_space),
	KUNIT_CASE(packets_of_1rtt_are_acknowledged_in_1rtt),
	KUNIT_CASE(early_packets_are_acknowledged_in_1rtt),
	KUNIT_CASE(final_sizes_add_up),
	{}
};

static struct kunit_suite spaces_suite = {
	.name = "spaces",
	.test_cases = spaces_cases,
};

kunit_test_suite(spaces_suite);
