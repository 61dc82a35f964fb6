// SPDX-License-Identifier: GPL-2.0-or-later
/* The receive family of calls: uapi.md, sections 3.6 to 3.8 and 11.1. */
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN

/* recvmsg() with @room bytes for control messages; flags of the message to *@flags. */
static ssize_t recv_control(int fd, void *data, size_t len, void *control, size_t *room, int *flags,
			    int how)
{
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = *room, .msg_flags = 0x7fffffff,
	};
	ssize_t n = recvmsg(fd, &msg, how);

	*room = msg.msg_controllen;
	*flags = msg.msg_flags;
	return n;
}

/* uapi.md, section 3.7: the row "control buffer absent or too small" */
TEST(short_control_buffers)
{
	struct pair pair = {};
	char buffer[16], control[64];
	size_t room, got;
	int flags, id;

	pair_open(&pair, AF_INET);
	for (room = 0, id = 0; room <= 40; room += 4, id += 4) {
		ASSERT_EQ(stream_send(pair.client, "data", 4, id, NEW | FIN, 0), 4);
		got = room;
		EXPECT_EQ(recv_control(pair.server, buffer, sizeof(buffer), control, &got, &flags, 0), 4);
		EXPECT_TRUE(!(flags & (MSG_TRUNC | MSG_EOR | MSG_QUIC_NOTIFICATION)));
		if (room < CMSG_LEN(sizeof(struct quic_stream_info))) {
			EXPECT_TRUE(flags & MSG_CTRUNC);
			EXPECT_TRUE(flags & FIN);
		} else {
			EXPECT_TRUE(!(flags & (MSG_CTRUNC | FIN)));
			EXPECT_EQ(((struct cmsghdr *)control)->cmsg_len,
				  CMSG_LEN(sizeof(struct quic_stream_info)));
			EXPECT_EQ(((struct cmsghdr *)control)->cmsg_level, SOL_QUIC);
			EXPECT_EQ(((struct cmsghdr *)control)->cmsg_type, QUIC_STREAM_INFO);
		}
	}
	pair_close(&pair);
}

/* uapi.md, sections 3.7 and 11.1, items 8 and 9: what is left from a call before does no harm. */
TEST(leftover_flags_are_ignored)
{
	static const int leftovers[] = {
		FIN, NEW, MSG_QUIC_STREAM_UNI, MSG_QUIC_DATAGRAM, MSG_QUIC_NOTIFICATION,
		MSG_QUIC_STREAM_DONTWAIT, MSG_EOR, MSG_TRUNC, MSG_CTRUNC, MSG_WAITALL, MSG_NOSIGNAL,
		MSG_QUIC_STREAM_SNDBLOCK, FIN | MSG_EOR | MSG_QUIC_NOTIFICATION,
	};
	struct pair pair = {};
	char buffer[16];
	uint32_t flags;
	int64_t id;
	size_t i;

	pair_open(&pair, AF_INET);
	for (i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++) {
		ASSERT_EQ(stream_send(pair.client, "data", 4, 0, i ? 0 : NEW, 0), 4);
		EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, leftovers[i]),
			  4);
		EXPECT_EQ(id, 0);
		EXPECT_EQ(flags & ~MSG_CMSG_CLOEXEC, 0);
	}
	pair_close(&pair);
}

/* uapi.md, section 3.7: buffers of every size, nothing gets lost. */
TEST(buffers_of_every_size)
{
	struct pair pair = {};
	char data[64], buffer[64];
	uint32_t flags;
	size_t size, got;
	int64_t id;
	ssize_t n;

	pair_open(&pair, AF_INET);
	fill_pattern(data, sizeof(data), 0, 7);
	for (size = 1; size <= sizeof(data); size++) {
		ASSERT_EQ(stream_send(pair.client, data, sizeof(data), 4 * (size - 1), NEW | FIN, 0),
			  sizeof(data));
		EXPECT_EQ(recv(pair.server, buffer, 0, 0), 0);
		for (got = 0; got < sizeof(data); got += n) {
			n = stream_recv(pair.server, buffer, size, &id, &flags, 0);
			ASSERT_GE(n, 1);
			EXPECT_EQ(id, 4 * (size - 1));
			EXPECT_TRUE(check_pattern(buffer, n, got, 7));
			EXPECT_EQ(!!(flags & FIN), got + n == sizeof(data));
			EXPECT_TRUE(!(flags & (MSG_TRUNC | MSG_EOR)));
		}
	}
	EXPECT_ERRNO(recv(pair.server, buffer, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

/* uapi.md, section 3.6: streams alternate in order of arrival, and do not merge. */
TEST(streams_keep_their_order)
{
	struct pair pair = { .client_config = { .stream_data_nodelay = 1 } };
	char buffer[64];
	uint32_t flags;
	int64_t id;
	int i;

	pair_open(&pair, AF_INET);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(stream_send(pair.client, "abcd", 4, 4 * (i & 1), i < 2 ? NEW : 0, 0), 4);
		/* What waits for the window or for pacing may go with the next of its stream. */
		ASSERT_TRUE(wait_acknowledged(pair.client, 2000));
	}
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 4);
		EXPECT_EQ(id, 4 * (i & 1));
	}
	pair_close(&pair);
}

/* uapi.md, section 3.6: events go before data that came earlier. */
TEST(events_overtake_data)
{
	struct pair pair = {};
	char buffer[80];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "early", 5, 0, NEW, 0), 5);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_STREAM_UPDATE, true), 0);
	ASSERT_EQ(stream_send(pair.client, "late", 4, 4, NEW, 0), 4);
	usleep(100000);
	/* Peeking shows the same, and takes nothing. */
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, MSG_PEEK), 25);
	EXPECT_TRUE(flags & MSG_QUIC_NOTIFICATION);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 25);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, MSG_PEEK), 5);
	EXPECT_EQ(id, 0);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 4);
	EXPECT_EQ(id, 4);
	/* Switching events off takes back none that wait: uapi.md, section 5.1. */
	ASSERT_EQ(stream_send(pair.client, "x", 1, 8, NEW, 0), 1);
	usleep(100000);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_STREAM_UPDATE, false), 0);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 25);
	pair_close(&pair);
}

/* uapi.md, sections 3.7 and 11.1, item 10: read(), readv(), recv() need no control messages. */
TEST(plain_reads)
{
	char a[3], b[3];
	struct iovec iov[2] = { { a, 3 }, { b, 3 } };
	struct pair pair = {};
	union address from = {};
	socklen_t len = sizeof(from);

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "abcdefghij", 10, 0, NEW, 0), 10);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_EQ(read(pair.server, a, 2), 2);
	EXPECT_TRUE(!memcmp(a, "ab", 2));
	EXPECT_EQ(readv(pair.server, iov, 2), 6);
	EXPECT_TRUE(!memcmp(a, "cde", 3) && !memcmp(b, "fgh", 3));
	/* msg_name is not filled in: uapi.md, section 2.9. */
	from.sa.sa_family = 77;
	EXPECT_EQ(recvfrom(pair.server, a, 3, 0, &from.sa, &len), 2);
	EXPECT_EQ(from.sa.sa_family, 77);
	pair_close(&pair);
}

/* uapi.md, section 3.7: a fault before the first byte, and one behind it. */
TEST(faults)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct pair pair = {};
	char buffer[64];
	char *memory;
	ssize_t n;

	memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(memory != MAP_FAILED);
	ASSERT_EQ(mprotect(memory + page, page, PROT_NONE), 0);
	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "0123456789", 10, 0, NEW, 0), 10);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	EXPECT_ERRNO(recv(pair.server, memory + page, 10, 0), EFAULT);
	n = recv(pair.server, memory + page - 4, 10, 0);
	EXPECT_TRUE(n == 4 || (n == -1 && errno == EFAULT));
	/* Whatever it was, the rest is still there. */
	if (n < 0)
		n = 0;
	EXPECT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 10 - n);
	EXPECT_TRUE(!memcmp(buffer, "0123456789" + n, 10 - n));
	/* The same on the way out. */
	EXPECT_ERRNO(stream_send(pair.client, memory + page, 10, 0, 0, 0), EFAULT);
	n = stream_send(pair.client, memory + page - 4, 10, 0, 0, 0);
	EXPECT_TRUE(n == 4 || (n == -1 && errno == EFAULT));
	pair_close(&pair);
}

/* uapi.md, section 3.7: handshake messages. */
TEST(handshake_messages_in_pieces)
{
	union address address;
	int listener = make_listener(AF_INET, &address), client = make_client(&address), server, level;
	char buffer[16], control[64];
	size_t room;
	int flags;

	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);
	room = sizeof(control);
	EXPECT_EQ(recv_control(server, buffer, 5, control, &room, &flags, MSG_DONTWAIT), 5);
	EXPECT_TRUE(!(flags & MSG_EOR));
	EXPECT_EQ(room, CMSG_SPACE(1));
	EXPECT_EQ(((struct cmsghdr *)control)->cmsg_len, CMSG_LEN(1));
	EXPECT_EQ(*CMSG_DATA((struct cmsghdr *)control), QUIC_CRYPTO_INITIAL);
	EXPECT_EQ(recv_handshake(server, &level, buffer, 3, MSG_PEEK), 3);
	EXPECT_EQ(level, QUIC_CRYPTO_INITIAL);
	room = sizeof(control);
	EXPECT_EQ(recv_control(server, buffer, sizeof(buffer), control, &room, &flags, 0), 7);
	EXPECT_TRUE(flags & MSG_EOR);
	EXPECT_TRUE(!memcmp(buffer, "t hello", 7));
	/* Without a control buffer, too: the draft wants an error, programs do not. */
	EXPECT_EQ(send_handshake(server, QUIC_CRYPTO_INITIAL, "server hello", 12, 0), 12);
	ASSERT_TRUE(wait_for(client, POLLIN, 2000));
	EXPECT_EQ(recv(client, buffer, sizeof(buffer), 0), 12);
	close(client);
	close(server);
	close(listener);
}

/* uapi.md, section 3.8: a reset takes the data along that nobody has read. */
TEST(reset_discards_unread_data)
{
	struct pair pair = {};
	union quic_event event;
	char buffer[16];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_STREAM_UPDATE, true), 0);
	ASSERT_EQ(stream_send(pair.client, "lost", 4, 0, NEW, 0), 4);
	ASSERT_EQ(stream_send(pair.client, "kept", 4, 4, NEW, 0), 4);
	usleep(100000);
	ASSERT_EQ(stream_reset(pair.client, 0, 3), 0);
	usleep(100000);
	do {
		ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_STREAM_UPDATE, &event, 24));
	} while (event.update.state != QUIC_STREAM_RECV_STATE_RESET_RECVD);
	EXPECT_EQ(event.update.id, 0);
	EXPECT_EQ(event.update.errcode, 3);
	EXPECT_EQ(event.update.finalsz, 4);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 4);
	EXPECT_EQ(id, 4);
	EXPECT_ERRNO(recv(pair.server, buffer, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

/* uapi.md, section 11.2, item 37: data that came before the end is read after it. */
TEST(data_outlives_the_connection)
{
	struct pair pair = {};
	char buffer[16];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "first", 5, 0, NEW | FIN, 0), 5);
	ASSERT_EQ(stream_send(pair.client, "other", 5, 4, NEW, 0), 5);
	close(pair.client);
	pair.client = -1;
	ASSERT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(id == 0 && (flags & FIN));
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(id == 4 && !(flags & FIN));
	EXPECT_ERRNO(recv(pair.server, buffer, 1, 0), ENOTCONN);
	EXPECT_ERRNO(recv(pair.server, buffer, 1, 0), ENOTCONN);
	pair_close(&pair);
}
