// SPDX-License-Identifier: GPL-2.0-or-later
/* The relay: see relay.h. */
#include <unistd.h>

#include "relay.h"

#define RELAY_BUFFER	(4 << 20)

static int relay_socket(int family, union address *address)
{
	int fd = socket(family, SOCK_DGRAM, 0), size = RELAY_BUFFER;
	socklen_t len = sizeof(*address);

	ASSERT_GE(fd, 0);
	/* A burst must not get lost here by itself. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	loopback(family, 0, address);
	ASSERT_EQ(bind(fd, &address->sa, address_len(address)), 0);
	ASSERT_EQ(getsockname(fd, &address->sa, &len), 0);
	return fd;
}

/* The relay's own thread decides for both directions, in the order in which it reads. */
static bool relay_loses(struct relay *relay, bool from_client)
{
	int every = relay->every;

	if (every && rand_r(&relay->random) % every == 0)
		return true;
	if (!from_client || !relay->lose)
		return false;
	if (relay->pass) {
		relay->pass--;
		return false;
	}
	relay->lose--;
	return true;
}

static void relay_pass_on(struct relay *relay, bool from_client)
{
	union address *to = from_client ? &relay->server : &relay->client;
	int in = from_client ? relay->front : relay->back;
	int out = from_client ? relay->back : relay->front;
	static __thread char datagram[65536];
	union address from;
	socklen_t len = sizeof(from);
	ssize_t n;

	n = recvfrom(in, datagram, sizeof(datagram), MSG_DONTWAIT, &from.sa, &len);
	if (n < 0)
		return;
	if (from_client)
		relay->client = from;
	if (relay_loses(relay, from_client))
		relay->lost++;
	else
		sendto(out, datagram, n, 0, &to->sa, address_len(to));
}

static void *relay_run(void *arg)
{
	struct relay *relay = arg;
	struct pollfd fds[2] = { { relay->front, POLLIN }, { relay->back, POLLIN } };

	while (!relay->stop) {
		if (poll(fds, 2, 20) <= 0)
			continue;
		if (fds[0].revents)
			relay_pass_on(relay, true);
		if (fds[1].revents)
			relay_pass_on(relay, false);
	}
	return NULL;
}

void relay_open(struct relay *relay, const union address *server)
{
	union address back;

	relay->server = *server;
	relay->random = 1;
	relay->front = relay_socket(server->sa.sa_family, &relay->address);
	relay->back = relay_socket(server->sa.sa_family, &back);
	ASSERT_EQ(pthread_create(&relay->thread, NULL, relay_run, relay), 0);
}

void relay_close(struct relay *relay)
{
	relay->stop = true;
	pthread_join(relay->thread, NULL);
	close(relay->front);
	close(relay->back);
}

void pair_open_relayed(struct pair *pair, struct relay *relay, int family)
{
	pair->family = family;
	pair->listener = make_listener(family, &pair->address);
	relay_open(relay, &pair->address);
	pair->address = relay->address;
	pair_connect(pair);
}
