// SPDX-License-Identifier: GPL-2.0-or-later
/* Each call and each option in each state: uapi.md, sections 2.2 and 5. */
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <linux/tls.h>

#include "pair.h"

enum state {
	FRESH, BOUND, LISTENING, CLIENT_CONNECTING, SERVER_CONNECTING, CLIENT_OPEN, SERVER_OPEN,
	CLIENT_ENDED, SERVER_ENDED, STATES
};

static const char * const state_names[] = {
	"fresh", "bound", "listening", "connecting client", "connecting server", "open client",
	"open server", "ended client", "ended server",
};

/* A socket in a state, with those that it needs to be there. */
struct scene {
	struct pair pair;
	int fd;
};

static void scene_open(struct scene *scene, enum state state)
{
	struct pair *pair = &scene->pair;
	union address address;

	memset(scene, 0, sizeof(*scene));
	pair->client = pair->server = pair->listener = -1;
	if (state == FRESH || state == BOUND) {
		scene->fd = pair->client = quic_socket(AF_INET, SOCK_DGRAM);
		loopback(AF_INET, 0, &address);
		if (state == BOUND)
			ASSERT_EQ(bind(scene->fd, &address.sa, sizeof(address.v4)), 0);
	} else if (state <= SERVER_CONNECTING) {
		pair->listener = make_listener(AF_INET, &pair->address);
		pair->client = make_client(&pair->address);
		pair->server = accept(pair->listener, NULL, NULL);
		ASSERT_GE(pair->server, 0);
		expect_handshake(pair->server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	} else {
		pair_open(pair, AF_INET);
	}
	if (state == LISTENING)
		scene->fd = pair->listener;
	else if (state == SERVER_CONNECTING || state == SERVER_OPEN || state == SERVER_ENDED)
		scene->fd = pair->server;
	else
		scene->fd = pair->client;
	if (state == CLIENT_ENDED || state == SERVER_ENDED) {
		ASSERT_EQ(shutdown(pair->client, SHUT_RDWR), 0);
		ASSERT_TRUE(wait_for(pair->server, POLLHUP, 2000));
	}
	set_nonblock(scene->fd, true);
}

static int call_bind(int fd)
{
	union address address;

	loopback(AF_INET, 0, &address);
	return bind(fd, &address.sa, sizeof(address.v4));
}

static int call_connect(int fd)
{
	union address address;

	loopback(AF_INET, 4433, &address);
	return connect(fd, &address.sa, sizeof(address.v4));
}

static int call_listen(int fd) { return listen(fd, 3); }
static int call_listen_0(int fd) { return listen(fd, 0); }
static int call_accept(int fd) { return accept(fd, NULL, NULL); }
static int call_shutdown_wr(int fd) { return shutdown(fd, SHUT_WR); }
static int call_shutdown_rd(int fd) { return shutdown(fd, SHUT_RD); }
static int call_shutdown_rdwr(int fd) { return shutdown(fd, SHUT_RDWR); }
static int call_shutdown_3(int fd) { return shutdown(fd, 3); }

static int call_recv(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0);
}

static int call_write(int fd)
{
	return write(fd, "x", 1) == 1 ? 0 : -1;
}

static int call_send(int fd)
{
	return send(fd, "x", 1, MSG_QUIC_STREAM_NEW | MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int call_send_handshake(int fd)
{
	return send_handshake(fd, QUIC_CRYPTO_INITIAL, "x", 1, 0) == 1 ? 0 : -1;
}

static int call_send_datagram(int fd)
{
	return send(fd, "x", 1, MSG_QUIC_DATAGRAM) == 1 ? 0 : -1;
}

static int call_getsockname(int fd)
{
	union address address;
	socklen_t len = sizeof(address);

	return getsockname(fd, &address.sa, &len);
}

static int call_getpeername(int fd)
{
	union address address;
	socklen_t len = sizeof(address);

	return getpeername(fd, &address.sa, &len);
}

static int call_inq(int fd)
{
	int value;

	return ioctl(fd, SIOCINQ, &value);
}

static int call_outq(int fd)
{
	int value;

	return ioctl(fd, SIOCOUTQ, &value);
}

static int call_outqnsd(int fd)
{
	int value;

	return ioctl(fd, SIOCOUTQNSD, &value);
}

static int call_ioctl_unknown(int fd)
{
	int value;

	return ioctl(fd, 0x7fff, &value);
}

struct row {
	const char *name;
	int (*call)(int fd);
	int err[STATES];	/* errno, 0: success */
};

static void check_rows(const struct row *rows, size_t n)
{
	struct scene scene;
	enum state state;
	size_t i;
	int ret;

	for (i = 0; i < n; i++) {
		for (state = FRESH; state < STATES; state++) {
			scene_open(&scene, state);
			errno = 0;
			ret = rows[i].call(scene.fd);
			if ((ret < 0 ? errno : 0) != rows[i].err[state])
				test_fail(__FILE__, __LINE__, "%s, %s: %s, not %s", rows[i].name,
					  state_names[state], strerror(ret < 0 ? errno : 0),
					  strerror(rows[i].err[state]));
			pair_close(&scene.pair);
		}
	}
}

#define CHECK_ROWS(rows)	check_rows(rows, sizeof(rows) / sizeof(rows[0]))
#define ALL(err)		{ err, err, err, err, err, err, err, err, err }

/* uapi.md, section 2.2: naming and listening */
TEST(calls_that_name)
{
	static const struct row rows[] = {
		{ "bind", call_bind, { 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL,
				       EINVAL } },
		{ "connect", call_connect, { 0, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL,
					     EINVAL } },
		{ "listen", call_listen, { 0, 0, 0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL,
					   EINVAL } },
		{ "listen(0)", call_listen_0, { EINVAL, EINVAL, 0, EINVAL, EINVAL, EINVAL, EINVAL,
						EINVAL, EINVAL } },
		{ "accept", call_accept, { EINVAL, EINVAL, EAGAIN, EINVAL, EINVAL, EINVAL, EINVAL,
					   EINVAL, EINVAL } },
		{ "getsockname", call_getsockname, ALL(0) },
		{ "getpeername", call_getpeername, { ENOTCONN, ENOTCONN, ENOTCONN, 0, 0, 0, 0,
						     ENOTCONN, ENOTCONN } },
	};

	CHECK_ROWS(rows);
}

/* uapi.md, section 2.2: data; 3.1 and 3.3 to 3.5 for the sending ones */
TEST(calls_that_move_data)
{
	static const struct row rows[] = {
		{ "recv", call_recv, { ENOTCONN, ENOTCONN, ENOTCONN, EAGAIN, EAGAIN, EAGAIN, EAGAIN,
				       ENOTCONN, ENOTCONN } },
		/* Without NEW there is no stream to write to. */
		{ "write", call_write, { EPIPE, EPIPE, EPIPE, EINVAL, EINVAL, EINVAL, EINVAL, EPIPE,
					 EPIPE } },
		{ "send", call_send, { EPIPE, EPIPE, EPIPE, EINVAL, EINVAL, 0, 0, EPIPE, EPIPE } },
		{ "handshake", call_send_handshake, { EPIPE, EPIPE, EPIPE, 0, 0, EINVAL, EINVAL,
						      EPIPE, EPIPE } },
		{ "datagram", call_send_datagram, { EPIPE, EPIPE, EPIPE, EINVAL, EINVAL, EINVAL,
						    EINVAL, EPIPE, EPIPE } },
	};

	CHECK_ROWS(rows);
}

/* uapi.md, sections 2.2, 2.8 and 2.11 */
TEST(calls_that_end_or_look)
{
	static const struct row rows[] = {
		{ "SHUT_WR", call_shutdown_wr, { ENOTCONN, ENOTCONN, 0, 0, 0, 0, 0, ENOTCONN,
						 ENOTCONN } },
		{ "SHUT_RD", call_shutdown_rd, { ENOTCONN, ENOTCONN, EOPNOTSUPP, 0, 0, 0, 0, ENOTCONN,
						 ENOTCONN } },
		{ "SHUT_RDWR", call_shutdown_rdwr, { ENOTCONN, ENOTCONN, EOPNOTSUPP, 0, 0, 0, 0,
						     ENOTCONN, ENOTCONN } },
		{ "shutdown(3)", call_shutdown_3, ALL(EINVAL) },
		{ "SIOCINQ", call_inq, { 0, 0, EINVAL, 0, 0, 0, 0, 0, 0 } },
		{ "SIOCOUTQ", call_outq, { 0, 0, EINVAL, 0, 0, 0, 0, 0, 0 } },
		{ "SIOCOUTQNSD", call_outqnsd, { 0, 0, EINVAL, 0, 0, 0, 0, 0, 0 } },
		{ "unknown ioctl", call_ioctl_unknown, ALL(ENOTTY) },
	};

	CHECK_ROWS(rows);
}

/* uapi.md, section 5, the overview: a value that is right where the state is. */
struct option_row {
	const char *name;
	int option;
	size_t size;
	int set[STATES], get[STATES];
};

static const void *option_value(int option)
{
	static struct quic_event_option event = { QUIC_EVENT_KEY_UPDATE, 1 };
	static struct quic_crypto_secret secret = { .level = QUIC_CRYPTO_HANDSHAKE,
						    .type = TLS_CIPHER_AES_GCM_128 };
	static struct quic_transport_param param = { .max_idle_timeout = 20000000 };
	static struct quic_config config = { .receive_session_ticket = 1 };
	static struct quic_stream_info stream = { .stream_id = -1 };
	static char bytes[4096] = "h3";

	switch (option) {
	case QUIC_SOCKOPT_EVENT:
		return &event;
	case QUIC_SOCKOPT_STREAM_OPEN:
		return &stream;
	case QUIC_SOCKOPT_TRANSPORT_PARAM:
		return &param;
	case QUIC_SOCKOPT_CONFIG:
		return &config;
	case QUIC_SOCKOPT_CRYPTO_SECRET:
		return &secret;
	default:
		return bytes;
	}
}

#define NOPROTO	ALL(ENOPROTOOPT)

TEST(options_by_state)
{
	static const struct option_row rows[] = {
		{ "EVENT", QUIC_SOCKOPT_EVENT, 2, ALL(0), ALL(0) },
		{ "STREAM_OPEN", QUIC_SOCKOPT_STREAM_OPEN, 16, NOPROTO,
		  { EPIPE, EPIPE, EPIPE, EINVAL, EINVAL, 0, 0, EPIPE, EPIPE } },
		/* stream 0 is not there: EINVAL in every state */
		{ "STREAM_RESET", QUIC_SOCKOPT_STREAM_RESET, 16, ALL(EINVAL), NOPROTO },
		{ "STOP_SENDING", QUIC_SOCKOPT_STREAM_STOP_SENDING, 16, ALL(EINVAL), NOPROTO },
		{ "CONNECTION_ID", QUIC_SOCKOPT_CONNECTION_ID, 12,
		  { EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, 0, EINVAL, EINVAL },
		  { EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, 0, EINVAL, EINVAL } },
		{ "CONNECTION_CLOSE", QUIC_SOCKOPT_CONNECTION_CLOSE, 72, ALL(0), ALL(0) },
		{ "TRANSPORT_PARAM", QUIC_SOCKOPT_TRANSPORT_PARAM, 56,
		  { 0, 0, 0, 0, 0, EINVAL, EINVAL, 0, 0 }, ALL(0) },
		{ "CONFIG", QUIC_SOCKOPT_CONFIG, 28, { 0, 0, 0, 0, 0, EINVAL, EINVAL, 0, 0 },
		  ALL(0) },
		{ "ALPN", QUIC_SOCKOPT_ALPN, 2, { 0, 0, EINVAL, 0, 0, 0, 0, 0, 0 }, ALL(0) },
		{ "SESSION_TICKET", QUIC_SOCKOPT_SESSION_TICKET, 64, ALL(0),
		  { 0, 0, EPIPE, 0, 0, 0, 0, 0, EPIPE } },
		{ "CRYPTO_SECRET", QUIC_SOCKOPT_CRYPTO_SECRET, 56,
		  { EINVAL, EINVAL, EINVAL, 0, 0, EINVAL, EINVAL, EINVAL, EINVAL }, NOPROTO },
	};
	struct scene scene;
	enum state state;
	char buffer[4096];
	socklen_t len;
	int ret;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (state = FRESH; state < STATES; state++) {
			scene_open(&scene, state);
			memcpy(buffer, option_value(rows[i].option), rows[i].size);
			len = rows[i].size < 128 ? 128 : sizeof(buffer);
			errno = 0;
			ret = getsockopt(scene.fd, SOL_QUIC, rows[i].option, buffer, &len);
			if ((ret ? errno : 0) != rows[i].get[state])
				test_fail(__FILE__, __LINE__, "get %s, %s: %s, not %s",
					  rows[i].name, state_names[state],
					  strerror(ret ? errno : 0), strerror(rows[i].get[state]));
			errno = 0;
			ret = setsockopt(scene.fd, SOL_QUIC, rows[i].option,
					 option_value(rows[i].option), rows[i].size);
			if ((ret ? errno : 0) != rows[i].set[state])
				test_fail(__FILE__, __LINE__, "set %s, %s: %s, not %s",
					  rows[i].name, state_names[state],
					  strerror(ret ? errno : 0), strerror(rows[i].set[state]));
			pair_close(&scene.pair);
		}
	}
}

/* uapi.md, sections 4.4 and 4.5: while connecting only; a body that is too long closes nothing. */
TEST(transport_params_ext_by_state)
{
	static char long_body[4097];
	struct scene scene;
	enum state state;
	char buffer[256];
	socklen_t len;

	for (state = FRESH; state < STATES; state++) {
		bool connecting = state == CLIENT_CONNECTING || state == SERVER_CONNECTING;

		scene_open(&scene, state);
		len = sizeof(buffer);
		EXPECT_EQ(getsockopt(scene.fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, buffer,
				     &len), connecting ? 0 : -1);
		EXPECT_TRUE(connecting ? len > 10 : errno == EINVAL);
		len = 5;
		EXPECT_ERRNO(getsockopt(scene.fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, buffer,
					&len), EINVAL);
		EXPECT_EQ(len, 5);
		EXPECT_ERRNO(setsockopt(scene.fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT,
					long_body, sizeof(long_body)), EINVAL);
		if (connecting)
			EXPECT_EQ(send_handshake(scene.fd, QUIC_CRYPTO_INITIAL, "x", 1, 0), 1);
		pair_close(&scene.pair);
	}
}

/* uapi.md, section 4.3 */
TEST(secrets_that_are_refused)
{
	struct quic_crypto_secret secret = { .type = TLS_CIPHER_AES_GCM_128 };
	struct scene scene;
	int type;

	scene_open(&scene, CLIENT_CONNECTING);
#define SET()	setsockopt(scene.fd, SOL_QUIC, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret))
	secret.level = QUIC_CRYPTO_INITIAL;
	EXPECT_ERRNO(SET(), EINVAL);
	secret.level = QUIC_CRYPTO_MAX;
	EXPECT_ERRNO(SET(), EINVAL);
	secret.level = QUIC_CRYPTO_HANDSHAKE;
	for (type = 49; type < 58; type++) {
		if (type >= TLS_CIPHER_AES_GCM_128 && type <= TLS_CIPHER_CHACHA20_POLY1305)
			continue;
		secret.type = type;
		EXPECT_ERRNO(SET(), EINVAL);
	}
	/* Each direction of each level, in any order, also what is of no use here. */
	secret.type = TLS_CIPHER_AES_GCM_128;
	for (secret.send = 0; secret.send < 2; secret.send++) {
		secret.level = QUIC_CRYPTO_EARLY;
		EXPECT_EQ(SET(), 0);
		secret.level = QUIC_CRYPTO_HANDSHAKE;
		EXPECT_EQ(SET(), 0);
	}
#undef SET
	pair_close(&scene.pair);
}

/* uapi.md, section 2.7: first come, first served. */
TEST(accept_takes_the_oldest)
{
	union address address, local, peer;
	int listener = make_listener(AF_INET, &address);
	int client[5], server[5], i;
	socklen_t len;

	for (i = 0; i < 5; i++)
		client[i] = make_client(&address);
	for (i = 0; i < 5; i++) {
		len = sizeof(peer);
		server[i] = accept(listener, &peer.sa, &len);
		ASSERT_GE(server[i], 0);
		len = sizeof(local);
		ASSERT_EQ(getsockname(client[i], &local.sa, &len), 0);
		EXPECT_EQ(address_port(&peer), address_port(&local));
	}
	for (i = 0; i < 5; i++) {
		close(client[i]);
		close(server[i]);
	}
	close(listener);
}
