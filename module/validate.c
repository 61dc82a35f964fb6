// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * May a client's first packet make a request? Its token is judged here, and
 * without a good one the client is told to come back with a Retry token where
 * the application wants that, or where requests pile up. No state is kept.
 * RFC 9000, section 8.1; uapi.md, section 4.10.
 */
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "sock.h"
#include "stateless.h"
#include "token.h"
#include "validate.h"

#define QUIC_REFUSALS_MAX	128	/* waiting for process context, on the host */

/* A refusal on its way to process context, where keys can be derived. */
struct quic_refusal {
	struct work_struct work;
	struct quic_udp *udp;
	union quic_addr local;
	union quic_addr peer;
	struct quic_header hdr;
	u64 code;
};

static atomic_t quic_refusals;

static void quic_refusal_work(struct work_struct *work)
{
	struct quic_refusal *refusal = container_of(work, struct quic_refusal, work);

	/* Best effort: the client tries again if it does not arrive. */
	quic_stateless_refuse(refusal->udp, &refusal->local, &refusal->peer, &refusal->hdr,
			      refusal->code);
	quic_udp_put(refusal->udp);
	kfree(refusal);
	atomic_dec(&quic_refusals);
}

/**
 * quic_validate_refuse() - tell a client that it gets no connection
 * @udp:   socket that its packet came in on
 * @hdr:   the packet's header
 * @local: where it went
 * @peer:  where it came from
 * @code:  QUIC_TRANSPORT_ERROR_*
 *
 * Any context. RFC 9000, sections 5.2.2 and 8.1.2.
 */
void quic_validate_refuse(struct quic_udp *udp, const struct quic_header *hdr,
			  const union quic_addr *local, const union quic_addr *peer, u64 code)
{
	struct quic_refusal *refusal;

	if (atomic_inc_return(&quic_refusals) > QUIC_REFUSALS_MAX)
		goto drop;
	refusal = kzalloc_obj(*refusal, GFP_ATOMIC);
	if (!refusal)
		goto drop;
	if (!refcount_inc_not_zero(&udp->refs)) {
		kfree(refusal);
		goto drop;
	}
	refusal->udp = udp;
	refusal->local = *local;
	refusal->peer = *peer;
	refusal->hdr = *hdr;
	refusal->hdr.token = NULL;	/* points into the packet */
	refusal->hdr.token_len = 0;
	refusal->code = code;
	INIT_WORK(&refusal->work, quic_refusal_work);
	queue_work(quic_wq, &refusal->work);
	return;

drop:
	atomic_dec(&quic_refusals);
}

/* The application asked for it, or half of the queue is taken: hardening against floods. */
static bool quic_validate_wants_retry(struct quic_sock *listener)
{
	const struct sock *sk = quic_sock_sk(listener);

	return READ_ONCE(listener->config.validate_peer_address) ||
	       2ULL * READ_ONCE(listener->nr_requests) > READ_ONCE(sk->sk_max_ack_backlog);
}

/**
 * quic_validate_initial() - judge the first packet of a client
 * @listener:   found by address
 * @udp:        socket it came in on
 * @hdr:        header of an Initial packet of acceptable form
 * @local:      where it went
 * @peer:       where it came from
 * @validation: result
 *
 * A token is always looked at: it may answer a Retry of a busier time. RFC 9000,
 * section 8.1.3 #7.
 *
 * Return: true if it may make a request.
 */
bool quic_validate_initial(struct quic_sock *listener, struct quic_udp *udp,
			   const struct quic_header *hdr, const union quic_addr *local,
			   const union quic_addr *peer, struct quic_validation *validation)
{
	struct quic_tokens *tokens = rcu_dereference(listener->tokens);
	struct quic_token_info info;
	int err = -EBADMSG;

	validation->is_valid = false;
	validation->has_retry = false;
	validation->retry_mode = quic_validate_wants_retry(listener);
	validation->original = hdr->dcid;
	if (!tokens)
		return false;	/* no longer listening */

	if (hdr->token_len) {
		err = quic_tokens_open(tokens, hdr->token, hdr->token_len, peer, hdr->version,
				       quic_sock_now(), &info);
		/* It was given for packets to one ID. */
		if (!err && info.kind == QUIC_TOKEN_RETRY &&
		    !quic_cid_equal(&info.retry, &hdr->dcid))
			err = -EACCES;
		if (!err) {
			validation->is_valid = true;
			validation->has_retry = info.kind == QUIC_TOKEN_RETRY;
			if (validation->has_retry)
				validation->original = info.original;
			return true;
		}
		/* It cannot be judged here and now: the client sends it again. */
		if (err == -EAGAIN || err == -ENOMEM)
			return false;
		/*
		 * The client takes no other Retry. One that we cannot read may be another server's;
		 * it counts for nothing unless we want one of ours. RFC 9000, section 8.1.2.
		 */
		if (hdr->token[0] == QUIC_TOKEN_RETRY &&
		    (err == -EACCES || (err == -EBADMSG && validation->retry_mode))) {
			quic_validate_refuse(udp, hdr, local, peer,
					     QUIC_TRANSPORT_ERROR_INVALID_TOKEN);
			return false;
		}
	}
	if (!validation->retry_mode)
		return true;
	quic_stateless_retry(udp, local, peer, hdr, tokens);
	return false;
}

/**
 * quic_validate_new_token() - give the client a token for its next connection
 * @qs: locked, accepted
 *
 * It goes out once the handshake is complete, and belongs to the version in use. RFC 9000, section
 * 8.1.3; RFC 9369, section 5.
 *
 * Return: 0; -EAGAIN: the one before is still on its way; or another negative errno.
 */
int quic_validate_new_token(struct quic_sock *qs)
{
	struct quic_tokens *tokens = rcu_dereference_protected(qs->tokens, true);
	struct quic_conn *conn = &qs->conn;
	struct quic_token_info info = {
		.kind = QUIC_TOKEN_REGULAR, .version = conn->version,
	};
	int len;

	BUILD_BUG_ON(sizeof(conn->new_token_data) < QUIC_TOKEN_SEALED_MAX);
	if (conn->new_token == QUIC_CONTROL_STALE || conn->new_token == QUIC_CONTROL_SENT)
		return -EAGAIN;
	len = quic_tokens_seal(tokens, &info, &quic_sock_route(qs)->peer, quic_sock_now(),
			       conn->new_token_data);
	if (len < 0)
		return len;
	conn->token_len = len;
	if (conn->state == QUIC_CONN_ESTABLISHED) {
		conn->new_token = QUIC_CONTROL_STALE;
		conn->todo |= QUIC_TODO_TX;
	}
	return 0;
}
