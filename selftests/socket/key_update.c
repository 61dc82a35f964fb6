// SPDX-License-Identifier: GPL-2.0-or-later
/* Key updates from either side: uapi.md, sections 5.8, 6.2 and 11.3. RFC 9001, section 6. */
#include <linux/tls.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"

static int update(int fd)
{
	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0);
}

/* As soon as the one before is finished. */
static void update_soon(int fd)
{
	long long deadline = test_now_ms() + 5000 * test_slow();

	while (update(fd)) {
		ASSERT_EQ(errno, EINVAL);
		ASSERT_TRUE(test_now_ms() < deadline);
		usleep(5000);
	}
}

static void expect_phase(int fd, int phase)
{
	union quic_event event;

	ASSERT_TRUE(wait_event(fd, QUIC_EVENT_KEY_UPDATE, &event, 1));
	EXPECT_EQ(event.key_update_phase, phase);
}

static void say(int from, int to, int turn)
{
	char sent[64], got[64];
	uint32_t flags;
	int64_t id;

	fill_pattern(sent, sizeof(sent), turn, 7);
	ASSERT_EQ(stream_send(from, sent, sizeof(sent), 0, 0, 0), sizeof(sent));
	ASSERT_EQ(stream_recv(to, got, sizeof(got), &id, &flags, 0), sizeof(got));
	EXPECT_TRUE(!(flags & MSG_QUIC_NOTIFICATION));
	EXPECT_TRUE(check_pattern(got, sizeof(got), turn, 7));
}

static void updates_from_both_sides(uint32_t cipher)
{
	struct pair pair = { .cipher = cipher };
	char buffer[8];
	int turn;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_KEY_UPDATE, true), 0);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_KEY_UPDATE, true), 0);
	ASSERT_EQ(stream_send(pair.client, "hello", 5, 0, MSG_QUIC_STREAM_NEW, 0), 5);
	ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	for (turn = 1; turn <= 6; turn++) {
		int starter = turn % 2 ? pair.client : pair.server;
		int other = turn % 2 ? pair.server : pair.client;

		update_soon(starter);
		/* RFC 9001, section 6.1 #2: one at a time. */
		EXPECT_ERRNO(update(starter), EINVAL);
		ASSERT_EQ(stream_send(starter, "new", 3, 0, 0, 0), 3);
		/* The first update reports phase 1, the next 0; the starter gets no event. */
		expect_phase(other, turn % 2);
		ASSERT_EQ(recv(other, buffer, sizeof(buffer), 0), 3);
		say(other, starter, turn);
		say(starter, other, turn);
	}
	pair_close(&pair);
}

TEST(either_side_may_start)
{
	updates_from_both_sides(TLS_CIPHER_AES_GCM_128);
}

TEST(secrets_of_sha384_and_chacha_are_updated)
{
	updates_from_both_sides(TLS_CIPHER_AES_GCM_256);
	updates_from_both_sides(TLS_CIPHER_CHACHA20_POLY1305);
}

TEST(both_sides_at_once)
{
	struct pair pair = {};
	char buffer[8];
	int turn;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "hello", 5, 0, MSG_QUIC_STREAM_NEW, 0), 5);
	ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	for (turn = 0; turn < 3; turn++) {
		update_soon(pair.client);
		/* The client has sent nothing with it: the server does not know. */
		update(pair.server);
		say(pair.client, pair.server, turn);
		say(pair.server, pair.client, turn);
	}
	pair_close(&pair);
}

TEST(large_transfer_over_updates)
{
	struct pair pair = {};
	static char data[1 << 20], got[1 << 16];
	size_t sent = 0, received = 0;
	ssize_t n;
	int updates = 0;

	pair_open(&pair, AF_INET);
	fill_pattern(data, sizeof(data), 0, 3);
	ASSERT_EQ(stream_open(pair.client, 2, MSG_QUIC_STREAM_UNI), 2);
	while (received < sizeof(data)) {
		if (sent < sizeof(data)) {
			n = stream_send(pair.client, data + sent,
					sizeof(data) - sent < 40000 ? sizeof(data) - sent : 40000,
					2, 0, MSG_DONTWAIT);
			sent += n > 0 ? n : 0;
			updates += !update(pair.client);
			updates += !update(pair.server);
		}
		n = recv(pair.server, got, sizeof(got), MSG_DONTWAIT);
		if (n < 0) {
			ASSERT_EQ(errno, EAGAIN);
			ASSERT_TRUE(wait_for(pair.server, POLLIN, 5000) || sent < sizeof(data));
			continue;
		}
		ASSERT_TRUE(check_pattern(got, n, received, 3));
		received += n;
	}
	EXPECT_GE(updates, 1);
	pair_close(&pair);
}
