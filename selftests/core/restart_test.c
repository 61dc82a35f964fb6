// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client whose first flight is answered by Retry or Version Negotiation.
 * RFC 9000, sections 6.2 and 17.2.5; RFC 9002, section 6.3; RFC 9368.
 */
#include <kunit/test.h>

#include "sim.h"
#include "tests/quic_test.h"

#define LIST_V1		{ 0, 0, 0, 1 }
#define LIST_V2		{ 0x6b, 0x33, 0x43, 0xcf }

static const u8 both_versions[] = { 0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf };
static const u8 version_1[] = LIST_V1;
static const u8 version_2[] = LIST_V2;
static const u8 no_version[] = { 0x1a, 0x2a, 0x3a, 0x4a };

/* A client whose first flight has left, and was lost on the way. */
static struct sim *waiting_client(u32 version)
{
	struct sim *sim = sim_create();

	sim_start(sim);
	sim->client.conn.version = version;
	sim->client.conn.original_version = version;
	quic_cid_set(&quic_remote_cids_active(&sim->client.conn.remote_cids)->cid,
		     (const u8 *)"original", 8);
	sim->client.mute = true;
	sim_settle(&sim->client);
	sim->client.mute = false;
	return sim;
}

static struct quic_header retry_header(const char *dcid, const char *scid, const char *token)
{
	struct quic_header hdr = {
		.type = QUIC_PACKET_RETRY, .version = QUIC_VERSION_V1,
		.token = (const u8 *)token, .token_len = strlen(token),
	};

	quic_cid_set(&hdr.dcid, (const u8 *)dcid, strlen(dcid));
	quic_cid_set(&hdr.scid, (const u8 *)scid, strlen(scid));
	return hdr;
}

static struct quic_header vn_header(const u8 *list, u32 len)
{
	struct quic_header hdr = retry_header("client00", "original", "");

	hdr.type = QUIC_PACKET_VERSION_NEGOTIATION;
	hdr.version = 0;
	hdr.token = list;
	hdr.token_len = len;
	return hdr;
}

/* What the server's first packet will teach, and what its listener knows of the Retry. */
static void meet_server(struct sim *sim)
{
	struct quic_conn *server = &sim->server.conn;

	quic_cid_set(&quic_remote_cids_active(&sim->client.conn.remote_cids)->cid,
		     (const u8 *)"server00", 8);
	server->version = sim->client.conn.version;
	server->original_version = server->version;
	server->has_retry = sim->client.conn.has_retry;
	server->retry_scid = sim->client.conn.retry_scid;
}

/* RFC 9000, sections 17.2.5.1 #3 and 17.2.5.3 #1 #2; RFC 9002, section 6.3. */
static void retry_begins_the_handshake_again(struct kunit *test)
{
	struct quic_header hdr = retry_header("client00", "retry000", "token");
	struct sim *sim = waiting_client(QUIC_VERSION_V1);
	struct quic_conn *conn = &sim->client.conn;
	struct quic_path *path = quic_conn_path(conn);
	u64 sent = conn->space[QUIC_SPACE_INITIAL]->loss.sent.next;
	u64 window = path->cong.cwnd;

	KUNIT_ASSERT_GE(test, sent, 1);
	KUNIT_ASSERT_GE(test, path->cong.bytes_in_flight, 300);
	path->cong.cwnd = 4000;
	sim->now += 80 * SIM_MS;
	KUNIT_ASSERT_TRUE(test, quic_conn_accepts_retry(conn, &hdr));
	quic_conn_on_retry(conn, &hdr, sim->now);
	KUNIT_EXPECT_TRUE(test, quic_cid_equal(&quic_remote_cids_active(&conn->remote_cids)->cid,
					       &hdr.scid));
	KUNIT_EXPECT_EQ(test, path->cong.bytes_in_flight, 0);
	KUNIT_EXPECT_EQ(test, path->cong.cwnd, window);
	KUNIT_EXPECT_EQ(test, conn->space[QUIC_SPACE_INITIAL]->loss.eliciting_in_flight, 0);
	KUNIT_EXPECT_EQ(test, path->rtt.smoothed_rtt, 80 * SIM_MS);
	KUNIT_EXPECT_FALSE(test, quic_rtt_has_sample(&path->rtt));
	/* One Retry for each attempt. */
	quic_cid_set(&hdr.scid, (const u8 *)"retry001", 8);
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &hdr));

	meet_server(sim);
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 10 * SIM_SECOND));
	KUNIT_EXPECT_EQ(test, sim->server.crypto_rx[QUIC_CRYPTO_INITIAL], 300);
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	sim_destroy(sim);
}

/* Packet numbers go on where they were. RFC 9000, section 17.2.5.3 #2. */
static void retry_resets_no_packet_number(struct kunit *test)
{
	struct quic_header hdr = retry_header("client00", "retry000", "token");
	struct sim *sim = waiting_client(QUIC_VERSION_V1);
	struct quic_conn *conn = &sim->client.conn;
	u64 sent = conn->space[QUIC_SPACE_INITIAL]->loss.sent.next;
	struct quic_tx_packet tx;
	u8 wire[1200];

	quic_conn_on_retry(conn, &hdr, sim->now + 1);
	quic_writer_init(&tx.w, wire, sizeof(wire));
	KUNIT_ASSERT_TRUE(test, quic_conn_wants_tx(conn, QUIC_CRYPTO_INITIAL, sim->now + 1));
	KUNIT_ASSERT_EQ(test, quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_INITIAL), 0);
	KUNIT_EXPECT_EQ(test, tx.pn, sent);
	KUNIT_ASSERT_TRUE(test, quic_conn_tx_fill(conn, &tx, sim->now + 1));
	/* The same bytes of the same ClientHello. */
	KUNIT_EXPECT_EQ(test, wire[0], QUIC_FRAME_CRYPTO);
	KUNIT_EXPECT_EQ(test, wire[1], 0);
	quic_conn_tx_abandon(conn, &tx);
	sim_destroy(sim);
}

/* After a probe it is not known which packet was answered. RFC 9002, section 6.3. */
static void retry_after_probes_is_no_sample(struct kunit *test)
{
	struct quic_header hdr = retry_header("client00", "retry000", "token");
	struct sim *sim = waiting_client(QUIC_VERSION_V1);
	struct quic_conn *conn = &sim->client.conn;

	sim->client.mute = true;
	sim_run_for(sim, 3 * SIM_SECOND);
	KUNIT_ASSERT_GE(test, conn->pto_count, 1);
	quic_conn_on_retry(conn, &hdr, sim->now);
	KUNIT_EXPECT_EQ(test, conn->pto_count, 0);
	KUNIT_EXPECT_EQ(test, quic_conn_path(conn)->rtt.smoothed_rtt, conn->config.initial_rtt);
	/* The timer starts anew as well. */
	sim_settle(&sim->client);
	KUNIT_EXPECT_LE(test, conn->deadlines.at[QUIC_DEADLINE_LOSS],
			sim->now + 3 * conn->config.initial_rtt);
	sim->client.mute = false;
	meet_server(sim);
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 10 * SIM_SECOND));
	sim_destroy(sim);
}

/* RFC 9000, sections 17.2.5.1 #2 and 17.2.5.2 #2 #4; RFC 9369, section 4.1. */
static void retry_that_is_none_is_ignored(struct kunit *test)
{
	static const u8 ping[] = { 0x01 };
	struct quic_header hdr = retry_header("client00", "retry000", "token");
	struct sim *sim = waiting_client(QUIC_VERSION_V1);
	struct quic_conn *conn = &sim->client.conn;

	KUNIT_EXPECT_TRUE(test, quic_conn_accepts_retry(conn, &hdr));
	hdr = retry_header("client01", "retry000", "token");
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &hdr));
	hdr = retry_header("client00", "original", "token");
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &hdr));
	hdr = retry_header("client00", "retry000", "");
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &hdr));
	hdr = retry_header("client00", "retry000", "token");
	hdr.version = QUIC_VERSION_V2;
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &hdr));
	/* A server gets none, nor does who has heard from the server. */
	hdr = retry_header("server00", "retry000", "token");
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(&sim->server.conn, &hdr));
	hdr = retry_header("client00", "retry000", "token");
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->client, QUIC_CRYPTO_INITIAL, 0, ping, 1), 0);
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &hdr));
	sim_destroy(sim);

	sim = sim_create();
	sim_start(sim);
	/* Nothing was sent yet that it could answer. */
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(&sim->client.conn, &hdr));
	sim_destroy(sim);
}

/*
 * RFC 9368, sections 2.1 #2 #4, 4 #2 and 6 #2; RFC 9000, section 6.2 #2. The server sees the whole
 * ClientHello, and no other bytes of that level.
 */
static void version_negotiation_leads_to_the_best_version(struct kunit *test)
{
	struct quic_header hdr = vn_header(both_versions, sizeof(both_versions));
	struct quic_header retry = retry_header("client00", "retry000", "token");
	struct sim *sim = waiting_client(0x1a1a1a1a);
	struct quic_conn *conn = &sim->client.conn;

	KUNIT_ASSERT_TRUE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	KUNIT_EXPECT_TRUE(test, quic_conn_on_version_negotiation(conn, &hdr, sim->now + 1));
	KUNIT_EXPECT_EQ(test, conn->version, QUIC_VERSION_V2);
	KUNIT_EXPECT_EQ(test, conn->original_version, QUIC_VERSION_V2);
	/* Not again, whatever it lists; a Retry may still come. */
	hdr = vn_header(version_1, sizeof(version_1));
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_retry(conn, &retry));
	retry.version = QUIC_VERSION_V2;
	KUNIT_EXPECT_TRUE(test, quic_conn_accepts_retry(conn, &retry));
	meet_server(sim);
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 10 * SIM_SECOND));
	KUNIT_EXPECT_EQ(test, sim->server.crypto_rx[QUIC_CRYPTO_INITIAL], 300);
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	sim_destroy(sim);
}

/* RFC 9000, section 6.2 #2 #3; RFC 9368, sections 2.1 and 4 #1. */
static void version_negotiation_that_is_none_is_ignored(struct kunit *test)
{
	static const u8 ping[] = { 0x01 };
	struct quic_header hdr = vn_header(both_versions, sizeof(both_versions));
	struct quic_header retry = retry_header("client00", "retry000", "token");
	struct sim *sim = waiting_client(QUIC_VERSION_V1);
	struct quic_conn *conn = &sim->client.conn;

	/* It lists what we tried. */
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	hdr = vn_header(version_2, sizeof(version_2));
	KUNIT_EXPECT_TRUE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	/* From somebody who did not see our packet. */
	quic_cid_set(&hdr.scid, (const u8 *)"originaX", 8);
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	hdr = vn_header(version_2, sizeof(version_2));
	quic_cid_set(&hdr.dcid, (const u8 *)"client01", 8);
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	/* To a server. */
	hdr = vn_header(version_2, sizeof(version_2));
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(&sim->server.conn, &hdr));
	/* Behind another packet of the server. */
	quic_conn_on_retry(conn, &retry, sim->now + 1);
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	sim_destroy(sim);

	sim = waiting_client(QUIC_VERSION_V1);
	KUNIT_EXPECT_EQ(test, sim_inject(&sim->client, QUIC_CRYPTO_INITIAL, 0, ping, 1), 0);
	KUNIT_EXPECT_FALSE(test, quic_conn_accepts_version_negotiation(&sim->client.conn, &hdr));
	sim_destroy(sim);
}

/* RFC 9368, section 2.1 #3 */
static void no_common_version_ends_the_attempt(struct kunit *test)
{
	struct quic_header hdr = vn_header(no_version, sizeof(no_version));
	struct sim *sim = waiting_client(QUIC_VERSION_V1);
	struct quic_conn *conn = &sim->client.conn;
	u64 sent = sim->client.packets_tx;

	KUNIT_ASSERT_TRUE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	KUNIT_EXPECT_FALSE(test, quic_conn_on_version_negotiation(conn, &hdr, sim->now));
	KUNIT_EXPECT_FALSE(test, quic_conn_is_open(conn));
	KUNIT_EXPECT_EQ(test, sim->client.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->client.last_close.errcode,
			QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION);
	sim_run_for(sim, 10 * SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, sent);
	KUNIT_EXPECT_EQ(test, conn->state, QUIC_CONN_CLOSED);
	sim_destroy(sim);
}

static struct kunit_case restart_cases[] = {
	KUNIT_CASE(retry_begins_the_handshake_again),
	KUNIT_CASE(retry_resets_no_packet_number),
	KUNIT_CASE(retry_after_probes_is_no_sample),
	KUNIT_CASE(retry_that_is_none_is_ignored),
	KUNIT_CASE(version_negotiation_leads_to_the_best_version),
	KUNIT_CASE(version_negotiation_that_is_none_is_ignored),
	KUNIT_CASE(no_common_version_ends_the_attempt),
	{}
};

static struct kunit_suite restart_suite = {
	.name = "restart",
	.test_cases = restart_cases,
};

kunit_test_suite(restart_suite);
