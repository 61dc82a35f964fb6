// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers, races and ends: many connections on a port, threads against each other, nothing left behind. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define CONNECTIONS	100
#define STREAMS		10

TEST(hundred_connections_ten_streams)
{
	static struct pair pairs[CONNECTIONS];
	static char data[2000], buffer[8192];
	int i, s, fins;
	size_t got;
	uint32_t flags;
	int64_t id;
	ssize_t n;

	pair_open(&pairs[0], AF_INET);
	for (i = 1; i < CONNECTIONS; i++) {
		pairs[i].listener = pairs[0].listener;
		pairs[i].address = pairs[0].address;
		pair_connect(&pairs[i]);
	}
	for (i = 0; i < CONNECTIONS; i++) {
		for (s = 0; s < STREAMS; s++) {
			fill_pattern(data, sizeof(data), 0, i + s);
			ASSERT_EQ(stream_send(pairs[i].client, data, sizeof(data), 4 * s,
					      NEW | FIN, 0), sizeof(data));
		}
	}
	for (i = 0; i < CONNECTIONS; i++) {
		size_t offset[STREAMS] = {};

		for (fins = 0, got = 0; fins < STREAMS; got += n) {
			n = stream_recv(pairs[i].server, buffer, sizeof(buffer), &id, &flags, 0);
			ASSERT_GE(n, 0);
			ASSERT_TRUE(id >= 0 && id < 4 * STREAMS);
			ASSERT_TRUE(check_pattern(buffer, n, offset[id / 4], i + id / 4));
			offset[id / 4] += n;
			fins += !!(flags & FIN);
		}
		EXPECT_EQ(got, STREAMS * sizeof(data));
	}
	for (i = 0; i < CONNECTIONS; i++) {
		close(pairs[i].client);
		close(pairs[i].server);
	}
	close(pairs[0].listener);
}

TEST(one_after_the_other)
{
	struct pair pair = {};
	char buffer[16];
	int i;

	pair_open(&pair, AF_INET);
	for (i = 0; i < 30; i++) {
		EXPECT_EQ(stream_send(pair.client, "ping", 4, 0, NEW | FIN, 0), 4);
		EXPECT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);
		close(pair.client);
		close(pair.server);
		pair_connect(&pair);
	}
	pair_close(&pair);
}

/* Threads that do everything at once to one socket; only crashes and hangs are wrong. */
struct race {
	struct pair *pair;
	volatile bool stop;
};

static void *race_send(void *arg)
{
	struct race *race = arg;
	static char data[5000];
	int64_t id = 0;

	while (!race->stop) {
		if (stream_send(race->pair->client, data, sizeof(data), id,
				NEW | FIN | MSG_QUIC_STREAM_DONTWAIT, MSG_DONTWAIT) >= 0)
			id += 4;
		else if (errno == EPIPE)
			break;
	}
	return NULL;
}

static void *race_recv(void *arg)
{
	struct race *race = arg;
	char buffer[5000];

	while (!race->stop) {
		if (recv(race->pair->server, buffer, sizeof(buffer), MSG_DONTWAIT) < 0 &&
		    errno == ENOTCONN)
			break;
	}
	return NULL;
}

static void *race_options(void *arg)
{
	struct race *race = arg;
	int64_t id;

	while (!race->stop) {
		for (id = 0; id < 400; id += 4) {
			stream_reset(race->pair->client, id, 1);
			stream_stop(race->pair->server, id, 2);
		}
		set_event(race->pair->server, QUIC_EVENT_STREAM_UPDATE, id & 4);
		setsockopt(race->pair->client, SOL_QUIC, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0);
	}
	return NULL;
}

static void *race_connect(void *arg)
{
	struct race *race = arg;
	int client, server;

	set_timeout(race->pair->listener, SO_RCVTIMEO, 100);
	while (!race->stop) {
		client = make_client(&race->pair->address);
		server = accept(race->pair->listener, NULL, NULL);
		close(client);
		if (server >= 0)
			close(server);
	}
	return NULL;
}

TEST(threads_race)
{
	static void *(*const parts[])(void *) = { race_send, race_recv, race_options,
						  race_connect };
	pthread_t threads[4];
	struct pair pair = {};
	struct race race = { &pair, false };
	int i;

	pair_open(&pair, AF_INET);
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, parts[i], &race);
	usleep(1500000);
	shutdown(pair.client, SHUT_RDWR);
	usleep(200000);
	race.stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	pair_close(&pair);
}

TEST(last_descriptor_closes)
{
	struct pair pair = {};
	char buffer[16];
	int copy;
	pid_t pid;

	pair_open(&pair, AF_INET);
	copy = dup(pair.client);
	pid = fork();
	if (!pid)
		_exit(0);	/* closes its copies */
	waitpid(pid, NULL, 0);
	close(pair.client);
	EXPECT_EQ(stream_send(copy, "still", 5, 0, NEW, 0), 5);
	EXPECT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 5);
	close(copy);
	EXPECT_ERRNO(recv(pair.server, buffer, sizeof(buffer), 0), ENOTCONN);
	pair.client = -1;
	pair_close(&pair);
}

TEST(killed_process_leaves_a_closed_connection)
{
	struct pair pair = {};
	char byte;
	pid_t pid;

	pair_open(&pair, AF_INET);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	close(pair.client);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_ERRNO(recv(pair.server, &byte, 1, 0), ENOTCONN);
	pair.client = -1;
	pair_close(&pair);
}

TEST(listener_closed_with_pending_connections)
{
	union address address;
	int listener = make_listener(AF_INET, &address), clients[10], i;

	for (i = 0; i < 10; i++)
		clients[i] = make_client(&address);
	EXPECT_TRUE(wait_for(listener, POLLIN, 2000));
	close(listener);
	for (i = 0; i < 10; i++)
		close(clients[i]);
}
