// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole handshakes of two ends: what they agree on, what each learns of it, and
 * how they end. Trust is certificates.c's and psk.c's.
 */
#include <errno.h>
#include <linux/tls.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

TEST(certificate_handshake)
{
	struct pair p;

	pair_init_cert(&p);
	pair_succeed(&p);
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
	pair_free(&p);
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
	pair_free(&p);
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
		pair_succeed(&p);
		EXPECT_EQ(p.server.res.cipher_type, ciphers[i].type);
		pair_free(&p);
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
		pair_succeed(&p);
		EXPECT_STR(p.client.res.group, groups[i]);
		pair_free(&p);
	}
}

/* The server wants another group: two ClientHellos, parameters set once. */
TEST(hello_retry)
{
	struct pair p;

	pair_init_cert(&p);
	p.server.opts.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:"
		"+GROUP-SECP521R1:%DISABLE_TLS13_COMPAT_MODE";
	pair_succeed(&p);
	EXPECT_STR(p.client.res.group, "SECP521R1");
	pair_free(&p);
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
	pair_free(&p);
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
	pair_succeed(&p);
	got = fake_peer_params(p.fds[1], &size);
	EXPECT_EQ(size, sizeof(ours));
	EXPECT(!memcmp(got, ours, sizeof(ours)));
	pair_free(&p);
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
		pair_succeed(&p);
		got = fake_peer_params(p.fds[!side], &size);
		EXPECT_EQ(size, 6);
		EXPECT(!memcmp(got, "\x0f\x01\x77\x04\x01\x3f", 6));
		pair_free(&p);
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
		pair_free(&p);
	}
}

TEST(version_negotiation_failure)
{
	struct pair p;

	pair_init_cert(&p);
	fake_refuse_peer_params(p.fds[1], EPROTONOSUPPORT);
	pair_run(&p);
	EXPECT_EQ(p.server.ret, -EPROTONOSUPPORT);
	pair_free(&p);
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
	pair_free(&p);
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
	pair_free(&p);
}

TEST(messages_in_pieces)
{
	static const size_t chunks[] = { 1, 7, 100, 1200 };
	struct pair p;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		pair_init_cert(&p);
		pair_set_server(&p, "chain.pem", "chain.key");
		fake_set_chunk(p.fds[0], chunks[i]);
		fake_set_chunk(p.fds[1], chunks[i]);
		pair_succeed(&p);
		pair_free(&p);
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
	pair_succeed(&p);
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
	pair_free(&p);

	pair_init_cert(&p);
	p.client.opts.keylog_file = "/nonexistent/keylog";
	pair_run(&p);
	EXPECT_EQ(p.client.ret, -ENOENT);
	pair_free(&p);
}

TEST(no_keylog_unless_asked)
{
	struct pair p;

	pair_init_cert(&p);
	pair_succeed(&p);
	EXPECT(access(scratch("none"), F_OK));
	pair_free(&p);
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
	pair_free(&p);
}
