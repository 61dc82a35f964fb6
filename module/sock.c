// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a QUIC socket: birth, states, opening its connection, death. Its
 * end from the user's side is sock_close.c's, calls that only look at it are
 * sock_query.c's; what a batch of changes leads to is for settle.c.
 */
#include <linux/tls.h>
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
	quic_postponed_init(qs);
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
	quic_postponed_purge(qs);
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
