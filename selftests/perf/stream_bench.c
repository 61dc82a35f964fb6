// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One stream over the loopback device, sender and receiver on one processor:
 * TCP, kTLS, QUIC, and QUIC without encryption of its data packets. Prints a
 * JSON line for each protocol and message size.
 *
 * Under an emulator whose clock advances a nanosecond per instruction, time
 * less idle time is the number of instructions that both ends spent. What is
 * counted is only the transport: keys are fixed and installed here, no TLS
 * handshake runs, data is checked in a pass of its own before the clock starts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/quic.h>
#include <linux/tls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef TCP_ULP
#define TCP_ULP	31
#endif
#ifndef SOL_TLS
#define SOL_TLS	282
#endif

#define READ_SIZE	(64 * 1024)
#define CHECK_SIZE	(4 * 1024 * 1024)	/* bytes of the checked pass */
#define PATTERN_SIZE	(256 * 1024 - 5)	/* odd: a shifted piece shows */
#define PASSES		5			/* the median counts */
#define SECRET_SIZE	32			/* of AES-128-GCM */

struct pair {
	int tx;
	int rx;
};

struct protocol {
	const char *name;
	bool quic;
	void (*open)(struct pair *pair);
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	int error = errno;
	va_list args;

	fprintf(stderr, "stream_bench: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Idle time of the first processor in clock ticks, for want of better. */
static uint64_t idle_ticks_ns(void)
{
	unsigned long long user, nice, system, idle, wait;
	FILE *stat = fopen("/proc/stat", "r");
	char line[256];

	if (!stat)
		die("/proc/stat");
	while (fgets(line, sizeof(line), stat)) {
		if (sscanf(line, "cpu0 %llu %llu %llu %llu %llu",
			   &user, &nice, &system, &idle, &wait) == 5) {
			fclose(stat);
			return (idle + wait) * 1000000000ULL /
			       sysconf(_SC_CLK_TCK);
		}
	}
	errno = ENOENT;
	die("cpu0 in /proc/stat");
}

/* Idle time of the first processor, to the nanosecond for root. */
static uint64_t idle_ns(void)
{
	FILE *list = fopen("/proc/timer_list", "r");
	unsigned long long time = 0;
	bool found = false;
	char line[256];

	if (!list)
		return idle_ticks_ns();
	while (!found && fgets(line, sizeof(line), list))
		found = sscanf(line, " .idle_sleeptime : %llu", &time) == 1;
	fclose(list);
	return found ? time : idle_ticks_ns();
}

static void set_mtu(const char *name, int mtu)
{
	struct ifreq request = { .ifr_mtu = mtu };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &request) < 0)
		die("MTU %d of %s", mtu, name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		die("flags of %s", name);
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die("raising %s", name);
	close(fd);
}

static void listen_and_connect(int type, int protocol, int *listener,
			       int *client)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);

	*listener = socket(AF_INET, type, protocol);
	*client = socket(AF_INET, type, protocol);
	if (*listener < 0 || *client < 0)
		die("socket");
	if (bind(*listener, (struct sockaddr *)&address, size) < 0)
		die("bind");
	if (listen(*listener, 1) < 0)
		die("listen");
	if (getsockname(*listener, (struct sockaddr *)&address, &size) < 0)
		die("getsockname");
	if (connect(*client, (struct sockaddr *)&address, size) < 0)
		die("connect");
}

static void open_tcp(struct pair *pair)
{
	int listener;

	listen_and_connect(SOCK_STREAM, IPPROTO_TCP, &listener, &pair->tx);
	pair->rx = accept(listener, NULL, NULL);
	if (pair->rx < 0)
		die("accept");
	close(listener);
}

static void open_ktls(struct pair *pair)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info.version = TLS_1_3_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_128,
	};

	memset(keys.key, 0x11, sizeof(keys.key));
	memset(keys.iv, 0x22, sizeof(keys.iv));
	memset(keys.salt, 0x33, sizeof(keys.salt));
	open_tcp(pair);
	if (setsockopt(pair->tx, IPPROTO_TCP, TCP_ULP, "tls", 4) < 0 ||
	    setsockopt(pair->rx, IPPROTO_TCP, TCP_ULP, "tls", 4) < 0)
		die("TCP_ULP tls");
	if (setsockopt(pair->tx, SOL_TLS, TLS_TX, &keys, sizeof(keys)) < 0 ||
	    setsockopt(pair->rx, SOL_TLS, TLS_RX, &keys, sizeof(keys)) < 0)
		die("TLS keys");
}

static void quic_tls_send(int fd, uint8_t level, const char *text)
{
	char control[CMSG_SPACE(sizeof(struct quic_handshake_info))] = { 0 };
	struct iovec data = { (void *)text, strlen(text) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_HANDSHAKE_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(struct quic_handshake_info));
	*CMSG_DATA(cmsg) = level;
	if (sendmsg(fd, &message, MSG_NOSIGNAL) != (ssize_t)data.iov_len)
		die("handshake bytes of level %d cannot be sent", level);
}

static void quic_tls_recv(int fd, uint8_t level, const char *text)
{
	char control[CMSG_SPACE(sizeof(struct quic_handshake_info))];
	char buffer[2048];
	struct iovec data = { buffer, sizeof(buffer) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size = recvmsg(fd, &message, 0);
	struct cmsghdr *cmsg;

	if (size < 0)
		die("handshake bytes of level %d do not come", level);
	cmsg = CMSG_FIRSTHDR(&message);
	if (!cmsg || cmsg->cmsg_type != QUIC_HANDSHAKE_INFO ||
	    *CMSG_DATA(cmsg) != level || size != (ssize_t)strlen(text) ||
	    memcmp(buffer, text, size)) {
		errno = EBADMSG;
		die("handshake bytes of level %d", level);
	}
}

static void quic_secret(int fd, uint8_t level, bool send, bool client)
{
	struct quic_crypto_secret secret = {
		.send = send,
		.level = level,
		.type = TLS_CIPHER_AES_GCM_128,
	};

	/* a secret for each level and sender */
	memset(secret.secret, 16 * level + (send == client), SECRET_SIZE);
	if (setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CRYPTO_SECRET, &secret,
		       sizeof(secret)) < 0)
		die("secret of level %d, %s, %s", level,
		    send ? "send" : "receive", client ? "client" : "server");
}

/* Carry one end's transport parameters to the other, as TLS would. */
static void quic_params(int from, int to)
{
	uint8_t params[512];
	socklen_t size = sizeof(params);

	if (getsockopt(from, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT,
		       params, &size) < 0)
		die("transport parameters cannot be read");
	if (setsockopt(to, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT,
		       params, size) < 0)
		die("transport parameters cannot be set");
}

static void quic_disable_encryption(int fd)
{
	struct quic_transport_param param = { .disable_1rtt_encryption = 1 };

	if (setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param,
		       sizeof(param)) < 0)
		die("disable_1rtt_encryption");
}

/* The message flow of a TLS handshake with words in place of messages. */
static void quic_pair(struct pair *pair, bool plain)
{
	int listener, client, server;

	listen_and_connect(SOCK_DGRAM, IPPROTO_QUIC, &listener, &client);
	if (plain) {
		quic_disable_encryption(listener);
		quic_disable_encryption(client);
	}
	quic_tls_send(client, QUIC_CRYPTO_INITIAL, "ClientHello");

	server = accept(listener, NULL, NULL);
	if (server < 0)
		die("accept");
	close(listener);
	quic_tls_recv(server, QUIC_CRYPTO_INITIAL, "ClientHello");
	quic_params(client, server);
	quic_secret(server, QUIC_CRYPTO_HANDSHAKE, true, false);
	quic_secret(server, QUIC_CRYPTO_HANDSHAKE, false, false);
	quic_tls_send(server, QUIC_CRYPTO_INITIAL, "ServerHello");
	quic_tls_send(server, QUIC_CRYPTO_HANDSHAKE, "EncryptedExtensions");
	quic_secret(server, QUIC_CRYPTO_APP, true, false);

	quic_tls_recv(client, QUIC_CRYPTO_INITIAL, "ServerHello");
	quic_secret(client, QUIC_CRYPTO_HANDSHAKE, true, true);
	quic_secret(client, QUIC_CRYPTO_HANDSHAKE, false, true);
	quic_tls_recv(client, QUIC_CRYPTO_HANDSHAKE, "EncryptedExtensions");
	quic_params(server, client);
	quic_secret(client, QUIC_CRYPTO_APP, true, true);
	quic_secret(client, QUIC_CRYPTO_APP, false, true);
	quic_tls_send(client, QUIC_CRYPTO_HANDSHAKE, "Finished");

	quic_tls_recv(server, QUIC_CRYPTO_HANDSHAKE, "Finished");
	quic_secret(server, QUIC_CRYPTO_APP, false, false);
	pair->tx = client;
	pair->rx = server;
}

static void open_quic(struct pair *pair)
{
	quic_pair(pair, false);
}

static void open_quic_plain(struct pair *pair)
{
	quic_pair(pair, true);
}

static const struct protocol protocols[] = {
	{ "tcp", false, open_tcp },
	{ "ktls", false, open_ktls },
	{ "quic", true, open_quic },
	{ "quic-plain", true, open_quic_plain },
};

static void make_pattern(uint8_t *pattern)
{
	uint32_t state = 0x12345678;
	size_t i;

	for (i = 0; i < PATTERN_SIZE; i++) {
		state = state * 1664525 + 1013904223;
		pattern[i] = state >> 24;
	}
}

/* Bytes from @offset of the endless stream of the pattern. */
static bool is_pattern(const uint8_t *pattern, uint64_t offset,
		       const uint8_t *data, size_t size)
{
	while (size) {
		size_t at = offset % PATTERN_SIZE;
		size_t part = PATTERN_SIZE - at < size ? PATTERN_SIZE - at : size;

		if (memcmp(pattern + at, data, part))
			return false;
		data += part;
		offset += part;
		size -= part;
	}
	return true;
}

static void send_all(const struct protocol *protocol, int fd,
		     const uint8_t *data, size_t size, bool first)
{
	int flags = MSG_NOSIGNAL;

	if (protocol->quic && first)
		flags |= MSG_QUIC_STREAM_NEW;
	while (size) {
		ssize_t sent = send(fd, data, size, flags);

		if (sent <= 0)
			die("%s: send", protocol->name);
		flags = MSG_NOSIGNAL;
		data += sent;
		size -= sent;
	}
}

/* What a pass took: end times from the receiver, less start from the sender. */
struct pass {
	uint64_t elapsed;
	uint64_t idle;
};

static void receiver(const struct protocol *protocol, int fd,
		     const uint8_t *pattern, uint64_t bytes, int result)
{
	static uint8_t buffer[READ_SIZE];
	uint64_t got = 0, total;
	struct pass end;
	ssize_t size = 0;
	int pass;

	while (got < CHECK_SIZE) {
		size = recv(fd, buffer, sizeof(buffer), 0);
		if (size <= 0)
			die("%s: recv after %llu bytes", protocol->name,
			    (unsigned long long)got);
		if (!is_pattern(pattern, got, buffer, size)) {
			errno = EBADMSG;
			die("%s: wrong data at %llu", protocol->name,
			    (unsigned long long)got);
		}
		got += size;
	}
	total = CHECK_SIZE;
	memset(&end, 0, sizeof(end));
	for (pass = 0; pass <= PASSES; pass++) {
		if (got > total) {
			errno = EOVERFLOW;
			die("%s: more than was sent", protocol->name);
		}
		if (write(result, &end, sizeof(end)) != sizeof(end))
			die("pipe");
		if (pass == PASSES)
			return;
		total += bytes;
		while (got < total) {
			size = recv(fd, buffer, sizeof(buffer), 0);
			if (size <= 0)
				die("%s: recv after %llu bytes", protocol->name,
				    (unsigned long long)got);
			got += size;
		}
		end.elapsed = now_ns();
		end.idle = idle_ns();
	}
}

static void await(const struct protocol *protocol, int result,
		  struct pass *end)
{
	if (read(result, end, sizeof(*end)) != sizeof(*end)) {
		errno = ECONNRESET;
		die("%s: the receiver failed", protocol->name);
	}
}

static int by_cost(const void *a, const void *b)
{
	const struct pass *x = a, *y = b;
	uint64_t cost_x = x->elapsed - x->idle, cost_y = y->elapsed - y->idle;

	return (cost_x > cost_y) - (cost_x < cost_y);
}

static void measure(const struct protocol *protocol, size_t message,
		    uint64_t bytes, const uint8_t *pattern)
{
	struct pass passes[PASSES], end, start;
	const struct pass *median;
	int result[2], status, i;
	struct pair pair;
	uint64_t sent;
	pid_t child;

	bytes -= bytes % message;
	if (pipe(result))
		die("pipe");
	protocol->open(&pair);
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		close(pair.tx);
		receiver(protocol, pair.rx, pattern, bytes, result[1]);
		exit(0);
	}
	close(result[1]);
	close(pair.rx);

	for (sent = 0; sent < CHECK_SIZE;) {
		size_t at = sent % PATTERN_SIZE;
		size_t part = message;

		if (part > PATTERN_SIZE - at)
			part = PATTERN_SIZE - at;
		if (part > CHECK_SIZE - sent)
			part = CHECK_SIZE - sent;
		send_all(protocol, pair.tx, pattern + at, part, !sent);
		sent += part;
	}
	await(protocol, result[0], &end);

	for (i = 0; i < PASSES; i++) {
		start.idle = idle_ns();
		start.elapsed = now_ns();
		for (sent = 0; sent < bytes; sent += message)
			send_all(protocol, pair.tx, pattern, message, false);
		await(protocol, result[0], &end);
		passes[i].elapsed = end.elapsed - start.elapsed;
		passes[i].idle = end.idle - start.idle;
	}
	if (waitpid(child, &status, 0) != child || status) {
		errno = ECHILD;
		die("%s: the receiver failed", protocol->name);
	}
	close(pair.tx);
	close(result[0]);

	qsort(passes, PASSES, sizeof(*passes), by_cost);
	median = &passes[PASSES / 2];
	printf("{\"protocol\": \"%s\", \"message\": %zu, \"bytes\": %llu, "
	       "\"elapsed_ns\": %llu, \"idle_ns\": %llu, "
	       "\"least_ns\": %llu, \"most_ns\": %llu}\n",
	       protocol->name, message, (unsigned long long)bytes,
	       (unsigned long long)median->elapsed,
	       (unsigned long long)median->idle,
	       (unsigned long long)(passes[0].elapsed - passes[0].idle),
	       (unsigned long long)(passes[PASSES - 1].elapsed -
				    passes[PASSES - 1].idle));
	fflush(stdout);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: stream_bench [-p PROTOCOL]... [-m MESSAGE] [-b BYTES] [-M MTU]\n"
		"  -p  tcp, ktls, quic or quic-plain; default: all\n"
		"  -m  bytes of a send call, default 65536\n"
		"  -b  bytes of each of the passes, default 16 MiB\n"
		"  -M  set the MTU of the loopback device first\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static uint8_t pattern[PATTERN_SIZE + READ_SIZE];
	bool wanted[sizeof(protocols) / sizeof(*protocols)] = { false };
	uint64_t bytes = 16 << 20;
	size_t message = 65536, i;
	bool some = false;
	cpu_set_t first;
	int option;

	while ((option = getopt(argc, argv, "p:m:b:M:")) != -1) {
		bool known = false;

		switch (option) {
		case 'p':
			for (i = 0; i < sizeof(wanted); i++) {
				if (strcmp(optarg, protocols[i].name))
					continue;
				wanted[i] = known = some = true;
			}
			if (!known)
				usage();
			break;
		case 'm':
			message = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			bytes = strtoull(optarg, NULL, 0);
			break;
		case 'M':
			set_mtu("lo", atoi(optarg));
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !message || message > PATTERN_SIZE ||
	    bytes < message)
		usage();
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first) < 0)
		die("sched_setaffinity");
	make_pattern(pattern);
	for (i = 0; i < sizeof(wanted); i++) {
		if (!some || wanted[i])
			measure(&protocols[i], message, bytes, pattern);
	}
	return 0;
}
