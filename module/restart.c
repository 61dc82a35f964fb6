// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Initial keys that change while the handshake runs: a server answers with
 * Retry or Version Negotiation, or goes on in another version. Keys are made
 * in process context, so what asks for them waits for a work item. What it
 * means for the connection is in core/conn_restart.c and core/conn_version.c.
 */
#include "drop.h"
#include "net.h"
#include "restart.h"
#include "sock.h"
#include "undecryptable.h"

#define QUIC_RESTART_PACKETS	4	/* waiting for process context */
/* With it an Initial packet of 1200 bytes still has room for TLS. */
#define QUIC_RETRY_TOKEN_MAX	1000

/**
 * quic_restart_token() - what goes into the token field of a client's Initial packets
 * @qs:  locked
 * @len: result: its length, 0: none
 *
 * RFC 9000, sections 8.1.2 #1 and 8.1.3 #1.
 *
 * Return: the token.
 */
const u8 *quic_restart_token(const struct quic_sock *qs, u32 *len)
{
	if (qs->retry_token) {
		*len = qs->retry_token_len;
		return qs->retry_token;
	}
	*len = qs->token_len;
	return qs->token;
}

/**
 * quic_restart_drop_token() - tokens have done their work
 * @qs: locked
 *
 * That of a Retry packet is for one attempt only: RFC 9000, section 8.1.3 #2 #6.
 */
void quic_restart_drop_token(struct quic_sock *qs)
{
	kfree(qs->retry_token);
	qs->retry_token = NULL;
	qs->retry_token_len = 0;
	qs->token_len = 0;
}

static void quic_restart_queue(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);

	sock_hold(sk);
	if (!queue_work(quic_wq, &qs->restart_work))
		sock_put(sk);
}

/**
 * quic_restart_on_packet() - a Retry or Version Negotiation packet came
 * @qs:     locked
 * @packet: the packet
 * @hdr:    its header
 *
 * Return: true if it waits for process context.
 */
bool quic_restart_on_packet(struct quic_sock *qs, const u8 *packet, const struct quic_header *hdr)
{
	struct quic_conn *conn = &qs->conn;
	struct sk_buff *skb;

	if (hdr->type == QUIC_PACKET_RETRY ? !quic_conn_accepts_retry(conn, hdr) :
	    hdr->type != QUIC_PACKET_VERSION_NEGOTIATION ||
	    !quic_conn_accepts_version_negotiation(conn, hdr))
		return false;
	if (skb_queue_len(&qs->restart_packets) >= QUIC_RESTART_PACKETS)
		return false;
	skb = alloc_skb(hdr->packet_len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return false;
	skb_put_data(skb, packet, hdr->packet_len);
	__skb_queue_tail(&qs->restart_packets, skb);
	quic_restart_queue(qs);
	return true;
}

/* New Initial keys for both directions. */
static void quic_restart_install(struct quic_sock *qs, struct quic_key *tx, struct quic_key *rx)
{
	quic_key_free(qs->tx_key[QUIC_CRYPTO_INITIAL]);
	quic_key_free(qs->rx_key[QUIC_CRYPTO_INITIAL]);
	qs->tx_key[QUIC_CRYPTO_INITIAL] = tx;
	qs->rx_key[QUIC_CRYPTO_INITIAL] = rx;
}

/* RFC 9000, section 17.2.5.2 #3; RFC 9001, section 5.8. */
static bool quic_restart_is_genuine(struct quic_sock *qs, const struct sk_buff *skb,
				    const struct quic_header *hdr)
{
	u8 tag[QUIC_TAG_LEN];

	return !quic_retry_tag(hdr->version, &qs->conn.original_dcid, skb->data, hdr->pn_offset,
			       tag) &&
	       !memcmp(tag, skb->data + hdr->pn_offset, QUIC_TAG_LEN);
}

static int quic_restart_retry(struct quic_sock *qs, const struct sk_buff *skb,
			      const struct quic_header *hdr)
{
	struct quic_conn *conn = &qs->conn;
	struct quic_key *tx, *rx;
	u8 *token;
	int err;

	if (!quic_conn_accepts_retry(conn, hdr) || hdr->token_len > QUIC_RETRY_TOKEN_MAX ||
	    !quic_restart_is_genuine(qs, skb, hdr))
		return -EINVAL;
	token = kmemdup(hdr->token, hdr->token_len, GFP_KERNEL);
	if (!token)
		return -ENOMEM;
	/* RFC 9001, section 5.2 */
	err = quic_keys_initial(conn->version, &hdr->scid, false, &tx, &rx);
	if (err) {
		kfree(token);
		return err;
	}
	quic_restart_drop_token(qs);
	qs->retry_token = token;
	qs->retry_token_len = hdr->token_len;
	quic_restart_discard(qs);	/* of the other ID */
	quic_restart_install(qs, tx, rx);
	trace_quic_stateless_received(conn, hdr->type, hdr->version, &hdr->dcid, &hdr->scid, NULL,
				      0, skb->len);
	quic_conn_on_retry(conn, hdr, quic_sock_now());
	return 0;
}

static int quic_restart_version(struct quic_sock *qs, const struct sk_buff *skb,
				const struct quic_header *hdr)
{
	u32 version = quic_version_choose(hdr->token, hdr->token_len);
	struct quic_conn *conn = &qs->conn;
	struct quic_key *tx, *rx;
	int err;

	if (!quic_conn_accepts_version_negotiation(conn, hdr))
		return -EINVAL;
	if (version) {
		err = quic_keys_initial(version, &conn->original_dcid, false, &tx, &rx);
		if (err)
			return err;
		quic_restart_discard(qs);
		quic_restart_install(qs, tx, rx);
	}
	/* A token is good for one version: RFC 9369, section 5 #1. */
	quic_restart_drop_token(qs);
	trace_quic_stateless_received(conn, hdr->type, hdr->version, &hdr->dcid, &hdr->scid,
				      hdr->token, hdr->token_len, skb->len);
	quic_conn_on_version_negotiation(conn, hdr, quic_sock_now());
	return 0;
}

static void quic_restart_packet(struct quic_sock *qs, const struct sk_buff *skb)
{
	struct quic_header hdr;
	int err;

	err = quic_header_decode(skb->data, skb->len, QUIC_CID_LEN, &hdr);
	if (!err)
		err = hdr.type == QUIC_PACKET_RETRY ? quic_restart_retry(qs, skb, &hdr) :
						      quic_restart_version(qs, skb, &hdr);
	if (err)
		quic_drop_packet(qs, QUIC_DROP_TYPE, skb->len);
}

/**
 * quic_restart_want() - keys of another version are needed
 * @qs:      locked, a client
 * @version: one that quic_conn_version_use() calls QUIC_VERSION_OTHER
 *
 * Return: true if they will come, and the packets shall wait.
 */
bool quic_restart_want(struct quic_sock *qs, u32 version)
{
	if (qs->conn.is_server || qs->conn.version_settled)
		return false;
	if (qs->other_version != version) {
		qs->other_version = version;
		quic_restart_queue(qs);
	}
	return true;
}

static void quic_restart_make_other(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	struct quic_key *tx, *rx;

	if (quic_keys_initial(qs->other_version,
			      conn->has_retry ? &conn->retry_scid : &conn->original_dcid,
			      false, &tx, &rx)) {
		qs->other_version = 0;	/* the next packet asks again */
		return;
	}
	qs->other_tx = tx;
	qs->other_rx = rx;
	quic_undecryptable_resume(qs);
}

/**
 * quic_restart_work() - what needs process context
 * @work: quic_sock.restart_work; holds a reference to the socket
 */
void quic_restart_work(struct work_struct *work)
{
	struct quic_sock *qs = container_of(work, struct quic_sock, restart_work);
	struct sock *sk = quic_sock_sk(qs);
	struct sk_buff *skb;

	lock_sock(sk);
	while ((skb = __skb_dequeue(&qs->restart_packets))) {
		if (quic_conn_is_open(&qs->conn))
			quic_restart_packet(qs, skb);
		kfree_skb(skb);
	}
	if (quic_conn_is_open(&qs->conn) && qs->other_version && !qs->other_rx)
		quic_restart_make_other(qs);
	quic_sock_settle(qs);
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_restart_follow() - a packet was opened with the keys of the other version
 * @qs: locked
 *
 * If it is the server's choice, these keys become the current ones. RFC 9369, section 4.1.
 */
void quic_restart_follow(struct quic_sock *qs)
{
	struct quic_key *rx = qs->rx_key[QUIC_CRYPTO_INITIAL];

	if (!quic_conn_follow_version(&qs->conn, qs->other_version))
		return;
	quic_host_key_dispose(qs->tx_key[QUIC_CRYPTO_INITIAL]);
	qs->tx_key[QUIC_CRYPTO_INITIAL] = qs->other_tx;
	qs->rx_key[QUIC_CRYPTO_INITIAL] = qs->other_rx;
	qs->other_tx = NULL;
	qs->other_rx = rx;
	qs->other_version = qs->conn.original_version;
}

/**
 * quic_restart_switch() - a server has chosen another version than the client's first
 * @qs: locked, qs->conn.version is the new one
 *
 * What the client sent in the original version can still be received: RFC 9369, section 4.1 #5.
 *
 * Return: 0, or a negative errno.
 */
int quic_restart_switch(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	struct quic_key *tx, *rx;
	int err;

	/* RFC 9369, section 3.3.1; after Retry of its ID, whatever the version. */
	err = quic_keys_initial(conn->version,
				conn->has_retry ? &conn->retry_scid : &conn->original_dcid,
				true, &tx, &rx);
	if (err)
		return err;
	quic_restart_discard(qs);
	qs->other_rx = qs->rx_key[QUIC_CRYPTO_INITIAL];
	qs->other_version = conn->original_version;
	qs->rx_key[QUIC_CRYPTO_INITIAL] = NULL;
	quic_restart_install(qs, tx, rx);
	return 0;
}

/**
 * quic_restart_discard() - no key of another version any more
 * @qs: locked
 */
void quic_restart_discard(struct quic_sock *qs)
{
	quic_host_key_dispose(qs->other_tx);
	quic_host_key_dispose(qs->other_rx);
	qs->other_tx = NULL;
	qs->other_rx = NULL;
	qs->other_version = 0;
}
