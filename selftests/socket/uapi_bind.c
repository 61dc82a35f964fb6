// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses, bind(), devices, IPv4 and IPv6 side by side: uapi.md, sections 2.3, 2.4, 2.9, 2.13. */
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

static union address make(int family, const char *text, uint16_t port)
{
	union address address = {};

	address.sa.sa_family = family;
	if (family == AF_INET) {
		ASSERT_EQ(inet_pton(AF_INET, text, &address.v4.sin_addr), 1);
		address.v4.sin_port = htons(port);
	} else {
		ASSERT_EQ(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
		address.v6.sin6_port = htons(port);
	}
	return address;
}

static union address name_of(int fd)
{
	union address address = {};
	socklen_t len = sizeof(address);

	ASSERT_EQ(getsockname(fd, &address.sa, &len), 0);
	EXPECT_EQ(len, address_len(&address));
	return address;
}

/* uapi.md, section 2.3: the table; both calls, sockets of both families. */
TEST(addresses_that_are_taken)
{
	static const struct {
		int socket, family;
		const char *text;
		int bind, connect;	/* errno */
	} rows[] = {
		{ AF_INET, AF_INET, "127.0.0.1", 0, 0 },
		{ AF_INET, AF_INET, "0.0.0.0", 0, EINVAL },
		{ AF_INET, AF_INET, "224.0.0.1", EINVAL, EINVAL },
		{ AF_INET, AF_INET6, "::1", EINVAL, EINVAL },
		{ AF_INET, AF_INET6, "::ffff:127.0.0.1", EINVAL, EINVAL },
		{ AF_INET, AF_INET, "192.0.2.1", EADDRNOTAVAIL, -1 },
		{ AF_INET6, AF_INET, "127.0.0.1", 0, 0 },
		{ AF_INET6, AF_INET, "0.0.0.0", 0, EINVAL },
		{ AF_INET6, AF_INET, "239.1.2.3", EINVAL, EINVAL },
		{ AF_INET6, AF_INET6, "::1", 0, 0 },
		{ AF_INET6, AF_INET6, "::", 0, EINVAL },
		{ AF_INET6, AF_INET6, "ff02::1", EINVAL, EINVAL },
		{ AF_INET6, AF_INET6, "::ffff:127.0.0.1", 0, 0 },
		{ AF_INET6, AF_INET6, "::ffff:224.0.0.1", EINVAL, EINVAL },
		{ AF_INET6, AF_INET6, "fe80::1", EINVAL, EINVAL },	/* no scope */
		{ AF_INET6, AF_INET6, "2001:db8::1", EADDRNOTAVAIL, -1 },
	};
	union address address;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		address = make(rows[i].family, rows[i].text, 0);
		fd = quic_socket(rows[i].socket, SOCK_DGRAM);
		errno = 0;
		if (bind(fd, &address.sa, sizeof(address)) != (rows[i].bind ? -1 : 0) ||
		    errno != rows[i].bind)
			test_fail(__FILE__, __LINE__, "bind to %s: %s", rows[i].text, strerror(errno));
		close(fd);
		if (rows[i].connect < 0)
			continue;	/* as the routes have it */
		address = make(rows[i].family, rows[i].text, 4433);
		fd = quic_socket(rows[i].socket, SOCK_STREAM);
		errno = 0;
		if (connect(fd, &address.sa, sizeof(address)) != (rows[i].connect ? -1 : 0) ||
		    errno != rows[i].connect)
			test_fail(__FILE__, __LINE__, "connect to %s: %s", rows[i].text,
				  strerror(errno));
		close(fd);
	}
}

/* uapi.md, section 2.3: lengths, families, and what there is no such thing as. */
TEST(lengths_of_addresses)
{
	union address address = make(AF_INET, "127.0.0.1", 0);
	int fd;
	socklen_t len;

	for (len = 0; len < sizeof(address.v4); len++) {
		fd = quic_socket(AF_INET, SOCK_DGRAM);
		EXPECT_ERRNO(bind(fd, &address.sa, len), EINVAL);
		EXPECT_ERRNO(connect(fd, &address.sa, len), EINVAL);
		close(fd);
	}
	address = make(AF_INET6, "::1", 0);
	for (len = 0; len < sizeof(address.v6); len++) {
		fd = quic_socket(AF_INET6, SOCK_DGRAM);
		EXPECT_ERRNO(bind(fd, &address.sa, len), EINVAL);
		EXPECT_ERRNO(connect(fd, &address.sa, len), EINVAL);
		close(fd);
	}
	fd = quic_socket(AF_INET, SOCK_DGRAM);
	address = make(AF_INET, "127.0.0.1", 0);
	address.sa.sa_family = AF_UNSPEC;
	EXPECT_ERRNO(connect(fd, &address.sa, sizeof(address.v4)), EINVAL);
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	address.sa.sa_family = AF_UNIX;
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EINVAL);
	/* A port of 0 is no reason to refuse a peer. */
	address.sa.sa_family = AF_INET;
	EXPECT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	close(fd);
}

/* uapi.md, section 2.3: scope and flow label of IPv6 addresses. */
TEST(scopes_and_flow_labels)
{
	union address address = make(AF_INET6, "fe80::1", 0), name;
	int fd = quic_socket(AF_INET6, SOCK_DGRAM);

	address.v6.sin6_scope_id = 9999;
	EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v6)), EINVAL);
	address = make(AF_INET6, "::1", 0);
	address.v6.sin6_scope_id = 9999;
	address.v6.sin6_flowinfo = htonl(0x12345);
	EXPECT_EQ(bind(fd, &address.sa, sizeof(address.v6)), 0);
	name = name_of(fd);
	EXPECT_EQ(name.v6.sin6_scope_id, 0);
	EXPECT_EQ(name.v6.sin6_flowinfo, 0);
	close(fd);
}

/* uapi.md, section 2.4: an ephemeral port comes from the range, and is nobody else's. */
TEST(ephemeral_ports)
{
	int fds[40], low = 0, high = 0, i, k;
	union address address = make(AF_INET, "127.0.0.1", 0);
	uint16_t ports[40];
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

	ASSERT_TRUE(file && fscanf(file, "%d %d", &low, &high) == 2);
	fclose(file);
	for (i = 0; i < 40; i++) {
		fds[i] = quic_socket(AF_INET, SOCK_DGRAM);
		ASSERT_EQ(bind(fds[i], &address.sa, sizeof(address.v4)), 0);
		address = name_of(fds[i]);
		ports[i] = address_port(&address);
		EXPECT_GE(ports[i], low);
		EXPECT_LE(ports[i], high);
		for (k = 0; k < i; k++)
			EXPECT_TRUE(ports[k] != ports[i]);
		address.v4.sin_port = 0;
	}
	for (i = 0; i < 40; i++)
		close(fds[i]);
}

/* uapi.md, sections 2.1 and 2.4: the privilege that a port below 1024 asks for. */
TEST(privileged_ports)
{
	union address address = make(AF_INET, "127.0.0.1", 443);
	int status, fd;
	pid_t child = fork();

	if (!child) {
		fd = quic_socket(AF_INET, SOCK_DGRAM);
		if (setresuid(65534, 65534, 65534))
			_exit(9);
		EXPECT_ERRNO(bind(fd, &address.sa, sizeof(address.v4)), EACCES);
		/* It is unbound, and needs no privilege for other ports. */
		address.v4.sin_port = 0;
		_exit(bind(fd, &address.sa, sizeof(address.v4)) ? 8 : 0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	fd = quic_socket(AF_INET, SOCK_DGRAM);
	EXPECT_EQ(bind(fd, &address.sa, sizeof(address.v4)), 0);
	/* A socket that shares the port lends its privilege to nobody. */
	child = fork();
	if (!child) {
		close(fd);
		fd = quic_socket(AF_INET, SOCK_DGRAM);
		if (setresuid(65534, 65534, 65534))
			_exit(9);
		_exit(bind(fd, &address.sa, sizeof(address.v4)) == -1 && errno == EACCES ? 0 : 7);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	close(fd);
}

/* uapi.md, section 2.4: sockets share a port by name; wildcards cover addresses. */
TEST(sockets_share_ports)
{
	union address address = make(AF_INET, "127.0.0.1", 0);
	static const struct {
		int socket, family;
		const char *text;
	} others[] = {
		{ AF_INET, AF_INET, "127.0.0.1" },
		{ AF_INET, AF_INET, "127.0.0.2" },
		{ AF_INET6, AF_INET, "127.0.0.1" },
		{ AF_INET6, AF_INET6, "::1" },
	};
	int first = quic_socket(AF_INET, SOCK_DGRAM), fd;
	union address other;
	size_t i;

	ASSERT_EQ(bind(first, &address.sa, sizeof(address.v4)), 0);
	address = name_of(first);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		other = make(others[i].family, others[i].text, address_port(&address));
		fd = quic_socket(others[i].socket, SOCK_DGRAM);
		if (bind(fd, &other.sa, sizeof(other)))
			test_fail(__FILE__, __LINE__, "%s: %s", others[i].text, strerror(errno));
		close(fd);
	}
	close(first);
}

/* uapi.md, sections 2.4 and 11.2, item 42: once for each device. */
TEST(devices_have_ports_of_their_own)
{
	int one = quic_socket(AF_INET, SOCK_DGRAM), other = quic_socket(AF_INET, SOCK_DGRAM);
	union address address = make(AF_INET, "0.0.0.0", 0);
	char device[IFNAMSIZ] = {};
	socklen_t len = sizeof(device);
	int client, server;

	ASSERT_EQ(setsockopt(one, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	EXPECT_ERRNO(setsockopt(other, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8), ENODEV);
	ASSERT_EQ(bind(one, &address.sa, sizeof(address.v4)), 0);
	address = name_of(one);
	ASSERT_EQ(listen(one, 4), 0);
	/* Not the same UDP socket, so the lists of protocols need not differ. */
	ASSERT_EQ(bind(other, &address.sa, sizeof(address.v4)), 0);
	EXPECT_EQ(listen(other, 4), 0);
	address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client = make_client(&address);
	EXPECT_TRUE(wait_for(one, POLLIN, 2000));
	EXPECT_TRUE(!wait_for(other, POLLIN, 50));
	server = accept(one, NULL, NULL);
	ASSERT_GE(server, 0);
	/* Inherited: uapi.md, section 2.7. */
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_BINDTODEVICE, device, &len), 0);
	EXPECT_TRUE(!strcmp(device, "lo"));
	close(server);
	close(client);
	close(one);
	close(other);
}

/* uapi.md, section 2.13: which of two wildcard listeners gets IPv4. */
TEST(ipv4_prefers_its_own_wildcard)
{
	union address v6 = make(AF_INET6, "::", 0), v4;
	int dual = quic_socket(AF_INET6, SOCK_DGRAM), plain = quic_socket(AF_INET, SOCK_DGRAM), client;

	ASSERT_EQ(bind(dual, &v6.sa, sizeof(v6.v6)), 0);
	v6 = name_of(dual);
	ASSERT_EQ(listen(dual, 4), 0);
	v4 = make(AF_INET, "0.0.0.0", address_port(&v6));
	ASSERT_EQ(bind(plain, &v4.sa, sizeof(v4.v4)), 0);
	ASSERT_EQ(listen(plain, 4), 0);
	v4 = make(AF_INET, "127.0.0.1", address_port(&v6));
	client = make_client(&v4);
	/* Both see the datagram only behind one UDP socket: then IPv4's own listener is better. */
	EXPECT_TRUE(wait_for(plain, POLLIN, 2000));
	EXPECT_TRUE(!wait_for(dual, POLLIN, 50));
	close(client);
	v6 = make(AF_INET6, "::1", address_port(&v6));
	client = make_client(&v6);
	EXPECT_TRUE(wait_for(dual, POLLIN, 2000));
	close(client);
	close(dual);
	close(plain);
}

/* uapi.md, section 2.13: IPV6_V6ONLY. */
TEST(v6only_listener_gets_no_ipv4)
{
	union address v6 = make(AF_INET6, "::", 0), v4;
	int only = quic_socket(AF_INET6, SOCK_DGRAM), plain, client, one = 1;

	ASSERT_EQ(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	ASSERT_EQ(bind(only, &v6.sa, sizeof(v6.v6)), 0);
	v6 = name_of(only);
	ASSERT_EQ(listen(only, 4), 0);
	v4 = make(AF_INET, "127.0.0.1", address_port(&v6));
	client = make_client(&v4);
	EXPECT_TRUE(!wait_for(only, POLLIN, 100));
	close(client);
	/* The port is free for IPv4, even for sockets of others. */
	plain = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT_EQ(bind(plain, &v4.sa, sizeof(v4.v4)), 0);
	close(plain);
	v6 = make(AF_INET6, "::1", address_port(&v6));
	client = make_client(&v6);
	EXPECT_TRUE(wait_for(only, POLLIN, 2000));
	close(client);
	close(only);
}

/* uapi.md, sections 2.9 and 11.2, item 39: a v6 socket that speaks IPv4 tells IPv4 addresses. */
TEST(names_of_a_v6_socket_over_ipv4)
{
	union address address = make(AF_INET6, "::", 0), name = {};
	int listener = quic_socket(AF_INET6, SOCK_DGRAM), client, server;
	socklen_t len;

	ASSERT_EQ(bind(listener, &address.sa, sizeof(address.v6)), 0);
	ASSERT_EQ(listen(listener, 4), 0);
	address = name_of(listener);
	EXPECT_EQ(address.sa.sa_family, AF_INET6);
	address = make(AF_INET6, "::ffff:127.0.0.1", address_port(&address));
	client = quic_socket(AF_INET6, SOCK_DGRAM);
	ASSERT_EQ(connect(client, &address.sa, sizeof(address.v6)), 0);
	ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	name = name_of(client);
	EXPECT_EQ(name.sa.sa_family, AF_INET);
	EXPECT_EQ(name.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	len = sizeof(name);
	EXPECT_EQ(getpeername(client, &name.sa, &len), 0);
	EXPECT_TRUE(len == sizeof(name.v4) && name.sa.sa_family == AF_INET);
	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);
	name = name_of(server);
	EXPECT_EQ(name.sa.sa_family, AF_INET);
	EXPECT_EQ(name.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	/* A short buffer gets the front, the length tells the truth. */
	memset(&name, 0x55, sizeof(name));
	len = 4;
	EXPECT_EQ(getsockname(server, &name.sa, &len), 0);
	EXPECT_EQ(len, sizeof(name.v4));
	EXPECT_EQ(((unsigned char *)&name)[4], 0x55);
	close(server);
	close(client);
	close(listener);
}
