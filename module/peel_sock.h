/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket of one stream: its state, and the calls on it. */
#ifndef _QUIC_PEEL_SOCK_H
#define _QUIC_PEEL_SOCK_H

#include <linux/ipv6.h>
#include <linux/net.h>
#include <net/inet_sock.h>

struct quic_stream;

/**
 * struct quic_peel - the socket of one stream
 * @inet:     the generic part; must be first
 * @parent:   the connection's socket, held
 * @link:     in quic_sock.peeled
 * @queue:    received data in order
 * @id:       the stream
 * @has_news: there is something new for a reader
 * @is_ended: the end of the stream was read, or the reader wants no more
 * @is_reset: the peer gave it up
 * @inet6:    for generic code; last, as in struct quic6_sock
 *
 * All but @inet is guarded by the lock of @parent.
 */
struct quic_peel {
	struct inet_sock inet;
	struct sock *parent;
	struct list_head link;
	struct list_head queue;
	u64 id;
	bool has_news;
	bool is_ended;
	bool is_reset;
	struct ipv6_pinfo inet6;
};

static inline struct quic_peel *quic_peel(const struct sock *sk)
{
	return (struct quic_peel *)sk;
}

struct quic_stream *quic_peel_stream(const struct quic_peel *peel);

extern struct proto quic_peel_prot;
extern const struct proto_ops quic_peel_ops;

#endif /* _QUIC_PEEL_SOCK_H */
