// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Socket options that serve the TLS handshake in user space: token, ALPN,
 * session ticket, secrets, encoded transport parameters. uapi.md, sections 4
 * and 5.11 to 5.15.
 */
#include <linux/tls.h>

#include "alpn.h"
#include "restart.h"
#include "sockopt.h"
#include "validate.h"

#include <trace/events/quic.h>

#define QUIC_TICKET_KEY_LEN	64

static bool quic_sock_is_server(const struct quic_sock *qs)
{
	return qs->is_accepted || qs->inet.sk.sk_state == TCP_LISTEN;
}

/**
 * quic_set_token() - set QUIC_SOCKOPT_TOKEN
 * @qs:   locked
 * @data: client: the token for its Initial packets
 * @len:  its length
 *
 * A server sends a token of its own making.
 *
 * Return: 0, or a negative errno.
 */
int quic_set_token(struct quic_sock *qs, void *data, u32 len)
{
	if (quic_sock_is_server(qs)) {
		if (quic_sock_sk(qs)->sk_state != TCP_ESTABLISHED)
			return -EINVAL;
		return quic_validate_new_token(qs);
	}
	if (!len || len > QUIC_TOKEN_MAX)
		return -EINVAL;
	memcpy(qs->token, data, len);
	qs->token_len = len;
	return 0;
}

/**
 * quic_get_token() - get QUIC_SOCKOPT_TOKEN
 * @qs:   locked
 * @data: QUIC_OPTION_MAX bytes
 * @len:  result
 *
 * That it fails is how libquic knows a server.
 *
 * Return: 0, or -EINVAL on a server.
 */
int quic_get_token(struct quic_sock *qs, void *data, u32 *len)
{
	const u8 *token;

	if (quic_sock_is_server(qs))
		return -EINVAL;
	token = quic_restart_token(qs, len);
	memcpy(data, token, *len);
	return 0;
}

/**
 * quic_set_alpn() - set QUIC_SOCKOPT_ALPN
 * @qs:   locked
 * @data: list, uapi.md, section 4.11
 * @len:  its length
 *
 * Return: 0, or -EINVAL.
 */
int quic_set_alpn(struct quic_sock *qs, void *data, u32 len)
{
	int err;

	if (quic_sock_sk(qs)->sk_state == TCP_LISTEN)
		return -EINVAL;
	err = quic_alpn_parse(data, len, qs->alpn, &qs->alpn_len);
	if (!err && qs->conn.state != QUIC_CONN_IDLE)
		trace_quic_alpn(&qs->conn);
	return err;
}

/**
 * quic_get_alpn() - get QUIC_SOCKOPT_ALPN
 * @qs:   locked
 * @data: QUIC_OPTION_MAX bytes
 * @len:  result
 *
 * Return: 0.
 */
int quic_get_alpn(struct quic_sock *qs, void *data, u32 *len)
{
	memcpy(data, qs->alpn, qs->alpn_len);
	*len = qs->alpn_len;
	return 0;
}

/**
 * quic_set_session_ticket() - set QUIC_SOCKOPT_SESSION_TICKET
 * @qs:   locked
 * @data: resumption data, or a server's ticket key
 * @len:  its length
 *
 * Return: 0, or a negative errno.
 */
int quic_set_session_ticket(struct quic_sock *qs, void *data, u32 len)
{
	if (len < QUIC_TICKET_MIN || len > QUIC_TICKET_MAX)
		return -EINVAL;
	if (!qs->ticket)
		qs->ticket = kmalloc(QUIC_TICKET_MAX, GFP_KERNEL);
	if (!qs->ticket)
		return -ENOMEM;
	memcpy(qs->ticket, data, len);
	qs->ticket_len = len;
	qs->has_ticket = true;
	return 0;
}

/*
 * The same for one listener and one peer address, so that a ticket made by one
 * connection opens on the next. RFC 8446, section 4.6.1.
 */
static int quic_ticket_key(struct quic_sock *qs, u8 *key)
{
	char label[64];

	if (quic_sock_route(qs)->peer.sa.sa_family == AF_INET)
		snprintf(label, sizeof(label), "quic ticket %4phN", &quic_sock_route(qs)->peer.v4.sin_addr);
	else
		snprintf(label, sizeof(label), "quic ticket %16phN", &quic_sock_route(qs)->peer.v6.sin6_addr);
	return quic_hkdf_expand_label(TLS_CIPHER_AES_GCM_128, qs->secret, sizeof(qs->secret),
				      label, key, QUIC_TICKET_KEY_LEN);
}

/**
 * quic_get_session_ticket() - get QUIC_SOCKOPT_SESSION_TICKET
 * @qs:   locked
 * @data: QUIC_OPTION_MAX bytes
 * @len:  result
 *
 * Return: 0, or a negative errno.
 */
int quic_get_session_ticket(struct quic_sock *qs, void *data, u32 *len)
{
	int state = quic_sock_sk(qs)->sk_state;

	if (quic_sock_is_server(qs) && state != TCP_SYN_RECV && state != TCP_ESTABLISHED)
		return -EPIPE;
	if (qs->has_ticket) {
		memcpy(data, qs->ticket, qs->ticket_len);
		*len = qs->ticket_len;
		return 0;
	}
	if (quic_sock_is_server(qs)) {
		*len = QUIC_TICKET_KEY_LEN;
		return quic_ticket_key(qs, data);
	}
	*len = 0;
	return 0;
}

/**
 * quic_set_crypto_secret() - QUIC_SOCKOPT_CRYPTO_SECRET
 * @qs:   locked
 * @data: struct quic_crypto_secret
 * @len:  unused
 *
 * Return: 0, or a negative errno.
 */
int quic_set_crypto_secret(struct quic_sock *qs, void *data, u32 len)
{
	return quic_handshake_set_secret(qs, data);
}

/**
 * quic_set_transport_param_ext() - set QUIC_SOCKOPT_TRANSPORT_PARAM_EXT
 * @qs:   locked
 * @data: body of the peer's TLS extension
 * @len:  its length
 *
 * Return: 0, or a negative errno.
 */
int quic_set_transport_param_ext(struct quic_sock *qs, void *data, u32 len)
{
	return quic_handshake_set_params(qs, data, len);
}

/**
 * quic_get_transport_param_ext() - get QUIC_SOCKOPT_TRANSPORT_PARAM_EXT
 * @qs:   locked
 * @data: QUIC_OPTION_MAX bytes
 * @len:  result
 *
 * Return: 0, or a negative errno.
 */
int quic_get_transport_param_ext(struct quic_sock *qs, void *data, u32 *len)
{
	int ret = quic_handshake_get_params(qs, data, *len);

	if (ret < 0)
		return ret;
	*len = ret;
	return 0;
}
