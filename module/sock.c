// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a QUIC socket: birth, states, closing while data is still on its
 * way, death; and the calls that only look at it (poll, ioctl, getname). What a
 * batch of changes leads to is for settle.c.
 */
#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <linux/termios.h>
#include <net/addrconf.h>
#include <net/inet_common.h>
#include <net/ipv6.h>
#include <net/transp_v6.h>

#include "demux.h"
#include "net.h"
#include "peeloff.h"
#include "restart.h"
#include "sock.h"
#include "stateless.h"
#include "token.h"

#include <trace/events/quic.h>

struct workqueue_struct *quic_wq;

/* Values of uapi.md, sections 5.9 and 5.10. */
static const struct quic_transport_param quic_default_params = {
	.active_connection_id_limit	= 7,
	.ack_delay_exponent		= 3,
	.max_udp_payload_size		= QUIC_TP_UDP_PAYLOAD_MAX,
	.max_idle_timeout		= 30 * USEC_PER_SEC,
	.max_ack_delay			= 25 * USEC_PER_MSEC,
	.max_streams_bidi		= 100,
	.max_streams_uni		= 100,
	.max_data			= 65535 * 32,
	.max_stream_data_bidi_local	= 65535 * 16,
	.max_stream_data_bidi_remote	= 65535 * 16,
	.max_stream_data_uni		= 65535 * 16,
};

static const struct quic_config quic_default_config = {
	.initial_smoothed_rtt		= 333 * USEC_PER_MSEC,
	.congestion_control_algo	= QUIC_CONG_ALG_RENO,
};

/*
 * Writers wait for space, stream credit and stream count credit on one queue,
 * so the usual test for half of the send buffer has no place here.
 */
static void quic_sock_write_space(struct sock *sk)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	rcu_read_unlock();
}

/**
 * quic_sock_init() - bring a fresh socket into state CLOSED
 * @sk: zeroed behind struct inet_sock
 *
 * Return: 0.
 */
int quic_sock_init(struct sock *sk)
{
	struct quic_sock *qs = quic_sk(sk);

	quic_conn_setup(&qs->conn);
	quic_timer_init(qs);
	INIT_WORK(&qs->key_work, quic_handshake_key_work);
	INIT_WORK(&qs->move_work, quic_migrate_work);
	INIT_WORK(&qs->restart_work, quic_restart_work);
	quic_offload_state_init(qs);
	quic_async_init(qs);
	INIT_LIST_HEAD(&qs->handshake_queue);
	INIT_LIST_HEAD(&qs->event_queue);
	INIT_LIST_HEAD(&qs->data_queue);
	INIT_LIST_HEAD(&qs->peeled);
	INIT_LIST_HEAD(&qs->requests);
	INIT_HLIST_HEAD(&qs->cids);
	INIT_HLIST_NODE(&qs->listener_node);
	INIT_HLIST_NODE(&qs->conn_node);
	skb_queue_head_init(&qs->undecryptable);
	__skb_queue_head_init(&qs->early);
	skb_queue_head_init(&qs->restart_packets);
	spin_lock_init(&qs->requests_lock);

	qs->params = quic_default_params;
	qs->config = quic_default_config;
	get_random_bytes(qs->secret, sizeof(qs->secret));
	quic_addr_set_any(&qs->bound, sk->sk_family);
	qs->route[0].local = qs->bound;

	/* The IP layer's knowledge of paths is anybody's: quic_udp_too_big() has its own. */
	inet_sk(sk)->pmtudisc = IP_PMTUDISC_PROBE;
	if (sk->sk_family == AF_INET6)
		inet6_sk(sk)->pmtudisc = IPV6_PMTUDISC_PROBE;

	sk->sk_write_space = quic_sock_write_space;
	/* Room comes with acknowledgements, not when a device lets go of an skb. */
	sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
	WRITE_ONCE(sk->sk_rcvbuf, 4 * qs->params.max_data);
	/* A lookup that found the socket may still look at it: RCU frees it. */
	sock_set_flag(sk, SOCK_RCU_FREE);

	sk_sockets_allocated_inc(sk);
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, 1);
	return 0;
}

/**
 * quic_sock_unhash() - make a socket unfindable
 * @sk: socket, locked or not yet shared
 */
void quic_sock_unhash(struct sock *sk)
{
	struct quic_net *qn = quic_net(sock_net(sk));
	struct quic_sock *qs = quic_sk(sk);

	quic_demux_del_all(qs);
	spin_lock_bh(&qn->lock);
	if (!hlist_unhashed(&qs->conn_node))
		hlist_del_init_rcu(&qs->conn_node);
	spin_unlock_bh(&qn->lock);
}

static void quic_sock_free_keys(struct quic_sock *qs)
{
	int level;

	for (level = 0; level < QUIC_CRYPTO_MAX; level++) {
		quic_host_key_dispose(qs->tx_key[level]);
		quic_host_key_dispose(qs->rx_key[level]);
		qs->tx_key[level] = NULL;
		qs->rx_key[level] = NULL;
	}
	quic_restart_discard(qs);
	quic_host_key_dispose(qs->tx_next);
	quic_host_key_dispose(qs->rx_next);
	quic_host_key_dispose(qs->rx_previous);
	qs->tx_next = NULL;
	qs->rx_next = NULL;
	qs->rx_previous = NULL;
	memzero_explicit(&qs->tx_secret, sizeof(qs->tx_secret));
	memzero_explicit(&qs->rx_secret, sizeof(qs->rx_secret));
	memzero_explicit(qs->secret, sizeof(qs->secret));
}

/**
 * quic_sock_destroy() - empty a socket that nothing leads to any more
 * @sk: socket after quic_sock_unhash(); its memory goes with the last reference
 *
 * May be called twice: the generic code does so for a socket whose creation
 * failed.
 */
void quic_sock_destroy(struct sock *sk)
{
	struct quic_sock *qs = quic_sk(sk);
	int i;

	if (qs->is_dead)
		return;
	qs->is_dead = true;
	quic_offload_release(qs);
	quic_timer_stop(qs);
	quic_recv_queue_purge(qs);
	__skb_queue_purge(&qs->undecryptable);
	__skb_queue_purge(&qs->restart_packets);
	qs->undecryptable_bytes = 0;
	quic_conn_destroy(&qs->conn);
	qs->conn.state = QUIC_CONN_CLOSED;
	quic_sock_free_keys(qs);
	kfree_sensitive(qs->ticket);
	qs->ticket = NULL;
	qs->ticket_len = 0;
	quic_restart_drop_token(qs);
	quic_tokens_put(rcu_replace_pointer(qs->tokens, NULL, true));
	for (i = 0; i < QUIC_PATHS_MAX; i++)
		quic_route_release(&qs->route[i]);
	quic_route_release(&qs->preferred);
	sk_sockets_allocated_dec(sk);
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, -1);
}

/**
 * quic_sock_done() - an orphan has nothing left to say: end it
 * @sk: locked, no longer attached to a file, its connection CLOSED or never opened
 *
 * Drops the reference that the file had; the caller holds another.
 */
void quic_sock_done(struct sock *sk)
{
	if (quic_sk(sk)->is_dead)
		return;
	sk->sk_prot->unhash(sk);
	sk->sk_prot->destroy(sk);
	sock_put(sk);
}

/* What CONNECTION_CLOSE tells the user from now on: uapi.md, section 5.6. */
static void quic_sock_record_close(struct quic_sock *qs)
{
	const struct quic_conn_close_info *info = &qs->conn.close;
	bool by_peer = qs->conn.state == QUIC_CONN_DRAINING;

	if (qs->is_shut || (!by_peer && qs->conn.state != QUIC_CONN_CLOSING))
		return;
	qs->close.errcode = info->code;
	qs->close.frame = info->frame_type;
	if (by_peer) {
		memset(qs->close.phrase, 0, sizeof(qs->close.phrase));
		memcpy(qs->close.phrase, info->phrase,
		       min_t(u32, info->phrase_len, sizeof(qs->close.phrase) - 1));
	}
}

/**
 * quic_sock_set_state() - move to a state of uapi.md, section 2.1
 * @sk:    locked
 * @state: TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV or TCP_ESTABLISHED
 *
 * Counts, and wakes all who wait for anything. Nothing happens when @state is
 * the current one.
 */
void quic_sock_set_state(struct sock *sk, int state)
{
	struct quic_sock *qs = quic_sk(sk);
	struct net *net = sock_net(sk);
	int old = sk->sk_state;

	if (old == state)
		return;
	if (state == TCP_ESTABLISHED) {
		QUIC_INC_STATS(net, QUIC_MIB_CONN_CURRENTESTABS);
		if (qs->is_accepted)
			QUIC_INC_STATS(net, QUIC_MIB_CONN_PASSIVEESTABS);
		else
			QUIC_INC_STATS(net, QUIC_MIB_CONN_ACTIVEESTABS);
	} else if (old == TCP_ESTABLISHED) {
		QUIC_DEC_STATS(net, QUIC_MIB_CONN_CURRENTESTABS);
	}
	if (state == TCP_CLOSE && old != TCP_LISTEN)
		quic_sock_record_close(qs);
	inet_sk_set_state(sk, state);
	if (state == TCP_CLOSE)
		quic_peeloff_wake(qs, true, true);
	if (!sock_flag(sk, SOCK_DEAD))
		sk->sk_state_change(sk);
}

/**
 * quic_sock_apply_params() - hand the user's transport parameters to the connection
 * @qs: locked
 */
void quic_sock_apply_params(struct quic_sock *qs)
{
	const struct quic_transport_param *from = &qs->params;
	struct quic_transport_params *to = &qs->conn.local;

	to->max_idle_timeout = from->max_idle_timeout;
	to->max_udp_payload_size = from->max_udp_payload_size;
	to->initial_max_data = from->max_data;
	to->initial_max_stream_data_bidi_local = from->max_stream_data_bidi_local;
	to->initial_max_stream_data_bidi_remote = from->max_stream_data_bidi_remote;
	to->initial_max_stream_data_uni = from->max_stream_data_uni;
	to->initial_max_streams_bidi = from->max_streams_bidi;
	to->initial_max_streams_uni = from->max_streams_uni;
	to->ack_delay_exponent = from->ack_delay_exponent;
	to->max_ack_delay = from->max_ack_delay;
	to->active_connection_id_limit = from->active_connection_id_limit;
	to->max_datagram_frame_size = from->max_datagram_frame_size;
	to->disable_active_migration = from->disable_active_migration;
	to->grease_quic_bit = from->grease_quic_bit;
	to->disable_1rtt_encryption = from->disable_1rtt_encryption;
	to->has_version_information = !from->disable_compatible_version;
	/* Only a server may send one: RFC 9000, section 18.2. */
	to->has_stateless_reset_token = from->stateless_reset && qs->is_accepted;

	if (quic_conn_is_open(&qs->conn))
		quic_conn_apply_local_params(&qs->conn);
}

/**
 * quic_sock_apply_config() - hand the user's configuration to the connection
 * @qs: locked
 */
void quic_sock_apply_config(struct quic_sock *qs)
{
	struct quic_conn_config *to = &qs->conn.config;

	to->version = qs->config.version;
	to->congestion = qs->config.congestion_control_algo;
	to->initial_rtt = (u64)qs->config.initial_smoothed_rtt * NSEC_PER_USEC;
	to->keepalive = (u64)qs->config.keepalive_probe_interval * NSEC_PER_USEC;
	to->pmtud_interval = (u64)qs->config.plpmtud_probe_interval * NSEC_PER_USEC;
	qs->conn.nodelay = qs->config.stream_data_nodelay;

	if (quic_conn_is_open(&qs->conn))
		quic_conn_apply_config(&qs->conn);
}

/**
 * quic_sock_open() - open the connection of a socket that has its addresses and route
 * @qs:   locked, bound, its route looked up
 * @args: role, version and connection IDs but ours, which is made here
 *
 * Derives the Initial keys and makes packets find the socket. After an error
 * the socket can be opened again.
 *
 * Return: 0, or a negative errno.
 */
int quic_sock_open(struct quic_sock *qs, struct quic_conn_open *args)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_net *qn = quic_net(sock_net(sk));
	struct quic_conn *conn = &qs->conn;
	struct quic_local_cid *first;
	int tries, err;

	for (tries = 0; ; tries++) {
		args->local.len = QUIC_CID_LEN;
		get_random_bytes(args->local.data, QUIC_CID_LEN);
		err = quic_demux_add_cid(qs, &args->local);
		if (err != -EEXIST || tries == 8)
			break;
	}
	if (err)
		return err;

	args->mss = quic_udp_mss(qs, quic_sock_route(qs));
	args->now = quic_sock_now();
	quic_sock_apply_params(qs);
	quic_sock_apply_config(qs);
	err = quic_conn_open(conn, args);
	if (err)
		goto reset;
	first = quic_local_cids_find(&conn->local_cids, 0);
	if (first) {
		quic_stateless_reset_token(qs->secret, &first->cid, first->token);
		memcpy(conn->local.stateless_reset_token, first->token,
		       QUIC_STATELESS_TOKEN_LEN);
	}
	/* RFC 9001, section 5.2: of the ID in the packets that these keys protect. */
	err = quic_keys_initial(args->version,
				args->has_retry ? &args->retry_scid : &args->original,
				args->is_server,
				&qs->tx_key[QUIC_CRYPTO_INITIAL],
				&qs->rx_key[QUIC_CRYPTO_INITIAL]);
	if (err)
		goto reset;
	trace_quic_key_updated(conn, QUIC_CRYPTO_INITIAL, true, QUIC_KEY_BY_TLS);
	trace_quic_key_updated(conn, QUIC_CRYPTO_INITIAL, false, QUIC_KEY_BY_TLS);
	quic_conn_apply_local_params(conn);
	quic_conn_apply_config(conn);
	quic_conn_on_tx_key(conn, QUIC_CRYPTO_INITIAL, TLS_CIPHER_AES_GCM_128);
	quic_conn_on_rx_key(conn, QUIC_CRYPTO_INITIAL, TLS_CIPHER_AES_GCM_128);

	qs->was_open = true;
	quic_sock_update_sndbuf(qs);
	spin_lock_bh(&qn->lock);
	hlist_add_head_rcu(&qs->conn_node, &qn->conns);
	spin_unlock_bh(&qn->lock);
	return 0;

reset:
	quic_demux_del_all(qs);
	quic_conn_destroy(conn);
	quic_conn_setup(conn);
	return err;
}

/**
 * quic_sock_update_sndbuf() - let the send buffer follow the congestion window
 * @qs: locked, with an open connection
 *
 * Not if the user fixed it: uapi.md, section 2.13.
 */
void quic_sock_update_sndbuf(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);
	u64 size;

	if (sk->sk_userlocks & SOCK_SNDBUF_LOCK)
		return;
	size = min_t(u64, 4 * quic_conn_path(&qs->conn)->cong.cwnd, INT_MAX / 4);
	WRITE_ONCE(sk->sk_sndbuf, max_t(u64, size, SOCK_MIN_SNDBUF));
}

/* Sends CONNECTION_CLOSE with what the user configured: uapi.md, section 2.8. */
static void quic_sock_send_close(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	u32 phrase_len = strnlen(qs->close.phrase, sizeof(qs->close.phrase) - 1);
	u64 now = quic_sock_now();
	u64 code;

	if (!quic_conn_is_open(conn))
		return;
	quic_deadline_clear(&conn->deadlines, QUIC_DEADLINE_LINGER);
	if (conn->state == QUIC_CONN_ESTABLISHED) {
		quic_conn_close(conn, qs->close.errcode, true, qs->close.phrase, phrase_len,
				now);
		return;
	}
	/* During the handshake an application code would leak: RFC 9000, section 10.2.3. */
	code = QUIC_TRANSPORT_ERROR_APPLICATION;
	if (qs->close.errcode >= QUIC_TRANSPORT_ERROR_CRYPTO &&
	    qs->close.errcode < QUIC_TRANSPORT_ERROR_CRYPTO + 0x100)
		code = qs->close.errcode;
	quic_conn_close(conn, code, false, qs->close.phrase, phrase_len, now);
}

/**
 * quic_sock_try_close() - close the connection of a user who is gone, if it may be
 * @qs: locked, with qs->is_shut
 *
 * It may once all was acknowledged, or when the time for that is over: the
 * expiry of QUIC_DEADLINE_LINGER clears it. uapi.md, section 13.
 */
void quic_sock_try_close(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	u64 limit = conn->deadlines.at[QUIC_DEADLINE_LINGER];

	if (!quic_conn_is_open(conn))
		return;
	if (quic_conn_is_flushed(conn) || limit == QUIC_DEADLINE_NEVER ||
	    limit <= quic_sock_now())
		quic_sock_send_close(qs);
}

/* The user's side of the connection ends now, with @abort also the peer's. */
static void quic_sock_end(struct quic_sock *qs, bool abort)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_conn *conn = &qs->conn;
	u64 time;

	sk->sk_shutdown = SHUTDOWN_MASK;
	if (quic_conn_is_open(conn) && !qs->is_shut) {
		qs->is_shut = true;
		conn->corked = false;
		conn->nodelay = true;
		conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
		if (abort || conn->state != QUIC_CONN_ESTABLISHED) {
			quic_sock_send_close(qs);
		} else {
			time = (u64)READ_ONCE(sysctl_quic_linger) * NSEC_PER_MSEC;
			if (conn->idle_timeout)
				time = min(time, conn->idle_timeout);
			quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_LINGER,
					  quic_sock_now() + time);
			quic_sock_try_close(qs);
		}
	}
	quic_sock_set_state(sk, TCP_CLOSE);
}

/* SO_LINGER with a time: wait until the peer has everything. */
static void quic_sock_linger(struct quic_sock *qs, long timeout)
{
	while (quic_conn_is_open(&qs->conn) && !quic_conn_is_flushed(&qs->conn)) {
		quic_sock_settle(qs);
		if (!timeout || signal_pending(current))
			break;
		if (quic_send_wait(qs, &timeout) == -EPIPE && !quic_conn_is_open(&qs->conn))
			break;
	}
	if (quic_conn_is_open(&qs->conn))
		quic_sock_try_close(qs);
}

/**
 * quic_sock_close() - the last descriptor of the socket is gone
 * @sk:      socket, taken over
 * @timeout: of SO_LINGER, jiffies
 *
 * Returns at once (without SO_LINGER); the socket lives on as an orphan until
 * its data was delivered and the closing period is over.
 */
void quic_sock_close(struct sock *sk, long timeout)
{
	struct quic_sock *qs = quic_sk(sk);
	bool abort;

	lock_sock(sk);
	abort = sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime;
	if (sk->sk_state == TCP_LISTEN)
		quic_listen_stop(qs);
	quic_sock_end(qs, abort);
	quic_recv_queue_purge(qs);
	if (timeout && sock_flag(sk, SOCK_LINGER) && !(current->flags & PF_EXITING))
		quic_sock_linger(qs, timeout);

	sock_hold(sk);
	sock_orphan(sk);
	if (quic_conn_is_open(&qs->conn) || qs->conn.state == QUIC_CONN_CLOSING ||
	    qs->conn.state == QUIC_CONN_DRAINING) {
		quic_sock_settle(qs);
	} else {
		quic_sock_done(sk);
	}
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_sock_shutdown() - shutdown(2)
 * @sock: socket
 * @how:  SHUT_RD, SHUT_WR or SHUT_RDWR
 *
 * There is no half-closed connection: any of them ends it. uapi.md, section 2.8.
 *
 * Return: 0, or a negative errno.
 */
int quic_sock_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	int err = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	lock_sock(sk);
	switch (sk->sk_state) {
	case TCP_LISTEN:
		err = how == SHUT_WR ? 0 : -EOPNOTSUPP;
		break;
	case TCP_SYN_RECV:
	case TCP_ESTABLISHED:
		if (how == SHUT_RD) {
			qs->is_shut = true;
			quic_conn_drop(&qs->conn);
		}
		quic_sock_end(qs, false);
		quic_sock_settle(qs);
		break;
	default:
		err = -ENOTCONN;
	}
	release_sock(sk);
	return err;
}

/**
 * quic_sock_name() - address of a connection
 * @sk:    QUIC socket
 * @uaddr: result
 * @peer:  0: own address; 1: the peer's; 2: the peer's, whatever the state
 *
 * Return: length of the address, or a negative errno.
 */
int quic_sock_name(struct sock *sk, struct sockaddr *uaddr, int peer)
{
	struct quic_sock *qs = quic_sk(sk);
	int err;

	lock_sock(sk);
	if (peer == 1 && sk->sk_state != TCP_SYN_RECV && sk->sk_state != TCP_ESTABLISHED)
		err = -ENOTCONN;
	else
		err = quic_addr_to_user(peer ? &qs->peer : &qs->bound, uaddr);
	release_sock(sk);
	return err;
}

/**
 * quic_sock_getname() - getsockname(2), getpeername(2) and the address of accept(2)
 * @sock:  socket
 * @uaddr: result
 * @peer:  as in quic_sock_name()
 *
 * Return: length of the address, or a negative errno.
 */
int quic_sock_getname(struct socket *sock, struct sockaddr *uaddr, int peer)
{
	return quic_sock_name(sock->sk, uaddr, peer);
}

static bool quic_sock_is_readable(struct quic_sock *qs)
{
	/* The rest waits for the end of the handshake: recvmsg.c. */
	if (!list_empty_careful(&qs->handshake_queue) ||
	    READ_ONCE(qs->conn.state) == QUIC_CONN_HANDSHAKE)
		return !list_empty_careful(&qs->handshake_queue);
	return !list_empty_careful(&qs->event_queue) || !list_empty_careful(&qs->data_queue);
}

static bool quic_sock_is_writable(struct quic_sock *qs)
{
	const struct quic_flow_send *flow = &qs->conn.tx_flow;
	struct sock *sk = quic_sock_sk(qs);

	return READ_ONCE(sk->sk_wmem_queued) < READ_ONCE(sk->sk_sndbuf) &&
	       READ_ONCE(flow->used) < READ_ONCE(flow->limit);
}

/**
 * quic_sock_poll() - poll(2), select(2), epoll(7): uapi.md, section 2.10
 * @file: of the socket
 * @sock: socket
 * @wait: where to enqueue
 *
 * Return: mask of EPOLL*.
 */
__poll_t quic_sock_poll(struct file *file, struct socket *sock, poll_table *wait)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	__poll_t mask = 0;
	int state;

	sock_poll_wait(file, sock, wait);

	state = inet_sk_state_load(sk);
	if (state == TCP_LISTEN)
		return quic_listen_has_request(qs) ? EPOLLIN | EPOLLRDNORM : 0;

	if (READ_ONCE(sk->sk_err) || !skb_queue_empty_lockless(&sk->sk_error_queue))
		mask |= EPOLLERR | (sock_flag(sk, SOCK_SELECT_ERR_QUEUE) ? EPOLLPRI : 0);
	if (quic_sock_is_readable(qs))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (state == TCP_CLOSE)
		return mask | EPOLLHUP | EPOLLERR | EPOLLIN | EPOLLRDNORM | EPOLLRDHUP |
		       EPOLLOUT | EPOLLWRNORM;

	if (!quic_sock_is_writable(qs)) {
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		set_bit(SOCK_NOSPACE, &sock->flags);
		/* Space may have come before the bits were seen. */
		smp_mb__after_atomic();
		if (!quic_sock_is_writable(qs))
			return mask;
	}
	return mask | EPOLLOUT | EPOLLWRNORM;
}

/* Payload bytes that were queued but never sent. */
static u64 quic_sock_unsent(struct quic_sock *qs)
{
	struct rb_node *node;
	u64 bytes = 0;

	for (node = rb_first(&qs->conn.streams.root); node; node = rb_next(node)) {
		struct quic_stream *stream = rb_entry(node, struct quic_stream, node);

		if (stream->has_send)
			bytes += stream->send.ranges.end - stream->send.ranges.next;
	}
	return bytes;
}

/**
 * quic_sock_ioctl() - ioctl(2): how much is queued, else what any IP socket answers
 * @sock: socket
 * @cmd:  request
 * @arg:  user pointer
 *
 * Return: 0, or a negative errno.
 */
int quic_sock_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	int value = 0;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		break;
	default:
		return sk->sk_family == AF_INET6 ? inet6_ioctl(sock, cmd, arg) :
						   inet_ioctl(sock, cmd, arg);
	}

	lock_sock(sk);
	if (sk->sk_state == TCP_LISTEN)
		value = -EINVAL;
	else if (cmd == SIOCINQ)
		value = sk_rmem_alloc_get(sk);
	else if (cmd == SIOCOUTQ)
		value = sk->sk_wmem_queued;
	else
		value = min_t(u64, quic_sock_unsent(qs), INT_MAX);
	release_sock(sk);
	return value < 0 ? value : put_user(value, (int __user *)arg);
}

/**
 * quic_sock_module_init() - what sockets need of the module
 *
 * Return: 0, or -ENOMEM.
 */
int __init quic_sock_module_init(void)
{
	quic_wq = alloc_workqueue("quic_workqueue", WQ_UNBOUND, 0);
	return quic_wq ? 0 : -ENOMEM;
}

/**
 * quic_sock_module_exit() - undo quic_sock_module_init(); waits for work that runs
 */
void quic_sock_module_exit(void)
{
	destroy_workqueue(quic_wq);
}
