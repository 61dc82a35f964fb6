// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams: uapi.md, sections 3.4, 3.6 and 3.7; RFC 9221. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "pair.h"

#define DATAGRAM	MSG_QUIC_DATAGRAM
#define OVERHEAD	(1 + 8 + 4 + 16 + 1 + 2)	/* packet and frame around a large payload */

static void datagram_pair(struct pair *pair, int family, uint16_t limit)
{
	pair->client_param.max_datagram_frame_size = limit;
	pair->server_param.max_datagram_frame_size = limit;
	pair_open(pair, family);
}

static void exchange(int family)
{
	static uint8_t data[40000], got[50000];
	static const size_t sizes[] = { 1, 10, 1000, 1100, 9000, 40000 };
	struct pair pair = {};
	uint32_t flags;
	int64_t id;
	size_t i;

	datagram_pair(&pair, family, 65535);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill_pattern(data, sizes[i], 0, i);
		EXPECT_EQ(send(pair.client, data, sizes[i], DATAGRAM), sizes[i]);
		EXPECT_EQ(send(pair.server, data, sizes[i], DATAGRAM), sizes[i]);
		EXPECT_EQ(stream_recv(pair.server, got, sizeof(got), &id, &flags, 0), sizes[i]);
		EXPECT_TRUE(check_pattern(got, sizes[i], 0, i));
		EXPECT_EQ(flags, DATAGRAM | MSG_EOR);
		EXPECT_EQ(id, -1);
		EXPECT_EQ(stream_recv(pair.client, got, sizeof(got), &id, &flags, 0), sizes[i]);
		EXPECT_TRUE(check_pattern(got, sizes[i], 0, i));
	}
	pair_close(&pair);
}

TEST(exchange_v4)
{
	exchange(AF_INET);
}

TEST(exchange_v6)
{
	exchange(AF_INET6);
}

TEST(lengths)
{
	static uint8_t data[70000];
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	EXPECT_ERRNO(send(pair.client, "x", 1, DATAGRAM), EINVAL);
	pair_close(&pair);

	pair = (struct pair) {};
	datagram_pair(&pair, AF_INET, 1200);
	EXPECT_ERRNO(send(pair.client, data, 0, DATAGRAM), EMSGSIZE);
	EXPECT_EQ(send(pair.client, data, 1200 - OVERHEAD, DATAGRAM), 1200 - OVERHEAD);
	EXPECT_ERRNO(send(pair.client, data, 1200 - OVERHEAD + 1, DATAGRAM), EMSGSIZE);
	EXPECT_ERRNO(send(pair.client, data, sizeof(data), DATAGRAM), EMSGSIZE);
	pair_close(&pair);
}

TEST(unknown_parameters)
{
	struct quic_transport_param param = { .max_datagram_frame_size = 1200 };
	union address address;
	int listener = make_listener(AF_INET, &address), client;

	client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(setsockopt(client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param,
			     sizeof(param)), 0);
	ASSERT_EQ(connect(client, &address.sa, address_len(&address)), 0);
	EXPECT_ERRNO(send(client, "x", 1, DATAGRAM), EINVAL);
	close(client);
	close(listener);
}

/* Control messages of streams are checked and then ignored: uapi.md, section 3.1. */
TEST(stream_info_is_ignored)
{
	struct pair pair = {};
	char got[10];

	datagram_pair(&pair, AF_INET, 1200);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 4711, MSG_QUIC_STREAM_NEW, DATAGRAM), 1);
	EXPECT_EQ(recv(pair.server, got, sizeof(got), 0), 1);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 0, 0x40000000, DATAGRAM), EINVAL);
	pair_close(&pair);
}

TEST(one_for_each_call)
{
	struct pair pair = {};
	uint32_t flags;
	int64_t id;
	char got[10];

	datagram_pair(&pair, AF_INET, 1200);
	EXPECT_EQ(send(pair.client, "first", 5, DATAGRAM | MSG_MORE), 5);
	EXPECT_EQ(stream_send(pair.client, "stream", 6, 0, MSG_QUIC_STREAM_NEW, MSG_MORE), 6);
	EXPECT_EQ(send(pair.client, "second", 6, DATAGRAM), 6);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(stream_recv(pair.server, got, 3, &id, &flags, MSG_PEEK), 3);
	EXPECT_EQ(flags, DATAGRAM);
	EXPECT_EQ(stream_recv(pair.server, got, 3, &id, &flags, 0), 3);
	EXPECT_TRUE(!memcmp(got, "fir", 3));
	EXPECT_EQ(flags, DATAGRAM);
	EXPECT_EQ(stream_recv(pair.server, got, sizeof(got), &id, &flags, 0), 2);
	EXPECT_TRUE(!memcmp(got, "st", 2));
	EXPECT_EQ(flags, DATAGRAM | MSG_EOR);
	EXPECT_EQ(stream_recv(pair.server, got, sizeof(got), &id, &flags, 0), 6);
	EXPECT_TRUE(!memcmp(got, "second", 6));
	EXPECT_EQ(stream_recv(pair.server, got, sizeof(got), &id, &flags, 0), 6);
	EXPECT_TRUE(!memcmp(got, "stream", 6));
	EXPECT_EQ(id, 0);
	pair_close(&pair);
}

TEST(more_holds_back)
{
	struct pair pair = {};
	char got[10];

	datagram_pair(&pair, AF_INET, 1200);
	EXPECT_EQ(send(pair.client, "held", 4, DATAGRAM | MSG_MORE), 4);
	EXPECT_TRUE(!wait_for(pair.server, POLLIN, 200));
	EXPECT_EQ(send(pair.client, "and gone", 8, DATAGRAM), 8);
	EXPECT_EQ(recv(pair.server, got, sizeof(got), 0), 4);
	EXPECT_EQ(recv(pair.server, got, sizeof(got), 0), 8);
	pair_close(&pair);
}

/* What is held back fills the send buffer; the next call lets it go. */
TEST(send_buffer_is_a_limit)
{
	static char data[1000], got[2000];
	struct pair pair = {};
	int size = 16000, sent = 0, i;

	datagram_pair(&pair, AF_INET, 65535);
	ASSERT_EQ(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	while (sent < 1000 && send(pair.client, data, sizeof(data),
				   DATAGRAM | MSG_MORE | MSG_DONTWAIT) == sizeof(data))
		sent++;
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_GE(sent, 10);
	EXPECT_LE(sent, 32);
	EXPECT_TRUE(!wait_for(pair.client, POLLOUT, 0));
	set_timeout(pair.client, SO_SNDTIMEO, 100);
	EXPECT_ERRNO(send(pair.client, data, sizeof(data), DATAGRAM | MSG_MORE), EAGAIN);
	set_timeout(pair.client, SO_SNDTIMEO, 10000);
	ASSERT_EQ(send(pair.client, data, sizeof(data), DATAGRAM), sizeof(data));
	for (i = 0; i < sent + 1; i++)
		ASSERT_EQ(recv(pair.server, got, sizeof(got), 0), sizeof(data));
	EXPECT_TRUE(wait_for(pair.client, POLLOUT, 2000));
	size = 1000;
	ASSERT_EQ(setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	EXPECT_ERRNO(send(pair.client, got, 40000, DATAGRAM), EMSGSIZE);
	pair_close(&pair);
}

static void *send_many(void *arg)
{
	static char data[1000];
	int fd = *(int *)arg, i;

	for (i = 0; i < 2000; i++) {
		*(int *)data = i;
		if (send(fd, data, sizeof(data), DATAGRAM) != sizeof(data))
			test_fail(__FILE__, __LINE__, "send %d: %s", i, strerror(errno));
	}
	return NULL;
}

/*
 * More than the buffer and the window hold: the writer waits. A reader with room for all loses nothing,
 * but may see one overtake another when the writer changes processors. RFC 9221, section 5.
 */
TEST(blocking_writer)
{
	static bool seen[2000];
	int room = 2000 * 4096, number, i;
	struct pair pair = {};
	pthread_t writer;
	char got[2000];

	datagram_pair(&pair, AF_INET, 65535);
	ASSERT_EQ(setsockopt(pair.server, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	pthread_create(&writer, NULL, send_many, &pair.client);
	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(recv(pair.server, got, sizeof(got), 0), 1000);
		number = *(int *)got;
		ASSERT_TRUE(number >= 0 && number < 2000 && !seen[number]);
		seen[number] = true;
	}
	pthread_join(writer, NULL);
	pair_close(&pair);
}

static long long counter(const char *name)
{
	FILE *file = fopen("/proc/net/quic/snmp", "r");
	long long value, found = -1;
	char word[64];

	ASSERT_TRUE(file);
	while (fscanf(file, "%63s %lld", word, &value) == 2)
		if (!strcmp(word, name))
			found = value;
	fclose(file);
	ASSERT_GE(found, 0);
	return found;
}

/* RFC 9221, section 5.3; hardening.md, section 1: true size counts, newcomers are dropped. */
TEST(receive_buffer_is_a_limit)
{
	struct pair pair = {};
	int size = 20000, got = 0, last = -1, i;
	long long before;
	char byte[1000] = {};

	datagram_pair(&pair, AF_INET, 65535);
	ASSERT_EQ(setsockopt(pair.server, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	before = counter("QuicFrmRcvBufDrop");
	for (i = 0; i < 1000; i++) {
		memcpy(byte, &i, sizeof(i));
		ASSERT_EQ(send(pair.client, byte, 1 + i % 500 + sizeof(i), DATAGRAM),
			  1 + i % 500 + sizeof(i));
	}
	/* Everything is acknowledged, dropped or not. */
	EXPECT_EQ(stream_send(pair.client, "end", 3, 0, MSG_QUIC_STREAM_NEW, 0), 3);
	usleep(200000 * test_slow());
	while (recv(pair.server, byte, sizeof(byte), MSG_DONTWAIT) > 3) {
		memcpy(&i, byte, sizeof(i));
		/* The oldest were kept; behind them a small one may still have fitted. */
		ASSERT_GE(i, last + 1);
		if (got < 10)
			EXPECT_EQ(i, got);
		last = i;
		got++;
	}
	EXPECT_GE(got, 20);
	EXPECT_LE(got, 500);
	EXPECT_GE(counter("QuicFrmRcvBufDrop") - before, 1000 - got);
	pair_close(&pair);
}

TEST(closed_without_signal)
{
	struct pair pair = {};

	datagram_pair(&pair, AF_INET, 1200);
	EXPECT_EQ(shutdown(pair.client, SHUT_RDWR), 0);
	signal(SIGPIPE, SIG_DFL);
	EXPECT_ERRNO(send(pair.client, "x", 1, DATAGRAM), EPIPE);
	pair_close(&pair);
}

/* uapi.md, section 13: what was sent before close() leaves. */
TEST(close_lets_them_leave)
{
	struct pair pair = {};
	char got[10];

	datagram_pair(&pair, AF_INET, 1200);
	EXPECT_EQ(send(pair.client, "last", 4, DATAGRAM | MSG_MORE), 4);
	close(pair.client);
	EXPECT_EQ(recv(pair.server, got, sizeof(got), 0), 4);
	EXPECT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	close(pair.server);
	close(pair.listener);
}

/* A socket that goes with datagrams that nobody took or sent leaks nothing. */
TEST(abandoned)
{
	struct pair pair = {};
	int i;

	datagram_pair(&pair, AF_INET, 1200);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(send(pair.client, "x", 1, DATAGRAM), 1);
		EXPECT_EQ(send(pair.server, "x", 1, DATAGRAM | MSG_MORE), 1);
	}
	pair_close(&pair);
}
