// SPDX-License-Identifier: GPL-2.0-or-later
/* Whom each end trusts, and which alert tells the other side when it does not. */
#include <errno.h>
#include <unistd.h>

#include "harness.h"

TEST(rsa_certificate)
{
	struct pair p;

	pair_init_cert(&p);
	pair_set_server(&p, "rsa.pem", "rsa.key");
	pair_succeed(&p);
	EXPECT_STR(p.client.res.signature, "RSA-PSS-RSAE-SHA256");
	pair_free(&p);
}

TEST(chain_with_intermediate)
{
	struct pair p;

	pair_init_cert(&p);
	pair_set_server(&p, "chain.pem", "chain.key");
	pair_succeed(&p);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_OK);
	pair_free(&p);
}

TEST(names_that_match)
{
	static const char *const names[] = {
		"localhost", "LOCALHOST", "quic.test", "www.quic.test",
		"localhost.", "127.0.0.1", "::1", "[::1]", "10.0.0.2", "fd00::2",
	};
	struct pair p;
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		pair_init_cert(&p);
		p.client.opts.hostname = names[i];
		pair_succeed(&p);
		EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_OK);
		if (p.client.ret)
			printf("# name %s\n", names[i]);
		pair_free(&p);
	}
}

TEST(address_is_no_server_name)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.hostname = "127.0.0.1";
	pair_succeed(&p);
	EXPECT_STR(p.server.res.server_name, "");
	pair_free(&p);
}

/* RFC 9001, section 4.4 #1 */
TEST(wrong_name_is_refused)
{
	static const char *const names[] = {
		"example.org", "quic.test.example.org", "a.b.quic.test",
		"127.0.0.2", "::2",
	};
	struct pair p;
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		pair_init_cert(&p);
		p.client.opts.hostname = names[i];
		pair_run(&p);
		expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 42);
		EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_FAILED);
		EXPECT(p.client.res.verify_status & GNUTLS_CERT_UNEXPECTED_OWNER);
		EXPECT(strstr(p.client.res.verify_text, "name"));
		EXPECT_STR(p.client.res.peer_subject, "CN=localhost");
		pair_free(&p);
	}
}

/* RFC 9001, section 4.4 #1 */
TEST(untrusted_ca_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	pair_set_server(&p, "other.pem", "other.key");
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 48);
	EXPECT(p.client.res.verify_status & GNUTLS_CERT_SIGNER_NOT_FOUND);
	pair_free(&p);
}

TEST(system_store_is_the_default)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.credentials = NULL;
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 48);
	pair_free(&p);
}

TEST(expired_certificate_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	pair_set_server(&p, "expired.pem", "expired.key");
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 45);
	pair_free(&p);
}

TEST(client_certificate_is_no_server)
{
	struct pair p;

	pair_init_cert(&p);
	pair_set_server(&p, "client.pem", "client.key");
	p.client.opts.hostname = NULL;
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 43);
	pair_free(&p);
}

TEST(no_name_checks_the_chain_only)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.hostname = NULL;
	pair_succeed(&p);
	EXPECT_STR(p.server.res.server_name, "");
	pair_free(&p);
}

TEST(insecure_accepts_but_tells)
{
	struct quic_credentials *creds = client_creds(NULL);
	struct pair p;

	EXPECT_EQ(quic_credentials_set_insecure(creds), 0);
	pair_init_cert(&p);
	p.client.opts.credentials = creds;
	p.client.opts.hostname = "example.org";
	pair_succeed(&p);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_IGNORED);
	EXPECT(p.client.res.verify_status & GNUTLS_CERT_INVALID);
	pair_free(&p);
}

TEST(client_certificate_required)
{
	struct quic_credentials *creds, *server;
	struct pair p;

	/* one that is good */
	pair_init_cert(&p);
	server = (struct quic_credentials *)p.server.opts.credentials;
	EXPECT_EQ(quic_credentials_set_client_auth(server,
						   QUIC_CLIENT_AUTH_REQUIRE), 0);
	EXPECT_EQ(quic_credentials_set_ca_file(server, pki("ca.pem")), 0);
	creds = (struct quic_credentials *)p.client.opts.credentials;
	EXPECT_EQ(quic_credentials_set_certificate(creds, pki("client.pem"),
						   pki("client.key")), 0);
	pair_succeed(&p);
	EXPECT_EQ(p.server.res.verify, QUIC_VERIFY_OK);
	EXPECT_STR(p.server.res.peer_subject, "CN=client");
	pair_free(&p);

	/* none: the client is done before it hears of it */
	pair_init_cert(&p);
	server = (struct quic_credentials *)p.server.opts.credentials;
	EXPECT_EQ(quic_credentials_set_client_auth(server,
						   QUIC_CLIENT_AUTH_REQUIRE), 0);
	pair_run(&p);
	EXPECT_EQ(p.server.ret, QUIC_ERR_CERTIFICATE);
	EXPECT_EQ(p.server.res.alert_sent, 116);
	pair_free(&p);

	/* one of a CA that the server does not trust */
	pair_init_cert(&p);
	server = (struct quic_credentials *)p.server.opts.credentials;
	EXPECT_EQ(quic_credentials_set_client_auth(server,
						   QUIC_CLIENT_AUTH_REQUEST), 0);
	EXPECT_EQ(quic_credentials_set_ca_file(server, pki("other-ca.pem")), 0);
	creds = (struct quic_credentials *)p.client.opts.credentials;
	EXPECT_EQ(quic_credentials_set_certificate(creds, pki("client.pem"),
						   pki("client.key")), 0);
	pair_run(&p);
	EXPECT_EQ(p.server.ret, QUIC_ERR_CERTIFICATE);
	EXPECT_EQ(p.server.res.alert_sent, 48);
	pair_free(&p);

	/* asked for, but none is fine too */
	pair_init_cert(&p);
	server = (struct quic_credentials *)p.server.opts.credentials;
	EXPECT_EQ(quic_credentials_set_client_auth(server,
						   QUIC_CLIENT_AUTH_REQUEST), 0);
	pair_succeed(&p);
	EXPECT_EQ(p.server.res.verify, QUIC_VERIFY_NONE);
	pair_free(&p);
}

/* Credentials are made once; the trusted CAs follow their file. */
TEST(ca_file_is_reloaded)
{
	struct quic_credentials *creds = client_creds(NULL);
	const char *path = scratch("ca.pem");
	char pem[4096];
	struct pair p;
	size_t n;

	n = read_file(pki("ca.pem"), pem, sizeof(pem));
	write_file(path, pem, n);
	EXPECT_EQ(quic_credentials_set_ca_file(creds, path), 0);

	pair_init_cert(&p);
	p.client.opts.credentials = creds;
	pair_succeed(&p);
	pair_free(&p);

	unlink(path);
	n = read_file(pki("other-ca.pem"), pem, sizeof(pem));
	write_file(path, pem, n);
	pair_init_cert(&p);
	p.client.opts.credentials = creds;
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 48);
	pair_free(&p);

	/* a file that vanished takes no trust away */
	unlink(path);
	pair_init_cert(&p);
	p.client.opts.credentials = creds;
	pair_set_server(&p, "other.pem", "other.key");
	pair_succeed(&p);
	pair_free(&p);
}
