// SPDX-License-Identifier: GPL-2.0-or-later
/* 0-RTT between two whole connections: RFC 9000, section 7.4.1; RFC 9001, sections 4.6 and 5.6. */
#include <kunit/test.h>
#include <time.h>

#include "sim.h"

static u64 wanted;

static bool stream_arrived(struct sim *sim)
{
	return sim->server.received[0] == wanted && sim->server.finished[0];
}

static bool three_arrived(struct sim *sim)
{
	return sim->server.finished[0] && sim->server.finished[4] && sim->server.finished[8];
}

/* A client that remembers what the server still says, with @bytes of early data queued. */
static struct sim *begin(struct kunit *test, enum sim_early early, u64 bytes)
{
	struct sim *sim = sim_create();

	sim->early = early;
	sim->remembered = sim->server.conn.local;
	sim_start(sim);
	wanted = bytes;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, bytes, true), bytes);
	return sim;
}

static void finish(struct kunit *test, struct sim *sim)
{
	KUNIT_EXPECT_TRUE(test, sim_run(sim, stream_arrived, 300 * SIM_SECOND));
	KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 300 * SIM_SECOND));
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], wanted);
	KUNIT_EXPECT_EQ(test, sim->client.closes, 0);
	KUNIT_EXPECT_EQ(test, sim->server.closes, 0);
	KUNIT_EXPECT_EQ(test, sim->client.conn.path[0].cong.bytes_in_flight, 0);
	KUNIT_EXPECT_TRUE(test, quic_conn_is_flushed(&sim->client.conn));
	sim_destroy(sim);
}

/* RFC 9000, section 13.2.1 #2 and RFC 9001, section 5.6 #3: acknowledged in 1-RTT packets. */
static void early_data_arrives_with_the_first_flight(struct kunit *test)
{
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 3000);

	sim_run_for(sim, 11 * SIM_MS);
	KUNIT_EXPECT_TRUE(test, stream_arrived(sim));
	KUNIT_EXPECT_EQ(test, sim->server.conn.state, QUIC_CONN_HANDSHAKE);
	KUNIT_EXPECT_GE(test, sim->client.early_tx, 3);
	KUNIT_EXPECT_EQ(test, sim->server.early_tx, 0);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	KUNIT_EXPECT_TRUE(test, sim->client.conn.early.accepted);
	KUNIT_EXPECT_EQ(test, sim->client.conn.lost_packets, 0);
	finish(test, sim);
}

/* RFC 9001, section 4.6.1: a 0-RTT packet means nothing without its ClientHello. */
static void early_data_waits_for_the_client_hello(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	u64 hello;

	sim->early = SIM_EARLY_ACCEPT;
	sim->remembered = sim->server.conn.local;
	sim_start(sim);
	hello = conn->space[QUIC_SPACE_INITIAL]->crypto.ranges.end;
	conn->space[QUIC_SPACE_INITIAL]->crypto.ranges.end = 0;
	wanted = 100;
	sim_send(&sim->client, 0, wanted, true);
	sim_settle(&sim->client);
	KUNIT_EXPECT_EQ(test, sim->client.packets_tx, 0);
	/* Not even when only part of it is out. */
	conn->space[QUIC_SPACE_INITIAL]->crypto.ranges.end = hello;
	conn->space[QUIC_SPACE_INITIAL]->crypto.ranges.next = hello - 1;
	KUNIT_EXPECT_FALSE(test, quic_conn_wants_tx(conn, QUIC_CRYPTO_EARLY, sim->now));
	conn->space[QUIC_SPACE_INITIAL]->crypto.ranges.next = 0;
	quic_conn_crypto_queued(conn, QUIC_CRYPTO_INITIAL, 0);
	sim_settle(&sim->client);
	KUNIT_EXPECT_EQ(test, sim->client.early_tx, 1);
	finish(test, sim);
}

/* RFC 9001, section 4.6.2 #1 and RFC 9002, section 6.4 */
static void rejected_data_is_sent_again_in_1rtt(struct kunit *test)
{
	struct sim *sim = begin(test, SIM_EARLY_REJECT, 5000);
	u64 cwnd = sim->client.conn.path[0].cong.cwnd;

	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	KUNIT_EXPECT_GE(test, sim->client.early_tx, 4);
	KUNIT_EXPECT_TRUE(test, sim_run(sim, stream_arrived, SIM_SECOND));
	KUNIT_EXPECT_FALSE(test, sim->client.conn.early.accepted);
	/* It was not the network that lost it. */
	KUNIT_EXPECT_GE(test, sim->client.conn.path[0].cong.cwnd, cwnd);
	finish(test, sim);
}

/* RFC 9002, section 7.4 #1: once 0-RTT is known to be taken, what the network loses counts. */
static void loss_of_accepted_data_is_congestion(struct kunit *test)
{
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 1000);
	struct quic_cong *cong = &sim->client.conn.path[0].cong;

	sim_settle(&sim->client);
	sim->client.mute = true;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 4, 1000, true), 1000);
	sim_settle(&sim->client);
	sim->client.mute = false;
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 8, 6000, true), 6000);
	sim_settle(&sim->client);
	KUNIT_EXPECT_EQ(test, cong->ssthresh, U64_MAX);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, three_arrived, SIM_SECOND));
	KUNIT_EXPECT_TRUE(test, sim->client.conn.early.accepted);
	KUNIT_EXPECT_GE(test, sim->client.conn.lost_packets, 1);
	KUNIT_EXPECT_LT(test, cong->ssthresh, U64_MAX);
	finish(test, sim);
}

static void early_data_survives_loss_and_disorder(struct kunit *test)
{
	enum sim_early early;
	struct sim *sim;
	u64 seed;

	for (early = SIM_EARLY_ACCEPT; early <= SIM_EARLY_REJECT; early++)
		for (seed = 1; seed <= 40; seed++) {
			sim = begin(test, early, 9000);
			sim->random = seed;
			sim->loss = 20;
			sim->reorder = 20;
			sim->duplicate = 2;
			finish(test, sim);
		}
}

/* RFC 9000, section 7.4.1 #4 */
static void remembered_limits_hold_until_the_real_ones(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_streams *streams = &sim->client.conn.streams;

	sim->early = SIM_EARLY_ACCEPT;
	sim->remembered = sim->server.conn.local;
	sim->remembered.initial_max_streams_bidi = 2;
	sim->remembered.initial_max_data = 4000;
	sim->remembered.initial_max_stream_data_bidi_remote = 3000;
	sim->remembered.max_udp_payload_size = 1300;
	sim_start(sim);
	KUNIT_EXPECT_FALSE(test, quic_streams_may_open(streams, 8));
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 9000, true), 3000);
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 4, 9000, true), 1000);
	KUNIT_EXPECT_EQ(test, sim->client.conn.path[0].mss, 1300);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	/* The numbers go on; credit is the real one. */
	KUNIT_EXPECT_EQ(test, quic_streams_next_id(streams, false), 8);
	KUNIT_EXPECT_PTR_EQ(test, streams->active, quic_streams_find(streams, 4));
	KUNIT_EXPECT_EQ(test, streams->local[0].limit, 100);
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 0, 6000, true), 6000);
	KUNIT_EXPECT_EQ(test, sim_send(&sim->client, 4, 8000, true), 8000);
	wanted = 9000;
	finish(test, sim);
}

/* RFC 9000, sections 7.4.1 #2 #3 and 9.6.2 #4 */
static void remembered_times_and_tokens_are_not_used(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->early = SIM_EARLY_ACCEPT;
	sim->remembered = sim->server.conn.local;
	sim->remembered.max_ack_delay = 5000000;
	sim->remembered.ack_delay_exponent = 20;
	sim->remembered.has_stateless_reset_token = true;
	sim->remembered.has_preferred_address = true;
	sim_start(sim);
	KUNIT_EXPECT_FALSE(test, sim->client.conn.remote.has_preferred_address);
	KUNIT_EXPECT_EQ(test, sim->client.conn.remote.max_ack_delay, 25000);
	KUNIT_EXPECT_EQ(test, sim->client.conn.remote.ack_delay_exponent, 3);
	KUNIT_EXPECT_FALSE(test, quic_remote_cids_active(&sim->client.conn.remote_cids)->has_token);
	/* Too late once the real ones are there. */
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	KUNIT_EXPECT_EQ(test, quic_conn_remember_params(&sim->client.conn, &sim->remembered),
			-EINVAL);
	sim_destroy(sim);
}

/* RFC 9000, section 7.4.1 #8: real parameters are for 1-RTT packets only. */
static void no_early_packet_under_real_parameters(struct kunit *test)
{
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 100);
	struct quic_conn *conn = &sim->client.conn;

	sim_settle(&sim->client);
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 4, 100, true), 100);
	quic_conn_tx_start(conn);
	KUNIT_EXPECT_TRUE(test, quic_conn_wants_tx(conn, QUIC_CRYPTO_EARLY, sim->now));
	conn->has_remote_params = true;
	KUNIT_EXPECT_FALSE(test, quic_conn_wants_tx(conn, QUIC_CRYPTO_EARLY, sim->now));
	conn->has_remote_params = false;
	finish(test, sim);
}

/* RFC 9000, section 7.4.1 #5 #6 */
static void lower_limits_with_accepted_data_are_a_violation(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim->early = SIM_EARLY_ACCEPT;
	sim->remembered = sim->server.conn.local;
	sim->server.conn.local.initial_max_streams_uni = 99;
	sim_start(sim);
	sim_send(&sim->client, 0, 3000, true);
	sim_run_for(sim, SIM_SECOND);
	KUNIT_EXPECT_EQ(test, sim->client.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->client.last_close.errcode,
			QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	sim_destroy(sim);
}

static bool limits_are_lower(struct sim *sim)
{
	return sim->client.conn.early.lowered;
}

/* RFC 9002, section 6.4: nothing is waited for that the server threw away. */
static void rejected_packets_leave_the_flight(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *client = &sim->client.conn;

	sim->early = SIM_EARLY_REJECT;
	sim->remembered = sim->server.conn.local;
	sim->server.conn.local.initial_max_data = 2500;
	sim_start(sim);
	KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 0, 6000, true), 6000);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, limits_are_lower, SIM_SECOND));
	KUNIT_ASSERT_TRUE(test, client->early.sent);
	KUNIT_EXPECT_GT(test, client->space[QUIC_SPACE_APP]->loss.sent.oldest,
			client->early.last_pn);
	KUNIT_EXPECT_EQ(test, client->lost_packets, 0);
	sim_destroy(sim);
}

/* CPU time of filling a packet while @streams streams wait for a server that lets hardly any be sent, ns. */
static u64 time_to_fill(struct kunit *test, u32 streams)
{
	struct sim *sim = sim_create();
	struct quic_conn *client = &sim->client.conn;
	struct timespec before, after;
	struct quic_tx_packet tx;
	u64 best = ~0ULL;
	u8 wire[1200];
	u32 i;

	sim->early = SIM_EARLY_REJECT;
	sim->loose = true;
	sim->server.conn.local.initial_max_streams_bidi = streams;
	sim->remembered = sim->server.conn.local;
	sim->server.conn.local.initial_max_data = 1;
	sim->server.conn.local.initial_max_streams_bidi = 1;
	sim_start(sim);
	for (i = 0; i < streams; i++)
		KUNIT_ASSERT_EQ(test, sim_send(&sim->client, 4 * i, 1, true), 1);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, limits_are_lower, SIM_SECOND));
	sim_run_for(sim, SIM_SECOND);
	KUNIT_ASSERT_TRUE(test, client->early.capped);
	for (i = 0; i < 5; i++) {
		quic_writer_init(&tx.w, wire, sizeof(wire));
		quic_conn_tx_start(client);
		client->ping = QUIC_CONTROL_STALE;
		KUNIT_ASSERT_EQ(test, quic_conn_tx_begin(client, &tx, QUIC_CRYPTO_APP), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
		quic_conn_tx_fill(client, &tx, sim->now);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
		quic_conn_tx_abandon(client, &tx);
		best = min(best, (after.tv_sec - before.tv_sec) * SIM_SECOND + after.tv_nsec -
				 before.tv_nsec);
	}
	sim_destroy(sim);
	return best;
}

/* A server that lowers its limits under thousands of streams must not keep the client busy with them. */
static void held_back_streams_cost_time_by_their_number(struct kunit *test)
{
	u64 few = time_to_fill(test, 500), many = time_to_fill(test, 4000);

	/* Eight times as many; were each looked at for each, it would be 64 times as long. */
	KUNIT_EXPECT_LT(test, many, 30 * few);
}

/* A server that rejects may have lower limits: RFC 9000, section 7.4.1 #7. */
static void lower_limits_hold_back_what_was_rejected(struct kunit *test)
{
	struct sim *sim;
	u64 seed, id;
	int turn;

	for (seed = 1; seed <= 20; seed++) {
		bool answered[5] = {};

		sim = sim_create();
		sim->early = SIM_EARLY_REJECT;
		sim->random = seed;
		sim->loss = seed > 1 ? 10 : 0;
		sim->remembered = sim->server.conn.local;
		sim->server.conn.local.initial_max_data = 2500;
		sim->server.conn.local.initial_max_stream_data_bidi_remote = 2000;
		sim->server.conn.local.initial_max_streams_bidi = 2;
		sim_start(sim);
		for (id = 0; id <= 8; id += 4)
			KUNIT_ASSERT_EQ(test, sim_send(&sim->client, id, 6000, true), 6000);
		KUNIT_EXPECT_TRUE(test, sim_run(sim, sim_is_established, 60 * SIM_SECOND));
		KUNIT_EXPECT_TRUE(test, sim->client.conn.early.capped);
		/* The third stream needs that one of the first two is over on both sides. */
		for (turn = 0; turn < 600 && !three_arrived(sim); turn++) {
			sim_run_for(sim, SIM_SECOND / 10);
			for (id = 0; id <= 4; id += 4)
				if (sim->server.finished[id] && !answered[id]) {
					answered[id] = true;
					sim_send(&sim->server, id, 0, true);
				}
			sim_settle(&sim->server);
		}
		KUNIT_EXPECT_TRUE(test, three_arrived(sim));
		KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
		KUNIT_EXPECT_EQ(test, sim->client.closes, 0);
		KUNIT_EXPECT_EQ(test, sim->server.closes, 0);
		KUNIT_EXPECT_FALSE(test, sim->client.conn.early.capped);
		sim_destroy(sim);
	}
}

static struct quic_header answer_header(enum quic_packet_type type, const char *scid)
{
	struct quic_header hdr = { .type = type, .version = QUIC_VERSION_V1 };

	quic_cid_set(&hdr.dcid, (const u8 *)"client00", 8);
	quic_cid_set(&hdr.scid, (const u8 *)scid, 8);
	return hdr;
}

/* The server knows of the answer; the client learns its ID as input.c does. */
static void go_on(struct sim *sim)
{
	struct quic_conn *client = &sim->client.conn, *server = &sim->server.conn;

	quic_cid_set(&quic_remote_cids_active(&client->remote_cids)->cid, (const u8 *)"server00", 8);
	server->version = client->version;
	server->original_version = server->version;
	server->has_retry = client->has_retry;
	server->retry_scid = client->retry_scid;
}

/* RFC 9000, sections 17.2.3 #1 and 17.2.5.3: data that a Retry threw away goes out again, with new numbers. */
static void early_data_goes_on_after_a_retry(struct kunit *test)
{
	struct quic_header hdr = answer_header(QUIC_PACKET_RETRY, "retry000");
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 3000);
	struct quic_conn *conn = &sim->client.conn;
	u64 next;

	quic_cid_set(&quic_remote_cids_active(&conn->remote_cids)->cid, (const u8 *)"original", 8);
	sim->client.mute = true;
	sim_settle(&sim->client);
	sim->client.mute = false;
	next = conn->space[QUIC_SPACE_APP]->loss.sent.next;
	KUNIT_EXPECT_GE(test, next, 3);
	sim->now += 20 * SIM_MS;
	hdr.token = (const u8 *)"token";
	hdr.token_len = 5;
	KUNIT_ASSERT_TRUE(test, quic_conn_accepts_retry(conn, &hdr));
	quic_conn_on_retry(conn, &hdr, sim->now);
	KUNIT_EXPECT_EQ(test, conn->path[0].cong.bytes_in_flight, 0);
	go_on(sim);
	sim_settle(&sim->client);
	KUNIT_EXPECT_EQ(test, conn->space[QUIC_SPACE_APP]->loss.sent.next, 2 * next);
	sim_run_for(sim, 11 * SIM_MS);
	KUNIT_EXPECT_TRUE(test, stream_arrived(sim));
	finish(test, sim);
}

/* The keys of 0-RTT belong to one version: RFC 9369, section 5. */
static void early_data_waits_after_version_negotiation(struct kunit *test)
{
	static const u8 list[] = { 0x6b, 0x33, 0x43, 0xcf };
	struct quic_header hdr = answer_header(QUIC_PACKET_VERSION_NEGOTIATION, "original");
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 3000);
	struct quic_conn *conn = &sim->client.conn;
	u32 early;

	quic_cid_set(&quic_remote_cids_active(&conn->remote_cids)->cid, (const u8 *)"original", 8);
	sim->client.mute = true;
	sim_settle(&sim->client);
	sim->client.mute = false;
	early = sim->client.early_tx;
	hdr.version = 0;
	hdr.token = list;
	hdr.token_len = sizeof(list);
	KUNIT_ASSERT_TRUE(test, quic_conn_accepts_version_negotiation(conn, &hdr));
	KUNIT_ASSERT_TRUE(test, quic_conn_on_version_negotiation(conn, &hdr, sim->now));
	go_on(sim);
	KUNIT_EXPECT_TRUE(test, sim_run(sim, stream_arrived, 10 * SIM_SECOND));
	KUNIT_EXPECT_EQ(test, sim->client.early_tx, early);
	finish(test, sim);
}

/* RFC 9001, sections 4.9.3 #1 and 5.6 #5; RFC 9000, section 17.2.3 #2 */
static void early_keys_go_when_1rtt_has_come(struct kunit *test)
{
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 1000);
	const u8 early = BIT(QUIC_CRYPTO_EARLY);

	sim_run_for(sim, 11 * SIM_MS);
	KUNIT_EXPECT_TRUE(test, sim->server.conn.rx_keys & early);
	KUNIT_EXPECT_TRUE(test, sim->client.conn.tx_keys & early);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	KUNIT_EXPECT_FALSE(test, sim->client.conn.tx_keys & early);
	/* The server waits for what was overtaken, but not for long. */
	sim_send(&sim->client, 4, 1, true);
	sim_run_for(sim, 20 * SIM_MS);
	KUNIT_EXPECT_TRUE(test, sim->server.conn.rx_keys & early);
	sim_run_for(sim, 3 * quic_conn_pto(&sim->server.conn) + SIM_SECOND / 10);
	KUNIT_EXPECT_FALSE(test, sim->server.conn.rx_keys & early);
	finish(test, sim);
}

/* RFC 9001, section 5.6 #3 #4 */
static void early_keys_of_the_useless_direction_do_nothing(struct kunit *test)
{
	struct sim *sim = begin(test, SIM_EARLY_ACCEPT, 1000);

	quic_conn_on_rx_key(&sim->client.conn, QUIC_CRYPTO_EARLY, 51);
	quic_conn_on_tx_key(&sim->server.conn, QUIC_CRYPTO_EARLY, 51);
	KUNIT_EXPECT_FALSE(test, sim->client.conn.rx_keys & BIT(QUIC_CRYPTO_EARLY));
	KUNIT_EXPECT_FALSE(test, sim->server.conn.tx_keys & BIT(QUIC_CRYPTO_EARLY));
	finish(test, sim);
}

static struct kunit_case early_cases[] = {
	KUNIT_CASE(early_data_arrives_with_the_first_flight),
	KUNIT_CASE(early_data_waits_for_the_client_hello),
	KUNIT_CASE(rejected_data_is_sent_again_in_1rtt),
	KUNIT_CASE(loss_of_accepted_data_is_congestion),
	KUNIT_CASE(early_data_survives_loss_and_disorder),
	KUNIT_CASE(remembered_limits_hold_until_the_real_ones),
	KUNIT_CASE(remembered_times_and_tokens_are_not_used),
	KUNIT_CASE(no_early_packet_under_real_parameters),
	KUNIT_CASE(lower_limits_with_accepted_data_are_a_violation),
	KUNIT_CASE(rejected_packets_leave_the_flight),
	KUNIT_CASE(held_back_streams_cost_time_by_their_number),
	KUNIT_CASE(lower_limits_hold_back_what_was_rejected),
	KUNIT_CASE(early_data_goes_on_after_a_retry),
	KUNIT_CASE(early_data_waits_after_version_negotiation),
	KUNIT_CASE(early_keys_go_when_1rtt_has_come),
	KUNIT_CASE(early_keys_of_the_useless_direction_do_nothing),
	{}
};

static struct kunit_suite early_suite = {
	.name = "early",
	.test_cases = early_cases,
};

kunit_test_suite(early_suite);
