/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QUIC socket: the kernel's side of a connection or of a listener.
 */
#ifndef _QUIC_SOCK_H
#define _QUIC_SOCK_H

#include <linux/hrtimer.h>
#include <linux/timer.h>
#include <net/inet_sock.h>
#include <uapi/linux/quic.h>

#include "addr.h"
#include "chunk.h"
#include "core/conn.h"
#include "keys.h"
#include "udp.h"

/**
 * DOC: Locking
 *
 * ============== ===================================== =====================
 * lock           guards                                context
 * ============== ===================================== =====================
 * socket lock    struct quic_sock and its quic_conn,   process: lock_sock();
 *                receive queue, keys, accept queue     softirq: bh_lock_sock()
 * quic_net.lock  UDP sockets and listeners of a netns  process and BH
 * CID table      buckets of demux.c, RCU readers       any
 * ============== ===================================== =====================
 *
 * Order: listener's socket lock, child's socket lock (nested), quic_net.lock,
 * bucket lock. Softirq that finds the socket owned by a user queues the
 * datagram to the backlog, or sets a bit in quic_sock.deferred, which
 * release_cb works off. Keys are created in process context only; softirq that
 * lacks one leaves the packet in the backlog of undecryptable packets.
 *
 * Lifetime: the table entries of demux.c hold no reference; a lookup takes one
 * under RCU (the socket's memory is freed by RCU: SOCK_RCU_FREE). An armed timer
 * holds one. After close() the socket lives on as an orphan until its data was
 * delivered and the closing or draining period is over.
 */

#define QUIC_ALPN_MAX		128
#define QUIC_TOKEN_MAX		120
#define QUIC_TICKET_MIN		64
#define QUIC_TICKET_MAX		4096
#define QUIC_UNDECRYPTABLE_MAX	8
#define QUIC_UNDECRYPTABLE_BYTES	16384

/* quic_sock.deferred */
enum {
	QUIC_DEFERRED_TIMER,
	QUIC_DEFERRED_SETTLE,
	QUIC_DEFERRED_MTU,
};

/**
 * struct quic_request - a connection that waits for accept()
 * @list:   in quic_sock.requests, oldest first
 * @local:  where its first datagram went
 * @peer:   where it came from
 * @dcid:   the client's first destination connection ID
 * @scid:   the client's source connection ID
 * @queue:  its datagrams
 * @bytes:  their memory
 */
struct quic_request {
	struct list_head list;
	union quic_addr local;
	union quic_addr peer;
	struct quic_cid dcid;
	struct quic_cid scid;
	struct sk_buff_head queue;
	u32 version;
	u32 bytes;
	int ifindex;
	bool validated;
};

/**
 * struct quic_sock - a QUIC socket
 * @inet:       the generic part; must be first
 * @conn:       the protocol
 * @tx_key, @rx_key: current keys, by level
 * @tx_next, @rx_next: 1-RTT keys of the next generation
 * @rx_previous: 1-RTT receive key of the previous generation
 * @tx_secret, @rx_secret: 1-RTT secrets, for updates
 * @udp:        the UDP socket
 * @local, @peer: addresses of the active path
 * @dst:        its route, with @dst_cookie
 * @handshake_queue, @event_queue, @data_queue: what recvmsg hands out, in this order
 * @undecryptable: packets that came before their keys
 * @cids:       entries in the demultiplexer
 * @timer:      one timer for all deadlines but pacing
 * @pacer:      the fine one
 * @deferred:   bits left by softirq while a user owned the lock
 * @requests:   listener: connections waiting for accept()
 * @params:     transport parameters as the user set them
 * @config:     configuration as the user set it
 * @events:     bit per enabled QUIC_EVENT_*
 * @is_bound:   bind() was done
 * @was_open:   a connection was opened once: no second one
 * @is_accepted: came from accept(): a server
 * @secret:     listener and its children: reset tokens, address tokens, ticket keys
 */
struct quic_sock {
	struct inet_sock inet;

	struct quic_conn conn;

	struct quic_key *tx_key[QUIC_CRYPTO_MAX];
	struct quic_key *rx_key[QUIC_CRYPTO_MAX];
	struct quic_key *tx_next;
	struct quic_key *rx_next;
	struct quic_key *rx_previous;
	struct quic_secret tx_secret;
	struct quic_secret rx_secret;
	struct work_struct key_work;	/* derives the next generation */

	struct quic_udp *udp;
	union quic_addr local;
	union quic_addr peer;
	struct dst_entry *dst;
	u32 dst_cookie;

	struct list_head handshake_queue;
	struct list_head event_queue;
	struct list_head data_queue;
	struct sk_buff_head undecryptable;
	u32 undecryptable_bytes;
	struct hlist_head cids;

	struct timer_list timer;
	struct hrtimer pacer;
	unsigned long deferred;
	u64 timer_armed;		/* deadline that @timer is armed for, ns */

	struct hlist_node listener_node;
	struct list_head requests;
	u32 backlog;

	struct quic_transport_param params;
	struct quic_config config;
	struct quic_connection_close close;
	u32 events;
	bool is_bound;
	bool was_open;
	bool is_accepted;
	bool in_settle;
	u8 alpn_len;
	char alpn[QUIC_ALPN_MAX];	/* canonical, comma separated */
	u8 token_len;
	u8 token[QUIC_TOKEN_MAX];
	u16 ticket_len;
	u8 *ticket;
	u8 secret[32];
};

struct quic6_sock {
	struct quic_sock quic;
	struct ipv6_pinfo inet6;	/* last: kernels before 6.5 look for it at the end */
};

static inline struct quic_sock *quic_sk(const struct sock *sk)
{
	return (struct quic_sock *)sk;
}

static inline struct sock *quic_sock_sk(struct quic_sock *qs)
{
	return &qs->inet.sk;
}

static inline struct quic_sock *quic_conn_sock(struct quic_conn *conn)
{
	return container_of(conn, struct quic_sock, conn);
}

/* sock.c */
int quic_sock_init(struct sock *sk);
void quic_sock_destroy(struct sock *sk);
void quic_sock_set_state(struct sock *sk, int state);
/* Does all that input, timers and calls left to do, once per batch. */
void quic_sock_settle(struct quic_sock *qs);
void quic_sock_release_cb(struct sock *sk);
/* The connection is to be closed (close, shutdown): uapi.md, sections 2.8 and 13. */
void quic_sock_close(struct sock *sk, long timeout);
int quic_sock_shutdown(struct sock *sk, int how);
u64 quic_sock_now(void);

/* input.c: a datagram or aggregate for this socket, under its lock; takes over @skb */
void quic_input(struct quic_sock *qs, struct sk_buff *skb);
int quic_input_backlog(struct sock *sk, struct sk_buff *skb);
/* New receive keys: look at the packets that waited for them. */
void quic_input_undecryptable(struct quic_sock *qs);

/* output.c */
void quic_output(struct quic_sock *qs, u64 now);

/* timer.c */
void quic_timer_init(struct quic_sock *qs);
void quic_timer_arm(struct quic_sock *qs, u64 now);
void quic_timer_stop(struct quic_sock *qs);
void quic_timer_run(struct quic_sock *qs);

/* listen.c */
void quic_listen_receive(struct quic_sock *listener, struct quic_udp *udp, struct sk_buff *skb,
			 const struct quic_header *hdr);

#endif /* _QUIC_SOCK_H */
