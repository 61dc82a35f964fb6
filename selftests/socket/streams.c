// SPDX-License-Identifier: GPL-2.0-or-later
/* Streams: opening, data, ends, resets, flow control: uapi.md, sections 3 and 11.1. */
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define UNI	MSG_QUIC_STREAM_UNI
#define DONTWAIT_STREAM	MSG_QUIC_STREAM_DONTWAIT

struct transfer {
	int fd;
	int64_t id;
	size_t len;
	size_t piece;
	uint8_t seed;
	uint32_t first_flags;
	ssize_t result;
};

static void *send_all(void *arg)
{
	struct transfer *t = arg;
	uint8_t *data = malloc(t->piece);
	size_t sent = 0, n;
	ssize_t ret;

	while (sent < t->len) {
		n = t->len - sent < t->piece ? t->len - sent : t->piece;
		fill_pattern(data, n, sent, t->seed);
		ret = stream_send(t->fd, data, n, t->id,
				  (sent ? 0 : t->first_flags) | (sent + n == t->len ? FIN : 0), 0);
		if (ret != (ssize_t)n) {
			test_fail(__FILE__, __LINE__, "send of %zu at %zu gave %zd: %s", n, sent,
				  ret, strerror(errno));
			break;
		}
		sent += n;
	}
	free(data);
	t->result = sent;
	return NULL;
}

static void *recv_all(void *arg)
{
	struct transfer *t = arg;
	uint8_t *data = malloc(t->piece);
	size_t got = 0;
	uint32_t flags = 0;
	ssize_t n;
	int64_t id;

	while (!(flags & FIN)) {
		n = stream_recv(t->fd, data, t->piece, &id, &flags, 0);
		if (n < 0) {
			test_fail(__FILE__, __LINE__, "receive at %zu of %zu: %s", got, t->len,
				  strerror(errno));
			break;
		}
		if (id != t->id || !check_pattern(data, n, got, t->seed)) {
			test_fail(__FILE__, __LINE__, "wrong bytes at %zu (stream %lld)", got,
				  (long long)id);
			break;
		}
		got += n;
	}
	free(data);
	t->result = got;
	return NULL;
}

/* @len bytes each way at once, checked. */
static void transfer_both_ways(struct pair *pair, size_t len, size_t piece)
{
	struct transfer up = { pair->client, 0, len, piece, 1, NEW, 0 };
	struct transfer up_end = { pair->server, 0, len, 65536, 1, 0, 0 };
	struct transfer down = { pair->server, 1, len, piece, 2, NEW, 0 };
	struct transfer down_end = { pair->client, 1, len, 65536, 2, 0, 0 };
	pthread_t threads[4];

	pthread_create(&threads[0], NULL, send_all, &up);
	pthread_create(&threads[1], NULL, recv_all, &up_end);
	pthread_create(&threads[2], NULL, send_all, &down);
	pthread_create(&threads[3], NULL, recv_all, &down_end);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(up.result, len);
	EXPECT_EQ(up_end.result, len);
	EXPECT_EQ(down.result, len);
	EXPECT_EQ(down_end.result, len);
}

TEST(echo_v4)
{
	struct pair pair = {};
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "hello", 5, 0, NEW | FIN, 0), 5);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(!memcmp(buffer, "hello", 5));
	EXPECT_EQ(id, 0);
	EXPECT_TRUE(flags & FIN);
	EXPECT_TRUE(!(flags & MSG_EOR));
	/* Without an ID the server answers on the stream that the client opened. */
	EXPECT_EQ(send(pair.server, "world", 5, FIN | MSG_NOSIGNAL), 5);
	EXPECT_EQ(stream_recv(pair.client, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(!memcmp(buffer, "world", 5));
	EXPECT_EQ(id, 0);
	EXPECT_TRUE(flags & FIN);
	pair_close(&pair);
}

TEST(echo_v6)
{
	struct pair pair = {};
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET6);
	EXPECT_EQ(stream_send(pair.client, "hello", 5, 0, NEW | FIN, 0), 5);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(!memcmp(buffer, "hello", 5));
	EXPECT_EQ(send(pair.server, "world", 5, FIN | MSG_NOSIGNAL), 5);
	EXPECT_EQ(stream_recv(pair.client, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(!memcmp(buffer, "world", 5));
	pair_close(&pair);
}

TEST(megabytes_both_ways_v4)
{
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	transfer_both_ways(&pair, 4 << 20, 65536);
	pair_close(&pair);
}

TEST(megabytes_both_ways_v6)
{
	struct pair pair = {};

	pair_open(&pair, AF_INET6);
	transfer_both_ways(&pair, 4 << 20, 16384);
	pair_close(&pair);
}

TEST(small_writes_arrive_in_order)
{
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	transfer_both_ways(&pair, 50000, 100);
	pair_close(&pair);
}

TEST(one_send_larger_than_every_window)
{
	struct pair pair = {
		.server_param = { .max_data = 50000, .max_stream_data_bidi_remote = 30000 },
	};
	struct transfer up, end;
	pthread_t thread;

	pair_open(&pair, AF_INET);
	up = (struct transfer){ pair.client, 0, 3 << 20, 3 << 20, 7, NEW, 0 };
	end = (struct transfer){ pair.server, 0, 3 << 20, 5000, 7, 0, 0 };
	pthread_create(&thread, NULL, send_all, &up);
	recv_all(&end);
	pthread_join(thread, NULL);
	EXPECT_EQ(up.result, 3 << 20);
	EXPECT_EQ(end.result, 3 << 20);
	pair_close(&pair);
}

TEST(flow_control_blocks)
{
	struct pair pair = {
		.server_param = { .max_data = 20000, .max_stream_data_bidi_remote = 10000 },
	};
	static char data[65536], buffer[65536];
	uint32_t flags;
	size_t got = 0;
	int64_t id;
	ssize_t n;

	pair_open(&pair, AF_INET);
	/* The stream's credit is the bound, then the connection's. */
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, MSG_DONTWAIT), 10000);
	EXPECT_ERRNO(stream_send(pair.client, data, 1, 0, 0, MSG_DONTWAIT), ENOSPC);
	EXPECT_ERRNO(send(pair.client, data, 1, MSG_DONTWAIT | MSG_NOSIGNAL), EAGAIN);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 4, NEW, MSG_DONTWAIT), 10000);
	EXPECT_ERRNO(stream_send(pair.client, data, 1, 8, NEW, MSG_DONTWAIT), ENOSPC);
	EXPECT_TRUE(!wait_for(pair.client, POLLOUT, 20));
	/* Reading gives credit back. */
	while (got < 20000) {
		n = stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0);
		ASSERT_GE(n, 1);
		got += n;
	}
	EXPECT_TRUE(wait_for(pair.client, POLLOUT, 2000));
	EXPECT_EQ(stream_send(pair.client, data, 5000, 0, 0, 0), 5000);
	pair_close(&pair);
}

TEST(automatic_stream_ids)
{
	struct pair pair = {};
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_ERRNO(send(pair.client, "x", 1, MSG_NOSIGNAL), EINVAL);
	EXPECT_EQ(send(pair.client, "a", 1, NEW | MSG_NOSIGNAL), 1);
	/* The active stream carried data: NEW does not fit it. */
	EXPECT_ERRNO(send(pair.client, "b", 1, NEW | MSG_NOSIGNAL), EINVAL);
	EXPECT_ERRNO(stream_send(pair.client, "b", 1, -1, NEW | UNI, 0), EINVAL);
	EXPECT_EQ(send(pair.client, "b", 1, FIN | MSG_NOSIGNAL), 1);
	EXPECT_EQ(send(pair.client, "c", 1, NEW | FIN | MSG_NOSIGNAL), 1);
	EXPECT_EQ(stream_send(pair.client, "d", 1, -1, NEW | UNI | FIN, 0), 1);
	EXPECT_EQ(stream_send(pair.client, "e", 1, -1, NEW | UNI | FIN, 0), 1);
	EXPECT_EQ(stream_open(pair.client, -1, 0), 8);
	EXPECT_EQ(stream_open(pair.client, -1, UNI), 10);
	EXPECT_EQ(stream_open(pair.client, -1, 0), 12);
	EXPECT_EQ(send(pair.client, "f", 1, MSG_NOSIGNAL), 1);

	static const struct { int64_t id; char byte; } want[] = {
		{ 0, 'a' }, { 0, 'b' }, { 4, 'c' }, { 2, 'd' }, { 6, 'e' }, { 12, 'f' },
	};
	for (size_t i = 0; i < 6; i++) {
		EXPECT_EQ(stream_recv(pair.server, buffer, 1, &id, &flags, 0), 1);
		EXPECT_EQ(id, want[i].id);
		EXPECT_EQ(buffer[0], want[i].byte);
	}
	pair_close(&pair);
}

TEST(open_rules)
{
	struct pair pair = {};
	char byte;
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_ERRNO(stream_open(pair.client, 1, 0), EINVAL);	/* the server's */
	EXPECT_ERRNO(stream_open(pair.client, 3, 0), EINVAL);
	EXPECT_ERRNO(stream_open(pair.client, -2, 0), EINVAL);
	EXPECT_ERRNO(stream_open(pair.client, 0, MSG_EOR), EINVAL);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 0, 0, 0), EINVAL);	/* no NEW */
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 0, NEW | MSG_EOR, 0), EINVAL);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 3, NEW, 0), EINVAL);
	/* A high one opens those below. */
	EXPECT_EQ(stream_open(pair.client, 8, 0), 8);
	EXPECT_EQ(stream_open(pair.client, 8, 0), 8);	/* still READY */
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, 0, 0), 1);
	EXPECT_EQ(stream_send(pair.client, "y", 1, 4, NEW, 0), 1);
	EXPECT_ERRNO(stream_send(pair.client, "y", 1, 4, NEW, 0), EINVAL);
	EXPECT_ERRNO(stream_open(pair.client, 4, 0), EINVAL);
	EXPECT_EQ(stream_open(pair.client, -1, 0), 12);
	/* The first answer may say NEW, the second not. */
	EXPECT_EQ(stream_recv(pair.server, &byte, 1, &id, &flags, 0), 1);
	EXPECT_EQ(stream_send(pair.server, "z", 1, id, NEW, 0), 1);
	EXPECT_ERRNO(stream_send(pair.server, "z", 1, id, NEW, 0), EINVAL);
	EXPECT_ERRNO(stream_send(pair.server, "z", 1, 400, NEW, 0), EINVAL);
	pair_close(&pair);
}

TEST(send_flags_and_lengths)
{
	struct pair pair = {};
	static const int bad[] = { MSG_OOB, MSG_EOR, MSG_PEEK, MSG_DONTROUTE, MSG_PROXY };
	char control[CMSG_SPACE(64)] = {};
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;
	struct quic_stream_info info = { .stream_id = 0, .stream_flags = NEW };
	size_t i;

	pair_open(&pair, AF_INET);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_ERRNO(send(pair.client, "x", 1, bad[i] | NEW | MSG_NOSIGNAL), EINVAL);
	EXPECT_ERRNO(stream_send(pair.client, "", 0, 0, NEW, 0), EMSGSIZE);
	EXPECT_ERRNO(send_handshake(pair.client, QUIC_CRYPTO_APP, "", 0, 0), EMSGSIZE);
	EXPECT_ERRNO(send_handshake(pair.client, QUIC_CRYPTO_EARLY, "x", 1, 0), EINVAL);
	EXPECT_ERRNO(send(pair.client, "x", 1, MSG_QUIC_DATAGRAM | MSG_NOSIGNAL), EINVAL);

	/* Control messages: other levels are skipped, unknown types are not. */
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = 2;
	cmsg->cmsg_len = CMSG_LEN(16);
	msg.msg_controllen = CMSG_SPACE(16);
	EXPECT_ERRNO(sendmsg(pair.client, &msg, MSG_NOSIGNAL), EINVAL);
	cmsg->cmsg_level = 261;
	EXPECT_ERRNO(sendmsg(pair.client, &msg, MSG_NOSIGNAL), EINVAL);	/* no NEW then */
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_STREAM_INFO;
	cmsg->cmsg_len = 4;
	EXPECT_ERRNO(sendmsg(pair.client, &msg, MSG_NOSIGNAL), EINVAL);
	/* A longer payload than the struct, then a shorter one. */
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
	cmsg->cmsg_len = CMSG_LEN(40);
	msg.msg_controllen = CMSG_SPACE(40);
	EXPECT_EQ(sendmsg(pair.client, &msg, MSG_NOSIGNAL), 1);
	cmsg->cmsg_len = CMSG_LEN(8);
	msg.msg_controllen = CMSG_SPACE(8);
	EXPECT_EQ(sendmsg(pair.client, &msg, MSG_NOSIGNAL), 1);
	EXPECT_ERRNO(send(pair.client, (void *)8, 100, MSG_NOSIGNAL), EFAULT);
	pair_close(&pair);
}

TEST(empty_fin)
{
	struct pair pair = {};
	char buffer[16];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "", 0, 0, NEW | FIN, 0), 0);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 0);
	EXPECT_EQ(id, 0);
	EXPECT_TRUE(flags & FIN);
	/* A buffer that is filled exactly does not get the FIN behind it. */
	EXPECT_EQ(stream_send(pair.client, "full", 4, 4, NEW, 0), 4);
	EXPECT_EQ(stream_send(pair.client, "", 0, 4, FIN, 0), 0);
	usleep(50000);
	EXPECT_EQ(stream_recv(pair.server, buffer, 4, &id, &flags, 0), 4);
	EXPECT_TRUE(!(flags & FIN));
	EXPECT_EQ(stream_recv(pair.server, buffer, 4, &id, &flags, 0), 0);
	EXPECT_TRUE(flags & FIN);
	/* A larger one does. */
	EXPECT_EQ(stream_send(pair.client, "more", 4, 8, NEW, 0), 4);
	EXPECT_EQ(stream_send(pair.client, "", 0, 8, FIN, 0), 0);
	usleep(50000);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 4);
	EXPECT_TRUE(flags & FIN);
	pair_close(&pair);
}

TEST(peek_and_small_buffers)
{
	struct pair pair = {};
	char buffer[16] = {};
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "abcdefgh", 8, 0, NEW | FIN, 0), 8);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(recv(pair.server, buffer, 0, 0), 0);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, MSG_PEEK), 8);
	EXPECT_TRUE(flags & FIN);
	EXPECT_EQ(stream_recv(pair.server, buffer, 3, &id, &flags, MSG_PEEK), 3);
	EXPECT_TRUE(!(flags & (FIN | MSG_TRUNC)));
	EXPECT_EQ(stream_recv(pair.server, buffer, 3, &id, &flags, 0), 3);
	EXPECT_TRUE(!memcmp(buffer, "abc", 3) && !(flags & (FIN | MSG_TRUNC)));
	EXPECT_ERRNO(recv(pair.server, (void *)8, 5, 0), EFAULT);
	/* Flags of an earlier call are no harm. */
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags,
			      FIN | MSG_EOR | MSG_QUIC_DATAGRAM | MSG_QUIC_NOTIFICATION |
			      MSG_QUIC_STREAM_SNDBLOCK), 5);
	EXPECT_TRUE(!memcmp(buffer, "defgh", 5) && (flags & FIN));
	pair_close(&pair);
}

TEST(receive_without_control_buffer)
{
	struct iovec iov;
	struct pair pair = {};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	char buffer[16];

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "abc", 3, 0, NEW, 0), 3);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	iov.iov_base = buffer;
	iov.iov_len = sizeof(buffer);
	EXPECT_EQ(recvmsg(pair.server, &msg, 0), 3);
	EXPECT_EQ(msg.msg_flags, MSG_CTRUNC);
	EXPECT_EQ(stream_send(pair.client, "de", 2, 0, FIN, 0), 2);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(recvmsg(pair.server, &msg, 0), 2);
	EXPECT_EQ(msg.msg_flags, MSG_CTRUNC | FIN);
	pair_close(&pair);
}

TEST(pieces_of_one_stream_merge)
{
	struct pair pair = {};
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, "one ", 4, 0, NEW, 0), 4);
	EXPECT_EQ(stream_send(pair.client, "two ", 4, 0, 0, 0), 4);
	EXPECT_EQ(stream_send(pair.client, "three", 5, 0, FIN, 0), 5);
	EXPECT_EQ(stream_send(pair.client, "other", 5, 4, NEW | FIN, 0), 5);
	usleep(200000);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 13);
	EXPECT_TRUE(!memcmp(buffer, "one two three", 13) && (flags & FIN));
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_EQ(id, 4);
	pair_close(&pair);
}

TEST(reset)
{
	struct pair pair = {};
	union quic_event event;
	static char data[30000];

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_STREAM_UPDATE, true), 0);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW, 0), sizeof(data));
	usleep(50000);
	EXPECT_ERRNO(stream_reset(pair.client, 4, 9), EINVAL);
	EXPECT_ERRNO(stream_reset(pair.client, 3, 9), EINVAL);
	EXPECT_EQ(stream_reset(pair.client, 0, 9), 0);
	EXPECT_ERRNO(stream_reset(pair.client, 0, 9), EINVAL);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 0, 0, 0), EINVAL);
	EXPECT_TRUE(wait_event(pair.server, QUIC_EVENT_STREAM_UPDATE, &event, 24));
	EXPECT_EQ(event.update.state, QUIC_STREAM_RECV_STATE_RECV);
	EXPECT_TRUE(wait_event(pair.server, QUIC_EVENT_STREAM_UPDATE, &event, 24));
	EXPECT_EQ(event.update.state, QUIC_STREAM_RECV_STATE_RESET_RECVD);
	EXPECT_EQ(event.update.errcode, 9);
	EXPECT_EQ(event.update.finalsz, sizeof(data));
	/* What was not read is gone. */
	EXPECT_ERRNO(recv(pair.server, data, 1, MSG_DONTWAIT), EAGAIN);
	/* A unidirectional one is released as soon as the reset is acknowledged. */
	EXPECT_EQ(stream_send(pair.client, "x", 1, 2, NEW, 0), 1);
	EXPECT_EQ(stream_reset(pair.client, 2, 9), 0);
	usleep(200000);
	EXPECT_ERRNO(stream_reset(pair.client, 2, 9), ENOSTR);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 2, 0, 0), ENOSTR);
	EXPECT_ERRNO(stream_open(pair.client, 2, 0), ENOSTR);
	pair_close(&pair);
}

TEST(stop_sending)
{
	struct pair pair = {};
	union quic_event event;
	uint32_t flags;
	int64_t id;
	char byte;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_STREAM_UPDATE, true), 0);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 2, NEW, 0), 1);
	EXPECT_EQ(stream_recv(pair.server, &byte, 1, &id, &flags, 0), 1);
	EXPECT_ERRNO(stream_stop(pair.server, 6, 5), EINVAL);
	EXPECT_ERRNO(stream_stop(pair.client, 2, 5), EINVAL);
	EXPECT_EQ(stream_stop(pair.server, 2, 5), 0);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_STREAM_UPDATE, &event, 24));
	EXPECT_EQ(event.update.id, 2);
	EXPECT_EQ(event.update.state, QUIC_STREAM_SEND_STATE_RESET_SENT);
	EXPECT_EQ(event.update.errcode, 5);
	EXPECT_EQ(event.update.finalsz, 1);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_STREAM_UPDATE, &event, 24));
	EXPECT_EQ(event.update.state, QUIC_STREAM_SEND_STATE_RESET_RECVD);
	EXPECT_EQ(event.update.errcode, 5);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 2, 0, 0), ENOSTR);
	/* Twice is refused while the stream is there. */
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, NEW, 0), 1);
	EXPECT_EQ(stream_recv(pair.server, &byte, 1, &id, &flags, 0), 1);
	EXPECT_EQ(stream_send(pair.server, "y", 1, 0, 0, 0), 1);
	EXPECT_EQ(stream_stop(pair.server, 0, 5), 0);
	/* The peer's RESET_STREAM may be here already: then it is too late, too. */
	EXPECT_EQ(stream_stop(pair.server, 0, 5), -1);
	EXPECT_TRUE(errno == EAGAIN || errno == EINVAL);
	pair_close(&pair);
}

TEST(stream_limit_and_its_return)
{
	struct pair pair = { .server_param = { .max_streams_bidi = 3, .max_streams_uni = 2 } };
	char byte;
	uint32_t flags;
	int64_t id;
	int i;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_open(pair.client, 8, DONTWAIT_STREAM), 8);
	EXPECT_ERRNO(stream_open(pair.client, 12, DONTWAIT_STREAM), EAGAIN);
	EXPECT_ERRNO(stream_send(pair.client, "x", 1, 12, NEW | DONTWAIT_STREAM, 0), EAGAIN);
	/* Unidirectional: reception suffices. */
	EXPECT_EQ(stream_send(pair.client, "u", 1, 2, NEW | FIN, 0), 1);
	EXPECT_EQ(stream_send(pair.client, "v", 1, 6, NEW | FIN, 0), 1);
	for (i = 0; i < 100 && stream_open(pair.client, 10, DONTWAIT_STREAM) != 10; i++)
		usleep(10000);
	EXPECT_TRUE(i < 100);
	EXPECT_EQ(recv(pair.server, &byte, 1, 0), 1);
	EXPECT_EQ(recv(pair.server, &byte, 1, 0), 1);
	/* Bidirectional: both directions. */
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, FIN, 0), 1);
	EXPECT_EQ(stream_recv(pair.server, &byte, 1, &id, &flags, 0), 1);
	EXPECT_ERRNO(stream_open(pair.client, 12, DONTWAIT_STREAM), EAGAIN);
	EXPECT_EQ(stream_send(pair.server, "y", 1, 0, FIN, 0), 1);
	EXPECT_EQ(stream_recv(pair.client, &byte, 1, &id, &flags, 0), 1);
	/* A blocking open sleeps until the credit is there. */
	EXPECT_EQ(stream_open(pair.client, 12, 0), 12);
	pair_close(&pair);
}

TEST(ioctls_count_what_is_queued)
{
	struct pair pair = {};
	static char data[5000];
	int value;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(stream_send(pair.client, data, sizeof(data), 0, NEW | FIN, 0), sizeof(data));
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(ioctl(pair.server, SIOCINQ, &value), 0);
	EXPECT_GE(value, 1);
	EXPECT_TRUE(wait_acknowledged(pair.client, 2000));
	while (recv(pair.server, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	EXPECT_EQ(ioctl(pair.server, SIOCINQ, &value), 0);
	EXPECT_EQ(value, 0);
	pair_close(&pair);
}

TEST(many_streams_share_the_connection)
{
	struct pair pair = {};
	static char data[20000], buffer[65536];
	size_t got[50] = {};
	int fins = 0, i;
	uint32_t flags;
	int64_t id;
	ssize_t n;

	pair_open(&pair, AF_INET);
	for (i = 0; i < 50; i++) {
		fill_pattern(data, sizeof(data), 0, i);
		ASSERT_EQ(stream_send(pair.client, data, sizeof(data), 4 * i, NEW | FIN, 0),
			  sizeof(data));
	}
	while (fins < 50) {
		n = stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0);
		ASSERT_GE(n, 0);
		ASSERT_TRUE(id >= 0 && id < 200 && id % 4 == 0);
		ASSERT_TRUE(check_pattern(buffer, n, got[id / 4], id / 4));
		got[id / 4] += n;
		fins += !!(flags & FIN);
	}
	for (i = 0; i < 50; i++)
		EXPECT_EQ(got[i], sizeof(data));
	pair_close(&pair);
}

TEST(plaintext_when_both_ask)
{
	struct pair pair = {
		.client_param = { .disable_1rtt_encryption = 1 },
		.server_param = { .disable_1rtt_encryption = 1 },
	};

	pair_open(&pair, AF_INET);
	transfer_both_ways(&pair, 1 << 20, 65536);
	pair_close(&pair);
}
