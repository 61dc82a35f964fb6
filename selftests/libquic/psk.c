// SPDX-License-Identifier: GPL-2.0-or-later
/* Handshakes by keys that both ends have from before. */
#include "harness.h"

static void pair_init_psk(struct pair *p, const char *client_file,
			  const char *server_file)
{
	struct quic_credentials *c = client_creds(NULL);
	struct quic_credentials *s = server_creds(NULL, NULL);

	pair_init(p);
	EXPECT_EQ(quic_credentials_add_psk_file(c, pki(client_file)), 0);
	EXPECT_EQ(quic_credentials_add_psk_file(s, pki(server_file)), 0);
	p->client.opts.credentials = c;
	p->server.opts.credentials = s;
}

TEST(psk_handshake)
{
	struct pair p;

	pair_init_psk(&p, "psk.txt", "psk.txt");
	pair_succeed(&p);
	EXPECT(p.client.res.psk);
	EXPECT(p.server.res.psk);
	EXPECT(!p.client.res.resumed);
	EXPECT_STR(p.client.res.psk_identity, "tester");
	EXPECT_STR(p.server.res.psk_identity, "tester");
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_NONE);
	pair_free(&p);
}

TEST(psk_file_without_last_newline)
{
	struct pair p;

	pair_init_psk(&p, "psk-nonl.txt", "psk.txt");
	pair_succeed(&p);
	pair_free(&p);

	pair_init_psk(&p, "psk.txt", "psk-nonl.txt");
	pair_succeed(&p);
	pair_free(&p);
}

TEST(psk_wrong_key_is_refused)
{
	struct pair p;

	pair_init_psk(&p, "psk-wrong.txt", "psk.txt");
	pair_run(&p);
	EXPECT(p.server.ret <= QUIC_ERR_TLS);
	EXPECT(p.server.res.alert_sent > 0);
	EXPECT_EQ(p.client.ret, QUIC_ERR_PEER_ALERT - p.server.res.alert_sent);
	EXPECT_EQ(fake_state(p.fds[0]), FAKE_CLOSED);
	pair_free(&p);
}

TEST(psk_unknown_identity_is_refused)
{
	struct quic_credentials *c = client_creds(NULL);
	struct pair p;

	pair_init_psk(&p, "psk.txt", "psk.txt");
	EXPECT_EQ(quic_credentials_add_psk(c, "stranger", "0123456789abcdef",
					   16), 0);
	p.client.opts.credentials = c;
	pair_run(&p);
	EXPECT(p.server.ret <= QUIC_ERR_TLS);
	EXPECT(p.client.ret <= QUIC_ERR_PEER_ALERT);
	EXPECT(p.client.ret > QUIC_ERR_TRANSPORT);
	pair_free(&p);
}

/* A client that only has a key does not fall back to any certificate. */
TEST(psk_client_takes_no_certificate)
{
	struct pair p;

	pair_init_psk(&p, "psk.txt", "psk.txt");
	pair_set_server(&p, "server.pem", "server.key");
	pair_run(&p);
	EXPECT(p.client.ret < 0);
	EXPECT(p.server.ret < 0);
	EXPECT(!p.client.res.complete);
	EXPECT(!p.server.res.complete);
	/* it was not even looked at */
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_NONE);
	EXPECT(p.client.ret != QUIC_ERR_CERTIFICATE);
	pair_free(&p);
}
