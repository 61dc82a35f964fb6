// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * accept(2): the oldest request of a listener becomes a connection, on a socket
 * with all that the listener's children inherit.
 */
#include <net/ipv6.h>

#include "demux.h"
#include "net.h"
#include "sock.h"
#include "token.h"

/* Waits for a request; the socket lock is dropped meanwhile. */
static int quic_accept_wait(struct sock *sk, long timeo)
{
	struct quic_sock *qs = quic_sk(sk);
	DEFINE_WAIT(wait);
	int err = 0;

	for (;;) {
		prepare_to_wait_exclusive(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
		if (sk->sk_state != TCP_LISTEN)
			err = -EINVAL;
		else if (quic_listen_has_request(qs))
			break;
		else
			err = quic_wait_error(timeo);
		if (err)
			break;
		release_sock(sk);
		timeo = schedule_timeout(timeo);
		lock_sock(sk);
	}
	finish_wait(sk_sleep(sk), &wait);
	return err;
}

#if IS_ENABLED(CONFIG_IPV6)
static void quic_accept_inherit_v6(struct sock *sk, struct sock *child)
{
	struct ipv6_pinfo *np = &((struct quic6_sock *)child)->inet6;

	inet_sk(child)->pinet6 = np;
	np->hop_limit = -1;
	np->mcast_hops = IPV6_DEFAULT_MCASTHOPS;
	np->pmtudisc = inet6_sk(sk)->pmtudisc;
}
#else
static void quic_accept_inherit_v6(struct sock *sk, struct sock *child)
{
}
#endif

/* A socket with all that uapi.md, section 2.7, lets it inherit. Both are locked or private. */
static struct sock *quic_accept_child(struct sock *sk, bool kern)
{
	struct quic_sock *qs = quic_sk(sk), *child_qs;
	struct inet_sock *inet;
	struct sock *child;

	child = sk_alloc(sock_net(sk), sk->sk_family, GFP_KERNEL, sk->sk_prot, kern);
	if (!child)
		return NULL;
	sock_init_data(NULL, child);
	child->sk_type = sk->sk_type;
	child->sk_protocol = sk->sk_protocol;
	child->sk_destruct = sk->sk_destruct;
	child->sk_backlog_rcv = sk->sk_prot->backlog_rcv;
	child->sk_bound_dev_if = sk->sk_bound_dev_if;
	child->sk_lingertime = sk->sk_lingertime;
	child->sk_rcvtimeo = sk->sk_rcvtimeo;
	child->sk_sndtimeo = sk->sk_sndtimeo;
	child->sk_flags = sk->sk_flags;
	if (child->sk_flags & SK_FLAGS_TIMESTAMP)
		net_enable_timestamp();

	inet = inet_sk(child);
	inet->uc_ttl = -1;
	inet->pmtudisc = inet_sk(sk)->pmtudisc;
	if (sk->sk_family == AF_INET6)
		quic_accept_inherit_v6(sk, child);

	if (sk->sk_prot->init(child)) {
		sk_free(child);
		return NULL;
	}
	/* After init(), which sets defaults. */
	child->sk_sndbuf = sk->sk_sndbuf;
	child_qs = quic_sk(child);
	child_qs->is_accepted = true;
	child_qs->params = qs->params;
	child_qs->config = qs->config;
	child_qs->events = qs->events;
	child_qs->alpn_len = qs->alpn_len;
	memcpy(child_qs->alpn, qs->alpn, sizeof(child_qs->alpn));
	memcpy(child_qs->secret, qs->secret, sizeof(child_qs->secret));
	rcu_assign_pointer(child_qs->tokens,
			   quic_tokens_get(rcu_dereference_protected(qs->tokens, true)));
	WRITE_ONCE(child->sk_rcvbuf, min_t(u64, 4 * child_qs->params.max_data, INT_MAX));

	refcount_inc(&qs->route[0].udp->refs);
	child_qs->route[0].udp = qs->route[0].udp;
	child_qs->is_bound = true;
	return child;
}

/* Never attached to a file: ends it like close() does. */
static void quic_accept_discard(struct sock *child)
{
	sock_hold(child);
	lock_sock(child);
	quic_conn_drop(&quic_sk(child)->conn);
	quic_sock_set_state(child, TCP_CLOSE);
	sock_orphan(child);
	quic_sock_done(child);
	release_sock(child);
	sock_put(child);
}

/* Opens @child's connection for @req; @child is locked. */
static int quic_accept_open(struct sock *child, const struct quic_request *req)
{
	struct quic_sock *qs = quic_sk(child);
	struct quic_conn_open args = {
		.is_server = true,
		.validated = req->validated,
		.has_retry = req->has_retry,
		.version = req->version,
		.remote = req->scid,
		.original = req->original,
		.retry_scid = req->dcid,
	};
	int err;

	qs->bound = req->local;
	qs->route[0].local = req->local;
	qs->route[0].peer = req->peer;
	qs->peer = req->peer;
	quic_sock_publish_local(child, &req->local);
	quic_sock_publish_peer(child, &req->peer);

	err = quic_udp_route(qs, &qs->route[0]);
	if (err)
		return err;
	err = quic_sock_open(qs, &args);
	if (err)
		return err;
	return quic_demux_add_cid(qs, &req->dcid);
}

/* Makes the request unfindable and hands its datagrams to the connection. */
static void quic_accept_feed(struct quic_sock *listener, struct quic_request *req,
			     struct sock *child)
{
	struct sk_buff *skb;

	quic_request_unhash(listener, req);
	if (!child)
		return;
	while ((skb = __skb_dequeue(&req->queue)))
		quic_input(quic_sk(child), skb);
	quic_sock_settle(quic_sk(child));
}

/*
 * Turns @req into a socket. -EEXIST: somebody else uses the client's connection
 * ID, or the request is a late copy of one that was accepted.
 */
static struct sock *quic_accept_request(struct sock *sk, struct quic_request *req, bool kern)
{
	struct quic_sock *qs = quic_sk(sk);
	struct sock *child;
	int err;

	child = quic_accept_child(sk, kern);
	if (!child) {
		quic_accept_feed(qs, req, NULL);
		return ERR_PTR(-ENOMEM);
	}
	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	err = quic_accept_open(child, req);
	if (err) {
		quic_accept_feed(qs, req, NULL);
		release_sock(child);
		quic_accept_discard(child);
		return ERR_PTR(err);
	}
	quic_sock_set_state(child, TCP_SYN_RECV);
	quic_accept_feed(qs, req, child);
	release_sock(child);
	return child;
}

/**
 * quic_accept() - accept(2): the oldest request becomes a socket
 * @sk:  listener
 * @arg: flags in, error out
 *
 * Return: the new socket, in ESTABLISHING, or NULL.
 */
struct sock *quic_accept(struct sock *sk, struct proto_accept_arg *arg)
{
	struct sock *child = NULL;
	struct quic_request *req;
	long timeo;

	lock_sock(sk);
	timeo = sock_rcvtimeo(sk, arg->flags & O_NONBLOCK);
	do {
		arg->err = quic_accept_wait(sk, timeo);
		if (arg->err)
			break;
		req = quic_request_take(quic_sk(sk));
		if (!req)
			continue;
		child = quic_accept_request(sk, req, arg->kern);
		quic_request_free(req);
		if (IS_ERR(child)) {
			arg->err = PTR_ERR(child);
			child = NULL;
		}
	} while (!child && (!arg->err || arg->err == -EEXIST));
	release_sock(sk);
	return child;
}
