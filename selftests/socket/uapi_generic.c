// SPDX-License-Identifier: GPL-2.0-or-later
/* Options and calls of the generic layers; accept() inherits: uapi.md, sections 2.1, 2.7, 2.13. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK	75
#endif

static int get_int(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	EXPECT_EQ(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static void set_int(int fd, int level, int option, int value)
{
	EXPECT_EQ(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

/* uapi.md, section 2.1 */
TEST(what_the_socket_says_of_itself)
{
	static const int families[] = { AF_INET, AF_INET6 }, types[] = { SOCK_STREAM, SOCK_DGRAM };
	static const int bad[] = { SOCK_SEQPACKET, SOCK_RDM };
	int i, k, fd;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < 2; k++) {
			fd = quic_socket(families[i], types[k]);
			EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_PROTOCOL), 261);
			EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_TYPE), types[k]);
			EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_DOMAIN), families[i]);
			EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
			EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
			EXPECT_EQ(listen(fd, 1), 0);
			EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
			close(fd);
		}
		for (k = 0; k < 2; k++)
			EXPECT_ERRNO(socket(families[i], bad[k], 261), ESOCKTNOSUPPORT);
	}
	/* Nobody gets QUIC without asking for it. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT_TRUE(get_int(fd, SOL_SOCKET, SO_PROTOCOL) != 261);
	close(fd);
}

/* uapi.md, section 2.1: levels. */
TEST(levels_of_options)
{
	int v4 = quic_socket(AF_INET, SOCK_DGRAM), v6 = quic_socket(AF_INET6, SOCK_DGRAM), one = 1;
	socklen_t len = sizeof(one);
	void *memory;

	EXPECT_ERRNO(setsockopt(v4, IPPROTO_TCP, TCP_NODELAY, &one, len), ENOPROTOOPT);
	EXPECT_ERRNO(getsockopt(v4, IPPROTO_TCP, TCP_NODELAY, &one, &len), ENOPROTOOPT);
	EXPECT_ERRNO(setsockopt(v4, IPPROTO_UDP, UDP_CORK, &one, len), ENOPROTOOPT);
	EXPECT_ERRNO(setsockopt(v4, 261, 9, &one, len), ENOPROTOOPT);
	EXPECT_ERRNO(getsockopt(v6, 12345, 1, &one, &len), ENOPROTOOPT);
	set_int(v4, IPPROTO_IP, IP_TTL, 33);
	EXPECT_EQ(get_int(v4, IPPROTO_IP, IP_TTL), 33);
	set_int(v6, IPPROTO_IP, IP_TOS, 0x20);
	EXPECT_EQ(get_int(v6, IPPROTO_IP, IP_TOS), 0x20);
	set_int(v6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7);
	EXPECT_EQ(get_int(v6, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 7);
	memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, v4, 0);
	EXPECT_TRUE(memory == MAP_FAILED && errno == ENODEV);
	close(v4);
	close(v6);
}

/* uapi.md, section 2.13: accepted, whatever they do. */
TEST(options_without_effect)
{
	static const int options[] = { SO_RCVLOWAT, SO_KEEPALIVE, SO_OOBINLINE, SO_REUSEADDR };
	struct linger linger = { 1, 3 };
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		set_int(fd, SOL_SOCKET, options[i], 1);
	EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	set_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 100000);
	EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_MAX_PACING_RATE), 100000);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 30000);
	EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_SNDBUF), 60000);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 30000);
	EXPECT_EQ(get_int(fd, SOL_SOCKET, SO_RCVBUF), 60000);
	close(fd);
}

/* uapi.md, section 2.7: the two columns. */
TEST(accepted_socket_inherits_generic_options)
{
	struct linger linger = { 1, 7 };
	struct timeval time = {};
	union address address;
	int listener = quic_socket(AF_INET, SOCK_STREAM), client, server;
	socklen_t len;

	set_int(listener, SOL_SOCKET, SO_SNDBUF, 50000);
	set_int(listener, SOL_SOCKET, SO_RCVBUF, 50000);
	set_int(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(listener, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	EXPECT_EQ(setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	set_timeout(listener, SO_RCVTIMEO, 7000);
	set_timeout(listener, SO_SNDTIMEO, 8000);
	set_int(listener, SOL_SOCKET, SO_MARK, 5);
	set_int(listener, SOL_SOCKET, SO_PRIORITY, 3);
	set_int(listener, IPPROTO_IP, IP_TOS, 0x40);
	set_int(listener, SOL_SOCKET, SO_REUSEPORT, 1);
	set_int(listener, SOL_SOCKET, SO_MAX_PACING_RATE, 12345678);

	loopback(AF_INET, 0, &address);
	ASSERT_EQ(bind(listener, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(listen(listener, 4), 0);
	len = sizeof(address);
	ASSERT_EQ(getsockname(listener, &address.sa, &len), 0);
	client = make_client(&address);
	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);

	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_PROTOCOL), 261);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_DOMAIN), AF_INET);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_ACCEPTCONN), 0);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_RCVBUF), 8388480);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_KEEPALIVE), 1);
	EXPECT_EQ(get_int(server, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
	memset(&linger, 0, sizeof(linger));
	len = sizeof(linger);
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
	EXPECT_TRUE(linger.l_onoff == 1 && linger.l_linger == 7);
	len = sizeof(time);
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &time, &len), 0);
	EXPECT_EQ(time.tv_sec, 7);
	len = sizeof(time);
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &time, &len), 0);
	EXPECT_EQ(time.tv_sec, 8);

	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_MARK), 0);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_PRIORITY), 0);
	EXPECT_EQ(get_int(server, IPPROTO_IP, IP_TOS), 0);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_REUSEPORT), 0);
	EXPECT_EQ(get_int(server, SOL_SOCKET, SO_MAX_PACING_RATE), -1);

	/* O_NONBLOCK is accept4()'s affair, not the listener's. */
	EXPECT_EQ(fcntl(server, F_GETFL) & O_NONBLOCK, 0);
	close(server);
	close(client);
	close(listener);
}

/* What a plain UDP socket sees of a client's first packet, which carries its options. */
static void receive_first(int udp, struct msghdr *msg, char *control, size_t room)
{
	static char packet[2048];
	static struct iovec iov = { packet, sizeof(packet) };

	memset(control, 0, room);
	*msg = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				.msg_controllen = room };
	ASSERT_TRUE(wait_for(udp, POLLIN, 2000));
	ASSERT_GE(recvmsg(udp, msg, 0), 1200);
}

static int control_int(struct msghdr *msg, int level, int type)
{
	struct cmsghdr *cmsg;
	int value = -1;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != level || cmsg->cmsg_type != type)
			continue;
		if (cmsg->cmsg_len < CMSG_LEN(sizeof(int)))
			return *CMSG_DATA(cmsg);
		memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
	}
	return value;
}

/* uapi.md, section 2.13: options of IP and of the socket are those of the packets. */
TEST(packets_bear_the_options_v4)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0), fd = quic_socket(AF_INET, SOCK_DGRAM), one = 1;
	char control[256];
	union address address;
	socklen_t len = sizeof(address);
	struct msghdr msg;

	loopback(AF_INET, 0, &address);
	ASSERT_EQ(bind(udp, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(getsockname(udp, &address.sa, &len), 0);
	set_int(udp, IPPROTO_IP, IP_RECVTOS, 1);
	set_int(udp, IPPROTO_IP, IP_RECVTTL, 1);
	set_int(fd, IPPROTO_IP, IP_TOS, 0xb8 | 3);
	set_int(fd, IPPROTO_IP, IP_TTL, 17);
	set_int(fd, SOL_SOCKET, SO_MARK, 0x1234);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "hello", 5, 0), 5);
	receive_first(udp, &msg, control, sizeof(control));
	/* The ECN bits are the protocol's. */
	EXPECT_EQ(control_int(&msg, IPPROTO_IP, IP_TOS) & ~3, 0xb8);
	EXPECT_TRUE((control_int(&msg, IPPROTO_IP, IP_TOS) & 3) != 3);
	EXPECT_EQ(control_int(&msg, IPPROTO_IP, IP_TTL), 17);
	if (!setsockopt(udp, SOL_SOCKET, SO_RCVMARK, &one, sizeof(one))) {
		ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "again", 5, 0), 5);
		receive_first(udp, &msg, control, sizeof(control));
		EXPECT_EQ(control_int(&msg, SOL_SOCKET, SO_MARK), 0x1234);
	}
	close(udp);
	close(fd);
}

TEST(packets_bear_the_options_v6)
{
	int udp = socket(AF_INET6, SOCK_DGRAM, 0), fd = quic_socket(AF_INET6, SOCK_DGRAM);
	char control[256];
	union address address;
	socklen_t len = sizeof(address);
	struct msghdr msg;

	loopback(AF_INET6, 0, &address);
	ASSERT_EQ(bind(udp, &address.sa, sizeof(address.v6)), 0);
	ASSERT_EQ(getsockname(udp, &address.sa, &len), 0);
	set_int(udp, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set_int(udp, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x88);
	set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 19);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.v6)), 0);
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "hello", 5, 0), 5);
	receive_first(udp, &msg, control, sizeof(control));
	EXPECT_EQ(control_int(&msg, IPPROTO_IPV6, IPV6_TCLASS) & ~3, 0x88);
	EXPECT_EQ(control_int(&msg, IPPROTO_IPV6, IPV6_HOPLIMIT), 19);
	close(udp);
	close(fd);
}

/* A file with the pattern, open for reading. */
static int pattern_file(size_t len, uint8_t seed)
{
	int fd = memfd_create("pattern", 0);
	static char data[100000];

	ASSERT_GE(fd, 0);
	fill_pattern(data, len, 0, seed);
	ASSERT_EQ(write(fd, data, len), len);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void expect_pattern(int fd, size_t len, uint8_t seed)
{
	static char data[65536];
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = recv(fd, data, sizeof(data), 0);
		ASSERT_GE(n, 1);
		ASSERT_TRUE(check_pattern(data, n, got, seed));
		got += n;
	}
	EXPECT_EQ(got, len);
}

/* uapi.md, sections 3.1 and 13: sendfile() and splice() send on the active stream. */
TEST(sendfile_and_splice)
{
	size_t len = 100000, sent = 0;
	struct pair pair = {};
	int file, way[2];
	ssize_t n;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_open(pair.client, 0, 0), 0);
	file = pattern_file(len, 1);
	while (sent < len) {
		n = sendfile(pair.client, file, NULL, len - sent);
		ASSERT_GE(n, 1);
		sent += n;
	}
	expect_pattern(pair.server, len, 1);
	close(file);

	ASSERT_EQ(pipe(way), 0);
	ASSERT_EQ(stream_open(pair.client, 4, 0), 4);
	file = pattern_file(len, 2);
	for (sent = 0; sent < len; sent += n) {
		n = splice(file, NULL, way[1], NULL, 30000, 0);
		ASSERT_GE(n, 1);
		ASSERT_EQ(splice(way[0], NULL, pair.client, NULL, n, 0), n);
	}
	expect_pattern(pair.server, len, 2);
	close(file);
	pair_close(&pair);
}

/* uapi.md, section 3.1: all calls of the family take one way. */
TEST(every_sending_call)
{
	struct iovec iov[2] = { { "ab", 2 }, { "cd", 2 } };
	struct mmsghdr messages[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	struct pair pair = {};
	union address nobody;
	char buffer[32];
	size_t got = 0;
	ssize_t n;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_open(pair.client, 0, 0), 0);
	EXPECT_EQ(write(pair.client, "12", 2), 2);
	EXPECT_EQ(writev(pair.client, iov, 2), 4);
	EXPECT_EQ(send(pair.client, "34", 2, MSG_WAITALL | MSG_NOSIGNAL), 2);
	EXPECT_EQ(sendmmsg(pair.client, messages, 2, 0), 2);
	EXPECT_EQ(messages[1].msg_len, 2);
	/* msg_name is not read. */
	memset(&nobody, 0xff, sizeof(nobody));
	EXPECT_EQ(sendto(pair.client, "56", 2, MSG_QUIC_STREAM_FIN, &nobody.sa, sizeof(nobody)), 2);
	while (got < 14) {
		n = recv(pair.server, buffer + got, sizeof(buffer) - got, 0);
		ASSERT_GE(n, 1);
		got += n;
	}
	EXPECT_TRUE(!memcmp(buffer, "12abcd34abcd56", 14));
	pair_close(&pair);
}
