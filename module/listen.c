// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listening sockets: the requests that datagrams make in softirq, until accept.c
 * turns them into connections. Requests have a lock of their own, so a process
 * that is in the middle of accept() keeps no datagram out.
 */
#include <linux/jhash.h>

#include "demux.h"
#include "drop.h"
#include "net.h"
#include "sock.h"
#include "token.h"
#include "validate.h"

#define QUIC_REQUEST_BUCKETS	256
#define QUIC_REQUEST_SIZE	4096	/* memory of a client's first datagram, about */

/* Half-open connections of one source address, while addresses are validated. */
#define QUIC_REQUESTS_PER_ADDRESS	16

static struct hlist_head *quic_request_bucket(struct quic_sock *qs, const struct quic_cid *dcid,
					      const union quic_addr *peer)
{
	u32 hash = jhash(dcid->data, dcid->len, quic_addr_hash(peer, qs->request_seed));

	return &qs->request_hash[hash % QUIC_REQUEST_BUCKETS];
}

/* By address without port. */
static struct hlist_head *quic_request_source(struct quic_sock *qs, const union quic_addr *peer)
{
	union quic_addr addr = *peer;

	quic_addr_set_port(&addr, 0);
	return &qs->request_hash[QUIC_REQUEST_BUCKETS +
				 quic_addr_hash(&addr, qs->request_seed) % QUIC_REQUEST_BUCKETS];
}

static bool quic_request_is_from(const struct quic_request *req, const union quic_addr *peer)
{
	union quic_addr addr = *peer;

	quic_addr_set_port(&addr, quic_addr_port(&req->peer));
	return quic_addr_equal(&req->peer, &addr);
}

/* requests_lock held. Has one source address its share of the queue? */
static bool quic_request_has_enough(struct quic_sock *qs, const union quic_addr *peer)
{
	struct quic_request *req;
	u32 n = 0;

	hlist_for_each_entry(req, quic_request_source(qs, peer), by_source)
		if (quic_request_is_from(req, peer) && ++n >= QUIC_REQUESTS_PER_ADDRESS)
			return true;
	return false;
}

/* requests_lock held. */
static struct quic_request *quic_request_find(struct quic_sock *qs, const struct quic_cid *dcid,
					      const union quic_addr *local,
					      const union quic_addr *peer)
{
	struct quic_request *req;

	hlist_for_each_entry(req, quic_request_bucket(qs, dcid, peer), node) {
		if (quic_cid_equal(&req->dcid, dcid) && quic_addr_equal(&req->peer, peer) &&
		    quic_addr_equal(&req->local, local))
			return req;
	}
	return NULL;
}

/**
 * quic_request_free() - a request that is in no table is over
 * @req: request
 */
void quic_request_free(struct quic_request *req)
{
	__skb_queue_purge(&req->queue);
	kfree(req);
}

/*
 * What all requests of a listener may hold: its receive buffer, or a datagram for each place in
 * the queue. Nobody has proven an address yet, so it must not grow with the number of requests.
 */
static u32 quic_requests_limit(const struct sock *sk)
{
	return max_t(u64, READ_ONCE(sk->sk_rcvbuf),
		     (READ_ONCE(sk->sk_max_ack_backlog) + 1ULL) * QUIC_REQUEST_SIZE);
}

/* requests_lock held. Takes @skb over if it fits. */
static bool quic_request_store(struct quic_sock *qs, struct quic_request *req,
			       struct sk_buff *skb)
{
	struct sock *sk = quic_sock_sk(qs);

	if (req->bytes + skb->truesize > READ_ONCE(sk->sk_rcvbuf) ||
	    (u64)qs->request_bytes + skb->truesize > quic_requests_limit(sk))
		return false;
	/* It may lie here for long: let go of what it came from. */
	skb_orphan(skb);
	skb_dst_drop(skb);
	skb->dev = NULL;
	req->bytes += skb->truesize;
	qs->request_bytes += skb->truesize;
	__skb_queue_tail(&req->queue, skb);
	return true;
}

/* requests_lock held. */
static struct quic_request *quic_request_new(struct quic_sock *qs, const struct quic_header *hdr,
					     const union quic_addr *local,
					     const union quic_addr *peer,
					     const struct quic_validation *validation)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_request *req;

	req = kzalloc(sizeof(*req), GFP_ATOMIC);
	if (!req)
		return NULL;
	req->local = *local;
	req->peer = *peer;
	req->dcid = hdr->dcid;
	req->scid = hdr->scid;
	req->original = validation->original;
	req->version = hdr->version;
	req->validated = validation->is_valid;
	req->has_retry = validation->has_retry;
	__skb_queue_head_init(&req->queue);
	list_add_tail(&req->list, &qs->requests);
	hlist_add_head(&req->node, quic_request_bucket(qs, &req->dcid, peer));
	hlist_add_head(&req->by_source, quic_request_source(qs, peer));
	WRITE_ONCE(qs->nr_requests, qs->nr_requests + 1);
	sk_acceptq_added(sk);
	return req;
}

/* requests_lock held. 0-RTT packets that came before the request. */
static void quic_request_claim(struct quic_sock *qs, struct quic_request *req)
{
	struct sk_buff *skb;

	while ((skb = quic_early_next(qs, req)))
		if (!quic_request_store(qs, req, skb))
			kfree_skb(skb);
}

/**
 * quic_request_take() - take the oldest request off the queue
 * @qs: listener, locked
 *
 * It stays in the hash, so that datagrams still reach it until the connection can be found.
 *
 * Return: the request, or NULL.
 */
struct quic_request *quic_request_take(struct quic_sock *qs)
{
	struct quic_request *req;

	spin_lock_bh(&qs->requests_lock);
	req = list_first_entry_or_null(&qs->requests, struct quic_request, list);
	if (req) {
		list_del(&req->list);
		hlist_del(&req->by_source);
		WRITE_ONCE(qs->nr_requests, qs->nr_requests - 1);
		sk_acceptq_removed(quic_sock_sk(qs));
	}
	spin_unlock_bh(&qs->requests_lock);
	return req;
}

/**
 * quic_request_unhash() - no datagram shall reach a request any more
 * @qs:  listener, locked
 * @req: taken by quic_request_take()
 */
void quic_request_unhash(struct quic_sock *qs, struct quic_request *req)
{
	spin_lock_bh(&qs->requests_lock);
	hlist_del_init(&req->node);
	qs->request_bytes -= req->bytes;
	spin_unlock_bh(&qs->requests_lock);
}

/* The size of the first datagram of what may be an aggregate of them. */
static u32 quic_listen_datagram_len(const struct sk_buff *skb)
{
	return skb_is_gso(skb) ? min_t(u32, skb_shinfo(skb)->gso_size, skb->len) : skb->len;
}

static bool quic_listen_is_initial(const struct quic_header *hdr, u32 len)
{
	return hdr->type == QUIC_PACKET_INITIAL && hdr->dcid.len >= QUIC_INITIAL_MIN_DCID &&
	       /* RFC 9000, section 14.1. */
	       len >= QUIC_INITIAL_MIN_SIZE;
}

/* A datagram for a connection that waits, or may soon. Takes @skb over if it has room. */
static bool quic_listen_join(struct quic_sock *listener, struct sk_buff *skb,
			     const struct quic_header *hdr, const union quic_addr *local,
			     const union quic_addr *peer, bool *is_waiting)
{
	struct quic_request *req = NULL;
	bool is_stored = false;

	spin_lock_bh(&listener->requests_lock);
	if (listener->request_hash)
		req = quic_request_find(listener, &hdr->dcid, local, peer);
	if (req)
		is_stored = quic_request_store(listener, req, skb);
	else if (listener->request_hash && hdr->type == QUIC_PACKET_0RTT &&
		 hdr->dcid.len >= QUIC_INITIAL_MIN_DCID)
		is_stored = quic_early_keep(listener, skb, quic_sock_now());
	spin_unlock_bh(&listener->requests_lock);
	*is_waiting = req;
	return is_stored;
}

/* A client that may come in. Takes @skb over if it has room. */
static bool quic_listen_admit(struct quic_sock *listener, struct sk_buff *skb,
			      const struct quic_header *hdr, const union quic_addr *local,
			      const union quic_addr *peer,
			      const struct quic_validation *validation, bool *is_full)
{
	struct sock *sk = quic_sock_sk(listener);
	bool is_stored = false, is_new = false;
	struct quic_request *req;

	*is_full = false;
	spin_lock_bh(&listener->requests_lock);
	if (!listener->request_hash)
		goto unlock;
	/* Another processor may have let it in meanwhile. */
	req = quic_request_find(listener, &hdr->dcid, local, peer);
	if (!req) {
		*is_full = sk_acceptq_is_full(sk);
		if (*is_full || skb->truesize > READ_ONCE(sk->sk_rcvbuf) ||
		    (u64)listener->request_bytes + skb->truesize > quic_requests_limit(sk) ||
		    (validation->retry_mode && quic_request_has_enough(listener, peer)))
			goto unlock;
		req = quic_request_new(listener, hdr, local, peer, validation);
		is_new = req;
	}
	if (req)
		is_stored = quic_request_store(listener, req, skb);
	if (is_new)
		quic_request_claim(listener, req);
unlock:
	spin_unlock_bh(&listener->requests_lock);
	return is_stored;
}

/**
 * quic_listen_receive() - a datagram of no connection reached a listener
 * @listener: found by address, held
 * @udp:      socket it came in on
 * @skb:      datagram or GRO aggregate, taken over
 * @hdr:      header of its first packet, a supported version
 *
 * Softirq, under RCU. uapi.md, section 2.6.
 */
void quic_listen_receive(struct quic_sock *listener, struct quic_udp *udp, struct sk_buff *skb,
			 const struct quic_header *hdr)
{
	enum quic_drop_reason reason = QUIC_DROP_FIXED_BIT;
	struct sock *sk = quic_sock_sk(listener);
	struct quic_validation validation;
	union quic_addr local, peer;
	bool is_waiting, is_full;

	/* RFC 9287, section 3 #2: clients may know from a connection before. */
	if (!(hdr->first & QUIC_HEADER_FIXED_BIT) && !READ_ONCE(listener->params.grease_quic_bit))
		goto drop;
	quic_addr_from_skb(skb, &local, &peer);
	if (quic_listen_join(listener, skb, hdr, &local, &peer, &is_waiting))
		return;
	reason = QUIC_DROP_LISTENER_FULL;
	if (is_waiting)
		goto drop;
	reason = QUIC_DROP_NO_CONNECTION;
	if (!quic_listen_is_initial(hdr, quic_listen_datagram_len(skb)))
		goto drop;
	reason = QUIC_DROP_VALIDATION;
	if (!quic_validate_initial(listener, udp, hdr, &local, &peer, &validation))
		goto drop;
	reason = QUIC_DROP_LISTENER_FULL;
	if (quic_listen_admit(listener, skb, hdr, &local, &peer, &validation, &is_full)) {
		sk->sk_data_ready(sk);
		return;
	}
	if (is_full)
		quic_validate_refuse(udp, hdr, &local, &peer,
				     QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED);
drop:
	quic_drop_skb(sock_net(sk), skb, reason);
}

/**
 * quic_listen_has_request() - is there something to accept?
 * @qs: listener
 *
 * Return: true if so.
 */
bool quic_listen_has_request(struct quic_sock *qs)
{
	return !list_empty_careful(&qs->requests);
}

/**
 * quic_listen_knows() - does a client wait here already?
 * @qs:    listener
 * @dcid:  connection ID of its datagram
 * @local: where that went
 * @peer:  where it came from
 *
 * Return: true if so.
 */
bool quic_listen_knows(struct quic_sock *qs, const struct quic_cid *dcid,
		       const union quic_addr *local, const union quic_addr *peer)
{
	bool found;

	spin_lock_bh(&qs->requests_lock);
	found = qs->request_hash && quic_request_find(qs, dcid, local, peer);
	spin_unlock_bh(&qs->requests_lock);
	return found;
}

static int quic_listen_start(struct quic_sock *qs, int backlog)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_tokens *tokens;
	struct hlist_head *hash;
	union quic_addr addr;
	int err;

	if (!qs->is_bound) {
		quic_addr_set_any(&addr, sk->sk_family);
		quic_addr_set_port(&addr, 0);
		err = quic_sock_bind(qs, &addr);
		if (err)
			return err;
	}
	/* One half by connection ID, the other by source address. */
	hash = kcalloc(2 * QUIC_REQUEST_BUCKETS, sizeof(*hash), GFP_KERNEL);
	if (!hash)
		return -ENOMEM;
	tokens = quic_tokens_create(qs->secret, sizeof(qs->secret));
	if (IS_ERR(tokens)) {
		kfree(hash);
		return PTR_ERR(tokens);
	}

	spin_lock_bh(&qs->requests_lock);
	rcu_assign_pointer(qs->tokens, tokens);
	qs->request_seed = get_random_u32();
	qs->request_hash = hash;
	sk->sk_max_ack_backlog = backlog;
	sk->sk_ack_backlog = 0;
	qs->nr_requests = 0;
	qs->request_bytes = 0;
	spin_unlock_bh(&qs->requests_lock);

	/* poll() and accept() go by the state, datagrams by the table. */
	err = quic_demux_add_listener(qs);
	if (err) {
		spin_lock_bh(&qs->requests_lock);
		qs->request_hash = NULL;
		rcu_assign_pointer(qs->tokens, NULL);
		spin_unlock_bh(&qs->requests_lock);
		quic_tokens_put(tokens);
		kfree(hash);
		return err;
	}
	quic_sock_set_state(sk, TCP_LISTEN);
	return 0;
}

/**
 * quic_listen_stop() - no longer listen; pending requests are dropped silently
 * @qs: locked listener; it stays bound
 */
void quic_listen_stop(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_request *req, *next;
	struct quic_tokens *tokens;
	struct hlist_head *hash;
	LIST_HEAD(requests);

	quic_demux_del_listener(qs);
	spin_lock_bh(&qs->requests_lock);
	tokens = rcu_replace_pointer(qs->tokens, NULL, true);
	hash = qs->request_hash;
	qs->request_hash = NULL;
	list_splice_init(&qs->requests, &requests);
	list_for_each_entry(req, &requests, list)
		sk_acceptq_removed(sk);
	qs->nr_requests = 0;
	qs->request_bytes = 0;
	quic_early_purge(qs);
	spin_unlock_bh(&qs->requests_lock);

	list_for_each_entry_safe(req, next, &requests, list)
		quic_request_free(req);
	kfree(hash);
	quic_tokens_put(tokens);
	quic_sock_set_state(sk, TCP_CLOSE);
}

/**
 * quic_listen() - listen(2)
 * @sock:    socket
 * @backlog: how many may wait for accept(), less one; 0 stops listening
 *
 * Return: 0, or a negative errno: uapi.md, sections 2.2 and 2.6.
 */
int quic_listen(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	int err = -EINVAL;

	lock_sock(sk);
	if (sk->sk_state == TCP_LISTEN) {
		if (backlog > 0)
			WRITE_ONCE(sk->sk_max_ack_backlog, backlog);
		else
			quic_listen_stop(qs);
		err = 0;
	} else if (sk->sk_state == TCP_CLOSE && !qs->was_open && backlog > 0) {
		err = quic_listen_start(qs, backlog);
	}
	release_sock(sk);
	return err;
}
