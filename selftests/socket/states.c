// SPDX-License-Identifier: GPL-2.0-or-later
/* Creation, and which call does what in which state: uapi.md, sections 2.1 to 2.9. */
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "pair.h"

TEST(socket_takes_both_families_and_types)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	int i, j, fd, value;
	socklen_t len;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++) {
			fd = quic_socket(families[i], types[j]);
			len = sizeof(value);
			EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &len), 0);
			EXPECT_EQ(value, 261);
			EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len), 0);
			EXPECT_EQ(value, types[j]);
			EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len), 0);
			EXPECT_EQ(value, families[i]);
			EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len), 0);
			EXPECT_EQ(value, 0);
			close(fd);
		}
	}
	EXPECT_ERRNO(socket(AF_INET, SOCK_SEQPACKET, IPPROTO_QUIC), ESOCKTNOSUPPORT);
	EXPECT_ERRNO(socket(AF_INET, SOCK_RDM, IPPROTO_QUIC), ESOCKTNOSUPPORT);
}

TEST(what_sockets_cannot_do)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM), two[2], one = 1;
	union address address;

	EXPECT_ERRNO(socketpair(AF_INET, SOCK_DGRAM, IPPROTO_QUIC, two), EOPNOTSUPP);
	EXPECT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
		    errno == ENODEV);
	EXPECT_ERRNO(setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof(one)), ENOPROTOOPT);
	EXPECT_ERRNO(setsockopt(fd, IPPROTO_UDP, 1, &one, sizeof(one)), ENOPROTOOPT);
	EXPECT_EQ(setsockopt(fd, IPPROTO_IP, IP_TOS, &one, sizeof(one)), 0);
	memset(&address, 0, sizeof(address));
	EXPECT_ERRNO(connect(fd, &address.sa, sizeof(address)), EINVAL);	/* AF_UNSPEC */
	close(fd);
}

TEST(fresh_socket)
{
	int fd = quic_socket(AF_INET, SOCK_STREAM), value;
	union address address;
	socklen_t len = sizeof(address);
	char byte;

	EXPECT_ERRNO(listen(fd, 0), EINVAL);
	EXPECT_ERRNO(accept(fd, NULL, NULL), EINVAL);
	EXPECT_ERRNO(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	EXPECT_ERRNO(recv(fd, &byte, 1, 0), ENOTCONN);
	EXPECT_ERRNO(shutdown(fd, SHUT_WR), ENOTCONN);
	EXPECT_ERRNO(shutdown(fd, SHUT_RD), ENOTCONN);
	EXPECT_ERRNO(shutdown(fd, SHUT_RDWR), ENOTCONN);
	EXPECT_ERRNO(shutdown(fd, 7), EINVAL);
	EXPECT_ERRNO(getpeername(fd, &address.sa, &len), ENOTCONN);
	len = sizeof(address);
	EXPECT_EQ(getsockname(fd, &address.sa, &len), 0);
	EXPECT_EQ(len, sizeof(address.v4));
	EXPECT_EQ(address.v4.sin_addr.s_addr, 0);
	EXPECT_EQ(address.v4.sin_port, 0);
	EXPECT_EQ(ioctl(fd, SIOCINQ, &value), 0);
	EXPECT_EQ(value, 0);
	EXPECT_EQ(ioctl(fd, SIOCOUTQ, &value), 0);
	EXPECT_EQ(value, 0);
	close(fd);
}

TEST(bind_rules)
{
	union address address, got;
	socklen_t len = sizeof(got);
	int fd, other;

	fd = quic_socket(AF_INET, SOCK_DGRAM);
	loopback(AF_INET, 0, &address);
	EXPECT_ERRNO(bind(fd, &address.sa, 15), EINVAL);
	address.v4.sin_family = AF_INET6;
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address)), EINVAL);
	address.v4.sin_family = AF_INET;
	address.v4.sin_addr.s_addr = inet_addr("224.0.0.1");
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address)), EINVAL);
	address.v4.sin_addr.s_addr = inet_addr("192.0.2.77");
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address)), EADDRNOTAVAIL);

	loopback(AF_INET, 0, &address);
	EXPECT_EQ(bind(fd, &address.sa, sizeof(address.any)), 0);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	ASSERT_EQ(getsockname(fd, &got.sa, &len), 0);
	EXPECT_EQ(got.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	EXPECT_TRUE(address_port(&got) != 0);

	/* Another QUIC socket may share the port, a foreign UDP socket may not. */
	other = quic_socket(AF_INET, SOCK_DGRAM);
	EXPECT_EQ(bind(other, &got.sa, sizeof(got.v4)), 0);
	close(other);
	other = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT_ERRNO(bind(other, &got.sa, sizeof(got.v4)), EADDRINUSE);
	close(other);
	close(fd);
}

/* On the loopback device, which takes 64 KiB, small datagrams have little memory all the same. */
TEST(datagrams_of_the_handshake_are_charged_little)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0), fd = quic_socket(AF_INET, SOCK_DGRAM);
	union address address;
	socklen_t len = sizeof(address);
	char message[200] = {}, datagram[2048];
	int i, got = 0;

	loopback(AF_INET, 0, &address);
	ASSERT_EQ(bind(udp, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(getsockname(udp, &address.sa, &len), 0);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, message, sizeof(message), 0),
			  sizeof(message));
	while (recv(udp, datagram, sizeof(datagram), MSG_DONTWAIT) > 0)
		got++;
	EXPECT_GE(got, 8);
	close(fd);
	close(udp);
}

TEST(bind_refuses_port_of_foreign_udp_socket)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0), fd = quic_socket(AF_INET, SOCK_DGRAM);
	union address address, got;
	socklen_t len = sizeof(address);

	loopback(AF_INET, 0, &address);
	ASSERT_EQ(bind(udp, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(getsockname(udp, &address.sa, &len), 0);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EADDRINUSE);
	/* It is unbound again, and can be bound elsewhere. */
	len = sizeof(got);
	EXPECT_EQ(getsockname(fd, &got.sa, &len), 0);
	EXPECT_EQ(got.v4.sin_port, 0);
	loopback(AF_INET, 0, &address);
	EXPECT_EQ(bind(fd, &address.sa, sizeof(address.v4)), 0);
	close(fd);
	close(udp);
}

TEST(bind_v6_rules)
{
	int fd = quic_socket(AF_INET6, SOCK_DGRAM), one = 1;
	union address address, got;
	socklen_t len = sizeof(got);

	loopback(AF_INET6, 0, &address);
	EXPECT_ERRNO(bind(fd, &address.sa, 27), EINVAL);
	address.v6.sin6_addr.s6_addr[0] = 0xff;
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v6)), EINVAL);
	inet_pton(AF_INET6, "fe80::1", &address.v6.sin6_addr);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v6)), EINVAL);

	/* An IPv4 address is told as one: uapi.md, section 2.9. */
	loopback(AF_INET, 0, &address);
	EXPECT_EQ(bind(fd, &address.sa, sizeof(address.v4)), 0);
	EXPECT_EQ(getsockname(fd, &got.sa, &len), 0);
	EXPECT_EQ(len, sizeof(got.v4));
	EXPECT_EQ(got.sa.sa_family, AF_INET);
	close(fd);

	fd = quic_socket(AF_INET6, SOCK_DGRAM);
	EXPECT_EQ(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	memset(&address, 0, sizeof(address));
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.v6.sin6_addr);
	address.v6.sin6_family = AF_INET6;
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v6)), EINVAL);
	close(fd);
}

TEST(connect_opens_and_sends_nothing)
{
	int fd = quic_socket(AF_INET, SOCK_STREAM), udp = socket(AF_INET, SOCK_DGRAM, 0);
	union address address, got;
	socklen_t len = sizeof(address);
	char buffer[2048];

	loopback(AF_INET, 0, &address);
	ASSERT_EQ(bind(udp, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(getsockname(udp, &address.sa, &len), 0);
	set_nonblock(fd, true);
	EXPECT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	EXPECT_ERRNO(recv(udp, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);

	len = sizeof(got);
	EXPECT_EQ(getpeername(fd, &got.sa, &len), 0);
	EXPECT_TRUE(len == sizeof(got.v4) && !memcmp(&got.v4, &address.v4, 8));
	len = sizeof(got);
	EXPECT_EQ(getsockname(fd, &got.sa, &len), 0);
	EXPECT_EQ(got.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	EXPECT_TRUE(address_port(&got) != 0);

	EXPECT_ERRNO(connect(fd, &address.sa, sizeof(address.v4)), EINVAL);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	EXPECT_ERRNO(listen(fd, 1), EINVAL);
	EXPECT_ERRNO(accept(fd, NULL, NULL), EINVAL);
	EXPECT_ERRNO(recv(fd, buffer, 1, 0), EAGAIN);
	EXPECT_ERRNO(send(fd, "x", 1, MSG_NOSIGNAL | MSG_QUIC_STREAM_NEW), EINVAL);

	/* The first flight fills a datagram: RFC 9000, section 14.1; RFC 9001, section 9.3 #1. */
	EXPECT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "hello", 5, 0), 5);
	ASSERT_TRUE(wait_for(udp, POLLIN, 1000));
	EXPECT_GE(recv(udp, buffer, sizeof(buffer), MSG_DONTWAIT), 1200);
	EXPECT_EQ(buffer[0] & 0xc0, 0xc0);
	close(udp);
	close(fd);
}

TEST(connect_refuses_bad_addresses)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	union address address;

	loopback(AF_INET, 4433, &address);
	EXPECT_ERRNO(connect(fd, &address.sa, 15), EINVAL);
	address.v4.sin_addr.s_addr = INADDR_ANY;
	EXPECT_ERRNO(connect(fd, &address.sa, sizeof(address.v4)), EINVAL);
	address.v4.sin_addr.s_addr = inet_addr("224.0.0.1");
	EXPECT_ERRNO(connect(fd, &address.sa, sizeof(address.v4)), EINVAL);
	/* After failure another attempt is fine. */
	loopback(AF_INET, 4433, &address);
	EXPECT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	close(fd);
}

TEST(bound_wildcard_stays_wildcard)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	union address address, got;
	socklen_t len = sizeof(got);

	loopback(AF_INET, 0, &address);
	address.v4.sin_addr.s_addr = INADDR_ANY;
	ASSERT_EQ(bind(fd, &address.sa, sizeof(address.v4)), 0);
	loopback(AF_INET, 4433, &address);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(getsockname(fd, &got.sa, &len), 0);
	EXPECT_EQ(got.v4.sin_addr.s_addr, INADDR_ANY);
	EXPECT_TRUE(got.v4.sin_port != 0);
	close(fd);
}

TEST(listening_socket)
{
	union address address;
	int fd = make_listener(AF_INET, &address), value;
	socklen_t len = sizeof(value);
	char byte;

	EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len), 0);
	EXPECT_EQ(value, 1);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	EXPECT_ERRNO(connect(fd, &address.sa, sizeof(address.v4)), EINVAL);
	EXPECT_ERRNO(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	EXPECT_ERRNO(recv(fd, &byte, 1, 0), ENOTCONN);
	EXPECT_ERRNO(shutdown(fd, SHUT_RD), EOPNOTSUPP);
	EXPECT_ERRNO(shutdown(fd, SHUT_RDWR), EOPNOTSUPP);
	EXPECT_EQ(shutdown(fd, SHUT_WR), 0);
	EXPECT_ERRNO(ioctl(fd, SIOCINQ, &value), EINVAL);
	EXPECT_ERRNO(ioctl(fd, SIOCOUTQ, &value), EINVAL);
	set_nonblock(fd, true);
	EXPECT_ERRNO(accept(fd, NULL, NULL), EAGAIN);
	EXPECT_EQ(listen(fd, 5), 0);
	EXPECT_EQ(listen(fd, 0), 0);
	EXPECT_ERRNO(accept(fd, NULL, NULL), EINVAL);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	EXPECT_EQ(listen(fd, 5), 0);
	EXPECT_ERRNO(accept(fd, NULL, NULL), EAGAIN);
	close(fd);
}

TEST(listen_binds_by_itself)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	union address got;
	socklen_t len = sizeof(got);

	EXPECT_EQ(listen(fd, 1), 0);
	EXPECT_EQ(getsockname(fd, &got.sa, &len), 0);
	EXPECT_EQ(got.v4.sin_addr.s_addr, INADDR_ANY);
	EXPECT_TRUE(got.v4.sin_port != 0);
	close(fd);
}

static int bound_to(const union address *address, const char *alpn, bool reuseport)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM), one = 1;

	if (reuseport)
		ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	if (alpn)
		ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_ALPN, alpn, strlen(alpn)), 0);
	ASSERT_EQ(bind(fd, &address->sa, sizeof(address->v4)), 0);
	return fd;
}

TEST(listeners_on_one_address)
{
	static const struct {
		const char *first, *second;
		bool reuseport;
		int err;
	} cases[] = {
		{ NULL, NULL, false, EADDRINUSE },
		{ NULL, NULL, true, 0 },
		{ "h3", "h3", false, EADDRINUSE },
		{ "h3", "h3", true, 0 },
		{ "h3,smb", "smb,foo", false, EADDRINUSE },
		{ "h3,smb", "smb,foo", true, EADDRINUSE },
		{ "h3", "smb", false, 0 },
		{ "h3", NULL, false, 0 },
		{ NULL, "h3", false, 0 },
		{ "h3, smb", "h3,smb", false, EADDRINUSE },
	};
	union address address;
	socklen_t len;
	size_t i;
	int a, b;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		loopback(AF_INET, 0, &address);
		a = bound_to(&address, cases[i].first, cases[i].reuseport);
		len = sizeof(address);
		ASSERT_EQ(getsockname(a, &address.sa, &len), 0);
		b = bound_to(&address, cases[i].second, cases[i].reuseport);
		ASSERT_EQ(listen(a, 1), 0);
		errno = 0;
		if (listen(b, 1) != (cases[i].err ? -1 : 0) || errno != cases[i].err)
			test_fail(__FILE__, __LINE__, "case %zu: %s, not %s", i, strerror(errno),
				  strerror(cases[i].err));
		close(b);
		close(a);
	}
}

TEST(accept_gives_a_connecting_socket)
{
	union address address, peer, name;
	int listener = make_listener(AF_INET, &address);
	int client = make_client(&address), server;
	socklen_t len = sizeof(peer);
	char byte;

	ASSERT_TRUE(wait_for(listener, POLLIN, 2000));
	server = accept(listener, &peer.sa, &len);
	ASSERT_GE(server, 0);
	EXPECT_EQ(len, sizeof(peer.v4));
	len = sizeof(name);
	EXPECT_EQ(getsockname(client, &name.sa, &len), 0);
	EXPECT_TRUE(!memcmp(&name.v4, &peer.v4, 8));
	len = sizeof(name);
	EXPECT_EQ(getsockname(server, &name.sa, &len), 0);
	EXPECT_TRUE(!memcmp(&name.v4, &address.v4, 8));
	len = sizeof(name);
	EXPECT_EQ(getpeername(server, &name.sa, &len), 0);
	EXPECT_TRUE(!memcmp(&name.v4, &peer.v4, 8));
	EXPECT_ERRNO(listen(server, 1), EINVAL);
	EXPECT_ERRNO(connect(server, &address.sa, sizeof(address.v4)), EINVAL);
	expect_handshake(server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	EXPECT_ERRNO(recv(server, &byte, 1, MSG_DONTWAIT), EAGAIN);
	/* The listener may go, the connection stays: uapi.md, section 11.3, item 56. */
	close(listener);
	EXPECT_EQ(send_handshake(server, QUIC_CRYPTO_INITIAL, "server hello", 12, 0), 12);
	expect_handshake(client, QUIC_CRYPTO_INITIAL, "server hello", 12);
	close(server);
	close(client);
}

TEST(dual_stack_listener_takes_ipv4)
{
	int listener = quic_socket(AF_INET6, SOCK_DGRAM), client, server;
	union address address, peer;
	socklen_t len = sizeof(address);
	uint16_t port;

	memset(&address, 0, sizeof(address));
	address.v6.sin6_family = AF_INET6;
	ASSERT_EQ(bind(listener, &address.sa, sizeof(address.v6)), 0);
	ASSERT_EQ(listen(listener, 4), 0);
	ASSERT_EQ(getsockname(listener, &address.sa, &len), 0);
	port = address_port(&address);
	loopback(AF_INET, port, &address);
	client = make_client(&address);
	len = sizeof(peer);
	server = accept(listener, &peer.sa, &len);
	ASSERT_GE(server, 0);
	EXPECT_EQ(len, sizeof(peer.v4));
	EXPECT_EQ(peer.sa.sa_family, AF_INET);
	expect_handshake(server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	close(server);
	close(client);
	close(listener);
}

TEST(specific_listener_wins_over_wildcard)
{
	union address address, any;
	int specific = make_listener(AF_INET, &address), wildcard, client, server;

	wildcard = quic_socket(AF_INET, SOCK_DGRAM);
	any = address;
	any.v4.sin_addr.s_addr = INADDR_ANY;
	/* The port is shared by name, not by UDP socket: it may be refused. */
	if (bind(wildcard, &any.sa, sizeof(any.v4)) || listen(wildcard, 4))
		test_skip("wildcard and specific UDP sockets cannot share a port here");
	client = make_client(&address);
	EXPECT_TRUE(wait_for(specific, POLLIN, 2000));
	EXPECT_TRUE(!wait_for(wildcard, POLLIN, 50));
	server = accept(specific, NULL, NULL);
	EXPECT_GE(server, 0);
	close(server);
	close(client);
	close(wildcard);
	close(specific);
}

TEST(backlog_bounds_pending_connections)
{
	union address address;
	int listener = quic_socket(AF_INET, SOCK_DGRAM), clients[8], accepted = 0, fd, i;
	socklen_t len = sizeof(address);

	loopback(AF_INET, 0, &address);
	ASSERT_EQ(bind(listener, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(listen(listener, 2), 0);
	ASSERT_EQ(getsockname(listener, &address.sa, &len), 0);
	for (i = 0; i < 8; i++)
		clients[i] = make_client(&address);
	ASSERT_TRUE(wait_for(listener, POLLIN, 2000));
	set_nonblock(listener, true);
	/* backlog + 1; those refused do not come again. */
	usleep(100000);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		accepted++;
		close(fd);
	}
	EXPECT_EQ(accepted, 3);
	for (i = 0; i < 8; i++)
		close(clients[i]);
	close(listener);
}

TEST(established_and_ended)
{
	struct pair pair = {};
	union address name;
	socklen_t len = sizeof(name);
	int value;
	char byte;

	pair_open(&pair, AF_INET);
	EXPECT_ERRNO(bind(pair.client, &pair.address.sa, sizeof(pair.address.v4)), EINVAL);
	EXPECT_ERRNO(connect(pair.client, &pair.address.sa, sizeof(pair.address.v4)), EINVAL);
	EXPECT_ERRNO(listen(pair.server, 1), EINVAL);
	EXPECT_ERRNO(accept(pair.server, NULL, NULL), EINVAL);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, MSG_DONTWAIT), EAGAIN);
	EXPECT_EQ(ioctl(pair.client, SIOCOUTQNSD, &value), 0);

	EXPECT_EQ(shutdown(pair.client, SHUT_WR), 0);
	EXPECT_ERRNO(shutdown(pair.client, SHUT_WR), ENOTCONN);
	EXPECT_ERRNO(send(pair.client, "x", 1, MSG_NOSIGNAL), EPIPE);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), ENOTCONN);
	EXPECT_ERRNO(getpeername(pair.client, &name.sa, &len), ENOTCONN);
	EXPECT_EQ(getsockname(pair.client, &name.sa, &len), 0);
	EXPECT_ERRNO(bind(pair.client, &pair.address.sa, sizeof(pair.address.v4)), EINVAL);
	EXPECT_ERRNO(connect(pair.client, &pair.address.sa, sizeof(pair.address.v4)), EINVAL);
	EXPECT_ERRNO(listen(pair.client, 1), EINVAL);
	/* The peer's blocked receive fails, it does not return 0. */
	EXPECT_ERRNO(recv(pair.server, &byte, 1, 0), ENOTCONN);
	EXPECT_ERRNO(send(pair.server, "x", 1, MSG_NOSIGNAL), EPIPE);
	EXPECT_EQ(ioctl(pair.server, SIOCINQ, &value), 0);
	EXPECT_EQ(value, 0);
	pair_close(&pair);
}

TEST(shutdown_read_is_silent)
{
	struct pair pair = {};
	char byte;

	pair_open(&pair, AF_INET);
	EXPECT_EQ(shutdown(pair.client, SHUT_RD), 0);
	EXPECT_ERRNO(recv(pair.client, &byte, 1, 0), ENOTCONN);
	usleep(100000);
	EXPECT_ERRNO(recv(pair.server, &byte, 1, MSG_DONTWAIT), EAGAIN);
	pair_close(&pair);
}

static bool file_has(const char *path, const char *word)
{
	char line[512];
	bool found = false;
	FILE *file = fopen(path, "r");

	ASSERT_TRUE(file != NULL);
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, word) != NULL;
	fclose(file);
	return found;
}

TEST(proc_shows_listeners_and_connections)
{
	struct pair pair = {};
	char port[16];

	pair_open(&pair, AF_INET);
	snprintf(port, sizeof(port), ":%u", address_port(&pair.address));
	EXPECT_TRUE(file_has("/proc/net/quic/eps", port));
	EXPECT_TRUE(file_has("/proc/net/quic/conns", port));
	EXPECT_TRUE(file_has("/proc/net/quic/snmp", "QuicConnPassiveEstabs"));
	close(pair.listener);
	EXPECT_TRUE(!file_has("/proc/net/quic/eps", port));
	close(pair.client);
	close(pair.server);
	EXPECT_TRUE(!file_has("/proc/net/quic/conns", port));
}
