// SPDX-License-Identifier: GPL-2.0-or-later
/* Events and how a connection ends: uapi.md, sections 2.8, 2.14 and 6. */
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN

static int set_close(int fd, uint32_t code, const char *phrase)
{
	struct quic_connection_close info = { .errcode = code };

	strncpy((char *)info.phrase, phrase, sizeof(info.phrase) - 1);
	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, &info, sizeof(info));
}

static void get_close(int fd, struct quic_connection_close *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0xff, sizeof(*info));
	ASSERT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, info, &len), 0);
}

TEST(events_of_a_stream)
{
	struct pair pair = {};
	union quic_event event;
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_STREAM_UPDATE, true), 0);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_STREAM_UPDATE, true), 0);
	EXPECT_EQ(stream_send(pair.client, "hello", 5, 2, NEW | FIN, 0), 5);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	/* Both come before the data. */
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 25);
	EXPECT_TRUE(flags & MSG_QUIC_NOTIFICATION);
	EXPECT_TRUE(flags & MSG_EOR);
	EXPECT_EQ(id, -1);
	EXPECT_EQ(buffer[0], QUIC_EVENT_STREAM_UPDATE);
	memcpy(&event, buffer + 1, 24);
	EXPECT_EQ(event.update.id, 2);
	EXPECT_EQ(event.update.state, QUIC_STREAM_RECV_STATE_RECV);
	EXPECT_EQ(event.update.finalsz, 0);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 25);
	memcpy(&event, buffer + 1, 24);
	EXPECT_EQ(event.update.state, QUIC_STREAM_RECV_STATE_RECVD);
	EXPECT_EQ(event.update.finalsz, 5);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(!(flags & MSG_QUIC_NOTIFICATION));
	/* The sender learns that all was acknowledged. */
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_STREAM_UPDATE, &event, 24));
	EXPECT_EQ(event.update.id, 2);
	EXPECT_EQ(event.update.state, QUIC_STREAM_SEND_STATE_RECVD);
	pair_close(&pair);
}

TEST(event_in_two_reads)
{
	struct pair pair = {};
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_STREAM_UPDATE, true), 0);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, NEW, 0), 1);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(stream_recv(pair.server, buffer, 10, &id, &flags, 0), 10);
	EXPECT_TRUE((flags & MSG_QUIC_NOTIFICATION) && !(flags & MSG_EOR));
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 15);
	EXPECT_TRUE((flags & MSG_QUIC_NOTIFICATION) && (flags & MSG_EOR));
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 1);
	EXPECT_TRUE(!(flags & MSG_QUIC_NOTIFICATION));
	pair_close(&pair);
}

TEST(max_stream_event_tells_an_id)
{
	struct pair pair = { .server_param = { .max_streams_uni = 2 } };
	union quic_event event;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_STREAM_MAX_STREAM, true), 0);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 2, NEW | FIN, 0), 1);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_STREAM_MAX_STREAM, &event, 8));
	EXPECT_EQ(event.max_stream, 10);	/* 2 and 6 at first, now one more */
	pair_close(&pair);
}

TEST(max_data_event_tells_an_offset)
{
	struct pair pair = { .server_param = { .max_stream_data_uni = 8000 } };
	union quic_event event;
	static char data[8000];
	ssize_t got = 0;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_STREAM_MAX_DATA, true), 0);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 2, NEW, 0), sizeof(data));
	while (got < 8000) {
		ssize_t n = recv(pair.server, data, sizeof(data), 0);

		ASSERT_GE(n, 1);
		got += n;
	}
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_STREAM_MAX_DATA, &event, 16));
	EXPECT_EQ(event.max_data.id, 2);
	EXPECT_GE(event.max_data.max_data, 8001);
	pair_close(&pair);
}

TEST(close_tells_code_and_phrase)
{
	struct quic_connection_close info;
	struct pair pair = {};
	union quic_event event;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	ASSERT_EQ(set_close(pair.client, 4711, "no more"), 0);
	ASSERT_EQ(shutdown(pair.client, SHUT_WR), 0);
	ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_EQ(event.close.errcode, 4711);
	EXPECT_EQ(event.close.frame, 0);
	EXPECT_TRUE(!strcmp((char *)event.close.phrase, "no more"));
	EXPECT_ERRNO(recv(pair.server, &byte, 1, 0), ENOTCONN);
	get_close(pair.server, &info);
	EXPECT_EQ(info.errcode, 4711);
	EXPECT_TRUE(!strcmp((char *)info.phrase, "no more"));
	/* Who closed gets no event and keeps what it configured. */
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), ENOTCONN);
	get_close(pair.client, &info);
	EXPECT_EQ(info.errcode, 4711);
	pair_close(&pair);
}

TEST(close_during_the_handshake)
{
	static const struct { uint32_t set, seen; } cases[] = {
		{ 4711, QUIC_TRANSPORT_ERROR_APPLICATION },	/* must not leak */
		{ 0, QUIC_TRANSPORT_ERROR_APPLICATION },
		{ 0x100 + 40, 0x100 + 40 },			/* a TLS alert */
	};
	struct quic_connection_close info;
	union address address;
	int listener, client, server;
	size_t i;

	for (i = 0; i < 3; i++) {
		listener = make_listener(AF_INET, &address);
		client = make_client(&address);
		server = accept(listener, NULL, NULL);
		ASSERT_GE(server, 0);
		expect_handshake(server, QUIC_CRYPTO_INITIAL, "client hello", 12);
		ASSERT_EQ(set_close(server, cases[i].set, ""), 0);
		close(server);
		EXPECT_TRUE(wait_for(client, POLLHUP, 2000));
		get_close(client, &info);
		EXPECT_EQ(info.errcode, cases[i].seen);
		close(client);
		close(listener);
	}
}

TEST(data_sent_before_close_arrives)
{
	struct pair pair = {};
	static char data[1 << 20], buffer[65536];
	size_t got = 0;
	uint32_t flags = 0;
	int64_t id;
	ssize_t n;

	pair_open(&pair, AF_INET);
	fill_pattern(data, sizeof(data), 0, 4);
	/* More than the send window: most of it is still here when close() returns. */
	n = stream_send(pair.client, data, sizeof(data), 0, NEW, MSG_DONTWAIT);
	ASSERT_GE(n, 10000);
	ASSERT_EQ(set_close(pair.client, 5, "bye"), 0);
	close(pair.client);
	while (got < (size_t)n) {
		ssize_t m = stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0);

		ASSERT_GE(m, 1);
		ASSERT_TRUE(check_pattern(buffer, m, got, 4));
		got += m;
	}
	EXPECT_EQ(got, n);
	EXPECT_ERRNO(recv(pair.server, buffer, 1, 0), ENOTCONN);
	pair.client = -1;
	pair_close(&pair);
}

static void *read_slowly(void *arg)
{
	struct pair *pair = arg;
	static char buffer[65536];
	size_t got = 0;
	ssize_t n;

	usleep(300000);
	while ((n = recv(pair->server, buffer, sizeof(buffer), 0)) > 0)
		got += n;
	return (void *)got;
}

TEST(linger_waits_for_delivery)
{
	struct pair pair = {
		.server_param = { .max_data = 400000, .max_stream_data_bidi_remote = 20000 },
	};
	struct linger linger = { 1, 20 };
	static char data[20000];
	pthread_t thread;
	void *got;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, 0), sizeof(data));
	pthread_create(&thread, NULL, read_slowly, &pair);
	close(pair.client);
	/* Acknowledged, so it lies at the peer: the connection is over there, too. */
	EXPECT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	pthread_join(thread, &got);
	EXPECT_EQ((size_t)got, sizeof(data));
	pair.client = -1;
	pair_close(&pair);
}

TEST(linger_zero_aborts)
{
	struct linger linger = { 1, 0 };
	struct quic_connection_close info;
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_close(pair.client, 99, ""), 0);
	ASSERT_EQ(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, NEW, 0), 1);
	close(pair.client);
	EXPECT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	get_close(pair.server, &info);
	EXPECT_EQ(info.errcode, 99);
	pair.client = -1;
	pair_close(&pair);
}

TEST(idle_timeout_ends_silently)
{
	struct pair pair = { .client_param = { .max_idle_timeout = 1000000 } };
	struct quic_connection_close info;
	union quic_event event;
	long long began;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	ASSERT_EQ(set_close(pair.client, 7, ""), 0);
	began = test_now_ms();
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_GE(test_now_ms() - began, 500);
	EXPECT_EQ(event.close.errcode, 0);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), ENOTCONN);
	get_close(pair.client, &info);
	EXPECT_EQ(info.errcode, 7);	/* what was configured stays */
	EXPECT_TRUE(wait_for(pair.server, POLLHUP, 3000));
	pair_close(&pair);
}

TEST(keepalive_holds_the_connection)
{
	struct pair pair = {
		.client_param = { .max_idle_timeout = 3000000 },
		.client_config = { .keepalive_probe_interval = 1500000 },
	};
	char byte;

	pair_open(&pair, AF_INET);
	usleep(4500000);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, MSG_DONTWAIT), EAGAIN);
	EXPECT_ERRNO(recv(pair.server, &byte, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

TEST(disabled_events_do_not_come)
{
	struct pair pair = {};
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, NEW | FIN, 0), 1);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 1);
	EXPECT_TRUE(!(flags & MSG_QUIC_NOTIFICATION));
	EXPECT_ERRNO(recv(pair.server, buffer, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}
