// SPDX-License-Identifier: GPL-2.0-or-later
/* The blocking calls, today's and those of programs built for the interface: arguments, results, time limits. */
#include <errno.h>
#include <pthread.h>

#include "harness.h"

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
	pair_free(&p);
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
	pair_free(&p);
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
	pair_free(&p);
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
