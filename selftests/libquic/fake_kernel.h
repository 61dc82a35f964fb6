/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for QUIC sockets inside one process: pairs of descriptors that
 * pass TLS messages, secrets and socket options as the kernel does, so that
 * libquic can be tested without a module. The link wraps the system calls.
 */
#ifndef _FAKE_KERNEL_H
#define _FAKE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/quic.h>

enum fake_state { FAKE_ESTABLISHING, FAKE_ESTABLISHED, FAKE_CLOSED };

struct fake_secret {
	bool		set;
	uint32_t	type;
	uint8_t		secret[48];
};

struct fake_socket;

/* A connected pair: fds[0] the client, fds[1] the server. */
void fake_pair(int fds[2]);
void fake_release(int fds[2]);
struct fake_socket *fake_get(int fd);

enum fake_state fake_state(int fd);
const struct fake_secret *fake_secret(int fd, int level, bool send);
/* The protocols that were set, empty if none were. */
const char *fake_alpn(int fd);
const uint8_t *fake_peer_params(int fd, size_t *size);
/* What was closed with, by whom: the code in the CONNECTION_CLOSE sent. */
bool fake_sent_close(int fd, uint32_t *errcode);
const struct quic_transport_param *fake_remembered(int fd);
unsigned int fake_sends(int fd, unsigned int *with_more);
size_t fake_sent_bytes(int fd, int level);

/* The last stream message sent there, and what a receive gives. */
void fake_stream_sent(int fd, struct quic_stream_info *info, int *flags);
void fake_stream_offer(int fd, const char *text, const struct quic_stream_info *info,
		       int msg_flags);

/* Settings of one socket. */
void fake_set_local_params(int fd, const void *data, size_t size);
void fake_set_max_data(int fd, uint64_t max_data);
void fake_refuse_peer_params(int fd, int error);
/* receive at most so many bytes at once; 0: no limit */
void fake_set_chunk(int fd, size_t chunk);
/* let a number of calls fail with EINTR or EAGAIN first */
void fake_set_nuisance(int fd, unsigned int count);
/* nothing leaves this socket: the path is dead */
void fake_set_mute(int fd, bool mute);
void fake_set_ticket_key(int fd, uint8_t byte);
void fake_set_token(int fd, const void *data, size_t size);
/* the peer ends the connection, without a word if @errcode is 0 */
void fake_end(int fd, uint32_t errcode);

#endif /* _FAKE_KERNEL_H */
