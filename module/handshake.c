// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What crosses the user boundary for the TLS handshake: traffic secrets,
 * transport parameters as TLS carries them, the session ticket; and key updates,
 * which start from those secrets. TLS itself is user space's.
 */
#include <linux/tls.h>

#include "net.h"
#include "restart.h"
#include "sock.h"
#include "undecryptable.h"
#include "validate.h"

#include <trace/events/quic.h>

/* The resumption data and token of the last connection have done their work. */
static void quic_handshake_drop_ticket(struct quic_sock *qs)
{
	kfree_sensitive(qs->ticket);
	qs->ticket = NULL;
	qs->ticket_len = 0;
	qs->has_ticket = false;
	quic_restart_drop_token(qs);
}

/* Derives what is missing of the next generation of 1-RTT keys; the old ones stay on error. */
static int quic_handshake_next_keys(struct quic_sock *qs)
{
	u32 version = qs->conn.version;
	struct quic_key *key;

	if (!qs->tx_next && qs->tx_key[QUIC_CRYPTO_APP]) {
		key = quic_key_update(version, &qs->tx_secret, qs->tx_key[QUIC_CRYPTO_APP]);
		if (IS_ERR(key))
			return PTR_ERR(key);
		qs->tx_next = key;
	}
	if (!qs->rx_next && qs->rx_key[QUIC_CRYPTO_APP]) {
		key = quic_key_update(version, &qs->rx_secret, qs->rx_key[QUIC_CRYPTO_APP]);
		if (IS_ERR(key))
			return PTR_ERR(key);
		qs->rx_next = key;
	}
	return 0;
}

/**
 * quic_handshake_key_work() - derive the keys that come after the current ones
 * @work: quic_sock.key_work; holds a reference to the socket
 *
 * Process context, queued whenever softirq has used up the next generation.
 */
void quic_handshake_key_work(struct work_struct *work)
{
	struct quic_sock *qs = container_of(work, struct quic_sock, key_work);
	struct sock *sk = quic_sock_sk(qs);

	lock_sock(sk);
	/* On failure no update is possible until the next attempt; the peer must wait. */
	if (quic_conn_is_open(&qs->conn)) {
		quic_handshake_next_keys(qs);
		quic_undecryptable_resume(qs);
		quic_sock_settle(qs);
	}
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_handshake_update_keys() - start a key update
 * @qs: locked, ESTABLISHED
 *
 * RFC 9001, section 6.1.
 *
 * Return: 0; -EINVAL: the previous one is not finished.
 */
int quic_handshake_update_keys(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	int err;

	if (!quic_key_phase_may_update(&conn->key_phase, conn->confirmed, quic_sock_now()))
		return -EINVAL;
	err = quic_handshake_next_keys(qs);
	return err ?: quic_conn_update_keys(conn, quic_sock_now());
}

/* Both 1-RTT secrets are there: uapi.md, section 4.6. */
static int quic_handshake_complete(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	int err;

	if (conn->is_server)
		quic_validate_new_token(qs);
	err = quic_handshake_next_keys(qs);
	if (!err)
		err = quic_conn_complete(conn, quic_sock_now());
	if (err) {
		quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_INTERNAL, 0, "completion");
		return err;
	}
	quic_sock_set_state(quic_sock_sk(qs), TCP_ESTABLISHED);
	return 0;
}

static void quic_handshake_install(struct quic_sock *qs, bool send, u8 level, struct quic_key *key,
				   const struct quic_secret *secret)
{
	struct quic_key **slot = send ? &qs->tx_key[level] : &qs->rx_key[level];

	quic_key_free(*slot);
	*slot = key;
	trace_quic_key_updated(&qs->conn, level, send, QUIC_KEY_BY_TLS);
	if (level == QUIC_CRYPTO_APP) {
		if (send)
			qs->tx_secret = *secret;
		else
			qs->rx_secret = *secret;
	}
	if (send) {
		quic_conn_on_tx_key(&qs->conn, level, key->cipher);
	} else {
		if (level == QUIC_CRYPTO_APP)
			quic_handshake_drop_ticket(qs);
		quic_conn_on_rx_key(&qs->conn, level, key->cipher);
	}
}

/**
 * quic_handshake_set_secret() - install a traffic secret
 * @qs:   locked
 * @info: what the user gave; wiped by the caller
 *
 * Return: 0, or a negative errno: uapi.md, section 4.3.
 */
int quic_handshake_set_secret(struct quic_sock *qs, struct quic_crypto_secret *info)
{
	const u8 both = BIT(QUIC_CRYPTO_APP);
	struct quic_conn *conn = &qs->conn;
	struct quic_secret secret = {};
	struct quic_key *other, *key;
	bool send = info->send;
	u8 level = info->level;
	bool completes;
	int err = 0;

	if (quic_sock_sk(qs)->sk_state != TCP_SYN_RECV)
		return -EINVAL;
	if (level != QUIC_CRYPTO_APP && level != QUIC_CRYPTO_HANDSHAKE &&
	    level != QUIC_CRYPTO_EARLY)
		return -EINVAL;
	if (!quic_cipher_is_supported(info->type))
		return -EINVAL;

	/* The first secret of a level decides for both directions. */
	other = send ? qs->rx_key[level] : qs->tx_key[level];
	secret.cipher = other ? other->cipher : info->type;
	secret.len = quic_cipher_secret_len(secret.cipher);
	memcpy(secret.data, info->secret, secret.len);
	key = quic_key_create(quic_conn_level_version(conn, level), &secret);
	if (IS_ERR(key)) {
		err = PTR_ERR(key);
		goto wipe;
	}
	quic_handshake_install(qs, send, level, key, &secret);

	completes = conn->state == QUIC_CONN_HANDSHAKE && (conn->tx_keys & conn->rx_keys & both);
	if (completes)
		err = quic_handshake_complete(qs);
	/* What waited for this key, or, whichever key was the last, for the end of the handshake. */
	if (!err && (!send || completes))
		quic_undecryptable_resume(qs);
	if (!err && !send && !quic_conn_is_open(conn))
		err = -EPIPE;
wipe:
	memzero_explicit(&secret, sizeof(secret));
	return err;
}

/**
 * quic_handshake_set_params() - the peer's transport parameters arrived
 * @qs:   locked
 * @data: body of the TLS extension
 * @len:  its length
 *
 * Return: 0; -EINVAL, -EPROTONOSUPPORT: the connection is closed, too, unless
 * the state was wrong. uapi.md, section 4.5.
 */
int quic_handshake_set_params(struct quic_sock *qs, const u8 *data, u32 len)
{
	struct quic_conn *conn = &qs->conn;
	u32 version = conn->version;
	int err;

	if (quic_sock_sk(qs)->sk_state != TCP_SYN_RECV)
		return -EINVAL;
	err = quic_conn_set_remote_params(conn, data, len);
	if (!err && conn->version != version && conn->is_server) {
		err = quic_restart_switch(qs);
		if (err)
			quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_INTERNAL, 0, "version switch");
		return err;
	}
	if (!err) {
		/* Writers that had no credit have some now. */
		conn->todo |= QUIC_TODO_WAKE_WRITE;
		return 0;
	}
	if (err == -ENOMEM)
		return err;
	if (conn->close.code == QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION)
		return -EPROTONOSUPPORT;
	return -EINVAL;
}

/**
 * quic_handshake_get_params() - our transport parameters as TLS carries them
 * @qs:   locked
 * @data: where to
 * @size: room there
 *
 * Return: length, or a negative errno.
 */
int quic_handshake_get_params(struct quic_sock *qs, u8 *data, u32 size)
{
	struct quic_writer w;
	int err;

	if (quic_sock_sk(qs)->sk_state != TCP_SYN_RECV)
		return -EINVAL;
	quic_writer_init(&w, data, size);
	err = quic_conn_encode_params(&qs->conn, &w);
	return err < 0 ? err : quic_writer_used(&w);
}

/* Length of the TLS message that the ticket buffer starts with, header included; 0: not known yet. */
static u32 quic_handshake_message_len(const struct quic_sock *qs)
{
	if (qs->ticket_len < 4)
		return 0;
	return 4 + (qs->ticket[1] << 16 | qs->ticket[2] << 8 | qs->ticket[3]);
}

/**
 * quic_handshake_on_post_message() - CRYPTO data after the handshake
 * @qs:    locked
 * @chunk: bytes in order, taken over
 *
 * The first TLS message, the session ticket, is kept and reported; what follows
 * is of no use. uapi.md, section 4.7.
 */
void quic_handshake_on_post_message(struct quic_sock *qs, struct quic_recv_chunk *chunk)
{
	u32 len;

	if (qs->has_ticket || chunk->rx.offset != qs->ticket_len ||
	    qs->ticket_len == QUIC_TICKET_MAX)
		goto free;
	if (!qs->ticket)
		qs->ticket = kmalloc(QUIC_TICKET_MAX, GFP_ATOMIC);
	if (!qs->ticket)
		goto free;
	len = min_t(u32, chunk->rx.len, QUIC_TICKET_MAX - qs->ticket_len);
	memcpy(qs->ticket + qs->ticket_len, chunk->rx.data, len);
	qs->ticket_len += len;
	len = quic_handshake_message_len(qs);
	if (len && len <= qs->ticket_len) {
		if (!qs->conn.is_server && !quic_tls_ticket_is_ok(qs->ticket, len)) {
			quic_conn_fail(&qs->conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				       QUIC_FRAME_CRYPTO, "limit on early data");
			goto free;
		}
		qs->has_ticket = true;
		quic_event_queue(qs, QUIC_EVENT_NEW_SESSION_TICKET, qs->ticket, len);
	}
free:
	quic_recv_chunk_free(chunk);
}
