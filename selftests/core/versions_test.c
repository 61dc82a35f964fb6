// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Version information of both ends, the switch to a compatible version, and
 * protection against a downgrade. RFC 9368; RFC 9369, section 4.
 */
#include <kunit/test.h>

#include "sim.h"
#include "tests/quic_test.h"

#define V1	QUIC_VERSION_V1
#define V2	QUIC_VERSION_V2
#define FAILED	QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION

/* What @end says in its transport parameters. */
static struct quic_transport_params said(struct kunit *test, struct sim_end *end)
{
	struct quic_transport_params tp;
	struct quic_writer w;
	u8 body[300];

	quic_writer_init(&w, body, sizeof(body));
	KUNIT_EXPECT_EQ(test, quic_conn_encode_params(&end->conn, &w), 0);
	KUNIT_EXPECT_EQ(test, quic_transport_params_decode(&tp, body, quic_writer_used(&w),
							   end->conn.is_server), 0);
	return tp;
}

static u32 count_reserved(const struct quic_transport_params *tp)
{
	u32 i, n = 0;

	for (i = 0; i < tp->version_count; i++)
		n += quic_version_is_reserved(tp->versions[i]);
	return n;
}

/* RFC 9368, section 3 #2; RFC 9369, section 4 #1. */
static void client_offers_what_it_speaks(struct kunit *test)
{
	static const struct {
		u32 version, config, chosen, first;
	} cases[] = {
		{ V1, 0, V1, V2 },
		{ V1, V1, V1, V1 },
		{ V2, V2, V2, V2 },
		{ V1, V2, V1, V2 },
		/* Nobody speaks that: Version Negotiation will follow. */
		{ 0x1a2a3a4a, 0x1a2a3a4a, V2, V2 },
		{ 77, 77, V2, V2 },
	};
	struct quic_transport_params tp;
	struct sim *sim;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		sim = sim_create();
		sim_start(sim);
		sim->client.conn.version = cases[i].version;
		sim->client.conn.config.version = cases[i].config;
		tp = said(test, &sim->client);
		KUNIT_EXPECT_TRUE(test, tp.has_version_information);
		KUNIT_EXPECT_EQ(test, tp.chosen_version, cases[i].chosen);
		KUNIT_EXPECT_EQ(test, tp.versions[0], cases[i].first);
		KUNIT_EXPECT_EQ(test, tp.versions[0] ^ tp.versions[1], V1 ^ V2);
		KUNIT_EXPECT_EQ(test, tp.version_count, 3);
		KUNIT_EXPECT_EQ(test, count_reserved(&tp), 1);
		sim->client.conn.local.has_version_information = false;
		tp = said(test, &sim->client);
		KUNIT_EXPECT_FALSE(test, tp.has_version_information);
		sim_destroy(sim);
	}
}

/* Version information of a client, and what a server makes of it. */
struct server_case {
	const char *name;
	u32 config;
	bool has_info;
	u32 chosen;
	u32 offered[3];
	u32 version;		/* in use afterwards */
	u32 code;
};

static const struct server_case server_cases[] = {
	{ "a client of old", V2, false, 0, {}, V1, 0 },
	{ "no wish of ours", 0, true, V1, { V2, V1 }, V1, 0 },
	{ "the wish is granted", V2, true, V1, { V2, V1 }, V2, 0 },
	{ "whatever the order", V2, true, V1, { V1, V2 }, V2, 0 },
	{ "behind others", V2, true, V1, { V1, 0x1a2a3a4a, V2 }, V2, 0 },
	{ "not offered", V2, true, V1, { V1, 9 }, V1, 0 },
	{ "in use already", V1, true, V1, { V2, V1 }, V1, 0 },
	{ "offered but not spoken", 0x1a2a3a4a, true, V1, { 0x1a2a3a4a, V1 }, V1, 0 },
	{ "another one chosen", 0, true, V2, { V2, V1 }, V1, FAILED },
	{ "an unknown one chosen", 0, true, 9, { 9, V1 }, V1, FAILED },
};

/* RFC 9368, sections 2.2 #1, 2.3 #1 #2 #4, 4 #3 #8 #9 #10 and 8 #2; RFC 9369, section 4 #1. */
static void server_takes_what_was_offered(struct kunit *test)
{
	const struct server_case *c;
	struct quic_transport_params tp;
	struct quic_conn *conn;
	struct quic_writer w;
	struct sim *sim;
	u8 body[300];
	u32 i, k;
	int err;

	for (i = 0; i < ARRAY_SIZE(server_cases); i++) {
		c = &server_cases[i];
		sim = sim_create();
		sim_start(sim);
		conn = &sim->server.conn;
		conn->config.version = c->config;
		quic_transport_params_init(&tp);
		tp.has_initial_scid = true;
		quic_cid_set(&tp.initial_scid, (const u8 *)"client00", 8);
		tp.has_version_information = c->has_info;
		tp.chosen_version = c->chosen;
		for (k = 0; k < ARRAY_SIZE(c->offered) && c->offered[k]; k++)
			tp.versions[tp.version_count++] = c->offered[k];
		quic_writer_init(&w, body, sizeof(body));
		KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
		err = quic_conn_set_remote_params(conn, body, quic_writer_used(&w));
		if (conn->version != c->version || conn->close.code != c->code ||
		    err != (c->code ? -EPROTONOSUPPORT : 0))
			KUNIT_FAIL(test, "%s: version %#x, code %llu, %d", c->name, conn->version,
				   (unsigned long long)conn->close.code, err);
		KUNIT_EXPECT_EQ(test, conn->original_version, V1);
		if (!c->code) {
			tp = said(test, &sim->server);
			KUNIT_EXPECT_EQ(test, tp.has_version_information, c->has_info);
			if (c->has_info) {
				KUNIT_EXPECT_EQ(test, tp.chosen_version, c->version);
				KUNIT_EXPECT_EQ(test, tp.version_count, 3);
				KUNIT_EXPECT_EQ(test, count_reserved(&tp), 1);
			}
		}
		sim_destroy(sim);
	}
}

static void server_told_not_to_switch_stays(struct kunit *test)
{
	struct quic_conn *conn;
	struct quic_writer w;
	struct sim *sim;
	u8 body[300];
	u32 i;

	for (i = 0; i < 2; i++) {
		sim = sim_create();
		sim_start(sim);
		conn = &sim->server.conn;
		conn->config.version = V2;
		if (i)	/* keys of version 1 are there already */
			quic_conn_on_tx_key(conn, QUIC_CRYPTO_HANDSHAKE, 51);
		else
			conn->local.has_version_information = false;
		quic_writer_init(&w, body, sizeof(body));
		KUNIT_ASSERT_EQ(test, quic_conn_encode_params(&sim->client.conn, &w), 0);
		KUNIT_EXPECT_EQ(test, quic_conn_set_remote_params(conn, body,
								  quic_writer_used(&w)), 0);
		KUNIT_EXPECT_EQ(test, conn->version, V1);
		KUNIT_EXPECT_EQ(test, said(test, &sim->server).has_version_information, i == 1);
		sim_destroy(sim);
	}
}

/* Version information of a server, and what a client makes of it. */
struct client_case {
	const char *name;
	u32 original;
	u32 version;		/* of the server's packets */
	bool negotiated;	/* a Version Negotiation packet came before */
	bool has_info;
	u32 chosen;
	u32 listed[3];
	u32 code;
};

static const struct client_case client_cases[] = {
	{ "a server of old", V1, V1, false, false, 0, {}, 0 },
	{ "as begun", V1, V1, false, true, V1, { V1, V2 }, 0 },
	{ "switched", V1, V2, false, true, V2, { V1, V2 }, 0 },
	{ "switched back", V2, V1, false, true, V1, { V1 }, 0 },
	/* RFC 9368, section 3: the list of a server may be empty. */
	{ "empty list", V1, V2, false, true, V2, {}, 0 },
	{ "not in the list", V1, V2, false, true, V2, { V1 }, 0 },
	{ "other than its packets say", V1, V1, false, true, V2, { V1, V2 }, FAILED },
	{ "packets forged", V1, V2, false, true, V1, { V1, V2 }, FAILED },
	{ "not offered", V1, V1, false, true, 9, { V1, 9 }, FAILED },
	{ "switched without a word", V1, V2, false, false, 0, {}, FAILED },
	{ "after Version Negotiation", V2, V2, true, true, V2, { V1, V2 }, 0 },
	{ "the better one is missing", V1, V1, true, true, V1, { V1 }, 0 },
	{ "the better one is not in the list", V2, V2, true, true, V2, { V1 }, 0 },
	{ "switched after it", V2, V1, true, true, V1, { V1, V2 }, 0 },
	{ "downgraded", V1, V1, true, true, V1, { V1, V2 }, FAILED },
	{ "downgraded and switched back", V1, V2, true, true, V2, { V1, V2 }, FAILED },
	{ "empty list after it", V2, V2, true, true, V2, {}, FAILED },
	{ "version 2 without a word", V2, V2, true, false, 0, {}, FAILED },
	/* RFC 9368, section 8 #1 */
	{ "version 1 without a word", V1, V1, true, false, 0, {}, 0 },
};

/* RFC 9368, sections 4 #11 #12 #13 #14 #15 #16 #17 and 8 #1. */
static void client_sees_a_downgrade(struct kunit *test)
{
	const struct client_case *c;
	struct quic_transport_params tp;
	struct quic_conn *conn;
	struct quic_writer w;
	struct sim *sim;
	u8 body[300];
	u32 i, k;
	int err;

	for (i = 0; i < ARRAY_SIZE(client_cases); i++) {
		c = &client_cases[i];
		sim = sim_create();
		sim_start(sim);
		conn = &sim->client.conn;
		conn->version = c->version;
		conn->original_version = c->original;
		conn->has_version_negotiation = c->negotiated;
		quic_transport_params_init(&tp);
		tp.has_initial_scid = true;
		quic_cid_set(&tp.initial_scid, (const u8 *)"server00", 8);
		tp.has_original_dcid = true;
		quic_cid_set(&tp.original_dcid, (const u8 *)"original", 8);
		tp.has_version_information = c->has_info;
		tp.chosen_version = c->chosen;
		for (k = 0; k < ARRAY_SIZE(c->listed) && c->listed[k]; k++)
			tp.versions[tp.version_count++] = c->listed[k];
		quic_writer_init(&w, body, sizeof(body));
		KUNIT_ASSERT_EQ(test, quic_transport_params_encode(&tp, &w), 0);
		err = quic_conn_set_remote_params(conn, body, quic_writer_used(&w));
		if (conn->close.code != c->code || err != (c->code ? -EPROTONOSUPPORT : 0))
			KUNIT_FAIL(test, "%s: code %llu, %d", c->name,
				   (unsigned long long)conn->close.code, err);
		sim_destroy(sim);
	}
}

/* RFC 9000, section 5.2.1 #1; RFC 9369, section 4.1 #4 #5 #6 #7 #8. */
static void packets_are_taken_by_their_version(struct kunit *test)
{
	static const struct {
		bool server, settled;
		u32 original, version, of;
		enum quic_version_use initial, early, handshake;
	} cases[] = {
#define DROP	QUIC_VERSION_DROP
#define NOW	QUIC_VERSION_CURRENT
#define OTHER	QUIC_VERSION_OTHER
		{ true, false, V1, V1, V1, NOW, NOW, NOW },
		{ true, false, V1, V1, V2, DROP, DROP, DROP },
		{ true, false, V1, V2, V2, NOW, DROP, NOW },
		{ true, false, V1, V2, V1, OTHER, NOW, DROP },
		{ true, false, V1, V2, 9, DROP, DROP, DROP },
		{ false, false, V1, V1, V2, OTHER, DROP, QUIC_VERSION_EARLY },
		{ false, false, V2, V2, V1, OTHER, DROP, QUIC_VERSION_EARLY },
		{ false, false, V1, V1, 9, DROP, DROP, DROP },
		{ false, true, V1, V1, V2, DROP, DROP, DROP },
		{ false, true, V1, V2, V2, NOW, DROP, NOW },
		{ false, true, V1, V2, V1, OTHER, NOW, DROP },
	};
	struct quic_conn *conn;
	struct sim *sim;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		sim = sim_create();
		sim_start(sim);
		conn = cases[i].server ? &sim->server.conn : &sim->client.conn;
		conn->original_version = cases[i].original;
		conn->version = cases[i].version;
		conn->version_settled = cases[i].settled;
		KUNIT_EXPECT_EQ(test, quic_conn_version_use(conn, QUIC_CRYPTO_INITIAL,
							    cases[i].of), cases[i].initial);
		KUNIT_EXPECT_EQ(test, quic_conn_version_use(conn, QUIC_CRYPTO_EARLY,
							    cases[i].of), cases[i].early);
		KUNIT_EXPECT_EQ(test, quic_conn_version_use(conn, QUIC_CRYPTO_HANDSHAKE,
							    cases[i].of), cases[i].handshake);
		/* Who offered no other version is given none. */
		conn->local.has_version_information = false;
		if (!cases[i].server && !cases[i].settled)
			KUNIT_EXPECT_EQ(test, quic_conn_version_use(conn, QUIC_CRYPTO_INITIAL,
								    cases[i].of), DROP);
		sim_destroy(sim);
	}
}

/* RFC 9369, section 4.1: a CRYPTO frame in the original version settles it. */
static void servers_first_words_settle_the_version(struct kunit *test)
{
	static const u8 crypto[] = { 0x06, 0, 1, 'x' };
	static const u8 ping[] = { 0x01 };
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;

	sim->loose = true;
	sim_start(sim);
	sim_settle(&sim->client);
	sim_inject(&sim->client, QUIC_CRYPTO_INITIAL, 0, ping, sizeof(ping));
	KUNIT_EXPECT_FALSE(test, conn->version_settled);
	sim_inject(&sim->client, QUIC_CRYPTO_INITIAL, 1, crypto, sizeof(crypto));
	KUNIT_EXPECT_TRUE(test, conn->version_settled);
	sim_destroy(sim);

	sim = sim_create();
	conn = &sim->client.conn;
	sim_start(sim);
	KUNIT_EXPECT_FALSE(test, quic_conn_follow_version(conn, V1));
	KUNIT_EXPECT_FALSE(test, quic_conn_follow_version(&sim->server.conn, V2));
	KUNIT_EXPECT_TRUE(test, quic_conn_follow_version(conn, V2));
	KUNIT_EXPECT_EQ(test, conn->version, V2);
	KUNIT_EXPECT_EQ(test, conn->original_version, V1);
	KUNIT_EXPECT_TRUE(test, conn->version_settled);
	sim_destroy(sim);
}

static struct kunit_case versions_cases[] = {
	KUNIT_CASE(client_offers_what_it_speaks),
	KUNIT_CASE(server_takes_what_was_offered),
	KUNIT_CASE(server_told_not_to_switch_stays),
	KUNIT_CASE(client_sees_a_downgrade),
	KUNIT_CASE(packets_are_taken_by_their_version),
	KUNIT_CASE(servers_first_words_settle_the_version),
	{}
};

static struct kunit_suite versions_suite = {
	.name = "versions",
	.test_cases = versions_cases,
};

kunit_test_suite(versions_suite);
