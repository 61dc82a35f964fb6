// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Short headers that a stranger made or changed on the way: bits that count and bits that do not,
 * packets before their time, and stateless resets for those that belong to nobody.
 */
#include <linux/tls.h>
#include <sys/random.h>
#include <unistd.h>

#include "proxy.h"

#define FIXED		0x40
#define SPIN		0x20
#define RESERVED	0x08	/* one of the two */
#define KEY_PHASE	0x04

#define TOKEN		16
#define CID		8

/* What happens to short headers on their way. */
struct change {
	bool to_server;
	uint8_t clear, set, flip;
	int left;		/* so many of them, -1: all */
	int changed;
	uint8_t dcid[CID];	/* of the last one to the server */
};

static bool change_short(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	struct change *change = proxy->arg;

	if (data[0] & 0x80 || *len < 1 + CID)
		return true;
	pthread_mutex_lock(&proxy->lock);
	if (to_server)
		memcpy(change->dcid, data + 1, CID);
	if (to_server == change->to_server && change->left) {
		data[0] = ((data[0] & ~change->clear) | change->set) ^ change->flip;
		change->changed++;
		change->left -= change->left > 0;
	}
	pthread_mutex_unlock(&proxy->lock);
	return true;
}

static void accept_through(struct pair *pair, struct proxy *proxy, struct change *change)
{
	pair->listener = make_listener(AF_INET, &pair->address);
	proxy_open(proxy, &pair->address, change_short, change);
	pair->client = make_client(&proxy->address);
	pair->server = accept(pair->listener, NULL, NULL);
	ASSERT_GE(pair->server, 0);
}

static void open_through(struct pair *pair, struct proxy *proxy, struct change *change,
			 bool plaintext)
{
	pair->client_param.disable_1rtt_encryption = plaintext;
	pair->server_param.disable_1rtt_encryption = plaintext;
	accept_through(pair, proxy, change);
	pair_handshake(pair);
	ASSERT_EQ(stream_send(pair->client, "hello", 5, 0, MSG_QUIC_STREAM_NEW, 0), 5);
	ASSERT_TRUE(wait_for(pair->server, POLLIN, 5000));
	ASSERT_EQ(recv(pair->server, (char[8]){}, 8, 0), 5);
}

static int changed(struct proxy *proxy, struct change *change)
{
	int n;

	pthread_mutex_lock(&proxy->lock);
	n = change->changed;
	pthread_mutex_unlock(&proxy->lock);
	return n;
}

static void change_from_now(struct proxy *proxy, struct change *change, struct change to)
{
	pthread_mutex_lock(&proxy->lock);
	memcpy(to.dcid, change->dcid, CID);
	*change = to;
	pthread_mutex_unlock(&proxy->lock);
}

static void close_through(struct pair *pair, struct proxy *proxy)
{
	pair_close(pair);
	proxy_close(proxy);
}

/* RFC 9000, section 17.3.1 #1: without the fixed bit it is no packet. */
TEST(short_header_without_fixed_bit_is_dropped)
{
	struct change change = {};
	struct pair pair = {};
	struct proxy proxy;
	char buffer[8];

	open_through(&pair, &proxy, &change, true);
	change_from_now(&proxy, &change,
			(struct change){ .to_server = true, .clear = FIXED, .left = -1 });
	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
	EXPECT_TRUE(!wait_for(pair.server, POLLIN, 200));
	EXPECT_GE(changed(&proxy, &change), 1);
	change_from_now(&proxy, &change, (struct change){});
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 10000));
	EXPECT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);
	close_through(&pair, &proxy);
}

/* RFC 9000, section 17.4 #4: nobody looks at the spin bit. */
TEST(spin_bit_is_ignored)
{
	struct change change = {};
	struct pair pair = {};
	struct proxy proxy;
	char buffer[8];
	int i;

	open_through(&pair, &proxy, &change, true);
	change_from_now(&proxy, &change,
			(struct change){ .to_server = true, .flip = SPIN, .left = -1 });
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
		ASSERT_TRUE(wait_for(pair.server, POLLIN, 10000));
		ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);
	}
	EXPECT_GE(changed(&proxy, &change), 5);
	close_through(&pair, &proxy);
}

/* RFC 9000, section 17.3.1 #3 */
TEST(reserved_bits_close)
{
	union quic_event event;
	struct change change = {};
	struct pair pair = {};
	struct proxy proxy;

	open_through(&pair, &proxy, &change, true);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	change_from_now(&proxy, &change,
			(struct change){ .to_server = true, .set = RESERVED, .left = 1 });
	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_EQ(event.close.errcode, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
	close_through(&pair, &proxy);
}

/*
 * RFC 9001, section 5.5 #1 #2: a packet that no key opens is dropped, also one that looks like the
 * first of a key update. RFC 9001, section 6.3 #2: a true one finds the next key beside the other.
 */
TEST(false_key_update_is_dropped)
{
	union quic_event event;
	struct change change = {};
	struct pair pair = {};
	struct proxy proxy;
	char buffer[8];
	int i;

	open_through(&pair, &proxy, &change, false);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_KEY_UPDATE, true), 0);
	for (i = 0; i < 3; i++) {
		change_from_now(&proxy, &change, (struct change){ .to_server = true,
				.flip = KEY_PHASE, .left = 1 });
		ASSERT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
		ASSERT_TRUE(wait_for(pair.server, POLLIN, 10000));
		/* An event would be read first. */
		ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);
		EXPECT_EQ(memcmp(buffer, "data", 4), 0);
		EXPECT_EQ(changed(&proxy, &change), 1);
	}
	ASSERT_EQ(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0), 0);
	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
	ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_KEY_UPDATE, &event, 1));
	close_through(&pair, &proxy);
}

/*
 * RFC 9001, section 5.7 #1 #2 #3: with the key there, 1-RTT packets still wait for the end of the
 * handshake. Each of these would close the connection.
 */
static void packets_before_completion(bool to_server)
{
	struct change change = { .to_server = to_server, .set = RESERVED, .left = -1 };
	const uint32_t cipher = TLS_CIPHER_AES_GCM_128;
	struct quic_transport_param param = { .disable_1rtt_encryption = 1 };
	struct pair pair = {};
	struct proxy proxy;
	int judge;

	accept_through(&pair, &proxy, &change);
	ASSERT_EQ(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param,
			     sizeof(param)), 0);
	ASSERT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param,
			     sizeof(param)), 0);
	judge = to_server ? pair.server : pair.client;
	expect_handshake(pair.server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	move_params(pair.client, pair.server);
	ASSERT_EQ(set_secret(pair.server, true, QUIC_CRYPTO_HANDSHAKE, cipher, "server hs"), 0);
	ASSERT_EQ(set_secret(pair.server, false, QUIC_CRYPTO_HANDSHAKE, cipher, "client hs"), 0);
	ASSERT_EQ(send_handshake(pair.server, QUIC_CRYPTO_INITIAL, "server hello", 12, MSG_MORE), 12);
	ASSERT_EQ(send_handshake(pair.server, QUIC_CRYPTO_HANDSHAKE, "server finished", 15, 0), 15);
	if (!to_server)
		ASSERT_EQ(set_secret(pair.server, true, QUIC_CRYPTO_APP, cipher, "server app"), 0);
	expect_handshake(pair.client, QUIC_CRYPTO_INITIAL, "server hello", 12);
	ASSERT_EQ(set_secret(pair.client, true, QUIC_CRYPTO_HANDSHAKE, cipher, "client hs"), 0);
	ASSERT_EQ(set_secret(pair.client, false, QUIC_CRYPTO_HANDSHAKE, cipher, "server hs"), 0);
	expect_handshake(pair.client, QUIC_CRYPTO_HANDSHAKE, "server finished", 15);
	move_params(pair.server, pair.client);
	ASSERT_EQ(set_secret(pair.client, false, QUIC_CRYPTO_APP, cipher, "server app"), 0);
	if (to_server) {
		ASSERT_EQ(set_secret(pair.client, true, QUIC_CRYPTO_APP, cipher, "client app"), 0);
		ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_HANDSHAKE, "client finished", 15,
					 0), 15);
		expect_handshake(pair.server, QUIC_CRYPTO_HANDSHAKE, "client finished", 15);
		ASSERT_EQ(set_secret(pair.server, false, QUIC_CRYPTO_APP, cipher, "client app"), 0);
		ASSERT_EQ(stream_send(pair.client, "data", 4, 0, MSG_QUIC_STREAM_NEW, 0), 4);
	} else {
		ASSERT_EQ(stream_send(pair.server, "data", 4, 1, MSG_QUIC_STREAM_NEW, 0), 4);
	}
	usleep(200000 * test_slow());
	EXPECT_GE(changed(&proxy, &change), 1);
	EXPECT_TRUE(!wait_for(judge, POLLHUP, 10));
	EXPECT_EQ(set_secret(judge, true, QUIC_CRYPTO_APP, cipher,
			     to_server ? "server app" : "client app"), 0);
	EXPECT_TRUE(wait_for(judge, POLLHUP, 5000));
	close_through(&pair, &proxy);
}

TEST(packets_of_1rtt_wait_for_the_servers_handshake)
{
	packets_before_completion(true);
}

TEST(packets_of_1rtt_wait_for_the_clients_handshake)
{
	packets_before_completion(false);
}

/* A short header of @len bytes with that ID; the size of what comes back, its token in @token. */
static size_t ask(int fd, const uint8_t *dcid, size_t len, uint8_t *token)
{
	uint8_t data[1500], answer[1500];
	size_t got;

	ASSERT_EQ(getrandom(data, len, 0), (ssize_t)len);
	data[0] = FIXED | (data[0] & 0x3f);
	memcpy(data + 1, dcid, CID);
	ASSERT_EQ(send(fd, data, len, 0), (ssize_t)len);
	got = udp_recv(fd, answer, sizeof(answer), 300);
	if (got < 1 + TOKEN)
		return got;
	EXPECT_EQ(answer[0] & 0xc0, FIXED);
	memcpy(token, answer + got - TOKEN, TOKEN);
	return got;
}

/* RFC 9000, section 10.3.3 #1: always smaller, so that two of them cannot go on for ever. */
TEST(reset_is_smaller_than_what_it_answers)
{
	static const size_t sizes[] = { 22, 23, 41, 42, 43, 44, 100, 1200 };
	uint8_t dcid[CID], token[TOKEN];
	union address address;
	int listener = make_listener(AF_INET, &address);
	int fd = udp_socket(AF_INET, &address, NULL);
	size_t i, got;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ASSERT_EQ(getrandom(dcid, sizeof(dcid), 0), sizeof(dcid));
		got = ask(fd, dcid, sizes[i], token);
		EXPECT_GE(got, 21);
		EXPECT_LE(got, sizes[i] - 1);
	}
	EXPECT_EQ(ask(fd, dcid, 21, token), 0);
	close(fd);
	close(listener);
}

/*
 * RFC 9000, section 10.3.2 #1 #2 #5: a token goes with one ID, eight bytes whatever follows them,
 * and with a key that is the listener's own.
 */
TEST(reset_tokens_differ)
{
	uint8_t dcid[CID], token[4][TOKEN];
	union address address;
	int listener = make_listener(AF_INET, &address);
	int fd = udp_socket(AF_INET, &address, NULL);

	ASSERT_EQ(getrandom(dcid, sizeof(dcid), 0), sizeof(dcid));
	ASSERT_GE(ask(fd, dcid, 100, token[0]), 21);
	ASSERT_GE(ask(fd, dcid, 60, token[1]), 21);
	EXPECT_EQ(memcmp(token[0], token[1], TOKEN), 0);
	dcid[CID - 1] ^= 1;
	ASSERT_GE(ask(fd, dcid, 100, token[2]), 21);
	EXPECT_TRUE(memcmp(token[0], token[2], TOKEN) != 0);
	dcid[CID - 1] ^= 1;
	close(fd);
	close(listener);

	listener = make_listener(AF_INET, &address);
	fd = udp_socket(AF_INET, &address, NULL);
	ASSERT_GE(ask(fd, dcid, 100, token[3]), 21);
	EXPECT_TRUE(memcmp(token[0], token[3], TOKEN) != 0);
	close(fd);
	close(listener);
}

/* RFC 9000, sections 11 #1 and 21.11 #2: an ID in use gets no reset, whoever sends to it. */
TEST(no_reset_for_a_living_connection)
{
	struct change change = {};
	struct pair pair = {};
	struct proxy proxy;
	uint8_t dcid[CID], token[TOKEN];
	char buffer[8];
	int fd;

	open_through(&pair, &proxy, &change, false);
	fd = udp_socket(AF_INET, &pair.address, NULL);
	pthread_mutex_lock(&proxy.lock);
	memcpy(dcid, change.dcid, CID);
	pthread_mutex_unlock(&proxy.lock);
	EXPECT_EQ(ask(fd, dcid, 100, token), 0);
	dcid[0] ^= 1;
	EXPECT_GE(ask(fd, dcid, 100, token), 21);
	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
	EXPECT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);
	close(fd);
	close_through(&pair, &proxy);
}
