// SPDX-License-Identifier: GPL-2.0-or-later
/* select(), poll() and epoll, by level and by edge, with many streams: uapi.md, section 2.10. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "peeled.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define STREAMS	50

/* A pair with many streams, each with a descriptor at the server, and nothing to be read. */
static void open_many(struct pair *pair, int server[STREAMS])
{
	char byte;
	int i;

	pair_open(pair, AF_INET);
	for (i = 0; i < STREAMS; i++) {
		ASSERT_EQ(stream_send(pair->client, "x", 1, 4 * i, NEW, 0), 1);
		ASSERT_TRUE(wait_for(pair->server, POLLIN, 2000));
		server[i] = peel(pair->server, 4 * i, 0);
		ASSERT_GE(server[i], 0);
		ASSERT_EQ(read(server[i], &byte, 1), 1);
	}
}

static void close_many(struct pair *pair, int server[STREAMS])
{
	int i;

	for (i = 0; i < STREAMS; i++)
		close(server[i]);
	pair_close(pair);
}

static void say(struct pair *pair, int i)
{
	ASSERT_EQ(stream_send(pair->client, "y", 1, 4 * i, 0, 0), 1);
}

/* An epoll of all of them, each known by its number. */
static int watch(int server[STREAMS], uint32_t events)
{
	int ep = epoll_create1(0), i;

	ASSERT_GE(ep, 0);
	for (i = 0; i < STREAMS; i++) {
		struct epoll_event event = { .events = events, .data.u32 = i };

		ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, server[i], &event), 0);
	}
	return ep;
}

/* How many are reported now, and at least one within the time; theirs are set in @seen. */
static int report(int ep, bool seen[STREAMS], int ms)
{
	struct epoll_event event[STREAMS];
	int n = epoll_wait(ep, event, STREAMS, ms * test_slow()), i;

	ASSERT_GE(n, 0);
	memset(seen, 0, STREAMS * sizeof(*seen));
	for (i = 0; i < n; i++)
		seen[event[i].data.u32] = true;
	return n;
}

TEST(select_tells_streams_apart)
{
	struct timeval now = {}, later = { .tv_sec = 2 * test_slow() };
	struct pair pair = {};
	int server[STREAMS], i, top = 0;
	fd_set readable, writable;

	open_many(&pair, server);
	say(&pair, 3);
	say(&pair, 40);
	ASSERT_TRUE(wait_for(server[3], POLLIN, 2000));
	ASSERT_TRUE(wait_for(server[40], POLLIN, 2000));
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	for (i = 0; i < STREAMS; i++) {
		FD_SET(server[i], &readable);
		FD_SET(server[i], &writable);
		top = server[i] > top ? server[i] : top;
	}
	EXPECT_EQ(select(top + 1, &readable, &writable, NULL, &now), STREAMS + 2);
	for (i = 0; i < STREAMS; i++) {
		EXPECT_EQ(!!FD_ISSET(server[i], &readable), i == 3 || i == 40);
		EXPECT_TRUE(FD_ISSET(server[i], &writable));
	}
	/* The connection's own descriptor speaks of the other streams only. */
	FD_ZERO(&readable);
	FD_SET(pair.server, &readable);
	now = (struct timeval){};
	EXPECT_EQ(select(pair.server + 1, &readable, NULL, NULL, &now), 0);
	ASSERT_EQ(stream_send(pair.client, "z", 1, 4 * STREAMS, NEW, 0), 1);
	FD_SET(pair.server, &readable);
	EXPECT_EQ(select(pair.server + 1, &readable, NULL, NULL, &later), 1);
	close_many(&pair, server);
}

TEST(epoll_by_level_repeats_until_it_is_read)
{
	struct pair pair = {};
	int server[STREAMS], ep, i, round;
	bool seen[STREAMS];
	char byte;

	open_many(&pair, server);
	ep = watch(server, EPOLLIN);
	EXPECT_EQ(report(ep, seen, 0), 0);
	for (i = 0; i < STREAMS; i += 5)
		say(&pair, i);
	for (i = 0; i < STREAMS; i += 5)
		ASSERT_TRUE(wait_for(server[i], POLLIN, 2000));
	for (round = 0; round < 3; round++) {
		EXPECT_EQ(report(ep, seen, 0), STREAMS / 5);
		for (i = 0; i < STREAMS; i++)
			EXPECT_EQ(seen[i], i % 5 == 0);
	}
	for (i = 0; i < STREAMS; i += 5)
		EXPECT_EQ(read(server[i], &byte, 1), 1);
	EXPECT_EQ(report(ep, seen, 0), 0);
	close(ep);
	close_many(&pair, server);
}

/* One report for each arrival, read or not; none for what came to others. */
TEST(epoll_by_edge_reports_arrivals)
{
	struct pair pair = {};
	int server[STREAMS], ep, round;
	bool seen[STREAMS];
	char bytes[8];

	open_many(&pair, server);
	ep = watch(server, EPOLLIN | EPOLLET);
	EXPECT_EQ(report(ep, seen, 0), 0);
	for (round = 0; round < 4; round++) {
		say(&pair, 7);
		EXPECT_EQ(report(ep, seen, 2000), 1);
		EXPECT_TRUE(seen[7]);
		/* Unread, and yet no news. */
		EXPECT_EQ(report(ep, seen, 0), 0);
	}
	EXPECT_EQ(recv(server[7], bytes, sizeof(bytes), 0), 4);
	EXPECT_EQ(report(ep, seen, 0), 0);
	/* The end of a stream is news. */
	ASSERT_EQ(stream_send(pair.client, NULL, 0, 4 * 8, FIN, 0), 0);
	EXPECT_EQ(report(ep, seen, 2000), 1);
	EXPECT_TRUE(seen[8]);
	/* So is a reset. */
	ASSERT_EQ(stream_reset(pair.client, 4 * 9, 1), 0);
	EXPECT_EQ(report(ep, seen, 2000), 1);
	EXPECT_TRUE(seen[9]);
	close(ep);
	close_many(&pair, server);
}

/* Once only: further news wait until the descriptor is armed again. */
TEST(epoll_oneshot)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u32 = 5 };
	struct pair pair = {};
	int server[STREAMS], ep;
	bool seen[STREAMS];

	open_many(&pair, server);
	ep = watch(server, EPOLLIN | EPOLLONESHOT);
	say(&pair, 5);
	EXPECT_EQ(report(ep, seen, 2000), 1);
	say(&pair, 5);
	EXPECT_EQ(report(ep, seen, 0), 0);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_MOD, server[5], &event), 0);
	EXPECT_EQ(report(ep, seen, 2000), 1);
	EXPECT_TRUE(seen[5]);
	close(ep);
	close_many(&pair, server);
}

/* Whoever could not write, by edge, hears of it when there is credit again. */
TEST(epoll_by_edge_reports_room)
{
	struct pair pair = { .server_param = { .max_stream_data_bidi_remote = 20000 } };
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	int client, server, ep = epoll_create1(0), round;
	static char data[30000];
	size_t sent;
	ssize_t n;

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	set_nonblock(client, true);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, client, &event), 0);
	EXPECT_EQ(epoll_wait(ep, &event, 1, 2000 * test_slow()), 1);
	for (round = 0; round < 3; round++) {
		/* Until it says no, as by edge one has to. */
		for (sent = 0; (n = send(client, data, sizeof(data), MSG_NOSIGNAL)) > 0; sent += n)
			;
		EXPECT_EQ(errno, EAGAIN);
		EXPECT_GE(sent, 1);
		/* News of before may still be there. */
		epoll_wait(ep, &event, 1, 0);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 0);
		EXPECT_EQ(recv(server, data, sent, MSG_WAITALL), sent);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 2000 * test_slow()), 1);
		EXPECT_TRUE(event.events & EPOLLOUT);
	}
	close(ep);
	close(client);
	close(server);
	pair_close(&pair);
}

/* A loop as a server has it: all streams by edge, in one thread, nothing lost and nothing missed. */
TEST(server_by_edge)
{
	enum { EACH = 20000 };
	struct pair pair = { .server_param = { .max_stream_data_bidi_remote = 3000 } };
	int server[STREAMS], ep, i, left = STREAMS;
	static char data[EACH], got[1000];
	size_t sent[STREAMS] = {}, read_of[STREAMS] = {};
	bool seen[STREAMS];
	ssize_t n;

	open_many(&pair, server);
	ep = watch(server, EPOLLIN | EPOLLET);
	fill_pattern(data, EACH, 0, 8);
	set_nonblock(pair.client, true);
	while (left) {
		for (i = 0; i < STREAMS; i++) {
			if (sent[i] == EACH)
				continue;
			n = stream_send(pair.client, data + sent[i], EACH - sent[i], 4 * i, FIN, 0);
			ASSERT_TRUE(n > 0 || errno == ENOSPC || errno == EAGAIN);
			sent[i] += n > 0 ? n : 0;
		}
		ASSERT_GE(report(ep, seen, 5000), 1);
		for (i = 0; i < STREAMS; i++) {
			if (!seen[i])
				continue;
			while ((n = recv(server[i], got, sizeof(got), MSG_DONTWAIT)) > 0) {
				ASSERT_TRUE(check_pattern(got, n, read_of[i], 8));
				read_of[i] += n;
			}
			left -= !n;
		}
	}
	for (i = 0; i < STREAMS; i++)
		EXPECT_EQ(read_of[i], EACH);
	close(ep);
	close_many(&pair, server);
}

/* The end of the connection is told at each descriptor, whatever was asked for. */
TEST(end_of_the_connection_reaches_all)
{
	struct pair pair = {};
	int server[STREAMS], ep, i, n = 0;
	bool seen[STREAMS], ever[STREAMS] = {};

	open_many(&pair, server);
	ep = watch(server, EPOLLET);
	EXPECT_EQ(report(ep, seen, 0), 0);
	close(pair.client);
	pair.client = -1;
	while (n < STREAMS && report(ep, seen, 2000) > 0) {
		for (i = 0; i < STREAMS; i++) {
			n += seen[i] && !ever[i];
			ever[i] |= seen[i];
		}
	}
	EXPECT_EQ(n, STREAMS);
	close(ep);
	close_many(&pair, server);
}
