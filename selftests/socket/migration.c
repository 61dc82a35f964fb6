// SPDX-License-Identifier: GPL-2.0-or-later
/* Connection migration on loopback: uapi.md, sections 2.9, 5.7, 6.2 and 11.2, items 29 to 32. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define DEST	1
#define SOURCE	0

static int migrate(int fd, const union address *address)
{
	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_MIGRATION, address,
			  address_len(address));
}

static void name_of(int fd, bool peer, union address *address)
{
	socklen_t len = sizeof(*address);

	memset(address, 0, sizeof(*address));
	ASSERT_EQ(peer ? getpeername(fd, &address->sa, &len) :
			 getsockname(fd, &address->sa, &len), 0);
}

static bool same(const union address *a, const union address *b)
{
	if (a->sa.sa_family != b->sa.sa_family || address_port(a) != address_port(b))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

/* Waits until @fd names that address. */
static bool wait_name(int fd, bool peer, const union address *address)
{
	long long deadline = test_now_ms() + 5000 * test_slow();
	union address now;

	do {
		name_of(fd, peer, &now);
		if (same(&now, address))
			return true;
		usleep(5000);
	} while (test_now_ms() < deadline);
	return false;
}

static void set_port(union address *address, uint16_t port)
{
	if (address->sa.sa_family == AF_INET)
		address->v4.sin_port = htons(port);
	else
		address->v6.sin6_port = htons(port);
}

static uint32_t active_id(int fd, int dest)
{
	struct quic_connection_id_info info = { .dest = dest };
	socklen_t len = sizeof(info);

	ASSERT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, &info, &len), 0);
	return info.active;
}

/* A port of which the next twenty are free, too, as far as one can tell. */
static uint16_t some_ports(void)
{
	return 20000 + (getpid() * 37) % 20000;
}

static void exchange(int from, int to, const char *text)
{
	char buffer[64];
	uint32_t flags;
	int64_t id;

	EXPECT_EQ(stream_send(from, text, strlen(text), -1,
			      NEW | MSG_QUIC_STREAM_UNI | MSG_QUIC_STREAM_FIN, 0), strlen(text));
	EXPECT_EQ(stream_recv(to, buffer, sizeof(buffer), &id, &flags, 0), strlen(text));
}

/* Item 29: both sides in turn, each time to the next port. */
static void port_after_port(int family)
{
	struct pair pair = {};
	union address local;
	uint32_t ids[2];
	int round;

	pair_open(&pair, family);
	exchange(pair.client, pair.server, "hello");
	exchange(pair.server, pair.client, "hello");
	ids[0] = active_id(pair.client, DEST);
	ids[1] = active_id(pair.server, DEST);
	for (round = 0; round < 6; round++) {
		int mover = round & 1 ? pair.server : pair.client;
		int other = round & 1 ? pair.client : pair.server;
		long long deadline = test_now_ms() + 5000 * test_slow();

		name_of(mover, false, &local);
		set_port(&local, round < 2 ? some_ports() + 100 * round : address_port(&local) + 1);
		/* The one before may have to be heard of first. */
		while (migrate(mover, &local)) {
			ASSERT_EQ(errno, EAGAIN);
			ASSERT_TRUE(test_now_ms() < deadline);
			usleep(1000);
		}
		exchange(mover, other, "data right behind the request");
		EXPECT_TRUE(wait_name(mover, false, &local));
		EXPECT_TRUE(wait_name(other, true, &local));
		exchange(other, mover, "and back");
		exchange(mover, other, "and forth");
		EXPECT_EQ(active_id(mover, DEST), ++ids[round & 1]);
		EXPECT_EQ(active_id(other, DEST), ++ids[!(round & 1)]);
	}
	pair_close(&pair);
}

TEST(ends_move_in_turn_v4)
{
	port_after_port(AF_INET);
}

TEST(ends_move_in_turn_v6)
{
	port_after_port(AF_INET6);
}

/* Item 30, and the table of section 5.7. */
TEST(migration_errors)
{
	struct pair pair = {};
	union address address, other;
	int fd;

	loopback(AF_INET, some_ports(), &address);
	fd = quic_socket(AF_INET, SOCK_DGRAM);
	EXPECT_ERRNO(migrate(fd, &address), EPIPE);
	close(fd);

	pair.listener = make_listener(AF_INET, &pair.address);
	EXPECT_ERRNO(migrate(pair.listener, &address), EPIPE);
	pair.client = make_client(&pair.address);
	EXPECT_ERRNO(migrate(pair.client, &address), EINVAL);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	exchange(pair.client, pair.server, "hello");
	exchange(pair.server, pair.client, "hello");

	/* Address and length. */
	EXPECT_ERRNO(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_MIGRATION, &address,
				15), EINVAL);
	EXPECT_ERRNO(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_MIGRATION, NULL, 16),
		     EFAULT);
	EXPECT_ERRNO(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_MIGRATION, &address,
				5000), EINVAL);
	loopback(AF_INET, 0, &other);
	EXPECT_ERRNO(migrate(pair.client, &other), EINVAL);
	other = address;
	other.v4.sin_addr.s_addr = htonl(INADDR_ANY);
	EXPECT_ERRNO(migrate(pair.client, &other), EINVAL);
	other.v4.sin_addr.s_addr = htonl(0xe0000001);
	EXPECT_ERRNO(migrate(pair.client, &other), EINVAL);
	loopback(AF_INET6, some_ports(), &other);
	EXPECT_ERRNO(migrate(pair.client, &other), EINVAL);
	name_of(pair.client, false, &other);
	EXPECT_ERRNO(migrate(pair.client, &other), EINVAL);
	name_of(pair.server, false, &other);
	EXPECT_ERRNO(migrate(pair.server, &other), EINVAL);
	other = address;
	other.v4.sin_addr.s_addr = htonl(0xc0000201);	/* nobody's */
	EXPECT_ERRNO(migrate(pair.client, &other), EADDRNOTAVAIL);
	/* Nothing of it changed anything. */
	exchange(pair.client, pair.server, "data");
	EXPECT_ERRNO(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_MIGRATION, &other,
				&(socklen_t){ sizeof(other) }), ENOPROTOOPT);
	pair_close(&pair);
}

/* One at a time: nobody answers the first one, as the server has gone without a word. */
TEST(second_migration_waits_for_the_first)
{
	struct quic_connection_id_info info = { .dest = 1, .active = 3 };
	struct pair pair = {};
	union address address;

	pair_open(&pair, AF_INET);
	exchange(pair.client, pair.server, "hello");
	exchange(pair.server, pair.client, "hello");
	shutdown(pair.server, SHUT_RD);
	loopback(AF_INET, some_ports(), &address);
	EXPECT_EQ(migrate(pair.client, &address), 0);
	set_port(&address, some_ports() + 1);
	EXPECT_ERRNO(migrate(pair.client, &address), EAGAIN);
	/* A spare ID is in use: section 5.5. */
	EXPECT_ERRNO(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_ID, &info,
				sizeof(info)), EAGAIN);
	pair_close(&pair);
}

/* Section 13: what the peer asked for is obeyed. RFC 9000, sections 9 #2 and 18.2 #2. */
TEST(migration_that_the_peer_does_not_want)
{
	struct pair pair = { .server_param = { .disable_active_migration = 1 } };
	union address address;

	pair_open(&pair, AF_INET);
	exchange(pair.client, pair.server, "hello");
	exchange(pair.server, pair.client, "hello");
	loopback(AF_INET, some_ports(), &address);
	EXPECT_ERRNO(migrate(pair.client, &address), EINVAL);
	/* The other way round nobody minds. */
	EXPECT_EQ(migrate(pair.server, &address), 0);
	exchange(pair.server, pair.client, "data");
	EXPECT_TRUE(wait_name(pair.client, true, &address));
	pair_close(&pair);
}

/* Item 31: data behind the request arrives; the event stands before the data that comes back. */
TEST(migration_events)
{
	struct pair pair = {};
	union address address;
	union quic_event event;
	char buffer[64];
	uint32_t flags;
	int64_t id;

	pair_open(&pair, AF_INET);
	exchange(pair.client, pair.server, "hello");
	exchange(pair.server, pair.client, "hello");
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_MIGRATION, true), 0);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_CONNECTION_MIGRATION, true), 0);
	loopback(AF_INET, some_ports(), &address);
	EXPECT_EQ(migrate(pair.client, &address), 0);
	EXPECT_EQ(stream_send(pair.client, "ping", 4, 4, NEW, 0), 4);
	ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_CONNECTION_MIGRATION, &event, 1));
	EXPECT_EQ(event.local_migration, 0);
	EXPECT_TRUE(wait_name(pair.server, true, &address));
	EXPECT_EQ(stream_send(pair.server, "pong", 4, 4, 0, 0), 4);
	EXPECT_EQ(stream_recv(pair.client, buffer, sizeof(buffer), &id, &flags, 0), 2);
	EXPECT_TRUE(flags & MSG_QUIC_NOTIFICATION);
	EXPECT_EQ(buffer[0], QUIC_EVENT_CONNECTION_MIGRATION);
	EXPECT_EQ(buffer[1], 1);
	EXPECT_EQ(stream_recv(pair.client, buffer, sizeof(buffer), &id, &flags, 0), 4);
	EXPECT_TRUE(wait_name(pair.client, false, &address));
	pair_close(&pair);
}

static void bulk_while_moving(int mover_is_server)
{
	static char out[1 << 20], in[1 << 16];
	struct pair pair = {};
	union address address;
	size_t sent = 0, got = 0, idle = 0;
	uint16_t port = some_ports();
	uint32_t flags, moves = 0;
	int64_t id;
	int mover;
	ssize_t n;

	pair_open(&pair, AF_INET);
	exchange(pair.client, pair.server, "hello");
	exchange(pair.server, pair.client, "hello");
	mover = mover_is_server ? pair.server : pair.client;
	fill_pattern(out, sizeof(out), 0, 1);
	while (got < 4 * sizeof(out)) {
		if (sent < 4 * sizeof(out)) {
			n = stream_send(pair.client, out + sent % sizeof(out),
					sizeof(out) - sent % sizeof(out), 4, sent ? 0 : NEW,
					MSG_DONTWAIT);
			if (n > 0)
				sent += n;
		}
		loopback(AF_INET, port + moves, &address);
		if (got > moves * 500000 && !migrate(mover, &address))
			moves++;
		/* What was refused may be taken now: credit comes when the client's softirq runs. */
		if (!wait_for(pair.server, POLLIN, 50)) {
			if (++idle == 100)
				break;
			continue;
		}
		idle = 0;
		n = stream_recv(pair.server, in, sizeof(in), &id, &flags, MSG_DONTWAIT);
		if (n < 0)
			continue;
		EXPECT_TRUE(check_pattern(in, n, got % sizeof(out), 1) ||
			    got % sizeof(out) + n > sizeof(out));
		got += n;
	}
	EXPECT_EQ(got, 4 * sizeof(out));
	EXPECT_GE(moves, 2);
	pair_close(&pair);
}

TEST(data_flows_while_the_client_moves)
{
	bulk_while_moving(false);
}

TEST(data_flows_while_the_server_moves)
{
	bulk_while_moving(true);
}

/* Item 32: set on the accepted socket before the handshake; the client goes there by itself. */
static void preferred(int family, int preferred_family)
{
	struct pair pair = { .family = family };
	union address address, second;
	union quic_event event;

	pair.listener = make_listener(family, &pair.address);
	pair.client = make_client(&pair.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	set_timeout(pair.server, SO_RCVTIMEO, 10000 * test_slow());
	loopback(preferred_family, some_ports(), &address);
	ASSERT_EQ(migrate(pair.server, &address), 0);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_CONNECTION_MIGRATION, true), 0);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_CONNECTION_MIGRATION, true), 0);
	pair_handshake(&pair);
	ASSERT_TRUE(wait_event(pair.client, QUIC_EVENT_CONNECTION_MIGRATION, &event, 1));
	EXPECT_EQ(event.local_migration, family != preferred_family);
	ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_CONNECTION_MIGRATION, &event, 1));
	EXPECT_EQ(event.local_migration, 1);
	EXPECT_TRUE(wait_name(pair.client, true, &address));
	EXPECT_TRUE(wait_name(pair.server, false, &address));
	exchange(pair.client, pair.server, "data");
	exchange(pair.server, pair.client, "data");
	EXPECT_EQ(active_id(pair.client, DEST), 1);
	EXPECT_EQ(active_id(pair.server, DEST), 1);
	name_of(pair.client, false, &second);
	name_of(pair.server, true, &address);
	EXPECT_TRUE(same(&second, &address) || family == preferred_family);
	/* The server's preference is for the rest of the connection. */
	set_port(&address, some_ports() + 5);
	EXPECT_ERRNO(migrate(pair.server, &address), EAGAIN);
	pair_close(&pair);
}

TEST(preferred_address_v4)
{
	preferred(AF_INET, AF_INET);
}

TEST(preferred_address_v6)
{
	preferred(AF_INET6, AF_INET6);
}

TEST(preferred_address_of_the_other_family)
{
	preferred(AF_INET6, AF_INET);
}

/* Somebody who has forbidden us to move is not asked to. */
TEST(no_preferred_address_for_a_client_that_forbids_it)
{
	struct pair pair = { .family = AF_INET,
			     .client_param = { .disable_active_migration = 1 } };
	union address address;
	char params[1024];
	socklen_t len = sizeof(params);

	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = make_client(&pair.address);
	ASSERT_EQ(setsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM,
			     &pair.client_param, sizeof(pair.client_param)), 0);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	ASSERT_EQ(getsockopt(pair.client, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params, &len),
		  0);
	ASSERT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params, len),
		  0);
	loopback(AF_INET, some_ports(), &address);
	EXPECT_ERRNO(migrate(pair.server, &address), EINVAL);
	pair_close(&pair);
}
