/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QUIC socket: the kernel's side of a connection or of a listener.
 */
#ifndef _QUIC_SOCK_H
#define _QUIC_SOCK_H

#include <linux/hrtimer.h>
#include <linux/ipv6.h>
#include <linux/poll.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/inet_sock.h>
#include <uapi/linux/quic.h>

#include "addr.h"
#include "async.h"
#include "chunk.h"
#include "core/conn.h"
#include "keys.h"
#include "offload.h"
#include "postponed.h"
#include "udp.h"

/**
 * DOC: Locking
 *
 * ============== ===================================== =====================
 * lock           guards                                context
 * ============== ===================================== =====================
 * socket lock    struct quic_sock and its quic_conn,   process: lock_sock();
 *                receive queue, keys                   softirq: bh_lock_sock()
 * quic_net.lock  UDP sockets and listeners of a netns  process and BH
 * CID table      buckets of demux_table.c, RCU readers any
 * requests_lock  a listener's requests                 any, innermost
 * ============== ===================================== =====================
 *
 * Order: listener's socket lock, child's socket lock (nested), quic_net.lock,
 * bucket lock. Softirq that finds the socket owned by a user queues the
 * datagram to the backlog, or sets a bit in quic_sock.deferred, which
 * release_cb works off; one that interrupted a user of the vector registers
 * leaves the datagram, and what is to be sent, to postponed.c's work. Keys are created in process context only; softirq that
 * lacks one leaves the packet in the backlog of undecryptable packets.
 *
 * Lifetime: the entries of demux_table.c hold no reference; a lookup takes one
 * under RCU (the socket's memory is freed by RCU: SOCK_RCU_FREE). An armed timer
 * holds one. After close() the socket lives on as an orphan until its data was
 * delivered and the closing or draining period is over.
 */

#define QUIC_ALPN_MAX		128
#define QUIC_TICKET_MIN		64
#define QUIC_TICKET_MAX		4096

/* quic_sock.deferred */
enum {
	QUIC_DEFERRED_TIMER,
	QUIC_DEFERRED_SETTLE,
	QUIC_DEFERRED_MTU,
};

/**
 * struct quic_request - a connection that waits for accept()
 * @list:   in quic_sock.requests, oldest first
 * @node:   in quic_sock.request_hash, until accept() has made the connection findable
 * @by_source: there, too, by source address, until accept() takes it
 * @local:  where its first datagram went
 * @peer:   where it came from
 * @dcid:   the destination connection ID of its packets, after Retry the one that we chose
 * @scid:   the client's source connection ID
 * @original: the client's first destination connection ID
 * @queue:  its datagrams
 * @bytes:  their memory
 * @validated: the client is at its address
 * @has_retry: it came back after Retry
 */
struct quic_request {
	struct list_head list;
	struct hlist_node node;
	struct hlist_node by_source;
	union quic_addr local;
	union quic_addr peer;
	struct quic_cid dcid;
	struct quic_cid scid;
	struct quic_cid original;
	struct sk_buff_head queue;
	u32 version;
	u32 bytes;
	int ifindex;
	bool validated;
	bool has_retry;
};

/**
 * struct quic_sock - a QUIC socket
 * @inet:       the generic part; must be first
 * @conn:       the protocol
 * @tx_key, @rx_key: current keys, by level
 * @tx_next, @rx_next: 1-RTT keys of the next generation
 * @rx_previous: 1-RTT receive key of the previous generation
 * @other_rx, @other_tx: Initial keys of @other_version, which is not the one in use
 * @tx_secret, @rx_secret: 1-RTT secrets, for updates
 * @route:      addresses and route of each path of @conn, the first before there is a connection
 * @handshake_queue, @event_queue, @data_queue: what recvmsg hands out, in this order
 * @peeled:     streams that have a descriptor of their own: peeloff.c
 * @undecryptable: packets that came before their keys
 * @restart_packets: Retry and Version Negotiation packets that wait for @restart_work
 * @cids, @peer_entry: entries in the demultiplexer
 * @rx_dcid:    connection ID that the last 1-RTT packet was sent to
 * @timer:      one timer for all deadlines but pacing
 * @pacer:      the fine one
 * @deferred:   bits left by softirq while a user owned the lock
 * @bound, @peer: addresses that getsockname() and getpeername() tell
 * @preferred:  server: where the client may move to; only the socket and our address
 * @move_work:  client: moves to the server's preferred address
 * @requests:   listener: connections waiting for accept()
 * @request_hash: the same by connection ID and address, and by source address, or NULL: not
 *              listening
 * @early:      0-RTT packets that came before their request
 * @requests_lock: guards these three, @nr_requests, @request_bytes, @early_bytes, @early_last
 * @conn_node:  in quic_net.conns, guarded by quic_net.lock
 * @params:     transport parameters as the user set them
 * @config:     configuration as the user set it
 * @events:     bit per enabled QUIC_EVENT_*
 * @is_bound:   bind() was done
 * @was_open:   a connection was opened once: no second one
 * @is_accepted: came from accept(): a server
 * @is_shut:    the user closed; the connection lives on until all was delivered
 * @is_dead:    quic_sock_done() was there
 * @is_moving:  @move_work is due
 * @has_ticket: @ticket is complete, not being collected
 * @secret:     listener and its children: reset tokens, address tokens, ticket keys
 * @tokens:     the same ones: seals address tokens; a listener's readers are under RCU
 */
struct quic_sock {
	struct inet_sock inet;

	struct quic_conn conn;

	struct quic_key *tx_key[QUIC_CRYPTO_MAX];
	struct quic_key *rx_key[QUIC_CRYPTO_MAX];
	struct quic_key *tx_next;
	struct quic_key *rx_next;
	struct quic_key *rx_previous;
	struct quic_key *other_rx;
	struct quic_key *other_tx;
	u32 other_version;		/* 0: none */
	struct quic_secret tx_secret;
	struct quic_secret rx_secret;
	struct work_struct key_work;	/* derives the next generation */
	struct work_struct move_work;
	struct work_struct restart_work;	/* and Initial keys */
	struct quic_offload_state offload;
	struct quic_async async;
	struct quic_postponed postponed;

	struct quic_route route[QUIC_PATHS_MAX];
	struct quic_route preferred;
	union quic_addr bound;
	union quic_addr peer;

	struct list_head handshake_queue;
	struct list_head event_queue;
	struct list_head data_queue;
	struct list_head peeled;
	struct sk_buff_head undecryptable;
	struct sk_buff_head restart_packets;
	u32 undecryptable_bytes;
	struct hlist_head cids;
	struct quic_peer_entry *peer_entry;
	u64 rx_dcid;

	struct timer_list timer;
	struct hrtimer pacer;
	unsigned long deferred;
	u64 timer_armed;		/* deadline that @timer is armed for, ns */

	struct hlist_node listener_node;
	struct hlist_node conn_node;
	struct list_head requests;
	struct hlist_head *request_hash;
	spinlock_t requests_lock;
	u32 nr_requests;
	u32 request_bytes;		/* memory of their datagrams */
	u32 request_seed;
	struct sk_buff_head early;
	u32 early_bytes;
	u64 early_last;			/* when the last one came, ns */

	struct quic_transport_param params;
	struct quic_config config;
	struct quic_connection_close close;
	u32 events;
	bool is_bound;
	bool was_open;
	bool is_accepted;
	bool is_shut;
	bool is_dead;
	bool has_ticket;
	bool is_moving;
	bool in_settle;
	u64 tx_packets;			/* counted for sock_diag */
	u64 tx_bytes;
	u64 rx_packets;
	u64 rx_bytes;
	u64 counted_retransmits;	/* of conn.retransmitted_frames */
	u8 traced_congestion;		/* enum quic_congestion_state told last */
	u8 alpn_len;
	char alpn[QUIC_ALPN_MAX];	/* canonical, comma separated */
	u8 token_len;
	u8 token[QUIC_TOKEN_MAX];
	u16 retry_token_len;
	u8 *retry_token;	/* instead of @token */
	u16 ticket_len;
	u8 *ticket;
	u8 secret[32];
	struct quic_tokens __rcu *tokens;
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

/* The way of the active path. */
static inline struct quic_route *quic_sock_route(struct quic_sock *qs)
{
	return &qs->route[qs->conn.active_path];
}

#define QUIC_STREAM_FLAGS	(MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_FIN | \
				 MSG_QUIC_STREAM_UNI | MSG_QUIC_STREAM_DONTWAIT | \
				 MSG_QUIC_STREAM_SNDBLOCK)

/* What the kernel itself adds to the flags of a caller. */
#define QUIC_MSG_INTERNAL	(MSG_CMSG_COMPAT | MSG_SPLICE_PAGES)

extern struct proto quic_prot;
extern struct proto quicv6_prot;
extern struct workqueue_struct *quic_wq;

/* sock.c */
int quic_sock_init(struct sock *sk);
void quic_sock_destroy(struct sock *sk);
void quic_sock_unhash(struct sock *sk);
void quic_sock_set_state(struct sock *sk, int state);
int quic_sock_open(struct quic_sock *qs, struct quic_conn_open *args);
void quic_sock_apply_params(struct quic_sock *qs);
void quic_sock_apply_config(struct quic_sock *qs);
void quic_sock_update_sndbuf(struct quic_sock *qs);
void quic_sock_close(struct sock *sk, long timeout);
void quic_sock_try_close(struct quic_sock *qs);
void quic_sock_done(struct sock *sk);
int quic_sock_shutdown(struct socket *sock, int how);
int quic_sock_name(struct sock *sk, struct sockaddr *uaddr, int peer);
int quic_sock_getname(struct socket *sock, struct sockaddr *uaddr, int peer);
__poll_t quic_sock_poll(struct file *file, struct socket *sock, poll_table *wait);
int quic_sock_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
int quic_sock_module_init(void);
void quic_sock_module_exit(void);
u64 quic_sock_now(void);

/* settle.c */
/* Does all that input, timers and calls left to do, once per batch. */
void quic_sock_settle(struct quic_sock *qs);
void quic_sock_release_cb(struct sock *sk);

/* connect.c */
int quic_sock_bind(struct quic_sock *qs, union quic_addr *addr);
struct quic_udp *quic_sock_udp_get(struct quic_sock *qs, union quic_addr *addr);
void quic_sock_publish_local(struct sock *sk, const union quic_addr *addr);
void quic_sock_publish_peer(struct sock *sk, const union quic_addr *addr);
int quic_bind(struct socket *sock, struct sockaddr_unsized *uaddr, int len);
int quic_connect(struct socket *sock, struct sockaddr_unsized *uaddr, int len, int flags);

/* sendmsg.c, recvmsg.c */
int quic_sock_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
int quic_sock_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags);
int quic_send_wait(struct quic_sock *qs, long *timeo);
int quic_send_route(struct quic_sock *qs);
int quic_send_stream_some(struct quic_sock *qs, struct quic_stream *stream, struct msghdr *msg,
			  u32 flags);
u32 quic_recv_copy(const struct quic_recv_chunk *chunk, struct msghdr *msg, size_t room);
void quic_recv_take(struct quic_recv_chunk *chunk, u32 n);
struct quic_stream *quic_send_stream(struct quic_sock *qs, s64 id, u32 flags, long timeo, int *err);

static inline bool quic_send_is_open(const struct sock *sk)
{
	return sk->sk_state == TCP_SYN_RECV || sk->sk_state == TCP_ESTABLISHED;
}

/*
 * May a call go to sleep, with @timeo jiffies left? A call that does not wait is not interrupted
 * either: io_uring's own work shows as a signal.
 */
static inline int quic_wait_error(long timeo)
{
	if (!timeo)
		return -EAGAIN;
	return signal_pending(current) ? sock_intr_errno(timeo) : 0;
}

/* Bytes of memory left in the send buffer. */
static inline s64 quic_send_space(const struct sock *sk)
{
	return (s64)READ_ONCE(sk->sk_sndbuf) - sk->sk_wmem_queued;
}

/* datagram.c */
int quic_send_datagram(struct quic_sock *qs, struct msghdr *msg, size_t len);

/* sockopt.c */
int quic_setsockopt(struct sock *sk, int level, int optname, sockptr_t optval,
		    unsigned int optlen);
int quic_getsockopt(struct sock *sk, int level, int optname, char __user *optval,
		    int __user *optlen);

/* event.c */
void quic_event_queue(struct quic_sock *qs, u8 type, const void *payload, u32 len);

/* handshake.c */
int quic_handshake_set_secret(struct quic_sock *qs, struct quic_crypto_secret *info);
int quic_handshake_set_params(struct quic_sock *qs, const u8 *data, u32 len);
int quic_handshake_get_params(struct quic_sock *qs, u8 *data, u32 size);
int quic_handshake_update_keys(struct quic_sock *qs);
/* In-order CRYPTO data of level APP, taken over: collects the session ticket. */
void quic_handshake_on_post_message(struct quic_sock *qs, struct quic_recv_chunk *chunk);
void quic_handshake_key_work(struct work_struct *work);

/* sysctl.c, proc.c */
extern long sysctl_quic_mem[3];
extern int sysctl_quic_rmem[3];
extern int sysctl_quic_wmem[3];
extern int sysctl_quic_linger;
int quic_sysctl_init(void);
void quic_sysctl_exit(void);
#ifdef CONFIG_PROC_FS
int quic_proc_net_init(struct net *net);
void quic_proc_net_exit(struct net *net);
#else
static inline int quic_proc_net_init(struct net *net)
{
	return 0;
}

static inline void quic_proc_net_exit(struct net *net)
{
}
#endif

/* input.c: a datagram or aggregate for this socket, under its lock; takes over @skb */
void quic_input(struct quic_sock *qs, struct sk_buff *skb);
int quic_input_backlog(struct sock *sk, struct sk_buff *skb);

/* path.c */
void quic_route_release(struct quic_route *route);
u8 quic_path_find(struct quic_sock *qs, const union quic_addr *local, const union quic_addr *peer);
bool quic_path_is_safe_peer(struct quic_sock *qs, const union quic_addr *peer);
bool quic_path_may_receive(struct quic_sock *qs, const union quic_addr *local,
			   const union quic_addr *peer);
u8 quic_path_admit(struct quic_sock *qs, const union quic_addr *local, const union quic_addr *peer,
		   const u8 *dcid, u32 bytes, u64 now);
void quic_path_publish(struct quic_sock *qs, bool local);
void quic_path_output(struct quic_sock *qs, u64 now);

/* migrate.c */
int quic_migrate(struct quic_sock *qs, const union quic_addr *addr);
void quic_migrate_to_preferred(struct quic_sock *qs);
void quic_migrate_work(struct work_struct *work);

/* output.c */
void quic_output(struct quic_sock *qs, u64 now);
void quic_output_exit(void);
/* Protects a filled 1-RTT packet; its length on the wire, or an errno. */
int quic_output_seal(struct quic_sock *qs, struct quic_key *key, struct quic_tx_packet *tx);

/* timer.c */
void quic_timer_init(struct quic_sock *qs);
void quic_timer_arm(struct quic_sock *qs, u64 now);
void quic_timer_stop(struct quic_sock *qs);
void quic_timer_run(struct quic_sock *qs);

/* listen.c */
int quic_listen(struct socket *sock, int backlog);
void quic_listen_stop(struct quic_sock *qs);
bool quic_listen_has_request(struct quic_sock *qs);
struct quic_request *quic_request_take(struct quic_sock *qs);
void quic_request_unhash(struct quic_sock *qs, struct quic_request *req);
void quic_request_free(struct quic_request *req);
bool quic_listen_knows(struct quic_sock *qs, const struct quic_cid *dcid,
		       const union quic_addr *local, const union quic_addr *peer);
/* Softirq, under RCU; takes over @skb: a datagram for no connection. */
void quic_listen_receive(struct quic_sock *listener, struct quic_udp *udp, struct sk_buff *skb,
			 const struct quic_header *hdr);

/* accept.c */
typeof(*((struct proto *)0)->accept) quic_accept;

/* listen_early.c: 0-RTT packets before their request; requests_lock held. */
bool quic_early_keep(struct quic_sock *listener, struct sk_buff *skb, u64 now);
struct sk_buff *quic_early_next(struct quic_sock *listener, const struct quic_request *req);
void quic_early_purge(struct quic_sock *listener);

#endif /* _QUIC_SOCK_H */
