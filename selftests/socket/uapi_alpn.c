// SPDX-License-Identifier: GPL-2.0-or-later
/* Listeners told apart by protocol: uapi.md, sections 2.6, 4.11 and 11.2, items 41 and 59. */
#include <arpa/inet.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hello.h"

/* A listener on @address, whose port is filled in if it is 0. */
static int listen_on(union address *address, const char *alpn, bool reuseport)
{
	int fd = quic_socket(address->sa.sa_family, SOCK_DGRAM), one = 1;
	socklen_t len = sizeof(*address);

	if (reuseport)
		ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	if (alpn)
		ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_ALPN, alpn, strlen(alpn)), 0);
	ASSERT_EQ(bind(fd, &address->sa, address_len(address)), 0);
	ASSERT_EQ(listen(fd, 64), 0);
	ASSERT_EQ(getsockname(fd, &address->sa, &len), 0);
	return fd;
}

/* Which of @n listeners can be accepted from, -1: none; what waits is taken. */
static int who_got_it(const int *listeners, int n)
{
	struct pollfd fds[8];
	int i, who = -1;

	for (i = 0; i < n; i++)
		fds[i] = (struct pollfd){ listeners[i], POLLIN };
	if (poll(fds, n, 300 * test_slow()) <= 0)
		return -1;
	for (i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		EXPECT_EQ(who, -1);
		who = i;
		close(accept(listeners[i], NULL, NULL));
	}
	return who;
}

/* uapi.md, section 4.11: the table of situations. */
TEST(clients_order_decides)
{
	static const struct {
		const char *offers;
		int who;
	} cases[] = {
		{ "h3", 0 },
		{ "h3-29", 0 },
		{ "smb", 1 },
		{ "smb,h3", 1 },
		{ "h3,smb", 0 },
		{ "foo,smb", 1 },
		{ NULL, 2 },		/* no ALPN: the listener without */
		{ "foo", -1 },		/* nobody speaks it */
		{ "h", -1 },
		{ "H3", -1 },
		{ "h3 ", -1 },
	};
	union address address;
	int listeners[3], client;
	size_t i;

	loopback(AF_INET, 0, &address);
	listeners[0] = listen_on(&address, " h3,  h3-29", false);
	listeners[1] = listen_on(&address, "smb", false);
	listeners[2] = listen_on(&address, NULL, false);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client = hello_connect(&address, cases[i].offers, 0);
		if (who_got_it(listeners, 3) != cases[i].who)
			test_fail(__FILE__, __LINE__, "%s went elsewhere", cases[i].offers);
		close(client);
	}
	/* A port without such listeners takes what it likes, at the same time. */
	loopback(AF_INET, 0, &address);
	listeners[0] = listen_on(&address, NULL, false);
	client = make_client(&address);
	EXPECT_EQ(who_got_it(listeners, 1), 0);
	close(client);
	client = hello_connect(&address, "foo", 0);
	EXPECT_EQ(who_got_it(listeners, 1), 0);
	close(client);
}

/* uapi.md, section 11.3, item 59. */
TEST(malformed_client_hello_is_dropped)
{
	static const struct {
		const char *what;
		int offset;
		uint8_t value;
	} cases[] = {
		{ "not a ClientHello", 0, 11 },
		{ "session ID", 38, 1 },
		{ "odd cipher suites", 40, 3 },
		{ "no compression method", 43, 0 },
		{ "extensions too short", 46, 3 },
		{ "ALPN list too long", 52, 9 },
		{ "empty name", 53, 0 },
	};
	static uint8_t message[HELLO_MAX];
	union address address;
	int listener, client;
	ssize_t len;
	size_t i;

	loopback(AF_INET, 0, &address);
	listener = listen_on(&address, "h3", false);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client = quic_socket(AF_INET, SOCK_DGRAM);
		len = hello_write(message, "h3", 0);
		message[cases[i].offset] = cases[i].value;
		ASSERT_EQ(connect(client, &address.sa, sizeof(address.v4)), 0);
		EXPECT_EQ(send_handshake(client, QUIC_CRYPTO_INITIAL, message, len, 0), len);
		if (wait_for(listener, POLLIN, 100))
			test_fail(__FILE__, __LINE__, "%s was taken", cases[i].what);
		close(client);
	}
	/* Opaque bytes, too; and the listener is as it was. */
	client = make_client(&address);
	EXPECT_TRUE(!wait_for(listener, POLLIN, 100));
	close(client);
	client = hello_connect(&address, "h3", 0);
	EXPECT_EQ(who_got_it(&listener, 1), 0);
	close(client);
	close(listener);
}

/* A ClientHello of several packets is collected before anybody is chosen. */
TEST(client_hello_spans_packets)
{
	struct quic_transport_param param = { .max_udp_payload_size = 1300 };
	static uint8_t message[HELLO_MAX];
	int listeners[2], client, server, i;
	union address address;
	ssize_t len;

	loopback(AF_INET6, 0, &address);
	listeners[0] = listen_on(&address, "h3", false);
	listeners[1] = listen_on(&address, "smb", false);
	/* All at once: several datagrams, or a burst that arrives as one. */
	for (i = 0; i < 4; i++) {
		client = quic_socket(AF_INET6, SOCK_DGRAM);
		ASSERT_EQ(setsockopt(client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param,
				     sizeof(param)), 0);
		ASSERT_EQ(connect(client, &address.sa, sizeof(address.v6)), 0);
		len = hello_write(message, i & 1 ? "smb" : "h3", 1200 * (i + 1));
		ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_INITIAL, message, len, 0), len);
		ASSERT_TRUE(wait_for(listeners[i & 1], POLLIN, 2000));
		server = accept(listeners[i & 1], NULL, NULL);
		ASSERT_GE(server, 0);
		set_timeout(server, SO_RCVTIMEO, 5000 * test_slow());
		expect_handshake(server, QUIC_CRYPTO_INITIAL, message, len);
		close(server);
		close(client);
	}
	/* In pieces: nobody is disturbed until the last one has come. */
	client = quic_socket(AF_INET6, SOCK_DGRAM);
	ASSERT_EQ(connect(client, &address.sa, sizeof(address.v6)), 0);
	len = hello_write(message, "foo,smb", 500);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(!wait_for(listeners[1], POLLIN, 50));
		ASSERT_GE(send_handshake(client, QUIC_CRYPTO_INITIAL, message + i * 150,
					 i < 2 ? 150 : len - 300, 0), 0);
	}
	ASSERT_TRUE(wait_for(listeners[1], POLLIN, 2000));
	server = accept(listeners[1], NULL, NULL);
	ASSERT_GE(server, 0);
	set_timeout(server, SO_RCVTIMEO, 5000 * test_slow());
	expect_handshake(server, QUIC_CRYPTO_INITIAL, message, len);
	EXPECT_TRUE(!wait_for(listeners[0], POLLIN, 50));
	close(server);
	close(client);
}

/* Half a ClientHello keeps neither the port nor the memory. */
TEST(half_a_client_hello_goes_with_the_listener)
{
	static uint8_t message[HELLO_MAX];
	int listener, client, udp, i;
	union address address;
	ssize_t len;

	loopback(AF_INET, 0, &address);
	listener = listen_on(&address, "h3", false);
	client = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(connect(client, &address.sa, sizeof(address.v4)), 0);
	len = hello_write(message, "h3", 0);
	ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_INITIAL, message, len - 1, 0), len - 1);
	EXPECT_TRUE(!wait_for(listener, POLLIN, 100));
	close(client);
	close(listener);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	for (i = 0; i < 100 && bind(udp, &address.sa, sizeof(address.v4)); i++)
		usleep(20000);
	EXPECT_TRUE(i < 100);
	close(udp);
}

/* uapi.md, section 4.11: a specific address is preferred among those that speak the protocol. */
TEST(specific_address_and_protocol)
{
	union address address, any;
	int listeners[3], client;

	loopback(AF_INET, 0, &address);
	listeners[0] = listen_on(&address, "h3", false);
	any = address;
	any.v4.sin_addr.s_addr = INADDR_ANY;
	listeners[1] = listen_on(&any, "h3", false);
	client = hello_connect(&address, "h3", 0);
	EXPECT_EQ(who_got_it(listeners, 2), 0);
	close(client);
	/* Only the wildcard is reached by another address. */
	address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	client = hello_connect(&address, "h3", 0);
	EXPECT_EQ(who_got_it(listeners, 2), 1);
	close(client);
	close(listeners[0]);
	close(listeners[1]);
}

/* uapi.md, section 2.6: a group shares its clients, each of which finds one member. */
TEST(reuseport_group_shares)
{
	int listeners[3], clients[48], count[3] = {}, i, fd;
	union address address;
	long long deadline;

	loopback(AF_INET, 0, &address);
	for (i = 0; i < 3; i++)
		listeners[i] = listen_on(&address, "h3", true);
	for (i = 0; i < 48; i++)
		clients[i] = hello_connect(&address, "h3", 0);
	for (i = 0; i < 3; i++)
		set_nonblock(listeners[i], true);
	deadline = test_now_ms() + 5000 * test_slow();
	while (count[0] + count[1] + count[2] < 48 && test_now_ms() < deadline) {
		for (i = 0; i < 3; i++) {
			while ((fd = accept(listeners[i], NULL, NULL)) >= 0) {
				count[i]++;
				close(fd);
			}
		}
		usleep(10000);
	}
	EXPECT_EQ(count[0] + count[1] + count[2], 48);
	for (i = 0; i < 3; i++)
		EXPECT_GE(count[i], 2);
	for (i = 0; i < 48; i++)
		close(clients[i]);
}

/* Listeners of two processes on one port. */
TEST(processes_share_a_port)
{
	union address address;
	int mine, theirs, client, status, ready[2];
	char byte = 0;
	pid_t child;

	loopback(AF_INET, 0, &address);
	mine = listen_on(&address, "h3", false);
	ASSERT_EQ(pipe(ready), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		close(mine);
		theirs = listen_on(&address, "smb", false);
		ASSERT_EQ(write(ready[1], &byte, 1), 1);
		_exit(wait_for(theirs, POLLIN, 5000) && accept(theirs, NULL, NULL) >= 0 ? 0 : 1);
	}
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	client = hello_connect(&address, "smb,h3", 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(!wait_for(mine, POLLIN, 50));
	close(client);
	/* The other one is gone: now it is for us. */
	client = hello_connect(&address, "smb,h3", 0);
	EXPECT_EQ(who_got_it(&mine, 1), 0);
	close(client);
	close(mine);
}

/* uapi.md, section 2.6: listen(0) and closing drop what waits, silently. */
TEST(requests_go_with_the_listener)
{
	union address address;
	int listener, client;
	char byte;

	loopback(AF_INET, 0, &address);
	listener = listen_on(&address, "h3", false);
	client = hello_connect(&address, "h3", 0);
	ASSERT_TRUE(wait_for(listener, POLLIN, 2000));
	EXPECT_EQ(listen(listener, 0), 0);
	/* It may listen again, with another list. */
	EXPECT_EQ(setsockopt(listener, SOL_QUIC, QUIC_SOCKOPT_ALPN, "smb", 3), 0);
	EXPECT_EQ(listen(listener, 5), 0);
	EXPECT_TRUE(!wait_for(listener, POLLIN, 100));
	EXPECT_ERRNO(recv(client, &byte, 1, MSG_DONTWAIT), EAGAIN);
	close(client);
	client = hello_connect(&address, "smb", 0);
	EXPECT_EQ(who_got_it(&listener, 1), 0);
	close(client);
	close(listener);
}

/* uapi.md, section 13: whether ClientHellos are looked at is a matter of each namespace. */
TEST(namespaces_do_not_share_protocols)
{
	union address address;
	struct pair pair = {};
	int fd;

	loopback(AF_INET, 0, &address);
	fd = listen_on(&address, "h3", false);
	fresh_loopback();
	/* What is no ClientHello at all would be dropped where somebody has a list. */
	pair_open(&pair, AF_INET);
	ASSERT_EQ(stream_send(pair.client, "data", 4, 0, MSG_QUIC_STREAM_NEW, 0), 4);
	EXPECT_TRUE(wait_for(pair.server, POLLIN, 5000));
	pair_close(&pair);
	close(fd);
}
