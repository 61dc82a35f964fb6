// SPDX-License-Identifier: GPL-2.0-or-later
/* What a socket promises while datagrams get lost: uapi.md, sections 3.8, 11.3 and 13. */
#include <unistd.h>

#include "proxy.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
/* Loopback would take 64 KiB at a time. */
#define SMALL_PACKETS	.client_param.max_udp_payload_size = 1452, \
			.server_param.max_udp_payload_size = 1452
#define SMALL	6000	/* twice that is the buffer, half of a first window */

/* Reads @len bytes of the pattern with @seed, from offset @at of the stream on. */
static void read_pattern(int fd, size_t at, size_t len, uint8_t seed)
{
	static char buffer[65536];
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = recv(fd, buffer, sizeof(buffer), 0);
		ASSERT_GE(n, 1);
		ASSERT_TRUE(check_pattern(buffer, n, at + got, seed));
		got += n;
	}
	ASSERT_EQ(got, len);
}

/*
 * uapi.md, section 3.8: bytes that came early may fill three quarters of the receive buffer.
 * The one packet that they wait for always finds room, or the connection would hang.
 */
TEST(early_bytes_leave_room_for_missing_ones)
{
	static char data[100000];
	int size = SMALL, round;
	ssize_t sent;

	fill_pattern(data, sizeof(data), 0, 5);
	for (round = 0; round < 3; round++) {
		struct losses losses = {};
		struct pair pair = { SMALL_PACKETS };
		struct proxy proxy;

		pair_open_lossy(&pair, &proxy, &losses, AF_INET);
		EXPECT_EQ(setsockopt(pair.server, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
		losses.pass = round;
		losses.lose = 1;
		/* A whole window, of which one of the first packets does not come. */
		sent = stream_send(pair.client, data, sizeof(data), 0, NEW, MSG_DONTWAIT);
		EXPECT_GE(sent, 10000);
		read_pattern(pair.server, 0, sent, 5);
		EXPECT_EQ(losses.lost, 1);
		pair_close(&pair);
		proxy_close(&proxy);
	}
}

/* uapi.md, section 13: what was sent before close() arrives, under loss, too. */
TEST(close_delivers_under_loss)
{
	static char data[60000];
	struct losses losses = {};
	struct pair pair = { SMALL_PACKETS };
	struct proxy proxy;
	char byte;

	pair_open_lossy(&pair, &proxy, &losses, AF_INET);
	fill_pattern(data, sizeof(data), 0, 9);
	losses.every = 5;
	ASSERT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW | FIN, 0), sizeof(data));
	close(pair.client);
	read_pattern(pair.server, 0, sizeof(data), 9);
	EXPECT_GE(losses.lost, 3);
	/* The end of the connection follows, unless just that datagram was lost. */
	losses.every = 0;
	EXPECT_EQ(recv(pair.server, &byte, 1, MSG_DONTWAIT), -1);
	pair.client = -1;
	pair_close(&pair);
	proxy_close(&proxy);
}

/* The same for shutdown(), which sends no end of stream but ends the connection behind the data. */
TEST(shutdown_delivers_under_loss)
{
	static char data[30000];
	struct losses losses = {};
	struct pair pair = { SMALL_PACKETS };
	struct proxy proxy;
	char byte;

	pair_open_lossy(&pair, &proxy, &losses, AF_INET6);
	fill_pattern(data, sizeof(data), 0, 2);
	losses.lose = 4;
	ASSERT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, 0), sizeof(data));
	EXPECT_EQ(shutdown(pair.client, SHUT_WR), 0);
	/* It looks closed at once: uapi.md, section 2.8. */
	EXPECT_EQ(recv(pair.client, &byte, 1, 0), -1);
	EXPECT_EQ(errno, ENOTCONN);
	read_pattern(pair.server, 0, sizeof(data), 2);
	EXPECT_ERRNO(recv(pair.server, &byte, 1, 0), ENOTCONN);
	EXPECT_EQ(losses.lost, 4);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* uapi.md, section 11.3, item 53: every handshake message is recovered. */
TEST(handshake_survives_loss)
{
	struct losses losses = { .every = 4 };
	struct pair pair = { SMALL_PACKETS };
	struct proxy proxy;
	int64_t id;
	uint32_t flags;
	char buffer[8];

	pair_open_lossy(&pair, &proxy, &losses, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "hello", 5, 0, NEW | FIN, 0), 5);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_EQ(stream_send(pair.server, "olleh", 5, 0, FIN, 0), 5);
	EXPECT_EQ(stream_recv(pair.client, buffer, sizeof(buffer), &id, &flags, 0), 5);
	pair_close(&pair);
	proxy_close(&proxy);
}
