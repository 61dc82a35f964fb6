// SPDX-License-Identifier: GPL-2.0-or-later
/* QUIC_SOCKOPT_STREAM_PEELOFF: one descriptor for one stream. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "peeled.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN

TEST(descriptor_reads_and_writes_one_stream)
{
	struct pair pair = {};
	int client, server, value;
	socklen_t len = sizeof(value);
	union address name;
	char buffer[16];
	uint32_t flags;
	int64_t id;

	open_peeled(&pair, &client, &server);
	/* What had come before belongs to it, too. */
	EXPECT_ERRNO(recv(pair.server, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
	EXPECT_EQ(ioctl(server, FIONREAD, &value), 0);
	EXPECT_EQ(value, 4);
	EXPECT_EQ(recv(server, buffer, 2, MSG_PEEK), 2);
	EXPECT_EQ(read(server, buffer, 2), 2);
	EXPECT_TRUE(!memcmp(buffer, "pi", 2));
	expect_read(server, "ng");
	EXPECT_EQ(write(server, "pong", 4), 4);
	expect_read(client, "pong");
	/* The other streams stay with the connection. */
	EXPECT_EQ(stream_send(pair.client, "other", 5, 4, NEW, 0), 5);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_EQ(id, 4);
	EXPECT_ERRNO(recv(server, buffer, 1, MSG_DONTWAIT), EAGAIN);
	/* It is a socket. */
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_PROTOCOL, &value, &len), 0);
	EXPECT_EQ(value, IPPROTO_QUIC);
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_TYPE, &value, &len), 0);
	EXPECT_EQ(value, SOCK_STREAM);
	EXPECT_ERRNO(getsockopt(server, SOL_QUIC, QUIC_SOCKOPT_CONFIG, &value, &len), ENOPROTOOPT);
	EXPECT_ERRNO(setsockopt(server, SOL_QUIC, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0), ENOPROTOOPT);
	EXPECT_ERRNO(listen(server, 1), EOPNOTSUPP);
	EXPECT_ERRNO(connect(server, &pair.address.sa, sizeof(pair.address.v4)), EOPNOTSUPP);
	len = sizeof(name);
	EXPECT_EQ(getsockname(server, &name.sa, &len), 0);
	EXPECT_EQ(address_port(&name), address_port(&pair.address));
	EXPECT_ERRNO(send(server, "x", 1, MSG_OOB | MSG_NOSIGNAL), EINVAL);
	close(client);
	close(server);
	pair_close(&pair);
}

TEST(peeling_fails_cleanly)
{
	struct quic_stream_peeloff info = { .stream_id = 0 };
	socklen_t len = sizeof(info);
	struct pair pair = {};
	int client, server, fresh, i;
	char byte;

	fresh = quic_socket(AF_INET, SOCK_DGRAM);
	EXPECT_ERRNO(peel(fresh, 0, 0), EPIPE);
	open_peeled(&pair, &client, &server);
	EXPECT_ERRNO(peel(pair.listener, 0, 0), EPIPE);
	EXPECT_ERRNO(peel(pair.client, 0, 0), EBUSY);
	EXPECT_ERRNO(peel(pair.client, 4, 0), EINVAL);
	EXPECT_ERRNO(peel(pair.client, -1, 0), EINVAL);
	EXPECT_ERRNO(peel(pair.client, INT64_MIN, 0), EINVAL);
	EXPECT_EQ(stream_open(pair.client, 4, 0), 4);
	EXPECT_ERRNO(peel(pair.client, 4, O_APPEND), EINVAL);
	len = sizeof(info) - 1;
	EXPECT_ERRNO(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_STREAM_PEELOFF, &info, &len),
		     EINVAL);
	len = sizeof(info);
	EXPECT_ERRNO(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_STREAM_PEELOFF, (void *)8,
				&len), EFAULT);
	EXPECT_ERRNO(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_STREAM_PEELOFF, &info, len),
		     ENOPROTOOPT);
	/* No descriptor is lost on the way. */
	i = dup(fresh);
	close(i);
	EXPECT_EQ(dup(fresh), i);
	/* A stream that is over and read is gone. */
	EXPECT_EQ(stream_send(pair.client, "x", 1, 2, NEW | FIN, 0), 1);
	EXPECT_EQ(recv(pair.server, &byte, 1, 0), 1);
	EXPECT_ERRNO(peel(pair.server, 2, 0), ENOSTR);
	close(pair.client);
	pair.client = fresh;
	ASSERT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	EXPECT_ERRNO(peel(pair.server, 0, 0), EPIPE);
	close(client);
	close(server);
	pair_close(&pair);
}

TEST(flags_of_the_descriptor)
{
	struct pair pair = {};
	char byte;
	int fd;

	pair_open(&pair, AF_INET6);
	ASSERT_EQ(stream_open(pair.client, 0, 0), 0);
	fd = peel(pair.client, 0, O_CLOEXEC | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_ERRNO(read(fd, &byte, 1), EAGAIN);
	close(fd);
	ASSERT_EQ(stream_open(pair.client, 4, 0), 4);
	fd = peel(pair.client, 4, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), 0);
	set_timeout(fd, SO_RCVTIMEO, 50);
	EXPECT_ERRNO(read(fd, &byte, 1), EAGAIN);
	close(fd);
	pair_close(&pair);
}

static short events_of(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	ASSERT_GE(poll(&p, 1, 0), 0);
	return p.revents;
}

TEST(poll_speaks_of_the_stream)
{
	struct pair pair = { .server_param = { .max_stream_data_bidi_remote = 4000 } };
	static char data[4000];
	int client, server;

	open_peeled(&pair, &client, &server);
	EXPECT_EQ(events_of(client), POLLOUT);
	EXPECT_EQ(events_of(server), POLLIN | POLLOUT);
	expect_read(server, "ping");
	EXPECT_EQ(events_of(server), POLLOUT);
	/* Credit of the stream: the connection has some left. */
	EXPECT_EQ(send(client, data, sizeof(data), MSG_DONTWAIT), 3996);
	EXPECT_EQ(events_of(client), 0);
	EXPECT_EQ(recv(server, data, 3996, MSG_WAITALL), 3996);
	EXPECT_TRUE(wait_for(client, POLLOUT, 2000));
	/* The peer's end, then that of the connection. */
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	EXPECT_TRUE(wait_for(server, POLLRDHUP, 2000));
	EXPECT_EQ(events_of(server), POLLIN | POLLOUT | POLLRDHUP);
	close(pair.client);
	pair.client = -1;
	EXPECT_TRUE(wait_for(server, POLLHUP, 2000));
	EXPECT_TRUE(events_of(client) & POLLHUP);
	close(client);
	close(server);
	pair_close(&pair);
}

TEST(shutdown_ends_one_direction)
{
	struct pair pair = {};
	int client, server, i;
	char byte;

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	EXPECT_ERRNO(shutdown(client, 5), EINVAL);
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	EXPECT_EQ(read(server, &byte, 1), 0);
	EXPECT_EQ(read(server, &byte, 1), 0);
	EXPECT_ERRNO(send(client, "x", 1, MSG_NOSIGNAL), EPIPE);
	EXPECT_EQ(write(server, "back", 4), 4);
	expect_read(client, "back");
	/* STOP_SENDING: the peer can write no more. */
	EXPECT_EQ(shutdown(client, SHUT_RD), 0);
	EXPECT_EQ(read(client, &byte, 1), 0);
	for (i = 0; i < 100 && send(server, "x", 1, MSG_NOSIGNAL) == 1; i++)
		usleep(10000);
	EXPECT_TRUE(i < 100);
	EXPECT_EQ(errno, EPIPE);
	close(client);
	close(server);
	pair_close(&pair);
}

TEST(close_ends_the_stream_only)
{
	struct pair pair = {};
	int client, server, i;
	char byte;

	open_peeled(&pair, &client, &server);
	/* Unread data does not matter, what was written arrives. */
	EXPECT_EQ(write(server, "last", 4), 4);
	close(server);
	expect_read(client, "last");
	EXPECT_EQ(read(client, &byte, 1), 0);
	for (i = 0; i < 100 && send(client, "x", 1, MSG_NOSIGNAL) == 1; i++)
		usleep(10000);
	EXPECT_TRUE(i < 100);
	close(client);
	/* The connection goes on, and its credit for streams came back. */
	for (i = 1; i <= 200; i++) {
		EXPECT_EQ(stream_send(pair.client, "x", 1, 4 * i, NEW, 0), 1);
		EXPECT_EQ(recv(pair.server, &byte, 1, 0), 1);
		server = peel(pair.server, 4 * i, 0);
		ASSERT_GE(server, 0);
		client = peel(pair.client, 4 * i, 0);
		ASSERT_GE(client, 0);
		close(i & 1 ? server : client);
		close(i & 1 ? client : server);
	}
	pair_close(&pair);
}

TEST(reset_is_an_error)
{
	struct pair pair = {};
	int client, server;
	char byte;

	open_peeled(&pair, &client, &server);
	EXPECT_EQ(stream_reset(pair.client, 0, 7), 0);
	EXPECT_TRUE(wait_for(server, POLLERR, 2000));
	EXPECT_ERRNO(read(server, &byte, 1), ECONNRESET);
	EXPECT_ERRNO(send(client, "x", 1, MSG_NOSIGNAL), EPIPE);
	/* The other direction is not concerned. */
	EXPECT_EQ(write(server, "still", 5), 5);
	expect_read(client, "still");
	close(client);
	close(server);
	pair_close(&pair);
}

TEST(unidirectional_streams)
{
	struct pair pair = {};
	int client, server;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_open(pair.client, 2, 0), 2);
	client = peel(pair.client, 2, 0);
	ASSERT_GE(client, 0);
	EXPECT_EQ(events_of(client), POLLOUT);
	EXPECT_ERRNO(read(client, &byte, 1), EINVAL);
	EXPECT_EQ(send(client, "all", 3, FIN), 3);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	/* Complete, and so released by the protocol; its data is not read yet. */
	server = peel(pair.server, 2, 0);
	ASSERT_GE(server, 0);
	EXPECT_ERRNO(send(server, "x", 1, MSG_NOSIGNAL), EINVAL);
	expect_read(server, "all");
	EXPECT_EQ(read(server, &byte, 1), 0);
	EXPECT_ERRNO(peel(pair.server, 2, 0), ENOSTR);
	close(client);
	close(server);
	pair_close(&pair);
}

static void *close_later(void *arg)
{
	usleep(200000);
	close(*(int *)arg);
	return NULL;
}

/* But not one that a reader could take for the stream's own. */
TEST(end_of_the_connection_is_an_error)
{
	struct pair pair = {};
	int client, server;
	pthread_t thread;
	char byte;

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	/* By the peer, while we wait: no FIN came. */
	ASSERT_EQ(pthread_create(&thread, NULL, close_later, &pair.client), 0);
	EXPECT_ERRNO(read(server, &byte, 1), ENOTCONN);
	pthread_join(thread, NULL);
	EXPECT_ERRNO(send(server, "x", 1, MSG_NOSIGNAL), EPIPE);
	EXPECT_ERRNO(shutdown(server, SHUT_WR), ENOTCONN);
	/* By ourselves: the stream's descriptor is older than that of the connection. */
	EXPECT_ERRNO(read(client, &byte, 1), ENOTCONN);
	EXPECT_ERRNO(send(client, "x", 1, MSG_NOSIGNAL), EPIPE);
	pair.client = -1;
	pair_close(&pair);
	close(client);
	close(server);
}

/* The descriptor of the connection goes while a reader and a writer sleep. */
/* A peer may say what it has to say and go, before anybody here looked. */
TEST(unread_data_outlives_the_connection)
{
	struct pair pair = {};
	int whole, part;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "whole", 5, 0, NEW | FIN, 0), 5);
	ASSERT_EQ(stream_send(pair.client, "part", 4, 4, NEW, 0), 4);
	close(pair.client);
	pair.client = -1;
	ASSERT_TRUE(wait_for(pair.server, POLLHUP, 5000));
	EXPECT_ERRNO(peel(pair.server, 8, 0), EPIPE);
	whole = peel(pair.server, 0, 0);
	part = peel(pair.server, 4, 0);
	ASSERT_GE(whole, 0);
	ASSERT_GE(part, 0);
	EXPECT_ERRNO(peel(pair.server, 0, 0), EPIPE);
	EXPECT_ERRNO(recv(pair.server, &byte, 1, 0), ENOTCONN);
	expect_read(whole, "whole");
	EXPECT_EQ(recv(whole, &byte, 1, 0), 0);
	expect_read(part, "part");
	EXPECT_ERRNO(recv(part, &byte, 1, 0), ENOTCONN);
	EXPECT_ERRNO(send(whole, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(whole);
	close(part);
	pair_close(&pair);
}

TEST(parent_closed_under_sleepers)
{
	struct pair pair = { .server_param = { .max_stream_data_bidi_remote = 4000 } };
	static char data[8000];
	int client, server;
	pthread_t thread;
	char byte;

	open_peeled(&pair, &client, &server);
	ASSERT_EQ(pthread_create(&thread, NULL, close_later, &pair.client), 0);
	EXPECT_EQ(send(client, data, sizeof(data), MSG_NOSIGNAL), 3996);
	pthread_join(thread, NULL);
	EXPECT_ERRNO(send(client, data, 1, MSG_NOSIGNAL), EPIPE);
	/* What came before the end can still be read. */
	expect_read(server, "ping");
	EXPECT_EQ(recv(server, data, sizeof(data), MSG_WAITALL), 3996);
	EXPECT_ERRNO(read(server, &byte, 1), ENOTCONN);
	close(pair.server);
	close(pair.listener);
	close(server);
	close(client);
}

TEST(broken_pipe_raises_the_signal)
{
	struct pair pair = {};
	int client, server, status;
	pid_t child;

	open_peeled(&pair, &client, &server);
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_DFL);
		_exit(write(client, "x", 1) < 0 ? 3 : 4);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	close(client);
	close(server);
	pair_close(&pair);
}

/* A stream is served by a process that has never seen the connection. */
TEST(descriptor_passes_to_another_process)
{
	struct pair pair = {};
	int client, server, fd, status, way[2];
	char buffer[4];
	pid_t child;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, way), 0);
	child = fork();
	if (!child) {
		fd = recv_descriptor(way[1]);
		if (fd < 0 || recv(fd, buffer, 4, MSG_WAITALL) != 4 ||
		    send(fd, buffer, 4, 0) != 4)
			_exit(1);
		_exit(0);	/* closes, and so ends the stream */
	}
	open_peeled(&pair, &client, &server);
	send_descriptor(way[0], server);
	close(server);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	expect_read(client, "ping");
	EXPECT_EQ(read(client, buffer, 1), 0);
	close(client);
	pair_close(&pair);
}

#define MUCH	(2 << 20)

static void *send_much(void *arg)
{
	static char data[100000];
	int fd = *(int *)arg;
	size_t sent = 0;
	ssize_t n;

	while (sent < MUCH) {
		fill_pattern(data, sizeof(data), sent, 3);
		n = send(fd, data, MUCH - sent < sizeof(data) ? MUCH - sent : sizeof(data), 0);
		if (n <= 0)
			break;
		sent += n;
	}
	shutdown(fd, SHUT_WR);
	return (void *)sent;
}

TEST(much_data_with_little_credit)
{
	struct pair pair = {
		.server_param = { .max_data = 100000, .max_stream_data_bidi_remote = 50000 },
	};
	static char data[30000];
	int client, server;
	pthread_t thread;
	size_t got = 0;
	void *sent;
	ssize_t n;

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ASSERT_EQ(pthread_create(&thread, NULL, send_much, &client), 0);
	while ((n = recv(server, data, sizeof(data), 0)) > 0) {
		ASSERT_TRUE(check_pattern(data, n, got, 3));
		got += n;
	}
	EXPECT_EQ(n, 0);
	EXPECT_EQ(got, MUCH);
	pthread_join(thread, &sent);
	EXPECT_EQ((size_t)sent, MUCH);
	close(client);
	close(server);
	pair_close(&pair);
}

/* The connection's credit for data that nobody will read comes back. */
TEST(unread_data_costs_no_credit)
{
	struct pair pair = {
		.server_param = { .max_data = 30000, .max_stream_data_bidi_remote = 20000 },
	};
	static char data[10000];
	int server, i;

	pair_open(&pair, AF_INET);
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(stream_send(pair.client, data, sizeof(data), 4 * i, NEW | FIN, 0),
			  sizeof(data));
		ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
		server = peel(pair.server, 4 * i, 0);
		ASSERT_GE(server, 0);
		close(server);
	}
	pair_close(&pair);
}
