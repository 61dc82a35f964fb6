// SPDX-License-Identifier: GPL-2.0-or-later
/* What an end that has closed still says, and to whom. RFC 9000, section 10.2.1. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "proxy.h"

/* Between the ends: takes its time, so that the closing period is long enough to look at. */
struct line {
	atomic_int to_client, to_server;	/* datagrams with a 1-RTT packet */
	atomic_bool closed;	/* nothing of the client passes any more */
	uint8_t last[2000];	/* the client's last datagram of one 1-RTT packet */
	size_t len;
};

#define LINE_DELAY	100000	/* us */

static bool carry(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	struct line *line = proxy->arg;

	if (!(data[0] & 0x80) && !to_server) {
		line->to_client++;
	} else if (!(data[0] & 0x80) && *len <= sizeof(line->last)) {
		memcpy(line->last, data, *len);
		line->len = *len;
		line->to_server++;
	}
	usleep(LINE_DELAY);
	return !(to_server && line->closed);
}

static bool hears_more(const atomic_int *count, int than)
{
	int i;

	for (i = 0; i < 40 * test_slow(); i++) {
		if (*count > than)
			return true;
		usleep(10000);
	}
	return false;
}

/*
 * Packets of the connection are answered with CONNECTION_CLOSE, but not if they come from somewhere
 * that was never validated: RFC 9000, section 10.2.1 #2.
 */
TEST(closed_end_has_no_word_for_a_stranger)
{
	struct line line = {};
	struct pair pair = {};
	struct proxy proxy;
	union address own;
	uint8_t got[2000];
	int stranger, before;
	uint32_t flags;
	int64_t id;

	pair.listener = make_listener(AF_INET, &pair.address);
	proxy_open(&proxy, &pair.address, carry, &line);
	pair.client = make_client(&proxy.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	ASSERT_EQ(stream_send(pair.client, "ping", 4, 0, MSG_QUIC_STREAM_NEW, 0), 4);
	ASSERT_EQ(stream_recv(pair.server, got, sizeof(got), &id, &flags, 0), 4);
	ASSERT_EQ(stream_send(pair.server, "pong", 4, 0, 0, 0), 4);
	ASSERT_EQ(stream_recv(pair.client, got, sizeof(got), &id, &flags, 0), 4);
	usleep(3 * LINE_DELAY);

	/* A packet that the server has not seen. */
	line.closed = true;
	before = line.to_server;
	ASSERT_EQ(stream_send(pair.client, "more", 4, 0, 0, 0), 4);
	ASSERT_TRUE(hears_more(&line.to_server, before));
	before = line.to_client;
	ASSERT_EQ(close(pair.server), 0);
	ASSERT_TRUE(hears_more(&line.to_client, before));
	usleep(2 * LINE_DELAY);
	before = line.to_client;
	ASSERT_GE(line.len, 21);
	stranger = udp_socket(AF_INET, &pair.address, &own);
	ASSERT_EQ(send(stranger, line.last, line.len, 0), line.len);
	EXPECT_EQ(udp_recv(stranger, got, sizeof(got), 50), 0);
	EXPECT_EQ(line.to_client, before);
	/* The same from where the client is: it is still closing, and says so. */
	ASSERT_EQ(send(proxy.back, line.last, line.len, 0), line.len);
	EXPECT_TRUE(hears_more(&line.to_client, before));
	close(stranger);
	close(pair.client);
	proxy_close(&proxy);
	close(pair.listener);
}
