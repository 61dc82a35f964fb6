// SPDX-License-Identifier: GPL-2.0-or-later
/* Key update and the limits on keys between two whole connections: RFC 9001, section 6. */
#include <kunit/test.h>

#include "sim.h"

static u64 wanted;

static bool arrived(struct sim *sim)
{
	return sim->server.received[2] == wanted && sim->server.finished[2];
}

static struct sim *established(struct kunit *test)
{
	struct sim *sim = sim_create();

	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	return sim;
}

/* Data for the server, a little at a time, while @each is called. */
static void flow(struct kunit *test, struct sim *sim, u64 bytes,
		 void (*each)(struct kunit *test, struct sim *sim))
{
	u64 left = bytes;
	int turn;

	wanted = bytes;
	for (turn = 0; turn < 20000 && !arrived(sim); turn++) {
		if (left) {
			left -= sim_send(&sim->client, 2, min_t(u64, left, 20000), left <= 20000);
			sim_settle(&sim->client);
		}
		if (each)
			each(test, sim);
		sim_run_for(sim, 5 * SIM_MS);
	}
	KUNIT_EXPECT_TRUE(test, arrived(sim));
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	KUNIT_EXPECT_EQ(test, sim->client.closes, 0);
	KUNIT_EXPECT_EQ(test, sim->server.closes, 0);
}

/* RFC 9001, sections 6.1 #1 and 6.2 #1 #2 */
static void peer_follows_an_update(struct kunit *test)
{
	struct sim *sim = sim_create();

	sim_start(sim);
	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(&sim->client.conn, sim->now), -EINVAL);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(&sim->client.conn, sim->now), 0);
	KUNIT_EXPECT_EQ(test, sim->client.generation, 1);
	sim_send(&sim->client, 0, 10, false);
	sim_run_for(sim, SIM_SECOND / 10);
	KUNIT_EXPECT_EQ(test, sim->server.generation, 1);
	/* Only the side that follows is told: uapi.md, section 6.2. */
	KUNIT_EXPECT_EQ(test, sim->server.events[QUIC_EVENT_KEY_UPDATE], 1);
	KUNIT_EXPECT_EQ(test, sim->client.events[QUIC_EVENT_KEY_UPDATE], 0);
	KUNIT_EXPECT_EQ(test, sim->client.forged + sim->server.forged, 0);
	KUNIT_EXPECT_EQ(test, sim->server.received[0], 10);
	sim_destroy(sim);
}

/* RFC 9001, sections 6.1 #2 #3 and 6.5: old keys go three PTOs after the peer followed. */
static void next_update_waits_for_the_old_keys_to_go(struct kunit *test)
{
	struct sim *sim = established(test);
	struct quic_conn *conn = &sim->client.conn;
	u64 pto = quic_conn_pto(conn);

	sim_run_for(sim, SIM_SECOND);
	sim->server.mute = true;
	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(conn, sim->now), 0);
	sim_send(&sim->client, 0, 10, false);
	sim_run_for(sim, 4 * pto);
	KUNIT_EXPECT_TRUE(test, sim->client.has_previous);
	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(conn, sim->now), -EINVAL);
	sim->server.mute = false;
	KUNIT_ASSERT_TRUE(test, conn->deadlines.at[QUIC_DEADLINE_KEY_DISCARD] ==
				QUIC_DEADLINE_NEVER);
	while (!conn->key_phase.rx_seen)
		sim_run_for(sim, SIM_MS);
	pto = quic_conn_pto(conn);
	sim_run_for(sim, 2 * pto);
	KUNIT_EXPECT_TRUE(test, sim->client.has_previous);
	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(conn, sim->now), -EINVAL);
	sim_run_for(sim, 2 * pto);
	KUNIT_EXPECT_FALSE(test, sim->client.has_previous);
	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(conn, sim->now), 0);
	sim_destroy(sim);
}

static void update_whenever_possible(struct kunit *test, struct sim *sim)
{
	quic_conn_update_keys(&sim->client.conn, sim->now);
	quic_conn_update_keys(&sim->server.conn, sim->now);
}

/* Both sides update as often as they may, at the same time, too. */
static void data_survives_updates_on_a_bad_link(struct kunit *test)
{
	struct sim *sim;
	u64 seed;

	for (seed = 1; seed <= 10; seed++) {
		sim = established(test);
		sim->random = seed;
		sim->loss = 5;
		sim->reorder = 20;
		sim->duplicate = 1;
		flow(test, sim, 2000000, update_whenever_possible);
		KUNIT_EXPECT_GE(test, sim->client.generation, 3);
		KUNIT_EXPECT_LE(test, abs((int)(sim->client.generation -
						sim->server.generation)), 1);
		sim_destroy(sim);
	}
}

static u64 most_encrypted;

static void watch_limit(struct kunit *test, struct sim *sim)
{
	most_encrypted = max(most_encrypted, sim->client.conn.key_phase.encrypted);
}

/* RFC 9001, section 6.6 #1 #3 */
static void used_up_keys_are_replaced_in_time(struct kunit *test)
{
	struct sim *sim = established(test);

	most_encrypted = 0;
	sim->client.conn.key_phase.confidentiality_limit = 500;
	flow(test, sim, 3000000, watch_limit);
	KUNIT_EXPECT_GE(test, sim->client.generation, 3);
	KUNIT_EXPECT_LE(test, most_encrypted, 500);
	KUNIT_EXPECT_EQ(test, sim->server.generation, sim->client.generation);
	sim_destroy(sim);
}

/* RFC 9001, section 6.6 #2 #4: no update is possible while the one before is not finished. */
static void keys_that_cannot_be_replaced_end_the_connection(struct kunit *test)
{
	struct sim *sim = established(test);
	struct quic_key_phase *kp = &sim->client.conn.key_phase;
	int i;

	KUNIT_EXPECT_EQ(test, quic_conn_update_keys(&sim->client.conn, sim->now), 0);
	kp->confidentiality_limit = 40;
	sim->server.mute = true;
	for (i = 0; i < 200; i++) {
		sim->client.conn.ping = QUIC_CONTROL_STALE;
		sim->client.conn.todo |= QUIC_TODO_TX;
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_EXPECT_EQ(test, sim->client.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->client.last_close.errcode,
			QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED);
	KUNIT_EXPECT_LE(test, kp->encrypted, 40);
	/* The peer hears of it. */
	KUNIT_EXPECT_EQ(test, sim->server.last_close.errcode,
			QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED);
	sim_destroy(sim);
}

/* RFC 9001, section 6.6 #2: not even within one burst. */
static void burst_stops_at_the_limit(struct kunit *test)
{
	struct sim *sim = established(test);
	struct quic_key_phase *kp = &sim->client.conn.key_phase;

	sim_run_for(sim, SIM_SECOND);
	quic_conn_update_keys(&sim->client.conn, sim->now);
	kp->confidentiality_limit = 6;
	sim->client.conn.path[0].cong.cwnd = 1000000;
	sim_send(&sim->client, 2, 200000, true);
	sim_settle(&sim->client);
	KUNIT_EXPECT_LE(test, kp->encrypted, 6);
	sim_destroy(sim);
}

/* RFC 9001, section 6.6 #5 #6: whatever key they were for. */
static void too_many_forgeries_end_the_connection(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->server.conn;
	int i;

	sim_start(sim);
	for (i = 0; i < 3; i++)
		quic_conn_on_forgery(conn);
	KUNIT_ASSERT_TRUE(test, sim_run(sim, sim_is_established, SIM_SECOND));
	conn->key_phase.integrity_limit = 5;
	quic_conn_on_forgery(conn);
	quic_conn_on_forgery(conn);
	KUNIT_EXPECT_EQ(test, sim->server.closes, 0);
	quic_conn_on_forgery(conn);
	KUNIT_EXPECT_EQ(test, sim->server.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->server.last_close.errcode,
			QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED);
	sim_destroy(sim);
}

/* RFC 9001, section 6.4 #1 #2 */
static void old_key_for_a_newer_number_is_an_error(struct kunit *test)
{
	struct sim *sim = established(test);
	struct quic_conn *conn = &sim->server.conn;
	u64 pn = sim->client.conn.space[QUIC_SPACE_APP]->loss.sent.next;

	KUNIT_EXPECT_TRUE(test, quic_conn_on_key(conn, QUIC_KEY_NEXT, pn + 5, sim->now));
	KUNIT_EXPECT_TRUE(test, quic_conn_on_key(conn, QUIC_KEY_PREVIOUS, pn + 4, sim->now));
	KUNIT_EXPECT_FALSE(test, quic_conn_on_key(conn, QUIC_KEY_PREVIOUS, pn + 6, sim->now));
	KUNIT_EXPECT_EQ(test, sim->server.last_close.errcode, QUIC_TRANSPORT_ERROR_KEY_UPDATE);
	sim_destroy(sim);
}

/* RFC 9001, section 6 #2: keys are updated by packets, never by TLS. */
static void tls_key_update_ends_the_connection(struct kunit *test)
{
	static const u8 crypto[] = { 0x06, 0, 5, 24, 0, 0, 1, 0 };
	struct sim *sim = established(test);
	u64 pn = sim->server.conn.space[QUIC_SPACE_APP]->loss.sent.next;

	sim_inject(&sim->client, QUIC_CRYPTO_APP, pn + 100, crypto, sizeof(crypto));
	KUNIT_EXPECT_EQ(test, sim->client.closes, 1);
	KUNIT_EXPECT_EQ(test, sim->client.last_close.errcode, 0x10a);
	sim_destroy(sim);
}

static struct kunit_case keys_cases[] = {
	KUNIT_CASE(peer_follows_an_update),
	KUNIT_CASE(next_update_waits_for_the_old_keys_to_go),
	KUNIT_CASE(data_survives_updates_on_a_bad_link),
	KUNIT_CASE(used_up_keys_are_replaced_in_time),
	KUNIT_CASE(keys_that_cannot_be_replaced_end_the_connection),
	KUNIT_CASE(burst_stops_at_the_limit),
	KUNIT_CASE(too_many_forgeries_end_the_connection),
	KUNIT_CASE(old_key_for_a_newer_number_is_an_error),
	KUNIT_CASE(tls_key_update_ends_the_connection),
	{}
};

static struct kunit_suite keys_suite = {
	.name = "conn_keys",
	.test_cases = keys_cases,
};

kunit_test_suite(keys_suite);
