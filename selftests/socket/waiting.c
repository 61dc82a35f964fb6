// SPDX-License-Identifier: GPL-2.0-or-later
/* poll(), time limits, signals, blocked calls: uapi.md, sections 2.10 and 2.12. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define CLOSED_MASK	(POLLIN | POLLRDNORM | POLLHUP | POLLERR | POLLRDHUP | POLLOUT | POLLWRNORM)

static int poll_now(int fd)
{
	struct pollfd p = { fd, CLOSED_MASK, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

TEST(poll_masks_by_state)
{
	struct pair pair = {};
	union address address;
	int fd = quic_socket(AF_INET, SOCK_DGRAM), listener, client;
	char byte;

	EXPECT_EQ(poll_now(fd), CLOSED_MASK);
	close(fd);
	listener = make_listener(AF_INET, &address);
	EXPECT_EQ(poll_now(listener), 0);
	client = make_client(&address);
	EXPECT_TRUE(wait_for(listener, POLLIN, 2000));
	EXPECT_EQ(poll_now(listener), POLLIN | POLLRDNORM);
	/* Not writable before the peer's parameters are known. */
	EXPECT_EQ(poll_now(client), 0);
	close(client);
	close(listener);

	pair_open(&pair, AF_INET);
	EXPECT_EQ(poll_now(pair.client), POLLOUT | POLLWRNORM);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, NEW, 0), 1);
	EXPECT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(poll_now(pair.server), POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	EXPECT_EQ(recv(pair.server, &byte, 1, 0), 1);
	EXPECT_EQ(poll_now(pair.server), POLLOUT | POLLWRNORM);
	EXPECT_EQ(shutdown(pair.client, SHUT_RDWR), 0);
	EXPECT_EQ(poll_now(pair.client), CLOSED_MASK);
	EXPECT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	EXPECT_EQ(poll_now(pair.server), CLOSED_MASK);
	pair_close(&pair);
}

TEST(epoll_edge_for_each_arrival)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct pair pair = {};
	int ep = epoll_create1(0), i;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, pair.server, &event), 0);
	epoll_wait(ep, &event, 1, 0);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(stream_send(pair.client, "x", 1, 0, i ? 0 : NEW, 0), 1);
		EXPECT_EQ(epoll_wait(ep, &event, 1, 2000 * test_slow()), 1);
		EXPECT_EQ(recv(pair.server, &byte, 1, 0), 1);
	}
	close(ep);
	pair_close(&pair);
}

TEST(receive_time_limit)
{
	union address address;
	int listener = make_listener(AF_INET, &address);
	struct pair pair = {};
	long long began;
	char byte;

	set_timeout(listener, SO_RCVTIMEO, 200);
	began = test_now_ms();
	EXPECT_ERRNO(accept(listener, NULL, NULL), EAGAIN);
	EXPECT_GE(test_now_ms() - began, 150);
	close(listener);
	pair_open(&pair, AF_INET);
	set_timeout(pair.client, SO_RCVTIMEO, 200);
	began = test_now_ms();
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), EAGAIN);
	EXPECT_GE(test_now_ms() - began, 150);
	pair_close(&pair);
}

TEST(send_time_limit)
{
	struct pair pair = {
		.server_param = { .max_data = 2000, .max_streams_bidi = 1 },
	};
	static char data[4000];
	long long began;

	pair_open(&pair, AF_INET);
	set_timeout(pair.client, SO_SNDTIMEO, 200);
	/* What was queued is what is told. */
	began = test_now_ms();
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, 0), 2000);
	EXPECT_GE(test_now_ms() - began, 150);
	EXPECT_ERRNO(stream_send(pair.client, data, 1, 0, 0, 0), ENOSPC);
	EXPECT_ERRNO(send(pair.client, data, 1, MSG_NOSIGNAL), EAGAIN);
	/* O_NONBLOCK does not speak of stream count credit, the time limit does. */
	set_nonblock(pair.client, true);
	began = test_now_ms();
	EXPECT_ERRNO(stream_open(pair.client, 4, 0), EAGAIN);
	EXPECT_GE(test_now_ms() - began, 150);
	began = test_now_ms();
	EXPECT_ERRNO(stream_open(pair.client, 4, MSG_QUIC_STREAM_DONTWAIT), EAGAIN);
	EXPECT_LE(test_now_ms() - began, 150);
	pair_close(&pair);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void alarm_in(int ms)
{
	struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

TEST(signals_interrupt)
{
	struct pair pair = { .server_param = { .max_data = 2000, .max_streams_bidi = 1 } };
	static char data[4000];
	char byte;

	pair_open(&pair, AF_INET);
	alarm_in(200);
	EXPECT_ERRNO(accept(pair.listener, NULL, NULL), EINTR);
	alarm_in(200);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), EINTR);
	alarm_in(200);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, 0), 2000);
	alarm_in(200);
	EXPECT_ERRNO(stream_send(pair.client, data, 1, 0, 0, 0), EINTR);
	alarm_in(200);
	EXPECT_ERRNO(stream_open(pair.client, 4, 0), EINTR);
	pair_close(&pair);
}

TEST(sigpipe)
{
	struct pair pair = {};
	int status;
	pid_t pid;

	pair_open(&pair, AF_INET);
	shutdown(pair.client, SHUT_RDWR);
	EXPECT_ERRNO(send(pair.client, "x", 1, MSG_NOSIGNAL), EPIPE);
	pid = fork();
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		send(pair.client, "x", 1, 0);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	pair_close(&pair);
}

struct blocked {
	int fd;
	int call;
	ssize_t ret;
	int err;
};

static void *blocked_call(void *arg)
{
	struct blocked *b = arg;
	static char data[4000];
	char byte;

	if (b->call == 0)
		b->ret = recv(b->fd, &byte, 1, 0);
	else if (b->call == 1)
		b->ret = stream_send(b->fd, data, sizeof(data), 0, 0, 0);
	else
		b->ret = stream_open(b->fd, 4, 0);
	b->err = errno;
	return NULL;
}

TEST(blocked_calls_end_with_the_connection)
{
	static const int errors[] = { ENOTCONN, EPIPE, EPIPE };
	static char data[4000];
	struct blocked blocked;
	pthread_t thread;
	int call;

	for (call = 0; call < 3; call++) {
		struct pair pair = { .server_param = { .max_data = 2000, .max_streams_bidi = 1 } };

		pair_open(&pair, AF_INET);
		EXPECT_EQ(stream_send(pair.client, data, 2000, 0, NEW, 0), 2000);
		blocked = (struct blocked){ .fd = pair.client, .call = call };
		pthread_create(&thread, NULL, blocked_call, &blocked);
		usleep(100000);
		close(pair.server);
		pthread_join(thread, NULL);
		EXPECT_EQ(blocked.ret, -1);
		EXPECT_EQ(blocked.err, errors[call]);
		close(pair.client);
		close(pair.listener);
	}
}

TEST(blocked_send_ends_with_the_stream)
{
	struct pair pair = { .server_param = { .max_data = 2000, .max_streams_bidi = 1 } };
	static char data[4000];
	struct blocked blocked;
	pthread_t thread;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, data, 2000, 0, NEW, 0), 2000);
	blocked = (struct blocked){ .fd = pair.client, .call = 1 };
	pthread_create(&thread, NULL, blocked_call, &blocked);
	usleep(100000);
	EXPECT_EQ(stream_reset(pair.client, 0, 1), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(blocked.ret, -1);
	EXPECT_EQ(blocked.err, EINVAL);
	pair_close(&pair);
}

static void *blocked_accept(void *arg)
{
	struct blocked *b = arg;

	b->ret = accept(b->fd, NULL, NULL);
	b->err = errno;
	return NULL;
}

TEST(listen_zero_wakes_accept)
{
	union address address;
	struct blocked blocked = { .fd = make_listener(AF_INET, &address) };
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_accept, &blocked);
	usleep(100000);
	EXPECT_EQ(listen(blocked.fd, 0), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(blocked.ret, -1);
	EXPECT_EQ(blocked.err, EINVAL);
	close(blocked.fd);
}
