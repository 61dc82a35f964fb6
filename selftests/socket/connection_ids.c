// SPDX-License-Identifier: GPL-2.0-or-later
/* Connection IDs and stateless resets: uapi.md, sections 2.14, 5.5, 6.2 and 11.2. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"

#define DEST	1
#define SOURCE	0

static int set_ids(int fd, int dest, uint32_t active, uint32_t prior_to)
{
	struct quic_connection_id_info info = {
		.dest = dest, .active = active, .prior_to = prior_to,
	};

	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, &info, sizeof(info));
}

static void get_ids(int fd, int dest, struct quic_connection_id_info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0xff, sizeof(*info));
	info->dest = dest;
	ASSERT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, info, &len), 0);
	EXPECT_EQ(len, 12);
	EXPECT_EQ(info->dest, dest);
	EXPECT_EQ(info->reserved[0] | info->reserved[1] | info->reserved[2], 0);
}

static void expect_ids(int fd, int dest, uint32_t active, uint32_t prior_to)
{
	struct quic_connection_id_info info;

	get_ids(fd, dest, &info);
	EXPECT_EQ(info.active, active);
	EXPECT_EQ(info.prior_to, prior_to);
}

/* Waits until the lowest number is @prior_to. */
static bool wait_ids(int fd, int dest, uint32_t prior_to)
{
	long long deadline = test_now_ms() + 5000 * test_slow();
	struct quic_connection_id_info info;

	do {
		get_ids(fd, dest, &info);
		if (info.prior_to == prior_to)
			return true;
		usleep(5000);
	} while (test_now_ms() < deadline);
	return false;
}

static void exchange(struct pair *pair, const char *text)
{
	char buffer[64];
	uint32_t flags;
	int64_t id;

	EXPECT_EQ(stream_send(pair->client, text, strlen(text), -1,
			      MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_UNI | MSG_QUIC_STREAM_FIN, 0),
		  strlen(text));
	EXPECT_EQ(stream_recv(pair->server, buffer, sizeof(buffer), &id, &flags, 0), strlen(text));
	EXPECT_EQ(stream_send(pair->server, text, strlen(text), -1,
			      MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_UNI | MSG_QUIC_STREAM_FIN, 0),
		  strlen(text));
	EXPECT_EQ(stream_recv(pair->client, buffer, sizeof(buffer), &id, &flags, 0), strlen(text));
}

TEST(connection_ids_in_wrong_states)
{
	struct quic_connection_id_info info = { .dest = 1 };
	socklen_t len = sizeof(info);
	struct pair pair = {};
	int fd;

	fd = quic_socket(AF_INET, SOCK_DGRAM);
	EXPECT_ERRNO(set_ids(fd, DEST, 1, 0), EINVAL);
	EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, &info, &len), EINVAL);
	close(fd);
	pair.listener = make_listener(AF_INET, &pair.address);
	EXPECT_ERRNO(set_ids(pair.listener, DEST, 1, 0), EINVAL);
	pair.client = make_client(&pair.address);
	EXPECT_ERRNO(set_ids(pair.client, DEST, 1, 0), EINVAL);
	EXPECT_ERRNO(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, &info, &len),
		     EINVAL);
	close(pair.client);
	close(pair.listener);
}

TEST(connection_id_lengths)
{
	struct quic_connection_id_info info = { .dest = 1, .active = 1, .prior_to = 1 };
	struct pair pair = {};
	char big[40] = {};
	socklen_t len = 5;

	pair_open(&pair, AF_INET);
	ASSERT_TRUE(wait_ids(pair.client, DEST, 0));
	/* A missing tail is zero: only active counts. */
	EXPECT_EQ(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, &info, 8), 0);
	expect_ids(pair.client, DEST, 1, 0);
	EXPECT_ERRNO(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, NULL, 12),
		     EFAULT);
	/* Nothing to do is no error; an excess is ignored. */
	EXPECT_EQ(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, big, sizeof(big)),
		  0);
	EXPECT_EQ(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, big, &len), 0);
	EXPECT_EQ(len, 5);
	len = sizeof(big);
	EXPECT_EQ(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, big, &len), 0);
	EXPECT_EQ(len, 12);
	pair_close(&pair);
}

/* Rows of uapi.md, section 11.2, items 27 and 28. */
TEST(connection_ids_are_chosen_and_retired)
{
	static const struct {
		uint32_t active, prior_to;
		int err;
		uint32_t active_after, lowest_after;	/* of the side that retires itself */
	} step[] = {
		{ 0, 1, 0, 1, 1 },
		{ 0, 1, EINVAL },		/* repeated */
		{ 1, 0, EINVAL },		/* not above the one in use */
		{ 0, 7, 0, 7, 7 },		/* the highest one */
		{ 0, 14, EINVAL },		/* beyond it */
		{ 14, 0, EINVAL },
		{ 14, 8, EINVAL },
		{ 8, 14, EINVAL },
		{ 0, 6, EINVAL },		/* below the lowest */
		{ 9, 8, 0, 9, 8 },
		{ 12, 0, 0, 12, 8 },
		{ 13, 14, 0, 14, 14 },		/* the new one goes at once */
		{ 0, 0xffffffff, EINVAL },
	};
	struct pair pair = {};
	int fd[2], peer[2];
	size_t i;
	int side, dest;

	pair_open(&pair, AF_INET);
	exchange(&pair, "hello");
	fd[0] = peer[1] = pair.client;
	fd[1] = peer[0] = pair.server;
	for (side = 0; side < 2; side++) {
		for (i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
			if (step[i].err) {
				EXPECT_ERRNO(set_ids(fd[side], DEST, step[i].active,
						     step[i].prior_to), step[i].err);
				continue;
			}
			EXPECT_EQ(set_ids(fd[side], DEST, step[i].active, step[i].prior_to), 0);
			expect_ids(fd[side], DEST, step[i].active_after, step[i].lowest_after);
			/* The issuer follows, and has issued others: the next step needs them. */
			EXPECT_TRUE(wait_ids(peer[side], SOURCE, step[i].lowest_after));
			exchange(&pair, "data");
		}
		expect_ids(peer[side], SOURCE, 14, 14);
	}
	/* Those that we issued: the same rules, but the peer retires. */
	for (dest = 0; dest < 2; dest++) {
		EXPECT_ERRNO(set_ids(fd[dest], SOURCE, 0, 14), EINVAL);
		EXPECT_ERRNO(set_ids(fd[dest], SOURCE, 0, 21), EINVAL);
		EXPECT_ERRNO(set_ids(fd[dest], SOURCE, 14, 0), EINVAL);
		EXPECT_EQ(set_ids(fd[dest], SOURCE, 0, 20), 0);
		EXPECT_TRUE(wait_ids(fd[dest], SOURCE, 20));
		EXPECT_TRUE(wait_ids(peer[dest], DEST, 20));
		expect_ids(peer[dest], DEST, 20, 20);
		EXPECT_ERRNO(set_ids(fd[dest], SOURCE, 0, 20), EINVAL);
		exchange(&pair, "more");
		EXPECT_EQ(set_ids(fd[dest], SOURCE, 24, 22), 0);
		EXPECT_TRUE(wait_ids(fd[dest], SOURCE, 22));
		exchange(&pair, "more");
	}
	pair_close(&pair);
}

/* The peer sees which one packets are sent to. */
TEST(active_connection_id_is_seen_by_the_peer)
{
	struct pair pair = {};

	pair_open(&pair, AF_INET6);
	exchange(&pair, "hello");
	expect_ids(pair.server, SOURCE, 0, 0);
	EXPECT_EQ(set_ids(pair.client, DEST, 3, 0), 0);
	exchange(&pair, "data");
	expect_ids(pair.server, SOURCE, 3, 0);
	expect_ids(pair.client, SOURCE, 0, 0);
	pair_close(&pair);
}

TEST(connection_id_events)
{
	struct pair pair = {};
	union quic_event event;
	uint32_t i;

	pair_open(&pair, AF_INET);
	exchange(&pair, "hello");
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_ID, true), 0);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_CONNECTION_ID, true), 0);
	EXPECT_EQ(set_ids(pair.client, DEST, 2, 2), 0);
	for (i = 1; i <= 2; i++) {
		ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_ID, &event, 12));
		EXPECT_EQ(event.info.dest, 1);
		EXPECT_EQ(event.info.prior_to, i);
		EXPECT_EQ(event.info.active, 2);
		ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_CONNECTION_ID, &event, 12));
		EXPECT_EQ(event.info.dest, 0);
		EXPECT_EQ(event.info.prior_to, i);
	}
	pair_close(&pair);
}

/*
 * RFC 9000, sections 10.3 and 10.3.1 #1 #4: the server's connection is gone without a word, its
 * listener answers with the token that the connection gave.
 */
static void reset_by_listener(bool first_id)
{
	struct pair pair = {};
	union quic_event event;
	char byte;

	if (first_id)
		pair.server_param.stateless_reset = 1;
	pair_open(&pair, AF_INET);
	exchange(&pair, "hello");
	if (!first_id) {
		EXPECT_EQ(set_ids(pair.client, DEST, 1, 0), 0);
		exchange(&pair, "data");
	}
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	EXPECT_EQ(shutdown(pair.server, SHUT_RD), 0);
	EXPECT_EQ(close(pair.server), 0);
	EXPECT_EQ(stream_send(pair.client, "anybody there?", 14, 4, MSG_QUIC_STREAM_NEW, 0), 14);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, &event, 72));
	EXPECT_EQ(event.close.errcode, 0x100);
	EXPECT_EQ(event.close.frame, 0);
	EXPECT_EQ(event.close.phrase[0], 0);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), ENOTCONN);
	EXPECT_ERRNO(send(pair.client, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(pair.client);
	close(pair.listener);
}

TEST(stateless_reset_by_token_of_the_parameters)
{
	reset_by_listener(true);
}

TEST(stateless_reset_by_token_of_a_later_id)
{
	reset_by_listener(false);
}

/* Without the parameter there is no token for the first ID: nobody can end it that way. */
TEST(no_stateless_reset_without_a_token)
{
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	exchange(&pair, "hello");
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_CLOSE, true), 0);
	EXPECT_EQ(shutdown(pair.server, SHUT_RD), 0);
	EXPECT_EQ(close(pair.server), 0);
	EXPECT_EQ(stream_send(pair.client, "anybody there?", 14, 4, MSG_QUIC_STREAM_NEW, 0), 14);
	EXPECT_TRUE(!wait_for(pair.client, POLLIN, 500));
	close(pair.client);
	close(pair.listener);
}
