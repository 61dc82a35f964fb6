// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors of connections and streams in several processes: SCM_RIGHTS, fork(), exec(). */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peeled.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN

/* A child that runs @work with what it gets over its end of a socket pair. */
static pid_t start(void (*work)(int from), int *to)
{
	int way[2];
	pid_t child;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, way), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		close(way[0]);
		work(way[1]);
		_exit(0);
	}
	close(way[1]);
	*to = way[0];
	return child;
}

static void expect_success(pid_t child)
{
	int status;

	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
}

/* Echoes what comes on a stream that it is given, to its end. */
static void echo_one(int from)
{
	int fd = recv_descriptor(from);
	char buffer[100];
	ssize_t n;

	if (fd < 0)
		_exit(1);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (write(fd, buffer, n) != n)
			_exit(2);
	if (n)
		_exit(3);
}

/* Streams of one connection, each served by a process that has never seen the connection. */
TEST(each_stream_has_its_process)
{
	enum { STREAMS = 5 };
	static char text[STREAMS][12];
	struct pair pair = {};
	pid_t child[STREAMS];
	int to, client[STREAMS], server, i;
	char byte;

	pair.family = AF_INET;
	pair_open(&pair, AF_INET);
	for (i = 0; i < STREAMS; i++) {
		ASSERT_EQ(stream_open(pair.client, 4 * i, 0), 4 * i);
		client[i] = peel(pair.client, 4 * i, O_CLOEXEC);
		snprintf(text[i], sizeof(text[i]), "stream %d", i);
		ASSERT_EQ(write(client[i], text[i], strlen(text[i])), strlen(text[i]));
		ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
		server = peel(pair.server, 4 * i, 0);
		ASSERT_GE(server, 0);
		child[i] = start(echo_one, &to);
		send_descriptor(to, server);
		close(server);
		close(to);
	}
	for (i = STREAMS - 1; i >= 0; i--) {
		expect_read(client[i], text[i]);
		ASSERT_EQ(write(client[i], "more", 4), 4);
		expect_read(client[i], "more");
		/* The child has a copy of ours, from fork(): close() alone would end nothing. */
		EXPECT_EQ(shutdown(client[i], SHUT_WR), 0);
		EXPECT_EQ(read(client[i], &byte, 1), 0);
		expect_success(child[i]);
		close(client[i]);
	}
	pair_close(&pair);
}

/* On a socket between two processes, with nobody at home: the last reference is on its way. */
TEST(descriptors_in_flight_are_let_go)
{
	struct pair pair = {};
	int client, server, way[2];
	char byte;

	open_peeled(&pair, &client, &server);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, way), 0);
	send_descriptor(way[0], server);
	send_descriptor(way[0], pair.server);
	close(server);
	close(pair.server);
	ASSERT_EQ(write(client, "!", 1), 1);
	EXPECT_ERRNO(recv(client, &byte, 1, MSG_DONTWAIT), EAGAIN);
	/* Nobody will ever receive them: the connection ends. */
	close(way[0]);
	close(way[1]);
	EXPECT_TRUE(wait_for(client, POLLHUP, 5000));
	pair.server = -1;
	close(client);
	pair_close(&pair);
}

/* Passes a whole connection on; the other process opens streams on it and ends it. */
static void use_connection(int from)
{
	int fd = recv_descriptor(from), stream;
	uint32_t flags;
	char got[8];
	int64_t id;

	if (fd < 0 || stream_recv(fd, got, sizeof(got), &id, &flags, 0) != 4 || id)
		_exit(1);
	stream = peel(fd, 0, 0);
	if (stream < 0 || write(stream, "pong", 4) != 4)
		_exit(2);
	if (stream_send(fd, "mine", 4, 1, NEW | FIN, 0) != 4)
		_exit(3);
	close(stream);
	close(fd);
}

TEST(connection_passes_to_another_process)
{
	struct pair pair = {};
	uint32_t flags;
	char got[8];
	pid_t child;
	int64_t id;
	int to, i;

	pair_open(&pair, AF_INET);
	child = start(use_connection, &to);
	ASSERT_EQ(stream_send(pair.client, "ping", 4, 0, NEW | FIN, 0), 4);
	send_descriptor(to, pair.server);
	close(pair.server);
	pair.server = -1;
	expect_success(child);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(stream_recv(pair.client, got, sizeof(got), &id, &flags, 0), 4);
		EXPECT_TRUE(!memcmp(got, id ? "mine" : "pong", 4));
		EXPECT_TRUE(flags & FIN || !id);
	}
	/* Its last descriptor was closed over there. */
	EXPECT_TRUE(wait_for(pair.client, POLLHUP, 5000));
	close(to);
	pair_close(&pair);
}

/* After fork() both have it: it ends with the last close(), or the death of its last owner. */
TEST(fork_shares_a_connection)
{
	struct pair pair = {};
	int status, way[2];
	pid_t child;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(pipe(way), 0);
	child = fork();
	if (!child) {
		if (stream_send(pair.client, "child", 5, 4, NEW, 0) != 5)
			_exit(1);
		close(way[0]);
		if (write(way[1], "!", 1) == 1)
			pause();
		_exit(2);
	}
	ASSERT_EQ(stream_send(pair.client, "parent", 6, 0, NEW, 0), 6);
	ASSERT_EQ(read(way[0], &byte, 1), 1);
	close(pair.client);
	pair.client = -1;
	/* Ours is gone, the child's is not. */
	EXPECT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_TRUE(!wait_for(pair.server, POLLHUP, 0));
	kill(child, SIGKILL);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(wait_for(pair.server, POLLHUP, 5000));
	pair_close(&pair);
}

/* A stream's descriptor as standard input and output of another program. */
TEST(stream_is_standard_input_and_output)
{
	struct pair pair = {};
	int client, server;
	pid_t child;
	char byte;

	open_peeled(&pair, &client, &server);
	fcntl(client, F_SETFD, FD_CLOEXEC);
	child = fork();
	if (!child) {
		/* Time limits are for us: a program takes them for errors. */
		set_timeout(server, SO_RCVTIMEO, 0);
		dup2(server, 0);
		dup2(server, 1);
		execlp("cat", "cat", NULL);
		_exit(1);
	}
	close(server);
	expect_read(client, "ping");
	ASSERT_EQ(write(client, "line\n", 5), 5);
	expect_read(client, "line\n");
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	expect_success(child);
	EXPECT_EQ(read(client, &byte, 1), 0);
	close(client);
	pair_close(&pair);
}

/* Two readers of one stream in two processes: each byte goes to one of them. */
TEST(readers_of_one_stream)
{
	enum { ALL = 3000 };
	struct pair pair = {};
	int client, server, status, i;
	size_t *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static char data[ALL], got[7];
	pid_t child[2];
	ssize_t n;

	ASSERT_TRUE(counts != MAP_FAILED);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	for (i = 0; i < 2; i++) {
		child[i] = fork();
		if (!child[i]) {
			while ((n = read(server, got, sizeof(got))) > 0)
				counts[i] += n;
			_exit(n ? 1 : 0);
		}
	}
	for (i = 0; i < ALL; i += 100)
		ASSERT_EQ(send(client, data, 100, 0), 100);
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(waitpid(child[i], &status, 0), child[i]);
		EXPECT_EQ(status, 0);
	}
	EXPECT_EQ(counts[0] + counts[1], ALL);
	close(client);
	close(server);
	pair_close(&pair);
}
