/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two connected QUIC sockets over loopback without TLS: the kernel takes any
 * bytes for handshake messages and any strings for secrets (uapi.md, section
 * 11.3, items 45 and 46). And short forms of what tests do with sockets.
 */
#ifndef _PAIR_H
#define _PAIR_H

#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <linux/quic.h>

#include "harness.h"

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage any;
};

struct pair {
	int family;
	int listener;
	int client;
	int server;
	union address address;	/* of the listener */
	uint32_t cipher;	/* TLS_CIPHER_*, AES_GCM_128 if 0 */
	/* What the user sets before the handshake, if not all zero. */
	struct quic_transport_param client_param, server_param;
	struct quic_config client_config, server_config;
};

/* A socket, with time limits on its blocking calls; the case ends if there is none. */
int quic_socket(int family, int type);
void loopback(int family, uint16_t port, union address *address);
socklen_t address_len(const union address *address);
uint16_t address_port(const union address *address);

/* listen() on loopback, any port. */
int make_listener(int family, union address *address);
/* connect() and a first handshake message, so that accept() has something. */
int make_client(const union address *address);
/* The whole of it; fields of @pair set before are obeyed. */
void pair_open(struct pair *pair, int family);
/* Like it, on a listener that is there already. */
void pair_connect(struct pair *pair);
/* Handshake between @pair->client, connected, and @pair->server, accepted. */
void pair_handshake(struct pair *pair);
void pair_close(struct pair *pair);

/* The transport parameters of one side for the other. */
void move_params(int from, int to);
int set_secret(int fd, bool send, int level, uint32_t cipher, const char *seed);
ssize_t send_handshake(int fd, int level, const void *data, size_t len, int flags);
/* Reads up to @len handshake bytes; the level to *@level. */
ssize_t recv_handshake(int fd, int *level, void *data, size_t len, int flags);
/* All of them, or the case ends. */
void expect_handshake(int fd, int level, const void *data, size_t len);

/* sendmsg() with QUIC_STREAM_INFO. */
ssize_t stream_send(int fd, const void *data, size_t len, int64_t id, uint32_t stream_flags,
		    int flags);
/* recvmsg(): *@id -1 without QUIC_STREAM_INFO; *@flags those of message and stream. */
ssize_t stream_recv(int fd, void *data, size_t len, int64_t *id, uint32_t *flags, int how);
int64_t stream_open(int fd, int64_t id, uint32_t flags);
int stream_reset(int fd, int64_t id, uint32_t code);
int stream_stop(int fd, int64_t id, uint32_t code);

int set_event(int fd, int type, bool on);
/* Waits for an event of @type, dropping others; false: it did not come. */
bool wait_event(int fd, int type, union quic_event *event, size_t size);

/* A network namespace of the test's own, with a loopback device. */
void fresh_loopback(void);

/* Deterministic bytes that depend on where they stand. */
void fill_pattern(void *data, size_t len, uint64_t offset, uint8_t seed);
bool check_pattern(const void *data, size_t len, uint64_t offset, uint8_t seed);

/* Waits until poll() reports one of @events. */
bool wait_for(int fd, short events, int ms);
/* Waits until all that was sent is acknowledged. */
bool wait_acknowledged(int fd, int ms);
void set_nonblock(int fd, bool on);
int set_timeout(int fd, int option, int ms);

#endif /* _PAIR_H */
