// SPDX-License-Identifier: GPL-2.0-or-later
/* The proxy: see proxy.h. */
#include <arpa/inet.h>
#include <unistd.h>

#include "proxy.h"

#define PROXY_BUFFER	(4 << 20)

int udp_socket(int family, const union address *to, union address *address)
{
	int fd = socket(family, SOCK_DGRAM, IPPROTO_UDP);
	union address own;
	socklen_t len = sizeof(own);

	ASSERT_GE(fd, 0);
	loopback(family, 0, &own);
	ASSERT_EQ(bind(fd, &own.sa, address_len(&own)), 0);
	if (to)
		ASSERT_EQ(connect(fd, &to->sa, address_len(to)), 0);
	ASSERT_EQ(getsockname(fd, &own.sa, &len), 0);
	if (address)
		*address = own;
	return fd;
}

size_t udp_recv(int fd, uint8_t *data, size_t len, int ms)
{
	ssize_t n;

	if (!wait_for(fd, POLLIN, ms))
		return 0;
	n = recv(fd, data, len, MSG_DONTWAIT);
	return n < 0 ? 0 : n;
}

static uint64_t read_varint(const uint8_t **p, const uint8_t *end)
{
	uint64_t value;
	int size;

	if (*p == end)
		return 0;
	size = 1 << (**p >> 6);
	if (end - *p < size)
		return 0;
	value = *(*p)++ & 0x3f;
	while (--size)
		value = value << 8 | *(*p)++;
	return value;
}

bool read_long(const uint8_t *data, size_t len, struct long_header *hdr)
{
	const uint8_t *end = data + len, *p = data + 5;

	if (len < 7 || !(data[0] & 0x80))
		return false;
	hdr->first = data[0];
	hdr->version = (uint32_t)data[1] << 24 | data[2] << 16 | data[3] << 8 | data[4];
	hdr->dcid_len = *p++;
	hdr->dcid = p;
	if (end - p < hdr->dcid_len + 1)
		return false;
	p += hdr->dcid_len;
	hdr->scid_len = *p++;
	hdr->scid = p;
	if (end - p < hdr->scid_len)
		return false;
	p += hdr->scid_len;
	hdr->rest = p;
	hdr->rest_len = end - p;
	return true;
}

uint8_t type_bits(uint32_t version, int type)
{
	return version == QUIC_VERSION_V2 ? (type + 1) & 3 : type;
}

size_t make_initial(uint8_t *data, size_t len, uint32_t version, const void *dcid,
		    uint8_t dcid_len, const void *scid, uint8_t scid_len, const void *token,
		    size_t token_len)
{
	uint8_t *p = data;
	size_t rest;

	fill_pattern(data, len, 0, 99);
	*p++ = 0xc3 | type_bits(version, INITIAL) << 4;
	*p++ = version >> 24;
	*p++ = version >> 16;
	*p++ = version >> 8;
	*p++ = version;
	*p++ = dcid_len;
	memcpy(p, dcid, dcid_len);
	p += dcid_len;
	*p++ = scid_len;
	memcpy(p, scid, scid_len);
	p += scid_len;
	*p++ = 0x40 | token_len >> 8;
	*p++ = token_len;
	if (token_len)
		memcpy(p, token, token_len);
	p += token_len;
	rest = data + len - p - 2;
	*p++ = 0x40 | rest >> 8;
	*p++ = rest;
	return len;
}

/* Notes all packets of a datagram. */
static void proxy_note(struct proxy *proxy, bool to_server, const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len, *p;
	struct proxy_seen *seen;
	struct long_header hdr;
	uint64_t size;

	while (data < end && read_long(data, end - data, &hdr)) {
		if (proxy->nr_seen == PROXY_SEEN)
			return;
		seen = &proxy->seen[proxy->nr_seen++];
		seen->to_server = to_server;
		seen->version = hdr.version;
		seen->type = hdr.first >> 4 & 3;
		seen->token_len = 0;
		seen->dcid_len = hdr.dcid_len > 20 ? 20 : hdr.dcid_len;
		seen->scid_len = hdr.scid_len > 20 ? 20 : hdr.scid_len;
		memcpy(seen->dcid, hdr.dcid, seen->dcid_len);
		memcpy(seen->scid, hdr.scid, seen->scid_len);
		if (!hdr.version || seen->type == type_bits(hdr.version, RETRY))
			return;
		p = hdr.rest;
		if (seen->type == type_bits(hdr.version, INITIAL)) {
			seen->token_len = read_varint(&p, end);
			if (seen->token_len > (size_t)(end - p))
				return;
			p += seen->token_len;
		}
		size = read_varint(&p, end);
		if (size > (size_t)(end - p))
			return;
		data = p + size;
	}
}

static void proxy_pass(struct proxy *proxy, bool to_server)
{
	int from = to_server ? proxy->front : proxy->back;
	socklen_t client_len = sizeof(proxy->client);
	uint8_t data[65536];
	union address client;
	size_t len;
	ssize_t n;

	n = recvfrom(from, data, sizeof(data), MSG_DONTWAIT, &client.sa, &client_len);
	if (n <= 0)
		return;
	len = n;
	if (to_server)
		proxy->client = client;
	pthread_mutex_lock(&proxy->lock);
	proxy_note(proxy, to_server, data, len);
	pthread_mutex_unlock(&proxy->lock);
	if (proxy->hook && !proxy->hook(proxy, to_server, data, &len))
		return;
	if (to_server)
		send(proxy->back, data, len, MSG_DONTWAIT);
	else
		proxy_to_client(proxy, data, len);
}

void proxy_to_client(struct proxy *proxy, const void *data, size_t len)
{
	sendto(proxy->front, data, len, MSG_DONTWAIT, &proxy->client.sa,
	       address_len(&proxy->client));
}

static void *proxy_run(void *arg)
{
	struct proxy *proxy = arg;
	struct pollfd fds[2] = { { proxy->front, POLLIN, 0 }, { proxy->back, POLLIN, 0 } };
	bool stop = false;

	while (!stop) {
		if (poll(fds, 2, 50) > 0) {
			if (fds[0].revents)
				proxy_pass(proxy, true);
			if (fds[1].revents)
				proxy_pass(proxy, false);
		}
		pthread_mutex_lock(&proxy->lock);
		stop = proxy->stop;
		pthread_mutex_unlock(&proxy->lock);
	}
	return NULL;
}

void proxy_open(struct proxy *proxy, const union address *server, proxy_hook hook, void *arg)
{
	int size = PROXY_BUFFER;

	memset(proxy, 0, sizeof(*proxy));
	proxy->front = udp_socket(server->sa.sa_family, NULL, &proxy->address);
	proxy->back = udp_socket(server->sa.sa_family, server, NULL);
	/* A burst must not get lost here by itself. */
	ASSERT_EQ(setsockopt(proxy->front, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	ASSERT_EQ(setsockopt(proxy->back, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	proxy->hook = hook;
	proxy->arg = arg;
	pthread_mutex_init(&proxy->lock, NULL);
	ASSERT_EQ(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
}

void proxy_close(struct proxy *proxy)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->stop = true;
	pthread_mutex_unlock(&proxy->lock);
	pthread_join(proxy->thread, NULL);
	close(proxy->front);
	close(proxy->back);
}

int proxy_count(struct proxy *proxy, bool to_server, uint32_t version, int type)
{
	int i, n = 0;

	pthread_mutex_lock(&proxy->lock);
	for (i = 0; i < proxy->nr_seen; i++)
		n += proxy->seen[i].to_server == to_server && proxy->seen[i].version == version &&
		     (type < 0 || proxy->seen[i].type == type_bits(version, type));
	pthread_mutex_unlock(&proxy->lock);
	return n;
}

static bool losses_take(struct losses *losses, bool to_server)
{
	int every = losses->every;

	if (every && rand_r(&losses->random) % every == 0)
		return true;
	if (!to_server || !losses->lose)
		return false;
	if (losses->pass) {
		losses->pass--;
		return false;
	}
	losses->lose--;
	return true;
}

static bool pass_or_lose(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	struct losses *losses = proxy->arg;

	(void)data;
	(void)len;
	if (!losses_take(losses, to_server))
		return true;
	losses->lost++;
	return false;
}

void pair_open_lossy(struct pair *pair, struct proxy *proxy, struct losses *losses, int family)
{
	losses->random = 1;
	pair->family = family;
	pair->listener = make_listener(family, &pair->address);
	proxy_open(proxy, &pair->address, pass_or_lose, losses);
	pair->address = proxy->address;
	pair_connect(pair);
}
