// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the cases that the arguments name (patterns; none: all), prints KTAP.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

static char scratch_dir[] = "/tmp/libquic-test-XXXXXX";
static unsigned int failures;

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	failures++;
	printf("# %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static const char *path_of(const char *dir, const char *name)
{
	static char paths[256][512];
	static unsigned int next;
	char *path = paths[next++ % 256];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

const char *pki(const char *name) { return path_of(PKI_DIR, name); }
const char *scratch(const char *name) { return path_of(scratch_dir, name); }

void write_file(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "w");

	assert(f && fwrite(data, 1, size, f) == size);
	fclose(f);
}

size_t read_file(const char *path, void *data, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert(f);
	n = fread(data, 1, room, f);
	fclose(f);
	return n;
}

/* What a case made, to be released behind it. */
static struct quic_credentials *held[64];
static unsigned int nr_held;

static struct quic_credentials *hold(struct quic_credentials *creds)
{
	EXPECT(nr_held < sizeof(held) / sizeof(held[0]));
	held[nr_held++] = creds;
	return creds;
}

static void release_held(void)
{
	while (nr_held)
		quic_credentials_destroy(held[--nr_held]);
}

struct quic_credentials *client_creds(const char *ca)
{
	struct quic_credentials *creds = NULL;

	EXPECT_EQ(quic_credentials_create_client(&creds), 0);
	if (ca)
		EXPECT_EQ(quic_credentials_set_ca_file(creds, pki(ca)), 0);
	return hold(creds);
}

struct quic_credentials *server_creds(const char *cert, const char *key)
{
	struct quic_credentials *creds = NULL;

	EXPECT_EQ(quic_credentials_create_server(&creds), 0);
	if (cert)
		EXPECT_EQ(quic_credentials_set_certificate(creds, pki(cert),
							   pki(key)), 0);
	return hold(creds);
}

void pair_init(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	fake_pair(p->fds);
	p->client.fd = p->fds[0];
	p->server.fd = p->fds[1];
	p->client.opts.size = p->server.opts.size = sizeof(p->client.opts);
	p->client.opts.alpns = p->server.opts.alpns = "test";
}

/* One step of one side; false if there was nothing to do. */
static bool end_move(struct end *e)
{
	ssize_t n;

	if (e->ret != 1)
		return false;
	if (!e->step) {
		e->ret = quic_tls_step(e->tls, &e->step);
	} else {
		if (e->step->op == QUIC_HANDSHAKE_STEP_OP_SENDMSG)
			n = sendmsg(e->fd, e->step->s_sendmsg.msg,
				    e->step->s_sendmsg.flags);
		else
			n = recvmsg(e->fd, e->step->s_recvmsg.msg,
				    e->step->s_recvmsg.flags);
		if (n < 0 && errno == EINTR)
			return true;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			n = -errno;
		if (e->step->op == QUIC_HANDSHAKE_STEP_OP_SENDMSG)
			e->step->s_sendmsg.retval = n;
		else
			e->step->s_recvmsg.retval = n;
		e->ret = quic_tls_step(e->tls, &e->step);
	}
	if (!e->ret && e->step)
		e->ret = 1;
	return true;
}

void pair_run(struct pair *p)
{
	unsigned int idle = 0;

	p->client.ret = quic_tls_create_client(p->client.fd, &p->client.opts,
					       &p->client.tls);
	p->server.ret = quic_tls_create_server(p->server.fd, &p->server.opts,
					       &p->server.tls);
	if (!p->client.ret)
		p->client.ret = 1;
	if (!p->server.ret)
		p->server.ret = 1;
	/* the fake may answer EAGAIN a few times although there is data */
	while ((p->client.ret == 1 || p->server.ret == 1) && idle < 100) {
		if (end_move(&p->client) | end_move(&p->server))
			idle = 0;
		else
			idle++;
	}
	if (p->client.ret == 1)
		p->client.ret = -EDEADLK;
	if (p->server.ret == 1)
		p->server.ret = -EDEADLK;
	p->client.res.size = p->server.res.size = sizeof(p->client.res);
	if (p->client.tls)
		EXPECT_EQ(quic_tls_get_result(p->client.tls, &p->client.res), 0);
	if (p->server.tls)
		EXPECT_EQ(quic_tls_get_result(p->server.tls, &p->server.res), 0);
}

void pair_free(struct pair *p)
{
	quic_tls_destroy(p->client.tls);
	quic_tls_destroy(p->server.tls);
	fake_release(p->fds);
}

static void expect_same_secret(struct pair *p, int level, bool client_sends)
{
	const struct fake_secret *a = fake_secret(p->fds[0], level, client_sends);
	const struct fake_secret *b = fake_secret(p->fds[1], level, !client_sends);

	EXPECT(a->set);
	EXPECT(b->set);
	EXPECT_EQ(a->type, b->type);
	EXPECT(!memcmp(a->secret, b->secret, sizeof(a->secret)));
}

void pair_expect_success(struct pair *p)
{
	static const uint8_t zero[48];
	const struct fake_secret *tx, *rx, *hs;

	EXPECT_EQ(p->client.ret, 0);
	EXPECT_EQ(p->server.ret, 0);
	if (p->client.ret || p->server.ret) {
		printf("# client: %s; server: %s\n",
		       quic_strerror(p->client.ret),
		       quic_strerror(p->server.ret));
		return;
	}
	expect_same_secret(p, QUIC_CRYPTO_HANDSHAKE, true);
	expect_same_secret(p, QUIC_CRYPTO_HANDSHAKE, false);
	expect_same_secret(p, QUIC_CRYPTO_APP, true);
	expect_same_secret(p, QUIC_CRYPTO_APP, false);
	tx = fake_secret(p->fds[0], QUIC_CRYPTO_APP, true);
	rx = fake_secret(p->fds[0], QUIC_CRYPTO_APP, false);
	hs = fake_secret(p->fds[0], QUIC_CRYPTO_HANDSHAKE, true);
	EXPECT(memcmp(tx->secret, rx->secret, 32));
	EXPECT(memcmp(tx->secret, hs->secret, 32));
	EXPECT(memcmp(tx->secret, zero, 32));
	EXPECT_EQ(fake_state(p->fds[0]), FAKE_ESTABLISHED);
	EXPECT_EQ(fake_state(p->fds[1]), FAKE_ESTABLISHED);
	EXPECT(p->client.res.complete);
	EXPECT(p->server.res.complete);
	EXPECT_EQ(p->client.res.cipher_type, tx->type);
	EXPECT_EQ(p->server.res.cipher_type, tx->type);
}

static struct test *tests, **tests_end = &tests;

void test_register(struct test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

void pair_succeed(struct pair *p)
{
	pair_run(p);
	pair_expect_success(p);
}

static bool is_wanted(const struct test *t, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!fnmatch(argv[i], t->name, 0))
			return true;
	return argc == 1;
}

void pair_init_cert(struct pair *p)
{
	pair_init(p);
	p->client.opts.credentials = client_creds("ca.pem");
	p->client.opts.hostname = "localhost";
	p->server.opts.credentials = server_creds("server.pem", "server.key");
}

void pair_set_server(struct pair *p, const char *cert, const char *key)
{
	p->server.opts.credentials = server_creds(cert, key);
}

void expect_client_refused(struct pair *p, int error, int alert)
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

void expect_server_refused(struct pair *p, int error, int alert)
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

int main(int argc, char **argv)
{
	unsigned int total = 0, number = 0, bad = 0;
	const struct test *t;
	char command[64];

	if (access(pki("server.pem"), R_OK) || !mkdtemp(scratch_dir)) {
		perror("test certificates or a scratch folder");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = tests; t; t = t->next)
		total += is_wanted(t, argc, argv);
	printf("KTAP version 1\n1..%u\n", total);
	for (t = tests; t; t = t->next) {
		if (!is_wanted(t, argc, argv))
			continue;
		failures = 0;
		t->run();
		release_held();
		bad += failures != 0;
		printf("%s %u %s\n", failures ? "not ok" : "ok", ++number,
		       t->name);
	}
	snprintf(command, sizeof(command), "rm -rf %s", scratch_dir);
	if (system(command))
		return 1;
	if (!total)
		fprintf(stderr, "no case has such a name\n");
	return bad || !total;
}
