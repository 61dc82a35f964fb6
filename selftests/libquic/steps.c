// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The interface on sessions that the caller made: quic_handshake_init(),
 * _step(), _deinit() and quic_handshake(), with every rule of the steps.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

struct own {
	int			fds[2];
	gnutls_session_t	sessions[2];	/* client, server */
	gnutls_psk_client_credentials_t psk_client;
	gnutls_psk_server_credentials_t psk_server;
};

static int own_psk(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
	(void)session;
	(void)name;
	key->data = gnutls_malloc(16);
	memcpy(key->data, "0123456789abcdef", 16);
	key->size = 16;
	return 0;
}

static void own_init_flags(struct own *o, unsigned int client_flags,
			   unsigned int server_flags)
{
	const gnutls_datum_t key = { (unsigned char *)"0123456789abcdef", 16 };
	int i;

	fake_pair(o->fds);
	EXPECT_EQ(gnutls_init(&o->sessions[0], GNUTLS_CLIENT | client_flags),
		  0);
	EXPECT_EQ(gnutls_init(&o->sessions[1], GNUTLS_SERVER | server_flags |
			      GNUTLS_NO_AUTO_SEND_TICKET), 0);
	gnutls_psk_allocate_client_credentials(&o->psk_client);
	gnutls_psk_set_client_credentials(o->psk_client, "me", &key,
					  GNUTLS_PSK_KEY_RAW);
	gnutls_psk_allocate_server_credentials(&o->psk_server);
	gnutls_psk_set_server_credentials_function(o->psk_server, own_psk);
	gnutls_credentials_set(o->sessions[0], GNUTLS_CRD_PSK, o->psk_client);
	gnutls_credentials_set(o->sessions[1], GNUTLS_CRD_PSK, o->psk_server);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(gnutls_priority_set_direct(o->sessions[i],
						     QUIC_PRIORITY, NULL), 0);
		gnutls_transport_set_int(o->sessions[i], o->fds[i]);
	}
}

static void own_init(struct own *o, unsigned int server_flags)
{
	own_init_flags(o, 0, server_flags);
}

static void own_free(struct own *o)
{
	gnutls_deinit(o->sessions[0]);
	gnutls_deinit(o->sessions[1]);
	gnutls_psk_free_client_credentials(o->psk_client);
	gnutls_psk_free_server_credentials(o->psk_server);
	fake_release(o->fds);
}

static ssize_t perform(int fd, struct quic_handshake_step *step)
{
	ssize_t n;

	if (step->op == QUIC_HANDSHAKE_STEP_OP_SENDMSG)
		n = sendmsg(fd, step->s_sendmsg.msg, step->s_sendmsg.flags);
	else
		n = recvmsg(fd, step->s_recvmsg.msg, step->s_recvmsg.flags);
	return n < 0 ? -errno : n;
}

/* The first steps of both sides: the ClientHello is made. */
static int own_begin(struct own *o, struct quic_handshake_step **steps)
{
	unsigned int i;
	int ret;

	for (i = 0; i < 2; i++) {
		ret = quic_handshake_init(o->sessions[i], &steps[i]);
		if (ret)
			return ret;
		EXPECT(steps[i]);
	}
	EXPECT_EQ(steps[0]->op, QUIC_HANDSHAKE_STEP_OP_SENDMSG);
	EXPECT_EQ(steps[1]->op, QUIC_HANDSHAKE_STEP_OP_RECVMSG);
	return 0;
}

/* From there to the end; returns the first error. */
static int own_go_on(struct own *o, struct quic_handshake_step **steps,
		     unsigned int *sends)
{
	bool done[2] = { false, false };
	unsigned int i, idle = 0;
	ssize_t n;
	int ret;

	for (i = 0; !(done[0] && done[1]); i ^= 1) {
		struct quic_handshake_step *s = steps[i];

		if (done[i])
			continue;
		if (idle++ > 10)
			return -EDEADLK;
		n = perform(o->fds[i], s);
		if (n == -EAGAIN)
			continue;
		idle = 0;
		if (s->op == QUIC_HANDSHAKE_STEP_OP_SENDMSG) {
			s->s_sendmsg.retval = n;
			sends[i]++;
		} else {
			s->s_recvmsg.retval = n;
		}
		ret = quic_handshake_step(o->sessions[i], &steps[i]);
		if (ret)
			return ret;
		done[i] = !steps[i];
	}
	return 0;
}

/* Both sides to the end by steps; returns the first error. */
static int own_run(struct own *o, unsigned int *sends)
{
	struct quic_handshake_step *steps[2] = { NULL, NULL };
	int ret = own_begin(o, steps);

	return ret ? ret : own_go_on(o, steps, sends);
}

TEST(complete)
{
	unsigned int sends[2] = { 0, 0 };
	struct own o;
	int i;

	own_init(&o, 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(fake_state(o.fds[i]), FAKE_ESTABLISHED);
		quic_handshake_deinit(o.sessions[i]);
		quic_handshake_deinit(o.sessions[i]);
	}
	EXPECT(!memcmp(fake_secret(o.fds[0], QUIC_CRYPTO_APP, true)->secret,
		       fake_secret(o.fds[1], QUIC_CRYPTO_APP, false)->secret, 32));
	own_free(&o);
}

TEST(deinit_is_optional)
{
	struct quic_handshake_step *step = NULL;
	struct own o;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[0], &step), 0);
	EXPECT(step);
	own_free(&o);	/* the leak checker has the last word */
}

TEST(flags_of_steps)
{
	struct quic_handshake_step *step = NULL;
	unsigned int more, sends = 0;
	bool last_more = true;
	struct own o;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[0], &step), 0);
	EXPECT_EQ(step->op, QUIC_HANDSHAKE_STEP_OP_SENDMSG);
	EXPECT_EQ(step->s_sendmsg.flags, MSG_NOSIGNAL);
	EXPECT_EQ(step->s_sendmsg.retval, -EUCLEAN);
	EXPECT_EQ(step->s_sendmsg.msg->msg_controllen, CMSG_SPACE(1));
	step->s_sendmsg.retval = perform(o.fds[0], step);
	EXPECT_EQ(quic_handshake_step(o.sessions[0], &step), 0);
	EXPECT_EQ(step->op, QUIC_HANDSHAKE_STEP_OP_RECVMSG);
	EXPECT_EQ(step->s_recvmsg.flags, MSG_DONTWAIT);
	EXPECT_EQ(step->s_recvmsg.retval, -EUCLEAN);
	EXPECT_EQ(step->s_recvmsg.msg->msg_iov[0].iov_len, 65536);
	EXPECT_EQ(step->s_recvmsg.msg->msg_controllen, CMSG_SPACE(1));

	/* the server's flight: MSG_MORE on all but the last */
	step = NULL;
	EXPECT_EQ(quic_handshake_init(o.sessions[1], &step), 0);
	step->s_recvmsg.retval = perform(o.fds[1], step);
	EXPECT_EQ(quic_handshake_step(o.sessions[1], &step), 0);
	while (step->op == QUIC_HANDSHAKE_STEP_OP_SENDMSG) {
		last_more = step->s_sendmsg.flags & MSG_MORE;
		step->s_sendmsg.retval = perform(o.fds[1], step);
		EXPECT_EQ(quic_handshake_step(o.sessions[1], &step), 0);
		sends++;
	}
	EXPECT(sends >= 2);
	EXPECT(!last_more);
	EXPECT_EQ(fake_sends(o.fds[1], &more), sends);
	EXPECT_EQ(more, sends - 1);
	own_free(&o);
}

TEST(init_arguments)
{
	struct quic_handshake_step dummy, *step = &dummy;
	struct own o;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[0], NULL), -EINVAL);
	EXPECT_EQ(quic_handshake_init(o.sessions[0], &step), -EINVAL);
	EXPECT_EQ(quic_handshake_init(NULL, &step), -EINVAL);
	EXPECT_EQ(quic_handshake_step(o.sessions[0], &step), -EINVAL);
	quic_handshake_deinit(o.sessions[0]);
	quic_handshake_deinit(NULL);
	own_free(&o);
}

TEST(step_arguments)
{
	struct quic_handshake_step dummy, *step = NULL, *first;
	struct own o;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[0], &step), 0);
	first = step;
	EXPECT_EQ(quic_handshake_step(o.sessions[0], NULL), -EINVAL);
	step = NULL;
	EXPECT_EQ(quic_handshake_step(o.sessions[0], &step), -EINVAL);
	step = &dummy;
	EXPECT_EQ(quic_handshake_step(o.sessions[0], &step), -EINVAL);
	/* none of that lost the step */
	step = first;
	step->s_sendmsg.retval = (ssize_t)step->s_sendmsg.msg->msg_iov[0].iov_len;
	EXPECT_EQ(quic_handshake_step(o.sessions[0], &step), 0);
	EXPECT_EQ(step->op, QUIC_HANDSHAKE_STEP_OP_RECVMSG);
	step = first;
	quic_handshake_deinit(o.sessions[0]);
	EXPECT_EQ(quic_handshake_step(o.sessions[0], &step), -EINVAL);
	own_free(&o);
}

/* What a send that gave @retval makes of the step; NONE: as preset. */
#define NONE	12345

static int after_send(ssize_t retval, ssize_t missing)
{
	struct quic_handshake_step *step = NULL;
	struct own o;
	int ret;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[0], &step), 0);
	if (missing)
		step->s_sendmsg.retval = (ssize_t)
			step->s_sendmsg.msg->msg_iov[0].iov_len - missing;
	else if (retval != NONE)
		step->s_sendmsg.retval = retval;
	ret = quic_handshake_step(o.sessions[0], &step);
	quic_handshake_deinit(o.sessions[0]);
	own_free(&o);
	return ret;
}

TEST(send_results)
{
	EXPECT_EQ(after_send(NONE, 0), -EUCLEAN);
	EXPECT_EQ(after_send(-EPIPE, 0), -EPIPE);
	EXPECT_EQ(after_send(-ENETUNREACH, 0), -ENETUNREACH);
	EXPECT_EQ(after_send(0, 0), -EMSGSIZE);
	EXPECT_EQ(after_send(0, 1), -EMSGSIZE);
}

enum cmsg_kind { CMSG_GOOD, CMSG_NONE, CMSG_STREAM, CMSG_LEVEL, CMSG_APP };

static int after_recv(ssize_t retval, int msg_flags, enum cmsg_kind kind)
{
	struct quic_handshake_step *step = NULL;
	struct cmsghdr *cmsg;
	struct own o;
	int ret;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[1], &step), 0);
	memset(step->s_recvmsg.msg->msg_iov[0].iov_base, 0, 64);
	cmsg = CMSG_FIRSTHDR(step->s_recvmsg.msg);
	cmsg->cmsg_level = kind == CMSG_LEVEL ? 261 : SOL_QUIC;
	cmsg->cmsg_type = kind == CMSG_STREAM ? QUIC_STREAM_INFO :
						QUIC_HANDSHAKE_INFO;
	cmsg->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(cmsg) = kind == CMSG_APP ? QUIC_CRYPTO_APP :
					      QUIC_CRYPTO_INITIAL;
	if (kind == CMSG_NONE)
		step->s_recvmsg.msg->msg_controllen = 0;
	step->s_recvmsg.msg->msg_flags = msg_flags;
	if (retval != NONE)
		step->s_recvmsg.retval = retval;
	ret = quic_handshake_step(o.sessions[1], &step);
	quic_handshake_deinit(o.sessions[1]);
	own_free(&o);
	return ret;
}

TEST(receive_results)
{
	EXPECT_EQ(after_recv(NONE, 0, CMSG_GOOD), -EUCLEAN);
	EXPECT_EQ(after_recv(-ENOTCONN, 0, CMSG_GOOD), -ENOTCONN);
	EXPECT_EQ(after_recv(0, 0, CMSG_GOOD), -ECONNRESET);
	EXPECT_EQ(after_recv(8, MSG_TRUNC, CMSG_GOOD), -EMSGSIZE);
	EXPECT_EQ(after_recv(8, MSG_CTRUNC, CMSG_GOOD), -EBADMSG);
	EXPECT_EQ(after_recv(8, 0, CMSG_NONE), -EBADMSG);
	EXPECT_EQ(after_recv(8, 0, CMSG_STREAM), -EBADMSG);
	EXPECT_EQ(after_recv(8, 0, CMSG_LEVEL), -EBADMSG);
	EXPECT_EQ(after_recv(8, 0, CMSG_APP), -EBADMSG);
	EXPECT_EQ(after_recv(8, MSG_QUIC_NOTIFICATION, CMSG_NONE), -EBADMSG);
	/* enough of a message to be refused, by GnuTLS's own code */
	EXPECT_EQ(after_recv(8, MSG_EOR, CMSG_GOOD), GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET);
}

/* Nonsense instead of a ClientHello: the alert goes out. */
TEST(garbage_is_answered_by_an_alert)
{
	static const uint8_t garbage[] = { 0x0b, 0, 0, 4, 1, 2, 3, 4 };
	struct quic_handshake_step *step = NULL;
	struct own o;
	uint32_t code;
	int ret;

	own_init(&o, 0);
	EXPECT_EQ(quic_handshake_init(o.sessions[1], &step), 0);
	memcpy(step->s_recvmsg.msg->msg_iov[0].iov_base, garbage, sizeof(garbage));
	CMSG_FIRSTHDR(step->s_recvmsg.msg)->cmsg_level = SOL_QUIC;
	CMSG_FIRSTHDR(step->s_recvmsg.msg)->cmsg_type = QUIC_HANDSHAKE_INFO;
	CMSG_FIRSTHDR(step->s_recvmsg.msg)->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(CMSG_FIRSTHDR(step->s_recvmsg.msg)) = QUIC_CRYPTO_INITIAL;
	step->s_recvmsg.retval = sizeof(garbage);
	ret = quic_handshake_step(o.sessions[1], &step);
	EXPECT_EQ(ret, GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET);
	EXPECT(fake_sent_close(o.fds[1], &code));
	EXPECT_EQ(code, 0x100 + GNUTLS_A_UNEXPECTED_MESSAGE);
	quic_handshake_deinit(o.sessions[1]);
	own_free(&o);
}

/* A ClientHello without our extension: a TLS client that knows no QUIC. */
static int catch_message(gnutls_session_t session,
			 gnutls_record_encryption_level_t level,
			 gnutls_handshake_description_t type,
			 const void *data, size_t size)
{
	struct iovec iov = { (void *)data, size };
	char control[CMSG_SPACE(1)] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	(void)type;
	if (level != GNUTLS_ENCRYPTION_LEVEL_INITIAL)
		return 0;
	CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_QUIC;
	CMSG_FIRSTHDR(&msg)->cmsg_type = QUIC_HANDSHAKE_INFO;
	CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(CMSG_FIRSTHDR(&msg)) = QUIC_CRYPTO_INITIAL;
	EXPECT_EQ(sendmsg(gnutls_transport_get_int(session), &msg, 0), size);
	return 0;
}

/* RFC 9001, section 8.2 #1 */
TEST(missing_params_alert)
{
	struct quic_handshake_step *step = NULL;
	struct own o;
	uint32_t code;

	own_init(&o, 0);
	gnutls_handshake_set_read_function(o.sessions[0], catch_message);
	EXPECT_EQ(gnutls_handshake(o.sessions[0]), GNUTLS_E_AGAIN);
	EXPECT_EQ(quic_handshake_init(o.sessions[1], &step), 0);
	step->s_recvmsg.retval = perform(o.fds[1], step);
	EXPECT(step->s_recvmsg.retval > 100);
	EXPECT_EQ(quic_handshake_step(o.sessions[1], &step),
		  GNUTLS_E_MISSING_EXTENSION);
	EXPECT(fake_sent_close(o.fds[1], &code));
	EXPECT_EQ(code, 0x16d);
	EXPECT(!fake_secret(o.fds[1], QUIC_CRYPTO_HANDSHAKE, true)->set);
	quic_handshake_deinit(o.sessions[1]);
	own_free(&o);
}

/* RFC 9001, section 4.2 #2: what two TLS libraries would be content with. */
TEST(older_tls_is_refused)
{
	unsigned int sends[2] = { 0, 0 };
	struct own o;
	uint32_t code;
	int i;

	own_init(&o, 0);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(gnutls_priority_set_direct(o.sessions[i],
			"NORMAL:-VERS-ALL:+VERS-TLS1.2:+PSK", NULL), 0);
	EXPECT_EQ(own_run(&o, sends), GNUTLS_E_UNSUPPORTED_VERSION_PACKET);
	EXPECT(fake_sent_close(o.fds[1], &code));
	EXPECT_EQ(code, 0x100 + GNUTLS_A_PROTOCOL_VERSION);
	own_free(&o);

	/* a choice is none as long as the right one is made, in pieces or not */
	for (i = 0; i < 2; i++) {
		own_init(&o, 0);
		EXPECT_EQ(gnutls_priority_set_direct(o.sessions[i],
			"NORMAL:+PSK:%DISABLE_TLS13_COMPAT_MODE", NULL), 0);
		fake_set_chunk(o.fds[0], 1);
		fake_set_chunk(o.fds[1], 1);
		EXPECT_EQ(own_run(&o, sends), 0);
		own_free(&o);
	}
}

/* RFC 9001, section 4.8 #1: an alert ends the handshake, whatever its level. */
TEST(warning_is_fatal)
{
	struct quic_handshake_step *steps[2] = { NULL, NULL };
	struct own o;
	uint32_t code;
	int i;

	own_init(&o, 0);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(quic_handshake_init(o.sessions[i], &steps[i]), 0);
	steps[0]->s_sendmsg.retval = perform(o.fds[0], steps[0]);
	steps[1]->s_recvmsg.retval = perform(o.fds[1], steps[1]);
	EXPECT_EQ(gnutls_alert_send(o.sessions[1], GNUTLS_AL_WARNING,
				    GNUTLS_A_UNRECOGNIZED_NAME), 0);
	EXPECT_EQ(quic_handshake_step(o.sessions[1], &steps[1]),
		  GNUTLS_E_INTERNAL_ERROR);
	EXPECT(fake_sent_close(o.fds[1], &code));
	EXPECT_EQ(code, 0x100 + GNUTLS_A_UNRECOGNIZED_NAME);
	own_free(&o);
}

/*
 * RFC 9001, section 8.1 #3 #6: the server chose what is not in the client's
 * list, which changed when the offer was out.
 */
TEST(alpn_that_was_not_offered)
{
	struct quic_handshake_step *steps[2] = { NULL, NULL };
	unsigned int sends[2] = { 0, 0 };
	struct own o;
	uint32_t code;

	own_init(&o, 0);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "smb", 3), 0);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[1], "smb", 3), 0);
	EXPECT_EQ(own_begin(&o, steps), 0);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "h3", 2), 0);
	EXPECT(own_go_on(&o, steps, sends) < 0);
	EXPECT(fake_sent_close(o.fds[0], &code));
	EXPECT_EQ(code, 0x178);
	own_free(&o);
}

TEST(one_ticket_if_enabled)
{
	unsigned int sends[2] = { 0, 0 };
	gnutls_datum_t key = { NULL, 0 };
	struct own o;

	/* not enabled: none */
	own_init(&o, 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	EXPECT_EQ(fake_sent_bytes(o.fds[1], QUIC_CRYPTO_APP), 0);
	own_free(&o);

	own_init(&o, 0);
	EXPECT_EQ(gnutls_session_ticket_key_generate(&key), 0);
	EXPECT_EQ(gnutls_session_ticket_enable_server(o.sessions[1], &key), 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	EXPECT(fake_sent_bytes(o.fds[1], QUIC_CRYPTO_APP) > 64);
	/* one message, whole */
	{
		uint8_t t[4096];
		socklen_t len = sizeof(t);

		EXPECT_EQ(getsockopt(o.fds[0], SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET,
				     t, &len), 0);
		EXPECT_EQ(t[0], 4);
		EXPECT_EQ(4 + (t[1] << 16 | t[2] << 8 | t[3]), len);
	}
	gnutls_free(key.data);
	own_free(&o);
}

TEST(key_update_is_suppressed)
{
	unsigned int sends[2] = { 0, 0 }, before, more;
	struct quic_handshake_step *step = NULL;
	struct own o;

	own_init(&o, 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	before = fake_sends(o.fds[0], &more);
	gnutls_session_key_update(o.sessions[0], 0);
	EXPECT_EQ(fake_sends(o.fds[0], &more), before);
	EXPECT_EQ(fake_sent_bytes(o.fds[0], QUIC_CRYPTO_APP), 0);
	EXPECT(!step);
	own_free(&o);
}

TEST(alpn_of_a_session)
{
	char name[16];
	unsigned int sends[2] = { 0, 0 };
	size_t size;
	struct own o;

	own_init(&o, 0);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "smb", 64), -EINVAL);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "", 0), -EINVAL);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "a,,b", 4), -EINVAL);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "a,b,c,d,e,f", 11), -EINVAL);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], NULL, 3), -EINVAL);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[0], "h3, smb,x", 9), 0);
	EXPECT_EQ(quic_session_set_alpn(o.sessions[1], "smb", 3), 0);
	size = sizeof(name);
	EXPECT(quic_session_get_alpn(o.sessions[0], name, &size) < 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	size = 2;
	EXPECT_EQ(quic_session_get_alpn(o.sessions[0], name, &size), -EINVAL);
	size = sizeof(name);
	EXPECT_EQ(quic_session_get_alpn(o.sessions[0], name, &size), 0);
	EXPECT_EQ(size, 3);
	EXPECT(!memcmp(name, "smb", 3));
	own_free(&o);
}

static void *run_one(void *arg)
{
	return (void *)(intptr_t)quic_handshake(arg);
}

TEST(blocking_handshake)
{
	pthread_t thread;
	struct own o;
	void *ret;

	own_init(&o, 0);
	fake_set_nuisance(o.fds[0], 5);
	EXPECT_EQ(pthread_create(&thread, NULL, run_one, o.sessions[1]), 0);
	EXPECT_EQ(quic_handshake(o.sessions[0]), 0);
	pthread_join(thread, &ret);
	EXPECT_EQ((intptr_t)ret, 0);
	own_free(&o);
}

/* It waits without limit, and ends when the socket fails. */
TEST(blocking_handshake_ends_with_the_socket)
{
	const struct quic_connection_close mine = { .errcode = 0x150 };
	pthread_t thread;
	struct own o;
	void *ret;

	own_init(&o, 0);
	fake_end(o.fds[1], 0x100 + 80);
	EXPECT_EQ(quic_handshake(o.sessions[1]), QUIC_ERR_PEER_ALERT - 80);
	own_free(&o);

	/* a close that was configured before we came is not the peer's word */
	own_init(&o, 0);
	EXPECT_EQ(setsockopt(o.fds[1], SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE,
			     &mine, sizeof(mine)), 0);
	EXPECT_EQ(pthread_create(&thread, NULL, run_one, o.sessions[1]), 0);
	usleep(20000);
	fake_end(o.fds[1], 0);
	pthread_join(thread, &ret);
	EXPECT_EQ((intptr_t)ret, -ETIMEDOUT);
	own_free(&o);
}

TEST(own_resumption)
{
	gnutls_datum_t key = { NULL, 0 };
	unsigned int sends[2] = { 0, 0 };
	uint8_t data[4096];
	size_t size;
	struct own o;

	EXPECT_EQ(gnutls_session_ticket_key_generate(&key), 0);
	own_init(&o, 0);
	EXPECT_EQ(gnutls_session_ticket_enable_server(o.sessions[1], &key), 0);
	size = sizeof(data);
	EXPECT_EQ(quic_session_get_data(o.sessions[0], data, &size), 0);
	EXPECT_EQ(size, 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	quic_handshake_deinit(o.sessions[0]);
	size = 10;
	EXPECT(quic_session_get_data(o.sessions[0], data, &size) < 0);
	size = sizeof(data);
	EXPECT_EQ(quic_session_get_data(o.sessions[0], data, &size), 0);
	EXPECT(size > 64);
	own_free(&o);

	own_init(&o, 0);
	EXPECT_EQ(gnutls_session_ticket_enable_server(o.sessions[1], &key), 0);
	EXPECT(quic_session_set_data(o.sessions[0], "junk", 4) < 0);
	EXPECT_EQ(quic_session_set_data(o.sessions[0], data, size), 0);
	EXPECT_EQ(own_run(&o, sends), 0);
	EXPECT(gnutls_session_is_resumed(o.sessions[0]));
	EXPECT(gnutls_session_is_resumed(o.sessions[1]));
	own_free(&o);
	gnutls_free(key.data);
}

/* 0-RTT is for the flags of the application's own session to enable: uapi.md, section 9.5. */
TEST(own_early_data)
{
	const unsigned int early = GNUTLS_ENABLE_EARLY_DATA |
				   GNUTLS_NO_END_OF_EARLY_DATA;
	gnutls_datum_t key = { NULL, 0 };
	uint8_t data[4096];
	size_t size;
	struct own o;
	int i;

	EXPECT_EQ(gnutls_session_ticket_key_generate(&key), 0);
	for (i = 0; i < 3; i++) {
		unsigned int sends[2] = { 0, 0 };

		/* a ticket; early data; early data that only the client wants */
		own_init_flags(&o, early, i == 2 ? 0 : early);
		EXPECT_EQ(gnutls_session_ticket_enable_server(o.sessions[1],
							      &key), 0);
		if (i)
			EXPECT_EQ(quic_session_set_data(o.sessions[0], data,
							size), 0);
		EXPECT_EQ(own_run(&o, sends), 0);
		EXPECT_EQ(fake_secret(o.fds[0], QUIC_CRYPTO_EARLY, true)->set,
			  i > 0);
		EXPECT_EQ(fake_secret(o.fds[1], QUIC_CRYPTO_EARLY, false)->set,
			  i == 1);
		EXPECT_EQ(!!(gnutls_session_get_flags(o.sessions[0]) &
			     GNUTLS_SFLAGS_EARLY_DATA), i == 1);
		if (!i) {
			size = sizeof(data);
			EXPECT_EQ(quic_session_get_data(o.sessions[0], data,
							&size), 0);
		}
		own_free(&o);
	}
	gnutls_free(key.data);
}
