// SPDX-License-Identifier: GPL-2.0-or-later
/* Address validation: Retry and tokens. RFC 9000, section 8.1; uapi.md, section 4.10. */
#include <arpa/inet.h>
#include <sys/random.h>
#include <unistd.h>

#include "proxy.h"

#define V1	QUIC_VERSION_V1
#define V2	QUIC_VERSION_V2

static void validate(int fd)
{
	struct quic_config config = { .validate_peer_address = 1 };

	ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), 0);
}

/* Somebody who speaks to a listener without being a QUIC socket. */
struct probe {
	int fd;
	uint32_t version;
	uint8_t dcid[20], scid[20];
	uint8_t dcid_len, scid_len;
	uint8_t token[256];
	size_t token_len;
	uint8_t answer[2048];
	size_t len;
	struct long_header hdr;
};

/* A client's ID stays taken for a while after its connection: each probe has one of its own. */
static void probe_open(struct probe *probe, const union address *to)
{
	memset(probe, 0, sizeof(*probe));
	probe->fd = udp_socket(to->sa.sa_family, to, NULL);
	probe->version = V1;
	probe->dcid_len = 8;
	probe->scid_len = 5;
	ASSERT_EQ(getrandom(probe->dcid, 8, 0), 8);
	ASSERT_EQ(getrandom(probe->scid, 5, 0), 5);
}

/* Sends an Initial packet; true: something with a long header came back for it. */
static bool probe_ask(struct probe *probe, size_t size, int ms)
{
	uint8_t data[2048];

	while (udp_recv(probe->fd, data, sizeof(data), 0))
		;
	make_initial(data, size, probe->version, probe->dcid, probe->dcid_len, probe->scid,
		     probe->scid_len, probe->token, probe->token_len);
	ASSERT_EQ(send(probe->fd, data, size, 0), size);
	probe->len = udp_recv(probe->fd, probe->answer, sizeof(probe->answer), ms);
	if (!probe->len)
		return false;
	ASSERT_TRUE(read_long(probe->answer, probe->len, &probe->hdr));
	EXPECT_EQ(probe->hdr.dcid_len, probe->scid_len);
	EXPECT_TRUE(!memcmp(probe->hdr.dcid, probe->scid, probe->scid_len));
	return true;
}

static bool probe_was(const struct probe *probe, int type)
{
	return probe->len && probe->hdr.version == probe->version &&
	       (probe->hdr.first >> 4 & 3) == type_bits(probe->version, type);
}

/* Does as a Retry packet says. */
static void probe_follow(struct probe *probe)
{
	ASSERT_TRUE(probe_was(probe, RETRY));
	ASSERT_GE(probe->hdr.rest_len, 16 + 1);
	probe->token_len = probe->hdr.rest_len - 16;
	ASSERT_TRUE(probe->token_len <= sizeof(probe->token));
	memcpy(probe->token, probe->hdr.rest, probe->token_len);
	probe->dcid_len = probe->hdr.scid_len;
	memcpy(probe->dcid, probe->hdr.scid, probe->dcid_len);
}

static bool is_asked(int listener, int ms)
{
	int fd;

	if (!wait_for(listener, POLLIN, ms))
		return false;
	fd = accept(listener, NULL, NULL);
	ASSERT_GE(fd, 0);
	close(fd);
	return true;
}

/* RFC 9000, sections 8.1.2 and 17.2.5.1 #1 #4; RFC 9369, section 4.1 #1. */
TEST(retry_asks_for_the_address)
{
	static const uint32_t versions[] = { V1, V2 };
	static const int families[] = { AF_INET, AF_INET6 };
	union address address;
	struct probe probe;
	uint8_t first[8];
	int listener;
	size_t i, k;

	for (i = 0; i < 2; i++) {
		listener = make_listener(families[i], &address);
		validate(listener);
		for (k = 0; k < 2; k++) {
			probe_open(&probe, &address);
			probe.version = versions[k];
			memcpy(first, probe.dcid, 8);
			ASSERT_TRUE(probe_ask(&probe, 1200, 5000));
			EXPECT_TRUE(probe_was(&probe, RETRY));
			EXPECT_EQ(probe.hdr.scid_len, 8);
			EXPECT_TRUE(memcmp(probe.hdr.scid, first, 8));
			EXPECT_TRUE(probe.len <= 200);
			/* One answer, and no state. */
			EXPECT_EQ(udp_recv(probe.fd, probe.answer, sizeof(probe.answer), 100), 0);
			EXPECT_TRUE(!wait_for(listener, POLLIN, 50));
			/* Again, with another ID and another token. */
			memcpy(first, probe.hdr.scid, 8);
			ASSERT_TRUE(probe_ask(&probe, 1200, 5000));
			EXPECT_TRUE(probe_was(&probe, RETRY));
			EXPECT_TRUE(memcmp(probe.hdr.scid, first, 8));
			probe_follow(&probe);
			EXPECT_TRUE(!probe_ask(&probe, 1200, 100));
			EXPECT_TRUE(is_asked(listener, 5000));
			close(probe.fd);
		}
		close(listener);
	}
}

TEST(short_datagrams_get_no_retry)
{
	union address address;
	struct probe probe;
	int listener = make_listener(AF_INET, &address);

	validate(listener);
	probe_open(&probe, &address);
	EXPECT_TRUE(!probe_ask(&probe, 1199, 100));
	probe.dcid_len = 7;
	EXPECT_TRUE(!probe_ask(&probe, 1200, 100));
	probe.dcid_len = 8;
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000));
	close(probe.fd);
	close(listener);
}

/* RFC 9000, sections 8.1.1 #1, 8.1.2 and 8.1.4 #2; RFC 9369, section 4.1 #2. */
TEST(bad_retry_tokens_are_refused)
{
	union address address;
	struct probe probe, other;
	int listener = make_listener(AF_INET, &address);
	uint8_t good[256];
	size_t len, i;

	validate(listener);
	probe_open(&probe, &address);
	ASSERT_TRUE(probe_ask(&probe, 1200, 5000));
	probe_follow(&probe);
	len = probe.token_len;
	memcpy(good, probe.token, len);
	EXPECT_EQ(good[0], 1);

#define REFUSED(p)							\
	do {								\
		EXPECT_TRUE(probe_ask((p), 1200, 5000));		\
		EXPECT_TRUE(probe_was((p), INITIAL));			\
		EXPECT_TRUE((p)->len < 200);				\
		EXPECT_TRUE(!memcmp((p)->hdr.scid, (p)->dcid, (p)->dcid_len)); \
	} while (0)
	/* Any bit of it, but for the first byte, which says what it is. */
	for (i = 1; i < len; i += 7) {
		probe.token[i] ^= 0x10;
		REFUSED(&probe);
		probe.token[i] ^= 0x10;
	}
	/* Cut, and with something behind. */
	probe.token_len = len - 1;
	REFUSED(&probe);
	probe.token_len = 1;
	REFUSED(&probe);
	probe.token_len = len + 1;
	REFUSED(&probe);
	probe.token_len = len;
	/* To the ID of somebody else's Retry; in another version. */
	probe.dcid[3] ^= 1;
	REFUSED(&probe);
	probe.dcid[3] ^= 1;
	probe.version = V2;
	REFUSED(&probe);
	probe.version = V1;
	/* From another port. */
	probe_open(&other, &address);
	memcpy(other.dcid, probe.dcid, 8);
	memcpy(other.token, good, len);
	other.token_len = len;
	REFUSED(&other);
	/* As a token of the other kind it is none at all: RFC 9000, section 8.1.3. */
	probe.token[0] = 0;
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000));
	EXPECT_TRUE(probe_was(&probe, RETRY));
	probe.token[0] = 1;
	EXPECT_TRUE(!wait_for(listener, POLLIN, 50));
	/* And it was good all the time. */
	EXPECT_TRUE(!probe_ask(&probe, 1200, 100));
	EXPECT_TRUE(is_asked(listener, 5000));
	close(other.fd);
	close(probe.fd);
	close(listener);
}

/* RFC 9000, section 8.1.3: what is in the token field may be another server's. */
TEST(unknown_tokens_count_for_nothing)
{
	union address address;
	struct probe probe;
	int listener = make_listener(AF_INET, &address);
	int kind;

	for (kind = 0; kind < 3; kind++) {
		probe_open(&probe, &address);
		fill_pattern(probe.token, 61, 0, 5);
		probe.token_len = 61;
		probe.token[0] = kind;
		EXPECT_TRUE(!probe_ask(&probe, 1200, 100));
		EXPECT_TRUE(is_asked(listener, 5000));
		close(probe.fd);
	}
	validate(listener);
	for (kind = 0; kind < 3; kind++) {
		probe_open(&probe, &address);
		fill_pattern(probe.token, 61, 0, 5);
		probe.token_len = 61;
		probe.token[0] = kind;
		EXPECT_TRUE(probe_ask(&probe, 1200, 5000));
		EXPECT_TRUE(probe_was(&probe, kind == 1 ? INITIAL : RETRY));
		close(probe.fd);
	}
	EXPECT_TRUE(!wait_for(listener, POLLIN, 50));
	close(listener);
}

/* RFC 9000, section 8.1.4: a Retry token is good for a short time. */
TEST(retry_token_expires)
{
	union address address;
	struct probe probe;
	int listener = make_listener(AF_INET, &address);

	validate(listener);
	probe_open(&probe, &address);
	ASSERT_TRUE(probe_ask(&probe, 1200, 5000));
	probe_follow(&probe);
	usleep(3100000);
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000));
	EXPECT_TRUE(probe_was(&probe, INITIAL));
	EXPECT_TRUE(!wait_for(listener, POLLIN, 50));
	close(probe.fd);
	close(listener);
}

static size_t get_token(int fd, uint8_t *token, size_t size)
{
	socklen_t len = size;

	if (getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TOKEN, token, &len))
		return 0;
	return len;
}

static size_t wait_token(int fd, uint8_t *token, size_t size)
{
	long long deadline = test_now_ms() + 5000 * test_slow();
	size_t len;

	while (!(len = get_token(fd, token, size)) && test_now_ms() < deadline)
		usleep(1000);
	return len;
}

/* RFC 9000, sections 8.1.2 #1, 8.1.3 #2 #6 and 7.3; uapi.md, section 11.3, item 51. */
TEST(handshake_after_retry)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct pair pair = {};
	struct proxy proxy;
	uint8_t token[256];
	char buffer[16];
	size_t i, k;

	for (i = 0; i < 2; i++) {
		pair.listener = make_listener(families[i], &pair.address);
		validate(pair.listener);
		proxy_open(&proxy, &pair.address, NULL, NULL);
		pair.client = make_client(&proxy.address);
		pair.server = accept(pair.listener, NULL, NULL);
		ASSERT_GE(pair.server, 0);
		/* Meanwhile it is the client's token. */
		EXPECT_GE(get_token(pair.client, token, sizeof(token)), 70);
		EXPECT_EQ(token[0], 1);
		pair_handshake(&pair);
		EXPECT_EQ(proxy_count(&proxy, false, V1, RETRY), 1);
		for (k = 0; k < (size_t)proxy.nr_seen; k++)
			if (proxy.seen[k].to_server && k &&
			    proxy.seen[k].type == type_bits(V1, INITIAL))
				EXPECT_GE(proxy.seen[k].token_len, 70);
		ASSERT_EQ(send(pair.client, "hello", 5, MSG_QUIC_STREAM_NEW), 5);
		ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
		/* Then one for the next connection takes its place. */
		EXPECT_EQ(wait_token(pair.client, token, sizeof(token)), 61);
		EXPECT_EQ(token[0], 0);
		pair_close(&pair);
		proxy_close(&proxy);
	}
}

/* All long headers of a handshake with Retry: RFC 9000, section 7.2. */
TEST(connection_ids_of_a_handshake)
{
	struct proxy_seen *seen, *client = NULL, *server = NULL, *retry = NULL;
	struct pair pair = {};
	struct proxy proxy;
	const uint8_t *dcid;
	int i, changes = 0;

	pair.listener = make_listener(AF_INET, &pair.address);
	validate(pair.listener);
	proxy_open(&proxy, &pair.address, NULL, NULL);
	pair.client = make_client(&proxy.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	pair_close(&pair);
	proxy_close(&proxy);

	client = &proxy.seen[0];
	ASSERT_TRUE(client->to_server);
	/* RFC 9000, section 7.2 #1 */
	EXPECT_GE(client->dcid_len, 8);
	dcid = client->dcid;
	for (i = 0; i < proxy.nr_seen; i++) {
		seen = &proxy.seen[i];
		EXPECT_TRUE(seen->dcid_len == 8 && seen->scid_len == 8);
		if (!seen->to_server) {
			/* RFC 9000, section 7.2 #5: where the client said, from one ID. */
			EXPECT_TRUE(!memcmp(seen->dcid, client->scid, 8));
			/* RFC 9000, section 17.2.2 #1 */
			EXPECT_EQ(seen->token_len, 0);
			if (seen->type == type_bits(V1, RETRY)) {
				retry = seen;
				continue;
			}
			if (!server)
				server = seen;
			EXPECT_TRUE(!memcmp(seen->scid, server->scid, 8));
			continue;
		}
		/* RFC 9000, section 17.2.5.2 #5: no Retry changes the client's own ID. */
		EXPECT_TRUE(!memcmp(seen->scid, client->scid, 8));
		/* RFC 9000, section 7.2 #2 #4: it changes for Retry and the first Initial packet. */
		if (memcmp(seen->dcid, dcid, 8)) {
			changes++;
			dcid = seen->dcid;
			ASSERT_TRUE(changes == 1 ? retry != NULL : server != NULL);
			EXPECT_TRUE(!memcmp(dcid, (changes == 1 ? retry : server)->scid, 8));
		}
	}
	EXPECT_EQ(changes, 2);
}

/* RFC 9000, section 17.2.5.3: with a token less of a large ClientHello fits a packet. */
TEST(large_hello_after_retry)
{
	static char hello[3000];
	union address address;
	int listener = make_listener(AF_INET, &address), client, server;

	validate(listener);
	fill_pattern(hello, sizeof(hello), 0, 7);
	client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(connect(client, &address.sa, address_len(&address)), 0);
	ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_INITIAL, hello, sizeof(hello), 0),
		  sizeof(hello));
	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);
	set_timeout(server, SO_RCVTIMEO, 10000 * test_slow());
	expect_handshake(server, QUIC_CRYPTO_INITIAL, hello, sizeof(hello));
	close(client);
	close(server);
	close(listener);
}

struct forger {
	int how;
	int retries;
	uint8_t token[256];
	uint8_t scid[20];
};

/* Retry packets that are not what the server sent. */
static bool forge_retry(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	struct forger *forger = proxy->arg;
	struct long_header hdr;

	if (to_server || !read_long(data, *len, &hdr) || hdr.version != V1 ||
	    (hdr.first >> 4 & 3) != RETRY)
		return true;
	if (forger->retries++)
		return true;
	switch (forger->how) {
	case 0:	/* tag */
		data[*len - 1] ^= 1;
		break;
	case 1:	/* token */
		data[hdr.rest - data + 20] ^= 1;
		break;
	case 2:	/* source connection ID */
		data[hdr.scid - data] ^= 1;
		break;
	case 3:	/* no token */
		memmove(data + (hdr.rest - data), data + *len - 16, 16);
		*len = hdr.rest - data + 16;
		break;
	case 4:	/* cut */
		*len = hdr.rest - data + 10;
		break;
	case 5:	/* twice: the second one is nothing to the client */
		proxy_to_client(proxy, data, *len);
		break;
	}
	return true;
}

/* RFC 9000, section 17.2.5.2 #1 #2 #3 #4; RFC 9001, section 5.8. */
TEST(forged_retry_is_ignored)
{
	struct pair pair = {};
	struct forger forger;
	struct proxy proxy;
	int how;

	for (how = 0; how < 6; how++) {
		memset(&forger, 0, sizeof(forger));
		forger.how = how;
		pair.listener = make_listener(AF_INET, &pair.address);
		validate(pair.listener);
		proxy_open(&proxy, &pair.address, forge_retry, &forger);
		pair.client = make_client(&proxy.address);
		/* The client asks again, and the next Retry is as it should be. */
		pair.server = accept(pair.listener, NULL, NULL);
		ASSERT_GE(pair.server, 0);
		pair_handshake(&pair);
		if (how == 5)
			EXPECT_EQ(forger.retries, 1);
		else
			EXPECT_GE(forger.retries, 2);
		pair_close(&pair);
		proxy_close(&proxy);
	}
}

/* RFC 9000, sections 8.1.3 #1 #7 and 8.1.4 #3 #5; RFC 9369, section 5 #2. */
TEST(token_of_an_earlier_connection)
{
	struct pair pair = {};
	uint8_t token[256], second[256];
	struct probe probe;

	pair.listener = make_listener(AF_INET, &pair.address);
	validate(pair.listener);
	pair_connect(&pair);
	ASSERT_EQ(wait_token(pair.client, token, sizeof(token)), 61);

	probe_open(&probe, &pair.address);
	memcpy(probe.token, token, 61);
	probe.token_len = 61;
	/* One bit, another kind, another version. */
	probe.token[40] ^= 1;
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000) && probe_was(&probe, RETRY));
	probe.token[40] ^= 1;
	probe.token[0] = 1;
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000) && probe_was(&probe, INITIAL));
	probe.token[0] = 0;
	probe.version = V2;
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000) && probe_was(&probe, RETRY));
	probe.version = V1;
	close(probe.fd);
	EXPECT_TRUE(!wait_for(pair.listener, POLLIN, 50));

	/* None of this has used it up. */
	probe_open(&probe, &pair.address);
	memcpy(probe.token, token, 61);
	probe.token_len = 61;
	EXPECT_TRUE(!probe_ask(&probe, 1200, 100));
	EXPECT_TRUE(is_asked(pair.listener, 5000));
	close(probe.fd);
	/* That has: it counts as none. */
	probe_open(&probe, &pair.address);
	memcpy(probe.token, token, 61);
	probe.token_len = 61;
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000) && probe_was(&probe, RETRY));
	EXPECT_TRUE(!wait_for(pair.listener, POLLIN, 50));
	close(probe.fd);

	/* The server gives another when asked. */
	ASSERT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TOKEN, NULL, 0), 0);
	do {
		ASSERT_EQ(wait_token(pair.client, second, sizeof(second)), 61);
	} while (!memcmp(second, token, 61));
	probe_open(&probe, &pair.address);
	memcpy(probe.token, second, 61);
	probe.token_len = 61;
	EXPECT_TRUE(!probe_ask(&probe, 1200, 100));
	EXPECT_TRUE(is_asked(pair.listener, 5000));
	close(probe.fd);
	pair_close(&pair);
}

/* RFC 9000, section 8.1.4 #3 #4: from another address it vouches for nobody. */
TEST(token_of_another_address)
{
	union address elsewhere;
	struct pair pair = {};
	struct probe probe;

	pair.listener = make_listener(AF_INET, &pair.address);
	validate(pair.listener);
	pair_connect(&pair);
	probe_open(&probe, &pair.address);
	close(probe.fd);
	ASSERT_EQ(wait_token(pair.client, probe.token, sizeof(probe.token)), 61);
	probe.token_len = 61;
	loopback(AF_INET, 0, &elsewhere);
	elsewhere.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	probe.fd = socket(AF_INET, SOCK_DGRAM, 0);
	ASSERT_EQ(bind(probe.fd, &elsewhere.sa, address_len(&elsewhere)), 0);
	ASSERT_EQ(connect(probe.fd, &pair.address.sa, address_len(&pair.address)), 0);
	EXPECT_TRUE(probe_ask(&probe, 1200, 5000) && probe_was(&probe, RETRY));
	EXPECT_TRUE(!wait_for(pair.listener, POLLIN, 50));
	close(probe.fd);
	pair_close(&pair);
}

/* The same with sockets: no Retry for who brings a token. RFC 9000, section 8.1.3 #1. */
TEST(client_with_a_token_needs_no_retry)
{
	struct pair pair = {};
	uint8_t token[256];
	struct proxy proxy;
	int first;

	pair.listener = make_listener(AF_INET, &pair.address);
	validate(pair.listener);
	pair_connect(&pair);
	ASSERT_EQ(wait_token(pair.client, token, sizeof(token)), 61);
	first = pair.client;
	close(pair.server);

	proxy_open(&proxy, &pair.address, NULL, NULL);
	pair.client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_TOKEN, token, 61), 0);
	ASSERT_EQ(connect(pair.client, &proxy.address.sa, address_len(&proxy.address)), 0);
	ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	EXPECT_EQ(proxy_count(&proxy, false, V1, RETRY), 0);
	EXPECT_EQ(proxy.seen[0].token_len, 61);
	close(first);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* uapi.md, sections 5.11 and 11.1, item 35. */
TEST(server_gives_tokens_on_request)
{
	union quic_event event;
	struct pair pair = {};
	uint8_t token[256], next[256];
	int i;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(wait_token(pair.client, token, sizeof(token)), 61);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_NEW_TOKEN, true), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TOKEN, "ignored", 7), 0);
		ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_NEW_TOKEN, &event, 61));
		ASSERT_EQ(get_token(pair.client, next, sizeof(next)), 61);
		/* RFC 9000, section 8.1.3 #4 */
		EXPECT_TRUE(memcmp(token, next, 61));
		EXPECT_TRUE(!memcmp(&event, next, sizeof(event) < 61 ? sizeof(event) : 61));
		memcpy(token, next, 61);
		usleep(50000 * test_slow());	/* until it is acknowledged */
	}
	pair_close(&pair);
}

static bool drop_all(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	(void)to_server;
	(void)data;
	(void)len;
	return !*(volatile bool *)proxy->arg;
}

TEST(unacknowledged_token_is_waited_for)
{
	volatile bool mute = false;
	struct pair pair = {};
	uint8_t token[256];
	struct proxy proxy;

	pair.listener = make_listener(AF_INET, &pair.address);
	proxy_open(&proxy, &pair.address, drop_all, (void *)&mute);
	EXPECT_ERRNO(setsockopt(pair.listener, SOL_QUIC, QUIC_SOCKOPT_TOKEN, NULL, 0), EINVAL);
	pair.client = make_client(&proxy.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	EXPECT_ERRNO(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TOKEN, NULL, 0), EINVAL);
	pair_handshake(&pair);
	ASSERT_EQ(wait_token(pair.client, token, sizeof(token)), 61);
	usleep(100000 * test_slow());
	mute = true;
	EXPECT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TOKEN, NULL, 0), 0);
	EXPECT_ERRNO(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TOKEN, NULL, 0), EAGAIN);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* Half of the queue is for everybody, the rest for who shows an address. */
TEST(retry_when_half_of_the_queue_is_taken)
{
	union address address;
	struct probe probe[9];
	int listener = make_listener(AF_INET, &address), i;

	ASSERT_EQ(listen(listener, 8), 0);
	for (i = 0; i < 5; i++) {
		probe_open(&probe[i], &address);
		EXPECT_TRUE(!probe_ask(&probe[i], 1200, 50));
	}
	for (; i < 9; i++) {
		probe_open(&probe[i], &address);
		EXPECT_TRUE(probe_ask(&probe[i], 1200, 5000));
		EXPECT_TRUE(probe_was(&probe[i], RETRY));
		probe_follow(&probe[i]);
		EXPECT_TRUE(!probe_ask(&probe[i], 1200, 50));
	}
	for (i = 0; i < 9; i++)
		EXPECT_TRUE(is_asked(listener, 5000));
	EXPECT_TRUE(!wait_for(listener, POLLIN, 50));
	/* Now anybody may come in again. */
	probe[0].dcid[0] ^= 1;
	EXPECT_TRUE(!probe_ask(&probe[0], 1200, 50));
	EXPECT_TRUE(is_asked(listener, 5000));
	for (i = 0; i < 9; i++)
		close(probe[i].fd);
	close(listener);
}

TEST(one_address_gets_its_share_only)
{
	union address address;
	struct probe probe[18];
	int listener = make_listener(AF_INET, &address), i, n = 0;

	validate(listener);
	for (i = 0; i < 18; i++) {
		probe_open(&probe[i], &address);
		ASSERT_TRUE(probe_ask(&probe[i], 1200, 5000));
		probe_follow(&probe[i]);
		EXPECT_TRUE(!probe_ask(&probe[i], 1200, 30));
	}
	while (is_asked(listener, 100))
		n++;
	EXPECT_EQ(n, 16);
	for (i = 0; i < 18; i++)
		close(probe[i].fd);
	close(listener);
}
