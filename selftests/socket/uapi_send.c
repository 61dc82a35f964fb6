// SPDX-License-Identifier: GPL-2.0-or-later
/* Sending: uapi.md, sections 3.1, 3.3 and 3.5. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW

/* The loopback device's address, or none: its routes come and go with it. */
static void set_address(uint32_t value)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(value) };
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ASSERT_GE(fd, 0);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	ASSERT_EQ(ioctl(fd, SIOCSIFADDR, &request), 0);
	close(fd);
}

/* Whatever the routing error is, on all three ways. */
TEST(no_route)
{
	struct pair pair = { .client_param = { .max_datagram_frame_size = 2000 },
			     .server_param = { .max_datagram_frame_size = 2000 } };

	fresh_loopback();
	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, NEW, 0), 4);
	set_address(INADDR_ANY);
	EXPECT_ERRNO(stream_send(pair.client, "data", 4, 0, 0, 0), ENETUNREACH);
	EXPECT_ERRNO(send(pair.client, "data", 4, MSG_QUIC_DATAGRAM), ENETUNREACH);
	EXPECT_ERRNO(send_handshake(pair.client, QUIC_CRYPTO_APP, "data", 4, 0), ENETUNREACH);
	set_address(INADDR_LOOPBACK);
	EXPECT_EQ(stream_send(pair.client, "data", 4, 0, 0, 0), 4);
	pair_close(&pair);
}

TEST(handshake_levels)
{
	struct pair pair = {};
	int level;

	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = make_client(&pair.address);
	for (level = QUIC_CRYPTO_EARLY; level < 256; level++)
		EXPECT_ERRNO(send_handshake(pair.client, level, "a", 1, 0), EINVAL);
	/* No key yet. */
	EXPECT_ERRNO(send_handshake(pair.client, QUIC_CRYPTO_HANDSHAKE, "a", 1, 0), EINVAL);
	EXPECT_ERRNO(send_handshake(pair.client, QUIC_CRYPTO_APP, "a", 1, 0), EINVAL);
	EXPECT_ERRNO(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "", 0, 0), EMSGSIZE);
	EXPECT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "more", 4, 0), 4);
	close(pair.client);
	close(pair.listener);
}

/* MSG_MORE only queues: one datagram takes all. */
TEST(handshake_messages_wait_for_company)
{
	struct pair pair = {};
	int fd;

	pair.listener = make_listener(AF_INET, &pair.address);
	fd = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(connect(fd, &pair.address.sa, address_len(&pair.address)), 0);
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "first ", 6, MSG_MORE), 6);
	EXPECT_TRUE(!wait_for(pair.listener, POLLIN, 100));
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "second", 6, 0), 6);
	EXPECT_TRUE(wait_for(pair.listener, POLLIN, 5000));
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	expect_handshake(pair.server, QUIC_CRYPTO_INITIAL, "first second", 12);
	close(pair.server);
	close(fd);
	close(pair.listener);
}

TEST(faults)
{
	long page = sysconf(_SC_PAGESIZE);
	struct pair pair = {};
	struct iovec iov[2];
	char *memory, got[64];
	uint32_t flags;
	int64_t id;

	memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(memory != MAP_FAILED);
	memset(memory, 'x', page);
	ASSERT_EQ(mprotect(memory + page, page, PROT_NONE), 0);
	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_open(pair.client, 0, 0), 0);
	EXPECT_ERRNO(send(pair.client, memory + page, 10, MSG_NOSIGNAL), EFAULT);
	/* What could be read counts. */
	iov[0] = (struct iovec){ memory, 4 };
	iov[1] = (struct iovec){ memory + page, 10 };
	EXPECT_EQ(writev(pair.client, iov, 2), 4);
	EXPECT_EQ(send(pair.client, memory + page - 6, 16, MSG_NOSIGNAL), 6);
	EXPECT_EQ(send(pair.client, "end", 3, MSG_QUIC_STREAM_FIN | MSG_NOSIGNAL), 3);
	usleep(50000);
	ASSERT_EQ(recv(pair.server, got, sizeof(got), MSG_PEEK) > 0, 1);
	for (size_t n = 0; n < 13; ) {
		ssize_t part = stream_recv(pair.server, got + n, sizeof(got) - n, &id, &flags, 0);

		ASSERT_GE(part, 1);
		n += part;
	}
	EXPECT_TRUE(!memcmp(got, "xxxxxxxxxxend", 13));
	EXPECT_TRUE(flags & MSG_QUIC_STREAM_FIN);
	munmap(memory, 2 * page);
	pair_close(&pair);
}
