// SPDX-License-Identifier: GPL-2.0-or-later
/* 0-RTT on sockets: uapi.md, sections 4.3, 4.9 and 11.3; and what follows from remembered parameters. */
#include <linux/tls.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define CIPHER	TLS_CIPHER_AES_GCM_128

/* What the server of these tests tells by default. */
static const struct quic_transport_param remembered = {
	.remote = 1,
	.max_streams_bidi = 100,
	.max_streams_uni = 100,
	.max_data = 65535 * 32,
	.max_stream_data_bidi_local = 65535 * 16,
	.max_stream_data_bidi_remote = 65535 * 16,
	.max_stream_data_uni = 65535 * 16,
	.max_udp_payload_size = 1400,	/* several packets, in spite of loopback's MTU */
};

/* The server's parameters for the client: it tells them only while its handshake goes on. */
static char params[1024];
static socklen_t params_len;

static int remember(int fd, const struct quic_transport_param *param)
{
	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, param, sizeof(*param));
}

/* A client with @len bytes of early data on stream 0, up to its ClientHello. */
static void client_begin(struct pair *pair, const union address *to, const void *data, size_t len)
{
	pair->client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(connect(pair->client, &to->sa, address_len(to)), 0);
	ASSERT_EQ(remember(pair->client, &remembered), 0);
	ASSERT_EQ(stream_send(pair->client, data, len, 0, NEW | FIN, 0), len);
	ASSERT_EQ(set_secret(pair->client, true, QUIC_CRYPTO_EARLY, CIPHER, "client early"), 0);
	ASSERT_EQ(send_handshake(pair->client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
}

static void server_accept(struct pair *pair)
{
	pair->server = accept(pair->listener, NULL, NULL);
	ASSERT_GE(pair->server, 0);
	set_timeout(pair->server, SO_RCVTIMEO, 10000 * test_slow());
}

/* The server's flight; its receive secret of 0-RTT only if @accepts. */
static void server_flight(struct pair *pair, bool accepts)
{
	int server = pair->server;

	expect_handshake(server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	move_params(pair->client, server);
	if (accepts)
		ASSERT_EQ(set_secret(server, false, QUIC_CRYPTO_EARLY, CIPHER, "client early"), 0);
	ASSERT_EQ(set_secret(server, true, QUIC_CRYPTO_HANDSHAKE, CIPHER, "server hs"), 0);
	ASSERT_EQ(set_secret(server, false, QUIC_CRYPTO_HANDSHAKE, CIPHER, "client hs"), 0);
	ASSERT_EQ(send_handshake(server, QUIC_CRYPTO_INITIAL, "server hello", 12, MSG_MORE), 12);
	ASSERT_EQ(send_handshake(server, QUIC_CRYPTO_HANDSHAKE, "server finished", 15, 0), 15);
	params_len = sizeof(params);
	ASSERT_EQ(getsockopt(server, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params,
			     &params_len), 0);
	ASSERT_EQ(set_secret(server, true, QUIC_CRYPTO_APP, CIPHER, "server app"), 0);
}

static void server_finish(struct pair *pair)
{
	ASSERT_EQ(set_secret(pair->server, false, QUIC_CRYPTO_APP, CIPHER, "client app"), 0);
}

/* The client's part up to its parameters. */
static void client_go_on(struct pair *pair)
{
	int client = pair->client;

	expect_handshake(client, QUIC_CRYPTO_INITIAL, "server hello", 12);
	ASSERT_EQ(set_secret(client, true, QUIC_CRYPTO_HANDSHAKE, CIPHER, "client hs"), 0);
	ASSERT_EQ(set_secret(client, false, QUIC_CRYPTO_HANDSHAKE, CIPHER, "server hs"), 0);
	expect_handshake(client, QUIC_CRYPTO_HANDSHAKE, "server finished", 15);
	ASSERT_EQ(setsockopt(client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params,
			     params_len), 0);
	ASSERT_EQ(set_secret(client, true, QUIC_CRYPTO_APP, CIPHER, "client app"), 0);
}

static void client_finish(struct pair *pair)
{
	int client = pair->client;

	client_go_on(pair);
	ASSERT_EQ(set_secret(client, false, QUIC_CRYPTO_APP, CIPHER, "server app"), 0);
	ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_HANDSHAKE, "client finished", 15, 0), 15);
}

static void expect_stream(int fd, int64_t id, uint8_t seed, size_t len)
{
	static char buffer[1 << 16];
	uint32_t flags = 0;
	size_t got = 0;
	int64_t seen;
	ssize_t n;

	while (!(flags & FIN)) {
		n = stream_recv(fd, buffer, sizeof(buffer), &seen, &flags, 0);
		ASSERT_GE(n, 0);
		if (flags & MSG_QUIC_NOTIFICATION)
			continue;
		ASSERT_EQ(seen, id);
		ASSERT_TRUE(check_pattern(buffer, n, got, seed));
		got += n;
	}
	EXPECT_EQ(got, len);
}

/* Both ends talk, so nothing of the connection was harmed. */
static void expect_talk(struct pair *pair)
{
	char data[100];

	fill_pattern(data, sizeof(data), 0, 9);
	ASSERT_EQ(stream_send(pair->client, data, sizeof(data), -1, NEW | FIN, 0), sizeof(data));
	expect_stream(pair->server, 4, 9, sizeof(data));
	ASSERT_EQ(stream_send(pair->server, data, sizeof(data), 0, FIN, 0), sizeof(data));
	expect_stream(pair->client, 0, 9, sizeof(data));
}

static void early_data_is_accepted(const struct quic_config *listener)
{
	struct pair pair = {};
	char data[3000], byte;

	pair.listener = make_listener(AF_INET, &pair.address);
	ASSERT_EQ(setsockopt(pair.listener, SOL_QUIC, QUIC_SOCKOPT_CONFIG, listener,
			     sizeof(*listener)), 0);
	ASSERT_EQ(set_event(pair.listener, QUIC_EVENT_STREAM_UPDATE, true), 0);
	fill_pattern(data, sizeof(data), 0, 1);
	client_begin(&pair, &pair.address, data, sizeof(data));
	server_accept(&pair);
	server_flight(&pair, true);
	/* Whoever drives the handshake sees nothing else: neither data nor events. */
	EXPECT_ERRNO(recv(pair.server, &byte, 1, MSG_DONTWAIT), EAGAIN);
	EXPECT_TRUE(!wait_for(pair.server, POLLIN, 50));
	/* The client has no 1-RTT key yet: this came in 0-RTT packets. */
	server_finish(&pair);
	EXPECT_TRUE(wait_for(pair.server, POLLIN, 2000));
	expect_stream(pair.server, 0, 1, sizeof(data));
	/* The server waits for no Finished: what it says with its keys confirms the handshake. */
	client_go_on(&pair);
	ASSERT_EQ(set_secret(pair.client, false, QUIC_CRYPTO_APP, CIPHER, "server app"), 0);
	expect_talk(&pair);
	pair_close(&pair);
}

TEST(early_data_is_read_after_the_servers_handshake)
{
	static const struct quic_config unchanged;

	early_data_is_accepted(&unchanged);
}

/* RFC 9369, section 4.1: 0-RTT packets stay in the version of the first one, and so do their keys. */
TEST(early_data_keeps_the_version_that_it_left_in)
{
	static const struct quic_config prefers = { .version = QUIC_VERSION_V2 };

	early_data_is_accepted(&prefers);
}

TEST(rejected_early_data_comes_again)
{
	struct pair pair = {};
	char data[5000];

	pair.listener = make_listener(AF_INET, &pair.address);
	fill_pattern(data, sizeof(data), 0, 2);
	client_begin(&pair, &pair.address, data, sizeof(data));
	server_accept(&pair);
	server_flight(&pair, false);
	client_finish(&pair);
	expect_handshake(pair.server, QUIC_CRYPTO_HANDSHAKE, "client finished", 15);
	server_finish(&pair);
	expect_stream(pair.server, 0, 2, sizeof(data));
	expect_talk(&pair);
	pair_close(&pair);
}

TEST(both_early_secrets_on_both_sides_do_no_harm)
{
	struct pair pair = {};
	char data[200];

	pair.listener = make_listener(AF_INET, &pair.address);
	fill_pattern(data, sizeof(data), 0, 3);
	client_begin(&pair, &pair.address, data, sizeof(data));
	EXPECT_EQ(set_secret(pair.client, false, QUIC_CRYPTO_EARLY, CIPHER, "server early"), 0);
	server_accept(&pair);
	EXPECT_EQ(set_secret(pair.server, true, QUIC_CRYPTO_EARLY, CIPHER, "server early"), 0);
	server_flight(&pair, true);
	client_finish(&pair);
	expect_handshake(pair.server, QUIC_CRYPTO_HANDSHAKE, "client finished", 15);
	server_finish(&pair);
	expect_stream(pair.server, 0, 3, sizeof(data));
	expect_talk(&pair);
	pair_close(&pair);
}

/* RFC 9221, section 3: datagrams, too, under what is remembered of the server. */
TEST(early_datagram_is_read_after_the_servers_handshake)
{
	struct quic_transport_param param = remembered, takes = { .max_datagram_frame_size = 2000 };
	struct pair pair = {};
	char buffer[100];
	struct msghdr msg = {};
	struct iovec iov = { buffer, sizeof(buffer) };

	pair.listener = make_listener(AF_INET, &pair.address);
	ASSERT_EQ(remember(pair.listener, &takes), 0);
	pair.client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(connect(pair.client, &pair.address.sa, address_len(&pair.address)), 0);
	param.max_datagram_frame_size = 2000;
	ASSERT_EQ(remember(pair.client, &param), 0);
	ASSERT_EQ(set_secret(pair.client, true, QUIC_CRYPTO_EARLY, CIPHER, "client early"), 0);
	ASSERT_EQ(send(pair.client, "early", 5, MSG_QUIC_DATAGRAM), 5);
	ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	server_accept(&pair);
	server_flight(&pair, true);
	EXPECT_ERRNO(recv(pair.server, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
	server_finish(&pair);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	ASSERT_EQ(recvmsg(pair.server, &msg, 0), 5);
	EXPECT_TRUE(msg.msg_flags & MSG_QUIC_DATAGRAM);
	EXPECT_TRUE(!memcmp(buffer, "early", 5));
	pair_close(&pair);
}

/* RFC 9000, section 7.4.1 #4: no stream and no byte beyond what is remembered. */
TEST(remembered_credit_bounds_early_data)
{
	struct quic_transport_param few = {
		.remote = 1, .max_streams_bidi = 2, .max_data = 3000,
		.max_stream_data_bidi_remote = 2000,
	}, got = { .remote = 1 };
	socklen_t len = sizeof(got);
	struct pair pair = {};
	char data[4000] = {};

	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = quic_socket(AF_INET, SOCK_DGRAM);
	EXPECT_ERRNO(remember(pair.client, &few), EINVAL);
	ASSERT_EQ(connect(pair.client, &pair.address.sa, address_len(&pair.address)), 0);
	EXPECT_ERRNO(stream_send(pair.client, data, 1, 0, NEW, 0), EINVAL);
	ASSERT_EQ(remember(pair.client, &few), 0);
	ASSERT_EQ(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0);
	EXPECT_EQ(got.max_data, 3000);
	EXPECT_EQ(got.max_streams_bidi, 2);
	EXPECT_EQ(got.max_streams_uni, 0);
	/* Beyond it there is no waiting. */
	EXPECT_ERRNO(stream_open(pair.client, 8, 0), EINVAL);
	EXPECT_ERRNO(stream_open(pair.client, 2, MSG_QUIC_STREAM_UNI), EINVAL);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, MSG_DONTWAIT), 2000);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 4, NEW, MSG_DONTWAIT), 1000);
	EXPECT_ERRNO(stream_send(pair.client, data, 1, 4, 0, MSG_DONTWAIT), ENOSPC);
	close(pair.client);
	close(pair.listener);
}

/* RFC 9000, section 7.4.1 #5 */
TEST(server_that_accepts_and_lowers_limits_is_closed)
{
	struct quic_transport_param lower = { .max_streams_bidi = 99 };
	union quic_event event;
	struct pair pair = {};
	char data[100];

	pair.listener = make_listener(AF_INET, &pair.address);
	fill_pattern(data, sizeof(data), 0, 4);
	client_begin(&pair, &pair.address, data, sizeof(data));
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	server_accept(&pair);
	ASSERT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &lower,
			     sizeof(lower)), 0);
	server_flight(&pair, true);
	client_go_on(&pair);
	/* The acknowledgement of its 0-RTT packets may be there already. */
	if (set_secret(pair.client, false, QUIC_CRYPTO_APP, CIPHER, "server app"))
		EXPECT_EQ(errno, EPIPE);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_EQ(event.close.errcode, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	pair_close(&pair);
}

/* The test itself between client and server: it takes their datagrams and passes them on as it likes. */
struct middle {
	int fd;
	union address address, client, server;
};

static void middle_open(struct middle *middle, const union address *server)
{
	middle->fd = udp_socket(AF_INET, NULL, &middle->address);
	middle->server = *server;
	set_timeout(middle->fd, SO_RCVTIMEO, 2000 * test_slow());
}

static ssize_t middle_recv(struct middle *middle, char *data, size_t size, int flags)
{
	union address from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(middle->fd, data, size, flags, &from.sa, &len);

	if (n > 0 && address_port(&from) != address_port(&middle->server))
		middle->client = from;
	return n;
}

static void middle_send(struct middle *middle, const union address *to, const char *data, size_t n)
{
	ASSERT_EQ(sendto(middle->fd, data, n, 0, &to->sa, address_len(to)), n);
}

/* RFC 9000, section 8.1: three times what came is enough for an answer before the client is heard again. */
TEST(server_answers_before_the_client_is_validated)
{
	char data[500], packet[4096];
	ssize_t came, n, sent = 0;
	struct pair pair = {};
	struct middle middle;

	pair.listener = make_listener(AF_INET, &pair.address);
	middle_open(&middle, &pair.address);
	pair.client = make_client(&middle.address);
	came = middle_recv(&middle, packet, sizeof(packet), 0);
	ASSERT_GE(came, 1200);
	middle_send(&middle, &middle.server, packet, came);
	server_accept(&pair);
	server_flight(&pair, false);
	fill_pattern(data, sizeof(data), 0, 6);
	ASSERT_EQ(stream_send(pair.server, data, sizeof(data), 3, NEW | FIN, 0), sizeof(data));
	/* In a 1-RTT packet, though the path would take larger ones than the server may send. */
	do {
		n = middle_recv(&middle, packet, sizeof(packet), 0);
		ASSERT_GE(n, 1);
		sent += n;
	} while (packet[0] & 0x80);
	EXPECT_LE(sent, 3 * came);
	close(middle.fd);
	pair_close(&pair);
}

/* RFC 9000, section 5.2.2: a listener keeps 0-RTT packets that overtook the Initial. */
TEST(early_packets_may_overtake_the_first_initial)
{
	static char first[1500], rest[16][1500];
	struct pair pair = {};
	struct middle middle;
	ssize_t n, len[16];
	char data[6000];
	int i, count = 0;

	pair.listener = make_listener(AF_INET, &pair.address);
	middle_open(&middle, &pair.address);
	fill_pattern(data, sizeof(data), 0, 5);
	client_begin(&pair, &middle.address, data, sizeof(data));
	n = middle_recv(&middle, first, sizeof(first), 0);
	ASSERT_GE(n, 1200);
	while (count < 16 && (len[count] = middle_recv(&middle, rest[count], 1500, MSG_DONTWAIT)) > 0) {
		EXPECT_EQ((uint8_t)rest[count][0] & 0xf0, 0xd0);	/* 0-RTT of version 1 */
		count++;
	}
	ASSERT_GE(count, 3);
	for (i = 0; i < count; i++)
		middle_send(&middle, &middle.server, rest[i], len[i]);
	EXPECT_TRUE(!wait_for(pair.listener, POLLIN, 50));
	middle_send(&middle, &middle.server, first, n);
	server_accept(&pair);
	server_flight(&pair, true);
	server_finish(&pair);
	/* Nothing more was passed on: all of it was kept. */
	expect_stream(pair.server, 0, 5, sizeof(data));
	close(middle.fd);
	pair_close(&pair);
}

/* What nobody asked for is bounded: early packets of strangers are dropped, a client is served. */
TEST(flood_of_early_packets_is_harmless)
{
	struct pair pair = {};
	struct middle middle;
	char packet[1200];
	int i;

	pair.listener = make_listener(AF_INET, &pair.address);
	middle_open(&middle, &pair.address);
	memset(packet, 0x55, sizeof(packet));
	memcpy(packet, "\xd0\0\0\0\1\x08", 6);
	packet[14] = 8;
	packet[23] = 0x44;
	packet[24] = (char)0x97;
	for (i = 0; i < 200; i++) {
		packet[6] = i;
		middle_send(&middle, &middle.server, packet, sizeof(packet));
	}
	EXPECT_TRUE(!wait_for(pair.listener, POLLIN, 50));
	pair_connect(&pair);
	close(middle.fd);
	pair_close(&pair);
}

static size_t make_ticket(uint8_t *message, uint32_t early_data)
{
	static const uint8_t start[] = {
		4, 0, 0, 31, 0, 0, 1, 0, 1, 2, 3, 4,	/* lifetime, age_add */
		2, 0xaa, 0xbb,				/* nonce */
		0, 8, 1, 2, 3, 4, 5, 6, 7, 8,		/* ticket */
		0, 8, 0, 42, 0, 4,			/* extensions: early_data */
	};

	memcpy(message, start, sizeof(start));
	message[sizeof(start)] = early_data >> 24;
	message[sizeof(start) + 1] = early_data >> 16;
	message[sizeof(start) + 2] = early_data >> 8;
	message[sizeof(start) + 3] = early_data;
	return sizeof(start) + 4;
}

/* RFC 9001, section 4.6.1 #2 */
TEST(ticket_with_a_limit_on_early_data_closes)
{
	union quic_event event;
	uint8_t message[64];
	struct pair pair;
	size_t len;
	int bad;

	for (bad = 0; bad < 2; bad++) {
		memset(&pair, 0, sizeof(pair));
		pair_open(&pair, AF_INET);
		ASSERT_EQ(set_event(pair.client, QUIC_EVENT_NEW_SESSION_TICKET, true), 0);
		ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
		len = make_ticket(message, bad ? 16384 : 0xffffffff);
		ASSERT_EQ(send_handshake(pair.server, QUIC_CRYPTO_APP, message, len, 0), len);
		if (bad) {
			ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, &event,
					       72));
			EXPECT_EQ(event.close.errcode, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
		} else {
			EXPECT_TRUE(wait_event(pair.client, QUIC_EVENT_NEW_SESSION_TICKET, &event,
					       len));
		}
		pair_close(&pair);
	}
}

/* RFC 9001, section 6 #2 */
TEST(tls_key_update_closes)
{
	union quic_event event;
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	ASSERT_EQ(send_handshake(pair.server, QUIC_CRYPTO_APP, "\x18\0\0\1\0", 5, 0), 5);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_EQ(event.close.errcode, 0x10a);
	pair_close(&pair);
}
