// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Versions: Version Negotiation, the switch to a compatible version, version 2.
 * RFC 9000, section 6; RFC 9368; RFC 9369; uapi.md, section 4.8.
 */
#include <sys/random.h>
#include <unistd.h>

#include "proxy.h"

#define V1	QUIC_VERSION_V1
#define V2	QUIC_VERSION_V2

static void prefer(int fd, uint32_t version)
{
	struct quic_config config = { .version = version };

	ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), 0);
}

static void stay(int fd)
{
	struct quic_transport_param param = { .disable_compatible_version = 1 };

	ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param, sizeof(param)), 0);
}

static uint32_t read_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* RFC 9000, sections 5.2.2, 6.1 #1, 6.3 and 17.2.1 #2 #3 #4 #5 #6; RFC 9368, section 2.1 #1 #5. */
TEST(unknown_versions_are_told_the_known_ones)
{
	uint8_t data[1200], answer[300], dcid[20], scid[20];
	union address address;
	struct long_header hdr;
	int listener = make_listener(AF_INET, &address);
	int fd = udp_socket(AF_INET, &address, NULL);
	size_t len;

	ASSERT_EQ(getrandom(dcid, sizeof(dcid), 0), sizeof(dcid));
	ASSERT_EQ(getrandom(scid, sizeof(scid), 0), sizeof(scid));
	make_initial(data, 1200, 0x1a2a3a4a, dcid, 20, scid, 20, NULL, 0);
	ASSERT_EQ(send(fd, data, 1200, 0), 1200);
	len = udp_recv(fd, answer, sizeof(answer), 5000);
	ASSERT_TRUE(read_long(answer, len, &hdr));
	EXPECT_EQ(hdr.version, 0);
	EXPECT_TRUE(hdr.dcid_len == 20 && !memcmp(hdr.dcid, scid, 20));
	EXPECT_TRUE(hdr.scid_len == 20 && !memcmp(hdr.scid, dcid, 20));
	ASSERT_EQ(hdr.rest_len, 12);
	EXPECT_EQ(read_u32(hdr.rest), V1);
	EXPECT_EQ(read_u32(hdr.rest + 4), V2);
	EXPECT_EQ(read_u32(hdr.rest + 8) & 0x0f0f0f0f, 0x0a0a0a0a);
	EXPECT_TRUE(read_u32(hdr.rest + 8) != 0x1a2a3a4a);
	EXPECT_EQ(udp_recv(fd, answer, sizeof(answer), 50), 0);
	/* Connection IDs of any length, also where they are too short for an Initial packet. */
	make_initial(data, 1200, 0xff000020, dcid, 2, scid, 0, NULL, 0);
	ASSERT_EQ(send(fd, data, 1200, 0), 1200);
	len = udp_recv(fd, answer, sizeof(answer), 5000);
	ASSERT_TRUE(read_long(answer, len, &hdr));
	EXPECT_TRUE(!hdr.version && !hdr.dcid_len && hdr.scid_len == 2);
	/* Not in answer to a small datagram, nor to Version Negotiation. */
	make_initial(data, 1199, 0x1a2a3a4a, dcid, 8, scid, 8, NULL, 0);
	ASSERT_EQ(send(fd, data, 1199, 0), 1199);
	EXPECT_EQ(udp_recv(fd, answer, sizeof(answer), 100), 0);
	make_initial(data, 1200, 0, dcid, 8, scid, 8, NULL, 0);
	ASSERT_EQ(send(fd, data, 1200, 0), 1200);
	EXPECT_EQ(udp_recv(fd, answer, sizeof(answer), 100), 0);
	EXPECT_TRUE(!wait_for(listener, POLLIN, 50));
	close(fd);
	close(listener);
}

/* One connection through a proxy, with what its ends prefer. */
struct choice {
	uint32_t client, server;	/* config.version */
	bool client_stays, server_stays;
	bool retry;
	uint32_t first;			/* version of the client's first flight */
	uint32_t version;		/* negotiated */
};

static void check_choice(const struct choice *c)
{
	struct quic_config config = { .validate_peer_address = c->retry };
	uint32_t other = c->version == V1 ? V2 : V1;
	struct pair pair = {};
	struct proxy proxy;
	char buffer[16];

	pair.listener = make_listener(AF_INET, &pair.address);
	prefer(pair.listener, c->server);
	if (c->server_stays)
		stay(pair.listener);
	if (c->retry)
		ASSERT_EQ(setsockopt(pair.listener, SOL_QUIC, QUIC_SOCKOPT_CONFIG, &config,
				     sizeof(config)), 0);
	proxy_open(&proxy, &pair.address, NULL, NULL);
	pair.client = quic_socket(AF_INET, SOCK_DGRAM);
	prefer(pair.client, c->client);
	if (c->client_stays)
		stay(pair.client);
	ASSERT_EQ(connect(pair.client, &proxy.address.sa, address_len(&proxy.address)), 0);
	ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	set_timeout(pair.server, SO_RCVTIMEO, 10000 * test_slow());
	pair_handshake(&pair);
	ASSERT_EQ(send(pair.client, "hello", 5, MSG_QUIC_STREAM_NEW), 5);
	ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	/* Key updates go by the labels of the version. */
	ASSERT_EQ(send(pair.server, "world", 5, MSG_QUIC_STREAM_NEW), 5);
	ASSERT_EQ(recv(pair.client, buffer, sizeof(buffer), 0), 5);

	EXPECT_EQ(proxy.seen[0].version, c->first);
	EXPECT_GE(proxy_count(&proxy, true, c->first, INITIAL), 1);
	EXPECT_EQ(proxy_count(&proxy, false, c->first, RETRY), c->retry);
	EXPECT_EQ(proxy_count(&proxy, false, c->version == V1 ? V2 : V1, RETRY),
		  c->retry && c->first != c->version);
	/* RFC 9369, section 4.1 #6 */
	EXPECT_GE(proxy_count(&proxy, true, c->version, HANDSHAKE), 1);
	EXPECT_GE(proxy_count(&proxy, false, c->version, HANDSHAKE), 1);
	EXPECT_EQ(proxy_count(&proxy, true, other, HANDSHAKE), 0);
	EXPECT_EQ(proxy_count(&proxy, false, other, HANDSHAKE), 0);
	/* RFC 9369, section 4.1 #4 */
	EXPECT_GE(proxy_count(&proxy, false, c->version, INITIAL), 1);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* uapi.md, sections 4.8 and 11.3, item 52. */
TEST(version_of_both_ends)
{
	static const struct choice choices[] = {
		{ .first = V1, .version = V1 },
		{ .client = V1, .first = V1, .version = V1 },
		{ .client = V2, .first = V2, .version = V2 },
		{ .client = V2, .server = V2, .first = V2, .version = V2 },
		{ .server = 0x1a2a3a4a, .first = V1, .version = V1 },
	};
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		check_choice(&choices[i]);
}

/* RFC 9368, section 2.3; RFC 9369, section 4.1. */
TEST(switch_to_a_compatible_version)
{
	static const struct choice choices[] = {
		{ .server = V2, .first = V1, .version = V2 },
		{ .client = V2, .server = V1, .first = V2, .version = V1 },
		{ .server = V2, .client_stays = true, .first = V1, .version = V1 },
		{ .server = V2, .server_stays = true, .first = V1, .version = V1 },
	};
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		check_choice(&choices[i]);
}

/* RFC 9369, section 4.1 #1 #2 #3: Retry in the original version, then the switch. */
TEST(retry_and_versions)
{
	static const struct choice choices[] = {
		{ .client = V2, .retry = true, .first = V2, .version = V2 },
		{ .server = V2, .retry = true, .first = V1, .version = V2 },
	};
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		check_choice(&choices[i]);
}

/* RFC 9368, section 2.1 #4: an unknown version leads to a known one. */
TEST(recovery_by_version_negotiation)
{
	struct pair pair = {};
	struct proxy proxy;
	char buffer[16];

	pair.listener = make_listener(AF_INET, &pair.address);
	proxy_open(&proxy, &pair.address, NULL, NULL);
	pair.client = quic_socket(AF_INET, SOCK_DGRAM);
	prefer(pair.client, 0x1a2a3a4a);
	ASSERT_EQ(connect(pair.client, &proxy.address.sa, address_len(&proxy.address)), 0);
	ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	ASSERT_EQ(send(pair.client, "hello", 5, MSG_QUIC_STREAM_NEW), 5);
	ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	EXPECT_EQ(proxy.seen[0].version, 0x1a2a3a4a);
	EXPECT_EQ(proxy_count(&proxy, false, 0, -1), 1);
	EXPECT_GE(proxy_count(&proxy, true, V2, HANDSHAKE), 1);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* The interface's specification, section 12: of a connection that is there, another version is no matter. */
TEST(unknown_version_of_a_connection_is_dropped)
{
	const struct proxy_seen *answer = NULL;
	struct pair pair = {};
	struct proxy proxy;
	uint8_t data[1200];
	char buffer[16];
	int i;

	pair.listener = make_listener(AF_INET, &pair.address);
	proxy_open(&proxy, &pair.address, NULL, NULL);
	pair.client = make_client(&proxy.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	ASSERT_EQ(send(pair.client, "hello", 5, MSG_QUIC_STREAM_NEW), 5);
	ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	for (i = 0; i < proxy.nr_seen && !answer; i++)
		if (!proxy.seen[i].to_server)
			answer = &proxy.seen[i];
	ASSERT_TRUE(answer != NULL);
	make_initial(data, sizeof(data), 0x1a2a3a4a, answer->scid, answer->scid_len, answer->dcid,
		     answer->dcid_len, NULL, 0);
	ASSERT_EQ(send(proxy.back, data, sizeof(data), 0), sizeof(data));
	ASSERT_EQ(send(pair.client, "again", 5, 0), 5);
	ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	ASSERT_EQ(send(pair.server, "world", 5, 0), 5);
	ASSERT_EQ(recv(pair.client, buffer, sizeof(buffer), 0), 5);
	EXPECT_EQ(proxy_count(&proxy, false, 0, -1), 0);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* An answer to the client's first flight that its server did not send. */
struct forgery {
	uint32_t list[2];
	uint8_t wrong_id;	/* 1: the client's; 2: the server's */
	bool sent;
};

static bool forge_vn(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	struct forgery *forgery = proxy->arg;
	struct long_header hdr;
	uint8_t vn[64], *p = vn;
	int i;

	if (!to_server || forgery->sent || !read_long(data, *len, &hdr))
		return true;
	forgery->sent = true;
	*p++ = 0x80 | 0x25;	/* the rest of the byte means nothing: RFC 9000, section 17.2.1 #1 */
	memset(p, 0, 4);
	p += 4;
	*p++ = hdr.scid_len;
	memcpy(p, hdr.scid, hdr.scid_len);
	p[0] ^= forgery->wrong_id == 1;
	p += hdr.scid_len;
	*p++ = hdr.dcid_len;
	memcpy(p, hdr.dcid, hdr.dcid_len);
	p[0] ^= forgery->wrong_id == 2;
	p += hdr.dcid_len;
	for (i = 0; i < 2 && forgery->list[i]; i++) {
		*p++ = forgery->list[i] >> 24;
		*p++ = forgery->list[i] >> 16;
		*p++ = forgery->list[i] >> 8;
		*p++ = forgery->list[i];
	}
	proxy_to_client(proxy, vn, p - vn);
	return false;
}

/* RFC 9000, section 6.2 #3; RFC 9368, sections 2.1 and 4 #1. */
TEST(forged_version_negotiation_is_ignored)
{
	static const struct forgery forgeries[] = {
		{ .list = { V2, V1 } },
		{ .list = { V2 }, .wrong_id = 1 },
		{ .list = { V2 }, .wrong_id = 2 },
		{ .list = { 0 } },
	};
	struct forgery forgery;
	struct pair pair = {};
	struct proxy proxy;
	size_t i;

	for (i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		forgery = forgeries[i];
		pair.listener = make_listener(AF_INET, &pair.address);
		proxy_open(&proxy, &pair.address, forge_vn, &forgery);
		pair.client = make_client(&proxy.address);
		pair.server = accept(pair.listener, NULL, NULL);
		ASSERT_GE(pair.server, 0);
		pair_handshake(&pair);
		EXPECT_TRUE(forgery.sent);
		EXPECT_EQ(proxy_count(&proxy, true, V2, -1), 0);
		pair_close(&pair);
		proxy_close(&proxy);
	}
}

static int try_params(int from, int to)
{
	char params[1024];
	socklen_t len = sizeof(params);

	ASSERT_EQ(getsockopt(from, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params, &len), 0);
	return setsockopt(to, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params, len);
}

static uint32_t close_code(int fd)
{
	struct quic_connection_close info = {};
	socklen_t len = sizeof(info);

	ASSERT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, &info, &len), 0);
	return info.errcode;
}

/* RFC 9368, section 4 #14 #15: somebody on the way wants version 1. */
TEST(downgrade_is_seen)
{
	struct forgery forgery = { .list = { V1 } };
	struct pair pair = {};
	struct proxy proxy;

	pair.listener = make_listener(AF_INET, &pair.address);
	proxy_open(&proxy, &pair.address, forge_vn, &forgery);
	pair.client = quic_socket(AF_INET, SOCK_DGRAM);
	prefer(pair.client, V2);
	ASSERT_EQ(connect(pair.client, &proxy.address.sa, address_len(&proxy.address)), 0);
	ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	expect_handshake(pair.server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	EXPECT_GE(proxy_count(&proxy, true, V1, INITIAL), 1);
	ASSERT_EQ(try_params(pair.client, pair.server), 0);
	ASSERT_EQ(send_handshake(pair.server, QUIC_CRYPTO_INITIAL, "server hello", 12, 0), 12);
	expect_handshake(pair.client, QUIC_CRYPTO_INITIAL, "server hello", 12);
	EXPECT_ERRNO(try_params(pair.server, pair.client), EPROTONOSUPPORT);
	EXPECT_EQ(close_code(pair.client), QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION);
	/* The server hears of it. */
	ASSERT_TRUE(wait_for(pair.server, POLLHUP, 5000));
	EXPECT_EQ(close_code(pair.server), QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* RFC 9368, section 2.1 #3 */
TEST(no_common_version)
{
	struct forgery forgery = { .list = { 0x1a2a3a4a, 77 } };
	union address address;
	union quic_event event;
	struct proxy proxy;
	int listener = make_listener(AF_INET, &address), client;

	proxy_open(&proxy, &address, forge_vn, &forgery);
	client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(set_event(client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	ASSERT_EQ(connect(client, &proxy.address.sa, address_len(&proxy.address)), 0);
	ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	ASSERT_TRUE(wait_event(client, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_EQ(event.close.errcode, QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION);
	EXPECT_EQ(close_code(client), QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION);
	usleep(100000 * test_slow());
	EXPECT_EQ(proxy_count(&proxy, true, V1, -1), 1);
	close(client);
	close(listener);
	proxy_close(&proxy);
}

/* RFC 9368, section 4 #8 #9: the client says another version than its packets have. */
TEST(chosen_version_must_be_in_use)
{
	static const uint8_t info[] = { 0x11, 12, 0x6b, 0x33, 0x43, 0xcf, 0, 0, 0, 1,
					0x6b, 0x33, 0x43, 0xcf };
	static const uint8_t malformed[][14] = {
		/* RFC 9368, section 4 #4 #5 #6 */
		{ 0x11, 4, 0, 0, 0, 1 },
		{ 0x11, 6, 0, 0, 0, 1, 0, 0 },
		{ 0x11, 8, 0, 0, 0, 1, 0, 0, 0, 0 },
		{ 0x11, 8, 0, 0, 0, 0, 0, 0, 0, 1 },
		{ 0x11, 3, 0, 0, 1 },
	};
	uint8_t body[300];
	struct pair pair = {};
	socklen_t len;
	size_t i;

	for (i = 0; i <= sizeof(malformed) / sizeof(malformed[0]); i++) {
		const uint8_t *bad = i ? malformed[i - 1] : info;

		pair.listener = make_listener(AF_INET, &pair.address);
		pair.client = make_client(&pair.address);
		stay(pair.client);
		pair.server = accept(pair.listener, NULL, NULL);
		ASSERT_GE(pair.server, 0);
		len = sizeof(body);
		ASSERT_EQ(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, body,
				     &len), 0);
		memcpy(body + len, bad, 2 + bad[1]);
		EXPECT_ERRNO(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT,
					body, len + 2 + bad[1]),
			     i ? EINVAL : EPROTONOSUPPORT);
		EXPECT_EQ(close_code(pair.server),
			  i ? QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM :
			      QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION);
		pair_close(&pair);
	}
}
