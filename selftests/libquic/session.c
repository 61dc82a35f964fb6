// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one connection leaves to the next: tickets, 0-RTT and what keeps both
 * from being misused.
 */
#include <errno.h>
#include <stdlib.h>

#include "harness.h"

struct saved {
	uint8_t			data[8192];
	size_t			size;
};

static struct quic_credentials *insecure_creds(void)
{
	struct quic_credentials *creds = client_creds(NULL);

	EXPECT_EQ(quic_credentials_set_insecure(creds), 0);
	return creds;
}

static void start(struct pair *p, struct quic_credentials *c,
		  struct quic_credentials *s, const struct saved *saved,
		  uint32_t flags)
{
	pair_init(p);
	p->client.opts.credentials = c;
	p->client.opts.hostname = "localhost";
	p->client.opts.flags = flags & QUIC_HANDSHAKE_EARLY_DATA;
	p->server.opts.credentials = s;
	p->server.opts.flags = flags;
	if (saved) {
		p->client.opts.session = saved->data;
		p->client.opts.session_size = saved->size;
	}
}

/* A full handshake and the session that it leaves. */
static void first_connection(struct quic_credentials *c,
			     struct quic_credentials *s, struct saved *saved,
			     uint32_t flags)
{
	struct pair p;

	start(&p, c, s, NULL, flags);
	fake_set_token(p.fds[0], "token", 5);
	pair_succeed(&p);
	EXPECT(!p.client.res.resumed);
	saved->size = 0;
	EXPECT_EQ(quic_tls_get_session(p.client.tls, 0, NULL, &saved->size), 0);
	EXPECT(saved->size > 100);
	EXPECT(saved->size <= sizeof(saved->data));
	saved->size = sizeof(saved->data);
	EXPECT_EQ(quic_tls_get_session(p.client.tls, 0, saved->data,
				       &saved->size), 0);
	pair_free(&p);
}

TEST(resumption)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct saved saved;
	uint8_t token[120];
	socklen_t len = sizeof(token);
	struct pair p;

	first_connection(c, s, &saved, 0);
	start(&p, c, s, &saved, 0);
	pair_succeed(&p);
	EXPECT(p.client.res.resumed);
	EXPECT(p.server.res.resumed);
	EXPECT(!p.client.res.psk);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_RESUMED);
	EXPECT_STR(p.client.res.peer_subject, "CN=localhost");
	EXPECT_STR(p.client.res.alpn, "test");
	EXPECT_EQ(p.client.res.early_data, QUIC_EARLY_DATA_NONE);
	/* RFC 9001, section 9.2 #2: as the server gave it */
	EXPECT_EQ(getsockopt(p.fds[0], SOL_QUIC, QUIC_SOCKOPT_TOKEN, token, &len), 0);
	EXPECT(len == 5 && !memcmp(token, "token", 5));
	/* no 0-RTT was asked for, so no parameters were remembered */
	EXPECT_EQ(fake_remembered(p.fds[0])->remote, 0);

	/* and it can be saved again */
	saved.size = sizeof(saved.data);
	EXPECT_EQ(quic_tls_get_session(p.client.tls, 0, saved.data, &saved.size), 0);
	pair_free(&p);
	start(&p, c, s, &saved, 0);
	pair_succeed(&p);
	EXPECT(p.client.res.resumed);
	pair_free(&p);
}

TEST(key_of_another_server)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct saved saved;
	struct pair p;

	first_connection(c, s, &saved, 0);
	start(&p, c, s, &saved, 0);
	fake_set_ticket_key(p.fds[1], 0x33);
	pair_succeed(&p);
	EXPECT(!p.client.res.resumed);
	EXPECT_EQ(p.client.res.verify, QUIC_VERIFY_OK);
	pair_free(&p);
}

TEST(another_name)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct saved saved;
	struct pair p;

	first_connection(c, s, &saved, 0);
	start(&p, c, s, &saved, 0);
	p.client.opts.hostname = "quic.test";
	pair_succeed(&p);
	EXPECT(!p.client.res.resumed);
	pair_free(&p);

	start(&p, c, s, &saved, 0);
	p.client.opts.hostname = "example.org";
	pair_run(&p);
	EXPECT_EQ(p.client.ret, QUIC_ERR_CERTIFICATE);
	pair_free(&p);
}

/* What --insecure let in once must not come in by resumption later. */
TEST(unverified_sessions_stay_insecure)
{
	struct quic_credentials *insecure = insecure_creds();
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("other.pem", "other.key");
	struct saved saved;
	struct pair p;

	first_connection(insecure, s, &saved, 0);
	start(&p, insecure, s, &saved, 0);
	pair_succeed(&p);
	EXPECT(p.client.res.resumed);
	pair_free(&p);

	start(&p, c, s, &saved, 0);
	pair_run(&p);
	EXPECT_EQ(p.client.ret, QUIC_ERR_CERTIFICATE);
	EXPECT_EQ(p.client.res.alert_sent, 48);
	pair_free(&p);
}

TEST(damaged_data)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct quic_tls *tls = NULL;
	struct saved saved;
	struct pair p;
	size_t i;

	first_connection(c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	saved.data[0] ^= 1;
	start(&p, c, s, &saved, 0);
	EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.client.opts, &tls),
		  QUIC_ERR_SESSION_DATA);
	EXPECT(!tls);
	fake_release(p.fds);
	saved.data[0] ^= 1;

	/* anywhere else: GnuTLS would crash on some of these */
	for (i = 8; i < saved.size; i += 7) {
		saved.data[i] ^= 0xff;
		start(&p, c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
		EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.client.opts, &tls),
			  QUIC_ERR_SESSION_DATA);
		fake_release(p.fds);
		saved.data[i] ^= 0xff;
	}
}

TEST(no_ticket)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	size_t size = 0;
	struct pair p;

	start(&p, c, s, NULL, QUIC_HANDSHAKE_NO_TICKET);
	pair_succeed(&p);
	EXPECT_EQ(fake_sent_bytes(p.fds[1], QUIC_CRYPTO_APP), 0);
	EXPECT_EQ(quic_tls_get_session(p.client.tls, 20, NULL, &size), -EAGAIN);
	EXPECT_EQ(quic_tls_get_session(p.server.tls, 0, NULL, &size), -EINVAL);
	pair_free(&p);
}

TEST(session_before_the_end)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct quic_tls *tls = NULL;
	size_t size = 0;
	struct pair p;

	start(&p, c, s, NULL, 0);
	EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.client.opts, &tls), 0);
	EXPECT_EQ(quic_tls_get_session(tls, 0, NULL, &size), -EINVAL);
	quic_tls_destroy(tls);
	fake_release(p.fds);
}

TEST(early_data)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	const struct fake_secret *tx, *rx;
	struct saved saved;
	struct pair p;

	first_connection(c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	start(&p, c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	pair_succeed(&p);
	EXPECT(p.client.res.resumed);
	EXPECT_EQ(p.client.res.early_data, QUIC_EARLY_DATA_ACCEPTED);
	EXPECT_EQ(p.server.res.early_data, QUIC_EARLY_DATA_ACCEPTED);
	tx = fake_secret(p.fds[0], QUIC_CRYPTO_EARLY, true);
	rx = fake_secret(p.fds[1], QUIC_CRYPTO_EARLY, false);
	EXPECT(tx->set);
	EXPECT(rx->set);
	EXPECT_EQ(tx->type, rx->type);
	EXPECT(!memcmp(tx->secret, rx->secret, 32));
	/* RFC 9001, section 8.3 #1: it ends without a message */
	EXPECT_EQ(fake_sent_bytes(p.fds[0], QUIC_CRYPTO_EARLY), 0);
	EXPECT_EQ(fake_sent_bytes(p.fds[0], QUIC_CRYPTO_HANDSHAKE), 4 + 32);
	EXPECT_EQ(fake_remembered(p.fds[0])->remote, 1);
	EXPECT_EQ(fake_remembered(p.fds[0])->max_data, 1048576);
	pair_free(&p);

	/* a server that does not take it: 1-RTT, and the client knows */
	start(&p, c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	p.server.opts.flags = 0;
	pair_succeed(&p);
	EXPECT(p.client.res.resumed);
	EXPECT_EQ(p.client.res.early_data, QUIC_EARLY_DATA_REJECTED);
	EXPECT_EQ(p.server.res.early_data, QUIC_EARLY_DATA_NONE);
	EXPECT(!fake_secret(p.fds[1], QUIC_CRYPTO_EARLY, false)->set);
	pair_free(&p);

	/* not asked for; and asked for with another protocol */
	start(&p, c, s, &saved, 0);
	pair_succeed(&p);
	EXPECT_EQ(p.client.res.early_data, QUIC_EARLY_DATA_NONE);
	pair_free(&p);
	start(&p, c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	p.client.opts.alpns = p.server.opts.alpns = "other";
	pair_succeed(&p);
	EXPECT_EQ(p.client.res.early_data, QUIC_EARLY_DATA_NONE);
	EXPECT(!fake_secret(p.fds[0], QUIC_CRYPTO_EARLY, true)->set);
	pair_free(&p);
}

/*
 * RFC 9000, section 7.4.1 #7: data sent under limits that a server no longer
 * gives is rejected; so is what was meant for another protocol.
 */
TEST(ticket_of_other_limits)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct saved saved;
	struct pair p;
	int i;

	first_connection(c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	for (i = 0; i < 3; i++) {
		start(&p, c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
		if (i == 0)
			fake_set_max_data(p.fds[1], 1048575);
		if (i == 1)
			p.server.opts.alpns = "other,test";
		pair_succeed(&p);
		EXPECT_EQ(p.client.res.resumed, i == 2);
		EXPECT_EQ(p.client.res.early_data, i == 2 ?
			  QUIC_EARLY_DATA_ACCEPTED : QUIC_EARLY_DATA_REJECTED);
		EXPECT_EQ(fake_secret(p.fds[1], QUIC_CRYPTO_EARLY, false)->set,
			  i == 2);
		pair_free(&p);
	}
}

/* The server, given the recorded ClientHello; whether it takes early data. */
static bool offer_hello(struct quic_credentials *s, const uint8_t *hello,
			size_t size)
{
	struct quic_handshake_step *step = NULL;
	struct iovec iov = { (void *)hello, size };
	char control[CMSG_SPACE(1)] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct quic_tls *tls = NULL;
	struct pair p;
	bool taken;

	CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_QUIC;
	CMSG_FIRSTHDR(&msg)->cmsg_type = QUIC_HANDSHAKE_INFO;
	CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(CMSG_FIRSTHDR(&msg)) = QUIC_CRYPTO_INITIAL;

	start(&p, NULL, s, NULL, QUIC_HANDSHAKE_EARLY_DATA);
	EXPECT_EQ(sendmsg(p.fds[0], &msg, 0), size);
	EXPECT_EQ(quic_tls_create_server(p.fds[1], &p.server.opts, &tls), 0);
	EXPECT_EQ(quic_tls_step(tls, &step), 0);
	step->s_recvmsg.retval = recvmsg(p.fds[1], step->s_recvmsg.msg, 0);
	EXPECT_EQ(quic_tls_step(tls, &step), 0);
	taken = fake_secret(p.fds[1], QUIC_CRYPTO_EARLY, false)->set;
	quic_tls_destroy(tls);
	fake_release(p.fds);
	return taken;
}

/* RFC 9001, section 9.2 #1 */
TEST(replay_is_refused)
{
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	struct quic_handshake_step *step = NULL;
	struct quic_tls *tls = NULL;
	uint8_t hello[4096];
	struct saved saved;
	struct pair p;
	size_t size;

	first_connection(c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	start(&p, c, s, &saved, QUIC_HANDSHAKE_EARLY_DATA);
	EXPECT_EQ(quic_tls_create_client(p.fds[0], &p.client.opts, &tls), 0);
	EXPECT_EQ(quic_tls_step(tls, &step), 0);
	size = step->s_sendmsg.msg->msg_iov[0].iov_len;
	EXPECT(size <= sizeof(hello));
	memcpy(hello, step->s_sendmsg.msg->msg_iov[0].iov_base, size);
	EXPECT(fake_secret(p.fds[0], QUIC_CRYPTO_EARLY, true)->set);
	quic_tls_destroy(tls);
	fake_release(p.fds);

	EXPECT(offer_hello(s, hello, size));
	EXPECT(!offer_hello(s, hello, size));
	EXPECT(!offer_hello(s, hello, size));
}

/* RFC 9001, section 4.6.1: the ticket says 0xffffffff or nothing. */
TEST(early_data_size_in_the_ticket)
{
	static const uint8_t want[] = { 0, 42, 0, 4, 0xff, 0xff, 0xff, 0xff };
	struct quic_credentials *c = client_creds("ca.pem");
	struct quic_credentials *s = server_creds("server.pem", "server.key");
	uint8_t ticket[4096];
	socklen_t len;
	struct pair p;
	int early;

	for (early = 0; early < 2; early++) {
		start(&p, c, s, NULL, early ? QUIC_HANDSHAKE_EARLY_DATA : 0);
		pair_succeed(&p);
		len = sizeof(ticket);
		EXPECT_EQ(getsockopt(p.fds[0], SOL_QUIC,
				     QUIC_SOCKOPT_SESSION_TICKET, ticket, &len), 0);
		EXPECT_EQ(memmem(ticket, len, want, sizeof(want)) != NULL, early);
		pair_free(&p);
	}
}
