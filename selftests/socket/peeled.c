// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors of streams: see peeled.h. */
#include "peeled.h"

int peel(int fd, int64_t id, uint32_t flags)
{
	struct quic_stream_peeloff info = { .stream_id = id, .flags = flags, .sd = -1 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_STREAM_PEELOFF, &info, &len))
		return -1;
	EXPECT_EQ(len, sizeof(info));
	EXPECT_EQ(info.stream_id, id);
	set_timeout(info.sd, SO_RCVTIMEO, 10000 * test_slow());
	set_timeout(info.sd, SO_SNDTIMEO, 10000 * test_slow());
	return info.sd;
}

void open_peeled(struct pair *pair, int *client, int *server)
{
	pair_open(pair, AF_INET);
	ASSERT_EQ(stream_send(pair->client, "ping", 4, 0, MSG_QUIC_STREAM_NEW, 0), 4);
	ASSERT_TRUE(wait_for(pair->server, POLLIN, 2000));
	*client = peel(pair->client, 0, 0);
	*server = peel(pair->server, 0, 0);
	ASSERT_GE(*client, 0);
	ASSERT_GE(*server, 0);
}

void expect_read(int fd, const char *text)
{
	char buffer[64];
	ssize_t n = recv(fd, buffer, strlen(text), MSG_WAITALL);

	EXPECT_EQ(n, strlen(text));
	EXPECT_TRUE(n < 0 || !memcmp(buffer, text, n));
}

void send_descriptor(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ASSERT_EQ(sendmsg(to, &msg, 0), 1);
}

int recv_descriptor(int from)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}
