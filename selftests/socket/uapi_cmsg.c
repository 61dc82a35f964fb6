// SPDX-License-Identifier: GPL-2.0-or-later
/* Control messages: uapi.md, sections 1.12, 2.9, 3.1 and 3.2. */
#include <string.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN

/* A control buffer that a test fills message by message. */
struct control {
	size_t used;
	_Alignas(struct cmsghdr) char data[256];
};

static void add(struct control *control, int level, int type, const void *payload, size_t len)
{
	struct cmsghdr cmsg = { .cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len) };
	char *at = control->data + control->used;

	if (control->used + CMSG_SPACE(len) > sizeof(control->data))
		test_abort();
	memset(at, 0, CMSG_SPACE(len));
	memcpy(at, &cmsg, sizeof(cmsg));
	memcpy(at + CMSG_LEN(0), payload, len);
	control->used += CMSG_SPACE(len);
}

static void add_stream(struct control *control, int64_t id, uint32_t flags)
{
	struct quic_stream_info info = { .stream_id = id, .stream_flags = flags };

	add(control, SOL_QUIC, QUIC_STREAM_INFO, &info, sizeof(info));
}

static ssize_t send_with(int fd, const char *text, const struct control *control, int flags)
{
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = (void *)control->data, .msg_controllen = control->used,
	};

	return sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
}

static void expect_data(int fd, const char *text, int64_t id, uint32_t flags)
{
	uint32_t got_flags;
	char buffer[64];
	int64_t got_id;

	ASSERT_EQ(stream_recv(fd, buffer, sizeof(buffer), &got_id, &got_flags, 0), strlen(text));
	EXPECT_TRUE(!memcmp(buffer, text, strlen(text)));
	EXPECT_EQ(got_id, id);
	EXPECT_EQ(got_flags & FIN, flags);
}

/* What is missing keeps its preset, what is too much is not looked at. */
TEST(lengths_of_control_messages)
{
	struct quic_handshake_info level = { QUIC_CRYPTO_INITIAL };
	struct { struct quic_stream_info info; uint64_t more[2]; } longer = {
		.info = { .stream_id = 8, .stream_flags = NEW }, .more = { -1, -1 },
	};
	struct control control = {};
	struct pair pair = {};
	char eight[8] = { QUIC_CRYPTO_INITIAL };
	int64_t id = 4;

	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = make_client(&pair.address);
	/* The struct of older programs has eight bytes; none at all is level 0, which has no key. */
	add(&control, SOL_QUIC, QUIC_HANDSHAKE_INFO, eight, sizeof(eight));
	EXPECT_EQ(send_with(pair.client, "more", &control, MSG_MORE), 4);
	control.used = 0;
	add(&control, SOL_QUIC, QUIC_HANDSHAKE_INFO, &level, 0);
	EXPECT_ERRNO(send_with(pair.client, "more", &control, 0), EINVAL);
	close(pair.client);
	close(pair.listener);

	pair_open(&pair, AF_INET);
	/* Only an ID: flags are 0, so nothing is opened; then it is there. */
	control.used = 0;
	add(&control, SOL_QUIC, QUIC_STREAM_INFO, &id, sizeof(id));
	EXPECT_ERRNO(send_with(pair.client, "a", &control, 0), EINVAL);
	ASSERT_EQ(stream_send(pair.client, "b", 1, 4, NEW, 0), 1);
	expect_data(pair.server, "b", 4, 0);
	EXPECT_EQ(send_with(pair.client, "c", &control, 0), 1);
	expect_data(pair.server, "c", 4, 0);
	/* Nothing: ID -1, which is the active stream. */
	control.used = 0;
	add(&control, SOL_QUIC, QUIC_STREAM_INFO, &id, 0);
	EXPECT_EQ(send_with(pair.client, "d", &control, 0), 1);
	expect_data(pair.server, "d", 4, 0);
	control.used = 0;
	add(&control, SOL_QUIC, QUIC_STREAM_INFO, &longer, sizeof(longer));
	EXPECT_EQ(send_with(pair.client, "e", &control, 0), 1);
	expect_data(pair.server, "e", 8, 0);
	pair_close(&pair);
}

/* Programs compare cmsg_len for equality. */
TEST(what_comes_out)
{
	struct control control = {};
	char buffer[64], name[64];
	struct iovec iov = { buffer, sizeof(buffer) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	struct pair pair = {};

	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = make_client(&pair.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	msg.msg_control = control.data;
	msg.msg_controllen = sizeof(control.data);
	ASSERT_EQ(recvmsg(pair.server, &msg, MSG_PEEK), 12);
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_TRUE(cmsg);
	EXPECT_EQ(cmsg->cmsg_level, SOL_QUIC);
	EXPECT_EQ(cmsg->cmsg_type, QUIC_HANDSHAKE_INFO);
	EXPECT_EQ(cmsg->cmsg_len, CMSG_LEN(1));
	EXPECT_EQ(*CMSG_DATA(cmsg), QUIC_CRYPTO_INITIAL);
	EXPECT_TRUE(!CMSG_NXTHDR(&msg, cmsg));
	pair_handshake(&pair);

	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, NEW | FIN, 0), 4);
	memset(name, 0x55, sizeof(name));
	msg.msg_name = name;
	msg.msg_namelen = sizeof(name);
	msg.msg_control = control.data;
	msg.msg_controllen = sizeof(control.data);
	ASSERT_EQ(recvmsg(pair.server, &msg, 0), 4);
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_TRUE(cmsg);
	EXPECT_EQ(cmsg->cmsg_level, SOL_QUIC);
	EXPECT_EQ(cmsg->cmsg_type, QUIC_STREAM_INFO);
	EXPECT_EQ(cmsg->cmsg_len, CMSG_LEN(sizeof(struct quic_stream_info)));
	EXPECT_TRUE(!CMSG_NXTHDR(&msg, cmsg));
	/* uapi.md, section 3.7: no name is filled in. */
	EXPECT_EQ(name[0], 0x55);
	pair_close(&pair);
}

/* uapi.md, section 2.9 */
TEST(names_are_ignored)
{
	struct pair pair = {};
	union address elsewhere;

	pair_open(&pair, AF_INET);
	loopback(AF_INET, 9, &elsewhere);
	ASSERT_EQ(sendto(pair.client, "data", 4, NEW | MSG_NOSIGNAL, &elsewhere.sa,
			 address_len(&elsewhere)), 4);
	expect_data(pair.server, "data", 0, 0);
	pair_close(&pair);
}

TEST(bad_control_messages)
{
	struct quic_stream_info info = { .stream_id = 0 };
	struct control control = {};
	struct pair pair = {};
	struct cmsghdr cmsg = { .cmsg_level = SOL_QUIC, .cmsg_type = QUIC_STREAM_INFO };
	uint32_t bit;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "a", 1, 0, NEW, 0), 1);
	expect_data(pair.server, "a", 0, 0);

	/* Of another level, the number of old headers included: nobody's business here. */
	info.stream_id = 400;
	add(&control, IPPROTO_QUIC, QUIC_STREAM_INFO, &info, sizeof(info));
	add(&control, SOL_SOCKET, 4711, &info, sizeof(info));
	EXPECT_EQ(send_with(pair.client, "b", &control, 0), 1);
	expect_data(pair.server, "b", 0, 0);

	/* No such type. */
	control.used = 0;
	add(&control, SOL_QUIC, 2, &info, sizeof(info));
	EXPECT_ERRNO(send_with(pair.client, "c", &control, 0), EINVAL);

	/* A length that is less than the header's, and one beyond the buffer. */
	control.used = sizeof(control.data);
	for (cmsg.cmsg_len = 0; cmsg.cmsg_len < sizeof(cmsg); cmsg.cmsg_len += 4) {
		memcpy(control.data, &cmsg, sizeof(cmsg));
		EXPECT_ERRNO(send_with(pair.client, "d", &control, 0), EINVAL);
	}
	cmsg.cmsg_len = sizeof(control.data) + 1;
	memcpy(control.data, &cmsg, sizeof(cmsg));
	EXPECT_ERRNO(send_with(pair.client, "d", &control, 0), EINVAL);

	/* Flags that are not a stream's. */
	for (bit = 1; bit; bit <<= 1) {
		if (bit & 0x12e00)
			continue;
		control.used = 0;
		add_stream(&control, 0, bit);
		EXPECT_ERRNO(send_with(pair.client, "e", &control, 0), EINVAL);
	}
	/* A closed socket says so before it looks. */
	control.used = 0;
	add_stream(&control, 0, 1);
	ASSERT_EQ(shutdown(pair.client, SHUT_WR), 0);
	EXPECT_ERRNO(send_with(pair.client, "f", &control, 0), EPIPE);
	pair_close(&pair);
}

TEST(several_control_messages)
{
	struct quic_handshake_info info = { QUIC_CRYPTO_INITIAL };
	struct control control = {};
	struct pair pair = {};
	char buffer[64];
	int level;

	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = make_client(&pair.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	set_timeout(pair.server, SO_RCVTIMEO, 10000 * test_slow());
	expect_handshake(pair.server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	/* The handshake's decides, wherever it stands. */
	add(&control, SOL_QUIC, QUIC_HANDSHAKE_INFO, &info, sizeof(info));
	add_stream(&control, 0, NEW);
	ASSERT_EQ(send_with(pair.client, "handshake", &control, 0), 9);
	ASSERT_EQ(recv_handshake(pair.server, &level, buffer, sizeof(buffer), 0), 9);
	EXPECT_EQ(level, QUIC_CRYPTO_INITIAL);
	close(pair.client);
	close(pair.server);
	close(pair.listener);

	/* The last of a kind. */
	pair_open(&pair, AF_INET);
	control.used = 0;
	add_stream(&control, 100, 0);
	add_stream(&control, 4, NEW);
	ASSERT_EQ(send_with(pair.client, "last", &control, 0), 4);
	expect_data(pair.server, "last", 4, 0);
	pair_close(&pair);
}

TEST(flags_of_the_call_and_of_the_message)
{
	struct control control = {};
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	/* With a message its flags count and no others. */
	add_stream(&control, 0, 0);
	EXPECT_ERRNO(send_with(pair.client, "a", &control, NEW), EINVAL);
	control.used = 0;
	add_stream(&control, 0, NEW);
	ASSERT_EQ(send_with(pair.client, "b", &control, FIN), 1);
	expect_data(pair.server, "b", 0, 0);
	control.used = 0;
	add_stream(&control, -1, FIN);
	ASSERT_EQ(send_with(pair.client, "c", &control, MSG_QUIC_STREAM_UNI), 1);
	expect_data(pair.server, "c", 0, FIN);
	/* Without one those of the call, by their names for other protocols. */
	ASSERT_EQ(send(pair.client, "d", 1, MSG_SYN | MSG_FIN | MSG_CONFIRM), 1);
	expect_data(pair.server, "d", 2, FIN);
	pair_close(&pair);
}
