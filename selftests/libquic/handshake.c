// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole handshakes of two ends: what they agree on, whom they trust, and which
 * alert tells the other side when they do not.
 */
#include <errno.h>
#include <linux/tls.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

/* The standard pair: server.pem and a client that trusts ca.pem. */
static void pair_init_cert(struct pair *p)
{
	pair_init(p);
	p->client.opts.credentials = client_creds("ca.pem");
	p->client.opts.hostname = "localhost";
	p->server.opts.credentials = server_creds("server.pem", "server.key");
}

static void pair_free_cert(struct pair *p)
{
	struct quic_credentials *c, *s;

	c = (struct quic_credentials *)p->client.opts.credentials;
	s = (struct quic_credentials *)p->server.opts.credentials;
	pair_free(p);
	quic_credentials_destroy(c);
	quic_credentials_destroy(s);
}

static void set_server(struct pair *p, const char *cert, const char *key)
{
	quic_credentials_destroy(
		(struct quic_credentials *)p->server.opts.credentials);
	p->server.opts.credentials = server_creds(cert, key);
}

static void set_client(struct pair *p, struct quic_credentials *creds)
{
	quic_credentials_destroy(
		(struct quic_credentials *)p->client.opts.credentials);
	p->client.opts.credentials = creds;
}

/* The client gave up with @error and @alert, and the server learnt of it. */
static void expect_client_refused(struct pair *p, int error, int alert)
{
	uint32_t code;

	EXPECT_EQ(p->client.ret, error);
	EXPECT_EQ(p->client.res.alert_sent, alert);
	EXPECT_EQ(p->client.res.alert_received, -1);
	EXPECT(fake_sent_close(p->fds[0], &code));
	EXPECT_EQ(code, 0x100 + alert);
	EXPECT_EQ(p->server.ret, QUIC_ERR_PEER_ALERT - alert);
	EXPECT_EQ(p->server.res.alert_received, alert);
	EXPECT_EQ(p->server.res.alert_sent, -1);
	EXPECT_EQ(quic_error_alert(p->server.ret), alert);
	EXPECT(!fake_sent_close(p->fds[1], &code));
	EXPECT(!p->client.res.complete);
	EXPECT(!p->server.res.complete);
	EXPECT(fake_state(p->fds[0]) == FAKE_CLOSED);
	EXPECT(!fake_secret(p->fds[0], QUIC_CRYPTO_APP, false)->set);
}

static void expect_server_refused(struct pair *p, int error, int alert)
{
	uint32_t code;

	EXPECT_EQ(p->server.ret, error);
	EXPECT_EQ(p->server.res.alert_sent, alert);
	EXPECT(fake_sent_close(p->fds[1], &code));
	EXPECT_EQ(code, 0x100 + alert);
	EXPECT_EQ(p->client.ret, QUIC_ERR_PEER_ALERT - alert);
	EXPECT_EQ(p->client.res.alert_received, alert);
	EXPECT(!fake_secret(p->fds[1], QUIC_CRYPTO_APP, false)->set);
}

TEST(certificate_handshake)
{
	struct pair p;

	pair_init_cert(&p);
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.client.res.cipher_suite, "TLS_AES_128_GCM_SHA256");
	EXPECT_EQ(p.client.res.cipher_type, TLS_CIPHER_AES_GCM_128);
	EXPECT_STR(p.client.res.group, "SECP256R1");
	EXPECT_STR(p.client.res.signature, "ECDSA-SECP256R1-SHA256");
	EXPECT_STR(p.client.res.alpn, "test");
	EXPECT_STR(p.server.res.alpn, "test");
	EXPECT_STR(p.server.res.server_name, "localhost");
	EXPECT_STR(p.client.res.peer_subject, "CN=localhost");
	EXPECT_STR(p.client.res.peer_issuer, "CN=test CA,O=quic tests");
	EXPECT_EQ(strlen(p.client.res.peer_sha256), 64);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_OK);
	EXPECT_EQ(p.client.res.verify_status, 0);
	EXPECT_EQ(p.server.res.verify, QUIC_VERIFY_NONE);
	EXPECT(!p.client.res.resumed);
	EXPECT(!p.client.res.psk);
	EXPECT(p.client.res.duration_us > 0);
	EXPECT(p.client.res.not_after > 1700000000);
	EXPECT_EQ(p.client.res.early_data, QUIC_EARLY_DATA_NONE);
	pair_free_cert(&p);
}

/* The ClientHello of a client with that priority. */
static void expect_hello(const char *priority)
{
	static const uint8_t tls13_only[] = { 0, 43, 0, 3, 2, 3, 4 };
	struct quic_handshake_step *step = NULL;
	struct quic_tls *tls = NULL;
	const uint8_t *hello;
	struct pair p;
	size_t size;

	pair_init_cert(&p);
	p.client.opts.priority = priority;
	EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.client.opts, &tls), 0);
	EXPECT_EQ(quic_tls_step(tls, &step), 0);
	hello = step->s_sendmsg.msg->msg_iov[0].iov_base;
	size = step->s_sendmsg.msg->msg_iov[0].iov_len;
	EXPECT(size > 100);
	EXPECT_EQ(hello[0], 1);
	/* header, version and random are before the session ID, which is empty */
	EXPECT_EQ(hello[4 + 2 + 32], 0);
	EXPECT(memmem(hello, size, tls13_only, sizeof(tls13_only)));
	quic_tls_destroy(tls);
	pair_free_cert(&p);
}

/* RFC 9001, sections 4.2 #1 and 8.4 #1: whatever ciphers the caller wants. */
TEST(client_hello_is_tls13_without_compatibility)
{
	expect_hello(NULL);
	expect_hello("NORMAL");
	expect_hello("NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3");
}

TEST(each_cipher)
{
	static const struct {
		const char	*name;
		uint32_t	type;
	} ciphers[] = {
		{ "AES-128-GCM", TLS_CIPHER_AES_GCM_128 },
		{ "AES-256-GCM", TLS_CIPHER_AES_GCM_256 },
		{ "AES-128-CCM", TLS_CIPHER_AES_CCM_128 },
		{ "CHACHA20-POLY1305", TLS_CIPHER_CHACHA20_POLY1305 },
	};
	char priority[256];
	struct pair p;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		snprintf(priority, sizeof(priority), "NORMAL:-VERS-ALL:"
			 "+VERS-TLS1.3:-CIPHER-ALL:+%s:%%DISABLE_TLS13_COMPAT_MODE",
			 ciphers[i].name);
		pair_init_cert(&p);
		p.client.opts.priority = priority;
		pair_run(&p);
		pair_expect_success(&p);
		EXPECT_EQ(p.server.res.cipher_type, ciphers[i].type);
		pair_free_cert(&p);
	}
}

TEST(each_group)
{
	static const char *const groups[] = {
		"SECP256R1", "X25519", "SECP384R1", "SECP521R1",
	};
	char priority[256];
	struct pair p;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		snprintf(priority, sizeof(priority), "NORMAL:-VERS-ALL:"
			 "+VERS-TLS1.3:-GROUP-ALL:+GROUP-%s:"
			 "%%DISABLE_TLS13_COMPAT_MODE", groups[i]);
		pair_init_cert(&p);
		p.client.opts.priority = priority;
		pair_run(&p);
		pair_expect_success(&p);
		EXPECT_STR(p.client.res.group, groups[i]);
		pair_free_cert(&p);
	}
}

/* The server wants another group: two ClientHellos, parameters set once. */
TEST(hello_retry)
{
	struct pair p;

	pair_init_cert(&p);
	p.server.opts.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:"
		"+GROUP-SECP521R1:%DISABLE_TLS13_COMPAT_MODE";
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.client.res.group, "SECP521R1");
	pair_free_cert(&p);
}

TEST(rsa_certificate)
{
	struct pair p;

	pair_init_cert(&p);
	set_server(&p, "rsa.pem", "rsa.key");
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.client.res.signature, "RSA-PSS-RSAE-SHA256");
	pair_free_cert(&p);
}

TEST(chain_with_intermediate)
{
	struct pair p;

	pair_init_cert(&p);
	set_server(&p, "chain.pem", "chain.key");
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_OK);
	pair_free_cert(&p);
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
		pair_run(&p);
		pair_expect_success(&p);
		EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_OK);
		if (p.client.ret)
			printf("# name %s\n", names[i]);
		pair_free_cert(&p);
	}
}

TEST(address_is_no_server_name)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.hostname = "127.0.0.1";
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.server.res.server_name, "");
	pair_free_cert(&p);
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
		pair_free_cert(&p);
	}
}

/* RFC 9001, section 4.4 #1 */
TEST(untrusted_ca_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	set_server(&p, "other.pem", "other.key");
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 48);
	EXPECT(p.client.res.verify_status & GNUTLS_CERT_SIGNER_NOT_FOUND);
	pair_free_cert(&p);
}

TEST(system_store_is_the_default)
{
	struct pair p;

	pair_init_cert(&p);
	set_client(&p, NULL);
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 48);
	pair_free_cert(&p);
}

TEST(expired_certificate_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	set_server(&p, "expired.pem", "expired.key");
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 45);
	pair_free_cert(&p);
}

TEST(client_certificate_is_no_server)
{
	struct pair p;

	pair_init_cert(&p);
	set_server(&p, "client.pem", "client.key");
	p.client.opts.hostname = NULL;
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 43);
	pair_free_cert(&p);
}

TEST(no_name_checks_the_chain_only)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.hostname = NULL;
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.server.res.server_name, "");
	pair_free_cert(&p);
}

TEST(insecure_accepts_but_tells)
{
	struct quic_credentials *creds = client_creds(NULL);
	struct pair p;

	EXPECT_EQ(quic_credentials_set_insecure(creds), 0);
	pair_init_cert(&p);
	set_client(&p, creds);
	p.client.opts.hostname = "example.org";
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_IGNORED);
	EXPECT(p.client.res.verify_status & GNUTLS_CERT_INVALID);
	pair_free_cert(&p);
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
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_EQ(p.server.res.verify, QUIC_VERIFY_OK);
	EXPECT_STR(p.server.res.peer_subject, "CN=client");
	pair_free_cert(&p);

	/* none: the client is done before it hears of it */
	pair_init_cert(&p);
	server = (struct quic_credentials *)p.server.opts.credentials;
	EXPECT_EQ(quic_credentials_set_client_auth(server,
						   QUIC_CLIENT_AUTH_REQUIRE), 0);
	pair_run(&p);
	EXPECT_EQ(p.server.ret, QUIC_ERR_CERTIFICATE);
	EXPECT_EQ(p.server.res.alert_sent, 116);
	pair_free_cert(&p);

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
	pair_free_cert(&p);

	/* asked for, but none is fine too */
	pair_init_cert(&p);
	server = (struct quic_credentials *)p.server.opts.credentials;
	EXPECT_EQ(quic_credentials_set_client_auth(server,
						   QUIC_CLIENT_AUTH_REQUEST), 0);
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_EQ(p.server.res.verify, QUIC_VERIFY_NONE);
	pair_free_cert(&p);
}

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
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT(p.client.res.psk);
	EXPECT(p.server.res.psk);
	EXPECT(!p.client.res.resumed);
	EXPECT_STR(p.client.res.psk_identity, "tester");
	EXPECT_STR(p.server.res.psk_identity, "tester");
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_NONE);
	pair_free_cert(&p);
}

TEST(psk_file_without_last_newline)
{
	struct pair p;

	pair_init_psk(&p, "psk-nonl.txt", "psk.txt");
	pair_run(&p);
	pair_expect_success(&p);
	pair_free_cert(&p);

	pair_init_psk(&p, "psk.txt", "psk-nonl.txt");
	pair_run(&p);
	pair_expect_success(&p);
	pair_free_cert(&p);
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
	pair_free_cert(&p);
}

TEST(psk_unknown_identity_is_refused)
{
	struct quic_credentials *c = client_creds(NULL);
	struct pair p;

	pair_init_psk(&p, "psk.txt", "psk.txt");
	EXPECT_EQ(quic_credentials_add_psk(c, "stranger", "0123456789abcdef",
					   16), 0);
	set_client(&p, c);
	pair_run(&p);
	EXPECT(p.server.ret <= QUIC_ERR_TLS);
	EXPECT(p.client.ret <= QUIC_ERR_PEER_ALERT);
	EXPECT(p.client.ret > QUIC_ERR_TRANSPORT);
	pair_free_cert(&p);
}

/* A client that only has a key does not fall back to any certificate. */
TEST(psk_client_takes_no_certificate)
{
	struct pair p;

	pair_init_psk(&p, "psk.txt", "psk.txt");
	set_server(&p, "server.pem", "server.key");
	pair_run(&p);
	EXPECT(p.client.ret < 0);
	EXPECT(p.server.ret < 0);
	EXPECT(!p.client.res.complete);
	EXPECT(!p.server.res.complete);
	/* it was not even looked at */
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_NONE);
	EXPECT(p.client.ret != QUIC_ERR_CERTIFICATE);
	pair_free_cert(&p);
}

/* RFC 9000, section 7 #2; RFC 9001, section 8.1 #1 */
TEST(alpn_is_chosen)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = "h3, hq-interop,smb";
	p.server.opts.alpns = "smb,hq-interop";
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.client.res.alpn, p.server.res.alpn);
	EXPECT(!strcmp(p.client.res.alpn, "hq-interop") ||
	       !strcmp(p.client.res.alpn, "smb"));
	pair_free_cert(&p);
}

/* RFC 9001, section 8.1 #2 #5 */
TEST(alpn_mismatch_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = "h3";
	p.server.opts.alpns = "smb";
	pair_run(&p);
	expect_server_refused(&p, QUIC_ERR_ALPN, 120);
	pair_free_cert(&p);
}

TEST(alpn_not_offered_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = NULL;
	pair_run(&p);
	expect_server_refused(&p, QUIC_ERR_ALPN, 120);
	pair_free_cert(&p);
}

/* RFC 9001, section 8.1 #2 #3 */
TEST(alpn_not_answered_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	p.server.opts.alpns = NULL;
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_ALPN, 120);
	pair_free_cert(&p);
}

TEST(alpn_may_be_absent)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = p.server.opts.alpns = NULL;
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT_STR(p.client.res.alpn, "");
	pair_free_cert(&p);
}

TEST(no_protocol_version_in_common)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"
		"+AES-128-CCM:%DISABLE_TLS13_COMPAT_MODE";
	p.server.opts.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"
		"+AES-256-GCM:%DISABLE_TLS13_COMPAT_MODE";
	pair_run(&p);
	EXPECT_EQ(p.server.ret, QUIC_ERR_TLS + GNUTLS_E_NO_CIPHER_SUITES);
	EXPECT_EQ(p.server.res.alert_sent, 40);
	EXPECT_EQ(p.client.ret, QUIC_ERR_PEER_ALERT - 40);
	pair_free_cert(&p);
}

/* RFC 9001, section 8.2 #1 */
TEST(params_reach_the_other_side)
{
	static const uint8_t ours[] = { 0x0f, 0x02, 0xaa, 0xbb };
	const uint8_t *got;
	struct pair p;
	size_t size;

	pair_init_cert(&p);
	fake_set_local_params(p.fds[0], ours, sizeof(ours));
	pair_run(&p);
	pair_expect_success(&p);
	got = fake_peer_params(p.fds[1], &size);
	EXPECT_EQ(size, sizeof(ours));
	EXPECT(!memcmp(got, ours, sizeof(ours)));
	pair_free_cert(&p);
}

/* 3000 bytes of parameters nobody knows, between two that count. */
TEST(oversized_params_are_reduced)
{
	uint8_t big[3100], *q = big;
	const uint8_t *got;
	struct pair p;
	size_t size;
	int side;

	*q++ = 0x0f; *q++ = 0x01; *q++ = 0x77;
	*q++ = 0x71; *q++ = 0x23;		/* id 0x3123, unknown */
	*q++ = 0x4b; *q++ = 0xb8;		/* length 3000 */
	memset(q, 0x41, 3000);
	q += 3000;
	*q++ = 0x04; *q++ = 0x01; *q++ = 0x3f;

	for (side = 0; side < 2; side++) {
		pair_init_cert(&p);
		fake_set_local_params(p.fds[side], big, (size_t)(q - big));
		pair_run(&p);
		pair_expect_success(&p);
		got = fake_peer_params(p.fds[!side], &size);
		EXPECT_EQ(size, 6);
		EXPECT(!memcmp(got, "\x0f\x01\x77\x04\x01\x3f", 6));
		pair_free_cert(&p);
	}
}

TEST(bad_params_end_the_handshake)
{
	struct pair p;
	int side;

	for (side = 0; side < 2; side++) {
		struct end *judge, *other;
		uint32_t code;

		pair_init_cert(&p);
		judge = side ? &p.server : &p.client;
		other = side ? &p.client : &p.server;
		fake_refuse_peer_params(p.fds[side], EINVAL);
		pair_run(&p);
		EXPECT_EQ(judge->ret, QUIC_ERR_TRANSPORT_PARAMS);
		EXPECT_EQ(judge->res.alert_sent, -1);
		EXPECT(fake_sent_close(p.fds[side], &code));
		EXPECT_EQ(code, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
		EXPECT_EQ(other->ret, QUIC_ERR_TRANSPORT -
				      QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
		EXPECT_EQ(other->res.close_code,
			  QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
		EXPECT_EQ(other->res.alert_received, -1);
		pair_free_cert(&p);
	}
}

TEST(version_negotiation_failure)
{
	struct pair p;

	pair_init_cert(&p);
	fake_refuse_peer_params(p.fds[1], EPROTONOSUPPORT);
	pair_run(&p);
	EXPECT_EQ(p.server.ret, -EPROTONOSUPPORT);
	pair_free_cert(&p);
}

/*
 * The connection ends with @errcode once the ClientHello has left. An
 * application that enabled events gets it as one.
 */
static int client_after_end(uint32_t errcode, bool events,
			    struct quic_handshake_result *res)
{
	struct quic_handshake_step *step = NULL;
	struct quic_tls *tls = NULL;
	struct pair p;
	ssize_t n;
	int ret;

	pair_init_cert(&p);
	EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.client.opts, &tls), 0);
	EXPECT_EQ(quic_tls_step(tls, &step), 0);
	step->s_sendmsg.retval = sendmsg(p.fds[0], step->s_sendmsg.msg, 0);
	EXPECT_EQ(quic_tls_step(tls, &step), 0);
	fake_end(p.fds[0], errcode);
	if (events)
		fake_stream_offer(p.fds[0], "\5", NULL,
				  MSG_QUIC_NOTIFICATION | MSG_EOR);
	n = recvmsg(p.fds[0], step->s_recvmsg.msg, 0);
	step->s_recvmsg.retval = n < 0 ? -errno : n;
	ret = quic_tls_step(tls, &step);
	res->size = sizeof(*res);
	EXPECT_EQ(quic_tls_get_result(tls, res), 0);
	EXPECT_EQ(res->error, ret);
	EXPECT_EQ(quic_tls_step(tls, &step), -EINVAL);
	quic_tls_destroy(tls);
	pair_free_cert(&p);
	return ret;
}

TEST(ends_of_a_connection)
{
	struct quic_handshake_result res;
	int events;

	for (events = 0; events < 2; events++) {
		/* no answer at all: a time-out, whatever the kernel calls it */
		EXPECT_EQ(client_after_end(0, events, &res), -ETIMEDOUT);
		EXPECT_EQ(client_after_end(QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED,
					   events, &res),
			  QUIC_ERR_TRANSPORT -
			  QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED);
		EXPECT_EQ(res.close_code, QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED);
		EXPECT_EQ(res.alert_received, -1);
		EXPECT_EQ(client_after_end(0x128, events, &res),
			  QUIC_ERR_PEER_ALERT - 40);
		EXPECT_EQ(res.close_code, 0x128);
		EXPECT_EQ(res.alert_received, 40);
		EXPECT_EQ(client_after_end(0x2345, events, &res), QUIC_ERR_CLOSED);
		EXPECT_EQ(res.close_code, 0x2345);
	}
}

TEST(ended_before_it_began)
{
	struct pair p;

	pair_init_cert(&p);
	fake_end(p.fds[0], QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED);
	fake_end(p.fds[1], 0);
	pair_run(&p);
	EXPECT_EQ(p.client.ret, QUIC_ERR_TRANSPORT -
				QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED);
	EXPECT_EQ(p.server.ret, -ENOTCONN);
	pair_free_cert(&p);
}

TEST(messages_in_pieces)
{
	static const size_t chunks[] = { 1, 7, 100, 1200 };
	struct pair p;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		pair_init_cert(&p);
		set_server(&p, "chain.pem", "chain.key");
		fake_set_chunk(p.fds[0], chunks[i]);
		fake_set_chunk(p.fds[1], chunks[i]);
		pair_run(&p);
		pair_expect_success(&p);
		pair_free_cert(&p);
	}
}

TEST(keylog_is_written)
{
	const char *path = scratch("keylog");
	char text[8192];
	struct pair p;
	size_t n;

	pair_init_cert(&p);
	p.client.opts.keylog_file = path;
	pair_run(&p);
	pair_expect_success(&p);
	n = read_file(path, text, sizeof(text) - 1);
	text[n] = '\0';
	EXPECT(strstr(text, "CLIENT_HANDSHAKE_TRAFFIC_SECRET "));
	EXPECT(strstr(text, "SERVER_HANDSHAKE_TRAFFIC_SECRET "));
	EXPECT(strstr(text, "CLIENT_TRAFFIC_SECRET_0 "));
	EXPECT(strstr(text, "SERVER_TRAFFIC_SECRET_0 "));
	if (n) {
		const struct fake_secret *s =
			fake_secret(p.fds[0], QUIC_CRYPTO_APP, true);
		char hex[65];
		int i;

		for (i = 0; i < 32; i++)
			sprintf(hex + 2 * i, "%02x", s->secret[i]);
		EXPECT(strstr(text, hex));
	}
	pair_free_cert(&p);

	pair_init_cert(&p);
	p.client.opts.keylog_file = "/nonexistent/keylog";
	pair_run(&p);
	EXPECT_EQ(p.client.ret, -ENOENT);
	pair_free_cert(&p);
}

TEST(no_keylog_unless_asked)
{
	struct pair p;

	pair_init_cert(&p);
	pair_run(&p);
	pair_expect_success(&p);
	EXPECT(access(scratch("none"), F_OK));
	pair_free_cert(&p);
}

/* Credentials are made once; the trusted CAs follow their file. */
TEST(ca_file_is_reloaded)
{
	struct quic_credentials *creds = NULL;
	const char *path = scratch("ca.pem");
	char pem[4096];
	struct pair p;
	size_t n;

	n = read_file(pki("ca.pem"), pem, sizeof(pem));
	write_file(path, pem, n);
	EXPECT_EQ(quic_credentials_create_client(&creds), 0);
	EXPECT_EQ(quic_credentials_set_ca_file(creds, path), 0);

	pair_init_cert(&p);
	set_client(&p, creds);
	pair_run(&p);
	pair_expect_success(&p);
	p.client.opts.credentials = NULL;
	pair_free_cert(&p);

	unlink(path);
	n = read_file(pki("other-ca.pem"), pem, sizeof(pem));
	write_file(path, pem, n);
	pair_init_cert(&p);
	set_client(&p, creds);
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_CERTIFICATE, 48);
	p.client.opts.credentials = NULL;
	pair_free_cert(&p);

	/* a file that vanished takes no trust away */
	unlink(path);
	pair_init_cert(&p);
	set_client(&p, creds);
	set_server(&p, "other.pem", "other.key");
	pair_run(&p);
	pair_expect_success(&p);
	pair_free_cert(&p);
}

TEST(wrong_role_is_an_error)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0);
	int local = socket(AF_UNIX, SOCK_STREAM, 0);
	struct quic_tls *tls = NULL;
	struct pair p;

	pair_init_cert(&p);
	EXPECT_EQ(quic_tls_create_server(p.fds[0], &p.server.opts, &tls), -EINVAL);
	EXPECT_EQ(quic_tls_create_client(p.fds[1], &p.client.opts, &tls), -EINVAL);
	EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.server.opts, &tls), -EINVAL);
	EXPECT_EQ(quic_tls_create_server(p.fds[1], NULL, &tls), -EINVAL);
	EXPECT_EQ(quic_tls_create_client(-1, &p.client.opts, &tls), -EBADF);
	EXPECT_EQ(quic_tls_create_client(1, &p.client.opts, &tls), -ENOTSOCK);
	EXPECT_EQ(quic_tls_create_client(tcp, &p.client.opts, &tls), -ENOPROTOOPT);
	EXPECT_EQ(quic_tls_create_client(local, &p.client.opts, &tls), -ENOPROTOOPT);
	close(tcp);
	close(local);
	EXPECT(!tls);
	pair_free_cert(&p);
}

/* ---- The blocking calls, an end in each thread ----------------------------- */

struct blocking {
	int			fd;
	const struct quic_handshake_options *opts;
	struct quic_handshake_result res;
	int			ret;
};

static void *run_server(void *arg)
{
	struct blocking *b = arg;

	b->res.size = sizeof(b->res);
	b->ret = quic_handshake_server(b->fd, b->opts, &b->res);
	return NULL;
}

TEST(blocking_calls)
{
	struct blocking server;
	struct quic_handshake_result res = { .size = sizeof(res) };
	pthread_t thread;
	struct pair p;

	pair_init_cert(&p);
	fake_set_nuisance(p.fds[0], 9);
	fake_set_nuisance(p.fds[1], 9);
	server.fd = p.fds[1];
	server.opts = &p.server.opts;
	EXPECT_EQ(pthread_create(&thread, NULL, run_server, &server), 0);
	EXPECT_EQ(quic_handshake_client(p.fds[0], &p.client.opts, &res), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(server.ret, 0);
	EXPECT_STR(res.alpn, "test");
	EXPECT_STR(server.res.alpn, "test");
	EXPECT_EQ(res.verify, QUIC_VERIFY_OK);
	pair_free_cert(&p);
}

TEST(blocking_call_times_out)
{
	struct quic_handshake_result res = { .size = sizeof(res) };
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.timeout_ms = 30;
	EXPECT_EQ(quic_handshake_client(p.fds[0], &p.client.opts, &res),
		  -ETIMEDOUT);
	EXPECT_EQ(res.error, -ETIMEDOUT);
	EXPECT(res.error_text[0]);
	EXPECT(res.duration_us >= 30000);
	pair_free_cert(&p);
}

TEST(short_result_structure)
{
	struct {
		struct quic_handshake_result res;
		uint8_t guard[8];
	} small;
	struct pair p;

	pair_init_cert(&p);
	pair_run(&p);
	memset(&small, 0xee, sizeof(small));
	small.res.size = offsetof(struct quic_handshake_result, cipher_suite);
	EXPECT_EQ(quic_tls_get_result(p.client.tls, &small.res), 0);
	EXPECT_EQ((uint8_t)small.res.cipher_suite[0], 0xee);
	EXPECT_EQ(small.res.cipher_type, p.client.res.cipher_type);
	small.res.size = 3;
	EXPECT_EQ(quic_tls_get_result(p.client.tls, &small.res), -EINVAL);
	pair_free_cert(&p);
}

/* ---- The old calls ----------------------------------------------------------- */

struct old_server {
	int			fd;
	const char		*key, *cert, *alpns;
	int			ret;
};

static void *run_old_server(void *arg)
{
	struct old_server *s = arg;

	s->ret = quic_server_handshake(s->fd, s->key, s->cert, s->alpns);
	return NULL;
}

static int old_pair(const char *client_psk, const char *hostname,
		    const char *alpns, struct old_server *server)
{
	pthread_t thread;
	int fds[2], ret;

	fake_pair(fds);
	server->fd = fds[1];
	EXPECT_EQ(pthread_create(&thread, NULL, run_old_server, server), 0);
	ret = quic_client_handshake(fds[0], client_psk, hostname, alpns);
	if (ret)	/* refused before a word was said: end the server's wait */
		fake_end(fds[1], 0);
	pthread_join(thread, NULL);
	fake_release(fds);
	return ret;
}

TEST(old_calls_psk)
{
	struct old_server s = { .key = pki("psk.txt"), .alpns = "test" };

	EXPECT_EQ(old_pair(pki("psk.txt"), NULL, "test", &s), 0);
	EXPECT_EQ(s.ret, 0);
	EXPECT_EQ(old_pair(pki("psk-nonl.txt"), "localhost", "a,test", &s), 0);
	EXPECT_EQ(s.ret, 0);
}

TEST(old_calls_verify)
{
	struct old_server s = { .key = pki("server.key"),
				.cert = pki("server.pem"), .alpns = "test" };

	EXPECT_EQ(old_pair(NULL, "localhost", "test", &s),
		  GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
	EXPECT_EQ(s.ret, QUIC_ERR_PEER_ALERT - 48);
}

TEST(old_calls_arguments)
{
	struct pair p;

	pair_init(&p);
	EXPECT_EQ(quic_client_handshake(p.fds[0], "/nonexistent", NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(quic_client_handshake(p.fds[0], pki("ca.pem"), NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(quic_server_handshake(p.fds[1], "/nonexistent", NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(quic_client_handshake(p.fds[0], NULL, NULL, "a,b,c,d,e,f"),
		  -EINVAL);
	EXPECT_EQ(quic_client_handshake(p.fds[0], NULL, NULL, "a,,b"), -EINVAL);
	EXPECT_EQ(quic_client_handshake(p.fds[0], NULL, NULL,
		  "0123456789012345678901234567890123456789012345678901234567890123"),
		  -EINVAL);
	fake_release(p.fds);
}
