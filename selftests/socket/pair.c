// SPDX-License-Identifier: GPL-2.0-or-later
/* The fixture: see pair.h. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "pair.h"

int set_timeout(int fd, int option, int ms)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };

	return setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

int quic_socket(int family, int type)
{
	int fd = socket(family, type, IPPROTO_QUIC);

	if (fd < 0 && errno == EAFNOSUPPORT && family == AF_INET6)
		test_skip("no IPv6 here");
	ASSERT_GE(fd, 0);
	/* Nothing waits for ever: a case that hangs shows where. */
	set_timeout(fd, SO_RCVTIMEO, 10000 * test_slow());
	set_timeout(fd, SO_SNDTIMEO, 10000 * test_slow());
	return fd;
}

void loopback(int family, uint16_t port, union address *address)
{
	memset(address, 0, sizeof(*address));
	address->sa.sa_family = family;
	if (family == AF_INET) {
		address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address->v4.sin_port = htons(port);
	} else {
		address->v6.sin6_addr = in6addr_loopback;
		address->v6.sin6_port = htons(port);
	}
}

void fresh_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET))
		test_skip("a network namespace takes root");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

socklen_t address_len(const union address *address)
{
	return address->sa.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

uint16_t address_port(const union address *address)
{
	return ntohs(address->sa.sa_family == AF_INET ? address->v4.sin_port :
							address->v6.sin6_port);
}

int make_listener(int family, union address *address)
{
	socklen_t len = sizeof(*address);
	int fd = quic_socket(family, SOCK_DGRAM);

	loopback(family, 0, address);
	ASSERT_EQ(bind(fd, &address->sa, address_len(address)), 0);
	ASSERT_EQ(listen(fd, 64), 0);
	ASSERT_EQ(getsockname(fd, &address->sa, &len), 0);
	return fd;
}

ssize_t send_handshake(int fd, int level, const void *data, size_t len, int flags)
{
	char control[CMSG_SPACE(sizeof(struct quic_handshake_info))] = {};
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct quic_handshake_info info = { level };

	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_HANDSHAKE_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
	return sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
}

ssize_t recv_handshake(int fd, int *level, void *data, size_t len, int flags)
{
	char control[CMSG_SPACE(sizeof(struct quic_stream_info))] = {};
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t ret = recvmsg(fd, &msg, flags);

	*level = -1;
	if (ret < 0)
		return ret;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_QUIC && cmsg->cmsg_type == QUIC_HANDSHAKE_INFO &&
	    cmsg->cmsg_len == CMSG_LEN(1))
		*level = *CMSG_DATA(cmsg);
	return ret;
}

void expect_handshake(int fd, int level, const void *data, size_t len)
{
	char buffer[8192];
	size_t got = 0;
	ssize_t n;
	int seen;

	while (got < len) {
		n = recv_handshake(fd, &seen, buffer + got, sizeof(buffer) - got, 0);
		ASSERT_GE(n, 1);
		ASSERT_EQ(seen, level);
		got += n;
	}
	ASSERT_EQ(got, len);
	ASSERT_TRUE(!memcmp(buffer, data, len));
}

int set_secret(int fd, bool send, int level, uint32_t cipher, const char *seed)
{
	struct quic_crypto_secret secret = { .send = send, .level = level, .type = cipher };
	size_t i;

	for (i = 0; i < sizeof(secret.secret); i++)
		secret.secret[i] = seed[i % strlen(seed)] + i;
	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret));
}

void move_params(int from, int to)
{
	char params[1024];
	socklen_t len = sizeof(params);

	ASSERT_EQ(getsockopt(from, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params, &len), 0);
	ASSERT_EQ(setsockopt(to, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params, len), 0);
}

int make_client(const union address *address)
{
	int fd = quic_socket(address->sa.sa_family, SOCK_DGRAM);

	ASSERT_EQ(connect(fd, &address->sa, address_len(address)), 0);
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	return fd;
}

/* Options of one side that the test wants, before its parameters are read. */
static void configure(int fd, const struct quic_transport_param *param,
		      const struct quic_config *config)
{
	static const struct quic_transport_param no_param;
	static const struct quic_config no_config;

	if (memcmp(param, &no_param, sizeof(no_param)))
		ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, param,
				     sizeof(*param)), 0);
	if (memcmp(config, &no_config, sizeof(no_config)))
		ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, config,
				     sizeof(*config)), 0);
}

void pair_handshake(struct pair *pair)
{
	uint32_t cipher = pair->cipher ?: TLS_CIPHER_AES_GCM_128;
	int client = pair->client, server = pair->server;

	configure(client, &pair->client_param, &pair->client_config);
	configure(server, &pair->server_param, &pair->server_config);

	expect_handshake(server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	move_params(client, server);
	ASSERT_EQ(set_secret(server, true, QUIC_CRYPTO_HANDSHAKE, cipher, "server hs"), 0);
	ASSERT_EQ(set_secret(server, false, QUIC_CRYPTO_HANDSHAKE, cipher, "client hs"), 0);
	ASSERT_EQ(send_handshake(server, QUIC_CRYPTO_INITIAL, "server hello", 12, MSG_MORE), 12);
	ASSERT_EQ(send_handshake(server, QUIC_CRYPTO_HANDSHAKE, "server finished", 15, 0), 15);
	ASSERT_EQ(set_secret(server, true, QUIC_CRYPTO_APP, cipher, "server app"), 0);

	expect_handshake(client, QUIC_CRYPTO_INITIAL, "server hello", 12);
	ASSERT_EQ(set_secret(client, true, QUIC_CRYPTO_HANDSHAKE, cipher, "client hs"), 0);
	ASSERT_EQ(set_secret(client, false, QUIC_CRYPTO_HANDSHAKE, cipher, "server hs"), 0);
	expect_handshake(client, QUIC_CRYPTO_HANDSHAKE, "server finished", 15);
	move_params(server, client);
	ASSERT_EQ(set_secret(client, true, QUIC_CRYPTO_APP, cipher, "client app"), 0);
	ASSERT_EQ(set_secret(client, false, QUIC_CRYPTO_APP, cipher, "server app"), 0);
	ASSERT_EQ(send_handshake(client, QUIC_CRYPTO_HANDSHAKE, "client finished", 15, 0), 15);

	expect_handshake(server, QUIC_CRYPTO_HANDSHAKE, "client finished", 15);
	ASSERT_EQ(set_secret(server, false, QUIC_CRYPTO_APP, cipher, "client app"), 0);
}

void pair_connect(struct pair *pair)
{
	pair->client = make_client(&pair->address);
	pair->server = accept(pair->listener, NULL, NULL);
	ASSERT_GE(pair->server, 0);
	set_timeout(pair->server, SO_RCVTIMEO, 10000 * test_slow());
	set_timeout(pair->server, SO_SNDTIMEO, 10000 * test_slow());
	pair_handshake(pair);
}

void pair_open(struct pair *pair, int family)
{
	pair->family = family;
	pair->listener = make_listener(family, &pair->address);
	pair_connect(pair);
}

void pair_close(struct pair *pair)
{
	close(pair->client);
	close(pair->server);
	close(pair->listener);
}

ssize_t stream_send(int fd, const void *data, size_t len, int64_t id, uint32_t stream_flags,
		    int flags)
{
	char control[CMSG_SPACE(sizeof(struct quic_stream_info))] = {};
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct quic_stream_info info = { .stream_id = id, .stream_flags = stream_flags };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_STREAM_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
	return sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
}

ssize_t stream_recv(int fd, void *data, size_t len, int64_t *id, uint32_t *flags, int how)
{
	char control[CMSG_SPACE(sizeof(struct quic_stream_info))] = {};
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct quic_stream_info info;
	struct cmsghdr *cmsg;
	ssize_t ret = recvmsg(fd, &msg, how);

	*id = -1;
	*flags = 0;
	if (ret < 0)
		return ret;
	*flags = msg.msg_flags;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_QUIC && cmsg->cmsg_type == QUIC_STREAM_INFO &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(info))) {
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		*id = info.stream_id;
		*flags |= info.stream_flags;
	}
	return ret;
}

int64_t stream_open(int fd, int64_t id, uint32_t flags)
{
	struct quic_stream_info info = { .stream_id = id, .stream_flags = flags };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_STREAM_OPEN, &info, &len))
		return -1;
	return info.stream_id;
}

int stream_reset(int fd, int64_t id, uint32_t code)
{
	struct quic_errinfo info = { .stream_id = id, .errcode = code };

	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_STREAM_RESET, &info, sizeof(info));
}

int stream_stop(int fd, int64_t id, uint32_t code)
{
	struct quic_errinfo info = { .stream_id = id, .errcode = code };

	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_STREAM_STOP_SENDING, &info, sizeof(info));
}

int set_event(int fd, int type, bool on)
{
	struct quic_event_option option = { .type = type, .on = on };

	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_EVENT, &option, sizeof(option));
}

bool wait_event(int fd, int type, union quic_event *event, size_t size)
{
	long long deadline = test_now_ms() + 5000 * test_slow();
	uint8_t buffer[8192];
	uint32_t flags;
	int64_t id;
	ssize_t n;

	while (test_now_ms() < deadline) {
		n = stream_recv(fd, buffer, sizeof(buffer), &id, &flags, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			wait_for(fd, POLLIN, 50);
			continue;
		}
		if (n < 0)
			return false;
		if (!(flags & MSG_QUIC_NOTIFICATION) || buffer[0] != type)
			continue;
		EXPECT_EQ(n, 1 + size);
		EXPECT_TRUE(flags & MSG_EOR);
		memset(event, 0, sizeof(*event));
		memcpy(event, buffer + 1, size < sizeof(*event) ? size : sizeof(*event));
		return true;
	}
	return false;
}

static uint8_t pattern(uint64_t offset, uint8_t seed)
{
	return (offset * 31 + (offset >> 8) * 7 + (offset >> 16) + seed) & 0xff;
}

void fill_pattern(void *data, size_t len, uint64_t offset, uint8_t seed)
{
	uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = pattern(offset + i, seed);
}

bool check_pattern(const void *data, size_t len, uint64_t offset, uint8_t seed)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] != pattern(offset + i, seed))
			return false;
	}
	return true;
}

bool wait_for(int fd, short events, int ms)
{
	struct pollfd p = { fd, events, 0 };

	return poll(&p, 1, ms * test_slow()) == 1 && (p.revents & events);
}

bool wait_acknowledged(int fd, int ms)
{
	long long deadline = test_now_ms() + ms * test_slow();
	int queued = 1;

	while (!ioctl(fd, SIOCOUTQ, &queued) && queued) {
		if (test_now_ms() > deadline)
			return false;
		usleep(1000);
	}
	return !queued;
}

void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
